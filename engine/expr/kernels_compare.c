/* = <=> < <= > >= greatest least.
 *
 * Numbers: 64 rows are compared into bytes (which the compiler vectorises) and the bytes
 * packed into a word of the result bitmap, eight at a time. Doubles follow Spark: NaN
 * equals NaN and is above everything, -0.0 equals 0.0. */
#include "base/limits.h"
#include "engine/expr/kernels_compare_private.h"

enum { EQ, LT, LE };

/* Eight bytes of 0 or 1, first row lowest, to eight bits. */
static inline uint64_t pack8(const uint8_t *bytes)
{
    uint64_t b;
    memcpy(&b, bytes, 8);
    return (b * UINT64_C(0x0102040810204080)) >> 56;
}

static inline uint64_t pack64(const uint8_t *bytes)
{
    uint64_t word = 0;
    for (uint32_t k = 0; k < 8; k++)
        word |= pack8(bytes + 8 * k) << (8 * k);
    return word;
}

#define INT_EQ(x, y) ((x) == (y))
#define INT_LT(x, y) ((x) < (y))
#define INT_LE(x, y) ((x) <= (y))
#define REAL_EQ(x, y) (((x) == (y)) | (((x) != (x)) & ((y) != (y))))
#define REAL_LT(x, y) (((x) < (y)) | (((y) != (y)) & ((x) == (x))))
#define REAL_LE(x, y) (((x) <= (y)) | ((y) != (y)))

typedef void (*compare_loop)(const void *a, const void *b, uint64_t *ret, uint32_t n);

/* n is rounded up to 64 by the caller's buffers only in the tail, which is copied. */
#define LOOP(name, OP, T, A, B)                                                          \
    SL_HOT static void name(const void *left, const void *right, uint64_t *ret,          \
                            uint32_t n)                                                  \
    {                                                                                    \
        const T *a = left, *b = right;                                                   \
        for (uint32_t base = 0; base < n; base += 64) {                                  \
            uint8_t bytes[64] = { 0 };                                                   \
            uint32_t m = n - base < 64 ? n - base : 64;                                  \
            if (m == 64) {                                                               \
                for (uint32_t i = 0; i < 64; i++)                                        \
                    bytes[i] = (uint8_t)OP(a[A], b[B]);                                  \
            } else {                                                                     \
                for (uint32_t i = 0; i < m; i++)                                         \
                    bytes[i] = (uint8_t)OP(a[A], b[B]);                                  \
            }                                                                            \
            ret[base / 64] = pack64(bytes);                                              \
        }                                                                                \
    }

