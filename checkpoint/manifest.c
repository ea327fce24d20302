#include "checkpoint/manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "checkpoint/frame_private.h"
#include "checkpoint/layout.h"
#include "checkpoint/record_parts_private.h"
#include "objects/durable_dir.h"

#define SINK_ID_CHARS_MAX 48
#define MANIFEST_READ_BYTES_MAX (SL_RECORD_BYTES_MAX + SL_MANIFEST_FILE_BYTES_MAX)

struct sl_manifest {
    sl_fs *fs;
    char *dir, *sink_id, *query_id;
    sl_failpoints failpoints;
    int64_t last_batch;
    sl_file *file; /* being written by us; a file of an earlier life is never appended */
    uint64_t file_bytes;
    sl_bytes found; /* the last record as it was read at the opening: see append */
};

static bool is_sink_id(const char *text)
{
    size_t n = strlen(text);
    return n > 0 && n <= SINK_ID_CHARS_MAX &&
           strspn(text,
                  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") ==
               n;
}

/* ---- records ---- */

static void encode_record(const sl_manifest *m, const sl_manifest_record *r,
                          sl_bytes *out)
{
    sl_bytes b = { 0 };
    sl_bytes_u32(&b, SL_MANIFEST_FORMAT);
    sl_bytes_i64(&b, r->batch);
    sl_bytes_i64(&b, m->last_batch);
    sl_bytes_u64(&b, r->epoch);
    sl_bytes_i64(&b, r->published_wall_us);
    sl_bytes_u32(&b, r->file_count);
    for (uint32_t i = 0; i < r->file_count; i++)
        sl_record__put_file(&b, &r->files[i], false);
    sl_frame__encode(SL_FRAME__MANIFEST, SL_MANIFEST_FORMAT, m->query_id, m->sink_id,
                     sl_bytes_span(&b), out);
    sl_bytes_deinit(&b);
}

static sl_code decode_record(sl_span payload, sl_arena *arena, sl_manifest_record *ret,
                             sl_error *err)
{
    sl_reader r = sl_record__reader(payload, arena);
    sl_manifest_record m = { 0 };
    SL_TRY(sl_record__check_format("manifest", sl_read_u32(&r), SL_MANIFEST_FORMAT, err));
    m.batch = sl_read_i64(&r);
    m.previous_batch = sl_read_i64(&r);
    m.epoch = sl_read_u64(&r);
    m.published_wall_us = sl_read_i64(&r);
    m.file_count = sl_read_count(&r, 36);
    sl_sink_file *files = SL_ARENA_ARRAY(arena, sl_sink_file, m.file_count);
    for (uint32_t i = 0; i < m.file_count && !r.failed; i++)
        sl_record__get_file(&r, arena, false, &files[i]);
    m.files = files;
    SL_TRY(sl_record__check_done("manifest", &r, err));
    *ret = m;
    return SL_OK;
}

/* ---- reading ---- */

struct walk {
    const sl_manifest *m;
    sl_manifest_fn fn; /* may be NULL */
    void *user;
    sl_arena *arena;
    int64_t last_batch;  /* of the record before */
    int64_t before_last; /* its previous_batch */
    bool is_first;       /* no record seen yet: any previous_batch will do */
    bool is_ended;       /* fn said so */
    sl_bytes *last;      /* bytes of the last record; NULL: not wanted */
};

/* Is there a whole record after a bad place? Then it was not the tail that broke. */
static bool has_record_after(const sl_manifest *m, sl_span rest)
{
    for (size_t at = 1; at + SL_FRAME__HEADER_BYTES <= rest.size_bytes; at++) {
        sl_span payload;
        size_t size = 0;
        if (memcmp(rest.data + at, "SLCK", 4) == 0 &&
            sl_frame__decode(sl_span_of(rest.data + at, rest.size_bytes - at),
                             SL_FRAME__MANIFEST, SL_MANIFEST_FORMAT, m->query_id,
                             m->sink_id, "", &payload, &size, NULL) == SL_OK)
            return true;
    }
    return false;
}

static sl_code take_record(struct walk *w, sl_span payload, const char *path,
                           sl_error *err)
{
    sl_manifest_record record;
    sl_arena_reset(w->arena);
    sl_error why;
    if (decode_record(payload, w->arena, &record, &why) != SL_OK)
        return sl_fail(err, why.code, "%s: %s", path, why.text);
    /* An append whose sync failed may stand all the same; its retry says it again. */
    if (!w->is_first && record.batch == w->last_batch &&
        record.previous_batch == w->before_last)
        return SL_OK;
    if ((!w->is_first && record.previous_batch != w->last_batch) ||
        record.batch <= record.previous_batch)
        return sl_fail(err, SL_ECORRUPT,
                       "%s: batch %" PRId64 " follows batch %" PRId64
                       ", but its record says %" PRId64
                       ": a part of the manifest log is missing",
                       path, record.batch, w->last_batch, record.previous_batch);
    w->is_first = false;
    w->last_batch = record.batch;
    w->before_last = record.previous_batch;
    if (w->fn && !w->fn(w->user, &record))
        w->is_ended = true;
    return SL_OK;
}

static sl_code walk_bytes(struct walk *w, sl_span bytes, const char *path, sl_error *err)
{
    while (bytes.size_bytes > 0 && !w->is_ended) {
        sl_span payload;
        size_t size = 0;
        sl_error why;
        sl_code code =
            sl_frame__decode(bytes, SL_FRAME__MANIFEST, SL_MANIFEST_FORMAT,
                             w->m->query_id, w->m->sink_id, path, &payload, &size, &why);
        if (code != SL_OK) {
            /* A torn tail: never acknowledged, so published anew by recovery. */
            if (code == SL_ECORRUPT && !has_record_after(w->m, bytes))
                return SL_OK;
            if (err)
                *err = why;
            return code;
        }
        SL_TRY(take_record(w, payload, path, err));
        if (w->last != NULL) {
            sl_bytes_clear(w->last);
            sl_bytes_append(w->last, bytes.data, size);
        }
        bytes = sl_span_of(bytes.data + size, bytes.size_bytes - size);
    }
    return SL_OK;
}

static sl_code walk_file(struct walk *w, const char *name, sl_error *err)
{
    sl_bytes path = { 0 }, bytes = { 0 };
    sl_bytes_printf(&path, "%s/%s", w->m->dir, name);
    sl_code code = sl_fs_read_all(w->m->fs, sl_bytes_cstr(&path), MANIFEST_READ_BYTES_MAX,
                                  &bytes, err);
    if (code == SL_OK)
        code = walk_bytes(w, sl_bytes_span(&bytes), sl_bytes_cstr(&path), err);
    sl_bytes_deinit(&path);
    sl_bytes_deinit(&bytes);
    return code;
}

static bool is_log_name(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && strcmp(name + n - 4, ".log") == 0;
}

/* The log's files by name, which is their order. An absent directory has none. */
static sl_code list_logs(const sl_manifest *m, sl_dir_entry **ret_entries,
                         size_t *ret_count, sl_error *err)
{
    sl_error why;
    sl_code code = sl_fs_list(m->fs, m->dir, ret_entries, ret_count, &why);
    if (code == SL_OK)
        return SL_OK;
    if (code != SL_ENOTFOUND) {
        if (err)
            *err = why;
        return code;
    }
    *ret_entries = NULL;
    *ret_count = 0;
    return SL_OK;
}

static sl_code walk_from(const sl_manifest *m, const sl_dir_entry *entries, size_t first,
                         size_t count, struct walk *w, sl_error *err)
{
    (void)m;
    for (size_t i = first; i < count && !w->is_ended; i++) {
        if (is_log_name(entries[i].name))
            SL_TRY(walk_file(w, entries[i].name, err));
    }
    return SL_OK;
}

sl_code sl_manifest_each(const sl_manifest *m, sl_manifest_fn fn, void *user,
                         sl_error *err)
{
    sl_dir_entry *entries = NULL;
    size_t count = 0;
    SL_TRY(list_logs(m, &entries, &count, err));
    struct walk w = { .m = m, .fn = fn, .user = user, .last_batch = -1 };
    w.arena = sl_arena_new();
    sl_code code = walk_from(m, entries, 0, count, &w, err);
    sl_arena_free(w.arena);
    sl_fs_entries_free(entries, count);
    return code;
}

/* Only the newest file with a whole record matters; older ones are not read. */
static sl_code find_last(sl_manifest *m, sl_error *err)
{
    sl_dir_entry *entries = NULL;
    size_t count = 0;
    SL_TRY(list_logs(m, &entries, &count, err));
    struct walk w = { .m = m, .last_batch = -1, .is_first = true, .last = &m->found };
    w.arena = sl_arena_new();
    sl_code code = SL_OK;
    for (size_t i = count; i-- > 0 && code == SL_OK && w.is_first;) {
        code = walk_from(m, entries, i, i + 1, &w, err);
    }
    if (code == SL_OK)
        m->last_batch = w.last_batch;
    sl_arena_free(w.arena);
    sl_fs_entries_free(entries, count);
    return code;
}

sl_code sl_manifest_open(const sl_manifest_options *options, sl_manifest **ret,
                         sl_error *err)
{
    if (!is_sink_id(options->sink_id))
        return sl_fail(err, SL_EINVAL,
                       "sink id '%s' is not 1 to %d letters, digits, _ or -",
                       options->sink_id, SINK_ID_CHARS_MAX);
    sl_checkpoint_path dir;
    SL_TRY(sl_layout_sink(options->root, options->sink_id, &dir, err));
    sl_manifest *m = sl_calloc(1, sizeof *m);
    m->fs = options->fs;
    m->dir = sl_strdup(dir.text);
    m->sink_id = sl_strdup(options->sink_id);
    m->query_id = sl_strdup(options->query_id);
    m->failpoints = options->failpoints;
    m->last_batch = -1;
    sl_code code = find_last(m, err);
    if (code != SL_OK) {
        sl_manifest_close(m);
        return code;
    }
    *ret = m;
    return SL_OK;
}

void sl_manifest_close(sl_manifest *m)
{
    if (!m)
        return;
    sl_file_close(m->file);
    sl_bytes_deinit(&m->found);
    sl_free(m->dir);
    sl_free(m->sink_id);
    sl_free(m->query_id);
    sl_free(m);
}

int64_t sl_manifest_last_batch(const sl_manifest *m)
{
    return m->last_batch;
}

/* ---- writing ---- */

static sl_code start_file(sl_manifest *m, int64_t batch, sl_error *err)
{
    SL_TRY(sl_durable_dir_make(m->fs, m->dir, 2, err));
    sl_bytes path = { 0 };
    sl_code code = SL_EEXISTS;
    sl_error why;
    for (int n = 0; n < 10000 && code == SL_EEXISTS; n++) {
        sl_bytes_clear(&path);
        sl_bytes_printf(&path, "%s/%020" PRId64 "-%04d.log", m->dir, batch, n);
        code = sl_fs_open(m->fs, sl_bytes_cstr(&path), SL_OPEN_CREATE, &m->file, &why);
    }
    sl_bytes_deinit(&path);
    if (code != SL_OK) {
        if (err)
            *err = why;
        return code;
    }
    m->file_bytes = 0;
    return SL_OK;
}

static sl_code append_bytes(sl_manifest *m, sl_span bytes, sl_error *err)
{
    bool is_new = m->file_bytes == 0;
    SL_TRY(sl_file_append(m->file, bytes.data, bytes.size_bytes, err));
    SL_TRY(sl_file_sync(m->file, err));
    if (is_new)
        SL_TRY(sl_fs_sync_dir(m->fs, m->dir, err));
    m->file_bytes += bytes.size_bytes;
    return SL_OK;
}

/* The record that was found at the opening may be one whose sync failed: it can be read
 * until the power goes.  So the first append says it again, and no record of ours ever
 * follows one that is not synced. */
sl_code sl_manifest_append(sl_manifest *m, const sl_manifest_record *record,
                           sl_error *err)
{
    if (record->batch <= m->last_batch)
        return sl_fail(err, SL_EEXISTS,
                       "%s: batch %" PRId64 " is published; the log stands at %" PRId64,
                       m->dir, record->batch, m->last_batch);
    if (!m->file)
        SL_TRY(start_file(m, record->batch, err));
    sl_bytes bytes = { 0 };
    sl_bytes_append(&bytes, m->found.data, m->found.size_bytes);
    encode_record(m, record, &bytes);
    sl_failpoint_pass(m->failpoints, "manifest.append");
    size_t size = bytes.size_bytes - m->found.size_bytes;
    sl_code code = size > SL_RECORD_BYTES_MAX
                       ? sl_record__check_size("manifest", record->batch, size, err)
                       : append_bytes(m, sl_bytes_span(&bytes), err);
    sl_bytes_deinit(&bytes);
    if (code == SL_OK) {
        sl_failpoint_pass(m->failpoints, "manifest.synced");
        m->last_batch = record->batch;
        sl_bytes_deinit(&m->found);
    }
    /* After a failure the next append goes to a new file, behind what this one left. */
    if (code != SL_OK || m->file_bytes >= SL_MANIFEST_FILE_BYTES_MAX) {
        sl_file_close(m->file);
        m->file = NULL;
    }
    return code;
}

sl_code sl_manifest_sinks(sl_fs *fs, const char *root, sl_arena *arena,
                          const char *const **ret_ids, uint32_t *ret_count, sl_error *err)
{
    sl_checkpoint_path path;
    SL_TRY(sl_layout_sinks(root, &path, err));
    sl_dir_entry *entries = NULL;
    size_t count = 0;
    sl_error why;
    sl_code code = sl_fs_list(fs, path.text, &entries, &count, &why);
    if (code != SL_OK && code != SL_ENOTFOUND) {
        if (err)
            *err = why;
        return code;
    }
    const char **ids = SL_ARENA_ARRAY(arena, const char *, count);
    uint32_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].info.is_directory && is_sink_id(entries[i].name))
            ids[used++] = sl_arena_strdup(arena, entries[i].name);
    }
    sl_fs_entries_free(entries, count);
    *ret_ids = ids;
    *ret_count = used;
    return SL_OK;
}
