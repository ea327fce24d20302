/* The planning half of the JSON file source (spark 4.1).
 *
 * Unread files wait in `pending`, sorted by modification time then path; a listing
 * happens when it is empty and the directory may have changed.  `seen` holds every path
 * ever planned: it is journalled with the offsets, so that no file is read twice. Offset:
 * {"logOffset": k}, k counts batches with files. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/hash_table.h"
#include "base/text.h"
#include "connectors/connectors_private.h"
#include "connectors/file/file_slice_private.h"
#include "formats/json_infer.h"
#include "formats/json_options.h"

#define OFFSET_VERSION 1
#define LIST_DEPTH_MAX 64
#define SETTLED_NS                                                                       \
    INT64_C(2000000000) /* a directory changed this long ago shows every change */

typedef struct found_file {
    char *path;
    sl_file_info info;
} found_file;

typedef struct file_list {
    found_file *items;
    uint32_t count, capacity;
} file_list;

struct file_options {
    const char *path;
    int64_t files_max, bytes_max;
    bool latest_first, name_only, recursive;
    const char *glob_filter;
};

typedef struct file_source {
    sl_source source;
    sl_source_env env;
    sl_arena *arena;
    struct file_options options;
    char *path; /* absolute */
    sl_hash_table *seen;
    file_list pending;
    uint32_t pending_at; /* those before it are planned */
    int64_t log_offset;
    bool frozen, streaming;
    int64_t listed_dir_mtime_ns;
} file_source;

static const char *const file_option_names[] = {
    "path",
    "maxFilesPerTrigger",
    "maxBytesPerTrigger",
    "latestFirst",
    "fileNameOnly",
    "maxFileAge",
    "maxCachedFiles",
    "discardCachedInputRatio",
    "cleanSource",
    "recursiveFileLookup",
    "pathGlobFilter",
};

static sl_code check_names(const sl_option_list *l, sl_error *err)
{
    const char *names[128];
    uint32_t n = 0;
    for (size_t i = 0; i < sizeof file_option_names / sizeof *file_option_names; i++)
        names[n++] = file_option_names[i];
    for (uint32_t i = 0; i < sl_json_read_option_count && n < 128; i++)
        names[n++] = sl_json_read_option_names[i];
    return sl_option_list_check(l, "json source", names, n, err);
}

static sl_code read_options(const sl_option_list *l, struct file_options *ret,
                            sl_error *err)
{
    sl_json_options json;
    const char *clean = sl_option_list_get(l, "cleanSource");
    SL_TRY(check_names(l, err));
    SL_TRY(sl_json_read_options(l, &json, err));
    *ret =
        (struct file_options){ .path = sl_option_list_get(l, "path"),
                               .glob_filter = sl_option_list_get(l, "pathGlobFilter") };
    if (ret->path == NULL || *ret->path == '\0')
        return sl_fail_as(
            err, SL_EOPTION, "MISSING_OPTION", "42000",
            "the json source needs the option path: OPTIONS (path '<directory>')");
    if (clean != NULL && !sl_text_equal_nocase(clean, "off"))
        return sl_fail(err, SL_EUNSUPPORTED,
                       "cleanSource '%s' is not supported yet; leave it off", clean);
    SL_TRY(sl_option_list_int(l, "maxFilesPerTrigger", 0, 1, INT64_MAX, &ret->files_max,
                              err));
    SL_TRY(sl_option_list_int(l, "maxBytesPerTrigger", 0, 1, INT64_MAX, &ret->bytes_max,
                              err));
    SL_TRY(sl_option_list_bool(l, "latestFirst", false, &ret->latest_first, err));
    SL_TRY(sl_option_list_bool(l, "fileNameOnly", false, &ret->name_only, err));
    SL_TRY(sl_option_list_bool(l, "recursiveFileLookup", false, &ret->recursive, err));
    if (ret->files_max != 0 && ret->bytes_max != 0)
        return sl_fail(err, SL_EOPTION,
                       "maxFilesPerTrigger and maxBytesPerTrigger cannot both be given");
    return SL_OK;
}

static char *absolute(const char *path)
{
    if (strncmp(path, "file://", 7) == 0)
        path += 7;
    sl_bytes out = { 0 };
    if (*path != '/') {
        char *cwd = getcwd(NULL, 0);
        sl_bytes_text(&out, cwd != NULL ? cwd : "");
        sl_bytes_char(&out, '/');
        free(cwd);
    }
    sl_bytes_text(&out, path);
    while (out.size_bytes > 1 && out.data[out.size_bytes - 1] == '/')
        out.data[--out.size_bytes] = '\0';
    char *text = sl_strdup(sl_bytes_cstr(&out));
    sl_bytes_deinit(&out);
    return text;
}

