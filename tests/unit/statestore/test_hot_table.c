/* Promises of hot tables: undo, commit, removal, strings, order of expiry, budget; and a
 * random walk against a plain model. */

#include "tests/unit/statestore/state_fixture.h"

static void upsert__a_new_slot_is_zeroed_and_marked_new_once(void **state)
{
    (void)state;
    sl_state_partition *p = fixture_new(NULL);
    begin(p, 0);
    key_list *k = malloc(sizeof *k);
    keys_clear(k);
    keys_add(k, 1, 7);
    keys_add(k, 1, 8);
    keys_add(k, 1, 7);
    uint8_t *slots[3];
    uint32_t ids[3];
    uint64_t fresh[1] = { UINT64_MAX };
    assert_ok(
        sl_state_upsert_many(sl_state_table_of(p, 1), &k->batch, ids, slots, fresh, ERR));
    assert_int_equal(fresh[0], 3);
    assert_int_equal(ids[0], ids[2]);
    assert_ptr_equal(slots[0], slots[2]);
    counted zero = { 0 };
    assert_memory_equal(slots[1], &zero, sizeof zero);
    free(k);
    sl_state_partition_free(p);
}

static void abort__restores_values_strings_and_keys(void **state)
{
    (void)state;
    sl_state_partition *p = fixture_new(NULL);
    begin(p, 0);
    put_one(p, 1, 1, 10, "one");
    put_one(p, 2, 2, 20, NULL);
    sl_buffer_unref(commit(p));
    uint64_t before = content_of(p);
    uint32_t id = find_one(p, 1, 1);
    begin(p, 1);
    put_one(p, 1, 1, 5, "changed");
    put_one(p, 1, 1, 5, "changed again");
    put_one(p, 3, 3, 1, "new");
    remove_one(p, 2, 2);
    assert_int_not_equal(content_of(p), before);
    sl_state_abort(p);
    assert_int_equal(content_of(p), before);
    assert_int_equal(find_one(p, 1, 1), id);
    assert_true(find_one(p, 3, 3) == SL_ENTRY_NONE);
    assert_int_equal(sl_state_version_of(p).batch, 0);
    assert_int_equal(sl_state_first_end(sl_state_table_of(p, 1)), 11);
    sl_state_partition_free(p);
}

static void abort__undoes_a_prepared_batch_too(void **state)
{
    (void)state;
    sl_state_partition *p = fixture_new(NULL);
    uint64_t before = content_of(p);
    begin(p, 0);
    put_one(p, 1, 1, 10, "one");
    sl_state_prepared made = prepare(p);
    assert_non_null(made.delta);
    sl_buffer_unref(made.delta);
    sl_state_abort(p);
    assert_int_equal(content_of(p), before);
    assert_int_equal(sl_state_version_of(p).id, 0);
    sl_state_partition_free(p);
}

static void figures__are_of_the_prepared_version_once_a_batch_is_prepared(void **state)
{
    sl_state_figures figures;
    (void)state;
    sl_state_partition *p = fixture_new(NULL);
    begin(p, 0);
    put_one(p, 1, 1, 10, "one");
    sl_state_figures_get(p, &figures);
    assert_int_equal(figures.row_count, 0);
    sl_state_prepared made = prepare(p);
    sl_state_figures_get(p, &figures);
    assert_int_equal(figures.row_count, 1); /* what the commit record says */
    sl_state_abort(p);
    sl_state_figures_get(p, &figures);
    assert_int_equal(figures.row_count, 0);
    sl_buffer_unref(made.delta);
    sl_state_partition_free(p);
}

