/* Unit tests of engine/columnar/type*.c. Name: function__sentence_that_must_hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/limits.h"
#include "tests/unit/engine/columnar/columnar_fixture.h"

static sl_arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = sl_arena_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sl_arena_free(arena);
    return 0;
}

static const sl_type *nested(void)
{
    sl_field element = { .type = sl_type_of(SL_TYPE_INT), .nullable = false };
    sl_type array = { .id = SL_TYPE_ARRAY,
                      .field_count = 1,
                      .fields = sl_arena_memdup(arena, &element, sizeof element) };
    sl_field pair[2] = { { .type = sl_type_of(SL_TYPE_STRING) },
                         { .type = sl_type_of(SL_TYPE_LONG), .nullable = true } };
    sl_type map = { .id = SL_TYPE_MAP,
                    .field_count = 2,
                    .fields = sl_arena_memdup(arena, pair, sizeof pair) };
    sl_type decimal = { .id = SL_TYPE_DECIMAL, .precision = 10, .scale = 2 };
    sl_field fields[] = {
        { .name = "a", .type = sl_arena_memdup(arena, &array, sizeof array) },
        { .name = "m m",
          .type = sl_arena_memdup(arena, &map, sizeof map),
          .nullable = true },
        { .name = "d",
          .type = sl_arena_memdup(arena, &decimal, sizeof decimal),
          .nullable = true,
          .is_window = true,
          .has_watermark = true,
          .watermark_delay_us = -5,
          .watermark_id = 7 },
    };
    return sl_type_struct(arena, fields, 3);
}

static void type_simple__names_types_as_ddl_does(void **state)
{
    (void)state;
    sl_bytes out = { 0 };
    sl_type_simple(nested(), &out);
    assert_string_equal(TEXT(out),
                        "struct<a:array<int>,m m:map<string,bigint>,d:decimal(10,2)>");
    sl_bytes_deinit(&out);
}

static void type_sql__quotes_names_and_says_not_null(void **state)
{
    (void)state;
    sl_bytes out = { 0 };
    sl_type_sql(nested(), &out);
    assert_string_equal(TEXT(out), "STRUCT<a: ARRAY<INT> NOT NULL, `m m`: MAP<STRING, "
                                   "BIGINT>, d: DECIMAL(10,2)>");
    sl_bytes_deinit(&out);
}

/* spark:O16 and the golden of spark 5.5 */
static void schema_tree__prints_the_golden_of_print_schema(void **state)
{
    (void)state;
    sl_field tag = { .type = sl_type_of(SL_TYPE_STRING), .nullable = true };
    sl_field pair[2] = { { .type = sl_type_of(SL_TYPE_STRING) },
                         { .type = sl_type_of(SL_TYPE_LONG), .nullable = true } };
    sl_type tags = { .id = SL_TYPE_ARRAY, .field_count = 1, .fields = &tag };
    sl_type map = { .id = SL_TYPE_MAP, .field_count = 2, .fields = pair };
    sl_field fields[] = {
        { .name = "id", .type = sl_type_of(SL_TYPE_STRING), .nullable = true },
        { .name = "window", .type = sl_type_window(sl_type_of(SL_TYPE_TIMESTAMP)) },
        { .name = "tags", .type = &tags, .nullable = true },
        { .name = "m", .type = &map, .nullable = true },
    };
    sl_schema schema = { .field_count = 4, .fields = fields };
    sl_bytes out = { 0 };
    sl_schema_tree(&schema, &out);
    assert_string_equal(TEXT(out), "root\n"
                                   " |-- id: string (nullable = true)\n"
                                   " |-- window: struct (nullable = false)\n"
                                   " |    |-- start: timestamp (nullable = true)\n"
                                   " |    |-- end: timestamp (nullable = true)\n"
                                   " |-- tags: array (nullable = true)\n"
                                   " |    |-- element: string (containsNull = true)\n"
                                   " |-- m: map (nullable = true)\n"
                                   " |    |-- key: string\n"
                                   " |    |-- value: long (valueContainsNull = true)\n"
                                   "\n");
    sl_bytes_deinit(&out);
}

static void type_equal__minds_names_and_parameters_but_not_nullability(void **state)
{
    (void)state;
    sl_field a = { .name = "a", .type = sl_type_of(SL_TYPE_INT), .nullable = true };
    sl_field not_null = a, renamed = a, other = a;
    not_null.nullable = false;
    renamed.name = "A";
    other.type = sl_type_of(SL_TYPE_LONG);
    const sl_type *t = sl_type_struct(arena, &a, 1);
    assert_true(sl_type_equal(t, sl_type_struct(arena, &not_null, 1)));
    assert_false(sl_type_equal(t, sl_type_struct(arena, &renamed, 1)));
    assert_false(sl_type_equal(t, sl_type_struct(arena, &other, 1)));
    assert_false(sl_type_equal(t, sl_type_struct(arena, &a, 0)));
    sl_type d1 = { .id = SL_TYPE_DECIMAL, .precision = 10, .scale = 2 }, d2 = d1;
    assert_true(sl_type_equal(&d1, &d2));
    d2.scale = 3;
    assert_false(sl_type_equal(&d1, &d2));
}

