/* Progress reports as Spark writes them (spark 5.1): JSON text, the last ones kept.
 *
 * A batch's report is made twice: into the commit, where it outlives the process but can
 * know nothing of the commit itself (no commitOffsets, triggerExecution so far), and
 * again when the batch is published. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "driver/stream_private.h"

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

/* One decimal, half up; left out if infinite or no number. Without a trigger before this
 * one seconds is infinite and the rate 0 (spark:G1). */
static void key_rate(sl_json *j, const char *key, int64_t rows, double seconds)
{
    if (seconds > 0)
        sl_json_key_double(j, key, floor((double)rows / seconds * 10 + 0.5) / 10);
}

/* What the report is of: a batch, or a trigger that found nothing to do. */
struct report {
    const sl_stream *stream;
    const sl_msg_done *done; /* NULL: no batch */
    int64_t batch, watermark_us, output_rows, total_us;
    double since_s, took_s; /* the trigger before, this trigger */
};

/* What took how long, under Spark's names (spark:G2), and ours where it has none:
 * publish, runTasks, sinkWrite, storeState. Sorted. Spark's unit is too coarse for our
 * batches, so they come again in microseconds. */
static void write_durations(const struct report *r, sl_json *j, const char *name,
                            int64_t unit_us)
{
    const sl_batch_times *t = &r->stream->times;
    const struct {
        const char *key;
        int64_t us; /* below 0: not in this report */
    } all[] = {
        { "addBatch", t->add_batch_us },
        { "commitOffsets", t->commit_us },
        { "getBatch", t->get_batch_us },
        { "latestOffset", t->latest_offset_us },
        { "publish", t->publish_us },
        { "queryPlanning", t->query_planning_us },
        { "runTasks", r->done != NULL ? r->done->run_us : -1 },
        { "sinkWrite", t->sink_us },
        { "storeState", r->done != NULL ? r->done->state_us : -1 },
        { "triggerExecution", r->total_us },
        { "walCommit", t->wal_commit_us },
    };
    sl_json_open(j, name, '{');
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].us >= 0)
            sl_json_key_int(j, all[i].key, all[i].us / unit_us);
    sl_json_close(j, '}');
}

static void key_time(sl_json *j, const char *key, int64_t us)
{
    char text[32];
    sl_iso8601_ms(us / 1000, text);
    sl_json_key_string(j, key, text);
}

static void write_event_time(const struct report *r, sl_json *j)
{
    if (r->stream->plan->watermark_count == 0)
        return;
    int64_t rows = 0, min = INT64_MAX, max = INT64_MIN;
    double sum = 0;
    for (uint32_t i = 0; r->done != NULL && i < r->done->time_count; i++) {
        const sl_msg_time_stats *t = &r->done->times[i];
        if (t->rows == 0)
            continue;
        rows += t->rows;
        sum += t->sum_us;
        min = t->min_us < min ? t->min_us : min;
        max = t->max_us > max ? t->max_us : max;
    }
    sl_json_open(j, "eventTime", '{');
    if (rows > 0) {
        key_time(j, "avg", (int64_t)(sum / (double)rows));
        key_time(j, "max", max);
        key_time(j, "min", min);
    }
    key_time(j, "watermark", r->watermark_us);
    sl_json_close(j, '}');
}

/* All operators of a partition share its delta: the first operator shows it. */
static void write_custom_metrics(const sl_msg_done *done, sl_json *j)
{
    int64_t bytes = 0, changed = 0;
    for (uint32_t i = 0; i < done->state_count; i++) {
        const sl_msg_state_done *d = &done->states[i];
        if (!d->has_delta)
            continue;
        changed++;
        bytes += d->delta.inline_bytes.size_bytes != 0
                     ? (int64_t)d->delta.inline_bytes.size_bytes
                     : (int64_t)d->delta.length_bytes;
    }
    sl_json_open(j, "customMetrics", '{');
    sl_json_key_int(j, "changedPartitions", changed);
    sl_json_key_int(j, "deltaBytes", bytes);
    sl_json_close(j, '}');
}

/* The last operator of the dataflow comes first. Without a batch the totals stay and what
 * a batch counts is 0 (spark:G3). */
