/* A SELECT list: outputs over its input or over GROUP BY, HAVING, and the ORDER BY above,
 * which may name outputs, columns that are not put out, and aggregates.
 *
 *   input [-> WINDOW] [-> AGGREGATE [-> FILTER having]] -> PROJECT outputs, hidden keys
 *         [-> SORT -> PROJECT without the hidden keys] */
#include <string.h>

#include "engine/plan/analyze_private.h"

/* One SELECT list while it is built. */
typedef struct select_list {
    uint32_t count, capacity;
    sl_output *items;
} select_list;

static void add_output(sl_arena *arena, select_list *list, sl_output o)
{
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity != 0 ? 2 * list->capacity : 16;
        sl_output *items = SL_ARENA_ARRAY(arena, sl_output, capacity);
        if (list->count != 0)
            memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = o;
}

/* Stars become columns; the rest keeps its source until it is resolved. */
static sl_code list_outputs(sl_scope *s, const sl_relation *r, select_list *list,
                            sl_error *err)
{
    for (uint32_t i = 0; i < r->expr_count; i++) {
        const sl_uexpr *u = r->exprs[i];
        if (u->kind == SL_U_STAR) {
            sl_expr_list columns = { 0 };
            SL_TRY(sl_plan__expand_star(s, u, &columns, err));
            for (uint32_t c = 0; c < columns.count; c++)
                add_output(s->a->arena, list,
                           (sl_output){ .name = columns.items[c]->pretty,
                                        .expr = columns.items[c] });
        } else {
            bool alias = u->kind == SL_U_ALIAS;
            add_output(s->a->arena, list,
                       (sl_output){ .name = alias ? u->parts[0] : "",
                                    .has_alias = alias,
                                    .source = alias ? u->args[0] : u });
        }
        if (list->count > SL_COLUMNS_MAX)
            return sl_plan__at(err, u->pos,
                               sl_fail(err, SL_ELIMIT,
                                       "the SELECT list has more than %d columns",
                                       SL_COLUMNS_MAX));
    }
    return SL_OK;
}

/* The cast of a column, or the column itself where the cast changes nothing. */
static bool is_cast_column(const sl_expr *e)
{
    return e->kind == SL_EXPR_COLUMN ||
           (e->kind == SL_EXPR_CALL && e->args[0]->kind == SL_EXPR_COLUMN);
}

/* a.b is called b, CAST(a AS INT) a, an expression by its text. */
static const char *output_name(const sl_uexpr *u, const sl_expr *e)
{
    if (u->kind == SL_U_NAME)
        return u->parts[u->part_count - 1];
    if (u->kind == SL_U_CAST && u->args[0]->kind == SL_U_NAME && is_cast_column(e))
        return u->args[0]->parts[u->args[0]->part_count - 1];
    return e->pretty;
}

static sl_code resolve_outputs(sl_scope *s, select_list *list, sl_error *err)
{
    s->clause = "SELECT";
    for (uint32_t i = 0; i < list->count; i++) {
        sl_output *o = &list->items[i];
        if (o->source == NULL)
            continue;
        SL_TRY(sl_plan__resolve(s, o->source, 0, &o->expr, err));
        if (!o->has_alias)
            o->name = output_name(o->source, o->expr);
    }
    return SL_OK;
}

/* ---- ORDER BY ---- */

static bool is_position(const sl_uexpr *u)
{
    return u->kind == SL_U_LITERAL && !u->literal.is_null &&
           u->literal.type->id == SL_TYPE_INT;
}

static sl_code check_position(const sl_uexpr *u, uint32_t count, sl_error *err)
{
    if (u->literal.i64 >= 1 && u->literal.i64 <= count)
        return SL_OK;
    return sl_plan__at(err, u->pos,
                       sl_fail_as(err, SL_EANALYSIS, "ORDER_BY_POS_OUT_OF_RANGE", "42805",
                                  "ORDER BY position %lld is not in select list (valid "
                                  "range is [1, %u]).",
                                  (long long)u->literal.i64, count));
}

static sl_code check_orderable(sl_analyzer *a, const sl_uexpr *u, const sl_expr *e,
                               sl_error *err)
{
    if (e->type->id != SL_TYPE_MAP && e->type->id != SL_TYPE_ARRAY)
        return SL_OK;
    return sl_plan__at(err, u->pos,
                       sl_fail_as(err, SL_EANALYSIS,
                                  "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE", "42K09",
                                  "Cannot resolve \"%.200s\" due to data type mismatch: "
                                  "ORDER BY does not support ordering on type \"%s\".",
                                  e->pretty, sl_plan__type_sql(a->arena, e->type)));
}

