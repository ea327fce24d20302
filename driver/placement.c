#include "driver/placement.h"

#include <stdbool.h>

#include "base/alloc.h"
#include "base/assert.h"

static uint64_t slots_of(const sl_placement_worker *workers, uint32_t n)
{
    uint64_t slots = 0;
    for (uint32_t i = 0; i < n; i++)
        slots += workers[i].slots;
    return slots;
}

/* Where worker i's part of `count` things ends when they are dealt by slots: parts differ
 * from the exact share by less than one and add up to count. */
static uint32_t part_end(uint64_t slots_before_and_own, uint64_t slots, uint32_t count)
{
    return (uint32_t)(slots_before_and_own * count / slots);
}

static uint32_t index_of(const sl_placement_worker *workers, uint32_t n, uint32_t number)
{
    for (uint32_t i = 0; i < n; i++)
        if (workers[i].number == number)
            return i;
    return n;
}

/* Most each may hold: its share, rounded up. */
static void fill_room(const sl_placement_worker *workers, uint32_t n, uint32_t count,
                      uint32_t *room)
{
    uint64_t slots = slots_of(workers, n);
    for (uint32_t i = 0; i < n; i++)
        room[i] = (uint32_t)(((uint64_t)workers[i].slots * count + slots - 1) / slots);
}

/* The worker with the most room left for its slots; the first of equals. */
static uint32_t roomiest(const sl_placement_worker *workers, uint32_t n,
                         const uint32_t *room)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if ((uint64_t)room[i] * workers[best].slots >
            (uint64_t)room[best] * workers[i].slots)
            best = i;
    return best;
}

uint32_t sl_place_partitions(const sl_placement_worker *workers, uint32_t worker_count,
                             uint32_t *owners, uint32_t count)
{
    uint32_t moved = 0;
    SL_ASSERT(worker_count > 0);
    uint32_t *room = (uint32_t *)sl_calloc(worker_count, sizeof *room);
    bool *keeps = (bool *)sl_calloc(count + (size_t)1, sizeof *keeps);
    fill_room(workers, worker_count, count, room);
    for (uint32_t p = 0; p < count; p++) {
        uint32_t i = index_of(workers, worker_count, owners[p]);
        keeps[p] = i < worker_count && room[i] > 0;
        if (keeps[p])
            room[i]--;
    }
    for (uint32_t p = 0; p < count; p++) {
        if (keeps[p])
            continue;
        uint32_t i = roomiest(workers, worker_count, room);
        room[i]--;
        owners[p] = workers[i].number;
        moved++;
    }
    sl_free(room);
    sl_free(keeps);
    return moved;
}

void sl_place_slices(const sl_placement_worker *workers, uint32_t worker_count,
                     uint32_t *ret_owners, uint32_t count)
{
    SL_ASSERT(worker_count > 0);
    uint64_t slots = slots_of(workers, worker_count), before = 0;
    for (uint32_t i = 0, at = 0; i < worker_count; i++) {
        before += workers[i].slots;
        for (uint32_t end = part_end(before, slots, count); at < end; at++)
            ret_owners[at] = workers[i].number;
    }
}
