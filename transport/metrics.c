#include "transport/metrics.h"

sl_metric sl_transport_metrics[SL_TRANSPORT_METRIC_COUNT] = {
#define M(id, text, metric_kind, of_unit, says)                                          \
    [SL_TRANSPORT_##id] = {                                                              \
        .name = text, .unit = of_unit, .meaning = says, .kind = SL_METRIC_##metric_kind  \
    },
#include "transport/metrics.def"
#undef M
};

void sl_transport_register_metrics(void)
{
    sl_metrics_register(sl_transport_metrics, SL_TRANSPORT_METRIC_COUNT);
}
