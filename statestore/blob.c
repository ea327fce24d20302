/* blob.c - the strings inside values.
 *
 * Every blob is an allocation of its own with exactly one owner: the live slot, or the
 * old slot image of the undo list where the live one points elsewhere by now. */

#include "base/limits.h"
#include "statestore/state_private.h"

#define BLOB_OVERHEAD_BYTES                                                              \
    16 /* what an allocator adds; counted so budgets are honest                          \
        */

sl_code sl_state__blob_new(sl_state_table *t, sl_span bytes, sl_state_blob *ret,
                           sl_error *err)
{
    if (bytes.size_bytes == 0) {
        *ret = (sl_state_blob){ 0 };
        return SL_OK;
    }
    if (bytes.size_bytes > SL_STRING_BYTES_MAX)
        return sl_fail(err, SL_ELIMIT, "a string of %zu bytes, at most %u",
                       bytes.size_bytes, SL_STRING_BYTES_MAX);
    int64_t cost = (int64_t)bytes.size_bytes + BLOB_OVERHEAD_BYTES;
    SL_TRY(sl_budget_charge(&t->budget, cost, err));
    uint8_t *copy = sl_try_alloc(bytes.size_bytes);
    if (!copy) {
        sl_budget_release(&t->budget, cost);
        return sl_fail(err, SL_ENOMEM, "no memory for a string of %zu bytes",
                       bytes.size_bytes);
    }
    memcpy(copy, bytes.data, bytes.size_bytes);
    *ret = (sl_state_blob){ copy, bytes.size_bytes };
    return SL_OK;
}

void sl_state__blob_free(sl_state_table *t, sl_state_blob blob)
{
    if (!blob.data)
        return;
    sl_budget_release(&t->budget, (int64_t)blob.size_bytes + BLOB_OVERHEAD_BYTES);
    sl_free((void *)(uintptr_t)blob.data);
}

void sl_state__blobs_drop(sl_state_table *t, uint8_t *value, const uint8_t *keep)
{
    for (uint32_t i = 0; i < t->op.blob_count; i++) {
        uint32_t offset = t->op.blob_offsets[i];
        sl_state_blob b = sl_state__blob_read(value, offset);
        if (!keep || sl_state__blob_read(keep, offset).data != b.data)
            sl_state__blob_free(t, b);
    }
}
