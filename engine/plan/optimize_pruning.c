/* Only the columns somebody uses leave a source: what is needed goes down, and every node
 * comes back with the columns it still has and a map from old numbers to new. */
#include <string.h>

#include "base/bitmap.h"
#include "engine/plan/logical.h"

struct pruned {
    const sl_logical *node;
    uint32_t *map; /* old column -> new; meaningless for dropped ones */
};

static struct pruned prune(sl_arena *arena, const sl_logical *n, const uint64_t *needed);

static uint64_t *bits_for(sl_arena *arena, uint32_t count)
{
    return SL_ARENA_ARRAY(arena, uint64_t, sl_bitmap_words(count) + 1);
}

static uint64_t *copy_bits(sl_arena *arena, const uint64_t *bits, uint32_t count)
{
    uint64_t *copy = bits_for(arena, count);
    memcpy(copy, bits, sl_bitmap_words(count) * sizeof *copy);
    return copy;
}

static uint32_t *identity(sl_arena *arena, uint32_t count)
{
    uint32_t *map = SL_ARENA_ARRAY(arena, uint32_t, count + 1);
    for (uint32_t i = 0; i < count; i++)
        map[i] = i;
    return map;
}

/* The same node over a pruned input whose columns it passes on. */
static sl_logical *pass_on(sl_arena *arena, const sl_logical *n, const struct pruned *in)
{
    const sl_logical *inputs[] = { in->node };
    sl_logical *copy = sl_logical__over(arena, n, inputs);
    copy->schema = in->node->schema;
    copy->window_us = in->node->window_us;
    return copy;
}

static struct pruned prune_scan(sl_arena *arena, const sl_logical *n,
                                const uint64_t *needed)
{
    uint32_t count = n->u.scan.column_count, kept = 0;
    uint32_t *columns = SL_ARENA_ARRAY(arena, uint32_t, count + 1);
    sl_field *fields = SL_ARENA_ARRAY(arena, sl_field, count + 1);
    int64_t *window_us = SL_ARENA_ARRAY(arena, int64_t, count + 1);
    uint32_t *map = identity(arena, count);
    for (uint32_t i = 0; i < count; i++) {
        if (!sl_bitmap_get(needed, i))
            continue;
        map[i] = kept;
        columns[kept] = n->u.scan.columns[i];
        window_us[kept] = n->window_us != NULL ? n->window_us[i] : 0;
        fields[kept++] = n->schema->fields[i];
    }
    sl_logical *copy = (sl_logical *)sl_arena_memdup(arena, n, sizeof *n);
    sl_schema *schema = SL_ARENA_NEW(arena, sl_schema);
    *schema = (sl_schema){ kept, fields };
    copy->schema = schema;
    copy->window_us = window_us;
    copy->u.scan.columns = columns;
    copy->u.scan.column_count = kept;
    return (struct pruned){ copy, map };
}

static struct pruned prune_project(sl_arena *arena, const sl_logical *n,
                                   const uint64_t *needed)
{
    uint32_t count = n->u.project.count, kept = 0;
    uint64_t *below = bits_for(arena, n->inputs[0]->schema->field_count);
    for (uint32_t i = 0; i < count; i++)
        if (sl_bitmap_get(needed, i))
            sl_expr_mark_columns(n->u.project.exprs[i], below);
    struct pruned in = prune(arena, n->inputs[0], below);
    const sl_expr **exprs = SL_ARENA_ARRAY(arena, const sl_expr *, count + 1);
    sl_field *fields = SL_ARENA_ARRAY(arena, sl_field, count + 1);
    int64_t *window_us = SL_ARENA_ARRAY(arena, int64_t, count + 1);
    uint32_t *map = identity(arena, count);
    for (uint32_t i = 0; i < count; i++) {
        if (!sl_bitmap_get(needed, i))
            continue;
        map[i] = kept;
        exprs[kept] = sl_expr_remap(arena, n->u.project.exprs[i], in.map);
        window_us[kept] = n->window_us != NULL ? n->window_us[i] : 0;
        fields[kept++] = n->schema->fields[i];
    }
    const sl_logical *inputs[] = { in.node };
    sl_logical *copy = sl_logical__over(arena, n, inputs);
    sl_schema *schema = SL_ARENA_NEW(arena, sl_schema);
    *schema = (sl_schema){ kept, fields };
    copy->schema = schema;
    copy->window_us = window_us;
    copy->u.project.exprs = exprs;
    copy->u.project.count = kept;
    return (struct pruned){ copy, map };
}

