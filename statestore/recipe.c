/* recipe.c - walking a recipe: finding a version on its way, taking deltas, loading rows.
 *
 * Every delta is checked three times over: its own checksums, its place in the chain
 * (parent id, then the id its rows make), and what the state sums up to after it. */

#include "statestore/maintenance.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "checkpoint/layout.h"
#include "statestore/db_private.h"

sl_state_version sl_state__recipe_start(const sl_state_recipe *recipe)
{
    if (recipe->snapshot.kind == SL_SNAPSHOT_NONE)
        return SL_STATE_VERSION_EMPTY;
    return (sl_state_version){ recipe->snapshot.batch, recipe->snapshot.state_id };
}

/* A version may carry a later batch than the step that made it: batches in between
 * changed nothing. */
int64_t sl_state__recipe_find(const sl_state_recipe *recipe, sl_state_version version)
{
    if (version.batch > recipe->version.batch)
        return -1;
    for (int64_t i = recipe->step_count; i >= 0; i--) {
        sl_state_version at =
            i == 0 ? sl_state__recipe_start(recipe) : recipe->steps[i - 1].version;
        if (at.batch <= version.batch)
            return at.id == version.id ? i : -1;
    }
    return -1;
}

/* "segment s at offset o" or "commit" in front of the message. */
static sl_code delta_error(const sl_state_home *home, const sl_delta_place *place,
                           sl_state_version version, sl_code code, sl_error *err)
{
    if (!err)
        return code;
    if (place->kind == SL_DELTA_SEGMENT)
        sl_error_prefix(err,
                        "state partition %u, delta of batch %" PRId64
                        " in segment %s at offset %" PRIu64,
                        home->partition, version.batch, place->segment.name,
                        place->segment.offset);
    else
        sl_error_prefix(err,
                        "state partition %u, delta of batch %" PRId64 " in its commit",
                        home->partition, version.batch);
    return code;
}

static sl_code delta_check(const sl_state_home *home, const sl_state_delta_header *h,
                           sl_state_delta_kind kind, sl_state_version version,
                           uint64_t parent_id, sl_error *err)
{
    if (h->query_hash != home->query_hash || h->partition != home->partition ||
        h->group_first != home->group_first || h->group_end != home->group_end)
        return sl_fail(err, SL_EINCOMPATIBLE,
                       "it is of partition %u, key groups [%u, %u), query %016" PRIx64
                       "; wanted are key groups [%u, %u), query %016" PRIx64,
                       h->partition, h->group_first, h->group_end, h->query_hash,
                       home->group_first, home->group_end, home->query_hash);
    if (h->kind != kind)
        return sl_fail(err, SL_ECORRUPT, "it is of kind %d, expected %d", (int)h->kind,
                       (int)kind);
    if (h->batch != version.batch || h->state_id != version.id ||
        (kind == SL_STATE_DELTA && h->parent_id != parent_id))
        return sl_fail(
            err, SL_ECORRUPT,
            "it leads from %016" PRIx64 " to batch %" PRId64 " (%016" PRIx64
            "), expected from %016" PRIx64 " to batch %" PRId64 " (%016" PRIx64 ")",
            h->parent_id, h->batch, h->state_id, parent_id, version.batch, version.id);
    return SL_OK;
}

static sl_code delta_bytes(const sl_state_home *home, const sl_delta_place *place,
                           sl_bytes *scratch, sl_span *ret, sl_error *err)
{
    if (place->kind == SL_DELTA_INLINE) {
        *ret = place->bytes;
        return SL_OK;
    }
    if (place->kind != SL_DELTA_SEGMENT)
        return sl_fail(err, SL_EINTERNAL, "it has no place");
    sl_checkpoint_path *dir = sl_alloc(sizeof *dir);
    sl_code code = sl_layout_segments(home->checkpoint_dir, dir, err);
    if (code == SL_OK)
        code = sl_segment_read(home->fs, dir->text, &place->segment, scratch, err);
    sl_free(dir);
    if (code == SL_OK)
        *ret = sl_bytes_span(scratch);
    return code;
}

sl_code sl_state__delta_take(const sl_state_home *home, const sl_delta_place *place,
                             sl_state_delta_kind kind, sl_state_version version,
                             uint64_t parent_id, sl_bytes *scratch,
                             sl_state_delta_reader *ret, sl_error *err)
{
    sl_span bytes = { 0 };
    sl_state_delta_reader r;
    sl_failpoint_pass(home->failpoints, "state.delta");
    sl_code code = delta_bytes(home, place, scratch, &bytes, err);
    if (code == SL_OK)
        code = sl_state_delta_reader_init(&r, bytes, err);
    if (code == SL_OK)
        code = delta_check(home, &r.header, kind, version, parent_id, err);
    if (code != SL_OK)
        return delta_error(home, place, version, code, err);
    *ret = r;
    return SL_OK;
}

/* ---- loading ---- */

