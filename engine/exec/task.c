/* Runs a pipeline depth first: the deepest operator that holds input goes first, so at
 * most one chunk waits between two operators and a blocked exchange stops the reading.
 *
 *   input --> op 0 --> op 1 --> ... --> last        1. run the deepest op with input
 *            [chunk]  [chunk]         [chunk]       2. else read a chunk for op 0
 *                                                   3. at the end finish op 0, 1, ...
 *
 * An operator that wants no more rows (a limit) drops what still comes.  If nothing
 * before it must see all rows, reading ends; an exchange is drained all the same, or its
 * producers would wait for ever. */

#include "engine/exec/task.h"

#include "engine/exec/operator_private.h"

struct sl_task {
    sl_op_env env;
    sl_exec__pipeline pipeline;
    sl_source_reader *reader; /* SL_INPUT_SCAN, until its end */
    bool input_ended;
    bool discard;       /* input is read for its end only */
    uint32_t finishing; /* next operator to finish */
    uint32_t work, work_max;
    bool done, failed;
};

static sl_code check_request(const sl_task_request *r, sl_error *err)
{
    if (r->plan == NULL || r->stage >= r->plan->stage_count)
        return sl_fail(err, SL_EINTERNAL, "there is no stage %u", r->stage);
    if (r->chunk_rows > SL_CHUNK_ROWS_MAX)
        return sl_fail(err, SL_EINTERNAL, "chunks of %u rows, at most %d are allowed",
                       r->chunk_rows, SL_CHUNK_ROWS_MAX);
    if (r->plan->stages[r->stage].input == SL_INPUT_EXCHANGE &&
        (r->in == NULL || r->task >= sl_exchange_target_count(r->in)))
        return sl_fail(err, SL_EINTERNAL, "task %u of stage %u was given no exchange",
                       r->task, r->stage);
    return SL_OK;
}

static void env_init(sl_op_env *env, const sl_task_request *r)
{
    const sl_physical_plan *plan = r->plan;
    env->request = *r;
    if (env->request.chunk_rows == 0)
        env->request.chunk_rows = SL_CHUNK_ROWS;
    if (env->request.partial_groups_max == 0)
        env->request.partial_groups_max = SL_PARTIAL_GROUPS_MAX;
    env->stage = &plan->stages[r->stage];
    env->eval = r->eval;
    env->eval.slice = r->task;
    env->eval.first_row = 0;
    if (env->eval.zone == NULL)
        env->eval.zone = sl_time_zone_utc();
    env->request.eval.zone = env->eval.zone;
    env->bounds = sl_calloc(plan->state_op_count + 1, sizeof *env->bounds);
    if (r->bounds != NULL && plan->state_op_count != 0)
        memcpy(env->bounds, r->bounds, plan->state_op_count * sizeof *env->bounds);
    env->states = sl_calloc(plan->state_op_count + 1, sizeof *env->states);
    env->event_times = sl_calloc(plan->watermark_count + 1, sizeof *env->event_times);
    env->outcome.watermark_count = plan->watermark_count;
    env->outcome.event_times = env->event_times;
    env->outcome.state_op_count = plan->state_op_count;
    env->outcome.states = env->states;
}

/* Memory and bugs are told with the operator; what is wrong in the data or the query says
 * so in Spark's own words. */
static sl_code name_operator(const char *name, sl_code code, sl_error *err)
{
    bool ours = code == SL_EBUDGET || code == SL_ENOMEM || code == SL_ELIMIT ||
                code == SL_EINTERNAL;
    return err != NULL && ours ? sl_error_prefix(err, "%s", name) : code;
}

sl_code sl_task_new(const sl_task_request *request, sl_task **ret, sl_error *err)
{
    SL_TRY(check_request(request, err));
    sl_task *t = sl_calloc(1, sizeof *t);
    env_init(&t->env, request);
    sl_code code = sl_exec__pipeline_open(&t->pipeline, &t->env, err);
    if (code != SL_OK && t->pipeline.op_count != 0)
        code = name_operator(t->pipeline.ops[t->pipeline.op_count - 1]->class->name, code,
                             err);
    if (code == SL_OK && t->env.stage->input == SL_INPUT_SCAN)
        code = sl_exec__scan_open(&t->env, &t->reader, err);
    if (code != SL_OK) {
        sl_task_free(t);
        return code;
    }
    *ret = t;
    return SL_OK;
}

void sl_task_free(sl_task *t)
{
    if (t == NULL)
        return;
    sl_exec__pipeline_close(&t->pipeline);
    sl_source_reader_close(t->reader);
    sl_bytes_deinit(&t->env.file.content);
    sl_free(t->env.bounds);
    sl_free(t->env.states);
    sl_free(t->env.event_times);
    sl_free(t);
}

/* ---- input ---- */

static void end_scan(sl_task *t)
{
    sl_source_reader_stats(t->reader, &t->env.outcome.read);
    sl_source_reader_close(t->reader);
    t->reader = NULL;
    t->input_ended = true;
}

static void accept(sl_task *t, sl_chunk *chunk)
{
    sl_op *first = t->pipeline.ops[0];
    t->env.eval.first_row = (uint64_t)t->env.outcome.rows_in;
    t->env.outcome.rows_in += chunk->selected;
    if (t->pipeline.op_count == 1) /* nothing between input and output */
        t->env.outcome.rows_out += chunk->selected;
    if (t->discard || first->finished || chunk->selected == 0)
        sl_chunk_unref(chunk);
    else
        first->input = chunk;
}

