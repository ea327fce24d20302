/* manifest.h - the manifest log of a class A sink: the authority of what is published.
 *
 * After commits/N the driver renames the staged files into place and appends manifest N.
 * A batch in the log is never looked at again: users may move its files.  A batch that is
 * committed and not in the log is published, in order, at recovery.
 *
 * The log is a row of append files sinks/<id>/<batch>-<n>.log.  A damaged tail of a file
 * is left as it is: the next append starts a new file.  Each record names the batch
 * before it in the log, so a hole cannot pass.
 *
 * Durability: an append is synced when it returns.
 * Thread:     owner thread (a publishing lane).
 * Errors:     SL_ECORRUPT naming the file; SL_EEXISTS (that batch or a later one is in).
 * Failpoints: manifest.append, manifest.synced.
 * Source:     docs/formats/manifest.md. */

#ifndef SL_CHECKPOINT_MANIFEST_H
#define SL_CHECKPOINT_MANIFEST_H

#include "base/arena.h"
#include "base/fs.h"
#include "checkpoint/records.h"
#include "objects/failpoint.h"

#define SL_MANIFEST_FORMAT 1
#define SL_MANIFEST_FILE_BYTES_MAX (4 << 20) /* then a new file is started */

typedef struct sl_manifest sl_manifest;

typedef struct sl_manifest_record {
    int64_t batch;
    int64_t previous_batch; /* in this log; -1 for the first; set by append */
    uint64_t epoch;
    int64_t published_wall_us;
    const sl_sink_file *files; /* staged_name and content are not kept */
    uint32_t file_count;
} sl_manifest_record;

typedef struct sl_manifest_options {
    sl_fs *fs;
    const char *root;     /* of the checkpoint; copied */
    const char *sink_id;  /* [A-Za-z0-9_-]{1,48}; copied */
    const char *query_id; /* records of another query are SL_ECORRUPT; copied */
    sl_failpoints failpoints;
} sl_manifest_options;

/* Reads back to the last whole record. Nothing is created before the first append. */
SL_CHECKED sl_code sl_manifest_open(const sl_manifest_options *options, sl_manifest **ret,
                                    sl_error *err);
void sl_manifest_close(sl_manifest *m); /* NULL is fine */

/* The last batch published, -1 if none. Committed batches after it with files for this
 * sink are still to be published, in order. */
int64_t sl_manifest_last_batch(const sl_manifest *m);

SL_CHECKED sl_code sl_manifest_append(sl_manifest *m, const sl_manifest_record *record,
                                      sl_error *err);

/* All records in order, checked; each is borrowed for the call. */
typedef bool (*sl_manifest_fn)(void *user, const sl_manifest_record *record);
SL_CHECKED sl_code sl_manifest_each(const sl_manifest *m, sl_manifest_fn fn, void *user,
                                    sl_error *err);

/* The ids of the sinks with a manifest log under root; names live in arena. */
SL_CHECKED sl_code sl_manifest_sinks(sl_fs *fs, const char *root, sl_arena *arena,
                                     const char *const **ret_ids, uint32_t *ret_count,
                                     sl_error *err);

#endif /* SL_CHECKPOINT_MANIFEST_H */
