/* query_registry.h - which streaming queries a restarted driver resumes.
 *
 * <driver-dir>/registry is a RocksDB of one record a query: all that starts it again in a
 * new session.  It is written, synced, before the query's first batch and removed when
 * the query has ended by itself, failed or was stopped; a driver that goes down leaves
 * it. What the query has done is in its checkpoint, not here.
 *
 * Format:     docs/formats/registry.md; a record that does not decode is refused, named.
 * Durability: put and remove are synced when they return.
 * Thread:     any; calls block on the disk.
 * Errors:     SL_EBUSY another driver has the directory; SL_ECORRUPT. */

#ifndef SL_DRIVER_QUERY_REGISTRY_H
#define SL_DRIVER_QUERY_REGISTRY_H

#include "base/arena.h"
#include "objects/kv.h"

typedef struct sl_registry_setting {
    const char *name, *value;
} sl_registry_setting;

typedef struct sl_registry_record {
    const char *query_id;  /* key */
    const char *name;      /* for people */
    const char *directory; /* where relative paths of its statements start */
    const char *checkpoint;
    bool is_temporary; /* the checkpoint goes when the query is stopped */
    uint32_t setting_count;
    const sl_registry_setting *settings; /* of its session, those that were given */
    uint32_t context_count;
    const char *const *context; /* CREATE TABLE and the like, in order */
    const char *statement;      /* CREATE STREAMING QUERY */
    const char *origin; /* which request of which client; "" not known (format 1) */
} sl_registry_record;

typedef struct sl_query_registry sl_query_registry;

/* Makes the directory. */
SL_CHECKED sl_code sl_query_registry_open(sl_fs *fs, const sl_kv_factory *kv,
                                          const char *directory, sl_query_registry **ret,
                                          sl_error *err);
void sl_query_registry_close(sl_query_registry *r); /* NULL is fine */

SL_CHECKED sl_code sl_query_registry_put(sl_query_registry *r,
                                         const sl_registry_record *record, sl_error *err);
SL_CHECKED sl_code sl_query_registry_remove(sl_query_registry *r, const char *query_id,
                                            sl_error *err);
/* All of them, in order of query id; in the arena. */
SL_CHECKED sl_code sl_query_registry_list(sl_query_registry *r, sl_arena *arena,
                                          const sl_registry_record **ret,
                                          uint32_t *ret_count, sl_error *err);

/* The record's bytes, for tests and the fuzzer. */
void sl_registry_record_write(const sl_registry_record *record, sl_bytes *out);
SL_CHECKED sl_code sl_registry_record_read(sl_span bytes, sl_arena *arena,
                                           sl_registry_record *ret, sl_error *err);

#endif /* SL_DRIVER_QUERY_REGISTRY_H */
