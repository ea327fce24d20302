/* What flows between exchanges of two and three processes: every row once, bounded by
 * credit, spilled where order needs it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/shuffle/shuffle_world.h"

static void pull__gets_every_row_once_whatever_the_link_does(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world *w = world_new(2 + seed % 2, seed, seed % 3 == 0 ? 15 : 0, false);
        w->ordered = seed % 4 < 2;
        w->credit = seed % 5 == 0 ? 1 : 1 << 20;
        if (seed % 7 < 4)
            greet_all(w);
        open_exchanges(w);
        run_to_end(w);
        check_rows(w);
        world_free(w);
    }
}

/* A target holds at most a window of each peer and a block more, whatever is pushed. */
static void pull__bounds_what_is_received_by_credit(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct world *w = world_new(2 + seed % 2, seed, 0, false);
        w->ordered = seed % 2 == 0;
        w->rows = 16000; /* blocks of up to 128,000 bytes */
        w->chunks = 30;
        w->credit = 200000;
        w->pull_one_in = 40;
        if (seed % 3 == 0)
            greet_all(w);
        open_exchanges(w);
        run_to_end(w);
        check_rows(w);
        for (uint32_t i = 0; i < w->workers; i++) {
            sl_exchange_stats s = stats_of(&w->nodes[i]);
            int64_t senders = w->workers - 1,
                    targets = (TARGETS + w->workers - 1) / w->workers;
            int64_t window = w->nodes[i].exchange->window_bytes;
            int64_t block = 16000 * 8 + 64;
            /* ordered: one more block that was wanted */
            int64_t bound = targets * (senders * (window + block) + block);
            assert_true(s.received_queued_peak > 0);
            assert_true(s.received_queued_peak <= bound);
            assert_true(s.blocked_pushes > 0);
        }
        world_free(w);
    }
}

/* What of node `from` is queued at the targets of the others. */
static int64_t queued_of(const struct world *w, uint32_t from)
{
    int64_t bytes = 0;
    for (uint32_t i = 0; i < w->workers; i++) {
        const sl_exchange *x = w->nodes[i].exchange;
        for (uint32_t t = 0; t < TARGETS && i != from; t++)
            if (x->targets[t].senders != NULL)
                bytes += x->targets[t].senders[from < i ? from : from - 1].queued_bytes;
    }
    return bytes;
}

static bool has_sent_all(const struct world *w, uint32_t node)
{
    for (uint32_t p = node; p < PRODUCERS; p += w->workers)
        if (!w->ended[p])
            return false;
    return sl_exchange__owes_nothing(w->nodes[node].exchange);
}

/* A block is counted where it was sent until its target has consumed it, but for what is
 * left when all is sent; and where it came until then. */
static void in_flight__is_what_was_sent_and_not_consumed(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct world *w = world_new(3, seed, seed % 2 == 0 ? 10 : 0, false);
        sl_error err = { 0 };
        uint64_t seen = 0;
        w->ordered = seed % 3 == 0;
        w->rows = 4000;
        w->credit = 100000;
        w->pull_one_in = 20;
        open_exchanges(w);
        for (uint32_t i = 0; i < STEPS_MAX && !is_done(w); i++) {
            assert_int_equal(run_step(w, &err), SL_OK);
            for (uint32_t n = 0; n < w->workers; n++) {
                sl_shuffle_flight f;
                int64_t queued = atomic_load(&w->nodes[n].exchange->received_queued);
                sl_shuffle_in_flight(w->nodes[n].shuffle, &f);
                assert_true(f.received_bytes == queued);
                if (has_sent_all(w, n))
                    assert_true(f.sent_bytes == 0);
                else
                    assert_true(f.sent_bytes >= queued_of(w, n));
                seen += f.sent_bytes > 0 && queued > 0;
            }
        }
        assert_true(is_done(w));
        assert_true(seen > 100);
        for (uint32_t n = 0; n < w->workers; n++) {
            sl_shuffle_flight f;
            sl_shuffle_in_flight(w->nodes[n].shuffle, &f);
            assert_true(f.sent_bytes == 0 && f.received_bytes == 0);
        }
        world_free(w);
    }
}

static void in_flight__of_an_attempt_that_was_given_up_is_nothing(void **state)
{
    (void)state;
    struct world *w = world_new(2, 5, 0, false);
    sl_error err = { 0 };
    sl_shuffle_flight f;
    w->rows = 4000;
    w->credit = 1 << 16;
    w->pull_one_in = 100000;
    open_exchanges(w);
    for (uint32_t i = 0; i < 20000; i++)
        assert_int_equal(run_step(w, &err), SL_OK);
    sl_shuffle_in_flight(w->nodes[0].shuffle, &f);
    assert_true(f.sent_bytes > 0 && f.received_bytes > 0);
    for (uint32_t i = 0; i < 2; i++) {
        sl_exchange_abort(w->nodes[i].exchange);
        sl_shuffle_in_flight(w->nodes[i].shuffle, &f);
        assert_true(f.sent_bytes == 0 && f.received_bytes == 0);
    }
    world_free(w);
}

