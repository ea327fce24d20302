/* json_options.h - the options of JSON files, as Spark names them (spark.md 4.1).
 *
 * What changes the meaning of rows and is not built here is refused, never ignored:
 * multiLine true, a format pattern other than the default, an encoding other than UTF-8.
 *
 * Thread: any. */

#ifndef SL_FORMATS_JSON_OPTIONS_H
#define SL_FORMATS_JSON_OPTIONS_H

#include <stdbool.h>

#include "base/option_list.h"
#include "engine/columnar/value_text.h"

typedef enum sl_json_mode {
    SL_JSON_PERMISSIVE, /* a malformed line is a row of what could be read, else nulls */
    SL_JSON_DROPMALFORMED, /* ... is left out */
    SL_JSON_FAILFAST,      /* ... ends the read with SL_EDATA */
} sl_json_mode;

typedef struct sl_json_options {
    sl_json_mode mode;
    char corrupt_column[256]; /* columnNameOfCorruptRecord */
    const sl_time_zone *zone; /* of the timeZone option; NULL: the session's */
    bool allow_comments, allow_unquoted_names, allow_single_quotes, allow_leading_zeros;
    bool allow_any_escape, allow_control_chars, allow_non_numeric;
    bool primitives_as_string, drop_field_if_all_null; /* inference */
} sl_json_options;

/* Names for sl_option_list_check(); a connector adds its own. */
extern const char *const sl_json_read_option_names[];
extern const uint32_t sl_json_read_option_count;
extern const char *const sl_json_write_option_names[];
extern const uint32_t sl_json_write_option_count;

/* Read what is in the list, defaults for the rest; other names are not looked at.
 * SL_EOPTION for a bad value, SL_EUNSUPPORTED for a good one that is not built. */
SL_CHECKED sl_code sl_json_read_options(const sl_option_list *list, sl_json_options *ret,
                                        sl_error *err);
/* The writer has one way of writing; this refuses options that ask for another. */
SL_CHECKED sl_code sl_json_check_write_options(const sl_option_list *list, sl_error *err);

#endif /* SL_FORMATS_JSON_OPTIONS_H */
