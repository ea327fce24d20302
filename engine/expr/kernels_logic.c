/* AND, OR, NOT, IS NULL on whole words of the bitmaps; CASE and COALESCE by picking. */
#include "base/limits.h"
#include "engine/expr/vector_private.h"

/* AND is false if a side is false, else null if a side is null; OR the mirror image. */
sl_code sl_kernel__logic(sl_kernel_call *c, sl_error *err)
{
    const sl_vector *a = c->args[0], *b = c->args[1];
    const uint64_t *x = a->values, *y = b->values;
    bool is_and = c->expr->function == sl_function__get(SL_F_AND);
    uint64_t *validity = NULL;
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    uint64_t *out = p;
    size_t words = sl_bitmap_words(c->rows);
    if (a->validity == NULL && b->validity == NULL) {
        for (size_t w = 0; w < words; w++)
            out[w] = is_and ? x[w] & y[w] : x[w] | y[w];
        return SL_OK;
    }
    SL_TRY(sl_register__validity(c->out, c->rows, &validity, err));
    for (size_t w = 0; w < words; w++) {
        uint64_t va = sl_vector__valid_word(a, w), vb = sl_vector__valid_word(b, w);
        uint64_t flip = is_and ? 0 : UINT64_MAX; /* OR = NOT (NOT a AND NOT b) */
        uint64_t false_side = (va & ~(x[w] ^ flip)) | (vb & ~(y[w] ^ flip));
        validity[w] = (va & vb) | false_side;
        out[w] = ~false_side ^ flip;
    }
    return SL_OK;
}

sl_code sl_kernel__not(sl_kernel_call *c, sl_error *err)
{
    const uint64_t *a = c->args[0]->values;
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    uint64_t *out = p;
    for (size_t w = 0; w < sl_bitmap_words(c->rows); w++)
        out[w] = ~a[w];
    return SL_OK;
}

sl_code sl_kernel__is_null(sl_kernel_call *c, sl_error *err)
{
    const sl_vector *a = c->args[0];
    uint64_t flip = c->expr->function == sl_function__get(SL_F_IS_NULL) ? UINT64_MAX : 0;
    bool is_void = a->type->id == SL_TYPE_VOID;
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    uint64_t *out = p;
    for (size_t w = 0; w < sl_bitmap_words(c->rows); w++)
        out[w] = (is_void ? 0 : sl_vector__valid_word(a, w)) ^ flip;
    return SL_OK;
}

/* ---- picking ---- */

#define BLEND(T)                                                                         \
    static void blend_##T(const sl_vector *const *choices, const uint8_t *pick,          \
                          uint32_t count, void *ret, uint32_t rows)                      \
    {                                                                                    \
        T *out = ret;                                                                    \
        for (uint32_t k = 0; k < count; k++) {                                           \
            const T *from = choices[k]->values;                                          \
            uint32_t stride = sl_vector__stride(choices[k]);                             \
            for (uint32_t i = 0; i < rows; i++) {                                        \
                if (pick[i] == k)                                                        \
                    out[i] = from[i * stride];                                           \
            }                                                                            \
        }                                                                                \
    }
BLEND(uint8_t)
BLEND(uint16_t)
BLEND(uint32_t)
BLEND(uint64_t)
BLEND(sl_string_view)

static void blend_values(sl_register *out, const sl_vector *const *choices,
                         const uint8_t *pick, uint32_t count, void *ret, uint32_t rows)
{
    switch (sl_type_width(out->vector.type)) {
    case 1:
        blend_uint8_t(choices, pick, count, ret, rows);
        break;
    case 2:
        blend_uint16_t(choices, pick, count, ret, rows);
        break;
    case 4:
        blend_uint32_t(choices, pick, count, ret, rows);
        break;
    case 8:
        blend_uint64_t(choices, pick, count, ret, rows);
        break;
    case 16:
        blend_sl_string_view(choices, pick, count, ret, rows);
        for (uint32_t k = 0; k < count; k++)
            sl_register__hold(out, choices[k]);
        break;
    default: /* BOOLEAN; the words are zero */
        for (uint32_t i = 0; i < rows; i++) {
            if (pick[i] < count && sl_bitmap_get(choices[pick[i]]->values, i))
                sl_bitmap_set(ret, i);
        }
    }
}

