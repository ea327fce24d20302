/* dispatch_private.h - one plan on the workers, and what the files about it share.
 *
 *             start                    placed, TASKs out            all DONE
 *   IDLE --------------> WAITING ---------------------> RUNNING --------------> IDLE
 *                (for a worker, or for                     | FAILED, worker lost:
 *                 a suspect one to be                      | ABORT to the others
 *                 back or dead)                            +------------------> IDLE
 *
 * dispatch.c has the life of a try, dispatch_task.c makes DEPLOY and TASK, and
 * dispatch_result.c puts together what the workers answered. */

#ifndef SL_DRIVER_DISPATCH_PRIVATE_H
#define SL_DRIVER_DISPATCH_PRIVATE_H

#include "driver/driver_private.h"
#include "driver/placement.h"

#define SL_DISPATCH_WORKERS_MAX 1024u

/* One worker's part of the try. */
typedef struct sl_share {
    sl_dworker *worker; /* NULL: it was lost */
    uint32_t number;    /* of the worker */
    bool is_done;
    uint64_t taken_bytes, credited_bytes; /* of its RESULT chunks */
    sl_arena *arena;                      /* of `done` */
    sl_msg_done done;
} sl_share;

typedef struct sl_result_part {
    uint32_t stage, task, index;
    sl_chunk *chunk;
} sl_result_part;

struct sl_dispatch {
    sl_driver *driver;
    sl_dispatch *next;
    uint64_t number;
    const sl_physical_plan *plan;
    char *query_id, *checkpoint;
    uint64_t query_hash;
    uint32_t partitions;
    sl_options *options;
    sl_bytes fragment;
    sl_hash128 fragment_hash;
    uint32_t deployed[SL_DISPATCH_WORKERS_MAX]; /* numbers of workers with the plan */
    uint32_t deployed_count;

    bool running, waits; /* waits: nothing is sent yet */
    sl_batch_spec spec;
    sl_msg_attempt at;
    sl_dispatch_fn on_result;
    void *user;
    sl_timer_ref soon; /* a result that must not come from inside start: */
    sl_batch_result soon_result;

    /* placement of the try, by worker number */
    uint32_t *partition_owners; /* [partitions] */
    uint32_t *slice_owners;     /* [slice_total], by (stage, index) */
    uint32_t slice_total, slice_capacity;
    uint32_t *holders; /* [partitions]: who has the last committed state; 0 nobody */
    sl_share *shares;
    uint32_t share_count;
    bool owes_committed; /* the shares' answers are committed, and they do not know */

    /* how often in a row a worker died with this work, spark's "poison" */
    uint8_t *partition_deaths; /* [partitions] */
    uint8_t *slice_deaths;     /* [slice_total] */

    sl_arena *result_arena; /* of `done` */
    sl_msg_done done;       /* of all shares together */
    sl_result_part *parts;
    uint32_t part_count, part_capacity;
    int64_t part_bytes; /* what they hold in memory, against the setting */
    sl_chunk **chunks;
    uint32_t chunk_count;
    sl_schema *row_schema; /* output, with the hidden key */
    sl_snapshot_fn on_snapshot;
    void *snapshot_user;
};

/* dispatch_task.c */
void sl_dispatch__send(sl_dispatch *x, const sl_dworker *w, const sl_message *m);
/* Who runs what; false: there is no worker to run it now. *ret_moved: how many partitions
 * have a new owner and a state to bring there. */
bool sl_dispatch__place(sl_dispatch *x, uint32_t *ret_moved);
/* DEPLOY where it is missing, and TASK, to every worker with a share.  On an error some
 * have theirs and some do not: SL_ELIMIT it is larger than a message, SL_EAGAIN a worker
 * takes nothing more now. */
SL_CHECKED sl_code sl_dispatch__send_tasks(sl_dispatch *x, sl_error *err);

/* dispatch_result.c */
void sl_dispatch__drop_results(sl_dispatch *x);
SL_CHECKED sl_code sl_dispatch__keep_result(sl_dispatch *x, sl_share *s,
                                            const sl_msg_result *m, sl_error *err);
/* All shares are done: x->done and x->chunks. */
SL_CHECKED sl_code sl_dispatch__put_together(sl_dispatch *x, sl_error *err);

#endif /* SL_DRIVER_DISPATCH_PRIVATE_H */
