/* options.h - the option machinery: each room brings a .def list, this turns them into
 * typed settings with names, defaults, units, ranges and aliases.
 *
 * A set holds the values of one session (or process); a child set starts as a copy.
 * Unknown names are errors with the nearest known name.  spark.* aliases map to ours.
 *
 * .def line:  O(name, type, default text, unit, alias or NULL, meaning)
 *   type: BOOL INT SIZE DURATION STRING ENUM("a|b|c")
 * Thread: owner thread; reads of an unchanging set from any. */

#ifndef SL_BASE_OPTIONS_H
#define SL_BASE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

typedef enum sl_option_type {
    SL_OPTION_BOOL,
    SL_OPTION_INT,
    SL_OPTION_SIZE,     /* bytes */
    SL_OPTION_DURATION, /* microseconds */
    SL_OPTION_STRING,
    SL_OPTION_ENUM, /* one of a|b|c */
} sl_option_type;

typedef struct sl_option_def {
    const char *name; /* "sluice.state.partitions" */
    sl_option_type type;
    const char *default_text; /* "" for an unset string; "auto" is allowed for any type */
    const char *unit_or_values;
    const char *alias; /* "spark.sql.shuffle.partitions" or NULL */
    int64_t min, max;  /* of the parsed integer; 0, 0 = any */
    const char *meaning;
} sl_option_def;

typedef struct sl_options sl_options;

/* All rooms' lists, registered once at start of the process, before any set is made. */
void sl_options_register(const sl_option_def *defs, uint32_t count);
uint32_t sl_options_def_count(void);
const sl_option_def *sl_options_def(uint32_t i); /* ordered by name */
const sl_option_def *sl_options_find_def(const char *name_or_alias);

sl_options *sl_options_new(void); /* all defaults */
sl_options *sl_options_copy(const sl_options *o);
void sl_options_free(sl_options *o);

/* By name or alias. SL_EOPTION for an unknown name (with the nearest) or bad value. */
SL_CHECKED sl_code sl_options_set(sl_options *o, const char *name, const char *value,
                                  sl_error *err);
SL_CHECKED sl_code sl_options_unset(sl_options *o, const char *name, sl_error *err);
/* SLUICE_STATE_PARTITIONS=8 for sluice.state.partitions: dots become underscores. */
SL_CHECKED sl_code sl_options_from_environment(sl_options *o, sl_error *err);

/* Names here are constants of the code: an unknown one is an assert. */
bool sl_options_bool(const sl_options *o, const char *name);
int64_t sl_options_int(const sl_options *o,
                       const char *name); /* INT, SIZE, DURATION(us); auto: 0 */
const char *sl_options_text(const sl_options *o,
                            const char *name); /* current text; borrowed until set */
bool sl_options_is_auto(const sl_options *o, const char *name);
bool sl_options_is_set(const sl_options *o, const char *name); /* given by the user */

/* The reference table as Markdown (docs/options.md is this, and a test checks it). */
void sl_options_table(sl_bytes *out);

#endif /* SL_BASE_OPTIONS_H */
