/* Tasks of an attempt on the executors.
 *
 * Executors pick tasks under `lock`: own partition tasks first (they free memory), then
 * woken slices, then the next slice in order.  A task that is BLOCKED is put down and
 * picked again when an exchange wakes it, or when rows on their way have left. */
#include "base/alloc.h"
#include "base/log.h"
#include "worker/attempt_private.h"

#define STEP_CHUNKS 8u
#define SHARE_US 5000 /* how long one query may hold an executor that others want */

/* ---- picking tasks; the lock is held ---- */

static bool is_runnable_by(const sl_run_task *t, const sl_run_executor *e)
{
    if (t->state != SL_RUN_READY && t->state != SL_RUN_NEW)
        return false;
    return t->partition < 0 ||
           sl_wattempt__is_on(e->attempt, (uint32_t)t->partition, e->index);
}

static sl_run_task *pick(sl_run_executor *e)
{
    sl_wattempt *a = e->attempt;
    sl_run_task *slice = NULL;
    if (a->failed)
        return NULL;
    for (uint32_t i = 0; i < a->task_count; i++) {
        sl_run_task *t = &a->tasks[i];
        if (!is_runnable_by(t, e))
            continue;
        if (t->partition >= 0)
            return t;
        if (slice == NULL || (slice->state == SL_RUN_NEW && t->state == SL_RUN_READY))
            slice = t;
    }
    return slice;
}

static void activate(sl_run_executor *e)
{
    if (e->active)
        return; /* its done() looks again */
    e->active = true;
    e->attempt->active_count++;
    sl_worker *w = e->attempt->query->worker;
    sl_host_submit(w->host, w->executors[e->index], &e->job);
}

static void wake_task(sl_wattempt *a, sl_run_task *t)
{
    if (a->failed)
        return; /* nothing runs any more; the executors' jobs may be on their way already
                 */
    if (t->state == SL_RUN_BUSY)
        t->woken = true;
    if (t->state != SL_RUN_WAITING)
        return;
    t->state = SL_RUN_READY;
    if (t->partition >= 0) {
        activate(&a->executors[a->query->partitions[t->partition].executor]);
        return;
    }
    for (uint32_t i = 0; i < a->executor_count; i++) {
        if (!a->executors[i].active) {
            activate(&a->executors[i]);
            return;
        }
    }
}

void sl_wattempt__on_wake_target(void *user, uint32_t number)
{
    sl_run_exchange *x = (sl_run_exchange *)user;
    pthread_mutex_lock(&x->attempt->lock);
    wake_task(x->attempt, x->targets[number]);
    pthread_mutex_unlock(&x->attempt->lock);
}

void sl_wattempt__on_wake_producer(void *user, uint32_t number)
{
    sl_run_exchange *x = (sl_run_exchange *)user;
    pthread_mutex_lock(&x->attempt->lock);
    wake_task(x->attempt, x->producers[number]);
    pthread_mutex_unlock(&x->attempt->lock);
}

/* ---- results: rows for the driver, in frames of a window of credit ---- */

static sl_run_result *take_results(sl_wattempt *a, bool *ret_wanted)
{
    pthread_mutex_lock(&a->lock);
    sl_run_result *first = a->results;
    a->results = a->results_last = NULL;
    *ret_wanted = a->phase == SL_ATTEMPT_RUNNING && !a->failed;
    pthread_mutex_unlock(&a->lock);
    return first;
}

/* A result that cannot be sent is a failure of the attempt, never a row less. */
static void fail_to_send(sl_wattempt *a, const sl_error *err)
{
    pthread_mutex_lock(&a->lock);
    sl_wattempt__fail_locked(a, false, err);
    pthread_mutex_unlock(&a->lock);
    sl_wattempt__abort_exchanges(a);
}