/* Nulls come first ascending and last descending unless said otherwise. */
static sl_sort_key sort_key(const sl_usort *u, const sl_expr *e)
{
    bool first = u->nulls_first_given ? u->nulls_first : !u->descending;
    return (sl_sort_key){ .expr = e, .descending = u->descending, .nulls_last = !first };
}

/* The output that is e, or a hidden one added for it. */
static uint32_t find_or_hide(sl_scope *s, select_list *list, const sl_expr *e)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->items[i].expr == e)
            return i;
    }
    for (uint32_t i = 0; i < list->count && sl_expr_is_deterministic(e); i++) {
        if (sl_expr_equal(list->items[i].expr, e))
            return i;
    }
    add_output(s->a->arena, list, (sl_output){ .name = e->pretty, .expr = e });
    return list->count - 1;
}

static sl_code resolve_sort(sl_scope *s, const sl_relation *sort, select_list *list,
                            uint32_t *columns, sl_error *err)
{
    uint32_t visible = list->count;
    s->clause = "ORDER BY";
    for (uint32_t i = 0; i < sort->sort_count; i++) {
        const sl_uexpr *u = sort->sorts[i].expr;
        const sl_expr *e;
        if (is_position(u)) {
            SL_TRY(check_position(u, visible, err));
            columns[i] = (uint32_t)u->literal.i64 - 1;
            e = list->items[columns[i]].expr;
        } else {
            s->outputs = list->items;
            s->output_count = visible;
            SL_TRY(sl_plan__resolve(s, u, 0, &e, err));
            columns[i] = find_or_hide(s, list, e);
        }
        SL_TRY(check_orderable(s->a, u, e, err));
    }
    return SL_OK;
}

static const sl_logical *sort_over(sl_analyzer *a, const sl_logical *input,
                                   const sl_relation *sort, const uint32_t *columns)
{
    sl_logical *n = sl_logical__new(a->arena, SL_LOGICAL_SORT, sort->pos, input);
    sl_sort_key *keys = SL_ARENA_ARRAY(a->arena, sl_sort_key, sort->sort_count);
    for (uint32_t i = 0; i < sort->sort_count; i++)
        keys[i] =
            sort_key(&sort->sorts[i], sl_logical__column(a->arena, input, columns[i]));
    n->u.sort.keys = keys;
    n->u.sort.count = sort->sort_count;
    return n;
}

sl_code sl_plan__sort(sl_analyzer *a, const sl_relation *sort, const sl_named *input,
                      sl_named *ret, sl_error *err)
{
    sl_scope s = { .a = a, .input = input, .clause = "ORDER BY" };
    sl_sort_key *keys = SL_ARENA_ARRAY(a->arena, sl_sort_key, sort->sort_count);
    uint32_t n = input->node->schema->field_count;
    for (uint32_t i = 0; i < sort->sort_count; i++) {
        const sl_uexpr *u = sort->sorts[i].expr;
        const sl_expr *e;
        if (is_position(u)) {
            SL_TRY(check_position(u, n, err));
            e = sl_logical__column(a->arena, input->node, (uint32_t)u->literal.i64 - 1);
        } else {
            SL_TRY(sl_plan__resolve(&s, u, 0, &e, err));
        }
        SL_TRY(check_orderable(a, u, e, err));
        keys[i] = sort_key(&sort->sorts[i], e);
    }
    sl_logical *node = sl_logical__new(a->arena, SL_LOGICAL_SORT, sort->pos, input->node);
    node->u.sort.keys = keys;
    node->u.sort.count = sort->sort_count;
    ret->node = node;
    ret->qualifiers = input->qualifiers;
    return SL_OK;
}

/* ---- putting the nodes together ---- */

static sl_code collect_windows(sl_scope *s, const sl_relation *r, const sl_relation *sort,
                               sl_error *err)
{
    for (uint32_t i = 0; i < r->group_count; i++)
        SL_TRY(sl_plan__collect_windows(s, r->groups[i], 0, err));
    for (uint32_t i = 0; i < r->expr_count; i++)
        SL_TRY(sl_plan__collect_windows(s, r->exprs[i], 0, err));
    if (r->condition != NULL)
        SL_TRY(sl_plan__collect_windows(s, r->condition, 0, err));
    for (uint32_t i = 0; sort != NULL && i < sort->sort_count; i++)
        SL_TRY(sl_plan__collect_windows(s, sort->sorts[i].expr, 0, err));
    return SL_OK;
}

