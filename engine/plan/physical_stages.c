/* From the resolved plan to stages.  A node is appended to every open stage below it (a
 * UNION leaves several open); an aggregate, an ORDER BY or a global LIMIT closes them
 * into an exchange and opens one stage behind it. */
#include <string.h>

#include "engine/plan/analyze_private.h"

#define STAGE_OPS_MAX 64

struct open_stage {
    sl_stage_plan plan;
    sl_op_plan ops[STAGE_OPS_MAX];
};

struct planner {
    sl_arena *arena;
    const sl_plan_request *request;
    const sl_analyzer *analyzer;
    sl_source_plan *sources;
    uint32_t source_count;
    struct open_stage *stages; /* SL_STAGES_MAX */
    uint32_t stage_count;
    sl_state_op_plan *state_ops;
    uint32_t state_op_count;
    uint32_t open[SL_STAGES_MAX]; /* stages that nothing closed yet */
    uint32_t open_count;
    bool hidden_key; /* a last BINARY column of the open stages */
    bool ordered;    /* the open stage is one task in order */
};

static sl_code too_many(const char *what, uint32_t max, sl_sql_pos pos, sl_error *err)
{
    return sl_plan__at(
        err, pos, sl_fail(err, SL_ELIMIT, "the query has more than %u %s", max, what));
}

static sl_code new_stage(struct planner *p, sl_sql_pos pos, uint32_t *ret, sl_error *err)
{
    if (p->stage_count == SL_STAGES_MAX)
        return too_many("stages", SL_STAGES_MAX, pos, err);
    *ret = p->stage_count++;
    p->stages[*ret] = (struct open_stage){ 0 };
    return SL_OK;
}

static sl_code add_op(struct planner *p, uint32_t stage, const sl_op_plan *op,
                      sl_sql_pos pos, sl_error *err)
{
    struct open_stage *s = &p->stages[stage];
    if (s->plan.op_count == STAGE_OPS_MAX)
        return too_many("operators in a row", STAGE_OPS_MAX, pos, err);
    s->ops[s->plan.op_count++] = *op;
    s->plan.output_schema = op->output;
    return SL_OK;
}

static sl_code add_to_open(struct planner *p, const sl_op_plan *op, sl_sql_pos pos,
                           sl_error *err)
{
    for (uint32_t i = 0; i < p->open_count; i++)
        SL_TRY(add_op(p, p->open[i], op, pos, err));
    return SL_OK;
}

/* The schema with the key bytes as a last column. */
static const sl_schema *with_key(const struct planner *p, const sl_schema *s)
{
    if (!p->hidden_key)
        return s;
    sl_field *fields = SL_ARENA_ARRAY(p->arena, sl_field, s->field_count + 1);
    if (s->field_count != 0)
        memcpy(fields, s->fields, s->field_count * sizeof *fields);
    fields[s->field_count] =
        (sl_field){ .name = "key", .type = sl_type_of(SL_TYPE_BINARY) };
    sl_schema *with = SL_ARENA_NEW(p->arena, sl_schema);
    *with = (sl_schema){ s->field_count + 1, fields };
    return with;
}

static const sl_schema *open_schema(const struct planner *p)
{
    return p->stages[p->open[0]].plan.output_schema;
}

/* ---- closing the open stages into an exchange ---- */

static sl_code exchange(struct planner *p, sl_stage_output kind, sl_stage_width width,
                        bool ordered, sl_sql_pos pos, sl_error *err)
{
    const sl_schema *schema = open_schema(p);
    uint32_t to = 0;
    SL_TRY(new_stage(p, pos, &to, err));
    for (uint32_t i = 0; i < p->open_count; i++) {
        p->stages[p->open[i]].plan.output = kind;
        p->stages[p->open[i]].plan.to_stage = to;
    }
    sl_stage_plan *s = &p->stages[to].plan;
    s->input = SL_INPUT_EXCHANGE;
    s->width = width;
    s->input_schema = s->output_schema = schema;
    s->ordered = ordered;
    p->open[0] = to;
    p->open_count = 1;
    return SL_OK;
}

/* Rows of all tasks to one task. Keyed rows come by key order only when the driver merges
 * them, so a LIMIT or ORDER BY behind takes them in (stage, task, block) order. */