/* ---- listing ---- */

static void list_free(file_list *l)
{
    for (uint32_t i = 0; i < l->count; i++)
        sl_free(l->items[i].path);
    sl_free(l->items);
    *l = (file_list){ 0 };
}

static void list_add(file_list *l, const char *path, const sl_file_info *info)
{
    if (l->count == l->capacity) {
        l->capacity = l->capacity == 0 ? 64 : l->capacity * 2;
        l->items = (found_file *)sl_realloc(l->items, l->capacity * sizeof *l->items);
    }
    l->items[l->count++] = (found_file){ sl_strdup(path), *info };
}

struct listing {
    sl_fs *fs;
    const struct file_options *options;
    const char *name_glob; /* of the path's last part, or NULL */
    file_list *ret;
};

static sl_code list_dir(const struct listing *l, const char *dir, uint32_t depth,
                        sl_error *err)
{
    sl_dir_entry *entries;
    size_t count;
    sl_bytes path = { 0 };
    sl_code code = sl_fs_list(l->fs, dir, &entries, &count, err);
    if (code != SL_OK)
        return code;
    for (size_t i = 0; i < count && code == SL_OK; i++) {
        const char *name = entries[i].name;
        if (*name == '_' || *name == '.')
            continue;
        sl_bytes_clear(&path);
        sl_bytes_printf(&path, "%s/%s", dir, name);
        if (entries[i].info.is_directory) {
            if (l->options->recursive && depth < LIST_DEPTH_MAX)
                code = list_dir(l, sl_bytes_cstr(&path), depth + 1, err);
            continue;
        }
        if (l->name_glob != NULL && fnmatch(l->name_glob, name, 0) != 0)
            continue;
        if (l->options->glob_filter != NULL &&
            fnmatch(l->options->glob_filter, name, 0) != 0)
            continue;
        list_add(l->ret, sl_bytes_cstr(&path), &entries[i].info);
    }
    sl_fs_entries_free(entries, count);
    sl_bytes_deinit(&path);
    return code;
}

static sl_code fail_path(const char *path, sl_error *err)
{
    return sl_fail_as(err, SL_EANALYSIS, "PATH_NOT_FOUND", "42K03",
                      "Path does not exist: file:%s.", path);
}

/* Spark's order: by time, ties by path. */
static int compare_files(const void *a, const void *b)
{
    const found_file *x = (const found_file *)a, *y = (const found_file *)b;
    if (x->info.mtime_ns != y->info.mtime_ns)
        return x->info.mtime_ns < y->info.mtime_ns ? -1 : 1;
    return strcmp(x->path, y->path);
}

static bool has_glob(const char *name)
{
    return strpbrk(name, "*?[") != NULL;
}

static sl_code list_files(sl_fs *fs, const char *path, const struct file_options *options,
                          file_list *ret, sl_error *err)
{
    sl_file_info info;
    const char *slash = strrchr(path, '/');
    struct listing l = { fs, options, NULL, ret };
    sl_code code;
    if (slash != NULL && has_glob(slash + 1)) {
        char *dir = sl_strdup(path);
        dir[slash == path ? 1 : slash - path] = '\0';
        l.name_glob = slash + 1;
        code = list_dir(&l, dir, 0, err);
        sl_free(dir);
    } else if (sl_fs_stat(fs, path, &info, NULL) != SL_OK) {
        return fail_path(path, err);
    } else if (info.is_directory) {
        code = list_dir(&l, path, 0, err);
    } else {
        list_add(ret, path, &info);
        code = SL_OK;
    }
    if (code == SL_ENOTFOUND)
        return fail_path(path, err);
    if (ret->count != 0)
        qsort(ret->items, ret->count, sizeof *ret->items, compare_files);
    return code;
}

/* ---- describe ---- */

