/* The life of one TASK (attempt_private.h has the drawing): start, store, let go, commit.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"
#include "worker/attempt_private.h"

static void pass_failpoint(void *user, const char *name)
{
    sl_host_failpoint((sl_host *)user, name);
}

void sl_wattempt__start(sl_wquery *q, sl_arena *arena, const sl_msg_task *task)
{
    sl_wattempt *a = SL_ARENA_NEW(arena, sl_wattempt);
    sl_error err;
    a->query = q;
    a->arena = arena;
    a->message = *task;
    a->phase = SL_ATTEMPT_RUNNING;
    a->started_us = sl_host_mono_us(q->worker->host);
    pthread_mutex_init(&a->lock, NULL);
    q->attempt = a;
    atomic_fetch_add(&q->worker->attempts_running, 1);
    a->write = (sl_write_request){
        .fs = q->worker->host->fs,
        .connector = q->plan->sink,
        .options = q->plan->sink_options,
        .schema = q->plan->output,
        .query_hash = q->query_hash,
        .batch = task->at.batch,
        .epoch = task->at.epoch,
        .attempt = task->at.attempt,
        .allow_inline = task->inline_output,
        .zone = q->zone,
        .budget = &q->budget,
        .failpoint = pass_failpoint,
        .user = q->worker->host,
    };
    sl_worker__count(ATTEMPTS, 1);
    sl_host_failpoint(q->worker->host, "worker.task.start");
    for (uint32_t i = 0; i < task->partition_count; i++)
        if (task->partitions[i].has_recipe)
            sl_wpartition__learn(q, &task->partitions[i]);
    if (sl_wattempt__set_up(a, &err) != SL_OK) {
        sl_wattempt__fail_locked(a, false, &err);
        sl_wattempt__ended(a);
        return;
    }
    if (sl_wattempt__run(a))
        sl_wattempt__ended(a); /* no task at all */
}

/* ---- after the tasks: loop thread ---- */

void sl_wattempt__free_tasks(sl_wattempt *a)
{
    for (uint32_t i = 0; a->tasks != NULL && i < a->task_count; i++) {
        sl_task_free(a->tasks[i].task);
        a->tasks[i].task = NULL;
    }
    for (uint32_t s = 0; a->exchanges != NULL && s < a->query->plan->stage_count; s++) {
        sl_exchange_free(a->exchanges[s].exchange);
        a->exchanges[s].exchange = NULL;
    }
}

static void attempt_free(sl_wattempt *a)
{
    sl_wattempt__free_tasks(a);
    for (uint32_t i = 0; a->partitions != NULL && i < a->query->partition_count; i++) {
        sl_buffer_unref(a->partitions[i].prepared.delta);
        sl_buffer_unref(a->partitions[i].full);
    }
    for (sl_run_result *r = a->results, *next; r != NULL; r = next) {
        next = r->next;
        sl_bytes_deinit(&r->frame);
        sl_free(r);
    }
    pthread_mutex_destroy(&a->lock);
    sl_arena_free(a->arena);
}

/* The attempt is over in every way: go on with a TASK that waited, or close. */
static void attempt_gone(sl_wattempt *a)
{
    sl_wquery *q = a->query;
    if (a->results_posted) { /* that event still names us; it is in front of this one */
        sl_host_post(q->worker->host, q->worker, (void (*)(void *))attempt_gone, a);
        return;
    }
    if (q->attempt == a)
        q->attempt = NULL;
    if (q->committing == a)
        q->committing = NULL;
    attempt_free(a);
    if (q->closing) {
        sl_worker__query_gone(q);
    } else if (q->pending_arena != NULL && q->attempt == NULL) {
        sl_arena *arena = q->pending_arena;
        q->pending_arena = NULL;
        sl_wattempt__start(q, arena, &q->pending);
    }
}

static void let_go_done(sl_job *job)
{
    sl_wattempt *a = ((sl_run_executor *)job)->attempt;
    if (--a->jobs_left == 0)
        attempt_gone(a);
}