static void push__spills_later_producers_of_an_ordered_target(void **state)
{
    (void)state;
    uint64_t spilled = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *w = world_new(2 + seed % 2, seed, seed % 2 == 0 ? 10 : 0, true);
        w->ordered = true;
        w->rows = 4000;
        w->credit = 1;
        w->pull_one_in = 20;
        open_exchanges(w);
        run_to_end(w);
        check_rows(w);
        for (uint32_t i = 0; i < w->workers; i++)
            spilled += stats_of(&w->nodes[i]).spilled_blocks;
        world_free(w);
    }
    assert_true(spilled > 100);
}

/* The worker is done with the batch and frees it while blocks wait for credit. */
static void free__still_delivers_what_was_pushed(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *w = world_new(2, seed, seed % 2 == 0 ? 20 : 0, true);
        sl_error err = { 0 };
        w->ordered = true;
        w->rows = 4000;
        w->credit = 1;
        open_exchanges(w);
        for (uint32_t i = 0; i < STEPS_MAX && !is_done(w); i++) {
            struct node *n = &w->nodes[0];
            bool all = !n->gone;
            for (uint32_t p = 0; p < PRODUCERS; p += 2)
                all = all && w->ended[p];
            for (uint32_t t = 0; t < TARGETS; t += 2)
                all = all && w->at_end[t];
            if (all && n->exchange != NULL) {
                sl_exchange_free(n->exchange);
                n->exchange = NULL;
            }
            assert_int_equal(run_step(w, &err), SL_OK);
        }
        assert_true(is_done(w));
        check_rows(w);
        world_free(w);
    }
}

/* Credits that node 1 has heard after its producers pushed chunks of 8,000 rows and node
 * 0 pulled what came, each at once. */
static uint32_t credits_heard(uint32_t chunks, int64_t credit, uint64_t *ret_bytes)
{
    struct world *w = world_new(2, 5, 0, false);
    sl_error err;
    w->chunks = chunks;
    w->rows = 8000;
    w->credit = credit;
    open_exchanges(w);
    for (uint32_t i = 0; i < (chunks + 1) * PRODUCERS; i++) {
        for (uint32_t p = 1; p < PRODUCERS; p += 2)
            assert_int_equal(run_producer(w, p, &err), SL_OK);
        sl_host_virtual_advance(w->host, 100000);
        for (uint32_t t = 0; t < TARGETS; t += 2)
            while (w->nodes[0].target_runs[t])
                assert_int_equal(run_target(w, t, &err), SL_OK);
    }
    uint32_t credits = w->nodes[1].heard[SL_SHUFFLE_CREDIT];
    *ret_bytes = atomic_load(&w->nodes[0].exchange->received_bytes);
    run_to_end(w);
    check_rows(w);
    world_free(w);
    return credits;
}

static void pull__tells_credit_by_the_quarter_of_a_window(void **state)
{
    uint64_t bytes;
    (void)state;
    assert_int_equal(credits_heard(3, 16 << 20, &bytes), 0);
    assert_true(bytes > 10000);
    uint32_t credits = credits_heard(200, 1 << 20, &bytes);
    assert_true(credits > 0 && credits <= bytes / (1 << 18));
}

static void push__cuts_a_large_chunk_into_blocks(void **state)
{
    (void)state;
    struct world *w = world_new(2, 1, 0, false);
    sl_type const *text = sl_type_of(SL_TYPE_STRING);
    w->field.type = text;
    w->credit = 64 << 20;
    open_exchanges(w);
    sl_host_virtual_advance(w->host, 1000);
    sl_chunk_builder builder;
    sl_error err;
    assert_int_equal(sl_chunk_builder_init(&builder, &w->schema, 1000, NULL, &err),
                     SL_OK);
    char row[5000];
    memset(row, 'x', sizeof row);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(
            sl_column_builder_string(&builder.columns[0], row, sizeof row, &err), SL_OK);
    sl_chunk *c = sl_chunk_builder_finish(&builder, 1000);
    sl_chunk_builder_deinit(&builder);
    sl_exchange_answer answer;
    assert_int_equal(sl_exchange_push(w->nodes[1].exchange, 1, 0, c, &answer, &err),
                     SL_OK);
    assert_int_equal(answer, SL_EXCHANGE_BLOCKED); /* it has to ask */
    w->nodes[1].producer_runs[1] = false;
    sl_host_virtual_advance(w->host, 1000000);
    assert_true(w->nodes[1].producer_runs[1]);
    assert_int_equal(sl_exchange_push(w->nodes[1].exchange, 1, 0, c, &answer, &err),
                     SL_OK);
    assert_int_equal(answer, SL_EXCHANGE_TAKEN);
    assert_int_equal(sl_exchange_end(w->nodes[1].exchange, 1, 1000, 1, &err), SL_OK);
    sl_chunk_unref(c);
    sl_host_virtual_advance(w->host, 1000000);
    sl_exchange_stats s = stats_of(&w->nodes[0]);
    assert_true(s.received_blocks >= 5);
    assert_true(s.received_bytes / s.received_blocks <= SL_SHUFFLE_BLOCK_BYTES_MAX);
    uint32_t rows = 0;
    for (;;) {
        assert_int_equal(sl_exchange_pull(w->nodes[0].exchange, 0, &answer, &c, &err),
                         SL_OK);
        if (answer != SL_EXCHANGE_CHUNK)
            break;
        rows += c->selected;
        sl_chunk_unref(c);
    }
    assert_int_equal(rows, 1000);
    assert_int_equal(w->nodes[0].failures, 0);
    world_free(w);
}

