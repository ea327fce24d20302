/* Blocks for targets of other processes.
 *
 *   push --credit--> encode -----------> out list (outgoing.c)
 *          \-ordered, no credit--> spill file --credit: lane--^
 *
 * Credit is bytes: a target says how many a peer may have in flight to it and what it has
 * consumed.  Little may be in flight to a target without asking (START), so that a small
 * batch needs no round trip; a sender that has more asks the peer to open its window.  A
 * block that is larger than all credit passes when little is in flight, so nobody
 * starves.  Bytes are reserved by estimate before a chunk is encoded, outside of any
 * lock, and corrected after it. */

#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "shuffle/exchange_private.h"

/* Encoded pieces of one chunk: one, but for a chunk of more than a MiB. */
typedef struct frames {
    sl_bytes *items;
    uint64_t *rows;
    uint32_t count, capacity;
    uint64_t bytes; /* of payloads */
} frames;

static void frames_deinit(frames *f)
{
    for (uint32_t i = 0; i < f->count; i++)
        sl_bytes_deinit(&f->items[i]);
    sl_free(f->items);
    sl_free(f->rows);
}

static void frames_add(frames *f, sl_bytes *frame, uint64_t rows)
{
    if (f->count == f->capacity) {
        f->capacity = f->capacity == 0 ? 1 : f->capacity * 2;
        f->items = sl_realloc(f->items, f->capacity * sizeof *f->items);
        f->rows = sl_realloc(f->rows, f->capacity * sizeof *f->rows);
    }
    f->bytes += frame->size_bytes - SL_SHUFFLE_HEAD_BYTES;
    f->rows[f->count] = rows;
    f->items[f->count++] = *frame;
}

/* ---- encoding ---- */

static uint64_t estimate(const sl_chunk *c)
{
    return (uint64_t)sl_chunk_bytes(c) * c->selected /
               (c->row_count > 0 ? c->row_count : 1) +
           64;
}

static sl_code encode(const sl_chunk *c, frames *out, sl_error *err);

static sl_code encode_range(const sl_chunk *c, uint32_t from, uint32_t to, frames *out,
                            sl_error *err)
{
    uint16_t *rows = sl_alloc((to - from) * sizeof *rows);
    sl_chunk *part;
    for (uint32_t i = from; i < to; i++)
        rows[i - from] = (uint16_t)sl_chunk_row(c, i);
    sl_code code = sl_chunk_select(c, rows, to - from, &part, err);
    sl_free(rows);
    SL_TRY(code);
    code = encode(part, out, err);
    sl_chunk_unref(part);
    return code;
}

static sl_code encode(const sl_chunk *c, frames *out, sl_error *err)
{
    uint8_t head[SL_SHUFFLE_HEAD_BYTES] = { 0 };
    sl_bytes frame = { 0 };
    sl_bytes_reserve(&frame, sizeof head + estimate(c));
    sl_bytes_append(&frame, head, sizeof head); /* filled when its number is known */
    sl_chunk_write_enveloped(c, &frame);
    size_t bytes = frame.size_bytes - sizeof head;
    if (bytes <= SL_SHUFFLE_BLOCK_BYTES_MAX || c->selected == 1) {
        if (frame.size_bytes > SL_FRAME_BYTES_MAX) {
            sl_bytes_deinit(&frame);
            return sl_fail(err, SL_ELIMIT,
                           "a row of %zu bytes cannot go to another process; at most %u",
                           bytes, SL_FRAME_BYTES_MAX - SL_SHUFFLE_HEAD_BYTES);
        }
        frames_add(out, &frame, c->selected);
        return SL_OK;
    }
    sl_bytes_deinit(&frame);
    uint32_t half = c->selected / 2;
    SL_TRY(encode_range(c, 0, half, out, err));
    return encode_range(c, half, c->selected, out, err);
}

/* ---- credit; target lock ---- */

static bool has_credit(const sl_xcredit *c, uint64_t bytes)
{
    uint64_t untold = c->opened ? c->window_bytes / SL_CREDIT_TOLD_PART : 0;
    return (c->opened && c->sent_bytes <= c->consumed_bytes + untold) ||
           c->sent_bytes + bytes <= c->consumed_bytes + c->window_bytes;
}

