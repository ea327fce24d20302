#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fs_private.h"

enum { LOCK_TRIES = 16, HOLDER_BYTES_MAX = 256 };

typedef struct posix_file {
    sl_file base;
    int fd;
    /* A failed sync marks the pages clean: a second one would succeed although the bytes
     * never reached the disk (rel:3.2 rule F).  So the file is dead after one. */
    bool sync_failed;
    int64_t end; /* where append writes; a failed append leaves it */
    char *path;
} posix_file;

static posix_file *posix_of(sl_file *f)
{
    return (posix_file *)(void *)f;
}

static sl_file_info info_of(const struct stat *st)
{
    return (sl_file_info){
        .size_bytes = (int64_t)st->st_size,
        .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
        .inode = (uint64_t)st->st_ino,
        .is_directory = S_ISDIR(st->st_mode),
    };
}

static int open_again(const char *path, int flags)
{
    int fd;
    do
        fd = open(path, flags | O_CLOEXEC, 0666);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static sl_file *new_file(int fd, const char *path, int64_t end)
{
    posix_file *p = sl_calloc(1, sizeof *p);
    p->base.class = sl_fs_posix()->class;
    p->fd = fd;
    p->end = end;
    p->path = sl_strdup(path);
    return &p->base;
}

static sl_code posix_open(sl_fs *fs, const char *path, sl_open_mode mode, sl_file **ret,
                          sl_error *err)
{
    static const int flags[] = {
        [SL_OPEN_READ] = O_RDONLY | O_NONBLOCK, /* a pipe must not hold us */
        [SL_OPEN_CREATE] = O_RDWR | O_CREAT | O_EXCL,
        [SL_OPEN_APPEND] = O_RDWR | O_CREAT,
        [SL_OPEN_WRITE] = O_RDWR | O_CREAT,
    };
    (void)fs;
    int fd = open_again(path, flags[mode]);
    if (fd < 0)
        return sl_fail_errno(err, errno, "cannot open %s", path);
    struct stat st;
    int reason = fstat(fd, &st) != 0 ? errno : S_ISDIR(st.st_mode) ? EISDIR : 0;
    if (reason != 0) {
        close(fd);
        return sl_fail_errno(err, reason, "cannot open %s", path);
    }
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return sl_fail(err, SL_EUNSUPPORTED,
                       "cannot open %s: it is a pipe or device, not a file", path);
    }
    *ret = new_file(fd, path, (int64_t)st.st_size);
    return SL_OK;
}

static sl_code posix_read(sl_file *f, int64_t offset, void *data, size_t size,
                          size_t *ret_read, sl_error *err)
{
    posix_file *p = posix_of(f);
    size_t done = 0;
    while (done < size) {
        ssize_t n =
            pread(p->fd, (char *)data + done, size - done, offset + (int64_t)done);
        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sl_fail_errno(err, errno, "cannot read %s at %lld", p->path,
                                 (long long)offset);
        done += (size_t)n;
    }
    *ret_read = done;
    return SL_OK;
}

static sl_code check_usable(const posix_file *p, sl_error *err)
{
    if (!p->sync_failed)
        return SL_OK;
    return sl_fail(err, SL_EIO,
                   "%s failed to sync before and is not written again; use a new file",
                   p->path);
}

