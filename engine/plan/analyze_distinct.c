/* count(DISTINCT x) and its like, in batch: two aggregations, the first by the keys and
 * x, so that in the second every x of a group comes once.
 *
 *   Project [keys, coalesce(counts, 0), ...]
 *   +- Aggregate [keys], [count(x), sum(n), ...]
 *      +- Aggregate [keys, x], [count(1) AS n, ...]
 *
 * Aggregates beside it are taken in two steps too, so they must be ones that can be
 * (spark:A9 refuses all of it on streams). */
#include <string.h>

#include "base/text.h"
#include "engine/plan/analyze_private.h"

static sl_code refuse(const sl_agg *agg, sl_error *err, const char *text)
{
    return sl_plan__at(err, agg->pos,
                       sl_fail_as(err, SL_EUNSUPPORTED, "UNSUPPORTED_FEATURE", "0A000",
                                  "%.200s: %s", agg->pretty, text));
}

bool sl_plan__has_distinct(const sl_scope *s)
{
    for (uint32_t i = 0; i < s->agg_count; i++)
        if (s->aggs[i].distinct)
            return true;
    return false;
}

sl_code sl_plan__distinct_arguments(sl_scope *s, const sl_expr_list *args,
                                    const sl_agg *agg, sl_error *err)
{
    bool same = s->distinct_args.count == args->count;
    if (s->distinct_args.count == 0) {
        s->distinct_args = *args;
        return SL_OK;
    }
    for (uint32_t i = 0; i < args->count && same; i++)
        same = sl_expr_equal(args->items[i], s->distinct_args.items[i]);
    return same ? SL_OK
                : refuse(agg, err,
                         "DISTINCT over different columns in one query is not supported "
                         "yet. Write a query for each");
}

