/* Unit tests of connectors/rate: planning and reading (spark.md 4.3, 4.4). */
#include "tests/unit/connectors/connector_fixture.h"

#include "connectors/rate/rate_private.h"

static sl_source *open_rate(world *w, const sl_source_class *class)
{
    sl_source *s;
    sl_source_env env = env_of(w);
    assert_int_equal(class->open(&env, &w->options, &sl_rate__schema, true, &s, &w->err),
                     SL_OK);
    return s;
}

static sl_source_batch plan(world *w, sl_source *s)
{
    sl_source_batch b;
    assert_int_equal(s->class->plan(s, false, w->arena, &b, &w->err), SL_OK);
    return b;
}

/* All rows of a batch, slice after slice. */
static const char *rows_of(world *w, const sl_source_batch *b, uint32_t chunk_rows)
{
    sl_bytes out = { 0 };
    for (uint32_t i = 0; i < b->slice_count; i++)
        read_slice(w, "rate", &sl_rate__schema, b->slices[i], chunk_rows, &out);
    const char *text = sl_arena_strdup(w->arena, sl_bytes_cstr(&out));
    sl_bytes_deinit(&out);
    return text;
}

static void describe__has_sparks_schema_without_columns(void **state)
{
    world *w = (world *)*state;
    sl_source_env env = env_of(w);
    sl_source_caps caps;
    const sl_source_class *both[] = { &sl_rate_source, &sl_rate_micro_batch_source };
    options_of(w, "rowsPerBatch", "1", NULL);
    for (int i = 0; i < 2; i++) {
        sl_bytes text = { 0 };
        sl_option_list *o = &w->options;
        o->count = i == 0 ? 0 : 1;
        assert_int_equal(both[i]->describe(&env, o, NULL, true, w->arena, &caps, &w->err),
                         SL_OK);
        sl_schema_simple(caps.schema, &text);
        assert_string_equal(sl_bytes_cstr(&text),
                            "struct<timestamp:timestamp,value:bigint>");
        assert_true(caps.can_stream && caps.replayable && !caps.can_batch);
        sl_bytes_deinit(&text);
    }
}

static void describe__refuses_another_schema(void **state)
{
    world *w = (world *)*state;
    sl_source_env env = env_of(w);
    sl_source_caps caps;
    sl_field field = { .name = "n", .type = sl_type_of(SL_TYPE_INT), .nullable = true };
    sl_schema schema = { 1, &field };
    options_of(w, NULL);
    assert_int_equal(sl_rate_source.describe(&env, &w->options, &schema, true, w->arena,
                                             &caps, &w->err),
                     SL_EANALYSIS);
    assert_string_equal(w->err.condition, "DATA_SOURCE_TABLE_SCHEMA_MISMATCH");
    assert_says(w, "struct<n:int>");
    assert_int_equal(sl_rate_source.describe(&env, &w->options, &sl_rate__schema, true,
                                             w->arena, &caps, &w->err),
                     SL_OK);
}

static void options__bad_values_are_refused_in_sparks_words(void **state)
{
    static const struct {
        const sl_source_class *class;
        const char *name, *value, *says;
    } bad[] = {
        { &sl_rate_source, "rowsPerSecond", "0",
          "Invalid value '0'. The option 'rowsPerSecond' must be positive" },
        { &sl_rate_source, "rowsPerSecond", "many", "must be a whole number" },
        { &sl_rate_source, "numPartitions", "-1",
          "Invalid value '-1'. The option 'numPartitions' must be positive" },
        { &sl_rate_source, "numPartitions", "100000", "is at most 4096" },
        { &sl_rate_source, "rampUpTime", "soon", "'rampUpTime' must be a time" },
        { &sl_rate_source, "rampUpTime", "-3s", "not be negative" },
        { &sl_rate_source, "rowPerSecond", "3", "did you mean 'rowsPerSecond'?" },
        { &sl_rate_micro_batch_source, "startTimestamp", "0",
          "Invalid value '0'. The option 'rowsPerBatch' must be positive" },
        { &sl_rate_micro_batch_source, "rowsPerBatches", "1",
          "did you mean 'rowsPerBatch'?" },
    };
    world *w = (world *)*state;
    sl_source_env env = env_of(w);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sl_source_caps caps;
        options_of(w, bad[i].name, bad[i].value, NULL);
        assert_int_equal(bad[i].class->describe(&env, &w->options, NULL, true, w->arena,
                                                &caps, &w->err),
                         SL_EOPTION);
        assert_says(w, bad[i].says);
    }
    sl_source_caps caps;
    options_of(w, "rowsPerBatch", "1", "startTimestamp", "-1", NULL);
    assert_int_equal(sl_rate_micro_batch_source.describe(&env, &w->options, NULL, true,
                                                         w->arena, &caps, &w->err),
                     SL_EOPTION);
    assert_says(w,
                "Invalid value '-1'. The option 'startTimestamp' must not be negative");
    options_of(w, "rowsPerSecond", "9223372036854775807", "rampUpTime", "2s", NULL);
    assert_int_equal(
        sl_rate_source.describe(&env, &w->options, NULL, true, w->arena, &caps, &w->err),
        SL_EOPTION);
    assert_string_equal(w->err.condition, "INCORRECT_RAMP_UP_RATE");
}

