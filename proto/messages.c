/* The only file that meets the code generated from cluster.proto.  Encoding fills the
 * generated structs in a scratch arena and packs them; decoding scans, unpacks into an
 * arena and copies the fields out (bytes stay where the arena has them). */
#include "proto/messages.h"

#include <string.h>

#include "base/limits.h"
#include "gen/cluster.pb-c.h"
#include "proto/frame.h"
#include "proto/pack_private.h"

static Sl__Pb__Attempt *attempt_out(sl_arena *a, const sl_msg_attempt *at)
{
    Sl__Pb__Attempt *m = SL_ARENA_NEW(a, Sl__Pb__Attempt);
    sl__pb__attempt__init(m);
    m->query = at->query;
    m->epoch = at->epoch;
    m->batch = at->batch;
    m->attempt = at->attempt;
    return m;
}

static sl_msg_attempt attempt_in(const Sl__Pb__Attempt *m)
{
    return m == NULL ? (sl_msg_attempt){ 0 }
                     : (sl_msg_attempt){ m->query, m->epoch, m->batch, m->attempt };
}

static Sl__Pb__Hash128 *hash_out(sl_arena *a, sl_hash128 h)
{
    Sl__Pb__Hash128 *m = SL_ARENA_NEW(a, Sl__Pb__Hash128);
    sl__pb__hash128__init(m);
    m->low = h.low;
    m->high = h.high;
    return m;
}

static sl_hash128 hash_in(const Sl__Pb__Hash128 *m)
{
    return m == NULL ? (sl_hash128){ 0 } : (sl_hash128){ m->low, m->high };
}

static void delta_fill(sl_arena *a, Sl__Pb__Delta *m, const sl_msg_delta *d)
{
    m->batch = d->batch;
    m->state_id = d->state_id;
    m->inline_bytes = sl_proto__bytes(d->inline_bytes);
    m->segment = sl_proto__text(d->segment);
    m->offset = d->offset;
    m->length_bytes = d->length_bytes;
    m->hash = hash_out(a, d->hash);
}

static sl_msg_delta delta_in(const Sl__Pb__Delta *m)
{
    return (sl_msg_delta){ .batch = m->batch,
                           .state_id = m->state_id,
                           .inline_bytes = sl_proto__span(m->inline_bytes),
                           .segment = m->segment,
                           .offset = m->offset,
                           .length_bytes = m->length_bytes,
                           .hash = hash_in(m->hash) };
}

/* ---- one pair of functions per message ---- */

static ProtobufCMessage *register_out(sl_arena *a, const sl_msg_register *s)
{
    Sl__Pb__Register *m = SL_ARENA_NEW(a, Sl__Pb__Register);
    sl__pb__register__init(m);
    m->incarnation = s->incarnation;
    m->protocol_version = s->protocol_version;
    m->slots = s->slots;
    m->memory_bytes = s->memory_bytes;
    m->host = sl_proto__text(s->host);
    m->pid = s->pid;
    m->name = sl_proto__text(s->name);
    m->fence_us = s->fence_us;
    return &m->base;
}

static void register_in(const ProtobufCMessage *from, sl_arena *a, sl_message *ret)
{
    const Sl__Pb__Register *m = (const Sl__Pb__Register *)from;
    (void)a;
    ret->u.reg = (sl_msg_register){ m->incarnation, m->protocol_version,
                                    m->slots,       m->memory_bytes,
                                    m->host,        m->pid,
                                    m->name,        m->fence_us };
}

static ProtobufCMessage *registered_out(sl_arena *a, const sl_msg_registered *s)
{
    Sl__Pb__Registered *m = SL_ARENA_NEW(a, Sl__Pb__Registered);
    sl__pb__registered__init(m);
    m->worker = s->worker;
    m->name = sl_proto__text(s->name);
    return &m->base;
}

static void registered_in(const ProtobufCMessage *from, sl_arena *a, sl_message *ret)
{
    const Sl__Pb__Registered *m = (const Sl__Pb__Registered *)from;
    (void)a;
    ret->u.registered = (sl_msg_registered){ m->worker, m->name };
}

