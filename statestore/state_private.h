/* state_private.h - what the files of this room share about live partitions.
 *
 * A value slot in the base hash table is an entry head (8 bytes) and then the operator's
 * value.  The head's mark says in which batch the entry was first touched, so "is this
 * the first touch?" is one compare on memory the operator reads next anyway.
 *
 *   mark   0               just inserted by the hash table, not yet seen by us
 *          MARK_REMOVED    removed in this batch, kept until commit
 *          == table->mark  touched in this batch; undo is its undo record
 *          anything else   unchanged since an earlier batch */

#ifndef SL_STATESTORE_STATE_PRIVATE_H
#define SL_STATESTORE_STATE_PRIVATE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/bitmap.h"
#include "engine/columnar/row_key.h" /* key groups only */
#include "statestore/delta.h"
#include "statestore/statestore.h"
#include "statestore/time_index_private.h"

#define SL_STATE__MARK_REMOVED UINT32_MAX
#define SL_STATE__MARK_LOADED 1u
#define SL_STATE__OLD_NONE UINT32_MAX
#define SL_STATE__HEAD_BYTES ((uint32_t)sizeof(struct sl_state__head))
#define SL_STATE__BLOBS_MAX 64
#define SL_STATE__OPERATORS_MAX 256
#define SL_STATE__VALUE_WIDTH_MAX 65536
#define SL_STATE__BLOCK 256 /* rows whose memory is prefetched together */

struct sl_state__head {
    uint32_t mark;
    uint32_t undo;
};

/* One first touch: the entry, and where its old slot image is (OLD_NONE: it was absent).
 */
struct sl_state__undo {
    uint32_t id;
    uint32_t old;
};

struct sl_state_table {
    sl_state_partition *partition;
    sl_state_operator op; /* op.blob_offsets is owned */
    sl_budget budget;
    sl_hash_table *map;
    uint32_t mark;       /* of the open batch; entries with another mark are untouched */
    uint32_t slot_bytes; /* head and value, a multiple of 8 */
    uint64_t row_seed;   /* makes equal rows of different operators hash apart */

    /* The open batch. */
    struct sl_state__undo *undo;
    uint8_t *old; /* old slot images, slot_bytes each */
    size_t undo_count, undo_capacity;
    size_t old_count, old_capacity;
    size_t removed_count; /* entries with MARK_REMOVED */
    bool blobs_changed;   /* a blob was set, or an entry with blobs removed */

    sl_time_index index; /* used if op.time_kind is not NONE */

    sl_bytes scratch; /* a stored value with strings */
    uint32_t *ids;    /* of one upsert */
    size_t ids_capacity;
    uint32_t *found; /* result of sl_state_expired */
    size_t found_capacity;
};

struct sl_state_partition {
    sl_state_config config; /* operators is NULL: see tables */
    sl_state_phase phase;
    uint32_t mark;
    sl_state_version version;
    sl_state_version prepared; /* in PREPARED */
    sl_state_figures figures;  /* committed */
    sl_state_figures pending;  /* of the prepared version */
    int64_t batch;             /* open batch */
    sl_state_table *tables;
    uint32_t table_count;
};

static inline struct sl_state__head *sl_state__head_of(const uint8_t *slot)
{
    return (struct sl_state__head *)(uintptr_t)slot;
}

static inline sl_state_blob *sl_state__blob_at(uint8_t *value, uint32_t offset)
{
    return (sl_state_blob *)(void *)(value + offset);
}

static inline sl_state_blob sl_state__blob_read(const uint8_t *value, uint32_t offset)
{
    sl_state_blob b;
    memcpy(&b, value + offset, sizeof b);
    return b;
}

/* Make room for `need` elements: charged to budget, grown by doubling, contents kept. */
sl_code sl_state__reserve(sl_budget *budget, void **array, size_t *capacity, size_t need,
                          size_t element_bytes, sl_error *err);
void sl_state__release(sl_budget *budget, void **array, size_t *capacity,
                       size_t element_bytes);

/* ---- hot_table.c ---- */
sl_code sl_state__table_init(sl_state_table *t, sl_state_partition *p,
                             const sl_state_operator *op, sl_error *err);
void sl_state__table_deinit(sl_state_table *t);
/* "state of operator 3 (count aggregate), partition 5: <message>" */
sl_code sl_state__table_error(const sl_state_table *t, sl_code code, sl_error *err);
/* Time of a key's end; false if the key has none. */
bool sl_state__end_of(const sl_state_table *t, sl_span key, int64_t *ret_end_us);
/* Restore: put or remove stored rows, outside any batch, no undo. Changes *figures.
 * SL_ECORRUPT if they do not fit the operator, or a removed key is not there. */
sl_code sl_state__table_load(sl_state_table *t, const sl_state_rows *rows,
                             sl_state_figures *figures, sl_error *err);

/* ---- undo.c ---- */
sl_code sl_state__undo_reserve(sl_state_table *t, size_t more, sl_error *err);
/* First touch of a slot in this batch; room was reserved. True if the entry was absent.
 */
bool sl_state__first_touch(sl_state_table *t, uint32_t id, uint8_t *slot);
void sl_state__undo_commit(sl_state_table *t);
void sl_state__undo_abort(sl_state_table *t);
/* Take an entry out for good, with its blobs. */
void sl_state__entry_drop(sl_state_table *t, uint32_t id);
/* The old slot image of a touched entry, NULL if it was absent. */
static inline const uint8_t *sl_state__old_of(const sl_state_table *t,
                                              const struct sl_state__undo *u)
{
    return u->old == SL_STATE__OLD_NONE ? NULL : t->old + (size_t)u->old * t->slot_bytes;
}

/* ---- blob.c ---- */
sl_code sl_state__blob_new(sl_state_table *t, sl_span bytes, sl_state_blob *ret,
                           sl_error *err);
void sl_state__blob_free(sl_state_table *t, sl_state_blob blob);
/* Free the blobs of `value` that are not also in `keep` (a value, or NULL). */
void sl_state__blobs_drop(sl_state_table *t, uint8_t *value, const uint8_t *keep);

/* ---- row_bytes.c: values as they are stored ---- */
/* A value with its strings behind it, as one run of bytes: value itself if the operator
 * has no strings, else built in t->scratch (valid until the next call). */
sl_span sl_state__stored(sl_state_table *t, const uint8_t *value);
/* Into a value slot, making blobs. SL_ECORRUPT if the bytes do not fit the operator. */
sl_code sl_state__unstore(sl_state_table *t, sl_span bytes, uint8_t *value,
                          sl_error *err);
bool sl_state__value_same(const sl_state_table *t, const uint8_t *a, const uint8_t *b);
/* What a row counts in figures.row_bytes. */
static inline uint64_t sl_state__row_bytes(size_t key_bytes, size_t stored_bytes)
{
    return SL_STATE_ROW_HEAD_BYTES + (uint64_t)key_bytes + stored_bytes;
}

/* ---- delta_build.c ---- */
/* Delta of the open batch; *ret_delta NULL if empty. Fills the figures after it. */
sl_code sl_state__delta_build(sl_state_partition *p, sl_state_prepared *ret,
                              sl_state_figures *ret_after, sl_error *err);
sl_code sl_state__full_build(sl_state_partition *p, sl_state_version version,
                             const sl_state_figures *figures, sl_buffer **ret,
                             sl_error *err);

#endif /* SL_STATESTORE_STATE_PRIVATE_H */
