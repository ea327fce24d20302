#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bitmap.h"
#include "base/hash.h"
#include "base/hash_table.h"

/* A batch of keys under construction. */
typedef struct batch {
    sl_bytes data;
    uint32_t offsets[5001];
    uint64_t hashes[5000];
    uint32_t ids[5000];
    uint64_t is_new[80];
    uint32_t count;
} batch;

static batch *new_batch(void)
{
    return calloc(1, sizeof(batch));
}

static void free_batch(batch *b)
{
    sl_bytes_deinit(&b->data);
    free(b);
}

static void clear_batch(batch *b)
{
    sl_bytes_clear(&b->data);
    b->count = 0;
}

static void add_key(batch *b, const void *key, size_t length)
{
    sl_bytes_append(&b->data, key, length);
    b->hashes[b->count] = sl_hash64(key, length);
    b->offsets[++b->count] = (uint32_t)b->data.size_bytes;
}

/* Number as a key of its own length: 4 to 43 bytes, so near and far keys mix. */
static void add_number(batch *b, uint32_t number)
{
    char key[64];
    int length = snprintf(key, sizeof key, "%04u%.*s", number, (int)(number % 40),
                          "........................................");
    add_key(b, key, (size_t)length);
}

static sl_key_batch keys_of(const batch *b)
{
    return (sl_key_batch){ b->data.data, b->offsets, b->hashes, b->count };
}

static sl_hash_table *new_table(uint32_t width, sl_budget *budget)
{
    sl_hash_table *t = NULL;
    assert_int_equal(sl_hash_table_new(width, budget, &t, NULL), SL_OK);
    return t;
}

static void upsert(sl_hash_table *t, batch *b)
{
    sl_key_batch keys = keys_of(b);
    assert_int_equal(sl_hash_table_upsert_many(t, &keys, b->ids, b->is_new, NULL), SL_OK);
}

static void get(const sl_hash_table *t, batch *b)
{
    sl_key_batch keys = keys_of(b);
    sl_hash_table_get_many(t, &keys, b->ids);
}

static void upsert__gives_one_entry_to_equal_keys_of_a_batch(void **state)
{
    (void)state;
    sl_hash_table *t = new_table(8, NULL);
    batch *b = new_batch();
    add_key(b, "a", 1);
    add_key(b, "", 0);
    add_key(b, "a", 1);
    add_key(b, "a\0", 2);
    add_key(b, "", 0);
    upsert(t, b);
    assert_int_equal(b->ids[0], b->ids[2]);
    assert_int_equal(b->ids[1], b->ids[4]);
    assert_int_not_equal(b->ids[0], b->ids[3]);
    assert_int_equal(b->is_new[0], 0x0b);
    assert_int_equal(sl_hash_table_count(t), 3);
    assert_int_equal(sl_hash_table_id_end(t), 3);
    upsert(t, b);
    assert_int_equal(b->is_new[0], 0);
    free_batch(b);
    sl_hash_table_free(t);
    sl_hash_table_free(NULL);
}

static void values__start_zeroed_and_never_move(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    sl_hash_table *t = new_table(12, NULL);
    batch *b = new_batch();
    static uint8_t *slots[COUNT];
    for (uint32_t n = 0; n < COUNT; n++) {
        clear_batch(b);
        add_number(b, n);
        upsert(t, b);
        assert_int_equal(b->ids[0], n);
        slots[n] = sl_hash_table_value(t, n);
        assert_int_equal((uintptr_t)slots[n] % 8, 0);
        for (int i = 0; i < 12; i++)
            assert_int_equal(slots[n][i], 0);
        memcpy(slots[n], &n, 4);
        memset(slots[n] + 4, 0xee, 8);
    }
    for (uint32_t n = 0; n < COUNT; n++) {
        uint32_t found;
        assert_ptr_equal(sl_hash_table_value(t, n), slots[n]);
        memcpy(&found, slots[n], 4);
        assert_int_equal(found, n);
    }
    const uint32_t ids[] = { 7, 19999, 7 };
    uint8_t *found[3];
    sl_hash_table_values(t, ids, 3, found);
    assert_ptr_equal(found[0], slots[7]);
    assert_ptr_equal(found[1], slots[19999]);
    assert_ptr_equal(found[2], slots[7]);
    free_batch(b);
    sl_hash_table_free(t);
}

static void get__finds_what_is_there_and_nothing_else(void **state)
{
    (void)state;
    sl_hash_table *t = new_table(0, NULL);
    batch *b = new_batch();
    for (uint32_t n = 0; n < 5000; n++)
        add_number(b, n * 2);
    get(t, b);
    for (uint32_t n = 0; n < 5000; n++)
        assert_int_equal(b->ids[n], SL_ENTRY_NONE);
    upsert(t, b);
    clear_batch(b);
    for (uint32_t n = 0; n < 5000; n++)
        add_number(b, n);
    get(t, b);
    for (uint32_t n = 0; n < 5000; n++) {
        assert_int_equal(b->ids[n], n % 2 == 0 ? n / 2 : SL_ENTRY_NONE);
        if (n % 2 != 0)
            continue;
        sl_span key = sl_hash_table_key(t, b->ids[n]);
        assert_true(sl_span_equal(key, sl_span_of(b->data.data + b->offsets[n],
                                                  b->offsets[n + 1] - b->offsets[n])));
        assert_true(sl_hash_table_hash(t, b->ids[n]) == b->hashes[n]);
    }
    free_batch(b);
    sl_hash_table_free(t);
}

