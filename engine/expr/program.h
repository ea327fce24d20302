/* program.h - expressions compiled to a flat list of kernels over vectors.
 *
 * A program holds the kernels of several expressions over one input schema, with common
 * subexpressions computed once.  A run evaluates them for one chunk; results are columns
 * of chunk->row_count rows whose values are meaningful for selected rows only.  Branches
 * of CASE, AND, OR, COALESCE and IF carry an active mask, so that ANSI errors (overflow,
 * division by zero, bad cast) only count for rows that Spark would have evaluated:
 * selected and active.
 *
 * Thread: a program is immutable and shared; each thread has its own sl_program_run.
 * Errors: SL_EARITH and the like with Spark's classes (DIVIDE_BY_ZERO,
 * ARITHMETIC_OVERFLOW, CAST_INVALID_INPUT), the value and the SQL position. */

#ifndef SL_ENGINE_EXPR_PROGRAM_H
#define SL_ENGINE_EXPR_PROGRAM_H

#include "engine/columnar/chunk.h"
#include "engine/columnar/value_text.h"
#include "engine/expr/expr.h"

typedef struct sl_eval_context {
    int64_t batch_time_us;    /* current_timestamp() of the whole batch (spark:B3) */
    const sl_time_zone *zone; /* session time zone */
    uint64_t seed; /* of the batch; rand() and uuid() are keyed by (seed, slice, row) */
    uint64_t slice;
    uint64_t first_row; /* number of the chunk's row 0 within the slice */
} sl_eval_context;

typedef struct sl_program sl_program;
typedef struct sl_program_run sl_program_run;

SL_CHECKED sl_code sl_program_compile(const sl_expr *const *exprs, uint32_t count,
                                      sl_program **ret, sl_error *err);
void sl_program_free(sl_program *p);

SL_CHECKED sl_code sl_program_run_new(const sl_program *p, sl_budget *budget,
                                      sl_program_run **ret, sl_error *err);
void sl_program_run_free(sl_program_run *r);

/* ret_columns[i] = value of expression i (yours to release). A plain column reference
 * shares. */
SL_CHECKED sl_code sl_program_eval(sl_program_run *r, const sl_eval_context *context,
                                   const sl_chunk *in, sl_column *ret_columns,
                                   sl_error *err);
/* The program's only expression is BOOLEAN: rows of `in` for which it is true. ret_rows
 * has room for in->selected. */
SL_CHECKED sl_code sl_program_filter(sl_program_run *r, const sl_eval_context *context,
                                     const sl_chunk *in, uint16_t *ret_rows,
                                     uint32_t *ret_count, sl_error *err);
/* Evaluate a constant expression. */
SL_CHECKED sl_code sl_expr_evaluate(const sl_expr *e, const sl_eval_context *context,
                                    sl_arena *arena, sl_value *ret, sl_error *err);

#endif /* SL_ENGINE_EXPR_PROGRAM_H */
