/* content_store.h - files named by their content: <xxh3-128 hex>-<size>.<suffix>.
 *
 * The same bytes are the same file, so writing is idempotent, sharing is free, and two
 * writers cannot disagree.  A file is written as tmp, synced, renamed without replacing;
 * the directory is synced once by sl_content_sync() before anything names the files.
 *
 * Thread:     any; the calls hold no state.
 * Errors:     SL_ECORRUPT (bytes differ from the name), SL_ENOTFOUND, SL_EIO,
 * SL_ENOSPACE. Failpoints: content.write, content.rename, content.sync. */

#ifndef SL_OBJECTS_CONTENT_STORE_H
#define SL_OBJECTS_CONTENT_STORE_H

#include "base/fs.h"
#include "base/hash.h"
#include "objects/failpoint.h"

#define SL_CONTENT_NAME_MAX 72

typedef struct sl_content_name {
    char text[SL_CONTENT_NAME_MAX];
} sl_content_name;

typedef struct sl_content_store {
    sl_fs *fs;
    const char *dir; /* borrowed; made on first put */
    sl_failpoints failpoints;
} sl_content_store;

/* suffix without dot: [a-z0-9]{1,8}. */
void sl_content_name_make(sl_hash128 hash, uint64_t size_bytes, const char *suffix,
                          sl_content_name *ret);
/* SL_EINVAL if the text is not such a name. */
SL_CHECKED sl_code sl_content_name_parse(const char *text, sl_hash128 *ret_hash,
                                         uint64_t *ret_size, sl_error *err);
/* Hash of a whole file, read in pieces. */
SL_CHECKED sl_code sl_content_hash_file(sl_fs *fs, const char *path, sl_hash128 *ret_hash,
                                        uint64_t *ret_size, sl_error *err);

/* *ret_existed (may be NULL): it was there already, nothing was written. */
SL_CHECKED sl_code sl_content_put(const sl_content_store *s, sl_span content,
                                  const char *suffix, sl_content_name *ret,
                                  bool *ret_existed, sl_error *err);
/* The content of a file, streamed; the file may be on another file system. */
SL_CHECKED sl_code sl_content_put_file(const sl_content_store *s, const char *path,
                                       const char *suffix, sl_content_name *ret,
                                       bool *ret_existed, sl_error *err);
/* The names put so far are durable. */
SL_CHECKED sl_code sl_content_sync(const sl_content_store *s, sl_error *err);

/* Read everything and compare with the name. */
SL_CHECKED sl_code sl_content_verify(const sl_content_store *s, const char *name,
                                     sl_error *err);
/* Copy out to a path that must not exist, verified while copying; not synced. */
SL_CHECKED sl_code sl_content_fetch(const sl_content_store *s, const char *name,
                                    const char *to_path, sl_error *err);
/* Verified content in memory. Replaces the contents of ret. */
SL_CHECKED sl_code sl_content_get(const sl_content_store *s, const char *name,
                                  sl_bytes *ret, sl_error *err);

#endif /* SL_OBJECTS_CONTENT_STORE_H */
