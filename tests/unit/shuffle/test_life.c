/* Attempts and peers come and go while exchanges of two and three processes talk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/shuffle/shuffle_world.h"

static void on_peer_lost__fails_the_attempt_with_lost(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *w = world_new(3, seed, 10, seed % 2 == 0);
        sl_error err = { 0 };
        w->ordered = seed % 4 < 2;
        w->chunks = 1000;
        w->credit = 1 << 14;
        open_exchanges(w);
        for (uint32_t i = 0; i < 3000 + seed * 100; i++)
            assert_int_equal(run_step(w, &err), SL_OK);
        sl_exchange_abort(w->nodes[2].exchange);
        node_close(&w->nodes[2]);
        for (uint32_t i = 0; i < 2; i++) {
            sl_shuffle_on_peer_lost(w->nodes[i].shuffle, "w2", 102);
            sl_exchange_answer answer;
            sl_chunk *c = NULL;
            assert_int_equal(sl_exchange_pull(w->nodes[i].exchange, i, &answer, &c, &err),
                             SL_ELOST);
            assert_non_null(strstr(err.text, "w2"));
            assert_int_equal(sl_code_kind(err.code), SL_KIND_RETRY);
            assert_int_equal(stats_of(&w->nodes[i]).queued_bytes, 0);
        }
        sl_host_virtual_advance(w->host, 1000);
        assert_int_equal(w->nodes[0].failures, 1);
        assert_int_equal(w->nodes[1].failures, 1);
        world_free(w);
    }
}

static void on_peer__fails_what_rests_on_the_earlier_life(void **state)
{
    (void)state;
    struct world *w = world_new(2, 1, 0, false);
    open_exchanges(w);
    sl_shuffle_on_peer(w->nodes[0].shuffle, "w1", 101);
    sl_host_virtual_advance(w->host, 1000);
    assert_int_equal(w->nodes[0].failures, 0);
    sl_shuffle_on_peer(w->nodes[0].shuffle, "w1", 999);
    sl_host_virtual_advance(w->host, 1000);
    assert_int_equal(w->nodes[0].failures, 1);
    assert_int_equal(w->nodes[0].failure.code, SL_ELOST);
    world_free(w);
}

static void abort__frees_what_came_and_what_waits(void **state)
{
    (void)state;
    struct world *w = world_new(2, 5, 0, true);
    sl_error err = { 0 };
    w->ordered = true;
    w->chunks = 1000;
    w->rows = 4000;
    w->credit = 1 << 16;
    w->pull_one_in = 1000;
    open_exchanges(w);
    for (uint32_t i = 0; i < 20000; i++)
        assert_int_equal(run_step(w, &err), SL_OK);
    assert_true(atomic_load(&w->nodes[0].exchange->received_queued) > 0);
    for (uint32_t i = 0; i < 2; i++) {
        sl_exchange_abort(w->nodes[i].exchange);
        assert_true(atomic_load(&w->nodes[i].exchange->received_queued) == 0);
    }
    sl_chunk *c = make_chunk(1, 1);
    sl_exchange_answer answer;
    assert_int_equal(sl_exchange_push(w->nodes[0].exchange, 0, 1, c, &answer, &err),
                     SL_ECANCELLED);
    sl_chunk_unref(c);
    world_free(w); /* the sanitizer sees the rest */
}

/* Worker 1 still sends for attempt 1 when worker 0 is at attempt 2. */
static void on_message__drops_blocks_of_an_older_attempt(void **state)
{
    (void)state;
    struct world *w = world_new(2, 9, 0, false);
    sl_error err = { 0 };
    open_exchanges(w);
    for (uint32_t i = 0; i < 200; i++)
        assert_int_equal(run_step(w, &err), SL_OK);
    int64_t before = sl_shuffle_counted(SL_SHUFFLE_METRIC_STALE);
    sl_exchange_abort(w->nodes[0].exchange);
    sl_exchange_free(w->nodes[0].exchange);
    exchange_open(w, 0, 2);
    for (uint32_t p = 1; p < PRODUCERS; p += 2)
        while (!w->ended[p])
            assert_int_equal(run_producer(w, p, &err), SL_OK);
    sl_host_virtual_advance(w->host, 2000000);
    assert_true(sl_shuffle_counted(SL_SHUFFLE_METRIC_STALE) > before);
    assert_int_equal(stats_of(&w->nodes[0]).received_blocks, 0);
    world_free(w);
}