static sl_code write_all(posix_file *p, int64_t offset, const void *data, size_t size,
                         sl_error *err)
{
    SL_TRY(check_usable(p, err));
    for (size_t done = 0; done < size;) {
        ssize_t n =
            pwrite(p->fd, (const char *)data + done, size - done, offset + (int64_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return sl_fail_errno(err, n < 0 ? errno : EIO,
                                 "cannot write %zu bytes to %s at %lld", size, p->path,
                                 (long long)offset);
        done += (size_t)n;
    }
    if (offset + (int64_t)size > p->end)
        p->end = offset + (int64_t)size;
    return SL_OK;
}

static sl_code posix_append(sl_file *f, const void *data, size_t size, sl_error *err)
{
    posix_file *p = posix_of(f);
    return write_all(p, p->end, data, size, err);
}

static sl_code posix_write_at(sl_file *f, int64_t offset, const void *data, size_t size,
                              sl_error *err)
{
    return write_all(posix_of(f), offset, data, size, err);
}

/* Only "no space" matters: a file system that cannot preallocate is no error. */
static sl_code posix_allocate(sl_file *f, int64_t size_bytes, sl_error *err)
{
    posix_file *p = posix_of(f);
    int result;
    do
        result = fallocate(p->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size_bytes);
    while (result != 0 && errno == EINTR);
    if (result != 0 && (errno == ENOSPC || errno == EDQUOT))
        return sl_fail_errno(err, errno, "cannot reserve %lld bytes for %s",
                             (long long)size_bytes, p->path);
    return SL_OK;
}

static sl_code posix_truncate(sl_file *f, int64_t size_bytes, sl_error *err)
{
    posix_file *p = posix_of(f);
    SL_TRY(check_usable(p, err));
    int result;
    do
        result = ftruncate(p->fd, (off_t)size_bytes);
    while (result != 0 && errno == EINTR);
    if (result != 0)
        return sl_fail_errno(err, errno, "cannot cut %s to %lld bytes", p->path,
                             (long long)size_bytes);
    p->end = size_bytes;
    return SL_OK;
}

/* fdatasync writes the size too where it changed: reading the bytes needs it. */
static sl_code posix_sync(sl_file *f, sl_error *err)
{
    posix_file *p = posix_of(f);
    SL_TRY(check_usable(p, err));
    int result;
    do
        result = fdatasync(p->fd);
    while (result != 0 && errno == EINTR);
    if (result == 0)
        return SL_OK;
    p->sync_failed = true;
    return sl_fail_errno(err, errno, "cannot sync %s", p->path);
}

static sl_code posix_info(sl_file *f, sl_file_info *ret, sl_error *err)
{
    posix_file *p = posix_of(f);
    struct stat st;
    if (fstat(p->fd, &st) != 0)
        return sl_fail_errno(err, errno, "cannot stat %s", p->path);
    *ret = info_of(&st);
    return SL_OK;
}

static void posix_close(sl_file *f)
{
    posix_file *p = posix_of(f);
    close(p->fd);
    sl_free(p->path);
    sl_free(p);
}

static sl_code posix_stat(sl_fs *fs, const char *path, sl_file_info *ret, sl_error *err)
{
    (void)fs;
    struct stat st;
    if (stat(path, &st) != 0)
        return sl_fail_errno(err, errno, "cannot stat %s", path);
    *ret = info_of(&st);
    return SL_OK;
}

static sl_code posix_link(sl_fs *fs, const char *from, const char *to, sl_error *err)
{
    (void)fs;
    if (link(from, to) != 0)
        return sl_fail_errno(err, errno, "cannot link %s to %s", from, to);
    return SL_OK;
}

/* Where the kernel or the file system (NFS) knows no "no replace", a link refuses an
 * existing name just as well; a crash in between leaves both names. */
static sl_code posix_rename_noreplace(sl_fs *fs, const char *from, const char *to,
                                      sl_error *err)
{
    (void)fs;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return SL_OK;
    if (errno == ENOSYS || errno == EINVAL) {
        if (link(from, to) == 0 && unlink(from) == 0)
            return SL_OK;
    }
    return sl_fail_errno(err, errno, "cannot rename %s to %s", from, to);
}

static sl_code posix_remove(sl_fs *fs, const char *path, sl_error *err)
{
    (void)fs;
    if (unlink(path) != 0)
        return sl_fail_errno(err, errno, "cannot remove %s", path);
    return SL_OK;
}

static sl_code posix_make_dir(sl_fs *fs, const char *path, sl_error *err)
{
    (void)fs;
    if (mkdir(path, 0777) != 0)
        return sl_fail_errno(err, errno, "cannot make directory %s", path);
    return SL_OK;
}

static sl_code posix_remove_dir(sl_fs *fs, const char *path, sl_error *err)
{
    (void)fs;
    if (rmdir(path) != 0)
        return sl_fail_errno(err, errno, "cannot remove directory %s", path);
    return SL_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const sl_dir_entry *)a)->name, ((const sl_dir_entry *)b)->name);
}

typedef struct entry_list {
    sl_dir_entry *entries;
    size_t count, capacity;
} entry_list;

static void add_entry(entry_list *list, const char *name, const struct stat *st)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 16;
        list->entries =
            sl_realloc(list->entries, list->capacity * sizeof list->entries[0]);
    }
    list->entries[list->count++] =
        (sl_dir_entry){ .name = sl_strdup(name), .info = info_of(st) };
}

