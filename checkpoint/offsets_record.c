#include "base/limits.h"
#include "checkpoint/record_parts_private.h"

sl_code sl_offsets_encode(const sl_offsets_record *o, sl_bytes *out, sl_error *err)
{
    size_t before = out->size_bytes;
    sl_bytes_u32(out, SL_OFFSETS_FORMAT);
    sl_bytes_i64(out, o->batch);
    sl_bytes_u64(out, o->epoch);
    sl_bytes_i64(out, o->batch_time_us);
    sl_bytes_i64(out, o->watermark_us);
    sl_bytes_i64(out, o->previous_watermark_us);
    sl_bytes_u64(out, o->seed);
    sl_bytes_u8(out, o->is_no_data);
    sl_record__put_hash(out, o->parent_hash);
    sl_bytes_u32(out, o->partition_count);
    for (uint32_t i = 0; i < o->partition_count; i++) {
        sl_bytes_u32(out, o->partitions[i].first);
        sl_bytes_u32(out, o->partitions[i].end);
    }
    sl_bytes_u32(out, o->setting_count);
    for (uint32_t i = 0; i < o->setting_count; i++) {
        sl_bytes_string(out, o->settings[i].name);
        sl_bytes_string(out, o->settings[i].value);
    }
    sl_bytes_u32(out, o->source_count);
    for (uint32_t i = 0; i < o->source_count; i++) {
        const sl_source_offsets *s = &o->sources[i];
        sl_bytes_string(out, s->source);
        sl_bytes_blob(out, s->start);
        sl_bytes_blob(out, s->end);
        sl_bytes_string(out, s->start_json);
        sl_bytes_string(out, s->end_json);
        sl_bytes_u32(out, s->slice_count);
        for (uint32_t k = 0; k < s->slice_count; k++)
            sl_bytes_blob(out, s->slices[k]);
    }
    return sl_record__check_size("offsets", o->batch, out->size_bytes - before, err);
}

static void get_partitions(sl_reader *r, sl_arena *arena, sl_offsets_record *o)
{
    uint32_t count = sl_read_count(r, 8);
    sl_group_range *ranges = SL_ARENA_ARRAY(arena, sl_group_range, count);
    for (uint32_t i = 0; i < count && !r->failed; i++) {
        ranges[i].first = sl_read_u32(r);
        ranges[i].end = sl_read_u32(r);
        /* Ranges follow one another: a hole would lose keys silently. */
        r->failed = r->failed || ranges[i].end < ranges[i].first ||
                    ranges[i].first != (i == 0 ? 0 : ranges[i - 1].end) ||
                    ranges[i].end > SL_KEY_GROUPS;
    }
    o->partitions = ranges;
    o->partition_count = count;
}

static void get_settings(sl_reader *r, sl_arena *arena, sl_offsets_record *o)
{
    uint32_t count = sl_read_count(r, 8);
    sl_setting *settings = SL_ARENA_ARRAY(arena, sl_setting, count);
    for (uint32_t i = 0; i < count && !r->failed; i++) {
        settings[i].name = sl_record__get_text(r, arena);
        settings[i].value = sl_record__get_text(r, arena);
    }
    o->settings = settings;
    o->setting_count = count;
}

static void get_source(sl_reader *r, sl_arena *arena, sl_source_offsets *s)
{
    s->source = sl_record__get_text(r, arena);
    s->start = sl_read_blob(r);
    s->end = sl_read_blob(r);
    s->start_json = sl_read_string(r, arena);
    s->end_json = sl_read_string(r, arena);
    s->slice_count = sl_read_count(r, 4);
    sl_span *slices = SL_ARENA_ARRAY(arena, sl_span, s->slice_count);
    for (uint32_t i = 0; i < s->slice_count && !r->failed; i++)
        slices[i] = sl_read_blob(r);
    s->slices = slices;
}

sl_code sl_offsets_decode(sl_span bytes, sl_arena *arena, sl_offsets_record *ret,
                          sl_error *err)
{
    sl_reader r = sl_record__reader(bytes, arena);
    sl_offsets_record o = { 0 };
    SL_TRY(sl_record__check_format("offsets", sl_read_u32(&r), SL_OFFSETS_FORMAT, err));
    o.batch = sl_read_i64(&r);
    o.epoch = sl_read_u64(&r);
    o.batch_time_us = sl_read_i64(&r);
    o.watermark_us = sl_read_i64(&r);
    o.previous_watermark_us = sl_read_i64(&r);
    o.seed = sl_read_u64(&r);
    o.is_no_data = sl_record__get_flag(&r);
    o.parent_hash = sl_record__get_hash(&r);
    get_partitions(&r, arena, &o);
    get_settings(&r, arena, &o);
    o.source_count = sl_read_count(&r, 24);
    sl_source_offsets *sources = SL_ARENA_ARRAY(arena, sl_source_offsets, o.source_count);
    for (uint32_t i = 0; i < o.source_count && !r.failed; i++)
        get_source(&r, arena, &sources[i]);
    o.sources = sources;
    SL_TRY(sl_record__check_done("offsets", &r, err));
    *ret = o;
    return SL_OK;
}
