/* One TASK from start to end.
 *
 *   RUNNING -> STORING -> DONE -> COMMITTING -> gone        (TASK .. DONE .. COMMITTED)
 *      |          |         |
 *      +----------+---------+---> LETTING_GO -> gone        (failure, ABORT, a newer
 * TASK)
 *
 * While RUNNING, executors pick tasks under `lock`: own partition tasks first (they free
 * memory), then woken slices, then the next slice in order.  A task that is BLOCKED is
 * put down and picked again when an exchange wakes it.  Everything else happens on the
 * loop thread. */
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"
#include "worker/worker_private.h"

#define STEP_CHUNKS 8u
#define RESULTS_IN_FLIGHT_MAX 64u

enum phase { RUNNING, STORING, DONE, COMMITTING, LETTING_GO };

enum run_state { RUN_NEW, RUN_READY, RUN_BUSY, RUN_WAITING, RUN_DONE };

struct run_task {
    sl_wattempt *attempt;
    uint32_t stage, number;
    int32_t partition; /* -1: a slice task, any executor */
    enum run_state state;
    bool woken;         /* while BUSY */
    bool wants_results; /* blocked because results were in flight */
    uint32_t result_index;
    sl_span slice;
    sl_write_request write; /* of a stage that ends in a sink */
    sl_task *task;
};

struct run_exchange {
    sl_wattempt *attempt;
    sl_exchange *exchange;
    uint32_t first_target; /* run_task index of target 0 */
    struct run_task **producers;
};

struct run_partition {
    const sl_msg_partition *message;
    uint32_t tasks_left;
    bool is_open, is_prepared;
    sl_state_prepared prepared;
    sl_state_figures figures;
    sl_buffer *full;               /* a full delta made with this batch */
    sl_state_snapshot_facts facts; /* as the loop thread knew them at the start */
};

struct executor {
    sl_job job;
    sl_wattempt *attempt;
    uint32_t index;
    bool active;
};

struct sl_wattempt {
    sl_wquery *query;
    sl_arena *arena; /* of the message and all below */
    sl_msg_task message;
    enum phase phase;
    pthread_mutex_t lock;
    struct run_task *tasks; /* by (stage, number) */
    uint32_t task_count, left;
    uint32_t slices_from;             /* no NEW slice task before this one */
    struct run_exchange *exchanges;   /* by stage */
    struct run_partition *partitions; /* partition_count of the query */
    struct executor *executors;
    uint32_t executor_count, active_count;
    sl_task_bounds *bounds;
    sl_write_request write;
    bool failed, state_missing, cancelled;
    sl_error error;
    _Atomic uint32_t results_in_flight;
    uint32_t results_sent;
    int64_t started_us, ran_us;
    sl_job store_job;
    sl_code store_code;
    sl_error store_error;
    sl_segment_ref *refs; /* of prepared partitions with a delta */
    uint32_t jobs_left;   /* COMMITTING, LETTING_GO */
    const sl_msg_committed *committed;
    const sl_msg_state_done *states; /* as DONE said them */
    uint32_t state_count;
};

static void attempt_ended(sl_wattempt *a);

/* ---- picking tasks; the lock is held ---- */

static bool is_runnable_by(const struct run_task *t, const struct executor *e)
{
    if (t->state != RUN_READY && t->state != RUN_NEW)
        return false;
    return t->partition < 0 ||
           (uint32_t)t->partition % e->attempt->executor_count == e->index;
}

static struct run_task *pick(struct executor *e)
{
    sl_wattempt *a = e->attempt;
    struct run_task *slice = NULL;
    if (a->failed)
        return NULL;
    for (uint32_t i = 0; i < a->task_count; i++) {
        struct run_task *t = &a->tasks[i];
        if (!is_runnable_by(t, e))
            continue;
        if (t->partition >= 0)
            return t;
        if (slice == NULL || (slice->state == RUN_NEW && t->state == RUN_READY))
            slice = t;
    }
    return slice;
}

static void activate(struct executor *e)
{
    if (e->active)
        return; /* its done() looks again */
    e->active = true;
    e->attempt->active_count++;
    sl_worker *w = e->attempt->query->worker;
    sl_host_submit(w->host, w->executors[e->index], &e->job);
}

static void wake_task(sl_wattempt *a, struct run_task *t)
{
    if (t->state == RUN_BUSY)
        t->woken = true;
    if (t->state != RUN_WAITING)
        return;
    t->state = RUN_READY;
    if (t->partition >= 0) {
        activate(&a->executors[(uint32_t)t->partition % a->executor_count]);
        return;
    }
    for (uint32_t i = 0; i < a->executor_count; i++) {
        if (!a->executors[i].active) {
            activate(&a->executors[i]);
            return;
        }
    }
}

