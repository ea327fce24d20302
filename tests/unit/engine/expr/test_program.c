/* Programs: random trees against a row-at-a-time evaluator; masks, shared work, memory
 * that lives on, filters, randomness, and hostile fragments. */
#include "tests/unit/engine/expr/expr_text.h"

#include "base/alloc.h"
#include "engine/expr/function_private.h"

/* ---- a reference evaluator: one row, one value, errors only where Spark evaluates ----
 */

typedef struct cell {
    bool null, error;
    int64_t i; /* LONG, BOOLEAN */
    double d;
    char text[64];
} cell;

static const cell NULL_CELL = { .null = true };
static const cell ERROR_CELL = { .error = true };

static cell eval(const sl_expr *e, const cell *row);

static const char *function_name(const sl_expr *e)
{
    return e->function->name;
}

static cell arithmetic(const char *op, cell a, cell b)
{
    cell r = { 0 };
    bool bad = op[0] == '+'   ? __builtin_add_overflow(a.i, b.i, &r.i)
               : op[0] == '-' ? __builtin_sub_overflow(a.i, b.i, &r.i)
               : op[0] == '*' ? __builtin_mul_overflow(a.i, b.i, &r.i)
                              : b.i == 0;
    if (bad || (strcmp(op, "div") == 0 && a.i == INT64_MIN && b.i == -1))
        return ERROR_CELL;
    if (strcmp(op, "div") == 0)
        r.i = a.i / b.i;
    if (op[0] == '%')
        r.i = b.i == -1 ? 0 : a.i % b.i;
    return r;
}

static int order(const sl_type *t, const cell *a, const cell *b)
{
    if (t->id == SL_TYPE_STRING)
        return strcmp(a->text, b->text);
    if (t->id == SL_TYPE_DOUBLE) {
        if (isnan(a->d) || isnan(b->d))
            return (isnan(a->d) != 0) - (isnan(b->d) != 0);
        return (a->d > b->d) - (a->d < b->d);
    }
    return (a->i > b->i) - (a->i < b->i);
}

static cell lazy(const sl_expr *e, const cell *row)
{
    const char *name = function_name(e);
    if (strcmp(name, "coalesce") == 0) {
        cell v = NULL_CELL;
        for (uint32_t k = 0; k < e->arg_count && v.null && !v.error; k++)
            v = eval(e->args[k], row);
        return v;
    }
    if (strcmp(name, "case") == 0) {
        uint32_t k = 0;
        for (; k + 1 < e->arg_count; k += 2) {
            cell c = eval(e->args[k], row);
            if (c.error || (!c.null && c.i))
                return c.error ? c : eval(e->args[k + 1], row);
        }
        return k < e->arg_count ? eval(e->args[k], row) : NULL_CELL;
    }
    bool is_and = strcmp(name, "and") == 0;
    cell a = eval(e->args[0], row);
    if (a.error || (!a.null && (a.i != 0) != is_and))
        return a;
    cell b = eval(e->args[1], row);
    if (b.error || (!b.null && (b.i != 0) != is_and))
        return b;
    return a.null ? a : b;
}

static cell strict(const sl_expr *e, const cell *row)
{
    const char *name = function_name(e);
    cell a = eval(e->args[0], row), b = { 0 }, r = { 0 };
    if (e->arg_count == 2)
        b = eval(e->args[1], row);
    if (a.error || b.error)
        return ERROR_CELL;
    if (strcmp(name, "isnull") == 0) {
        r.i = a.null;
        return r;
    }
    if (strcmp(name, "<=>") == 0 && (a.null || b.null)) {
        r.i = a.null && b.null;
        return r;
    }
    if (a.null || b.null)
        return NULL_CELL;
    int cmp = order(e->args[0]->type, &a, &b);
    if (strcmp(name, "not") == 0)
        r.i = !a.i;
    else if (strcmp(name, "cast") == 0)
        r.d = (double)a.i;
    else if (strcmp(name, "concat") == 0)
        snprintf(r.text, sizeof r.text, "%.31s%.31s", a.text, b.text);
    else if (strcmp(name, "=") == 0 || strcmp(name, "<=>") == 0)
        r.i = cmp == 0;
    else if (strcmp(name, "<") == 0)
        r.i = cmp < 0;
    else if (strcmp(name, ">=") == 0)
        r.i = cmp >= 0;
    else if (strcmp(name, "unary-") == 0)
        return a.i == INT64_MIN ? ERROR_CELL : (cell){ .i = -a.i };
    else if (strcmp(name, "/") == 0)
        return b.d == 0 ? ERROR_CELL : (cell){ .d = a.d / b.d };
    else
        return arithmetic(name, a, b);
    return r;
}

