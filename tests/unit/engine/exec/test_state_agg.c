/* Streaming aggregation batch by batch: the vectors of spark 1.6, with 1, 2 and 7
 * partitions, and the streaming LIMIT.  State is committed after each batch, or aborted
 * and run again. */
#include "tests/unit/engine/exec/exec_harness.h"

#define PARTITIONS_MAX 7

struct query {
    sl_arena *arena;
    sl_op_plan map_ops[3], state_agg;
    sl_stage_plan stages[3];
    sl_physical_plan plan;
    sl_state_op_plan state_op;
    sl_state_partition *partitions[PARTITIONS_MAX];
    uint32_t partition_count;
    int64_t batch, delay_us;
    bool abort_first; /* every batch is run, aborted, and run again */
    /* The driver's part: the watermark before, of, and after the batch. */
    int64_t late_us, now_us;
    struct collected got;
    sl_task_state_figures figures; /* sums over the partitions */
};

/* ---- set-up ---- */

static void add_aggregate(struct query *q, const sl_group_key *keys, uint32_t key_count,
                          const char *agg_name, sl_output_mode mode)
{
    sl_error err;
    sl_arena *arena = q->arena;
    sl_agg *agg = SL_ARENA_NEW(arena, sl_agg);
    const sl_expr *arg = column(arena, input_schema(), WHAT);
    bool count = strcmp(agg_name, "count") == 0;
    OK(sl_agg_resolve(arena, agg_name, count, &arg, count ? 0 : 1, (sl_sql_pos){ 0 }, agg,
                      &err));
    uint32_t width = sl_agg_layout(agg, 1);

    sl_op_plan *partial = &q->map_ops[2];
    partial->kind = SL_OP_PARTIAL_AGG;
    partial->u.agg.key_count = key_count;
    partial->u.agg.keys = keys;
    partial->u.agg.agg_count = 1;
    partial->u.agg.aggs = agg;
    partial->u.agg.slot_width = width;
    partial->u.agg.event_time_key = key_count == 0 ? -1 : 0;
    partial->u.agg.mode = mode;
    const sl_type *shuffled[8] = { sl_type_of(SL_TYPE_BINARY), sl_type_of(SL_TYPE_LONG) };
    for (uint32_t i = 0; i < agg->buffer_count; i++)
        shuffled[2 + i] = agg->buffer_types[i];
    partial->output = schema_of(arena, shuffled, 2 + agg->buffer_count);

    q->state_agg = *partial;
    q->state_agg.kind = SL_OP_STATE_AGG;
    const sl_type *types[8];
    for (uint32_t i = 0; i < key_count; i++)
        types[i] = keys[i].type;
    types[key_count] = agg->result_type;
    q->state_agg.output = schema_of(arena, types, key_count + 1);

    q->state_op =
        (sl_state_op_plan){ .id = 0,
                            .name = "stateStoreSave",
                            .slot_width = width,
                            .blob_count = agg->has_blob,
                            .blob_offsets = &agg->blob_offset,
                            .has_time = key_count != 0,
                            .window_us = key_count == 0 ? 0 : keys[0].window_us };
}

static void open_state(struct query *q)
{
    sl_error err;
    sl_state_operator op = { .operator_id = 0,
                             .name = "stateStoreSave",
                             .value_width = q->state_op.slot_width,
                             .blob_offsets = q->state_op.blob_offsets,
                             .blob_count = q->state_op.blob_count,
                             .time_kind = q->state_op.has_time ? SL_STATE_TIME_AT
                                                               : SL_STATE_TIME_NONE,
                             .window_us = q->state_op.window_us };
    for (uint32_t p = 0; p < q->partition_count; p++) {
        uint32_t first = 0, end;
        while (sl_partition_of_group(first, q->partition_count) < p)
            first++;
        end = first;
        while (end < SL_KEY_GROUPS && sl_partition_of_group(end, q->partition_count) == p)
            end++;
        sl_state_config config = { .query_hash = 1,
                                   .partition = p,
                                   .group_first = first,
                                   .group_end = end,
                                   .operators = &op,
                                   .operator_count = 1 };
        OK(sl_state_partition_new(&config, &q->partitions[p], &err));
    }
}

enum grouping { BY_WINDOW, BY_TIME, BY_WHAT, GLOBAL };

