/* Frames of a peer that are not what they say, packs, and blocks of any size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/shuffle/shuffle_world.h"

static void expect_lost(struct world *w)
{
    assert_int_equal(w->nodes[0].failures, 1);
    assert_int_equal(w->nodes[0].failure.code, SL_ELOST);
    assert_non_null(strstr(w->nodes[0].failure.text, "w1"));
    world_free(w);
}

static struct world *two_open(void)
{
    struct world *w = world_new(2, 11, 0, false);
    open_exchanges(w);
    sl_host_virtual_advance(w->host, 1000);
    return w;
}

static void end__with_other_counts_than_came_fails(void **state)
{
    (void)state;
    sl_bytes chunk = chunk_bytes();
    for (uint32_t wrong = 0; wrong < 3; wrong++) {
        struct world *w = two_open();
        sl_shuffle_head block = {
            .kind = SL_SHUFFLE_BLOCK, .producer = 1, .rows = 3, .bytes = chunk.size_bytes
        };
        give(w, block, sl_bytes_span(&chunk));
        assert_int_equal(w->nodes[0].failures, 0);
        give(w,
             (sl_shuffle_head){ .kind = SL_SHUFFLE_END,
                                .producer = 1,
                                .index = wrong == 0 ? 2 : 1,
                                .rows = wrong == 1 ? 4 : 3,
                                .bytes = chunk.size_bytes + (wrong == 2) },
             (sl_span){ 0 });
        expect_lost(w);
    }
    sl_bytes_deinit(&chunk);
}

static void block__that_skips_a_number_fails(void **state)
{
    (void)state;
    sl_bytes chunk = chunk_bytes();
    struct world *w = two_open();
    give_block(w, 1, &chunk);
    expect_lost(w);
    sl_bytes_deinit(&chunk);
}

static void block__of_a_damaged_chunk_fails_the_pull_with_lost(void **state)
{
    (void)state;
    sl_bytes chunk = chunk_bytes();
    struct world *w = two_open();
    sl_error err;
    sl_exchange_answer answer;
    sl_chunk *c = NULL;
    chunk.data[4] ^= 1; /* another version */
    give_block(w, 0, &chunk);
    assert_int_equal(sl_exchange_pull(w->nodes[0].exchange, 0, &answer, &c, &err),
                     SL_ELOST);
    assert_non_null(strstr(err.text, "w1"));
    world_free(w);
    sl_bytes_deinit(&chunk);
}

/* A peer may not speak for another's producers or to targets that are not here. */
static void block__for_somebody_else_is_ignored(void **state)
{
    (void)state;
    sl_bytes chunk = chunk_bytes();
    struct world *w = two_open();
    sl_shuffle_head h = { .kind = SL_SHUFFLE_BLOCK,
                          .rows = 3,
                          .bytes = chunk.size_bytes };
    const uint32_t producers[] = { 0, 2, PRODUCERS, UINT32_MAX };
    for (uint32_t i = 0; i < 4; i++) {
        h.producer = producers[i];
        give(w, h, sl_bytes_span(&chunk));
        give(w, (sl_shuffle_head){ .kind = SL_SHUFFLE_END, .producer = producers[i] },
             (sl_span){ 0 });
        give(w,
             (sl_shuffle_head){ .kind = SL_SHUFFLE_WANT,
                                .producer = producers[i],
                                .target = TARGETS + i },
             (sl_span){ 0 });
    }
    h.producer = 1;
    h.target = 1; /* of w1 itself */
    give(w, h, sl_bytes_span(&chunk));
    h.target = TARGETS;
    give(w, h, sl_bytes_span(&chunk));
    assert_int_equal(stats_of(&w->nodes[0]).received_blocks, 0);
    assert_int_equal(w->nodes[0].failures, 0);
    world_free(w);
    sl_bytes_deinit(&chunk);
}

