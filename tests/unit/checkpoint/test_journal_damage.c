/* The journal of 20 batches in RocksDB: cut at every byte, bits flipped.  Recovered, or
 * refused with the file named, never silently short.
 *
 * A sixteenth of the cases by default; SLUICE_DAMAGE_ALL=1 runs every one. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "tests/unit/checkpoint/journal_fixture.h"

#define BATCHES 20
#define FILES_MAX 64
#define SAMPLED 16
#define WAL_BLOCK_BYTES 32768
#define WAL_HEADER_BYTES 7

struct image_file {
    char *name; /* beneath the checkpoint */
    sl_bytes content;
};

struct fixture {
    char dir[64], root[80];
    sl_fs *fs;
    sl_kv_factory kv;
    struct image_file files[FILES_MAX];
    size_t count;
    uint64_t recovered, refused;
};

static void read_image(struct fixture *f, const char *sub)
{
    char path[256];
    sl_dir_entry *entries = NULL;
    size_t count = 0;
    snprintf(path, sizeof path, "%s%s", f->root, sub);
    assert_int_equal(sl_fs_list(f->fs, path, &entries, &count, NULL), SL_OK);
    for (size_t i = 0; i < count; i++) {
        char name[128], full[300];
        snprintf(name, sizeof name, "%.60s/%.60s", sub, entries[i].name);
        if (entries[i].info.is_directory) {
            read_image(f, name);
            continue;
        }
        assert_true(f->count < FILES_MAX);
        struct image_file *file = &f->files[f->count++];
        *file = (struct image_file){ .name = sl_strdup(name) };
        snprintf(full, sizeof full, "%s%s", f->root, name);
        assert_int_equal(sl_fs_read_all(f->fs, full, 64 << 20, &file->content, NULL),
                         SL_OK);
    }
    sl_fs_entries_free(entries, count);
}

static void write_image(struct fixture *f)
{
    char path[300];
    assert_int_equal(sl_fs_remove_tree(f->fs, f->root, NULL), SL_OK);
    snprintf(path, sizeof path, "%s/journal", f->root);
    assert_int_equal(sl_fs_make_dirs(f->fs, path, NULL), SL_OK);
    for (size_t i = 0; i < f->count; i++) {
        sl_file *file = NULL;
        snprintf(path, sizeof path, "%s%s", f->root, f->files[i].name);
        assert_int_equal(sl_fs_open(f->fs, path, SL_OPEN_CREATE, &file, NULL), SL_OK);
        assert_int_equal(sl_file_append(file, f->files[i].content.data,
                                        f->files[i].content.size_bytes, NULL),
                         SL_OK);
        sl_file_close(file);
    }
}

static int set_up(void **state)
{
    struct fixture *f = sl_calloc(1, sizeof *f);
    f->fs = sl_fs_posix();
    f->kv = sl_kv_rocksdb();
    snprintf(f->dir, sizeof f->dir, "%s",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm/sluice-damage-XXXXXX"
                                           : "/tmp/sluice-damage-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    snprintf(f->root, sizeof f->root, "%s/ckpt", f->dir);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < f->count; i++) {
        sl_free(f->files[i].name);
        sl_bytes_deinit(&f->files[i].content);
    }
    (void)!sl_fs_remove_tree(f->fs, f->dir, NULL);
    sl_free(f);
    return 0;
}

/* BATCHES commits and a planned one; is_reopened: they have moved from the log to a
 * table.
 */
static void make_image(struct fixture *f, bool is_reopened)
{
    sl_journal *j = NULL;
    sl_journal_recovery r;
    uint64_t epoch = 0;
    sl_error err = { .text = "" };
    if (fixture_open(f->fs, &f->kv, f->root, &j, &r, &err) != SL_OK)
        fail_msg("%s", err.text);
    assert_int_equal(sl_journal_claim_epoch(j, "test", 0, &epoch, NULL), SL_OK);
    for (int64_t n = 0; n < BATCHES; n++)
        assert_int_equal(fixture_batch(j, n, epoch, NULL), SL_OK);
    if (is_reopened) {
        sl_journal_close(j);
        assert_int_equal(fixture_open(f->fs, &f->kv, f->root, &j, &r, NULL), SL_OK);
        assert_int_equal(sl_journal_claim_epoch(j, "test", 0, &epoch, NULL), SL_OK);
    }
    assert_int_equal(fixture_offsets(j, BATCHES, epoch, false, NULL), SL_OK);
    sl_journal_close(j);
    read_image(f, "");
}

