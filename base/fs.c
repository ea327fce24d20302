/* Dispatch to a file system's class, and helpers that need only its calls. */

#include "base/fs.h"

#include <string.h>

#include "base/alloc.h"
#include "base/fs_private.h"

enum { TREE_DEPTH_MAX = 256, TEMPORARY_NAMES_MAX = 1000 };

sl_code sl_fs_open(sl_fs *fs, const char *path, sl_open_mode mode, sl_file **ret,
                   sl_error *err)
{
    return fs->class->open(fs, path, mode, ret, err);
}

sl_code sl_file_read(sl_file *f, int64_t offset, void *data, size_t size,
                     size_t *ret_read, sl_error *err)
{
    return f->class->read(f, offset, data, size, ret_read, err);
}

sl_code sl_file_append(sl_file *f, const void *data, size_t size, sl_error *err)
{
    return f->class->append(f, data, size, err);
}

sl_code sl_file_write_at(sl_file *f, int64_t offset, const void *data, size_t size,
                         sl_error *err)
{
    return f->class->write_at(f, offset, data, size, err);
}

sl_code sl_file_allocate(sl_file *f, int64_t size_bytes, sl_error *err)
{
    return f->class->allocate(f, size_bytes, err);
}

sl_code sl_file_truncate(sl_file *f, int64_t size_bytes, sl_error *err)
{
    return f->class->truncate(f, size_bytes, err);
}

sl_code sl_file_sync(sl_file *f, sl_error *err)
{
    return f->class->sync(f, err);
}

sl_code sl_file_info_get(sl_file *f, sl_file_info *ret, sl_error *err)
{
    return f->class->info(f, ret, err);
}

void sl_file_close(sl_file *f)
{
    if (f)
        f->class->close(f);
}

sl_code sl_fs_stat(sl_fs *fs, const char *path, sl_file_info *ret, sl_error *err)
{
    return fs->class->stat(fs, path, ret, err);
}

bool sl_fs_exists(sl_fs *fs, const char *path)
{
    sl_file_info info;
    return fs->class->stat(fs, path, &info, NULL) == SL_OK;
}

sl_code sl_fs_rename_noreplace(sl_fs *fs, const char *from, const char *to, sl_error *err)
{
    return fs->class->rename_noreplace(fs, from, to, err);
}

sl_code sl_fs_link(sl_fs *fs, const char *from, const char *to, sl_error *err)
{
    return fs->class->link(fs, from, to, err);
}

sl_code sl_fs_remove(sl_fs *fs, const char *path, sl_error *err)
{
    return fs->class->remove(fs, path, err);
}

sl_code sl_fs_list(sl_fs *fs, const char *path, sl_dir_entry **ret_entries,
                   size_t *ret_count, sl_error *err)
{
    return fs->class->list(fs, path, ret_entries, ret_count, err);
}

void sl_fs_entries_free(sl_dir_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sl_free(entries[i].name);
    sl_free(entries);
}

sl_code sl_fs_sync_dir(sl_fs *fs, const char *path, sl_error *err)
{
    return fs->class->sync_dir(fs, path, err);
}

sl_code sl_fs_lock(sl_fs *fs, const char *path, const char *holder, sl_file **ret,
                   sl_error *err)
{
    return fs->class->lock(fs, path, holder, ret, err);
}

/* "a/b" -> "a", "/a" -> "/", "a" -> ".".  The caller frees it. */
static char *parent_of(const char *path)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    while (length > 0 && path[length - 1] != '/')
        length--;
    while (length > 1 && path[length - 1] == '/')
        length--;
    if (length == 0)
        return sl_strdup(".");
    char *parent = sl_alloc(length + 1);
    memcpy(parent, path, length);
    parent[length] = '\0';
    return parent;
}

static sl_code make_dirs(sl_fs *fs, const char *path, bool is_durable, int depth,
                         sl_error *err)
{
    sl_file_info info;
    sl_code code = sl_fs_stat(fs, path, &info, err);
    if (code == SL_OK)
        return info.is_directory
                   ? SL_OK
                   : sl_fail(err, SL_EEXISTS, "%s is a file, not a directory", path);
    if (code != SL_ENOTFOUND)
        return code;
    if (depth == TREE_DEPTH_MAX)
        return sl_fail(err, SL_ELIMIT, "%s is nested too deep", path);

    char *parent = parent_of(path);
    code = strcmp(parent, path) == 0 ? SL_OK
                                     : make_dirs(fs, parent, is_durable, depth + 1, err);
    if (code == SL_OK) {
        code = fs->class->make_dir(fs, path, err);
        if (code == SL_EEXISTS) /* somebody else was faster */
            code = SL_OK;
    }
    if (code == SL_OK && is_durable)
        code = sl_fs_sync_dir(fs, parent, err);
    sl_free(parent);
    return code;
}

sl_code sl_fs_make_dirs(sl_fs *fs, const char *path, sl_error *err)
{
    return make_dirs(fs, path, true, 0, err);
}

sl_code sl_fs_make_scratch_dirs(sl_fs *fs, const char *path, sl_error *err)
{
    return make_dirs(fs, path, false, 0, err);
}

