/* columnar_fixture.h - a schema of every type that has columns, and random chunks of it,
 * the same for the same seed. */
#ifndef SL_TESTS_COLUMNAR_FIXTURE_H
#define SL_TESTS_COLUMNAR_FIXTURE_H

#include <math.h>

#include "engine/columnar/chunk.h"

#define OK(x) assert_int_equal((x), SL_OK)
#define TEXT(b) sl_bytes_cstr(&(b))
#define FIXTURE_COLUMNS 15u

static inline uint64_t fixture_random(uint64_t *seed) /* splitmix64 */
{
    uint64_t z = (*seed += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static inline sl_schema fixture_schema(sl_arena *arena)
{
    static const sl_type_id ids[] = {
        SL_TYPE_BOOLEAN, SL_TYPE_BYTE,  SL_TYPE_SHORT,     SL_TYPE_INT,
        SL_TYPE_LONG,    SL_TYPE_FLOAT, SL_TYPE_DOUBLE,    SL_TYPE_STRING,
        SL_TYPE_BINARY,  SL_TYPE_DATE,  SL_TYPE_TIMESTAMP, SL_TYPE_TIMESTAMP_NTZ,
        SL_TYPE_VOID,
    };
    sl_field *fields = SL_ARENA_ARRAY(arena, sl_field, FIXTURE_COLUMNS);
    for (uint32_t i = 0; i < 13; i++)
        fields[i] = (sl_field){ .name = sl_arena_printf(arena, "c%u", i),
                                .type = sl_type_of(ids[i]),
                                .nullable = true };
    sl_field inner[] = {
        { .name = "d", .type = sl_type_of(SL_TYPE_DOUBLE), .nullable = true },
        { .name = "s", .type = sl_type_of(SL_TYPE_STRING), .nullable = true },
    };
    sl_field outer[] = {
        { .name = "x", .type = sl_type_struct(arena, inner, 2), .nullable = true },
        { .name = "b", .type = sl_type_of(SL_TYPE_BOOLEAN), .nullable = true },
    };
    fields[13] = (sl_field){ .name = "nested",
                             .type = sl_type_struct(arena, outer, 2),
                             .nullable = true };
    fields[14] = (sl_field){ .name = "window",
                             .type = sl_type_window(sl_type_of(SL_TYPE_TIMESTAMP)) };
    return (sl_schema){ .field_count = FIXTURE_COLUMNS, .fields = fields };
}

/* Few distinct values, at the edges, so that equal and neighbouring rows are common. */
static inline double fixture_double(uint64_t r)
{
    static const double edges[] = { 0.0,    -0.0,   1.0,     -1.0, 1e300,
                                    -1e300, 5e-324, -5e-324, 1.5,  -1.5 };
    switch (r % 13) {
    case 10:
        return (double)NAN;
    case 11:
        return (double)INFINITY;
    case 12:
        return -(double)INFINITY;
    default:
        return edges[r % 13];
    }
}

static inline int64_t fixture_int(uint64_t r)
{
    static const int64_t edges[] = {
        0, 1, -1, 255, -256, INT64_MAX, INT64_MIN, INT32_MAX
    };
    return (r & 8) != 0 ? (int64_t)(r >> 32) : edges[r % 8];
}

static inline void fixture_string(sl_column_builder *b, uint64_t r, uint64_t *seed)
{
    char text[64];
    uint32_t length = (uint32_t)(r % 5 == 0 ? r / 5 % 40 : r / 5 % 14);
    for (uint32_t i = 0; i < length; i++) /* zeros, ones and 0xff try the escapes */
        text[i] = "\0\001\377ab"[fixture_random(seed) % 5];
    OK(sl_column_builder_string(b, text, length, NULL));
}

static inline void fixture_value(sl_column_builder *b, uint64_t *seed, uint32_t null_in)
{
    uint64_t r = fixture_random(seed);
    if (b->type->id == SL_TYPE_VOID || (null_in != 0 && (r >> 40) % null_in == 0)) {
        OK(sl_column_builder_null(b, NULL));
        return;
    }
    switch (b->type->id) {
    case SL_TYPE_BOOLEAN:
        OK(sl_column_builder_bool(b, r & 1, NULL));
        break;
    case SL_TYPE_FLOAT:
    case SL_TYPE_DOUBLE:
        OK(sl_column_builder_f64(b, fixture_double(r), NULL));
        break;
    case SL_TYPE_STRING:
    case SL_TYPE_BINARY:
        fixture_string(b, r, seed);
        break;
    case SL_TYPE_STRUCT:
        for (uint32_t i = 0; i < b->type->field_count; i++)
            fixture_value(&b->children[i], seed, null_in);
        OK(sl_column_builder_struct(b, NULL));
        break;
    default:
        if (sl_type_width(b->type) == 8)
            OK(sl_column_builder_i64(b, fixture_int(r), NULL));
        else
            OK(sl_column_builder_i32(b, (int32_t)fixture_int(r), NULL));
    }
}

/* null_in 0: no nulls; n: one value in n is null. */
static inline sl_chunk *fixture_chunk(const sl_schema *schema, uint32_t rows,
                                      uint32_t null_in, uint64_t seed)
{
    sl_chunk_builder b;
    OK(sl_chunk_builder_init(&b, schema, 4, NULL, NULL)); /* 4: growth is tried too */
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t c = 0; c < schema->field_count; c++)
            fixture_value(&b.columns[c], &seed, null_in);
    return sl_chunk_builder_finish(&b, rows);
}

/* Every second and third row. */
static inline uint32_t fixture_selection(uint32_t rows, uint16_t *ret)
{
    uint32_t n = 0;
    for (uint32_t r = 0; r < rows; r++)
        if (r % 3 != 0)
            ret[n++] = (uint16_t)r;
    return n;
}

#endif /* SL_TESTS_COLUMNAR_FIXTURE_H */
