/* Listing the files of a path: a directory, one file, or a glob over any of its parts. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "connectors/file/file_private.h"

#define DEPTH_MAX 64
#define BRACE_PATTERNS_MAX 1024

void sl_file__list_add(sl_file_list *l, const char *path, const sl_file_info *info)
{
    if (l->count == l->capacity) {
        l->capacity = l->capacity == 0 ? 64 : l->capacity * 2;
        l->items = (sl_found_file *)sl_realloc(l->items, l->capacity * sizeof *l->items);
    }
    l->items[l->count++] = (sl_found_file){ sl_strdup(path), *info };
}

void sl_file__list_truncate(sl_file_list *l, uint32_t count)
{
    while (l->count > count)
        sl_free(l->items[--l->count].path);
}

void sl_file__list_free(sl_file_list *l)
{
    sl_file__list_truncate(l, 0);
    sl_free(l->items);
    *l = (sl_file_list){ 0 };
}

/* ---- globs ---- */

bool sl_file__is_glob(const char *path)
{
    return strpbrk(path, "*?[{") != NULL;
}

/* The brace that closes pattern[open], and whether a comma at its level comes first. */
static const char *closing_brace(const char *open)
{
    int depth = 0;
    for (const char *p = open; *p != '\0'; p++) {
        if (*p == '\\' && p[1] != '\0')
            p++;
        else if (*p == '{')
            depth++;
        else if (*p == '}' && --depth == 0)
            return p;
    }
    return NULL;
}

/* {a,b}: try each alternative in its place. `left` bounds the work of nested braces. */
static bool matches(const char *pattern, const char *name, uint32_t *left)
{
    const char *open = strchr(pattern, '{');
    const char *close = open != NULL ? closing_brace(open) : NULL;
    if (*left == 0)
        return false;
    --*left;
    if (close == NULL)
        return fnmatch(pattern, name, 0) == 0;
    const char *from = open + 1;
    int depth = 0;
    for (const char *p = from; p <= close; p++) {
        depth += *p == '{' ? 1 : *p == '}' && p < close ? -1 : 0;
        if (p != close && (*p != ',' || depth != 0))
            continue;
        sl_bytes one = { 0 };
        sl_bytes_append(&one, pattern, (size_t)(open - pattern));
        sl_bytes_append(&one, from, (size_t)(p - from));
        sl_bytes_text(&one, close + 1);
        bool found = matches(sl_bytes_cstr(&one), name, left);
        sl_bytes_deinit(&one);
        if (found)
            return true;
        from = p + 1;
    }
    return false;
}

bool sl_file__glob_matches(const char *pattern, const char *name)
{
    uint32_t left = BRACE_PATTERNS_MAX;
    return matches(pattern, name, &left);
}

/* ---- directories ---- */

struct listing {
    sl_fs *fs;
    const sl_file_options *options;
    sl_file_list *ret;
};

static bool is_hidden(const char *name)
{
    return *name == '_' || *name == '.';
}

static void take(const struct listing *l, const char *path, const sl_file_info *info)
{
    const sl_file_options *o = l->options;
    const char *slash = strrchr(path, '/');
    int64_t mtime_us = info->mtime_ns / 1000;
    if (o->glob_filter != NULL &&
        !sl_file__glob_matches(o->glob_filter, slash != NULL ? slash + 1 : path))
        return;
    if (mtime_us > o->modified_after_us && mtime_us < o->modified_before_us)
        sl_file__list_add(l->ret, path, info);
}

static sl_code list_dir(const struct listing *l, const char *dir, uint32_t depth,
                        sl_error *err);

static sl_code take_dir(const struct listing *l, const char *path, const char *name,
                        uint32_t depth, sl_error *err)
{
    if (!l->options->recursive && strchr(name, '=') != NULL)
        return sl_fail(err, SL_EUNSUPPORTED,
                       "%s looks like a partition directory, which are not read as "
                       "columns: set recursiveFileLookup to true to read its files "
                       "without them, or name the files with a glob",
                       path);
    if (!l->options->recursive)
        return SL_OK;
    if (depth >= DEPTH_MAX)
        return sl_fail(err, SL_ELIMIT, "%s is nested more than %d directories deep", path,
                       DEPTH_MAX);
    sl_code code = list_dir(l, path, depth + 1, err);
    return code == SL_ENOTFOUND ? SL_OK : code; /* removed while we looked */
}

static sl_code list_dir(const struct listing *l, const char *dir, uint32_t depth,
                        sl_error *err)
{
    sl_dir_entry *entries;
    size_t count;
    sl_bytes path = { 0 };
    SL_TRY(sl_fs_list(l->fs, dir, &entries, &count, err));
    sl_code code = SL_OK;
    for (size_t i = 0; i < count && code == SL_OK; i++) {
        if (is_hidden(entries[i].name))
            continue;
        sl_bytes_clear(&path);
        sl_bytes_printf(&path, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir,
                        entries[i].name);
        if (entries[i].info.is_directory)
            code = take_dir(l, sl_bytes_cstr(&path), entries[i].name, depth, err);
        else
            take(l, sl_bytes_cstr(&path), &entries[i].info);
    }
    sl_fs_entries_free(entries, count);
    sl_bytes_deinit(&path);
    return code;
}

