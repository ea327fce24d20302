/* What an exchange says to its peers, in line until it leaves.
 *
 *   blocks, ends, credit, ... --append--> out list --flush: loop thread--> one message
 *
 * Messages cost more than their bytes: each wakes two threads at either end, which run on
 * the processors that have the work.  So what there is for a peer leaves as one (pack),
 * once it fills one, or nothing can follow it: a producer ended, or waits for credit. */

#include "base/alloc.h"
#include "shuffle/exchange_private.h"

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

sl_xflow *sl_exchange__flow_of(sl_exchange *x, uint32_t producer, uint32_t peer)
{
    sl_xproducer *p = &x->producers[producer];
    if (p->flows == NULL)
        p->flows = sl_calloc(x->config.peer_count, sizeof *p->flows);
    return &p->flows[peer];
}

void sl_exchange__append_block(sl_exchange *x, uint32_t producer, uint32_t target,
                               sl_bytes *frame, uint64_t rows)
{
    uint32_t peer = x->targets[target].peer;
    sl_xflow *f = sl_exchange__flow_of(x, producer, peer);
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
void sl_exchange__append_end(sl_exchange *x, uint32_t producer, uint32_t peer)
{
    const sl_xflow *f = sl_exchange__flow_of(x, producer, peer);
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

void sl_exchange__ask(sl_exchange *x, uint32_t peer)
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
        sl_xflow *f = sl_exchange__flow_of(x, producer, peer);
        f->ended = true;
        if (!x->is_there[peer]) {
            sl_exchange__ask(x, peer);
            f->end_waits = true;
            x->ends_waiting++;
        } else if (f->pending == 0) {
            sl_exchange__append_end(x, producer, peer);
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
