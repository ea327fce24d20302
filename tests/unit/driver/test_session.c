/* Promises of sessions: what each statement answers, and what it says when it cannot. */
#include "tests/unit/driver/node.h"

static int set_up(void **state)
{
    static node n;
    node_new(&n);
    node_file(&n, "/in/1.json", "{\"id\":\"a\",\"n\":1}\n{\"id\":\"b\",\"n\":2}\n");
    node_ok(&n, "CREATE TABLE t (id STRING, n BIGINT) USING json OPTIONS (path '/in')");
    *state = &n;
    return 0;
}

static int tear_down(void **state)
{
    node_free((node *)*state);
    return 0;
}

static void assert_text(node *n, const char *sql, const char *text)
{
    node_ok(n, sql);
    if (strcmp(sl_bytes_cstr(&n->text), text) != 0)
        fail_msg("%s\nis\n%s\nand not\n%s", sql, sl_bytes_cstr(&n->text), text);
}

static void assert_error(node *n, const char *sql, const char *condition,
                         const char *part)
{
    if (node_sql(n, sql))
        fail_msg("no error: %s", sql);
    assert_string_equal(n->error.condition, condition);
    assert_contains(n->error.text, part);
}

static void select__answers_rows(void **state)
{
    assert_text(*state, "SELECT id, n + 1 AS m FROM t ORDER BY id",
                "+---+---+\n|id |m  |\n+---+---+\n|a  |2  |\n|b  |3  |\n+---+---+\n");
}

static void select__sees_files_of_now(void **state)
{
    node *n = *state;
    node_ok(n, "SELECT * FROM t");
    assert_int_equal(n->row_count, 2);
    node_file(n, "/in/2.json", "{\"id\":\"c\",\"n\":3}\n");
    node_ok(n, "SELECT * FROM t");
    assert_int_equal(n->row_count, 3);
}

static void select__says_why_and_where(void **state)
{
    node *n = *state;
    assert_error(n, "SELECT idd FROM t", "UNRESOLVED_COLUMN.WITH_SUGGESTION", "`id`");
    assert_int_equal(n->error.line, 1);
    assert_int_equal(n->error.column, 8);
    assert_error(n, "SELECT id FROM tt", "TABLE_OR_VIEW_NOT_FOUND", "tt");
}

static void create_table__refuses_a_name_in_use_unless_told(void **state)
{
    node *n = *state;
    assert_error(n, "CREATE TABLE T (x INT) USING json OPTIONS (path '/x')",
                 "TABLE_OR_VIEW_ALREADY_EXISTS", "OR REPLACE");
    assert_int_equal(n->error.column, 14);
    node_ok(n, "CREATE TABLE IF NOT EXISTS t (x INT) USING json OPTIONS (path '/x')");
    node_ok(n, "SELECT n FROM t"); /* the old one */
    node_ok(n, "CREATE OR REPLACE TEMP VIEW v AS SELECT id FROM t");
    node_ok(n, "CREATE OR REPLACE TEMP VIEW v AS SELECT n FROM t");
    node_ok(n, "SELECT n FROM v");
    assert_error(n, "CREATE TABLE u USING jsonn", "DATA_SOURCE_NOT_FOUND", "json");
}

static void create_view__is_checked_when_it_is_made(void **state)
{
    node *n = *state;
    assert_error(n, "CREATE TEMP VIEW v AS SELECT nope FROM t",
                 "UNRESOLVED_COLUMN.WITH_SUGGESTION", "nope");
    node_ok(n, "SHOW TABLES");
    assert_lacks(sl_bytes_cstr(&n->text), "|v ");
}

static void drop__names_what_it_cannot_find(void **state)
{
    node *n = *state;
    assert_error(n, "DROP TABLE nope", "TABLE_OR_VIEW_NOT_FOUND", "`nope`");
    node_ok(n, "DROP TABLE IF EXISTS nope");
    node_ok(n, "CREATE TEMP VIEW v AS SELECT id FROM t");
    assert_error(n, "DROP TABLE v", "EXPECT_TABLE_NOT_VIEW", "DROP VIEW");
    node_ok(n, "DROP VIEW v");
    node_ok(n, "DROP TABLE t");
    assert_error(n, "SELECT * FROM t", "TABLE_OR_VIEW_NOT_FOUND", "`t`");
}

static void show_tables__lists_tables_and_views(void **state)
{
    node *n = *state;
    node_ok(n, "CREATE TEMP VIEW v AS SELECT id FROM t");
    assert_text(n, "SHOW TABLES",
                "+---------+---------+-----------+\n"
                "|namespace|tableName|isTemporary|\n"
                "+---------+---------+-----------+\n"
                "|default  |t        |false      |\n"
                "|         |v        |true       |\n"
                "+---------+---------+-----------+\n");
}

