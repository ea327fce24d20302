/* The driver's counters; the list is in metrics.def. */
#include "checkpoint/journal.h"
#include "driver/stream_private.h"
#include "transport/metrics.h"

sl_metric sl_driver__metrics[] = {
#define M(id, name, kind, unit, meaning) { name, unit, meaning, SL_METRIC_##kind, 0 },
#include "driver/metrics.def"
#undef M
};

void sl_driver_register_metrics(void)
{
    sl_metrics_register(sl_driver__metrics,
                        sizeof sl_driver__metrics / sizeof *sl_driver__metrics);
    sl_journal_register_metrics();
    sl_transport_register_metrics();
}

void sl_driver_refresh_metrics(const sl_driver *d)
{
    int64_t active = 0, rows = 0, bytes = 0;
    for (const sl_stream *s = d->streams; s != NULL; s = s->next) {
        if (sl_stream_is_over(s))
            continue;
        active++;
        for (uint32_t k = 0; k < s->plan->state_op_count; k++) {
            rows += s->op_stats[k].rows_total;
            bytes += s->op_stats[k].memory_bytes;
        }
    }
    sl_metric_set(&sl_driver__metrics[SL_DRIVER_QUERIES_ACTIVE], active);
    sl_metric_set(&sl_driver__metrics[SL_DRIVER_STATE_ROWS], rows);
    sl_metric_set(&sl_driver__metrics[SL_DRIVER_STATE_BYTES], bytes);
}

static int64_t delta_bytes_of(const sl_msg_done *done)
{
    int64_t bytes = 0;
    for (uint32_t i = 0; i < done->state_count; i++) {
        const sl_msg_state_done *d = &done->states[i];
        if (d->has_delta)
            bytes += d->delta.inline_bytes.size_bytes != 0
                         ? (int64_t)d->delta.inline_bytes.size_bytes
                         : (int64_t)d->delta.length_bytes;
    }
    return bytes;
}

void sl_stream__count_batch(const sl_stream *s)
{
    const sl_msg_done *done = s->result.done;
    sl_driver__count(BATCHES, 1);
    sl_driver__count(BATCH_US, sl_host_mono_us(s->driver->host) - s->times.start_us);
    sl_driver__count(ROWS_OUT, done->output_rows);
    sl_driver__count(DELTA_BYTES, delta_bytes_of(done));
    for (uint32_t i = 0; i < done->source_count; i++) {
        sl_driver__count(ROWS_IN, done->sources[i].rows);
        sl_driver__count(BYTES_IN, done->sources[i].bytes);
        sl_driver__count(ROWS_MALFORMED, done->sources[i].malformed);
    }
    for (uint32_t i = 0; i < done->op_count; i++)
        sl_driver__count(ROWS_LATE, done->ops[i].rows_dropped);
}
