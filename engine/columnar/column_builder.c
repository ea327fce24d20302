/* The validity bitmap is born with every bit set, past the length too, so that appending
 * a value never touches it.  Long strings go to a heap block; a full block moves to
 * `full` and the next one is twice as large, so that few blocks hold many strings. */
#include "base/alloc.h"
#include "base/limits.h"
#include "engine/columnar/column_private.h"

#define CAPACITY_MIN 64u
#define HEAP_BYTES_MIN ((size_t)4 << 10)
#define HEAP_BYTES_MAX ((size_t)1 << 20)

sl_code sl_column_builder_init(sl_column_builder *b, const sl_type *type,
                               uint32_t capacity, sl_budget *budget, sl_error *err)
{
    if (!sl_column__is_supported(type))
        return sl_column__unsupported(type, err);

    sl_column_builder fresh = { .type = type, .budget = budget };
    sl_code code = SL_OK;
    if (type->id == SL_TYPE_STRUCT && type->field_count != 0) {
        fresh.children = sl_calloc(type->field_count, sizeof *fresh.children);
        for (uint32_t i = 0; i < type->field_count; i++)
            SL_TRY_GOTO(sl_column_builder_init(&fresh.children[i], type->fields[i].type,
                                               capacity, budget, err),
                        fail);
    }
    SL_TRY_GOTO(sl_column_builder_reserve(&fresh, capacity != 0 ? capacity : 1, err),
                fail);
    *b = fresh;
    return SL_OK;

fail:
    sl_column_builder_deinit(&fresh);
    return code;
}

void sl_column_builder_deinit(sl_column_builder *b)
{
    if (b->children != NULL)
        for (uint32_t i = 0; i < b->type->field_count; i++)
            sl_column_builder_deinit(&b->children[i]);
    for (uint32_t i = 0; i < b->full_count; i++)
        sl_buffer_unref(b->full[i]);
    sl_buffer_unref(b->values);
    sl_buffer_unref(b->validity);
    sl_buffer_unref(b->heap);
    sl_free(b->children);
    sl_free(b->full);
    *b = (sl_column_builder){ 0 };
}

/* Replace *buffer by one of new_bytes with the first used_bytes kept. */
static sl_code grow(sl_column_builder *b, sl_buffer **buffer, size_t used_bytes,
                    size_t new_bytes, sl_error *err)
{
    sl_buffer *larger;
    SL_TRY(sl_buffer_new(new_bytes, b->budget, &larger, err));
    if (*buffer != NULL && used_bytes != 0)
        memcpy(larger->data, (*buffer)->data, used_bytes);
    larger->size_bytes = new_bytes;
    sl_buffer_unref(*buffer);
    *buffer = larger;
    return SL_OK;
}

static sl_code grow_validity(sl_column_builder *b, uint32_t capacity, sl_error *err)
{
    size_t used = b->validity != NULL ? sl_bitmap_words(b->capacity) * 8 : 0;
    size_t bytes = sl_bitmap_words(capacity) * 8;
    SL_TRY(grow(b, &b->validity, used, bytes, err));
    memset(b->validity->data + used, 0xff, bytes - used);
    return SL_OK;
}

static sl_code set_capacity(sl_column_builder *b, uint32_t capacity, sl_error *err)
{
    size_t bytes = sl_column__value_bytes(b->type, capacity);
    if (b->validity != NULL)
        SL_TRY(grow_validity(b, capacity, err));
    if (bytes != 0)
        SL_TRY(
            grow(b, &b->values, sl_column__value_bytes(b->type, b->length), bytes, err));
    b->capacity = capacity;
    return SL_OK;
}

sl_code sl_column_builder_reserve(sl_column_builder *b, uint32_t more_rows, sl_error *err)
{
    uint64_t need = (uint64_t)b->length + more_rows;
    if (need <= b->capacity)
        return SL_OK;
    uint64_t capacity = (uint64_t)b->capacity * 2;
    capacity = capacity < need ? need : capacity;
    capacity = capacity < CAPACITY_MIN ? CAPACITY_MIN : capacity;
    if (capacity > UINT32_MAX / 2)
        return sl_fail(err, SL_ELIMIT, "a column of %llu rows is more than %u",
                       (unsigned long long)need, UINT32_MAX / 2);
    return set_capacity(b, (uint32_t)capacity, err);
}

