/* Promises of driver/client_service.h across the lives of a driver, over the real
 * protocol: what a client asks again is not done twice, and what it is told of queries is
 * true from the first answer on. */
#include "tests/unit/driver/node.h"

#include "proto/client_messages.h"
#include "transport/channel.h"

#define CLIENT_INCARNATION 77u

typedef struct fixture {
    node n; /* first */
    sl_channel *channel;
    uint64_t welcomes, answer_id;
    sl_error answer;
    char names[256]; /* of queries in the last answer, with their ids */
    char text[64];   /* of the last answer */
    bool is_welcome, is_answered;
} fixture;

static void on_message(void *user, const char *from, uint64_t incarnation, sl_blob *frame)
{
    fixture *f = (fixture *)user;
    sl_arena *arena = sl_arena_new();
    sl_cmsg m;
    (void)from;
    (void)incarnation;
    assert_int_equal(sl_cmsg_decode(sl_blob_span(frame), arena, &m, NULL), SL_OK);
    if (m.kind == SL_CMSG_WELCOME) {
        assert_int_equal(m.u.welcome.error.code, 0);
        f->is_welcome = true;
        f->welcomes++;
    } else if (m.kind == SL_CMSG_ANSWER) {
        const sl_cmsg_answer *a = &m.u.answer;
        f->is_answered = true;
        f->answer_id = a->id;
        f->answer = (sl_error){ 0 };
        if (a->error.code != 0)
            (void)sl_fail_as(&f->answer, (sl_code)a->error.code, a->error.condition,
                             a->error.sqlstate, "%s", a->error.text);
        snprintf(f->text, sizeof f->text, "%s", a->text != NULL ? a->text : "");
        f->names[0] = '\0';
        for (uint32_t i = 0; i < a->query_count; i++)
            snprintf(f->names + strlen(f->names), sizeof f->names - strlen(f->names),
                     "%s%s ", a->queries[i].name, *a->queries[i].id == '\0' ? "?" : "");
    }
    sl_arena_free(arena);
}

static void say(fixture *f, const sl_cmsg *m)
{
    sl_bytes frame = { 0 };
    sl_cmsg_encode(m, &frame);
    assert_int_equal(sl_channel_send(f->channel, "driver", sl_bytes_span(&frame), NULL),
                     SL_OK);
    sl_bytes_deinit(&frame);
}

static void connect(fixture *f)
{
    sl_channel_callbacks callbacks = { .on_message = on_message, .user = f };
    sl_cmsg m = { .kind = SL_CMSG_HELLO };
    m.u.hello = (sl_cmsg_hello){ .incarnation = CLIENT_INCARNATION,
                                 .protocol_version = SL_CLIENT_PROTOCOL_VERSION,
                                 .user = "",
                                 .directory = "" };
    f->is_welcome = false;
    assert_int_equal(sl_channel_new(f->n.host, sl_local_network_of(f->n.network),
                                    "client", CLIENT_INCARNATION, callbacks, &f->channel,
                                    NULL),
                     SL_OK);
    say(f, &m);
    assert_true(node_run_until(&f->n, &f->is_welcome, 10 * NODE_S));
}

/* False: no answer, the driver died. */
static bool ask(fixture *f, uint64_t id, sl_request_kind kind, const char *text)
{
    sl_cmsg m = { .kind = SL_CMSG_REQUEST };
    m.u.request = (sl_cmsg_request){ .id = id,
                                     .kind = kind,
                                     .text = text,
                                     .name = "",
                                     .flag = true,
                                     .line = 1,
                                     .column = 1 };
    f->is_answered = false;
    say(f, &m);
    if (!node_run_until(&f->n, &f->is_answered, 60 * NODE_S))
        return false;
    assert_int_equal(f->answer_id, id);
    return true;
}

static void tell(fixture *f, uint64_t id, const char *sql)
{
    assert_true(ask(f, id, SL_REQUEST_EXECUTE, sql));
    if (f->answer.code != SL_OK)
        fail_msg("%s: %s", sql, f->answer.text);
}

