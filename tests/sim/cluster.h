/* cluster.h - a driver and several workers, each a machine of its own, on one disk, and a
 * second machine for a driver.
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
 *   leaves       a worker says so and goes; it joins again later
 *   told to go   a driver ends its batches and goes; it comes back
 *   taken over   the driver's machine is taken for dead: its address and its directory go
 *                to the other one, the disk gives its locks away. It is not dead. It may
 *                have been stopped, and goes on as a zombie that sends under its old
 * name, hears nothing, and has a disk or has not doubled      a second driver is started
 * on the same directory: refused
 *
 * In most schedules the driver has a registry and the next one resumes the queries; in
 * the others clients create them again. */

#ifndef SL_TESTS_SIM_CLUSTER_H
#define SL_TESTS_SIM_CLUSTER_H

#include "tests/sim/world.h"

#define SIM_WORKERS_MAX 8u

/* Troubles come and end, then all is well. True: all scripts ended within so many events.
 */
bool sim_cluster_live(sim_world *w, uint32_t workers, uint32_t troubles, uint32_t events);

#endif /* SL_TESTS_SIM_CLUSTER_H */
