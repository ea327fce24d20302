/* A column at a time, twice: the first pass adds up the size of every key, the second
 * writes.  Between them the sizes become start offsets, kept one slot late: offsets[i +
 * 1] is where the next byte of key i goes, so after the last column it is the end of key
 * i and the array is what sl_key_batch wants.
 *
 * Each loop exists in three shapes made from one inline body: dense (no selection, no
 * null) and selected (no null), with arguments known to be NULL, and general. */
#include "engine/columnar/row_key.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/limits.h"
#include "engine/columnar/column_private.h"
#include "engine/columnar/row_key_private.h"

#define INLINE static inline __attribute__((always_inline))

/* Row rows[i] belongs to key slots[i]; NULL is the identity. */
typedef struct lanes {
    const uint16_t *rows, *slots;
    uint32_t count;
} lanes;

INLINE uint32_t lane(const uint16_t *numbers, uint32_t i)
{
    return numbers != NULL ? numbers[i] : i;
}

/* Which of a loop's bodies fits. */
typedef enum shape { DENSE, SELECTED, GENERAL } shape;

static shape shape_of(const sl_column *c, const lanes *in)
{
    if (c->validity != NULL || in->slots != NULL)
        return GENERAL;
    return in->rows == NULL ? DENSE : SELECTED;
}

/* What stands for column c in the key: itself, or a window's start (windows of one column
 * are of one length, so the end says nothing). */
typedef struct source {
    sl_column column;  /* a view, holds no references of its own */
    uint64_t *scratch; /* the joined validity, freed by close_source(); usually NULL */
} source;

static source open_source(const sl_row_keys *k, const sl_column *const *columns,
                          uint32_t c)
{
    const sl_column *whole = columns[c];
    if (k->window_us == NULL || k->window_us[c] <= 0)
        return (source){ .column = *whole };

    SL_ASSERT(whole->type->id == SL_TYPE_STRUCT && whole->child_count == 2);
    source s = { .column = whole->children[0] };
    if (s.column.validity == NULL) {
        s.column.validity = whole->validity;
    } else if (whole->validity != NULL) {
        size_t words = sl_bitmap_words(whole->length);
        s.scratch = sl_alloc(words * sizeof *s.scratch + 1);
        for (size_t w = 0; w < words; w++)
            s.scratch[w] = s.column.validity[w] & whole->validity[w];
        s.column.validity = s.scratch;
    }
    return s;
}

static void close_source(source *s)
{
    sl_free(s->scratch);
}

uint32_t sl_row_key__width(const sl_type *type)
{
    if (type->id == SL_TYPE_BOOLEAN)
        return 1;
    uint32_t width = sl_type_width(type);
    return width == sizeof(sl_string_view) ? 0 : width;
}

/* ---- struct fields of valid structs only ---- */

/* Children of a null struct are not encoded: the lanes whose struct is valid, in memory
 * to be freed with sl_free(). */
static uint16_t *valid_lanes(const sl_column *c, const lanes *in, lanes *ret)
{
    uint16_t *memory = sl_alloc((size_t)in->count * 2 * sizeof *memory + 1);
    uint16_t *rows = memory, *slots = memory + in->count;
    uint32_t n = 0;
    for (uint32_t i = 0; i < in->count; i++) {
        uint32_t row = lane(in->rows, i);
        rows[n] = (uint16_t)row;
        slots[n] = (uint16_t)lane(in->slots, i);
        n += sl_bitmap_get(c->validity, row);
    }
    *ret = (lanes){ .rows = rows, .slots = slots, .count = n };
    return memory;
}

/* ---- first pass: sizes ---- */

/* Zero bytes among the first `length` of an inline string: the padding is made 0xff, and
 * the word test (exact for presence) finds the rest. */
INLINE bool inline_has_zero(const sl_string_view *v)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t low;
    uint32_t high32;
    memcpy(&low, v->u.inlined, 8);
    memcpy(&high32, v->u.inlined + 8, 4);
    uint64_t high = high32;
    if (v->length < 8) {
        low |= ~UINT64_C(0) << (v->length * 8);
        high = ~UINT64_C(0);
    } else {
        high |= ~UINT64_C(0) << ((v->length - 8) * 8);
    }
    uint64_t zero = ((low - ones) & ~low) | ((high - ones) & ~high);
    return (zero & (ones << 7)) != 0;
}

