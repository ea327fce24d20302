/* Unit tests of formats/json_read.c and the parts under it: modes, values, lines, ranges,
 * faults.  Every case of rows is read twice: scanned, and by the general parser alone. */
#include "tests/unit/formats/json_fixture.h"

/* ---- modes (spark:FJ1, FJ2) ---- */

static void next__keeps_malformed_lines_with_their_text_when_permissive(void **state)
{
    (void)state;
    json_case c = json_case_of("a INT, b STRING, _corrupt_record STRING");
    assert_rows(&c,
                "{\"a\":1,\"b\":\"x\"}\n"
                "{\"a\":2,\"b\":\n"
                "not json\n"
                "{\"a\":\"two\",\"b\":\"y\"}\n" /* the rest of the row is kept */
                "{\"a\":3,\"b\":\"z\"}\n",
                "1|\"x\"|null\n"
                "null|null|\"{\\\"a\\\":2,\\\"b\\\":\"\n"
                "null|null|\"not json\"\n"
                "null|\"y\"|\"{\\\"a\\\":\\\"two\\\",\\\"b\\\":\\\"y\\\"}\"\n"
                "3|\"z\"|null\n");
    assert_int_equal(c.stats.rows, 5);
    assert_int_equal(c.stats.malformed_rows, 3);
}

static void next__counts_malformed_rows_without_a_corrupt_column_too(void **state)
{
    (void)state;
    json_case c = json_case_of("a INT");
    assert_rows(&c, "{\"a\":1}\n{{\n{\"a\":true}\n", "1\nnull\nnull\n");
    assert_int_equal(c.stats.malformed_rows, 2);
}

static void next__takes_the_corrupt_column_by_its_option(void **state)
{
    (void)state;
    json_case c = json_case_of("a INT, bad STRING, _corrupt_record STRING");
    snprintf(c.options.corrupt_column, sizeof c.options.corrupt_column, "bad");
    assert_rows(&c,
                "oops\n{\"a\":1,\"bad\":\"ignored\",\"_corrupt_record\":\"a field\"}\n",
                "null|\"oops\"|null\n1|null|\"a field\"\n");
}

static void next__leaves_malformed_lines_out_when_told_to(void **state)
{
    (void)state;
    json_case c = json_case_of("a INT, b STRING");
    c.options.mode = SL_JSON_DROPMALFORMED;
    assert_rows(&c,
                "{\"a\":1,\"b\":\"x\"}\n{\"a\":2.5,\"b\":\"y\"}\n[1]\n{\"a\":3\n"
                "{\"a\":4,\"b\":\"a string of more than twelve bytes\"}\n"
                "{\"a\":\"5\",\"b\":\"another string of more than twelve\"}\n",
                "1|\"x\"\n4|\"a string of more than twelve bytes\"\n");
    assert_int_equal(c.stats.rows, 2);
    assert_int_equal(c.stats.malformed_rows, 4);
}

static void next__fails_with_line_and_place_when_it_must(void **state)
{
    (void)state;
    json_case c = json_case_of("a INT");
    c.options.mode = SL_JSON_FAILFAST;
    static const char TEXT[] = "{\"a\":1}\n{\"a\":\"x\"}\n{\"a\":3}\n";
    for (int general = 0; general < 2; general++) {
        sl_bytes out = { 0 };
        sl_error err = { 0 };
        c.general_only = general != 0;
        assert_int_equal(read_json(&c, TEXT, strlen(TEXT), &out, &err), SL_EDATA);
        assert_string_equal(err.condition,
                            "MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION");
        assert_non_null(strstr(err.text, "'{\"a\":\"x\"}' at byte 8 of test.json"));
        sl_bytes_deinit(&out);
    }
}

static void next__judges_a_line_by_the_wanted_columns_only(void **state)
{
    (void)state;
    json_case c = json_case_of("a INT, b INT");
    const uint32_t second = 1;
    c.columns = &second;
    c.column_count = 1;
    c.options.mode = SL_JSON_FAILFAST;
    assert_rows(&c, "{\"a\":\"wrong\",\"b\":1}\n{\"b\":2}\n{\"a\":[],\"b\":null}\n",
                "1\n2\nnull\n");
}

static void next__counts_lines_if_no_column_is_wanted(void **state)
{
    (void)state;
    json_case c = json_case_of("a INT");
    const uint32_t none = 0;
    c.columns = &none;
    c.column_count = 0;
    assert_rows(&c, "{\"a\":1}\n\n  \t \nbroken\n[{\"a\":1},{\"a\":2}]\n", "\n\n\n\n");
    c.options.mode = SL_JSON_DROPMALFORMED;
    assert_rows(&c, "{\"a\":1}\n\nbroken\n{\"a\":\"x\"}\n", "\n\n");
}

