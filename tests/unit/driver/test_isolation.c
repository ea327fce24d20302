/* Promises about queries that share a cluster: one that fails for ever costs the others
 * neither rows nor time. */
#include "tests/unit/driver/node.h"

#define BATCHES 12
#define EVERY_US NODE_S

typedef struct run {
    bool has_failing;
    node n;
    sl_worker *more[2];
    sl_bytes rows[2];            /* of the two healthy queries, at the end */
    int64_t late_us[2][BATCHES]; /* from a file's arrival to its batch */
} run;

static void start_more_workers(run *r)
{
    for (uint32_t i = 0; i < 2; i++) {
        char address[8], work_dir[16];
        snprintf(address, sizeof address, "w%u", i + 2);
        snprintf(work_dir, sizeof work_dir, "/work%u", i + 2);
        sl_worker_config config = { .address = address,
                                    .driver_address = "driver",
                                    .slots = 2,
                                    .memory_bytes = INT64_MAX,
                                    .kv = &r->n.kv,
                                    .work_dir = work_dir,
                                    .heartbeat_us = 500000,
                                    .memory = r->n.memory };
        assert_int_equal(sl_worker_new(r->n.host, sl_local_network_of(r->n.network),
                                       &config, &r->more[i], NULL),
                         SL_OK);
    }
    node_advance(&r->n, NODE_S);
}

static void start_query(node *n, const char *name, const char *table)
{
    char sql[400];
    snprintf(
        sql, sizeof sql,
        "CREATE STREAMING QUERY %s OUTPUT MODE complete CHECKPOINT LOCATION '/cp-%s' "
        "INTO memory AS SELECT id, count(*) AS n FROM STREAM %s GROUP BY id",
        name, name, table);
    node_ok(n, sql);
}

static void await_batch(run *r, uint32_t query, int64_t batch, int64_t from_us)
{
    static const char *const names[] = { "q0", "q1" };
    node *n = &r->n;
    while (node_query(n, names[query]).last_batch < batch) {
        if (sl_host_mono_us(n->host) - from_us > 60 * NODE_S)
            fail_msg("%s waits for batch %lld", names[query], (long long)batch);
        assert_true(sl_host_virtual_step(n->host));
    }
    r->late_us[query][batch] = sl_host_mono_us(n->host) - from_us;
}

static void do_run(run *r)
{
    node *n = &r->n;
    node_new(n);
    start_more_workers(r);
    assert_int_equal(sl_fs_make_dirs(n->fs, "/bad", NULL), SL_OK);
    node_file(n, "/bad/1.json", "{\"id\":\"a\"}\n");
    node_ok(n, "CREATE TABLE t (id STRING) USING json OPTIONS (path '/in')");
    node_ok(n, "CREATE TABLE broken (id STRING) USING json OPTIONS (path '/bad')");
    sl_session_set_detached(n->session, true);
    if (r->has_failing) {
        node_ok(n, "SET sluice.streaming.attempts = 100");
        n->fault = (node_fault){ "open", "/bad/1.json", 0, UINT32_MAX, SL_EIO };
        start_query(n, "failing", "broken");
    }
    start_query(n, "q0", "t");
    start_query(n, "q1", "t");
    for (int64_t batch = 0; batch < BATCHES; batch++) {
        char path[32], text[64];
        snprintf(path, sizeof path, "/in/%02d.json", (int)batch);
        snprintf(text, sizeof text, "{\"id\":\"a\"}\n{\"id\":\"k%d\"}\n", (int)batch % 5);
        int64_t from_us = sl_host_mono_us(n->host);
        node_file(n, path, text);
        await_batch(r, 0, batch, from_us);
        await_batch(r, 1, batch, from_us);
        node_advance(n, from_us + EVERY_US - sl_host_mono_us(n->host));
    }
    for (uint32_t i = 0; i < 2; i++) {
        node_ok(n,
                i == 0 ? "SELECT * FROM q0 ORDER BY id" : "SELECT * FROM q1 ORDER BY id");
        sl_bytes_text(&r->rows[i], sl_bytes_cstr(&n->text));
    }
    if (r->has_failing) {
        assert_true(n->fault_hits > 5); /* it failed all the time */
        assert_int_equal(node_query(n, "failing").last_batch, -1);
    }
    n->killed = true; /* nothing of the clean-up counts */
    sl_worker_free(r->more[0]);
    sl_worker_free(r->more[1]);
    node_free(n);
}

static const char expected[] = "+---+---+\n"
                               "|id |n  |\n"
                               "+---+---+\n"
                               "|a  |12 |\n"
                               "|k0 |3  |\n"
                               "|k1 |3  |\n"
                               "|k2 |2  |\n"
                               "|k3 |2  |\n"
                               "|k4 |2  |\n"
                               "+---+---+\n";

/* Virtual time: what differs is order, not the machine. A task of the failing query may
 * be in front of one's own, no more. */
static void
query__that_fails_for_ever_leaves_the_others_their_rows_and_their_time(void **state)
{
    (void)state;
    static run alone, beside;
    alone = (run){ 0 };
    beside = (run){ .has_failing = true };
    do_run(&alone);
    do_run(&beside);
    for (uint32_t q = 0; q < 2; q++) {
        assert_string_equal(sl_bytes_cstr(&alone.rows[q]), expected);
        assert_string_equal(sl_bytes_cstr(&beside.rows[q]), expected);
        for (uint32_t i = 0; i < BATCHES; i++)
            if (beside.late_us[q][i] > alone.late_us[q][i] + 15 * NODE_MS)
                fail_msg("q%u, batch %u: %lld us, alone %lld us", q, i,
                         (long long)beside.late_us[q][i], (long long)alone.late_us[q][i]);
        sl_bytes_deinit(&alone.rows[q]);
        sl_bytes_deinit(&beside.rows[q]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            query__that_fails_for_ever_leaves_the_others_their_rows_and_their_time),
    };
    sl_driver_register_options();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
