/* query.json, the lock, manifests, retention, verification, reachability: over the
 * virtual file system and the memory store. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "checkpoint/inspect.h"
#include "checkpoint/layout.h"
#include "checkpoint/lock.h"
#include "checkpoint/manifest.h"
#include "checkpoint/query_file.h"
#include "checkpoint/reachability.h"
#include "checkpoint/snapshot_file.h"
#include "checkpoint/verify.h"
#include "objects/content_store.h"
#include "tests/unit/checkpoint/journal_fixture.h"

#define ROOT "/ckpt"
#define MINUTE_US INT64_C(60000000)

struct fixture {
    sl_fs_virtual *v;
    sl_fs *fs;
    sl_kv_factory kv;
    sl_arena *arena;
    sl_journal *journal;
    sl_journal_recovery recovery;
    uint64_t epoch;
};

static int64_t wall_ns(void *user)
{
    (void)user;
    return 1000;
}

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){ .v = sl_fs_virtual_new(wall_ns, NULL),
                          .arena = sl_arena_new() };
    f.fs = sl_fs_virtual_fs(f.v);
    f.kv = sl_kv_memory(f.fs);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    sl_journal_close(f->journal);
    sl_arena_free(f->arena);
    sl_fs_virtual_free(f->v);
    return 0;
}

static void create_query(struct fixture *f)
{
    static const sl_setting settings[] = { { "sluice.state.partitions", "8" } };
    sl_query_file q = { .query_id = FIXTURE_QUERY,
                        .name = "q\"1",
                        .sql = "SELECT 1",
                        .plan_fingerprint = "abc",
                        .key_group_count = 4096,
                        .partition_count = 2,
                        .created_wall_us = 5,
                        .settings = settings,
                        .setting_count = 1 };
    assert_int_equal(sl_query_file_create(f->fs, ROOT, &q, (sl_failpoints){ 0 }, NULL),
                     SL_OK);
}

static void open_journal(struct fixture *f)
{
    sl_error err = { .text = "" };
    if (fixture_open(f->fs, &f->kv, ROOT, &f->journal, &f->recovery, &err) != SL_OK)
        fail_msg("%s", err.text);
    assert_int_equal(sl_journal_claim_epoch(f->journal, "test", 0, &f->epoch, NULL),
                     SL_OK);
}

static void close_journal(struct fixture *f)
{
    sl_journal_close(f->journal);
    f->journal = NULL;
}

static void run_batches(struct fixture *f, int64_t first, int64_t end)
{
    for (int64_t n = first; n < end; n++)
        assert_int_equal(fixture_batch(f->journal, n, f->epoch, NULL), SL_OK);
}

/* Replace text in a file by other text of the same length. */
static void edit(struct fixture *f, const char *path, const char *from, const char *to)
{
    sl_bytes b = { 0 };
    sl_file *file = NULL;
    assert_int_equal(strlen(from), strlen(to));
    assert_int_equal(sl_fs_read_all(f->fs, path, 1 << 20, &b, NULL), SL_OK);
    const char *at = memmem(b.data, b.size_bytes, from, strlen(from));
    assert_non_null(at);
    assert_int_equal(sl_fs_open(f->fs, path, SL_OPEN_WRITE, &file, NULL), SL_OK);
    assert_int_equal(
        sl_file_write_at(file, at - (const char *)b.data, to, strlen(to), NULL), SL_OK);
    sl_file_close(file);
    sl_bytes_deinit(&b);
}

/* ---- query.json ---- */

static void query_file__reads_back_and_is_created_once(void **state)
{
    struct fixture *f = *state;
    sl_query_file q;
    assert_int_equal(sl_query_file_read(f->fs, ROOT, f->arena, &q, NULL), SL_ENOTFOUND);
    create_query(f);
    assert_int_equal(sl_query_file_read(f->fs, ROOT, f->arena, &q, NULL), SL_OK);
    assert_string_equal(q.query_id, FIXTURE_QUERY);
    assert_string_equal(q.name, "q\"1");
    assert_string_equal(sl_query_file_setting(&q, "sluice.state.partitions"), "8");
    assert_null(sl_query_file_setting(&q, "other"));
    assert_int_equal(sl_query_file_create(f->fs, ROOT, &q, (sl_failpoints){ 0 }, NULL),
                     SL_EEXISTS);
    sl_error err;
    assert_int_equal(sl_query_file_check_plan(&q, ROOT, "abc", &err), SL_OK);
    assert_int_equal(sl_query_file_check_plan(&q, ROOT, "abd", &err), SL_EINCOMPATIBLE);
    assert_non_null(strstr(err.text, ROOT "/query.json"));
}

