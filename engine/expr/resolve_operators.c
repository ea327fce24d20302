/* Types of operators: arithmetic on numbers, dates and intervals; comparisons; logic. */
#include <string.h>

#include "engine/expr/function_private.h"

#define DAY_US INT64_C(86400000000)

static bool is(const sl_expr *e, sl_type_id id)
{
    return e->type->id == id;
}

static bool is_function(const sl_call_site *s, sl_function_id id)
{
    return s->function == sl_function__get(id);
}

/* The call becomes id(args) under the column name given. */
static sl_code rewrite(sl_call_site *s, sl_function_id id, const sl_expr *const *args,
                       uint32_t arg_count, const char *pretty, sl_error *err)
{
    const sl_expr *e;
    SL_TRY(sl_expr__call_id(s->arena, id, args, arg_count, s->pos, &e, err));
    s->rewritten = pretty != NULL ? sl_expr__rename(s->arena, e, pretty) : e;
    return SL_OK;
}

/* ---- dates and intervals ---- */

/* date +- whole days of a constant interval stays a date. */
static bool whole_days(const sl_expr *e, int64_t *ret_days)
{
    if (e->kind != SL_EXPR_LITERAL || e->literal.is_null || e->literal.i64 % DAY_US != 0)
        return false;
    *ret_days = e->literal.i64 / DAY_US;
    return *ret_days == (int32_t)*ret_days;
}

static sl_code add_interval(sl_call_site *s, const sl_expr *time, const sl_expr *interval,
                            bool minus, sl_error *err)
{
    const char *pretty = sl_arena_printf(s->arena, "%s %c %s", time->pretty,
                                         minus ? '-' : '+', interval->pretty);
    const sl_expr *args[2] = { time, interval };
    if (is(interval, SL_TYPE_INTERVAL_YEAR_MONTH))
        return rewrite(s, minus ? SL_F_TIME_SUB_MONTHS : SL_F_TIME_ADD_MONTHS, args, 2,
                       pretty, err);
    int64_t days;
    if (is(time, SL_TYPE_DATE) && whole_days(interval, &days)) {
        sl_value v = { .type = sl_type_of(SL_TYPE_INT), .i64 = days };
        args[1] = sl_expr_literal(s->arena, &v, NULL, s->pos);
        return rewrite(s, minus ? SL_F_DATE_SUB : SL_F_DATE_ADD, args, 2, pretty, err);
    }
    return rewrite(s, minus ? SL_F_TIME_SUB : SL_F_TIME_ADD, args, 2, pretty, err);
}

static bool is_datetime(const sl_expr *e)
{
    return is(e, SL_TYPE_DATE) || sl_type__is_time(e->type);
}

/* *ret_done: the call was about times and is finished. */
static sl_code time_arithmetic(sl_call_site *s, bool *ret_done, sl_error *err)
{
    const sl_expr *a = s->args[0], *b = s->args[1];
    bool plus = is_function(s, SL_F_ADD), minus = is_function(s, SL_F_SUB);
    *ret_done = true;
    if (is_datetime(a) && sl_type__is_interval(b->type) && (plus || minus))
        return add_interval(s, a, b, minus, err);
    if (sl_type__is_interval(a->type) && is_datetime(b) && plus)
        return add_interval(s, b, a, false, err);
    bool small = is(b, SL_TYPE_BYTE) || is(b, SL_TYPE_SHORT) || is(b, SL_TYPE_INT);
    if (is(a, SL_TYPE_DATE) && small && (plus || minus))
        return rewrite(s, minus ? SL_F_DATE_SUB : SL_F_DATE_ADD, s->args, 2, NULL, err);
    bool a_text = is(a, SL_TYPE_STRING), b_text = is(b, SL_TYPE_STRING);
    if (minus && (is_datetime(a) || is_datetime(b)) && (is_datetime(a) || a_text) &&
        (is_datetime(b) || b_text))
        return rewrite(s, SL_F_TIME_DIFF, s->args, 2, sl_pretty__infix(s, "-"), err);
    *ret_done = false;
    return SL_OK;
}