static void describe__shows_columns_and_the_tree(void **state)
{
    node *n = *state;
    assert_text(n, "DESCRIBE t",
                "+--------+---------+-------+\n"
                "|col_name|data_type|comment|\n"
                "+--------+---------+-------+\n"
                "|id      |string   |NULL   |\n"
                "|n       |bigint   |NULL   |\n"
                "+--------+---------+-------+\n");
    assert_text(
        n, "DESCRIBE TREE t",
        "root\n |-- id: string (nullable = true)\n |-- n: long (nullable = true)\n\n");
}

static void explain__answers_text_and_runs_nothing(void **state)
{
    node *n = *state;
    node_ok(n, "EXPLAIN SELECT id, count(*) FROM t GROUP BY id");
    assert_int_equal(n->kind, SL_ANSWER_TEXT);
    assert_true(n->text.size_bytes > 0);
}

static void set__keeps_shows_and_refuses(void **state)
{
    node *n = *state;
    node_ok(n, "SET sluice.state.partitions = 5");
    assert_contains(sl_bytes_cstr(&n->text), "5");
    node_ok(n, "SET spark.sql.shuffle.partitions"); /* its alias */
    assert_contains(sl_bytes_cstr(&n->text), "|spark.sql.shuffle.partitions|5");
    assert_error(n, "SET sluice.state.partitons = 5", "UNKNOWN_OPTION",
                 "sluice.state.partitions");
    if (node_sql(n, "SET sluice.state.partitions = many"))
        fail_msg("no error");
    assert_contains(n->error.text, "many");
    node_ok(n, "RESET sluice.state.partitions");
    node_ok(n, "SET sluice.state.partitions");
    assert_contains(sl_bytes_cstr(&n->text),
                    "|sluice.state.partitions|3" /* as the session began */);
}

static void
set__of_the_time_zone_moves_timestamps_and_refuses_an_unknown_one(void **state)
{
    node *n = *state;
    node_ok(n, "SET spark.sql.session.timeZone = Europe/Berlin");
    node_ok(n, "SELECT CAST(TIMESTAMP '2020-01-01 01:00:00' AS STRING) AS s, "
               "CAST(TIMESTAMP '2020-01-01 01:00:00' AS BIGINT) AS u");
    assert_contains(sl_bytes_cstr(&n->text), "1577836800");
    if (node_sql(n, "SET spark.sql.session.timeZone = Europe/Berlinn"))
        fail_msg("no error");
    assert_contains(n->error.text, "Berlinn");
    node_ok(n, "RESET");
    node_ok(n, "SELECT CAST(TIMESTAMP '2020-01-01 01:00:00' AS BIGINT) AS u");
    assert_contains(sl_bytes_cstr(&n->text), "1577840400");
}

static void streaming_query__without_a_checkpoint_says_where_it_keeps_it(void **state)
{
    node *n = *state;
    node_ok(n, "CREATE STREAMING QUERY q TRIGGER AVAILABLE NOW INTO memory AS "
               "SELECT id FROM STREAM t");
    assert_contains(sl_bytes_cstr(&n->note), "temporary");
    sl_file_info info;
    assert_int_equal(sl_fs_stat(n->fs, node_query(n, "q").checkpoint, &info, NULL),
                     SL_ENOTFOUND); /* gone with the query */
    assert_text(n, "SELECT * FROM q ORDER BY id",
                "+---+\n|id |\n+---+\n|a  |\n|b  |\n+---+\n");
}

static void streaming_query__into_files_wants_a_checkpoint(void **state)
{
    node *n = *state;
    assert_error(n,
                 "CREATE STREAMING QUERY q INTO json OPTIONS (path '/out') AS "
                 "SELECT id FROM STREAM t",
                 "CHECKPOINT_LOCATION_REQUIRED", "CHECKPOINT LOCATION");
}