void sl_wattempt__send_results(sl_wattempt *a)
{
    sl_worker *w = a->query->worker;
    bool wanted;
    for (sl_run_result *r = take_results(a, &wanted), *next; r != NULL; r = next) {
        sl_error err;
        next = r->next;
        a->results_sent++;
        if (wanted && sl_channel_send_bytes(w->channel, w->driver_address, &r->frame,
                                            &err) != SL_OK) {
            fail_to_send(a, &err);
            wanted = false;
        }
        sl_bytes_deinit(&r->frame);
        sl_free(r);
    }
}

static void on_results(void *user)
{
    sl_wattempt *a = (sl_wattempt *)user;
    pthread_mutex_lock(&a->lock);
    a->results_posted = false;
    bool failed_before = a->failed;
    pthread_mutex_unlock(&a->lock);
    sl_wattempt__send_results(a);
    pthread_mutex_lock(&a->lock);
    bool is_stuck = !failed_before && a->failed && a->active_count == 0;
    pthread_mutex_unlock(&a->lock);
    if (is_stuck && a->phase == SL_ATTEMPT_RUNNING)
        sl_wattempt__ended(a); /* it failed here, while every task waited */
}

static void wake_results(sl_wattempt *a)
{
    for (uint32_t i = 0; i < a->task_count; i++) {
        if (!a->tasks[i].wants_results)
            continue;
        a->tasks[i].wants_results = false;
        wake_task(a, &a->tasks[i]);
    }
}

void sl_wattempt__credit(sl_wquery *q, const sl_msg_result_credit *m)
{
    sl_wattempt *a = q->attempt;
    if (a == NULL || a->phase != SL_ATTEMPT_RUNNING || !sl_wattempt__is(a, &m->at))
        return;
    pthread_mutex_lock(&a->lock);
    if (m->taken_bytes > a->result_bytes_taken)
        a->result_bytes_taken = m->taken_bytes;
    wake_results(a);
    pthread_mutex_unlock(&a->lock);
}

/* Whether more may be put on its way; if not, the task is woken once it may. One chunk of
 * each executor may go past the window. */
static bool has_credit(sl_run_task *t)
{
    sl_wattempt *a = t->attempt;
    pthread_mutex_lock(&a->lock);
    bool has = a->result_bytes_out - a->result_bytes_taken < SL_RESULT_WINDOW_BYTES;
    t->wants_results = !has;
    pthread_mutex_unlock(&a->lock);
    return has;
}

static void post_result(sl_run_task *t, sl_span chunk)
{
    sl_wattempt *a = t->attempt;
    sl_message m = { .kind = SL_MSG_RESULT };
    m.u.result.at = a->message.at;
    m.u.result.stage = t->stage;
    m.u.result.task = t->number;
    m.u.result.index = t->result_index++;
    m.u.result.chunk = chunk;
    sl_run_result *r = (sl_run_result *)sl_calloc(1, sizeof *r);
    sl_message_encode(&m, &r->frame);
    pthread_mutex_lock(&a->lock);
    a->result_bytes_out += chunk.size_bytes;
    if (a->results == NULL)
        a->results = r;
    else
        a->results_last->next = r;
    a->results_last = r;
    sl_worker__count(RESULT_BYTES, (int64_t)chunk.size_bytes);
    bool post = !a->results_posted;
    a->results_posted = true;
    pthread_mutex_unlock(&a->lock);
    if (post)
        sl_host_post(a->query->worker->host, a->query->worker, on_results, a);
}

static sl_code post_rows(sl_run_task *t, const sl_chunk *chunk, sl_error *err);

/* Wide rows: half of them at a time. */
static sl_code post_halves(sl_run_task *t, const sl_chunk *chunk, sl_error *err)
{
    uint32_t n = chunk->selected;
    uint16_t *rows = (uint16_t *)sl_calloc(n, sizeof *rows);
    sl_code code = SL_OK;
    for (uint32_t i = 0; i < n; i++)
        rows[i] = (uint16_t)sl_chunk_row(chunk, i);
    for (uint32_t half = 0; half < 2 && code == SL_OK; half++) {
        uint32_t from = half == 0 ? 0 : n / 2, end = half == 0 ? n / 2 : n;
        sl_chunk *part;
        code = sl_chunk_select(chunk, rows + from, end - from, &part, err);
        if (code != SL_OK)
            break;
        code = post_rows(t, part, err);
        sl_chunk_unref(part);
    }
    sl_free(rows);
    return code;
}

