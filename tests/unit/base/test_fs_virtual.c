#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* What only the virtual file system does: crashes, kills and faults. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"

static uint64_t next_random(void *user)
{
    uint64_t *s = user;
    *s += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = *s;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static void crash(sl_fs_virtual *v, uint64_t seed)
{
    sl_fs_virtual_crash(v, next_random, &seed);
}

static sl_file *open_file(sl_fs_virtual *v, const char *path, sl_open_mode mode)
{
    sl_file *f = NULL;
    assert_int_equal(sl_fs_open(sl_fs_virtual_fs(v), path, mode, &f, NULL), SL_OK);
    return f;
}

static void append(sl_file *f, const char *text)
{
    assert_int_equal(sl_file_append(f, text, strlen(text), NULL), SL_OK);
}

/* Content of a file, or NULL if it is not there. The caller frees it. */
static char *content_of(sl_fs_virtual *v, const char *path)
{
    sl_bytes got = { 0 };
    sl_code code = sl_fs_read_all(sl_fs_virtual_fs(v), path, 1 << 20, &got, NULL);
    assert_true(code == SL_OK || code == SL_ENOTFOUND);
    if (code != SL_OK)
        return NULL;
    char *text = strdup(sl_bytes_cstr(&got));
    sl_bytes_deinit(&got);
    return text;
}

static void crash__keeps_synced_bytes_and_cuts_or_loses_the_rest(void **state)
{
    (void)state;
    int lost = 0, kept = 0, cut = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        sl_fs_virtual *v = sl_fs_virtual_new(NULL, NULL);
        sl_file *f = open_file(v, "/log", SL_OPEN_APPEND);
        append(f, "durable|");
        assert_int_equal(sl_file_sync(f, NULL), SL_OK);
        assert_int_equal(sl_fs_sync_dir(sl_fs_virtual_fs(v), "/", NULL), SL_OK);
        append(f, "pend");
        append(f, "ing");
        sl_file_close(f);
        crash(v, seed);
        char *text = content_of(v, "/log");
        assert_non_null(text);
        assert_memory_equal(text, "durable|", 8);
        assert_int_equal(strncmp(text, "durable|pending", strlen(text)), 0);
        size_t length = strlen(text);
        lost += length == 8;
        kept += length == 15;
        cut += length > 8 && length < 15;
        free(text);
        sl_fs_virtual_free(v);
    }
    assert_true(lost > 50 && kept > 50 && cut > 30);
}

static void crash__takes_overwrites_and_truncates_back_in_order(void **state)
{
    (void)state;
    bool seen_old = false, seen_new = false;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        sl_fs_virtual *v = sl_fs_virtual_new(NULL, NULL);
        sl_file *f = open_file(v, "/f", SL_OPEN_WRITE);
        append(f, "0123456789");
        assert_int_equal(sl_file_sync(f, NULL), SL_OK);
        assert_int_equal(sl_fs_sync_dir(sl_fs_virtual_fs(v), "/", NULL), SL_OK);
        assert_int_equal(sl_file_write_at(f, 2, "abc", 3, NULL), SL_OK);
        assert_int_equal(sl_file_truncate(f, 4, NULL), SL_OK);
        assert_int_equal(sl_file_write_at(f, 3, "XYZ", 3, NULL), SL_OK);
        sl_file_close(f);
        crash(v, seed);
        static const char *const states[] = { "0123456789", "01a3456789", "01ab456789",
                                              "01abc56789", "01ab",       "01aX",
                                              "01aXY",      "01aXYZ" };
        char *text = content_of(v, "/f");
        bool known = false;
        for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
            known = known || strcmp(text, states[i]) == 0;
        if (!known)
            fail_msg("'%s' was never the content", text);
        seen_old = seen_old || strcmp(text, states[0]) == 0;
        seen_new = seen_new || strcmp(text, states[7]) == 0;
        free(text);
        sl_fs_virtual_free(v);
    }
    assert_true(seen_old && seen_new);
}

