/* Promises of rows on their way to the driver: larger than a message, larger than the
 * window of credit, never larger than the setting. */
#include "tests/unit/driver/node.h"

#define ROWS 7000
#define WIDTH 10000 /* 70 MB: more than a message holds, several windows */

static int set_up(void **state)
{
    static node n;
    node_new(&n);
    *state = &n;
    return 0;
}

static int tear_down(void **state)
{
    node_free((node *)*state);
    return 0;
}

static void wide_rows(node *n, uint32_t rows, uint32_t width)
{
    sl_bytes text = { 0 };
    for (uint32_t r = 0; r < rows; r++) {
        sl_bytes_printf(&text, "{\"n\":%u,\"s\":\"", rows - r);
        sl_bytes_reserve(&text, width);
        memset(text.data + text.size_bytes, 'a' + (int)(r % 26), width);
        text.size_bytes += width;
        sl_bytes_text(&text, "\"}\n");
    }
    assert_int_equal(sl_fs_write_new(n->fs, "/in/1.json", sl_bytes_span(&text), NULL),
                     SL_OK);
    sl_bytes_deinit(&text);
    node_ok(n, "CREATE TABLE t (n BIGINT, s STRING) USING json OPTIONS (path '/in')");
}

static void select__brings_more_than_a_message_holds_in_order(void **state)
{
    node *n = *state;
    wide_rows(n, ROWS, WIDTH);
    n->cut = 20;
    node_ok(n, "SELECT n, s FROM t ORDER BY n");
    assert_int_equal(n->row_count, ROWS);
    assert_contains(sl_bytes_cstr(&n->text), "|   1|");
    assert_true(strstr(sl_bytes_cstr(&n->text), "|   2|") <
                strstr(sl_bytes_cstr(&n->text), "|   3|"));
    node_ok(n, "SELECT count(*) AS c, sum(length(s)) AS l FROM t");
    assert_contains(sl_bytes_cstr(&n->text), "|7000|70000000|");
}

static void select__over_the_setting_fails_and_names_it(void **state)
{
    node *n = *state;
    wide_rows(n, 2000, 1000);
    node_ok(n, "SET spark.driver.maxResultSize = 1048576");
    assert_false(node_sql(n, "SELECT n, s FROM t"));
    assert_int_equal(n->error.code, SL_EBUDGET);
    assert_contains(n->error.text, "sluice.query.resultMemory");
    assert_contains(n->error.text, "1048576 bytes");
    node_ok(n, "SELECT n, s FROM t LIMIT 10"); /* the session goes on */
    node_ok(n, "SELECT n FROM t");
    assert_int_equal(n->row_count, 2000);
}

static void select__of_a_row_larger_than_a_message_fails_clearly(void **state)
{
    node *n = *state;
    wide_rows(n, 1, 66u << 20);
    assert_false(node_sql(n, "SELECT s FROM t"));
    assert_int_equal(n->error.code, SL_ELIMIT);
    assert_contains(n->error.text, "a row of the result has 69");
    node_ok(n, "SELECT length(s) AS l FROM t");
}

/* It once waited for ever for the answer to a TASK that could not be sent. */
static void select__of_a_memory_table_larger_than_a_message_fails_clearly(void **state)
{
    node *n = *state;
    wide_rows(n, ROWS, WIDTH);
    node_ok(n, "CREATE STREAMING QUERY kept TRIGGER ONCE INTO memory AS "
               "SELECT n, s FROM STREAM t");
    assert_false(node_sql(n, "SELECT count(s) FROM kept"));
    assert_int_equal(n->error.code, SL_ELIMIT);
    assert_contains(n->error.text, "a task can carry 62914560");
    assert_contains(n->error.text, "Write such rows to files");
    node_ok(n, "SELECT count(*) AS c FROM t");
    assert_contains(sl_bytes_cstr(&n->text), "|7000|");
}

static void console__gets_the_first_rows_in_key_order_of_all_partitions(void **state)
{
    node *n = *state;
    wide_rows(n, 500, 10);
    node_ok(n, "CREATE STREAMING QUERY q OUTPUT MODE complete TRIGGER ONCE INTO console "
               "OPTIONS (numRows 3) AS SELECT n, count(*) AS c FROM STREAM t GROUP BY n");
    assert_contains(sl_bytes_cstr(&n->console), "+---+---+\n"
                                                "|  n|  c|\n"
                                                "+---+---+\n"
                                                "|  1|  1|\n"
                                                "|  2|  1|\n"
                                                "|  3|  1|\n"
                                                "+---+---+\n"
                                                "only showing top 3 rows\n");
    /* numRows + 1 of each of the three partitions, no more. */
    assert_contains(node_query(n, "q").last_progress, "\"numOutputRows\":12}");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(select__brings_more_than_a_message_holds_in_order),
        T(select__over_the_setting_fails_and_names_it),
        T(select__of_a_row_larger_than_a_message_fails_clearly),
        T(select__of_a_memory_table_larger_than_a_message_fails_clearly),
        T(console__gets_the_first_rows_in_key_order_of_all_partitions),
    };
    sl_driver_register_options();
    return cmocka_run_group_tests_name("driver/results", tests, NULL, NULL);
}
