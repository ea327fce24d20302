/* Unit tests of engine/columnar/value_text.c and number_text.c.
 * Name: function__sentence_that_must_hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/columnar/value_text.h"
#include "tests/unit/engine/columnar/columnar_fixture.h"

static sl_arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = sl_arena_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sl_arena_free(arena);
    return 0;
}

static const sl_time_zone *prague(void)
{
    const sl_time_zone *z;
    OK(sl_time_zone_find("Europe/Prague", &z, NULL));
    return z;
}

enum form { SHOW, JSON, ISO };

/* Finish the builder, print its only row and compare. */
static void assert_row(sl_column_builder *b, enum form form, const char *want)
{
    sl_column c;
    sl_bytes out = { 0 };
    sl_column_builder_finish(b, &c);
    assert_int_equal(c.length, 1);
    if (form == SHOW)
        sl_value_text(&c, 0, prague(), &out);
    else
        sl_value_json(&c, 0, prague(), form == ISO, &out);
    assert_string_equal(TEXT(out), want);
    sl_bytes_deinit(&out);
    sl_column_release(&c);
}

static sl_column_builder builder(sl_type_id id)
{
    sl_column_builder b;
    OK(sl_column_builder_init(&b, sl_type_of(id), 1, NULL, NULL));
    return b;
}

static void assert_int(sl_type_id id, int64_t v, enum form form, const char *want)
{
    sl_column_builder b = builder(id);
    if (sl_type_width(b.type) == 8)
        OK(sl_column_builder_i64(&b, v, NULL));
    else
        OK(sl_column_builder_i32(&b, (int32_t)v, NULL));
    assert_row(&b, form, want);
}

static void assert_real(sl_type_id id, double v, enum form form, const char *want)
{
    sl_column_builder b = builder(id);
    OK(sl_column_builder_f64(&b, v, NULL));
    assert_row(&b, form, want);
}

static void assert_bytes(sl_type_id id, const char *text, enum form form,
                         const char *want)
{
    sl_column_builder b = builder(id);
    OK(sl_column_builder_string(&b, text, (uint32_t)strlen(text), NULL));
    assert_row(&b, form, want);
}

/* spark:O13 */
static void value_text__prints_each_type_as_spark_does(void **state)
{
    (void)state;
    assert_int(SL_TYPE_BYTE, -128, SHOW, "-128");
    assert_int(SL_TYPE_SHORT, -3, SHOW, "-3");
    assert_int(SL_TYPE_INT, INT32_MIN, SHOW, "-2147483648");
    assert_int(SL_TYPE_LONG, INT64_MIN, SHOW, "-9223372036854775808");
    assert_real(SL_TYPE_DOUBLE, 1.0, SHOW, "1.0");
    assert_real(SL_TYPE_DOUBLE, 1e10, SHOW, "1.0E10");
    assert_real(SL_TYPE_DOUBLE, (double)NAN, SHOW, "NaN");
    assert_real(SL_TYPE_DOUBLE, -(double)INFINITY, SHOW, "-Infinity");
    assert_bytes(SL_TYPE_STRING, "h\xc3\xa9", SHOW, "h\xc3\xa9");
    assert_bytes(SL_TYPE_BINARY, "ab\xff", SHOW, "[61 62 FF]");
    assert_int(SL_TYPE_DATE, -1, SHOW, "1969-12-31");
    assert_int(SL_TYPE_TIMESTAMP, 500000, SHOW, "1970-01-01 01:00:00.5");
    assert_int(SL_TYPE_TIMESTAMP_NTZ, 500000, SHOW, "1970-01-01 00:00:00.5");
    assert_int(SL_TYPE_INTERVAL_DAY_TIME, 93784567000, SHOW,
               "INTERVAL '1 02:03:04.567' DAY TO SECOND");
    assert_int(SL_TYPE_INTERVAL_DAY_TIME, -1000000, SHOW,
               "INTERVAL '-0 00:00:01' DAY TO SECOND");
    assert_int(SL_TYPE_INTERVAL_YEAR_MONTH, -14, SHOW, "INTERVAL '-1-2' YEAR TO MONTH");
    sl_column_builder b = builder(SL_TYPE_BOOLEAN);
    OK(sl_column_builder_bool(&b, true, NULL));
    assert_row(&b, SHOW, "true");
    b = builder(SL_TYPE_VOID);
    OK(sl_column_builder_null(&b, NULL));
    assert_row(&b, SHOW, "NULL");
}