static sl_code figures_check(const sl_state__loader *l, uint64_t rows, uint64_t row_sum,
                             sl_error *err)
{
    if (l->skip_sum || (l->figures.row_count == rows && l->figures.row_sum == row_sum))
        return SL_OK;
    return sl_fail(err, SL_ECORRUPT,
                   "the state after it has %" PRIu64 " rows of sum %016" PRIx64
                   ", recorded are %" PRIu64 " rows of sum %016" PRIx64,
                   l->figures.row_count, l->figures.row_sum, rows, row_sum);
}

static uint64_t rows_sum(const sl_state_rows *rows)
{
    uint64_t sum = 0, seed = sl_state_row_seed(rows->operator_id);
    for (uint32_t i = 0; i < rows->count; i++)
        sum += sl_state_row_hash(
            seed, rows->hashes[i],
            rows->removed ? SL_STATE_REMOVED_HASH
                          : sl_hash64(rows->values[i].data, rows->values[i].size_bytes));
    return sum;
}

/* All rows of an opened delta, then the checks of what they made. */
static sl_code load_rows(sl_state__loader *l, sl_state_delta_reader *r, sl_error *err)
{
    sl_state_rows *rows = sl_calloc(1, sizeof *rows);
    uint64_t sum = 0;
    sl_code code;
    for (bool more = true;;) {
        code = sl_state_delta_read(r, rows, &more, err);
        if (code != SL_OK || !more)
            break;
        sum += rows_sum(rows);
        code = l->load(l->user, rows, &l->figures, err);
        if (code != SL_OK)
            break;
    }
    sl_state_rows_deinit(rows);
    sl_free(rows);
    SL_TRY(code);
    const sl_state_delta_header *h = &r->header;
    if (h->kind == SL_STATE_DELTA &&
        h->state_id != sl_state_id_after(h->parent_id, h->batch, sum))
        return sl_fail(err, SL_ECORRUPT, "its rows do not make its state id %016" PRIx64,
                       h->state_id);
    return figures_check(l, h->rows_after, h->row_sum_after, err);
}

static sl_code load_delta(sl_state__loader *l, const sl_delta_place *place,
                          sl_state_delta_kind kind, sl_state_version version,
                          sl_error *err)
{
    sl_bytes scratch = { 0 };
    sl_state_delta_reader r;
    sl_code code = sl_state__delta_take(l->home, place, kind, version, l->version.id,
                                        &scratch, &r, err);
    if (code == SL_OK) {
        code = load_rows(l, &r, err);
        if (code != SL_OK)
            code = delta_error(l->home, place, version, code, err);
    }
    sl_bytes_deinit(&scratch);
    SL_TRY(code);
    l->version = version;
    return SL_OK;
}

sl_code sl_state__load_full(sl_state__loader *l, const sl_state_recipe *recipe,
                            sl_error *err)
{
    return load_delta(l, &recipe->full, SL_STATE_FULL, sl_state__recipe_start(recipe),
                      err);
}

sl_code sl_state__load_steps(sl_state__loader *l, const sl_state_recipe *recipe,
                             uint32_t from, sl_error *err)
{
    for (uint32_t i = from; i < recipe->step_count; i++) {
        const sl_state_step *step = &recipe->steps[i];
        if (step->version.batch <= l->version.batch)
            return sl_fail(err, SL_ECORRUPT,
                           "state partition %u: the delta of batch %" PRId64
                           " is named after batch %" PRId64,
                           l->home->partition, step->version.batch, l->version.batch);
        if (step->delta.kind == SL_DELTA_NONE) {
            if (step->version.id != l->version.id)
                return sl_fail(err, SL_ECORRUPT,
                               "state partition %u: batch %" PRId64 " changed its id to "
                               "%016" PRIx64 ", but has no delta",
                               l->home->partition, step->version.batch, step->version.id);
            l->version = step->version;
            continue;
        }
        SL_TRY(load_delta(l, &step->delta, SL_STATE_DELTA, step->version, err));
    }
    if (l->version.id != recipe->version.id || l->version.batch > recipe->version.batch)
        return sl_fail(err, SL_ECORRUPT,
                       "state partition %u: the deltas end at batch %" PRId64
                       " (%016" PRIx64 "), committed is batch %" PRId64 " (%016" PRIx64
                       ")",
                       l->home->partition, l->version.batch, l->version.id,
                       recipe->version.batch, recipe->version.id);
    l->version = recipe->version;
    return SL_OK;
}

static sl_code load_from_store(void *user, const sl_state_rows *rows, sl_error *err)
{
    sl_state__loader *l = user;
    return l->load(l->user, rows, &l->figures, err);
}

sl_code sl_state__load_store(sl_state__loader *l, sl_kv *kv, const sl_state__meta *meta,
                             const char *name, sl_error *err)
{
    sl_code code = sl_state__rows_scan(kv, load_from_store, l, err);
    if (code == SL_OK)
        code = figures_check(l, meta->figures.row_count, meta->figures.row_sum, err);
    if (code != SL_OK) {
        if (err)
            sl_error_prefix(err, "state partition %u, %s of batch %" PRId64,
                            l->home->partition, name, meta->version.batch);
        return code;
    }
    l->version = meta->version;
    return SL_OK;
}