static ProtobufCMessage *heartbeat_out(sl_arena *a, const sl_msg_heartbeat *s)
{
    Sl__Pb__Heartbeat *m = SL_ARENA_NEW(a, Sl__Pb__Heartbeat);
    sl__pb__heartbeat__init(m);
    m->incarnation = s->incarnation;
    m->progress = s->progress;
    m->memory_used_bytes = s->memory_used_bytes;
    m->tasks_running = s->tasks_running;
    m->shuffle_sent_bytes = s->shuffle_sent_bytes;
    m->shuffle_received_bytes = s->shuffle_received_bytes;
    return &m->base;
}

static void heartbeat_in(const ProtobufCMessage *from, sl_arena *a, sl_message *ret)
{
    const Sl__Pb__Heartbeat *m = (const Sl__Pb__Heartbeat *)from;
    (void)a;
    ret->u.heartbeat =
        (sl_msg_heartbeat){ m->incarnation,        m->progress,
                            m->memory_used_bytes,  m->tasks_running,
                            m->shuffle_sent_bytes, m->shuffle_received_bytes };
}

static ProtobufCMessage *deploy_out(sl_arena *a, const sl_msg_deploy *s)
{
    Sl__Pb__Deploy *m = SL_ARENA_NEW(a, Sl__Pb__Deploy);
    sl__pb__deploy__init(m);
    m->query = s->query;
    m->fragment_hash = hash_out(a, s->fragment_hash);
    m->fragment = sl_proto__bytes(s->fragment);
    m->query_id = sl_proto__text(s->query_id);
    m->query_hash = s->query_hash;
    m->checkpoint = sl_proto__text(s->checkpoint);
    m->partitions = s->partitions;
    SL_PROTO__ROWS(a, Sl__Pb__Setting, sl__pb__setting__init, s->setting_count, rows)
    for (uint32_t i = 0; i < s->setting_count; i++) {
        rows[i].name = sl_proto__text(s->settings[i].name);
        rows[i].value = sl_proto__text(s->settings[i].value);
    }
    m->n_settings = s->setting_count;
    m->settings = rows_ptr;
    return &m->base;
}

static void deploy_in(const ProtobufCMessage *from, sl_arena *a, sl_message *ret)
{
    const Sl__Pb__Deploy *m = (const Sl__Pb__Deploy *)from;
    uint32_t n = (uint32_t)m->n_settings;
    sl_msg_setting *settings = SL_ARENA_ARRAY(a, sl_msg_setting, n + 1);
    for (uint32_t i = 0; i < n; i++)
        settings[i] = (sl_msg_setting){ m->settings[i]->name, m->settings[i]->value };
    ret->u.deploy = (sl_msg_deploy){ .query = m->query,
                                     .fragment_hash = hash_in(m->fragment_hash),
                                     .fragment = sl_proto__span(m->fragment),
                                     .query_id = m->query_id,
                                     .query_hash = m->query_hash,
                                     .checkpoint = m->checkpoint,
                                     .partitions = m->partitions,
                                     .setting_count = n,
                                     .settings = settings };
}

static ProtobufCMessage *undeploy_out(sl_arena *a, const sl_msg_undeploy *s)
{
    Sl__Pb__Undeploy *m = SL_ARENA_NEW(a, Sl__Pb__Undeploy);
    sl__pb__undeploy__init(m);
    m->query = s->query;
    return &m->base;
}

static void undeploy_in(const ProtobufCMessage *from, sl_arena *a, sl_message *ret)
{
    (void)a;
    ret->u.undeploy = (sl_msg_undeploy){ ((const Sl__Pb__Undeploy *)from)->query };
}

static void partition_fill(sl_arena *a, Sl__Pb__Partition *m, const sl_msg_partition *p)
{
    m->partition = p->partition;
    m->base_batch = p->base_batch;
    m->base_state_id = p->base_state_id;
    m->has_recipe = p->has_recipe;
    m->snapshot = sl_proto__text(p->snapshot);
    m->snapshot_batch = p->snapshot_batch;
    m->full_delta = sl_proto__bytes(p->full_delta);
    m->snapshot_kind = p->snapshot_kind;
    m->snapshot_id = p->snapshot_id;
    m->snapshot_hash = hash_out(a, p->snapshot_hash);
    m->snapshot_bytes = p->snapshot_bytes;
    SL_PROTO__ROWS(a, Sl__Pb__Delta, sl__pb__delta__init, p->delta_count, rows)
    for (uint32_t i = 0; i < p->delta_count; i++)
        delta_fill(a, &rows[i], &p->deltas[i]);
    m->n_deltas = p->delta_count;
    m->deltas = rows_ptr;
}

