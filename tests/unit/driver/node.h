/* node.h - a driver and a worker, the real ones, in virtual time for unit tests: virtual
 * files that fail when told, a console that is kept, a listener that counts.
 *
 * A test writes input files, executes SQL, lets time pass, kills and starts again.  All
 * times are exact: the host takes one virtual microsecond for a job unless job_us says
 * otherwise. */

#ifndef SL_TESTS_DRIVER_NODE_H
#define SL_TESTS_DRIVER_NODE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* own block: it needs the four above first */

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "connectors/memory_table.h"
#include "driver/driver.h"
#include "engine/columnar/show.h"
#include "engine/sql/parse.h"
#include "worker/worker.h"

#define NODE_WALL_US INT64_C(1577836800000000) /* 2020-01-01T00:00:00Z */
#define NODE_MS INT64_C(1000)
#define NODE_S INT64_C(1000000)
#define NODE_EVENTS_MAX 400000u

/* File operations that fail: the skip-th that matches and `times` more. */
typedef struct node_fault {
    const char *operation; /* NULL any */
    const char *path;      /* a part of it */
    uint32_t skip, times;
    sl_code code;
} node_fault;

typedef struct node {
    sl_fs_virtual *files;
    sl_fs *fs;
    int64_t file_ns;
    sl_host *host;
    int64_t wall_us; /* where the next life begins */
    sl_local_network *network;
    sl_kv_factory kv;
    sl_memory_tables *memory;
    sl_driver *driver;
    sl_worker *worker;
    sl_session *session;
    node_fault fault;
    uint32_t fault_hits;
    uint64_t lives;          /* so far: each draws other random numbers */
    bool no_worker;          /* start the driver alone */
    const char *directory;   /* with a registry: from the next start on */
    uint32_t slots;          /* 0 = 2 */
    const char *slow_job;    /* job of this name takes */
    int64_t slow_us;         /* so long */
    const char *failpoint;   /* how often it was passed */
    uint32_t failpoint_hits; /* and, at the kill_at-th, `killed` is set */
    void (*act)(struct node *n); /* at the act_at-th, from within */
    uint32_t act_at;
    uint32_t kill_at;
    bool killed;
    sl_bytes console;
    sl_code print_code;
    uint32_t started, progress, idle, terminated; /* events heard */
    /* the last answer */
    bool answered;
    sl_answer_kind kind;
    sl_error error;
    sl_bytes text, note; /* rows as show() prints them, or the text */
    int64_t row_count;
    uint32_t cut; /* of cells in text; 0 none */
} node;

/* ---- the world's side ---- */

static int64_t node_file_ns(void *user)
{
    return ((node *)user)->file_ns += 1000000;
}

static sl_code node_before(void *user, const char *operation, const char *path,
                           sl_error *err)
{
    node *n = (node *)user;
    node_fault *f = &n->fault;
    if (n->killed)
        return sl_fail(err, SL_EIO, "the process is dead: %s %s", operation, path);
    if (f->times == 0 || f->path == NULL || strstr(path, f->path) == NULL ||
        (f->operation != NULL && strcmp(f->operation, operation) != 0))
        return SL_OK;
    if (f->skip > 0) {
        f->skip--;
        return SL_OK;
    }
    f->times--;
    n->fault_hits++;
    return sl_fail(err, f->code, "injected: %s %s", operation, path);
}

static int64_t node_job_us(void *user, const char *name)
{
    const node *n = (const node *)user;
    return n->slow_job != NULL && strcmp(name, n->slow_job) == 0 ? n->slow_us : 1;
}

static void node_failpoint(void *user, const char *name)
{
    node *n = (node *)user;
    if (n->failpoint == NULL || strcmp(n->failpoint, name) != 0)
        return;
    n->failpoint_hits++;
    n->killed = n->killed || n->failpoint_hits == n->kill_at;
    if (n->act != NULL && n->failpoint_hits == n->act_at)
        n->act(n);
}

static sl_code node_print(void *user, const char *text, size_t length, sl_error *err)
{
    node *n = (node *)user;
    if (n->print_code != SL_OK)
        return sl_fail(err, n->print_code, "nobody reads the console");
    sl_bytes_append(&n->console, text, length);
    return SL_OK;
}

static void node_hear(void *user, sl_query_event_kind kind, const sl_query_info *query)
{
    node *n = (node *)user;
    (void)query;
    n->started += kind == SL_EVENT_STARTED;
    n->progress += kind == SL_EVENT_PROGRESS;
    n->idle += kind == SL_EVENT_IDLE;
    n->terminated += kind == SL_EVENT_TERMINATED;
}

/* ---- life ---- */

static inline void node_start_worker(node *n)
{
    sl_worker_config worker = { .address = "w1",
                                .driver_address = "driver",
                                .slots = n->slots != 0 ? n->slots : 2,
                                .memory_bytes = INT64_MAX,
                                .kv = &n->kv,
                                .work_dir = "/work",
                                .heartbeat_us = 500000,
                                .memory = n->memory };
    assert_int_equal(sl_worker_new(n->host, sl_local_network_of(n->network), &worker,
                                   &n->worker, NULL),
                     SL_OK);
}