static cell in_list(const sl_expr *e, const cell *row)
{
    cell x = eval(e->args[0], row), r = { 0 };
    bool null = x.null;
    for (uint32_t k = 1; k < e->arg_count; k++) {
        cell v = eval(e->args[k], row);
        if (v.error || x.error)
            return ERROR_CELL;
        null = null || v.null;
        if (!v.null && !x.null && order(e->args[0]->type, &x, &v) == 0)
            r.i = 1;
    }
    r.null = null && !r.i;
    r.null = r.null || x.null;
    return r;
}

static cell eval(const sl_expr *e, const cell *row)
{
    if (e->kind == SL_EXPR_COLUMN)
        return row[e->column];
    if (e->kind == SL_EXPR_LITERAL) {
        cell c = { .null = e->literal.is_null, .i = e->literal.i64, .d = e->literal.f64 };
        if (e->literal.text != NULL)
            snprintf(c.text, sizeof c.text, "%.*s", (int)e->literal.length,
                     e->literal.text);
        return c;
    }
    const char *name = function_name(e);
    if (strcmp(name, "and") == 0 || strcmp(name, "or") == 0 ||
        strcmp(name, "case") == 0 || strcmp(name, "coalesce") == 0)
        return lazy(e, row);
    return strcmp(name, "in") == 0 ? in_list(e, row) : strict(e, row);
}

/* ---- random trees and chunks ---- */

static uint64_t seed_state;

static uint32_t pick(uint32_t n)
{
    seed_state = seed_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(seed_state >> 33) % n;
}

enum { LONGS, BOOLEANS, STRINGS, DOUBLES, KINDS };
static const sl_type_id kind_types[KINDS] = { SL_TYPE_LONG, SL_TYPE_BOOLEAN,
                                              SL_TYPE_STRING, SL_TYPE_DOUBLE };

static void random_value(uint32_t kind, sl_value *v)
{
    static const int64_t longs[] = { 0, 1, -1, 2, 3, 7, INT64_MAX, INT64_MIN };
    static const double doubles[] = { 0.0, -0.0, 1.5, NAN, 1e300, -2.0 };
    static const char *const texts[] = {
        "", "a", "ab", "twelve bytes", "thirteen byte", "thirteen bytf"
    };
    *v = (sl_value){ .type = sl_type_of(kind_types[kind]), .is_null = pick(6) == 0 };
    v->i64 = kind == BOOLEANS ? pick(2) : longs[pick(pick(4) == 0 ? 8 : 6)];
    v->f64 = doubles[pick(6)];
    v->text = texts[pick(6)];
    v->length = (uint32_t)strlen(v->text);
}

static const sl_expr *random_tree(sl_arena *arena, uint32_t kind, uint32_t depth);

static const sl_expr *call(sl_arena *arena, const char *name, uint32_t n,
                           const sl_expr *a, const sl_expr *b, const sl_expr *c)
{
    const sl_expr *args[3] = { a, b, c }, *e = NULL;
    sl_error err = { 0 };
    if (sl_expr_call(arena, name, args, n, (sl_sql_pos){ 1, 1 }, &e, &err) != SL_OK)
        fail_msg("%s: %s", name, err.text);
    return e;
}

