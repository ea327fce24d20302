/* One port:
 *
 *     ROUTER, bound    <- peers that dialled us; answered by routing id
 *     DEALER, dialled  -> one for each address we send to first, or that is lost as a
 * route
 *
 * Each has a monitor.  All four descriptors of a pair are watched by the host, and edges:
 * ZeroMQ says by its descriptor only that something happened, so whoever is woken reads
 * until nothing is left; and since sending may swallow the edge, a look is posted after
 * it: one for all sends of a turn of the loop (post_look).
 *
 * What goes by a DEALER always goes by it while it exists, so packets keep their order.
 */
#include "transport/link_zmq.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "transport/address_private.h"
#include "transport/metrics.h"
#include "transport/zmq_packet_private.h"

#define TURN_PACKETS 256u /* read before others get their turn of the loop */
#define ROUTES_MAX 8192u
#define PROBES 3u
#define BIND_TRIES                                                                       \
    20u /* of 10 ms: a port this process closed just now is still closing */

typedef struct zmq_port zmq_port;

/* A socket with its monitor. */
typedef struct wire {
    struct wire *next;
    zmq_port *port;
    void *socket, *monitor;
    int fd, monitor_fd;
    char *peer; /* of a DEALER; NULL: the ROUTER */
    bool refused, was_down, look_posted, closed;
} wire;

/* A peer that dialled us, by its routing id. */
typedef struct route {
    struct route *next;
    char *id;
    uint64_t incarnation;
    const char *address; /* inside id */
    bool down, refused;
    bool down_untold; /* a send found it gone: the owner does not know yet */
} route;

struct zmq_port {
    sl_port port;
    sl_zmq_network *network;
    sl_host *host;
    char *address;
    char id[SL_ZMQ_ID_BYTES_MAX + 1];
    sl_port_callbacks callbacks;
    wire *router; /* NULL: the address is a name */
    wire *dials;
    wire *closed; /* forgotten; freed by a post, or with the port */
    route *routes;
    uint32_t route_count;
    uint32_t probes_left;
    bool probing;
    dev_t ipc_device; /* of the socket file, to remove no other */
    ino_t ipc_inode;
};

struct sl_zmq_network {
    sl_network base;
    void *context;
    int linger_ms;
};

static atomic_uint monitors_made;

static void probe_later(zmq_port *p);

static void tell(zmq_port *p, const char *peer, uint64_t incarnation, sl_link_event e)
{
    if (e == SL_LINK_DOWN)
        sl_transport_count(SL_TRANSPORT_CONNECTIONS_LOST, 1);
    if (p->callbacks.event != NULL)
        p->callbacks.event(p->callbacks.user, peer, incarnation, e);
}

/* ---- routes ---- */

static route *find_route(const zmq_port *p, const char *id)
{
    route *r = p->routes;
    while (r != NULL && strcmp(r->id, id) != 0)
        r = r->next;
    return r;
}

static void drop_dead_routes(zmq_port *p)
{
    for (route **at = &p->routes; *at != NULL;) {
        route *r = *at;
        if (!r->down) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        p->route_count--;
        sl_free(r->id);
        sl_free(r);
    }
}

/* NULL: the id is no id of ours. */
static route *route_of(zmq_port *p, const char *id)
{
    uint64_t incarnation;
    const char *address;
    route *r = find_route(p, id);
    if (r != NULL)
        return r;
    if (!sl_zmq__read_id(id, &incarnation, &address))
        return NULL;
    if (p->route_count >= ROUTES_MAX)
        drop_dead_routes(p);
    r = (route *)sl_calloc(1, sizeof *r);
    r->id = sl_strdup(id);
    r->incarnation = incarnation;
    r->address = r->id + 17;
    r->next = p->routes;
    p->routes = r;
    p->route_count++;
    return r;
}

/* ---- reading ---- */

static void look(void *user);

static void post_look(wire *w)
{
    if (w->look_posted || w->closed)
        return;
    w->look_posted = true;
    sl_host_post(w->port->host, w->port, look, w);
}

static void take_packet(wire *w, sl_zmq_packet *k)
{
    zmq_port *p = w->port;
    const char *from = w->peer;
    uint64_t incarnation = 0;
    if (from == NULL) {
        route *r = route_of(p, k->id);
        if (r == NULL) {
            sl_transport_count(SL_TRANSPORT_MALFORMED, 1);
            return;
        }
        from = r->address;
        incarnation = r->incarnation;
        if (r->down) {
            r->down = r->down_untold = false;
            tell(p, from, incarnation, SL_LINK_UP);
        }
    }
    p->callbacks.receive(p->callbacks.user, from, incarnation, k->head, k->body);
}

