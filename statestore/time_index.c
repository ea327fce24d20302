/* time_index.c - see time_index_private.h.
 *
 * Adding finds the bucket by the hint, then by binary search; a new bucket in the middle
 * moves at most SL_TIME_INDEX_BUCKETS_MAX bucket structs, and times mostly ascend. */

#include "base/alloc.h"
#include "base/assert.h"
#include "statestore/state_private.h"
#include "statestore/time_index_private.h"

#define NOWHERE UINT32_MAX
#define COARSEN_BITS 2

void sl_time_index_init(sl_time_index *x, sl_budget *budget)
{
    *x = (sl_time_index){ .budget = budget };
}

static void bucket_deinit(sl_time_index *x, sl_time_bucket *b)
{
    sl_state__release(x->budget, (void **)&b->ids, &b->capacity, sizeof *b->ids);
}

void sl_time_index_deinit(sl_time_index *x)
{
    for (size_t i = 0; i < x->bucket_count; i++)
        bucket_deinit(x, &x->buckets[i]);
    sl_state__release(x->budget, (void **)&x->buckets, &x->bucket_capacity,
                      sizeof *x->buckets);
    sl_state__release(x->budget, (void **)&x->places, &x->place_capacity,
                      sizeof *x->places);
}

/* First bucket whose slot is not below `slot`. */
static size_t lower_bound(const sl_time_index *x, int64_t slot)
{
    size_t low = 0, high = x->bucket_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (x->buckets[middle].slot < slot)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t find(const sl_time_index *x, int64_t slot)
{
    if (x->last < x->bucket_count && x->buckets[x->last].slot == slot)
        return x->last;
    return lower_bound(x, slot);
}

static sl_code append_id(sl_time_index *x, sl_time_bucket *b, uint32_t id, sl_error *err)
{
    SL_TRY(sl_state__reserve(x->budget, (void **)&b->ids, &b->capacity, b->count + 1,
                             sizeof *b->ids, err));
    x->places[id] = (uint32_t)b->count;
    b->ids[b->count++] = id;
    return SL_OK;
}

/* Merge each run of buckets that share a slot at the coarser width. Room for a whole run
 * is made before it is merged, so a failure leaves every id in exactly one bucket of the
 * old width; then the index stays as it was. */
static sl_code coarsen(sl_time_index *x, sl_error *err)
{
    uint32_t shift = x->shift + COARSEN_BITS;
    for (size_t i = 0; i < x->bucket_count;) {
        size_t total = 0, j = i;
        int64_t slot = x->buckets[i].slot >> COARSEN_BITS;
        for (; j < x->bucket_count && x->buckets[j].slot >> COARSEN_BITS == slot; j++)
            total += x->buckets[j].count;
        sl_time_bucket *b = &x->buckets[i];
        SL_TRY(sl_state__reserve(x->budget, (void **)&b->ids, &b->capacity, total,
                                 sizeof *b->ids, err));
        i = j;
    }
    size_t kept = 0;
    for (size_t i = 0; i < x->bucket_count; i++) {
        sl_time_bucket *b = &x->buckets[i];
        int64_t slot = b->slot >> COARSEN_BITS;
        if (kept == 0 || x->buckets[kept - 1].slot != slot) {
            sl_time_bucket first = *b;
            first.slot = slot;
            x->buckets[kept++] = first;
            continue;
        }
        sl_time_bucket *to = &x->buckets[kept - 1];
        for (size_t k = 0; k < b->count; k++) {
            x->places[b->ids[k]] = (uint32_t)to->count;
            to->ids[to->count++] = b->ids[k];
        }
        to->greatest = b->greatest > to->greatest ? b->greatest : to->greatest;
        to->least = b->least < to->least ? b->least : to->least;
        bucket_deinit(x, b);
    }
    x->bucket_count = kept;
    x->shift = shift;
    x->last = 0;
    return SL_OK;
}

static sl_code bucket_insert(sl_time_index *x, size_t at, int64_t slot, int64_t end_us,
                             sl_error *err)
{
    SL_TRY(sl_state__reserve(x->budget, (void **)&x->buckets, &x->bucket_capacity,
                             x->bucket_count + 1, sizeof *x->buckets, err));
    sl_time_bucket b = { .slot = slot, .least = end_us, .greatest = end_us };
    SL_TRY(sl_state__reserve(x->budget, (void **)&b.ids, &b.capacity, 1, sizeof *b.ids,
                             err));
    memmove(x->buckets + at + 1, x->buckets + at,
            (x->bucket_count - at) * sizeof *x->buckets);
    x->buckets[at] = b;
    x->bucket_count++;
    return SL_OK;
}

static sl_code places_reserve(sl_time_index *x, uint32_t id, sl_error *err)
{
    size_t before = x->place_capacity;
    if (id < before)
        return SL_OK;
    SL_TRY(sl_state__reserve(x->budget, (void **)&x->places, &x->place_capacity,
                             (size_t)id + 1, sizeof *x->places, err));
    memset(x->places + before, 0xff, (x->place_capacity - before) * sizeof *x->places);
    return SL_OK;
}

sl_code sl_time_index_add(sl_time_index *x, uint32_t id, int64_t end_us, sl_error *err)
{
    SL_TRY(places_reserve(x, id, err));
    SL_DASSERT(x->places[id] == NOWHERE);
    size_t at = find(x, end_us >> x->shift);
    while ((at == x->bucket_count || x->buckets[at].slot != end_us >> x->shift) &&
           x->bucket_count >= SL_TIME_INDEX_BUCKETS_MAX && x->shift < 62) {
        SL_TRY(coarsen(x, err));
        at = find(x, end_us >> x->shift);
    }
    if (at == x->bucket_count || x->buckets[at].slot != end_us >> x->shift)
        SL_TRY(bucket_insert(x, at, end_us >> x->shift, end_us, err));
    sl_time_bucket *b = &x->buckets[at];
    SL_TRY(append_id(x, b, id, err));
    b->least = end_us < b->least ? end_us : b->least;
    b->greatest = end_us > b->greatest ? end_us : b->greatest;
    x->last = at;
    return SL_OK;
}

void sl_time_index_remove(sl_time_index *x, uint32_t id, int64_t end_us)
{
    if (id >= x->place_capacity || x->places[id] == NOWHERE)
        return;
    size_t at = find(x, end_us >> x->shift);
    SL_ASSERT(at < x->bucket_count && x->buckets[at].slot == end_us >> x->shift);
    sl_time_bucket *b = &x->buckets[at];
    uint32_t place = x->places[id];
    SL_DASSERT(place < b->count && b->ids[place] == id);
    uint32_t moved = b->ids[--b->count];
    b->ids[place] = moved;
    x->places[moved] = place;
    x->places[id] = NOWHERE;
    x->last = at;
    if (b->count > 0)
        return;
    bucket_deinit(x, b);
    memmove(x->buckets + at, x->buckets + at + 1,
            (x->bucket_count - at - 1) * sizeof *x->buckets);
    x->bucket_count--;
    if (x->bucket_count == 0)
        x->shift = 0;
}
