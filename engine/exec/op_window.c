/* Appends the window struct column (spark:W2-W7).  A tumbling window is one vector beside
 * the input's columns.  A sliding one makes ceil(size / slide) rows of each row, newest
 * window first (W6), by gathering the input; a row that makes more than fit a chunk goes
 * on in the next. */

#include "engine/exec/operator_private.h"

typedef struct window {
    sl_op op;
    sl_exec__evaluation time;
    const sl_type *type; /* of the window column */
    int64_t size_us, slide_us, start_us;
    int64_t candidates; /* windows a row may be in */
    bool exact;         /* size is a multiple of slide: all candidates hold the row */
    bool evaluated;     /* sliding: the time of the input at hand is known */
    uint32_t at;        /* sliding: next selected row */
    int64_t candidate;  /* and its next window */
    uint16_t rows[SL_CHUNK_ROWS_MAX];
    int64_t starts[SL_CHUNK_ROWS_MAX]; /* sliding: of one output chunk */
} window;

/* Wraps instead of overflowing: absurd times give absurd windows, as in Java. */
static int64_t wrap_sub(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static int64_t wrap_add(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

/* spark:W3 */
static int64_t last_start(int64_t us, int64_t slide_us, int64_t start_us)
{
    int64_t rem = wrap_sub(us, start_us) % slide_us;
    if (rem < 0)
        rem += slide_us;
    return wrap_sub(us, rem);
}

/* Times come in runs of one window, so the division is asked for rarely. */
static void tumble(const int64_t *us, uint32_t n, int64_t size_us, int64_t start_us,
                   int64_t *starts, int64_t *ends)
{
    int64_t start = n == 0 ? 0 : last_start(us[0], size_us, start_us);
    for (uint32_t i = 0; i < n; i++) {
        if ((uint64_t)us[i] - (uint64_t)start >= (uint64_t)size_us)
            start = last_start(us[i], size_us, start_us);
        starts[i] = start;
        ends[i] = wrap_add(start, size_us);
    }
}

static sl_code make_window_column(window *w, uint32_t n, int64_t **ret_starts,
                                  int64_t **ret_ends, sl_column *ret, sl_error *err)
{
    sl_budget *budget = w->op.env->request.budget;
    sl_column children[2] = { 0 };
    void *starts, *ends;
    uint64_t *validity;
    SL_TRY(sl_column_alloc(w->type->fields[0].type, n, false, budget, &children[0],
                           &starts, &validity, err));
    sl_code code = sl_column_alloc(w->type->fields[1].type, n, false, budget,
                                   &children[1], &ends, &validity, err);
    if (code != SL_OK) {
        sl_column_release(&children[0]);
        return code;
    }
    sl_column_make_struct(w->type, n, children, NULL, ret);
    *ret_starts = starts;
    *ret_ends = ends;
    return SL_OK;
}

/* Selected rows whose time is not null (spark:W7). */
static uint32_t rows_with_time(const sl_chunk *in, const sl_column *time, uint16_t *rows)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < in->selected; i++) {
        uint32_t row = sl_chunk_row(in, i);
        rows[count] = (uint16_t)row;
        count += sl_bitmap_get(time->validity, row);
    }
    return count;
}

static sl_code process_tumbling(window *w, sl_chunk *in, sl_chunk **ret_out,
                                sl_error *err)
{
    SL_TRY(sl_exec__evaluate(&w->time, w->op.env, in, err));
    const sl_column *time = &w->time.columns[0];
    if (time->type->id == SL_TYPE_VOID)
        return SL_OK;
    sl_column column;
    int64_t *starts, *ends;
    SL_TRY(make_window_column(w, in->row_count, &starts, &ends, &column, err));
    tumble(sl_column_i64(time), in->row_count, w->size_us, w->start_us, starts, ends);

    sl_chunk *out = sl_chunk_new(in->column_count + 1, in->row_count);
    for (uint32_t i = 0; i < in->column_count; i++)
        sl_column_ref(&in->columns[i], &out->columns[i]);
    out->columns[in->column_count] = column;
    out->selected = in->selected;
    out->selection = in->selection;
    if (in->selection_buffer != NULL)
        out->selection_buffer = sl_buffer_ref(in->selection_buffer);
    if (time->validity == NULL) {
        *ret_out = out;
        return SL_OK;
    }

    uint32_t count = rows_with_time(in, time, w->rows);
    sl_code code = SL_OK;
    if (count == in->selected)
        *ret_out = sl_chunk_ref(out);
    else if (count != 0)
        code = sl_chunk_select(out, w->rows, count, ret_out, err);
    sl_chunk_unref(out);
    return code;
}

