/* A target is a heap of blocks behind its own lock.  The heap's order is the order of
 * pulling: (producer, number) in ordered mode, arrival number otherwise, so both modes
 * are one piece of code, and memory is per queued block, never per producer x target.
 *
 * In ordered mode a target has a cursor: the producer whose blocks it takes now.  It
 * moves on when that producer has ended and none of its blocks is left:
 *
 *     heap {2:#0, 0:#5, 1:#3}  cursor 0   pull 0:#5;  0 ended -> cursor 1, pull 1:#3;
 *     1 not ended -> BLOCKED until 1 pushes or ends (2:#0 waits)
 *
 * Cost: O(log queued) a block, one lock; ending a producer looks at every target once. */

#include "shuffle/exchange.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"

struct block {
    uint64_t producer; /* 0 if not ordered */
    uint64_t number;   /* of arrival at the target: grows with each producer's blocks */
    int64_t bytes;
    sl_chunk *chunk;
};

struct target {
    pthread_mutex_t lock;
    struct block *heap;
    uint32_t count, capacity;
    uint64_t arrivals;
    int64_t queued_bytes;
    uint32_t cursor; /* ordered mode */
    bool waiting;    /* pull answered BLOCKED */

    uint32_t *waiters; /* producers whose push answered BLOCKED */
    uint32_t waiter_count, waiter_capacity;
};

struct producer {
    sl_producer_name name;
    uint64_t rows, blocks; /* taken; its own thread only */
    uint64_t bytes;
    _Atomic bool ended;
};

struct sl_exchange {
    sl_exchange_config config; /* producers is NULL: see below */
    struct producer *producers;
    struct target *targets;
    _Atomic uint32_t running; /* producers that have not ended */
    _Atomic bool aborted;
    _Atomic uint64_t rows, blocks, bytes, blocked_pushes;
};

static sl_code fail_aborted(const sl_exchange *x, sl_error *err)
{
    return sl_fail(err, SL_ECANCELLED, "attempt %u of batch %" PRId64 " was abandoned",
                   x->config.attempt, x->config.batch);
}

/* ---- the heap ---- */

static bool before(const struct block *a, const struct block *b)
{
    if (a->producer != b->producer)
        return a->producer < b->producer;
    return a->number < b->number;
}

static void heap_push(struct target *t, struct block b)
{
    if (t->count == t->capacity) {
        t->capacity = t->capacity == 0 ? 16 : t->capacity * 2;
        t->heap = sl_realloc(t->heap, t->capacity * sizeof *t->heap);
    }
    uint32_t at = t->count++;
    while (at > 0 && before(&b, &t->heap[(at - 1) / 2])) {
        t->heap[at] = t->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    t->heap[at] = b;
}

static struct block heap_pop(struct target *t)
{
    struct block top = t->heap[0];
    struct block last = t->heap[--t->count];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= t->count)
            break;
        if (child + 1 < t->count && before(&t->heap[child + 1], &t->heap[child]))
            child++;
        if (!before(&t->heap[child], &last))
            break;
        t->heap[at] = t->heap[child];
        at = child;
    }
    t->heap[at] = last;
    return top;
}

/* ---- what a target can do now; its lock is held ---- */

/* `ended` is read after the heap: a producer's last push is in the heap before it ends,
 * so "ended and none in the heap" cannot overlook a block. */
static void move_cursor(sl_exchange *x, struct target *t)
{
    while (t->cursor < x->config.producer_count &&
           (t->count == 0 || t->heap[0].producer != t->cursor) &&
           atomic_load(&x->producers[t->cursor].ended))
        t->cursor++;
}

static sl_exchange_answer look(sl_exchange *x, struct target *t)
{
    if (!x->config.ordered) {
        if (t->count != 0)
            return SL_EXCHANGE_CHUNK;
        return atomic_load(&x->running) == 0 ? SL_EXCHANGE_END : SL_EXCHANGE_BLOCKED;
    }
    move_cursor(x, t);
    if (t->cursor == x->config.producer_count)
        return SL_EXCHANGE_END;
    return t->count != 0 && t->heap[0].producer == t->cursor ? SL_EXCHANGE_CHUNK
                                                             : SL_EXCHANGE_BLOCKED;
}

