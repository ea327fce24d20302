/* Frames whose checksum is right and whose content is not: random changes of every kind
 * of message, and nesting that would overflow protobuf-c's stack (rel:L13).  The seed of
 * a failure is printed; SLUICE_SEED=N runs it again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <protobuf-c/protobuf-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "proto/client_messages.h"
#include "proto/frame.h"
#include "proto/messages.h"
#include "proto/scan_private.h"

#define ROUNDS 20000u

static uint64_t random_state;

static uint32_t draw(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return below == 0 ? 0 : (uint32_t)(random_state >> 16) % below;
}

static uint64_t seed_of_run(void)
{
    const char *given = getenv("SLUICE_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("SLUICE_SEED=%llu\n", (unsigned long long)seed);
    random_state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    return seed;
}

/* ---- something to change ---- */

static void encode_task(sl_bytes *out)
{
    static const int64_t late[] = { 1, -2 };
    static const char *const peers[] = { "tcp://127.0.0.1:1", "tcp://127.0.0.1:2" };
    static const uint64_t incarnations[] = { 5, 6 };
    static const uint32_t counts[] = { 2, 0 }, owners[] = { 0, 1 };
    const sl_msg_slice slices[] = { { 0, 0, sl_span_text("first") },
                                    { 0, 1, sl_span_text("second") } };
    const sl_msg_delta delta = { .batch = 6, .segment = "w-1.seg", .length_bytes = 7 };
    const sl_msg_partition partition = { .partition = 3,
                                         .base_batch = 6,
                                         .has_recipe = true,
                                         .snapshot = "4-a.man",
                                         .delta_count = 1,
                                         .deltas = &delta };
    sl_message m = { .kind = SL_MSG_TASK };
    m.u.task = (sl_msg_task){ .at = { 7, 2, 7, 1 },
                              .state_op_count = 2,
                              .late_us = late,
                              .evict_us = late,
                              .slice_count = 2,
                              .slices = slices,
                              .partition_count = 1,
                              .partitions = &partition,
                              .peer_count = 2,
                              .peers = peers,
                              .peer_incarnations = incarnations,
                              .stage_count = 2,
                              .slice_counts = counts,
                              .owner_count = 2,
                              .slice_owners = owners,
                              .partition_owner_count = 2,
                              .partition_owners = owners };
    sl_message_encode(&m, out);
}

static void encode_hello(sl_bytes *out)
{
    static const sl_cmsg_setting settings[] = { { "a", "1" }, { "b", "" } };
    static const char *const attach[] = { "id-1", "id-2" };
    sl_cmsg m = { .kind = SL_CMSG_HELLO };
    m.u.hello = (sl_cmsg_hello){ 7, 1, "me", "/home", 2, settings, 2, attach };
    sl_cmsg_encode(&m, out);
}

/* ---- changes ---- */

static void change(sl_bytes *payload)
{
    static const uint8_t edges[] = { 0x00, 0x01, 0x7f, 0x80, 0xff, 0x0a, 0x12 };
    uint32_t times = 1 + draw(6);
    for (uint32_t i = 0; i < times && payload->size_bytes > 0; i++) {
        uint32_t size = (uint32_t)payload->size_bytes, at = draw(size);
        switch (draw(5)) {
        case 0:
            payload->data[at] ^= (uint8_t)(1u << draw(8));
            break;
        case 1:
            payload->data[at] = edges[draw(sizeof edges)];
            break;
        case 2: /* cut */
            payload->size_bytes = at;
            break;
        case 3: { /* a piece twice */
            uint8_t piece[64];
            uint32_t n = draw(sizeof piece) % (size - at) + 1;
            memcpy(piece, payload->data + at, n);
            sl_bytes_append(payload, piece, n);
            break;
        }
        default: /* a piece taken out */
            memmove(payload->data + at, payload->data + at + 1, size - at - 1);
            payload->size_bytes--;
        }
    }
}

