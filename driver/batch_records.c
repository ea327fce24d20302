/* What a batch writes down: offsets/N from what the sources plan, commits/N from what the
 * workers say in DONE, and what of commits/N the next batch begins with. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "driver/stream_private.h"

/* ---- offsets ---- */

static uint32_t count_seen(const sl_stream *s)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->plan->source_count; i++)
        n += s->planned[i].seen_count;
    return n;
}

const sl_journal_seen *sl_stream__collect_seen(sl_stream *s, size_t *ret_count)
{
    sl_journal_seen *seen =
        SL_ARENA_ARRAY(s->batch_arena, sl_journal_seen, count_seen(s) + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->plan->source_count; i++)
        for (uint32_t k = 0; k < s->planned[i].seen_count; k++)
            seen[n++] = (sl_journal_seen){ .source = s->offsets.sources[i].source,
                                           .path = s->planned[i].seen[k].key,
                                           .batch = s->offsets.batch,
                                           .mtime_us = s->planned[i].seen[k].mtime_us,
                                           .size_bytes = s->planned[i].seen[k].size_bytes,
                                           .value = s->planned[i].seen[k].value };
    *ret_count = n;
    return seen;
}

void sl_stream__fill_offsets(sl_stream *s, bool has_data)
{
    sl_offsets_record *o = &s->offsets;
    sl_source_offsets *sources =
        SL_ARENA_ARRAY(s->batch_arena, sl_source_offsets, s->plan->source_count + 1);
    for (uint32_t i = 0; i < s->plan->source_count; i++) {
        const sl_source_batch *b = &s->planned[i];
        sources[i] = (sl_source_offsets){
            .source = sl_arena_printf(s->batch_arena, "%u", i),
            .end = b->end_offset,
            .start_json = b->start_json,
            .end_json = b->end_json,
            .slices = b->slices,
            .slice_count = b->has_data ? b->slice_count : 0,
        };
    }
    *o = (sl_offsets_record){
        .batch = s->last_batch + 1,
        .epoch = s->epoch,
        .batch_time_us = s->times.trigger_us / 1000 * 1000,
        .watermark_us = sl_watermark_now(&s->watermark) * 1000,
        .previous_watermark_us = s->last_used_watermark_us,
        .seed = sl_host_rand64(s->driver->host),
        .is_no_data = !has_data,
        .partitions = s->ranges,
        .partition_count = s->partition_count,
        .sources = sources,
        .source_count = s->plan->source_count,
    };
}

/* ---- commit ---- */

static void place_delta(const sl_msg_state_done *d, sl_delta_place *ret)
{
    if (!d->has_delta)
        return;
    if (d->delta.inline_bytes.size_bytes != 0) {
        *ret =
            (sl_delta_place){ .kind = SL_DELTA_INLINE, .bytes = d->delta.inline_bytes };
        return;
    }
    ret->kind = SL_DELTA_SEGMENT;
    snprintf(ret->segment.name, sizeof ret->segment.name, "%s", d->delta.segment);
    ret->segment.offset = d->delta.offset;
    ret->segment.length_bytes = d->delta.length_bytes;
    ret->segment.hash = d->delta.hash;
}

static bool is_newer(const sl_msg_snapshot *m, const sl_snapshot_place *than)
{
    return than->kind == SL_SNAPSHOT_NONE || m->batch > than->batch;
}

/* Every partition as it is after this batch. In memory of its own: while the commit is
 * written, workers may tell of newer snapshots. */
static sl_state_record *next_states(sl_stream *s, const sl_msg_done *done)
{
    sl_state_record *states =
        SL_ARENA_ARRAY(s->batch_arena, sl_state_record, s->partition_count);
    memcpy(states, s->states, s->partition_count * sizeof *states);
    for (uint32_t i = 0; i < done->state_count; i++) {
        const sl_msg_state_done *d = &done->states[i];
        if (d->partition >= s->partition_count)
            continue;
        sl_state_record *r = &states[d->partition];
        r->state_id = d->state_id;
        r->row_count = (uint64_t)d->row_count;
        place_delta(d, &r->delta);
        if (!d->has_full)
            continue;
        r->full = (sl_delta_place){ .kind = SL_DELTA_INLINE, .bytes = d->full };
        r->older_snapshot = r->snapshot;
        r->snapshot = (sl_snapshot_place){ .kind = SL_SNAPSHOT_FULL,
                                           .batch = s->offsets.batch,
                                           .state_id = d->state_id };
    }
    for (uint32_t i = 0; s->snapshots != NULL && i < s->partition_count; i++) {
        const sl_msg_snapshot *m = &s->snapshots[i];
        if (m->manifest == NULL || !is_newer(m, &states[i].snapshot))
            continue;
        states[i].older_snapshot = states[i].snapshot;
        states[i].snapshot =
            (sl_snapshot_place){ .kind = SL_SNAPSHOT_MANIFEST,
                                 .batch = m->batch,
                                 .state_id = m->state_id,
                                 .manifest = sl_arena_strdup(s->batch_arena, m->manifest),
                                 .hash = m->hash,
                                 .size_bytes = m->size_bytes };
    }
    return states;
}

