/* row_key.h - grouping keys as bytes whose memcmp order is the ascending order of the
 * rows (null first, NaN last).  The same bytes are used in partial tables, blocks, state,
 * RocksDB and for key groups, so this encoding is frozen: docs/formats/key.md has the
 * table.
 *
 *   per column: 0x00 = null | 0x01 + value
 *   BOOLEAN 1 byte; integers big-endian with the sign bit flipped (BYTE 1, SHORT 2, INT,
 * DATE 4, LONG, TIMESTAMP, INTERVAL 8); FLOAT, DOUBLE big-endian IEEE with sign flip
 * (negative: all bits), -0.0 as 0.0 and one NaN; STRING, BINARY: bytes with 0x00 -> 0x00
 * 0xFF, ended by 0x00 0x01; STRUCT: its fields in order; a window struct <start,end>
 * marked is_window: only start (int64), the end is made from the window length at output.
 * Thread: any. */

#ifndef SL_ENGINE_COLUMNAR_ROW_KEY_H
#define SL_ENGINE_COLUMNAR_ROW_KEY_H

#include "base/hash_table.h"
#include "engine/columnar/chunk.h"

#define SL_ROW_KEYS_PADDING 16 /* readable bytes behind the last key */

/* Reusable memory for keys of one chunk. Zero-initialise. */
typedef struct sl_row_keys {
    sl_key_batch batch; /* valid until the next encode */
    uint8_t *data;
    size_t data_capacity;
    uint32_t *offsets;
    uint64_t *hashes;
    uint32_t row_capacity;
    /* Set by the caller before encode, borrowed: window_us[c] > 0 marks column c as a
     * window struct of that length, as in decode. NULL: no column is one. (Giving the
     * struct's start child as the column makes the same bytes.) */
    const int64_t *window_us;
} sl_row_keys;

/* Encode the selected rows: key i belongs to row selection[i] (or i). column_count 0:
 * empty keys. SL_ELIMIT for a key above SL_KEY_BYTES_MAX, or 4 GiB of keys. */
SL_CHECKED sl_code sl_row_keys_encode(sl_row_keys *k, const sl_column *const *columns,
                                      uint32_t column_count, const uint16_t *selection,
                                      uint32_t selected, sl_error *err);
void sl_row_keys_deinit(sl_row_keys *k);

/* Append the decoded columns of n keys to builders of the given types. window_us[c] > 0:
 * column c is a window struct of that length. SL_ECORRUPT if bytes do not fit the types.
 */
SL_CHECKED sl_code sl_row_keys_decode(const sl_span *keys, uint32_t count,
                                      const sl_type *const *types,
                                      const int64_t *window_us, uint32_t column_count,
                                      sl_column_builder *builders, sl_error *err);

/* ---- key groups (design.md section 6) ---- */
static inline uint32_t sl_key_group_of(uint64_t hash) /* 0 .. SL_KEY_GROUPS - 1 */
{
    return (uint32_t)(hash >> 52);
}
/* Contiguous ranges: partition of a group when P partitions share SL_KEY_GROUPS groups.
 */
static inline uint32_t sl_partition_of_group(uint32_t group, uint32_t partitions)
{
    return (uint32_t)(((uint64_t)group * partitions) >> 12);
}

#endif /* SL_ENGINE_COLUMNAR_ROW_KEY_H */
