#include "base/alloc.h"
#include "base/limits.h"
#include "engine/expr/vector_private.h"

#define HEAP_BYTES ((size_t)64 << 10)

const uint64_t sl_bits__none[SL_CHUNK_ROWS_MAX / 64];
#define ALL8                                                                             \
    UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,  \
        UINT64_MAX
#define ALL64 ALL8, ALL8, ALL8, ALL8, ALL8, ALL8, ALL8, ALL8
const uint64_t sl_bits__all[SL_CHUNK_ROWS_MAX / 64] = { ALL64, ALL64, ALL64, ALL64 };
static_assert(SL_CHUNK_ROWS_MAX / 64 == 256, "sl_bits__all lists 256 words");

static const uint64_t zero_value[4]; /* the value behind a null constant */

sl_storage sl_storage__of(const sl_type *type)
{
    switch (type->id) {
    case SL_TYPE_BOOLEAN:
        return SL_BITS;
    case SL_TYPE_BYTE:
        return SL_I8;
    case SL_TYPE_SHORT:
        return SL_I16;
    case SL_TYPE_INT:
    case SL_TYPE_DATE:
    case SL_TYPE_INTERVAL_YEAR_MONTH:
        return SL_I32;
    case SL_TYPE_FLOAT:
        return SL_F32;
    case SL_TYPE_DOUBLE:
        return SL_F64;
    case SL_TYPE_STRING:
    case SL_TYPE_BINARY:
        return SL_TEXT;
    case SL_TYPE_STRUCT:
        return SL_NESTED;
    case SL_TYPE_LONG:
    case SL_TYPE_TIMESTAMP:
    case SL_TYPE_TIMESTAMP_NTZ:
    case SL_TYPE_INTERVAL_DAY_TIME:
        return SL_I64;
    default:
        return SL_NOTHING;
    }
}

/* ---- registers ---- */

void sl_register__init(sl_register *r, const sl_type *type, sl_budget *budget)
{
    *r = (sl_register){ .vector.type = type, .budget = budget };
}

void sl_register__deinit(sl_register *r)
{
    for (uint32_t i = 0; i < r->part_count; i++)
        sl_register__deinit(&r->parts[i]);
    for (uint32_t i = 0; i < r->full_count; i++)
        sl_buffer_unref(r->full[i]);
    sl_buffer_unref(r->values);
    sl_buffer_unref(r->validity);
    sl_buffer_unref(r->heap);
    sl_free(r->full);
    sl_free(r->parts);
    sl_free(r->part_vectors);
    sl_free(r->vector.holds);
    if (r->kept != NULL)
        r->free_kept(r->kept);
    *r = (sl_register){ 0 };
}

/* A buffer is ours to write again only while no column holds it too. */
static void drop_if_shared(sl_buffer **b)
{
    if (*b != NULL && !sl_refs_is_only(&(*b)->refs)) {
        sl_buffer_unref(*b);
        *b = NULL;
    }
}

void sl_register__reset(sl_register *r)
{
    drop_if_shared(&r->values);
    drop_if_shared(&r->validity);
    drop_if_shared(&r->heap);
    if (r->heap != NULL)
        r->heap->size_bytes = 0;
    for (uint32_t i = 0; i < r->full_count; i++)
        sl_buffer_unref(r->full[i]);
    r->full_count = 0;
    sl_vector *v = &r->vector;
    *v = (sl_vector){ .type = v->type, .holds = v->holds };
    for (uint32_t i = 0; i < r->part_count; i++)
        sl_register__reset(&r->parts[i]);
}

static void hold_buffer(sl_register *r, sl_buffer *b)
{
    sl_vector *v = &r->vector;
    for (uint32_t i = 0; i < v->hold_count; i++) {
        if (v->holds[i] == b)
            return;
    }
    if (v->hold_count == r->hold_capacity) {
        r->hold_capacity = r->hold_capacity != 0 ? 2 * r->hold_capacity : 4;
        v->holds = sl_realloc(v->holds, r->hold_capacity * sizeof(sl_buffer *));
    }
    v->holds[v->hold_count++] = b;
}

void sl_register__hold(sl_register *r, const sl_vector *v)
{
    for (uint32_t i = 0; i < v->hold_count; i++)
        hold_buffer(r, v->holds[i]);
}

