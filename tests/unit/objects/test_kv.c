/* Both back ends keep the same promises; each case runs on each. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "objects/kv.h"

struct fixture {
    sl_fs_virtual *virtual_fs; /* NULL: RocksDB on a real disk */
    sl_fs *fs;
    sl_kv_factory factory;
    char dir[64], path[80];
    sl_kv *kv;
};

static int64_t wall_ns(void *user)
{
    (void)user;
    return 1000;
}

static void make_paths(struct fixture *f)
{
    snprintf(f->path, sizeof f->path, "%s/a/kv", f->dir);
}

static int set_up_memory(void **state)
{
    static struct fixture f;
    f = (struct fixture){ .virtual_fs = sl_fs_virtual_new(wall_ns, NULL), .dir = "/d" };
    f.fs = sl_fs_virtual_fs(f.virtual_fs);
    f.factory = sl_kv_memory(f.fs);
    make_paths(&f);
    *state = &f;
    return 0;
}

static int set_up_rocksdb(void **state)
{
    static struct fixture f;
    f = (struct fixture){ .fs = sl_fs_posix(), .factory = sl_kv_rocksdb() };
    snprintf(f.dir, sizeof f.dir, "%s",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm/sluice-kv-XXXXXX"
                                           : "/tmp/sluice-kv-XXXXXX");
    if (!mkdtemp(f.dir))
        return -1;
    make_paths(&f);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    sl_kv_close(f->kv);
    if (f->virtual_fs)
        sl_fs_virtual_free(f->virtual_fs);
    else
        (void)!sl_fs_remove_tree(f->fs, f->dir, NULL);
    return 0;
}

static sl_code try_open(struct fixture *f, sl_kv_role role, sl_kv_recovery recovery,
                        bool create, sl_error *err)
{
    sl_kv_options o = { .role = role, .recovery = recovery, .create = create };
    return sl_kv_open(&f->factory, f->path, &o, &f->kv, err);
}

static void open_store(struct fixture *f, sl_kv_role role, bool create)
{
    sl_error err = { .text = "" };
    if (try_open(f, role, SL_KV_ABSOLUTE, create, &err) != SL_OK)
        fail_msg("%s", err.text);
}

static void close_store(struct fixture *f)
{
    sl_kv_close(f->kv);
    f->kv = NULL;
}

static void put(struct fixture *f, const char *key, const char *value, bool sync)
{
    sl_kv_op op = { .key = sl_span_text(key), .value = sl_span_text(value) };
    assert_int_equal(sl_kv_write(f->kv, &op, 1, sync, NULL), SL_OK);
}

static void assert_value(struct fixture *f, const char *key, const char *value)
{
    sl_bytes b = { 0 };
    bool is_found = false;
    assert_int_equal(sl_kv_get(f->kv, sl_span_text(key), &b, &is_found, NULL), SL_OK);
    assert_int_equal(is_found, value != NULL);
    if (value)
        assert_string_equal(sl_bytes_cstr(&b), value);
    sl_bytes_deinit(&b);
}

static bool collect(void *user, sl_span key, sl_span value)
{
    sl_bytes *out = user;
    sl_bytes_append(out, key.data, key.size_bytes);
    sl_bytes_char(out, '=');
    sl_bytes_append(out, value.data, value.size_bytes);
    sl_bytes_char(out, ' ');
    return true;
}

static void assert_range(struct fixture *f, const char *from, const char *end,
                         bool is_reverse, const char *expected)
{
    sl_bytes out = { 0 };
    assert_int_equal(sl_kv_range(f->kv, sl_span_text(from), sl_span_text(end), is_reverse,
                                 collect, &out, NULL),
                     SL_OK);
    assert_string_equal(sl_bytes_cstr(&out), expected);
    sl_bytes_deinit(&out);
}

static void open__refuses_a_missing_store_unless_told_to_create(void **state)
{
    struct fixture *f = *state;
    bool exists = true;
    sl_error err;
    assert_int_equal(sl_kv_exists(&f->factory, f->path, &exists, NULL), SL_OK);
    assert_false(exists);
    assert_int_equal(try_open(f, SL_KV_JOURNAL, SL_KV_ABSOLUTE, false, &err),
                     SL_ENOTFOUND);
    assert_non_null(strstr(err.text, f->path));
    open_store(f, SL_KV_JOURNAL, true);
    close_store(f);
    assert_int_equal(sl_kv_exists(&f->factory, f->path, &exists, NULL), SL_OK);
    assert_true(exists);
    assert_int_equal(sl_kv_destroy(&f->factory, f->path, NULL), SL_OK);
    assert_int_equal(sl_kv_exists(&f->factory, f->path, &exists, NULL), SL_OK);
    assert_false(exists);
}