static ProtobufCMessage *task_out(sl_arena *a, const sl_msg_task *s)
{
    Sl__Pb__Task *m = SL_ARENA_NEW(a, Sl__Pb__Task);
    sl__pb__task__init(m);
    m->at = attempt_out(a, &s->at);
    m->fragment_hash = hash_out(a, s->fragment_hash);
    m->batch_time_us = s->batch_time_us;
    m->seed = s->seed;
    m->n_late_us = m->n_evict_us = s->state_op_count;
    m->late_us = (int64_t *)(uintptr_t)s->late_us;
    m->evict_us = (int64_t *)(uintptr_t)s->evict_us;
    SL_PROTO__ROWS(a, Sl__Pb__Slice, sl__pb__slice__init, s->slice_count, slices)
    for (uint32_t i = 0; i < s->slice_count; i++) {
        slices[i].stage = s->slices[i].stage;
        slices[i].index = s->slices[i].index;
        slices[i].bytes = sl_proto__bytes(s->slices[i].bytes);
    }
    m->n_slices = s->slice_count;
    m->slices = slices_ptr;
    SL_PROTO__ROWS(a, Sl__Pb__Partition, sl__pb__partition__init, s->partition_count,
                   partitions)
    for (uint32_t i = 0; i < s->partition_count; i++)
        partition_fill(a, &partitions[i], &s->partitions[i]);
    m->n_partitions = s->partition_count;
    m->partitions = partitions_ptr;
    m->inline_output = s->inline_output;
    m->self = s->self;
    m->n_peers = s->peer_count;
    m->peers = (char **)(uintptr_t)s->peers;
    m->n_peer_incarnations = s->peer_count;
    m->peer_incarnations = (uint64_t *)(uintptr_t)s->peer_incarnations;
    m->n_slice_counts = s->stage_count;
    m->slice_counts = (uint32_t *)(uintptr_t)s->slice_counts;
    m->n_slice_owners = s->owner_count;
    m->slice_owners = (uint32_t *)(uintptr_t)s->slice_owners;
    m->n_partition_owners = s->partition_owner_count;
    m->partition_owners = (uint32_t *)(uintptr_t)s->partition_owners;
    return &m->base;
}

static sl_msg_partition partition_in(sl_arena *a, const Sl__Pb__Partition *p)
{
    uint32_t n = (uint32_t)p->n_deltas;
    sl_msg_delta *deltas = SL_ARENA_ARRAY(a, sl_msg_delta, n + 1);
    for (uint32_t i = 0; i < n; i++)
        deltas[i] = delta_in(p->deltas[i]);
    return (sl_msg_partition){ .partition = p->partition,
                               .base_batch = p->base_batch,
                               .base_state_id = p->base_state_id,
                               .has_recipe = p->has_recipe,
                               .snapshot = p->snapshot,
                               .snapshot_batch = p->snapshot_batch,
                               .full_delta = sl_proto__span(p->full_delta),
                               .snapshot_kind = p->snapshot_kind,
                               .snapshot_id = p->snapshot_id,
                               .snapshot_hash = hash_in(p->snapshot_hash),
                               .snapshot_bytes = p->snapshot_bytes,
                               .delta_count = n,
                               .deltas = deltas };
}

