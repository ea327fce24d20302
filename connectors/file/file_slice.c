#include "connectors/file/file_slice_private.h"

#include <stdio.h>
#include <string.h>

#define VERSION 1

void sl_file_slice__write(const sl_file_slice *s, sl_bytes *out)
{
    sl_bytes_u8(out, VERSION);
    sl_bytes_string(out, s->path);
    sl_bytes_i64(out, s->size_bytes);
    sl_bytes_i64(out, s->mtime_ns);
    sl_bytes_u64(out, s->inode);
    sl_bytes_i64(out, s->begin);
    sl_bytes_i64(out, s->end);
}

/* All but the path's text. */
#define FIXED_BYTES (1u + 4u + 5u * 8u)

sl_code sl_file_slice__read(sl_span bytes, sl_arena *arena, sl_file_slice *ret,
                            sl_error *err)
{
    sl_reader r = sl_reader_of(bytes);
    uint8_t version = sl_read_u8(&r);
    sl_file_slice s = { .path = sl_read_string(&r, arena) };
    s.size_bytes = sl_read_i64(&r);
    s.mtime_ns = sl_read_i64(&r);
    s.inode = sl_read_u64(&r);
    s.begin = sl_read_i64(&r);
    s.end = sl_read_i64(&r);
    if (!sl_reader_done(&r) || version != VERSION || s.path == NULL || s.begin < 0 ||
        s.end < s.begin || s.end > s.size_bytes ||
        strlen(s.path) != bytes.size_bytes - FIXED_BYTES) /* a NUL would cut the path */
        return sl_fail(err, SL_ECORRUPT, "a file slice of %zu bytes does not decode",
                       bytes.size_bytes);
    *ret = s;
    return SL_OK;
}

sl_code sl_file_slice__check(const sl_file_slice *s, const sl_file_info *now,
                             sl_error *err)
{
    if (now->size_bytes == s->size_bytes && now->mtime_ns == s->mtime_ns &&
        now->inode == s->inode)
        return SL_OK;
    char change[80];
    if (now->size_bytes != s->size_bytes)
        snprintf(change, sizeof change, "it has %lld bytes, and had %lld",
                 (long long)now->size_bytes, (long long)s->size_bytes);
    else
        snprintf(change, sizeof change,
                 now->inode != s->inode ? "another file has taken its name"
                                        : "it was written to");
    return sl_fail(err, SL_ESOURCE,
                   "file %s changed after it was planned (%s): input files must not be "
                   "changed; restore it, or start with a new checkpoint",
                   s->path, change);
}