/* All hashes equal, then all equal in their low half: slow, but right. */
static void table__is_right_when_hashes_collide(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        sl_hash_table *t = new_table(4, NULL);
        batch *b = new_batch();
        for (uint32_t n = 0; n < 500; n++) {
            add_number(b, n);
            b->hashes[n] = round == 0 ? 42 : (uint64_t)n << 32;
        }
        upsert(t, b);
        assert_int_equal(sl_hash_table_count(t), 500);
        for (uint32_t id = 0; id < 500; id += 3)
            sl_hash_table_remove(t, id);
        get(t, b);
        for (uint32_t n = 0; n < 500; n++)
            assert_int_equal(b->ids[n], n % 3 == 0 ? SL_ENTRY_NONE : n);
        free_batch(b);
        sl_hash_table_free(t);
    }
}

/* Against a plain array as the model. */
static void table__equals_a_model_under_random_changes(void **state)
{
    (void)state;
    enum { KEYS = 3000 };
    static uint32_t id_of[KEYS];
    static uint64_t value_of[KEYS];
    memset(id_of, 0xff, sizeof id_of);
    sl_hash_table *t = new_table(8, NULL);
    batch *b = new_batch();
    uint64_t random = 12345, stamp = 0;
    uint32_t live = 0;
    for (int step = 0; step < 400; step++) {
        clear_batch(b);
        uint32_t picked[64];
        for (int i = 0; i < 64; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            picked[i] = (uint32_t)(random >> 33) % KEYS;
            add_number(b, picked[i]);
        }
        upsert(t, b);
        for (int i = 0; i < 64; i++) {
            uint32_t n = picked[i];
            bool is_new = sl_bitmap_get(b->is_new, (size_t)i);
            assert_int_equal(is_new, id_of[n] == SL_ENTRY_NONE);
            uint64_t value;
            memcpy(&value, sl_hash_table_value(t, b->ids[i]), 8);
            assert_true(value == (is_new ? 0 : value_of[n]));
            if (!is_new)
                assert_int_equal(id_of[n], b->ids[i]);
            live += is_new;
            id_of[n] = b->ids[i];
            value_of[n] = ++stamp;
            memcpy(sl_hash_table_value(t, b->ids[i]), &stamp, 8);
        }
        for (int i = 0; i < 60; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            uint32_t n = (uint32_t)(random >> 33) % KEYS;
            if (id_of[n] == SL_ENTRY_NONE)
                continue;
            sl_hash_table_remove(t, id_of[n]);
            assert_false(sl_hash_table_is_live(t, id_of[n]));
            id_of[n] = SL_ENTRY_NONE;
            live--;
        }
        assert_int_equal(sl_hash_table_count(t), live);
    }
    clear_batch(b);
    for (uint32_t n = 0; n < KEYS; n++)
        add_number(b, n);
    get(t, b);
    for (uint32_t n = 0; n < KEYS; n++)
        assert_int_equal(b->ids[n], id_of[n]);
    free_batch(b);
    sl_hash_table_free(t);
}

static void remove__frees_the_id_for_reuse_with_a_zeroed_value(void **state)
{
    (void)state;
    sl_hash_table *t = new_table(8, NULL);
    batch *b = new_batch();
    add_number(b, 1);
    add_number(b, 2);
    upsert(t, b);
    memset(sl_hash_table_value(t, 0), 0xff, 8);
    sl_hash_table_remove(t, 0);
    assert_true(sl_hash_table_is_live(t, 1));
    assert_false(sl_hash_table_is_live(t, 2));
    clear_batch(b);
    add_number(b, 3);
    upsert(t, b);
    assert_int_equal(b->ids[0], 0);
    assert_int_equal(b->is_new[0], 1);
    assert_memory_equal(sl_hash_table_value(t, 0), "\0\0\0\0\0\0\0\0", 8);
    assert_int_equal(sl_hash_table_id_end(t), 2);
    free_batch(b);
    sl_hash_table_free(t);
}

/* A table in steady state must not grow by the keys that passed through it. */
static void remove__lets_key_bytes_be_used_again(void **state)
{
    (void)state;
    sl_hash_table *t = new_table(8, NULL);
    batch *b = new_batch();
    int64_t early = 0;
    for (uint32_t round = 0; round < 200; round++) {
        clear_batch(b);
        for (uint32_t n = 0; n < 500; n++) {
            char key[200];
            memset(key, 'k', sizeof key);
            memcpy(key, &round, 4);
            memcpy(key + 4, &n, 4);
            add_key(b, key, sizeof key);
        }
        upsert(t, b);
        if (round == 10)
            early = sl_hash_table_bytes(t);
        for (uint32_t n = 0; n < 500 && round != 199; n++)
            sl_hash_table_remove(t, b->ids[n]);
    }
    assert_true(sl_hash_table_bytes(t) <= 2 * early);
    for (uint32_t n = 0; n < 500; n++) {
        sl_span key = sl_hash_table_key(t, b->ids[n]);
        assert_memory_equal(key.data, b->data.data + b->offsets[n], 200);
    }
    free_batch(b);
    sl_hash_table_free(t);
}