static sl_code post_rows(sl_run_task *t, const sl_chunk *chunk, sl_error *err)
{
    sl_bytes bytes = { 0 };
    sl_code code = SL_OK;
    sl_chunk_write_enveloped(chunk, &bytes);
    if (bytes.size_bytes <= SL_RESULT_BYTES_MAX)
        post_result(t, sl_bytes_span(&bytes));
    else if (chunk->selected > 1)
        code = post_halves(t, chunk, err);
    else if (bytes.size_bytes < SL_FRAME_BYTES_MAX - 1024)
        post_result(t, sl_bytes_span(&bytes));
    else
        code =
            sl_fail(err, SL_ELIMIT,
                    "a row of the result has %zu bytes, and %u at most can be shown or "
                    "returned: select fewer columns or a part of the text",
                    bytes.size_bytes, SL_FRAME_BYTES_MAX - 1024);
    sl_bytes_deinit(&bytes);
    return code;
}

/* Executor thread. */
static sl_code take_result(void *user, sl_chunk *chunk, bool *ret_taken, sl_error *err)
{
    sl_run_task *t = (sl_run_task *)user;
    *ret_taken = has_credit(t);
    return *ret_taken ? post_rows(t, chunk, err) : SL_OK;
}

/* ---- running one task on an executor; no lock held ---- */

static sl_code make_task(sl_run_task *t, sl_error *err)
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
    r.task_count = sl_wattempt__stage_width(a, t->stage);
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

/* After the last task of a partition: its delta, and perhaps its whole state. */
static sl_code prepare_partition(sl_wattempt *a, uint32_t number, sl_error *err)
{
    sl_run_partition *p = &a->partitions[number];
    sl_wpartition *held = &a->query->partitions[number];
    int64_t from = sl_host_mono_us(a->query->worker->host);
    SL_TRY(sl_state_prepare(held->state, &p->prepared, err));
    p->is_prepared = true;
    p->prepare_us = sl_host_mono_us(a->query->worker->host) - from;
    sl_state_figures_get(held->state, &p->figures);
    sl_state_snapshot_facts facts = p->facts;
    facts.row_bytes = p->figures.row_bytes;
    if (p->prepared.delta != NULL) {
        facts.batches_since++;
        facts.delta_bytes_since += p->prepared.delta->size_bytes;
    }
    uint64_t hash;
    if (sl_state_snapshot_due(a->query->worker->config.snapshot_rule, &facts) ==
        SL_SNAPSHOT_FULL)
        SL_TRY(sl_state_full_delta(held->state, &p->full, &hash, err));
    return SL_OK;
}

static sl_code run_one(sl_run_task *t, sl_task_answer *ret_answer, bool *ret_missing,
                       sl_error *err)
{
    sl_wattempt *a = t->attempt;
    sl_run_partition *p = t->partition >= 0 ? &a->partitions[t->partition] : NULL;
    if (p != NULL && sl_wattempt__uses_state(a) && !p->is_open) {
        sl_host_failpoint(a->query->worker->host, "worker.state.open");
        SL_TRY(sl_wpartition__open(a->query, p->message, a->message.at.batch, ret_missing,
                                   err));
        p->is_open = true;
    }
    if (t->task == NULL)
        SL_TRY(make_task(t, err));
    SL_TRY(sl_task_step(t->task, STEP_CHUNKS, ret_answer, err));
    atomic_fetch_add_explicit(&a->query->worker->progress, 1, memory_order_relaxed);
    if (*ret_answer == SL_TASK_DONE && p != NULL && --p->tasks_left == 0 &&
        sl_wattempt__uses_state(a))
        SL_TRY(prepare_partition(a, (uint32_t)t->partition, err));
    return SL_OK;
}