/* Room for one more row: a compare when there is. */
static inline sl_code room(sl_column_builder *b, sl_error *err)
{
    return b->length < b->capacity ? SL_OK : sl_column_builder_reserve(b, 1, err);
}

static void set_bit(sl_column_builder *b, bool v)
{
    uint64_t *words = (uint64_t *)(void *)b->values->data;
    if (b->length % 64 == 0)
        words[b->length / 64] = 0;
    sl_bitmap_put(words, b->length, v);
}

sl_code sl_column_builder_null(sl_column_builder *b, sl_error *err)
{
    SL_TRY(room(b, err));
    if (b->type->id != SL_TYPE_VOID && b->validity == NULL)
        SL_TRY(grow_validity(b, b->capacity, err));
    if (b->type->id == SL_TYPE_STRUCT)
        for (uint32_t i = 0; i < b->type->field_count; i++)
            SL_TRY(sl_column_builder_null(&b->children[i], err));

    uint32_t width = sl_type_width(b->type);
    if (b->type->id == SL_TYPE_BOOLEAN)
        set_bit(b, false);
    else if (width != 0)
        memset(b->values->data + (size_t)b->length * width, 0, width);
    if (b->type->id != SL_TYPE_VOID)
        sl_bitmap_clear((uint64_t *)(void *)b->validity->data, b->length);
    b->null_count++;
    b->length++;
    return SL_OK;
}

sl_code sl_column_builder_bool(sl_column_builder *b, bool v, sl_error *err)
{
    SL_DASSERT(b->type->id == SL_TYPE_BOOLEAN);
    SL_TRY(room(b, err));
    set_bit(b, v);
    b->length++;
    return SL_OK;
}

sl_code sl_column_builder_i32(sl_column_builder *b, int32_t v, sl_error *err)
{
    SL_TRY(room(b, err));
    void *values = b->values->data;
    switch (sl_type_width(b->type)) {
    case 1:
        ((int8_t *)values)[b->length] = (int8_t)v;
        break;
    case 2:
        ((int16_t *)values)[b->length] = (int16_t)v;
        break;
    default:
        SL_DASSERT(sl_type_width(b->type) == 4);
        ((int32_t *)values)[b->length] = v;
    }
    b->length++;
    return SL_OK;
}

sl_code sl_column_builder_i64(sl_column_builder *b, int64_t v, sl_error *err)
{
    SL_DASSERT(sl_type_width(b->type) == 8);
    SL_TRY(room(b, err));
    ((int64_t *)(void *)b->values->data)[b->length++] = v;
    return SL_OK;
}

sl_code sl_column_builder_f64(sl_column_builder *b, double v, sl_error *err)
{
    SL_DASSERT(b->type->id == SL_TYPE_DOUBLE || b->type->id == SL_TYPE_FLOAT);
    SL_TRY(room(b, err));
    if (b->type->id == SL_TYPE_FLOAT)
        ((float *)(void *)b->values->data)[b->length++] = (float)v;
    else
        ((double *)(void *)b->values->data)[b->length++] = v;
    return SL_OK;
}

/* ---- strings ---- */

/* Grows at powers of two, so the count alone says when the array is full. */
static void push_full(sl_column_builder *b, sl_buffer *buffer)
{
    if ((b->full_count & (b->full_count - 1)) == 0) {
        size_t capacity = b->full_count == 0 ? 1 : (size_t)b->full_count * 2;
        b->full = sl_realloc(b->full, capacity * sizeof *b->full);
    }
    b->full[b->full_count++] = buffer;
}

/* *ret = length bytes of heap. */
static sl_code heap_bytes(sl_column_builder *b, uint32_t length, char **ret,
                          sl_error *err)
{
    if (b->heap == NULL || b->heap->capacity_bytes - b->heap->size_bytes < length) {
        size_t bytes = b->heap != NULL ? b->heap->capacity_bytes * 2 : HEAP_BYTES_MIN;
        bytes = bytes > HEAP_BYTES_MAX ? HEAP_BYTES_MAX : bytes;
        sl_buffer *next;
        SL_TRY(sl_buffer_new(bytes > length ? bytes : length, b->budget, &next, err));
        next->size_bytes = 0;
        if (b->heap != NULL)
            push_full(b, b->heap);
        b->heap = next;
    }
    *ret = (char *)b->heap->data + b->heap->size_bytes;
    b->heap->size_bytes += length;
    return SL_OK;
}

