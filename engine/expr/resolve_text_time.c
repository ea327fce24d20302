/* Types of functions on strings, dates and times that the signature alone cannot give. */
#include <string.h>

#include "engine/expr/function_private.h"

static bool is_function(const sl_call_site *s, sl_function_id id)
{
    return s->function == sl_function__get(id);
}

static const sl_expr *int_literal(const sl_call_site *s, int32_t v)
{
    sl_value value = { .type = sl_type_of(SL_TYPE_INT), .i64 = v };
    return sl_expr_literal(s->arena, &value, NULL, s->pos);
}

static const sl_expr *text_literal(const sl_call_site *s, const char *text)
{
    sl_value value = { .type = sl_type_of(SL_TYPE_STRING),
                       .text = text,
                       .length = (uint32_t)strlen(text) };
    return sl_expr_literal(s->arena, &value, NULL, s->pos);
}

/* One more argument at the end. */
static void add_argument(sl_call_site *s, const sl_expr *e)
{
    const sl_expr **args = SL_ARENA_ARRAY(s->arena, const sl_expr *, s->arg_count + 1);
    for (uint32_t i = 0; i < s->arg_count; i++)
        args[i] = s->args[i];
    args[s->arg_count++] = e;
    s->args = args;
}

/* ---- strings ---- */

sl_code sl_resolve__length(sl_call_site *s, sl_error *err)
{
    s->type = sl_type_of(SL_TYPE_INT);
    if (s->args[0]->type->id == SL_TYPE_BINARY)
        return SL_OK;
    return sl_coerce__argument(s, 0, sl_type_of(SL_TYPE_STRING), err);
}

sl_code sl_resolve__concat(sl_call_site *s, sl_error *err)
{
    s->function = sl_function__get(SL_F_CONCAT);
    s->name = "concat";
    return sl_resolve__generic(s, err);
}

sl_code sl_resolve__substring(sl_call_site *s, sl_error *err)
{
    if (s->arg_count == 2)
        add_argument(s, int_literal(s, INT32_MAX));
    return sl_resolve__generic(s, err);
}

/* Of two arguments Spark's functions take the characters first: trim('x', 'xax'). */
sl_code sl_resolve__trim(sl_call_site *s, sl_error *err)
{
    const char *where = strcmp(s->name, "ltrim") == 0   ? "LEADING"
                        : strcmp(s->name, "rtrim") == 0 ? "TRAILING"
                                                        : "BOTH";
    if (s->arg_count == 2)
        s->pretty = sl_arena_printf(s->arena, "TRIM(%s %s FROM %s)", where,
                                    s->args[0]->pretty, s->args[1]->pretty);
    return sl_resolve__generic(s, err);
}

sl_code sl_resolve__pad(sl_call_site *s, sl_error *err)
{
    if (s->arg_count == 2)
        add_argument(s, text_literal(s, " "));
    return sl_resolve__generic(s, err);
}

sl_code sl_resolve__replace(sl_call_site *s, sl_error *err)
{
    if (s->arg_count == 2)
        add_argument(s, text_literal(s, ""));
    return sl_resolve__generic(s, err);
}

sl_code sl_resolve__like(sl_call_site *s, sl_error *err)
{
    s->pretty =
        sl_arena_printf(s->arena, "%s LIKE %s", s->args[0]->pretty, s->args[1]->pretty);
    if (s->arg_count == 2)
        add_argument(s, text_literal(s, "\\"));
    const sl_expr *escape = s->args[2];
    bool is_char = escape->kind == SL_EXPR_LITERAL &&
                   escape->type->id == SL_TYPE_STRING && !escape->literal.is_null &&
                   escape->literal.length == 1;
    if (!is_char)
        return sl_fail_as(err, SL_EANALYSIS, "INVALID_ESCAPE_CHAR", "42604",
                          "`EscapeChar` should be a string literal of length one, but "
                          "got \"%.100s\".",
                          escape->pretty);
    if (escape->literal.text[0] != '\\')
        s->pretty =
            sl_arena_printf(s->arena, "%s ESCAPE '%s'", s->pretty, escape->literal.text);
    return sl_resolve__generic(s, err);
}

/* rlike and its names print in capitals; regexp_extract's group and regexp_replace's
 * position are always shown. */
sl_code sl_resolve__regexp(sl_call_site *s, sl_error *err)
{
    if (is_function(s, SL_F_REGEXP_EXTRACT) && s->arg_count == 2)
        add_argument(s, int_literal(s, 1));
    if (is_function(s, SL_F_RLIKE))
        s->pretty = sl_pretty__call(s, strcmp(s->name, "regexp_like") == 0 ? "REGEXP_LIKE"
                                                                           : "RLIKE");
    if (is_function(s, SL_F_REGEXP_REPLACE))
        s->pretty =
            sl_arena_printf(s->arena, "regexp_replace(%s, %s, %s, 1)", s->args[0]->pretty,
                            s->args[1]->pretty, s->args[2]->pretty);
    return sl_resolve__generic(s, err);
}

