#include "base/blob.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

sl_blob *sl_blob_wrap(sl_span bytes, void (*release)(void *user), void *user)
{
    sl_blob *b = sl_alloc(sizeof *b);
    atomic_init(&b->refs, 1);
    b->data = bytes.data;
    b->size_bytes = bytes.size_bytes;
    b->release = release;
    b->user = user;
    return b;
}

sl_blob *sl_blob_copy(sl_span bytes)
{
    sl_blob *b = sl_alloc(sizeof *b + bytes.size_bytes);
    uint8_t *data = (uint8_t *)(b + 1);
    if (bytes.size_bytes > 0)
        memcpy(data, bytes.data, bytes.size_bytes);
    atomic_init(&b->refs, 1);
    b->data = data;
    b->size_bytes = bytes.size_bytes;
    b->release = NULL;
    b->user = NULL;
    return b;
}

sl_blob *sl_blob_take(sl_bytes *bytes)
{
    sl_blob *b = sl_blob_wrap(sl_bytes_span(bytes), sl_free, bytes->data);
    *bytes = (sl_bytes){ 0 };
    return b;
}

sl_blob *sl_blob_ref(sl_blob *b)
{
    uint32_t before = atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    SL_ASSERT(before > 0 && before < UINT32_MAX);
    return b;
}

void sl_blob_unref(sl_blob *b)
{
    if (!b)
        return;
    uint32_t before = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);
    SL_ASSERT(before > 0);
    if (before > 1)
        return;
    if (b->release)
        b->release(b->user);
    sl_free(b);
}
