/* metrics.h - the counters of this room (metrics.def). Thread: any. */

#ifndef SL_SHUFFLE_METRICS_H
#define SL_SHUFFLE_METRICS_H

#include "base/metrics.h"

typedef enum sl_shuffle_metric {
#define M(id, name, kind, unit, meaning) SL_SHUFFLE_METRIC_##id,
#include "shuffle/metrics.def"
#undef M
    SL_SHUFFLE_METRIC_COUNT
} sl_shuffle_metric;

extern sl_metric sl_shuffle_metrics[SL_SHUFFLE_METRIC_COUNT];

void sl_shuffle_register_metrics(void); /* once per process */

static inline void sl_shuffle_count(sl_shuffle_metric m, int64_t n)
{
    sl_metric_add(&sl_shuffle_metrics[m], n);
}
static inline int64_t sl_shuffle_counted(sl_shuffle_metric m)
{
    return atomic_load_explicit(&sl_shuffle_metrics[m].value, memory_order_relaxed);
}

#endif /* SL_SHUFFLE_METRICS_H */
