/* link.h - packets between processes: the layer that may lose, repeat, delay and reorder.
 *
 * A port belongs to one machine (a driver, a worker, a client).  It sends packets to
 * other ports by address and gets called, on the loop thread, with packets that arrive
 * and with what the link knows of its connections.  Nothing is promised about delivery:
 * channel.h makes it reliable.  Links: in-process (below), ZeroMQ (link_zmq.h), and in
 * tests the in-process one with faults.
 *
 * Packet:    a head of SL_LINK_HEAD_BYTES and a body, which may be NULL.  The body is
 *            shared with the sender, not copied; whoever keeps it takes a reference.
 * Address:   a text that others can dial ("driver", "tcp://127.0.0.1:7077",
 *            "ipc:///run/sluice/w1"), or a name nobody can dial ("client-7f3a"): such a
 *            port is answered over the connection it made.
 * Who:       a peer is (address, incarnation).  The link states the incarnation where it
 *            knows it, 0 where not; send() says which one is meant (0: whoever is there).
 * Events:    hints, they may come late or for nothing:
 *              UP        a connection stands (again): what was under way may be lost
 *              DOWN      it dropped
 *              WRITABLE  a send was refused with SL_EAGAIN; now it may succeed
 * Thread:    loop thread. */

#ifndef SL_TRANSPORT_LINK_H
#define SL_TRANSPORT_LINK_H

#include "base/blob.h"
#include "base/host.h"

#define SL_LINK_HEAD_BYTES 48u
#define SL_ADDRESS_BYTES_MAX 200u

typedef enum sl_link_event {
    SL_LINK_UP,
    SL_LINK_DOWN,
    SL_LINK_WRITABLE,
} sl_link_event;

/* A callback must not close the port; everything else is allowed. */
typedef struct sl_port_callbacks {
    void (*receive)(void *user, const char *from, uint64_t incarnation,
                    const uint8_t *head, sl_blob *body);
    void (*event)(void *user, const char *peer, uint64_t incarnation,
                  sl_link_event event);
    void *user;
} sl_port_callbacks;

typedef struct sl_port sl_port;

typedef struct sl_port_class {
    sl_code (*send)(sl_port *p, const char *to, uint64_t incarnation, const uint8_t *head,
                    sl_blob *body, sl_error *err);
    void (*forget)(sl_port *p, const char *to);
    void (*close)(sl_port *p);
} sl_port_class;

struct sl_port {
    const sl_port_class *class;
    const char *address; /* as others dial it: an asked port 0 is a number here */
};

/* SL_OK: on its way, or lost.  SL_EAGAIN: refused now, WRITABLE or UP follows.  Any other
 * code: this address can never be reached. */
static inline SL_CHECKED sl_code sl_port_send(sl_port *p, const char *to,
                                              uint64_t incarnation, const uint8_t *head,
                                              sl_blob *body, sl_error *err)
{
    return p->class->send(p, to, incarnation, head, body, err);
}
/* Close connections this port made to `to`. */
static inline void sl_port_forget(sl_port *p, const char *to)
{
    p->class->forget(p, to);
}
/* No callback comes after it. NULL is fine. */
static inline void sl_port_close(sl_port *p)
{
    if (p)
        p->class->close(p);
}

/* What a driver, worker or client opens its port from. */
typedef struct sl_network sl_network;
struct sl_network {
    sl_code (*open)(sl_network *n, sl_host *host, const char *address,
                    uint64_t incarnation, sl_port_callbacks callbacks, sl_port **ret,
                    sl_error *err);
};

/* ---- ports of one process ---- */

/* A packet to an address nobody has is dropped, and so is what is on its way to a port
 * that closes; a port that closes is DOWN for the rest.  Ports may be of different hosts,
 * if their clocks agree. */
typedef struct sl_local_network sl_local_network;
sl_local_network *sl_local_network_new(void);
void sl_local_network_free(sl_local_network *n);
sl_network *sl_local_network_of(sl_local_network *n);
/* Faults for simulation: what happens to one packet: how many copies (0 = lost) and the
 * delay of each. */
typedef struct sl_link_faults {
    uint32_t (*copies)(void *user, const char *from, const char *to,
                       int64_t *ret_delay_us /* [4] */);
    /* Whether `to` hears at once that the port `from` closed; NULL: always. */
    bool (*hears_down)(void *user, const char *from, const char *to);
    void *user;
} sl_link_faults;
void sl_local_network_set_faults(sl_local_network *n, sl_link_faults faults);
/* The address goes to whoever opens it next: the port that has it may still send under
 * it, and hears nothing any more. */
void sl_local_network_move_address(sl_local_network *n, const char *address);

#endif /* SL_TRANSPORT_LINK_H */
