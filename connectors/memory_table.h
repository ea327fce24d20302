/* memory_table.h - tables that live in this process: what the memory sink fills and the
 * memory source reads (SELECT * FROM <query name>), inline VALUES, and the streams
 * `sluice test` feeds.
 *
 * A table is an append-only list of chunks with row numbers; a stream over it has the
 * number of rows as its offset, and its slices carry the rows themselves (chunk codec),
 * so that a re-run reads the same.  Complete mode replaces the content. Thread: any (a
 * lock inside). */

#ifndef SL_CONNECTORS_MEMORY_TABLE_H
#define SL_CONNECTORS_MEMORY_TABLE_H

#include "engine/columnar/chunk.h"

typedef struct sl_memory_tables sl_memory_tables;

sl_memory_tables *sl_memory_tables_new(void);
/* The same tables in every process that opens this file (made if absent), whoever changes
 * them; they outlive each. For `sluice test` on a cluster: a change costs a write. */
SL_CHECKED sl_code sl_memory_tables_new_shared(const char *path, sl_memory_tables **ret,
                                               sl_error *err);
void sl_memory_tables_free(sl_memory_tables *t);
/* Create, or replace content and schema. */
SL_CHECKED sl_code sl_memory_table_create(sl_memory_tables *t, const char *name,
                                          const sl_schema *schema, sl_error *err);
void sl_memory_table_drop(sl_memory_tables *t, const char *name);
void sl_memory_tables_clear(sl_memory_tables *t); /* drop all */
/* NULL if there is none; a copy in arena. */
const sl_schema *sl_memory_table_schema(sl_memory_tables *t, const char *name,
                                        sl_arena *arena);
SL_CHECKED sl_code sl_memory_table_append(sl_memory_tables *t, const char *name,
                                          sl_chunk *chunk, sl_error *err); /* shares */
void sl_memory_table_truncate(sl_memory_tables *t, const char *name);
int64_t sl_memory_table_rows(sl_memory_tables *t,
                             const char *name); /* -1 if there is none */
uint32_t sl_memory_tables_names(sl_memory_tables *t, sl_arena *arena,
                                const char *const **ret_names); /* copies */
/* Chunks holding rows [from, to), shared; free the array with sl_free after unref of
 * each. */
SL_CHECKED sl_code sl_memory_table_rows_get(sl_memory_tables *t, const char *name,
                                            int64_t from, int64_t to,
                                            sl_chunk ***ret_chunks, uint32_t *ret_count,
                                            sl_error *err);
/* Memory sink in append/update: ids at or below the last one written are skipped. -1 at
 * first. */
int64_t sl_memory_table_last_batch(sl_memory_tables *t, const char *name);
void sl_memory_table_set_last_batch(sl_memory_tables *t, const char *name, int64_t batch);

#endif /* SL_CONNECTORS_MEMORY_TABLE_H */