static void on_wake_target(void *user, uint32_t number)
{
    struct run_exchange *x = (struct run_exchange *)user;
    pthread_mutex_lock(&x->attempt->lock);
    wake_task(x->attempt, &x->attempt->tasks[x->first_target + number]);
    pthread_mutex_unlock(&x->attempt->lock);
}

static void on_wake_producer(void *user, uint32_t number)
{
    struct run_exchange *x = (struct run_exchange *)user;
    pthread_mutex_lock(&x->attempt->lock);
    wake_task(x->attempt, x->producers[number]);
    pthread_mutex_unlock(&x->attempt->lock);
}

/* ---- results ---- */

struct result_post {
    sl_wattempt *attempt;
    sl_bytes frame;
};

static void send_result(void *user)
{
    struct result_post *r = (struct result_post *)user;
    sl_wattempt *a = r->attempt;
    sl_worker *w = a->query->worker;
    sl_error err;
    if (a->phase == RUNNING && !a->failed) {
        if (sl_channel_send(w->channel, w->driver_address, sl_bytes_span(&r->frame),
                            &err) != SL_OK)
            log_warn("WORKER-SEND", "a result is dropped: %s", err.text);
        a->results_sent++;
    }
    sl_bytes_deinit(&r->frame);
    sl_free(r);
    if (atomic_fetch_sub(&a->results_in_flight, 1) != RESULTS_IN_FLIGHT_MAX / 2 + 1)
        return;
    pthread_mutex_lock(&a->lock);
    for (uint32_t i = 0; i < a->task_count; i++) {
        if (!a->tasks[i].wants_results)
            continue;
        a->tasks[i].wants_results = false;
        wake_task(a, &a->tasks[i]);
    }
    pthread_mutex_unlock(&a->lock);
}

/* Executor thread. */
static sl_code take_result(void *user, sl_chunk *chunk, bool *ret_taken, sl_error *err)
{
    struct run_task *t = (struct run_task *)user;
    sl_wattempt *a = t->attempt;
    (void)err;
    if (atomic_load(&a->results_in_flight) >= RESULTS_IN_FLIGHT_MAX) {
        pthread_mutex_lock(&a->lock);
        t->wants_results = atomic_load(&a->results_in_flight) > RESULTS_IN_FLIGHT_MAX / 2;
        t->woken = t->woken || !t->wants_results;
        pthread_mutex_unlock(&a->lock);
        *ret_taken = false;
        return SL_OK;
    }
    sl_bytes bytes = { 0 };
    sl_chunk_write(chunk, &bytes);
    sl_message m = { .kind = SL_MSG_RESULT };
    m.u.result.at = a->message.at;
    m.u.result.stage = t->stage;
    m.u.result.task = t->number;
    m.u.result.index = t->result_index++;
    m.u.result.chunk = sl_bytes_span(&bytes);
    struct result_post *r = (struct result_post *)sl_calloc(1, sizeof *r);
    r->attempt = a;
    sl_message_encode(&m, &r->frame);
    sl_bytes_deinit(&bytes);
    atomic_fetch_add(&a->results_in_flight, 1);
    sl_host_post(a->query->worker->host, a->query->worker, send_result, r);
    *ret_taken = true;
    return SL_OK;
}

/* ---- running one task on an executor; no lock held ---- */

static sl_code make_task(struct run_task *t, sl_error *err)
{
    sl_wattempt *a = t->attempt;
    sl_wquery *q = a->query;
    const sl_stage_plan *stage = &q->plan->stages[t->stage];
    sl_task_request r = {
        .plan = q->plan,
        .stage = t->stage,
        .task = t->number,
        .slice = t->slice,
        .fs = q->worker->host->fs,
        .memory = q->worker->config.memory,
        .in = a->exchanges[t->stage].exchange,
        .bounds = a->bounds,
        .eval = { .batch_time_us = a->message.batch_time_us,
                  .zone = q->zone,
                  .seed = a->message.seed },
        .budget = &q->budget,
        .chunk_rows = q->chunk_rows,
        .partial_groups_max = q->partial_groups_max,
        .result = take_result,
        .user = t,
    };
    for (uint32_t i = 0; i < a->task_count; i++)
        r.task_count += a->tasks[i].stage == t->stage;
    if (stage->output == SL_TO_EXCHANGE_KEY || stage->output == SL_TO_EXCHANGE_ONE)
        r.out = a->exchanges[stage->to_stage].exchange;
    if (t->partition >= 0 && q->plan->state_op_count > 0)
        r.state = q->partitions[t->partition].state;
    if (stage->output == SL_TO_SINK) {
        t->write = a->write;
        t->write.stage = t->stage;
        t->write.task = t->number;
        r.sink = &t->write;
    }
    return sl_task_new(&r, &t->task, err);
}

