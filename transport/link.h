/* link.h - datagrams between processes: the layer that may lose, repeat, delay and
 * reorder.
 *
 * A port belongs to one machine (a driver or a worker) and has an address; it sends
 * frames to other ports and gets called with frames that arrive, on the loop thread.
 * Nothing is promised about delivery: channel.h makes it reliable.  Links: in-process
 * (link_local.c, here for driver and worker of one process), ZeroMQ, and in tests a
 * simulated one.
 *
 * Thread: loop thread. */

#ifndef SL_TRANSPORT_LINK_H
#define SL_TRANSPORT_LINK_H

#include "base/bytes.h"
#include "base/host.h"

typedef struct sl_port sl_port;

typedef struct sl_port_class {
    void (*send)(sl_port *p, const char *to, sl_span frame); /* copies */
    void (*close)(sl_port *p);
} sl_port_class;

struct sl_port {
    const sl_port_class *class;
};

typedef void (*sl_port_receive)(void *user, const char *from, sl_span frame);

static inline void sl_port_send(sl_port *p, const char *to, sl_span frame)
{
    p->class->send(p, to, frame);
}
static inline void sl_port_close(sl_port *p)
{
    if (p)
        p->class->close(p);
}

/* What a driver or worker opens its port from. */
typedef struct sl_network sl_network;
struct sl_network {
    sl_code (*open)(sl_network *n, sl_host *host, const char *address,
                    sl_port_receive receive, void *user, sl_port **ret, sl_error *err);
};

/* Ports of one process; a frame to an address nobody has is dropped. */
typedef struct sl_local_network sl_local_network;
sl_local_network *sl_local_network_new(void);
void sl_local_network_free(sl_local_network *n);
sl_network *sl_local_network_of(sl_local_network *n);
/* Faults for simulation: what happens to one frame: how many copies (0 = lost) and the
 * delay of each. */
typedef struct sl_link_faults {
    uint32_t (*copies)(void *user, const char *from, const char *to,
                       int64_t *ret_delay_us /* [4] */);
    void *user;
} sl_link_faults;
void sl_local_network_set_faults(sl_local_network *n, sl_link_faults faults);

#endif /* SL_TRANSPORT_LINK_H */
