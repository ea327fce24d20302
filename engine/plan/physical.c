/* The fragment codec (docs/formats/fragment.md): what travels to workers.  Reading trusts
 * nothing: counts are bounded by the bytes left, numbers of columns, stages and sources
 * are checked where they are used as indexes. */
#include "engine/plan/physical.h"

#include "base/limits.h"

static void write_group_keys(const sl_op_plan *op, sl_bytes *b)
{
    sl_bytes_u32(b, op->u.agg.key_count);
    for (uint32_t i = 0; i < op->u.agg.key_count; i++) {
        const sl_group_key *k = &op->u.agg.keys[i];
        sl_bytes_u8(b, k->expr != NULL);
        if (k->expr != NULL)
            sl_expr_write(k->expr, b);
        sl_bytes_string(b, k->name);
        sl_type_write(k->type, b);
        sl_bytes_i64(b, k->window_us);
    }
}

static void write_agg(const sl_op_plan *op, sl_bytes *b)
{
    write_group_keys(op, b);
    sl_bytes_u32(b, op->u.agg.agg_count);
    for (uint32_t i = 0; i < op->u.agg.agg_count; i++)
        sl_agg_write(&op->u.agg.aggs[i], b);
    sl_bytes_u8(b, op->u.agg.emit_key);
    sl_bytes_u8(b, op->u.agg.needs_order);
    sl_bytes_u32(b, op->u.agg.state_op);
    sl_bytes_i64(b, op->u.agg.event_time_key);
    sl_bytes_u8(b, (uint8_t)op->u.agg.mode);
}

static void write_op(const sl_op_plan *op, sl_bytes *b)
{
    sl_bytes_u8(b, (uint8_t)op->kind);
    sl_schema_write(op->output, b);
    switch (op->kind) {
    case SL_OP_FILTER:
        sl_expr_write(op->u.filter.predicate, b);
        break;
    case SL_OP_PROJECT:
        sl_bytes_u32(b, op->u.project.count);
        for (uint32_t i = 0; i < op->u.project.count; i++)
            sl_expr_write(op->u.project.exprs[i], b);
        break;
    case SL_OP_WATERMARK:
        sl_bytes_u32(b, op->u.watermark.column);
        sl_bytes_u32(b, op->u.watermark.watermark);
        break;
    case SL_OP_WINDOW:
        sl_expr_write(op->u.window.time, b);
        sl_bytes_i64(b, op->u.window.size_us);
        sl_bytes_i64(b, op->u.window.slide_us);
        sl_bytes_i64(b, op->u.window.start_us);
        break;
    case SL_OP_PARTIAL_AGG:
    case SL_OP_FINAL_AGG:
    case SL_OP_STATE_AGG:
        write_agg(op, b);
        break;
    case SL_OP_SORT:
        sl_bytes_i64(b, op->u.sort.limit);
        sl_bytes_u32(b, op->u.sort.count);
        for (uint32_t i = 0; i < op->u.sort.count; i++) {
            sl_expr_write(op->u.sort.keys[i].expr, b);
            sl_bytes_u8(b, op->u.sort.keys[i].descending);
            sl_bytes_u8(b, op->u.sort.keys[i].nulls_last);
        }
        break;
    case SL_OP_LIMIT:
    case SL_OP_STATE_LIMIT:
        sl_bytes_i64(b, op->u.limit.limit);
        sl_bytes_i64(b, op->u.limit.offset);
        sl_bytes_u32(b, op->u.limit.state_op);
        break;
    }
}

static void write_stage(const sl_stage_plan *s, sl_bytes *b)
{
    sl_bytes_u8(b, (uint8_t)s->input);
    sl_bytes_u32(b, s->source);
    sl_bytes_u8(b, (uint8_t)s->width);
    sl_schema_write(s->input_schema, b);
    sl_schema_write(s->output_schema, b);
    sl_bytes_u8(b, (uint8_t)s->output);
    sl_bytes_u32(b, s->to_stage);
    sl_bytes_u8(b, s->ordered);
    sl_bytes_u32(b, s->op_count);
    for (uint32_t i = 0; i < s->op_count; i++)
        write_op(&s->ops[i], b);
}