static const sl_expr *random_leaf(sl_arena *arena, uint32_t kind)
{
    sl_sql_pos pos = { 1, 1 };
    if (pick(3) == 0) {
        sl_value v;
        random_value(kind, &v);
        return sl_expr_literal(arena, &v, NULL, pos);
    }
    sl_field f = { .name = "c", .type = sl_type_of(kind_types[kind]), .nullable = true };
    return sl_expr_column(arena, kind * 2 + pick(2), &f, pos);
}

static const sl_expr *random_boolean(sl_arena *arena, uint32_t depth)
{
    static const char *const compare[] = { "=", "<", ">=", "<=>" };
    const sl_expr *a, *b;
    uint32_t kind = pick(KINDS);
    switch (pick(6)) {
    case 0:
    case 1:
        a = random_tree(arena, BOOLEANS, depth);
        b = random_tree(arena, BOOLEANS, depth);
        return call(arena, pick(2) ? "and" : "or", 2, a, b, NULL);
    case 2:
        return call(arena, "not", 1, random_tree(arena, BOOLEANS, depth), NULL, NULL);
    case 3:
        return call(arena, "isnull", 1, random_tree(arena, kind, depth), NULL, NULL);
    case 4:
        a = random_tree(arena, kind, depth);
        b = random_leaf(arena, kind);
        return call(arena, "in", 3, a, b, random_leaf(arena, kind));
    default:
        a = random_tree(arena, kind, depth);
        b = random_tree(arena, kind, depth);
        return call(arena, compare[pick(4)], 2, a, b, NULL);
    }
}

static const sl_expr *random_tree(sl_arena *arena, uint32_t kind, uint32_t depth)
{
    static const char *const ops[] = { "+", "-", "*", "div", "%" };
    if (depth == 0 || pick(5) == 0)
        return random_leaf(arena, kind);
    depth--;
    const sl_expr *a, *b;
    if (pick(4) == 0) {
        const sl_expr *c = random_tree(arena, BOOLEANS, depth);
        a = random_tree(arena, kind, depth);
        b = random_tree(arena, kind, depth);
        return pick(2) ? call(arena, "case", 3, c, a, b)
                       : call(arena, "coalesce", 2, a, b, NULL);
    }
    if (kind == BOOLEANS)
        return random_boolean(arena, depth);
    a = random_tree(arena, kind == DOUBLES ? LONGS : kind, depth);
    b = random_tree(arena, kind, depth);
    if (kind == STRINGS)
        return call(arena, "concat", 2, random_leaf(arena, kind),
                    random_leaf(arena, kind), NULL);
    if (kind == LONGS)
        return pick(6) == 0 ? call(arena, "unary-", 1, a, NULL, NULL)
                            : call(arena, ops[pick(5)], 2, a, b, NULL);
    const sl_expr *real;
    assert_int_equal(
        sl_expr_cast(arena, a, sl_type_of(SL_TYPE_DOUBLE), false, &real, NULL), SL_OK);
    return call(arena, "/", 2, real, b, NULL);
}

#define ROWS_MAX 300

static sl_chunk *random_chunk(uint32_t rows, cell cells[ROWS_MAX][2 * KINDS])
{
    sl_chunk *c = sl_chunk_new(2 * KINDS, rows);
    for (uint32_t k = 0; k < 2 * KINDS; k++) {
        sl_column_builder b;
        bool no_nulls = pick(3) == 0;
        assert_int_equal(
            sl_column_builder_init(&b, sl_type_of(kind_types[k / 2]), rows, NULL, NULL),
            SL_OK);
        for (uint32_t i = 0; i < rows; i++) {
            sl_value v;
            random_value(k / 2, &v);
            v.is_null = v.is_null && !no_nulls;
            append_value(&b, &v);
            cells[i][k] = (cell){ .null = v.is_null, .i = v.i64, .d = v.f64 };
            snprintf(cells[i][k].text, sizeof cells[i][k].text, "%s", v.text);
        }
        sl_column_builder_finish(&b, &c->columns[k]);
    }
    return c;
}

