/* analyze_private.h - what the analyze_* rules share: the analyzer of one query, and the
 * scope in which the expressions of one plan node are resolved.
 *
 * Columns of a scope are numbered: the input's n columns 0 .. n-1, the column window()
 * makes n, and the aggregate i of the node n + 1 + i.  A node without aggregates uses
 * the first two ranges as they are (WINDOW appends its column); an AGGREGATE node
 * rewrites its outputs over keys and aggregates (analyze_aggregate.c).
 *
 * Thread: one per query. */

#ifndef SL_ENGINE_PLAN_ANALYZE_PRIVATE_H
#define SL_ENGINE_PLAN_ANALYZE_PRIVATE_H

#include "base/limits.h"
#include "engine/plan/analyze.h"
#include "engine/plan/logical.h"

/* Names of WITH queries in sight, innermost first. */
typedef struct sl_cte_scope {
    const char *name;
    const sl_relation *query;
    const struct sl_cte_scope *outer; /* what `query` itself sees */
} sl_cte_scope;

typedef struct sl_view_scope { /* views being expanded */
    const char *name;
    const struct sl_view_scope *outer;
} sl_view_scope;

typedef struct sl_analyzer {
    sl_arena *arena;
    const sl_catalog *catalog;
    bool case_sensitive;
    sl_output_mode mode; /* of the query, for messages */
    uint32_t scan_count; /* bounds plans that grow by references to WITH queries */
    uint32_t watermark_count;
    sl_watermark_plan *watermarks; /* SL_SOURCES_MAX of them */
} sl_analyzer;

/* A relation and the names before the dots of its columns (NULL: none). */
typedef struct sl_named {
    const sl_logical *node;
    const char *const *qualifiers;
} sl_named;

/* Where a relation stands. */
typedef struct sl_place {
    const sl_cte_scope *ctes;
    const sl_view_scope *views;
    uint32_t depth;
} sl_place;

/* One item of a SELECT list. */
typedef struct sl_output {
    const char *name;
    bool has_alias;
    const sl_uexpr *source; /* without alias; NULL: a column a star stands for */
    const sl_expr *expr;    /* over the scope; NULL until resolved */
} sl_output;

/* window_time(w) stays an event time (spark:W13): the expression and its window's mark.
 */
typedef struct sl_time_mark {
    const sl_expr *expr;
    sl_field field;
    const struct sl_time_mark *next;
} sl_time_mark;

typedef struct sl_expr_list {
    const sl_expr **items;
    uint32_t count, capacity;
} sl_expr_list;

typedef struct sl_scope {
    sl_analyzer *a;
    const sl_named *input;
    const char *clause; /* "WHERE", ... : for messages */

    sl_window_spec *window; /* NULL: none yet */
    sl_field window_field;
    const sl_time_mark *time_marks;

    bool allow_aggregates;
    bool inside_aggregate;
    sl_expr_list distinct_args; /* of count(DISTINCT a, b): one list a node */
    uint32_t agg_count, agg_capacity;
    sl_agg *aggs;
    sl_field *agg_fields;

    const sl_output *outputs; /* aliases in sight; NULL: none */
    uint32_t output_count;
    bool outputs_first; /* before the input's columns (HAVING, ORDER BY), else after */

    bool grouped; /* keys are known: what is not grouped is refused */
    uint32_t key_count;
    const sl_expr *const *keys;
} sl_scope;

/* ---- analyze_errors.c ---- */
/* Put a position into an error that has none. Returns code. */
sl_code sl_plan__at(sl_error *err, sl_sql_pos pos, sl_code code);
bool sl_plan__same_name(const sl_analyzer *a, const char *x, const char *y);
/* "a.b" with each part in backticks, for messages; in arena. */
const char *sl_plan__quoted(sl_arena *arena, const char *const *parts, uint32_t count);
const char *sl_plan__type_sql(sl_arena *arena, const sl_type *t);
/* "`id`, `action`": candidates by nearness to name, five at most; NULL if there are
 * none. */
const char *sl_plan__suggest(sl_arena *arena, const char *name, const char *const *names,
                             uint32_t count);
sl_code sl_plan__too_deep(sl_sql_pos pos, sl_error *err);

/* ---- analyze_names.c ---- */
sl_code sl_plan__resolve_name(sl_scope *s, const sl_uexpr *u, const sl_expr **ret,
                              sl_error *err);
/* Does the name mean a column of the input (or its window)? */
bool sl_plan__name_is_known(const sl_scope *s, const sl_uexpr *u);
/* The columns a star stands for, appended to *list as expressions over the input. */
void sl_plan__push(sl_arena *arena, sl_expr_list *list, const sl_expr *e);
sl_code sl_plan__expand_star(sl_scope *s, const sl_uexpr *star, sl_expr_list *list,
                             sl_error *err);
/* The field a column of the scope has. */
const sl_field *sl_plan__scope_field(const sl_scope *s, uint32_t column);
/* Name, type and marks of an expression as a column; its window length. */
void sl_plan__output_field(const sl_scope *s, const char *name, const sl_expr *e,
                           sl_field *ret, int64_t *ret_window_us);

/* ---- analyze_expr.c ---- */
sl_code sl_plan__resolve(sl_scope *s, const sl_uexpr *u, uint32_t depth,
                         const sl_expr **ret, sl_error *err);
