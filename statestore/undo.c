/* undo.c - the undo list of a hot table.
 *
 * The first touch of an entry copies its whole slot, head included, so abort is one copy
 * back per entry.  A removed entry stays in the base table, marked, until commit: abort
 * needs no insertion and so cannot fail, and ids are not reused inside a batch. */

#include "statestore/state_private.h"

/* Above this the list's memory is given back after a batch that used little of it. */
#define KEEP_BYTES (4u << 20)

sl_code sl_state__undo_reserve(sl_state_table *t, size_t more, sl_error *err)
{
    SL_TRY(sl_state__reserve(&t->budget, (void **)&t->undo, &t->undo_capacity,
                             t->undo_count + more, sizeof *t->undo, err));
    return sl_state__reserve(&t->budget, (void **)&t->old, &t->old_capacity,
                             t->old_count + more, t->slot_bytes, err);
}

bool sl_state__first_touch(sl_state_table *t, uint32_t id, uint8_t *slot)
{
    struct sl_state__head *head = sl_state__head_of(slot);
    bool is_new = head->mark == 0;
    struct sl_state__undo *u = &t->undo[t->undo_count];
    u->id = id;
    u->old = SL_STATE__OLD_NONE;
    if (!is_new) {
        u->old = (uint32_t)t->old_count;
        uint64_t *to = (uint64_t *)(void *)(t->old + t->old_count * t->slot_bytes);
        const uint64_t *from = (const uint64_t *)(const void *)slot;
        for (uint32_t i = 0; i < t->slot_bytes / 8; i++)
            to[i] = from[i];
        t->old_count++;
    }
    head->mark = t->mark;
    head->undo = (uint32_t)t->undo_count++;
    return is_new;
}

/* Out of the index and the base table; its blobs are freed first. */
static void entry_forget(sl_state_table *t, uint32_t id)
{
    if (t->op.time_kind != SL_STATE_TIME_NONE) {
        int64_t end_us;
        if (sl_state__end_of(t, sl_hash_table_key(t->map, id), &end_us))
            sl_time_index_remove(&t->index, id, end_us);
    }
    sl_hash_table_remove(t->map, id);
}

void sl_state__entry_drop(sl_state_table *t, uint32_t id)
{
    sl_state__blobs_drop(t, sl_state_value(t, id), NULL);
    entry_forget(t, id);
}

static void list_clear(sl_state_table *t)
{
    if (t->old_capacity * t->slot_bytes > KEEP_BYTES &&
        t->undo_count < t->undo_capacity / 8) {
        sl_state__release(&t->budget, (void **)&t->undo, &t->undo_capacity,
                          sizeof *t->undo);
        sl_state__release(&t->budget, (void **)&t->old, &t->old_capacity, t->slot_bytes);
    }
    t->undo_count = 0;
    t->old_count = 0;
    t->removed_count = 0;
    t->blobs_changed = false;
}

static void commit_entry(sl_state_table *t, const struct sl_state__undo *u)
{
    uint8_t *slot = sl_hash_table_value(t->map, u->id);
    uint8_t *value = slot + SL_STATE__HEAD_BYTES;
    uint8_t *old = (uint8_t *)(uintptr_t)sl_state__old_of(t, u);
    bool removed = sl_state__head_of(slot)->mark == SL_STATE__MARK_REMOVED;
    if (t->op.blob_count > 0) {
        if (old)
            sl_state__blobs_drop(t, old + SL_STATE__HEAD_BYTES, value);
    }
    if (removed)
        sl_state__entry_drop(t, u->id);
}

void sl_state__undo_commit(sl_state_table *t)
{
    if (t->removed_count > 0 || t->blobs_changed)
        for (size_t i = 0; i < t->undo_count; i++)
            commit_entry(t, &t->undo[i]);
    list_clear(t);
}

void sl_state__undo_abort(sl_state_table *t)
{
    for (size_t i = 0; i < t->undo_count; i++) {
        const struct sl_state__undo *u = &t->undo[i];
        uint8_t *slot = sl_hash_table_value(t->map, u->id);
        const uint8_t *old = sl_state__old_of(t, u);
        if (t->op.blob_count > 0)
            sl_state__blobs_drop(t, slot + SL_STATE__HEAD_BYTES,
                                 old ? old + SL_STATE__HEAD_BYTES : NULL);
        if (old)
            memcpy(slot, old, t->slot_bytes);
        else
            entry_forget(t, u->id);
    }
    list_clear(t);
}
