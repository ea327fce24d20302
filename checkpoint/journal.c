#include "checkpoint/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/metrics.h"
#include "checkpoint/frame_private.h"
#include "checkpoint/journal_private.h"
#include "checkpoint/layout.h"
#include "checkpoint/record_parts_private.h"

void sl_journal__key(const char *kind, uint64_t number, char ret[SL_JOURNAL__KEY_MAX])
{
    snprintf(ret, SL_JOURNAL__KEY_MAX, "%s/%020" PRIu64, kind, number);
}

/* ---- reading ---- */

sl_code sl_journal__get(const sl_journal *j, const char *key, uint16_t kind,
                        sl_bytes *value, sl_span *ret_payload, bool *ret_found,
                        sl_error *err)
{
    size_t size = 0;
    SL_TRY(sl_kv_get(j->kv, sl_span_text(key), value, ret_found, err));
    if (!*ret_found)
        return SL_OK;
    SL_TRY(sl_frame__decode(sl_bytes_span(value), (sl_frame__kind)kind,
                            SL_JOURNAL__VERSION, j->query_id, key, j->path, ret_payload,
                            &size, err));
    if (size != value->size_bytes)
        return sl_fail(err, SL_ECORRUPT, "%s: record %s is longer than it says", j->path,
                       key);
    return SL_OK;
}

static sl_code fail_at(const sl_journal *j, const char *key, const sl_error *why,
                       sl_error *err)
{
    return sl_fail(err, why->code, "%s: %s: %s", j->path, key, why->text);
}

sl_code sl_journal__read_commit(const sl_journal *j, int64_t batch, sl_arena *arena,
                                sl_commit_record *ret, sl_hash128 *ret_hash,
                                bool *ret_found, sl_error *err)
{
    char key[SL_JOURNAL__KEY_MAX];
    sl_bytes value = { 0 };
    sl_span payload = { 0 };
    sl_error why;
    sl_journal__key("commits", (uint64_t)batch, key);
    sl_code code =
        sl_journal__get(j, key, SL_FRAME__COMMIT, &value, &payload, ret_found, err);
    if (code == SL_OK && *ret_found) {
        *ret_hash = sl_hash128_of(payload.data, payload.size_bytes);
        code = sl_commit_decode(payload, arena, ret, &why);
        if (code == SL_OK && ret->batch != batch)
            code = sl_fail(&why, SL_ECORRUPT, "is of batch %" PRId64, ret->batch);
        if (code != SL_OK)
            fail_at(j, key, &why, err);
    }
    sl_bytes_deinit(&value);
    return code;
}

sl_code sl_journal__read_offsets(const sl_journal *j, int64_t batch, sl_arena *arena,
                                 sl_offsets_record *ret, sl_hash128 *ret_hash,
                                 bool *ret_found, sl_error *err)
{
    char key[SL_JOURNAL__KEY_MAX];
    sl_bytes value = { 0 };
    sl_span payload = { 0 };
    sl_error why;
    sl_journal__key("offsets", (uint64_t)batch, key);
    sl_code code =
        sl_journal__get(j, key, SL_FRAME__OFFSETS, &value, &payload, ret_found, err);
    if (code == SL_OK && *ret_found) {
        *ret_hash = sl_hash128_of(payload.data, payload.size_bytes);
        code = sl_offsets_decode(payload, arena, ret, &why);
        if (code == SL_OK && ret->batch != batch)
            code = sl_fail(&why, SL_ECORRUPT, "is of batch %" PRId64, ret->batch);
        if (code != SL_OK)
            fail_at(j, key, &why, err);
    }
    sl_bytes_deinit(&value);
    return code;
}

sl_code sl_journal_get_offsets(sl_journal *j, int64_t batch, sl_arena *arena,
                               sl_offsets_record *ret, sl_error *err)
{
    sl_hash128 hash;
    bool is_found = false;
    sl_offsets_record record;
    SL_TRY(sl_journal__read_offsets(j, batch, arena, &record, &hash, &is_found, err));
    if (!is_found)
        return sl_fail(err, SL_ENOTFOUND, "%s: there are no offsets of batch %" PRId64,
                       j->path, batch);
    *ret = record;
    return SL_OK;
}

sl_code sl_journal_get_commit(sl_journal *j, int64_t batch, sl_arena *arena,
                              sl_commit_record *ret, sl_error *err)
{
    sl_hash128 hash;
    bool is_found = false;
    sl_commit_record record;
    SL_TRY(sl_journal__read_commit(j, batch, arena, &record, &hash, &is_found, err));
    if (!is_found)
        return sl_fail(err, SL_ENOTFOUND, "%s: there is no commit of batch %" PRId64,
                       j->path, batch);
    *ret = record;
    return SL_OK;
}

