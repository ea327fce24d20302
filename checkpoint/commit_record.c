#include <stdio.h>
#include <string.h>

#include "checkpoint/record_parts_private.h"

static void put_delta(sl_bytes *out, const sl_delta_place *d)
{
    sl_bytes_u8(out, (uint8_t)d->kind);
    switch (d->kind) {
    case SL_DELTA_NONE:
        break;
    case SL_DELTA_INLINE:
        sl_bytes_blob(out, d->bytes);
        break;
    case SL_DELTA_SEGMENT:
        sl_bytes_string(out, d->segment.name);
        sl_bytes_u64(out, d->segment.offset);
        sl_bytes_u64(out, d->segment.length_bytes);
        sl_record__put_hash(out, d->segment.hash);
        break;
    }
}

static void get_delta(sl_reader *r, sl_delta_place *d)
{
    uint8_t kind = sl_read_u8(r);
    d->kind = (sl_delta_kind)kind;
    switch (kind) {
    case SL_DELTA_NONE:
        break;
    case SL_DELTA_INLINE:
        d->bytes = sl_read_blob(r);
        break;
    case SL_DELTA_SEGMENT: {
        sl_span name = sl_read_blob(r);
        r->failed = r->failed || name.size_bytes == 0 ||
                    name.size_bytes >= SL_SEGMENT_NAME_MAX ||
                    memchr(name.data, '/', name.size_bytes) ||
                    memchr(name.data, '\0', name.size_bytes);
        if (!r->failed)
            memcpy(d->segment.name, name.data, name.size_bytes);
        d->segment.offset = sl_read_u64(r);
        d->segment.length_bytes = sl_read_u64(r);
        d->segment.hash = sl_record__get_hash(r);
        break;
    }
    default:
        r->failed = true;
    }
}

static void put_snapshot(sl_bytes *out, const sl_snapshot_place *s)
{
    sl_bytes_u8(out, (uint8_t)s->kind);
    if (s->kind == SL_SNAPSHOT_NONE)
        return;
    sl_bytes_i64(out, s->batch);
    sl_bytes_u64(out, s->state_id);
    if (s->kind == SL_SNAPSHOT_FULL)
        return;
    sl_bytes_string(out, s->manifest);
    sl_record__put_hash(out, s->hash);
    sl_bytes_u64(out, s->size_bytes);
}

static void get_snapshot(sl_reader *r, sl_arena *arena, sl_snapshot_place *s)
{
    uint8_t kind = sl_read_u8(r);
    r->failed = r->failed || kind > SL_SNAPSHOT_FULL;
    if (r->failed || kind == SL_SNAPSHOT_NONE)
        return;
    s->kind = (sl_snapshot_kind)kind;
    s->batch = sl_read_i64(r);
    s->state_id = sl_read_u64(r);
    if (kind == SL_SNAPSHOT_FULL)
        return;
    s->manifest = sl_record__get_text(r, arena);
    s->hash = sl_record__get_hash(r);
    s->size_bytes = sl_read_u64(r);
}

/* Deltas inside are most of a record: growing by doubling would copy them again. */
static void reserve_states(sl_bytes *out, const sl_commit_record *c)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < c->state_count; i++)
        bytes += c->states[i].delta.bytes.size_bytes + c->states[i].full.bytes.size_bytes;
    sl_bytes_reserve(out, bytes + (size_t)c->state_count * 256);
}

static void put_states(sl_bytes *out, const sl_commit_record *c)
{
    reserve_states(out, c);
    sl_bytes_u32(out, c->state_count);
    for (uint32_t i = 0; i < c->state_count; i++) {
        const sl_state_record *s = &c->states[i];
        sl_bytes_u32(out, s->operator_id);
        sl_bytes_u32(out, s->partition);
        sl_bytes_u64(out, s->state_id);
        sl_bytes_u64(out, s->row_count);
        put_delta(out, &s->delta);
        put_delta(out, &s->full);
        put_snapshot(out, &s->snapshot);
        put_snapshot(out, &s->older_snapshot);
    }
}

static void get_states(sl_reader *r, sl_arena *arena, sl_commit_record *c)
{
    c->state_count = sl_read_count(r, 28);
    sl_state_record *states = SL_ARENA_ARRAY(arena, sl_state_record, c->state_count);
    for (uint32_t i = 0; i < c->state_count && !r->failed; i++) {
        sl_state_record *s = &states[i];
        s->operator_id = sl_read_u32(r);
        s->partition = sl_read_u32(r);
        s->state_id = sl_read_u64(r);
        s->row_count = sl_read_u64(r);
        get_delta(r, &s->delta);
        get_delta(r, &s->full);
        get_snapshot(r, arena, &s->snapshot);
        get_snapshot(r, arena, &s->older_snapshot);
    }
    c->states = states;
}

