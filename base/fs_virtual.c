/* The calls of the virtual file system; the tree they work on is fs_virtual_tree.c.
 * The fault hook runs without the lock, so it may itself crash or look at the tree. */

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/fs_virtual_private.h"

enum { PATH_PARTS_MAX = 256, NAME_BYTES_MAX = 255 };
enum { FILE_BYTES_MAX = 1 << 30 };

struct vfile {
    sl_file base;
    sl_fs_virtual *fs;
    vnode *node; /* holds a reference */
    uint64_t life;
    uint32_t machine;
    bool is_lost;
    vfile *before, *after; /* of the open files */
    bool writable;
    bool sync_failed;
    int64_t end; /* where append writes */
    char *path;
};

static vfile *vfile_of(sl_file *f)
{
    return (vfile *)(void *)f;
}

static sl_fs_virtual *virtual_of(sl_fs *fs)
{
    return (sl_fs_virtual *)(void *)fs;
}

static sl_code ask_faults(sl_fs_virtual *v, const char *operation, const char *path,
                          sl_error *err)
{
    pthread_mutex_lock(&v->lock);
    sl_fs_faults faults = v->faults;
    pthread_mutex_unlock(&v->lock);
    return faults.before ? faults.before(faults.user, operation, path, err) : SL_OK;
}

/* ---- paths ---- */

typedef struct place {
    vnode *dir;                    /* the directory the name is in; NULL for the root */
    char name[NAME_BYTES_MAX + 1]; /* the last part */
    vnode *node;                   /* what is there; NULL: nothing */
} place;

/* Split into parts, with "." and ".." resolved by text (there are no symbolic links). */
static int split_path(const char *path, sl_span parts[PATH_PARTS_MAX], int *ret_count)
{
    int count = 0;
    while (*path) {
        size_t length = strcspn(path, "/");
        if (length > NAME_BYTES_MAX || count == PATH_PARTS_MAX)
            return ENAMETOOLONG;
        if (length == 2 && memcmp(path, "..", 2) == 0)
            count -= count > 0;
        else if (length > 0 && !(length == 1 && path[0] == '.'))
            parts[count++] = sl_span_of(path, length);
        path += length + (path[length] == '/');
    }
    *ret_count = count;
    return 0;
}

/* errno, or 0 with *ret filled (its node may still be NULL). */
static int find_place(sl_fs_virtual *v, const char *path, place *ret)
{
    sl_span parts[PATH_PARTS_MAX];
    int count = 0;
    int reason = split_path(path, parts, &count);
    if (reason != 0)
        return reason;
    *ret = (place){ .node = v->root };
    for (int i = 0; i < count; i++) {
        if (!ret->node)
            return ENOENT;
        if (!ret->node->is_directory)
            return ENOTDIR;
        ret->dir = ret->node;
        memcpy(ret->name, parts[i].data, parts[i].size_bytes);
        ret->name[parts[i].size_bytes] = '\0';
        ret->node = sl_vnode__child(ret->dir, ret->name);
    }
    return 0;
}

static int find_node(sl_fs_virtual *v, const char *path, vnode **ret)
{
    place p;
    int reason = find_place(v, path, &p);
    if (reason == 0 && !p.node)
        reason = ENOENT;
    if (reason == 0)
        *ret = p.node;
    return reason;
}

static sl_file_info info_of(const vnode *n)
{
    return (sl_file_info){ .size_bytes = (int64_t)n->content.size_bytes,
                           .mtime_ns = n->mtime_ns,
                           .inode = n->inode,
                           .is_directory = n->is_directory };
}

/* ---- files ---- */

static vfile *new_file(sl_fs_virtual *v, vnode *n, const char *path, bool writable)
{
    vfile *f = sl_calloc(1, sizeof *f);
    f->base.class = &sl_fs_virtual__class;
    f->fs = v;
    f->node = n;
    f->life = v->life;
    f->machine = v->machine;
    f->after = v->open;
    if (f->after != NULL)
        f->after->before = f;
    v->open = f;
    f->writable = writable;
    f->end = (int64_t)n->content.size_bytes;
    f->path = sl_strdup(path);
    sl_vnode__ref(n);
    return f;
}

