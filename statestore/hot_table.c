/* hot_table.c - the operations of operators on a hot table.
 *
 * An upsert is: room for n undo records, the base table's batch upsert, one pass over the
 * heads.  All room is made before anything changes, so the pass cannot fail half way; if
 * the base table runs out of budget, the prefix it did insert is recognised by mark 0 and
 * registered, so that abort takes it out again. */

#include "statestore/state_private.h"

#define PREFETCH_AHEAD 12

sl_code sl_state__reserve(sl_budget *budget, void **array, size_t *capacity, size_t need,
                          size_t element_bytes, sl_error *err)
{
    if (need <= *capacity)
        return SL_OK;
    size_t grown = *capacity < 64 ? 64 : *capacity * 2;
    if (grown < need)
        grown = need;
    int64_t more = (int64_t)((grown - *capacity) * element_bytes);
    SL_TRY(sl_budget_charge(budget, more, err));
    void *bigger = sl_try_alloc(grown * element_bytes);
    if (!bigger) {
        sl_budget_release(budget, more);
        return sl_fail(err, SL_ENOMEM, "no memory for %zu bytes of state",
                       grown * element_bytes);
    }
    if (*capacity > 0)
        memcpy(bigger, *array, *capacity * element_bytes);
    sl_free(*array);
    *array = bigger;
    *capacity = grown;
    return SL_OK;
}

void sl_state__release(sl_budget *budget, void **array, size_t *capacity,
                       size_t element_bytes)
{
    sl_free(*array);
    sl_budget_release(budget, (int64_t)(*capacity * element_bytes));
    *array = NULL;
    *capacity = 0;
}

sl_code sl_state__table_error(const sl_state_table *t, sl_code code, sl_error *err)
{
    if (err)
        sl_error_prefix(err, "state of operator %u (%s), partition %u", t->op.operator_id,
                        t->op.name, t->partition->config.partition);
    return code;
}

/* The batch cannot go on: only abort is left. */
static sl_code batch_failed(sl_state_table *t, sl_code code, sl_error *err)
{
    if (t->partition->phase == SL_STATE_OPEN)
        t->partition->phase = SL_STATE_FAILED;
    return sl_state__table_error(t, code, err);
}

static sl_code need_open(const sl_state_table *t, sl_error *err)
{
    if (t->partition->phase == SL_STATE_OPEN)
        return SL_OK;
    return sl_state__table_error(t,
                                 sl_fail(err, SL_EINTERNAL,
                                         "changed outside an open batch (phase %d)",
                                         (int)t->partition->phase),
                                 err);
}

/* ---- life of a table ---- */

static sl_code check_operator(const sl_state_operator *op, sl_error *err)
{
    if (op->value_width > SL_STATE__VALUE_WIDTH_MAX)
        return sl_fail(err, SL_ELIMIT,
                       "operator %u: a state value of %u bytes, at most %d",
                       op->operator_id, op->value_width, SL_STATE__VALUE_WIDTH_MAX);
    if (op->blob_count > SL_STATE__BLOBS_MAX)
        return sl_fail(err, SL_ELIMIT,
                       "operator %u: %u strings in a state value, at most %d",
                       op->operator_id, op->blob_count, SL_STATE__BLOBS_MAX);
    uint64_t end = 0;
    for (uint32_t i = 0; i < op->blob_count; i++) {
        uint64_t at = op->blob_offsets[i];
        if (at % 8 != 0 || at < end || at + sizeof(sl_state_blob) > op->value_width)
            return sl_fail(err, SL_EINTERNAL,
                           "operator %u: string field %u at offset %u of a %u byte value",
                           op->operator_id, i, op->blob_offsets[i], op->value_width);
        end = at + sizeof(sl_state_blob);
    }
    if (op->time_kind == SL_STATE_TIME_ASKED && !op->time)
        return sl_fail(err, SL_EINTERNAL, "operator %u: no time callback",
                       op->operator_id);
    return SL_OK;
}