static void open__refuses_a_corrupt_column_that_is_not_a_string(void **state)
{
    (void)state;
    json_case c = json_case_of("a INT, _corrupt_record BIGINT");
    sl_bytes out = { 0 };
    sl_error err;
    assert_int_equal(read_json(&c, "", 0, &out, &err), SL_EINVAL);
    assert_string_equal(err.condition, "INVALID_CORRUPT_RECORD_TYPE");
    assert_non_null(strstr(err.text, "'_corrupt_record'"));
    assert_non_null(strstr(err.text, "long"));
    sl_bytes_deinit(&out);
}

/* ---- which value for which column ---- */

static void next__finds_fields_by_exact_name_in_any_order(void **state)
{
    (void)state;
    json_case c = json_case_of("a INT, b INT, c INT");
    assert_rows(
        &c,
        "{\"b\":2,\"c\":3,\"a\":1,\"A\":9}\n{\"a\":1}\n{}\n{\"x\":{\"a\":9},\"b\":8}\n"
        "{\"\\u0061\":7}\n{\"a \":1}\n{\"a\":1,\"a\":2}\n{\"a\":5,\"a\":null}\n",
        "1|2|3\n1|null|null\nnull|null|null\nnull|8|null\n"
        "7|null|null\nnull|null|null\n2|null|null\nnull|null|null\n");
    assert_int_equal(c.stats.malformed_rows, 0);
}

static void next__gives_null_to_what_does_not_fit_an_integer(void **state)
{
    (void)state;
    json_case c = json_case_of("b TINYINT, s SMALLINT, i INT, l BIGINT");
    assert_rows(&c,
                "{\"b\":127,\"s\":32767,\"i\":2147483647,\"l\":9223372036854775807}\n"
                "{\"b\":128,\"s\":32768,\"i\":2147483648,\"l\":9223372036854775808}\n"
                "{\"b\":-128,\"s\":-32768,\"i\":-2147483648,\"l\":-9223372036854775808}\n"
                "{\"b\":-129,\"s\":-32769,\"i\":-2147483649,\"l\":-9223372036854775809}\n"
                "{\"b\":1.0,\"s\":1e0,\"i\":\"1\",\"l\":true}\n"
                "{\"b\":-0,\"s\":[1],\"i\":{},\"l\":999999999999999999999999999999}\n",
                "127|32767|2147483647|9223372036854775807\n"
                "null|null|null|null\n"
                "-128|-32768|-2147483648|-9223372036854775808\n"
                "null|null|null|null\n"
                "null|null|null|null\n"
                "0|null|null|null\n");
    assert_int_equal(c.stats.malformed_rows, 4);
}

/* Numbers of up to seven digits are joined in one word by the scanner, longer ones looped
 * over; the first line teaches the layout. */
static void next__reads_integers_of_every_length(void **state)
{
    (void)state;
    static const char digits[] = "9081726354435261708";
    json_case c = json_case_of("a BIGINT, b BIGINT");
    sl_bytes text = { 0 }, rows = { 0 };
    for (int length = 1; length < (int)sizeof digits; length++)
        for (int start = 0; start + length < (int)sizeof digits; start++) {
            const char *sign = (length + start) % 2 != 0 ? "-" : "";
            const char *from = digits + start;
            if (*from == '0')
                continue; /* malformed */
            sl_bytes_printf(&text, "{\"a\":%s%.*s,\"b\":%.*s}\n", sign, length, from,
                            length, from);
            sl_bytes_printf(&rows, "%s%.*s|%.*s\n", sign, length, from, length, from);
        }
    assert_rows(&c, sl_bytes_cstr(&text), sl_bytes_cstr(&rows));
    assert_int_equal(c.stats.malformed_rows, 0);
    sl_bytes_deinit(&text);
    sl_bytes_deinit(&rows);
    assert_rows(
        &c,
        "{\"a\":1,\"b\":2}\n{\"a\":01,\"b\":2}\n{\"a\":,\"b\":2}\n{\"a\":-,\"b\":2}\n"
        "{\"a\":1x,\"b\":2}\n{\"a\":0,\"b\":-0}\n",
        "1|2\nnull|null\nnull|null\nnull|null\nnull|null\n0|0\n");
    assert_int_equal(c.stats.malformed_rows, 4);
}

