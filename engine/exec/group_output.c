#include "engine/exec/operator_private.h"

void sl_exec__groups_init(sl_exec__groups *g, uint32_t chunk_rows, sl_budget *budget)
{
    *g = (sl_exec__groups){ .budget = budget, .chunk_rows = chunk_rows };
    g->slots = sl_alloc(chunk_rows * sizeof *g->slots);
    g->keys = sl_alloc(chunk_rows * sizeof *g->keys);
    g->ids = sl_alloc(chunk_rows * sizeof *g->ids);
}

void sl_exec__groups_deinit(sl_exec__groups *g)
{
    if (g->budget != NULL)
        sl_budget_release(g->budget, (int64_t)(g->capacity * sizeof *g->list));
    sl_free(g->list);
    sl_free(g->slots);
    sl_free(g->keys);
    sl_free(g->ids);
    *g = (sl_exec__groups){ 0 };
}

sl_code sl_exec__groups_reserve(sl_exec__groups *g, size_t more, sl_error *err)
{
    if (more <= g->capacity - g->count)
        return SL_OK;
    size_t capacity = g->capacity * 2;
    if (capacity < g->count + more)
        capacity = g->count + more;
    int64_t more_bytes = (int64_t)((capacity - g->capacity) * sizeof *g->list);
    SL_TRY(sl_budget_charge(g->budget, more_bytes, err));
    g->list = sl_realloc(g->list, capacity * sizeof *g->list);
    g->capacity = capacity;
    return SL_OK;
}

void sl_exec__groups_add(sl_exec__groups *g, uint32_t id, sl_span key)
{
    SL_DASSERT(g->count < g->capacity);
    sl_exec__group *e = &g->list[g->count++];
    e->id = id;
    e->key = key;
    e->head[0] = e->head[1] = 0;
    if (key.size_bytes != 0)
        memcpy(e->head, key.data,
               key.size_bytes < sizeof e->head ? key.size_bytes : sizeof e->head);
    e->head[0] = __builtin_bswap64(e->head[0]);
    e->head[1] = __builtin_bswap64(e->head[1]);
}

uint32_t sl_exec__groups_next(sl_exec__groups *g)
{
    uint32_t n = 0;
    for (; n < g->chunk_rows && g->at < g->count; n++, g->at++) {
        g->ids[n] = g->list[g->at].id;
        g->keys[n] = g->list[g->at].key;
        __builtin_prefetch(g->keys[n].data); /* the value lies behind it */
    }
    return n;
}

/* ---- one chunk of rows ---- */

static sl_code decode_keys(const sl_exec__groups *g, const sl_op_plan *plan, uint32_t n,
                           sl_column *ret_columns, sl_error *err)
{
    uint32_t count = plan->u.agg.key_count;
    if (count == 0)
        return SL_OK;
    sl_code code = SL_OK;
    sl_column_builder *builders = sl_calloc(count, sizeof *builders);
    const sl_type **types = sl_calloc(count, sizeof *types);
    int64_t *window_us = sl_calloc(count, sizeof *window_us);
    uint32_t made = 0;
    for (; made < count; made++) {
        types[made] = plan->u.agg.keys[made].type;
        window_us[made] = plan->u.agg.keys[made].window_us;
        SL_TRY_GOTO(
            sl_column_builder_init(&builders[made], types[made], n, g->budget, err), out);
    }
    SL_TRY_GOTO(sl_row_keys_decode(g->keys, n, types, window_us, count, builders, err),
                out);
    for (uint32_t i = 0; i < count; i++)
        sl_column_builder_finish(&builders[i], &ret_columns[i]);
    made = 0;

out:
    for (uint32_t i = 0; i < made; i++)
        sl_column_builder_deinit(&builders[i]);
    sl_free(builders);
    sl_free(types);
    sl_free(window_us);
    return code;
}

static sl_code key_column(const sl_exec__groups *g, uint32_t n, sl_column *ret,
                          sl_error *err)
{
    sl_code code = SL_OK;
    sl_column_builder b;
    SL_TRY(sl_column_builder_init(&b, sl_type_of(SL_TYPE_BINARY), n, g->budget, err));
    for (uint32_t i = 0; i < n; i++) {
        sl_span key = g->hide_key ? (sl_span){ 0 } : g->keys[i];
        SL_TRY_GOTO(sl_column_builder_string(&b, (const char *)key.data,
                                             (uint32_t)key.size_bytes, err),
                    fail);
    }
    sl_column_builder_finish(&b, ret);
    return SL_OK;

fail:
    sl_column_builder_deinit(&b);
    return code;
}

sl_code sl_exec__groups_emit(sl_exec__groups *g, const sl_op_plan *plan, uint32_t n,
                             sl_chunk **ret, sl_error *err)
{
    sl_code code = SL_OK;
    uint32_t keys = plan->u.agg.key_count, aggs = plan->u.agg.agg_count;
    sl_chunk *out = sl_chunk_new(keys + aggs + (plan->u.agg.emit_key ? 1 : 0), n);
    SL_TRY_GOTO(decode_keys(g, plan, n, out->columns, err), fail);
    for (uint32_t i = 0; i < aggs; i++)
        SL_TRY_GOTO(sl_agg_result(&plan->u.agg.aggs[i], g->slots, n, g->budget,
                                  &out->columns[keys + i], err),
                    fail);
    if (plan->u.agg.emit_key)
        SL_TRY_GOTO(key_column(g, n, &out->columns[keys + aggs], err), fail);
    *ret = out;
    return SL_OK;

fail:
    sl_chunk_unref(out);
    return code;
}
