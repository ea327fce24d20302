/* Go-back-N: a packet out of order is dropped and comes again.  Links keep order and lose
 * only with a connection, so buffering gaps would buy nothing.
 *
 *   packets of a peer:  [acked, gone] [first ... | next ...]     last
 *                                      in flight   waiting
 *
 * `next` moves right as packets are sent, back to `first` (rewind) after silence, a told
 * gap or a new connection.  The window of bytes in flight starts small after a rewind and
 * doubles with each ack, so that a slow peer is not buried in copies. */
#include "transport/channel.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"
#include "transport/channel_head_private.h"
#include "transport/metrics.h"

#define ACK_PAUSE_US 20000
#define ACK_BYTES (1u << 20) /* unacknowledged received bytes that are acked at once */
#define ACK_PACKETS 64u
#define RESEND_US 200000
#define RESEND_MAX_US 2000000
#define GAP_PAUSE_US 20000 /* a gap is told, and heeded, once in so long */
#define WINDOW_MIN_BYTES (64u << 10)
#define RETIRED_MAX 8u
#define BUCKETS 256u

typedef struct packet {
    struct packet *next;
    uint64_t sequence;
    sl_blob *body;
    uint32_t crc;
    bool in_flight, was_sent;
} packet;

typedef struct peer {
    struct peer *next; /* in its bucket */
    char *address;
    uint64_t incarnation;          /* 0 = not heard yet */
    uint64_t retired[RETIRED_MAX]; /* earlier lives: their late packets are dropped */
    uint32_t retired_count;
    int64_t heard_us;

    /* sending */
    packet *first, *last, *next_out;
    uint64_t send_sequence; /* of the last message given; the first is 1 */
    size_t unacked_bytes, in_flight_bytes, window_bytes;
    int64_t progress_us; /* of the last ack that moved, or since something is unacked */
    int64_t resend_us, rewound_us;
    int64_t taken_us; /* of the last ack that moved, or since the first packet waits */
    bool refused;     /* the link said SL_EAGAIN */
    bool wants_room;  /* sl_channel_send said it */
    bool greets;      /* until the peer is heard */

    /* receiving */
    uint64_t received; /* highest in order */
    uint64_t acked;    /* highest `received` told to the peer */
    size_t unacked_in;
    bool owes_ack;
    uint64_t gap_told_at; /* `received` when a gap was told */
    int64_t gap_told_us;
} peer;

struct sl_channel {
    sl_host *host;
    sl_port *port;
    uint64_t incarnation;
    sl_channel_callbacks callbacks;
    peer *buckets[BUCKETS];
    uint32_t peer_count;
    sl_timer_ref timer;
    int64_t timer_at_us;
};

/* ---- peers ---- */

static peer **bucket_of(sl_channel *c, const char *address)
{
    return &c->buckets[sl_hash64(address, strlen(address)) % BUCKETS];
}

static peer *find_peer(const sl_channel *c, const char *address)
{
    peer *p = *bucket_of((sl_channel *)c, address);
    while (p != NULL && strcmp(p->address, address) != 0)
        p = p->next;
    return p;
}

static void packet_free(packet *k)
{
    sl_blob_unref(k->body);
    sl_free(k);
}

static void drop_unacked(peer *p)
{
    while (p->first != NULL) {
        packet *k = p->first;
        p->first = k->next;
        packet_free(k);
    }
    p->last = p->next_out = NULL;
    p->unacked_bytes = p->in_flight_bytes = 0;
}

static void remove_peer(sl_channel *c, peer *p)
{
    peer **at = bucket_of(c, p->address);
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    c->peer_count--;
    drop_unacked(p);
    sl_port_forget(c->port, p->address);
    sl_free(p->address);
    sl_free(p);
}

/* The longest silent one that nothing is owed to. */
static void make_room_for_peer(sl_channel *c)
{
    peer *oldest = NULL;
    for (uint32_t b = 0; b < BUCKETS; b++)
        for (peer *p = c->buckets[b]; p != NULL; p = p->next)
            if (p->first == NULL && (oldest == NULL || p->heard_us < oldest->heard_us))
                oldest = p;
    if (oldest != NULL)
        remove_peer(c, oldest);
}

