/* docs/formats/chunk.md is the table of these bytes.
 *
 * What is written is a function of the rows alone: null rows write zeros, a bitmap with
 * no null is left out, strings are compacted. So equal rows give equal bytes. */
#include "base/alloc.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/limits.h"
#include "engine/columnar/chunk.h"
#include "engine/columnar/column_private.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "values are written as they lie in memory");

#define MAGIC 0x4b434c53u /* "SLCK" */
#define VERSION 1u
#define HEADER_BYTES 32u
#define CRC_AT 24u
#define HAS_VALIDITY 1u

static size_t bitmap_bytes(uint32_t rows)
{
    return ((size_t)rows + 7) / 8;
}

/* ---- writing ---- */

/* The rows of a chunk that are written. */
typedef struct rows {
    const uint16_t *selection; /* NULL: all */
    uint32_t count;
} rows;

static inline uint32_t row_at(const rows *r, uint32_t i)
{
    return r->selection != NULL ? r->selection[i] : i;
}

/* Uninitialised room at the end of out, already counted. */
static uint8_t *extend(sl_bytes *out, size_t size_bytes)
{
    sl_bytes_reserve(out, size_bytes);
    uint8_t *at = out->data + out->size_bytes;
    out->size_bytes += size_bytes;
    out->data[out->size_bytes] = 0;
    return at;
}

static void write_bits(const uint64_t *bits, const uint64_t *validity, const rows *r,
                       sl_bytes *out)
{
    size_t size = bitmap_bytes(r->count);
    uint8_t *to = extend(out, size);
    memset(to, 0, size);
    for (uint32_t i = 0; i < r->count; i++) {
        uint32_t row = row_at(r, i);
        if (sl_bitmap_get(bits, row) &&
            (validity == NULL || sl_bitmap_get(validity, row)))
            to[i / 8] = (uint8_t)(to[i / 8] | 1u << (i % 8));
    }
}

#define WRITE_FIXED(T)                                                                   \
    static void write_##T(const T *values, const rows *r, uint8_t *to)                   \
    {                                                                                    \
        for (uint32_t i = 0; i < r->count; i++)                                          \
            memcpy(to + (size_t)i * sizeof(T), &values[r->selection[i]], sizeof(T));     \
    }
WRITE_FIXED(uint8_t)
WRITE_FIXED(uint16_t)
WRITE_FIXED(uint32_t)
WRITE_FIXED(uint64_t)

static void write_fixed(const sl_column *c, const uint64_t *validity, const rows *r,
                        sl_bytes *out)
{
    uint32_t width = sl_type_width(c->type);
    uint8_t *to = extend(out, (size_t)r->count * width);
    if (r->count == 0)
        return;
    if (r->selection == NULL)
        memcpy(to, c->values, (size_t)r->count * width);
    else if (width == 1)
        write_uint8_t(c->values, r, to);
    else if (width == 2)
        write_uint16_t(c->values, r, to);
    else if (width == 4)
        write_uint32_t(c->values, r, to);
    else
        write_uint64_t(c->values, r, to);

    for (uint32_t i = 0; validity != NULL && i < r->count; i++)
        if (!sl_bitmap_get(validity, row_at(r, i)))
            memset(to + (size_t)i * width, 0, width);
}

static void write_strings(const sl_column *c, const uint64_t *validity, const rows *r,
                          sl_bytes *out)
{
    const sl_string_view *views = sl_column_strings(c);
    uint8_t *lengths = extend(out, (size_t)r->count * 4);
    size_t total = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        uint32_t row = row_at(r, i);
        bool valid = validity == NULL || sl_bitmap_get(validity, row);
        uint32_t length = valid ? views[row].length : 0;
        memcpy(lengths + (size_t)i * 4, &length, 4);
        total += length;
    }
    uint8_t *to = extend(out, total + SL_STRING_INLINE_MAX); /* room to copy too much */
    out->size_bytes -= SL_STRING_INLINE_MAX;
    for (uint32_t i = 0; i < r->count; i++) {
        uint32_t row = row_at(r, i);
        if (validity != NULL && !sl_bitmap_get(validity, row))
            continue;
        const sl_string_view *v = &views[row];
        if (v->length <= SL_STRING_INLINE_MAX)
            memcpy(to, v->u.inlined, SL_STRING_INLINE_MAX);
        else
            memcpy(to, v->u.ref.data, v->length);
        to += v->length;
    }
    out->data[out->size_bytes] = 0;
}