static void open__refuses_a_store_that_is_open(void **state)
{
    struct fixture *f = *state;
    open_store(f, SL_KV_JOURNAL, true);
    sl_kv *mine = f->kv;
    assert_int_equal(try_open(f, SL_KV_JOURNAL, SL_KV_ABSOLUTE, false, NULL), SL_EBUSY);
    f->kv = mine;
}

static void write__applies_puts_and_removes_in_order(void **state)
{
    struct fixture *f = *state;
    open_store(f, SL_KV_JOURNAL, true);
    sl_kv_op ops[] = { { .key = sl_span_text("a"), .value = sl_span_text("1") },
                       { .key = sl_span_text("b"), .value = sl_span_text("2") },
                       { .key = sl_span_text("a"), .is_remove = true },
                       { .key = sl_span_text("c"), .value = sl_span_text("") },
                       { .key = sl_span_text("x"), .is_remove = true } };
    assert_int_equal(sl_kv_write(f->kv, ops, 5, true, NULL), SL_OK);
    assert_value(f, "a", NULL);
    assert_value(f, "b", "2");
    assert_value(f, "c", "");
    close_store(f);
    open_store(f, SL_KV_JOURNAL, false);
    assert_range(f, "", "", false, "b=2 c= ");
}

static void range__walks_both_ways_between_its_bounds(void **state)
{
    struct fixture *f = *state;
    open_store(f, SL_KV_JOURNAL, true);
    const char *keys[] = { "a/1", "b/1", "b/2", "b/3", "c/1" };
    for (int i = 0; i < 5; i++)
        put(f, keys[i], "v", false);
    assert_range(f, "b/", "b0", false, "b/1=v b/2=v b/3=v ");
    assert_range(f, "b/", "b0", true, "b/3=v b/2=v b/1=v ");
    assert_range(f, "b/1", "b/3", true, "b/2=v b/1=v "); /* the end is outside */
    assert_range(f, "", "b/1", true, "a/1=v ");
    assert_range(f, "c/2", "", false, "");
    assert_range(f, "", "", true, "c/1=v b/3=v b/2=v b/1=v a/1=v ");
    sl_bytes out = { 0 };
    assert_int_equal(sl_kv_prefix(f->kv, sl_span_text("b"), collect, &out, NULL), SL_OK);
    assert_string_equal(sl_bytes_cstr(&out), "b/1=v b/2=v b/3=v ");
    sl_bytes_deinit(&out);
    put(f, "\xff\xff", "v", false);
    assert_int_equal(sl_kv_prefix(f->kv, sl_span_text("\xff"), collect, &out, NULL),
                     SL_OK);
    assert_string_equal(sl_bytes_cstr(&out), "\xff\xff=v ");
    sl_bytes_deinit(&out);
}

static void flush__keeps_a_state_without_a_log(void **state)
{
    struct fixture *f = *state;
    open_store(f, SL_KV_STATE, true);
    put(f, "k", "1", false);
    assert_int_equal(sl_kv_flush(f->kv, NULL), SL_OK);
    put(f, "k", "2", false);
    assert_int_equal(sl_kv_compact(f->kv, NULL), SL_OK);
    close_store(f);
    open_store(f, SL_KV_STATE, false);
    assert_value(f, "k", "2");
}

/* rel:L9: with the log off and another setting the copy would be empty. */
static void checkpoint__holds_every_row_although_the_log_is_off(void **state)
{
    struct fixture *f = *state;
    open_store(f, SL_KV_STATE, true);
    for (int i = 0; i < 1000; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%04d", i);
        put(f, key, "v", false);
    }
    char copy[96];
    snprintf(copy, sizeof copy, "%s/copy", f->dir);
    assert_int_equal(sl_kv_checkpoint(f->kv, copy, NULL), SL_OK);
    put(f, "later", "v", false);
    assert_int_not_equal(sl_kv_checkpoint(f->kv, copy, NULL), SL_OK);
    close_store(f);
    sl_kv_options o = { .role = SL_KV_STATE, .read_only = true };
    assert_int_equal(sl_kv_open(&f->factory, copy, &o, &f->kv, NULL), SL_OK);
    sl_bytes out = { 0 };
    assert_int_equal(sl_kv_prefix(f->kv, sl_span_text("k"), collect, &out, NULL), SL_OK);
    assert_int_equal(out.size_bytes, 1000 * strlen("k0000=v "));
    sl_bytes_deinit(&out);
    assert_value(f, "later", NULL);
}