/* As a condition: BOOLEAN, or DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN. */
sl_code sl_plan__condition(sl_scope *s, const sl_uexpr *u, const sl_expr **ret,
                           sl_error *err);
/* A duration given as INTERVAL, text, or microseconds; months kept apart. */
sl_code sl_plan__duration(const sl_uexpr *u, int32_t *ret_months, int64_t *ret_us,
                          sl_error *err);
/* A constant int or bigint >= 0 for LIMIT and OFFSET. */
sl_code sl_plan__limit_value(sl_analyzer *a, const sl_uexpr *u, const char *what,
                             int64_t *ret, sl_error *err);

/* ---- analyze_window.c ---- */
/* Find the window() calls below u, check them, and set the scope's window (spark:W11). */
sl_code sl_plan__collect_windows(sl_scope *s, const sl_uexpr *u, uint32_t depth,
                                 sl_error *err);
sl_code sl_plan__window_time(sl_scope *s, const sl_uexpr *u, uint32_t depth,
                             const sl_expr **ret, sl_error *err);
/* The input, with the scope's window column appended if there is one. */
const sl_logical *sl_plan__with_window(const sl_scope *s);

/* ---- analyze_distinct.c ---- */
bool sl_plan__has_distinct(const sl_scope *s);
/* Remember the arguments of an aggregate with DISTINCT; another list is refused. */
sl_code sl_plan__distinct_arguments(sl_scope *s, const sl_expr_list *args,
                                    const sl_agg *agg, sl_error *err);
/* The node for the scope's aggregates: keys, then aggregates, as AGGREGATE puts out. */
sl_code sl_plan__distinct_node(sl_scope *s, sl_sql_pos pos, const sl_group_key *keys,
                               const sl_field *key_fields, const sl_logical **ret,
                               sl_error *err);

/* ---- analyze_aggregate.c ---- */
sl_code sl_plan__aggregate_call(sl_scope *s, const sl_uexpr *u, uint32_t depth,
                                const sl_expr **ret, sl_error *err);
sl_code sl_plan__group_keys(sl_scope *s, const sl_relation *r, const sl_output *outputs,
                            uint32_t output_count, sl_error *err);
/* The AGGREGATE node; *ret_slots[i] is where key i of the scope went. */
sl_code sl_plan__aggregate_node(sl_scope *s, sl_sql_pos pos, const sl_logical **ret,
                                uint32_t **ret_slots, sl_error *err);
/* e over the scope becomes an expression over the AGGREGATE node, or
 * MISSING_AGGREGATION. */
sl_code sl_plan__over_aggregate(const sl_scope *s, const sl_logical *aggregate,
                                const uint32_t *slots, const sl_expr *e,
                                const sl_expr **ret, sl_error *err);
sl_code sl_plan__missing_aggregation(const sl_scope *s, const sl_expr *e, sl_error *err);
sl_code sl_plan__distinct(sl_analyzer *a, const sl_named *input, sl_sql_pos pos,
                          sl_named *ret, sl_error *err);

/* ---- analyze_select.c ---- */
/* PROJECT or AGGREGATE, with the ORDER BY above it (NULL: none), which sees its input. */
sl_code sl_plan__select(sl_analyzer *a, const sl_relation *r, const sl_relation *sort,
                        sl_place place, sl_named *ret, sl_error *err);
sl_code sl_plan__sort(sl_analyzer *a, const sl_relation *sort, const sl_named *input,
                      sl_named *ret, sl_error *err);

/* ---- analyze_relations.c, analyze_values.c, analyze_union.c, analyze_watermark.c ----
 */
sl_code sl_plan__relation(sl_analyzer *a, const sl_relation *r, sl_place place,
                          sl_named *ret, sl_error *err);
sl_code sl_plan__values(sl_analyzer *a, const sl_relation *r, sl_named *ret,
                        sl_error *err);
/* A table of no rows, for a filter that is never true. */
const sl_logical *sl_plan__no_rows(sl_arena *arena, const sl_logical *like);
sl_code sl_plan__count_scan(sl_analyzer *a, sl_sql_pos pos, sl_error *err);
sl_code sl_plan__union(sl_analyzer *a, const sl_relation *r, const sl_named *inputs,
                       sl_named *ret, sl_error *err);
sl_code sl_plan__watermark(sl_analyzer *a, const sl_relation *r, const sl_named *input,
                           sl_named *ret, sl_error *err);

/* ---- analyze_streaming.c, analyze_output_mode.c ---- */
sl_code sl_plan__check_streaming(const sl_plan_request *request, const sl_logical *plan,
                                 sl_error *err);
sl_code sl_plan__check_output_mode(const sl_plan_request *request, const sl_logical *plan,
                                   sl_error *err);
/* analyze_refused.c: joins, EXCEPT, INTERSECT, TABLESAMPLE. Always fails. */
sl_code sl_plan__refuse_relation(sl_analyzer *a, const sl_relation *r, sl_place place,
                                 sl_error *err);
const char *sl_output_mode_text(sl_output_mode mode); /* "append" */

/* ---- physical_stages.c ---- */
sl_code sl_plan__physical(const sl_plan_request *request, const sl_analyzer *a,
                          const sl_logical *plan, sl_physical_plan **ret, sl_error *err);
/* fingerprint.c */
sl_hash128 sl_plan__fingerprint(const sl_physical_plan *p);

#endif /* SL_ENGINE_PLAN_ANALYZE_PRIVATE_H */
