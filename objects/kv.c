#include "objects/kv.h"

sl_code sl_kv_open(const sl_kv_factory *f, const char *path, const sl_kv_options *options,
                   sl_kv **ret, sl_error *err)
{
    if (options->create && options->read_only)
        return sl_fail(err, SL_EINVAL, "key-value store %s: create and read-only", path);
    bool exists = false;
    SL_TRY(f->exists(f, path, &exists, err));
    if (!exists && !options->create)
        return sl_fail(err, SL_ENOTFOUND, "there is no %s store in %s", f->name, path);
    return f->open(f, path, options, ret, err);
}

sl_code sl_kv_exists(const sl_kv_factory *f, const char *path, bool *ret, sl_error *err)
{
    return f->exists(f, path, ret, err);
}

sl_code sl_kv_destroy(const sl_kv_factory *f, const char *path, sl_error *err)
{
    return f->destroy(f, path, err);
}

void sl_kv_close(sl_kv *kv)
{
    if (kv)
        kv->class->close(kv);
}

sl_code sl_kv_get(sl_kv *kv, sl_span key, sl_bytes *ret, bool *ret_found, sl_error *err)
{
    return kv->class->get(kv, key, ret, ret_found, err);
}

sl_code sl_kv_write(sl_kv *kv, const sl_kv_op *ops, size_t count, bool sync,
                    sl_error *err)
{
    return kv->class->write(kv, ops, count, sync, err);
}

sl_code sl_kv_range(sl_kv *kv, sl_span from, sl_span end, bool is_reverse,
                    sl_kv_row_fn fn, void *user, sl_error *err)
{
    return kv->class->range(kv, from, end, is_reverse, fn, user, err);
}

sl_code sl_kv_prefix(sl_kv *kv, sl_span prefix, sl_kv_row_fn fn, void *user,
                     sl_error *err)
{
    /* The end is the prefix with its last byte below 0xff raised, and cut after it. */
    sl_bytes end = { 0 };
    sl_bytes_append(&end, prefix.data, prefix.size_bytes);
    while (end.size_bytes > 0 && end.data[end.size_bytes - 1] == 0xff)
        end.size_bytes--;
    if (end.size_bytes > 0)
        end.data[end.size_bytes - 1]++;
    sl_code code =
        kv->class->range(kv, prefix, sl_bytes_span(&end), false, fn, user, err);
    sl_bytes_deinit(&end);
    return code;
}

sl_code sl_kv_flush(sl_kv *kv, sl_error *err)
{
    return kv->class->flush(kv, err);
}

sl_code sl_kv_checkpoint(sl_kv *kv, const char *dir, sl_error *err)
{
    return kv->class->checkpoint(kv, dir, err);
}

sl_code sl_kv_compact(sl_kv *kv, sl_error *err)
{
    return kv->class->compact(kv, err);
}
