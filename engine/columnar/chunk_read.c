/* docs/formats/chunk.md is the table of these bytes, of which version 1 is read too.
 *
 * Nothing is believed: sizes are checked before memory is taken, and what it would hold
 * was seen to be there, but for columns of one value, which are as many rows as a chunk
 * may have at most.  A base and a difference that do not fit wrap around: other values
 * than were written, as any damage that no checksum sees. */
#include "base/alloc.h"
#include "base/limits.h"
#include "engine/columnar/chunk_codec_private.h"

typedef struct input {
    sl_reader bytes;
    uint16_t version;
    uint32_t rows;
    sl_budget *budget;
} input;

static sl_code corrupt(const input *in, const char *what, sl_error *err)
{
    return sl_fail(err, SL_ECORRUPT, "chunk: %s at payload byte %zu", what, in->bytes.at);
}

static bool has_bytes(const input *in, size_t size_bytes)
{
    return in->bytes.size_bytes - in->bytes.at >= size_bytes;
}

static sl_code take_buffer(input *in, sl_column *c, size_t size_bytes, uint8_t **ret,
                           sl_error *err)
{
    sl_buffer *buffer;
    SL_TRY(sl_buffer_new(size_bytes, in->budget, &buffer, err));
    buffer->size_bytes = size_bytes;
    sl_column__take(c, buffer);
    *ret = buffer->data;
    return SL_OK;
}

static sl_code read_bits(input *in, sl_column *c, const uint64_t **ret, sl_error *err)
{
    size_t size = sl_chunk__bitmap_bytes(in->rows);
    if (!has_bytes(in, size))
        return corrupt(in, "a bitmap is cut short", err);
    uint8_t *bits;
    SL_TRY(take_buffer(in, c, sl_bitmap_words(in->rows) * 8, &bits, err));
    *ret = (const uint64_t *)(const void *)bits;
    if (size != 0) {
        memset(bits + sl_bitmap_words(in->rows) * 8 - 8, 0, 8);
        memcpy(bits, sl_read_bytes(&in->bytes, size).data, size);
    }
    return SL_OK;
}

/* ---- integers ---- */

/* A run of integers as it lies: differences to a base, or plain values, whose base is 0.
 */
typedef struct packed {
    uint32_t width; /* 0: all are the base */
    uint64_t base;
    const uint8_t *at;
} packed;

/* Leaves the input after the run, all of which is there. */
static sl_code read_packed(input *in, uint32_t plain_width, packed *ret, sl_error *err)
{
    packed p = { .width = plain_width };
    if (in->version != 1)
        p.width = sl_read_u8(&in->bytes);
    if (p.width > plain_width || (p.width & (p.width - 1)) != 0)
        return corrupt(in, "integers of an impossible width", err);
    if (p.width < plain_width) {
        sl_span base = sl_read_bytes(&in->bytes, plain_width);
        if (!in->bytes.failed)
            memcpy(&p.base, base.data, plain_width);
    }
    p.at = sl_read_bytes(&in->bytes, (size_t)in->rows * p.width).data;
    if (in->bytes.failed)
        return corrupt(in, "integers are cut short", err);
    *ret = p;
    return SL_OK;
}