static void query_file__refuses_damage_newer_formats_and_absence(void **state)
{
    struct fixture *f = *state;
    sl_query_file q;
    sl_error err;
    create_query(f);
    edit(f, ROOT "/query.json", "SELECT 1", "SELECT 2");
    assert_int_equal(sl_query_file_read(f->fs, ROOT, f->arena, &q, &err), SL_ECORRUPT);
    assert_non_null(strstr(err.text, ROOT "/query.json"));
    edit(f, ROOT "/query.json", "SELECT 2", "SELECT 1");
    edit(f, ROOT "/query.json", "\"formatVersion\": 1", "\"formatVersion\": 9");
    assert_int_equal(sl_query_file_read(f->fs, ROOT, f->arena, &q, &err),
                     SL_EINCOMPATIBLE);
    edit(f, ROOT "/query.json", "{", "[");
    assert_int_equal(sl_query_file_read(f->fs, ROOT, f->arena, &q, &err), SL_ECORRUPT);
    assert_int_equal(sl_fs_remove(f->fs, ROOT "/query.json", NULL), SL_OK);
    open_journal(f);
    assert_int_equal(sl_query_file_read(f->fs, ROOT, f->arena, &q, &err), SL_ECORRUPT);
    assert_non_null(strstr(err.text, "is missing although"));
}

