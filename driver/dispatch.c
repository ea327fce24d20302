/* One plan on the workers.  All partitions and slices go to one worker; placing them over
 * several is the scheduler's next step, behind the same calls. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/log.h"
#include "driver/driver_private.h"

struct result_part {
    uint32_t stage, task, index;
    sl_chunk *chunk;
};

struct sl_dispatch {
    sl_driver *driver;
    sl_dispatch *next;
    uint64_t number;
    const sl_physical_plan *plan;
    char *query_id, *checkpoint;
    uint64_t query_hash;
    uint32_t partitions;
    sl_options *options;
    sl_bytes fragment;
    sl_hash128 fragment_hash;
    sl_dworker *deployed; /* which worker holds the plan */
    bool running, waits_for_worker;
    sl_msg_attempt at;
    sl_bytes task_frame; /* kept to send once there is a worker */
    sl_dispatch_fn on_result;
    void *user;
    sl_arena *done_arena; /* of the DONE kept for the caller */
    sl_msg_done done;
    struct result_part *parts;
    uint32_t part_count, part_capacity;
    sl_chunk **chunks;
    uint32_t chunk_count;
    sl_schema *row_schema; /* output, with the hidden key */
    sl_snapshot_fn on_snapshot;
    void *snapshot_user;
};

sl_dispatch *sl_dispatch_next(sl_dispatch *x)
{
    return x->next;
}

uint64_t sl_dispatch_number(const sl_dispatch *x)
{
    return x->number;
}

static sl_schema *schema_with_key(const sl_physical_plan *plan, sl_arena *arena)
{
    uint32_t n = plan->output->field_count;
    sl_field *fields = SL_ARENA_ARRAY(arena, sl_field, n + 1);
    memcpy(fields, plan->output->fields, n * sizeof *fields);
    fields[n] = (sl_field){ .name = "key", .type = sl_type_of(SL_TYPE_BINARY) };
    sl_schema *s = SL_ARENA_NEW(arena, sl_schema);
    *s = (sl_schema){ n + (plan->hidden_key ? 1 : 0), fields };
    return s;
}

sl_dispatch *sl_dispatch_new(sl_driver *d, const sl_dispatch_config *config)
{
    sl_dispatch *x = (sl_dispatch *)sl_calloc(1, sizeof *x);
    x->driver = d;
    x->number = d->next_run++;
    x->plan = config->plan;
    x->query_id = sl_strdup(config->query_id);
    x->checkpoint = sl_strdup(config->checkpoint);
    x->query_hash = config->query_hash;
    x->partitions = config->partitions;
    x->options = sl_options_copy(config->options);
    sl_physical_write(config->plan, &x->fragment);
    x->fragment_hash = sl_hash128_of(x->fragment.data, x->fragment.size_bytes);
    x->done_arena = sl_arena_new();
    x->row_schema = schema_with_key(config->plan, config->plan->arena);
    x->next = d->dispatches;
    d->dispatches = x;
    return x;
}

static void drop_results(sl_dispatch *x)
{
    for (uint32_t i = 0; i < x->part_count; i++)
        sl_chunk_unref(x->parts[i].chunk);
    for (uint32_t i = 0; i < x->chunk_count; i++)
        sl_chunk_unref(x->chunks[i]);
    sl_free(x->chunks);
    x->chunks = NULL;
    x->part_count = x->chunk_count = 0;
}

static void send(sl_dispatch *x, const sl_message *m)
{
    sl_error err;
    if (x->deployed != NULL &&
        sl_driver__send(x->driver, x->deployed->address, m, &err) != SL_OK)
        log_warn("DRIVER-SEND", "%s is dropped: %s", sl_message_kind_name(m->kind),
                 err.text);
}

void sl_dispatch_free(sl_dispatch *x)
{
    if (x == NULL)
        return;
    sl_dispatch **at = &x->driver->dispatches;
    while (*at != x)
        at = &(*at)->next;
    *at = x->next;
    sl_message m = { .kind = SL_MSG_UNDEPLOY, .u.undeploy = { x->number } };
    send(x, &m);
    drop_results(x);
    sl_free(x->parts);
    sl_arena_free(x->done_arena);
    sl_bytes_deinit(&x->fragment);
    sl_bytes_deinit(&x->task_frame);
    sl_options_free(x->options);
    sl_free(x->query_id);
    sl_free(x->checkpoint);
    sl_free(x);
}

