/* Content-named files, and spill files. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "objects/content_store.h"
#include "objects/spill.h"

static int64_t wall_ns(void *user)
{
    (void)user;
    return 1000;
}

struct fixture {
    sl_fs_virtual *v;
    sl_fs *fs;
    sl_content_store store;
};

static int set_up(void **state)
{
    static struct fixture f;
    f.v = sl_fs_virtual_new(wall_ns, NULL);
    f.fs = sl_fs_virtual_fs(f.v);
    f.store = (sl_content_store){ .fs = f.fs, .dir = "/c/sst" };
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    sl_fs_virtual_free(((struct fixture *)*state)->v);
    return 0;
}

static void put__writes_once_and_names_by_content(void **state)
{
    struct fixture *f = *state;
    sl_content_name a, b;
    bool existed = true;
    assert_int_equal(
        sl_content_put(&f->store, sl_span_text("abc"), "sst", &a, &existed, NULL), SL_OK);
    assert_false(existed);
    assert_int_equal(
        sl_content_put(&f->store, sl_span_text("abc"), "sst", &b, &existed, NULL), SL_OK);
    assert_true(existed);
    assert_string_equal(a.text, b.text);
    sl_hash128 hash, expected = sl_hash128_of("abc", 3);
    uint64_t size = 0;
    assert_int_equal(sl_content_name_parse(a.text, &hash, &size, NULL), SL_OK);
    assert_true(hash.low == expected.low && hash.high == expected.high && size == 3);
    sl_dir_entry *entries = NULL;
    size_t count = 0;
    assert_int_equal(sl_fs_list(f->fs, "/c/sst", &entries, &count, NULL), SL_OK);
    assert_int_equal(count, 1); /* no tmp file stays */
    sl_fs_entries_free(entries, count);
}

static uint64_t lose_all(void *user)
{
    (void)user;
    return 0;
}

static void put_file__streams_a_file_that_lasts_after_sync(void **state)
{
    struct fixture *f = *state;
    sl_bytes big = { 0 };
    for (int i = 0; i < 300000; i++)
        sl_bytes_u64(&big, (uint64_t)i * 77);
    sl_file *file = NULL;
    assert_int_equal(sl_fs_open(f->fs, "/local", SL_OPEN_CREATE, &file, NULL), SL_OK);
    assert_int_equal(sl_file_append(file, big.data, big.size_bytes, NULL), SL_OK);
    sl_file_close(file);
    sl_content_name name;
    assert_int_equal(sl_content_put_file(&f->store, "/local", "sst", &name, NULL, NULL),
                     SL_OK);
    assert_int_equal(sl_content_sync(&f->store, NULL), SL_OK);
    sl_fs_virtual_crash(f->v, lose_all, NULL);
    sl_bytes back = { 0 };
    assert_int_equal(sl_content_verify(&f->store, name.text, NULL), SL_OK);
    assert_int_equal(sl_content_get(&f->store, name.text, &back, NULL), SL_OK);
    assert_true(sl_span_equal(sl_bytes_span(&big), sl_bytes_span(&back)));
    assert_int_equal(sl_content_fetch(&f->store, name.text, "/copy", NULL), SL_OK);
    sl_hash128 hash;
    uint64_t size = 0;
    assert_int_equal(sl_content_hash_file(f->fs, "/copy", &hash, &size, NULL), SL_OK);
    assert_true(size == big.size_bytes);
    sl_bytes_deinit(&big);
    sl_bytes_deinit(&back);
}

static void verify__names_the_file_whose_bytes_changed(void **state)
{
    struct fixture *f = *state;
    sl_content_name name;
    sl_error err;
    char path[128] = "/c/sst/";
    assert_int_equal(
        sl_content_put(&f->store, sl_span_text("abc"), "sst", &name, NULL, NULL), SL_OK);
    strcat(path, name.text);
    sl_file *file = NULL;
    assert_int_equal(sl_fs_open(f->fs, path, SL_OPEN_WRITE, &file, NULL), SL_OK);
    assert_int_equal(sl_file_write_at(file, 1, "x", 1, NULL), SL_OK);
    sl_file_close(file);
    assert_int_equal(sl_content_verify(&f->store, name.text, &err), SL_ECORRUPT);
    assert_non_null(strstr(err.text, name.text));
    assert_int_equal(sl_content_fetch(&f->store, name.text, "/copy", NULL), SL_ECORRUPT);
    assert_false(sl_fs_exists(f->fs, "/copy"));
    assert_int_equal(sl_content_verify(&f->store, "../secret", &err), SL_EINVAL);
}

static void spill__reads_back_blocks_and_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    sl_spill *s = NULL;
    sl_spill_block a, b, bad;
    sl_bytes back = { 0 };
    assert_int_equal(sl_spill_open(f->fs, "/spill", "op1", &s, NULL), SL_OK);
    assert_int_equal(sl_spill_append(s, sl_span_text("first"), &a, NULL), SL_OK);
    assert_int_equal(sl_spill_append(s, sl_span_text("second"), &b, NULL), SL_OK);
    assert_int_equal(sl_spill_read(s, &b, &back, NULL), SL_OK);
    assert_string_equal(sl_bytes_cstr(&back), "second");
    assert_int_equal(sl_spill_read(s, &a, &back, NULL), SL_OK);
    assert_string_equal(sl_bytes_cstr(&back), "first");
    bad = a;
    bad.hash++;
    assert_int_equal(sl_spill_read(s, &bad, &back, NULL), SL_ECORRUPT);
    bad.offset = UINT64_MAX;
    assert_int_equal(sl_spill_read(s, &bad, &back, NULL), SL_EINVAL);
    assert_true(sl_spill_bytes(s) == 11);
    sl_spill_close(s);
    assert_false(sl_fs_exists(f->fs, "/spill/op1.spill"));
    sl_bytes_deinit(&back);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(put__writes_once_and_names_by_content),
        T(put_file__streams_a_file_that_lasts_after_sync),
        T(verify__names_the_file_whose_bytes_changed),
        T(spill__reads_back_blocks_and_leaves_nothing),
    };
    return cmocka_run_group_tests_name("objects/content_store", tests, NULL, NULL);
}
