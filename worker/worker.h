/* worker.h - the process half that does the work: reads slices, shuffles, keeps state.
 *
 * A state machine on its host's loop thread: messages, timers and finished jobs are its
 * events; messages and jobs its effects.  Rows are touched on executor lanes only
 * ("executor-0"..), state is stored on the lane "state-store", snapshots are made on
 * "maintenance".  State partition p belongs to executor p mod slots: every job that
 * touches it runs on that lane.
 *
 *   DEPLOY -> TASK -> attempt: restore/begin, run tasks, prepare -> store deltas -> DONE
 *          -> COMMITTED: commit | ABORT: undo            (worker/attempt.c has the
 * drawing)
 *
 * Thread:  loop thread.
 * Owns:    its channel, deployments, work directory. Borrows: host, network, memory
 * tables. */

#ifndef SL_WORKER_WORKER_H
#define SL_WORKER_WORKER_H

#include "base/budget.h"
#include "base/host.h"
#include "objects/kv.h"
#include "transport/link.h"

struct sl_memory_tables;
struct sl_state_snapshot_rule;

typedef struct sl_worker_config {
    const char *address;        /* of its port: "worker-1" */
    const char *driver_address; /* where to register */
    uint32_t slots;             /* executors */
    int64_t memory_bytes;       /* budget; INT64_MAX none */
    const sl_kv_factory *kv;    /* for local state databases */
    const char *work_dir; /* of this incarnation; made when needed, removed at free */
    int64_t heartbeat_us;
    /* Silence of the driver after which the worker takes itself for dead: the driver
     * does, or will soon. 0: never (they share a process). */
    int64_t fence_us;
    const char *host_name; /* for people; NULL "localhost" */
    const char *name;      /* what the driver shall call it; NULL: it gives one */
    /* Loop thread: the driver took it, under this name. May be NULL. */
    void (*on_registered)(void *user, const char *name);
    /* Loop thread, once: it was fenced, by itself or by the driver, and does nothing any
     * more. Free it; may_return: a new one, of another incarnation, may register. NULL if
     * fence_us is 0. */
    void (*on_fenced)(void *user, const char *why, bool may_return);
    void *user;
    struct sl_memory_tables *memory; /* tables of this process, may be NULL */
    const struct sl_state_snapshot_rule *snapshot_rule; /* NULL: the usual one */
} sl_worker_config;

typedef struct sl_worker sl_worker;

void sl_worker_register_metrics(void); /* once per process (base/metrics.h) */
void sl_worker_refresh_metrics(const sl_worker *w); /* loop thread */

SL_CHECKED sl_code sl_worker_new(sl_host *host, sl_network *network,
                                 const sl_worker_config *config, sl_worker **ret,
                                 sl_error *err);
const char *sl_worker_address(const sl_worker *w); /* as others dial it */
/* Tell the driver that it goes: what runs here is run again elsewhere at once. */
void sl_worker_leave(sl_worker *w);
/* Waits for running jobs; nothing of it runs afterwards. NULL is fine. */
void sl_worker_free(sl_worker *w);
int64_t sl_worker_memory_used(const sl_worker *w);
int64_t sl_worker_memory_peak(const sl_worker *w);

#endif /* SL_WORKER_WORKER_H */