static void task_in(const ProtobufCMessage *from, sl_arena *a, sl_message *ret)
{
    const Sl__Pb__Task *m = (const Sl__Pb__Task *)from;
    uint32_t slice_count = (uint32_t)m->n_slices,
             partition_count = (uint32_t)m->n_partitions;
    uint32_t ops =
        (uint32_t)(m->n_late_us < m->n_evict_us ? m->n_late_us : m->n_evict_us);
    sl_msg_slice *slices = SL_ARENA_ARRAY(a, sl_msg_slice, slice_count + 1);
    sl_msg_partition *partitions =
        SL_ARENA_ARRAY(a, sl_msg_partition, partition_count + 1);
    for (uint32_t i = 0; i < slice_count; i++)
        slices[i] = (sl_msg_slice){ m->slices[i]->stage, m->slices[i]->index,
                                    sl_proto__span(m->slices[i]->bytes) };
    for (uint32_t i = 0; i < partition_count; i++)
        partitions[i] = partition_in(a, m->partitions[i]);
    ret->u.task = (sl_msg_task){
        .at = attempt_in(m->at),
        .fragment_hash = hash_in(m->fragment_hash),
        .batch_time_us = m->batch_time_us,
        .seed = m->seed,
        .state_op_count = ops,
        .late_us = m->late_us,
        .evict_us = m->evict_us,
        .slice_count = slice_count,
        .slices = slices,
        .partition_count = partition_count,
        .partitions = partitions,
        .inline_output = m->inline_output,
        .self = m->self,
        .peer_count =
            (uint32_t)(m->n_peers < m->n_peer_incarnations ? m->n_peers
                                                           : m->n_peer_incarnations),
        .peer_incarnations = m->peer_incarnations,
        .peers = (const char *const *)m->peers,
        .stage_count = (uint32_t)m->n_slice_counts,
        .slice_counts = m->slice_counts,
        .owner_count = (uint32_t)m->n_slice_owners,
        .slice_owners = m->slice_owners,
        .partition_owner_count = (uint32_t)m->n_partition_owners,
        .partition_owners = m->partition_owners,
    };
}

static ProtobufCMessage *result_out(sl_arena *a, const sl_msg_result *s)
{
    Sl__Pb__Result *m = SL_ARENA_NEW(a, Sl__Pb__Result);
    sl__pb__result__init(m);
    m->at = attempt_out(a, &s->at);
    m->stage = s->stage;
    m->task = s->task;
    m->index = s->index;
    m->chunk = sl_proto__bytes(s->chunk);
    return &m->base;
}

static void result_in(const ProtobufCMessage *from, sl_arena *a, sl_message *ret)
{
    const Sl__Pb__Result *m = (const Sl__Pb__Result *)from;
    (void)a;
    ret->u.result = (sl_msg_result){ attempt_in(m->at), m->stage, m->task, m->index,
                                     sl_proto__span(m->chunk) };
}

static void done_states_out(sl_arena *a, Sl__Pb__Done *m, const sl_msg_done *s)
{
    SL_PROTO__ROWS(a, Sl__Pb__StateDone, sl__pb__state_done__init, s->state_count, states)
    SL_PROTO__ROWS(a, Sl__Pb__Delta, sl__pb__delta__init, s->state_count, deltas)
    for (uint32_t i = 0; i < s->state_count; i++) {
        const sl_msg_state_done *d = &s->states[i];
        states[i].partition = d->partition;
        states[i].state_id = d->state_id;
        states[i].has_delta = d->has_delta;
        states[i].state_bytes = d->state_bytes;
        states[i].row_count = d->row_count;
        states[i].has_full = d->has_full;
        states[i].full = sl_proto__bytes(d->full);
        if (d->has_delta) {
            delta_fill(a, &deltas[i], &d->delta);
            states[i].delta = deltas_ptr[i];
        }
    }
    m->n_states = s->state_count;
    m->states = states_ptr;
}

