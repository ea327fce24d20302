/* Unit tests of engine/columnar/column*.c. Name: function__sentence_that_must_hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
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

static void string_view__orders_bytes_as_unsigned_and_shorter_first(void **state)
{
    (void)state;
    static const char *const ordered[] = { "",
                                           "a",
                                           "a long string, far past twelve",
                                           "a long string, far past twelvf",
                                           "ab",
                                           "b",
                                           "\xc3\xa9" };
    for (int i = 0; i < 7; i++)
        for (int j = 0; j < 7; j++) {
            sl_string_view a =
                sl_string_view_make(ordered[i], (uint32_t)strlen(ordered[i]));
            sl_string_view b =
                sl_string_view_make(ordered[j], (uint32_t)strlen(ordered[j]));
            assert_int_equal(sl_string_compare(&a, &b), (i > j) - (i < j));
            assert_int_equal(sl_string_equal(&a, &b), i == j);
        }
}

static void builder_null__leaves_earlier_values_valid(void **state)
{
    (void)state;
    sl_column_builder b;
    sl_column c;
    OK(sl_column_builder_init(&b, sl_type_of(SL_TYPE_LONG), 0, NULL, NULL));
    for (int64_t i = 0; i < 1000; i++)
        if (i == 500)
            OK(sl_column_builder_null(&b, NULL));
        else
            OK(sl_column_builder_i64(&b, i, NULL));
    sl_column_builder_finish(&b, &c);
    assert_int_equal(c.length, 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(sl_column_is_valid(&c, i), i != 500);
        if (i != 500)
            assert_int_equal(sl_column_i64(&c)[i], i);
    }
    sl_column_release(&c);
}

static void builder_string__keeps_long_strings_across_heaps(void **state)
{
    (void)state;
    sl_column_builder b;
    sl_column c;
    char text[3000];
    memset(text, 'x', sizeof text);
    OK(sl_column_builder_init(&b, sl_type_of(SL_TYPE_STRING), 8, NULL, NULL));
    for (uint32_t i = 0; i < 3000; i++) {
        memcpy(text, &i, 4);
        OK(sl_column_builder_string(&b, text, i, NULL));
    }
    sl_column_builder_finish(&b, &c);
    for (uint32_t i = 4; i < 3000; i++) {
        const sl_string_view *v = &sl_column_strings(&c)[i];
        assert_int_equal(v->length, i);
        assert_memory_equal(sl_string_data(v), &i, 4);
    }
    sl_column_release(&c);
}

static void builder_share__keeps_the_buffer_as_long_as_the_column(void **state)
{
    (void)state;
    sl_buffer *buffer;
    sl_column_builder b;
    sl_column c;
    OK(sl_buffer_new(64, NULL, &buffer, NULL));
    memcpy(buffer->data, "a string past twelve", 20);
    OK(sl_column_builder_init(&b, sl_type_of(SL_TYPE_STRING), 1, NULL, NULL));
    sl_column_builder_share(&b, buffer);
    sl_column_builder_share(&b, buffer);
    OK(sl_column_builder_string_view(
        &b, sl_string_view_make((const char *)buffer->data, 20), NULL));
    sl_buffer_unref(buffer);
    sl_column_builder_finish(&b, &c);
    assert_memory_equal(sl_string_data(&sl_column_strings(&c)[0]), "a string past twelve",
                        20);
    sl_column_release(&c);
}

static void builder_copy__copies_rows_of_every_type(void **state)
{
    (void)state;
    sl_chunk *chunk = fixture_chunk(&schema, 200, 5, 1);
    for (uint32_t i = 0; i < schema.field_count; i++) {
        const sl_column *from = &chunk->columns[i];
        sl_column_builder b;
        sl_column c;
        OK(sl_column_builder_init(&b, schema.fields[i].type, 0, NULL, NULL));
        for (uint32_t r = 0; r < 200; r++)
            OK(sl_column_builder_copy(&b, from, 199 - r, NULL));
        sl_column_builder_finish(&b, &c);
        for (uint32_t r = 0; r < 200; r++)
            assert_int_equal(sl_column_compare(&c, r, from, 199 - r), 0);
        sl_column_release(&c);
    }
    sl_chunk_unref(chunk);
}

static void gather__picks_rows_of_every_type_and_outlives_its_source(void **state)
{
    (void)state;
    for (uint32_t null_in = 0; null_in < 6; null_in += 5) {
        sl_chunk *chunk = fixture_chunk(&schema, 300, null_in, 2);
        sl_chunk *twin = fixture_chunk(&schema, 300, null_in, 2);
        uint16_t rows[400];
        for (uint32_t i = 0; i < 400; i++)
            rows[i] = (uint16_t)(i * 7 % 300);
        sl_column picked[FIXTURE_COLUMNS];
        for (uint32_t i = 0; i < schema.field_count; i++)
            OK(sl_column_gather(&chunk->columns[i], rows, 400, NULL, &picked[i], NULL));
        sl_chunk_unref(chunk);
        for (uint32_t i = 0; i < schema.field_count; i++) {
            for (uint32_t r = 0; r < 400; r++)
                assert_int_equal(
                    sl_column_compare(&picked[i], r, &twin->columns[i], rows[r]), 0);
            sl_column_release(&picked[i]);
        }
        sl_chunk_unref(twin);
    }
}

static void nulls__is_null_in_every_row_and_child(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < schema.field_count; i++) {
        sl_column c;
        OK(sl_column_nulls(schema.fields[i].type, 70, NULL, &c, NULL));
        assert_int_equal(c.length, 70);
        for (uint32_t r = 0; r < 70; r++) {
            assert_false(sl_column_is_valid(&c, r));
            for (uint32_t k = 0; k < c.child_count; k++)
                assert_false(sl_column_is_valid(&c.children[k], r));
        }
        sl_column_release(&c);
    }
}

static void alloc__gives_memory_to_write_and_all_rows_valid(void **state)
{
    (void)state;
    sl_column c, again;
    void *values;
    uint64_t *validity;
    OK(sl_column_alloc(sl_type_of(SL_TYPE_INT), 100, true, NULL, &c, &values, &validity,
                       NULL));
    memset(values, 0, 400);
    assert_true(sl_column_is_valid(&c, 99));
    sl_bitmap_clear(validity, 99);
    sl_column_ref(&c, &again);
    sl_column_release(&c);
    assert_int_equal(c.buffer_count, 0);
    assert_false(sl_column_is_valid(&again, 99));
    assert_int_equal(sl_column_i32(&again)[98], 0);
    sl_column_release(&again);
}

static void alloc__refuses_types_that_have_no_columns(void **state)
{
    (void)state;
    sl_type decimal = { .id = SL_TYPE_DECIMAL, .precision = 10 };
    sl_column c;
    sl_column_builder b;
    sl_error err;
    void *values;
    assert_int_equal(sl_column_alloc(&decimal, 1, false, NULL, &c, &values, NULL, &err),
                     SL_EUNSUPPORTED);
    assert_string_equal(err.text, "columns of type decimal are not supported");
    assert_int_equal(sl_column_builder_init(&b, &decimal, 1, NULL, &err),
                     SL_EUNSUPPORTED);
}

static void make_struct__takes_its_children(void **state)
{
    (void)state;
    const sl_type *window = sl_type_window(sl_type_of(SL_TYPE_TIMESTAMP));
    sl_column children[2], c;
    int64_t *values[2];
    for (int i = 0; i < 2; i++) {
        void *memory;
        OK(sl_column_alloc(sl_type_of(SL_TYPE_TIMESTAMP), 3, false, NULL, &children[i],
                           &memory, NULL, NULL));
        values[i] = memory;
        for (int r = 0; r < 3; r++)
            values[i][r] = 10 * i + r;
    }
    sl_column_make_struct(window, 3, children, NULL, &c);
    assert_null(children[0].values);
    assert_int_equal(c.child_count, 2);
    assert_int_equal(sl_column_i64(&c.children[1])[2], 12);
    sl_column_release(&c);
}

static void compare__puts_null_first_and_nan_last(void **state)
{
    (void)state;
    sl_column_builder b;
    sl_column c;
    OK(sl_column_builder_init(&b, sl_type_of(SL_TYPE_DOUBLE), 5, NULL, NULL));
    OK(sl_column_builder_null(&b, NULL));
    OK(sl_column_builder_f64(&b, -0.0, NULL));
    OK(sl_column_builder_f64(&b, 0.0, NULL));
    OK(sl_column_builder_f64(&b, (double)INFINITY, NULL));
    OK(sl_column_builder_f64(&b, (double)NAN, NULL));
    sl_column_builder_finish(&b, &c);
    assert_int_equal(sl_column_compare(&c, 0, &c, 1), -1);
    assert_int_equal(sl_column_compare(&c, 1, &c, 2), 0);
    assert_int_equal(sl_column_compare(&c, 4, &c, 3), 1);
    assert_int_equal(sl_column_compare(&c, 4, &c, 4), 0);
    assert_int_equal(sl_column_compare(&c, 0, &c, 0), 0);
    sl_column_release(&c);
}

/* Fault sweep: the nth allocation fails; nothing leaks (the sanitizer looks). */
static void every_constructor__survives_each_failing_allocation(void **state)
{
    (void)state;
    sl_chunk *chunk = fixture_chunk(&schema, 100, 5, 3);
    uint16_t rows[3] = { 1, 2, 3 };
    const sl_type *nested = schema.fields[13].type;
    sl_code gathered = SL_ENOMEM, built = SL_ENOMEM, nulls = SL_ENOMEM;
    for (uint64_t n = 1; gathered != SL_OK || built != SL_OK || nulls != SL_OK; n++) {
        sl_column c;
        sl_column_builder b;
        sl_error err;
        assert_true(n < 100);
        sl_alloc_fail_after(n);
        gathered = sl_column_gather(&chunk->columns[13], rows, 3, NULL, &c, &err);
        if (gathered == SL_OK)
            sl_column_release(&c);
        sl_alloc_fail_after(n);
        nulls = sl_column_nulls(nested, 3, NULL, &c, &err);
        if (nulls == SL_OK)
            sl_column_release(&c);
        sl_alloc_fail_after(n);
        built = sl_column_builder_init(&b, nested, 3, NULL, &err);
        if (built == SL_OK) {
            for (uint32_t r = 0; r < 100 && built == SL_OK; r++)
                built = sl_column_builder_copy(&b, &chunk->columns[13], r, &err);
            sl_column_builder_deinit(&b);
        }
    }
    sl_alloc_fail_after(0);
    sl_chunk_unref(chunk);
}