sl_code sl_state__table_init(sl_state_table *t, sl_state_partition *p,
                             const sl_state_operator *op, sl_error *err)
{
    *t = (sl_state_table){ .partition = p, .op = *op };
    t->op.blob_offsets = NULL;
    t->op.name[sizeof t->op.name - 1] = '\0';
    char account[48];
    snprintf(account, sizeof account, "state of operator %u, partition %u",
             op->operator_id, p->config.partition);
    sl_budget_init(&t->budget, p->config.budget, account, INT64_MAX);
    sl_time_index_init(&t->index, &t->budget);
    SL_TRY(check_operator(op, err));
    t->slot_bytes = SL_STATE__HEAD_BYTES + ((op->value_width + 7) & ~UINT32_C(7));
    t->row_seed = sl_state_row_seed(op->operator_id);
    if (op->blob_count > 0) {
        uint32_t *offsets = sl_alloc(op->blob_count * sizeof *offsets);
        memcpy(offsets, op->blob_offsets, op->blob_count * sizeof *offsets);
        t->op.blob_offsets = offsets;
    }
    return sl_hash_table_new(t->slot_bytes, &t->budget, &t->map, err);
}

void sl_state__table_deinit(sl_state_table *t)
{
    if (!t->partition)
        return;
    if (t->map) {
        if (t->op.blob_count > 0) {
            sl_state__undo_abort(t); /* old blobs have one owner again */
            for (uint32_t id = 0, end = sl_hash_table_id_end(t->map); id < end; id++)
                if (sl_hash_table_is_live(t->map, id))
                    sl_state__blobs_drop(t, sl_state_value(t, id), NULL);
        }
        sl_hash_table_free(t->map);
    }
    sl_state__release(&t->budget, (void **)&t->undo, &t->undo_capacity, sizeof *t->undo);
    sl_state__release(&t->budget, (void **)&t->old, &t->old_capacity, t->slot_bytes);
    sl_state__release(&t->budget, (void **)&t->ids, &t->ids_capacity, sizeof *t->ids);
    sl_state__release(&t->budget, (void **)&t->found, &t->found_capacity,
                      sizeof *t->found);
    sl_time_index_deinit(&t->index);
    sl_bytes_deinit(&t->scratch);
    sl_free((void *)(uintptr_t)t->op.blob_offsets);
    *t = (sl_state_table){ 0 };
}

/* ---- time of a key ---- */

static bool time_at(sl_span key, uint32_t offset, int64_t *ret)
{
    if (key.size_bytes < (size_t)offset + 9 || key.data[offset] != 0x01)
        return false;
    uint64_t v;
    memcpy(&v, key.data + offset + 1, 8);
    *ret = (int64_t)(__builtin_bswap64(v) ^ (UINT64_C(1) << 63));
    return true;
}

bool sl_state__end_of(const sl_state_table *t, sl_span key, int64_t *ret_end_us)
{
    int64_t start = 0;
    bool has = t->op.time_kind == SL_STATE_TIME_AT
                   ? time_at(key, t->op.time_offset, &start)
                   : t->op.time_kind == SL_STATE_TIME_ASKED &&
                         t->op.time(t->op.time_user, key, &start);
    if (!has)
        return false;
    if (__builtin_add_overflow(start, t->op.window_us, ret_end_us))
        *ret_end_us = t->op.window_us > 0 ? INT64_MAX : INT64_MIN;
    return true;
}

static sl_code index_new(sl_state_table *t, uint32_t id, sl_error *err)
{
    int64_t end_us;
    if (!sl_state__end_of(t, sl_hash_table_key(t->map, id), &end_us))
        return SL_OK;
    return sl_time_index_add(&t->index, id, end_us, err);
}

/* ---- upsert ---- */

/* What the base table inserted before it failed goes on the undo list. */
static void register_prefix(sl_state_table *t, const sl_key_batch *keys)
{
    sl_hash_table_get_many(t->map, keys, t->ids);
    for (uint32_t i = 0; i < keys->count; i++) {
        if (t->ids[i] == SL_ENTRY_NONE)
            continue;
        uint8_t *slot = sl_hash_table_value(t->map, t->ids[i]);
        if (sl_state__head_of(slot)->mark == 0)
            (void)sl_state__first_touch(t, t->ids[i], slot);
    }
}

