#include <string.h>

#include "base/hash.h"
#include "checkpoint/frame_private.h"

#define MAGIC UINT32_C(0x4b434c53) /* "SLCK" */
#define CHECKED_HEADER_BYTES 16

static uint64_t checksum(const char *query_id, const char *key, const uint8_t *header,
                         sl_span payload)
{
    uint64_t context =
        sl_hash_mix(sl_hash64(query_id, strlen(query_id)), sl_hash64(key, strlen(key)));
    uint64_t content = sl_hash_mix(sl_hash64(header, CHECKED_HEADER_BYTES),
                                   sl_hash64(payload.data, payload.size_bytes));
    return sl_hash_mix(context, content);
}

void sl_frame__encode(sl_frame__kind kind, uint16_t version, const char *query_id,
                      const char *key, sl_span payload, sl_bytes *out)
{
    size_t at = out->size_bytes;
    sl_bytes_u32(out, MAGIC);
    sl_bytes_u16(out, version);
    sl_bytes_u16(out, (uint16_t)kind);
    sl_bytes_u32(out, (uint32_t)payload.size_bytes);
    sl_bytes_u32(out, 0);
    sl_bytes_u64(out, checksum(query_id, key, out->data + at, payload));
    sl_bytes_append(out, payload.data, payload.size_bytes);
}

sl_code sl_frame__decode(sl_span bytes, sl_frame__kind kind, uint16_t version_max,
                         const char *query_id, const char *key, const char *where,
                         sl_span *ret_payload, size_t *ret_size, sl_error *err)
{
    sl_reader r = sl_reader_of(bytes);
    uint32_t magic = sl_read_u32(&r);
    uint16_t version = sl_read_u16(&r), found_kind = sl_read_u16(&r);
    uint32_t length = sl_read_u32(&r), zero = sl_read_u32(&r);
    uint64_t sum = sl_read_u64(&r);
    sl_span payload = sl_read_bytes(&r, length);
    if (r.failed)
        return sl_fail(err, SL_ECORRUPT, "%s: record %s is cut short (%zu bytes)", where,
                       key, bytes.size_bytes);
    if (magic != MAGIC || zero != 0 || found_kind != kind)
        return sl_fail(err, SL_ECORRUPT, "%s: record %s has no valid header", where, key);
    if (sum != checksum(query_id, key, bytes.data, payload))
        return sl_fail(err, SL_ECORRUPT,
                       "%s: the checksum of record %s is wrong (damaged, or of another "
                       "query than %s)",
                       where, key, query_id);
    if (version > version_max)
        return sl_fail(err, SL_EINCOMPATIBLE,
                       "%s: record %s has format %u, this sluice reads up to %u: use a "
                       "newer one",
                       where, key, version, version_max);
    *ret_payload = payload;
    *ret_size = r.at;
    return SL_OK;
}
