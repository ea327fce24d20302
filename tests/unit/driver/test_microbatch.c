/* Promises of driver/microbatch.c and stream_open.c: any one failing file operation of a
 * query's life changes nothing in what comes out; retries and their limits; kills between
 * the steps. */
#include "tests/unit/driver/node.h"

#define QUERY                                                                            \
    "CREATE STREAMING QUERY q OUTPUT MODE append TRIGGER AVAILABLE NOW "                 \
    "CHECKPOINT LOCATION '/cp' INTO json OPTIONS (path '/out') AS "                      \
    "SELECT window(ts, '10 seconds').start AS s, id, count(*) AS n FROM STREAM t "       \
    "WATERMARK ts DELAY OF INTERVAL 5 SECONDS GROUP BY window(ts, '10 seconds'), id"
#define CONSOLE                                                                          \
    "CREATE STREAMING QUERY q TRIGGER AVAILABLE NOW CHECKPOINT LOCATION '/cp' "          \
    "INTO console AS SELECT id FROM STREAM t"

static void tables(node *n)
{
    node_ok(n, "CREATE TABLE t (id STRING, ts TIMESTAMP) USING json "
               "OPTIONS (path '/in', maxFilesPerTrigger 1, mode 'FAILFAST')");
    node_ok(n, "CREATE TABLE o (s TIMESTAMP, id STRING, n BIGINT) USING json "
               "OPTIONS (path '/out')");
}

static void input(node *n)
{
    node_file(n, "/in/1.json",
              "{\"id\":\"a\",\"ts\":\"2020-01-01T00:00:01\"}\n"
              "{\"id\":\"b\",\"ts\":\"2020-01-01T00:00:02\"}\n"
              "{\"id\":\"a\",\"ts\":\"2020-01-01T00:00:03\"}\n");
    node_file(n, "/in/2.json",
              "{\"id\":\"a\",\"ts\":\"2020-01-01T00:00:09\"}\n"
              "{\"id\":\"a\",\"ts\":\"2020-01-01T00:00:20\"}\n");
    node_file(n, "/in/3.json",
              "{\"id\":\"b\",\"ts\":\"2020-01-01T00:00:40\"}\n"
              "{\"id\":\"a\",\"ts\":\"2020-01-01T00:00:01\"}\n");
    /* Late: the batch before had moved the watermark past it. */
    node_file(n, "/in/4.json", "{\"id\":\"b\",\"ts\":\"2020-01-01T00:00:02\"}\n");
}

static const char expected[] = "+-------------------+---+---+\n"
                               "|s                  |id |n  |\n"
                               "+-------------------+---+---+\n"
                               "|2020-01-01 00:00:00|a  |4  |\n"
                               "|2020-01-01 00:00:00|b  |1  |\n"
                               "|2020-01-01 00:00:20|a  |1  |\n"
                               "+-------------------+---+---+\n";

static void assert_output(node *n, const char *when)
{
    node_ok(n, "SELECT * FROM o ORDER BY s, id");
    if (strcmp(sl_bytes_cstr(&n->text), expected) != 0)
        fail_msg("%s: the output is\n%s", when, sl_bytes_cstr(&n->text));
}

static int set_up(void **state)
{
    static node n;
    node_new(&n);
    tables(&n);
    input(&n);
    *state = &n;
    return 0;
}

static int tear_down(void **state)
{
    node_free((node *)*state);
    return 0;
}

/* ---- each file operation fails once ---- */

/* False: fewer than skip operations match. */
static bool run_with_failure(const char *path, sl_code code, uint32_t skip)
{
    node n;
    char when[128];
    snprintf(when, sizeof when, "failure of operation %u on %s", skip, path);
    node_new(&n);
    tables(&n);
    input(&n);
    node_ok(&n, "SET sluice.streaming.attempts = 2"); /* one failure costs one try */
    n.fault = (node_fault){ .path = path, .skip = skip, .times = 1, .code = code };
    if (!node_sql(&n, QUERY)) {
        /* Opening a checkpoint for the first time is not retried: the user is there. */
        if (strstr(n.error.text, "injected") == NULL)
            fail_msg("%s: %s", when, n.error.text);
        n.fault.times = 0;
        if (!node_sql(&n, QUERY))
            fail_msg("%s, run again: %s", when, n.error.text);
    }
    bool hit = n.fault_hits > 0;
    n.fault.times = 0;
    assert_output(&n, when);
    node_free(&n);
    return hit;
}

static void sweep(const char *path, sl_code code)
{
    uint32_t skip = 0;
    while (run_with_failure(path, code, skip))
        skip++;
    assert_true(skip > 10); /* the sweep met something */
}

static void batch__survives_any_one_failing_operation_on_the_checkpoint(void **state)
{
    (void)state;
    sweep("/cp", SL_EIO);
}

static void batch__survives_any_one_full_disk_on_the_output(void **state)
{
    (void)state;
    sweep("/out", SL_ENOSPACE);
}

/* ---- kills between the steps ---- */

