/* physical.h - the plan as it runs: stages of operators between sources, exchanges and a
 * sink.
 *
 * A stage is a pipeline that runs as many tasks: one per slice of its source, or one per
 * state partition, or one.  Stages talk through exchanges only.  The whole plan travels
 * to workers as one fragment blob (sl_physical_write), known by the hash of its bytes.
 *
 *   scan -> filter -> project -> watermark -> window -> partial_agg  =exchange by key=>
 *           state_agg | final_agg -> filter -> project               =exchange to one=>
 * sort -> limit
 *
 * Rows in an exchange after partial_agg are chunks of columns
 *   0 key BINARY (row_key.h) | 1 hash LONG | then every aggregate's buffer columns in
 * order. Rows in any other exchange are the operator's rows.
 *
 * Owns:   everything is in `arena`; immutable once planned.   Thread: any. */

#ifndef SL_ENGINE_PLAN_PHYSICAL_H
#define SL_ENGINE_PLAN_PHYSICAL_H

#include "base/hash.h"
#include "base/option_list.h"
#include "engine/expr/aggregate.h"
#include "engine/expr/expr.h"

#define SL_FRAGMENT_VERSION 1

typedef enum sl_output_mode {
    SL_OUTPUT_APPEND,
    SL_OUTPUT_UPDATE,
    SL_OUTPUT_COMPLETE
} sl_output_mode;

typedef enum sl_op_kind {
    SL_OP_FILTER,
    SL_OP_PROJECT,
    SL_OP_WATERMARK, /* observes the largest event time; rows pass unchanged */
    SL_OP_WINDOW,    /* appends the window struct column; sliding windows multiply rows */
    SL_OP_PARTIAL_AGG, /* groups within a slice; flushed by group count */
    SL_OP_FINAL_AGG,   /* batch: merges partials, emits at the end in key order */
    SL_OP_STATE_AGG, /* streaming: merges partials into state; emits by output mode in key
                        order */
    SL_OP_SORT,
    SL_OP_LIMIT,
    SL_OP_STATE_LIMIT, /* streaming append LIMIT: one counter in state (spark:B1) */
} sl_op_kind;

typedef struct sl_sort_key {
    const sl_expr *expr;
    bool descending;
    bool nulls_last;
} sl_sort_key;

/* How one grouping key is made again from the key bytes. */
typedef struct sl_group_key {
    const sl_expr *expr; /* over the operator's input (partial); NULL elsewhere */
    const char *name;
    const sl_type *type; /* a window struct for window keys */
    int64_t
        window_us; /* > 0: a window struct of this length; its key bytes hold the start */
} sl_group_key;

typedef struct sl_op_plan {
    sl_op_kind kind;
    const sl_schema *output; /* what the operator emits */
    union {
        struct {
            const sl_expr *predicate;
        } filter;
        struct {
            uint32_t count;
            const sl_expr *const *exprs;
        } project;
        struct {
            uint32_t column;
            uint32_t watermark;
        } watermark; /* TIMESTAMP(_NTZ) column or window struct (its end) */
        struct {
            const sl_expr
                *time; /* TIMESTAMP or TIMESTAMP_NTZ; null rows are dropped (spark:W7) */
            int64_t size_us, slide_us, start_us;
        } window; /* output = input columns + the window column */
        struct {
            uint32_t key_count;
            const sl_group_key *keys;
            uint32_t agg_count;
            const sl_agg *aggs; /* laid out */
            uint32_t slot_width;
            bool emit_key; /* FINAL/STATE: append the key bytes as a last BINARY column,
                              to merge results by */
            bool needs_order; /* some aggregate does: merge partials in (slice, block)
                                 order */
            /* STATE_AGG: */
            uint32_t state_op;      /* index into state_ops */
            int32_t event_time_key; /* key whose time closes groups; -1 = none (no late
                                       rows, no eviction) */
            sl_output_mode mode;
        } agg;
        struct {
            uint32_t count;
            const sl_sort_key *keys;
            int64_t limit; /* -1 none: keep the first rows only */
        } sort;
        struct {
            int64_t limit, offset;
            uint32_t state_op;
        } limit;
    } u;
} sl_op_plan;

