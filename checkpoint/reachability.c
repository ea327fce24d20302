#include "checkpoint/reachability.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "checkpoint/layout.h"
#include "checkpoint/name_set_private.h"
#include "checkpoint/snapshot_file.h"
#include "objects/content_store.h"

#define REMOVE_MAX 100
#define KINDS (SL_OBJECT_STAGED + 1)

struct sl_reachability {
    sl_fs *fs;
    char *root;
    int64_t next_batch; /* first commit not read yet */
    sl_name_set sets[KINDS];
};

void sl_reachability_keep(sl_reachability *r, sl_object_kind kind, const char *name)
{
    (void)sl_name_set__add(&r->sets[kind], name);
}

bool sl_reachability_has(const sl_reachability *r, sl_object_kind kind, const char *name)
{
    return sl_name_set__has(&r->sets[kind], name);
}

uint32_t sl_reachability_count(const sl_reachability *r, sl_object_kind kind)
{
    return r->sets[kind].count;
}

/* ---- collecting ---- */

static sl_code keep_snapshot(sl_reachability *r, uint32_t partition,
                             const sl_snapshot_place *place, sl_arena *arena,
                             sl_error *err)
{
    if (place->kind != SL_SNAPSHOT_MANIFEST)
        return SL_OK;
    const char *name = sl_arena_printf(arena, "%u/%s", partition, place->manifest);
    if (sl_reachability_has(r, SL_OBJECT_SNAPSHOT, name))
        return SL_OK; /* commit after commit names the same one */
    sl_snapshot_file file;
    SL_TRY(sl_snapshot_file_read(r->fs, r->root, partition, place, arena, &file, err));
    sl_reachability_keep(r, SL_OBJECT_SNAPSHOT, name);
    for (uint32_t i = 0; i < file.table_count; i++)
        sl_reachability_keep(r, SL_OBJECT_TABLE, file.tables[i].content_name);
    return SL_OK;
}

static void keep_delta(sl_reachability *r, const sl_delta_place *d)
{
    if (d->kind == SL_DELTA_SEGMENT)
        sl_reachability_keep(r, SL_OBJECT_SEGMENT, d->segment.name);
}

static sl_code keep_commit(sl_reachability *r, const sl_commit_record *c,
                           int64_t published_batch, sl_arena *arena, sl_error *err)
{
    for (uint32_t i = 0; i < c->state_count; i++) {
        const sl_state_record *s = &c->states[i];
        keep_delta(r, &s->delta);
        keep_delta(r, &s->full);
        SL_TRY(keep_snapshot(r, s->partition, &s->snapshot, arena, err));
        SL_TRY(keep_snapshot(r, s->partition, &s->older_snapshot, arena, err));
    }
    if (c->batch <= published_batch)
        return SL_OK;
    for (uint32_t i = 0; i < c->sink_count; i++) {
        for (uint32_t k = 0; k < c->sinks[i].file_count; k++) {
            if (c->sinks[i].files[k].staged_name)
                sl_reachability_keep(r, SL_OBJECT_STAGED,
                                     c->sinks[i].files[k].staged_name);
        }
    }
    return SL_OK;
}

sl_reachability *sl_reachability_begin(sl_fs *fs, const char *root)
{
    sl_reachability *r = sl_calloc(1, sizeof *r);
    r->fs = fs;
    r->root = sl_strdup(root);
    return r;
}

sl_code sl_reachability_collect(sl_reachability *r, sl_journal *j,
                                int64_t published_batch, uint32_t commits_max,
                                bool *ret_done, sl_error *err)
{
    int64_t first = sl_journal_first_commit(j), last = sl_journal_last_commit(j);
    sl_arena *arena = sl_arena_new();
    sl_code code = SL_OK;
    if (r->next_batch < first)
        r->next_batch = first;
    for (uint32_t n = 0; first >= 0 && r->next_batch <= last && n < commits_max; n++) {
        sl_commit_record commit;
        sl_arena_reset(arena);
        code = sl_journal_get_commit(j, r->next_batch, arena, &commit, err);
        if (code == SL_OK)
            code = keep_commit(r, &commit, published_batch, arena, err);
        if (code != SL_OK)
            break;
        r->next_batch++;
    }
    sl_arena_free(arena);
    *ret_done = first < 0 || r->next_batch > last;
    return code;
}

sl_code sl_reachability_new(sl_journal *j, sl_fs *fs, const char *root,
                            int64_t published_batch, sl_reachability **ret, sl_error *err)
{
    bool done;
    sl_reachability *r = sl_reachability_begin(fs, root);
    sl_code code = sl_reachability_collect(r, j, published_batch, UINT32_MAX, &done, err);
    if (code != SL_OK) {
        sl_reachability_free(r);
        return code;
    }
    *ret = r;
    return SL_OK;
}

void sl_reachability_free(sl_reachability *r)
{
    if (!r)
        return;
    for (size_t k = 0; k < KINDS; k++)
        sl_name_set__deinit(&r->sets[k]);
    sl_free(r->root);
    sl_free(r);
}

