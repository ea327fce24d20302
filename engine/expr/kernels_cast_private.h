/* kernels_cast_private.h - one cast under way: kernels_cast.c, kernels_cast_text.c. */

#ifndef SL_ENGINE_EXPR_KERNELS_CAST_PRIVATE_H
#define SL_ENGINE_EXPR_KERNELS_CAST_PRIVATE_H

#include "engine/expr/vector_private.h"

typedef struct sl_cast {
    sl_kernel_call *call;
    const sl_vector *from; /* the argument, or a field inside it */
    sl_register *out;      /* the result, or the same field inside it; validity set */
    bool is_try;
} sl_cast;

static inline sl_rows sl_cast__rows(const sl_cast *k)
{
    return sl_rows__of(k->call->active, k->out->vector.validity, k->call->rows);
}

/* Row `row` has no such value: null under TRY_CAST, else the error (CAST_OVERFLOW or
 * CAST_INVALID_INPUT). */
sl_code sl_cast__failed(sl_cast *k, uint32_t row, const char *condition, sl_error *err);

sl_code sl_cast__to_text(sl_cast *k, void *out, sl_error *err);
sl_code sl_cast__from_text(sl_cast *k, void *out, sl_error *err);
/* One of the two types is DATE, TIMESTAMP or TIMESTAMP_NTZ, none is STRING. */
sl_code sl_cast__time(sl_cast *k, void *out, sl_error *err);

#endif /* SL_ENGINE_EXPR_KERNELS_CAST_PRIVATE_H */
