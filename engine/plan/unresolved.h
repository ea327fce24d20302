/* unresolved.h - what SQL text says before anybody knows what the names mean.
 *
 * The parser (engine/sql) builds it; analyze.h resolves it.  Nodes are named after Spark
 * Connect's relations, so that a Connect front end can build the same trees.  Everything
 * is in the statement's arena; every node knows its place in the text.   Thread: any
 * (immutable). */

#ifndef SL_ENGINE_PLAN_UNRESOLVED_H
#define SL_ENGINE_PLAN_UNRESOLVED_H

#include "base/option_list.h"
#include "engine/expr/expr.h"
#include "engine/plan/physical.h" /* sl_output_mode */

/* ---- expressions ---- */
typedef enum sl_uexpr_kind {
    SL_U_LITERAL,
    SL_U_NAME, /* a, t.a, w.start: parts */
    SL_U_STAR, /* * or t.* (parts) */
    SL_U_CALL, /* name(args), operators too (names as in expr.h sl_expr_call) */
    SL_U_CAST,
    SL_U_ALIAS,    /* args[0] AS name */
    SL_U_INTERVAL, /* INTERVAL 10 MINUTES, INTERVAL '1' DAY: text in literal */
} sl_uexpr_kind;

typedef struct sl_uexpr {
    sl_uexpr_kind kind;
    sl_sql_pos pos, end;
    uint32_t part_count;
    const char *const *parts; /* NAME, STAR, CALL (one part: the function), ALIAS */
    sl_value literal;         /* LITERAL; INTERVAL: text */
    const sl_type *type;      /* CAST */
    bool distinct;            /* CALL: count(DISTINCT x) */
    bool star;                /* CALL: count(*) */
    const char
        *over; /* CALL ... OVER (...): its text; refused later, with Spark's message */
    const struct sl_uexpr *filter; /* CALL: FILTER (WHERE ...), NULL */
    uint32_t arg_count;
    const struct sl_uexpr *const *args;
} sl_uexpr;

/* ---- relations ---- */
typedef enum sl_relation_kind {
    SL_REL_READ,   /* FROM [STREAM] t */
    SL_REL_VALUES, /* VALUES (..), (..); SELECT without FROM is one row, no columns */
    SL_REL_PROJECT,
    SL_REL_FILTER,
    SL_REL_AGGREGATE, /* SELECT list with GROUP BY and HAVING in one node */
    SL_REL_SORT,
    SL_REL_LIMIT,          /* LIMIT n OFFSET m */
    SL_REL_DEDUPLICATE,    /* SELECT DISTINCT */
    SL_REL_UNION,          /* ALL, or deduplicated */
    SL_REL_ALIAS,          /* (query) AS a(c1, c2) or table alias */
    SL_REL_WITH_WATERMARK, /* WATERMARK col DELAY OF interval */
    SL_REL_WITH,           /* CTEs: ctes, then inputs[0] */
    /* Parsed so that they can be refused clearly, on a stream with Spark's message: */
    SL_REL_JOIN,
    SL_REL_EXCEPT,
    SL_REL_INTERSECT,
    SL_REL_SAMPLE, /* TABLESAMPLE (...) */
} sl_relation_kind;

typedef enum sl_join_type {
    SL_JOIN_INNER,
    SL_JOIN_CROSS,
    SL_JOIN_LEFT_OUTER,
    SL_JOIN_RIGHT_OUTER,
    SL_JOIN_FULL_OUTER,
    SL_JOIN_LEFT_SEMI,
    SL_JOIN_LEFT_ANTI,
} sl_join_type;

typedef struct sl_usort {
    const sl_uexpr *expr;
    bool descending, nulls_first_given, nulls_first;
} sl_usort;

