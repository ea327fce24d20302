/* Unit tests of the operators that keep no groups. */
#include "tests/unit/engine/exec/exec_harness.h"

static int set_up(void **state)
{
    *state = sl_arena_new();
    return 0;
}

static int tear_down(void **state)
{
    sl_arena_free(*state);
    return 0;
}

static void expect(sl_arena *arena, const sl_op_plan *ops, uint32_t op_count,
                   uint32_t chunk_rows, const char *const *inputs, uint32_t count,
                   const char *output)
{
    struct stage s;
    stage_init(&s, arena, ops, op_count);
    s.request.chunk_rows = chunk_rows;
    assert_string_equal(run_stage(&s, inputs, count), output);
    stage_deinit(&s);
}

static sl_op_plan filter_op(sl_arena *arena, const char *name, uint32_t c, int64_t v)
{
    sl_op_plan op = { .kind = SL_OP_FILTER, .output = input_schema() };
    op.u.filter.predicate =
        call(arena, name, column(arena, input_schema(), c), number(arena, v));
    return op;
}

static sl_op_plan limit_op(int64_t limit, int64_t offset)
{
    sl_op_plan op = { .kind = SL_OP_LIMIT, .output = input_schema() };
    op.u.limit.limit = limit;
    op.u.limit.offset = offset;
    return op;
}

static const char *const six[] = { "1,a,10,0.5; 2,b,20,0.5", "3,c,null,0.5; 4,d,40,0.5",
                                   "5,e,50,0.5; 6,f,60,0.5" };

static void filter__keeps_rows_that_are_true(void **state)
{
    sl_op_plan ops[] = { filter_op(*state, ">", X, 15), filter_op(*state, "<", X, 60) };
    expect(*state, ops, 2, 0, six, 3, "2,b,20,0.5; 4,d,40,0.5; 5,e,50,0.5");
}

static void filter__passes_nothing_of_a_chunk_without_a_match(void **state)
{
    sl_op_plan ops[] = { filter_op(*state, ">", X, 100) };
    expect(*state, ops, 1, 0, six, 3, "");
}

static void project__computes_columns_of_selected_rows(void **state)
{
    sl_arena *arena = *state;
    const sl_expr *exprs[2] = { column(arena, input_schema(), WHAT),
                                call(arena, "+", column(arena, input_schema(), X),
                                     number(arena, 1)) };
    const sl_type *types[2] = { exprs[0]->type, exprs[1]->type };
    sl_op_plan ops[] = { filter_op(arena, ">", X, 15),
                         { .kind = SL_OP_PROJECT,
                           .output = schema_of(arena, types, 2),
                           .u.project = { 2, exprs } } };
    expect(arena, ops, 2, 0, six, 3, "b,21; d,41; e,51; f,61");
}

static void limit__skips_and_cuts_and_ends_the_task(void **state)
{
    sl_op_plan ops[] = { limit_op(3, 1) };
    expect(*state, ops, 1, 0, six, 3, "2,b,20,0.5; 3,c,null,0.5; 4,d,40,0.5");
    ops[0] = limit_op(0, 0);
    expect(*state, ops, 1, 0, six, 3, "");
    ops[0] = limit_op(-1, 4);
    expect(*state, ops, 1, 0, six, 3, "5,e,50,0.5; 6,f,60,0.5");
    ops[0] = limit_op(2, 0);
    expect(*state, ops, 1, 0, six, 3, "1,a,10,0.5; 2,b,20,0.5");
}

static void watermark__sees_every_row_before_a_limit(void **state)
{
    sl_op_plan ops[] = {
        { .kind = SL_OP_WATERMARK, .output = input_schema(), .u.watermark = { WHEN, 1 } },
        limit_op(1, 0)
    };
    struct stage s;
    stage_init(&s, *state, ops, 2);
    s.plan.watermark_count = 2;
    const char *const inputs[] = { "1.0019,a", "-7.0005,b; 3,c" };
    assert_string_equal(run_stage(&s, inputs, 2), "1.0019,a,null,null");
    assert_int_equal(s.event_times[0].count, 0);
    assert_int_equal(s.event_times[1].count, 3); /* spark:M3 */
    assert_int_equal(s.event_times[1].max_ms, 3000);
    assert_int_equal(s.event_times[1].min_ms, -7001); /* floored */
    assert_true(s.event_times[1].sum_ms == 1001 - 7001 + 3000);
    assert_int_equal(s.outcome.rows_in, 3);
    assert_int_equal(s.outcome.rows_out, 1);
    stage_deinit(&s);
}

