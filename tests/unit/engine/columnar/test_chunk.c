/* Unit tests of engine/columnar/chunk*.c. Run from the top of the tree. Name:
 * function__sentence_that_must_hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/limits.h"
#include "tests/unit/engine/columnar/columnar_fixture.h"

static sl_arena *arena;
static sl_schema schema;

static int set_up(void **state)
{
    (void)state;
    arena = sl_arena_new();
    schema = fixture_schema(arena);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sl_arena_free(arena);
    return 0;
}

static void assert_same_rows(const sl_chunk *a, const sl_chunk *b)
{
    assert_int_equal(a->selected, b->selected);
    assert_int_equal(a->column_count, b->column_count);
    for (uint32_t c = 0; c < a->column_count; c++)
        for (uint32_t i = 0; i < a->selected; i++)
            assert_int_equal(sl_column_compare(&a->columns[c], sl_chunk_row(a, i),
                                               &b->columns[c], sl_chunk_row(b, i)),
                             0);
}

static sl_chunk *selected_chunk(uint32_t rows, uint32_t null_in)
{
    sl_chunk *whole = fixture_chunk(&schema, rows, null_in, 9), *some;
    uint16_t picked[SL_CHUNK_ROWS_MAX];
    uint32_t n = fixture_selection(rows, picked);
    OK(sl_chunk_select(whole, picked, n, &some, NULL));
    sl_chunk_unref(whole);
    return some;
}

static void flatten__keeps_the_selected_rows_only(void **state)
{
    (void)state;
    sl_chunk *some = selected_chunk(1000, 4), *flat, *again;
    OK(sl_chunk_flatten(some, NULL, &flat, NULL));
    assert_null(flat->selection);
    assert_same_rows(some, flat);
    OK(sl_chunk_flatten(flat, NULL, &again, NULL));
    assert_ptr_equal(flat, again);
    assert_true(sl_chunk_bytes(flat) > 0);
    sl_chunk_unref(again);
    sl_chunk_unref(flat);
    sl_chunk_unref(some);
}

static void project__shares_columns_and_selection(void **state)
{
    (void)state;
    sl_chunk *some = selected_chunk(100, 4);
    const uint32_t columns[] = { 13, 7, 7 };
    sl_chunk *picked = sl_chunk_project(some, columns, 3);
    assert_ptr_equal(picked->columns[1].values, some->columns[7].values);
    assert_ptr_equal(picked->selection, some->selection);
    assert_int_equal(picked->selected, some->selected);
    sl_chunk_unref(some);
    assert_int_equal(picked->column_count, 3);
    sl_chunk_unref(picked);
}

static void read__gives_back_every_type_with_and_without_selection(void **state)
{
    (void)state;
    for (uint32_t null_in = 0; null_in < 4; null_in++)
        for (uint32_t rows = 0; rows < 200; rows += 63) {
            sl_chunk *in[2] = { fixture_chunk(&schema, rows, null_in, 9),
                                selected_chunk(rows, null_in) };
            for (int i = 0; i < 2; i++) {
                sl_bytes out = { 0 };
                sl_chunk *back;
                sl_chunk_write(in[i], &out);
                OK(sl_chunk_read(sl_bytes_span(&out), &schema, NULL, &back, NULL));
                assert_same_rows(in[i], back);
                sl_chunk_unref(back);
                sl_chunk_unref(in[i]);
                sl_bytes_deinit(&out);
            }
        }
}

static void write__makes_equal_bytes_of_equal_rows(void **state)
{
    (void)state;
    sl_chunk *some = selected_chunk(300, 3), *flat;
    sl_bytes a = { 0 }, b = { 0 };
    OK(sl_chunk_flatten(some, NULL, &flat, NULL));
    sl_chunk_write(some, &a);
    sl_chunk_write(flat, &b);
    assert_true(sl_span_equal(sl_bytes_span(&a), sl_bytes_span(&b)));
    sl_chunk_unref(flat);
    sl_chunk_unref(some);
    sl_bytes_deinit(&a);
    sl_bytes_deinit(&b);
}

static void read__counts_rows_without_columns(void **state)
{
    (void)state;
    sl_schema empty = { 0 };
    sl_chunk *in = sl_chunk_new(0, 17), *back;
    sl_bytes out = { 0 };
    sl_chunk_write(in, &out);
    OK(sl_chunk_read(sl_bytes_span(&out), &empty, NULL, &back, NULL));
    assert_int_equal(back->row_count, 17);
    sl_chunk_unref(back);
    sl_chunk_unref(in);
    sl_bytes_deinit(&out);
}

/* docs/formats/chunk.md shows these bytes. */
static void write__makes_the_golden_bytes(void **state)
{
    (void)state;
    static const uint8_t golden[] = {
        'S', 'L', 'C', 'K', 2, 0, 1, 0,   3,   0,   0,   0,   2,   0, 0, 0, 28,
        0,   0,   0,   0,   0, 0, 0, 0,   0,   0,   0,   0,   0,   0, 0, /* crc at 24 */
        5,   1,   5,   1,   7, 0, 0, 0,   0,   0,   0,   0,   0,   0, 3, /* n */
        9,   0,   0,   2,   0, 0, 0, 'h', 'i', 'y', 'o', 'm', 'e',
    };
    sl_field fields[] = { { .name = "n", .type = sl_type_of(SL_TYPE_LONG) },
                          { .name = "s", .type = sl_type_of(SL_TYPE_STRING) } };
    sl_schema s = { .field_count = 2, .fields = fields };
    sl_chunk_builder b;
    OK(sl_chunk_builder_init(&b, &s, 3, NULL, NULL));
    OK(sl_column_builder_i64(&b.columns[0], 7, NULL));
    OK(sl_column_builder_null(&b.columns[0], NULL));
    OK(sl_column_builder_i64(&b.columns[0], 10, NULL));
    OK(sl_column_builder_string(&b.columns[1], "hi", 2, NULL));
    OK(sl_column_builder_string(&b.columns[1], "yo", 2, NULL));
    OK(sl_column_builder_string(&b.columns[1], "me", 2, NULL));
    sl_chunk *c = sl_chunk_builder_finish(&b, 0);
    sl_bytes out = { 0 };
    sl_chunk_write(c, &out);
    assert_int_equal(out.size_bytes, sizeof golden);
    assert_memory_equal(out.data, golden, 24);
    assert_memory_equal(out.data + 28, golden + 28, sizeof golden - 28);
    sl_bytes_deinit(&out);
    sl_chunk_unref(c);
}

