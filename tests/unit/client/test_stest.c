/* The format of .stest files: items, rows, edits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/stest/clock_private.h"
#include "client/stest/facts_private.h"
#include "client/stest/rows_private.h"
#include "client/stest/run_private.h"
#include "client/stest/script_private.h"

static sl_arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = sl_arena_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sl_arena_free(arena);
    return 0;
}

static stest_script parse(const char *text)
{
    stest_script s;
    sl_error err = { 0 };
    if (stest_script_parse("x.stest", text, strlen(text), arena, &s, &err) != SL_OK)
        fail_msg("line %u: %s", err.line, err.text);
    return s;
}

static void assert_refused(const char *text, uint32_t line, const char *says)
{
    stest_script s;
    sl_error err = { 0 };
    assert_int_equal(stest_script_parse("x.stest", text, strlen(text), arena, &s, &err),
                     SL_EPARSE);
    assert_int_equal(err.line, line);
    if (strstr(err.text, says) == NULL)
        fail_msg("'%s' is not in: %s", says, err.text);
}

/* ---- items ---- */

static void script__statements_end_at_a_semicolon_outside_of_quotes_and_comments(void **x)
{
    (void)x;
    stest_script s = parse("SELECT ';', \"a;b\", `c;d` -- no; end\n"
                           "/* nor; here\n nor ; here */ , 'it\\';s'\n;  -- the end\n"
                           "select 2;\n");
    assert_int_equal(s.item_count, 2);
    assert_int_equal(s.items[0].kind, STEST_SQL);
    assert_int_equal(s.items[0].line, 1);
    assert_int_equal(s.items[0].line_end, 5);
    assert_string_equal(s.items[1].text, "select 2\n");
    assert_int_equal(s.items[1].line, 5);
}

static void script__rows_end_at_an_empty_line_a_comment_and_a_directive(void **x)
{
    (void)x;
    stest_script s =
        parse("feed t\n1 | a\n2 | b\nfeed u\n3\n-- comment\nexpect q\n\n4;\n");
    assert_int_equal(s.item_count, 4);
    assert_int_equal(s.items[0].body_count, 2);
    assert_string_equal(s.items[0].body[1], "2 | b");
    assert_int_equal(s.items[0].body_line, 2);
    assert_int_equal(s.items[1].body_count, 1);
    assert_int_equal(s.items[2].kind, STEST_EXPECT);
    assert_int_equal(s.items[2].body_count, 0);
    assert_int_equal(s.items[2].line_end, 8);
    assert_int_equal(s.items[3].kind, STEST_SQL);
}

static void script__a_file_keeps_lines_that_look_like_directives(void **x)
{
    (void)x;
    stest_script s = parse("file /in/a.json\n{\"a\":1}\nexpect\n-- no comment\n\nrun\n");
    assert_int_equal(s.item_count, 2);
    assert_int_equal(s.items[0].body_count, 3);
    assert_string_equal(s.items[0].body[2], "-- no comment");
}

static void script__expectations_have_a_query_a_shape_and_an_order(void **x)
{
    (void)x;
    stest_script s =
        parse("expect\n1\n\nexpect nothing\nexpect q nothing\nexpect q no "
              "batch\nexpect q in any order\nb\na\n\nexpect in any order\n1\n");
    assert_null(s.items[0].name);
    assert_null(s.items[1].name);
    assert_int_equal(s.items[1].shape, STEST_NOTHING);
    assert_string_equal(s.items[2].name, "q");
    assert_int_equal(s.items[2].shape, STEST_NOTHING);
    assert_int_equal(s.items[3].shape, STEST_NO_BATCH);
    assert_true(s.items[4].any_order);
    assert_int_equal(s.items[4].body_count, 2);
    assert_null(s.items[5].name);
    assert_true(s.items[5].any_order);
}

static void script__errors_have_a_class_a_position_and_a_text(void **x)
{
    (void)x;
    stest_script s = parse("error A.B\nerror A.B at 2:14\nerror A at 1:2: no: such `x`\n"
                           "fails q A: text\n");
    assert_string_equal(s.items[0].condition, "A.B");
    assert_int_equal(s.items[0].at_line, 0);
    assert_int_equal(s.items[1].at_line, 2);
    assert_int_equal(s.items[1].at_column, 14);
    assert_string_equal(s.items[2].text, "no: such `x`");
    assert_string_equal(s.items[3].name, "q");
    assert_string_equal(s.items[3].text, "text");
}

static void script__inputs_go_on_to_the_closing_parenthesis(void **x)
{
    (void)x;
    stest_script s = parse("input t (a INT,\n  b STRUCT<c: INT>,\n  d STRING)\nrun\n");
    assert_int_equal(s.item_count, 2);
    assert_string_equal(s.items[0].name, "t");
    assert_string_equal(s.items[0].text, "(a INT,   b STRUCT<c: INT>,   d STRING)");
}

