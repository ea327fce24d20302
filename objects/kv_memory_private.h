/* kv_memory_private.h - the ordered map behind the memory store.  A sorted array: stores
 * here hold thousands of rows, and the journal's keys mostly come at the end. */

#ifndef SL_OBJECTS_KV_MEMORY_PRIVATE_H
#define SL_OBJECTS_KV_MEMORY_PRIVATE_H

#include "base/bytes.h"

typedef struct sl_kv__row {
    uint8_t *bytes; /* key, then value */
    size_t key_size, value_size;
} sl_kv__row;

typedef struct sl_kv__map {
    sl_kv__row *rows;
    size_t count, capacity;
} sl_kv__map;

static inline sl_span sl_kv__key(const sl_kv__row *r)
{
    return sl_span_of(r->bytes, r->key_size);
}
static inline sl_span sl_kv__value(const sl_kv__row *r)
{
    return sl_span_of(r->bytes + r->key_size, r->value_size);
}

void sl_kv__map_deinit(sl_kv__map *m);
/* Index of the first row with key >= key. */
size_t sl_kv__map_seek(const sl_kv__map *m, sl_span key, bool *ret_found);
void sl_kv__map_put(sl_kv__map *m, sl_span key, sl_span value);
void sl_kv__map_remove(sl_kv__map *m, sl_span key);

#endif /* SL_OBJECTS_KV_MEMORY_PRIVATE_H */