static sl_code gather(struct planner *p, sl_sql_pos pos, sl_error *err)
{
    const sl_stage_plan *s = &p->stages[p->open[0]].plan;
    if (p->open_count == 1 && s->width == SL_WIDTH_ONE)
        return SL_OK;
    return exchange(p, SL_TO_EXCHANGE_ONE, SL_WIDTH_ONE, true, pos, err);
}

/* ---- one function per node ---- */

static sl_code plan_node(struct planner *p, const sl_logical *n, sl_error *err);

static sl_code plan_scan(struct planner *p, const sl_logical *n, sl_error *err)
{
    uint32_t stage = 0;
    if (p->source_count == SL_SOURCES_MAX)
        return too_many("sources", SL_SOURCES_MAX, n->pos, err);
    SL_TRY(new_stage(p, n->pos, &stage, err));
    p->sources[p->source_count] =
        (sl_source_plan){ .table = n->u.scan.table,
                          .connector = n->u.scan.connector,
                          .options = n->u.scan.options,
                          .schema = n->u.scan.table_schema,
                          .column_count = n->u.scan.column_count,
                          .columns = n->u.scan.columns,
                          .streaming = n->streaming };
    p->stages[stage].plan = (sl_stage_plan){ .input = SL_INPUT_SCAN,
                                             .source = p->source_count++,
                                             .width = SL_WIDTH_SLICES,
                                             .input_schema = n->schema,
                                             .output_schema = n->schema };
    p->open[0] = stage;
    p->open_count = 1;
    p->hidden_key = p->ordered = false;
    return SL_OK;
}

static sl_code plan_union(struct planner *p, const sl_logical *n, sl_error *err)
{
    uint32_t open[SL_STAGES_MAX], count = 0;
    for (uint32_t i = 0; i < n->input_count; i++) {
        SL_TRY(plan_node(p, n->inputs[i], err));
        if (p->hidden_key) { /* rows of several branches have no common key: drop it */
            const sl_schema *s = open_schema(p);
            uint32_t width = s->field_count - 1;
            const sl_expr **exprs = SL_ARENA_ARRAY(p->arena, const sl_expr *, width + 1);
            for (uint32_t c = 0; c < width; c++)
                exprs[c] = sl_expr_column(p->arena, c, &s->fields[c], n->pos);
            sl_op_plan op = { .kind = SL_OP_PROJECT, .output = n->inputs[i]->schema };
            op.u.project.count = width;
            op.u.project.exprs = exprs;
            SL_TRY(add_to_open(p, &op, n->pos, err));
        }
        for (uint32_t k = 0; k < p->open_count; k++)
            open[count++] = p->open[k];
    }
    memcpy(p->open, open, count * sizeof *open);
    p->open_count = count;
    p->hidden_key = p->ordered = false;
    return SL_OK;
}

static sl_code plan_project(struct planner *p, const sl_logical *n, sl_error *err)
{
    uint32_t count = n->u.project.count;
    const sl_expr **exprs = SL_ARENA_ARRAY(p->arena, const sl_expr *, count + 1);
    if (count != 0)
        memcpy(exprs, n->u.project.exprs, count * sizeof *exprs);
    if (p->hidden_key) {
        const sl_schema *in = open_schema(p);
        uint32_t key = in->field_count - 1;
        exprs[count] = sl_expr_column(p->arena, key, &in->fields[key], n->pos);
    }
    sl_op_plan op = { .kind = SL_OP_PROJECT, .output = with_key(p, n->schema) };
    op.u.project.count = count + (p->hidden_key ? 1 : 0);
    op.u.project.exprs = exprs;
    return add_to_open(p, &op, n->pos, err);
}

/* What a partial aggregation sends: key bytes, their hash, every aggregate's buffers. */
static const sl_schema *partial_schema(const struct planner *p, const sl_agg *aggs,
                                       uint32_t count)
{
    uint32_t width = 2;
    for (uint32_t i = 0; i < count; i++)
        width += aggs[i].buffer_count;
    sl_field *fields = SL_ARENA_ARRAY(p->arena, sl_field, width);
    fields[0] = (sl_field){ .name = "key", .type = sl_type_of(SL_TYPE_BINARY) };
    fields[1] = (sl_field){ .name = "hash", .type = sl_type_of(SL_TYPE_LONG) };
    for (uint32_t i = 0, at = 2; i < count; i++)
        for (uint32_t b = 0; b < aggs[i].buffer_count; b++)
            fields[at++] =
                (sl_field){ .name = sl_arena_printf(p->arena, "%s.%u", aggs[i].pretty, b),
                            .type = aggs[i].buffer_types[b],
                            .nullable = true };
    sl_schema *s = SL_ARENA_NEW(p->arena, sl_schema);
    *s = (sl_schema){ width, fields };
    return s;
}

