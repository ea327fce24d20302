/* An attempt's tasks, partitions, exchanges and executors, made of its TASK message. */
#include "base/alloc.h"
#include "worker/attempt_private.h"

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
    sl_run_task *t = &a->tasks[a->task_count++];
    bool slices = a->query->plan->stages[stage].width == SL_WIDTH_SLICES;
    t->attempt = a;
    t->stage = stage;
    t->number = number;
    t->partition = slices ? -1 : (int32_t)number;
    t->state = SL_RUN_NEW;
    if (!slices)
        a->partitions[number].tasks_left++;
    for (uint32_t i = 0, n = 0; slices && i < a->message.slice_count; i++)
        if (a->message.slices[i].stage == stage && n++ == number)
            t->slice = a->message.slices[i].bytes;
}

static sl_code make_exchange(sl_wattempt *a, uint32_t stage, sl_error *err)
{
    const sl_physical_plan *plan = a->query->plan;
    sl_run_exchange *x = &a->exchanges[stage];
    uint32_t count = 0;
    sl_producer_name *names =
        SL_ARENA_ARRAY(a->arena, sl_producer_name, a->task_count + 1);
    x->attempt = a;
    x->producers = SL_ARENA_ARRAY(a->arena, sl_run_task *, a->task_count + 1);
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
        .wake_target = sl_wattempt__on_wake_target,
        .wake_producer = sl_wattempt__on_wake_producer,
        .user = x,
    };
    return sl_exchange_new(&config, &x->exchange, err);
}

static void prepare_executors(sl_wattempt *a)
{
    a->executor_count = a->query->worker->config.slots;
    a->executors = SL_ARENA_ARRAY(a->arena, sl_run_executor, a->executor_count);
    for (uint32_t i = 0; i < a->executor_count; i++) {
        sl_run_executor *e = &a->executors[i];
        e->attempt = a;
        e->index = i;
    }
}

sl_code sl_wattempt__set_up(sl_wattempt *a, sl_error *err)
{
    sl_wquery *q = a->query;
    const sl_physical_plan *plan = q->plan;
    const sl_msg_task *m = &a->message;
    uint32_t total = 0;
    prepare_executors(a);
    for (uint32_t s = 0; s < plan->stage_count; s++)
        total += stage_width(a, s);
    a->tasks = SL_ARENA_ARRAY(a->arena, sl_run_task, total + 1);
    a->partitions = SL_ARENA_ARRAY(a->arena, sl_run_partition, q->partition_count);
    a->exchanges = SL_ARENA_ARRAY(a->arena, sl_run_exchange, plan->stage_count);
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
