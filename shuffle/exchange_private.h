/* exchange_private.h - the parts of an exchange, for the files of this room:
 *
 *   exchange.c  the heap of each target, local producers and targets, life
 *   send.c      targets of other processes: credit, encoding, spill
 *   outgoing.c  what is said to peers, until it leaves
 *   receive.c   producers of other processes: what comes in
 *   early.c     what came in before its exchange was made
 *   shuffle.c   which exchange a frame is for
 *
 * Locks: target->lock, then exchange->out_lock. No wake-up or send is called under one.
 */

#ifndef SL_SHUFFLE_EXCHANGE_PRIVATE_H
#define SL_SHUFFLE_EXCHANGE_PRIVATE_H

#include <pthread.h>

#include "base/host.h"
#include "objects/spill.h"
#include "shuffle/shuffle.h"
#include "shuffle/wire_private.h"

#define SL_PRODUCER_NONE UINT32_MAX

/* Credit is told by the quarter of a window. A sender that has no more than that in
 * flight may send a block of any size: all that it has sent may be consumed and untold.
 */
#define SL_CREDIT_TOLD_PART 4

/* A queued block: a chunk of here, a frame that came, or a block spilled on its way out.
 */
typedef struct sl_xblock {
    uint64_t producer; /* order; 0 if not ordered */
    uint64_t number;   /* of arrival at the target: grows with each producer's blocks */
    int64_t bytes;
    sl_chunk *chunk;
    sl_blob *frame; /* came from peer `from` */
    uint32_t from;  /* frame: peer; spilled: producer */
    sl_spill_block spilled;
    uint64_t rows;
} sl_xblock;

/* What a target here owes a peer that sends to it; target lock. */
typedef struct sl_xsender {
    int64_t queued_bytes;
    uint64_t consumed_bytes, told_bytes;
} sl_xsender;

/* Credit of a target of another process; target lock. Until it is opened the window is
 * what needs no asking for. */
typedef struct sl_xcredit {
    bool opened;
    uint64_t window_bytes, sent_bytes, consumed_bytes;
    uint32_t wanted; /* a producer whose next block may pass, or SL_PRODUCER_NONE */
} sl_xcredit;

typedef struct sl_xtarget {
    pthread_mutex_t lock;
    uint32_t peer; /* SL_EXCHANGE_HERE, or who has it */
    /* here: blocks to pull; of a peer: spilled blocks to send */
    sl_xblock *heap;
    uint32_t count, capacity;
    uint64_t arrivals;
    int64_t queued_bytes; /* of chunks of here */
    uint32_t local_count;
    uint32_t cursor; /* ordered mode */
    bool waiting;    /* pull answered BLOCKED */

    uint32_t *waiters; /* producers whose push answered BLOCKED */
    uint32_t waiter_count, waiter_capacity;

    sl_xsender *senders;    /* [peer_count], here and if some producer is not */
    uint32_t want_producer; /* told by WANT, and nothing of it came since */
    sl_xcredit credit;      /* of a peer's target */
} sl_xtarget;

/* From a producer here to a peer; out_lock. */
typedef struct sl_xflow {
    uint64_t rows, blocks, bytes; /* sent */
    uint32_t pending;             /* spilled, not sent */
    bool ended, end_waits;        /* end_waits: until the peer is known to be there */
} sl_xflow;

typedef struct sl_xproducer {
    sl_producer_name name;
    uint32_t peer;         /* SL_EXCHANGE_HERE, or who runs it */
    uint64_t rows, blocks; /* taken; its own thread, or the loop's for a peer's */
    uint64_t bytes;
    _Atomic bool ended;
    sl_xflow *flows; /* [peer_count], NULL before the first block to a peer; out_lock */
} sl_xproducer;

typedef struct sl_xoutgoing {
    struct sl_xoutgoing *next;
    uint32_t peer;
    sl_blob *frame;
} sl_xoutgoing;

