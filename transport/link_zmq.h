/* link_zmq.h - ports over ZeroMQ: ipc on one host, tcp between hosts.
 *
 *   address given            what it is
 *   tcp://127.0.0.1:7077     bound; [::1] and localhost too; port 0: any free one
 *   ipc:///dir/name          bound; at most 107 bytes of path; a stale file of a dead
 *                            process is replaced, a living one or another file is not
 *   anything else            a name: never bound, others can only answer
 *
 * A port that is bound has one ROUTER; it dials each address it sends to with a DEALER,
 * unless that peer dialled it and can be answered.  The routing id of a DEALER is
 * "<incarnation, 16 hex>@<address>", so each packet says who sent it and a new life is
 * never taken for an old one.  Only loopback may be bound or dialled (design.md section
 * 11): others need keys.
 *
 * ZeroMQ is taken for what it is: batching that loses what is under way when a connection
 * drops.  What it would lose silently it refuses here: ROUTER_MANDATORY, IMMEDIATE, and a
 * full queue answers SL_EAGAIN.  Bodies from SL_ZMQ_COPY_BYTES travel without a copy.
 *
 * The sockets belong to the loop thread; their descriptors are watched by the host
 * (sl_host_watch), so the host is a real one.
 *
 * Errors: SL_EINVAL a bad, too long or not loopback address; SL_EEXISTS taken; SL_EIO. */

#ifndef SL_TRANSPORT_LINK_ZMQ_H
#define SL_TRANSPORT_LINK_ZMQ_H

#include "transport/link.h"

#define SL_ZMQ_COPY_BYTES 4096u
#define SL_ZMQ_QUEUE_MESSAGES 1000 /* high-water mark of a connection, each side */

typedef struct sl_zmq_network sl_zmq_network;

/* Look up now what the first network of a process does (protocols by name), for it and
 * for copies of this process. Makes no thread and leaves no descriptor. */
void sl_zmq_warm_up(void);
/* linger_ms: how long what is queued to living peers may delay sl_zmq_network_free(). */
SL_CHECKED sl_code sl_zmq_network_new(int linger_ms, sl_zmq_network **ret, sl_error *err);
/* After its ports are closed. NULL is fine. */
void sl_zmq_network_free(sl_zmq_network *n);
sl_network *sl_zmq_network_of(sl_zmq_network *n);

/* Whether an address may be bound or dialled; a plain name may. */
SL_CHECKED sl_code sl_zmq_address_check(const char *address, sl_error *err);
const char *sl_zmq_version(void); /* "4.3.4" */

#endif /* SL_TRANSPORT_LINK_ZMQ_H */
