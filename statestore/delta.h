/* delta.h - the bytes of a state delta: what one batch changed in one state partition, or
 * the whole of a small one (kind FULL).
 *
 * Self-describing: it can be checked, flushed and verified without the query's operators.
 * docs/formats/delta.md has the OFFSET/SIZE/MEANING tables.
 *
 * Thread: any.   Errors: SL_ECORRUPT, SL_EINCOMPATIBLE (a newer version). */

#ifndef SL_STATESTORE_DELTA_H
#define SL_STATESTORE_DELTA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/hash_table.h"
#include "statestore/statestore.h"

#define SL_STATE_DELTA_MAGIC "SLDELTA1"
#define SL_STATE_DELTA_FORMAT 1
#define SL_STATE_DELTA_HEADER_BYTES 120
#define SL_STATE_DELTA_SECTION_BYTES 24
#define SL_STATE_ROW_HEAD_BYTES 8
#define SL_STATE_ROW_REMOVED (UINT32_C(1) << 31) /* in the key size */

typedef enum sl_state_delta_kind {
    SL_STATE_DELTA = 1,
    SL_STATE_FULL = 2,
} sl_state_delta_kind;

typedef struct sl_state_delta_header {
    sl_state_delta_kind kind;
    uint32_t partition;
    uint64_t query_hash;
    uint32_t group_first, group_end;
    int64_t batch;
    uint64_t parent_id; /* 0 in a FULL */
    uint64_t state_id;
    uint64_t row_count; /* rows in these bytes, removals included */
    uint64_t body_bytes;
    uint64_t rows_after; /* figures of the state after this batch */
    uint64_t row_bytes_after;
    uint64_t row_sum_after;
    uint32_t section_count;
} sl_state_delta_header;

/* Write the header into the first SL_STATE_DELTA_HEADER_BYTES of bytes, whose body of
 * header->body_bytes stands behind it. */
void sl_state_delta_seal(const sl_state_delta_header *header, uint8_t *bytes);
/* Check sizes, checksums and version. The rows are checked as they are read. */
SL_CHECKED sl_code sl_state_delta_open(sl_span bytes, sl_state_delta_header *ret,
                                       sl_error *err);

/* ---- rows ---- */
#define SL_STATE_ROWS_MAX 1024

/* Some rows of one operator, all removals or all not. values point into the source, keys.data
 * is a copy. Read from a delta, a value stands right behind its key, also when empty.
 * Zero-initialise. */
typedef struct sl_state_rows {
    uint32_t operator_id;
    uint32_t value_width; /* without strings, as the delta's section says; 0 = not said */
    uint32_t count;
    bool removed;
    sl_key_batch keys;                 /* with hashes */
    sl_span values[SL_STATE_ROWS_MAX]; /* as stored */
    uint32_t offsets[SL_STATE_ROWS_MAX + 1];
    uint64_t hashes[SL_STATE_ROWS_MAX];
    sl_bytes key_bytes; /* owned */
} sl_state_rows;

void sl_state_rows_clear(sl_state_rows *rows, uint32_t operator_id);
/* False if full or of the other kind (removal or not); then nothing changed. */
bool sl_state_rows_add(sl_state_rows *rows, sl_span key, sl_span value, bool removed);
/* Make rows->keys valid: offsets and hashes. */
void sl_state_rows_seal(sl_state_rows *rows);
void sl_state_rows_deinit(sl_state_rows *rows);

/* Walks the rows of an opened delta in order of the bytes. */
typedef struct sl_state_delta_reader {
    sl_state_delta_header header;
    sl_reader body;
    uint32_t sections_left;
    uint64_t rows_left; /* in the section */
    size_t section_end;
    uint64_t rows_seen;
    uint32_t operator_id, value_width;
} sl_state_delta_reader;

SL_CHECKED sl_code sl_state_delta_reader_init(sl_state_delta_reader *r, sl_span bytes,
                                              sl_error *err);
/* Fill rows (cleared first) with rows of one operator; *ret_more false at the end, when
 * all counts have been compared. */
SL_CHECKED sl_code sl_state_delta_read(sl_state_delta_reader *r, sl_state_rows *rows,
                                       bool *ret_more, sl_error *err);

/* ---- hashes; frozen, they are in every checkpoint ---- */
static inline uint64_t sl_state_mix(uint64_t a, uint64_t b)
{
    uint64_t h = a * UINT64_C(0x9FB21C651E98DF25) ^ ((b << 29) | (b >> 35));
    h ^= h >> 32;
    h *= UINT64_C(0xD6E8FEB86659FD93);
    h ^= h >> 32;
    h *= UINT64_C(0xD6E8FEB86659FD93);
    return h ^ (h >> 32);
}
#define SL_STATE_REMOVED_HASH UINT64_C(0x52454D4F56454421)

static inline uint64_t sl_state_row_seed(uint32_t operator_id)
{
    return sl_state_mix(operator_id, UINT64_C(0x736C756963652D31));
}
/* value_hash = sl_hash64 of the stored value, or SL_STATE_REMOVED_HASH in a delta sum. */
static inline uint64_t sl_state_row_hash(uint64_t row_seed, uint64_t key_hash,
                                         uint64_t value_hash)
{
    return sl_state_mix(key_hash ^ row_seed, value_hash);
}
static inline uint64_t sl_state_id_after(uint64_t parent_id, int64_t batch,
                                         uint64_t delta_sum)
{
    uint64_t id = sl_state_mix(sl_state_mix(parent_id, (uint64_t)batch), delta_sum);
    return id != 0 ? id : 1; /* 0 is the empty state */
}

#endif /* SL_STATESTORE_DELTA_H */
