#include "engine/exec/operator_private.h"

uint32_t sl_exec__buffer_count(const sl_agg *aggs, uint32_t agg_count)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < agg_count; i++)
        count += aggs[i].buffer_count;
    return count;
}

static void grow(sl_exec__partial_rows *r, size_t bytes, size_t rows)
{
    if (bytes > r->data_capacity) {
        r->data_capacity = bytes + bytes / 2;
        r->data = sl_realloc(r->data, r->data_capacity);
    }
    if (rows > r->row_capacity || r->offsets == NULL) {
        r->row_capacity = rows;
        r->offsets = sl_realloc(r->offsets, (rows + 1) * sizeof *r->offsets);
    }
}

static sl_code set_keys(sl_exec__partial_rows *r, sl_error *err)
{
    const sl_string_view *views = sl_column_strings(&r->chunk->columns[0]);
    uint32_t n = r->chunk->row_count;
    size_t bytes = 0;
    for (uint32_t i = 0; i < n; i++)
        bytes += views[i].length;
    if (bytes > UINT32_MAX)
        return sl_fail(err, SL_ELIMIT, "grouping keys of one block take %zu bytes",
                       bytes);
    grow(r, bytes, n);

    uint32_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        r->offsets[i] = at;
        if (views[i].length != 0)
            memcpy(r->data + at, sl_string_data(&views[i]), views[i].length);
        at += views[i].length;
    }
    r->offsets[n] = at;
    r->keys = (sl_key_batch){
        .data = r->data,
        .offsets = r->offsets,
        .hashes = (const uint64_t *)r->chunk->columns[1].values,
        .count = n,
    };
    return SL_OK;
}

sl_code sl_exec__partial_rows_set(sl_exec__partial_rows *r, sl_chunk *in,
                                  uint32_t buffer_count, sl_budget *budget, sl_error *err)
{
    if (in->column_count != 2 + buffer_count ||
        in->columns[0].type->id != SL_TYPE_BINARY ||
        in->columns[1].type->id != SL_TYPE_LONG)
        return sl_fail(err, SL_EINTERNAL,
                       "a block of partial groups has %u columns, %u are due",
                       in->column_count, 2 + buffer_count);
    sl_chunk *flat;
    SL_TRY(sl_chunk_flatten(in, budget, &flat, err));
    sl_chunk_unref(r->chunk);
    r->chunk = flat;
    return set_keys(r, err);
}

void sl_exec__partial_rows_deinit(sl_exec__partial_rows *r)
{
    sl_chunk_unref(r->chunk);
    sl_free(r->data);
    sl_free(r->offsets);
    *r = (sl_exec__partial_rows){ 0 };
}

sl_code sl_exec__merge(const sl_exec__partial_rows *r, const sl_agg *aggs,
                       uint32_t agg_count, uint8_t *const *slots,
                       sl_agg_set_blob set_blob, void *user, sl_error *err)
{
    uint32_t column = 2;
    for (uint32_t i = 0; i < agg_count; i++) {
        SL_TRY(sl_agg_merge(&aggs[i], slots, &r->chunk->columns[column], r->keys.count,
                            set_blob, user, err));
        column += aggs[i].buffer_count;
    }
    return SL_OK;
}