static bool same(const sl_column *c, uint32_t row, const cell *want)
{
    if (want->null || !sl_column_is_valid(c, row))
        return want->null && !sl_column_is_valid(c, row);
    switch (c->type->id) {
    case SL_TYPE_BOOLEAN:
        return sl_bitmap_get(sl_column_bits(c), row) == (want->i != 0);
    case SL_TYPE_DOUBLE: {
        double d = sl_column_f64(c)[row];
        return d == want->d || (isnan(d) && isnan(want->d));
    }
    case SL_TYPE_STRING: {
        const sl_string_view *v = &sl_column_strings(c)[row];
        return v->length == strlen(want->text) &&
               memcmp(sl_string_data(v), want->text, v->length) == 0;
    }
    default:
        return sl_column_i64(c)[row] == want->i;
    }
}

/* One random chunk through a program of two trees. Counts outcomes. */
static void try_chunk(sl_program_run *run, const sl_expr *const *trees, uint64_t seed,
                      uint32_t *ret_errors)
{
    static cell cells[ROWS_MAX][2 * KINDS];
    uint16_t rows[ROWS_MAX];
    uint32_t count = pick(ROWS_MAX) + 1, selected = 0, density = pick(3);
    sl_chunk *all = random_chunk(count, cells), *in = all;
    for (uint16_t i = 0; i < count; i++) {
        if (density != 0 && pick(density == 1 ? 2 : 40) == 0)
            rows[selected++] = i;
    }
    if (density != 0)
        assert_int_equal(sl_chunk_select(all, rows, selected, &in, NULL), SL_OK);

    bool error = false;
    for (uint32_t i = 0; i < in->selected; i++) {
        for (uint32_t t = 0; t < 2; t++)
            error = error || eval(trees[t], cells[sl_chunk_row(in, i)]).error;
    }
    sl_eval_context x = { .zone = sl_time_zone_utc() };
    sl_column results[2] = { { 0 }, { 0 } };
    sl_error err = { 0 };
    sl_code code = sl_program_eval(run, &x, in, results, &err);
    if ((code != SL_OK) != error)
        fail_msg("seed %llu: %s", (unsigned long long)seed,
                 error ? "an error was missed" : err.text);
    *ret_errors += error;
    for (uint32_t i = 0; i < in->selected && !error; i++) {
        uint32_t row = sl_chunk_row(in, i);
        for (uint32_t t = 0; t < 2; t++) {
            cell want = eval(trees[t], cells[row]);
            if (!same(&results[t], row, &want)) {
                sl_bytes b = { 0 };
                sl_expr_print(trees[t], NULL, &b);
                fail_msg("seed %llu row %u: %s: %s", (unsigned long long)seed, row,
                         sl_bytes_cstr(&b),
                         row_text(&results[t], row, sl_time_zone_utc()));
            }
        }
    }
    sl_column_release(&results[0]);
    sl_column_release(&results[1]);
    if (in != all)
        sl_chunk_unref(in);
    sl_chunk_unref(all);
}

static void eval__agrees_with_one_row_at_a_time(void **state)
{
    (void)state;
    uint32_t errors = 0, total = 0;
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        seed_state = seed * UINT64_C(0x9e3779b97f4a7c15);
        sl_arena *arena = sl_arena_new();
        const sl_expr *trees[2], *folded[2];
        uint32_t kind = pick(KINDS);
        for (uint32_t t = 0; t < 2; t++) {
            trees[t] = random_tree(arena, (kind + t) % KINDS, pick(5));
            folded[t] = pick(2) ? sl_expr_fold(arena, trees[t]) : trees[t];
        }
        sl_program *p;
        sl_program_run *run;
        assert_int_equal(sl_program_compile(folded, 2, &p, NULL), SL_OK);
        assert_int_equal(sl_program_run_new(p, NULL, &run, NULL), SL_OK);
        for (uint32_t chunk = 0; chunk < 4; chunk++, total++)
            try_chunk(run, trees, seed, &errors);
        sl_program_run_free(run);
        sl_program_free(p);
        sl_arena_free(arena);
    }
    assert_in_range(errors, total / 20, total / 2); /* both kinds were tried */
}

