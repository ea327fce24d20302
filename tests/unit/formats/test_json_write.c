/* Unit tests of formats/json_write.c: what it writes is Spark's text, and reads back. */
#include "tests/unit/formats/json_fixture.h"

#include "formats/json_write.h"

static const sl_schema *schema_of(sl_arena *arena, const char *ddl)
{
    const sl_schema *schema = NULL;
    OK(sl_sql_parse_schema(ddl, strlen(ddl), arena, &schema, NULL));
    return schema;
}

/* Rows of JSON text as one chunk. */
static sl_chunk *chunk_of(const sl_schema *schema, const char *text)
{
    uint32_t columns[16];
    for (uint32_t i = 0; i < schema->field_count; i++)
        columns[i] = i;
    memory_file file = memory_file_of(text, strlen(text));
    sl_json_read_request q = { .file = &file.file,
                               .name = "test.json",
                               .end = INT64_MAX,
                               .schema = schema,
                               .columns = columns,
                               .column_count = schema->field_count,
                               .chunk_rows = 1000,
                               .zone = sl_time_zone_utc() };
    sl_option_list none = { 0 };
    sl_json_reader *r = NULL;
    sl_chunk *chunk = NULL;
    OK(sl_json_read_options(&none, &q.options, NULL));
    OK(sl_json_reader_open(&q, &r, NULL));
    OK(sl_json_reader_next(r, &chunk, NULL));
    sl_json_reader_close(r);
    return chunk;
}

static void assert_written(const char *ddl, const char *text, const char *zone_name,
                           const char *expected)
{
    sl_arena *arena = sl_arena_new();
    const sl_schema *schema = schema_of(arena, ddl);
    const sl_time_zone *zone;
    sl_json_writer *w = NULL;
    sl_bytes out = { 0 };
    OK(sl_time_zone_find(zone_name, &zone, NULL));
    OK(sl_json_writer_new(schema, zone, &w, NULL));
    sl_chunk *chunk = chunk_of(schema, text);
    sl_json_writer_rows(w, chunk, 0, chunk->selected, &out);
    assert_string_equal(sl_bytes_cstr(&out), expected);
    sl_bytes_deinit(&out);
    sl_json_writer_free(w);
    sl_chunk_unref(chunk);
    sl_arena_free(arena);
}

static void rows__leave_null_fields_out(void **state)
{
    (void)state;
    assert_written("a INT, b STRING, p STRUCT<x: INT, y: STRING>",
                   "{\"a\":1,\"b\":\"x\",\"p\":{\"x\":2,\"y\":\"z\"}}\n{\"b\":\"\"}\n{}\n"
                   "{\"a\":-2147483648,\"p\":{\"y\":null}}\n",
                   "UTC",
                   "{\"a\":1,\"b\":\"x\",\"p\":{\"x\":2,\"y\":\"z\"}}\n{\"b\":\"\"}\n{}\n"
                   "{\"a\":-2147483648,\"p\":{}}\n");
}

static void rows__print_numbers_as_java(void **state)
{
    (void)state;
    assert_written("d DOUBLE, l BIGINT, b BOOLEAN",
                   "{\"d\":1,\"l\":9223372036854775807,\"b\":true}\n"
                   "{\"d\":1e10,\"l\":-9223372036854775808,\"b\":false}\n{\"d\":0.001}\n"
                   "{\"d\":NaN,\"l\":0}\n{\"d\":-Infinity}\n{\"d\":-0.0}\n",
                   "UTC",
                   "{\"d\":1.0,\"l\":9223372036854775807,\"b\":true}\n"
                   "{\"d\":1.0E10,\"l\":-9223372036854775808,\"b\":false}\n"
                   "{\"d\":0.001}\n{\"d\":\"NaN\",\"l\":0}\n{\"d\":\"-Infinity\"}\n"
                   "{\"d\":-0.0}\n");
}

static void rows__print_times_in_the_zone(void **state)
{
    (void)state;
    static const char TEXT[] = "{\"t\":\"2020-01-01T00:00:00.123456Z\",\"n\":\"2020-01-"
                               "01 00:00:00\",\"d\":\"2020-"
                               "02-29\"}\n";
    static const char DDL[] = "t TIMESTAMP, n TIMESTAMP_NTZ, d DATE";
    assert_written(
        DDL, TEXT, "UTC",
        "{\"t\":\"2020-01-01T00:00:00.123Z\",\"n\":\"2020-01-01T00:00:00.000\","
        "\"d\":\"2020-02-29\"}\n");
    assert_written(DDL, TEXT, "+05:30",
                   "{\"t\":\"2020-01-01T05:30:00.123+05:30\",\"n\":\"2020-01-01T00:00:00."
                   "000\",\"d\":\"2020-02-29\"}\n");
}

static void rows__escape_keys_and_values(void **state)
{
    (void)state;
    assert_written("`a \"key\"` STRING",
                   "{\"a \\\"key\\\"\":\"q\\\"\\\\\\n\\u0001\\u00e9\"}\n", "UTC",
                   "{\"a \\\"key\\\"\":\"q\\\"\\\\\\n\\u0001\xc3\xa9\"}\n");
}

