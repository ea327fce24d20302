/* GROUP BY: keys, aggregate calls, and expressions over both.
 *
 * Outputs are first resolved over the node's input, with a numbered column for each
 * aggregate call; then every subtree equal to a key becomes that key, and a column left
 * over is what MISSING_AGGREGATION reports.  On a stream the event-time key is put first:
 * state is ordered and expired by it. */
#include <string.h>

#include "base/text.h"
#include "engine/plan/analyze_private.h"

static uint32_t first_aggregate(const sl_scope *s)
{
    return s->input->node->schema->field_count + 1;
}

/* ---- aggregate calls ---- */

static sl_code refuse_here(const sl_scope *s, const sl_uexpr *u, sl_error *err)
{
    sl_code code;
    if (strcmp(s->clause, "WHERE") == 0)
        code = sl_fail_as(err, SL_EANALYSIS, "INVALID_WHERE_CONDITION", "42903",
                          "The WHERE condition contains the aggregate function %.100s. "
                          "Rewrite the query to avoid window functions, aggregate "
                          "functions, and generator functions in the WHERE clause.",
                          u->parts[0]);
    else if (strcmp(s->clause, "GROUP BY") == 0)
        code = sl_fail_as(err, SL_EANALYSIS, "GROUP_BY_AGGREGATE", "42903",
                          "Aggregate functions are not allowed in GROUP BY, but found "
                          "%.100s.",
                          u->parts[0]);
    else
        code = sl_fail_as(err, SL_EANALYSIS, "MISSING_GROUP_BY", "42803",
                          "The aggregate function %.100s is not allowed in %s here. Put "
                          "it into a query with GROUP BY.",
                          u->parts[0], s->clause);
    return sl_plan__at(err, u->pos, code);
}

static sl_code refuse_distinct(const sl_scope *s, const sl_uexpr *u, sl_error *err)
{
    if (s->input->node->streaming)
        return sl_plan__at(
            err, u->pos,
            sl_fail_as(err, SL_EANALYSIS, "_LEGACY_ERROR_TEMP_3102", "42KDE",
                       "Distinct aggregations are not supported on streaming "
                       "DataFrames/Datasets. Consider using approx_count_distinct() "
                       "instead."));
    return sl_plan__at(
        err, u->pos,
        sl_fail_as(err, SL_EUNSUPPORTED, "UNSUPPORTED_FEATURE", "0A000",
                   "%.100s(DISTINCT ...) FILTER (WHERE ...) is not supported "
                   "yet: aggregate over a query with SELECT DISTINCT",
                   u->parts[0]));
}

/* f(x) FILTER (WHERE c) is f(if(c, x, NULL)); count(*) counts a constant. *ret_text is
 * the call as Spark calls the column, without its name. */
static sl_code apply_filter(sl_scope *s, const sl_uexpr *u, uint32_t depth,
                            sl_expr_list *args, bool *star, const char **ret_text,
                            sl_error *err)
{
    sl_arena *arena = s->a->arena;
    const sl_expr *condition;
    const char *text = "";
    SL_TRY(sl_plan__resolve(s, u->filter, depth, &condition, err));
    if (*star) {
        sl_value one = { .type = sl_type_of(SL_TYPE_INT), .i64 = 1 };
        sl_plan__push(arena, args, sl_expr_literal(arena, &one, NULL, u->pos));
        *star = false;
    }
    sl_value null = { .type = sl_type_of(SL_TYPE_VOID), .is_null = true };
    for (uint32_t i = 0; i < args->count; i++) {
        const sl_expr *parts[3] = { condition, args->items[i],
                                    sl_expr_literal(arena, &null, NULL, u->pos) };
        text = sl_arena_printf(arena, "%s%s%s", text, i != 0 ? ", " : "",
                               args->items[i]->pretty);
        SL_TRY(sl_plan__at(
            err, u->pos,
            sl_expr_call(arena, "if", parts, 3, u->pos, &args->items[i], err)));
    }
    *ret_text = sl_arena_printf(arena, "(%s) FILTER (WHERE %s)", text, condition->pretty);
    return SL_OK;
}

static sl_code check_arguments(const sl_uexpr *u, const sl_expr_list *args, sl_error *err)
{
    for (uint32_t i = 0; i < args->count; i++) {
        if (!sl_expr_is_deterministic(args->items[i]))
            return sl_plan__at(
                err, u->pos,
                sl_fail_as(err, SL_EANALYSIS,
                           "AGGREGATE_FUNCTION_WITH_NONDETERMINISTIC_EXPRESSION", "42845",
                           "Non-deterministic expression \"%.200s\" should not appear in "
                           "the arguments of an aggregate function.",
                           args->items[i]->pretty));
    }
    return SL_OK;
}