typedef struct sl_relation {
    sl_relation_kind kind;
    sl_sql_pos pos, end;
    uint32_t input_count;
    const struct sl_relation *const *inputs;
    /* READ, ALIAS, WITH_WATERMARK (column) */
    uint32_t part_count;
    const char *const *parts;
    bool stream;                 /* READ */
    sl_option_list options;      /* READ ... WITH (k = v) */
    uint32_t column_alias_count; /* ALIAS */
    const char *const *column_aliases;
    /* PROJECT (list), AGGREGATE (list, groups, having), FILTER (condition), VALUES (rows
     * x columns) */
    uint32_t expr_count;
    const sl_uexpr *const *exprs;
    bool group_all; /* GROUP BY ALL: every item of the list without an aggregate */
    uint32_t group_count;
    const sl_uexpr *const *groups;
    const sl_uexpr *condition; /* FILTER; AGGREGATE: HAVING; JOIN: ON */
    uint32_t row_count;        /* VALUES: expr_count = row_count * columns */
    uint32_t sort_count;
    const sl_usort *sorts;
    const sl_uexpr *limit, *offset;
    const sl_uexpr *delay; /* WITH_WATERMARK: an interval expression */
    bool union_all;
    sl_join_type join;
    uint32_t cte_count; /* WITH */
    const char *const *cte_names;
    const struct sl_relation *const *cte_queries;
} sl_relation;

/* ---- statements ---- */
typedef enum sl_statement_kind {
    SL_ST_QUERY,
    SL_ST_CREATE_TABLE,
    SL_ST_CREATE_VIEW,
    SL_ST_CREATE_STREAMING_QUERY,
    SL_ST_STOP_STREAMING_QUERY,
    SL_ST_AWAIT_STREAMING_QUERY,
    SL_ST_SHOW_STREAMING_QUERIES,
    SL_ST_DESCRIBE_STREAMING_QUERY,
    SL_ST_SHOW_TABLES,
    SL_ST_SHOW_VIEWS,
    SL_ST_SHOW_COLUMNS,
    SL_ST_SHOW_FUNCTIONS,
    SL_ST_DESCRIBE, /* tree: DESCRIBE TREE t */
    SL_ST_DROP_TABLE,
    SL_ST_DROP_VIEW,
    SL_ST_SET, /* SET, SET k, SET k = v */
    SL_ST_RESET,
    SL_ST_EXPLAIN, /* of `inner` */
} sl_statement_kind;

typedef enum sl_trigger_kind {
    SL_TRIGGER_DEFAULT,
    SL_TRIGGER_PROCESSING_TIME,
    SL_TRIGGER_ONCE,
    SL_TRIGGER_AVAILABLE_NOW,
    SL_TRIGGER_CONTINUOUS,
} sl_trigger_kind;

typedef enum sl_explain_kind {
    SL_EXPLAIN_SIMPLE,
    SL_EXPLAIN_EXTENDED, /* the plans before it too */
    SL_EXPLAIN_FORMATTED,
    SL_EXPLAIN_STATE,
    SL_EXPLAIN_JSON
} sl_explain_kind;

typedef struct sl_statement {
    sl_statement_kind kind;
    const char *text; /* the statement's own text, trimmed, without ';' */
    sl_sql_pos pos;
    const char *name; /* table, view, query */
    sl_sql_pos name_pos;
    const sl_relation *
        query; /* QUERY, VIEW, STREAMING QUERY, EXPLAIN (through inner), DESCRIBE QUERY */
    const char *query_text; /* the text of `query` */
    bool if_not_exists, if_exists, or_replace, temporary, tree;
    /* CREATE TABLE */
    const sl_schema *schema; /* NULL: infer */
    const char *connector;   /* USING x, or INTO x of a streaming query */
    sl_sql_pos connector_pos;
    sl_option_list options;
    /* CREATE STREAMING QUERY */
    bool mode_given;
    sl_output_mode mode;
    sl_trigger_kind trigger;
    int64_t trigger_us;
    const char *checkpoint; /* NULL: temporary */
    /* SET */
    const char *value; /* NULL: show */
    sl_explain_kind explain;
    const struct sl_statement *inner;
} sl_statement;

/* The tree as EXPLAIN EXTENDED shows it, one node a line; names not resolved yet begin
 * with a quote mark, as Spark's. */
void sl_relation_print(const sl_relation *r, sl_bytes *out);

#endif /* SL_ENGINE_PLAN_UNRESOLVED_H */
