/* The engine in a box: virtual host, file system and key-value store, all in this
 * process, on one thread, in virtual time. The disk, the tables and the clock outlive its
 * lives. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "client/stest/engine_private.h"
#include "driver/driver.h"
#include "objects/kv.h"
#include "worker/worker.h"

#define WALL_START_US INT64_C(1577836800000000) /* 2020-01-01 00:00:00 UTC */
#define QUIET_US 25000                          /* more than two polls */
#define EVENTS_MAX 5000000u                     /* of one wait */
#define HEARTBEAT_US 500000
#define FENCE_US 4000000

typedef struct box {
    stest_world world; /* first */
    sl_fs_virtual *disk;
    int64_t disk_ns, wall_us; /* last seen */
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

    int64_t due_us;  /* wall: where advance brought the clock */
    int64_t news_us; /* wall: of the last batch, end or feed */
    int64_t batch_us;
    const char *armed;
    uint32_t passes_left;
    bool is_dead, is_stopping, restart_due;
} box;

static box *box_of(stest_world *w)
{
    return (box *)(void *)w;
}

static int64_t now_us(const box *b)
{
    return b->host != NULL ? sl_host_wall_us(b->host) : b->wall_us;
}

/* ---- hooks ---- */

/* Modification times differ, as they would on a file system of nanoseconds. */
static int64_t disk_wall_ns(void *user)
{
    box *b = (box *)user;
    int64_t ns = now_us(b) * 1000;
    b->disk_ns = ns > b->disk_ns ? ns : b->disk_ns + 1000;
    return b->disk_ns;
}

static sl_code fail_all(void *user, const char *operation, const char *path,
                        sl_error *err)
{
    (void)user;
    return sl_fail(err, SL_EIO, "the process is dead: %s %s", operation, path);
}

static void on_failpoint(void *user, const char *name)
{
    box *b = (box *)user;
    if (b->armed == NULL || strcmp(b->armed, name) != 0 || --b->passes_left > 0)
        return;
    b->armed = NULL;
    b->is_dead = true;
    sl_fs_virtual_set_faults(b->disk, (sl_fs_faults){ fail_all, NULL });
}

static int64_t job_delay_us(void *user, const char *name)
{
    const box *b = (const box *)user;
    return b->batch_us > 0 && strcmp(name, "commit-batch") == 0 ? b->batch_us : 1;
}

static sl_code on_print(void *user, const char *text, size_t length, sl_error *err)
{
    (void)user;
    (void)text;
    (void)length;
    (void)err;
    return SL_OK;
}

/* Reports come after batches and, now and then, when there was nothing to do. */
static void on_batch(box *b, stest_query *q, const sl_query_info *info)
{
    stest_batch done = { .id = info->last_batch,
                         .progress =
                             sl_arena_strdup(b->world.arena, info->last_progress) };
    if (stest_world__take_rows(&b->world, q, done.id, &done.rows))
        stest_world__check_attempt(&b->world, q, &done);
    if (stest_world__adopt_attempt(q, done.id))
        b->news_us = now_us(b);
    if (q->batch_count > 0 && q->batches[q->batch_count - 1].id >= done.id)
        return; /* nothing to do */
    stest_world__add_batch(q, &done);
    b->news_us = now_us(b);
    if (q->is_once)
        return; /* its run is over with its batch */
    b->restart_due = b->world.config.restart_every_batch;
}

