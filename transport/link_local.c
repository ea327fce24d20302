/* Ports of one process: a frame is copied and becomes an event of the receiver's host. */
#include <string.h>

#include "base/alloc.h"
#include "transport/link.h"

typedef struct local_port {
    sl_port port;
    sl_local_network *network;
    sl_host *host;
    char *address;
    sl_port_receive receive;
    void *user;
    struct local_port *next;
} local_port;

struct sl_local_network {
    sl_network base;
    local_port *ports;
    sl_link_faults faults;
    struct delivery *under_way; /* so that freeing the network loses nothing */
};

/* One frame on its way. It names the receiver by address: the port may close meanwhile.
 */
typedef struct delivery {
    struct delivery *next, **link;
    sl_local_network *network;
    char *from, *to;
    size_t size_bytes;
    uint8_t frame[];
} delivery;

static local_port *find_port(sl_local_network *n, const char *address)
{
    for (local_port *p = n->ports; p != NULL; p = p->next)
        if (strcmp(p->address, address) == 0)
            return p;
    return NULL;
}

static void delivery_free(delivery *d)
{
    *d->link = d->next;
    if (d->next != NULL)
        d->next->link = d->link;
    sl_free(d->from);
    sl_free(d->to);
    sl_free(d);
}

static void deliver(void *user)
{
    delivery *d = (delivery *)user;
    local_port *p = find_port(d->network, d->to);
    if (p != NULL)
        p->receive(p->user, d->from, sl_span_of(d->frame, d->size_bytes));
    delivery_free(d);
}

static void send_copy(local_port *from, local_port *to, sl_span frame, int64_t delay_us)
{
    delivery *d = (delivery *)sl_alloc(sizeof *d + frame.size_bytes);
    d->network = from->network;
    d->from = sl_strdup(from->address);
    d->to = sl_strdup(to->address);
    d->size_bytes = frame.size_bytes;
    memcpy(d->frame, frame.data, frame.size_bytes);
    d->link = &from->network->under_way;
    d->next = *d->link;
    if (d->next != NULL)
        d->next->link = &d->next;
    *d->link = d;
    /* Owned by the network, not a port: a closed port finds nobody, and frees it. */
    if (delay_us <= 0)
        sl_host_post(to->host, from->network, deliver, d);
    else
        (void)sl_host_timer(to->host, from->network, sl_host_mono_us(to->host) + delay_us,
                            deliver, d);
}

static void local_send(sl_port *port, const char *address, sl_span frame)
{
    local_port *from = (local_port *)port;
    local_port *to = find_port(from->network, address);
    const sl_link_faults *faults = &from->network->faults;
    int64_t delay_us[4] = { 0 };
    uint32_t copies = 1;
    if (to == NULL)
        return; /* as a wire to a host that is down */
    if (faults->copies != NULL)
        copies = faults->copies(faults->user, from->address, address, delay_us);
    for (uint32_t i = 0; i < copies && i < 4; i++)
        send_copy(from, to, frame, delay_us[i]);
}

static void local_close(sl_port *port)
{
    local_port *p = (local_port *)port;
    local_port **at = &p->network->ports;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    sl_free(p->address);
    sl_free(p);
}

static const sl_port_class local_class = { local_send, local_close };

static sl_code local_open(sl_network *network, sl_host *host, const char *address,
                          sl_port_receive receive, void *user, sl_port **ret,
                          sl_error *err)
{
    sl_local_network *n = (sl_local_network *)network;
    if (find_port(n, address) != NULL)
        return sl_fail(err, SL_EEXISTS, "address %s is taken", address);
    local_port *p = (local_port *)sl_calloc(1, sizeof *p);
    p->port.class = &local_class;
    p->network = n;
    p->host = host;
    p->address = sl_strdup(address);
    p->receive = receive;
    p->user = user;
    p->next = n->ports;
    n->ports = p;
    *ret = &p->port;
    return SL_OK;
}

sl_local_network *sl_local_network_new(void)
{
    sl_local_network *n = (sl_local_network *)sl_calloc(1, sizeof *n);
    n->base.open = local_open;
    return n;
}

void sl_local_network_free(sl_local_network *n)
{
    if (n == NULL)
        return;
    while (n->ports != NULL)
        local_close(&n->ports->port);
    while (n->under_way != NULL)
        delivery_free(n->under_way);
    sl_free(n);
}

sl_network *sl_local_network_of(sl_local_network *n)
{
    return &n->base;
}

void sl_local_network_set_faults(sl_local_network *n, sl_link_faults faults)
{
    n->faults = faults;
}
