#include "statestore/state_check.h"

#include <string.h>

#include "base/arena.h"
#include "base/budget.h"
#include "base/hash.h"
#include "checkpoint/journal.h"
#include "checkpoint/lock.h"
#include "checkpoint/query_file.h"
#include "statestore/maintenance.h"

struct check {
    const char *root, *scratch;
    sl_fs *fs;
    const sl_kv_factory *kv;
    sl_arena *arena;
    sl_query_file query;
    sl_journal *journal;
    int64_t last, first;       /* commits read */
    sl_commit_record *commits; /* [last - first + 1] */
    sl_budget budget;
};

static const sl_commit_record *commit_of(const struct check *c, int64_t batch)
{
    return batch >= c->first && batch <= c->last ? &c->commits[batch - c->first] : NULL;
}

static const sl_state_record *record_of(const sl_commit_record *commit,
                                        uint32_t partition)
{
    for (uint32_t i = 0; commit != NULL && i < commit->state_count; i++)
        if (commit->states[i].partition == partition)
            return &commit->states[i];
    return NULL;
}

/* The first batch whose commit a restore of this partition reads. */
static int64_t first_needed(const sl_state_record *r)
{
    switch (r->snapshot.kind) {
    case SL_SNAPSHOT_FULL:
        return r->snapshot.batch;
    case SL_SNAPSHOT_MANIFEST:
        return r->snapshot.batch + 1;
    default:
        return 0;
    }
}

static sl_code read_commits(struct check *c, sl_error *err)
{
    sl_commit_record newest;
    SL_TRY(sl_journal_get_commit(c->journal, c->last, c->arena, &newest, err));
    c->first = c->last;
    for (uint32_t i = 0; i < newest.state_count; i++) {
        int64_t need = first_needed(&newest.states[i]);
        c->first = need < c->first ? need : c->first;
    }
    size_t count = (size_t)(c->last - c->first + 1);
    c->commits = SL_ARENA_ARRAY(c->arena, sl_commit_record, count);
    for (size_t i = 0; i < count; i++)
        SL_TRY(sl_journal_get_commit(c->journal, c->first + (int64_t)i, c->arena,
                                     &c->commits[i], err));
    return SL_OK;
}

static sl_code make_recipe(const struct check *c, const sl_state_record *now,
                           sl_state_recipe *ret, sl_error *err)
{
    const sl_snapshot_place *snapshot = &now->snapshot;
    *ret =
        (sl_state_recipe){ .version = { c->last, now->state_id }, .snapshot = *snapshot };
    int64_t from = snapshot->kind == SL_SNAPSHOT_NONE ? 0 : snapshot->batch + 1;
    if (snapshot->kind == SL_SNAPSHOT_FULL) {
        const sl_state_record *r =
            record_of(commit_of(c, snapshot->batch), now->partition);
        if (r == NULL || r->full.kind == SL_DELTA_NONE)
            return sl_fail(err, SL_ECORRUPT,
                           "%s: commit %lld lacks the full state of partition %u",
                           c->root, (long long)snapshot->batch, now->partition);
        ret->full = r->full;
    }
    sl_state_step *steps =
        SL_ARENA_ARRAY(c->arena, sl_state_step, (size_t)(c->last - from + 2));
    for (int64_t b = from; b <= c->last; b++) {
        const sl_state_record *r = record_of(commit_of(c, b), now->partition);
        if (r != NULL && r->delta.kind != SL_DELTA_NONE)
            steps[ret->step_count++] = (sl_state_step){ { b, r->state_id }, r->delta };
    }
    ret->steps = steps;
    return SL_OK;
}

static sl_code verify_groups(struct check *c, uint32_t partition, uint32_t first,
                             uint32_t end, const sl_state_recipe *recipe,
                             sl_state_figures *ret, sl_error *err)
{
    sl_state_home home = {
        .fs = c->fs,
        .kv = c->kv,
        .checkpoint_dir = c->root,
        .query_id = c->query.query_id,
        .query_hash = sl_hash64(c->query.query_id, strlen(c->query.query_id)),
        .partition = partition,
        .group_first = first,
        .group_end = end,
    };
    return sl_state_verify(&home, c->scratch, recipe, &c->budget, ret, err);
}

static sl_code check_partition(struct check *c, const sl_state_record *now,
                               sl_state_check *found, sl_error *err)
{
    uint64_t n = c->query.partition_count, p = now->partition;
    uint32_t groups = c->query.key_group_count;
    uint32_t first = (uint32_t)((p * groups + n - 1) / n);
    uint32_t end = (uint32_t)(((p + 1) * groups + n - 1) / n);
    sl_state_figures figures = { 0 };
    sl_state_recipe recipe;
    SL_TRY(make_recipe(c, now, &recipe, err));
    sl_code code = verify_groups(c, now->partition, first, end, &recipe, &figures, err);
    if (code == SL_EINCOMPATIBLE && p == 0) /* a global operator's partition holds all */
        code = verify_groups(c, 0, 0, groups, &recipe, &figures, err);
    SL_TRY(code);
    if (figures.row_count != now->row_count)
        return sl_fail(err, SL_ECORRUPT,
                       "%s: partition %u has %llu rows, its commit %lld says %llu",
                       c->root, now->partition, (unsigned long long)figures.row_count,
                       (long long)c->last, (unsigned long long)now->row_count);
    found->partitions++;
    found->rows += figures.row_count;
    return SL_OK;
}

static sl_code check_all(struct check *c, sl_state_check *found, sl_error *err)
{
    sl_journal_recovery recovery;
    SL_TRY(sl_query_file_read(c->fs, c->root, c->arena, &c->query, err));
    sl_journal_options options = { .root = c->root,
                                   .fs = c->fs,
                                   .kv = c->kv,
                                   .query_id = c->query.query_id,
                                   .read_only = true };
    SL_TRY(sl_journal_open(&options, &c->journal, &recovery, err));
    c->last = recovery.last_commit;
    if (c->last < 0)
        return SL_OK;
    SL_TRY(read_commits(c, err));
    const sl_commit_record *newest = commit_of(c, c->last);
    for (uint32_t i = 0; i < newest->state_count; i++)
        SL_TRY(check_partition(c, &newest->states[i], found, err));
    return SL_OK;
}

sl_code sl_state_check_run(sl_fs *fs, const sl_kv_factory *kv, const char *root,
                           const char *scratch_dir, int64_t pid, sl_state_check *ret,
                           sl_error *err)
{
    struct check c = {
        .root = root, .scratch = scratch_dir, .fs = fs, .kv = kv, .arena = sl_arena_new()
    };
    sl_state_check found = { 0 };
    sl_file *lock = NULL;
    sl_budget_init(&c.budget, NULL, "checkpoint verify", INT64_MAX);
    sl_code code =
        sl_checkpoint_lock(fs, root, pid, "verifying the checkpoint", &lock, err);
    if (code == SL_OK)
        code = check_all(&c, &found, err);
    sl_journal_close(c.journal);
    sl_file_close(lock);
    sl_arena_free(c.arena);
    (void)!sl_fs_remove_tree(fs, scratch_dir, NULL);
    if (code == SL_OK)
        *ret = found;
    return code;
}
