/* Dates and times: parts, truncation, arithmetic. Local time is UTC plus the session
 * zone's offset; for UTC and TIMESTAMP_NTZ nothing is looked up. */
#include <strings.h>

#include "engine/expr/kernel_errors_private.h"
#include "engine/expr/kernels_text_private.h"
#include "engine/expr/kernels_time_private.h"

static bool is_function(const sl_kernel_call *c, sl_function_id id)
{
    return c->expr->function == sl_function__get(id);
}

sl_zone sl_zone__of(const sl_kernel_call *c, const sl_type *type)
{
    const sl_time_zone *z = c->context->zone;
    bool utc = type->id != SL_TYPE_TIMESTAMP || z == NULL || z == sl_time_zone_utc();
    return (sl_zone){ utc ? NULL : z };
}

static int64_t i64_at(const sl_vector *v, uint32_t row)
{
    return SL_VALUES(int64_t, v)[row * sl_vector__stride(v)];
}

/* ---- parts ---- */

static int32_t day_of_year(int32_t days)
{
    int32_t year;
    uint32_t month, day;
    sl_civil_from_days(days, &year, &month, &day);
    return days - sl_days_from_civil(year, 1, 1) + 1;
}

static int32_t weekday_of(int32_t days) /* 0 is Monday; 1970-01-01 was a Thursday */
{
    return (int32_t)sl_floor_mod((int64_t)days + 3, 7);
}

/* ISO 8601: week 1 holds the year's first Thursday. */
static int32_t week_of_year(int32_t days)
{
    int32_t thursday = days - weekday_of(days) + 3;
    return (day_of_year(thursday) - 1) / 7 + 1;
}

static int32_t date_part(sl_function_id id, int32_t days)
{
    int32_t year;
    uint32_t month, day;
    sl_civil_from_days(days, &year, &month, &day);
    switch (id) {
    case SL_F_YEAR:
        return year;
    case SL_F_QUARTER:
        return (int32_t)(month - 1) / 3 + 1;
    case SL_F_MONTH:
        return (int32_t)month;
    case SL_F_DAYOFWEEK:
        return (weekday_of(days) + 1) % 7 + 1;
    case SL_F_WEEKDAY:
        return weekday_of(days);
    case SL_F_DAYOFYEAR:
        return day_of_year(days);
    case SL_F_WEEKOFYEAR:
        return week_of_year(days);
    default:
        return (int32_t)day;
    }
}

static sl_function_id id_of(const sl_kernel_call *c)
{
    return (sl_function_id)(c->expr->function - sl_function__get((sl_function_id)0));
}

sl_code sl_kernel__date_part(sl_kernel_call *c, sl_error *err)
{
    sl_function_id id = id_of(c);
    const int32_t *days = c->args[0]->values;
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    int32_t *out = p;
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (sl_rows__next(&rows, &i))
        out[i] = date_part(id, days[i]);
    return SL_OK;
}

sl_code sl_kernel__last_day(sl_kernel_call *c, sl_error *err)
{
    const int32_t *days = c->args[0]->values;
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    int32_t *out = p;
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (sl_rows__next(&rows, &i)) {
        int32_t year;
        uint32_t month, day;
        sl_civil_from_days(days[i], &year, &month, &day);
        out[i] = (month == 12 ? sl_days_from_civil(year + 1, 1, 1)
                              : sl_days_from_civil(year, month + 1, 1)) -
                 1;
    }
    return SL_OK;
}

sl_code sl_kernel__time_part(sl_kernel_call *c, sl_error *err)
{
    int64_t unit_us = is_function(c, SL_F_HOUR)     ? SL_HOUR_US
                      : is_function(c, SL_F_MINUTE) ? SL_MINUTE_US
                                                    : SL_SECOND_US;
    int64_t count = unit_us == SL_HOUR_US ? 24 : 60;
    sl_zone zone = sl_zone__of(c, c->args[0]->type);
    const int64_t *us = c->args[0]->values;
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    int32_t *out = p;
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (sl_rows__next(&rows, &i))
        out[i] = (int32_t)(sl_floor_mod(sl_zone__local(zone, us[i]), unit_us * count) /
                           unit_us);
    return SL_OK;
}

/* ---- truncation ---- */

typedef enum unit {
    YEAR,
    QUARTER,
    MONTH,
    WEEK,
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    MILLISECOND,
    MICROSECOND,
    UNKNOWN
} unit;

static unit unit_of(const sl_string_view *v)
{
    static const struct {
        const char *name;
        unit unit;
    } names[] = { { "year", YEAR },
                  { "yyyy", YEAR },
                  { "yy", YEAR },
                  { "quarter", QUARTER },
                  { "month", MONTH },
                  { "mm", MONTH },
                  { "mon", MONTH },
                  { "week", WEEK },
                  { "day", DAY },
                  { "dd", DAY },
                  { "hour", HOUR },
                  { "minute", MINUTE },
                  { "second", SECOND },
                  { "millisecond", MILLISECOND },
                  { "microsecond", MICROSECOND } };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i].name) == v->length &&
            strncasecmp(names[i].name, sl_string_data(v), v->length) == 0)
            return names[i].unit;
    }
    return UNKNOWN;
}

