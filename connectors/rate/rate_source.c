/* The source rate (spark.md 4.3): rowsPerSecond rows a second since it was created.
 *
 * Offset: whole seconds since creation.  Its bytes carry the time of creation too, so a
 * restart goes on where the first run began to count.
 *
 *   version u8 = 1 | created_ms i64 | second i64 */
#include <stdio.h>

#include "base/alloc.h"
#include "base/text.h"
#include "connectors/connectors_private.h"
#include "connectors/rate/rate_private.h"

#define VERSION 1

typedef struct rate_options {
    int64_t rows_per_second, ramp_up_s, partitions;
} rate_options;

typedef struct rate_source {
    sl_source source;
    sl_source_env env;
    rate_options options;
    int64_t created_ms, now_ms; /* now never goes back */
    int64_t second;             /* planned up to here; -1: no batch yet */
    int64_t frozen_second;      /* -1: not frozen */
} rate_source;

static uint32_t rate_option_names(const char **ret)
{
    static const char *const names[] = { "rowsPerSecond", "rampUpTime", "numPartitions" };
    for (uint32_t i = 0; i < 3; i++)
        ret[i] = names[i];
    return 3;
}

static int64_t seconds_max(const rate_options *o)
{
    return INT64_MAX / o->rows_per_second;
}

static sl_code read_options(const sl_option_list *l, rate_options *ret, sl_error *err)
{
    const char *names[SL_OPTION_NAMES_MAX];
    const char *ramp = sl_option_list_get(l, "rampUpTime");
    int64_t ramp_us = 0;
    SL_TRY(sl_option_list_check(l, "rate source", names, rate_option_names(names), err));
    SL_TRY(sl_rate__number(l, "rowsPerSecond", 1, 1, &ret->rows_per_second, err));
    if (ramp != NULL && (sl_duration_parse(ramp, 1000000, &ramp_us, NULL) != SL_OK))
        return sl_fail(err, SL_EOPTION,
                       "Invalid value '%.100s'. The option 'rampUpTime' must be a time "
                       "such as '5s' and not be negative",
                       ramp);
    ret->ramp_up_s = ramp_us / 1000000;
    if (ramp_us < 0)
        return sl_fail(err, SL_EOPTION,
                       "Invalid value '%.100s'. The option 'rampUpTime' must not be "
                       "negative",
                       ramp);
    if (ret->ramp_up_s > seconds_max(ret))
        return sl_fail_as(err, SL_EOPTION, "INCORRECT_RAMP_UP_RATE", "22003",
                          "Max offset with %lld rowsPerSecond is %lld, but "
                          "'rampUpTimeSeconds' is %lld.",
                          (long long)ret->rows_per_second, (long long)seconds_max(ret),
                          (long long)ret->ramp_up_s);
    return sl_rate__partitions(l, &ret->partitions, err);
}

static sl_code rate_describe(const sl_source_env *env, const sl_option_list *l,
                             const sl_schema *user_schema, bool streaming,
                             sl_arena *arena, sl_source_caps *ret, sl_error *err)
{
    rate_options options;
    (void)env;
    (void)streaming;
    (void)arena;
    SL_TRY(read_options(l, &options, err));
    return sl_rate__describe(user_schema, ret, err);
}

static int64_t wall_ms(const rate_source *s)
{
    return s->env.wall_us(s->env.user) / 1000;
}

static sl_code rate_open(const sl_source_env *env, const sl_option_list *l,
                         const sl_schema *schema, bool streaming, sl_source **ret,
                         sl_error *err)
{
    rate_options options;
    (void)schema;
    (void)streaming;
    SL_TRY(read_options(l, &options, err));
    rate_source *s = (rate_source *)sl_calloc(1, sizeof *s);
    s->source.class = &sl_rate_source;
    s->env = *env;
    s->options = options;
    s->created_ms = s->now_ms = wall_ms(s);
    s->second = s->frozen_second = -1;
    *ret = &s->source;
    return SL_OK;
}

static sl_code rate_restore_offset(sl_source *source, sl_span offset, sl_error *err)
{
    rate_source *s = (rate_source *)source;
    sl_reader r = sl_reader_of(offset);
    uint8_t version = sl_read_u8(&r);
    int64_t created_ms = sl_read_i64(&r), second = sl_read_i64(&r);
    if (!sl_reader_done(&r) || version != VERSION || second < 0)
        return sl_fail(err, SL_ECORRUPT, "a rate offset of %zu bytes does not decode",
                       offset.size_bytes);
    s->created_ms = created_ms;
    s->second = second;
    s->now_ms = created_ms + second * 1000; /* a clock set back does not take it back */
    return SL_OK;
}

