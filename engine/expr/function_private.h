/* function_private.h - what a scalar function is, and how a call of it gets its types.
 *
 * functions.def lists every function once: name, resolver, signature, kernel, flags and
 * usage. A resolver sees the arguments of a call, adds casts, decides the result type, or
 * rewrites the call into other functions. It is idempotent: resolving a resolved call
 * again changes nothing, which is how the codec checks what it reads.
 *
 * Signature: "result:arguments". Letters: b BOOLEAN, i INT, l LONG, d DOUBLE, s STRING,
 * a DATE, t TIMESTAMP or TIMESTAMP_NTZ, v INTERVAL DAY TO SECOND, n any number, y
 * anything, c anything, cast to the common type of all c's. In the result also 1 = type
 * of the first argument, c = the common type. '?' starts optional arguments, '*' repeats
 * the last one.     Thread: any. */

#ifndef SL_ENGINE_EXPR_FUNCTION_PRIVATE_H
#define SL_ENGINE_EXPR_FUNCTION_PRIVATE_H

#include "engine/expr/expr.h"

typedef struct sl_kernel_call sl_kernel_call;
typedef sl_code (*sl_kernel)(sl_kernel_call *c, sl_error *err);

/* A call while it is resolved. */
typedef struct sl_call_site {
    sl_arena *arena;
    const sl_function *function; /* a resolver may choose another */
    const char *name;            /* lower case, for messages and the column name */
    const sl_expr **args;        /* the resolver puts casts around them */
    uint32_t arg_count;
    sl_sql_pos pos;
    const sl_type *type;      /* the result's, set by the resolver */
    bool nullable;            /* preset: strict and some argument is */
    const char *pretty;       /* NULL: name(args) */
    const sl_expr *rewritten; /* set: the call becomes this */
} sl_call_site;

typedef sl_code (*sl_resolver)(sl_call_site *s, sl_error *err);

enum {
    SL_FN_STRICT = 1, /* a null argument makes a null result; the runner ANDs bitmaps */
    SL_FN_FAILS = 2,  /* may raise an ANSI error */
    SL_FN_CLOCK = 4,  /* depends on the batch: not constant */
    SL_FN_RANDOM = 8, /* another value for each row */
    SL_FN_NULLABLE = 16, /* may be null without a null argument */
    SL_FN_NOT_NULL = 32, /* never null */
    SL_FN_INTERNAL = 64, /* made by rewrites and constructors, not by name in SQL */
    SL_FN_ZONE = 128,    /* depends on the session time zone: not folded */
};

struct sl_function {
    const char *name;
    sl_resolver resolve;
    const char *signature;
    sl_kernel kernel;
    uint32_t flags;
    const char *usage;
};

typedef enum sl_function_id {
#define X(id, name, resolve, signature, kernel, flags, usage) SL_F_##id,
#include "engine/expr/functions.def"
#undef X
    SL_FUNCTION_COUNT
} sl_function_id;

const sl_function *sl_function__get(sl_function_id id);
const sl_function *sl_function__find(const char *name); /* any case; NULL if none */
static inline bool sl_expr__is_call(const sl_expr *e, sl_function_id id)
{
    return e->kind == SL_EXPR_CALL && e->function == sl_function__get(id);
}

/* ---- making nodes ---- */
/* The call as it stands, without resolving again. SL_ELIMIT when too deep. */
sl_code sl_expr__make_call(const sl_call_site *s, const sl_expr **ret, sl_error *err);
sl_code sl_expr__call_id(sl_arena *arena, sl_function_id id, const sl_expr *const *args,
                         uint32_t arg_count, sl_sql_pos pos, const sl_expr **ret,
                         sl_error *err);
const sl_expr *sl_expr__null(sl_arena *arena, const sl_type *type, sl_sql_pos pos);
const sl_expr *sl_expr__long(sl_arena *arena, int64_t v, sl_sql_pos pos);
/* The same node under another column name. */
const sl_expr *sl_expr__rename(sl_arena *arena, const sl_expr *e, const char *pretty);
/* A copy of call e with other arguments of the same types. */
const sl_expr *sl_expr__with_args(sl_arena *arena, const sl_expr *e,
                                  const sl_expr *const *args);

/* ---- resolvers (resolve_*.c) ---- */
#define X(id, name, resolve, signature, kernel, flags, usage)                            \
    sl_code sl_resolve__##resolve(sl_call_site *s, sl_error *err);
#include "engine/expr/functions.def"
#undef X
sl_code sl_resolve__arity(const sl_call_site *s, sl_error *err); /* WRONG_NUM_ARGS */

/* ---- coercion (coerce.c) ---- */
bool sl_type__is_time(const sl_type *t); /* TIMESTAMP or TIMESTAMP_NTZ */
bool sl_type__is_interval(const sl_type *t);
bool sl_type__is_ordered(const sl_type *t);
bool sl_cast__is_allowed(const sl_type *from, const sl_type *to);
bool sl_cast__is_implicit(const sl_type *from, const sl_type *to);
bool sl_cast__can_fail(const sl_type *from, const sl_type *to);
/* args[i] becomes a value of `type`, or UNEXPECTED_INPUT_TYPE. */
sl_code sl_coerce__argument(sl_call_site *s, uint32_t i, const sl_type *type,
                            sl_error *err);
/* Arguments first, first + step, ... become one common type, given back; refused with
 * DATATYPE_MISMATCH.DATA_DIFF_TYPES, or BINARY_OP_DIFF_TYPES for an operator. */
sl_code sl_coerce__common(sl_call_site *s, uint32_t first, uint32_t step,
                          bool is_operator, const sl_type **ret, sl_error *err);
sl_code sl_coerce__unexpected(const sl_call_site *s, uint32_t i, const char *required,
                              sl_error *err); /* fails */
/* DATATYPE_MISMATCH.<kind> at the call; text continues "... due to data type mismatch: ".
 */
sl_code sl_coerce__mismatch(const sl_call_site *s, const char *kind, sl_error *err,
                            const char *fmt, ...) SL_PRINTF(4, 5);
const char *sl_type__name(sl_arena *arena, const sl_type *t); /* "INT" */

/* ---- names (pretty.c) ---- */
const char *sl_pretty__infix(const sl_call_site *s, const char *op); /* "(a op b)" */
const char *sl_pretty__call(const sl_call_site *s, const char *name);
const char *sl_pretty__literal(sl_arena *arena, const sl_value *v);
void sl_value__text(const sl_value *v, sl_bytes *out);
void sl_interval__text(const sl_type *type, int64_t v, sl_bytes *out);

/* Put the position into an error that has none. Returns code. */
sl_code sl_error__at(sl_error *err, sl_code code, sl_sql_pos pos);

#endif /* SL_ENGINE_EXPR_FUNCTION_PRIVATE_H */
