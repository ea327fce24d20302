/* state_fixture.h - a small state partition and keys for it, for the tests of this room.
 */

#ifndef SL_TESTS_STATE_FIXTURE_H
#define SL_TESTS_STATE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bitmap.h"
#include "base/hash.h"
#include "statestore/delta.h"
#include "statestore/statestore.h"

#define assert_ok(x)                                                                     \
    do {                                                                                 \
        sl_code code_ = (x);                                                             \
        if (code_ != SL_OK)                                                              \
            fail_msg("%s: %s: %s", #x, sl_code_name(code_), fixture_error.text);         \
    } while (0)

static sl_error fixture_error;
#define ERR (&fixture_error)

/* Operator 1: a count and one string (as max() of a string has), keyed by time then text.
 * Operator 2: a bare count. */
typedef struct counted {
    uint64_t count;
    sl_state_blob text;
} counted;

static const uint32_t fixture_blobs[] = { offsetof(counted, text) };

static const sl_state_operator fixture_operators[2] = {
    { .operator_id = 1,
      .name = "max of a string",
      .value_width = sizeof(counted),
      .blob_offsets = fixture_blobs,
      .blob_count = 1,
      .time_kind = SL_STATE_TIME_AT,
      .window_us = 10 },
    { .operator_id = 2, .name = "count", .value_width = 8 },
};

static inline sl_state_config fixture_config(sl_budget *budget)
{
    return (sl_state_config){ .query_hash = 0x1122334455667788,
                              .partition = 5,
                              .group_first = 0,
                              .group_end = 4096,
                              .operators = fixture_operators,
                              .operator_count = 2,
                              .budget = budget };
}

static inline sl_state_partition *fixture_new(sl_budget *budget)
{
    sl_state_config config = fixture_config(budget);
    sl_state_partition *p = NULL;
    assert_ok(sl_state_partition_new(&config, &p, ERR));
    return p;
}

/* A key of a time and a number, in row_key's encoding; negative time: null. */
static inline size_t fixture_key(uint8_t *at, int64_t time_us, uint64_t number)
{
    size_t n = 0;
    if (time_us < 0) {
        at[n++] = 0x00;
    } else {
        at[n++] = 0x01;
        uint64_t v = __builtin_bswap64((uint64_t)time_us ^ (UINT64_C(1) << 63));
        memcpy(at + n, &v, 8);
        n += 8;
    }
    number = __builtin_bswap64(number);
    at[n++] = 0x01;
    memcpy(at + n, &number, 8);
    return n + 8;
}

/* A batch of keys built one by one. */
#define FIXTURE_KEYS_MAX 512
typedef struct key_list {
    uint8_t data[FIXTURE_KEYS_MAX * 24];
    uint32_t offsets[FIXTURE_KEYS_MAX + 1];
    uint64_t hashes[FIXTURE_KEYS_MAX];
    sl_key_batch batch;
} key_list;

static inline void keys_clear(key_list *k)
{
    k->offsets[0] = 0;
    k->batch = (sl_key_batch){ k->data, k->offsets, k->hashes, 0 };
}

static inline void keys_add(key_list *k, int64_t time_us, uint64_t number)
{
    uint32_t i = k->batch.count++;
    size_t n = fixture_key(k->data + k->offsets[i], time_us, number);
    k->hashes[i] = sl_hash64(k->data + k->offsets[i], n);
    k->offsets[i + 1] = k->offsets[i] + (uint32_t)n;
}

static inline uint64_t fixture_random(uint64_t *seed)
{
    *seed += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = *seed;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* count += add, and text if given, of one key of operator 1. */
static inline void put_one(sl_state_partition *p, int64_t time_us, uint64_t number,
                           uint64_t add, const char *text)
{
    key_list *k = malloc(sizeof *k);
    keys_clear(k);
    keys_add(k, time_us, number);
    sl_state_table *t = sl_state_table_of(p, 1);
    uint8_t *slot;
    assert_ok(sl_state_upsert_many(t, &k->batch, NULL, &slot, NULL, ERR));
    ((counted *)(void *)slot)->count += add;
    if (text)
        assert_ok(sl_state_set_blob(t, slot, 0, sl_span_text(text), ERR));
    free(k);
}

static inline uint32_t find_one(sl_state_partition *p, int64_t time_us, uint64_t number)
{
    key_list *k = malloc(sizeof *k);
    keys_clear(k);
    keys_add(k, time_us, number);
    uint32_t id;
    sl_state_get_many(sl_state_table_of(p, 1), &k->batch, &id);
    free(k);
    return id;
}

static inline void remove_one(sl_state_partition *p, int64_t time_us, uint64_t number)
{
    uint32_t id = find_one(p, time_us, number);
    assert_true(id != SL_ENTRY_NONE);
    assert_ok(sl_state_remove_many(sl_state_table_of(p, 1), &id, 1, ERR));
}

static inline void begin(sl_state_partition *p, int64_t batch)
{
    assert_ok(sl_state_begin(p, batch, sl_state_version_of(p), ERR));
}

static inline sl_state_prepared prepare(sl_state_partition *p)
{
    sl_state_prepared made = { 0 };
    assert_ok(sl_state_prepare(p, &made, ERR));
    return made;
}

/* Prepare and commit; the delta is the caller's, NULL if empty. */
static inline sl_buffer *commit(sl_state_partition *p)
{
    sl_state_prepared made = prepare(p);
    assert_ok(sl_state_commit(p, made.version, ERR));
    return made.delta;
}

/* A sum over all rows of both operators that does not depend on their order; and it
 * compares the counters with the rows. */
static inline uint64_t content_of(sl_state_partition *p)
{
    uint64_t sum = 0, rows = 0;
    for (uint32_t op = 1; op <= 2; op++) {
        sl_state_table *t = sl_state_table_of(p, op);
        uint64_t cursor = 0;
        uint32_t id, count = 0;
        while (sl_state_live(t, &cursor, &id, 1) == 1) {
            sl_span key = sl_state_key(t, id);
            uint8_t *value = sl_state_value(t, id);
            uint64_t h = sl_hash64(key.data, key.size_bytes) + op;
            h = sl_state_mix(h, *(uint64_t *)(void *)value);
            if (op == 1) {
                counted *c = (counted *)(void *)value;
                h = sl_state_mix(h, sl_hash64(c->text.data, c->text.size_bytes));
            }
            sum += h;
            count++;
        }
        assert_int_equal(count, sl_state_count(t));
        rows += count;
    }
    return sum + rows;
}

#endif /* SL_TESTS_STATE_FIXTURE_H */
