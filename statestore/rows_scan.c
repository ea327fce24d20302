/* rows_scan.c - the rows of a database, gathered into groups.
 *
 * A store lends its spans for one call only, so values are copied; a group is handed on
 * when it is full or the operator changes. */

#include "base/alloc.h"
#include "base/hash.h"
#include "engine/columnar/row_key.h"
#include "statestore/db_private.h"

#define GROUP_BYTES_MAX (4u << 20)

struct scan {
    sl_state_rows *rows;
    sl_bytes values;
    size_t value_at[SL_STATE_ROWS_MAX + 1];
    sl_state__rows_fn fn;
    void *user;
    sl_code code;
    sl_error *err;
};

void sl_state__row_key_make(uint32_t operator_id, uint64_t key_hash, sl_span key,
                            sl_bytes *out)
{
    uint32_t group = sl_key_group_of(key_hash);
    uint8_t prefix[SL_STATE__ROW_PREFIX_BYTES] = { SL_STATE__ROW_KEY,
                                                   (uint8_t)(operator_id >> 24),
                                                   (uint8_t)(operator_id >> 16),
                                                   (uint8_t)(operator_id >> 8),
                                                   (uint8_t)operator_id,
                                                   (uint8_t)(group >> 8),
                                                   (uint8_t)group };
    sl_bytes_append(out, prefix, sizeof prefix);
    sl_bytes_append(out, key.data, key.size_bytes);
}

static bool hand_on(struct scan *s)
{
    sl_state_rows *rows = s->rows;
    if (rows->count == 0)
        return true;
    for (uint32_t i = 0; i < rows->count; i++)
        rows->values[i] = sl_span_of(s->values.data + s->value_at[i],
                                     s->value_at[i + 1] - s->value_at[i]);
    sl_state_rows_seal(rows);
    s->code = s->fn(s->user, rows, s->err);
    sl_state_rows_clear(rows, rows->operator_id);
    sl_bytes_clear(&s->values);
    return s->code == SL_OK;
}

static bool take_row(void *user, sl_span key, sl_span value)
{
    struct scan *s = user;
    if (key.size_bytes < SL_STATE__ROW_PREFIX_BYTES) {
        s->code = sl_fail(s->err, SL_ECORRUPT, "a stored row with a key of %zu bytes",
                          key.size_bytes);
        return false;
    }
    const uint8_t *k = key.data;
    uint32_t operator_id = (uint32_t)k[1] << 24 | (uint32_t)k[2] << 16 |
                           (uint32_t)k[3] << 8 | (uint32_t)k[4];
    uint32_t group = (uint32_t)k[5] << 8 | k[6];
    sl_span own = sl_span_of(k + SL_STATE__ROW_PREFIX_BYTES,
                             key.size_bytes - SL_STATE__ROW_PREFIX_BYTES);
    if (group != sl_key_group_of(sl_hash64(own.data, own.size_bytes))) {
        s->code =
            sl_fail(s->err, SL_ECORRUPT,
                    "a stored row of operator %u stands in key group %u, its key is "
                    "of another",
                    operator_id, group);
        return false;
    }
    if ((operator_id != s->rows->operator_id || s->rows->count == SL_STATE_ROWS_MAX ||
         s->values.size_bytes > GROUP_BYTES_MAX) &&
        !hand_on(s))
        return false;
    s->rows->operator_id = operator_id;
    (void)sl_state_rows_add(s->rows, own, (sl_span){ 0 }, false);
    s->value_at[s->rows->count - 1] = s->values.size_bytes;
    sl_bytes_append(&s->values, value.data, value.size_bytes);
    s->value_at[s->rows->count] = s->values.size_bytes;
    return true;
}

sl_code sl_state__rows_scan(sl_kv *kv, sl_state__rows_fn fn, void *user, sl_error *err)
{
    static const uint8_t prefix = SL_STATE__ROW_KEY;
    struct scan *s = sl_calloc(1, sizeof *s);
    s->rows = sl_calloc(1, sizeof *s->rows);
    s->fn = fn;
    s->user = user;
    s->err = err;
    sl_code code = sl_kv_prefix(kv, sl_span_of(&prefix, 1), take_row, s, err);
    if (code == SL_OK && s->code == SL_OK)
        (void)hand_on(s);
    if (code == SL_OK)
        code = s->code;
    sl_state_rows_deinit(s->rows);
    sl_bytes_deinit(&s->values);
    sl_free(s->rows);
    sl_free(s);
    return code;
}
