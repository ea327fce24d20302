/* The RocksDB back end, held to the C API of 7.8.3.  What is left out on purpose, because
 * 7.8 has bugs there (rel:1.3): column families, DeleteRange, merge operators, more than
 * two write buffers, ingestion. */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rocksdb/c.h>

#include "base/alloc.h"
#include "objects/kv.h"

#define MIB UINT64_C(1048576)

enum { WAL_TOLERATE_TAIL = 0, WAL_ABSOLUTE = 1 }; /* rocksdb::WALRecoveryMode */
enum { LOG_LEVEL_FATAL = 4 };                     /* rocksdb::InfoLogLevel */

struct store {
    sl_kv base;
    char *path;
    sl_kv_role role;
    bool is_broken; /* a write or flush failed: its outcome is unknown */
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_block_based_table_options_t *table;
    rocksdb_cache_t *cache;
    rocksdb_writeoptions_t *write_plain, *write_sync;
    rocksdb_readoptions_t *read;
};

/* RocksDB says what went wrong in words only. Frees message. */
static sl_code fail_rocksdb(sl_error *err, const char *what, const char *path,
                            char *message)
{
    sl_code code = SL_EIO;
    if (strstr(message, "No space left"))
        code = SL_ENOSPACE;
    else if (strstr(message, "lock hold by current process") ||
             strstr(message, "While lock file"))
        code = SL_EBUSY;
    else if (strstr(message, "does not exist (create_if_missing is false)"))
        code = SL_ENOTFOUND;
    else if (strncmp(message, "IO error", 8) != 0 || strstr(message, "No such file"))
        code = SL_ECORRUPT; /* "Corruption", and other statuses that only damage makes */
    sl_fail(err, code, "RocksDB %s: %s failed: %s", path, what, message);
    rocksdb_free(message);
    return code;
}

static sl_code fail_broken(const struct store *s, sl_error *err)
{
    return sl_fail(err, SL_EIO,
                   "RocksDB %s: an earlier write failed and its outcome is unknown; "
                   "close and open the store again",
                   s->path);
}

static void close_store(sl_kv *kv)
{
    struct store *s = (struct store *)kv;
    if (s->db)
        rocksdb_close(s->db);
    if (s->read)
        rocksdb_readoptions_destroy(s->read);
    if (s->write_plain)
        rocksdb_writeoptions_destroy(s->write_plain);
    if (s->write_sync)
        rocksdb_writeoptions_destroy(s->write_sync);
    if (s->options)
        rocksdb_options_destroy(s->options);
    if (s->table)
        rocksdb_block_based_options_destroy(s->table);
    if (s->cache)
        rocksdb_cache_destroy(s->cache);
    sl_free(s->path);
    sl_free(s);
}

static sl_code get_value(sl_kv *kv, sl_span key, sl_bytes *ret, bool *ret_found,
                         sl_error *err)
{
    struct store *s = (struct store *)kv;
    char *message = NULL;
    rocksdb_pinnableslice_t *slice = rocksdb_get_pinned(
        s->db, s->read, (const char *)key.data, key.size_bytes, &message);
    if (message)
        return fail_rocksdb(err, "get", s->path, message);
    sl_bytes_clear(ret);
    *ret_found = slice != NULL;
    if (slice) {
        size_t size = 0;
        const char *value = rocksdb_pinnableslice_value(slice, &size);
        sl_bytes_append(ret, value, size);
        rocksdb_pinnableslice_destroy(slice);
    }
    return SL_OK;
}

static sl_code write_ops(sl_kv *kv, const sl_kv_op *ops, size_t count, bool sync,
                         sl_error *err)
{
    struct store *s = (struct store *)kv;
    if (s->is_broken)
        return fail_broken(s, err);
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    for (size_t i = 0; i < count; i++) {
        const char *key = (const char *)ops[i].key.data;
        if (ops[i].is_remove)
            rocksdb_writebatch_delete(batch, key, ops[i].key.size_bytes);
        else
            rocksdb_writebatch_put(batch, key, ops[i].key.size_bytes,
                                   (const char *)ops[i].value.data,
                                   ops[i].value.size_bytes);
    }
    char *message = NULL;
    bool with_sync = sync && s->role == SL_KV_JOURNAL;
    rocksdb_write(s->db, with_sync ? s->write_sync : s->write_plain, batch, &message);
    rocksdb_writebatch_destroy(batch);
    if (!message)
        return SL_OK;
    s->is_broken = true;
    return fail_rocksdb(err, "write", s->path, message);
}

