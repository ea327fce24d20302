#include "shuffle/metrics.h"

sl_metric sl_shuffle_metrics[SL_SHUFFLE_METRIC_COUNT] = {
#define M(id, text, metric_kind, of_unit, says)                                          \
    [SL_SHUFFLE_METRIC_##id] = {                                                         \
        .name = text, .unit = of_unit, .meaning = says, .kind = SL_METRIC_##metric_kind  \
    },
#include "shuffle/metrics.def"
#undef M
};

void sl_shuffle_register_metrics(void)
{
    sl_metrics_register(sl_shuffle_metrics, SL_SHUFFLE_METRIC_COUNT);
}
