/* Unit tests of engine/exec/task.c: steps, blocking, refusals. */
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

static void step__does_bounded_work(void **state)
{
    struct stage s;
    sl_error err;
    sl_task *t;
    sl_task_answer answer;
    sl_chunk *chunks[8];
    sl_op_plan ops[] = { window_op(*state, 100 * SEC, 1 * SEC, 0) }; /* 100 rows each */
    stage_init(&s, *state, ops, 1);
    s.request.chunk_rows = 10;
    for (uint32_t i = 0; i < 8; i++)
        chunks[i] = chunk_of("1000; 2000");
    s.request.in = one_way_exchange(1, 1, false);
    feed(s.request.in, chunks, 8);
    OK(sl_task_new(&s.request, &t, &err));
    for (uint32_t i = 0; i < 30; i++) {
        OK(sl_task_step(t, 1, &answer, &err));
        assert_int_equal(answer, SL_TASK_MORE);
        assert_true(s.got.chunks <= i + 2);
    }
    OK(run_to_end(t, 7, &err));
    assert_int_equal(s.got.chunks, 8 * 20);
    assert_int_equal(s.got.largest, 10);
    OK(sl_task_step(t, 1, &answer, &err)); /* again after the end */
    assert_int_equal(answer, SL_TASK_DONE);
    sl_task_free(t);
    sl_exchange_free(s.request.in);
    stage_deinit(&s);
}

static void step__is_blocked_until_the_exchange_has_something(void **state)
{
    struct stage s;
    sl_error err;
    sl_task *t;
    sl_task_answer answer;
    stage_init(&s, *state, NULL, 0);
    s.request.in = one_way_exchange(1, 1, true);
    OK(sl_task_new(&s.request, &t, &err));
    OK(sl_task_step(t, 9, &answer, &err));
    assert_int_equal(answer, SL_TASK_BLOCKED);
    sl_chunk *c = chunk_of("1,a");
    feed(s.request.in, &c, 1);
    OK(sl_task_step(t, 9, &answer, &err));
    assert_int_equal(answer, SL_TASK_DONE);
    assert_string_equal(sl_bytes_cstr(&s.got.text), "1,a,null,null");
    sl_task_free(t);
    sl_exchange_free(s.request.in);
    stage_deinit(&s);
}

static void step__offers_refused_results_again(void **state)
{
    struct stage s;
    stage_init(&s, *state, NULL, 0);
    s.got.refuse = 3;
    const char *const inputs[] = { "1,a", "2,b; 3,c" };
    assert_string_equal(run_stage(&s, inputs, 2),
                        "1,a,null,null; 2,b,null,null; 3,c,null,null");
    assert_int_equal(s.outcome.result_chunks, 2);
    assert_int_equal(s.outcome.rows_in, 3);
    assert_int_equal(s.outcome.rows_out, 3);
    stage_deinit(&s);
}

static void step__fails_once_the_exchange_is_aborted(void **state)
{
    struct stage s;
    sl_error err;
    sl_task *t;
    sl_task_answer answer = SL_TASK_MORE;
    stage_init(&s, *state, NULL, 0);
    s.request.in = one_way_exchange(1, 1, false);
    OK(sl_task_new(&s.request, &t, &err));
    sl_exchange_abort(s.request.in);
    assert_int_equal(sl_task_step(t, 1, &answer, &err), SL_ECANCELLED);
    assert_int_equal(answer, SL_TASK_MORE);
    sl_task_free(t);
    sl_exchange_free(s.request.in);
    stage_deinit(&s);
}

/* A limit that is reached must not leave producers of its exchange waiting. */
static void step__drains_the_exchange_behind_a_limit(void **state)
{
    struct stage s;
    sl_op_plan ops[] = { { .kind = SL_OP_LIMIT, .output = input_schema() } };
    ops[0].u.limit.limit = 1;
    stage_init(&s, *state, ops, 1);
    const char *const inputs[] = { "1,a", "2,b", "3,c" };
    assert_string_equal(run_stage(&s, inputs, 3), "1,a,null,null");
    assert_int_equal(s.outcome.rows_in, 3);
    stage_deinit(&s);
}