static struct pruned prune_window(sl_arena *arena, const sl_logical *n,
                                  const uint64_t *needed)
{
    uint32_t width = n->inputs[0]->schema->field_count;
    uint64_t *below = copy_bits(arena, needed, width);
    sl_expr_mark_columns(n->u.window.time, below);
    if (width % 64 != 0) /* the window column's own bit is not the input's */
        below[width / 64] &= (UINT64_C(1) << (width % 64)) - 1;
    struct pruned in = prune(arena, n->inputs[0], below);
    sl_logical *copy = pass_on(arena, n, &in);
    uint32_t kept = in.node->schema->field_count;
    sl_field *fields = SL_ARENA_ARRAY(arena, sl_field, kept + 1);
    int64_t *window_us = SL_ARENA_ARRAY(arena, int64_t, kept + 1);
    for (uint32_t i = 0; i < kept; i++) {
        fields[i] = in.node->schema->fields[i];
        window_us[i] = in.node->window_us != NULL ? in.node->window_us[i] : 0;
    }
    fields[kept] = n->schema->fields[width];
    window_us[kept] = n->window_us != NULL ? n->window_us[width] : n->u.window.size_us;
    sl_schema *schema = SL_ARENA_NEW(arena, sl_schema);
    *schema = (sl_schema){ kept + 1, fields };
    copy->schema = schema;
    copy->window_us = window_us;
    copy->u.window.time = sl_expr_remap(arena, n->u.window.time, in.map);
    uint32_t *map = SL_ARENA_ARRAY(arena, uint32_t, width + 1);
    memcpy(map, in.map, width * sizeof *map);
    map[width] = kept;
    return (struct pruned){ copy, map };
}

static struct pruned prune_aggregate(sl_arena *arena, const sl_logical *n)
{
    uint64_t *below = bits_for(arena, n->inputs[0]->schema->field_count);
    uint32_t keys = n->u.aggregate.key_count, aggs = n->u.aggregate.agg_count;
    for (uint32_t i = 0; i < keys; i++)
        sl_expr_mark_columns(n->u.aggregate.keys[i].expr, below);
    for (uint32_t i = 0; i < aggs; i++)
        if (n->u.aggregate.aggs[i].arg != NULL)
            sl_expr_mark_columns(n->u.aggregate.aggs[i].arg, below);
    struct pruned in = prune(arena, n->inputs[0], below);
    sl_group_key *new_keys = SL_ARENA_ARRAY(arena, sl_group_key, keys + 1);
    sl_agg *new_aggs = SL_ARENA_ARRAY(arena, sl_agg, aggs + 1);
    for (uint32_t i = 0; i < keys; i++) {
        new_keys[i] = n->u.aggregate.keys[i];
        new_keys[i].expr = sl_expr_remap(arena, new_keys[i].expr, in.map);
    }
    for (uint32_t i = 0; i < aggs; i++) {
        new_aggs[i] = n->u.aggregate.aggs[i];
        if (new_aggs[i].arg != NULL)
            new_aggs[i].arg = sl_expr_remap(arena, new_aggs[i].arg, in.map);
    }
    const sl_logical *inputs[] = { in.node };
    sl_logical *copy = sl_logical__over(arena, n, inputs);
    copy->u.aggregate.keys = new_keys;
    copy->u.aggregate.aggs = new_aggs;
    return (struct pruned){ copy, identity(arena, n->schema->field_count) };
}

static struct pruned prune_sort(sl_arena *arena, const sl_logical *n,
                                const uint64_t *needed)
{
    uint64_t *below = copy_bits(arena, needed, n->schema->field_count);
    for (uint32_t i = 0; i < n->u.sort.count; i++)
        sl_expr_mark_columns(n->u.sort.keys[i].expr, below);
    struct pruned in = prune(arena, n->inputs[0], below);
    sl_sort_key *keys = SL_ARENA_ARRAY(arena, sl_sort_key, n->u.sort.count + 1);
    for (uint32_t i = 0; i < n->u.sort.count; i++) {
        keys[i] = n->u.sort.keys[i];
        keys[i].expr = sl_expr_remap(arena, keys[i].expr, in.map);
    }
    sl_logical *copy = pass_on(arena, n, &in);
    copy->u.sort.keys = keys;
    return (struct pruned){ copy, in.map };
}

