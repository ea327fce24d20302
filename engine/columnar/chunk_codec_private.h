/* chunk_codec_private.h - what chunk_write.c and chunk_read.c agree on: the frame of
 * docs/formats/chunk.md.
 *
 * Integers and the lengths of strings are written as the least of them, the base, and how
 * far each is from it, in as few bytes as the farthest needs.  Most columns of a batch
 * need one byte a row or none: counts, sums, lengths of keys, times close to each other.
 *
 * Thread: any. */

#ifndef SL_ENGINE_COLUMNAR_CHUNK_CODEC_PRIVATE_H
#define SL_ENGINE_COLUMNAR_CHUNK_CODEC_PRIVATE_H

#include "base/hash.h"
#include "base/hot.h"
#include "engine/columnar/chunk.h"
#include "engine/columnar/column_private.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "values are written as they lie in memory");

#define SL_CHUNK_MAGIC 0x4b434c53u /* "SLCK" */
#define SL_CHUNK_VERSION 2u        /* 1 is read: checkpoints have it */
#define SL_CHUNK_HEADER_BYTES 32u
#define SL_CHUNK_PAYLOAD_AT 16u /* its size */
#define SL_CHUNK_CRC_AT 24u
#define SL_CHUNK_HAS_CRC 1u      /* of the header */
#define SL_CHUNK_HAS_VALIDITY 1u /* of a column */

/* Values in a frame lie at any address. */
typedef uint8_t sl_lying_u8;
typedef uint16_t __attribute__((aligned(1), may_alias)) sl_lying_u16;
typedef uint32_t __attribute__((aligned(1), may_alias)) sl_lying_u32;
typedef uint64_t __attribute__((aligned(1), may_alias)) sl_lying_u64;

static inline size_t sl_chunk__bitmap_bytes(uint32_t rows)
{
    return ((size_t)rows + 7) / 8;
}

static inline bool sl_chunk__is_integer(const sl_type *t)
{
    uint32_t width = sl_type_width(t);
    return width != 0 && width <= 8 && t->id != SL_TYPE_FLOAT && t->id != SL_TYPE_DOUBLE;
}

static inline uint32_t sl_chunk__crc(const uint8_t *frame, uint64_t payload_bytes)
{
    uint32_t crc = sl_crc32c(0, frame, SL_CHUNK_CRC_AT);
    return sl_crc32c(crc, frame + SL_CHUNK_HEADER_BYTES, payload_bytes);
}

#endif /* SL_ENGINE_COLUMNAR_CHUNK_CODEC_PRIVATE_H */
