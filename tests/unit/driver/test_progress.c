/* Promises of driver/progress.c: reports and status as spark.md 5.1 and 5.2 have them. */
#include "tests/unit/driver/node.h"

#include "checkpoint/inspect.h"

#define COUNTS                                                                           \
    "CREATE STREAMING QUERY q OUTPUT MODE update %s CHECKPOINT LOCATION '/cp' INTO "     \
    "memory AS SELECT window(ts, '10 seconds') AS w, count(*) AS n FROM STREAM t "       \
    "WATERMARK ts DELAY OF INTERVAL 5 SECONDS GROUP BY window(ts, '10 seconds')"

static void table(node *n)
{
    node_ok(n, "CREATE TABLE t (id STRING, ts TIMESTAMP) USING json "
               "OPTIONS (path '/in', maxFilesPerTrigger 1)");
}

static int set_up(void **state)
{
    static node n;
    node_new(&n);
    table(&n);
    node_file(&n, "/in/1.json",
              "{\"id\":\"a\",\"ts\":\"2020-01-01T00:00:01\"}\n"
              "{\"id\":\"b\",\"ts\":\"2020-01-01T00:00:02\"}\n"
              "{\"id\":\"a\",\"ts\":\"2020-01-01T00:00:33\"}\n");
    node_file(&n, "/in/2.json",
              "{\"id\":\"a\",\"ts\":\"2020-01-01T00:00:34\"}\n"
              "{\"id\":\"a\",\"ts\":\"2020-01-01T00:00:35\"}\n");
    *state = &n;
    return 0;
}

static int tear_down(void **state)
{
    node_free((node *)*state);
    return 0;
}

static void start(node *n, const char *trigger)
{
    char sql[512];
    snprintf(sql, sizeof sql, COUNTS, trigger);
    node_ok(n, sql);
}

/* A sink that may go on from a checkpoint. */
static void start_noop(node *n, const char *trigger)
{
    char sql[512];
    snprintf(sql, sizeof sql, COUNTS, trigger);
    memcpy(strstr(sql, "memory"), "noop  ", 6);
    node_ok(n, sql);
}

static const char *report(node *n, uint32_t i)
{
    const char *const *reports;
    int32_t q = sl_driver_query_find(n->driver, "q");
    uint32_t count = sl_driver_query_progress(n->driver, (uint32_t)q, &reports);
    assert_true(i < count);
    return reports[i];
}

static uint32_t report_count(node *n)
{
    const char *const *reports;
    int32_t q = sl_driver_query_find(n->driver, "q");
    return sl_driver_query_progress(n->driver, (uint32_t)q, &reports);
}

/* Each part in the report, in this order. */
static void assert_parts(const char *json, const char *const *parts)
{
    const char *at = json;
    for (; *parts != NULL; parts++) {
        const char *found = strstr(at, *parts);
        if (found == NULL)
            fail_msg("no %s (in its place) in %s", *parts, json);
        at = found + strlen(*parts);
    }
}

static void report__has_every_field_in_sparks_order(void **state)
{
    node *n = *state;
    n->slow_job = "commit-batch";
    n->slow_us = 500 * NODE_MS;
    start(n, "TRIGGER AVAILABLE NOW");
    sl_query_info info = node_query(n, "q");
    char id[64], run[64];
    snprintf(id, sizeof id, "{\"id\":\"%s\",", info.id);
    snprintf(run, sizeof run, "\"runId\":\"%s\",", info.run_id);
    const char *const parts[] = {
        id,
        run,
        "\"name\":\"q\",",
        "\"timestamp\":\"2020-01-01T00:00:00.500Z\",",
        "\"batchId\":1,",
        "\"batchDuration\":500,",
        "\"numInputRows\":2,",
        "\"inputRowsPerSecond\":4.0,",
        "\"processedRowsPerSecond\":4.0,",
        "\"durationMs\":{\"addBatch\":0,",
        "\"commitOffsets\":0,",
        "\"getBatch\":0,",
        "\"latestOffset\":0,",
        "\"queryPlanning\":0,",
        "\"runTasks\":0,",
        "\"sinkWrite\":0,",
        "\"storeState\":0,",
        "\"triggerExecution\":500,",
        "\"walCommit\":0},",
        "\"eventTime\":{\"avg\":\"2020-01-01T00:00:34.500Z\",",
        "\"max\":\"2020-01-01T00:00:35.000Z\",",
        "\"min\":\"2020-01-01T00:00:34.000Z\",",
        "\"watermark\":\"2020-01-01T00:00:28.000Z\"},",
        "\"stateOperators\":[{\"operatorName\":\"stateStoreSave\"",
        "\"numRowsTotal\":1,",
        "\"numRowsUpdated\":1,",
        "\"allUpdatesTimeMs\":0,",
        "\"numRowsRemoved\":1,",
        "\"allRemovalsTimeMs\":0,",
        "\"commitTimeMs\":0,",
        "\"memoryUsedBytes\":",
        "\"numRowsDroppedByWatermark\":0,",
        "\"numShufflePartitions\":3,",
        "\"numStateStoreInstances\":3,",
        "\"customMetrics\":{\"changedPartitions\":",
        "\"deltaBytes\":",
        "}}],\"sources\":[{\"description\":"
        "\"FileStreamSource[file:/in]\",",
        "\"startOffset\":{\"logOffset\":0},",
        "\"endOffset\":{\"logOffset\":1},",
        "\"latestOffset\":{\"logOffset\":1},",
        "\"numInputRows\":2,",
        "\"inputRowsPerSecond\":4.0,",
        "\"processedRowsPerSecond\":4.0}],",
        "\"sink\":{\"description\":\"MemorySink\","
        "\"numOutputRows\":1}}",
        NULL
    };
    assert_parts(report(n, 1), parts);
}