static int find_or_create(sl_fs_virtual *v, const char *path, sl_open_mode mode,
                          vnode **ret)
{
    place p;
    int reason = find_place(v, path, &p);
    if (reason != 0)
        return reason;
    if (p.node && mode == SL_OPEN_CREATE)
        return EEXIST;
    if (p.node && p.node->is_directory)
        return EISDIR;
    if (!p.node && mode == SL_OPEN_READ)
        return ENOENT;
    if (!p.node) {
        p.node = sl_vnode__new(v, false);
        sl_vfs__begin_names(v);
        sl_vfs__change_name(v, p.dir, p.name, p.node);
        p.node->refs--; /* the name holds it now */
    }
    *ret = p.node;
    return 0;
}

static sl_code virtual_open(sl_fs *fs, const char *path, sl_open_mode mode, sl_file **ret,
                            sl_error *err)
{
    sl_fs_virtual *v = virtual_of(fs);
    SL_TRY(ask_faults(v, "open", path, err));
    pthread_mutex_lock(&v->lock);
    vnode *n = NULL;
    int reason = find_or_create(v, path, mode, &n);
    if (reason == 0)
        *ret = &new_file(v, n, path, mode != SL_OPEN_READ)->base;
    pthread_mutex_unlock(&v->lock);
    return reason == 0 ? SL_OK : sl_fail_errno(err, reason, "cannot open %s", path);
}

/* With the lock held. */
static sl_code check_alive(const vfile *f, sl_error *err)
{
    if (f->is_lost)
        return sl_fail(err, SL_EIO, "%s: stale file handle", f->path);
    if (f->life == f->fs->life)
        return SL_OK;
    return sl_fail(err, SL_EIO, "%s was opened before the machine went down", f->path);
}

static sl_code check_writable(const vfile *f, sl_error *err)
{
    SL_TRY(check_alive(f, err));
    if (!f->writable)
        return sl_fail(err, SL_EIO, "%s is open for reading only", f->path);
    if (f->sync_failed)
        return sl_fail(err, SL_EIO,
                       "%s failed to sync before and is not written again; use a new "
                       "file",
                       f->path);
    return SL_OK;
}

static sl_code virtual_read(sl_file *file, int64_t offset, void *data, size_t size,
                            size_t *ret_read, sl_error *err)
{
    vfile *f = vfile_of(file);
    SL_TRY(ask_faults(f->fs, "read", f->path, err));
    pthread_mutex_lock(&f->fs->lock);
    sl_code code = check_alive(f, err);
    if (code == SL_OK && offset < 0)
        code = sl_fail(err, SL_EIO, "cannot read %s before its start", f->path);
    if (code == SL_OK) {
        size_t have = f->node->content.size_bytes;
        size_t left = (uint64_t)offset < have ? have - (size_t)offset : 0;
        size_t n = size < left ? size : left;
        if (n > 0)
            memcpy(data, f->node->content.data + offset, n);
        *ret_read = n;
    }
    pthread_mutex_unlock(&f->fs->lock);
    return code;
}

/* With the lock held.  A write that the fault hook failed still leaves its first half: a
 * full disk does so. */
static sl_code write_checked(vfile *f, int64_t offset, const void *data, size_t size,
                             sl_code fault, sl_error *err)
{
    SL_TRY(check_writable(f, fault == SL_OK ? err : NULL));
    if (offset < 0 || size > FILE_BYTES_MAX || offset > FILE_BYTES_MAX)
        return sl_fail(err, SL_ENOSPACE, "%s would pass the size of a virtual file",
                       f->path);
    sl_vnode__write(f->fs, f->node, offset, data, fault == SL_OK ? size : size / 2);
    if (fault != SL_OK)
        return fault;
    if (offset + (int64_t)size > f->end)
        f->end = offset + (int64_t)size;
    return SL_OK;
}