static peer *peer_of(sl_channel *c, const char *address)
{
    peer *p = find_peer(c, address);
    if (p != NULL)
        return p;
    if (c->peer_count >= SL_CHANNEL_PEERS_MAX)
        make_room_for_peer(c);
    p = (peer *)sl_calloc(1, sizeof *p);
    p->address = sl_strdup(address);
    p->window_bytes = SL_CHANNEL_WINDOW_MAX;
    p->resend_us = RESEND_US;
    p->gap_told_at = UINT64_MAX;
    peer **at = bucket_of(c, address);
    p->next = *at;
    *at = p;
    c->peer_count++;
    return p;
}

/* ---- sending ---- */

static void arm(sl_channel *c, int64_t at_us);

static sl_code put_on_link(sl_channel *c, peer *p, uint64_t sequence, uint16_t flags,
                           sl_blob *body, uint32_t body_crc, sl_error *err)
{
    sl_channel_head h = {
        .flags = flags,
        .sender = c->incarnation,
        .receiver = p->incarnation,
        .sequence = sequence,
        .ack = p->received,
        .body_bytes = body != NULL ? (uint32_t)body->size_bytes : 0,
        .body_crc = body_crc,
    };
    uint8_t head[SL_LINK_HEAD_BYTES];
    sl_channel__write_head(&h, head);
    sl_code code = sl_port_send(c->port, p->address, p->incarnation, head, body, err);
    if (code != SL_OK) {
        sl_transport_count(SL_TRANSPORT_REFUSED, 1);
        return code;
    }
    sl_transport_count(SL_TRANSPORT_PACKETS_OUT, 1);
    sl_transport_count(SL_TRANSPORT_BYTES_OUT, SL_LINK_HEAD_BYTES + h.body_bytes);
    p->acked = p->received; /* receiver and ack are as of now, also in a resend */
    p->unacked_in = 0;
    p->owes_ack = false;
    return SL_OK;
}

/* A refused ack is still owed, until the link has room or the peer, unacknowledged, sends
 * again. No timer: it would run for ever for a peer that is gone. */
static void send_ack(sl_channel *c, peer *p, uint16_t flags)
{
    if (p->greets && p->incarnation == 0)
        flags |= SL_CHANNEL_FLAG_GREETING;
    if (put_on_link(c, p, 0, flags, NULL, 0, NULL) != SL_OK)
        p->owes_ack = true;
}

static void rewind_to_first(peer *p, int64_t now_us)
{
    for (packet *k = p->first; k != p->next_out; k = k->next)
        k->in_flight = false;
    p->next_out = p->first;
    p->in_flight_bytes = 0;
    p->window_bytes = WINDOW_MIN_BYTES;
    p->rewound_us = now_us;
}

/* Send what the window and the link allow.  Codes other than SL_EAGAIN come from the
 * first packet to an address that cannot be. */
static sl_code pump(sl_channel *c, peer *p, sl_error *err)
{
    while (p->next_out != NULL && !p->refused) {
        packet *k = p->next_out;
        size_t bytes = SL_LINK_HEAD_BYTES + k->body->size_bytes;
        if (p->in_flight_bytes > 0 && p->in_flight_bytes + bytes > p->window_bytes)
            break;
        sl_code code = put_on_link(c, p, k->sequence, 0, k->body, k->crc, err);
        p->refused = code == SL_EAGAIN;
        if (code != SL_OK && code != SL_EAGAIN)
            return code;
        if (code == SL_EAGAIN)
            break;
        if (k->was_sent)
            sl_transport_count(SL_TRANSPORT_RESENT, 1);
        k->was_sent = k->in_flight = true;
        p->in_flight_bytes += bytes;
        p->next_out = k->next;
    }
    if (p->first != NULL)
        arm(c, p->progress_us + p->resend_us);
    return SL_OK;
}

/* Silence: the connection may have dropped, or the peer is gone or stopped. */
static void resend_if_due(sl_channel *c, peer *p, int64_t now_us)
{
    if (p->first == NULL)
        return;
    if (now_us - p->progress_us >= p->resend_us) {
        rewind_to_first(p, now_us);
        p->resend_us =
            p->resend_us * 2 > RESEND_MAX_US ? RESEND_MAX_US : p->resend_us * 2;
        p->refused = false; /* in case WRITABLE never came */
        p->progress_us = now_us;
    }
    (void)pump(c, p, NULL);
}

