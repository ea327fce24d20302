/* verify.h - is a checkpoint that is not in use whole?
 *
 * Checks query.json, every journal record and the chain of hashes, journal-head, and for
 * all that retained commits name: existence, size and hash of segments' records, snapshot
 * manifests and their tables, and the sinks' manifest logs.  Changes nothing.
 *
 * Thread: any. */

#ifndef SL_CHECKPOINT_VERIFY_H
#define SL_CHECKPOINT_VERIFY_H

#include "base/arena.h"
#include "base/fs.h"
#include "objects/kv.h"

typedef struct sl_finding {
    bool is_damage;    /* false: a remark: the next start goes on in spite of it */
    const char *where; /* a path, or path and record */
    const char *text;
} sl_finding;

typedef struct sl_verify_report {
    const sl_finding *findings; /* in the arena given */
    uint32_t finding_count;
    uint32_t damage_count;
    int64_t last_commit;
    uint64_t commits_checked, deltas_checked, snapshots_checked, tables_checked;
    uint64_t bytes_checked;
} sl_verify_report;

/* SL_EBUSY if the checkpoint is in use. Damage is a finding, not an error. */
SL_CHECKED sl_code sl_checkpoint_verify(sl_fs *fs, const sl_kv_factory *kv,
                                        const char *root, sl_arena *arena,
                                        sl_verify_report *ret, sl_error *err);
/* One line a finding and a summary line; or one JSON object. */
void sl_verify_text(const sl_verify_report *report, sl_bytes *out);
void sl_verify_json(const sl_verify_report *report, sl_bytes *out);

#endif /* SL_CHECKPOINT_VERIFY_H */