static void crash__keeps_names_of_a_synced_directory_only(void **state)
{
    (void)state;
    int there = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        sl_fs_virtual *v = sl_fs_virtual_new(NULL, NULL);
        sl_fs *fs = sl_fs_virtual_fs(v);
        sl_file_close(open_file(v, "/synced", SL_OPEN_CREATE));
        assert_int_equal(sl_fs_sync_dir(fs, "/", NULL), SL_OK);
        sl_file *f = open_file(v, "/unsynced", SL_OPEN_CREATE);
        append(f, "bytes");
        assert_int_equal(sl_file_sync(f, NULL), SL_OK); /* the bytes, not the name */
        sl_file_close(f);
        crash(v, seed);
        assert_true(sl_fs_exists(fs, "/synced"));
        char *text = content_of(v, "/unsynced");
        if (text)
            assert_string_equal(text, "bytes");
        there += text != NULL;
        free(text);
        crash(v, seed + 1); /* what survived one crash is durable */
        assert_int_equal(sl_fs_exists(fs, "/unsynced"), text != NULL);
        sl_fs_virtual_free(v);
    }
    assert_true(there > 20 && there < 80);
}

/* A name whose removal was not synced may come back; a file is never lost by a rename. */
static void crash_machine__takes_only_what_that_machine_did_not_sync(void **state)
{
    (void)state;
    int bytes_lost = 0, name_lost = 0, other_lost = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        sl_fs_virtual *v = sl_fs_virtual_new(NULL, NULL);
        sl_fs *fs = sl_fs_virtual_fs(v);
        sl_file *a = open_file(v, "/a", SL_OPEN_APPEND);
        sl_file *b = open_file(v, "/b", SL_OPEN_APPEND);
        assert_int_equal(sl_fs_sync_dir(fs, "/", NULL), SL_OK);
        sl_fs_virtual_set_machine(v, 1);
        append(a, "of one");
        assert_int_equal(sl_fs_link(fs, "/a", "/a1", NULL), SL_OK);
        sl_fs_virtual_set_machine(v, 2);
        append(b, "of two");
        assert_int_equal(sl_fs_link(fs, "/b", "/b2", NULL), SL_OK);
        uint64_t random = seed;
        sl_fs_virtual_crash_machine(v, 1, next_random, &random);
        append(b, ", goes on");
        sl_file_close(a);
        sl_file_close(b);
        char *of_one = content_of(v, "/a"), *of_two = content_of(v, "/b2");
        assert_non_null(of_one);
        bytes_lost += strcmp(of_one, "of one") != 0;
        name_lost += !sl_fs_exists(fs, "/a1");
        assert_string_equal(of_two, "of two, goes on");
        free(of_one);
        free(of_two);
        crash(v, seed); /* it was not durable yet: now it may go */
        other_lost += !sl_fs_exists(fs, "/b2");
        sl_fs_virtual_free(v);
    }
    assert_true(bytes_lost > 30 && name_lost > 30 && other_lost > 30);
}

static void lose_files__takes_locks_and_open_files_of_one_machine(void **state)
{
    (void)state;
    sl_fs_virtual *v = sl_fs_virtual_new(NULL, NULL);
    sl_fs *fs = sl_fs_virtual_fs(v);
    sl_file *lock, *other_lock, *again;
    sl_fs_virtual_set_machine(v, 1);
    sl_file *one = open_file(v, "/one", SL_OPEN_APPEND);
    assert_int_equal(sl_fs_lock(fs, "/L", "one", &lock, NULL), SL_OK);
    sl_fs_virtual_set_machine(v, 2);
    sl_file *two = open_file(v, "/two", SL_OPEN_APPEND);
    assert_int_equal(sl_fs_lock(fs, "/M", "two", &other_lock, NULL), SL_OK);
    sl_fs_virtual_lose_files(v, 1);
    assert_int_equal(sl_file_append(one, "x", 1, NULL), SL_EIO);
    append(two, "x");
    assert_int_equal(sl_fs_lock(fs, "/M", "three", &again, NULL), SL_EBUSY);
    assert_int_equal(sl_fs_lock(fs, "/L", "two", &again, NULL), SL_OK);
    sl_file_close(lock); /* frees no lock of another */
    sl_file_close(one);
    sl_fs_virtual_set_machine(v, 1);
    one = open_file(v, "/one", SL_OPEN_APPEND); /* anew it may */
    append(one, "y");
    assert_int_equal(sl_fs_lock(fs, "/L", "one", &lock, NULL), SL_EBUSY);
    sl_file_close(one);
    sl_file_close(two);
    sl_file_close(other_lock);
    sl_file_close(again);
    sl_fs_virtual_free(v);
}

