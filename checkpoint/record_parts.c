#include "checkpoint/record_parts_private.h"

#include <inttypes.h>

sl_code sl_record__check_format(const char *what, uint32_t format, uint32_t format_max,
                                sl_error *err)
{
    if (format == 0)
        return sl_fail(err, SL_ECORRUPT, "%s record does not decode: no format", what);
    if (format > format_max)
        return sl_fail(err, SL_EINCOMPATIBLE,
                       "%s record has format %u, this sluice reads up to %u: use a newer "
                       "one",
                       what, format, format_max);
    return SL_OK;
}

sl_code sl_record__check_done(const char *what, const sl_reader *r, sl_error *err)
{
    if (sl_reader_done(r))
        return SL_OK;
    return sl_fail(err, SL_ECORRUPT,
                   "%s record does not decode: stopped at byte %zu of %zu", what, r->at,
                   r->size_bytes);
}

sl_code sl_record__check_size(const char *what, int64_t batch, size_t bytes,
                              sl_error *err)
{
    if (bytes <= SL_RECORD_BYTES_MAX)
        return SL_OK;
    return sl_fail(err, SL_ELIMIT,
                   "%s record of batch %" PRId64 " would be %zu bytes, at most %u are "
                   "allowed; let a batch take fewer files or offsets",
                   what, batch, bytes, SL_RECORD_BYTES_MAX);
}

sl_reader sl_record__reader(sl_span bytes, sl_arena *arena)
{
    const void *copy = bytes.size_bytes > 0
                           ? sl_arena_memdup(arena, bytes.data, bytes.size_bytes)
                           : NULL;
    return sl_reader_of(sl_span_of(copy, bytes.size_bytes));
}

void sl_record__put_file(sl_bytes *out, const sl_sink_file *f, bool with_stage)
{
    sl_bytes_string(out, f->target_name);
    sl_bytes_u64(out, f->size_bytes);
    sl_bytes_u64(out, f->row_count);
    sl_record__put_hash(out, f->hash);
    if (!with_stage)
        return;
    sl_bytes_string(out, f->staged_name);
    sl_bytes_u8(out, f->is_inline);
    sl_bytes_blob(out, f->is_inline ? f->content : (sl_span){ 0 });
}

void sl_record__get_file(sl_reader *r, sl_arena *arena, bool with_stage,
                         sl_sink_file *ret)
{
    *ret = (sl_sink_file){ .target_name = sl_record__get_text(r, arena) };
    ret->size_bytes = sl_read_u64(r);
    ret->row_count = sl_read_u64(r);
    ret->hash = sl_record__get_hash(r);
    if (!with_stage)
        return;
    ret->staged_name = sl_read_string(r, arena);
    ret->is_inline = sl_record__get_flag(r);
    ret->content = sl_read_blob(r);
}