static sl_code posix_list(sl_fs *fs, const char *path, sl_dir_entry **ret_entries,
                          size_t *ret_count, sl_error *err)
{
    (void)fs;
    DIR *dir = opendir(path);
    if (!dir)
        return sl_fail_errno(err, errno, "cannot list %s", path);
    entry_list list = { 0 };
    int reason = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) {
            reason = errno;
            break;
        }
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0) {
            add_entry(&list, entry->d_name, &st);
        } else if (errno != ENOENT && errno != ELOOP) { /* gone meanwhile: not there */
            reason = errno;
            break;
        }
    }
    closedir(dir);
    if (reason != 0) {
        sl_fs_entries_free(list.entries, list.count);
        return sl_fail_errno(err, reason, "cannot list %s", path);
    }
    if (list.count > 0)
        qsort(list.entries, list.count, sizeof list.entries[0], by_name);
    *ret_entries = list.entries;
    *ret_count = list.count;
    return SL_OK;
}

static sl_code posix_sync_dir(sl_fs *fs, const char *path, sl_error *err)
{
    (void)fs;
    int fd = open_again(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return sl_fail_errno(err, errno, "cannot sync directory %s", path);
    int result;
    do
        result = fsync(fd);
    while (result != 0 && errno == EINTR);
    int reason = errno;
    close(fd);
    if (result != 0 && reason != EINVAL) /* EINVAL: the file system has no such sync */
        return sl_fail_errno(err, reason, "cannot sync directory %s", path);
    return SL_OK;
}

static sl_code fail_held(int fd, const char *path, sl_error *err)
{
    char holder[HOLDER_BYTES_MAX + 1];
    ssize_t n = pread(fd, holder, HOLDER_BYTES_MAX, 0);
    holder[n > 0 ? n : 0] = '\0';
    return sl_fail(err, SL_EBUSY, "%s is held by %s", path,
                   holder[0] ? holder : "another process");
}

static int lock_whole(int fd)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int result;
    do
        result = fcntl(fd, F_OFD_SETLK, &lock);
    while (result != 0 && errno == EINTR);
    return result;
}

/* If the file was removed and made anew between open and lock there could be two holders,
 * each of its own inode (rel:L15): then try again with the one that has the name now. */
static sl_code posix_lock(sl_fs *fs, const char *path, const char *holder, sl_file **ret,
                          sl_error *err)
{
    (void)fs;
    for (int i = 0; i < LOCK_TRIES; i++) {
        int fd = open_again(path, O_RDWR | O_CREAT);
        if (fd < 0)
            return sl_fail_errno(err, errno, "cannot open the lock file %s", path);
        if (lock_whole(fd) != 0) {
            int reason = errno;
            sl_code code = reason == EAGAIN || reason == EACCES
                               ? fail_held(fd, path, err)
                               : sl_fail_errno(err, reason, "cannot lock %s", path);
            close(fd);
            return code;
        }
        struct stat mine, named;
        if (fstat(fd, &mine) != 0 || stat(path, &named) != 0 ||
            mine.st_ino != named.st_ino || mine.st_dev != named.st_dev) {
            close(fd);
            continue;
        }
        sl_file *f = new_file(fd, path, 0);
        sl_code code = posix_truncate(f, 0, err);
        if (code == SL_OK)
            code = posix_append(f, holder, strlen(holder), err);
        if (code != SL_OK) {
            posix_close(f);
            return code;
        }
        *ret = f;
        return SL_OK;
    }
    return sl_fail(err, SL_EBUSY, "%s is replaced again and again; leave it alone", path);
}

static const sl_fs_class posix_class = {
    .open = posix_open,
    .read = posix_read,
    .append = posix_append,
    .write_at = posix_write_at,
    .allocate = posix_allocate,
    .truncate = posix_truncate,
    .sync = posix_sync,
    .info = posix_info,
    .close = posix_close,
    .stat = posix_stat,
    .rename_noreplace = posix_rename_noreplace,
    .link = posix_link,
    .remove = posix_remove,
    .make_dir = posix_make_dir,
    .remove_dir = posix_remove_dir,
    .list = posix_list,
    .sync_dir = posix_sync_dir,
    .lock = posix_lock,
};

sl_fs *sl_fs_posix(void)
{
    static sl_fs fs = { .class = &posix_class };
    return &fs;
}
