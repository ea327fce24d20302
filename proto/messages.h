/* messages.h - what driver and workers say to each other, as plain structs.
 *
 * On the wire each is a protobuf message (proto/cluster.proto) inside a frame (frame.h);
 * the generated code is met in messages.c only.  Plan fragments, chunks, slices, deltas
 * pass through as opaque bytes.
 *
 *   worker                                   driver
 *     REGISTER ------------------------------->
 *     <-------------------- REGISTERED | REJECTED
 *     LEAVE ---------------------------------->
 *     HEARTBEAT (every 500 ms) --------------->
 *     <----------------------------------- DEPLOY   a fragment, once per query and worker
 *     <------------------------------------- TASK   one try of one batch: all its stages
 *     RESULT* (rows for console, memory, SELECT)->
 *     <----------------------------- RESULT_CREDIT   so much of them is taken: send on
 *     DONE | FAILED -------------------------->
 *     <-------------------------- COMMITTED | ABORT
 *     SNAPSHOT ------------------------------->     made in the background, named by a
 * later commit
 *     <--------------------------------- UNDEPLOY
 *
 * Owns:   a decoded message's memory is in the arena given to decode (spans borrow from
 * the frame). Thread: any. */

#ifndef SL_PROTO_MESSAGES_H
#define SL_PROTO_MESSAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"

#define SL_PROTOCOL_VERSION 2

typedef enum sl_message_kind {
    SL_MSG_REGISTER = 1,
    SL_MSG_REGISTERED = 2,
    SL_MSG_HEARTBEAT = 3,
    SL_MSG_DEPLOY = 4,
    SL_MSG_UNDEPLOY = 5,
    SL_MSG_TASK = 6,
    SL_MSG_RESULT = 7,
    SL_MSG_DONE = 8,
    SL_MSG_FAILED = 9,
    SL_MSG_COMMITTED = 10,
    SL_MSG_ABORT = 11,
    SL_MSG_SNAPSHOT = 12,
    SL_MSG_REJECTED = 13,
    SL_MSG_LEAVE = 14, /* a worker goes, on its own wish; it has no fields */
    SL_MSG_RESULT_CREDIT = 15,
} sl_message_kind;

/* Which try of which batch. Every message about a batch carries it; a stale one is
 * dropped. */
typedef struct sl_msg_attempt {
    uint64_t query; /* the run's number, unique within the driver's life */
    uint64_t epoch;
    int64_t batch;
    uint32_t attempt;
} sl_msg_attempt;

typedef struct sl_msg_register {
    uint64_t incarnation; /* random per process start */
    uint32_t protocol_version;
    uint32_t slots;
    int64_t memory_bytes;
    const char *host;
    int64_t pid;
    const char *name; /* as its user calls it: "worker-1"; "" nobody does */
    int64_t fence_us; /* of silence, after which it lets go by itself; 0 never */
} sl_msg_register;

typedef struct sl_msg_registered {
    uint32_t worker;  /* number the driver gave */
    const char *name; /* as the driver calls it: "worker-1", "w1" */
} sl_msg_registered;

/* To a worker that is not (any more) one of ours. */
typedef struct sl_msg_rejected {
    const char *why;
    bool register_again; /* as a new incarnation; false: it can never be one of ours */
} sl_msg_rejected;

typedef struct sl_msg_heartbeat {
    uint64_t incarnation;
    uint64_t progress; /* grows while executors do work */
    int64_t memory_used_bytes;
    uint32_t tasks_running;
    /* blocks between workers that no task has consumed yet: from here, and queued here */
    int64_t shuffle_sent_bytes, shuffle_received_bytes;
} sl_msg_heartbeat;

typedef struct sl_msg_setting {
    const char *name, *value;
} sl_msg_setting;

typedef struct sl_msg_deploy {
    uint64_t query;
    sl_hash128 fragment_hash;
    sl_span fragment;
    const char *query_id;   /* uuid; "" for SELECT */
    uint64_t query_hash;    /* of the uuid: in deltas, file names */
    const char *checkpoint; /* directory; "" without state */
    uint32_t partitions;    /* state partitions */
    uint32_t setting_count; /* the session's settings that a worker needs */
    const sl_msg_setting *settings;
} sl_msg_deploy;

typedef struct sl_msg_undeploy {
    uint64_t query;
} sl_msg_undeploy;

typedef struct sl_msg_slice {
    uint32_t stage, index; /* index within the stage's source */
    sl_span bytes;
} sl_msg_slice;

/* One stored delta of a state partition. */
typedef struct sl_msg_delta {
    int64_t batch;
    uint64_t state_id;    /* after it */
    sl_span inline_bytes; /* empty: in a segment */
    const char *segment;
    uint64_t offset, length_bytes;
    sl_hash128 hash;
} sl_msg_delta;

typedef struct sl_msg_partition {
    uint32_t partition;
    int64_t base_batch; /* the state to start from: -1 and 0 for none */
    uint64_t base_state_id;
    bool has_recipe;        /* how to restore it if you do not hold it: */
    uint32_t snapshot_kind; /* sl_snapshot_kind of checkpoint/records.h */
    int64_t snapshot_batch;
    uint64_t snapshot_id;
    const char *snapshot; /* MANIFEST: name, hash and size of its file */
    sl_hash128 snapshot_hash;
    uint64_t snapshot_bytes;
    sl_span full_delta; /* FULL: the delta */
    uint32_t delta_count;
    const sl_msg_delta *deltas; /* after the snapshot, in order */
} sl_msg_partition;