static sl_code infer(const sl_source_env *env, const sl_option_list *list,
                     const file_list *files, sl_arena *arena, const sl_schema **ret,
                     sl_error *err)
{
    sl_json_options options;
    sl_schema *schema = NULL;
    SL_TRY(sl_json_read_options(list, &options, err));
    sl_json_inference *inference = sl_json_inference_new(&options);
    sl_code code = SL_OK;
    for (uint32_t i = 0; i < files->count && code == SL_OK; i++) {
        sl_file *f;
        code = sl_fs_open(env->fs, files->items[i].path, SL_OPEN_READ, &f, err);
        if (code != SL_OK)
            break;
        code = sl_json_inference_file(inference, f, files->items[i].path, err);
        sl_file_close(f);
    }
    if (code == SL_OK)
        code = sl_json_inference_schema(inference, arena, &schema, err);
    sl_json_inference_free(inference);
    if (code == SL_OK && schema->field_count == 0)
        code =
            sl_fail_as(err, SL_EANALYSIS, "UNABLE_TO_INFER_SCHEMA", "42KD9",
                       "Unable to infer schema for JSON. It must be specified manually.");
    if (code == SL_OK)
        *ret = schema;
    return code;
}

static const sl_schema *all_nullable(const sl_schema *s, sl_arena *arena)
{
    sl_field *fields = SL_ARENA_ARRAY(arena, sl_field, s->field_count + 1);
    sl_schema *copy = SL_ARENA_NEW(arena, sl_schema);
    for (uint32_t i = 0; i < s->field_count; i++) {
        fields[i] = s->fields[i];
        fields[i].nullable = true;
    }
    *copy = (sl_schema){ s->field_count, fields };
    return copy;
}

static sl_code json_describe(const sl_source_env *env, const sl_option_list *list,
                             const sl_schema *user_schema, bool streaming,
                             sl_arena *arena, sl_source_caps *ret, sl_error *err)
{
    struct file_options options;
    file_list files = { 0 };
    const sl_schema *schema = NULL;
    SL_TRY(read_options(list, &options, err));
    if (streaming && user_schema == NULL)
        return sl_fail_as(
            err, SL_EANALYSIS, "_LEGACY_ERROR_TEMP_2048", "42000",
            "Schema must be specified when creating a streaming source "
            "DataFrame. If some files already exist in the directory, then "
            "depending on the file format you may be able to create a static "
            "DataFrame on that directory with 'SELECT * FROM <table>' and infer "
            "schema from it.");
    char *path = absolute(options.path);
    sl_code code = list_files(env->fs, path, &options, &files, err);
    if (code == SL_OK && user_schema != NULL)
        schema = all_nullable(user_schema, arena);
    else if (code == SL_OK)
        code = infer(env, list, &files, arena, &schema, err);
    list_free(&files);
    sl_free(path);
    if (code != SL_OK)
        return code;
    *ret = (sl_source_caps){ .can_batch = true,
                             .can_stream = true,
                             .replayable = true,
                             .available_now = true,
                             .schema = schema,
                             .schema_given = user_schema != NULL };
    return SL_OK;
}

/* ---- open, restore ---- */

static void json_close(sl_source *source)
{
    file_source *s = (file_source *)source;
    list_free(&s->pending);
    sl_hash_table_free(s->seen);
    sl_free(s->path);
    sl_arena_free(s->arena);
    sl_free(s);
}

static sl_code json_open(const sl_source_env *env, const sl_option_list *list,
                         const sl_schema *schema, bool streaming, sl_source **ret,
                         sl_error *err)
{
    file_source *s = (file_source *)sl_calloc(1, sizeof *s);
    (void)schema;
    s->source.class = &sl_json_source;
    s->env = *env;
    s->arena = sl_arena_new();
    s->streaming = streaming;
    s->log_offset = -1;
    s->listed_dir_mtime_ns = INT64_MIN;
    sl_code code = read_options(list, &s->options, err);
    if (code == SL_OK) {
        s->options.path = sl_arena_strdup(s->arena, s->options.path);
        if (s->options.glob_filter != NULL)
            s->options.glob_filter = sl_arena_strdup(s->arena, s->options.glob_filter);
        s->path = absolute(s->options.path);
        code = sl_hash_table_new(8, NULL, &s->seen, err);
    }
    if (code != SL_OK) {
        json_close(&s->source);
        return code;
    }
    *ret = &s->source;
    return SL_OK;
}

static const char *identity_of(const file_source *s, const char *path)
{
    const char *slash = strrchr(path, '/');
    return s->options.name_only && slash != NULL ? slash + 1 : path;
}

static bool is_seen(const file_source *s, const char *path)
{
    const char *id = identity_of(s, path);
    uint32_t offsets[2] = { 0, (uint32_t)strlen(id) }, entry;
    uint64_t hash = sl_hash64(id, offsets[1]);
    sl_key_batch key = { (const uint8_t *)id, offsets, &hash, 1 };
    sl_hash_table_get_many(s->seen, &key, &entry);
    return entry != SL_ENTRY_NONE;
}

