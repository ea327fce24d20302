/* The journal of 20 batches in RocksDB: cut at every byte, bits flipped.  Recovered, or
 * refused with the file named, never silently short.  The one in the log is of a real
 * query, windows counted from 20 files; the one in a table is made up, and smaller.
 *
 * A sixteenth of the cases by default; SLUICE_DAMAGE_ALL=1 runs every one, and with
 * SLUICE_DAMAGE_PART=I/N the I-th of N equal parts of them (from 0), so that several
 * processes share the work. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "checkpoint/query_file.h"
#include "sluice/sluice.h"
#include "tests/unit/checkpoint/journal_fixture.h"

#define BATCHES 20
#define COMMITS_MAX 32 /* of the real query: with batches without data */
#define FILES_MAX 64
#define SAMPLED 16
#define WAL_BLOCK_BYTES 32768
#define WAL_HEADER_BYTES 7

struct image_file {
    char *name; /* beneath the checkpoint */
    sl_bytes content;
};

/* What must be read of a batch. */
struct batch {
    int64_t watermark_us, next_watermark_us;
    uint64_t state_id, rows_in;
};

struct fixture {
    char dir[64], root[80];
    char query_id[SL_QUERY_ID_CHARS + 1];
    int64_t last_commit;
    struct batch batches[COMMITS_MAX];
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
    for (size_t i = 0; i < f->count; i++) {
        sl_file *file = NULL;
        snprintf(path, sizeof path, "%s%s", f->root, f->files[i].name);
        char *name = strrchr(path, '/');
        *name = '\0';
        assert_int_equal(sl_fs_make_dirs(f->fs, path, NULL), SL_OK);
        *name = '/';
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

/* ---- the journals ---- */

static sl_code open_journal(struct fixture *f, sl_journal **ret,
                            sl_journal_recovery *recovery, sl_error *err)
{
    sl_journal_options options = {
        .root = f->root, .fs = f->fs, .kv = &f->kv, .query_id = f->query_id
    };
    return sl_journal_open(&options, ret, recovery, err);
}

/* One record of each kind; SL_ENOTFOUND if one is not there. */
static sl_code read_batch(sl_journal *j, int64_t n, sl_arena *arena, struct batch *ret,
                          sl_error *err)
{
    sl_offsets_record offsets;
    sl_commit_record commit;
    sl_arena_reset(arena);
    SL_TRY(sl_journal_get_offsets(j, n, arena, &offsets, err));
    SL_TRY(sl_journal_get_commit(j, n, arena, &commit, err));
    *ret = (struct batch){ offsets.watermark_us, commit.next_watermark_us,
                           commit.states[0].state_id, commit.rows_in };
    return SL_OK;
}

/* What is in the image as it is: what every opening must find. */
static void learn_image(struct fixture *f)
{
    sl_journal *j = NULL;
    sl_journal_recovery r;
    sl_arena *arena = sl_arena_new();
    read_image(f, "");
    write_image(f);
    assert_int_equal(open_journal(f, &j, &r, NULL), SL_OK);
    f->last_commit = r.last_commit;
    assert_in_range(f->last_commit, BATCHES - 1, COMMITS_MAX - 1);
    for (int64_t n = 0; n <= f->last_commit; n++)
        assert_int_equal(read_batch(j, n, arena, &f->batches[n], NULL), SL_OK);
    sl_journal_close(j);
    sl_arena_free(arena);
}

/* BATCHES commits that have moved from the log to a table, and a planned one. */
static void make_table(struct fixture *f)
{
    sl_journal *j = NULL;
    sl_journal_recovery r;
    uint64_t epoch = 0;
    snprintf(f->query_id, sizeof f->query_id, "%s", FIXTURE_QUERY);
    assert_int_equal(open_journal(f, &j, &r, NULL), SL_OK);
    assert_int_equal(sl_journal_claim_epoch(j, "test", 0, &epoch, NULL), SL_OK);
    for (int64_t n = 0; n < BATCHES; n++)
        assert_int_equal(fixture_batch(j, n, epoch, NULL), SL_OK);
    sl_journal_close(j);
    assert_int_equal(open_journal(f, &j, &r, NULL), SL_OK);
    assert_int_equal(sl_journal_claim_epoch(j, "test", 0, &epoch, NULL), SL_OK);
    assert_int_equal(fixture_offsets(j, BATCHES, epoch, false, NULL), SL_OK);
    sl_journal_close(j);
    learn_image(f);
}

static void write_input(struct fixture *f)
{
    char path[120], row[80];
    snprintf(path, sizeof path, "%s/in", f->dir);
    assert_int_equal(sl_fs_make_dirs(f->fs, path, NULL), SL_OK);
    for (int i = 0; i < BATCHES; i++) {
        snprintf(path, sizeof path, "%s/in/f%02d.json", f->dir, i);
        int n = snprintf(row, sizeof row,
                         "{\"k\":\"a\",\"ts\":\"2020-01-01T00:%02d:30\"}\n", i);
        assert_int_equal(sl_fs_write_new(f->fs, path, sl_span_of(row, (size_t)n), NULL),
                         SL_OK);
    }
}

/* The checkpoint of a query that counted windows in BATCHES batches. */
static void make_log(struct fixture *f)
{
    static const sl_client_setting settings[] = { { "sluice.state.partitions", "1" } };
    sl_client_config config = { .master = "local[1]",
                                .settings = settings,
                                .setting_count = 1 };
    char sql[1000];
    sl_client *c = NULL;
    sl_client_error e;
    write_input(f);
    snprintf(
        sql, sizeof sql,
        "CREATE TABLE t (k STRING, ts TIMESTAMP) USING json OPTIONS (path '%s/in', "
        "maxFilesPerTrigger 1);"
        "CREATE STREAMING QUERY q OUTPUT MODE append TRIGGER AVAILABLE NOW "
        "CHECKPOINT LOCATION '%s' INTO json OPTIONS (path '%s/out') AS "
        "SELECT window(ts, '1 minute') AS w, k, count(*) AS n FROM STREAM t "
        "WATERMARK ts DELAY OF INTERVAL 10 SECONDS GROUP BY window(ts, '1 minute'), k",
        f->dir, f->root, f->dir);
    assert_int_equal(sl_client_open(&config, &c, &e), SL_CLIENT_OK);
    if (sl_client_execute(c, sql, NULL, &e) != SL_CLIENT_OK)
        fail_msg("%s", e.message);
    sl_client_close(c);
    sl_arena *arena = sl_arena_new();
    sl_query_file q;
    assert_int_equal(sl_query_file_read(f->fs, f->root, arena, &q, NULL), SL_OK);
    snprintf(f->query_id, sizeof f->query_id, "%s", q.query_id);
    sl_arena_free(arena);
    learn_image(f);
}

/* ---- damage ---- */

/* SL_OK, or the error of the first read that failed; -1: the journal is silently short.
 */
static int read_all(struct fixture *f, sl_journal *j, sl_error *err)
{
    sl_arena *arena = sl_arena_new();
    int result = SL_OK;
    for (int64_t n = 0; n <= f->last_commit && result == SL_OK; n++) {
        struct batch b;
        sl_code code = read_batch(j, n, arena, &b, err);
        result = code == SL_ENOTFOUND ? -1 : (int)code;
        if (code == SL_OK && memcmp(&b, &f->batches[n], sizeof b) != 0)
            result = -1;
    }
    sl_arena_free(arena);
    if (result != SL_OK)
        return result;
    uint64_t seen = 0;
    sl_code code = sl_journal_each_seen(j, "0", fixture_count_seen, &seen, err);
    if (code != SL_OK)
        return (int)code;
    return seen >= BATCHES ? SL_OK : -1; /* a planned batch may be lost with its file */
}

static void assert_never_short(struct fixture *f, const char *what, const char *name,
                               size_t at)
{
    sl_journal *j = NULL;
    sl_journal_recovery r;
    sl_error err = { .text = "" };
    write_image(f);
    if (open_journal(f, &j, &r, &err) == SL_OK) {
        if (r.last_commit != f->last_commit)
            fail_msg("%s of %s at %zu: silently ends with commit %lld", what, name, at,
                     (long long)r.last_commit);
        int read = read_all(f, j, &err);
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

/* Files of the journal that recovery reads; the rest of RocksDB's are for people or for
 * locks. */
static bool is_read(const char *name)
{
    return strncmp(name, "/journal", 8) == 0 && !strstr(name, "/LOG") &&
           !strstr(name, "/OPTIONS") && !strstr(name, "LOCK") &&
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

/* Of the cases those whose number is `first` modulo `every`. */
static void damage_file(struct fixture *f, struct image_file *file, uint64_t every,
                        uint64_t first)
{
    sl_bytes *content = &file->content;
    size_t whole = content->size_bytes;
    uint64_t turn = 0;
    bool *is_length = sl_calloc(whole + 1, sizeof *is_length);
    if (is_log(file->name))
        mark_lengths(content, is_length);
    for (size_t at = 0; at < whole; at++) {
        unsigned bit = is_length[at] ? 0 : (unsigned)(at % 8);
        unsigned end = is_length[at] ? 8 : bit + 1;
        for (; bit < end; bit++) {
            if (turn++ % every != first)
                continue;
            content->data[at] ^= (uint8_t)(1u << bit);
            assert_never_short(f, "flipped bit", file->name, at);
            content->data[at] ^= (uint8_t)(1u << bit);
        }
    }
    for (size_t size = 0; size < whole; size++) {
        if (turn++ % every != first)
            continue;
        content->size_bytes = size;
        assert_never_short(f, "cut", file->name, size);
    }
    content->size_bytes = whole;
    sl_free(is_length);
}

static void damage_all(struct fixture *f)
{
    uint64_t every = getenv("SLUICE_DAMAGE_ALL") ? 1 : SAMPLED;
    unsigned part = 0, parts = 1;
    const char *share = getenv("SLUICE_DAMAGE_PART");
    if (share != NULL && (sscanf(share, "%u/%u", &part, &parts) != 2 || part >= parts))
        fail_msg("SLUICE_DAMAGE_PART is '%s'; it must be I/N with I from 0 to N-1",
                 share);
    assert_never_short(f, "nothing", "anything", 0);
    assert_int_equal(f->recovered, 1);
    for (size_t i = 0; i < f->count; i++) {
        if (is_read(f->files[i].name))
            damage_file(f, &f->files[i], every * parts, part);
    }
    assert_true(f->refused > 0);
}

static void open__is_never_silently_short_after_damage_of_the_log(void **state)
{
    struct fixture *f = *state;
    make_log(f);
    damage_all(f);
}

static void open__is_never_silently_short_after_damage_of_a_table(void **state)
{
    struct fixture *f = *state;
    make_table(f);
    damage_all(f);
}

static void open__refuses_a_journal_that_is_gone(void **state)
{
    struct fixture *f = *state;
    char path[128];
    sl_journal *j = NULL;
    sl_journal_recovery r;
    sl_error err;
    make_table(f);
    snprintf(path, sizeof path, "%s/journal", f->root);
    assert_int_equal(sl_fs_remove_tree(f->fs, path, NULL), SL_OK);
    assert_int_equal(open_journal(f, &j, &r, &err), SL_ECORRUPT);
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