static sl_code new_state_op(struct planner *p, const char *name, sl_sql_pos pos,
                            uint32_t *ret, sl_error *err)
{
    if (p->state_op_count == SL_STAGES_MAX)
        return too_many("stateful operators", SL_STAGES_MAX, pos, err);
    *ret = p->state_op_count++;
    p->state_ops[*ret] = (sl_state_op_plan){ .id = *ret, .name = name };
    return SL_OK;
}

static sl_code add_agg_state(struct planner *p, const sl_logical *n, sl_op_plan *op,
                             const sl_agg *aggs, sl_error *err)
{
    uint32_t number = 0;
    SL_TRY(new_state_op(p, "stateStoreSave", n->pos, &number, err));
    sl_state_op_plan *s = &p->state_ops[number];
    uint32_t *blobs = SL_ARENA_ARRAY(p->arena, uint32_t, op->u.agg.agg_count + 1);
    for (uint32_t i = 0; i < op->u.agg.agg_count; i++)
        if (aggs[i].has_blob)
            blobs[s->blob_count++] = aggs[i].blob_offset;
    s->slot_width = op->u.agg.slot_width;
    s->blob_offsets = blobs;
    s->single_partition = op->u.agg.key_count == 0;
    s->has_time = n->u.aggregate.event_time_key >= 0;
    if (s->has_time) {
        s->time_key = (uint32_t)n->u.aggregate.event_time_key;
        s->window_us = op->u.agg.keys[s->time_key].window_us;
    }
    op->kind = SL_OP_STATE_AGG;
    op->u.agg.state_op = number;
    op->u.agg.event_time_key = n->u.aggregate.event_time_key;
    op->u.agg.mode = p->request->mode;
    return SL_OK;
}

static sl_code plan_aggregate(struct planner *p, const sl_logical *n, sl_error *err)
{
    uint32_t key_count = n->u.aggregate.key_count, agg_count = n->u.aggregate.agg_count;
    sl_agg *aggs = SL_ARENA_ARRAY(p->arena, sl_agg, agg_count + 1);
    bool needs_order = false;
    if (agg_count != 0)
        memcpy(aggs, n->u.aggregate.aggs, agg_count * sizeof *aggs);
    for (uint32_t i = 0; i < agg_count; i++)
        needs_order = needs_order || aggs[i].needs_order;
    if (p->hidden_key)
        p->hidden_key =
            false; /* the aggregate reads its columns by number; the key is the last */
    sl_op_plan op = { .kind = SL_OP_PARTIAL_AGG };
    op.u.agg.key_count = key_count;
    op.u.agg.keys = n->u.aggregate.keys;
    op.u.agg.agg_count = agg_count;
    op.u.agg.slot_width = sl_agg_layout(aggs, agg_count);
    op.u.agg.aggs = aggs;
    op.u.agg.needs_order = needs_order;
    op.u.agg.event_time_key = -1;
    op.output = partial_schema(p, aggs, agg_count);
    SL_TRY(add_to_open(p, &op, n->pos, err));
    SL_TRY(exchange(p, key_count > 0 ? SL_TO_EXCHANGE_KEY : SL_TO_EXCHANGE_ONE,
                    key_count > 0 ? SL_WIDTH_PARTITIONS : SL_WIDTH_ONE, needs_order,
                    n->pos, err));

    sl_group_key *keys = SL_ARENA_ARRAY(p->arena, sl_group_key, key_count + 1);
    for (uint32_t i = 0; i < key_count; i++) {
        keys[i] = n->u.aggregate.keys[i];
        keys[i].expr = NULL; /* made from the key bytes from here on */
    }
    op.kind = SL_OP_FINAL_AGG;
    op.u.agg.keys = keys;
    op.u.agg.emit_key = key_count > 0;
    if (n->streaming)
        SL_TRY(add_agg_state(p, n, &op, aggs, err));
    p->hidden_key = key_count > 0;
    p->ordered = false;
    op.output = with_key(p, n->schema);
    return add_to_open(p, &op, n->pos, err);
}

