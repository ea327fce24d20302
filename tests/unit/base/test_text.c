#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static void nearest__finds_typos_and_ignores_case(void **state)
{
    (void)state;
    const char *const names[] = { "action", "window", "count", "timestamp" };
    assert_string_equal(sl_text_nearest("acton", names, 4), "action");
    assert_string_equal(sl_text_nearest("ACTION", names, 4), "action");
    assert_string_equal(sl_text_nearest("coutn", names, 4), "count"); /* one swap */
    assert_string_equal(sl_text_nearest("timestmap", names, 4), "timestamp");
    assert_null(sl_text_nearest("elephant", names, 4));
    assert_null(sl_text_nearest("x", names, 0));
    assert_string_equal(sl_text_nearest("", (const char *const[]){ "ab" }, 1), "ab");
    char big[5000];
    memset(big, 'a', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    assert_null(sl_text_nearest(big, names, 4));
    const char *const long_names[] = { big };
    assert_null(sl_text_nearest("a", long_names, 1));
}

static void duration__reads_every_form(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        { "500 ms", 500000 },
        { "10 seconds", 10000000 },
        { "1 minute 30 seconds", 90000000 },
        { "2h", INT64_C(7200000000) },
        { "1.5 s", 1500000 },
        { "250", 250000 },
        { " 7us ", 7 },
        { "1 day 2 hours", INT64_C(93600000000) },
        { "interval 5 minutes", 300000000 },
        { "INTERVAL 1 WEEK", INT64_C(604800000000) },
        { "-3 seconds", -3000000 },
        { "0 seconds", 0 },
        { "0.000001s", 1 },
        { "1m30s", 90000000 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t us = -1;
        assert_int_equal(sl_duration_parse(cases[i].text, 1000, &us, NULL), SL_OK);
        assert_true(us == cases[i].us);
    }
}

static void duration__refuses_the_rest_naming_what_is_accepted(void **state)
{
    (void)state;
    const char *const bad[] = { "",
                                " ",
                                "abc",
                                "5 parsecs",
                                "5 5 seconds",
                                "1..2 s",
                                "seconds",
                                "99999999999999999999 s",
                                "9e9 s",
                                "300000 weeks 999999999 weeks",
                                "interval",
                                "5 s x",
                                "1 secondsecondsecondsecond",
                                "." };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t us = 77;
        sl_error err = { 0 };
        assert_int_equal(sl_duration_parse(bad[i], 1000, &us, &err), SL_EINVAL);
        assert_int_equal(us, 77);
        assert_non_null(strstr(err.text, bad[i]));
    }
    sl_error err = { 0 };
    int64_t us;
    assert_int_equal(sl_duration_parse("2 months", 1000, &us, &err), SL_EINVAL);
    assert_non_null(strstr(err.text, "months and years"));
    assert_int_equal(sl_duration_parse("5", 0, &us, &err), SL_EINVAL); /* needs a unit */
    assert_non_null(strstr(err.text, "'10 seconds'"));
}

static void size__reads_powers_of_1024(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
    } cases[] = {
        { "64m", 64 << 20 }, { "1GiB", 1 << 30 }, { "100 MB", 100 << 20 },
        { "123", 123 },      { "1.5k", 1536 },    { " 2 t ", INT64_C(2) << 40 },
        { "7 bytes", 7 },    { "0", 0 },          { "9223372036854775807", INT64_MAX },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t bytes = -1;
        assert_int_equal(sl_size_parse(cases[i].text, &bytes, NULL), SL_OK);
        assert_true(bytes == cases[i].bytes);
    }
    const char *const bad[] = {
        "", "m", "-1m", "5 x", "5 m m", "9223372036854775807k", "9223372036854775808"
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t bytes = 77;
        assert_int_equal(sl_size_parse(bad[i], &bytes, NULL), SL_EINVAL);
        assert_int_equal(bytes, 77);
    }
}

