/* snapshot_file.h - state/<p>/<name>.man: which content-named tables make a snapshot.
 *
 * Written by a worker once all its tables stand in sst/, verified; named by a commit with
 * hash and size, or it does not exist.  Reachability and verification read it without
 * knowing what the tables hold.
 *
 * Thread: any.   Errors: SL_ECORRUPT, SL_EINCOMPATIBLE, SL_ENOTFOUND, naming the file.
 * Failpoints: snapshot.manifest. */

#ifndef SL_CHECKPOINT_SNAPSHOT_FILE_H
#define SL_CHECKPOINT_SNAPSHOT_FILE_H

#include "base/arena.h"
#include "base/fs.h"
#include "checkpoint/records.h"
#include "objects/failpoint.h"

#define SL_SNAPSHOT_FORMAT 1

typedef struct sl_snapshot_table {
    const char *local_name;   /* in the database's directory: "000012.sst", "CURRENT" */
    const char *content_name; /* in sst/ */
} sl_snapshot_table;

typedef struct sl_snapshot_file {
    const char *query_id;
    uint32_t partition;
    int64_t batch;
    uint64_t state_id;
    uint64_t row_count, row_bytes, row_sum;
    const sl_snapshot_table *tables;
    uint32_t table_count;
} sl_snapshot_file;

SL_CHECKED sl_code sl_snapshot_file_encode(const sl_snapshot_file *f, sl_bytes *out,
                                           sl_error *err);
SL_CHECKED sl_code sl_snapshot_file_decode(sl_span bytes, sl_arena *arena,
                                           sl_snapshot_file *ret, sl_error *err);

/* Write state/<p>/<name> (name ends in ".man" and is unique by attempt) and sync it.
 * ret gets kind, batch, id, hash and size; ret->manifest borrows name. */
SL_CHECKED sl_code sl_snapshot_file_write(sl_fs *fs, const char *root, const char *name,
                                          const sl_snapshot_file *f,
                                          sl_failpoints failpoints,
                                          sl_snapshot_place *ret, sl_error *err);
/* Read the file a commit names and compare hash and size. */
SL_CHECKED sl_code sl_snapshot_file_read(sl_fs *fs, const char *root, uint32_t partition,
                                         const sl_snapshot_place *place, sl_arena *arena,
                                         sl_snapshot_file *ret, sl_error *err);

#endif /* SL_CHECKPOINT_SNAPSHOT_FILE_H */
