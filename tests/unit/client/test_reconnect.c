/* Promises of client/api/connection.c and session.c when the driver dies and another
 * comes, against a scripted driver behind a real socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/host.h"
#include "driver/driver.h"
#include "proto/client_messages.h"
#include "sluice/sluice.h"
#include "transport/channel.h"
#include "transport/link_zmq.h"

/* What the driver does with a statement it knows: the first rule whose text is in it. */
typedef struct rule {
    const char *text;
    enum { DIE, DIE_AND_STAY_AWAY, REFUSE, NOT_FOUND, FORGET_CLIENT } what;
    uint32_t skip, times;
} rule;

typedef struct driver {
    char address[64];
    sl_host *host;
    sl_zmq_network *network;
    sl_channel *channel;
    pthread_t thread;
    bool stop;
    bool is_client_known;
    const rule *rules;
    uint32_t used[4], seen[4];
    pthread_mutex_t lock;
    uint32_t lives; /* lock, and the next */
    sl_bytes log;   /* "<life>:<number> <statement>\n" of each statement that arrived */
} driver;

static void be_born(void *user);

static void die(void *user)
{
    driver *d = (driver *)user;
    sl_channel_free(d->channel);
    d->channel = NULL;
}

static void die_and_be_born(void *user)
{
    die(user);
    be_born(user);
}

static void say(driver *d, const char *to, const sl_cmsg *m)
{
    sl_bytes frame = { 0 };
    sl_cmsg_encode(m, &frame);
    (void)!sl_channel_send(d->channel, to, sl_bytes_span(&frame), NULL);
    sl_bytes_deinit(&frame);
}

static void welcome(driver *d, const char *to, sl_code code)
{
    sl_cmsg m = { .kind = SL_CMSG_WELCOME };
    m.u.welcome = (sl_cmsg_welcome){ .session = 1, .server_version = "test" };
    m.u.welcome.error = (sl_cmsg_error){
        .code = code, .condition = "", .sqlstate = "", .text = "the session is gone"
    };
    d->is_client_known = code == SL_OK;
    say(d, to, &m);
}

static const rule *rule_of(driver *d, const sl_cmsg_request *q)
{
    for (uint32_t i = 0; d->rules != NULL && d->rules[i].text != NULL; i++) {
        const rule *r = &d->rules[i];
        if (q->kind != SL_REQUEST_EXECUTE || strstr(q->text, r->text) == NULL ||
            d->used[i] == r->times || d->seen[i]++ < r->skip)
            continue;
        d->used[i]++;
        return r;
    }
    return NULL;
}

static void on_request(driver *d, const char *from, const sl_cmsg_request *q)
{
    sl_cmsg m = { .kind = SL_CMSG_ANSWER };
    if (q->kind == SL_REQUEST_EXECUTE) {
        pthread_mutex_lock(&d->lock);
        sl_bytes_printf(&d->log, "%u:%llu %s\n", d->lives, (unsigned long long)q->id,
                        q->text);
        pthread_mutex_unlock(&d->lock);
    }
    m.u.answer = (sl_cmsg_answer){ .id = q->id, .kind = SL_ANSWER_NONE };
    const rule *r = rule_of(d, q);
    if (r != NULL && r->what == DIE) {
        sl_host_post(d->host, d, die_and_be_born, d);
        return;
    }
    if (r != NULL && r->what == DIE_AND_STAY_AWAY) {
        sl_host_post(d->host, d, die, d);
        return;
    }
    if (r != NULL && r->what == FORGET_CLIENT) {
        welcome(d, from, SL_ELOST);
        return;
    }
    if (r != NULL)
        m.u.answer.error =
            (sl_cmsg_error){ .code = r->what == REFUSE ? SL_EINVAL : SL_ENOTFOUND,
                             .condition = r->what == REFUSE ? "REFUSED"
                                                            : "STREAMING_QUERY_NOT_FOUND",
                             .sqlstate = "42000",
                             .text = "the driver does not want it" };
    say(d, from, &m);
}

static void on_message(void *user, const char *from, uint64_t incarnation, sl_blob *frame)
{
    driver *d = (driver *)user;
    sl_arena *arena = sl_arena_new();
    sl_cmsg m;
    (void)incarnation;
    if (sl_cmsg_decode(sl_blob_span(frame), arena, &m, NULL) == SL_OK) {
        if (m.kind == SL_CMSG_HELLO)
            welcome(d, from, SL_OK);
        else if (m.kind == SL_CMSG_REQUEST && d->is_client_known)
            on_request(d, from, &m.u.request);
    }
    sl_arena_free(arena);
}

static void be_born(void *user)
{
    driver *d = (driver *)user;
    sl_channel_callbacks callbacks = { .on_message = on_message, .user = d };
    d->is_client_known = false;
    pthread_mutex_lock(&d->lock);
    d->lives++;
    pthread_mutex_unlock(&d->lock);
    if (sl_channel_new(d->host, sl_zmq_network_of(d->network), d->address,
                       sl_host_rand64(d->host) | 1, callbacks, &d->channel,
                       NULL) != SL_OK)
        abort();
}

