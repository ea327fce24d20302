#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"

static void charge__counts_in_every_parent(void **state)
{
    (void)state;
    sl_budget process, query;
    sl_budget_init(&process, NULL, "process", INT64_MAX);
    sl_budget_init(&query, &process, "query", 1000);
    assert_int_equal(sl_budget_charge(&query, 600, NULL), SL_OK);
    assert_int_equal(sl_budget_used(&query), 600);
    assert_int_equal(sl_budget_used(&process), 600);
    sl_budget_release(&query, 600);
    assert_int_equal(sl_budget_used(&process), 0);
    assert_int_equal(atomic_load(&process.peak_bytes), 600);
}

static void charge__past_any_limit_changes_nothing_and_names_the_account(void **state)
{
    (void)state;
    sl_budget process, query;
    sl_error err = { 0 };
    sl_budget_init(&process, NULL, "process", 1000);
    sl_budget_init(&query, &process, "query", 5000);
    assert_int_equal(sl_budget_charge(&query, 1001, &err), SL_EBUDGET);
    assert_non_null(strstr(err.text, "'process'"));
    assert_non_null(strstr(err.text, "1000"));
    assert_int_equal(sl_budget_used(&query), 0);
    assert_int_equal(sl_budget_used(&process), 0);
    assert_int_equal(sl_budget_charge(&query, 1000, NULL), SL_OK);
    assert_int_equal(sl_budget_charge(&query, INT64_MAX, NULL), SL_EBUDGET);
    assert_int_equal(sl_budget_charge(&query, 0, NULL), SL_OK);
    assert_int_equal(sl_budget_charge(NULL, 5, NULL), SL_OK);
}

static void force__passes_the_limit_and_later_charges_are_refused(void **state)
{
    (void)state;
    sl_budget b;
    sl_budget_init(&b, NULL, "b", 10);
    sl_budget_force(&b, 50);
    assert_int_equal(sl_budget_used(&b), 50);
    assert_int_equal(sl_budget_charge(&b, 1, NULL), SL_EBUDGET);
    sl_budget_release(&b, 45);
    assert_int_equal(sl_budget_charge(&b, 5, NULL), SL_OK);
}

static void *charge_and_release(void *argument)
{
    sl_budget *b = argument;
    for (int i = 0; i < 20000; i++)
        if (sl_budget_charge(b, 3, NULL) == SL_OK)
            sl_budget_release(b, 3);
    return NULL;
}

static void charge__from_many_threads_never_passes_the_limit(void **state)
{
    (void)state;
    sl_budget parent, child;
    sl_budget_init(&parent, NULL, "parent", 7);
    sl_budget_init(&child, &parent, "child", INT64_MAX);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, charge_and_release, &child);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(sl_budget_used(&child), 0);
    assert_int_equal(sl_budget_used(&parent), 0);
    assert_true(atomic_load(&parent.peak_bytes) <= 7);
}

static void buffer__is_aligned_padded_and_charged_until_the_last_unref(void **state)
{
    (void)state;
    sl_budget b;
    sl_budget_init(&b, NULL, "b", 1 << 20);
    for (size_t size = 0; size < 300; size += 7) {
        sl_buffer *buffer = NULL;
        assert_int_equal(sl_buffer_new(size, &b, &buffer, NULL), SL_OK);
        assert_int_equal((uintptr_t)buffer->data % 64, 0);
        assert_int_equal(buffer->capacity_bytes, size);
        assert_int_equal(buffer->size_bytes, 0);
        memset(buffer->data, 0xff, size);
        for (size_t i = 0; i < 64; i++)
            assert_int_equal(buffer->data[size + i], 0);
        assert_int_equal(sl_budget_used(&b), size);
        assert_ptr_equal(sl_buffer_ref(buffer), buffer);
        sl_buffer_unref(buffer);
        assert_int_equal(sl_budget_used(&b), size);
        sl_buffer_unref(buffer);
        assert_int_equal(sl_budget_used(&b), 0);
    }
    sl_buffer_unref(NULL);
}

static void buffer__failure_leaves_output_and_budget_alone(void **state)
{
    (void)state;
    sl_budget b;
    sl_budget_init(&b, NULL, "b", 100);
    sl_buffer *buffer = NULL;
    sl_error err = { 0 };
    assert_int_equal(sl_buffer_new(101, &b, &buffer, &err), SL_EBUDGET);
    sl_alloc_fail_after(1);
    assert_int_equal(sl_buffer_new(100, &b, &buffer, &err), SL_ENOMEM);
    assert_null(buffer);
    assert_int_equal(sl_budget_used(&b), 0);
    assert_int_equal(sl_buffer_new(SIZE_MAX, NULL, &buffer, &err), SL_ENOMEM);
    assert_int_equal(sl_buffer_new(100, &b, &buffer, &err), SL_OK);
    sl_buffer_unref(buffer);
}

static void try_alloc__fails_the_nth_time_only(void **state)
{
    (void)state;
    sl_alloc_fail_after(2);
    void *first = sl_try_alloc(8);
    assert_non_null(first);
    assert_null(sl_try_aligned_alloc(64, 8));
    void *third = sl_try_alloc(0);
    assert_non_null(third);
    sl_free(first);
    sl_free(third);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(charge__counts_in_every_parent),
        cmocka_unit_test(charge__past_any_limit_changes_nothing_and_names_the_account),
        cmocka_unit_test(force__passes_the_limit_and_later_charges_are_refused),
        cmocka_unit_test(charge__from_many_threads_never_passes_the_limit),
        cmocka_unit_test(buffer__is_aligned_padded_and_charged_until_the_last_unref),
        cmocka_unit_test(buffer__failure_leaves_output_and_budget_alone),
        cmocka_unit_test(try_alloc__fails_the_nth_time_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