/* interval +- interval, interval * n */
static sl_code interval_arithmetic(sl_call_site *s, bool *ret_done, sl_error *err)
{
    const sl_expr *a = s->args[0], *b = s->args[1];
    bool mul = is_function(s, SL_F_MUL);
    *ret_done = true;
    if (sl_type__is_interval(a->type) && sl_type_equal(a->type, b->type) && !mul &&
        !is_function(s, SL_F_MOD)) {
        s->type = a->type;
        return SL_OK;
    }
    if (mul && sl_type__is_interval(b->type) && sl_type_is_integral(a->type)) {
        s->args[0] = b;
        s->args[1] = a;
        a = s->args[0];
        b = s->args[1];
    }
    if (mul && sl_type__is_interval(a->type) && sl_type_is_integral(b->type)) {
        s->type = a->type;
        sl_type_id id = is(a, SL_TYPE_INTERVAL_DAY_TIME) ? SL_TYPE_LONG : SL_TYPE_INT;
        return sl_coerce__argument(s, 1, sl_type_of(id), err);
    }
    *ret_done = false;
    return SL_OK;
}

/* ---- numbers ---- */

static sl_code common_number(sl_call_site *s, sl_error *err)
{
    const sl_type *common;
    bool strings = is(s->args[0], SL_TYPE_STRING) && is(s->args[1], SL_TYPE_STRING);
    bool voids = is(s->args[0], SL_TYPE_VOID) && is(s->args[1], SL_TYPE_VOID);
    if (!strings)
        SL_TRY(sl_coerce__common(s, 0, 1, true, &common, err));
    if (voids) {
        SL_TRY(sl_coerce__argument(s, 0, sl_type_of(SL_TYPE_DOUBLE), err));
        SL_TRY(sl_coerce__argument(s, 1, sl_type_of(SL_TYPE_DOUBLE), err));
    }
    if (strings || !sl_type_is_numeric(s->args[0]->type) ||
        is(s->args[0], SL_TYPE_DECIMAL))
        return sl_coerce__mismatch(
            s, "BINARY_OP_WRONG_TYPE", err,
            "the binary operator requires the input type \"NUMERIC\", not \"%s\".",
            sl_type__name(s->arena, s->args[0]->type));
    s->type = s->args[0]->type;
    return SL_OK;
}

sl_code sl_resolve__arithmetic(sl_call_site *s, sl_error *err)
{
    if (s->arg_count == 1)
        return rewrite(s, is_function(s, SL_F_SUB) ? SL_F_NEGATE : SL_F_POSITIVE, s->args,
                       1, NULL, err);
    s->pretty = sl_pretty__infix(s, s->function->name);
    bool done;
    SL_TRY(time_arithmetic(s, &done, err));
    if (!done)
        SL_TRY(interval_arithmetic(s, &done, err));
    return done ? SL_OK : common_number(s, err);
}

sl_code sl_resolve__divide(sl_call_site *s, sl_error *err)
{
    s->pretty = sl_pretty__infix(s, "/");
    SL_TRY(common_number(s, err));
    s->type = sl_type_of(SL_TYPE_DOUBLE);
    SL_TRY(sl_coerce__argument(s, 0, s->type, err));
    return sl_coerce__argument(s, 1, s->type, err);
}

sl_code sl_resolve__integral_divide(sl_call_site *s, sl_error *err)
{
    s->pretty = sl_pretty__infix(s, "div");
    SL_TRY(common_number(s, err));
    for (uint32_t i = 0; i < 2; i++) {
        if (!sl_type_is_integral(s->args[i]->type) && !is(s->args[i], SL_TYPE_VOID) &&
            !(s->args[i]->kind == SL_EXPR_LITERAL && s->args[i]->literal.is_null))
            return sl_coerce__mismatch(
                s, "BINARY_OP_WRONG_TYPE", err,
                "the binary operator requires the input type \"INTEGRAL\", not \"%s\".",
                sl_type__name(s->arena, s->args[i]->type));
        SL_TRY(sl_coerce__argument(s, i, sl_type_of(SL_TYPE_LONG), err));
    }
    s->type = sl_type_of(SL_TYPE_LONG);
    return SL_OK;
}

