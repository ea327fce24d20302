#include "client/stest/world_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/text.h"
#include "connectors/memory_table.h"
#include "engine/sql/parse.h"
#include "formats/json_read.h"
#include "worker/worker.h"

#define WALL_START_US INT64_C(1577836800000000) /* 2020-01-01 00:00:00 UTC */
#define QUIET_US 25000                          /* more than two polls */
#define EVENTS_MAX 5000000u                     /* of one wait */
#define HEARTBEAT_US 500000
#define FENCE_US 4000000
#define FEED_FILE "/.stest/feed"

/* A statement that a new session needs again. */
struct kept {
    const char *sql;
    stest_query *query; /* NULL: of the session */
};

struct stest_world {
    stest_config config;
    sl_arena *arena;
    sl_fs_virtual *disk;
    int64_t disk_ns, wall_us; /* last seen */
    sl_memory_tables *memory;
    sl_kv_factory kv;
    uint64_t lives;

    /* of this life */
    sl_host *host;
    sl_local_network *network;
    sl_driver *driver;
    sl_worker **workers; /* [worker_count()] */
    uint32_t registered;
    sl_session *session;

    /* the statement under way */
    bool answered;
    stest_answer *answer;

    struct kept *kept;
    uint32_t kept_count, kept_capacity;
    stest_query **queries;
    uint32_t query_count, query_capacity;

    int64_t due_us;  /* wall: where advance brought the clock */
    int64_t news_us; /* wall: of the last batch, end or feed */
    int64_t batch_us;
    const char *armed;
    uint32_t passes_left;
    bool is_dead, is_stopping, restart_due;
    sl_bytes trouble;
};

static sl_fs *fs_of(const stest_world *w)
{
    return sl_fs_virtual_fs(w->disk);
}

static int64_t now_us(const stest_world *w)
{
    return w->host != NULL ? sl_host_wall_us(w->host) : w->wall_us;
}

/* ---- hooks ---- */

/* Modification times differ, as they would on a file system of nanoseconds. */
static int64_t disk_wall_ns(void *user)
{
    stest_world *w = (stest_world *)user;
    int64_t ns = now_us(w) * 1000;
    w->disk_ns = ns > w->disk_ns ? ns : w->disk_ns + 1000;
    return w->disk_ns;
}

static sl_code fail_all(void *user, const char *operation, const char *path,
                        sl_error *err)
{
    (void)user;
    return sl_fail(err, SL_EIO, "the process is dead: %s %s", operation, path);
}

static void on_failpoint(void *user, const char *name)
{
    stest_world *w = (stest_world *)user;
    if (w->armed == NULL || strcmp(w->armed, name) != 0 || --w->passes_left > 0)
        return;
    w->armed = NULL;
    w->is_dead = true;
    sl_fs_virtual_set_faults(w->disk, (sl_fs_faults){ fail_all, NULL });
}

static int64_t job_delay_us(void *user, const char *name)
{
    const stest_world *w = (const stest_world *)user;
    return w->batch_us > 0 && strcmp(name, "commit-batch") == 0 ? w->batch_us : 1;
}

static sl_code on_print(void *user, const char *text, size_t length, sl_error *err)
{
    (void)user;
    (void)text;
    (void)length;
    (void)err;
    return SL_OK;
}

/* ---- batches ---- */

stest_query *stest_world_query(stest_world *w, const char *name)
{
    for (uint32_t i = 0; i < w->query_count; i++)
        if (sl_text_equal_nocase(w->queries[i]->name, name))
            return w->queries[i];
    return NULL;
}

/* Take what the test sink wrote. False: nothing. */
static bool take_rows(stest_world *w, const stest_query *q, int64_t batch,
                      stest_rows *ret)
{
    const char *table = sl_arena_printf(w->arena, "%s@%lld", q->name, (long long)batch);
    int64_t rows = sl_memory_table_rows(w->memory, table);
    sl_chunk **chunks = NULL;
    uint32_t count = 0;
    if (rows < 0 || sl_memory_table_rows_get(w->memory, table, 0, rows, &chunks, &count,
                                             NULL) != SL_OK)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        stest_rows_add_chunk(ret, chunks[i], sl_session_zone(w->session), w->arena);
        sl_chunk_unref(chunks[i]);
    }
    sl_free(chunks);
    sl_memory_table_drop(w->memory, table);
    return true;
}

