/* flush.c - committed deltas into the local database.
 *
 * The rows of all pending deltas are sorted by database key, newest last, and the newest
 * of each key is written: the database sees each key once, in order, however many batches
 * are applied at once.  Memory: 48 bytes a pending row beside the delta bytes. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "engine/columnar/row_key.h"
#include "statestore/db_private.h"

#define WRITE_ROWS 1024

struct pending_row {
    sl_span key, value;
    uint32_t operator_id;
    uint16_t group;
    bool removed;
    uint32_t order; /* of the delta it came in */
};

struct pending {
    struct pending_row *rows;
    size_t count, capacity;
    sl_bytes *buffers; /* deltas read from segments; rows point into them */
    uint32_t buffer_count;
    sl_state_figures after;
    uint64_t id;
};

static int by_key(const void *a, const void *b)
{
    const struct pending_row *x = a, *y = b;
    if (x->operator_id != y->operator_id)
        return x->operator_id < y->operator_id ? -1 : 1;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    size_t least =
        x->key.size_bytes < y->key.size_bytes ? x->key.size_bytes : y->key.size_bytes;
    int order = least > 0 ? memcmp(x->key.data, y->key.data, least) : 0;
    if (order != 0)
        return order;
    if (x->key.size_bytes != y->key.size_bytes)
        return x->key.size_bytes < y->key.size_bytes ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static bool same_key(const struct pending_row *a, const struct pending_row *b)
{
    return a->operator_id == b->operator_id && a->group == b->group &&
           sl_span_equal(a->key, b->key);
}

static sl_code room(struct pending *p, size_t more, sl_error *err)
{
    if (p->count + more <= p->capacity)
        return SL_OK;
    size_t grown = p->capacity * 2 > p->count + more ? p->capacity * 2 : p->count + more;
    struct pending_row *bigger = sl_try_alloc(grown * sizeof *bigger);
    if (!bigger)
        return sl_fail(err, SL_ENOMEM, "no memory to flush %zu rows of state", grown);
    if (p->count > 0)
        memcpy(bigger, p->rows, p->count * sizeof *bigger);
    sl_free(p->rows);
    p->rows = bigger;
    p->capacity = grown;
    return SL_OK;
}

/* Keys must outlive the group: they are found again in the delta bytes, right before the
 * value, so nothing is copied. */
static void take_rows(struct pending *p, const sl_state_rows *rows, uint32_t order)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        size_t key_bytes = rows->offsets[i + 1] - rows->offsets[i];
        p->rows[p->count++] = (struct pending_row){
            .key = sl_span_of(rows->values[i].data - key_bytes, key_bytes),
            .value = rows->values[i],
            .operator_id = rows->operator_id,
            .group = (uint16_t)sl_key_group_of(rows->hashes[i]),
            .removed = rows->removed,
            .order = order,
        };
    }
}

static sl_code take_delta(sl_state_db *db, struct pending *p, const sl_delta_place *place,
                          sl_state_delta_kind kind, sl_state_version version,
                          sl_error *err)
{
    sl_state_delta_reader r;
    uint32_t order = p->buffer_count++;
    SL_TRY(sl_state__delta_take(&db->home, place, kind, version, p->id,
                                &p->buffers[order], &r, err));
    sl_state_rows *rows = sl_calloc(1, sizeof *rows);
    sl_code code;
    for (bool more = true;;) {
        code = sl_state_delta_read(&r, rows, &more, err);
        if (code != SL_OK || !more)
            break;
        code = room(p, rows->count, err);
        if (code != SL_OK)
            break;
        take_rows(p, rows, order);
    }
    sl_state_rows_deinit(rows);
    sl_free(rows);
    SL_TRY(code);
    p->id = version.id;
    p->after = (sl_state_figures){ .row_count = r.header.rows_after,
                                   .row_bytes = r.header.row_bytes_after,
                                   .row_sum = r.header.row_sum_after };
    return SL_OK;
}

static sl_code take_steps(sl_state_db *db, const sl_state_recipe *recipe, uint32_t from,
                          bool with_full, struct pending *p, sl_error *err)
{
    p->buffers = sl_calloc((size_t)recipe->step_count + 1, sizeof *p->buffers);
    p->after = db->meta.figures;
    p->id = db->meta.version.id;
    if (with_full)
        SL_TRY(take_delta(db, p, &recipe->full, SL_STATE_FULL,
                          sl_state__recipe_start(recipe), err));
    for (uint32_t i = from; i < recipe->step_count; i++)
        if (recipe->steps[i].delta.kind != SL_DELTA_NONE)
            SL_TRY(take_delta(db, p, &recipe->steps[i].delta, SL_STATE_DELTA,
                              recipe->steps[i].version, err));
    if (p->id != recipe->version.id)
        return sl_fail(err, SL_ECORRUPT,
                       "state partition %u: the deltas end at %016" PRIx64
                       ", batch %" PRId64 " is %016" PRIx64,
                       db->home.partition, p->id, recipe->version.batch,
                       recipe->version.id);
    return SL_OK;
}

/* Sort, and keep the newest row of each key. */
static void newest_only(struct pending *p)
{
    if (p->count == 0)
        return;
    qsort(p->rows, p->count, sizeof *p->rows, by_key);
    size_t kept = 0;
    for (size_t i = 0; i < p->count; i++)
        if (i + 1 == p->count || !same_key(&p->rows[i], &p->rows[i + 1]))
            p->rows[kept++] = p->rows[i];
    p->count = kept;
}

/* ---- writing ---- */

