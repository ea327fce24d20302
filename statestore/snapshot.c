/* snapshot.c - a version of the local database as content-named files, and back.
 *
 * A checkpoint of hard links succeeds over damaged tables (rel:L8), so the copy is
 * scanned before its manifest is written; opening it read-only for that must not change
 * it, and the list of its files is taken before. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/hash.h"
#include "checkpoint/layout.h"
#include "checkpoint/snapshot_file.h"
#include "objects/content_store.h"
#include "statestore/db_private.h"

const sl_state_snapshot_rule sl_state_snapshot_usual = {
    .delta_bytes_min = 8 << 20,
    .batches_max = 1000,
    .full_bytes_max = 64 << 10,
};

sl_snapshot_kind sl_state_snapshot_due(const sl_state_snapshot_rule *rule,
                                       const sl_state_snapshot_facts *f)
{
    uint64_t bytes = f->row_bytes * SL_STATE_SNAPSHOT_STATES;
    if (bytes < rule->delta_bytes_min)
        bytes = rule->delta_bytes_min;
    if (f->delta_bytes_since <= bytes && f->batches_since < rule->batches_max)
        return SL_SNAPSHOT_NONE;
    uint64_t full_bytes = SL_STATE_DELTA_HEADER_BYTES + SL_STATE_DELTA_SECTION_BYTES;
    return f->row_bytes + full_bytes <= rule->full_bytes_max ? SL_SNAPSHOT_FULL
                                                             : SL_SNAPSHOT_MANIFEST;
}

/* ---- making one ---- */

struct count {
    sl_state_figures figures;
};

static sl_code count_rows(void *user, const sl_state_rows *rows, sl_error *err)
{
    (void)err;
    struct count *c = user;
    uint64_t seed = sl_state_row_seed(rows->operator_id);
    for (uint32_t i = 0; i < rows->count; i++) {
        sl_span value = rows->values[i];
        c->figures.row_bytes += SL_STATE_ROW_HEAD_BYTES + value.size_bytes +
                                (rows->offsets[i + 1] - rows->offsets[i]);
        c->figures.row_sum += sl_state_row_hash(seed, rows->hashes[i],
                                                sl_hash64(value.data, value.size_bytes));
    }
    c->figures.row_count += rows->count;
    return SL_OK;
}

/* Read every row of the copy and compare with what the database says it holds. */
static sl_code copy_verify(sl_state_db *db, const sl_state__meta *meta, sl_error *err)
{
    sl_kv_options options = { .role = SL_KV_STATE, .read_only = true };
    sl_kv *kv;
    SL_TRY(sl_kv_open(db->home.kv, db->copy_dir, &options, &kv, err));
    struct count c = { 0 };
    sl_state__meta copied;
    bool found = false;
    sl_code code = sl_state__meta_read(kv, &db->home, &copied, &found, err);
    if (code == SL_OK)
        code = sl_state__rows_scan(kv, count_rows, &c, err);
    sl_kv_close(kv);
    SL_TRY(code);
    if (!found || copied.version.id != meta->version.id ||
        copied.version.batch != meta->version.batch ||
        c.figures.row_count != meta->figures.row_count ||
        c.figures.row_bytes != meta->figures.row_bytes ||
        c.figures.row_sum != meta->figures.row_sum)
        return sl_fail(err, SL_ECORRUPT,
                       "state partition %u: the database at %s says %" PRIu64
                       " rows of sum %016" PRIx64 " for batch %" PRId64
                       ", a scan finds %" PRIu64 " of sum %016" PRIx64,
                       db->home.partition, db->dir, meta->figures.row_count,
                       meta->figures.row_sum, meta->version.batch, c.figures.row_count,
                       c.figures.row_sum);
    return SL_OK;
}

/* Logs and locks are no part of a database's content. */
static bool is_content(const sl_dir_entry *e)
{
    return !e->info.is_directory && strcmp(e->name, "LOCK") != 0 &&
           strncmp(e->name, "LOG", 3) != 0;
}

static sl_code put_files(sl_state_db *db, const sl_dir_entry *entries, size_t count,
                         sl_arena *arena, sl_snapshot_file *file, uint64_t *ret_bytes,
                         sl_error *err)
{
    sl_checkpoint_path *dir = SL_ARENA_NEW(arena, sl_checkpoint_path);
    SL_TRY(sl_layout_sst_dir(db->home.checkpoint_dir, dir, err));
    sl_content_store store = { db->home.fs, dir->text, db->home.failpoints };
    sl_snapshot_table *tables = SL_ARENA_ARRAY(arena, sl_snapshot_table, count + 1);
    uint32_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_content(&entries[i]))
            continue;
        sl_content_name name;
        const char *path = sl_arena_printf(arena, "%s/%s", db->copy_dir, entries[i].name);
        SL_TRY(sl_content_put_file(&store, path, "sst", &name, NULL, err));
        sl_failpoint_pass(db->home.failpoints, "state.snapshot.file");
        tables[n++] = (sl_snapshot_table){ sl_arena_strdup(arena, entries[i].name),
                                           sl_arena_strdup(arena, name.text) };
        *ret_bytes += (uint64_t)entries[i].info.size_bytes;
    }
    file->tables = tables;
    file->table_count = n;
    return sl_content_sync(&store, err);
}

