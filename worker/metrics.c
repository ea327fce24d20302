/* The worker's counters; the list is in metrics.def. */
#include "shuffle/metrics.h"
#include "transport/metrics.h"
#include "worker/worker_private.h"

sl_metric sl_worker__metrics[] = {
#define M(id, name, kind, unit, meaning) { name, unit, meaning, SL_METRIC_##kind, 0 },
#include "worker/metrics.def"
#undef M
};

void sl_worker_register_metrics(void)
{
    sl_metrics_register(sl_worker__metrics,
                        sizeof sl_worker__metrics / sizeof *sl_worker__metrics);
    sl_shuffle_register_metrics();
    sl_transport_register_metrics();
}

void sl_worker_refresh_metrics(const sl_worker *w)
{
    sl_metric_set(&sl_worker__metrics[SL_WORKER_MEMORY_BYTES], sl_worker_memory_used(w));
    sl_metric_set(&sl_worker__metrics[SL_WORKER_MEMORY_PEAK_BYTES],
                  sl_worker_memory_peak(w));
    sl_shuffle_flight flight;
    sl_shuffle_in_flight(w->shuffle, &flight);
    sl_metric_set(&sl_shuffle_metrics[SL_SHUFFLE_METRIC_SENT_IN_FLIGHT],
                  flight.sent_bytes);
    sl_metric_set(&sl_shuffle_metrics[SL_SHUFFLE_METRIC_RECEIVED_QUEUED],
                  flight.received_bytes);
}
