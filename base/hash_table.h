/* hash_table.h - the one hash table: byte keys to fixed-width value slots, a batch at a
 * time.
 *
 * Used for partial aggregation, batch aggregation, distinct sets and (inside statestore/)
 * the hot state.  Open addressing over 64-bit hashes; lookups of a batch are prefetched.
 *
 * Shape:   an entry has a stable id (dense, from 0, reused only after removal), its key
 * bytes (copied), its hash and a value slot of value_width bytes, 8-byte aligned, at an
 *          address that never changes while the entry lives.  New slots are zeroed.
 * Owns:    keys and slots, charged to the budget.
 * Thread:  owner thread.
 * Errors:  SL_EBUDGET; after it the table holds a prefix of the batch and stays usable.
 * Source:  ours, design.md section 6; sizes from perf:B4. */

#ifndef SL_BASE_HASH_TABLE_H
#define SL_BASE_HASH_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/bytes.h"

/* n keys: key i is data[offsets[i] .. offsets[i + 1]); hashes[i] = sl_hash64 of those
 * bytes. */
typedef struct sl_key_batch {
    const uint8_t *data;
    const uint32_t *offsets; /* count + 1 */
    const uint64_t *hashes;  /* count */
    uint32_t count;
} sl_key_batch;

#define SL_ENTRY_NONE UINT32_MAX

typedef struct sl_hash_table sl_hash_table;

SL_CHECKED sl_code sl_hash_table_new(uint32_t value_width, sl_budget *budget,
                                     sl_hash_table **ret, sl_error *err);
void sl_hash_table_free(sl_hash_table *t);  /* NULL is fine */
void sl_hash_table_clear(sl_hash_table *t); /* drop all entries, keep the memory */

/* ret_ids[i] = entry of key i, inserted if absent. Ids >= the old id_end or listed in
 * *ret_new (a bitmap of count bits, may be NULL) are new. */
SL_CHECKED sl_code sl_hash_table_upsert_many(sl_hash_table *t, const sl_key_batch *keys,
                                             uint32_t *ret_ids, uint64_t *ret_new,
                                             sl_error *err);
void sl_hash_table_get_many(const sl_hash_table *t, const sl_key_batch *keys,
                            uint32_t *ret_ids);
void sl_hash_table_remove(sl_hash_table *t, uint32_t id);

uint32_t sl_hash_table_count(const sl_hash_table *t); /* live entries */
uint32_t
sl_hash_table_id_end(const sl_hash_table *t); /* ids are below this; some may be free */
bool sl_hash_table_is_live(const sl_hash_table *t, uint32_t id);
uint8_t *sl_hash_table_value(const sl_hash_table *t, uint32_t id);
sl_span sl_hash_table_key(const sl_hash_table *t, uint32_t id);
uint64_t sl_hash_table_hash(const sl_hash_table *t, uint32_t id);
/* ret_keys[i] = key of ids[i]; at least 12 bytes are readable there. */
void sl_hash_table_keys(const sl_hash_table *t, const uint32_t *ids, uint32_t count,
                        sl_span *ret_keys);
/* ret_hashes[i] = hash of entry first + i; all of them live. */
void sl_hash_table_hashes(const sl_hash_table *t, uint32_t first, uint32_t count,
                          uint64_t *ret_hashes);
int64_t sl_hash_table_bytes(const sl_hash_table *t);
/* ret_slots[i] = value slot of ids[i]: what aggregate kernels walk. */
void sl_hash_table_values(const sl_hash_table *t, const uint32_t *ids, uint32_t count,
                          uint8_t **ret_slots);

#endif /* SL_BASE_HASH_TABLE_H */