static void next__reads_doubles_of_every_shape(void **state)
{
    (void)state;
    json_case c = json_case_of("d DOUBLE");
    assert_rows(&c,
                "{\"d\":0.1}\n{\"d\":-0}\n{\"d\":-0.0}\n{\"d\":1e400}\n{\"d\":-1e400}\n"
                "{\"d\":1e-400}\n{\"d\":4.9E-324}\n{\"d\":1.7976931348623157e308}\n"
                "{\"d\":123456789012345678901234567890}\n"
                "{\"d\":0.30000000000000004}\n{\"d\":9007199254740993}\n"
                "{\"d\":1e999999999999999999}\n{\"d\":NaN}\n{\"d\":Infinity}\n"
                "{\"d\":-Infinity}\n{\"d\":\"NaN\"}\n{\"d\":\"-INF\"}\n{\"d\":\"1.5\"}\n"
                "{\"d\":true}\n",
                "0.1\n-0.0\n-0.0\n\"Infinity\"\n\"-Infinity\"\n"
                "0.0\n4.9E-324\n1.7976931348623157E308\n"
                "1.2345678901234568E29\n"
                "0.30000000000000004\n9.007199254740992E15\n"
                "\"Infinity\"\n\"NaN\"\n\"Infinity\"\n"
                "\"-Infinity\"\n\"NaN\"\n\"-Infinity\"\nnull\n"
                "null\n");
}

static void next__refuses_numbers_json_does_not_have(void **state)
{
    (void)state;
    json_case c = json_case_of("d DOUBLE, _corrupt_record STRING");
    static const char *const BAD[] = { "01",  "-01", "00",  ".5",  "1.", "1.e5", "1e",
                                       "1e+", "+1",  "0x1", "--1", "-",  "1_0",  "1 2" };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        char line[64], expected[80];
        snprintf(line, sizeof line, "{\"d\":%s}\n{\"d\":7}\n", BAD[i]);
        snprintf(expected, sizeof expected, "null|\"{\\\"d\\\":%s}\"\n7.0|null\n",
                 BAD[i]);
        assert_rows(&c, line, expected);
    }
    c.options.allow_leading_zeros = true;
    assert_rows(&c, "{\"d\":007}\n", "7.0|null\n");
    c.options.allow_non_numeric = false;
    assert_rows(&c, "{\"d\":NaN}\n", "null|\"{\\\"d\\\":NaN}\"\n");
}

static void next__keeps_the_text_of_what_is_no_string_in_a_string_column(void **state)
{
    (void)state;
    json_case c = json_case_of("s STRING"); /* spark:FJ5 */
    assert_rows(&c,
                "{\"s\":1.50}\n{\"s\":-0}\n{\"s\":true}\n{\"s\":null}\n"
                "{\"s\":{\"a\": [1, 2]}}\n{\"s\":[ ]}\n{\"s\":1e400}\n{\"s\":\"\"}\n",
                "\"1.50\"\n\"-0\"\n\"true\"\nnull\n"
                "\"{\\\"a\\\": [1, 2]}\"\n\"[ ]\"\n\"1e400\"\n\"\"\n");
    assert_int_equal(c.stats.malformed_rows, 0);
}

static void next__decodes_escapes_and_halves_of_surrogates(void **state)
{
    (void)state;
    json_case c = json_case_of("s STRING");
    assert_rows(&c,
                "{\"s\":\"a\\n\\t\\\\\\/\\\"\\u0041\"}\n"
                "{\"s\":\"\\u00e9\\u20AC\"}\n"
                "{\"s\":\"\\ud83d\\ude00\"}\n" /* a pair */
                "{\"s\":\"\\ud83d\"}\n"        /* halves: '?', as Java writes them */
                "{\"s\":\"x\\ude00y\"}\n"
                "{\"s\":\"\\ud83d\\u0041\"}\n"
                "{\"s\":\"\\ud83d\\ud83d\\ude00\"}\n",
                "\"a\\n\\t\\\\/\\\"A\"\n"
                "\"\xc3\xa9\xe2\x82\xac\"\n"
                "\"\xf0\x9f\x98\x80\"\n"
                "\"?\"\n"
                "\"x?y\"\n"
                "\"?A\"\n"
                "\"?\xf0\x9f\x98\x80\"\n");
    json_case bad = json_case_of("s STRING");
    assert_rows(&bad,
                "{\"s\":\"\\x\"}\n{\"s\":\"\\u12\"}\n{\"s\":\"\\\n{\"s\":\"\\'\"}\n",
                "null\nnull\nnull\n\"'\"\n");
    bad.options.allow_any_escape = true;
    assert_rows(&bad, "{\"s\":\"\\x\"}\n", "\"x\"\n");
}

static void next__reads_booleans_dates_and_binary(void **state)
{
    (void)state;
    json_case c = json_case_of("b BOOLEAN, d DATE, x BINARY, _corrupt_record STRING");
    c.columns = (const uint32_t[]){ 0, 1, 2 };
    c.column_count = 3;
    assert_rows(&c,
                "{\"b\":true,\"d\":\"2020-02-29\",\"x\":\"aGk=\"}\n"
                "{\"b\":\"true\",\"d\":\"2021-02-29\",\"x\":\"***\"}\n"
                "{\"b\":1,\"d\":18321,\"x\":5}\n{\"b\":false,\"d\":\"\",\"x\":\"\"}\n"
                "{\"b\":truE}\n{\"b\":trueish}\n",
                "true|\"2020-02-29\"|\"[68 69]\"\nnull|null|null\nnull|null|null\n"
                "false|null|\"[]\"\nnull|null|null\nnull|null|null\n");
}