/* The stored sample was written by version 1; checkpoints keep such. */
static void read__takes_version_1(void **state)
{
    (void)state;
    uint8_t bytes[2048];
    FILE *f = fopen("tests/unit/engine/columnar/samples/chunk-1.bin", "rb");
    assert_non_null(f);
    size_t size = fread(bytes, 1, sizeof bytes, f);
    assert_int_equal(fclose(f), 0);
    sl_chunk *in = fixture_chunk(&schema, 9, 3, 4), *back;
    OK(sl_chunk_read(sl_span_of(bytes, size), &schema, NULL, &back, NULL));
    assert_same_rows(in, back);
    sl_chunk_unref(back);
    sl_chunk_unref(in);
    for (size_t at = 0; at < size; at++) {
        sl_error err;
        bytes[at] ^= 4;
        assert_int_equal(
            sl_chunk_read(sl_span_of(bytes, size), &schema, NULL, &back, &err),
            SL_ECORRUPT);
        bytes[at] ^= 4;
    }
}

/* ---- integers of few bytes ---- */

/* A chunk of one column of integers; the rows of `nulls` are null. */
static sl_chunk *integers(const sl_schema *s, const int64_t *values, uint32_t count,
                          uint64_t nulls)
{
    sl_chunk *c = sl_chunk_new(1, count);
    void *to;
    uint64_t *valid;
    uint32_t width = sl_type_width(s->fields[0].type);
    OK(sl_column_alloc(s->fields[0].type, count, true, NULL, &c->columns[0], &to, &valid,
                       NULL));
    for (uint32_t i = 0; i < count; i++) {
        memcpy((uint8_t *)to + (size_t)i * width, &values[i], width);
        sl_bitmap_put(valid, i, i >= 64 || (nulls >> i & 1) == 0);
    }
    return c;
}