static uint32_t events_of(const wire *w)
{
    int events = 0;
    size_t size = sizeof events;
    if (zmq_getsockopt(w->socket, ZMQ_EVENTS, &events, &size) != 0)
        return 0;
    return (uint32_t)events;
}

/* A ROUTER cannot say whose queue has room, so all who were refused try again. */
static void tell_writable(wire *w)
{
    if (!w->refused || (events_of(w) & ZMQ_POLLOUT) == 0)
        return;
    w->refused = false;
    if (w->peer != NULL) {
        tell(w->port, w->peer, 0, SL_LINK_WRITABLE);
        return;
    }
    for (route *r = w->port->routes; r != NULL; r = r->next)
        if (r->refused) {
            r->refused = false;
            tell(w->port, r->address, r->incarnation, SL_LINK_WRITABLE);
        }
}

static void read_packets(wire *w)
{
    for (uint32_t n = 0; !w->closed; n++) {
        sl_zmq_packet k;
        if (n == TURN_PACKETS) {
            post_look(w);
            return;
        }
        sl_zmq_got got = sl_zmq__receive(w->socket, w->peer == NULL, &k);
        if (got == SL_ZMQ_NOTHING)
            break;
        if (got == SL_ZMQ_BAD)
            sl_transport_count(SL_TRANSPORT_MALFORMED, 1);
        if (got != SL_ZMQ_PACKET)
            continue;
        take_packet(w, &k);
        sl_blob_unref(k.body);
    }
    if (!w->closed)
        tell_writable(w);
}

static void look(void *user)
{
    wire *w = (wire *)user;
    w->look_posted = false;
    if (!w->closed)
        read_packets(w);
}

static void on_readable(void *user)
{
    read_packets((wire *)user);
}

/* ---- connections come and go ---- */

/* A ROUTER's monitor does not say whose connection dropped (and for ipc a message does
 * not say which one it came by), so each route is asked: an empty message, which the
 * other end ignores, cannot be sent to one that is gone.  The monitor is a little ahead
 * of the ROUTER, hence several rounds. */
static void probe_routes(void *user)
{
    zmq_port *p = (zmq_port *)user;
    p->probing = false;
    for (route *r = p->routes; r != NULL; r = r->next) {
        if (r->down ? !r->down_untold : sl_zmq__probe(p->router->socket, r->id))
            continue;
        r->down = true;
        r->down_untold = false;
        tell(p, r->address, r->incarnation, SL_LINK_DOWN);
    }
    post_look(p->router); /* sending may have swallowed the edge */
    if (--p->probes_left > 0)
        probe_later(p);
}

static void probe_later(zmq_port *p)
{
    static const int64_t pauses_us[PROBES + 1] = { 0, 100000, 20000, 2000 };
    if (p->probing)
        return;
    p->probing = true;
    (void)sl_host_timer(p->host, p, sl_host_mono_us(p->host) + pauses_us[p->probes_left],
                        probe_routes, p);
}

static void on_disconnected(wire *w)
{
    if (w->peer != NULL) {
        w->was_down = true;
        tell(w->port, w->peer, 0, SL_LINK_DOWN);
        return;
    }
    w->port->probes_left = PROBES;
    probe_later(w->port);
}

static void on_monitor_event(wire *w, uint16_t event)
{
    switch (event) {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        if (w->peer != NULL)
            tell(w->port, w->peer, 0, w->was_down ? SL_LINK_UP : SL_LINK_WRITABLE);
        break;
    case ZMQ_EVENT_DISCONNECTED:
        on_disconnected(w);
        break;
    default:
        sl_transport_count(SL_TRANSPORT_HANDSHAKES_FAILED, 1);
    }
}

/* Two parts: event (2 bytes) and value (4 bytes), then the endpoint. */
static void on_monitor(void *user)
{
    wire *w = (wire *)user;
    uint8_t parts[2][SL_ADDRESS_BYTES_MAX];
    while (!w->closed) {
        uint16_t event;
        int n = zmq_recv(w->monitor, parts[0], sizeof parts[0], ZMQ_DONTWAIT);
        if (n < 0)
            return;
        if (zmq_recv(w->monitor, parts[1], sizeof parts[1], ZMQ_DONTWAIT) < 0 || n < 6)
            continue;
        memcpy(&event, parts[0], sizeof event);
        on_monitor_event(w, event);
    }
}

/* ---- sockets ---- */

