/* TZif files (RFC 8536): a version 1 block with 32-bit times, skipped; a second block
 * with 64-bit times; a footer with the POSIX rule for all later years. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "engine/columnar/time_zone_private.h"

#define ZONE_FOLDER "/usr/share/zoneinfo"
#define FILE_BYTES_MAX (1 << 20)
#define HEADER_BYTES 44
#define REPEAT_YEARS 400
#define DAY_S INT64_C(86400)

/* ---- the footer: "CET-1CEST,M3.5.0,M10.5.0/3" ---- */

typedef struct rule_date {
    char kind; /* 'M' month.week.weekday, 'J' day 1..365 without Feb 29, 'D' day 0..365 */
    int month, week, day;
    int32_t time_s; /* after midnight; may be negative or past the day */
} rule_date;

typedef struct rule {
    int32_t standard_s, summer_s; /* offsets from UTC */
    bool has_summer;
    rule_date start, end;
} rule;

static bool skip_name(const char **p)
{
    const char *from = *p;
    if (*from == '<') {
        const char *close = strchr(from, '>');
        *p = close != NULL ? close + 1 : from;
        return close != NULL;
    }
    while ((**p >= 'A' && **p <= 'Z') || (**p >= 'a' && **p <= 'z'))
        (*p)++;
    return *p - from >= 3;
}

static bool number(const char **p, int max, int *ret)
{
    const char *from = *p;
    int v = 0;
    while (**p >= '0' && **p <= '9' && *p - from < 4) {
        v = v * 10 + (**p - '0');
        (*p)++;
    }
    *ret = v;
    return *p != from && v <= max;
}

/* [+-]h[h[h]][:mm[:ss]] in seconds */
static bool clock_time(const char **p, int32_t *ret_s)
{
    int sign = **p == '-' ? -1 : 1, hours, minutes = 0, seconds = 0;
    if (**p == '-' || **p == '+')
        (*p)++;
    if (!number(p, 167, &hours))
        return false;
    if (**p == ':') {
        (*p)++;
        if (!number(p, 59, &minutes))
            return false;
        if (**p == ':') {
            (*p)++;
            if (!number(p, 59, &seconds))
                return false;
        }
    }
    *ret_s = sign * (hours * 3600 + minutes * 60 + seconds);
    return true;
}

static bool date(const char **p, rule_date *ret)
{
    rule_date d = { .kind = 'D', .time_s = 2 * 3600 };
    if (*(*p)++ != ',')
        return false;
    if (**p == 'M') {
        d.kind = 'M';
        (*p)++;
        if (!number(p, 12, &d.month) || *(*p)++ != '.' || !number(p, 5, &d.week) ||
            *(*p)++ != '.' || !number(p, 6, &d.day) || d.month < 1 || d.week < 1)
            return false;
    } else {
        if (**p == 'J') {
            d.kind = 'J';
            (*p)++;
        }
        if (!number(p, 365, &d.day) || (d.kind == 'J' && d.day < 1))
            return false;
    }
    if (**p == '/') {
        (*p)++;
        if (!clock_time(p, &d.time_s))
            return false;
    }
    *ret = d;
    return true;
}

static bool parse_rule(const char *p, rule *ret)
{
    rule r = { 0 };
    int32_t west_s;
    if (!skip_name(&p) || !clock_time(&p, &west_s))
        return false;
    r.standard_s = -west_s;
    if (*p == '\0') {
        *ret = r;
        return true;
    }
    r.has_summer = true;
    r.summer_s = r.standard_s + 3600;
    if (!skip_name(&p))
        return false;
    if (*p != ',') {
        if (!clock_time(&p, &west_s))
            return false;
        r.summer_s = -west_s;
    }
    if (!date(&p, &r.start) || !date(&p, &r.end) || *p != '\0')
        return false;
    *ret = r;
    return true;
}

