/* statestore.h - the state of one query's state partition, as operators see it.
 *
 * A partition owns a contiguous range of key groups and holds one hot table per stateful
 * operator.  A table maps key bytes to a fixed-width value that operators update in
 * place, a vector of keys at a time.  What a batch changes can be undone exactly (abort),
 * turned into delta bytes (prepare) and made the new version (commit).  Nothing here
 * touches a disk: flush, snapshot and restore are in statestore/maintenance.h, which only
 * workers see.
 *
 *                      begin            prepare            commit
 *            +--> IDLE -------> OPEN ------------> PREPARED -----> IDLE (version N)
 *            |                  | | error                 |
 *            |                  | v                       |
 *            |                  | FAILED                  |
 *            +------ abort -----+---+----------- abort ---+
 *
 * Shape:   value slots are value_width bytes, 8-byte aligned, at an address that stays
 *          while the entry lives; a new slot is zeroed.  Entry ids are stable while the
 *          entry lives, and an id removed in a batch is not reused in that batch.
 * Strings: a value may hold strings: 16-byte sl_state_blob fields at stated offsets,
 *          written with sl_state_set_blob() only, and owned by the table.  All other
 *          bytes of a value must mean the same in every process (no pointers).
 * Owns:    keys, values, blobs, undo list and time index, charged to the budget.
 * Thread:  owner thread (the executor that owns the partition).
 * Errors:  SL_EBUDGET names the operator; after any error of a call that changes a table
 *          the batch is FAILED and only sl_state_abort() (or free) is allowed.
 * Invariants:
 *   ST1  abort restores keys, values and blobs exactly; ids of surviving entries stay.
 *   ST2  the delta holds each changed key once, with its last value; rows whose bytes are
 *        as before the batch are left out, so two attempts that end in the same state
 *        make the same state id, in whatever order their rows came.
 *   ST3  state id of N = hash(parent id, N, sum of the delta's row hashes); an empty
 * delta keeps the id. ST4  the sum of row hashes over all rows is kept incrementally and
 * travels in every delta; restore compares it. Source:  ours, design.md section 6;
 * docs/formats/delta.md has the bytes. */

#ifndef SL_STATESTORE_STATESTORE_H
#define SL_STATESTORE_STATESTORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/hash_table.h"

typedef struct sl_state_partition sl_state_partition;
typedef struct sl_state_table sl_state_table;

/* Which state: the batch it is after, and its id. Before batch 0: { -1, 0 }. */
typedef struct sl_state_version {
    int64_t batch;
    uint64_t id;
} sl_state_version;

#define SL_STATE_VERSION_EMPTY ((sl_state_version){ -1, 0 })

/* A string inside a value. data is NULL while empty. Read it freely; write it with
 * sl_state_set_blob() only. */
typedef struct sl_state_blob {
    const uint8_t *data;
    uint64_t size_bytes;
} sl_state_blob;

/* Where an operator's keys carry their event time. */
typedef enum sl_state_time_kind {
    SL_STATE_TIME_NONE, /* entries never expire by time */
    SL_STATE_TIME_AT,   /* at time_offset: 0x01 + 8 bytes as row_key.h writes a timestamp;
                           0x00 there is null, which never expires */
    SL_STATE_TIME_ASKED, /* by the callback `time` */
} sl_state_time_kind;

typedef struct sl_state_operator {
    uint32_t operator_id; /* from the plan; stable over restarts; in keys on disk */
    char name[40];        /* for messages: "count aggregate" */
    uint32_t value_width; /* bytes, may be 0 */
    const uint32_t *blob_offsets; /* ascending, multiples of 8; copied at open */
    uint32_t blob_count;
    sl_state_time_kind time_kind;
    uint32_t time_offset;
    bool (*time)(void *user, sl_span key, int64_t *ret_time_us); /* false: no time */
    void *time_user;
    int64_t window_us; /* an entry ends at its time + window_us (saturating) */
} sl_state_operator;

typedef struct sl_state_config {
    uint64_t query_hash; /* who owns the state; in every delta and snapshot */
    uint32_t partition;
    uint32_t group_first, group_end;    /* key groups [first, end) */
    const sl_state_operator *operators; /* copied; ids distinct */
    uint32_t operator_count;
    sl_budget *budget;   /* borrowed; each table makes a child account */
    bool skip_sum_check; /* restore does not compare the running sum (ST4) */
} sl_state_config;

/* An empty partition at SL_STATE_VERSION_EMPTY. sl_state_restore() (maintenance.h) makes
 * one from what is stored. */
SL_CHECKED sl_code sl_state_partition_new(const sl_state_config *config,
                                          sl_state_partition **ret, sl_error *err);
void sl_state_partition_free(sl_state_partition *p); /* NULL is fine; in any state */

/* Borrowed from the partition; NULL if no operator has this id. */
sl_state_table *sl_state_table_of(sl_state_partition *p, uint32_t operator_id);

/* ---- batch life cycle ---- */
typedef enum sl_state_phase {
    SL_STATE_IDLE,
    SL_STATE_OPEN,
    SL_STATE_FAILED,
    SL_STATE_PREPARED,
} sl_state_phase;