static const sl_sink_record *sink_record(sl_stream *s, const sl_msg_done *done)
{
    sl_sink_record *r = SL_ARENA_NEW(s->batch_arena, sl_sink_record);
    sl_sink_file *files =
        SL_ARENA_ARRAY(s->batch_arena, sl_sink_file, done->file_count + 1);
    for (uint32_t i = 0; i < done->file_count; i++) {
        const sl_msg_file *f = &done->files[i];
        bool is_inline = *f->staged == '\0';
        files[i] = (sl_sink_file){ .staged_name = is_inline ? NULL : f->staged,
                                   .target_name = f->target,
                                   .size_bytes = (uint64_t)f->size_bytes,
                                   .row_count = (uint64_t)f->rows,
                                   .hash = f->hash,
                                   .content = f->content,
                                   .is_inline = is_inline };
    }
    *r = (sl_sink_record){ .sink = "0", .files = files, .file_count = done->file_count };
    return r;
}

static const sl_watermark_record *watermark_records(sl_stream *s)
{
    const sl_watermark *w = &s->watermark;
    sl_watermark_record *r =
        SL_ARENA_ARRAY(s->batch_arena, sl_watermark_record, w->source_count + 1);
    for (uint32_t i = 0; i < w->source_count; i++)
        r[i] = (sl_watermark_record){ .node = sl_arena_printf(s->batch_arena, "%u", i),
                                      .max_us = w->newest_ms[i] * 1000,
                                      .has_max = w->has_row[i] };
    return r;
}

void sl_stream__fill_commit(sl_stream *s)
{
    const sl_msg_done *done = s->result.done;
    uint64_t rows_in = 0, late = 0;
    for (uint32_t i = 0; i < done->time_count && i < s->watermark.source_count; i++)
        if (done->times[i].rows > 0)
            sl_watermark_observe(&s->watermark, i, done->times[i].max_us / 1000);
    for (uint32_t i = 0; i < done->source_count; i++)
        rows_in += (uint64_t)done->sources[i].rows;
    for (uint32_t i = 0; i < done->op_count; i++)
        late += (uint64_t)done->ops[i].rows_dropped;
    s->commit = (sl_commit_record){
        .batch = s->offsets.batch,
        .epoch = s->epoch,
        .attempt = s->attempt,
        .commit_wall_us = sl_host_wall_us(s->driver->host),
        .next_watermark_us = sl_watermark_advance(&s->watermark) * 1000,
        .rows_in = rows_in,
        .rows_out = (uint64_t)done->output_rows,
        .rows_late = late,
        .watermarks = watermark_records(s),
        .watermark_count = s->watermark.source_count,
        .states = s->states != NULL ? next_states(s, done) : NULL,
        .state_count = s->states != NULL ? s->partition_count : 0,
        .sinks = sink_record(s, done),
        .sink_count = 1,
    };
    sl_stream__fill_counts(s, &s->commit);
}

/* ---- the next batch's base ---- */

void sl_stream__adopt_commit(sl_stream *s)
{
    s->last_batch = s->offsets.batch;
    s->last_used_watermark_us = s->offsets.watermark_us;
    s->watermark_moved = s->commit.next_watermark_us > s->offsets.watermark_us;
    for (uint32_t k = 0; k < s->plan->state_op_count && k < s->result.done->op_count; k++)
        s->op_stats[k] = s->result.done->ops[k];
    if (s->states == NULL)
        return;
    sl_arena *old = s->state_arena;
    s->state_arena = sl_arena_new();
    s->states = SL_ARENA_ARRAY(s->state_arena, sl_state_record, s->partition_count);
    for (uint32_t i = 0; i < s->partition_count; i++) {
        sl_state_record *r = &s->states[i];
        *r = s->commit.states[i];
        r->delta = r->full = (sl_delta_place){ 0 };
        if (r->snapshot.manifest != NULL)
            r->snapshot.manifest = sl_arena_strdup(s->state_arena, r->snapshot.manifest);
        if (r->older_snapshot.manifest != NULL)
            r->older_snapshot.manifest =
                sl_arena_strdup(s->state_arena, r->older_snapshot.manifest);
    }
    sl_arena_free(old);
    for (uint32_t i = 0; s->snapshots != NULL && i < s->partition_count; i++) {
        if (is_newer(&s->snapshots[i], &s->states[i].snapshot))
            continue; /* told of while the commit was written: for the next one */
        sl_free((void *)(uintptr_t)s->snapshots[i].manifest);
        s->snapshots[i] = (sl_msg_snapshot){ 0 };
    }
}