static void clear__drops_all_and_keeps_the_memory(void **state)
{
    (void)state;
    sl_hash_table *t = new_table(8, NULL);
    batch *b = new_batch();
    for (uint32_t n = 0; n < 5000; n++)
        add_number(b, n);
    upsert(t, b);
    int64_t bytes = sl_hash_table_bytes(t);
    for (int round = 0; round < 3; round++) {
        sl_hash_table_clear(t);
        assert_int_equal(sl_hash_table_count(t), 0);
        assert_int_equal(sl_hash_table_id_end(t), 0);
        get(t, b);
        assert_int_equal(b->ids[17], SL_ENTRY_NONE);
        upsert(t, b);
        assert_int_equal(sl_hash_table_count(t), 5000);
        assert_int_equal(sl_hash_table_bytes(t), bytes);
    }
    free_batch(b);
    sl_hash_table_free(t);
}

/* Whatever is refused, a prefix of the batch is there and the table goes on. */
static void check_prefix(sl_hash_table *t, batch *b, sl_code code)
{
    uint32_t there = sl_hash_table_count(t);
    assert_true(there < b->count);
    assert_true(code == SL_EBUDGET || code == SL_ENOMEM);
    get(t, b);
    for (uint32_t n = 0; n < b->count; n++)
        assert_int_equal(b->ids[n], n < there ? n : SL_ENTRY_NONE);
}

static void upsert__over_budget_leaves_a_usable_prefix(void **state)
{
    (void)state;
    batch *b = new_batch();
    for (uint32_t n = 0; n < 5000; n++)
        add_number(b, n);
    sl_key_batch keys = keys_of(b);
    for (int64_t limit = 0; limit < 700000; limit += 20011) {
        sl_budget budget;
        sl_error err = { 0 };
        sl_hash_table *t = NULL;
        sl_budget_init(&budget, NULL, "query", limit);
        if (sl_hash_table_new(8, &budget, &t, &err) != SL_OK) {
            assert_null(t);
            continue;
        }
        sl_code code = sl_hash_table_upsert_many(t, &keys, b->ids, NULL, &err);
        if (code != SL_OK) {
            check_prefix(t, b, code);
            budget.limit_bytes = INT64_MAX;
            assert_int_equal(sl_hash_table_upsert_many(t, &keys, b->ids, NULL, NULL),
                             SL_OK);
        }
        assert_int_equal(sl_hash_table_count(t), 5000);
        assert_int_equal(sl_budget_used(&budget), sl_hash_table_bytes(t));
        sl_hash_table_free(t);
        assert_int_equal(sl_budget_used(&budget), 0);
    }
    free_batch(b);
}

static void fault_sweep__every_allocation_may_fail(void **state)
{
    (void)state;
    batch *b = new_batch();
    for (uint32_t n = 0; n < 5000; n++)
        add_number(b, n);
    sl_key_batch keys = keys_of(b);
    bool clean = false;
    for (uint64_t nth = 1; !clean; nth++) {
        sl_budget budget;
        sl_hash_table *t = NULL;
        sl_budget_init(&budget, NULL, "query", INT64_MAX);
        sl_alloc_fail_after(nth);
        sl_code code = sl_hash_table_new(8, &budget, &t, NULL);
        if (code == SL_OK)
            code = sl_hash_table_upsert_many(t, &keys, b->ids, NULL, NULL);
        sl_alloc_fail_after(0);
        clean = code == SL_OK;
        if (t && !clean) {
            check_prefix(t, b, code);
            assert_int_equal(sl_hash_table_upsert_many(t, &keys, b->ids, NULL, NULL),
                             SL_OK);
        }
        if (t)
            assert_int_equal(sl_hash_table_count(t), 5000);
        sl_hash_table_free(t);
        assert_int_equal(sl_budget_used(&budget), 0);
        assert_true(nth < 1000);
    }
    free_batch(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(upsert__gives_one_entry_to_equal_keys_of_a_batch),
        cmocka_unit_test(values__start_zeroed_and_never_move),
        cmocka_unit_test(get__finds_what_is_there_and_nothing_else),
        cmocka_unit_test(table__is_right_when_hashes_collide),
        cmocka_unit_test(table__equals_a_model_under_random_changes),
        cmocka_unit_test(remove__frees_the_id_for_reuse_with_a_zeroed_value),
        cmocka_unit_test(remove__lets_key_bytes_be_used_again),
        cmocka_unit_test(clear__drops_all_and_keeps_the_memory),
        cmocka_unit_test(upsert__over_budget_leaves_a_usable_prefix),
        cmocka_unit_test(fault_sweep__every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