static void set_int(void *socket, int option, int value)
{
    SL_ASSERT(zmq_setsockopt(socket, option, &value, sizeof value) == 0);
}

static int get_fd(void *socket)
{
    int fd = -1;
    size_t size = sizeof fd;
    SL_ASSERT(zmq_getsockopt(socket, ZMQ_FD, &fd, &size) == 0);
    return fd;
}

static void set_options(wire *w, const char *endpoint)
{
    void *s = w->socket;
    int64_t largest = SL_FRAME_BYTES_MAX + 4096;
    set_int(s, ZMQ_LINGER, w->port->network->linger_ms);
    set_int(s, ZMQ_SNDHWM, SL_ZMQ_QUEUE_MESSAGES);
    set_int(s, ZMQ_RCVHWM, SL_ZMQ_QUEUE_MESSAGES);
    set_int(s, ZMQ_HANDSHAKE_IVL, 5000);
    SL_ASSERT(zmq_setsockopt(s, ZMQ_MAXMSGSIZE, &largest, sizeof largest) == 0);
    if (strncmp(endpoint, "tcp://", 6) == 0) {
        set_int(s, ZMQ_HEARTBEAT_IVL, 1000); /* half-open connections (rel:F25) */
        set_int(s, ZMQ_HEARTBEAT_TIMEOUT, 3000);
        set_int(s, ZMQ_HEARTBEAT_TTL, 4000);
        set_int(s, ZMQ_TCP_KEEPALIVE, 1);
    }
    if (strchr(endpoint, '[') != NULL)
        set_int(s, ZMQ_IPV6, 1);
    if (w->peer == NULL) {
        set_int(s, ZMQ_ROUTER_MANDATORY, 1);
        /* A peer that reconnects before its old connection is seen to be dead takes over
         * its own id; ids name a random incarnation, so nobody takes another's. */
        set_int(s, ZMQ_ROUTER_HANDOVER, 1);
    } else {
        set_int(s, ZMQ_IMMEDIATE, 1);
        set_int(s, ZMQ_RECONNECT_IVL, 1); /* then twice as long each time */
        set_int(s, ZMQ_RECONNECT_IVL_MAX, 500);
        SL_ASSERT(zmq_setsockopt(s, ZMQ_ROUTING_ID, w->port->id, strlen(w->port->id)) ==
                  0);
    }
}

static void open_monitor(wire *w)
{
    char name[64];
    snprintf(name, sizeof name, "inproc://sluice-monitor-%u",
             atomic_fetch_add(&monitors_made, 1));
    SL_ASSERT(zmq_socket_monitor(w->socket, name,
                                 ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED |
                                     ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                                     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                                     ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) == 0);
    w->monitor = zmq_socket(w->port->network->context, ZMQ_PAIR);
    SL_ASSERT(w->monitor != NULL);
    set_int(w->monitor, ZMQ_LINGER, 0);
    set_int(w->monitor, ZMQ_RCVHWM, 0); /* the network thread must never wait for us */
    SL_ASSERT(zmq_connect(w->monitor, name) == 0);
    w->monitor_fd = get_fd(w->monitor);
}

static void wire_free(wire *w)
{
    if (w == NULL)
        return;
    if (w->monitor != NULL) {
        zmq_socket_monitor(w->socket, NULL, 0);
        zmq_close(w->monitor);
    }
    if (w->socket != NULL)
        zmq_close(w->socket);
    sl_free(w->peer);
    sl_free(w);
}

static void stop_watching(wire *w)
{
    sl_host_unwatch(w->port->host, w->fd);
    sl_host_unwatch(w->port->host, w->monitor_fd);
}

/* 0, or -1 with zmq_errno(). */
static int attach(wire *w, const char *endpoint)
{
    return w->peer == NULL ? zmq_bind(w->socket, endpoint)
                           : zmq_connect(w->socket, endpoint);
}

/* peer NULL: bind. */
static sl_code wire_new(zmq_port *p, const char *peer, const char *endpoint, wire **ret,
                        sl_error *err)
{
    wire *w = (wire *)sl_calloc(1, sizeof *w);
    w->port = p;
    w->peer = peer != NULL ? sl_strdup(peer) : NULL;
    w->socket = zmq_socket(p->network->context, peer == NULL ? ZMQ_ROUTER : ZMQ_DEALER);
    if (w->socket == NULL) {
        int reason = errno;
        wire_free(w);
        return sl_fail(err, SL_EIO, "cannot make a socket for '%s': %s", endpoint,
                       zmq_strerror(reason));
    }
    set_options(w, endpoint);
    open_monitor(w);
    if (attach(w, endpoint) != 0) {
        int reason = errno;
        wire_free(w);
        return sl_fail(err, reason == EADDRINUSE ? SL_EEXISTS : SL_EIO,
                       "cannot %s '%s': %s", peer == NULL ? "listen at" : "dial",
                       endpoint, zmq_strerror(reason));
    }
    w->fd = get_fd(w->socket);
    sl_host_watch(p->host, p, w->fd, on_readable, w);
    sl_host_watch(p->host, p, w->monitor_fd, on_monitor, w);
    /* The descriptor gives edges only once somebody has looked and found nothing. */
    sl_host_post(p->host, p, on_monitor, w);
    post_look(w);
    *ret = w;
    return SL_OK;
}

