/* Numbers and intervals. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/sql/parser_private.h"

static sl_code fail_number(const sl_parser *p, const char *type, sl_error *err)
{
    sl_code code = sl_fail_as(err, SL_EPARSE, "INVALID_NUMERIC_LITERAL_RANGE", "22003",
                              "Numeric literal %.60s is outside the valid range for %s",
                              p->token.text, type);
    if (err != NULL) {
        err->line = p->token.pos.line;
        err->column = p->token.pos.column;
    }
    return code;
}

sl_code sl_parser__number(sl_parser *p, bool negative, sl_sql_pos pos,
                          const sl_uexpr **ret, sl_error *err)
{
    sl_uexpr *e = sl_uexpr__new(p, SL_U_LITERAL, pos);
    if (p->token.kind == SL_TOK_DECIMAL) {
        e->literal.type = sl_type_of(SL_TYPE_DOUBLE);
        e->literal.f64 = strtod(p->token.text, NULL);
        if (e->literal.f64 > 1.7976931348623157e308)
            return fail_number(p, "double", err);
        if (negative)
            e->literal.f64 = -e->literal.f64;
    } else {
        errno = 0;
        unsigned long long v = strtoull(p->token.text, NULL, 10);
        unsigned long long limit = (unsigned long long)INT64_MAX + (negative ? 1 : 0);
        if (errno != 0 || v > limit)
            return fail_number(p, "bigint", err);
        e->literal.i64 = negative ? (int64_t)(0 - v) : (int64_t)v;
        bool is_int = !p->token.is_long && e->literal.i64 >= INT32_MIN &&
                      e->literal.i64 <= INT32_MAX;
        e->literal.type = sl_type_of(is_int ? SL_TYPE_INT : SL_TYPE_LONG);
    }
    *ret = e;
    return sl_parser__advance(p, err);
}

static const char *const interval_units[] = {
    "YEAR",   "YEARS",   "MONTH",       "MONTHS",       "WEEK",        "WEEKS",
    "DAY",    "DAYS",    "HOUR",        "HOURS",        "MINUTE",      "MINUTES",
    "SECOND", "SECONDS", "MILLISECOND", "MILLISECONDS", "MICROSECOND", "MICROSECONDS",
};

static bool is_interval_unit(const sl_parser *p)
{
    for (size_t i = 0; i < sizeof interval_units / sizeof *interval_units; i++)
        if (sl_parser__is_word(p, interval_units[i]))
            return true;
    return false;
}

/* After INTERVAL: '10 minutes' | 10 MINUTES 5 SECONDS | '1' DAY; DAY TO SECOND forms are
 * refused. */
sl_code sl_parser__interval(sl_parser *p, sl_sql_pos pos, const sl_uexpr **ret,
                            sl_error *err)
{
    const char *text = NULL;
    bool whole = p->token.kind == SL_TOK_STRING && p->ahead.kind != SL_TOK_WORD;
    if (!whole && p->token.kind == SL_TOK_STRING) {
        whole = true; /* '1' DAY has a unit after the string */
        for (size_t i = 0; i < sizeof interval_units / sizeof *interval_units; i++)
            if (sl_parser__ahead_is_word(p, interval_units[i]))
                whole = false;
    }
    if (whole) {
        SL_TRY(sl_parser__string(p, "an interval", &text, err));
    } else {
        text = "";
        do {
            bool negative;
            SL_TRY(sl_parser__accept_symbol(p, "-", &negative, err));
            if (p->token.kind != SL_TOK_INTEGER && p->token.kind != SL_TOK_DECIMAL &&
                p->token.kind != SL_TOK_STRING)
                return sl_parser__fail(p, err,
                                       "an interval such as 10 MINUTES or '10 minutes'");
            const char *amount = p->token.text;
            SL_TRY(sl_parser__advance(p, err));
            if (!is_interval_unit(p))
                return sl_parser__fail(p, err, "a unit: DAY, HOUR, MINUTE, SECOND, ...");
            text =
                sl_arena_printf(p->arena, "%s%s%s%s %s", text, *text != '\0' ? " " : "",
                                negative ? "-" : "", amount, p->token.text);
            SL_TRY(sl_parser__advance(p, err));
            if (sl_parser__is_word(p, "TO"))
                return sl_parser__fail(
                    p, err, "a list of units (INTERVAL ... TO ... is not supported)");
        } while (p->token.kind == SL_TOK_INTEGER || p->token.kind == SL_TOK_DECIMAL);
    }
    sl_uexpr *e = sl_uexpr__new(p, SL_U_INTERVAL, pos);
    e->literal.type = sl_type_of(SL_TYPE_STRING);
    e->literal.text = text;
    e->literal.length = (uint32_t)strlen(text);
    *ret = e;
    return SL_OK;
}
