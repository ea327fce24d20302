/* process_cluster.h - local-cluster[W,N]: a driver and W workers of N slots for one
 * client, processes of this host that end with it.
 *
 * All are started at once: a worker dials until its driver is there.
 *
 * Owns:   the processes, and a directory for all they write, removed at the end.
 * Thread: any, one call at a time.
 * Errors: of launcher.h */

#ifndef SL_CLIENT_CLUSTER_PROCESS_CLUSTER_H
#define SL_CLIENT_CLUSTER_PROCESS_CLUSTER_H

#include <stdint.h>

#include "base/options.h"

typedef struct sl_process_cluster sl_process_cluster;

/* They are started, and not waited for: there is work for the caller meanwhile. The
 * caller has made no thread, socket or database yet, if it can: processes start faster
 * then (launcher.h). options: of the client; those of processes (sluice.worker.*,
 * sluice.metrics.*) are given to each. */
SL_CHECKED sl_code sl_process_cluster_new(uint32_t workers, uint32_t slots,
                                          const sl_options *options,
                                          sl_process_cluster **ret, sl_error *err);
const char *sl_process_cluster_address(const sl_process_cluster *c); /* of the driver */
/* Once each: until clients may dial the driver, until all workers are registered. */
SL_CHECKED sl_code sl_process_cluster_wait_driver(sl_process_cluster *c, sl_error *err);
SL_CHECKED sl_code sl_process_cluster_wait_workers(sl_process_cluster *c, sl_error *err);
/* No query runs any more: ask all to end at once, _free() waits. NULL is fine. */
void sl_process_cluster_end(sl_process_cluster *c);
/* Queries that run end at their batch boundary, hence the driver first. NULL is fine. */
void sl_process_cluster_free(sl_process_cluster *c);

#endif /* SL_CLIENT_CLUSTER_PROCESS_CLUSTER_H */