int64_t sl_journal_last_commit(const sl_journal *j)
{
    return j->last_commit;
}

int64_t sl_journal_first_commit(const sl_journal *j)
{
    return j->first_commit;
}

int64_t sl_journal_pending_offsets(const sl_journal *j)
{
    return j->pending_offsets;
}

uint64_t sl_journal_epoch_max(const sl_journal *j)
{
    return j->epoch_max;
}

sl_hash128 sl_journal_head_hash(const sl_journal *j)
{
    return j->last_hash;
}

/* ---- opening ---- */

sl_code sl_journal_open(const sl_journal_options *options, sl_journal **ret,
                        sl_journal_recovery *ret_recovery, sl_error *err)
{
    sl_checkpoint_path path;
    SL_TRY(sl_layout_journal(options->root, &path, err));
    sl_journal *j = sl_calloc(1, sizeof *j);
    j->fs = options->fs;
    j->kv_factory = options->kv;
    j->root = sl_strdup(options->root);
    j->query_id = sl_strdup(options->query_id);
    j->path = sl_strdup(path.text);
    j->failpoints = options->failpoints;
    j->is_read_only = options->read_only;
    j->last_commit = j->first_commit = j->pending_offsets = -1;
    sl_journal_recovery recovery;
    sl_code code = sl_journal__recover(j, options, &recovery, err);
    if (code != SL_OK) {
        sl_journal_close(j);
        return code;
    }
    *ret = j;
    *ret_recovery = recovery;
    return SL_OK;
}

void sl_journal_close(sl_journal *j)
{
    if (!j)
        return;
    sl_kv_close(j->kv);
    sl_file_close(j->head_file);
    sl_free(j->root);
    sl_free(j->query_id);
    sl_free(j->path);
    sl_free(j);
}

/* ---- writing ---- */

/* The ops of one atomic write, with what they point to. */
struct batch {
    sl_arena *arena;
    sl_kv_op *ops;
    size_t count, capacity;
};

static void batch_init(struct batch *b, size_t capacity)
{
    *b = (struct batch){ .arena = sl_arena_new(), .capacity = capacity };
    b->ops = SL_ARENA_ARRAY(b->arena, sl_kv_op, capacity);
}

static void batch_put(struct batch *b, const sl_journal *j, const char *key,
                      sl_frame__kind kind, sl_span payload)
{
    sl_bytes value = { 0 };
    sl_frame__encode(kind, SL_JOURNAL__VERSION, j->query_id, key, payload, &value);
    const void *bytes = sl_arena_memdup(b->arena, value.data, value.size_bytes);
    b->ops[b->count++] = (sl_kv_op){ .key = sl_span_text(sl_arena_strdup(b->arena, key)),
                                     .value = sl_span_of(bytes, value.size_bytes) };
    sl_bytes_deinit(&value);
}

static sl_code check_writable(const sl_journal *j, sl_error *err)
{
    if (j->is_read_only)
        return sl_fail(err, SL_EINTERNAL, "%s was opened to read", j->path);
    if (j->is_broken)
        return sl_fail(
            err, SL_EIO,
            "%s: an earlier write failed and its outcome is unknown; close and "
            "open the journal again",
            j->path);
    return SL_OK;
}

enum {
#define M(id, name, kind, unit, meaning) METRIC_##id,
#include "checkpoint/metrics.def"
#undef M
};
static sl_metric metrics[] = {
#define M(id, name, kind, unit, meaning) { name, unit, meaning, SL_METRIC_##kind, 0 },
#include "checkpoint/metrics.def"
#undef M
};

void sl_journal_register_metrics(void)
{
    sl_metrics_register(metrics, sizeof metrics / sizeof *metrics);
}

static void count_write(const struct batch *b, bool sync)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < b->count; i++)
        bytes += (int64_t)(b->ops[i].key.size_bytes + b->ops[i].value.size_bytes);
    sl_metric_add(&metrics[METRIC_WRITES], 1);
    sl_metric_add(&metrics[METRIC_SYNCS], sync);
    sl_metric_add(&metrics[METRIC_BYTES], bytes);
}

static sl_code write_batch(sl_journal *j, const struct batch *b, bool sync, sl_error *err)
{
    sl_code code = sl_kv_write(j->kv, b->ops, b->count, sync, err);
    j->is_broken = code != SL_OK;
    count_write(b, sync);
    return code;
}

