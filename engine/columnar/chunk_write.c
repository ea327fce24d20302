/* docs/formats/chunk.md is the table of these bytes.
 *
 * What is written is a function of the rows alone: a null row writes the base of its
 * column, or zeros, a bitmap with no null is left out, strings are compacted. So equal
 * rows give equal bytes.
 *
 * A column is two loops: one that finds the least and the most, one that writes.  They
 * have no branch on a row: each is compiled once for every answer to what is asked once a
 * column, is there a selection, are there nulls.  Nulls are looked up in the bitmap that
 * was just written, where they lie by position and not by row. */
#include "engine/columnar/chunk_codec_private.h"

/* The rows of a chunk that are written. */
typedef struct rows {
    const uint16_t *selection; /* NULL: all */
    uint32_t count;
} rows;

static inline uint32_t row_at(const uint16_t *selection, uint32_t i)
{
    return selection != NULL ? selection[i] : i;
}

static inline uint32_t bit_at(const uint8_t *bits, uint32_t i)
{
    return (uint32_t)bits[i / 8] >> (i % 8) & 1;
}

/* All bits of a word if the i-th value is there; valid NULL: it is. */
static inline uint64_t mask_at(const uint8_t *valid, uint32_t i)
{
    return valid != NULL ? -(uint64_t)bit_at(valid, i) : UINT64_MAX;
}

/* Call `loop`, an inline function, with its selection and its bitmap known to be or not
 * to be there. */
#define SPECIALISED(loop, selection, valid, ...)                                         \
    ((valid) != NULL ? (selection) != NULL ? loop(selection, valid, __VA_ARGS__)         \
                                           : loop(NULL, valid, __VA_ARGS__)              \
                     : ((selection) != NULL ? loop(selection, NULL, __VA_ARGS__)         \
                                            : loop(NULL, NULL, __VA_ARGS__)))
#define LOOP SL_HOT static inline __attribute__((always_inline))

/* Uninitialised room at the end of out, already counted. */
static uint8_t *extend(sl_bytes *out, size_t size_bytes)
{
    sl_bytes_reserve(out, size_bytes);
    uint8_t *at = out->data + out->size_bytes;
    out->size_bytes += size_bytes;
    out->data[out->size_bytes] = 0;
    return at;
}

/* ---- bitmaps ---- */

SL_HOT static void gather_bits(const uint64_t *bits, const uint16_t *restrict selection,
                               uint32_t count, uint8_t *restrict to)
{
    for (uint32_t at = 0; at < count; at += 64) {
        uint32_t n = count - at < 64 ? count - at : 64;
        uint64_t word = 0;
        for (uint32_t i = 0; i < n; i++)
            word |= (uint64_t)sl_bitmap_get(bits, selection[at + i]) << i;
        memcpy(to + at / 8, &word, sl_chunk__bitmap_bytes(n));
    }
}

static void write_bits(const uint64_t *bits, const rows *r, sl_bytes *out)
{
    size_t size = sl_chunk__bitmap_bytes(r->count);
    uint8_t *to = extend(out, size);
    if (r->selection != NULL) {
        gather_bits(bits, r->selection, r->count, to);
    } else if (size != 0) {
        memcpy(to, bits, size);
        if (r->count % 8 != 0) /* past the rows they may be anything */
            to[size - 1] = (uint8_t)(to[size - 1] & ((1u << r->count % 8) - 1));
    }
}

static bool is_all_ones(const uint8_t *bits, uint32_t count)
{
    uint32_t whole = count / 8;
    unsigned all = 0xff;
    for (uint32_t i = 0; i < whole; i++)
        all &= bits[i];
    return all == 0xff && (count % 8 == 0 || bits[whole] == (1u << count % 8) - 1);
}

/* Returns false, having written nothing, if no row is null. */
static bool write_validity(const sl_column *c, const rows *r, sl_bytes *out)
{
    if (c->validity == NULL || c->type->id == SL_TYPE_VOID)
        return false;
    size_t at = out->size_bytes;
    write_bits(c->validity, r, out);
    if (!is_all_ones(out->data + at, r->count))
        return true;
    out->size_bytes = at;
    return false;
}

static void write_booleans(const sl_column *c, size_t valid_at, const rows *r,
                           sl_bytes *out)
{
    size_t at = out->size_bytes;
    write_bits(c->values, r, out);
    if (valid_at == 0)
        return;
    for (size_t i = 0; i < sl_chunk__bitmap_bytes(r->count); i++)
        out->data[at + i] = (uint8_t)(out->data[at + i] & out->data[valid_at + i]);
}