static void remove__hides_the_entry_at_once_and_upsert_brings_it_back_as_new(void **state)
{
    (void)state;
    sl_state_partition *p = fixture_new(NULL);
    begin(p, 0);
    put_one(p, 1, 1, 10, "one");
    sl_buffer_unref(commit(p));
    begin(p, 1);
    remove_one(p, 1, 1);
    assert_true(find_one(p, 1, 1) == SL_ENTRY_NONE);
    assert_int_equal(sl_state_count(sl_state_table_of(p, 1)), 0);
    const uint32_t *ids;
    uint32_t count;
    assert_ok(sl_state_expired(sl_state_table_of(p, 1), 1000, &ids, &count, ERR));
    assert_int_equal(count, 0);
    put_one(p, 1, 1, 3, NULL);
    counted *c =
        (counted *)(void *)sl_state_value(sl_state_table_of(p, 1), find_one(p, 1, 1));
    assert_int_equal(c->count, 3);
    assert_null(c->text.data);
    sl_buffer_unref(commit(p));
    begin(p, 2);
    remove_one(p, 1, 1);
    sl_buffer_unref(commit(p));
    assert_int_equal(sl_state_count(sl_state_table_of(p, 1)), 0);
    assert_int_equal(sl_state_first_end(sl_state_table_of(p, 1)), INT64_MAX);
    sl_state_partition_free(p);
}

static void touched__lists_changed_groups_in_order_of_first_touch(void **state)
{
    (void)state;
    sl_state_partition *p = fixture_new(NULL);
    begin(p, 0);
    for (uint64_t i = 0; i < 5; i++)
        put_one(p, 1, i, 1, NULL);
    sl_buffer_unref(commit(p));
    sl_state_table *t = sl_state_table_of(p, 1);
    uint64_t cursor = 0;
    uint32_t ids[8];
    assert_int_equal(sl_state_touched(t, &cursor, ids, 8), 0);
    begin(p, 1);
    put_one(p, 1, 3, 0, NULL); /* touched although its value stays */
    put_one(p, 1, 1, 1, NULL);
    put_one(p, 1, 3, 1, NULL);
    put_one(p, 1, 4, 1, NULL);
    remove_one(p, 1, 4);
    cursor = 0;
    assert_int_equal(sl_state_touched(t, &cursor, ids, 8), 2);
    assert_int_equal(ids[0], find_one(p, 1, 3));
    assert_int_equal(ids[1], find_one(p, 1, 1));
    sl_state_partition_free(p);
}

/* spark:A4: everything whose end is at or before the watermark. */
static void expired__comes_in_order_of_end_and_null_times_never_expire(void **state)
{
    (void)state;
    sl_state_partition *p = fixture_new(NULL);
    sl_state_table *t = sl_state_table_of(p, 1);
    begin(p, 0);
    uint64_t seed = 7;
    put_one(p, -1, 1, 1, NULL);
    for (uint64_t i = 0; i < 5000; i++) /* enough times to make buckets coarse */
        put_one(p, (int64_t)(fixture_random(&seed) % 100000), i, 1, NULL);
    int64_t evict_us = 40000, last = INT64_MIN;
    const uint32_t *ids;
    uint32_t count, expected = 0;
    uint64_t cursor = 0;
    uint32_t id;
    while (sl_state_live(t, &cursor, &id, 1) == 1) {
        uint64_t v;
        memcpy(&v, sl_state_key(t, id).data + 1, 8);
        int64_t end = (int64_t)(__builtin_bswap64(v) ^ (UINT64_C(1) << 63)) + 10;
        expected += sl_state_key(t, id).data[0] == 1 && end <= evict_us;
    }
    assert_ok(sl_state_expired(t, evict_us, &ids, &count, ERR));
    assert_int_equal(count, expected);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t v;
        memcpy(&v, sl_state_key(t, ids[i]).data + 1, 8);
        int64_t end = (int64_t)(__builtin_bswap64(v) ^ (UINT64_C(1) << 63)) + 10;
        assert_true(end >= last && end <= evict_us);
        last = end;
    }
    assert_ok(sl_state_remove_many(t, ids, count, ERR));
    assert_ok(sl_state_expired(t, evict_us, &ids, &count, ERR));
    assert_int_equal(count, 0);
    sl_buffer_unref(commit(p));
    assert_true(sl_state_first_end(t) <= evict_us || count == 0);
    assert_ok(sl_state_expired(t, INT64_MAX, &ids, &count, ERR));
    assert_int_equal(count, 5000 - expected);
    sl_state_partition_free(p);
}