static uint32_t count_zeros(const char *data, uint32_t length)
{
    uint32_t zeros = 0;
    const char *end = data + length;
    while (length != 0 && (data = memchr(data, 0, (size_t)(end - data))) != NULL) {
        zeros++;
        data++;
    }
    return zeros;
}

INLINE bool has_zero(const sl_string_view *v)
{
    if (v->length <= SL_STRING_INLINE_MAX)
        return inline_has_zero(v);
    return memchr(v->u.ref.data, 0, v->length) != NULL;
}

/* Null byte, bytes, terminator. Saturates above the limit so that sums cannot wrap. */
INLINE uint32_t string_size(const sl_string_view *v)
{
    if (v->length > SL_KEY_BYTES_MAX)
        return SL_KEY_BYTES_MAX + 1;
    if (!has_zero(v))
        return v->length + 3;
    return v->length + 3 + count_zeros(sl_string_data(v), v->length);
}

INLINE uint32_t size_strings(const sl_string_view *views, const uint64_t *validity,
                             const uint16_t *rows, const uint16_t *slots, uint32_t count,
                             uint32_t *sizes)
{
    uint32_t largest = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = lane(rows, i), slot = lane(slots, i);
        bool valid = validity == NULL || sl_bitmap_get(validity, row);
        uint32_t size = sizes[slot] + (valid ? string_size(&views[row]) : 1);
        sizes[slot] = size;
        largest = size > largest ? size : largest;
    }
    return largest;
}

static uint32_t size_fixed(const sl_column *c, uint32_t width, const lanes *in,
                           uint32_t *sizes)
{
    uint32_t largest = 0;
    for (uint32_t i = 0; i < in->count; i++) {
        bool valid = width != 0 && sl_column_is_valid(c, lane(in->rows, i));
        uint32_t *size = &sizes[lane(in->slots, i)];
        *size += valid ? 1 + width : 1;
        largest = *size > largest ? *size : largest;
    }
    return largest;
}

static sl_code size_column(const sl_column *c, const lanes *in, uint32_t *sizes,
                           sl_error *err);

static sl_code size_struct(const sl_column *c, const lanes *in, uint32_t *sizes,
                           sl_error *err)
{
    lanes inner = *in;
    uint16_t *memory = c->validity != NULL ? valid_lanes(c, in, &inner) : NULL;
    sl_code code = SL_OK;
    for (uint32_t i = 0; i < c->child_count && code == SL_OK; i++)
        code = size_column(&c->children[i], &inner, sizes, err);
    sl_free(memory);
    return code;
}

static sl_code size_column(const sl_column *c, const lanes *in, uint32_t *sizes,
                           sl_error *err)
{
    if (!sl_column__is_supported(c->type))
        return sl_column__unsupported(c->type, err);

    uint32_t largest;
    shape s = shape_of(c, in);
    if (sl_type_width(c->type) != sizeof(sl_string_view))
        largest = size_fixed(c, sl_row_key__width(c->type), in, sizes);
    else if (s == DENSE)
        largest = size_strings(sl_column_strings(c), NULL, NULL, NULL, in->count, sizes);
    else if (s == SELECTED)
        largest =
            size_strings(sl_column_strings(c), NULL, in->rows, NULL, in->count, sizes);
    else
        largest = size_strings(sl_column_strings(c), c->validity, in->rows, in->slots,
                               in->count, sizes);
    if (largest > SL_KEY_BYTES_MAX)
        return sl_fail(err, SL_ELIMIT, "a grouping key is longer than %d bytes",
                       SL_KEY_BYTES_MAX);
    if (c->type->id == SL_TYPE_STRUCT)
        return size_struct(c, in, sizes, err);
    return SL_OK;
}

/* ---- second pass: bytes ---- */

INLINE uint64_t order_f64(double v)
{
    uint64_t bits;
    v = v == 0.0 ? 0.0 : v; /* -0.0 is 0.0 */
    memcpy(&bits, &v, 8);
    if (v != v)
        bits = UINT64_C(0x7ff8000000000000); /* one NaN, above infinity */
    return bits >> 63 != 0 ? ~bits : bits | UINT64_C(1) << 63;
}

