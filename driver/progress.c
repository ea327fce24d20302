/* Progress reports as Spark writes them (spark 5.1): JSON text, the last ones kept. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "driver/stream_private.h"

#define IDLE_REPORT_US INT64_C(10000000)

static void keep(sl_stream *s, sl_bytes *json)
{
    if (s->progress_count == s->progress_max) {
        sl_free(s->progress[0]);
        memmove(s->progress, s->progress + 1,
                (s->progress_max - 1) * sizeof *s->progress);
        s->progress_count--;
    }
    s->progress[s->progress_count++] = sl_strdup(sl_bytes_cstr(json));
    sl_bytes_deinit(json);
}

/* One decimal, half up; left out if it would be infinite. */
static void key_rate(sl_json *j, const char *key, double rows, double seconds)
{
    if (seconds <= 0)
        return;
    sl_json_key_double(j, key, (double)(int64_t)(rows / seconds * 10 + 0.5) / 10);
}

static void write_durations(const sl_stream *s, sl_json *j, int64_t total_us)
{
    sl_json_open(j, "durationMs", '{');
    sl_json_key_int(j, "addBatch", s->times.add_batch_us / 1000);
    sl_json_key_int(j, "commitOffsets", s->times.commit_us / 1000);
    sl_json_key_int(j, "latestOffset", s->times.latest_offset_us / 1000);
    sl_json_key_int(j, "triggerExecution", total_us / 1000);
    sl_json_key_int(j, "walCommit", s->times.wal_commit_us / 1000);
    sl_json_close(j, '}');
}

static void key_time(sl_json *j, const char *key, int64_t us)
{
    char text[32];
    sl_iso8601_ms(us / 1000, text);
    sl_json_key_string(j, key, text);
}

static void write_event_time(const sl_stream *s, sl_json *j, const sl_msg_done *done,
                             int64_t watermark_us)
{
    if (s->plan->watermark_count == 0)
        return;
    int64_t rows = 0, min = INT64_MAX, max = INT64_MIN;
    double sum = 0;
    for (uint32_t i = 0; done != NULL && i < done->time_count; i++) {
        if (done->times[i].rows == 0)
            continue;
        rows += done->times[i].rows;
        sum += done->times[i].sum_us;
        min = done->times[i].min_us < min ? done->times[i].min_us : min;
        max = done->times[i].max_us > max ? done->times[i].max_us : max;
    }
    sl_json_open(j, "eventTime", '{');
    if (rows > 0) {
        key_time(j, "avg", (int64_t)(sum / (double)rows));
        key_time(j, "max", max);
        key_time(j, "min", min);
    }
    key_time(j, "watermark", watermark_us);
    sl_json_close(j, '}');
}

static void write_state(const sl_stream *s, sl_json *j, const sl_msg_done *done)
{
    sl_json_open(j, "stateOperators", '[');
    for (uint32_t k = s->plan->state_op_count;
         k-- > 0;) { /* the last of the dataflow first */
        const sl_state_op_plan *op = &s->plan->state_ops[k];
        static const sl_msg_op_stats none;
        const sl_msg_op_stats *o =
            done != NULL && k < done->op_count ? &done->ops[k] : &none;
        uint32_t instances = op->single_partition ? 1 : s->partition_count;
        sl_json_open(j, NULL, '{');
        sl_json_key_string(j, "operatorName", op->name);
        sl_json_key_int(j, "numRowsTotal", o->rows_total);
        sl_json_key_int(j, "numRowsUpdated", o->rows_updated);
        sl_json_key_int(j, "allUpdatesTimeMs", o->update_us / 1000);
        sl_json_key_int(j, "numRowsRemoved", o->rows_removed);
        sl_json_key_int(j, "allRemovalsTimeMs", o->remove_us / 1000);
        sl_json_key_int(j, "commitTimeMs", o->commit_us / 1000);
        sl_json_key_int(j, "memoryUsedBytes", o->memory_bytes);
        sl_json_key_int(j, "numRowsDroppedByWatermark", o->rows_dropped);
        sl_json_key_int(j, "numShufflePartitions", instances);
        sl_json_key_int(j, "numStateStoreInstances", instances);
        sl_json_close(j, '}');
    }
    sl_json_close(j, ']');
}

