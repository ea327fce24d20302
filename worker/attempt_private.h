/* attempt_private.h - one TASK's attempt, and what its files share.
 *
 *   RUNNING -> STORING -> DONE -> COMMITTING -> gone        (TASK .. DONE .. COMMITTED)
 *      |          |         |
 *      +----------+---------+---> LETTING_GO -> gone   (failure, ABORT, a newer TASK)
 *
 * attempt.c has this life; attempt_setup.c makes tasks and exchanges of the message;
 * attempt_run.c runs tasks on the executors and sends their rows; attempt_report.c says
 * DONE or FAILED.
 *
 * Thread: `lock` guards the states of tasks and executors and the failure while RUNNING;
 * a task's own parts belong to the executor that has it BUSY, a partition's to its owner.
 * The rest is the loop thread's. */

#ifndef SL_WORKER_ATTEMPT_PRIVATE_H
#define SL_WORKER_ATTEMPT_PRIVATE_H

#include "worker/worker_private.h"

typedef enum sl_attempt_phase {
    SL_ATTEMPT_RUNNING,
    SL_ATTEMPT_STORING,
    SL_ATTEMPT_DONE,
    SL_ATTEMPT_COMMITTING,
    SL_ATTEMPT_LETTING_GO
} sl_attempt_phase;

typedef enum sl_run_state {
    SL_RUN_NEW,
    SL_RUN_READY,
    SL_RUN_BUSY,
    SL_RUN_WAITING,
    SL_RUN_DONE
} sl_run_state;

typedef struct sl_run_task {
    sl_wattempt *attempt;
    uint32_t stage, number;
    int32_t partition; /* -1: a slice task, any executor */
    sl_run_state state;
    bool woken;         /* while BUSY */
    bool wants_results; /* blocked because the driver has not taken enough */
    uint32_t result_index;
    sl_span slice;
    sl_write_request write; /* of a stage that ends in a sink */
    sl_task *task;
} sl_run_task;

typedef struct sl_run_exchange {
    sl_wattempt *attempt;
    sl_exchange *exchange;
    sl_run_task **targets;   /* by number; NULL: on another worker */
    sl_run_task **producers; /* the same */
} sl_run_exchange;

typedef struct sl_run_partition {
    const sl_msg_partition *message;
    uint32_t tasks_left;
    bool is_open, is_prepared;
    bool is_foreign; /* COMMITTED named another state: ours is void */
    sl_state_prepared prepared;
    int64_t prepare_us; /* what that took */
    sl_state_figures figures;
    sl_buffer *full;               /* a full delta made with this batch */
    sl_state_snapshot_facts facts; /* as the loop thread knew them at the start */
} sl_run_partition;

typedef struct sl_run_result {
    struct sl_run_result *next;
    sl_bytes frame;
} sl_run_result;

typedef struct sl_run_executor {
    sl_job job;
    sl_wattempt *attempt;
    uint32_t index;
    bool active;
} sl_run_executor;

struct sl_wattempt {
    sl_wquery *query;
    sl_arena *arena; /* of the message and all below */
    sl_msg_task message;
    sl_attempt_phase phase;
    pthread_mutex_t lock;
    sl_run_task *tasks; /* of this worker, by (stage, number) */
    uint32_t task_count, left;
    sl_run_exchange *exchanges;   /* by stage */
    sl_run_partition *partitions; /* partition_count of the query */
    sl_run_executor *executors;
    uint32_t executor_count, active_count;
    sl_task_bounds *bounds;
    sl_write_request write;
    bool failed, state_missing, cancelled;
    sl_error error;
    sl_run_result *results, *results_last; /* from executors to the loop; under `lock` */
    bool results_posted;                   /* an event to send them is on its way */
    uint64_t result_bytes_out, result_bytes_taken; /* by the driver; under `lock` */
    uint32_t results_sent;
    int64_t started_us, ran_us;
    sl_job store_job;
    sl_code store_code;
    sl_error store_error;
    sl_segment_ref *refs;            /* of prepared partitions with a delta */
    uint32_t jobs_left;              /* COMMITTING, LETTING_GO */
    bool commit_waits;               /* COMMITTING: the jobs are not submitted yet */
    const sl_msg_state_done *states; /* as DONE said them */
    uint32_t state_count;
};

/* attempt.c */
static inline bool sl_wattempt__uses_state(const sl_wattempt *a)
{
    return a->query->plan->state_op_count > 0;
}
static inline bool sl_wattempt__is(const sl_wattempt *a, const sl_msg_attempt *at)
{
    return a->message.at.batch == at->batch && a->message.at.epoch == at->epoch &&
           a->message.at.attempt == at->attempt;
}
/* All executors are idle: finished or failed. */
void sl_wattempt__ended(sl_wattempt *a);
/* Before anything else of the query goes to the executors. */
void sl_wattempt__submit_commit(sl_wquery *q);
void sl_wattempt__free_tasks(sl_wattempt *a);

/* attempt_setup.c: tasks, partitions, exchanges and executors of the message */
SL_CHECKED sl_code sl_wattempt__set_up(sl_wattempt *a, sl_error *err);
/* Tasks of a stage in this try, on all workers. */
uint32_t sl_wattempt__stage_width(const sl_wattempt *a, uint32_t stage);
static inline bool sl_wattempt__is_on(const sl_wattempt *a, uint32_t partition,
                                      uint32_t executor)
{
    return a->query->partitions[partition].executor == (int32_t)executor;
}

/* attempt_run.c */
/* Locks: a->lock held. The first failure counts; the rest are its echoes. */
void sl_wattempt__fail_locked(sl_wattempt *a, bool missing, const sl_error *e);
void sl_wattempt__abort_exchanges(sl_wattempt *a); /* wakes: lock not held */
/* Submit what has something to run; true if nothing has. */
bool sl_wattempt__run(sl_wattempt *a);
void sl_wattempt__send_results(sl_wattempt *a); /* what executors have left, now */
/* Of exchanges. Thread: any. */
void sl_wattempt__on_wake_target(void *user, uint32_t number);
void sl_wattempt__on_wake_producer(void *user, uint32_t number);
/* An exchange lost a peer. Thread: loop. */
void sl_wattempt__on_exchange_failed(void *user, const sl_error *error);

/* attempt_report.c */
void sl_wattempt__send_done(sl_wattempt *a, bool is_inline);
void sl_wattempt__send_failed(sl_wattempt *a);

#endif /* SL_WORKER_ATTEMPT_PRIVATE_H */
