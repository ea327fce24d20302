/* The parser's tree as text: EXPLAIN EXTENDED's first plan. */
#include "engine/plan/unresolved.h"

static void print_expr(const sl_uexpr *e, sl_bytes *out);

static void print_exprs(const sl_uexpr *const *exprs, uint32_t count, sl_bytes *out)
{
    for (uint32_t i = 0; i < count; i++) {
        sl_bytes_text(out, i != 0 ? ", " : "");
        print_expr(exprs[i], out);
    }
}

static void print_parts(const char *const *parts, uint32_t count, sl_bytes *out)
{
    for (uint32_t i = 0; i < count; i++)
        sl_bytes_printf(out, "%s%s", i != 0 ? "." : "", parts[i]);
}

static void print_literal(const sl_value *v, sl_bytes *out)
{
    if (v->is_null)
        sl_bytes_text(out, "null");
    else if (v->type->id == SL_TYPE_BOOLEAN)
        sl_bytes_text(out, v->i64 != 0 ? "true" : "false");
    else if (v->type->id == SL_TYPE_DOUBLE)
        sl_bytes_printf(out, "%.17g", v->f64);
    else if (v->text != NULL)
        sl_bytes_append(out, v->text, v->length);
    else
        sl_bytes_printf(out, "%lld%s", (long long)v->i64,
                        v->type->id == SL_TYPE_LONG ? "L" : "");
}

static void print_call(const sl_uexpr *e, sl_bytes *out)
{
    sl_bytes_printf(out, "'%s(%s", e->parts[0], e->distinct ? "distinct " : "");
    if (e->star)
        sl_bytes_char(out, '*');
    print_exprs(e->args, e->arg_count, out);
    sl_bytes_char(out, ')');
    if (e->filter != NULL) {
        sl_bytes_text(out, " FILTER (WHERE ");
        print_expr(e->filter, out);
        sl_bytes_char(out, ')');
    }
    if (e->over != NULL)
        sl_bytes_printf(out, " OVER %s", e->over);
}

static void print_expr(const sl_uexpr *e, sl_bytes *out)
{
    switch (e->kind) {
    case SL_U_LITERAL:
        print_literal(&e->literal, out);
        return;
    case SL_U_INTERVAL:
        sl_bytes_printf(out, "INTERVAL '%s'", e->literal.text);
        return;
    case SL_U_NAME:
        sl_bytes_char(out, '\'');
        print_parts(e->parts, e->part_count, out);
        return;
    case SL_U_STAR:
        print_parts(e->parts, e->part_count, out);
        sl_bytes_text(out, e->part_count != 0 ? ".*" : "*");
        return;
    case SL_U_CALL:
        print_call(e, out);
        return;
    case SL_U_CAST:
        sl_bytes_printf(out, "%s(", e->parts[0]);
        print_expr(e->args[0], out);
        sl_bytes_text(out, " as ");
        sl_type_simple(e->type, out);
        sl_bytes_char(out, ')');
        return;
    case SL_U_ALIAS:
        print_expr(e->args[0], out);
        sl_bytes_printf(out, " AS %s", e->parts[0]);
        return;
    }
}

static void print_sorts(const sl_relation *r, sl_bytes *out)
{
    for (uint32_t i = 0; i < r->sort_count; i++) {
        const sl_usort *s = &r->sorts[i];
        sl_bytes_text(out, i != 0 ? ", " : "");
        print_expr(s->expr, out);
        sl_bytes_text(out, s->descending ? " DESC" : " ASC");
        if (s->nulls_first_given)
            sl_bytes_text(out, s->nulls_first ? " NULLS FIRST" : " NULLS LAST");
    }
}

static void print_list(const char *name, const sl_uexpr *const *exprs, uint32_t count,
                       sl_bytes *out)
{
    sl_bytes_printf(out, "%s [", name);
    print_exprs(exprs, count, out);
    sl_bytes_char(out, ']');
}

static void print_options(const sl_option_list *options, sl_bytes *out)
{
    for (uint32_t i = 0; i < options->count; i++)
        sl_bytes_printf(out, "%s%s=%s", i == 0 ? ", [" : ", ", options->pairs[i].name,
                        options->pairs[i].value);
    sl_bytes_text(out, options->count != 0 ? "]" : "");
}