static void on_query_event(void *user, sl_query_event_kind kind,
                           const sl_query_info *info)
{
    box *b = (box *)user;
    stest_query *q = stest_world_query(&b->world, info->name);
    if (q == NULL)
        return;
    if (kind == SL_EVENT_PROGRESS && info->last_batch >= 0)
        on_batch(b, q, info);
    if (kind == SL_EVENT_TERMINATED && !b->is_stopping) {
        b->news_us = now_us(b);
        q->is_over = true;
        if (info->error != NULL)
            q->error = *info->error;
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

static sl_options *make_options(const box *b)
{
    sl_options *o = sl_options_new();
    set_option(o, "sluice.state.partitions", b->world.config.partitions);
    set_option(o, "sluice.exec.chunkRows", b->world.config.chunk_rows);
    if (sl_options_set(o, "sluice.streaming.checkpointLocation", "/checkpoints", NULL) !=
        SL_OK)
        abort();
    return o;
}

static uint32_t worker_count(const box *b)
{
    return b->world.config.workers > 0 ? b->world.config.workers : 1;
}

static void on_registered(void *user, const char *name)
{
    (void)name;
    ((box *)user)->registered++;
}

/* Time is virtual and no message is lost: nobody is silent for so long. */
static void on_fenced(void *user, const char *why, bool may_return)
{
    (void)user, (void)why, (void)may_return;
    SL_ASSERT(why == NULL); /* a worker of a test is never fenced */
}

static void start_workers(box *b)
{
    b->registered = 0;
    b->workers = (sl_worker **)sl_calloc(worker_count(b), sizeof *b->workers);
    for (uint32_t i = 0; i < worker_count(b); i++) {
        char address[16], work_dir[24];
        snprintf(address, sizeof address, "w%u", i + 1);
        snprintf(work_dir, sizeof work_dir, "/work/%u", i + 1);
        sl_worker_config worker = { .address = address,
                                    .driver_address = "driver",
                                    .slots = b->world.config.executors > 0
                                                 ? b->world.config.executors
                                                 : 2,
                                    .memory_bytes = INT64_MAX,
                                    .kv = &b->kv,
                                    .work_dir = work_dir,
                                    .heartbeat_us = HEARTBEAT_US,
                                    .fence_us = worker_count(b) > 1 ? FENCE_US : 0,
                                    .on_registered = on_registered,
                                    .on_fenced = on_fenced,
                                    .user = b,
                                    .memory = b->world.memory };
        if (sl_worker_new(b->host, sl_local_network_of(b->network), &worker,
                          &b->workers[i], NULL) != SL_OK)
            abort();
    }
    while (b->registered < worker_count(b))
        if (!sl_host_virtual_step(b->host))
            abort();
}

static void begin_life(box *b)
{
    sl_host_virtual_hooks hooks = { .job_delay_us = job_delay_us,
                                    .failpoint = on_failpoint,
                                    .user = b };
    sl_options *options = make_options(b);
    b->host = sl_host_virtual_new(++b->lives, b->wall_us, b->world.fs, hooks);
    b->network = sl_local_network_new();
    sl_driver_config driver = { .address = "driver",
                                .kv = &b->kv,
                                .temp_dir = "/tmp",
                                .memory = b->world.memory,
                                .print = on_print,
                                .user = b };
    b->restart_due = b->is_dead = false;
    if (sl_driver_new(b->host, sl_local_network_of(b->network), &driver, &b->driver,
                      NULL) != SL_OK)
        abort();
    start_workers(b);
    sl_driver_set_listener(b->driver, on_query_event, b);
    b->session = sl_session_new(b->driver, options);
    sl_options_free(options);
}

/* Memory goes, the disk stays: nothing of the clean-up may reach a file. */
static void end_life(box *b)
{
    b->wall_us = now_us(b) + 1;
    stest_world__take_attempts(&b->world);
    sl_fs_virtual_set_faults(b->disk, (sl_fs_faults){ fail_all, NULL });
    sl_driver_set_listener(b->driver, NULL, NULL);
    sl_host_close_owner(b->host, b);
    sl_driver_free(b->driver);
    for (uint32_t i = 0; i < worker_count(b); i++)
        sl_worker_free(b->workers[i]);
    sl_free(b->workers);
    sl_local_network_free(b->network);
    sl_host_free(b->host);
    b->host = NULL;
    sl_fs_virtual_set_faults(b->disk, (sl_fs_faults){ 0 });
    sl_fs_virtual_kill(b->disk);
}

static void on_answer(void *user, const sl_answer *a)
{
    box *b = (box *)user;
    stest_answer *to = b->answer;
    b->answered = true;
    to->kind = a->kind;
    if (a->kind == SL_ANSWER_ERROR)
        to->error = *a->error;
    for (uint32_t i = 0; a->kind == SL_ANSWER_ROWS && i < a->chunk_count; i++)
        stest_rows_add_chunk(&to->rows, a->chunks[i], sl_session_zone(b->session),
                             b->world.arena);
    if (a->kind == SL_ANSWER_TEXT)
        stest_rows_add_lines(&to->rows, a->text, b->world.arena);
}

static sl_code fail_endless(sl_error *err)
{
    return sl_fail(err, SL_ETIMEOUT,
                   "no end after %u events of virtual time: does something wait for rows "
                   "that nothing feeds, or a batch fail and run again for ever?",
                   EVENTS_MAX);
}

static sl_code await_answer(box *b, sl_error *err)
{
    for (uint32_t i = 0; !b->answered; i++) {
        if (i == EVENTS_MAX || !sl_host_virtual_step(b->host))
            return fail_endless(err);
        if (b->is_dead)
            return sl_fail(err, SL_EINVAL,
                           "the crash came while a statement ran: feed first, then arm "
                           "the failpoint");
    }
    return SL_OK;
}

static sl_code run(stest_world *w, const sl_statement *s, sl_arena *arena,
                   const char *sql, stest_answer *ret, sl_error *err)
{
    box *b = box_of(w);
    (void)sql;
    b->answered = false;
    b->answer = ret;
    b->news_us = now_us(b);
    sl_session_set_detached(b->session, true);
    sl_session_execute(b->session, arena, s, on_answer, b);
    return await_answer(b, err);
}

/* ---- time ---- */

static sl_code be_reborn(box *b, sl_error *err)
{
    end_life(b);
    begin_life(b);
    return stest_world__execute_kept(&b->world, err);
}

/* Neither working nor about to. */
static bool is_quiet(const box *b)
{
    if (sl_host_virtual_next_us(b->host) <= sl_host_mono_us(b->host))
        return false; /* something is due right now */
    for (uint32_t i = 0; i < sl_driver_query_count(b->driver); i++) {
        sl_query_info info;
        sl_driver_query_info(b->driver, i, &info);
        if (info.state != SL_QUERY_WAITING && info.state != SL_QUERY_STOPPED &&
            info.state != SL_QUERY_FAILED)
            return false;
    }
    return true;
}

static void adopt_attempts(box *b)
{
    for (uint32_t i = 0; i < sl_driver_query_count(b->driver); i++) {
        sl_query_info info;
        sl_driver_query_info(b->driver, i, &info);
        stest_query *q = stest_world_query(&b->world, info.name);
        if (q != NULL && stest_world__adopt_attempt(q, info.last_batch))
            b->news_us = now_us(b);
    }
}

static sl_code run_to(box *b, int64_t to_us, sl_error *err)
{
    for (uint32_t i = 0; i < EVENTS_MAX; i++) {
        if (b->is_dead || b->restart_due) {
            SL_TRY(be_reborn(b, err));
            continue;
        }
        bool polls = sl_driver_queries_active(b->driver) > 0;
        int64_t quiet_us = polls ? b->news_us + QUIET_US : to_us;
        bool is_there = now_us(b) >= to_us && now_us(b) >= quiet_us && is_quiet(b);
        int64_t left_us = (to_us > quiet_us ? to_us : quiet_us) - now_us(b);
        if (is_there) {
            adopt_attempts(b);
            return SL_OK;
        }
        /* Nothing happens before then: be there. */
        int64_t next_us = sl_host_virtual_next_us(b->host);
        if (left_us > 0 &&
            (next_us == INT64_MAX || next_us - sl_host_mono_us(b->host) > left_us))
            sl_host_virtual_advance(b->host, left_us);
        else if (!sl_host_virtual_step(b->host))
            return fail_endless(err);
    }
    return fail_endless(err);
}

static sl_code settle(stest_world *w, sl_error *err)
{
    box *b = box_of(w);
    return run_to(b, now_us(b), err);
}

/* From where the last advance came to, not from where settling drifted: ticks of triggers
 * stay where they are written. */
static sl_code advance(stest_world *w, int64_t us, sl_error *err)
{
    box *b = box_of(w);
    b->due_us += us;
    if (b->due_us < now_us(b))
        b->due_us = now_us(b);
    return run_to(b, b->due_us, err);
}

static void batches_take(stest_world *w, int64_t us)
{
    box_of(w)->batch_us = us;
}

static sl_code restart(stest_world *w, sl_error *err)
{
    box *b = box_of(w);
    b->is_stopping = true;
    sl_driver_stop(b->driver, false);
    for (uint32_t i = 0; i < EVENTS_MAX && sl_driver_queries_active(b->driver) > 0; i++)
        if (!sl_host_virtual_step(b->host))
            break;
    b->is_stopping = false;
    if (sl_driver_queries_active(b->driver) > 0)
        return fail_endless(err);
    return be_reborn(b, err);
}

static sl_code crash_at(stest_world *w, const char *failpoint, uint32_t pass,
                        sl_error *err)
{
    box *b = box_of(w);
    (void)err;
    b->armed = sl_arena_strdup(w->arena, failpoint);
    b->passes_left = pass;
    return SL_OK;
}

static bool is_armed(const stest_world *w)
{
    return ((const box *)(const void *)w)->armed != NULL;
}

static void on_input(stest_world *w)
{
    box_of(w)->news_us = now_us(box_of(w));
}

static const sl_time_zone *zone(const stest_world *w)
{
    return sl_session_zone(((const box *)(const void *)w)->session);
}

/* ---- life of the world ---- */

static void free_box(stest_world *w)
{
    box *b = box_of(w);
    end_life(b);
    sl_memory_tables_free(w->memory);
    sl_fs_virtual_free(b->disk);
    stest_world__deinit(w);
    sl_free(b);
}

static const stest_engine engine = {
    .run = run,
    .on_input = on_input,
    .settle = settle,
    .advance = advance,
    .batches_take = batches_take,
    .restart = restart,
    .crash_at = crash_at,
    .is_armed = is_armed,
    .zone = zone,
    .free = free_box,
};

stest_world *stest_world__box_new(const stest_config *config)
{
    box *b = (box *)sl_calloc(1, sizeof *b);
    stest_world *w = &b->world;
    b->wall_us = b->due_us = WALL_START_US;
    b->disk = sl_fs_virtual_new(disk_wall_ns, b);
    *w = (stest_world){ .engine = &engine,
                        .config = *config,
                        .arena = sl_arena_new(),
                        .fs = sl_fs_virtual_fs(b->disk),
                        .root = "",
                        .memory = sl_memory_tables_new() };
    b->kv = sl_kv_memory(w->fs);
    begin_life(b);
    return w;
}
