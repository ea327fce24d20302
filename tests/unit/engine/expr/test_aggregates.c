/* Aggregates through their whole life: update, partial, merge, result. */
#include "tests/unit/engine/expr/expr_text.h"

#include "engine/expr/aggregate.h"

#define GROUPS 3
#define SLOT 256

typedef struct table {
    _Alignas(8) uint8_t bytes[GROUPS][SLOT];
    sl_arena *arena;
} table;

static sl_code set_blob(void *user, uint8_t *slot, uint32_t offset, const void *data,
                        uint32_t length, sl_error *err)
{
    (void)err;
    table *t = user;
    sl_agg_blob blob = { sl_arena_memdup(t->arena, data, length ? length : 1),
                         (uint64_t)length + 1 };
    memcpy(slot + offset, &blob, sizeof blob);
    return SL_OK;
}

static sl_agg resolve(sl_arena *arena, const char *name, const sl_type *type)
{
    sl_field f = { .name = "x", .type = type, .nullable = true };
    const sl_expr *arg = sl_expr_column(arena, 0, &f, (sl_sql_pos){ 1, 2 });
    sl_agg a;
    sl_error err = { 0 };
    if (sl_agg_resolve(arena, name, false, &arg, 1, (sl_sql_pos){ 1, 1 }, &a, &err) !=
        SL_OK)
        fail_msg("%s: %s", name, err.text);
    return a;
}

/* A column from texts: "NULL" or a literal of expr_text.h. */
static void column_of(sl_arena *arena, const sl_type *type, const char *const *texts,
                      uint32_t n, sl_column *ret)
{
    sl_column_builder b;
    assert_int_equal(sl_column_builder_init(&b, type, n, NULL, NULL), SL_OK);
    for (uint32_t i = 0; i < n; i++) {
        text_reader r = { .arena = arena, .p = texts[i] };
        sl_value v;
        take_literal(&r, &v);
        v.type = type;
        append_value(&b, &v);
    }
    sl_column_builder_finish(&b, ret);
}

/* Rows go to groups 0, 1, 0, 1, ...; group 2 stays empty. Two tables take half of the
 * rows each and are merged into a third. Results of groups 0, 1, 2. */
static void check(const char *name, sl_type_id id, const char *const *values, uint32_t n,
                  const char *const want[3])
{
    sl_arena *arena = sl_arena_new();
    const sl_type *type = sl_type_of(id);
    sl_agg aggs[2] = { resolve(arena, "count", type), resolve(arena, name, type) };
    uint32_t width = sl_agg_layout(aggs, 2);
    assert_true(width <= SLOT && width % 8 == 0 && aggs[1].offset == 8);
    const sl_agg *a = &aggs[1];
    sl_column in;
    column_of(arena, type, values, n, &in);

    table tables[3] = { { .arena = arena }, { .arena = arena }, { .arena = arena } };
    for (uint32_t half = 0; half < 2; half++) {
        uint16_t rows[64];
        uint8_t *slots[64];
        uint32_t count = 0;
        for (uint32_t i = 0; i < n; i++) {
            if ((i < n / 2) == (half == 0)) {
                rows[count] = (uint16_t)i;
                slots[count++] = tables[half].bytes[i % 2];
            }
        }
        assert_int_equal(
            sl_agg_update(a, slots, &in, rows, count, set_blob, &tables[half], NULL),
            SL_OK);
        uint8_t *from[GROUPS], *to[GROUPS];
        for (uint32_t g = 0; g < GROUPS; g++) {
            from[g] = tables[half].bytes[g];
            to[g] = tables[2].bytes[g];
        }
        sl_column buffers[SL_AGG_BUFFERS_MAX];
        assert_int_equal(sl_agg_partial(a, from, GROUPS, NULL, buffers, NULL), SL_OK);
        for (uint32_t k = 0; k < a->buffer_count; k++)
            assert_true(sl_type_equal(buffers[k].type, a->buffer_types[k]));
        assert_int_equal(sl_agg_merge(a, to, buffers, GROUPS, set_blob, &tables[2], NULL),
                         SL_OK);
        for (uint32_t k = 0; k < a->buffer_count; k++)
            sl_column_release(&buffers[k]);
    }
    uint8_t *slots[GROUPS] = { tables[2].bytes[0], tables[2].bytes[1],
                               tables[2].bytes[2] };
    sl_column result;
    assert_int_equal(sl_agg_result(a, slots, GROUPS, NULL, &result, NULL), SL_OK);
    assert_true(sl_type_equal(result.type, a->result_type));
    for (uint32_t g = 0; g < GROUPS; g++) {
        const char *got = row_text(&result, g, sl_time_zone_utc());
        if (strcmp(got, want[g]) != 0)
            fail_msg("%s of type %d, group %u: got %s, want %s", name, (int)id, g, got,
                     want[g]);
    }
    sl_column_release(&result);
    sl_column_release(&in);
    sl_arena_free(arena);
}