/* The hidden key does not survive an ORDER BY: the order is the statement's. */
static sl_code drop_key(struct planner *p, const sl_schema *visible, sl_sql_pos pos,
                        sl_error *err)
{
    if (!p->hidden_key)
        return SL_OK;
    const sl_expr **exprs =
        SL_ARENA_ARRAY(p->arena, const sl_expr *, visible->field_count + 1);
    for (uint32_t i = 0; i < visible->field_count; i++)
        exprs[i] = sl_expr_column(p->arena, i, &visible->fields[i], pos);
    sl_op_plan op = { .kind = SL_OP_PROJECT, .output = visible };
    op.u.project.count = visible->field_count;
    op.u.project.exprs = exprs;
    p->hidden_key = false;
    return add_to_open(p, &op, pos, err);
}

static sl_code plan_sort(struct planner *p, const sl_logical *n, int64_t limit,
                         sl_error *err)
{
    SL_TRY(drop_key(p, n->schema, n->pos, err));
    sl_op_plan op = { .kind = SL_OP_SORT, .output = n->schema };
    op.u.sort.count = n->u.sort.count;
    op.u.sort.keys = n->u.sort.keys;
    op.u.sort.limit = limit;
    if (limit >= 0) /* the first rows of each task are enough */
        SL_TRY(add_to_open(p, &op, n->pos, err));
    SL_TRY(gather(p, n->pos, err));
    p->ordered = true;
    return add_to_open(p, &op, n->pos, err);
}

static int64_t rows_needed(const sl_logical *limit)
{
    int64_t n = limit->u.limit.limit, skip = limit->u.limit.offset;
    return n < 0 || n > INT64_MAX - skip ? -1 : n + skip;
}

static sl_code plan_limit(struct planner *p, const sl_logical *n, sl_error *err)
{
    const sl_logical *input = n->inputs[0];
    int64_t needed = rows_needed(n);
    sl_op_plan op = { .kind = SL_OP_LIMIT };
    if (input->kind == SL_LOGICAL_SORT) {
        SL_TRY(plan_node(p, input->inputs[0], err));
        SL_TRY(plan_sort(p, input, needed, err));
    } else {
        SL_TRY(plan_node(p, input, err));
    }
    /* Rows that only ever come are counted over the life of the query, also below a later
     * aggregation in complete mode; a complete result is cut each time (spark:B1). */
    bool stateful = n->streaming && (p->request->mode == SL_OUTPUT_APPEND ||
                                     !sl_logical__has_aggregate(input));
    if (p->hidden_key && needed >= 0 && !p->ordered) {
        /* Rows in key order everywhere: the first by key, the same for any number of
         * partitions. */
        const sl_schema *s = open_schema(p);
        uint32_t key = s->field_count - 1;
        sl_sort_key *by = SL_ARENA_NEW(p->arena, sl_sort_key);
        by->expr = sl_expr_column(p->arena, key, &s->fields[key], n->pos);
        sl_op_plan sort = { .kind = SL_OP_SORT, .output = s };
        sort.u.sort.count = 1;
        sort.u.sort.keys = by;
        sort.u.sort.limit = needed;
        SL_TRY(gather(p, n->pos, err));
        SL_TRY(add_to_open(p, &sort, n->pos, err));
    } else if (!p->ordered) {
        op.output = open_schema(p);
        op.u.limit.limit = needed;
        if (needed >= 0)
            SL_TRY(add_to_open(p, &op, n->pos, err));
        SL_TRY(gather(p, n->pos, err));
    }
    op.output = open_schema(p);
    op.u.limit.limit = n->u.limit.limit;
    op.u.limit.offset = n->u.limit.offset;
    if (stateful) {
        uint32_t number = 0;
        SL_TRY(new_state_op(p, "globalLimit", n->pos, &number, err));
        p->state_ops[number].slot_width = 8;
        p->state_ops[number].single_partition = true;
        op.kind = SL_OP_STATE_LIMIT;
        op.u.limit.state_op = number;
    }
    return add_to_open(p, &op, n->pos, err);
}