/* ---- sending ---- */

static wire *find_dial(const zmq_port *p, const char *peer)
{
    wire *w = p->dials;
    while (w != NULL && strcmp(w->peer, peer) != 0)
        w = w->next;
    return w;
}

static sl_code dial(zmq_port *p, const char *to, wire **ret, sl_error *err)
{
    sl_address_kind kind;
    SL_TRY(sl_address__parse(to, &kind, err));
    if (kind == SL_ADDRESS_NAME)
        return sl_fail(err, SL_EAGAIN, "'%s' is not connected and cannot be dialled", to);
    SL_TRY(wire_new(p, to, to, ret, err));
    (*ret)->next = p->dials;
    p->dials = *ret;
    return SL_OK;
}

static sl_code send_by_dial(wire *w, const uint8_t *head, sl_blob *body, sl_error *err)
{
    int reason = sl_zmq__send(w->socket, NULL, head, body);
    w->refused = w->refused || reason != 0;
    post_look(w);
    return reason == 0 ? SL_OK
                       : sl_fail(err, SL_EAGAIN, "%s takes no message now: %s", w->peer,
                                 zmq_strerror(reason));
}

/* Before the monitor said so. The owner is told by a round of probes: not from within its
 * own call. Its next packet says UP. */
static void find_gone(zmq_port *p, route *r)
{
    r->down = r->down_untold = true;
    p->probes_left = PROBES;
    probe_later(p);
}

/* SL_ENOTFOUND: the peer is not connected. */
static sl_code send_by_route(zmq_port *p, const char *id, const uint8_t *head,
                             sl_blob *body, sl_error *err)
{
    int reason = sl_zmq__send(p->router->socket, id, head, body);
    route *r = reason != 0 ? find_route(p, id) : NULL;
    if (r != NULL && reason == EAGAIN)
        r->refused = p->router->refused = true;
    else if (r != NULL && !r->down)
        find_gone(p, r);
    post_look(p->router);
    if (reason == 0)
        return SL_OK;
    return sl_fail(err, reason == EAGAIN ? SL_EAGAIN : SL_ENOTFOUND,
                   "%s takes no message now: %s", id, zmq_strerror(reason));
}

static sl_code port_send(sl_port *port, const char *to, uint64_t incarnation,
                         const uint8_t *head, sl_blob *body, sl_error *err)
{
    zmq_port *p = (zmq_port *)port;
    wire *w = find_dial(p, to);
    if (w == NULL && p->router != NULL && incarnation != 0) {
        char id[SL_ZMQ_ID_BYTES_MAX + 1];
        sl_zmq__make_id(incarnation, to, id);
        sl_code code = send_by_route(p, id, head, body, err);
        if (code != SL_ENOTFOUND)
            return code;
    }
    if (w == NULL)
        SL_TRY(dial(p, to, &w, err));
    return send_by_dial(w, head, body, err);
}

/* ---- life ---- */

static void free_closed(void *user)
{
    zmq_port *p = (zmq_port *)user;
    while (p->closed != NULL) {
        wire *w = p->closed;
        p->closed = w->next;
        wire_free(w);
    }
}

/* Its own callback may be running: freed later. */
static void port_forget(sl_port *port, const char *to)
{
    zmq_port *p = (zmq_port *)port;
    wire *w = find_dial(p, to);
    if (w == NULL)
        return;
    wire **at = &p->dials;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    stop_watching(w);
    w->closed = true;
    w->next = p->closed;
    p->closed = w;
    sl_host_post(p->host, p, free_closed, p);
}

static void remove_file(zmq_port *p);

static void port_close(sl_port *port)
{
    zmq_port *p = (zmq_port *)port;
    sl_host_close_owner(p->host, p); /* posts and watches */
    free_closed(p);
    remove_file(p);
    wire_free(p->router);
    while (p->dials != NULL) {
        wire *w = p->dials;
        p->dials = w->next;
        wire_free(w);
    }
    while (p->routes != NULL) {
        route *r = p->routes;
        p->routes = r->next;
        sl_free(r->id);
        sl_free(r);
    }
    sl_free(p->address);
    sl_free(p);
}