static void write_sources(const sl_stream *s, sl_json *j, const sl_msg_done *done,
                          double since_s, double took_s)
{
    sl_json_open(j, "sources", '[');
    for (uint32_t i = 0; i < s->plan->source_count; i++) {
        sl_bytes description = { 0 };
        const sl_source_batch *b = s->planned != NULL ? &s->planned[i] : NULL;
        int64_t rows = done != NULL && i < done->source_count ? done->sources[i].rows : 0;
        s->sources[i]->class->description(s->sources[i], &description);
        sl_json_open(j, NULL, '{');
        sl_json_key_string(j, "description", sl_bytes_cstr(&description));
        sl_json_key_raw(j, "startOffset",
                        b != NULL && b->start_json ? b->start_json : "null");
        sl_json_key_raw(j, "endOffset", b != NULL && b->end_json ? b->end_json : "null");
        sl_json_key_raw(j, "latestOffset",
                        b != NULL && b->latest_json ? b->latest_json : "null");
        sl_json_key_int(j, "numInputRows", rows);
        key_rate(j, "inputRowsPerSecond", (double)rows, since_s);
        key_rate(j, "processedRowsPerSecond", (double)rows, took_s);
        sl_json_close(j, '}');
        sl_bytes_deinit(&description);
    }
    sl_json_close(j, ']');
}

static void write_sink(const sl_stream *s, sl_json *j, int64_t rows)
{
    sl_bytes description = { 0 };
    s->sink_class->description(s->sink, &description);
    sl_json_open(j, "sink", '{');
    sl_json_key_string(j, "description", sl_bytes_cstr(&description));
    sl_json_key_int(j, "numOutputRows", rows);
    sl_json_close(j, '}');
    sl_bytes_deinit(&description);
}

static void write_report(sl_stream *s, const sl_msg_done *done, int64_t batch,
                         int64_t watermark_us, int64_t output_rows)
{
    sl_bytes out = { 0 };
    sl_json j;
    char time[32];
    int64_t rows = 0;
    int64_t total_us = sl_host_mono_us(s->driver->host) - s->times.start_us;
    for (uint32_t i = 0; done != NULL && i < done->source_count; i++)
        rows += done->sources[i].rows;
    double since_s = s->previous_trigger_us == 0
                         ? 0
                         : (double)(s->times.trigger_us - s->previous_trigger_us) / 1e6;
    double took_s = (double)(total_us < 1000 ? 1000 : total_us) / 1e6;
    sl_iso8601_ms(s->times.trigger_us / 1000, time);
    sl_json_begin(&j, &out);
    sl_json_open(&j, NULL, '{');
    sl_json_key_string(&j, "id", s->query_id);
    sl_json_key_string(&j, "runId", s->run_id);
    sl_json_key_string(&j, "name", s->name);
    sl_json_key_string(&j, "timestamp", time);
    sl_json_key_int(&j, "batchId", batch);
    sl_json_key_int(&j, "batchDuration", total_us / 1000);
    sl_json_key_int(&j, "numInputRows", rows);
    if (since_s > 0)
        key_rate(&j, "inputRowsPerSecond", (double)rows, since_s);
    else
        sl_json_key_double(&j, "inputRowsPerSecond", 0);
    key_rate(&j, "processedRowsPerSecond", (double)rows, took_s);
    write_durations(s, &j, total_us);
    write_event_time(s, &j, done, watermark_us);
    write_state(s, &j, done);
    write_sources(s, &j, done, since_s, took_s);
    write_sink(s, &j, output_rows);
    sl_json_close(&j, '}');
    keep(s, &out);
    sl_driver__event(s->driver, SL_EVENT_PROGRESS, s);
}

void sl_stream__report(sl_stream *s)
{
    write_report(s, s->result.done, s->offsets.batch, s->offsets.watermark_us,
                 s->sink_caps.guarantee == SL_SINK_A ? -1 : s->result.done->output_rows);
    s->last_idle_report_us = sl_host_mono_us(s->driver->host);
}

/* A trigger without a batch: a report every ten seconds, the first time at once
 * (spark:G3). */
void sl_stream__report_idle(sl_stream *s)
{
    int64_t now = sl_host_mono_us(s->driver->host);
    if (s->last_idle_report_us != 0 && now - s->last_idle_report_us < IDLE_REPORT_US)
        return;
    s->last_idle_report_us = now;
    write_report(s, NULL, s->last_batch + 1, sl_watermark_now(&s->watermark) * 1000, 0);
    sl_driver__event(s->driver, SL_EVENT_IDLE, s);
}
