/* maintenance.h - what a worker does with stored state: flush, snapshot, restore, verify.
 *
 * All of it works from a recipe: a snapshot (or nothing) and the deltas after it, as the
 * commits name them.  Nothing here reads a live table, so it runs on the maintenance lane
 * while batches go on; sl_state_restore() makes a new partition.
 *
 * A sl_state_db is the local database of one partition: one RocksDB on the worker's disk
 * that holds one committed version V.  It is a cache: whatever is wrong with it, it is
 * dropped and built again from the recipe.  A flush writes `flushing` = V', the newest
 * row of each key changed in V+1..V' in key order, then the version V' and takes
 * `flushing` back; without a write-ahead log a crash leaves a prefix of that, so
 * `flushing` in the wanted lineage means: replay from V (deltas are idempotent); else:
 * drop.
 *
 * Thread:     one at a time per sl_state_db.  Blocks on disks.
 * Errors:     SL_ECORRUPT names file and batch; SL_EINCOMPATIBLE: state of another query,
 *             operator or key-group range; SL_EBUDGET, SL_ENOMEM; SL_EIO, SL_ENOSPACE,
 *             SL_ENOTFOUND of the fs.
 * Durability: a snapshot stands, synced and verified, when sl_state_db_snapshot()
 *             returns; it exists once a commit names its place.
 * Failpoints: state.delta (before each delta is applied), state.flush.begin,
 *             state.flush.end, state.snapshot.file, state.snapshot.manifest.
 * Source:     ours, design.md section 6; docs/formats/state-rows.md. */

#ifndef SL_STATESTORE_MAINTENANCE_H
#define SL_STATESTORE_MAINTENANCE_H

#include "base/fs.h"
#include "checkpoint/records.h"
#include "objects/failpoint.h"
#include "objects/kv.h"
#include "statestore/statestore.h"

/* ---- recipe: how a version is made from what commits name ---- */

typedef struct sl_state_step {
    sl_state_version version; /* after this batch */
    sl_delta_place delta;     /* NONE: nothing changed, the id is the one before */
} sl_state_step;

typedef struct sl_state_recipe {
    sl_state_version version;   /* wanted; its batch may lie after the last step's */
    sl_snapshot_place snapshot; /* where to start; NONE: from the empty state */
    sl_delta_place full;        /* snapshot.kind FULL: its bytes */
    const sl_state_step *steps; /* all batches after the snapshot that changed something,
                                   in order; others may be left out */
    uint32_t step_count;
} sl_state_recipe;

/* Which state it is and where its durable objects are. Borrowed by what it is given to.
 */
typedef struct sl_state_home {
    sl_fs *fs;
    const sl_kv_factory *kv;
    const char *checkpoint_dir; /* root of the checkpoint */
    const char *query_id;
    uint64_t query_hash;
    uint32_t partition;
    uint32_t group_first, group_end;
    sl_failpoints failpoints;
} sl_state_home;

/* ---- local database ---- */

typedef struct sl_state_db sl_state_db;

/* Touches no disk. dir (copied): where the database is or will be; "<dir>.copy" beside it
 * is used while a snapshot is made. memory_bytes: write buffers and cache, 0 = default.
 */
SL_CHECKED sl_code sl_state_db_new(const sl_state_home *home, const char *dir,
                                   uint64_t memory_bytes, sl_state_db **ret,
                                   sl_error *err);
void sl_state_db_free(sl_state_db *db); /* closes it; the files stay */
/* Close and remove the files: after any error of it, or when the partition leaves. */
SL_CHECKED sl_code sl_state_db_drop(sl_state_db *db, sl_error *err);
/* Version held; EMPTY if there is none, it is of another state, or in mid-flush. */
SL_CHECKED sl_code sl_state_db_version(sl_state_db *db, sl_state_version *ret,
                                       sl_error *err);

/* Bring the database to recipe->version: apply the steps it lacks, or drop it and build
 * it from the recipe if its version is not on the recipe's way. */
SL_CHECKED sl_code sl_state_flush(sl_state_db *db, const sl_state_recipe *recipe,
                                  sl_error *err);

/* ---- snapshots ---- */

#define SL_STATE_SNAPSHOT_STATES 4

typedef struct sl_state_snapshot_rule {
    uint64_t delta_bytes_min; /* fewer bytes of deltas make none due */
    uint64_t batches_max;     /* after so many one is due, whatever their bytes */
    uint64_t full_bytes_max;  /* a state up to this rides in a commit whole */
} sl_state_snapshot_rule;
/* 8 MiB, 1000, 64 KiB; tests with little state have smaller ones. */
extern const sl_state_snapshot_rule sl_state_snapshot_usual;

typedef struct sl_state_snapshot_facts {
    uint64_t delta_bytes_since; /* of all deltas after the last snapshot */
    uint64_t batches_since;
    uint64_t row_bytes; /* sl_state_figures.row_bytes now */
} sl_state_snapshot_facts;

/* What to make now: NONE, FULL (sl_state_full_delta, to ride in a commit) or MANIFEST
 * (sl_state_flush, then sl_state_db_snapshot). Due when the deltas since the last one are
 * more than SNAPSHOT_STATES times the state they would make, so that a restore loads a
 * bounded number of states' worth; or after so many batches: docs/adr/0001. */
sl_snapshot_kind sl_state_snapshot_due(const sl_state_snapshot_rule *rule,
                                       const sl_state_snapshot_facts *facts);

/* Snapshot the version the database holds: copy by hard links, scan the copy (count and
 * running sum of rows), put its files into sst/ by content, write
 * state/<p>/<manifest_name>. manifest_name ends in ".man", is unique by attempt, and
 * *ret borrows it. *ret_bytes: of all its files. If the scan finds damage the database is
 * dropped and SL_ECORRUPT returned: flush again. */
SL_CHECKED sl_code sl_state_db_snapshot(sl_state_db *db, const char *manifest_name,
                                        sl_snapshot_place *ret, uint64_t *ret_bytes,
                                        sl_error *err);

/* ---- restore and verify ---- */

/* A partition at recipe->version, checked: parent ids, checksums, state ids and (unless
 * config->skip_sum_check) count and running sum after each delta. If db (may be NULL:
 * then a scratch database beside scratch_dir is used and removed) holds a version on the
 * recipe's way it is read instead of the snapshot; if it cannot be used it is rebuilt
 * from the snapshot, so it holds the snapshot's version afterwards. */
SL_CHECKED sl_code sl_state_restore(const sl_state_config *config,
                                    const sl_state_home *home, sl_state_db *db,
                                    const char *scratch_dir,
                                    const sl_state_recipe *recipe,
                                    sl_state_partition **ret, sl_error *err);

/* The same checks without operators: for a checkpoint whose query does not run. Uses and
 * removes scratch_dir. ret may be NULL; memory: about 48 bytes a row and its key. */
SL_CHECKED sl_code sl_state_verify(const sl_state_home *home, const char *scratch_dir,
                                   const sl_state_recipe *recipe, sl_budget *budget,
                                   sl_state_figures *ret, sl_error *err);

#endif /* SL_STATESTORE_MAINTENANCE_H */
