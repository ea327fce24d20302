/* The memory back end: a model of RocksDB for the simulation.
 *
 *   table-<G>  the whole map at generation G: magic, row count, rows, hash; written as
 *              tmp, synced, renamed, so it is whole or not there
 *   wal-<G>    (journal role) records since table-<G>: u32 length, u32 crc32c(payload),
 *              payload
 *
 * A flush writes table-<G+1> and then removes generation G, as a RocksDB flush makes a
 * table and drops the log.  Opening for writing turns the log into a table, as RocksDB
 * does: what was found is durable then, even if an earlier sync of the log failed and its
 * pages only look clean (rel:3.2 rule F). */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "objects/kv.h"
#include "objects/kv_memory_private.h"

#define TABLE_MAGIC UINT64_C(0x314241544b564c53) /* "SLKVTAB1" */
#define WAL_HEADER_BYTES 8
#define STORE_BYTES_MAX (UINT64_C(1) << 32)

struct store {
    sl_kv base;
    sl_fs *fs;
    char *path;
    sl_kv_role role;
    sl_kv_recovery recovery;
    bool is_broken, is_read_only;
    sl_kv__map map;
    uint64_t generation;
    sl_file *lock, *wal; /* wal is opened with the first write */
    bool is_wal_named;   /* the name of the log is durable */
};

static sl_code fail_broken(const struct store *s, sl_error *err)
{
    return sl_fail(err, SL_EIO,
                   "memory store %s: an earlier write failed and its outcome is unknown; "
                   "close and open the store again",
                   s->path);
}

static void make_name(const struct store *s, const char *kind, uint64_t generation,
                      sl_bytes *out)
{
    sl_bytes_clear(out);
    sl_bytes_printf(out, "%s/%s-%010" PRIu64, s->path, kind, generation);
}

static void close_store(sl_kv *kv)
{
    struct store *s = (struct store *)kv;
    sl_file_close(s->wal);
    sl_file_close(s->lock);
    sl_kv__map_deinit(&s->map);
    sl_free(s->path);
    sl_free(s);
}

static sl_code get_value(sl_kv *kv, sl_span key, sl_bytes *ret, bool *ret_found,
                         sl_error *err)
{
    (void)err;
    struct store *s = (struct store *)kv;
    bool is_found = false;
    size_t at = sl_kv__map_seek(&s->map, key, &is_found);
    sl_bytes_clear(ret);
    if (is_found) {
        sl_span value = sl_kv__value(&s->map.rows[at]);
        sl_bytes_append(ret, value.data, value.size_bytes);
    }
    *ret_found = is_found;
    return SL_OK;
}

static sl_code walk_range(sl_kv *kv, sl_span from, sl_span end, bool is_reverse,
                          sl_kv_row_fn fn, void *user, sl_error *err)
{
    (void)err;
    struct store *s = (struct store *)kv;
    size_t first = sl_kv__map_seek(&s->map, from, NULL);
    size_t last =
        end.size_bytes == 0 ? s->map.count : sl_kv__map_seek(&s->map, end, NULL);
    for (size_t i = first; i < last; i++) {
        const sl_kv__row *row = &s->map.rows[is_reverse ? last - 1 - (i - first) : i];
        if (!fn(user, sl_kv__key(row), sl_kv__value(row)))
            break;
    }
    return SL_OK;
}

/* ---- the log ---- */

static void apply_ops(struct store *s, const sl_kv_op *ops, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ops[i].is_remove)
            sl_kv__map_remove(&s->map, ops[i].key);
        else
            sl_kv__map_put(&s->map, ops[i].key, ops[i].value);
    }
}

static void encode_ops(const sl_kv_op *ops, size_t count, sl_bytes *out)
{
    sl_bytes payload = { 0 };
    sl_bytes_u32(&payload, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        sl_bytes_u8(&payload, ops[i].is_remove);
        sl_bytes_blob(&payload, ops[i].key);
        sl_bytes_blob(&payload, ops[i].is_remove ? (sl_span){ 0 } : ops[i].value);
    }
    sl_bytes_u32(out, (uint32_t)payload.size_bytes);
    sl_bytes_u32(out, sl_crc32c(0, payload.data, payload.size_bytes));
    sl_bytes_append(out, payload.data, payload.size_bytes);
    sl_bytes_deinit(&payload);
}