static void put_sinks(sl_bytes *out, const sl_commit_record *c)
{
    sl_bytes_u32(out, c->sink_count);
    for (uint32_t i = 0; i < c->sink_count; i++) {
        const sl_sink_record *s = &c->sinks[i];
        sl_bytes_string(out, s->sink);
        sl_bytes_blob(out, s->extra);
        sl_bytes_u32(out, s->file_count);
        for (uint32_t k = 0; k < s->file_count; k++)
            sl_record__put_file(out, &s->files[k], true);
    }
}

static void get_sinks(sl_reader *r, sl_arena *arena, sl_commit_record *c)
{
    c->sink_count = sl_read_count(r, 12);
    sl_sink_record *sinks = SL_ARENA_ARRAY(arena, sl_sink_record, c->sink_count);
    for (uint32_t i = 0; i < c->sink_count && !r->failed; i++) {
        sinks[i].sink = sl_record__get_text(r, arena);
        sinks[i].extra = sl_read_blob(r);
        sinks[i].file_count = sl_read_count(r, 45);
        sl_sink_file *files = SL_ARENA_ARRAY(arena, sl_sink_file, sinks[i].file_count);
        for (uint32_t k = 0; k < sinks[i].file_count && !r->failed; k++)
            sl_record__get_file(r, arena, true, &files[k]);
        sinks[i].files = files;
    }
    c->sinks = sinks;
}

sl_code sl_commit_encode(const sl_commit_record *c, sl_bytes *out, sl_error *err)
{
    size_t before = out->size_bytes;
    sl_bytes_u32(out, SL_COMMIT_FORMAT);
    sl_bytes_i64(out, c->batch);
    sl_bytes_u64(out, c->epoch);
    sl_bytes_u32(out, c->attempt);
    sl_bytes_i64(out, c->commit_wall_us);
    sl_record__put_hash(out, c->offsets_hash);
    sl_record__put_hash(out, c->parent_hash);
    sl_bytes_i64(out, c->next_watermark_us);
    sl_bytes_u64(out, c->rows_in);
    sl_bytes_u64(out, c->rows_out);
    sl_bytes_u64(out, c->rows_late);
    sl_bytes_u32(out, c->watermark_count);
    for (uint32_t i = 0; i < c->watermark_count; i++) {
        sl_bytes_string(out, c->watermarks[i].node);
        sl_bytes_u8(out, c->watermarks[i].has_max);
        sl_bytes_i64(out, c->watermarks[i].max_us);
    }
    put_states(out, c);
    put_sinks(out, c);
    sl_bytes_u32(out, c->count_count);
    for (uint32_t i = 0; i < c->count_count; i++) {
        sl_bytes_string(out, c->counts[i].name);
        sl_bytes_i64(out, c->counts[i].value);
    }
    sl_bytes_string(out, c->progress_json);
    return sl_record__check_size("commit", c->batch, out->size_bytes - before, err);
}

static void get_watermarks(sl_reader *r, sl_arena *arena, sl_commit_record *c)
{
    c->watermark_count = sl_read_count(r, 13);
    sl_watermark_record *w =
        SL_ARENA_ARRAY(arena, sl_watermark_record, c->watermark_count);
    for (uint32_t i = 0; i < c->watermark_count && !r->failed; i++) {
        w[i].node = sl_record__get_text(r, arena);
        w[i].has_max = sl_record__get_flag(r);
        w[i].max_us = sl_read_i64(r);
    }
    c->watermarks = w;
}

static void get_counts(sl_reader *r, sl_arena *arena, sl_commit_record *c)
{
    c->count_count = sl_read_count(r, 12);
    sl_count_record *counts = SL_ARENA_ARRAY(arena, sl_count_record, c->count_count);
    for (uint32_t i = 0; i < c->count_count && !r->failed; i++) {
        counts[i].name = sl_record__get_text(r, arena);
        counts[i].value = sl_read_i64(r);
    }
    c->counts = counts;
}

sl_code sl_commit_decode(sl_span bytes, sl_arena *arena, sl_commit_record *ret,
                         sl_error *err)
{
    sl_reader r = sl_record__reader(bytes, arena);
    sl_commit_record c = { 0 };
    SL_TRY(sl_record__check_format("commit", sl_read_u32(&r), SL_COMMIT_FORMAT, err));
    c.batch = sl_read_i64(&r);
    c.epoch = sl_read_u64(&r);
    c.attempt = sl_read_u32(&r);
    c.commit_wall_us = sl_read_i64(&r);
    c.offsets_hash = sl_record__get_hash(&r);
    c.parent_hash = sl_record__get_hash(&r);
    c.next_watermark_us = sl_read_i64(&r);
    c.rows_in = sl_read_u64(&r);
    c.rows_out = sl_read_u64(&r);
    c.rows_late = sl_read_u64(&r);
    get_watermarks(&r, arena, &c);
    get_states(&r, arena, &c);
    get_sinks(&r, arena, &c);
    get_counts(&r, arena, &c);
    c.progress_json = sl_read_string(&r, arena);
    SL_TRY(sl_record__check_done("commit", &r, err));
    *ret = c;
    return SL_OK;
}
