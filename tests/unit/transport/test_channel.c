/* Unit tests of transport/: channels over a link that loses, repeats, delays and
 * reorders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "transport/channel.h"
#include "transport/channel_head_private.h"

#define MESSAGES 200u

struct end {
    sl_channel *channel;
    uint32_t received;
    uint32_t peers;
    bool out_of_order;
};

struct fixture {
    sl_fs_virtual *fs;
    sl_host *host;
    sl_local_network *network;
    struct end a, b;
    uint64_t random;
    uint32_t loss_percent;
};

static int64_t no_time(void *user)
{
    (void)user;
    return 0;
}

static void on_message(void *user, const char *from, uint64_t incarnation, sl_blob *frame)
{
    struct end *e = (struct end *)user;
    uint32_t number;
    (void)from;
    (void)incarnation;
    memcpy(&number, frame->data, sizeof number);
    if (number != e->received)
        e->out_of_order = true;
    e->received++;
}

static void on_peer(void *user, const char *from, uint64_t incarnation)
{
    (void)from;
    (void)incarnation;
    ((struct end *)user)->peers++;
}

static uint64_t next_random(struct fixture *f)
{
    f->random ^= f->random << 13;
    f->random ^= f->random >> 7;
    f->random ^= f->random << 17;
    return f->random;
}

static uint32_t faulty(void *user, const char *from, const char *to,
                       int64_t *ret_delay_us)
{
    struct fixture *f = (struct fixture *)user;
    (void)from;
    (void)to;
    uint32_t draw = (uint32_t)(next_random(f) % 100);
    uint32_t copies = draw < f->loss_percent ? 0 : draw > 90 ? 2 : 1;
    for (uint32_t i = 0; i < copies; i++)
        ret_delay_us[i] = (int64_t)(next_random(f) % 5000);
    return copies;
}

static void open_end(struct fixture *f, struct end *e, const char *address,
                     uint64_t incarnation)
{
    sl_channel_callbacks callbacks = { .on_message = on_message,
                                       .on_peer = on_peer,
                                       .user = e };
    *e = (struct end){ 0 };
    assert_int_equal(sl_channel_new(f->host, sl_local_network_of(f->network), address,
                                    incarnation, callbacks, &e->channel, NULL),
                     SL_OK);
}

static int set_up(void **state)
{
    struct fixture *f = (struct fixture *)calloc(1, sizeof *f);
    f->fs = sl_fs_virtual_new(no_time, NULL);
    f->host =
        sl_host_virtual_new(1, 0, sl_fs_virtual_fs(f->fs), (sl_host_virtual_hooks){ 0 });
    f->network = sl_local_network_new();
    f->random = 88172645463325252u;
    open_end(f, &f->a, "a", 11);
    open_end(f, &f->b, "b", 22);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    sl_channel_free(f->a.channel);
    sl_channel_free(f->b.channel);
    sl_local_network_free(f->network);
    sl_host_free(f->host);
    sl_fs_virtual_free(f->fs);
    free(f);
    return 0;
}

static void send_numbers(struct fixture *f, struct end *from, const char *to,
                         uint32_t begin, uint32_t end)
{
    for (uint32_t i = begin; i < end; i++)
        assert_int_equal(
            sl_channel_send(from->channel, to, sl_span_of(&i, sizeof i), NULL), SL_OK);
    sl_host_virtual_advance(f->host, 100);
}

static void send__delivers_in_order_over_a_good_link(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    send_numbers(f, &f->a, "b", 0, MESSAGES);
    assert_int_equal(f->b.received, MESSAGES);
    assert_false(f->b.out_of_order);
    assert_int_equal(f->b.peers, 1);
}

static void send__delivers_once_and_in_order_over_a_bad_link(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    for (f->loss_percent = 0; f->loss_percent <= 60; f->loss_percent += 20) {
        f->a.received = f->b.received = 0;
        sl_link_faults faults = { .copies = faulty, .user = f };
        sl_local_network_set_faults(f->network, faults);
        send_numbers(f, &f->a, "b", 0, MESSAGES);
        send_numbers(f, &f->b, "a", 0, MESSAGES);
        sl_host_virtual_advance(f->host, INT64_C(600000000));
        assert_int_equal(f->b.received, MESSAGES);
        assert_int_equal(f->a.received, MESSAGES);
        assert_false(f->a.out_of_order || f->b.out_of_order);
    }
}

static void on_peer__tells_of_a_new_incarnation(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    send_numbers(f, &f->a, "b", 0, 5);
    sl_host_virtual_advance(f->host, 1000000);
    sl_channel_free(f->b.channel);
    open_end(f, &f->b, "b", 33);
    uint32_t zero = 0;
    assert_int_equal(
        sl_channel_send(f->b.channel, "a", sl_span_of(&zero, sizeof zero), NULL), SL_OK);
    sl_host_virtual_advance(f->host, 1000000);
    assert_int_equal(f->a.peers, 2);
    assert_int_equal(f->a.received, 1);
    send_numbers(f, &f->a, "b", 0, 5); /* a conversation of its own, from the start */
    sl_host_virtual_advance(f->host, 1000000);
    assert_int_equal(f->b.received, 5);
    assert_false(f->b.out_of_order);
}