static void next__reads_structs_in_structs(void **state)
{
    (void)state;
    json_case c = json_case_of("p STRUCT<x: INT, y: STRUCT<z: STRING>>, n INT");
    assert_rows(
        &c,
        "{\"p\":{\"x\":1,\"y\":{\"z\":\"deep\"}},\"n\":1}\n"
        "{\"p\":{\"y\":{\"z\":null,\"z\":\"last\"},\"x\":2,\"q\":0},\"n\":2}\n"
        "{\"p\":null,\"n\":3}\n{\"p\":{},\"n\":4}\n{\"n\":5}\n"
        "{\"p\":{\"x\":\"bad\",\"y\":{\"z\":\"kept\"}},\"n\":6}\n{\"p\":[],\"n\":7}\n",
        "{\"x\":1,\"y\":{\"z\":\"deep\"}}|1\n"
        "{\"x\":2,\"y\":{\"z\":\"last\"}}|2\n"
        "null|3\n{\"x\":null,\"y\":null}|4\nnull|5\n"
        "{\"x\":null,\"y\":{\"z\":\"kept\"}}|6\nnull|7\n");
    assert_int_equal(c.stats.malformed_rows, 2);
}

/* spark:FJ3 */
static void next__reads_timestamps_in_the_zone(void **state)
{
    (void)state;
    static const char TEXT[] = "{\"t\":\"2020-01-01T00:00:00.000Z\"}\n"
                               "{\"t\":\"2020-01-01 00:00:00\"}\n"
                               "{\"t\":\"2020-01-01\"}\n"
                               "{\"t\":\"2016-07-28T04:19:28.000+0200\"}\n"
                               "{\"t\":\"2016-07-28T04:19:28.123456+02:00\"}\n"
                               "{\"t\":1467332368}\n{\"t\":-1}\n"
                               "{\"t\":9223372036854775807}\n{\"t\":1.5}\n"
                               "{\"t\":\"yesterday\"}\n{\"t\":\"\"}\n";
    json_case c = json_case_of("t TIMESTAMP");
    assert_rows(&c, TEXT,
                "\"2020-01-01 00:00:00\"\n\"2020-01-01 00:00:00\"\n"
                "\"2020-01-01 00:00:00\"\n\"2016-07-28 02:19:28\"\n"
                "\"2016-07-28 02:19:28.123456\"\n\"2016-07-01 00:19:28\"\n"
                "\"1969-12-31 23:59:59\"\nnull\nnull\nnull\nnull\n");
    assert_int_equal(c.stats.malformed_rows, 4);
    c.zone = "+02:00"; /* the session's; texts with a zone of their own do not care */
    static const char IN_ZONE[] = "\"2020-01-01 00:00:00\"\n\"2019-12-31 22:00:00\"\n"
                                  "\"2019-12-31 22:00:00\"\n\"2016-07-28 02:19:28\"\n"
                                  "\"2016-07-28 02:19:28.123456\"\n"
                                  "\"2016-07-01 00:19:28\"\n\"1969-12-31 23:59:59\"\n"
                                  "null\nnull\nnull\nnull\n";
    assert_rows(&c, TEXT, IN_ZONE);
    c.zone = "UTC";
    OK(sl_time_zone_find("+02:00", &c.options.zone, NULL)); /* the option wins */
    assert_rows(&c, TEXT, IN_ZONE);
    json_case ntz = json_case_of("t TIMESTAMP_NTZ");
    ntz.zone = "+02:00";
    assert_rows(&ntz, "{\"t\":\"2020-01-01 00:00:00\"}\n{\"t\":5}\n",
                "\"2020-01-01 00:00:00\"\nnull\n");
}

/* ---- lines ---- */

static void next__ends_lines_at_any_line_end_and_skips_blank_ones(void **state)
{
    (void)state;
    json_case c = json_case_of("a INT");
    assert_rows(&c, "{\"a\":1}\r\n{\"a\":2}\r{\"a\":3}\n\r\n\n   \n\t\r{\"a\":4}",
                "1\n2\n3\n4\n");
    assert_rows(&c, "", "");
    assert_rows(&c, "\n", "");
    assert_rows(&c, "\xef\xbb\xbf{\"a\":1}\n", "1\n");
    assert_rows(&c, "\xef\xbb\xbf", "");
    assert_rows(&c, "\xef\xbb\xbf\n{\"a\":2}\n", "2\n");
    assert_int_equal(c.stats.malformed_rows, 0);
    assert_rows(&c, "{\"a\":1}\n\xef\xbb\xbf{\"a\":2}\n", "1\nnull\n"); /* not a mark */
}