/* ---- small promises ---- */

static sl_chunk *counting_chunk(uint32_t rows, sl_schema *ret_schema)
{
    static sl_field fields[2] = { { .name = "a", .nullable = true },
                                  { .name = "s", .nullable = true } };
    fields[0].type = sl_type_of(SL_TYPE_LONG);
    fields[1].type = sl_type_of(SL_TYPE_STRING);
    *ret_schema = (sl_schema){ 2, fields };
    sl_chunk_builder b;
    assert_int_equal(sl_chunk_builder_init(&b, ret_schema, rows, NULL, NULL), SL_OK);
    for (uint32_t i = 0; i < rows; i++) {
        char text[40];
        int n = snprintf(text, sizeof text, "the text of row number %u", i);
        assert_int_equal(sl_column_builder_i64(&b.columns[0], i, NULL), SL_OK);
        assert_int_equal(sl_column_builder_string(&b.columns[1], text, (uint32_t)n, NULL),
                         SL_OK);
    }
    return sl_chunk_builder_finish(&b, rows);
}

static void filter__lists_the_rows_that_are_true(void **state)
{
    (void)state;
    sl_arena *arena = sl_arena_new();
    sl_schema schema;
    sl_chunk *all = counting_chunk(200, &schema), *odd;
    uint16_t rows[200], out[200];
    uint32_t n = 0, count;
    const sl_expr *e;
    sl_program *p;
    sl_program_run *run;
    sl_eval_context x = { .zone = sl_time_zone_utc() };
    assert_int_equal(expr_of(arena, "(>= $a 150)", &schema, &e, NULL), SL_OK);
    assert_int_equal(sl_program_compile(&e, 1, &p, NULL), SL_OK);
    assert_int_equal(sl_program_run_new(p, NULL, &run, NULL), SL_OK);
    assert_int_equal(sl_program_filter(run, &x, all, out, &count, NULL), SL_OK);
    assert_int_equal(count, 50);
    assert_int_equal(out[0], 150);
    assert_int_equal(out[49], 199);
    for (uint16_t i = 1; i < 200; i += 2)
        rows[n++] = i;
    assert_int_equal(sl_chunk_select(all, rows, n, &odd, NULL), SL_OK);
    assert_int_equal(sl_program_filter(run, &x, odd, out, &count, NULL), SL_OK);
    assert_int_equal(count, 25);
    assert_int_equal(out[0], 151);
    sl_program_run_free(run);
    sl_program_free(p);
    sl_chunk_unref(odd);
    sl_chunk_unref(all);
    sl_arena_free(arena);
}

static void results__outlive_the_run_and_the_chunk(void **state)
{
    (void)state;
    sl_arena *arena = sl_arena_new();
    sl_schema schema;
    const sl_expr *exprs[5];
    static const char *const texts[] = { "(substring $s 5)", "(upper $s)", "(+ $a 1)",
                                         "(concat 'a constant of length' '')", "$s" };
    sl_chunk *a = counting_chunk(100, &schema), *b = counting_chunk(50, &schema);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(expr_of(arena, texts[i], &schema, &exprs[i], NULL), SL_OK);
    sl_budget budget;
    sl_budget_init(&budget, NULL, "test", INT64_MAX);
    sl_program *p;
    sl_program_run *run;
    sl_column first[5], second[5];
    sl_eval_context x = { .zone = sl_time_zone_utc() };
    assert_int_equal(sl_program_compile(exprs, 5, &p, NULL), SL_OK);
    assert_int_equal(sl_program_run_new(p, &budget, &run, NULL), SL_OK);
    assert_int_equal(sl_program_eval(run, &x, a, first, NULL), SL_OK);
    assert_int_equal(sl_program_eval(run, &x, b, second, NULL), SL_OK);
    sl_program_run_free(run);
    sl_program_free(p);
    sl_chunk_unref(a);
    sl_chunk_unref(b);
    const sl_time_zone *utc = sl_time_zone_utc();
    assert_string_equal(row_text(&first[0], 99, utc), "text of row number 99");
    assert_string_equal(row_text(&first[1], 7, utc), "THE TEXT OF ROW NUMBER 7");
    assert_string_equal(row_text(&first[2], 99, utc), "100");
    assert_string_equal(row_text(&first[3], 99, utc), "a constant of length");
    assert_string_equal(row_text(&first[4], 3, utc), "the text of row number 3");
    assert_string_equal(row_text(&second[0], 49, utc), "text of row number 49");
    for (uint32_t i = 0; i < 5; i++) {
        sl_column_release(&first[i]);
        sl_column_release(&second[i]);
    }
    assert_int_equal(sl_budget_used(&budget), 0);
    sl_arena_free(arena);
}

