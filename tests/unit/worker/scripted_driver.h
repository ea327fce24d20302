/* scripted_driver.h - a real worker in virtual time, and a driver that is the test: it
 * sends the messages the test makes and keeps what the worker answers. */

#ifndef SL_TESTS_WORKER_SCRIPTED_DRIVER_H
#define SL_TESTS_WORKER_SCRIPTED_DRIVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* own block: it needs the four above first */

#include <string.h>

#include "base/alloc.h"
#include "connectors/source_plan.h"
#include "driver/driver_private.h"
#include "engine/plan/analyze.h"
#include "engine/sql/parse.h"
#include "worker/worker.h"

#define ANSWERS_MAX 256
#define PARTITIONS 3u
#define QUERY 7u
#define COUNT_BY_ID "SELECT id, count(*) AS n FROM STREAM t GROUP BY id"

typedef struct world {
    sl_fs_virtual *files;
    sl_fs *fs;
    int64_t file_ns;
    sl_host *host;
    sl_local_network *network;
    sl_kv_factory kv;
    sl_channel *channel; /* the driver's end */
    sl_worker *worker;
    sl_options *options;
    sl_arena *arena; /* of messages and plans */
    sl_message answers[ANSWERS_MAX];
    uint32_t answer_count, read; /* answers looked at so far */
    sl_physical_plan *plan;
    sl_bytes fragment;
    sl_hash128 hash;
    sl_code fault_code; /* of file operations on paths with... */
    const char *fault_path;
    uint32_t fault_times;
    const char *slow_job;
    int64_t slow_us;
    int64_t fence_us;  /* of a worker that starts; 0 never */
    int64_t fenced_us; /* when it was; 0 not yet */
    bool may_return;
} world;

static int64_t world_ns(void *user)
{
    return ((world *)user)->file_ns += 1000000;
}

static int64_t world_wall_us(void *user)
{
    return sl_host_wall_us((sl_host *)user);
}

static sl_code world_before(void *user, const char *operation, const char *path,
                            sl_error *err)
{
    world *w = (world *)user;
    if (w->fault_times == 0 || strstr(path, w->fault_path) == NULL)
        return SL_OK;
    w->fault_times--;
    return sl_fail(err, w->fault_code, "injected: %s %s", operation, path);
}

static int64_t world_job_us(void *user, const char *name)
{
    const world *w = (const world *)user;
    return w->slow_job != NULL && strcmp(name, w->slow_job) == 0 ? w->slow_us : 1;
}

static void world_receive(void *user, const char *from, uint64_t incarnation,
                          sl_blob *blob)
{
    sl_span frame = sl_blob_span(blob);
    world *w = (world *)user;
    sl_message m;
    (void)from;
    (void)incarnation;
    /* the spans of a message borrow from its frame */
    void *copy = sl_arena_alloc(w->arena, frame.size_bytes + 1);
    memcpy(copy, frame.data, frame.size_bytes);
    assert_int_equal(
        sl_message_decode(sl_span_of(copy, frame.size_bytes), w->arena, &m, NULL), SL_OK);
    if (m.kind == SL_MSG_HEARTBEAT && w->answer_count > 0 &&
        w->answers[w->answer_count - 1].kind == SL_MSG_HEARTBEAT)
        w->answer_count--; /* the last one is enough */
    assert_true(w->answer_count < ANSWERS_MAX);
    w->answers[w->answer_count++] = m;
}

/* ---- life ---- */

static void world_fenced(void *user, const char *why, bool may_return)
{
    world *w = (world *)user;
    (void)why;
    w->may_return = may_return;
    w->fenced_us = sl_host_mono_us(w->host);
}

static inline void world_start_worker(world *w, uint32_t slots)
{
    sl_worker_config config = { .address = "w1",
                                .driver_address = "driver",
                                .slots = slots,
                                .memory_bytes = INT64_MAX,
                                .kv = &w->kv,
                                .work_dir = "/work",
                                .heartbeat_us = 500000,
                                .fence_us = w->fence_us,
                                .on_fenced = world_fenced,
                                .user = w };
    assert_int_equal(sl_worker_new(w->host, sl_local_network_of(w->network), &config,
                                   &w->worker, NULL),
                     SL_OK);
}

