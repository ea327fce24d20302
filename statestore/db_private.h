/* db_private.h - the local database and the loading of recipes, inside this room.
 *
 * Keys in the database (docs/formats/state-rows.md):
 *   0x00 "version"                                     what it holds, with figures
 *   0x00 "flushing"                                    version a flush is on its way to
 *   0x01 + operator id (4, big-endian) + key group (2, big-endian) + key  ->  stored
 * value */

#ifndef SL_STATESTORE_DB_PRIVATE_H
#define SL_STATESTORE_DB_PRIVATE_H

#include "statestore/delta.h"
#include "statestore/maintenance.h"

#define SL_STATE__ROW_PREFIX_BYTES 7
#define SL_STATE__ROW_KEY 0x01

typedef struct sl_state__meta {
    sl_state_version version;
    sl_state_figures figures;
} sl_state__meta;

struct sl_state_db {
    sl_state_home home; /* texts are owned */
    char *dir, *copy_dir;
    uint64_t memory_bytes;
    sl_kv *kv; /* NULL: closed */
    /* What an opened database says of itself. */
    bool is_ours;  /* its records are of this partition, or it is empty */
    bool in_flush; /* a flush to flush_to began and did not end */
    sl_state__meta meta;
    sl_state_version flush_to;
};

/* ---- local_db.c ---- */
/* Open if it is there (or create); then is_ours, in_flush, meta are set. */
sl_code sl_state__db_open(sl_state_db *db, bool create, sl_error *err);
void sl_state__db_close(sl_state_db *db);
sl_code sl_state__meta_read(sl_kv *kv, const sl_state_home *home, sl_state__meta *ret,
                            bool *ret_found, sl_error *err);
void sl_state__meta_encode(const sl_state_home *home, const sl_state__meta *meta,
                           sl_bytes *out);
sl_span sl_state__version_key(void);
sl_span sl_state__flushing_key(void);

/* ---- rows_scan.c: all rows of a store, in groups of one operator ---- */
typedef sl_code (*sl_state__rows_fn)(void *user, const sl_state_rows *rows,
                                     sl_error *err);
sl_code sl_state__rows_scan(sl_kv *kv, sl_state__rows_fn fn, void *user, sl_error *err);
void sl_state__row_key_make(uint32_t operator_id, uint64_t key_hash, sl_span key,
                            sl_bytes *out); /* appended */

/* ---- recipe.c ---- */
/* 0: the recipe's start, i + 1: after step i, -1: not on its way. */
int64_t sl_state__recipe_find(const sl_state_recipe *recipe, sl_state_version version);
sl_state_version sl_state__recipe_start(const sl_state_recipe *recipe);
/* Bytes of a delta, borrowed from the place or read into scratch; checked against the
 * step, the home and the parent. */
sl_code sl_state__delta_take(const sl_state_home *home, const sl_delta_place *place,
                             sl_state_delta_kind kind, sl_state_version version,
                             uint64_t parent_id, sl_bytes *scratch,
                             sl_state_delta_reader *ret, sl_error *err);

/* Takes rows into something that keeps figures: live tables, or a shadow of them. */
typedef struct sl_state__loader {
    const sl_state_home *home;
    sl_code (*load)(void *user, const sl_state_rows *rows, sl_state_figures *figures,
                    sl_error *err);
    void *user;
    bool skip_sum;
    sl_state_version version;
    sl_state_figures figures;
} sl_state__loader;

sl_code sl_state__load_store(sl_state__loader *l, sl_kv *kv, const sl_state__meta *meta,
                             const char *name, sl_error *err);
sl_code sl_state__load_full(sl_state__loader *l, const sl_state_recipe *recipe,
                            sl_error *err);
sl_code sl_state__load_steps(sl_state__loader *l, const sl_state_recipe *recipe,
                             uint32_t from, sl_error *err);

/* ---- snapshot.c ---- */
/* Make the files of the recipe's MANIFEST snapshot the closed database's, and open it. */
sl_code sl_state__snapshot_fetch(sl_state_db *db, const sl_snapshot_place *place,
                                 sl_error *err);

#endif /* SL_STATESTORE_DB_PRIVATE_H */