/* ---- integers: the least of them, and how far each is from it ---- */

typedef struct range {
    int64_t least, most; /* least > most: there is no value */
} range;

/* A null becomes the greatest of all for the least, and the least of all for the most. */
#define RANGE(BITS)                                                                      \
    LOOP range range_loop_##BITS(const uint16_t *restrict selection,                     \
                                 const uint8_t *restrict valid, const void *values,      \
                                 uint32_t count)                                         \
    {                                                                                    \
        const int##BITS##_t *restrict v = (const int##BITS##_t *)values;                 \
        int##BITS##_t least = INT##BITS##_MAX, most = INT##BITS##_MIN;                   \
        for (uint32_t i = 0; i < count; i++) {                                           \
            int##BITS##_t mask = (int##BITS##_t)mask_at(valid, i);                       \
            int##BITS##_t x = (int##BITS##_t)(v[row_at(selection, i)] & mask);           \
            int##BITS##_t low = (int##BITS##_t)(x | (INT##BITS##_MAX & ~mask));          \
            int##BITS##_t high = (int##BITS##_t)(x | (INT##BITS##_MIN & ~mask));         \
            least = low < least ? low : least;                                           \
            most = high > most ? high : most;                                            \
        }                                                                                \
        return (range){ least, most };                                                   \
    }                                                                                    \
    SL_HOT static range range_##BITS(const void *values, const uint16_t *selection,      \
                                     const uint8_t *valid, uint32_t count)               \
    {                                                                                    \
        return SPECIALISED(range_loop_##BITS, selection, valid, values, count);          \
    }
RANGE(8)
RANGE(16)
RANGE(32)
RANGE(64)

/* Values of one width less the base, in another: the difference wraps, as does the sum
 * when read. */
#define PACK(FROM, TO)                                                                   \
    LOOP void pack_loop_##FROM##_##TO(                                                   \
        const uint16_t *restrict selection, const uint8_t *valid, const void *values,    \
        uint32_t count, uint64_t base, uint8_t *restrict to)                             \
    {                                                                                    \
        const uint##FROM##_t *restrict v = (const uint##FROM##_t *)values;               \
        uint##FROM##_t b = (uint##FROM##_t)base;                                         \
        sl_lying_u##TO *restrict t = (sl_lying_u##TO *)(void *)to;                       \
        for (uint32_t i = 0; i < count; i++)                                             \
            t[i] = (uint##TO##_t)((uint##TO##_t)(v[row_at(selection, i)] - b) &          \
                                  (uint##TO##_t)mask_at(valid, i));                      \
    }                                                                                    \
    SL_HOT static void pack_##FROM##_##TO(const void *values, const uint16_t *selection, \
                                          const uint8_t *valid, uint32_t count,          \
                                          uint64_t base, uint8_t *to)                    \
    {                                                                                    \
        SPECIALISED(pack_loop_##FROM##_##TO, selection, valid, values, count, base, to); \
    }
PACK(8, 8)
PACK(16, 8)
PACK(16, 16)
PACK(32, 8)
PACK(32, 16)
PACK(32, 32)
PACK(64, 8)
PACK(64, 16)
PACK(64, 32)
PACK(64, 64)

/* By the logarithm of a width. */
typedef range range_fn(const void *values, const uint16_t *selection,
                       const uint8_t *valid, uint32_t count);
typedef void pack_fn(const void *values, const uint16_t *selection, const uint8_t *valid,
                     uint32_t count, uint64_t base, uint8_t *to);
static range_fn *const range_of[4] = { range_8, range_16, range_32, range_64 };
static pack_fn *const pack_to[4][4] = { { pack_8_8 },
                                        { pack_16_8, pack_16_16 },
                                        { pack_32_8, pack_32_16, pack_32_32 },
                                        { pack_64_8, pack_64_16, pack_64_32,
                                          pack_64_64 } };

static inline uint32_t log2_of(uint32_t width)
{
    return (uint32_t)__builtin_ctz(width);
}

/* Bytes a value takes: no more than `width`, which stands for plain values, if base and
 * differences together are not fewer. */
static uint32_t packed_width(uint64_t spread, uint32_t width, uint32_t count)
{
    uint32_t packed = spread == 0            ? 0
                      : spread <= UINT8_MAX  ? 1
                      : spread <= UINT16_MAX ? 2
                      : spread <= UINT32_MAX ? 4
                                             : 8;
    size_t plain_bytes = (size_t)count * width;
    return packed < width && width + (size_t)count * packed < plain_bytes ? packed
                                                                          : width;
}

static void write_integers(const sl_column *c, size_t valid_at, const rows *r,
                           sl_bytes *out)
{
    uint32_t width = sl_type_width(c->type), size = log2_of(width);
    const uint8_t *valid = valid_at != 0 ? out->data + valid_at : NULL;
    range all = range_of[size](c->values, r->selection, valid, r->count);
    if (all.least > all.most)
        all = (range){ 0, 0 };
    uint64_t base = (uint64_t)all.least;
    uint32_t packed = packed_width((uint64_t)all.most - base, width, r->count);

    base = packed < width ? base : 0;
    uint8_t *to =
        extend(out, 1 + (packed < width ? width : 0) + (size_t)r->count * packed);
    valid = valid_at != 0 ? out->data + valid_at : NULL;
    *to++ = (uint8_t)packed;
    if (packed < width) {
        memcpy(to, &base, width);
        to += width;
    }
    if (packed != 0)
        pack_to[size][log2_of(packed)](c->values, r->selection, valid, r->count, base,
                                       to);
}

static void write_floats(const sl_column *c, size_t valid_at, const rows *r,
                         sl_bytes *out)
{
    uint32_t width = sl_type_width(c->type), size = log2_of(width);
    uint8_t *to = extend(out, (size_t)r->count * width);
    const uint8_t *valid = valid_at != 0 ? out->data + valid_at : NULL;
    pack_to[size][size](c->values, r->selection, valid, r->count, 0, to);
}

/* ---- strings: a null has no bytes ---- */

typedef struct lengths {
    uint32_t least, most;
    uint64_t total;
} lengths;

static inline uint32_t length_at(const sl_string_view *views, const uint16_t *selection,
                                 const uint8_t *valid, uint32_t i)
{
    return views[row_at(selection, i)].length & (uint32_t)mask_at(valid, i);
}

LOOP lengths lengths_loop(const uint16_t *selection, const uint8_t *valid,
                          const sl_string_view *views, uint32_t count)
{
    lengths l = { .least = count != 0 ? UINT32_MAX : 0 };
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length = length_at(views, selection, valid, i);
        l.least = length < l.least ? length : l.least;
        l.most = length > l.most ? length : l.most;
        l.total += length;
    }
    return l;
}

SL_HOT static lengths lengths_of(const sl_string_view *views, const uint16_t *selection,
                                 const uint8_t *valid, uint32_t count)
{
    return SPECIALISED(lengths_loop, selection, valid, views, count);
}

#define PACK_LENGTHS(TO)                                                                 \
    LOOP void pack_lengths_loop_##TO(                                                    \
        const uint16_t *restrict selection, const uint8_t *restrict valid,               \
        const sl_string_view *restrict views, uint32_t count, uint32_t base,             \
        uint8_t *restrict to)                                                            \
    {                                                                                    \
        sl_lying_u##TO *restrict t = (sl_lying_u##TO *)(void *)to;                       \
        for (uint32_t i = 0; i < count; i++)                                             \
            t[i] = (uint##TO##_t)(length_at(views, selection, valid, i) - base);         \
    }                                                                                    \
    SL_HOT static void pack_lengths_##TO(                                                \
        const sl_string_view *views, const uint16_t *selection, const uint8_t *valid,    \
        uint32_t count, uint32_t base, uint8_t *to)                                      \
    {                                                                                    \
        SPECIALISED(pack_lengths_loop_##TO, selection, valid, views, count, base, to);   \
    }
PACK_LENGTHS(8)
PACK_LENGTHS(16)
PACK_LENGTHS(32)

/* Twelve bytes are copied whatever the length: the next string, or nobody, has the rest.
 */
LOOP void copy_short_loop(const uint16_t *restrict selection,
                          const uint8_t *restrict valid,
                          const sl_string_view *restrict views, uint32_t count,
                          uint8_t *restrict to)
{
    for (uint32_t i = 0; i < count; i++) {
        memcpy(to, views[row_at(selection, i)].u.inlined, SL_STRING_INLINE_MAX);
        to += length_at(views, selection, valid, i);
    }
}

SL_HOT static void copy_short(const sl_string_view *views, const uint16_t *selection,
                              const uint8_t *valid, uint32_t count, uint8_t *to)
{
    SPECIALISED(copy_short_loop, selection, valid, views, count, to);
}

static void copy_any(const sl_string_view *views, const uint16_t *selection,
                     const uint8_t *valid, uint32_t count, uint8_t *to)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length = length_at(views, selection, valid, i);
        const sl_string_view *v = &views[row_at(selection, i)];
        if (length <= SL_STRING_INLINE_MAX)
            memcpy(to, v->u.inlined, SL_STRING_INLINE_MAX);
        else
            memcpy(to, v->u.ref.data, length);
        to += length;
    }
}

