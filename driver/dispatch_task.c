/* Who runs what of a try, and the messages that say so. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"
#include "driver/dispatch_private.h"

void sl_dispatch__send(sl_dispatch *x, const sl_dworker *w, const sl_message *m)
{
    sl_error err;
    if (sl_driver__send(x->driver, w->address, m, &err) != SL_OK)
        log_warn("DRIVER-SEND", "%s to %s is dropped: %s", sl_message_kind_name(m->kind),
                 w->name, err.text);
}

/* ---- placement ---- */

/* Workers that may get work. False: a suspect one has state that this plan needs: better
 * wait until it is back or dead than move its partitions to and fro. */
static bool list_workers(const sl_dispatch *x, sl_placement_worker *ret, uint32_t *count)
{
    *count = 0;
    for (const sl_dworker *w = sl_driver__workers(x->driver);
         w != NULL && *count < SL_DISPATCH_WORKERS_MAX; w = w->next) {
        if (w->state == SL_WORKER_ACTIVE) {
            ret[(*count)++] = (sl_placement_worker){ w->number, w->slots };
            continue;
        }
        for (uint32_t p = 0; x->spec.partition_count > 0 && p < x->partitions; p++)
            if (x->holders[p] == w->number)
                return false;
    }
    return *count > 0;
}

static uint32_t slices_of_stage(const sl_dispatch *x, uint32_t stage)
{
    const sl_stage_plan *s = &x->plan->stages[stage];
    return s->input == SL_INPUT_SCAN ? x->spec.slice_counts[s->source] : 0;
}

static void place_slices(sl_dispatch *x, const sl_placement_worker *workers,
                         uint32_t count)
{
    uint32_t total = 0;
    for (uint32_t s = 0; s < x->plan->stage_count; s++)
        total += slices_of_stage(x, s);
    if (total > x->slice_capacity) {
        x->slice_capacity = total;
        x->slice_owners =
            (uint32_t *)sl_realloc(x->slice_owners, total * sizeof *x->slice_owners);
        x->slice_deaths = (uint8_t *)sl_realloc(x->slice_deaths, total);
    }
    if (total != x->slice_total) { /* another batch */
        memset(x->slice_deaths, 0, total);
        x->slice_total = total;
    }
    for (uint32_t s = 0, at = 0; s < x->plan->stage_count; s++) {
        uint32_t n = slices_of_stage(x, s);
        if (n > 0)
            sl_place_slices(workers, count, x->slice_owners + at, n);
        at += n;
    }
}

static bool has_work(const sl_dispatch *x, uint32_t number, bool uses_partitions)
{
    for (uint32_t p = 0; uses_partitions && p < x->partitions; p++)
        if (x->partition_owners[p] == number)
            return true;
    for (uint32_t i = 0; i < x->slice_total; i++)
        if (x->slice_owners[i] == number)
            return true;
    return false;
}

static bool uses_partitions(const sl_dispatch *x)
{
    for (uint32_t s = 0; s < x->plan->stage_count; s++)
        if (x->plan->stages[s].width != SL_WIDTH_SLICES)
            return true;
    return false;
}

static void make_shares(sl_dispatch *x)
{
    bool partitions = uses_partitions(x);
    uint32_t n = 0;
    for (sl_dworker *w = sl_driver__workers(x->driver); w != NULL; w = w->next)
        n++;
    x->shares = (sl_share *)sl_realloc(x->shares, (n + (size_t)1) * sizeof *x->shares);
    x->share_count = 0;
    for (sl_dworker *w = sl_driver__workers(x->driver); w != NULL; w = w->next)
        if (w->state == SL_WORKER_ACTIVE && has_work(x, w->number, partitions))
            x->shares[x->share_count++] = (sl_share){ .worker = w, .number = w->number };
    /* Nothing to do at all is done by somebody all the same: DONE is what ends a try. */
    for (sl_dworker *w = sl_driver__workers(x->driver); w != NULL && x->share_count == 0;
         w = w->next)
        if (w->state == SL_WORKER_ACTIVE)
            x->shares[x->share_count++] = (sl_share){ .worker = w, .number = w->number };
}