static void query_id__is_a_version_4_uuid(void **state)
{
    (void)state;
    char text[SL_QUERY_ID_CHARS + 1];
    sl_query_id_make(UINT64_MAX, UINT64_MAX, text);
    assert_string_equal(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    sl_query_id_make(0, 0, text);
    assert_string_equal(text, "00000000-0000-4000-8000-000000000000");
}

static void lock__names_the_process_that_holds_it(void **state)
{
    struct fixture *f = *state;
    sl_file *mine = NULL, *other = NULL;
    sl_error err;
    assert_int_equal(sl_checkpoint_lock(f->fs, ROOT, 1234, "driver on h", &mine, &err),
                     SL_OK);
    assert_int_equal(sl_checkpoint_lock(f->fs, ROOT, 5, "x", &other, &err), SL_EBUSY);
    assert_non_null(strstr(err.text, "process 1234 (driver on h)"));
    sl_file_close(mine);
    assert_int_equal(sl_checkpoint_lock(f->fs, ROOT, 5, "x", &other, &err), SL_OK);
    sl_file_close(other);
}

static void lock_check__tells_a_holder_that_lost_it_who_has_it_now(void **state)
{
    struct fixture *f = *state;
    sl_file *mine = NULL, *other = NULL;
    sl_error err;
    assert_int_equal(sl_checkpoint_lock(f->fs, ROOT, 7, "driver a1", &mine, NULL), SL_OK);
    assert_int_equal(sl_checkpoint_lock_check(f->fs, ROOT, 7, "driver a1", NULL), SL_OK);
    sl_file_close(mine); /* as a file system does whose locks expire */
    assert_int_equal(sl_checkpoint_lock_check(f->fs, ROOT, 7, "driver a1", NULL), SL_OK);
    assert_int_equal(sl_checkpoint_lock(f->fs, ROOT, 7, "driver b2", &other, NULL),
                     SL_OK);
    assert_int_equal(sl_checkpoint_lock_check(f->fs, ROOT, 7, "driver a1", &err),
                     SL_EFENCED);
    assert_non_null(strstr(err.text, "process 7 (driver b2)"));
    sl_file_close(other);
}

/* ---- journal rules ---- */

static void put__keeps_the_order_of_batches_and_never_overwrites(void **state)
{
    struct fixture *f = *state;
    open_journal(f);
    sl_error err;
    assert_int_equal(fixture_commit(f->journal, 0, f->epoch, &err), SL_EINTERNAL);
    assert_int_equal(fixture_offsets(f->journal, 1, f->epoch, false, &err), SL_EINTERNAL);
    assert_int_equal(fixture_offsets(f->journal, 0, f->epoch + 1, false, &err),
                     SL_EFENCED);
    assert_int_equal(fixture_offsets(f->journal, 0, f->epoch, false, &err), SL_OK);
    assert_int_equal(fixture_offsets(f->journal, 0, f->epoch, false, &err), SL_EEXISTS);
    assert_int_equal(fixture_commit(f->journal, 0, f->epoch, &err), SL_OK);
    assert_int_equal(fixture_commit(f->journal, 0, f->epoch, &err), SL_EEXISTS);
    assert_int_equal(sl_journal_last_commit(f->journal), 0);
    sl_commit_record c;
    assert_int_equal(sl_journal_get_commit(f->journal, 5, f->arena, &c, &err),
                     SL_ENOTFOUND);
}

static void open__refuses_records_of_another_query(void **state)
{
    struct fixture *f = *state;
    open_journal(f);
    run_batches(f, 0, 2);
    close_journal(f);
    sl_journal_options o = {
        .root = ROOT, .fs = f->fs, .kv = &f->kv, .query_id = "other"
    };
    sl_error err;
    assert_int_equal(sl_journal_open(&o, &f->journal, &f->recovery, &err), SL_ECORRUPT);
    assert_non_null(strstr(err.text, "another query"));
}

static void open__believes_the_witnesses_of_the_caller(void **state)
{
    struct fixture *f = *state;
    open_journal(f);
    run_batches(f, 0, 3);
    close_journal(f);
    sl_journal_witness w = { "worker w2", 3, false };
    sl_journal_options o = { .root = ROOT,
                             .fs = f->fs,
                             .kv = &f->kv,
                             .query_id = FIXTURE_QUERY,
                             .witnesses = &w,
                             .witness_count = 1 };
    sl_error err;
    assert_int_equal(sl_journal_open(&o, &f->journal, &f->recovery, &err), SL_OK);
    close_journal(f);
    w.is_committed = true;
    assert_int_equal(sl_journal_open(&o, &f->journal, &f->recovery, &err), SL_ECORRUPT);
    assert_non_null(strstr(err.text, "worker w2 names batch 3"));
}

/* A sink manifest ahead of the journal: commits were lost. */
static void open__believes_the_manifests(void **state)
{
    struct fixture *f = *state;
    open_journal(f);
    run_batches(f, 0, 2);
    close_journal(f);
    sl_manifest_options o = {
        .fs = f->fs, .root = ROOT, .sink_id = "sink0", .query_id = FIXTURE_QUERY
    };
    sl_manifest *m = NULL;
    assert_int_equal(sl_manifest_open(&o, &m, NULL), SL_OK);
    sl_manifest_record r = { .batch = 2, .epoch = 1 };
    assert_int_equal(sl_manifest_append(m, &r, NULL), SL_OK);
    sl_manifest_close(m);
    sl_error err;
    assert_int_equal(fixture_open(f->fs, &f->kv, ROOT, &f->journal, &f->recovery, &err),
                     SL_ECORRUPT);
    assert_non_null(strstr(err.text, "sinks/sink0 names batch 2"));
}

static void forget_seen__drops_only_what_is_past_the_horizon(void **state)
{
    struct fixture *f = *state;
    open_journal(f);
    run_batches(f, 0, 10);
    uint64_t removed = 0, left = 0;
    assert_int_equal(sl_journal_forget_seen(f->journal, "0", 4000, &removed, NULL),
                     SL_OK);
    assert_int_equal(removed, 4);
    assert_int_equal(
        sl_journal_each_seen(f->journal, "0", fixture_count_seen, &left, NULL), SL_OK);
    assert_int_equal(left, 6);
}

/* A commit whose state has the older snapshot in a commit's full delta. */
static void commit_with_snapshot(struct fixture *f, int64_t batch, int64_t older)
{
    sl_state_record s = {
        .state_id = 9, .older_snapshot = { .kind = SL_SNAPSHOT_FULL, .batch = older }
    };
    sl_commit_record c = { .batch = batch,
                           .epoch = f->epoch,
                           .commit_wall_us = 1000000 * batch,
                           .states = &s,
                           .state_count = 1 };
    assert_int_equal(fixture_offsets(f->journal, batch, f->epoch, false, NULL), SL_OK);
    assert_int_equal(sl_journal_put_commit(f->journal, &c, true, NULL), SL_OK);
}

static void retain__keeps_what_is_young_recent_or_still_needed(void **state)
{
    struct fixture *f = *state;
    uint64_t removed = 99;
    open_journal(f);
    run_batches(f, 0, 20);
    sl_retention five = { .commits_min = 5, .age_min_us = MINUTE_US };
    /* No two snapshots yet: a restore starts from nothing. */
    assert_int_equal(
        sl_journal_retain(f->journal, five, 1000 * MINUTE_US, &removed, NULL), SL_OK);
    assert_int_equal(removed, 0);
    commit_with_snapshot(f, 20, 12);
    assert_int_equal(sl_journal_retain(f->journal, five, 0, &removed, NULL), SL_OK);
    assert_int_equal(removed, 0); /* all are young */
    assert_int_equal(
        sl_journal_retain(f->journal, five, 1000 * MINUTE_US, &removed, NULL), SL_OK);
    assert_int_equal(removed, 12);
    assert_int_equal(sl_journal_first_commit(f->journal), 12);
    commit_with_snapshot(f, 21, 20);
    assert_int_equal(
        sl_journal_retain(f->journal, five, 1000 * MINUTE_US, &removed, NULL), SL_OK);
    assert_int_equal(sl_journal_first_commit(f->journal), 17); /* the last five */
    uint64_t seen = 0;
    assert_int_equal(
        sl_journal_each_seen(f->journal, "0", fixture_count_seen, &seen, NULL), SL_OK);
    assert_int_equal(seen, 22); /* never dropped with old commits */
    close_journal(f);
    open_journal(f);
    assert_int_equal(f->recovery.first_commit, 17);
    assert_int_equal(f->recovery.last_commit, 21);
}

/* ---- manifests ---- */

static sl_manifest *open_manifest(struct fixture *f)
{
    sl_manifest_options o = {
        .fs = f->fs, .root = ROOT, .sink_id = "s", .query_id = FIXTURE_QUERY
    };
    sl_manifest *m = NULL;
    sl_error err = { .text = "" };
    if (sl_manifest_open(&o, &m, &err) != SL_OK)
        fail_msg("%s", err.text);
    return m;
}

static sl_code append_manifest(sl_manifest *m, int64_t batch, sl_error *err)
{
    sl_sink_file file = { .target_name = "part", .size_bytes = 1, .row_count = 1 };
    sl_manifest_record r = {
        .batch = batch, .epoch = 1, .files = &file, .file_count = 1
    };
    return sl_manifest_append(m, &r, err);
}

static bool sum_batches(void *user, const sl_manifest_record *record)
{
    *(int64_t *)user = 10 * *(int64_t *)user + record->batch;
    return record->file_count == 1;
}

static void manifest__goes_on_after_a_reopen_and_refuses_old_batches(void **state)
{
    struct fixture *f = *state;
    sl_manifest *m = open_manifest(f);
    assert_int_equal(sl_manifest_last_batch(m), -1);
    assert_int_equal(append_manifest(m, 1, NULL), SL_OK);
    assert_int_equal(append_manifest(m, 3, NULL), SL_OK);
    sl_manifest_close(m);
    m = open_manifest(f);
    assert_int_equal(sl_manifest_last_batch(m), 3);
    assert_int_equal(append_manifest(m, 3, NULL), SL_EEXISTS);
    assert_int_equal(append_manifest(m, 4, NULL), SL_OK);
    int64_t sum = 0;
    assert_int_equal(sl_manifest_each(m, sum_batches, &sum, NULL), SL_OK);
    assert_int_equal(sum, 134);
    sl_manifest_close(m);
}

static void manifest__drops_a_torn_tail_and_refuses_damage_before_it(void **state)
{
    struct fixture *f = *state;
    sl_manifest *m = open_manifest(f);
    for (int64_t n = 1; n < 4; n++)
        assert_int_equal(append_manifest(m, n, NULL), SL_OK);
    sl_manifest_close(m);
    const char *path = ROOT "/sinks/s/00000000000000000001-0000.log";
    sl_file *file = NULL;
    sl_file_info info;
    assert_int_equal(sl_fs_open(f->fs, path, SL_OPEN_WRITE, &file, NULL), SL_OK);
    assert_int_equal(sl_file_info_get(file, &info, NULL), SL_OK);
    assert_int_equal(sl_file_truncate(file, info.size_bytes - 1, NULL), SL_OK);
    sl_file_close(file);
    m = open_manifest(f);
    assert_int_equal(sl_manifest_last_batch(m), 2);
    assert_int_equal(append_manifest(m, 3, NULL), SL_OK); /* in a file of its own */
    int64_t sum = 0;
    assert_int_equal(sl_manifest_each(m, sum_batches, &sum, NULL), SL_OK);
    assert_int_equal(sum, 123);
    edit(f, path, "part", "tarp"); /* of batch 1, with batch 2 after it */
    sl_error err;
    assert_int_equal(sl_manifest_each(m, sum_batches, &sum, &err), SL_ECORRUPT);
    assert_non_null(strstr(err.text, path));
    sl_manifest_close(m);
}

static sl_code fail_sync(void *user, const char *operation, const char *path,
                         sl_error *err)
{
    (void)user;
    return strcmp(operation, "sync") == 0 ? sl_fail(err, SL_EIO, "%s: told to fail", path)
                                          : SL_OK;
}

static sl_manifest *failed_at_batch_2(struct fixture *f)
{
    sl_manifest *m = open_manifest(f);
    assert_int_equal(append_manifest(m, 1, NULL), SL_OK);
    sl_fs_virtual_set_faults(f->v, (sl_fs_faults){ .before = fail_sync });
    assert_int_equal(append_manifest(m, 2, NULL), SL_EIO);
    sl_fs_virtual_set_faults(f->v, (sl_fs_faults){ 0 });
    return m;
}

static void manifest__takes_the_same_batch_again_after_a_failed_sync(void **state)
{
    struct fixture *f = *state;
    sl_manifest *m = failed_at_batch_2(f);
    assert_int_equal(append_manifest(m, 2, NULL), SL_OK);
    assert_int_equal(append_manifest(m, 3, NULL), SL_OK);
    int64_t sum = 0;
    assert_int_equal(sl_manifest_each(m, sum_batches, &sum, NULL), SL_OK);
    assert_int_equal(sum, 123);
    sl_manifest_close(m);
}

static uint64_t lose_all(void *user)
{
    (void)user;
    return 0;
}

/* The record stands in the page cache, so a driver that opens the log again takes the
 * batch for published. */
static void manifest__says_again_what_may_not_be_synced(void **state)
{
    struct fixture *f = *state;
    sl_manifest *m = failed_at_batch_2(f);
    sl_manifest_close(m);
    m = open_manifest(f);
    assert_int_equal(sl_manifest_last_batch(m), 2);
    assert_int_equal(append_manifest(m, 3, NULL), SL_OK);
    sl_manifest_close(m);
    sl_fs_virtual_crash(f->v, lose_all, NULL);
    m = open_manifest(f);
    int64_t sum = 0;
    assert_int_equal(sl_manifest_each(m, sum_batches, &sum, NULL), SL_OK);
    assert_int_equal(sum, 123);
    sl_manifest_close(m);
}

/* ---- verification and reachability ---- */

/* Batch 0: a delta in a segment, and a snapshot of one table. */
struct objects {
    sl_segment_ref delta;
    sl_content_name table;
    sl_snapshot_place snapshot;
};

static void write_objects(struct fixture *f, struct objects *o)
{
    sl_segment_options so = { .fs = f->fs,
                              .dir = ROOT "/state/segments",
                              .writer_id = "w1",
                              .query_id = FIXTURE_QUERY };
    sl_segment_writer *w = NULL;
    assert_int_equal(sl_segment_writer_new(&so, &w, NULL), SL_OK);
    assert_int_equal(sl_segment_append(w, 0, sl_span_text("a delta"), &o->delta, NULL),
                     SL_OK);
    assert_int_equal(sl_segment_sync(w, NULL), SL_OK);
    sl_segment_writer_free(w);
    sl_content_store store = { .fs = f->fs, .dir = ROOT "/sst" };
    assert_int_equal(
        sl_content_put(&store, sl_span_text("rows"), "sst", &o->table, NULL, NULL),
        SL_OK);
    assert_int_equal(sl_content_sync(&store, NULL), SL_OK);
    sl_snapshot_table table = { "000001.sst", o->table.text };
    sl_snapshot_file file = { .query_id = FIXTURE_QUERY,
                              .partition = 3,
                              .batch = 0,
                              .state_id = 5,
                              .tables = &table,
                              .table_count = 1 };
    assert_int_equal(sl_snapshot_file_write(f->fs, ROOT, "0-1-1.man", &file,
                                            (sl_failpoints){ 0 }, &o->snapshot, NULL),
                     SL_OK);
}

static void commit_objects(struct fixture *f, const struct objects *o)
{
    sl_state_record s = { .partition = 3,
                          .state_id = 5,
                          .delta = { .kind = SL_DELTA_SEGMENT, .segment = o->delta },
                          .snapshot = o->snapshot };
    sl_sink_file file = { .staged_name = "staged-0", .target_name = "part-0" };
    sl_sink_record sink = { .sink = "sink0", .files = &file, .file_count = 1 };
    sl_commit_record c = { .batch = 0,
                           .epoch = f->epoch,
                           .states = &s,
                           .state_count = 1,
                           .sinks = &sink,
                           .sink_count = 1,
                           .progress_json = "{\"batchId\":0}" };
    assert_int_equal(fixture_offsets(f->journal, 0, f->epoch, false, NULL), SL_OK);
    assert_int_equal(sl_journal_put_commit(f->journal, &c, true, NULL), SL_OK);
}

static void verify__passes_a_whole_checkpoint_and_names_what_is_damaged(void **state)
{
    struct fixture *f = *state;
    struct objects o;
    sl_verify_report r;
    char path[256];
    create_query(f);
    open_journal(f);
    write_objects(f, &o);
    commit_objects(f, &o);
    close_journal(f);
    assert_int_equal(sl_checkpoint_verify(f->fs, &f->kv, ROOT, f->arena, &r, NULL),
                     SL_OK);
    for (uint32_t i = 0; i < r.finding_count; i++)
        print_message("%s: %s\n", r.findings[i].where, r.findings[i].text);
    assert_int_equal(r.damage_count, 0);
    assert_true(r.commits_checked == 1 && r.deltas_checked == 1);
    assert_true(r.snapshots_checked == 1 && r.tables_checked == 1);
    snprintf(path, sizeof path, ROOT "/state/segments/%s", o.delta.name);
    edit(f, path, "a delta", "b delta");
    snprintf(path, sizeof path, ROOT "/sst/%s", o.table.text);
    assert_int_equal(sl_fs_remove(f->fs, path, NULL), SL_OK);
    assert_int_equal(sl_checkpoint_verify(f->fs, &f->kv, ROOT, f->arena, &r, NULL),
                     SL_OK);
    assert_int_equal(r.damage_count, 2);
    sl_bytes text = { 0 };
    sl_verify_text(&r, &text);
    assert_non_null(strstr(sl_bytes_cstr(&text), o.delta.name));
    assert_non_null(strstr(sl_bytes_cstr(&text), o.table.text));
    assert_non_null(strstr(sl_bytes_cstr(&text), "DAMAGED"));
    sl_bytes_clear(&text);
    sl_verify_json(&r, &text);
    assert_non_null(strstr(sl_bytes_cstr(&text), "\"ok\":false"));
    sl_bytes_deinit(&text);
}

/* What verify says of journal-head; each is no damage, and the journal opens. */
static void assert_head_noted(struct fixture *f, const char *text)
{
    sl_verify_report r;
    sl_bytes out = { 0 };
    assert_int_equal(sl_checkpoint_verify(f->fs, &f->kv, ROOT, f->arena, &r, NULL),
                     SL_OK);
    assert_int_equal(r.damage_count, 0);
    assert_int_equal(r.finding_count, text != NULL ? 1 : 0);
    if (text != NULL) {
        assert_string_equal(r.findings[0].where, "journal-head");
        assert_false(r.findings[0].is_damage);
        assert_non_null(strstr(r.findings[0].text, text));
        sl_verify_text(&r, &out);
        assert_non_null(strstr(sl_bytes_cstr(&out), "note    journal-head: "));
        sl_bytes_clear(&out);
        sl_verify_json(&r, &out);
        assert_non_null(
            strstr(sl_bytes_cstr(&out), "{\"damage\":false,\"where\":\"journal-head\""));
        assert_non_null(strstr(sl_bytes_cstr(&out), "\"ok\":true"));
    }
    sl_bytes_deinit(&out);
}

static void verify__notes_a_journal_head_that_is_missing_or_torn(void **state)
{
    struct fixture *f = *state;
    create_query(f);
    open_journal(f);
    close_journal(f);
    assert_int_equal(sl_fs_remove(f->fs, ROOT "/journal-head", NULL), SL_OK);
    assert_head_noted(f, NULL); /* no commits: nothing to bear witness of */
    open_journal(f);
    run_batches(f, 0, 2);
    close_journal(f);
    assert_head_noted(f, NULL);
    edit(f, ROOT "/journal-head", "SLHEAD01", "XLHEAD01");
    assert_head_noted(f, NULL); /* the other slot speaks */
    edit(f, ROOT "/journal-head", "SLHEAD01", "XLHEAD01");
    assert_head_noted(f, "no slot of it is whole");
    assert_int_equal(sl_fs_remove(f->fs, ROOT "/journal-head", NULL), SL_OK);
    assert_head_noted(f, "is missing");
    open_journal(f); /* recovery takes it, and the next commit writes it */
    run_batches(f, 2, 3);
    close_journal(f);
    assert_head_noted(f, NULL);
}

static void verify__refuses_a_checkpoint_in_use_and_an_absent_one(void **state)
{
    struct fixture *f = *state;
    sl_verify_report r;
    sl_file *lock = NULL;
    assert_int_equal(sl_checkpoint_verify(f->fs, &f->kv, ROOT, f->arena, &r, NULL),
                     SL_ENOTFOUND);
    assert_false(sl_fs_exists(f->fs, ROOT));
    create_query(f);
    assert_int_equal(sl_checkpoint_lock(f->fs, ROOT, 7, "driver", &lock, NULL), SL_OK);
    assert_int_equal(sl_checkpoint_verify(f->fs, &f->kv, ROOT, f->arena, &r, NULL),
                     SL_EBUSY);
    sl_file_close(lock);
}

static void inspect__shows_query_batches_and_progress(void **state)
{
    struct fixture *f = *state;
    sl_bytes text = { 0 };
    create_query(f);
    open_journal(f);
    run_batches(f, 0, 3);
    close_journal(f);
    sl_inspect_options o = { .batches_max = 2 };
    assert_int_equal(sl_checkpoint_inspect(f->fs, &f->kv, ROOT, o, &text, NULL), SL_OK);
    assert_non_null(strstr(sl_bytes_cstr(&text), FIXTURE_QUERY));
    assert_non_null(strstr(sl_bytes_cstr(&text), "batch 2"));
    assert_non_null(strstr(sl_bytes_cstr(&text), "seen        3 input files\n"));
    assert_null(strstr(sl_bytes_cstr(&text), "batch 0 "));
    sl_bytes_clear(&text);
    o.is_json = true;
    assert_int_equal(sl_checkpoint_inspect(f->fs, &f->kv, ROOT, o, &text, NULL), SL_OK);
    assert_non_null(strstr(sl_bytes_cstr(&text), "\"lastCommit\":2"));
    assert_non_null(strstr(sl_bytes_cstr(&text), "\"seenFiles\":3"));
    const char *const *progress = NULL;
    uint32_t count = 0;
    assert_int_equal(
        sl_checkpoint_progress(f->fs, &f->kv, ROOT, 0, f->arena, &progress, &count, NULL),
        SL_OK);
    assert_int_equal(count, 3);
    assert_string_equal(progress[0], "{\"batchId\":0}");
    sl_bytes_deinit(&text);
}

static void sweep__removes_only_what_is_old_and_named_by_nobody(void **state)
{
    struct fixture *f = *state;
    struct objects o;
    sl_reachability *r = NULL;
    sl_sweep s;
    sl_content_name orphan;
    open_journal(f);
    write_objects(f, &o);
    commit_objects(f, &o);
    sl_content_store store = { .fs = f->fs, .dir = ROOT "/sst" };
    assert_int_equal(
        sl_content_put(&store, sl_span_text("orphan"), "sst", &orphan, NULL, NULL),
        SL_OK);
    assert_int_equal(sl_reachability_new(f->journal, f->fs, ROOT, -1, &r, NULL), SL_OK);
    assert_true(sl_reachability_has(r, SL_OBJECT_SEGMENT, o.delta.name));
    assert_true(sl_reachability_has(r, SL_OBJECT_SNAPSHOT, "3/0-1-1.man"));
    assert_true(sl_reachability_has(r, SL_OBJECT_TABLE, o.table.text));
    assert_true(sl_reachability_has(r, SL_OBJECT_STAGED, "staged-0"));
    assert_false(sl_reachability_has(r, SL_OBJECT_TABLE, orphan.text));
    sl_failpoints none = { 0 };
    assert_int_equal(sl_reachability_sweep(r, 1, 0, none, &s, NULL), SL_OK);
    assert_true(s.is_done && s.removed_count == 0); /* younger than the grace time */
    assert_int_equal(sl_reachability_sweep(r, INT64_MAX, 0, none, &s, NULL), SL_OK);
    assert_true(s.is_done && s.removed_count == 1);
    assert_int_equal(sl_content_verify(&store, o.table.text, NULL), SL_OK);
    assert_int_equal(sl_content_verify(&store, orphan.text, NULL), SL_ENOTFOUND);
    sl_reachability_free(r);
    /* A damaged manifest: nothing can be said, so nothing is removed. */
    edit(f, ROOT "/state/3/0-1-1.man", "000001", "000002");
    assert_int_equal(sl_reachability_new(f->journal, f->fs, ROOT, -1, &r, NULL),
                     SL_ECORRUPT);
}

static void commit_segment(struct fixture *f, int64_t batch, const char *name)
{
    sl_state_record s = { .state_id = 5, .delta = { .kind = SL_DELTA_SEGMENT } };
    sl_commit_record c = {
        .batch = batch, .epoch = f->epoch, .states = &s, .state_count = 1
    };
    snprintf(s.delta.segment.name, sizeof s.delta.segment.name, "%s", name);
    assert_int_equal(fixture_offsets(f->journal, batch, f->epoch, false, NULL), SL_OK);
    assert_int_equal(sl_journal_put_commit(f->journal, &c, true, NULL), SL_OK);
}

static void collect__names_what_is_committed_between_two_slices_too(void **state)
{
    struct fixture *f = *state;
    bool done = true;
    open_journal(f);
    commit_segment(f, 0, "zero.seg");
    commit_segment(f, 1, "one.seg");
    sl_reachability *r = sl_reachability_begin(f->fs, ROOT);
    assert_int_equal(sl_reachability_collect(r, f->journal, -1, 1, &done, NULL), SL_OK);
    assert_false(done);
    commit_segment(f, 2, "two.seg");
    assert_int_equal(sl_reachability_collect(r, f->journal, -1, 1, &done, NULL), SL_OK);
    assert_false(done);
    assert_int_equal(sl_reachability_collect(r, f->journal, -1, 1, &done, NULL), SL_OK);
    assert_true(done);
    assert_int_equal(sl_reachability_count(r, SL_OBJECT_SEGMENT), 3);
    assert_true(sl_reachability_has(r, SL_OBJECT_SEGMENT, "two.seg"));
    sl_reachability_free(r);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(query_file__reads_back_and_is_created_once),
        T(query_file__refuses_damage_newer_formats_and_absence),
        T(query_id__is_a_version_4_uuid),
        T(lock__names_the_process_that_holds_it),
        T(lock_check__tells_a_holder_that_lost_it_who_has_it_now),
        T(put__keeps_the_order_of_batches_and_never_overwrites),
        T(open__refuses_records_of_another_query),
        T(open__believes_the_witnesses_of_the_caller),
        T(open__believes_the_manifests),
        T(forget_seen__drops_only_what_is_past_the_horizon),
        T(retain__keeps_what_is_young_recent_or_still_needed),
        T(manifest__goes_on_after_a_reopen_and_refuses_old_batches),
        T(manifest__drops_a_torn_tail_and_refuses_damage_before_it),
        T(manifest__takes_the_same_batch_again_after_a_failed_sync),
        T(manifest__says_again_what_may_not_be_synced),
        T(verify__passes_a_whole_checkpoint_and_names_what_is_damaged),
        T(verify__notes_a_journal_head_that_is_missing_or_torn),
        T(verify__refuses_a_checkpoint_in_use_and_an_absent_one),
        T(inspect__shows_query_batches_and_progress),
        T(collect__names_what_is_committed_between_two_slices_too),
        T(sweep__removes_only_what_is_old_and_named_by_nobody),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
