#include "base/option_list.h"

#include <inttypes.h>

#include "base/limits.h"
#include "base/text.h"

static const sl_option_pair *find_pair(const sl_option_list *l, const char *name)
{
    for (uint32_t i = 0; i < l->count; i++)
        if (sl_text_equal_nocase(l->pairs[i].name, name))
            return &l->pairs[i];
    return NULL;
}

/* Point the message at the place in the SQL text. */
static sl_code at_pair(sl_error *err, sl_code code, const sl_option_pair *pair)
{
    if (err) {
        err->line = pair->line;
        err->column = pair->column;
    }
    return code;
}

const char *sl_option_list_get(const sl_option_list *l, const char *name)
{
    const sl_option_pair *pair = find_pair(l, name);
    return pair ? pair->value : NULL;
}

sl_code sl_option_list_int(const sl_option_list *l, const char *name, int64_t fallback,
                           int64_t min, int64_t max, int64_t *ret, sl_error *err)
{
    const sl_option_pair *pair = find_pair(l, name);
    if (!pair) {
        *ret = fallback;
        return SL_OK;
    }
    int64_t value = 0;
    if (sl_int64_parse(pair->value, &value, NULL) != SL_OK || value < min || value > max)
        return at_pair(err,
                       sl_fail(err, SL_EOPTION,
                               "option '%s' is '%.200s'; it must be a whole number from "
                               "%" PRId64 " to %" PRId64,
                               pair->name, pair->value, min, max),
                       pair);
    *ret = value;
    return SL_OK;
}

sl_code sl_option_list_bool(const sl_option_list *l, const char *name, bool fallback,
                            bool *ret, sl_error *err)
{
    const sl_option_pair *pair = find_pair(l, name);
    if (!pair) {
        *ret = fallback;
        return SL_OK;
    }
    bool value = false;
    if (sl_bool_parse(pair->value, &value, NULL) != SL_OK)
        return at_pair(err,
                       sl_fail(err, SL_EOPTION,
                               "option '%s' is '%.200s'; it must be true or false",
                               pair->name, pair->value),
                       pair);
    *ret = value;
    return SL_OK;
}

static bool is_known(const char *name, const char *const *known, uint32_t known_count)
{
    for (uint32_t i = 0; i < known_count; i++)
        if (sl_text_equal_nocase(name, known[i]))
            return true;
    return false;
}

sl_code sl_option_list_check(const sl_option_list *l, const char *what,
                             const char *const *known, uint32_t known_count,
                             sl_error *err)
{
    for (uint32_t i = 0; i < l->count; i++) {
        const sl_option_pair *pair = &l->pairs[i];
        if (is_known(pair->name, known, known_count))
            continue;
        const char *nearest = sl_text_nearest(pair->name, known, known_count);
        sl_code code = nearest ? sl_fail(err, SL_EOPTION,
                                         "%s has no option '%.200s'; did you mean '%s'?",
                                         what, pair->name, nearest)
                               : sl_fail(err, SL_EOPTION, "%s has no option '%.200s'",
                                         what, pair->name);
        return at_pair(err, code, pair);
    }
    return SL_OK;
}

/* OFFSET 0: u32 count; then for each pair name and value as strings.  Positions are left
 * out: a plan must not change when its SQL text is only laid out differently. */
void sl_option_list_write(const sl_option_list *l, sl_bytes *out)
{
    sl_bytes_u32(out, l->count);
    for (uint32_t i = 0; i < l->count; i++) {
        sl_bytes_string(out, l->pairs[i].name);
        sl_bytes_string(out, l->pairs[i].value);
    }
}

sl_code sl_option_list_read(sl_reader *r, sl_arena *arena, sl_option_list *ret,
                            sl_error *err)
{
    uint32_t count = sl_read_count(r, 2 * sizeof(uint32_t));
    sl_option_pair *pairs = SL_ARENA_ARRAY(arena, sl_option_pair, count);
    for (uint32_t i = 0; i < count && !r->failed; i++) {
        pairs[i].name = sl_read_string(r, arena);
        pairs[i].value = sl_read_string(r, arena);
        if (!pairs[i].name || !pairs[i].value)
            r->failed = true;
    }
    if (r->failed)
        return sl_fail(err, SL_ECORRUPT, "an option list ends early or lacks a text");
    *ret = (sl_option_list){ .count = count, .pairs = pairs };
    return SL_OK;
}