INLINE uint32_t order_f32(float v)
{
    uint32_t bits;
    v = v == 0.0f ? 0.0f : v;
    memcpy(&bits, &v, 4);
    if (v != v)
        bits = 0x7fc00000u;
    return bits >> 31 != 0 ? ~bits : bits | 1u << 31;
}

INLINE void put_8(uint8_t *to, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(to, &v, 8);
}

INLINE void put_4(uint8_t *to, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(to, &v, 4);
}

/* The value of `row` at `to`, its order made that of unsigned bytes. */
INLINE void put_value(sl_type_id id, const void *values, uint32_t row, uint8_t *to)
{
    switch (id) {
    case SL_TYPE_BOOLEAN:
        to[0] = sl_bitmap_get(values, row);
        break;
    case SL_TYPE_BYTE:
        to[0] = (uint8_t)(((const uint8_t *)values)[row] ^ 0x80u);
        break;
    case SL_TYPE_SHORT: {
        uint32_t v = ((const uint16_t *)values)[row] ^ 0x8000u;
        to[0] = (uint8_t)(v >> 8);
        to[1] = (uint8_t)v;
        break;
    }
    case SL_TYPE_INT:
        put_4(to, ((const uint32_t *)values)[row] ^ 1u << 31);
        break;
    case SL_TYPE_LONG:
        put_8(to, ((const uint64_t *)values)[row] ^ UINT64_C(1) << 63);
        break;
    case SL_TYPE_FLOAT:
        put_4(to, order_f32(((const float *)values)[row]));
        break;
    default:
        put_8(to, order_f64(((const double *)values)[row]));
    }
}

INLINE void put_column(sl_type_id id, uint32_t width, const void *values,
                       const uint64_t *validity, const uint16_t *rows,
                       const uint16_t *slots, uint32_t count, uint8_t *data,
                       uint32_t *cursors)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = lane(rows, i), *cursor = &cursors[lane(slots, i)];
        uint8_t *to = data + *cursor;
        if (validity != NULL && !sl_bitmap_get(validity, row)) {
            *to = SL_KEY_NULL;
            *cursor += 1;
            continue;
        }
        *to = SL_KEY_VALUE;
        put_value(id, values, row, to + 1);
        *cursor += 1 + width;
    }
}

/* One loop per physical type and shape; id stands for all types stored alike. */
#define PUT_COLUMN(id, width)                                                            \
    do {                                                                                 \
        shape s = shape_of(c, in);                                                       \
        if (s == DENSE)                                                                  \
            put_column(id, width, c->values, NULL, NULL, NULL, in->count, data,          \
                       cursors);                                                         \
        else if (s == SELECTED)                                                          \
            put_column(id, width, c->values, NULL, in->rows, NULL, in->count, data,      \
                       cursors);                                                         \
        else                                                                             \
            put_column(id, width, c->values, c->validity, in->rows, in->slots,           \
                       in->count, data, cursors);                                        \
    } while (0)

/* Exact lengths: writing past the end would hit the next key, whose first columns are
 * there already. Two overlapping moves cover 4..7 and 8..16 bytes. */
INLINE uint8_t *put_short(uint8_t *to, const char *from, uint32_t length)
{
    if (length >= 8) {
        uint64_t first, last;
        memcpy(&first, from, 8);
        memcpy(&last, from + length - 8, 8);
        memcpy(to, &first, 8);
        memcpy(to + length - 8, &last, 8);
    } else if (length >= 4) {
        uint32_t first, last;
        memcpy(&first, from, 4);
        memcpy(&last, from + length - 4, 4);
        memcpy(to, &first, 4);
        memcpy(to + length - 4, &last, 4);
    } else {
        for (uint32_t i = 0; i < length; i++)
            to[i] = (uint8_t)from[i];
    }
    return to + length;
}

static uint8_t *put_escaped(uint8_t *to, const char *from, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++) {
        *to++ = (uint8_t)from[i];
        if (from[i] == 0)
            *to++ = SL_KEY_ZERO_ESCAPE;
    }
    return to;
}

