/* json_write.h - rows as JSON lines, as Spark's JSON writer makes them: null fields left
 * out, timestamps as yyyy-MM-dd'T'HH:mm:ss.SSSXXX in the zone (cut to milliseconds),
 * doubles as Java prints them.
 *
 * Owns: the rendered keys.  Borrows: schema, zone.  Thread: owner thread. */

#ifndef SL_FORMATS_JSON_WRITE_H
#define SL_FORMATS_JSON_WRITE_H

#include "engine/columnar/chunk.h"
#include "engine/columnar/value_text.h"

typedef struct sl_json_writer sl_json_writer;

/* SL_EUNSUPPORTED if the schema has a type that JSON files do not hold. */
SL_CHECKED sl_code sl_json_writer_new(const sl_schema *schema, const sl_time_zone *zone,
                                      sl_json_writer **ret, sl_error *err);
void sl_json_writer_free(sl_json_writer *w); /* NULL is fine */
/* Append the selected rows [from, from + count) of the chunk, a line each. */
void sl_json_writer_rows(const sl_json_writer *w, const sl_chunk *chunk, uint32_t from,
                         uint32_t count, sl_bytes *out);

#endif /* SL_FORMATS_JSON_WRITE_H */
