/* The JSON file sink, class A: tasks stage files under <path>/.sluice-staging; the driver
 * renames them into place once their batch is committed.  Small output rides in the
 * commit instead, and is staged when it is published.
 *
 *   target   part-<batch>-<stage>-<task>-<query>.json    the same for every attempt
 *   staged   .sluice-staging/<query>-<epoch>-<batch>-<attempt>-<stage>-<task>.json
 *   inline   .sluice-staging/<query>-inline-<target>
 *
 * <query> is a hash of the query's id, 16 digits: queries may share a directory, and each
 * cleans up its own. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "connectors/connectors_private.h"
#include "formats/json_options.h"
#include "formats/json_write.h"

#define STAGING ".sluice-staging"
#define FLUSH_BYTES (1u << 20)

static uint32_t option_names(const char **ret)
{
    uint32_t n = 0;
    ret[n++] = "path";
    for (uint32_t i = 0; i < sl_json_write_option_count && n < SL_OPTION_NAMES_MAX; i++)
        ret[n++] = sl_json_write_option_names[i];
    return n;
}

static sl_code path_of(const sl_option_list *l, const char **ret, sl_error *err)
{
    const char *names[SL_OPTION_NAMES_MAX];
    SL_TRY(sl_option_list_check(l, "json sink", names, option_names(names), err));
    SL_TRY(sl_json_check_write_options(l, err));
    *ret = sl_option_list_get(l, "path");
    if (*ret == NULL || **ret == '\0')
        return sl_fail_as(
            err, SL_EOPTION, "MISSING_OPTION", "42000",
            "the json sink needs the option path: OPTIONS (path '<directory>')");
    if (strncmp(*ret, "file://", 7) == 0)
        *ret += 7;
    return SL_OK;
}

/* ---- the worker's half ---- */

typedef struct file_writer {
    sl_sink_writer writer;
    sl_write_request request;
    sl_bytes path; /* of the sink */
    sl_json_writer *json;
    sl_bytes buffer;
    sl_file *file;        /* once the output is too large to ride along */
    sl_hash_stream *hash; /* of what is in the file */
    sl_staged_file staged;
    bool finished;
} file_writer;

static void pass(const sl_write_request *q, const char *name)
{
    if (q->failpoint != NULL)
        q->failpoint(q->user, name);
}

static void staged_path(const file_writer *w, sl_bytes *out)
{
    sl_bytes_printf(out, "%s/%s", sl_bytes_cstr(&w->path), w->staged.staged);
}

static void writer_close(sl_sink_writer *writer)
{
    file_writer *w = (file_writer *)writer;
    sl_file_close(w->file);
    if (!w->finished && w->staged.staged[0] != '\0') {
        sl_bytes path = { 0 };
        staged_path(w, &path);
        (void)!sl_fs_remove(w->request.fs, sl_bytes_cstr(&path), NULL);
        sl_bytes_deinit(&path);
    }
    if (w->hash != NULL)
        (void)sl_hash_stream_end(w->hash);
    sl_json_writer_free(w->json);
    sl_bytes_deinit(&w->buffer);
    sl_bytes_deinit(&w->path);
    sl_bytes_deinit(&w->staged.content);
    sl_free(w);
}

static sl_code writer_open(const sl_write_request *q, sl_sink_writer **ret, sl_error *err)
{
    const char *path;
    SL_TRY(path_of(&q->options, &path, err));
    file_writer *w = (file_writer *)sl_calloc(1, sizeof *w);
    w->writer.class = &sl_json_sink_writer;
    w->request = *q;
    sl_bytes_text(&w->path, path);
    snprintf(w->staged.target, sizeof w->staged.target,
             "part-%05lld-%u-%05u-%016llx.json", (long long)q->batch, q->stage, q->task,
             (unsigned long long)q->query_hash);
    sl_code code = sl_json_writer_new(q->schema, q->zone, &w->json, err);
    if (code != SL_OK) {
        writer_close(&w->writer);
        return code;
    }
    *ret = &w->writer;
    return SL_OK;
}