static void watermark__reads_null_as_zero_and_window_ends(void **state)
{
    sl_arena *arena = *state;
    sl_op_plan ops[] = {
        { .kind = SL_OP_WATERMARK, .output = input_schema(), .u.watermark = { WHEN, 0 } },
        window_op(arena, 5 * SEC, 5 * SEC, 0),
        { .kind = SL_OP_WATERMARK,
          .output = windowed_schema(arena),
          .u.watermark = { INPUT_COLUMNS, 1 } }
    };
    struct stage s;
    stage_init(&s, arena, ops, 3);
    s.plan.watermark_count = 2;
    const char *const inputs[] = { "7,a; null,b" };
    run_stage(&s, inputs, 1);
    assert_int_equal(s.event_times[0].count, 2);
    assert_int_equal(s.event_times[0].min_ms, 0); /* spark:M3 */
    assert_int_equal(s.event_times[1].count, 1);  /* the null row is gone: spark:W7 */
    assert_int_equal(s.event_times[1].max_ms, 10000);
    stage_deinit(&s);
}

static void window__tumbling_floors_also_before_1970(void **state)
{
    sl_op_plan ops[] = { window_op(*state, 10 * SEC, 10 * SEC, 0) };
    const char *const inputs[] = { "0; 9.999999; 10; -1; -10; -10.000001" };
    expect(*state, ops, 1, 0, inputs, 1, /* spark:W3, W4 */
           "0,null,null,null,[0+10); 10,null,null,null,[0+10); "
           "10,null,null,null,[10+10); -1,null,null,null,[-10+10); "
           "-10,null,null,null,[-10+10); -10,null,null,null,[-20+10)");
}

static void window__obeys_the_start_and_drops_null_times(void **state)
{
    sl_op_plan ops[] = { window_op(*state, 10 * SEC, 10 * SEC, 3 * SEC) };
    const char *const inputs[] = { "2,a; null,b; 3,c" };
    expect(*state, ops, 1, 0, inputs, 1,
           "2,a,null,null,[-7+10); 3,c,null,null,[3+10)"); /* spark:W7 */
}

static void window__sliding_gives_the_newest_window_first(void **state)
{
    sl_op_plan ops[] = { window_op(*state, 600 * SEC, 300 * SEC, 0) };
    const char *const inputs[] = { "43620,a; null,b; 43800,c" }; /* 12:07, null, 12:10 */
    const char *all = "43620,a,null,null,[43500+600); 43620,a,null,null,[43200+600); "
                      "43800,c,null,null,[43800+600); 43800,c,null,null,[43500+600)";
    expect(*state, ops, 1, 0, inputs, 1, all); /* spark:W6 and the vector of 1.1 */
    expect(*state, ops, 1, 1, inputs, 1, all); /* a row may go on in the next chunk */
    expect(*state, ops, 1, 3, inputs, 1, all);
}

static void window__sliding_leaves_out_windows_that_do_not_hold_the_row(void **state)
{
    sl_op_plan ops[] = { window_op(*state, 10 * SEC, 4 * SEC, 0) };
    const char *const inputs[] = { "9,a; 11,b" };
    expect(*state, ops, 1, 2, inputs, 1, /* 3 candidates each; [0,10) has lost 11 */
           "9,a,null,null,[8+10); 9,a,null,null,[4+10); 9,a,null,null,[0+10); "
           "11,b,null,null,[8+10); 11,b,null,null,[4+10)");
}

/* ---- sort ---- */

static sl_op_plan sort_op(const sl_sort_key *keys, uint32_t count, int64_t limit)
{
    sl_op_plan op = { .kind = SL_OP_SORT, .output = input_schema() };
    op.u.sort.count = count;
    op.u.sort.keys = keys;
    op.u.sort.limit = limit;
    return op;
}

static const char *const unsorted[] = { "1,b,5; 2,a,null; 3,b,7",
                                        "4,c,5; 5,a,5; 6,null,1" };

