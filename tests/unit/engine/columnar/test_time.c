/* Unit tests of engine/columnar/time*.c. Name: function__sentence_that_must_hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "engine/columnar/value_text.h"
#include "tests/unit/engine/columnar/columnar_fixture.h"

#define SECOND INT64_C(1000000)
#define HOUR (3600 * SECOND)

static const sl_time_zone *zone(const char *name)
{
    const sl_time_zone *z;
    OK(sl_time_zone_find(name, &z, NULL));
    return z;
}

/* The instant of a UTC text. */
static int64_t utc(const char *text)
{
    int64_t us = INT64_MIN;
    assert_true(sl_timestamp_parse(text, strlen(text), sl_time_zone_utc(), &us));
    return us;
}

static void assert_printed(int64_t us, const char *zone_name, const char *want)
{
    char text[SL_TIME_TEXT_BYTES];
    assert_int_equal(sl_timestamp_text(us, zone(zone_name), text), strlen(want));
    assert_string_equal(text, want);
}

/* A wall clock of a zone, and the instant java.time makes of it. */
static void assert_local(const char *zone_name, const char *local, const char *want_utc)
{
    int64_t us;
    assert_true(sl_timestamp_parse(local, strlen(local), zone(zone_name), &us));
    assert_printed(us, "UTC", want_utc);
}

static void civil__agrees_both_ways_over_all_eras(void **state)
{
    (void)state;
    assert_int_equal(sl_days_from_civil(1970, 1, 1), 0);
    assert_int_equal(sl_days_from_civil(2000, 3, 1), 11017);
    assert_int_equal(sl_days_from_civil(1, 1, 1), -719162);
    assert_int_equal(sl_days_from_civil(-1, 12, 31), -719529);
    int32_t last = sl_days_from_civil(-5000, 1, 1);
    for (int32_t days = last; days < 4000000; days += 97) {
        int32_t year;
        uint32_t month, day;
        sl_civil_from_days(days, &year, &month, &day);
        assert_true(month >= 1 && month <= 12 && day >= 1 && day <= 31);
        assert_int_equal(sl_days_from_civil(year, month, day), days);
    }
}

static void to_utc__follows_prague_through_gap_and_overlap(void **state)
{
    (void)state;
    const char *p = "Europe/Prague";
    assert_local(p, "2016-03-27 01:59:59", "2016-03-27 00:59:59");
    assert_local(p, "2016-03-27 02:30:00", "2016-03-27 01:30:00"); /* gap: is 03:30 */
    assert_local(p, "2016-03-27 03:00:00", "2016-03-27 01:00:00");
    assert_local(p, "2016-10-30 01:59:59", "2016-10-29 23:59:59");
    assert_local(p, "2016-10-30 02:30:00", "2016-10-30 00:30:00"); /* overlap: CEST */
    assert_local(p, "2016-10-30 03:00:00", "2016-10-30 02:00:00");
}

static void to_utc__follows_new_york_through_gap_and_overlap(void **state)
{
    (void)state;
    const char *p = "America/New_York";
    assert_local(p, "2021-03-14 01:59:59", "2021-03-14 06:59:59");
    assert_local(p, "2021-03-14 02:30:00", "2021-03-14 07:30:00");
    assert_local(p, "2021-03-14 03:00:00", "2021-03-14 07:00:00");
    assert_local(p, "2021-11-07 01:30:00", "2021-11-07 05:30:00");
    assert_local(p, "2021-11-07 02:00:00", "2021-11-07 07:00:00");
}

/* The answer must not depend on what was asked before it: each thread keeps a stretch. */
static void to_utc__is_the_same_whatever_came_before(void **state)
{
    (void)state;
    const sl_time_zone *z = zone("Europe/Prague"), *other = zone("America/New_York");
    for (int64_t s = utc("2016-03-25") / SECOND; s < utc("2016-04-01") / SECOND;
         s += 601) {
        (void)sl_time_zone_offset_us(other, s * SECOND);
        int64_t cold = sl_time_zone_to_utc_us(z, s * SECOND);
        (void)sl_time_zone_offset_us(z, utc("2016-07-01"));
        assert_true(sl_time_zone_to_utc_us(z, s * SECOND) == cold);
        (void)sl_time_zone_offset_us(z, utc("2016-01-01"));
        assert_true(sl_time_zone_to_utc_us(z, s * SECOND) == cold);
    }
}