static bool deploy(sl_dispatch *x)
{
    sl_dworker *w = x->driver->workers;
    if (w == NULL)
        return false;
    if (x->deployed == w)
        return true;
    char rows[24], groups[24], memory[24];
    snprintf(rows, sizeof rows, "%lld",
             (long long)sl_options_int(x->options, "sluice.exec.chunkRows"));
    snprintf(groups, sizeof groups, "%lld",
             (long long)sl_options_int(x->options, "sluice.exec.partialGroups"));
    snprintf(memory, sizeof memory, "%lld",
             (long long)sl_options_int(x->options, "sluice.query.memory"));
    const sl_msg_setting settings[] = {
        { "timeZone", sl_options_text(x->options, "sluice.session.timeZone") },
        { "chunkRows", rows },
        { "partialGroups", groups },
        { "memory", memory },
    };
    sl_message m = { .kind = SL_MSG_DEPLOY };
    m.u.deploy = (sl_msg_deploy){ .query = x->number,
                                  .fragment_hash = x->fragment_hash,
                                  .fragment = sl_bytes_span(&x->fragment),
                                  .query_id = x->query_id,
                                  .query_hash = x->query_hash,
                                  .checkpoint = x->checkpoint,
                                  .partitions = x->partitions,
                                  .setting_count = sizeof settings / sizeof *settings,
                                  .settings = settings };
    x->deployed = w;
    send(x, &m);
    return true;
}

static void send_task(sl_dispatch *x)
{
    sl_error err;
    x->waits_for_worker = !deploy(x);
    if (x->waits_for_worker)
        return; /* sent when one registers */
    if (sl_channel_send(x->driver->channel, x->deployed->address,
                        sl_bytes_span(&x->task_frame), &err) != SL_OK)
        log_warn("DRIVER-SEND", "TASK is dropped: %s", err.text);
}

static void fill_slices(const sl_dispatch *x, const sl_batch_spec *spec, sl_arena *arena,
                        sl_msg_task *task)
{
    uint32_t total = 0;
    for (uint32_t s = 0; s < x->plan->stage_count; s++)
        if (x->plan->stages[s].input == SL_INPUT_SCAN)
            total += spec->slice_counts[x->plan->stages[s].source];
    sl_msg_slice *slices = SL_ARENA_ARRAY(arena, sl_msg_slice, total + 1);
    for (uint32_t s = 0; s < x->plan->stage_count; s++) {
        if (x->plan->stages[s].input != SL_INPUT_SCAN)
            continue;
        uint32_t source = x->plan->stages[s].source;
        for (uint32_t i = 0; i < spec->slice_counts[source]; i++)
            slices[task->slice_count++] = (sl_msg_slice){ s, i, spec->slices[source][i] };
    }
    task->slices = slices;
}

void sl_dispatch_start(sl_dispatch *x, const sl_batch_spec *spec,
                       sl_dispatch_fn on_result, void *user)
{
    sl_arena *arena = sl_arena_new();
    uint32_t ops = x->plan->state_op_count;
    int64_t *late = SL_ARENA_ARRAY(arena, int64_t, ops + 1);
    int64_t *evict = SL_ARENA_ARRAY(arena, int64_t, ops + 1);
    for (uint32_t i = 0; i < ops; i++) {
        late[i] = spec->late_us;
        evict[i] = spec->evict_us;
    }
    sl_message m = { .kind = SL_MSG_TASK };
    x->at = (sl_msg_attempt){ x->number, spec->epoch, spec->batch, spec->attempt };
    m.u.task = (sl_msg_task){ .at = x->at,
                              .fragment_hash = x->fragment_hash,
                              .batch_time_us = spec->batch_time_us,
                              .seed = spec->seed,
                              .state_op_count = ops,
                              .late_us = late,
                              .evict_us = evict,
                              .partition_count = spec->partition_count,
                              .partitions = spec->partitions,
                              .inline_output = spec->inline_output };
    fill_slices(x, spec, arena, &m.u.task);
    sl_bytes_clear(&x->task_frame);
    sl_message_encode(&m, &x->task_frame);
    sl_arena_free(arena);
    drop_results(x);
    x->running = true;
    x->on_result = on_result;
    x->user = user;
    send_task(x);
}

