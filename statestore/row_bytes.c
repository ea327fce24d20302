/* row_bytes.c - values as they are stored: the value_width bytes with every string field
 * rewritten as { 0, length }, then the strings in order of their fields.  So stored bytes
 * hold no pointer and two equal values are equal bytes. */

#include "base/hash.h"
#include "statestore/state_private.h"

sl_span sl_state__stored(sl_state_table *t, const uint8_t *value)
{
    if (t->op.blob_count == 0)
        return sl_span_of(value, t->op.value_width);
    sl_bytes *s = &t->scratch;
    sl_bytes_clear(s);
    sl_bytes_append(s, value, t->op.value_width);
    for (uint32_t i = 0; i < t->op.blob_count; i++) {
        uint32_t offset = t->op.blob_offsets[i];
        sl_state_blob b = sl_state__blob_read(value, offset);
        sl_bytes_append(s, b.data, (size_t)b.size_bytes);
        memset(s->data + offset, 0, 8);
    }
    return sl_bytes_span(s);
}

static sl_code bad_value(const sl_state_table *t, const char *what, sl_span bytes,
                         sl_error *err)
{
    return sl_fail(err, SL_ECORRUPT, "a stored value of %zu bytes of operator %u (%s) %s",
                   bytes.size_bytes, t->op.operator_id, t->op.name, what);
}

/* Strings must fill exactly what follows the fixed part. */
static sl_code check_stored(const sl_state_table *t, sl_span bytes, sl_error *err)
{
    if (bytes.size_bytes < t->op.value_width)
        return bad_value(t, "is too short", bytes, err);
    uint64_t left = bytes.size_bytes - t->op.value_width;
    for (uint32_t i = 0; i < t->op.blob_count; i++) {
        uint64_t field[2];
        memcpy(field, bytes.data + t->op.blob_offsets[i], sizeof field);
        if (field[0] != 0 || field[1] > left)
            return bad_value(t, "has a string field that does not fit", bytes, err);
        left -= field[1];
    }
    return left == 0 ? SL_OK : bad_value(t, "is too long", bytes, err);
}

sl_code sl_state__unstore(sl_state_table *t, sl_span bytes, uint8_t *value, sl_error *err)
{
    SL_TRY(check_stored(t, bytes, err));
    sl_state_blob fresh[SL_STATE__BLOBS_MAX];
    size_t at = t->op.value_width;
    for (uint32_t i = 0; i < t->op.blob_count; i++) {
        uint64_t size;
        memcpy(&size, bytes.data + t->op.blob_offsets[i] + 8, 8);
        sl_code code = sl_state__blob_new(t, sl_span_of(bytes.data + at, (size_t)size),
                                          &fresh[i], err);
        if (code != SL_OK) {
            while (i > 0)
                sl_state__blob_free(t, fresh[--i]);
            return code;
        }
        at += (size_t)size;
    }
    sl_state__blobs_drop(t, value, NULL);
    if (t->op.value_width > 0)
        memcpy(value, bytes.data, t->op.value_width);
    for (uint32_t i = 0; i < t->op.blob_count; i++)
        *sl_state__blob_at(value, t->op.blob_offsets[i]) = fresh[i];
    return SL_OK;
}

bool sl_state__value_same(const sl_state_table *t, const uint8_t *a, const uint8_t *b)
{
    if (memcmp(a, b, t->op.value_width) == 0) /* equal blob pointers too */
        return true;
    if (t->op.blob_count == 0)
        return false;
    uint32_t from = 0;
    for (uint32_t i = 0; i <= t->op.blob_count; i++) {
        uint32_t to = i < t->op.blob_count ? t->op.blob_offsets[i] : t->op.value_width;
        if (memcmp(a + from, b + from, to - from) != 0)
            return false;
        if (i == t->op.blob_count)
            break;
        sl_state_blob x = sl_state__blob_read(a, to), y = sl_state__blob_read(b, to);
        if (x.size_bytes != y.size_bytes ||
            (x.size_bytes > 0 && memcmp(x.data, y.data, (size_t)x.size_bytes) != 0))
            return false;
        from = to + (uint32_t)sizeof(sl_state_blob);
    }
    return true;
}

