/* expr_text.h - expressions for tests, written in brackets: (+ $a 1), (cast 'x' int),
 * (. $w end).  Atoms: 1 1L 1b 1s 1.5 1.5f 'text' true false null nan, d'2020-01-01' date,
 * t'...' timestamp, n'...' timestamp_ntz, i'10 minutes' interval, $name a column. */

#ifndef SL_TESTS_EXPR_TEXT_H
#define SL_TESTS_EXPR_TEXT_H

#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/columnar/value_text.h"
#include "engine/expr/program.h"

typedef struct text_reader {
    sl_arena *arena;
    const char *p;
    const sl_schema *schema; /* $names */
    /* Literals whose bit is set become columns literal_columns[i] (up to 16). */
    uint32_t as_columns, literal_count;
    sl_value literals[16];
} text_reader;

static inline const sl_type *type_by_name(const char *name)
{
    static const struct {
        const char *name;
        sl_type_id id;
    } names[] = { { "boolean", SL_TYPE_BOOLEAN },
                  { "byte", SL_TYPE_BYTE },
                  { "short", SL_TYPE_SHORT },
                  { "int", SL_TYPE_INT },
                  { "long", SL_TYPE_LONG },
                  { "float", SL_TYPE_FLOAT },
                  { "double", SL_TYPE_DOUBLE },
                  { "string", SL_TYPE_STRING },
                  { "binary", SL_TYPE_BINARY },
                  { "date", SL_TYPE_DATE },
                  { "timestamp", SL_TYPE_TIMESTAMP },
                  { "ntz", SL_TYPE_TIMESTAMP_NTZ },
                  { "dt", SL_TYPE_INTERVAL_DAY_TIME },
                  { "ym", SL_TYPE_INTERVAL_YEAR_MONTH } };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i].name, name) == 0)
            return sl_type_of(names[i].id);
    }
    fail_msg("no type %s", name);
    return NULL;
}

static inline void take_word(text_reader *r, char word[64])
{
    size_t n = 0;
    while (*r->p != '\0' && !isspace((unsigned char)*r->p) && *r->p != ')' && n < 63)
        word[n++] = *r->p++;
    word[n] = '\0';
    while (*r->p == ' ')
        r->p++;
}

/* 'text' with '' for a quote. */
static inline void take_quoted(text_reader *r, sl_value *v)
{
    char text[512];
    size_t n = 0;
    for (r->p++; *r->p != '\'' || r->p[1] == '\''; r->p++) {
        r->p += *r->p == '\'';
        text[n++] = *r->p;
    }
    r->p++;
    v->text = sl_arena_strndup(r->arena, text, n);
    v->length = (uint32_t)n;
    while (*r->p == ' ')
        r->p++;
}

static inline void take_tagged(text_reader *r, char tag, sl_value *v)
{
    sl_value text;
    int32_t days = 0, months = 0;
    bool ok = true;
    r->p++;
    take_quoted(r, &text);
    if (tag == 'd') {
        v->type = sl_type_of(SL_TYPE_DATE);
        ok = sl_date_parse(text.text, text.length, &days);
        v->i64 = days;
    } else if (tag == 'i') {
        assert_int_equal(sl_interval_parse(text.text, &months, &v->i64, NULL), SL_OK);
        v->type = sl_type_of(months != 0 ? SL_TYPE_INTERVAL_YEAR_MONTH
                                         : SL_TYPE_INTERVAL_DAY_TIME);
        v->i64 = months != 0 ? months : v->i64;
    } else {
        v->type = sl_type_of(tag == 't' ? SL_TYPE_TIMESTAMP : SL_TYPE_TIMESTAMP_NTZ);
        ok = sl_timestamp_parse(text.text, text.length, sl_time_zone_utc(), &v->i64);
    }
    assert_true(ok);
}

static inline void take_number(text_reader *r, sl_value *v)
{
    char word[64];
    take_word(r, word);
    char *end;
    v->i64 = strtoll(word, &end, 10);
    v->type = sl_type_of(v->i64 == (int32_t)v->i64 ? SL_TYPE_INT : SL_TYPE_LONG);
    if (*end == 'L')
        v->type = sl_type_of(SL_TYPE_LONG);
    else if (*end == 'b')
        v->type = sl_type_of(SL_TYPE_BYTE);
    else if (*end == 's')
        v->type = sl_type_of(SL_TYPE_SHORT);
    else if (*end != '\0') {
        v->f64 = strtod(word, &end);
        v->type = sl_type_of(*end == 'f' ? SL_TYPE_FLOAT : SL_TYPE_DOUBLE);
    }
}