static void assert_comes_back(const sl_chunk *in, const sl_schema *s, size_t size)
{
    sl_bytes out = { 0 };
    sl_chunk *back;
    sl_chunk_write_enveloped(in, &out);
    if (size != 0)
        assert_int_equal(out.size_bytes, size);
    OK(sl_chunk_read(sl_bytes_span(&out), s, NULL, &back, NULL));
    assert_same_rows(in, back);
    sl_chunk_unref(back);
    sl_bytes_deinit(&out);
}

static int64_t least_of(uint32_t width)
{
    return width == 8 ? INT64_MIN : -(INT64_C(1) << (8 * width - 1));
}

static void integers__take_the_bytes_their_spread_needs(void **state)
{
    (void)state;
    static const sl_type_id ids[] = { SL_TYPE_BYTE,
                                      SL_TYPE_SHORT,
                                      SL_TYPE_INT,
                                      SL_TYPE_LONG,
                                      SL_TYPE_DATE,
                                      SL_TYPE_TIMESTAMP,
                                      SL_TYPE_TIMESTAMP_NTZ,
                                      SL_TYPE_INTERVAL_DAY_TIME,
                                      SL_TYPE_INTERVAL_YEAR_MONTH };
    static const struct {
        uint64_t spread;
        uint32_t width;
    } cases[] = { { 0, 0 },          { 1, 1 },
                  { UINT8_MAX, 1 },  { 256, 2 },
                  { UINT16_MAX, 2 }, { 65536, 4 },
                  { UINT32_MAX, 4 }, { UINT64_C(1) << 32, 8 },
                  { UINT64_MAX, 8 } };
    for (uint32_t t = 0; t < sizeof ids / sizeof *ids; t++)
        for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            sl_field field = { .name = "n", .type = sl_type_of(ids[t]) };
            sl_schema s = { .field_count = 1, .fields = &field };
            uint32_t width = sl_type_width(field.type);
            uint64_t spread = cases[i].spread;
            if (width < 8 && spread >> (8 * width) != 0)
                continue;
            uint32_t packed = cases[i].width < width ? cases[i].width : width;
            int64_t values[40], low = least_of(width);
            for (int end = 0; end < 2; end++) { /* from the least, to the most there is */
                for (uint32_t k = 0; k < 40; k++) {
                    uint64_t off = k % 3 == 0 ? 0 : k % 3 == 1 ? spread : spread / 2;
                    values[k] =
                        (int64_t)(end == 0 ? (uint64_t)low + off : ~(uint64_t)low - off);
                }
                sl_chunk *c = integers(&s, values, 40, 0);
                assert_comes_back(c, &s,
                                  32 + 3 + (packed < width ? width : 0) + 40 * packed);
                sl_chunk_unref(c);
            }
        }
}

/* A base is worth its bytes only if it saves more. */
static void integers__of_few_rows_are_plain(void **state)
{
    (void)state;
    static const int64_t values[] = { 7, 7, 8 };
    static const size_t sizes[] = { 0, 8, 8, 8 + 3 };
    sl_field field = { .name = "n", .type = sl_type_of(SL_TYPE_LONG) };
    sl_schema s = { .field_count = 1, .fields = &field };
    for (uint32_t n = 0; n <= 3; n++) {
        sl_chunk *c = integers(&s, values, n, 0);
        assert_comes_back(c, &s, 32 + 3 + sizes[n]);
        sl_chunk_unref(c);
    }
}

/* What lies under a null neither widens the others nor shows. */
static void write__does_not_see_what_lies_under_a_null(void **state)
{
    (void)state;
    static const sl_type_id ids[] = { SL_TYPE_BYTE, SL_TYPE_SHORT, SL_TYPE_INT,
                                      SL_TYPE_LONG, SL_TYPE_FLOAT, SL_TYPE_DOUBLE };
    const uint64_t nulls[] = { 0x5a5a, UINT64_MAX };
    for (uint32_t t = 0; t < sizeof ids / sizeof *ids; t++)
        for (uint32_t k = 0; k < 2; k++) {
            sl_field field = { .name = "n", .type = sl_type_of(ids[t]) };
            sl_schema s = { .field_count = 1, .fields = &field };
            int64_t values[64];
            sl_bytes out[3] = { { 0 } };
            for (uint32_t junk = 0; junk < 3; junk++) {
                for (uint32_t i = 0; i < 64; i++)
                    values[i] = (nulls[k] >> i & 1) == 0 ? 100 + i % 7
                                : junk == 0              ? INT64_MIN
                                                         : INT64_MAX * (junk == 1);
                sl_chunk *c = integers(&s, values, 64, nulls[k]);
                assert_comes_back(c, &s, 0);
                sl_chunk_write(c, &out[junk]);
                assert_true(
                    sl_span_equal(sl_bytes_span(&out[0]), sl_bytes_span(&out[junk])));
                sl_chunk_unref(c);
            }
            for (uint32_t junk = 0; junk < 3; junk++)
                sl_bytes_deinit(&out[junk]);
        }
}

