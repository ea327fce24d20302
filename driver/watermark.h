/* watermark.h - the event-time watermark of one running query.
 *
 * Each watermarked source promises: "no row older than (newest row seen minus delay)
 * matters any more".  The query's watermark joins those promises, and is the bound by
 * which operators close windows, drop late rows and expire state.
 *
 * Time:       int64_t milliseconds since 1970-01-01 UTC, always named *_ms.
 * Shape:      a plain value of fixed size (no heap); copy it to snapshot it.
 * Thread:     loop thread of the driver; no locks inside.
 * Durability: the caller writes now_ms and newest_ms in commits/N and gives them back, so
 * a restart changes nothing.
 *
 * Invariants:
 *   WM1  sl_watermark_now() never decreases, and is never below 0.
 *   WM2  it changes in sl_watermark_advance() only, i.e. between batches, so all tasks of
 * one batch see the same value. WM3  under MIN, one source that has shown no row yet
 * holds the query back.
 *
 * Source: Akidau et al., The Dataflow Model, VLDB 2015, 1.3 Time Domains; the rules are
 * Spark's, spark:M3-M6; recovery is ours (docs/differences.md). */

#ifndef SL_DRIVER_WATERMARK_H
#define SL_DRIVER_WATERMARK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define SL_WATERMARK_SOURCES_MAX 64

typedef enum sl_watermark_policy {
    SL_WATERMARK_MIN,
    SL_WATERMARK_MAX
} sl_watermark_policy;

typedef struct sl_watermark {
    sl_watermark_policy policy;
    uint32_t source_count;
    int64_t now_ms;                              /* see WM1, WM2 */
    int64_t delay_ms[SL_WATERMARK_SOURCES_MAX];  /* allowed lateness, >= 0 */
    int64_t newest_ms[SL_WATERMARK_SOURCES_MAX]; /* newest row; means nothing without
                                                    has_row */
    bool has_row[SL_WATERMARK_SOURCES_MAX];
} sl_watermark;

/* Start with no sources, at the epoch. Needs no matching deinit. */
void sl_watermark_init(sl_watermark *w, sl_watermark_policy policy);

/* SL_EINVAL if delay_ms < 0, SL_ELIMIT past SL_WATERMARK_SOURCES_MAX. */
SL_CHECKED sl_code sl_watermark_add_source(sl_watermark *w, int64_t delay_ms,
                                           uint32_t *ret_source, sl_error *err);

/* The newest event time a source produced in the current batch, or had in a committed
 * one. Order is free; older values than before are ignored. */
void sl_watermark_observe(sl_watermark *w, uint32_t source, int64_t event_time_max_ms);

/* End of batch: fold what was observed into now_ms and return it. */
int64_t sl_watermark_advance(sl_watermark *w);

/* Recovery: the committed value. SL_ECORRUPT if now_ms would go back. */
SL_CHECKED sl_code sl_watermark_restore(sl_watermark *w, int64_t now_ms, sl_error *err);

int64_t sl_watermark_now(const sl_watermark *w);

#endif /* SL_DRIVER_WATERMARK_H */
