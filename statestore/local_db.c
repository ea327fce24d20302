/* local_db.c - one partition's database on the worker's disk: open, what it says of
 * itself, drop. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "statestore/db_private.h"

#define META_FORMAT 1
#define META_BYTES 80
#define FLUSHING_BYTES 24

sl_span sl_state__version_key(void)
{
    return sl_span_of("\0version", 8);
}

sl_span sl_state__flushing_key(void)
{
    return sl_span_of("\0flushing", 9);
}

static char *text_with(const char *a, const char *b)
{
    size_t size = strlen(a) + strlen(b) + 1;
    char *text = sl_alloc(size);
    snprintf(text, size, "%s%s", a, b);
    return text;
}

sl_code sl_state_db_new(const sl_state_home *home, const char *dir, uint64_t memory_bytes,
                        sl_state_db **ret, sl_error *err)
{
    *ret = NULL;
    if (!home->fs || !home->kv || !home->checkpoint_dir || !home->query_id || !dir)
        return sl_fail(err, SL_EINTERNAL, "a state database without a home");
    sl_state_db *db = sl_calloc(1, sizeof *db);
    db->home = *home;
    db->home.checkpoint_dir = sl_strdup(home->checkpoint_dir);
    db->home.query_id = sl_strdup(home->query_id);
    db->dir = sl_strdup(dir);
    db->copy_dir = text_with(dir, ".copy");
    db->memory_bytes = memory_bytes;
    *ret = db;
    return SL_OK;
}

void sl_state__db_close(sl_state_db *db)
{
    sl_kv_close(db->kv);
    db->kv = NULL;
    db->is_ours = false;
    db->in_flush = false;
    db->meta = (sl_state__meta){ .version = SL_STATE_VERSION_EMPTY };
}

void sl_state_db_free(sl_state_db *db)
{
    if (!db)
        return;
    sl_state__db_close(db);
    sl_free((void *)(uintptr_t)db->home.checkpoint_dir);
    sl_free((void *)(uintptr_t)db->home.query_id);
    sl_free(db->dir);
    sl_free(db->copy_dir);
    sl_free(db);
}

sl_code sl_state_db_drop(sl_state_db *db, sl_error *err)
{
    sl_state__db_close(db);
    SL_TRY(sl_fs_remove_tree(db->home.fs, db->copy_dir, err));
    return sl_fs_remove_tree(db->home.fs, db->dir, err);
}

/* ---- what it says of itself ---- */

void sl_state__meta_encode(const sl_state_home *home, const sl_state__meta *meta,
                           sl_bytes *out)
{
    size_t start = out->size_bytes;
    sl_bytes_u32(out, META_FORMAT);
    sl_bytes_u32(out, home->partition);
    sl_bytes_u64(out, home->query_hash);
    sl_bytes_u32(out, home->group_first);
    sl_bytes_u32(out, home->group_end);
    sl_bytes_i64(out, meta->version.batch);
    sl_bytes_u64(out, meta->version.id);
    sl_bytes_u64(out, meta->figures.row_count);
    sl_bytes_u64(out, meta->figures.row_bytes);
    sl_bytes_u64(out, meta->figures.row_sum);
    sl_bytes_u64(out, 0); /* reserved */
    sl_bytes_u64(out, sl_hash64(out->data + start, out->size_bytes - start));
}

static bool meta_decode(const sl_state_home *home, sl_span bytes, sl_state__meta *ret)
{
    sl_reader r = sl_reader_of(bytes);
    bool fits =
        bytes.size_bytes == META_BYTES && sl_read_u32(&r) == META_FORMAT &&
        sl_read_u32(&r) == home->partition && sl_read_u64(&r) == home->query_hash &&
        sl_read_u32(&r) == home->group_first && sl_read_u32(&r) == home->group_end;
    if (!fits)
        return false;
    sl_state__meta m = { 0 };
    m.version.batch = sl_read_i64(&r);
    m.version.id = sl_read_u64(&r);
    m.figures.row_count = sl_read_u64(&r);
    m.figures.row_bytes = sl_read_u64(&r);
    m.figures.row_sum = sl_read_u64(&r);
    (void)sl_read_u64(&r);
    if (sl_read_u64(&r) != sl_hash64(bytes.data, META_BYTES - 8))
        return false;
    *ret = m;
    return true;
}

sl_code sl_state__meta_read(sl_kv *kv, const sl_state_home *home, sl_state__meta *ret,
                            bool *ret_found, sl_error *err)
{
    sl_bytes bytes = { 0 };
    bool found;
    sl_code code = sl_kv_get(kv, sl_state__version_key(), &bytes, &found, err);
    if (code == SL_OK && found && !meta_decode(home, sl_bytes_span(&bytes), ret))
        code = sl_fail(err, SL_ECORRUPT,
                       "the version record of a state database is damaged or of another "
                       "state than partition %u",
                       home->partition);
    if (code == SL_OK)
        *ret_found = found;
    sl_bytes_deinit(&bytes);
    return code;
}

static sl_code flushing_read(sl_state_db *db, sl_error *err)
{
    sl_bytes bytes = { 0 };
    bool found;
    sl_code code = sl_kv_get(db->kv, sl_state__flushing_key(), &bytes, &found, err);
    if (code == SL_OK && found) {
        sl_reader r = sl_reader_of(sl_bytes_span(&bytes));
        sl_state_version to = { .batch = sl_read_i64(&r) };
        to.id = sl_read_u64(&r);
        uint64_t hash = sl_read_u64(&r);
        db->in_flush = true;
        db->flush_to = to;
        if (!sl_reader_done(&r) || hash != sl_hash64(bytes.data, FLUSHING_BYTES - 8))
            code = sl_fail(err, SL_ECORRUPT, "the flushing record of %s is damaged",
                           db->dir);
    }
    sl_bytes_deinit(&bytes);
    return code;
}

sl_code sl_state__db_open(sl_state_db *db, bool create, sl_error *err)
{
    if (db->kv)
        return SL_OK;
    sl_state__db_close(db);
    if (create) {
        SL_TRY(sl_fs_make_dirs(db->home.fs, db->dir, err));
    } else {
        bool exists;
        SL_TRY(sl_kv_exists(db->home.kv, db->dir, &exists, err));
        if (!exists) {
            db->is_ours = true;
            return SL_OK;
        }
    }
    sl_kv_options options = { .role = SL_KV_STATE,
                              .create = create,
                              .write_buffer_bytes = db->memory_bytes / 2,
                              .cache_bytes = db->memory_bytes / 4 };
    SL_TRY(sl_kv_open(db->home.kv, db->dir, &options, &db->kv, err));
    bool found;
    sl_state__meta meta;
    sl_code code = sl_state__meta_read(db->kv, &db->home, &meta, &found, err);
    if (code == SL_OK)
        code = flushing_read(db, err);
    if (code != SL_OK) {
        sl_state__db_close(db);
        return code;
    }
    if (found)
        db->meta = meta;
    db->is_ours = true;
    return SL_OK;
}

sl_code sl_state_db_version(sl_state_db *db, sl_state_version *ret, sl_error *err)
{
    sl_code code = sl_state__db_open(db, false, err);
    if (code == SL_ECORRUPT || code == SL_EINCOMPATIBLE) {
        *ret = SL_STATE_VERSION_EMPTY;
        return SL_OK;
    }
    SL_TRY(code);
    *ret = db->in_flush ? SL_STATE_VERSION_EMPTY : db->meta.version;
    return SL_OK;
}