static void crash__takes_scratch_directories_and_no_others(void **state)
{
    (void)state;
    int kept = 0, gone = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        sl_fs_virtual *v = sl_fs_virtual_new(NULL, NULL);
        sl_fs *fs = sl_fs_virtual_fs(v);
        assert_int_equal(sl_fs_make_dirs(fs, "/a/b", NULL), SL_OK);
        assert_int_equal(sl_fs_make_scratch_dirs(fs, "/s/t", NULL), SL_OK);
        crash(v, seed);
        assert_true(sl_fs_exists(fs, "/a/b"));
        kept += sl_fs_exists(fs, "/s");
        gone += !sl_fs_exists(fs, "/s");
        sl_fs_virtual_free(v);
    }
    assert_true(kept > 10 && gone > 10);
}

static void crash__during_a_rename_leaves_at_least_one_name(void **state)
{
    (void)state;
    int only_old = 0, only_new = 0, both = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        bool same_directory = seed % 2 == 0;
        const char *to = same_directory ? "/a/new" : "/b/new";
        sl_fs_virtual *v = sl_fs_virtual_new(NULL, NULL);
        sl_fs *fs = sl_fs_virtual_fs(v);
        assert_int_equal(sl_fs_make_dirs(fs, "/a", NULL), SL_OK);
        assert_int_equal(sl_fs_make_dirs(fs, "/b", NULL), SL_OK);
        assert_int_equal(sl_fs_write_new(fs, "/a/old", sl_span_text("x"), NULL), SL_OK);
        assert_int_equal(sl_fs_rename_noreplace(fs, "/a/old", to, NULL), SL_OK);
        bool synced = seed % 3 == 0;
        if (synced)
            assert_int_equal(sl_fs_sync_dir(fs, same_directory ? "/a" : "/b", NULL),
                             SL_OK);
        crash(v, seed);
        bool old_there = sl_fs_exists(fs, "/a/old"), new_there = sl_fs_exists(fs, to);
        assert_true(old_there || new_there);
        if (synced)
            assert_true(new_there);
        if (same_directory)
            assert_true(old_there != new_there);
        only_old += old_there && !new_there;
        only_new += new_there && !old_there;
        both += old_there && new_there;
        sl_fs_virtual_free(v);
    }
    assert_true(only_old > 20 && only_new > 20 && both > 20);
}

/* rel:L16 and the order of fs.h: what write_new returned for is there, whole. */
static void crash__after_write_new_keeps_the_file_whole(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        sl_fs_virtual *v = sl_fs_virtual_new(NULL, NULL);
        assert_int_equal(
            sl_fs_write_new(sl_fs_virtual_fs(v), "/n", sl_span_text("whole"), NULL),
            SL_OK);
        crash(v, seed);
        char *text = content_of(v, "/n");
        assert_string_equal(text, "whole");
        free(text);
        sl_fs_virtual_free(v);
    }
}

/* POSIX promises nothing here: the name may be durable and the bytes gone. */
static void crash__may_empty_an_unsynced_file_under_a_synced_name(void **state)
{
    (void)state;
    int empty = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        sl_fs_virtual *v = sl_fs_virtual_new(NULL, NULL);
        sl_fs *fs = sl_fs_virtual_fs(v);
        sl_file *f = open_file(v, "/tmp", SL_OPEN_CREATE);
        append(f, "content");
        sl_file_close(f);
        assert_int_equal(sl_fs_rename_noreplace(fs, "/tmp", "/final", NULL), SL_OK);
        assert_int_equal(sl_fs_sync_dir(fs, "/", NULL), SL_OK);
        crash(v, seed);
        char *text = content_of(v, "/final");
        assert_non_null(text);
        empty += text[0] == '\0';
        free(text);
        sl_fs_virtual_free(v);
    }
    assert_true(empty > 5 && empty < 45);
}

static void old_life__files_fail_and_locks_are_free(void **state)
{
    (void)state;
    for (int killed = 0; killed < 2; killed++) {
        sl_fs_virtual *v = sl_fs_virtual_new(NULL, NULL);
        sl_fs *fs = sl_fs_virtual_fs(v);
        sl_file *lock = NULL, *again = NULL;
        sl_error err = { 0 };
        assert_int_equal(sl_fs_lock(fs, "/LOCK", "me", &lock, NULL), SL_OK);
        sl_file *f = open_file(v, "/f", SL_OPEN_WRITE);
        append(f, "x");
        if (killed)
            sl_fs_virtual_kill(v);
        else
            crash(v, 7);
        char data[4];
        size_t n;
        assert_int_equal(sl_file_append(f, "x", 1, &err), SL_EIO);
        assert_int_equal(sl_file_read(f, 0, data, 4, &n, &err), SL_EIO);
        assert_int_equal(sl_file_sync(f, &err), SL_EIO);
        assert_int_equal(sl_file_truncate(f, 0, &err), SL_EIO);
        if (killed) {
            char *text = content_of(v, "/f");
            assert_string_equal(text, "x");
            free(text);
        }
        assert_int_equal(sl_fs_lock(fs, "/LOCK", "next", &again, NULL), SL_OK);
        sl_file_close(f);
        sl_file_close(lock); /* of the old life: frees nobody else's lock */
        assert_int_equal(sl_fs_lock(fs, "/LOCK", "third", &f, NULL), SL_EBUSY);
        sl_file_close(again);
        sl_fs_virtual_free(v);
    }
}

