/* kernel_errors_private.h - the ANSI errors several kernels raise, worded once. */

#ifndef SL_ENGINE_EXPR_KERNEL_ERRORS_PRIVATE_H
#define SL_ENGINE_EXPR_KERNEL_ERRORS_PRIVATE_H

#include "engine/expr/vector_private.h"

/* ARITHMETIC_OVERFLOW with the operands of the row. */
sl_code sl_error__overflow(const sl_kernel_call *c, uint32_t row, sl_error *err);
/* DIVIDE_BY_ZERO or REMAINDER_BY_ZERO. */
sl_code sl_error__zero(const sl_kernel_call *c, uint32_t row, sl_error *err);

#endif /* SL_ENGINE_EXPR_KERNEL_ERRORS_PRIVATE_H */
