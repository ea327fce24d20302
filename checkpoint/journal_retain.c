/* What leaves the journal: commits and offsets past their retention, seen files past
 * their horizon.  And the walk over every record, for verify and inspect. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "checkpoint/frame_private.h"
#include "checkpoint/journal_private.h"
#include "checkpoint/record_parts_private.h"

#define COMMITS_MIN 100
#define AGE_MIN_US (INT64_C(10) * 60 * 1000000)
#define REMOVED_PER_CALL_MAX 1000 /* bounds one atomic write */

/* ---- retention ---- */

/* The first batch whose commit a restore of this state may read: it starts from the older
 * of two snapshots, or from nothing while there are not two. */
static int64_t first_needed(const sl_state_record *s)
{
    if (s->state_id == 0)
        return INT64_MAX; /* empty since the beginning */
    switch (s->older_snapshot.kind) {
    case SL_SNAPSHOT_MANIFEST:
        return s->older_snapshot.batch + 1;
    case SL_SNAPSHOT_FULL:
        return s->older_snapshot.batch;
    case SL_SNAPSHOT_NONE:
        break;
    }
    return 0;
}

static sl_code find_needed(sl_journal *j, sl_arena *arena, int64_t *ret, sl_error *err)
{
    sl_commit_record last;
    SL_TRY(sl_journal_get_commit(j, j->last_commit, arena, &last, err));
    int64_t needed = INT64_MAX;
    for (uint32_t i = 0; i < last.state_count; i++) {
        int64_t first = first_needed(&last.states[i]);
        needed = first < needed ? first : needed;
    }
    *ret = needed;
    return SL_OK;
}

/* The first batch to keep. */
static sl_code find_keep(sl_journal *j, sl_retention retention, int64_t wall_us,
                         sl_arena *arena, int64_t *ret, sl_error *err)
{
    int64_t commits_min = retention.commits_min ? retention.commits_min : COMMITS_MIN;
    int64_t age_us = retention.age_min_us ? retention.age_min_us : AGE_MIN_US;
    int64_t keep = j->last_commit - commits_min + 1;
    if (keep <= j->first_commit) {
        *ret = j->first_commit;
        return SL_OK;
    }
    int64_t needed = 0;
    SL_TRY(find_needed(j, arena, &needed, err));
    keep = needed < keep ? needed : keep;
    if (keep > j->first_commit + REMOVED_PER_CALL_MAX)
        keep = j->first_commit + REMOVED_PER_CALL_MAX;
    int64_t batch = j->first_commit;
    for (; batch < keep; batch++) {
        sl_commit_record commit;
        sl_arena_reset(arena);
        SL_TRY(sl_journal_get_commit(j, batch, arena, &commit, err));
        if (commit.commit_wall_us > wall_us - age_us)
            break;
    }
    *ret = batch;
    return SL_OK;
}

static sl_code remove_batches(sl_journal *j, int64_t first, int64_t end, sl_error *err)
{
    size_t count = 2 * (size_t)(end - first), used = 0;
    sl_kv_op *ops = sl_calloc(count, sizeof *ops);
    char(*keys)[SL_JOURNAL__KEY_MAX] = sl_calloc(count, sizeof *keys);
    static const char *const kinds[] = { "offsets", "commits" };
    for (int64_t batch = first; batch < end; batch++) {
        for (size_t k = 0; k < 2; k++) {
            sl_journal__key(kinds[k], (uint64_t)batch, keys[used]);
            ops[used] = (sl_kv_op){ .key = sl_span_text(keys[used]), .is_remove = true };
            used++;
        }
    }
    sl_failpoint_pass(j->failpoints, "journal.retain");
    sl_code code = sl_kv_write(j->kv, ops, count, false, err);
    j->is_broken = code != SL_OK;
    sl_free(ops);
    sl_free(keys);
    return code;
}

sl_code sl_journal_retain(sl_journal *j, sl_retention retention, int64_t wall_us,
                          uint64_t *ret_removed, sl_error *err)
{
    if (j->claimed_epoch == 0 || j->claimed_epoch != j->epoch_max)
        return sl_fail(err, SL_EFENCED,
                       "%s: only the driver of the newest epoch removes commits",
                       j->path);
    if (j->is_broken)
        return sl_fail(err, SL_EIO,
                       "%s: an earlier write failed; close and open the journal again",
                       j->path);
    uint64_t removed = 0;
    if (j->last_commit >= 0) {
        int64_t keep = 0;
        sl_arena *arena = sl_arena_new();
        sl_code code = find_keep(j, retention, wall_us, arena, &keep, err);
        sl_arena_free(arena);
        SL_TRY(code);
        if (keep > j->first_commit) {
            SL_TRY(remove_batches(j, j->first_commit, keep, err));
            removed = (uint64_t)(keep - j->first_commit);
            j->first_commit = keep;
        }
    }
    *ret_removed = removed;
    return SL_OK;
}

/* ---- seen files ---- */

struct seen_walk {
    sl_journal *j;
    const char *source;
    size_t prefix_chars;
    sl_seen_fn fn;
    void *user;
    sl_bytes key; /* NUL-terminated copy */
    sl_code code;
    sl_error why;
};