static sl_code start_file(file_writer *w, sl_error *err)
{
    const sl_write_request *q = &w->request;
    sl_bytes path = { 0 };
    sl_bytes_printf(&path, "%s/%s", sl_bytes_cstr(&w->path), STAGING);
    sl_code code = sl_fs_make_dirs(q->fs, sl_bytes_cstr(&path), err);
    sl_bytes_clear(&path);
    snprintf(w->staged.staged, sizeof w->staged.staged,
             "%s/%016llx-%llu-%lld-%u-%u-%u.json", STAGING,
             (unsigned long long)q->query_hash, (unsigned long long)q->epoch,
             (long long)q->batch, q->attempt, q->stage, q->task);
    staged_path(w, &path);
    if (code == SL_OK)
        code = sl_fs_open(q->fs, sl_bytes_cstr(&path), SL_OPEN_CREATE, &w->file, err);
    if (code == SL_OK)
        w->hash = sl_hash_stream_new();
    else
        w->staged.staged[0] = '\0'; /* not made by us: not ours to remove */
    sl_bytes_deinit(&path);
    return code;
}

static sl_code flush(file_writer *w, sl_error *err)
{
    if (w->file == NULL)
        SL_TRY(start_file(w, err));
    pass(&w->request, "sink.stage.write");
    SL_TRY(sl_file_append(w->file, w->buffer.data, w->buffer.size_bytes, err));
    sl_hash_stream_add(w->hash, w->buffer.data, w->buffer.size_bytes);
    sl_bytes_clear(&w->buffer);
    return SL_OK;
}

static sl_code writer_write(sl_sink_writer *writer, const sl_chunk *chunk, sl_error *err)
{
    file_writer *w = (file_writer *)writer;
    size_t before = w->buffer.size_bytes;
    sl_json_writer_rows(w->json, chunk, 0, chunk->selected, &w->buffer);
    w->staged.rows += chunk->selected;
    w->staged.size_bytes += (int64_t)(w->buffer.size_bytes - before);
    bool too_large =
        !w->request.allow_inline || w->staged.size_bytes > SL_INLINE_DELTA_BYTES;
    if (too_large && (w->file == NULL || w->buffer.size_bytes >= FLUSH_BYTES))
        return flush(w, err);
    return SL_OK;
}

static sl_code sync_staged(file_writer *w, sl_error *err)
{
    sl_bytes dir = { 0 };
    if (w->buffer.size_bytes != 0)
        SL_TRY(flush(w, err));
    pass(&w->request, "sink.stage.sync");
    SL_TRY(sl_file_sync(w->file, err));
    sl_bytes_printf(&dir, "%s/%s", sl_bytes_cstr(&w->path), STAGING);
    sl_code code = sl_fs_sync_dir(w->request.fs, sl_bytes_cstr(&dir), err);
    sl_bytes_deinit(&dir);
    return code;
}

static sl_code writer_finish(sl_sink_writer *writer, bool *ret_has_file,
                             sl_staged_file *ret, sl_error *err)
{
    file_writer *w = (file_writer *)writer;
    if (w->staged.rows == 0) {
        *ret_has_file = false;
        return SL_OK;
    }
    if (w->file != NULL) {
        SL_TRY(sync_staged(w, err));
        w->staged.hash = sl_hash_stream_end(w->hash);
        w->hash = NULL;
    } else {
        w->staged.hash = sl_hash128_of(w->buffer.data, w->buffer.size_bytes);
        w->staged.content = w->buffer;
        w->buffer = (sl_bytes){ 0 };
    }
    w->finished = true;
    *ret = w->staged;
    w->staged.content = (sl_bytes){ 0 }; /* the caller's now */
    *ret_has_file = true;
    return SL_OK;
}

const sl_sink_writer_class sl_json_sink_writer = { "json", writer_open, writer_write,
                                                   writer_finish, writer_close };

/* ---- the driver's half ---- */