/* A result given back before the next chunk leaves its memory to be used again. */
static void eval__allocates_nothing_in_the_steady_state(void **state)
{
    (void)state;
    sl_arena *arena = sl_arena_new();
    sl_schema schema;
    sl_chunk *in = counting_chunk(1000, &schema);
    const sl_expr *e;
    assert_int_equal(expr_of(arena, "(length (concat $s (upper $s)))", &schema, &e, NULL),
                     SL_OK);
    sl_program *p;
    sl_program_run *run;
    sl_eval_context x = { .zone = sl_time_zone_utc() };
    assert_int_equal(sl_program_compile(&e, 1, &p, NULL), SL_OK);
    assert_int_equal(sl_program_run_new(p, NULL, &run, NULL), SL_OK);
    for (uint32_t round = 0; round < 6; round++) {
        sl_column c;
        if (round == 4) /* heaps have grown to their size: any allocation would fail */
            sl_alloc_fail_after(1);
        assert_int_equal(sl_program_eval(run, &x, in, &c, NULL), SL_OK);
        assert_int_equal(((const int32_t *)c.values)[10], 50);
        sl_column_release(&c);
    }
    sl_alloc_fail_after(0);
    sl_program_run_free(run);
    sl_program_free(p);
    sl_chunk_unref(in);
    sl_arena_free(arena);
}

static void eval__reports_a_failed_allocation_and_leaks_nothing(void **state)
{
    (void)state;
    sl_arena *arena = sl_arena_new();
    sl_schema schema;
    sl_chunk *in = counting_chunk(100, &schema);
    static const char *const texts[] = { "(case (> $a 5) (concat $s 'x') (upper $s))",
                                         "(coalesce (nullif $a 3) 7)",
                                         "(struct (cast $a string) (in $a 1 2))" };
    const sl_expr *exprs[3];
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(expr_of(arena, texts[i], &schema, &exprs[i], NULL), SL_OK);
    sl_eval_context x = { .zone = sl_time_zone_utc() };
    bool failed = true;
    for (uint64_t nth = 1; failed; nth++) {
        assert_true(nth < 200);
        sl_program *p;
        sl_program_run *run = NULL;
        sl_column c[3];
        assert_int_equal(sl_program_compile(exprs, 3, &p, NULL), SL_OK);
        sl_alloc_fail_after(nth);
        sl_code code = sl_program_run_new(p, NULL, &run, NULL);
        if (code == SL_OK)
            code = sl_program_eval(run, &x, in, c, NULL);
        sl_alloc_fail_after(0);
        failed = code != SL_OK;
        if (failed)
            assert_int_equal(code, SL_ENOMEM);
        for (uint32_t i = 0; i < 3 && !failed; i++)
            sl_column_release(&c[i]);
        sl_program_run_free(run);
        sl_program_free(p);
    }
    sl_chunk_unref(in);
    sl_arena_free(arena);
}