/* ---- strings ---- */

static sl_chunk *strings(const sl_schema *s, const uint32_t *lengths, uint32_t count)
{
    static char text[70000];
    sl_chunk_builder b;
    memset(text, 'x', sizeof text);
    OK(sl_chunk_builder_init(&b, s, count, NULL, NULL));
    for (uint32_t i = 0; i < count; i++) {
        text[0] = (char)('a' + i % 26);
        if (lengths[i] == UINT32_MAX)
            OK(sl_column_builder_null(&b.columns[0], NULL));
        else
            OK(sl_column_builder_string(&b.columns[0], text, lengths[i], NULL));
    }
    return sl_chunk_builder_finish(&b, count);
}

static void strings__take_the_bytes_their_lengths_need(void **state)
{
    (void)state;
    const uint32_t null = UINT32_MAX;
    const struct {
        uint32_t lengths[6];
        size_t head_bytes; /* of the lengths, and validity */
    } cases[] = {
        { { 7, 7, 7, 7, 7, 7 }, 4 },
        { { 0, 0, 0, 0, 0, 0 }, 4 },
        { { 12, 13, 12, 13, 0, 12 }, 4 + 6 },
        { { 300, 301, 302, 300, 555, 300 }, 4 + 6 },
        { { 44, 300, 44, 44, 44, 44 }, 4 + 12 },
        { { 0, 66000, 1, 2, 3, 4 }, 24 },
        { { 9, null, 9, 9, null, 9 }, 1 + 4 + 6 },
        { { null, null, null, null, null, null }, 1 + 4 },
    };
    sl_field field = { .name = "s",
                       .type = sl_type_of(SL_TYPE_STRING),
                       .nullable = true };
    sl_schema s = { .field_count = 1, .fields = &field };
    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t total = 0;
        for (uint32_t k = 0; k < 6; k++)
            total += cases[i].lengths[k] == null ? 0 : cases[i].lengths[k];
        sl_chunk *c = strings(&s, cases[i].lengths, 6);
        assert_comes_back(c, &s, 32 + 3 + cases[i].head_bytes + total);
        sl_chunk_unref(c);
    }
}

static void write__does_not_see_the_string_under_a_null(void **state)
{
    (void)state;
    static const char *const junk[] = { "", "short", "longer than a view may hold" };
    const sl_type *type = sl_type_of(SL_TYPE_STRING);
    sl_field field = { .name = "s", .type = type, .nullable = true };
    sl_schema s = { .field_count = 1, .fields = &field };
    sl_bytes out[3] = { { 0 } };
    for (uint32_t k = 0; k < 3; k++) {
        sl_chunk *c = sl_chunk_new(1, 5);
        void *to;
        uint64_t *valid;
        OK(sl_column_alloc(type, 5, true, NULL, &c->columns[0], &to, &valid, NULL));
        for (uint32_t i = 0; i < 5; i++) {
            const char *text = i % 2 == 0 ? junk[k] : "a string to be kept";
            sl_bitmap_put(valid, i, i % 2 != 0);
            ((sl_string_view *)to)[i] = sl_string_view_make(text, (uint32_t)strlen(text));
        }
        assert_comes_back(c, &s, 32 + 3 + 1 + 4 + 5 + 2 * strlen("a string to be kept"));
        sl_chunk_write(c, &out[k]);
        assert_true(sl_span_equal(sl_bytes_span(&out[0]), sl_bytes_span(&out[k])));
        sl_chunk_unref(c);
    }
    for (uint32_t k = 0; k < 3; k++)
        sl_bytes_deinit(&out[k]);
}

