/* Lists are short (a table's OPTIONS), so names are found by a walk. */
#include "base/option_list.h"

#include <inttypes.h>

#include "base/text.h"

static const sl_option_pair *find(const sl_option_list *l, const char *name)
{
    for (uint32_t i = 0; i < l->count; i++)
        if (sl_text_equal_nocase(l->pairs[i].name, name))
            return &l->pairs[i];
    return NULL;
}

const char *sl_option_list_get(const sl_option_list *l, const char *name)
{
    const sl_option_pair *p = find(l, name);
    return p != NULL ? p->value : NULL;
}

/* The error points at the option in the SQL text. */
static sl_code at_option(const sl_option_pair *p, sl_code code, sl_error *err)
{
    if (err != NULL) {
        err->line = p->line;
        err->column = p->column;
    }
    return code;
}

sl_code sl_option_list_int(const sl_option_list *l, const char *name, int64_t fallback,
                           int64_t min, int64_t max, int64_t *ret, sl_error *err)
{
    const sl_option_pair *p = find(l, name);
    if (p == NULL) {
        *ret = fallback;
        return SL_OK;
    }
    int64_t v;
    if (sl_int64_parse(p->value, &v, NULL) != SL_OK || v < min || v > max) {
        sl_code code = sl_fail(err, SL_EOPTION,
                               "option %s is '%s'; expected a whole number from %" PRId64
                               " to %" PRId64,
                               p->name, p->value, min, max);
        return at_option(p, code, err);
    }
    *ret = v;
    return SL_OK;
}

sl_code sl_option_list_bool(const sl_option_list *l, const char *name, bool fallback,
                            bool *ret, sl_error *err)
{
    const sl_option_pair *p = find(l, name);
    if (p == NULL) {
        *ret = fallback;
        return SL_OK;
    }
    bool v;
    if (sl_bool_parse(p->value, &v, NULL) != SL_OK) {
        sl_code code =
            sl_fail(err, SL_EOPTION, "option %s is '%s'; expected true or false", p->name,
                    p->value);
        return at_option(p, code, err);
    }
    *ret = v;
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
        const sl_option_pair *p = &l->pairs[i];
        if (is_known(p->name, known, known_count))
            continue;
        const char *near = sl_text_nearest(p->name, known, known_count);
        sl_code code =
            near != NULL
                ? sl_fail(err, SL_EOPTION, "%s has no option '%s'; did you mean '%s'?",
                          what, p->name, near)
                : sl_fail(err, SL_EOPTION, "%s has no option '%s'", what, p->name);
        return at_option(p, code, err);
    }
    return SL_OK;
}

void sl_option_list_write(const sl_option_list *l, sl_bytes *out)
{
    sl_bytes_u32(out, l->count);
    for (uint32_t i = 0; i < l->count; i++) {
        sl_bytes_string(out, l->pairs[i].name);
        sl_bytes_string(out, l->pairs[i].value);
        sl_bytes_u32(out, l->pairs[i].line);
        sl_bytes_u32(out, l->pairs[i].column);
    }
}

sl_code sl_option_list_read(sl_reader *r, sl_arena *arena, sl_option_list *ret,
                            sl_error *err)
{
    uint32_t count = sl_read_count(r, 16);
    sl_option_pair *pairs = SL_ARENA_ARRAY(arena, sl_option_pair, count + (size_t)1);
    for (uint32_t i = 0; i < count && !r->failed; i++) {
        pairs[i].name = sl_read_string(r, arena);
        pairs[i].value = sl_read_string(r, arena);
        pairs[i].line = sl_read_u32(r);
        pairs[i].column = sl_read_u32(r);
        if (pairs[i].name == NULL || pairs[i].value == NULL)
            r->failed = true;
    }
    if (r->failed)
        return sl_fail(err, SL_ECORRUPT, "an option list of %u entries is cut short",
                       count);
    *ret = (sl_option_list){ .count = count, .pairs = pairs };
    return SL_OK;
}
