/* A projection over a projection becomes one, and one that changes nothing goes: views
 * and derived tables then cost what their text written in place would cost. */
#include "engine/plan/logical.h"

#define JOINED_SIZE_MAX 4096 /* nodes of an expression: beyond, both stay */

static uint32_t uses(const sl_expr *e, uint32_t column)
{
    uint32_t n = e->kind == SL_EXPR_COLUMN && e->column == column ? 1 : 0;
    for (uint32_t i = 0; i < e->arg_count && n < 2; i++)
        n += uses(e->args[i], column);
    return n;
}

/* What is computed below may be computed above if nothing is then computed twice. */
static bool may_join(const sl_logical *outer, const sl_logical *inner)
{
    for (uint32_t c = 0; c < inner->u.project.count; c++) {
        const sl_expr *e = inner->u.project.exprs[c];
        if (e->kind != SL_EXPR_CALL)
            continue;
        uint32_t n = 0;
        for (uint32_t i = 0; i < outer->u.project.count && n < 2; i++)
            n += uses(outer->u.project.exprs[i], c);
        if (n > 1 || e->is_random)
            return false;
    }
    return true;
}

static const sl_logical *join(sl_arena *arena, const sl_logical *outer)
{
    const sl_logical *inner = outer->inputs[0];
    if (inner->kind != SL_LOGICAL_PROJECT || !may_join(outer, inner))
        return outer;
    const sl_expr **exprs =
        SL_ARENA_ARRAY(arena, const sl_expr *, outer->u.project.count + 1);
    for (uint32_t i = 0; i < outer->u.project.count; i++) {
        exprs[i] =
            sl_expr_substitute(arena, outer->u.project.exprs[i], inner->u.project.exprs);
        if (exprs[i]->depth > SL_EXPR_DEPTH_MAX || exprs[i]->size > JOINED_SIZE_MAX)
            return outer;
    }
    sl_logical *joined = sl_logical__over(arena, outer, inner->inputs);
    joined->u.project.exprs = exprs;
    return joined;
}

/* Names of columns mean nothing below a node that names its own; from there up they are
 * the result's. */
static bool names_its_columns(const sl_logical *n)
{
    return n->kind == SL_LOGICAL_PROJECT || n->kind == SL_LOGICAL_AGGREGATE ||
           n->kind == SL_LOGICAL_UNION;
}

static const sl_logical *simplify(sl_arena *arena, const sl_logical *n, bool is_named)
{
    const sl_logical **inputs =
        SL_ARENA_ARRAY(arena, const sl_logical *, n->input_count + 1);
    for (uint32_t i = 0; i < n->input_count; i++)
        inputs[i] = simplify(arena, n->inputs[i], is_named || names_its_columns(n));
    const sl_logical *copy = sl_logical__over(arena, n, inputs);
    if (copy->kind != SL_LOGICAL_PROJECT)
        return copy;
    copy = join(arena, copy);
    bool same = is_named && sl_logical__is_identity(copy);
    return same ? copy->inputs[0] : copy;
}

const sl_logical *sl_optimize__projections(sl_arena *arena, const sl_logical *plan)
{
    return simplify(arena, plan, false);
}