static void done_stats_out(sl_arena *a, Sl__Pb__Done *m, const sl_msg_done *s)
{
    SL_PROTO__ROWS(a, Sl__Pb__OpStats, sl__pb__op_stats__init, s->op_count, ops)
    for (uint32_t i = 0; i < s->op_count; i++) {
        ops[i].rows_total = s->ops[i].rows_total;
        ops[i].rows_updated = s->ops[i].rows_updated;
        ops[i].rows_removed = s->ops[i].rows_removed;
        ops[i].rows_dropped = s->ops[i].rows_dropped;
        ops[i].memory_bytes = s->ops[i].memory_bytes;
        ops[i].update_us = s->ops[i].update_us;
        ops[i].remove_us = s->ops[i].remove_us;
        ops[i].commit_us = s->ops[i].commit_us;
    }
    m->n_ops = s->op_count;
    m->ops = ops_ptr;
    SL_PROTO__ROWS(a, Sl__Pb__SourceStats, sl__pb__source_stats__init, s->source_count,
                   sources)
    for (uint32_t i = 0; i < s->source_count; i++) {
        sources[i].rows = s->sources[i].rows;
        sources[i].bytes = s->sources[i].bytes;
        sources[i].malformed = s->sources[i].malformed;
    }
    m->n_sources = s->source_count;
    m->sources = sources_ptr;
    SL_PROTO__ROWS(a, Sl__Pb__TimeStats, sl__pb__time_stats__init, s->time_count, times)
    for (uint32_t i = 0; i < s->time_count; i++) {
        times[i].rows = s->times[i].rows;
        times[i].min_us = s->times[i].min_us;
        times[i].max_us = s->times[i].max_us;
        times[i].sum_us = s->times[i].sum_us;
    }
    m->n_times = s->time_count;
    m->times = times_ptr;
}

static void done_files_out(sl_arena *a, Sl__Pb__Done *m, const sl_msg_done *s)
{
    SL_PROTO__ROWS(a, Sl__Pb__File, sl__pb__file__init, s->file_count, files)
    for (uint32_t i = 0; i < s->file_count; i++) {
        files[i].stage = s->files[i].stage;
        files[i].task = s->files[i].task;
        files[i].staged = sl_proto__text(s->files[i].staged);
        files[i].target = sl_proto__text(s->files[i].target);
        files[i].size_bytes = s->files[i].size_bytes;
        files[i].rows = s->files[i].rows;
        files[i].hash = hash_out(a, s->files[i].hash);
        files[i].content = sl_proto__bytes(s->files[i].content);
    }
    m->n_files = s->file_count;
    m->files = files_ptr;
}

static ProtobufCMessage *done_out(sl_arena *a, const sl_msg_done *s)
{
    Sl__Pb__Done *m = SL_ARENA_NEW(a, Sl__Pb__Done);
    sl__pb__done__init(m);
    m->at = attempt_out(a, &s->at);
    done_states_out(a, m, s);
    done_stats_out(a, m, s);
    done_files_out(a, m, s);
    m->output_rows = s->output_rows;
    m->result_count = s->result_count;
    m->run_us = s->run_us;
    m->state_us = s->state_us;
    return &m->base;
}

static const sl_msg_state_done *done_states_in(const Sl__Pb__Done *m, sl_arena *a)
{
    sl_msg_state_done *states = SL_ARENA_ARRAY(a, sl_msg_state_done, m->n_states + 1);
    for (size_t i = 0; i < m->n_states; i++) {
        const Sl__Pb__StateDone *d = m->states[i];
        states[i] = (sl_msg_state_done){ .partition = d->partition,
                                         .state_id = d->state_id,
                                         .has_delta = d->has_delta && d->delta != NULL,
                                         .state_bytes = d->state_bytes,
                                         .has_full = d->has_full,
                                         .full = sl_proto__span(d->full),
                                         .row_count = d->row_count };
        if (states[i].has_delta)
            states[i].delta = delta_in(d->delta);
    }
    return states;
}

static const sl_msg_op_stats *done_ops_in(const Sl__Pb__Done *m, sl_arena *a)
{
    sl_msg_op_stats *ops = SL_ARENA_ARRAY(a, sl_msg_op_stats, m->n_ops + 1);
    for (size_t i = 0; i < m->n_ops; i++) {
        const Sl__Pb__OpStats *o = m->ops[i];
        ops[i] = (sl_msg_op_stats){ o->rows_total,   o->rows_updated, o->rows_removed,
                                    o->rows_dropped, o->memory_bytes, o->update_us,
                                    o->remove_us,    o->commit_us };
    }
    return ops;
}