static inline void take_literal(text_reader *r, sl_value *v)
{
    *v = (sl_value){ .type = sl_type_of(SL_TYPE_VOID), .is_null = true };
    if (*r->p == '\'') {
        *v = (sl_value){ .type = sl_type_of(SL_TYPE_STRING) };
        take_quoted(r, v);
    } else if (r->p[1] == '\'') {
        *v = (sl_value){ 0 };
        take_tagged(r, *r->p, v);
    } else if (isdigit((unsigned char)*r->p) || *r->p == '-') {
        *v = (sl_value){ 0 };
        take_number(r, v);
    } else {
        char word[64];
        take_word(r, word);
        if (strcmp(word, "nan") == 0)
            *v = (sl_value){ .type = sl_type_of(SL_TYPE_DOUBLE), .f64 = NAN };
        else if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0)
            *v = (sl_value){ .type = sl_type_of(SL_TYPE_BOOLEAN), .i64 = *word == 't' };
        else
            assert_string_equal(word, "null");
    }
}

static inline sl_code read_text(text_reader *r, const sl_expr **ret, sl_error *err);

static inline sl_code read_list(text_reader *r, const sl_expr **ret, sl_error *err)
{
    char name[64], word[64];
    const sl_expr *args[16], *e;
    uint32_t count = 0;
    r->p++;
    take_word(r, name);
    bool cast = strcmp(name, "cast") == 0, try_cast = strcmp(name, "try_cast") == 0;
    while (*r->p != ')') {
        if (count == 1 && (cast || try_cast || strcmp(name, ".") == 0))
            break;
        SL_TRY(read_text(r, &args[count++], err));
    }
    sl_sql_pos pos = { 1, 7 };
    sl_code code;
    if (cast || try_cast) {
        take_word(r, word);
        const sl_type *type = type_by_name(word);
        code = cast ? sl_expr_cast(r->arena, args[0], type, false, &e, err)
                    : sl_expr_try_cast(r->arena, args[0], type, pos, &e, err);
    } else if (strcmp(name, ".") == 0) {
        take_word(r, word);
        code = sl_expr_field(r->arena, args[0], word, pos, &e, err);
    } else {
        code = sl_expr_call(r->arena, name, args, count, pos, &e, err);
    }
    r->p++;
    while (*r->p == ' ')
        r->p++;
    SL_TRY(code);
    *ret = e;
    return SL_OK;
}

static inline sl_code read_text(text_reader *r, const sl_expr **ret, sl_error *err)
{
    sl_sql_pos pos = { 1, 7 };
    if (*r->p == '(')
        return read_list(r, ret, err);
    if (*r->p == '$') {
        char word[64];
        r->p++;
        take_word(r, word);
        int32_t at = sl_schema_find(r->schema, word);
        assert_true(at >= 0);
        *ret = sl_expr_column(r->arena, (uint32_t)at, &r->schema->fields[at], pos);
        return SL_OK;
    }
    sl_value v;
    take_literal(r, &v);
    uint32_t i = r->literal_count++;
    assert_true(i < 16);
    r->literals[i] = v;
    if ((r->as_columns >> i & 1) != 0) {
        sl_field f = { .name = "x", .type = v.type, .nullable = true };
        *ret = sl_expr_column(r->arena, i, &f, pos);
    } else {
        *ret = sl_expr_literal(r->arena, &v, NULL, pos);
    }
    return SL_OK;
}

static inline sl_code expr_of(sl_arena *arena, const char *text, const sl_schema *schema,
                              const sl_expr **ret, sl_error *err)
{
    text_reader r = { .arena = arena, .p = text, .schema = schema };
    return read_text(&r, ret, err);
}

/* One value appended to a builder of its type. */
static inline void append_value(sl_column_builder *b, const sl_value *v)
{
    sl_code code;
    if (v->is_null)
        code = sl_column_builder_null(b, NULL);
    else if (v->type->id == SL_TYPE_BOOLEAN)
        code = sl_column_builder_bool(b, v->i64 != 0, NULL);
    else if (v->type->id == SL_TYPE_FLOAT || v->type->id == SL_TYPE_DOUBLE)
        code = sl_column_builder_f64(b, v->f64, NULL);
    else if (v->type->id == SL_TYPE_STRING || v->type->id == SL_TYPE_BINARY)
        code = sl_column_builder_string(b, v->text, v->length, NULL);
    else if (sl_type_width(v->type) == 8)
        code = sl_column_builder_i64(b, v->i64, NULL);
    else
        code = sl_column_builder_i32(b, (int32_t)v->i64, NULL);
    assert_int_equal(code, SL_OK);
}

static inline const char *row_text(const sl_column *c, uint32_t row,
                                   const sl_time_zone *zone)
{
    static char text[4][2048];
    static uint32_t at;
    at = (at + 1) % 4;
    sl_bytes b = { 0 };
    if (sl_column_is_valid(c, row))
        sl_value_text(c, row, zone, &b);
    else
        sl_bytes_text(&b, "NULL");
    snprintf(text[at], sizeof text[at], "%s", sl_bytes_cstr(&b));
    sl_bytes_deinit(&b);
    return text[at];
}

#endif /* SL_TESTS_EXPR_TEXT_H */
