/* What must stay the same for a checkpoint to fit a query (design.md section 5): sources,
 * state operators, keys, aggregates, output schema.  Not: triggers, rate limits, filters,
 * sink options. */
#include "engine/plan/analyze_private.h"

static void add_source(const sl_source_plan *s, sl_bytes *out)
{
    sl_bytes_string(out, s->connector);
    sl_bytes_string(out, sl_option_list_get(&s->options, "path"));
    sl_bytes_string(out, sl_option_list_get(&s->options, "table"));
    sl_schema_write(s->schema, out);
}

static void add_operator(const sl_physical_plan *p, const sl_op_plan *op, sl_bytes *out)
{
    if (op->kind == SL_OP_STATE_AGG) {
        for (uint32_t i = 0; i < op->u.agg.key_count; i++) {
            sl_bytes_string(out, op->u.agg.keys[i].name); /* its text, not its alias */
            sl_type_write(op->u.agg.keys[i].type, out);
            sl_bytes_i64(out, op->u.agg.keys[i].window_us);
        }
        for (uint32_t i = 0; i < op->u.agg.agg_count; i++) {
            sl_bytes_string(out, op->u.agg.aggs[i].pretty);
            sl_type_write(op->u.agg.aggs[i].result_type, out);
        }
    }
    if (op->kind == SL_OP_STATE_AGG || op->kind == SL_OP_STATE_LIMIT) {
        uint32_t number =
            op->kind == SL_OP_STATE_AGG ? op->u.agg.state_op : op->u.limit.state_op;
        sl_bytes_string(out, p->state_ops[number].name);
        sl_bytes_u32(out, p->state_ops[number].slot_width);
    }
    if (op->kind == SL_OP_WINDOW) {
        sl_bytes_i64(out, op->u.window.size_us);
        sl_bytes_i64(out, op->u.window.slide_us);
        sl_bytes_i64(out, op->u.window.start_us);
    }
}

sl_hash128 sl_plan__fingerprint(const sl_physical_plan *p)
{
    sl_bytes b = { 0 };
    for (uint32_t i = 0; i < p->source_count; i++)
        add_source(&p->sources[i], &b);
    for (uint32_t s = 0; s < p->stage_count; s++)
        for (uint32_t i = 0; i < p->stages[s].op_count; i++)
            add_operator(p, &p->stages[s].ops[i], &b);
    for (uint32_t i = 0; i < p->watermark_count; i++)
        sl_bytes_string(&b, p->watermarks[i].column);
    sl_schema_write(p->output, &b);
    sl_hash128 h = sl_hash128_of(b.data, b.size_bytes);
    sl_bytes_deinit(&b);
    return h;
}