INLINE uint8_t *put_string(uint8_t *to, const sl_string_view *v)
{
    *to++ = SL_KEY_VALUE;
    if (has_zero(v)) {
        to = put_escaped(to, sl_string_data(v), v->length);
    } else if (v->length <= SL_STRING_INLINE_MAX) {
        to = put_short(to, v->u.inlined, v->length);
    } else {
        memcpy(to, v->u.ref.data, v->length);
        to += v->length;
    }
    to[0] = 0;
    to[1] = SL_KEY_STRING_END;
    return to + 2;
}

INLINE void put_strings(const sl_string_view *views, const uint64_t *validity,
                        const uint16_t *rows, const uint16_t *slots, uint32_t count,
                        uint8_t *data, uint32_t *cursors)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = lane(rows, i), *cursor = &cursors[lane(slots, i)];
        uint8_t *to = data + *cursor;
        if (validity != NULL && !sl_bitmap_get(validity, row))
            *to++ = SL_KEY_NULL;
        else
            to = put_string(to, &views[row]);
        *cursor = (uint32_t)(to - data);
    }
}

static void write_strings(const sl_column *c, const lanes *in, uint8_t *data,
                          uint32_t *cursors)
{
    const sl_string_view *views = sl_column_strings(c);
    shape s = shape_of(c, in);
    if (s == DENSE)
        put_strings(views, NULL, NULL, NULL, in->count, data, cursors);
    else if (s == SELECTED)
        put_strings(views, NULL, in->rows, NULL, in->count, data, cursors);
    else
        put_strings(views, c->validity, in->rows, in->slots, in->count, data, cursors);
}

static void write_column(const sl_column *c, const lanes *in, uint8_t *data,
                         uint32_t *cursors);

/* The null bytes, then the fields of the valid ones. */
static void write_struct(const sl_column *c, const lanes *in, uint8_t *data,
                         uint32_t *cursors)
{
    for (uint32_t i = 0; i < in->count; i++) {
        bool valid = sl_column_is_valid(c, lane(in->rows, i));
        data[cursors[lane(in->slots, i)]++] = valid ? SL_KEY_VALUE : SL_KEY_NULL;
    }
    lanes inner = *in;
    uint16_t *memory = c->validity != NULL ? valid_lanes(c, in, &inner) : NULL;
    for (uint32_t i = 0; i < c->child_count; i++)
        write_column(&c->children[i], &inner, data, cursors);
    sl_free(memory);
}

static void write_column(const sl_column *c, const lanes *in, uint8_t *data,
                         uint32_t *cursors)
{
    switch (c->type->id) {
    case SL_TYPE_BOOLEAN:
        PUT_COLUMN(SL_TYPE_BOOLEAN, 1);
        break;
    case SL_TYPE_BYTE:
        PUT_COLUMN(SL_TYPE_BYTE, 1);
        break;
    case SL_TYPE_SHORT:
        PUT_COLUMN(SL_TYPE_SHORT, 2);
        break;
    case SL_TYPE_INT:
    case SL_TYPE_DATE:
    case SL_TYPE_INTERVAL_YEAR_MONTH:
        PUT_COLUMN(SL_TYPE_INT, 4);
        break;
    case SL_TYPE_LONG:
    case SL_TYPE_TIMESTAMP:
    case SL_TYPE_TIMESTAMP_NTZ:
    case SL_TYPE_INTERVAL_DAY_TIME:
        PUT_COLUMN(SL_TYPE_LONG, 8);
        break;
    case SL_TYPE_FLOAT:
        PUT_COLUMN(SL_TYPE_FLOAT, 4);
        break;
    case SL_TYPE_DOUBLE:
        PUT_COLUMN(SL_TYPE_DOUBLE, 8);
        break;
    case SL_TYPE_STRING:
    case SL_TYPE_BINARY:
        write_strings(c, in, data, cursors);
        break;
    case SL_TYPE_STRUCT:
        write_struct(c, in, data, cursors);
        break;
    default: /* VOID: always null */
        for (uint32_t i = 0; i < in->count; i++)
            data[cursors[lane(in->slots, i)]++] = SL_KEY_NULL;
    }
}

/* ---- the whole ---- */

