/* Structs: making them of columns and taking a field out costs no copy of values. */
#include <string.h>

#include "engine/expr/vector_private.h"

sl_code sl_kernel__make_struct(sl_kernel_call *c, sl_error *err)
{
    (void)err;
    sl_register__make_parts(c->out);
    for (uint32_t i = 0; i < c->out->part_count; i++)
        c->out->part_vectors[i] = c->args[2 * i + 1];
    return SL_OK;
}

static uint32_t field_index(const sl_type *type, const char *name)
{
    uint32_t i = 0;
    while (i + 1 < type->field_count && strcmp(type->fields[i].name, name) != 0)
        i++;
    return i;
}

/* A constant field of a struct that is null in some rows: written out. */
static sl_code spread(sl_kernel_call *c, const sl_vector *field, sl_error *err)
{
    uint8_t pick[SL_CHUNK_ROWS_MAX];
    for (uint32_t i = 0; i < c->rows; i++)
        pick[i] = sl_vector__valid(c->args[0], i) ? 0 : 255;
    return sl_kernel__blend(c->out, &field, 1, pick, c->rows, err);
}

/* The field is null where it or the struct is. */
sl_code sl_kernel__field(sl_kernel_call *c, sl_error *err)
{
    const sl_vector *whole = c->args[0];
    const char *name = c->expr->args[1]->literal.text;
    const sl_vector *field = whole->children[field_index(whole->type, name)];
    if (whole->validity != NULL && field->is_constant)
        return spread(c, field, err);

    sl_vector *out = &c->out->vector;
    sl_register__hold(c->out, field);
    out->is_constant = field->is_constant;
    out->validity = field->validity;
    out->values = field->values;
    out->child_count = field->child_count;
    out->children = field->children;
    if (whole->validity == NULL)
        return SL_OK;
    uint64_t *validity;
    const uint64_t *inner = field->validity;
    SL_TRY(sl_register__validity(c->out, c->rows, &validity, err));
    for (size_t w = 0; w < sl_bitmap_words(c->rows); w++)
        validity[w] = whole->validity[w] & (inner != NULL ? inner[w] : UINT64_MAX);
    return SL_OK;
}
