/* zmq_packet_private.h - a packet as ZeroMQ message parts, and back.
 *
 *   [routing id, on a ROUTER] [head, then a body below SL_ZMQ_COPY_BYTES] [larger body]
 *
 * Thread: of the socket. */

#ifndef SL_TRANSPORT_ZMQ_PACKET_PRIVATE_H
#define SL_TRANSPORT_ZMQ_PACKET_PRIVATE_H

#include "transport/link.h"

#define SL_ZMQ_ID_BYTES_MAX (17u + SL_ADDRESS_BYTES_MAX)

/* id NULL on a DEALER. 0, or errno: EAGAIN full, EHOSTUNREACH nobody of this id. */
int sl_zmq__send(void *socket, const char *id, const uint8_t *head, sl_blob *body);

/* Whether a ROUTER's peer is connected, by sending it an empty message. */
bool sl_zmq__probe(void *router, const char *id);

typedef enum sl_zmq_got {
    SL_ZMQ_NOTHING, /* none is there */
    SL_ZMQ_PACKET,
    SL_ZMQ_EMPTY, /* a probe */
    SL_ZMQ_BAD,   /* a message of wrong shape; it is gone */
} sl_zmq_got;

typedef struct sl_zmq_packet {
    char id[SL_ZMQ_ID_BYTES_MAX + 1]; /* of a ROUTER's peer */
    uint8_t head[SL_LINK_HEAD_BYTES];
    sl_blob *body; /* yours; NULL none */
} sl_zmq_packet;

sl_zmq_got sl_zmq__receive(void *socket, bool is_router, sl_zmq_packet *ret);

/* "<16 hex>@<address>" */
void sl_zmq__make_id(uint64_t incarnation, const char *address, char *ret);
bool sl_zmq__read_id(const char *id, uint64_t *ret_incarnation, const char **ret_address);

#endif /* SL_TRANSPORT_ZMQ_PACKET_PRIVATE_H */