/* ---- bitmaps ---- */

static void write__does_not_see_bits_past_the_rows_or_under_a_null(void **state)
{
    (void)state;
    const sl_type *type = sl_type_of(SL_TYPE_BOOLEAN);
    sl_field field = { .name = "b", .type = type, .nullable = true };
    sl_schema s = { .field_count = 1, .fields = &field };
    for (uint32_t rows = 1; rows <= 130; rows++) {
        sl_bytes out[2] = { { 0 } };
        for (uint64_t junk = 0; junk < 2; junk++) {
            sl_chunk *c = sl_chunk_new(1, rows);
            void *to;
            uint64_t *valid;
            OK(sl_column_alloc(type, rows, true, NULL, &c->columns[0], &to, &valid,
                               NULL));
            memset(to, junk != 0 ? 0xff : 0, sl_bitmap_words(rows) * 8);
            memset(valid, junk != 0 ? 0xff : 0, sl_bitmap_words(rows) * 8);
            for (uint32_t i = 0; i < rows; i++) {
                sl_bitmap_put(valid, i, i % 3 != 0);
                if (i % 3 != 0)
                    sl_bitmap_put((uint64_t *)to, i, i % 5 < 2);
            }
            assert_comes_back(c, &s, 32 + 2 + 2 * (((size_t)rows + 7) / 8));
            sl_chunk_write(c, &out[junk]);
            sl_chunk_unref(c);
        }
        assert_true(sl_span_equal(sl_bytes_span(&out[0]), sl_bytes_span(&out[1])));
        sl_bytes_deinit(&out[0]);
        sl_bytes_deinit(&out[1]);
    }
}

/* ---- any rows ---- */

/* A seed's columns have a spread of their own each, so that all widths come. */
static sl_chunk *random_chunk(const sl_schema *s, uint64_t *seed)
{
    uint32_t rows = (uint32_t)(fixture_random(seed) % 1200);
    uint32_t null_in = (uint32_t)(fixture_random(seed) % 4);
    sl_chunk_builder b;
    OK(sl_chunk_builder_init(&b, s, 4, NULL, NULL));
    for (uint32_t k = 0; k < s->field_count; k++) {
        sl_column_builder *to = &b.columns[k];
        uint32_t shift = (uint32_t)(fixture_random(seed) % 64);
        uint64_t base = fixture_random(seed) >> (fixture_random(seed) % 64);
        bool is_fixture = !(to->type->id == SL_TYPE_LONG || to->type->id == SL_TYPE_INT ||
                            to->type->id == SL_TYPE_SHORT);
        for (uint32_t i = 0; i < rows; i++) {
            uint64_t r = fixture_random(seed);
            if (is_fixture || (null_in != 0 && r % (3 * null_in) == 0))
                fixture_value(to, seed, null_in);
            else if (to->type->id == SL_TYPE_LONG)
                OK(sl_column_builder_i64(to, (int64_t)(base + (r >> shift)), NULL));
            else
                OK(sl_column_builder_i32(to, (int32_t)(base + (r >> shift)), NULL));
        }
    }
    return sl_chunk_builder_finish(&b, rows);
}

static void write__of_any_rows_comes_back_and_is_the_same_for_the_same_rows(void **state)
{
    (void)state;
    for (uint64_t first = 20261126; first < 20261126 + 60; first++) {
        uint64_t seed = first;
        print_message("seed %llu\n", (unsigned long long)first);
        sl_chunk *whole = random_chunk(&schema, &seed), *some, *flat, *back;
        uint16_t picked[SL_CHUNK_ROWS_MAX];
        uint32_t n = 0, part = 1 + (uint32_t)(fixture_random(&seed) % 5);
        for (uint32_t i = 0; i < whole->row_count; i++)
            if (fixture_random(&seed) % part == 0)
                picked[n++] = (uint16_t)i;
        OK(sl_chunk_select(whole, picked, n, &some, NULL));
        OK(sl_chunk_flatten(some, NULL, &flat, NULL));
        assert_comes_back(whole, &schema, 0);
        sl_bytes a = { 0 }, b = { 0 }, again = { 0 };
        sl_chunk_write(some, &a);
        sl_chunk_write(flat, &b);
        OK(sl_chunk_read(sl_bytes_span(&a), &schema, NULL, &back, NULL));
        assert_same_rows(some, back);
        sl_chunk_write(back, &again);
        assert_true(sl_span_equal(sl_bytes_span(&a), sl_bytes_span(&b)));
        assert_true(sl_span_equal(sl_bytes_span(&a), sl_bytes_span(&again)));
        sl_bytes_deinit(&a);
        sl_bytes_deinit(&b);
        sl_bytes_deinit(&again);
        sl_chunk_unref(back);
        sl_chunk_unref(flat);
        sl_chunk_unref(some);
        sl_chunk_unref(whole);
    }
}

