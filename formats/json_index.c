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

typedef struct kernel {
    const char *name;
    sl_json__index_kernel *index;
    bool runs_here;
} kernel;

/* Best last. SLUICE_CPU names one to stop at: "scalar". */
static kernel best_kernel(void)
{
    const char *cap = getenv("SLUICE_CPU");
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
                __builtin_cpu_supports("popcnt");
    const kernel kernels[] = { { "scalar", sl_json__index_scalar, true },
                               { "avx2", index_avx2, avx2 } };
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
