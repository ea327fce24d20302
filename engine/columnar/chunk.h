/* chunk.h - rows on the move: some columns of equal length, and which of the rows count.
 *
 * Shape:   row_count physical rows (<= SL_CHUNK_ROWS_MAX).  selection NULL: all of them
 * count; else selection[0..selected) lists, ascending, the rows that do.  A filter adds a
 *          selection, it does not copy.
 * Owns:    its columns and selection.  Ref-counted; immutable once shared.
 * Thread:  any when immutable. */

#ifndef SL_ENGINE_COLUMNAR_CHUNK_H
#define SL_ENGINE_COLUMNAR_CHUNK_H

#include <stdint.h>

#include "engine/columnar/column.h"

typedef struct sl_chunk {
    sl_refs refs;
    uint32_t row_count;
    uint32_t column_count;
    sl_column *columns;
    uint32_t selected;   /* = row_count without selection */
    uint16_t *selection; /* inside selection_buffer, or NULL */
    sl_buffer *selection_buffer;
} sl_chunk;

/* A chunk with room for column_count zero columns, no selection. Never fails (small). */
sl_chunk *sl_chunk_new(uint32_t column_count, uint32_t row_count);
sl_chunk *sl_chunk_ref(sl_chunk *c);
void sl_chunk_unref(sl_chunk *c); /* NULL is fine */

/* The same columns (shared) with a new selection of `count` rows (copied). */
SL_CHECKED sl_code sl_chunk_select(const sl_chunk *c, const uint16_t *rows,
                                   uint32_t count, sl_chunk **ret, sl_error *err);
/* A chunk without selection holding just the selected rows; shares c if it has no
 * selection. */
SL_CHECKED sl_code sl_chunk_flatten(sl_chunk *c, sl_budget *budget, sl_chunk **ret,
                                    sl_error *err);
/* Columns picked by index, shared. */
sl_chunk *sl_chunk_project(const sl_chunk *c, const uint32_t *columns, uint32_t count);
/* The same rows (shared), typed by an equal schema, which must outlive it: for rows that
 * leave the plan they were read under. */
sl_chunk *sl_chunk_retype(const sl_chunk *c, const sl_schema *schema);
int64_t sl_chunk_bytes(const sl_chunk *c); /* approximate, of its buffers */

static inline uint32_t sl_chunk_row(const sl_chunk *c, uint32_t i) /* i-th selected row */
{
    return c->selection != NULL ? c->selection[i] : i;
}

/* Wire codec (docs/formats/chunk.md): selected rows only, strings compacted. Needs the
 * schema to read.  _enveloped leaves the checksum to whatever carries the bytes, a packet
 * of a channel or a spilled block: what has no other, what is kept, has this one. Reading
 * takes both. */
void sl_chunk_write(const sl_chunk *c, sl_bytes *out);
void sl_chunk_write_enveloped(const sl_chunk *c, sl_bytes *out);
SL_CHECKED sl_code sl_chunk_read(sl_span bytes, const sl_schema *schema,
                                 sl_budget *budget, sl_chunk **ret, sl_error *err);

/* A builder of whole chunks, a column builder each. */
typedef struct sl_chunk_builder {
    uint32_t column_count;
    sl_column_builder *columns;
} sl_chunk_builder;
SL_CHECKED sl_code sl_chunk_builder_init(sl_chunk_builder *b, const sl_schema *schema,
                                         uint32_t capacity, sl_budget *budget,
                                         sl_error *err);
void sl_chunk_builder_deinit(sl_chunk_builder *b);
uint32_t sl_chunk_builder_rows(const sl_chunk_builder *b); /* of column 0 */
sl_chunk *sl_chunk_builder_finish(
    sl_chunk_builder *b,
    uint32_t row_count); /* row_count for zero columns; builder needs init again */

#endif /* SL_ENGINE_COLUMNAR_CHUNK_H */
