#include "shuffle/shuffle.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "shuffle/exchange_private.h"
#include "shuffle/metrics.h"

/* UINT32_MAX: none of its peers. */
static uint32_t find_peer(const sl_exchange *x, const char *address, uint64_t incarnation)
{
    for (uint32_t i = 0; i < x->config.peer_count; i++)
        if (x->peers[i].incarnation == incarnation &&
            strcmp(x->peers[i].address, address) == 0)
            return i;
    return UINT32_MAX;
}

/* ---- exchanges ---- */

static void drop_let_go(sl_shuffle *s, const sl_shuffle_id *newer, const uint64_t *run)
{
    for (sl_exchange *x = s->exchanges, *next; x != NULL; x = next) {
        next = x->next;
        if (x->let_go && ((newer != NULL && sl_shuffle__is_older(&x->id, newer)) ||
                          (run != NULL && x->id.run == *run)))
            sl_exchange__destroy(x);
    }
}

void sl_shuffle__remove(sl_shuffle *s, sl_exchange *x)
{
    sl_exchange **at = &s->exchanges;
    while (*at != NULL && *at != x)
        at = &(*at)->next;
    if (*at != NULL)
        *at = x->next;
}

void sl_shuffle__settle(sl_exchange *x)
{
    if (x->let_go && (atomic_load(&x->aborted) || sl_exchange__owes_nothing(x)))
        sl_exchange__destroy(x);
}

static sl_exchange *find_exchange(const sl_shuffle *s, const sl_shuffle_id *id)
{
    sl_exchange *x = s->exchanges;
    while (x != NULL && !sl_shuffle__same(&x->id, id))
        x = x->next;
    return x;
}

/* ---- what the channel says ---- */

static void deliver(sl_exchange *x, uint32_t peer, const sl_shuffle_head *h,
                    sl_blob *frame)
{
    switch (h->kind) {
    case SL_SHUFFLE_ASK:
        sl_exchange__announce(x, peer);
        break;
    case SL_SHUFFLE_OPEN:
        sl_exchange__on_open(x, peer, h->bytes);
        break;
    case SL_SHUFFLE_BLOCK:
        sl_exchange__on_block(x, peer, h, frame);
        break;
    case SL_SHUFFLE_END:
        sl_exchange__on_end(x, peer, h);
        break;
    case SL_SHUFFLE_CREDIT:
    case SL_SHUFFLE_WANT:
        sl_exchange__on_credit(x, peer, h);
        break;
    case SL_SHUFFLE_PACK: /* taken apart before */
        break;
    }
}

static void deliver_early(void *user, const char *from, uint64_t incarnation,
                          const sl_shuffle_head *h, sl_blob *frame)
{
    sl_exchange *x = (sl_exchange *)user;
    uint32_t peer = find_peer(x, from, incarnation);
    if (peer != UINT32_MAX)
        deliver(x, peer, h, frame);
    else
        sl_shuffle_count(SL_SHUFFLE_METRIC_STALE, 1);
}

void sl_shuffle__add(sl_shuffle *s, sl_exchange *x)
{
    sl_error err;
    drop_let_go(s, &x->id, NULL);
    x->next = s->exchanges;
    s->exchanges = x;
    if (sl_shuffle__early_take(s->early, &x->id, deliver_early, x))
        return;
    (void)sl_fail(&err, SL_ELOST, "too much came for batch %lld before its TASK",
                  (long long)x->id.batch);
    sl_exchange__fail(x, &err);
}

static bool is_of_a_producer(const sl_shuffle_head *h)
{
    return h->kind == SL_SHUFFLE_ASK || h->kind == SL_SHUFFLE_BLOCK ||
           h->kind == SL_SHUFFLE_END;
}

/* frame: only a block's is kept. */
static void take_frame(sl_shuffle *s, const char *from, uint64_t incarnation,
                       const sl_shuffle_head *h, sl_blob *frame)
{
    sl_exchange *x = find_exchange(s, &h->id);
    uint32_t peer = x != NULL ? find_peer(x, from, incarnation) : UINT32_MAX;
    if (peer != UINT32_MAX)
        deliver(x, peer, h, frame);
    else if (is_of_a_producer(h) &&
             (x != NULL ||
              !sl_shuffle__early_keep(s->early, from, incarnation, h,
                                      h->kind == SL_SHUFFLE_BLOCK ? frame : NULL)))
        /* credit for an exchange that has sent all and is gone is nothing strange */
        sl_shuffle_count(SL_SHUFFLE_METRIC_STALE, 1);
}

/* A block gets memory of its own, so that one that waits for long does not hold up that
 * of the others. */
static sl_code take_packed(sl_shuffle *s, const char *from, uint64_t incarnation,
                           sl_span bytes, sl_error *err)
{
    sl_shuffle_head h;
    SL_TRY(sl_shuffle__read_head(bytes, &h, err));
    if (h.kind == SL_SHUFFLE_PACK)
        return sl_fail(err, SL_ECORRUPT, "a pack within a pack of shuffle frames");
    sl_blob *frame = h.kind == SL_SHUFFLE_BLOCK ? sl_blob_copy(bytes) : NULL;
    take_frame(s, from, incarnation, &h, frame);
    sl_blob_unref(frame);
    return SL_OK;
}

static sl_code take_pack(sl_shuffle *s, const char *from, uint64_t incarnation,
                         const sl_shuffle_head *pack, sl_span bytes, sl_error *err)
{
    sl_reader payload = sl_reader_of(sl_span_of(
        bytes.data + SL_SHUFFLE_HEAD_BYTES, bytes.size_bytes - SL_SHUFFLE_HEAD_BYTES));
    sl_span frame;
    uint64_t count = 0;
    for (; sl_shuffle__next_packed(&payload, &frame); count++)
        SL_TRY(take_packed(s, from, incarnation, frame, err));
    if (count != pack->index || payload.at != payload.size_bytes)
        return sl_fail(err, SL_ECORRUPT,
                       "a pack says %llu shuffle frames, and %llu are whole",
                       (unsigned long long)pack->index, (unsigned long long)count);
    return SL_OK;
}