static void streaming_queries__are_shown_described_awaited_and_stopped(void **state)
{
    node *n = *state;
    node_ok(n, "CREATE STREAMING QUERY q CHECKPOINT LOCATION '/cp' INTO noop AS "
               "SELECT id FROM STREAM t"); /* answers at once: it runs on */
    node_advance(n, NODE_S);
    node_ok(n, "SHOW STREAMING QUERIES");
    assert_contains(sl_bytes_cstr(&n->text), "|WAITING|0 ");
    node_ok(n, "DESCRIBE STREAMING QUERY q");
    assert_contains(sl_bytes_cstr(&n->text), "|checkpoint|/cp");
    assert_contains(sl_bytes_cstr(&n->text), "|sql       |CREATE STREAMING QUERY q");
    node_begin(n, "AWAIT STREAMING QUERY q");
    node_advance(n, NODE_S);
    assert_false(n->answered);
    sl_session_cancel(n->session);
    assert_true(n->answered);
    assert_int_equal(n->error.code, SL_ECANCELLED);
    node_ok(n, "STOP STREAMING QUERY q");
    assert_int_equal(node_query(n, "q").state, SL_QUERY_STOPPED);
    node_ok(n, "AWAIT STREAMING QUERY q"); /* over already */
    assert_error(n, "STOP STREAMING QUERY p", "STREAMING_QUERY_NOT_FOUND", "`q`");
}

static void await__answers_with_the_failure_of_the_query(void **state)
{
    node *n = *state;
    node_ok(n, "SET sluice.streaming.attempts = 1");
    n->fault = (node_fault){ "open", "/in/1.json", 0, 10, SL_EIO };
    node_ok(n, "CREATE STREAMING QUERY q TRIGGER PROCESSING TIME '1 second' CHECKPOINT "
               "LOCATION '/cp' INTO noop AS SELECT id FROM STREAM t");
    assert_error(n, "AWAIT STREAMING QUERY q", "STREAM_FAILED", "injected: open");
    assert_string_equal(n->error.sqlstate, "XXKST");
}

static void cancel__ends_a_select_that_runs(void **state)
{
    node *n = *state;
    n->slow_job = "run-tasks";
    n->slow_us = 60 * NODE_S;
    node_begin(n, "SELECT * FROM t");
    node_advance(n, NODE_S);
    assert_false(n->answered);
    sl_session_cancel(n->session);
    assert_true(n->answered);
    assert_int_equal(n->error.code, SL_ECANCELLED);
    n->slow_job = NULL;
    node_advance(n, 120 * NODE_S);
    node_ok(n, "SELECT * FROM t"); /* the session goes on */
}

static void cancel__of_a_statement_that_is_planned_answers_when_it_is(void **state)
{
    node *n = *state;
    n->slow_job = "plan-statement";
    n->slow_us = NODE_S;
    node_begin(n, "SELECT * FROM t");
    sl_session_cancel(n->session);
    assert_false(n->answered);
    node_advance(n, 2 * NODE_S);
    assert_true(n->answered);
    assert_int_equal(n->error.code, SL_ECANCELLED);
}

static void execute__refuses_a_second_statement_at_the_same_time(void **state)
{
    node *n = *state;
    node_begin(n, "SELECT * FROM t");
    node_begin(n, "SHOW TABLES");
    assert_true(n->answered);
    assert_contains(n->error.text, "one statement at a time");
    n->answered = false;
    assert_true(node_run_until(n, &n->answered, NODE_S)); /* the first goes on */
    assert_int_equal(n->row_count, 2);
}

static void session_free__lets_its_queries_go_on(void **state)
{
    node *n = *state;
    node_ok(n, "CREATE STREAMING QUERY q CHECKPOINT LOCATION '/cp' INTO noop AS "
               "SELECT id FROM STREAM t");
    node_advance(n, NODE_S);
    node_begin(n, "AWAIT STREAMING QUERY q");
    sl_session_free(n->session);
    node_file(n, "/in/2.json", "{\"id\":\"c\"}\n");
    node_advance(n, NODE_S);
    assert_int_equal(node_query(n, "q").last_batch, 1);
    assert_false(n->answered);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(select__answers_rows),
        T(select__sees_files_of_now),
        T(select__says_why_and_where),
        T(create_table__refuses_a_name_in_use_unless_told),
        T(create_view__is_checked_when_it_is_made),
        T(drop__names_what_it_cannot_find),
        T(show_tables__lists_tables_and_views),
        T(describe__shows_columns_and_the_tree),
        T(explain__answers_text_and_runs_nothing),
        T(set__keeps_shows_and_refuses),
        T(set__of_the_time_zone_moves_timestamps_and_refuses_an_unknown_one),
        T(streaming_query__without_a_checkpoint_says_where_it_keeps_it),
        T(streaming_query__into_files_wants_a_checkpoint),
        T(streaming_queries__are_shown_described_awaited_and_stopped),
        T(await__answers_with_the_failure_of_the_query),
        T(cancel__ends_a_select_that_runs),
        T(cancel__of_a_statement_that_is_planned_answers_when_it_is),
        T(execute__refuses_a_second_statement_at_the_same_time),
        T(session_free__lets_its_queries_go_on),
    };
    sl_driver_register_options();
    return cmocka_run_group_tests_name("driver/session", tests, NULL, NULL);
}