static sl_code read_and_drop(const uint8_t *data, size_t size)
{
    /* An exact copy on the heap, so that the sanitizer sees a read past the end. */
    uint8_t *copy = test_malloc(size + (size == 0));
    memcpy(copy, data, size);
    sl_chunk *c = NULL;
    sl_code code = sl_chunk_read(sl_span_of(copy, size), &schema, NULL, &c, NULL);
    if (code == SL_OK)
        for (uint32_t i = 0; i < c->column_count; i++)
            for (uint32_t r = 0; r < c->row_count; r++)
                (void)sl_column_compare(&c->columns[i], r, &c->columns[i], 0);
    sl_chunk_unref(c);
    test_free(copy);
    return code;
}

static void sign(sl_bytes *frame) /* make the size and crc right again */
{
    uint64_t payload = frame->size_bytes - 32;
    memcpy(frame->data + 16, &payload, 8);
    uint32_t crc = sl_crc32c(0, frame->data, 24);
    crc = sl_crc32c(crc, frame->data + 32, payload);
    memcpy(frame->data + 24, &crc, 4);
}

static void read__refuses_every_truncation(void **state)
{
    (void)state;
    sl_chunk *c = fixture_chunk(&schema, 9, 3, 4);
    sl_bytes out = { 0 };
    sl_chunk_write(c, &out);
    size_t whole = out.size_bytes;
    for (size_t n = 0; n < whole; n++)
        assert_int_equal(read_and_drop(out.data, n), SL_ECORRUPT);
    for (size_t n = whole - 1; n >= 32; n--) { /* and with a crc that fits */
        out.size_bytes = n;
        sign(&out);
        assert_int_equal(read_and_drop(out.data, n), SL_ECORRUPT);
    }
    sl_bytes_deinit(&out);
    sl_chunk_unref(c);
}

static void read__refuses_every_flipped_byte(void **state)
{
    (void)state;
    sl_chunk *c = fixture_chunk(&schema, 9, 3, 4);
    sl_bytes out = { 0 };
    sl_chunk_write(c, &out);
    for (size_t at = 0; at < out.size_bytes; at++)
        for (unsigned v = 1; v < 256; v = v * 2 + 1) {
            out.data[at] = (uint8_t)(out.data[at] ^ v);
            assert_int_equal(read_and_drop(out.data, out.size_bytes), SL_ECORRUPT);
            out.data[at] = (uint8_t)(out.data[at] ^ v);
        }
    sl_bytes_deinit(&out);
    sl_chunk_unref(c);
}

static void read__is_safe_on_signed_hostile_bytes(void **state)
{
    (void)state;
    sl_chunk *c = fixture_chunk(&schema, 9, 3, 4);
    sl_bytes out = { 0 };
    sl_chunk_write(c, &out);
    for (size_t at = 0; at < out.size_bytes; at++)
        for (unsigned v = 1; v < 256; v = v * 2 + 1) {
            out.data[at] = (uint8_t)(out.data[at] ^ v);
            sign(&out);
            sl_code code = read_and_drop(out.data, out.size_bytes);
            assert_true(code == SL_OK || code == SL_ECORRUPT);
            out.data[at] = (uint8_t)(out.data[at] ^ v);
        }
    sl_bytes_deinit(&out);
    sl_chunk_unref(c);
}

/* ---- without a checksum ---- */