static bool admits(sl_exchange *x, struct target *t, uint32_t producer, int64_t bytes)
{
    if (t->count == 0 || bytes <= x->config.credit_bytes - t->queued_bytes)
        return true;
    if (!x->config.ordered)
        return false;
    move_cursor(x, t);
    return t->cursor == producer && t->heap[0].producer != producer;
}

/* ---- wake-ups: decided under the lock, called without it ---- */

static bool take_waiting(sl_exchange *x, struct target *t)
{
    if (!t->waiting || look(x, t) == SL_EXCHANGE_BLOCKED)
        return false;
    t->waiting = false;
    return true;
}

static void wake_target(sl_exchange *x, uint32_t target)
{
    if (x->config.wake_target != NULL)
        x->config.wake_target(x->config.user, target);
}

static void add_waiter(struct target *t, uint32_t producer)
{
    for (uint32_t i = 0; i < t->waiter_count; i++)
        if (t->waiters[i] == producer)
            return;
    if (t->waiter_count == t->waiter_capacity) {
        t->waiter_capacity = t->waiter_capacity == 0 ? 8 : t->waiter_capacity * 2;
        t->waiters = sl_realloc(t->waiters, t->waiter_capacity * sizeof *t->waiters);
    }
    t->waiters[t->waiter_count++] = producer;
}

/* Who may try again: all waiters once half of the credit is free (not at each block, or
 * they would wake for one block each), else the one the order needs.  *ret_list is NULL
 * or the caller's to free; *ret_one is the single producer, or UINT32_MAX. */
static uint32_t take_waiters(sl_exchange *x, struct target *t, uint32_t **ret_list,
                             uint32_t *ret_one)
{
    *ret_list = NULL;
    *ret_one = UINT32_MAX;
    if (t->waiter_count == 0)
        return 0;
    if (t->count == 0 || t->queued_bytes <= x->config.credit_bytes / 2) {
        uint32_t count = t->waiter_count;
        *ret_list = t->waiters;
        t->waiters = NULL;
        t->waiter_count = t->waiter_capacity = 0;
        return count;
    }
    if (!x->config.ordered || t->heap[0].producer == t->cursor)
        return 0;
    for (uint32_t i = 0; i < t->waiter_count; i++)
        if (t->waiters[i] == t->cursor) {
            t->waiters[i] = t->waiters[--t->waiter_count];
            *ret_one = t->cursor;
            break;
        }
    return 0;
}

static void wake_producers(sl_exchange *x, uint32_t *list, uint32_t count, uint32_t one)
{
    if (x->config.wake_producer != NULL) {
        for (uint32_t i = 0; i < count; i++)
            x->config.wake_producer(x->config.user, list[i]);
        if (one != UINT32_MAX)
            x->config.wake_producer(x->config.user, one);
    }
    sl_free(list);
}

/* ---- life ---- */

static sl_code check_config(const sl_exchange_config *c, sl_error *err)
{
    if (c->target_count == 0 || c->target_count > SL_STATE_PARTITIONS_MAX)
        return sl_fail(err, SL_EINTERNAL, "exchange into stage %u with %u targets",
                       c->stage, c->target_count);
    if (c->producer_count > (uint32_t)SL_STAGES_MAX * SL_SLICES_MAX)
        return sl_fail(err, SL_EINTERNAL, "exchange into stage %u with %u producers",
                       c->stage, c->producer_count);
    for (uint32_t i = 1; i < c->producer_count; i++) {
        sl_producer_name a = c->producers[i - 1], b = c->producers[i];
        if (a.stage > b.stage || (a.stage == b.stage && a.task >= b.task))
            return sl_fail(err, SL_EINTERNAL,
                           "producers of the exchange into stage %u are not ascending: "
                           "(%u, %u) before (%u, %u)",
                           c->stage, a.stage, a.task, b.stage, b.task);
    }
    return SL_OK;
}