static void value_text__prints_floats_with_their_own_fewest_digits(void **state)
{
    (void)state;
    static const struct {
        float v;
        const char *want;
    } cases[] = { { 0.1f, "0.1" },
                  { 1.0f, "1.0" },
                  { -12.5f, "-12.5" },
                  { 0.001f, "0.001" },
                  { 0.00123f, "0.00123" },
                  { 0.0001f, "1.0E-4" },
                  { 1234567.0f, "1234567.0" },
                  { 100000.0f, "100000.0" },
                  { 10000000.0f, "1.0E7" },
                  { 3.4028235e38f, "3.4028235E38" },
                  { 1.4e-45f, "1.4E-45" },
                  { -0.0f, "-0.0" },
                  { 16777216.0f, "1.6777216E7" } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_real(SL_TYPE_FLOAT, (double)cases[i].v, SHOW, cases[i].want);
}

static sl_column_builder struct_builder(bool with_null)
{
    sl_field fields[] = { { .name = "a", .type = sl_type_of(SL_TYPE_INT) },
                          { .name = "q\"", .type = sl_type_of(SL_TYPE_STRING) },
                          { .name = "t", .type = sl_type_of(SL_TYPE_TIMESTAMP) } };
    sl_column_builder b;
    OK(sl_column_builder_init(&b, sl_type_struct(arena, fields, 3), 1, NULL, NULL));
    OK(sl_column_builder_i32(&b.children[0], 1, NULL));
    if (with_null)
        OK(sl_column_builder_null(&b.children[1], NULL));
    else
        OK(sl_column_builder_string(&b.children[1], "x\n", 2, NULL));
    OK(sl_column_builder_i64(&b.children[2], 0, NULL));
    OK(sl_column_builder_struct(&b, NULL));
    return b;
}

static void value_text__prints_structs_in_braces(void **state)
{
    (void)state;
    sl_column_builder b = struct_builder(true);
    assert_row(&b, SHOW, "{1, NULL, 1970-01-01 01:00:00}");
}

static void value_json__keeps_null_fields_but_for_the_sink(void **state)
{
    (void)state;
    sl_column_builder b = struct_builder(false);
    assert_row(&b, JSON, "{\"a\":1,\"q\\\"\":\"x\\n\",\"t\":\"1970-01-01 01:00:00\"}");
    b = struct_builder(true);
    assert_row(&b, JSON, "{\"a\":1,\"q\\\"\":null,\"t\":\"1970-01-01 01:00:00\"}");
    b = struct_builder(true);
    assert_row(&b, ISO, "{\"a\":1,\"t\":\"1970-01-01T01:00:00.000+01:00\"}");
}

static void value_json__quotes_what_json_has_no_word_for(void **state)
{
    (void)state;
    assert_int(SL_TYPE_LONG, -5, JSON, "-5");
    assert_real(SL_TYPE_DOUBLE, 1.5, JSON, "1.5");
    assert_real(SL_TYPE_DOUBLE, (double)NAN, JSON, "\"NaN\"");
    assert_real(SL_TYPE_FLOAT, (double)0.1f, JSON, "0.1");
    assert_real(SL_TYPE_FLOAT, (double)INFINITY, JSON, "\"Infinity\"");
    assert_int(SL_TYPE_DATE, 0, ISO, "\"1970-01-01\"");
    assert_int(SL_TYPE_TIMESTAMP_NTZ, 1234567, ISO, "\"1970-01-01T00:00:01.234\"");
    assert_bytes(SL_TYPE_BINARY, "abcd", ISO, "\"YWJjZA==\"");
    assert_bytes(SL_TYPE_BINARY, "ab", JSON, "\"[61 62]\"");
    sl_column_builder b = builder(SL_TYPE_LONG);
    OK(sl_column_builder_null(&b, NULL));
    assert_row(&b, ISO, "null");
}

static void int64_from_text__takes_whole_numbers_and_sees_overflow(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t want;
    } good[] = { { " 42 ", 42 },
                 { "-7", -7 },
                 { "+7", 7 },
                 { "9223372036854775807", INT64_MAX },
                 { "-9223372036854775808", INT64_MIN } };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t v = 99;
        assert_true(sl_int64_from_text(good[i].text, strlen(good[i].text), &v));
        assert_true(v == good[i].want);
    }
    static const char *const wrong[] = { "",
                                         "-",
                                         ".",
                                         "1e3",
                                         "3.99",
                                         "5.",
                                         ".5",
                                         "x",
                                         "1 2",
                                         "9223372036854775808",
                                         "-9223372036854775809",
                                         "99999999999999999999999",
                                         "1.2.3",
                                         "1.x",
                                         "--1" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int64_t v = 99;
        assert_false(sl_int64_from_text(wrong[i], strlen(wrong[i]), &v));
        assert_true(v == 99);
    }
}