static inline void node_start(node *n)
{
    sl_host_virtual_hooks hooks = { .job_delay_us = node_job_us,
                                    .failpoint = node_failpoint,
                                    .user = n };
    sl_options *options = sl_options_new();
    n->host = sl_host_virtual_new(7 + n->lives++, n->wall_us, n->fs, hooks);
    n->network = sl_local_network_new();
    n->kv = sl_kv_memory(n->fs);
    n->memory = sl_memory_tables_new();
    n->killed = false;
    sl_driver_config driver = { .address = "driver",
                                .kv = &n->kv,
                                .temp_dir = "/tmp",
                                .memory = n->memory,
                                .directory = n->directory,
                                .print = node_print,
                                .user = n };
    assert_int_equal(sl_driver_new(n->host, sl_local_network_of(n->network), &driver,
                                   &n->driver, NULL),
                     SL_OK);
    sl_driver_set_listener(n->driver, node_hear, n);
    sl_driver_resume(n->driver);
    if (!n->no_worker)
        node_start_worker(n);
    assert_int_equal(sl_options_set(options, "sluice.state.partitions", "3", NULL),
                     SL_OK);
    n->session = sl_session_new(n->driver, options);
    sl_options_free(options);
}

static inline void node_new(node *n)
{
    *n = (node){ .wall_us = NODE_WALL_US };
    n->files = sl_fs_virtual_new(node_file_ns, n);
    n->fs = sl_fs_virtual_fs(n->files);
    sl_fs_virtual_set_faults(n->files, (sl_fs_faults){ node_before, n });
    assert_int_equal(sl_fs_make_dirs(n->fs, "/in", NULL), SL_OK);
    node_start(n);
}

/* The process is gone at once; the files stay as the kernel has them. */
static inline void node_kill(node *n)
{
    n->killed = true;
    n->wall_us = sl_host_wall_us(n->host);
    sl_host_close_owner(n->host, n);
    sl_driver_free(n->driver);
    sl_worker_free(n->worker);
    sl_local_network_free(n->network);
    sl_host_free(n->host);
    sl_memory_tables_free(n->memory);
    n->driver = NULL;
    n->worker = NULL;
    sl_fs_virtual_kill(n->files);
    n->killed = false;
}

static inline void node_restart(node *n)
{
    node_kill(n);
    node_start(n);
}

static inline void node_free(node *n)
{
    node_kill(n);
    sl_fs_virtual_free(n->files);
    sl_bytes_deinit(&n->console);
    sl_bytes_deinit(&n->text);
    sl_bytes_deinit(&n->note);
}

/* ---- statements ---- */

static void node_answer(void *user, const sl_answer *a)
{
    node *n = (node *)user;
    sl_bytes_clear(&n->text);
    sl_bytes_clear(&n->note);
    n->answered = true;
    n->kind = a->kind;
    n->row_count = 0;
    if (a->note != NULL)
        sl_bytes_text(&n->note, a->note);
    if (a->kind == SL_ANSWER_ERROR)
        n->error = *a->error;
    if (a->kind == SL_ANSWER_TEXT)
        sl_bytes_text(&n->text, a->text);
    for (uint32_t i = 0; a->kind == SL_ANSWER_ROWS && i < a->chunk_count; i++)
        n->row_count += a->chunks[i]->selected;
    if (a->kind == SL_ANSWER_ROWS)
        sl_show_table(a->schema, a->chunks, a->chunk_count, 10000, n->cut,
                      sl_time_zone_utc(), &n->text);
}

static inline bool node_run_until(node *n, const bool *stop, int64_t limit_us)
{
    int64_t end = sl_host_mono_us(n->host) + limit_us;
    for (uint32_t i = 0; i < NODE_EVENTS_MAX && !*stop && !n->killed; i++)
        if (sl_host_mono_us(n->host) > end || !sl_host_virtual_step(n->host))
            break;
    return *stop;
}

/* Start one statement; its answer comes with time. */
static inline void node_begin(node *n, const char *sql)
{
    sl_arena *arena = sl_arena_new();
    sl_sql_cursor cursor = { .line = 1, .column = 1 };
    const sl_statement *s = NULL;
    n->answered = false;
    assert_int_equal(sl_sql_parse_next(sql, strlen(sql), &cursor, arena, &s, &n->error),
                     SL_OK);
    assert_non_null(s);
    sl_session_execute(n->session, arena, s, node_answer, n);
}

/* Execute one statement and wait for its answer for up to an hour of virtual time. False:
 * it is an error, in n->error. */
static inline bool node_sql(node *n, const char *sql)
{
    node_begin(n, sql);
    if (!node_run_until(n, &n->answered, 3600 * NODE_S)) {
        assert_true(n->killed);
        return false;
    }
    return n->kind != SL_ANSWER_ERROR;
}

static inline void node_ok(node *n, const char *sql)
{
    if (!node_sql(n, sql))
        fail_msg("%s\n%s", sql, n->error.text);
}

static inline void node_file(node *n, const char *path, const char *content)
{
    assert_int_equal(
        sl_fs_write_new(n->fs, path, sl_span_of(content, strlen(content)), NULL), SL_OK);
}

static inline void node_advance(node *n, int64_t us)
{
    sl_host_virtual_advance(n->host, us);
}

static inline sl_query_info node_query(node *n, const char *name)
{
    sl_query_info info;
    int32_t i = sl_driver_query_find(n->driver, name);
    assert_true(i >= 0);
    sl_driver_query_info(n->driver, (uint32_t)i, &info);
    return info;
}

#define assert_contains(text, part)                                                      \
    do {                                                                                 \
        if (strstr((text), (part)) == NULL)                                              \
            fail_msg("no \"%s\" in: %s", (part), (text));                                \
    } while (0)
#define assert_lacks(text, part)                                                         \
    do {                                                                                 \
        if (strstr((text), (part)) != NULL)                                              \
            fail_msg("\"%s\" in: %s", (part), (text));                                   \
    } while (0)

#endif /* SL_TESTS_DRIVER_NODE_H */
