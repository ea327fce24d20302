#include "proto/scan_private.h"

#include "base/assert.h"

#define DEPTH_CEILING 256u

struct level {
    const ProtobufCMessageDescriptor *schema;
    size_t at, end;
};

static bool read_varint(const uint8_t *data, size_t end, size_t *at, uint64_t *ret)
{
    uint64_t v = 0;
    for (uint32_t shift = 0; shift < 64; shift += 7) {
        if (*at >= end)
            return false;
        uint8_t byte = data[(*at)++];
        v |= (uint64_t)(byte & 0x7F) << shift;
        if ((byte & 0x80) == 0) {
            *ret = v;
            return true;
        }
    }
    return false;
}

/* Move over one field; *ret_inner is the content of a length-delimited one. */
static bool next_field(const uint8_t *data, struct level *l, uint32_t *ret_number,
                       sl_span *ret_inner)
{
    uint64_t tag, length = 0;
    *ret_inner = (sl_span){ NULL, 0 };
    if (!read_varint(data, l->end, &l->at, &tag) || (tag >> 3) == 0 ||
        (tag >> 3) > 536870911)
        return false;
    *ret_number = (uint32_t)(tag >> 3);
    switch (tag & 7) {
    case 0:
        return read_varint(data, l->end, &l->at, &length);
    case 1:
        length = 8;
        break;
    case 2:
        if (!read_varint(data, l->end, &l->at, &length))
            return false;
        *ret_inner = (sl_span){ data + l->at, (size_t)length };
        break;
    case 5:
        length = 4;
        break;
    default:
        return false; /* groups do not exist in proto3 */
    }
    if (length > l->end - l->at)
        return false;
    l->at += (size_t)length;
    return true;
}

static const ProtobufCMessageDescriptor *
message_of(const ProtobufCMessageDescriptor *schema, uint32_t number)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field(schema, number);
    return f != NULL && f->type == PROTOBUF_C_TYPE_MESSAGE
               ? (const ProtobufCMessageDescriptor *)f->descriptor
               : NULL;
}

sl_code sl_proto__scan(sl_span payload, const ProtobufCMessageDescriptor *schema,
                       uint32_t depth_max, sl_error *err)
{
    SL_ASSERT(depth_max >= 1 && depth_max <= DEPTH_CEILING);
    struct level stack[DEPTH_CEILING];
    uint32_t depth = 1;
    stack[0] = (struct level){ schema, 0, payload.size_bytes };
    while (depth > 0) {
        struct level *l = &stack[depth - 1];
        if (l->at >= l->end) {
            depth--;
            continue;
        }
        uint32_t number = 0;
        sl_span inner;
        if (!next_field(payload.data, l, &number, &inner))
            return sl_fail(err, SL_ECORRUPT, "byte %zu is no field of message %s", l->at,
                           l->schema->name);
        const ProtobufCMessageDescriptor *sub = message_of(l->schema, number);
        if (sub == NULL || inner.data == NULL)
            continue;
        if (depth == depth_max)
            return sl_fail(err, SL_ECORRUPT, "message %s nests deeper than %u levels",
                           schema->name, depth_max);
        size_t at = (size_t)(inner.data - payload.data);
        stack[depth++] = (struct level){ sub, at, at + inner.size_bytes };
    }
    return SL_OK;
}