static sl_code virtual_append(sl_file *file, const void *data, size_t size, sl_error *err)
{
    vfile *f = vfile_of(file);
    sl_code fault = ask_faults(f->fs, "append", f->path, err);
    pthread_mutex_lock(&f->fs->lock);
    sl_code code = write_checked(f, f->end, data, size, fault, err);
    pthread_mutex_unlock(&f->fs->lock);
    return fault != SL_OK ? fault : code;
}

static sl_code virtual_write_at(sl_file *file, int64_t offset, const void *data,
                                size_t size, sl_error *err)
{
    vfile *f = vfile_of(file);
    sl_code fault = ask_faults(f->fs, "write_at", f->path, err);
    pthread_mutex_lock(&f->fs->lock);
    sl_code code = write_checked(f, offset, data, size, fault, err);
    pthread_mutex_unlock(&f->fs->lock);
    return fault != SL_OK ? fault : code;
}

static sl_code virtual_allocate(sl_file *file, int64_t size_bytes, sl_error *err)
{
    vfile *f = vfile_of(file);
    (void)size_bytes; /* space is never short here but by a fault */
    SL_TRY(ask_faults(f->fs, "allocate", f->path, err));
    pthread_mutex_lock(&f->fs->lock);
    sl_code code = check_writable(f, err);
    pthread_mutex_unlock(&f->fs->lock);
    return code;
}

static sl_code virtual_truncate(sl_file *file, int64_t size_bytes, sl_error *err)
{
    vfile *f = vfile_of(file);
    SL_TRY(ask_faults(f->fs, "truncate", f->path, err));
    pthread_mutex_lock(&f->fs->lock);
    sl_code code = check_writable(f, err);
    if (code == SL_OK && (size_bytes < 0 || size_bytes > FILE_BYTES_MAX))
        code = sl_fail(err, SL_EIO, "cannot cut %s to %lld bytes", f->path,
                       (long long)size_bytes);
    if (code == SL_OK) {
        sl_vnode__truncate(f->fs, f->node, size_bytes);
        f->end = size_bytes;
    }
    pthread_mutex_unlock(&f->fs->lock);
    return code;
}

static sl_code virtual_sync(sl_file *file, sl_error *err)
{
    vfile *f = vfile_of(file);
    sl_code fault = ask_faults(f->fs, "sync", f->path, err);
    pthread_mutex_lock(&f->fs->lock);
    sl_code code = check_alive(f, fault == SL_OK ? err : NULL);
    if (code == SL_OK && f->writable)
        code = check_writable(f, fault == SL_OK ? err : NULL);
    if (code == SL_OK && fault != SL_OK)
        f->sync_failed = f->node->sync_failed = true;
    else if (code == SL_OK)
        sl_vnode__sync(f->node);
    pthread_mutex_unlock(&f->fs->lock);
    return fault != SL_OK ? fault : code;
}

static sl_code virtual_info(sl_file *file, sl_file_info *ret, sl_error *err)
{
    vfile *f = vfile_of(file);
    SL_TRY(ask_faults(f->fs, "info", f->path, err));
    pthread_mutex_lock(&f->fs->lock);
    sl_code code = check_alive(f, err);
    if (code == SL_OK)
        *ret = info_of(f->node);
    pthread_mutex_unlock(&f->fs->lock);
    return code;
}

static void virtual_close(sl_file *file)
{
    vfile *f = vfile_of(file);
    sl_fs_virtual *v = f->fs;
    pthread_mutex_lock(&v->lock);
    if (f->node->locked_by == f)
        f->node->locked_by = NULL;
    if (f->before != NULL)
        f->before->after = f->after;
    else
        v->open = f->after;
    if (f->after != NULL)
        f->after->before = f->before;
    sl_vnode__unref(v, f->node);
    pthread_mutex_unlock(&v->lock);
    sl_free(f->path);
    sl_free(f);
}