static int32_t trunc_days(int32_t days, unit u)
{
    int32_t year;
    uint32_t month, day;
    if (u == DAY)
        return days;
    if (u == WEEK)
        return days - weekday_of(days);
    sl_civil_from_days(days, &year, &month, &day);
    return sl_days_from_civil(year,
                              u == YEAR      ? 1
                              : u == QUARTER ? (month - 1) / 3 * 3 + 1
                                             : month,
                              1);
}

static int64_t trunc_time(sl_zone zone, int64_t us, unit u)
{
    static const int64_t sizes[] = { [HOUR] = SL_HOUR_US,
                                     [MINUTE] = SL_MINUTE_US,
                                     [SECOND] = SL_SECOND_US,
                                     [MILLISECOND] = 1000,
                                     [MICROSECOND] = 1 };
    int64_t local = sl_zone__local(zone, us);
    if (u >= HOUR)
        return us - sl_floor_mod(local, sizes[u]);
    int32_t days = (int32_t)sl_floor_div(local, SL_DAY_US);
    return sl_zone__utc(zone, (int64_t)trunc_days(days, u) * SL_DAY_US);
}

sl_code sl_kernel__date_trunc(sl_kernel_call *c, sl_error *err)
{
    sl_zone zone = sl_zone__of(c, c->args[1]->type);
    uint64_t *validity;
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    SL_TRY(sl_call__own_validity(c, &validity, err));
    int64_t *out = p;
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    unit u = UNKNOWN;
    bool known = false; /* the unit of a constant is looked up once */
    while (sl_rows__next(&rows, &i)) {
        if (!known)
            u = unit_of(sl_text__at(c->args[0], i));
        known = c->args[0]->is_constant;
        if (u == UNKNOWN)
            sl_bitmap_clear(validity, i);
        else
            out[i] = trunc_time(zone, i64_at(c->args[1], i), u);
    }
    return SL_OK;
}

sl_code sl_kernel__trunc(sl_kernel_call *c, sl_error *err)
{
    uint64_t *validity;
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    SL_TRY(sl_call__own_validity(c, &validity, err));
    int32_t *out = p;
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (sl_rows__next(&rows, &i)) {
        unit u = unit_of(sl_text__at(c->args[1], i));
        if (u > WEEK)
            sl_bitmap_clear(validity, i);
        else
            out[i] = trunc_days(sl_int__at(c->args[0], i), u);
    }
    return SL_OK;
}

/* ---- arithmetic ---- */

sl_code sl_kernel__date_add(sl_kernel_call *c, sl_error *err)
{
    bool minus = is_function(c, SL_F_DATE_SUB);
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    int32_t *out = p;
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (sl_rows__next(&rows, &i)) {
        int32_t a = sl_int__at(c->args[0], i), b = sl_int__at(c->args[1], i);
        if (minus ? __builtin_sub_overflow(a, b, &out[i])
                  : __builtin_add_overflow(a, b, &out[i]))
            return sl_error__overflow(c, i, err);
    }
    return SL_OK;
}

sl_code sl_kernel__date_diff(sl_kernel_call *c, sl_error *err)
{
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    int32_t *out = p;
    for (uint32_t i = 0; i < c->rows; i++)
        out[i] = (int32_t)((uint32_t)sl_int__at(c->args[0], i) -
                           (uint32_t)sl_int__at(c->args[1], i));
    return SL_OK;
}

/* The same day of a later month, or its last day. False: past the years of an int. */
static bool add_months(int32_t days, int64_t months, int32_t *ret)
{
    static const uint8_t lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int32_t year;
    uint32_t month, day;
    sl_civil_from_days(days, &year, &month, &day);
    int64_t total = (int64_t)year * 12 + month - 1 + months;
    int64_t to_year = sl_floor_div(total, 12);
    if (to_year > 5000000 || to_year < -5000000)
        return false;
    uint32_t to_month = (uint32_t)sl_floor_mod(total, 12) + 1;
    bool leap = to_year % 4 == 0 && (to_year % 100 != 0 || to_year % 400 == 0);
    uint32_t last = lengths[to_month - 1] + (leap && to_month == 2 ? 1u : 0u);
    *ret = sl_days_from_civil((int32_t)to_year, to_month, day < last ? day : last);
    return true;
}

sl_code sl_kernel__add_months(sl_kernel_call *c, sl_error *err)
{
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    int32_t *out = p;
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (sl_rows__next(&rows, &i)) {
        if (!add_months(sl_int__at(c->args[0], i), sl_int__at(c->args[1], i), &out[i]))
            return sl_error__overflow(c, i, err);
    }
    return SL_OK;
}

