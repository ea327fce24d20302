/* query_file.h - query.json: what a checkpoint is of.
 *
 * Written once when the query is created, never overwritten; readable JSON with a
 * checksum over its meaning, so that spaces may change but values may not.  A checkpoint
 * whose query.json is gone while other pieces stand is refused, not re-created over.
 *
 * Errors: SL_ENOTFOUND (an empty or absent location: create it), SL_ECORRUPT (damaged, or
 *         missing beside other pieces), SL_EINCOMPATIBLE (newer format, or another plan);
 *         all name the file and what to do.
 * Thread: any.   Failpoints: query-file.create.
 * Source: docs/formats/query-file.md. */

#ifndef SL_CHECKPOINT_QUERY_FILE_H
#define SL_CHECKPOINT_QUERY_FILE_H

#include "base/arena.h"
#include "base/fs.h"
#include "checkpoint/records.h"
#include "objects/failpoint.h"

#define SL_QUERY_FILE_FORMAT 1
#define SL_QUERY_ID_CHARS 36

typedef struct sl_query_file {
    const char *query_id; /* a random UUID */
    const char *name;     /* of the query; NULL = none */
    const char *sql;
    const char *plan_fingerprint;
    uint32_t key_group_count;
    uint32_t partition_count; /* of the state, when the query was created */
    int64_t created_wall_us;
    const sl_setting *settings; /* fixed for the query's life */
    uint32_t setting_count;
} sl_query_file;

/* "8d3f2c1a-....": version 4 from 128 random bits. */
void sl_query_id_make(uint64_t random_high, uint64_t random_low,
                      char ret_text[SL_QUERY_ID_CHARS + 1]);

/* Makes root as well. SL_EEXISTS if a query.json is there. */
SL_CHECKED sl_code sl_query_file_create(sl_fs *fs, const char *root,
                                        const sl_query_file *q, sl_failpoints failpoints,
                                        sl_error *err);
SL_CHECKED sl_code sl_query_file_read(sl_fs *fs, const char *root, sl_arena *arena,
                                      sl_query_file *ret, sl_error *err);
/* SL_EINCOMPATIBLE unless the stored fingerprint is that of the plan about to run. */
SL_CHECKED sl_code sl_query_file_check_plan(const sl_query_file *stored, const char *root,
                                            const char *plan_fingerprint, sl_error *err);
/* The value of a fixed setting, NULL if not there. */
const char *sl_query_file_setting(const sl_query_file *q, const char *name);

#endif /* SL_CHECKPOINT_QUERY_FILE_H */