/* ---- names ---- */

static sl_code virtual_stat(sl_fs *fs, const char *path, sl_file_info *ret, sl_error *err)
{
    sl_fs_virtual *v = virtual_of(fs);
    SL_TRY(ask_faults(v, "stat", path, err));
    pthread_mutex_lock(&v->lock);
    vnode *n = NULL;
    int reason = find_node(v, path, &n);
    if (reason == 0)
        *ret = info_of(n);
    pthread_mutex_unlock(&v->lock);
    return reason == 0 ? SL_OK : sl_fail_errno(err, reason, "cannot stat %s", path);
}

/* True if n is dir or lies somewhere below it. */
static bool contains(const vnode *dir, const vnode *n)
{
    if (dir == n)
        return true;
    for (size_t i = 0; i < dir->name_count; i++)
        if (contains(dir->names[i].node, n))
            return true;
    return false;
}

/* The two ends of a rename or link: something at `from`, nothing yet at `to`. */
static int find_ends(sl_fs_virtual *v, const char *from, const char *to, place *ret_from,
                     place *ret_to)
{
    int reason = find_place(v, from, ret_from);
    if (reason == 0 && !ret_from->node)
        reason = ENOENT;
    if (reason == 0 && !ret_from->dir)
        reason = EBUSY; /* the root */
    if (reason == 0)
        reason = find_place(v, to, ret_to);
    if (reason == 0 && ret_to->node)
        reason = EEXIST;
    return reason;
}

static sl_code virtual_rename_noreplace(sl_fs *fs, const char *from, const char *to,
                                        sl_error *err)
{
    sl_fs_virtual *v = virtual_of(fs);
    SL_TRY(ask_faults(v, "rename", to, err));
    pthread_mutex_lock(&v->lock);
    place a, b;
    int reason = find_ends(v, from, to, &a, &b);
    if (reason == 0 && a.node->is_directory && contains(a.node, b.dir))
        reason = EINVAL;
    if (reason == 0) {
        sl_vfs__begin_names(v);
        sl_vfs__change_name(v, b.dir, b.name, a.node);
        sl_vfs__change_name(v, a.dir, a.name, NULL);
    }
    pthread_mutex_unlock(&v->lock);
    return reason == 0 ? SL_OK
                       : sl_fail_errno(err, reason, "cannot rename %s to %s", from, to);
}

static sl_code virtual_link(sl_fs *fs, const char *from, const char *to, sl_error *err)
{
    sl_fs_virtual *v = virtual_of(fs);
    SL_TRY(ask_faults(v, "link", to, err));
    pthread_mutex_lock(&v->lock);
    place a, b;
    int reason = find_ends(v, from, to, &a, &b);
    if (reason == 0 && a.node->is_directory)
        reason = EPERM;
    if (reason == 0) {
        sl_vfs__begin_names(v);
        sl_vfs__change_name(v, b.dir, b.name, a.node);
    }
    pthread_mutex_unlock(&v->lock);
    return reason == 0 ? SL_OK
                       : sl_fail_errno(err, reason, "cannot link %s to %s", from, to);
}

static int take_name_away(sl_fs_virtual *v, const char *path, bool want_directory)
{
    place p;
    int reason = find_place(v, path, &p);
    if (reason != 0)
        return reason;
    if (!p.node)
        return ENOENT;
    if (!p.dir)
        return EBUSY; /* the root */
    if (p.node->is_directory != want_directory)
        return want_directory ? ENOTDIR : EISDIR;
    if (p.node->name_count > 0)
        return ENOTEMPTY;
    sl_vfs__begin_names(v);
    sl_vfs__change_name(v, p.dir, p.name, NULL);
    return 0;
}

