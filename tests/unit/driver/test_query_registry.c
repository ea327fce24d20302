/* Promises of driver/query_registry.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/hash.h"
#include "driver/query_registry.h"

static const sl_registry_setting settings[] = { { "a", "1" }, { "b", "" } };
static const char *const context[] = { "CREATE TABLE t (x INT) USING json", "SET a = 1" };

static sl_registry_record sample(const char *id)
{
    return (sl_registry_record){ .query_id = id,
                                 .name = "q",
                                 .directory = "/home",
                                 .checkpoint = "/cp",
                                 .is_temporary = true,
                                 .setting_count = 2,
                                 .settings = settings,
                                 .context_count = 2,
                                 .context = context,
                                 .statement = "CREATE STREAMING QUERY q ...",
                                 .origin = "c0ffee/7" };
}

static void record__comes_back_whole_and_refuses_every_cut_and_flip(void **state)
{
    (void)state;
    sl_registry_record m = sample("id-1"), back;
    sl_bytes bytes = { 0 };
    sl_arena *arena = sl_arena_new();
    sl_registry_record_write(&m, &bytes);
    assert_int_equal(sl_registry_record_read(sl_bytes_span(&bytes), arena, &back, NULL),
                     SL_OK);
    assert_string_equal(back.query_id, "id-1");
    assert_string_equal(back.settings[0].value, "1");
    assert_string_equal(back.context[1], "SET a = 1");
    assert_string_equal(back.statement, m.statement);
    assert_string_equal(back.origin, "c0ffee/7");
    assert_true(back.is_temporary);
    for (size_t n = 0; n < bytes.size_bytes; n++) {
        assert_int_not_equal(
            sl_registry_record_read(sl_span_of(bytes.data, n), arena, &back, NULL),
            SL_OK);
        bytes.data[n] ^= 0x20;
        assert_int_not_equal(
            sl_registry_record_read(sl_bytes_span(&bytes), arena, &back, NULL), SL_OK);
        bytes.data[n] ^= 0x20;
    }
    sl_bytes_deinit(&bytes);
    sl_arena_free(arena);
}

/* As an earlier version wrote it; docs/formats/registry.md. */
static void record__of_format_1_is_read_and_has_no_origin(void **state)
{
    static const char *const texts[] = { "id-1", "q", "/home", "/cp" };
    sl_bytes body = { 0 }, bytes = { 0 };
    sl_registry_record back;
    sl_arena *arena = sl_arena_new();
    (void)state;
    for (size_t i = 0; i < 4; i++)
        sl_bytes_string(&body, texts[i]);
    sl_bytes_u8(&body, 0);
    sl_bytes_u32(&body, 0);
    sl_bytes_u32(&body, 0);
    sl_bytes_string(&body, "CREATE STREAMING QUERY q ...");
    sl_bytes_append(&bytes, "SLQR", 4);
    sl_bytes_u32(&bytes, 1);
    sl_bytes_u32(&bytes, (uint32_t)body.size_bytes);
    sl_bytes_u64(&bytes, sl_hash64(body.data, body.size_bytes));
    sl_bytes_append(&bytes, body.data, body.size_bytes);
    assert_int_equal(sl_registry_record_read(sl_bytes_span(&bytes), arena, &back, NULL),
                     SL_OK);
    assert_string_equal(back.checkpoint, "/cp");
    assert_string_equal(back.origin, "");
    sl_bytes_deinit(&body);
    sl_bytes_deinit(&bytes);
    sl_arena_free(arena);
}

static uint64_t lose_all(void *user)
{
    (void)user;
    return 0;
}

static void put__survives_a_power_cut_and_remove_does_too(void **state)
{
    (void)state;
    sl_fs_virtual *v = sl_fs_virtual_new(NULL, NULL);
    sl_kv_factory kv = sl_kv_memory(sl_fs_virtual_fs(v));
    sl_query_registry *r;
    sl_error err;
    sl_arena *arena = sl_arena_new();
    const sl_registry_record *rows;
    uint32_t count;
    sl_registry_record one = sample("id-1"), two = sample("id-2");
    assert_int_equal(sl_query_registry_open(sl_fs_virtual_fs(v), &kv, "/d", &r, &err),
                     SL_OK);
    assert_int_equal(sl_query_registry_put(r, &one, &err), SL_OK);
    assert_int_equal(sl_query_registry_put(r, &two, &err), SL_OK);
    assert_int_equal(sl_query_registry_remove(r, "id-1", &err), SL_OK);
    sl_query_registry_close(r);
    sl_fs_virtual_crash(v, lose_all, NULL); /* loses whatever was not synced */
    assert_int_equal(sl_query_registry_open(sl_fs_virtual_fs(v), &kv, "/d", &r, &err),
                     SL_OK);
    assert_int_equal(sl_query_registry_list(r, arena, &rows, &count, &err), SL_OK);
    assert_int_equal(count, 1);
    assert_string_equal(rows[0].query_id, "id-2");
    sl_query_registry_close(r);
    sl_arena_free(arena);
    sl_fs_virtual_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record__comes_back_whole_and_refuses_every_cut_and_flip),
        cmocka_unit_test(record__of_format_1_is_read_and_has_no_origin),
        cmocka_unit_test(put__survives_a_power_cut_and_remove_does_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
