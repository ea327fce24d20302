/* exec_harness.h - plans made by hand, rows as text, tasks run to their end.
 *
 * Rows are written "10,open,1; null,close,2": columns by ',', rows by ';', timestamps in
 * seconds.  '' is the empty string.  Results are printed the same way, a window as
 * [start+length). */

#ifndef SL_TESTS_EXEC_HARNESS_H
#define SL_TESTS_EXEC_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/columnar/row_key.h"
#include "engine/exec/task.h"

#define SEC INT64_C(1000000)
#define LENGTH(a) ((uint32_t)(sizeof(a) / sizeof((a)[0])))

#define OK(call)                                                                         \
    do {                                                                                 \
        sl_code ok_code_ = (call);                                                       \
        if (ok_code_ != SL_OK)                                                           \
            fail_msg("%s: %s", sl_code_name(ok_code_), err.text);                        \
    } while (0)

/* The rows every test reads: when TIMESTAMP, what STRING, x LONG, y DOUBLE. */
enum { WHEN, WHAT, X, Y, INPUT_COLUMNS };

static inline const sl_schema *input_schema(void)
{
    static sl_field fields[INPUT_COLUMNS];
    static sl_schema schema = { INPUT_COLUMNS, fields };
    fields[WHEN] = (sl_field){ .name = "when",
                               .type = sl_type_of(SL_TYPE_TIMESTAMP),
                               .nullable = true };
    fields[WHAT] = (sl_field){ .name = "what",
                               .type = sl_type_of(SL_TYPE_STRING),
                               .nullable = true };
    fields[X] =
        (sl_field){ .name = "x", .type = sl_type_of(SL_TYPE_LONG), .nullable = true };
    fields[Y] =
        (sl_field){ .name = "y", .type = sl_type_of(SL_TYPE_DOUBLE), .nullable = true };
    return &schema;
}

static inline void append_value(sl_column_builder *b, const char *text, uint32_t length)
{
    sl_error err;
    char copy[256];
    assert_true(length < sizeof copy);
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (strcmp(copy, "null") == 0 || (length == 0 && b->type->id != SL_TYPE_STRING))
        OK(sl_column_builder_null(b, &err));
    else if (b->type->id == SL_TYPE_TIMESTAMP)
        OK(sl_column_builder_i64(b, (int64_t)(atof(copy) * 1e6), &err));
    else if (b->type->id == SL_TYPE_LONG)
        OK(sl_column_builder_i64(b, strtoll(copy, NULL, 10), &err));
    else if (b->type->id == SL_TYPE_DOUBLE)
        OK(sl_column_builder_f64(b, atof(copy), &err));
    else if (strcmp(copy, "''") == 0)
        OK(sl_column_builder_string(b, "", 0, &err));
    else
        OK(sl_column_builder_string(b, copy, length, &err));
}

/* Missing columns at the end of a row are null. */
static inline sl_chunk *chunk_of(const char *text)
{
    sl_error err;
    sl_chunk_builder b;
    OK(sl_chunk_builder_init(&b, input_schema(), 16, NULL, &err));
    while (*text != '\0') {
        for (uint32_t c = 0; c < INPUT_COLUMNS; c++) {
            while (*text == ' ')
                text++;
            uint32_t n = (uint32_t)strcspn(text, ",;");
            if (n == 0 && (*text == ';' || *text == '\0'))
                OK(sl_column_builder_null(&b.columns[c], &err));
            else
                append_value(&b.columns[c], text, n);
            text += n + (text[n] == ',');
        }
        text += *text == ';';
        while (*text == ' ')
            text++;
    }
    return sl_chunk_builder_finish(&b, 0);
}

static inline void print_value(const sl_column *c, uint32_t row, sl_bytes *out)
{
    if (!sl_column_is_valid(c, row)) {
        sl_bytes_text(out, "null");
        return;
    }
    const sl_string_view *view;
    switch (c->type->id) {
    case SL_TYPE_STRUCT:
        sl_bytes_char(out, '[');
        print_value(&c->children[0], row, out);
        sl_bytes_printf(out, "+%g)",
                        (double)(sl_column_i64(&c->children[1])[row] -
                                 sl_column_i64(&c->children[0])[row]) /
                            1e6);
        break;
    case SL_TYPE_TIMESTAMP:
        sl_bytes_printf(out, "%g", (double)sl_column_i64(c)[row] / 1e6);
        break;
    case SL_TYPE_DOUBLE:
        sl_bytes_printf(out, "%.17g", sl_column_f64(c)[row]);
        break;
    case SL_TYPE_STRING:
        view = &sl_column_strings(c)[row];
        sl_bytes_append(out, sl_string_data(view), view->length);
        break;
    case SL_TYPE_BINARY:
        sl_bytes_char(out, '#');
        break;
    default:
        sl_bytes_printf(out, "%lld", (long long)sl_column_i64(c)[row]);
    }
}