static sl_code virtual_remove(sl_fs *fs, const char *path, sl_error *err)
{
    sl_fs_virtual *v = virtual_of(fs);
    SL_TRY(ask_faults(v, "remove", path, err));
    pthread_mutex_lock(&v->lock);
    int reason = take_name_away(v, path, false);
    pthread_mutex_unlock(&v->lock);
    return reason == 0 ? SL_OK : sl_fail_errno(err, reason, "cannot remove %s", path);
}

static sl_code virtual_remove_dir(sl_fs *fs, const char *path, sl_error *err)
{
    sl_fs_virtual *v = virtual_of(fs);
    SL_TRY(ask_faults(v, "remove_dir", path, err));
    pthread_mutex_lock(&v->lock);
    int reason = take_name_away(v, path, true);
    pthread_mutex_unlock(&v->lock);
    return reason == 0 ? SL_OK
                       : sl_fail_errno(err, reason, "cannot remove directory %s", path);
}

static sl_code virtual_make_dir(sl_fs *fs, const char *path, sl_error *err)
{
    sl_fs_virtual *v = virtual_of(fs);
    SL_TRY(ask_faults(v, "make_dir", path, err));
    pthread_mutex_lock(&v->lock);
    place p;
    int reason = find_place(v, path, &p);
    if (reason == 0 && p.node)
        reason = EEXIST;
    if (reason == 0) {
        vnode *n = sl_vnode__new(v, true);
        sl_vfs__begin_names(v);
        sl_vfs__change_name(v, p.dir, p.name, n);
        n->refs--; /* the name holds it now */
    }
    pthread_mutex_unlock(&v->lock);
    return reason == 0 ? SL_OK
                       : sl_fail_errno(err, reason, "cannot make directory %s", path);
}

static sl_code virtual_list(sl_fs *fs, const char *path, sl_dir_entry **ret_entries,
                            size_t *ret_count, sl_error *err)
{
    sl_fs_virtual *v = virtual_of(fs);
    SL_TRY(ask_faults(v, "list", path, err));
    pthread_mutex_lock(&v->lock);
    vnode *n = NULL;
    int reason = find_node(v, path, &n);
    if (reason == 0 && !n->is_directory)
        reason = ENOTDIR;
    if (reason == 0) {
        sl_dir_entry *entries = sl_calloc(n->name_count, sizeof entries[0]);
        for (size_t i = 0; i < n->name_count; i++)
            entries[i] = (sl_dir_entry){ .name = sl_strdup(n->names[i].name),
                                         .info = info_of(n->names[i].node) };
        *ret_entries = entries;
        *ret_count = n->name_count;
    }
    pthread_mutex_unlock(&v->lock);
    return reason == 0 ? SL_OK : sl_fail_errno(err, reason, "cannot list %s", path);
}

static sl_code virtual_sync_dir(sl_fs *fs, const char *path, sl_error *err)
{
    sl_fs_virtual *v = virtual_of(fs);
    SL_TRY(ask_faults(v, "sync_dir", path, err));
    pthread_mutex_lock(&v->lock);
    vnode *n = NULL;
    int reason = find_node(v, path, &n);
    if (reason == 0 && !n->is_directory)
        reason = ENOTDIR;
    if (reason == 0)
        sl_vfs__sync_dir(v, n);
    pthread_mutex_unlock(&v->lock);
    return reason == 0 ? SL_OK
                       : sl_fail_errno(err, reason, "cannot sync directory %s", path);
}

static sl_code virtual_lock(sl_fs *fs, const char *path, const char *holder,
                            sl_file **ret, sl_error *err)
{
    sl_fs_virtual *v = virtual_of(fs);
    SL_TRY(ask_faults(v, "lock", path, err));
    pthread_mutex_lock(&v->lock);
    vnode *n = NULL;
    sl_code code = SL_OK;
    int reason = find_or_create(v, path, SL_OPEN_WRITE, &n);
    if (reason != 0) {
        code = sl_fail_errno(err, reason, "cannot open the lock file %s", path);
    } else if (n->locked_by) {
        const char *found = sl_bytes_cstr(&n->content);
        code = sl_fail(err, SL_EBUSY, "%s is held by %s", path,
                       found[0] ? found : "another process");
    } else {
        vfile *f = new_file(v, n, path, true);
        n->locked_by = f;
        sl_vnode__truncate(v, n, 0);
        sl_vnode__write(v, n, 0, holder, strlen(holder));
        f->end = (int64_t)n->content.size_bytes;
        *ret = &f->base;
    }
    pthread_mutex_unlock(&v->lock);
    return code;
}

