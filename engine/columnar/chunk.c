#include "engine/columnar/chunk.h"

#include "base/alloc.h"
#include "base/limits.h"

sl_chunk *sl_chunk_new(uint32_t column_count, uint32_t row_count)
{
    SL_ASSERT(row_count <= SL_CHUNK_ROWS_MAX);
    sl_chunk *c = sl_calloc(1, sizeof *c);
    sl_refs_init(&c->refs);
    c->row_count = row_count;
    c->selected = row_count;
    c->column_count = column_count;
    if (column_count != 0)
        c->columns = sl_calloc(column_count, sizeof *c->columns);
    return c;
}

sl_chunk *sl_chunk_ref(sl_chunk *c)
{
    sl_refs_take(&c->refs);
    return c;
}

void sl_chunk_unref(sl_chunk *c)
{
    if (c == NULL || !sl_refs_drop(&c->refs))
        return;
    for (uint32_t i = 0; i < c->column_count; i++)
        sl_column_release(&c->columns[i]);
    sl_buffer_unref(c->selection_buffer);
    sl_free(c->columns);
    sl_free(c);
}

static sl_chunk *share_columns(const sl_chunk *c)
{
    sl_chunk *copy = sl_chunk_new(c->column_count, c->row_count);
    for (uint32_t i = 0; i < c->column_count; i++)
        sl_column_ref(&c->columns[i], &copy->columns[i]);
    return copy;
}

sl_code sl_chunk_select(const sl_chunk *c, const uint16_t *rows, uint32_t count,
                        sl_chunk **ret, sl_error *err)
{
    SL_ASSERT(count <= c->row_count);
    sl_buffer *buffer;
    SL_TRY(sl_buffer_new(count * sizeof *rows, NULL, &buffer, err));
    buffer->size_bytes = count * sizeof *rows;
    if (count != 0)
        memcpy(buffer->data, rows, buffer->size_bytes);

    sl_chunk *copy = share_columns(c);
    copy->selected = count;
    copy->selection = (uint16_t *)(void *)buffer->data;
    copy->selection_buffer = buffer;
    *ret = copy;
    return SL_OK;
}

sl_code sl_chunk_flatten(sl_chunk *c, sl_budget *budget, sl_chunk **ret, sl_error *err)
{
    if (c->selection == NULL) {
        *ret = sl_chunk_ref(c);
        return SL_OK;
    }
    sl_code code = SL_OK;
    sl_chunk *flat = sl_chunk_new(c->column_count, c->selected);
    for (uint32_t i = 0; i < c->column_count; i++)
        SL_TRY_GOTO(sl_column_gather(&c->columns[i], c->selection, c->selected, budget,
                                     &flat->columns[i], err),
                    fail);
    *ret = flat;
    return SL_OK;

fail:
    sl_chunk_unref(flat);
    return code;
}

sl_chunk *sl_chunk_project(const sl_chunk *c, const uint32_t *columns, uint32_t count)
{
    sl_chunk *picked = sl_chunk_new(count, c->row_count);
    for (uint32_t i = 0; i < count; i++) {
        SL_ASSERT(columns[i] < c->column_count);
        sl_column_ref(&c->columns[columns[i]], &picked->columns[i]);
    }
    picked->selected = c->selected;
    picked->selection = c->selection;
    if (c->selection_buffer != NULL)
        picked->selection_buffer = sl_buffer_ref(c->selection_buffer);
    return picked;
}

static void retype(sl_column *c, const sl_type *type)
{
    SL_ASSERT(c->type->id == type->id);
    c->type = type;
    for (uint32_t i = 0; i < c->child_count; i++)
        retype(&c->children[i], type->fields[i].type);
}

sl_chunk *sl_chunk_retype(const sl_chunk *c, const sl_schema *schema)
{
    SL_ASSERT(c->column_count == schema->field_count);
    sl_chunk *typed = sl_chunk_new(c->column_count, c->row_count);
    for (uint32_t i = 0; i < c->column_count; i++) {
        sl_column_ref(&c->columns[i], &typed->columns[i]);
        retype(&typed->columns[i], schema->fields[i].type);
    }
    typed->selected = c->selected;
    typed->selection = c->selection;
    if (c->selection_buffer != NULL)
        typed->selection_buffer = sl_buffer_ref(c->selection_buffer);
    return typed;
}

static int64_t column_bytes(const sl_column *c)
{
    int64_t bytes = 0;
    for (uint32_t i = 0; i < c->buffer_count; i++)
        bytes += (int64_t)c->buffers[i]->capacity_bytes;
    for (uint32_t i = 0; i < c->child_count; i++)
        bytes += column_bytes(&c->children[i]);
    return bytes;
}

int64_t sl_chunk_bytes(const sl_chunk *c)
{
    int64_t bytes = 0;
    for (uint32_t i = 0; i < c->column_count; i++)
        bytes += column_bytes(&c->columns[i]);
    if (c->selection_buffer != NULL)
        bytes += (int64_t)c->selection_buffer->capacity_bytes;
    return bytes;
}

/* ---- the builder ---- */

sl_code sl_chunk_builder_init(sl_chunk_builder *b, const sl_schema *schema,
                              uint32_t capacity, sl_budget *budget, sl_error *err)
{
    sl_code code = SL_OK;
    sl_chunk_builder fresh = { 0 };
    if (schema->field_count != 0)
        fresh.columns = sl_calloc(schema->field_count, sizeof *fresh.columns);
    for (; fresh.column_count < schema->field_count; fresh.column_count++) {
        uint32_t i = fresh.column_count;
        SL_TRY_GOTO(sl_column_builder_init(&fresh.columns[i], schema->fields[i].type,
                                           capacity, budget, err),
                    fail);
    }
    *b = fresh;
    return SL_OK;

fail:
    sl_chunk_builder_deinit(&fresh);
    return code;
}

void sl_chunk_builder_deinit(sl_chunk_builder *b)
{
    for (uint32_t i = 0; i < b->column_count; i++)
        sl_column_builder_deinit(&b->columns[i]);
    sl_free(b->columns);
    *b = (sl_chunk_builder){ 0 };
}

uint32_t sl_chunk_builder_rows(const sl_chunk_builder *b)
{
    return b->column_count != 0 ? b->columns[0].length : 0;
}

sl_chunk *sl_chunk_builder_finish(sl_chunk_builder *b, uint32_t row_count)
{
    uint32_t rows = b->column_count != 0 ? b->columns[0].length : row_count;
    sl_chunk *c = sl_chunk_new(b->column_count, rows);
    for (uint32_t i = 0; i < b->column_count; i++) {
        SL_ASSERT(b->columns[i].length == rows);
        sl_column_builder_finish(&b->columns[i], &c->columns[i]);
    }
    sl_chunk_builder_deinit(b);
    return c;
}
