/* verify.c - the checks of a restore without the operators: rows go into a shadow that
 * keeps of each row only its hash and size. */

#include "base/alloc.h"
#include "base/hash.h"
#include "base/limits.h"
#include "engine/columnar/row_key.h"
#include "statestore/db_private.h"

struct shadow_row {
    uint64_t row_hash;
    uint64_t row_bytes;
    uint64_t is_loaded;
};

struct shadow {
    const sl_state_home *home;
    sl_hash_table *rows; /* by operator id and key */
    sl_bytes keys;
    uint32_t offsets[SL_STATE_ROWS_MAX + 1];
    uint64_t hashes[SL_STATE_ROWS_MAX];
    uint32_t ids[SL_STATE_ROWS_MAX];
};

static sl_key_batch shadow_keys(struct shadow *s, const sl_state_rows *rows)
{
    sl_bytes_clear(&s->keys);
    s->offsets[0] = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        sl_bytes_u32(&s->keys, rows->operator_id);
        sl_bytes_append(&s->keys, rows->keys.data + rows->offsets[i],
                        rows->offsets[i + 1] - rows->offsets[i]);
        s->offsets[i + 1] = (uint32_t)s->keys.size_bytes;
    }
    for (uint32_t i = 0; i < rows->count; i++)
        s->hashes[i] =
            sl_hash64(s->keys.data + s->offsets[i], s->offsets[i + 1] - s->offsets[i]);
    return (sl_key_batch){ s->keys.data, s->offsets, s->hashes, rows->count };
}

static struct shadow_row *shadow_at(struct shadow *s, uint32_t id)
{
    return (struct shadow_row *)(void *)sl_hash_table_value(s->rows, id);
}

static void forget(const struct shadow_row *row, sl_state_figures *f)
{
    f->row_count--;
    f->row_bytes -= row->row_bytes;
    f->row_sum -= row->row_hash;
}

static sl_code shadow_remove(struct shadow *s, uint32_t id, sl_state_figures *f,
                             sl_error *err)
{
    if (id == SL_ENTRY_NONE || !sl_hash_table_is_live(s->rows, id))
        return sl_fail(err, SL_ECORRUPT, "it removes a key that is not there");
    forget(shadow_at(s, id), f);
    sl_hash_table_remove(s->rows, id);
    return SL_OK;
}

static void shadow_put(struct shadow *s, const sl_state_rows *rows, uint32_t i,
                       sl_state_figures *f)
{
    struct shadow_row *row = shadow_at(s, s->ids[i]);
    sl_span value = rows->values[i];
    if (row->is_loaded)
        forget(row, f);
    row->is_loaded = 1;
    row->row_bytes = SL_STATE_ROW_HEAD_BYTES + value.size_bytes +
                     (rows->offsets[i + 1] - rows->offsets[i]);
    row->row_hash =
        sl_state_row_hash(sl_state_row_seed(rows->operator_id), rows->hashes[i],
                          sl_hash64(value.data, value.size_bytes));
    f->row_count++;
    f->row_bytes += row->row_bytes;
    f->row_sum += row->row_hash;
}

static sl_code shadow_load(void *user, const sl_state_rows *rows, sl_state_figures *f,
                           sl_error *err)
{
    struct shadow *s = user;
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t group = sl_key_group_of(rows->hashes[i]);
        if (group < s->home->group_first || group >= s->home->group_end)
            return sl_fail(err, SL_ECORRUPT, "a key of key group %u, not in [%u, %u)",
                           group, s->home->group_first, s->home->group_end);
    }
    sl_key_batch keys = shadow_keys(s, rows);
    if (rows->removed) {
        sl_hash_table_get_many(s->rows, &keys, s->ids);
        for (uint32_t i = 0; i < rows->count; i++)
            SL_TRY(shadow_remove(s, s->ids[i], f, err));
        return SL_OK;
    }
    SL_TRY(sl_hash_table_upsert_many(s->rows, &keys, s->ids, NULL, err));
    for (uint32_t i = 0; i < rows->count; i++)
        shadow_put(s, rows, i, f);
    return SL_OK;
}

static sl_code verify_into(sl_state__loader *l, sl_state_db *scratch,
                           const sl_state_recipe *recipe, sl_error *err)
{
    if (recipe->snapshot.kind == SL_SNAPSHOT_FULL) {
        SL_TRY(sl_state__load_full(l, recipe, err));
    } else if (recipe->snapshot.kind == SL_SNAPSHOT_MANIFEST) {
        SL_TRY(sl_state__snapshot_fetch(scratch, &recipe->snapshot, err));
        SL_TRY(sl_state__load_store(l, scratch->kv, &scratch->meta, "snapshot", err));
    }
    return sl_state__load_steps(l, recipe, 0, err);
}

sl_code sl_state_verify(const sl_state_home *home, const char *scratch_dir,
                        const sl_state_recipe *recipe, sl_budget *budget,
                        sl_state_figures *ret, sl_error *err)
{
    sl_state_db *scratch;
    SL_TRY(sl_state_db_new(home, scratch_dir, 0, &scratch, err));
    struct shadow *s = sl_calloc(1, sizeof *s);
    s->home = home;
    sl_state__loader l = {
        .home = home, .load = shadow_load, .user = s, .version = SL_STATE_VERSION_EMPTY
    };
    sl_code code = sl_hash_table_new(sizeof(struct shadow_row), budget, &s->rows, err);
    if (code == SL_OK)
        code = sl_state_db_drop(scratch, err);
    if (code == SL_OK)
        code = verify_into(&l, scratch, recipe, err);
    (void)!sl_state_db_drop(scratch, NULL);
    sl_state_db_free(scratch);
    sl_hash_table_free(s->rows);
    sl_bytes_deinit(&s->keys);
    sl_free(s);
    if (code == SL_OK && ret)
        *ret = l.figures;
    return code;
}
