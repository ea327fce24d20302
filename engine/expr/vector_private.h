/* vector_private.h - what kernels work on: operands, an output register, the active rows.
 *
 * Shape:   a vector has `rows` values, or one value meant for every row (is_constant:
 *          index i * stride). Bitmaps (validity, BOOLEAN values) always have a bit for
 *          every row, constants too. Values of null or inactive rows are defined memory
 *          without meaning; string views are always valid views.
 * Owns:    a register its buffers, which it fills again for each chunk unless a result
 *          column still holds them.  `holds` names every buffer a vector points into.
 * Active:  only selected rows of the branch in force may raise errors. Loops that cannot
 *          be harmed run over all rows.
 * Thread:  that of its run. */

#ifndef SL_ENGINE_EXPR_VECTOR_PRIVATE_H
#define SL_ENGINE_EXPR_VECTOR_PRIVATE_H

#include "base/hot.h"
#include "engine/columnar/column.h"
#include "engine/expr/function_private.h"
#include "engine/expr/program.h"

__extension__ typedef __int128 sl_i128;

typedef struct sl_vector {
    const sl_type *type;
    bool is_constant;
    const uint64_t *validity; /* NULL = no nulls */
    const void *values;       /* NULL for STRUCT and VOID */
    uint32_t child_count;
    const struct sl_vector *const *children; /* STRUCT */
    uint32_t hold_count;
    sl_buffer **holds; /* borrowed references */
} sl_vector;

/* How values lie in memory. */
typedef enum sl_storage {
    SL_I8,
    SL_I16,
    SL_I32,
    SL_I64,
    SL_F32,
    SL_F64,
    SL_BITS,
    SL_TEXT,
    SL_NESTED, /* STRUCT */
    SL_NOTHING /* VOID */
} sl_storage;
sl_storage sl_storage__of(const sl_type *type);

/* Memory behind one instruction's result. */
typedef struct sl_register {
    sl_vector vector; /* first: operands point here */
    sl_budget *budget;
    sl_buffer *values, *validity;
    sl_buffer *heap; /* bytes of strings made here; earlier ones in `full` */
    uint32_t full_count;
    sl_buffer **full;
    uint32_t hold_capacity;
    uint32_t part_count;       /* STRUCT results and operands: memory of the children */
    struct sl_register *parts; /* owned */
    const sl_vector **part_vectors;
    void *kept; /* what a kernel made for its constants, freed by free_kept */
    void (*free_kept)(void *);
} sl_register;

void sl_register__init(sl_register *r, const sl_type *type, sl_budget *budget);
void sl_register__deinit(sl_register *r);
/* Forget the last chunk's contents; keep memory nobody else holds. */
void sl_register__reset(sl_register *r);
/* Let it see a column of its type. */
void sl_register__bind(sl_register *r, const sl_column *c);
/* Let it be one value for all rows. */
sl_code sl_register__constant(sl_register *r, const sl_value *v, sl_error *err);
/* Writable values for `rows` rows (BOOLEAN: bitmap words, zeroed); vector.values. */
sl_code sl_register__values(sl_register *r, uint32_t rows, void **ret, sl_error *err);
/* Writable bitmap, uninitialised; vector.validity. */
sl_code sl_register__validity(sl_register *r, uint32_t rows, uint64_t **ret,
                              sl_error *err);
/* Room for bytes of strings of this chunk. */
sl_code sl_register__bytes(sl_register *r, uint32_t size, char **ret, sl_error *err);
/* Its views point into what `v` points into. */
void sl_register__hold(sl_register *r, const sl_vector *v);
/* The parts of a STRUCT register, made at first use. */
void sl_register__make_parts(sl_register *r);
/* The vector as a column of `rows` rows with references of its own. */
sl_code sl_vector__to_column(const sl_vector *v, uint32_t rows, sl_budget *budget,
                             sl_column *ret, sl_error *err);
