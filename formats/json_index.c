/* Stage 1: 64 bytes become a word of bits, the bits become positions.  It breaks the
 * chain load -> compare -> next string that makes one-cursor scanners slow (perf:B2). */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "formats/json_private.h"

const char *sl_json__line_end(const char *at, const char *end)
{
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    const char *stop = newline != NULL ? newline : end;
    const char *ret = memchr(at, '\r', (size_t)(stop - at));
    return ret != NULL ? ret : newline;
}

void sl_json__index_scalar(const uint8_t *data, size_t n, sl_json__index *ret)
{
    uint32_t *out = ret->positions;
    uint32_t count = 0;
    uint8_t all = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint8_t c = data[i];
        out[count] = i;
        count += (uint32_t)((c < 0x20) | (c == '"') | (c == '\\'));
        all |= c;
    }
    ret->count = count;
    ret->ascii = all < 0x80;
}

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx2"))) static inline uint32_t marks32(__m256i v)
{
    __m256i quote = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('"'));
    __m256i slash = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\'));
    __m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(v, _mm256_set1_epi8(0x1f)), v);
    return (uint32_t)_mm256_movemask_epi8(
        _mm256_or_si256(_mm256_or_si256(quote, slash), control));
}

/* Four positions; past the last set bit tzcnt gives 64, which nobody looks at. */
__attribute__((target("avx2,bmi,popcnt"))) static inline uint64_t
flatten4(uint32_t *out, uint32_t base, uint64_t bits)
{
    out[0] = base + (uint32_t)_tzcnt_u64(bits);
    bits = _blsr_u64(bits);
    out[1] = base + (uint32_t)_tzcnt_u64(bits);
    bits = _blsr_u64(bits);
    out[2] = base + (uint32_t)_tzcnt_u64(bits);
    bits = _blsr_u64(bits);
    out[3] = base + (uint32_t)_tzcnt_u64(bits);
    return _blsr_u64(bits);
}

/* Positions of the set bits. Sixteen are written at once, since lines of short strings
 * have about that many in 64 bytes and a branch on the count would be missed often. */
__attribute__((target("avx2,bmi,popcnt"))) static inline uint32_t *
flatten(uint32_t *out, uint32_t base, uint64_t bits)
{
    uint32_t count = (uint32_t)__builtin_popcountll(bits);
    uint32_t *end = out + count;
    for (;; out += 16) {
        bits = flatten4(out, base, bits);
        bits = flatten4(out + 4, base, bits);
        bits = flatten4(out + 8, base, bits);
        bits = flatten4(out + 12, base, bits);
        if (bits == 0)
            return end;
    }
}

__attribute__((target("avx2,bmi,popcnt"))) static void
index_avx2(const uint8_t *data, size_t n, sl_json__index *ret)
{
    uint32_t *out = ret->positions;
    __m256i all = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        __m256i a = _mm256_loadu_si256((const void *)(data + i));
        __m256i b = _mm256_loadu_si256((const void *)(data + i + 32));
        all = _mm256_or_si256(all, _mm256_or_si256(a, b));
        out = flatten(out, (uint32_t)i, marks32(a) | (uint64_t)marks32(b) << 32);
    }
    uint32_t rest = (uint32_t)(out - ret->positions);
    bool ascii = _mm256_movemask_epi8(all) == 0;
    sl_json__index tail = { .positions = out };
    sl_json__index_scalar(data + i, n - i, &tail);
    for (uint32_t k = 0; k < tail.count; k++)
        tail.positions[k] += (uint32_t)i;
    ret->count = rest + tail.count;
    ret->ascii = ascii && tail.ascii;
}

#define AVX512_TARGET "avx512f,avx512bw,avx512vbmi2,avx512vl,bmi,popcnt"

/* The set bits' positions by one compress of 0..63, widened sixteen at a time. */
__attribute__((target(AVX512_TARGET))) static inline uint32_t *
spread(uint32_t *out, uint32_t base, uint64_t bits)
{
    const __m512i iota =
        _mm512_set_epi8(63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48,
                        47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32,
                        31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16,
                        15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    uint32_t count = (uint32_t)__builtin_popcountll(bits);
    __m512i from = _mm512_set1_epi32((int)base);
    __m512i at = _mm512_maskz_compress_epi8(bits, iota);
    _mm512_storeu_si512(
        out, _mm512_add_epi32(from, _mm512_cvtepu8_epi32(_mm512_castsi512_si128(at))));
    if (__builtin_expect(count > 16, 0)) {
        __m128i part[4];
        _mm512_storeu_si512(part, at);
        for (uint32_t i = 1; i < 4; i++)
            _mm512_storeu_si512(out + 16 * i,
                                _mm512_add_epi32(from, _mm512_cvtepu8_epi32(part[i])));
    }
    return out + count;
}

/* The lowest `count` (below 64) bits. */
static inline uint64_t first_bits(size_t count)
{
    return (UINT64_C(1) << count) - 1;
}

__attribute__((target(AVX512_TARGET))) static void
index_avx512(const uint8_t *data, size_t n, sl_json__index *ret)
{
    uint32_t *out = ret->positions;
    __m512i all = _mm512_setzero_si512();
    for (size_t i = 0; i < n; i += 64) {
        __m512i v = n - i >= 64 ? _mm512_loadu_si512(data + i)
                                : _mm512_maskz_loadu_epi8(first_bits(n - i), data + i);
        all = _mm512_or_si512(all, v);
        uint64_t bits = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('"')) |
                        _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\\')) |
                        _mm512_cmplt_epu8_mask(v, _mm512_set1_epi8(0x20));
        if (n - i < 64)
            bits &= first_bits(n - i);
        out = spread(out, (uint32_t)i, bits);
    }
    ret->count = (uint32_t)(out - ret->positions);
    ret->ascii = _mm512_movepi8_mask(all) == 0;
}

typedef struct kernel {
    const char *name;
    sl_json__index_kernel *index;
    bool runs_here;
} kernel;

/* Best last. SLUICE_CPU names one to stop at: "scalar", "avx2". */
static kernel best_kernel(void)
{
    const char *cap = getenv("SLUICE_CPU");
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
                __builtin_cpu_supports("popcnt");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512vbmi2") &&
                  __builtin_cpu_supports("avx512vl");
    const kernel kernels[] = { { "scalar", sl_json__index_scalar, true },
                               { "avx2", index_avx2, avx2 },
                               { "avx512", index_avx512, avx512 } };
    kernel best = kernels[0];
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        if (kernels[i].runs_here)
            best = kernels[i];
        if (cap != NULL && sl_text_equal_nocase(cap, kernels[i].name))
            break;
    }
    return best;
}

sl_json__index_kernel *sl_json__index_pick(void)
{
    return best_kernel().index;
}

const char *sl_json_kernel_name(void)
{
    return best_kernel().name;
}
#else
sl_json__index_kernel *sl_json__index_pick(void)
{
    return sl_json__index_scalar;
}

const char *sl_json_kernel_name(void)
{
    return "scalar";
}
#endif
