/* What an attempt says to the driver at its end: DONE with everything the commit needs,
 * or FAILED with the first cause. */
#include "base/alloc.h"
#include "worker/attempt_private.h"

void sl_wattempt__send_failed(sl_wattempt *a)
{
    sl_message m = { .kind = SL_MSG_FAILED };
    sl_worker__count(ATTEMPTS_FAILED, 1);
    m.u.failed = (sl_msg_failed){ .at = a->message.at,
                                  .state_missing = a->state_missing,
                                  .code = a->error.code,
                                  .line = a->error.line,
                                  .column = a->error.column,
                                  .condition = a->error.condition,
                                  .sqlstate = a->error.sqlstate,
                                  .text = a->error.text };
    sl_worker__send(a->query->worker, &m);
}

static void add_outcome(const sl_wattempt *a, const sl_run_task *t, sl_msg_done *d,
                        sl_msg_source_stats *sources, sl_msg_time_stats *times,
                        sl_msg_op_stats *ops, sl_msg_file *files)
{
    const sl_stage_plan *stage = &a->query->plan->stages[t->stage];
    sl_task_outcome o;
    sl_task_outcome_get(t->task, &o);
    if (stage->input == SL_INPUT_SCAN) {
        sources[stage->source].rows += o.read.rows;
        sources[stage->source].bytes += o.read.bytes;
        sources[stage->source].malformed += o.read.malformed_rows;
    }
    for (uint32_t i = 0; i < o.watermark_count; i++) {
        const sl_task_event_times *e = &o.event_times[i];
        if (e->count == 0)
            continue;
        sl_msg_time_stats *s = &times[i];
        s->max_us =
            s->rows == 0 || e->max_ms * 1000 > s->max_us ? e->max_ms * 1000 : s->max_us;
        s->min_us =
            s->rows == 0 || e->min_ms * 1000 < s->min_us ? e->min_ms * 1000 : s->min_us;
        s->sum_us += e->sum_ms * 1000;
        s->rows += e->count;
    }
    for (uint32_t i = 0; i < o.state_op_count; i++) {
        if (!o.states[i].present)
            continue;
        ops[i].rows_total += o.states[i].rows_total;
        ops[i].rows_updated += o.states[i].rows_updated;
        ops[i].rows_removed += o.states[i].rows_removed;
        ops[i].rows_dropped += o.states[i].rows_dropped;
    }
    if (stage->output == SL_TO_SINK || stage->output == SL_TO_RESULT)
        d->output_rows += o.rows_out;
    if (o.has_file)
        files[d->file_count++] = (sl_msg_file){
            .stage = t->stage,
            .task = t->number,
            .staged = o.file->staged,
            .target = o.file->target,
            .size_bytes = o.file->size_bytes,
            .rows = o.file->rows,
            .hash = o.file->hash,
            .content = sl_bytes_span(&o.file->content),
        };
}

static void fill_states(sl_wattempt *a, sl_msg_done *d, bool is_inline)
{
    sl_wquery *q = a->query;
    sl_msg_state_done *states =
        SL_ARENA_ARRAY(a->arena, sl_msg_state_done, q->partition_count);
    for (uint32_t i = 0; i < q->partition_count; i++) {
        const sl_run_partition *p = &a->partitions[i];
        if (!p->is_prepared)
            continue;
        sl_msg_state_done *s = &states[d->state_count++];
        *s = (sl_msg_state_done){ .partition = i,
                                  .state_id = p->prepared.version.id,
                                  .has_delta = p->prepared.delta != NULL,
                                  .has_full = p->full != NULL,
                                  .state_bytes = p->figures.memory_bytes,
                                  .row_count = (int64_t)p->figures.row_count };
        if (p->full != NULL)
            s->full = sl_span_of(p->full->data, p->full->size_bytes);
        if (!s->has_delta)
            continue;
        s->delta.batch = a->message.at.batch;
        s->delta.state_id = s->state_id;
        if (is_inline) {
            s->delta.inline_bytes =
                sl_span_of(p->prepared.delta->data, p->prepared.delta->size_bytes);
        } else {
            s->delta.segment = a->refs[i].name;
            s->delta.offset = a->refs[i].offset;
            s->delta.length_bytes = a->refs[i].length_bytes;
            s->delta.hash = a->refs[i].hash;
        }
    }
    d->states = states;
    a->states = states;
    a->state_count = d->state_count;
}

void sl_wattempt__send_done(sl_wattempt *a, bool is_inline)
{
    const sl_physical_plan *plan = a->query->plan;
    sl_worker *w = a->query->worker;
    sl_message m = { .kind = SL_MSG_DONE };
    sl_msg_done *d = &m.u.done;
    sl_msg_source_stats *sources =
        SL_ARENA_ARRAY(a->arena, sl_msg_source_stats, plan->source_count + 1);
    sl_msg_time_stats *times =
        SL_ARENA_ARRAY(a->arena, sl_msg_time_stats, plan->watermark_count + 1);
    sl_msg_op_stats *ops =
        SL_ARENA_ARRAY(a->arena, sl_msg_op_stats, plan->state_op_count + 1);
    sl_msg_file *files = SL_ARENA_ARRAY(a->arena, sl_msg_file, a->task_count + 1);
    d->at = a->message.at;
    for (uint32_t i = 0; i < a->task_count; i++)
        add_outcome(a, &a->tasks[i], d, sources, times, ops, files);
    fill_states(a, d, is_inline);
    for (uint32_t i = 0; plan->state_op_count > 0 && i < d->state_count; i++)
        ops[0].memory_bytes += d->states[i].state_bytes;
    for (uint32_t i = 0; plan->state_op_count > 0 && i < a->query->partition_count; i++)
        ops[0].commit_us += a->partitions[i].prepare_us;
    d->sources = sources;
    d->source_count = plan->source_count;
    d->times = times;
    d->time_count = plan->watermark_count;
    d->ops = ops;
    d->op_count = plan->state_op_count;
    d->files = files;
    d->result_count = a->results_sent;
    d->run_us = a->ran_us - a->started_us;
    d->state_us = sl_host_mono_us(w->host) - a->ran_us;
    if (plan->state_op_count > 0)
        ops[0].commit_us += d->state_us;
    a->phase = SL_ATTEMPT_DONE;
    sl_host_failpoint(w->host, "worker.done.before");
    sl_worker__send(w, &m);
    sl_host_failpoint(w->host, "worker.done.after");
    sl_wattempt__free_tasks(a);
}
