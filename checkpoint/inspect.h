/* inspect.h - what a checkpoint holds, for people and programs: the query, its batches,
 * offsets, commits and places of state.  Reads a checkpoint that is not in use and
 * changes nothing.
 *
 * Thread: any.   Errors: SL_EBUSY, SL_ENOTFOUND, SL_ECORRUPT, SL_EINCOMPATIBLE. */

#ifndef SL_CHECKPOINT_INSPECT_H
#define SL_CHECKPOINT_INSPECT_H

#include "base/fs.h"
#include "checkpoint/query_file.h"
#include "checkpoint/records.h"
#include "objects/kv.h"

typedef struct sl_inspect_options {
    uint32_t batches_max; /* the newest so many; 0 = 20 */
    bool is_json;
} sl_inspect_options;

SL_CHECKED sl_code sl_checkpoint_inspect(sl_fs *fs, const sl_kv_factory *kv,
                                         const char *root, sl_inspect_options options,
                                         sl_bytes *out, sl_error *err);
/* The progress report of the newest commits, oldest first, one JSON text each (batches
 * without one are skipped). progress lives in arena. */
SL_CHECKED sl_code sl_checkpoint_progress(sl_fs *fs, const sl_kv_factory *kv,
                                          const char *root, uint32_t batches_max,
                                          sl_arena *arena,
                                          const char *const **ret_progress,
                                          uint32_t *ret_count, sl_error *err);

/* One record as a JSON object. */
void sl_offsets_json(const sl_offsets_record *r, sl_bytes *out);
void sl_commit_json(const sl_commit_record *r, sl_bytes *out);

#endif /* SL_CHECKPOINT_INSPECT_H */
