/* expr.h - typed expressions: a tree of literals, input columns and calls.
 *
 * Built bottom-up by the analyzer with the constructors here, which look functions up,
 * add the implicit casts Spark (ANSI mode) would add, and refuse wrong types with Spark's
 * error classes. Immutable, in a query arena.  sl_program (program.h) makes them run.
 *
 * Thread: any (immutable).   Source: Spark's functions and coercion rules. */

#ifndef SL_ENGINE_EXPR_EXPR_H
#define SL_ENGINE_EXPR_EXPR_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "engine/columnar/type.h"

/* Where in the SQL text; 0, 0 = nowhere. end_* is past the last byte. */
typedef struct sl_sql_pos {
    uint32_t line, column;
} sl_sql_pos;

typedef struct sl_value {
    const sl_type *type;
    bool is_null;
    int64_t i64;      /* BOOLEAN 0/1, integers, DATE, TIMESTAMP, INTERVALs */
    double f64;       /* FLOAT, DOUBLE */
    const char *text; /* STRING, BINARY: in the arena */
    uint32_t length;
} sl_value;

typedef enum sl_expr_kind { SL_EXPR_LITERAL, SL_EXPR_COLUMN, SL_EXPR_CALL } sl_expr_kind;

typedef struct sl_function sl_function; /* one overload: engine/expr/functions.def */

typedef struct sl_expr {
    sl_expr_kind kind;
    const sl_type *type;
    bool nullable;
    sl_sql_pos pos;
    const char *pretty; /* Spark's column name for it: "(x + 1)", "count(1)" */
    sl_value literal;   /* LITERAL */
    uint32_t column;    /* COLUMN: index in the input chunk */
    const sl_function
        *function; /* CALL: also casts, CASE, AND/OR, struct field access, arithmetic */
    uint32_t arg_count;
    const struct sl_expr *const *args;
    uint32_t depth; /* 1 for leaves; never above SL_EXPR_DEPTH_MAX */
    uint32_t size;  /* nodes of the tree, counting shared ones again; saturates */
    bool can_fail;  /* some call in it may raise an ANSI error */
    bool is_random; /* some call in it gives another value for each row */
} sl_expr;

/* Constructors refuse deeper trees (SL_ELIMIT), so that every walk may recurse. */
#define SL_EXPR_DEPTH_MAX (2 * SL_SQL_DEPTH_MAX)

const sl_expr *sl_expr_literal(sl_arena *arena, const sl_value *v, const char *pretty,
                               sl_sql_pos pos);
const sl_expr *sl_expr_column(sl_arena *arena, uint32_t column, const sl_field *field,
                              sl_sql_pos pos);
/* Operators have function names too: + - * / % unary- = <=> <> < <= > >= and or not ||
 * isnull isnotnull in(x, a, b...) between(x, lo, hi) like(x, pattern, escape) case(c1,
 * v1, c2, v2, ..., else or void) window_start(ts, size, slide, start) ...  SL_EANALYSIS
 * with UNRESOLVED_ROUTINE (nearest name) or DATATYPE_MISMATCH.*, WRONG_NUM_ARGS. */
SL_CHECKED sl_code sl_expr_call(sl_arena *arena, const char *name,
                                const sl_expr *const *args, uint32_t arg_count,
                                sl_sql_pos pos, const sl_expr **ret, sl_error *err);
/* CAST(e AS type). implicit: only what ANSI store/coercion allows. Same type: e itself.
 */
SL_CHECKED sl_code sl_expr_cast(sl_arena *arena, const sl_expr *e, const sl_type *type,
                                bool implicit, const sl_expr **ret, sl_error *err);
/* TRY_CAST(e AS type): NULL where the cast would fail. */
SL_CHECKED sl_code sl_expr_try_cast(sl_arena *arena, const sl_expr *e,
                                    const sl_type *type, sl_sql_pos pos,
                                    const sl_expr **ret, sl_error *err);
/* e.name of a STRUCT: FIELD_NOT_FOUND with the nearest. */
SL_CHECKED sl_code sl_expr_field(sl_arena *arena, const sl_expr *e, const char *name,
                                 sl_sql_pos pos, const sl_expr **ret, sl_error *err);
/* The least type both can be cast to, Spark's rules (CASE, COALESCE, UNION, IN); NULL if
 * none. */
const sl_type *sl_type_common(const sl_type *a, const sl_type *b, sl_arena *arena);

bool sl_function_exists(const char *name); /* scalar */
bool sl_expr_is_deterministic(const sl_expr *e);
bool sl_expr_is_and(const sl_expr *e);      /* a AND b */
bool sl_expr_is_constant(const sl_expr *e); /* no columns, no clock */
/* Constant parts become literals. A constant that fails (1/0) stays, to fail at run time.
 */
const sl_expr *sl_expr_fold(sl_arena *arena, const sl_expr *e);
/* The same tree over other columns: column i becomes map[i]. */
const sl_expr *sl_expr_remap(sl_arena *arena, const sl_expr *e, const uint32_t *map);
/* Columns become the expressions given (substitution through a projection). */
const sl_expr *sl_expr_substitute(sl_arena *arena, const sl_expr *e,
                                  const sl_expr *const *columns);
void sl_expr_mark_columns(const sl_expr *e, uint64_t *used); /* bitmap */
bool sl_expr_equal(const sl_expr *a, const sl_expr *b);
void sl_expr_print(const sl_expr *e, const sl_schema *input,
                   sl_bytes *out); /* for EXPLAIN */

void sl_expr_write(const sl_expr *e, sl_bytes *out); /* fragment codec */
SL_CHECKED sl_code sl_expr_read(sl_reader *r, sl_arena *arena, const sl_expr **ret,
                                sl_error *err);

/* List of all functions for completion and docs: name, "scalar"|"aggregate", usage. */
uint32_t sl_function_count(void);
const char *sl_function_name(uint32_t i);
const char *sl_function_usage(uint32_t i);

/* "10 minutes", "INTERVAL '1' DAY", "1 day 2 hours" -> months and us; window() and
 * watermark durations. SL_EINVAL for text that is no interval. */
SL_CHECKED sl_code sl_interval_parse(const char *text, int32_t *ret_months,
                                     int64_t *ret_us, sl_error *err);

#endif /* SL_ENGINE_EXPR_EXPR_H */