static bool uses_state(const sl_wattempt *a)
{
    return a->query->plan->state_op_count > 0;
}

/* After the last task of a partition: its delta, and perhaps its whole state. */
static sl_code prepare_partition(sl_wattempt *a, uint32_t number, sl_error *err)
{
    struct run_partition *p = &a->partitions[number];
    sl_wpartition *held = &a->query->partitions[number];
    SL_TRY(sl_state_prepare(held->state, &p->prepared, err));
    p->is_prepared = true;
    sl_state_figures_get(held->state, &p->figures);
    sl_state_snapshot_facts facts = p->facts;
    facts.row_bytes = p->figures.row_bytes;
    if (p->prepared.delta != NULL) {
        facts.batches_since++;
        facts.delta_bytes_since += p->prepared.delta->size_bytes;
    }
    uint64_t hash;
    if (sl_state_snapshot_due(&facts) == SL_SNAPSHOT_FULL)
        SL_TRY(sl_state_full_delta(held->state, &p->full, &hash, err));
    return SL_OK;
}

static sl_code run_one(struct run_task *t, sl_task_answer *ret_answer, bool *ret_missing,
                       sl_error *err)
{
    sl_wattempt *a = t->attempt;
    struct run_partition *p = t->partition >= 0 ? &a->partitions[t->partition] : NULL;
    if (p != NULL && uses_state(a) && !p->is_open) {
        sl_host_failpoint(a->query->worker->host, "worker.state.open");
        SL_TRY(sl_wpartition__open(a->query, p->message, a->message.at.batch, ret_missing,
                                   err));
        p->is_open = true;
    }
    if (t->task == NULL)
        SL_TRY(make_task(t, err));
    SL_TRY(sl_task_step(t->task, STEP_CHUNKS, ret_answer, err));
    atomic_fetch_add_explicit(&a->query->worker->progress, 1, memory_order_relaxed);
    if (*ret_answer == SL_TASK_DONE && p != NULL && --p->tasks_left == 0 && uses_state(a))
        SL_TRY(prepare_partition(a, (uint32_t)t->partition, err));
    return SL_OK;
}

static void fail_locked(sl_wattempt *a, bool missing, const sl_error *e)
{
    if (a->failed)
        return; /* the first cause counts; the rest are its echoes */
    a->failed = true;
    a->state_missing = missing;
    a->error = *e;
}

static void abort_exchanges(sl_wattempt *a)
{
    for (uint32_t i = 0; i < a->query->plan->stage_count; i++)
        if (a->exchanges[i].exchange != NULL)
            sl_exchange_abort(a->exchanges[i].exchange);
}

/* Lane thread: run whatever this executor may run, until nothing is runnable. */
static void run_executor(sl_job *job)
{
    struct executor *e = (struct executor *)job;
    sl_wattempt *a = e->attempt;
    struct run_task *t;
    pthread_mutex_lock(&a->lock);
    while ((t = pick(e)) != NULL) {
        t->state = RUN_BUSY;
        t->woken = false;
        pthread_mutex_unlock(&a->lock);

        sl_task_answer answer = SL_TASK_MORE;
        sl_error err;
        bool missing = false;
        sl_code code = run_one(t, &answer, &missing, &err);
        bool failed_now = false;

        pthread_mutex_lock(&a->lock);
        if (code != SL_OK) {
            failed_now = !a->failed;
            fail_locked(a, missing, &err);
            t->state = RUN_WAITING;
        } else if (answer == SL_TASK_DONE) {
            t->state = RUN_DONE;
            a->left--;
        } else if (answer == SL_TASK_BLOCKED && !t->woken) {
            t->state = RUN_WAITING;
        } else {
            t->state = RUN_READY;
        }
        if (failed_now) {
            pthread_mutex_unlock(&a->lock);
            abort_exchanges(a); /* wakes, so not under the lock */
            pthread_mutex_lock(&a->lock);
        }
    }
    pthread_mutex_unlock(&a->lock);
}

