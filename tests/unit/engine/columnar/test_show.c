/* Unit tests of engine/columnar/show.c. Name: function__sentence_that_must_hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "engine/columnar/show.h"
#include "tests/unit/engine/columnar/columnar_fixture.h"

/* A one-column table of strings (NULL: null), in chunks of two rows. */
static void assert_strings(const char *name, const char *const *cells, uint32_t count,
                           uint32_t num_rows, uint32_t truncate, const char *want)
{
    sl_field field = { .name = name, .type = sl_type_of(SL_TYPE_STRING) };
    sl_schema schema = { .field_count = 1, .fields = &field };
    sl_chunk *chunks[8];
    uint32_t chunk_count = 0;
    for (uint32_t at = 0; at < count; at += 2) {
        sl_chunk_builder b;
        OK(sl_chunk_builder_init(&b, &schema, 2, NULL, NULL));
        for (uint32_t i = at; i < count && i < at + 2; i++)
            if (cells[i] == NULL)
                OK(sl_column_builder_null(b.columns, NULL));
            else
                OK(sl_column_builder_string(b.columns, cells[i],
                                            (uint32_t)strlen(cells[i]), NULL));
        chunks[chunk_count++] = sl_chunk_builder_finish(&b, 0);
    }
    sl_bytes out = { 0 };
    sl_show_table(&schema, chunks, chunk_count, num_rows, truncate, sl_time_zone_utc(),
                  &out);
    assert_string_equal(TEXT(out), want);
    sl_bytes_deinit(&out);
    for (uint32_t i = 0; i < chunk_count; i++)
        sl_chunk_unref(chunks[i]);
}

/* spark:O2 */
static void show_table__prints_only_the_header_of_an_empty_list(void **state)
{
    (void)state;
    assert_strings("value", NULL, 0, 20, 20, "+-----+\n|value|\n+-----+\n+-----+\n");
}

/* spark:O3, the goldens of spark 5.3 */
static void show_table__says_when_there_are_more_rows(void **state)
{
    (void)state;
    static const char *const cells[] = { "1", "2", "3" };
    assert_strings("value", cells, 3, 2, 20,
                   "+-----+\n|value|\n+-----+\n|    1|\n|    2|\n+-----+\n"
                   "only showing top 2 rows\n");
    assert_strings("value", cells, 3, 1, 20,
                   "+-----+\n|value|\n+-----+\n|    1|\n+-----+\n"
                   "only showing top 1 row\n");
    assert_strings("value", cells, 3, 0, 20,
                   "+-----+\n|value|\n+-----+\n+-----+\nonly showing top 0 rows\n");
    assert_strings("value", cells, 2, 2, 20,
                   "+-----+\n|value|\n+-----+\n|    1|\n|    2|\n+-----+\n");
}

/* spark:O7, O9 */
static void show_table__cuts_long_cells_and_headers(void **state)
{
    (void)state;
    static const char *const cells[] = { "12345678901234567890", "123456789012345678901",
                                         NULL };
    assert_strings("v", cells, 3, 20, 20,
                   "+--------------------+\n|                   v|\n"
                   "+--------------------+\n|12345678901234567890|\n"
                   "|12345678901234567...|\n|                NULL|\n"
                   "+--------------------+\n");
    assert_strings("header", cells, 1, 20, 3, "+---+\n|hea|\n+---+\n|123|\n+---+\n");
    assert_strings("header", cells, 1, 20, 5,
                   "+-----+\n|he...|\n+-----+\n|12...|\n+-----+\n");
}

/* spark:O8, O9 */
static void show_table__left_aligns_without_truncation(void **state)
{
    (void)state;
    static const char *const cells[] = { "1", "a longer cell, never cut here" };
    assert_strings("v", cells, 2, 20, 0,
                   "+-----------------------------+\n"
                   "|v                            |\n"
                   "+-----------------------------+\n"
                   "|1                            |\n"
                   "|a longer cell, never cut here|\n"
                   "+-----------------------------+\n");
}

/* spark:O8: each ideograph is two units wide and one character long */
static void show_table__pads_by_half_width_units(void **state)
{
    (void)state;
    static const char *const cells[] = { "\xe4\xbd\xa0\xe5\xa5\xbd", "h\xc3\xa9llo" };
    assert_strings("v", cells, 2, 20, 20,
                   "+-----+\n|    v|\n+-----+\n| \xe4\xbd\xa0\xe5\xa5\xbd|\n"
                   "|h\xc3\xa9llo|\n+-----+\n");
    static const char *const cut[] = { "\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xbd\xa0\xe5\xa5\xbd"
                                       "\xe4\xbd\xa0\xe5\xa5\xbd" };
    assert_strings("v", cut, 1, 20, 5,
                   "+-------+\n|      v|\n+-------+\n|\xe4\xbd\xa0\xe5\xa5\xbd...|\n"
                   "+-------+\n");
}

