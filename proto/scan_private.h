/* scan_private.h - what must be true of bytes before protobuf-c may unpack them.
 *
 * protobuf-c 1.4.1 recurses per nested message and overflows the stack at a depth of some
 * thousands (rel:L13).  The scan walks the bytes with a stack of its own, descending
 * exactly where the schema says "message", and refuses depth, lengths past the end and
 * unknown wire types. */

#ifndef SL_PROTO_SCAN_PRIVATE_H
#define SL_PROTO_SCAN_PRIVATE_H

#include <protobuf-c/protobuf-c.h>

#include "base/bytes.h"

SL_CHECKED sl_code sl_proto__scan(sl_span payload,
                                  const ProtobufCMessageDescriptor *schema,
                                  uint32_t depth_max, sl_error *err);

#endif /* SL_PROTO_SCAN_PRIVATE_H */