static void next__ignores_what_follows_the_object(void **state)
{
    (void)state;
    json_case c = json_case_of("a INT");
    assert_rows(&c, "{\"a\":1} trailing\n{\"a\":2}{\"a\":9}\n{\"a\":3}\n", "1\n2\n3\n");
    assert_int_equal(c.stats.malformed_rows, 0);
}

static void next__makes_a_row_of_each_object_of_an_array(void **state)
{
    (void)state;
    json_case c = json_case_of("a INT, _corrupt_record STRING");
    for (uint32_t rows = 1; rows < 5; rows++) {
        c.chunk_rows = rows; /* an array goes on in the next chunk */
        assert_rows(&c,
                    "{\"a\":0}\n[{\"a\":1}, {\"a\":2} ,{},{\"a\":3}]\n[]\n[{\"a\":4},5]\n"
                    "[{\"a\":6}\n{\"a\":7}\n",
                    "0|null\n1|null\n2|null\nnull|null\n3|null\n"
                    "null|\"[{\\\"a\\\":4},5]\"\nnull|\"[{\\\"a\\\":6}\"\n7|null\n");
    }
}

static void next__calls_invalid_utf8_malformed(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "\xff", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82"
    };
    json_case c = json_case_of("s STRING, n INT");
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        char text[128];
        snprintf(text, sizeof text,
                 "{\"s\":\"ok\",\"n\":1}\n{\"s\":\"a%sb\",\"n\":2}\n"
                 "{\"s\":\"ok\",\"n\":3}\n",
                 BAD[i]);
        assert_rows(&c, text, "\"ok\"|1\nnull|null\n\"ok\"|3\n");
        assert_int_equal(c.stats.malformed_rows, 1);
    }
}

static void next__takes_nul_bytes_for_what_they_are(void **state)
{
    (void)state;
    json_case c = json_case_of("s STRING");
    static const char TEXT[] = "{\"s\":\"a\"}\n{\"s\":\"a\0b\"}\n\0\0\n{\"s\"\0:\"c\"}\n"
                               "{\"s\":\"\\u0000\"}\n{\"s\":\"d\"}\n";
    assert_rows_of(&c, TEXT, sizeof TEXT - 1,
                   "\"a\"\nnull\nnull\nnull\n\"\\u0000\"\n\"d\"\n");
    c.options.allow_control_chars = true;
    assert_rows_of(&c, "{\"s\":\"a\0b\tc\"}\n", 14, "\"a\\u0000b\\tc\"\n");
}

static void next__accepts_what_options_allow(void **state)
{
    (void)state;
    json_case c = json_case_of("a INT, b STRING");
    static const char TEXT[] = "{'a':1,'b':'it\\'s'}\n{a:2,b:\"y\"}\n"
                               "/* c */{\"a\":3/* , */,\"b\":\"z\"} // end\n";
    assert_rows(&c, TEXT, "1|\"it's\"\nnull|null\nnull|null\n");
    c.options.allow_single_quotes = false;
    assert_rows(&c, TEXT, "null|null\nnull|null\nnull|null\n");
    c.options.allow_single_quotes = c.options.allow_unquoted_names =
        c.options.allow_comments = true;
    assert_rows(&c, TEXT, "1|\"it's\"\n2|\"y\"\n3|\"z\"\n");
}

static void next__bounds_nesting(void **state)
{
    (void)state;
    json_case c = json_case_of("a INT, x STRING");
    const uint32_t first = 0;
    c.columns = &first;
    c.column_count = 1;
    for (int opener = 0; opener < 2; opener++) {
        for (size_t depth = 998; depth <= 100000;
             depth = depth == 1001 ? 100000 : depth + 1) {
            sl_bytes text = { 0 }; /* the object itself is the first level */
            sl_bytes_cstr(&text);
            sl_bytes_append(&text, "{\"x\":", 5);
            for (size_t i = 0; i < depth; i++)
                sl_bytes_append(&text, opener ? "[" : "{\"k\":", opener ? 1 : 5);
            sl_bytes_append(&text, "1", 1);
            for (size_t i = 0; i < depth; i++)
                sl_bytes_char(&text, opener ? ']' : '}');
            sl_bytes_append(&text, ",\"a\":5}\n{\"a\":6}\n", 16);
            assert_rows_of(&c, (const char *)text.data, text.size_bytes,
                           depth < 1000 ? "5\n6\n" : "null\n6\n");
            sl_bytes_deinit(&text);
        }
    }
}

/* ---- long lines and ranges ---- */