sl_code sl_journal_claim_epoch(sl_journal *j, const char *claimant, int64_t wall_us,
                               uint64_t *ret_epoch, sl_error *err)
{
    SL_TRY(check_writable(j, err));
    uint64_t epoch = j->epoch_max + 1;
    char key[SL_JOURNAL__KEY_MAX];
    sl_journal__key("epochs", epoch, key);
    sl_bytes payload = { 0 };
    sl_bytes_u64(&payload, epoch);
    sl_bytes_i64(&payload, wall_us);
    sl_bytes_string(&payload, claimant);
    struct batch b;
    batch_init(&b, 1);
    batch_put(&b, j, key, SL_FRAME__EPOCH, sl_bytes_span(&payload));
    sl_bytes_deinit(&payload);
    sl_failpoint_pass(j->failpoints, "journal.epoch");
    sl_code code = write_batch(j, &b, true, err);
    sl_arena_free(b.arena);
    SL_TRY(code);
    j->epoch_max = j->claimed_epoch = epoch;
    sl_journal__head_write(j);
    *ret_epoch = epoch;
    return SL_OK;
}

sl_code sl_epoch_decode(sl_span bytes, sl_arena *arena, sl_epoch_record *ret,
                        sl_error *err)
{
    sl_reader r = sl_reader_of(bytes);
    sl_epoch_record e = { .epoch = sl_read_u64(&r) };
    e.wall_us = sl_read_i64(&r);
    e.claimant = sl_record__get_text(&r, arena);
    SL_TRY(sl_record__check_done("epoch", &r, err));
    *ret = e;
    return SL_OK;
}

static sl_code check_epoch(const sl_journal *j, uint64_t epoch, sl_error *err)
{
    if (j->claimed_epoch == epoch && epoch != 0)
        return SL_OK;
    return sl_fail(err, SL_EFENCED,
                   "%s: a record of epoch %" PRIu64
                   ", but this driver claimed epoch %" PRIu64,
                   j->path, epoch, j->claimed_epoch);
}

static sl_code check_next(const sl_journal *j, const char *what, int64_t batch,
                          sl_error *err)
{
    if (batch <= j->last_commit)
        return sl_fail(err, SL_EEXISTS,
                       "%s: batch %" PRId64 " is committed; %s stays as it is", j->path,
                       batch, what);
    if (batch != j->last_commit + 1)
        return sl_fail(err, SL_EINTERNAL,
                       "%s: %s of batch %" PRId64 " after commit %" PRId64, j->path, what,
                       batch, j->last_commit);
    return SL_OK;
}

static sl_code check_offsets(const sl_journal *j, const sl_offsets_record *record,
                             const sl_journal_seen *seen, size_t seen_count,
                             sl_error *err)
{
    SL_TRY(check_writable(j, err));
    SL_TRY(check_epoch(j, record->epoch, err));
    SL_TRY(check_next(j, "offsets", record->batch, err));
    if (j->pending_offsets == record->batch)
        return sl_fail(err, SL_EEXISTS,
                       "%s: offsets of batch %" PRId64
                       " stand; the batch must run on them",
                       j->path, record->batch);
    for (size_t i = 0; i < seen_count; i++) {
        if (seen[i].source[0] == '\0' || strchr(seen[i].source, '/'))
            return sl_fail(err, SL_EINVAL, "source id '%s' is empty or has a '/'",
                           seen[i].source);
    }
    return SL_OK;
}

static void put_seen(struct batch *b, const sl_journal *j, const sl_journal_seen *seen,
                     size_t count)
{
    sl_bytes key = { 0 }, payload = { 0 };
    for (size_t i = 0; i < count; i++) {
        sl_bytes_clear(&key);
        sl_bytes_printf(&key, "seen/%s/%s", seen[i].source, seen[i].path);
        sl_bytes_clear(&payload);
        sl_bytes_i64(&payload, seen[i].batch);
        sl_bytes_i64(&payload, seen[i].mtime_us);
        sl_bytes_i64(&payload, seen[i].size_bytes);
        sl_bytes_blob(&payload, seen[i].value);
        batch_put(b, j, sl_bytes_cstr(&key), SL_FRAME__SEEN, sl_bytes_span(&payload));
    }
    sl_bytes_deinit(&key);
    sl_bytes_deinit(&payload);
}

static sl_code put_offsets(struct batch *b, const sl_journal *j,
                           const sl_offsets_record *record, sl_hash128 *ret_hash,
                           sl_error *err)
{
    sl_offsets_record r = *record;
    r.parent_hash = j->last_hash;
    sl_bytes payload = { 0 };
    sl_code code = sl_offsets_encode(&r, &payload, err);
    if (code == SL_OK) {
        char key[SL_JOURNAL__KEY_MAX];
        sl_journal__key("offsets", (uint64_t)r.batch, key);
        *ret_hash = sl_hash128_of(payload.data, payload.size_bytes);
        batch_put(b, j, key, SL_FRAME__OFFSETS, sl_bytes_span(&payload));
    }
    sl_bytes_deinit(&payload);
    return code;
}