static void restart_driver(fixture *f)
{
    sl_channel_free(f->channel);
    f->channel = NULL;
    node_restart(&f->n);
}

static int set_up(void **state)
{
    fixture *f = (fixture *)sl_calloc(1, sizeof *f);
    node_new(&f->n);
    node_file(&f->n, "/in/a.json", "{\"k\":\"a\"}\n");
    f->n.directory = "/driver";
    node_restart(&f->n);
    connect(f);
    tell(f, 1, "CREATE TABLE t (k STRING) USING json OPTIONS (path '/in')");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = (fixture *)*state;
    sl_channel_free(f->channel);
    node_free(&f->n);
    sl_free(f);
    return 0;
}

#define CREATE                                                                           \
    "CREATE STREAMING QUERY q TRIGGER PROCESSING TIME '1 second' CHECKPOINT LOCATION "   \
    "'/cp' INTO noop AS SELECT k FROM STREAM t"

static void create__asked_again_of_the_next_driver_is_the_query_it_resumed(void **state)
{
    fixture *f = (fixture *)*state;
    f->n.failpoint = "driver.registry.put";
    f->n.kill_at = 1;
    assert_false(ask(f, 2, SL_REQUEST_EXECUTE, CREATE)); /* taken, and never answered */
    f->n.failpoint = NULL;
    restart_driver(f);
    connect(f);
    tell(f, 2, CREATE);
    assert_int_equal(sl_driver_query_count(f->n.driver), 1);
    assert_true(node_query(&f->n, "q").owner != 0); /* its console is the client's */
    /* The same words under another number are another request. */
    tell(f, 3, "CREATE TABLE t (k STRING) USING json OPTIONS (path '/in')");
    assert_true(ask(f, 4, SL_REQUEST_EXECUTE, CREATE));
    assert_string_equal(f->answer.condition, "QUERY_ALREADY_ACTIVE");
}

static void create__that_no_driver_had_taken_starts_the_query(void **state)
{
    fixture *f = (fixture *)*state;
    f->n.failpoint = "driver.statement";
    f->n.failpoint_hits = 0;
    f->n.kill_at = 1;
    assert_false(ask(f, 2, SL_REQUEST_EXECUTE, CREATE));
    f->n.failpoint = NULL;
    restart_driver(f);
    connect(f);
    assert_int_equal(sl_driver_query_count(f->n.driver), 0);
    tell(f, 3, "CREATE TABLE t (k STRING) USING json OPTIONS (path '/in')");
    tell(f, 2, CREATE);
    assert_int_equal(sl_driver_queries_active(f->n.driver), 1);
}

static void welcome__comes_when_every_query_of_the_registry_is_listed(void **state)
{
    fixture *f = (fixture *)*state;
    tell(f, 2, CREATE);
    tell(f, 3,
         "CREATE STREAMING QUERY r TRIGGER PROCESSING TIME '1 second' INTO noop AS "
         "SELECT k FROM STREAM t");   /* with a temporary checkpoint */
    f->n.slow_job = "plan-statement"; /* resuming takes a while */
    f->n.slow_us = 2 * NODE_S;
    restart_driver(f);
    int64_t before = sl_host_mono_us(f->n.host);
    connect(f);
    assert_true(sl_host_mono_us(f->n.host) - before >= 2 * NODE_S);
    assert_true(ask(f, 4, SL_REQUEST_QUERIES, ""));
    assert_contains(f->names, "q ");
    assert_contains(f->names, "r ");
    assert_lacks(f->names, "?"); /* to be attached to by id */
    /* A query that starts now gets a temporary checkpoint of its own. */
    f->n.slow_job = NULL;
    tell(f, 5, "CREATE TABLE t (k STRING) USING json OPTIONS (path '/in')");
    tell(f, 6,
         "CREATE STREAMING QUERY s TRIGGER PROCESSING TIME '1 second' INTO noop AS "
         "SELECT k FROM STREAM t");
    assert_string_not_equal(node_query(&f->n, "r").checkpoint,
                            node_query(&f->n, "s").checkpoint);
}