static void read_only__reads_the_log_and_refuses_to_write(void **state)
{
    struct fixture *f = *state;
    open_store(f, SL_KV_JOURNAL, true);
    put(f, "k", "1", true);
    close_store(f);
    sl_kv_options o = { .role = SL_KV_JOURNAL, .read_only = true };
    assert_int_equal(sl_kv_open(&f->factory, f->path, &o, &f->kv, NULL), SL_OK);
    assert_value(f, "k", "1");
    sl_kv_op op = { .key = sl_span_text("k"), .value = sl_span_text("2") };
    assert_int_not_equal(sl_kv_write(f->kv, &op, 1, true, NULL), SL_OK);
    assert_int_not_equal(sl_kv_flush(f->kv, NULL), SL_OK);
}

/* The path of the store's only log. */
static void find_log(struct fixture *f, char *ret, size_t size)
{
    sl_dir_entry *entries = NULL;
    size_t count = 0;
    ret[0] = '\0';
    assert_int_equal(sl_fs_list(f->fs, f->path, &entries, &count, NULL), SL_OK);
    for (size_t i = 0; i < count; i++) {
        const char *name = entries[i].name;
        bool is_log = strncmp(name, "wal-", 4) == 0 ||
                      (strstr(name, ".log") && strlen(name) == strlen("000004.log"));
        if (is_log && entries[i].info.size_bytes > 0)
            snprintf(ret, size, "%s/%s", f->path, name);
    }
    sl_fs_entries_free(entries, count);
    assert_true(ret[0] != '\0');
}

static void torn_tail__is_damage_to_absolute_and_dropped_by_tolerate(void **state)
{
    struct fixture *f = *state;
    open_store(f, SL_KV_JOURNAL, true);
    put(f, "a", "1", true);
    put(f, "b", "2", true);
    close_store(f);
    char log[200];
    find_log(f, log, sizeof log);
    sl_file *file = NULL;
    sl_file_info info;
    assert_int_equal(sl_fs_open(f->fs, log, SL_OPEN_WRITE, &file, NULL), SL_OK);
    assert_int_equal(sl_file_info_get(file, &info, NULL), SL_OK);
    assert_int_equal(sl_file_truncate(file, info.size_bytes - 3, NULL), SL_OK);
    sl_file_close(file);
    assert_int_equal(try_open(f, SL_KV_JOURNAL, SL_KV_ABSOLUTE, false, NULL),
                     SL_ECORRUPT);
    assert_int_equal(try_open(f, SL_KV_JOURNAL, SL_KV_TOLERATE_TAIL, false, NULL), SL_OK);
    assert_range(f, "", "", false, "a=1 ");
    put(f, "c", "3", true);
    close_store(f);
    open_store(f, SL_KV_JOURNAL, false); /* the torn record is gone for good */
    assert_range(f, "", "", false, "a=1 c=3 ");
}

/* rel:L6: the default mode of RocksDB would open this and drop the rest without a word.
 */
static void flipped_bit__is_damage_to_both_recovery_modes(void **state)
{
    struct fixture *f = *state;
    open_store(f, SL_KV_JOURNAL, true);
    for (int i = 0; i < 10; i++)
        put(f, "key", "a value of some length", true);
    close_store(f);
    char log[200];
    find_log(f, log, sizeof log);
    sl_file *file = NULL;
    uint8_t byte = 0;
    size_t got = 0;
    assert_int_equal(sl_fs_open(f->fs, log, SL_OPEN_WRITE, &file, NULL), SL_OK);
    assert_int_equal(sl_file_read(file, 35, &byte, 1, &got, NULL), SL_OK);
    byte ^= 4;
    assert_int_equal(sl_file_write_at(file, 35, &byte, 1, NULL), SL_OK);
    sl_file_close(file);
    sl_error err;
    assert_int_equal(try_open(f, SL_KV_JOURNAL, SL_KV_ABSOLUTE, false, &err),
                     SL_ECORRUPT);
    assert_non_null(strstr(err.text, f->path));
    assert_int_equal(try_open(f, SL_KV_JOURNAL, SL_KV_TOLERATE_TAIL, false, NULL),
                     SL_ECORRUPT);
}

