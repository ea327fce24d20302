/* text.h - small text tools: nearest names, durations, sizes, and JSON text out. Thread:
 * any. */

#ifndef SL_BASE_TEXT_H
#define SL_BASE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

bool sl_text_equal_nocase(const char *a, const char *b); /* ASCII */

/* 1 to length_max letters, digits, '_', '.' and '-': fit for a log, a file name, a label.
 */
bool sl_text_is_name(const char *text, uint32_t length_max);

/* The candidate with the least edit distance to name (case ignored), or NULL if none is
 * near (distance > max(2, length / 3)). */
const char *sl_text_nearest(const char *name, const char *const *candidates,
                            uint32_t count);

/* "500 ms", "10 seconds", "1 minute 30 seconds", "2h", "1.5 s", bare number =
 * default_unit_us each. Months and years are refused. */
SL_CHECKED sl_code sl_duration_parse(const char *text, int64_t default_unit_us,
                                     int64_t *ret_us, sl_error *err);
/* "64m", "1GiB", "100 MB", bare = bytes; k, m, g, t are powers of 1024. */
SL_CHECKED sl_code sl_size_parse(const char *text, int64_t *ret_bytes, sl_error *err);
SL_CHECKED sl_code sl_int64_parse(const char *text, int64_t *ret, sl_error *err);
SL_CHECKED sl_code sl_bool_parse(const char *text, bool *ret,
                                 sl_error *err); /* true/false any case */

/* JSON out: appends to a sl_bytes. */
void sl_json_string(
    sl_bytes *out, const char *text,
    size_t length); /* with quotes and escapes; invalid UTF-8 becomes U+FFFD */
void sl_json_double(
    sl_bytes *out, double v); /* shortest, Java style: 1.0, 1.0E10; NaN as "NaN" string */
void sl_double_java(double v, char ret_text[32]); /* Double.toString */

/* A small JSON object writer that puts the commas. */
typedef struct sl_json {
    sl_bytes *out;
    uint32_t depth;
    bool need_comma[64];
} sl_json;
void sl_json_begin(sl_json *j, sl_bytes *out);
void sl_json_open(sl_json *j, const char *key /* NULL in arrays and at top */,
                  char bracket /* '{' or '[' */);
void sl_json_close(sl_json *j, char bracket);
void sl_json_key_string(sl_json *j, const char *key,
                        const char *value); /* NULL value: null */
void sl_json_key_int(sl_json *j, const char *key, int64_t value);
void sl_json_key_double(sl_json *j, const char *key, double value);
void sl_json_key_bool(sl_json *j, const char *key, bool value);
void sl_json_key_raw(sl_json *j, const char *key,
                     const char *json); /* JSON text as it is */

/* "2016-12-05T20:54:20.827Z" from ms since the epoch. */
void sl_iso8601_ms(int64_t ms, char ret_text[32]);

#endif /* SL_BASE_TEXT_H */
