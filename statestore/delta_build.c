/* delta_build.c - the touched entries of a batch as delta bytes.
 *
 * One pass over the undo list, gathering in blocks: the slots of a block are prefetched,
 * then compared with their old images, hashed and written.  A row's key lies right before
 * its value in the base table, so one prefetch brings both. */

#include <inttypes.h>

#include "base/hash.h"
#include "statestore/state_private.h"

struct out {
    sl_buffer *buffer;
    size_t at;
    sl_budget *budget;
    uint64_t delta_sum;
    uint64_t row_count;
};

static sl_code room(struct out *o, size_t more, sl_error *err)
{
    if (o->buffer && o->at + more <= o->buffer->capacity_bytes)
        return SL_OK;
    size_t grown = o->buffer ? o->buffer->capacity_bytes * 2 : 256;
    if (grown < o->at + more)
        grown = o->at + more;
    sl_buffer *bigger;
    SL_TRY(sl_buffer_new(grown, o->budget, &bigger, err));
    if (o->buffer)
        memcpy(bigger->data, o->buffer->data, o->at);
    sl_buffer_unref(o->buffer);
    o->buffer = bigger;
    return SL_OK;
}

static sl_code write_row(struct out *o, sl_span key, sl_span value, uint32_t flags,
                         sl_error *err)
{
    if (value.size_bytes > UINT32_MAX)
        return sl_fail(err, SL_ELIMIT, "a state value of %zu bytes with its strings",
                       value.size_bytes);
    size_t size = SL_STATE_ROW_HEAD_BYTES + key.size_bytes + value.size_bytes;
    SL_TRY(room(o, size, err));
    uint8_t *at = o->buffer->data + o->at;
    uint32_t head[2] = { (uint32_t)key.size_bytes | flags, (uint32_t)value.size_bytes };
    memcpy(at, head, sizeof head);
    if (key.size_bytes > 0)
        memcpy(at + sizeof head, key.data, key.size_bytes);
    if (value.size_bytes > 0)
        memcpy(at + sizeof head + key.size_bytes, value.data, value.size_bytes);
    o->at += size;
    o->row_count++;
    return SL_OK;
}

/* One touched entry: its row, if it differs from before, and what that does to the
 * figures. */
static sl_code write_change(sl_state_table *t, const struct sl_state__undo *u,
                            const uint8_t *slot, struct out *o, sl_state_figures *f,
                            sl_error *err)
{
    bool removed = sl_state__head_of(slot)->mark == SL_STATE__MARK_REMOVED;
    const uint8_t *value = slot + SL_STATE__HEAD_BYTES;
    const uint8_t *old = sl_state__old_of(t, u);
    if (old) {
        old += SL_STATE__HEAD_BYTES;
        if (!removed && sl_state__value_same(t, old, value))
            return SL_OK;
    } else if (removed) {
        return SL_OK; /* came and went inside the batch */
    }
    sl_span key = sl_hash_table_key(t->map, u->id);
    uint64_t key_hash = sl_hash_table_hash(t->map, u->id);
    if (old) {
        sl_span was = sl_state__stored(t, old);
        f->row_count--;
        f->row_bytes -= sl_state__row_bytes(key.size_bytes, was.size_bytes);
        f->row_sum -=
            sl_state_row_hash(t->row_seed, key_hash, sl_hash64(was.data, was.size_bytes));
    }
    if (removed) {
        o->delta_sum += sl_state_row_hash(t->row_seed, key_hash, SL_STATE_REMOVED_HASH);
        return write_row(o, key, sl_span_of(NULL, 0), SL_STATE_ROW_REMOVED, err);
    }
    sl_span now = sl_state__stored(t, value);
    uint64_t row_hash =
        sl_state_row_hash(t->row_seed, key_hash, sl_hash64(now.data, now.size_bytes));
    o->delta_sum += row_hash;
    f->row_count++;
    f->row_bytes += sl_state__row_bytes(key.size_bytes, now.size_bytes);
    f->row_sum += row_hash;
    return write_row(o, key, now, 0, err);
}

static sl_code write_changes(sl_state_table *t, struct out *o, sl_state_figures *f,
                             sl_error *err)
{
    uint32_t ids[SL_STATE__BLOCK];
    uint8_t *slots[SL_STATE__BLOCK];
    for (size_t from = 0; from < t->undo_count; from += SL_STATE__BLOCK) {
        uint32_t n =
            (uint32_t)(t->undo_count - from < SL_STATE__BLOCK ? t->undo_count - from
                                                              : SL_STATE__BLOCK);
        for (uint32_t i = 0; i < n; i++)
            ids[i] = t->undo[from + i].id;
        sl_hash_table_values(t->map, ids, n, slots);
        for (uint32_t i = 0; i < n; i++)
            __builtin_prefetch(slots[i] - 32);
        for (uint32_t i = 0; i < n; i++)
            SL_TRY(write_change(t, &t->undo[from + i], slots[i], o, f, err));
    }
    return SL_OK;
}

static sl_code write_all(sl_state_table *t, struct out *o, sl_error *err)
{
    uint32_t ids[SL_STATE__BLOCK], n;
    uint64_t cursor = 0;
    while ((n = sl_state_live(t, &cursor, ids, SL_STATE__BLOCK)) > 0) {
        for (uint32_t i = 0; i < n; i++) {
            sl_span stored = sl_state__stored(t, sl_state_value(t, ids[i]));
            o->delta_sum +=
                sl_state_row_hash(t->row_seed, sl_hash_table_hash(t->map, ids[i]),
                                  sl_hash64(stored.data, stored.size_bytes));
            SL_TRY(write_row(o, sl_state_key(t, ids[i]), stored, 0, err));
        }
    }
    return SL_OK;
}

