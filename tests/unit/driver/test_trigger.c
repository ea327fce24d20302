/* Promises of triggers (spark.md 2.1-2.4, 2.7) in virtual time. The clock starts at
 * 2020-01-01T00:00:00Z, a multiple of every interval used here. */
#include "tests/unit/driver/node.h"

#define ROW(second) "{\"id\":\"a\",\"ts\":\"2020-01-01T00:00:" second "\"}\n"

static int set_up(void **state)
{
    static node n;
    node_new(&n);
    node_ok(&n, "CREATE TABLE t (id STRING, ts TIMESTAMP) USING json "
                "OPTIONS (path '/in', maxFilesPerTrigger 1)");
    *state = &n;
    return 0;
}

static int tear_down(void **state)
{
    node_free((node *)*state);
    return 0;
}

static void five_files(node *n)
{
    node_file(n, "/in/1.json", ROW("01"));
    node_file(n, "/in/2.json", ROW("02"));
    node_file(n, "/in/3.json", ROW("03"));
    node_file(n, "/in/4.json", ROW("04"));
    node_file(n, "/in/5.json", ROW("05"));
}

static void start(node *n, const char *trigger)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "CREATE STREAMING QUERY q %s CHECKPOINT LOCATION '/cp' INTO memory AS "
             "SELECT id, ts FROM STREAM t",
             trigger);
    node_ok(n, sql);
}

/* "00:00:01.500" of the i-th report. */
static void assert_started_at(node *n, uint32_t i, const char *time)
{
    const char *const *reports;
    char part[64];
    int32_t q = sl_driver_query_find(n->driver, "q");
    uint32_t count = sl_driver_query_progress(n->driver, (uint32_t)q, &reports);
    assert_true(i < count);
    snprintf(part, sizeof part, "\"timestamp\":\"2020-01-01T%s", time);
    assert_contains(reports[i], part);
}

static void
processing_time__fires_at_once_and_then_at_multiples_since_the_epoch(void **state)
{
    node *n = *state;
    five_files(n);
    node_advance(n, 300 * NODE_MS);
    start(n, "TRIGGER PROCESSING TIME '1 second'");
    node_advance(n, 3 * NODE_S);
    assert_started_at(n, 0, "00:00:00.3"); /* T6 */
    assert_started_at(n, 1, "00:00:01.000Z");
    assert_started_at(n, 2, "00:00:02.000Z");
    assert_int_equal(node_query(n, "q").last_batch, 3); /* 3.000 has fired as well */
}

static void
processing_time__makes_up_an_overrun_with_one_batch_and_aligns_again(void **state)
{
    node *n = *state;
    five_files(n);
    start(n, "TRIGGER PROCESSING TIME '1 second'");
    node_advance(n, 500 * NODE_MS);
    n->slow_job = "commit-batch";
    n->slow_us = 1500 * NODE_MS;
    node_advance(n, 600 * NODE_MS); /* the tick at 1.0 is under way */
    n->slow_job = NULL;
    node_advance(n, 3 * NODE_S);
    assert_started_at(n, 0, "00:00:00.0");
    assert_started_at(n, 1, "00:00:01.000Z");
    assert_started_at(n, 2, "00:00:02.50");   /* T7, T8: at once, not at 3.0 */
    assert_started_at(n, 3, "00:00:03.000Z"); /* one batch, then aligned */
    assert_started_at(n, 4, "00:00:04.000Z");
}

static void processing_time__without_data_uses_no_batch_number(void **state)
{
    node *n = *state;
    start(n, "TRIGGER PROCESSING TIME '1 second'");
    node_advance(n, 5 * NODE_S);
    assert_int_equal(node_query(n, "q").last_batch, -1); /* T10 */
    assert_string_equal(node_query(n, "q").message, "Waiting for data to arrive");
    assert_false(node_query(n, "q").is_data_available);
    assert_false(node_query(n, "q").is_trigger_active);
    node_file(n, "/in/1.json", ROW("01"));
    node_advance(n, 1100 * NODE_MS);
    assert_int_equal(node_query(n, "q").last_batch, 0);
    assert_string_equal(node_query(n, "q").message, "Waiting for next trigger");
    assert_true(node_query(n, "q").is_data_available);
}

static void default_trigger__runs_batches_back_to_back_and_polls_when_idle(void **state)
{
    node *n = *state;
    five_files(n);
    start(n, "");
    node_advance(n, 20 * NODE_MS);
    assert_int_equal(node_query(n, "q").last_batch, 4); /* T5 */
    node_file(n, "/in/6.json", ROW("06"));
    node_advance(n, 11 * NODE_MS); /* T2: pollingDelay, 10 ms */
    assert_int_equal(node_query(n, "q").last_batch, 5);
}

static void once__takes_everything_in_one_batch_and_ends(void **state)
{
    node *n = *state;
    five_files(n);
    start(n, "TRIGGER ONCE"); /* answers when it has ended */
    assert_int_equal(node_query(n, "q").state, SL_QUERY_STOPPED);
    assert_int_equal(node_query(n, "q").last_batch, 0); /* T11: no limit of files */
    assert_contains(node_query(n, "q").last_progress, "\"numInputRows\":5,");
}