/* A batch that ran, died and ran again wrote the same rows twice, or it is a bug. */
static void check_attempt(stest_world *w, stest_query *q, const stest_batch *b)
{
    if (!q->has_attempt || q->attempt.id != b->id)
        return;
    q->has_attempt = false;
    if (stest_rows_equal(&q->attempt.rows, &b->rows))
        return;
    sl_bytes_printf(
        &w->trouble,
        "query %s, batch %lld: other rows when it ran again after the crash\n", q->name,
        (long long)b->id);
    stest_rows_diff(&q->attempt.rows, &b->rows, "  ", &w->trouble);
}

static void add_batch(stest_world *w, stest_query *q, const stest_batch *b)
{
    if (q->batch_count == q->batch_capacity) {
        q->batch_capacity = q->batch_capacity == 0 ? 16 : q->batch_capacity * 2;
        q->batches =
            (stest_batch *)sl_realloc(q->batches, q->batch_capacity * sizeof *q->batches);
    }
    q->batches[q->batch_count++] = *b;
    w->news_us = now_us(w);
}

/* A batch that was written and committed by a process that died before it reported. */
static void adopt_attempt(stest_world *w, stest_query *q, int64_t last_commit)
{
    if (!q->has_attempt || q->attempt.id > last_commit)
        return;
    q->has_attempt = false;
    add_batch(w, q, &q->attempt);
}

/* Reports come after batches and, now and then, when there was nothing to do. */
static void on_batch(stest_world *w, stest_query *q, const sl_query_info *info)
{
    stest_batch b = { .id = info->last_batch,
                      .progress = sl_arena_strdup(w->arena, info->last_progress) };
    if (take_rows(w, q, b.id, &b.rows))
        check_attempt(w, q, &b);
    adopt_attempt(w, q, b.id);
    if (q->batch_count > 0 && q->batches[q->batch_count - 1].id >= b.id)
        return; /* nothing to do */
    add_batch(w, q, &b);
    if (q->is_once)
        return; /* its run is over with its batch */
    w->restart_due = w->config.restart_every_batch;
}

static void on_query_event(void *user, sl_query_event_kind kind,
                           const sl_query_info *info)
{
    stest_world *w = (stest_world *)user;
    stest_query *q = stest_world_query(w, info->name);
    if (q == NULL)
        return;
    if (kind == SL_EVENT_PROGRESS && info->last_batch >= 0)
        on_batch(w, q, info);
    if (kind == SL_EVENT_TERMINATED && !w->is_stopping) {
        w->news_us = now_us(w);
        q->is_over = true;
        if (info->error != NULL)
            q->error = *info->error;
    }
}

/* What a process wrote and did not live to commit. */
static void take_attempts(stest_world *w)
{
    for (uint32_t i = 0; i < w->query_count; i++) {
        stest_query *q = w->queries[i];
        int64_t next = q->batch_count > 0 ? q->batches[q->batch_count - 1].id + 1 : 0;
        stest_batch b = { .id = next, .progress = "{}" };
        if (!take_rows(w, q, next, &b.rows))
            continue;
        check_attempt(w, q, &b);
        q->attempt = b;
        q->has_attempt = true;
    }
}

/* ---- a life ---- */

static void set_option(sl_options *o, const char *name, uint32_t value)
{
    char text[16];
    snprintf(text, sizeof text, "%u", value);
    if (value > 0 && sl_options_set(o, name, text, NULL) != SL_OK)
        abort();
}

static sl_options *make_options(const stest_world *w)
{
    sl_options *o = sl_options_new();
    set_option(o, "sluice.state.partitions", w->config.partitions);
    set_option(o, "sluice.exec.chunkRows", w->config.chunk_rows);
    if (sl_options_set(o, "sluice.streaming.checkpointLocation", "/checkpoints", NULL) !=
        SL_OK)
        abort();
    return o;
}

static uint32_t worker_count(const stest_world *w)
{
    return w->config.workers > 0 ? w->config.workers : 1;
}

static void on_registered(void *user, const char *name)
{
    (void)name;
    ((stest_world *)user)->registered++;
}

