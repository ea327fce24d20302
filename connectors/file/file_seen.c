/* The set of files a stream has planned.  What is behind the horizon counts as absent at
 * once; its entries are swept when half as many were added as there are, so that purging
 * costs O(1) a file and the set is at most half again as large as it need be. */
#include <string.h>

#include "base/hash.h"
#include "connectors/file/file_private.h"

#define SWEEP_MIN 64

sl_code sl_file__seen_init(sl_file_seen *s, const sl_file_options *options, sl_error *err)
{
    *s = (sl_file_seen){ .name_only = options->name_only,
                         .age_max_us = options->age_max_us,
                         .newest_us = INT64_MIN,
                         .horizon_us = INT64_MIN,
                         .swept_us = INT64_MIN };
    return sl_hash_table_new(sizeof(int64_t), NULL, &s->table, err);
}

void sl_file__seen_deinit(sl_file_seen *s)
{
    sl_hash_table_free(s->table);
    s->table = NULL;
}

static const char *identity_of(const sl_file_seen *s, const char *path)
{
    const char *slash = strrchr(path, '/');
    return s->name_only && slash != NULL ? slash + 1 : path;
}

static int64_t *value_of(const sl_file_seen *s, uint32_t entry)
{
    return (int64_t *)(void *)sl_hash_table_value(s->table, entry);
}

bool sl_file__seen_is_new(const sl_file_seen *s, const char *path, int64_t mtime_us)
{
    const char *id = identity_of(s, path);
    uint32_t offsets[2] = { 0, (uint32_t)strlen(id) }, entry;
    uint64_t hash = sl_hash64(id, offsets[1]);
    sl_key_batch key = { (const uint8_t *)id, offsets, &hash, 1 };
    if (mtime_us < s->horizon_us)
        return false;
    sl_hash_table_get_many(s->table, &key, &entry);
    return entry == SL_ENTRY_NONE || *value_of(s, entry) < s->horizon_us;
}

sl_code sl_file__seen_add(sl_file_seen *s, const char *path, int64_t mtime_us,
                          sl_error *err)
{
    const char *id = identity_of(s, path);
    uint32_t offsets[2] = { 0, (uint32_t)strlen(id) }, entry;
    uint64_t hash = sl_hash64(id, offsets[1]);
    sl_key_batch key = { (const uint8_t *)id, offsets, &hash, 1 };
    SL_TRY(sl_hash_table_upsert_many(s->table, &key, &entry, NULL, err));
    *value_of(s, entry) = mtime_us;
    s->added++;
    if (mtime_us > s->newest_us)
        s->newest_us = mtime_us;
    return SL_OK;
}

static void sweep(sl_file_seen *s)
{
    for (uint32_t i = 0; i < sl_hash_table_id_end(s->table); i++)
        if (sl_hash_table_is_live(s->table, i) && *value_of(s, i) < s->horizon_us) {
            sl_hash_table_remove(s->table, i);
            s->swept_us = s->horizon_us;
        }
    s->added = 0;
}

void sl_file__seen_purge(sl_file_seen *s)
{
    if (s->age_max_us == INT64_MAX || s->newest_us == INT64_MIN)
        return;
    if (s->newest_us >= INT64_MIN + s->age_max_us &&
        s->newest_us - s->age_max_us > s->horizon_us)
        s->horizon_us = s->newest_us - s->age_max_us;
    if (s->added >= SWEEP_MIN + sl_hash_table_count(s->table) / 3)
        sweep(s);
}
