/* logical.h - the resolved plan: what a query means, before anybody decides how it runs.
 *
 * Nodes are relations with a schema; their expressions are typed and refer to the columns
 * of their input by number.  The analyze_* rules build it, the optimize_* rules make a
 * cheaper one of the same meaning, physical.c cuts it into stages.
 *
 *   SCAN -> WATERMARK -> FILTER -> WINDOW -> AGGREGATE -> FILTER (having) -> PROJECT
 *        -> SORT -> LIMIT
 *
 * Shape:   a tree: every node has one parent.  WINDOW appends one column to its input's;
 *          AGGREGATE puts out its keys, then its aggregates; UNION's inputs have equal
 *          column types.
 * Owns:    nothing; everything is in the plan's arena.  Immutable once made.
 * Thread:  any. */

#ifndef SL_ENGINE_PLAN_LOGICAL_H
#define SL_ENGINE_PLAN_LOGICAL_H

#include "engine/plan/physical.h"

typedef enum sl_logical_kind {
    SL_LOGICAL_SCAN,
    SL_LOGICAL_PROJECT,
    SL_LOGICAL_FILTER,
    SL_LOGICAL_WATERMARK,
    SL_LOGICAL_WINDOW,
    SL_LOGICAL_AGGREGATE, /* GROUP BY, SELECT DISTINCT (no aggregates) */
    SL_LOGICAL_SORT,
    SL_LOGICAL_LIMIT,
    SL_LOGICAL_UNION,
} sl_logical_kind;

/* window(time, size, slide, start): rows become one row per window that holds them. */
typedef struct sl_window_spec {
    const sl_expr *time; /* TIMESTAMP or TIMESTAMP_NTZ over the input */
    int64_t size_us, slide_us, start_us;
} sl_window_spec;

typedef struct sl_logical {
    sl_logical_kind kind;
    sl_sql_pos pos;
    bool streaming; /* some source below is read as a stream */
    uint32_t input_count;
    const struct sl_logical *const *inputs;
    const sl_schema *schema;
    const int64_t *window_us; /* per column: length of a window struct, else 0 */
    union {
        struct {
            const char *table, *connector;
            sl_option_list options;
            const sl_schema *table_schema;
            uint32_t column_count;
            const uint32_t *columns; /* ascending indexes into table_schema */
        } scan;
        struct {
            uint32_t count;
            const sl_expr *const *exprs;
        } project;
        struct {
            const sl_expr *predicate;
        } filter;
        struct {
            uint32_t column, id;
        } watermark;
        sl_window_spec window;
        struct {
            uint32_t key_count;
            const sl_group_key *keys; /* expr over the input, window structs whole */
            uint32_t agg_count;
            const sl_agg *aggs;
            int32_t event_time_key; /* streams: then it is key 0; else -1 */
        } aggregate;
        struct {
            uint32_t count;
            const sl_sort_key *keys;
        } sort;
        struct {
            int64_t limit, offset; /* limit -1: none */
        } limit;
    } u;
} sl_logical;

/* ---- making nodes ---- */
sl_logical *sl_logical__new(sl_arena *arena, sl_logical_kind kind, sl_sql_pos pos,
                            const sl_logical *input); /* schema as the input's */
const sl_logical *sl_logical__filter(sl_arena *arena, const sl_logical *input,
                                     const sl_expr *predicate);
/* fields: name, type and marks of each output column; window_us may be NULL. */
const sl_logical *sl_logical__project(sl_arena *arena, const sl_logical *input,
                                      const sl_expr *const *exprs, const sl_field *fields,
                                      const int64_t *window_us, uint32_t count,
                                      sl_sql_pos pos);
/* The columns given, in that order. */
const sl_logical *sl_logical__pick(sl_arena *arena, const sl_logical *input,
                                   const uint32_t *columns, uint32_t count);
/* The same node over another input (of the same columns). */
sl_logical *sl_logical__over(sl_arena *arena, const sl_logical *node,
                             const sl_logical *const *inputs);
const sl_expr *sl_logical__column(sl_arena *arena, const sl_logical *node, uint32_t i);
/* A copy of a call with other arguments of the same types. */
const sl_expr *sl_expr__rebuild(sl_arena *arena, const sl_expr *e,
                                const sl_expr *const *args);
bool sl_logical__is_identity(const sl_logical *project);
bool sl_logical__has_aggregate(const sl_logical *node); /* itself or below */
/* The tree for EXPLAIN EXTENDED, one node a line. */
void sl_logical__print(const sl_logical *node, sl_bytes *out);

/* ---- optimize_*.c: each gives a plan of the same schema ---- */
const sl_logical *sl_optimize__constants(sl_arena *arena, const sl_logical *plan);
const sl_logical *sl_optimize__pushdown(sl_arena *arena, const sl_logical *plan);
const sl_logical *sl_optimize__projections(sl_arena *arena, const sl_logical *plan);
const sl_logical *sl_optimize__pruning(sl_arena *arena, const sl_logical *plan);

#endif /* SL_ENGINE_PLAN_LOGICAL_H */
