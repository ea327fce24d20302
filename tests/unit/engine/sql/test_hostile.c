/* Unit tests of engine/sql on text nobody should write: bytes that are no characters,
 * halves of them, lines no screen holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "engine/sql/parse.h"

/* The error of a text as a person reads it; "" if it parses. */
static void error_of(const char *sql, size_t length, sl_error *err, sl_bytes *out)
{
    sl_arena *arena = sl_arena_new();
    sl_sql_cursor cursor = { .line = 1, .column = 1 };
    const sl_statement *s = NULL;
    *err = (sl_error){ 0 };
    sl_bytes_clear(out);
    if (sl_sql_parse_next(sql, length, &cursor, arena, &s, err) != SL_OK)
        sl_sql_error_text(err, sql, length, out);
    sl_arena_free(arena);
}

/* The text of the string literal a SELECT has. */
static void literal_of(const char *sql, size_t length, sl_bytes *out)
{
    sl_arena *arena = sl_arena_new();
    sl_sql_cursor cursor = { .line = 1, .column = 1 };
    const sl_statement *s = NULL;
    assert_int_equal(sl_sql_parse_next(sql, length, &cursor, arena, &s, NULL), SL_OK);
    const sl_uexpr *e = s->query->exprs[0];
    sl_bytes_clear(out);
    sl_bytes_append(out, e->literal.text, e->literal.length);
    sl_arena_free(arena);
}

static void parse_next__points_at_the_byte_that_is_not_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        uint32_t line, column;
        const char *shown;
    } cases[] = {
        { "SELECT 'a\xff'", 1, 10, "\n  SELECT 'a?'\n           ^\n" },
        { "SELECT\n 'a\n\xc3\xa9\xc3'", 3, 3, "\n  \xc3\xa9?'\n   ^\n" },
        { "SELECT a\xe2\x82", 1, 9, "\n  SELECT a??\n          ^\n" },
        { "SELECT `\xed\xa0\x80`", 1, 9, "\n  SELECT `???`\n          ^\n" },
        { "SELECT \"\xc0\xaf\"", 1, 9, "\n  SELECT \"??\"\n          ^\n" },
    };
    sl_bytes out = { 0 };
    sl_error err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error_of(cases[i].sql, strlen(cases[i].sql), &err, &out);
        assert_int_equal(err.code, SL_EPARSE);
        assert_int_equal(err.line, cases[i].line);
        assert_int_equal(err.column, cases[i].column);
        assert_non_null(strstr(err.text, "not UTF-8"));
        assert_non_null(strstr(sl_bytes_cstr(&out), cases[i].shown));
    }
    error_of("SELECT '\xf0\x9f\x98\x80', \xc3\xa9 FROM t", 24, &err, &out);
    assert_int_equal(err.code, SL_OK);
    sl_bytes_deinit(&out);
}

static void parse_next__takes_a_nul_in_a_string_only(void **state)
{
    (void)state;
    sl_bytes out = { 0 };
    sl_error err;
    literal_of("SELECT 'a\0b'", 12, &out);
    assert_int_equal(out.size_bytes, 3);
    assert_memory_equal(out.data, "a\0b", 3);
    error_of("SELECT `a\0b`", 12, &err, &out);
    assert_int_equal(err.code, SL_EPARSE);
    assert_int_equal(err.column, 10);
    error_of("SELECT 1\0 + 2", 13, &err, &out);
    assert_int_equal(err.code, SL_EPARSE);
    assert_int_equal(err.column, 9);
    assert_non_null(strstr(sl_bytes_cstr(&out), "\n  SELECT 1? + 2\n          ^\n"));
    sl_bytes_deinit(&out);
}

static void parse_next__makes_characters_of_pairs_and_none_of_halves(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "SELECT '\\u00e9'", "\xc3\xa9" },
        { "SELECT '\\ud83d\\ude00'", "\xf0\x9f\x98\x80" },
        { "SELECT '\\ud83d'", "?" },
        { "SELECT '\\ude00x'", "?x" },
        { "SELECT '\\ud83d\\u0041'", "?A" },
        { "SELECT '\\ud83d\\ud83d\\ude00'", "?\xf0\x9f\x98\x80" },
        { "SELECT '\\u12'", "u12" },
    };
    sl_bytes out = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        literal_of(cases[i][0], strlen(cases[i][0]), &out);
        assert_string_equal(sl_bytes_cstr(&out), cases[i][1]);
    }
    sl_bytes_deinit(&out);
}

static void error_text__shows_what_is_around_the_place_in_a_long_line(void **state)
{
    (void)state;
    sl_bytes sql = { 0 }, out = { 0 };
    sl_error err;
    sl_bytes_text(&sql, "SELECT ");
    for (int i = 0; i < 600; i++)
        sl_bytes_char(&sql, '(');
    sl_bytes_text(&sql, "1");
    error_of(sl_bytes_cstr(&sql), sql.size_bytes, &err, &out);
    assert_int_equal(err.code, SL_ELIMIT);
    const char *shown = strstr(sl_bytes_cstr(&out), "\n\n  ...((((");
    assert_non_null(shown);
    const char *caret_line = strstr(shown + 2, "\n   ");
    assert_non_null(caret_line);
    size_t column = strcspn(caret_line + 1, "^");
    assert_true(column > 60 && column < 100); /* in the middle of what is shown */
    assert_true(strlen(caret_line) < 120);
    sl_bytes_deinit(&sql);
    sl_bytes_deinit(&out);
}

static void error_text__keeps_the_caret_under_its_character(void **state)
{
    (void)state;
    sl_bytes out = { 0 };
    sl_error err;
    static const char SQL[] = "SELECT\t'\xf0\x9f\x98\x80\xc3\xa9' \x01 FROM t";
    error_of(SQL, strlen(SQL), &err, &out);
    assert_non_null(strstr(sl_bytes_cstr(&out),
                           "\n  SELECT\t'\xf0\x9f\x98\x80\xc3\xa9' ? FROM t\n"
                           "        \t     ^\n"));
    err.line = 9; /* a place in another text */
    sl_bytes_clear(&out);
    sl_sql_error_text(&err, "x", 1, &out);
    assert_null(strchr(sl_bytes_cstr(&out), '^'));
    sl_bytes_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_next__points_at_the_byte_that_is_not_utf8),
        cmocka_unit_test(parse_next__takes_a_nul_in_a_string_only),
        cmocka_unit_test(parse_next__makes_characters_of_pairs_and_none_of_halves),
        cmocka_unit_test(error_text__shows_what_is_around_the_place_in_a_long_line),
        cmocka_unit_test(error_text__keeps_the_caret_under_its_character),
    };
    return cmocka_run_group_tests_name("engine/sql hostile", tests, NULL, NULL);
}
