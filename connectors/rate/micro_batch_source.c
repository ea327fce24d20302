/* The source rate-micro-batch (spark.md 4.4): rowsPerBatch rows a batch, all of one
 * timestamp, which moves by advanceMillisPerBatch: no clock is read.
 *
 * Offset: the next value and the next timestamp.  version u8 = 1 | value i64 | timestamp
 * i64 (ms) */
#include <stdio.h>

#include "base/alloc.h"
#include "connectors/connectors_private.h"
#include "connectors/rate/rate_private.h"

#define VERSION 1

typedef struct batch_options {
    int64_t rows, start_ms, advance_ms, partitions;
} batch_options;

typedef struct batch_source {
    sl_source source;
    batch_options options;
    int64_t value, timestamp_ms;
    bool frozen, last_planned; /* AVAILABLE NOW: one batch */
} batch_source;

static uint32_t batch_option_names(const char **ret)
{
    static const char *const names[] = { "rowsPerBatch", "numPartitions",
                                         "startTimestamp", "advanceMillisPerBatch" };
    for (uint32_t i = 0; i < 4; i++)
        ret[i] = names[i];
    return 4;
}

static sl_code read_options(const sl_option_list *l, batch_options *ret, sl_error *err)
{
    const char *names[SL_OPTION_NAMES_MAX];
    SL_TRY(sl_option_list_check(l, "rate-micro-batch source", names,
                                batch_option_names(names), err));
    SL_TRY(sl_rate__number(l, "rowsPerBatch", 0, 1, &ret->rows, err));
    SL_TRY(sl_rate__number(l, "startTimestamp", 0, 0, &ret->start_ms, err));
    SL_TRY(sl_rate__number(l, "advanceMillisPerBatch", 1000, 0, &ret->advance_ms, err));
    return sl_rate__partitions(l, &ret->partitions, err);
}

static sl_code batch_describe(const sl_source_env *env, const sl_option_list *l,
                              const sl_schema *user_schema, bool streaming,
                              sl_arena *arena, sl_source_caps *ret, sl_error *err)
{
    batch_options options;
    (void)env;
    (void)streaming;
    (void)arena;
    SL_TRY(read_options(l, &options, err));
    return sl_rate__describe(user_schema, ret, err);
}

static sl_code batch_open(const sl_source_env *env, const sl_option_list *l,
                          const sl_schema *schema, bool streaming, sl_source **ret,
                          sl_error *err)
{
    batch_options options;
    (void)env;
    (void)schema;
    (void)streaming;
    SL_TRY(read_options(l, &options, err));
    batch_source *s = (batch_source *)sl_calloc(1, sizeof *s);
    s->source.class = &sl_rate_micro_batch_source;
    s->options = options;
    s->timestamp_ms = options.start_ms;
    *ret = &s->source;
    return SL_OK;
}

static sl_code batch_restore_offset(sl_source *source, sl_span offset, sl_error *err)
{
    batch_source *s = (batch_source *)source;
    sl_reader r = sl_reader_of(offset);
    uint8_t version = sl_read_u8(&r);
    int64_t value = sl_read_i64(&r), timestamp_ms = sl_read_i64(&r);
    if (!sl_reader_done(&r) || version != VERSION || value < 0)
        return sl_fail(err, SL_ECORRUPT,
                       "a rate-micro-batch offset of %zu bytes does not decode",
                       offset.size_bytes);
    s->value = value;
    s->timestamp_ms = timestamp_ms;
    return SL_OK;
}

static sl_code batch_freeze(sl_source *source, sl_error *err)
{
    (void)err;
    ((batch_source *)source)->frozen = true;
    return SL_OK;
}

static sl_span offset_bytes(const batch_source *s, sl_arena *arena)
{
    sl_bytes b = { 0 };
    sl_bytes_u8(&b, VERSION);
    sl_bytes_i64(&b, s->value);
    sl_bytes_i64(&b, s->timestamp_ms);
    sl_span out = sl_span_of(sl_arena_memdup(arena, b.data, b.size_bytes), b.size_bytes);
    sl_bytes_deinit(&b);
    return out;
}

static const char *offset_json(const batch_source *s, sl_arena *arena)
{
    return sl_arena_printf(arena, "{\"offset\":%lld,\"timestamp\":%lld}",
                           (long long)s->value, (long long)s->timestamp_ms);
}

static sl_code advance(batch_source *s, sl_error *err)
{
    int64_t value, timestamp_ms;
    if (__builtin_add_overflow(s->value, s->options.rows, &value) ||
        __builtin_add_overflow(s->timestamp_ms, s->options.advance_ms, &timestamp_ms) ||
        timestamp_ms > INT64_MAX / 1000)
        return sl_fail(err, SL_ELIMIT,
                       "rate-micro-batch has no more numbers after value %lld, "
                       "timestamp %lld ms",
                       (long long)s->value, (long long)s->timestamp_ms);
    s->value = value;
    s->timestamp_ms = timestamp_ms;
    return SL_OK;
}

static sl_code batch_plan(sl_source *source, bool no_limit, sl_arena *arena,
                          sl_source_batch *ret, sl_error *err)
{
    batch_source *s = (batch_source *)source;
    sl_source_batch b = { .has_data = !s->last_planned,
                          .start_json = offset_json(s, arena) };
    (void)no_limit;
    if (b.has_data) {
        sl_rate_slice whole = { .begin = s->value, .start_ms = s->timestamp_ms };
        SL_TRY(advance(s, err));
        whole.end = s->value;
        sl_rate__cut(whole, s->options.partitions, arena, &b);
        s->last_planned = s->frozen;
    }
    b.end_offset = offset_bytes(s, arena);
    b.end_json = b.latest_json = offset_json(s, arena);
    *ret = b;
    return SL_OK;
}

static void batch_description(const sl_source *source, sl_bytes *out)
{
    const batch_options *o = &((const batch_source *)source)->options;
    char partitions[24] = "auto";
    if (o->partitions > 0)
        snprintf(partitions, sizeof partitions, "%lld", (long long)o->partitions);
    sl_bytes_printf(out,
                    "RatePerMicroBatchStream[rowsPerBatch=%lld, numPartitions=%s, "
                    "startTimestamp=%lld, advanceMillisPerBatch=%lld]",
                    (long long)o->rows, partitions, (long long)o->start_ms,
                    (long long)o->advance_ms);
}

static void batch_close(sl_source *source)
{
    sl_free(source);
}

const sl_source_class sl_rate_micro_batch_source = {
    .name = "rate-micro-batch",
    .stream_only = true,
    .option_names = batch_option_names,
    .describe = batch_describe,
    .open = batch_open,
    .restore_offset = batch_restore_offset,
    .freeze = batch_freeze,
    .plan = batch_plan,
    .description = batch_description,
    .close = batch_close,
};
