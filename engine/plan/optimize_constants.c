/* Constant parts of expressions become literals, once, here; a constant that fails (1 /
 * 0) stays and fails for the rows that reach it. */
#include "engine/plan/logical.h"

static sl_logical *fold_node(sl_arena *arena, sl_logical *n)
{
    switch (n->kind) {
    case SL_LOGICAL_FILTER:
        n->u.filter.predicate = sl_expr_fold(arena, n->u.filter.predicate);
        break;
    case SL_LOGICAL_PROJECT: {
        const sl_expr **exprs =
            SL_ARENA_ARRAY(arena, const sl_expr *, n->u.project.count + 1);
        for (uint32_t i = 0; i < n->u.project.count; i++)
            exprs[i] = sl_expr_fold(arena, n->u.project.exprs[i]);
        n->u.project.exprs = exprs;
        break;
    }
    case SL_LOGICAL_WINDOW:
        n->u.window.time = sl_expr_fold(arena, n->u.window.time);
        break;
    default:
        break;
    }
    return n;
}

const sl_logical *sl_optimize__constants(sl_arena *arena, const sl_logical *plan)
{
    const sl_logical **inputs =
        SL_ARENA_ARRAY(arena, const sl_logical *, plan->input_count + 1);
    for (uint32_t i = 0; i < plan->input_count; i++)
        inputs[i] = sl_optimize__constants(arena, plan->inputs[i]);
    return fold_node(arena, sl_logical__over(arena, plan, inputs));
}
