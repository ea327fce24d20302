/* What comes from producers of other processes.
 *
 * A block is queued as the frame that came and decoded by the task that pulls it.  What
 * does not fit together fails the attempt with SL_ELOST: the driver tries it again.
 * Numbers of a frame are not trusted before they were compared with the exchange. */

#include <inttypes.h>

#include "base/assert.h"
#include "shuffle/exchange_private.h"

static void fail_stream(sl_exchange *x, uint32_t peer, const sl_shuffle_head *h,
                        const char *what)
{
    sl_error err;
    const sl_xproducer *p = &x->producers[h->producer];
    (void)sl_fail(
        &err, SL_ELOST,
        "what %s sent of task %u of stage %u is not whole (%s): it says %" PRIu64
        " blocks, %" PRIu64 " rows, %" PRIu64 " bytes; %" PRIu64 " blocks, %" PRIu64
        " rows, %" PRIu64 " bytes came before it",
        x->peers[peer].address, p->name.task, p->name.stage, what, h->index, h->rows,
        h->bytes, p->blocks, p->rows, p->bytes);
    sl_exchange__fail(x, &err);
}

/* Producers are of the peer that speaks for them, and have not ended. */
static bool is_speaker(const sl_exchange *x, uint32_t peer, const sl_shuffle_head *h)
{
    return h->producer < x->config.producer_count &&
           x->producers[h->producer].peer == peer;
}

static void raise_peak(sl_exchange *x, int64_t bytes)
{
    int64_t now = atomic_fetch_add(&x->received_queued, bytes) + bytes;
    if (now > atomic_load(&x->received_queued_peak))
        atomic_store(&x->received_queued_peak, now); /* only the loop thread raises it */
}

void sl_exchange__on_block(sl_exchange *x, uint32_t peer, const sl_shuffle_head *h,
                           sl_blob *frame)
{
    if (!is_speaker(x, peer, h) || h->target >= x->config.target_count ||
        x->targets[h->target].peer != SL_EXCHANGE_HERE || atomic_load(&x->aborted))
        return;
    sl_xproducer *p = &x->producers[h->producer];
    if (h->index != p->blocks || atomic_load(&p->ended)) {
        fail_stream(x, peer, h, "a block is missing");
        return;
    }
    p->blocks++;
    p->rows += h->rows;
    p->bytes += h->bytes;
    atomic_fetch_add(&x->received_blocks, 1);
    atomic_fetch_add(&x->received_bytes, h->bytes);
    raise_peak(x, (int64_t)h->bytes);
    sl_xtarget *t = &x->targets[h->target];
    pthread_mutex_lock(&t->lock);
    t->senders[peer].queued_bytes += (int64_t)h->bytes;
    sl_exchange__heap_push(t,
                           (sl_xblock){ .producer = x->config.ordered ? h->producer : 0,
                                        .number = t->arrivals++,
                                        .bytes = (int64_t)h->bytes,
                                        .frame = sl_blob_ref(frame),
                                        .from = peer,
                                        .rows = h->rows });
    if (t->want_producer == h->producer)
        t->want_producer = SL_PRODUCER_NONE; /* its next one may be wanted too */
    bool wake = sl_exchange__take_waiting(x, t);
    uint32_t tell_peer;
    sl_shuffle_head tell;
    /* Still waiting: what came has used credit that the block it waits for may need. */
    bool tells = t->waiting && sl_exchange__wants(x, h->target, &tell_peer, &tell);
    pthread_mutex_unlock(&t->lock);
    if (wake)
        sl_exchange__wake_target(x, h->target);
    if (tells)
        sl_exchange__send_small(x, tell_peer, tell);
}

void sl_exchange__on_end(sl_exchange *x, uint32_t peer, const sl_shuffle_head *h)
{
    if (!is_speaker(x, peer, h) || atomic_load(&x->aborted))
        return;
    sl_xproducer *p = &x->producers[h->producer];
    if (atomic_load(&p->ended) || h->index != p->blocks || h->rows != p->rows ||
        h->bytes != p->bytes) {
        fail_stream(x, peer, h, "its end");
        return;
    }
    sl_exchange__end_producer(x, h->producer);
}

void sl_exchange__announce(sl_exchange *x, uint32_t peer)
{
    sl_exchange__send_small(
        x, peer,
        (sl_shuffle_head){ .kind = SL_SHUFFLE_OPEN, .bytes = (uint64_t)x->window_bytes });
}

sl_code sl_exchange__decode(sl_exchange *x, const sl_xblock *b, sl_chunk **ret,
                            sl_error *err)
{
    sl_span payload = { b->frame->data + SL_SHUFFLE_HEAD_BYTES,
                        b->frame->size_bytes - SL_SHUFFLE_HEAD_BYTES };
    sl_error why;
    sl_chunk *c;
    sl_code code = sl_chunk_read(payload, x->config.schema, x->config.budget, &c, &why);
    if (code == SL_OK && c->selected != b->rows) {
        sl_chunk_unref(c);
        code = sl_fail(&why, SL_ECORRUPT, "%" PRIu64 " rows were promised", b->rows);
    }
    if (code == SL_ECORRUPT) /* on its way: the next attempt gets it anew */
        return sl_fail(err, SL_ELOST, "a block from %s is damaged: %s",
                       x->peers[b->from].address, why.text);
    if (code != SL_OK) {
        if (err != NULL)
            *err = why;
        return code;
    }
    *ret = c;
    return SL_OK;
}

/* Told by the quarter of the window: most batches never use that much, and a message for
 * each block would wake two threads of a process that does not wait for it. */
bool sl_exchange__consume(sl_exchange *x, uint32_t target, const sl_xblock *b,
                          sl_shuffle_head *ret)
{
    sl_xsender *s = &x->targets[target].senders[b->from];
    s->queued_bytes -= b->bytes;
    s->consumed_bytes += (uint64_t)b->bytes;
    atomic_fetch_sub(&x->received_queued, b->bytes);
    if (s->consumed_bytes - s->told_bytes <
        (uint64_t)x->window_bytes / SL_CREDIT_TOLD_PART)
        return false;
    s->told_bytes = s->consumed_bytes;
    *ret = (sl_shuffle_head){ .kind = SL_SHUFFLE_CREDIT,
                              .target = target,
                              .bytes = s->consumed_bytes };
    return true;
}

/* Ordered: the target waits for a producer whose peer has used its credit on later ones.
 * Without this the two would wait for each other. */
bool sl_exchange__wants(sl_exchange *x, uint32_t target, uint32_t *ret_peer,
                        sl_shuffle_head *ret)
{
    sl_xtarget *t = &x->targets[target];
    if (!x->config.ordered || t->cursor >= x->config.producer_count)
        return false;
    uint32_t peer = x->producers[t->cursor].peer;
    if (peer == SL_EXCHANGE_HERE || t->senders[peer].queued_bytes == 0 ||
        t->want_producer == t->cursor)
        return false;
    t->want_producer = t->cursor;
    *ret_peer = peer;
    *ret = (sl_shuffle_head){ .kind = SL_SHUFFLE_WANT,
                              .producer = t->cursor,
                              .target = target };
    return true;
}
