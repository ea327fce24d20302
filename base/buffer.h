/* buffer.h - a ref-counted, 64-byte aligned block of bytes; the unit columns share.
 *
 * Immutable once shared (refs > 1).  Padded with 64 readable bytes past capacity, so that
 * vector loads may overrun.
 *
 * Thread: any for ref/unref; one writer before it is shared. */

#ifndef SL_BASE_BUFFER_H
#define SL_BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/error.h"
#include "base/refs.h"

typedef struct sl_buffer {
    sl_refs refs;
    size_t size_bytes;     /* in use */
    size_t capacity_bytes; /* usable */
    sl_budget *budget;     /* charged with capacity; may be NULL */
    uint8_t *data;
} sl_buffer;

SL_CHECKED sl_code sl_buffer_new(size_t capacity_bytes, sl_budget *budget,
                                 sl_buffer **ret, sl_error *err);
sl_buffer *sl_buffer_ref(sl_buffer *b);
void sl_buffer_unref(sl_buffer *b); /* NULL is fine */

#endif /* SL_BASE_BUFFER_H */
