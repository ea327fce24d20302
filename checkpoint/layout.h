/* layout.h - where things are under a checkpoint location.
 *
 *   query.json                       what the query is; created once
 *   LOCK                             liveness only, holds the pid
 *   journal/                         RocksDB: offsets, commits, epochs, seen files
 *   journal-head                     last synced commit, two slots
 *   state/segments/<writer>-<n>.seg  state deltas too large for a commit
 *   state/<p>/<name>.man             snapshot manifests of state partition p
 *   sst/<hash>-<size>.sst            content-named tables shared by snapshots
 *   sinks/<id>/<batch>-<n>.log       manifest log of sink id: what is published
 *
 * Every path is "<root>/...", in a buffer of the caller.  SL_ELIMIT if it does not fit.
 * Thread: any. */

#ifndef SL_CHECKPOINT_LAYOUT_H
#define SL_CHECKPOINT_LAYOUT_H

#include <stdint.h>

#include "base/error.h"

#define SL_CHECKPOINT_PATH_MAX 4096
#define SL_CHECKPOINT_FORMAT 1

typedef struct sl_checkpoint_path {
    char text[SL_CHECKPOINT_PATH_MAX];
} sl_checkpoint_path;

SL_CHECKED sl_code sl_layout_query_file(const char *root, sl_checkpoint_path *ret,
                                        sl_error *err);
SL_CHECKED sl_code sl_layout_lock(const char *root, sl_checkpoint_path *ret,
                                  sl_error *err);
SL_CHECKED sl_code sl_layout_journal(const char *root, sl_checkpoint_path *ret,
                                     sl_error *err);
SL_CHECKED sl_code sl_layout_journal_head(const char *root, sl_checkpoint_path *ret,
                                          sl_error *err);
SL_CHECKED sl_code sl_layout_segments(const char *root, sl_checkpoint_path *ret,
                                      sl_error *err);
SL_CHECKED sl_code sl_layout_segment(const char *root, const char *name,
                                     sl_checkpoint_path *ret, sl_error *err);
SL_CHECKED sl_code sl_layout_state(const char *root, sl_checkpoint_path *ret,
                                   sl_error *err);
SL_CHECKED sl_code sl_layout_partition(const char *root, uint32_t partition,
                                       sl_checkpoint_path *ret, sl_error *err);
SL_CHECKED sl_code sl_layout_snapshot(const char *root, uint32_t partition,
                                      const char *name, sl_checkpoint_path *ret,
                                      sl_error *err);
SL_CHECKED sl_code sl_layout_sst_dir(const char *root, sl_checkpoint_path *ret,
                                     sl_error *err);
SL_CHECKED sl_code sl_layout_sst(const char *root, const char *name,
                                 sl_checkpoint_path *ret, sl_error *err);
SL_CHECKED sl_code sl_layout_sinks(const char *root, sl_checkpoint_path *ret,
                                   sl_error *err);
SL_CHECKED sl_code sl_layout_sink(const char *root, const char *sink_id,
                                  sl_checkpoint_path *ret, sl_error *err);

#endif /* SL_CHECKPOINT_LAYOUT_H */