/* Time is virtual and no message is lost: nobody is silent for so long. */
static void on_fenced(void *user, const char *why, bool may_return)
{
    (void)user, (void)why, (void)may_return;
    SL_ASSERT(why == NULL); /* a worker of a test is never fenced */
}

static void start_workers(stest_world *w)
{
    w->registered = 0;
    w->workers = (sl_worker **)sl_calloc(worker_count(w), sizeof *w->workers);
    for (uint32_t i = 0; i < worker_count(w); i++) {
        char address[16], work_dir[24];
        snprintf(address, sizeof address, "w%u", i + 1);
        snprintf(work_dir, sizeof work_dir, "/work/%u", i + 1);
        sl_worker_config worker = { .address = address,
                                    .driver_address = "driver",
                                    .slots =
                                        w->config.executors > 0 ? w->config.executors : 2,
                                    .memory_bytes = INT64_MAX,
                                    .kv = &w->kv,
                                    .work_dir = work_dir,
                                    .heartbeat_us = HEARTBEAT_US,
                                    .fence_us = worker_count(w) > 1 ? FENCE_US : 0,
                                    .on_registered = on_registered,
                                    .on_fenced = on_fenced,
                                    .user = w,
                                    .memory = w->memory };
        if (sl_worker_new(w->host, sl_local_network_of(w->network), &worker,
                          &w->workers[i], NULL) != SL_OK)
            abort();
    }
    while (w->registered < worker_count(w))
        if (!sl_host_virtual_step(w->host))
            abort();
}

static void begin_life(stest_world *w)
{
    sl_host_virtual_hooks hooks = { .job_delay_us = job_delay_us,
                                    .failpoint = on_failpoint,
                                    .user = w };
    sl_options *options = make_options(w);
    w->host = sl_host_virtual_new(++w->lives, w->wall_us, fs_of(w), hooks);
    w->network = sl_local_network_new();
    sl_driver_config driver = { .address = "driver",
                                .kv = &w->kv,
                                .temp_dir = "/tmp",
                                .memory = w->memory,
                                .print = on_print,
                                .user = w };
    w->restart_due = w->is_dead = false;
    if (sl_driver_new(w->host, sl_local_network_of(w->network), &driver, &w->driver,
                      NULL) != SL_OK)
        abort();
    start_workers(w);
    sl_driver_set_listener(w->driver, on_query_event, w);
    w->session = sl_session_new(w->driver, options);
    sl_options_free(options);
}

/* Memory goes, the disk stays: nothing of the clean-up may reach a file. */
static void end_life(stest_world *w)
{
    w->wall_us = now_us(w) + 1;
    take_attempts(w);
    sl_fs_virtual_set_faults(w->disk, (sl_fs_faults){ fail_all, NULL });
    sl_driver_set_listener(w->driver, NULL, NULL);
    sl_host_close_owner(w->host, w);
    sl_driver_free(w->driver);
    for (uint32_t i = 0; i < worker_count(w); i++)
        sl_worker_free(w->workers[i]);
    sl_free(w->workers);
    sl_local_network_free(w->network);
    sl_host_free(w->host);
    w->host = NULL;
    sl_fs_virtual_set_faults(w->disk, (sl_fs_faults){ 0 });
    sl_fs_virtual_kill(w->disk);
}

stest_world *stest_world_new(const stest_config *config)
{
    stest_world *w = (stest_world *)sl_calloc(1, sizeof *w);
    w->config = *config;
    w->arena = sl_arena_new();
    w->wall_us = w->due_us = WALL_START_US;
    w->disk = sl_fs_virtual_new(disk_wall_ns, w);
    w->memory = sl_memory_tables_new();
    w->kv = sl_kv_memory(fs_of(w));
    begin_life(w);
    return w;
}

void stest_world_free(stest_world *w)
{
    if (w == NULL)
        return;
    end_life(w);
    sl_memory_tables_free(w->memory);
    sl_fs_virtual_free(w->disk);
    for (uint32_t i = 0; i < w->query_count; i++)
        sl_free(w->queries[i]->batches);
    sl_free(w->queries);
    sl_free(w->kept);
    sl_bytes_deinit(&w->trouble);
    sl_arena_free(w->arena);
    sl_free(w);
}

