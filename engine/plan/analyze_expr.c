/* Unresolved expressions to typed ones, bottom-up, in the scope of one plan node. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "engine/plan/analyze_private.h"

static sl_code refuse(sl_sql_pos pos, sl_error *err, const char *text)
{
    return sl_plan__at(err, pos, sl_fail(err, SL_EUNSUPPORTED, "%s", text));
}

/* ---- intervals ---- */

sl_code sl_plan__duration(const sl_uexpr *u, int32_t *ret_months, int64_t *ret_us,
                          sl_error *err)
{
    if (u->kind == SL_U_LITERAL && sl_type_is_integral(u->literal.type) &&
        !u->literal.is_null) {
        *ret_months = 0;
        *ret_us = u->literal.i64;
        return SL_OK;
    }
    bool is_text = u->kind == SL_U_INTERVAL ||
                   (u->kind == SL_U_LITERAL && u->literal.type->id == SL_TYPE_STRING);
    if (!is_text || u->literal.is_null)
        return sl_plan__at(err, u->pos,
                           sl_fail(err, SL_EANALYSIS,
                                   "the duration must be a constant: an interval such as "
                                   "'10 minutes', or a number of microseconds"));
    return sl_plan__at(err, u->pos,
                       sl_interval_parse(u->literal.text, ret_months, ret_us, err));
}

static sl_code resolve_interval(sl_scope *s, const sl_uexpr *u, const sl_expr **ret,
                                sl_error *err)
{
    int32_t months;
    int64_t us;
    SL_TRY(sl_plan__duration(u, &months, &us, err));
    if (months != 0 && us != 0)
        return refuse(u->pos, err,
                      "an interval of months and days together is not supported: write "
                      "the two as two intervals");
    sl_value v = { .type = sl_type_of(months != 0 ? SL_TYPE_INTERVAL_YEAR_MONTH
                                                  : SL_TYPE_INTERVAL_DAY_TIME),
                   .i64 = months != 0 ? months : us };
    *ret = sl_expr_literal(s->a->arena, &v, NULL, u->pos);
    return SL_OK;
}

/* ---- calls ---- */

static sl_code resolve_args(sl_scope *s, const sl_uexpr *u, uint32_t depth,
                            sl_expr_list *list, sl_error *err)
{
    for (uint32_t i = 0; i < u->arg_count; i++) {
        const sl_expr *e;
        if (u->args[i]->kind == SL_U_STAR) {
            SL_TRY(sl_plan__expand_star(s, u->args[i], list, err));
            continue;
        }
        SL_TRY(sl_plan__resolve(s, u->args[i], depth, &e, err));
        sl_plan__push(s->a->arena, list, e);
    }
    return SL_OK;
}

/* spark:U9 */
static sl_code refuse_over(const sl_scope *s, const sl_uexpr *u, sl_error *err)
{
    if (!s->input->node->streaming)
        return refuse(u->pos, err, "window functions (OVER) are not supported yet");
    return sl_plan__at(
        err, u->pos,
        sl_fail_as(err, SL_EANALYSIS, "NON_TIME_WINDOW_NOT_SUPPORTED_IN_STREAMING",
                   "42KDE",
                   "Window function is not supported in %.100s (as column `%.100s`) on "
                   "streaming DataFrames/Datasets. Structured Streaming only supports "
                   "time-window aggregation using the WINDOW function. (window "
                   "specification: %.200s)",
                   u->parts[0], u->parts[0], u->over));
}

/* (expr).name */
static sl_code resolve_get_field(sl_scope *s, const sl_uexpr *u, uint32_t depth,
                                 const sl_expr **ret, sl_error *err)
{
    const sl_expr *e;
    SL_TRY(sl_plan__resolve(s, u->args[0], depth, &e, err));
    return sl_plan__at(
        err, u->pos,
        sl_expr_field(s->a->arena, e, u->args[1]->literal.text, u->pos, ret, err));
}

/* struct(a AS x, b): named_struct('x', a, 'b', b), called as it is written. */
static sl_code resolve_struct(sl_scope *s, const sl_uexpr *u, uint32_t depth,
                              const sl_expr **ret, sl_error *err)
{
    sl_arena *arena = s->a->arena;
    sl_expr_list args = { 0 };
    const char *text = "";
    for (uint32_t i = 0; i < u->arg_count; i++) {
        const sl_uexpr *a = u->args[i];
        const sl_expr *e;
        bool named = a->kind == SL_U_ALIAS;
        SL_TRY(sl_plan__resolve(s, named ? a->args[0] : a, depth, &e, err));
        const char *name = named ? a->parts[0]
                           : a->kind == SL_U_NAME
                               ? a->parts[a->part_count - 1]
                               : sl_arena_printf(arena, "col%u", i + 1);
        sl_value v = { .type = sl_type_of(SL_TYPE_STRING),
                       .text = name,
                       .length = (uint32_t)strlen(name) };
        sl_plan__push(arena, &args, sl_expr_literal(arena, &v, NULL, a->pos));
        sl_plan__push(arena, &args, e);
        text = sl_arena_printf(arena, "%s%s%s%s%s", text, i != 0 ? ", " : "", e->pretty,
                               named ? " AS " : "", named ? name : "");
    }
    SL_TRY(sl_plan__at(
        err, u->pos,
        sl_expr_call(arena, "named_struct", args.items, args.count, u->pos, ret, err)));
    sl_expr *called = sl_arena_memdup(arena, *ret, sizeof **ret);
    called->pretty = sl_arena_printf(arena, "struct(%s)", text);
    *ret = called;
    return SL_OK;
}