static void batch__killed_at_any_step_shows_each_row_once(void **state)
{
    static const char *const steps[] = {
        "driver.task.send",      "driver.commit",     "journal.offsets",
        "journal.offsets.after", "journal.epoch",     "journal.commit.before",
        "journal.commit.after",  "journal.head",      "driver.committed.before",
        "driver.publish",        "worker.task.start", "worker.state.open",
        "worker.done.before",    "worker.done.after",
    };
    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        for (uint32_t at = 1; at <= 4; at++) {
            node n;
            char when[128];
            snprintf(when, sizeof when, "killed at %s the %u. time", steps[i], at);
            node_new(&n);
            tables(&n);
            input(&n);
            n.failpoint = steps[i];
            n.kill_at = at;
            (void)node_sql(&n, QUERY);
            if (n.failpoint_hits == 0)
                fail_msg("%s is never passed", steps[i]);
            n.failpoint = NULL;
            node_restart(&n);
            tables(&n);
            if (!node_sql(&n, QUERY))
                fail_msg("%s, run again: %s", when, n.error.text);
            assert_output(&n, when);
            node_free(&n);
        }
    }
}

static size_t staged_count(node *n)
{
    sl_dir_entry *entries = NULL;
    size_t count = 0;
    if (sl_fs_list(n->fs, "/out/.sluice-staging", &entries, &count, NULL) == SL_OK)
        sl_fs_entries_free(entries, count);
    return count;
}

static void clean_up__that_failed_is_done_after_the_next_batch(void **state)
{
    static const char query[] =
        "CREATE STREAMING QUERY q TRIGGER AVAILABLE NOW CHECKPOINT LOCATION '/cp' "
        "INTO json OPTIONS (path '/out') AS SELECT id FROM STREAM t";
    node *n = *state;
    node_ok(n, "SET sluice.sink.inlineOutput = false");
    n->failpoint = "worker.done.before";
    n->kill_at = 1;
    assert_false(node_sql(n, query));
    n->failpoint = NULL;
    node_restart(n);
    assert_true(staged_count(n) > 0); /* by the attempt that died */
    tables(n);
    node_ok(n, "SET sluice.sink.inlineOutput = false");
    n->fault = (node_fault){ "remove", "/out/.sluice-staging", 0, 1, SL_EIO };
    node_ok(n, query);
    assert_int_equal(n->fault_hits, 1);
    assert_int_equal(staged_count(n), 0);
}

/* ---- retries ---- */

static void retry__tries_four_times_with_growing_pauses(void **state)
{
    node *n = *state;
    n->fault = (node_fault){ "open", "/in/1.json", 0, 3, SL_EIO };
    int64_t from = sl_host_mono_us(n->host);
    node_ok(n, QUERY);
    assert_int_equal(n->fault_hits, 3);
    assert_true(sl_host_mono_us(n->host) - from >= (100 + 200 + 400) * NODE_MS);
    assert_true(sl_host_mono_us(n->host) - from < 1000 * NODE_MS);
    assert_output(n, "after three failures");
}

static void retry__gives_up_after_the_fourth_with_the_cause(void **state)
{
    node *n = *state;
    n->fault = (node_fault){ "open", "/in/2.json", 0, 100, SL_EIO };
    assert_false(node_sql(n, QUERY));
    assert_int_equal(n->fault_hits, 4);
    assert_contains(n->error.text, "injected: open /in/2.json");
    assert_contains(n->error.text, "tried 4 times");
    assert_string_equal(n->error.condition, "STREAM_FAILED");
    assert_int_equal(node_query(n, "q").state, SL_QUERY_FAILED);
    assert_int_equal(node_query(n, "q").last_batch, 0); /* what was committed stays */
    n->fault.times = 0;
    node_ok(n, QUERY);
    assert_output(n, "after the cause is gone");
}

static void retry__counts_every_step_until_something_is_committed(void **state)
{
    node *n = *state;
    /* Each try plans or recovers well and fails at the sink. */
    n->print_code = SL_EIO;
    int64_t from = sl_host_mono_us(n->host);
    assert_false(node_sql(n, CONSOLE));
    assert_contains(n->error.text, "nobody reads the console");
    assert_contains(n->error.text, "tried 4 times");
    assert_true(sl_host_mono_us(n->host) - from < 1000 * NODE_MS);
    n->print_code = SL_OK;
    node_ok(n, CONSOLE);
    assert_contains(sl_bytes_cstr(&n->console), "Batch: 3");
}

static void retry__is_not_for_errors_of_the_data(void **state)
{
    node *n = *state;
    node_file(n, "/in/5.json", "{\"id\":\"a\",\"ts\":nonsense\n");
    int64_t from = sl_host_mono_us(n->host);
    assert_false(node_sql(n, QUERY));
    assert_contains(n->error.text, "/in/5.json");
    assert_lacks(n->error.text, "tried");
    assert_true(sl_host_mono_us(n->host) - from < 100 * NODE_MS);
    assert_int_equal(node_query(n, "q").last_batch, 3);
}