static void write_enveloped__differs_in_the_checksum_only(void **state)
{
    (void)state;
    sl_chunk *c = selected_chunk(100, 3), *back;
    sl_bytes with = { 0 }, without = { 0 };
    sl_chunk_write(c, &with);
    sl_chunk_write_enveloped(c, &without);
    assert_int_equal(with.size_bytes, without.size_bytes);
    OK(sl_chunk_read(sl_bytes_span(&without), &schema, NULL, &back, NULL));
    assert_same_rows(c, back);
    without.data[6] = 1; /* says that it has one */
    assert_int_equal(read_and_drop(without.data, without.size_bytes), SL_ECORRUPT);
    memcpy(without.data + 24, with.data + 24, 4);
    assert_true(sl_span_equal(sl_bytes_span(&with), sl_bytes_span(&without)));
    with.data[6] = 0; /* says that it has none */
    assert_int_equal(read_and_drop(with.data, with.size_bytes), SL_ECORRUPT);
    sl_chunk_unref(back);
    sl_chunk_unref(c);
    sl_bytes_deinit(&with);
    sl_bytes_deinit(&without);
}

static void read__is_safe_on_enveloped_hostile_bytes(void **state)
{
    (void)state;
    sl_chunk *c = fixture_chunk(&schema, 9, 3, 4);
    sl_bytes out = { 0 };
    sl_chunk_write_enveloped(c, &out);
    size_t whole = out.size_bytes;
    for (size_t at = 0; at < whole; at++)
        for (unsigned v = 1; v < 256; v++) {
            out.data[at] = (uint8_t)(out.data[at] ^ v);
            sl_code code = read_and_drop(out.data, whole);
            assert_true(code == SL_ECORRUPT || (code == SL_OK && at >= 32));
            out.data[at] = (uint8_t)(out.data[at] ^ v);
        }
    for (uint64_t payload = 0; payload < whole - 32; payload++) {
        memcpy(out.data + 16, &payload, 8);
        assert_int_equal(read_and_drop(out.data, 32 + payload), SL_ECORRUPT);
    }
    sl_bytes_deinit(&out);
    sl_chunk_unref(c);
}

/* A header without a checksum, then these bytes of one column. */
static sl_code read_column(sl_type_id id, uint32_t rows, sl_span column, sl_chunk **ret)
{
    sl_field field = { .name = "n", .type = sl_type_of(id) };
    sl_schema s = { .field_count = 1, .fields = &field };
    sl_bytes b = { 0 };
    sl_bytes_text(&b, "SLCK");
    sl_bytes_u32(&b, 2);
    sl_bytes_u32(&b, rows);
    sl_bytes_u32(&b, 1);
    sl_bytes_u64(&b, column.size_bytes);
    sl_bytes_u64(&b, 0);
    sl_bytes_append(&b, column.data, column.size_bytes);
    *ret = NULL;
    sl_code code = sl_chunk_read(sl_bytes_span(&b), &s, NULL, ret, NULL);
    sl_bytes_deinit(&b);
    return code;
}

static void read__refuses_widths_that_cannot_be(void **state)
{
    (void)state;
    for (unsigned width = 0; width < 256; width++) {
        uint8_t bytes[2 + 1 + 4 + 2 * 255] = { SL_TYPE_INT, 0, (uint8_t)width };
        bool fits = width == 0 || width == 1 || width == 2 || width == 4;
        size_t size = 3u + (width < 4 ? 4u : 0u) + 2 * (size_t)width;
        sl_chunk *c;
        assert_int_equal(read_column(SL_TYPE_INT, 2, sl_span_of(bytes, size), &c),
                         fits ? SL_OK : SL_ECORRUPT);
        sl_chunk_unref(c);
    }
}

static void read__wraps_a_base_and_a_difference_that_do_not_fit(void **state)
{
    (void)state;
    static const uint8_t bytes[] = { SL_TYPE_INT, 0, 1, 0xff, 0xff, 0xff, 0x7f, 0, 1, 2 };
    sl_chunk *c;
    OK(read_column(SL_TYPE_INT, 3, sl_span_of(bytes, sizeof bytes), &c));
    assert_int_equal(sl_column_i32(&c->columns[0])[0], INT32_MAX);
    assert_int_equal(sl_column_i32(&c->columns[0])[1], INT32_MIN);
    assert_int_equal(sl_column_i32(&c->columns[0])[2], INT32_MIN + 1);
    sl_chunk_unref(c);
}

