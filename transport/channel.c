/* Go-back-N: a packet out of order is dropped and comes again by resend.  Links here keep
 * order and lose little, so buffering gaps would buy nothing. */
#include "transport/channel.h"

#include <string.h>

#include "base/alloc.h"

#define HEADER_BYTES 40u
#define ACK_PAUSE_US 20000
#define RESEND_US 200000
#define RETIRED_MAX 8u

static const uint8_t magic[4] = { 'S', 'L', 'C', '1' };

typedef struct packet {
    struct packet *next;
    uint64_t sequence;
    int64_t sent_us;
    sl_bytes bytes; /* header and frame */
} packet;

typedef struct peer {
    struct peer *next;
    char *address;
    uint64_t incarnation;          /* 0 = not heard yet */
    uint64_t retired[RETIRED_MAX]; /* earlier lives: their late packets are dropped */
    uint32_t retired_count;
    uint64_t send_sequence; /* of the last message sent; the first is 1 */
    uint64_t received;      /* highest in order */
    uint64_t acked_out;     /* highest `received` told to the peer */
    packet *first, *last;   /* unacknowledged */
    size_t unacked_bytes;
    int64_t heard_us;
} peer;

struct sl_channel {
    sl_host *host;
    sl_port *port;
    uint64_t incarnation;
    sl_channel_callbacks callbacks;
    peer *peers;
    sl_timer_ref timer;
    int64_t timer_at_us;
};

static void arm(sl_channel *c, int64_t at_us);

static void put_u64(uint8_t *at, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get_u64(const uint8_t *at)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | at[i];
    return v;
}

static peer *find_peer(const sl_channel *c, const char *address)
{
    for (peer *p = c->peers; p != NULL; p = p->next)
        if (strcmp(p->address, address) == 0)
            return p;
    return NULL;
}

static peer *peer_of(sl_channel *c, const char *address)
{
    peer *p = find_peer(c, address);
    if (p == NULL) {
        p = (peer *)sl_calloc(1, sizeof *p);
        p->address = sl_strdup(address);
        p->next = c->peers;
        c->peers = p;
    }
    return p;
}

static void drop_unacked(peer *p)
{
    while (p->first != NULL) {
        packet *k = p->first;
        p->first = k->next;
        sl_bytes_deinit(&k->bytes);
        sl_free(k);
    }
    p->last = NULL;
    p->unacked_bytes = 0;
}

/* Receiver and ack are as of now, also in a resend. */
static void fill_header(sl_channel *c, peer *p, uint8_t *at, uint64_t sequence)
{
    memcpy(at, magic, 4);
    memset(at + 4, 0, 4);
    put_u64(at + 8, c->incarnation);
    put_u64(at + 16, p->incarnation);
    put_u64(at + 24, sequence);
    put_u64(at + 32, p->received);
    p->acked_out = p->received;
}

static void send_ack(sl_channel *c, peer *p)
{
    uint8_t header[HEADER_BYTES];
    fill_header(c, p, header, 0);
    sl_port_send(c->port, p->address, sl_span_of(header, sizeof header));
}

static void transmit(sl_channel *c, peer *p, packet *k)
{
    fill_header(c, p, k->bytes.data, k->sequence);
    k->sent_us = sl_host_mono_us(c->host);
    sl_port_send(c->port, p->address, sl_bytes_span(&k->bytes));
}