static bool is_past(sl_span key, sl_span end)
{
    if (end.size_bytes == 0)
        return false;
    size_t common = key.size_bytes < end.size_bytes ? key.size_bytes : end.size_bytes;
    int order = common > 0 ? memcmp(key.data, end.data, common) : 0;
    return order > 0 || (order == 0 && key.size_bytes >= end.size_bytes);
}

static void seek_start(rocksdb_iterator_t *it, sl_span from, sl_span end, bool is_reverse)
{
    if (!is_reverse) {
        if (from.size_bytes == 0)
            rocksdb_iter_seek_to_first(it);
        else
            rocksdb_iter_seek(it, (const char *)from.data, from.size_bytes);
        return;
    }
    if (end.size_bytes == 0) {
        rocksdb_iter_seek_to_last(it);
        return;
    }
    rocksdb_iter_seek_for_prev(it, (const char *)end.data, end.size_bytes);
    size_t size = 0;
    if (rocksdb_iter_valid(it)) {
        const char *key = rocksdb_iter_key(it, &size);
        if (is_past(sl_span_of(key, size), end)) /* end itself is not part of it */
            rocksdb_iter_prev(it);
    }
}

static sl_code walk_range(sl_kv *kv, sl_span from, sl_span end, bool is_reverse,
                          sl_kv_row_fn fn, void *user, sl_error *err)
{
    struct store *s = (struct store *)kv;
    rocksdb_iterator_t *it = rocksdb_create_iterator(s->db, s->read);
    seek_start(it, from, end, is_reverse);
    while (rocksdb_iter_valid(it)) {
        size_t key_size = 0, value_size = 0;
        const char *k = rocksdb_iter_key(it, &key_size);
        sl_span key = sl_span_of(k, key_size);
        bool is_inside =
            is_reverse ? from.size_bytes == 0 || is_past(key, from) : !is_past(key, end);
        if (!is_inside)
            break;
        const char *v = rocksdb_iter_value(it, &value_size);
        if (!fn(user, key, sl_span_of(v, value_size)))
            break;
        if (is_reverse)
            rocksdb_iter_prev(it);
        else
            rocksdb_iter_next(it);
    }
    /* A damaged table ends the loop like the last row does (rel:L7). */
    char *message = NULL;
    rocksdb_iter_get_error(it, &message);
    rocksdb_iter_destroy(it);
    return message ? fail_rocksdb(err, "iterate", s->path, message) : SL_OK;
}

static sl_code flush_store(sl_kv *kv, sl_error *err)
{
    struct store *s = (struct store *)kv;
    if (s->is_broken)
        return fail_broken(s, err);
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(options, 1);
    char *message = NULL;
    rocksdb_flush(s->db, options, &message);
    rocksdb_flushoptions_destroy(options);
    if (!message)
        return SL_OK;
    s->is_broken = true;
    return fail_rocksdb(err, "flush", s->path, message);
}

static sl_code checkpoint_store(sl_kv *kv, const char *dir, sl_error *err)
{
    struct store *s = (struct store *)kv;
    char *message = NULL;
    rocksdb_checkpoint_t *c = rocksdb_checkpoint_object_create(s->db, &message);
    if (message)
        return fail_rocksdb(err, "checkpoint", s->path, message);
    /* 0: always flush. With anything else and no log the copy is empty (rel:L9). */
    rocksdb_checkpoint_create(c, dir, 0, &message);
    rocksdb_checkpoint_object_destroy(c);
    return message ? fail_rocksdb(err, "checkpoint", s->path, message) : SL_OK;
}

static sl_code compact_store(sl_kv *kv, sl_error *err)
{
    struct store *s = (struct store *)kv;
    SL_TRY(flush_store(kv, err));
    rocksdb_compact_range(s->db, NULL, 0, NULL, 0);
    return SL_OK;
}

static const sl_kv_class rocksdb_class = {
    .get = get_value,
    .write = write_ops,
    .range = walk_range,
    .flush = flush_store,
    .checkpoint = checkpoint_store,
    .compact = compact_store,
    .close = close_store,
};

/* Most of the time of an open goes into files and threads nobody asked for: no
 * statistics, a near-empty info log, two background jobs, small preallocation. */
