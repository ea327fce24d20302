/* Opening a journal.
 *
 *   step one   open with absolute consistency
 *   step two   only after SL_ECORRUPT in step one: open read-only with the tail
 * tolerated, ask the witnesses, and open for writing only if none contradicts
 *
 * After step one the witnesses are asked too, but the segments only if journal-head
 * cannot speak: reading them costs time, and the head knows at least as much as they do.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/journal_private.h"
#include "checkpoint/layout.h"
#include "checkpoint/manifest.h"
#include "checkpoint/record_parts_private.h"
#include "objects/durable_dir.h"

#define CHAIN_CHECKED 3 /* commits whose parent hashes are compared at every open */

static const char advice[] = "restore the checkpoint from a copy, or start with a new "
                             "checkpoint location";

/* ---- what the store holds ---- */

struct edge {
    const char *prefix;
    bool is_found;
    uint64_t number;
};

static bool take_edge(void *user, sl_span key, sl_span value)
{
    (void)value;
    struct edge *e = user;
    size_t n = strlen(e->prefix);
    char digits[24] = "";
    if (key.size_bytes > n && key.size_bytes - n < sizeof digits) {
        memcpy(digits, key.data + n, key.size_bytes - n);
        e->number = strtoull(digits, NULL, 10);
        e->is_found = true;
    }
    return false;
}

/* The smallest or largest number under a prefix such as "commits/". */
static sl_code find_edge(const sl_journal *j, const char *prefix, bool is_last,
                         struct edge *ret, sl_error *err)
{
    char end[16];
    snprintf(end, sizeof end, "%s", prefix);
    end[strlen(end) - 1]++; /* '/' -> '0' */
    *ret = (struct edge){ .prefix = prefix };
    return sl_kv_range(j->kv, sl_span_text(prefix), sl_span_text(end), is_last, take_edge,
                       ret, err);
}

static sl_code find_edges(sl_journal *j, sl_error *err)
{
    struct edge last, first, offsets, epoch;
    SL_TRY(find_edge(j, "commits/", true, &last, err));
    SL_TRY(find_edge(j, "commits/", false, &first, err));
    SL_TRY(find_edge(j, "offsets/", true, &offsets, err));
    SL_TRY(find_edge(j, "epochs/", true, &epoch, err));
    j->last_commit = last.is_found ? (int64_t)last.number : -1;
    j->first_commit = first.is_found ? (int64_t)first.number : -1;
    j->pending_offsets = -1;
    j->epoch_max = epoch.is_found ? epoch.number : 0;
    if (!offsets.is_found)
        return SL_OK;
    int64_t batch = (int64_t)offsets.number;
    if (batch > j->last_commit + 1)
        return sl_fail(err, SL_ECORRUPT,
                       "%s: offsets of batch %" PRId64 " stand, but commit %" PRId64
                       " is not found; %s",
                       j->path, batch, batch - 1, advice);
    if (batch == j->last_commit + 1)
        j->pending_offsets = batch;
    return SL_OK;
}

/* ---- are the newest records whole, and one chain? ---- */

static sl_code fail_chain(const sl_journal *j, int64_t batch, const char *what,
                          sl_error *err)
{
    return sl_fail(err, SL_ECORRUPT, "%s: commit %" PRId64 " %s; %s", j->path, batch,
                   what, advice);
}

static sl_code check_commit(const sl_journal *j, int64_t batch, sl_arena *arena,
                            sl_hash128 *ret_hash, sl_hash128 *ret_parent, sl_error *err)
{
    sl_commit_record commit;
    sl_offsets_record offsets;
    sl_hash128 hash, offsets_hash;
    bool is_found = false;
    SL_TRY(sl_journal__read_commit(j, batch, arena, &commit, &hash, &is_found, err));
    if (!is_found)
        return fail_chain(j, batch, "is missing", err);
    SL_TRY(sl_journal__read_offsets(j, batch, arena, &offsets, &offsets_hash, &is_found,
                                    err));
    if (!is_found)
        return fail_chain(j, batch, "has no offsets", err);
    if (!sl_record__same_hash(commit.offsets_hash, offsets_hash))
        return fail_chain(j, batch, "names other offsets than those found", err);
    *ret_hash = hash;
    *ret_parent = commit.parent_hash;
    return SL_OK;
}

static sl_code check_chain(sl_journal *j, sl_arena *arena, sl_error *err)
{
    sl_hash128 expected = { 0, 0 };
    for (int i = 0; i < CHAIN_CHECKED; i++) {
        int64_t batch = j->last_commit - i;
        if (batch < 0 || batch < j->first_commit)
            break;
        sl_hash128 hash, parent;
        SL_TRY(check_commit(j, batch, arena, &hash, &parent, err));
        if (i == 0)
            j->last_hash = hash;
        else if (!sl_record__same_hash(hash, expected))
            return fail_chain(j, batch, "is not the parent of the next commit", err);
        expected = parent;
    }
    return SL_OK;
}

