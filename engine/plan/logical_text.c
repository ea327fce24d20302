/* The resolved plan as text: EXPLAIN EXTENDED. */
#include "engine/plan/logical.h"

static void print_columns(const sl_logical *n, sl_bytes *out)
{
    sl_bytes_char(out, '[');
    for (uint32_t i = 0; i < n->schema->field_count; i++) {
        sl_bytes_printf(out, "%s%s: ", i != 0 ? ", " : "", n->schema->fields[i].name);
        sl_type_simple(n->schema->fields[i].type, out);
    }
    sl_bytes_char(out, ']');
}

static void print_project(const sl_logical *n, sl_bytes *out)
{
    const sl_schema *in = n->inputs[0]->schema;
    sl_bytes_text(out, "Project [");
    for (uint32_t i = 0; i < n->u.project.count; i++) {
        size_t from = out->size_bytes + (i != 0 ? 2 : 0);
        const char *name = n->schema->fields[i].name;
        sl_bytes_text(out, i != 0 ? ", " : "");
        sl_expr_print(n->u.project.exprs[i], in, out);
        if (!sl_span_equal(sl_span_of(out->data + from, out->size_bytes - from),
                           sl_span_text(name)))
            sl_bytes_printf(out, " AS %s", name);
    }
    sl_bytes_char(out, ']');
}

static void print_aggregate(const sl_logical *n, sl_bytes *out)
{
    const sl_schema *in = n->inputs[0]->schema;
    sl_bytes_text(out, "Aggregate [");
    for (uint32_t i = 0; i < n->u.aggregate.key_count; i++) {
        sl_bytes_text(out, i != 0 ? ", " : "");
        sl_expr_print(n->u.aggregate.keys[i].expr, in, out);
    }
    sl_bytes_text(out, "], [");
    for (uint32_t i = 0; i < n->u.aggregate.agg_count; i++) {
        const sl_agg *a = &n->u.aggregate.aggs[i];
        sl_bytes_printf(out, "%s%s(", i != 0 ? ", " : "", a->name);
        if (a->arg != NULL)
            sl_expr_print(a->arg, in, out);
        else
            sl_bytes_char(out, '1');
        sl_bytes_char(out, ')');
    }
    sl_bytes_char(out, ']');
    if (n->u.aggregate.event_time_key >= 0)
        sl_bytes_printf(out, ", event time %s",
                        n->u.aggregate.keys[n->u.aggregate.event_time_key].name);
}

static void print_sort(const sl_logical *n, sl_bytes *out)
{
    sl_bytes_text(out, "Sort [");
    for (uint32_t i = 0; i < n->u.sort.count; i++) {
        const sl_sort_key *k = &n->u.sort.keys[i];
        sl_bytes_text(out, i != 0 ? ", " : "");
        sl_expr_print(k->expr, n->schema, out);
        sl_bytes_printf(out, " %s NULLS %s", k->descending ? "DESC" : "ASC",
                        k->nulls_last ? "LAST" : "FIRST");
    }
    sl_bytes_char(out, ']');
}

/* The node alone, without its inputs. */
static void print_node(const sl_logical *n, sl_bytes *out)
{
    const sl_schema *in = n->input_count != 0 ? n->inputs[0]->schema : NULL;
    switch (n->kind) {
    case SL_LOGICAL_SCAN:
        sl_bytes_printf(out, "%s %s %s ", n->streaming ? "StreamScan" : "Scan",
                        n->u.scan.connector,
                        n->u.scan.table != NULL ? n->u.scan.table : "");
        print_columns(n, out);
        return;
    case SL_LOGICAL_PROJECT:
        print_project(n, out);
        return;
    case SL_LOGICAL_FILTER:
        sl_bytes_text(out, "Filter ");
        sl_expr_print(n->u.filter.predicate, in, out);
        return;
    case SL_LOGICAL_WATERMARK:
        sl_bytes_printf(
            out, "EventTimeWatermark %s, delay %lld us",
            n->schema->fields[n->u.watermark.column].name,
            (long long)n->schema->fields[n->u.watermark.column].watermark_delay_us);
        return;
    case SL_LOGICAL_WINDOW:
        sl_bytes_text(out, "Window ");
        sl_expr_print(n->u.window.time, in, out);
        sl_bytes_printf(out, ", size %lld us, slide %lld us, start %lld us",
                        (long long)n->u.window.size_us, (long long)n->u.window.slide_us,
                        (long long)n->u.window.start_us);
        return;
    case SL_LOGICAL_AGGREGATE:
        print_aggregate(n, out);
        return;
    case SL_LOGICAL_SORT:
        print_sort(n, out);
        return;
    case SL_LOGICAL_LIMIT:
        sl_bytes_printf(out, "Limit %lld", (long long)n->u.limit.limit);
        if (n->u.limit.offset != 0)
            sl_bytes_printf(out, " offset %lld", (long long)n->u.limit.offset);
        return;
    case SL_LOGICAL_UNION:
        sl_bytes_text(out, "Union");
        return;
    }
}

static void print_tree(const sl_logical *n, uint32_t depth, sl_bytes *out)
{
    for (uint32_t i = 1; i < depth; i++)
        sl_bytes_text(out, "   ");
    sl_bytes_text(out, depth != 0 ? "+- " : "");
    print_node(n, out);
    sl_bytes_char(out, '\n');
    for (uint32_t i = 0; i < n->input_count; i++)
        print_tree(n->inputs[i], depth + 1, out);
}

void sl_logical__print(const sl_logical *node, sl_bytes *out)
{
    print_tree(node, 0, out);
}