static const sl_logical *project(const sl_scope *s, const sl_logical *input,
                                 const select_list *list, const sl_expr *const *exprs,
                                 sl_sql_pos pos)
{
    sl_arena *arena = s->a->arena;
    sl_field *fields = SL_ARENA_ARRAY(arena, sl_field, list->count);
    int64_t *window_us = SL_ARENA_ARRAY(arena, int64_t, list->count);
    for (uint32_t i = 0; i < list->count; i++) {
        sl_plan__output_field(s, list->items[i].name, list->items[i].expr, &fields[i],
                              &window_us[i]);
        fields[i].nullable = exprs[i]->nullable;
    }
    return sl_logical__project(arena, input, exprs, fields, window_us, list->count, pos);
}

/* The node the outputs are computed over, and the outputs over it. */
static sl_code place_outputs(sl_scope *s, const sl_relation *r, const select_list *list,
                             const sl_expr *having, const sl_expr **exprs,
                             const sl_logical **ret, sl_error *err)
{
    if (r->kind == SL_REL_PROJECT) {
        for (uint32_t i = 0; i < list->count; i++)
            exprs[i] = list->items[i].expr;
        *ret = sl_plan__with_window(s);
        return SL_OK;
    }
    const sl_logical *aggregate;
    uint32_t *slots;
    SL_TRY(sl_plan__aggregate_node(s, r->pos, &aggregate, &slots, err));
    for (uint32_t i = 0; i < list->count; i++)
        SL_TRY(sl_plan__over_aggregate(s, aggregate, slots, list->items[i].expr,
                                       &exprs[i], err));
    if (having != NULL) {
        SL_TRY(sl_plan__over_aggregate(s, aggregate, slots, having, &having, err));
        aggregate = sl_logical__filter(s->a->arena, aggregate, having);
    }
    *ret = aggregate;
    return SL_OK;
}

sl_code sl_plan__select(sl_analyzer *a, const sl_relation *r, const sl_relation *sort,
                        sl_place place, sl_named *ret, sl_error *err)
{
    sl_named input;
    select_list list = { 0 };
    const sl_expr *having = NULL;
    bool aggregate = r->kind == SL_REL_AGGREGATE;
    place.depth++;
    SL_TRY(sl_plan__relation(a, r->inputs[0], place, &input, err));

    sl_scope s = { .a = a, .input = &input, .clause = "SELECT" };
    SL_TRY(collect_windows(&s, r, sort, err));
    SL_TRY(list_outputs(&s, r, &list, err));
    if (aggregate)
        SL_TRY(sl_plan__group_keys(&s, r, list.items, list.count, err));
    s.allow_aggregates = aggregate;
    SL_TRY(resolve_outputs(&s, &list, err));
    s.outputs = list.items;
    s.output_count = list.count;
    s.outputs_first = true;
    if (aggregate && r->condition != NULL) {
        s.clause = "HAVING";
        SL_TRY(sl_plan__condition(&s, r->condition, &having, err));
    }
    uint32_t visible = list.count;
    uint32_t *columns =
        SL_ARENA_ARRAY(a->arena, uint32_t, sort != NULL ? sort->sort_count : 1);
    if (sort != NULL)
        SL_TRY(resolve_sort(&s, sort, &list, columns, err));

    const sl_expr **exprs = SL_ARENA_ARRAY(a->arena, const sl_expr *, list.count);
    const sl_logical *node;
    SL_TRY(place_outputs(&s, r, &list, having, exprs, &node, err));
    node = project(&s, node, &list, exprs, r->pos);
    if (sort != NULL)
        node = sort_over(a, node, sort, columns);
    if (list.count != visible) {
        uint32_t *kept = SL_ARENA_ARRAY(a->arena, uint32_t, visible);
        for (uint32_t i = 0; i < visible; i++)
            kept[i] = i;
        node = sl_logical__pick(a->arena, node, kept, visible);
    }
    ret->node = node;
    ret->qualifiers = SL_ARENA_ARRAY(a->arena, const char *, visible);
    return SL_OK;
}
