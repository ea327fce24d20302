/* Unit tests of the order in which groups leave: against qsort over whole keys. */
#include <stdlib.h>

#include "engine/exec/operator_private.h"
#include "tests/unit/engine/exec/exec_harness.h"

static int by_bytes(const void *left, const void *right)
{
    const sl_span *a = left, *b = right;
    size_t size = a->size_bytes < b->size_bytes ? a->size_bytes : b->size_bytes;
    int order = size != 0 ? memcmp(a->data, b->data, size) : 0;
    return order != 0 ? order
                      : (a->size_bytes > b->size_bytes) - (a->size_bytes < b->size_bytes);
}

static uint64_t random_state;
static uint32_t draw(uint32_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % below);
}

/* count keys of least..most bytes over an alphabet, behind `same` equal bytes. */
static void check(uint32_t count, uint32_t same, uint32_t least, uint32_t most,
                  uint32_t alphabet)
{
    sl_error err;
    sl_budget budget;
    sl_budget_init(&budget, NULL, "test", INT64_MAX);
    sl_exec__groups g;
    sl_exec__groups_init(&g, 1000, &budget);
    OK(sl_exec__groups_reserve(&g, count + 1, &err));
    sl_span *keys = calloc(count + 1, sizeof *keys);
    uint8_t *bytes = calloc(count + 1, same + most);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *key = bytes + (size_t)i * (same + most);
        uint32_t size = same + least + draw(most - least + 1);
        memset(key, 7, same);
        for (uint32_t b = same; b < size; b++)
            key[b] = (uint8_t)(draw(alphabet) * (256 / alphabet));
        keys[i] = sl_span_of(key, size);
        sl_exec__groups_add(&g, i, keys[i]);
    }
    OK(sl_exec__groups_sort(&g, &err));
    qsort(keys, count, sizeof *keys, by_bytes);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(sl_span_equal(g.list[i].key, keys[i]));
        assert_ptr_equal(g.list[i].key.data, /* the id went with its key */
                         bytes + (size_t)g.list[i].id * (same + most));
    }
    sl_exec__groups_deinit(&g);
    assert_int_equal(sl_budget_used(&budget), 0);
    free(keys);
    free(bytes);
}

static void groups_sort__orders_keys_as_memcmp_does(void **state)
{
    (void)state;
    random_state = 20180302;
    print_message("seed %llu\n", (unsigned long long)random_state);
    const uint32_t counts[] = { 0, 1, 2, 47, 48, 49, 300, 5000 };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        check(counts[i], 0, 0, 12, 256);
        check(counts[i], 2, 6, 6, 16);   /* distinct in the first word */
        check(counts[i], 6, 0, 9, 2);    /* many equal in it, short ones among them */
        check(counts[i], 8, 0, 20, 4);   /* equal in it, some equal in the second */
        check(counts[i], 17, 0, 3, 128); /* equal in both */
    }
}

static void groups_sort__over_budget_changes_nothing(void **state)
{
    (void)state;
    sl_error err;
    sl_budget budget;
    sl_exec__groups g;
    sl_budget_init(&budget, NULL, "test", 2 * 48 + 16);
    sl_exec__groups_init(&g, 10, &budget);
    OK(sl_exec__groups_reserve(&g, 2, &err));
    sl_exec__groups_add(&g, 0, sl_span_of("b", 1));
    sl_exec__groups_add(&g, 1, sl_span_of("a", 1));
    assert_int_equal(sl_exec__groups_sort(&g, &err), SL_EBUDGET);
    assert_int_equal(g.list[0].id, 0);
    sl_exec__groups_deinit(&g);
    assert_int_equal(sl_budget_used(&budget), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_sort__orders_keys_as_memcmp_does),
        cmocka_unit_test(groups_sort__over_budget_changes_nothing),
    };
    return cmocka_run_group_tests_name("engine/exec group sort", tests, NULL, NULL);
}
