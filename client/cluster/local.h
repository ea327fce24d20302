/* local.h - local[N]: one driver and one worker of N slots in this process, over the
 * in-process link.
 *
 * The calling thread is the loop thread: it makes the cluster, runs sl_host_run_until()
 * and calls the driver.  Other threads reach it with sl_host_post().
 *
 * Owns:   host, network, driver, worker, memory tables, and a directory for temporary
 * checkpoints and local state, made when first needed and removed at the end. */

#ifndef SL_CLIENT_CLUSTER_LOCAL_H
#define SL_CLIENT_CLUSTER_LOCAL_H

#include "driver/driver.h"

typedef struct sl_local_cluster sl_local_cluster;

#define SL_LOCAL_DRIVER_ADDRESS "driver"

typedef struct sl_local_config {
    uint32_t slots;
    const sl_options *options; /* of the process: sluice.metrics.*; NULL defaults */
} sl_local_config;

/* Registers the settings of all rooms; call before sl_options_new(). Safe to call again.
 */
void sl_local_register_options(void);

SL_CHECKED sl_code sl_local_cluster_new(const sl_local_config *config,
                                        sl_local_cluster **ret, sl_error *err);
void sl_local_cluster_free(sl_local_cluster *c); /* NULL is fine */
sl_host *sl_local_host(sl_local_cluster *c);
sl_network *sl_local_network_in(sl_local_cluster *c); /* clients open their port here */
sl_driver *sl_local_driver(sl_local_cluster *c);
int64_t sl_local_memory_peak(
    const sl_local_cluster *c); /* bytes charged by the worker, at most */

#endif /* SL_CLIENT_CLUSTER_LOCAL_H */
