/* restore.c - a live partition from a recipe.
 *
 * First the local database, if it holds a version on the recipe's way: then only the
 * deltas after it are applied.  If anything about it is wrong it is dropped and the
 * snapshot is taken; that path decides. */

#include <inttypes.h>

#include "base/alloc.h"
#include "statestore/db_private.h"
#include "statestore/state_private.h"

static sl_code load_into_tables(void *user, const sl_state_rows *rows,
                                sl_state_figures *figures, sl_error *err)
{
    sl_state_partition *p = user;
    sl_state_table *t = sl_state_table_of(p, rows->operator_id);
    if (!t)
        return sl_fail(
            err, SL_EINCOMPATIBLE,
            "it has state of operator %u, which the query does not have; start "
            "from a new checkpoint",
            rows->operator_id);
    return sl_state__table_load(t, rows, figures, err);
}

static sl_state__loader loader_of(sl_state_partition *p, const sl_state_home *home)
{
    return (sl_state__loader){ .home = home,
                               .load = load_into_tables,
                               .user = p,
                               .skip_sum = p->config.skip_sum_check,
                               .version = SL_STATE_VERSION_EMPTY };
}

static sl_code load_start(sl_state__loader *l, sl_state_db *db,
                          const sl_state_recipe *recipe, sl_error *err)
{
    if (recipe->snapshot.kind == SL_SNAPSHOT_FULL)
        return sl_state__load_full(l, recipe, err);
    if (recipe->snapshot.kind == SL_SNAPSHOT_NONE)
        return SL_OK;
    SL_TRY(sl_state__snapshot_fetch(db, &recipe->snapshot, err));
    return sl_state__load_store(l, db->kv, &db->meta, "snapshot", err);
}

/* from < 0: from the recipe's start, else from the database at that step. */
static sl_code build(const sl_state_config *config, const sl_state_home *home,
                     sl_state_db *db, int64_t from, const sl_state_recipe *recipe,
                     sl_state_partition **ret, sl_error *err)
{
    sl_state_partition *p;
    SL_TRY(sl_state_partition_new(config, &p, err));
    sl_state__loader l = loader_of(p, home);
    sl_code code =
        from < 0 ? load_start(&l, db, recipe, err)
                 : sl_state__load_store(&l, db->kv, &db->meta, "local database", err);
    if (code == SL_OK)
        code = sl_state__load_steps(&l, recipe, from < 0 ? 0 : (uint32_t)from, err);
    if (code != SL_OK) {
        sl_state_partition_free(p);
        return code;
    }
    p->version = l.version;
    p->figures = l.figures;
    *ret = p;
    return SL_OK;
}

/* The step the local database can be read at, or -1. */
static int64_t local_at(sl_state_db *db, const sl_state_recipe *recipe)
{
    if (sl_state__db_open(db, false, NULL) != SL_OK || !db->kv || db->in_flush ||
        db->meta.version.id == 0)
        return -1;
    return sl_state__recipe_find(recipe, db->meta.version);
}

static sl_code check_home(const sl_state_config *c, const sl_state_home *h, sl_error *err)
{
    if (c->query_hash != h->query_hash || c->partition != h->partition ||
        c->group_first != h->group_first || c->group_end != h->group_end)
        return sl_fail(
            err, SL_EINTERNAL,
            "state partition %u is to be restored from the home of partition %u",
            c->partition, h->partition);
    return SL_OK;
}

static sl_code restore(const sl_state_config *config, const sl_state_home *home,
                       sl_state_db *db, const sl_state_recipe *recipe,
                       sl_state_partition **ret, sl_error *err)
{
    int64_t at = local_at(db, recipe);
    if (at >= 0) {
        sl_code code = build(config, home, db, at, recipe, ret, err);
        if (code == SL_OK || code == SL_EBUDGET || code == SL_ENOMEM)
            return code;
        SL_TRY(sl_state_db_drop(db, err));
    }
    return build(config, home, db, -1, recipe, ret, err);
}

sl_code sl_state_restore(const sl_state_config *config, const sl_state_home *home,
                         sl_state_db *db, const char *scratch_dir,
                         const sl_state_recipe *recipe, sl_state_partition **ret,
                         sl_error *err)
{
    *ret = NULL;
    SL_TRY(check_home(config, home, err));
    if (db)
        return restore(config, home, db, recipe, ret, err);
    sl_state_db *scratch;
    sl_state_partition *p = NULL;
    SL_TRY(sl_state_db_new(home, scratch_dir, 0, &scratch, err));
    sl_code code = sl_state_db_drop(scratch, err); /* leftovers are not trusted */
    if (code == SL_OK)
        code = restore(config, home, scratch, recipe, &p, err);
    (void)!sl_state_db_drop(scratch, NULL); /* removed by the next one if it stays */
    sl_state_db_free(scratch);
    if (code == SL_OK)
        *ret = p;
    return code;
}
