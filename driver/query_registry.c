#include "driver/query_registry.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/limits.h"
#include "objects/durable_dir.h"

#define FORMAT 2
#define FORMAT_WITHOUT_ORIGIN 1
#define KEY_PREFIX "query/"

static const char magic[4] = { 'S', 'L', 'Q', 'R' };

struct sl_query_registry {
    sl_kv *kv;
    pthread_mutex_t lock; /* streams open and close on lanes of their own */
};

/* ---- bytes ---- */

void sl_registry_record_write(const sl_registry_record *m, sl_bytes *out)
{
    sl_bytes body = { 0 };
    sl_bytes_string(&body, m->query_id);
    sl_bytes_string(&body, m->name);
    sl_bytes_string(&body, m->directory);
    sl_bytes_string(&body, m->checkpoint);
    sl_bytes_u8(&body, m->is_temporary);
    sl_bytes_u32(&body, m->setting_count);
    for (uint32_t i = 0; i < m->setting_count; i++) {
        sl_bytes_string(&body, m->settings[i].name);
        sl_bytes_string(&body, m->settings[i].value);
    }
    sl_bytes_u32(&body, m->context_count);
    for (uint32_t i = 0; i < m->context_count; i++)
        sl_bytes_string(&body, m->context[i]);
    sl_bytes_string(&body, m->statement);
    sl_bytes_string(&body, m->origin != NULL ? m->origin : "");
    sl_bytes_append(out, magic, sizeof magic);
    sl_bytes_u32(out, FORMAT);
    sl_bytes_u32(out, (uint32_t)body.size_bytes);
    sl_bytes_u64(out, sl_hash64(body.data, body.size_bytes));
    sl_bytes_append(out, body.data, body.size_bytes);
    sl_bytes_deinit(&body);
}

static bool read_body(sl_reader *r, uint32_t format, sl_arena *arena,
                      sl_registry_record *m)
{
    m->query_id = sl_read_string(r, arena);
    m->name = sl_read_string(r, arena);
    m->directory = sl_read_string(r, arena);
    m->checkpoint = sl_read_string(r, arena);
    m->is_temporary = sl_read_u8(r) != 0;
    m->setting_count = sl_read_count(r, 8);
    sl_registry_setting *settings =
        SL_ARENA_ARRAY(arena, sl_registry_setting, m->setting_count + (size_t)1);
    for (uint32_t i = 0; i < m->setting_count; i++) {
        settings[i].name = sl_read_string(r, arena);
        settings[i].value = sl_read_string(r, arena);
        if (settings[i].name == NULL || settings[i].value == NULL)
            return false;
    }
    m->settings = settings;
    m->context_count = sl_read_count(r, 4);
    const char **context =
        SL_ARENA_ARRAY(arena, const char *, m->context_count + (size_t)1);
    for (uint32_t i = 0; i < m->context_count; i++) {
        context[i] = sl_read_string(r, arena);
        if (context[i] == NULL)
            return false;
    }
    m->context = context;
    m->statement = sl_read_string(r, arena);
    m->origin = format == FORMAT_WITHOUT_ORIGIN ? "" : sl_read_string(r, arena);
    return sl_reader_done(r) && m->query_id != NULL && m->name != NULL &&
           m->directory != NULL && m->checkpoint != NULL && m->statement != NULL &&
           m->origin != NULL;
}

sl_code sl_registry_record_read(sl_span bytes, sl_arena *arena, sl_registry_record *ret,
                                sl_error *err)
{
    sl_reader r = sl_reader_of(bytes);
    sl_span start = sl_read_bytes(&r, sizeof magic);
    uint32_t format = sl_read_u32(&r), length = sl_read_u32(&r);
    uint64_t hash = sl_read_u64(&r);
    sl_span body = sl_read_bytes(&r, length);
    sl_registry_record m = { 0 };
    if (r.failed || memcmp(start.data, magic, sizeof magic) != 0 || !sl_reader_done(&r))
        return sl_fail(err, SL_ECORRUPT, "a record of %zu bytes is cut or foreign",
                       bytes.size_bytes);
    if (format != FORMAT && format != FORMAT_WITHOUT_ORIGIN)
        return sl_fail(
            err, SL_EINCOMPATIBLE,
            "a record is of format %u, this is format %d: use the newer sluice", format,
            FORMAT);
    sl_reader in = sl_reader_of(body);
    if (hash != sl_hash64(body.data, body.size_bytes) ||
        !read_body(&in, format, arena, &m))
        return sl_fail(err, SL_ECORRUPT, "a record does not match its checksum");
    *ret = m;
    return SL_OK;
}

