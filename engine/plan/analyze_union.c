/* UNION: columns by position, cast to their common types; names, marks and event time are
 * the first input's (as Spark). */
#include "engine/plan/analyze_private.h"

static sl_code check_widths(const sl_relation *r, const sl_named *inputs, sl_error *err)
{
    uint32_t first = inputs[0].node->schema->field_count;
    for (uint32_t i = 1; i < r->input_count; i++) {
        uint32_t count = inputs[i].node->schema->field_count;
        if (count != first)
            return sl_plan__at(
                err, r->pos,
                sl_fail_as(err, SL_EANALYSIS, "NUM_COLUMNS_MISMATCH", "42826",
                           "UNION can only be performed on inputs with the "
                           "same number of columns, but the first input "
                           "has %u columns and the second input has %u "
                           "columns.",
                           first, count));
    }
    return SL_OK;
}

static sl_code common_fields(sl_analyzer *a, const sl_relation *r, const sl_named *inputs,
                             sl_field *fields, int64_t *window_us, sl_error *err)
{
    const sl_logical *first = inputs[0].node;
    for (uint32_t c = 0; c < first->schema->field_count; c++) {
        sl_field f = first->schema->fields[c];
        int64_t us = first->window_us[c];
        for (uint32_t i = 1; i < r->input_count; i++) {
            const sl_logical *node = inputs[i].node;
            const sl_field *g = &node->schema->fields[c];
            const sl_type *type = sl_type_common(f.type, g->type, a->arena);
            if (type == NULL)
                return sl_plan__at(
                    err, r->pos,
                    sl_fail_as(
                        err, SL_EANALYSIS, "INCOMPATIBLE_COLUMN_TYPE", "42825",
                        "UNION can only be performed on tables with compatible "
                        "column types. Column %u (`%.100s`) of the second table is "
                        "\"%s\" type which is not compatible with \"%s\" at the "
                        "same column of the first table.",
                        c + 1, f.name, sl_plan__type_sql(a->arena, g->type),
                        sl_plan__type_sql(a->arena, f.type)));
            bool kept = sl_type_equal(type, f.type);
            if (!kept || us != node->window_us[c]) {
                /* Windows of several lengths are structs like any other. */
                f.is_window = false;
                f.has_watermark = f.has_watermark && kept && us == 0;
                us = 0;
            }
            f.type = type;
            f.nullable = f.nullable || g->nullable;
        }
        fields[c] = f;
        window_us[c] = us;
    }
    return SL_OK;
}

/* One input with the union's types. */
static sl_code cast_input(sl_analyzer *a, const sl_logical *input, const sl_field *fields,
                          const int64_t *window_us, const sl_logical **ret, sl_error *err)
{
    uint32_t count = input->schema->field_count;
    const sl_expr **exprs = SL_ARENA_ARRAY(a->arena, const sl_expr *, count);
    bool same = true;
    for (uint32_t c = 0; c < count; c++) {
        exprs[c] = sl_logical__column(a->arena, input, c);
        if (sl_type_equal(exprs[c]->type, fields[c].type))
            continue;
        same = false;
        SL_TRY(sl_plan__at(
            err, input->pos,
            sl_expr_cast(a->arena, exprs[c], fields[c].type, true, &exprs[c], err)));
    }
    *ret = same ? input
                : sl_logical__project(a->arena, input, exprs, fields, window_us, count,
                                      input->pos);
    return SL_OK;
}

sl_code sl_plan__union(sl_analyzer *a, const sl_relation *r, const sl_named *inputs,
                       sl_named *ret, sl_error *err)
{
    SL_TRY(check_widths(r, inputs, err));
    uint32_t count = inputs[0].node->schema->field_count;
    sl_field *fields = SL_ARENA_ARRAY(a->arena, sl_field, count);
    int64_t *window_us = SL_ARENA_ARRAY(a->arena, int64_t, count);
    SL_TRY(common_fields(a, r, inputs, fields, window_us, err));

    sl_logical *n = sl_logical__new(a->arena, SL_LOGICAL_UNION, r->pos, NULL);
    const sl_logical **nodes =
        SL_ARENA_ARRAY(a->arena, const sl_logical *, r->input_count);
    for (uint32_t i = 0; i < r->input_count; i++) {
        SL_TRY(cast_input(a, inputs[i].node, fields, window_us, &nodes[i], err));
        n->streaming = n->streaming || nodes[i]->streaming;
    }
    sl_schema *schema = SL_ARENA_NEW(a->arena, sl_schema);
    *schema = (sl_schema){ .field_count = count, .fields = fields };
    n->inputs = nodes;
    n->input_count = r->input_count;
    n->schema = schema;
    n->window_us = window_us;
    ret->node = n;
    ret->qualifiers = SL_ARENA_ARRAY(a->arena, const char *, count);
    return SL_OK;
}