sl_code sl_column_builder_string(sl_column_builder *b, const char *data, uint32_t length,
                                 sl_error *err)
{
    SL_DASSERT(sl_type_width(b->type) == sizeof(sl_string_view));
    if (length > SL_STRING_BYTES_MAX)
        return sl_fail(err, SL_ELIMIT, "a string of %u bytes is longer than %u", length,
                       SL_STRING_BYTES_MAX);
    SL_TRY(room(b, err));
    if (length > SL_STRING_INLINE_MAX) {
        char *copy = NULL;
        SL_TRY(heap_bytes(b, length, &copy, err));
        memcpy(copy, data, length);
        data = copy;
    }
    ((sl_string_view *)(void *)b->values->data)[b->length++] =
        sl_string_view_make(data, length);
    return SL_OK;
}

sl_code sl_column_builder_string_view(sl_column_builder *b, sl_string_view v,
                                      sl_error *err)
{
    SL_DASSERT(sl_type_width(b->type) == sizeof(sl_string_view));
    SL_TRY(room(b, err));
    ((sl_string_view *)(void *)b->values->data)[b->length++] = v;
    return SL_OK;
}

void sl_column_builder_share(sl_column_builder *b, sl_buffer *buffer)
{
    if (b->full_count != 0 && b->full[b->full_count - 1] == buffer)
        return; /* readers give the same input block again and again */
    push_full(b, sl_buffer_ref(buffer));
}

/* ---- structs, copies ---- */

sl_code sl_column_builder_struct(sl_column_builder *b, sl_error *err)
{
    SL_DASSERT(b->type->id == SL_TYPE_STRUCT);
    SL_TRY(room(b, err));
    for (uint32_t i = 0; i < b->type->field_count; i++)
        SL_DASSERT(b->children[i].length == b->length + 1);
    b->length++;
    return SL_OK;
}

sl_code sl_column_builder_copy(sl_column_builder *b, const sl_column *from, uint32_t row,
                               sl_error *err)
{
    SL_DASSERT(b->type->id == from->type->id && row < from->length);
    if (!sl_column_is_valid(from, row))
        return sl_column_builder_null(b, err);

    switch (b->type->id) {
    case SL_TYPE_BOOLEAN:
        return sl_column_builder_bool(b, sl_bitmap_get(from->values, row), err);
    case SL_TYPE_STRING:
    case SL_TYPE_BINARY: {
        const sl_string_view *v = &sl_column_strings(from)[row];
        return sl_column_builder_string(b, sl_string_data(v), v->length, err);
    }
    case SL_TYPE_STRUCT:
        for (uint32_t i = 0; i < from->child_count; i++)
            SL_TRY(sl_column_builder_copy(&b->children[i], &from->children[i], row, err));
        return sl_column_builder_struct(b, err);
    default: {
        uint32_t width = sl_type_width(b->type);
        SL_TRY(room(b, err));
        memcpy(b->values->data + (size_t)b->length * width,
               (const uint8_t *)from->values + (size_t)row * width, width);
        b->length++;
        return SL_OK;
    }
    }
}

static void finish_children(sl_column_builder *b, sl_column *c)
{
    c->child_count = b->type->field_count;
    c->children = sl_calloc(c->child_count, sizeof *c->children);
    for (uint32_t i = 0; i < c->child_count; i++) {
        sl_column_builder_finish(&b->children[i], &c->children[i]);
        SL_ASSERT(c->children[i].length == c->length);
    }
}

void sl_column_builder_finish(sl_column_builder *b, sl_column *ret)
{
    sl_column c = { .type = b->type, .length = b->length };
    if (b->children != NULL)
        finish_children(b, &c);
    c.buffers = sl_alloc(((size_t)b->full_count + 3) * sizeof *c.buffers);
    if (b->values != NULL) {
        b->values->size_bytes = sl_column__value_bytes(b->type, b->length);
        c.values = b->values->data;
        c.buffers[c.buffer_count++] = b->values;
    }
    if (b->validity != NULL) {
        c.validity = (const uint64_t *)(const void *)b->validity->data;
        c.buffers[c.buffer_count++] = b->validity;
    }
    if (b->heap != NULL)
        c.buffers[c.buffer_count++] = b->heap;
    for (uint32_t i = 0; i < b->full_count; i++)
        c.buffers[c.buffer_count++] = b->full[i];
    sl_free(b->full);
    sl_free(b->children); /* each child was finished, hence is zero */
    *b = (sl_column_builder){ 0 };
    *ret = c;
}