sl_arena *stest_world_arena(stest_world *w)
{
    return w->arena;
}

/* ---- statements ---- */

static void on_answer(void *user, const sl_answer *a)
{
    stest_world *w = (stest_world *)user;
    stest_answer *to = w->answer;
    w->answered = true;
    to->kind = a->kind;
    if (a->kind == SL_ANSWER_ERROR)
        to->error = *a->error;
    for (uint32_t i = 0; a->kind == SL_ANSWER_ROWS && i < a->chunk_count; i++)
        stest_rows_add_chunk(&to->rows, a->chunks[i], sl_session_zone(w->session),
                             w->arena);
    if (a->kind == SL_ANSWER_TEXT)
        stest_rows_add_lines(&to->rows, a->text, w->arena);
}

static bool is_of_session(sl_statement_kind kind)
{
    return kind == SL_ST_CREATE_TABLE || kind == SL_ST_CREATE_VIEW ||
           kind == SL_ST_DROP_TABLE || kind == SL_ST_DROP_VIEW || kind == SL_ST_SET ||
           kind == SL_ST_RESET;
}

static void keep(stest_world *w, const char *sql, stest_query *q)
{
    for (uint32_t i = 0; q != NULL && i < w->kept_count; i++)
        if (w->kept[i].query == q)
            return; /* started again: its statement stands where it was */
    if (w->kept_count == w->kept_capacity) {
        w->kept_capacity = w->kept_capacity == 0 ? 16 : w->kept_capacity * 2;
        w->kept = (struct kept *)sl_realloc(w->kept, w->kept_capacity * sizeof *w->kept);
    }
    w->kept[w->kept_count++] = (struct kept){ sl_arena_strdup(w->arena, sql), q };
}

/* The query of a statement, known before its first event; NULL: it has run before and the
 * statement is the same. */
static stest_query *note_query(stest_world *w, const sl_statement *s, const char *sql)
{
    stest_query *q = stest_world_query(w, s->name);
    if (q == NULL) {
        if (w->query_count == w->query_capacity) {
            w->query_capacity = w->query_capacity == 0 ? 8 : w->query_capacity * 2;
            w->queries = (stest_query **)sl_realloc(w->queries, w->query_capacity *
                                                                    sizeof *w->queries);
        }
        q = SL_ARENA_NEW(w->arena, stest_query);
        q->name = sl_arena_strdup(w->arena, s->name);
        q->is_over = true;
        w->queries[w->query_count++] = q;
    }
    if (!q->is_over)
        return q; /* it runs: the statement will be refused */
    q->sql = sl_arena_strdup(w->arena, sql);
    q->sink = sl_arena_strdup(w->arena, s->connector);
    q->is_once = s->trigger == SL_TRIGGER_ONCE;
    return q;
}

static void forget_query(stest_world *w, const stest_query *q)
{
    if (w->query_count > 0 && w->queries[w->query_count - 1] == q &&
        q->batch_count == 0 && q->is_over && q->error.code == SL_OK)
        w->query_count--;
}

static sl_code fail_endless(sl_error *err)
{
    return sl_fail(err, SL_ETIMEOUT,
                   "no end after %u events of virtual time: does something wait for rows "
                   "that nothing feeds, or a batch fail and run again for ever?",
                   EVENTS_MAX);
}

static sl_code await_answer(stest_world *w, sl_error *err)
{
    for (uint32_t i = 0; !w->answered; i++) {
        if (i == EVENTS_MAX || !sl_host_virtual_step(w->host))
            return fail_endless(err);
        if (w->is_dead)
            return sl_fail(err, SL_EINVAL,
                           "the crash came while a statement ran: feed first, then arm "
                           "the failpoint");
    }
    return SL_OK;
}