static sl_code mark_seen(file_source *s, const char *path, sl_error *err)
{
    const char *id = identity_of(s, path);
    uint32_t offsets[2] = { 0, (uint32_t)strlen(id) }, entry;
    uint64_t hash = sl_hash64(id, offsets[1]);
    sl_key_batch key = { (const uint8_t *)id, offsets, &hash, 1 };
    return sl_hash_table_upsert_many(s->seen, &key, &entry, NULL, err);
}

static sl_code json_restore_seen(sl_source *source, const char *key, sl_span value,
                                 sl_error *err)
{
    (void)value;
    return mark_seen((file_source *)source, key, err);
}

static sl_code json_restore_offset(sl_source *source, sl_span offset, sl_error *err)
{
    file_source *s = (file_source *)source;
    sl_reader r = sl_reader_of(offset);
    uint8_t version = sl_read_u8(&r);
    int64_t k = sl_read_i64(&r);
    if (!sl_reader_done(&r) || version != OFFSET_VERSION || k < -1)
        return sl_fail(err, SL_ECORRUPT, "a file offset of %zu bytes does not decode",
                       offset.size_bytes);
    s->log_offset = k;
    return SL_OK;
}

/* ---- planning a batch ---- */

static bool may_have_changed(file_source *s)
{
    sl_file_info info;
    if (s->options.recursive || has_glob(s->path) ||
        sl_fs_stat(s->env.fs, s->path, &info, NULL) != SL_OK || !info.is_directory)
        return true;
    bool same = info.mtime_ns == s->listed_dir_mtime_ns;
    bool settled = s->env.wall_us(s->env.user) * 1000 - info.mtime_ns > SETTLED_NS;
    return !(same && settled);
}

/* New files behind what is pending; O(files in the directory). */
static sl_code refill(file_source *s, sl_error *err)
{
    sl_file_info dir = { .mtime_ns = INT64_MIN };
    file_list files = { 0 };
    if (s->pending_at < s->pending.count || s->frozen || !may_have_changed(s))
        return SL_OK;
    (void)!sl_fs_stat(s->env.fs, s->path, &dir, NULL);
    SL_TRY(list_files(s->env.fs, s->path, &s->options, &files, err));
    list_free(&s->pending);
    s->pending_at = 0;
    for (uint32_t i = 0; i < files.count; i++) {
        uint32_t at = s->options.latest_first ? files.count - 1 - i : i;
        if (!is_seen(s, files.items[at].path))
            list_add(&s->pending, files.items[at].path, &files.items[at].info);
    }
    list_free(&files);
    /* The listing is as of a moment not before `dir`: a later change has a later mtime,
     * or falls in the unsettled time and is looked for again. */
    s->listed_dir_mtime_ns = dir.mtime_ns;
    return SL_OK;
}

static sl_code json_freeze(sl_source *source, sl_error *err)
{
    file_source *s = (file_source *)source;
    SL_TRY(refill(s, err));
    s->frozen = true;
    return SL_OK;
}

static sl_span offset_bytes(int64_t k, sl_arena *arena)
{
    sl_bytes b = { 0 };
    sl_bytes_u8(&b, OFFSET_VERSION);
    sl_bytes_i64(&b, k);
    sl_span out = sl_span_of(sl_arena_memdup(arena, b.data, b.size_bytes), b.size_bytes);
    sl_bytes_deinit(&b);
    return out;
}

static const char *offset_json(int64_t k, sl_arena *arena)
{
    return k < 0 ? "null" : sl_arena_printf(arena, "{\"logOffset\":%lld}", (long long)k);
}

static uint32_t slices_of(const file_source *s, const found_file *f)
{
    int64_t n = (f->info.size_bytes + s->env.slice_bytes - 1) / s->env.slice_bytes;
    return n < 1 ? 1 : (uint32_t)n;
}

/* How many pending files this batch takes. */
static uint32_t take_count(const file_source *s, bool no_limit)
{
    uint32_t left = s->pending.count - s->pending_at;
    if (no_limit || !s->streaming)
        return left;
    if (s->options.files_max != 0)
        return (int64_t)left < s->options.files_max ? left
                                                    : (uint32_t)s->options.files_max;
    if (s->options.bytes_max == 0)
        return left;
    int64_t bytes = 0;
    for (uint32_t i = 0; i < left; i++) {
        bytes += s->pending.items[s->pending_at + i].info.size_bytes;
        if (bytes > s->options.bytes_max && i > 0)
            return i;
    }
    return left;
}

