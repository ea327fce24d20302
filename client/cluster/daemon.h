/* daemon.h - the processes of a cluster: `sluice driver` and `sluice worker`.
 *
 * Each runs its machine on the calling thread's loop until it is told to end.  SIGTERM
 * and SIGINT end a driver's queries at their batch boundaries (they stay in its registry,
 * and the next driver resumes them), a second one abandons the batches; a worker leaves
 * at once, since what it runs is run again elsewhere.  A worker that was fenced comes
 * back as a new incarnation.
 *
 * Life of a child: when `alive_fd` is not -1 its other end is the parent's; once that is
 * gone the process ends as by SIGTERM.  A line "ready ADDRESS" goes to `ready_fd`, if not
 * -1: a driver's when clients may connect, a worker's when it is registered.
 *
 * Thread: main; signals are blocked for all threads. */

#ifndef SL_CLIENT_CLUSTER_DAEMON_H
#define SL_CLIENT_CLUSTER_DAEMON_H

#include "base/options.h"

typedef struct sl_driver_daemon {
    const char *bind;      /* "tcp://127.0.0.1:7077", "ipc://..." */
    const char *name;      /* with its metrics: "driver" */
    const char *directory; /* registry, checkpoints of queries without a location */
    const sl_options *options;
    const char *test_tables; /* file of memory tables shared with `sluice test`; NULL */
    bool has_no_registry;    /* queries end with this process */
    int alive_fd, ready_fd;
} sl_driver_daemon;

typedef struct sl_worker_daemon {
    const char *driver; /* address to register at */
    const char *bind;   /* for the shuffle; NULL: any free one of the driver's kind */
    const char *name; /* with driver, metrics: "worker-1"; NULL: the driver's, "worker" */
    const char *directory; /* a directory per incarnation is made here */
    uint32_t slots;
    int64_t memory_bytes;
    const sl_options *options;
    int alive_fd, ready_fd;
} sl_worker_daemon;

/* Run until told to end; SL_OK then. */
SL_CHECKED sl_code sl_driver_daemon_run(const sl_driver_daemon *config, sl_error *err);
SL_CHECKED sl_code sl_worker_daemon_run(const sl_worker_daemon *config, sl_error *err);

#endif /* SL_CLIENT_CLUSTER_DAEMON_H */