static void print_alias(const sl_relation *r, sl_bytes *out)
{
    sl_bytes_text(out, "SubqueryAlias ");
    print_parts(r->parts, r->part_count, out);
    for (uint32_t i = 0; i < r->column_alias_count; i++)
        sl_bytes_printf(out, "%s%s", i == 0 ? " (" : ", ", r->column_aliases[i]);
    sl_bytes_text(out, r->column_alias_count != 0 ? ")" : "");
}

static void print_limit(const sl_relation *r, sl_bytes *out)
{
    sl_bytes_text(out, "'Limit ");
    if (r->limit != NULL)
        print_expr(r->limit, out);
    else
        sl_bytes_text(out, "ALL");
    if (r->offset != NULL) {
        sl_bytes_text(out, " OFFSET ");
        print_expr(r->offset, out);
    }
}

static const char *join_name(sl_join_type type)
{
    static const char *const names[] = { "Inner",      "Cross",     "LeftOuter",
                                         "RightOuter", "FullOuter", "LeftSemi",
                                         "LeftAnti" };
    return names[type];
}

/* The node alone, without its inputs. */
static void print_node(const sl_relation *r, sl_bytes *out)
{
    switch (r->kind) {
    case SL_REL_READ:
        sl_bytes_text(out, "'UnresolvedRelation [");
        print_parts(r->parts, r->part_count, out);
        sl_bytes_char(out, ']');
        print_options(&r->options, out);
        sl_bytes_text(out, r->stream ? ", STREAM" : "");
        return;
    case SL_REL_VALUES:
        sl_bytes_printf(out, "%s, %u row%s",
                        r->expr_count != 0 ? "'InlineTable" : "OneRow", r->row_count,
                        r->row_count != 1 ? "s" : "");
        return;
    case SL_REL_PROJECT:
        print_list("'Project", r->exprs, r->expr_count, out);
        return;
    case SL_REL_FILTER:
        sl_bytes_text(out, "'Filter ");
        print_expr(r->condition, out);
        return;
    case SL_REL_AGGREGATE:
        print_list("'Aggregate", r->groups, r->group_count, out);
        print_list(",", r->exprs, r->expr_count, out);
        if (r->condition != NULL) {
            sl_bytes_text(out, ", having ");
            print_expr(r->condition, out);
        }
        return;
    case SL_REL_SORT:
        sl_bytes_text(out, "'Sort [");
        print_sorts(r, out);
        sl_bytes_char(out, ']');
        return;
    case SL_REL_LIMIT:
        print_limit(r, out);
        return;
    case SL_REL_DEDUPLICATE:
        sl_bytes_text(out, "'Distinct");
        return;
    case SL_REL_UNION:
        sl_bytes_text(out, r->union_all ? "'Union all" : "'Union distinct");
        return;
    case SL_REL_ALIAS:
        print_alias(r, out);
        return;
    case SL_REL_WITH_WATERMARK:
        sl_bytes_text(out, "'EventTimeWatermark '");
        print_parts(r->parts, r->part_count, out);
        sl_bytes_text(out, ", ");
        print_expr(r->delay, out);
        return;
    case SL_REL_WITH:
        sl_bytes_text(out, "CTE [");
        print_parts(r->cte_names, r->cte_count, out);
        sl_bytes_char(out, ']');
        return;
    case SL_REL_JOIN:
        sl_bytes_printf(out, "'Join %s", join_name(r->join));
        return;
    case SL_REL_EXCEPT:
        sl_bytes_text(out, "'Except");
        return;
    case SL_REL_INTERSECT:
        sl_bytes_text(out, "'Intersect");
        return;
    case SL_REL_SAMPLE:
        sl_bytes_text(out, "'Sample");
        return;
    }
}

static void print_tree(const sl_relation *r, uint32_t depth, sl_bytes *out)
{
    for (uint32_t i = 1; i < depth; i++)
        sl_bytes_text(out, "   ");
    sl_bytes_text(out, depth != 0 ? "+- " : "");
    print_node(r, out);
    sl_bytes_char(out, '\n');
    for (uint32_t i = 0; i < r->cte_count; i++)
        print_tree(r->cte_queries[i], depth + 1, out);
    for (uint32_t i = 0; i < r->input_count; i++)
        print_tree(r->inputs[i], depth + 1, out);
}

void sl_relation_print(const sl_relation *r, sl_bytes *out)
{
    print_tree(r, 0, out);
}
