/* Filters go towards the sources: a row nobody wants is dropped before it costs anything,
 * right above its scan where the names allow it.
 *
 * Going down, each node is given the conjuncts that wait above it; those that may pass it
 * go on below, the others become a Filter here.  The rows and the errors a query may
 * raise stay the same:
 *   - a conjunct with a random part moves nowhere;
 *   - one that can fail passes only nodes that keep every row, and only together with all
 *     conjuncts before it, which may be what keeps it from failing;
 *   - a watermark is passed by what does not look at its column: rows that are filtered
 *     out do not move it, as in Spark;
 *   - LIMIT is passed by nothing.
 * LIMIT itself goes below a projection, where a sort may keep its first rows only. */
#include <string.h>

#include "base/bitmap.h"
#include "engine/plan/analyze_private.h"

#define PUSHED_SIZE_MAX 4096 /* nodes of an expression: beyond, a name is kept */

/* Conditions in the order in which they are to be evaluated. */
struct conjuncts {
    uint32_t count, capacity;
    const sl_expr **items;
};

static const sl_logical *push(sl_arena *arena, const sl_logical *n,
                              const struct conjuncts *above);

static void add(sl_arena *arena, struct conjuncts *c, const sl_expr *e)
{
    if (c->count == c->capacity) {
        uint32_t capacity = c->capacity != 0 ? 2 * c->capacity : 8;
        const sl_expr **items = SL_ARENA_ARRAY(arena, const sl_expr *, capacity);
        if (c->count != 0)
            memcpy(items, c->items, c->count * sizeof *items);
        c->items = items;
        c->capacity = capacity;
    }
    c->items[c->count++] = e;
}

/* a AND b AND c, taken apart in order. */
static void split(sl_arena *arena, struct conjuncts *c, const sl_expr *e)
{
    if (!sl_expr_is_and(e)) {
        add(arena, c, e);
        return;
    }
    for (uint32_t i = 0; i < e->arg_count; i++)
        split(arena, c, e->args[i]);
}

/* The conjuncts joined again, balanced; NULL if that is too deep. */
static const sl_expr *join(sl_arena *arena, const sl_expr *const *items, uint32_t count)
{
    if (count == 1)
        return items[0];
    const sl_expr *sides[2] = { join(arena, items, (count + 1) / 2),
                                join(arena, items + (count + 1) / 2, count / 2) };
    const sl_expr *e;
    if (sides[0] == NULL || sides[1] == NULL ||
        sl_expr_call(arena, "and", sides, 2, items[0]->pos, &e, NULL) != SL_OK)
        return NULL;
    return e;
}

/* The node under one Filter, or under one for each conjunct. */
static const sl_logical *filtered(sl_arena *arena, const sl_logical *n,
                                  const struct conjuncts *c)
{
    if (c->count == 0)
        return n;
    const sl_expr *all = join(arena, c->items, c->count);
    if (all != NULL)
        return sl_logical__filter(arena, n, all);
    for (uint32_t i = 0; i < c->count; i++)
        n = sl_logical__filter(arena, n, c->items[i]);
    return n;
}

static const sl_logical *rebuilt(sl_arena *arena, const sl_logical *n,
                                 const struct conjuncts *below)
{
    if (n->input_count == 0)
        return n;
    const sl_logical **inputs = SL_ARENA_ARRAY(arena, const sl_logical *, n->input_count);
    for (uint32_t i = 0; i < n->input_count; i++)
        inputs[i] = push(arena, n->inputs[i], below);
    return sl_logical__over(arena, n, inputs);
}

/* ---- what may pass a node ---- */

static uint64_t *columns_of(sl_arena *arena, const sl_expr *e, uint32_t width)
{
    uint64_t *used = SL_ARENA_ARRAY(arena, uint64_t, sl_bitmap_words(width) + 1);
    sl_expr_mark_columns(e, used);
    return used;
}

/* Columns become what a projection computes for them; NULL if that is not worth it. */
static const sl_expr *through(sl_arena *arena, const sl_expr *e,
                              const sl_expr *const *exprs, uint32_t count)
{
    const uint64_t *used = columns_of(arena, e, count);
    for (uint32_t i = 0; i < count; i++)
        if (sl_bitmap_get(used, i) && exprs[i]->is_random)
            return NULL;
    const sl_expr *moved = sl_expr_substitute(arena, e, exprs);
    bool fits = moved->depth <= SL_EXPR_DEPTH_MAX && moved->size <= PUSHED_SIZE_MAX;
    return fits ? moved : NULL;
}