static void write_source(const sl_source_plan *s, sl_bytes *b)
{
    sl_bytes_string(b, s->table);
    sl_bytes_string(b, s->connector);
    sl_option_list_write(&s->options, b);
    sl_schema_write(s->schema, b);
    sl_bytes_u8(b, s->streaming);
    sl_bytes_u32(b, s->column_count);
    for (uint32_t i = 0; i < s->column_count; i++)
        sl_bytes_u32(b, s->columns[i]);
}

static void write_state_op(const sl_state_op_plan *s, sl_bytes *b)
{
    sl_bytes_u32(b, s->id);
    sl_bytes_string(b, s->name);
    sl_bytes_u32(b, s->slot_width);
    sl_bytes_u8(b, s->has_time);
    sl_bytes_u32(b, s->time_key);
    sl_bytes_i64(b, s->window_us);
    sl_bytes_u8(b, s->single_partition);
    sl_bytes_u32(b, s->blob_count);
    for (uint32_t i = 0; i < s->blob_count; i++)
        sl_bytes_u32(b, s->blob_offsets[i]);
}

void sl_physical_write(const sl_physical_plan *p, sl_bytes *b)
{
    sl_bytes_u16(b, SL_FRAGMENT_VERSION);
    sl_bytes_u8(b, p->streaming);
    sl_bytes_u8(b, (uint8_t)p->mode);
    sl_bytes_u32(b, p->source_count);
    for (uint32_t i = 0; i < p->source_count; i++)
        write_source(&p->sources[i], b);
    sl_bytes_u32(b, p->state_op_count);
    for (uint32_t i = 0; i < p->state_op_count; i++)
        write_state_op(&p->state_ops[i], b);
    sl_bytes_u32(b, p->watermark_count);
    for (uint32_t i = 0; i < p->watermark_count; i++) {
        sl_bytes_string(b, p->watermarks[i].column);
        sl_bytes_i64(b, p->watermarks[i].delay_us);
        sl_bytes_u32(b, p->watermarks[i].source);
    }
    sl_bytes_u32(b, p->stage_count);
    for (uint32_t i = 0; i < p->stage_count; i++)
        write_stage(&p->stages[i], b);
    sl_bytes_string(b, p->sink);
    sl_option_list_write(&p->sink_options, b);
    sl_schema_write(p->output, b);
    sl_bytes_u8(b, p->hidden_key);
    sl_bytes_u8(b, p->result_ordered);
    sl_bytes_u64(b, p->fingerprint.low);
    sl_bytes_u64(b, p->fingerprint.high);
}

/* ---- reading ---- */

struct decoder {
    sl_reader r;
    sl_arena *arena;
    sl_physical_plan *plan;
    const sl_schema *input; /* of the operator being read */
    sl_error *err;
};

static sl_code damaged(struct decoder *d, const char *what)
{
    return sl_fail(d->err, SL_ECORRUPT, "plan fragment: %s is out of range (byte %zu)",
                   what, d->r.at);
}

static sl_code read_schema(struct decoder *d, const sl_schema **ret)
{
    sl_schema *s;
    SL_TRY(sl_schema_read(&d->r, d->arena, &s, d->err));
    *ret = s;
    return SL_OK;
}

static sl_code columns_within(struct decoder *d, const sl_expr *e)
{
    if (e->kind == SL_EXPR_COLUMN &&
        (e->column >= d->input->field_count ||
         !sl_type_equal(e->type, d->input->fields[e->column].type)))
        return damaged(d, "a column");
    for (uint32_t i = 0; i < e->arg_count; i++)
        SL_TRY(columns_within(d, e->args[i]));
    return SL_OK;
}

static sl_code read_expr(struct decoder *d, const sl_expr **ret)
{
    SL_TRY(sl_expr_read(&d->r, d->arena, ret, d->err));
    return columns_within(d, *ret);
}