static void resume__waits_for_a_disk_that_fails_for_a_moment(void **state)
{
    fixture *f = (fixture *)*state;
    tell(f, 2, CREATE);
    restart_driver(f);
    f->n.fault = (node_fault){ .path = "/cp/journal", .times = 1, .code = SL_EIO };
    connect(f);
    node_advance(&f->n, 60 * NODE_S);
    assert_int_equal(f->n.fault_hits, 1);
    assert_int_equal(sl_driver_queries_active(f->n.driver), 1);
}

/* A memory table dies with its driver: there a DROP of it would fail, and with it the
 * query's return. */
static void resume__drops_no_memory_table_again(void **state)
{
    fixture *f = (fixture *)*state;
    tell(f, 2,
         "CREATE STREAMING QUERY m TRIGGER ONCE INTO memory AS SELECT k FROM STREAM t");
    node_advance(&f->n, 10 * NODE_S);
    tell(f, 3, "DROP TABLE m");
    tell(f, 4, CREATE);
    restart_driver(f);
    connect(f);
    node_advance(&f->n, 10 * NODE_S);
    assert_int_equal(sl_driver_queries_active(f->n.driver), 1);
}

static void resume__that_fails_leaves_the_query_to_the_driver_after_it(void **state)
{
    fixture *f = (fixture *)*state;
    tell(f, 2, CREATE);
    restart_driver(f);
    f->n.fault = (node_fault){ .path = "/cp/journal", .times = 1000, .code = SL_EIO };
    connect(f);
    node_advance(&f->n, 600 * NODE_S);
    assert_int_equal(node_query(&f->n, "q").state, SL_QUERY_FAILED);
    f->n.fault = (node_fault){ 0 };
    restart_driver(f);
    connect(f);
    node_advance(&f->n, 10 * NODE_S);
    assert_int_equal(sl_driver_queries_active(f->n.driver), 1);
}

static void resume__refuses_a_checkpoint_that_has_gone(void **state)
{
    fixture *f = (fixture *)*state;
    tell(f, 2, CREATE);
    assert_int_equal(sl_fs_remove_tree(f->n.fs, "/cp", NULL), SL_OK);
    restart_driver(f);
    connect(f);
    node_advance(&f->n, 10 * NODE_S);
    sl_query_info q = node_query(&f->n, "q");
    assert_int_equal(q.state, SL_QUERY_FAILED);
    assert_contains(q.error->text, "/cp");
    assert_contains(q.error->text, "has gone");
    tell(f, 3, "STOP STREAMING QUERY q");
    node_advance(&f->n, NODE_S);
    restart_driver(f);
    connect(f);
    assert_int_equal(sl_driver_query_count(f->n.driver), 0);
}

static void
shut_down__keeps_the_temporary_checkpoint_of_a_query_to_be_resumed(void **state)
{
    fixture *f = (fixture *)*state;
    tell(f, 2,
         "CREATE STREAMING QUERY r TRIGGER PROCESSING TIME '1 second' INTO noop AS "
         "SELECT k FROM STREAM t");
    node_advance(&f->n, 5 * NODE_S);
    assert_int_equal(node_query(&f->n, "r").last_batch, 0);
    sl_driver_shut_down(f->n.driver, false);
    node_advance(&f->n, 5 * NODE_S);
    assert_int_equal(sl_driver_queries_active(f->n.driver), 0);
    sl_driver_free(f->n.driver); /* as the process does, alive: its files are removed */
    f->n.driver = NULL;
    restart_driver(f);
    connect(f);
    node_advance(&f->n, 5 * NODE_S);
    assert_int_equal(node_query(&f->n, "r").last_batch, 0); /* not from the beginning */
}

/* ---- process all ---- */