static void plan__batch_0_runs_at_once_without_rows(void **state)
{
    world *w = (world *)*state;
    options_of(w, "rowsPerSecond", "3", NULL);
    sl_source *s = open_rate(w, &sl_rate_source);
    sl_source_batch b = plan(w, s);
    assert_true(b.has_data);
    assert_int_equal(b.slice_count, 0);
    assert_string_equal(b.start_json, "null");
    assert_string_equal(b.end_json, "0");
    b = plan(w, s);
    assert_false(b.has_data);
    s->class->close(s);
}

static void plan__rows_follow_the_clock(void **state)
{
    world *w = (world *)*state;
    options_of(w, "rowsPerSecond", "3", NULL);
    sl_source *s = open_rate(w, &sl_rate_source);
    (void)plan(w, s);
    w->now_ns += SECOND_NS + SECOND_NS / 2; /* half seconds are for later */
    sl_source_batch b = plan(w, s);
    assert_string_equal(b.start_json, "0");
    assert_string_equal(b.end_json, "1");
    assert_string_equal(rows_of(w, &b, 8192), "2020-09-13 12:26:40|0\n"
                                              "2020-09-13 12:26:40.333|1\n"
                                              "2020-09-13 12:26:40.667|2\n");
    s->class->close(s);
}

static void plan__a_clock_set_back_takes_nothing_back(void **state)
{
    world *w = (world *)*state;
    options_of(w, "rowsPerSecond", "3", NULL);
    sl_source *s = open_rate(w, &sl_rate_source);
    pass_seconds(w, 5);
    assert_string_equal(plan(w, s).end_json, "5");
    pass_seconds(w, -3);
    assert_false(plan(w, s).has_data);
    pass_seconds(w, 4);
    assert_string_equal(plan(w, s).end_json, "6");
    s->class->close(s);
}

static void plan__speed_ramps_up_as_in_sparks_table(void **state)
{
    /* rampUpTime 4, rowsPerSecond 10: values made after 0..6 seconds. */
    static const int64_t ends[] = { 0, 2, 6, 12, 20, 30, 40 };
    world *w = (world *)*state;
    options_of(w, "rowsPerSecond", "10", "rampUpTime", "4s", NULL);
    sl_source *s = open_rate(w, &sl_rate_source);
    (void)plan(w, s);
    for (int second = 1; second <= 6; second++) {
        pass_seconds(w, 1);
        sl_source_batch b = plan(w, s);
        sl_rate_slice slice;
        assert_int_equal(b.slice_count, 1);
        assert_int_equal(sl_rate__slice_read(b.slices[0], &slice, NULL), SL_OK);
        assert_int_equal(slice.begin, ends[second - 1]);
        assert_int_equal(slice.end, ends[second]);
    }
    s->class->close(s);
}

static void plan__partitions_stride_as_sparks(void **state)
{
    world *w = (world *)*state;
    options_of(w, "rowsPerBatch", "5", "numPartitions", "2", NULL);
    sl_source *s = open_rate(w, &sl_rate_micro_batch_source);
    sl_source_batch b = plan(w, s);
    assert_int_equal(b.slice_count, 2);
    assert_string_equal(rows_of(w, &b, 8192), "1970-01-01 00:00:00|0\n"
                                              "1970-01-01 00:00:00|2\n"
                                              "1970-01-01 00:00:00|4\n"
                                              "1970-01-01 00:00:00|1\n"
                                              "1970-01-01 00:00:00|3\n");
    s->class->close(s);
}

