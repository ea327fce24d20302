#include "base/blob.h"

#include <string.h>

#include "base/alloc.h"

sl_blob *sl_blob_wrap(sl_span bytes, void (*release)(void *user), void *user)
{
    sl_blob *b = sl_alloc(sizeof *b);
    sl_refs_init(&b->refs);
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
    sl_refs_init(&b->refs);
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
    sl_refs_take(&b->refs);
    return b;
}

void sl_blob_unref(sl_blob *b)
{
    if (!b || !sl_refs_drop(&b->refs))
        return;
    if (b->release)
        b->release(b->user);
    sl_free(b);
}