bool sl_dispatch__place(sl_dispatch *x, uint32_t *ret_moved)
{
    sl_placement_worker workers[SL_DISPATCH_WORKERS_MAX];
    uint32_t count, moved = 0;
    if (!list_workers(x, workers, &count))
        return false;
    (void)sl_place_partitions(workers, count, x->partition_owners, x->partitions);
    place_slices(x, workers, count);
    for (uint32_t p = 0; p < x->spec.partition_count; p++)
        moved += x->spec.partitions[p].base_batch >= 0 &&
                 x->holders[p] != x->partition_owners[p] &&
                 !x->spec.partitions[p].has_recipe;
    *ret_moved = moved;
    if (moved == 0)
        make_shares(x);
    return true;
}

/* ---- DEPLOY ---- */

static bool is_deployed(const sl_dispatch *x, uint32_t number)
{
    for (uint32_t i = 0; i < x->deployed_count; i++)
        if (x->deployed[i] == number)
            return true;
    return false;
}

static void deploy(sl_dispatch *x, const sl_dworker *w)
{
    if (is_deployed(x, w->number))
        return;
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
    sl_dispatch__send(x, w, &m);
    SL_ASSERT(x->deployed_count < SL_DISPATCH_WORKERS_MAX);
    x->deployed[x->deployed_count++] = w->number;
}

/* ---- TASK ---- */

/* What is the same for all receivers. */
struct task_parts {
    const char **peers;
    uint64_t *incarnations;
    int64_t *late, *evict;
    uint32_t *slice_counts, *slice_owners, *partition_owners;
};

static uint32_t peer_of(const sl_dispatch *x, uint32_t number)
{
    for (uint32_t i = 0; i < x->share_count; i++)
        if (x->shares[i].number == number)
            return i;
    return 0; /* of a partition no stage uses */
}

static void fill_parts(const sl_dispatch *x, sl_arena *arena, struct task_parts *p)
{
    uint32_t ops = x->plan->state_op_count, stages = x->plan->stage_count;
    p->peers = SL_ARENA_ARRAY(arena, const char *, x->share_count + 1);
    p->incarnations = SL_ARENA_ARRAY(arena, uint64_t, x->share_count + 1);
    p->late = SL_ARENA_ARRAY(arena, int64_t, ops + 1);
    p->evict = SL_ARENA_ARRAY(arena, int64_t, ops + 1);
    p->slice_counts = SL_ARENA_ARRAY(arena, uint32_t, stages + 1);
    p->slice_owners = SL_ARENA_ARRAY(arena, uint32_t, x->slice_total + 1);
    p->partition_owners = SL_ARENA_ARRAY(arena, uint32_t, x->partitions + 1);
    for (uint32_t i = 0; i < x->share_count; i++) {
        p->peers[i] = x->shares[i].worker->address;
        p->incarnations[i] = x->shares[i].worker->incarnation;
    }
    for (uint32_t i = 0; i < ops; i++) {
        p->late[i] = x->spec.late_us;
        p->evict[i] = x->spec.evict_us;
    }
    for (uint32_t s = 0; s < stages; s++)
        p->slice_counts[s] = slices_of_stage(x, s);
    for (uint32_t i = 0; i < x->slice_total; i++)
        p->slice_owners[i] = peer_of(x, x->slice_owners[i]);
    for (uint32_t i = 0; i < x->partitions; i++)
        p->partition_owners[i] = peer_of(x, x->partition_owners[i]);
}

static void own_slices(const sl_dispatch *x, uint32_t number, sl_arena *arena,
                       sl_msg_task *task)
{
    sl_msg_slice *slices = SL_ARENA_ARRAY(arena, sl_msg_slice, x->slice_total + 1);
    for (uint32_t s = 0, at = 0; s < x->plan->stage_count; s++)
        for (uint32_t i = 0, n = slices_of_stage(x, s); i < n; i++, at++)
            if (x->slice_owners[at] == number)
                slices[task->slice_count++] =
                    (sl_msg_slice){ s, i, x->spec.slices[x->plan->stages[s].source][i] };
    task->slices = slices;
}