static void reserve_rows(sl_row_keys *k, uint32_t count)
{
    if (count <= k->row_capacity && k->offsets != NULL)
        return;
    k->offsets = sl_realloc(k->offsets, ((size_t)count + 1) * sizeof *k->offsets);
    k->hashes = sl_realloc(k->hashes, (size_t)(count + 1) * sizeof *k->hashes);
    k->row_capacity = count;
}

/* Data of the caller's rows: its size may be beyond what the machine has. */
static sl_code reserve_data(sl_row_keys *k, size_t size_bytes, sl_error *err)
{
    size_bytes += SL_ROW_KEYS_PADDING;
    if (size_bytes <= k->data_capacity && k->data != NULL)
        return SL_OK;
    size_t capacity = size_bytes + size_bytes / 4 + 64;
    uint8_t *data = sl_try_alloc(capacity);
    if (data == NULL)
        return sl_fail(err, SL_ENOMEM, "no memory for %zu bytes of keys", capacity);
    sl_free(k->data);
    k->data = data;
    k->data_capacity = capacity;
    return SL_OK;
}

static bool is_constant(const sl_column *c)
{
    return sl_row_key__width(c->type) != 0 && c->validity == NULL;
}

static sl_code size_keys(const sl_row_keys *k, const sl_column *const *columns,
                         uint32_t column_count, const lanes *in, sl_error *err)
{
    uint32_t *sizes = k->offsets + 1, constant = 0;
    for (uint32_t c = 0; c < column_count; c++) {
        source s = open_source(k, columns, c);
        if (is_constant(&s.column))
            constant += 1 + sl_row_key__width(s.column.type);
        close_source(&s);
    }
    for (uint32_t i = 0; i < in->count; i++)
        sizes[i] = constant;
    for (uint32_t c = 0; c < column_count; c++) {
        source s = open_source(k, columns, c);
        sl_code code =
            is_constant(&s.column) ? SL_OK : size_column(&s.column, in, sizes, err);
        close_source(&s);
        SL_TRY(code);
    }
    return SL_OK;
}

/* Sizes become starts; the sum is *ret_bytes. */
static sl_code place_keys(sl_row_keys *k, uint32_t count, size_t *ret_bytes,
                          sl_error *err)
{
    uint64_t total = 0;
    k->offsets[0] = 0;
    for (uint32_t i = 1; i <= count; i++) {
        uint64_t size = k->offsets[i];
        k->offsets[i] = (uint32_t)total;
        total += size;
    }
    if (total > UINT32_MAX)
        return sl_fail(err, SL_ELIMIT, "the keys of %u rows take %llu bytes, at most %u",
                       count, (unsigned long long)total, UINT32_MAX);
    *ret_bytes = (size_t)total;
    return SL_OK;
}

sl_code sl_row_keys_encode(sl_row_keys *k, const sl_column *const *columns,
                           uint32_t column_count, const uint16_t *selection,
                           uint32_t selected, sl_error *err)
{
    SL_ASSERT(selected <= SL_CHUNK_ROWS_MAX);
    lanes in = { .rows = selection, .count = selected };
    size_t size_bytes = 0;
    reserve_rows(k, selected);
    SL_TRY(size_keys(k, columns, column_count, &in, err));
    SL_TRY(place_keys(k, selected, &size_bytes, err));
    SL_TRY(reserve_data(k, size_bytes, err));
    for (uint32_t c = 0; c < column_count; c++) {
        source s = open_source(k, columns, c);
        write_column(&s.column, &in, k->data, k->offsets + 1);
        close_source(&s);
    }
    SL_DASSERT(k->offsets[selected] == size_bytes);
    for (uint32_t i = 0; i < selected; i++)
        k->hashes[i] =
            sl_hash64(k->data + k->offsets[i], k->offsets[i + 1] - k->offsets[i]);
    k->batch = (sl_key_batch){
        .data = k->data, .offsets = k->offsets, .hashes = k->hashes, .count = selected
    };
    return SL_OK;
}

void sl_row_keys_deinit(sl_row_keys *k)
{
    sl_free(k->data);
    sl_free(k->offsets);
    sl_free(k->hashes);
    *k = (sl_row_keys){ 0 };
}
