#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/fs_virtual_private.h"

/* ---- nodes ---- */

int64_t sl_vfs__now(sl_fs_virtual *v)
{
    return v->wall_ns ? v->wall_ns(v->wall_user) : 0;
}

vnode *sl_vnode__new(sl_fs_virtual *v, bool is_directory)
{
    vnode *n = sl_calloc(1, sizeof *n);
    n->refs = 1;
    n->is_directory = is_directory;
    n->inode = ++v->inode_last;
    n->mtime_ns = sl_vfs__now(v);
    n->before = v->last;
    if (v->last)
        v->last->after = n;
    else
        v->first = n;
    v->last = n;
    return n;
}

void sl_vnode__ref(vnode *n)
{
    if (n)
        n->refs++;
}

static void drop_undo(vnode *n)
{
    for (size_t i = 0; i < n->undo_count; i++)
        sl_bytes_deinit(&n->undo[i].old);
    n->undo_count = 0;
}

void sl_vnode__unref(sl_fs_virtual *v, vnode *n)
{
    if (!n || --n->refs > 0)
        return;
    *(n->before ? &n->before->after : &v->first) = n->after;
    *(n->after ? &n->after->before : &v->last) = n->before;
    for (size_t i = 0; i < n->name_count; i++) {
        sl_free(n->names[i].name);
        sl_vnode__unref(v, n->names[i].node);
    }
    drop_undo(n);
    sl_free(n->undo);
    sl_free(n->names);
    sl_bytes_deinit(&n->content);
    sl_free(n);
}

/* ---- names ---- */

