#include <math.h>

#include "engine/columnar/column.h"

bool sl_string_equal(const sl_string_view *a, const sl_string_view *b)
{
    /* Length and first four bytes decide most pairs without following a pointer. */
    if (memcmp(a, b, 8) != 0)
        return false;
    if (a->length <= SL_STRING_INLINE_MAX)
        return memcmp(a->u.inlined, b->u.inlined, SL_STRING_INLINE_MAX) == 0;
    return memcmp(a->u.ref.data, b->u.ref.data, a->length) == 0;
}

int sl_string_compare(const sl_string_view *a, const sl_string_view *b)
{
    uint32_t common = a->length < b->length ? a->length : b->length;
    int order = memcmp(sl_string_data(a), sl_string_data(b), common);
    if (order != 0)
        return order < 0 ? -1 : 1;
    return (a->length > b->length) - (a->length < b->length);
}

static int compare_i64(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* NaN is equal to itself and above all else; -0.0 equals 0.0. */
static int compare_f64(double a, double b)
{
    if (isnan(a) || isnan(b))
        return (isnan(a) != 0) - (isnan(b) != 0);
    return (a > b) - (a < b);
}

static int compare_valid(const sl_column *a, uint32_t row_a, const sl_column *b,
                         uint32_t row_b)
{
    switch (a->type->id) {
    case SL_TYPE_BOOLEAN:
        return (int)sl_bitmap_get(a->values, row_a) -
               (int)sl_bitmap_get(b->values, row_b);
    case SL_TYPE_BYTE:
        return compare_i64(((const int8_t *)a->values)[row_a],
                           ((const int8_t *)b->values)[row_b]);
    case SL_TYPE_SHORT:
        return compare_i64(((const int16_t *)a->values)[row_a],
                           ((const int16_t *)b->values)[row_b]);
    case SL_TYPE_INT:
    case SL_TYPE_DATE:
    case SL_TYPE_INTERVAL_YEAR_MONTH:
        return compare_i64(sl_column_i32(a)[row_a], sl_column_i32(b)[row_b]);
    case SL_TYPE_LONG:
    case SL_TYPE_TIMESTAMP:
    case SL_TYPE_TIMESTAMP_NTZ:
    case SL_TYPE_INTERVAL_DAY_TIME:
        return compare_i64(sl_column_i64(a)[row_a], sl_column_i64(b)[row_b]);
    case SL_TYPE_FLOAT:
        return compare_f64((double)((const float *)a->values)[row_a],
                           (double)((const float *)b->values)[row_b]);
    case SL_TYPE_DOUBLE:
        return compare_f64(sl_column_f64(a)[row_a], sl_column_f64(b)[row_b]);
    case SL_TYPE_STRING:
    case SL_TYPE_BINARY:
        return sl_string_compare(&sl_column_strings(a)[row_a],
                                 &sl_column_strings(b)[row_b]);
    case SL_TYPE_STRUCT:
        for (uint32_t i = 0; i < a->child_count; i++) {
            int order = sl_column_compare(&a->children[i], row_a, &b->children[i], row_b);
            if (order != 0)
                return order;
        }
        return 0;
    default:
        return 0; /* VOID is never valid; the others have no columns */
    }
}

int sl_column_compare(const sl_column *a, uint32_t row_a, const sl_column *b,
                      uint32_t row_b)
{
    SL_DASSERT(a->type->id == b->type->id);
    SL_DASSERT(row_a < a->length && row_b < b->length);
    bool valid_a = sl_column_is_valid(a, row_a), valid_b = sl_column_is_valid(b, row_b);
    if (!valid_a || !valid_b)
        return (int)valid_a - (int)valid_b;
    return compare_valid(a, row_a, b, row_b);
}
