/* What ZeroMQ does not promise and a channel over it does: the facts rel:L1-L5, which the
 * design rests on, seen at bare sockets with ZeroMQ's defaults, then not seen over a
 * channel. */
#include "tests/unit/transport/link_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <zmq.h>

#include "transport/metrics.h"

/* ---- bare sockets ---- */

struct bare {
    void *context, *router, *dealer;
    char endpoint[128];
};

static void set(void *socket, int option, int value)
{
    assert_int_equal(zmq_setsockopt(socket, option, &value, sizeof value), 0);
}

static void *socket_of(const struct bare *b, int type)
{
    void *s = zmq_socket(b->context, type);
    assert_non_null(s);
    set(s, ZMQ_LINGER, 0);
    set(s, ZMQ_RCVTIMEO, 500);
    return s;
}

static int set_up(void **state)
{
    struct bare *b = (struct bare *)calloc(1, sizeof *b);
    b->context = zmq_ctx_new();
    b->router = socket_of(b, ZMQ_ROUTER);
    b->dealer = socket_of(b, ZMQ_DEALER);
    assert_int_equal(zmq_setsockopt(b->dealer, ZMQ_ROUTING_ID, "d", 1), 0);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bare *b = (struct bare *)*state;
    zmq_close(b->router);
    zmq_close(b->dealer);
    zmq_ctx_term(b->context);
    free(b);
    return 0;
}

