/* The journal over the model of RocksDB's log: a crash before any file operation, any cut
 * and any flipped bit of what is on disk. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/alloc.h"
#include "tests/unit/checkpoint/journal_fixture.h"

#define ROOT "/ckpt"
#define BATCHES 5

static int64_t wall_ns(void *user)
{
    (void)user;
    return 1000;
}

static uint64_t next_random(void *user)
{
    uint64_t *x = user;
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

/* ---- crashes ---- */

struct countdown {
    uint64_t left; /* operations until everything fails */
};

static sl_code fail_after(void *user, const char *operation, const char *path,
                          sl_error *err)
{
    struct countdown *c = user;
    if (c->left == 0)
        return sl_fail(err, SL_EIO, "%s of %s: told to fail", operation, path);
    c->left--;
    return SL_OK;
}

struct life {
    int64_t acknowledged; /* last commit that returned SL_OK */
    int64_t attempted;
    uint64_t epoch; /* acknowledged */
};

/* One life of a driver: open, claim, go on to BATCHES. False if a fault ended it. */
static bool live(sl_fs *fs, const sl_kv_factory *kv, struct life *life, sl_error *err)
{
    sl_journal *j = NULL;
    sl_journal_recovery r;
    bool is_done = false;
    if (fixture_open(fs, kv, ROOT, &j, &r, err) != SL_OK)
        return false;
    uint64_t epoch = 0;
    if (sl_journal_claim_epoch(j, "test", 0, &epoch, err) != SL_OK)
        goto out;
    life->epoch = epoch;
    life->acknowledged = r.last_commit; /* found and gone on from */
    for (int64_t n = r.last_commit + 1; n < BATCHES; n++) {
        life->attempted = n > life->attempted ? n : life->attempted;
        if (n != r.pending_offsets && fixture_offsets(j, n, epoch, false, err) != SL_OK)
            goto out;
        if (fixture_commit(j, n, epoch, err) != SL_OK)
            goto out;
        life->acknowledged = n;
    }
    is_done = true;
out:
    sl_journal_close(j);
    return is_done;
}

/* What every recovery must find. */
static void assert_recovers(sl_fs *fs, const sl_kv_factory *kv, const struct life *life,
                            uint64_t cut)
{
    sl_journal *j = NULL;
    sl_journal_recovery r;
    sl_error err = { .text = "" };
    if (fixture_open(fs, kv, ROOT, &j, &r, &err) != SL_OK)
        fail_msg("crash before operation %llu: %s", (unsigned long long)cut, err.text);
    if (r.last_commit < life->acknowledged)
        fail_msg("crash before operation %llu: commit %lld is lost, found %lld",
                 (unsigned long long)cut, (long long)life->acknowledged,
                 (long long)r.last_commit);
    assert_true(r.last_commit <= life->attempted);
    assert_true(r.epoch_max >= life->epoch);
    assert_true(r.pending_offsets == -1 || r.pending_offsets == r.last_commit + 1);
    assert_int_equal(fixture_read_all(j, r.last_commit, &err), SL_OK);
    sl_journal_close(j);
}

static void crash_everywhere(bool is_power_loss, uint64_t seed)
{
    for (uint64_t cut = 0;; cut++) {
        sl_fs_virtual *v = sl_fs_virtual_new(wall_ns, NULL);
        sl_fs *fs = sl_fs_virtual_fs(v);
        sl_kv_factory kv = sl_kv_memory(fs);
        struct countdown countdown = { cut };
        struct life life = { -1, -1, 0 };
        uint64_t random = seed + cut * 977 + 1;
        sl_error err;
        bool is_done = false;
        sl_fs_virtual_set_faults(v, (sl_fs_faults){ fail_after, &countdown });
        is_done = live(fs, &kv, &life, &err);
        sl_fs_virtual_set_faults(v, (sl_fs_faults){ 0 });
        if (is_power_loss)
            sl_fs_virtual_crash(v, next_random, &random);
        else
            sl_fs_virtual_kill(v);
        assert_recovers(fs, &kv, &life, cut);
        /* A second life, crashed in the middle too, and then one to the end. */
        countdown.left = random % 40;
        sl_fs_virtual_set_faults(v, (sl_fs_faults){ fail_after, &countdown });
        (void)live(fs, &kv, &life, &err);
        sl_fs_virtual_set_faults(v, (sl_fs_faults){ 0 });
        sl_fs_virtual_crash(v, next_random, &random);
        assert_recovers(fs, &kv, &life, cut);
        if (!live(fs, &kv, &life, &err))
            fail_msg("last life after cut %llu: %s", (unsigned long long)cut, err.text);
        assert_true(life.acknowledged == BATCHES - 1);
        sl_fs_virtual_free(v);
        if (is_done)
            break;
    }
}

static void open__recovers_every_acknowledged_commit_after_a_kill(void **state)
{
    (void)state;
    crash_everywhere(false, 1);
}

static void open__recovers_every_acknowledged_commit_after_power_loss(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++)
        crash_everywhere(true, seed * 1000003);
}

/* ---- damage ---- */

struct image {
    char *names[16];
    sl_bytes contents[16];
    size_t count;
};

