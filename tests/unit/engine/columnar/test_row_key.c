/* Unit tests of engine/columnar/row_key*.c. Name: function__sentence_that_must_hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/hash.h"
#include "base/limits.h"
#include "engine/columnar/row_key.h"
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

static void pointers(const sl_chunk *c, const sl_column **ret)
{
    for (uint32_t i = 0; i < c->column_count; i++)
        ret[i] = &c->columns[i];
}

static sl_span key_at(const sl_row_keys *k, uint32_t i)
{
    return sl_span_of(k->batch.data + k->batch.offsets[i],
                      k->batch.offsets[i + 1] - k->batch.offsets[i]);
}

static int compare_keys(sl_span a, sl_span b)
{
    size_t common = a.size_bytes < b.size_bytes ? a.size_bytes : b.size_bytes;
    int order = common != 0 ? memcmp(a.data, b.data, common) : 0;
    if (order != 0)
        return order < 0 ? -1 : 1;
    return (a.size_bytes > b.size_bytes) - (a.size_bytes < b.size_bytes);
}

static int compare_rows(const sl_chunk *c, uint32_t a, uint32_t b)
{
    for (uint32_t i = 0; i < c->column_count; i++) {
        int order = sl_column_compare(&c->columns[i], a, &c->columns[i], b);
        if (order != 0)
            return order;
    }
    return 0;
}

/* One row of every kind of value, and the bytes docs/formats/key.md shows. */
static void encode__makes_the_golden_bytes(void **state)
{
    (void)state;
    static const uint8_t golden[] = {
        0x01, 0x01,                                                       /* true */
        0x01, 0x7f,                                                       /* -1 */
        0x01, 0x80, 0x02,                                                 /* 2 */
        0x01, 0x7f, 0xff, 0xff, 0xfd,                                     /* -3 */
        0x01, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04,             /* 4 */
        0x01, 0xbf, 0xc0, 0x00, 0x00,                                     /* 1.5f */
        0x01, 0x40, 0x07, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,             /* -1.5 */
        0x01, 'a',  0x00, 0xff, 'b',  0x00, 0x01,                         /* "a\0b" */
        0x01, 0x00, 0x01,                                                 /* empty */
        0x01, 0x80, 0x00, 0x00, 0x05,                                     /* date 5 */
        0x01, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,             /* -1 us */
        0x00,                                                             /* null */
        0x00,                                                             /* void */
        0x01, 0x01, 0x01, 0xff, 0xf8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* {{NaN, */
        0x00,                                                             /* null}, */
        0x01, 0x00,                                                       /* false} */
        0x01, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x09,             /* window 9 */
    };
    sl_chunk_builder b;
    OK(sl_chunk_builder_init(&b, &schema, 1, NULL, NULL));
    sl_column_builder *c = b.columns;
    OK(sl_column_builder_bool(&c[0], true, NULL));
    OK(sl_column_builder_i32(&c[1], -1, NULL));
    OK(sl_column_builder_i32(&c[2], 2, NULL));
    OK(sl_column_builder_i32(&c[3], -3, NULL));
    OK(sl_column_builder_i64(&c[4], 4, NULL));
    OK(sl_column_builder_f64(&c[5], 1.5, NULL));
    OK(sl_column_builder_f64(&c[6], -1.5, NULL));
    OK(sl_column_builder_string(&c[7], "a\0b", 3, NULL));
    OK(sl_column_builder_string(&c[8], "", 0, NULL));
    OK(sl_column_builder_i32(&c[9], 5, NULL));
    OK(sl_column_builder_i64(&c[10], -1, NULL));
    OK(sl_column_builder_null(&c[11], NULL));
    OK(sl_column_builder_null(&c[12], NULL));
    sl_column_builder *x = &c[13].children[0];
    OK(sl_column_builder_f64(&x->children[0], -(double)NAN, NULL));
    OK(sl_column_builder_null(&x->children[1], NULL));
    OK(sl_column_builder_struct(x, NULL));
    OK(sl_column_builder_bool(&c[13].children[1], false, NULL));
    OK(sl_column_builder_struct(&c[13], NULL));
    OK(sl_column_builder_i64(&c[14].children[0], 9, NULL));
    OK(sl_column_builder_i64(&c[14].children[1], 19, NULL));
    OK(sl_column_builder_struct(&c[14], NULL));
    sl_chunk *chunk = sl_chunk_builder_finish(&b, 0);

    const sl_column *columns[FIXTURE_COLUMNS];
    int64_t window_us[FIXTURE_COLUMNS] = { [14] = 10 };
    sl_row_keys k = { .window_us = window_us };
    pointers(chunk, columns);
    OK(sl_row_keys_encode(&k, columns, FIXTURE_COLUMNS, NULL, 1, NULL));
    assert_int_equal(key_at(&k, 0).size_bytes, sizeof golden);
    assert_memory_equal(key_at(&k, 0).data, golden, sizeof golden);
    assert_true(k.batch.hashes[0] == sl_hash64(golden, sizeof golden));
    sl_row_keys_deinit(&k);
    sl_chunk_unref(chunk);
}

/* Every column alone, then all together, with and without nulls and selection. */
static void encode__orders_bytes_as_compare_orders_rows(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        sl_chunk *chunk = fixture_chunk(&schema, 120, seed % 2 == 0 ? 0 : 4, seed);
        const sl_column *columns[FIXTURE_COLUMNS];
        uint16_t selection[120];
        uint32_t n = fixture_selection(120, selection);
        pointers(chunk, columns);
        for (uint32_t c = 0; c <= FIXTURE_COLUMNS; c++) {
            bool all = c == FIXTURE_COLUMNS, select = seed % 3 == 0;
            sl_row_keys k = { 0 };
            OK(sl_row_keys_encode(&k, all ? columns : &columns[c],
                                  all ? FIXTURE_COLUMNS : 1, select ? selection : NULL,
                                  select ? n : 120, NULL));
            for (uint32_t i = 0; i < k.batch.count; i++)
                for (uint32_t j = 0; j < k.batch.count; j++) {
                    uint32_t a = select ? selection[i] : i, b = select ? selection[j] : j;
                    int want = all ? compare_rows(chunk, a, b)
                                   : sl_column_compare(columns[c], a, columns[c], b);
                    if (compare_keys(key_at(&k, i), key_at(&k, j)) != want)
                        fail_msg("seed %u column %u rows %u and %u", (unsigned)seed, c, a,
                                 b);
                }
            sl_row_keys_deinit(&k);
        }
        sl_chunk_unref(chunk);
    }
}

static void decode__gives_back_the_rows(void **state)
{
    (void)state;
    const sl_type *types[FIXTURE_COLUMNS];
    for (uint32_t i = 0; i < FIXTURE_COLUMNS; i++)
        types[i] = schema.fields[i].type;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        sl_chunk *chunk = fixture_chunk(&schema, 150, seed % 2 == 0 ? 0 : 3, seed);
        const sl_column *columns[FIXTURE_COLUMNS];
        sl_row_keys k = { 0 };
        sl_span keys[150];
        pointers(chunk, columns);
        OK(sl_row_keys_encode(&k, columns, FIXTURE_COLUMNS, NULL, 150, NULL));
        for (uint32_t i = 0; i < 150; i++)
            keys[i] = key_at(&k, i);
        sl_chunk_builder b;
        OK(sl_chunk_builder_init(&b, &schema, 0, NULL, NULL));
        OK(sl_row_keys_decode(keys, 150, types, NULL, FIXTURE_COLUMNS, b.columns, NULL));
        sl_chunk *back = sl_chunk_builder_finish(&b, 0);
        for (uint32_t c = 0; c < FIXTURE_COLUMNS; c++)
            for (uint32_t i = 0; i < 150; i++)
                assert_int_equal(sl_column_compare(columns[c], i, &back->columns[c], i),
                                 0);
        sl_chunk_unref(back);
        sl_row_keys_deinit(&k);
        sl_chunk_unref(chunk);
    }
}

