/* bitmap.h - bits in 64-bit words, least significant first (Arrow's validity order). */

#ifndef SL_BASE_BITMAP_H
#define SL_BASE_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline size_t sl_bitmap_words(size_t bits)
{
    return (bits + 63) / 64;
}

static inline bool sl_bitmap_get(const uint64_t *bits, size_t i)
{
    return (bits[i >> 6] >> (i & 63)) & 1u;
}

static inline void sl_bitmap_set(uint64_t *bits, size_t i)
{
    bits[i >> 6] |= UINT64_C(1) << (i & 63);
}

static inline void sl_bitmap_clear(uint64_t *bits, size_t i)
{
    bits[i >> 6] &= ~(UINT64_C(1) << (i & 63));
}

static inline void sl_bitmap_put(uint64_t *bits, size_t i, bool value)
{
    bits[i >> 6] =
        (bits[i >> 6] & ~(UINT64_C(1) << (i & 63))) | ((uint64_t)value << (i & 63));
}

/* Set the first n bits, clear the rest of the last word. */
static inline void sl_bitmap_fill(uint64_t *bits, size_t n)
{
    size_t full = n / 64;
    memset(bits, 0xff, full * 8);
    if (n % 64 != 0)
        bits[full] = (UINT64_C(1) << (n % 64)) - 1;
}

static inline size_t sl_bitmap_count(const uint64_t *bits, size_t n)
{
    size_t count = 0;
    for (size_t w = 0; w < n / 64; w++)
        count += (size_t)__builtin_popcountll(bits[w]);
    if (n % 64 != 0)
        count +=
            (size_t)__builtin_popcountll(bits[n / 64] & ((UINT64_C(1) << (n % 64)) - 1));
    return count;
}

#endif /* SL_BASE_BITMAP_H */
