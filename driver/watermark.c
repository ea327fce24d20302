#include "driver/watermark.h"

#include <inttypes.h>

#include "base/assert.h"

/* a - b, stopping at INT64_MIN: a delay may be larger than the event time. */
static int64_t sub_saturated(int64_t a, int64_t b)
{
    SL_ASSERT(b >= 0);
    return a < INT64_MIN + b ? INT64_MIN : a - b;
}

/* A promise is never below the epoch (spark:M5); a silent source promises nothing: 0. */
static int64_t promise_of(const sl_watermark *w, uint32_t source)
{
    if (!w->has_row[source])
        return 0;
    int64_t ms = sub_saturated(w->newest_ms[source], w->delay_ms[source]);
    return ms > 0 ? ms : 0;
}

/* The joined promise of all sources; 0, which moves nothing, without any. */
static int64_t join_sources(const sl_watermark *w)
{
    if (w->source_count == 0)
        return 0;
    int64_t joined_ms = promise_of(w, 0);
    for (uint32_t i = 1; i < w->source_count; i++) {
        int64_t ms = promise_of(w, i);
        bool lower = ms < joined_ms;
        if (lower == (w->policy == SL_WATERMARK_MIN))
            joined_ms = ms;
    }
    return joined_ms; /* A silent source is 0, so MIN holds back (WM3) for free. */
}

void sl_watermark_init(sl_watermark *w, sl_watermark_policy policy)
{
    *w = (sl_watermark){ .policy = policy };
}

sl_code sl_watermark_add_source(sl_watermark *w, int64_t delay_ms, uint32_t *ret_source,
                                sl_error *err)
{
    if (delay_ms < 0)
        return sl_fail(err, SL_EINVAL, "watermark delay %" PRId64 " ms < 0", delay_ms);
    if (w->source_count == SL_WATERMARK_SOURCES_MAX)
        return sl_fail(err, SL_ELIMIT, "more than %d watermarked sources",
                       SL_WATERMARK_SOURCES_MAX);
    uint32_t source = w->source_count++;
    w->delay_ms[source] = delay_ms;
    w->newest_ms[source] = 0;
    w->has_row[source] = false;
    *ret_source = source;
    return SL_OK;
}

void sl_watermark_observe(sl_watermark *w, uint32_t source, int64_t event_time_max_ms)
{
    SL_ASSERT(source < w->source_count);
    if (!w->has_row[source] || event_time_max_ms > w->newest_ms[source])
        w->newest_ms[source] = event_time_max_ms;
    w->has_row[source] = true;
}

int64_t sl_watermark_advance(sl_watermark *w)
{
    int64_t joined_ms = join_sources(w);
    if (joined_ms > w->now_ms)
        w->now_ms = joined_ms; /* WM1: a smaller join leaves it where it is. */
    return w->now_ms;
}

sl_code sl_watermark_restore(sl_watermark *w, int64_t now_ms, sl_error *err)
{
    if (now_ms < w->now_ms)
        return sl_fail(err, SL_ECORRUPT,
                       "committed watermark %" PRId64 " ms is before %" PRId64 " ms",
                       now_ms, w->now_ms);
    w->now_ms = now_ms;
    return SL_OK;
}

int64_t sl_watermark_now(const sl_watermark *w)
{
    return w->now_ms;
}
