/* wire_private.h - what exchanges say to each other (docs/formats/shuffle.md).
 *
 *   OFFSET SIZE MEANING
 *   0      4    magic "SLB1"
 *   4      1    version, 1
 *   5      1    kind
 *   6      2    zero
 *   8      8    run
 *   16     8    epoch
 *   24     8    batch
 *   32     4    attempt
 *   36     4    stage the exchange feeds
 *   40     4    producer, its number in the exchange
 *   44     4    target
 *   48     8    index of the block; END: number of blocks
 *   56     8    rows
 *   64     8    bytes: of the payload, of all payloads (END), consumed (CREDIT), credit
 *               (OPEN)
 *   72     4    CRC-32C of bytes 0-71
 *   76     4    zero
 *   80     n    BLOCK: a chunk (docs/formats/chunk.md) without a checksum: the packet
 *               or the spilled block has one; PACK: frames, one after the other
 *
 * Thread: any. */

#ifndef SL_SHUFFLE_WIRE_PRIVATE_H
#define SL_SHUFFLE_WIRE_PRIVATE_H

#include "base/blob.h"

#define SL_SHUFFLE_HEAD_BYTES 80u
#define SL_SHUFFLE_START_BYTES                                                           \
    (64u << 10) /* of a target's blocks that may be in flight without being asked */
#define SL_SHUFFLE_PACK_BYTES_MAX (256u << 10) /* frames that are more go alone */
#define SL_SHUFFLE_BLOCK_BYTES_MAX                                                       \
    (1u << 20) /* of payload, unless a single row is more */

typedef enum sl_shuffle_kind {
    SL_SHUFFLE_OPEN = 1,
    SL_SHUFFLE_BLOCK = 2,
    SL_SHUFFLE_END = 3,
    SL_SHUFFLE_CREDIT = 4,
    SL_SHUFFLE_WANT = 5,
    SL_SHUFFLE_PACK = 6,
    SL_SHUFFLE_ASK = 7,
} sl_shuffle_kind;

/* Which exchange. */
typedef struct sl_shuffle_id {
    uint64_t run, epoch;
    int64_t batch;
    uint32_t attempt, stage;
} sl_shuffle_id;

typedef struct sl_shuffle_head {
    sl_shuffle_kind kind;
    sl_shuffle_id id;
    uint32_t producer, target;
    uint64_t index, rows, bytes;
} sl_shuffle_head;

static inline bool sl_shuffle__same(const sl_shuffle_id *a, const sl_shuffle_id *b)
{
    return a->run == b->run && a->epoch == b->epoch && a->batch == b->batch &&
           a->attempt == b->attempt && a->stage == b->stage;
}

bool sl_shuffle__is_frame(sl_span frame);
void sl_shuffle__write_head(const sl_shuffle_head *h, uint8_t *ret);
SL_CHECKED sl_code sl_shuffle__read_head(sl_span frame, sl_shuffle_head *ret,
                                         sl_error *err);
/* The next frame of a pack's payload, not yet validated; false: what is left is none. */
bool sl_shuffle__next_packed(sl_reader *payload, sl_span *ret);

#endif /* SL_SHUFFLE_WIRE_PRIVATE_H */