static sl_code plan_node(struct planner *p, const sl_logical *n, sl_error *err)
{
    sl_op_plan op = { .output = n->schema };
    switch (n->kind) {
    case SL_LOGICAL_SCAN:
        return plan_scan(p, n, err);
    case SL_LOGICAL_UNION:
        return plan_union(p, n, err);
    case SL_LOGICAL_LIMIT:
        return plan_limit(p, n, err);
    default:
        break;
    }
    SL_TRY(plan_node(p, n->inputs[0], err));
    switch (n->kind) {
    case SL_LOGICAL_FILTER:
        op.kind = SL_OP_FILTER;
        op.output = open_schema(p);
        op.u.filter.predicate = n->u.filter.predicate;
        return add_to_open(p, &op, n->pos, err);
    case SL_LOGICAL_PROJECT:
        return plan_project(p, n, err);
    case SL_LOGICAL_WATERMARK:
        op.kind = SL_OP_WATERMARK;
        op.output = open_schema(p);
        op.u.watermark.column = n->u.watermark.column;
        op.u.watermark.watermark = n->u.watermark.id;
        return n->streaming ? add_to_open(p, &op, n->pos, err) : SL_OK;
    case SL_LOGICAL_WINDOW:
        SL_TRY(drop_key(p, n->inputs[0]->schema, n->pos, err));
        op.kind = SL_OP_WINDOW;
        op.u.window.time = n->u.window.time;
        op.u.window.size_us = n->u.window.size_us;
        op.u.window.slide_us = n->u.window.slide_us;
        op.u.window.start_us = n->u.window.start_us;
        return add_to_open(p, &op, n->pos, err);
    case SL_LOGICAL_AGGREGATE:
        return plan_aggregate(p, n, err);
    case SL_LOGICAL_SORT:
        return plan_sort(p, n, -1, err);
    default:
        return sl_fail(err, SL_EINTERNAL, "plan node %d has no stage", (int)n->kind);
    }
}

static sl_code finish(struct planner *p, const sl_logical *plan, sl_error *err)
{
    const sl_plan_request *r = p->request;
    bool to_driver = r->sink == NULL || r->sink->to_driver;
    if (!to_driver)
        SL_TRY(drop_key(p, plan->schema, plan->pos, err));
    if (to_driver && r->result_rows_max >= 0) { /* nobody will see more */
        sl_op_plan op = { .kind = SL_OP_LIMIT, .output = open_schema(p) };
        op.u.limit.limit = r->result_rows_max;
        SL_TRY(add_to_open(p, &op, plan->pos, err));
    }
    for (uint32_t i = 0; i < p->open_count; i++)
        p->stages[p->open[i]].plan.output = to_driver ? SL_TO_RESULT : SL_TO_SINK;
    return SL_OK;
}

sl_code sl_plan__physical(const sl_plan_request *request, const sl_analyzer *a,
                          const sl_logical *plan, sl_physical_plan **ret, sl_error *err)
{
    sl_arena *arena = a->arena;
    struct planner p = { .arena = arena, .request = request, .analyzer = a };
    p.sources = SL_ARENA_ARRAY(arena, sl_source_plan, SL_SOURCES_MAX);
    p.stages = SL_ARENA_ARRAY(arena, struct open_stage, SL_STAGES_MAX);
    p.state_ops = SL_ARENA_ARRAY(arena, sl_state_op_plan, SL_STAGES_MAX);
    SL_TRY(plan_node(&p, plan, err));
    SL_TRY(finish(&p, plan, err));
    sl_stage_plan *stages = SL_ARENA_ARRAY(arena, sl_stage_plan, p.stage_count);
    for (uint32_t i = 0; i < p.stage_count; i++) {
        stages[i] = p.stages[i].plan;
        stages[i].ops = (const sl_op_plan *)sl_arena_memdup(
            arena, p.stages[i].ops, (stages[i].op_count + 1) * sizeof(sl_op_plan));
    }
    sl_physical_plan *out = SL_ARENA_NEW(arena, sl_physical_plan);
    *out = (sl_physical_plan){
        .arena = arena,
        .streaming = request->streaming_query,
        .mode = request->mode,
        .source_count = p.source_count,
        .sources = p.sources,
        .stage_count = p.stage_count,
        .stages = stages,
        .state_op_count = p.state_op_count,
        .state_ops = p.state_ops,
        .watermark_count = request->streaming_query ? a->watermark_count : 0,
        .watermarks = a->watermarks,
        .sink = request->sink_connector != NULL ? request->sink_connector : "",
        .sink_options = request->sink_options,
        .output = plan->schema,
        .hidden_key = p.hidden_key,
        .result_ordered = p.ordered,
    };
    out->fingerprint = sl_plan__fingerprint(out);
    *ret = out;
    return SL_OK;
}
