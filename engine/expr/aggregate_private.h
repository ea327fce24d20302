/* aggregate_private.h - the list of aggregate functions and what each must answer.
 * One file per family: agg_count.c, agg_sum.c, agg_extreme.c, agg_bool.c, agg_moments.c,
 * agg_first.c, agg_struct.c.
 * Thread: any (immutable). */

#ifndef SL_ENGINE_EXPR_AGGREGATE_PRIVATE_H
#define SL_ENGINE_EXPR_AGGREGATE_PRIVATE_H

#include "engine/expr/aggregate.h"
#include "engine/expr/vector_private.h"

/* Calls of an aggregate, with what most kernels need at hand. */
typedef struct sl_agg_call {
    const sl_agg *agg;
    uint8_t *const *slots;
    uint32_t n;
    const sl_column *column;   /* update: the argument; merge: buffers[0] */
    const uint16_t *selection; /* update only */
    sl_agg_set_blob set_blob;
    void *user;
    sl_budget *budget;
    sl_column *ret; /* partial: buffer_count columns; result: one */
} sl_agg_call;

typedef sl_code (*sl_agg_kernel)(const sl_agg_call *c, sl_error *err);

struct sl_agg_class {
    const char *name;
    uint32_t least_args, most_args;
    const char *usage;
    /* Choose types, widths and kernels; *args may be given casts. */
    sl_code (*resolve)(sl_call_site *s, sl_agg *a, sl_error *err);
    sl_agg_kernel update, partial, merge, result;
};

uint32_t sl_agg__class_count(void);
const sl_agg_class *sl_agg__class(uint32_t i);

extern const sl_agg_class sl_agg__classes_count[2];   /* count, count_if */
extern const sl_agg_class sl_agg__classes_sum[3];     /* sum, avg, mean */
extern const sl_agg_class sl_agg__classes_extreme[3]; /* min, max, any_value */
extern const sl_agg_class
    sl_agg__classes_bool[5]; /* bool_and, every, bool_or, some, any */

extern const sl_agg_class sl_agg__classes_moments[7]; /* variance, stddev, ... */
extern const sl_agg_class sl_agg__classes_first[4];   /* first, last, ... */
extern const sl_agg_class sl_agg__classes_by[2];      /* min_by, max_by */
extern const sl_agg_class sl_agg__class_min_struct, sl_agg__class_max_struct;

/* The state of an aggregate in the slot of row i. */
static inline void *sl_agg__state(const sl_agg_call *c, uint32_t i)
{
    return c->slots[i] + c->agg->offset;
}
static inline uint32_t sl_agg__row(const sl_agg_call *c, uint32_t i)
{
    return c->selection != NULL ? c->selection[i] : i;
}

#endif /* SL_ENGINE_EXPR_AGGREGATE_PRIVATE_H */
