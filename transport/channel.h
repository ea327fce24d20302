/* channel.h - messages between two machines, each delivered once and in order while both
 * live.
 *
 * On top of a port: sequence numbers, cumulative acks (carried by every message, sent
 * alone after a pause), resend after silence, and dedup by the sender's incarnation.  A
 * peer that comes back with a new incarnation starts a new conversation: what was
 * unacknowledged to the old one is dropped, and the owner is told (on_peer).
 *
 * Shape:   a channel wire packet = 40-byte header (docs/formats/channel.md) + one message
 * frame, or none. Owns:    copies of unacknowledged messages, at most
 * SL_CHANNEL_UNACKED_MAX bytes per peer: past that sl_channel_send fails with SL_EAGAIN.
 * Thread:  loop thread. */

#ifndef SL_TRANSPORT_CHANNEL_H
#define SL_TRANSPORT_CHANNEL_H

#include "transport/link.h"

#define SL_CHANNEL_UNACKED_MAX (256 << 20)

typedef struct sl_channel sl_channel;

typedef struct sl_channel_callbacks {
    void (*on_message)(void *user, const char *from, uint64_t incarnation, sl_span frame);
    /* A peer was seen for the first time, or came back as another incarnation. */
    void (*on_peer)(void *user, const char *from, uint64_t incarnation);
    void *user;
} sl_channel_callbacks;

SL_CHECKED sl_code sl_channel_new(sl_host *host, sl_network *network, const char *address,
                                  uint64_t incarnation, sl_channel_callbacks callbacks,
                                  sl_channel **ret, sl_error *err);
void sl_channel_free(sl_channel *c);
/* frame is one encoded message (proto/messages.h). */
SL_CHECKED sl_code sl_channel_send(sl_channel *c, const char *to, sl_span frame,
                                   sl_error *err);
/* Forget a peer that is given up: nothing more is resent to it. */
void sl_channel_drop_peer(sl_channel *c, const char *to);
/* Time of the last packet from this peer, 0 = never. */
int64_t sl_channel_heard_us(const sl_channel *c, const char *from);

#endif /* SL_TRANSPORT_CHANNEL_H */