static void bare_connect(struct bare *b)
{
    size_t size = sizeof b->endpoint;
    assert_int_equal(zmq_bind(b->router, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(b->router, ZMQ_LAST_ENDPOINT, b->endpoint, &size), 0);
    assert_int_equal(zmq_connect(b->dealer, b->endpoint), 0);
}

/* One message; the routing id before it is thrown away. False: none came in time. */
static bool receive(void *socket, bool has_id)
{
    uint8_t byte[16];
    if (has_id && zmq_recv(socket, byte, sizeof byte, 0) < 0)
        return false;
    return zmq_recv(socket, byte, sizeof byte, 0) >= 0;
}

/* ---- connections of this process that are cut under ZeroMQ ---- */

static bool is_at(int fd, const char *address)
{
    union {
        struct sockaddr any;
        struct sockaddr_in tcp;
        struct sockaddr_un ipc;
    } own = { 0 }, other;
    socklen_t size = sizeof own - 1, other_size = sizeof other;
    char text[SL_ADDRESS_BYTES_MAX];
    if (getsockname(fd, &own.any, &size) != 0 ||
        getpeername(fd, &other.any, &other_size) != 0)
        return false;
    if (own.any.sa_family == AF_UNIX)
        snprintf(text, sizeof text, "ipc://%.108s", own.ipc.sun_path);
    else
        snprintf(text, sizeof text, "tcp://127.0.0.1:%u", ntohs(own.tcp.sin_port));
    return strcmp(text, address) == 0;
}

/* How many connections the listener at `address` had. */
static uint32_t cut_connections(const char *address)
{
    uint32_t cut = 0;
    for (int fd = 3; fd < 1024; fd++)
        if (is_at(fd, address))
            cut += shutdown(fd, SHUT_RDWR) == 0;
    return cut;
}

/* ---- rel:L1 ---- */

static void links__need_no_draft_of_zeromq(void **state)
{
    struct bare *b = (struct bare *)*state;
    enum { HELLO_MSG = 110 }; /* of the draft: a greeting at each new connection */
    if (zmq_has("draft") == 0) {
        assert_int_equal(zmq_setsockopt(b->dealer, HELLO_MSG, "hi", 2), -1);
        assert_int_equal(errno, EINVAL);
    }
    for (enum link_kind kind = LINK_IPC; kind <= LINK_TCP; kind++) {
        struct rig *r = rig_new(kind);
        struct end one, two;
        end_open(r, &one, "one", 1);
        end_open(r, &two, "two", 2);
        send_numbers(&one, end_address(&two), 0, 1);
        expect_received(r, &two, 1);
        sl_channel_free(one.channel);
        sl_channel_free(two.channel);
        rig_free(r);
    }
}

/* ---- rel:L2 ---- */

static void zeromq__loses_what_it_took_when_the_peer_dies(void **state)
{
    struct bare *b = (struct bare *)*state;
    enum { SENT = 2000 };
    static const uint8_t message[1024];
    uint32_t received = 0;
    bare_connect(b);
    set(b->dealer, ZMQ_SNDHWM, 0);
    for (uint32_t i = 0; i < SENT; i++) /* "sent", all of them */
        assert_int_equal(zmq_send(b->dealer, message, sizeof message, 0), sizeof message);
    while (received < 10 && receive(b->router, true))
        received++;
    assert_int_equal(received, 10);
    zmq_close(b->router); /* with what it had read and nobody had taken */
    b->router = socket_of(b, ZMQ_ROUTER);
    int bound = -1;
    for (uint32_t i = 0; i < 1000 && bound != 0; i++) {
        bound = zmq_bind(b->router, b->endpoint);
        if (bound != 0)
            usleep(10000);
    }
    assert_int_equal(bound, 0);
    while (receive(b->router, true))
        received++;
    assert_true(received < SENT);
}

static void channel__loses_nothing_when_connections_are_cut(void **state)
{
    (void)state;
    for (enum link_kind kind = LINK_IPC; kind <= LINK_TCP; kind++) {
        struct rig *r = rig_new(kind);
        struct end one, two;
        uint32_t sent = 0, cut = 0;
        end_open(r, &one, "one", 1);
        end_open(r, &two, "two", 2);
        for (uint32_t round = 0; round < 5; round++) {
            struct want some = { &two, sent + 1 };
            send_numbers_of(&one, end_address(&two), sent, sent + 400, 1024);
            sent += 400;
            assert_true(rig_until(r, has_received, &some));
            cut += cut_connections(end_address(&two));
        }
        expect_received(r, &two, sent);
        assert_true(cut >= 1); /* else this has shown nothing */
        rig_run_for(r, 300000);
        assert_int_equal(two.received, sent);
        assert_int_equal(two.peers, 1);
        assert_int_equal(sl_channel_unacked_bytes(one.channel, end_address(&two)), 0);
        sl_channel_free(one.channel);
        sl_channel_free(two.channel);
        rig_free(r);
    }
}

/* ---- rel:L3 ---- */

static void zeromq__drops_at_the_high_water_mark_of_a_router(void **state)
{
    struct bare *b = (struct bare *)*state;
    enum { SENT = 1000 };
    static uint8_t message[64 << 10];
    uint32_t received = 0;
    set(b->router, ZMQ_SNDHWM, 10);
    set(b->dealer, ZMQ_RCVHWM, 10);
    bare_connect(b);
    assert_true(zmq_send(b->dealer, "hello", 5, 0) == 5 && receive(b->router, true));
    for (uint32_t i = 0; i < SENT; i++) { /* the reader is slow: it does not read */
        assert_int_equal(zmq_send(b->router, "d", 1, ZMQ_SNDMORE), 1);
        assert_int_equal(zmq_send(b->router, message, sizeof message, 0), sizeof message);
    }
    while (receive(b->dealer, false))
        received++;
    assert_in_range(received, 1, SENT - 1);
}

static void channel__delivers_what_passes_the_high_water_mark(void **state)
{
    (void)state;
    enum { SENT = 20 * SL_ZMQ_QUEUE_MESSAGES };
    for (enum link_kind kind = LINK_IPC; kind <= LINK_TCP; kind++) {
        struct rig *r = rig_new(kind);
        struct end router, client;
        int64_t refused = sl_transport_counted(SL_TRANSPORT_REFUSED);
        end_open(r, &router, "router", 1);
        end_open_at(r, &client, "client", 2); /* a name: the ROUTER answers it */
        assert_int_equal(sl_channel_greet(client.channel, end_address(&router), NULL),
                         SL_OK);
        assert_true(rig_until(r, has_peer, &router));
        send_numbers(&router, "client", 0, SENT); /* nobody reads until all are sent */
        assert_true(sl_transport_counted(SL_TRANSPORT_REFUSED) > refused);
        expect_received(r, &client, SENT);
        sl_channel_free(router.channel);
        sl_channel_free(client.channel);
        rig_free(r);
    }
}

/* ---- rel:L4 ---- */

static void zeromq__takes_messages_to_nobody(void **state)
{
    struct bare *b = (struct bare *)*state;
    bare_connect(b);
    assert_int_equal(zmq_send(b->router, "nobody", 6, ZMQ_SNDMORE), 6);
    assert_int_equal(zmq_send(b->router, "x", 1, 0), 1); /* gone, and nothing said */
    set(b->router, ZMQ_ROUTER_MANDATORY, 1);
    assert_int_equal(zmq_send(b->router, "nobody", 6, ZMQ_SNDMORE), -1);
    assert_int_equal(errno, EHOSTUNREACH);
}

static void channel__keeps_messages_to_a_peer_that_went_away(void **state)
{
    (void)state;
    for (enum link_kind kind = LINK_IPC; kind <= LINK_TCP; kind++) {
        struct rig *r = rig_new(kind);
        struct end router, client;
        end_open(r, &router, "router", 1);
        end_open_at(r, &client, "client", 2);
        assert_int_equal(sl_channel_greet(client.channel, end_address(&router), NULL),
                         SL_OK);
        assert_true(rig_until(r, has_peer, &router));
        assert_true(rig_until(r, has_peer, &client));
        assert_true(cut_connections(end_address(&router)) > 0);
        send_numbers(&router, "client", 0, 50); /* there is no connection now */
        expect_received(r, &client, 50);
        sl_channel_free(router.channel);
        sl_channel_free(client.channel);
        rig_free(r);
    }
}

/* ---- rel:L5 ---- */

/* ZeroMQ's own heartbeats are answered by its network thread, whatever the process does:
 * only packets that the loop thread of a peer sends say that it works. */
static void heard_us__stands_still_while_the_peers_loop_is_stuck(void **state)
{
    (void)state;
    struct rig *mine = rig_new(LINK_TCP), *stuck = rig_new(LINK_TCP);
    struct end one, two;
    end_open(mine, &one, "one", 1);
    end_open(stuck, &two, "two", 2);
    assert_int_equal(sl_channel_greet(one.channel, end_address(&two), NULL), SL_OK);
    for (uint32_t i = 0; i < 1000 && one.peers == 0; i++) {
        rig_run_for(stuck, 1000);
        rig_run_for(mine, 1000);
    }
    assert_int_equal(one.peers, 1);
    rig_run_for(mine, 100000); /* what was under way arrives */
    int64_t heard_us = sl_channel_heard_us(one.channel, end_address(&two));
    send_numbers(&one, end_address(&two), 0, 10);
    rig_run_for(mine, 4500000); /* longer than ZeroMQ's interval and timeout */
    assert_int_equal(one.downs, 0);
    assert_true(sl_channel_heard_us(one.channel, end_address(&two)) == heard_us);
    assert_true(sl_channel_unacked_bytes(one.channel, end_address(&two)) > 0);
    expect_received(stuck, &two, 10); /* it works again: nothing was lost */
    for (uint32_t i = 0;
         i < 1000 && sl_channel_heard_us(one.channel, end_address(&two)) == heard_us;
         i++) {
        rig_run_for(stuck, 1000);
        rig_run_for(mine, 1000);
    }
    assert_true(sl_channel_heard_us(one.channel, end_address(&two)) > heard_us);
    sl_channel_free(one.channel);
    sl_channel_free(two.channel);
    rig_free(mine);
    rig_free(stuck);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(links__need_no_draft_of_zeromq),
        T(zeromq__loses_what_it_took_when_the_peer_dies),
        T(channel__loses_nothing_when_connections_are_cut),
        T(zeromq__drops_at_the_high_water_mark_of_a_router),
        T(channel__delivers_what_passes_the_high_water_mark),
        T(zeromq__takes_messages_to_nobody),
        T(channel__keeps_messages_to_a_peer_that_went_away),
        T(heard_us__stands_still_while_the_peers_loop_is_stuck),
    };
    return cmocka_run_group_tests_name("transport/zeromq_facts", tests, NULL, NULL);
}