typedef struct file_sink {
    sl_sink sink;
    sl_fs *fs;
    char *path;
    char prefix[18]; /* of its staged names: "<query>-" */
} file_sink;

static sl_code sink_describe(const sl_option_list *l, sl_sink_caps *ret, sl_error *err)
{
    const char *path;
    SL_TRY(path_of(l, &path, err));
    *ret = (sl_sink_caps){
        .guarantee = SL_SINK_A, .append = true, .needs_checkpoint = true, .rows_max = -1
    };
    return SL_OK;
}

static sl_code sink_open(const sl_sink_env *env, const sl_option_list *l, sl_sink **ret,
                         sl_error *err)
{
    const char *path;
    SL_TRY(path_of(l, &path, err));
    sl_code code = sl_fs_make_dirs(env->fs, path, err);
    if (code == SL_OK)
        code = sl_fs_sync_parent(env->fs, path, err);
    if (code != SL_OK) {
        if (err != NULL)
            (void)sl_error_prefix(err, "the output directory %s cannot be used", path);
        return code;
    }
    file_sink *s = (file_sink *)sl_calloc(1, sizeof *s);
    s->sink.class = &sl_json_sink;
    s->fs = env->fs;
    s->path = sl_strdup(path);
    snprintf(s->prefix, sizeof s->prefix, "%016llx-",
             (unsigned long long)env->query_hash);
    *ret = &s->sink;
    return SL_OK;
}

static sl_code fail_foreign(const char *path, sl_error *err)
{
    return sl_fail(
        err, SL_EEXISTS,
        "%s stands where a batch's output goes and is not that output; move it away "
        "and start the query again",
        path);
}

/* The target stands and its staged file is gone, or never was: is it what would be
 * published? */
static sl_code compare_target(file_sink *s, const char *target, const sl_staged_file *f,
                              sl_error *err)
{
    sl_bytes content = { 0 };
    sl_file_info info;
    sl_code code = sl_fs_stat(s->fs, target, &info, err);
    if (code == SL_ENOTFOUND)
        return sl_fail(err, SL_ECORRUPT,
                       "%s: output of a committed batch is gone, staged as %s and not "
                       "published",
                       target, f->staged);
    SL_TRY(code);
    if (info.is_directory || info.size_bytes != f->size_bytes)
        return fail_foreign(target, err);
    code = sl_fs_read_all(s->fs, target, (size_t)f->size_bytes + 1, &content, err);
    sl_hash128 hash = sl_hash128_of(content.data, content.size_bytes);
    if (code == SL_OK && (hash.low != f->hash.low || hash.high != f->hash.high))
        code = fail_foreign(target, err);
    sl_bytes_deinit(&content);
    return code;
}

/* Inline content becomes a staged file first: a reader of the directory never sees half
 * of it. What an earlier crash left under that name is nobody's. */
static sl_code stage_inline(file_sink *s, const sl_staged_file *f, const char *staged,
                            sl_error *err)
{
    sl_file *file;
    sl_bytes dir = { 0 };
    sl_bytes_printf(&dir, "%s/%s", s->path, STAGING);
    sl_code code = sl_fs_make_dirs(s->fs, sl_bytes_cstr(&dir), err);
    sl_bytes_deinit(&dir);
    SL_TRY(code);
    code = sl_fs_remove(s->fs, staged, err);
    if (code != SL_OK && code != SL_ENOTFOUND)
        return code;
    SL_TRY(sl_fs_open(s->fs, staged, SL_OPEN_CREATE, &file, err));
    code = sl_file_append(file, f->content.data, f->content.size_bytes, err);
    if (code == SL_OK)
        code = sl_file_sync(file, err);
    sl_file_close(file);
    return code;
}