static void executor_idle(sl_job *job)
{
    struct executor *e = (struct executor *)job;
    sl_wattempt *a = e->attempt;
    pthread_mutex_lock(&a->lock);
    e->active = false;
    a->active_count--;
    if (pick(e) != NULL)
        activate(e);
    bool ended = a->active_count == 0 && (a->failed || a->left == 0);
    pthread_mutex_unlock(&a->lock);
    if (ended && a->phase == RUNNING)
        attempt_ended(a);
}

/* ---- setting up ---- */

static uint32_t stage_width(const sl_wattempt *a, uint32_t stage)
{
    uint32_t n = 0;
    switch (a->query->plan->stages[stage].width) {
    case SL_WIDTH_SLICES:
        for (uint32_t i = 0; i < a->message.slice_count; i++)
            n += a->message.slices[i].stage == stage;
        return n;
    case SL_WIDTH_PARTITIONS:
        return a->query->partition_count;
    case SL_WIDTH_ONE:
        return 1;
    }
    return 0;
}

static void add_task(sl_wattempt *a, uint32_t stage, uint32_t number)
{
    struct run_task *t = &a->tasks[a->task_count++];
    bool slices = a->query->plan->stages[stage].width == SL_WIDTH_SLICES;
    t->attempt = a;
    t->stage = stage;
    t->number = number;
    t->partition = slices ? -1 : (int32_t)number;
    t->state = RUN_NEW;
    if (!slices)
        a->partitions[number].tasks_left++;
    for (uint32_t i = 0, n = 0; slices && i < a->message.slice_count; i++)
        if (a->message.slices[i].stage == stage && n++ == number)
            t->slice = a->message.slices[i].bytes;
}

static sl_code make_exchange(sl_wattempt *a, uint32_t stage, sl_error *err)
{
    const sl_physical_plan *plan = a->query->plan;
    struct run_exchange *x = &a->exchanges[stage];
    uint32_t count = 0;
    sl_producer_name *names =
        SL_ARENA_ARRAY(a->arena, sl_producer_name, a->task_count + 1);
    x->attempt = a;
    x->producers = SL_ARENA_ARRAY(a->arena, struct run_task *, a->task_count + 1);
    for (uint32_t i = 0; i < a->task_count; i++) {
        const sl_stage_plan *from = &plan->stages[a->tasks[i].stage];
        bool feeds =
            from->output == SL_TO_EXCHANGE_KEY || from->output == SL_TO_EXCHANGE_ONE;
        if (feeds && from->to_stage == stage) {
            x->producers[count] = &a->tasks[i];
            names[count++] = (sl_producer_name){ a->tasks[i].stage, a->tasks[i].number };
        }
        if (a->tasks[i].stage == stage && a->tasks[i].number == 0)
            x->first_target = i;
    }
    sl_exchange_config config = {
        .query_hash = a->query->query_hash,
        .epoch = a->message.at.epoch,
        .batch = a->message.at.batch,
        .attempt = a->message.at.attempt,
        .stage = stage,
        .target_count = stage_width(a, stage),
        .producers = names,
        .producer_count = count,
        .ordered = plan->stages[stage].ordered,
        .wake_target = on_wake_target,
        .wake_producer = on_wake_producer,
        .user = x,
    };
    return sl_exchange_new(&config, &x->exchange, err);
}

static sl_code set_up(sl_wattempt *a, sl_error *err)
{
    sl_wquery *q = a->query;
    const sl_physical_plan *plan = q->plan;
    const sl_msg_task *m = &a->message;
    uint32_t total = 0;
    for (uint32_t s = 0; s < plan->stage_count; s++)
        total += stage_width(a, s);
    a->tasks = SL_ARENA_ARRAY(a->arena, struct run_task, total + 1);
    a->partitions = SL_ARENA_ARRAY(a->arena, struct run_partition, q->partition_count);
    a->exchanges = SL_ARENA_ARRAY(a->arena, struct run_exchange, plan->stage_count);
    a->bounds = SL_ARENA_ARRAY(a->arena, sl_task_bounds, plan->state_op_count + 1);
    a->refs = SL_ARENA_ARRAY(a->arena, sl_segment_ref, q->partition_count);
    for (uint32_t i = 0; i < plan->state_op_count && i < m->state_op_count; i++)
        a->bounds[i] = (sl_task_bounds){ m->late_us[i], m->evict_us[i] };
    for (uint32_t i = 0; i < q->partition_count; i++)
        a->partitions[i].facts = q->partitions[i].facts;
    for (uint32_t i = 0; i < m->partition_count; i++) {
        if (m->partitions[i].partition >= q->partition_count)
            return sl_fail(err, SL_EINTERNAL, "partition %u of %u",
                           m->partitions[i].partition, q->partition_count);
        a->partitions[m->partitions[i].partition].message = &m->partitions[i];
    }
    for (uint32_t s = 0; s < plan->stage_count; s++)
        for (uint32_t n = 0, width = stage_width(a, s); n < width; n++)
            add_task(a, s, n);
    a->left = a->task_count;
    for (uint32_t i = 0; plan->state_op_count > 0 && i < q->partition_count; i++)
        if (a->partitions[i].tasks_left > 0 && a->partitions[i].message == NULL)
            return sl_fail(err, SL_EINTERNAL, "TASK names no state for partition %u", i);
    for (uint32_t s = 0; s < plan->stage_count; s++)
        if (plan->stages[s].input == SL_INPUT_EXCHANGE)
            SL_TRY(make_exchange(a, s, err));
    return SL_OK;
}

