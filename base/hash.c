#include "base/hash.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#include "base/hash_private.h"

uint64_t sl_hash64(const void *data, size_t size_bytes)
{
    return XXH3_64bits_withSeed(data, size_bytes, SL_HASH__SEED);
}

sl_hash128 sl_hash128_of(const void *data, size_t size_bytes)
{
    XXH128_hash_t h = XXH3_128bits_withSeed(data, size_bytes, SL_HASH__SEED);
    return (sl_hash128){ .low = h.low64, .high = h.high64 };
}

void sl_hash128_hex(sl_hash128 h, char ret_text[33])
{
    snprintf(ret_text, 33, "%016" PRIx64 "%016" PRIx64, h.high, h.low);
}

uint64_t sl_hash_mix(uint64_t a, uint64_t b)
{
    uint64_t x = a * UINT64_C(0x9E3779B97F4A7C15) + b;
    x = (x ^ (x >> 32)) * UINT64_C(0xD6E8FEB86659FD93);
    x = (x ^ (x >> 32)) * UINT64_C(0xD6E8FEB86659FD93);
    return x ^ (x >> 32);
}

/* ---- crc32c: Castagnoli, reflected, as in iSCSI (RFC 3720 B.4) ---- */

static uint32_t crc_table[256];
static pthread_once_t crc_table_once = PTHREAD_ONCE_INIT;

static void make_crc_table(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? (crc >> 1) ^ UINT32_C(0x82F63B78) : crc >> 1;
        crc_table[byte] = crc;
    }
}

uint32_t sl_crc32c__table(uint32_t seed, const void *data, size_t size_bytes)
{
    pthread_once(&crc_table_once, make_crc_table);
    const uint8_t *p = data;
    uint32_t crc = ~seed;
    for (size_t i = 0; i < size_bytes; i++)
        crc = (crc >> 8) ^ crc_table[(crc ^ p[i]) & 0xff];
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
crc32c_sse42(uint32_t seed, const void *data, size_t size_bytes)
{
    const uint8_t *p = data;
    uint64_t crc = (uint32_t)~seed;
    for (; size_bytes >= 8; p += 8, size_bytes -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        crc = _mm_crc32_u64(crc, word);
    }
    uint32_t crc32 = (uint32_t)crc;
    for (; size_bytes > 0; p++, size_bytes--)
        crc32 = _mm_crc32_u8(crc32, *p);
    return ~crc32;
}
#endif

uint32_t sl_crc32c(uint32_t seed, const void *data, size_t size_bytes)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return crc32c_sse42(seed, data, size_bytes);
#endif
    return sl_crc32c__table(seed, data, size_bytes);
}
