/* fs_virtual_private.h - the tree inside the virtual file system: what is seen now, and
 * how to get back from it to what is durable.
 *
 * Every node and directory holds its present state.  What a crash may take away is kept
 * as undo: per file a list of the writes since its last sync, for the whole tree a list
 * of the name changes whose directory was not synced yet.
 *
 * Thread: the lock of the file system held. */

#ifndef SL_BASE_FS_VIRTUAL_PRIVATE_H
#define SL_BASE_FS_VIRTUAL_PRIVATE_H

#include <pthread.h>

#include "base/fs_private.h"

typedef struct vnode vnode;
typedef struct vfile vfile;

typedef struct vname {
    char *name;
    vnode *node; /* holds a reference */
} vname;

/* One write or truncate, as far as needed to take it back. */
typedef struct vundo {
    int64_t offset;   /* of the write; new size of a truncate */
    int64_t length;   /* of the write; -1: a truncate */
    int64_t old_size; /* of the file */
    sl_bytes old;     /* the bytes it replaced or cut off */
} vundo;

struct vnode {
    vnode *before, *after; /* all nodes, in order of creation */
    uint32_t refs;         /* names, open files, pending name changes */
    bool is_directory;
    uint64_t inode;
    int64_t mtime_ns;
    /* a directory: names sorted by bytes */
    vname *names;
    size_t name_count, name_capacity;
    /* a file */
    sl_bytes content;
    vundo *undo;
    size_t undo_count, undo_capacity;
    uint32_t machine; /* that wrote last */
    bool sync_failed; /* its unsynced bytes can no longer become durable */
    vfile *locked_by; /* NULL: free */
};

typedef struct vchange {
    vnode *dir;
    char *name;
    vnode *from, *to; /* what the name meant before and after; NULL: nothing */
    bool durable, lost;
} vchange;

/* create, link, remove: one change; rename: the new name first, then the old. */
typedef struct vname_op {
    vchange changes[2];
    uint32_t count;
    uint32_t machine;
} vname_op;

struct sl_fs_virtual {
    sl_fs base;
    pthread_mutex_t lock;
    int64_t (*wall_ns)(void *user);
    void *wall_user;
    sl_fs_faults faults;
    vnode *root;
    vnode *first, *last;
    uint64_t inode_last;
    uint32_t machine; /* that does what is done now */
    uint64_t life;    /* files opened in an earlier one are dead */
    vfile *open;      /* all open files */
    vname_op *ops;
    size_t op_count, op_capacity;
};

extern const sl_fs_class sl_fs_virtual__class;

int64_t sl_vfs__now(sl_fs_virtual *v);
vnode *sl_vnode__new(sl_fs_virtual *v, bool is_directory); /* one reference */
void sl_vnode__ref(vnode *n);
void sl_vnode__unref(sl_fs_virtual *v, vnode *n); /* NULL is fine */

vnode *sl_vnode__child(const vnode *dir, const char *name); /* borrowed or NULL */
/* Begin an operation on names, then add its changes, which happen at once. */
void sl_vfs__begin_names(sl_fs_virtual *v);
void sl_vfs__change_name(sl_fs_virtual *v, vnode *dir, const char *name, vnode *to);
void sl_vfs__sync_dir(sl_fs_virtual *v, vnode *dir);

void sl_vnode__write(sl_fs_virtual *v, vnode *n, int64_t offset, const void *data,
                     size_t size);
void sl_vnode__truncate(sl_fs_virtual *v, vnode *n, int64_t size);
void sl_vnode__sync(vnode *n);

#define SL_VFS_ALL_MACHINES UINT32_MAX
void sl_vfs__crash(sl_fs_virtual *v, uint32_t machine, uint64_t (*rand64)(void *user),
                   void *user);
void sl_vfs__free_locks(sl_fs_virtual *v);
void sl_vfs__free_all(sl_fs_virtual *v);

#endif /* SL_BASE_FS_VIRTUAL_PRIVATE_H */