/* Acks that are due, packets to resend, and when to look again. */
static void on_timer(void *user)
{
    sl_channel *c = (sl_channel *)user;
    int64_t now_us = sl_host_mono_us(c->host);
    c->timer = (sl_timer_ref){ 0 };
    for (uint32_t b = 0; b < BUCKETS; b++)
        for (peer *p = c->buckets[b]; p != NULL; p = p->next) {
            bool greets = p->greets && p->incarnation == 0;
            if (greets)
                arm(c, now_us + RESEND_US);
            if (p->owes_ack || greets)
                send_ack(c, p, 0);
            resend_if_due(c, p, now_us);
        }
}

static void arm(sl_channel *c, int64_t at_us)
{
    if (c->timer.id != 0 && c->timer_at_us <= at_us)
        return;
    if (c->timer.id != 0)
        sl_host_timer_cancel(c->host, c->timer);
    c->timer_at_us = at_us;
    c->timer = sl_host_timer(c->host, c, at_us, on_timer, c);
}

/* ---- receiving ---- */

static void acknowledge(sl_channel *c, peer *p, uint64_t up_to)
{
    bool moved = false;
    while (p->first != NULL && p->first->sequence <= up_to) {
        packet *k = p->first;
        size_t bytes = SL_LINK_HEAD_BYTES + k->body->size_bytes;
        p->first = k->next;
        if (p->next_out == k)
            p->next_out = k->next; /* an ack for what an earlier pass had sent */
        if (k->in_flight)
            p->in_flight_bytes -= bytes;
        p->unacked_bytes -= bytes;
        packet_free(k);
        moved = true;
    }
    if (p->first == NULL)
        p->last = NULL;
    if (!moved)
        return;
    p->progress_us = p->taken_us = sl_host_mono_us(c->host);
    p->resend_us = RESEND_US;
    p->window_bytes = p->window_bytes * 2 > SL_CHANNEL_WINDOW_MAX ? SL_CHANNEL_WINDOW_MAX
                                                                  : p->window_bytes * 2;
}

static bool is_retired(const peer *p, uint64_t incarnation)
{
    for (uint32_t i = 0; i < p->retired_count; i++)
        if (p->retired[i] == incarnation)
            return true;
    return false;
}

static void retire(peer *p)
{
    if (p->retired_count == RETIRED_MAX) {
        memmove(p->retired, p->retired + 1, (RETIRED_MAX - 1) * sizeof *p->retired);
        p->retired_count--;
    }
    p->retired[p->retired_count++] = p->incarnation;
    drop_unacked(p);
    p->send_sequence = 0;
    p->refused = false;
}

/* The first packet of a life. What was given to send before anybody was heard is kept. */
static void meet(sl_channel *c, peer *p, uint64_t incarnation)
{
    if (p->incarnation != 0)
        retire(p);
    p->incarnation = incarnation;
    p->greets = false;
    p->received = p->acked = 0;
    p->unacked_in = 0;
    p->owes_ack = false;
    p->gap_told_at = UINT64_MAX;
    p->resend_us = RESEND_US;
    if (c->callbacks.on_peer != NULL)
        c->callbacks.on_peer(c->callbacks.user, p->address, incarnation);
}

/* The peer misses `ack` + 1 although later ones arrived. */
static void heed_gap(sl_channel *c, peer *p, uint64_t ack)
{
    int64_t now_us = sl_host_mono_us(c->host);
    if (p->first == NULL || p->first->sequence != ack + 1 || !p->first->in_flight ||
        now_us - p->rewound_us < GAP_PAUSE_US)
        return;
    rewind_to_first(p, now_us);
}

static void tell_gap(sl_channel *c, peer *p)
{
    if (p->gap_told_at == p->received && p->heard_us - p->gap_told_us < GAP_PAUSE_US)
        return;
    p->gap_told_at = p->received;
    p->gap_told_us = p->heard_us;
    send_ack(c, p, SL_CHANNEL_FLAG_GAP);
}

static void owe_ack(sl_channel *c, peer *p)
{
    p->owes_ack = true;
    arm(c, p->heard_us + ACK_PAUSE_US);
}

/* True: it is the next one, to be delivered. */
static bool accept_sequence(sl_channel *c, peer *p, uint64_t sequence, size_t bytes)
{
    if (sequence <= p->received) {
        sl_transport_count(SL_TRANSPORT_REPEATED, 1);
        owe_ack(c, p); /* the ack was lost: remind where we are */
        return false;
    }
    if (sequence != p->received + 1) {
        sl_transport_count(SL_TRANSPORT_OUT_OF_ORDER, 1);
        tell_gap(c, p);
        return false;
    }
    p->received = sequence;
    p->unacked_in += bytes;
    if (p->unacked_in >= ACK_BYTES || p->received - p->acked >= ACK_PACKETS)
        send_ack(c, p, 0);
    else
        owe_ack(c, p);
    return true;
}

