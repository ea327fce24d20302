/* launcher.h - starts the processes of a cluster on this host: this same program as
 * `sluice driver` and `sluice worker`.
 *
 * A child is tied to its parent by a pipe: when the parent dies, however it dies, the
 * child ends by itself; or it is left alone in a session of its own.
 *
 * Thread:  any, one call at a time for a child.
 * Errors:  SL_ETIMEOUT not ready in time, SL_EIO could not be started; the text has the
 *          end of its log. */

#ifndef SL_CLIENT_CLUSTER_LAUNCHER_H
#define SL_CLIENT_CLUSTER_LAUNCHER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/options.h"

#define SL_LAUNCH_ARGUMENTS_MAX 64

typedef struct sl_child {
    pid_t pid;         /* 0: none */
    int alive_fd;      /* ours; closing it tells the child to end; -1: it is on its own */
    int ready_fd;      /* ours, until it was ready; -1 */
    char address[200]; /* once ready */
} sl_child;

typedef struct sl_launch {
    const char *program;          /* NULL: this process's own */
    const char *const *arguments; /* after the program's name, NULL at the end */
    const char *log_path;         /* standard output and error are appended; NULL: ours */
    bool is_detached;             /* outlives us */
} sl_launch;

SL_CHECKED sl_code sl_child_start(const sl_launch *launch, sl_child *ret, sl_error *err);
/* Wait until it says it is ready; if it ends before, the error has the end of its log. */
SL_CHECKED sl_code sl_child_wait_ready(sl_child *c, const char *log_path, int timeout_ms,
                                       sl_error *err);
/* Ask it to end, wait at most timeout_ms, then kill. NULL and pid 0 are fine. */
void sl_child_stop(sl_child *c, int timeout_ms);

/* ---- local-cluster[W,N]: a driver and workers for one client ---- */

typedef struct sl_process_cluster sl_process_cluster;

/* Ready when all workers are registered. options: of the client; those of processes
 * (sluice.worker.*, sluice.metrics.*) are given to each. */
SL_CHECKED sl_code sl_process_cluster_new(uint32_t workers, uint32_t slots,
                                          const sl_options *options,
                                          sl_process_cluster **ret, sl_error *err);
const char *sl_process_cluster_address(const sl_process_cluster *c); /* of the driver */
void sl_process_cluster_free(sl_process_cluster *c);                 /* NULL is fine */

#endif /* SL_CLIENT_CLUSTER_LAUNCHER_H */