static void next__reads_a_string_of_64_mb(void **state)
{
    (void)state;
    const size_t length = (size_t)64 << 20;
    char *text = sl_alloc(length + 64);
    size_t n = (size_t)sprintf(text, "{\"a\":1}\n{\"a\":2,\"s\":\"");
    memset(text + n, 'x', length);
    n += length;
    n += (size_t)sprintf(text + n, "\"}\n{\"a\":3,\"s\":\"y\"}\n");
    json_case c = json_case_of("a INT, s STRING");
    sl_bytes out = { 0 };
    OK(read_json(&c, text, n, &out, NULL));
    assert_int_equal(out.size_bytes, strlen("1|null\n2|\"\"\n3|\"y\"\n") + length);
    assert_int_equal(c.stats.malformed_rows, 0);
    sl_bytes_deinit(&out);
    const uint32_t first = 0;
    c.columns = &first;
    c.column_count = 1;
    assert_rows_of(&c, text, n, "1\n2\n3\n");
    sl_free(text);
}

static void next__calls_a_line_over_the_limit_malformed_and_keeps_its_start(void **state)
{
    (void)state;
    json_case c = json_case_of("a INT, _corrupt_record STRING");
    c.row_bytes_max = 100;
    char text[600], expected[600];
    int n = snprintf(text, sizeof text,
                     "{\"a\":1}\n{\"a\":2,\"s\":\"%0200d\"}\n{\"a\":3}\n", 0);
    snprintf(expected, sizeof expected,
             "1|null\nnull|\"{\\\"a\\\":2,\\\"s\\\":\\\"%088d\"\n3|null\n", 0);
    assert_rows_of(&c, text, (size_t)n, expected);
    assert_int_equal(c.stats.malformed_rows, 1);
    /* A line that does not fit a block either: its start only, the next line whole. */
    const size_t length = (size_t)300 << 10;
    char *big = sl_alloc(length + 64);
    memset(big, 'x', length);
    memcpy(big + length, "\n{\"a\":4}\n", 10);
    c.block_bytes = 4096;
    c.columns = (const uint32_t[]){ 0 };
    c.column_count = 1;
    assert_rows_of(&c, big, length + 9, "null\n4\n");
    assert_int_equal(c.stats.malformed_rows, 1);
    sl_free(big);
}

/* Cut at byte `at`: the two ranges give each row once, in order. */
static void assert_cut(json_case *c, const char *text, size_t length, size_t at,
                       const char *expected)
{
    sl_bytes out = { 0 };
    c->begin = 0;
    c->end = (int64_t)at;
    if (at != 0)
        OK(read_json(c, text, length, &out, NULL));
    c->begin = (int64_t)at;
    c->end = 0;
    OK(read_json(c, text, length, &out, NULL));
    if (strcmp(sl_bytes_cstr(&out), expected) != 0)
        fail_msg("cut at %zu: %s", at, sl_bytes_cstr(&out));
    sl_bytes_deinit(&out);
    c->begin = 0;
}

static void next__gives_each_row_once_whatever_byte_the_file_is_cut_at(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {
        ("{\"a\":1,\"s\":\"one\"}\n{\"a\":2,\"s\":\"a string longer than twelve\"}\n"
         "{\"a\":3}\n\n[{\"a\":4},{\"a\":5}]\n{\"a\":6,\"s\":\"no line end\"}"),
        "\xef\xbb\xbf{\"a\":1}\r\n{\"a\":2}\r\n\r\n{\"a\":3}\r{\"a\":4}\r\n",
        "{\"a\":1}",
        "\n\n\n{\"a\":1}\n\n\n",
        "\xef\xbb\xbf",
        "bad\n{\"a\":2}\nbad",
    };
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        size_t length = strlen(TEXTS[i]);
        json_case c = json_case_of("a INT, s STRING, _corrupt_record STRING");
        sl_bytes whole = { 0 };
        OK(read_json(&c, TEXTS[i], length, &whole, NULL));
        for (size_t block = 1; block <= 64; block = block == 1 ? 7 : block + 57)
            for (size_t at = 0; at <= length; at++) {
                c.block_bytes = block;
                assert_cut(&c, TEXTS[i], length, at, sl_bytes_cstr(&whole));
            }
        sl_bytes_deinit(&whole);
    }
}

/* Three and more ranges, each as small as a byte. */
static void next__gives_each_row_once_to_ranges_of_a_byte(void **state)
{
    (void)state;
    static const char TEXT[] = "{\"a\":1}\r\n{\"a\":2}\n\n{\"a\":3}\r{\"a\":4}";
    json_case c = json_case_of("a INT");
    for (int64_t step = 1; step < 12; step++) {
        sl_bytes out = { 0 };
        for (int64_t at = 0; at < (int64_t)sizeof TEXT - 1; at += step) {
            c.begin = at;
            c.end = at + step;
            OK(read_json(&c, TEXT, sizeof TEXT - 1, &out, NULL));
        }
        assert_string_equal(sl_bytes_cstr(&out), "1\n2\n3\n4\n");
        sl_bytes_deinit(&out);
    }
}