/* figures NULL: the whole table. A section without rows is taken back. */
static sl_code write_section(sl_state_table *t, struct out *o, sl_state_figures *figures,
                             uint32_t *section_count, sl_error *err)
{
    size_t start = o->at;
    uint64_t rows_before = o->row_count;
    SL_TRY(room(o, SL_STATE_DELTA_SECTION_BYTES, err));
    o->at += SL_STATE_DELTA_SECTION_BYTES;
    SL_TRY(figures ? write_changes(t, o, figures, err) : write_all(t, o, err));
    uint64_t rows = o->row_count - rows_before;
    if (rows == 0) {
        o->at = start;
        return SL_OK;
    }
    uint8_t *at = o->buffer->data + start;
    uint32_t head[2] = { t->op.operator_id, t->op.value_width };
    uint64_t sizes[2] = { rows, o->at - start - SL_STATE_DELTA_SECTION_BYTES };
    memcpy(at, head, sizeof head);
    memcpy(at + sizeof head, sizes, sizeof sizes);
    (*section_count)++;
    return SL_OK;
}

/* A first guess of the size, so that most deltas grow never or once. */
static size_t guess_bytes(const sl_state_partition *p, bool whole)
{
    size_t bytes = SL_STATE_DELTA_HEADER_BYTES;
    for (uint32_t i = 0; i < p->table_count; i++) {
        const sl_state_table *t = &p->tables[i];
        size_t rows = whole ? sl_state_count(t) : t->undo_count;
        bytes += SL_STATE_DELTA_SECTION_BYTES +
                 rows * (SL_STATE_ROW_HEAD_BYTES + 16 + t->op.value_width);
    }
    return bytes;
}

static sl_code write_sections(sl_state_partition *p, struct out *o, sl_state_figures *f,
                              uint32_t *ret_count, sl_error *err)
{
    SL_TRY(room(o, guess_bytes(p, f == NULL), err));
    o->at = SL_STATE_DELTA_HEADER_BYTES;
    for (uint32_t i = 0; i < p->table_count; i++) {
        sl_code code = write_section(&p->tables[i], o, f, ret_count, err);
        if (code != SL_OK)
            return sl_state__table_error(&p->tables[i], code, err);
    }
    return SL_OK;
}

static void seal(const sl_state_partition *p, struct out *o, sl_state_delta_kind kind,
                 uint32_t sections, uint64_t parent_id, sl_state_version version,
                 const sl_state_figures *after)
{
    sl_state_delta_header h = {
        .kind = kind,
        .partition = p->config.partition,
        .query_hash = p->config.query_hash,
        .group_first = p->config.group_first,
        .group_end = p->config.group_end,
        .batch = version.batch,
        .parent_id = parent_id,
        .state_id = version.id,
        .row_count = o->row_count,
        .body_bytes = o->at - SL_STATE_DELTA_HEADER_BYTES,
        .rows_after = after->row_count,
        .row_bytes_after = after->row_bytes,
        .row_sum_after = after->row_sum,
        .section_count = sections,
    };
    o->buffer->size_bytes = o->at;
    sl_state_delta_seal(&h, o->buffer->data);
}

sl_code sl_state__delta_build(sl_state_partition *p, sl_state_prepared *ret,
                              sl_state_figures *ret_after, sl_error *err)
{
    sl_state_figures after = p->figures;
    struct out o = { .budget = p->config.budget };
    uint32_t sections = 0;
    sl_code code = write_sections(p, &o, &after, &sections, err);
    if (code != SL_OK) {
        sl_buffer_unref(o.buffer);
        return code;
    }
    *ret_after = after;
    *ret = (sl_state_prepared){ .version = { p->batch, p->version.id } };
    if (o.row_count == 0) {
        sl_buffer_unref(o.buffer);
        return SL_OK;
    }
    ret->version.id = sl_state_id_after(p->version.id, p->batch, o.delta_sum);
    seal(p, &o, SL_STATE_DELTA, sections, p->version.id, ret->version, &after);
    ret->delta = o.buffer;
    ret->row_count = o.row_count;
    ret->delta_hash = sl_hash64(o.buffer->data, o.buffer->size_bytes);
    return SL_OK;
}

sl_code sl_state__full_build(sl_state_partition *p, sl_state_version version,
                             const sl_state_figures *figures, sl_buffer **ret,
                             sl_error *err)
{
    struct out o = { .budget = p->config.budget };
    uint32_t sections = 0;
    sl_code code = write_sections(p, &o, NULL, &sections, err);
    if (code == SL_OK &&
        (o.row_count != figures->row_count || o.delta_sum != figures->row_sum))
        code = sl_fail(err, SL_ECORRUPT,
                       "partition %u in memory has %" PRIu64
                       " rows that do not add up to its running sum of %" PRIu64 " rows",
                       p->config.partition, o.row_count, figures->row_count);
    if (code != SL_OK) {
        sl_buffer_unref(o.buffer);
        return code;
    }
    seal(p, &o, SL_STATE_FULL, sections, 0, version, figures);
    *ret = o.buffer;
    return SL_OK;
}