/* Lane thread: undo what this executor's partitions hold of the attempt. */
static void let_go_run(sl_job *job)
{
    sl_run_executor *e = (sl_run_executor *)job;
    sl_wattempt *a = e->attempt;
    for (uint32_t i = 0; i < a->query->partition_count; i++)
        if (sl_wattempt__is_on(a, i, e->index) && a->partitions[i].is_open)
            sl_state_abort(a->query->partitions[i].state);
}

static void submit_to_all(sl_wattempt *a, const char *name, void (*run)(sl_job *),
                          void (*done)(sl_job *))
{
    sl_worker *w = a->query->worker;
    a->jobs_left = a->executor_count;
    for (uint32_t i = 0; i < a->executor_count; i++) {
        a->executors[i].job =
            (sl_job){ .name = name, .run = run, .done = done, .owner = w };
        sl_host_submit(w->host, w->executors[i], &a->executors[i].job);
    }
}

static void let_go(sl_wattempt *a)
{
    a->phase = SL_ATTEMPT_LETTING_GO;
    sl_wattempt__submit_commit(a->query);
    sl_wattempt__free_tasks(
        a); /* undo runs after the last task of the attempt has let go */
    if (sl_wattempt__uses_state(a) && a->partitions != NULL)
        submit_to_all(a, "undo-state", let_go_run, let_go_done);
    else
        attempt_gone(a);
}

/* ---- deltas too large for the commit: one segment append each, one sync ---- */

static void store_run(sl_job *job)
{
    sl_wattempt *a =
        (sl_wattempt *)(void *)((char *)job - offsetof(sl_wattempt, store_job));
    a->store_code = SL_OK;
    for (uint32_t i = 0; i < a->query->partition_count && a->store_code == SL_OK; i++) {
        const sl_buffer *delta = a->partitions[i].prepared.delta;
        if (delta != NULL)
            a->store_code = sl_segment_append(a->query->segments, a->message.at.batch,
                                              sl_span_of(delta->data, delta->size_bytes),
                                              &a->refs[i], &a->store_error);
    }
    if (a->store_code == SL_OK)
        a->store_code = sl_segment_sync(a->query->segments, &a->store_error);
}

static void store_done(sl_job *job)
{
    sl_wattempt *a =
        (sl_wattempt *)(void *)((char *)job - offsetof(sl_wattempt, store_job));
    if (a->cancelled) {
        let_go(a);
    } else if (a->store_code != SL_OK) {
        a->error = a->store_error;
        a->failed = true;
        sl_wattempt__send_failed(a);
        let_go(a);
    } else {
        sl_wattempt__send_done(a, false);
    }
}

/* All executors idle: finished or failed. Results they left are sent first. */
void sl_wattempt__ended(sl_wattempt *a)
{
    sl_worker *w = a->query->worker;
    sl_wattempt__send_results(a);
    a->ran_us = sl_host_mono_us(w->host);
    atomic_fetch_sub(&w->attempts_running, 1);
    if (a->failed) {
        if (!a->cancelled)
            sl_wattempt__send_failed(a);
        let_go(a);
        return;
    }
    size_t delta_bytes = 0;
    for (uint32_t i = 0; i < a->query->partition_count; i++)
        if (a->partitions[i].prepared.delta != NULL)
            delta_bytes += a->partitions[i].prepared.delta->size_bytes;
    if (delta_bytes == 0 ||
        (a->message.inline_output && delta_bytes <= SL_INLINE_DELTA_BYTES)) {
        sl_wattempt__send_done(a, true);
        return;
    }
    a->phase = SL_ATTEMPT_STORING;
    a->store_job = (sl_job){
        .name = "store-deltas", .run = store_run, .done = store_done, .owner = w
    };
    sl_host_submit(w->host, w->state_store, &a->store_job);
}