/* Values made in the first `second` seconds. While ramping up the speed grows by `step`
 * each second: 0 + step + 2 step + ..., written so that it does not overflow. */
static int64_t value_at(const rate_options *o, int64_t second)
{
    int64_t step = o->rows_per_second / (o->ramp_up_s + 1);
    int64_t ramp = second < o->ramp_up_s ? second : o->ramp_up_s;
    int64_t value =
        ramp % 2 == 1 ? (ramp + 1) / 2 * step * ramp : ramp / 2 * step * (ramp + 1);
    return value + (second - ramp) * o->rows_per_second;
}

static sl_code look(rate_source *s, int64_t *ret_second, sl_error *err)
{
    int64_t now_ms = wall_ms(s);
    if (now_ms > s->now_ms)
        s->now_ms = now_ms;
    int64_t second = (s->now_ms - s->created_ms) / 1000;
    if (second > seconds_max(&s->options))
        return sl_fail_as(
            err, SL_ELIMIT, "INCORRECT_END_OFFSET", "22003",
            "Max offset with %lld rowsPerSecond is %lld, but it's %lld now.",
            (long long)s->options.rows_per_second, (long long)seconds_max(&s->options),
            (long long)second);
    *ret_second = second;
    return SL_OK;
}

static sl_code rate_freeze(sl_source *source, sl_error *err)
{
    rate_source *s = (rate_source *)source;
    return look(s, &s->frozen_second, err);
}

static sl_span offset_bytes(const rate_source *s, sl_arena *arena)
{
    sl_bytes b = { 0 };
    sl_bytes_u8(&b, VERSION);
    sl_bytes_i64(&b, s->created_ms);
    sl_bytes_i64(&b, s->second);
    sl_span out = sl_span_of(sl_arena_memdup(arena, b.data, b.size_bytes), b.size_bytes);
    sl_bytes_deinit(&b);
    return out;
}

static void cut(const rate_source *s, int64_t from, int64_t to, sl_arena *arena,
                sl_source_batch *b)
{
    sl_rate_slice whole = { .begin = value_at(&s->options, from),
                            .end = value_at(&s->options, to),
                            .start_ms = s->created_ms + from * 1000 };
    if (whole.end > whole.begin)
        whole.ms_per_value =
            (double)((to - from) * 1000) / (double)(whole.end - whole.begin);
    sl_rate__cut(whole, s->options.partitions, arena, b);
}

/* Batch 0 runs at the start even if not a second has passed: from no offset to 0. */
static sl_code rate_plan(sl_source *source, bool no_limit, sl_arena *arena,
                         sl_source_batch *ret, sl_error *err)
{
    rate_source *s = (rate_source *)source;
    int64_t end = s->frozen_second, from = s->second < 0 ? 0 : s->second;
    (void)no_limit;
    if (end < 0)
        SL_TRY(look(s, &end, err));
    if (end < from)
        end = from;
    sl_source_batch b = { .has_data = end > s->second, .start_json = "null" };
    if (s->second >= 0)
        b.start_json = sl_arena_printf(arena, "%lld", (long long)s->second);
    cut(s, from, end, arena, &b);
    s->second = end;
    b.end_offset = offset_bytes(s, arena);
    b.end_json = b.latest_json = sl_arena_printf(arena, "%lld", (long long)end);
    *ret = b;
    return SL_OK;
}

static void rate_description(const sl_source *source, sl_bytes *out)
{
    const rate_options *o = &((const rate_source *)source)->options;
    char partitions[24] = "auto";
    if (o->partitions > 0)
        snprintf(partitions, sizeof partitions, "%lld", (long long)o->partitions);
    sl_bytes_printf(
        out, "RateStreamV2[rowsPerSecond=%lld, rampUpTimeSeconds=%lld, numPartitions=%s]",
        (long long)o->rows_per_second, (long long)o->ramp_up_s, partitions);
}

static void rate_close(sl_source *source)
{
    sl_free(source);
}

const sl_source_class sl_rate_source = {
    .name = "rate",
    .stream_only = true,
    .option_names = rate_option_names,
    .describe = rate_describe,
    .open = rate_open,
    .restore_offset = rate_restore_offset,
    .freeze = rate_freeze,
    .plan = rate_plan,
    .description = rate_description,
    .close = rate_close,
};