typedef struct sl_msg_task {
    sl_msg_attempt at;
    sl_hash128 fragment_hash;
    int64_t batch_time_us;
    uint64_t seed;
    uint32_t state_op_count; /* watermarks per state operator (spark:P1), us; 0 = none */
    const int64_t *late_us;
    const int64_t *evict_us;
    uint32_t slice_count;
    const sl_msg_slice *slices;
    uint32_t partition_count;
    const sl_msg_partition *partitions;
    bool inline_output; /* small deltas and files may ride in DONE */
    /* Who takes part in this try. `slices` and `partitions` are the receiver's own. */
    uint32_t self; /* the receiver's index among the peers */
    uint32_t peer_count;
    const char *const *peers; /* addresses for the shuffle */
    const uint64_t *peer_incarnations;
    uint32_t stage_count;
    const uint32_t *slice_counts; /* by stage: all slices of the stage, of any worker */
    uint32_t owner_count;
    const uint32_t *slice_owners; /* peer of each slice, by (stage, index) */
    uint32_t partition_owner_count;
    const uint32_t *partition_owners; /* peer of each partition */
} sl_msg_task;

typedef struct sl_msg_result {
    sl_msg_attempt at;
    uint32_t stage, task, index; /* index counts the task's chunks from 0 */
    sl_span chunk;
} sl_msg_result;

/* The worker may have SL_RESULT_WINDOW_BYTES of chunks on their way. */
typedef struct sl_msg_result_credit {
    sl_msg_attempt at;
    uint64_t taken_bytes; /* of RESULT chunks, since the attempt began */
} sl_msg_result_credit;

typedef struct sl_msg_state_done {
    uint32_t partition;
    uint64_t state_id;
    bool has_delta;
    sl_msg_delta delta; /* batch and state_id as above */
    bool has_full;      /* the whole state as one delta, in place of a snapshot */
    sl_span full;
    int64_t state_bytes, row_count;
} sl_msg_state_done;

typedef struct sl_msg_op_stats { /* per state operator, summed over this worker's
                                    partitions */
    int64_t rows_total, rows_updated, rows_removed, rows_dropped, memory_bytes;
    int64_t update_us, remove_us, commit_us;
} sl_msg_op_stats;

typedef struct sl_msg_source_stats {
    int64_t rows, bytes, malformed;
} sl_msg_source_stats;

typedef struct sl_msg_time_stats { /* per watermark; meaningless if rows == 0 */
    int64_t rows, min_us, max_us;
    double sum_us;
} sl_msg_time_stats;

typedef struct sl_msg_file {
    uint32_t stage, task;
    const char *staged, *target;
    int64_t size_bytes, rows;
    sl_hash128 hash;
    sl_span content;
} sl_msg_file;

typedef struct sl_msg_done {
    sl_msg_attempt at;
    uint32_t state_count;
    const sl_msg_state_done *states;
    uint32_t op_count;
    const sl_msg_op_stats *ops;
    uint32_t source_count;
    const sl_msg_source_stats *sources;
    uint32_t time_count;
    const sl_msg_time_stats *times;
    uint32_t file_count;
    const sl_msg_file *files;
    int64_t output_rows;
    uint32_t result_count; /* RESULT messages sent before this */
    int64_t run_us, state_us;
} sl_msg_done;

typedef struct sl_msg_failed {
    sl_msg_attempt at;
    bool need_plan;     /* no such plan is deployed here: send DEPLOY first */
    bool state_missing; /* some partition's base state is not held: send recipes */
    uint32_t code;      /* sl_code */
    uint32_t line, column;
    const char *condition, *sqlstate, *text;
} sl_msg_failed;

typedef struct sl_msg_state_id {
    uint32_t partition;
    uint64_t state_id;
} sl_msg_state_id;

typedef struct sl_msg_committed {
    sl_msg_attempt at;
    uint32_t state_count;
    const sl_msg_state_id *states;
} sl_msg_committed;

typedef struct sl_msg_abort {
    sl_msg_attempt at;
} sl_msg_abort;

typedef struct sl_msg_snapshot {
    uint64_t query;
    uint32_t partition;
    int64_t batch;
    uint64_t state_id;
    const char *manifest;
    sl_hash128 hash;      /* of the manifest file */
    uint64_t size_bytes;  /* of the manifest file */
    uint64_t total_bytes; /* of all its tables */
} sl_msg_snapshot;

typedef struct sl_message {
    sl_message_kind kind;
    union {
        sl_msg_register reg;
        sl_msg_registered registered;
        sl_msg_heartbeat heartbeat;
        sl_msg_deploy deploy;
        sl_msg_undeploy undeploy;
        sl_msg_task task;
        sl_msg_result result;
        sl_msg_done done;
        sl_msg_failed failed;
        sl_msg_committed committed;
        sl_msg_abort abort;
        sl_msg_snapshot snapshot;
        sl_msg_rejected rejected;
        sl_msg_result_credit result_credit;
    } u;
} sl_message;

/* Append a whole frame (header and payload). */
void sl_message_encode(const sl_message *m, sl_bytes *out);
/* frame: exactly one frame. SL_ECORRUPT for bad magic, version, length, crc, nesting
 * deeper than SL_PROTO_DEPTH_MAX, or a payload that is not the message it says. */
SL_CHECKED sl_code sl_message_decode(sl_span frame, sl_arena *arena, sl_message *ret,
                                     sl_error *err);
const char *sl_message_kind_name(sl_message_kind kind);

#endif /* SL_PROTO_MESSAGES_H */