static void plan__stops_at_a_planned_file_that_is_gone(void **state)
{
    node *n = *state;
    n->failpoint = "driver.task.send";
    n->kill_at = 2;
    assert_false(node_sql(n, QUERY));
    node_restart(n);
    n->failpoint = NULL;
    tables(n);
    assert_int_equal(sl_fs_remove(n->fs, "/in/2.json", NULL), SL_OK);
    assert_false(node_sql(n, QUERY));
    assert_contains(n->error.text, "/in/2.json was planned and is gone");
}

static void console__whose_reader_has_gone_ends_the_query_without_an_error(void **state)
{
    node *n = *state;
    n->print_code = SL_ECANCELLED;
    node_ok(n, CONSOLE);
    assert_int_equal(node_query(n, "q").state, SL_QUERY_STOPPED);
    assert_int_equal(node_query(n, "q").last_batch, -1); /* it is not committed */
}

static void console__shows_a_batch_again_if_the_commit_did_not_come(void **state)
{
    node *n = *state;
    n->failpoint = "driver.commit";
    n->kill_at = 1;
    assert_false(node_sql(n, CONSOLE));
    node_restart(n);
    n->failpoint = NULL;
    tables(n);
    node_ok(n, CONSOLE);
    const char *again = strstr(sl_bytes_cstr(&n->console), "Batch: 0");
    assert_non_null(again);
    assert_non_null(strstr(again + 1, "Batch: 0")); /* class D: the same rows again */
    assert_null(strstr(strstr(again + 1, "Batch: 0") + 1, "Batch: 0"));
    assert_non_null(strstr(again, "Batch: 2"));
}

static void worker__that_comes_later_gets_the_batch_that_waits(void **state)
{
    (void)state;
    node n = { .wall_us = NODE_WALL_US };
    node_new(&n);
    node_kill(&n);
    n.no_worker = true;
    node_start(&n);
    tables(&n);
    input(&n);
    node_begin(&n, QUERY);
    node_advance(&n, 10 * NODE_S);
    assert_false(n.answered);
    assert_int_equal(node_query(&n, "q").state, SL_QUERY_RUNNING);
    node_start_worker(&n);
    assert_true(node_run_until(&n, &n.answered, 10 * NODE_S));
    assert_output(&n, "with a late worker");
    node_free(&n);
}

/* What a file system does whose locks expire: we were stopped, another took the lock. */
static void lose_lock(node *n)
{
    static const char holder[] = "process 99 (another driver)";
    sl_file *f;
    assert_int_equal(sl_fs_open(n->fs, "/cp/LOCK", SL_OPEN_WRITE, &f, NULL), SL_OK);
    assert_int_equal(sl_file_truncate(f, 0, NULL), SL_OK);
    assert_int_equal(sl_file_write_at(f, 0, holder, strlen(holder), NULL), SL_OK);
    sl_file_close(f);
}

static void taken_over__driver_commits_and_publishes_nothing_more(void **state)
{
    static const char *const steps[] = { "driver.task.send", "driver.committed.before" };
    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        node n;
        node_new(&n);
        tables(&n);
        input(&n);
        n.failpoint = steps[i];
        n.failpoint_hits = 0;
        n.act = lose_lock;
        n.act_at = 3; /* the first batch that has output */
        node_begin(&n, QUERY);
        assert_true(node_run_until(&n, &n.answered, 600 * NODE_S));
        assert_int_equal(n.kind, SL_ANSWER_ERROR);
        assert_int_equal(n.error.code, SL_EFENCED);
        assert_contains(n.error.text, "process 99 (another driver)");
        n.failpoint = NULL;
        assert_int_equal(node_query(&n, "q").last_batch, i == 0 ? 1 : 2);
        node_ok(&n, "SELECT * FROM o");
        assert_int_equal(n.row_count, 0); /* batch 2 is committed, and not published */
        node_restart(&n);
        tables(&n);
        node_ok(&n, QUERY);
        assert_output(&n, steps[i]);
        node_free(&n);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch__survives_any_one_failing_operation_on_the_checkpoint),
        cmocka_unit_test(batch__survives_any_one_full_disk_on_the_output),
        cmocka_unit_test(batch__killed_at_any_step_shows_each_row_once),
        T(clean_up__that_failed_is_done_after_the_next_batch),
        T(retry__tries_four_times_with_growing_pauses),
        T(retry__gives_up_after_the_fourth_with_the_cause),
        T(retry__counts_every_step_until_something_is_committed),
        T(retry__is_not_for_errors_of_the_data),
        T(plan__stops_at_a_planned_file_that_is_gone),
        T(taken_over__driver_commits_and_publishes_nothing_more),
        T(console__whose_reader_has_gone_ends_the_query_without_an_error),
        T(console__shows_a_batch_again_if_the_commit_did_not_come),
        cmocka_unit_test(worker__that_comes_later_gets_the_batch_that_waits),
    };
    sl_driver_register_options();
    return cmocka_run_group_tests_name("driver/microbatch", tests, NULL, NULL);
}