static void report__of_the_first_trigger_has_no_rate_of_input(void **state)
{
    node *n = *state;
    start(n, "TRIGGER AVAILABLE NOW");
    const char *first = report(n, 0);
    assert_contains(first, "\"numInputRows\":3,\"inputRowsPerSecond\":0.0,"); /* G1 */
    assert_contains(first, "\"processedRowsPerSecond\":3000.0,"); /* 1 ms at least */
    assert_contains(first, "\"startOffset\":null,\"endOffset\":{\"logOffset\":0}");
    assert_contains(first, "\"watermark\":\"1970-01-01T00:00:00.000Z\"");
}

static void report__of_a_batch_without_data_has_only_the_watermark(void **state)
{
    node *n = *state;
    start(n, "TRIGGER AVAILABLE NOW");
    const char *last = report(n, 2);
    assert_contains(last, "\"batchId\":2,"); /* G5 */
    assert_contains(last, "\"numInputRows\":0,\"inputRowsPerSecond\":0.0,");
    assert_contains(last, "\"eventTime\":{\"watermark\":\"2020-01-01T00:00:30.000Z\"}");
    assert_contains(last,
                    "\"startOffset\":{\"logOffset\":1},\"endOffset\":{\"logOffset\":"
                    "1}");
}

static void report__when_idle_comes_every_ten_seconds_and_keeps_the_totals(void **state)
{
    node *n = *state;
    start(n, "");
    node_advance(n, 1 * NODE_S);
    uint32_t batches = report_count(n);
    assert_int_equal(batches, 3);
    assert_int_equal(n->progress, batches);
    assert_int_equal(n->idle, 0);
    node_advance(n, 10 * NODE_S);
    assert_int_equal(report_count(n), batches + 1);
    assert_int_equal(n->progress, batches); /* G3: an idle event instead */
    assert_int_equal(n->idle, 1);
    const char *idle = report(n, batches);
    assert_contains(idle, "\"batchId\":3,");
    assert_contains(idle, "\"numInputRows\":0,");
    assert_contains(idle, "\"numRowsTotal\":1,\"numRowsUpdated\":0,");
    assert_contains(idle,
                    "\"startOffset\":{\"logOffset\":1},\"endOffset\":{\"logOffset\":"
                    "1}");
    assert_contains(idle, "\"numOutputRows\":0}");
    assert_lacks(idle, "addBatch");
    assert_lacks(idle, "walCommit");
    node_advance(n, 25 * NODE_S);
    assert_int_equal(n->idle, 3);
}

static void report__of_the_first_idle_trigger_is_no_event(void **state)
{
    node *n = *state;
    start_noop(n, "TRIGGER AVAILABLE NOW");
    node_restart(n);
    table(n);
    n->idle = n->progress = 0;
    start_noop(n, "TRIGGER PROCESSING TIME '1 minute'");
    node_advance(n, 1 * NODE_S);
    assert_int_equal(report_count(n), 1);
    assert_int_equal(n->idle + n->progress, 0);
    /* What the state holds is known from the commit. */
    assert_contains(report(n, 0), "\"numRowsTotal\":1,\"numRowsUpdated\":0,");
    assert_lacks(report(n, 0), "\"memoryUsedBytes\":0");
}