/* Two stages with one block of credit, run in turns: the first must yield and go on. */
static void step__yields_when_the_next_stage_is_full(void **state)
{
    struct stage first, second;
    sl_error err;
    sl_task *a, *b;
    sl_producer_name name = { TEST_STAGE, 0 };
    sl_exchange_config config = { .target_count = 1,
                                  .producers = &name,
                                  .producer_count = 1,
                                  .ordered = true,
                                  .credit_bytes = 1 };
    sl_exchange *middle;
    OK(sl_exchange_new(&config, &middle, &err));
    sl_chunk *chunks[5];
    for (uint32_t i = 0; i < 5; i++)
        chunks[i] = chunk_of("1,a; 2,b");
    stage_init(&first, *state, NULL, 0);
    stage_init(&second, *state, NULL, 0);
    first.stages[TEST_STAGE].output = SL_TO_EXCHANGE_ONE;
    first.request.in = one_way_exchange(1, 1, false);
    first.request.out = middle;
    second.request.in = middle;
    feed(first.request.in, chunks, 5);
    OK(sl_task_new(&first.request, &a, &err));
    OK(sl_task_new(&second.request, &b, &err));
    sl_task_answer answer_a = SL_TASK_MORE, answer_b = SL_TASK_MORE;
    uint32_t blocked = 0;
    for (uint32_t i = 0; i < 100 && answer_b != SL_TASK_DONE; i++) {
        OK(sl_task_step(a, 10, &answer_a, &err));
        blocked += answer_a == SL_TASK_BLOCKED;
        OK(sl_task_step(b, 10, &answer_b, &err));
    }
    assert_int_equal(answer_b, SL_TASK_DONE);
    assert_true(blocked >= 4);
    sl_task_outcome outcome;
    sl_task_outcome_get(b, &outcome);
    assert_int_equal(outcome.rows_in, 10);
    sl_task_free(a);
    sl_task_free(b);
    sl_exchange_free(first.request.in);
    sl_exchange_free(middle);
    stage_deinit(&second);
}

static void new__refuses_requests_that_miss_something(void **state)
{
    struct stage s;
    sl_error err;
    sl_task *t = NULL;
    sl_op_plan ops[] = { { .kind = SL_OP_STATE_LIMIT, .output = input_schema() } };
    sl_state_op_plan state_op = { .id = 0, .name = "globalLimit", .slot_width = 8 };
    stage_init(&s, *state, ops, 1);
    assert_int_equal(sl_task_new(&s.request, &t, &err), SL_EINTERNAL); /* no exchange */
    s.request.in = one_way_exchange(1, 1, false);
    assert_int_equal(sl_task_new(&s.request, &t, &err), SL_EINTERNAL);
    assert_string_equal(err.text, "streaming limit: there is no state operator 0");
    s.plan.state_op_count = 1;
    s.plan.state_ops = &state_op;
    assert_int_equal(sl_task_new(&s.request, &t, &err), SL_EINTERNAL);
    assert_string_equal(err.text, "streaming limit: task 0 was given no state");
    s.stages[TEST_STAGE].op_count = 0;
    s.stages[TEST_STAGE].output = SL_TO_EXCHANGE_KEY;
    assert_int_equal(sl_task_new(&s.request, &t, &err), SL_EINTERNAL);
    assert_string_equal(err.text, "exchange: stage 1 was given no exchange to fill");
    s.request.stage = 7;
    assert_int_equal(sl_task_new(&s.request, &t, &err), SL_EINTERNAL);
    s.request.stage = TEST_STAGE;
    s.request.chunk_rows = SL_CHUNK_ROWS_MAX + 1;
    assert_int_equal(sl_task_new(&s.request, &t, &err), SL_EINTERNAL);
    assert_null(t);
    sl_exchange_free(s.request.in);
    stage_deinit(&s);
}