static void pass_failpoint(void *user, const char *name)
{
    sl_host_failpoint((sl_host *)user, name);
}

static void prepare_executors(sl_wattempt *a)
{
    a->executor_count = a->query->worker->config.slots;
    a->executors = SL_ARENA_ARRAY(a->arena, struct executor, a->executor_count);
    for (uint32_t i = 0; i < a->executor_count; i++) {
        struct executor *e = &a->executors[i];
        e->attempt = a;
        e->index = i;
        e->job = (sl_job){ .name = "run-tasks",
                           .run = run_executor,
                           .done = executor_idle,
                           .owner = a->query->worker };
    }
}

void sl_wattempt__start(sl_wquery *q, sl_arena *arena, const sl_msg_task *task)
{
    sl_wattempt *a = SL_ARENA_NEW(arena, sl_wattempt);
    sl_error err;
    a->query = q;
    a->arena = arena;
    a->message = *task;
    a->phase = RUNNING;
    a->started_us = sl_host_mono_us(q->worker->host);
    pthread_mutex_init(&a->lock, NULL);
    q->attempt = a;
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
    sl_host_failpoint(q->worker->host, "worker.task.start");
    prepare_executors(a);
    for (uint32_t i = 0; i < task->partition_count; i++)
        if (task->partitions[i].has_recipe)
            sl_wpartition__learn(q, &task->partitions[i]);
    if (set_up(a, &err) != SL_OK) {
        fail_locked(a, false, &err);
        attempt_ended(a);
        return;
    }
    pthread_mutex_lock(&a->lock);
    for (uint32_t i = 0; i < a->executor_count; i++)
        if (pick(&a->executors[i]) != NULL)
            activate(&a->executors[i]);
    bool idle = a->active_count == 0;
    pthread_mutex_unlock(&a->lock);
    if (idle)
        attempt_ended(a); /* no task at all */
}

/* ---- after the tasks: loop thread ---- */

static void free_tasks(sl_wattempt *a)
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
    free_tasks(a);
    for (uint32_t i = 0; a->partitions != NULL && i < a->query->partition_count; i++) {
        sl_buffer_unref(a->partitions[i].prepared.delta);
        sl_buffer_unref(a->partitions[i].full);
    }
    pthread_mutex_destroy(&a->lock);
    sl_arena_free(a->arena);
}

