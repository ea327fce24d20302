#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/records.h"

#define SAMPLES "tests/unit/checkpoint/samples/"

static const sl_group_range ranges[] = { { 0, 1000 }, { 1000, 4096 } };
static const sl_setting settings[] = { { "sluice.session.timezone", "UTC" } };

static sl_offsets_record sample_offsets(void)
{
    static sl_span slices[2];
    static sl_source_offsets sources[2];
    slices[0] = sl_span_text("slice 0");
    slices[1] = sl_span_text("");
    sources[0] = (sl_source_offsets){ .source = "0",
                                      .start = sl_span_text("from"),
                                      .end = sl_span_text("to"),
                                      .start_json = "{\"a\":1}",
                                      .end_json = "{\"a\":2}",
                                      .slices = slices,
                                      .slice_count = 2 };
    sources[1] = (sl_source_offsets){ .source = "rate" };
    return (sl_offsets_record){ .batch = 7,
                                .epoch = 3,
                                .batch_time_us = 1700000000000000,
                                .watermark_us = 500,
                                .previous_watermark_us = 400,
                                .seed = UINT64_C(0x0123456789abcdef),
                                .is_no_data = true,
                                .partitions = ranges,
                                .partition_count = 2,
                                .settings = settings,
                                .setting_count = 1,
                                .sources = sources,
                                .source_count = 2,
                                .parent_hash = { 11, 12 } };
}

static sl_commit_record sample_commit(void)
{
    static const sl_watermark_record watermarks[] = { { "4", 12345, true },
                                                      { "5", 0, false } };
    static const sl_count_record counts[] = { { "source.0.rows", 10 } };
    static sl_state_record states[3];
    static sl_sink_file files[2];
    static sl_sink_record sink;
    states[0] = (sl_state_record){
        .partition = 0,
        .state_id = 77,
        .row_count = 4,
        .delta = { .kind = SL_DELTA_INLINE, .bytes = sl_span_text("delta") },
        .full = { .kind = SL_DELTA_INLINE, .bytes = sl_span_text("full") },
        .snapshot = { .kind = SL_SNAPSHOT_FULL, .batch = 7, .state_id = 77 },
    };
    states[1] = (sl_state_record){
        .partition = 1,
        .state_id = 78,
        .delta = { .kind = SL_DELTA_SEGMENT,
                   .segment = { .name = "w1-000000.seg",
                                .offset = 176,
                                .length_bytes = 99,
                                .hash = { 1, 2 } } },
        .snapshot = { .kind = SL_SNAPSHOT_MANIFEST,
                      .batch = 6,
                      .state_id = 60,
                      .manifest = "6-3-1.man",
                      .hash = { 3, 4 },
                      .size_bytes = 123 },
        .older_snapshot = { .kind = SL_SNAPSHOT_FULL, .batch = 2, .state_id = 20 },
    };
    states[2] = (sl_state_record){ .operator_id = 9, .partition = 2 };
    files[0] = (sl_sink_file){ .staged_name = "s",
                               .target_name = "part-0.json",
                               .size_bytes = 5,
                               .row_count = 1,
                               .hash = { 5, 6 } };
    files[1] = (sl_sink_file){ .target_name = "part-1.json",
                               .size_bytes = 3,
                               .row_count = 1,
                               .is_inline = true,
                               .content = sl_span_text("{}\n") };
    sink = (sl_sink_record){
        .sink = "sink0", .files = files, .file_count = 2, .extra = sl_span_text("x")
    };
    return (sl_commit_record){ .batch = 7,
                               .epoch = 3,
                               .attempt = 2,
                               .commit_wall_us = 1700000000000001,
                               .offsets_hash = { 21, 22 },
                               .parent_hash = { 31, 32 },
                               .next_watermark_us = 600,
                               .rows_in = 100,
                               .rows_out = 10,
                               .rows_late = 1,
                               .watermarks = watermarks,
                               .watermark_count = 2,
                               .states = states,
                               .state_count = 3,
                               .sinks = &sink,
                               .sink_count = 1,
                               .counts = counts,
                               .count_count = 1,
                               .progress_json = "{}" };
}

/* The stored sample of format 1; SLUICE_REFRESH=1 writes it. It must load for ever. */
static void assert_sample(const char *path, const sl_bytes *now)
{
    if (getenv("SLUICE_REFRESH")) {
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(now->data, 1, now->size_bytes, f), now->size_bytes);
        fclose(f);
    }
    uint8_t stored[4096];
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s is missing", path);
    size_t size = fread(stored, 1, sizeof stored, f);
    fclose(f);
    assert_int_equal(size, now->size_bytes);
    assert_memory_equal(stored, now->data, size);
}

static void offsets__decode_to_what_was_encoded_and_to_the_same_bytes(void **state)
{
    (void)state;
    sl_offsets_record r = sample_offsets(), back;
    sl_bytes bytes = { 0 }, again = { 0 };
    sl_arena *arena = sl_arena_new();
    assert_int_equal(sl_offsets_encode(&r, &bytes, NULL), SL_OK);
    assert_int_equal(sl_offsets_decode(sl_bytes_span(&bytes), arena, &back, NULL), SL_OK);
    assert_int_equal(back.batch, 7);
    assert_true(back.is_no_data);
    assert_int_equal(back.partitions[1].first, 1000);
    assert_string_equal(back.settings[0].value, "UTC");
    assert_string_equal(back.sources[0].end_json, "{\"a\":2}");
    assert_null(back.sources[1].start_json);
    assert_true(sl_span_equal(back.sources[0].slices[0], sl_span_text("slice 0")));
    assert_int_equal(sl_offsets_encode(&back, &again, NULL), SL_OK);
    assert_true(sl_span_equal(sl_bytes_span(&bytes), sl_bytes_span(&again)));
    assert_sample(SAMPLES "offsets-1.bin", &bytes);
    sl_arena_free(arena);
    sl_bytes_deinit(&bytes);
    sl_bytes_deinit(&again);
}

