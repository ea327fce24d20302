/* fleet_private.h - the fleet and its record on disk. */

#ifndef SL_CLIENT_CLUSTER_FLEET_PRIVATE_H
#define SL_CLIENT_CLUSTER_FLEET_PRIVATE_H

#include "base/fs.h"
#include "client/cluster/fleet.h"

struct sl_fleet {
    const sl_cluster_config *config;
    sl_file *lock; /* NULL: only looked at */
    char master[220];
    uint32_t count;
    sl_fleet_process processes[1 + SL_CLUSTER_WORKERS_MAX]; /* the driver is the first */
};

/* ---- fleet_record.c ---- */
/* Nothing recorded is no error. */
SL_CHECKED sl_code sl_fleet__record_read(sl_fleet *f, sl_error *err);
SL_CHECKED sl_code sl_fleet__record_write(const sl_fleet *f, sl_error *err);
SL_CHECKED sl_code sl_fleet__record_remove(const sl_fleet *f, sl_error *err);

#endif /* SL_CLIENT_CLUSTER_FLEET_PRIVATE_H */