/* A path without globs. */
static sl_code list_path(const struct listing *l, const char *path, sl_error *err)
{
    sl_file_info info;
    SL_TRY(sl_fs_stat(l->fs, path, &info, err));
    if (info.is_directory)
        return list_dir(l, path, 0, err);
    take(l, path, &info);
    return SL_OK;
}

/* ---- a glob, part by part ---- */

static sl_code walk(const struct listing *l, const char *prefix, const char *rest,
                    sl_error *err);

/* prefix/<each name that matches the part>, then the rest. */
static sl_code walk_matches(const struct listing *l, const char *prefix, const char *part,
                            const char *rest, sl_error *err)
{
    sl_dir_entry *entries;
    size_t count;
    sl_bytes path = { 0 };
    sl_code code =
        sl_fs_list(l->fs, *prefix == '\0' ? "/" : prefix, &entries, &count, err);
    if (code == SL_ENOTFOUND)
        return SL_OK;
    SL_TRY(code);
    for (size_t i = 0; i < count && code == SL_OK; i++) {
        if (is_hidden(entries[i].name) || !sl_file__glob_matches(part, entries[i].name) ||
            (*rest != '\0' && !entries[i].info.is_directory))
            continue;
        sl_bytes_clear(&path);
        sl_bytes_printf(&path, "%s/%s", prefix, entries[i].name);
        code = walk(l, sl_bytes_cstr(&path), rest, err);
    }
    sl_fs_entries_free(entries, count);
    sl_bytes_deinit(&path);
    return code;
}

static sl_code walk(const struct listing *l, const char *prefix, const char *rest,
                    sl_error *err)
{
    while (*rest == '/')
        rest++;
    if (*rest == '\0') {
        sl_code code = list_path(l, *prefix == '\0' ? "/" : prefix, err);
        return code == SL_ENOTFOUND ? SL_OK : code;
    }
    size_t n = strcspn(rest, "/");
    sl_bytes part = { 0 };
    sl_bytes_append(&part, rest, n);
    sl_code code;
    if (sl_file__is_glob(sl_bytes_cstr(&part))) {
        code = walk_matches(l, prefix, sl_bytes_cstr(&part), rest + n, err);
    } else {
        sl_bytes path = { 0 };
        sl_bytes_printf(&path, "%s/%s", prefix, sl_bytes_cstr(&part));
        code = walk(l, sl_bytes_cstr(&path), rest + n, err);
        sl_bytes_deinit(&path);
    }
    sl_bytes_deinit(&part);
    return code;
}

/* ---- the whole ---- */

static sl_code fail_path(const char *path, sl_error *err)
{
    return sl_fail_as(err, SL_EANALYSIS, "PATH_NOT_FOUND", "42K03",
                      "Path does not exist: file:%s.", path);
}

sl_code sl_file__path_check(sl_fs *fs, const char *path, bool streaming, sl_error *err)
{
    sl_file_info info;
    if (!sl_file__is_glob(path)) {
        sl_code code = sl_fs_stat(fs, path, &info, err);
        return code == SL_ENOTFOUND ? fail_path(path, err) : code;
    }
    if (streaming)
        return SL_OK;
    sl_file_list files = { 0 };
    sl_file_options all = { .path = path,
                            .modified_after_us = INT64_MIN,
                            .modified_before_us = INT64_MAX };
    sl_code code = sl_file__list(fs, &all, &files, err);
    if (code == SL_OK && files.count == 0)
        code = fail_path(path, err);
    sl_file__list_free(&files);
    return code;
}

/* Spark's order: by time, ties by path. */
static int compare_files(const void *a, const void *b)
{
    const sl_found_file *x = (const sl_found_file *)a, *y = (const sl_found_file *)b;
    if (x->info.mtime_ns != y->info.mtime_ns)
        return x->info.mtime_ns < y->info.mtime_ns ? -1 : 1;
    return strcmp(x->path, y->path);
}

sl_code sl_file__list(sl_fs *fs, const sl_file_options *options, sl_file_list *ret,
                      sl_error *err)
{
    struct listing l = { fs, options, ret };
    sl_code code;
    if (sl_file__is_glob(options->path)) {
        code = walk(&l, "", options->path, err);
    } else {
        code = list_path(&l, options->path, err);
        if (code == SL_ENOTFOUND)
            code = fail_path(options->path, err);
    }
    if (code == SL_OK && ret->count != 0)
        qsort(ret->items, ret->count, sizeof *ret->items, compare_files);
    return code;
}