static bool has_null(const sl_column *c, const rows *r)
{
    if (c->validity == NULL || c->type->id == SL_TYPE_VOID)
        return false;
    if (r->selection == NULL)
        return sl_bitmap_count(c->validity, r->count) != r->count;
    for (uint32_t i = 0; i < r->count; i++)
        if (!sl_bitmap_get(c->validity, r->selection[i]))
            return true;
    return false;
}

static void write_column(const sl_column *c, const rows *r, sl_bytes *out)
{
    const uint64_t *validity = has_null(c, r) ? c->validity : NULL;
    sl_bytes_u8(out, (uint8_t)c->type->id);
    sl_bytes_u8(out, validity != NULL ? HAS_VALIDITY : 0);
    if (validity != NULL)
        write_bits(validity, NULL, r, out);

    uint32_t width = sl_type_width(c->type);
    if (c->type->id == SL_TYPE_BOOLEAN) {
        write_bits(c->values, validity, r, out);
    } else if (c->type->id == SL_TYPE_STRUCT) {
        for (uint32_t i = 0; i < c->child_count; i++)
            write_column(&c->children[i], r, out);
    } else if (width == sizeof(sl_string_view)) {
        write_strings(c, validity, r, out);
    } else if (width != 0) {
        write_fixed(c, validity, r, out);
    }
}

static uint32_t checksum(const uint8_t *frame, uint64_t payload_bytes)
{
    uint32_t crc = sl_crc32c(0, frame, CRC_AT);
    return sl_crc32c(crc, frame + HEADER_BYTES, payload_bytes);
}

void sl_chunk_write(const sl_chunk *c, sl_bytes *out)
{
    size_t start = out->size_bytes;
    sl_bytes_u32(out, MAGIC);
    sl_bytes_u16(out, VERSION);
    sl_bytes_u16(out, 0);
    sl_bytes_u32(out, c->selected);
    sl_bytes_u32(out, c->column_count);
    sl_bytes_u64(out, 0); /* payload size and crc: below */
    sl_bytes_u64(out, 0);
    rows r = { .selection = c->selection, .count = c->selected };
    for (uint32_t i = 0; i < c->column_count; i++)
        write_column(&c->columns[i], &r, out);

    uint8_t *frame = out->data + start;
    uint64_t payload_bytes = out->size_bytes - start - HEADER_BYTES;
    memcpy(frame + 16, &payload_bytes, 8);
    uint32_t crc = checksum(frame, payload_bytes);
    memcpy(frame + CRC_AT, &crc, 4);
}

/* ---- reading: nothing is allocated before the bytes it would hold were seen ---- */

typedef struct input {
    sl_reader bytes;
    uint32_t rows;
    sl_budget *budget;
} input;

static sl_code corrupt(const input *in, const char *what, sl_error *err)
{
    return sl_fail(err, SL_ECORRUPT, "chunk: %s at payload byte %zu", what, in->bytes.at);
}

static sl_code read_bits(input *in, uint64_t *ret_bits, sl_error *err)
{
    size_t size = bitmap_bytes(in->rows);
    sl_span span = sl_read_bytes(&in->bytes, size);
    if (in->bytes.failed)
        return corrupt(in, "a bitmap is cut short", err);
    if (size != 0) {
        ret_bits[sl_bitmap_words(in->rows) - 1] = 0;
        memcpy(ret_bits, span.data, size);
    }
    return SL_OK;
}