sl_code sl_exchange_new(const sl_exchange_config *config, sl_exchange **ret,
                        sl_error *err)
{
    SL_TRY(check_config(config, err));

    sl_exchange *x = sl_calloc(1, sizeof *x);
    x->config = *config;
    x->config.producers = NULL;
    if (x->config.credit_bytes <= 0)
        x->config.credit_bytes = SL_EXCHANGE_CREDIT_BYTES;
    x->targets = sl_calloc(config->target_count, sizeof *x->targets);
    for (uint32_t i = 0; i < config->target_count; i++)
        SL_ASSERT(pthread_mutex_init(&x->targets[i].lock, NULL) == 0);
    x->producers = sl_calloc(config->producer_count + 1, sizeof *x->producers);
    for (uint32_t i = 0; i < config->producer_count; i++)
        x->producers[i].name = config->producers[i];
    atomic_store(&x->running, config->producer_count);
    *ret = x;
    return SL_OK;
}

static void drop_blocks(struct target *t)
{
    for (uint32_t i = 0; i < t->count; i++)
        sl_chunk_unref(t->heap[i].chunk);
    t->count = 0;
    t->queued_bytes = 0;
}

void sl_exchange_free(sl_exchange *x)
{
    if (x == NULL)
        return;
    for (uint32_t i = 0; i < x->config.target_count; i++) {
        struct target *t = &x->targets[i];
        drop_blocks(t);
        sl_free(t->heap);
        sl_free(t->waiters);
        pthread_mutex_destroy(&t->lock);
    }
    sl_free(x->targets);
    sl_free(x->producers);
    sl_free(x);
}

void sl_exchange_abort(sl_exchange *x)
{
    atomic_store(&x->aborted, true);
    for (uint32_t i = 0; i < x->config.target_count; i++) {
        struct target *t = &x->targets[i];
        pthread_mutex_lock(&t->lock);
        drop_blocks(t);
        bool waiting = t->waiting;
        t->waiting = false;
        uint32_t *list, one;
        uint32_t count = take_waiters(x, t, &list, &one);
        pthread_mutex_unlock(&t->lock);
        if (waiting)
            wake_target(x, i);
        wake_producers(x, list, count, one);
    }
}

uint32_t sl_exchange_target_count(const sl_exchange *x)
{
    return x->config.target_count;
}

sl_code sl_exchange_producer_of(const sl_exchange *x, uint32_t stage, uint32_t task,
                                uint32_t *ret_producer, sl_error *err)
{
    uint32_t low = 0, high = x->config.producer_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        sl_producer_name n = x->producers[middle].name;
        if (n.stage < stage || (n.stage == stage && n.task < task))
            low = middle + 1;
        else
            high = middle;
    }
    if (low == x->config.producer_count || x->producers[low].name.stage != stage ||
        x->producers[low].name.task != task)
        return sl_fail(err, SL_EINTERNAL,
                       "task %u of stage %u is no producer of the exchange into stage %u",
                       task, stage, x->config.stage);
    *ret_producer = low;
    return SL_OK;
}

/* ---- producers ---- */

sl_code sl_exchange_push(sl_exchange *x, uint32_t producer, uint32_t target,
                         sl_chunk *chunk, sl_exchange_answer *ret_answer, sl_error *err)
{
    SL_ASSERT(producer < x->config.producer_count);
    SL_ASSERT(target < x->config.target_count);
    struct producer *p = &x->producers[producer];
    if (atomic_load(&p->ended))
        return sl_fail(err, SL_EINTERNAL, "task %u of stage %u pushed after its end",
                       p->name.task, p->name.stage);
    if (chunk->selected == 0) {
        *ret_answer = SL_EXCHANGE_TAKEN;
        return SL_OK;
    }

    int64_t bytes = sl_chunk_bytes(chunk);
    struct target *t = &x->targets[target];
    pthread_mutex_lock(&t->lock);
    if (atomic_load(&x->aborted)) {
        pthread_mutex_unlock(&t->lock);
        return fail_aborted(x, err);
    }
    if (!admits(x, t, producer, bytes)) {
        add_waiter(t, producer);
        pthread_mutex_unlock(&t->lock);
        atomic_fetch_add_explicit(&x->blocked_pushes, 1, memory_order_relaxed);
        *ret_answer = SL_EXCHANGE_BLOCKED;
        return SL_OK;
    }
    heap_push(t, (struct block){ .producer = x->config.ordered ? producer : 0,
                                 .number = t->arrivals++,
                                 .bytes = bytes,
                                 .chunk = sl_chunk_ref(chunk) });
    t->queued_bytes += bytes;
    bool wake = take_waiting(x, t);
    pthread_mutex_unlock(&t->lock);

    p->rows += chunk->selected;
    p->blocks++;
    atomic_fetch_add_explicit(&x->rows, chunk->selected, memory_order_relaxed);
    atomic_fetch_add_explicit(&x->blocks, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&x->bytes, (uint64_t)bytes, memory_order_relaxed);
    if (wake)
        wake_target(x, target);
    *ret_answer = SL_EXCHANGE_TAKEN;
    return SL_OK;
}

