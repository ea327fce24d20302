/* The promises of channel.h (CH1-CH3), each over every kind of link: in-process,
 * in-process that loses, repeats, delays and reorders, ZeroMQ by ipc and by tcp. */
#include "tests/unit/transport/link_rig.h"

#include <time.h>

#include "transport/metrics.h"

struct pair {
    struct rig *rig;
    struct end a, b;
};

static struct pair *pair_new(enum link_kind kind)
{
    struct pair *p = (struct pair *)calloc(1, sizeof *p);
    p->rig = rig_new(kind);
    end_open(p->rig, &p->a, "a", 11);
    end_open(p->rig, &p->b, "b", 22);
    return p;
}

static void pair_free(struct pair *p)
{
    sl_channel_free(p->a.channel);
    sl_channel_free(p->b.channel);
    rig_free(p->rig);
    free(p);
}

static void send__delivers_each_message_once_in_order(enum link_kind kind)
{
    struct pair *p = pair_new(kind);
    uint32_t count = kind == LINK_LOSSY ? 600 : 3000; /* each loss sends the rest again */
    send_numbers(&p->a, end_address(&p->b), 0, count);
    expect_received(p->rig, &p->b, count);
    rig_run_for(p->rig, 300000); /* nothing comes a second time */
    assert_int_equal(p->b.received, count);
    assert_int_equal(p->b.peers, 1);
    assert_int_equal(p->b.last_incarnation, 11);
    assert_int_equal(sl_channel_unacked_bytes(p->a.channel, end_address(&p->b)), 0);
    pair_free(p);
}

static void send__works_both_ways_at_once(enum link_kind kind)
{
    struct pair *p = pair_new(kind);
    send_numbers(&p->a, end_address(&p->b), 0, 500);
    send_numbers(&p->b, end_address(&p->a), 0, 500);
    expect_received(p->rig, &p->a, 500);
    expect_received(p->rig, &p->b, 500);
    pair_free(p);
}

static void send_blob__carries_large_frames_whole(enum link_kind kind)
{
    struct pair *p = pair_new(kind);
    uint32_t count = kind == LINK_LOSSY ? 12 : 40; /* more than the window */
    send_numbers_of(&p->a, end_address(&p->b), 0, count, 1 << 20);
    expect_received(p->rig, &p->b, count);
    assert_true(p->b.bytes == (uint64_t)count << 20);
    send_numbers_of(&p->a, end_address(&p->b), count, count + 1, 5000);
    expect_received(p->rig, &p->b, count + 1);
    pair_free(p);
}

static void send__is_answered_over_the_connection_the_peer_made(enum link_kind kind)
{
    struct pair *p = pair_new(kind);
    struct end client;
    p->b.echoes = true;
    end_open_at(p->rig, &client, "client-7f3a", 77); /* a name: nobody can dial it */
    send_numbers(&client, end_address(&p->b), 0, 100);
    expect_received(p->rig, &client, 100);
    assert_string_equal(p->b.last_from, "client-7f3a");
    sl_channel_free(client.channel);
    pair_free(p);
}

static void send__serves_many_peers_apart(enum link_kind kind)
{
    struct pair *p = pair_new(kind);
    struct end others[8];
    for (uint32_t i = 0; i < 8; i++) {
        char name[16];
        snprintf(name, sizeof name, "o%u", i);
        end_open(p->rig, &others[i], name, 100 + i);
    }
    for (uint32_t n = 0; n < 100; n++)
        for (uint32_t i = 0; i < 8; i++)
            send_numbers(&p->a, end_address(&others[i]), n, n + 1);
    for (uint32_t i = 0; i < 8; i++)
        expect_received(p->rig, &others[i], 100);
    for (uint32_t i = 0; i < 8; i++)
        sl_channel_free(others[i].channel);
    pair_free(p);
}

static void greet__introduces_both_ends(enum link_kind kind)
{
    struct pair *p = pair_new(kind);
    assert_int_equal(sl_channel_greet(p->a.channel, end_address(&p->b), NULL), SL_OK);
    assert_true(rig_until(p->rig, has_peer, &p->b));
    assert_true(rig_until(p->rig, has_peer, &p->a));
    assert_int_equal(p->a.last_incarnation, 22);
    assert_int_equal(p->b.last_incarnation, 11);
    assert_string_equal(p->b.last_from, end_address(&p->a));
    pair_free(p);
}