static sl_code remove_tree(sl_fs *fs, const char *path, int depth, sl_error *err)
{
    if (depth == TREE_DEPTH_MAX)
        return sl_fail(err, SL_ELIMIT, "%s is nested too deep", path);
    sl_dir_entry *entries = NULL;
    size_t count = 0;
    SL_TRY(sl_fs_list(fs, path, &entries, &count, err));
    sl_code code = SL_OK;
    sl_bytes child = { 0 };
    for (size_t i = 0; i < count && code == SL_OK; i++) {
        sl_bytes_clear(&child);
        sl_bytes_printf(&child, "%s/%s", path, entries[i].name);
        code = entries[i].info.is_directory
                   ? remove_tree(fs, sl_bytes_cstr(&child), depth + 1, err)
                   : sl_fs_remove(fs, sl_bytes_cstr(&child), err);
        if (code == SL_ENOTFOUND)
            code = SL_OK;
    }
    sl_bytes_deinit(&child);
    sl_fs_entries_free(entries, count);
    return code == SL_OK ? fs->class->remove_dir(fs, path, err) : code;
}

sl_code sl_fs_remove_tree(sl_fs *fs, const char *path, sl_error *err)
{
    sl_file_info info;
    sl_code code = sl_fs_stat(fs, path, &info, err);
    if (code == SL_OK)
        code = info.is_directory ? remove_tree(fs, path, 0, err)
                                 : sl_fs_remove(fs, path, err);
    return code == SL_ENOTFOUND ? SL_OK : code;
}

/* Read on after the size seen at first: the file may be growing. */
static sl_code read_whole(sl_file *f, const char *path, size_t size_max, sl_bytes *out,
                          sl_error *err)
{
    sl_file_info info;
    SL_TRY(sl_file_info_get(f, &info, err));
    for (size_t want = (size_t)info.size_bytes + 1;; want = 64 * (size_t)1024) {
        if (out->size_bytes > size_max || (size_t)info.size_bytes > size_max)
            return sl_fail(err, SL_ELIMIT, "%s is larger than %zu bytes", path, size_max);
        size_t got = 0;
        sl_bytes_reserve(out, want);
        SL_TRY(sl_file_read(f, (int64_t)out->size_bytes, out->data + out->size_bytes,
                            want, &got, err));
        out->size_bytes += got;
        out->data[out->size_bytes] = '\0';
        if (got < want && out->size_bytes <= size_max)
            return SL_OK;
    }
}

sl_code sl_fs_read_all(sl_fs *fs, const char *path, size_t size_max, sl_bytes *ret,
                       sl_error *err)
{
    sl_file *f = NULL;
    SL_TRY(sl_fs_open(fs, path, SL_OPEN_READ, &f, err));
    sl_bytes content = { 0 };
    sl_code code = read_whole(f, path, size_max, &content, err);
    sl_file_close(f);
    if (code != SL_OK) {
        sl_bytes_deinit(&content);
        return code;
    }
    sl_bytes_deinit(ret);
    *ret = content;
    return SL_OK;
}

/* A name beside `path` that nobody had: two writers of one path never share a file. */
static sl_code open_temporary(sl_fs *fs, const char *path, sl_bytes *ret_name,
                              sl_file **ret, sl_error *err)
{
    for (int i = 0; i < TEMPORARY_NAMES_MAX; i++) {
        sl_bytes_clear(ret_name);
        sl_bytes_printf(ret_name, "%s.tmp-%d", path, i);
        sl_code code = sl_fs_open(fs, sl_bytes_cstr(ret_name), SL_OPEN_CREATE, ret, err);
        if (code != SL_EEXISTS)
            return code;
    }
    return sl_fail(err, SL_EEXISTS, "%s.tmp-0 to -%d all exist; remove them", path,
                   TEMPORARY_NAMES_MAX - 1);
}

sl_code sl_fs_write_new(sl_fs *fs, const char *path, sl_span content, sl_error *err)
{
    sl_bytes temporary = { 0 };
    sl_file *f = NULL;
    sl_code code = open_temporary(fs, path, &temporary, &f, err);
    if (code != SL_OK) {
        sl_bytes_deinit(&temporary);
        return code;
    }
    code = sl_file_append(f, content.data, content.size_bytes, err);
    if (code == SL_OK)
        code = sl_file_sync(f, err);
    sl_file_close(f);
    if (code == SL_OK)
        code = sl_fs_rename_noreplace(fs, sl_bytes_cstr(&temporary), path, err);
    if (code == SL_OK) {
        char *parent = parent_of(path);
        code = sl_fs_sync_dir(fs, parent, err);
        sl_free(parent);
    } else {
        /* Best effort: what stays behind is a name nobody reads. */
        (void)fs->class->remove(fs, sl_bytes_cstr(&temporary), NULL);
    }
    sl_bytes_deinit(&temporary);
    return code;
}

sl_code sl_fs_sync_parent(sl_fs *fs, const char *path, sl_error *err)
{
    sl_bytes parent = { 0 };
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n == 0)
        sl_bytes_char(&parent, '.');
    else
        sl_bytes_append(&parent, path, n);
    sl_code code = sl_fs_sync_dir(fs, sl_bytes_cstr(&parent), err);
    sl_bytes_deinit(&parent);
    return code;
}