/* Inputs of a UNION keep the same columns, so that they stay alike. */
static struct pruned prune_union(sl_arena *arena, const sl_logical *n,
                                 const uint64_t *needed)
{
    uint32_t width = n->schema->field_count, kept = 0;
    uint32_t *map = identity(arena, width);
    uint32_t *columns = SL_ARENA_ARRAY(arena, uint32_t, width + 1);
    sl_field *fields = SL_ARENA_ARRAY(arena, sl_field, width + 1);
    int64_t *window_us = SL_ARENA_ARRAY(arena, int64_t, width + 1);
    const sl_logical **inputs = SL_ARENA_ARRAY(arena, const sl_logical *, n->input_count);
    for (uint32_t c = 0; c < width; c++) {
        if (!sl_bitmap_get(needed, c))
            continue;
        map[c] = kept;
        window_us[kept] = n->window_us != NULL ? n->window_us[c] : 0;
        fields[kept++] = n->schema->fields[c];
    }
    for (uint32_t i = 0; i < n->input_count; i++) {
        struct pruned in = prune(arena, n->inputs[i], needed);
        bool same = in.node->schema->field_count == kept;
        for (uint32_t c = 0; c < width; c++) {
            if (!sl_bitmap_get(needed, c))
                continue;
            columns[map[c]] = in.map[c];
            same = same && in.map[c] == map[c];
        }
        inputs[i] = same ? in.node : sl_logical__pick(arena, in.node, columns, kept);
    }
    sl_schema *schema = SL_ARENA_NEW(arena, sl_schema);
    *schema = (sl_schema){ kept, fields };
    sl_logical *copy = sl_logical__over(arena, n, inputs);
    copy->schema = schema;
    copy->window_us = window_us;
    return (struct pruned){ copy, map };
}

static struct pruned prune(sl_arena *arena, const sl_logical *n, const uint64_t *needed)
{
    struct pruned in;
    sl_logical *copy;
    uint64_t *below = copy_bits(arena, needed, n->schema->field_count);
    switch (n->kind) {
    case SL_LOGICAL_SCAN:
        return prune_scan(arena, n, needed);
    case SL_LOGICAL_PROJECT:
        return prune_project(arena, n, needed);
    case SL_LOGICAL_WINDOW:
        return prune_window(arena, n, needed);
    case SL_LOGICAL_AGGREGATE:
        return prune_aggregate(arena, n);
    case SL_LOGICAL_SORT:
        return prune_sort(arena, n, needed);
    case SL_LOGICAL_UNION:
        return prune_union(arena, n, needed);
    case SL_LOGICAL_FILTER:
        sl_expr_mark_columns(n->u.filter.predicate, below);
        in = prune(arena, n->inputs[0], below);
        copy = pass_on(arena, n, &in);
        copy->u.filter.predicate = sl_expr_remap(arena, n->u.filter.predicate, in.map);
        return (struct pruned){ copy, in.map };
    case SL_LOGICAL_WATERMARK:
        sl_bitmap_set(below, n->u.watermark.column); /* observed, whoever else uses it */
        in = prune(arena, n->inputs[0], below);
        copy = (sl_logical *)sl_arena_memdup(arena, n, sizeof *n);
        copy = sl_logical__over(arena, copy, &in.node);
        copy->u.watermark.column = in.map[n->u.watermark.column];
        {
            /* The watermark's mark is on this node's own fields; a filter below keeps
             * columns that are not needed here. */
            uint32_t width = in.node->schema->field_count;
            sl_field *fields = SL_ARENA_ARRAY(arena, sl_field, width + 1);
            sl_schema *schema = SL_ARENA_NEW(arena, sl_schema);
            for (uint32_t i = 0; i < width; i++)
                fields[i] = in.node->schema->fields[i];
            for (uint32_t i = 0; i < n->schema->field_count; i++)
                if (sl_bitmap_get(below, i))
                    fields[in.map[i]] = n->schema->fields[i];
            *schema = (sl_schema){ width, fields };
            copy->schema = schema;
            copy->window_us = in.node->window_us;
        }
        return (struct pruned){ copy, in.map };
    case SL_LOGICAL_LIMIT:
        in = prune(arena, n->inputs[0], below);
        return (struct pruned){ pass_on(arena, n, &in), in.map };
    }
    return (struct pruned){ n, identity(arena, n->schema->field_count) };
}

const sl_logical *sl_optimize__pruning(sl_arena *arena, const sl_logical *plan)
{
    uint32_t width = plan->schema->field_count;
    uint64_t *all = bits_for(arena, width);
    sl_bitmap_fill(all, width);
    struct pruned top = prune(arena, plan, all);
    if (top.node->schema->field_count == width)
        return top.node;
    return sl_logical__pick(arena, top.node, top.map, width);
}