static sl_code append_log(struct store *s, const sl_kv_op *ops, size_t count, bool sync,
                          sl_error *err)
{
    sl_bytes text = { 0 };
    sl_code code = SL_OK;
    if (!s->wal) {
        make_name(s, "wal", s->generation, &text);
        SL_TRY_GOTO(sl_fs_open(s->fs, sl_bytes_cstr(&text), SL_OPEN_APPEND, &s->wal, err),
                    out);
    }
    sl_bytes_clear(&text);
    encode_ops(ops, count, &text);
    SL_TRY_GOTO(sl_file_append(s->wal, text.data, text.size_bytes, err), out);
    if (sync) {
        SL_TRY_GOTO(sl_file_sync(s->wal, err), out);
        if (!s->is_wal_named)
            SL_TRY_GOTO(sl_fs_sync_dir(s->fs, s->path, err), out);
        s->is_wal_named = true;
    }
out:
    sl_bytes_deinit(&text);
    return code;
}

static sl_code write_ops(sl_kv *kv, const sl_kv_op *ops, size_t count, bool sync,
                         sl_error *err)
{
    struct store *s = (struct store *)kv;
    if (s->is_broken || s->is_read_only)
        return fail_broken(s, err);
    if (s->role == SL_KV_JOURNAL) {
        sl_code code = append_log(s, ops, count, sync, err);
        if (code != SL_OK) {
            s->is_broken = true;
            return code;
        }
    }
    apply_ops(s, ops, count);
    return SL_OK;
}

/* One record's payload, its checksum already right. False if it does not parse. */
static bool replay_record(struct store *s, sl_span payload)
{
    sl_reader r = sl_reader_of(payload);
    uint32_t count = sl_read_count(&r, 9);
    for (uint32_t i = 0; i < count && !r.failed; i++) {
        sl_kv_op op = { .is_remove = sl_read_u8(&r) != 0 };
        op.key = sl_read_blob(&r);
        op.value = sl_read_blob(&r);
        if (!r.failed)
            apply_ops(s, &op, 1);
    }
    return sl_reader_done(&r);
}

/* The answers of RocksDB's log reader: a record that is cut short is damage under
 * ABSOLUTE and the end under TOLERATE_TAIL; a checksum that is wrong is damage under
 * both; zeroes are the end of what was written. */
static sl_code replay_log(struct store *s, const char *path, sl_span log, sl_error *err)
{
    sl_reader r = sl_reader_of(log);
    while (r.at < r.size_bytes) {
        size_t at = r.at;
        uint32_t length = sl_read_u32(&r), crc = sl_read_u32(&r);
        if (!r.failed && length == 0 && crc == 0)
            break;
        sl_span payload = sl_read_bytes(&r, length);
        if (r.failed) {
            if (s->recovery == SL_KV_TOLERATE_TAIL)
                break;
            return sl_fail(err, SL_ECORRUPT,
                           "Corruption: truncated record body at offset %zu of %s", at,
                           path);
        }
        if (sl_crc32c(0, payload.data, payload.size_bytes) != crc ||
            !replay_record(s, payload))
            return sl_fail(err, SL_ECORRUPT,
                           "Corruption: checksum mismatch at offset %zu of %s", at, path);
    }
    return SL_OK;
}

/* ---- tables ---- */

static sl_code write_table(struct store *s, uint64_t generation, sl_error *err)
{
    sl_bytes name = { 0 }, table = { 0 };
    sl_bytes_u64(&table, TABLE_MAGIC);
    sl_bytes_u64(&table, s->map.count);
    for (size_t i = 0; i < s->map.count; i++) {
        sl_bytes_blob(&table, sl_kv__key(&s->map.rows[i]));
        sl_bytes_blob(&table, sl_kv__value(&s->map.rows[i]));
    }
    sl_bytes_u64(&table, sl_hash64(table.data, table.size_bytes));
    make_name(s, "table", generation, &name);
    sl_code code =
        sl_fs_write_new(s->fs, sl_bytes_cstr(&name), sl_bytes_span(&table), err);
    sl_bytes_deinit(&name);
    sl_bytes_deinit(&table);
    return code;
}

