/* fs.h - files as sluice needs them; the only way the durable rooms touch a disk.
 *
 * Two implementations: the real one (base/fs_posix.c) and a virtual one in memory
 * (base/fs_virtual.c) that forgets unsynced bytes and names when told to crash.
 * Paths are absolute or relative UTF-8, '/' separated.
 *
 * Durability: sl_file_sync() makes a file's bytes durable; sl_fs_sync_dir() makes the
 * names created, renamed or removed in a directory durable.  Nothing else promises
 * anything. Errors: SL_ENOTFOUND (no such path), SL_EEXISTS (create or rename onto a
 * name), SL_ENOSPACE, SL_EIO, SL_EUNSUPPORTED (open of a pipe or device).  After a failed
 * write or sync nothing past the last good sync of that file may be referenced (rel:3.2
 * rule F). Thread: any; one thread per sl_file. */

#ifndef SL_BASE_FS_H
#define SL_BASE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

typedef struct sl_fs sl_fs;
typedef struct sl_file sl_file;

typedef struct sl_file_info {
    int64_t size_bytes;
    int64_t mtime_ns;
    uint64_t inode;
    bool is_directory;
} sl_file_info;

typedef struct sl_dir_entry {
    char *name; /* base name */
    sl_file_info info;
} sl_dir_entry;

typedef enum sl_open_mode {
    SL_OPEN_READ,
    SL_OPEN_CREATE, /* write, must not exist */
    SL_OPEN_APPEND, /* write at the end, created if absent */
    SL_OPEN_WRITE,  /* write anywhere (pwrite), created if absent */
} sl_open_mode;

typedef struct sl_fs_class {
    sl_code (*open)(sl_fs *fs, const char *path, sl_open_mode mode, sl_file **ret,
                    sl_error *err);
    sl_code (*read)(sl_file *f, int64_t offset, void *data, size_t size, size_t *ret_read,
                    sl_error *err);
    sl_code (*append)(sl_file *f, const void *data, size_t size, sl_error *err);
    sl_code (*write_at)(sl_file *f, int64_t offset, const void *data, size_t size,
                        sl_error *err);
    sl_code (*allocate)(sl_file *f, int64_t size_bytes, sl_error *err);
    sl_code (*truncate)(sl_file *f, int64_t size_bytes, sl_error *err);
    sl_code (*sync)(sl_file *f, sl_error *err);
    sl_code (*info)(sl_file *f, sl_file_info *ret, sl_error *err);
    void (*close)(sl_file *f);
    sl_code (*stat)(sl_fs *fs, const char *path, sl_file_info *ret, sl_error *err);
    sl_code (*rename_noreplace)(sl_fs *fs, const char *from, const char *to,
                                sl_error *err);
    sl_code (*link)(sl_fs *fs, const char *from, const char *to, sl_error *err);
    sl_code (*remove)(sl_fs *fs, const char *path, sl_error *err);
    sl_code (*make_dir)(sl_fs *fs, const char *path, sl_error *err);
    sl_code (*remove_dir)(sl_fs *fs, const char *path, sl_error *err);
    sl_code (*list)(sl_fs *fs, const char *path, sl_dir_entry **ret_entries,
                    size_t *ret_count, sl_error *err);
    sl_code (*sync_dir)(sl_fs *fs, const char *path, sl_error *err);
    sl_code (*lock)(sl_fs *fs, const char *path, const char *holder, sl_file **ret,
                    sl_error *err);
} sl_fs_class;

struct sl_fs {
    const sl_fs_class *class;
};

sl_fs *sl_fs_posix(void); /* the one real file system; never freed */

SL_CHECKED sl_code sl_fs_open(sl_fs *fs, const char *path, sl_open_mode mode,
                              sl_file **ret, sl_error *err);
/* Up to size bytes at offset; *ret_read < size only at the end of the file. */
SL_CHECKED sl_code sl_file_read(sl_file *f, int64_t offset, void *data, size_t size,
                                size_t *ret_read, sl_error *err);
SL_CHECKED sl_code sl_file_append(sl_file *f, const void *data, size_t size,
                                  sl_error *err);
SL_CHECKED sl_code sl_file_write_at(sl_file *f, int64_t offset, const void *data,
                                    size_t size, sl_error *err);
SL_CHECKED sl_code sl_file_allocate(sl_file *f, int64_t size_bytes,
                                    sl_error *err); /* best effort preallocation */
SL_CHECKED sl_code sl_file_truncate(sl_file *f, int64_t size_bytes, sl_error *err);
SL_CHECKED sl_code sl_file_sync(sl_file *f, sl_error *err);
SL_CHECKED sl_code sl_file_info_get(sl_file *f, sl_file_info *ret, sl_error *err);
void sl_file_close(sl_file *f); /* NULL is fine */

