/* blob.h - ref-counted, immutable bytes that may belong to anybody: what a message is
 * made of from encoder to wire and from wire to decoder, without a copy.
 *
 * The last unref calls `release(user)`, on whatever thread that is.
 *
 * Thread: any. */

#ifndef SL_BASE_BLOB_H
#define SL_BASE_BLOB_H

#include "base/bytes.h"
#include "base/refs.h"

typedef struct sl_blob {
    sl_refs refs;
    const uint8_t *data;
    size_t size_bytes;
    void (*release)(void *user); /* NULL: data is within the blob's own allocation */
    void *user;
} sl_blob;

sl_blob *sl_blob_copy(sl_span bytes);
/* Takes the bytes; *b is empty afterwards. */
sl_blob *sl_blob_take(sl_bytes *b);
sl_blob *sl_blob_wrap(sl_span bytes, void (*release)(void *user), void *user);
sl_blob *sl_blob_ref(sl_blob *b);
void sl_blob_unref(sl_blob *b); /* NULL is fine */

static inline sl_span sl_blob_span(const sl_blob *b) /* NULL: empty */
{
    return b ? (sl_span){ b->data, b->size_bytes } : (sl_span){ 0 };
}

#endif /* SL_BASE_BLOB_H */