#define UNPACK(FROM, TO)                                                                 \
    SL_HOT static void unpack_##FROM##_##TO(const uint8_t *from, uint32_t count,         \
                                            uint64_t base, void *to)                     \
    {                                                                                    \
        const sl_lying_u##FROM *restrict f =                                             \
            (const sl_lying_u##FROM *)(const void *)from;                                \
        uint##TO##_t *restrict t = (uint##TO##_t *)to;                                   \
        uint##TO##_t b = (uint##TO##_t)base;                                             \
        for (uint32_t i = 0; i < count; i++)                                             \
            t[i] = (uint##TO##_t)(b + f[i]);                                             \
    }
UNPACK(8, 16)
UNPACK(8, 32)
UNPACK(8, 64)
UNPACK(16, 32)
UNPACK(16, 64)
UNPACK(32, 64)

#define FILL(TO)                                                                         \
    SL_HOT static void fill_##TO(const uint8_t *from, uint32_t count, uint64_t base,     \
                                 void *to)                                               \
    {                                                                                    \
        uint##TO##_t *t = (uint##TO##_t *)to;                                            \
        (void)from;                                                                      \
        for (uint32_t i = 0; i < count; i++)                                             \
            t[i] = (uint##TO##_t)base;                                                   \
    }
FILL(8)
FILL(16)
FILL(32)
FILL(64)

typedef void unpack_fn(const uint8_t *from, uint32_t count, uint64_t base, void *to);

/* plain_width bytes each; the values of `p` that are plain have another way. */
static void unpack(const packed *p, uint32_t plain_width, uint32_t count, void *to)
{
    /* by the logarithm of the wide, then 0 for no bytes, else the logarithm of the
     * narrow and 1 */
    static unpack_fn *const from[4][4] = {
        { fill_8 },
        { fill_16, unpack_8_16 },
        { fill_32, unpack_8_32, unpack_16_32 },
        { fill_64, unpack_8_64, unpack_16_64, unpack_32_64 },
    };
    uint32_t narrow = p->width == 0 ? 0 : 1 + (uint32_t)__builtin_ctz(p->width);
    from[__builtin_ctz(plain_width)][narrow](p->at, count, p->base, to);
}

static sl_code read_integers(input *in, sl_column *c, sl_error *err)
{
    uint32_t width = sl_type_width(c->type);
    packed p;
    uint8_t *values;
    SL_TRY(read_packed(in, width, &p, err));
    SL_TRY(take_buffer(in, c, (size_t)in->rows * width, &values, err));
    c->values = values;
    if (p.width < width)
        unpack(&p, width, in->rows, values);
    else if (in->rows != 0)
        memcpy(values, p.at, (size_t)in->rows * width);
    return SL_OK;
}

static sl_code read_floats(input *in, sl_column *c, sl_error *err)
{
    size_t size = (size_t)in->rows * sl_type_width(c->type);
    uint8_t *values;
    if (!has_bytes(in, size))
        return corrupt(in, "values are cut short", err);
    SL_TRY(take_buffer(in, c, size, &values, err));
    c->values = values;
    if (size != 0)
        memcpy(values, sl_read_bytes(&in->bytes, size).data, size);
    return SL_OK;
}

/* ---- strings: their lengths are unpacked some at a time, and twice ---- */

#define LENGTHS 512u

/* Those of rows at.., LENGTHS or what is left. */
static const sl_lying_u32 *lengths_at(const packed *p, uint32_t at, uint32_t count,
                                      uint32_t room[LENGTHS])
{
    const uint8_t *from = p->width != 0 ? p->at + (size_t)at * p->width : NULL;
    if (p->width == 4)
        return (const sl_lying_u32 *)(const void *)from;
    unpack(&(packed){ p->width, p->base, from }, 4, count, room);
    return room;
}

static inline uint32_t run_at(uint32_t at, uint32_t rows)
{
    return rows - at < LENGTHS ? rows - at : LENGTHS;
}

typedef struct totals {
    uint32_t most;
    uint64_t bytes, heap_bytes; /* of all, of those too long for their view */
} totals;

SL_HOT static totals add_lengths(totals t, const sl_lying_u32 *lengths, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length = lengths[i];
        t.most = length > t.most ? length : t.most;
        t.bytes += length;
        t.heap_bytes += length > SL_STRING_INLINE_MAX ? length : 0;
    }
    return t;
}

/* Where the next string lies, where all end, where the next long one goes. */
typedef struct bodies {
    const uint8_t *from, *end;
    uint8_t *heap;
} bodies;

static bodies make_views(bodies b, const sl_lying_u32 *lengths, uint32_t count,
                         sl_string_view *restrict views)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length = lengths[i];
        const uint8_t *data = b.from;
        if (length > SL_STRING_INLINE_MAX) {
            data = memcpy(b.heap, b.from, length);
            b.heap += length;
        }
        if (b.end - b.from >= SL_STRING_INLINE_MAX) /* the common case, without a call */
            sl_string_view_put(&views[i], (const char *)data, length);
        else
            views[i] = sl_string_view_make((const char *)data, length);
        b.from += length;
    }
    return b;
}

static sl_code read_strings(input *in, sl_column *c, sl_error *err)
{
    packed p;
    uint32_t room[LENGTHS];
    totals t = { 0 };
    SL_TRY(read_packed(in, 4, &p, err));
    for (uint32_t at = 0; at < in->rows; at += LENGTHS) {
        uint32_t n = run_at(at, in->rows);
        t = add_lengths(t, lengths_at(&p, at, n, room), n);
    }
    if (t.most > SL_STRING_BYTES_MAX)
        return corrupt(in, "a string is too long", err);
    sl_span bytes = sl_read_bytes(&in->bytes, t.bytes);
    if (in->bytes.failed)
        return corrupt(in, "strings are cut short", err);

    uint8_t *values, *heap = NULL;
    SL_TRY(take_buffer(in, c, (size_t)in->rows * sizeof(sl_string_view), &values, err));
    c->values = values;
    if (t.heap_bytes != 0)
        SL_TRY(take_buffer(in, c, t.heap_bytes, &heap, err));
    const uint8_t *from = t.bytes != 0 ? bytes.data : (const uint8_t *)"";
    bodies b = { from, from + t.bytes, heap };
    sl_string_view *views = (sl_string_view *)(void *)values;
    for (uint32_t at = 0; at < in->rows; at += LENGTHS) {
        uint32_t n = run_at(at, in->rows);
        b = make_views(b, lengths_at(&p, at, n, room), n, views + at);
    }
    return SL_OK;
}

/* ---- columns ---- */

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