/* Fill rows[] and the windows' starts for one output chunk; remembers where it stopped.
 */
static uint32_t slide(window *w, const sl_chunk *in, const sl_column *time, uint32_t max)
{
    const int64_t *us = sl_column_i64(time);
    uint32_t n = 0;
    while (w->at < in->selected && n < max) {
        uint32_t row = sl_chunk_row(in, w->at);
        if (sl_column_is_valid(time, row)) {
            int64_t last = last_start(us[row], w->slide_us, w->start_us);
            for (; w->candidate < w->candidates && n < max; w->candidate++) {
                int64_t start = (int64_t)((uint64_t)last -
                                          (uint64_t)w->candidate * (uint64_t)w->slide_us);
                if (!w->exact &&
                    (us[row] < start || us[row] >= wrap_add(start, w->size_us)))
                    continue;
                w->starts[n] = start;
                w->rows[n++] = (uint16_t)row;
            }
            if (w->candidate < w->candidates)
                break;
        }
        w->candidate = 0;
        w->at++;
    }
    return n;
}

static sl_code gather_output(window *w, const sl_chunk *in, uint32_t n,
                             sl_chunk **ret_out, sl_error *err)
{
    sl_code code = SL_OK;
    int64_t *out_starts, *out_ends;
    sl_chunk *out = sl_chunk_new(in->column_count + 1, n);
    for (uint32_t i = 0; i < in->column_count; i++)
        SL_TRY_GOTO(sl_column_gather(&in->columns[i], w->rows, n,
                                     w->op.env->request.budget, &out->columns[i], err),
                    fail);
    SL_TRY_GOTO(make_window_column(w, n, &out_starts, &out_ends,
                                   &out->columns[in->column_count], err),
                fail);
    for (uint32_t i = 0; i < n; i++) {
        out_starts[i] = w->starts[i];
        out_ends[i] = wrap_add(w->starts[i], w->size_us);
    }
    *ret_out = out;
    return SL_OK;

fail:
    sl_chunk_unref(out);
    return code;
}

static sl_code process_sliding(window *w, sl_chunk *in, sl_chunk **ret_out,
                               sl_op_next *ret_next, sl_error *err)
{
    if (!w->evaluated) {
        SL_TRY(sl_exec__evaluate(&w->time, w->op.env, in, err));
        w->evaluated = true;
        w->at = 0;
        w->candidate = 0;
    }
    const sl_column *time = &w->time.columns[0];
    if (time->type->id == SL_TYPE_VOID)
        w->at = in->selected;

    uint32_t n = slide(w, in, time, w->op.env->request.chunk_rows);
    if (n != 0)
        SL_TRY(gather_output(w, in, n, ret_out, err));
    if (w->at < in->selected) {
        *ret_next = SL_OP_HAVE_OUTPUT;
        return SL_OK;
    }
    w->evaluated = false;
    *ret_next = SL_OP_NEED_INPUT;
    return SL_OK;
}

static sl_code process_window(sl_op *op, sl_chunk *in, sl_chunk **ret_out,
                              sl_op_next *ret_next, sl_error *err)
{
    window *w = (window *)op;
    if (w->size_us != w->slide_us)
        return process_sliding(w, in, ret_out, ret_next, err);
    *ret_next = SL_OP_NEED_INPUT;
    return process_tumbling(w, in, ret_out, err);
}

static sl_code open_window(sl_op *op, sl_error *err)
{
    window *w = (window *)op;
    w->size_us = op->plan->u.window.size_us;
    w->slide_us = op->plan->u.window.slide_us;
    w->start_us = op->plan->u.window.start_us;
    if (w->size_us <= 0 || w->slide_us <= 0 || w->slide_us > w->size_us ||
        op->plan->output->field_count == 0)
        return sl_fail(err, SL_EINTERNAL, "window of %lld us every %lld us",
                       (long long)w->size_us, (long long)w->slide_us);
    w->candidates = w->size_us / w->slide_us + (w->size_us % w->slide_us != 0);
    w->exact = w->size_us % w->slide_us == 0;
    w->type = op->plan->output->fields[op->plan->output->field_count - 1].type;
    if (w->type->id != SL_TYPE_STRUCT || w->type->field_count != 2)
        return sl_fail(err, SL_EINTERNAL, "the window column is no window");
    return sl_exec__evaluation_open(&w->time, &op->plan->u.window.time, 1,
                                    op->env->request.budget, err);
}

static void close_window(sl_op *op)
{
    sl_exec__evaluation_close(&((window *)op)->time);
}

const sl_op_class sl_exec__window = {
    .name = "window",
    .size_bytes = sizeof(window),
    .open = open_window,
    .process = process_window,
    .close = close_window,
};