/* An entry removed earlier in this batch comes back, as if new. */
static void revive(sl_state_table *t, uint8_t *slot)
{
    struct sl_state__head *head = sl_state__head_of(slot);
    const uint8_t *old = sl_state__old_of(t, &t->undo[head->undo]);
    uint8_t *value = slot + SL_STATE__HEAD_BYTES;
    sl_state__blobs_drop(t, value, old ? old + SL_STATE__HEAD_BYTES : NULL);
    memset(value, 0, t->slot_bytes - SL_STATE__HEAD_BYTES);
    head->mark = t->mark;
    t->removed_count--;
    t->blobs_changed |= t->op.blob_count > 0;
}

static void touch_all(sl_state_table *t, const uint32_t *ids, uint32_t count,
                      uint8_t **slots, uint64_t *ret_new)
{
    uint32_t mark = t->mark;
    for (uint32_t i = 0; i < count; i++) {
        if (i + PREFETCH_AHEAD < count)
            __builtin_prefetch(slots[i + PREFETCH_AHEAD], 1);
        uint8_t *slot = slots[i];
        if (sl_state__head_of(slot)->mark != mark) {
            bool is_new = true;
            if (sl_state__head_of(slot)->mark == SL_STATE__MARK_REMOVED)
                revive(t, slot);
            else
                is_new = sl_state__first_touch(t, ids[i], slot);
            if (is_new && ret_new)
                sl_bitmap_set(ret_new, i);
        }
        slots[i] = slot + SL_STATE__HEAD_BYTES;
    }
}

/* Entries first seen from undo record `from` on enter the time index. */
static sl_code index_since(sl_state_table *t, size_t from, sl_error *err)
{
    for (size_t i = from; i < t->undo_count; i++)
        if (t->undo[i].old == SL_STATE__OLD_NONE)
            SL_TRY(index_new(t, t->undo[i].id, err));
    return SL_OK;
}

#ifdef SL_DEBUG
static bool groups_fit(const sl_state_table *t, const sl_key_batch *keys)
{
    const sl_state_config *c = &t->partition->config;
    for (uint32_t i = 0; i < keys->count; i++) {
        uint32_t group = sl_key_group_of(keys->hashes[i]);
        if (group < c->group_first || group >= c->group_end)
            return false;
    }
    return true;
}
#endif

sl_code sl_state_upsert_many(sl_state_table *t, const sl_key_batch *keys,
                             uint32_t *ret_ids, uint8_t **ret_slots, uint64_t *ret_new,
                             sl_error *err)
{
    SL_TRY(need_open(t, err));
#ifdef SL_DEBUG
    if (!groups_fit(t, keys))
        return batch_failed(t, sl_fail(err, SL_EINTERNAL, "a key of a foreign key group"),
                            err);
#endif
    sl_code code = sl_state__reserve(&t->budget, (void **)&t->ids, &t->ids_capacity,
                                     keys->count, sizeof *t->ids, err);
    if (code == SL_OK)
        code = sl_state__undo_reserve(t, keys->count, err);
    if (code != SL_OK)
        return batch_failed(t, code, err);
    size_t undo_before = t->undo_count;
    code = sl_hash_table_upsert_many(t->map, keys, t->ids, NULL, err);
    if (code != SL_OK) {
        register_prefix(t, keys);
        return batch_failed(t, code, err);
    }
    if (ret_new)
        memset(ret_new, 0, sl_bitmap_words(keys->count) * sizeof *ret_new);
    sl_hash_table_values(t->map, t->ids, keys->count, ret_slots);
    touch_all(t, t->ids, keys->count, ret_slots, ret_new);
    if (ret_ids)
        memcpy(ret_ids, t->ids, keys->count * sizeof *ret_ids);
    if (t->op.time_kind != SL_STATE_TIME_NONE) {
        code = index_since(t, undo_before, err);
        if (code != SL_OK)
            return batch_failed(t, code, err);
    }
    return SL_OK;
}

