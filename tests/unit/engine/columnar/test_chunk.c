/* Unit tests of engine/columnar/chunk*.c. Name: function__sentence_that_must_hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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

/* Version 1 is frozen: docs/formats/chunk.md shows these bytes. */
static void write__makes_the_golden_bytes(void **state)
{
    (void)state;
    static const uint8_t golden[] = {
        'S', 'L', 'C', 'K', 1, 0, 0, 0, 2, 0, 0, 0, 2,   0,   0,   0,   34,
        0,   0,   0,   0,   0, 0, 0, 0, 0, 0, 0, 0, 0,   0,   0, /* crc at 24 */
        5,   1,   1,   7,   0, 0, 0, 0, 0, 0, 0, 0, 0,   0,   0,   0,   0,
        0,   0,   9,   0,   2, 0, 0, 0, 3, 0, 0, 0, 'h', 'i', 'y', 'o', 'u',
    };
    sl_field fields[] = { { .name = "n", .type = sl_type_of(SL_TYPE_LONG) },
                          { .name = "s", .type = sl_type_of(SL_TYPE_STRING) } };
    sl_schema s = { .field_count = 2, .fields = fields };
    sl_chunk_builder b;
    OK(sl_chunk_builder_init(&b, &s, 2, NULL, NULL));
    OK(sl_column_builder_i64(&b.columns[0], 7, NULL));
    OK(sl_column_builder_null(&b.columns[0], NULL));
    OK(sl_column_builder_string(&b.columns[1], "hi", 2, NULL));
    OK(sl_column_builder_string(&b.columns[1], "you", 3, NULL));
    sl_chunk *c = sl_chunk_builder_finish(&b, 0);
    sl_bytes out = { 0 };
    sl_chunk_write(c, &out);
    assert_int_equal(out.size_bytes, sizeof golden);
    assert_memory_equal(out.data, golden, 24);
    assert_memory_equal(out.data + 28, golden + 28, sizeof golden - 28);
    sl_bytes_deinit(&out);
    sl_chunk_unref(c);
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
        T(read__refuses_every_truncation),
        T(read__refuses_every_flipped_byte),
        T(read__is_safe_on_signed_hostile_bytes),
        T(read__refuses_another_schema),
        T(read__charges_the_budget_and_fails_at_it),
    };
    return cmocka_run_group_tests_name("engine/columnar/chunk", tests, NULL, NULL);
}