/* Row `row` as a borrowed column of one row would print: for messages. */
void sl_vector__text(const sl_vector *v, uint32_t row, const sl_time_zone *zone,
                     sl_bytes *out);
/* Spark's order of two rows: null first, NaN last, structs field by field. */
int sl_vector__compare(const sl_vector *a, uint32_t row_a, const sl_vector *b,
                       uint32_t row_b);

static inline uint32_t sl_vector__stride(const sl_vector *v)
{
    return v->is_constant ? 0 : 1;
}
static inline bool sl_vector__valid(const sl_vector *v, uint32_t row)
{
    return v->type->id != SL_TYPE_VOID &&
           (v->validity == NULL || sl_bitmap_get(v->validity, row));
}
static inline uint64_t sl_vector__valid_word(const sl_vector *v, size_t w)
{
    return v->validity == NULL ? UINT64_MAX : v->validity[w];
}
#define SL_VALUES(T, v) ((const T *)(v)->values)

extern const uint64_t sl_bits__none[SL_CHUNK_ROWS_MAX / 64];
extern const uint64_t sl_bits__all[SL_CHUNK_ROWS_MAX / 64];

struct sl_kernel_call {
    const sl_expr *expr;
    const sl_vector *const *args;
    uint32_t arg_count;
    sl_register *out; /* type set; strict functions: validity set too */
    uint32_t rows;
    const uint64_t *active; /* NULL = all rows */
    const sl_eval_context *context;
};

/* ---- rows that count: active and not null ---- */
typedef struct sl_rows {
    const uint64_t *active, *valid; /* each may be NULL */
    uint32_t rows, base;
    uint64_t word;
} sl_rows;

static inline uint64_t sl_rows__word(const sl_rows *r, uint32_t base)
{
    uint64_t word = UINT64_MAX;
    if (r->rows - base < 64)
        word = (UINT64_C(1) << (r->rows - base)) - 1;
    if (r->active != NULL)
        word &= r->active[base / 64];
    if (r->valid != NULL)
        word &= r->valid[base / 64];
    return word;
}
static inline sl_rows sl_rows__of(const uint64_t *active, const uint64_t *valid,
                                  uint32_t rows)
{
    sl_rows r = { active, valid, rows, 0, 0 };
    if (rows != 0)
        r.word = sl_rows__word(&r, 0);
    return r;
}
static inline bool sl_rows__next(sl_rows *r, uint32_t *ret)
{
    while (r->word == 0) {
        if (r->rows - r->base <= 64)
            return false;
        r->base += 64;
        r->word = sl_rows__word(r, r->base);
    }
    *ret = r->base + (uint32_t)__builtin_ctzll(r->word);
    r->word &= r->word - 1;
    return true;
}
/* The rows a strict kernel must compute. */
static inline sl_rows sl_call__rows(const sl_kernel_call *c)
{
    return sl_rows__of(c->active, c->out->vector.validity, c->rows);
}

/* Make row i of the result null, for kernels that find nulls as they go. */
sl_code sl_call__own_validity(sl_kernel_call *c, uint64_t **ret, sl_error *err);

/* SL_EARITH with the class and the call's position. */
sl_code sl_call__fail(const sl_kernel_call *c, const char *condition,
                      const char *sqlstate, sl_error *err, const char *fmt, ...)
    SL_PRINTF(5, 6);

/* ---- kernels (kernels_*.c) ---- */
#define X(id, name, resolve, signature, kernel, flags, usage)                            \
    sl_code sl_kernel__##kernel(sl_kernel_call *c, sl_error *err);
#include "engine/expr/functions.def"
#undef X

/* Choose between vectors of the out type row by row: row i is from choices[pick[i]];
 * pick 255 = null. Used by CASE and COALESCE. */
sl_code sl_kernel__blend(sl_register *out, const sl_vector *const *choices,
                         uint32_t choice_count, const uint8_t *pick, uint32_t rows,
                         sl_error *err);

#endif /* SL_ENGINE_EXPR_VECTOR_PRIVATE_H */
