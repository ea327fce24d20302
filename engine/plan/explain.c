/* EXPLAIN: the physical plan as text, the stage that ends it first. */
#include <string.h>

#include "base/text.h"
#include "engine/plan/analyze.h"

static const char *const mode_names[] = { "Append", "Update", "Complete" };

static void print_exprs(const sl_expr *const *exprs, uint32_t count, const sl_schema *in,
                        sl_bytes *out)
{
    sl_bytes_char(out, '[');
    for (uint32_t i = 0; i < count; i++) {
        sl_bytes_text(out, i > 0 ? ", " : "");
        sl_expr_print(exprs[i], in, out);
    }
    sl_bytes_char(out, ']');
}

static void print_agg(const char *name, const sl_op_plan *op, sl_bytes *out)
{
    sl_bytes_printf(out, "%s(keys=[", name);
    for (uint32_t i = 0; i < op->u.agg.key_count; i++)
        sl_bytes_printf(out, "%s%s", i > 0 ? ", " : "", op->u.agg.keys[i].name);
    sl_bytes_text(out, "], functions=[");
    for (uint32_t i = 0; i < op->u.agg.agg_count; i++)
        sl_bytes_printf(out, "%s%s", i > 0 ? ", " : "", op->u.agg.aggs[i].pretty);
    sl_bytes_text(out, "])");
    if (op->kind == SL_OP_STATE_AGG)
        sl_bytes_printf(out, " state %u, %s", op->u.agg.state_op,
                        mode_names[op->u.agg.mode]);
}

static void print_op(const sl_op_plan *op, const sl_schema *in, sl_bytes *out)
{
    switch (op->kind) {
    case SL_OP_FILTER:
        sl_bytes_text(out, "Filter ");
        sl_expr_print(op->u.filter.predicate, in, out);
        break;
    case SL_OP_PROJECT:
        sl_bytes_text(out, "Project ");
        print_exprs(op->u.project.exprs, op->u.project.count, in, out);
        break;
    case SL_OP_WATERMARK:
        sl_bytes_printf(out, "EventTimeWatermark %s",
                        in->fields[op->u.watermark.column].name);
        break;
    case SL_OP_WINDOW:
        sl_bytes_text(out, "Window ");
        sl_expr_print(op->u.window.time, in, out);
        sl_bytes_printf(out, ", size %lld us, slide %lld us, start %lld us",
                        (long long)op->u.window.size_us, (long long)op->u.window.slide_us,
                        (long long)op->u.window.start_us);
        break;
    case SL_OP_PARTIAL_AGG:
        print_agg("PartialAggregate", op, out);
        break;
    case SL_OP_FINAL_AGG:
        print_agg("FinalAggregate", op, out);
        break;
    case SL_OP_STATE_AGG:
        print_agg("StateAggregate", op, out);
        break;
    case SL_OP_SORT:
        sl_bytes_text(out, "Sort [");
        for (uint32_t i = 0; i < op->u.sort.count; i++) {
            sl_bytes_text(out, i > 0 ? ", " : "");
            sl_expr_print(op->u.sort.keys[i].expr, in, out);
            sl_bytes_printf(out, " %s NULLS %s",
                            op->u.sort.keys[i].descending ? "DESC" : "ASC",
                            op->u.sort.keys[i].nulls_last ? "LAST" : "FIRST");
        }
        sl_bytes_char(out, ']');
        if (op->u.sort.limit >= 0)
            sl_bytes_printf(out, ", first %lld", (long long)op->u.sort.limit);
        break;
    case SL_OP_LIMIT:
        sl_bytes_printf(out, "Limit %lld", (long long)op->u.limit.limit);
        if (op->u.limit.offset > 0)
            sl_bytes_printf(out, " offset %lld", (long long)op->u.limit.offset);
        break;
    case SL_OP_STATE_LIMIT:
        sl_bytes_printf(out, "GlobalLimit %lld, state %u", (long long)op->u.limit.limit,
                        op->u.limit.state_op);
        break;
    }
}

static const sl_schema *input_of(const sl_stage_plan *s, uint32_t op)
{
    return op == 0 ? s->input_schema : s->ops[op - 1].output;
}

static void print_scan(const sl_physical_plan *p, const sl_stage_plan *s, sl_bytes *out)
{
    const sl_source_plan *source = &p->sources[s->source];
    const char *path = sl_option_list_get(&source->options, "path");
    sl_bytes_printf(out, "%s %s %s [", source->streaming ? "StreamScan" : "Scan",
                    source->connector, source->table != NULL ? source->table : "");
    for (uint32_t i = 0; i < source->column_count; i++)
        sl_bytes_printf(out, "%s%s", i > 0 ? ", " : "",
                        source->schema->fields[source->columns[i]].name);
    sl_bytes_char(out, ']');
    if (path != NULL)
        sl_bytes_printf(out, " path %s", path);
}

static void indent(sl_bytes *out, uint32_t depth)
{
    for (uint32_t i = 0; i + 1 < depth; i++)
        sl_bytes_text(out, "   ");
    if (depth > 0)
        sl_bytes_text(out, "+- ");
}