void sl_register__make_parts(sl_register *r)
{
    const sl_type *t = r->vector.type;
    if (r->part_count == 0 && t->field_count != 0) {
        r->parts = sl_calloc(t->field_count, sizeof *r->parts);
        r->part_vectors = sl_calloc(t->field_count, sizeof(sl_vector *));
        r->part_count = t->field_count;
        for (uint32_t i = 0; i < t->field_count; i++)
            sl_register__init(&r->parts[i], t->fields[i].type, r->budget);
    }
    for (uint32_t i = 0; i < r->part_count; i++)
        r->part_vectors[i] = &r->parts[i].vector;
    r->vector.child_count = r->part_count;
    r->vector.children = (const sl_vector *const *)r->part_vectors;
}

void sl_register__bind(sl_register *r, const sl_column *c)
{
    sl_register__reset(r);
    sl_vector *v = &r->vector;
    v->validity = c->validity;
    v->values = c->values;
    for (uint32_t i = 0; i < c->buffer_count; i++)
        hold_buffer(r, c->buffers[i]);
    if (c->type->id == SL_TYPE_STRUCT) {
        sl_register__make_parts(r);
        for (uint32_t i = 0; i < c->child_count; i++)
            sl_register__bind(&r->parts[i], &c->children[i]);
    }
}

static sl_code make_room(sl_buffer **b, size_t bytes, sl_budget *budget, sl_error *err)
{
    drop_if_shared(b);
    if (*b != NULL && (*b)->capacity_bytes < bytes) {
        sl_buffer_unref(*b);
        *b = NULL;
    }
    if (*b == NULL)
        SL_TRY(sl_buffer_new(bytes, budget, b, err));
    (*b)->size_bytes = bytes;
    return SL_OK;
}

sl_code sl_register__values(sl_register *r, uint32_t rows, void **ret, sl_error *err)
{
    bool bits = r->vector.type->id == SL_TYPE_BOOLEAN;
    size_t bytes =
        bits ? sl_bitmap_words(rows) * 8 : (size_t)sl_type_width(r->vector.type) * rows;
    SL_TRY(make_room(&r->values, bytes, r->budget, err));
    if (sl_storage__of(r->vector.type) == SL_TEXT || bits)
        memset(r->values->data, 0, bytes);
    hold_buffer(r, r->values);
    r->vector.values = r->values->data;
    *ret = r->values->data;
    return SL_OK;
}

sl_code sl_register__validity(sl_register *r, uint32_t rows, uint64_t **ret,
                              sl_error *err)
{
    SL_TRY(make_room(&r->validity, sl_bitmap_words(rows) * 8, r->budget, err));
    hold_buffer(r, r->validity);
    r->vector.validity = (const uint64_t *)(const void *)r->validity->data;
    *ret = (uint64_t *)(void *)r->validity->data;
    return SL_OK;
}

sl_code sl_register__bytes(sl_register *r, uint32_t size, char **ret, sl_error *err)
{
    if (r->heap == NULL || r->heap->capacity_bytes - r->heap->size_bytes < size) {
        sl_buffer *bigger;
        size_t last = r->heap != NULL ? r->heap->capacity_bytes : HEAP_BYTES / 2;
        size_t bytes = last < ((size_t)8 << 20) ? 2 * last : last;
        SL_TRY(sl_buffer_new(bytes < size ? size : bytes, r->budget, &bigger, err));
        if (r->heap != NULL) {
            r->full = sl_realloc(r->full, (r->full_count + 1) * sizeof *r->full);
            r->full[r->full_count++] = r->heap;
        }
        r->heap = bigger;
        r->heap->size_bytes = 0;
    }
    hold_buffer(r, r->heap);
    *ret = (char *)r->heap->data + r->heap->size_bytes;
    r->heap->size_bytes += size;
    return SL_OK;
}