/* What comes of the head alone; true: the body is the next message. */
static bool take_head(sl_channel *c, peer *p, const sl_channel_head *h)
{
    p->heard_us = sl_host_mono_us(c->host);
    if (p->incarnation != h->sender) {
        char *address = sl_strdup(p->address);
        meet(c, p, h->sender);
        p = find_peer(c, address); /* on_peer may have dropped it */
        sl_free(address);
        if (p == NULL)
            return false;
    }
    if (h->receiver != 0 && h->receiver != c->incarnation) {
        send_ack(c, p, 0); /* meant for an earlier life of ours: tell who we are */
        return false;
    }
    if (h->receiver != 0) {
        bool wanted = p->wants_room;
        acknowledge(c, p, h->ack);
        if ((h->flags & SL_CHANNEL_FLAG_GAP) != 0)
            heed_gap(c, p, h->ack);
        (void)pump(c, p, NULL);
        p->wants_room = wanted && p->unacked_bytes > SL_CHANNEL_UNACKED_MAX / 2;
        if (wanted && !p->wants_room && c->callbacks.on_room != NULL) {
            char *address = sl_strdup(p->address);
            c->callbacks.on_room(c->callbacks.user, address);
            p = find_peer(c, address);
            sl_free(address);
            if (p == NULL)
                return false;
        }
    }
    if ((h->flags & SL_CHANNEL_FLAG_GREETING) != 0)
        send_ack(c, p, 0);
    return h->sequence != 0 &&
           accept_sequence(c, p, h->sequence, SL_LINK_HEAD_BYTES + h->body_bytes);
}

static void on_packet(void *user, const char *from, uint64_t incarnation,
                      const uint8_t *head, sl_blob *body)
{
    sl_channel *c = (sl_channel *)user;
    sl_channel_head h;
    sl_span bytes = sl_blob_span(body);
    sl_transport_count(SL_TRANSPORT_PACKETS_IN, 1);
    sl_transport_count(SL_TRANSPORT_BYTES_IN,
                       (int64_t)(SL_LINK_HEAD_BYTES + bytes.size_bytes));
    if (!sl_channel__read_head(head, bytes, &h) ||
        (incarnation != 0 && incarnation != h.sender)) {
        sl_transport_count(SL_TRANSPORT_MALFORMED, 1);
        return; /* as lost: what was ours comes again */
    }
    peer *p = peer_of(c, from);
    if (is_retired(p, h.sender)) {
        sl_transport_count(SL_TRANSPORT_STALE, 1);
        return;
    }
    if (take_head(c, p, &h))
        c->callbacks.on_message(c->callbacks.user, from, h.sender, body);
}

static void on_link(void *user, const char *address, uint64_t incarnation,
                    sl_link_event event)
{
    sl_channel *c = (sl_channel *)user;
    peer *p = find_peer(c, address);
    if (p == NULL ||
        (incarnation != 0 && p->incarnation != 0 && incarnation != p->incarnation))
        return; /* news of another life */
    if (event != SL_LINK_DOWN) {
        p->refused = false;
        if (event == SL_LINK_UP)
            rewind_to_first(p, sl_host_mono_us(c->host)); /* what was under way is lost */
        (void)pump(c, p, NULL);
        if (p->owes_ack || p->greets)
            send_ack(c, p, 0);
    } else {
        p->owes_ack = false; /* who comes back sends again what was not acknowledged */
    }
    if (event != SL_LINK_WRITABLE && p->incarnation != 0 && c->callbacks.on_link != NULL)
        c->callbacks.on_link(c->callbacks.user, address, p->incarnation,
                             event == SL_LINK_UP);
}

/* ---- the owner's side ---- */

sl_code sl_channel_new(sl_host *host, sl_network *network, const char *address,
                       uint64_t incarnation, sl_channel_callbacks callbacks,
                       sl_channel **ret, sl_error *err)
{
    sl_channel *c = (sl_channel *)sl_calloc(1, sizeof *c);
    c->host = host;
    c->incarnation = incarnation != 0 ? incarnation : 1;
    c->callbacks = callbacks;
    sl_port_callbacks port = { on_packet, on_link, c };
    sl_code code =
        network->open(network, host, address, c->incarnation, port, &c->port, err);
    if (code != SL_OK) {
        sl_free(c);
        return code;
    }
    *ret = c;
    return SL_OK;
}