/* The nth call fails; counts calls. */
typedef struct fault {
    int calls, nth;
    const char *only; /* an operation, or NULL */
} fault;

static sl_code fail_nth(void *user, const char *operation, const char *path,
                        sl_error *err)
{
    fault *f = user;
    if (f->only && strcmp(f->only, operation) != 0)
        return SL_OK;
    if (++f->calls != f->nth)
        return SL_OK;
    return sl_fail(err, SL_EIO, "fault in %s of %s", operation, path);
}

/* rel:3.2 rule F */
static void sync__that_failed_kills_the_file_and_its_bytes(void **state)
{
    (void)state;
    sl_fs_virtual *v = sl_fs_virtual_new(NULL, NULL);
    sl_file *f = open_file(v, "/f", SL_OPEN_CREATE);
    append(f, "good");
    assert_int_equal(sl_file_sync(f, NULL), SL_OK);
    assert_int_equal(sl_fs_sync_dir(sl_fs_virtual_fs(v), "/", NULL), SL_OK);
    append(f, "bad");
    fault broken = { .nth = 1, .only = "sync" };
    sl_fs_virtual_set_faults(v, (sl_fs_faults){ fail_nth, &broken });
    sl_error err = { 0 };
    assert_int_equal(sl_file_sync(f, &err), SL_EIO);
    assert_string_equal(err.text, "fault in sync of /f");
    assert_int_equal(sl_file_sync(f, &err), SL_EIO);
    assert_int_equal(sl_file_append(f, "x", 1, &err), SL_EIO);
    assert_non_null(strstr(err.text, "new file"));
    sl_file_close(f);
    f = open_file(v, "/f", SL_OPEN_APPEND);
    append(f, "more");
    assert_int_equal(sl_file_sync(f, NULL), SL_OK); /* and yet nothing is durable */
    sl_file_close(f);
    crash(v, 1);
    char *text = content_of(v, "/f");
    assert_string_equal(text, "good");
    free(text);
    sl_fs_virtual_free(v);
}

static void append__that_failed_may_leave_a_part_and_can_be_repeated(void **state)
{
    (void)state;
    sl_fs_virtual *v = sl_fs_virtual_new(NULL, NULL);
    sl_file *f = open_file(v, "/f", SL_OPEN_CREATE);
    append(f, "one|");
    fault broken = { .nth = 1, .only = "append" };
    sl_fs_virtual_set_faults(v, (sl_fs_faults){ fail_nth, &broken });
    assert_int_equal(sl_file_append(f, "two|", 4, NULL), SL_EIO);
    char *text = content_of(v, "/f");
    assert_string_equal(text, "one|tw");
    free(text);
    append(f, "2|");
    text = content_of(v, "/f");
    assert_string_equal(text, "one|2|");
    free(text);
    sl_file_close(f);
    sl_fs_virtual_free(v);
}

/* Every file call of write_new and its relatives fails once: an error comes back, and the
 * name holds all of the content or does not exist. */
static void fault_sweep__write_new_is_all_or_nothing(void **state)
{
    (void)state;
    bool clean = false;
    for (int nth = 1; !clean; nth++) {
        sl_fs_virtual *v = sl_fs_virtual_new(NULL, NULL);
        sl_fs *fs = sl_fs_virtual_fs(v);
        fault broken = { .nth = nth };
        sl_error err = { 0 };
        sl_fs_virtual_set_faults(v, (sl_fs_faults){ fail_nth, &broken });
        sl_code code = sl_fs_make_dirs(fs, "/d/e", &err);
        if (code == SL_OK)
            code = sl_fs_write_new(fs, "/d/e/n", sl_span_text("whole"), &err);
        sl_bytes got = { 0 };
        if (code == SL_OK)
            code = sl_fs_read_all(fs, "/d/e/n", 100, &got, &err);
        sl_bytes_deinit(&got);
        if (code == SL_OK)
            code = sl_fs_remove_tree(fs, "/d", &err);
        clean = code == SL_OK;
        if (!clean) {
            assert_int_equal(code, SL_EIO);
            assert_memory_equal(err.text, "fault in ", 9);
            char *text = content_of(v, "/d/e/n");
            if (text)
                assert_string_equal(text, "whole");
            free(text);
        }
        sl_fs_virtual_free(v);
        assert_true(nth < 100);
    }
}