static void query_init(struct query *q, sl_arena *arena, enum grouping grouping,
                       const char *agg_name, sl_output_mode mode, uint32_t partitions)
{
    *q = (struct query){ .arena = arena,
                         .delay_us = 10 * SEC,
                         .partition_count = partitions };
    const sl_schema *windowed = windowed_schema(arena);
    q->map_ops[0] = (sl_op_plan){ .kind = SL_OP_WATERMARK,
                                  .output = input_schema(),
                                  .u.watermark = { WHEN, 0 } };
    q->map_ops[1] = window_op(arena, 5 * SEC, 5 * SEC, 0);

    sl_group_key *key = SL_ARENA_NEW(arena, sl_group_key);
    key->name = "k";
    if (grouping == BY_WINDOW) {
        sl_error err;
        OK(sl_expr_field(arena, column(arena, windowed, INPUT_COLUMNS), "start",
                         (sl_sql_pos){ 0 }, &key->expr, &err));
        key->type = windowed->fields[INPUT_COLUMNS].type;
        key->window_us = 5 * SEC;
    } else {
        uint32_t c = grouping == BY_TIME ? WHEN : WHAT;
        key->expr = column(arena, windowed, c);
        key->type = windowed->fields[c].type;
    }
    add_aggregate(q, key, grouping == GLOBAL ? 0 : 1, agg_name, mode);
    if (grouping == BY_WHAT) {
        q->map_ops[2].u.agg.event_time_key = q->state_agg.u.agg.event_time_key = -1;
        q->state_op.has_time = false;
    }
    if (grouping != BY_WINDOW)
        q->map_ops[1] = q->map_ops[2];
    q->stages[1] = (sl_stage_plan){ .input = SL_INPUT_EXCHANGE,
                                    .input_schema = input_schema(),
                                    .op_count = grouping == BY_WINDOW ? 3 : 2,
                                    .ops = q->map_ops,
                                    .output_schema = q->map_ops[2].output,
                                    .output = grouping == GLOBAL ? SL_TO_EXCHANGE_ONE
                                                                 : SL_TO_EXCHANGE_KEY,
                                    .to_stage = 2 };
    q->stages[2] =
        (sl_stage_plan){ .input = SL_INPUT_EXCHANGE,
                         .width = grouping == GLOBAL ? SL_WIDTH_ONE : SL_WIDTH_PARTITIONS,
                         .input_schema = q->map_ops[2].output,
                         .op_count = 1,
                         .ops = &q->state_agg,
                         .output_schema = q->state_agg.output,
                         .output = SL_TO_RESULT };
    q->plan = (sl_physical_plan){ .streaming = true,
                                  .stage_count = 3,
                                  .stages = q->stages,
                                  .state_op_count = 1,
                                  .state_ops = &q->state_op,
                                  .watermark_count = 1 };
    open_state(q);
}

static void query_deinit(struct query *q)
{
    for (uint32_t p = 0; p < q->partition_count; p++)
        sl_state_partition_free(q->partitions[p]);
    sl_bytes_deinit(&q->got.text);
}

/* ---- one batch ---- */

static int64_t run_map(struct query *q, const char *rows, sl_exchange *middle)
{
    sl_error err;
    sl_exchange *in = one_way_exchange(1, 1, false);
    sl_chunk *chunk = chunk_of(rows);
    sl_task_request r = { .plan = &q->plan, .stage = 1, .in = in, .out = middle };
    sl_task *t;
    sl_task_outcome outcome;
    feed(in, &chunk, 1);
    OK(sl_task_new(&r, &t, &err));
    OK(run_to_end(t, 1, &err));
    sl_task_outcome_get(t, &outcome);
    int64_t max_us =
        outcome.event_times[0].count == 0 ? 0 : outcome.event_times[0].max_ms * 1000;
    sl_task_free(t);
    sl_exchange_free(in);
    return max_us;
}

static int64_t run_attempt(struct query *q, const char *rows)
{
    sl_error err;
    sl_producer_name name = { 1, 0 };
    bool one = q->stages[2].width == SL_WIDTH_ONE;
    uint32_t tasks = one ? 1 : q->partition_count;
    sl_exchange_config config = { .target_count = tasks,
                                  .producers = &name,
                                  .producer_count = 1 };
    sl_exchange *middle;
    OK(sl_exchange_new(&config, &middle, &err));
    for (uint32_t p = 0; p < q->partition_count; p++)
        OK(sl_state_begin(q->partitions[p], q->batch,
                          sl_state_version_of(q->partitions[p]), &err));
    int64_t max_us = run_map(q, rows, middle);
    sl_bytes_clear(&q->got.text);
    q->figures = (sl_task_state_figures){ 0 };
    for (uint32_t p = 0; p < tasks; p++) {
        sl_task_bounds bounds = { q->late_us, q->now_us };
        sl_task_request r = { .plan = &q->plan,
                              .stage = 2,
                              .task = p,
                              .task_count = tasks,
                              .in = middle,
                              .state = q->partitions[p],
                              .bounds = &bounds,
                              .chunk_rows = 2,
                              .result = collect_result,
                              .user = &q->got };
        sl_task *t;
        sl_task_outcome outcome;
        OK(sl_task_new(&r, &t, &err));
        OK(run_to_end(t, 1, &err));
        sl_task_outcome_get(t, &outcome);
        assert_true(outcome.states[0].present);
        q->figures.rows_total += outcome.states[0].rows_total;
        q->figures.rows_updated += outcome.states[0].rows_updated;
        q->figures.rows_removed += outcome.states[0].rows_removed;
        q->figures.rows_dropped += outcome.states[0].rows_dropped;
        sl_task_free(t);
    }
    sl_exchange_free(middle);
    return max_us;
}