/* ---- the store ---- */

sl_code sl_query_registry_open(sl_fs *fs, const sl_kv_factory *kv, const char *directory,
                               sl_query_registry **ret, sl_error *err)
{
    char path[4096];
    sl_kv_options options = { .role = SL_KV_JOURNAL,
                              .recovery = SL_KV_TOLERATE_TAIL,
                              .create = true };
    sl_kv *store;
    if (snprintf(path, sizeof path, "%s/registry", directory) >= (int)sizeof path)
        return sl_fail(err, SL_EINVAL, "the path %.60s... is too long", directory);
    SL_TRY(sl_durable_dir_make(fs, path, 2, err));
    sl_code code = sl_kv_open(kv, path, &options, &store, err);
    if (code != SL_OK) {
        if (err != NULL)
            sl_error_prefix(err, "registry of queries %s", path);
        return code;
    }
    sl_query_registry *r = (sl_query_registry *)sl_calloc(1, sizeof *r);
    r->kv = store;
    pthread_mutex_init(&r->lock, NULL);
    *ret = r;
    return SL_OK;
}

void sl_query_registry_close(sl_query_registry *r)
{
    if (r == NULL)
        return;
    sl_kv_close(r->kv);
    pthread_mutex_destroy(&r->lock);
    sl_free(r);
}

static sl_code write_one(sl_query_registry *r, const char *query_id,
                         const sl_bytes *value, sl_error *err)
{
    sl_bytes key = { 0 };
    sl_bytes_printf(&key, KEY_PREFIX "%s", query_id);
    sl_kv_op op = { .key = sl_bytes_span(&key), .is_remove = value == NULL };
    if (value != NULL)
        op.value = sl_bytes_span(value);
    pthread_mutex_lock(&r->lock);
    sl_code code = sl_kv_write(r->kv, &op, 1, true, err);
    pthread_mutex_unlock(&r->lock);
    sl_bytes_deinit(&key);
    return code;
}

sl_code sl_query_registry_put(sl_query_registry *r, const sl_registry_record *record,
                              sl_error *err)
{
    sl_bytes value = { 0 };
    sl_registry_record_write(record, &value);
    sl_code code = write_one(r, record->query_id, &value, err);
    sl_bytes_deinit(&value);
    return code;
}

sl_code sl_query_registry_remove(sl_query_registry *r, const char *query_id,
                                 sl_error *err)
{
    return write_one(r, query_id, NULL, err);
}

struct listing {
    sl_arena *arena;
    sl_registry_record *rows;
    uint32_t count, capacity;
    sl_code code;
    sl_error *err;
};

static bool list_row(void *user, sl_span key, sl_span value)
{
    struct listing *l = (struct listing *)user;
    if (l->count == l->capacity) {
        l->capacity = l->capacity == 0 ? 16 : l->capacity * 2;
        l->rows =
            (sl_registry_record *)sl_realloc(l->rows, l->capacity * sizeof *l->rows);
    }
    l->code = sl_registry_record_read(value, l->arena, &l->rows[l->count], l->err);
    if (l->code != SL_OK && l->err != NULL)
        sl_error_prefix(l->err, "registry of queries, %.*s", (int)key.size_bytes,
                        (const char *)key.data);
    l->count++;
    return l->code == SL_OK;
}

sl_code sl_query_registry_list(sl_query_registry *r, sl_arena *arena,
                               const sl_registry_record **ret, uint32_t *ret_count,
                               sl_error *err)
{
    struct listing l = { .arena = arena, .err = err };
    pthread_mutex_lock(&r->lock);
    sl_code code = sl_kv_prefix(r->kv, sl_span_text(KEY_PREFIX), list_row, &l, err);
    pthread_mutex_unlock(&r->lock);
    code = code == SL_OK ? l.code : code;
    if (code == SL_OK) {
        sl_registry_record *rows =
            SL_ARENA_ARRAY(arena, sl_registry_record, l.count + (size_t)1);
        if (l.count > 0)
            memcpy(rows, l.rows, l.count * sizeof *rows);
        *ret = rows;
        *ret_count = l.count;
    }
    sl_free(l.rows);
    return code;
}
