/* hash.h - the hashes of sluice.  XXH3 with a frozen seed: key groups on disk depend on
 * sl_hash64() and must never change.  Thread: any. */

#ifndef SL_BASE_HASH_H
#define SL_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct sl_hash128 {
    uint64_t low, high;
} sl_hash128;

uint64_t sl_hash64(const void *data, size_t size_bytes);
sl_hash128 sl_hash128_of(const void *data, size_t size_bytes);
/* The same hash as sl_hash128_of() over bytes that come in pieces. */
typedef struct sl_hash_stream sl_hash_stream;
sl_hash_stream *sl_hash_stream_new(void);
void sl_hash_stream_add(sl_hash_stream *s, const void *data, size_t size_bytes);
sl_hash128 sl_hash_stream_end(sl_hash_stream *s); /* frees s */

uint32_t sl_crc32c(uint32_t seed, const void *data, size_t size_bytes);
void sl_hash128_hex(sl_hash128 h, char ret_text[33]);
uint64_t sl_hash_mix(uint64_t a,
                     uint64_t b); /* combine two 64-bit values, order matters */

#endif /* SL_BASE_HASH_H */