static void once__runs_only_the_batch_left_uncommitted(void **state)
{
    node *n = *state;
    five_files(n);
    n->failpoint = "driver.commit";
    n->kill_at = 2;
    assert_false(node_sql(n,
                          "CREATE STREAMING QUERY q TRIGGER AVAILABLE NOW CHECKPOINT "
                          "LOCATION '/cp' INTO console AS SELECT id, ts FROM STREAM t"));
    node_restart(n);
    n->failpoint = NULL;
    node_ok(n, "CREATE TABLE t (id STRING, ts TIMESTAMP) USING json "
               "OPTIONS (path '/in', maxFilesPerTrigger 1)");
    node_ok(n, "CREATE STREAMING QUERY q TRIGGER ONCE CHECKPOINT LOCATION '/cp' INTO "
               "console AS SELECT id, ts FROM STREAM t");
    assert_int_equal(node_query(n, "q").last_batch, 1); /* not the three files after it */
}

static void available_now__reads_what_was_there_at_its_start_and_no_more(void **state)
{
    node *n = *state;
    five_files(n);
    n->slow_job = "commit-batch";
    n->slow_us = 100 * NODE_MS;
    node_begin(n, "CREATE STREAMING QUERY q TRIGGER AVAILABLE NOW CHECKPOINT LOCATION "
                  "'/cp' INTO memory AS SELECT id, ts FROM STREAM t");
    node_advance(n, 150 * NODE_MS);
    assert_false(n->answered);
    node_file(n, "/in/6.json", ROW("06")); /* T15 */
    node_advance(n, 1 * NODE_S);
    assert_true(n->answered);
    assert_int_equal(node_query(n, "q").state, SL_QUERY_STOPPED);
    assert_int_equal(node_query(n, "q").last_batch, 4); /* T12: limits hold */
}

static void available_now__runs_the_batch_without_data_before_it_ends(void **state)
{
    node *n = *state;
    node_file(n, "/in/1.json", ROW("01"));
    node_file(n, "/in/2.json", ROW("50"));
    node_ok(n, "CREATE STREAMING QUERY q OUTPUT MODE append TRIGGER AVAILABLE NOW "
               "CHECKPOINT LOCATION '/cp' INTO memory AS "
               "SELECT window(ts, '10 seconds') AS w, count(*) AS n FROM STREAM t "
               "WATERMARK ts DELAY OF INTERVAL 10 SECONDS "
               "GROUP BY window(ts, '10 seconds')");
    assert_int_equal(node_query(n, "q").last_batch, 2); /* T13 */
    node_ok(n, "SELECT * FROM q");
    assert_int_equal(n->row_count, 1);
}

static void stop__abandons_the_batch_that_runs_and_it_is_run_again(void **state)
{
    node *n = *state;
    five_files(n);
    n->slow_job = "run-tasks";
    n->slow_us = 10 * NODE_S;
    start(n, "");
    node_advance(n, 1 * NODE_S);
    assert_int_equal(node_query(n, "q").state, SL_QUERY_RUNNING);
    sl_driver_query_stop(n->driver, 0, true); /* T22 */
    node_advance(n, 1 * NODE_S);
    assert_int_equal(node_query(n, "q").state, SL_QUERY_STOPPED);
    assert_int_equal(node_query(n, "q").last_batch, -1);
}

static void stop__at_a_boundary_commits_the_batch_that_runs_first(void **state)
{
    node *n = *state;
    five_files(n);
    n->slow_job = "run-tasks";
    n->slow_us = 2 * NODE_S;
    start(n, "");
    node_advance(n, 1 * NODE_S);
    sl_driver_stop(n->driver, false);
    node_advance(n, 20 * NODE_S);
    assert_int_equal(node_query(n, "q").state, SL_QUERY_STOPPED);
    assert_int_equal(node_query(n, "q").last_batch, 0);
}

static void start__refuses_the_name_of_an_active_query(void **state)
{
    node *n = *state;
    start(n, "TRIGGER PROCESSING TIME '1 second'");
    assert_false(node_sql(n, "CREATE STREAMING QUERY q CHECKPOINT LOCATION '/cp2' INTO "
                             "memory AS SELECT id FROM STREAM t"));
    assert_string_equal(n->error.condition, "QUERY_ALREADY_ACTIVE"); /* T25 */
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(processing_time__fires_at_once_and_then_at_multiples_since_the_epoch),
        T(processing_time__makes_up_an_overrun_with_one_batch_and_aligns_again),
        T(processing_time__without_data_uses_no_batch_number),
        T(default_trigger__runs_batches_back_to_back_and_polls_when_idle),
        T(once__takes_everything_in_one_batch_and_ends),
        T(once__runs_only_the_batch_left_uncommitted),
        T(available_now__reads_what_was_there_at_its_start_and_no_more),
        T(available_now__runs_the_batch_without_data_before_it_ends),
        T(stop__abandons_the_batch_that_runs_and_it_is_run_again),
        T(stop__at_a_boundary_commits_the_batch_that_runs_first),
        T(start__refuses_the_name_of_an_active_query),
    };
    sl_driver_register_options();
    return cmocka_run_group_tests_name("driver/trigger", tests, NULL, NULL);
}