sl_code sl_kernel__time_add_months(sl_kernel_call *c, sl_error *err)
{
    bool minus = is_function(c, SL_F_TIME_SUB_MONTHS);
    const sl_vector *a = c->args[0];
    sl_zone zone = sl_zone__of(c, a->type);
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (sl_rows__next(&rows, &i)) {
        int64_t months = sl_int__at(c->args[1], i);
        months = minus ? -months : months;
        int32_t days;
        if (a->type->id == SL_TYPE_DATE) {
            if (!add_months(sl_int__at(a, i), months, &((int32_t *)p)[i]))
                return sl_error__overflow(c, i, err);
            continue;
        }
        int64_t local = sl_zone__local(zone, i64_at(a, i)), day_us;
        if (!add_months((int32_t)sl_floor_div(local, SL_DAY_US), months, &days) ||
            __builtin_mul_overflow((int64_t)days, SL_DAY_US, &day_us) ||
            __builtin_add_overflow(day_us, sl_floor_mod(local, SL_DAY_US), &local))
            return sl_error__overflow(c, i, err);
        ((int64_t *)p)[i] = sl_zone__utc(zone, local);
    }
    return SL_OK;
}

/* Whole days are added to the local date, the rest to the clock: across a change of the
 * zone's offset a day is not always 24 hours. */
sl_code sl_kernel__time_add(sl_kernel_call *c, sl_error *err)
{
    bool minus = is_function(c, SL_F_TIME_SUB);
    sl_zone zone = sl_zone__of(c, c->args[0]->type);
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    int64_t *out = p;
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (sl_rows__next(&rows, &i)) {
        int64_t us = i64_at(c->args[0], i), add = i64_at(c->args[1], i);
        if (minus && __builtin_sub_overflow((int64_t)0, add, &add))
            return sl_error__overflow(c, i, err);
        int64_t rest = zone.zone != NULL ? add % SL_DAY_US : add;
        if (rest != add) {
            int64_t local;
            if (__builtin_add_overflow(sl_zone__local(zone, us), add - rest, &local))
                return sl_error__overflow(c, i, err);
            us = sl_zone__utc(zone, local);
        }
        if (__builtin_add_overflow(us, rest, &out[i]))
            return sl_error__overflow(c, i, err);
    }
    return SL_OK;
}

sl_code sl_kernel__time_diff(sl_kernel_call *c, sl_error *err)
{
    bool dates = c->args[0]->type->id == SL_TYPE_DATE;
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    int64_t *out = p;
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (sl_rows__next(&rows, &i)) {
        bool overflow;
        if (dates)
            overflow = __builtin_mul_overflow((int64_t)sl_int__at(c->args[0], i) -
                                                  sl_int__at(c->args[1], i),
                                              SL_DAY_US, &out[i]);
        else
            overflow = __builtin_sub_overflow(i64_at(c->args[0], i),
                                              i64_at(c->args[1], i), &out[i]);
        if (overflow)
            return sl_error__overflow(c, i, err);
    }
    return SL_OK;
}

/* ---- clock and epoch ---- */

sl_code sl_kernel__clock(sl_kernel_call *c, sl_error *err)
{
    sl_zone zone = sl_zone__of(c, sl_type_of(SL_TYPE_TIMESTAMP));
    int64_t now = c->context->batch_time_us;
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    for (uint32_t i = 0; i < c->rows; i++) { /* one row: it is a constant of the batch */
        if (is_function(c, SL_F_CURRENT_DATE))
            ((int32_t *)p)[i] =
                (int32_t)sl_floor_div(sl_zone__local(zone, now), SL_DAY_US);
        else
            ((int64_t *)p)[i] = now;
    }
    return SL_OK;
}

sl_code sl_kernel__unix_time(sl_kernel_call *c, sl_error *err)
{
    int64_t unit_us = is_function(c, SL_F_UNIX_MILLIS)   ? 1000
                      : is_function(c, SL_F_UNIX_MICROS) ? 1
                                                         : SL_SECOND_US;
    const int64_t *us = c->args[0]->values;
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    int64_t *out = p;
    for (uint32_t i = 0; i < c->rows; i++)
        out[i] = sl_floor_div(us[i], unit_us);
    return SL_OK;
}

sl_code sl_kernel__from_unix(sl_kernel_call *c, sl_error *err)
{
    int64_t unit_us = is_function(c, SL_F_TIMESTAMP_SECONDS)  ? SL_SECOND_US
                      : is_function(c, SL_F_TIMESTAMP_MILLIS) ? 1000
                                                              : 1;
    const sl_vector *a = c->args[0];
    bool real = a->type->id == SL_TYPE_DOUBLE;
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    int64_t *out = p;
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (sl_rows__next(&rows, &i)) {
        double us = real ? SL_VALUES(double, a)[i] * 1e6 : 0;
        if (real && !(us >= -0x1p63 && us < 0x1p63))
            return sl_error__overflow(c, i, err);
        if (real)
            out[i] = (int64_t)us;
        else if (__builtin_mul_overflow(SL_VALUES(int64_t, a)[i], unit_us, &out[i]))
            return sl_error__overflow(c, i, err);
    }
    return SL_OK;
}