typedef enum sl_stage_input { SL_INPUT_SCAN, SL_INPUT_EXCHANGE } sl_stage_input;
typedef enum sl_stage_width {
    SL_WIDTH_SLICES,
    SL_WIDTH_PARTITIONS,
    SL_WIDTH_ONE
} sl_stage_width;
typedef enum sl_stage_output {
    SL_TO_EXCHANGE_KEY, /* to the partition of column 1's key group, of stage to_stage */
    SL_TO_EXCHANGE_ONE, /* to the only task of to_stage */
    SL_TO_RESULT,       /* rows to the driver: console, memory, SELECT */
    SL_TO_SINK,         /* written by the worker's half of the sink */
} sl_stage_output;

typedef struct sl_stage_plan {
    sl_stage_input input;
    uint32_t source; /* SCAN: index into sources */
    sl_stage_width width;
    const sl_schema *input_schema; /* of the scan (projected) or the exchange */
    uint32_t op_count;
    const sl_op_plan *ops;
    const sl_schema *output_schema; /* of the last operator; for RESULT and SINK with the
                                       hidden key, if any */
    sl_stage_output output;
    uint32_t to_stage;
    bool ordered; /* EXCHANGE input must be taken in (stage, slice or partition, block)
                     order */
} sl_stage_plan;

typedef struct sl_source_plan {
    const char *table;     /* as the query names it */
    const char *connector; /* "json", "rate", "memory", "values" */
    sl_option_list options;
    const sl_schema *schema; /* all columns of the table */
    uint32_t column_count;
    const uint32_t *columns; /* the ones used, ascending indexes into schema */
    bool streaming;
} sl_source_plan;

typedef struct sl_state_op_plan {
    uint32_t id;      /* stable: order of the operators in the plan */
    const char *name; /* "stateStoreSave", "globalLimit" (spark 5.1) */
    uint32_t slot_width;
    uint32_t blob_count;
    const uint32_t *blob_offsets;
    bool has_time;     /* some key is an event time: */
    uint32_t time_key; /* which key column; always encoded at a fixed offset: the planner
                          puts it first in the key bytes */
    int64_t window_us; /* end = start + window_us; 0 for a plain timestamp */
    bool single_partition; /* global aggregate, limit: partition 0 only */
} sl_state_op_plan;

typedef struct sl_watermark_plan {
    const char *column;
    int64_t delay_us;
    uint32_t source; /* index of the source below it */
} sl_watermark_plan;

typedef struct sl_physical_plan {
    sl_arena *arena;
    bool streaming;
    sl_output_mode mode;
    uint32_t source_count;
    const sl_source_plan *sources;
    uint32_t stage_count; /* in topological order: a stage only feeds later ones */
    const sl_stage_plan *stages;
    uint32_t state_op_count;
    const sl_state_op_plan *state_ops;
    uint32_t watermark_count;
    const sl_watermark_plan *watermarks;
    const char *sink; /* connector, "" for SELECT */
    sl_option_list sink_options;
    const sl_schema *output; /* visible columns */
    bool hidden_key; /* RESULT rows carry one more BINARY column: merge partitions by it,
                        then drop it */
    bool result_ordered;    /* ORDER BY: rows come from one task in order */
    sl_hash128 fingerprint; /* sources, state operators, keys, aggregates, output schema
                               (design.md section 5) */
} sl_physical_plan;

/* The fragment codec (docs/formats/fragment.md): versioned, limits checked, safe on
 * hostile bytes. */
void sl_physical_write(const sl_physical_plan *p, sl_bytes *out);
SL_CHECKED sl_code sl_physical_read(sl_span bytes, sl_physical_plan **ret,
                                    sl_error *err); /* owns a new arena */
void sl_physical_free(sl_physical_plan *p);         /* frees its arena */

#endif /* SL_ENGINE_PLAN_PHYSICAL_H */