static bool has_named_argument(const sl_uexpr *u)
{
    for (uint32_t i = 0; i < u->arg_count; i++)
        if (u->args[i]->kind == SL_U_ALIAS)
            return true;
    return false;
}

/* The calls of this node were collected before: there is one window, this one. */
static sl_code resolve_window_call(sl_scope *s, const sl_uexpr *u, const sl_expr **ret,
                                   sl_error *err)
{
    if (s->window == NULL)
        return refuse(u->pos, err,
                      "window() may stand in SELECT, GROUP BY, HAVING and ORDER BY only");
    *ret = sl_expr_column(s->a->arena, s->input->node->schema->field_count,
                          &s->window_field, u->pos);
    return SL_OK;
}

static sl_code resolve_call(sl_scope *s, const sl_uexpr *u, uint32_t depth,
                            const sl_expr **ret, sl_error *err)
{
    const char *name = u->parts[0];
    if (u->over != NULL)
        return refuse_over(s, u, err);
    if (sl_aggregate_exists(name) || u->star)
        return sl_plan__aggregate_call(s, u, depth, ret, err);
    if (u->distinct || u->filter != NULL)
        return sl_plan__at(
            err, u->pos,
            sl_fail_as(err, SL_EANALYSIS,
                       "INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX", "42000",
                       "The function `%.100s` does not support %s: it is "
                       "not an aggregate function",
                       name, u->distinct ? "DISTINCT" : "FILTER"));
    if (sl_text_equal_nocase(name, "window"))
        return resolve_window_call(s, u, ret, err);
    if (sl_text_equal_nocase(name, "window_time"))
        return sl_plan__window_time(s, u, depth, ret, err);
    if (sl_text_equal_nocase(name, "session_window"))
        return refuse(u->pos, err, "session_window is not supported yet");
    if (sl_text_equal_nocase(name, "monotonically_increasing_id") && /* spark:U11 */
        s->input->node->streaming)
        return sl_plan__at(
            err, u->pos,
            sl_fail_as(err, SL_EANALYSIS, "_LEGACY_ERROR_TEMP_3102", "42KDE",
                       "Expression(s): monotonically_increasing_id() is not supported "
                       "with streaming DataFrames/Datasets"));
    if (sl_text_equal_nocase(name, "get_field") && u->arg_count == 2 &&
        u->args[1]->kind == SL_U_LITERAL && u->args[1]->literal.text != NULL)
        return resolve_get_field(s, u, depth, ret, err);
    if (has_named_argument(u)) /* the parser takes names in struct() only */
        return resolve_struct(s, u, depth, ret, err);
    sl_expr_list args = { 0 };
    SL_TRY(resolve_args(s, u, depth, &args, err));
    return sl_plan__at(
        err, u->pos,
        sl_expr_call(s->a->arena, name, args.items, args.count, u->pos, ret, err));
}

static sl_code resolve_cast(sl_scope *s, const sl_uexpr *u, uint32_t depth,
                            const sl_expr **ret, sl_error *err)
{
    const sl_expr *e;
    SL_TRY(sl_plan__resolve(s, u->args[0], depth, &e, err));
    bool soft = u->part_count != 0 && sl_text_equal_nocase(u->parts[0], "try_cast");
    sl_code code = soft ? sl_expr_try_cast(s->a->arena, e, u->type, u->pos, ret, err)
                        : sl_expr_cast(s->a->arena, e, u->type, false, ret, err);
    SL_TRY(sl_plan__at(err, u->pos, code));
    if (u->part_count != 0 && strcmp(u->parts[0], "literal") == 0) {
        sl_expr *named = sl_arena_memdup(s->a->arena, *ret, sizeof **ret);
        named->pretty = sl_arena_printf(
            s->a->arena, "%s '%s'",
            u->type->id == SL_TYPE_TIMESTAMP_NTZ ? "TIMESTAMP_NTZ" : "TIMESTAMP",
            u->args[0]->literal.text);
        *ret = named;
    }
    return SL_OK;
}