static void sort__orders_by_all_keys_and_is_stable(void **state)
{
    sl_arena *arena = *state;
    const sl_sort_key keys[] = { { column(arena, input_schema(), X), true, true },
                                 { column(arena, input_schema(), WHAT), false, false } };
    sl_op_plan ops[] = { sort_op(keys, 2, -1) };
    expect(arena, ops, 1, 0, unsorted, 2,
           "3,b,7,null; 5,a,5,null; 1,b,5,null; 4,c,5,null; 6,null,1,null; "
           "2,a,null,null");
    ops[0] = sort_op(keys, 1, -1); /* equal: as they came */
    expect(arena, ops, 1, 2, unsorted, 2,
           "3,b,7,null; 1,b,5,null; 4,c,5,null; 5,a,5,null; 6,null,1,null; "
           "2,a,null,null");
}

static void sort__puts_nulls_where_it_is_told(void **state)
{
    sl_arena *arena = *state;
    sl_sort_key keys[] = { { column(arena, input_schema(), WHAT), false, false } };
    sl_op_plan ops[] = { sort_op(keys, 1, 2) };
    expect(arena, ops, 1, 0, unsorted, 2, "6,null,1,null; 2,a,null,null");
    keys[0].nulls_last = true;
    expect(arena, ops, 1, 0, unsorted, 2, "2,a,null,null; 5,a,5,null");
    ops[0].u.sort.limit = 0;
    expect(arena, ops, 1, 0, unsorted, 2, "");
}

/* ORDER BY x LIMIT 3 over many rows: what was cut early is the same as what sorting all
 * gives. */
static void sort__with_a_limit_lets_go_of_rows_and_keeps_the_first(void **state)
{
    sl_arena *arena = *state;
    sl_error err;
    const sl_sort_key keys[] = { { column(arena, input_schema(), X), false, false } };
    sl_op_plan ops[] = { sort_op(keys, 1, 3) };
    struct stage s;
    stage_init(&s, arena, ops, 1);
    sl_chunk *chunks[16];
    for (uint32_t c = 0; c < 16; c++) {
        sl_chunk_builder b;
        OK(sl_chunk_builder_init(&b, input_schema(), 8192, NULL, &err));
        for (uint32_t i = 0; i < 8192; i++) {
            int64_t n = (int64_t)c * 8192 + i;
            OK(sl_column_builder_i64(&b.columns[WHEN], n * SEC, &err));
            OK(sl_column_builder_null(&b.columns[WHAT], &err));
            OK(sl_column_builder_i64(&b.columns[X], (n * 7919 + 5) % 1000, &err));
            OK(sl_column_builder_null(&b.columns[Y], &err));
        }
        chunks[c] = sl_chunk_builder_finish(&b, 0);
    }
    sl_task *task;
    s.request.in = one_way_exchange(1, 1, false);
    feed(s.request.in, chunks, 16);
    OK(sl_task_new(&s.request, &task, &err));
    OK(run_to_end(task, 4, &err));
    /* 7919 n = 995 (mod 1000) first at n = 605, then every 1000: the earliest three */
    assert_string_equal(sl_bytes_cstr(&s.got.text),
                        "605,null,0,null; 1605,null,0,null; 2605,null,0,null");
    sl_task_free(task);
    sl_exchange_free(s.request.in);
    assert_int_equal(sl_budget_used(&s.budget), 0);
    stage_deinit(&s);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(filter__keeps_rows_that_are_true),
        T(filter__passes_nothing_of_a_chunk_without_a_match),
        T(project__computes_columns_of_selected_rows),
        T(limit__skips_and_cuts_and_ends_the_task),
        T(watermark__sees_every_row_before_a_limit),
        T(watermark__reads_null_as_zero_and_window_ends),
        T(window__tumbling_floors_also_before_1970),
        T(window__obeys_the_start_and_drops_null_times),
        T(window__sliding_gives_the_newest_window_first),
        T(window__sliding_leaves_out_windows_that_do_not_hold_the_row),
        T(sort__orders_by_all_keys_and_is_stable),
        T(sort__puts_nulls_where_it_is_told),
        T(sort__with_a_limit_lets_go_of_rows_and_keeps_the_first),
    };
    return cmocka_run_group_tests_name("engine/exec row operators", tests, NULL, NULL);
}