void sl_dispatch_cancel(sl_dispatch *x)
{
    if (x == NULL || !x->running)
        return;
    x->running = false;
    sl_message m = { .kind = SL_MSG_ABORT, .u.abort = { x->at } };
    send(x, &m);
}

void sl_dispatch_committed(sl_dispatch *x)
{
    sl_message m = { .kind = SL_MSG_COMMITTED };
    sl_msg_state_id *states =
        (sl_msg_state_id *)sl_calloc(x->done.state_count + 1, sizeof *states);
    for (uint32_t i = 0; i < x->done.state_count; i++)
        states[i] =
            (sl_msg_state_id){ x->done.states[i].partition, x->done.states[i].state_id };
    m.u.committed = (sl_msg_committed){ x->at, x->done.state_count, states };
    send(x, &m);
    sl_free(states);
}

/* ---- results in order ---- */

static int compare_parts(const void *a, const void *b)
{
    const struct result_part *p = (const struct result_part *)a;
    const struct result_part *q = (const struct result_part *)b;
    if (p->stage != q->stage)
        return p->stage < q->stage ? -1 : 1;
    if (p->task != q->task)
        return p->task < q->task ? -1 : 1;
    return p->index < q->index ? -1 : p->index > q->index;
}

/* One row and its key, for the merge of partitions. */
struct keyed_row {
    const char *key;
    uint32_t length, part, row;
};

static int compare_rows(const void *a, const void *b)
{
    const struct keyed_row *p = (const struct keyed_row *)a;
    const struct keyed_row *q = (const struct keyed_row *)b;
    uint32_t n = p->length < q->length ? p->length : q->length;
    int order = n == 0 ? 0 : memcmp(p->key, q->key, n);
    if (order != 0)
        return order;
    if (p->length != q->length)
        return p->length < q->length ? -1 : 1;
    if (p->part != q->part)
        return p->part < q->part ? -1 : 1;
    return p->row < q->row ? -1 : p->row > q->row;
}

static sl_code copy_rows(sl_dispatch *x, const struct keyed_row *rows, size_t count,
                         sl_error *err)
{
    const sl_schema *schema = x->plan->output;
    x->chunks = (sl_chunk **)sl_calloc(count / SL_CHUNK_ROWS + 1, sizeof *x->chunks);
    for (size_t from = 0; from < count; from += SL_CHUNK_ROWS) {
        uint32_t n =
            (uint32_t)(count - from < SL_CHUNK_ROWS ? count - from : SL_CHUNK_ROWS);
        sl_chunk_builder b;
        SL_TRY(sl_chunk_builder_init(&b, schema, n, NULL, err));
        for (uint32_t c = 0; c < schema->field_count; c++) {
            for (uint32_t i = 0; i < n; i++) {
                const struct keyed_row *r = &rows[from + i];
                sl_code code = sl_column_builder_copy(
                    &b.columns[c], &x->parts[r->part].chunk->columns[c], r->row, err);
                if (code != SL_OK) {
                    sl_chunk_builder_deinit(&b);
                    return code;
                }
            }
        }
        x->chunks[x->chunk_count++] = sl_chunk_builder_finish(&b, n);
    }
    return SL_OK;
}

/* Rows of all partitions in ascending key order. */
static sl_code merge_by_key(sl_dispatch *x, sl_error *err)
{
    size_t total = 0, n = 0;
    uint32_t key = x->plan->output->field_count;
    for (uint32_t p = 0; p < x->part_count; p++)
        total += x->parts[p].chunk->selected;
    struct keyed_row *rows = (struct keyed_row *)sl_calloc(total + 1, sizeof *rows);
    for (uint32_t p = 0; p < x->part_count; p++) {
        const sl_chunk *c = x->parts[p].chunk;
        const sl_string_view *keys = sl_column_strings(&c->columns[key]);
        for (uint32_t i = 0; i < c->selected; i++) {
            uint32_t row = sl_chunk_row(c, i);
            rows[n++] = (struct keyed_row){ sl_string_data(&keys[row]), keys[row].length,
                                            p, row };
        }
    }
    qsort(rows, total, sizeof *rows, compare_rows);
    sl_code code = copy_rows(x, rows, total, err);
    sl_free(rows);
    return code;
}