static bool same_aggregate(const sl_agg *a, const sl_agg *b)
{
    if (!sl_text_equal_nocase(a->name, b->name) || (a->arg == NULL) != (b->arg == NULL) ||
        a->distinct != b->distinct)
        return false;
    return a->arg == NULL || sl_expr_equal(a->arg, b->arg);
}

static sl_code add_aggregate(sl_scope *s, const sl_agg *agg, uint32_t *ret, sl_error *err)
{
    for (uint32_t i = 0; i < s->agg_count; i++) {
        if (same_aggregate(&s->aggs[i], agg)) {
            *ret = i;
            return SL_OK;
        }
    }
    if (s->agg_count == SL_COLUMNS_MAX)
        return sl_plan__at(err, agg->pos,
                           sl_fail(err, SL_ELIMIT, "more than %d aggregates in a query",
                                   SL_COLUMNS_MAX));
    if (s->agg_count == s->agg_capacity) {
        uint32_t capacity = s->agg_capacity != 0 ? 2 * s->agg_capacity : 8;
        sl_agg *aggs = SL_ARENA_ARRAY(s->a->arena, sl_agg, capacity);
        sl_field *fields = SL_ARENA_ARRAY(s->a->arena, sl_field, capacity);
        if (s->agg_count != 0) {
            memcpy(aggs, s->aggs, s->agg_count * sizeof *aggs);
            memcpy(fields, s->agg_fields, s->agg_count * sizeof *fields);
        }
        s->aggs = aggs;
        s->agg_fields = fields;
        s->agg_capacity = capacity;
    }
    s->aggs[s->agg_count] = *agg;
    s->agg_fields[s->agg_count] = (sl_field){
        .name = agg->pretty,
        .type = agg->result_type,
        .nullable = agg->result_nullable || s->input->node->streaming, /* spark:W9 */
    };
    *ret = s->agg_count++;
    return SL_OK;
}

static bool distinct_means_nothing(const char *name)
{
    return sl_text_equal_nocase(name, "min") || sl_text_equal_nocase(name, "max");
}

/* "count(DISTINCT a, b)" */
static const char *distinct_name(sl_arena *arena, const sl_agg *agg,
                                 const sl_expr_list *args)
{
    const char *text = "";
    for (uint32_t i = 0; i < args->count; i++)
        text = sl_arena_printf(arena, "%s%s%s", text, i != 0 ? ", " : "",
                               args->items[i]->pretty);
    return sl_arena_printf(arena, "%s(DISTINCT %s)", agg->name, text);
}

sl_code sl_plan__aggregate_call(sl_scope *s, const sl_uexpr *u, uint32_t depth,
                                const sl_expr **ret, sl_error *err)
{
    sl_expr_list args = { 0 };
    const char *text = NULL;
    bool star = u->star;
    sl_agg agg;
    uint32_t i;
    if (s->inside_aggregate)
        return sl_plan__at(err, u->pos,
                           sl_fail_as(err, SL_EANALYSIS, "NESTED_AGGREGATE_FUNCTION",
                                      "42607",
                                      "It is not allowed to use an aggregate function in "
                                      "the argument of another aggregate function. "
                                      "Please use the inner aggregate function in a "
                                      "sub-query."));
    if (!s->allow_aggregates)
        return refuse_here(s, u, err);
    if (u->distinct && (s->input->node->streaming || u->filter != NULL))
        return refuse_distinct(s, u, err);

    s->inside_aggregate = true;
    sl_code code = SL_OK;
    for (i = 0; i < u->arg_count && code == SL_OK; i++) {
        const sl_expr *e;
        if (u->args[i]->kind == SL_U_STAR) {
            code = sl_plan__expand_star(s, u->args[i], &args, err);
            continue;
        }
        code = sl_plan__resolve(s, u->args[i], depth, &e, err);
        if (code == SL_OK)
            sl_plan__push(s->a->arena, &args, e);
    }
    if (code == SL_OK && u->filter != NULL)
        code = apply_filter(s, u, depth, &args, &star, &text, err);
    s->inside_aggregate = false;
    SL_TRY(code);
    SL_TRY(check_arguments(u, &args, err));
    SL_TRY(sl_plan__at(err, u->pos,
                       sl_agg_resolve(s->a->arena, u->parts[0], star, args.items,
                                      args.count, u->pos, &agg, err)));
    agg.distinct = u->distinct && !distinct_means_nothing(u->parts[0]);
    if (u->distinct)
        agg.pretty = distinct_name(s->a->arena, &agg, &args);
    if (agg.distinct)
        SL_TRY(sl_plan__distinct_arguments(s, &args, &agg, err));
    SL_TRY(add_aggregate(s, &agg, &i, err));
    sl_expr *column = sl_arena_memdup(
        s->a->arena,
        sl_expr_column(s->a->arena, first_aggregate(s) + i, &s->agg_fields[i], u->pos),
        sizeof(sl_expr));
    if (text != NULL)
        column->pretty = sl_arena_printf(s->a->arena, "%s%s", agg.name, text);
    *ret = column;
    return SL_OK;
}