void sl_wattempt__fail_locked(sl_wattempt *a, bool missing, const sl_error *e)
{
    if (a->failed)
        return; /* the first cause counts; the rest are its echoes */
    a->failed = true;
    a->state_missing = missing;
    a->error = *e;
}

void sl_wattempt__abort_exchanges(sl_wattempt *a)
{
    for (uint32_t i = 0; i < a->query->plan->stage_count; i++)
        if (a->exchanges[i].exchange != NULL)
            sl_exchange_abort(a->exchanges[i].exchange);
}

/* True: other queries wait for this executor, and this one has had it long enough. */
static bool must_share(const sl_wattempt *a, int64_t since_us)
{
    sl_worker *w = a->query->worker;
    return atomic_load_explicit(&w->attempts_running, memory_order_relaxed) > 1 &&
           sl_host_mono_us(w->host) - since_us > SHARE_US;
}

/* Lane thread: run whatever this executor may run, until nothing is runnable, or others
 * want the lane: then executor_idle() queues up behind them. */
static void run_executor(sl_job *job)
{
    sl_run_executor *e = (sl_run_executor *)job;
    sl_wattempt *a = e->attempt;
    sl_run_task *t;
    int64_t since_us = sl_host_mono_us(a->query->worker->host);
    pthread_mutex_lock(&a->lock);
    while (!must_share(a, since_us) && (t = pick(e)) != NULL) {
        t->state = SL_RUN_BUSY;
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
            sl_wattempt__fail_locked(a, missing, &err);
            t->state = SL_RUN_WAITING;
        } else if (answer == SL_TASK_DONE) {
            t->state = SL_RUN_DONE;
            a->left--;
        } else if (answer == SL_TASK_BLOCKED && !t->woken) {
            t->state = SL_RUN_WAITING;
        } else {
            t->state = SL_RUN_READY;
        }
        if (failed_now) {
            pthread_mutex_unlock(&a->lock);
            sl_wattempt__abort_exchanges(a); /* wakes, so not under the lock */
            pthread_mutex_lock(&a->lock);
        }
    }
    pthread_mutex_unlock(&a->lock);
}

static void executor_idle(sl_job *job)
{
    sl_run_executor *e = (sl_run_executor *)job;
    sl_wattempt *a = e->attempt;
    pthread_mutex_lock(&a->lock);
    e->active = false;
    a->active_count--;
    if (pick(e) != NULL)
        activate(e);
    bool ended = a->active_count == 0 && (a->failed || a->left == 0);
    pthread_mutex_unlock(&a->lock);
    if (ended && a->phase == SL_ATTEMPT_RUNNING)
        sl_wattempt__ended(a);
}

void sl_wattempt__on_exchange_failed(void *user, const sl_error *error)
{
    sl_wattempt *a = ((sl_run_exchange *)user)->attempt;
    pthread_mutex_lock(&a->lock);
    bool is_first = !a->failed;
    sl_wattempt__fail_locked(a, false, error);
    bool idle = a->active_count == 0;
    pthread_mutex_unlock(&a->lock);
    if (!is_first)
        return;
    sl_wattempt__abort_exchanges(a);
    if (idle && a->phase == SL_ATTEMPT_RUNNING)
        sl_wattempt__ended(a); /* every task was waiting */
}

bool sl_wattempt__run(sl_wattempt *a)
{
    sl_wattempt__submit_commit(a->query);
    for (uint32_t i = 0; i < a->executor_count; i++)
        a->executors[i].job = (sl_job){ .name = "run-tasks",
                                        .run = run_executor,
                                        .done = executor_idle,
                                        .owner = a->query->worker };
    pthread_mutex_lock(&a->lock);
    for (uint32_t i = 0; i < a->executor_count; i++)
        if (pick(&a->executors[i]) != NULL)
            activate(&a->executors[i]);
    bool idle = a->active_count == 0;
    pthread_mutex_unlock(&a->lock);
    return idle;
}