static void send__to_nobody_is_kept_until_somebody_is_there(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct end late;
    send_numbers(f, &f->a, "late", 0, 3);
    open_end(f, &late, "late", 44);
    sl_host_virtual_advance(f->host, 2000000);
    assert_int_equal(late.received, 3);
    sl_channel_free(late.channel);
}

/* As much may wait whenever one looks, while all of it moves. */
static void taken_us__moves_as_long_as_the_peer_takes(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    size_t waits = 0;
    assert_int_equal(sl_channel_taken_us(f->a.channel, "b"), sl_host_mono_us(f->host));
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(
            sl_channel_send(f->a.channel, "b", sl_span_of(&i, sizeof i), NULL), SL_OK);
        size_t now_waits = sl_channel_unacked_bytes(f->a.channel, "b");
        assert_true(now_waits > 0 && (i == 0 || now_waits == waits));
        waits = now_waits;
        assert_true(sl_host_mono_us(f->host) - sl_channel_taken_us(f->a.channel, "b") <=
                    30000);
        sl_host_virtual_advance(f->host, 30000);
    }
    send_numbers(f, &f->a, "nobody", 0, 1);
    sl_host_virtual_advance(f->host, 3000000);
    send_numbers(f, &f->a, "nobody", 1, 2);
    assert_true(sl_host_mono_us(f->host) - sl_channel_taken_us(f->a.channel, "nobody") >=
                3000000);
}

/* A link on which nothing can be sent: the peer is gone, and nobody says so. */
struct deaf_port {
    sl_port port;
    sl_port_callbacks callbacks;
    uint32_t refused;
};

static struct deaf_port deaf;

static sl_code refuse(sl_port *p, const char *to, uint64_t incarnation,
                      const uint8_t *head, sl_blob *body, sl_error *err)
{
    (void)p;
    (void)incarnation;
    (void)head;
    (void)body;
    deaf.refused++;
    return sl_fail(err, SL_EAGAIN, "%s cannot be reached", to);
}

static void forget_nothing(sl_port *p, const char *to)
{
    (void)p;
    (void)to;
}

static void close_nothing(sl_port *p)
{
    (void)p;
}

static sl_code open_deaf(sl_network *n, sl_host *host, const char *address,
                         uint64_t incarnation, sl_port_callbacks callbacks, sl_port **ret,
                         sl_error *err)
{
    static const sl_port_class class = { refuse, forget_nothing, close_nothing };
    (void)n;
    (void)host;
    (void)incarnation;
    (void)err;
    deaf = (struct deaf_port){ { &class, address }, callbacks, 0 };
    *ret = &deaf.port;
    return SL_OK;
}