static sl_code publish_one(file_sink *s, const sl_staged_file *f, sl_error *err)
{
    sl_bytes target = { 0 }, staged = { 0 };
    sl_error why = { 0 };
    sl_code code = SL_OK;
    bool is_inline = f->staged[0] == '\0';
    sl_bytes_printf(&target, "%s/%s", s->path, f->target);
    if (is_inline)
        sl_bytes_printf(&staged, "%s/%s/%sinline-%s", s->path, STAGING, s->prefix,
                        f->target);
    else
        sl_bytes_printf(&staged, "%s/%s", s->path, f->staged);
    if (is_inline && sl_fs_exists(s->fs, sl_bytes_cstr(&target)))
        code = SL_EEXISTS; /* compared below */
    else if (is_inline)
        code = stage_inline(s, f, sl_bytes_cstr(&staged), &why);
    if (code == SL_OK)
        code = sl_fs_rename_noreplace(s->fs, sl_bytes_cstr(&staged),
                                      sl_bytes_cstr(&target), &why);
    bool gone = code == SL_ENOTFOUND && !is_inline;
    if (code == SL_EEXISTS || gone) {
        code = compare_target(s, sl_bytes_cstr(&target), f, err);
        /* A power cut may leave a renamed file under both names. */
        if (code == SL_OK && sl_fs_exists(s->fs, sl_bytes_cstr(&staged)))
            code = sl_fs_remove(s->fs, sl_bytes_cstr(&staged), err);
    } else if (code != SL_OK && err != NULL) {
        *err = why;
    }
    sl_bytes_deinit(&target);
    sl_bytes_deinit(&staged);
    return code;
}

static sl_code sink_publish(sl_sink *sink, int64_t batch, const sl_staged_file *files,
                            uint32_t file_count, bool replay,
                            void (*failpoint)(void *user, const char *name), void *user,
                            sl_error *err)
{
    file_sink *s = (file_sink *)sink;
    (void)batch;
    (void)replay; /* publishing is the same the second time */
    for (uint32_t i = 0; i < file_count; i++) {
        if (failpoint != NULL)
            failpoint(user, "sink.publish.rename");
        SL_TRY(publish_one(s, &files[i], err));
    }
    if (failpoint != NULL)
        failpoint(user, "sink.publish.syncdir");
    return sl_fs_sync_dir(s->fs, s->path, err);
}

static sl_code sink_clean_up(sl_sink *sink, bool (*keep)(void *user, const char *staged),
                             void *user, sl_error *err)
{
    file_sink *s = (file_sink *)sink;
    sl_dir_entry *entries;
    size_t count;
    sl_bytes path = { 0 };
    sl_bytes_printf(&path, "%s/%s", s->path, STAGING);
    sl_code code = sl_fs_list(s->fs, sl_bytes_cstr(&path), &entries, &count, err);
    if (code != SL_OK) {
        sl_bytes_deinit(&path);
        return code == SL_ENOTFOUND ? SL_OK : code;
    }
    for (size_t i = 0; i < count && code == SL_OK; i++) {
        char staged[300];
        if (strncmp(entries[i].name, s->prefix, strlen(s->prefix)) != 0)
            continue; /* of another query */
        snprintf(staged, sizeof staged, "%s/%s", STAGING, entries[i].name);
        if (keep(user, staged))
            continue;
        sl_bytes_clear(&path);
        sl_bytes_printf(&path, "%s/%s", s->path, staged);
        code = sl_fs_remove(s->fs, sl_bytes_cstr(&path), err);
    }
    sl_fs_entries_free(entries, count);
    sl_bytes_deinit(&path);
    return code;
}

static void sink_description(const sl_sink *sink, sl_bytes *out)
{
    sl_bytes_printf(out, "FileSink[%s]", ((const file_sink *)sink)->path);
}

static void sink_close(sl_sink *sink)
{
    file_sink *s = (file_sink *)sink;
    sl_free(s->path);
    sl_free(s);
}

const sl_sink_class sl_json_sink = {
    .name = "json",
    .option_names = option_names,
    .describe = sink_describe,
    .open = sink_open,
    .publish = sink_publish,
    .clean_up = sink_clean_up,
    .description = sink_description,
    .close = sink_close,
};