#define V(...)                                                                           \
    (const char *const[])                                                                \
    {                                                                                    \
        __VA_ARGS__                                                                      \
    }
#define N(...) (sizeof(V(__VA_ARGS__)) / sizeof(char *))
#define VN(...) V(__VA_ARGS__), N(__VA_ARGS__)

static void aggregates__skip_nulls_and_survive_the_shuffle(void **state)
{
    (void)state;
    check("count", SL_TYPE_INT, VN("1", "null", "3", "4", "5", "null"), V("3", "1", "0"));
    check("count_if", SL_TYPE_BOOLEAN,
          VN("true", "null", "true", "false", "false", "true"), V("2", "1", "0"));
    check("sum", SL_TYPE_BYTE, VN("100", "null", "100", "null", "100", "null"),
          V("300", "NULL", "NULL"));
    check("sum", SL_TYPE_SHORT, VN("1", "2", "3", "4"), V("4", "6", "NULL"));
    check("sum", SL_TYPE_INT, VN("2147483647", "-1", "2147483647", "-2"),
          V("4294967294", "-3", "NULL"));
    check("sum", SL_TYPE_LONG, VN("1", "2", "null", "4"), V("1", "6", "NULL"));
    check("sum", SL_TYPE_DOUBLE, VN("1.5", "nan", "2.5", "1.0"), V("4.0", "NaN", "NULL"));
    check("sum", SL_TYPE_INTERVAL_DAY_TIME, VN("3600000000", "null", "1", "null"),
          V("INTERVAL '0 01:00:00.000001' DAY TO SECOND", "NULL", "NULL"));
    check("avg", SL_TYPE_INT, VN("1", "5", "2", "null"), V("1.5", "5.0", "NULL"));
    check("avg", SL_TYPE_LONG,
          VN("9223372036854775807", "-9223372036854775808", "9223372036854775807",
             "-9223372036854775808"),
          V("9.223372036854776E18", "-9.223372036854776E18", "NULL"));
    check("avg", SL_TYPE_LONG, VN("-3", "7", "1", "-7"), V("-1.0", "0.0", "NULL"));
    check("mean", SL_TYPE_DOUBLE, VN("1.0", "null", "2.0", "null"),
          V("1.5", "NULL", "NULL"));
    check("min", SL_TYPE_INT, VN("3", "null", "-1", "7"), V("-1", "7", "NULL"));
    check("max", SL_TYPE_LONG, VN("3", "null", "-1", "7"), V("3", "7", "NULL"));
    check("max", SL_TYPE_DOUBLE, VN("3.0", "nan", "4.0", "7.0"), V("4.0", "NaN", "NULL"));
    check("min", SL_TYPE_DOUBLE, VN("nan", "nan", "4.0", "-0.0"),
          V("4.0", "0.0", "NULL"));
    check("min", SL_TYPE_FLOAT, VN("1.5", "2.5", "0.5", "null"), V("0.5", "2.5", "NULL"));
    check("max", SL_TYPE_BOOLEAN, VN("true", "false", "false", "false"),
          V("true", "false", "NULL"));
    check("max", SL_TYPE_BYTE, VN("-3", "1", "-2", "0"), V("-2", "1", "NULL"));
    check("min", SL_TYPE_DATE, VN("17592", "null", "0", "null"),
          V("1970-01-01", "NULL", "NULL"));
    check("max", SL_TYPE_TIMESTAMP, VN("0", "1000000", "60000000", "null"),
          V("1970-01-01 00:01:00", "1970-01-01 00:00:01", "NULL"));
    check("min", SL_TYPE_STRING,
          VN("'pear'", "null", "'apple and a long tail'", "''", "'b'", "'z'"),
          V("apple and a long tail", "", "NULL"));
    check("max", SL_TYPE_STRING,
          VN("'pear'", "null", "'a'", "null", "'zebra crossing!'", "null"),
          V("zebra crossing!", "NULL", "NULL"));
    check("any_value", SL_TYPE_STRING, VN("'b'", "null", "'a'", "null"),
          V("a", "NULL", "NULL"));
    check("bool_and", SL_TYPE_BOOLEAN, VN("true", "true", "false", "null"),
          V("false", "true", "NULL"));
    check("every", SL_TYPE_BOOLEAN, VN("true", "null", "true", "null"),
          V("true", "NULL", "NULL"));
    check("bool_or", SL_TYPE_BOOLEAN, VN("false", "false", "true", "null"),
          V("true", "false", "NULL"));
    check("some", SL_TYPE_BOOLEAN, VN("false", "null", "false", "true"),
          V("false", "true", "NULL"));
}