static void double_from_text__rounds_as_the_c_library(void **state)
{
    (void)state;
    static const char *const good[] = { "0",
                                        "-0.0",
                                        "1.5",
                                        "+2",
                                        " 3.25 ",
                                        ".5",
                                        "5.",
                                        "1e5",
                                        "1E-5",
                                        "123456789012345678",
                                        "9007199254740993",
                                        "1e22",
                                        "1e23",
                                        "1.7976931348623157e308",
                                        "5e-324",
                                        "1e-400",
                                        "1e400",
                                        "0.1",
                                        "12345678901234567890123",
                                        "0.000000000000000000000000000001",
                                        "2.2250738585072011e-308",
                                        "1e99999999999",
                                        "0e99999999999",
                                        "00000000000000000000001" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        double v = -99, want = strtod(good[i], NULL);
        assert_true(sl_double_from_text(good[i], strlen(good[i]), &v));
        if (memcmp(&v, &want, sizeof v) != 0)
            fail_msg("%s gave %.17g", good[i], v);
    }
    uint64_t seed = 5;
    for (int i = 0; i < 20000; i++) {
        char text[48];
        uint64_t bits = fixture_random(&seed);
        double v, want;
        memcpy(&want, &bits, 8);
        if (want != want || isinf(want))
            continue;
        snprintf(text, sizeof text, i % 2 == 0 ? "%.17g" : "%.6e", want);
        want = strtod(text, NULL);
        assert_true(sl_double_from_text(text, strlen(text), &v));
        assert_memory_equal(&v, &want, 8);
    }
}

static void double_from_text__knows_java_words_and_refuses_the_rest(void **state)
{
    (void)state;
    double v;
    assert_true(sl_double_from_text("NaN", 3, &v) && v != v);
    assert_true(sl_double_from_text("Infinity", 8, &v) && v > 1e308);
    assert_true(sl_double_from_text("-inf", 4, &v) && v < -1e308);
    assert_true(sl_double_from_text("1.5d", 4, &v) && v > 1.4);
    static const char *const wrong[] = { "",  ".",   "e5",  "1e", "1e+",  "0x10", "1.2.3",
                                         "x", "- 1", "1 2", "d",  "nan1", "infin" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(sl_double_from_text(wrong[i], strlen(wrong[i]), &v));
}

static void boolean_from_text__knows_sparks_words(void **state)
{
    (void)state;
    static const char *const yes[] = { "t", "TRUE", " y ", "Yes", "1" };
    static const char *const no[] = { "f", "False", "n", "NO", "0" };
    static const char *const wrong[] = { "", "2", "tru", "on", "truee" };
    for (int i = 0; i < 5; i++) {
        bool v = false;
        assert_true(sl_boolean_from_text(yes[i], strlen(yes[i]), &v) && v);
        assert_true(sl_boolean_from_text(no[i], strlen(no[i]), &v) && !v);
        assert_false(sl_boolean_from_text(wrong[i], strlen(wrong[i]), &v));
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(value_text__prints_each_type_as_spark_does),
        T(value_text__prints_floats_with_their_own_fewest_digits),
        T(value_text__prints_structs_in_braces),
        T(value_json__keeps_null_fields_but_for_the_sink),
        T(value_json__quotes_what_json_has_no_word_for),
        T(int64_from_text__takes_whole_numbers_and_sees_overflow),
        T(double_from_text__rounds_as_the_c_library),
        T(double_from_text__knows_java_words_and_refuses_the_rest),
        T(boolean_from_text__knows_sparks_words),
    };
    return cmocka_run_group_tests_name("engine/columnar/value_text", tests, NULL, NULL);
}