static void print_stage(const sl_physical_plan *p, uint32_t number, uint32_t depth,
                        sl_bytes *out)
{
    const sl_stage_plan *s = &p->stages[number];
    for (uint32_t i = s->op_count; i-- > 0; depth++) {
        indent(out, depth);
        print_op(&s->ops[i], input_of(s, i), out);
        sl_bytes_char(out, '\n');
    }
    if (s->input == SL_INPUT_SCAN) {
        indent(out, depth);
        print_scan(p, s, out);
        sl_bytes_char(out, '\n');
        return;
    }
    indent(out, depth);
    sl_bytes_printf(out, "Exchange %s%s\n",
                    s->width == SL_WIDTH_PARTITIONS ? "by key" : "to one task",
                    s->ordered ? ", ordered" : "");
    for (uint32_t i = 0; i < number; i++) {
        bool feeds = p->stages[i].output == SL_TO_EXCHANGE_KEY ||
                     p->stages[i].output == SL_TO_EXCHANGE_ONE;
        if (feeds && p->stages[i].to_stage == number)
            print_stage(p, i, depth + 1, out);
    }
}

static void print_state(const sl_physical_plan *p, uint32_t partitions, sl_bytes *out)
{
    sl_bytes_text(out, p->state_op_count == 0 ? "No operator keeps state.\n"
                                              : "== State ==\n");
    for (uint32_t i = 0; i < p->state_op_count; i++) {
        const sl_state_op_plan *s = &p->state_ops[i];
        sl_bytes_printf(out, "%u %s: %u value bytes a row, %u partition%s, rows leave ",
                        s->id, s->name, s->slot_width,
                        s->single_partition ? 1 : partitions,
                        s->single_partition || partitions == 1 ? "" : "s");
        if (s->has_time && p->mode != SL_OUTPUT_COMPLETE && p->watermark_count > 0)
            sl_bytes_text(out, "when the watermark passes their end\n");
        else if (p->mode == SL_OUTPUT_COMPLETE)
            sl_bytes_text(out, "never: complete mode keeps all\n");
        else
            sl_bytes_text(out, "never: no event-time key with a watermark\n");
    }
}

static void print_numbered(const sl_physical_plan *p, sl_bytes *out)
{
    for (uint32_t i = 0; i < p->stage_count; i++) {
        const sl_stage_plan *s = &p->stages[i];
        sl_bytes_printf(out, "\n(%u) Stage: ", i);
        if (s->input == SL_INPUT_SCAN)
            print_scan(p, s, out);
        else
            sl_bytes_text(out, "from exchange");
        for (uint32_t k = 0; k < s->op_count; k++) {
            sl_bytes_text(out, "\n    ");
            print_op(&s->ops[k], input_of(s, k), out);
            sl_bytes_text(out, "\n        Output: ");
            sl_schema_simple(s->ops[k].output, out);
        }
        sl_bytes_char(out, '\n');
    }
}

static void print_json(const sl_physical_plan *p, uint32_t partitions, sl_bytes *out)
{
    sl_bytes text = { 0 };
    sl_json j;
    sl_json_begin(&j, out);
    sl_json_open(&j, NULL, '{');
    sl_json_key_bool(&j, "streaming", p->streaming);
    sl_json_key_string(&j, "outputMode", mode_names[p->mode]);
    sl_json_key_int(&j, "statePartitions", partitions);
    sl_json_open(&j, "stages", '[');
    for (uint32_t i = 0; i < p->stage_count; i++) {
        const sl_stage_plan *s = &p->stages[i];
        sl_json_open(&j, NULL, '{');
        sl_json_key_int(&j, "stage", i);
        sl_bytes_clear(&text);
        if (s->input == SL_INPUT_SCAN)
            print_scan(p, s, &text);
        sl_json_key_string(&j, "scan",
                           s->input == SL_INPUT_SCAN ? sl_bytes_cstr(&text) : NULL);
        sl_json_open(&j, "operators", '[');
        for (uint32_t k = 0; k < s->op_count; k++) {
            sl_bytes_clear(&text);
            print_op(&s->ops[k], input_of(s, k), &text);
            sl_json_open(&j, NULL, '{');
            sl_json_key_string(&j, "text", sl_bytes_cstr(&text));
            sl_json_close(&j, '}');
        }
        sl_json_close(&j, ']');
        sl_json_close(&j, '}');
    }
    sl_json_close(&j, ']');
    sl_json_close(&j, '}');
    sl_bytes_deinit(&text);
}

void sl_explain(const sl_physical_plan *p, sl_explain_kind kind,
                uint32_t state_partitions, sl_bytes *out)
{
    if (kind == SL_EXPLAIN_JSON) {
        print_json(p, state_partitions, out);
        return;
    }
    if (kind == SL_EXPLAIN_STATE) {
        print_state(p, state_partitions, out);
        return;
    }
    sl_bytes_text(out, "== Physical Plan ==\n");
    for (uint32_t i = 0; i < p->stage_count; i++)
        if (p->stages[i].output == SL_TO_RESULT || p->stages[i].output == SL_TO_SINK)
            print_stage(p, i, 0, out);
    if (kind == SL_EXPLAIN_FORMATTED)
        print_numbered(p, out);
}
