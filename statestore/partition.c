/* partition.c - the life of a state partition, as a table of allowed moves. */

#include <inttypes.h>

#include "base/hash.h"
#include "base/limits.h"
#include "statestore/state_private.h"

enum move { MOVE_BEGIN, MOVE_PREPARE, MOVE_COMMIT, MOVE_SKIP, MOVE_FULL, MOVE_COUNT };

static const char *const move_names[MOVE_COUNT] = { "begin", "prepare", "commit", "skip",
                                                    "write in full" };
static const char *const phase_names[] = { "IDLE", "OPEN", "FAILED", "PREPARED" };

/* Abort is allowed from everywhere. */
static const bool allowed[4][MOVE_COUNT] = {
    [SL_STATE_IDLE] = { [MOVE_BEGIN] = true, [MOVE_SKIP] = true, [MOVE_FULL] = true },
    [SL_STATE_OPEN] = { [MOVE_PREPARE] = true },
    [SL_STATE_FAILED] = { false },
    [SL_STATE_PREPARED] = { [MOVE_COMMIT] = true, [MOVE_FULL] = true },
};

static sl_code may(const sl_state_partition *p, enum move move, sl_error *err)
{
    if (allowed[p->phase][move])
        return SL_OK;
    return sl_fail(err, SL_EINTERNAL, "state partition %u cannot %s while it is %s",
                   p->config.partition, move_names[move], phase_names[p->phase]);
}

static sl_code check_config(const sl_state_config *c, sl_error *err)
{
    if (c->group_first >= c->group_end || c->group_end > SL_KEY_GROUPS)
        return sl_fail(err, SL_EINVAL,
                       "state partition %u with key groups [%u, %u) of %d", c->partition,
                       c->group_first, c->group_end, SL_KEY_GROUPS);
    if (c->operator_count > SL_STATE__OPERATORS_MAX)
        return sl_fail(err, SL_ELIMIT, "%u stateful operators in a query, at most %d",
                       c->operator_count, SL_STATE__OPERATORS_MAX);
    for (uint32_t i = 0; i < c->operator_count; i++)
        for (uint32_t j = 0; j < i; j++)
            if (c->operators[i].operator_id == c->operators[j].operator_id)
                return sl_fail(err, SL_EINTERNAL, "two stateful operators with id %u",
                               c->operators[i].operator_id);
    return SL_OK;
}

sl_code sl_state_partition_new(const sl_state_config *config, sl_state_partition **ret,
                               sl_error *err)
{
    *ret = NULL;
    SL_TRY(check_config(config, err));
    sl_state_partition *p = sl_calloc(1, sizeof *p);
    p->config = *config;
    p->config.operators = NULL;
    p->version = SL_STATE_VERSION_EMPTY;
    p->mark = SL_STATE__MARK_LOADED;
    p->tables = sl_calloc(config->operator_count + 1, sizeof *p->tables);
    for (uint32_t i = 0; i < config->operator_count; i++) {
        p->table_count = i + 1;
        sl_code code = sl_state__table_init(&p->tables[i], p, &config->operators[i], err);
        if (code != SL_OK) {
            sl_state_partition_free(p);
            return code;
        }
    }
    *ret = p;
    return SL_OK;
}

void sl_state_partition_free(sl_state_partition *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; i < p->table_count; i++)
        sl_state__table_deinit(&p->tables[i]);
    sl_free(p->tables);
    sl_free(p);
}

sl_state_table *sl_state_table_of(sl_state_partition *p, uint32_t operator_id)
{
    for (uint32_t i = 0; i < p->table_count; i++)
        if (p->tables[i].op.operator_id == operator_id)
            return &p->tables[i];
    return NULL;
}

sl_state_phase sl_state_phase_of(const sl_state_partition *p)
{
    return p->phase;
}

sl_state_version sl_state_version_of(const sl_state_partition *p)
{
    return p->version;
}

/* ---- batches ---- */

/* Marks are about to repeat: make every entry's mark an old one. */
static void forget_marks(sl_state_partition *p)
{
    for (uint32_t i = 0; i < p->table_count; i++) {
        sl_hash_table *map = p->tables[i].map;
        for (uint32_t id = 0, end = sl_hash_table_id_end(map); id < end; id++)
            if (sl_hash_table_is_live(map, id))
                sl_state__head_of(sl_hash_table_value(map, id))->mark =
                    SL_STATE__MARK_LOADED;
    }
    p->mark = SL_STATE__MARK_LOADED;
}