/* Every allocation fails once: the task says so, nothing leaks, no account stays open. */
static void sweep(sl_arena *arena, const sl_op_plan *ops, uint32_t op_count)
{
    const char *const inputs[] = { "1,a,10,0.5; 2,a longer text here,20,0.5; 7,c",
                                   "3,another text of some length,30; null,a,5" };
    bool failed = true;
    for (uint64_t nth = 1; failed; nth++) {
        struct stage s;
        sl_error err;
        stage_init(&s, arena, ops, op_count);
        s.request.chunk_rows = 3;
        s.fail_nth = nth;
        sl_code code = try_stage(&s, inputs, 2, &err); /* asserts that the ledger is 0 */
        stage_deinit(&s);
        assert_true(code == SL_OK || code == SL_ENOMEM);
        failed = code == SL_ENOMEM;
        assert_true(nth > 1 || failed);
        assert_true(nth < 1000);
    }
}

static void task__survives_any_failing_allocation(void **state)
{
    sl_arena *arena = *state;
    sl_error err;
    const sl_sort_key by_x[] = { { column(arena, input_schema(), X), true, true } };
    const sl_schema *windowed = windowed_schema(arena);
    const sl_expr *exprs[] = { column(arena, windowed, WHAT),
                               call(arena, "+", column(arena, windowed, X),
                                    number(arena, 1)) };
    const sl_type *types[] = { exprs[0]->type, exprs[1]->type };
    sl_op_plan rows[] = { { .kind = SL_OP_SORT, .output = input_schema() },
                          window_op(arena, 10 * SEC, 4 * SEC, 0),
                          { .kind = SL_OP_FILTER, .output = windowed },
                          { .kind = SL_OP_PROJECT,
                            .output = schema_of(arena, types, 2),
                            .u.project = { 2, exprs } } };
    rows[0].u.sort.count = 1;
    rows[0].u.sort.keys = by_x;
    rows[0].u.sort.limit = -1;
    rows[2].u.filter.predicate =
        call(arena, "<", column(arena, windowed, X), number(arena, 30));
    sweep(arena, rows, LENGTH(rows));

    sl_agg *agg = SL_ARENA_NEW(arena, sl_agg);
    const sl_expr *arg = column(arena, input_schema(), WHAT);
    OK(sl_agg_resolve(arena, "min", false, &arg, 1, (sl_sql_pos){ 0 }, agg, &err));
    sl_group_key key = { .expr = column(arena, input_schema(), WHAT),
                         .name = "what",
                         .type = sl_type_of(SL_TYPE_STRING) };
    const sl_type *partial[] = { sl_type_of(SL_TYPE_BINARY), sl_type_of(SL_TYPE_LONG),
                                 agg->buffer_types[0] };
    const sl_type *final[] = { key.type, agg->result_type };
    sl_op_plan groups[] = {
        { .kind = SL_OP_PARTIAL_AGG, .output = schema_of(arena, partial, 3) },
        { .kind = SL_OP_FINAL_AGG, .output = schema_of(arena, final, 2) }
    };
    for (uint32_t i = 0; i < 2; i++) {
        groups[i].u.agg.key_count = 1;
        groups[i].u.agg.keys = &key;
        groups[i].u.agg.agg_count = 1;
        groups[i].u.agg.aggs = agg;
        groups[i].u.agg.slot_width = sl_agg_layout(agg, 1);
    }
    sweep(arena, groups, 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(step__does_bounded_work),
        T(step__is_blocked_until_the_exchange_has_something),
        T(step__offers_refused_results_again),
        T(step__fails_once_the_exchange_is_aborted),
        T(step__drains_the_exchange_behind_a_limit),
        T(step__yields_when_the_next_stage_is_full),
        T(new__refuses_requests_that_miss_something),
        T(task__survives_any_failing_allocation),
    };
    return cmocka_run_group_tests_name("engine/exec/task", tests, NULL, NULL);
}