bool sl_shuffle_on_message(sl_shuffle *s, const char *from, uint64_t incarnation,
                           sl_blob *frame)
{
    sl_shuffle_head h;
    sl_error err;
    if (!sl_shuffle__is_frame(sl_blob_span(frame)))
        return false;
    sl_code code = sl_shuffle__read_head(sl_blob_span(frame), &h, &err);
    if (code == SL_OK && h.kind == SL_SHUFFLE_PACK)
        code = take_pack(s, from, incarnation, &h, sl_blob_span(frame), &err);
    else if (code == SL_OK)
        take_frame(s, from, incarnation, &h, frame);
    if (code != SL_OK) {
        log_debug("SHUFFLE-BAD-FRAME", "from %s: %s", from, err.text);
        sl_shuffle_count(SL_SHUFFLE_METRIC_MALFORMED, 1);
    }
    return true;
}

static void fail_with(sl_shuffle *s, const char *address, uint64_t lost, uint64_t living)
{
    for (sl_exchange *x = s->exchanges, *next; x != NULL; x = next) {
        next = x->next;
        for (uint32_t i = 0; i < x->config.peer_count; i++) {
            uint64_t life = x->peers[i].incarnation;
            if (strcmp(x->peers[i].address, address) != 0 ||
                (lost != 0 && life != lost) || (living != 0 && life == living))
                continue;
            sl_error err;
            (void)sl_fail(&err, SL_ELOST, "worker %s was lost during batch %lld", address,
                          (long long)x->id.batch);
            sl_exchange__fail(x, &err);
            sl_shuffle__settle(x);
            break;
        }
    }
    sl_shuffle__early_forget_peer(s->early, address, lost, living);
}

/* What was sent to it before it was heard went to the life before and is dropped. That
 * can only have been an ASK: all else waits until it is heard. */
static void ask_again(sl_shuffle *s, const char *address, uint64_t incarnation)
{
    for (sl_exchange *x = s->exchanges; x != NULL; x = x->next) {
        uint32_t peer = find_peer(x, address, incarnation);
        if (peer != UINT32_MAX && !atomic_load(&x->aborted))
            sl_exchange__ask_again(x, peer);
    }
}

void sl_shuffle_on_peer(sl_shuffle *s, const char *address, uint64_t incarnation)
{
    fail_with(s, address, 0, incarnation);
    ask_again(s, address, incarnation);
}

void sl_shuffle_on_peer_lost(sl_shuffle *s, const char *address, uint64_t incarnation)
{
    fail_with(s, address, incarnation, 0);
}

void sl_shuffle_on_room(sl_shuffle *s, const char *address)
{
    (void)address;
    for (sl_exchange *x = s->exchanges, *next; x != NULL; x = next) {
        next = x->next;
        sl_exchange__flush(x);
        sl_shuffle__settle(x);
    }
}

static bool still_sends(sl_exchange *x)
{
    for (uint32_t i = 0; i < x->config.producer_count; i++)
        if (x->producers[i].peer == SL_EXCHANGE_HERE &&
            !atomic_load(&x->producers[i].ended))
            return true;
    return !sl_exchange__owes_nothing(x);
}

/* The credit of its targets that is in use. */
static int64_t sent_in_flight(sl_exchange *x)
{
    int64_t bytes = 0;
    if (!still_sends(x))
        return 0;
    for (uint32_t i = 0; i < x->config.target_count; i++) {
        sl_xtarget *t = &x->targets[i];
        if (t->peer == SL_EXCHANGE_HERE)
            continue;
        pthread_mutex_lock(&t->lock);
        if (t->credit.sent_bytes > t->credit.consumed_bytes)
            bytes += (int64_t)(t->credit.sent_bytes - t->credit.consumed_bytes);
        pthread_mutex_unlock(&t->lock);
    }
    return bytes;
}

void sl_shuffle_in_flight(const sl_shuffle *s, sl_shuffle_flight *ret)
{
    *ret = (sl_shuffle_flight){ 0 };
    for (sl_exchange *x = s->exchanges; x != NULL; x = x->next) {
        if (atomic_load(&x->aborted))
            continue;
        ret->sent_bytes += sent_in_flight(x);
        ret->received_bytes += atomic_load(&x->received_queued);
    }
}

void sl_shuffle_forget_run(sl_shuffle *s, uint64_t run)
{
    drop_let_go(s, NULL, &run);
    sl_shuffle__early_forget_run(s->early, run);
}

/* ---- life ---- */

sl_shuffle *sl_shuffle_new(const sl_shuffle_config *config)
{
    sl_shuffle *s = sl_calloc(1, sizeof *s);
    s->host = config->host;
    s->channel = config->channel;
    s->early = sl_shuffle__early_new();
    s->spill_dir = config->spill_dir != NULL ? sl_strdup(config->spill_dir) : NULL;
    s->spill_bytes_max =
        config->spill_bytes_max > 0 ? config->spill_bytes_max : SL_SHUFFLE_SPILL_BYTES;
    s->spill_lane = sl_host_lane(s->host, "shuffle-spill");
    return s;
}

void sl_shuffle_free(sl_shuffle *s)
{
    if (s == NULL)
        return;
    while (s->exchanges != NULL) {
        SL_ASSERT(s->exchanges->let_go);
        sl_exchange__destroy(s->exchanges);
    }
    sl_shuffle__early_free(s->early);
    sl_free(s->spill_dir);
    sl_free(s);
}