/* What prepare made. delta is NULL if nothing changed. */
typedef struct sl_state_prepared {
    sl_state_version version; /* (N, id) to commit */
    sl_buffer *delta;         /* yours: one reference; immutable */
    uint64_t row_count;       /* rows in the delta, removals included */
    uint64_t delta_hash;      /* XXH3-64 of all delta bytes: for DONE and the commit */
} sl_state_prepared;

sl_state_phase sl_state_phase_of(const sl_state_partition *p);
/* The last committed version (also while a batch is open). */
sl_state_version sl_state_version_of(const sl_state_partition *p);

/* Start batch N on top of `base`; SL_EINTERNAL if base is not this partition's version or
 * N does not follow it. */
SL_CHECKED sl_code sl_state_begin(sl_state_partition *p, int64_t batch,
                                  sl_state_version base, sl_error *err);
SL_CHECKED sl_code sl_state_prepare(sl_state_partition *p, sl_state_prepared *ret,
                                    sl_error *err);
/* SL_EINTERNAL and no change if `version` is not the one prepared: drop and restore. */
SL_CHECKED sl_code sl_state_commit(sl_state_partition *p, sl_state_version version,
                                   sl_error *err);
/* Back to the last committed version; cannot fail; in IDLE it does nothing. */
void sl_state_abort(sl_state_partition *p);
/* The committed version is also the state after `batch`: for batches whose deltas here
 * were empty or that did not run this partition. IDLE only. */
SL_CHECKED sl_code sl_state_skip_to(sl_state_partition *p, int64_t batch, sl_error *err);

/* ---- table operations; all but reads need an OPEN batch ---- */

/* Slot and id of each key, inserted if absent. ret_new (bitmap of keys->count bits, may
 * be NULL) marks the first occurrence of keys that were absent; ret_ids may be NULL.
 * Every entry returned counts as touched. Slots are borrowed until the batch ends. A key
 * outside the partition's key groups is SL_EINTERNAL (debug builds check). */
SL_CHECKED sl_code sl_state_upsert_many(sl_state_table *t, const sl_key_batch *keys,
                                        uint32_t *ret_ids, uint8_t **ret_slots,
                                        uint64_t *ret_new, sl_error *err);
/* Id of each key, or SL_ENTRY_NONE. Reads only: in any phase. */
void sl_state_get_many(const sl_state_table *t, const sl_key_batch *keys,
                       uint32_t *ret_ids);
/* Touch entries found otherwise (get_many, live, expired) before changing them. */
SL_CHECKED sl_code sl_state_touch_many(sl_state_table *t, const uint32_t *ids,
                                       uint32_t count, sl_error *err);
/* Remove entries; ids already removed are skipped. They vanish from every read at once;
 * their keys stay readable until the batch ends. */
SL_CHECKED sl_code sl_state_remove_many(sl_state_table *t, const uint32_t *ids,
                                        uint32_t count, sl_error *err);
/* Set blob number blob_index of a slot of a touched entry to a copy of bytes. */
SL_CHECKED sl_code sl_state_set_blob(sl_state_table *t, uint8_t *slot,
                                     uint32_t blob_index, sl_span bytes, sl_error *err);

/* ---- reads, in any phase; ids of live entries ---- */
uint32_t sl_state_count(const sl_state_table *t);
sl_span sl_state_key(const sl_state_table *t, uint32_t id);
uint8_t *sl_state_value(const sl_state_table *t,
                        uint32_t id); /* change only if touched */
/* ret_slots[i] = value slot of ids[i]. */
void sl_state_values(const sl_state_table *t, const uint32_t *ids, uint32_t count,
                     uint8_t **ret_slots);

/* Up to max ids at *cursor (0 to start); returns how many, 0 at the end. No call that
 * inserts may come between; removing what was returned is fine.
 * live: all entries, by id. touched: live entries touched in this batch, in order of
 * first touch: the changed groups. */
uint32_t sl_state_live(const sl_state_table *t, uint64_t *cursor, uint32_t *ret_ids,
                       uint32_t max);
uint32_t sl_state_touched(const sl_state_table *t, uint64_t *cursor, uint32_t *ret_ids,
                          uint32_t max);

/* Ids of all live entries that end at or before evict_us, in order of their end (equal
 * ends in no promised order). O(1) if there are none. Borrowed until the next call. */
SL_CHECKED sl_code sl_state_expired(sl_state_table *t, int64_t evict_us,
                                    const uint32_t **ret_ids, uint32_t *ret_count,
                                    sl_error *err);
/* The end of the entry that ends first, or a lower bound of it; INT64_MAX if none. */
int64_t sl_state_first_end(const sl_state_table *t);

/* ---- figures of the last committed version; while PREPARED, of the prepared one ---- */
typedef struct sl_state_figures {
    uint64_t row_count;
    uint64_t row_bytes;   /* of all rows as a delta writes them */
    uint64_t row_sum;     /* ST4 */
    int64_t memory_bytes; /* now, of all tables with undo and index */
} sl_state_figures;

void sl_state_figures_get(const sl_state_partition *p, sl_state_figures *ret);

/* The whole state as one full delta, of the prepared version (PREPARED) or the committed
 * one (IDLE). For small partitions: it rides in a commit in place of a snapshot.
 * *ret is yours. */
SL_CHECKED sl_code sl_state_full_delta(sl_state_partition *p, sl_buffer **ret,
                                       uint64_t *ret_hash, sl_error *err);

#endif /* SL_STATESTORE_STATESTORE_H */
