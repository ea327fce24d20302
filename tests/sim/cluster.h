/* cluster.h - a driver and several workers, each a machine of its own, on one disk.
 *
 * A machine has its own host (lanes, timers, clock), so it can be slow, stopped and
 * killed by itself; all clocks agree.  They share the disk, as processes that share a
 * directory do, but for work directories.  What may happen to them while it may:
 *
 *   killed       at any effect (a file operation, a failpoint, a message) or between two;
 *                its connections drop at once.  It comes back as another life.
 *   lost power   the same, and nobody is told, and the disk forgets what the machine did
 *                not sync; or all at once
 *   stopped      for up to twice the time after which a worker is given up, then it goes
 *                on as if nothing had been
 *   cut off      from one other, for a while, in both directions or one
 *   slow         jobs take up to some tenths of a second
 *   failing      file operations fail
 *   leaves       a worker says so and goes; it joins again later */

#ifndef SL_TESTS_SIM_CLUSTER_H
#define SL_TESTS_SIM_CLUSTER_H

#include "tests/sim/world.h"

#define SIM_WORKERS_MAX 8u

/* Troubles come and end, then all is well. True: all scripts ended within so many events.
 */
bool sim_cluster_live(sim_world *w, uint32_t workers, uint32_t troubles, uint32_t events);

#endif /* SL_TESTS_SIM_CLUSTER_H */
