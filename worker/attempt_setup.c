/* An attempt's tasks, partitions, exchanges and executors, made of its TASK message. */
#include "base/alloc.h"
#include "worker/attempt_private.h"

/* ---- who runs what: TASK names an owner of every slice and partition ---- */

uint32_t sl_wattempt__stage_width(const sl_wattempt *a, uint32_t stage)
{
    switch (a->query->plan->stages[stage].width) {
    case SL_WIDTH_SLICES:
        return a->message.slice_counts[stage];
    case SL_WIDTH_PARTITIONS:
        return a->query->partition_count;
    case SL_WIDTH_ONE:
        return 1;
    }
    return 0;
}

/* Peer that runs a task. */
static uint32_t owner_of(const sl_wattempt *a, uint32_t stage, uint32_t number)
{
    const sl_msg_task *m = &a->message;
    if (a->query->plan->stages[stage].width != SL_WIDTH_SLICES)
        return m->partition_owners[number];
    uint32_t at = number;
    for (uint32_t s = 0; s < stage; s++)
        at += m->slice_counts[s];
    return m->slice_owners[at];
}

static sl_code check_owners(const sl_wattempt *a, sl_error *err)
{
    const sl_msg_task *m = &a->message;
    uint64_t slices = 0;
    bool fits = m->self < m->peer_count &&
                m->stage_count == a->query->plan->stage_count &&
                m->partition_owner_count == a->query->partition_count;
    for (uint32_t s = 0; fits && s < m->stage_count; s++)
        slices += m->slice_counts[s];
    fits = fits && slices == m->owner_count;
    for (uint32_t i = 0; fits && i < m->owner_count; i++)
        fits = m->slice_owners[i] < m->peer_count;
    for (uint32_t p = 0; fits && p < m->partition_owner_count; p++)
        fits = m->partition_owners[p] < m->peer_count;
    return fits ? SL_OK
                : sl_fail(err, SL_EINTERNAL,
                          "TASK does not name an owner of every slice and partition");
}

/* ---- tasks ---- */

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
    for (uint32_t i = 0; slices && i < a->message.slice_count; i++)
        if (a->message.slices[i].stage == stage && a->message.slices[i].index == number)
            t->slice = a->message.slices[i].bytes;
}

static void add_tasks(sl_wattempt *a)
{
    uint32_t stages = a->query->plan->stage_count, total = 0;
    for (uint32_t s = 0; s < stages; s++)
        total += sl_wattempt__stage_width(a, s);
    a->tasks = SL_ARENA_ARRAY(a->arena, sl_run_task, total + (size_t)1);
    for (uint32_t s = 0; s < stages; s++)
        for (uint32_t n = 0, width = sl_wattempt__stage_width(a, s); n < width; n++)
            if (owner_of(a, s, n) == a->message.self)
                add_task(a, s, n);
    a->left = a->task_count;
}

static sl_run_task *task_of(sl_wattempt *a, uint32_t stage, uint32_t number)
{
    uint32_t low = 0, high = a->task_count; /* they are ascending by (stage, number) */
    while (low < high) {
        uint32_t at = (low + high) / 2;
        const sl_run_task *t = &a->tasks[at];
        if (t->stage < stage || (t->stage == stage && t->number < number))
            low = at + 1;
        else
            high = at;
    }
    bool found = low < a->task_count && a->tasks[low].stage == stage &&
                 a->tasks[low].number == number;
    return found ? &a->tasks[low] : NULL;
}

/* ---- exchanges ---- */

static bool feeds(const sl_physical_plan *plan, uint32_t from, uint32_t to)
{
    const sl_stage_plan *s = &plan->stages[from];
    return (s->output == SL_TO_EXCHANGE_KEY || s->output == SL_TO_EXCHANGE_ONE) &&
           s->to_stage == to;
}

static uint32_t peer_of(const sl_wattempt *a, uint32_t stage, uint32_t number)
{
    uint32_t owner = owner_of(a, stage, number);
    return owner == a->message.self ? SL_EXCHANGE_HERE : owner;
}

static const sl_exchange_peer *list_peers(sl_wattempt *a)
{
    const sl_msg_task *m = &a->message;
    sl_exchange_peer *peers = SL_ARENA_ARRAY(a->arena, sl_exchange_peer, m->peer_count);
    for (uint32_t i = 0; i < m->peer_count; i++)
        peers[i] = (sl_exchange_peer){ m->peers[i], m->peer_incarnations[i] };
    return peers;
}

