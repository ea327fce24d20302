/* channel_head_private.h - the 48 bytes before each message on a link
 * (docs/formats/channel.md).
 *
 *   OFFSET SIZE MEANING
 *   0      4    magic "SLC2"
 *   4      2    flags: 1 gap, 2 greeting
 *   6      2    zero
 *   8      8    incarnation of the sender
 *   16     8    incarnation of the receiver, 0 = not known yet
 *   24     8    sequence of the message, from 1; 0 = no message, no body
 *   32     8    ack: highest sequence received in order from the receiver
 *   40     4    body bytes
 *   44     4    CRC-32C of the body followed by bytes 0-43 */

#ifndef SL_TRANSPORT_CHANNEL_HEAD_PRIVATE_H
#define SL_TRANSPORT_CHANNEL_HEAD_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "transport/link.h"

#define SL_CHANNEL_FLAG_GAP 1u /* the message after `ack` is missing: send again */
#define SL_CHANNEL_FLAG_GREETING                                                         \
    2u /* answer with an ack, so that both know each other                               \
        */

typedef struct sl_channel_head {
    uint16_t flags;
    uint64_t sender, receiver, sequence, ack;
    uint32_t body_bytes;
    uint32_t body_crc;
} sl_channel_head;

void sl_channel__write_head(const sl_channel_head *h, uint8_t ret[SL_LINK_HEAD_BYTES]);
/* False: no packet of ours, or not as it was sent. */
bool sl_channel__read_head(const uint8_t head[SL_LINK_HEAD_BYTES], sl_span body,
                           sl_channel_head *ret);

#endif /* SL_TRANSPORT_CHANNEL_HEAD_PRIVATE_H */