/* Node 0 is told of its task, and produces, a second before node 1. */
static void run_with_a_late_peer(struct world *w, uint32_t attempt)
{
    sl_error err;
    exchange_open(w, 0, attempt);
    for (uint32_t p = 0; p < PRODUCERS; p += 2)
        assert_int_equal(run_producer(w, p, &err), SL_OK);
    sl_host_virtual_advance(w->host, 1000000);
    exchange_open(w, 1, attempt);
    run_to_end(w);
    check_rows(w);
}

/* The driver tells one worker later than the other. */
static void ask__is_remembered_until_the_exchange_is_made(void **state)
{
    (void)state;
    struct world *w = world_new(2, 3, 0, false);
    run_with_a_late_peer(w, 1);
    world_free(w);
}

static void begin_anew(struct world *w)
{
    memset(w->pushed, 0, sizeof w->pushed);
    memset(w->ended, 0, sizeof w->ended);
    memset(w->at_end, 0, sizeof w->at_end);
    memset(w->rows_of, 0, sizeof w->rows_of);
    memset(w->got_count, 0, sizeof w->got_count);
}

/* The driver names a new life that was not heard yet: what is sent first is addressed to
 * the life before. */
static void ask__reaches_a_peer_that_came_back_unheard(void **state)
{
    (void)state;
    struct world *w = world_new(2, 3, 0, false);
    open_exchanges(w);
    run_to_end(w);
    sl_exchange_free(w->nodes[0].exchange);
    node_close(&w->nodes[1]);
    sl_host_virtual_advance(w->host, 1000000);
    node_open(w, 1, false);
    begin_anew(w);
    run_with_a_late_peer(w, 2);
    world_free(w);
}

static void end__of_no_rows_waits_for_a_peer_that_opens_late(void **state)
{
    (void)state;
    struct world *w = world_new(2, 3, 0, false);
    w->chunks = 0;
    run_with_a_late_peer(w, 1);
    world_free(w);
}

/* What a peer sends before its TASK came here is bounded, and no row is lost in silence.
 */
static void early__that_is_too_much_fails_the_attempt(void **state)
{
    (void)state;
    struct world *w = world_new(2, 3, 0, false);
    const size_t size = SL_SHUFFLE_BLOCK_BYTES_MAX;
    uint8_t *bytes = calloc(1, size);
    for (uint32_t i = 0; i < 70; i++)
        give(w,
             (sl_shuffle_head){ .kind = SL_SHUFFLE_BLOCK,
                                .producer = 1,
                                .index = i,
                                .rows = 1,
                                .bytes = size },
             sl_span_of(bytes, size));
    free(bytes);
    exchange_open(w, 0, 1);
    sl_host_virtual_advance(w->host, 1000);
    assert_int_equal(w->nodes[0].failures, 1);
    assert_int_equal(w->nodes[0].failure.code, SL_ELOST);
    sl_exchange_free(w->nodes[0].exchange);
    exchange_open(w, 0, 2); /* the next try has nothing to do with it */
    sl_host_virtual_advance(w->host, 1000);
    assert_int_equal(w->nodes[0].failures, 1);
    world_free(w);
}

static void early__of_a_run_or_peer_that_is_over_is_forgotten(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        struct world *w = world_new(2, 3, 0, false);
        sl_bytes chunk = chunk_bytes();
        give_block(w, 0, &chunk);
        sl_bytes_deinit(&chunk);
        if (i == 0)
            sl_shuffle_forget_run(w->nodes[0].shuffle, 42);
        else if (i == 1)
            sl_shuffle_on_peer_lost(w->nodes[0].shuffle, "w1", 101);
        exchange_open(w, 0, 1);
        assert_int_equal(stats_of(&w->nodes[0]).received_blocks, i == 2 ? 1 : 0);
        world_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_peer_lost__fails_the_attempt_with_lost),
        cmocka_unit_test(on_peer__fails_what_rests_on_the_earlier_life),
        cmocka_unit_test(abort__frees_what_came_and_what_waits),
        cmocka_unit_test(on_message__drops_blocks_of_an_older_attempt),
        cmocka_unit_test(ask__is_remembered_until_the_exchange_is_made),
        cmocka_unit_test(ask__reaches_a_peer_that_came_back_unheard),
        cmocka_unit_test(end__of_no_rows_waits_for_a_peer_that_opens_late),
        cmocka_unit_test(early__that_is_too_much_fails_the_attempt),
        cmocka_unit_test(early__of_a_run_or_peer_that_is_over_is_forgotten),
    };
    return cmocka_run_group_tests_name("shuffle/life", tests, NULL, NULL);
}