/* -a and abs(a): numbers and intervals. */
sl_code sl_resolve__negate(sl_call_site *s, sl_error *err)
{
    if (is_function(s, SL_F_NEGATE))
        s->pretty = sl_arena_printf(s->arena, "(- %s)", s->args[0]->pretty);
    if (is(s->args[0], SL_TYPE_STRING) || is(s->args[0], SL_TYPE_VOID))
        SL_TRY(sl_coerce__argument(s, 0, sl_type_of(SL_TYPE_DOUBLE), err));
    const sl_type *t = s->args[0]->type;
    if ((!sl_type_is_numeric(t) && !sl_type__is_interval(t)) || t->id == SL_TYPE_DECIMAL)
        return sl_coerce__unexpected(s, 0, "NUMERIC", err);
    s->type = t;
    return SL_OK;
}

sl_code sl_resolve__positive(sl_call_site *s, sl_error *err)
{
    SL_TRY(sl_resolve__negate(s, err));
    s->rewritten = sl_expr__rename(
        s->arena, s->args[0], sl_arena_printf(s->arena, "(+ %s)", s->args[0]->pretty));
    return SL_OK;
}

sl_code sl_resolve__round(sl_call_site *s, sl_error *err)
{
    if (s->arg_count == 1) {
        sl_value zero = { .type = sl_type_of(SL_TYPE_INT) };
        const sl_expr *args[2] = { s->args[0],
                                   sl_expr_literal(s->arena, &zero, NULL, s->pos) };
        return rewrite(s, SL_F_ROUND, args, 2, NULL, err);
    }
    if (is(s->args[0], SL_TYPE_STRING) || is(s->args[0], SL_TYPE_VOID))
        SL_TRY(sl_coerce__argument(s, 0, sl_type_of(SL_TYPE_DOUBLE), err));
    if (!sl_type_is_numeric(s->args[0]->type) || is(s->args[0], SL_TYPE_DECIMAL))
        return sl_coerce__unexpected(s, 0, "NUMERIC", err);
    SL_TRY(sl_coerce__argument(s, 1, sl_type_of(SL_TYPE_INT), err));
    if (!sl_expr_is_constant(s->args[1]))
        return sl_coerce__mismatch(s, "NON_FOLDABLE_INPUT", err,
                                   "the input `scale` should be a foldable \"INT\" "
                                   "expression; however, got \"%.200s\".",
                                   s->args[1]->pretty);
    s->type = s->args[0]->type;
    return SL_OK;
}

sl_code sl_resolve__floor(sl_call_site *s, sl_error *err)
{
    s->pretty = sl_pretty__call(s, is_function(s, SL_F_FLOOR) ? "FLOOR" : "CEIL");
    const sl_type *type = sl_type_of(SL_TYPE_LONG);
    if (sl_type_is_integral(s->args[0]->type)) {
        SL_TRY(sl_coerce__argument(s, 0, type, err));
        s->rewritten = sl_expr__rename(s->arena, s->args[0], s->pretty);
        return SL_OK;
    }
    s->type = type;
    return sl_coerce__argument(s, 0, sl_type_of(SL_TYPE_DOUBLE), err);
}

/* ---- comparisons ---- */

sl_code sl_resolve__compare(sl_call_site *s, sl_error *err)
{
    s->pretty = sl_pretty__infix(s, s->function->name);
    const sl_type *common;
    SL_TRY(sl_coerce__common(s, 0, 1, true, &common, err));
    if (!sl_type__is_ordered(common) || common->id == SL_TYPE_DECIMAL)
        return sl_coerce__mismatch(s, "INVALID_ORDERING_TYPE", err,
                                   "The `%s` does not support ordering on type \"%s\".",
                                   s->name, sl_type__name(s->arena, common));
    s->type = sl_type_of(SL_TYPE_BOOLEAN);
    return SL_OK;
}