static sl_code read_group_keys(struct decoder *d, sl_op_plan *op)
{
    uint32_t n = sl_read_count(&d->r, 10);
    sl_group_key *keys = SL_ARENA_ARRAY(d->arena, sl_group_key, n + 1);
    if (n > SL_COLUMNS_MAX)
        return damaged(d, "a number of keys");
    for (uint32_t i = 0; i < n; i++) {
        if (sl_read_u8(&d->r) != 0)
            SL_TRY(read_expr(d, &keys[i].expr));
        else if (op->kind == SL_OP_PARTIAL_AGG)
            return damaged(d, "a key");
        keys[i].name = sl_read_string(&d->r, d->arena);
        SL_TRY(sl_type_read(&d->r, d->arena, &keys[i].type, d->err));
        keys[i].window_us = sl_read_i64(&d->r);
    }
    op->u.agg.key_count = n;
    op->u.agg.keys = keys;
    return SL_OK;
}

static sl_code read_agg(struct decoder *d, sl_op_plan *op)
{
    SL_TRY(read_group_keys(d, op));
    uint32_t n = sl_read_count(&d->r, 4);
    if (n > SL_COLUMNS_MAX)
        return damaged(d, "a number of aggregates");
    sl_agg *aggs = SL_ARENA_ARRAY(d->arena, sl_agg, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        SL_TRY(sl_agg_read(&d->r, d->arena, &aggs[i], d->err));
        if (op->kind == SL_OP_PARTIAL_AGG && aggs[i].arg != NULL)
            SL_TRY(columns_within(d, aggs[i].arg));
    }
    op->u.agg.slot_width = sl_agg_layout(aggs, n);
    op->u.agg.agg_count = n;
    op->u.agg.aggs = aggs;
    op->u.agg.emit_key = sl_read_u8(&d->r) != 0;
    op->u.agg.needs_order = sl_read_u8(&d->r) != 0;
    op->u.agg.state_op = sl_read_u32(&d->r);
    op->u.agg.event_time_key = (int32_t)sl_read_i64(&d->r);
    op->u.agg.mode = (sl_output_mode)sl_read_u8(&d->r);
    if (op->kind == SL_OP_STATE_AGG && op->u.agg.state_op >= d->plan->state_op_count)
        return damaged(d, "a state operator");
    if (op->u.agg.event_time_key >= (int32_t)op->u.agg.key_count ||
        op->u.agg.mode > SL_OUTPUT_COMPLETE)
        return damaged(d, "an event-time key or mode");
    return SL_OK;
}

static sl_code read_project(struct decoder *d, sl_op_plan *op)
{
    uint32_t n = sl_read_count(&d->r, 4);
    const sl_expr **exprs = SL_ARENA_ARRAY(d->arena, const sl_expr *, n + 1);
    if (n != op->output->field_count)
        return damaged(d, "a projection");
    for (uint32_t i = 0; i < n; i++)
        SL_TRY(read_expr(d, &exprs[i]));
    op->u.project.count = n;
    op->u.project.exprs = exprs;
    return SL_OK;
}

static sl_code read_sort(struct decoder *d, sl_op_plan *op)
{
    op->u.sort.limit = sl_read_i64(&d->r);
    uint32_t n = sl_read_count(&d->r, 4);
    sl_sort_key *keys = SL_ARENA_ARRAY(d->arena, sl_sort_key, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        SL_TRY(read_expr(d, &keys[i].expr));
        keys[i].descending = sl_read_u8(&d->r) != 0;
        keys[i].nulls_last = sl_read_u8(&d->r) != 0;
    }
    op->u.sort.count = n;
    op->u.sort.keys = keys;
    return SL_OK;
}

