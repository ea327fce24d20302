/* Constant folding: bottom-up, each constant call is run once by the program it would
 * become. Calls that need the clock, the session time zone or randomness stay. */
#include "base/assert.h"
#include "engine/expr/function_private.h"
#include "engine/expr/program.h"

static bool is_foldable(const sl_expr *e)
{
    if ((e->function->flags & (SL_FN_RANDOM | SL_FN_CLOCK | SL_FN_ZONE)) != 0)
        return false;
    if (e->type->id == SL_TYPE_STRUCT || e->type->id == SL_TYPE_VOID)
        return false; /* there are no literals of structs */
    for (uint32_t i = 0; i < e->arg_count; i++) {
        if (e->args[i]->kind != SL_EXPR_LITERAL)
            return false;
    }
    if (!sl_expr__is_call(e, SL_F_CAST) && !sl_expr__is_call(e, SL_F_TRY_CAST))
        return true;
    /* A cast between local and absolute times, or to text, needs the session zone. */
    const sl_type *from = e->args[0]->type, *to = e->type;
    bool from_zone = from->id == SL_TYPE_TIMESTAMP, to_zone = to->id == SL_TYPE_TIMESTAMP;
    return from_zone == to_zone || sl_type_is_numeric(from) || sl_type_is_numeric(to);
}

/* NULL where a strict function has a null literal: no need to run anything. */
static bool is_null_call(const sl_expr *e)
{
    if ((e->function->flags & SL_FN_STRICT) == 0)
        return false;
    for (uint32_t i = 0; i < e->arg_count; i++) {
        if (e->args[i]->kind == SL_EXPR_LITERAL && e->args[i]->literal.is_null)
            return true;
    }
    return false;
}

static const sl_expr *fold_call(sl_arena *arena, const sl_expr *e)
{
    if (e->type->id != SL_TYPE_STRUCT && is_null_call(e)) {
        /* The other arguments may still have to fail. */
        for (uint32_t i = 0; i < e->arg_count; i++) {
            if (e->args[i]->can_fail)
                return e;
        }
        sl_value null = { .type = e->type, .is_null = true };
        return sl_expr_literal(arena, &null, e->pretty, e->pos);
    }
    if (!is_foldable(e))
        return e;
    sl_eval_context context = { .zone = sl_time_zone_utc() };
    sl_value v;
    if (sl_expr_evaluate(e, &context, arena, &v, NULL) != SL_OK)
        return e;
    return sl_expr_literal(arena, &v, e->pretty, e->pos);
}

/* AND and OR with one literal side become the other side or the literal, when nothing
 * that would be evaluated is lost. */
static const sl_expr *fold_logic(const sl_expr *e)
{
    bool is_and = sl_expr__is_call(e, SL_F_AND);
    if (!is_and && !sl_expr__is_call(e, SL_F_OR))
        return e;
    for (uint32_t i = 0; i < 2; i++) {
        const sl_expr *side = e->args[i], *other = e->args[1 - i];
        if (side->kind != SL_EXPR_LITERAL || side->literal.is_null)
            continue;
        if ((side->literal.i64 != 0) == is_and)
            return other; /* true AND x, false OR x */
        if (i == 0 || !other->can_fail)
            return side;
    }
    return e;
}

/* Branches of a CASE whose condition is known. */
static const sl_expr *fold_case(sl_arena *arena, const sl_expr *e)
{
    if (!sl_expr__is_call(e, SL_F_CASE))
        return e;
    const sl_expr **kept = SL_ARENA_ARRAY(arena, const sl_expr *, e->arg_count + 1);
    uint32_t count = 0, i = 0;
    for (; i + 1 < e->arg_count; i += 2) {
        const sl_expr *condition = e->args[i];
        if (condition->kind == SL_EXPR_LITERAL) {
            if (condition->literal.is_null || condition->literal.i64 == 0)
                continue;
            kept[count++] = e->args[i + 1]; /* always taken: the ELSE */
            i = e->arg_count;
            break;
        }
        kept[count++] = condition;
        kept[count++] = e->args[i + 1];
    }
    if (i < e->arg_count)
        kept[count++] = e->args[i]; /* the ELSE as it was */
    if (count == e->arg_count)
        return e;
    if (count == 0)
        return e->type->id == SL_TYPE_STRUCT ? e : sl_expr__null(arena, e->type, e->pos);
    if (count == 1)
        return kept[0];
    const sl_expr *smaller;
    if (sl_expr__call_id(arena, SL_F_CASE, kept, count, e->pos, &smaller, NULL) != SL_OK)
        return e;
    return sl_expr__rename(arena, smaller, e->pretty);
}

const sl_expr *sl_expr_fold(sl_arena *arena, const sl_expr *e)
{
    if (e->kind != SL_EXPR_CALL)
        return e;
    const sl_expr **args = SL_ARENA_ARRAY(arena, const sl_expr *, e->arg_count + 1);
    bool changed = false;
    for (uint32_t i = 0; i < e->arg_count; i++) {
        args[i] = sl_expr_fold(arena, e->args[i]);
        changed = changed || args[i] != e->args[i];
    }
    if (changed)
        e = sl_expr__with_args(arena, e, args);
    const sl_expr *folded = fold_logic(e);
    if (folded == e)
        folded = fold_case(arena, e);
    if (folded != e)
        return sl_expr__rename(arena, folded, e->pretty);
    return fold_call(arena, e);
}