static void builder__stops_at_its_budget(void **state)
{
    (void)state;
    sl_budget budget;
    sl_budget_init(&budget, NULL, "test", 4096);
    sl_column_builder b;
    sl_error err;
    OK(sl_column_builder_init(&b, sl_type_of(SL_TYPE_LONG), 0, &budget, &err));
    sl_code code = SL_OK;
    for (int i = 0; i < 10000 && code == SL_OK; i++)
        code = sl_column_builder_i64(&b, i, &err);
    assert_int_equal(code, SL_EBUDGET);
    sl_column_builder_deinit(&b);
    assert_int_equal(sl_budget_used(&budget), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(string_view__orders_bytes_as_unsigned_and_shorter_first),
        T(builder_null__leaves_earlier_values_valid),
        T(builder_string__keeps_long_strings_across_heaps),
        T(builder_share__keeps_the_buffer_as_long_as_the_column),
        T(builder_copy__copies_rows_of_every_type),
        T(gather__picks_rows_of_every_type_and_outlives_its_source),
        T(nulls__is_null_in_every_row_and_child),
        T(alloc__gives_memory_to_write_and_all_rows_valid),
        T(alloc__refuses_types_that_have_no_columns),
        T(make_struct__takes_its_children),
        T(compare__puts_null_first_and_nan_last),
        T(every_constructor__survives_each_failing_allocation),
        T(builder__stops_at_its_budget),
    };
    return cmocka_run_group_tests_name("engine/columnar/column", tests, NULL, NULL);
}