/* spark:O11 */
static void show_table__escapes_control_characters(void **state)
{
    (void)state;
    static const char *const cells[] = { "a\nb\r\t\f\b\v\a" };
    assert_strings("n\tm", cells, 1, 20, 20,
                   "+----------------+\n|            n\\tm|\n+----------------+\n"
                   "|a\\nb\\r\\t\\f\\b\\v\\a|\n+----------------+\n");
}

static void show_table__survives_bytes_that_are_no_utf8(void **state)
{
    (void)state;
    static const char *const cells[] = { "\xff\xe4\xbd", "\xf0\x9f", "" };
    assert_strings("v", cells, 3, 20, 20,
                   "+---+\n|  v|\n+---+\n|\xff\xe4\xbd|\n| \xf0\x9f|\n|   |\n+---+\n");
}

/* The first batch of the tutorial: spark:O14, and the same cut to 20. */
static void show_table__prints_the_windowed_counts_of_the_tutorial(void **state)
{
    (void)state;
    sl_field fields[] = {
        { .name = "window", .type = sl_type_window(sl_type_of(SL_TYPE_TIMESTAMP)) },
        { .name = "action", .type = sl_type_of(SL_TYPE_STRING) },
        { .name = "count", .type = sl_type_of(SL_TYPE_LONG) },
    };
    sl_schema schema = { .field_count = 3, .fields = fields };
    sl_chunk_builder b;
    OK(sl_chunk_builder_init(&b, &schema, 2, NULL, NULL));
    int64_t start;
    assert_true(sl_timestamp_parse("2018-03-02 10:00", 16, sl_time_zone_utc(), &start));
    for (int i = 0; i < 3; i++) { /* the row between is not selected */
        OK(sl_column_builder_i64(&b.columns[0].children[0], start, NULL));
        OK(sl_column_builder_i64(&b.columns[0].children[1], start + 600000000, NULL));
        OK(sl_column_builder_struct(&b.columns[0], NULL));
        OK(sl_column_builder_string(&b.columns[1], i == 0 ? "close" : "open",
                                    i == 0 ? 5 : 4, NULL));
        OK(sl_column_builder_i64(&b.columns[2], i == 0 ? 1 : 3, NULL));
    }
    sl_chunk *whole = sl_chunk_builder_finish(&b, 0), *some;
    const uint16_t rows[] = { 0, 2 };
    OK(sl_chunk_select(whole, rows, 2, &some, NULL));
    sl_bytes out = { 0 };
    sl_show_table(&schema, &some, 1, 20, 0, sl_time_zone_utc(), &out);
    assert_string_equal(TEXT(out),
                        "+------------------------------------------+------+-----+\n"
                        "|window                                    |action|count|\n"
                        "+------------------------------------------+------+-----+\n"
                        "|{2018-03-02 10:00:00, 2018-03-02 10:10:00}|close |1    |\n"
                        "|{2018-03-02 10:00:00, 2018-03-02 10:10:00}|open  |3    |\n"
                        "+------------------------------------------+------+-----+\n");
    sl_bytes_clear(&out);
    sl_show_table(&schema, &some, 1, 1, 20, sl_time_zone_utc(), &out);
    assert_string_equal(TEXT(out), "+--------------------+------+-----+\n"
                                   "|              window|action|count|\n"
                                   "+--------------------+------+-----+\n"
                                   "|{2018-03-02 10:00...| close|    1|\n"
                                   "+--------------------+------+-----+\n"
                                   "only showing top 1 row\n");
    sl_bytes_deinit(&out);
    sl_chunk_unref(some);
    sl_chunk_unref(whole);
}

static void show_table__prints_two_corners_without_columns(void **state)
{
    (void)state;
    sl_schema schema = { 0 };
    sl_chunk *c = sl_chunk_new(0, 1);
    sl_bytes out = { 0 };
    sl_show_table(&schema, &c, 1, 20, 20, sl_time_zone_utc(), &out);
    assert_string_equal(TEXT(out), "++\n||\n++\n||\n++\n");
    sl_bytes_deinit(&out);
    sl_chunk_unref(c);
}

#define T(name) cmocka_unit_test(name)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(show_table__prints_only_the_header_of_an_empty_list),
        T(show_table__says_when_there_are_more_rows),
        T(show_table__cuts_long_cells_and_headers),
        T(show_table__left_aligns_without_truncation),
        T(show_table__pads_by_half_width_units),
        T(show_table__escapes_control_characters),
        T(show_table__survives_bytes_that_are_no_utf8),
        T(show_table__prints_the_windowed_counts_of_the_tutorial),
        T(show_table__prints_two_corners_without_columns),
    };
    return cmocka_run_group_tests_name("engine/columnar/show", tests, NULL, NULL);
}