/* ---- other operations ---- */

void sl_state_get_many(const sl_state_table *t, const sl_key_batch *keys,
                       uint32_t *ret_ids)
{
    sl_hash_table_get_many(t->map, keys, ret_ids);
    if (t->removed_count == 0)
        return;
    for (uint32_t i = 0; i < keys->count; i++)
        if (ret_ids[i] != SL_ENTRY_NONE &&
            sl_state__head_of(sl_hash_table_value(t->map, ret_ids[i]))->mark ==
                SL_STATE__MARK_REMOVED)
            ret_ids[i] = SL_ENTRY_NONE;
}

static bool live(const sl_state_table *t, uint32_t id)
{
    return id < sl_hash_table_id_end(t->map) && sl_hash_table_is_live(t->map, id) &&
           sl_state__head_of(sl_hash_table_value(t->map, id))->mark !=
               SL_STATE__MARK_REMOVED;
}

sl_code sl_state_touch_many(sl_state_table *t, const uint32_t *ids, uint32_t count,
                            sl_error *err)
{
    SL_TRY(need_open(t, err));
    sl_code code = sl_state__undo_reserve(t, count, err);
    if (code != SL_OK)
        return batch_failed(t, code, err);
    for (uint32_t i = 0; i < count; i++) {
        SL_DASSERT(live(t, ids[i]));
        uint8_t *slot = sl_hash_table_value(t->map, ids[i]);
        if (sl_state__head_of(slot)->mark != t->mark)
            (void)sl_state__first_touch(t, ids[i], slot);
    }
    return SL_OK;
}

sl_code sl_state_remove_many(sl_state_table *t, const uint32_t *ids, uint32_t count,
                             sl_error *err)
{
    SL_TRY(need_open(t, err));
    sl_code code = sl_state__undo_reserve(t, count, err);
    if (code != SL_OK)
        return batch_failed(t, code, err);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *slot = sl_hash_table_value(t->map, ids[i]);
        struct sl_state__head *head = sl_state__head_of(slot);
        if (head->mark == SL_STATE__MARK_REMOVED)
            continue;
        if (head->mark != t->mark)
            (void)sl_state__first_touch(t, ids[i], slot);
        head->mark = SL_STATE__MARK_REMOVED;
        t->removed_count++;
    }
    return SL_OK;
}

sl_code sl_state_set_blob(sl_state_table *t, uint8_t *slot, uint32_t blob_index,
                          sl_span bytes, sl_error *err)
{
    SL_TRY(need_open(t, err));
    SL_ASSERT(blob_index < t->op.blob_count);
    struct sl_state__head *head = sl_state__head_of(slot - SL_STATE__HEAD_BYTES);
    if (head->mark != t->mark)
        return batch_failed(
            t, sl_fail(err, SL_EINTERNAL, "a string is set in an untouched entry"), err);
    sl_state_blob fresh;
    sl_code code = sl_state__blob_new(t, bytes, &fresh, err);
    if (code != SL_OK)
        return batch_failed(t, code, err);
    uint32_t offset = t->op.blob_offsets[blob_index];
    sl_state_blob now = sl_state__blob_read(slot, offset);
    const uint8_t *old = sl_state__old_of(t, &t->undo[head->undo]);
    if (!old || sl_state__blob_read(old + SL_STATE__HEAD_BYTES, offset).data != now.data)
        sl_state__blob_free(t, now);
    *sl_state__blob_at(slot, offset) = fresh;
    t->blobs_changed = true;
    return SL_OK;
}

/* ---- reads ---- */

uint32_t sl_state_count(const sl_state_table *t)
{
    return sl_hash_table_count(t->map) - (uint32_t)t->removed_count;
}

sl_span sl_state_key(const sl_state_table *t, uint32_t id)
{
    return sl_hash_table_key(t->map, id);
}

uint8_t *sl_state_value(const sl_state_table *t, uint32_t id)
{
    return sl_hash_table_value(t->map, id) + SL_STATE__HEAD_BYTES;
}