static void want_all(fixture *f, uint64_t id, int64_t timeout_ms)
{
    sl_cmsg m = { .kind = SL_CMSG_REQUEST };
    m.u.request = (sl_cmsg_request){ .id = id,
                                     .kind = SL_REQUEST_PROCESS_ALL,
                                     .text = "",
                                     .name = "q",
                                     .number = timeout_ms };
    f->is_answered = false;
    say(f, &m);
}

/* Without a tick of its own it looks at once; with one it waits for that, as Spark. */
static void process_all__waits_for_the_tick_of_a_trigger_that_has_one(void **state)
{
    fixture *f = (fixture *)*state;
    tell(f, 2, CREATE);
    want_all(f, 3, -1);
    assert_true(node_run_until(&f->n, &f->is_answered, 10 * NODE_S));
    assert_int_equal(node_query(&f->n, "q").last_batch, 0);
    node_file(&f->n, "/in/b.json", "{\"k\":\"b\"}\n");
    int64_t asked = sl_host_wall_us(f->n.host);
    want_all(f, 4, -1);
    assert_true(node_run_until(&f->n, &f->is_answered, 10 * NODE_S));
    assert_string_equal(f->text, "true");
    assert_int_equal(node_query(&f->n, "q").last_batch, 1);
    assert_true(sl_host_wall_us(f->n.host) / NODE_S > asked / NODE_S);
}

static void process_all__that_is_over_in_time_says_so_and_may_be_asked_again(void **state)
{
    fixture *f = (fixture *)*state;
    tell(f, 2, CREATE);
    want_all(f, 3, 0);
    assert_true(node_run_until(&f->n, &f->is_answered, 10 * NODE_S));
    assert_int_equal(f->answer_id, 3);
    assert_string_equal(f->text, "false");
    want_all(f, 4, 60000);
    assert_true(node_run_until(&f->n, &f->is_answered, 10 * NODE_S));
    assert_int_equal(f->answer_id, 4);
    assert_string_equal(f->text, "true");
}

/* There is nobody to answer, and nothing is kept of the client. */
static void process_all__of_a_client_that_left_harms_nothing(void **state)
{
    fixture *f = (fixture *)*state;
    sl_cmsg bye = { .kind = SL_CMSG_BYE };
    tell(f, 2, CREATE);
    want_all(f, 3, -1);
    want_all(f, 4, 1000);
    say(f, &bye);
    node_advance(&f->n, 5 * NODE_S);
    assert_false(f->is_answered);
    assert_int_equal(node_query(&f->n, "q").last_batch, 0);
}

/* The query's end in this life is not its end: the next driver is asked. */
static void process_all__is_not_answered_by_a_driver_that_goes_down(void **state)
{
    fixture *f = (fixture *)*state;
    tell(f, 2, CREATE);
    want_all(f, 3, -1);
    node_advance(&f->n, NODE_MS); /* it is asked, and the next tick is far */
    assert_false(f->is_answered);
    sl_driver_shut_down(f->n.driver, true);
    node_advance(&f->n, NODE_S);
    assert_int_equal(node_query(&f->n, "q").state, SL_QUERY_STOPPED);
    assert_false(f->is_answered);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(create__asked_again_of_the_next_driver_is_the_query_it_resumed),
        T(create__that_no_driver_had_taken_starts_the_query),
        T(welcome__comes_when_every_query_of_the_registry_is_listed),
        T(resume__waits_for_a_disk_that_fails_for_a_moment),
        T(resume__drops_no_memory_table_again),
        T(resume__that_fails_leaves_the_query_to_the_driver_after_it),
        T(resume__refuses_a_checkpoint_that_has_gone),
        T(shut_down__keeps_the_temporary_checkpoint_of_a_query_to_be_resumed),
        T(process_all__waits_for_the_tick_of_a_trigger_that_has_one),
        T(process_all__that_is_over_in_time_says_so_and_may_be_asked_again),
        T(process_all__of_a_client_that_left_harms_nothing),
        T(process_all__is_not_answered_by_a_driver_that_goes_down),
    };
    sl_driver_register_options();
    return cmocka_run_group_tests_name("driver/client_service", tests, NULL, NULL);
}