sl_code sl_register__constant(sl_register *r, const sl_value *v, sl_error *err)
{
    sl_vector *out = &r->vector;
    out->is_constant = true;
    if (v->is_null) {
        out->validity = sl_bits__none;
        out->values = out->type->id == SL_TYPE_BOOLEAN ? (const void *)sl_bits__none
                                                       : (const void *)zero_value;
        if (out->type->id != SL_TYPE_STRUCT)
            return SL_OK;
        sl_register__make_parts(r);
        for (uint32_t i = 0; i < r->part_count; i++) {
            sl_value null = { .type = out->type->fields[i].type, .is_null = true };
            SL_TRY(sl_register__constant(&r->parts[i], &null, err));
        }
        return SL_OK;
    }
    if (out->type->id == SL_TYPE_BOOLEAN) {
        out->values = v->i64 != 0 ? sl_bits__all : sl_bits__none;
        return SL_OK;
    }
    void *p;
    SL_TRY(sl_register__values(r, 1, &p, err));
    switch (sl_storage__of(out->type)) {
    case SL_I8:
        *(int8_t *)p = (int8_t)v->i64;
        break;
    case SL_I16:
        *(int16_t *)p = (int16_t)v->i64;
        break;
    case SL_I32:
        *(int32_t *)p = (int32_t)v->i64;
        break;
    case SL_I64:
        *(int64_t *)p = v->i64;
        break;
    case SL_F32:
        *(float *)p = (float)v->f64;
        break;
    case SL_F64:
        *(double *)p = v->f64;
        break;
    case SL_TEXT: {
        char *text = NULL;
        if (v->length > SL_STRING_INLINE_MAX) {
            SL_TRY(sl_register__bytes(r, v->length, &text, err));
            memcpy(text, v->text, v->length);
        }
        *(sl_string_view *)p =
            sl_string_view_make(text != NULL ? text : v->text, v->length);
        break;
    }
    default:
        return sl_fail(err, SL_EINTERNAL, "a literal of type id %d", (int)out->type->id);
    }
    return SL_OK;
}

/* ---- vectors as columns ---- */

static void fill_value(const sl_vector *v, uint32_t rows, uint8_t *to)
{
    size_t width = sl_type_width(v->type);
    for (uint32_t i = 0; i < rows; i++)
        memcpy(to + i * width, v->values, width);
}

/* A constant written out for every row. */
static sl_code spread_constant(const sl_vector *v, uint32_t rows, sl_budget *budget,
                               sl_column *ret, sl_error *err)
{
    if (!sl_vector__valid(v, 0))
        return sl_column_nulls(v->type, rows, budget, ret, err);
    void *values;
    SL_TRY(sl_column_alloc(v->type, rows, false, budget, ret, &values, NULL, err));
    if (v->type->id == SL_TYPE_BOOLEAN)
        memcpy(values, v->values, sl_bitmap_words(rows) * 8);
    else
        fill_value(v, rows, values);
    if (sl_storage__of(v->type) == SL_TEXT) {
        for (uint32_t i = 0; i < v->hold_count; i++)
            sl_column_hold(ret, v->holds[i]);
    }
    return SL_OK;
}

static sl_code struct_to_column(const sl_vector *v, uint32_t rows, sl_budget *budget,
                                sl_column *ret, sl_error *err)
{
    sl_code code = SL_OK;
    sl_column c = { .type = v->type, .length = rows };
    if (v->child_count != 0)
        c.children = sl_calloc(v->child_count, sizeof *c.children);
    for (; c.child_count < v->child_count; c.child_count++)
        SL_TRY_GOTO(sl_vector__to_column(v->children[c.child_count], rows, budget,
                                         &c.children[c.child_count], err),
                    fail);
    if (v->validity == sl_bits__none) { /* a constant null: nothing to hold */
        sl_buffer *bits;
        SL_TRY_GOTO(sl_buffer_new(sl_bitmap_words(rows) * 8, budget, &bits, err), fail);
        bits->size_bytes = sl_bitmap_words(rows) * 8;
        memset(bits->data, 0, bits->size_bytes);
        c.validity = (const uint64_t *)(const void *)bits->data;
        sl_column_hold(&c, bits);
        sl_buffer_unref(bits);
    } else {
        c.validity = v->validity;
        for (uint32_t i = 0; i < v->hold_count; i++)
            sl_column_hold(&c, v->holds[i]);
    }
    *ret = c;
    return SL_OK;

fail:
    sl_column_release(&c);
    return code;
}

sl_code sl_vector__to_column(const sl_vector *v, uint32_t rows, sl_budget *budget,
                             sl_column *ret, sl_error *err)
{
    if (v->type->id == SL_TYPE_STRUCT)
        return struct_to_column(v, rows, budget, ret, err);
    if (v->is_constant)
        return spread_constant(v, rows, budget, ret, err);
    sl_column c = {
        .type = v->type, .length = rows, .validity = v->validity, .values = v->values
    };
    for (uint32_t i = 0; i < v->hold_count; i++)
        sl_column_hold(&c, v->holds[i]);
    *ret = c;
    return SL_OK;
}