static inline void world_new(world *w)
{
    memset(w, 0, sizeof *w);
    w->files = sl_fs_virtual_new(world_ns, w);
    w->fs = sl_fs_virtual_fs(w->files);
    sl_fs_virtual_set_faults(w->files, (sl_fs_faults){ world_before, w });
    w->host = sl_host_virtual_new(
        3, INT64_C(1577836800000000), w->fs,
        (sl_host_virtual_hooks){ .job_delay_us = world_job_us, .user = w });
    w->network = sl_local_network_new();
    w->kv = sl_kv_memory(w->fs);
    w->arena = sl_arena_new();
    w->options = sl_options_new();
    assert_int_equal(sl_fs_make_dirs(w->fs, "/in", NULL), SL_OK);
    assert_int_equal(sl_fs_make_dirs(w->fs, "/cp", NULL), SL_OK);
    sl_channel_callbacks callbacks = { .on_message = world_receive, .user = w };
    assert_int_equal(sl_channel_new(w->host, sl_local_network_of(w->network), "driver",
                                    99, callbacks, &w->channel, NULL),
                     SL_OK);
    world_start_worker(w, 2);
}

static inline void world_free(world *w)
{
    sl_worker_free(w->worker);
    sl_channel_free(w->channel);
    sl_local_network_free(w->network);
    sl_host_free(w->host);
    sl_physical_free(w->plan);
    sl_bytes_deinit(&w->fragment);
    sl_options_free(w->options);
    sl_arena_free(w->arena);
    sl_fs_virtual_free(w->files);
}

/* The next answer of this kind after those already read, within a minute of virtual time;
 * NULL if none comes. */
static inline const sl_message *world_await(world *w, sl_message_kind kind)
{
    int64_t end = sl_host_mono_us(w->host) + 60000000;
    for (;;) {
        while (w->read < w->answer_count)
            if (w->answers[w->read++].kind == kind)
                return &w->answers[w->read - 1];
        if (sl_host_mono_us(w->host) > end || !sl_host_virtual_step(w->host))
            return NULL;
        if (w->read > w->answer_count)
            w->read = w->answer_count; /* heartbeats were folded */
    }
}

static inline void world_send(world *w, const sl_message *m)
{
    sl_bytes frame = { 0 };
    sl_message_encode(m, &frame);
    assert_int_equal(sl_channel_send(w->channel, "w1", sl_bytes_span(&frame), NULL),
                     SL_OK);
    sl_bytes_deinit(&frame);
}

static inline void world_file(world *w, const char *path, const char *text)
{
    assert_int_equal(sl_fs_write_new(w->fs, path, sl_span_of(text, strlen(text)), NULL),
                     SL_OK);
}

/* ---- plans ---- */

static inline const sl_statement *world_parse(world *w, const char *sql)
{
    sl_sql_cursor cursor = { .line = 1, .column = 1 };
    const sl_statement *s;
    sl_error err;
    if (sl_sql_parse_next(sql, strlen(sql), &cursor, w->arena, &s, &err) != SL_OK)
        fail_msg("%s: %s", sql, err.text);
    return s;
}

/* A streaming query over t (id STRING, n BIGINT) of the files in /in, rows to the driver
 * in update mode. */
static inline void world_plan(world *w, const char *select)
{
    sl_catalog catalog;
    sl_error err;
    sl_tables *tables = sl_tables_new(w->host, NULL);
    sl_sink_info sink = { .connector = "console",
                          .append = true,
                          .update = true,
                          .complete = true,
                          .to_driver = true };
    assert_int_equal(
        sl_tables_create(tables,
                         world_parse(w, "CREATE TABLE t (id STRING, n BIGINT) USING json "
                                        "OPTIONS (path '/in')"),
                         NULL),
        SL_OK);
    sl_tables_catalog(tables, w->options, sl_time_zone_utc(), w->arena, &catalog);
    sl_plan_request r = { .query = world_parse(w, select)->query,
                          .catalog = &catalog,
                          .streaming_query = true,
                          .mode = SL_OUTPUT_UPDATE,
                          .sink = &sink,
                          .sink_connector = "console",
                          .result_rows_max = -1 };
    if (sl_plan_query(&r, &w->plan, &err) != SL_OK)
        fail_msg("%s: %s", select, err.text);
    sl_tables_free(tables);
    sl_physical_write(w->plan, &w->fragment);
    w->hash = sl_hash128_of(w->fragment.data, w->fragment.size_bytes);
}