static void variance__joins_halves_as_spark_does(void **state)
{
    (void)state;
    check("variance", SL_TYPE_DOUBLE, VN("1.0", "2.0", "3.0", "6.0"),
          V("2.0", "8.0", "NULL"));
    check("var_pop", SL_TYPE_DOUBLE, VN("1.0", "2.0", "3.0", "6.0"),
          V("1.0", "4.0", "NULL"));
    check("stddev", SL_TYPE_DOUBLE, VN("1.0", "2.0", "3.0", "4.0", "5.0", "null"),
          V("2.0", "1.4142135623730951", "NULL"));
    check("stddev_pop", SL_TYPE_DOUBLE, VN("1.0", "null", "3.0", "7.0"),
          V("1.0", "0.0", "NULL"));
    check("var_samp", SL_TYPE_DOUBLE, VN("1.0", "null", "null", "null"),
          V("NULL", "NULL", "NULL"));
    check("std", SL_TYPE_DOUBLE, VN("nan", "1.0", "3.0", "1.0"), V("NaN", "0.0", "NULL"));
}

static void first__and_last_take_rows_in_their_order_nulls_too(void **state)
{
    (void)state;
    check("first", SL_TYPE_STRING,
          VN("null", "'b and a tail of more than twelve'", "'a'", "'c'"),
          V("NULL", "b and a tail of more than twelve", "NULL"));
    check("last", SL_TYPE_STRING, VN("null", "'b'", "'a'", "'c and a tail of letters'"),
          V("a", "c and a tail of letters", "NULL"));
    check("first_value", SL_TYPE_INT, VN("3", "null", "4", "5"), V("3", "NULL", "NULL"));
    check("last_value", SL_TYPE_BOOLEAN, VN("true", "false", "null", "true"),
          V("NULL", "true", "NULL"));
    check("last", SL_TYPE_DOUBLE, VN("1.5", "2.5", "null", "0.5"),
          V("NULL", "0.5", "NULL"));
    check("first", SL_TYPE_FLOAT, VN("1.5", "-2.5", "0.5", "0.5"),
          V("1.5", "-2.5", "NULL"));
    check("first", SL_TYPE_BYTE, VN("-3", "1", "-2", "0"), V("-3", "1", "NULL"));
    check("last", SL_TYPE_SHORT, VN("-3", "1", "-2", "0"), V("-2", "0", "NULL"));
    check("last", SL_TYPE_DATE, VN("17592", "null", "0", "null"),
          V("1970-01-01", "NULL", "NULL"));
    check("first", SL_TYPE_TIMESTAMP, VN("0", "1000000", "60000000", "null"),
          V("1970-01-01 00:00:00", "1970-01-01 00:00:01", "NULL"));
}

