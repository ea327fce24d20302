/* The planning half of the JSON file source (spark.md 4.1).
 *
 * Unread files wait in `pending`, oldest first; a listing happens when it is empty and
 * the directory may have changed.  `seen` holds every path planned and not yet behind
 * the horizon: it is journalled with the offsets, so that no file is read twice.
 *
 * Offset: {"logOffset": k}, k counts batches with files.  Its bytes carry the horizon, so
 * that it does not go back when maxFileAge is made longer: what it let go of was read.
 *
 *   version u8 = 2 | k i64 | horizon_us i64 */
#include <string.h>

#include "base/alloc.h"
#include "connectors/connectors_private.h"
#include "connectors/file/file_private.h"
#include "connectors/file/file_slice_private.h"
#include "formats/json_infer.h"
#include "formats/json_options.h"

#define OFFSET_VERSION 2
#define SETTLED_NS                                                                       \
    INT64_C(2000000000) /* a directory changed this long ago shows every change */

typedef struct file_source {
    sl_source source;
    sl_source_env env;
    sl_arena *arena;
    sl_file_options options;
    sl_file_seen seen;
    sl_file_list pending;
    uint32_t pending_at; /* those before it are planned */
    int64_t log_offset;
    bool frozen, streaming;
    int64_t listed_dir_mtime_ns; /* INT64_MIN: list again */
} file_source;

/* ---- describe ---- */