static void eval__refuses_a_chunk_of_another_shape(void **state)
{
    (void)state;
    sl_arena *arena = sl_arena_new();
    sl_field f = { .name = "x", .type = sl_type_of(SL_TYPE_INT) };
    const sl_expr *e = sl_expr_column(arena, 0, &f, (sl_sql_pos){ 0, 0 });
    sl_schema schema;
    sl_chunk *in = counting_chunk(3, &schema);
    sl_program *p;
    sl_program_run *run;
    sl_column c;
    sl_eval_context x = { .zone = sl_time_zone_utc() };
    assert_int_equal(sl_program_compile(&e, 1, &p, NULL), SL_OK);
    assert_int_equal(sl_program_run_new(p, NULL, &run, NULL), SL_OK);
    assert_int_equal(sl_program_eval(run, &x, in, &c, NULL), SL_EINTERNAL);
    sl_program_run_free(run);
    sl_program_free(p);
    sl_chunk_unref(in);
    sl_arena_free(arena);
}

static void eval__does_not_fail_over_no_rows(void **state)
{
    (void)state;
    sl_arena *arena = sl_arena_new();
    sl_schema schema;
    sl_chunk *all = counting_chunk(5, &schema), *none;
    const sl_expr *e;
    assert_int_equal(expr_of(arena, "(+ $a (div 1 0))", &schema, &e, NULL), SL_OK);
    sl_program *p;
    sl_program_run *run;
    sl_column c;
    sl_eval_context x = { .zone = sl_time_zone_utc() };
    assert_int_equal(sl_chunk_select(all, NULL, 0, &none, NULL), SL_OK);
    assert_int_equal(sl_program_compile(&e, 1, &p, NULL), SL_OK);
    assert_int_equal(sl_program_run_new(p, NULL, &run, NULL), SL_OK);
    assert_int_equal(sl_program_eval(run, &x, none, &c, NULL), SL_OK);
    sl_column_release(&c);
    assert_int_equal(sl_program_eval(run, &x, all, &c, NULL), SL_EARITH);
    sl_program_run_free(run);
    sl_program_free(p);
    sl_chunk_unref(none);
    sl_chunk_unref(all);
    sl_arena_free(arena);
}

static void random__is_a_function_of_seed_slice_and_row(void **state)
{
    (void)state;
    sl_arena *arena = sl_arena_new();
    sl_schema schema;
    sl_chunk *in = counting_chunk(64, &schema);
    const sl_expr *e[2];
    assert_int_equal(expr_of(arena, "(rand)", &schema, &e[0], NULL), SL_OK);
    assert_int_equal(expr_of(arena, "(uuid)", &schema, &e[1], NULL), SL_OK);
    sl_program *p;
    sl_program_run *run;
    sl_column a[2], b[2], c[2];
    sl_eval_context x = { .zone = sl_time_zone_utc(), .seed = 1, .slice = 2 };
    assert_int_equal(sl_program_compile(e, 2, &p, NULL), SL_OK);
    assert_int_equal(sl_program_run_new(p, NULL, &run, NULL), SL_OK);
    assert_int_equal(sl_program_eval(run, &x, in, a, NULL), SL_OK);
    x.first_row = 10; /* the same rows, cut into chunks elsewhere */
    assert_int_equal(sl_program_eval(run, &x, in, b, NULL), SL_OK);
    x.slice = 3;
    assert_int_equal(sl_program_eval(run, &x, in, c, NULL), SL_OK);
    for (uint32_t i = 0; i < 54; i++) {
        assert_true(sl_column_f64(&a[0])[i + 10] == sl_column_f64(&b[0])[i]);
        assert_true(sl_column_f64(&b[0])[i] != sl_column_f64(&c[0])[i]);
        assert_true(sl_column_f64(&a[0])[i] >= 0 && sl_column_f64(&a[0])[i] < 1);
        assert_true(sl_string_equal(&sl_column_strings(&a[1])[i + 10],
                                    &sl_column_strings(&b[1])[i]));
    }
    assert_int_equal(row_text(&a[1], 0, x.zone)[14], '4');
    for (uint32_t i = 0; i < 2; i++) {
        sl_column_release(&a[i]);
        sl_column_release(&b[i]);
        sl_column_release(&c[i]);
    }
    sl_program_run_free(run);
    sl_program_free(p);
    sl_chunk_unref(in);
    sl_arena_free(arena);
}

