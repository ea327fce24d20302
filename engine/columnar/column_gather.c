/* Rows picked by index: a tight loop per width. Long strings are not copied: the new
 * column holds the old one's heaps. */
#include "base/alloc.h"
#include "engine/columnar/column_private.h"

#define GATHER(T)                                                                        \
    static void gather_##T(const void *from, const uint16_t *rows, uint32_t count,       \
                           void *ret)                                                    \
    {                                                                                    \
        const T *in = from;                                                              \
        T *out = ret;                                                                    \
        for (uint32_t i = 0; i < count; i++)                                             \
            out[i] = in[rows[i]];                                                        \
    }
GATHER(uint8_t)
GATHER(uint16_t)
GATHER(uint32_t)
GATHER(uint64_t)
GATHER(sl_string_view)

static void gather_bits(const uint64_t *from, const uint16_t *rows, uint32_t count,
                        uint64_t *ret)
{
    for (uint32_t base = 0; base < count; base += 64) {
        uint32_t n = count - base < 64 ? count - base : 64;
        uint64_t word = 0;
        for (uint32_t i = 0; i < n; i++)
            word |= (uint64_t)sl_bitmap_get(from, rows[base + i]) << i;
        ret[base / 64] = word;
    }
}

static void gather_values(const sl_column *from, const uint16_t *rows, uint32_t count,
                          void *ret)
{
    switch (sl_type_width(from->type)) {
    case 1:
        gather_uint8_t(from->values, rows, count, ret);
        break;
    case 2:
        gather_uint16_t(from->values, rows, count, ret);
        break;
    case 4:
        gather_uint32_t(from->values, rows, count, ret);
        break;
    case 8:
        gather_uint64_t(from->values, rows, count, ret);
        break;
    case 16:
        gather_sl_string_view(from->values, rows, count, ret);
        break;
    default:
        if (from->type->id == SL_TYPE_BOOLEAN)
            gather_bits(from->values, rows, count, ret);
    }
}

/* The buffers string views may point into; the values and validity are new. */
static void hold_heaps(const sl_column *from, sl_column *c)
{
    for (uint32_t i = 0; i < from->buffer_count; i++) {
        const uint8_t *data = from->buffers[i]->data;
        if (data != (const uint8_t *)from->values &&
            data != (const uint8_t *)from->validity)
            sl_column_hold(c, from->buffers[i]);
    }
}

static sl_code gather_struct(const sl_column *from, const uint16_t *rows, uint32_t count,
                             sl_budget *budget, sl_column *ret, sl_error *err)
{
    sl_code code = SL_OK;
    sl_column c = { .type = from->type, .length = count };
    sl_buffer *validity = NULL;
    if (from->child_count != 0)
        c.children = sl_calloc(from->child_count, sizeof *c.children);
    for (; c.child_count < from->child_count; c.child_count++) {
        uint32_t i = c.child_count;
        SL_TRY_GOTO(sl_column_gather(&from->children[i], rows, count, budget,
                                     &c.children[i], err),
                    fail);
    }
    if (from->validity != NULL) {
        size_t bytes = sl_bitmap_words(count) * 8;
        SL_TRY_GOTO(sl_buffer_new(bytes, budget, &validity, err), fail);
        validity->size_bytes = bytes;
        gather_bits(from->validity, rows, count, (uint64_t *)(void *)validity->data);
        c.validity = (const uint64_t *)(const void *)validity->data;
        sl_column__take(&c, validity);
    }
    *ret = c;
    return SL_OK;

fail:
    sl_column_release(&c);
    return code;
}

sl_code sl_column_gather(const sl_column *from, const uint16_t *rows, uint32_t count,
                         sl_budget *budget, sl_column *ret, sl_error *err)
{
#ifdef SL_DEBUG
    for (uint32_t i = 0; i < count; i++)
        SL_DASSERT(rows[i] < from->length);
#endif
    if (from->type->id == SL_TYPE_STRUCT)
        return gather_struct(from, rows, count, budget, ret, err);

    sl_column c;
    void *values;
    uint64_t *validity;
    SL_TRY(sl_column_alloc(from->type, count, from->validity != NULL, budget, &c, &values,
                           &validity, err));
    if (values != NULL)
        gather_values(from, rows, count, values);
    if (validity != NULL)
        gather_bits(from->validity, rows, count, validity);
    if (sl_type_width(from->type) == sizeof(sl_string_view))
        hold_heaps(from, &c);
    *ret = c;
    return SL_OK;
}