static sl_code read_values(input *in, sl_column *c, sl_error *err)
{
    if (c->type->id == SL_TYPE_VOID)
        return SL_OK;
    if (c->type->id == SL_TYPE_STRUCT)
        return read_children(in, c->type, c, err);
    if (c->type->id == SL_TYPE_BOOLEAN) {
        const uint64_t *bits;
        SL_TRY(read_bits(in, c, &bits, err));
        c->values = bits;
        return SL_OK;
    }
    if (sl_type_width(c->type) == sizeof(sl_string_view))
        return read_strings(in, c, err);
    return sl_chunk__is_integer(c->type) ? read_integers(in, c, err)
                                         : read_floats(in, c, err);
}

/* Fills *ret as far as it gets; the caller releases it on failure. */
static sl_code read_column(input *in, const sl_type *type, sl_column *ret, sl_error *err)
{
    if (!sl_column__is_supported(type))
        return sl_column__unsupported(type, err);
    *ret = (sl_column){ .type = type, .length = in->rows };
    uint8_t id = sl_read_u8(&in->bytes), flags = sl_read_u8(&in->bytes);
    if (in->bytes.failed || id != type->id || (flags & ~SL_CHUNK_HAS_VALIDITY) != 0)
        return sl_fail(err, SL_ECORRUPT,
                       "chunk: column of type id %u, flags 0x%x at payload byte %zu; the "
                       "schema says %s",
                       id, flags, in->bytes.at, sl_type_tree_name(type));
    if (flags != 0)
        SL_TRY(read_bits(in, ret, &ret->validity, err));
    return read_values(in, ret, err);
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

/* A frame that has no checksum is one whose carrier has checked its bytes. */
static sl_code check_crc(sl_span bytes, uint16_t flags, uint32_t crc, sl_error *err)
{
    bool is_right =
        (flags & SL_CHUNK_HAS_CRC) != 0
            ? crc == sl_chunk__crc(bytes.data, bytes.size_bytes - SL_CHUNK_HEADER_BYTES)
            : crc == 0;
    if (!is_right)
        return sl_fail(err, SL_ECORRUPT, "chunk: crc does not match over %zu bytes",
                       bytes.size_bytes);
    return SL_OK;
}

static sl_code read_header(sl_span bytes, const sl_schema *schema, input *in,
                           sl_error *err)
{
    sl_reader r = sl_reader_of(bytes);
    uint32_t magic = sl_read_u32(&r);
    uint16_t version = sl_read_u16(&r), flags = sl_read_u16(&r);
    uint32_t row_count = sl_read_u32(&r), column_count = sl_read_u32(&r);
    uint64_t payload_bytes = sl_read_u64(&r);
    uint32_t crc = sl_read_u32(&r), reserved = sl_read_u32(&r);
    if (r.failed || magic != SL_CHUNK_MAGIC)
        return sl_fail(err, SL_ECORRUPT, "chunk: %zu bytes, magic 0x%08x is not SLCK",
                       bytes.size_bytes, magic);
    if (version == 0 || version > SL_CHUNK_VERSION)
        return sl_fail(err, SL_ECORRUPT, "chunk: version %u, this build reads 1 to %u",
                       version, SL_CHUNK_VERSION);
    if (payload_bytes != bytes.size_bytes - SL_CHUNK_HEADER_BYTES)
        return sl_fail(
            err, SL_ECORRUPT, "chunk: header says %llu payload bytes, there are %zu",
            (unsigned long long)payload_bytes, bytes.size_bytes - SL_CHUNK_HEADER_BYTES);
    if (flags > (version == 1 ? 0 : SL_CHUNK_HAS_CRC) || reserved != 0)
        return sl_fail(err, SL_ECORRUPT,
                       "chunk: flags 0x%x and 0x%x of version %u are unknown", flags,
                       reserved, version);
    SL_TRY(check_crc(bytes, version == 1 ? SL_CHUNK_HAS_CRC : flags, crc, err));
    if (row_count > SL_CHUNK_ROWS_MAX || column_count != schema->field_count)
        return sl_fail(err, SL_ECORRUPT,
                       "chunk: %u rows of %u columns; at most %d rows of %u are expected",
                       row_count, column_count, SL_CHUNK_ROWS_MAX, schema->field_count);
    in->version = version;
    in->rows = row_count;
    return SL_OK;
}

sl_code sl_chunk_read(sl_span bytes, const sl_schema *schema, sl_budget *budget,
                      sl_chunk **ret, sl_error *err)
{
    if (is_too_deep(schema->fields, schema->field_count, 1))
        return sl_fail(err, SL_ELIMIT, "chunk: schema nested deeper than %d",
                       SL_TYPE_DEPTH_MAX);
    input in = { .budget = budget };
    SL_TRY(read_header(bytes, schema, &in, err));
    in.bytes = sl_reader_of(sl_span_of(bytes.data + SL_CHUNK_HEADER_BYTES,
                                       bytes.size_bytes - SL_CHUNK_HEADER_BYTES));

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
