/* What the workers answered, put together: figures added up, files and states in one
 * list, rows in the order the plan promises. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "driver/dispatch_private.h"

void sl_dispatch__drop_results(sl_dispatch *x)
{
    for (uint32_t i = 0; i < x->part_count; i++)
        sl_chunk_unref(x->parts[i].chunk);
    for (uint32_t i = 0; i < x->chunk_count; i++)
        sl_chunk_unref(x->chunks[i]);
    sl_free(x->chunks);
    x->chunks = NULL;
    x->part_count = x->chunk_count = 0;
    x->part_bytes = 0;
}

/* Credit goes back in halves of the window: a worker that waits has all of it out. */
static void give_credit(sl_dispatch *x, sl_share *s, size_t bytes)
{
    s->taken_bytes += bytes;
    if (s->taken_bytes - s->credited_bytes < SL_RESULT_WINDOW_BYTES / 2)
        return;
    s->credited_bytes = s->taken_bytes;
    sl_message m = { .kind = SL_MSG_RESULT_CREDIT };
    m.u.result_credit = (sl_msg_result_credit){ x->at, s->taken_bytes };
    sl_dispatch__send(x, s->worker, &m);
}

static sl_code charge(sl_dispatch *x, const sl_chunk *chunk, sl_error *err)
{
    int64_t max = sl_options_int(x->options, "sluice.query.resultMemory");
    x->part_bytes += sl_chunk_bytes(chunk);
    if (x->part_bytes <= max)
        return SL_OK;
    return sl_fail(err, SL_EBUDGET,
                   "the rows of the result take more than the %lld bytes of "
                   "sluice.query.resultMemory: select fewer, write them INTO a sink, or "
                   "raise the setting",
                   (long long)max);
}

sl_code sl_dispatch__keep_result(sl_dispatch *x, sl_share *s, const sl_msg_result *m,
                                 sl_error *err)
{
    sl_chunk *chunk;
    SL_TRY(sl_chunk_read(m->chunk, x->row_schema, NULL, &chunk, err));
    if (x->part_count == x->part_capacity) {
        x->part_capacity = x->part_capacity == 0 ? 16 : x->part_capacity * 2;
        x->parts =
            (sl_result_part *)sl_realloc(x->parts, x->part_capacity * sizeof *x->parts);
    }
    x->parts[x->part_count++] = (sl_result_part){ m->stage, m->task, m->index, chunk };
    SL_TRY(charge(x, chunk, err));
    give_credit(x, s, m->chunk.size_bytes);
    return SL_OK;
}

/* ---- results in order ---- */

static int compare_parts(const void *a, const void *b)
{
    const sl_result_part *p = (const sl_result_part *)a;
    const sl_result_part *q = (const sl_result_part *)b;
    if (p->stage != q->stage)
        return p->stage < q->stage ? -1 : 1;
    if (p->task != q->task)
        return p->task < q->task ? -1 : 1;
    return p->index < q->index ? -1 : p->index > q->index;
}

/* One row and its key, for the merge of partitions. */
struct keyed_row {
    const char *key;
    uint32_t length, part, row;
};

static int compare_rows(const void *a, const void *b)
{
    const struct keyed_row *p = (const struct keyed_row *)a;
    const struct keyed_row *q = (const struct keyed_row *)b;
    uint32_t n = p->length < q->length ? p->length : q->length;
    int order = n == 0 ? 0 : memcmp(p->key, q->key, n);
    if (order != 0)
        return order;
    if (p->length != q->length)
        return p->length < q->length ? -1 : 1;
    if (p->part != q->part)
        return p->part < q->part ? -1 : 1;
    return p->row < q->row ? -1 : p->row > q->row;
}

static sl_code copy_rows(sl_dispatch *x, const struct keyed_row *rows, size_t count,
                         sl_error *err)
{
    const sl_schema *schema = x->plan->output;
    x->chunks = (sl_chunk **)sl_calloc(count / SL_CHUNK_ROWS + 1, sizeof *x->chunks);
    for (size_t from = 0; from < count; from += SL_CHUNK_ROWS) {
        uint32_t n =
            (uint32_t)(count - from < SL_CHUNK_ROWS ? count - from : SL_CHUNK_ROWS);
        sl_chunk_builder b;
        SL_TRY(sl_chunk_builder_init(&b, schema, n, NULL, err));
        for (uint32_t c = 0; c < schema->field_count; c++) {
            for (uint32_t i = 0; i < n; i++) {
                const struct keyed_row *r = &rows[from + i];
                sl_code code = sl_column_builder_copy(
                    &b.columns[c], &x->parts[r->part].chunk->columns[c], r->row, err);
                if (code != SL_OK) {
                    sl_chunk_builder_deinit(&b);
                    return code;
                }
            }
        }
        x->chunks[x->chunk_count++] = sl_chunk_builder_finish(&b, n);
    }
    return SL_OK;
}

/* Rows of all partitions in ascending key order. */
static sl_code merge_by_key(sl_dispatch *x, sl_error *err)
{
    size_t total = 0, n = 0;
    uint32_t key = x->plan->output->field_count;
    for (uint32_t p = 0; p < x->part_count; p++)
        total += x->parts[p].chunk->selected;
    struct keyed_row *rows = (struct keyed_row *)sl_calloc(total + 1, sizeof *rows);
    for (uint32_t p = 0; p < x->part_count; p++) {
        const sl_chunk *c = x->parts[p].chunk;
        const sl_string_view *keys = sl_column_strings(&c->columns[key]);
        for (uint32_t i = 0; i < c->selected; i++) {
            uint32_t row = sl_chunk_row(c, i);
            rows[n++] = (struct keyed_row){ sl_string_data(&keys[row]), keys[row].length,
                                            p, row };
        }
    }
    qsort(rows, total, sizeof *rows, compare_rows);
    sl_code code = copy_rows(x, rows, total, err);
    sl_free(rows);
    return code;
}