sl_code sl_state_begin(sl_state_partition *p, int64_t batch, sl_state_version base,
                       sl_error *err)
{
    SL_TRY(may(p, MOVE_BEGIN, err));
    if (base.batch != p->version.batch || base.id != p->version.id || batch <= base.batch)
        return sl_fail(err, SL_EINTERNAL,
                       "state partition %u is at batch %" PRId64 " (%016" PRIx64
                       "), batch %" PRId64 " wants it at %" PRId64 " (%016" PRIx64 ")",
                       p->config.partition, p->version.batch, p->version.id, batch,
                       base.batch, base.id);
    if (p->mark == SL_STATE__MARK_REMOVED - 1)
        forget_marks(p);
    p->mark++;
    for (uint32_t i = 0; i < p->table_count; i++)
        p->tables[i].mark = p->mark;
    p->batch = batch;
    p->phase = SL_STATE_OPEN;
    return SL_OK;
}

sl_code sl_state_prepare(sl_state_partition *p, sl_state_prepared *ret, sl_error *err)
{
    SL_TRY(may(p, MOVE_PREPARE, err));
    sl_state_prepared made;
    sl_state_figures after;
    sl_code code = sl_state__delta_build(p, &made, &after, err);
    if (code != SL_OK) {
        p->phase = SL_STATE_FAILED;
        return code;
    }
    p->pending = after;
    p->prepared = made.version;
    p->phase = SL_STATE_PREPARED;
    *ret = made;
    return SL_OK;
}

sl_code sl_state_commit(sl_state_partition *p, sl_state_version version, sl_error *err)
{
    SL_TRY(may(p, MOVE_COMMIT, err));
    if (version.batch != p->prepared.batch || version.id != p->prepared.id)
        return sl_fail(err, SL_EINTERNAL,
                       "state partition %u prepared batch %" PRId64 " (%016" PRIx64
                       "), committed was %" PRId64 " (%016" PRIx64
                       "): drop it and restore",
                       p->config.partition, p->prepared.batch, p->prepared.id,
                       version.batch, version.id);
    for (uint32_t i = 0; i < p->table_count; i++)
        sl_state__undo_commit(&p->tables[i]);
    p->version = version;
    p->figures = p->pending;
    p->phase = SL_STATE_IDLE;
    return SL_OK;
}

void sl_state_abort(sl_state_partition *p)
{
    if (p->phase == SL_STATE_IDLE)
        return;
    for (uint32_t i = 0; i < p->table_count; i++)
        sl_state__undo_abort(&p->tables[i]);
    p->phase = SL_STATE_IDLE;
}

sl_code sl_state_skip_to(sl_state_partition *p, int64_t batch, sl_error *err)
{
    SL_TRY(may(p, MOVE_SKIP, err));
    if (batch < p->version.batch)
        return sl_fail(err, SL_EINTERNAL,
                       "state partition %u is at batch %" PRId64
                       " and cannot go back to %" PRId64,
                       p->config.partition, p->version.batch, batch);
    p->version.batch = batch;
    return SL_OK;
}

/* ---- figures ---- */

void sl_state_figures_get(const sl_state_partition *p, sl_state_figures *ret)
{
    *ret = p->phase == SL_STATE_PREPARED ? p->pending : p->figures;
    ret->memory_bytes = 0;
    for (uint32_t i = 0; i < p->table_count; i++)
        ret->memory_bytes += sl_budget_used(&p->tables[i].budget);
}

sl_code sl_state_full_delta(sl_state_partition *p, sl_buffer **ret, uint64_t *ret_hash,
                            sl_error *err)
{
    SL_TRY(may(p, MOVE_FULL, err));
    bool prepared = p->phase == SL_STATE_PREPARED;
    sl_buffer *full;
    SL_TRY(sl_state__full_build(p, prepared ? p->prepared : p->version,
                                prepared ? &p->pending : &p->figures, &full, err));
    *ret = full;
    if (ret_hash)
        *ret_hash = sl_hash64(full->data, full->size_bytes);
    return SL_OK;
}