static void upsert__over_budget_names_the_operator_and_aborts_cleanly(void **state)
{
    (void)state;
    sl_budget budget;
    sl_budget_init(&budget, NULL, "query", 400000);
    sl_state_partition *p = fixture_new(&budget);
    begin(p, 0);
    for (uint64_t i = 0; i < 100; i++)
        put_one(p, 1, i, 1, "abc");
    sl_buffer_unref(commit(p));
    uint64_t before = content_of(p), number = 1000;
    begin(p, 1);
    key_list *k = malloc(sizeof *k);
    uint8_t *slots[FIXTURE_KEYS_MAX];
    sl_code code = SL_OK;
    while (code == SL_OK) {
        keys_clear(k);
        for (int i = 0; i < 300; i++)
            keys_add(k, 1, number++);
        code = sl_state_upsert_many(sl_state_table_of(p, 1), &k->batch, NULL, slots, NULL,
                                    ERR);
    }
    free(k);
    assert_int_equal(code, SL_EBUDGET);
    assert_non_null(strstr(fixture_error.text, "operator 1 (max of a string)"));
    assert_int_equal(sl_state_phase_of(p), SL_STATE_FAILED);
    sl_state_prepared made;
    assert_int_equal(sl_state_prepare(p, &made, ERR), SL_EINTERNAL);
    sl_state_abort(p);
    assert_int_equal(content_of(p), before);
    begin(p, 1);
    put_one(p, 1, 1, 1, "fits again");
    sl_buffer_unref(commit(p));
    sl_state_partition_free(p);
    assert_int_equal(sl_budget_used(&budget), 0);
}

static void life_cycle__refuses_moves_that_are_not_in_the_table(void **state)
{
    (void)state;
    sl_state_partition *p = fixture_new(NULL);
    sl_state_prepared made;
    uint8_t *slot = NULL;
    key_list *k = malloc(sizeof *k);
    keys_clear(k);
    keys_add(k, 1, 1);
    sl_state_table *t = sl_state_table_of(p, 1);
    assert_int_equal(sl_state_prepare(p, &made, ERR), SL_EINTERNAL);
    assert_int_equal(sl_state_upsert_many(t, &k->batch, NULL, &slot, NULL, ERR),
                     SL_EINTERNAL);
    assert_int_equal(sl_state_commit(p, (sl_state_version){ 0, 0 }, ERR), SL_EINTERNAL);
    assert_int_equal(sl_state_begin(p, 0, (sl_state_version){ -1, 3 }, ERR),
                     SL_EINTERNAL);
    begin(p, 0);
    assert_int_equal(sl_state_begin(p, 0, SL_STATE_VERSION_EMPTY, ERR), SL_EINTERNAL);
    put_one(p, 1, 1, 1, NULL);
    made = prepare(p);
    assert_int_equal(sl_state_upsert_many(t, &k->batch, NULL, &slot, NULL, ERR),
                     SL_EINTERNAL);
    assert_int_equal(
        sl_state_commit(p, (sl_state_version){ 0, made.version.id + 1 }, ERR),
        SL_EINTERNAL);
    assert_ok(sl_state_commit(p, made.version, ERR));
    assert_ok(sl_state_skip_to(p, 9, ERR));
    assert_int_equal(sl_state_begin(p, 9, sl_state_version_of(p), ERR), SL_EINTERNAL);
    sl_buffer_unref(made.delta);
    free(k);
    sl_state_partition_free(p);
}

