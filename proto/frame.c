#include "proto/frame.h"

#include <string.h>

#include "base/hash.h"
#include "base/limits.h"

static const uint8_t magic[4] = { 'S', 'L', 'F', '1' };

static void put_u32(uint8_t *at, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
           (uint32_t)at[3] << 24;
}

void sl_frame_append(sl_bytes *out, uint8_t version, uint8_t kind, sl_span payload)
{
    uint8_t head[SL_FRAME_HEADER_BYTES] = { 0 };
    memcpy(head, magic, 4);
    head[4] = version;
    head[5] = kind;
    put_u32(head + 8, (uint32_t)payload.size_bytes);
    uint32_t crc = sl_crc32c(0, head, 12);
    put_u32(head + 12, sl_crc32c(crc, payload.data, payload.size_bytes));
    sl_bytes_append(out, head, sizeof head);
    sl_bytes_append(out, payload.data, payload.size_bytes);
}

sl_code sl_frame_parse(sl_span bytes, sl_frame *ret, sl_error *err)
{
    if (bytes.size_bytes < SL_FRAME_HEADER_BYTES)
        return sl_fail(err, SL_ECORRUPT, "frame of %zu bytes is shorter than its header",
                       bytes.size_bytes);
    if (memcmp(bytes.data, magic, 4) != 0)
        return sl_fail(err, SL_ECORRUPT, "not a sluice frame: magic %02x%02x%02x%02x",
                       bytes.data[0], bytes.data[1], bytes.data[2], bytes.data[3]);
    uint32_t length = get_u32(bytes.data + 8);
    if (length > SL_FRAME_BYTES_MAX || length != bytes.size_bytes - SL_FRAME_HEADER_BYTES)
        return sl_fail(err, SL_ECORRUPT, "frame says %u payload bytes and has %zu",
                       length, bytes.size_bytes - SL_FRAME_HEADER_BYTES);
    uint32_t crc = sl_crc32c(0, bytes.data, 12);
    crc = sl_crc32c(crc, bytes.data + SL_FRAME_HEADER_BYTES, length);
    if (crc != get_u32(bytes.data + 12) || bytes.data[6] != 0 || bytes.data[7] != 0)
        return sl_fail(err, SL_ECORRUPT, "frame checksum is wrong");
    *ret = (sl_frame){ .version = bytes.data[4],
                       .kind = bytes.data[5],
                       .payload = { bytes.data + SL_FRAME_HEADER_BYTES, length } };
    return SL_OK;
}
