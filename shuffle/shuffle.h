/* shuffle.h - joins the exchanges of one process with those of its peers.
 *
 * One per worker, on its channel.  Blocks, ends and credit go directly between the two
 * exchanges of the same run, epoch, batch, attempt and stage.  A peer that was heard may
 * be sent a little for each target at once; for more the producer's side asks.  What
 * comes before its exchange is made is kept for it, within a bound; what belongs to an
 * attempt that was here is dropped.
 *
 *   producer's process                              target's process
 *     BLOCK* ------------------------------------>    64 KiB of each target
 *     ASK  -------------------------------------->
 *     <------------------------------------- OPEN    so many bytes in flight per target
 *     BLOCK* ------------------------------------>
 *     <----------------------------------- CREDIT    bytes consumed so far, per target
 *     <------------------------------------- WANT    ordered: send this producer's next
 *     END ---------------------------------------->  blocks, rows, bytes of a producer
 *
 * What there is to say at a time goes as one message.
 *
 * Wire:    docs/formats/shuffle.md.
 * Thread:  loop thread; blocks are encoded and decoded by the tasks that push and pull.
 * Source:  ours, design.md section 7. */

#ifndef SL_SHUFFLE_SHUFFLE_H
#define SL_SHUFFLE_SHUFFLE_H

#include "shuffle/exchange.h"
#include "transport/channel.h"

#define SL_SHUFFLE_SPILL_BYTES (INT64_C(4) << 30)

typedef struct sl_shuffle sl_shuffle;

typedef struct sl_shuffle_config {
    sl_host *host;           /* borrowed */
    sl_channel *channel;     /* borrowed */
    const char *spill_dir;   /* NULL: never spill, wait for credit; copied */
    int64_t spill_bytes_max; /* per exchange; 0: SL_SHUFFLE_SPILL_BYTES */
} sl_shuffle_config;

/* Bytes of blocks between processes that no task has consumed yet. Who has sent all of a
 * stage is not told of the rest any more: what is left then counts where it is queued. */
typedef struct sl_shuffle_flight {
    int64_t sent_bytes; /* of exchanges that still send: on the way, or queued there */
    int64_t received_bytes; /* queued here */
} sl_shuffle_flight;

sl_shuffle *sl_shuffle_new(const sl_shuffle_config *config);
/* After all exchanges made with it were freed; before the channel. NULL is fine. */
void sl_shuffle_free(sl_shuffle *s);

/* From the channel's callbacks. False: not a frame of the shuffle; true: it was taken, or
 * dropped and counted. */
bool sl_shuffle_on_message(sl_shuffle *s, const char *from, uint64_t incarnation,
                           sl_blob *frame);
/* on_peer: exchanges that rest on another life of this address fail with SL_ELOST. */
void sl_shuffle_on_peer(sl_shuffle *s, const char *address, uint64_t incarnation);
void sl_shuffle_on_room(sl_shuffle *s, const char *address);

/* A peer is given up; incarnation 0: whatever life. */
void sl_shuffle_on_peer_lost(sl_shuffle *s, const char *address, uint64_t incarnation);
/* Of all exchanges that live, now. */
void sl_shuffle_in_flight(const sl_shuffle *s, sl_shuffle_flight *ret);
/* A run is over: forget what was remembered for it and what is still owed to peers. */
void sl_shuffle_forget_run(sl_shuffle *s, uint64_t run);

#endif /* SL_SHUFFLE_SHUFFLE_H */