/* ---- sweeping ---- */

struct sweep {
    const sl_reachability *r;
    int64_t older_than_ns;
    uint32_t left; /* removals this call may still do */
    sl_failpoints failpoints;
    sl_sweep *ret;
};

static bool has_ending(const char *name, const char *ending)
{
    size_t n = strlen(name), e = strlen(ending);
    return n >= e && strcmp(name + n - e, ending) == 0;
}

/* Ours to remove: the kinds of files we make, and what a crash left of making them. */
static bool is_ours(const char *name, const char *ending)
{
    const char *tmp = strstr(name, ".tmp");
    sl_hash128 hash;
    uint64_t size = 0;
    if (tmp && tmp > name)
        return true;
    return ending ? has_ending(name, ending)
                  : sl_content_name_parse(name, &hash, &size, NULL) == SL_OK;
}

/* ending: of our files there, NULL = content names. name_prefix: put before the file name
 * in the set ("3/" for partition 3). */
static sl_code sweep_dir(struct sweep *s, const char *dir, const char *name_prefix,
                         sl_object_kind kind, const char *ending, sl_error *err)
{
    sl_dir_entry *entries = NULL;
    size_t count = 0;
    sl_error why;
    sl_code code = sl_fs_list(s->r->fs, dir, &entries, &count, &why);
    if (code == SL_ENOTFOUND)
        return SL_OK;
    if (code != SL_OK) {
        if (err)
            *err = why;
        return code;
    }
    sl_bytes text = { 0 };
    for (size_t i = 0; i < count && code == SL_OK; i++) {
        const sl_dir_entry *e = &entries[i];
        sl_bytes_clear(&text);
        sl_bytes_printf(&text, "%s%s", name_prefix, e->name);
        if (e->info.is_directory || !is_ours(e->name, ending) ||
            e->info.mtime_ns >= s->older_than_ns ||
            sl_reachability_has(s->r, kind, sl_bytes_cstr(&text)))
            continue;
        if (s->left == 0) {
            s->ret->is_done = false;
            break;
        }
        sl_bytes_clear(&text);
        sl_bytes_printf(&text, "%s/%s", dir, e->name);
        sl_failpoint_pass(s->failpoints, "clean-up.remove");
        code = sl_fs_remove(s->r->fs, sl_bytes_cstr(&text), err);
        if (code == SL_OK) {
            s->left--;
            s->ret->removed_count++;
            s->ret->removed_bytes += (uint64_t)e->info.size_bytes;
        }
    }
    sl_bytes_deinit(&text);
    sl_fs_entries_free(entries, count);
    return code;
}

static sl_code sweep_partitions(struct sweep *s, sl_error *err)
{
    sl_checkpoint_path state;
    SL_TRY(sl_layout_state(s->r->root, &state, err));
    sl_dir_entry *entries = NULL;
    size_t count = 0;
    sl_error why;
    sl_code code = sl_fs_list(s->r->fs, state.text, &entries, &count, &why);
    if (code == SL_ENOTFOUND)
        return SL_OK;
    if (code != SL_OK && err)
        *err = why;
    for (size_t i = 0; i < count && code == SL_OK; i++) {
        const char *name = entries[i].name;
        if (!entries[i].info.is_directory || strspn(name, "0123456789") != strlen(name) ||
            strlen(name) > 9)
            continue;
        sl_checkpoint_path dir;
        char prefix[16];
        snprintf(prefix, sizeof prefix, "%.9s/", name);
        code =
            sl_layout_partition(s->r->root, (uint32_t)strtoul(name, NULL, 10), &dir, err);
        if (code == SL_OK)
            code = sweep_dir(s, dir.text, prefix, SL_OBJECT_SNAPSHOT, ".man", err);
    }
    sl_fs_entries_free(entries, count);
    return code;
}

sl_code sl_reachability_sweep(const sl_reachability *r, int64_t older_than_us,
                              uint32_t remove_max, sl_failpoints failpoints,
                              sl_sweep *ret, sl_error *err)
{
    sl_sweep result = { .is_done = true };
    struct sweep s = { .r = r,
                       .older_than_ns = older_than_us > INT64_MAX / 1000
                                            ? INT64_MAX
                                            : older_than_us * 1000,
                       .left = remove_max ? remove_max : REMOVE_MAX,
                       .failpoints = failpoints,
                       .ret = &result };
    sl_checkpoint_path segments, tables;
    SL_TRY(sl_layout_segments(r->root, &segments, err));
    SL_TRY(sl_layout_sst_dir(r->root, &tables, err));
    SL_TRY(sweep_dir(&s, segments.text, "", SL_OBJECT_SEGMENT, ".seg", err));
    /* Manifests before the tables they list: none is ever left without its tables. */
    SL_TRY(sweep_partitions(&s, err));
    if (result.is_done)
        SL_TRY(sweep_dir(&s, tables.text, "", SL_OBJECT_TABLE, NULL, err));
    *ret = result;
    return SL_OK;
}