/* The receiver dies and comes back at its address. */
static void on_peer__tells_of_a_new_life_and_starts_again(enum link_kind kind)
{
    struct pair *p = pair_new(kind);
    char address[SL_ADDRESS_BYTES_MAX + 1];
    snprintf(address, sizeof address, "%s", end_address(&p->b));
    send_numbers(&p->a, address, 0, 50);
    expect_received(p->rig, &p->b, 50);
    rig_run_for(p->rig, 300000); /* acked, so that a knows b */
    sl_channel_free(p->b.channel);
    send_numbers(&p->a, address, 50, 60); /* to the dead */
    rig_run_for(p->rig, 50000);
    end_open_at(p->rig, &p->b, address, 33);
    p->a.peers = 0;
    assert_true(rig_until(p->rig, has_peer, &p->a));
    assert_int_equal(p->a.last_incarnation, 33);
    assert_int_equal(p->b.received, 0); /* what was meant for the old life is gone */
    assert_int_equal(sl_channel_unacked_bytes(p->a.channel, address), 0);
    send_numbers(&p->a, address, 0, 50);
    expect_received(p->rig, &p->b, 50);
    pair_free(p);
}

/* The sender dies and comes back. */
static void on_peer__tells_of_a_new_sender(enum link_kind kind)
{
    struct pair *p = pair_new(kind);
    char address[SL_ADDRESS_BYTES_MAX + 1];
    snprintf(address, sizeof address, "%s", end_address(&p->a));
    send_numbers(&p->a, end_address(&p->b), 0, 50);
    expect_received(p->rig, &p->b, 50);
    sl_channel_free(p->a.channel);
    end_open_at(p->rig, &p->a, address, 44);
    p->b.received = p->b.peers = 0;
    send_numbers(&p->a, end_address(&p->b), 0, 50);
    expect_received(p->rig, &p->b, 50);
    assert_int_equal(p->b.peers, 1);
    assert_int_equal(p->b.last_incarnation, 44);
    pair_free(p);
}

static void on_link__says_that_a_peer_is_gone(enum link_kind kind)
{
    struct pair *p = pair_new(kind);
    send_numbers(&p->a, end_address(&p->b), 0, 5);
    expect_received(p->rig, &p->b, 5);
    rig_run_for(p->rig, 300000);
    assert_int_equal(p->b.downs, 0);
    sl_channel_free(p->a.channel);
    assert_true(rig_until(p->rig, has_downs, &p->b));
    end_open(p->rig, &p->a, "again", 55);
    pair_free(p);
}

/* A send that finds the peer gone comes before the news of the connection. */
static void on_link__says_that_a_peer_is_gone_to_who_is_sending(enum link_kind kind)
{
    struct pair *p = pair_new(kind);
    const struct timespec pause = { .tv_nsec = 50000000 };
    char address[SL_ADDRESS_BYTES_MAX + 1];
    send_numbers(&p->a, end_address(&p->b), 0, 5);
    expect_received(p->rig, &p->b, 5);
    rig_run_for(p->rig, 300000);
    snprintf(address, sizeof address, "%s", end_address(&p->a));
    sl_channel_free(p->a.channel);
    nanosleep(&pause, NULL); /* the link knows, the loop has not run */
    send_numbers(&p->b, address, 0, 3);
    assert_true(rig_until(p->rig, has_downs, &p->b));
    rig_run_for(p->rig, 300000);
    assert_int_equal(p->b.downs, 1);
    end_open(p->rig, &p->a, "again", 55);
    pair_free(p);
}

static void send__to_nobody_is_kept_until_somebody_is_there(enum link_kind kind)
{
    struct pair *p = pair_new(kind);
    struct end late;
    char address[SL_ADDRESS_BYTES_MAX + 1];
    if (kind == LINK_TCP) { /* a port that is free now */
        end_open(p->rig, &late, "late", 1);
        snprintf(address, sizeof address, "%s", end_address(&late));
        sl_channel_free(late.channel);
    } else {
        rig_address(p->rig, "late", address);
    }
    send_numbers(&p->a, address, 0, 20);
    rig_run_for(p->rig, 100000);
    end_open_at(p->rig, &late, address, 66);
    expect_received(p->rig, &late, 20);
    sl_channel_free(late.channel);
    pair_free(p);
}

