/* A zone is a sorted table of transitions in UTC seconds.  The rule in a file's footer,
 * which holds for ever, is unrolled for 400 years after the last listed transition: the
 * Gregorian calendar repeats after that, weekdays too, so a later instant is moved back
 * by whole cycles into the table. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/columnar/time_zone_private.h"

#define US INT64_C(1000000)
#define DAY_S INT64_C(86400)
#define CYCLE_YEARS 400
#define CYCLE_S (INT64_C(146097) * DAY_S)
#define OFFSET_MAX_S (18 * 3600)

/* One stretch of time under one offset. */
typedef struct segment {
    int64_t from_s, until_s; /* [from, until) */
    int32_t offset_s;
} segment;

static const sl_time_zone utc = { .name = "UTC" };

const sl_time_zone *sl_time_zone_utc(void)
{
    return &utc;
}

const char *sl_time_zone_name(const sl_time_zone *z)
{
    return z->name;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static segment find_listed(const sl_time_zone *z, int64_t utc_s)
{
    uint32_t low = 0, high = z->count; /* transitions at or before utc_s */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (z->at_s[middle] <= utc_s)
            low = middle + 1;
        else
            high = middle;
    }
    return (segment){ .from_s = low == 0 ? INT64_MIN : z->at_s[low - 1],
                      .until_s = low == z->count ? INT64_MAX : z->at_s[low],
                      .offset_s = z->offset_s[low] };
}

static segment find_segment(const sl_time_zone *z, int64_t utc_s)
{
    if (!z->repeats || utc_s < z->at_s[z->count - 1])
        return find_listed(z, utc_s);
    int64_t shift =
        ((utc_s - z->at_s[z->count - 1]) / CYCLE_S + 1) * CYCLE_S; /* >= one cycle */
    segment s = find_listed(z, utc_s - shift);
    s.from_s += shift;
    s.until_s += shift;
    return s;
}

/* Rows of a chunk lie close in time: the last stretch nearly always serves again. */
static _Thread_local struct {
    const sl_time_zone *zone;
    segment last;
} cache;

static const segment *segment_at(const sl_time_zone *z, int64_t utc_s)
{
    if (cache.zone != z || utc_s < cache.last.from_s || utc_s >= cache.last.until_s) {
        cache.last = find_segment(z, utc_s);
        cache.zone = z;
    }
    return &cache.last;
}

int64_t sl_time_zone_offset_us(const sl_time_zone *z, int64_t utc_us)
{
    if (z->count == 0)
        return z->fixed_us;
    return segment_at(z, floor_div(utc_us, US))->offset_s * US;
}

static int64_t sub_clamped(int64_t a, int64_t b)
{
    int64_t r;
    if (__builtin_sub_overflow(a, b, &r))
        return b > 0 ? INT64_MIN : INT64_MAX;
    return r;
}

int64_t sl_time_zone_to_utc_us(const sl_time_zone *z, int64_t local_us)
{
    if (z->count == 0)
        return sub_clamped(local_us, z->fixed_us);

    int64_t local_s = floor_div(local_us, US);
    if (cache.zone == z) { /* well inside the last stretch there is only one answer */
        int64_t s = local_s - cache.last.offset_s;
        bool after = cache.last.from_s == INT64_MIN || s >= cache.last.from_s + 2 * DAY_S;
        bool before =
            cache.last.until_s == INT64_MAX || s < cache.last.until_s - 2 * DAY_S;
        if (after && before)
            return sub_clamped(local_us, cache.last.offset_s * US);
    }
    /* The offsets before and after any transition near. The earlier one wins where both
     * fit (overlap) and where none does (gap: moves forward by its length). */
    int32_t before_s = segment_at(z, local_s - DAY_S)->offset_s;
    int32_t after_s = segment_at(z, local_s + DAY_S)->offset_s;
    int32_t offset_s = before_s;
    if (segment_at(z, local_s - before_s)->offset_s != before_s &&
        segment_at(z, local_s - after_s)->offset_s == after_s)
        offset_s = after_s;
    return sub_clamped(local_us, offset_s * US);
}

/* ---- fixed offsets by name ---- */

static bool two_digits(const char **p, const char *end, int *ret)
{
    int digits = 0, v = 0;
    while (digits < 2 && *p < end && **p >= '0' && **p <= '9') {
        v = v * 10 + (**p - '0');
        (*p)++;
        digits++;
    }
    *ret = v;
    return digits > 0;
}