void sl_wattempt__abort(sl_wquery *q)
{
    sl_wattempt *a = q->attempt;
    if (a == NULL || a->cancelled || a->phase == SL_ATTEMPT_LETTING_GO)
        return;
    if (a->phase == SL_ATTEMPT_DONE) {
        let_go(a);
        return;
    }
    a->cancelled = true;
    sl_worker__count(ATTEMPTS_ABANDONED, 1);
    if (a->phase == SL_ATTEMPT_STORING)
        return; /* store_done lets go */
    sl_error err;
    (void)sl_fail(&err, SL_ECANCELLED, "the attempt was abandoned");
    pthread_mutex_lock(&a->lock);
    sl_wattempt__fail_locked(a, false, &err);
    bool idle = a->active_count == 0;
    pthread_mutex_unlock(&a->lock);
    sl_wattempt__abort_exchanges(a);
    if (idle)
        sl_wattempt__ended(a); /* every task was waiting */
}

/* ---- commit ---- */

static void commit_run(sl_job *job)
{
    sl_run_executor *e = (sl_run_executor *)job;
    sl_wattempt *a = e->attempt;
    for (uint32_t i = 0; i < a->query->partition_count; i++) {
        sl_run_partition *p = &a->partitions[i];
        sl_wpartition *held = &a->query->partitions[i];
        if (!sl_wattempt__is_on(a, i, e->index) || !p->is_prepared)
            continue;
        if (!p->is_foreign &&
            sl_state_commit(held->state, p->prepared.version, NULL) == SL_OK)
            continue;
        p->is_foreign = true;
        sl_state_partition_free(held->state); /* restored by the next TASK's recipe */
        held->state = NULL;
    }
}

static void commit_done(sl_job *job)
{
    sl_wattempt *a = ((sl_run_executor *)job)->attempt;
    sl_wquery *q = a->query;
    if (--a->jobs_left > 0)
        return;
    for (uint32_t i = 0; i < a->state_count; i++) {
        sl_wpartition *p = &q->partitions[a->states[i].partition];
        if (a->partitions[p->number].is_foreign)
            p->recipe_known = false;
        else if (!q->closing)
            sl_wpartition__maintain(q, p);
    }
    attempt_gone(a);
}

void sl_wattempt__submit_commit(sl_wquery *q)
{
    sl_wattempt *a = q->committing;
    if (a == NULL || !a->commit_waits)
        return;
    a->commit_waits = false;
    submit_to_all(a, "commit-state", commit_run, commit_done);
}

/* Mostly a TASK came with COMMITTED and has done it: the executors wake once for both. */
static void commit_now(void *user)
{
    sl_wattempt *a = (sl_wattempt *)user;
    sl_wattempt__submit_commit(a->query);
}

/* What was committed is what we hold, or ours is void. */
static void compare_states(sl_wattempt *a, const sl_msg_committed *m)
{
    for (uint32_t i = 0; i < a->query->partition_count; i++)
        a->partitions[i].is_foreign = a->partitions[i].is_prepared;
    for (uint32_t i = 0; i < m->state_count; i++) {
        const sl_msg_state_id *s = &m->states[i];
        if (s->partition < a->query->partition_count &&
            a->partitions[s->partition].prepared.version.id == s->state_id)
            a->partitions[s->partition].is_foreign = false;
    }
}

void sl_wattempt__commit(sl_wquery *q, const sl_msg_committed *m)
{
    sl_wattempt *a = q->attempt;
    if (a == NULL || a->phase != SL_ATTEMPT_DONE || !sl_wattempt__is(a, &m->at))
        return; /* not what we hold: the next TASK's base id tells */
    q->attempt = NULL;
    if (!sl_wattempt__uses_state(a)) {
        attempt_gone(a);
        return;
    }
    compare_states(a, m);
    /* Now and not when the executors are through: the next TASK is right behind, and asks
     * what was written since the last snapshot. */
    for (uint32_t i = 0; i < a->state_count; i++) {
        const sl_run_partition *p = &a->partitions[a->states[i].partition];
        if (!p->is_foreign)
            sl_wpartition__committed(q, &a->states[i], p->figures.row_bytes);
    }
    a->phase = SL_ATTEMPT_COMMITTING;
    q->committing = a;
    a->commit_waits = true;
    sl_host_post(q->worker->host, q->worker, commit_now, a);
}

void sl_wattempt__abandon(sl_wquery *q)
{
    if (q->attempt != NULL)
        attempt_free(q->attempt);
    if (q->committing != NULL)
        attempt_free(q->committing);
    q->attempt = q->committing = NULL;
}