static bool may_send(sl_xtarget *t, uint32_t producer, uint64_t bytes)
{
    sl_xcredit *c = &t->credit;
    if (has_credit(c, bytes))
        return true;
    return c->opened && c->wanted == producer;
}

static void reserve(sl_xtarget *t, uint32_t producer, uint64_t bytes)
{
    t->credit.sent_bytes += bytes;
    if (t->credit.wanted == producer)
        t->credit.wanted = SL_PRODUCER_NONE;
}

static bool take_one_waiter(sl_xtarget *t, uint32_t producer)
{
    for (uint32_t i = 0; i < t->waiter_count; i++)
        if (t->waiters[i] == producer) {
            t->waiters[i] = t->waiters[--t->waiter_count];
            return true;
        }
    return false;
}

/* Lock held, let go here. All waiters try again once half of the credit is there. */
static void wake_and_unlock(sl_exchange *x, sl_xtarget *t)
{
    const sl_xcredit *c = &t->credit;
    uint32_t *list = NULL, count = 0, one = SL_PRODUCER_NONE;
    if (t->waiter_count > 0 && has_credit(c, c->window_bytes / 2)) {
        list = t->waiters;
        count = t->waiter_count;
        t->waiters = NULL;
        t->waiter_count = t->waiter_capacity = 0;
    } else if (c->wanted != SL_PRODUCER_NONE && take_one_waiter(t, c->wanted)) {
        one = c->wanted;
    }
    pthread_mutex_unlock(&t->lock);
    sl_exchange__wake_producers(x, list, count, one);
}

/* ---- spill ---- */

static sl_code open_spill(sl_exchange *x, sl_error *err)
{
    sl_shuffle *s = x->config.shuffle;
    char name[80];
    if (x->spill != NULL)
        return SL_OK;
    snprintf(name, sizeof name, "shuffle-%016" PRIx64 "-%" PRId64 "-%u-%u", x->id.run,
             x->id.batch, x->id.attempt, x->id.stage);
    return sl_spill_open(s->host->fs, s->spill_dir, name, &x->spill, err);
}

static sl_code spill_frames(sl_exchange *x, uint32_t producer, sl_xtarget *t, frames *f,
                            sl_error *err)
{
    for (uint32_t i = 0; i < f->count; i++) {
        sl_xblock b = { .producer = producer, .from = producer, .rows = f->rows[i] };
        pthread_mutex_lock(&x->spill_lock);
        sl_code code = open_spill(x, err);
        if (code == SL_OK)
            code =
                sl_spill_append(x->spill, sl_bytes_span(&f->items[i]), &b.spilled, err);
        pthread_mutex_unlock(&x->spill_lock);
        if (code != SL_OK)
            return code;
        b.bytes = (int64_t)(f->items[i].size_bytes - SL_SHUFFLE_HEAD_BYTES);
        atomic_fetch_add(&x->spilled_blocks, 1);
        atomic_fetch_add(&x->spilled_bytes, (uint64_t)b.bytes);
        pthread_mutex_lock(&t->lock);
        b.number = t->arrivals++;
        pthread_mutex_lock(&x->out_lock);
        sl_exchange__flow_of(x, producer, t->peer)->pending++;
        x->pending_count++;
        pthread_mutex_unlock(&x->out_lock);
        sl_exchange__heap_push(t, b);
        pthread_mutex_unlock(&t->lock);
    }
    return SL_OK;
}

/* The first spilled block that may go now, with its credit taken. */
static bool take_pending(sl_exchange *x, uint32_t *ret_target, sl_xblock *ret)
{
    for (uint32_t i = 0; i < x->config.target_count; i++) {
        sl_xtarget *t = &x->targets[i];
        if (t->peer == SL_EXCHANGE_HERE)
            continue;
        pthread_mutex_lock(&t->lock);
        bool found =
            t->count > 0 && may_send(t, t->heap[0].from, (uint64_t)t->heap[0].bytes);
        if (found) {
            *ret = sl_exchange__heap_pop(t);
            reserve(t, ret->from, (uint64_t)ret->bytes);
        }
        pthread_mutex_unlock(&t->lock);
        *ret_target = i;
        if (found)
            return true;
    }
    return false;
}

