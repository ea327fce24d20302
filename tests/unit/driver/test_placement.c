/* Promises of driver/placement.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "driver/placement.h"

static uint32_t held(const uint32_t *owners, uint32_t count, uint32_t number)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++)
        n += owners[i] == number;
    return n;
}

static void partitions__are_dealt_by_slots(void **state)
{
    (void)state;
    const sl_placement_worker workers[] = { { 1, 1 }, { 2, 3 } };
    uint32_t owners[8] = { 0 };
    assert_int_equal(sl_place_partitions(workers, 2, owners, 8), 8);
    assert_int_equal(held(owners, 8, 1), 2);
    assert_int_equal(held(owners, 8, 2), 6);
}

static void partitions__stay_where_they_are_when_nothing_changed(void **state)
{
    (void)state;
    const sl_placement_worker workers[] = { { 1, 2 }, { 2, 2 } };
    uint32_t owners[7] = { 0 };
    sl_place_partitions(workers, 2, owners, 7);
    assert_int_equal(sl_place_partitions(workers, 2, owners, 7), 0);
}

static void partitions__of_a_lost_worker_alone_move(void **state)
{
    (void)state;
    const sl_placement_worker three[] = { { 1, 1 }, { 2, 1 }, { 3, 1 } };
    const sl_placement_worker two[] = { { 1, 1 }, { 3, 1 } };
    uint32_t owners[9] = { 0 }, before[9];
    sl_place_partitions(three, 3, owners, 9);
    for (int i = 0; i < 9; i++)
        before[i] = owners[i];
    assert_int_equal(sl_place_partitions(two, 2, owners, 9), 3);
    for (int i = 0; i < 9; i++)
        if (before[i] != 2)
            assert_int_equal(owners[i], before[i]);
    assert_int_equal(held(owners, 9, 2), 0);
}

static void partitions__a_worker_that_joins_gets_its_share_and_no_more_moves(void **state)
{
    (void)state;
    const sl_placement_worker one[] = { { 1, 2 } };
    const sl_placement_worker two[] = { { 1, 2 }, { 5, 2 } };
    uint32_t owners[8] = { 0 };
    sl_place_partitions(one, 1, owners, 8);
    assert_int_equal(sl_place_partitions(two, 2, owners, 8), 4);
    assert_int_equal(held(owners, 8, 5), 4);
}

static void partitions__every_one_has_an_owner_for_any_numbers(void **state)
{
    (void)state;
    for (uint32_t count = 1; count < 40; count++) {
        uint32_t owners[40] = { 0 };
        for (uint32_t n = 1; n <= 5; n++) {
            sl_placement_worker workers[5];
            for (uint32_t i = 0; i < n; i++)
                workers[i] = (sl_placement_worker){ i + 1, 1 + (i * 7 + count) % 4 };
            sl_place_partitions(workers, n, owners, count);
            for (uint32_t p = 0; p < count; p++)
                assert_in_range(owners[p], 1, n);
        }
    }
}

static void slices__are_dealt_in_order_and_all_of_them(void **state)
{
    (void)state;
    const sl_placement_worker workers[] = { { 4, 1 }, { 7, 2 } };
    uint32_t owners[10] = { 0 };
    sl_place_slices(workers, 2, owners, 10);
    assert_int_equal(held(owners, 10, 4), 3);
    assert_int_equal(held(owners, 10, 7), 7);
    for (int i = 1; i < 10; i++)
        assert_true(owners[i - 1] <= owners[i]);
    uint32_t single[1] = { 0 };
    sl_place_slices(workers, 2, single, 1);
    assert_int_not_equal(single[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partitions__are_dealt_by_slots),
        cmocka_unit_test(partitions__stay_where_they_are_when_nothing_changed),
        cmocka_unit_test(partitions__of_a_lost_worker_alone_move),
        cmocka_unit_test(
            partitions__a_worker_that_joins_gets_its_share_and_no_more_moves),
        cmocka_unit_test(partitions__every_one_has_an_owner_for_any_numbers),
        cmocka_unit_test(slices__are_dealt_in_order_and_all_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
