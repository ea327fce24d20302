/* time_zone_private.h - inside of a time zone, shared by its lookup and its loader.
 * Thread: any; zones are immutable once found. */

#ifndef SL_ENGINE_COLUMNAR_TIME_ZONE_PRIVATE_H
#define SL_ENGINE_COLUMNAR_TIME_ZONE_PRIVATE_H

#include "engine/columnar/value_text.h"

struct sl_time_zone {
    struct sl_time_zone *next;
    const char *name;
    int64_t fixed_us;  /* the offset if count == 0 */
    uint32_t count;    /* transitions */
    bool repeats;      /* the last 400 years of the table repeat for ever */
    int64_t *at_s;     /* count, ascending: UTC seconds */
    int32_t *offset_s; /* count + 1: [i] holds before at_s[i] */
};

/* "Z", "UTC", "GMT", "UT", each with an offset behind or not, "+02:00" and kin. */
bool sl_time_zone__fixed(const char *name, size_t length, int64_t *ret_us);
/* As sl_time_zone_find() without a message; NULL if there is none. */
const sl_time_zone *sl_time_zone__find(const char *name);

/* Fill z's table from the system's database; false if the zone is not in it. */
bool sl_time_zone__load(const char *name, sl_time_zone *z);
/* The nearest name of the database, or "". */
void sl_time_zone__nearest(const char *name, char ret_name[80]);

/* "2016-07-28T04:19:28.500Z", or "+02:00" for the Z: what the JSON sink writes. */
uint32_t sl_time_text__iso(int64_t us, const sl_time_zone *zone, bool with_zone,
                           char ret_text[SL_TIME_TEXT_BYTES]);

#endif /* SL_ENGINE_COLUMNAR_TIME_ZONE_PRIVATE_H */