/* ---- times ---- */

sl_code sl_resolve__clock(sl_call_site *s, sl_error *err)
{
    (void)err;
    s->type =
        sl_type_of(is_function(s, SL_F_CURRENT_DATE) ? SL_TYPE_DATE : SL_TYPE_TIMESTAMP);
    return SL_OK;
}

sl_code sl_resolve__random(sl_call_site *s, sl_error *err)
{
    s->type = sl_type_of(is_function(s, SL_F_RAND) ? SL_TYPE_DOUBLE : SL_TYPE_STRING);
    if (s->arg_count == 0)
        return SL_OK;
    SL_TRY(sl_coerce__argument(s, 0, sl_type_of(SL_TYPE_LONG), err));
    if (!sl_expr_is_constant(s->args[0]))
        return sl_coerce__mismatch(s, "NON_FOLDABLE_INPUT", err,
                                   "the input `seed` should be a foldable \"BIGINT\" "
                                   "expression; however, got \"%.200s\".",
                                   s->args[0]->pretty);
    return SL_OK;
}

sl_code sl_resolve__date_trunc(sl_call_site *s, sl_error *err)
{
    SL_TRY(sl_coerce__argument(s, 0, sl_type_of(SL_TYPE_STRING), err));
    if (!sl_type__is_time(s->args[1]->type))
        SL_TRY(sl_coerce__argument(s, 1, sl_type_of(SL_TYPE_TIMESTAMP), err));
    s->type = s->args[1]->type;
    return SL_OK;
}

sl_code sl_resolve__to_type(sl_call_site *s, sl_error *err)
{
    bool date = is_function(s, SL_F_TO_DATE) || is_function(s, SL_F_DATE);
    const sl_type *type = sl_type_of(date ? SL_TYPE_DATE : SL_TYPE_TIMESTAMP);
    const sl_expr *cast = s->args[0];
    if (s->arg_count == 2 && s->args[0]->type->id == SL_TYPE_STRING)
        SL_TRY(
            sl_expr__call_id(s->arena, SL_F_TIME_PARSE, s->args, 2, s->pos, &cast, err));
    SL_TRY(sl_expr_cast(s->arena, cast, type, false, &cast, err));
    s->rewritten = sl_expr__rename(s->arena, cast, sl_pretty__call(s, s->name));
    return SL_OK;
}

/* unix_timestamp(text, pattern); of a time the pattern means nothing. */
static sl_code parse_unix_time(sl_call_site *s, sl_error *err)
{
    const sl_expr *time = s->args[0], *seconds;
    if (time->type->id == SL_TYPE_STRING)
        SL_TRY(
            sl_expr__call_id(s->arena, SL_F_TIME_PARSE, s->args, 2, s->pos, &time, err));
    SL_TRY(
        sl_expr__call_id(s->arena, SL_F_UNIX_SECONDS, &time, 1, s->pos, &seconds, err));
    s->rewritten =
        sl_expr__rename(s->arena, seconds, sl_pretty__call(s, "unix_timestamp"));
    return SL_OK;
}

sl_code sl_resolve__from_unixtime(sl_call_site *s, sl_error *err)
{
    const sl_expr *args[2], *text;
    if (s->arg_count == 1)
        add_argument(s, text_literal(s, "yyyy-MM-dd HH:mm:ss"));
    SL_TRY(sl_expr__call_id(s->arena, SL_F_TIMESTAMP_SECONDS, s->args, 1, s->pos,
                            &args[0], err));
    args[1] = s->args[1];
    SL_TRY(sl_expr__call_id(s->arena, SL_F_DATE_FORMAT, args, 2, s->pos, &text, err));
    s->rewritten = sl_expr__rename(s->arena, text, sl_pretty__call(s, "from_unixtime"));
    return SL_OK;
}

sl_code sl_resolve__unix_time(sl_call_site *s, sl_error *err)
{
    if (s->arg_count == 0) {
        const sl_expr *now;
        SL_TRY(sl_expr__call_id(s->arena, SL_F_CURRENT_TIMESTAMP, NULL, 0, s->pos, &now,
                                err));
        add_argument(s, now);
        s->nullable = false;
    }
    if (is_function(s, SL_F_UNIX_TIMESTAMP) && s->arg_count == 2)
        return parse_unix_time(s, err);
    if (is_function(s, SL_F_UNIX_TIMESTAMP))
        s->pretty = sl_arena_printf(s->arena, "unix_timestamp(%s, yyyy-MM-dd HH:mm:ss)",
                                    s->args[0]->pretty);
    s->type = sl_type_of(SL_TYPE_LONG);
    return sl_coerce__argument(s, 0, sl_type_of(SL_TYPE_TIMESTAMP), err);
}