/* Every nth allocation fails: the batch fails, abort restores. */
static void fault_sweep__a_failed_allocation_leaves_the_old_state(void **state)
{
    (void)state;
    bool failed_once = false;
    for (uint64_t nth = 1;; nth++) {
        sl_state_partition *p = fixture_new(NULL);
        begin(p, 0);
        put_one(p, 1, 1, 1, "old");
        sl_buffer_unref(commit(p));
        uint64_t before = content_of(p);
        begin(p, 1);
        key_list *k = malloc(sizeof *k);
        static uint8_t *slots[FIXTURE_KEYS_MAX];
        sl_state_table *t = sl_state_table_of(p, 1);
        sl_alloc_fail_after(nth);
        sl_code code = SL_OK;
        for (uint64_t round = 0; round < 4 && code == SL_OK; round++) {
            keys_clear(k);
            for (uint64_t i = 0; i < 400; i++)
                keys_add(k, (int64_t)(i * 3 + round), i);
            code = sl_state_upsert_many(t, &k->batch, NULL, slots, NULL, ERR);
            if (code == SL_OK)
                code = sl_state_set_blob(t, slots[9], 0, sl_span_text("new text"), ERR);
        }
        sl_state_prepared made = { 0 };
        if (code == SL_OK)
            code = sl_state_prepare(p, &made, ERR);
        sl_alloc_fail_after(0);
        free(k);
        sl_buffer_unref(made.delta);
        sl_state_abort(p);
        assert_int_equal(content_of(p), before);
        begin(p, 1);
        put_one(p, 1, 2, 1, NULL);
        sl_buffer_unref(commit(p));
        sl_state_partition_free(p);
        if (code == SL_OK)
            break;
        assert_int_equal(code, SL_ENOMEM);
        failed_once = true;
    }
    assert_true(failed_once);
}

/* ---- against a model ---- */

#define MODEL_TIMES 8
#define MODEL_NUMBERS 64

typedef struct model_row {
    bool there;
    uint64_t count;
    char text[24];
} model_row;

typedef struct model {
    model_row rows[MODEL_TIMES][MODEL_NUMBERS];
} model;

static void compare(sl_state_partition *p, const model *m)
{
    sl_state_table *t = sl_state_table_of(p, 1);
    uint32_t rows = 0;
    for (int64_t time = 0; time < MODEL_TIMES; time++)
        for (uint64_t number = 0; number < MODEL_NUMBERS; number++) {
            const model_row *r = &m->rows[time][number];
            uint32_t id = find_one(p, time * 100, number);
            assert_int_equal(id != SL_ENTRY_NONE, r->there);
            if (!r->there)
                continue;
            rows++;
            counted *c = (counted *)(void *)sl_state_value(t, id);
            assert_int_equal(c->count, r->count);
            assert_int_equal(c->text.size_bytes, strlen(r->text));
            if (c->text.size_bytes > 0)
                assert_memory_equal(c->text.data, r->text, c->text.size_bytes);
        }
    assert_int_equal(sl_state_count(t), rows);
}

static void model_put(sl_state_partition *p, model *m, uint64_t *seed)
{
    uint64_t time = fixture_random(seed) % MODEL_TIMES;
    uint64_t number = fixture_random(seed) % MODEL_NUMBERS;
    uint64_t add = fixture_random(seed) % 5;
    char text[24] = "";
    bool with_text = fixture_random(seed) % 3 == 0;
    if (with_text && fixture_random(seed) % 4 != 0)
        snprintf(text, sizeof text, "t%" PRIu64, fixture_random(seed));
    put_one(p, (int64_t)time * 100, number, add, with_text ? text : NULL);
    model_row *r = &m->rows[time][number];
    r->there = true;
    r->count += add;
    if (with_text)
        memcpy(r->text, text, sizeof text);
}

static void model_remove(sl_state_partition *p, model *m, uint64_t *seed)
{
    uint64_t time = fixture_random(seed) % MODEL_TIMES;
    uint64_t number = fixture_random(seed) % MODEL_NUMBERS;
    if (!m->rows[time][number].there)
        return;
    remove_one(p, (int64_t)time * 100, number);
    memset(&m->rows[time][number], 0, sizeof(model_row));
}