static void assert_never_short(struct fixture *f, const char *what, const char *name,
                               size_t at)
{
    sl_journal *j = NULL;
    sl_journal_recovery r;
    sl_error err = { .text = "" };
    write_image(f);
    if (fixture_open(f->fs, &f->kv, f->root, &j, &r, &err) == SL_OK) {
        if (r.last_commit != BATCHES - 1)
            fail_msg("%s of %s at %zu: silently ends with commit %lld", what, name, at,
                     (long long)r.last_commit);
        int read = fixture_read_all(j, r.last_commit, &err);
        if (read == -1)
            fail_msg("%s of %s at %zu: records are silently missing", what, name, at);
        if (read == SL_OK)
            f->recovered++;
        sl_journal_close(j);
        if (read == SL_OK)
            return;
    }
    f->refused++;
    if (!strstr(err.text, "/journal"))
        fail_msg("%s of %s at %zu: the file is not named: %s", what, name, at, err.text);
}

/* Files that recovery reads; the rest of RocksDB's are for people or for locks. */
static bool is_read(const char *name)
{
    return !strstr(name, "/LOG") && !strstr(name, "/OPTIONS") && !strstr(name, "LOCK") &&
           !strstr(name, "IDENTITY");
}

static bool is_log(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && strcmp(name + n - 4, ".log") == 0;
}

/* Mark the length bytes (4 and 5 of each 7-byte header) of a RocksDB log. */
static void mark_lengths(const sl_bytes *log, bool *ret)
{
    size_t at = 0;
    while (at + WAL_HEADER_BYTES <= log->size_bytes) {
        size_t left = WAL_BLOCK_BYTES - at % WAL_BLOCK_BYTES;
        if (left < WAL_HEADER_BYTES) {
            at += left;
            continue;
        }
        ret[at + 4] = ret[at + 5] = true;
        at += WAL_HEADER_BYTES + (size_t)log->data[at + 4] +
              ((size_t)log->data[at + 5] << 8);
    }
}

static void damage_file(struct fixture *f, struct image_file *file, uint64_t every)
{
    sl_bytes *content = &file->content;
    size_t whole = content->size_bytes;
    uint64_t turn = 0;
    bool *is_length = sl_calloc(whole + 1, sizeof *is_length);
    if (is_log(file->name))
        mark_lengths(content, is_length);
    for (size_t at = 0; at < whole; at++) {
        unsigned first = is_length[at] ? 0 : (unsigned)(at % 8);
        unsigned end = is_length[at] ? 8 : first + 1;
        for (unsigned bit = first; bit < end; bit++) {
            if (turn++ % every != 0)
                continue;
            content->data[at] ^= (uint8_t)(1u << bit);
            assert_never_short(f, "flipped bit", file->name, at);
            content->data[at] ^= (uint8_t)(1u << bit);
        }
    }
    for (size_t size = 0; size < whole; size++) {
        if (turn++ % every != 0)
            continue;
        content->size_bytes = size;
        assert_never_short(f, "cut", file->name, size);
    }
    content->size_bytes = whole;
    sl_free(is_length);
}

static void damage_all(struct fixture *f, bool is_reopened)
{
    uint64_t every = getenv("SLUICE_DAMAGE_ALL") ? 1 : SAMPLED;
    make_image(f, is_reopened);
    assert_never_short(f, "nothing", "anything", 0);
    assert_int_equal(f->recovered, 1);
    for (size_t i = 0; i < f->count; i++) {
        if (is_read(f->files[i].name))
            damage_file(f, &f->files[i], every);
    }
    assert_true(f->refused > 0);
}

static void open__is_never_silently_short_after_damage_of_the_log(void **state)
{
    damage_all(*state, false);
}

static void open__is_never_silently_short_after_damage_of_a_table(void **state)
{
    damage_all(*state, true);
}

static void open__refuses_a_journal_that_is_gone(void **state)
{
    struct fixture *f = *state;
    char path[128];
    sl_journal *j = NULL;
    sl_journal_recovery r;
    sl_error err;
    make_image(f, false);
    snprintf(path, sizeof path, "%s/journal", f->root);
    assert_int_equal(sl_fs_remove_tree(f->fs, path, NULL), SL_OK);
    assert_int_equal(fixture_open(f->fs, &f->kv, f->root, &j, &r, &err), SL_ECORRUPT);
    assert_non_null(strstr(err.text, "journal-head is there"));
    assert_false(sl_fs_exists(f->fs, path)); /* and nothing was made in its place */
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(open__is_never_silently_short_after_damage_of_the_log),
        T(open__is_never_silently_short_after_damage_of_a_table),
        T(open__refuses_a_journal_that_is_gone),
    };
    return cmocka_run_group_tests_name("checkpoint/journal damage", tests, NULL, NULL);
}
