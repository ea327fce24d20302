#include "objects/spill.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

struct sl_spill {
    sl_fs *fs;
    char *dir, *path;
    sl_file *writer, *reader;
    uint64_t end;
};

sl_code sl_spill_open(sl_fs *fs, const char *dir, const char *name, sl_spill **ret,
                      sl_error *err)
{
    if (name[0] == '\0' || strchr(name, '/'))
        return sl_fail(err, SL_EINVAL, "spill file name '%s' is empty or has a '/'",
                       name);
    sl_spill *s = sl_calloc(1, sizeof *s);
    sl_bytes path = { 0 };
    sl_bytes_printf(&path, "%s/%s.spill", dir, name);
    s->fs = fs;
    s->dir = sl_strdup(dir);
    s->path = sl_strdup(sl_bytes_cstr(&path));
    sl_bytes_deinit(&path);
    *ret = s;
    return SL_OK;
}

sl_code sl_spill_append(sl_spill *s, sl_span block, sl_spill_block *ret, sl_error *err)
{
    if (!s->writer) {
        SL_TRY(sl_fs_make_dirs(s->fs, s->dir, err));
        SL_TRY(sl_fs_open(s->fs, s->path, SL_OPEN_CREATE, &s->writer, err));
    }
    /* By position, so that a failed write leaves nothing in the way of the next. */
    SL_TRY(
        sl_file_write_at(s->writer, (int64_t)s->end, block.data, block.size_bytes, err));
    *ret = (sl_spill_block){ s->end, block.size_bytes,
                             sl_hash64(block.data, block.size_bytes) };
    s->end += block.size_bytes;
    return SL_OK;
}

sl_code sl_spill_read(sl_spill *s, const sl_spill_block *block, sl_bytes *ret,
                      sl_error *err)
{
    if (block->offset > s->end || block->length_bytes > s->end - block->offset)
        return sl_fail(err, SL_EINVAL,
                       "spill %s: block of %" PRIu64 " bytes at %" PRIu64
                       " is not in the %" PRIu64 " bytes written",
                       s->path, block->length_bytes, block->offset, s->end);
    sl_bytes_clear(ret);
    if (block->length_bytes == 0)
        return SL_OK;
    if (!s->reader)
        SL_TRY(sl_fs_open(s->fs, s->path, SL_OPEN_READ, &s->reader, err));
    sl_bytes_reserve(ret, (size_t)block->length_bytes + 1);
    size_t got = 0;
    SL_TRY(sl_file_read(s->reader, (int64_t)block->offset, ret->data,
                        (size_t)block->length_bytes, &got, err));
    ret->size_bytes = got;
    ret->data[got] = 0;
    if (got != block->length_bytes || sl_hash64(ret->data, got) != block->hash)
        return sl_fail(err, SL_ECORRUPT,
                       "spill %s: the block at %" PRIu64 " reads back differently",
                       s->path, block->offset);
    return SL_OK;
}

uint64_t sl_spill_bytes(const sl_spill *s)
{
    return s->end;
}

void sl_spill_close(sl_spill *s)
{
    if (!s)
        return;
    bool was_made = s->writer != NULL;
    sl_file_close(s->writer);
    sl_file_close(s->reader);
    if (was_made)
        (void)!sl_fs_remove(s->fs, s->path, NULL);
    sl_free(s->dir);
    sl_free(s->path);
    sl_free(s);
}