static inline void print_chunk(const sl_chunk *c, sl_bytes *out)
{
    for (uint32_t i = 0; i < c->selected; i++) {
        if (out->size_bytes != 0)
            sl_bytes_text(out, "; ");
        for (uint32_t k = 0; k < c->column_count; k++) {
            if (k != 0)
                sl_bytes_char(out, ',');
            print_value(&c->columns[k], sl_chunk_row(c, i), out);
        }
    }
}

/* ---- expressions and plans ---- */

static inline const sl_expr *column(sl_arena *arena, const sl_schema *schema, uint32_t i)
{
    return sl_expr_column(arena, i, &schema->fields[i], (sl_sql_pos){ 0 });
}

static inline const sl_expr *number(sl_arena *arena, int64_t v)
{
    sl_value value = { .type = sl_type_of(SL_TYPE_LONG), .i64 = v };
    return sl_expr_literal(arena, &value, "n", (sl_sql_pos){ 0 });
}

static inline const sl_expr *call(sl_arena *arena, const char *name, const sl_expr *a,
                                  const sl_expr *b)
{
    sl_error err;
    const sl_expr *args[2] = { a, b }, *ret = NULL;
    OK(sl_expr_call(arena, name, args, b == NULL ? 1 : 2, (sl_sql_pos){ 0 }, &ret, &err));
    return ret;
}

static inline const sl_schema *schema_of(sl_arena *arena, const sl_type *const *types,
                                         uint32_t count)
{
    sl_field *fields = SL_ARENA_ARRAY(arena, sl_field, count + 1);
    for (uint32_t i = 0; i < count; i++)
        fields[i] = (sl_field){ .name = sl_arena_printf(arena, "c%u", i),
                                .type = types[i],
                                .nullable = true };
    sl_schema *s = SL_ARENA_NEW(arena, sl_schema);
    *s = (sl_schema){ count, fields };
    return s;
}

/* The input and the window column. */
static inline const sl_schema *windowed_schema(sl_arena *arena)
{
    const sl_type *types[INPUT_COLUMNS + 1];
    for (uint32_t i = 0; i < INPUT_COLUMNS; i++)
        types[i] = input_schema()->fields[i].type;
    types[INPUT_COLUMNS] = sl_type_window(sl_type_of(SL_TYPE_TIMESTAMP));
    return schema_of(arena, types, INPUT_COLUMNS + 1);
}

static inline sl_op_plan window_op(sl_arena *arena, int64_t size_us, int64_t slide_us,
                                   int64_t start_us)
{
    sl_op_plan op = { .kind = SL_OP_WINDOW, .output = windowed_schema(arena) };
    op.u.window.time = column(arena, input_schema(), WHEN);
    op.u.window.size_us = size_us;
    op.u.window.slide_us = slide_us;
    op.u.window.start_us = start_us;
    return op;
}

/* ---- running one task ---- */

#define TEST_PRODUCER_STAGE 0
#define TEST_STAGE 1

struct collected {
    sl_bytes text;
    uint32_t chunks, largest;
    uint32_t refuse; /* answer "not now" so many times between chunks */
    uint32_t refused;
};

static inline sl_code collect_result(void *user, sl_chunk *chunk, bool *ret_taken,
                                     sl_error *err)
{
    (void)err;
    struct collected *c = user;
    if (c->refused < c->refuse) {
        c->refused++;
        *ret_taken = false;
        return SL_OK;
    }
    c->refused = 0;
    print_chunk(chunk, &c->text);
    c->chunks++;
    if (chunk->selected > c->largest)
        c->largest = chunk->selected;
    *ret_taken = true;
    return SL_OK;
}