/* Seconds since the epoch, on the local clock, of the rule's date in a year. */
static int64_t date_in_year(const rule_date *d, int32_t year)
{
    int64_t first = sl_days_from_civil(year, 1, 1), day;
    if (d->kind == 'M') {
        int64_t month = sl_days_from_civil(year, (uint32_t)d->month, 1);
        int64_t next = d->month == 12
                           ? sl_days_from_civil(year + 1, 1, 1)
                           : sl_days_from_civil(year, (uint32_t)d->month + 1, 1);
        int64_t weekday = ((month + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
        day = month + (d->day - weekday + 7) % 7 + (d->week - 1) * 7;
        if (day >= next)
            day -= 7;
    } else if (d->kind == 'J') {
        bool leap = sl_days_from_civil(year + 1, 1, 1) - first == 366;
        day = first + d->day - 1 + (leap && d->day >= 60);
    } else {
        day = first + d->day;
    }
    return day * DAY_S + d->time_s;
}

/* ---- the table ---- */

static void append(sl_time_zone *z, int64_t at_s, int32_t offset_s)
{
    z->at_s[z->count++] = at_s;
    z->offset_s[z->count] = offset_s;
}

static void unroll_rule(sl_time_zone *z, const rule *r)
{
    int32_t year = 1970;
    uint32_t month, day;
    if (z->count != 0)
        sl_civil_from_days((int32_t)(z->at_s[z->count - 1] / DAY_S), &year, &month, &day);
    int32_t last_year = year + REPEAT_YEARS + 2; /* one cycle and a bit past the list */
    for (; year <= last_year; year++) {
        struct {
            int64_t at_s;
            int32_t offset_s;
        } two[2] = { { date_in_year(&r->start, year) - r->standard_s, r->summer_s },
                     { date_in_year(&r->end, year) - r->summer_s, r->standard_s } };
        int first = two[0].at_s <= two[1].at_s ? 0 : 1; /* south: summer ends first */
        for (int i = 0; i < 2; i++) {
            int n = first ^ i;
            if (z->count == 0 || two[n].at_s > z->at_s[z->count - 1])
                append(z, two[n].at_s, two[n].offset_s);
        }
    }
    z->repeats = true;
}

/* ---- the file ---- */

static uint64_t get_be(const uint8_t *p, uint32_t width)
{
    uint64_t v = 0;
    for (uint32_t i = 0; i < width; i++)
        v = v << 8 | p[i];
    return v;
}

typedef struct block {
    uint32_t utc, standard, leap, times, types, chars;
} block;

static bool read_header(const uint8_t *p, size_t size, block *ret)
{
    if (size < HEADER_BYTES || memcmp(p, "TZif", 4) != 0 || p[4] < '2')
        return false;
    uint32_t n[6];
    for (uint32_t i = 0; i < 6; i++) {
        n[i] = (uint32_t)get_be(p + 20 + (size_t)i * 4, 4);
        if (n[i] > FILE_BYTES_MAX)
            return false;
    }
    *ret = (block){ n[0], n[1], n[2], n[3], n[4], n[5] };
    return true;
}

static size_t block_bytes(const block *b, size_t time_bytes)
{
    return b->times * (time_bytes + 1) + b->types * 6u + b->chars +
           b->leap * (time_bytes + 4) + b->standard + b->utc;
}

static bool read_times(const uint8_t *p, const block *b, sl_time_zone *z)
{
    const uint8_t *indexes = p + (size_t)b->times * 8;
    const uint8_t *types = indexes + b->times;
    z->offset_s[0] = (int32_t)(uint32_t)get_be(types, 4);
    for (uint32_t i = 0; i < b->times; i++) {
        if (indexes[i] >= b->types)
            return false;
        int64_t at_s = (int64_t)get_be(p + (size_t)i * 8, 8);
        if (i != 0 && at_s <= z->at_s[z->count - 1])
            return false;
        append(z, at_s, (int32_t)(uint32_t)get_be(types + (size_t)indexes[i] * 6, 4));
    }
    for (uint32_t i = 0; i <= z->count; i++)
        if (z->offset_s[i] < -DAY_S || z->offset_s[i] > DAY_S)
            return false;
    return true;
}

static bool parse_file(const uint8_t *p, size_t size, sl_time_zone *z)
{
    block v1, v2;
    if (!read_header(p, size, &v1))
        return false;
    size_t skip = HEADER_BYTES + block_bytes(&v1, 4);
    if (skip > size || !read_header(p + skip, size - skip, &v2))
        return false;
    p += skip + HEADER_BYTES;
    size -= skip + HEADER_BYTES;
    size_t body = block_bytes(&v2, 8);
    if (v2.types == 0 || v2.leap != 0 || body > size)
        return false;

    uint32_t room = v2.times + 2 * (REPEAT_YEARS + 4) + 2;
    z->at_s = sl_calloc(room, sizeof *z->at_s);
    z->offset_s = sl_calloc(room + 1, sizeof *z->offset_s);
    if (!read_times(p, &v2, z))
        return false;

    const char *footer = (const char *)p + body; /* the caller put a NUL at the end */
    rule r;
    char text[128];
    if (size - body < 2 || footer[0] != '\n')
        return true;
    size_t length = strcspn(footer + 1, "\n");
    if (length == 0 || length >= sizeof text)
        return true;
    memcpy(text, footer + 1, length);
    text[length] = '\0';
    if (!parse_rule(text, &r))
        return false;
    if (r.has_summer)
        unroll_rule(z, &r);
    return true;
}

static char *read_whole(const char *path, size_t *ret_size)
{
    FILE *f = fopen(path, "rbe");
    if (f == NULL)
        return NULL;
    char *data = sl_alloc(FILE_BYTES_MAX + 1);
    size_t size = fread(data, 1, FILE_BYTES_MAX, f);
    bool failed = ferror(f) != 0;
    fclose(f);
    if (failed || size == 0) {
        sl_free(data);
        return NULL;
    }
    data[size] = '\0';
    *ret_size = size;
    return data;
}

bool sl_time_zone__load(const char *name, sl_time_zone *z)
{
    char path[256];
    size_t size;
    snprintf(path, sizeof path, "%s/%s", ZONE_FOLDER, name);
    char *data = read_whole(path, &size);
    if (data == NULL)
        return false;
    bool good = parse_file((const uint8_t *)data, size, z);
    sl_free(data);
    if (!good || z->count == 0) {
        if (good && z->offset_s != NULL)
            z->fixed_us = z->offset_s[0] * INT64_C(1000000);
        sl_free(z->at_s);
        sl_free(z->offset_s);
        z->at_s = NULL;
        z->offset_s = NULL;
        z->count = 0;
    }
    return good;
}

/* ---- names ---- */

/* tzdata.zi has a line "Z name ..." for a zone and "L target name" for an alias. */
void sl_time_zone__nearest(const char *name, char ret_name[80])
{
    size_t size;
    ret_name[0] = '\0';
    char *data = read_whole(ZONE_FOLDER "/tzdata.zi", &size);
    if (data == NULL || strlen(name) > 64) {
        sl_free(data);
        return;
    }
    uint32_t count = 0, room = 1024;
    const char **names = sl_alloc(room * sizeof *names);
    char *rest = data;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        bool zone = line[0] == 'Z' && line[1] == ' ';
        bool alias = line[0] == 'L' && line[1] == ' ';
        if ((!zone && !alias) || count == room)
            continue;
        char *word = line + 2;
        if (alias && (word = strchr(word, ' ')) != NULL)
            word++;
        if (word == NULL)
            continue;
        word[strcspn(word, " ")] = '\0';
        names[count++] = word;
    }
    const char *nearest = sl_text_nearest(name, names, count);
    if (nearest != NULL)
        snprintf(ret_name, 80, "%s", nearest);
    sl_free(names);
    sl_free(data);
}