const sl_fs_class sl_fs_virtual__class = {
    .open = virtual_open,
    .read = virtual_read,
    .append = virtual_append,
    .write_at = virtual_write_at,
    .allocate = virtual_allocate,
    .truncate = virtual_truncate,
    .sync = virtual_sync,
    .info = virtual_info,
    .close = virtual_close,
    .stat = virtual_stat,
    .rename_noreplace = virtual_rename_noreplace,
    .link = virtual_link,
    .remove = virtual_remove,
    .make_dir = virtual_make_dir,
    .remove_dir = virtual_remove_dir,
    .list = virtual_list,
    .sync_dir = virtual_sync_dir,
    .lock = virtual_lock,
};

/* ---- the file system itself ---- */

sl_fs_virtual *sl_fs_virtual_new(int64_t (*wall_ns)(void *user), void *user)
{
    sl_fs_virtual *v = sl_calloc(1, sizeof *v);
    v->base.class = &sl_fs_virtual__class;
    pthread_mutex_init(&v->lock, NULL);
    v->wall_ns = wall_ns;
    v->wall_user = user;
    v->root = sl_vnode__new(v, true);
    return v;
}

/* Files still open are the caller's mistake: their nodes leak, which a sanitizer shows.
 */
void sl_fs_virtual_free(sl_fs_virtual *v)
{
    if (!v)
        return;
    sl_vfs__free_all(v);
    pthread_mutex_destroy(&v->lock);
    sl_free(v);
}

sl_fs *sl_fs_virtual_fs(sl_fs_virtual *v)
{
    return &v->base;
}

void sl_fs_virtual_set_faults(sl_fs_virtual *v, sl_fs_faults faults)
{
    pthread_mutex_lock(&v->lock);
    v->faults = faults;
    pthread_mutex_unlock(&v->lock);
}

static void end_life(sl_fs_virtual *v)
{
    v->life++;
    sl_vfs__free_locks(v);
}

void sl_fs_virtual_crash(sl_fs_virtual *v, uint64_t (*rand64)(void *user), void *user)
{
    pthread_mutex_lock(&v->lock);
    end_life(v);
    sl_vfs__crash(v, SL_VFS_ALL_MACHINES, rand64, user);
    pthread_mutex_unlock(&v->lock);
}

void sl_fs_virtual_set_machine(sl_fs_virtual *v, uint32_t machine)
{
    pthread_mutex_lock(&v->lock);
    v->machine = machine;
    pthread_mutex_unlock(&v->lock);
}

void sl_fs_virtual_crash_machine(sl_fs_virtual *v, uint32_t machine,
                                 uint64_t (*rand64)(void *user), void *user)
{
    pthread_mutex_lock(&v->lock);
    sl_vfs__crash(v, machine, rand64, user);
    pthread_mutex_unlock(&v->lock);
}

void sl_fs_virtual_lose_files(sl_fs_virtual *v, uint32_t machine)
{
    pthread_mutex_lock(&v->lock);
    for (vfile *f = v->open; f != NULL; f = f->after) {
        if (f->machine != machine)
            continue;
        f->is_lost = true;
        if (f->node->locked_by == f)
            f->node->locked_by = NULL;
    }
    pthread_mutex_unlock(&v->lock);
}

void sl_fs_virtual_kill(sl_fs_virtual *v)
{
    pthread_mutex_lock(&v->lock);
    end_life(v);
    pthread_mutex_unlock(&v->lock);
}
