/* frame.h - the envelope of every message between processes (docs/formats/frame.md).
 *
 *   OFFSET SIZE MEANING
 *   0      4    magic "SLF1"
 *   4      1    protocol version
 *   5      1    message kind
 *   6      2    zero
 *   8      4    payload length, <= SL_FRAME_BYTES_MAX
 *   12     4    crc32c of bytes 0-11 and the payload
 *   16     n    payload (protobuf)
 *
 * Thread: any. */

#ifndef SL_PROTO_FRAME_H
#define SL_PROTO_FRAME_H

#include "base/bytes.h"

#define SL_FRAME_HEADER_BYTES 16u

typedef struct sl_frame {
    uint8_t version, kind;
    sl_span payload; /* borrowed */
} sl_frame;

void sl_frame_append(sl_bytes *out, uint8_t version, uint8_t kind, sl_span payload);
/* bytes is exactly one frame. */
SL_CHECKED sl_code sl_frame_parse(sl_span bytes, sl_frame *ret, sl_error *err);

#endif /* SL_PROTO_FRAME_H */
