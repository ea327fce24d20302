#include "engine/columnar/column.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "engine/columnar/column_private.h"

bool sl_column__is_supported(const sl_type *type)
{
    return type->id != SL_TYPE_DECIMAL && type->id != SL_TYPE_ARRAY &&
           type->id != SL_TYPE_MAP;
}

sl_code sl_column__unsupported(const sl_type *type, sl_error *err)
{
    return sl_fail(err, SL_EUNSUPPORTED, "columns of type %s are not supported",
                   sl_type_tree_name(type));
}

size_t sl_column__value_bytes(const sl_type *type, uint32_t rows)
{
    if (type->id == SL_TYPE_BOOLEAN)
        return sl_bitmap_words(rows) * 8;
    return (size_t)sl_type_width(type) * rows;
}

/* ---- sharing ---- */

void sl_column_ref(const sl_column *c, sl_column *ret)
{
    sl_column copy = *c;
    copy.buffers = NULL; /* an empty array may still be memory of c's own */
    copy.children = NULL;
    if (c->buffer_count != 0) {
        copy.buffers = sl_alloc(c->buffer_count * sizeof *copy.buffers);
        for (uint32_t i = 0; i < c->buffer_count; i++)
            copy.buffers[i] = sl_buffer_ref(c->buffers[i]);
    }
    if (c->child_count != 0) {
        copy.children = sl_alloc(c->child_count * sizeof *copy.children);
        for (uint32_t i = 0; i < c->child_count; i++)
            sl_column_ref(&c->children[i], &copy.children[i]);
    }
    *ret = copy;
}

void sl_column_release(sl_column *c)
{
    for (uint32_t i = 0; i < c->child_count; i++)
        sl_column_release(&c->children[i]);
    for (uint32_t i = 0; i < c->buffer_count; i++)
        sl_buffer_unref(c->buffers[i]);
    sl_free(c->children);
    sl_free(c->buffers);
    *c = (sl_column){ 0 };
}

void sl_column__take(sl_column *c, sl_buffer *buffer)
{
    if (buffer == NULL)
        return;
    c->buffers =
        sl_realloc(c->buffers, ((size_t)c->buffer_count + 1) * sizeof *c->buffers);
    c->buffers[c->buffer_count++] = buffer;
}

void sl_column_hold(sl_column *c, sl_buffer *buffer)
{
    sl_column__take(c, sl_buffer_ref(buffer));
}

/* ---- fresh columns ---- */

static sl_code alloc_children(const sl_type *type, uint32_t length, sl_budget *budget,
                              sl_column *c, sl_error *err)
{
    if (type->field_count == 0)
        return SL_OK;
    c->children = sl_calloc(type->field_count, sizeof *c->children);
    c->child_count = type->field_count;
    for (uint32_t i = 0; i < type->field_count; i++) {
        void *values;
        SL_TRY(sl_column_alloc(type->fields[i].type, length, false, budget,
                               &c->children[i], &values, NULL, err));
    }
    return SL_OK;
}

sl_code sl_column_alloc(const sl_type *type, uint32_t length, bool with_validity,
                        sl_budget *budget, sl_column *ret, void **ret_values,
                        uint64_t **ret_validity, sl_error *err)
{
    if (!sl_column__is_supported(type))
        return sl_column__unsupported(type, err);

    sl_code code = SL_OK;
    sl_column c = { .type = type, .length = length };
    sl_buffer *values = NULL, *validity = NULL;
    size_t value_bytes = sl_column__value_bytes(type, length);
    if (type->id == SL_TYPE_STRUCT)
        SL_TRY_GOTO(alloc_children(type, length, budget, &c, err), fail);
    if (value_bytes != 0 || sl_type_width(type) != 0 || type->id == SL_TYPE_BOOLEAN) {
        SL_TRY_GOTO(sl_buffer_new(value_bytes, budget, &values, err), fail);
        values->size_bytes = value_bytes;
        c.values = values->data;
        sl_column__take(&c, values);
    }
    if (with_validity) {
        size_t bytes = sl_bitmap_words(length) * 8;
        SL_TRY_GOTO(sl_buffer_new(bytes, budget, &validity, err), fail);
        validity->size_bytes = bytes;
        memset(validity->data, 0xff, bytes);
        c.validity = (const uint64_t *)(const void *)validity->data;
        sl_column__take(&c, validity);
    }
    *ret = c;
    if (ret_values != NULL)
        *ret_values = values != NULL ? values->data : NULL;
    if (ret_validity != NULL)
        *ret_validity = validity != NULL ? (uint64_t *)(void *)validity->data : NULL;
    return SL_OK;

fail:
    sl_column_release(&c);
    return code;
}

void sl_column_make_struct(const sl_type *type, uint32_t length, sl_column *children,
                           sl_buffer *validity_buffer, sl_column *ret)
{
    SL_ASSERT(type->id == SL_TYPE_STRUCT);
    sl_column c = { .type = type, .length = length, .child_count = type->field_count };
    if (c.child_count != 0) {
        c.children = sl_alloc(c.child_count * sizeof *c.children);
        for (uint32_t i = 0; i < c.child_count; i++) {
            SL_ASSERT(children[i].length == length);
            c.children[i] = children[i];
            children[i] = (sl_column){ 0 };
        }
    }
    if (validity_buffer != NULL) {
        SL_ASSERT(validity_buffer->capacity_bytes >= sl_bitmap_words(length) * 8);
        c.validity = (const uint64_t *)(const void *)validity_buffer->data;
        sl_column__take(&c, validity_buffer);
    }
    *ret = c;
}

sl_code sl_column_nulls(const sl_type *type, uint32_t length, sl_budget *budget,
                        sl_column *ret, sl_error *err)
{
    if (type->id != SL_TYPE_STRUCT) {
        sl_column c;
        void *values;
        uint64_t *validity;
        SL_TRY(sl_column_alloc(type, length, type->id != SL_TYPE_VOID, budget, &c,
                               &values, &validity, err));
        if (values != NULL)
            memset(values, 0, sl_column__value_bytes(type, length));
        if (validity != NULL)
            memset(validity, 0, sl_bitmap_words(length) * 8);
        *ret = c;
        return SL_OK;
    }

    sl_code code = SL_OK;
    sl_column children = { .type = type, .length = length };
    sl_buffer *validity = NULL;
    if (type->field_count != 0)
        children.children = sl_calloc(type->field_count, sizeof *children.children);
    for (; children.child_count < type->field_count; children.child_count++) {
        uint32_t i = children.child_count;
        SL_TRY_GOTO(sl_column_nulls(type->fields[i].type, length, budget,
                                    &children.children[i], err),
                    fail);
    }
    SL_TRY_GOTO(sl_buffer_new(sl_bitmap_words(length) * 8, budget, &validity, err), fail);
    validity->size_bytes = sl_bitmap_words(length) * 8;
    memset(validity->data, 0, validity->size_bytes);
    children.validity = (const uint64_t *)(const void *)validity->data;
    sl_column__take(&children, validity);
    *ret = children;
    return SL_OK;

fail:
    sl_column_release(&children);
    return code;
}
