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
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "shuffle/exchange_private.h"

static sl_code fail_aborted(sl_exchange *x, sl_error *err)
{
    sl_code code = sl_exchange__failure(x, err);
    if (code != SL_OK)
        return code;
    return sl_fail(err, SL_ECANCELLED, "attempt %u of batch %" PRId64 " was abandoned",
                   x->config.attempt, x->config.batch);
}

/* ---- the heap ---- */

static bool before(const sl_xblock *a, const sl_xblock *b)
{
    if (a->producer != b->producer)
        return a->producer < b->producer;
    return a->number < b->number;
}

void sl_exchange__heap_push(sl_xtarget *t, sl_xblock b)
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

sl_xblock sl_exchange__heap_pop(sl_xtarget *t)
{
    sl_xblock top = t->heap[0];
    sl_xblock last = t->heap[--t->count];
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
void sl_exchange__move_cursor(sl_exchange *x, sl_xtarget *t)
{
    while (t->cursor < x->config.producer_count &&
           (t->count == 0 || t->heap[0].producer != t->cursor) &&
           atomic_load(&x->producers[t->cursor].ended))
        t->cursor++;
}

static sl_exchange_answer look(sl_exchange *x, sl_xtarget *t)
{
    if (!x->config.ordered) {
        if (t->count != 0)
            return SL_EXCHANGE_CHUNK;
        return atomic_load(&x->running) == 0 ? SL_EXCHANGE_END : SL_EXCHANGE_BLOCKED;
    }
    sl_exchange__move_cursor(x, t);
    if (t->cursor == x->config.producer_count)
        return SL_EXCHANGE_END;
    return t->count != 0 && t->heap[0].producer == t->cursor ? SL_EXCHANGE_CHUNK
                                                             : SL_EXCHANGE_BLOCKED;
}

static bool admits(sl_exchange *x, sl_xtarget *t, uint32_t producer, int64_t bytes)
{
    if (t->local_count == 0 || bytes <= x->config.credit_bytes - t->queued_bytes)
        return true;
    if (!x->config.ordered)
        return false;
    sl_exchange__move_cursor(x, t);
    return t->cursor == producer && t->heap[0].producer != producer;
}

/* ---- wake-ups: decided under the lock, called without it ---- */

bool sl_exchange__take_waiting(sl_exchange *x, sl_xtarget *t)
{
    if (!t->waiting || look(x, t) == SL_EXCHANGE_BLOCKED)
        return false;
    t->waiting = false;
    return true;
}

void sl_exchange__wake_target(sl_exchange *x, uint32_t target)
{
    if (x->config.wake_target != NULL)
        x->config.wake_target(x->config.user, target);
}

void sl_exchange__add_waiter(sl_xtarget *t, uint32_t producer)
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
static uint32_t take_waiters(sl_exchange *x, sl_xtarget *t, uint32_t **ret_list,
                             uint32_t *ret_one)
{
    *ret_list = NULL;
    *ret_one = UINT32_MAX;
    if (t->waiter_count == 0)
        return 0;
    if (t->local_count == 0 || t->queued_bytes <= x->config.credit_bytes / 2) {
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

void sl_exchange__wake_producers(sl_exchange *x, uint32_t *list, uint32_t count,
                                 uint32_t one)
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

static uint32_t peer_or_here(const uint32_t *peers, uint32_t i)
{
    return peers != NULL ? peers[i] : SL_EXCHANGE_HERE;
}

static sl_code check_peers(const sl_exchange_config *c, sl_error *err)
{
    for (uint32_t i = 0; c->target_peers != NULL && i < c->target_count; i++)
        if (c->target_peers[i] != SL_EXCHANGE_HERE &&
            (c->shuffle == NULL || c->target_peers[i] >= c->peer_count))
            return sl_fail(err, SL_EINTERNAL, "target %u of stage %u is at peer %u of %u",
                           i, c->stage, c->target_peers[i], c->peer_count);
    for (uint32_t i = 0; c->producer_peers != NULL && i < c->producer_count; i++)
        if (c->producer_peers[i] != SL_EXCHANGE_HERE &&
            (c->shuffle == NULL || c->producer_peers[i] >= c->peer_count ||
             c->schema == NULL))
            return sl_fail(err, SL_EINTERNAL,
                           "producer %u of stage %u is at peer %u of %u", i, c->stage,
                           c->producer_peers[i], c->peer_count);
    return SL_OK;
}

static void init_peers(sl_exchange *x, const sl_exchange_config *c)
{
    uint32_t senders = 0;
    x->peers = sl_calloc(c->peer_count + 1, sizeof *x->peers);
    for (uint32_t i = 0; i < c->peer_count; i++)
        x->peers[i] =
            (sl_exchange_peer){ sl_strdup(c->peers[i].address), c->peers[i].incarnation };
    bool *sends = sl_calloc(c->peer_count + 1, sizeof *sends);
    for (uint32_t i = 0; i < c->producer_count; i++) {
        uint32_t peer = x->producers[i].peer;
        if (peer != SL_EXCHANGE_HERE && !sends[peer]) {
            sends[peer] = true;
            senders++;
        }
    }
    sl_free(sends);
    for (uint32_t i = 0; senders > 0 && i < c->target_count; i++)
        if (x->targets[i].peer == SL_EXCHANGE_HERE)
            x->targets[i].senders =
                sl_calloc(c->peer_count, sizeof *x->targets[i].senders);
    x->takes = sl_calloc(c->peer_count + 1, sizeof *x->takes);
    x->asked = sl_calloc(c->peer_count + 1, sizeof *x->asked);
    x->is_there = sl_calloc(c->peer_count + 1, sizeof *x->is_there);
    for (uint32_t i = 0; i < c->peer_count; i++)
        x->is_there[i] =
            sl_channel_incarnation(c->shuffle->channel, c->peers[i].address) ==
            c->peers[i].incarnation;
    for (uint32_t i = 0; i < c->target_count; i++) {
        sl_xtarget *t = &x->targets[i];
        if (t->peer == SL_EXCHANGE_HERE)
            continue;
        x->takes[t->peer] = true;
        t->credit.window_bytes = x->is_there[t->peer] ? SL_SHUFFLE_START_BYTES : 0;
    }
    x->window_bytes = x->config.credit_bytes / (senders > 0 ? senders : 1);
    if (x->window_bytes < SL_EXCHANGE_WINDOW_MIN)
        x->window_bytes = SL_EXCHANGE_WINDOW_MIN;
    x->id = (sl_shuffle_id){ .run = c->run,
                             .epoch = c->epoch,
                             .batch = c->batch,
                             .attempt = c->attempt,
                             .stage = c->stage };
}

sl_code sl_exchange_new(const sl_exchange_config *config, sl_exchange **ret,
                        sl_error *err)
{
    SL_TRY(check_config(config, err));
    SL_TRY(check_peers(config, err));

    sl_exchange *x = sl_calloc(1, sizeof *x);
    x->config = *config;
    x->config.producers = NULL;
    x->config.peers = NULL;
    x->config.target_peers = x->config.producer_peers = NULL;
    if (x->config.credit_bytes <= 0)
        x->config.credit_bytes = SL_EXCHANGE_CREDIT_BYTES;
    SL_ASSERT(pthread_mutex_init(&x->out_lock, NULL) == 0);
    SL_ASSERT(pthread_mutex_init(&x->spill_lock, NULL) == 0);
    x->out_last = &x->out_first;
    x->targets = sl_calloc(config->target_count, sizeof *x->targets);
    for (uint32_t i = 0; i < config->target_count; i++) {
        sl_xtarget *t = &x->targets[i];
        SL_ASSERT(pthread_mutex_init(&t->lock, NULL) == 0);
        t->peer = peer_or_here(config->target_peers, i);
        t->want_producer = t->credit.wanted = SL_PRODUCER_NONE;
    }
    x->producers = sl_calloc(config->producer_count + 1, sizeof *x->producers);
    for (uint32_t i = 0; i < config->producer_count; i++) {
        x->producers[i].name = config->producers[i];
        x->producers[i].peer = peer_or_here(config->producer_peers, i);
    }
    atomic_store(&x->running, config->producer_count);
    if (config->shuffle != NULL) {
        init_peers(x, config);
        sl_shuffle__add(config->shuffle, x);
    }
    *ret = x;
    return SL_OK;
}

void sl_exchange__block_deinit(sl_xblock *b)
{
    sl_chunk_unref(b->chunk);
    sl_blob_unref(b->frame);
}

static void drop_blocks(sl_exchange *x, sl_xtarget *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        if (t->heap[i].frame != NULL)
            atomic_fetch_sub(&x->received_queued, t->heap[i].bytes);
        sl_exchange__block_deinit(&t->heap[i]);
    }
    t->count = t->local_count = 0;
    t->queued_bytes = 0;
}

void sl_exchange__destroy(sl_exchange *x)
{
    if (x->config.shuffle != NULL) {
        sl_host_close_owner(x->config.shuffle->host, x);
        sl_shuffle__remove(x->config.shuffle, x);
        sl_exchange__drop_outgoing(x);
        for (uint32_t i = 0; i < x->config.peer_count; i++)
            sl_free((char *)(uintptr_t)x->peers[i].address);
        sl_free(x->peers);
        sl_free(x->takes);
        sl_free(x->is_there);
        sl_free(x->asked);
    }
    for (uint32_t i = 0; i < x->config.target_count; i++) {
        sl_xtarget *t = &x->targets[i];
        drop_blocks(x, t);
        sl_free(t->heap);
        sl_free(t->waiters);
        sl_free(t->senders);
        pthread_mutex_destroy(&t->lock);
    }
    for (uint32_t i = 0; i < x->config.producer_count; i++)
        sl_free(x->producers[i].flows);
    sl_spill_close(x->spill);
    pthread_mutex_destroy(&x->out_lock);
    pthread_mutex_destroy(&x->spill_lock);
    sl_free(x->targets);
    sl_free(x->producers);
    sl_free(x);
}

void sl_exchange_free(sl_exchange *x)
{
    if (x == NULL)
        return;
    x->config.wake_target = x->config.wake_producer = NULL;
    x->config.failed = NULL;
    if (x->config.shuffle == NULL || atomic_load(&x->aborted)) {
        sl_exchange__destroy(x);
        return;
    }
    x->let_go = true;
    sl_exchange__flush(x);
    sl_shuffle__settle(x);
}

bool sl_exchange_target_is_here(const sl_exchange *x, uint32_t target)
{
    return x->targets[target].peer == SL_EXCHANGE_HERE;
}

static void tell_failure(void *user)
{
    sl_exchange *x = (sl_exchange *)user;
    if (x->config.failed != NULL)
        x->config.failed(x->config.user, &x->failure);
}

void sl_exchange__fail(sl_exchange *x, const sl_error *error)
{
    pthread_mutex_lock(&x->out_lock);
    bool first = !x->has_failed && !atomic_load(&x->aborted);
    if (first) {
        x->failure = *error;
        x->has_failed = true;
    }
    pthread_mutex_unlock(&x->out_lock);
    if (!first)
        return;
    sl_exchange_abort(x);
    sl_host_post(x->config.shuffle->host, x, tell_failure, x);
}

sl_code sl_exchange__failure(sl_exchange *x, sl_error *err)
{
    sl_code code = SL_OK;
    pthread_mutex_lock(&x->out_lock);
    if (x->has_failed) {
        code = x->failure.code;
        if (err != NULL)
            *err = x->failure;
    }
    pthread_mutex_unlock(&x->out_lock);
    return code;
}

void sl_exchange_abort(sl_exchange *x)
{
    atomic_store(&x->aborted, true);
    for (uint32_t i = 0; i < x->config.target_count; i++) {
        sl_xtarget *t = &x->targets[i];
        pthread_mutex_lock(&t->lock);
        drop_blocks(x, t);
        bool waiting = t->waiting;
        t->waiting = false;
        uint32_t *list, one;
        uint32_t count = take_waiters(x, t, &list, &one);
        pthread_mutex_unlock(&t->lock);
        if (waiting)
            sl_exchange__wake_target(x, i);
        sl_exchange__wake_producers(x, list, count, one);
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
    sl_xproducer *p = &x->producers[producer];
    if (atomic_load(&p->ended))
        return sl_fail(err, SL_EINTERNAL, "task %u of stage %u pushed after its end",
                       p->name.task, p->name.stage);
    if (chunk->selected == 0) {
        *ret_answer = SL_EXCHANGE_TAKEN;
        return SL_OK;
    }

    SL_ASSERT(p->peer == SL_EXCHANGE_HERE);
    sl_xtarget *t = &x->targets[target];
    if (t->peer != SL_EXCHANGE_HERE)
        return sl_exchange__push_remote(x, producer, target, chunk, ret_answer, err);

    int64_t bytes = sl_chunk_bytes(chunk);
    pthread_mutex_lock(&t->lock);
    if (atomic_load(&x->aborted)) {
        pthread_mutex_unlock(&t->lock);
        return fail_aborted(x, err);
    }
    if (!admits(x, t, producer, bytes)) {
        sl_exchange__add_waiter(t, producer);
        pthread_mutex_unlock(&t->lock);
        atomic_fetch_add_explicit(&x->blocked_pushes, 1, memory_order_relaxed);
        if (x->config.shuffle != NULL)
            sl_exchange__send_now(x);
        *ret_answer = SL_EXCHANGE_BLOCKED;
        return SL_OK;
    }
    sl_exchange__heap_push(t, (sl_xblock){ .producer = x->config.ordered ? producer : 0,
                                           .number = t->arrivals++,
                                           .bytes = bytes,
                                           .chunk = sl_chunk_ref(chunk) });
    t->queued_bytes += bytes;
    t->local_count++;
    bool wake = sl_exchange__take_waiting(x, t);
    pthread_mutex_unlock(&t->lock);

    p->rows += chunk->selected;
    p->blocks++;
    atomic_fetch_add_explicit(&x->rows, chunk->selected, memory_order_relaxed);
    atomic_fetch_add_explicit(&x->blocks, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&x->bytes, (uint64_t)bytes, memory_order_relaxed);
    if (wake)
        sl_exchange__wake_target(x, target);
    *ret_answer = SL_EXCHANGE_TAKEN;
    return SL_OK;
}

/* A producer that ended lets cursors pass: a target may now go on, or may now need the
 * block a later producer was refused. */
static void end_at_target(sl_exchange *x, uint32_t target)
{
    sl_xtarget *t = &x->targets[target];
    uint32_t *list = NULL, one = UINT32_MAX, count = 0, tell_peer;
    sl_shuffle_head tell;
    bool tells = false;
    if (t->peer != SL_EXCHANGE_HERE)
        return;
    pthread_mutex_lock(&t->lock);
    bool wake = sl_exchange__take_waiting(x, t);
    if (x->config.ordered) {
        sl_exchange__move_cursor(x, t);
        count = take_waiters(x, t, &list, &one);
        tells = t->waiting && t->senders != NULL &&
                sl_exchange__wants(x, target, &tell_peer, &tell);
    }
    pthread_mutex_unlock(&t->lock);
    if (wake)
        sl_exchange__wake_target(x, target);
    sl_exchange__wake_producers(x, list, count, one);
    if (tells)
        sl_exchange__send_small(x, tell_peer, tell);
}

void sl_exchange__end_producer(sl_exchange *x, uint32_t producer)
{
    atomic_store(&x->producers[producer].ended, true);
    atomic_fetch_sub(&x->running, 1);
    for (uint32_t i = 0; i < x->config.target_count; i++)
        end_at_target(x, i);
}

sl_code sl_exchange_end(sl_exchange *x, uint32_t producer, uint64_t rows, uint64_t blocks,
                        sl_error *err)
{
    SL_ASSERT(producer < x->config.producer_count);
    sl_xproducer *p = &x->producers[producer];
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
    sl_exchange__end_producer(x, producer);
    if (x->config.peer_count > 0)
        sl_exchange__end_remote(x, producer);
    return SL_OK;
}

/* ---- targets ---- */

sl_code sl_exchange_pull(sl_exchange *x, uint32_t target, sl_exchange_answer *ret_answer,
                         sl_chunk **ret_chunk, sl_error *err)
{
    SL_ASSERT(target < x->config.target_count);
    sl_xtarget *t = &x->targets[target];
    pthread_mutex_lock(&t->lock);
    if (atomic_load(&x->aborted)) {
        pthread_mutex_unlock(&t->lock);
        return fail_aborted(x, err);
    }
    sl_exchange_answer answer = look(x, t);
    uint32_t *list = NULL, one = UINT32_MAX, count = 0, tell_peer = 0;
    sl_xblock b = { 0 };
    sl_shuffle_head tell;
    bool tells = false;
    if (answer == SL_EXCHANGE_CHUNK) {
        b = sl_exchange__heap_pop(t);
        if (b.frame == NULL) {
            t->queued_bytes -= b.bytes;
            t->local_count--;
        } else {
            tells = sl_exchange__consume(x, target, &b, &tell);
            tell_peer = b.from;
        }
        if (x->config.ordered)
            sl_exchange__move_cursor(x, t); /* the next one needed may be a refused one */
    } else if (answer == SL_EXCHANGE_BLOCKED && t->senders != NULL) {
        tells = sl_exchange__wants(x, target, &tell_peer, &tell);
    }
    t->waiting = answer == SL_EXCHANGE_BLOCKED;
    if (answer != SL_EXCHANGE_END)
        count = take_waiters(x, t, &list, &one);
    pthread_mutex_unlock(&t->lock);
    sl_exchange__wake_producers(x, list, count, one);
    if (tells)
        sl_exchange__send_small(x, tell_peer, tell);
    if (b.frame != NULL) {
        sl_code code = sl_exchange__decode(x, &b, &b.chunk, err);
        sl_blob_unref(b.frame);
        SL_TRY(code);
    }
    if (answer == SL_EXCHANGE_CHUNK)
        *ret_chunk = b.chunk;
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
        .sent_blocks = atomic_load(&x->sent_blocks),
        .sent_bytes = atomic_load(&x->sent_bytes),
        .received_blocks = atomic_load(&x->received_blocks),
        .received_bytes = atomic_load(&x->received_bytes),
        .spilled_blocks = atomic_load(&x->spilled_blocks),
        .spilled_bytes = atomic_load(&x->spilled_bytes),
        .received_queued_peak = atomic_load(&x->received_queued_peak),
    };
    for (uint32_t i = 0; i < x->config.target_count; i++) {
        pthread_mutex_lock(&x->targets[i].lock);
        s.queued_bytes += x->targets[i].queued_bytes;
        pthread_mutex_unlock(&x->targets[i].lock);
    }
    *ret = s;
}