struct sl_exchange {
    sl_exchange_config config; /* producers and peers are NULL: see below */
    sl_xproducer *producers;
    sl_xtarget *targets;
    _Atomic uint32_t running; /* producers that have not ended */
    _Atomic bool aborted;
    _Atomic uint64_t rows, blocks, bytes, blocked_pushes;

    /* with peers */
    sl_shuffle_id id;
    sl_exchange_peer *peers;
    bool *takes;    /* [peer_count]: it has targets */
    bool *is_there; /* [peer_count]: it was heard in the life that takes part; out_lock */
    bool *asked;    /* [peer_count]: to open; out_lock */
    sl_exchange *next; /* in the shuffle's list; loop thread */
    bool let_go;       /* its owner freed it; it lives until all is sent */
    bool has_failed;   /* failure is set; out_lock */
    sl_error failure;
    int64_t window_bytes; /* a sending peer's, per target */
    pthread_mutex_t out_lock;
    sl_xoutgoing *out_first, **out_last;
    size_t out_bytes; /* listed since the list was taken last */
    bool out_posted;
    uint32_t pending_count; /* spilled blocks; out_lock */
    uint32_t ends_waiting;  /* flows; out_lock */
    sl_spill *spill;        /* spill_lock */
    pthread_mutex_t spill_lock;
    sl_job resend_job;            /* reads spilled blocks back */
    bool resending, resend_again; /* loop thread */
    sl_code resend_code;
    sl_error resend_error;
    _Atomic uint64_t sent_blocks, sent_bytes, received_blocks, received_bytes;
    _Atomic uint64_t spilled_blocks, spilled_bytes;
    _Atomic int64_t received_queued, received_queued_peak;
};

typedef struct sl_xearlies sl_xearlies;

struct sl_shuffle {
    sl_host *host;
    sl_channel *channel;
    char *spill_dir;
    int64_t spill_bytes_max;
    sl_lane spill_lane;
    uint64_t spill_files;
    sl_exchange *exchanges;
    sl_xearlies *early; /* what came before its exchange */
};

/* exchange.c */
void sl_exchange__heap_push(sl_xtarget *t, sl_xblock b);
sl_xblock sl_exchange__heap_pop(sl_xtarget *t);
void sl_exchange__block_deinit(sl_xblock *b);
void sl_exchange__move_cursor(sl_exchange *x, sl_xtarget *t); /* target lock */
/* Whether a waiting target can go on now; then it is to be woken. Target lock. */
bool sl_exchange__take_waiting(sl_exchange *x, sl_xtarget *t);
void sl_exchange__wake_target(sl_exchange *x, uint32_t target);
void sl_exchange__add_waiter(sl_xtarget *t, uint32_t producer); /* target lock */
void sl_exchange__wake_producers(sl_exchange *x, uint32_t *list, uint32_t count,
                                 uint32_t one);
void sl_exchange__end_producer(sl_exchange *x, uint32_t producer);
/* First cause counts. Any thread; the owner is told on the loop thread. */
void sl_exchange__fail(sl_exchange *x, const sl_error *error);
sl_code sl_exchange__failure(sl_exchange *x, sl_error *err);

/* send.c: any thread but where said */
SL_CHECKED sl_code sl_exchange__push_remote(sl_exchange *x, uint32_t producer,
                                            uint32_t target, sl_chunk *chunk,
                                            sl_exchange_answer *ret_answer,
                                            sl_error *err);
void sl_exchange__on_open(sl_exchange *x, uint32_t peer,
                          uint64_t window_bytes); /* loop */
void sl_exchange__on_credit(sl_exchange *x, uint32_t peer,
                            const sl_shuffle_head *h); /* loop */

/* outgoing.c: any thread but where said */
sl_xflow *sl_exchange__flow_of(sl_exchange *x, uint32_t producer,
                               uint32_t peer); /* out_lock */