static void plan__micro_batches_carry_one_timestamp_that_advances(void **state)
{
    world *w = (world *)*state;
    options_of(w, "rowsPerBatch", "2", "startTimestamp", "1000", "advanceMillisPerBatch",
               "50", NULL);
    sl_source *s = open_rate(w, &sl_rate_micro_batch_source);
    sl_source_batch b = plan(w, s);
    assert_string_equal(b.start_json, "{\"offset\":0,\"timestamp\":1000}");
    assert_string_equal(b.end_json, "{\"offset\":2,\"timestamp\":1050}");
    assert_string_equal(rows_of(w, &b, 8192),
                        "1970-01-01 00:00:01|0\n1970-01-01 00:00:01|1\n");
    b = plan(w, s);
    assert_string_equal(rows_of(w, &b, 8192),
                        "1970-01-01 00:00:01.05|2\n1970-01-01 00:00:01.05|3\n");
    s->class->close(s);
}

static void restore_offset__goes_on_as_if_never_stopped(void **state)
{
    const sl_source_class *both[] = { &sl_rate_source, &sl_rate_micro_batch_source };
    world *w = (world *)*state;
    for (int i = 0; i < 2; i++) {
        options_of(w, i == 0 ? "rowsPerSecond" : "rowsPerBatch", "7", NULL);
        sl_source *s = open_rate(w, both[i]);
        pass_seconds(w, 3);
        sl_source_batch first = plan(w, s);
        pass_seconds(w, 10); /* a second source is made later */
        sl_source *again = open_rate(w, both[i]);
        assert_int_equal(again->class->restore_offset(again, first.end_offset, &w->err),
                         SL_OK);
        sl_source_batch want = plan(w, s), got = plan(w, again);
        assert_string_equal(want.end_json, got.end_json);
        assert_string_equal(rows_of(w, &want, 8192), rows_of(w, &got, 8192));
        again->class->close(again);
        s->class->close(s);
    }
}

static void restore_offset__refuses_bytes_cut_anywhere(void **state)
{
    const sl_source_class *both[] = { &sl_rate_source, &sl_rate_micro_batch_source };
    world *w = (world *)*state;
    for (int i = 0; i < 2; i++) {
        options_of(w, i == 0 ? "rowsPerSecond" : "rowsPerBatch", "7", NULL);
        sl_source *s = open_rate(w, both[i]);
        sl_source_batch b = plan(w, s);
        for (size_t n = 0; n < b.end_offset.size_bytes; n++)
            assert_int_equal(
                s->class->restore_offset(s, sl_span_of(b.end_offset.data, n), &w->err),
                SL_ECORRUPT);
        s->class->close(s);
    }
}

static void freeze__is_the_end_of_available_now(void **state)
{
    world *w = (world *)*state;
    options_of(w, "rowsPerSecond", "1", NULL);
    sl_source *s = open_rate(w, &sl_rate_source);
    pass_seconds(w, 2);
    assert_int_equal(s->class->freeze(s, &w->err), SL_OK);
    pass_seconds(w, 5);
    assert_string_equal(plan(w, s).end_json, "2");
    assert_false(plan(w, s).has_data);
    s->class->close(s);
    options_of(w, "rowsPerBatch", "3", NULL);
    s = open_rate(w, &sl_rate_micro_batch_source);
    assert_int_equal(s->class->freeze(s, &w->err), SL_OK);
    assert_true(plan(w, s).has_data); /* one batch (spark:T12) */
    assert_false(plan(w, s).has_data);
    s->class->close(s);
}