static void decode__makes_the_end_of_a_window_from_its_length(void **state)
{
    (void)state;
    const sl_type *window = schema.fields[14].type;
    const int64_t length = 600;
    sl_column_builder b;
    sl_column c, back;
    OK(sl_column_builder_init(&b, window, 0, NULL, NULL));
    for (int64_t i = 0; i < 3; i++) {
        OK(sl_column_builder_i64(&b.children[0], i * 300, NULL));
        OK(sl_column_builder_i64(&b.children[1], i * 300 + length, NULL));
        OK(sl_column_builder_struct(&b, NULL));
    }
    OK(sl_column_builder_null(&b, NULL));
    sl_column_builder_finish(&b, &c);
    const sl_column *columns[] = { &c }, *starts[] = { &c.children[0] };
    sl_row_keys k = { .window_us = &length }, of_start = { 0 };
    OK(sl_row_keys_encode(&k, columns, 1, NULL, 4, NULL));
    OK(sl_row_keys_encode(&of_start, starts, 1, NULL, 4, NULL));
    sl_span keys[4];
    for (uint32_t i = 0; i < 4; i++) {
        keys[i] = key_at(&k, i);
        assert_true(sl_span_equal(keys[i], key_at(&of_start, i)));
    }
    OK(sl_column_builder_init(&b, window, 0, NULL, NULL));
    OK(sl_row_keys_decode(keys, 4, &window, &length, 1, &b, NULL));
    sl_column_builder_finish(&b, &back);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(sl_column_compare(&c, i, &back, i), 0);
    sl_column_release(&c);
    sl_column_release(&back);
    sl_row_keys_deinit(&k);
    sl_row_keys_deinit(&of_start);
}

