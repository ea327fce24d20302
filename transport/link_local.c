/* Ports of one process: a packet becomes an event of the receiver's host; its body is
 * shared. */
#include <string.h>

#include "base/alloc.h"
#include "transport/link.h"

typedef struct local_port {
    sl_port port;
    sl_local_network *network;
    sl_host *host;
    char *address;
    uint64_t incarnation;
    bool is_moved; /* others have the address */
    sl_port_callbacks callbacks;
    struct local_port *next;
} local_port;

struct sl_local_network {
    sl_network base;
    local_port *ports;
    sl_link_faults faults;
    struct delivery *under_way;
};

/* One packet, or the news of a closed port, on its way. Its event is owned by the port it
 * goes to, and goes with it. */
typedef struct delivery {
    struct delivery *next, **link;
    sl_local_network *network;
    local_port *to;
    char *from;
    uint64_t incarnation;
    bool is_down;
    uint8_t head[SL_LINK_HEAD_BYTES];
    sl_blob *body;
} delivery;

static local_port *find_port(sl_local_network *n, const char *address)
{
    for (local_port *p = n->ports; p != NULL; p = p->next)
        if (!p->is_moved && strcmp(p->address, address) == 0)
            return p;
    return NULL;
}

static void delivery_free(delivery *d)
{
    *d->link = d->next;
    if (d->next != NULL)
        d->next->link = d->link;
    sl_blob_unref(d->body);
    sl_free(d->from);
    sl_free(d);
}

static void deliver(void *user)
{
    delivery *d = (delivery *)user;
    local_port *p = d->to;
    if (!d->is_down)
        p->callbacks.receive(p->callbacks.user, d->from, d->incarnation, d->head,
                             d->body);
    else if (p->callbacks.event != NULL)
        p->callbacks.event(p->callbacks.user, d->from, d->incarnation, SL_LINK_DOWN);
    delivery_free(d);
}

static delivery *delivery_new(const local_port *from, local_port *to)
{
    delivery *d = (delivery *)sl_calloc(1, sizeof *d);
    d->network = from->network;
    d->to = to;
    d->from = sl_strdup(from->address);
    d->incarnation = from->incarnation;
    d->link = &from->network->under_way;
    d->next = *d->link;
    if (d->next != NULL)
        d->next->link = &d->next;
    *d->link = d;
    return d;
}

static void dispatch(delivery *d, int64_t delay_us)
{
    sl_host *h = d->to->host;
    if (delay_us <= 0)
        sl_host_post(h, d->to, deliver, d);
    else
        (void)sl_host_timer(h, d->to, sl_host_mono_us(h) + delay_us, deliver, d);
}

static sl_code local_send(sl_port *port, const char *address, uint64_t incarnation,
                          const uint8_t *head, sl_blob *body, sl_error *err)
{
    local_port *from = (local_port *)port;
    local_port *to = find_port(from->network, address);
    const sl_link_faults *faults = &from->network->faults;
    int64_t delay_us[4] = { 0 };
    uint32_t copies = 1;
    (void)incarnation;
    (void)err;
    if (to == NULL)
        return SL_OK; /* as a wire to a host that is down */
    if (faults->copies != NULL)
        copies = faults->copies(faults->user, from->address, address, delay_us);
    for (uint32_t i = 0; i < copies && i < 4; i++) {
        delivery *d = delivery_new(from, to);
        memcpy(d->head, head, sizeof d->head);
        d->body = body != NULL ? sl_blob_ref(body) : NULL;
        dispatch(d, delay_us[i]);
    }
    return SL_OK;
}

static void local_forget(sl_port *port, const char *to)
{
    (void)port;
    (void)to;
}

static void unlink_port(local_port *p)
{
    local_port **at = &p->network->ports;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
}

static void port_free(local_port *p)
{
    sl_host_close_owner(p->host, p);
    for (delivery *d = p->network->under_way, *next; d != NULL; d = next) {
        next = d->next;
        if (d->to == p)
            delivery_free(d);
    }
    sl_free(p->address);
    sl_free(p);
}

static void local_close(sl_port *port)
{
    local_port *p = (local_port *)port;
    const sl_link_faults *faults = &p->network->faults;
    unlink_port(p);
    for (local_port *to = p->network->ports; to != NULL; to = to->next) {
        if (p->is_moved || to->is_moved)
            continue;
        if (faults->hears_down != NULL &&
            !faults->hears_down(faults->user, p->address, to->address))
            continue;
        delivery *d = delivery_new(p, to);
        d->is_down = true;
        dispatch(d, 0);
    }
    port_free(p);
}

static const sl_port_class local_class = { local_send, local_forget, local_close };

static sl_code local_open(sl_network *network, sl_host *host, const char *address,
                          uint64_t incarnation, sl_port_callbacks callbacks,
                          sl_port **ret, sl_error *err)
{
    sl_local_network *n = (sl_local_network *)network;
    if (find_port(n, address) != NULL)
        return sl_fail(err, SL_EEXISTS, "address %s is taken", address);
    local_port *p = (local_port *)sl_calloc(1, sizeof *p);
    p->port.class = &local_class;
    p->network = n;
    p->host = host;
    p->address = sl_strdup(address);
    p->port.address = p->address;
    p->incarnation = incarnation;
    p->callbacks = callbacks;
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
    while (n->ports != NULL) {
        local_port *p = n->ports;
        unlink_port(p);
        port_free(p);
    }
    sl_free(n);
}

sl_network *sl_local_network_of(sl_local_network *n)
{
    return &n->base;
}

void sl_local_network_move_address(sl_local_network *n, const char *address)
{
    local_port *p = find_port(n, address);
    if (p != NULL)
        p->is_moved = true;
}

void sl_local_network_set_faults(sl_local_network *n, sl_link_faults faults)
{
    n->faults = faults;
}