/* ---- rows ---- */

/* A borrowed one-row look at a vector; parts in `children`, which the caller frees. */
static void view_row(const sl_vector *v, uint32_t row, sl_column *ret)
{
    uint32_t at = v->is_constant && v->type->id != SL_TYPE_BOOLEAN ? 0 : row;
    *ret = (sl_column){ .type = v->type, .length = at + 1, .values = v->values };
    ret->validity = v->validity;
    if (v->type->id != SL_TYPE_STRUCT || v->child_count == 0)
        return;
    ret->children = sl_calloc(v->child_count, sizeof *ret->children);
    ret->child_count = v->child_count;
    for (uint32_t i = 0; i < v->child_count; i++)
        view_row(v->children[i], row, &ret->children[i]);
}

static void free_view(sl_column *c)
{
    for (uint32_t i = 0; i < c->child_count; i++)
        free_view(&c->children[i]);
    sl_free(c->children);
}

void sl_vector__text(const sl_vector *v, uint32_t row, const sl_time_zone *zone,
                     sl_bytes *out)
{
    if (v->type->id == SL_TYPE_STRUCT && v->child_count != 0) {
        /* A constant child has its value at row 0, the others at `row`. */
        sl_bytes_char(out, '{');
        for (uint32_t i = 0; i < v->child_count; i++) {
            sl_bytes_text(out, i != 0 ? ", " : "");
            if (sl_vector__valid(v->children[i], row))
                sl_vector__text(v->children[i], row, zone, out);
            else
                sl_bytes_text(out, "NULL");
        }
        sl_bytes_char(out, '}');
        return;
    }
    sl_column c;
    view_row(v, row, &c);
    uint32_t at = v->is_constant && v->type->id != SL_TYPE_BOOLEAN ? 0 : row;
    sl_value_text(&c, at, zone, out);
    free_view(&c);
}

#define COMPARE(T, v, w, a, b)                                                           \
    ((SL_VALUES(T, v)[a] > SL_VALUES(T, w)[b]) -                                         \
     (SL_VALUES(T, v)[a] < SL_VALUES(T, w)[b]))

static int compare_doubles(double a, double b)
{
    if (a != a || b != b)
        return (a != a) - (b != b);
    return (a > b) - (a < b);
}

static int compare_values(const sl_vector *v, uint32_t a, const sl_vector *w, uint32_t b)
{
    switch (sl_storage__of(v->type)) {
    case SL_I8:
        return COMPARE(int8_t, v, w, a, b);
    case SL_I16:
        return COMPARE(int16_t, v, w, a, b);
    case SL_I32:
        return COMPARE(int32_t, v, w, a, b);
    case SL_I64:
        return COMPARE(int64_t, v, w, a, b);
    case SL_F32:
        return compare_doubles((double)SL_VALUES(float, v)[a],
                               (double)SL_VALUES(float, w)[b]);
    case SL_F64:
        return compare_doubles(SL_VALUES(double, v)[a], SL_VALUES(double, w)[b]);
    case SL_TEXT:
        return sl_string_compare(&SL_VALUES(sl_string_view, v)[a],
                                 &SL_VALUES(sl_string_view, w)[b]);
    case SL_BITS:
        return sl_bitmap_get(v->values, a) - sl_bitmap_get(w->values, b);
    default:
        return 0;
    }
}

int sl_vector__compare(const sl_vector *a, uint32_t row_a, const sl_vector *b,
                       uint32_t row_b)
{
    bool valid_a = sl_vector__valid(a, row_a), valid_b = sl_vector__valid(b, row_b);
    if (!valid_a || !valid_b)
        return valid_a - valid_b;
    for (uint32_t i = 0; i < a->child_count; i++) {
        int order = sl_vector__compare(a->children[i], row_a, b->children[i], row_b);
        if (order != 0)
            return order;
    }
    bool bits = a->type->id == SL_TYPE_BOOLEAN;
    return compare_values(a, bits ? row_a : row_a * sl_vector__stride(a), b,
                          bits ? row_b : row_b * sl_vector__stride(b));
}