sl_code sl_resolve__not_equal(sl_call_site *s, sl_error *err)
{
    const sl_expr *equal;
    SL_TRY(sl_expr__call_id(s->arena, SL_F_EQ, s->args, 2, s->pos, &equal, err));
    return rewrite(s, SL_F_NOT, &equal, 1, NULL, err);
}

sl_code sl_resolve__between(sl_call_site *s, sl_error *err)
{
    const sl_expr *low[2] = { s->args[0], s->args[1] };
    const sl_expr *high[2] = { s->args[0], s->args[2] };
    const sl_expr *both[2];
    SL_TRY(sl_expr__call_id(s->arena, SL_F_GE, low, 2, s->pos, &both[0], err));
    SL_TRY(sl_expr__call_id(s->arena, SL_F_LE, high, 2, s->pos, &both[1], err));
    return rewrite(s, SL_F_AND, both, 2, sl_pretty__call(s, "between"), err);
}

sl_code sl_resolve__in(sl_call_site *s, sl_error *err)
{
    sl_bytes b = { 0 };
    sl_bytes_printf(&b, "(%s IN (", s->args[0]->pretty);
    for (uint32_t i = 1; i < s->arg_count; i++) {
        sl_bytes_text(&b, i != 1 ? ", " : "");
        sl_bytes_text(&b, s->args[i]->pretty);
    }
    sl_bytes_text(&b, "))");
    s->pretty = sl_arena_strdup(s->arena, sl_bytes_cstr(&b));
    sl_bytes_deinit(&b);

    const sl_type *common;
    SL_TRY(sl_coerce__common(s, 0, 1, false, &common, err));
    s->type = sl_type_of(SL_TYPE_BOOLEAN);
    s->nullable = false;
    for (uint32_t i = 0; i < s->arg_count; i++)
        s->nullable = s->nullable || s->args[i]->nullable;
    return SL_OK;
}

/* ---- logic ---- */

static sl_code boolean_argument(sl_call_site *s, uint32_t i, sl_error *err)
{
    const sl_type *type = sl_type_of(SL_TYPE_BOOLEAN);
    return sl_coerce__argument(s, i, type, err);
}

sl_code sl_resolve__logic(sl_call_site *s, sl_error *err)
{
    s->pretty = sl_pretty__infix(s, is_function(s, SL_F_AND) ? "AND" : "OR");
    const sl_type *a = s->args[0]->type, *b = s->args[1]->type;
    bool has_boolean = a->id == SL_TYPE_BOOLEAN || b->id == SL_TYPE_BOOLEAN;
    if (has_boolean && sl_type_common(a, b, s->arena) == NULL)
        return sl_coerce__mismatch(s, "BINARY_OP_DIFF_TYPES", err,
                                   "the left and right operands of the binary operator "
                                   "have incompatible types (\"%s\" and \"%s\").",
                                   sl_type__name(s->arena, a),
                                   sl_type__name(s->arena, b));
    SL_TRY(boolean_argument(s, 0, err));
    SL_TRY(boolean_argument(s, 1, err));
    s->type = sl_type_of(SL_TYPE_BOOLEAN);
    return SL_OK;
}

sl_code sl_resolve__not(sl_call_site *s, sl_error *err)
{
    s->pretty = sl_arena_printf(s->arena, "(NOT %s)", s->args[0]->pretty);
    SL_TRY(boolean_argument(s, 0, err));
    s->type = sl_type_of(SL_TYPE_BOOLEAN);
    return SL_OK;
}

sl_code sl_resolve__is_null(sl_call_site *s, sl_error *err)
{
    (void)err;
    s->pretty = sl_arena_printf(s->arena, "(%s IS %s)", s->args[0]->pretty,
                                is_function(s, SL_F_IS_NULL) ? "NULL" : "NOT NULL");
    s->type = sl_type_of(SL_TYPE_BOOLEAN);
    return SL_OK;
}
