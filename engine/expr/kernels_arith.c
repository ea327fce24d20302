/* + - * and their errors. A loop for each type, operation and shape (vector-vector,
 * vector-constant, constant-vector) runs over all rows without a branch and ORs the
 * overflows of all of them; only when there was one are the rows that count looked at
 * again. */
#include <inttypes.h>
#include <math.h>

#include "engine/expr/kernel_errors_private.h"
#include "engine/expr/vector_private.h"

/* Each leaves the wrapped result in r and sets the top bit of o on overflow. Only logic
 * on whole words, so that plain SSE2 can do it for 64-bit integers too. */
#define ADD_I(T, U, a, b, r, o)                                                          \
    r = (T)((U)(a) + (U)(b));                                                            \
    o |= (U)(((a) ^ r) & ((b) ^ r))
#define SUB_I(T, U, a, b, r, o)                                                          \
    r = (T)((U)(a) - (U)(b));                                                            \
    o |= (U)(((a) ^ (b)) & ((a) ^ r))
#define MUL_I(T, U, a, b, r, o) o |= __builtin_mul_overflow(a, b, &r) ? (U)-1 : (U)0
#define ADD_F(T, U, a, b, r, o) r = (a) + (b)
#define SUB_F(T, U, a, b, r, o) r = (a) - (b)
#define MUL_F(T, U, a, b, r, o) r = (a) * (b)

typedef bool (*binary_loop)(const void *a, const void *b, void *ret, uint32_t n);

#define LOOP(name, OP, T, U, A, B)                                                       \
    SL_HOT static bool name(const void *left, const void *right, void *ret, uint32_t n)  \
    {                                                                                    \
        const T *restrict a = left;                                                      \
        const T *restrict b = right;                                                     \
        T *restrict out = ret;                                                           \
        U overflow = 0;                                                                  \
        for (uint32_t i = 0; i < n; i++) {                                               \
            T x = a[A], y = b[B], r;                                                     \
            OP(T, U, x, y, r, overflow);                                                 \
            out[i] = r;                                                                  \
        }                                                                                \
        return overflow >> (8 * sizeof(U) - 1);                                          \
    }

