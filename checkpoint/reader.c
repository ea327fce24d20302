#include <unistd.h>

#include "checkpoint/lock.h"
#include "checkpoint/reader_private.h"

sl_code sl_checkpoint__reader_lock(sl_fs *fs, const char *root, sl_file **ret,
                                   sl_error *err)
{
    sl_file_info info;
    sl_error why;
    sl_code code = sl_fs_stat(fs, root, &info, &why);
    if (code == SL_ENOTFOUND)
        return sl_fail(err, SL_ENOTFOUND, "there is no checkpoint at %s", root);
    if (code != SL_OK) {
        if (err)
            *err = why;
        return code;
    }
    return sl_checkpoint_lock(fs, root, (int64_t)getpid(), "reading the checkpoint", ret,
                              err);
}

sl_code sl_checkpoint__reader_open(sl_fs *fs, const sl_kv_factory *kv, const char *root,
                                   sl_checkpoint__reader *ret, sl_error *err)
{
    sl_checkpoint__reader c = { .arena = sl_arena_new() };
    sl_code code = sl_checkpoint__reader_lock(fs, root, &c.lock, err);
    if (code == SL_OK)
        code = sl_query_file_read(fs, root, c.arena, &c.query, err);
    if (code == SL_OK) {
        sl_journal_options options = { .root = root,
                                       .fs = fs,
                                       .kv = kv,
                                       .query_id = c.query.query_id,
                                       .read_only = true };
        code = sl_journal_open(&options, &c.journal, &c.recovery, err);
    }
    if (code != SL_OK) {
        sl_checkpoint__reader_close(&c);
        return code;
    }
    *ret = c;
    return SL_OK;
}

void sl_checkpoint__reader_close(sl_checkpoint__reader *c)
{
    sl_journal_close(c->journal);
    sl_file_close(c->lock);
    sl_arena_free(c->arena);
    *c = (sl_checkpoint__reader){ 0 };
}