SL_CHECKED sl_code sl_fs_stat(sl_fs *fs, const char *path, sl_file_info *ret,
                              sl_error *err);
bool sl_fs_exists(sl_fs *fs, const char *path);
/* SL_EEXISTS if `to` exists; `from` is gone on success. */
SL_CHECKED sl_code sl_fs_rename_noreplace(sl_fs *fs, const char *from, const char *to,
                                          sl_error *err);
SL_CHECKED sl_code sl_fs_link(sl_fs *fs, const char *from, const char *to, sl_error *err);
SL_CHECKED sl_code sl_fs_remove(sl_fs *fs, const char *path, sl_error *err);
SL_CHECKED sl_code sl_fs_make_dirs(
    sl_fs *fs, const char *path,
    sl_error *err); /* with parents; existing is fine; syncs the parents it created in */
/* The same without the sync: for what nobody misses after a crash of the host. */
SL_CHECKED sl_code sl_fs_make_scratch_dirs(sl_fs *fs, const char *path, sl_error *err);
SL_CHECKED sl_code sl_fs_remove_tree(sl_fs *fs, const char *path,
                                     sl_error *err); /* absent is fine */
/* Names sorted by bytes; "." and ".." left out. Free with sl_fs_entries_free. */
SL_CHECKED sl_code sl_fs_list(sl_fs *fs, const char *path, sl_dir_entry **ret_entries,
                              size_t *ret_count, sl_error *err);
void sl_fs_entries_free(sl_dir_entry *entries, size_t count);
SL_CHECKED sl_code sl_fs_sync_dir(sl_fs *fs, const char *path, sl_error *err);
/* The name of `path` itself is durable: for a directory found standing, which an earlier
 * process may have made without living to sync it. */
SL_CHECKED sl_code sl_fs_sync_parent(sl_fs *fs, const char *path, sl_error *err);
/* Take an exclusive lock on path (created if absent, never unlinked) and write `holder`
 * in it. SL_EBUSY with the text found in the file if another process holds it. Closing
 * frees it. */
SL_CHECKED sl_code sl_fs_lock(sl_fs *fs, const char *path, const char *holder,
                              sl_file **ret, sl_error *err);

/* Whole-file helpers over the calls above. */
SL_CHECKED sl_code sl_fs_read_all(sl_fs *fs, const char *path, size_t size_max,
                                  sl_bytes *ret, sl_error *err);
/* tmp -> write -> sync -> rename without replacing -> sync_dir. SL_EEXISTS if the name is
 * taken. */
SL_CHECKED sl_code sl_fs_write_new(sl_fs *fs, const char *path, sl_span content,
                                   sl_error *err);

/* ---- the virtual file system: deterministic, in memory ---- */
typedef struct sl_fs_virtual sl_fs_virtual;
typedef struct sl_fs_faults {
    /* Called before every operation that changes or reads something; return SL_OK to go
     * on, or a code (with err filled) that the operation then fails with. operation:
     * "append", "sync", ...; path: of rename and link the new name. A failed append or
     * write_at leaves its first half behind; a failed sync makes the file's unsynced
     * bytes lost in the next crash. Called without a lock: it may crash the system. */
    sl_code (*before)(void *user, const char *operation, const char *path, sl_error *err);
    void *user;
} sl_fs_faults;

sl_fs_virtual *sl_fs_virtual_new(int64_t (*wall_ns)(void *user), void *user);
void sl_fs_virtual_free(sl_fs_virtual *v);
sl_fs *sl_fs_virtual_fs(sl_fs_virtual *v);
void sl_fs_virtual_set_faults(sl_fs_virtual *v, sl_fs_faults faults);
/* Power loss: unsynced bytes are kept, cut at a random byte, or lost; unsynced names are
 * kept or lost, per file, drawn from rand64. Open files of the old life fail with SL_EIO;
 * locks are freed. */
void sl_fs_virtual_crash(sl_fs_virtual *v, uint64_t (*rand64)(void *user), void *user);
/* Several machines may share the system: what changes from now on is of this one (at
 * first 0). */
void sl_fs_virtual_set_machine(sl_fs_virtual *v, uint32_t machine);
/* Power loss of one of them: as above, for what it did not sync. A file with bytes of
 * several belongs to the one that wrote last; a name that rests on a lost one is lost.
 * Its open files are closed before, by the caller. */
void sl_fs_virtual_crash_machine(sl_fs_virtual *v, uint32_t machine,
                                 uint64_t (*rand64)(void *user), void *user);
/* What a machine has open is open no more, and its locks are free, though it goes on and
 * may open anew: a share that took it for dead. */
void sl_fs_virtual_lose_files(sl_fs_virtual *v, uint32_t machine);
/* Process kill: all written bytes and names stay (the kernel has them); open files fail;
 * locks are freed. */
void sl_fs_virtual_kill(sl_fs_virtual *v);

#endif /* SL_BASE_FS_H */