/* +h, +hh, +hhmm, +h:mm, +hh:mm, +hh:mm:ss */
static bool parse_offset(const char *p, const char *end, int64_t *ret_us)
{
    if (p == end || (*p != '+' && *p != '-'))
        return false;
    bool negative = *p++ == '-';
    int hours, minutes = 0, seconds = 0;
    if (!two_digits(&p, end, &hours))
        return false;
    if (p < end) {
        bool colon = *p == ':';
        p += colon;
        if (end - p < 2 || !two_digits(&p, end, &minutes))
            return false;
        if (colon && p < end &&
            (*p++ != ':' || end - p != 2 || !two_digits(&p, end, &seconds)))
            return false;
    }
    int64_t s = hours * 3600 + minutes * 60 + seconds;
    if (p != end || minutes > 59 || seconds > 59 || s > OFFSET_MAX_S)
        return false;
    *ret_us = (negative ? -s : s) * US;
    return true;
}

bool sl_time_zone__fixed(const char *name, size_t length, int64_t *ret_us)
{
    const char *end = name + length;
    if (length == 1 && (*name == 'Z' || *name == 'z')) {
        *ret_us = 0;
        return true;
    }
    size_t prefix = 0;
    if (length >= 3 && (memcmp(name, "UTC", 3) == 0 || memcmp(name, "GMT", 3) == 0))
        prefix = 3;
    else if (length >= 2 && memcmp(name, "UT", 2) == 0)
        prefix = 2;
    if (prefix != 0 && prefix == length) {
        *ret_us = 0;
        return true;
    }
    return parse_offset(name + prefix, end, ret_us);
}

/* ---- the process's zones ---- */

static pthread_mutex_t zones_lock = PTHREAD_MUTEX_INITIALIZER;
static sl_time_zone *zones; /* under zones_lock; entries are immutable and stay */

/* Only names that could be in the database, and one spelling of each: names come from
 * data rows too, and every one found is kept. */
static bool is_plausible(const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || length > 64 || name[0] == '/' || name[length - 1] == '/' ||
        strstr(name, "//") != NULL)
        return false;
    for (const char *p = name; *p != '\0'; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');
        bool digit = *p >= '0' && *p <= '9';
        if (!letter && !digit && strchr("_+-/", *p) == NULL)
            return false;
    }
    return name[0] < '0' || name[0] > '9';
}

static const sl_time_zone *find_cached(const char *name)
{
    for (const sl_time_zone *z = zones; z != NULL; z = z->next)
        if (strcmp(z->name, name) == 0)
            return z;
    return NULL;
}

const sl_time_zone *sl_time_zone__find(const char *name)
{
    int64_t fixed_us = 0;
    bool fixed = sl_time_zone__fixed(name, strlen(name), &fixed_us);
    if (fixed && strcmp(name, "UTC") == 0)
        return &utc;
    if (!fixed && !is_plausible(name))
        return NULL;

    pthread_mutex_lock(&zones_lock);
    const sl_time_zone *found = find_cached(name);
    if (found == NULL) {
        sl_time_zone *z = sl_calloc(1, sizeof *z);
        z->fixed_us = fixed_us;
        if (fixed || sl_time_zone__load(name, z)) {
            z->name = sl_strdup(name);
            z->next = zones;
            zones = z;
            found = z;
        } else {
            sl_free(z);
        }
    }
    pthread_mutex_unlock(&zones_lock);
    return found;
}

sl_code sl_time_zone_find(const char *name, const sl_time_zone **ret, sl_error *err)
{
    const sl_time_zone *found = sl_time_zone__find(name);
    if (found == NULL) {
        char nearest[80] = "";
        if (err != NULL)
            sl_time_zone__nearest(name, nearest);
        return sl_fail_as(err, SL_EINVAL, "INVALID_TIMEZONE", "22009",
                          "The timezone: %.80s is invalid. The timezone must be either a "
                          "region-based zone ID or a zone offset, such as "
                          "'Europe/Prague' or '+02:00'%s%s%s",
                          name, nearest[0] != '\0' ? "; did you mean '" : "", nearest,
                          nearest[0] != '\0' ? "'?" : "");
    }
    *ret = found;
    return SL_OK;
}