static void set_options(struct store *s, const sl_kv_options *o)
{
    bool is_journal = o->role == SL_KV_JOURNAL;
    uint64_t buffer =
        o->write_buffer_bytes ? o->write_buffer_bytes : (is_journal ? 4 * MIB : 16 * MIB);
    uint64_t cache = o->cache_bytes ? o->cache_bytes : (is_journal ? MIB : 8 * MIB);
    uint32_t files = o->open_files_max ? o->open_files_max : 64;

    s->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(s->options, o->create);
    rocksdb_options_set_paranoid_checks(s->options, 1);
    rocksdb_options_set_wal_recovery_mode(
        s->options, o->recovery == SL_KV_ABSOLUTE ? WAL_ABSOLUTE : WAL_TOLERATE_TAIL);
    rocksdb_options_set_info_log_level(s->options, LOG_LEVEL_FATAL);
    rocksdb_options_set_keep_log_file_num(s->options, 1);
    rocksdb_options_set_stats_dump_period_sec(s->options, 0);
    rocksdb_options_set_stats_persist_period_sec(s->options, 0);
    rocksdb_options_set_skip_stats_update_on_db_open(s->options, 1);
    rocksdb_options_set_max_background_jobs(s->options, 2);
    rocksdb_options_set_max_open_files(s->options, (int)(files < INT_MAX ? files : 64));
    rocksdb_options_set_max_file_opening_threads(s->options, 1);
    rocksdb_options_set_max_write_buffer_number(s->options, 2);
    rocksdb_options_set_write_buffer_size(s->options, (size_t)buffer);
    rocksdb_options_set_db_write_buffer_size(s->options, (size_t)(2 * buffer));
    rocksdb_options_set_manifest_preallocation_size(s->options, 64 << 10);
    rocksdb_options_set_table_cache_numshardbits(s->options, 2);
    rocksdb_options_set_compression(s->options, is_journal ? rocksdb_no_compression
                                                           : rocksdb_lz4_compression);

    s->table = rocksdb_block_based_options_create();
    s->cache = rocksdb_cache_create_lru((size_t)cache);
    rocksdb_block_based_options_set_block_cache(s->table, s->cache);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(s->table, 1);
    rocksdb_block_based_options_set_block_size(s->table, is_journal ? 4096 : 16384);
    if (!is_journal)
        rocksdb_block_based_options_set_filter_policy(
            s->table, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_options_set_block_based_table_factory(s->options, s->table);

    s->write_plain = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(s->write_plain, !is_journal);
    s->write_sync = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(s->write_sync, 1);
    s->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_verify_checksums(s->read, 1);
    rocksdb_readoptions_set_total_order_seek(s->read, 1);
}

static sl_code open_store(const sl_kv_factory *f, const char *path,
                          const sl_kv_options *options, sl_kv **ret, sl_error *err)
{
    if (options->create)
        SL_TRY(sl_fs_make_dirs(f->fs, path, err));
    struct store *s = sl_calloc(1, sizeof *s);
    s->base.class = &rocksdb_class;
    s->path = sl_strdup(path);
    s->role = options->role;
    s->is_broken = options->read_only;
    set_options(s, options);
    char *message = NULL;
    s->db = options->read_only ? rocksdb_open_for_read_only(s->options, path, 0, &message)
                               : rocksdb_open(s->options, path, &message);
    if (message) {
        s->db = NULL;
        close_store(&s->base);
        return fail_rocksdb(err, "open", path, message);
    }
    *ret = &s->base;
    return SL_OK;
}

static sl_code store_exists(const sl_kv_factory *f, const char *path, bool *ret,
                            sl_error *err)
{
    sl_bytes current = { 0 };
    sl_bytes_printf(&current, "%s/CURRENT", path);
    sl_file_info info;
    sl_error why;
    sl_code code = sl_fs_stat(f->fs, sl_bytes_cstr(&current), &info, &why);
    sl_bytes_deinit(&current);
    if (code != SL_OK && code != SL_ENOTFOUND) {
        if (err)
            *err = why;
        return code;
    }
    *ret = code == SL_OK;
    return SL_OK;
}

static sl_code destroy_store(const sl_kv_factory *f, const char *path, sl_error *err)
{
    return sl_fs_remove_tree(f->fs, path, err);
}

sl_kv_factory sl_kv_rocksdb(void)
{
    return (sl_kv_factory){ .name = "rocksdb",
                            .open = open_store,
                            .exists = store_exists,
                            .destroy = destroy_store,
                            .fs = sl_fs_posix() };
}