static void expr_read__refuses_damage_and_never_crashes(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "(case (like $s 'a%') (cast $a string) (try_cast $s double) 'x' (upper $s))",
        "(. (named_struct 'x' $a 'y' (+ (cast $s timestamp) i'1 day')) y)",
        "(in (window_start (cast $s timestamp) '10 minutes' '5 minutes' 0) null)"
    };
    sl_arena *arena = sl_arena_new();
    sl_schema schema;
    sl_chunk *in = counting_chunk(3, &schema);
    sl_eval_context x = { .zone = sl_time_zone_utc() };
    for (size_t t = 0; t < 3; t++) {
        const sl_expr *e = NULL, *back;
        sl_error err = { 0 };
        if (expr_of(arena, texts[t], &schema, &e, &err) != SL_OK) {
            assert_int_equal(t, 0); /* mixed branches: string and double meet */
            assert_int_equal(expr_of(arena, "(case (like $s 'a%') (cast $a string) 'x')",
                                     &schema, &e, NULL),
                             SL_OK);
        }
        sl_bytes b = { 0 };
        sl_expr_write(e, &b);
        for (size_t cut = 0; cut < b.size_bytes; cut++) {
            sl_reader r = sl_reader_of(sl_span_of(b.data, cut));
            assert_int_equal(sl_expr_read(&r, arena, &back, NULL), SL_ECORRUPT);
        }
        for (size_t bit = 0; bit < b.size_bytes * 8; bit++) {
            b.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            sl_reader r = sl_reader_of(sl_bytes_span(&b));
            sl_code code = sl_expr_read(&r, arena, &back, NULL);
            assert_true(code == SL_OK || code == SL_ECORRUPT);
            if (code == SL_OK) { /* whatever was read must be safe to run */
                sl_program *p;
                sl_program_run *run;
                sl_column c;
                assert_int_equal(sl_program_compile(&back, 1, &p, NULL), SL_OK);
                assert_int_equal(sl_program_run_new(p, NULL, &run, NULL), SL_OK);
                if (sl_program_eval(run, &x, in, &c, NULL) == SL_OK)
                    sl_column_release(&c);
                sl_program_run_free(run);
                sl_program_free(p);
            }
            b.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
        sl_bytes_deinit(&b);
    }
    /* depth: a hundred thousand NOTs */
    sl_bytes deep = { 0 };
    for (uint32_t i = 0; i < 100000; i++) {
        sl_bytes_u8(&deep, 3);
        sl_bytes_u64(&deep, 0);
        sl_bytes_string(&deep, "not");
        sl_bytes_u32(&deep, 1);
    }
    sl_reader r = sl_reader_of(sl_bytes_span(&deep));
    const sl_expr *back;
    assert_int_equal(sl_expr_read(&r, arena, &back, NULL), SL_ECORRUPT);
    sl_bytes_deinit(&deep);
    sl_chunk_unref(in);
    sl_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eval__agrees_with_one_row_at_a_time),
        cmocka_unit_test(filter__lists_the_rows_that_are_true),
        cmocka_unit_test(results__outlive_the_run_and_the_chunk),
        cmocka_unit_test(eval__allocates_nothing_in_the_steady_state),
        cmocka_unit_test(eval__reports_a_failed_allocation_and_leaks_nothing),
        cmocka_unit_test(eval__refuses_a_chunk_of_another_shape),
        cmocka_unit_test(eval__does_not_fail_over_no_rows),
        cmocka_unit_test(random__is_a_function_of_seed_slice_and_row),
        cmocka_unit_test(expr_read__refuses_damage_and_never_crashes),
    };
    return cmocka_run_group_tests_name("engine/expr/program", tests, NULL, NULL);
}