/* What puts the partial results of an aggregate together; NULL: nothing does. */
static const char *second_step(const char *name)
{
    static const char *const steps[][2] = {
        { "count", "sum" },         { "count_if", "sum" },   { "sum", "sum" },
        { "min", "min" },           { "max", "max" },        { "any_value", "any_value" },
        { "bool_and", "bool_and" }, { "every", "bool_and" }, { "bool_or", "bool_or" },
        { "some", "bool_or" },      { "any", "bool_or" },
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (sl_text_equal_nocase(steps[i][0], name))
            return steps[i][1];
    return NULL;
}

/* The first aggregation: keys, the DISTINCT arguments, the other aggregates. */
static sl_logical *inner_node(sl_scope *s, sl_sql_pos pos, const sl_group_key *keys,
                              const sl_field *key_fields)
{
    sl_arena *arena = s->a->arena;
    uint32_t key_count = s->key_count + s->distinct_args.count;
    uint32_t width = key_count + s->agg_count, agg_count = 0;
    sl_group_key *all = SL_ARENA_ARRAY(arena, sl_group_key, key_count + 1);
    sl_field *fields = SL_ARENA_ARRAY(arena, sl_field, width + 1);
    int64_t *window_us = SL_ARENA_ARRAY(arena, int64_t, width + 1);
    sl_agg *aggs = SL_ARENA_ARRAY(arena, sl_agg, s->agg_count + 1);
    for (uint32_t i = 0; i < key_count; i++) {
        if (i < s->key_count) {
            all[i] = keys[i];
            fields[i] = key_fields[i];
        } else {
            const sl_expr *e = s->distinct_args.items[i - s->key_count];
            sl_plan__output_field(s, e->pretty, e, &fields[i], &all[i].window_us);
            all[i].expr = e;
            all[i].name = fields[i].name;
            all[i].type = fields[i].type;
        }
        window_us[i] = all[i].window_us;
    }
    for (uint32_t i = 0; i < s->agg_count; i++) {
        if (s->aggs[i].distinct)
            continue;
        fields[key_count + agg_count] = s->agg_fields[i];
        aggs[agg_count++] = s->aggs[i];
    }
    sl_logical *n =
        sl_logical__new(arena, SL_LOGICAL_AGGREGATE, pos, sl_plan__with_window(s));
    sl_schema *schema = SL_ARENA_NEW(arena, sl_schema);
    *schema = (sl_schema){ key_count + agg_count, fields };
    n->schema = schema;
    n->window_us = window_us;
    n->u.aggregate.key_count = key_count;
    n->u.aggregate.keys = all;
    n->u.aggregate.agg_count = agg_count;
    n->u.aggregate.aggs = aggs;
    n->u.aggregate.event_time_key = -1;
    return n;
}

/* Aggregate i of the scope over the inner node; *at is its column there, if it has one.
 */
static sl_code outer_aggregate(sl_scope *s, const sl_logical *inner, uint32_t i,
                               uint32_t *at, sl_agg *ret, sl_error *err)
{
    sl_arena *arena = s->a->arena;
    const sl_agg *agg = &s->aggs[i];
    const sl_expr **args =
        SL_ARENA_ARRAY(arena, const sl_expr *, s->distinct_args.count + 1);
    const char *name = agg->distinct ? agg->name : second_step(agg->name);
    uint32_t count = agg->distinct ? s->distinct_args.count : 1;
    if (name == NULL)
        return refuse(
            agg, err,
            "not supported yet beside an aggregate with DISTINCT. Write a query "
            "for each");
    for (uint32_t k = 0; k < count; k++)
        args[k] =
            sl_logical__column(arena, inner, agg->distinct ? s->key_count + k : *at);
    *at += agg->distinct ? 0 : 1;
    SL_TRY(
        sl_plan__at(err, agg->pos,
                    sl_agg_resolve(arena, name, false, args, count, agg->pos, ret, err)));
    ret->pretty = agg->pretty;
    return SL_OK;
}

/* Counts put together by sum() are 0, not null, where there was no row. */
static const sl_expr *shown(sl_scope *s, const sl_logical *outer, uint32_t i)
{
    sl_arena *arena = s->a->arena;
    const sl_expr *column = sl_logical__column(arena, outer, s->key_count + i), *e;
    const sl_agg *agg = &s->aggs[i];
    if (agg->distinct || agg->result_nullable)
        return column;
    sl_value zero = { .type = sl_type_of(SL_TYPE_LONG) };
    const sl_expr *args[2] = { column, sl_expr_literal(arena, &zero, NULL, agg->pos) };
    return sl_expr_call(arena, "coalesce", args, 2, agg->pos, &e, NULL) == SL_OK ? e
                                                                                 : column;
}

sl_code sl_plan__distinct_node(sl_scope *s, sl_sql_pos pos, const sl_group_key *keys,
                               const sl_field *key_fields, const sl_logical **ret,
                               sl_error *err)
{
    sl_arena *arena = s->a->arena;
    uint32_t width = s->key_count + s->agg_count;
    uint32_t at = s->key_count + s->distinct_args.count;
    const sl_logical *inner = inner_node(s, pos, keys, key_fields);
    sl_group_key *outer_keys = SL_ARENA_ARRAY(arena, sl_group_key, s->key_count + 1);
    sl_agg *aggs = SL_ARENA_ARRAY(arena, sl_agg, s->agg_count + 1);
    sl_field *fields = SL_ARENA_ARRAY(arena, sl_field, width + 1);
    int64_t *window_us = SL_ARENA_ARRAY(arena, int64_t, width + 1);
    for (uint32_t i = 0; i < s->key_count; i++) {
        outer_keys[i] = keys[i];
        outer_keys[i].expr = sl_logical__column(arena, inner, i);
        fields[i] = key_fields[i];
        window_us[i] = keys[i].window_us;
    }
    for (uint32_t i = 0; i < s->agg_count; i++) {
        SL_TRY(outer_aggregate(s, inner, i, &at, &aggs[i], err));
        fields[s->key_count + i] = s->agg_fields[i];
        fields[s->key_count + i].nullable = aggs[i].result_nullable;
    }
    sl_logical *n = sl_logical__new(arena, SL_LOGICAL_AGGREGATE, pos, inner);
    sl_schema *schema = SL_ARENA_NEW(arena, sl_schema);
    *schema = (sl_schema){ width, fields };
    n->schema = schema;
    n->window_us = window_us;
    n->u.aggregate.key_count = s->key_count;
    n->u.aggregate.keys = outer_keys;
    n->u.aggregate.agg_count = s->agg_count;
    n->u.aggregate.aggs = aggs;
    n->u.aggregate.event_time_key = -1;

    const sl_expr **exprs = SL_ARENA_ARRAY(arena, const sl_expr *, width + 1);
    sl_field *shown_fields = sl_arena_memdup(arena, fields, (width + 1) * sizeof *fields);
    for (uint32_t i = 0; i < width; i++) {
        exprs[i] = i < s->key_count ? sl_logical__column(arena, n, i)
                                    : shown(s, n, i - s->key_count);
        shown_fields[i].nullable = exprs[i]->nullable;
    }
    *ret = sl_logical__project(arena, n, exprs, shown_fields, window_us, width, pos);
    return SL_OK;
}