static bool load_table(struct store *s, sl_span table)
{
    if (table.size_bytes < 24)
        return false;
    sl_reader tail = sl_reader_of(sl_span_of(table.data + table.size_bytes - 8, 8));
    if (sl_read_u64(&tail) != sl_hash64(table.data, table.size_bytes - 8))
        return false;
    sl_reader r = sl_reader_of(sl_span_of(table.data, table.size_bytes - 8));
    if (sl_read_u64(&r) != TABLE_MAGIC)
        return false;
    uint64_t count = sl_read_u64(&r);
    for (uint64_t i = 0; i < count && !r.failed; i++) {
        sl_span key = sl_read_blob(&r);
        sl_span value = sl_read_blob(&r);
        if (!r.failed)
            sl_kv__map_put(&s->map, key, value);
    }
    return sl_reader_done(&r);
}

/* Make the map a new table and drop the generation before it. */
static sl_code rotate(struct store *s, sl_error *err)
{
    SL_TRY(write_table(s, s->generation + 1, err));
    sl_file_close(s->wal);
    s->wal = NULL;
    s->is_wal_named = false;
    sl_bytes name = { 0 };
    static const char *const kinds[] = { "wal", "table" };
    for (size_t i = 0; i < 2; i++) { /* a leftover is harmless: the newest table counts */
        make_name(s, kinds[i], s->generation, &name);
        if (sl_fs_exists(s->fs, sl_bytes_cstr(&name)) &&
            sl_fs_remove(s->fs, sl_bytes_cstr(&name), NULL) != SL_OK)
            break;
    }
    sl_bytes_deinit(&name);
    s->generation++;
    return SL_OK;
}

static sl_code flush_store(sl_kv *kv, sl_error *err)
{
    struct store *s = (struct store *)kv;
    if (s->is_broken || s->is_read_only)
        return fail_broken(s, err);
    sl_code code = rotate(s, err);
    s->is_broken = code != SL_OK;
    return code;
}

static sl_code checkpoint_store(sl_kv *kv, const char *dir, sl_error *err)
{
    struct store *s = (struct store *)kv;
    if (sl_fs_exists(s->fs, dir))
        return sl_fail(err, SL_EEXISTS, "cannot checkpoint into %s: it exists", dir);
    SL_TRY(flush_store(kv, err));
    SL_TRY(sl_fs_make_dirs(s->fs, dir, err));
    sl_bytes from = { 0 }, to = { 0 };
    make_name(s, "table", s->generation, &from);
    sl_bytes_printf(&to, "%s/table-%010" PRIu64, dir, s->generation);
    sl_code code = sl_fs_link(s->fs, sl_bytes_cstr(&from), sl_bytes_cstr(&to), err);
    if (code == SL_OK)
        code = sl_fs_sync_dir(s->fs, dir, err);
    sl_bytes_deinit(&from);
    sl_bytes_deinit(&to);
    return code;
}

static const sl_kv_class memory_class = {
    .get = get_value,
    .write = write_ops,
    .range = walk_range,
    .flush = flush_store,
    .checkpoint = checkpoint_store,
    .compact = flush_store,
    .close = close_store,
};

/* ---- opening ---- */