/* `ret` is filled by the answer. */
static sl_code execute(stest_world *w, const char *sql, stest_answer *ret,
                       stest_query **ret_query, sl_statement_kind *ret_kind,
                       sl_error *err)
{
    sl_sql_cursor cursor = { .line = 1, .column = 1 };
    sl_arena *arena = sl_arena_new();
    const sl_statement *s = NULL;
    *ret = (stest_answer){ 0 };
    *ret_query = NULL;
    if (sl_sql_parse_next(sql, strlen(sql), &cursor, arena, &s, &ret->error) != SL_OK) {
        ret->kind = SL_ANSWER_ERROR;
        sl_arena_free(arena);
        return SL_OK;
    }
    if (s == NULL) {
        sl_arena_free(arena);
        return sl_fail(err, SL_EPARSE, "there is no statement before the ';'");
    }
    *ret_kind = s->kind;
    if (s->kind == SL_ST_CREATE_STREAMING_QUERY)
        *ret_query = note_query(w, s, sql);
    w->answered = false;
    w->answer = ret;
    w->news_us = now_us(w);
    sl_session_set_detached(w->session, true);
    if (*ret_query != NULL && (*ret_query)->is_over) {
        (*ret_query)->is_over = false;
        (*ret_query)->error = (sl_error){ 0 };
        (*ret_query)->is_failure_told = false;
        sl_session_execute(w->session, arena, s, on_answer, w);
        SL_TRY(await_answer(w, err));
        if (ret->kind == SL_ANSWER_ERROR)
            (*ret_query)->is_over = true;
        return SL_OK;
    }
    sl_session_execute(w->session, arena, s, on_answer, w);
    return await_answer(w, err);
}

sl_code stest_world_execute(stest_world *w, const char *sql, stest_answer *ret,
                            sl_error *err)
{
    stest_query *q;
    sl_statement_kind kind = SL_ST_QUERY;
    SL_TRY(execute(w, sql, ret, &q, &kind, err));
    if (ret->kind == SL_ANSWER_ERROR && q != NULL) {
        q->error = (sl_error){ 0 }; /* the answer tells */
        forget_query(w, q);
    }
    if (ret->kind != SL_ANSWER_ERROR && (q != NULL || is_of_session(kind)))
        keep(w, sql, q);
    return SL_OK;
}

static sl_code start_query(stest_world *w, stest_query *q, sl_error *err)
{
    stest_answer answer;
    stest_query *same;
    sl_statement_kind kind;
    q->is_over = true; /* of the life before */
    SL_TRY(execute(w, q->sql, &answer, &same, &kind, err));
    if (answer.kind == SL_ANSWER_ERROR) {
        q->is_over = true;
        q->error = answer.error;
    }
    return SL_OK;
}

sl_code stest_world_start(stest_world *w, stest_query *q, sl_error *err)
{
    if (!q->is_over)
        return sl_fail(err, SL_EINVAL, "query %s runs already", q->name);
    return start_query(w, q, err);
}

static sl_code execute_kept(stest_world *w, sl_error *err)
{
    for (uint32_t i = 0; i < w->kept_count; i++) {
        const struct kept *k = &w->kept[i];
        stest_answer answer;
        stest_query *q;
        sl_statement_kind kind;
        if (k->query != NULL) {
            if (!k->query->is_over)
                SL_TRY(start_query(w, k->query, err));
            continue;
        }
        SL_TRY(execute(w, k->sql, &answer, &q, &kind, err));
        if (answer.kind == SL_ANSWER_ERROR)
            return sl_fail(err, answer.error.code, "after a restart: %s: %.60s...",
                           answer.error.text, k->sql);
    }
    return SL_OK;
}

/* ---- time ---- */

static sl_code be_reborn(stest_world *w, sl_error *err)
{
    end_life(w);
    begin_life(w);
    return execute_kept(w, err);
}

/* Neither working nor about to. */
static bool is_quiet(const stest_world *w)
{
    if (sl_host_virtual_next_us(w->host) <= sl_host_mono_us(w->host))
        return false; /* something is due right now */
    for (uint32_t i = 0; i < sl_driver_query_count(w->driver); i++) {
        sl_query_info info;
        sl_driver_query_info(w->driver, i, &info);
        if (info.state != SL_QUERY_WAITING && info.state != SL_QUERY_STOPPED &&
            info.state != SL_QUERY_FAILED)
            return false;
    }
    return true;
}

static void adopt_attempts(stest_world *w)
{
    for (uint32_t i = 0; i < sl_driver_query_count(w->driver); i++) {
        sl_query_info info;
        sl_driver_query_info(w->driver, i, &info);
        stest_query *q = stest_world_query(w, info.name);
        if (q != NULL)
            adopt_attempt(w, q, info.last_batch);
    }
}