static void offset__follows_the_rule_into_far_years(void **state)
{
    (void)state;
    static const char *const years[] = { "2045", "2999", "9999" };
    for (int i = 0; i < 3; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s-07-01", years[i]);
        assert_true(sl_time_zone_offset_us(zone("Europe/Prague"), utc(text)) == 2 * HOUR);
        assert_true(sl_time_zone_offset_us(zone("America/New_York"), utc(text)) ==
                    -4 * HOUR);
        assert_true(sl_time_zone_offset_us(zone("Australia/Sydney"), utc(text)) ==
                    10 * HOUR);
        snprintf(text, sizeof text, "%s-12-31", years[i]);
        assert_true(sl_time_zone_offset_us(zone("Europe/Prague"), utc(text)) == HOUR);
        assert_true(sl_time_zone_offset_us(zone("America/New_York"), utc(text)) ==
                    -5 * HOUR);
        assert_true(sl_time_zone_offset_us(zone("Australia/Sydney"), utc(text)) ==
                    11 * HOUR);
    }
    /* The last Sunday of March 2500 is the 28th. */
    assert_local("Europe/Prague", "2500-03-28 01:59:59", "2500-03-28 00:59:59");
    assert_local("Europe/Prague", "2500-03-28 03:00:00", "2500-03-28 01:00:00");
    assert_true(sl_time_zone_offset_us(zone("Europe/Prague"), INT64_MAX) != INT64_MIN);
}

static void offset__is_local_mean_time_before_all_transitions(void **state)
{
    (void)state;
    assert_true(sl_time_zone_offset_us(zone("Europe/Prague"), utc("1800-01-01")) ==
                3464 * SECOND);
    assert_true(sl_time_zone_offset_us(zone("America/New_York"), INT64_MIN) ==
                -17762 * SECOND);
}