sl_code sl_plan__resolve(sl_scope *s, const sl_uexpr *u, uint32_t depth,
                         const sl_expr **ret, sl_error *err)
{
    if (depth >= SL_SQL_DEPTH_MAX)
        return sl_plan__too_deep(u->pos, err);
    const sl_expr *e = NULL;
    switch (u->kind) {
    case SL_U_LITERAL:
        e = sl_expr_literal(s->a->arena, &u->literal, NULL, u->pos);
        break;
    case SL_U_NAME:
        SL_TRY(sl_plan__resolve_name(s, u, &e, err));
        break;
    case SL_U_STAR:
        return sl_plan__at(err, u->pos,
                           sl_fail_as(err, SL_EANALYSIS, "INVALID_USAGE_OF_STAR_OR_REGEX",
                                      "42000", "Invalid usage of '*' in %s.", s->clause));
    case SL_U_CALL:
        SL_TRY(resolve_call(s, u, depth + 1, &e, err));
        break;
    case SL_U_CAST:
        SL_TRY(resolve_cast(s, u, depth + 1, &e, err));
        break;
    case SL_U_ALIAS: { /* struct(a AS b): the name of a field */
        SL_TRY(sl_plan__resolve(s, u->args[0], depth + 1, &e, err));
        sl_expr *named = sl_arena_memdup(s->a->arena, e, sizeof *e);
        named->pretty = sl_arena_strdup(s->a->arena, u->parts[0]);
        e = named;
        break;
    }
    case SL_U_INTERVAL:
        SL_TRY(resolve_interval(s, u, &e, err));
        break;
    }
    *ret = e;
    return SL_OK;
}

sl_code sl_plan__condition(sl_scope *s, const sl_uexpr *u, const sl_expr **ret,
                           sl_error *err)
{
    const sl_expr *e;
    SL_TRY(sl_plan__resolve(s, u, 0, &e, err));
    if (e->type->id == SL_TYPE_VOID)
        SL_TRY(sl_expr_cast(s->a->arena, e, sl_type_of(SL_TYPE_BOOLEAN), true, &e, err));
    if (e->type->id != SL_TYPE_BOOLEAN)
        return sl_plan__at(
            err, u->pos,
            sl_fail_as(err, SL_EANALYSIS, "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN", "42K09",
                       "Cannot resolve \"%.200s\" due to data type mismatch: the filter "
                       "expression of %s has the type \"%s\", not a boolean.",
                       e->pretty, s->clause, sl_plan__type_sql(s->a->arena, e->type)));
    *ret = e;
    return SL_OK;
}

sl_code sl_plan__limit_value(sl_analyzer *a, const sl_uexpr *u, const char *what,
                             int64_t *ret, sl_error *err)
{
    static const sl_schema no_columns;
    sl_logical nothing = { .schema = &no_columns };
    sl_named input = { .node = &nothing };
    sl_scope scope = { .a = a, .input = &input, .clause = what };
    const sl_expr *e;
    if (u->kind == SL_U_NAME)
        return sl_plan__at(err, u->pos,
                           sl_fail_as(err, SL_EANALYSIS,
                                      "INVALID_LIMIT_LIKE_EXPRESSION.IS_UNFOLDABLE",
                                      "42K0E",
                                      "The %s expression must be a constant, not the "
                                      "column `%.100s`.",
                                      what, u->parts[0]));
    SL_TRY(sl_plan__resolve(&scope, u, 0, &e, err));
    e = sl_expr_fold(a->arena, e);
    if (e->kind != SL_EXPR_LITERAL)
        return sl_plan__at(
            err, u->pos,
            sl_fail_as(err, SL_EANALYSIS, "INVALID_LIMIT_LIKE_EXPRESSION.IS_UNFOLDABLE",
                       "42K0E", "The %s expression must be a constant.", what));
    if (!sl_type_is_integral(e->type) || e->literal.is_null)
        return sl_plan__at(err, u->pos,
                           sl_fail_as(err, SL_EANALYSIS,
                                      "INVALID_LIMIT_LIKE_EXPRESSION.DATA_TYPE", "42K0E",
                                      "The %s expression must be an integer, but got "
                                      "%.100s of type \"%s\".",
                                      what, e->pretty,
                                      sl_plan__type_sql(a->arena, e->type)));
    if (e->literal.i64 < 0)
        return sl_plan__at(err, u->pos,
                           sl_fail_as(err, SL_EANALYSIS,
                                      "INVALID_LIMIT_LIKE_EXPRESSION.IS_NEGATIVE",
                                      "42K0E",
                                      "The %s expression must be equal to or greater "
                                      "than 0, but got %" PRId64 ".",
                                      what, e->literal.i64));
    *ret = e->literal.i64;
    return SL_OK;
}