static sl_code run_to(stest_world *w, int64_t to_us, sl_error *err)
{
    for (uint32_t i = 0; i < EVENTS_MAX; i++) {
        if (w->is_dead || w->restart_due) {
            SL_TRY(be_reborn(w, err));
            continue;
        }
        bool polls = sl_driver_queries_active(w->driver) > 0;
        int64_t quiet_us = polls ? w->news_us + QUIET_US : to_us;
        bool is_there = now_us(w) >= to_us && now_us(w) >= quiet_us && is_quiet(w);
        int64_t left_us = (to_us > quiet_us ? to_us : quiet_us) - now_us(w);
        if (is_there) {
            adopt_attempts(w);
            return SL_OK;
        }
        /* Nothing happens before then: be there. */
        int64_t next_us = sl_host_virtual_next_us(w->host);
        if (left_us > 0 &&
            (next_us == INT64_MAX || next_us - sl_host_mono_us(w->host) > left_us))
            sl_host_virtual_advance(w->host, left_us);
        else if (!sl_host_virtual_step(w->host))
            return fail_endless(err);
    }
    return fail_endless(err);
}

sl_code stest_world_settle(stest_world *w, sl_error *err)
{
    return run_to(w, now_us(w), err);
}

/* From where the last advance came to, not from where settling drifted: ticks of triggers
 * stay where they are written. */
sl_code stest_world_advance(stest_world *w, int64_t us, sl_error *err)
{
    w->due_us += us;
    if (w->due_us < now_us(w))
        w->due_us = now_us(w);
    return run_to(w, w->due_us, err);
}

void stest_world_batches_take(stest_world *w, int64_t us)
{
    w->batch_us = us;
}

sl_code stest_world_restart(stest_world *w, sl_error *err)
{
    w->is_stopping = true;
    sl_driver_stop(w->driver, false);
    for (uint32_t i = 0; i < EVENTS_MAX && sl_driver_queries_active(w->driver) > 0; i++)
        if (!sl_host_virtual_step(w->host))
            break;
    w->is_stopping = false;
    if (sl_driver_queries_active(w->driver) > 0)
        return fail_endless(err);
    return be_reborn(w, err);
}

sl_code stest_world_crash_at(stest_world *w, const char *failpoint, uint32_t pass,
                             sl_error *err)
{
    static const char *const names[] = {
        "driver.task.send",  "driver.sink.write",       "driver.commit",
        "driver.publish",    "driver.committed.before", "sink.publish.rename",
        "worker.state.open", "worker.task.start",       "worker.done.before",
        "worker.done.after", "sink.publish.syncdir",
    };
    bool known = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        known = known || strcmp(names[i], failpoint) == 0;
    if (!known) {
        const char *near =
            sl_text_nearest(failpoint, names, sizeof names / sizeof *names);
        return sl_fail(err, SL_EINVAL, "unknown failpoint '%s'%s%s%s", failpoint,
                       near != NULL ? "; did you mean '" : "; one is driver.commit",
                       near != NULL ? near : "", near != NULL ? "'?" : "");
    }
    w->armed = sl_arena_strdup(w->arena, failpoint);
    w->passes_left = pass;
    return SL_OK;
}

const char *stest_world_armed(const stest_world *w)
{
    return w->armed;
}

/* ---- input ---- */

sl_code stest_world_input(stest_world *w, const char *name, const char *columns,
                          sl_error *err)
{
    const char *sql =
        sl_arena_printf(w->arena, "CREATE TABLE %s %s USING memory OPTIONS (table '%s')",
                        name, columns, name);
    sl_sql_cursor cursor = { .line = 1, .column = 1 };
    const sl_statement *s = NULL;
    stest_answer answer;
    SL_TRY(sl_sql_parse_next(sql, strlen(sql), &cursor, w->arena, &s, err));
    if (s == NULL || s->schema == NULL)
        return sl_fail(err, SL_EPARSE, "an input needs columns");
    SL_TRY(sl_memory_table_create(w->memory, name, s->schema, err));
    SL_TRY(stest_world_execute(w, sql, &answer, err));
    if (answer.kind == SL_ANSWER_ERROR)
        *err = answer.error;
    return answer.kind == SL_ANSWER_ERROR ? answer.error.code : SL_OK;
}

