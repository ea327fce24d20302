/* file_slice_private.h - a slice of a file as bytes: which file it was when it was
 * planned, and which byte range of it. version u8 = 1 | path string | size i64 | mtime_ns
 * i64 | inode u64 | begin i64 | end i64 */

#ifndef SL_CONNECTORS_FILE_SLICE_PRIVATE_H
#define SL_CONNECTORS_FILE_SLICE_PRIVATE_H

#include "base/arena.h"
#include "base/fs.h"

typedef struct sl_file_slice {
    const char *path;
    int64_t size_bytes, mtime_ns;
    uint64_t inode;
    int64_t begin, end;
} sl_file_slice;

void sl_file_slice__write(const sl_file_slice *s, sl_bytes *out);
SL_CHECKED sl_code sl_file_slice__read(sl_span bytes, sl_arena *arena, sl_file_slice *ret,
                                       sl_error *err);
/* SL_ESOURCE naming the file if it is not what was planned. */
SL_CHECKED sl_code sl_file_slice__check(const sl_file_slice *s, const sl_file_info *now,
                                        sl_error *err);

#endif /* SL_CONNECTORS_FILE_SLICE_PRIVATE_H */