static void script__times_and_figures_are_read(void **x)
{
    (void)x;
    stest_script s = parse("advance 10 seconds\nbatches take 1500 ms\n"
                           "progress q batch 3 watermark=15 a.0.b=x\n");
    assert_int_equal(s.items[0].us, 10000000);
    assert_int_equal(s.items[1].us, 1500000);
    assert_int_equal(s.items[2].batch, 3);
    assert_int_equal(s.items[2].fact_count, 2);
    assert_string_equal(s.items[2].facts[1].key, "a.0.b");
    assert_string_equal(s.items[2].facts[1].value, "x");
}

static void script__mistakes_are_refused_with_their_line(void **x)
{
    (void)x;
    assert_refused("run\nexepct q\n1\n", 2, "did you mean `expect`?");
    assert_refused("\n\nSELECT 1\n", 3, "no ';'");
    assert_refused("SELECT 1; SELECT 2;\n", 1, "end of the line after ';'");
    assert_refused("feed t\n\n", 1, "rows");
    assert_refused("feed\n1\n", 1, "NAME");
    assert_refused("input t a INT\n", 1, "input wants");
    assert_refused("advance soon\n", 1, "duration");
    assert_refused("expect no batch\n", 1, "wants a query");
    assert_refused("expect q nothing\n1\n", 2, "none");
    assert_refused("expect q r s\n", 1, "expect wants");
    assert_refused("progress q watermark\n", 1, "NAME=VALUE");
    assert_refused("progress q\n", 1, "NAME=VALUE");
    assert_refused("error A at 3\n", 1, "LINE:COLUMN");
    assert_refused("crash now\n", 1, "crash at");
    assert_refused("skip partitions\n", 1, "REASON");
    assert_refused("skip nothing: because\n", 1, "skip wants");
    assert_refused("file in/a.json\n", 1, "absolute");
    assert_refused("case\n", 1, "title");
    assert_refused("run now\n", 1, "end of the line");
}

static void script__windows_line_ends_are_fine(void **x)
{
    (void)x;
    stest_script s = parse("feed t\r\n1\r\n\r\nrun\r\n");
    assert_int_equal(s.item_count, 2);
    assert_string_equal(s.items[0].body[0], "1");
}

/* ---- rows ---- */

static const char *canonical(const char *line)
{
    stest_cell *cells;
    uint32_t n;
    sl_error err = { 0 };
    if (stest_cells_parse(line, arena, &cells, &n, &err) != SL_OK)
        fail_msg("%s", err.text);
    return stest_row_text(cells, n, arena);
}

static void rows__equal_cells_have_one_form(void **x)
{
    (void)x;
    assert_string_equal(canonical("  a|b  |  NULL "), "a | b | NULL");
    assert_string_equal(canonical("\"a\" | \"NULL\" | \"\""), "a | \"NULL\" | \"\"");
    assert_string_equal(canonical("\" a\" | \"x|y\" | \"l\\nm\""),
                        "\" a\" | \"x|y\" | \"l\\nm\"");
    assert_string_equal(canonical("5\" pipe"), "5\" pipe");
}

static void rows__a_first_cell_that_reads_as_something_else_is_quoted(void **x)
{
    (void)x;
    stest_cell cells[] = { { .text = "feed me" } };
    assert_string_equal(stest_row_text(cells, 1, arena), "\"feed me\"");
    cells[0].text = "batch 3";
    assert_string_equal(stest_row_text(cells, 1, arena), "\"batch 3\"");
    cells[0].text = "--";
    assert_string_equal(stest_row_text(cells, 1, arena), "\"--\"");
    cells[0].text = "batches 3";
    assert_string_equal(stest_row_text(cells, 1, arena), "\"batches 3\"");
    cells[0].text = "batched 3";
    assert_string_equal(stest_row_text(cells, 1, arena), "batched 3");
}

static void rows__bad_quotes_are_refused(void **x)
{
    (void)x;
    stest_cell *cells;
    uint32_t n;
    assert_int_equal(stest_cells_parse("\"a", arena, &cells, &n, NULL), SL_EPARSE);
    assert_int_equal(stest_cells_parse("\"a\\", arena, &cells, &n, NULL), SL_EPARSE);
    assert_int_equal(stest_cells_parse("\"a\" b | c", arena, &cells, &n, NULL),
                     SL_EPARSE);
}

static stest_rows rows_of(const char *const *lines)
{
    stest_rows r = { 0 };
    for (; *lines != NULL; lines++)
        stest_rows_add(&r, *lines, arena);
    return r;
}

