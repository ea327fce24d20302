/* refs.h - counting the holders of something that is shared.
 *
 * The count begins at 1 and stands in the thing itself. Whoever drops the last reference
 * sees all that the others wrote before they dropped theirs, and frees it.
 *
 * Thread: any. */

#ifndef SL_BASE_REFS_H
#define SL_BASE_REFS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"

typedef _Atomic uint32_t sl_refs;

static inline void sl_refs_init(sl_refs *refs)
{
    atomic_init(refs, 1);
}

static inline void sl_refs_take(sl_refs *refs)
{
    uint32_t before = atomic_fetch_add_explicit(refs, 1, memory_order_relaxed);
    SL_ASSERT(before > 0 && before < UINT32_MAX);
}

/* Was it the last one? */
static inline bool sl_refs_drop(sl_refs *refs)
{
    uint32_t before = atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel);
    SL_ASSERT(before > 0);
    return before == 1;
}

/* Nobody else holds it: it may be written. */
static inline bool sl_refs_is_only(const sl_refs *refs)
{
    return atomic_load_explicit(refs, memory_order_acquire) == 1;
}

#endif /* SL_BASE_REFS_H */