static void stop(void *user)
{
    driver *d = (driver *)user;
    sl_channel_free(d->channel);
    d->stop = true;
}

static void *run_loop(void *user)
{
    driver *d = (driver *)user;
    (void)!sl_host_run_until(d->host, &d->stop);
    return NULL;
}

static int set_up(void **state)
{
    driver *d = (driver *)sl_calloc(1, sizeof *d);
    snprintf(d->address, sizeof d->address, "ipc:///tmp/sluice-reconnect-%d", getpid());
    pthread_mutex_init(&d->lock, NULL);
    assert_int_equal(sl_host_real_new(&d->host, NULL), SL_OK);
    assert_int_equal(sl_zmq_network_new(0, &d->network, NULL), SL_OK);
    *state = d;
    return 0;
}

static int tear_down(void **state)
{
    driver *d = (driver *)*state;
    sl_host_post(d->host, d, stop, d);
    pthread_join(d->thread, NULL);
    sl_zmq_network_free(d->network);
    sl_host_free(d->host);
    unlink(d->address + strlen("ipc://"));
    pthread_mutex_destroy(&d->lock);
    sl_bytes_deinit(&d->log);
    sl_free(d);
    return 0;
}

static sl_client *open_client(driver *d, const rule *rules)
{
    sl_client *c = NULL;
    sl_client_error e;
    d->rules = rules;
    be_born(d);
    assert_int_equal(pthread_create(&d->thread, NULL, run_loop, d), 0);
    sl_client_config config = { .master = d->address };
    if (sl_client_open(&config, &c, &e) != SL_CLIENT_OK)
        fail_msg("%s", e.message);
    return c;
}

static void tell(sl_client *c, const char *sql)
{
    sl_client_error e;
    if (sl_client_execute(c, sql, NULL, &e) != SL_CLIENT_OK)
        fail_msg("%s: %s", sql, e.message);
}

/* What arrived, in order: the log must be this. */
static void assert_log(driver *d, const char *want)
{
    pthread_mutex_lock(&d->lock);
    assert_string_equal(sl_bytes_cstr(&d->log), want);
    pthread_mutex_unlock(&d->lock);
}

static void session__is_made_again_before_what_was_asked_is_asked_again(void **state)
{
    static const rule rules[] = { { "SHOW", DIE, 0, 1 }, { 0 } };
    driver *d = (driver *)*state;
    sl_client *c = open_client(d, rules);
    tell(c, "SET sluice.state.partitions = 3");
    tell(c, "CREATE TABLE t (x INT) USING json OPTIONS (path 'p')");
    tell(c, "SELECT 1");
    tell(c, "CREATE TEMP VIEW v AS SELECT x FROM t");
    tell(c, "SHOW TABLES");
    sl_client_close(c);
    assert_log(d, "1:2 SET sluice.state.partitions = 3\n"
                  "1:3 CREATE TABLE t (x INT) USING json OPTIONS (path 'p')\n"
                  "1:4 SELECT 1\n"
                  "1:5 CREATE TEMP VIEW v AS SELECT x FROM t\n"
                  "1:6 SHOW TABLES\n"
                  "2:7 SET sluice.state.partitions = 3\n"
                  "2:8 CREATE TABLE t (x INT) USING json OPTIONS (path 'p')\n"
                  "2:9 CREATE TEMP VIEW v AS SELECT x FROM t\n"
                  "2:6 SHOW TABLES\n"); /* under its number */
}

static void session__of_a_long_life_is_made_again_from_what_still_matters(void **state)
{
    static const rule rules[] = { { "SHOW", DIE, 0, 1 }, { 0 } };
    driver *d = (driver *)*state;
    sl_client *c = open_client(d, rules);
    for (int i = 0; i < 50; i++) {
        tell(c, "SET sluice.state.partitions = 3");
        tell(c, "CREATE OR REPLACE TEMP VIEW v AS SELECT 1 AS x");
        tell(c, "CREATE TEMP VIEW w AS SELECT x FROM v");
        tell(c, "DROP VIEW w");
    }
    tell(c, "SHOW TABLES");
    sl_client_close(c);
    const char *second = strstr(sl_bytes_cstr(&d->log), "2:");
    assert_string_equal(second, "2:203 SET sluice.state.partitions = 3\n"
                                "2:204 CREATE OR REPLACE TEMP VIEW v AS SELECT 1 AS x\n"
                                "2:202 SHOW TABLES\n");
}

