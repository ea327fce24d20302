/* fleet.h - the processes of a cluster that one configuration file describes: started
 * detached, recorded, scaled and stopped by later commands.
 *
 * What the directory of the configuration holds:
 *
 *   cluster.json       the record: format, driver and workers with pid, start time, boot,
 *                      address, log. Replaced whole; written as soon as a process is
 *                      started, so that none is ever running unknown
 *   cluster.lock       held by the command that changes the fleet
 *   master             what --master wants: sluice://HOST:PORT or ipc://PATH
 *   logs/              driver.log, worker-N.log; appended to
 *   driver/            the driver's registry of queries; stays when the cluster is
 * stopped workers/worker-N/  state databases; worth nothing once the process has ended
 *
 * Thread:     any, one at a time.
 * Errors:     CANNOT_CONNECT (SL_ELOST) nothing runs where something must; SL_EEXISTS it
 *             runs already; SL_EBUSY another command is changing the fleet; SL_ETIMEOUT,
 *             SL_EIO a process did not start, with the end of its log.
 * Invariants: F1 only a process whose pid, start time and boot are recorded is signalled
 *             F2 a start that fails leaves nothing of its own running
 *             F3 the driver is told to end before any worker, so that queries end at
 * their batch boundaries and stay registered */

#ifndef SL_CLIENT_CLUSTER_FLEET_H
#define SL_CLIENT_CLUSTER_FLEET_H

#include "client/cluster/config.h"
#include "client/cluster/process.h"

typedef struct sl_fleet_process {
    char name[24];   /* "driver", "worker-2" */
    uint32_t number; /* of a worker, from 1; 0: the driver */
    sl_process_id id;
    char address[200];
} sl_fleet_process;

typedef struct sl_fleet sl_fleet;

/* Reads the record. for_change: makes the directory, and holds its lock until _close. The
 * configuration is borrowed. */
SL_CHECKED sl_code sl_fleet_open(const sl_cluster_config *config, bool for_change,
                                 sl_fleet **ret, sl_error *err);
void sl_fleet_close(sl_fleet *f); /* NULL is fine; processes are left alone */

/* The driver first, as recorded; borrowed until the next change. Count 0: none. */
uint32_t sl_fleet_count(const sl_fleet *f);
const sl_fleet_process *sl_fleet_at(const sl_fleet *f, uint32_t i);
bool sl_fleet_driver_is_alive(const sl_fleet *f);
const char *sl_fleet_master(const sl_fleet *f); /* "sluice://..."; "" none recorded */
/* CANNOT_CONNECT with what to do, unless the driver runs. */
SL_CHECKED sl_code sl_fleet_check_runs(const sl_fleet *f, sl_error *err);

/* The three below want a fleet opened for_change. */

/* Start what does not run: driver and workers, until each is ready. Workers whose driver
 * has died are kept; the new one takes its address. SL_EEXISTS while the driver runs. */
SL_CHECKED sl_code sl_fleet_start(sl_fleet *f, sl_error *err);
/* Until `workers` run: more are started, or the youngest are told to leave. */
SL_CHECKED sl_code sl_fleet_scale(sl_fleet *f, uint32_t workers, sl_error *err);
/* End all, by force what does not end in time (*ret_killed of them). */
SL_CHECKED sl_code sl_fleet_stop(sl_fleet *f, uint32_t *ret_killed, sl_error *err);

#endif /* SL_CLIENT_CLUSTER_FLEET_H */
