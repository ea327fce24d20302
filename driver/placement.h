/* placement.h - which worker runs which slices and holds which state partitions.
 *
 * Partitions stay where their state is as long as no worker holds more than its share
 * (by slots); those of lost workers, and what is over a share when workers join, move.
 * Slices are dealt by slots in order, so that neighbours in a file are read together.
 * Pure functions of the workers and the last placement: no clock, no randomness.
 *
 * Shape:   owners[i] is the number of the worker of partition or slice i; 0 = none.
 * Thread:  any. */

#ifndef SL_DRIVER_PLACEMENT_H
#define SL_DRIVER_PLACEMENT_H

#include <stdint.h>

typedef struct sl_placement_worker {
    uint32_t number; /* > 0 */
    uint32_t slots;  /* > 0 */
} sl_placement_worker;

/* In: the last owners, perhaps of workers that are gone. Out: each is one of `workers`.
 * Returns how many changed. */
uint32_t sl_place_partitions(const sl_placement_worker *workers, uint32_t worker_count,
                             uint32_t *owners, uint32_t count);
void sl_place_slices(const sl_placement_worker *workers, uint32_t worker_count,
                     uint32_t *ret_owners, uint32_t count);

#endif /* SL_DRIVER_PLACEMENT_H */
