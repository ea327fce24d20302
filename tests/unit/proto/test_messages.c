/* Unit tests of proto/: frames and messages. Name: function__sentence_that_must_hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "proto/frame.h"
#include "proto/messages.h"

static void sample_task(sl_message *m)
{
    static const int64_t late[] = { 1, -2 }, evict[] = { 3, 4 };
    static sl_msg_slice slices[2];
    static sl_msg_delta deltas[1];
    static sl_msg_partition partitions[1];
    slices[0] = (sl_msg_slice){ 0, 0, sl_span_text("first") };
    slices[1] = (sl_msg_slice){ 0, 1, sl_span_text("second") };
    deltas[0] = (sl_msg_delta){ .batch = 6,
                                .state_id = 99,
                                .segment = "w-1.seg",
                                .offset = 128,
                                .length_bytes = 7,
                                .hash = { 5, 6 } };
    partitions[0] = (sl_msg_partition){ .partition = 3,
                                        .base_batch = 6,
                                        .base_state_id = 99,
                                        .has_recipe = true,
                                        .snapshot_kind = 1,
                                        .snapshot_batch = 4,
                                        .snapshot_id = 44,
                                        .snapshot = "4-a.man",
                                        .snapshot_hash = { 1, 2 },
                                        .snapshot_bytes = 300,
                                        .delta_count = 1,
                                        .deltas = deltas };
    *m = (sl_message){ .kind = SL_MSG_TASK };
    m->u.task = (sl_msg_task){ .at = { 7, 2, 7, 1 },
                               .fragment_hash = { 10, 11 },
                               .batch_time_us = -5,
                               .seed = UINT64_MAX,
                               .state_op_count = 2,
                               .late_us = late,
                               .evict_us = evict,
                               .slice_count = 2,
                               .slices = slices,
                               .partition_count = 1,
                               .partitions = partitions,
                               .inline_output = true };
}

static void decode__gives_back_what_was_encoded(void **state)
{
    sl_message m, back;
    sl_bytes frame = { 0 };
    sl_arena *arena = sl_arena_new();
    (void)state;
    sample_task(&m);
    sl_message_encode(&m, &frame);
    assert_int_equal(sl_message_decode(sl_bytes_span(&frame), arena, &back, NULL), SL_OK);
    assert_int_equal(back.kind, SL_MSG_TASK);
    const sl_msg_task *t = &back.u.task;
    assert_int_equal(t->at.batch, 7);
    assert_true(t->seed == UINT64_MAX && t->batch_time_us == -5 && t->inline_output);
    assert_int_equal(t->state_op_count, 2);
    assert_int_equal(t->late_us[1], -2);
    assert_int_equal(t->slice_count, 2);
    assert_true(sl_span_equal(t->slices[1].bytes, sl_span_text("second")));
    assert_int_equal(t->partition_count, 1);
    assert_string_equal(t->partitions[0].snapshot, "4-a.man");
    assert_int_equal(t->partitions[0].snapshot_hash.high, 2);
    assert_int_equal(t->partitions[0].delta_count, 1);
    assert_string_equal(t->partitions[0].deltas[0].segment, "w-1.seg");
    assert_int_equal(t->partitions[0].deltas[0].hash.low, 5);
    sl_arena_free(arena);
    sl_bytes_deinit(&frame);
}

static void decode__refuses_every_cut_and_every_flipped_byte(void **state)
{
    sl_message m, back;
    sl_bytes frame = { 0 };
    (void)state;
    sample_task(&m);
    sl_message_encode(&m, &frame);
    for (size_t n = 0; n < frame.size_bytes; n++) {
        sl_arena *arena = sl_arena_new();
        assert_int_not_equal(
            sl_message_decode(sl_span_of(frame.data, n), arena, &back, NULL), SL_OK);
        frame.data[n] ^= 0x40;
        assert_int_not_equal(sl_message_decode(sl_bytes_span(&frame), arena, &back, NULL),
                             SL_OK);
        frame.data[n] ^= 0x40;
        sl_arena_free(arena);
    }
    sl_bytes_deinit(&frame);
}

/* The checksum made right again: the payload itself is hostile. */
static void decode__survives_payloads_that_lie(void **state)
{
    sl_message m, back;
    sl_bytes frame = { 0 };
    (void)state;
    sample_task(&m);
    sl_message_encode(&m, &frame);
    for (size_t n = SL_FRAME_HEADER_BYTES; n < frame.size_bytes; n++) {
        for (uint32_t value = 0; value < 256; value += 5) {
            sl_bytes hostile = { 0 };
            uint8_t kept = frame.data[n];
            sl_arena *arena = sl_arena_new();
            frame.data[n] = (uint8_t)value;
            sl_frame_append(&hostile, SL_PROTOCOL_VERSION, SL_MSG_TASK,
                            sl_span_of(frame.data + SL_FRAME_HEADER_BYTES,
                                       frame.size_bytes - SL_FRAME_HEADER_BYTES));
            sl_code code = sl_message_decode(sl_bytes_span(&hostile), arena, &back, NULL);
            assert_true(code == SL_OK || code == SL_ECORRUPT);
            frame.data[n] = kept;
            sl_arena_free(arena);
            sl_bytes_deinit(&hostile);
        }
    }
    sl_bytes_deinit(&frame);
}

static void decode__refuses_another_protocol_version(void **state)
{
    sl_bytes frame = { 0 };
    sl_message back;
    sl_error err;
    sl_arena *arena = sl_arena_new();
    (void)state;
    sl_frame_append(&frame, SL_PROTOCOL_VERSION + 1, SL_MSG_HEARTBEAT, sl_span_of("", 0));
    assert_int_equal(sl_message_decode(sl_bytes_span(&frame), arena, &back, &err),
                     SL_EINCOMPATIBLE);
    assert_non_null(strstr(err.text, "version"));
    sl_arena_free(arena);
    sl_bytes_deinit(&frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode__gives_back_what_was_encoded),
        cmocka_unit_test(decode__refuses_every_cut_and_every_flipped_byte),
        cmocka_unit_test(decode__survives_payloads_that_lie),
        cmocka_unit_test(decode__refuses_another_protocol_version),
    };
    return cmocka_run_group_tests_name("proto/messages", tests, NULL, NULL);
}