static void int64__reads_its_whole_range(void **state)
{
    (void)state;
    int64_t v = 0;
    assert_int_equal(sl_int64_parse("-9223372036854775808", &v, NULL), SL_OK);
    assert_true(v == INT64_MIN);
    assert_int_equal(sl_int64_parse(" +9223372036854775807 ", &v, NULL), SL_OK);
    assert_true(v == INT64_MAX);
    const char *const bad[] = {
        "", "-", "1x", "9223372036854775808", "1.0", "-9223372036854775809", "--1"
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(sl_int64_parse(bad[i], &v, NULL), SL_EINVAL);
    assert_true(v == INT64_MAX);
}

static void bool__is_true_or_false_in_any_case(void **state)
{
    (void)state;
    bool v = false;
    assert_int_equal(sl_bool_parse("TRUE", &v, NULL), SL_OK);
    assert_true(v);
    assert_int_equal(sl_bool_parse("False", &v, NULL), SL_OK);
    assert_false(v);
    assert_int_equal(sl_bool_parse("yes", &v, NULL), SL_EINVAL);
}

static void double_java__writes_what_java_writes(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *text;
    } cases[] = {
        { 0.0, "0.0" },
        { -0.0, "-0.0" },
        { 1.0, "1.0" },
        { -1.5, "-1.5" },
        { 0.1, "0.1" },
        { 0.001, "0.001" },
        { 0.0001, "1.0E-4" },
        { 9.999e-4, "9.999E-4" },
        { 123456.789, "123456.789" },
        { 9999999.0, "9999999.0" },
        { 9999999.5, "9999999.5" },
        { 1e7, "1.0E7" },
        { 1e10, "1.0E10" },
        { 12345678.9, "1.23456789E7" },
        { 1.0 / 3.0, "0.3333333333333333" },
        { 100.0 / 3.0, "33.333333333333336" },
        { 0.1 + 0.2, "0.30000000000000004" },
        { 2e-3, "0.002" },
        { 1.7976931348623157e308, "1.7976931348623157E308" },
        { 2.2250738585072014e-308, "2.2250738585072014E-308" },
        { 4.9e-324, "4.9E-324" },
        { 1e-323, "9.9E-324" },
        { 1e23, "1.0E23" },
        { 2e23, "2.0E23" },
        { 9007199254740992.0, "9.007199254740992E15" },
        { 5.684341886080802e-14, "5.684341886080802E-14" },
        { -123.0, "-123.0" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[32];
        sl_double_java(cases[i].v, text);
        assert_string_equal(text, cases[i].text);
    }
    char text[32];
    sl_double_java((double)NAN, text);
    assert_string_equal(text, "NaN");
    sl_double_java(-(double)INFINITY, text);
    assert_string_equal(text, "-Infinity");
}

static void double_java__reads_back_as_the_same_bits(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (int i = 0; i < 200000; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        uint64_t bits = i % 10 == 0 ? random & UINT64_C(0x7ff0000000000000) : random;
        double v;
        char text[32];
        memcpy(&v, &bits, 8);
        if (isnan(v) || isinf(v))
            continue;
        sl_double_java(v, text);
        assert_true(strlen(text) < 26);
        assert_true(strtod(text, NULL) == v);
    }
}

static void json_string__escapes_and_replaces_broken_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *json;
    } cases[] = {
        { "", "\"\"" },
        { "a\"b\\c", "\"a\\\"b\\\\c\"" },
        { "\b\f\n\r\t\x01\x1f", "\"\\b\\f\\n\\r\\t\\u0001\\u001F\"" },
        { "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
          "\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"" },
        { "a\xff z", "\"a\xef\xbf\xbd z\"" },
        { "\xe2\x82", "\"\xef\xbf\xbd\"" }, /* cut: one replacement */
        { "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" }, /* surrogate */
        { "\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },                 /* overlong */
        { "\xf0\x9f\x98"
          "a",
          "\"\xef\xbf\xbd"
          "a\"" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sl_bytes out = { 0 };
        sl_json_string(&out, cases[i].text, strlen(cases[i].text));
        assert_string_equal(sl_bytes_cstr(&out), cases[i].json);
        sl_bytes_deinit(&out);
    }
    sl_bytes out = { 0 };
    sl_json_string(&out, "a\0b", 3);
    assert_string_equal(sl_bytes_cstr(&out), "\"a\\u0000b\"");
    sl_bytes_deinit(&out);
}

static void json__puts_commas_and_nests(void **state)
{
    (void)state;
    sl_bytes out = { 0 };
    sl_json j;
    sl_json_begin(&j, &out);
    sl_json_open(&j, NULL, '{');
    sl_json_key_string(&j, "s", "x\n");
    sl_json_key_string(&j, "n", NULL);
    sl_json_key_int(&j, "i", INT64_MIN);
    sl_json_open(&j, "list", '[');
    sl_json_key_int(&j, NULL, 1);
    sl_json_open(&j, NULL, '{');
    sl_json_close(&j, '}');
    sl_json_key_bool(&j, NULL, true);
    sl_json_close(&j, ']');
    sl_json_key_double(&j, "d", 1e10);
    sl_json_key_double(&j, "nan", (double)NAN);
    sl_json_key_raw(&j, "raw", "[]");
    sl_json_close(&j, '}');
    assert_string_equal(sl_bytes_cstr(&out),
                        "{\"s\":\"x\\n\",\"n\":null,\"i\":-9223372036854775808,"
                        "\"list\":[1,{},true],\"d\":1.0E10,\"nan\":\"NaN\",\"raw\":[]}");
    sl_bytes_deinit(&out);
}

static void iso8601__covers_dates_before_and_after_1970(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        { INT64_C(1480971260827), "2016-12-05T20:54:20.827Z" },
        { 0, "1970-01-01T00:00:00.000Z" },
        { -1, "1969-12-31T23:59:59.999Z" },
        { INT64_C(951782400000), "2000-02-29T00:00:00.000Z" },
        { INT64_C(-62135596800000), "0001-01-01T00:00:00.000Z" },
        { INT64_C(253402300799999), "9999-12-31T23:59:59.999Z" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[32];
        sl_iso8601_ms(cases[i].ms, text);
        assert_string_equal(text, cases[i].text);
    }
    char text[32];
    sl_iso8601_ms(INT64_MIN, text);
    sl_iso8601_ms(INT64_MAX, text);
    assert_true(strlen(text) < sizeof text);
}

static void is_name__takes_what_fits_logs_and_file_names(void **state)
{
    (void)state;
    assert_true(sl_text_is_name("worker-1", 8));
    assert_true(sl_text_is_name("A_b.9", 63));
    assert_false(sl_text_is_name("worker-1", 7));
    assert_false(sl_text_is_name("", 63));
    assert_false(sl_text_is_name("a b", 63));
    assert_false(sl_text_is_name("a/b", 63));
    assert_false(sl_text_is_name("a\n", 63));
    assert_false(sl_text_is_name("w\xc3\xbc", 63));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nearest__finds_typos_and_ignores_case),
        cmocka_unit_test(is_name__takes_what_fits_logs_and_file_names),
        cmocka_unit_test(duration__reads_every_form),
        cmocka_unit_test(duration__refuses_the_rest_naming_what_is_accepted),
        cmocka_unit_test(size__reads_powers_of_1024),
        cmocka_unit_test(int64__reads_its_whole_range),
        cmocka_unit_test(bool__is_true_or_false_in_any_case),
        cmocka_unit_test(double_java__writes_what_java_writes),
        cmocka_unit_test(double_java__reads_back_as_the_same_bits),
        cmocka_unit_test(json_string__escapes_and_replaces_broken_utf8),
        cmocka_unit_test(json__puts_commas_and_nests),
        cmocka_unit_test(iso8601__covers_dates_before_and_after_1970),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