static sl_code read_op(struct decoder *d, sl_op_plan *op)
{
    uint8_t kind = sl_read_u8(&d->r);
    if (kind > SL_OP_STATE_LIMIT)
        return damaged(d, "an operator");
    op->kind = (sl_op_kind)kind;
    SL_TRY(read_schema(d, &op->output));
    switch (op->kind) {
    case SL_OP_FILTER:
        SL_TRY(read_expr(d, &op->u.filter.predicate));
        return op->u.filter.predicate->type->id == SL_TYPE_BOOLEAN
                   ? SL_OK
                   : damaged(d, "a filter");
    case SL_OP_PROJECT:
        return read_project(d, op);
    case SL_OP_WATERMARK:
        op->u.watermark.column = sl_read_u32(&d->r);
        op->u.watermark.watermark = sl_read_u32(&d->r);
        return op->u.watermark.column < d->input->field_count &&
                       op->u.watermark.watermark < d->plan->watermark_count
                   ? SL_OK
                   : damaged(d, "a watermark");
    case SL_OP_WINDOW:
        SL_TRY(read_expr(d, &op->u.window.time));
        op->u.window.size_us = sl_read_i64(&d->r);
        op->u.window.slide_us = sl_read_i64(&d->r);
        op->u.window.start_us = sl_read_i64(&d->r);
        return op->u.window.size_us > 0 && op->u.window.slide_us > 0 &&
                       op->output->field_count == d->input->field_count + 1
                   ? SL_OK
                   : damaged(d, "a window");
    case SL_OP_PARTIAL_AGG:
    case SL_OP_FINAL_AGG:
    case SL_OP_STATE_AGG:
        return read_agg(d, op);
    case SL_OP_SORT:
        return read_sort(d, op);
    case SL_OP_LIMIT:
    case SL_OP_STATE_LIMIT:
        op->u.limit.limit = sl_read_i64(&d->r);
        op->u.limit.offset = sl_read_i64(&d->r);
        op->u.limit.state_op = sl_read_u32(&d->r);
        return op->kind == SL_OP_LIMIT || op->u.limit.state_op < d->plan->state_op_count
                   ? SL_OK
                   : damaged(d, "a state operator");
    }
    return damaged(d, "an operator");
}

static sl_code read_stage(struct decoder *d, uint32_t number, sl_stage_plan *s)
{
    s->input = (sl_stage_input)sl_read_u8(&d->r);
    s->source = sl_read_u32(&d->r);
    s->width = (sl_stage_width)sl_read_u8(&d->r);
    SL_TRY(read_schema(d, &s->input_schema));
    SL_TRY(read_schema(d, &s->output_schema));
    s->output = (sl_stage_output)sl_read_u8(&d->r);
    s->to_stage = sl_read_u32(&d->r);
    s->ordered = sl_read_u8(&d->r) != 0;
    s->op_count = sl_read_count(&d->r, 5);
    bool feeds = s->output == SL_TO_EXCHANGE_KEY || s->output == SL_TO_EXCHANGE_ONE;
    if (s->input > SL_INPUT_EXCHANGE || s->width > SL_WIDTH_ONE ||
        s->output > SL_TO_SINK ||
        (s->input == SL_INPUT_SCAN) != (s->width == SL_WIDTH_SLICES) ||
        (s->input == SL_INPUT_SCAN && s->source >= d->plan->source_count) ||
        (feeds && (s->to_stage <= number || s->to_stage >= d->plan->stage_count)))
        return damaged(d, "a stage");
    sl_op_plan *ops = SL_ARENA_ARRAY(d->arena, sl_op_plan, s->op_count + 1);
    d->input = s->input_schema;
    for (uint32_t i = 0; i < s->op_count; i++) {
        SL_TRY(read_op(d, &ops[i]));
        d->input = ops[i].output;
    }
    s->ops = ops;
    return SL_OK;
}

static sl_code read_source(struct decoder *d, sl_source_plan *s)
{
    s->table = sl_read_string(&d->r, d->arena);
    s->connector = sl_read_string(&d->r, d->arena);
    SL_TRY(sl_option_list_read(&d->r, d->arena, &s->options, d->err));
    SL_TRY(read_schema(d, &s->schema));
    s->streaming = sl_read_u8(&d->r) != 0;
    s->column_count = sl_read_count(&d->r, 4);
    uint32_t *columns = SL_ARENA_ARRAY(d->arena, uint32_t, s->column_count + 1);
    for (uint32_t i = 0; i < s->column_count; i++) {
        columns[i] = sl_read_u32(&d->r);
        if (columns[i] >= s->schema->field_count)
            return damaged(d, "a source's column");
    }
    s->columns = columns;
    return s->connector != NULL ? SL_OK : damaged(d, "a connector");
}