static inline sl_exchange *one_way_exchange(uint32_t targets, uint32_t producers,
                                            bool ordered)
{
    sl_error err;
    sl_exchange *x = NULL;
    sl_producer_name *names = sl_calloc(producers + 1, sizeof *names);
    for (uint32_t i = 0; i < producers; i++)
        names[i] = (sl_producer_name){ TEST_PRODUCER_STAGE, i };
    sl_exchange_config config = {
        .target_count = targets,
        .producers = names,
        .producer_count = producers,
        .ordered = ordered,
        .credit_bytes = INT64_C(1) << 40,
    };
    OK(sl_exchange_new(&config, &x, &err));
    sl_free(names);
    return x;
}

/* Push the chunks (taken) as producer 0 for target 0, and end. */
static inline void feed(sl_exchange *x, sl_chunk *const *chunks, uint32_t count)
{
    sl_error err;
    uint64_t rows = 0, blocks = 0;
    for (uint32_t i = 0; i < count; i++) {
        sl_exchange_answer answer;
        OK(sl_exchange_push(x, 0, 0, chunks[i], &answer, &err));
        assert_int_equal(answer, SL_EXCHANGE_TAKEN);
        rows += chunks[i]->selected;
        blocks += chunks[i]->selected != 0;
        sl_chunk_unref(chunks[i]);
    }
    OK(sl_exchange_end(x, 0, rows, blocks, &err));
}

static inline sl_code run_to_end(sl_task *t, uint32_t max_chunks, sl_error *err)
{
    sl_task_answer answer = SL_TASK_MORE;
    for (uint32_t steps = 0; answer != SL_TASK_DONE; steps++) {
        assert_true(steps < 1000000);
        SL_TRY(sl_task_step(t, max_chunks, &answer, err));
    }
    return SL_OK;
}

/* One stage of the given operators from an exchange to a result, over rows given as text
 * (one chunk each).  The fields can be changed before run_stage(). */
struct stage {
    sl_arena *arena;
    sl_physical_plan plan;
    sl_stage_plan stages[2];
    sl_task_request request;
    struct collected got;
    sl_task_outcome outcome; /* file and pointers are not kept */
    sl_task_event_times event_times[4];
    sl_budget budget;
    uint64_t fail_nth; /* this data-dependent allocation of the task fails */
};

static inline void stage_init(struct stage *s, sl_arena *arena, const sl_op_plan *ops,
                              uint32_t op_count)
{
    *s = (struct stage){ .arena = arena };
    s->stages[TEST_STAGE] = (sl_stage_plan){
        .input = SL_INPUT_EXCHANGE,
        .width = SL_WIDTH_ONE,
        .input_schema = input_schema(),
        .op_count = op_count,
        .ops = ops,
        .output_schema = op_count == 0 ? input_schema() : ops[op_count - 1].output,
        .output = SL_TO_RESULT,
    };
    s->plan = (sl_physical_plan){ .stage_count = 2, .stages = s->stages };
    sl_budget_init(&s->budget, NULL, "test", INT64_MAX);
    s->request = (sl_task_request){
        .plan = &s->plan,
        .stage = TEST_STAGE,
        .task_count = 1,
        .budget = &s->budget,
        .result = collect_result,
        .user = &s->got,
    };
}

static inline sl_code try_stage(struct stage *s, const char *const *inputs,
                                uint32_t count, sl_error *err)
{
    sl_chunk *chunks[16];
    sl_task *task = NULL;
    assert_true(count <= LENGTH(chunks));
    for (uint32_t i = 0; i < count; i++)
        chunks[i] = chunk_of(inputs[i]);
    s->request.in = one_way_exchange(1, 1, false);
    feed(s->request.in, chunks, count);
    sl_alloc_fail_after(s->fail_nth);
    sl_code code = sl_task_new(&s->request, &task, err);
    if (code == SL_OK)
        code = run_to_end(task, 1, err);
    sl_alloc_fail_after(0);
    if (code == SL_OK) {
        sl_task_outcome_get(task, &s->outcome);
        for (uint32_t i = 0; i < s->plan.watermark_count; i++)
            s->event_times[i] = s->outcome.event_times[i];
    }
    sl_task_free(task);
    sl_exchange_free(s->request.in);
    assert_int_equal(sl_budget_used(&s->budget), 0);
    return code;
}

/* The output as text; free with stage_deinit. */
static inline const char *run_stage(struct stage *s, const char *const *inputs,
                                    uint32_t count)
{
    sl_error err;
    OK(try_stage(s, inputs, count, &err));
    return sl_bytes_cstr(&s->got.text);
}

static inline void stage_deinit(struct stage *s)
{
    sl_bytes_deinit(&s->got.text);
}

#endif /* SL_TESTS_EXEC_HARNESS_H */
