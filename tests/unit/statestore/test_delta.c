/* Promises of delta bytes: golden bytes, what is in them, ids equal between attempts, and
 * no harm from bad bytes. */

#include "tests/unit/statestore/state_fixture.h"

/* The delta of a fixed small batch, byte for byte as version 1 writes it: docs/formats/
 * delta.md. If this fails the format changed: checkpoints in the field cannot be read. */
static const char golden_delta[] =
    "534c44454c54413101000000010000008877665544332211050000000100000000000000"
    "001000000100000000000000e681adfdd511f7c346535ac2a6d231ce0300000000000000"
    "9a0000000000000002000000000000006800000000000000a9e3d9cfaf35b25f4b233fc2"
    "6bfb924efa61bf3734c82ff7010000001800000003000000000000008200000000000000"
    "120000001c00000001800000000000006401000000000000000108000000000000000000"
    "00000000000004000000000000007465787412000000180000000180000000000000c801"
    "000000000000000305000000000000000000000000000000000000000000000012000080"
    "00000000018000000000000064010000000000000002";

static char *hex_of(const uint8_t *data, size_t size)
{
    char *text = malloc(size * 2 + 1);
    for (size_t i = 0; i < size; i++)
        snprintf(text + i * 2, 3, "%02x", data[i]);
    return text;
}

static sl_state_partition *two_batches(sl_buffer **ret_second)
{
    sl_state_partition *p = fixture_new(NULL);
    begin(p, 0);
    put_one(p, 100, 1, 7, "old");
    put_one(p, 100, 2, 9, NULL);
    sl_buffer_unref(commit(p));
    begin(p, 1);
    put_one(p, 100, 1, 1, "text");
    put_one(p, 200, 3, 5, NULL);
    remove_one(p, 100, 2);
    *ret_second = commit(p);
    return p;
}

static void build__writes_the_golden_bytes(void **state)
{
    (void)state;
    sl_buffer *delta;
    sl_state_partition *p = two_batches(&delta);
    char *hex = hex_of(delta->data, delta->size_bytes);
    if (strcmp(hex, golden_delta) != 0)
        print_message("%s\n", hex);
    assert_string_equal(hex, golden_delta);
    free(hex);
    sl_buffer_unref(delta);
    sl_state_partition_free(p);
}

static void build__holds_the_last_value_of_each_changed_key_only(void **state)
{
    (void)state;
    sl_state_partition *p = fixture_new(NULL);
    begin(p, 0);
    put_one(p, 1, 1, 5, "a");
    put_one(p, 1, 2, 5, "b");
    sl_buffer_unref(commit(p));
    begin(p, 3);
    put_one(p, 1, 1, 0, NULL); /* touched, unchanged */
    put_one(p, 1, 2, 0, "b");  /* the same string again */
    put_one(p, 1, 3, 1, NULL); /* came and went */
    remove_one(p, 1, 3);
    put_one(p, 1, 4, 1, NULL);
    put_one(p, 1, 4, 2, NULL);
    sl_state_prepared made = prepare(p);
    assert_int_equal(made.row_count, 1);
    assert_int_equal(made.delta_hash,
                     sl_hash64(made.delta->data, made.delta->size_bytes));
    sl_state_delta_reader r;
    assert_ok(sl_state_delta_reader_init(
        &r, sl_span_of(made.delta->data, made.delta->size_bytes), ERR));
    assert_int_equal(r.header.batch, 3);
    assert_int_equal(r.header.parent_id, sl_state_version_of(p).id);
    assert_int_equal(r.header.rows_after, 3);
    sl_state_rows *rows = calloc(1, sizeof *rows);
    bool more;
    assert_ok(sl_state_delta_read(&r, rows, &more, ERR));
    assert_true(more);
    assert_int_equal(rows->count, 1);
    assert_false(rows->removed);
    uint64_t value;
    memcpy(&value, rows->values[0].data, 8);
    assert_int_equal(value, 3);
    assert_ok(sl_state_delta_read(&r, rows, &more, ERR));
    assert_false(more);
    sl_state_rows_deinit(rows);
    free(rows);
    sl_buffer_unref(made.delta);
    sl_state_partition_free(p);
}

static void prepare__an_empty_delta_keeps_the_id(void **state)
{
    (void)state;
    sl_state_partition *p = fixture_new(NULL);
    begin(p, 0);
    put_one(p, 1, 1, 5, "a");
    sl_buffer_unref(commit(p));
    uint64_t id = sl_state_version_of(p).id;
    begin(p, 1);
    put_one(p, 1, 1, 0, "a");
    sl_state_prepared made = prepare(p);
    assert_null(made.delta);
    assert_int_equal(made.version.id, id);
    assert_int_equal(made.version.batch, 1);
    assert_ok(sl_state_commit(p, made.version, ERR));
    assert_int_equal(sl_state_version_of(p).batch, 1);
    sl_state_partition_free(p);
}