static sl_code resend_one(sl_exchange *x, uint32_t target, const sl_xblock *b,
                          sl_error *err)
{
    sl_bytes frame = { 0 };
    pthread_mutex_lock(&x->spill_lock);
    sl_code code = sl_spill_read(x->spill, &b->spilled, &frame, err);
    pthread_mutex_unlock(&x->spill_lock);
    if (code != SL_OK) {
        sl_bytes_deinit(&frame);
        return code;
    }
    uint32_t peer = x->targets[target].peer;
    pthread_mutex_lock(&x->out_lock);
    sl_exchange__append_block(x, b->from, target, &frame, b->rows);
    sl_xflow *f = sl_exchange__flow_of(x, b->from, peer);
    x->pending_count--;
    if (--f->pending == 0 && f->ended)
        sl_exchange__append_end(x, b->from, peer);
    pthread_mutex_unlock(&x->out_lock);
    sl_exchange__send_now(x);
    return SL_OK;
}

/* Lane thread. */
static void run_resend(sl_job *job)
{
    sl_exchange *x = (sl_exchange *)((char *)job - offsetof(sl_exchange, resend_job));
    uint32_t target;
    sl_xblock b;
    x->resend_code = SL_OK;
    while (x->resend_code == SL_OK && !atomic_load(&x->aborted) &&
           take_pending(x, &target, &b))
        x->resend_code = resend_one(x, target, &b, &x->resend_error);
}

static void resend_pending(sl_exchange *x);

static void look_for_pending(void *user)
{
    resend_pending((sl_exchange *)user);
}

static void resend_done(sl_job *job)
{
    sl_exchange *x = (sl_exchange *)((char *)job - offsetof(sl_exchange, resend_job));
    x->resending = false;
    if (x->resend_code != SL_OK)
        sl_exchange__fail(x, &x->resend_error);
    else if (x->resend_again)
        resend_pending(x);
    sl_shuffle__settle(x);
}

/* Loop thread: credit may have come for spilled blocks. */
static void resend_pending(sl_exchange *x)
{
    pthread_mutex_lock(&x->out_lock);
    bool any = x->pending_count > 0;
    pthread_mutex_unlock(&x->out_lock);
    if (!any)
        return;
    x->resend_again = true;
    if (x->resending)
        return;
    x->resend_again = false;
    x->resending = true;
    x->resend_job = (sl_job){
        .name = "shuffle-resend", .run = run_resend, .done = resend_done, .owner = x
    };
    sl_host_submit(x->config.shuffle->host, x->config.shuffle->spill_lane,
                   &x->resend_job);
}

/* ---- pushing ---- */

static bool has_pending(sl_exchange *x, uint32_t producer, uint32_t peer)
{
    pthread_mutex_lock(&x->out_lock);
    bool pending = sl_exchange__flow_of(x, producer, peer)->pending > 0;
    pthread_mutex_unlock(&x->out_lock);
    return pending;
}

static bool may_spill(sl_exchange *x, const sl_xtarget *t)
{
    const sl_shuffle *s = x->config.shuffle;
    return x->config.ordered && s->spill_dir != NULL && t->credit.opened &&
           atomic_load(&x->spilled_bytes) < (uint64_t)s->spill_bytes_max;
}

enum way { WAY_SEND, WAY_SPILL, WAY_WAIT };

/* Blocks of a producer must keep their order, so behind a spilled one all are spilled. */
static enum way choose(sl_exchange *x, sl_xtarget *t, uint32_t producer, uint64_t bytes)
{
    bool behind = has_pending(x, producer, t->peer);
    pthread_mutex_lock(&t->lock);
    enum way way = WAY_WAIT;
    if (!behind && may_send(t, producer, bytes)) {
        reserve(t, producer, bytes);
        way = WAY_SEND;
    } else if (may_spill(x, t)) {
        way = WAY_SPILL;
    } else {
        sl_exchange__add_waiter(t, producer);
    }
    pthread_mutex_unlock(&t->lock);
    return way;
}

static void send_frames(sl_exchange *x, uint32_t producer, uint32_t target, frames *f)
{
    pthread_mutex_lock(&x->out_lock);
    for (uint32_t i = 0; i < f->count; i++)
        sl_exchange__append_block(x, producer, target, &f->items[i], f->rows[i]);
    bool is_full = x->out_bytes >= SL_SHUFFLE_PACK_BYTES_MAX;
    pthread_mutex_unlock(&x->out_lock);
    if (is_full)
        sl_exchange__send_now(x);
}