/* CH3: what cannot be delivered is bounded, refused loudly, and there is room again. */
static void send__is_refused_over_the_limit_and_room_is_told(enum link_kind kind)
{
    struct pair *p = pair_new(kind);
    struct end late;
    char address[SL_ADDRESS_BYTES_MAX + 1];
    uint32_t sent = 0;
    sl_error err;
    end_open(p->rig, &late, "late", 1);
    snprintf(address, sizeof address, "%s", end_address(&late));
    sl_channel_free(late.channel);
    sl_blob *b = numbered(0, 8 << 20);
    while (sl_channel_send_blob(p->a.channel, address, b, &err) == SL_OK)
        sent++;
    assert_int_equal(err.code, SL_EAGAIN);
    assert_int_equal(sent, 31); /* shared, so the test needs no 256 MiB */
    assert_true(sl_channel_unacked_bytes(p->a.channel, address) <=
                SL_CHANNEL_UNACKED_MAX);
    sl_blob_unref(b);
    p->rig->loss_percent = 0;
    end_open_at(p->rig, &late, address, 66);
    assert_true(rig_until(p->rig, has_rooms, &p->a));
    struct want all = { &late, sent };
    assert_true(rig_until(p->rig, has_received, &all));
    assert_int_equal(late.received, sent);
    sl_channel_free(late.channel);
    pair_free(p);
}

static void drop_peer__forgets_what_was_unsent(enum link_kind kind)
{
    struct pair *p = pair_new(kind);
    send_numbers(&p->a, end_address(&p->b), 0, 10);
    expect_received(p->rig, &p->b, 10);
    rig_run_for(p->rig, 300000);
    char nowhere[SL_ADDRESS_BYTES_MAX + 1];
    struct end late;
    end_open(p->rig, &late, "late", 1);
    snprintf(nowhere, sizeof nowhere, "%s", end_address(&late));
    sl_channel_free(late.channel);
    send_numbers(&p->a, nowhere, 0, 10);
    sl_channel_drop_peer(p->a.channel, nowhere);
    assert_int_equal(sl_channel_unacked_bytes(p->a.channel, nowhere), 0);
    rig_run_for(p->rig, 300000);
    send_numbers(&p->a, end_address(&p->b), 10, 20); /* others are not touched */
    expect_received(p->rig, &p->b, 20);
    pair_free(p);
}

#define EACH(name)                                                                       \
    static void name##__local(void **s)                                                  \
    {                                                                                    \
        (void)s;                                                                         \
        name(LINK_LOCAL);                                                                \
    }                                                                                    \
    static void name##__lossy(void **s)                                                  \
    {                                                                                    \
        (void)s;                                                                         \
        name(LINK_LOSSY);                                                                \
    }                                                                                    \
    static void name##__ipc(void **s)                                                    \
    {                                                                                    \
        (void)s;                                                                         \
        name(LINK_IPC);                                                                  \
    }                                                                                    \
    static void name##__tcp(void **s)                                                    \
    {                                                                                    \
        (void)s;                                                                         \
        name(LINK_TCP);                                                                  \
    }
#define RUN(name)                                                                        \
    cmocka_unit_test(name##__local), cmocka_unit_test(name##__lossy),                    \
        cmocka_unit_test(name##__ipc), cmocka_unit_test(name##__tcp)

EACH(send__delivers_each_message_once_in_order)
EACH(send__works_both_ways_at_once)
EACH(send_blob__carries_large_frames_whole)
EACH(send__is_answered_over_the_connection_the_peer_made)
EACH(send__serves_many_peers_apart)
EACH(greet__introduces_both_ends)
EACH(on_peer__tells_of_a_new_life_and_starts_again)
EACH(on_peer__tells_of_a_new_sender)
EACH(on_link__says_that_a_peer_is_gone)
EACH(on_link__says_that_a_peer_is_gone_to_who_is_sending)
EACH(send__to_nobody_is_kept_until_somebody_is_there)
EACH(send__is_refused_over_the_limit_and_room_is_told)
EACH(drop_peer__forgets_what_was_unsent)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(send__delivers_each_message_once_in_order),
        RUN(send__works_both_ways_at_once),
        RUN(send_blob__carries_large_frames_whole),
        RUN(send__is_answered_over_the_connection_the_peer_made),
        RUN(send__serves_many_peers_apart),
        RUN(greet__introduces_both_ends),
        RUN(on_peer__tells_of_a_new_life_and_starts_again),
        RUN(on_peer__tells_of_a_new_sender),
        RUN(on_link__says_that_a_peer_is_gone),
        RUN(on_link__says_that_a_peer_is_gone_to_who_is_sending),
        RUN(send__to_nobody_is_kept_until_somebody_is_there),
        RUN(send__is_refused_over_the_limit_and_room_is_told),
        RUN(drop_peer__forgets_what_was_unsent),
    };
    return cmocka_run_group_tests_name("transport/links", tests, NULL, NULL);
}