static sl_code put_commit(struct batch *b, const sl_journal *j,
                          const sl_commit_record *record, sl_hash128 offsets_hash,
                          sl_hash128 *ret_hash, sl_error *err)
{
    sl_commit_record r = *record;
    r.parent_hash = j->last_hash;
    r.offsets_hash = offsets_hash;
    sl_bytes payload = { 0 };
    sl_code code = sl_commit_encode(&r, &payload, err);
    if (code == SL_OK) {
        char key[SL_JOURNAL__KEY_MAX];
        sl_journal__key("commits", (uint64_t)r.batch, key);
        *ret_hash = sl_hash128_of(payload.data, payload.size_bytes);
        batch_put(b, j, key, SL_FRAME__COMMIT, sl_bytes_span(&payload));
    }
    sl_bytes_deinit(&payload);
    return code;
}

sl_code sl_journal_put_offsets(sl_journal *j, const sl_offsets_record *record,
                               const sl_journal_seen *seen, size_t seen_count, bool sync,
                               sl_error *err)
{
    SL_TRY(check_offsets(j, record, seen, seen_count, err));
    struct batch b;
    batch_init(&b, seen_count + 1);
    sl_hash128 hash;
    sl_code code = put_offsets(&b, j, record, &hash, err);
    if (code == SL_OK) {
        put_seen(&b, j, seen, seen_count);
        sl_failpoint_pass(j->failpoints, "journal.offsets");
        code = write_batch(j, &b, sync, err);
    }
    sl_arena_free(b.arena);
    SL_TRY(code);
    sl_failpoint_pass(j->failpoints, "journal.offsets.after");
    j->pending_offsets = record->batch;
    j->pending_hash = hash;
    return SL_OK;
}

static void committed(sl_journal *j, int64_t batch, sl_hash128 hash, bool sync)
{
    j->last_commit = batch;
    j->last_hash = hash;
    j->pending_offsets = -1;
    if (j->first_commit < 0)
        j->first_commit = batch;
    if (sync)
        sl_journal__head_write(j);
    sl_failpoint_pass(j->failpoints, "journal.commit.after");
}

sl_code sl_journal_put_commit(sl_journal *j, const sl_commit_record *record, bool sync,
                              sl_error *err)
{
    SL_TRY(check_writable(j, err));
    SL_TRY(check_epoch(j, record->epoch, err));
    SL_TRY(check_next(j, "commit", record->batch, err));
    if (j->pending_offsets != record->batch)
        return sl_fail(err, SL_EINTERNAL,
                       "%s: commit of batch %" PRId64 " before its offsets", j->path,
                       record->batch);
    struct batch b;
    batch_init(&b, 1);
    sl_hash128 hash;
    sl_code code = put_commit(&b, j, record, j->pending_hash, &hash, err);
    if (code == SL_OK) {
        sl_failpoint_pass(j->failpoints, "journal.commit.before");
        code = write_batch(j, &b, sync, err);
    }
    sl_arena_free(b.arena);
    SL_TRY(code);
    committed(j, record->batch, hash, sync);
    return SL_OK;
}

sl_code sl_journal_put_batch(sl_journal *j, const sl_offsets_record *offsets,
                             const sl_journal_seen *seen, size_t seen_count,
                             const sl_commit_record *commit, bool sync, sl_error *err)
{
    SL_TRY(check_offsets(j, offsets, seen, seen_count, err));
    SL_TRY(check_epoch(j, commit->epoch, err));
    if (commit->batch != offsets->batch)
        return sl_fail(err, SL_EINTERNAL,
                       "%s: offsets of batch %" PRId64 " with a commit of %" PRId64,
                       j->path, offsets->batch, commit->batch);
    struct batch b;
    batch_init(&b, seen_count + 2);
    sl_hash128 offsets_hash, hash;
    sl_code code = put_offsets(&b, j, offsets, &offsets_hash, err);
    if (code == SL_OK)
        code = put_commit(&b, j, commit, offsets_hash, &hash, err);
    if (code == SL_OK) {
        put_seen(&b, j, seen, seen_count);
        sl_failpoint_pass(j->failpoints, "journal.commit.before");
        code = write_batch(j, &b, sync, err);
    }
    sl_arena_free(b.arena);
    SL_TRY(code);
    committed(j, commit->batch, hash, sync);
    return SL_OK;
}