static void rows__a_diff_keeps_what_is_common(void **x)
{
    (void)x;
    stest_rows a = rows_of((const char *const[]){ "1", "2", "3", "4", NULL });
    stest_rows b = rows_of((const char *const[]){ "1", "3", "x", "4", "5", NULL });
    sl_bytes out = { 0 };
    stest_rows_diff(&a, &b, "", &out);
    assert_string_equal(sl_bytes_cstr(&out), "  1\n- 2\n  3\n+ x\n  4\n+ 5\n");
    sl_bytes_deinit(&out);
}

static void rows__are_written_with_cells_under_each_other(void **x)
{
    (void)x;
    stest_rows r = rows_of(
        (const char *const[]){ "a | 10 | z", "\u00e9\u00e9\u00e9 | 2 | y", NULL });
    sl_bytes out = { 0 };
    stest_rows_write(&r, &out);
    assert_string_equal(sl_bytes_cstr(&out),
                        "a   | 10 | z\n\u00e9\u00e9\u00e9 | 2  | y\n");
    sl_bytes_deinit(&out);
}

/* ---- feeding ---- */

static const sl_field fields_struct[] = { { .name = "b", .nullable = true } };

static sl_code json_of(const char *line, sl_bytes *out, sl_error *err)
{
    sl_field inner = fields_struct[0];
    inner.type = sl_type_of(SL_TYPE_STRING);
    sl_field fields[] = {
        { .name = "ts", .type = sl_type_of(SL_TYPE_TIMESTAMP) },
        { .name = "s", .type = sl_type_of(SL_TYPE_STRING) },
        { .name = "d", .type = sl_type_of(SL_TYPE_DOUBLE) },
        { .name = "o", .type = sl_type_struct(arena, &inner, 1) },
    };
    sl_schema schema = { 4, fields };
    sl_bytes_clear(out);
    return stest_row_json(line, &schema, sl_time_zone_utc(), arena, out, err);
}

static void feed__numbers_in_a_timestamp_column_are_seconds(void **x)
{
    (void)x;
    sl_bytes out = { 0 };
    assert_int_equal(json_of("10 | 7 | 1.5 | {\"b\": \"x|y\"}", &out, NULL), SL_OK);
    assert_string_equal(
        sl_bytes_cstr(&out),
        "{\"ts\":\"1970-01-01T00:00:10Z\",\"s\":\"7\",\"d\":1.5,\"o\":{\"b\": "
        "\"x|y\"}}\n");
    assert_int_equal(json_of("-0.5 | NULL | NaN | NULL", &out, NULL), SL_OK);
    assert_string_equal(
        sl_bytes_cstr(&out),
        "{\"ts\":\"1969-12-31T23:59:59.5Z\",\"s\":null,\"d\":\"NaN\",\"o\":"
        "null}\n");
    sl_bytes_deinit(&out);
}

static void feed__a_cell_of_another_type_is_refused_with_its_column(void **x)
{
    (void)x;
    sl_bytes out = { 0 };
    sl_error err = { 0 };
    assert_int_equal(json_of("soon | a | 1 | NULL", &out, &err), SL_EPARSE);
    assert_non_null(strstr(err.text, "column ts is timestamp: 'soon'"));
    assert_int_equal(json_of("1 | a | many | NULL", &out, &err), SL_EPARSE);
    assert_non_null(strstr(err.text, "column d is double: 'many'"));
    assert_int_equal(json_of("1 | a | 1", &out, &err), SL_EPARSE);
    assert_non_null(strstr(err.text, "3 cells, but the input has 4 columns"));
    assert_int_equal(json_of("1 |  | 1 | NULL", &out, &err), SL_EPARSE);
    assert_non_null(strstr(err.text, "the cell of column s is empty"));
    sl_bytes_deinit(&out);
}

/* ---- figures, edits ---- */

static const char report[] =
    "{\"batchId\":3,\"timestamp\":\"2020-01-01T00:00:01.500Z\",\"eventTime\":{"
    "\"watermark\":"
    "\"1970-01-01T00:00:15.000Z\"},\"stateOperators\":[{\"numRowsTotal\":2}],\"sources\":"
    "[{"
    "\"endOffset\":{\"logOffset\":0}}],\"sink\":{\"numOutputRows\":-1},\"rate\":0.1}";