static void done_in(const ProtobufCMessage *from, sl_arena *a, sl_message *ret)
{
    const Sl__Pb__Done *m = (const Sl__Pb__Done *)from;
    sl_msg_source_stats *sources =
        SL_ARENA_ARRAY(a, sl_msg_source_stats, m->n_sources + 1);
    for (size_t i = 0; i < m->n_sources; i++)
        sources[i] = (sl_msg_source_stats){ m->sources[i]->rows, m->sources[i]->bytes,
                                            m->sources[i]->malformed };
    sl_msg_time_stats *times = SL_ARENA_ARRAY(a, sl_msg_time_stats, m->n_times + 1);
    for (size_t i = 0; i < m->n_times; i++)
        times[i] = (sl_msg_time_stats){ m->times[i]->rows, m->times[i]->min_us,
                                        m->times[i]->max_us, m->times[i]->sum_us };
    sl_msg_file *files = SL_ARENA_ARRAY(a, sl_msg_file, m->n_files + 1);
    for (size_t i = 0; i < m->n_files; i++) {
        const Sl__Pb__File *f = m->files[i];
        files[i] = (sl_msg_file){ f->stage,         f->task,
                                  f->staged,        f->target,
                                  f->size_bytes,    f->rows,
                                  hash_in(f->hash), sl_proto__span(f->content) };
    }
    ret->u.done = (sl_msg_done){
        .at = attempt_in(m->at),
        .state_count = (uint32_t)m->n_states,
        .states = done_states_in(m, a),
        .op_count = (uint32_t)m->n_ops,
        .ops = done_ops_in(m, a),
        .source_count = (uint32_t)m->n_sources,
        .sources = sources,
        .time_count = (uint32_t)m->n_times,
        .times = times,
        .file_count = (uint32_t)m->n_files,
        .files = files,
        .output_rows = m->output_rows,
        .result_count = m->result_count,
        .run_us = m->run_us,
        .state_us = m->state_us,
    };
}

static ProtobufCMessage *failed_out(sl_arena *a, const sl_msg_failed *s)
{
    Sl__Pb__Failed *m = SL_ARENA_NEW(a, Sl__Pb__Failed);
    sl__pb__failed__init(m);
    m->at = attempt_out(a, &s->at);
    m->state_missing = s->state_missing;
    m->need_plan = s->need_plan;
    m->code = s->code;
    m->line = s->line;
    m->column = s->column;
    m->condition = sl_proto__text(s->condition);
    m->sqlstate = sl_proto__text(s->sqlstate);
    m->text = sl_proto__text(s->text);
    return &m->base;
}

static void failed_in(const ProtobufCMessage *from, sl_arena *a, sl_message *ret)
{
    const Sl__Pb__Failed *m = (const Sl__Pb__Failed *)from;
    (void)a;
    ret->u.failed = (sl_msg_failed){ attempt_in(m->at), m->need_plan, m->state_missing,
                                     m->code,           m->line,      m->column,
                                     m->condition,      m->sqlstate,  m->text };
}

static ProtobufCMessage *committed_out(sl_arena *a, const sl_msg_committed *s)
{
    Sl__Pb__Committed *m = SL_ARENA_NEW(a, Sl__Pb__Committed);
    sl__pb__committed__init(m);
    m->at = attempt_out(a, &s->at);
    SL_PROTO__ROWS(a, Sl__Pb__StateId, sl__pb__state_id__init, s->state_count, rows)
    for (uint32_t i = 0; i < s->state_count; i++) {
        rows[i].partition = s->states[i].partition;
        rows[i].state_id = s->states[i].state_id;
    }
    m->n_states = s->state_count;
    m->states = rows_ptr;
    return &m->base;
}

static void committed_in(const ProtobufCMessage *from, sl_arena *a, sl_message *ret)
{
    const Sl__Pb__Committed *m = (const Sl__Pb__Committed *)from;
    sl_msg_state_id *states = SL_ARENA_ARRAY(a, sl_msg_state_id, m->n_states + 1);
    for (size_t i = 0; i < m->n_states; i++)
        states[i] = (sl_msg_state_id){ m->states[i]->partition, m->states[i]->state_id };
    ret->u.committed =
        (sl_msg_committed){ attempt_in(m->at), (uint32_t)m->n_states, states };
}

static ProtobufCMessage *abort_out(sl_arena *a, const sl_msg_abort *s)
{
    Sl__Pb__Abort *m = SL_ARENA_NEW(a, Sl__Pb__Abort);
    sl__pb__abort__init(m);
    m->at = attempt_out(a, &s->at);
    return &m->base;
}

