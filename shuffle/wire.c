#include <string.h>

#include "base/hash.h"
#include "shuffle/wire_private.h"

#define VERSION 1u

static const uint8_t magic[4] = { 'S', 'L', 'B', '1' };

static void put_uint(uint8_t *at, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (uint8_t)(v >> (8 * i));
}

bool sl_shuffle__is_frame(sl_span frame)
{
    return frame.size_bytes >= 4 && memcmp(frame.data, magic, 4) == 0;
}

void sl_shuffle__write_head(const sl_shuffle_head *h, uint8_t *ret)
{
    memset(ret, 0, SL_SHUFFLE_HEAD_BYTES);
    memcpy(ret, magic, 4);
    ret[4] = VERSION;
    ret[5] = (uint8_t)h->kind;
    put_uint(ret + 8, h->id.run, 8);
    put_uint(ret + 16, h->id.epoch, 8);
    put_uint(ret + 24, (uint64_t)h->id.batch, 8);
    put_uint(ret + 32, h->id.attempt, 4);
    put_uint(ret + 36, h->id.stage, 4);
    put_uint(ret + 40, h->producer, 4);
    put_uint(ret + 44, h->target, 4);
    put_uint(ret + 48, h->index, 8);
    put_uint(ret + 56, h->rows, 8);
    put_uint(ret + 64, h->bytes, 8);
    put_uint(ret + 72, sl_crc32c(0, ret, 72), 4);
}

sl_code sl_shuffle__read_head(sl_span frame, sl_shuffle_head *ret, sl_error *err)
{
    sl_reader r = sl_reader_of(frame);
    sl_shuffle_head h = { 0 };
    if (frame.size_bytes < SL_SHUFFLE_HEAD_BYTES || !sl_shuffle__is_frame(frame))
        return sl_fail(err, SL_ECORRUPT, "%zu bytes are no shuffle frame",
                       frame.size_bytes);
    (void)sl_read_u32(&r);
    uint8_t version = sl_read_u8(&r), kind = sl_read_u8(&r);
    uint16_t zero = sl_read_u16(&r);
    h.kind = (sl_shuffle_kind)kind;
    h.id.run = sl_read_u64(&r);
    h.id.epoch = sl_read_u64(&r);
    h.id.batch = sl_read_i64(&r);
    h.id.attempt = sl_read_u32(&r);
    h.id.stage = sl_read_u32(&r);
    h.producer = sl_read_u32(&r);
    h.target = sl_read_u32(&r);
    h.index = sl_read_u64(&r);
    h.rows = sl_read_u64(&r);
    h.bytes = sl_read_u64(&r);
    uint32_t crc = sl_read_u32(&r);
    if (crc != sl_crc32c(0, frame.data, 72))
        return sl_fail(err, SL_ECORRUPT, "the checksum of a shuffle frame is wrong");
    if (version != VERSION || zero != 0 || sl_read_u32(&r) != 0 ||
        kind < SL_SHUFFLE_OPEN || kind > SL_SHUFFLE_ASK)
        return sl_fail(err, SL_ECORRUPT, "shuffle frame of version %u, kind %u", version,
                       kind);
    size_t payload = frame.size_bytes - SL_SHUFFLE_HEAD_BYTES;
    bool has_payload = h.kind == SL_SHUFFLE_BLOCK || h.kind == SL_SHUFFLE_PACK;
    if (payload != (has_payload ? h.bytes : 0))
        return sl_fail(err, SL_ECORRUPT, "a shuffle frame says %llu bytes and has %zu",
                       (unsigned long long)h.bytes, payload);
    *ret = h;
    return SL_OK;
}

bool sl_shuffle__next_packed(sl_reader *payload, sl_span *ret)
{
    size_t left = payload->size_bytes - payload->at;
    const uint8_t *frame = payload->data + payload->at;
    if (left < SL_SHUFFLE_HEAD_BYTES)
        return false;
    sl_reader at_bytes = sl_reader_of(sl_span_of(frame + 64, 8));
    uint64_t bytes = frame[5] == SL_SHUFFLE_BLOCK ? sl_read_u64(&at_bytes) : 0;
    if (bytes > left - SL_SHUFFLE_HEAD_BYTES)
        return false;
    *ret = sl_read_bytes(payload, SL_SHUFFLE_HEAD_BYTES + (size_t)bytes);
    return true;
}