static sl_code read_state_op(struct decoder *d, sl_state_op_plan *s)
{
    s->id = sl_read_u32(&d->r);
    s->name = sl_read_string(&d->r, d->arena);
    s->slot_width = sl_read_u32(&d->r);
    s->has_time = sl_read_u8(&d->r) != 0;
    s->time_key = sl_read_u32(&d->r);
    s->window_us = sl_read_i64(&d->r);
    s->single_partition = sl_read_u8(&d->r) != 0;
    s->blob_count = sl_read_count(&d->r, 4);
    uint32_t *blobs = SL_ARENA_ARRAY(d->arena, uint32_t, s->blob_count + 1);
    for (uint32_t i = 0; i < s->blob_count; i++)
        blobs[i] = sl_read_u32(&d->r);
    s->blob_offsets = blobs;
    return s->name != NULL && s->slot_width <= (1u << 20)
               ? SL_OK
               : damaged(d, "a state operator");
}

static sl_code read_plan(struct decoder *d)
{
    sl_physical_plan *p = d->plan;
    if (sl_read_u16(&d->r) != SL_FRAGMENT_VERSION)
        return sl_fail(d->err, SL_EINCOMPATIBLE,
                       "plan fragment of another version than %d", SL_FRAGMENT_VERSION);
    p->streaming = sl_read_u8(&d->r) != 0;
    p->mode = (sl_output_mode)sl_read_u8(&d->r);
    p->source_count = sl_read_count(&d->r, 16);
    if (p->source_count > SL_SOURCES_MAX || p->mode > SL_OUTPUT_COMPLETE)
        return damaged(d, "a number of sources");
    sl_source_plan *sources =
        SL_ARENA_ARRAY(d->arena, sl_source_plan, p->source_count + 1);
    for (uint32_t i = 0; i < p->source_count; i++)
        SL_TRY(read_source(d, &sources[i]));
    p->sources = sources;
    p->state_op_count = sl_read_count(&d->r, 16);
    if (p->state_op_count > SL_STAGES_MAX)
        return damaged(d, "a number of state operators");
    sl_state_op_plan *states =
        SL_ARENA_ARRAY(d->arena, sl_state_op_plan, p->state_op_count + 1);
    for (uint32_t i = 0; i < p->state_op_count; i++)
        SL_TRY(read_state_op(d, &states[i]));
    p->state_ops = states;
    p->watermark_count = sl_read_count(&d->r, 12);
    if (p->watermark_count > SL_SOURCES_MAX)
        return damaged(d, "a number of watermarks");
    sl_watermark_plan *marks =
        SL_ARENA_ARRAY(d->arena, sl_watermark_plan, p->watermark_count + 1);
    for (uint32_t i = 0; i < p->watermark_count; i++) {
        marks[i].column = sl_read_string(&d->r, d->arena);
        marks[i].delay_us = sl_read_i64(&d->r);
        marks[i].source = sl_read_u32(&d->r);
    }
    p->watermarks = marks;
    p->stage_count = sl_read_count(&d->r, 16);
    if (p->stage_count > SL_STAGES_MAX)
        return damaged(d, "a number of stages");
    sl_stage_plan *stages = SL_ARENA_ARRAY(d->arena, sl_stage_plan, p->stage_count + 1);
    for (uint32_t i = 0; i < p->stage_count; i++)
        SL_TRY(read_stage(d, i, &stages[i]));
    p->stages = stages;
    p->sink = sl_read_string(&d->r, d->arena);
    SL_TRY(sl_option_list_read(&d->r, d->arena, &p->sink_options, d->err));
    SL_TRY(read_schema(d, &p->output));
    p->hidden_key = sl_read_u8(&d->r) != 0;
    p->result_ordered = sl_read_u8(&d->r) != 0;
    p->fingerprint.low = sl_read_u64(&d->r);
    p->fingerprint.high = sl_read_u64(&d->r);
    return sl_reader_done(&d->r) && p->sink != NULL ? SL_OK : damaged(d, "the end");
}

sl_code sl_physical_read(sl_span bytes, sl_physical_plan **ret, sl_error *err)
{
    sl_arena *arena = sl_arena_new();
    struct decoder d = { .r = sl_reader_of(bytes), .arena = arena, .err = err };
    d.plan = SL_ARENA_NEW(arena, sl_physical_plan);
    d.plan->arena = arena;
    sl_code code = read_plan(&d);
    if (code != SL_OK) {
        sl_arena_free(arena);
        return code;
    }
    *ret = d.plan;
    return SL_OK;
}

void sl_physical_free(sl_physical_plan *p)
{
    if (p != NULL)
        sl_arena_free(p->arena); /* which holds *p */
}