static void abort_in(const ProtobufCMessage *from, sl_arena *a, sl_message *ret)
{
    (void)a;
    ret->u.abort = (sl_msg_abort){ attempt_in(((const Sl__Pb__Abort *)from)->at) };
}

static ProtobufCMessage *snapshot_out(sl_arena *a, const sl_msg_snapshot *s)
{
    Sl__Pb__Snapshot *m = SL_ARENA_NEW(a, Sl__Pb__Snapshot);
    sl__pb__snapshot__init(m);
    m->query = s->query;
    m->partition = s->partition;
    m->batch = s->batch;
    m->state_id = s->state_id;
    m->manifest = sl_proto__text(s->manifest);
    m->hash = hash_out(a, s->hash);
    m->size_bytes = s->size_bytes;
    m->total_bytes = s->total_bytes;
    return &m->base;
}

static void snapshot_in(const ProtobufCMessage *from, sl_arena *a, sl_message *ret)
{
    const Sl__Pb__Snapshot *m = (const Sl__Pb__Snapshot *)from;
    (void)a;
    ret->u.snapshot = (sl_msg_snapshot){ .query = m->query,
                                         .partition = m->partition,
                                         .batch = m->batch,
                                         .state_id = m->state_id,
                                         .manifest = m->manifest,
                                         .hash = hash_in(m->hash),
                                         .size_bytes = m->size_bytes,
                                         .total_bytes = m->total_bytes };
}

static ProtobufCMessage *rejected_out(sl_arena *a, const sl_msg_rejected *s)
{
    Sl__Pb__Rejected *m = SL_ARENA_NEW(a, Sl__Pb__Rejected);
    sl__pb__rejected__init(m);
    m->why = sl_proto__text(s->why);
    m->register_again = s->register_again;
    return &m->base;
}

static void rejected_in(const ProtobufCMessage *from, sl_arena *a, sl_message *ret)
{
    const Sl__Pb__Rejected *m = (const Sl__Pb__Rejected *)from;
    (void)a;
    ret->u.rejected = (sl_msg_rejected){ m->why, m->register_again };
}

static ProtobufCMessage *leave_out(sl_arena *a)
{
    Sl__Pb__Leave *m = SL_ARENA_NEW(a, Sl__Pb__Leave);
    sl__pb__leave__init(m);
    return &m->base;
}

static void leave_in(const ProtobufCMessage *from, sl_arena *a, sl_message *ret)
{
    (void)from;
    (void)a;
    (void)ret;
}

static ProtobufCMessage *result_credit_out(sl_arena *a, const sl_msg_result_credit *s)
{
    Sl__Pb__ResultCredit *m = SL_ARENA_NEW(a, Sl__Pb__ResultCredit);
    sl__pb__result_credit__init(m);
    m->at = attempt_out(a, &s->at);
    m->taken_bytes = s->taken_bytes;
    return &m->base;
}

static void result_credit_in(const ProtobufCMessage *from, sl_arena *a, sl_message *ret)
{
    const Sl__Pb__ResultCredit *m = (const Sl__Pb__ResultCredit *)from;
    (void)a;
    ret->u.result_credit = (sl_msg_result_credit){ attempt_in(m->at), m->taken_bytes };
}

/* ---- the table of messages ---- */

