/* Collects all rows, then gives them in order.  What moves while sorting are references
 * (chunk, row), ties in order of arrival, so the sort is stable.
 *
 * With a limit only the first rows are kept: when references reach twice the limit and
 * some slack, they are sorted, cut, and the rows that remain are copied into new chunks,
 * which lets go of the input.  A row once cut can never come back. */

#include <stdlib.h>

#include "engine/exec/operator_private.h"

enum { SLACK_ROWS = 65536 };

typedef struct run {
    sl_chunk *chunk; /* without selection */
    sl_column *keys;
} run;

typedef struct ref {
    uint32_t run, row;
} ref;

typedef struct sort {
    sl_op op;
    sl_exec__evaluation keys;
    run *runs;
    uint32_t run_count, run_capacity;
    ref *refs;
    size_t ref_count, ref_capacity, at;
    uint16_t *rows;
    bool sorted;
} sort;

static sl_code open_sort(sl_op *op, sl_error *err)
{
    sort *s = (sort *)op;
    const sl_op_plan *plan = op->plan;
    const sl_expr **exprs = sl_calloc(plan->u.sort.count + 1, sizeof *exprs);
    for (uint32_t i = 0; i < plan->u.sort.count; i++)
        exprs[i] = plan->u.sort.keys[i].expr;
    sl_code code = sl_exec__evaluation_open(&s->keys, exprs, plan->u.sort.count,
                                            op->env->request.budget, err);
    sl_free(exprs);
    s->rows = sl_alloc(SL_CHUNK_ROWS_MAX * sizeof *s->rows);
    return code;
}

static void drop_runs(run *runs, uint32_t count, uint32_t key_count)
{
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < key_count; k++)
            sl_column_release(&runs[i].keys[k]);
        sl_free(runs[i].keys);
        sl_chunk_unref(runs[i].chunk);
    }
}

static void close_sort(sl_op *op)
{
    sort *s = (sort *)op;
    drop_runs(s->runs, s->run_count, s->keys.count);
    sl_free(s->runs);
    if (op->env->request.budget != NULL)
        sl_budget_release(op->env->request.budget,
                          (int64_t)(s->ref_capacity * sizeof *s->refs));
    sl_free(s->refs);
    sl_free(s->rows);
    sl_exec__evaluation_close(&s->keys);
}

/* ---- order ---- */

static int compare_key(const sl_sort_key *key, const sl_column *a, uint32_t row_a,
                       const sl_column *b, uint32_t row_b)
{
    bool valid_a = sl_column_is_valid(a, row_a), valid_b = sl_column_is_valid(b, row_b);
    if (!valid_a || !valid_b) {
        if (valid_a == valid_b)
            return 0;
        return valid_a == key->nulls_last ? -1 : 1;
    }
    int order = sl_column_compare(a, row_a, b, row_b);
    return key->descending ? -order : order;
}

static int compare_refs(const void *left, const void *right, void *user)
{
    const sort *s = user;
    const ref *a = left, *b = right;
    const run *run_a = &s->runs[a->run], *run_b = &s->runs[b->run];
    for (uint32_t k = 0; k < s->keys.count; k++) {
        int order = compare_key(&s->op.plan->u.sort.keys[k], &run_a->keys[k], a->row,
                                &run_b->keys[k], b->row);
        if (order != 0)
            return order;
    }
    if (a->run != b->run)
        return a->run < b->run ? -1 : 1;
    return (a->row > b->row) - (a->row < b->row);
}

static void sort_refs(sort *s)
{
    if (s->ref_count > 1 && s->keys.count != 0)
        qsort_r(s->refs, s->ref_count, sizeof *s->refs, compare_refs, s);
    int64_t limit = s->op.plan->u.sort.limit;
    if (limit >= 0 && s->ref_count > (uint64_t)limit)
        s->ref_count = (size_t)limit;
}

/* ---- collecting ---- */

static sl_code reserve_refs(sort *s, uint32_t more, sl_error *err)
{
    if (more <= s->ref_capacity - s->ref_count)
        return SL_OK;
    size_t capacity = s->ref_capacity * 2 + more;
    int64_t bytes = (int64_t)((capacity - s->ref_capacity) * sizeof *s->refs);
    SL_TRY(sl_budget_charge(s->op.env->request.budget, bytes, err));
    s->refs = sl_realloc(s->refs, capacity * sizeof *s->refs);
    s->ref_capacity = capacity;
    return SL_OK;
}

/* Takes the chunk, also on failure. */
static sl_code add_run(sort *s, sl_chunk *chunk, sl_error *err)
{
    sl_code code = sl_exec__evaluate(&s->keys, s->op.env, chunk, err);
    if (code == SL_OK)
        code = reserve_refs(s, chunk->row_count, err);
    if (code != SL_OK) {
        sl_chunk_unref(chunk);
        return code;
    }
    if (s->run_count == s->run_capacity) {
        s->run_capacity = s->run_capacity * 2 + 16;
        s->runs = sl_realloc(s->runs, s->run_capacity * sizeof *s->runs);
    }
    run *r = &s->runs[s->run_count];
    r->chunk = chunk;
    r->keys = sl_calloc(s->keys.count + 1, sizeof *r->keys);
    for (uint32_t k = 0; k < s->keys.count; k++) {
        r->keys[k] = s->keys.columns[k];
        s->keys.columns[k] = (sl_column){ 0 };
    }
    for (uint32_t row = 0; row < chunk->row_count; row++)
        s->refs[s->ref_count++] = (ref){ s->run_count, row };
    s->run_count++;
    return SL_OK;
}

