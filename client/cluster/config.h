/* config.h - the YAML file of a cluster on this host, as `sluice cluster --config` reads
 * it (cluster-configs/ has commented ones).
 *
 *   name: local                    # shown by status; 1 to 63 bytes
 *   directory: ../sluice-cluster   # beside this file unless absolute
 *   driver:
 *     bind: 127.0.0.1:7077         # loopback or ipc:///PATH; port 0 takes a free one
 *   workers:
 *     count: 2
 *     slots: 2                     # executors of each; default one per processor
 *     memory: 1GiB                 # budget of each; default none but the queries' own
 *   settings:                      # as --conf of driver and workers
 *     sluice.worker.deadAfter: 5 s
 *
 * Everything has a default, so an empty file is a cluster. What cannot be is refused
 * here, before any process starts.
 *
 * Owns:    its texts, in its arena.
 * Thread:  any, one at a time.
 * Errors:  the text begins with FILE:LINE:COLUMN (from 1); unknown keys name the nearest.
 *          SL_ENOTFOUND no such file, SL_EINVAL and SL_EOPTION what it says is wrong,
 *          SL_ELIMIT too large. */

#ifndef SL_CLIENT_CLUSTER_CONFIG_H
#define SL_CLIENT_CLUSTER_CONFIG_H

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/options.h"

#define SL_CLUSTER_WORKERS_MAX 256
#define SL_CLUSTER_SETTINGS_MAX 48 /* each is one argument of a process */

typedef struct sl_cluster_setting {
    const char *name, *value;
} sl_cluster_setting;

typedef struct sl_cluster_config {
    sl_arena *arena;
    const char *path;      /* as given */
    const char *name;      /* "local" */
    const char *directory; /* absolute */
    const char *bind;      /* as the transport has it: tcp://..., ipc://... */
    uint32_t worker_count;
    uint32_t slots;
    const char *memory; /* "1GiB"; NULL none */
    sl_cluster_setting settings[SL_CLUSTER_SETTINGS_MAX];
    uint32_t setting_count;
} sl_cluster_config;

/* Free *ret with _deinit, after SL_OK. Settings must be registered
 * (sl_local_register_options). */
SL_CHECKED sl_code sl_cluster_config_read(const char *path, sl_cluster_config *ret,
                                          sl_error *err);
void sl_cluster_config_deinit(sl_cluster_config *c);

/* Settings of processes that are right alone and wrong together: SL_EINVAL. */
SL_CHECKED sl_code sl_cluster_settings_check(const sl_options *options, sl_error *err);

#endif /* SL_CLIENT_CLUSTER_CONFIG_H */
