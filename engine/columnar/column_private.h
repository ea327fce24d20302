/* column_private.h - what the modules of engine/columnar share about columns.
 * Thread: any. */

#ifndef SL_ENGINE_COLUMNAR_COLUMN_PRIVATE_H
#define SL_ENGINE_COLUMNAR_COLUMN_PRIVATE_H

#include "engine/columnar/column.h"

/* DECIMAL, ARRAY and MAP have names but no columns. */
bool sl_column__is_supported(const sl_type *type);
sl_code sl_column__unsupported(const sl_type *type, sl_error *err); /* SL_EUNSUPPORTED */

/* Bytes of the values of `rows` rows; 0 for STRUCT and VOID. */
size_t sl_column__value_bytes(const sl_type *type, uint32_t rows);

/* Let the column own this reference; NULL is fine. */
void sl_column__take(sl_column *c, sl_buffer *buffer);

#endif /* SL_ENGINE_COLUMNAR_COLUMN_PRIVATE_H */