/* ---- keys ---- */

static sl_code position_error(const sl_uexpr *g, uint32_t count, sl_error *err)
{
    return sl_plan__at(err, g->pos,
                       sl_fail_as(err, SL_EANALYSIS, "GROUP_BY_POS_OUT_OF_RANGE", "42805",
                                  "GROUP BY position %lld is not in select list (valid "
                                  "range is [1, %u]).",
                                  (long long)g->literal.i64, count));
}

/* GROUP BY 2, or an alias of the SELECT list that is no column of the input. */
static sl_code group_source(sl_scope *s, const sl_uexpr *g, const sl_output *outputs,
                            uint32_t count, const sl_output **ret, sl_error *err)
{
    *ret = NULL;
    if (g->kind == SL_U_LITERAL && !g->literal.is_null &&
        g->literal.type->id == SL_TYPE_INT) {
        if (g->literal.i64 < 1 || g->literal.i64 > count)
            return position_error(g, count, err);
        *ret = &outputs[g->literal.i64 - 1];
        return SL_OK;
    }
    if (g->kind != SL_U_NAME || sl_plan__name_is_known(s, g))
        return SL_OK;
    for (uint32_t i = 0; i < count && *ret == NULL; i++) {
        if (outputs[i].has_alias && g->part_count == 1 &&
            sl_plan__same_name(s->a, outputs[i].name, g->parts[0]))
            *ret = &outputs[i];
    }
    return SL_OK;
}

static bool is_groupable(const sl_type *t)
{
    if (t->id == SL_TYPE_MAP)
        return false;
    for (uint32_t i = 0; i < t->field_count; i++) {
        if (!is_groupable(t->fields[i].type))
            return false;
    }
    return true;
}

static sl_code resolve_key(sl_scope *s, const sl_uexpr *g, const sl_output *outputs,
                           uint32_t count, const sl_expr **ret, sl_error *err)
{
    const sl_output *from;
    const sl_expr *e;
    SL_TRY(group_source(s, g, outputs, count, &from, err));
    if (from != NULL && from->source == NULL)
        e = from->expr;
    else
        SL_TRY(sl_plan__resolve(s, from != NULL ? from->source : g, 0, &e, err));
    if (!is_groupable(e->type))
        return sl_plan__at(err, g->pos,
                           sl_fail_as(err, SL_EANALYSIS,
                                      "GROUP_EXPRESSION_TYPE_IS_NOT_ORDERABLE", "42822",
                                      "The expression \"%.200s\" cannot be used as a "
                                      "grouping expression because its data type \"%s\" "
                                      "is not an orderable data type.",
                                      e->pretty,
                                      sl_plan__type_sql(s->a->arena, e->type)));
    *ret = e;
    return SL_OK;
}

static bool has_aggregate(const sl_uexpr *u)
{
    if (u->kind == SL_U_CALL && (u->star || sl_aggregate_exists(u->parts[0])))
        return true;
    for (uint32_t i = 0; i < u->arg_count; i++)
        if (has_aggregate(u->args[i]))
            return true;
    return false;
}

/* GROUP BY ALL */
static sl_code all_keys(sl_scope *s, const sl_output *outputs, uint32_t output_count,
                        const sl_expr **keys, uint32_t *ret_count, sl_error *err)
{
    for (uint32_t i = 0; i < output_count; i++) {
        const sl_output *o = &outputs[i];
        if (o->source == NULL)
            keys[(*ret_count)++] = o->expr;
        else if (!has_aggregate(o->source))
            SL_TRY(sl_plan__resolve(s, o->source, 0, &keys[(*ret_count)++], err));
    }
    return SL_OK;
}