/* Cut, flipped and grown frames are dropped and counted, or fail the attempt. */
static void on_message__survives_any_bytes(void **state)
{
    (void)state;
    sl_bytes chunk = chunk_bytes();
    uint64_t seed = 20260102;
    for (uint32_t round = 0; round < 3000; round++) {
        struct world *w = two_open();
        w->random = seed + round;
        int64_t before = sl_shuffle_counted(SL_SHUFFLE_METRIC_MALFORMED);
        sl_blob *good = frame_of((sl_shuffle_head){ .kind = SL_SHUFFLE_BLOCK,
                                                    .producer = 1,
                                                    .rows = 3,
                                                    .bytes = chunk.size_bytes },
                                 sl_bytes_span(&chunk));
        sl_bytes b = { 0 };
        size_t keep = good->size_bytes;
        if (next_random(w) % 3 == 0)
            keep = 5 + next_random(w) % (good->size_bytes - 5);
        sl_bytes_append(&b, good->data, keep);
        if (next_random(w) % 3 == 0)
            sl_bytes_u64(&b, next_random(w));
        for (uint64_t flips = 1 + next_random(w) % 3; flips > 0; flips--)
            b.data[4 + next_random(w) % (b.size_bytes - 4)] ^=
                (uint8_t)(1u << next_random(w) % 8);
        bool head_is_whole = b.size_bytes == good->size_bytes &&
                             memcmp(b.data, good->data, SL_SHUFFLE_HEAD_BYTES) == 0;
        sl_blob *bad = sl_blob_take(&b);
        assert_true(sl_shuffle_on_message(w->nodes[0].shuffle, "w1", 101, bad));
        sl_blob_unref(bad);
        sl_blob_unref(good);
        if (head_is_whole) {
            sl_error err;
            sl_exchange_answer answer;
            sl_chunk *c = NULL;
            sl_code code = sl_exchange_pull(w->nodes[0].exchange, 0, &answer, &c, &err);
            assert_true(code == SL_ELOST || code == SL_OK);
            sl_chunk_unref(c);
        } else if (sl_shuffle_counted(SL_SHUFFLE_METRIC_MALFORMED) != before + 1) {
            fail_msg("seed %llu: a bad frame was taken",
                     (unsigned long long)(seed + round));
        }
        world_free(w);
    }
    sl_bytes_deinit(&chunk);
}

/* Blocks are at most a MiB: a larger chunk goes in pieces. */
/* Two blocks of producer 1 for target 0, 3 rows each, and its end. */
static sl_bytes frames_of_a_pack(bool has_checksum)
{
    sl_bytes all = { 0 }, chunk = chunk_bytes_of(has_checksum);
    for (uint64_t i = 0; i < 3; i++) {
        sl_shuffle_head block = { .kind = SL_SHUFFLE_BLOCK,
                                  .producer = 1,
                                  .index = i,
                                  .rows = 3,
                                  .bytes = chunk.size_bytes };
        sl_shuffle_head end = { .kind = SL_SHUFFLE_END,
                                .producer = 1,
                                .index = 2,
                                .rows = 6,
                                .bytes = 2 * chunk.size_bytes };
        sl_blob *f = i < 2 ? frame_of(block, sl_bytes_span(&chunk))
                           : frame_of(end, (sl_span){ 0 });
        sl_bytes_append(&all, f->data, f->size_bytes);
        sl_blob_unref(f);
    }
    sl_bytes_deinit(&chunk);
    return all;
}

/* Node 0 is given a pack that says `count` frames; returns how many frames were bad. */
static int64_t give_pack(struct world *w, uint64_t count, sl_span frames)
{
    int64_t before = sl_shuffle_counted(SL_SHUFFLE_METRIC_MALFORMED);
    give(w,
         (sl_shuffle_head){
             .kind = SL_SHUFFLE_PACK, .index = count, .bytes = frames.size_bytes },
         frames);
    return sl_shuffle_counted(SL_SHUFFLE_METRIC_MALFORMED) - before;
}

