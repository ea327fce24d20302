#include "base/limits.h"
#include "proto/frame.h"
#include "proto/pack_private.h"
#include "proto/scan_private.h"

void sl_proto__pack(const ProtobufCMessage *m, uint8_t version, uint8_t kind,
                    sl_bytes *out)
{
    sl_bytes payload = { 0 };
    sl_bytes_reserve(&payload, protobuf_c_message_get_packed_size(m));
    payload.size_bytes = protobuf_c_message_pack(m, payload.data);
    sl_frame_append(out, version, kind, sl_bytes_span(&payload));
    sl_bytes_deinit(&payload);
}

static void *arena_alloc(void *user, size_t size)
{
    return sl_arena_alloc((sl_arena *)user, size);
}

static void arena_free(void *user, void *p)
{
    (void)user;
    (void)p; /* with the arena */
}

sl_code sl_proto__unpack(sl_span payload, const ProtobufCMessageDescriptor *schema,
                         const char *name, sl_arena *arena, ProtobufCMessage **ret,
                         sl_error *err)
{
    SL_TRY(sl_proto__scan(payload, schema, SL_PROTO_DEPTH_MAX, err));
    ProtobufCAllocator allocator = { arena_alloc, arena_free, arena };
    ProtobufCMessage *pb =
        protobuf_c_message_unpack(schema, &allocator, payload.size_bytes, payload.data);
    if (pb == NULL)
        return sl_fail(err, SL_ECORRUPT, "payload of %zu bytes is not a %s message",
                       payload.size_bytes, name);
    *ret = pb;
    return SL_OK;
}