static const struct codec {
    const char *name;
    const ProtobufCMessageDescriptor *schema;
    void (*in)(const ProtobufCMessage *from, sl_arena *a, sl_message *ret);
} codecs[] = {
    [SL_MSG_REGISTER] = { "REGISTER", &sl__pb__register__descriptor, register_in },
    [SL_MSG_REGISTERED] = { "REGISTERED", &sl__pb__registered__descriptor,
                            registered_in },
    [SL_MSG_HEARTBEAT] = { "HEARTBEAT", &sl__pb__heartbeat__descriptor, heartbeat_in },
    [SL_MSG_DEPLOY] = { "DEPLOY", &sl__pb__deploy__descriptor, deploy_in },
    [SL_MSG_UNDEPLOY] = { "UNDEPLOY", &sl__pb__undeploy__descriptor, undeploy_in },
    [SL_MSG_TASK] = { "TASK", &sl__pb__task__descriptor, task_in },
    [SL_MSG_RESULT] = { "RESULT", &sl__pb__result__descriptor, result_in },
    [SL_MSG_DONE] = { "DONE", &sl__pb__done__descriptor, done_in },
    [SL_MSG_FAILED] = { "FAILED", &sl__pb__failed__descriptor, failed_in },
    [SL_MSG_COMMITTED] = { "COMMITTED", &sl__pb__committed__descriptor, committed_in },
    [SL_MSG_ABORT] = { "ABORT", &sl__pb__abort__descriptor, abort_in },
    [SL_MSG_SNAPSHOT] = { "SNAPSHOT", &sl__pb__snapshot__descriptor, snapshot_in },
    [SL_MSG_REJECTED] = { "REJECTED", &sl__pb__rejected__descriptor, rejected_in },
    [SL_MSG_LEAVE] = { "LEAVE", &sl__pb__leave__descriptor, leave_in },
    [SL_MSG_RESULT_CREDIT] = { "RESULT_CREDIT", &sl__pb__result_credit__descriptor,
                               result_credit_in },
};

const char *sl_message_kind_name(sl_message_kind kind)
{
    return kind > 0 && (size_t)kind < sizeof codecs / sizeof *codecs ? codecs[kind].name
                                                                     : "UNKNOWN";
}

static ProtobufCMessage *message_out(sl_arena *a, const sl_message *m)
{
    switch (m->kind) {
    case SL_MSG_REGISTER:
        return register_out(a, &m->u.reg);
    case SL_MSG_REGISTERED:
        return registered_out(a, &m->u.registered);
    case SL_MSG_HEARTBEAT:
        return heartbeat_out(a, &m->u.heartbeat);
    case SL_MSG_DEPLOY:
        return deploy_out(a, &m->u.deploy);
    case SL_MSG_UNDEPLOY:
        return undeploy_out(a, &m->u.undeploy);
    case SL_MSG_TASK:
        return task_out(a, &m->u.task);
    case SL_MSG_RESULT:
        return result_out(a, &m->u.result);
    case SL_MSG_DONE:
        return done_out(a, &m->u.done);
    case SL_MSG_FAILED:
        return failed_out(a, &m->u.failed);
    case SL_MSG_COMMITTED:
        return committed_out(a, &m->u.committed);
    case SL_MSG_ABORT:
        return abort_out(a, &m->u.abort);
    case SL_MSG_SNAPSHOT:
        return snapshot_out(a, &m->u.snapshot);
    case SL_MSG_REJECTED:
        return rejected_out(a, &m->u.rejected);
    case SL_MSG_LEAVE:
        return leave_out(a);
    case SL_MSG_RESULT_CREDIT:
        return result_credit_out(a, &m->u.result_credit);
    }
    return NULL;
}

void sl_message_encode(const sl_message *m, sl_bytes *out)
{
    sl_arena *a = sl_arena_new();
    sl_proto__pack(message_out(a, m), SL_PROTOCOL_VERSION, (uint8_t)m->kind, out);
    sl_arena_free(a);
}

sl_code sl_message_decode(sl_span frame, sl_arena *arena, sl_message *ret, sl_error *err)
{
    sl_frame f;
    SL_TRY(sl_frame_parse(frame, &f, err));
    if (f.version != SL_PROTOCOL_VERSION)
        return sl_fail(err, SL_EINCOMPATIBLE,
                       "peer speaks protocol version %u, this is version %d", f.version,
                       SL_PROTOCOL_VERSION);
    if (f.kind == 0 || f.kind >= sizeof codecs / sizeof *codecs)
        return sl_fail(err, SL_ECORRUPT, "message kind %u is unknown", f.kind);
    const struct codec *c = &codecs[f.kind];
    ProtobufCMessage *pb;
    SL_TRY(sl_proto__unpack(f.payload, c->schema, c->name, arena, &pb, err));
    ret->kind = (sl_message_kind)f.kind;
    c->in(pb, arena, ret);
    return SL_OK;
}