static int compare_rows(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Rows of all partitions, sorted as text. */
static const char *sorted_rows(struct query *q)
{
    static char text[1024];
    char copy[1024], *rows[32], *save;
    uint32_t n = 0;
    snprintf(copy, sizeof copy, "%s", sl_bytes_cstr(&q->got.text));
    for (char *row = strtok_r(copy, ";", &save); row != NULL;
         row = strtok_r(NULL, ";", &save))
        rows[n++] = row + (*row == ' ');
    qsort(rows, n, sizeof *rows, compare_rows);
    text[0] = '\0';
    for (uint32_t i = 0; i < n; i++) {
        strcat(text, i == 0 ? "" : "; ");
        strcat(text, rows[i]);
    }
    return text;
}

/* Run one batch with the watermark as it stands; true if the watermark moved. */
static bool run_batch(struct query *q, const char *rows)
{
    sl_error err;
    if (q->abort_first) {
        run_attempt(q, rows);
        for (uint32_t p = 0; p < q->partition_count; p++)
            sl_state_abort(q->partitions[p]);
    }
    int64_t max_us = run_attempt(q, rows);
    for (uint32_t p = 0; p < q->partition_count; p++) {
        sl_state_prepared prepared;
        OK(sl_state_prepare(q->partitions[p], &prepared, &err));
        OK(sl_state_commit(q->partitions[p], prepared.version, &err));
        sl_buffer_unref(prepared.delta);
    }
    q->batch++;
    q->late_us = q->now_us; /* spark:P1 */
    bool moved = max_us - q->delay_us > q->now_us;
    if (moved)
        q->now_us = max_us - q->delay_us;
    return moved;
}

/* A batch and, as spark:A8 has it, the no-data batch after it: what both put out. */
static void expect_trigger(struct query *q, const char *rows, const char *output)
{
    char both[1024];
    sl_task_state_figures first;
    bool again = run_batch(q, rows) && q->state_agg.u.agg.mode != SL_OUTPUT_COMPLETE;
    snprintf(both, sizeof both, "%s", sorted_rows(q));
    first = q->figures;
    if (again) {
        run_batch(q, "");
        if (both[0] != '\0' && *sorted_rows(q) != '\0')
            strcat(both, "; ");
        strcat(both, sorted_rows(q));
        q->figures.rows_dropped += first.rows_dropped;
        q->figures.rows_updated += first.rows_updated;
    }
    assert_string_equal(both, output);
}

static void expect_state(const struct query *q, int64_t total, int64_t dropped)
{
    assert_int_equal(q->figures.rows_total, total);
    assert_int_equal(q->figures.rows_dropped, dropped);
}

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

static const uint32_t partitions[] = { 1, 2, PARTITIONS_MAX };
#define FOR_EACH_WAY(q, arena, grouping, agg, mode)                                      \
    for (uint32_t way = 0; way < 2 * LENGTH(partitions); way++)                          \
        for (bool once =                                                                 \
                 (query_init(q, arena, grouping, agg, mode, partitions[way / 2]),        \
                  (q)->abort_first = way % 2 == 1, true);                                \
             once; query_deinit(q), once = false)

/* ---- the vectors of spark 1.6 ---- */

static void append__emits_a_window_once_it_is_closed(void **state)
{
    struct query q;
    FOR_EACH_WAY(&q, *state, BY_WINDOW, "count", SL_OUTPUT_APPEND)
    {
        expect_trigger(&q, "10; 11; 12; 13; 14; 15", "");
        expect_trigger(&q, "25", "[10+5),5"); /* spark:A4 in the no-data batch */
        expect_state(&q, 2, 0);
        expect_trigger(&q, "10", "");
        expect_state(&q, 2, 1); /* spark:L5 */
    }
}

static void update__emits_changed_groups_and_forgets_closed_ones(void **state)
{
    struct query q;
    FOR_EACH_WAY(&q, *state, BY_WINDOW, "count", SL_OUTPUT_UPDATE)
    {
        expect_trigger(&q, "10; 11; 12; 13; 14; 15", "[10+5),5; [15+5),1");
        expect_trigger(&q, "25", "[25+5),1"); /* spark:A5 */
        expect_state(&q, 2, 0);
        expect_trigger(&q, "10; 25", "[25+5),2");
        expect_state(&q, 2, 1);
        expect_trigger(&q, "10", "");
        expect_state(&q, 2, 1);
        assert_int_equal(q.figures.rows_updated, 0);
    }
}

static void complete__emits_everything_and_drops_nothing(void **state)
{
    struct query q;
    FOR_EACH_WAY(&q, *state, BY_WINDOW, "count", SL_OUTPUT_COMPLETE)
    {
        expect_trigger(&q, "10; 11; 12", "[10+5),3");
        expect_trigger(&q, "25", "[10+5),3; [25+5),1");
        expect_trigger(&q, "25", "[10+5),3; [25+5),2");
        expect_trigger(&q, "10", "[10+5),4; [25+5),2"); /* spark:L4 */
        expect_trigger(&q, "25", "[10+5),4; [25+5),3");
        expect_trigger(&q, "", "[10+5),4; [25+5),3"); /* spark:A3: without rows too */
        expect_state(&q, 2, 0);
        assert_int_equal(q.figures.rows_updated, 0);
    }
}

static void append__groups_by_a_plain_timestamp(void **state)
{
    struct query q;
    FOR_EACH_WAY(&q, *state, BY_TIME, "count", SL_OUTPUT_APPEND)
    {
        expect_trigger(&q, "10", "");
        expect_trigger(&q, "25", "10,1");
        expect_state(&q, 1, 0);
    }
}

/* Trigger.Once: one batch a run, no no-data batch. */
static void append__with_one_batch_a_run_emits_a_run_later(void **state)
{
    struct query q;
    FOR_EACH_WAY(&q, *state, BY_WINDOW, "count", SL_OUTPUT_APPEND)
    {
        const struct {
            const char *rows, *output;
            int64_t used_s;
        } runs[] = { { "15", "", 0 },
                     { "10; 12; 14", "", 5 },
                     { "25", "", 5 },
                     { "50", "[10+5),3", 15 },
                     { "50", "[15+5),1; [25+5),1", 40 } };
        for (uint32_t i = 0; i < LENGTH(runs); i++) {
            assert_int_equal(q.now_us, runs[i].used_s * SEC);
            run_batch(&q, runs[i].rows);
            assert_string_equal(sorted_rows(&q), runs[i].output);
        }
    }
}

static void append__goes_on_after_recovery(void **state)
{
    struct query q;
    FOR_EACH_WAY(&q, *state, BY_WINDOW, "count", SL_OUTPUT_APPEND)
    {
        expect_trigger(&q, "10; 11; 12; 13; 14; 15", "");
        expect_trigger(&q, "25", "[10+5),5");
        expect_trigger(&q, "10; 27; 30", "[15+5),1");
        assert_int_equal(q.now_us, 20 * SEC);
        expect_trigger(&q, "17", "");
        expect_state(&q, 2, 1);
        expect_trigger(&q, "40", "[25+5),2");
    }
}

static void late__is_at_or_before_the_watermark_and_null_never(void **state)
{
    struct query q;
    FOR_EACH_WAY(&q, *state, BY_TIME, "count", SL_OUTPUT_UPDATE)
    {
        run_batch(&q, "30; null");
        run_batch(&q, "");
        assert_int_equal(q.late_us, 20 * SEC);
        expect_trigger(&q, "20; 20.000001; null", "20,1; null,2"); /* %g hides the us */
        expect_state(&q, 3, 1);                                    /* spark:L1, L2 */
    }
}

static void update__by_a_key_without_time_never_forgets(void **state)
{
    struct query q;
    FOR_EACH_WAY(&q, *state, BY_WHAT, "count", SL_OUTPUT_UPDATE)
    {
        expect_trigger(&q, "10,a; 11,b", "a,1; b,1");
        expect_trigger(&q, "1000,a", "a,2"); /* spark:A6 */
        expect_trigger(&q, "1,b", "b,2");    /* L4: not late without a time key */
        expect_state(&q, 2, 0);
    }
}

static void global__has_one_row_even_without_input(void **state)
{
    struct query q;
    FOR_EACH_WAY(&q, *state, GLOBAL, "count", SL_OUTPUT_UPDATE)
    {
        run_batch(&q, "");
        assert_string_equal(sorted_rows(&q), "0"); /* spark:A7 */
        run_batch(&q, "1; 2; 3");
        assert_string_equal(sorted_rows(&q), "3");
        run_batch(&q, "4");
        assert_string_equal(sorted_rows(&q), "4");
        expect_state(&q, 1, 0);
    }
}

static void state__keeps_strings_the_empty_one_too(void **state)
{
    struct query q;
    FOR_EACH_WAY(&q, *state, BY_WINDOW, "min", SL_OUTPUT_COMPLETE)
    {
        expect_trigger(&q, "10,some rather long text; 20,null",
                       "[10+5),some rather long text; [20+5),null");
        expect_trigger(&q, "10,pear; 20,x", "[10+5),pear; [20+5),x");
        expect_trigger(&q, "10,zebra; 20,''", "[10+5),pear; [20+5),");
        expect_trigger(&q, "20,a", "[10+5),pear; [20+5),");
    }
}

/* A LIMIT behind the aggregate must not keep it from forgetting closed groups. */
static void append__forgets_closed_groups_behind_a_limit_too(void **state)
{
    struct query q;
    FOR_EACH_WAY(&q, *state, BY_WINDOW, "count", SL_OUTPUT_APPEND)
    {
        sl_op_plan ops[2] = { q.state_agg,
                              { .kind = SL_OP_LIMIT, .output = q.state_agg.output } };
        ops[1].u.limit.limit = 0;
        q.stages[2].ops = ops;
        q.stages[2].op_count = 2;
        expect_trigger(&q, "1; 6; 11; 16; 21; 60", "");
        expect_state(&q, 1, 0);
    }
}

/* ---- LIMIT of a stream ---- */

static void state_limit__counts_over_the_life_of_the_query(void **state)
{
    sl_error err;
    for (uint32_t again = 0; again < 2; again++) {
        sl_state_op_plan state_op = { .id = 3, .name = "globalLimit", .slot_width = 8 };
        sl_state_operator op = { .operator_id = 3, .name = "limit", .value_width = 8 };
        sl_state_config config = { .group_end = SL_KEY_GROUPS / 7,
                                   .operators = &op,
                                   .operator_count = 1 };
        sl_state_partition *partition;
        OK(sl_state_partition_new(&config, &partition, &err));
        sl_op_plan ops[] = { { .kind = SL_OP_STATE_LIMIT, .output = input_schema() } };
        ops[0].u.limit.limit = 3;
        const struct {
            const char *rows, *output;
        } batches[] = { { "1; 2", "1,null,null,null; 2,null,null,null" },
                        { "3; 4; 5", "3,null,null,null" },
                        { "6", "" } };
        for (uint32_t b = 0; b < LENGTH(batches); b++) {
            for (uint32_t attempt = 0; attempt <= again; attempt++) {
                struct stage s;
                stage_init(&s, *state, ops, 1);
                s.plan.state_op_count = 1;
                s.plan.state_ops = &state_op;
                s.request.state = partition;
                OK(sl_state_begin(partition, b, sl_state_version_of(partition), &err));
                assert_string_equal(run_stage(&s, &batches[b].rows, 1),
                                    batches[b].output); /* spark:B1 */
                stage_deinit(&s);
                if (attempt < again)
                    sl_state_abort(partition);
            }
            sl_state_prepared prepared;
            OK(sl_state_prepare(partition, &prepared, &err));
            OK(sl_state_commit(partition, prepared.version, &err));
            sl_buffer_unref(prepared.delta);
        }
        sl_state_partition_free(partition);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(append__emits_a_window_once_it_is_closed),
        T(update__emits_changed_groups_and_forgets_closed_ones),
        T(complete__emits_everything_and_drops_nothing),
        T(append__groups_by_a_plain_timestamp),
        T(append__with_one_batch_a_run_emits_a_run_later),
        T(append__goes_on_after_recovery),
        T(late__is_at_or_before_the_watermark_and_null_never),
        T(update__by_a_key_without_time_never_forgets),
        T(global__has_one_row_even_without_input),
        T(state__keeps_strings_the_empty_one_too),
        T(append__forgets_closed_groups_behind_a_limit_too),
        T(state_limit__counts_over_the_life_of_the_query),
    };
    return cmocka_run_group_tests_name("engine/exec streaming aggregate", tests, NULL,
                                       NULL);
}
