/* client_messages.h - what clients and the driver say to each other, as plain structs.
 *
 * On the wire each is a protobuf message (proto/client.proto) in a frame (frame.h) whose
 * kind is 64 or more: a driver tells clients and workers apart by it.
 *
 *   client                            driver
 *     HELLO ---------------------------->     settings, directory, queries to attach to
 *     <---------------------------- WELCOME   a session, or why not
 *     HEAR ----------------------------->     whether it wants a report of each batch
 *     REQUEST (id) --------------------->     a statement, or a question
 *     <------------------------ ANSWER (id)   one for each request, before its chunks
 *     <------------------------ CHUNK (id)*   rows of a SELECT, as far as credit goes
 *     CREDIT (id) ---------------------->
 *     <------------------------------ EVENT   a query started, ended, reported (HEAR)
 *     <------------------------------ PRINT   console text of an attached query
 *     PRINTED -------------------------->     the next may come
 *     PING (every second) -------------->     a silent client's session ends, its
 *     BYE ------------------------------>     queries go on
 *
 * Owns:   a decoded message's memory is in the arena given to decode (spans borrow from
 *         the frame).   Thread: any. */

#ifndef SL_PROTO_CLIENT_MESSAGES_H
#define SL_PROTO_CLIENT_MESSAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"

#define SL_CLIENT_PROTOCOL_VERSION 1
#define SL_CMSG_FIRST 64

typedef enum sl_cmsg_kind {
    SL_CMSG_HELLO = SL_CMSG_FIRST,
    SL_CMSG_WELCOME,
    SL_CMSG_REQUEST,
    SL_CMSG_ANSWER,
    SL_CMSG_CHUNK,
    SL_CMSG_CREDIT,
    SL_CMSG_EVENT,
    SL_CMSG_PRINT,
    SL_CMSG_PRINTED,
    SL_CMSG_PING,
    SL_CMSG_BYE,
    SL_CMSG_HEAR,
    SL_CMSG_END
} sl_cmsg_kind;

typedef struct sl_cmsg_setting {
    const char *name, *value;
} sl_cmsg_setting;

typedef struct sl_cmsg_hello {
    uint64_t incarnation;
    uint32_t protocol_version;
    const char *user;      /* for people */
    const char *directory; /* relative paths of its statements start here */
    uint32_t setting_count;
    const sl_cmsg_setting *settings;
    uint32_t attach_count; /* a client that was cut off: ids of queries it shows */
    const char *const *attach;
} sl_cmsg_hello;

/* code SL_OK: no error. */
typedef struct sl_cmsg_error {
    uint32_t code, line, column;
    const char *condition, *sqlstate, *text;
} sl_cmsg_error;

typedef struct sl_cmsg_welcome {
    uint64_t session;
    const char *server_version;
    sl_cmsg_error error;
} sl_cmsg_welcome;

typedef enum sl_request_kind {
    SL_REQUEST_EXECUTE = 1, /* text: one statement; line, column: where it starts; flag:
                               do not wait for a query to end */
    SL_REQUEST_CANCEL,      /* the statement that runs */
    SL_REQUEST_STOP,        /* name ("": all of this session); flag: abandon the batch */
    SL_REQUEST_QUERIES,     /* flag: of every session */
    SL_REQUEST_STATUS,      /* name -> text, JSON */
    SL_REQUEST_PROGRESS,    /* name, number: at most -> text, JSON */
    SL_REQUEST_CLUSTER,     /* -> text, JSON: workers, queries, slots */
    SL_REQUEST_ATTACH,      /* name: show its console here from now on */
    SL_REQUEST_PROCESS_ALL, /* name, number: ms at most, < 0 any -> text "true" once all
                               its sources hold is committed or it is over, "false" when
                               the time is over */
} sl_request_kind;

typedef struct sl_cmsg_request {
    uint64_t id; /* the client's, ascending from 1; asked again of a driver that came
                    after one that died, it keeps its number */
    sl_request_kind kind;
    const char *text, *name;
    int64_t number;
    bool flag;
    uint32_t line, column;
} sl_cmsg_request;

typedef struct sl_cmsg_query {
    const char *name, *id, *run_id;
    uint32_t state; /* sl_query_state of driver.h */
    const char *message;
    bool is_data_available, is_trigger_active;
    int64_t last_batch;
    const char *checkpoint, *sql;
    sl_cmsg_error error;
} sl_cmsg_query;

typedef struct sl_cmsg_answer {
    uint64_t id;
    uint32_t kind; /* sl_answer_kind of driver.h */
    sl_cmsg_error error;
    const char *text, *note;
    sl_span schema; /* of ROWS, as the wire codec of types writes it */
    uint32_t chunk_count;
    const char *zone; /* session time zone */
    uint32_t query_count;
    const sl_cmsg_query *queries;
} sl_cmsg_answer;

typedef struct sl_cmsg_chunk {
    uint64_t id;
    uint32_t index;
    sl_span chunk;
} sl_cmsg_chunk;

typedef struct sl_cmsg_hear {
    bool reports;
} sl_cmsg_hear;

typedef struct sl_cmsg_credit {
    uint64_t id;
    uint32_t taken; /* chunks so far */
} sl_cmsg_credit;

typedef struct sl_cmsg_event {
    uint32_t kind; /* sl_query_event_kind of driver.h */
    sl_cmsg_query query;
    const char *progress; /* "" none */
    bool is_own;          /* the receiver's session owns the query */
} sl_cmsg_event;

typedef struct sl_cmsg_print {
    uint64_t id;
    sl_span text; /* any bytes */
} sl_cmsg_print;

typedef struct sl_cmsg_printed {
    uint64_t id;
    bool failed; /* nobody reads any more */
} sl_cmsg_printed;

typedef struct sl_cmsg {
    sl_cmsg_kind kind;
    union {
        sl_cmsg_hello hello;
        sl_cmsg_welcome welcome;
        sl_cmsg_request request;
        sl_cmsg_answer answer;
        sl_cmsg_chunk chunk;
        sl_cmsg_credit credit;
        sl_cmsg_hear hear;
        sl_cmsg_event event;
        sl_cmsg_print print;
        sl_cmsg_printed printed;
    } u;
} sl_cmsg;

/* Append a whole frame. */
void sl_cmsg_encode(const sl_cmsg *m, sl_bytes *out);
/* frame: exactly one frame of a client message. Errors as sl_message_decode(). */
SL_CHECKED sl_code sl_cmsg_decode(sl_span frame, sl_arena *arena, sl_cmsg *ret,
                                  sl_error *err);
/* Whether a frame is a client's; looks at the header only. */
bool sl_cmsg_is(sl_span frame);
const char *sl_cmsg_kind_name(sl_cmsg_kind kind);

#endif /* SL_PROTO_CLIENT_MESSAGES_H */