void sl_state_values(const sl_state_table *t, const uint32_t *ids, uint32_t count,
                     uint8_t **ret_slots)
{
    sl_hash_table_values(t->map, ids, count, ret_slots);
    for (uint32_t i = 0; i < count; i++)
        ret_slots[i] += SL_STATE__HEAD_BYTES;
}

uint32_t sl_state_live(const sl_state_table *t, uint64_t *cursor, uint32_t *ret_ids,
                       uint32_t max)
{
    uint32_t n = 0, end = sl_hash_table_id_end(t->map);
    uint64_t id = *cursor;
    for (; id < end && n < max; id++)
        if (live(t, (uint32_t)id))
            ret_ids[n++] = (uint32_t)id;
    *cursor = id;
    return n;
}

uint32_t sl_state_touched(const sl_state_table *t, uint64_t *cursor, uint32_t *ret_ids,
                          uint32_t max)
{
    uint32_t n = 0;
    uint64_t i = *cursor;
    for (; i < t->undo_count && n < max; i++) {
        uint32_t id = t->undo[i].id;
        if (t->removed_count == 0 ||
            sl_state__head_of(sl_hash_table_value(t->map, id))->mark == t->mark)
            ret_ids[n++] = id;
    }
    *cursor = i;
    return n;
}

/* ---- expiry ---- */

struct ending {
    int64_t end_us;
    uint32_t id;
};

static int by_end(const void *a, const void *b)
{
    const struct ending *x = a, *y = b;
    return (x->end_us > y->end_us) - (x->end_us < y->end_us);
}

/* A coarse bucket: ask each key for its exact end. */
static sl_code expired_in_coarse(sl_state_table *t, sl_time_bucket *b, int64_t evict_us,
                                 uint32_t *ids, size_t *count, sl_error *err)
{
    struct ending *ends = sl_try_alloc(b->count * sizeof *ends);
    if (!ends)
        return sl_fail(err, SL_ENOMEM, "no memory to order %zu ending entries", b->count);
    size_t n = 0;
    int64_t least = INT64_MAX, greatest = INT64_MIN;
    for (size_t i = 0; i < b->count; i++) {
        int64_t end_us = 0;
        (void)sl_state__end_of(t, sl_hash_table_key(t->map, b->ids[i]), &end_us);
        least = end_us < least ? end_us : least;
        greatest = end_us > greatest ? end_us : greatest;
        if (end_us <= evict_us && live(t, b->ids[i]))
            ends[n++] = (struct ending){ end_us, b->ids[i] };
    }
    b->least = least; /* removals may have left the bounds wide */
    b->greatest = greatest;
    qsort(ends, n, sizeof *ends, by_end);
    for (size_t i = 0; i < n; i++)
        ids[(*count)++] = ends[i].id;
    sl_free(ends);
    return SL_OK;
}

sl_code sl_state_expired(sl_state_table *t, int64_t evict_us, const uint32_t **ret_ids,
                         uint32_t *ret_count, sl_error *err)
{
    size_t count = 0;
    for (size_t i = 0; i < t->index.bucket_count; i++) {
        sl_time_bucket *b = &t->index.buckets[i];
        if (b->least > evict_us)
            break;
        sl_code code =
            sl_state__reserve(&t->budget, (void **)&t->found, &t->found_capacity,
                              count + b->count, sizeof *t->found, err);
        if (code == SL_OK && b->least != b->greatest)
            code = expired_in_coarse(t, b, evict_us, t->found, &count, err);
        else if (code == SL_OK)
            for (size_t j = 0; j < b->count; j++)
                if (t->removed_count == 0 || live(t, b->ids[j]))
                    t->found[count++] = b->ids[j];
        if (code != SL_OK)
            return sl_state__table_error(t, code, err);
    }
    *ret_ids = t->found;
    *ret_count = (uint32_t)count;
    return SL_OK;
}

int64_t sl_state_first_end(const sl_state_table *t)
{
    return sl_time_index_least(&t->index);
}