static void prepare__attempts_in_another_order_make_the_same_id(void **state)
{
    (void)state;
    sl_state_partition *p = fixture_new(NULL), *q = fixture_new(NULL);
    uint64_t first = 0;
    for (int attempt = 0; attempt < 3; attempt++) {
        begin(p, 0);
        for (uint64_t i = 0; i < 200; i++) {
            uint64_t number = attempt % 2 == 0 ? i : 199 - i;
            put_one(p, 5, number, number * 3, number % 2 ? "odd" : NULL);
        }
        sl_state_prepared made = prepare(p);
        if (attempt == 0)
            first = made.version.id;
        assert_int_equal(made.version.id, first);
        sl_buffer_unref(made.delta);
        sl_state_abort(p);
    }
    begin(q, 0);
    for (uint64_t number = 0; number < 200; number++)
        put_one(q, 5, number, number * 3 + (number == 77), number % 2 ? "odd" : NULL);
    sl_state_prepared other = prepare(q);
    assert_int_not_equal(other.version.id, first);
    sl_buffer_unref(other.delta);
    sl_state_partition_free(p);
    sl_state_partition_free(q);
}

/* ---- bad bytes ---- */

static sl_code read_whole(const uint8_t *data, size_t size)
{
    sl_state_delta_reader r;
    sl_state_rows *rows = calloc(1, sizeof *rows);
    bool more = true;
    sl_code code = sl_state_delta_reader_init(&r, sl_span_of(data, size), ERR);
    while (code == SL_OK && more)
        code = sl_state_delta_read(&r, rows, &more, ERR);
    sl_state_rows_deinit(rows);
    free(rows);
    return code;
}

static void read__refuses_every_cut_and_every_flipped_bit(void **state)
{
    (void)state;
    sl_buffer *delta;
    sl_state_partition *p = two_batches(&delta);
    size_t size = delta->size_bytes;
    assert_int_equal(read_whole(delta->data, size), SL_OK);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *copy = malloc(cut + 1); /* exact size: overreads are seen */
        memcpy(copy, delta->data, cut);
        assert_int_equal(read_whole(copy, cut), SL_ECORRUPT);
        free(copy);
    }
    uint8_t *copy = malloc(size);
    for (size_t bit = 0; bit < size * 8; bit++) {
        memcpy(copy, delta->data, size);
        copy[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_equal(read_whole(copy, size), SL_ECORRUPT);
    }
    free(copy);
    sl_buffer_unref(delta);
    sl_state_partition_free(p);
}

/* Checksums repaired, so that the row reader itself meets the nonsense. */
static void reseal(uint8_t *data, size_t size)
{
    uint64_t body =
        sl_hash64(data + SL_STATE_DELTA_HEADER_BYTES, size - SL_STATE_DELTA_HEADER_BYTES);
    memcpy(data + 104, &body, 8);
    uint64_t head = sl_hash64(data, 112);
    memcpy(data + 112, &head, 8);
}

static void read__hostile_bytes_with_right_checksums_never_crash(void **state)
{
    (void)state;
    sl_buffer *delta;
    sl_state_partition *p = two_batches(&delta);
    size_t size = delta->size_bytes;
    uint64_t seed = 4711;
    size_t refused = 0;
    for (int round = 0; round < 20000; round++) {
        size_t use = SL_STATE_DELTA_HEADER_BYTES +
                     fixture_random(&seed) % (size - SL_STATE_DELTA_HEADER_BYTES + 1);
        uint8_t *copy = malloc(use);
        memcpy(copy, delta->data, use);
        uint64_t changes = 1 + fixture_random(&seed) % 3;
        for (uint64_t c = 0; c < changes; c++)
            copy[12 + fixture_random(&seed) % (use - 12)] =
                (uint8_t)fixture_random(&seed);
        uint64_t body_bytes = use - SL_STATE_DELTA_HEADER_BYTES;
        memcpy(copy + 72, &body_bytes, 8);
        reseal(copy, use);
        refused += read_whole(copy, use) != SL_OK;
        free(copy);
    }
    assert_true(refused > 1000);
    sl_buffer_unref(delta);
    sl_state_partition_free(p);
}

static void open__names_a_newer_format(void **state)
{
    (void)state;
    sl_buffer *delta;
    sl_state_partition *p = two_batches(&delta);
    uint8_t *copy = malloc(delta->size_bytes);
    memcpy(copy, delta->data, delta->size_bytes);
    copy[8] = 9;
    reseal(copy, delta->size_bytes);
    assert_int_equal(read_whole(copy, delta->size_bytes), SL_EINCOMPATIBLE);
    assert_non_null(strstr(fixture_error.text, "format 9"));
    free(copy);
    sl_buffer_unref(delta);
    sl_state_partition_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(build__writes_the_golden_bytes),
        cmocka_unit_test(build__holds_the_last_value_of_each_changed_key_only),
        cmocka_unit_test(prepare__an_empty_delta_keeps_the_id),
        cmocka_unit_test(prepare__attempts_in_another_order_make_the_same_id),
        cmocka_unit_test(read__refuses_every_cut_and_every_flipped_bit),
        cmocka_unit_test(read__hostile_bytes_with_right_checksums_never_crash),
        cmocka_unit_test(open__names_a_newer_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