static void write_state(const struct report *r, sl_json *j)
{
    const sl_stream *s = r->stream;
    sl_json_open(j, "stateOperators", '[');
    for (uint32_t k = s->plan->state_op_count; k-- > 0;) {
        const sl_state_op_plan *op = &s->plan->state_ops[k];
        sl_msg_op_stats idle = { .rows_total = s->op_stats[k].rows_total,
                                 .memory_bytes = s->op_stats[k].memory_bytes };
        const sl_msg_op_stats *o =
            r->done != NULL && k < r->done->op_count ? &r->done->ops[k] : &idle;
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
        if (r->done != NULL && k == 0)
            write_custom_metrics(r->done, j);
        sl_json_close(j, '}');
    }
    sl_json_close(j, ']');
}

/* Offsets of a batch are the journal's (a recovered one was not planned here); of an idle
 * trigger what planning saw: where the source stands. */
static void write_offsets(const struct report *r, uint32_t source, sl_json *j)
{
    const sl_stream *s = r->stream;
    const sl_source_batch *b = s->planned != NULL ? &s->planned[source] : NULL;
    const char *start = NULL, *end = NULL, *latest = NULL;
    if (r->done != NULL) {
        start = s->offsets.sources[source].start_json;
        end = s->offsets.sources[source].end_json;
        latest = end;
    } else if (b != NULL) {
        start = end = latest = b->end_json;
    }
    if (b != NULL && b->latest_json != NULL)
        latest = b->latest_json;
    sl_json_key_raw(j, "startOffset", start != NULL ? start : "null");
    sl_json_key_raw(j, "endOffset", end != NULL ? end : "null");
    sl_json_key_raw(j, "latestOffset", latest != NULL ? latest : "null");
}

static int64_t rows_of(const sl_msg_done *done, uint32_t source)
{
    return done != NULL && source < done->source_count ? done->sources[source].rows : 0;
}

static void write_sources(const struct report *r, sl_json *j)
{
    const sl_stream *s = r->stream;
    sl_json_open(j, "sources", '[');
    for (uint32_t i = 0; i < s->plan->source_count; i++) {
        sl_bytes description = { 0 };
        s->sources[i]->class->description(s->sources[i], &description);
        sl_json_open(j, NULL, '{');
        sl_json_key_string(j, "description", sl_bytes_cstr(&description));
        write_offsets(r, i, j);
        sl_json_key_int(j, "numInputRows", rows_of(r->done, i));
        key_rate(j, "inputRowsPerSecond", rows_of(r->done, i), r->since_s);
        key_rate(j, "processedRowsPerSecond", rows_of(r->done, i), r->took_s);
        sl_json_close(j, '}');
        sl_bytes_deinit(&description);
    }
    sl_json_close(j, ']');
}

static void write_sink(const struct report *r, sl_json *j)
{
    const sl_stream *s = r->stream;
    sl_bytes description = { 0 };
    s->sink_class->description(s->sink, &description);
    sl_json_open(j, "sink", '{');
    sl_json_key_string(j, "description", sl_bytes_cstr(&description));
    sl_json_key_int(j, "numOutputRows", r->output_rows);
    sl_json_close(j, '}');
    sl_bytes_deinit(&description);
}

static void write_report(struct report *r, sl_bytes *out)
{
    const sl_stream *s = r->stream;
    sl_json j;
    char time[32];
    int64_t rows = 0;
    r->total_us = sl_host_mono_us(s->driver->host) - s->times.start_us;
    for (uint32_t i = 0; i < s->plan->source_count; i++)
        rows += rows_of(r->done, i);
    r->since_s = s->previous_trigger_us == 0
                     ? INFINITY
                     : (double)(s->times.trigger_us - s->previous_trigger_us) / 1e6;
    r->took_s = (double)(r->total_us < 1000 ? 1000 : r->total_us) / 1e6;
    sl_iso8601_ms(s->times.trigger_us / 1000, time);
    sl_json_begin(&j, out);
    sl_json_open(&j, NULL, '{');
    sl_json_key_string(&j, "id", s->query_id);
    sl_json_key_string(&j, "runId", s->run_id);
    sl_json_key_string(&j, "name", s->name);
    sl_json_key_string(&j, "timestamp", time);
    sl_json_key_int(&j, "batchId", r->batch);
    sl_json_key_int(&j, "batchDuration", r->total_us / 1000);
    sl_json_key_int(&j, "numInputRows", rows);
    key_rate(&j, "inputRowsPerSecond", rows, r->since_s);
    key_rate(&j, "processedRowsPerSecond", rows, r->took_s);
    write_durations(r, &j, "durationMs", 1000);
    write_durations(r, &j, "durationUs", 1);
    write_event_time(r, &j);
    write_state(r, &j);
    write_sources(r, &j);
    write_sink(r, &j);
    sl_json_close(&j, '}');
}

