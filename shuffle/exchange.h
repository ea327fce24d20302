/* exchange.h - how the tasks of one stage hand chunks to the tasks of a later stage.
 * One of the five doors of engine/exec.
 *
 * An exchange belongs to one try of one batch and feeds one stage.  It has target_count
 * targets (the tasks of that stage) and producers, named (stage, task) when it is made.
 * A producer pushes chunks at targets and then ends; a target pulls chunks until END.
 * Within a process the chunk is passed by pointer.  Targets and producers may live in
 * other processes (peers): each process makes an exchange of the same shape that says who
 * lives where, and shuffle.h joins them.  Only targets here are pulled, only producers
 * here push.
 *
 *   producer (0,0) --+--> target 0: [block][block]      pull --> chunk | BLOCKED | END
 *   producer (0,1) --+--> target 1: [block]
 *   producer (1,0) --+
 *
 * Order:   ordered: a target gets blocks in (stage, task, block) order, the same in every
 *          attempt; otherwise as they arrive.
 * Credit:  a target holds about credit_bytes of blocks.  A push over that answers BLOCKED
 *          and the producer is woken when it is worth trying again.  Always admitted: a
 *          block for a target that holds none; in ordered mode also a block of the
 *          producer the target is waiting for.  So no schedule can deadlock, as long as
 *          a blocked task gives its thread to others and producers are started in order.
 *          Each sending peer gets an equal part of another credit_bytes, so a target
 *          holds at most twice that and a block of each.  In ordered mode a block for a
 *          remote target that has no credit is spilled here, because it may wait for all
 *          earlier producers; otherwise its producer waits.
 * Owns:    a reference on each queued chunk.
 * Thread:  any; one thread at a time per producer and per target.  Wake-ups come from the
 *          thread of the other side, no lock held; a wake may come before the caller has
 *          seen its BLOCKED, and may come for nothing: remember it and try again.
 * Errors:  SL_ECANCELLED after sl_exchange_abort(); SL_EINTERNAL if counts of a producer
 *          here do not match; SL_ELOST if a peer was lost or what it sent is not what it
 *          says it sent: then all calls fail with it.
 * Invariants:
 *   EX1  a target sees END only after all producers ended and all their blocks were
 *        pulled.
 *   EX2  whoever was told BLOCKED is woken once trying again can succeed.
 *   EX3  in ordered mode what a target pulls does not depend on timing.
 *   EX4  a remote producer counts as ended only when all its blocks came: their number,
 *        rows and bytes are what it said.
 * Source:  ours, design.md sections 4 and 7. */

#ifndef SL_SHUFFLE_EXCHANGE_H
#define SL_SHUFFLE_EXCHANGE_H

#include "engine/columnar/chunk.h"

struct sl_shuffle;

#define SL_EXCHANGE_CREDIT_BYTES (4 << 20) /* a target's default */
#define SL_EXCHANGE_WINDOW_MIN (64 << 10)  /* of that, for a sending peer at least */

typedef struct sl_exchange sl_exchange;

/* A producing task: stage of the plan, and slice or partition number. */
typedef struct sl_producer_name {
    uint32_t stage, task;
} sl_producer_name;

/* Another process that takes part. */
typedef struct sl_exchange_peer {
    const char *address;
    uint64_t incarnation;
} sl_exchange_peer;

#define SL_EXCHANGE_HERE UINT32_MAX

/* number: of the target or producer to run again. */
typedef void (*sl_exchange_wake)(void *user, uint32_t number);