/* All files under the checkpoint. */
static void take_image(sl_fs *fs, const char *dir, struct image *image)
{
    sl_dir_entry *entries = NULL;
    size_t count = 0;
    assert_int_equal(sl_fs_list(fs, dir, &entries, &count, NULL), SL_OK);
    for (size_t i = 0; i < count; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", dir, entries[i].name);
        if (entries[i].info.is_directory) {
            take_image(fs, path, image);
            continue;
        }
        assert_true(image->count < 16);
        image->names[image->count] = sl_strdup(path);
        assert_int_equal(
            sl_fs_read_all(fs, path, 1 << 20, &image->contents[image->count], NULL),
            SL_OK);
        image->count++;
    }
    sl_fs_entries_free(entries, count);
}

static void free_image(struct image *image)
{
    for (size_t i = 0; i < image->count; i++) {
        sl_free(image->names[i]);
        sl_bytes_deinit(&image->contents[i]);
    }
}

static void put_image(sl_fs *fs, const struct image *image)
{
    assert_int_equal(sl_fs_make_dirs(fs, ROOT "/journal", NULL), SL_OK);
    for (size_t i = 0; i < image->count; i++) {
        sl_file *file = NULL;
        assert_int_equal(sl_fs_open(fs, image->names[i], SL_OPEN_CREATE, &file, NULL),
                         SL_OK);
        assert_int_equal(sl_file_append(file, image->contents[i].data,
                                        image->contents[i].size_bytes, NULL),
                         SL_OK);
        sl_file_close(file);
    }
}

/* Recovered whole, or refused with the file named. */
static void assert_never_short(const struct image *image, const char *what, size_t at)
{
    sl_fs_virtual *v = sl_fs_virtual_new(wall_ns, NULL);
    sl_fs *fs = sl_fs_virtual_fs(v);
    sl_kv_factory kv = sl_kv_memory(fs);
    put_image(fs, image);
    sl_journal *j = NULL;
    sl_journal_recovery r;
    sl_error err = { .text = "" };
    sl_code code = fixture_open(fs, &kv, ROOT, &j, &r, &err);
    if (code == SL_OK) {
        if (r.last_commit != BATCHES - 1)
            fail_msg("%s at %zu: silently ends with commit %lld", what, at,
                     (long long)r.last_commit);
        int read = fixture_read_all(j, r.last_commit, &err);
        if (read == -1)
            fail_msg("%s at %zu: records are silently missing", what, at);
        sl_journal_close(j);
    } else if (!strstr(err.text, ROOT "/journal")) {
        fail_msg("%s at %zu: the file is not named: %s", what, at, err.text);
    }
    sl_fs_virtual_free(v);
}

/* A journal of BATCHES commits and a planned batch. */
static void make_image(struct image *image, bool is_reopened)
{
    sl_fs_virtual *v = sl_fs_virtual_new(wall_ns, NULL);
    sl_fs *fs = sl_fs_virtual_fs(v);
    sl_kv_factory kv = sl_kv_memory(fs);
    struct life life = { -1, -1, 0 };
    sl_error err = { .text = "" };
    if (!live(fs, &kv, &life, &err))
        fail_msg("%s", err.text);
    if (is_reopened) {
        sl_kv_options o = { .role = SL_KV_JOURNAL };
        sl_kv *store = NULL;
        assert_int_equal(sl_kv_open(&kv, ROOT "/journal", &o, &store, NULL), SL_OK);
        assert_int_equal(sl_kv_flush(store, NULL), SL_OK);
        sl_kv_close(store);
    }
    sl_journal *j = NULL;
    sl_journal_recovery r;
    uint64_t epoch = 0;
    assert_int_equal(fixture_open(fs, &kv, ROOT, &j, &r, NULL), SL_OK);
    assert_int_equal(sl_journal_claim_epoch(j, "test", 0, &epoch, NULL), SL_OK);
    assert_int_equal(fixture_offsets(j, BATCHES, epoch, false, NULL), SL_OK);
    sl_journal_close(j);
    take_image(fs, ROOT, image);
    sl_fs_virtual_free(v);
}

static void damage_everywhere(bool is_reopened)
{
    struct image image = { .count = 0 };
    make_image(&image, is_reopened);
    for (size_t i = 0; i < image.count; i++) {
        sl_bytes *content = &image.contents[i];
        size_t whole = content->size_bytes;
        for (size_t at = 0; at < whole; at++) {
            uint8_t bit = (uint8_t)(1u << (at % 8));
            content->data[at] ^= bit;
            assert_never_short(&image, image.names[i], at);
            content->data[at] ^= bit;
        }
        for (size_t size = 0; size < whole; size++) {
            content->size_bytes = size;
            assert_never_short(&image, image.names[i], size);
        }
        content->size_bytes = whole;
    }
    free_image(&image);
}

static void open__is_never_silently_short_after_damage_of_the_log(void **state)
{
    (void)state;
    damage_everywhere(false);
}

static void open__is_never_silently_short_after_damage_of_a_table(void **state)
{
    (void)state;
    damage_everywhere(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open__recovers_every_acknowledged_commit_after_a_kill),
        cmocka_unit_test(open__recovers_every_acknowledged_commit_after_power_loss),
        cmocka_unit_test(open__is_never_silently_short_after_damage_of_the_log),
        cmocka_unit_test(open__is_never_silently_short_after_damage_of_a_table),
    };
    return cmocka_run_group_tests_name("checkpoint/journal crashes", tests, NULL, NULL);
}