static void sum__fails_when_it_overflows(void **state)
{
    (void)state;
    sl_arena *arena = sl_arena_new();
    sl_agg a = resolve(arena, "sum", sl_type_of(SL_TYPE_LONG));
    sl_agg_layout(&a, 1);
    sl_column in;
    column_of(arena, a.arg_type, V("9223372036854775807", "1"), 2, &in);
    table t = { .arena = arena };
    uint8_t *slots[2] = { t.bytes[0], t.bytes[0] };
    sl_error err = { 0 };
    assert_int_equal(sl_agg_update(&a, slots, &in, NULL, 2, set_blob, &t, &err),
                     SL_EARITH);
    assert_string_equal(err.condition, "ARITHMETIC_OVERFLOW");
    assert_int_equal(err.line, 1);
    sl_column_release(&in);
    sl_arena_free(arena);
}

static void count__of_nothing_null_is_count_star(void **state)
{
    (void)state;
    sl_arena *arena = sl_arena_new();
    sl_sql_pos pos = { 1, 1 };
    sl_agg star, one, two;
    sl_value v = { .type = sl_type_of(SL_TYPE_INT), .i64 = 1 };
    const sl_expr *lit = sl_expr_literal(arena, &v, NULL, pos);
    assert_int_equal(sl_agg_resolve(arena, "COUNT", true, NULL, 0, pos, &star, NULL),
                     SL_OK);
    assert_string_equal(star.pretty, "count(1)");
    assert_int_equal(sl_agg_resolve(arena, "count", false, &lit, 1, pos, &one, NULL),
                     SL_OK);
    assert_null(one.arg);
    assert_false(star.result_nullable);
    sl_field f = { .name = "x", .type = v.type, .nullable = true };
    const sl_expr *both[2] = { sl_expr_column(arena, 0, &f, pos), lit };
    assert_int_equal(sl_agg_resolve(arena, "count", false, both, 2, pos, &two, NULL),
                     SL_OK);
    assert_string_equal(two.pretty, "count(x, 1)");
    assert_int_equal(two.arg_type->id, SL_TYPE_BOOLEAN);

    table t = { .arena = arena };
    sl_agg_layout(&star, 1);
    uint8_t *slots[3] = { t.bytes[0], t.bytes[1], t.bytes[0] };
    assert_int_equal(sl_agg_update(&star, slots, NULL, NULL, 3, NULL, NULL, NULL), SL_OK);
    sl_column c;
    assert_int_equal(sl_agg_result(&star, slots, 2, NULL, &c, NULL), SL_OK);
    assert_int_equal(sl_column_i64(&c)[0], 2);
    assert_int_equal(sl_column_i64(&c)[1], 1);
    sl_column_release(&c);
    sl_arena_free(arena);
}

