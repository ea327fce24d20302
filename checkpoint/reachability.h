/* reachability.h - what the retained commits name, and what may therefore be deleted.
 *
 * Only the driver of the newest epoch deletes, and only what no retained commit and no
 * pending work can reach and what is older than a grace time; a failed read never leads
 * to a delete: any error while collecting ends the whole run with nothing removed.
 *
 * Thread: owner thread (a clean-up lane); may block.
 * Source: rel:3.8. */

#ifndef SL_CHECKPOINT_REACHABILITY_H
#define SL_CHECKPOINT_REACHABILITY_H

#include "base/fs.h"
#include "checkpoint/journal.h"

typedef struct sl_reachability sl_reachability;

typedef enum sl_object_kind {
    SL_OBJECT_SEGMENT,  /* file name in state/segments/ */
    SL_OBJECT_SNAPSHOT, /* "<p>/<name>" in state/ */
    SL_OBJECT_TABLE,    /* file name in sst/ */
    SL_OBJECT_STAGED,   /* staged name of a committed, unpublished sink file */
} sl_object_kind;

/* What the commits of the journal name, collected in slices: nothing yet. */
sl_reachability *sl_reachability_begin(sl_fs *fs, const char *root);
/* Read on, at most commits_max commits more; *ret_done when the last one is read, which is
 * when sweeping may begin. Commits may come and retire between two slices: what retired
 * counts as named. Staged names count for batches after published_batch only (the least
 * of the sinks' manifests). After an error only sl_reachability_free. */
SL_CHECKED sl_code sl_reachability_collect(sl_reachability *r, sl_journal *j,
                                           int64_t published_batch, uint32_t commits_max,
                                           bool *ret_done, sl_error *err);
/* All of it at once. */
SL_CHECKED sl_code sl_reachability_new(sl_journal *j, sl_fs *fs, const char *root,
                                       int64_t published_batch, sl_reachability **ret,
                                       sl_error *err);
void sl_reachability_free(sl_reachability *r); /* NULL is fine */

/* Also keep this object: a segment being written, a snapshot not yet committed. */
void sl_reachability_keep(sl_reachability *r, sl_object_kind kind, const char *name);
bool sl_reachability_has(const sl_reachability *r, sl_object_kind kind, const char *name);
uint32_t sl_reachability_count(const sl_reachability *r, sl_object_kind kind);

/* Remove segments, snapshot manifests and tables (and tmp files beside them) that are not
 * reachable and whose mtime is before older_than_us. At most remove_max a call (0 = 100),
 * so that the caller can look at the epoch in between. */
typedef struct sl_sweep {
    uint64_t removed_count, removed_bytes;
    bool is_done; /* nothing more to remove */
} sl_sweep;
SL_CHECKED sl_code sl_reachability_sweep(const sl_reachability *r, int64_t older_than_us,
                                         uint32_t remove_max, sl_failpoints failpoints,
                                         sl_sweep *ret, sl_error *err);

#endif /* SL_CHECKPOINT_REACHABILITY_H */