/* Message 1 of a client that ended without waiting for the ack. */
static void hear_from_gone(void)
{
    uint8_t bytes[SL_LINK_HEAD_BYTES];
    uint32_t number = 0;
    sl_blob *body = sl_blob_copy(sl_span_of(&number, sizeof number));
    sl_channel_head h = { .sender = 7,
                          .sequence = 1,
                          .body_bytes = sizeof number,
                          .body_crc = sl_crc32c(0, body->data, body->size_bytes) };
    sl_channel__write_head(&h, bytes);
    deaf.callbacks.receive(deaf.callbacks.user, "client", 7, bytes, body);
    sl_blob_unref(body);
}

static void ack__to_a_peer_that_is_gone_is_not_tried_for_ever(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    sl_network network = { open_deaf };
    sl_channel_callbacks callbacks = { .on_message = on_message, .user = &f->a };
    sl_channel *c;
    f->a.received = 0;
    assert_int_equal(sl_channel_new(f->host, &network, "d", 5, callbacks, &c, NULL),
                     SL_OK);
    hear_from_gone();
    assert_int_equal(f->a.received, 1);
    sl_host_virtual_advance(f->host, 60 * INT64_C(1000000));
    assert_int_equal(deaf.refused, 1);
    hear_from_gone(); /* it lives, and asks again for the ack that it never got */
    sl_host_virtual_advance(f->host, 60 * INT64_C(1000000));
    assert_int_equal(f->a.received, 1);
    assert_int_equal(deaf.refused, 2);
    deaf.callbacks.event(deaf.callbacks.user, "client", 7, SL_LINK_WRITABLE);
    assert_int_equal(deaf.refused, 3); /* still owed */
    deaf.callbacks.event(deaf.callbacks.user, "client", 7, SL_LINK_DOWN);
    deaf.callbacks.event(deaf.callbacks.user, "client", 7, SL_LINK_UP);
    assert_int_equal(deaf.refused, 3); /* what it misses it will send again */
    sl_channel_free(c);
}

/* Blocks of a shuffle have no checksum but this. */
static void receive__drops_a_message_with_any_bit_flipped(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    sl_network network = { open_deaf };
    sl_channel_callbacks callbacks = { .on_message = on_message, .user = &f->a };
    sl_channel *c;
    uint8_t whole[SL_LINK_HEAD_BYTES + 4] = { 0 }, *body = whole + SL_LINK_HEAD_BYTES;
    f->a.received = 0;
    assert_int_equal(sl_channel_new(f->host, &network, "d", 5, callbacks, &c, NULL),
                     SL_OK);
    sl_channel_head h = {
        .sender = 7, .sequence = 1, .body_bytes = 4, .body_crc = sl_crc32c(0, body, 4)
    };
    sl_channel__write_head(&h, whole);
    for (uint32_t bit = 0; bit <= 8 * sizeof whole; bit++) {
        bool is_whole = bit == 8 * sizeof whole;
        if (!is_whole)
            whole[bit / 8] ^= (uint8_t)(1u << bit % 8);
        sl_blob *b = sl_blob_copy(sl_span_of(body, 4));
        deaf.callbacks.receive(deaf.callbacks.user, "client", 7, whole, b);
        sl_blob_unref(b);
        assert_int_equal(f->a.received, is_whole ? 1 : 0);
        if (!is_whole)
            whole[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    sl_channel_free(c);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(send__delivers_in_order_over_a_good_link),
        T(send__delivers_once_and_in_order_over_a_bad_link),
        T(on_peer__tells_of_a_new_incarnation),
        T(send__to_nobody_is_kept_until_somebody_is_there),
        T(taken_us__moves_as_long_as_the_peer_takes),
        T(ack__to_a_peer_that_is_gone_is_not_tried_for_ever),
        T(receive__drops_a_message_with_any_bit_flipped),
    };
    return cmocka_run_group_tests_name("transport/channel", tests, NULL, NULL);
}