/* Same seed, same world. */
static void crash__is_deterministic(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        char *texts[2][8];
        for (int round = 0; round < 2; round++) {
            sl_fs_virtual *v = sl_fs_virtual_new(NULL, NULL);
            for (int i = 0; i < 8; i++) {
                char path[16];
                snprintf(path, sizeof path, "/f%d", i);
                sl_file *f = open_file(v, path, SL_OPEN_CREATE);
                append(f, "some content of a file");
                sl_file_close(f);
            }
            crash(v, seed);
            for (int i = 0; i < 8; i++) {
                char path[16];
                snprintf(path, sizeof path, "/f%d", i);
                texts[round][i] = content_of(v, path);
            }
            sl_fs_virtual_free(v);
        }
        for (int i = 0; i < 8; i++) {
            assert_int_equal(texts[0][i] != NULL, texts[1][i] != NULL);
            if (texts[0][i])
                assert_string_equal(texts[0][i], texts[1][i]);
            free(texts[0][i]);
            free(texts[1][i]);
        }
    }
}

static int64_t wall_at(void *user)
{
    return *(int64_t *)user;
}

static void mtime__comes_from_the_clock_given(void **state)
{
    (void)state;
    int64_t now_ns = 1000;
    sl_fs_virtual *v = sl_fs_virtual_new(wall_at, &now_ns);
    sl_file *f = open_file(v, "/f", SL_OPEN_CREATE);
    now_ns = 2000;
    append(f, "x");
    now_ns = 3000;
    sl_file_info info;
    assert_int_equal(sl_file_info_get(f, &info, NULL), SL_OK);
    assert_int_equal(info.mtime_ns, 2000);
    sl_file_close(f);
    sl_fs_virtual_free(v);
}

static void paths__are_resolved_by_text(void **state)
{
    (void)state;
    sl_fs_virtual *v = sl_fs_virtual_new(NULL, NULL);
    sl_fs *fs = sl_fs_virtual_fs(v);
    assert_int_equal(sl_fs_make_dirs(fs, "a/./b//c", NULL), SL_OK);
    assert_true(sl_fs_exists(fs, "/a/b/c/../../b"));
    assert_true(sl_fs_exists(fs, "/"));
    assert_true(sl_fs_exists(fs, "."));
    assert_int_equal(sl_fs_rename_noreplace(fs, "/a", "/a/b/x", NULL), SL_EIO);
    assert_int_equal(sl_fs_remove(fs, "/a", NULL), SL_EIO);
    char big[400];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    assert_int_equal(sl_fs_make_dirs(fs, big, NULL), SL_EIO);
    sl_fs_virtual_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crash__keeps_synced_bytes_and_cuts_or_loses_the_rest),
        cmocka_unit_test(crash__takes_overwrites_and_truncates_back_in_order),
        cmocka_unit_test(crash__keeps_names_of_a_synced_directory_only),
        cmocka_unit_test(crash_machine__takes_only_what_that_machine_did_not_sync),
        cmocka_unit_test(lose_files__takes_locks_and_open_files_of_one_machine),
        cmocka_unit_test(crash__takes_scratch_directories_and_no_others),
        cmocka_unit_test(crash__during_a_rename_leaves_at_least_one_name),
        cmocka_unit_test(crash__after_write_new_keeps_the_file_whole),
        cmocka_unit_test(crash__may_empty_an_unsynced_file_under_a_synced_name),
        cmocka_unit_test(old_life__files_fail_and_locks_are_free),
        cmocka_unit_test(sync__that_failed_kills_the_file_and_its_bytes),
        cmocka_unit_test(append__that_failed_may_leave_a_part_and_can_be_repeated),
        cmocka_unit_test(fault_sweep__write_new_is_all_or_nothing),
        cmocka_unit_test(crash__is_deterministic),
        cmocka_unit_test(mtime__comes_from_the_clock_given),
        cmocka_unit_test(paths__are_resolved_by_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
