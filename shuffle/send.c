/* What leaves for targets of other processes.
 *
 *   push --credit--> encode -----------> out list --sl_exchange__flush--> one message
 *          \-ordered, no credit--> spill file --credit: lane--^
 *
 * Messages cost more than their bytes: each wakes two threads at either end, which run on
 * the processors that have the work.  So what there is for a peer leaves as one (pack),
 * once it fills one, or nothing can follow it: a producer ended, or waits for credit.
 *
 * Credit is bytes: a target says how many a peer may have in flight to it and what it has
 * consumed.  Little may be in flight to a target without asking (START), so that a small
 * batch needs no round trip; a sender that has more asks the peer to open its window.  A
 * block that is larger than all credit passes when little is in flight, so nobody
 * starves.  Bytes are reserved by estimate before a chunk is encoded, outside of any
 * lock, and corrected after it. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
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

/* ---- the out list ---- */

static void flush_later(void *user)
{
    sl_exchange *x = (sl_exchange *)user;
    sl_exchange__flush(x);
    sl_shuffle__settle(x);
}

/* out_lock held; it leaves with sl_exchange__send_now(). */
static void append(sl_exchange *x, uint32_t peer, sl_bytes *frame)
{
    sl_xoutgoing *o = sl_calloc(1, sizeof *o);
    o->peer = peer;
    x->out_bytes += frame->size_bytes;
    o->frame = sl_blob_take(frame);
    *x->out_last = o;
    x->out_last = &o->next;
}

void sl_exchange__send_now(sl_exchange *x)
{
    pthread_mutex_lock(&x->out_lock);
    bool post = x->out_first != NULL && !x->out_posted;
    x->out_posted = x->out_posted || post;
    pthread_mutex_unlock(&x->out_lock);
    if (post)
        sl_host_post(x->config.shuffle->host, x, flush_later, x);
}

void sl_exchange_send(sl_exchange *x)
{
    if (x->config.shuffle != NULL)
        sl_exchange__send_now(x);
}

void sl_exchange__send_small(sl_exchange *x, uint32_t peer, sl_shuffle_head head)
{
    sl_bytes frame = { 0 };
    uint8_t bytes[SL_SHUFFLE_HEAD_BYTES];
    head.id = x->id;
    sl_shuffle__write_head(&head, bytes);
    sl_bytes_append(&frame, bytes, sizeof bytes);
    pthread_mutex_lock(&x->out_lock);
    append(x, peer, &frame);
    pthread_mutex_unlock(&x->out_lock);
    sl_exchange__send_now(x);
}

static sl_xflow *flow_of(sl_exchange *x, uint32_t producer, uint32_t peer)
{
    sl_xproducer *p = &x->producers[producer];
    if (p->flows == NULL)
        p->flows = sl_calloc(x->config.peer_count, sizeof *p->flows);
    return &p->flows[peer];
}

/* out_lock held: a block gets its number when it is put in line. */
static void append_block(sl_exchange *x, uint32_t producer, uint32_t target,
                         sl_bytes *frame, uint64_t rows)
{
    uint32_t peer = x->targets[target].peer;
    sl_xflow *f = flow_of(x, producer, peer);
    uint64_t bytes = frame->size_bytes - SL_SHUFFLE_HEAD_BYTES;
    sl_shuffle_head h = { .kind = SL_SHUFFLE_BLOCK,
                          .id = x->id,
                          .producer = producer,
                          .target = target,
                          .index = f->blocks++,
                          .rows = rows,
                          .bytes = bytes };
    f->rows += rows;
    f->bytes += bytes;
    sl_shuffle__write_head(&h, frame->data);
    atomic_fetch_add_explicit(&x->sent_blocks, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&x->sent_bytes, bytes, memory_order_relaxed);
    append(x, peer, frame);
}

/* out_lock held. */
static void append_end(sl_exchange *x, uint32_t producer, uint32_t peer)
{
    const sl_xflow *f = flow_of(x, producer, peer);
    sl_bytes frame = { 0 };
    uint8_t bytes[SL_SHUFFLE_HEAD_BYTES];
    sl_shuffle_head h = { .kind = SL_SHUFFLE_END,
                          .id = x->id,
                          .producer = producer,
                          .index = f->blocks,
                          .rows = f->rows,
                          .bytes = f->bytes };
    sl_shuffle__write_head(&h, bytes);
    sl_bytes_append(&frame, bytes, sizeof bytes);
    append(x, peer, &frame);
}

static void append_ask(sl_exchange *x, uint32_t peer)
{
    sl_bytes frame = { 0 };
    uint8_t bytes[SL_SHUFFLE_HEAD_BYTES];
    sl_shuffle_head h = { .kind = SL_SHUFFLE_ASK, .id = x->id };
    sl_shuffle__write_head(&h, bytes);
    sl_bytes_append(&frame, bytes, sizeof bytes);
    append(x, peer, &frame);
}

/* out_lock held: once, for a window, or to hear of a peer that was not heard yet. */
static void ask(sl_exchange *x, uint32_t peer)
{
    if (!x->asked[peer])
        append_ask(x, peer);
    x->asked[peer] = true;
}

void sl_exchange__ask_again(sl_exchange *x, uint32_t peer)
{
    pthread_mutex_lock(&x->out_lock);
    if (x->asked[peer])
        append_ask(x, peer);
    pthread_mutex_unlock(&x->out_lock);
    sl_exchange__send_now(x);
}