static void read__refuses_lengths_without_their_bytes(void **state)
{
    (void)state;
    static const uint32_t bases[] = { 3, 13, 1u << 30, (1u << 30) + 1, UINT32_MAX };
    for (uint32_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        uint8_t bytes[] = { SL_TYPE_STRING, 0, 0, 0, 0, 0, 0, 'a', 'b' };
        memcpy(bytes + 3, &bases[i], 4);
        sl_chunk *c;
        for (uint32_t rows = 1; rows <= SL_CHUNK_ROWS_MAX; rows *= 2)
            assert_int_equal(
                read_column(SL_TYPE_STRING, rows, sl_span_of(bytes, sizeof bytes), &c),
                SL_ECORRUPT);
    }
}

static void read__refuses_another_schema(void **state)
{
    (void)state;
    sl_chunk *c = fixture_chunk(&schema, 9, 3, 4), *back = NULL;
    sl_bytes out = { 0 };
    sl_error err;
    sl_chunk_write(c, &out);
    sl_schema fewer = { .field_count = 3, .fields = schema.fields };
    assert_int_equal(sl_chunk_read(sl_bytes_span(&out), &fewer, NULL, &back, &err),
                     SL_ECORRUPT);
    sl_field fields[FIXTURE_COLUMNS];
    memcpy(fields, schema.fields, sizeof fields);
    fields[0].type = sl_type_of(SL_TYPE_LONG);
    sl_schema other = { .field_count = FIXTURE_COLUMNS, .fields = fields };
    assert_int_equal(sl_chunk_read(sl_bytes_span(&out), &other, NULL, &back, &err),
                     SL_ECORRUPT);
    assert_non_null(strstr(err.text, "the schema says long"));
    assert_null(back);
    sl_bytes_deinit(&out);
    sl_chunk_unref(c);
}

static void read__charges_the_budget_and_fails_at_it(void **state)
{
    (void)state;
    sl_chunk *c = fixture_chunk(&schema, 500, 3, 4), *back;
    sl_bytes out = { 0 };
    sl_budget budget;
    sl_chunk_write(c, &out);
    sl_budget_init(&budget, NULL, "test", 1 << 20);
    OK(sl_chunk_read(sl_bytes_span(&out), &schema, &budget, &back, NULL));
    assert_true(sl_budget_used(&budget) > 0);
    sl_chunk_unref(back);
    assert_int_equal(sl_budget_used(&budget), 0);
    sl_budget_init(&budget, NULL, "test", 5000);
    assert_int_equal(sl_chunk_read(sl_bytes_span(&out), &schema, &budget, &back, NULL),
                     SL_EBUDGET);
    assert_int_equal(sl_budget_used(&budget), 0);
    sl_bytes_deinit(&out);
    sl_chunk_unref(c);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(flatten__keeps_the_selected_rows_only),
        T(project__shares_columns_and_selection),
        T(read__gives_back_every_type_with_and_without_selection),
        T(write__makes_equal_bytes_of_equal_rows),
        T(read__counts_rows_without_columns),
        T(write__makes_the_golden_bytes),
        T(read__takes_version_1),
        T(integers__take_the_bytes_their_spread_needs),
        T(integers__of_few_rows_are_plain),
        T(write__does_not_see_what_lies_under_a_null),
        T(strings__take_the_bytes_their_lengths_need),
        T(write__does_not_see_the_string_under_a_null),
        T(write__does_not_see_bits_past_the_rows_or_under_a_null),
        T(write__of_any_rows_comes_back_and_is_the_same_for_the_same_rows),
        T(read__refuses_every_truncation),
        T(read__refuses_every_flipped_byte),
        T(read__is_safe_on_signed_hostile_bytes),
        T(write_enveloped__differs_in_the_checksum_only),
        T(read__is_safe_on_enveloped_hostile_bytes),
        T(read__refuses_widths_that_cannot_be),
        T(read__wraps_a_base_and_a_difference_that_do_not_fit),
        T(read__refuses_lengths_without_their_bytes),
        T(read__refuses_another_schema),
        T(read__charges_the_budget_and_fails_at_it),
    };
    return cmocka_run_group_tests_name("engine/columnar/chunk", tests, NULL, NULL);
}