static sl_code infer(const sl_source_env *env, const sl_option_list *list,
                     const sl_file_list *files, sl_arena *arena, const sl_schema **ret,
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

static sl_code describe_schema(const sl_source_env *env, const sl_option_list *list,
                               const sl_file_options *options,
                               const sl_schema *user_schema, bool streaming,
                               sl_arena *arena, const sl_schema **ret, sl_error *err)
{
    sl_file_list files = { 0 };
    SL_TRY(sl_file__path_check(env->fs, options->path, streaming, err));
    if (user_schema != NULL) {
        *ret = all_nullable(user_schema, arena);
        return SL_OK;
    }
    sl_code code = sl_file__list(env->fs, options, &files, err);
    if (code == SL_OK)
        code = infer(env, list, &files, arena, ret, err);
    sl_file__list_free(&files);
    return code;
}

static sl_code json_describe(const sl_source_env *env, const sl_option_list *list,
                             const sl_schema *user_schema, bool streaming,
                             sl_arena *arena, sl_source_caps *ret, sl_error *err)
{
    sl_file_options options;
    const sl_schema *schema = NULL;
    SL_TRY(sl_file__options_read(list, streaming, env->zone, arena, &options, err));
    if (streaming && user_schema == NULL)
        return sl_fail_as(
            err, SL_EANALYSIS, "_LEGACY_ERROR_TEMP_2048", "42000",
            "Schema must be specified when creating a streaming source "
            "DataFrame. If some files already exist in the directory, then "
            "depending on the file format you may be able to create a static "
            "DataFrame on that directory with 'SELECT * FROM <table>' and infer "
            "schema from it.");
    SL_TRY(describe_schema(env, list, &options, user_schema, streaming, arena, &schema,
                           err));
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
    sl_file__list_free(&s->pending);
    sl_file__seen_deinit(&s->seen);
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
    sl_code code =
        sl_file__options_read(list, streaming, env->zone, s->arena, &s->options, err);
    if (code == SL_OK)
        code = sl_file__seen_init(&s->seen, &s->options, err);
    if (code != SL_OK) {
        json_close(&s->source);
        return code;
    }
    *ret = &s->source;
    return SL_OK;
}

static sl_code json_restore_seen(sl_source *source, const char *path, int64_t mtime_us,
                                 sl_span value, sl_error *err)
{
    (void)value;
    return sl_file__seen_add(&((file_source *)source)->seen, path, mtime_us, err);
}

static sl_code json_restore_offset(sl_source *source, sl_span offset, sl_error *err)
{
    file_source *s = (file_source *)source;
    sl_reader r = sl_reader_of(offset);
    uint8_t version = sl_read_u8(&r);
    int64_t k = sl_read_i64(&r), horizon_us = sl_read_i64(&r);
    if (!sl_reader_done(&r) || version != OFFSET_VERSION || k < -1)
        return sl_fail(err, SL_ECORRUPT, "a file offset of %zu bytes does not decode",
                       offset.size_bytes);
    s->log_offset = k;
    s->seen.horizon_us = horizon_us;
    sl_file__seen_purge(&s->seen);
    return SL_OK;
}

/* ---- planning a batch ---- */

static bool may_have_changed(file_source *s)
{
    sl_file_info info;
    if (s->options.recursive || sl_file__is_glob(s->options.path) ||
        sl_fs_stat(s->env.fs, s->options.path, &info, NULL) != SL_OK ||
        !info.is_directory)
        return true;
    bool same = info.mtime_ns == s->listed_dir_mtime_ns;
    bool settled = s->env.wall_us(s->env.user) * 1000 - info.mtime_ns > SETTLED_NS;
    return !(same && settled);
}

static void forget_pending(file_source *s)
{
    sl_file__list_free(&s->pending);
    s->pending_at = 0;
}

/* New files behind what is pending; O(files in the directory).  Newest first looks each
 * time: what arrived since goes before what waits. */
static sl_code refill(file_source *s, sl_error *err)
{
    sl_file_info dir = { .mtime_ns = INT64_MIN };
    sl_file_list files = { 0 };
    bool waiting = s->pending_at < s->pending.count && !s->options.latest_first;
    if (waiting || s->frozen || !may_have_changed(s))
        return SL_OK;
    (void)!sl_fs_stat(s->env.fs, s->options.path, &dir, NULL);
    sl_code code = sl_file__list(s->env.fs, &s->options, &files, err);
    if (code != SL_OK) {
        sl_file__list_free(&files);
        return code;
    }
    forget_pending(s);
    for (uint32_t i = 0; i < files.count; i++) {
        const sl_found_file *f =
            &files.items[s->options.latest_first ? files.count - 1 - i : i];
        if (sl_file__seen_is_new(&s->seen, f->path, f->info.mtime_ns / 1000))
            sl_file__list_add(&s->pending, f->path, &f->info);
    }
    sl_file__list_free(&files);
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

static sl_span offset_bytes(const file_source *s, sl_arena *arena)
{
    sl_bytes b = { 0 };
    sl_bytes_u8(&b, OFFSET_VERSION);
    sl_bytes_i64(&b, s->log_offset);
    sl_bytes_i64(&b, s->seen.horizon_us);
    sl_span out = sl_span_of(sl_arena_memdup(arena, b.data, b.size_bytes), b.size_bytes);
    sl_bytes_deinit(&b);
    return out;
}

static const char *offset_json(int64_t k, sl_arena *arena)
{
    return k < 0 ? "null" : sl_arena_printf(arena, "{\"logOffset\":%lld}", (long long)k);
}

static uint32_t slices_of(const file_source *s, const sl_found_file *f)
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

static void cut(const file_source *s, const sl_found_file *f, sl_arena *arena,
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

static sl_code take_file(file_source *s, const sl_found_file *f, sl_arena *arena,
                         sl_source_batch *b, sl_error *err)
{
    int64_t mtime_us = f->info.mtime_ns / 1000;
    cut(s, f, arena, b);
    b->seen[b->seen_count++] = (sl_source_seen){ .key = sl_arena_strdup(arena, f->path),
                                                 .mtime_us = mtime_us,
                                                 .size_bytes = f->info.size_bytes };
    return sl_file__seen_add(&s->seen, f->path, mtime_us, err);
}

/* What waits beyond maxCachedFiles, or is too little for a full batch, is found by the
 * next listing. */
static void limit_pending(file_source *s)
{
    int64_t left = s->pending.count - s->pending_at;
    if (s->frozen || left == 0)
        return;
    bool too_few = s->options.files_max != 0 &&
                   (double)left < s->options.discard_ratio * (double)s->options.files_max;
    if (!too_few && left <= s->options.cached_max)
        return;
    if (too_few || s->options.cached_max == 0)
        forget_pending(s);
    else
        sl_file__list_truncate(&s->pending,
                               s->pending_at + (uint32_t)s->options.cached_max);
    s->listed_dir_mtime_ns = INT64_MIN;
}

static sl_code json_plan(sl_source *source, bool no_limit, sl_arena *arena,
                         sl_source_batch *ret, sl_error *err)
{
    file_source *s = (file_source *)source;
    SL_TRY(refill(s, err));
    uint32_t files = take_count(s, no_limit), slices = 0;
    sl_source_batch b = { .start_json = offset_json(s->log_offset, arena) };
    for (uint32_t i = 0; i < files; i++)
        slices += slices_of(s, &s->pending.items[s->pending_at + i]);
    b.slices = SL_ARENA_ARRAY(arena, sl_span, slices + 1);
    b.seen = SL_ARENA_ARRAY(arena, sl_source_seen, files + 1);
    for (uint32_t i = 0; i < files; i++)
        SL_TRY(take_file(s, &s->pending.items[s->pending_at + i], arena, &b, err));
    b.has_data = b.seen_count > 0;
    if (b.has_data)
        s->log_offset++;
    s->pending_at += files;
    sl_file__seen_purge(&s->seen);
    limit_pending(s);
    b.end_offset = offset_bytes(s, arena);
    b.end_json = offset_json(s->log_offset, arena);
    b.latest_json = b.end_json;
    *ret = b;
    return SL_OK;
}

static int64_t json_seen_horizon(const sl_source *source)
{
    return ((const file_source *)source)->seen.swept_us;
}

static sl_code fail_gone(const char *path, sl_error *err)
{
    return sl_fail(err, SL_ESOURCE,
                   "file %s was planned and is gone: put it back, or start with a new "
                   "checkpoint",
                   path);
}

static sl_code check_slice(const file_source *s, sl_span bytes, sl_arena *arena,
                           sl_error *err)
{
    sl_file_slice slice;
    sl_file_info info;
    SL_TRY(sl_file_slice__read(bytes, arena, &slice, err));
    sl_code code = sl_fs_stat(s->env.fs, slice.path, &info, err);
    if (code == SL_ENOTFOUND)
        return fail_gone(slice.path, err);
    SL_TRY(code);
    return sl_file_slice__check(&slice, &info, err);
}

static sl_code json_check(sl_source *source, const sl_span *slices, uint32_t slice_count,
                          sl_error *err)
{
    file_source *s = (file_source *)source;
    sl_arena *arena = sl_arena_new();
    sl_code code = SL_OK;
    for (uint32_t i = 0; i < slice_count && code == SL_OK; i++)
        code = check_slice(s, slices[i], arena, err);
    sl_arena_free(arena);
    return code;
}

/* ---- cleanSource ---- */

/* <archive>/<whole path of the file>, as Spark has it. */
static sl_code archive(const file_source *s, const char *path, sl_error *err)
{
    sl_bytes to = { 0 };
    sl_bytes_printf(&to, "%s%s", s->options.archive_dir, path);
    size_t whole = to.size_bytes;
    while (to.data[whole - 1] != '/')
        whole--;
    to.data[whole - 1] = '\0';
    sl_code code = sl_fs_make_dirs(s->env.fs, sl_bytes_cstr(&to), err);
    to.data[whole - 1] = '/';
    if (code == SL_OK)
        code = sl_fs_rename_noreplace(s->env.fs, path, sl_bytes_cstr(&to), err);
    sl_bytes_deinit(&to);
    return code;
}

/* A file cleaned before is no failure; one that changed since it was read is left. */
static sl_code clean(const file_source *s, sl_span bytes, sl_arena *arena, sl_error *err)
{
    sl_file_slice slice;
    sl_file_info info;
    SL_TRY(sl_file_slice__read(bytes, arena, &slice, err));
    if (slice.begin != 0)
        return SL_OK; /* once a file */
    sl_code code = sl_fs_stat(s->env.fs, slice.path, &info, err);
    if (code == SL_ENOTFOUND)
        return SL_OK;
    SL_TRY(code);
    SL_TRY(sl_file_slice__check(&slice, &info, err));
    if (s->options.clean == SL_FILE_CLEAN_ARCHIVE)
        return archive(s, slice.path, err);
    return sl_fs_remove(s->env.fs, slice.path, err);
}

/* All files are tried; the first failure is told. */
static sl_code json_committed(sl_source *source, const sl_span *slices,
                              uint32_t slice_count, sl_error *err)
{
    file_source *s = (file_source *)source;
    sl_code code = SL_OK;
    if (s->options.clean == SL_FILE_CLEAN_OFF)
        return SL_OK;
    sl_arena *arena = sl_arena_new();
    for (uint32_t i = 0; i < slice_count; i++) {
        sl_error why = { 0 };
        sl_code one = clean(s, slices[i], arena, &why);
        if (code == SL_OK && one != SL_OK && err != NULL)
            *err = why;
        SL_KEEP_FIRST(code, one);
    }
    sl_arena_free(arena);
    return code;
}

static void json_description(const sl_source *source, sl_bytes *out)
{
    sl_bytes_printf(out, "FileStreamSource[file:%s]",
                    ((const file_source *)source)->options.path);
}

const sl_source_class sl_json_source = {
    .name = "json",
    .option_names = sl_file__option_names,
    .describe = json_describe,
    .open = json_open,
    .restore_seen = json_restore_seen,
    .restore_offset = json_restore_offset,
    .freeze = json_freeze,
    .plan = json_plan,
    .seen_horizon = json_seen_horizon,
    .check = json_check,
    .committed = json_committed,
    .description = json_description,
    .close = json_close,
};