static void next__reads_rows_longer_than_a_block(void **state)
{
    (void)state;
    sl_bytes text = { 0 }, expected = { 0 };
    char line[4200];
    for (int i = 0; i < 50; i++) {
        int n = snprintf(line, sizeof line, "{\"a\":%d,\"s\":\"%0*d\"}\n", i,
                         i * 83 % 4000 + 1, i);
        sl_bytes_append(&text, line, (size_t)n);
        n = snprintf(line, sizeof line, "%d|\"%0*d\"\n", i, i * 83 % 4000 + 1, i);
        sl_bytes_append(&expected, line, (size_t)n);
    }
    json_case c = json_case_of("a INT, s STRING");
    for (size_t block = 64; block < 10000; block = block * 3 + 1) {
        c.block_bytes = block;
        assert_rows_of(&c, (const char *)text.data, text.size_bytes,
                       sl_bytes_cstr(&expected));
    }
    sl_bytes_deinit(&text);
    sl_bytes_deinit(&expected);
}

/* Bytes of a line that goes on far behind its range are looked at a few times, not once
 * for every 64 KiB of it. */
static void next__reads_a_line_far_past_its_range_in_few_steps(void **state)
{
    (void)state;
    const size_t length = (size_t)32 << 20;
    char *text = sl_alloc(length + 64);
    size_t n = (size_t)sprintf(text, "{\"a\":1,\"s\":\"");
    memset(text + n, 'x', length);
    n += length;
    n += (size_t)sprintf(text + n, "\"}\n{\"a\":2}\n");
    json_case c = json_case_of("a INT");
    sl_bytes out = { 0 };
    c.end = 5;
    OK(read_json(&c, text, n, &out, NULL));
    assert_string_equal(sl_bytes_cstr(&out), "1\n");
    assert_true(c.reads < 20);
    sl_bytes_clear(&out);
    c.begin = 5;
    c.end = 0;
    OK(read_json(&c, text, n, &out, NULL));
    assert_string_equal(sl_bytes_cstr(&out), "2\n");
    sl_bytes_deinit(&out);
    sl_free(text);
}

static void next__scans_lines_that_look_alike(void **state)
{
    (void)state;
    sl_bytes text = { 0 };
    char line[128];
    for (int i = 0; i < 1000; i++) {
        int n = snprintf(line, sizeof line,
                         "{\"id\":\"%d\",\"n\":%d,\"t\":\"2020-01-01T00:00:%02dZ\"}\n", i,
                         i, i % 60);
        sl_bytes_append(&text, line, (size_t)n);
    }
    json_case c = json_case_of("id STRING, n BIGINT, t TIMESTAMP");
    sl_bytes out = { 0 };
    OK(read_json(&c, (const char *)text.data, text.size_bytes, &out, NULL));
    assert_int_equal(c.stats.rows, 1000);
    assert_true(c.stats.scanned_rows >= 990); /* else the fast way is not taken */
    assert_int_equal(c.stats.bytes, text.size_bytes);
    sl_bytes_deinit(&out);
    sl_bytes_deinit(&text);
}

/* ---- faults ---- */

static const char FAULT_TEXT[] =
    "{\"a\":1,\"s\":\"short\",\"p\":{\"x\":1}}\n"
    "{\"a\":2,\"s\":\"a string that does not fit inline\",\"p\":{\"x\":2}}\n"
    "{\"a\":3,\"s\":\"an \\u0065scaped string that is long\",\"p\":null}\n"
    "{\"a\":4}\nbroken line, long enough to be no inline string\n{\"s\":null}\n"
    "{\"a\":5,\"s\":\"short\",\"p\":{\"x\":5}}\n";

static void next__fails_cleanly_at_every_allocation(void **state)
{
    (void)state;
    json_case c =
        json_case_of("a INT, s STRING, p STRUCT<x: INT>, _corrupt_record STRING");
    c.chunk_rows = 2;
    c.block_bytes = 100;
    sl_bytes whole = { 0 };
    OK(read_json(&c, FAULT_TEXT, strlen(FAULT_TEXT), &whole, NULL));
    for (int general = 0; general < 2; general++) {
        uint64_t failed = 0;
        for (uint64_t nth = 1;; nth++) {
            sl_bytes out = { 0 };
            sl_error err = { 0 };
            sl_budget budget;
            sl_budget_init(&budget, NULL, "test", INT64_MAX);
            c.budget = &budget;
            c.general_only = general != 0;
            sl_alloc_fail_after(nth);
            sl_code code = read_json(&c, FAULT_TEXT, strlen(FAULT_TEXT), &out, &err);
            sl_alloc_fail_after(0);
            assert_int_equal(sl_budget_used(&budget), 0);
            bool same = strcmp(sl_bytes_cstr(&out), sl_bytes_cstr(&whole)) == 0;
            sl_bytes_deinit(&out);
            if (code == SL_OK) {
                assert_true(same);
                break;
            }
            assert_int_equal(code, SL_ENOMEM);
            assert_true(err.text[0] != '\0');
            failed++;
        }
        assert_true(failed > 10);
    }
    sl_bytes_deinit(&whole);
}