static void facts__are_found_by_path_and_by_last_part(void **x)
{
    (void)x;
    assert_string_equal(stest_fact_of(report, "batchId", "0", arena), "3");
    assert_string_equal(stest_fact_of(report, "numRowsTotal", "0", arena), "2");
    assert_string_equal(
        stest_fact_of(report, "stateOperators.0.numRowsTotal", "0", arena), "2");
    assert_string_equal(stest_fact_of(report, "endOffset", "", arena),
                        "{\"logOffset\":0}");
    assert_null(stest_fact_of(report, "stateOperators.1.numRowsTotal", "0", arena));
    assert_string_equal(stest_fact_of(report, "rate", "0", arena), "0.1");
    assert_null(stest_fact_of(report, "nope", "0", arena));
    assert_null(stest_fact_of("no json", "batchId", "0", arena));
}

static void facts__points_in_time_are_seconds_where_a_number_is_expected(void **x)
{
    (void)x;
    assert_string_equal(stest_fact_of(report, "watermark", "1", arena), "15");
    assert_string_equal(stest_fact_of(report, "timestamp", "1577836801", arena),
                        "1577836801.500");
    assert_string_equal(stest_fact_of(report, "watermark", "x", arena),
                        "1970-01-01T00:00:15.000Z");
}

static void edits__change_their_lines_and_no_other(void **x)
{
    (void)x;
    stest_script s = parse("-- top\nexpect q\n1\n2\n\nrun\nexpect q\n-- end\n");
    stest_edit edits[] = { { 2, 5, "expect q nothing\n" }, { 7, 8, "expect q\n3\n" } };
    sl_bytes out = { 0 };
    assert_int_equal(s.items[0].line, 2);
    assert_int_equal(s.items[0].line_end, 5);
    assert_int_equal(s.items[2].line_end, 8);
    stest_apply_edits(&s, edits, 2, &out);
    assert_string_equal(sl_bytes_cstr(&out),
                        "-- top\nexpect q nothing\n\nrun\nexpect q\n3\n-- end\n");
    sl_bytes_deinit(&out);
}

/* ---- what a cluster cannot run ---- */

static void assert_clock(const char *text, const char *says)
{
    stest_script s = parse(text);
    const char *reason = stest_clock_reason(&s, 0, s.item_count, arena);
    if (says == NULL && reason != NULL)
        fail_msg("%s: %s", text, reason);
    if (says != NULL && (reason == NULL || strstr(reason, says) == NULL))
        fail_msg("%s: '%s' is not in: %s", text, says, reason != NULL ? reason : "NULL");
}

static void clock__a_case_depends_on_it_that_moves_or_looks_at_it(void **x)
{
    (void)x;
    assert_clock("run\nadvance 1 second\n", "moves processing time");
    assert_clock("batches take 1 second\n", "moves processing time");
    assert_clock("SELECT Current_Timestamp() AS t;\n", "current_timestamp");
    assert_clock("SELECT id, now() AS t FROM t;\n", "now");
    assert_clock("progress q timestamp=2020-01-01T00:00:00.000Z\n", "timestamp");
    assert_clock("progress q numInputRows=1 sources.0.inputRowsPerSecond=1\n",
                 "inputRowsPerSecond");
}

static void clock__event_time_is_free(void **x)
{
    (void)x;
    assert_clock("restart\ncrash at driver.commit\nrun\n", NULL);
    assert_clock("SELECT 'current_timestamp', `now(`, my_now(1), current_dates FROM t;\n",
                 NULL);
    assert_clock("CREATE STREAMING QUERY q TRIGGER AVAILABLE NOW INTO test AS SELECT id "
                 "FROM STREAM t;\n",
                 NULL);
    assert_clock("progress q watermark=15 numRowsTotal=1 eventTime.max=3\n", NULL);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(script__statements_end_at_a_semicolon_outside_of_quotes_and_comments),
        T(script__rows_end_at_an_empty_line_a_comment_and_a_directive),
        T(script__a_file_keeps_lines_that_look_like_directives),
        T(script__expectations_have_a_query_a_shape_and_an_order),
        T(script__errors_have_a_class_a_position_and_a_text),
        T(script__inputs_go_on_to_the_closing_parenthesis),
        T(script__times_and_figures_are_read),
        T(script__mistakes_are_refused_with_their_line),
        T(script__windows_line_ends_are_fine),
        T(rows__equal_cells_have_one_form),
        T(rows__a_first_cell_that_reads_as_something_else_is_quoted),
        T(rows__bad_quotes_are_refused),
        T(rows__a_diff_keeps_what_is_common),
        T(rows__are_written_with_cells_under_each_other),
        T(feed__numbers_in_a_timestamp_column_are_seconds),
        T(feed__a_cell_of_another_type_is_refused_with_its_column),
        T(facts__are_found_by_path_and_by_last_part),
        T(facts__points_in_time_are_seconds_where_a_number_is_expected),
        T(edits__change_their_lines_and_no_other),
        T(clock__a_case_depends_on_it_that_moves_or_looks_at_it),
        T(clock__event_time_is_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