void sl_channel_free(sl_channel *c)
{
    if (c == NULL)
        return;
    sl_host_close_owner(c->host, c);
    sl_port_close(c->port);
    for (uint32_t b = 0; b < BUCKETS; b++)
        while (c->buckets[b] != NULL) {
            peer *p = c->buckets[b];
            c->buckets[b] = p->next;
            drop_unacked(p);
            sl_free(p->address);
            sl_free(p);
        }
    sl_free(c);
}

const char *sl_channel_address(const sl_channel *c)
{
    return c->port->address;
}

sl_code sl_channel_send_blob(sl_channel *c, const char *to, sl_blob *frame, sl_error *err)
{
    if (frame->size_bytes == 0 || frame->size_bytes > SL_FRAME_BYTES_MAX + 64u)
        return sl_fail(err, SL_ELIMIT, "a message of %zu bytes to %s; at most %u",
                       frame->size_bytes, to, SL_FRAME_BYTES_MAX);
    peer *p = peer_of(c, to);
    size_t bytes = SL_LINK_HEAD_BYTES + frame->size_bytes;
    if (p->unacked_bytes + bytes > SL_CHANNEL_UNACKED_MAX) {
        p->wants_room = true;
        return sl_fail(err, SL_EAGAIN, "%s has not acknowledged %zu bytes", to,
                       p->unacked_bytes);
    }
    packet *k = (packet *)sl_calloc(1, sizeof *k);
    k->body = sl_blob_ref(frame);
    k->crc = sl_crc32c(0, frame->data, frame->size_bytes);
    k->sequence = ++p->send_sequence;
    if (p->last != NULL) {
        p->last->next = k;
    } else {
        p->first = k;
        p->progress_us = p->taken_us = sl_host_mono_us(c->host);
    }
    p->last = k;
    if (p->next_out == NULL)
        p->next_out = k;
    p->unacked_bytes += bytes;
    sl_code code = pump(c, p, err);
    if (code != SL_OK)
        remove_peer(c, p); /* an address that can never be */
    return code;
}

sl_code sl_channel_send(sl_channel *c, const char *to, sl_span frame, sl_error *err)
{
    sl_blob *blob = sl_blob_copy(frame);
    sl_code code = sl_channel_send_blob(c, to, blob, err);
    sl_blob_unref(blob);
    return code;
}

sl_code sl_channel_send_bytes(sl_channel *c, const char *to, sl_bytes *frame,
                              sl_error *err)
{
    sl_blob *blob = sl_blob_take(frame);
    sl_code code = sl_channel_send_blob(c, to, blob, err);
    sl_blob_unref(blob);
    return code;
}

sl_code sl_channel_greet(sl_channel *c, const char *to, sl_error *err)
{
    peer *p = peer_of(c, to);
    p->greets = true;
    arm(c, sl_host_mono_us(c->host) + RESEND_US);
    sl_code code = put_on_link(c, p, 0, SL_CHANNEL_FLAG_GREETING, NULL, 0, err);
    if (code == SL_EAGAIN)
        return SL_OK; /* goes out when the connection stands */
    if (code != SL_OK)
        remove_peer(c, p);
    return code;
}

void sl_channel_drop_peer(sl_channel *c, const char *to)
{
    peer *p = find_peer(c, to);
    if (p != NULL)
        remove_peer(c, p);
}

uint64_t sl_channel_incarnation(const sl_channel *c, const char *of)
{
    const peer *p = find_peer(c, of);
    return p != NULL ? p->incarnation : 0;
}

int64_t sl_channel_heard_us(const sl_channel *c, const char *from)
{
    const peer *p = find_peer(c, from);
    return p != NULL ? p->heard_us : 0;
}

int64_t sl_channel_taken_us(const sl_channel *c, const char *to)
{
    const peer *p = find_peer(c, to);
    return p != NULL && p->first != NULL ? p->taken_us : sl_host_mono_us(c->host);
}

size_t sl_channel_unacked_bytes(const sl_channel *c, const char *to)
{
    const peer *p = find_peer(c, to);
    return p != NULL ? p->unacked_bytes : 0;
}
