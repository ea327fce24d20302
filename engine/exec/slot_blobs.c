/* A string is stored behind its capacity (8 bytes), so that a group whose minimum changes
 * with every row writes over the old one instead of filling the arena. */

#include "engine/exec/operator_private.h"

static uint64_t capacity_of(const uint8_t *data)
{
    uint64_t capacity;
    memcpy(&capacity, data - sizeof capacity, sizeof capacity);
    return capacity;
}

sl_code sl_exec__slot_blob_set(void *user, uint8_t *slot, uint32_t blob_offset,
                               const void *data, uint32_t length, sl_error *err)
{
    sl_exec__slot_blobs *b = user;
    sl_agg_blob blob;
    memcpy(&blob, slot + blob_offset, sizeof blob);

    uint8_t *to;
    if (blob.length_plus_1 != 0 && capacity_of(blob.data) >= length) {
        to = (uint8_t *)(uintptr_t)blob.data;
    } else {
        uint64_t capacity = ((uint64_t)length + 15) & ~UINT64_C(7);
        int64_t bytes = (int64_t)(capacity + sizeof capacity);
        SL_TRY(sl_budget_charge(b->budget, bytes, err));
        b->charged_bytes += bytes;
        if (b->arena == NULL)
            b->arena = sl_arena_new();
        to = (uint8_t *)sl_arena_alloc(b->arena, (size_t)bytes) + sizeof capacity;
        memcpy(to - sizeof capacity, &capacity, sizeof capacity);
    }
    if (length != 0)
        memcpy(to, data, length);
    blob = (sl_agg_blob){ .data = to, .length_plus_1 = (uint64_t)length + 1 };
    memcpy(slot + blob_offset, &blob, sizeof blob);
    return SL_OK;
}

void sl_exec__slot_blobs_clear(sl_exec__slot_blobs *b)
{
    if (b->arena != NULL)
        sl_arena_reset(b->arena);
    if (b->budget != NULL)
        sl_budget_release(b->budget, b->charged_bytes);
    b->charged_bytes = 0;
}

void sl_exec__slot_blobs_deinit(sl_exec__slot_blobs *b)
{
    sl_exec__slot_blobs_clear(b);
    sl_arena_free(b->arena);
    b->arena = NULL;
}