static sl_code blend_validity(sl_register *out, const sl_vector *const *choices,
                              uint32_t count, const uint8_t *pick, uint32_t rows,
                              sl_error *err)
{
    uint64_t *validity;
    SL_TRY(sl_register__validity(out, rows, &validity, err));
    for (uint32_t base = 0; base < rows; base += 64) {
        uint64_t word = 0;
        for (uint32_t i = base; i < rows && i < base + 64; i++)
            word |= (uint64_t)(pick[i] < count && sl_vector__valid(choices[pick[i]], i))
                    << (i - base);
        validity[base / 64] = word;
    }
    return SL_OK;
}

static sl_code blend_parts(sl_register *out, const sl_vector *const *choices,
                           uint32_t count, const uint8_t *pick, uint32_t rows,
                           sl_error *err)
{
    const sl_vector *parts[255];
    sl_register__make_parts(out);
    for (uint32_t i = 0; i < out->part_count; i++) {
        for (uint32_t k = 0; k < count; k++)
            parts[k] = choices[k]->children[i];
        SL_TRY(sl_kernel__blend(&out->parts[i], parts, count, pick, rows, err));
    }
    return SL_OK;
}

sl_code sl_kernel__blend(sl_register *out, const sl_vector *const *choices,
                         uint32_t count, const uint8_t *pick, uint32_t rows,
                         sl_error *err)
{
    if (count > 255)
        return sl_fail(err, SL_ELIMIT, "more than 255 branches in one CASE or COALESCE");
    if (out->vector.type->id == SL_TYPE_VOID)
        return SL_OK;
    SL_TRY(blend_validity(out, choices, count, pick, rows, err));
    if (out->vector.type->id == SL_TYPE_STRUCT)
        return blend_parts(out, choices, count, pick, rows, err);
    void *values;
    SL_TRY(sl_register__values(out, rows, &values, err));
    if (sl_type_width(out->vector.type) != 0)
        memset(values, 0, (size_t)sl_type_width(out->vector.type) * rows);
    blend_values(out, choices, pick, count, values, rows);
    return SL_OK;
}

sl_code sl_kernel__coalesce(sl_kernel_call *c, sl_error *err)
{
    uint8_t pick[SL_CHUNK_ROWS_MAX];
    for (uint32_t i = 0; i < c->rows; i++) {
        uint32_t k = 0;
        while (k < c->arg_count && k < 255 && !sl_vector__valid(c->args[k], i))
            k++;
        pick[i] = k < c->arg_count ? (uint8_t)k : 255;
    }
    return sl_kernel__blend(c->out, c->args, c->arg_count, pick, c->rows, err);
}

sl_code sl_kernel__case(sl_kernel_call *c, sl_error *err)
{
    const sl_vector *choices[255];
    uint64_t open[SL_CHUNK_ROWS_MAX / 64];
    uint8_t pick[SL_CHUNK_ROWS_MAX];
    uint32_t branches = (c->arg_count + 1) / 2;
    if (branches > 255)
        return sl_fail(err, SL_ELIMIT, "a CASE of %u branches: at most 255", branches);
    memset(pick, 255, c->rows);
    sl_bitmap_fill(open, c->rows);
    for (uint32_t k = 0; k < c->arg_count / 2; k++) {
        const sl_vector *condition = c->args[2 * k];
        const uint64_t *values = condition->values;
        choices[k] = c->args[2 * k + 1];
        for (size_t w = 0; w < sl_bitmap_words(c->rows); w++) {
            uint64_t taken = open[w] & values[w] & sl_vector__valid_word(condition, w);
            open[w] &= ~taken;
            for (; taken != 0; taken &= taken - 1)
                pick[w * 64 + (uint32_t)__builtin_ctzll(taken)] = (uint8_t)k;
        }
    }
    if (c->arg_count % 2 != 0) {
        choices[branches - 1] = c->args[c->arg_count - 1];
        for (uint32_t i = 0; i < c->rows; i++) {
            if (pick[i] == 255)
                pick[i] = (uint8_t)(branches - 1);
        }
    }
    return sl_kernel__blend(c->out, choices, branches, pick, c->rows, err);
}