/* Producers of node 1 push chunks of so many rows at their targets and end. */
static void produce(struct world *w, uint32_t chunks, uint32_t rows)
{
    sl_error err;
    w->chunks = chunks;
    w->rows = rows;
    for (uint32_t p = 1; p < PRODUCERS; p += 2)
        while (!w->ended[p] && w->nodes[1].producer_runs[p])
            assert_int_equal(run_producer(w, p, &err), SL_OK);
    sl_host_virtual_advance(w->host, 1000000);
}

static void push__of_a_little_needs_no_answer(void **state)
{
    (void)state;
    struct world *w = world_new(2, 5, 0, false);
    greet_all(w);
    exchange_open(w, 1, 1);
    produce(w, 5, 100);
    assert_true(w->ended[1] && w->ended[3] && w->ended[5]);
    exchange_open(w, 0, 1); /* what came is kept until then */
    run_to_end(w);
    check_rows(w);
    assert_int_equal(w->nodes[0].heard[SL_SHUFFLE_ASK], 0);
    assert_int_equal(w->nodes[1].heard[SL_SHUFFLE_OPEN], 0);
    assert_int_equal(w->nodes[0].heard[SL_SHUFFLE_PACK] +
                         w->nodes[0].heard[SL_SHUFFLE_BLOCK],
                     1); /* message */
    world_free(w);
}

static void push__of_much_asks_once_and_goes_on_when_it_is_answered(void **state)
{
    (void)state;
    struct world *w = world_new(2, 5, 0, false);
    greet_all(w);
    exchange_open(w, 1, 1);
    produce(w, 60, 8000);
    assert_false(w->ended[1] || w->ended[3] || w->ended[5]);
    assert_int_equal(w->nodes[1].heard[SL_SHUFFLE_OPEN], 0);
    exchange_open(w, 0, 1);
    run_to_end(w);
    check_rows(w);
    assert_int_equal(w->nodes[1].heard[SL_SHUFFLE_OPEN], 1);
    world_free(w);
}

static void send__lets_go_of_what_waits_for_more(void **state)
{
    (void)state;
    struct world *w = world_new(2, 5, 0, false);
    sl_error err;
    greet_all(w);
    open_exchanges(w);
    for (uint32_t k = 0; k < 2; k++) /* the second is for node 0 */
        assert_int_equal(run_producer(w, 1, &err), SL_OK);
    sl_host_virtual_advance(w->host, 1000000);
    assert_int_equal(stats_of(&w->nodes[0]).received_blocks, 0);
    sl_exchange_send(w->nodes[1].exchange);
    sl_host_virtual_advance(w->host, 1000000);
    assert_int_equal(stats_of(&w->nodes[0]).received_blocks, 1);
    run_to_end(w);
    check_rows(w);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pull__gets_every_row_once_whatever_the_link_does),
        cmocka_unit_test(pull__bounds_what_is_received_by_credit),
        cmocka_unit_test(in_flight__is_what_was_sent_and_not_consumed),
        cmocka_unit_test(in_flight__of_an_attempt_that_was_given_up_is_nothing),
        cmocka_unit_test(push__spills_later_producers_of_an_ordered_target),
        cmocka_unit_test(free__still_delivers_what_was_pushed),
        cmocka_unit_test(pull__tells_credit_by_the_quarter_of_a_window),
        cmocka_unit_test(push__cuts_a_large_chunk_into_blocks),
        cmocka_unit_test(push__of_a_little_needs_no_answer),
        cmocka_unit_test(send__lets_go_of_what_waits_for_more),
        cmocka_unit_test(push__of_much_asks_once_and_goes_on_when_it_is_answered),
    };
    return cmocka_run_group_tests_name("shuffle/credit", tests, NULL, NULL);
}
