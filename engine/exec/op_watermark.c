/* Observes event times; rows pass unchanged.  spark:M3: every row that comes by counts,
 * before any late filter, in milliseconds, a null as 0. */

#include "engine/exec/operator_private.h"

static int64_t floor_ms(int64_t us)
{
    return us / 1000 - (us % 1000 < 0);
}

struct extent {
    int64_t min_us, max_us;
};

static struct extent extent_dense(const int64_t *us, uint32_t n)
{
    struct extent e = { us[0], us[0] };
    for (uint32_t i = 1; i < n; i++) {
        e.min_us = us[i] < e.min_us ? us[i] : e.min_us;
        e.max_us = us[i] > e.max_us ? us[i] : e.max_us;
    }
    return e;
}

#define EXACT_MS (INT64_C(1) << 48) /* 16K of these fit an int64 */

static double sum_ms(const int64_t *us, uint32_t n, struct extent e)
{
    if (e.min_us > -EXACT_MS * 1000 && e.max_us < EXACT_MS * 1000) {
        int64_t sum = 0;
        for (uint32_t i = 0; i < n; i++)
            sum += floor_ms(us[i]);
        return (double)sum;
    }
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += (double)floor_ms(us[i]);
    return sum;
}

typedef struct watermark {
    sl_op op;
    int64_t
        us[SL_CHUNK_ROWS_MAX]; /* selected rows, when the column cannot be used as is */
} watermark;

/* The selected rows' times, nulls as 0. */
static const int64_t *times_of(watermark *w, const sl_chunk *in, const sl_column *c)
{
    const sl_column *time = c->type->id == SL_TYPE_STRUCT ? &c->children[1] : c;
    const int64_t *values = sl_column_i64(time);
    if (in->selection == NULL && c->validity == NULL && time->validity == NULL)
        return values;
    for (uint32_t i = 0; i < in->selected; i++) {
        uint32_t row = sl_chunk_row(in, i);
        bool valid = sl_column_is_valid(c, row) && sl_column_is_valid(time, row);
        w->us[i] = valid ? values[row] : 0;
    }
    return w->us;
}

static sl_code process_watermark(sl_op *op, sl_chunk *in, sl_chunk **ret_out,
                                 sl_op_next *ret_next, sl_error *err)
{
    (void)err;
    watermark *w = (watermark *)op;
    uint32_t n = in->selected;
    if (n != 0) {
        const int64_t *us = times_of(w, in, &in->columns[op->plan->u.watermark.column]);
        struct extent e = extent_dense(us, n);
        int64_t min_ms = floor_ms(e.min_us), max_ms = floor_ms(e.max_us);
        sl_task_event_times *t = &op->env->event_times[op->plan->u.watermark.watermark];
        if (t->count == 0 || max_ms > t->max_ms)
            t->max_ms = max_ms;
        if (t->count == 0 || min_ms < t->min_ms)
            t->min_ms = min_ms;
        t->sum_ms += sum_ms(us, n, e);
        t->count += n;
    }
    *ret_out = sl_chunk_ref(in);
    *ret_next = SL_OP_NEED_INPUT;
    return SL_OK;
}

static sl_code open_watermark(sl_op *op, sl_error *err)
{
    uint32_t number = op->plan->u.watermark.watermark;
    if (number >= op->env->request.plan->watermark_count)
        return sl_fail(err, SL_EINTERNAL, "there is no watermark %u", number);
    uint32_t column = op->plan->u.watermark.column;
    if (column >= op->plan->output->field_count)
        return sl_fail(err, SL_EINTERNAL, "there is no column %u", column);
    sl_type_id id = op->plan->output->fields[column].type->id;
    if (id != SL_TYPE_TIMESTAMP && id != SL_TYPE_TIMESTAMP_NTZ && id != SL_TYPE_STRUCT)
        return sl_fail(err, SL_EINTERNAL, "column \"%s\" is no event time",
                       op->plan->output->fields[column].name);
    return SL_OK;
}

const sl_op_class sl_exec__watermark = {
    .name = "watermark",
    .size_bytes = sizeof(watermark),
    .sees_all = true,
    .open = open_watermark,
    .process = process_watermark,
};
