/* task.h - one running task of one stage: a pipeline of operators fed by a slice or an
 * exchange, run a bounded step at a time.
 *
 * A task never blocks a thread on other tasks: when an exchange, or the taker of results,
 * cannot go on, the step answers BLOCKED and the executor runs something else.  Reading a
 * slice and writing staged sink output may block on files.
 *
 *            step                 step
 *   (new) ----------> MORE ... BLOCKED ... MORE ----------> DONE     any step: error
 *                      ^ wake of an exchange, room for results
 *
 * Shape:   exchanges, state and sink are what the stage plan asks for: `in` for
 *          SL_INPUT_EXCHANGE, `out` for SL_TO_EXCHANGE_*, `state` if the stage has a
 *          STATE_* operator, `sink` for SL_TO_SINK, `result` for SL_TO_RESULT.
 * Owns:    its operators.  Borrows until freed: the request's plan, slice, exchanges,
 *          state partition, sink request, budget.  The request itself is copied.
 * Thread:  one at a time; may move between steps.  A task with state: the owner thread of
 *          the partition.
 * Errors:  the operator or source is named.  After an error only sl_task_free() is
 *          allowed, and the state partition, which may be half changed, must be aborted.
 * Source:  ours, design.md sections 3 and 4. */

#ifndef SL_ENGINE_EXEC_TASK_H
#define SL_ENGINE_EXEC_TASK_H

#include "connectors/sink_write.h"
#include "connectors/source_read.h"
#include "engine/expr/program.h"
#include "engine/plan/physical.h"
#include "shuffle/exchange.h"
#include "statestore/statestore.h"

#define SL_PARTIAL_GROUPS_MAX 65536 /* groups a slice holds before it flushes */

/* The two bounds of one state operator in this batch, spark:P1. 0 = no watermark. */
typedef struct sl_task_bounds {
    int64_t late_us, evict_us;
} sl_task_bounds;

/* Hand rows to the driver.  Takes a reference of its own if *ret_taken; false = not now:
 * the step answers BLOCKED and offers the same chunk when it is run again. */
typedef sl_code (*sl_task_result)(void *user, sl_chunk *chunk, bool *ret_taken,
                                  sl_error *err);

typedef struct sl_task_request {
    const sl_physical_plan *plan;
    uint32_t stage;
    uint32_t task;       /* slice or partition number; 0 for SL_WIDTH_ONE */
    uint32_t task_count; /* of the stage in this batch */

    sl_span slice; /* SL_INPUT_SCAN */
    sl_fs *fs;     /* for the source */
    struct sl_memory_tables *memory;

    sl_exchange *in, *out;
    sl_state_partition *state;    /* in phase OPEN for this batch */
    const sl_task_bounds *bounds; /* plan->state_op_count of them; NULL = all 0; copied */
    const sl_write_request *sink;

    sl_eval_context eval;        /* slice and first_row are set by the task */
    sl_budget *budget;           /* may be NULL */
    uint32_t chunk_rows;         /* 1..SL_CHUNK_ROWS_MAX; 0 = SL_CHUNK_ROWS */
    uint32_t partial_groups_max; /* 0 = SL_PARTIAL_GROUPS_MAX */

    sl_task_result result;
    void *user;
} sl_task_request;

typedef enum sl_task_answer {
    SL_TASK_MORE,
    SL_TASK_BLOCKED,
    SL_TASK_DONE
} sl_task_answer;

typedef struct sl_task sl_task;

SL_CHECKED sl_code sl_task_new(const sl_task_request *request, sl_task **ret,
                               sl_error *err);
/* Take up to max_chunks chunks of input or as many of output. */
SL_CHECKED sl_code sl_task_step(sl_task *t, uint32_t max_chunks,
                                sl_task_answer *ret_answer, sl_error *err);
/* In any state; a staged file that finish gave out stays. NULL is fine. */
void sl_task_free(sl_task *t);

/* ---- outputs, once DONE; owned by the task ---- */

/* What one watermark node saw (spark:M3): milliseconds, null times as 0. */
typedef struct sl_task_event_times {
    int64_t count; /* rows; the others mean nothing if 0 */
    int64_t max_ms, min_ms;
    double sum_ms;
} sl_task_event_times;

typedef struct sl_task_state_figures {
    bool present;       /* an operator of this stage keeps this state */
    int64_t rows_total; /* of this partition, after the batch */
    int64_t rows_updated;
    int64_t rows_removed;
    int64_t rows_dropped; /* by watermark: partial rows, spark:L5 */
} sl_task_state_figures;

typedef struct sl_task_outcome {
    sl_read_stats read;       /* of a scan */
    int64_t rows_in;          /* read from source or exchange */
    int64_t rows_out;         /* left the last operator */
    uint64_t result_chunks;   /* SL_TO_RESULT */
    uint32_t watermark_count; /* plan->watermark_count */
    const sl_task_event_times *event_times;
    uint32_t state_op_count; /* plan->state_op_count */
    const sl_task_state_figures *states;
    bool has_file; /* SL_TO_SINK */
    const sl_staged_file *file;
} sl_task_outcome;

void sl_task_outcome_get(const sl_task *t, sl_task_outcome *ret);

#endif /* SL_ENGINE_EXEC_TASK_H */