/* The newest generation with a table. */
static sl_code find_generation(sl_fs *fs, const char *path, bool *ret_found,
                               uint64_t *ret_generation, sl_error *err)
{
    sl_dir_entry *entries = NULL;
    size_t count = 0;
    sl_error why;
    sl_code code = sl_fs_list(fs, path, &entries, &count, &why);
    if (code != SL_OK && code != SL_ENOTFOUND) {
        if (err)
            *err = why;
        return code;
    }
    *ret_found = false;
    for (size_t i = 0; i < count; i++) {
        uint64_t generation = 0;
        int used = 0;
        if (sscanf(entries[i].name, "table-%10" SCNu64 "%n", &generation, &used) != 1 ||
            used != 16 || entries[i].name[16] != '\0')
            continue;
        if (!*ret_found || generation > *ret_generation)
            *ret_generation = generation;
        *ret_found = true;
    }
    sl_fs_entries_free(entries, count);
    return SL_OK;
}

static sl_code load_generation(struct store *s, sl_bytes *name, sl_bytes *content,
                               sl_error *err)
{
    make_name(s, "table", s->generation, name);
    SL_TRY(sl_fs_read_all(s->fs, sl_bytes_cstr(name), STORE_BYTES_MAX, content, err));
    if (!load_table(s, sl_bytes_span(content)))
        return sl_fail(err, SL_ECORRUPT, "Corruption: table file %s is damaged",
                       sl_bytes_cstr(name));
    make_name(s, "wal", s->generation, name);
    sl_file_info info;
    sl_code code = sl_fs_stat(s->fs, sl_bytes_cstr(name), &info, err);
    if (code != SL_OK) /* a look that failed is not an absent file */
        return code == SL_ENOTFOUND ? SL_OK : code;
    sl_bytes_clear(content);
    SL_TRY(sl_fs_read_all(s->fs, sl_bytes_cstr(name), STORE_BYTES_MAX, content, err));
    SL_TRY(replay_log(s, sl_bytes_cstr(name), sl_bytes_span(content), err));
    return s->is_read_only || content->size_bytes == 0 ? SL_OK : rotate(s, err);
}

static sl_code recover(struct store *s, bool create, sl_error *err)
{
    bool is_found = false;
    SL_TRY(find_generation(s->fs, s->path, &is_found, &s->generation, err));
    if (!is_found) {
        if (!create)
            return sl_fail(err, SL_ENOTFOUND, "there is no store in %s", s->path);
        return write_table(s, 0, err);
    }
    sl_bytes name = { 0 }, content = { 0 };
    sl_code code = load_generation(s, &name, &content, err);
    sl_bytes_deinit(&name);
    sl_bytes_deinit(&content);
    return code;
}

static sl_code lock_store(struct store *s, sl_error *err)
{
    sl_bytes name = { 0 };
    sl_bytes_printf(&name, "%s/LOCK", s->path);
    sl_code code = sl_fs_lock(s->fs, sl_bytes_cstr(&name), "store", &s->lock, err);
    sl_bytes_deinit(&name);
    return code;
}

static sl_code open_store(const sl_kv_factory *f, const char *path,
                          const sl_kv_options *options, sl_kv **ret, sl_error *err)
{
    if (options->create)
        SL_TRY(sl_fs_make_dirs(f->fs, path, err));
    struct store *s = sl_calloc(1, sizeof *s);
    s->base.class = &memory_class;
    s->fs = f->fs;
    s->path = sl_strdup(path);
    s->role = options->role;
    s->recovery = options->recovery;
    s->is_read_only = options->read_only;
    sl_code code = options->read_only ? SL_OK : lock_store(s, err);
    if (code == SL_OK)
        code = recover(s, options->create, err);
    if (code != SL_OK) {
        close_store(&s->base);
        return code;
    }
    *ret = &s->base;
    return SL_OK;
}

static sl_code store_exists(const sl_kv_factory *f, const char *path, bool *ret,
                            sl_error *err)
{
    uint64_t generation = 0;
    return find_generation(f->fs, path, ret, &generation, err);
}

static sl_code destroy_store(const sl_kv_factory *f, const char *path, sl_error *err)
{
    return sl_fs_remove_tree(f->fs, path, err);
}

sl_kv_factory sl_kv_memory(sl_fs *fs)
{
    return (sl_kv_factory){ .name = "memory",
                            .open = open_store,
                            .exists = store_exists,
                            .destroy = destroy_store,
                            .fs = fs };
}
