/* channel.h - messages between machines, each delivered once and in order while both
 * live.
 *
 * On top of a port: sequence numbers, cumulative acks (carried by every packet, sent
 * alone after a pause or a MiB), resend after silence or a told gap, dedup by the
 * sender's incarnation.  A peer that comes back with a new incarnation starts a new
 * conversation: what was unacknowledged to the old one is dropped, and the owner is told
 * (on_peer). A dropped connection changes nothing here: the conversation goes on where it
 * was once there is another; the owner is told (on_link) because it may know better.
 *
 * Memory:  a window of unacknowledged bytes is on the wire per peer, the rest waits; over
 *          SL_CHANNEL_UNACKED_MAX sl_channel_send() fails with SL_EAGAIN and on_room says
 *          when half of it is gone.  Nothing is ever dropped silently.
 * Wire:    docs/formats/channel.md.
 * Thread:  loop thread.
 * Invariants:
 *   CH1  while both incarnations live, on_message gets each message once, in the order of
 *        sl_channel_send().
 *   CH2  after on_peer(incarnation) nothing of an earlier incarnation is delivered.
 *   CH3  bytes held for a peer never pass SL_CHANNEL_UNACKED_MAX. */

#ifndef SL_TRANSPORT_CHANNEL_H
#define SL_TRANSPORT_CHANNEL_H

#include "transport/link.h"

#define SL_CHANNEL_UNACKED_MAX (256 << 20) /* per peer */
#define SL_CHANNEL_WINDOW_MAX (16 << 20)   /* of those, on the wire */
#define SL_CHANNEL_PEERS_MAX 4096          /* then the longest silent one is forgotten */

typedef struct sl_channel sl_channel;

/* on_message is needed, the others may be NULL.  `from` and `frame` are borrowed during
 * the call; who keeps the frame takes a reference.  A callback must not free the
 * channel; everything else is allowed, dropping the peer too. */
typedef struct sl_channel_callbacks {
    void (*on_message)(void *user, const char *from, uint64_t incarnation,
                       sl_blob *frame);
    /* A peer was heard for the first time, or came back as another incarnation. */
    void (*on_peer)(void *user, const char *from, uint64_t incarnation);
    /* The connection to a peer that was heard dropped or stands again: a hint (suspect).
     */
    void (*on_link)(void *user, const char *peer, uint64_t incarnation, bool up);
    void (*on_room)(void *user, const char *to);
    void *user;
} sl_channel_callbacks;

/* incarnation: random per life of the machine, not 0. */
SL_CHECKED sl_code sl_channel_new(sl_host *host, sl_network *network, const char *address,
                                  uint64_t incarnation, sl_channel_callbacks callbacks,
                                  sl_channel **ret, sl_error *err);
void sl_channel_free(sl_channel *c);
const char *sl_channel_address(const sl_channel *c); /* as others dial it */

/* frame is one encoded message (proto/messages.h, shuffle/wire.h), at most
 * SL_FRAME_BYTES_MAX and a header; copied. */
SL_CHECKED sl_code sl_channel_send(sl_channel *c, const char *to, sl_span frame,
                                   sl_error *err);
/* The same; the bytes are taken, whatever it answers. */
SL_CHECKED sl_code sl_channel_send_bytes(sl_channel *c, const char *to, sl_bytes *frame,
                                         sl_error *err);
/* The same; the frame is shared, not copied. */
SL_CHECKED sl_code sl_channel_send_blob(sl_channel *c, const char *to, sl_blob *frame,
                                        sl_error *err);
/* Dial a peer and say who we are, without a message: it hears of us by on_peer. */
SL_CHECKED sl_code sl_channel_greet(sl_channel *c, const char *to, sl_error *err);
/* Forget a peer that is given up: what is unacknowledged is dropped and the connection
 * closed. If it is heard again it is a new peer. */
void sl_channel_drop_peer(sl_channel *c, const char *to);

/* The life of this peer that was heard last, 0 = none. */
uint64_t sl_channel_incarnation(const sl_channel *c, const char *of);
/* Time of the last packet from this peer, 0 = never. */
int64_t sl_channel_heard_us(const sl_channel *c, const char *from);
/* When this peer last took something of what waits for its ack, or since when the first
 * of it waits; now if nothing does. */
int64_t sl_channel_taken_us(const sl_channel *c, const char *to);
size_t sl_channel_unacked_bytes(const sl_channel *c, const char *to);

#endif /* SL_TRANSPORT_CHANNEL_H */
