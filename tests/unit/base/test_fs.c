#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Every promise of fs.h that both file systems keep, tested on both. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"

typedef struct fixture {
    sl_fs *fs;
    sl_fs_virtual *virtual_fs; /* NULL: the real one */
    char root[64];
    char path[128];
} fixture;

/* Path under the root; valid until the next but three calls. */
static const char *at(const char *name, const fixture *f)
{
    static char paths[4][160];
    static int next;
    next = (next + 1) % 4;
    snprintf(paths[next], sizeof paths[0], "%s/%s", f->root, name);
    return paths[next];
}

static int set_up_posix(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    f->fs = sl_fs_posix();
    strcpy(f->root, "/tmp/sluice-test-fs-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    *state = f;
    return 0;
}

static int set_up_virtual(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    f->virtual_fs = sl_fs_virtual_new(NULL, NULL);
    f->fs = sl_fs_virtual_fs(f->virtual_fs);
    strcpy(f->root, "/root/of/all");
    assert_int_equal(sl_fs_make_dirs(f->fs, f->root, NULL), SL_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    assert_int_equal(sl_fs_remove_tree(f->fs, f->root, NULL), SL_OK);
    assert_false(sl_fs_exists(f->fs, f->root));
    sl_fs_virtual_free(f->virtual_fs);
    free(f);
    return 0;
}

static sl_file *open_file(fixture *f, const char *name, sl_open_mode mode)
{
    sl_file *file = NULL;
    sl_error err = { 0 };
    if (sl_fs_open(f->fs, at(name, f), mode, &file, &err) != SL_OK)
        fail_msg("%s", err.text);
    return file;
}

static void put(fixture *f, const char *name, const char *content)
{
    sl_file *file = open_file(f, name, SL_OPEN_CREATE);
    assert_int_equal(sl_file_append(file, content, strlen(content), NULL), SL_OK);
    sl_file_close(file);
}

static void assert_content(fixture *f, const char *name, const char *content)
{
    sl_bytes got = { 0 };
    assert_int_equal(sl_fs_read_all(f->fs, at(name, f), 1 << 20, &got, NULL), SL_OK);
    assert_string_equal(sl_bytes_cstr(&got), content);
    sl_bytes_deinit(&got);
}

static void open__says_what_is_missing_or_taken(void **state)
{
    fixture *f = *state;
    sl_file *file = NULL;
    sl_error err = { 0 };
    assert_int_equal(sl_fs_open(f->fs, at("no", f), SL_OPEN_READ, &file, &err),
                     SL_ENOTFOUND);
    assert_non_null(strstr(err.text, "/no: No such file"));
    assert_int_equal(sl_fs_open(f->fs, at("no/no", f), SL_OPEN_CREATE, &file, &err),
                     SL_ENOTFOUND);
    put(f, "a", "x");
    assert_int_equal(sl_fs_open(f->fs, at("a", f), SL_OPEN_CREATE, &file, &err),
                     SL_EEXISTS);
    assert_int_equal(sl_fs_open(f->fs, at("a/b", f), SL_OPEN_READ, &file, &err),
                     SL_ENOTFOUND);
    assert_int_equal(sl_fs_open(f->fs, f->root, SL_OPEN_READ, &file, &err), SL_EIO);
    assert_null(file);
    sl_file_close(NULL);
}

static void append__goes_on_at_the_end_of_an_existing_file(void **state)
{
    fixture *f = *state;
    put(f, "log", "one ");
    sl_file *file = open_file(f, "log", SL_OPEN_APPEND);
    assert_int_equal(sl_file_append(file, "two ", 4, NULL), SL_OK);
    assert_int_equal(sl_file_append(file, "", 0, NULL), SL_OK);
    assert_int_equal(sl_file_append(file, "three", 5, NULL), SL_OK);
    assert_int_equal(sl_file_sync(file, NULL), SL_OK);
    sl_file_close(file);
    assert_content(f, "log", "one two three");
}

static void read__is_short_only_at_the_end(void **state)
{
    fixture *f = *state;
    put(f, "a", "0123456789");
    sl_file *file = open_file(f, "a", SL_OPEN_READ);
    char data[16];
    size_t n = 99;
    assert_int_equal(sl_file_read(file, 3, data, 4, &n, NULL), SL_OK);
    assert_int_equal(n, 4);
    assert_memory_equal(data, "3456", 4);
    assert_int_equal(sl_file_read(file, 8, data, 16, &n, NULL), SL_OK);
    assert_int_equal(n, 2);
    assert_int_equal(sl_file_read(file, 10, data, 16, &n, NULL), SL_OK);
    assert_int_equal(n, 0);
    assert_int_equal(sl_file_read(file, 1000, data, 16, &n, NULL), SL_OK);
    assert_int_equal(n, 0);
    assert_int_equal(sl_file_append(file, "x", 1, NULL), SL_EIO);
    sl_file_close(file);
}

static void write_at_and_truncate__leave_zeroes_in_gaps(void **state)
{
    fixture *f = *state;
    sl_file *file = open_file(f, "w", SL_OPEN_WRITE);
    sl_file_info info;
    assert_int_equal(sl_file_allocate(file, 4096, NULL), SL_OK);
    assert_int_equal(sl_file_write_at(file, 4, "abcd", 4, NULL), SL_OK);
    assert_int_equal(sl_file_write_at(file, 5, "X", 1, NULL), SL_OK);
    assert_int_equal(sl_file_info_get(file, &info, NULL), SL_OK);
    assert_int_equal(info.size_bytes, 8);
    assert_false(info.is_directory);
    char data[16];
    size_t n;
    assert_int_equal(sl_file_read(file, 0, data, 16, &n, NULL), SL_OK);
    assert_int_equal(n, 8);
    assert_memory_equal(data, "\0\0\0\0aXcd", 8);
    assert_int_equal(sl_file_truncate(file, 6, NULL), SL_OK);
    assert_int_equal(sl_file_append(file, "e", 1, NULL), SL_OK);
    assert_int_equal(sl_file_truncate(file, 9, NULL), SL_OK);
    assert_int_equal(sl_file_read(file, 4, data, 16, &n, NULL), SL_OK);
    assert_int_equal(n, 5);
    assert_memory_equal(data, "aXe\0\0", 5);
    sl_file_close(file);
}

static void rename__never_replaces(void **state)
{
    fixture *f = *state;
    put(f, "a", "A");
    put(f, "b", "B");
    assert_int_equal(sl_fs_rename_noreplace(f->fs, at("a", f), at("b", f), NULL),
                     SL_EEXISTS);
    assert_content(f, "b", "B");
    assert_int_equal(sl_fs_rename_noreplace(f->fs, at("a", f), at("c", f), NULL), SL_OK);
    assert_false(sl_fs_exists(f->fs, at("a", f)));
    assert_content(f, "c", "A");
    assert_int_equal(sl_fs_rename_noreplace(f->fs, at("a", f), at("d", f), NULL),
                     SL_ENOTFOUND);
}

static void link__shares_one_inode_and_never_replaces(void **state)
{
    fixture *f = *state;
    sl_file_info a, b;
    put(f, "a", "A");
    assert_int_equal(sl_fs_link(f->fs, at("a", f), at("b", f), NULL), SL_OK);
    assert_int_equal(sl_fs_link(f->fs, at("a", f), at("b", f), NULL), SL_EEXISTS);
    assert_int_equal(sl_fs_stat(f->fs, at("a", f), &a, NULL), SL_OK);
    assert_int_equal(sl_fs_stat(f->fs, at("b", f), &b, NULL), SL_OK);
    assert_true(a.inode == b.inode);
    assert_int_equal(sl_fs_remove(f->fs, at("a", f), NULL), SL_OK);
    assert_int_equal(sl_fs_remove(f->fs, at("a", f), NULL), SL_ENOTFOUND);
    assert_content(f, "b", "A");
}

static void list__is_sorted_by_bytes(void **state)
{
    fixture *f = *state;
    static const char *const names[] = { "b", "B", "a10", "a9", "\xc3\xa4", "dir" };
    for (int i = 0; i < 5; i++)
        put(f, names[i], "12345");
    assert_int_equal(sl_fs_make_dirs(f->fs, at("dir", f), NULL), SL_OK);
    sl_dir_entry *entries = NULL;
    size_t count = 0;
    assert_int_equal(sl_fs_list(f->fs, f->root, &entries, &count, NULL), SL_OK);
    assert_int_equal(count, 6);
    static const char *const sorted[] = { "B", "a10", "a9", "b", "dir", "\xc3\xa4" };
    for (int i = 0; i < 6; i++)
        assert_string_equal(entries[i].name, sorted[i]);
    assert_true(entries[4].info.is_directory);
    assert_int_equal(entries[0].info.size_bytes, 5);
    assert_true(entries[0].info.inode != entries[1].info.inode);
    sl_fs_entries_free(entries, count);
    assert_int_equal(sl_fs_list(f->fs, at("no", f), &entries, &count, NULL),
                     SL_ENOTFOUND);
}

static void make_dirs__makes_parents_and_accepts_what_exists(void **state)
{
    fixture *f = *state;
    assert_int_equal(sl_fs_make_dirs(f->fs, at("x/y/z", f), NULL), SL_OK);
    assert_int_equal(sl_fs_make_dirs(f->fs, at("x//y/z/", f), NULL), SL_OK);
    assert_int_equal(sl_fs_make_scratch_dirs(f->fs, at("x/y/z", f), NULL), SL_OK);
    assert_int_equal(sl_fs_make_scratch_dirs(f->fs, at("x/s/t", f), NULL), SL_OK);
    assert_true(sl_fs_exists(f->fs, at("x/s/t", f)));
    put(f, "x/y/z/file", "1");
    sl_error err = { 0 };
    assert_int_equal(sl_fs_make_dirs(f->fs, at("x/y/z/file", f), &err), SL_EEXISTS);
    assert_non_null(strstr(err.text, "is a file"));
    assert_int_equal(sl_fs_sync_dir(f->fs, at("x/y", f), NULL), SL_OK);
    assert_int_equal(sl_fs_sync_dir(f->fs, at("no", f), NULL), SL_ENOTFOUND);
    assert_int_equal(sl_fs_remove_tree(f->fs, at("x", f), NULL), SL_OK);
    assert_int_equal(sl_fs_remove_tree(f->fs, at("x", f), NULL), SL_OK);
    assert_false(sl_fs_exists(f->fs, at("x", f)));
}

static void read_all__keeps_to_its_limit_and_leaves_output_on_failure(void **state)
{
    fixture *f = *state;
    put(f, "a", "12345");
    sl_bytes got = { 0 };
    sl_bytes_text(&got, "old");
    assert_int_equal(sl_fs_read_all(f->fs, at("a", f), 4, &got, NULL), SL_ELIMIT);
    assert_int_equal(sl_fs_read_all(f->fs, at("no", f), 4, &got, NULL), SL_ENOTFOUND);
    assert_string_equal(sl_bytes_cstr(&got), "old");
    assert_int_equal(sl_fs_read_all(f->fs, at("a", f), 5, &got, NULL), SL_OK);
    assert_string_equal(sl_bytes_cstr(&got), "12345");
    put(f, "empty", "");
    assert_int_equal(sl_fs_read_all(f->fs, at("empty", f), 0, &got, NULL), SL_OK);
    assert_int_equal(got.size_bytes, 0);
    sl_bytes_deinit(&got);
}

static void write_new__refuses_a_taken_name_and_leaves_nothing_behind(void **state)
{
    fixture *f = *state;
    sl_span content = sl_span_text("content");
    assert_int_equal(sl_fs_write_new(f->fs, at("n", f), content, NULL), SL_OK);
    assert_int_equal(sl_fs_write_new(f->fs, at("n", f), content, NULL), SL_EEXISTS);
    assert_int_equal(sl_fs_write_new(f->fs, at("no/n", f), content, NULL), SL_ENOTFOUND);
    assert_content(f, "n", "content");
    sl_dir_entry *entries;
    size_t count;
    assert_int_equal(sl_fs_list(f->fs, f->root, &entries, &count, NULL), SL_OK);
    assert_int_equal(count, 1);
    sl_fs_entries_free(entries, count);
}

/* Of writers that race for one name exactly one wins (rel:L16). */
typedef struct writer {
    fixture *f;
    char path[160];
    int won;
} writer;

static void *write_names(void *argument)
{
    writer *w = argument;
    for (int i = 0; i < 50; i++) {
        char path[200], content[64];
        snprintf(path, sizeof path, "%s-%d", w->path, i);
        snprintf(content, sizeof content, "%p", argument);
        w->won += sl_fs_write_new(w->f->fs, path, sl_span_text(content), NULL) == SL_OK;
    }
    return NULL;
}

static void write_new__has_one_winner_of_many(void **state)
{
    fixture *f = *state;
    writer writers[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        writers[i] = (writer){ .f = f };
        strcpy(writers[i].path, at("claim", f));
        pthread_create(&threads[i], NULL, write_names, &writers[i]);
    }
    int won = 0;
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        won += writers[i].won;
    }
    assert_int_equal(won, 50);
}

static void lock__shows_its_holder_until_closed(void **state)
{
    fixture *f = *state;
    sl_file *lock = NULL, *second = NULL;
    sl_error err = { 0 };
    assert_int_equal(sl_fs_lock(f->fs, at("LOCK", f), "pid 17", &lock, NULL), SL_OK);
    assert_int_equal(sl_fs_lock(f->fs, at("LOCK", f), "pid 18", &second, &err), SL_EBUSY);
    assert_non_null(strstr(err.text, "pid 17"));
    assert_null(second);
    sl_file_close(lock);
    assert_int_equal(sl_fs_lock(f->fs, at("LOCK", f), "p", &second, NULL), SL_OK);
    assert_content(f, "LOCK", "p");
    sl_file_close(second);
}

/* rel:L15: who holds a lock of an unlinked file does not keep the next one out, and the
 * next one holds the file that has the name. */
static void lock__is_of_the_file_that_has_the_name(void **state)
{
    fixture *f = *state;
    sl_file *old = NULL, *lock = NULL, *third = NULL;
    assert_int_equal(sl_fs_lock(f->fs, at("LOCK", f), "old", &old, NULL), SL_OK);
    assert_int_equal(sl_fs_remove(f->fs, at("LOCK", f), NULL), SL_OK);
    assert_int_equal(sl_fs_lock(f->fs, at("LOCK", f), "new", &lock, NULL), SL_OK);
    assert_int_equal(sl_fs_lock(f->fs, at("LOCK", f), "third", &third, NULL), SL_EBUSY);
    sl_file_info held, named;
    assert_int_equal(sl_file_info_get(lock, &held, NULL), SL_OK);
    assert_int_equal(sl_fs_stat(f->fs, at("LOCK", f), &named, NULL), SL_OK);
    assert_true(held.inode == named.inode);
    sl_file_close(old);
    sl_file_close(lock);
}

static void removed__file_stays_readable_while_open(void **state)
{
    fixture *f = *state;
    put(f, "a", "kept");
    sl_file *file = open_file(f, "a", SL_OPEN_READ);
    assert_int_equal(sl_fs_remove(f->fs, at("a", f), NULL), SL_OK);
    char data[8];
    size_t n;
    assert_int_equal(sl_file_read(file, 0, data, 8, &n, NULL), SL_OK);
    assert_int_equal(n, 4);
    sl_file_close(file);
}

#define BOTH(test)                                                                       \
    { #test "@posix", test, set_up_posix, tear_down, NULL },                             \
    {                                                                                    \
#test "@virtual", test, set_up_virtual, tear_down, NULL                          \
    }

/* A pipe somebody left in an input folder must not hold its reader for ever. */
static void open__refuses_a_pipe_at_once(void **state)
{
    fixture *f = *state;
    sl_file *file = NULL;
    sl_error err;
    const char *path = at("pipe", f);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(sl_fs_open(f->fs, path, SL_OPEN_READ, &file, &err), SL_EUNSUPPORTED);
    assert_non_null(strstr(err.text, path));
    assert_null(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(open__refuses_a_pipe_at_once, set_up_posix,
                                        tear_down),
        BOTH(open__says_what_is_missing_or_taken),
        BOTH(append__goes_on_at_the_end_of_an_existing_file),
        BOTH(read__is_short_only_at_the_end),
        BOTH(write_at_and_truncate__leave_zeroes_in_gaps),
        BOTH(rename__never_replaces),
        BOTH(link__shares_one_inode_and_never_replaces),
        BOTH(list__is_sorted_by_bytes),
        BOTH(make_dirs__makes_parents_and_accepts_what_exists),
        BOTH(read_all__keeps_to_its_limit_and_leaves_output_on_failure),
        BOTH(write_new__refuses_a_taken_name_and_leaves_nothing_behind),
        BOTH(write_new__has_one_winner_of_many),
        BOTH(lock__shows_its_holder_until_closed),
        BOTH(lock__is_of_the_file_that_has_the_name),
        BOTH(removed__file_stays_readable_while_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