/* A worker that holds the state needs no recipe. */
static void own_partitions(const sl_dispatch *x, uint32_t number, sl_arena *arena,
                           sl_msg_task *task)
{
    sl_msg_partition *rows =
        SL_ARENA_ARRAY(arena, sl_msg_partition, x->spec.partition_count + 1);
    for (uint32_t p = 0; p < x->spec.partition_count; p++) {
        if (x->partition_owners[p] != number)
            continue;
        sl_msg_partition *m = &rows[task->partition_count++];
        *m = x->spec.partitions[p];
        if (x->holders[p] == number)
            *m = (sl_msg_partition){ .partition = m->partition,
                                     .base_batch = m->base_batch,
                                     .base_state_id = m->base_state_id };
    }
    task->partitions = rows;
}

/* Rows of memory tables and of VALUES travel inside their slices: so that a TASK that
 * would be no message is an answer and not a wait without end. */
static sl_code check_size(const sl_dispatch *x, const sl_dworker *w, const sl_msg_task *t,
                          sl_error *err)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < t->slice_count; i++)
        bytes += t->slices[i].bytes.size_bytes;
    if (bytes <= SL_TASK_SLICE_BYTES_MAX)
        return SL_OK;
    return sl_fail(err, SL_ELIMIT,
                   "the slices of batch %lld for worker %s have %zu bytes, a task can "
                   "carry %u: rows of a memory table or of VALUES travel inside them. "
                   "Write such rows to files, or let more workers share them",
                   (long long)x->at.batch, w->name, bytes, SL_TASK_SLICE_BYTES_MAX);
}

static sl_code send_task(sl_dispatch *x, uint32_t share, const struct task_parts *parts,
                         sl_arena *arena, sl_error *err)
{
    const sl_dworker *w = x->shares[share].worker;
    uint32_t number = x->shares[share].number;
    sl_message m = { .kind = SL_MSG_TASK };
    sl_msg_task *t = &m.u.task;
    *t = (sl_msg_task){ .at = x->at,
                        .fragment_hash = x->fragment_hash,
                        .batch_time_us = x->spec.batch_time_us,
                        .seed = x->spec.seed,
                        .state_op_count = x->plan->state_op_count,
                        .late_us = parts->late,
                        .evict_us = parts->evict,
                        .inline_output = x->spec.inline_output,
                        .self = share,
                        .peer_count = x->share_count,
                        .peers = parts->peers,
                        .peer_incarnations = parts->incarnations,
                        .stage_count = x->plan->stage_count,
                        .slice_counts = parts->slice_counts,
                        .owner_count = x->slice_total,
                        .slice_owners = parts->slice_owners,
                        .partition_owner_count = x->partitions,
                        .partition_owners = parts->partition_owners };
    own_slices(x, number, arena, t);
    own_partitions(x, number, arena, t);
    SL_TRY(check_size(x, w, t, err));
    return sl_driver__send(x->driver, w->address, &m, err);
}

static bool has_slices(const sl_dispatch *x, uint32_t number)
{
    for (uint32_t i = 0; i < x->slice_total; i++)
        if (x->slice_owners[i] == number)
            return true;
    return false;
}

/* Those that read first: the others wait for their blocks. */
sl_code sl_dispatch__send_tasks(sl_dispatch *x, sl_error *err)
{
    sl_arena *arena = sl_arena_new();
    struct task_parts parts;
    sl_code code = SL_OK;
    fill_parts(x, arena, &parts);
    for (uint32_t reads = 2; reads-- > 0;)
        for (uint32_t i = 0; i < x->share_count && code == SL_OK; i++) {
            if (has_slices(x, x->shares[i].number) != reads)
                continue;
            deploy(x, x->shares[i].worker);
            code = send_task(x, i, &parts, arena, err);
        }
    sl_arena_free(arena);
    return code;
}
