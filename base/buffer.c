/* Header and data are one allocation: the header in the first 64 bytes, so that the data
 * is aligned too. */

#include "base/buffer.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"

enum { ALIGNMENT = 64, PADDING_BYTES = 64 };

static_assert(sizeof(sl_buffer) <= ALIGNMENT, "the header fits before the data");

sl_code sl_buffer_new(size_t capacity_bytes, sl_budget *budget, sl_buffer **ret,
                      sl_error *err)
{
    if (capacity_bytes > (size_t)INT64_MAX - ALIGNMENT - PADDING_BYTES)
        return sl_fail(err, SL_ENOMEM, "a buffer of %zu bytes is impossible",
                       capacity_bytes);
    SL_TRY(sl_budget_charge(budget, (int64_t)capacity_bytes, err));

    char *memory =
        sl_try_aligned_alloc(ALIGNMENT, ALIGNMENT + capacity_bytes + PADDING_BYTES);
    if (!memory) {
        sl_budget_release(budget, (int64_t)capacity_bytes);
        return sl_fail(err, SL_ENOMEM,
                       "the system gave no memory for a buffer of %zu "
                       "bytes; close something or add memory",
                       capacity_bytes);
    }
    sl_buffer *b = (sl_buffer *)(void *)memory;
    sl_refs_init(&b->refs);
    b->size_bytes = 0;
    b->capacity_bytes = capacity_bytes;
    b->budget = budget;
    b->data = (uint8_t *)memory + ALIGNMENT;
    memset(b->data + capacity_bytes, 0, PADDING_BYTES);
    *ret = b;
    return SL_OK;
}

sl_buffer *sl_buffer_ref(sl_buffer *b)
{
    sl_refs_take(&b->refs);
    return b;
}

void sl_buffer_unref(sl_buffer *b)
{
    if (!b || !sl_refs_drop(&b->refs))
        return;
    sl_budget_release(b->budget, (int64_t)b->capacity_bytes);
    sl_free(b);
}