#define SHAPES(op, OP, T, U, suffix)                                                     \
    LOOP(op##_##suffix##_vv, OP, T, U, i, i)                                             \
    LOOP(op##_##suffix##_vc, OP, T, U, i, 0)                                             \
    LOOP(op##_##suffix##_cv, OP, T, U, 0, i)

#define TYPES(op, I, F)                                                                  \
    SHAPES(op, I, int8_t, uint8_t, i8)                                                   \
    SHAPES(op, I, int16_t, uint16_t, i16)                                                \
    SHAPES(op, I, int32_t, uint32_t, i32)                                                \
    SHAPES(op, I, int64_t, uint64_t, i64)                                                \
    SHAPES(op, F, float, uint32_t, f32)                                                  \
    SHAPES(op, F, double, uint64_t, f64)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion" /* int8_t ^ int8_t is an int, and back */
TYPES(add, ADD_I, ADD_F)
TYPES(sub, SUB_I, SUB_F)
TYPES(mul, MUL_I, MUL_F)
#pragma GCC diagnostic pop

#define ROW(op, s)                                                                       \
    {                                                                                    \
        op##_##s##_vv, op##_##s##_vc, op##_##s##_cv                                      \
    }
#define TABLE(op)                                                                        \
    {                                                                                    \
        [SL_I8] = ROW(op, i8), [SL_I16] = ROW(op, i16), [SL_I32] = ROW(op, i32),         \
        [SL_I64] = ROW(op, i64), [SL_F32] = ROW(op, f32), [SL_F64] = ROW(op, f64)        \
    }

static const binary_loop loops[3][SL_F64 + 1][3] = { TABLE(add), TABLE(sub), TABLE(mul) };

static int64_t get_i64(const sl_vector *v, uint32_t row)
{
    uint32_t at = row * sl_vector__stride(v);
    switch (sl_storage__of(v->type)) {
    case SL_I8:
        return SL_VALUES(int8_t, v)[at];
    case SL_I16:
        return SL_VALUES(int16_t, v)[at];
    case SL_I32:
        return SL_VALUES(int32_t, v)[at];
    default:
        return SL_VALUES(int64_t, v)[at];
    }
}

static bool fits(sl_storage s, int64_t v)
{
    return s == SL_I8    ? v == (int8_t)v
           : s == SL_I16 ? v == (int16_t)v
           : s == SL_I32 ? v == (int32_t)v
                         : true;
}

sl_code sl_error__overflow(const sl_kernel_call *c, uint32_t row, sl_error *err)
{
    const char *name = c->expr->function->name;
    sl_bytes b = { 0 };
    for (uint32_t i = 0; i < c->arg_count && i < 2; i++) {
        sl_bytes_text(&b, i != 0 ? (c->arg_count == 2 ? " " : ", ") : "");
        if (i == 1)
            sl_bytes_printf(&b, "%s ", name);
        sl_vector__text(c->args[i], row, c->context->zone, &b);
    }
    sl_storage s = sl_storage__of(c->out->vector.type);
    bool small = s == SL_I8 || s == SL_I16;
    sl_code code = sl_call__fail(
        c, small ? "BINARY_ARITHMETIC_OVERFLOW" : "ARITHMETIC_OVERFLOW", "22003", err,
        "%s overflow in `%s`: %.200s. Use a wider type (CAST AS BIGINT or DOUBLE) to "
        "tolerate such values.",
        sl_type_tree_name(c->out->vector.type), c->expr->pretty, sl_bytes_cstr(&b));
    sl_bytes_deinit(&b);
    return code;
}

/* Some row overflowed: an error if it is one that counts. */
static sl_code report_overflow(const sl_kernel_call *c, uint32_t op, sl_error *err)
{
    sl_storage s = sl_storage__of(c->out->vector.type);
    sl_rows rows = sl_call__rows(c);
    uint32_t row;
    while (sl_rows__next(&rows, &row)) {
        int64_t a = get_i64(c->args[0], row), b = get_i64(c->args[1], row), r;
        bool overflow = op == 0   ? __builtin_add_overflow(a, b, &r)
                        : op == 1 ? __builtin_sub_overflow(a, b, &r)
                                  : __builtin_mul_overflow(a, b, &r);
        if (overflow || !fits(s, r))
            return sl_error__overflow(c, row, err);
    }
    return SL_OK;
}

sl_code sl_kernel__arithmetic(sl_kernel_call *c, sl_error *err)
{
    uint32_t op = c->expr->function == sl_function__get(SL_F_ADD)   ? 0
                  : c->expr->function == sl_function__get(SL_F_SUB) ? 1
                                                                    : 2;
    const sl_vector *a = c->args[0], *b = c->args[1];
    void *out;
    SL_TRY(sl_register__values(c->out, c->rows, &out, err));
    uint32_t shape = !a->is_constant && b->is_constant   ? 1
                     : a->is_constant && !b->is_constant ? 2
                                                         : 0;
    if (loops[op][sl_storage__of(a->type)][shape](a->values, b->values, out, c->rows))
        return report_overflow(c, op, err);
    return SL_OK;
}

/* ---- one argument ---- */

#define UNARY(name, T, expression, bad)                                                  \
    SL_HOT static bool name(const void *from, void *ret, uint32_t n)                     \
    {                                                                                    \
        const T *restrict a = from;                                                      \
        T *restrict out = ret;                                                           \
        int overflow = 0;                                                                \
        for (uint32_t i = 0; i < n; i++) {                                               \
            T x = a[i];                                                                  \
            overflow |= (bad);                                                           \
            out[i] = (T)(expression);                                                    \
        }                                                                                \
        return overflow != 0;                                                            \
    }

#define UNARY_TYPES(op, integer, real)                                                   \
    UNARY(op##_i8, int8_t, integer(uint8_t), x == INT8_MIN)                              \
    UNARY(op##_i16, int16_t, integer(uint16_t), x == INT16_MIN)                          \
    UNARY(op##_i32, int32_t, integer(uint32_t), x == INT32_MIN)                          \
    UNARY(op##_i64, int64_t, integer(uint64_t), x == INT64_MIN)                          \
    UNARY(op##_f32, float, real, 0)                                                      \
    UNARY(op##_f64, double, real, 0)

#define NEGATE_INTEGER(U) (U)(0 - (U)x)
#define ABS_INTEGER(U) x < 0 ? (U)(0 - (U)x) : (U)x
UNARY_TYPES(negate, NEGATE_INTEGER, -x)
UNARY_TYPES(abs, ABS_INTEGER, (double)x < 0 || x == 0 ? 0 - x : x)

typedef bool (*unary_loop)(const void *a, void *ret, uint32_t n);
#define UNARY_TABLE(op)                                                                  \
    {                                                                                    \
        [SL_I8] = op##_i8, [SL_I16] = op##_i16, [SL_I32] = op##_i32,                     \
        [SL_I64] = op##_i64, [SL_F32] = op##_f32, [SL_F64] = op##_f64                    \
    }
static const unary_loop negate_loops[SL_F64 + 1] = UNARY_TABLE(negate);
static const unary_loop abs_loops[SL_F64 + 1] = UNARY_TABLE(abs);

static sl_code unary(sl_kernel_call *c, const unary_loop *table, sl_error *err)
{
    static const int64_t least[] = { [SL_I8] = INT8_MIN,
                                     [SL_I16] = INT16_MIN,
                                     [SL_I32] = INT32_MIN,
                                     [SL_I64] = INT64_MIN };
    sl_storage s = sl_storage__of(c->args[0]->type);
    void *out;
    SL_TRY(sl_register__values(c->out, c->rows, &out, err));
    if (!table[s](c->args[0]->values, out, c->rows))
        return SL_OK;
    sl_rows rows = sl_call__rows(c);
    uint32_t row;
    while (sl_rows__next(&rows, &row)) {
        if (get_i64(c->args[0], row) == least[s])
            return sl_error__overflow(c, row, err);
    }
    return SL_OK;
}

sl_code sl_kernel__negate(sl_kernel_call *c, sl_error *err)
{
    return unary(c, negate_loops, err);
}

sl_code sl_kernel__abs(sl_kernel_call *c, sl_error *err)
{
    return unary(c, abs_loops, err);
}