static sl_code read_input(sl_task *t, bool *ret_blocked, sl_error *err)
{
    sl_chunk *chunk = NULL;
    t->work++;
    if (t->env.stage->input == SL_INPUT_SCAN) {
        SL_TRY(sl_source_reader_next(t->reader, &chunk, err));
        if (chunk != NULL)
            accept(t, chunk);
        else
            end_scan(t);
        return SL_OK;
    }
    sl_exchange_answer answer;
    SL_TRY(
        sl_exchange_pull(t->env.request.in, t->env.request.task, &answer, &chunk, err));
    if (answer == SL_EXCHANGE_CHUNK)
        accept(t, chunk);
    *ret_blocked = answer == SL_EXCHANGE_BLOCKED;
    t->input_ended = answer == SL_EXCHANGE_END;
    return SL_OK;
}

/* ---- operators ---- */

/* Hand a chunk (taken) from operator i to the next. */
static void pass_on(sl_task *t, uint32_t i, sl_chunk *chunk)
{
    if (chunk == NULL)
        return;
    SL_ASSERT(i + 1 < t->pipeline.op_count);
    sl_op *next = t->pipeline.ops[i + 1];
    SL_ASSERT(next->input == NULL);
    if (i + 2 == t->pipeline.op_count)
        t->env.outcome.rows_out += chunk->selected;
    if (next->finished || chunk->selected == 0)
        sl_chunk_unref(chunk);
    else
        next->input = chunk;
}

static void wants_no_more(sl_task *t, uint32_t i)
{
    t->pipeline.ops[i]->finished = true;
    for (uint32_t k = 0; k < i; k++)
        if (t->pipeline.ops[k]->class->sees_all)
            return;
    t->discard = true;
    if (t->reader != NULL)
        end_scan(t);
    for (uint32_t k = 0; k < i; k++) {
        sl_chunk_unref(t->pipeline.ops[k]->input);
        t->pipeline.ops[k]->input = NULL;
    }
    if (t->finishing < i)
        t->finishing = i;
}

static sl_code run_op(sl_task *t, uint32_t i, bool *ret_blocked, sl_error *err)
{
    sl_op *op = t->pipeline.ops[i];
    sl_chunk *out = NULL;
    sl_op_next next = SL_OP_NEED_INPUT;
    sl_code code = op->class->process(op, op->input, &out, &next, err);
    if (code != SL_OK)
        return name_operator(op->class->name, code, err);
    if (next == SL_OP_NEED_INPUT || next == SL_OP_FINISHED) {
        sl_chunk_unref(op->input);
        op->input = NULL;
    } else {
        t->work++;
    }
    pass_on(t, i, out);
    if (next == SL_OP_FINISHED)
        wants_no_more(t, i);
    *ret_blocked = next == SL_OP_BLOCKED;
    return SL_OK;
}

static sl_code finish_op(sl_task *t, sl_error *err)
{
    uint32_t i = t->finishing;
    sl_op *op = t->pipeline.ops[i];
    sl_chunk *out = NULL;
    sl_op_next next = SL_OP_NEED_INPUT;
    t->work++;
    if (op->class->finish != NULL) {
        sl_code code = op->class->finish(op, &out, &next, err);
        if (code != SL_OK)
            return name_operator(op->class->name, code, err);
    }
    if (next != SL_OP_HAVE_OUTPUT)
        t->finishing++;
    pass_on(t, i, out);
    return SL_OK;
}

static sl_code step(sl_task *t, sl_task_answer *ret_answer, sl_error *err)
{
    uint32_t last = t->pipeline.op_count - 1;
    *ret_answer = SL_TASK_MORE;
    while (t->work < t->work_max) {
        bool blocked = false;
        uint32_t i = last + 1;
        while (i > 0 && t->pipeline.ops[i - 1]->input == NULL)
            i--;
        if (i > 0) {
            SL_TRY(run_op(t, i - 1, &blocked, err));
        } else if (!t->input_ended) {
            SL_TRY(read_input(t, &blocked, err));
        } else if (t->finishing <= last) {
            SL_TRY(finish_op(t, err));
        } else {
            t->done = true;
            sl_exec__pipeline_close(&t->pipeline); /* other tasks want the memory */
            *ret_answer = SL_TASK_DONE;
            return SL_OK;
        }
        if (blocked) {
            *ret_answer = SL_TASK_BLOCKED;
            return SL_OK;
        }
    }
    return SL_OK;
}

sl_code sl_task_step(sl_task *t, uint32_t max_chunks, sl_task_answer *ret_answer,
                     sl_error *err)
{
    SL_ASSERT(!t->failed);
    t->work = 0;
    t->work_max = max_chunks == 0 ? 1 : max_chunks;
    sl_task_answer answer = SL_TASK_DONE;
    sl_code code = t->done ? SL_OK : step(t, &answer, err);
    t->failed = code != SL_OK;
    if (code != SL_OK)
        return code;
    /* Whoever waits lets go of its blocks: what it waits for may wait for them. */
    if (answer == SL_TASK_BLOCKED && t->env.request.out != NULL)
        sl_exchange_send(t->env.request.out);
    *ret_answer = answer;
    return SL_OK;
}

void sl_task_outcome_get(const sl_task *t, sl_task_outcome *ret)
{
    SL_ASSERT(t->done);
    *ret = t->env.outcome;
}