static void write_strings(const sl_column *c, size_t valid_at, const rows *r,
                          sl_bytes *out)
{
    const sl_string_view *views = sl_column_strings(c);
    const uint16_t *selection = r->selection;
    uint32_t n = r->count;
    lengths l =
        lengths_of(views, selection, valid_at != 0 ? out->data + valid_at : NULL, n);
    uint32_t width = packed_width(l.most - l.least, 4, n);
    uint32_t base = width < 4 ? l.least : 0;

    size_t head_bytes = 1 + (width < 4 ? 4 : 0), length_bytes = (size_t)n * width;
    /* Room to copy too much is taken and given back. */
    uint8_t *to = extend(out, head_bytes + length_bytes + l.total + SL_STRING_INLINE_MAX);
    const uint8_t *valid = valid_at != 0 ? out->data + valid_at : NULL;
    out->size_bytes -= SL_STRING_INLINE_MAX;
    *to = (uint8_t)width;
    if (width < 4)
        memcpy(to + 1, &base, 4);
    to += head_bytes;
    if (width == 1)
        pack_lengths_8(views, selection, valid, n, base, to);
    else if (width == 2)
        pack_lengths_16(views, selection, valid, n, base, to);
    else if (width == 4)
        pack_lengths_32(views, selection, valid, n, base, to);
    to += length_bytes;
    if (l.most <= SL_STRING_INLINE_MAX)
        copy_short(views, selection, valid, n, to);
    else
        copy_any(views, selection, valid, n, to);
    out->data[out->size_bytes] = 0;
}