/* Credit comes for what has left; the window of a peer that was not asked is small. */
static void wait_for_credit(sl_exchange *x, uint32_t target)
{
    sl_xtarget *t = &x->targets[target];
    pthread_mutex_lock(&t->lock);
    bool opened = t->credit.opened;
    pthread_mutex_unlock(&t->lock);
    if (!opened) {
        pthread_mutex_lock(&x->out_lock);
        sl_exchange__ask(x, t->peer);
        pthread_mutex_unlock(&x->out_lock);
    }
    sl_exchange__send_now(x);
}

sl_code sl_exchange__push_remote(sl_exchange *x, uint32_t producer, uint32_t target,
                                 sl_chunk *chunk, sl_exchange_answer *ret_answer,
                                 sl_error *err)
{
    sl_xtarget *t = &x->targets[target];
    sl_xproducer *p = &x->producers[producer];
    uint64_t reserved = estimate(chunk);
    frames f = { 0 };
    if (atomic_load(&x->aborted)) {
        sl_code failure = sl_exchange__failure(x, err);
        return failure != SL_OK ? failure
                                : sl_fail(err, SL_ECANCELLED, "attempt %u was abandoned",
                                          x->config.attempt);
    }
    enum way way = choose(x, t, producer, reserved);
    if (way == WAY_WAIT) {
        atomic_fetch_add_explicit(&x->blocked_pushes, 1, memory_order_relaxed);
        *ret_answer = SL_EXCHANGE_BLOCKED;
        wait_for_credit(x, target);
        return SL_OK;
    }
    sl_code code = encode(chunk, &f, err);
    if (code == SL_OK && way == WAY_SPILL) {
        code = spill_frames(x, producer, t, &f, err);
        /* credit may have come while nothing was in the file yet */
        sl_host_post(x->config.shuffle->host, x, look_for_pending, x);
    }
    if (code == SL_OK && way == WAY_SEND) {
        send_frames(x, producer, target, &f);
        pthread_mutex_lock(&t->lock);
        t->credit.sent_bytes += f.bytes - reserved;
        wake_and_unlock(x, t); /* whom the estimate has kept out; no credit may follow */
    }
    frames_deinit(&f);
    SL_TRY(code);
    p->rows += chunk->selected;
    p->blocks++;
    atomic_fetch_add_explicit(&x->rows, chunk->selected, memory_order_relaxed);
    atomic_fetch_add_explicit(&x->blocks, 1, memory_order_relaxed);
    *ret_answer = SL_EXCHANGE_TAKEN;
    return SL_OK;
}

/* ---- credit arrives: loop thread ---- */

/* Ends that waited for this peer. */
static void send_ends(sl_exchange *x, uint32_t peer)
{
    pthread_mutex_lock(&x->out_lock);
    x->is_there[peer] = true;
    for (uint32_t i = 0; i < x->config.producer_count; i++) {
        sl_xflow *f = x->producers[i].flows;
        if (f == NULL || !f[peer].end_waits)
            continue;
        f[peer].end_waits = false;
        x->ends_waiting--;
        sl_exchange__append_end(x, i, peer);
    }
    pthread_mutex_unlock(&x->out_lock);
    sl_exchange__send_now(x);
}

void sl_exchange__on_open(sl_exchange *x, uint32_t peer, uint64_t window_bytes)
{
    send_ends(x, peer);
    for (uint32_t i = 0; i < x->config.target_count; i++) {
        sl_xtarget *t = &x->targets[i];
        if (t->peer != peer)
            continue;
        pthread_mutex_lock(&t->lock);
        t->credit.opened = true;
        t->credit.window_bytes = window_bytes;
        wake_and_unlock(x, t);
    }
}

void sl_exchange__on_credit(sl_exchange *x, uint32_t peer, const sl_shuffle_head *h)
{
    if (h->target >= x->config.target_count || x->targets[h->target].peer != peer)
        return;
    sl_xtarget *t = &x->targets[h->target];
    pthread_mutex_lock(&t->lock);
    if (h->kind == SL_SHUFFLE_WANT && h->producer < x->config.producer_count)
        t->credit.wanted = h->producer;
    else if (h->kind == SL_SHUFFLE_CREDIT && h->bytes > t->credit.consumed_bytes)
        t->credit.consumed_bytes = h->bytes;
    wake_and_unlock(x, t);
    resend_pending(x);
}
