/* kernels_time_private.h - local time in kernels, and divisions that round down. */

#ifndef SL_ENGINE_EXPR_KERNELS_TIME_PRIVATE_H
#define SL_ENGINE_EXPR_KERNELS_TIME_PRIVATE_H

#include "engine/expr/vector_private.h"

#define SL_SECOND_US INT64_C(1000000)
#define SL_MINUTE_US (60 * SL_SECOND_US)
#define SL_HOUR_US (60 * SL_MINUTE_US)
#define SL_DAY_US (24 * SL_HOUR_US)

/* The session zone for TIMESTAMP; NULL = local time is what is stored. */
typedef struct sl_zone {
    const sl_time_zone *zone;
} sl_zone;
sl_zone sl_zone__of(const sl_kernel_call *c, const sl_type *type);

static inline int64_t sl_zone__local(sl_zone z, int64_t us)
{
    return z.zone == NULL
               ? us
               : (int64_t)((uint64_t)us + (uint64_t)sl_time_zone_offset_us(z.zone, us));
}
static inline int64_t sl_zone__utc(sl_zone z, int64_t local_us)
{
    return z.zone == NULL ? local_us : sl_time_zone_to_utc_us(z.zone, local_us);
}
static inline int64_t sl_floor_div(int64_t a, int64_t b) /* b > 0 */
{
    return a / b - (a % b < 0);
}
static inline int64_t sl_floor_mod(int64_t a, int64_t b) /* b > 0 */
{
    int64_t r = a % b;
    return r < 0 ? r + b : r;
}

#endif /* SL_ENGINE_EXPR_KERNELS_TIME_PRIVATE_H */