static void commit__decodes_to_what_was_encoded_and_to_the_same_bytes(void **state)
{
    (void)state;
    sl_commit_record r = sample_commit(), back;
    sl_bytes bytes = { 0 }, again = { 0 };
    sl_arena *arena = sl_arena_new();
    assert_int_equal(sl_commit_encode(&r, &bytes, NULL), SL_OK);
    assert_int_equal(sl_commit_decode(sl_bytes_span(&bytes), arena, &back, NULL), SL_OK);
    assert_int_equal(back.attempt, 2);
    assert_false(back.watermarks[1].has_max);
    assert_int_equal(back.states[0].full.kind, SL_DELTA_INLINE);
    assert_string_equal(back.states[1].delta.segment.name, "w1-000000.seg");
    assert_string_equal(back.states[1].snapshot.manifest, "6-3-1.man");
    assert_int_equal(back.states[1].older_snapshot.batch, 2);
    assert_null(back.sinks[0].files[1].staged_name);
    assert_true(sl_span_equal(back.sinks[0].files[1].content, sl_span_text("{}\n")));
    assert_string_equal(back.progress_json, "{}");
    assert_int_equal(sl_commit_encode(&back, &again, NULL), SL_OK);
    assert_true(sl_span_equal(sl_bytes_span(&bytes), sl_bytes_span(&again)));
    assert_sample(SAMPLES "commit-1.bin", &bytes);
    sl_arena_free(arena);
    sl_bytes_deinit(&bytes);
    sl_bytes_deinit(&again);
}

static sl_code decode_any(int kind, sl_span bytes)
{
    sl_arena *arena = sl_arena_new();
    sl_offsets_record offsets;
    sl_commit_record commit;
    sl_code code = kind == 0 ? sl_offsets_decode(bytes, arena, &offsets, NULL)
                             : sl_commit_decode(bytes, arena, &commit, NULL);
    sl_arena_free(arena);
    return code;
}

static void decode__refuses_every_cut_and_survives_every_flip(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        sl_offsets_record o = sample_offsets();
        sl_commit_record c = sample_commit();
        sl_bytes bytes = { 0 };
        assert_int_equal(kind == 0 ? sl_offsets_encode(&o, &bytes, NULL)
                                   : sl_commit_encode(&c, &bytes, NULL),
                         SL_OK);
        for (size_t n = 0; n < bytes.size_bytes; n++)
            assert_int_not_equal(decode_any(kind, sl_span_of(bytes.data, n)), SL_OK);
        for (size_t bit = 0; bit < 8 * bytes.size_bytes; bit++) {
            bytes.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            sl_code code = decode_any(kind, sl_bytes_span(&bytes));
            assert_true(code == SL_OK || code == SL_ECORRUPT || code == SL_EINCOMPATIBLE);
            bytes.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
        sl_bytes_char(&bytes, 'x');
        assert_int_equal(decode_any(kind, sl_bytes_span(&bytes)), SL_ECORRUPT);
        bytes.data[0] = 2;
        assert_int_equal(decode_any(kind, sl_bytes_span(&bytes)), SL_EINCOMPATIBLE);
        sl_bytes_deinit(&bytes);
    }
}

static void offsets__refuse_partitions_that_leave_a_hole(void **state)
{
    (void)state;
    const sl_group_range holed[] = { { 0, 1000 }, { 1001, 4096 } };
    sl_offsets_record r = sample_offsets();
    r.partitions = holed;
    sl_bytes bytes = { 0 };
    assert_int_equal(sl_offsets_encode(&r, &bytes, NULL), SL_OK);
    assert_int_equal(decode_any(0, sl_bytes_span(&bytes)), SL_ECORRUPT);
    sl_bytes_deinit(&bytes);
}

static void commit__refuses_a_segment_name_that_leads_elsewhere(void **state)
{
    (void)state;
    sl_commit_record r = sample_commit();
    sl_state_record s = r.states[1];
    snprintf(s.delta.segment.name, sizeof s.delta.segment.name, "../../etc/x");
    r.states = &s;
    r.state_count = 1;
    sl_bytes bytes = { 0 };
    assert_int_equal(sl_commit_encode(&r, &bytes, NULL), SL_OK);
    assert_int_equal(decode_any(1, sl_bytes_span(&bytes)), SL_ECORRUPT);
    sl_bytes_deinit(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets__decode_to_what_was_encoded_and_to_the_same_bytes),
        cmocka_unit_test(commit__decodes_to_what_was_encoded_and_to_the_same_bytes),
        cmocka_unit_test(decode__refuses_every_cut_and_survives_every_flip),
        cmocka_unit_test(offsets__refuse_partitions_that_leave_a_hole),
        cmocka_unit_test(commit__refuses_a_segment_name_that_leads_elsewhere),
    };
    return cmocka_run_group_tests_name("checkpoint/records", tests, NULL, NULL);
}