static void cut(const file_source *s, const found_file *f, sl_arena *arena,
                sl_source_batch *b)
{
    uint32_t n = slices_of(s, f);
    for (uint32_t i = 0; i < n; i++) {
        sl_bytes out = { 0 };
        sl_file_slice slice = {
            .path = f->path,
            .size_bytes = f->info.size_bytes,
            .mtime_ns = f->info.mtime_ns,
            .inode = f->info.inode,
            .begin = (int64_t)i * s->env.slice_bytes,
            .end =
                i + 1 == n ? f->info.size_bytes : (int64_t)(i + 1) * s->env.slice_bytes,
        };
        sl_file_slice__write(&slice, &out);
        b->slices[b->slice_count++] =
            sl_span_of(sl_arena_memdup(arena, out.data, out.size_bytes), out.size_bytes);
        sl_bytes_deinit(&out);
    }
}

static sl_span seen_value(const found_file *f, int64_t k, sl_arena *arena)
{
    sl_bytes out = { 0 };
    sl_bytes_i64(&out, f->info.mtime_ns);
    sl_bytes_i64(&out, k);
    sl_span span =
        sl_span_of(sl_arena_memdup(arena, out.data, out.size_bytes), out.size_bytes);
    sl_bytes_deinit(&out);
    return span;
}

static sl_code json_plan(sl_source *source, bool no_limit, sl_arena *arena,
                         sl_source_batch *ret, sl_error *err)
{
    file_source *s = (file_source *)source;
    SL_TRY(refill(s, err));
    uint32_t files = take_count(s, no_limit), slices = 0;
    sl_source_batch b = { .has_data = files > 0,
                          .start_json = offset_json(s->log_offset, arena) };
    for (uint32_t i = 0; i < files; i++)
        slices += slices_of(s, &s->pending.items[s->pending_at + i]);
    b.slices = SL_ARENA_ARRAY(arena, sl_span, slices + 1);
    b.seen = SL_ARENA_ARRAY(arena, sl_source_seen, files + 1);
    if (files > 0)
        s->log_offset++;
    for (uint32_t i = 0; i < files; i++) {
        const found_file *f = &s->pending.items[s->pending_at + i];
        cut(s, f, arena, &b);
        b.seen[b.seen_count++] =
            (sl_source_seen){ sl_arena_strdup(arena, identity_of(s, f->path)),
                              seen_value(f, s->log_offset, arena) };
        SL_TRY(mark_seen(s, f->path, err));
    }
    s->pending_at += files;
    b.end_offset = offset_bytes(s->log_offset, arena);
    b.end_json = offset_json(s->log_offset, arena);
    b.latest_json = b.end_json;
    *ret = b;
    return SL_OK;
}

static sl_code json_check(sl_source *source, const sl_span *slices, uint32_t slice_count,
                          sl_error *err)
{
    file_source *s = (file_source *)source;
    sl_arena *arena = sl_arena_new();
    sl_code code = SL_OK;
    for (uint32_t i = 0; i < slice_count && code == SL_OK; i++) {
        sl_file_slice slice;
        sl_file_info info;
        sl_error why = { 0 };
        code = sl_file_slice__read(slices[i], arena, &slice, err);
        if (code != SL_OK)
            break;
        if (sl_fs_stat(s->env.fs, slice.path, &info, &why) == SL_ENOTFOUND)
            code = sl_fail(
                err, SL_ESOURCE,
                "file %s was planned and is gone: put it back, or start with a new "
                "checkpoint",
                slice.path);
        else if (why.code != SL_OK && why.code == SL_EIO)
            code = sl_fail(err, SL_EIO, "%s", why.text);
        else
            code = sl_file_slice__check(&slice, &info, err);
    }
    sl_arena_free(arena);
    return code;
}

static void json_description(const sl_source *source, sl_bytes *out)
{
    sl_bytes_printf(out, "FileStreamSource[file:%s]",
                    ((const file_source *)source)->path);
}

const sl_source_class sl_json_source = {
    .name = "json",
    .describe = json_describe,
    .open = json_open,
    .restore_seen = json_restore_seen,
    .restore_offset = json_restore_offset,
    .freeze = json_freeze,
    .plan = json_plan,
    .check = json_check,
    .description = json_description,
    .close = json_close,
};
