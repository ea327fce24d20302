/* column.h - one vector of values.
 *
 * Shape:   `length` rows.  validity: bit i set = row i is not null; NULL pointer = no
 * nulls. Bits past length are undefined.  values by type (type.h); a null row's value is
 *          defined memory but meaningless (strings: a valid empty view).
 *          BOOLEAN values are a bitmap like validity.  STRUCT has children of the same
 * length; a null struct row says nothing about its children. Owns:    one reference on
 * each buffer of `buffers` (what validity, values and string views point into); columns
 * are small structs copied by value with sl_column_ref(). Shared:  immutable once its
 * buffers are shared. Thread:  any when immutable. */

#ifndef SL_ENGINE_COLUMNAR_COLUMN_H
#define SL_ENGINE_COLUMNAR_COLUMN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "base/bitmap.h"
#include "base/buffer.h"
#include "engine/columnar/type.h"

/* A string of up to 12 bytes lies inside the view, zero-padded; a longer one keeps its
 * first four bytes and a pointer into a buffer the column holds. */
typedef struct sl_string_view {
    uint32_t length;
    union {
        char inlined[12];
        struct {
            char prefix[4];
            const char *data;
        } __attribute__((packed, aligned(4))) ref;
    } u;
} sl_string_view;

static_assert(sizeof(sl_string_view) == 16, "string views are 16 bytes");

#define SL_STRING_INLINE_MAX 12u

static inline const char *sl_string_data(const sl_string_view *v)
{
    return v->length <= SL_STRING_INLINE_MAX ? v->u.inlined : v->u.ref.data;
}

/* data must outlive the view if length > 12 */
static inline sl_string_view sl_string_view_make(const char *data, uint32_t length)
{
    sl_string_view v = { .length = length };
    if (length <= SL_STRING_INLINE_MAX) {
        memset(v.u.inlined, 0, sizeof v.u.inlined);
        if (length != 0)
            memcpy(v.u.inlined, data, length);
    } else {
        memcpy(v.u.ref.prefix, data, 4);
        v.u.ref.data = data;
    }
    return v;
}

/* The same view into *to, for data with 12 readable bytes: as two words, without a branch
 * on a short length. (Whoever makes a view of smaller pieces and copies it waits for
 * them.) */
static inline void sl_string_view_put(sl_string_view *to, const char *data,
                                      uint32_t length)
{
    static const uint32_t first_mask[SL_STRING_INLINE_MAX + 1] = {
        0,          0xff,       0xffff,     0xffffff,   UINT32_MAX,
        UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX,
        UINT32_MAX, UINT32_MAX, UINT32_MAX
    };
    static const uint64_t rest_mask[SL_STRING_INLINE_MAX + 1] = { 0,
                                                                  0,
                                                                  0,
                                                                  0,
                                                                  0,
                                                                  0xff,
                                                                  0xffff,
                                                                  0xffffff,
                                                                  0xffffffff,
                                                                  0xffffffffff,
                                                                  0xffffffffffff,
                                                                  0xffffffffffffff,
                                                                  UINT64_MAX };
    uint32_t first;
    uint64_t rest = (uint64_t)(uintptr_t)data;
    memcpy(&first, data, 4);
    if (length <= SL_STRING_INLINE_MAX) {
        memcpy(&rest, data + 4, 8);
        first &= first_mask[length];
        rest &= rest_mask[length];
    }
    uint64_t words[2] = { length | (uint64_t)first << 32, rest };
    memcpy(to, words, sizeof *to);
}
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "length and prefix share a word");

bool sl_string_equal(const sl_string_view *a, const sl_string_view *b);
int sl_string_compare(const sl_string_view *a,
                      const sl_string_view *b); /* bytes, as Spark's UTF8_BINARY */

typedef struct sl_column {
    const sl_type *type;
    uint32_t length;
    const uint64_t *validity; /* NULL = no nulls */
    const void *values;       /* NULL for STRUCT and VOID */
    uint32_t child_count;
    struct sl_column *children; /* STRUCT: owned array */
    uint32_t buffer_count;
    sl_buffer **buffers; /* owned array of references */
} sl_column;

static inline bool sl_column_is_valid(const sl_column *c, uint32_t row)
{
    return c->type->id != SL_TYPE_VOID &&
           (c->validity == NULL || sl_bitmap_get(c->validity, row));
}
static inline const int64_t *sl_column_i64(const sl_column *c)
{
    return (const int64_t *)c->values;
}
static inline const int32_t *sl_column_i32(const sl_column *c)
{
    return (const int32_t *)c->values;
}
static inline const double *sl_column_f64(const sl_column *c)
{
    return (const double *)c->values;
}
static inline const uint64_t *sl_column_bits(const sl_column *c)
{
    return (const uint64_t *)c->values;
}
static inline const sl_string_view *sl_column_strings(const sl_column *c)
{
    return (const sl_string_view *)c->values;
}