sl_code sl_plan__group_keys(sl_scope *s, const sl_relation *r, const sl_output *outputs,
                            uint32_t output_count, sl_error *err)
{
    const sl_expr **keys =
        SL_ARENA_ARRAY(s->a->arena, const sl_expr *, r->group_count + output_count + 1);
    uint32_t count = 0;
    s->clause = "GROUP BY";
    if (r->group_all)
        SL_TRY(all_keys(s, outputs, output_count, keys, &count, err));
    for (uint32_t g = 0; g < r->group_count; g++) {
        const sl_expr *e = NULL;
        bool seen = false;
        SL_TRY(resolve_key(s, r->groups[g], outputs, output_count, &e, err));
        for (uint32_t i = 0; i < count && !seen; i++)
            seen = sl_expr_equal(keys[i], e);
        if (!seen)
            keys[count++] = e;
    }
    s->keys = keys;
    s->key_count = count;
    s->grouped = true;
    return SL_OK;
}

/* ---- the node ---- */

static sl_code too_many_event_times(const sl_scope *s, sl_sql_pos pos,
                                    const sl_group_key *a, const sl_group_key *b,
                                    sl_error *err)
{
    (void)s;
    return sl_plan__at(err, pos,
                       sl_fail_as(err, SL_EANALYSIS, "MULTIPLE_EVENT_TIME_COLUMNS",
                                  "42K09",
                                  "More than one event time columns are available: "
                                  "[`%.100s`, `%.100s`]. Please ensure there is at most "
                                  "one event time column per stream.",
                                  a->name, b->name));
}

/* Keys in GROUP BY order; on a stream the event-time key first. */
static sl_code order_keys(const sl_scope *s, sl_sql_pos pos, sl_group_key *keys,
                          sl_field *fields, uint32_t *slots, int32_t *ret_event_key,
                          sl_error *err)
{
    int32_t event_key = -1;
    bool streaming = s->input->node->streaming;
    for (uint32_t i = 0; i < s->key_count; i++) {
        slots[i] = i;
        sl_plan__output_field(s, s->keys[i]->pretty, s->keys[i], &fields[i],
                              &keys[i].window_us);
        fields[i].nullable = fields[i].nullable || streaming; /* spark:W9 */
        keys[i].expr = s->keys[i];
        keys[i].name = fields[i].name;
        keys[i].type = fields[i].type;
        if (!streaming || !fields[i].has_watermark)
            continue;
        if (event_key >= 0)
            return too_many_event_times(s, pos, &keys[event_key], &keys[i], err);
        event_key = (int32_t)i;
    }
    if (event_key > 0) {
        uint32_t at = (uint32_t)event_key;
        sl_group_key key = keys[at];
        sl_field field = fields[at];
        memmove(keys + 1, keys, at * sizeof *keys);
        memmove(fields + 1, fields, at * sizeof *fields);
        keys[0] = key;
        fields[0] = field;
        for (uint32_t i = 0; i < at; i++)
            slots[i] = i + 1;
        slots[at] = 0;
    }
    *ret_event_key = event_key >= 0 ? 0 : -1;
    return SL_OK;
}

sl_code sl_plan__aggregate_node(sl_scope *s, sl_sql_pos pos, const sl_logical **ret,
                                uint32_t **ret_slots, sl_error *err)
{
    sl_arena *arena = s->a->arena;
    uint32_t key_count = s->key_count, width = key_count + s->agg_count;
    sl_group_key *keys = SL_ARENA_ARRAY(arena, sl_group_key, key_count);
    sl_field *fields = SL_ARENA_ARRAY(arena, sl_field, width);
    int64_t *window_us = SL_ARENA_ARRAY(arena, int64_t, width);
    uint32_t *slots = SL_ARENA_ARRAY(arena, uint32_t, key_count);
    int32_t event_key = -1;
    SL_TRY(order_keys(s, pos, keys, fields, slots, &event_key, err));
    *ret_slots = slots;
    if (sl_plan__has_distinct(s))
        return sl_plan__distinct_node(s, pos, keys, fields, ret, err);
    for (uint32_t i = 0; i < key_count; i++)
        window_us[i] = keys[i].window_us;
    if (s->agg_count != 0)
        memcpy(fields + key_count, s->agg_fields, s->agg_count * sizeof *fields);

    sl_logical *n =
        sl_logical__new(arena, SL_LOGICAL_AGGREGATE, pos, sl_plan__with_window(s));
    sl_schema *schema = SL_ARENA_NEW(arena, sl_schema);
    *schema = (sl_schema){ .field_count = width, .fields = fields };
    n->schema = schema;
    n->window_us = window_us;
    n->u.aggregate.key_count = key_count;
    n->u.aggregate.keys = keys;
    n->u.aggregate.agg_count = s->agg_count;
    n->u.aggregate.aggs = s->aggs;
    n->u.aggregate.event_time_key = event_key;
    *ret = n;
    return SL_OK;
}

