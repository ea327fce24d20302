/* operator_private.h - the contract of operators, and what their files share.
 *
 * An operator is a struct that starts with sl_op, made by its class.  The task drives all
 * operators of a stage; the last one (exchange out, result, sink) gives nothing back.
 *
 * Thread: the task's.   Owns: what its struct says; the plan is borrowed. */

#ifndef SL_ENGINE_EXEC_OPERATOR_PRIVATE_H
#define SL_ENGINE_EXEC_OPERATOR_PRIVATE_H

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "engine/columnar/row_key.h"
#include "engine/exec/task.h"

typedef enum sl_op_next {
    SL_OP_NEED_INPUT,  /* the input is used up */
    SL_OP_HAVE_OUTPUT, /* call again with the same input (finish: call again) */
    SL_OP_FINISHED,    /* no more input is wanted: a limit is reached */
    SL_OP_BLOCKED,     /* call again with the same input once woken */
} sl_op_next;

typedef struct sl_op sl_op;

/* What operators see of their task. */
typedef struct sl_op_env {
    sl_task_request request; /* defaults filled in */
    const sl_stage_plan *stage;
    sl_eval_context eval; /* of the chunk on its way */
    sl_task_bounds *bounds;
    sl_task_event_times *event_times; /* to be filled by watermark operators */
    sl_task_state_figures *states;
    sl_task_outcome outcome;
    sl_staged_file file;
} sl_op_env;

/* Every operator answers these; NULL means "nothing to do", of process "pass it on".
 * *ret_out: NULL, or a chunk that is the caller's.  `in` is borrowed for the call. */
typedef struct sl_op_class {
    const char *name;  /* in messages: "partial aggregate" */
    size_t size_bytes; /* of its struct, zeroed before open */
    bool sees_all;     /* must see all input and finish, even if no output is wanted */
    sl_code (*open)(sl_op *op, sl_error *err);
    sl_code (*process)(sl_op *op, sl_chunk *in, sl_chunk **ret_out, sl_op_next *ret_next,
                       sl_error *err);
    sl_code (*finish)(sl_op *op, sl_chunk **ret_out, sl_op_next *ret_next, sl_error *err);
    void (*close)(sl_op *op); /* also after a failed or partial open */
} sl_op_class;

struct sl_op {
    const sl_op_class *class;
    const sl_op_plan *plan; /* NULL for the last operator of a stage */
    sl_op_env *env;
    sl_chunk *input; /* held by the task while the operator has not used it up */
    bool finished;   /* it said FINISHED: what comes is dropped */
};

extern const sl_op_class sl_exec__filter, sl_exec__project, sl_exec__watermark,
    sl_exec__window, sl_exec__partial_agg, sl_exec__final_agg, sl_exec__state_agg,
    sl_exec__sort, sl_exec__limit, sl_exec__state_limit, sl_exec__exchange_out,
    sl_exec__result, sl_exec__sink;

/* ---- pipeline.c ---- */
typedef struct sl_exec__pipeline {
    uint32_t op_count;
    sl_op **ops;
} sl_exec__pipeline;

/* The stage's operators and its last one, opened. On failure the caller closes. */
sl_code sl_exec__pipeline_open(sl_exec__pipeline *p, sl_op_env *env, sl_error *err);
void sl_exec__pipeline_close(sl_exec__pipeline *p);

/* ---- op_scan.c: the input of SL_INPUT_SCAN ---- */
sl_code sl_exec__scan_open(const sl_op_env *env, sl_source_reader **ret, sl_error *err);

/* ---- evaluation.c: expressions of an operator ---- */
typedef struct sl_exec__evaluation {
    sl_program *program;
    sl_program_run *run;
    sl_column *columns; /* count results of the last eval, released by the next */
    uint32_t count;
} sl_exec__evaluation;

/* count may be 0. */
sl_code sl_exec__evaluation_open(sl_exec__evaluation *e, const sl_expr *const *exprs,
                                 uint32_t count, sl_budget *budget, sl_error *err);
void sl_exec__evaluation_close(sl_exec__evaluation *e);
sl_code sl_exec__evaluate(sl_exec__evaluation *e, const sl_op_env *env,
                          const sl_chunk *in, sl_error *err);
