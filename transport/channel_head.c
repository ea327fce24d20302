#include "transport/channel_head_private.h"

#include <string.h>

#include "base/hash.h"

static const uint8_t magic[4] = { 'S', 'L', 'C', '2' };

static void put_uint(uint8_t *at, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get_uint(const uint8_t *at, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | at[i];
    return v;
}

void sl_channel__write_head(const sl_channel_head *h, uint8_t ret[SL_LINK_HEAD_BYTES])
{
    memcpy(ret, magic, 4);
    put_uint(ret + 4, h->flags, 2);
    put_uint(ret + 6, 0, 2);
    put_uint(ret + 8, h->sender, 8);
    put_uint(ret + 16, h->receiver, 8);
    put_uint(ret + 24, h->sequence, 8);
    put_uint(ret + 32, h->ack, 8);
    put_uint(ret + 40, h->body_bytes, 4);
    put_uint(ret + 44, sl_crc32c(h->body_crc, ret, 44), 4);
}

bool sl_channel__read_head(const uint8_t head[SL_LINK_HEAD_BYTES], sl_span body,
                           sl_channel_head *ret)
{
    sl_channel_head h = {
        .flags = (uint16_t)get_uint(head + 4, 2),
        .sender = get_uint(head + 8, 8),
        .receiver = get_uint(head + 16, 8),
        .sequence = get_uint(head + 24, 8),
        .ack = get_uint(head + 32, 8),
        .body_bytes = (uint32_t)get_uint(head + 40, 4),
    };
    if (memcmp(head, magic, 4) != 0 || get_uint(head + 6, 2) != 0 || h.sender == 0 ||
        h.body_bytes != body.size_bytes || (h.sequence == 0) != (body.size_bytes == 0))
        return false;
    h.body_crc = sl_crc32c(0, body.data, body.size_bytes);
    if (sl_crc32c(h.body_crc, head, 44) != get_uint(head + 44, 4))
        return false;
    *ret = h;
    return true;
}