static sl_code order_results(sl_dispatch *x, sl_error *err)
{
    if (x->part_count == 0)
        return SL_OK;
    qsort(x->parts, x->part_count, sizeof *x->parts, compare_parts);
    if (x->plan->hidden_key)
        return merge_by_key(x, err);
    x->chunks = (sl_chunk **)sl_calloc(x->part_count + 1, sizeof *x->chunks);
    for (uint32_t i = 0; i < x->part_count; i++)
        x->chunks[x->chunk_count++] = sl_chunk_ref(x->parts[i].chunk);
    return SL_OK;
}

static void finish(sl_dispatch *x, sl_batch_result *r)
{
    x->running = false;
    r->chunks = x->chunks;
    r->chunk_count = x->chunk_count;
    x->on_result(x->user, r); /* may start or free this dispatch */
}

static void on_result(sl_dispatch *x, const sl_msg_result *m)
{
    sl_chunk *chunk;
    sl_error err;
    if (sl_chunk_read(m->chunk, x->row_schema, NULL, &chunk, &err) != SL_OK) {
        log_warn("DRIVER-BAD-RESULT", "%s", err.text); /* the count at DONE tells */
        return;
    }
    if (x->part_count == x->part_capacity) {
        x->part_capacity = x->part_capacity == 0 ? 16 : x->part_capacity * 2;
        x->parts = (struct result_part *)sl_realloc(x->parts,
                                                    x->part_capacity * sizeof *x->parts);
    }
    x->parts[x->part_count++] =
        (struct result_part){ m->stage, m->task, m->index, chunk };
}

static bool on_done(sl_dispatch *x, const sl_msg_done *m, sl_arena *arena)
{
    sl_batch_result r = { .code = SL_OK };
    sl_arena_free(x->done_arena);
    x->done_arena = arena;
    x->done = *m;
    r.done = &x->done;
    if (m->result_count != x->part_count)
        r.code = sl_fail(&r.error, SL_ELOST, "%u of %u result chunks arrived",
                         x->part_count, m->result_count);
    else
        r.code = order_results(x, &r.error);
    finish(x, &r);
    return true;
}

static void on_failed(sl_dispatch *x, const sl_msg_failed *m)
{
    sl_batch_result r = { .state_missing = m->state_missing };
    r.code = m->code > 0 && m->code < SL_CODE_COUNT ? (sl_code)m->code : SL_EINTERNAL;
    (void)sl_fail_as(&r.error, r.code, m->condition, m->sqlstate, "%s", m->text);
    r.error.line = m->line;
    r.error.column = m->column;
    finish(x, &r);
}

static bool is_current(const sl_dispatch *x, const sl_msg_attempt *at)
{
    return x->running && at->batch == x->at.batch && at->epoch == x->at.epoch &&
           at->attempt == x->at.attempt;
}

void sl_dispatch_on_message(sl_dispatch *x, const sl_message *m, sl_arena *arena,
                            bool *ret_kept)
{
    switch (m->kind) {
    case SL_MSG_RESULT:
        if (is_current(x, &m->u.result.at))
            on_result(x, &m->u.result);
        break;
    case SL_MSG_DONE:
        if (is_current(x, &m->u.done.at)) {
            *ret_kept = true;
            on_done(x, &m->u.done, arena);
        }
        break;
    case SL_MSG_FAILED:
        if (is_current(x, &m->u.failed.at))
            on_failed(x, &m->u.failed);
        break;
    case SL_MSG_SNAPSHOT:
        if (x->on_snapshot != NULL)
            x->on_snapshot(x->snapshot_user, &m->u.snapshot);
        break;
    default:
        break;
    }
}

void sl_dispatch_set_snapshot_fn(sl_dispatch *x, sl_snapshot_fn fn, void *user)
{
    x->on_snapshot = fn;
    x->snapshot_user = user;
}

void sl_dispatch_on_worker_lost(sl_dispatch *x, const sl_dworker *w)
{
    if (x->deployed != w)
        return;
    x->deployed = NULL;
    if (!x->running)
        return;
    sl_batch_result r = { .state_missing = true };
    r.code = sl_fail(&r.error, SL_ELOST, "worker %s was lost", w->address);
    finish(x, &r);
}

void sl_dispatch_on_worker(sl_dispatch *x)
{
    if (x->running && x->waits_for_worker)
        send_task(x);
}
