#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "driver/rates.h"

#define MS INT64_C(1000)
#define S INT64_C(1000000)

static void expect(const sl_rates *r, int64_t now_us, double input, double processed)
{
    double i, p;
    sl_rates_get(r, now_us, &i, &p);
    assert_true(i > input * 0.999 - 1e-9 && i < input * 1.001 + 1e-9);
    assert_true(p > processed * 0.999 - 1e-9 && p < processed * 1.001 + 1e-9);
}

static void rates__of_no_batch_are_none(void **state)
{
    (void)state;
    sl_rates r = { 0 };
    expect(&r, 5 * S, 0, 0);
}

static void rates__are_not_those_of_the_last_batch_alone(void **state)
{
    (void)state;
    sl_rates r = { 0 };
    for (int64_t t = 0; t < 8; t++) { /* each second 1,000 rows, then no data */
        sl_rates_add(&r, t * S, t * S + 10 * MS, 1000);
        sl_rates_add(&r, t * S + 10 * MS, t * S + 20 * MS, 0);
    }
    expect(&r, 8 * S, 1000, 8000 / 0.16);
}

static void rates__fall_while_nothing_comes_and_end_at_ten_seconds(void **state)
{
    (void)state;
    sl_rates r = { 0 };
    sl_rates_add(&r, 0, S, 6000);
    expect(&r, S, 6000, 6000);
    expect(&r, 6 * S, 1000, 6000);
    expect(&r, 11 * S + 1, 0, 0);
}

static void rates__of_long_batches_reach_back_to_the_last(void **state)
{
    (void)state;
    sl_rates r = { 0 };
    sl_rates_add(&r, 0, 60 * S, 600);
    sl_rates_add(&r, 60 * S, 120 * S, 6000);
    expect(&r, 150 * S, 6600 / 150.0, 6600 / 120.0);
}

static void rates__of_many_short_batches_are_of_the_newest(void **state)
{
    (void)state;
    sl_rates r = { 0 };
    for (int64_t t = 0; t < 1000; t++)
        sl_rates_add(&r, 2 * t * MS, (2 * t + 1) * MS, t < 900 ? 1 : 10);
    expect(&r, 1999 * MS, 10 * 64 / 0.127, 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates__of_no_batch_are_none),
        cmocka_unit_test(rates__are_not_those_of_the_last_batch_alone),
        cmocka_unit_test(rates__fall_while_nothing_comes_and_end_at_ten_seconds),
        cmocka_unit_test(rates__of_long_batches_reach_back_to_the_last),
        cmocka_unit_test(rates__of_many_short_batches_are_of_the_newest),
    };
    return cmocka_run_group_tests_name("driver/rates", tests, NULL, NULL);
}