sl_code sl_resolve__from_unix(sl_call_site *s, sl_error *err)
{
    s->type = sl_type_of(SL_TYPE_TIMESTAMP);
    bool real =
        s->args[0]->type->id == SL_TYPE_FLOAT || s->args[0]->type->id == SL_TYPE_DOUBLE;
    if (real && is_function(s, SL_F_TIMESTAMP_SECONDS))
        return sl_coerce__argument(s, 0, sl_type_of(SL_TYPE_DOUBLE), err);
    return sl_coerce__argument(s, 0, sl_type_of(SL_TYPE_LONG), err);
}

/* time_add(t, interval) and its relatives for months and subtraction. */
sl_code sl_resolve__time_add(sl_call_site *s, sl_error *err)
{
    bool months =
        is_function(s, SL_F_TIME_ADD_MONTHS) || is_function(s, SL_F_TIME_SUB_MONTHS);
    const sl_type *time = s->args[0]->type, *interval = s->args[1]->type;
    sl_type_id wanted = months ? SL_TYPE_INTERVAL_YEAR_MONTH : SL_TYPE_INTERVAL_DAY_TIME;
    if (!sl_type__is_time(time) && !(months && time->id == SL_TYPE_DATE))
        SL_TRY(sl_coerce__argument(s, 0, sl_type_of(SL_TYPE_TIMESTAMP), err));
    if (interval->id != wanted)
        return sl_coerce__unexpected(s, 1, sl_type__name(s->arena, sl_type_of(wanted)),
                                     err);
    s->type = s->args[0]->type;
    return SL_OK;
}

sl_code sl_resolve__time_diff(sl_call_site *s, sl_error *err)
{
    const sl_type *common;
    SL_TRY(sl_coerce__common(s, 0, 1, true, &common, err));
    if (!sl_type__is_time(common) && common->id != SL_TYPE_DATE)
        return sl_coerce__unexpected(s, 0, "TIMESTAMP", err);
    s->type = sl_type_of(SL_TYPE_INTERVAL_DAY_TIME);
    return SL_OK;
}

/* An interval, its text, or a count of microseconds, as a BIGINT literal. */
static sl_code duration_argument(sl_call_site *s, uint32_t i, sl_error *err)
{
    const sl_expr *e = s->args[i];
    if (e->kind != SL_EXPR_LITERAL || e->literal.is_null)
        return sl_coerce__mismatch(s, "NON_FOLDABLE_INPUT", err,
                                   "the input `duration` should be a foldable \"INTERVAL "
                                   "DAY TO SECOND\" expression; however, got \"%.200s\".",
                                   e->pretty);
    int64_t us = e->literal.i64;
    if (e->type->id == SL_TYPE_STRING) {
        int32_t months;
        SL_TRY(sl_interval_parse(e->literal.text, &months, &us, err));
        if (months != 0)
            return sl_fail_as(err, SL_EANALYSIS, "_LEGACY_ERROR_TEMP_3231", NULL,
                              "Intervals greater than a month is not supported (%s).",
                              e->literal.text);
    } else if (e->type->id != SL_TYPE_INTERVAL_DAY_TIME &&
               !sl_type_is_integral(e->type)) {
        return sl_coerce__unexpected(s, i, "BIGINT", err);
    }
    s->args[i] = sl_expr__long(s->arena, us, e->pos);
    return SL_OK;
}

sl_code sl_resolve__window_start(sl_call_site *s, sl_error *err)
{
    if (!sl_type__is_time(s->args[0]->type))
        SL_TRY(sl_coerce__argument(s, 0, sl_type_of(SL_TYPE_TIMESTAMP), err));
    for (uint32_t i = 1; i < 4; i++)
        SL_TRY(duration_argument(s, i, err));
    s->type = s->args[0]->type;
    return SL_OK;
}

sl_code sl_resolve__window_time(sl_call_site *s, sl_error *err)
{
    const sl_type *t = s->args[0]->type;
    if (!sl_type_equal(t, sl_type_window(sl_type_of(SL_TYPE_TIMESTAMP))) &&
        !sl_type_equal(t, sl_type_window(sl_type_of(SL_TYPE_TIMESTAMP_NTZ))))
        return sl_fail_as(
            err, SL_EANALYSIS, "_LEGACY_ERROR_TEMP_3101", NULL,
            "The input is not a correct window column: \"%.200s\" is \"%s\"",
            s->args[0]->pretty, sl_type__name(s->arena, t));
    const sl_expr *args[2], *time;
    SL_TRY(sl_expr_field(s->arena, s->args[0], "end", s->pos, &args[0], err));
    sl_value us = { .type = sl_type_of(SL_TYPE_INTERVAL_DAY_TIME), .i64 = 1 };
    args[1] = sl_expr_literal(s->arena, &us, NULL, s->pos);
    SL_TRY(sl_expr__call_id(s->arena, SL_F_TIME_SUB, args, 2, s->pos, &time, err));
    s->rewritten = sl_expr__rename(s->arena, time, sl_pretty__call(s, "window_time"));
    return SL_OK;
}