static void session__is_made_again_by_a_driver_that_dies_meanwhile(void **state)
{
    static const rule rules[] = { { "SHOW", DIE, 0, 1 }, { "SET", DIE, 1, 1 }, { 0 } };
    driver *d = (driver *)*state;
    sl_client *c = open_client(d, rules);
    tell(c, "SET sluice.state.partitions = 3");
    tell(c, "SHOW TABLES");
    sl_client_close(c);
    assert_log(d, "1:2 SET sluice.state.partitions = 3\n"
                  "1:3 SHOW TABLES\n"
                  "2:4 SET sluice.state.partitions = 3\n"
                  "3:5 SET sluice.state.partitions = 3\n"
                  "3:3 SHOW TABLES\n");
}

static void
session__that_cannot_be_made_again_fails_one_statement_and_goes_on(void **state)
{
    static const rule rules[] = { { "SHOW", DIE, 0, 1 },
                                  { "TEMP VIEW", REFUSE, 1, 1 },
                                  { 0 } };
    driver *d = (driver *)*state;
    sl_client_error e;
    sl_client *c = open_client(d, rules);
    tell(c, "CREATE TEMP VIEW v AS SELECT 1");
    assert_int_equal(sl_client_execute(c, "SHOW TABLES", NULL, &e), SL_CLIENT_FAILED);
    assert_string_equal(e.error_class, "SESSION_NOT_REBUILT");
    assert_non_null(strstr(e.message, "CREATE TEMP VIEW v AS SELECT 1"));
    assert_non_null(strstr(e.message, "the driver does not want it"));
    tell(c, "SHOW TABLES");
    sl_client_close(c);
}

static void session__that_the_driver_gave_up_is_made_again(void **state)
{
    static const rule rules[] = { { "SHOW", FORGET_CLIENT, 0, 1 }, { 0 } };
    driver *d = (driver *)*state;
    sl_client *c = open_client(d, rules);
    tell(c, "SET sluice.state.partitions = 3");
    tell(c, "SHOW TABLES");
    sl_client_close(c);
    assert_log(d, "1:2 SET sluice.state.partitions = 3\n"
                  "1:3 SHOW TABLES\n"
                  "1:4 SET sluice.state.partitions = 3\n"
                  "1:3 SHOW TABLES\n");
}

static void statement__that_kills_its_drivers_is_given_up(void **state)
{
    static const rule rules[] = { { "SHOW", DIE, 0, 100 }, { 0 } };
    driver *d = (driver *)*state;
    sl_client_error e;
    sl_client *c = open_client(d, rules);
    assert_int_equal(sl_client_execute(c, "SHOW TABLES", NULL, &e), SL_CLIENT_FAILED);
    assert_string_equal(e.error_class, "DRIVER_LOST");
    tell(c, "SELECT 1");
    sl_client_close(c);
    assert_int_equal(d->used[0], 4);
}

static void stop__of_a_query_that_the_driver_before_stopped_is_done(void **state)
{
    static const rule rules[] = { { "STOP STREAMING QUERY q", DIE, 0, 1 },
                                  { "STOP", NOT_FOUND, 0, 2 },
                                  { 0 } };
    driver *d = (driver *)*state;
    sl_client_error e;
    sl_client *c = open_client(d, rules);
    tell(c, "STOP STREAMING QUERY q");
    assert_int_equal(sl_client_execute(c, "STOP STREAMING QUERY p", NULL, &e),
                     SL_CLIENT_FAILED); /* that one was never there */
    assert_string_equal(e.error_class, "STREAMING_QUERY_NOT_FOUND");
    sl_client_close(c);
}

static void *cancel_soon(void *user)
{
    nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
    sl_client_cancel((sl_client *)user);
    return NULL;
}

static void cancel__needs_no_driver(void **state)
{
    static const rule rules[] = { { "SHOW", DIE_AND_STAY_AWAY, 0, 1 }, { 0 } };
    driver *d = (driver *)*state;
    sl_client_error e;
    pthread_t other;
    sl_client *c = open_client(d, rules);
    assert_int_equal(pthread_create(&other, NULL, cancel_soon, c), 0);
    assert_true(sl_client_is_connected(c));
    assert_int_equal(sl_client_execute(c, "SHOW TABLES", NULL, &e), SL_CLIENT_CANCELLED);
    assert_false(sl_client_is_connected(c));
    pthread_join(other, NULL);
    sl_client_close(c);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(session__is_made_again_before_what_was_asked_is_asked_again),
        T(session__of_a_long_life_is_made_again_from_what_still_matters),
        T(session__is_made_again_by_a_driver_that_dies_meanwhile),
        T(session__that_cannot_be_made_again_fails_one_statement_and_goes_on),
        T(session__that_the_driver_gave_up_is_made_again),
        T(statement__that_kills_its_drivers_is_given_up),
        T(stop__of_a_query_that_the_driver_before_stopped_is_done),
        T(cancel__needs_no_driver),
    };
    return cmocka_run_group_tests_name("client/reconnect", tests, NULL, NULL);
}