void sl_exec__evaluation_clear(sl_exec__evaluation *e);
/* A chunk of new columns (moved out of `columns`) for the same rows as `in`. */
sl_chunk *sl_exec__chunk_like(const sl_chunk *in, sl_column *columns, uint32_t count);

/* ---- partial_rows.c: chunks of column 0 key, column 1 hash, then buffers ---- */
typedef struct sl_exec__partial_rows {
    sl_chunk *chunk; /* without selection */
    sl_key_batch keys;
    uint8_t *data;
    uint32_t *offsets;
    size_t data_capacity, row_capacity;
} sl_exec__partial_rows;

/* `in` flattened, its keys as a batch; valid until the next call. */
sl_code sl_exec__partial_rows_set(sl_exec__partial_rows *r, sl_chunk *in,
                                  uint32_t buffer_count, sl_budget *budget,
                                  sl_error *err);
void sl_exec__partial_rows_deinit(sl_exec__partial_rows *r);
uint32_t sl_exec__buffer_count(const sl_agg *aggs, uint32_t agg_count);
/* Merge the rows' buffers into slots, one for each row. */
sl_code sl_exec__merge(const sl_exec__partial_rows *r, const sl_agg *aggs,
                       uint32_t agg_count, uint8_t *const *slots,
                       sl_agg_set_blob set_blob, void *user, sl_error *err);

/* ---- slot_blobs.c: strings of slots that live in a task only ---- */
typedef struct sl_exec__slot_blobs {
    sl_arena *arena; /* made by the first string */
    sl_budget *budget;
    int64_t charged_bytes;
} sl_exec__slot_blobs;

/* An sl_agg_set_blob; user is the sl_exec__slot_blobs. */
sl_code sl_exec__slot_blob_set(void *user, uint8_t *slot, uint32_t blob_offset,
                               const void *data, uint32_t length, sl_error *err);
void sl_exec__slot_blobs_clear(sl_exec__slot_blobs *b);
void sl_exec__slot_blobs_deinit(sl_exec__slot_blobs *b);

/* ---- group_output.c: groups in ascending key order, as rows ---- */
typedef struct sl_exec__group {
    uint64_t head[2]; /* first 16 key bytes, big-endian, zero-padded: compared first */
    sl_span key;
    uint32_t id;
} sl_exec__group;

typedef struct sl_exec__groups {
    sl_exec__group *list;
    size_t count, capacity, at; /* at: next to emit */
    sl_budget *budget;
    bool hide_key; /* the key bytes are not the rows' key: single-row states */
    /* Of one output chunk: */
    uint8_t **slots;
    sl_span *keys;
    uint32_t *ids;
    uint32_t chunk_rows;
} sl_exec__groups;

void sl_exec__groups_init(sl_exec__groups *g, uint32_t chunk_rows, sl_budget *budget);
void sl_exec__groups_deinit(sl_exec__groups *g);
sl_code sl_exec__groups_reserve(sl_exec__groups *g, size_t more, sl_error *err);
/* Room was reserved; the key is borrowed until the last row is out. */
void sl_exec__groups_add(sl_exec__groups *g, uint32_t id, sl_span key);
/* ---- group_sort.c ---- */
SL_CHECKED sl_code sl_exec__groups_sort(sl_exec__groups *g, sl_error *err);
/* ---- group_output.c again ---- */
/* The next groups, up to chunk_rows: g->ids and g->keys are theirs. 0 at the end. */
uint32_t sl_exec__groups_next(sl_exec__groups *g);
/* The chunk of the n groups of the last _next, whose slots the caller put in g->slots:
 * keys, results, and the key bytes if the plan says so. */
sl_code sl_exec__groups_emit(sl_exec__groups *g, const sl_op_plan *plan, uint32_t n,
                             sl_chunk **ret, sl_error *err);

/* ---- single_key.c ---- */
#define SL_EXEC__SINGLE_KEY_BYTES 4
/* The key of operators with one state row.  Its key group is 0, which partition 0 owns
 * for any number of partitions. */
void sl_exec__single_key(uint8_t ret_key[SL_EXEC__SINGLE_KEY_BYTES], uint64_t *ret_hash);

/* ---- for stateful operators ---- */
/* Table of state operator number `state_op` of the plan. */
sl_code sl_exec__state_table(const sl_op_env *env, uint32_t state_op,
                             sl_state_table **ret, sl_error *err);

#endif /* SL_ENGINE_EXEC_OPERATOR_PRIVATE_H */
