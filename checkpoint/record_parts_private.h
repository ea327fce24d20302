/* record_parts_private.h - the pieces that several record codecs share. */

#ifndef SL_CHECKPOINT_RECORD_PARTS_PRIVATE_H
#define SL_CHECKPOINT_RECORD_PARTS_PRIVATE_H

#include "checkpoint/records.h"

static inline void sl_record__put_hash(sl_bytes *out, sl_hash128 h)
{
    sl_bytes_u64(out, h.low);
    sl_bytes_u64(out, h.high);
}
static inline sl_hash128 sl_record__get_hash(sl_reader *r)
{
    uint64_t low = sl_read_u64(r);
    return (sl_hash128){ .low = low, .high = sl_read_u64(r) };
}
static inline bool sl_record__same_hash(sl_hash128 a, sl_hash128 b)
{
    return a.low == b.low && a.high == b.high;
}
/* A flag is 0 or 1: anything else fails the reader. */
static inline bool sl_record__get_flag(sl_reader *r)
{
    uint8_t v = sl_read_u8(r);
    r->failed = r->failed || v > 1;
    return v == 1;
}
/* A text that must be there. */
static inline char *sl_record__get_text(sl_reader *r, sl_arena *arena)
{
    char *text = sl_read_string(r, arena);
    r->failed = r->failed || !text;
    return text;
}

/* What every record's payload begins with, and how its end is judged. */
SL_CHECKED sl_code sl_record__check_format(const char *what, uint32_t format,
                                           uint32_t format_max, sl_error *err);
SL_CHECKED sl_code sl_record__check_done(const char *what, const sl_reader *r,
                                         sl_error *err);
SL_CHECKED sl_code sl_record__check_size(const char *what, int64_t batch, size_t bytes,
                                         sl_error *err);
/* The bytes again in the arena, so that the decoded record stands alone. */
sl_reader sl_record__reader(sl_span bytes, sl_arena *arena);

/* with_stage: staged name and inline content too. */
void sl_record__put_file(sl_bytes *out, const sl_sink_file *f, bool with_stage);
void sl_record__get_file(sl_reader *r, sl_arena *arena, bool with_stage,
                         sl_sink_file *ret);

#endif /* SL_CHECKPOINT_RECORD_PARTS_PRIVATE_H */