/* ---- the model alone: what a crash may take ---- */

static uint64_t next_random(void *user)
{
    uint64_t *x = user;
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

static void crash__keeps_a_prefix_not_shorter_than_the_last_sync(void **state)
{
    struct fixture *f = *state;
    uint64_t random = 7;
    for (int round = 0; round < 200; round++) {
        sl_error err = { .text = "" };
        (void)!sl_kv_destroy(&f->factory, f->path, NULL);
        open_store(f, SL_KV_JOURNAL, true);
        for (int i = 0; i < 10; i++) {
            char key[16];
            snprintf(key, sizeof key, "k%d", i);
            put(f, key, "some value", i == 4);
        }
        sl_fs_virtual_crash(f->virtual_fs, next_random, &random);
        close_store(f);
        if (try_open(f, SL_KV_JOURNAL, SL_KV_ABSOLUTE, false, &err) != SL_OK &&
            try_open(f, SL_KV_JOURNAL, SL_KV_TOLERATE_TAIL, false, &err) != SL_OK)
            fail_msg("%s", err.text);
        sl_bytes out = { 0 };
        assert_int_equal(sl_kv_prefix(f->kv, sl_span_text("k"), collect, &out, NULL),
                         SL_OK);
        size_t rows = out.size_bytes / strlen("k0=some value ");
        assert_true(rows >= 5 && rows <= 10);
        for (size_t i = 0; i < rows; i++)
            assert_int_equal(out.data[i * strlen("k0=some value ") + 1], '0' + (int)i);
        sl_bytes_deinit(&out);
        close_store(f);
    }
}

static sl_code fail_sync(void *user, const char *operation, const char *path,
                         sl_error *err)
{
    (void)user;
    return strcmp(operation, "sync") == 0
               ? sl_fail(err, SL_EIO, "cannot sync %s: told to fail", path)
               : SL_OK;
}

static void failed_sync__breaks_the_store_until_it_is_opened_again(void **state)
{
    struct fixture *f = *state;
    open_store(f, SL_KV_JOURNAL, true);
    put(f, "a", "1", true);
    sl_fs_virtual_set_faults(f->virtual_fs, (sl_fs_faults){ .before = fail_sync });
    sl_kv_op op = { .key = sl_span_text("b"), .value = sl_span_text("2") };
    assert_int_equal(sl_kv_write(f->kv, &op, 1, true, NULL), SL_EIO);
    sl_fs_virtual_set_faults(f->virtual_fs, (sl_fs_faults){ 0 });
    assert_int_equal(sl_kv_write(f->kv, &op, 1, true, NULL), SL_EIO);
    close_store(f);
    open_store(f, SL_KV_JOURNAL, false);
    put(f, "c", "3", true);
}

#define BOTH(name)                                                                       \
    { "memory: " #name, name, set_up_memory, tear_down, NULL },                          \
    {                                                                                    \
        "rocksdb: " #name, name, set_up_rocksdb, tear_down, NULL                         \
    }
#define MODEL(name) cmocka_unit_test_setup_teardown(name, set_up_memory, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(open__refuses_a_missing_store_unless_told_to_create),
        BOTH(open__refuses_a_store_that_is_open),
        BOTH(write__applies_puts_and_removes_in_order),
        BOTH(range__walks_both_ways_between_its_bounds),
        BOTH(flush__keeps_a_state_without_a_log),
        BOTH(checkpoint__holds_every_row_although_the_log_is_off),
        BOTH(read_only__reads_the_log_and_refuses_to_write),
        BOTH(torn_tail__is_damage_to_absolute_and_dropped_by_tolerate),
        BOTH(flipped_bit__is_damage_to_both_recovery_modes),
        MODEL(crash__keeps_a_prefix_not_shorter_than_the_last_sync),
        MODEL(failed_sync__breaks_the_store_until_it_is_opened_again),
    };
    return cmocka_run_group_tests_name("objects/kv", tests, NULL, NULL);
}