static sl_code write_group(sl_kv *kv, const struct pending_row *rows, size_t count,
                           sl_bytes *keys, sl_kv_op *ops, sl_error *err)
{
    sl_bytes_clear(keys);
    for (size_t i = 0; i < count; i++) {
        size_t before = keys->size_bytes;
        sl_state__row_key_make(rows[i].operator_id, (uint64_t)rows[i].group << 52,
                               rows[i].key, keys);
        ops[i] = (sl_kv_op){ .key = { NULL, keys->size_bytes - before },
                             .value = rows[i].value,
                             .is_remove = rows[i].removed };
    }
    size_t at = 0;
    for (size_t i = 0; i < count; i++) { /* keys stays where it is from here */
        ops[i].key.data = keys->data + at;
        at += ops[i].key.size_bytes;
    }
    return sl_kv_write(kv, ops, count, false, err);
}

static sl_code write_rows(sl_kv *kv, const struct pending *p, sl_error *err)
{
    sl_bytes keys = { 0 };
    sl_kv_op *ops = sl_calloc(WRITE_ROWS, sizeof *ops);
    sl_code code = SL_OK;
    for (size_t from = 0; from < p->count && code == SL_OK; from += WRITE_ROWS) {
        size_t count = p->count - from < WRITE_ROWS ? p->count - from : WRITE_ROWS;
        code = write_group(kv, p->rows + from, count, &keys, ops, err);
    }
    sl_free(ops);
    sl_bytes_deinit(&keys);
    return code;
}

static sl_code write_begin(sl_state_db *db, sl_state_version to, sl_error *err)
{
    sl_bytes record = { 0 };
    sl_bytes_i64(&record, to.batch);
    sl_bytes_u64(&record, to.id);
    sl_bytes_u64(&record, sl_hash64(record.data, record.size_bytes));
    sl_kv_op op = { .key = sl_state__flushing_key(), .value = sl_bytes_span(&record) };
    sl_code code = sl_kv_write(db->kv, &op, 1, false, err);
    sl_bytes_deinit(&record);
    return code;
}

static sl_code write_end(sl_state_db *db, const sl_state__meta *meta, sl_error *err)
{
    sl_bytes record = { 0 };
    sl_state__meta_encode(&db->home, meta, &record);
    sl_kv_op ops[2] = {
        { .key = sl_state__version_key(), .value = sl_bytes_span(&record) },
        { .key = sl_state__flushing_key(), .is_remove = true },
    };
    sl_code code = sl_kv_write(db->kv, ops, 2, false, err);
    sl_bytes_deinit(&record);
    return code;
}

/* After a failure the database is closed: what it holds is asked anew (rel:L10). */
static sl_code write_all(sl_state_db *db, const struct pending *p,
                         sl_state_version version, sl_error *err)
{
    sl_state__meta meta = { version, p->after };
    sl_failpoint_pass(db->home.failpoints, "state.flush.begin");
    sl_code code = sl_state__db_open(db, true, err);
    if (code == SL_OK)
        code = write_begin(db, version, err);
    if (code == SL_OK)
        code = write_rows(db->kv, p, err);
    if (code == SL_OK)
        code = write_end(db, &meta, err);
    if (code == SL_OK)
        code = sl_kv_flush(db->kv, err);
    if (code != SL_OK) {
        sl_state__db_close(db);
        return code;
    }
    db->meta = meta;
    db->in_flush = false;
    sl_failpoint_pass(db->home.failpoints, "state.flush.end");
    return SL_OK;
}

/* ---- where to start ---- */

/* The step the database can go on from, or -1: a begun flush is gone over again from V if
 * it was on this recipe's way. */
static int64_t usable_at(const sl_state_db *db, const sl_state_recipe *recipe)
{
    int64_t at = sl_state__recipe_find(recipe, db->meta.version);
    if (at >= 0 && db->in_flush) {
        int64_t to = sl_state__recipe_find(recipe, db->flush_to);
        if (to < at)
            return -1;
    }
    if (at == 0 && recipe->snapshot.kind == SL_SNAPSHOT_FULL && db->meta.version.id == 0)
        return -1;
    return at;
}

static sl_code start_over(sl_state_db *db, const sl_state_recipe *recipe, sl_error *err)
{
    SL_TRY(sl_state_db_drop(db, err));
    if (recipe->snapshot.kind == SL_SNAPSHOT_MANIFEST)
        return sl_state__snapshot_fetch(db, &recipe->snapshot, err);
    db->is_ours = true;
    return SL_OK;
}

sl_code sl_state_flush(sl_state_db *db, const sl_state_recipe *recipe, sl_error *err)
{
    sl_code code = sl_state__db_open(db, false, err);
    if (code == SL_EBUDGET || code == SL_ENOMEM || code == SL_EBUSY)
        return code;
    int64_t at = code == SL_OK ? usable_at(db, recipe) : -1;
    bool with_full = false;
    if (at < 0) {
        SL_TRY(start_over(db, recipe, err));
        with_full = recipe->snapshot.kind == SL_SNAPSHOT_FULL;
        at = 0;
    }
    if (!db->in_flush && db->meta.version.id == recipe->version.id &&
        db->meta.version.batch == recipe->version.batch)
        return SL_OK;
    struct pending p = { 0 };
    code = take_steps(db, recipe, (uint32_t)at, with_full, &p, err);
    if (code == SL_OK) {
        newest_only(&p);
        code = write_all(db, &p, recipe->version, err);
    }
    for (uint32_t i = 0; i < p.buffer_count; i++)
        sl_bytes_deinit(&p.buffers[i]);
    sl_free(p.buffers);
    sl_free(p.rows);
    return code;
}