static void rows__take_the_selected_rows_of_a_range(void **state)
{
    (void)state;
    sl_arena *arena = sl_arena_new();
    const sl_schema *schema = schema_of(arena, "a INT");
    sl_chunk *chunk =
        chunk_of(schema, "{\"a\":0}\n{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n{\"a\":4}\n");
    const uint16_t picked[] = { 0, 2, 4 };
    sl_chunk *some = NULL;
    sl_json_writer *w = NULL;
    sl_bytes out = { 0 };
    OK(sl_chunk_select(chunk, picked, 3, &some, NULL));
    OK(sl_json_writer_new(schema, sl_time_zone_utc(), &w, NULL));
    sl_json_writer_rows(w, some, 1, 2, &out);
    sl_json_writer_rows(w, some, 0, 0, &out);
    assert_string_equal(sl_bytes_cstr(&out), "{\"a\":2}\n{\"a\":4}\n");
    sl_bytes_deinit(&out);
    sl_json_writer_free(w);
    sl_chunk_unref(some);
    sl_chunk_unref(chunk);
    sl_arena_free(arena);
}

static void new__refuses_types_that_json_files_do_not_hold(void **state)
{
    (void)state;
    static const sl_type_id bad[] = { SL_TYPE_VOID, SL_TYPE_INTERVAL_DAY_TIME,
                                      SL_TYPE_INTERVAL_YEAR_MONTH };
    sl_arena *arena = sl_arena_new();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sl_field inner = { .name = "x", .type = sl_type_of(bad[i]), .nullable = true };
        sl_field outer = { .name = "p", .type = sl_type_struct(arena, &inner, 1) };
        sl_schema plain = { .field_count = 1, .fields = &inner };
        sl_schema nested = { .field_count = 1, .fields = &outer };
        sl_json_writer *w = NULL;
        sl_error err = { 0 };
        assert_int_equal(sl_json_writer_new(&plain, sl_time_zone_utc(), &w, &err),
                         SL_EUNSUPPORTED);
        assert_string_equal(err.condition, "UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE");
        assert_non_null(strstr(err.text, "`x`"));
        assert_int_equal(sl_json_writer_new(&nested, sl_time_zone_utc(), &w, &err),
                         SL_EUNSUPPORTED);
        assert_null(w);
    }
    sl_json_writer_free(NULL);
    sl_arena_free(arena);
}

/* What is written reads back as it was, whatever the values. */
static void rows__read_back_as_they_were(void **state)
{
    (void)state;
    static const char DDL[] = "s STRING, l BIGINT, d DOUBLE, t TIMESTAMP, b BOOLEAN, "
                              "p STRUCT<x: INT, y: STRING>, day DATE";
    uint64_t seed = 42;
    sl_bytes text = { 0 }, first = { 0 };
    for (int i = 0; i < 500; i++) {
        sl_bytes_printf(&text,
                        "{\"l\":%" PRId64 ",\"t\":\"19%02d-01-01T00:00:%02d.%03dZ\"",
                        (int64_t)random64(&seed), i % 90 + 10, i % 60, i);
        if (i % 3 != 0)
            sl_bytes_printf(&text, ",\"s\":\"\\u%04x\\\\\\t%d\",\"d\":%.17g", i + 1, i,
                            (double)(int64_t)random64(&seed) * 1e-9);
        if (i % 5 != 0)
            sl_bytes_printf(&text,
                            ",\"p\":{\"x\":%d,\"y\":\"%d\"},\"day\":\"2020-01-%02d\"", i,
                            i, i % 28 + 1);
        sl_bytes_printf(&text, "}\n");
    }
    sl_arena *arena = sl_arena_new();
    const sl_schema *schema = schema_of(arena, DDL);
    sl_json_writer *w = NULL;
    sl_chunk *chunk = chunk_of(schema, sl_bytes_cstr(&text));
    assert_int_equal(chunk->row_count, 500);
    OK(sl_json_writer_new(schema, sl_time_zone_utc(), &w, NULL));
    sl_json_writer_rows(w, chunk, 0, 500, &first);
    json_case c = json_case_of(DDL);
    sl_bytes before = { 0 }, after = { 0 };
    OK(read_json(&c, sl_bytes_cstr(&text), text.size_bytes, &before, NULL));
    OK(read_json(&c, sl_bytes_cstr(&first), first.size_bytes, &after, NULL));
    assert_string_equal(sl_bytes_cstr(&before), sl_bytes_cstr(&after));
    sl_bytes_deinit(&before);
    sl_bytes_deinit(&after);
    sl_bytes_deinit(&text);
    sl_bytes_deinit(&first);
    sl_json_writer_free(w);
    sl_chunk_unref(chunk);
    sl_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows__leave_null_fields_out),
        cmocka_unit_test(rows__print_numbers_as_java),
        cmocka_unit_test(rows__print_times_in_the_zone),
        cmocka_unit_test(rows__escape_keys_and_values),
        cmocka_unit_test(rows__take_the_selected_rows_of_a_range),
        cmocka_unit_test(rows__read_back_as_they_were),
        cmocka_unit_test(new__refuses_types_that_json_files_do_not_hold),
    };
    return cmocka_run_group_tests_name("formats/json write", tests, NULL, NULL);
}
