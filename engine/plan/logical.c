#include "engine/plan/logical.h"

#include "base/assert.h"

sl_logical *sl_logical__new(sl_arena *arena, sl_logical_kind kind, sl_sql_pos pos,
                            const sl_logical *input)
{
    sl_logical *n = SL_ARENA_NEW(arena, sl_logical);
    n->kind = kind;
    n->pos = pos;
    if (input == NULL)
        return n;
    const sl_logical **inputs = SL_ARENA_ARRAY(arena, const sl_logical *, 1);
    inputs[0] = input;
    n->inputs = inputs;
    n->input_count = 1;
    n->streaming = input->streaming;
    n->schema = input->schema;
    n->window_us = input->window_us;
    return n;
}

const sl_logical *sl_logical__filter(sl_arena *arena, const sl_logical *input,
                                     const sl_expr *predicate)
{
    sl_logical *n = sl_logical__new(arena, SL_LOGICAL_FILTER, predicate->pos, input);
    n->u.filter.predicate = predicate;
    return n;
}

const sl_logical *sl_logical__project(sl_arena *arena, const sl_logical *input,
                                      const sl_expr *const *exprs, const sl_field *fields,
                                      const int64_t *window_us, uint32_t count,
                                      sl_sql_pos pos)
{
    sl_logical *n = sl_logical__new(arena, SL_LOGICAL_PROJECT, pos, input);
    sl_schema *schema = SL_ARENA_NEW(arena, sl_schema);
    schema->field_count = count;
    schema->fields = sl_arena_memdup(arena, fields, count * sizeof *fields);
    n->schema = schema;
    n->window_us = window_us != NULL
                       ? sl_arena_memdup(arena, window_us, count * sizeof *window_us)
                       : SL_ARENA_ARRAY(arena, int64_t, count);
    n->u.project.count = count;
    n->u.project.exprs = sl_arena_memdup(arena, exprs, count * sizeof *exprs);
    return n;
}

const sl_logical *sl_logical__pick(sl_arena *arena, const sl_logical *input,
                                   const uint32_t *columns, uint32_t count)
{
    const sl_expr **exprs = SL_ARENA_ARRAY(arena, const sl_expr *, count);
    sl_field *fields = SL_ARENA_ARRAY(arena, sl_field, count);
    int64_t *window_us = SL_ARENA_ARRAY(arena, int64_t, count);
    for (uint32_t i = 0; i < count; i++) {
        exprs[i] = sl_logical__column(arena, input, columns[i]);
        fields[i] = input->schema->fields[columns[i]];
        window_us[i] = input->window_us[columns[i]];
    }
    return sl_logical__project(arena, input, exprs, fields, window_us, count, input->pos);
}

sl_logical *sl_logical__over(sl_arena *arena, const sl_logical *node,
                             const sl_logical *const *inputs)
{
    sl_logical *n = sl_arena_memdup(arena, node, sizeof *node);
    n->inputs = sl_arena_memdup(arena, inputs, node->input_count * sizeof(inputs[0]));
    return n;
}

const sl_expr *sl_logical__column(sl_arena *arena, const sl_logical *node, uint32_t i)
{
    SL_ASSERT(i < node->schema->field_count);
    return sl_expr_column(arena, i, &node->schema->fields[i], (sl_sql_pos){ 0 });
}

const sl_expr *sl_expr__rebuild(sl_arena *arena, const sl_expr *e,
                                const sl_expr *const *args)
{
    sl_expr *copy = sl_arena_memdup(arena, e, sizeof *e);
    uint32_t depth = 0, size = 1;
    for (uint32_t i = 0; i < e->arg_count; i++) {
        depth = args[i]->depth > depth ? args[i]->depth : depth;
        size = args[i]->size > UINT32_MAX - size ? UINT32_MAX : size + args[i]->size;
    }
    copy->args = sl_arena_memdup(arena, args, e->arg_count * sizeof(args[0]));
    copy->depth = depth + 1;
    copy->size = size;
    return copy;
}

bool sl_logical__is_identity(const sl_logical *project)
{
    if (project->u.project.count != project->inputs[0]->schema->field_count)
        return false;
    for (uint32_t i = 0; i < project->u.project.count; i++) {
        const sl_expr *e = project->u.project.exprs[i];
        if (e->kind != SL_EXPR_COLUMN || e->column != i)
            return false;
    }
    return true;
}

bool sl_logical__has_aggregate(const sl_logical *node)
{
    if (node->kind == SL_LOGICAL_AGGREGATE)
        return true;
    for (uint32_t i = 0; i < node->input_count; i++) {
        if (sl_logical__has_aggregate(node->inputs[i]))
            return true;
    }
    return false;
}