/* *ret = another owner of the same vector. */
void sl_column_ref(const sl_column *c, sl_column *ret);
/* Give back the references; *c becomes zero. A zero column is fine. */
void sl_column_release(sl_column *c);

/* ---- building a column: append values one way, then finish ---- */

typedef struct sl_column_builder {
    const sl_type *type;
    uint32_t length, capacity; /* rows */
    uint32_t null_count;
    sl_budget *budget;
    sl_buffer *values;   /* capacity rows, uninitialised past length */
    sl_buffer *validity; /* allocated at the first null */
    sl_buffer *heap;     /* bytes of long strings copied in; a full one moves to `full` */
    uint32_t full_count;
    sl_buffer *
        *full; /* heaps that are full, and buffers shared with sl_column_builder_share */
    struct sl_column_builder *children; /* STRUCT */
} sl_column_builder;

/* capacity rows are reserved up front; appending past it grows. */
SL_CHECKED sl_code sl_column_builder_init(sl_column_builder *b, const sl_type *type,
                                          uint32_t capacity, sl_budget *budget,
                                          sl_error *err);
void sl_column_builder_deinit(sl_column_builder *b);
SL_CHECKED sl_code sl_column_builder_reserve(sl_column_builder *b, uint32_t more_rows,
                                             sl_error *err);
SL_CHECKED sl_code sl_column_builder_null(
    sl_column_builder *b, sl_error *err); /* struct: nulls in children too */
SL_CHECKED sl_code sl_column_builder_bool(sl_column_builder *b, bool v, sl_error *err);
SL_CHECKED sl_code
sl_column_builder_i32(sl_column_builder *b, int32_t v,
                      sl_error *err); /* INT, DATE, BYTE, SHORT (narrowed) */
SL_CHECKED sl_code sl_column_builder_i64(sl_column_builder *b, int64_t v,
                                         sl_error *err); /* LONG, TIMESTAMP, ... */
SL_CHECKED sl_code sl_column_builder_f64(sl_column_builder *b, double v,
                                         sl_error *err); /* DOUBLE, FLOAT (narrowed) */
SL_CHECKED sl_code sl_column_builder_string(sl_column_builder *b, const char *data,
                                            uint32_t length, sl_error *err); /* copies */
/* A string inside a buffer given to _share: no copy. */
SL_CHECKED sl_code sl_column_builder_string_view(sl_column_builder *b, sl_string_view v,
                                                 sl_error *err);
void sl_column_builder_share(sl_column_builder *b,
                             sl_buffer *buffer); /* takes a reference of its own */
/* STRUCT: after appending one value to each child. */
SL_CHECKED sl_code sl_column_builder_struct(sl_column_builder *b, sl_error *err);
/* Row `row` of a column of the same type. */
SL_CHECKED sl_code sl_column_builder_copy(sl_column_builder *b, const sl_column *from,
                                          uint32_t row, sl_error *err);
/* Move what was built into *ret; the builder becomes empty and needs init again. */
void sl_column_builder_finish(sl_column_builder *b, sl_column *ret);

/* n rows of one value each null / rows picked by index (gather); used by operators. */
SL_CHECKED sl_code sl_column_nulls(const sl_type *type, uint32_t length,
                                   sl_budget *budget, sl_column *ret, sl_error *err);
SL_CHECKED sl_code sl_column_gather(const sl_column *from, const uint16_t *rows,
                                    uint32_t count, sl_budget *budget, sl_column *ret,
                                    sl_error *err);

/* A fresh column with uninitialised values for kernels to write: *ret_values (NULL for
 * STRUCT). with_validity allocates a validity bitmap of all ones to write to at
 * *ret_validity. */
SL_CHECKED sl_code sl_column_alloc(const sl_type *type, uint32_t length,
                                   bool with_validity, sl_budget *budget, sl_column *ret,
                                   void **ret_values, uint64_t **ret_validity,
                                   sl_error *err);
/* A STRUCT column from children (taken: moved out of the array). validity_buffer may be
 * NULL; taken. */
void sl_column_make_struct(const sl_type *type, uint32_t length, sl_column *children,
                           sl_buffer *validity_buffer, sl_column *ret);
/* Let the column hold one more buffer (takes a new reference). */
void sl_column_hold(sl_column *c, sl_buffer *buffer);

/* Total order of two rows of columns of one type, as Spark sorts ascending: null first,
 * NaN last, -0.0 == 0.0; structs field by field. */
int sl_column_compare(const sl_column *a, uint32_t row_a, const sl_column *b,
                      uint32_t row_b);

#endif /* SL_ENGINE_COLUMNAR_COLUMN_H */