static bool take_seen(void *user, sl_span key, sl_span value)
{
    struct seen_walk *w = user;
    sl_bytes_clear(&w->key);
    sl_bytes_append(&w->key, key.data, key.size_bytes);
    sl_span payload;
    size_t size = 0;
    w->code =
        sl_frame__decode(value, SL_FRAME__SEEN, SL_JOURNAL__VERSION, w->j->query_id,
                         sl_bytes_cstr(&w->key), w->j->path, &payload, &size, &w->why);
    if (w->code != SL_OK)
        return false;
    sl_reader r = sl_reader_of(payload);
    sl_journal_seen entry = { .source = w->source,
                              .path = sl_bytes_cstr(&w->key) + w->prefix_chars };
    entry.batch = sl_read_i64(&r);
    entry.mtime_us = sl_read_i64(&r);
    entry.size_bytes = sl_read_i64(&r);
    entry.value = sl_read_blob(&r);
    if (!sl_reader_done(&r)) {
        w->code = sl_fail(&w->why, SL_ECORRUPT, "%s: record %s does not decode",
                          w->j->path, sl_bytes_cstr(&w->key));
        return false;
    }
    return w->fn(w->user, &entry);
}

sl_code sl_journal_each_seen(sl_journal *j, const char *source, sl_seen_fn fn, void *user,
                             sl_error *err)
{
    sl_bytes prefix = { 0 };
    sl_bytes_printf(&prefix, "seen/%s/", source);
    struct seen_walk w = { .j = j,
                           .source = source,
                           .prefix_chars = prefix.size_bytes,
                           .fn = fn,
                           .user = user };
    sl_code code = sl_kv_prefix(j->kv, sl_bytes_span(&prefix), take_seen, &w, err);
    if (code == SL_OK && w.code != SL_OK) {
        code = w.code;
        if (err)
            *err = w.why;
    }
    sl_bytes_deinit(&prefix);
    sl_bytes_deinit(&w.key);
    return code;
}

struct forget {
    sl_arena *arena;
    int64_t before_us;
    sl_kv_op *ops; /* sl_realloc'd */
    size_t count, capacity;
};

static bool collect_old(void *user, const sl_journal_seen *entry)
{
    struct forget *f = user;
    if (entry->mtime_us >= f->before_us)
        return true;
    if (f->count == f->capacity) {
        f->capacity = f->capacity ? 2 * f->capacity : 64;
        f->ops = sl_realloc(f->ops, f->capacity * sizeof *f->ops);
    }
    const char *key = sl_arena_printf(f->arena, "seen/%s/%s", entry->source, entry->path);
    f->ops[f->count++] = (sl_kv_op){ .key = sl_span_text(key), .is_remove = true };
    return true;
}

sl_code sl_journal_forget_seen(sl_journal *j, const char *source, int64_t before_us,
                               uint64_t *ret_removed, sl_error *err)
{
    if (j->is_broken || j->is_read_only)
        return sl_fail(err, SL_EIO, "%s cannot be written; close and open it again",
                       j->path);
    struct forget f = { .arena = sl_arena_new(), .before_us = before_us };
    sl_code code = sl_journal_each_seen(j, source, collect_old, &f, err);
    if (code == SL_OK && f.count > 0) {
        code = sl_kv_write(j->kv, f.ops, f.count, false, err);
        j->is_broken = code != SL_OK;
    }
    if (code == SL_OK)
        *ret_removed = f.count;
    sl_free(f.ops);
    sl_arena_free(f.arena);
    return code;
}

/* ---- every record ---- */

struct record_walk {
    sl_journal *j;
    sl_journal_record_fn fn;
    void *user;
    sl_bytes key;
};

static bool take_record(void *user, sl_span key, sl_span value)
{
    static const struct {
        const char *name;
        sl_frame__kind kind;
    } kinds[] = { { "offsets", SL_FRAME__OFFSETS },
                  { "commits", SL_FRAME__COMMIT },
                  { "epochs", SL_FRAME__EPOCH },
                  { "seen", SL_FRAME__SEEN } };
    struct record_walk *w = user;
    sl_bytes_clear(&w->key);
    sl_bytes_append(&w->key, key.data, key.size_bytes);
    const char *text = sl_bytes_cstr(&w->key);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t n = strlen(kinds[i].name);
        if (strncmp(text, kinds[i].name, n) != 0 || text[n] != '/')
            continue;
        sl_span payload = { 0 };
        size_t size = 0;
        sl_error why = { .text = "" };
        sl_code code =
            sl_frame__decode(value, kinds[i].kind, SL_JOURNAL__VERSION, w->j->query_id,
                             text, w->j->path, &payload, &size, &why);
        w->fn(w->user, text, kinds[i].name, payload, code, why.text);
        return true;
    }
    w->fn(w->user, text, "", (sl_span){ 0 }, SL_ECORRUPT, "is of no known kind");
    return true;
}

sl_code sl_journal_each_record(sl_journal *j, sl_journal_record_fn fn, void *user,
                               sl_error *err)
{
    struct record_walk w = { .j = j, .fn = fn, .user = user };
    sl_code code =
        sl_kv_range(j->kv, (sl_span){ 0 }, (sl_span){ 0 }, false, take_record, &w, err);
    sl_bytes_deinit(&w.key);
    return code;
}