static sl_code check_pending(sl_journal *j, sl_arena *arena, sl_error *err)
{
    if (j->pending_offsets < 0)
        return SL_OK;
    sl_offsets_record offsets;
    bool is_found = false;
    SL_TRY(sl_journal__read_offsets(j, j->pending_offsets, arena, &offsets,
                                    &j->pending_hash, &is_found, err));
    if (!is_found || !sl_record__same_hash(offsets.parent_hash, j->last_hash))
        return sl_fail(err, SL_ECORRUPT,
                       "%s: offsets of batch %" PRId64
                       " do not follow the last commit found; %s",
                       j->path, j->pending_offsets, advice);
    return SL_OK;
}

/* ---- witnesses ---- */

static sl_code fail_lost(const sl_journal *j, const char *what, int64_t batch,
                         sl_error *err)
{
    return sl_fail(err, SL_ECORRUPT,
                   "%s ends with commit %" PRId64 ", but %s names batch %" PRId64
                   ": the journal has lost acknowledged commits; %s",
                   j->path, j->last_commit, what, batch, advice);
}

static sl_code ask_head(sl_journal *j, sl_arena *arena, bool *ret_silent, sl_error *err)
{
    sl_journal__head head = { .batch = -1 };
    bool is_found = false, exists = false;
    SL_TRY(sl_journal__head_read(j, &head, &is_found, &exists, err));
    *ret_silent = !is_found;
    if (!is_found)
        return SL_OK;
    j->head_sequence = head.sequence;
    sl_checkpoint_path path;
    SL_TRY(sl_layout_journal_head(j->root, &path, err));
    if (head.batch > j->last_commit)
        return fail_lost(j, path.text, head.batch, err);
    if (head.epoch > j->epoch_max)
        return sl_fail(err, SL_ECORRUPT,
                       "%s ends with epoch %" PRIu64 ", but %s names epoch %" PRIu64
                       ": the journal has lost an acknowledged record; %s",
                       j->path, j->epoch_max, path.text, head.epoch, advice);
    if (head.batch < 0 || head.batch < j->first_commit)
        return SL_OK;
    sl_commit_record commit;
    sl_hash128 hash;
    SL_TRY(sl_journal__read_commit(j, head.batch, arena, &commit, &hash, &is_found, err));
    if (!is_found || !sl_record__same_hash(hash, head.hash))
        return sl_fail(err, SL_ECORRUPT,
                       "%s: commit %" PRId64 " is not the one that %s names; %s", j->path,
                       head.batch, path.text, advice);
    return SL_OK;
}

static sl_code ask_manifests(const sl_journal *j, sl_arena *arena, bool *ret_any,
                             sl_error *err)
{
    const char *const *ids = NULL;
    uint32_t count = 0;
    SL_TRY(sl_manifest_sinks(j->fs, j->root, arena, &ids, &count, err));
    for (uint32_t i = 0; i < count; i++) {
        sl_manifest_options options = {
            .fs = j->fs, .root = j->root, .sink_id = ids[i], .query_id = j->query_id
        };
        sl_manifest *m = NULL;
        SL_TRY(sl_manifest_open(&options, &m, err));
        int64_t batch = sl_manifest_last_batch(m);
        sl_manifest_close(m);
        *ret_any = *ret_any || batch >= 0;
        if (batch > j->last_commit) {
            sl_checkpoint_path path;
            SL_TRY(sl_layout_sink(j->root, ids[i], &path, err));
            return fail_lost(j, path.text, batch, err);
        }
    }
    return SL_OK;
}

static void take_batch(void *user, int64_t batch, const sl_segment_ref *ref)
{
    (void)ref;
    int64_t *newest = user;
    *newest = batch > *newest ? batch : *newest;
}

/* A delta of batch M was made on top of commit M-1. A segment that cannot be read says
 * nothing here; verification will name it. */
static sl_code ask_segments(const sl_journal *j, bool *ret_any, sl_error *err)
{
    sl_checkpoint_path dir;
    SL_TRY(sl_layout_segments(j->root, &dir, err));
    sl_dir_entry *entries = NULL;
    size_t count = 0;
    sl_error why;
    sl_code code = sl_fs_list(j->fs, dir.text, &entries, &count, &why);
    if (code == SL_ENOTFOUND)
        return SL_OK;
    if (code != SL_OK) {
        if (err)
            *err = why;
        return code;
    }
    for (size_t i = 0; i < count && code == SL_OK; i++) {
        int64_t newest = -1;
        if (sl_segment_scan(j->fs, dir.text, entries[i].name, take_batch, &newest,
                            NULL) != SL_OK)
            continue;
        *ret_any = *ret_any || newest >= 0;
        if (newest > j->last_commit + 1) {
            sl_checkpoint_path path;
            code = sl_layout_segment(j->root, entries[i].name, &path, err);
            if (code == SL_OK)
                code = fail_lost(j, path.text, newest, err);
        }
    }
    sl_fs_entries_free(entries, count);
    return code;
}