/* A producer that ended lets cursors pass: a target may now go on, or may now need the
 * block a later producer was refused. */
static void end_at_target(sl_exchange *x, uint32_t target)
{
    struct target *t = &x->targets[target];
    pthread_mutex_lock(&t->lock);
    bool wake = take_waiting(x, t);
    uint32_t *list = NULL, one = UINT32_MAX, count = 0;
    if (x->config.ordered) {
        move_cursor(x, t);
        count = take_waiters(x, t, &list, &one);
    }
    pthread_mutex_unlock(&t->lock);
    if (wake)
        wake_target(x, target);
    wake_producers(x, list, count, one);
}

sl_code sl_exchange_end(sl_exchange *x, uint32_t producer, uint64_t rows, uint64_t blocks,
                        sl_error *err)
{
    SL_ASSERT(producer < x->config.producer_count);
    struct producer *p = &x->producers[producer];
    if (atomic_load(&x->aborted))
        return fail_aborted(x, err);
    if (p->rows != rows || p->blocks != blocks)
        return sl_fail(err, SL_EINTERNAL,
                       "task %u of stage %u ended with %" PRIu64 " rows in %" PRIu64
                       " blocks, %" PRIu64 " rows in %" PRIu64 " blocks came",
                       p->name.task, p->name.stage, rows, blocks, p->rows, p->blocks);
    if (atomic_exchange(&p->ended, true))
        return sl_fail(err, SL_EINTERNAL, "task %u of stage %u ended twice", p->name.task,
                       p->name.stage);
    atomic_fetch_sub(&x->running, 1);
    for (uint32_t i = 0; i < x->config.target_count; i++)
        end_at_target(x, i);
    return SL_OK;
}

/* ---- targets ---- */

sl_code sl_exchange_pull(sl_exchange *x, uint32_t target, sl_exchange_answer *ret_answer,
                         sl_chunk **ret_chunk, sl_error *err)
{
    SL_ASSERT(target < x->config.target_count);
    struct target *t = &x->targets[target];
    pthread_mutex_lock(&t->lock);
    if (atomic_load(&x->aborted)) {
        pthread_mutex_unlock(&t->lock);
        return fail_aborted(x, err);
    }
    sl_exchange_answer answer = look(x, t);
    uint32_t *list = NULL, one = UINT32_MAX, count = 0;
    if (answer == SL_EXCHANGE_CHUNK) {
        struct block b = heap_pop(t);
        t->queued_bytes -= b.bytes;
        *ret_chunk = b.chunk;
        if (x->config.ordered)
            move_cursor(x, t); /* the next one needed may be a refused one */
    }
    t->waiting = answer == SL_EXCHANGE_BLOCKED;
    if (answer != SL_EXCHANGE_END)
        count = take_waiters(x, t, &list, &one);
    pthread_mutex_unlock(&t->lock);
    wake_producers(x, list, count, one);
    *ret_answer = answer;
    return SL_OK;
}

void sl_exchange_stats_get(sl_exchange *x, sl_exchange_stats *ret)
{
    sl_exchange_stats s = {
        .rows = atomic_load(&x->rows),
        .blocks = atomic_load(&x->blocks),
        .bytes = atomic_load(&x->bytes),
        .blocked_pushes = atomic_load(&x->blocked_pushes),
    };
    for (uint32_t i = 0; i < x->config.target_count; i++) {
        pthread_mutex_lock(&x->targets[i].lock);
        s.queued_bytes += x->targets[i].queued_bytes;
        pthread_mutex_unlock(&x->targets[i].lock);
    }
    *ret = s;
}