static sl_code read_strings(input *in, sl_column *c, sl_string_view *views, sl_error *err)
{
    sl_span lengths = sl_read_bytes(&in->bytes, (size_t)in->rows * 4);
    if (in->bytes.failed)
        return corrupt(in, "string lengths are cut short", err);
    uint64_t total = 0, heap_bytes = 0;
    for (uint32_t i = 0; i < in->rows; i++) {
        uint32_t length;
        memcpy(&length, lengths.data + (size_t)i * 4, 4);
        if (length > SL_STRING_BYTES_MAX)
            return corrupt(in, "a string is too long", err);
        total += length;
        heap_bytes += length > SL_STRING_INLINE_MAX ? length : 0;
    }
    sl_span bytes = sl_read_bytes(&in->bytes, total);
    if (in->bytes.failed)
        return corrupt(in, "strings are cut short", err);

    uint8_t *heap = NULL;
    if (heap_bytes != 0) {
        sl_buffer *buffer;
        SL_TRY(sl_buffer_new(heap_bytes, in->budget, &buffer, err));
        buffer->size_bytes = heap_bytes;
        heap = buffer->data;
        sl_column__take(c, buffer);
    }
    const uint8_t *from = total != 0 ? bytes.data : (const uint8_t *)"";
    const uint8_t *end = from + total;
    for (uint32_t i = 0; i < in->rows; i++) {
        uint32_t length;
        memcpy(&length, lengths.data + (size_t)i * 4, 4);
        const uint8_t *data = from;
        if (length > SL_STRING_INLINE_MAX) {
            data = memcpy(heap, from, length);
            heap += length;
        }
        if (end - from >= SL_STRING_INLINE_MAX) /* the common case, without a call */
            sl_string_view_put(&views[i], (const char *)data, length);
        else
            views[i] = sl_string_view_make((const char *)data, length);
        from += length;
    }
    return SL_OK;
}

static sl_code read_column(input *in, const sl_type *type, sl_column *ret, sl_error *err);

static sl_code read_children(input *in, const sl_type *type, sl_column *c, sl_error *err)
{
    if (type->field_count == 0)
        return SL_OK;
    c->children = sl_calloc(type->field_count, sizeof *c->children);
    c->child_count = type->field_count;
    for (uint32_t i = 0; i < type->field_count; i++)
        SL_TRY(read_column(in, type->fields[i].type, &c->children[i], err));
    return SL_OK;
}

static sl_code read_validity(input *in, sl_column *c, sl_error *err)
{
    if (in->bytes.size_bytes - in->bytes.at < bitmap_bytes(in->rows))
        return corrupt(in, "a bitmap is cut short", err);
    sl_buffer *buffer;
    size_t size = sl_bitmap_words(in->rows) * 8;
    SL_TRY(sl_buffer_new(size, in->budget, &buffer, err));
    buffer->size_bytes = size;
    sl_column__take(c, buffer);
    uint64_t *bits = (uint64_t *)(void *)buffer->data;
    c->validity = bits;
    return read_bits(in, bits, err);
}

static sl_code read_values(input *in, sl_column *c, sl_error *err)
{
    uint32_t width = sl_type_width(c->type);
    bool strings = width == sizeof(sl_string_view);
    size_t least = c->type->id == SL_TYPE_BOOLEAN ? bitmap_bytes(in->rows)
                   : strings                      ? (size_t)in->rows * 4
                                                  : (size_t)in->rows * width;
    if (in->bytes.size_bytes - in->bytes.at < least)
        return corrupt(in, "values are cut short", err);

    sl_buffer *buffer;
    size_t size = sl_column__value_bytes(c->type, in->rows);
    SL_TRY(sl_buffer_new(size, in->budget, &buffer, err));
    buffer->size_bytes = size;
    sl_column__take(c, buffer);
    c->values = buffer->data;
    void *values = buffer->data;
    if (strings)
        return read_strings(in, c, values, err);
    if (c->type->id == SL_TYPE_BOOLEAN)
        return read_bits(in, values, err);
    sl_span span = sl_read_bytes(&in->bytes, size);
    if (size != 0)
        memcpy(values, span.data, size);
    return SL_OK;
}