/* ---- columns ---- */

static void write_column(const sl_column *c, const rows *r, sl_bytes *out)
{
    sl_bytes_u8(out, (uint8_t)c->type->id);
    sl_bytes_u8(out, 0);
    size_t after_flags = out->size_bytes;
    size_t valid_at = 0; /* of the bitmap in out, which moves as it grows; 0: no nulls */
    if (write_validity(c, r, out)) {
        valid_at = after_flags;
        out->data[after_flags - 1] = SL_CHUNK_HAS_VALIDITY;
    }

    if (c->type->id == SL_TYPE_BOOLEAN) {
        write_booleans(c, valid_at, r, out);
    } else if (c->type->id == SL_TYPE_STRUCT) {
        for (uint32_t i = 0; i < c->child_count; i++)
            write_column(&c->children[i], r, out);
    } else if (sl_type_width(c->type) == sizeof(sl_string_view)) {
        write_strings(c, valid_at, r, out);
    } else if (sl_chunk__is_integer(c->type)) {
        write_integers(c, valid_at, r, out);
    } else if (sl_type_width(c->type) != 0) {
        write_floats(c, valid_at, r, out);
    }
}

static void write_chunk(const sl_chunk *c, uint16_t flags, sl_bytes *out)
{
    size_t start = out->size_bytes;
    sl_bytes_u32(out, SL_CHUNK_MAGIC);
    sl_bytes_u16(out, SL_CHUNK_VERSION);
    sl_bytes_u16(out, flags);
    sl_bytes_u32(out, c->selected);
    sl_bytes_u32(out, c->column_count);
    sl_bytes_u64(out, 0); /* payload size and crc: below */
    sl_bytes_u64(out, 0);
    rows r = { .selection = c->selection, .count = c->selected };
    for (uint32_t i = 0; i < c->column_count; i++)
        write_column(&c->columns[i], &r, out);

    uint8_t *frame = out->data + start;
    uint64_t payload_bytes = out->size_bytes - start - SL_CHUNK_HEADER_BYTES;
    memcpy(frame + SL_CHUNK_PAYLOAD_AT, &payload_bytes, 8);
    if ((flags & SL_CHUNK_HAS_CRC) != 0) {
        uint32_t crc = sl_chunk__crc(frame, payload_bytes);
        memcpy(frame + SL_CHUNK_CRC_AT, &crc, 4);
    }
}

void sl_chunk_write(const sl_chunk *c, sl_bytes *out)
{
    write_chunk(c, SL_CHUNK_HAS_CRC, out);
}

void sl_chunk_write_enveloped(const sl_chunk *c, sl_bytes *out)
{
    write_chunk(c, 0, out);
}
