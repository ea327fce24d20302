/* metrics.h - the counters of this room (metrics.def). Thread: any. */

#ifndef SL_TRANSPORT_METRICS_H
#define SL_TRANSPORT_METRICS_H

#include "base/metrics.h"

typedef enum sl_transport_metric {
#define M(id, name, kind, unit, meaning) SL_TRANSPORT_##id,
#include "transport/metrics.def"
#undef M
    SL_TRANSPORT_METRIC_COUNT
} sl_transport_metric;

extern sl_metric sl_transport_metrics[SL_TRANSPORT_METRIC_COUNT];

void sl_transport_register_metrics(void); /* once per process */

static inline void sl_transport_count(sl_transport_metric m, int64_t n)
{
    sl_metric_add(&sl_transport_metrics[m], n);
}
static inline int64_t sl_transport_counted(sl_transport_metric m)
{
    return atomic_load_explicit(&sl_transport_metrics[m].value, memory_order_relaxed);
}

#endif /* SL_TRANSPORT_METRICS_H */
