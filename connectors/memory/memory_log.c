#include "connectors/memory/memory_log_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/alloc.h"

#define READ_BYTES 65536

struct sl_memory_log {
    int fd;
    int64_t at; /* all whole records before it are taken in */
    sl_memory_log_fn apply;
    void *user;
    sl_bytes tail; /* read, not yet whole */
    char *path;
};

static sl_code fail_log(const sl_memory_log *l, const char *what, sl_error *err)
{
    return sl_fail_errno(err, errno, "cannot %s %s", what, l->path);
}

sl_code sl_memory_log__open(const char *path, sl_memory_log_fn apply, void *user,
                            sl_memory_log **ret, sl_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return sl_fail_errno(err, errno, "cannot open %s", path);
    sl_memory_log *l = (sl_memory_log *)sl_calloc(1, sizeof *l);
    l->fd = fd;
    l->apply = apply;
    l->user = user;
    l->path = sl_strdup(path);
    *ret = l;
    return SL_OK;
}

void sl_memory_log__close(sl_memory_log *l)
{
    if (l == NULL)
        return;
    close(l->fd);
    sl_bytes_deinit(&l->tail);
    sl_free(l->path);
    sl_free(l);
}

static sl_code read_tail(sl_memory_log *l, sl_error *err)
{
    sl_bytes_clear(&l->tail);
    for (;;) {
        sl_bytes_reserve(&l->tail, READ_BYTES);
        ssize_t n = pread(l->fd, l->tail.data + l->tail.size_bytes, READ_BYTES,
                          l->at + (int64_t)l->tail.size_bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_log(l, "read", err);
        if (n == 0)
            return SL_OK;
        l->tail.size_bytes += (size_t)n;
    }
}

sl_code sl_memory_log__read(sl_memory_log *l, sl_error *err)
{
    SL_TRY(read_tail(l, err));
    sl_reader r = sl_reader_of(sl_bytes_span(&l->tail));
    for (;;) {
        sl_span record = sl_read_blob(&r);
        if (r.failed)
            return SL_OK;
        SL_TRY(l->apply(l->user, record, err));
        l->at += (int64_t)record.size_bytes + 4;
    }
}

static sl_code write_record(sl_memory_log *l, sl_span record, sl_error *err)
{
    sl_bytes framed = { 0 };
    sl_bytes_blob(&framed, record);
    size_t done = 0;
    sl_code code = SL_OK;
    while (code == SL_OK && done < framed.size_bytes) {
        ssize_t n = pwrite(l->fd, framed.data + done, framed.size_bytes - done,
                           l->at + (int64_t)done);
        if (n < 0 && errno != EINTR)
            code = fail_log(l, "write", err);
        done += n > 0 ? (size_t)n : 0;
    }
    sl_bytes_deinit(&framed);
    return code;
}

sl_code sl_memory_log__append(sl_memory_log *l, sl_span record, sl_error *err)
{
    while (flock(l->fd, LOCK_EX) != 0)
        if (errno != EINTR)
            return fail_log(l, "lock", err);
    sl_code code = sl_memory_log__read(l, err);
    if (code == SL_OK && ftruncate(l->fd, l->at) != 0)
        code = fail_log(l, "cut", err);
    if (code == SL_OK)
        code = write_record(l, record, err);
    if (code == SL_OK)
        code = sl_memory_log__read(l, err);
    (void)flock(l->fd, LOCK_UN);
    return code;
}
