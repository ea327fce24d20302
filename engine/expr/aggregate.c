#include "engine/expr/aggregate.h"

#include <string.h>

#include "base/text.h"
#include "engine/expr/aggregate_private.h"

static const struct {
    const sl_agg_class *classes;
    uint32_t count;
} families[] = { { sl_agg__classes_count, 2 },   { sl_agg__classes_sum, 3 },
                 { sl_agg__classes_extreme, 3 }, { sl_agg__classes_bool, 5 },
                 { sl_agg__classes_moments, 7 }, { sl_agg__classes_first, 4 },
                 { sl_agg__classes_by, 2 } };

#define FAMILY_COUNT (sizeof families / sizeof *families)

uint32_t sl_agg__class_count(void)
{
    uint32_t count = 0;
    for (size_t i = 0; i < FAMILY_COUNT; i++)
        count += families[i].count;
    return count;
}

const sl_agg_class *sl_agg__class(uint32_t i)
{
    for (size_t f = 0; f < FAMILY_COUNT; f++) {
        if (i < families[f].count)
            return &families[f].classes[i];
        i -= families[f].count;
    }
    return NULL;
}

static const sl_agg_class *find_class(const char *name)
{
    for (uint32_t i = 0; i < sl_agg__class_count(); i++) {
        if (sl_text_equal_nocase(sl_agg__class(i)->name, name))
            return sl_agg__class(i);
    }
    return NULL;
}

bool sl_aggregate_exists(const char *name)
{
    return find_class(name) != NULL;
}

/* ---- resolving ---- */

static sl_code wrong_arguments(const sl_agg_class *class, uint32_t count, sl_error *err)
{
    return sl_fail_as(
        err, SL_EANALYSIS, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605",
        "The `%s` requires %u parameters but the actual number is %u. It is "
        "written: %s",
        class->name, class->least_args, count, class->usage);
}

static sl_code resolve(sl_arena *arena, const sl_agg_class *class, bool is_star,
                       const sl_expr *const *args, uint32_t arg_count, sl_sql_pos pos,
                       sl_agg *ret, sl_error *err)
{
    if (is_star && strcmp(class->name, "count") != 0)
        return sl_fail_as(err, SL_EANALYSIS, "INVALID_USAGE_OF_STAR_OR_REGEX", "42000",
                          "Invalid usage of '*' in %s: only count(*) takes it.",
                          class->name);
    if (!is_star && (arg_count < class->least_args || arg_count > class->most_args))
        return wrong_arguments(class, arg_count, err);
    sl_call_site s = { .arena = arena,
                       .name = class->name,
                       .arg_count = is_star ? 0 : arg_count,
                       .pos = pos };
    if (s.arg_count != 0)
        s.args = sl_arena_memdup(arena, args, arg_count * sizeof *args);
    sl_agg a = { .class = class, .name = class->name, .pos = pos };
    a.pretty = is_star ? "count(1)" : sl_pretty__call(&s, class->name);
    s.pretty = a.pretty;
    SL_TRY(class->resolve(&s, &a, err));
    a.arg_type = a.arg != NULL ? a.arg->type : NULL;
    *ret = a;
    return SL_OK;
}

sl_code sl_agg_resolve(sl_arena *arena, const char *name, bool is_star,
                       const sl_expr *const *args, uint32_t arg_count, sl_sql_pos pos,
                       sl_agg *ret, sl_error *err)
{
    const sl_agg_class *class = find_class(name);
    if (class == NULL)
        return sl_error__at(err,
                            sl_fail_as(err, SL_EANALYSIS, "UNRESOLVED_ROUTINE", "42883",
                                       "Cannot resolve aggregate `%.100s`.", name),
                            pos);
    return sl_error__at(
        err, resolve(arena, class, is_star, args, arg_count, pos, ret, err), pos);
}