/* Grouping keys stand first in what an AGGREGATE puts out. */
static const sl_expr *through_keys(sl_arena *arena, const sl_expr *e, const sl_logical *n)
{
    uint32_t width = n->schema->field_count, keys = n->u.aggregate.key_count;
    const uint64_t *used = columns_of(arena, e, width);
    const sl_expr **exprs = SL_ARENA_ARRAY(arena, const sl_expr *, width + 1);
    for (uint32_t i = 0; i < width; i++) {
        if (i < keys)
            exprs[i] = n->u.aggregate.keys[i].expr;
        else if (sl_bitmap_get(used, i))
            return NULL;
    }
    return keys != 0 && !e->can_fail ? through(arena, e, exprs, keys) : NULL;
}

static bool looks_at(sl_arena *arena, const sl_expr *e, const sl_logical *n,
                     uint32_t column)
{
    return sl_bitmap_get(columns_of(arena, e, n->schema->field_count), column);
}

/* The conjunct as it reads below n, or NULL if it stays above. */
static const sl_expr *below_of(sl_arena *arena, const sl_expr *e, const sl_logical *n)
{
    switch (n->kind) {
    case SL_LOGICAL_PROJECT:
        return through(arena, e, n->u.project.exprs, n->u.project.count);
    case SL_LOGICAL_SORT:
    case SL_LOGICAL_UNION:
        return e;
    case SL_LOGICAL_WATERMARK:
        return looks_at(arena, e, n, n->u.watermark.column) && n->streaming ? NULL : e;
    case SL_LOGICAL_WINDOW: /* drops rows without a time */
        return e->can_fail || looks_at(arena, e, n, n->schema->field_count - 1) ? NULL
                                                                                : e;
    case SL_LOGICAL_AGGREGATE:
        return through_keys(arena, e, n);
    default:
        return NULL;
    }
}

static const sl_logical *push_through(sl_arena *arena, const sl_logical *n,
                                      const struct conjuncts *above)
{
    struct conjuncts below = { 0 }, stay = { 0 };
    for (uint32_t i = 0; i < above->count; i++) {
        const sl_expr *e = above->items[i], *moved = NULL;
        if (!e->is_random && (!e->can_fail || stay.count == 0))
            moved = below_of(arena, e, n);
        if (moved != NULL)
            add(arena, &below, moved);
        else
            add(arena, &stay, e);
    }
    return filtered(arena, rebuilt(arena, n, &below), &stay);
}

/* LIMIT over a projection: the projection computes the rows that are left. */
static const sl_logical *push_limit(sl_arena *arena, const sl_logical *n)
{
    const struct conjuncts none = { 0 };
    const sl_logical *project = n->inputs[0];
    if (project->kind != SL_LOGICAL_PROJECT)
        return rebuilt(arena, n, &none);
    sl_logical *limit = sl_logical__over(arena, n, project->inputs);
    limit->schema = project->inputs[0]->schema;
    limit->window_us = project->inputs[0]->window_us;
    const sl_logical *inputs[] = { push(arena, limit, &none) };
    return sl_logical__over(arena, project, inputs);
}

/* Nothing is read for a filter that is never true. */
static bool is_never_true(const struct conjuncts *c)
{
    for (uint32_t i = 0; i < c->count && !c->items[i]->can_fail; i++) {
        const sl_expr *e = c->items[i];
        if (e->kind == SL_EXPR_LITERAL && (e->literal.is_null || e->literal.i64 == 0))
            return true;
    }
    return false;
}

static const sl_logical *push(sl_arena *arena, const sl_logical *n,
                              const struct conjuncts *above)
{
    struct conjuncts all = { 0 };
    const sl_logical *none;
    switch (n->kind) {
    case SL_LOGICAL_FILTER:
        split(arena, &all, sl_expr_fold(arena, n->u.filter.predicate));
        for (uint32_t i = 0; i < above->count; i++)
            add(arena, &all, above->items[i]);
        return push(arena, n->inputs[0], &all);
    case SL_LOGICAL_SCAN:
        for (uint32_t i = 0; i < above->count; i++) {
            const sl_expr *e = sl_expr_fold(arena, above->items[i]);
            bool is_true =
                e->kind == SL_EXPR_LITERAL && !e->literal.is_null && e->literal.i64 != 0;
            if (!is_true)
                add(arena, &all, e);
        }
        if (!n->streaming && is_never_true(&all)) {
            none = sl_plan__no_rows(arena, n);
            if (none != NULL)
                return none;
        }
        return filtered(arena, n, &all);
    case SL_LOGICAL_LIMIT:
        return filtered(arena, push_limit(arena, n), above);
    default:
        return push_through(arena, n, above);
    }
}

const sl_logical *sl_optimize__pushdown(sl_arena *arena, const sl_logical *plan)
{
    const struct conjuncts none = { 0 };
    return push(arena, plan, &none);
}