static void find__reads_fixed_offsets(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t minutes;
    } cases[] = { { "UTC", 0 },      { "Z", 0 },         { "GMT", 0 },
                  { "+02:00", 120 }, { "-08:30", -510 }, { "+0230", 150 },
                  { "+2", 120 },     { "+02", 120 },     { "UTC+05:45", 345 },
                  { "GMT-3", -180 }, { "+18:00", 1080 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(sl_time_zone_offset_us(zone(cases[i].name), 0) ==
                    cases[i].minutes * 60 * SECOND);
    assert_ptr_equal(zone("Europe/Prague"), zone("Europe/Prague"));
    assert_string_equal(sl_time_zone_name(zone("+02:00")), "+02:00");
}

static void find__names_the_nearest_zone_it_knows(void **state)
{
    (void)state;
    const sl_time_zone *z = NULL;
    sl_error err;
    assert_int_equal(sl_time_zone_find("Europe/Prgue", &z, &err), SL_EINVAL);
    assert_non_null(strstr(err.text, "did you mean 'Europe/Prague'?"));
    assert_string_equal(err.condition, "INVALID_TIMEZONE");
    static const char *const wrong[] = { "",       "/etc/passwd",    "../zoneinfo/UTC",
                                         "Europe", "Europe//Prague", "zone.tab",
                                         "+19:00", "+1:2",           "+02:60",
                                         "UTC+",   "tzdata.zi",      "Europe/Prague/" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(sl_time_zone_find(wrong[i], &z, &err), SL_EINVAL);
    assert_null(z);
}

/* Texts that share the front of the one before, whole or damaged anywhere. */
static void timestamp_parse_next__gives_what_parse_gives(void **state)
{
    (void)state;
    static const char *const zones[] = { "UTC", "Europe/Prague", "America/New_York" };
    static const char *const tails[] = { "",     "Z",     ".125", ".125Z", ".5",   ".5Z",
                                         ".1Z5", "+0100", " UTC", "ZZ",    ".12a", "x" };
    static const char damage[] = "09:-.TZ aé";
    uint64_t seed = 20180302;
    print_message("seed %llu\n", (unsigned long long)seed);
    sl_timestamp_memo memo = { 0 };
    uint32_t values = 0;
    for (int round = 0; round < 60000; round++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint32_t draw = (uint32_t)(seed >> 32);
        char text[40];
        snprintf(text, sizeof text, "%s-%02u-%02u%c%02u:%02u:%02u%s",
                 draw % 7 == 0 ? "1883" : "2018", draw % 3 == 0 ? 11u : 3u,
                 18u + draw % 2, draw % 11 == 0 ? ' ' : 'T',
                 draw % 5 == 0 ? 2u : 24u * (draw % 97 == 0), draw / 8 % 2,
                 draw / 16 % 62, tails[draw / 1024 % 12]);
        if (draw % 13 == 0)
            text[draw / 4096 % strlen(text)] = damage[draw / 65536 % (sizeof damage - 1)];
        const sl_time_zone *z = zone(zones[draw / 256 % 3]);
        int64_t a = -1, b = -1;
        bool is_value = sl_timestamp_parse(text, strlen(text), z, &a);
        assert_int_equal(sl_timestamp_parse_next(text, strlen(text), z, &memo, &b),
                         is_value);
        assert_int_equal(a, b);
        values += is_value;
    }
    assert_true(values > 20000 && values < 59000);
    memo = (sl_timestamp_memo){ 0 }; /* knows nothing: zero bytes are no minute */
    static const char zeros[19] = "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0:00";
    int64_t us;
    assert_false(sl_timestamp_parse_next(zeros, 19, zone("UTC"), &memo, &us));
}

/* spark:FJ3 */
static void timestamp_parse__reads_the_forms_spark_casts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "2016-07-28T04:19:28", "2016-07-28 04:19:28" },
        { "2016-07-28 04:19:28", "2016-07-28 04:19:28" },
        { "2016-07-28T04:19:28Z", "2016-07-28 04:19:28" },
        { "2016-07-28T04:19:28.125Z", "2016-07-28 04:19:28.125" },
        { "2016-07-28T04:19:28.125", "2016-07-28 04:19:28.125" },
        { "2016-07-28T04:19:28.000+0000", "2016-07-28 04:19:28" },
        { "2016-07-28T04:19:28+02:00", "2016-07-28 02:19:28" },
        { "2016-07-28T04:19:28-0230", "2016-07-28 06:49:28" },
        { "2016-07-28T04:19:28+2", "2016-07-28 02:19:28" },
        { "2016-07-28 04:19:28 UTC", "2016-07-28 04:19:28" },
        { "2016-07-28 04:19:28 Europe/Prague", "2016-07-28 02:19:28" },
        { "2016-07-28 04:19:28.123456789", "2016-07-28 04:19:28.123456" },
        { "2016-07-28 4:9:8.5", "2016-07-28 04:09:08.5" },
        { "2016-07-28 04:19", "2016-07-28 04:19:00" },
        { "2016-07-28T04:19Z", "2016-07-28 04:19:00" },
        { "2016-7-8", "2016-07-08 00:00:00" },
        { "2016-07", "2016-07-01 00:00:00" },
        { "2016", "2016-01-01 00:00:00" },
        { "  2016-07-28\t\n", "2016-07-28 00:00:00" },
        { "2016-02-29 23:59:59", "2016-02-29 23:59:59" },
        { "1969-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999" },
        { "0001-01-01 00:00:00", "0001-01-01 00:00:00" },
        { "-0044-03-15 12:00:00", "-0044-03-15 12:00:00" },
        { "+12345-01-01 00:00:00", "+12345-01-01 00:00:00" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_printed(utc(cases[i].text), "UTC", cases[i].want);
    assert_true(utc("1969-12-31 23:59:59.999999") == -1);
    assert_true(utc("1970-01-01T00:00:01Z") == SECOND);
}

static void timestamp_parse__refuses_what_is_no_time(void **state)
{
    (void)state;
    static const char *const wrong[] = { "",
                                         " ",
                                         "x",
                                         "201",
                                         "2016-",
                                         "2016-13",
                                         "2016-00-01",
                                         "2016-02-30",
                                         "2015-02-29",
                                         "1900-02-29",
                                         "2016-07-28T",
                                         "2016-07-28x",
                                         "2016-07-28T24:00:00",
                                         "2016-07-28T04:60:00",
                                         "2016-07-28T04:19:60",
                                         "2016-07-28T04:19:28ZZ",
                                         "2016-07-28T04:19:28+19:00",
                                         "2016-07-28T04:19:28 Nowhere/Land",
                                         "2016/07/28 04:19:28",
                                         "2016-07-28T04.19:28",
                                         "2016-07-2aT04:19:28",
                                         "2016-07-28T04:19:2a",
                                         "2016-13-28T04:19:28",
                                         "2016:07:28T04:19:28",
                                         "2016-07-28X04:19:28",
                                         "1234567-01-01",
                                         "300000-01-01 00:00:00",
                                         "-300000-01-01 00:00:00",
                                         "2016-07-28T04:19:28.12a",
                                         "10:00:00",
                                         "2016-07-28T04:19:28+",
                                         "2016-07-28\xff" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int64_t us = 42;
        size_t length = strlen(wrong[i]);
        char *exact = test_malloc(length + 1);
        memcpy(exact, wrong[i], length);
        if (sl_timestamp_parse(exact, length, sl_time_zone_utc(), &us))
            fail_msg("\"%s\" was read as %lld", wrong[i], (long long)us);
        assert_true(us == 42);
        test_free(exact);
    }
}

/* Every byte at every place of the fast form is accepted only if a slow reading (kept off
 * the fast path by a leading blank) accepts it too. */
static void timestamp_parse__agrees_with_itself_off_the_fast_path(void **state)
{
    (void)state;
    static const char *const forms[] = { "2016-07-28T04:19:28", "2016-12-31 23:59:59Z",
                                         "2016-02-29T00:00:00.999Z" };
    for (int f = 0; f < 3; f++)
        for (size_t at = 0; at < strlen(forms[f]); at++)
            for (unsigned byte = 0; byte < 256; byte++) {
                char text[40];
                int64_t fast = 1, slow = 1;
                text[0] = ' ';
                strcpy(text + 1, forms[f]);
                text[1 + at] = (char)byte;
                size_t length = strlen(forms[f]);
                if (byte <= ' ' && (at == 0 || at == length - 1))
                    continue; /* trimmed in one of them */
                bool a = sl_timestamp_parse(text + 1, length, zone("+01:00"), &fast);
                bool b = sl_timestamp_parse(text, length + 1, zone("+01:00"), &slow);
                if (a != b || fast != slow)
                    fail_msg("form %d byte %u at %zu", f, byte, at);
            }
}

static void timestamp_text__prints_in_the_zone_and_drops_zeros(void **state)
{
    (void)state;
    assert_printed(0, "UTC", "1970-01-01 00:00:00");
    assert_printed(0, "Europe/Prague", "1970-01-01 01:00:00");
    assert_printed(-1, "UTC", "1969-12-31 23:59:59.999999");
    assert_printed(1500000, "UTC", "1970-01-01 00:00:01.5");
    assert_printed(100, "-00:30", "1969-12-31 23:30:00.0001");
    assert_printed(INT64_MAX, "UTC", "+294247-01-10 04:00:54.775807");
    assert_printed(INT64_MIN, "UTC", "-290308-12-21 19:59:05.224192");
    assert_printed(INT64_MAX, "+18:00", "+294247-01-10 22:00:54.775807");
}

static void date_parse__ignores_a_time_behind_it(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int32_t days;
    } good[] = { { "1970-01-02", 1 },
                 { "1970-1-2", 1 },
                 { "1970-01-02T10:00", 1 },
                 { "1970-01-02 junk", 1 },
                 { "1970", 0 },
                 { "1970-02", 31 },
                 { " 1969-12-31 ", -1 },
                 { "0000-01-01", -719528 } };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int32_t days = 42;
        assert_true(sl_date_parse(good[i].text, strlen(good[i].text), &days));
        assert_int_equal(days, good[i].days);
    }
    static const char *const wrong[] = { "",           "1970-01-02x", "1970-13-01",
                                         "1970-02-29", "70-01-01",    "9999999-01-01",
                                         "1970--1" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int32_t days = 42;
        assert_false(sl_date_parse(wrong[i], strlen(wrong[i]), &days));
        assert_int_equal(days, 42);
    }
}

#define T(name) cmocka_unit_test(name)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(civil__agrees_both_ways_over_all_eras),
        T(to_utc__follows_prague_through_gap_and_overlap),
        T(to_utc__follows_new_york_through_gap_and_overlap),
        T(to_utc__is_the_same_whatever_came_before),
        T(offset__follows_the_rule_into_far_years),
        T(offset__is_local_mean_time_before_all_transitions),
        T(find__reads_fixed_offsets),
        T(find__names_the_nearest_zone_it_knows),
        T(timestamp_parse_next__gives_what_parse_gives),
        T(timestamp_parse__reads_the_forms_spark_casts),
        T(timestamp_parse__refuses_what_is_no_time),
        T(timestamp_parse__agrees_with_itself_off_the_fast_path),
        T(timestamp_text__prints_in_the_zone_and_drops_zeros),
        T(date_parse__ignores_a_time_behind_it),
    };
    return cmocka_run_group_tests_name("engine/columnar/time", tests, NULL, NULL);
}