/* In line, out_lock held; they leave with send_now. A block gets its number here. */
void sl_exchange__append_block(sl_exchange *x, uint32_t producer, uint32_t target,
                               sl_bytes *frame, uint64_t rows);
void sl_exchange__append_end(sl_exchange *x, uint32_t producer, uint32_t peer);
/* Once, for a window, or to hear of a peer that was not heard yet. */
void sl_exchange__ask(sl_exchange *x, uint32_t peer);
/* What is in line goes out: a push that blocks calls it, because the blocks before it may
 * be what others wait for. */
void sl_exchange__send_now(sl_exchange *x);
void sl_exchange__send_small(sl_exchange *x, uint32_t peer,
                             sl_shuffle_head head); /* and send */
void sl_exchange__end_remote(sl_exchange *x, uint32_t producer);
void sl_exchange__ask_again(sl_exchange *x, uint32_t peer); /* loop thread */
void sl_exchange__flush(sl_exchange *x);                    /* loop thread */
bool sl_exchange__owes_nothing(sl_exchange *x);             /* loop thread */
void sl_exchange__drop_outgoing(sl_exchange *x);

/* receive.c: loop thread but where said */
void sl_exchange__on_block(sl_exchange *x, uint32_t peer, const sl_shuffle_head *h,
                           sl_blob *frame);
void sl_exchange__on_end(sl_exchange *x, uint32_t peer, const sl_shuffle_head *h);
/* Answer ASK. */
void sl_exchange__announce(sl_exchange *x, uint32_t peer);
/* A pulled frame as a chunk; any thread. */
SL_CHECKED sl_code sl_exchange__decode(sl_exchange *x, const sl_xblock *b, sl_chunk **ret,
                                       sl_error *err);
/* After a block was popped: true, and what to say, if its sender is to be told. Target
 * lock. */
bool sl_exchange__consume(sl_exchange *x, uint32_t target, const sl_xblock *b,
                          sl_shuffle_head *ret);
/* After a pull found nothing. Target lock. */
bool sl_exchange__wants(sl_exchange *x, uint32_t target, uint32_t *ret_peer,
                        sl_shuffle_head *ret);

/* early.c: loop thread */
sl_xearlies *sl_shuffle__early_new(void);
void sl_shuffle__early_free(sl_xearlies *e); /* NULL is fine */
/* Keeps a frame that no exchange is here for; false: it is of an attempt that was here.
 */
bool sl_shuffle__early_keep(sl_xearlies *e, const char *from, uint64_t incarnation,
                            const sl_shuffle_head *h, sl_blob *frame);
/* One of the frames kept for a new exchange. */
typedef void (*sl_shuffle_early_fn)(void *user, const char *from, uint64_t incarnation,
                                    const sl_shuffle_head *h, sl_blob *frame);
/* An exchange was made: fn gets what was kept for it, in order; what is older goes.
 * False: something for it had to be dropped. */
bool sl_shuffle__early_take(sl_xearlies *e, const sl_shuffle_id *id,
                            sl_shuffle_early_fn fn, void *user);
void sl_shuffle__early_forget_run(sl_xearlies *e, uint64_t run);
/* Of lives of this address: the one named `lost`, or all but `living`; 0 names none. */
void sl_shuffle__early_forget_peer(sl_xearlies *e, const char *address, uint64_t lost,
                                   uint64_t living);
/* Of the same run and stage, but an older try. */
bool sl_shuffle__is_older(const sl_shuffle_id *a, const sl_shuffle_id *b);

/* shuffle.c: loop thread */
void sl_shuffle__add(sl_shuffle *s, sl_exchange *x);
void sl_shuffle__remove(sl_shuffle *s, sl_exchange *x);
/* A let go exchange that owes nothing is freed here. */
void sl_shuffle__settle(sl_exchange *x);
void sl_exchange__destroy(sl_exchange *x); /* exchange.c */

#endif /* SL_SHUFFLE_EXCHANGE_PRIVATE_H */