static sl_code read_feed(stest_world *w, const char *name, const sl_schema *schema,
                         sl_file *file, sl_error *err)
{
    uint32_t *columns = SL_ARENA_ARRAY(w->arena, uint32_t, schema->field_count + 1);
    for (uint32_t i = 0; i < schema->field_count; i++)
        columns[i] = i;
    sl_json_read_request q = { .file = file,
                               .name = FEED_FILE,
                               .end = INT64_MAX,
                               .schema = schema,
                               .columns = columns,
                               .column_count = schema->field_count,
                               .chunk_rows = 8192,
                               .options = { .mode = SL_JSON_FAILFAST,
                                            .corrupt_column = "_corrupt_record" },
                               .zone = sl_session_zone(w->session) };
    sl_json_reader *reader;
    SL_TRY(sl_json_reader_open(&q, &reader, err));
    sl_chunk *chunk = NULL;
    sl_code code = SL_OK;
    while (code == SL_OK && (code = sl_json_reader_next(reader, &chunk, err)) == SL_OK &&
           chunk != NULL) {
        code = sl_memory_table_append(w->memory, name, chunk, err);
        sl_chunk_unref(chunk);
    }
    sl_json_reader_close(reader);
    return code;
}

/* The rows become JSON lines, which the JSON reader makes columns of. */
sl_code stest_world_feed(stest_world *w, const char *name, const char *const *lines,
                         uint32_t count, sl_error *err)
{
    const sl_schema *schema = sl_memory_table_schema(w->memory, name, w->arena);
    sl_bytes json = { 0 };
    sl_code code = SL_OK;
    sl_file *file;
    if (schema == NULL)
        return sl_fail(err, SL_ENOTFOUND,
                       "there is no input %s: `input %s (...)` makes it", name, name);
    for (uint32_t i = 0; code == SL_OK && i < count; i++) {
        code = stest_row_json(lines[i], schema, sl_session_zone(w->session), w->arena,
                              &json, err);
        if (code != SL_OK)
            err->line = i + 1;
    }
    if (code == SL_OK)
        code = sl_fs_make_dirs(fs_of(w), "/.stest", err);
    if (code == SL_OK)
        code = sl_fs_write_new(fs_of(w), FEED_FILE, sl_bytes_span(&json), err);
    sl_bytes_deinit(&json);
    SL_TRY(code);
    SL_TRY(sl_fs_open(fs_of(w), FEED_FILE, SL_OPEN_READ, &file, err));
    code = read_feed(w, name, schema, file, err);
    sl_file_close(file);
    SL_KEEP_FIRST(code, sl_fs_remove(fs_of(w), FEED_FILE, code == SL_OK ? err : NULL));
    w->news_us = now_us(w);
    return code;
}

sl_code stest_world_file(stest_world *w, const char *path, const char *const *lines,
                         uint32_t count, sl_error *err)
{
    sl_bytes text = { 0 };
    for (uint32_t i = 0; i < count; i++)
        sl_bytes_printf(&text, "%s\n", lines[i]);
    char *directory = sl_arena_strdup(w->arena, path);
    *strrchr(directory, '/') = '\0';
    sl_code code = *directory != '\0' ? sl_fs_make_dirs(fs_of(w), directory, err) : SL_OK;
    if (code == SL_OK)
        code = sl_fs_write_new(fs_of(w), path, sl_bytes_span(&text), err);
    sl_bytes_deinit(&text);
    w->news_us = now_us(w);
    return code;
}

sl_code stest_world_remove(stest_world *w, const char *path, sl_error *err)
{
    w->news_us = now_us(w);
    return sl_fs_remove(fs_of(w), path, err);
}

/* ---- looking ---- */

uint32_t stest_world_query_count(const stest_world *w)
{
    return w->query_count;
}

stest_query *stest_world_query_at(stest_world *w, uint32_t i)
{
    SL_ASSERT(i < w->query_count);
    return w->queries[i];
}

const char *stest_world_trouble(const stest_world *w)
{
    return sl_bytes_cstr(&w->trouble);
}