static sl_code copy_publish(sl_state_db *db, const char *manifest_name, sl_arena *arena,
                            sl_snapshot_place *ret, uint64_t *ret_bytes, sl_error *err)
{
    sl_state__meta meta = db->meta;
    sl_dir_entry *entries;
    size_t count;
    uint64_t bytes = 0;
    sl_snapshot_file file = {
        .query_id = db->home.query_id,
        .partition = db->home.partition,
        .batch = meta.version.batch,
        .state_id = meta.version.id,
        .row_count = meta.figures.row_count,
        .row_bytes = meta.figures.row_bytes,
        .row_sum = meta.figures.row_sum,
    };
    SL_TRY(sl_kv_checkpoint(db->kv, db->copy_dir, err));
    SL_TRY(sl_fs_list(db->home.fs, db->copy_dir, &entries, &count, err));
    sl_code code = copy_verify(db, &meta, err);
    if (code == SL_OK)
        code = put_files(db, entries, count, arena, &file, &bytes, err);
    sl_fs_entries_free(entries, count);
    SL_TRY(code);
    sl_failpoint_pass(db->home.failpoints, "state.snapshot.manifest");
    sl_snapshot_place place = { 0 };
    SL_TRY(sl_snapshot_file_write(db->home.fs, db->home.checkpoint_dir, manifest_name,
                                  &file, db->home.failpoints, &place, err));
    *ret = place;
    *ret_bytes = bytes;
    return SL_OK;
}

sl_code sl_state_db_snapshot(sl_state_db *db, const char *manifest_name,
                             sl_snapshot_place *ret, uint64_t *ret_bytes, sl_error *err)
{
    SL_TRY(sl_state__db_open(db, false, err));
    if (!db->kv || db->in_flush || db->meta.version.id == 0)
        return sl_fail(err, SL_EINTERNAL,
                       "state partition %u: no flushed version to snapshot at %s",
                       db->home.partition, db->dir);
    SL_TRY(sl_fs_remove_tree(db->home.fs, db->copy_dir, err));
    sl_arena *arena = sl_arena_new();
    sl_code code = copy_publish(db, manifest_name, arena, ret, ret_bytes, err);
    sl_arena_free(arena);
    /* A copy that stays behind is removed by the next snapshot. */
    (void)!sl_fs_remove_tree(db->home.fs, db->copy_dir, NULL);
    if (code == SL_ECORRUPT)
        (void)!sl_state_db_drop(db, NULL);
    else if (code != SL_OK)
        sl_state__db_close(db); /* a failed store is opened anew (rel:L10) */
    return code;
}

/* ---- fetching one ---- */

static sl_code fetch_files(sl_state_db *db, const sl_snapshot_file *file, sl_arena *arena,
                           sl_error *err)
{
    sl_checkpoint_path *dir = SL_ARENA_NEW(arena, sl_checkpoint_path);
    SL_TRY(sl_layout_sst_dir(db->home.checkpoint_dir, dir, err));
    sl_content_store store = { db->home.fs, dir->text, db->home.failpoints };
    SL_TRY(sl_fs_make_dirs(db->home.fs, db->dir, err));
    for (uint32_t i = 0; i < file->table_count; i++) {
        const sl_snapshot_table *t = &file->tables[i];
        if (t->local_name[0] == '\0' || t->local_name[0] == '.' ||
            strchr(t->local_name, '/'))
            return sl_fail(err, SL_ECORRUPT, "it names a table \"%s\"", t->local_name);
        SL_TRY(sl_content_fetch(&store, t->content_name,
                                sl_arena_printf(arena, "%s/%s", db->dir, t->local_name),
                                err));
    }
    return SL_OK;
}

static sl_code manifest_check(const sl_state_home *home, const sl_snapshot_file *f,
                              const sl_snapshot_place *place, sl_error *err)
{
    if (strcmp(f->query_id, home->query_id) != 0 || f->partition != home->partition)
        return sl_fail(err, SL_EINCOMPATIBLE, "it is of query %s, partition %u",
                       f->query_id, f->partition);
    if (f->batch != place->batch || f->state_id != place->state_id)
        return sl_fail(err, SL_ECORRUPT,
                       "it is of batch %" PRId64 " (%016" PRIx64
                       "), its commit says %" PRId64 " (%016" PRIx64 ")",
                       f->batch, f->state_id, place->batch, place->state_id);
    return SL_OK;
}

/* The database must say what its manifest says. */
static sl_code fetched_check(const sl_state_db *db, const sl_snapshot_file *f,
                             sl_error *err)
{
    const sl_state__meta *m = &db->meta;
    if (!db->kv || db->in_flush || m->version.batch != f->batch ||
        m->version.id != f->state_id || m->figures.row_count != f->row_count ||
        m->figures.row_sum != f->row_sum)
        return sl_fail(err, SL_ECORRUPT,
                       "its tables hold batch %" PRId64 " (%016" PRIx64
                       "), it says %" PRId64 " (%016" PRIx64 ")",
                       m->version.batch, m->version.id, f->batch, f->state_id);
    return SL_OK;
}

sl_code sl_state__snapshot_fetch(sl_state_db *db, const sl_snapshot_place *place,
                                 sl_error *err)
{
    SL_TRY(sl_state_db_drop(db, err));
    sl_arena *arena = sl_arena_new();
    sl_snapshot_file file;
    sl_code code = sl_snapshot_file_read(db->home.fs, db->home.checkpoint_dir,
                                         db->home.partition, place, arena, &file, err);
    if (code == SL_OK)
        code = manifest_check(&db->home, &file, place, err);
    if (code == SL_OK)
        code = fetch_files(db, &file, arena, err);
    if (code == SL_OK)
        code = sl_state__db_open(db, false, err);
    if (code == SL_OK)
        code = fetched_check(db, &file, err);
    sl_arena_free(arena);
    if (code == SL_OK)
        return SL_OK;
    if (err)
        sl_error_prefix(err, "state partition %u, snapshot %s of batch %" PRId64,
                        db->home.partition, place->manifest, place->batch);
    (void)!sl_state_db_drop(db, NULL);
    return code;
}
