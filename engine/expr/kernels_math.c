/* Rounding, roots and powers, random numbers. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/text.h"
#include "engine/expr/kernel_errors_private.h"

static bool is_function(const sl_kernel_call *c, sl_function_id id)
{
    return c->expr->function == sl_function__get(id);
}

/* ---- floor, ceil: double to bigint ---- */

sl_code sl_kernel__floor(sl_kernel_call *c, sl_error *err)
{
    const double *a = c->args[0]->values;
    bool up = is_function(c, SL_F_CEIL);
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    int64_t *out = p;
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    memset(out, 0, c->rows * sizeof *out);
    while (sl_rows__next(&rows, &i)) {
        double v = up ? ceil(a[i]) : floor(a[i]);
        if (!(v >= -0x1p63 && v < 0x1p63))
            return sl_error__overflow(c, i, err);
        out[i] = (int64_t)v;
    }
    return SL_OK;
}

/* ---- round ---- */

/* Half up at `scale` digits after the point, of an integer (scale < 0). False: overflow.
 */
static bool round_integer(int64_t v, int32_t scale, int64_t least, int64_t most,
                          int64_t *ret)
{
    if (scale >= 0) {
        *ret = v;
        return true;
    }
    sl_i128 unit = 1;
    for (int32_t i = scale; i < 0; i++) {
        unit *= 10;
        if (unit > (sl_i128)INT64_MAX * 20) {
            *ret = 0;
            return true;
        }
    }
    sl_i128 half = unit / 2, wide = v;
    wide = (wide < 0 ? wide - half : wide + half) / unit * unit;
    *ret = (int64_t)wide;
    return wide >= least && wide <= most;
}

/* As BigDecimal(Double.toString(v)).setScale(scale, HALF_UP): on the shortest decimal
 * digits, not on the binary fraction, so 2.675 at 2 is 2.68. */
static double round_decimal(double v, int32_t scale)
{
    if (!isfinite(v) || v == 0)
        return v;
    if (scale == 0 && fabs(v) < 0x1p52) {
        double whole = trunc(v);
        return fabs(v - whole) >= 0.5 ? whole + copysign(1, v) : whole + 0.0;
    }
    /* d.ddddE±x with the fewest digits that read back as v */
    char text[40], digits[40] = "";
    int precision = 0;
    do {
        snprintf(text, sizeof text, "%.*e", precision, fabs(v));
    } while (strtod(text, NULL) != fabs(v) && ++precision < 17);
    const char *exponent = strchr(text, 'e');
    int point = (int)strtol(exponent + 1, NULL, 10) + 1; /* digits before the point */
    uint32_t count = 0;
    for (const char *p = text; p < exponent; p++) {
        if (*p != '.')
            digits[count++] = *p;
    }
    int64_t keep = (int64_t)point + scale; /* digits that stay */
    if (keep >= (int64_t)count)
        return v;
    if (keep < 0)
        return v < 0 ? -0.0 : 0.0;
    bool up = digits[keep] >= '5';
    digits[keep] = '\0';
    char result[64];
    uint64_t mantissa = keep != 0 ? strtoull(digits, NULL, 10) : 0;
    mantissa += up;
    snprintf(result, sizeof result, "%" PRIu64 "e%lld", mantissa,
             (long long)(point - keep));
    return copysign(strtod(result, NULL), v);
}

static sl_code round_integers(sl_kernel_call *c, sl_storage s, void *out, sl_error *err)
{
    static const int64_t most[] = { [SL_I8] = INT8_MAX,
                                    [SL_I16] = INT16_MAX,
                                    [SL_I32] = INT32_MAX,
                                    [SL_I64] = INT64_MAX };
    const sl_vector *a = c->args[0];
    const int32_t *scale = c->args[1]->values;
    uint32_t sa = sl_vector__stride(a), ss = sl_vector__stride(c->args[1]), i;
    sl_rows rows = sl_call__rows(c);
    while (sl_rows__next(&rows, &i)) {
        int64_t v = s == SL_I8    ? SL_VALUES(int8_t, a)[i * sa]
                    : s == SL_I16 ? SL_VALUES(int16_t, a)[i * sa]
                    : s == SL_I32 ? SL_VALUES(int32_t, a)[i * sa]
                                  : SL_VALUES(int64_t, a)[i * sa];
        if (!round_integer(v, scale[i * ss], -most[s] - 1, most[s], &v))
            return sl_error__overflow(c, i, err);
        switch (s) {
        case SL_I8:
            ((int8_t *)out)[i] = (int8_t)v;
            break;
        case SL_I16:
            ((int16_t *)out)[i] = (int16_t)v;
            break;
        case SL_I32:
            ((int32_t *)out)[i] = (int32_t)v;
            break;
        default:
            ((int64_t *)out)[i] = v;
        }
    }
    return SL_OK;
}