static sl_code order_results(sl_dispatch *x, sl_error *err)
{
    if (x->part_count == 0)
        return SL_OK;
    qsort(x->parts, x->part_count, sizeof *x->parts, compare_parts);
    if (x->plan->hidden_key)
        return merge_by_key(x, err);
    x->chunks = (sl_chunk **)sl_calloc(x->part_count + 1, sizeof *x->chunks);
    for (uint32_t i = 0; i < x->part_count; i++)
        x->chunks[x->chunk_count++] = sl_chunk_ref(x->parts[i].chunk);
    return SL_OK;
}

/* ---- figures ---- */

static void add_times(sl_msg_time_stats *to, const sl_msg_time_stats *from)
{
    if (from->rows == 0)
        return;
    if (to->rows == 0 || from->max_us > to->max_us)
        to->max_us = from->max_us;
    if (to->rows == 0 || from->min_us < to->min_us)
        to->min_us = from->min_us;
    to->sum_us += from->sum_us;
    to->rows += from->rows;
}

static void add_op(sl_msg_op_stats *to, const sl_msg_op_stats *from)
{
    to->rows_total += from->rows_total;
    to->rows_updated += from->rows_updated;
    to->rows_removed += from->rows_removed;
    to->rows_dropped += from->rows_dropped;
    to->memory_bytes += from->memory_bytes;
    to->update_us += from->update_us;
    to->remove_us += from->remove_us;
    to->commit_us += from->commit_us;
}

static void add_figures(sl_dispatch *x, const sl_msg_done *from,
                        sl_msg_source_stats *sources, sl_msg_time_stats *times,
                        sl_msg_op_stats *ops)
{
    sl_msg_done *to = &x->done;
    for (uint32_t i = 0; i < from->source_count && i < to->source_count; i++) {
        sources[i].rows += from->sources[i].rows;
        sources[i].bytes += from->sources[i].bytes;
        sources[i].malformed += from->sources[i].malformed;
    }
    for (uint32_t i = 0; i < from->time_count && i < to->time_count; i++)
        add_times(&times[i], &from->times[i]);
    for (uint32_t i = 0; i < from->op_count && i < to->op_count; i++)
        add_op(&ops[i], &from->ops[i]);
    to->output_rows += from->output_rows;
    to->result_count += from->result_count;
    /* The try takes as long as its slowest worker. */
    to->run_us = from->run_us > to->run_us ? from->run_us : to->run_us;
    to->state_us = from->state_us > to->state_us ? from->state_us : to->state_us;
}

static int compare_files(const void *a, const void *b)
{
    const sl_msg_file *f = (const sl_msg_file *)a, *g = (const sl_msg_file *)b;
    if (f->stage != g->stage)
        return f->stage < g->stage ? -1 : 1;
    return f->task < g->task ? -1 : f->task > g->task;
}

static void add_up(sl_dispatch *x)
{
    const sl_physical_plan *plan = x->plan;
    uint32_t states = 0, files = 0;
    for (uint32_t i = 0; i < x->share_count; i++) {
        states += x->shares[i].done.state_count;
        files += x->shares[i].done.file_count;
    }
    sl_arena_reset(x->result_arena);
    sl_msg_state_done *state_rows =
        SL_ARENA_ARRAY(x->result_arena, sl_msg_state_done, states + 1);
    sl_msg_file *file_rows = SL_ARENA_ARRAY(x->result_arena, sl_msg_file, files + 1);
    sl_msg_source_stats *sources =
        SL_ARENA_ARRAY(x->result_arena, sl_msg_source_stats, plan->source_count + 1);
    sl_msg_time_stats *times =
        SL_ARENA_ARRAY(x->result_arena, sl_msg_time_stats, plan->watermark_count + 1);
    sl_msg_op_stats *ops =
        SL_ARENA_ARRAY(x->result_arena, sl_msg_op_stats, plan->state_op_count + 1);
    x->done = (sl_msg_done){ .at = x->at,
                             .states = state_rows,
                             .files = file_rows,
                             .source_count = plan->source_count,
                             .sources = sources,
                             .time_count = plan->watermark_count,
                             .times = times,
                             .op_count = plan->state_op_count,
                             .ops = ops };
    for (uint32_t i = 0; i < x->share_count; i++) {
        const sl_msg_done *d = &x->shares[i].done;
        for (uint32_t k = 0; k < d->state_count; k++)
            state_rows[x->done.state_count++] = d->states[k];
        for (uint32_t k = 0; k < d->file_count; k++)
            file_rows[x->done.file_count++] = d->files[k];
        add_figures(x, d, sources, times, ops);
    }
    qsort(file_rows, files, sizeof *file_rows, compare_files);
}

sl_code sl_dispatch__put_together(sl_dispatch *x, sl_error *err)
{
    add_up(x);
    if (x->done.result_count != x->part_count)
        return sl_fail(err, SL_ELOST, "%u of %u result chunks arrived", x->part_count,
                       x->done.result_count);
    return order_results(x, err);
}