/* Acks that are due, packets to resend, and when to look again. */
static void on_timer(void *user)
{
    sl_channel *c = (sl_channel *)user;
    int64_t now = sl_host_mono_us(c->host);
    c->timer = (sl_timer_ref){ 0 };
    for (peer *p = c->peers; p != NULL; p = p->next) {
        if (p->acked_out != p->received)
            send_ack(c, p);
        if (p->first == NULL)
            continue;
        if (now - p->first->sent_us >= RESEND_US)
            for (packet *k = p->first; k != NULL; k = k->next)
                transmit(c, p, k);
        arm(c, p->first->sent_us + RESEND_US);
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

static void acknowledge(peer *p, uint64_t up_to)
{
    while (p->first != NULL && p->first->sequence <= up_to) {
        packet *k = p->first;
        p->first = k->next;
        if (p->first == NULL)
            p->last = NULL;
        p->unacked_bytes -= k->bytes.size_bytes;
        sl_bytes_deinit(&k->bytes);
        sl_free(k);
    }
}

static bool is_retired(const peer *p, uint64_t incarnation)
{
    for (uint32_t i = 0; i < p->retired_count; i++)
        if (p->retired[i] == incarnation)
            return true;
    return false;
}

static void meet(sl_channel *c, peer *p, uint64_t incarnation)
{
    if (p->incarnation != 0) {
        if (p->retired_count == RETIRED_MAX) {
            memmove(p->retired, p->retired + 1, (RETIRED_MAX - 1) * sizeof *p->retired);
            p->retired_count--;
        }
        p->retired[p->retired_count++] = p->incarnation;
        drop_unacked(p);
        p->send_sequence = 0;
    }
    p->incarnation = incarnation;
    p->received = 0;
    p->acked_out = 0;
    if (c->callbacks.on_peer != NULL)
        c->callbacks.on_peer(c->callbacks.user, p->address, incarnation);
}

static void on_packet(void *user, const char *from, sl_span s)
{
    sl_channel *c = (sl_channel *)user;
    if (s.size_bytes < HEADER_BYTES || memcmp(s.data, magic, 4) != 0)
        return; /* noise; frames inside carry their own checksum */
    uint64_t sender = get_u64(s.data + 8), receiver = get_u64(s.data + 16);
    uint64_t sequence = get_u64(s.data + 24), ack = get_u64(s.data + 32);
    peer *p = peer_of(c, from);
    if (sender == 0 || is_retired(p, sender))
        return;
    p->heard_us = sl_host_mono_us(c->host);
    if (p->incarnation != sender)
        meet(c, p, sender);
    if (receiver != 0 && receiver != c->incarnation) {
        send_ack(c, p); /* meant for an earlier life of ours: tell who we are */
        return;
    }
    if (receiver != 0)
        acknowledge(p, ack);
    if (sequence == 0)
        return;
    if (sequence != p->received + 1) {
        arm(c, p->heard_us + ACK_PAUSE_US); /* old or out of order: remind where we are */
        p->acked_out = UINT64_MAX;
        return;
    }
    p->received = sequence;
    arm(c, p->heard_us + ACK_PAUSE_US);
    c->callbacks.on_message(
        c->callbacks.user, from, sender,
        sl_span_of(s.data + HEADER_BYTES, s.size_bytes - HEADER_BYTES));
}

sl_code sl_channel_new(sl_host *host, sl_network *network, const char *address,
                       uint64_t incarnation, sl_channel_callbacks callbacks,
                       sl_channel **ret, sl_error *err)
{
    sl_channel *c = (sl_channel *)sl_calloc(1, sizeof *c);
    c->host = host;
    c->incarnation = incarnation != 0 ? incarnation : 1;
    c->callbacks = callbacks;
    sl_code code = network->open(network, host, address, on_packet, c, &c->port, err);
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
    while (c->peers != NULL) {
        peer *p = c->peers;
        c->peers = p->next;
        drop_unacked(p);
        sl_free(p->address);
        sl_free(p);
    }
    sl_free(c);
}

sl_code sl_channel_send(sl_channel *c, const char *to, sl_span frame, sl_error *err)
{
    peer *p = peer_of(c, to);
    if (p->unacked_bytes + frame.size_bytes > SL_CHANNEL_UNACKED_MAX)
        return sl_fail(err, SL_EAGAIN, "%s has not acknowledged %zu bytes", to,
                       p->unacked_bytes);
    packet *k = (packet *)sl_calloc(1, sizeof *k);
    uint8_t header[HEADER_BYTES] = { 0 };
    sl_bytes_reserve(&k->bytes, HEADER_BYTES + frame.size_bytes);
    sl_bytes_append(&k->bytes, header, sizeof header);
    sl_bytes_append(&k->bytes, frame.data, frame.size_bytes);
    k->sequence = ++p->send_sequence;
    if (p->last != NULL)
        p->last->next = k;
    else
        p->first = k;
    p->last = k;
    p->unacked_bytes += k->bytes.size_bytes;
    transmit(c, p, k);
    arm(c, p->first->sent_us + RESEND_US);
    return SL_OK;
}

void sl_channel_drop_peer(sl_channel *c, const char *to)
{
    peer *p = find_peer(c, to);
    if (p != NULL)
        drop_unacked(p);
}

int64_t sl_channel_heard_us(const sl_channel *c, const char *from)
{
    const peer *p = find_peer(c, from);
    return p != NULL ? p->heard_us : 0;
}