/* What is sent to a peer before it is heard may reach its life before. */
void sl_exchange__end_remote(sl_exchange *x, uint32_t producer)
{
    for (uint32_t peer = 0; peer < x->config.peer_count; peer++) {
        if (!x->takes[peer])
            continue;
        pthread_mutex_lock(&x->out_lock);
        sl_xflow *f = flow_of(x, producer, peer);
        f->ended = true;
        if (!x->is_there[peer]) {
            ask(x, peer);
            f->end_waits = true;
            x->ends_waiting++;
        } else if (f->pending == 0) {
            append_end(x, producer, peer);
        }
        pthread_mutex_unlock(&x->out_lock);
    }
    sl_exchange__send_now(x);
}

static sl_xoutgoing *take_outgoing(sl_exchange *x)
{
    pthread_mutex_lock(&x->out_lock);
    sl_xoutgoing *list = x->out_first;
    x->out_first = NULL;
    x->out_last = &x->out_first;
    x->out_bytes = 0;
    x->out_posted = false;
    pthread_mutex_unlock(&x->out_lock);
    return list;
}

static void put_back(sl_exchange *x, sl_xoutgoing *list)
{
    sl_xoutgoing **end = &list;
    if (list == NULL)
        return;
    pthread_mutex_lock(&x->out_lock);
    while (*end != NULL)
        end = &(*end)->next;
    *end = x->out_first;
    if (x->out_first == NULL)
        x->out_last = end;
    x->out_first = list;
    pthread_mutex_unlock(&x->out_lock);
}

static void outgoing_free(sl_xoutgoing *o)
{
    sl_blob_unref(o->frame);
    sl_free(o);
}

/* The first frame of the list, with what follows for the same peer as far as it goes into
 * a pack; the order of each peer's frames is kept. */
static sl_xoutgoing *take_for_a_peer(sl_xoutgoing **list, size_t *ret_bytes)
{
    sl_xoutgoing *first = *list, *last = first, **at;
    uint32_t peer = first->peer;
    *ret_bytes = first->frame->size_bytes;
    *list = first->next;
    for (at = list; *at != NULL;) {
        sl_xoutgoing *o = *at;
        if (o->peer != peer) {
            at = &o->next;
            continue;
        }
        if (*ret_bytes + o->frame->size_bytes > SL_SHUFFLE_PACK_BYTES_MAX)
            break;
        *ret_bytes += o->frame->size_bytes;
        *at = o->next;
        last->next = o;
        last = o;
    }
    last->next = NULL;
    return first;
}

/* One message for many small ones: each wakes two threads at either end. */
static sl_blob *pack(const sl_exchange *x, const sl_xoutgoing *first, size_t bytes)
{
    sl_bytes b = { 0 };
    uint8_t head[SL_SHUFFLE_HEAD_BYTES];
    sl_shuffle_head h = { .kind = SL_SHUFFLE_PACK, .id = x->id, .bytes = bytes };
    if (first->next == NULL)
        return sl_blob_ref(first->frame);
    for (const sl_xoutgoing *o = first; o != NULL; o = o->next)
        h.index++;
    sl_shuffle__write_head(&h, head);
    sl_bytes_reserve(&b, sizeof head + bytes);
    sl_bytes_append(&b, head, sizeof head);
    for (const sl_xoutgoing *o = first; o != NULL; o = o->next)
        sl_bytes_append(&b, o->frame->data, o->frame->size_bytes);
    return sl_blob_take(&b);
}

static void free_all(sl_xoutgoing *o)
{
    for (sl_xoutgoing *next; o != NULL; o = next) {
        next = o->next;
        outgoing_free(o);
    }
}

void sl_exchange__drop_outgoing(sl_exchange *x)
{
    free_all(take_outgoing(x));
}

static sl_code send_to_a_peer(sl_exchange *x, const sl_xoutgoing *first, size_t bytes,
                              sl_error *err)
{
    sl_blob *frame = pack(x, first, bytes);
    sl_code code = sl_channel_send_blob(x->config.shuffle->channel,
                                        x->peers[first->peer].address, frame, err);
    sl_blob_unref(frame);
    if (code != SL_OK && code != SL_EAGAIN)
        sl_error_prefix(err, "sending to %s", x->peers[first->peer].address);
    return code;
}

/* A peer whose channel is full holds up the rest of this exchange's frames, but not for
 * long: on_room flushes again, and credit bounds what waits. */
void sl_exchange__flush(sl_exchange *x)
{
    sl_xoutgoing *list = take_outgoing(x);
    while (list != NULL) {
        sl_error err;
        size_t bytes;
        sl_xoutgoing *some = take_for_a_peer(&list, &bytes);
        sl_code code = send_to_a_peer(x, some, bytes, &err);
        if (code == SL_OK) {
            free_all(some);
            continue;
        }
        put_back(x, list);
        put_back(x, some); /* in front */
        if (code == SL_EAGAIN)
            return;
        sl_exchange__fail(x, &err);
        sl_exchange__drop_outgoing(x);
        return;
    }
}

bool sl_exchange__owes_nothing(sl_exchange *x)
{
    pthread_mutex_lock(&x->out_lock);
    bool nothing = x->out_first == NULL && x->pending_count == 0 && x->ends_waiting == 0;
    pthread_mutex_unlock(&x->out_lock);
    return nothing && !x->resending;
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
        flow_of(x, producer, t->peer)->pending++;
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
    append_block(x, b->from, target, &frame, b->rows);
    sl_xflow *f = flow_of(x, b->from, peer);
    x->pending_count--;
    if (--f->pending == 0 && f->ended)
        append_end(x, b->from, peer);
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
    bool pending = flow_of(x, producer, peer)->pending > 0;
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
        append_block(x, producer, target, &f->items[i], f->rows[i]);
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
        ask(x, t->peer);
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
        append_end(x, i, peer);
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