static void resolve__refuses_wrong_arguments(void **state)
{
    (void)state;
    sl_arena *arena = sl_arena_new();
    sl_sql_pos pos = { 3, 4 };
    sl_error err = { 0 };
    sl_agg a = { .name = "untouched" };
    sl_field f = { .name = "b", .type = sl_type_of(SL_TYPE_BOOLEAN) };
    const sl_expr *b = sl_expr_column(arena, 0, &f, pos);
    assert_int_equal(sl_agg_resolve(arena, "sum", false, &b, 1, pos, &a, &err),
                     SL_EANALYSIS);
    assert_string_equal(err.condition, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE");
    assert_int_equal(err.line, 3);
    assert_int_equal(sl_agg_resolve(arena, "sum", true, NULL, 0, pos, &a, &err),
                     SL_EANALYSIS);
    assert_int_equal(sl_agg_resolve(arena, "min", false, NULL, 0, pos, &a, &err),
                     SL_EANALYSIS);
    assert_string_equal(err.condition, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION");
    assert_int_equal(sl_agg_resolve(arena, "summ", false, &b, 1, pos, &a, &err),
                     SL_EANALYSIS);
    assert_string_equal(a.name, "untouched");
    assert_true(resolve(arena, "sum", sl_type_of(SL_TYPE_DOUBLE)).needs_order);
    assert_true(resolve(arena, "avg", sl_type_of(SL_TYPE_STRING)).needs_order);
    assert_false(resolve(arena, "avg", sl_type_of(SL_TYPE_LONG)).needs_order);
    sl_arena_free(arena);
}

static void codec__survives_the_trip_and_refuses_damage(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        sl_type_id type;
    } cases[] = { { "count", SL_TYPE_STRING },     { "sum", SL_TYPE_INT },
                  { "avg", SL_TYPE_INT },          { "min", SL_TYPE_STRING },
                  { "max", SL_TYPE_STRING },       { "any_value", SL_TYPE_STRING },
                  { "count_if", SL_TYPE_BOOLEAN }, { "bool_and", SL_TYPE_BOOLEAN },
                  { "some", SL_TYPE_BOOLEAN },     { "variance", SL_TYPE_DOUBLE },
                  { "first", SL_TYPE_STRING },     { "last", SL_TYPE_INT } };
    sl_arena *arena = sl_arena_new();
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        sl_agg a = resolve(arena, cases[k].name, sl_type_of(cases[k].type));
        a.offset = 16;
        a.blob_offset = a.has_blob ? 16 : 0;
        sl_bytes b = { 0 }, again = { 0 };
        sl_agg_write(&a, &b);
        sl_reader r = sl_reader_of(sl_bytes_span(&b));
        sl_agg back;
        assert_int_equal(sl_agg_read(&r, arena, &back, NULL), SL_OK);
        assert_true(sl_reader_done(&r));
        assert_ptr_equal(back.class, a.class);
        assert_int_equal(back.offset, 16);
        assert_int_equal(back.blob_offset, a.blob_offset);
        assert_int_equal(back.state_width, a.state_width);
        assert_string_equal(back.pretty, a.pretty);
        sl_agg_write(&back, &again);
        assert_true(sl_span_equal(sl_bytes_span(&b), sl_bytes_span(&again)));
        for (size_t cut = 0; cut < b.size_bytes; cut++) {
            sl_reader part = sl_reader_of(sl_span_of(b.data, cut));
            assert_int_equal(sl_agg_read(&part, arena, &back, NULL), SL_ECORRUPT);
        }
        for (size_t i = 0; i < b.size_bytes * 8; i++) { /* any answer but a crash */
            b.data[i / 8] ^= (uint8_t)(1u << (i % 8));
            sl_reader bad = sl_reader_of(sl_bytes_span(&b));
            sl_code code = sl_agg_read(&bad, arena, &back, NULL);
            assert_true(code == SL_OK || code == SL_ECORRUPT);
            b.data[i / 8] ^= (uint8_t)(1u << (i % 8));
        }
        sl_bytes_deinit(&b);
        sl_bytes_deinit(&again);
    }
    sl_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aggregates__skip_nulls_and_survive_the_shuffle),
        cmocka_unit_test(variance__joins_halves_as_spark_does),
        cmocka_unit_test(first__and_last_take_rows_in_their_order_nulls_too),
        cmocka_unit_test(sum__fails_when_it_overflows),
        cmocka_unit_test(count__of_nothing_null_is_count_star),
        cmocka_unit_test(resolve__refuses_wrong_arguments),
        cmocka_unit_test(codec__survives_the_trip_and_refuses_damage),
    };
    return cmocka_run_group_tests_name("engine/expr/aggregates", tests, NULL, NULL);
}
