/* value_text.h - values to text and back, as Spark casts and prints them (spark:O13,
 * FJ3). Time zones: a session zone is given by name; "UTC" and fixed offsets cost
 * nothing, others use the system's zone database.  Thread: any. */

#ifndef SL_ENGINE_COLUMNAR_VALUE_TEXT_H
#define SL_ENGINE_COLUMNAR_VALUE_TEXT_H

#include "engine/columnar/column.h"

typedef struct sl_time_zone
    sl_time_zone; /* immutable, cached for the process; never freed */
SL_CHECKED sl_code
sl_time_zone_find(const char *name, const sl_time_zone **ret,
                  sl_error *err); /* "UTC", "Europe/Prague", "+02:00" */
const sl_time_zone *sl_time_zone_utc(void);
const char *sl_time_zone_name(const sl_time_zone *z); /* as it was found */
int64_t sl_time_zone_offset_us(const sl_time_zone *z,
                               int64_t utc_us); /* local = utc + offset */
int64_t sl_time_zone_to_utc_us(const sl_time_zone *z,
                               int64_t local_us); /* gaps and overlaps as java.time */

/* Civil dates, proleptic Gregorian. */
int32_t sl_days_from_civil(int32_t year, uint32_t month, uint32_t day);
void sl_civil_from_days(int32_t days, int32_t *ret_year, uint32_t *ret_month,
                        uint32_t *ret_day);

/* Spark's cast(string as timestamp/date): lenient forms, trimmed. False = not a value. */
bool sl_timestamp_parse(const char *text, size_t length, const sl_time_zone *zone,
                        int64_t *ret_us);
/* The same for rows in turn: times of one column are mostly of the same minute as the row
 * before. Zero-initialise; keep one for each column. */
typedef struct sl_timestamp_memo {
    bool known;
    uint64_t head[2];  /* "yyyy-MM-ddTHH:mm" */
    int64_t minute_us; /* local time */
} sl_timestamp_memo;
bool sl_timestamp_parse_next(const char *text, size_t length, const sl_time_zone *zone,
                             sl_timestamp_memo *memo, int64_t *ret_us);
bool sl_date_parse(const char *text, size_t length, int32_t *ret_days);
bool sl_int64_from_text(const char *text, size_t length,
                        int64_t *ret); /* cast(string as bigint): trimmed, sign, digits */
bool sl_double_from_text(const char *text, size_t length,
                         double *ret); /* NaN, Infinity, 1e5, trimmed */
bool sl_boolean_from_text(const char *text, size_t length,
                          bool *ret); /* t true y yes 1 / f false n no 0 */

/* "2016-07-28 04:19:28.5", "2016-07-28"; NUL-terminated, returns the length. A year past
 * 9999 has a '+', one before 0 a '-'. */
#define SL_TIME_TEXT_BYTES 40
uint32_t sl_timestamp_text(int64_t us, const sl_time_zone *zone,
                           char ret_text[SL_TIME_TEXT_BYTES]);
uint32_t sl_date_text(int32_t days, char ret_text[SL_TIME_TEXT_BYTES]);

/* Append one value as show() prints it: NULL, {a, b}, Java doubles, timestamps in the
 * zone. */
void sl_value_text(const sl_column *c, uint32_t row, const sl_time_zone *zone,
                   sl_bytes *out);
/* Append one value as JSON for the CLI's --json and the JSON sink: numbers, booleans,
 * null and structs
 * ({"a":1}) as JSON, the rest as Spark's text in quotes. iso: timestamps as Spark's JSON
 * sink writes them (yyyy-MM-dd'T'HH:mm:ss.SSSXXX), null fields of structs left out. */
void sl_value_json(const sl_column *c, uint32_t row, const sl_time_zone *zone, bool iso,
                   sl_bytes *out);

#endif /* SL_ENGINE_COLUMNAR_VALUE_TEXT_H */