static void read__is_the_same_in_chunks_of_any_size(void **state)
{
    world *w = (world *)*state;
    options_of(w, "rowsPerBatch", "100", "numPartitions", "3", NULL);
    sl_source *s = open_rate(w, &sl_rate_micro_batch_source);
    sl_source_batch b = plan(w, s);
    const char *whole = rows_of(w, &b, 8192);
    static const uint32_t sizes[] = { 1, 3, 33, 34, 35 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        assert_string_equal(rows_of(w, &b, sizes[i]), whole);
    s->class->close(s);
}

static void read__makes_only_the_columns_asked_for(void **state)
{
    world *w = (world *)*state;
    options_of(w, "rowsPerBatch", "3", NULL);
    sl_source *s = open_rate(w, &sl_rate_micro_batch_source);
    sl_source_batch b = plan(w, s);
    uint32_t value_only = 1;
    sl_read_request q = { .connector = "rate-micro-batch",
                          .schema = &sl_rate__schema,
                          .columns = &value_only,
                          .slice = b.slices[0],
                          .chunk_rows = 100 };
    for (q.column_count = 0; q.column_count < 2; q.column_count++) {
        sl_source_reader *r;
        sl_chunk *chunk;
        sl_read_stats stats;
        assert_int_equal(sl_source_reader_open(&q, &r, &w->err), SL_OK);
        assert_int_equal(sl_source_reader_next(r, &chunk, &w->err), SL_OK);
        assert_int_equal(chunk->column_count, q.column_count);
        assert_int_equal(chunk->row_count, 3);
        if (q.column_count == 1)
            assert_int_equal(sl_column_i64(&chunk->columns[0])[2], 2);
        sl_chunk_unref(chunk);
        sl_source_reader_stats(r, &stats);
        assert_int_equal(stats.rows, 3);
        sl_source_reader_close(r);
    }
    s->class->close(s);
}

static void read__refuses_slices_that_make_no_sense(void **state)
{
    world *w = (world *)*state;
    sl_rate_slice bad[] = {
        { .partition = 2, .partitions = 2, .end = 5 },
        { .partition = 0, .partitions = 0, .end = 5 },
        { .partitions = 1, .begin = 6, .end = 5 },
        { .partitions = 1, .begin = -1, .end = 5 },
        { .partitions = 1, .end = 5, .ms_per_value = -1 },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sl_bytes bytes = { 0 };
        sl_rate__slice_write(&bad[i], &bytes);
        sl_read_request q = { .connector = "rate", .slice = sl_bytes_span(&bytes) };
        sl_source_reader *r = NULL;
        assert_int_equal(sl_source_reader_open(&q, &r, &w->err), SL_ECORRUPT);
        assert_null(r);
        sl_bytes_deinit(&bytes);
    }
}

static void cut__large_batches_are_cut_by_rows_not_by_executors(void **state)
{
    world *w = (world *)*state;
    static const struct {
        const char *rows;
        uint32_t slices;
    } cases[] = { { "1", 1 }, { "262143", 1 }, { "262144", 2 }, { "1000000000", 64 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        options_of(w, "rowsPerBatch", cases[i].rows, NULL);
        sl_source *s = open_rate(w, &sl_rate_micro_batch_source);
        assert_int_equal(plan(w, s).slice_count, cases[i].slices);
        s->class->close(s);
    }
}

static void plan__says_when_numbers_run_out(void **state)
{
    world *w = (world *)*state;
    sl_source_batch b;
    options_of(w, "rowsPerSecond", "9223372036854775807", NULL);
    sl_source *s = open_rate(w, &sl_rate_source);
    pass_seconds(w, 2);
    assert_int_equal(s->class->plan(s, false, w->arena, &b, &w->err), SL_ELIMIT);
    assert_string_equal(w->err.condition, "INCORRECT_END_OFFSET");
    s->class->close(s);
    options_of(w, "rowsPerBatch", "9223372036854775807", NULL);
    s = open_rate(w, &sl_rate_micro_batch_source);
    assert_int_equal(s->class->plan(s, false, w->arena, &b, &w->err), SL_OK);
    assert_int_equal(s->class->plan(s, false, w->arena, &b, &w->err), SL_ELIMIT);
    s->class->close(s);
}

static void description__is_sparks(void **state)
{
    world *w = (world *)*state;
    sl_bytes text = { 0 };
    options_of(w, "rowsPerSecond", "3", "numPartitions", "2", NULL);
    sl_source *s = open_rate(w, &sl_rate_source);
    s->class->description(s, &text);
    assert_string_equal(
        sl_bytes_cstr(&text),
        "RateStreamV2[rowsPerSecond=3, rampUpTimeSeconds=0, numPartitions=2]");
    s->class->close(s);
    sl_bytes_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        W(describe__has_sparks_schema_without_columns),
        W(describe__refuses_another_schema),
        W(options__bad_values_are_refused_in_sparks_words),
        W(plan__batch_0_runs_at_once_without_rows),
        W(plan__rows_follow_the_clock),
        W(plan__a_clock_set_back_takes_nothing_back),
        W(plan__speed_ramps_up_as_in_sparks_table),
        W(plan__partitions_stride_as_sparks),
        W(plan__micro_batches_carry_one_timestamp_that_advances),
        W(restore_offset__goes_on_as_if_never_stopped),
        W(restore_offset__refuses_bytes_cut_anywhere),
        W(freeze__is_the_end_of_available_now),
        W(read__is_the_same_in_chunks_of_any_size),
        W(read__makes_only_the_columns_asked_for),
        W(read__refuses_slices_that_make_no_sense),
        W(cut__large_batches_are_cut_by_rows_not_by_executors),
        W(plan__says_when_numbers_run_out),
        W(description__is_sparks),
    };
    return cmocka_run_group_tests_name("connectors/rate", tests, NULL, NULL);
}