static void decode__refuses_cuts_and_survives_flips(void **state)
{
    (void)state;
    const sl_type *types[FIXTURE_COLUMNS];
    for (uint32_t i = 0; i < FIXTURE_COLUMNS; i++)
        types[i] = schema.fields[i].type;
    sl_chunk *chunk = fixture_chunk(&schema, 1, 0, 77);
    const sl_column *columns[FIXTURE_COLUMNS];
    sl_row_keys k = { 0 };
    pointers(chunk, columns);
    OK(sl_row_keys_encode(&k, columns, FIXTURE_COLUMNS, NULL, 1, NULL));
    sl_span whole = key_at(&k, 0);
    uint8_t *copy = test_malloc(whole.size_bytes);
    for (size_t at = 0; at < whole.size_bytes; at++)
        for (unsigned v = 0; v < 256; v++) { /* 0: cut at `at`, else flip */
            size_t size = v == 0 ? at : whole.size_bytes;
            memcpy(copy, whole.data, whole.size_bytes);
            copy[at] = (uint8_t)(copy[at] ^ v);
            uint8_t *exact = test_malloc(size + 1);
            memcpy(exact + 1, copy, size);
            sl_span key = sl_span_of(exact + 1, size);
            sl_chunk_builder b;
            OK(sl_chunk_builder_init(&b, &schema, 0, NULL, NULL));
            sl_code code = sl_row_keys_decode(&key, 1, types, NULL, FIXTURE_COLUMNS,
                                              b.columns, NULL);
            assert_true(code == SL_ECORRUPT || (v != 0 && code == SL_OK));
            sl_chunk_builder_deinit(&b);
            test_free(exact);
        }
    test_free(copy);
    sl_row_keys_deinit(&k);
    sl_chunk_unref(chunk);
}

static void encode__makes_empty_keys_without_columns(void **state)
{
    (void)state;
    sl_row_keys k = { 0 };
    OK(sl_row_keys_encode(&k, NULL, 0, NULL, 3, NULL));
    assert_int_equal(k.batch.count, 3);
    assert_int_equal(k.batch.offsets[3], 0);
    assert_true(k.batch.hashes[0] == k.batch.hashes[2]);
    sl_row_keys_deinit(&k);
}

static void encode__refuses_a_key_above_the_limit(void **state)
{
    (void)state;
    char *text = test_calloc(1, SL_KEY_BYTES_MAX + 8);
    sl_row_keys k = { 0 };
    sl_error err;
    /* the longest that fits; one more; zeros that double */
    const uint32_t lengths[] = { SL_KEY_BYTES_MAX - 3, SL_KEY_BYTES_MAX - 2,
                                 SL_KEY_BYTES_MAX / 2 };
    for (int i = 0; i < 3; i++) {
        memset(text, i == 2 ? 0 : 'x', lengths[i]);
        sl_column_builder b;
        sl_column c;
        OK(sl_column_builder_init(&b, sl_type_of(SL_TYPE_STRING), 1, NULL, NULL));
        OK(sl_column_builder_string(&b, text, lengths[i], NULL));
        sl_column_builder_finish(&b, &c);
        const sl_column *columns[] = { &c };
        assert_int_equal(sl_row_keys_encode(&k, columns, 1, NULL, 1, &err),
                         i == 0 ? SL_OK : SL_ELIMIT);
        sl_column_release(&c);
    }
    sl_row_keys_deinit(&k);
    test_free(text);
}

static void partition_of_group__gives_contiguous_ranges_to_all(void **state)
{
    (void)state;
    for (uint32_t partitions = 1; partitions <= 4096; partitions = partitions * 3 + 1) {
        uint32_t last = 0;
        for (uint32_t group = 0; group < SL_KEY_GROUPS; group++) {
            uint32_t p = sl_partition_of_group(group, partitions);
            assert_true(p == last || p == last + 1);
            last = p;
        }
        assert_int_equal(last, partitions - 1);
    }
    assert_int_equal(sl_key_group_of(UINT64_MAX), SL_KEY_GROUPS - 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(encode__makes_the_golden_bytes),
        T(encode__orders_bytes_as_compare_orders_rows),
        T(decode__gives_back_the_rows),
        T(decode__makes_the_end_of_a_window_from_its_length),
        T(decode__refuses_cuts_and_survives_flips),
        T(encode__makes_empty_keys_without_columns),
        T(encode__refuses_a_key_above_the_limit),
        T(partition_of_group__gives_contiguous_ranges_to_all),
    };
    return cmocka_run_group_tests_name("engine/columnar/row_key", tests, NULL, NULL);
}