/* ---- loading stored rows ---- */

static void figures_take(sl_state_table *t, sl_state_figures *f, uint64_t key_hash,
                         size_t key_bytes, const uint8_t *value)
{
    sl_span old = sl_state__stored(t, value);
    f->row_count--;
    f->row_bytes -= sl_state__row_bytes(key_bytes, old.size_bytes);
    f->row_sum -=
        sl_state_row_hash(t->row_seed, key_hash, sl_hash64(old.data, old.size_bytes));
}

static sl_code load_puts(sl_state_table *t, const sl_state_rows *rows,
                         sl_state_figures *f, sl_error *err)
{
    SL_TRY(sl_hash_table_upsert_many(t->map, &rows->keys, t->ids, NULL, err));
    for (uint32_t i = 0; i < rows->count; i++) {
        uint8_t *slot = sl_hash_table_value(t->map, t->ids[i]);
        uint8_t *value = slot + SL_STATE__HEAD_BYTES;
        size_t key_bytes = rows->keys.offsets[i + 1] - rows->keys.offsets[i];
        if (sl_state__head_of(slot)->mark != 0) {
            figures_take(t, f, rows->keys.hashes[i], key_bytes, value);
        } else {
            int64_t end_us;
            sl_state__head_of(slot)->mark = SL_STATE__MARK_LOADED;
            if (sl_state__end_of(t, sl_hash_table_key(t->map, t->ids[i]), &end_us))
                SL_TRY(sl_time_index_add(&t->index, t->ids[i], end_us, err));
        }
        sl_span bytes = rows->values[i];
        SL_TRY(sl_state__unstore(t, bytes, value, err));
        f->row_count++;
        f->row_bytes += sl_state__row_bytes(key_bytes, bytes.size_bytes);
        f->row_sum += sl_state_row_hash(t->row_seed, rows->keys.hashes[i],
                                        sl_hash64(bytes.data, bytes.size_bytes));
    }
    return SL_OK;
}

static sl_code load_removals(sl_state_table *t, const sl_state_rows *rows,
                             sl_state_figures *f, sl_error *err)
{
    sl_hash_table_get_many(t->map, &rows->keys, t->ids);
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t id = t->ids[i];
        if (id == SL_ENTRY_NONE || !sl_hash_table_is_live(t->map, id))
            return sl_fail(err, SL_ECORRUPT, "it removes a key that is not there");
        sl_span key = sl_hash_table_key(t->map, id);
        figures_take(t, f, rows->keys.hashes[i], key.size_bytes, sl_state_value(t, id));
        sl_state__entry_drop(t, id);
    }
    return SL_OK;
}

sl_code sl_state__table_load(sl_state_table *t, const sl_state_rows *rows,
                             sl_state_figures *figures, sl_error *err)
{
    const sl_state_config *c = &t->partition->config;
    if (rows->value_width != 0 && rows->value_width != t->op.value_width)
        return sl_fail(
            err, SL_EINCOMPATIBLE,
            "state of operator %u (%s) has values of %u bytes, the query's have "
            "%u; start from a new checkpoint",
            t->op.operator_id, t->op.name, rows->value_width, t->op.value_width);
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t group = sl_key_group_of(rows->keys.hashes[i]);
        if (group < c->group_first || group >= c->group_end)
            return sl_fail(err, SL_ECORRUPT, "a key of key group %u, not in [%u, %u)",
                           group, c->group_first, c->group_end);
    }
    SL_TRY(sl_state__reserve(&t->budget, (void **)&t->ids, &t->ids_capacity, rows->count,
                             sizeof *t->ids, err));
    return rows->removed ? load_removals(t, rows, figures, err)
                         : load_puts(t, rows, figures, err);
}
