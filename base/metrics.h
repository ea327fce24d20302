/* metrics.h - named counters and gauges of the process, from the rooms' metrics.def
 * lists. M(enum, name, kind, unit, meaning).  Thread: any (relaxed atomics). */

#ifndef SL_BASE_METRICS_H
#define SL_BASE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/bytes.h"

typedef enum sl_metric_kind { SL_METRIC_COUNTER, SL_METRIC_GAUGE } sl_metric_kind;

typedef struct sl_metric {
    const char *name; /* "sluice_rows_read_total" */
    const char *unit;
    const char *meaning;
    sl_metric_kind kind;
    _Atomic int64_t value;
} sl_metric;

void sl_metrics_register(sl_metric *metrics, uint32_t count); /* static arrays, once */
static inline void sl_metric_add(sl_metric *m, int64_t n)
{
    atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}
static inline void sl_metric_set(sl_metric *m, int64_t v)
{
    atomic_store_explicit(&m->value, v, memory_order_relaxed);
}
/* Prometheus text format, ordered by name. labels: of each sample, as "a=\"b\"", or "".
 */
void sl_metrics_text(const char *labels, sl_bytes *out);

#endif /* SL_BASE_METRICS_H */