typedef struct sl_exchange_config {
    /* Whose it is: for messages and for the frames of remote ports. */
    uint64_t query_hash, epoch;
    int64_t batch;
    uint32_t attempt;
    uint32_t stage; /* the stage it feeds */

    uint32_t target_count;             /* >= 1 */
    const sl_producer_name *producers; /* strictly ascending by (stage, task); copied */
    uint32_t producer_count;           /* 0: every target is at END at once */
    bool ordered;
    int64_t credit_bytes; /* per target; 0 = SL_EXCHANGE_CREDIT_BYTES */

    sl_exchange_wake wake_target; /* NULL: the caller polls */
    sl_exchange_wake wake_producer;
    void *user;

    /* ---- with other processes; shuffle NULL: all is here ---- */
    struct sl_shuffle *shuffle; /* borrowed */
    uint64_t run; /* unique among the runs of all drivers' lives, the same at all peers */
    const sl_exchange_peer *peers; /* copied */
    uint32_t peer_count;
    const uint32_t *target_peers;   /* index of the peer, or SL_EXCHANGE_HERE; copied */
    const uint32_t *producer_peers; /* the same */
    const sl_schema *schema;        /* of the chunks; borrowed */
    struct sl_budget *budget;       /* of received chunks; borrowed */
    /* Loop thread, once: the attempt cannot succeed; all calls fail with it from now. */
    void (*failed)(void *user, const sl_error *error);
} sl_exchange_config;

typedef enum sl_exchange_answer {
    SL_EXCHANGE_TAKEN,   /* push: the exchange has its own reference */
    SL_EXCHANGE_CHUNK,   /* pull: a chunk, yours to unref */
    SL_EXCHANGE_BLOCKED, /* not now; a wake follows */
    SL_EXCHANGE_END,     /* pull: nothing will come any more */
} sl_exchange_answer;

SL_CHECKED sl_code sl_exchange_new(const sl_exchange_config *config, sl_exchange **ret,
                                   sl_error *err);
/* When no task uses it any more; with peers on the loop thread. If it did not fail or was
 * not aborted, the shuffle still sends what it owes to peers. NULL is fine. */
void sl_exchange_free(sl_exchange *x);
bool sl_exchange_target_is_here(const sl_exchange *x, uint32_t target);

uint32_t sl_exchange_target_count(const sl_exchange *x);
/* Number of a producer: its index among the names given. SL_EINTERNAL if it is none. */
SL_CHECKED sl_code sl_exchange_producer_of(const sl_exchange *x, uint32_t stage,
                                           uint32_t task, uint32_t *ret_producer,
                                           sl_error *err);

/* ---- producers ---- */

/* Selected rows of the chunk count; an empty chunk is taken and forgotten. A block for
 * another process leaves with others: when they fill a message, a push is BLOCKED, a
 * producer ends, or by send. */
SL_CHECKED sl_code sl_exchange_push(sl_exchange *x, uint32_t producer, uint32_t target,
                                    sl_chunk *chunk, sl_exchange_answer *ret_answer,
                                    sl_error *err);
/* What was pushed leaves now: before its producer waits for something else than a push. */
void sl_exchange_send(sl_exchange *x);
/* After the last push; rows and blocks (without empty ones) over all targets must be what
 * came. Once per producer. */
SL_CHECKED sl_code sl_exchange_end(sl_exchange *x, uint32_t producer, uint64_t rows,
                                   uint64_t blocks, sl_error *err);

/* ---- targets ---- */

/* *ret_chunk is set with SL_EXCHANGE_CHUNK only. */
SL_CHECKED sl_code sl_exchange_pull(sl_exchange *x, uint32_t target,
                                    sl_exchange_answer *ret_answer, sl_chunk **ret_chunk,
                                    sl_error *err);

/* ---- the attempt's owner ---- */

/* Drop everything queued; all later calls fail with SL_ECANCELLED; whoever waits is
 * woken. */
void sl_exchange_abort(sl_exchange *x);

typedef struct sl_exchange_stats {
    uint64_t rows, blocks, bytes; /* pushed so far */
    uint64_t blocked_pushes;
    int64_t queued_bytes; /* now, all targets */
    uint64_t sent_blocks, sent_bytes, received_blocks, received_bytes; /* peers */
    uint64_t spilled_blocks, spilled_bytes;
    int64_t received_queued_peak; /* bytes that came and were not pulled, at most */
} sl_exchange_stats;

void sl_exchange_stats_get(sl_exchange *x, sl_exchange_stats *ret);

#endif /* SL_SHUFFLE_EXCHANGE_H */