static void schema_find__prefers_the_exact_name_and_sees_ambiguity(void **state)
{
    (void)state;
    sl_field fields[] = { { .name = "Ab" }, { .name = "ab" }, { .name = "c" },
                          { .name = "C" },  { .name = "d" },  { .name = "d" } };
    sl_schema s = { .field_count = 6, .fields = fields };
    assert_int_equal(sl_schema_find(&s, "ab"), 1);
    assert_int_equal(sl_schema_find(&s, "AB"), -2);
    assert_int_equal(sl_schema_find(&s, "d"), -2);
    assert_int_equal(sl_schema_find(&s, "x"), -1);
    s.field_count = 3;
    assert_int_equal(sl_schema_find(&s, "C"), 2);
}

static void type_copy__is_equal_and_lives_in_the_other_arena(void **state)
{
    (void)state;
    sl_arena *other = sl_arena_new();
    const sl_type *copy = sl_type_copy(nested(), other);
    sl_arena_reset(arena);
    assert_true(sl_type_equal(copy, nested()));
    assert_true(copy->fields[2].has_watermark);
    sl_arena_free(other);
}

static void type_read__gives_back_what_was_written(void **state)
{
    (void)state;
    const sl_type *t = nested(), *back;
    sl_bytes out = { 0 };
    sl_type_write(t, &out);
    sl_reader r = sl_reader_of(sl_bytes_span(&out));
    OK(sl_type_read(&r, arena, &back, NULL));
    assert_true(sl_reader_done(&r));
    assert_true(sl_type_equal(t, back));
    const sl_field *d = &back->fields[2];
    assert_true(d->nullable && d->is_window && d->has_watermark);
    assert_int_equal(d->watermark_delay_us, -5);
    assert_int_equal(d->watermark_id, 7);
    assert_false(back->fields[0].nullable);
    sl_bytes_deinit(&out);
}

static void schema_read__gives_back_what_was_written(void **state)
{
    (void)state;
    sl_schema s = fixture_schema(arena), *back;
    sl_bytes out = { 0 };
    sl_schema_write(&s, &out);
    sl_reader r = sl_reader_of(sl_bytes_span(&out));
    OK(sl_schema_read(&r, arena, &back, NULL));
    assert_int_equal(back->field_count, s.field_count);
    for (uint32_t i = 0; i < s.field_count; i++) {
        assert_string_equal(back->fields[i].name, s.fields[i].name);
        assert_true(sl_type_equal(back->fields[i].type, s.fields[i].type));
    }
    sl_bytes_deinit(&out);
}

static void type_read__refuses_every_cut_and_survives_every_flip(void **state)
{
    (void)state;
    const sl_type *back;
    sl_bytes out = { 0 };
    sl_type_write(nested(), &out);
    for (size_t n = 0; n < out.size_bytes; n++) {
        sl_reader r = sl_reader_of(sl_span_of(out.data, n));
        assert_int_equal(sl_type_read(&r, arena, &back, NULL), SL_ECORRUPT);
    }
    for (size_t at = 0; at < out.size_bytes; at++)
        for (unsigned v = 1; v < 256; v++) {
            out.data[at] = (uint8_t)(out.data[at] ^ v);
            sl_reader r = sl_reader_of(sl_bytes_span(&out));
            sl_code code = sl_type_read(&r, arena, &back, NULL);
            assert_true(code == SL_OK || code == SL_ECORRUPT);
            out.data[at] = (uint8_t)(out.data[at] ^ v);
        }
    sl_bytes_deinit(&out);
}

static void type_read__refuses_a_type_nested_too_deep(void **state)
{
    (void)state;
    const sl_type *t = sl_type_of(SL_TYPE_INT), *back;
    for (int depth = 1; depth <= SL_TYPE_DEPTH_MAX; depth++) {
        sl_bytes out = { 0 };
        sl_error err;
        sl_type_write(t, &out);
        sl_reader r = sl_reader_of(sl_bytes_span(&out));
        OK(sl_type_read(&r, arena, &back, &err));
        sl_bytes_deinit(&out);
        sl_field f = { .name = "f", .type = t };
        t = sl_type_struct(arena, &f, 1);
    }
    sl_bytes out = { 0 };
    sl_error err;
    sl_type_write(t, &out);
    sl_reader r = sl_reader_of(sl_bytes_span(&out));
    assert_int_equal(sl_type_read(&r, arena, &back, &err), SL_ECORRUPT);
    assert_string_equal(err.text, "type: nested deeper than 32");
    sl_bytes_deinit(&out);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(type_simple__names_types_as_ddl_does),
        T(type_sql__quotes_names_and_says_not_null),
        T(schema_tree__prints_the_golden_of_print_schema),
        T(type_equal__minds_names_and_parameters_but_not_nullability),
        T(schema_find__prefers_the_exact_name_and_sees_ambiguity),
        T(type_copy__is_equal_and_lives_in_the_other_arena),
        T(type_read__gives_back_what_was_written),
        T(schema_read__gives_back_what_was_written),
        T(type_read__refuses_every_cut_and_survives_every_flip),
        T(type_read__refuses_a_type_nested_too_deep),
    };
    return cmocka_run_group_tests_name("engine/columnar/type", tests, NULL, NULL);
}