static sl_code ask_caller(const sl_journal *j, const sl_journal_options *options,
                          sl_error *err)
{
    for (uint32_t i = 0; i < options->witness_count; i++) {
        const sl_journal_witness *w = &options->witnesses[i];
        int64_t needed = w->is_committed ? w->batch : w->batch - 1;
        if (needed > j->last_commit)
            return fail_lost(j, w->what, w->batch, err);
    }
    return SL_OK;
}

/* Everything about an opened store; j->kv is set. */
static sl_code examine(sl_journal *j, const sl_journal_options *options, bool is_damaged,
                       sl_error *err)
{
    sl_arena *arena = sl_arena_new();
    bool is_head_silent = false, is_any = false;
    sl_code code = find_edges(j, err);
    if (code == SL_OK)
        code = ask_head(j, arena, &is_head_silent, err);
    if (code == SL_OK)
        code = check_chain(j, arena, err);
    if (code == SL_OK)
        code = check_pending(j, arena, err);
    if (code == SL_OK)
        code = ask_manifests(j, arena, &is_any, err);
    if (code == SL_OK && (is_damaged || is_head_silent))
        code = ask_segments(j, &is_any, err);
    if (code == SL_OK)
        code = ask_caller(j, options, err);
    sl_arena_free(arena);
    return code;
}

/* ---- the steps ---- */

/* No store: fine for a new checkpoint, loss if anything else of it stands. */
static sl_code check_new(sl_journal *j, const sl_journal_options *options, sl_error *err)
{
    sl_journal__head head;
    bool is_found = false, exists = false, is_any = false;
    j->last_commit = j->first_commit = j->pending_offsets = -1;
    SL_TRY(sl_journal__head_read(j, &head, &is_found, &exists, err));
    if (exists) {
        sl_checkpoint_path path;
        SL_TRY(sl_layout_journal_head(j->root, &path, err));
        return sl_fail(err, SL_ECORRUPT, "%s is missing although %s is there; %s",
                       j->path, path.text, advice);
    }
    sl_arena *arena = sl_arena_new();
    sl_code code = ask_manifests(j, arena, &is_any, err);
    sl_arena_free(arena);
    SL_TRY(code);
    SL_TRY(ask_segments(j, &is_any, err));
    if (is_any)
        return sl_fail(err, SL_ECORRUPT,
                       "%s is missing although sinks/ or state/ of %s name batches; %s",
                       j->path, j->root, advice);
    return ask_caller(j, options, err);
}

static sl_code open_kv(sl_journal *j, sl_kv_recovery recovery, bool create,
                       bool read_only, sl_error *err)
{
    sl_kv_options options = { .role = SL_KV_JOURNAL,
                              .recovery = recovery,
                              .create = create,
                              .read_only = read_only };
    return sl_kv_open(j->kv_factory, j->path, &options, &j->kv, err);
}

static void drop_kv(sl_journal *j)
{
    sl_kv_close(j->kv);
    j->kv = NULL;
}

/* Step two. why_one: what step one said. */
static sl_code recover_tail(sl_journal *j, const sl_journal_options *options,
                            const sl_error *why_one, sl_error *err)
{
    sl_error why;
    if (open_kv(j, SL_KV_TOLERATE_TAIL, false, true, &why) != SL_OK) {
        if (why.code != SL_ECORRUPT) {
            if (err)
                *err = why;
            return why.code;
        }
        return sl_fail(err, SL_ECORRUPT,
                       "%s is damaged, and not only at its end: %.500s; %s", j->path,
                       why_one->text, advice);
    }
    sl_code code = examine(j, options, true, err);
    if (code != SL_OK || j->is_read_only)
        return code;
    drop_kv(j);
    SL_TRY(open_kv(j, SL_KV_TOLERATE_TAIL, false, false, err));
    return examine(j, options, true, err);
}

sl_code sl_journal__recover(sl_journal *j, const sl_journal_options *options,
                            sl_journal_recovery *ret, sl_error *err)
{
    bool exists = false, is_tail_dropped = false;
    SL_TRY(sl_kv_exists(j->kv_factory, j->path, &exists, err));
    if (!exists)
        SL_TRY(check_new(j, options, err));
    sl_error why;
    sl_code code =
        open_kv(j, SL_KV_ABSOLUTE, !exists && !j->is_read_only, j->is_read_only, &why);
    if (code == SL_OK) {
        SL_TRY(examine(j, options, false, err));
    } else if (code == SL_ECORRUPT) {
        SL_TRY(recover_tail(j, options, &why, err));
        is_tail_dropped = true;
    } else {
        if (err)
            *err = why;
        return code;
    }
    /* Before anything rests on it: the names of the store and of its location. */
    if (j->last_commit < 0 && !j->is_read_only)
        SL_TRY(sl_durable_dir_make(j->fs, j->path, 2, err));
    *ret = (sl_journal_recovery){ .last_commit = j->last_commit,
                                  .first_commit = j->first_commit,
                                  .pending_offsets = j->pending_offsets,
                                  .epoch_max = j->epoch_max,
                                  .is_tail_dropped = is_tail_dropped,
                                  .is_new = !exists };
    return SL_OK;
}