/* The attempt is over in every way: go on with a TASK that waited, or close. */
static void attempt_gone(sl_wattempt *a)
{
    sl_wquery *q = a->query;
    if (atomic_load(&a->results_in_flight) > 0) {
        /* posts to send_result still name us; they are in front of this one */
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
    sl_wattempt *a = ((struct executor *)job)->attempt;
    if (--a->jobs_left == 0)
        attempt_gone(a);
}

/* Lane thread: undo what this executor's partitions hold of the attempt. */
static void let_go_run(sl_job *job)
{
    struct executor *e = (struct executor *)job;
    sl_wattempt *a = e->attempt;
    for (uint32_t i = 0; i < a->query->partition_count; i++)
        if (i % a->executor_count == e->index && a->partitions[i].is_open)
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
    a->phase = LETTING_GO;
    free_tasks(a); /* undo runs after the last task of the attempt has let go */
    if (uses_state(a) && a->partitions != NULL)
        submit_to_all(a, "undo-state", let_go_run, let_go_done);
    else
        attempt_gone(a);
}

static void send_failed(sl_wattempt *a)
{
    sl_message m = { .kind = SL_MSG_FAILED };
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

static void add_outcome(const sl_wattempt *a, const struct run_task *t, sl_msg_done *d,
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
        const struct run_partition *p = &a->partitions[i];
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

static void send_done(sl_wattempt *a, bool is_inline)
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
    a->phase = DONE;
    sl_host_failpoint(w->host, "worker.done.before");
    sl_worker__send(w, &m);
    sl_host_failpoint(w->host, "worker.done.after");
    free_tasks(a);
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
        send_failed(a);
        let_go(a);
    } else {
        send_done(a, false);
    }
}

/* All executors idle: finished or failed. Results still queued are sent first. */
static void attempt_ended(sl_wattempt *a)
{
    sl_worker *w = a->query->worker;
    if (!a->failed && atomic_load(&a->results_in_flight) > 0) {
        sl_host_post(w->host, w, (void (*)(void *))attempt_ended, a);
        return;
    }
    a->ran_us = sl_host_mono_us(w->host);
    if (a->failed) {
        if (!a->cancelled)
            send_failed(a);
        let_go(a);
        return;
    }
    size_t delta_bytes = 0;
    for (uint32_t i = 0; i < a->query->partition_count; i++)
        if (a->partitions[i].prepared.delta != NULL)
            delta_bytes += a->partitions[i].prepared.delta->size_bytes;
    if (delta_bytes == 0 ||
        (a->message.inline_output && delta_bytes <= SL_INLINE_DELTA_BYTES)) {
        send_done(a, true);
        return;
    }
    a->phase = STORING;
    a->store_job = (sl_job){
        .name = "store-deltas", .run = store_run, .done = store_done, .owner = w
    };
    sl_host_submit(w->host, w->state_store, &a->store_job);
}

void sl_wattempt__abort(sl_wquery *q)
{
    sl_wattempt *a = q->attempt;
    if (a == NULL || a->cancelled || a->phase == LETTING_GO)
        return;
    if (a->phase == DONE) {
        let_go(a);
        return;
    }
    a->cancelled = true;
    if (a->phase == STORING)
        return; /* store_done lets go */
    sl_error err;
    (void)sl_fail(&err, SL_ECANCELLED, "the attempt was abandoned");
    pthread_mutex_lock(&a->lock);
    fail_locked(a, false, &err);
    bool idle = a->active_count == 0;
    pthread_mutex_unlock(&a->lock);
    abort_exchanges(a);
    if (idle)
        attempt_ended(a); /* every task was waiting */
}

/* ---- commit ---- */

static void commit_run(sl_job *job)
{
    struct executor *e = (struct executor *)job;
    sl_wattempt *a = e->attempt;
    for (uint32_t i = 0; i < a->query->partition_count; i++) {
        struct run_partition *p = &a->partitions[i];
        sl_wpartition *held = &a->query->partitions[i];
        if (i % a->executor_count != e->index || !p->is_prepared)
            continue;
        if (sl_state_commit(held->state, p->prepared.version, NULL) != SL_OK) {
            sl_state_partition_free(held->state); /* restored by the next TASK's recipe */
            held->state = NULL;
        }
    }
}

static void commit_done(sl_job *job)
{
    sl_wattempt *a = ((struct executor *)job)->attempt;
    sl_wquery *q = a->query;
    if (--a->jobs_left > 0)
        return;
    for (uint32_t i = 0; i < a->state_count; i++)
        sl_wpartition__committed(q, &a->states[i]);
    for (uint32_t i = 0; i < a->state_count && !q->closing; i++)
        sl_wpartition__maintain(q, &q->partitions[a->states[i].partition]);
    attempt_gone(a);
}

void sl_wattempt__commit(sl_wquery *q, const sl_msg_committed *m)
{
    sl_wattempt *a = q->attempt;
    if (a == NULL || a->phase != DONE || a->message.at.batch != m->at.batch ||
        a->message.at.epoch != m->at.epoch || a->message.at.attempt != m->at.attempt)
        return; /* not what we hold: the next TASK's base id tells */
    q->attempt = NULL;
    if (!uses_state(a)) {
        attempt_gone(a);
        return;
    }
    a->phase = COMMITTING;
    q->committing = a;
    submit_to_all(a, "commit-state", commit_run, commit_done);
}

void sl_wattempt__abandon(sl_wquery *q)
{
    if (q->attempt != NULL)
        attempt_free(q->attempt);
    if (q->committing != NULL)
        attempt_free(q->committing);
    q->attempt = q->committing = NULL;
}