static void next__fails_with_file_and_place_at_every_read(void **state)
{
    (void)state;
    json_case c = json_case_of("a INT, s STRING");
    c.block_bytes = 64;
    for (c.fail_at_read = 1;; c.fail_at_read++) {
        sl_bytes out = { 0 };
        sl_error err = { 0 };
        sl_code code = read_json(&c, FAULT_TEXT, strlen(FAULT_TEXT), &out, &err);
        sl_bytes_deinit(&out);
        if (code == SL_OK)
            break;
        assert_int_equal(code, SL_EIO);
        assert_non_null(strstr(err.text, "test.json at byte "));
        assert_non_null(strstr(err.text, "the disk is gone"));
    }
    assert_true(c.fail_at_read > 4);
}

static void next__stays_within_its_budget(void **state)
{
    (void)state;
    json_case c = json_case_of("s STRING");
    const size_t length = (size_t)1 << 20;
    char *text = sl_alloc(length + 64);
    size_t n = (size_t)sprintf(text, "{\"s\":\"");
    memset(text + n, 'x', length);
    memcpy(text + n + length, "\"}\n", 3);
    sl_budget budget;
    sl_budget_init(&budget, NULL, "query", 800 << 10);
    c.budget = &budget;
    sl_bytes out = { 0 };
    sl_error err;
    assert_int_equal(read_json(&c, text, n + length + 3, &out, &err), SL_EBUDGET);
    assert_non_null(strstr(err.text, "query"));
    assert_int_equal(sl_budget_used(&budget), 0);
    sl_bytes_deinit(&out);
    sl_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next__keeps_malformed_lines_with_their_text_when_permissive),
        cmocka_unit_test(next__counts_malformed_rows_without_a_corrupt_column_too),
        cmocka_unit_test(next__takes_the_corrupt_column_by_its_option),
        cmocka_unit_test(next__leaves_malformed_lines_out_when_told_to),
        cmocka_unit_test(next__fails_with_line_and_place_when_it_must),
        cmocka_unit_test(next__judges_a_line_by_the_wanted_columns_only),
        cmocka_unit_test(next__counts_lines_if_no_column_is_wanted),
        cmocka_unit_test(open__refuses_a_corrupt_column_that_is_not_a_string),
        cmocka_unit_test(next__finds_fields_by_exact_name_in_any_order),
        cmocka_unit_test(next__gives_null_to_what_does_not_fit_an_integer),
        cmocka_unit_test(next__reads_integers_of_every_length),
        cmocka_unit_test(next__reads_doubles_of_every_shape),
        cmocka_unit_test(next__refuses_numbers_json_does_not_have),
        cmocka_unit_test(next__keeps_the_text_of_what_is_no_string_in_a_string_column),
        cmocka_unit_test(next__decodes_escapes_and_halves_of_surrogates),
        cmocka_unit_test(next__reads_booleans_dates_and_binary),
        cmocka_unit_test(next__reads_structs_in_structs),
        cmocka_unit_test(next__reads_timestamps_in_the_zone),
        cmocka_unit_test(next__ends_lines_at_any_line_end_and_skips_blank_ones),
        cmocka_unit_test(next__ignores_what_follows_the_object),
        cmocka_unit_test(next__makes_a_row_of_each_object_of_an_array),
        cmocka_unit_test(next__calls_invalid_utf8_malformed),
        cmocka_unit_test(next__takes_nul_bytes_for_what_they_are),
        cmocka_unit_test(next__accepts_what_options_allow),
        cmocka_unit_test(next__bounds_nesting),
        cmocka_unit_test(next__reads_a_string_of_64_mb),
        cmocka_unit_test(next__calls_a_line_over_the_limit_malformed_and_keeps_its_start),
        cmocka_unit_test(next__gives_each_row_once_whatever_byte_the_file_is_cut_at),
        cmocka_unit_test(next__gives_each_row_once_to_ranges_of_a_byte),
        cmocka_unit_test(next__reads_rows_longer_than_a_block),
        cmocka_unit_test(next__reads_a_line_far_past_its_range_in_few_steps),
        cmocka_unit_test(next__scans_lines_that_look_alike),
        cmocka_unit_test(next__fails_cleanly_at_every_allocation),
        cmocka_unit_test(next__fails_with_file_and_place_at_every_read),
        cmocka_unit_test(next__stays_within_its_budget),
    };
    return cmocka_run_group_tests_name("formats/json read", tests, NULL, NULL);
}
