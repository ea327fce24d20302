/* worker_private.h - what the worker's files share. */

#ifndef SL_WORKER_WORKER_PRIVATE_H
#define SL_WORKER_WORKER_PRIVATE_H

#include <pthread.h>

#include "base/metrics.h"
#include "engine/exec/task.h"
#include "objects/segment.h"
#include "proto/messages.h"
#include "shuffle/shuffle.h"
#include "statestore/maintenance.h"
#include "transport/channel.h"
#include "worker/worker.h"

typedef struct sl_wattempt sl_wattempt;
typedef struct sl_wquery sl_wquery;

/* One committed delta since the last snapshot, by place; inline bytes are owned. */
typedef struct sl_wstep {
    sl_state_step step;
    sl_bytes bytes;
} sl_wstep;

/* One state partition held here. `state` belongs to the owner executor; the rest to the
 * loop thread, but for `db`, which belongs to the maintenance lane while there is a
 * `maintenance`.
 */
typedef struct sl_wpartition {
    uint32_t number;
    int32_t executor; /* whose lane touches `state`; -1: it is not held */
    sl_state_partition *state;
    sl_state_db *db;
    struct sl_maintenance *maintenance; /* the snapshot being made; NULL none */
    sl_snapshot_place
        snapshot; /* of the recipe kept here; manifest owned in snapshot_name */
    char snapshot_name[96];
    sl_bytes full; /* of a FULL snapshot */
    sl_wstep *steps;
    uint32_t step_count, step_capacity;
    sl_state_version version; /* committed, as far as the loop thread knows */
    sl_state_snapshot_facts facts;
    bool recipe_known; /* false: snapshot unknown, only a new FULL or MANIFEST makes it
                          known */
} sl_wpartition;

/* A deployed query. */
struct sl_wquery {
    sl_worker *worker;
    sl_wquery *next;
    uint64_t number;
    sl_hash128 fragment_hash;
    sl_physical_plan *plan;
    sl_arena *arena;
    const char *query_id, *checkpoint;
    uint64_t query_hash;
    uint32_t partition_count;
    sl_wpartition *partitions;   /* partition_count of them, empty without state */
    sl_segment_writer *segments; /* state-store lane */
    const sl_time_zone *zone;
    uint32_t chunk_rows, partial_groups_max;
    sl_budget budget;
    sl_wattempt *attempt;    /* running, finishing or done and not yet committed; NULL */
    sl_wattempt *committing; /* COMMITTED, its jobs under way; NULL */
    sl_arena *pending_arena; /* a TASK that waits for `attempt` to let go */
    sl_msg_task pending;
    bool closing;
};

struct sl_worker {
    sl_host *host;
    sl_channel *channel;
    sl_shuffle *shuffle; /* with other workers */
    sl_worker_config config;
    char *address, *driver_address, *work_dir, *host_name, *name;
    uint64_t incarnation;
    bool registered, fenced;
    sl_lane *executors; /* config.slots */
    sl_lane state_store, maintenance;
    sl_budget budget;
    sl_wquery *queries;
    uint64_t refused; /* the last query whose DEPLOY failed, and why */
    sl_error deploy_error;
    _Atomic uint64_t progress;
    _Atomic uint32_t attempts_running; /* of all queries: they share the executors */
    sl_timer_ref timer;
};

/* metrics.c */
enum {
#define M(id, name, kind, unit, meaning) SL_WORKER_##id,
#include "worker/metrics.def"
#undef M
};
extern sl_metric sl_worker__metrics[];
#define sl_worker__count(id, n) sl_metric_add(&sl_worker__metrics[SL_WORKER_##id], (n))

/* worker.c */
void sl_worker__send(sl_worker *w, const sl_message *m);
void sl_worker__query_gone(sl_wquery *q); /* closing and nothing runs: free it */

/* attempt.c and its files (attempt_private.h): one TASK */
void sl_wattempt__start(sl_wquery *q, sl_arena *arena,
                        const sl_msg_task *task); /* takes arena */
/* Undo and let go; answers nothing. Any attempt of the query older than or equal to `at`.
 */
void sl_wattempt__abort(sl_wquery *q);
/* The worker is freed: no job runs any more; free what the query's attempts hold. */
void sl_wattempt__abandon(sl_wquery *q);
void sl_wattempt__commit(sl_wquery *q, const sl_msg_committed *m);
void sl_wattempt__credit(sl_wquery *q, const sl_msg_result_credit *m);

/* partition.c: state partitions, on their owner's lane unless said */
void sl_wpartition__init(sl_wpartition *p, uint32_t number);
void sl_wpartition__deinit(sl_wpartition *p); /* nothing runs any more */
/* Loop thread, no attempt of the query runs: it went to another worker. What is being
 * maintained stays a while. */
void sl_wpartition__drop(sl_wpartition *p);
SL_CHECKED sl_code sl_wpartition__open(sl_wquery *q, const sl_msg_partition *m,
                                       int64_t batch, bool *ret_missing, sl_error *err);
/* Loop thread: remember what COMMITTED made the version; then perhaps snapshot. */
void sl_wpartition__committed(sl_wquery *q, const sl_msg_state_done *done,
                              uint64_t row_bytes);
/* Loop thread: a recipe came with a TASK; the list of steps here starts over from it. */
void sl_wpartition__learn(sl_wquery *q, const sl_msg_partition *m);
void sl_wpartition__maintain(sl_wquery *q, sl_wpartition *p);
void sl_wpartition__config(const sl_wquery *q, uint32_t number,
                           sl_state_operator *operators, sl_state_config *ret);

#endif /* SL_WORKER_WORKER_PRIVATE_H */