#define SHAPES(op, OP, T, suffix)                                                        \
    LOOP(op##_##suffix##_vv, OP, T, base + i, base + i)                                  \
    LOOP(op##_##suffix##_vc, OP, T, base + i, 0)                                         \
    LOOP(op##_##suffix##_cv, OP, T, 0, base + i)
#define TYPES(op, I, F)                                                                  \
    SHAPES(op, I, int8_t, i8)                                                            \
    SHAPES(op, I, int16_t, i16)                                                          \
    SHAPES(op, I, int32_t, i32)                                                          \
    SHAPES(op, I, int64_t, i64)                                                          \
    SHAPES(op, F, float, f32)                                                            \
    SHAPES(op, F, double, f64)
TYPES(eq, INT_EQ, REAL_EQ)
TYPES(lt, INT_LT, REAL_LT)
TYPES(le, INT_LE, REAL_LE)

#define ROW(op, s)                                                                       \
    {                                                                                    \
        op##_##s##_vv, op##_##s##_vc, op##_##s##_cv                                      \
    }
#define TABLE(op)                                                                        \
    {                                                                                    \
        [SL_I8] = ROW(op, i8), [SL_I16] = ROW(op, i16), [SL_I32] = ROW(op, i32),         \
        [SL_I64] = ROW(op, i64), [SL_F32] = ROW(op, f32), [SL_F64] = ROW(op, f64)        \
    }
static const compare_loop loops[3][SL_F64 + 1][3] = { TABLE(eq), TABLE(lt), TABLE(le) };

/* ---- strings ---- */

/* Two words hold length + prefix, and the rest or the pointer. */
typedef struct words {
    uint64_t low, high;
} words;

static inline words words_of(const sl_string_view *v)
{
    words w;
    memcpy(&w, v, sizeof w);
    return w;
}

static inline bool text_equal(const sl_string_view *a, const sl_string_view *b)
{
    words x = words_of(a), y = words_of(b);
    if (x.low != y.low)
        return false;
    if (x.high == y.high)
        return true; /* the same bytes, or a pointer to the same bytes */
    return a->length > SL_STRING_INLINE_MAX &&
           memcmp(a->u.ref.data, b->u.ref.data, a->length) == 0;
}

SL_HOT static void text_equal_short(const sl_string_view *a, const sl_string_view *b,
                                    uint64_t *ret, uint32_t n)
{
    words y = words_of(b);
    for (uint32_t base = 0; base < n; base += 64) {
        uint32_t m = n - base < 64 ? n - base : 64;
        uint64_t word = 0;
        for (uint32_t i = 0; i < m; i++) {
            words x = words_of(&a[base + i]);
            word |= (uint64_t)(((x.low ^ y.low) | (x.high ^ y.high)) == 0) << i;
        }
        ret[base / 64] = word;
    }
}

static void text_compare(const sl_vector *v, const sl_vector *w, int op, uint64_t *ret,
                         uint32_t n)
{
    const sl_string_view *a = v->values, *b = w->values;
    uint32_t sa = sl_vector__stride(v), sb = sl_vector__stride(w);
    if (op == EQ && sb == 0 && sa == 1 && b->length <= SL_STRING_INLINE_MAX) {
        text_equal_short(a, b, ret, n);
        return;
    }
    for (uint32_t base = 0; base < n; base += 64) {
        uint32_t m = n - base < 64 ? n - base : 64;
        uint64_t word = 0;
        for (uint32_t i = 0; i < m; i++) {
            const sl_string_view *x = &a[(base + i) * sa], *y = &b[(base + i) * sb];
            bool bit = op == EQ ? text_equal(x, y)
                                : sl_string_compare(x, y) < (op == LE ? 1 : 0);
            word |= (uint64_t)bit << i;
        }
        ret[base / 64] = word;
    }
}

static void bits_compare(const uint64_t *a, const uint64_t *b, int op, uint64_t *ret,
                         uint32_t n)
{
    for (size_t w = 0; w < sl_bitmap_words(n); w++)
        ret[w] = op == EQ ? ~(a[w] ^ b[w]) : op == LT ? ~a[w] & b[w] : ~a[w] | b[w];
}

/* Structs: the order of sl_column_compare, nulls inside are equal to each other. */
static void nested_compare(const sl_vector *a, const sl_vector *b, int op, uint64_t *ret,
                           uint32_t n)
{
    memset(ret, 0, sl_bitmap_words(n) * 8);
    for (uint32_t i = 0; i < n; i++) {
        if (!sl_vector__valid(a, i) || !sl_vector__valid(b, i))
            continue;
        int order = sl_vector__compare(a, i, b, i);
        sl_bitmap_put(ret, i, op == EQ ? order == 0 : order < (op == LE ? 1 : 0));
    }
}

/* a op b for every row, null or not. */
static void compare(const sl_vector *a, const sl_vector *b, int op, uint64_t *ret,
                    uint32_t n)
{
    sl_storage s = sl_storage__of(a->type);
    uint32_t shape = !a->is_constant && b->is_constant   ? 1
                     : a->is_constant && !b->is_constant ? 2
                                                         : 0;
    switch (s) {
    case SL_TEXT:
        text_compare(a, b, op, ret, n);
        break;
    case SL_BITS:
        bits_compare(a->values, b->values, op, ret, n);
        break;
    case SL_NESTED:
        nested_compare(a, b, op, ret, n);
        break;
    case SL_NOTHING:
        memset(ret, 0xff, sl_bitmap_words(n) * 8);
        break;
    default:
        if (a->is_constant && b->is_constant) { /* two values of an IN list */
            loops[op][s][0](a->values, b->values, ret, 1);
            memset(ret, ret[0] & 1 ? 0xff : 0, sl_bitmap_words(n) * 8);
            break;
        }
        loops[op][s][shape](a->values, b->values, ret, n);
    }
}

sl_code sl_kernel__compare(sl_kernel_call *c, sl_error *err)
{
    const sl_function *f = c->expr->function;
    bool swap = f == sl_function__get(SL_F_GT) || f == sl_function__get(SL_F_GE);
    int op = f == sl_function__get(SL_F_EQ)                                     ? EQ
             : f == sl_function__get(SL_F_LT) || f == sl_function__get(SL_F_GT) ? LT
                                                                                : LE;
    void *out;
    SL_TRY(sl_register__values(c->out, c->rows, &out, err));
    compare(c->args[swap ? 1 : 0], c->args[swap ? 0 : 1], op, out, c->rows);
    return SL_OK;
}

sl_code sl_kernel__equal_null(sl_kernel_call *c, sl_error *err)
{
    const sl_vector *a = c->args[0], *b = c->args[1];
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    uint64_t *out = p;
    compare(a, b, EQ, out, c->rows);
    bool is_void = a->type->id == SL_TYPE_VOID;
    for (size_t w = 0; w < sl_bitmap_words(c->rows); w++) {
        uint64_t va = is_void ? 0 : sl_vector__valid_word(a, w);
        uint64_t vb = is_void ? 0 : sl_vector__valid_word(b, w);
        out[w] = (out[w] & va & vb) | (~va & ~vb);
    }
    return SL_OK;
}

void sl_compare__equal(const sl_vector *a, const sl_vector *b, uint64_t *ret,
                       uint32_t rows)
{
    compare(a, b, EQ, ret, rows);
}

/* greatest, least: nulls are passed over. */
sl_code sl_kernel__extreme(sl_kernel_call *c, sl_error *err)
{
    bool greatest = c->expr->function == sl_function__get(SL_F_GREATEST);
    uint8_t pick[SL_CHUNK_ROWS_MAX];
    uint64_t better[SL_CHUNK_ROWS_MAX / 64];
    if (c->arg_count > 255)
        return sl_fail(err, SL_ELIMIT, "%s of %u values: at most 255",
                       c->expr->function->name, c->arg_count);
    for (uint32_t i = 0; i < c->rows; i++)
        pick[i] = sl_vector__valid(c->args[0], i) ? 0 : 255;
    for (uint32_t k = 1; k < c->arg_count; k++) {
        const sl_vector *b = c->args[k];
        for (uint32_t j = 0; j < k; j++) { /* against each earlier winner */
            compare(greatest ? c->args[j] : b, greatest ? b : c->args[j], LT, better,
                    c->rows);
            for (uint32_t i = 0; i < c->rows; i++) {
                if (pick[i] == j && sl_vector__valid(b, i) && sl_bitmap_get(better, i))
                    pick[i] = (uint8_t)k;
            }
        }
        for (uint32_t i = 0; i < c->rows; i++) {
            if (pick[i] == 255 && sl_vector__valid(b, i))
                pick[i] = (uint8_t)k;
        }
    }
    return sl_kernel__blend(c->out, c->args, c->arg_count, pick, c->rows, err);
}