static const sl_port_class zmq_class = { port_send, port_forget, port_close };

static sl_code bind_once(zmq_port *p, const char *endpoint, sl_address_kind kind,
                         sl_error *err)
{
    if (kind == SL_ADDRESS_IPC)
        SL_TRY(sl_address__make_free(endpoint, err));
    return wire_new(p, NULL, endpoint, &p->router, err);
}

static void remember_file(zmq_port *p)
{
    struct stat st;
    const char *path = p->address + strlen("ipc://");
    (void)chmod(path, 0600); /* other users stay out */
    if (stat(path, &st) == 0) {
        p->ipc_device = st.st_dev;
        p->ipc_inode = st.st_ino;
    }
}

/* libzmq leaves it. */
static void remove_file(zmq_port *p)
{
    struct stat st;
    const char *path = p->address + strlen("ipc://");
    if (p->ipc_inode != 0 && stat(path, &st) == 0 && st.st_dev == p->ipc_device &&
        st.st_ino == p->ipc_inode)
        (void)unlink(path);
}

/* libzmq binds numbers, not names. */
static sl_code listen_at(zmq_port *p, const char *address, sl_address_kind kind,
                         sl_error *err)
{
    char endpoint[SL_ADDRESS_BYTES_MAX + 32];
    const char *rest = address + strlen("tcp://");
    const struct timespec pause = { .tv_nsec = 10000000 };
    if (kind == SL_ADDRESS_TCP && strncmp(rest, "localhost:", 10) == 0)
        snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%s", rest + 10);
    else
        snprintf(endpoint, sizeof endpoint, "%s", address);
    sl_code code = bind_once(p, endpoint, kind, err);
    for (uint32_t i = 1; code == SL_EEXISTS && i < BIND_TRIES; i++) {
        nanosleep(&pause, NULL);
        code = bind_once(p, endpoint, kind, err);
    }
    if (code != SL_OK)
        return code;
    size_t size = sizeof endpoint;
    SL_ASSERT(zmq_getsockopt(p->router->socket, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0);
    sl_free(p->address);
    p->address = sl_strdup(endpoint);
    if (kind == SL_ADDRESS_IPC)
        remember_file(p);
    return SL_OK;
}

static sl_code zmq_open(sl_network *network, sl_host *host, const char *address,
                        uint64_t incarnation, sl_port_callbacks callbacks, sl_port **ret,
                        sl_error *err)
{
    sl_address_kind kind;
    SL_TRY(sl_address__parse(address, &kind, err));
    zmq_port *p = (zmq_port *)sl_calloc(1, sizeof *p);
    p->port.class = &zmq_class;
    p->network = (sl_zmq_network *)network;
    p->host = host;
    p->callbacks = callbacks;
    p->address = sl_strdup(address);
    sl_code code = SL_OK;
    if (kind != SL_ADDRESS_NAME)
        code = listen_at(p, address, kind, err);
    if (code != SL_OK) {
        port_close(&p->port);
        return code;
    }
    sl_zmq__make_id(incarnation, p->address, p->id);
    p->port.address = p->address;
    *ret = &p->port;
    return SL_OK;
}

void sl_zmq_warm_up(void)
{
    void *context = zmq_ctx_new();
    if (context != NULL)
        (void)zmq_ctx_term(context);
}

sl_code sl_zmq_network_new(int linger_ms, sl_zmq_network **ret, sl_error *err)
{
    sl_zmq_network *n = (sl_zmq_network *)sl_calloc(1, sizeof *n);
    n->base.open = zmq_open;
    n->linger_ms = linger_ms;
    n->context = zmq_ctx_new();
    if (n->context == NULL) {
        sl_free(n);
        return sl_fail(err, SL_EIO, "cannot start ZeroMQ: %s", zmq_strerror(errno));
    }
    *ret = n;
    return SL_OK;
}

void sl_zmq_network_free(sl_zmq_network *n)
{
    if (n == NULL)
        return;
    while (zmq_ctx_term(n->context) != 0 && errno == EINTR)
        ;
    sl_free(n);
}

sl_network *sl_zmq_network_of(sl_zmq_network *n)
{
    return &n->base;
}

const char *sl_zmq_version(void)
{
    static char text[32];
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    snprintf(text, sizeof text, "%d.%d.%d", major, minor, patch);
    return text;
}
