/* / div % : a zero divisor of a row that does not count is replaced by one, so that the
 * loops never trap. */
#include <math.h>

#include "engine/expr/kernel_errors_private.h"

sl_code sl_error__zero(const sl_kernel_call *c, uint32_t row, sl_error *err)
{
    sl_bytes b = { 0 };
    sl_vector__text(c->args[0], row, c->context->zone, &b);
    bool remainder = c->expr->function == sl_function__get(SL_F_MOD);
    sl_code code = sl_call__fail(
        c, remainder ? "REMAINDER_BY_ZERO" : "DIVIDE_BY_ZERO", "22012", err,
        "%s by zero: %.100s %s 0 in `%s`. Use nullif(divisor, 0) to return NULL instead.",
        remainder ? "Remainder" : "Division", sl_bytes_cstr(&b), c->expr->function->name,
        c->expr->pretty);
    sl_bytes_deinit(&b);
    return code;
}

SL_HOT static bool divide_loop(const double *restrict a, uint32_t sa,
                               const double *restrict b, uint32_t sb,
                               double *restrict out, uint32_t n)
{
    int zero = 0;
    if (sa == 1 && sb == 0) {
        double d = b[0];
        for (uint32_t i = 0; i < n; i++)
            out[i] = a[i] / d;
        return d == 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        zero |= b[i * sb] == 0;
        out[i] = a[i * sa] / b[i * sb];
    }
    return zero != 0;
}

/* The first row that counts whose divisor is zero. */
static bool find_zero(const sl_kernel_call *c, uint32_t *ret_row)
{
    const sl_vector *b = c->args[1];
    sl_rows rows = sl_call__rows(c);
    while (sl_rows__next(&rows, ret_row)) {
        uint32_t at = *ret_row * sl_vector__stride(b);
        bool zero = false;
        switch (sl_storage__of(b->type)) {
        case SL_I8:
            zero = SL_VALUES(int8_t, b)[at] == 0;
            break;
        case SL_I16:
            zero = SL_VALUES(int16_t, b)[at] == 0;
            break;
        case SL_I32:
            zero = SL_VALUES(int32_t, b)[at] == 0;
            break;
        case SL_I64:
            zero = SL_VALUES(int64_t, b)[at] == 0;
            break;
        case SL_F32:
            zero = SL_VALUES(float, b)[at] == 0;
            break;
        default:
            zero = SL_VALUES(double, b)[at] == 0;
        }
        if (zero)
            return true;
    }
    return false;
}

sl_code sl_kernel__divide(sl_kernel_call *c, sl_error *err)
{
    const sl_vector *a = c->args[0], *b = c->args[1];
    void *out;
    uint32_t row;
    SL_TRY(sl_register__values(c->out, c->rows, &out, err));
    if (divide_loop(a->values, sl_vector__stride(a), b->values, sl_vector__stride(b), out,
                    c->rows) &&
        find_zero(c, &row))
        return sl_error__zero(c, row, err);
    return SL_OK;
}

/* x / -1 is 0 - x: the one quotient that can overflow. */
static int64_t quotient(int64_t a, int64_t b, bool *zero, bool *overflow)
{
    *zero |= b == 0;
    *overflow |= a == INT64_MIN && b == -1;
    return b == 0 ? 0 : b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

sl_code sl_kernel__integral_divide(sl_kernel_call *c, sl_error *err)
{
    const int64_t *a = c->args[0]->values, *b = c->args[1]->values;
    uint32_t sa = sl_vector__stride(c->args[0]), sb = sl_vector__stride(c->args[1]), row;
    bool zero = false, overflow = false;
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    int64_t *out = p;
    for (uint32_t i = 0; i < c->rows; i++)
        out[i] = quotient(a[i * sa], b[i * sb], &zero, &overflow);
    if (zero && find_zero(c, &row))
        return sl_error__zero(c, row, err);
    sl_rows rows = sl_call__rows(c);
    while (overflow && sl_rows__next(&rows, &row)) {
        if (a[row * sa] == INT64_MIN && b[row * sb] == -1)
            return sl_error__overflow(c, row, err);
    }
    return SL_OK;
}

#define REMAINDER_INTEGER(T)                                                             \
    static bool remainder_##T(const void *left, uint32_t sa, const void *right,          \
                              uint32_t sb, void *ret, uint32_t n)                        \
    {                                                                                    \
        const T *a = left, *b = right;                                                   \
        T *out = ret;                                                                    \
        bool zero = false;                                                               \
        for (uint32_t i = 0; i < n; i++) {                                               \
            T d = b[i * sb];                                                             \
            zero |= d == 0;                                                              \
            out[i] = (T)(d == 0 || d == -1 ? 0 : a[i * sa] % d); /* MIN % -1 traps */    \
        }                                                                                \
        return zero;                                                                     \
    }
REMAINDER_INTEGER(int8_t)
REMAINDER_INTEGER(int16_t)
REMAINDER_INTEGER(int32_t)
REMAINDER_INTEGER(int64_t)

#define REMAINDER_REAL(T, f)                                                             \
    static bool remainder_##T(const void *left, uint32_t sa, const void *right,          \
                              uint32_t sb, void *ret, uint32_t n)                        \
    {                                                                                    \
        const T *a = left, *b = right;                                                   \
        T *out = ret;                                                                    \
        bool zero = false;                                                               \
        for (uint32_t i = 0; i < n; i++) {                                               \
            zero |= b[i * sb] == 0;                                                      \
            out[i] = f(a[i * sa], b[i * sb]);                                            \
        }                                                                                \
        return zero;                                                                     \
    }
REMAINDER_REAL(float, fmodf)
REMAINDER_REAL(double, fmod)

sl_code sl_kernel__remainder(sl_kernel_call *c, sl_error *err)
{
    typedef bool (*loop)(const void *, uint32_t, const void *, uint32_t, void *,
                         uint32_t);
    static const loop loops[SL_F64 + 1] = {
        [SL_I8] = remainder_int8_t,   [SL_I16] = remainder_int16_t,
        [SL_I32] = remainder_int32_t, [SL_I64] = remainder_int64_t,
        [SL_F32] = remainder_float,   [SL_F64] = remainder_double
    };
    const sl_vector *a = c->args[0], *b = c->args[1];
    void *out;
    uint32_t row;
    SL_TRY(sl_register__values(c->out, c->rows, &out, err));
    if (loops[sl_storage__of(a->type)](a->values, sl_vector__stride(a), b->values,
                                       sl_vector__stride(b), out, c->rows) &&
        find_zero(c, &row))
        return sl_error__zero(c, row, err);
    return SL_OK;
}