static inline void world_deploy(world *w)
{
    sl_message m = { .kind = SL_MSG_DEPLOY };
    m.u.deploy = (sl_msg_deploy){ .query = QUERY,
                                  .fragment_hash = w->hash,
                                  .fragment = sl_bytes_span(&w->fragment),
                                  .query_id = "00000000-0000-4000-8000-000000000001",
                                  .query_hash = 77,
                                  .checkpoint = "/cp",
                                  .partitions = PARTITIONS };
    world_send(w, &m);
}

/* ---- tasks ---- */

/* Slices of all files in /in that came since the last call. */
static inline sl_source_batch world_slices(world *w, sl_source *source)
{
    sl_source_batch b;
    sl_error err;
    if (source->class->plan(source, true, w->arena, &b, &err) != SL_OK)
        fail_msg("%s", err.text);
    return b;
}

static inline sl_source *world_source(world *w)
{
    sl_source_env env = { .fs = w->fs,
                          .wall_us = world_wall_us,
                          .user = w->host,
                          .zone = sl_time_zone_utc(),
                          .slice_bytes = 64 };
    const sl_source_plan *p = &w->plan->sources[0];
    const sl_source_class *class;
    sl_source *source;
    assert_int_equal(sl_source_class_find(p->connector, &class, NULL), SL_OK);
    assert_int_equal(class->open(&env, &p->options, p->schema, true, &source, NULL),
                     SL_OK);
    return source;
}

/* A TASK over these slices, all of it on this worker. base may be NULL: the empty state
 * (batch 0). */
static inline void world_task(world *w, int64_t batch, uint32_t attempt,
                              const sl_source_batch *input, const sl_msg_partition *base)
{
    uint32_t stages = w->plan->stage_count, n = 0;
    sl_msg_slice *slices = SL_ARENA_ARRAY(w->arena, sl_msg_slice, input->slice_count + 1);
    uint32_t *counts = SL_ARENA_ARRAY(w->arena, uint32_t, stages + 1);
    uint32_t *owners =
        SL_ARENA_ARRAY(w->arena, uint32_t, input->slice_count + PARTITIONS);
    int64_t *zeros = SL_ARENA_ARRAY(w->arena, int64_t, w->plan->state_op_count + 1);
    const char *peers[] = { "w1" };
    const uint64_t incarnations[] = { 1 }; /* nobody else is there to be told apart */
    sl_msg_partition fresh[PARTITIONS];
    for (uint32_t s = 0; s < stages; s++)
        for (uint32_t i = 0;
             w->plan->stages[s].input == SL_INPUT_SCAN && i < input->slice_count;
             i++, counts[s]++)
            slices[n++] = (sl_msg_slice){ s, i, input->slices[i] };
    for (uint32_t p = 0; p < PARTITIONS; p++)
        fresh[p] = (sl_msg_partition){ .partition = p, .base_batch = -1 };
    sl_message m = { .kind = SL_MSG_TASK };
    m.u.task = (sl_msg_task){ .at = { QUERY, 1, batch, attempt },
                              .fragment_hash = w->hash,
                              .state_op_count = w->plan->state_op_count,
                              .late_us = zeros,
                              .evict_us = zeros,
                              .slice_count = n,
                              .slices = slices,
                              .partition_count = PARTITIONS,
                              .partitions = base != NULL ? base : fresh,
                              .inline_output = true,
                              .peer_count = 1,
                              .peers = peers,
                              .peer_incarnations = incarnations,
                              .stage_count = stages,
                              .slice_counts = counts,
                              .owner_count = n,
                              .slice_owners = owners,
                              .partition_owner_count = PARTITIONS,
                              .partition_owners = owners };
    world_send(w, &m);
}

static inline void world_committed(world *w, const sl_msg_done *done)
{
    sl_msg_state_id states[PARTITIONS];
    for (uint32_t i = 0; i < done->state_count; i++)
        states[i] =
            (sl_msg_state_id){ done->states[i].partition, done->states[i].state_id };
    sl_message m = { .kind = SL_MSG_COMMITTED };
    m.u.committed = (sl_msg_committed){ done->at, done->state_count, states };
    world_send(w, &m);
}

/* What DONE left as the base of the next batch, without recipes. */
static inline void world_base(const sl_msg_done *done, sl_msg_partition ret[PARTITIONS])
{
    for (uint32_t p = 0; p < PARTITIONS; p++)
        ret[p] = (sl_msg_partition){ .partition = p, .base_batch = done->at.batch };
    for (uint32_t i = 0; i < done->state_count; i++)
        ret[done->states[i].partition].base_state_id = done->states[i].state_id;
}

#endif /* SL_TESTS_WORKER_SCRIPTED_DRIVER_H */
