#include "objects/content_store.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "objects/durable_dir.h"

#define PIECE_BYTES ((size_t)1 << 20)
#define HEX_CHARS 32

void sl_content_name_make(sl_hash128 hash, uint64_t size_bytes, const char *suffix,
                          sl_content_name *ret)
{
    char hex[HEX_CHARS + 1];
    sl_hash128_hex(hash, hex);
    snprintf(ret->text, sizeof ret->text, "%s-%" PRIu64 ".%.8s", hex, size_bytes, suffix);
}

sl_code sl_content_name_parse(const char *text, sl_hash128 *ret_hash, uint64_t *ret_size,
                              sl_error *err)
{
    sl_hash128 hash = { 0, 0 };
    uint64_t size = 0;
    int used = 0;
    size_t hex = strspn(text, "0123456789abcdef");
    if (hex != HEX_CHARS || strlen(text) >= SL_CONTENT_NAME_MAX ||
        sscanf(text, "%16" SCNx64 "%16" SCNx64 "-%19" SCNu64 ".%n", &hash.high, &hash.low,
               &size, &used) != 3 ||
        used == 0 || text[used] == '\0' || strchr(text, '/'))
        return sl_fail(err, SL_EINVAL, "'%.80s' is not <hash>-<size>.<suffix>", text);
    *ret_hash = hash;
    *ret_size = size;
    return SL_OK;
}

/* Pass a whole file through a hash and, if given, into another file. */
static sl_code pump(sl_fs *fs, const char *path, sl_file *to, sl_hash128 *ret_hash,
                    uint64_t *ret_size, sl_error *err)
{
    sl_file *from = NULL;
    SL_TRY(sl_fs_open(fs, path, SL_OPEN_READ, &from, err));
    uint8_t *piece = sl_alloc(PIECE_BYTES);
    sl_hash_stream *stream = sl_hash_stream_new();
    uint64_t size = 0;
    sl_code code = SL_OK;
    for (;;) {
        size_t got = 0;
        code = sl_file_read(from, (int64_t)size, piece, PIECE_BYTES, &got, err);
        if (code != SL_OK || got == 0)
            break;
        sl_hash_stream_add(stream, piece, got);
        size += got;
        if (to && (code = sl_file_append(to, piece, got, err)) != SL_OK)
            break;
        if (got < PIECE_BYTES)
            break;
    }
    sl_hash128 hash = sl_hash_stream_end(stream);
    sl_free(piece);
    sl_file_close(from);
    if (code != SL_OK)
        return code;
    *ret_hash = hash;
    *ret_size = size;
    return SL_OK;
}

sl_code sl_content_hash_file(sl_fs *fs, const char *path, sl_hash128 *ret_hash,
                             uint64_t *ret_size, sl_error *err)
{
    return pump(fs, path, NULL, ret_hash, ret_size, err);
}

static void path_of(const sl_content_store *s, const char *name, sl_bytes *out)
{
    sl_bytes_clear(out);
    sl_bytes_printf(out, "%s/%s", s->dir, name);
}

/* A name no other writer uses: the process's threads by the counter, other processes by
 * their own numbers; create-if-absent decides in any case. */
static sl_code open_tmp(const sl_content_store *s, const char *name, sl_bytes *ret_path,
                        sl_file **ret, sl_error *err)
{
    static _Atomic uint64_t counter;
    SL_TRY(sl_fs_make_dirs(s->fs, s->dir, err));
    sl_code code = SL_EEXISTS;
    sl_error why;
    for (int tries = 0; tries < 10000 && code == SL_EEXISTS; tries++) {
        sl_bytes_clear(ret_path);
        sl_bytes_printf(ret_path, "%s/%s.tmp%" PRIu64, s->dir, name,
                        (uint64_t)atomic_fetch_add(&counter, 1));
        code = sl_fs_open(s->fs, sl_bytes_cstr(ret_path), SL_OPEN_CREATE, ret, &why);
    }
    if (code != SL_OK && err)
        *err = why;
    return code;
}

/* Give a written, synced tmp file its content name. */
static sl_code give_name(const sl_content_store *s, const char *tmp_path,
                         const char *name, bool *ret_existed, sl_error *err)
{
    sl_bytes path = { 0 };
    path_of(s, name, &path);
    sl_failpoint_pass(s->failpoints, "content.rename");
    sl_error why;
    sl_code code = sl_fs_rename_noreplace(s->fs, tmp_path, sl_bytes_cstr(&path), &why);
    sl_bytes_deinit(&path);
    bool existed = code == SL_EEXISTS;
    if (existed) { /* another writer was faster with the same bytes */
        (void)!sl_fs_remove(s->fs, tmp_path, NULL);
        code = SL_OK;
    }
    if (code != SL_OK) {
        if (err)
            *err = why;
        return code;
    }
    if (ret_existed)
        *ret_existed = existed;
    return SL_OK;
}

/* A file of that name and size stands already. */
static bool stands(const sl_content_store *s, const char *name, uint64_t size)
{
    sl_bytes path = { 0 };
    path_of(s, name, &path);
    sl_file_info info;
    bool is_there = sl_fs_stat(s->fs, sl_bytes_cstr(&path), &info, NULL) == SL_OK &&
                    (uint64_t)info.size_bytes == size;
    sl_bytes_deinit(&path);
    return is_there;
}