uint32_t sl_agg_layout(sl_agg *aggs, uint32_t count)
{
    uint32_t width = 0;
    for (uint32_t i = 0; i < count; i++) {
        aggs[i].offset = width;
        aggs[i].blob_offset = aggs[i].has_blob ? width : 0; /* the state is the blob */
        width += aggs[i].state_width;
    }
    return width;
}

/* ---- running ---- */

sl_code sl_agg_update(const sl_agg *a, uint8_t *const *slots, const sl_column *arg,
                      const uint16_t *selection, uint32_t n, sl_agg_set_blob set_blob,
                      void *user, sl_error *err)
{
    sl_agg_call c = { .agg = a,
                      .slots = slots,
                      .n = n,
                      .column = arg,
                      .selection = selection,
                      .set_blob = set_blob,
                      .user = user };
    return a->class->update(&c, err);
}

sl_code sl_agg_partial(const sl_agg *a, uint8_t *const *slots, uint32_t n,
                       sl_budget *budget, sl_column *ret_columns, sl_error *err)
{
    sl_agg_call c = {
        .agg = a, .slots = slots, .n = n, .budget = budget, .ret = ret_columns
    };
    return a->class->partial(&c, err);
}

sl_code sl_agg_merge(const sl_agg *a, uint8_t *const *slots, const sl_column *buffers,
                     uint32_t n, sl_agg_set_blob set_blob, void *user, sl_error *err)
{
    sl_agg_call c = { .agg = a,
                      .slots = slots,
                      .n = n,
                      .column = buffers,
                      .set_blob = set_blob,
                      .user = user };
    return a->class->merge(&c, err);
}

sl_code sl_agg_result(const sl_agg *a, uint8_t *const *slots, uint32_t n,
                      sl_budget *budget, sl_column *ret_column, sl_error *err)
{
    sl_agg_call c = {
        .agg = a, .slots = slots, .n = n, .budget = budget, .ret = ret_column
    };
    return a->class->result(&c, err);
}

/* ---- fragments: string name | u8 has argument, expression | u32 offset, line, column |
 * string pretty. Read by resolving again, as expressions are. ---- */

#define OFFSET_MAX (1u << 20)

void sl_agg_write(const sl_agg *a, sl_bytes *out)
{
    sl_bytes_string(out, a->name);
    sl_bytes_u8(out, a->arg != NULL);
    if (a->arg != NULL)
        sl_expr_write(a->arg, out);
    sl_bytes_u32(out, a->offset);
    sl_bytes_u32(out, a->pos.line);
    sl_bytes_u32(out, a->pos.column);
    sl_bytes_string(out, a->pretty);
}

sl_code sl_agg_read(sl_reader *r, sl_arena *arena, sl_agg *ret, sl_error *err)
{
    const sl_expr *arg = NULL;
    sl_agg a;
    const char *name = sl_read_string(r, arena);
    bool has_arg = sl_read_u8(r) != 0;
    if (r->failed || name == NULL || find_class(name) == NULL)
        return sl_fail(err, SL_ECORRUPT, "aggregate: unknown or cut short at byte %zu",
                       r->at);
    if (has_arg)
        SL_TRY(sl_expr_read(r, arena, &arg, err));
    uint32_t offset = sl_read_u32(r);
    sl_sql_pos pos;
    pos.line = sl_read_u32(r);
    pos.column = sl_read_u32(r);
    const char *pretty = sl_read_string(r, arena);
    sl_code code =
        sl_agg_resolve(arena, name, !has_arg, &arg, has_arg ? 1 : 0, pos, &a, NULL);
    if (r->failed || pretty == NULL || code != SL_OK || offset > OFFSET_MAX ||
        offset % 8 != 0 || (has_arg && (a.arg == NULL || !sl_expr_equal(a.arg, arg))))
        return sl_fail(err, SL_ECORRUPT,
                       "aggregate %s: cut short or of wrong types at byte %zu", name,
                       r->at);
    a.offset = offset;
    a.blob_offset = a.has_blob ? offset : 0;
    a.pretty = pretty;
    *ret = a;
    return SL_OK;
}