sl_code sl_kernel__round(sl_kernel_call *c, sl_error *err)
{
    const sl_vector *a = c->args[0];
    const int32_t *scale = c->args[1]->values;
    uint32_t sa = sl_vector__stride(a), ss = sl_vector__stride(c->args[1]), i;
    void *out;
    SL_TRY(sl_register__values(c->out, c->rows, &out, err));
    memset(out, 0, (size_t)sl_type_width(a->type) * c->rows);
    sl_storage s = sl_storage__of(a->type);
    if (s < SL_F32)
        return round_integers(c, s, out, err);
    sl_rows rows = sl_call__rows(c);
    while (sl_rows__next(&rows, &i)) {
        if (s == SL_F32)
            ((float *)out)[i] =
                (float)round_decimal((double)SL_VALUES(float, a)[i * sa], scale[i * ss]);
        else
            ((double *)out)[i] =
                round_decimal(SL_VALUES(double, a)[i * sa], scale[i * ss]);
    }
    return SL_OK;
}

/* ---- functions of double ---- */

static double sign_of(double v)
{
    return v > 0 ? 1 : v < 0 ? -1 : v;
}

sl_code sl_kernel__math(sl_kernel_call *c, sl_error *err)
{
    static const struct {
        sl_function_id id;
        double (*f)(double);
        bool positive_only; /* null elsewhere, as Spark's logarithms */
    } table[] = { { SL_F_SQRT, sqrt, false },
                  { SL_F_EXP, exp, false },
                  { SL_F_LN, log, true },
                  { SL_F_LOG10, log10, true },
                  { SL_F_SIGN, sign_of, false } };
    size_t k = 0;
    while (!is_function(c, table[k].id))
        k++;
    const double *a = c->args[0]->values;
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    double *out = p;
    for (uint32_t i = 0; i < c->rows; i++)
        out[i] = table[k].f(a[i]);
    if (!table[k].positive_only)
        return SL_OK;
    uint64_t *validity;
    SL_TRY(sl_call__own_validity(c, &validity, err));
    for (uint32_t i = 0; i < c->rows; i++) {
        if (a[i] <= 0)
            sl_bitmap_clear(validity, i);
    }
    return SL_OK;
}

sl_code sl_kernel__math2(sl_kernel_call *c, sl_error *err)
{
    const double *a = c->args[0]->values, *b = c->args[1]->values;
    uint32_t sa = sl_vector__stride(c->args[0]), sb = sl_vector__stride(c->args[1]);
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    double *out = p;
    for (uint32_t i = 0; i < c->rows; i++)
        out[i] = pow(a[i * sa], b[i * sb]);
    return SL_OK;
}

sl_code sl_kernel__is_nan(sl_kernel_call *c, sl_error *err)
{
    const sl_vector *a = c->args[0];
    const double *v = a->values;
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    uint64_t *out = p;
    sl_rows rows = sl_rows__of(NULL, a->validity, c->rows);
    uint32_t i;
    while (sl_rows__next(&rows, &i))
        sl_bitmap_put(out, i, isnan(v[i]));
    return SL_OK;
}

/* ---- random: a function of (seed, slice, row, place in the text) ---- */

static uint64_t call_key(const sl_kernel_call *c)
{
    const sl_eval_context *x = c->context;
    uint64_t place = (uint64_t)c->expr->pos.line << 32 | c->expr->pos.column;
    uint64_t seed = x->seed;
    if (c->arg_count == 1) /* rand(n): the same in every batch */
        seed = (uint64_t)SL_VALUES(int64_t, c->args[0])[0];
    return sl_hash_mix(sl_hash_mix(seed, x->slice), place);
}

static uint64_t row_bits(uint64_t key, uint64_t row)
{
    uint64_t z = key + (row + 1) * UINT64_C(0x9e3779b97f4a7c15); /* SplitMix64 */
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

sl_code sl_kernel__rand(sl_kernel_call *c, sl_error *err)
{
    uint64_t key = call_key(c);
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    double *out = p;
    for (uint32_t i = 0; i < c->rows; i++)
        out[i] = (double)(row_bits(key, c->context->first_row + i) >> 11) * 0x1p-53;
    return SL_OK;
}

sl_code sl_kernel__uuid(sl_kernel_call *c, sl_error *err)
{
    uint64_t key = call_key(c);
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    sl_string_view *out = p;
    for (uint32_t i = 0; i < c->rows; i++) {
        uint64_t row = c->context->first_row + i;
        uint64_t high = row_bits(key, 2 * row), low = row_bits(key, 2 * row + 1);
        high = (high & ~UINT64_C(0xf000)) | 0x4000;               /* version 4 */
        low = (low & ~(UINT64_C(3) << 62)) | (UINT64_C(2) << 62); /* variant 1 */
        char text[40], *bytes;
        snprintf(text, sizeof text, "%08x-%04x-%04x-%04x-%012" PRIx64,
                 (unsigned)(high >> 32), (unsigned)(high >> 16 & 0xffff),
                 (unsigned)(high & 0xffff), (unsigned)(low >> 48),
                 low & UINT64_C(0xffffffffffff));
        SL_TRY(sl_register__bytes(c->out, 36, &bytes, err));
        memcpy(bytes, text, 36);
        out[i] = sl_string_view_make(bytes, 36);
    }
    return SL_OK;
}

sl_code sl_kernel__none(sl_kernel_call *c, sl_error *err)
{
    return sl_fail(err, SL_EINTERNAL, "function %s has no kernel of its own",
                   c->expr->function->name);
}