void sl_stream__progress_json(sl_stream *s, sl_bytes *out)
{
    struct report r = { .stream = s,
                        .done = s->result.done,
                        .batch = s->offsets.batch,
                        .watermark_us = s->offsets.watermark_us,
                        .output_rows = s->sink_caps.guarantee == SL_SINK_A
                                           ? -1 /* as Spark's file sink */
                                           : s->result.done->output_rows };
    write_report(&r, out);
}

void sl_stream__report(sl_stream *s)
{
    sl_bytes out = { 0 };
    sl_stream__progress_json(s, &out);
    keep(s, &out);
    s->last_report_us = sl_host_mono_us(s->driver->host);
    int64_t rows = 0;
    for (uint32_t i = 0; i < s->plan->source_count; i++)
        rows += rows_of(s->result.done, i);
    sl_rates_add(&s->rates, s->times.start_us, s->last_report_us, rows);
    sl_driver__event(s->driver, SL_EVENT_PROGRESS, s);
}

/* A trigger without a batch: a report at most every ten seconds, the first at once; the
 * listener hears of all but that first one (spark:G3). */
void sl_stream__report_idle(sl_stream *s)
{
    int64_t now = sl_host_mono_us(s->driver->host);
    int64_t interval = sl_options_int(s->options, "sluice.streaming.idleReportInterval");
    bool is_first = s->last_report_us == INT64_MIN;
    if (!is_first && now - s->last_report_us < interval)
        return;
    sl_bytes out = { 0 };
    struct report r = { .stream = s,
                        .batch = s->last_batch + 1,
                        .watermark_us = sl_watermark_now(&s->watermark) * 1000 };
    write_report(&r, &out);
    keep(s, &out);
    s->last_report_us = now;
    if (!is_first)
        sl_driver__event(s->driver, SL_EVENT_IDLE, s);
}

/* ---- counts in the commit ---- */

void sl_stream__fill_counts(sl_stream *s, sl_commit_record *c)
{
    const sl_msg_done *done = s->result.done;
    uint32_t n = 0;
    sl_count_record *counts = SL_ARENA_ARRAY(s->batch_arena, sl_count_record,
                                             done->source_count + done->op_count * 2 + 1);
    for (uint32_t i = 0; i < done->source_count; i++)
        counts[n++] =
            (sl_count_record){ sl_arena_printf(s->batch_arena, "source.%u.rows", i),
                               done->sources[i].rows };
    for (uint32_t i = 0; i < done->op_count; i++) {
        counts[n++] =
            (sl_count_record){ sl_arena_printf(s->batch_arena, "state.%u.rows", i),
                               done->ops[i].rows_total };
        counts[n++] =
            (sl_count_record){ sl_arena_printf(s->batch_arena, "state.%u.bytes", i),
                               done->ops[i].memory_bytes };
    }
    c->counts = counts;
    c->count_count = n;
}

void sl_stream__restore_counts(sl_stream *s, const sl_commit_record *c)
{
    char rows[32], bytes[32];
    for (uint32_t k = 0; k < s->plan->state_op_count; k++) {
        snprintf(rows, sizeof rows, "state.%u.rows", k);
        snprintf(bytes, sizeof bytes, "state.%u.bytes", k);
        for (uint32_t i = 0; i < c->count_count; i++) {
            if (strcmp(c->counts[i].name, rows) == 0)
                s->op_stats[k].rows_total = c->counts[i].value;
            else if (strcmp(c->counts[i].name, bytes) == 0)
                s->op_stats[k].memory_bytes = c->counts[i].value;
        }
    }
}