/* Everybody who pushes into the stage, wherever it runs. */
static uint32_t list_producers(sl_wattempt *a, uint32_t stage, sl_run_exchange *x,
                               sl_producer_name **ret_names, uint32_t **ret_peers)
{
    const sl_physical_plan *plan = a->query->plan;
    uint32_t total = 0, count = 0;
    for (uint32_t s = 0; s < plan->stage_count; s++)
        total += feeds(plan, s, stage) ? sl_wattempt__stage_width(a, s) : 0;
    *ret_names = SL_ARENA_ARRAY(a->arena, sl_producer_name, total + (size_t)1);
    *ret_peers = SL_ARENA_ARRAY(a->arena, uint32_t, total + (size_t)1);
    x->producers = SL_ARENA_ARRAY(a->arena, sl_run_task *, total + (size_t)1);
    for (uint32_t s = 0; s < plan->stage_count; s++) {
        uint32_t width = feeds(plan, s, stage) ? sl_wattempt__stage_width(a, s) : 0;
        for (uint32_t n = 0; n < width; n++, count++) {
            (*ret_names)[count] = (sl_producer_name){ s, n };
            (*ret_peers)[count] = peer_of(a, s, n);
            x->producers[count] = task_of(a, s, n);
        }
    }
    return count;
}

static sl_code make_exchange(sl_wattempt *a, uint32_t stage, sl_error *err)
{
    sl_run_exchange *x = &a->exchanges[stage];
    uint32_t width = sl_wattempt__stage_width(a, stage);
    sl_producer_name *names;
    uint32_t *producer_peers;
    uint32_t count = list_producers(a, stage, x, &names, &producer_peers);
    x->attempt = a;
    uint32_t *target_peers = SL_ARENA_ARRAY(a->arena, uint32_t, width + (size_t)1);
    x->targets = SL_ARENA_ARRAY(a->arena, sl_run_task *, width + (size_t)1);
    for (uint32_t n = 0; n < width; n++) {
        target_peers[n] = peer_of(a, stage, n);
        x->targets[n] = task_of(a, stage, n);
    }
    sl_exchange_config config = {
        .query_hash = a->query->query_hash,
        .epoch = a->message.at.epoch,
        .batch = a->message.at.batch,
        .attempt = a->message.at.attempt,
        .stage = stage,
        .target_count = width,
        .producers = names,
        .producer_count = count,
        .ordered = a->query->plan->stages[stage].ordered,
        .wake_target = sl_wattempt__on_wake_target,
        .wake_producer = sl_wattempt__on_wake_producer,
        .user = x,
    };
    if (a->message.peer_count > 1) {
        config.shuffle = a->query->worker->shuffle;
        config.run = a->message.at.query;
        config.peers = list_peers(a);
        config.peer_count = a->message.peer_count;
        config.target_peers = target_peers;
        config.producer_peers = producer_peers;
        config.schema = a->query->plan->stages[stage].input_schema;
        config.budget = &a->query->budget;
        config.failed = sl_wattempt__on_exchange_failed;
    }
    return sl_exchange_new(&config, &x->exchange, err);
}

/* ---- partitions and executors ---- */

/* Partitions that went to another worker are let go; those that are here keep their
 * executor, a new one gets the executor that holds the fewest. */
static void assign_executors(sl_wattempt *a)
{
    sl_wquery *q = a->query;
    const uint32_t *owners = a->message.partition_owners;
    uint32_t *held = SL_ARENA_ARRAY(a->arena, uint32_t, a->executor_count);
    for (uint32_t p = 0; p < q->partition_count; p++) {
        sl_wpartition *w = &q->partitions[p];
        if (owners[p] != a->message.self && q->committing == NULL)
            sl_wpartition__drop(w);
        if (w->executor >= 0)
            held[w->executor]++;
    }
    for (uint32_t p = 0; p < q->partition_count; p++) {
        sl_wpartition *w = &q->partitions[p];
        uint32_t least = 0;
        if (owners[p] != a->message.self || w->executor >= 0)
            continue;
        for (uint32_t i = 1; i < a->executor_count; i++)
            least = held[i] < held[least] ? i : least;
        w->executor = (int32_t)least;
        held[least]++;
    }
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
    prepare_executors(a);
    SL_TRY(check_owners(a, err));
    assign_executors(a);
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
    add_tasks(a);
    for (uint32_t i = 0; plan->state_op_count > 0 && i < q->partition_count; i++)
        if (a->partitions[i].tasks_left > 0 && a->partitions[i].message == NULL)
            return sl_fail(err, SL_EINTERNAL, "TASK names no state for partition %u", i);
    for (uint32_t s = 0; s < plan->stage_count; s++)
        if (plan->stages[s].input == SL_INPUT_EXCHANGE)
            SL_TRY(make_exchange(a, s, err));
    return SL_OK;
}