sl_code sl_content_put(const sl_content_store *s, sl_span content, const char *suffix,
                       sl_content_name *ret, bool *ret_existed, sl_error *err)
{
    sl_content_name name;
    sl_content_name_make(sl_hash128_of(content.data, content.size_bytes),
                         content.size_bytes, suffix, &name);
    if (stands(s, name.text, content.size_bytes)) {
        *ret = name;
        if (ret_existed)
            *ret_existed = true;
        return SL_OK;
    }
    sl_bytes tmp = { 0 };
    sl_file *file = NULL;
    sl_code code = open_tmp(s, name.text, &tmp, &file, err);
    if (code == SL_OK) {
        sl_failpoint_pass(s->failpoints, "content.write");
        code = sl_file_append(file, content.data, content.size_bytes, err);
        if (code == SL_OK)
            code = sl_file_sync(file, err);
        sl_file_close(file);
        if (code == SL_OK)
            code = give_name(s, sl_bytes_cstr(&tmp), name.text, ret_existed, err);
        if (code != SL_OK)
            (void)!sl_fs_remove(s->fs, sl_bytes_cstr(&tmp), NULL);
    }
    sl_bytes_deinit(&tmp);
    if (code == SL_OK)
        *ret = name;
    return code;
}

/* Copy path to a synced tmp file; the name follows from the bytes copied. */
static sl_code copy_in(const sl_content_store *s, const char *path, const char *suffix,
                       sl_file *to, sl_content_name *ret_name, sl_error *err)
{
    sl_hash128 hash;
    uint64_t size = 0;
    sl_failpoint_pass(s->failpoints, "content.write");
    SL_TRY(pump(s->fs, path, to, &hash, &size, err));
    SL_TRY(sl_file_sync(to, err));
    sl_content_name_make(hash, size, suffix, ret_name);
    return SL_OK;
}

sl_code sl_content_put_file(const sl_content_store *s, const char *path,
                            const char *suffix, sl_content_name *ret, bool *ret_existed,
                            sl_error *err)
{
    /* Hash first: after the first snapshot most tables stand already. */
    sl_hash128 hash;
    uint64_t size = 0;
    SL_TRY(sl_content_hash_file(s->fs, path, &hash, &size, err));
    sl_content_name name;
    sl_content_name_make(hash, size, suffix, &name);
    if (stands(s, name.text, size)) {
        *ret = name;
        if (ret_existed)
            *ret_existed = true;
        return SL_OK;
    }
    sl_bytes tmp = { 0 };
    sl_file *file = NULL;
    sl_code code = open_tmp(s, name.text, &tmp, &file, err);
    if (code == SL_OK) {
        code = copy_in(s, path, suffix, file, &name, err);
        sl_file_close(file);
        if (code == SL_OK)
            code = give_name(s, sl_bytes_cstr(&tmp), name.text, ret_existed, err);
        if (code != SL_OK)
            (void)!sl_fs_remove(s->fs, sl_bytes_cstr(&tmp), NULL);
    }
    sl_bytes_deinit(&tmp);
    if (code == SL_OK)
        *ret = name;
    return code;
}

sl_code sl_content_sync(const sl_content_store *s, sl_error *err)
{
    sl_failpoint_pass(s->failpoints, "content.sync");
    SL_TRY(sl_durable_dir_make(s->fs, s->dir, 1, err));
    return sl_fs_sync_dir(s->fs, s->dir, err);
}

static sl_code fail_differs(const sl_content_store *s, const char *name, sl_error *err)
{
    return sl_fail(err, SL_ECORRUPT,
                   "%s/%s: the bytes do not have the hash and size of the name", s->dir,
                   name);
}

sl_code sl_content_verify(const sl_content_store *s, const char *name, sl_error *err)
{
    sl_hash128 want, hash;
    uint64_t want_size = 0, size = 0;
    SL_TRY(sl_content_name_parse(name, &want, &want_size, err));
    sl_bytes path = { 0 };
    path_of(s, name, &path);
    sl_code code = pump(s->fs, sl_bytes_cstr(&path), NULL, &hash, &size, err);
    sl_bytes_deinit(&path);
    SL_TRY(code);
    if (size != want_size || hash.low != want.low || hash.high != want.high)
        return fail_differs(s, name, err);
    return SL_OK;
}

sl_code sl_content_fetch(const sl_content_store *s, const char *name, const char *to_path,
                         sl_error *err)
{
    sl_hash128 want, hash = { 0, 0 };
    uint64_t want_size = 0, size = 0;
    SL_TRY(sl_content_name_parse(name, &want, &want_size, err));
    sl_file *to = NULL;
    SL_TRY(sl_fs_open(s->fs, to_path, SL_OPEN_CREATE, &to, err));
    sl_bytes path = { 0 };
    path_of(s, name, &path);
    sl_code code = pump(s->fs, sl_bytes_cstr(&path), to, &hash, &size, err);
    sl_bytes_deinit(&path);
    sl_file_close(to);
    if (code == SL_OK &&
        (size != want_size || hash.low != want.low || hash.high != want.high))
        code = fail_differs(s, name, err);
    if (code != SL_OK)
        (void)!sl_fs_remove(s->fs, to_path, NULL);
    return code;
}

sl_code sl_content_get(const sl_content_store *s, const char *name, sl_bytes *ret,
                       sl_error *err)
{
    sl_hash128 want;
    uint64_t want_size = 0;
    SL_TRY(sl_content_name_parse(name, &want, &want_size, err));
    sl_bytes path = { 0 }, content = { 0 };
    path_of(s, name, &path);
    sl_code code =
        sl_fs_read_all(s->fs, sl_bytes_cstr(&path), (size_t)want_size, &content, err);
    sl_bytes_deinit(&path);
    sl_hash128 hash = sl_hash128_of(content.data, content.size_bytes);
    if (code == SL_OK && (content.size_bytes != want_size || hash.low != want.low ||
                          hash.high != want.high))
        code = fail_differs(s, name, err);
    if (code == SL_OK) {
        sl_bytes_deinit(ret);
        *ret = content;
    } else {
        sl_bytes_deinit(&content);
    }
    return code;
}