/* ---- outputs over keys and aggregates ---- */

sl_code sl_plan__missing_aggregation(const sl_scope *s, const sl_expr *e, sl_error *err)
{
    if (s->key_count == 0)
        return sl_plan__at(err, e->pos,
                           sl_fail_as(err, SL_EANALYSIS, "MISSING_GROUP_BY", "42803",
                                      "The query does not include a GROUP BY clause. Add "
                                      "GROUP BY \"%.200s\", or aggregate it.",
                                      e->pretty));
    return sl_plan__at(
        err, e->pos,
        sl_fail_as(
            err, SL_EANALYSIS, "MISSING_AGGREGATION", "42803",
            "The non-aggregating expression \"%.200s\" is based on columns which "
            "are not participating in the GROUP BY clause. Add the columns or the "
            "expression to the GROUP BY, aggregate the expression, or use "
            "\"any_value(%.200s)\" if you do not care which of the values within a "
            "group is returned.",
            e->pretty, e->pretty));
}

/* Recursion is bounded by SL_EXPR_DEPTH_MAX. */
sl_code sl_plan__over_aggregate(const sl_scope *s, const sl_logical *aggregate,
                                const uint32_t *slots, const sl_expr *e,
                                const sl_expr **ret, sl_error *err)
{
    sl_arena *arena = s->a->arena;
    if (e->kind == SL_EXPR_LITERAL) {
        *ret = e;
        return SL_OK;
    }
    for (uint32_t i = 0; i < s->key_count; i++) {
        if (sl_expr_equal(s->keys[i], e)) {
            sl_field field = aggregate->schema->fields[slots[i]];
            field.name = e->pretty;
            *ret = sl_expr_column(arena, slots[i], &field, e->pos);
            return SL_OK;
        }
    }
    if (e->kind == SL_EXPR_COLUMN) {
        if (e->column < first_aggregate(s))
            return sl_plan__missing_aggregation(s, e, err);
        uint32_t at = s->key_count + e->column - first_aggregate(s);
        sl_field field = aggregate->schema->fields[at];
        field.name = e->pretty;
        *ret = sl_expr_column(arena, at, &field, e->pos);
        return SL_OK;
    }
    if (e->arg_count == 0) {
        *ret = e;
        return SL_OK;
    }
    const sl_expr **args = SL_ARENA_ARRAY(arena, const sl_expr *, e->arg_count);
    for (uint32_t i = 0; i < e->arg_count; i++)
        SL_TRY(sl_plan__over_aggregate(s, aggregate, slots, e->args[i], &args[i], err));
    *ret = sl_expr__rebuild(arena, e, args);
    return SL_OK;
}

/* SELECT DISTINCT, UNION: every column is a key (spark:A9). */
sl_code sl_plan__distinct(sl_analyzer *a, const sl_named *input, sl_sql_pos pos,
                          sl_named *ret, sl_error *err)
{
    sl_scope s = { .a = a, .input = input, .clause = "SELECT DISTINCT", .grouped = true };
    uint32_t n = input->node->schema->field_count;
    const sl_expr **keys = SL_ARENA_ARRAY(a->arena, const sl_expr *, n);
    for (uint32_t i = 0; i < n; i++) {
        keys[i] = sl_logical__column(a->arena, input->node, i);
        if (!is_groupable(keys[i]->type))
            return sl_plan__at(
                err, pos,
                sl_fail_as(err, SL_EANALYSIS,
                           "UNSUPPORTED_FEATURE."
                           "SET_OPERATION_ON_MAP_TYPE",
                           "0A000",
                           "DISTINCT on the column `%.100s` of type \"%s\" "
                           "is not supported",
                           input->node->schema->fields[i].name,
                           sl_plan__type_sql(a->arena, keys[i]->type)));
    }
    s.keys = keys;
    s.key_count = n;
    uint32_t *slots;
    const sl_logical *node;
    SL_TRY(sl_plan__aggregate_node(&s, pos, &node, &slots, err));
    /* The columns in their own order again. */
    ret->node = sl_logical__pick(a->arena, node, slots, n);
    ret->qualifiers = input->qualifiers;
    return SL_OK;
}
