/* kernels_compare_private.h - comparisons for other kernels. */

#ifndef SL_ENGINE_EXPR_KERNELS_COMPARE_PRIVATE_H
#define SL_ENGINE_EXPR_KERNELS_COMPARE_PRIVATE_H

#include "engine/expr/vector_private.h"

/* ret: a bit for each row where both are equal, nulls not looked at. */
void sl_compare__equal(const sl_vector *a, const sl_vector *b, uint64_t *ret,
                       uint32_t rows);

#endif /* SL_ENGINE_EXPR_KERNELS_COMPARE_PRIVATE_H */