static void report__rides_in_the_commit_and_outlives_the_process(void **state)
{
    node *n = *state;
    start(n, "TRIGGER AVAILABLE NOW");
    node_restart(n);
    sl_arena *arena = sl_arena_new();
    const char *const *reports;
    uint32_t count;
    assert_int_equal(
        sl_checkpoint_progress(n->fs, &n->kv, "/cp", 0, arena, &reports, &count, NULL),
        SL_OK);
    assert_int_equal(count, 3);
    assert_contains(reports[1], "\"batchId\":1,");
    assert_contains(reports[1], "\"numInputRows\":2,");
    assert_contains(reports[1], "\"addBatch\":");
    assert_lacks(reports[1], "commitOffsets"); /* not known yet */
    sl_arena_free(arena);
}

static void report__of_a_recovered_batch_shows_its_journalled_offsets(void **state)
{
    node *n = *state;
    n->failpoint = "driver.commit";
    n->kill_at = 2;
    char sql[512];
    snprintf(sql, sizeof sql, COUNTS, "TRIGGER AVAILABLE NOW");
    memcpy(strstr(sql, "memory"), "noop  ", 6);
    assert_false(node_sql(n, sql));
    node_restart(n);
    n->failpoint = NULL;
    table(n);
    node_ok(n, sql);
    assert_contains(report(n, 0), "\"batchId\":1,");
    assert_contains(report(n, 0), "\"numInputRows\":2,");
    assert_contains(report(n, 0),
                    "\"startOffset\":{\"logOffset\":0},\"endOffset\":{\"logOffset\":1}");
    assert_lacks(report(n, 0), "walCommit"); /* it was planned in another life */
}

static void reports__kept_are_as_many_as_the_setting_says(void **state)
{
    node *n = *state;
    node_ok(n, "SET spark.sql.streaming.numRecentProgressUpdates = 2");
    start(n, "TRIGGER AVAILABLE NOW");
    assert_int_equal(report_count(n), 2);
    assert_contains(report(n, 1), "\"batchId\":2,");
    assert_string_equal(node_query(n, "q").last_progress, report(n, 1));
}

static void status__says_what_the_query_is_doing(void **state)
{
    node *n = *state;
    n->slow_job = "plan-batch";
    n->slow_us = 1 * NODE_S;
    start(n, "");
    node_advance(n, 100 * NODE_MS);
    assert_string_equal(node_query(n, "q").message,
                        "Getting offsets from FileStreamSource[file:/in]");
    assert_true(node_query(n, "q").is_trigger_active);
    n->slow_job = "run-tasks";
    node_advance(n, 1000 * NODE_MS);
    assert_string_equal(node_query(n, "q").message, "Processing new data");
    assert_true(node_query(n, "q").is_data_available);
    n->slow_job = NULL;
    node_advance(n, 5 * NODE_S);
    assert_string_equal(node_query(n, "q").message, "Waiting for data to arrive");
    assert_false(node_query(n, "q").is_trigger_active);
    assert_false(node_query(n, "q").is_data_available);
    sl_driver_query_stop(n->driver, 0, false);
    node_advance(n, 100 * NODE_MS);
    assert_string_equal(node_query(n, "q").message, "Stopped");
}

static void status__of_a_failed_query_names_the_cause(void **state)
{
    node *n = *state;
    node_ok(n, "SET sluice.streaming.attempts = 1");
    n->fault = (node_fault){ "open", "/in/1.json", 0, 100, SL_EIO };
    char sql[512];
    snprintf(sql, sizeof sql, COUNTS, "TRIGGER AVAILABLE NOW");
    assert_false(node_sql(n, sql));
    assert_contains(node_query(n, "q").message, "Terminated with exception: injected:");
    assert_int_equal(n->terminated, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(report__has_every_field_in_sparks_order),
        T(report__of_the_first_trigger_has_no_rate_of_input),
        T(report__of_a_batch_without_data_has_only_the_watermark),
        T(report__when_idle_comes_every_ten_seconds_and_keeps_the_totals),
        T(report__of_the_first_idle_trigger_is_no_event),
        T(report__rides_in_the_commit_and_outlives_the_process),
        T(report__of_a_recovered_batch_shows_its_journalled_offsets),
        T(reports__kept_are_as_many_as_the_setting_says),
        T(status__says_what_the_query_is_doing),
        T(status__of_a_failed_query_names_the_cause),
    };
    sl_driver_register_options();
    return cmocka_run_group_tests_name("driver/progress", tests, NULL, NULL);
}