static void model_expire(sl_state_partition *p, model *m, uint64_t *seed)
{
    int64_t evict_us = (int64_t)(fixture_random(seed) % MODEL_TIMES) * 100 + 10;
    const uint32_t *ids;
    uint32_t count, expected = 0;
    sl_state_table *t = sl_state_table_of(p, 1);
    assert_ok(sl_state_expired(t, evict_us, &ids, &count, ERR));
    for (int64_t time = 0; time * 100 + 10 <= evict_us; time++)
        for (uint64_t number = 0; number < MODEL_NUMBERS; number++) {
            expected += m->rows[time][number].there;
            memset(&m->rows[time][number], 0, sizeof(model_row));
        }
    assert_int_equal(count, expected);
    assert_ok(sl_state_remove_many(t, ids, count, ERR));
}

static void random_walk__equals_a_plain_map_over_commits_and_aborts(void **state)
{
    (void)state;
    const char *given = getenv("SLUICE_TEST_SEED");
    for (uint64_t walk = 1; walk <= 12; walk++) {
        uint64_t seed = given ? strtoull(given, NULL, 10) : walk * 7919;
        print_message("seed %" PRIu64 "\n", seed);
        sl_budget budget;
        sl_budget_init(&budget, NULL, "query", INT64_MAX);
        sl_state_partition *p = fixture_new(&budget);
        model *committed = calloc(1, sizeof *committed), *now = calloc(1, sizeof *now);
        for (int64_t batch = 0; batch < 40; batch++) {
            memcpy(now, committed, sizeof *now);
            begin(p, batch + (int64_t)walk);
            uint64_t steps = fixture_random(&seed) % 120;
            for (uint64_t s = 0; s < steps; s++) {
                uint64_t what = fixture_random(&seed) % 100;
                if (what < 75)
                    model_put(p, now, &seed);
                else if (what < 98)
                    model_remove(p, now, &seed);
                else
                    model_expire(p, now, &seed);
            }
            compare(p, now);
            if (fixture_random(&seed) % 3 == 0) {
                if (fixture_random(&seed) % 2 == 0)
                    sl_buffer_unref(prepare(p).delta);
                sl_state_abort(p);
                compare(p, committed);
                assert_ok(sl_state_skip_to(p, batch + (int64_t)walk, ERR));
            } else {
                sl_buffer_unref(commit(p));
                compare(p, now);
                memcpy(committed, now, sizeof *now);
            }
            uint64_t hash;
            sl_buffer *full = NULL; /* checks the running sum against the rows */
            assert_ok(sl_state_full_delta(p, &full, &hash, ERR));
            sl_buffer_unref(full);
        }
        free(committed);
        free(now);
        sl_state_partition_free(p);
        assert_int_equal(sl_budget_used(&budget), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(upsert__a_new_slot_is_zeroed_and_marked_new_once),
        cmocka_unit_test(abort__restores_values_strings_and_keys),
        cmocka_unit_test(abort__undoes_a_prepared_batch_too),
        cmocka_unit_test(figures__are_of_the_prepared_version_once_a_batch_is_prepared),
        cmocka_unit_test(
            remove__hides_the_entry_at_once_and_upsert_brings_it_back_as_new),
        cmocka_unit_test(touched__lists_changed_groups_in_order_of_first_touch),
        cmocka_unit_test(expired__comes_in_order_of_end_and_null_times_never_expire),
        cmocka_unit_test(upsert__over_budget_names_the_operator_and_aborts_cleanly),
        cmocka_unit_test(life_cycle__refuses_moves_that_are_not_in_the_table),
        cmocka_unit_test(fault_sweep__a_failed_allocation_leaves_the_old_state),
        cmocka_unit_test(random_walk__equals_a_plain_map_over_commits_and_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