static void pack__is_its_frames_one_after_the_other(void **state)
{
    (void)state;
    sl_bytes frames = frames_of_a_pack(false);
    struct world *w = two_open();
    assert_int_equal(give_pack(w, 3, sl_bytes_span(&frames)), 0);
    assert_int_equal(stats_of(&w->nodes[0]).received_blocks, 2);
    assert_true(atomic_load(&w->nodes[0].exchange->producers[1].ended));
    assert_int_equal(w->nodes[0].failures, 0);
    world_free(w);
    sl_bytes_deinit(&frames);
}

static void pack__that_is_not_whole_is_counted(void **state)
{
    (void)state;
    sl_bytes frames = frames_of_a_pack(false);
    struct world *w = two_open();
    assert_int_equal(give_pack(w, 2, sl_bytes_span(&frames)), 1); /* another number */
    world_free(w);
    w = two_open();
    assert_int_equal(give_pack(w, 3, sl_span_of(frames.data, frames.size_bytes - 1)), 1);
    world_free(w);
    w = two_open();
    assert_int_equal(give_pack(w, 1, (sl_span){ 0 }), 1);
    sl_blob *inner =
        frame_of((sl_shuffle_head){ .kind = SL_SHUFFLE_PACK }, (sl_span){ 0 });
    assert_int_equal(give_pack(w, 1, sl_blob_span(inner)), 1); /* a pack within a pack */
    sl_blob_unref(inner);
    world_free(w);
    sl_bytes_deinit(&frames);
}

/* The attempt fails, or as many rows come as were said: what they are is for the packet's
 * checksum to see.  Rows with a checksum of their own are what they were.  The seed is
 * printed. */
static void pack__survives_any_bytes(void **state)
{
    (void)state;
    for (uint64_t seed = 20260103; seed < 20260103 + 2000; seed++) {
        bool has_checksum = seed % 2 == 0;
        sl_bytes frames = frames_of_a_pack(has_checksum);
        struct world *w = two_open();
        w->random = seed;
        for (uint64_t flips = 1 + next_random(w) % 3; flips > 0; flips--)
            frames.data[next_random(w) % frames.size_bytes] ^=
                (uint8_t)(1u << next_random(w) % 8);
        int64_t bad = give_pack(w, 3, sl_bytes_span(&frames));
        for (bool more = true; more;) {
            sl_error err;
            sl_exchange_answer answer;
            sl_chunk *c = NULL;
            sl_code code = sl_exchange_pull(w->nodes[0].exchange, 0, &answer, &c, &err);
            assert_true(code == SL_OK || code == SL_ELOST);
            more = code == SL_OK && answer == SL_EXCHANGE_CHUNK;
            if (more && (c->selected != 3 ||
                         (has_checksum && sl_column_i64(&c->columns[0])[2] != 100000)))
                fail_msg("seed %llu: other rows", (unsigned long long)seed);
            if (has_checksum && code == SL_OK && answer == SL_EXCHANGE_BLOCKED &&
                bad == 0 && w->nodes[0].failures == 0)
                fail_msg("seed %llu: nothing was found", (unsigned long long)seed);
            bad += code == SL_ELOST;
            sl_chunk_unref(c);
        }
        world_free(w);
        sl_bytes_deinit(&frames);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(end__with_other_counts_than_came_fails),
        cmocka_unit_test(block__that_skips_a_number_fails),
        cmocka_unit_test(block__of_a_damaged_chunk_fails_the_pull_with_lost),
        cmocka_unit_test(block__for_somebody_else_is_ignored),
        cmocka_unit_test(on_message__survives_any_bytes),
        cmocka_unit_test(pack__is_its_frames_one_after_the_other),
        cmocka_unit_test(pack__that_is_not_whole_is_counted),
        cmocka_unit_test(pack__survives_any_bytes),
    };
    return cmocka_run_group_tests_name("shuffle/frames", tests, NULL, NULL);
}