/* Every kind gets the changed payload of another one too. */
static void decode_changed(const sl_bytes *frame, bool is_client)
{
    sl_bytes payload = { 0 }, hostile = { 0 };
    sl_arena *arena = sl_arena_new();
    uint32_t kind = is_client ? SL_CMSG_FIRST + draw(SL_CMSG_END - SL_CMSG_FIRST + 1)
                              : draw(SL_MSG_RESULT_CREDIT + 2);
    sl_code code;
    if (draw(2) == 0)
        kind = frame->data[5];
    sl_bytes_append(&payload, frame->data + SL_FRAME_HEADER_BYTES,
                    frame->size_bytes - SL_FRAME_HEADER_BYTES);
    change(&payload);
    sl_frame_append(&hostile, frame->data[4], (uint8_t)kind, sl_bytes_span(&payload));
    if (is_client) {
        sl_cmsg m;
        sl_bytes again = { 0 };
        code = sl_cmsg_decode(sl_bytes_span(&hostile), arena, &m, NULL);
        if (code == SL_OK)
            sl_cmsg_encode(&m, &again); /* whatever is in it can be read */
        sl_bytes_deinit(&again);
    } else {
        sl_message m;
        sl_bytes again = { 0 };
        code = sl_message_decode(sl_bytes_span(&hostile), arena, &m, NULL);
        if (code == SL_OK)
            sl_message_encode(&m, &again);
        sl_bytes_deinit(&again);
    }
    assert_true(code == SL_OK || code == SL_ECORRUPT);
    sl_arena_free(arena);
    sl_bytes_deinit(&payload);
    sl_bytes_deinit(&hostile);
}

static void decode__survives_random_changes_of_cluster_messages(void **state)
{
    sl_bytes frame = { 0 };
    (void)state;
    (void)seed_of_run();
    encode_task(&frame);
    for (uint32_t i = 0; i < ROUNDS; i++)
        decode_changed(&frame, false);
    sl_bytes_deinit(&frame);
}

static void decode__survives_random_changes_of_client_messages(void **state)
{
    sl_bytes frame = { 0 };
    (void)state;
    (void)seed_of_run();
    encode_hello(&frame);
    for (uint32_t i = 0; i < ROUNDS; i++)
        decode_changed(&frame, true);
    sl_bytes_deinit(&frame);
}

/* ---- rel:L13 ---- */

/* message Tree { Tree inner = 1; } */
static const ProtobufCMessageDescriptor tree;
static const ProtobufCFieldDescriptor tree_fields[] = {
    { .name = "inner",
      .id = 1,
      .label = PROTOBUF_C_LABEL_NONE,
      .type = PROTOBUF_C_TYPE_MESSAGE,
      .descriptor = &tree },
};
static const ProtobufCIntRange tree_ranges[] = { { 1, 0 }, { 0, 1 } };
static const ProtobufCMessageDescriptor tree = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "Tree",
    .n_fields = 1,
    .fields = tree_fields,
    .n_field_ranges = 1,
    .field_ranges = tree_ranges,
};

/* `depth` messages in one another; written from the innermost outwards, so reversed. */
static void nest(uint32_t depth, sl_bytes *out)
{
    for (uint32_t i = 1; i < depth; i++) {
        uint8_t length[10];
        uint32_t n = 0;
        size_t rest = out->size_bytes;
        do {
            length[n++] = (uint8_t)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
            rest >>= 7;
        } while (rest > 0);
        while (n > 0)
            sl_bytes_u8(out, length[--n]);
        sl_bytes_u8(out, 0x0a);
    }
    for (size_t i = 0; i < out->size_bytes / 2; i++) {
        uint8_t kept = out->data[i];
        out->data[i] = out->data[out->size_bytes - 1 - i];
        out->data[out->size_bytes - 1 - i] = kept;
    }
}

static void scan__refuses_nesting_before_protobuf_c_recurses_into_it(void **state)
{
    static const uint32_t deep[] = { SL_PROTO_DEPTH_MAX + 1, 10000, 1000000 };
    sl_bytes payload = { 0 };
    sl_error err;
    (void)state;
    nest(SL_PROTO_DEPTH_MAX, &payload);
    assert_int_equal(
        sl_proto__scan(sl_bytes_span(&payload), &tree, SL_PROTO_DEPTH_MAX, &err), SL_OK);
    for (size_t i = 0; i < sizeof deep / sizeof *deep; i++) {
        payload.size_bytes = 0;
        nest(deep[i], &payload);
        assert_int_equal(
            sl_proto__scan(sl_bytes_span(&payload), &tree, SL_PROTO_DEPTH_MAX, &err),
            SL_ECORRUPT);
        assert_non_null(strstr(err.text, "Tree nests deeper than 64 levels"));
    }
    sl_bytes_deinit(&payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode__survives_random_changes_of_cluster_messages),
        cmocka_unit_test(decode__survives_random_changes_of_client_messages),
        cmocka_unit_test(scan__refuses_nesting_before_protobuf_c_recurses_into_it),
    };
    return cmocka_run_group_tests_name("proto/hostile", tests, NULL, NULL);
}
