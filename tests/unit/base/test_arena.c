#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/arena.h"

static void alloc__is_aligned_and_distinct(void **state)
{
    (void)state;
    sl_arena *a = sl_arena_new();
    char *blocks[2000];
    for (size_t i = 0; i < 2000; i++) {
        size_t size = i % 97 == 0 ? 5000 * i : i % 50;
        blocks[i] = sl_arena_alloc(a, size + 1);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        memset(blocks[i], (int)(i & 0x7f), size + 1);
    }
    for (size_t i = 0; i < 2000; i++) {
        size_t size = i % 97 == 0 ? 5000 * i : i % 50;
        assert_int_equal(blocks[i][0], i & 0x7f);
        assert_int_equal(blocks[i][size], i & 0x7f);
    }
    sl_arena_free(a);
}

static void copies__equal_their_source(void **state)
{
    (void)state;
    sl_arena *a = sl_arena_new();
    assert_string_equal(sl_arena_strdup(a, "hello"), "hello");
    assert_string_equal(sl_arena_strndup(a, "hello", 2), "he");
    assert_string_equal(sl_arena_strndup(a, NULL, 0), "");
    assert_string_equal(sl_arena_printf(a, "%s-%05d", "x", 42), "x-00042");
    assert_memory_equal(sl_arena_memdup(a, "abc", 3), "abc", 3);
    const uint64_t *zeroes = SL_ARENA_ARRAY(a, uint64_t, 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(zeroes[i], 0);
    sl_arena_free(a);
}

static int order[8];
static int order_count;

static void note(void *user)
{
    order[order_count++] = (int)(intptr_t)user;
}

static void defer__runs_last_first_once(void **state)
{
    (void)state;
    sl_arena *a = sl_arena_new();
    order_count = 0;
    sl_arena_defer(a, note, (void *)(intptr_t)1);
    sl_arena_defer(a, note, (void *)(intptr_t)2);
    sl_arena_reset(a);
    assert_int_equal(order_count, 2);
    assert_int_equal(order[0], 2);
    assert_int_equal(order[1], 1);
    sl_arena_reset(a);
    assert_int_equal(order_count, 2);
    sl_arena_defer(a, note, (void *)(intptr_t)3);
    sl_arena_free(a);
    assert_int_equal(order_count, 3);
}

static void reset__gives_memory_back(void **state)
{
    (void)state;
    sl_arena *a = sl_arena_new();
    for (int i = 0; i < 100; i++)
        sl_arena_alloc(a, 100000);
    size_t full = sl_arena_bytes(a);
    assert_true(full >= 100 * 100000);
    sl_arena_reset(a);
    assert_true(sl_arena_bytes(a) <= full / 4);
    sl_arena_reset(a); /* twice is fine */
    sl_arena_free(a);
    sl_arena_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alloc__is_aligned_and_distinct),
        cmocka_unit_test(copies__equal_their_source),
        cmocka_unit_test(defer__runs_last_first_once),
        cmocka_unit_test(reset__gives_memory_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
