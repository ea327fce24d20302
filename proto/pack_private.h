/* pack_private.h - what the codecs of messages share: from and to protobuf-c's structs.
 */

#ifndef SL_PROTO_PACK_PRIVATE_H
#define SL_PROTO_PACK_PRIVATE_H

#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"
#include "base/bytes.h"

static inline char *sl_proto__text(const char *text)
{
    return (char *)(uintptr_t)(text != NULL ? text : "");
}

static inline ProtobufCBinaryData sl_proto__bytes(sl_span s)
{
    return (ProtobufCBinaryData){ s.size_bytes, (uint8_t *)(uintptr_t)s.data };
}

static inline sl_span sl_proto__span(ProtobufCBinaryData b)
{
    return (sl_span){ b.data, b.len };
}

/* `n` generated structs of type T, each made by init, and pointers to them as protobuf-c
 * wants. */
#define SL_PROTO__ROWS(a, T, init, n, rows)                                              \
    T *rows = SL_ARENA_ARRAY(a, T, (n) + 1);                                             \
    T **rows##_ptr = SL_ARENA_ARRAY(a, T *, (n) + 1);                                    \
    for (uint32_t row_ = 0; row_ < (n); row_++) {                                        \
        init(&rows[row_]);                                                               \
        rows##_ptr[row_] = &rows[row_];                                                  \
    }

/* Append a frame around the packed message. */
void sl_proto__pack(const ProtobufCMessage *m, uint8_t version, uint8_t kind,
                    sl_bytes *out);
/* Scan, then unpack into the arena. */
SL_CHECKED sl_code sl_proto__unpack(sl_span payload,
                                    const ProtobufCMessageDescriptor *schema,
                                    const char *name, sl_arena *arena,
                                    ProtobufCMessage **ret, sl_error *err);

#endif /* SL_PROTO_PACK_PRIVATE_H */