/* Where name is, or would be put. */
static size_t position_of(const vnode *dir, const char *name, bool *ret_found)
{
    size_t low = 0, high = dir->name_count;
    *ret_found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(dir->names[middle].name, name);
        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

vnode *sl_vnode__child(const vnode *dir, const char *name)
{
    bool found;
    size_t i = position_of(dir, name, &found);
    return found ? dir->names[i].node : NULL;
}

static void put_name(vnode *dir, size_t i, const char *name, vnode *to)
{
    if (dir->name_count == dir->name_capacity) {
        dir->name_capacity = dir->name_capacity ? dir->name_capacity * 2 : 8;
        dir->names = sl_realloc(dir->names, dir->name_capacity * sizeof dir->names[0]);
    }
    memmove(dir->names + i + 1, dir->names + i,
            (dir->name_count - i) * sizeof dir->names[0]);
    dir->names[i] = (vname){ .name = sl_strdup(name), .node = to };
    dir->name_count++;
}

/* Make name mean `to`; NULL takes it away. */
static void set_name(sl_fs_virtual *v, vnode *dir, const char *name, vnode *to)
{
    bool found;
    size_t i = position_of(dir, name, &found);
    sl_vnode__ref(to);
    if (found && to) {
        sl_vnode__unref(v, dir->names[i].node);
        dir->names[i].node = to;
    } else if (found) {
        vname gone = dir->names[i];
        dir->name_count--;
        memmove(dir->names + i, dir->names + i + 1,
                (dir->name_count - i) * sizeof dir->names[0]);
        sl_free(gone.name);
        sl_vnode__unref(v, gone.node);
    } else if (to) {
        put_name(dir, i, name, to);
    }
}

void sl_vfs__begin_names(sl_fs_virtual *v)
{
    if (v->op_count == v->op_capacity) {
        v->op_capacity = v->op_capacity ? v->op_capacity * 2 : 16;
        v->ops = sl_realloc(v->ops, v->op_capacity * sizeof v->ops[0]);
    }
    v->ops[v->op_count++] = (vname_op){ .machine = v->machine };
}

void sl_vfs__change_name(sl_fs_virtual *v, vnode *dir, const char *name, vnode *to)
{
    SL_ASSERT(v->op_count > 0 && v->ops[v->op_count - 1].count < 2);
    vname_op *op = &v->ops[v->op_count - 1];
    vchange *c = &op->changes[op->count++];
    *c = (vchange){
        .dir = dir, .name = sl_strdup(name), .from = sl_vnode__child(dir, name), .to = to
    };
    sl_vnode__ref(c->dir);
    sl_vnode__ref(c->from);
    sl_vnode__ref(c->to);
    set_name(v, dir, name, to);
    dir->mtime_ns = sl_vfs__now(v);
}

static void free_op(sl_fs_virtual *v, vname_op *op)
{
    for (uint32_t i = 0; i < op->count; i++) {
        sl_free(op->changes[i].name);
        sl_vnode__unref(v, op->changes[i].from);
        sl_vnode__unref(v, op->changes[i].to);
        sl_vnode__unref(v, op->changes[i].dir);
    }
}

static bool same_name(const vchange *a, const vchange *b)
{
    return a->dir == b->dir && strcmp(a->name, b->name) == 0;
}

/* A rename between directories is one step of the file system: its old name is never
 * durably gone before its new one is there.  And a name's changes become durable in
 * order. */
static void make_durable(sl_fs_virtual *v, size_t op, uint32_t change)
{
    vchange *c = &v->ops[op].changes[change];
    if (c->durable)
        return;
    c->durable = true;
    if (change == 1)
        make_durable(v, op, 0);
    for (size_t i = 0; i < op; i++)
        for (uint32_t k = 0; k < v->ops[i].count; k++)
            if (!v->ops[i].changes[k].durable && same_name(&v->ops[i].changes[k], c))
                make_durable(v, i, k);
}

static bool all_durable(const vname_op *op)
{
    for (uint32_t i = 0; i < op->count; i++)
        if (!op->changes[i].durable)
            return false;
    return true;
}

void sl_vfs__sync_dir(sl_fs_virtual *v, vnode *dir)
{
    for (size_t i = 0; i < v->op_count; i++)
        for (uint32_t k = 0; k < v->ops[i].count; k++)
            if (v->ops[i].changes[k].dir == dir)
                make_durable(v, i, k);
    size_t kept = 0;
    for (size_t i = 0; i < v->op_count; i++) {
        if (all_durable(&v->ops[i]))
            free_op(v, &v->ops[i]);
        else
            v->ops[kept++] = v->ops[i];
    }
    v->op_count = kept;
}

/* ---- bytes of a file ---- */

static void set_size(vnode *n, int64_t size)
{
    size_t target = (size_t)size;
    if (target > n->content.size_bytes) {
        sl_bytes_reserve(&n->content, target - n->content.size_bytes);
        memset(n->content.data + n->content.size_bytes, 0,
               target - n->content.size_bytes);
    }
    n->content.size_bytes = target;
    if (n->content.data)
        n->content.data[target] = '\0';
}

static void write_bytes(vnode *n, int64_t offset, const void *data, size_t size)
{
    if (offset + (int64_t)size > (int64_t)n->content.size_bytes)
        set_size(n, offset + (int64_t)size);
    if (size > 0)
        memcpy(n->content.data + offset, data, size);
}

static vundo *add_undo(vnode *n, int64_t offset, int64_t length)
{
    if (n->undo_count == n->undo_capacity) {
        n->undo_capacity = n->undo_capacity ? n->undo_capacity * 2 : 8;
        n->undo = sl_realloc(n->undo, n->undo_capacity * sizeof n->undo[0]);
    }
    vundo *u = &n->undo[n->undo_count++];
    *u = (vundo){ .offset = offset,
                  .length = length,
                  .old_size = (int64_t)n->content.size_bytes };
    return u;
}

/* Appends that follow each other are one entry: a log written record by record stays
 * cheap. */
static bool extends_last(const vnode *n, int64_t offset)
{
    if (n->undo_count == 0 || offset != (int64_t)n->content.size_bytes)
        return false;
    const vundo *u = &n->undo[n->undo_count - 1];
    return u->length > 0 && u->offset == u->old_size && u->offset + u->length == offset;
}

void sl_vnode__write(sl_fs_virtual *v, vnode *n, int64_t offset, const void *data,
                     size_t size)
{
    if (size == 0)
        return;
    n->machine = v->machine;
    if (extends_last(n, offset)) {
        n->undo[n->undo_count - 1].length += (int64_t)size;
    } else {
        vundo *u = add_undo(n, offset, (int64_t)size);
        if (offset < u->old_size) {
            int64_t end = offset + (int64_t)size;
            int64_t old_end = end < u->old_size ? end : u->old_size;
            sl_bytes_append(&u->old, n->content.data + offset,
                            (size_t)(old_end - offset));
        }
    }
    write_bytes(n, offset, data, size);
    n->mtime_ns = sl_vfs__now(v);
}

void sl_vnode__truncate(sl_fs_virtual *v, vnode *n, int64_t size)
{
    n->machine = v->machine;
    vundo *u = add_undo(n, size, -1);
    if (size < u->old_size)
        sl_bytes_append(&u->old, n->content.data + size, (size_t)(u->old_size - size));
    set_size(n, size);
    n->mtime_ns = sl_vfs__now(v);
}

void sl_vnode__sync(vnode *n)
{
    if (!n->sync_failed)
        drop_undo(n);
}

/* ---- crash ---- */

static void take_back(vnode *n, const vundo *u)
{
    set_size(n, u->old_size);
    if (u->old.size_bytes > 0)
        memcpy(n->content.data + u->offset, u->old.data, u->old.size_bytes);
}

/* Of the writes since the last sync the first `kept` bytes stay (a truncate counts as
 * one). */
static void cut_writes(vnode *n, uint64_t kept, uint64_t total)
{
    while (n->undo_count > 0) {
        vundo *u = &n->undo[n->undo_count - 1];
        uint64_t weight = u->length > 0 ? (uint64_t)u->length : 1;
        uint64_t start = total - weight;
        if (total <= kept)
            return;
        sl_bytes part = { 0 };
        if (start < kept)
            sl_bytes_append(&part, n->content.data + u->offset, (size_t)(kept - start));
        take_back(n, u);
        if (part.size_bytes > 0)
            write_bytes(n, u->offset, part.data, part.size_bytes);
        sl_bytes_deinit(&part);
        sl_bytes_deinit(&u->old);
        n->undo_count--;
        total = start;
    }
}

static void crash_content(vnode *n, uint64_t (*rand64)(void *user), void *user)
{
    uint64_t total = 0;
    for (size_t i = 0; i < n->undo_count; i++)
        total += n->undo[i].length > 0 ? (uint64_t)n->undo[i].length : 1;
    if (total > 0) {
        uint64_t fate = rand64(user) % 3;
        uint64_t kept = fate == 0 ? 0 : fate == 1 ? total : rand64(user) % (total + 1);
        cut_writes(n, n->sync_failed ? 0 : kept, total);
    }
    drop_undo(n);
    n->sync_failed = false;
}

/* True if an earlier change of this name was lost: what was built on it is lost too. */
static bool builds_on_lost(const sl_fs_virtual *v, size_t op)
{
    for (size_t i = 0; i < op; i++)
        for (uint32_t k = 0; k < v->ops[i].count; k++)
            for (uint32_t m = 0; m < v->ops[op].count && v->ops[i].changes[k].lost; m++)
                if (same_name(&v->ops[i].changes[k], &v->ops[op].changes[m]))
                    return true;
    return false;
}

/* A rename within a directory is kept or lost as one; between directories the new name
 * may be there while the old one still is. */
static void draw_fate(sl_fs_virtual *v, uint32_t machine, size_t op, uint64_t drawn)
{
    vname_op *o = &v->ops[op];
    bool is_safe = machine != SL_VFS_ALL_MACHINES && o->machine != machine;
    bool both_pending = o->count == 2 && !o->changes[0].durable;
    bool lost = builds_on_lost(v, op);
    if (both_pending && o->changes[0].dir != o->changes[1].dir && !lost && !is_safe) {
        o->changes[0].lost = drawn % 3 == 0;
        o->changes[1].lost = drawn % 3 != 1;
        return;
    }
    lost = lost || (!is_safe && drawn % 2 == 0);
    for (uint32_t k = 0; k < o->count; k++)
        o->changes[k].lost = lost && !o->changes[k].durable;
}

/* Of a machine that did not crash, and not lost with what it rested on. */
static bool is_pending(const vname_op *op, uint32_t machine)
{
    bool lost = false;
    for (uint32_t k = 0; k < op->count; k++)
        lost = lost || op->changes[k].lost;
    return machine != SL_VFS_ALL_MACHINES && op->machine != machine && !lost;
}

/* Back to what is durable, then forward again with the changes that luck kept. */
static void crash_names(sl_fs_virtual *v, uint32_t machine,
                        uint64_t (*rand64)(void *user), void *user)
{
    for (size_t i = v->op_count; i-- > 0;)
        for (uint32_t k = v->ops[i].count; k-- > 0;)
            if (!v->ops[i].changes[k].durable)
                set_name(v, v->ops[i].changes[k].dir, v->ops[i].changes[k].name,
                         v->ops[i].changes[k].from);
    for (size_t i = 0; i < v->op_count; i++) {
        draw_fate(v, machine, i, rand64(user));
        for (uint32_t k = 0; k < v->ops[i].count; k++) {
            vchange *c = &v->ops[i].changes[k];
            if (!c->lost && !c->durable)
                set_name(v, c->dir, c->name, c->to);
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < v->op_count; i++) {
        if (is_pending(&v->ops[i], machine))
            v->ops[kept++] = v->ops[i];
        else
            free_op(v, &v->ops[i]);
    }
    v->op_count = kept;
}

void sl_vfs__free_locks(sl_fs_virtual *v)
{
    for (vnode *n = v->first; n; n = n->after)
        n->locked_by = NULL;
}

void sl_vfs__crash(sl_fs_virtual *v, uint32_t machine, uint64_t (*rand64)(void *user),
                   void *user)
{
    for (vnode *n = v->first; n; n = n->after)
        if (machine == SL_VFS_ALL_MACHINES || n->machine == machine)
            crash_content(n, rand64, user);
    crash_names(v, machine, rand64, user);
}

void sl_vfs__free_all(sl_fs_virtual *v)
{
    for (size_t i = 0; i < v->op_count; i++)
        free_op(v, &v->ops[i]);
    sl_free(v->ops);
    sl_vnode__unref(v, v->root);
}
