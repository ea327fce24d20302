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
/* The instruction takes a word each cycle, but its result three cycles later: so three
 * parts of the data at once, whose sums are joined by shifting the earlier ones over the
 * length of the later. Shifting by a fixed length is linear, so a table lookup for each
 * byte of a sum (M. Adler's method). */
enum { LONG_BYTES = 2048, SHORT_BYTES = 256 };
typedef struct shift_table {
    uint32_t of[4][256]; /* by byte of the sum */
} shift_table;
static shift_table shift_long, shift_short;
static pthread_once_t shift_tables_once = PTHREAD_ONCE_INIT;

__attribute__((target("sse4.2"))) static void make_shift_table(shift_table *t,
                                                               uint32_t bytes)
{
    uint32_t of_bit[32];
    for (int bit = 0; bit < 32; bit++) {
        uint64_t crc = UINT64_C(1) << bit;
        for (uint32_t i = 0; i < bytes / 8; i++)
            crc = _mm_crc32_u64(crc, 0);
        of_bit[bit] = (uint32_t)crc;
    }
    for (uint32_t k = 0; k < 4; k++)
        for (uint32_t n = 0; n < 256; n++) {
            uint32_t sum = 0;
            for (uint32_t bit = 0; bit < 8; bit++)
                sum ^= (n >> bit & 1) != 0 ? of_bit[8 * k + bit] : 0;
            t->of[k][n] = sum;
        }
}

static void make_shift_tables(void)
{
    make_shift_table(&shift_long, LONG_BYTES);
    make_shift_table(&shift_short, SHORT_BYTES);
}

static inline uint32_t shift(const shift_table *t, uint32_t crc)
{
    return t->of[0][crc & 0xff] ^ t->of[1][crc >> 8 & 0xff] ^ t->of[2][crc >> 16 & 0xff] ^
           t->of[3][crc >> 24];
}

static inline uint64_t word_at(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

/* As often as three parts of so many bytes are there; what is left follows at *p. */
__attribute__((target("sse4.2"))) static uint32_t
crc32c_in_threes(uint32_t crc, const uint8_t **p, size_t *size_bytes, size_t part,
                 const shift_table *t)
{
    const uint8_t *at = *p;
    for (; *size_bytes >= 3 * part; *size_bytes -= 3 * part, at += 3 * part) {
        uint64_t first = crc, second = 0, third = 0;
        for (size_t i = 0; i < part; i += 8) {
            first = _mm_crc32_u64(first, word_at(at + i));
            second = _mm_crc32_u64(second, word_at(at + part + i));
            third = _mm_crc32_u64(third, word_at(at + 2 * part + i));
        }
        crc = shift(t, (uint32_t)first) ^ (uint32_t)second;
        crc = shift(t, crc) ^ (uint32_t)third;
    }
    *p = at;
    return crc;
}

__attribute__((target("sse4.2"))) static uint32_t
crc32c_sse42(uint32_t seed, const void *data, size_t size_bytes)
{
    const uint8_t *p = data;
    uint32_t head = ~seed;
    if (size_bytes >= 3 * SHORT_BYTES) {
        pthread_once(&shift_tables_once, make_shift_tables);
        head = crc32c_in_threes(head, &p, &size_bytes, LONG_BYTES, &shift_long);
        head = crc32c_in_threes(head, &p, &size_bytes, SHORT_BYTES, &shift_short);
    }
    uint64_t crc = head;
    for (; size_bytes >= 8; p += 8, size_bytes -= 8)
        crc = _mm_crc32_u64(crc, word_at(p));
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
