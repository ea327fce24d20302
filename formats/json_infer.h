/* json_infer.h - the schema of JSON files by Spark's rules (spark:FJ4).
 *
 * Integers are long, fractions and integers past 64 bits double, strings string; long and
 * double together double; objects are merged field by field; anything else together is
 * string; so are arrays (not supported as columns yet) and fields that are only ever
 * null. Fields are sorted by name, all nullable.  Malformed lines add the corrupt record
 * column (PERMISSIVE), are left out, or fail, by mode.
 *
 * Thread: owner thread. */

#ifndef SL_FORMATS_JSON_INFER_H
#define SL_FORMATS_JSON_INFER_H

#include "base/fs.h"
#include "engine/columnar/type.h"
#include "formats/json_options.h"

typedef struct sl_json_inference sl_json_inference;

sl_json_inference *sl_json_inference_new(const sl_json_options *options);
void sl_json_inference_free(sl_json_inference *i); /* NULL is fine */
/* Look at every line of a file. name is for messages. */
SL_CHECKED sl_code sl_json_inference_file(sl_json_inference *i, sl_file *file,
                                          const char *name, sl_error *err);
/* What was learnt so far, in arena; no fields if there was no row. SL_ELIMIT past
 * SL_COLUMNS_MAX fields. */
SL_CHECKED sl_code sl_json_inference_schema(const sl_json_inference *i, sl_arena *arena,
                                            sl_schema **ret, sl_error *err);

#endif /* SL_FORMATS_JSON_INFER_H */