/* Fills *ret as far as it gets; the caller releases it on failure. */
static sl_code read_column(input *in, const sl_type *type, sl_column *ret, sl_error *err)
{
    if (!sl_column__is_supported(type))
        return sl_column__unsupported(type, err);
    *ret = (sl_column){ .type = type, .length = in->rows };
    uint8_t id = sl_read_u8(&in->bytes), flags = sl_read_u8(&in->bytes);
    if (in->bytes.failed || id != type->id || (flags & ~HAS_VALIDITY) != 0)
        return sl_fail(err, SL_ECORRUPT,
                       "chunk: column of type id %u, flags 0x%x at payload byte %zu; the "
                       "schema says %s",
                       id, flags, in->bytes.at, sl_type_tree_name(type));
    if (flags != 0)
        SL_TRY(read_validity(in, ret, err));
    if (type->id == SL_TYPE_STRUCT)
        return read_children(in, type, ret, err);
    return type->id == SL_TYPE_VOID ? SL_OK : read_values(in, ret, err);
}

/* Depth of what the schema asks for: reading recurses as deep. */
static bool is_too_deep(const sl_field *fields, uint32_t count, uint32_t depth)
{
    for (uint32_t i = 0; i < count; i++) {
        const sl_type *t = fields[i].type;
        if (t->field_count != 0 && (depth == SL_TYPE_DEPTH_MAX ||
                                    is_too_deep(t->fields, t->field_count, depth + 1)))
            return true;
    }
    return false;
}

static sl_code read_header(sl_span bytes, const sl_schema *schema, uint32_t *ret_rows,
                           sl_error *err)
{
    sl_reader r = sl_reader_of(bytes);
    uint32_t magic = sl_read_u32(&r);
    uint16_t version = sl_read_u16(&r), reserved = sl_read_u16(&r);
    uint32_t row_count = sl_read_u32(&r), column_count = sl_read_u32(&r);
    uint64_t payload_bytes = sl_read_u64(&r);
    uint32_t crc = sl_read_u32(&r), reserved_end = sl_read_u32(&r);
    if (r.failed || magic != MAGIC)
        return sl_fail(err, SL_ECORRUPT, "chunk: %zu bytes, magic 0x%08x is not SLCK",
                       bytes.size_bytes, magic);
    if (version != VERSION)
        return sl_fail(err, SL_ECORRUPT, "chunk: version %u, this build reads %u",
                       version, VERSION);
    if (payload_bytes != bytes.size_bytes - HEADER_BYTES || reserved != 0 ||
        reserved_end != 0)
        return sl_fail(
            err, SL_ECORRUPT, "chunk: header says %llu payload bytes, there are %zu",
            (unsigned long long)payload_bytes, bytes.size_bytes - HEADER_BYTES);
    if (checksum(bytes.data, payload_bytes) != crc)
        return sl_fail(err, SL_ECORRUPT, "chunk: crc does not match over %zu bytes",
                       bytes.size_bytes);
    if (row_count > SL_CHUNK_ROWS_MAX || column_count != schema->field_count)
        return sl_fail(err, SL_ECORRUPT,
                       "chunk: %u rows of %u columns; at most %d rows of %u are expected",
                       row_count, column_count, SL_CHUNK_ROWS_MAX, schema->field_count);
    *ret_rows = row_count;
    return SL_OK;
}

sl_code sl_chunk_read(sl_span bytes, const sl_schema *schema, sl_budget *budget,
                      sl_chunk **ret, sl_error *err)
{
    if (is_too_deep(schema->fields, schema->field_count, 1))
        return sl_fail(err, SL_ELIMIT, "chunk: schema nested deeper than %d",
                       SL_TYPE_DEPTH_MAX);
    input in = { .budget = budget };
    SL_TRY(read_header(bytes, schema, &in.rows, err));
    in.bytes = sl_reader_of(
        sl_span_of(bytes.data + HEADER_BYTES, bytes.size_bytes - HEADER_BYTES));

    sl_code code = SL_OK;
    sl_chunk *c = sl_chunk_new(schema->field_count, in.rows);
    for (uint32_t i = 0; i < schema->field_count; i++)
        SL_TRY_GOTO(read_column(&in, schema->fields[i].type, &c->columns[i], err), fail);
    if (!sl_reader_done(&in.bytes)) {
        code = corrupt(&in, "bytes follow the last column", err);
        goto fail;
    }
    *ret = c;
    return SL_OK;

fail:
    sl_chunk_unref(c);
    return code;
}
