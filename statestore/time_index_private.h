/* time_index_private.h - which entries of a table end when.
 *
 * Entries lie in buckets of equal time, the buckets sorted by time, so a closing window
 * frees its bucket at O(1) an entry and "nothing to evict" is one compare.  When more
 * than SL_TIME_INDEX_BUCKETS_MAX buckets exist, buckets get coarser (4x wider until they
 * fit); inside a coarse bucket the exact end is asked of the key.
 *
 * Derived from the keys: in no delta, snapshot or sum.
 * Owns:   its arrays, charged to the table's budget.   Thread: owner thread. */

#ifndef SL_STATESTORE_TIME_INDEX_PRIVATE_H
#define SL_STATESTORE_TIME_INDEX_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/budget.h"

#define SL_TIME_INDEX_BUCKETS_MAX 1024

typedef struct sl_time_bucket {
    int64_t slot;            /* end >> index->shift */
    int64_t least, greatest; /* bounds of the ends inside */
    uint32_t *ids;
    size_t count, capacity;
} sl_time_bucket;

typedef struct sl_time_index {
    sl_budget *budget;
    sl_time_bucket *buckets; /* ascending slot, none empty */
    size_t bucket_count, bucket_capacity;
    uint32_t shift;
    size_t last;      /* bucket hit last */
    uint32_t *places; /* of an id in its bucket; UINT32_MAX = not in the index */
    size_t place_capacity;
} sl_time_index;

void sl_time_index_init(sl_time_index *x, sl_budget *budget);
void sl_time_index_deinit(sl_time_index *x);
sl_code sl_time_index_add(sl_time_index *x, uint32_t id, int64_t end_us, sl_error *err);
/* An id that is not in the index is skipped. */
void sl_time_index_remove(sl_time_index *x, uint32_t id, int64_t end_us);
static inline int64_t sl_time_index_least(const sl_time_index *x)
{
    return x->bucket_count == 0 ? INT64_MAX : x->buckets[0].least;
}

#endif /* SL_STATESTORE_TIME_INDEX_PRIVATE_H */