static sl_code gather_column(const sort *s, const ref *refs, uint32_t n, uint32_t column,
                             sl_column *ret, sl_error *err)
{
    sl_code code = SL_OK;
    sl_column_builder b;
    SL_TRY(sl_column_builder_init(&b, s->runs[refs[0].run].chunk->columns[column].type, n,
                                  s->op.env->request.budget, err));
    for (uint32_t i = 0; i < n; i++)
        SL_TRY_GOTO(sl_column_builder_copy(&b,
                                           &s->runs[refs[i].run].chunk->columns[column],
                                           refs[i].row, err),
                    fail);
    sl_column_builder_finish(&b, ret);
    return SL_OK;

fail:
    sl_column_builder_deinit(&b);
    return code;
}

/* Rows of references [from, from + n), n > 0, as one chunk. */
static sl_code copy_rows(sort *s, size_t from, uint32_t n, sl_chunk **ret, sl_error *err)
{
    const ref *refs = s->refs + from;
    sl_code code = SL_OK;
    bool one_run = true;
    for (uint32_t i = 0; i < n; i++) {
        s->rows[i] = (uint16_t)refs[i].row;
        one_run = one_run && refs[i].run == refs[0].run;
    }
    const sl_chunk *first = s->runs[refs[0].run].chunk;
    sl_chunk *out = sl_chunk_new(first->column_count, n);
    for (uint32_t i = 0; i < out->column_count; i++) {
        code = one_run
                   ? sl_column_gather(&first->columns[i], s->rows, n,
                                      s->op.env->request.budget, &out->columns[i], err)
                   : gather_column(s, refs, n, i, &out->columns[i], err);
        if (code != SL_OK) {
            sl_chunk_unref(out);
            return code;
        }
    }
    *ret = out;
    return SL_OK;
}

/* Sort, cut to the limit, and copy what remains into runs of its own. */
static sl_code keep_first(sort *s, sl_error *err)
{
    sort_refs(s);
    sl_code code = SL_OK;
    uint32_t chunk_count = 0, chunk_rows = s->op.env->request.chunk_rows;
    sl_chunk **chunks = sl_calloc(s->ref_count / chunk_rows + 1, sizeof(sl_chunk *));
    for (size_t from = 0; from < s->ref_count && code == SL_OK; from += chunk_rows) {
        size_t rest = s->ref_count - from;
        code = copy_rows(s, from, rest < chunk_rows ? (uint32_t)rest : chunk_rows,
                         &chunks[chunk_count], err);
        chunk_count += code == SL_OK;
    }
    drop_runs(s->runs, s->run_count, s->keys.count);
    s->run_count = 0;
    s->ref_count = 0;
    for (uint32_t i = 0; i < chunk_count; i++) {
        if (code == SL_OK)
            code = add_run(s, chunks[i], err);
        else
            sl_chunk_unref(chunks[i]);
    }
    sl_free(chunks);
    return code;
}

static sl_code process_sort(sl_op *op, sl_chunk *in, sl_chunk **ret_out,
                            sl_op_next *ret_next, sl_error *err)
{
    (void)ret_out;
    sort *s = (sort *)op;
    int64_t limit = op->plan->u.sort.limit;
    *ret_next = SL_OP_NEED_INPUT;
    if (in->selected == 0 || limit == 0)
        return SL_OK;
    sl_chunk *flat;
    SL_TRY(sl_chunk_flatten(in, op->env->request.budget, &flat, err));
    SL_TRY(add_run(s, flat, err));
    if (limit > 0 && limit < INT64_MAX / 4 &&
        s->ref_count >= (uint64_t)limit * 2 + SLACK_ROWS)
        return keep_first(s, err);
    return SL_OK;
}

static sl_code finish_sort(sl_op *op, sl_chunk **ret_out, sl_op_next *ret_next,
                           sl_error *err)
{
    sort *s = (sort *)op;
    if (!s->sorted) {
        sort_refs(s);
        s->sorted = true;
    }
    size_t n = s->ref_count - s->at;
    if (n > op->env->request.chunk_rows)
        n = op->env->request.chunk_rows;
    if (n != 0)
        SL_TRY(copy_rows(s, s->at, (uint32_t)n, ret_out, err));
    s->at += n;
    *ret_next = s->at < s->ref_count ? SL_OP_HAVE_OUTPUT : SL_OP_NEED_INPUT;
    return SL_OK;
}

const sl_op_class sl_exec__sort = {
    .name = "sort",
    .size_bytes = sizeof(sort),
    .open = open_sort,
    .process = process_sort,
    .finish = finish_sort,
    .close = close_sort,
};
