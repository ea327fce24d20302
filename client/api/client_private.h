/* client_private.h - what the files of the C API share.
 *
 *   caller's thread                     loop thread                        driver
 *     sl_client__request() --post-->      REQUEST ------------------------->
 *     waits for `wake`     <--signal--    <------------- ANSWER, CHUNK*
 *                                         <------------- EVENT  --> lane "client-events"
 *                                         <------------- PRINT  --> lane "client-console"
 *
 * The driver is behind a channel in any case: for local[N] over the in-process link, on
 * the same loop thread.  So everything a program sees it sees through the protocol, and
 * what blocks (listeners, a slow terminal) runs on the client's own lanes.
 *
 * Lock: `lock` guards what is marked; everything else belongs to the loop thread or never
 * changes. */

#ifndef SL_CLIENT_API_CLIENT_PRIVATE_H
#define SL_CLIENT_API_CLIENT_PRIVATE_H

#include <pthread.h>

#include "client/cluster/local.h"
#include "client/cluster/process_cluster.h"
#include "driver/session_context.h"
#include "proto/client_messages.h"
#include "sluice/sluice.h"
#include "transport/channel.h"
#include "transport/link_zmq.h"

typedef struct sl_call sl_call;
typedef struct sl_client_job sl_client_job;

struct sl_client {
    sl_local_cluster *cluster;     /* local[N]; NULL: the driver is another process */
    sl_process_cluster *processes; /* local-cluster[W,N]: ours to end */
    sl_zmq_network *zmq;           /* with another process */
    sl_host *host;                 /* the local cluster's, or ours */
    sl_network *network;
    pthread_t loop;
    bool has_loop;
    bool stop_loop; /* loop thread */

    /* connection.c; loop thread */
    sl_channel *channel;
    char *driver_address;
    char *directory;
    uint64_t incarnation, driver_incarnation;
    sl_options *options;
    bool is_welcome;
    bool is_ready;    /* welcome, and the session is what it was */
    sl_error refused; /* by WELCOME */
    sl_call *calls;
    uint64_t last_call;
    sl_timer_ref timer;

    /* session.c; loop thread */
    sl_session_context context;
    uint32_t replayed;    /* of the context */
    uint64_t replay_call; /* what is being run again; 0 nothing */
    sl_error not_rebuilt; /* the next statement says so */

    sl_client_job *jobs; /* on the lanes */
    sl_lane events_lane, console_lane;
    int (*print)(void *user, const char *text, size_t length);
    void *print_user;
    bool is_detached; /* no statement waits for the query it starts */

    pthread_mutex_t lock;
    pthread_cond_t wake;
    uint64_t ends_seen; /* lock: of queries; what an await watches */
    char **own_queries; /* lock: ids of those that run, to attach to again */
    uint32_t own_query_count;
    uint32_t driver_lives;       /* lock: seen */
    bool is_cut_off;             /* lock: the connection dropped */
    uint64_t cancels;            /* lock */
    sl_client_listener listener; /* lock */
    void *listener_user;
    bool hears_reports; /* lock */
    bool in_listener;   /* lock */
    pthread_t listener_thread;
};

struct sl_client_result {
    sl_client_result_kind kind;
    sl_arena *arena; /* the schema */
    const sl_schema *schema;
    sl_chunk **chunks;
    uint32_t chunk_count, chunks_expected;
    const sl_time_zone *zone;
    char *text, *note;
};

/* Queries as sl_client_queries() gives them out: strings are in the arena. */
typedef struct sl_query_list {
    sl_arena *arena;
    uint32_t count;
    sl_client_query items[];
} sl_query_list;

/* What a request is when a driver before may have got it too, and died of something. */
typedef enum sl_request_role {
    SL_ROLE_ANY, /* asks, or does the same again: CREATE STREAMING QUERY is known by its
                    number */
    SL_ROLE_CONTEXT, /* what comes after depends on it: remembered when it is done */
    SL_ROLE_STOP, /* of a query that may have been stopped: not there is what it wants */
} sl_request_role;

/* What came back for a request; each is the caller's. */
typedef struct sl_reply {
    sl_client_result *result;
    sl_query_list *queries; /* never NULL after SL_REQUEST_QUERIES */
} sl_reply;

/* A request on its way, and what came of it. */
struct sl_call {
    sl_call *next;
    const sl_cmsg_request *request;
    sl_request_role role;
    uint32_t sends;
    uint64_t id;
    bool is_sent;
    int64_t since_us;
    uint32_t chunks_seen;
    sl_client_result *result;
    sl_query_list *queries;
    sl_error error;
    sl_client *client;
    bool is_done; /* client's lock */
};

/* ---- connection.c ---- */
void sl_client__submit(void *call); /* loop thread; it is the caller's until is_done */
SL_CHECKED sl_code sl_client__connect(sl_client *c, const char *address, sl_error *err);
/* Wait for the driver's WELCOME, or what it says instead. */
SL_CHECKED sl_code sl_client__greet(sl_client *c, sl_error *err);
void sl_client__disconnect(sl_client *c); /* the loop has ended */
void sl_client__send(sl_client *c, const sl_cmsg *m);
/* Send a request and wait for its answer; the request's texts are borrowed meanwhile. Not
 * on the loop thread. If the driver dies before it has answered whole, the next one is
 * asked: every request may be made twice, see sl_request_role. */
SL_CHECKED sl_code sl_client__request(sl_client *c, const sl_cmsg_request *request,
                                      sl_request_role role, sl_reply *ret, sl_error *err);

/* ---- session.c: what a driver that died knew of this client ---- */
void sl_client__remember(sl_client *c, const char *statement);
/* A new driver's WELCOME: make the session again; sl_client__ready() when it is. */
void sl_client__rebuild(sl_client *c);
/* True: the answer was to a statement run again. */
bool sl_client__on_rebuilt(sl_client *c, const sl_cmsg_answer *m);
void sl_client__ready(sl_client *c); /* connection.c: send what waits */
void sl_client__forget(sl_client *c);

/* ---- events.c: what the driver says unasked ---- */
void sl_client__on_event(sl_client *c, const sl_cmsg_event *m);
void sl_client__on_print(sl_client *c, const sl_cmsg_print *m);
void sl_client__drop_jobs(sl_client *c); /* nothing runs on the lanes any more */
/* Loop thread: HEAR, when the listener changes and after each WELCOME. */
void sl_client__tell_what_it_hears(sl_client *c);
bool sl_client__in_listener(sl_client *c); /* is this thread in the listener? */

/* ---- queries.c ---- */
sl_client_query sl_client__query_of(const sl_cmsg_query *m); /* borrows */
sl_query_list *sl_client__query_list(const sl_cmsg_query *queries, uint32_t count);
/* SL_ENOTFOUND in the driver's words: the nearest of the queries' names, or who lists
 * them. */
sl_code sl_client__no_such_query(const char *name, const sl_client_query *queries,
                                 uint32_t count, sl_error *err);
/* Wait until the query of this id or name (NULL: all of this client) has ended.
 * SL_ECANCELLED if is_statement and sl_client_cancel() was called meanwhile. */
SL_CHECKED sl_code sl_client__await(sl_client *c, const char *name, int64_t timeout_ms,
                                    bool is_statement, bool *ret_ended,
                                    sl_client_error *ret_cause, sl_error *err);

/* ---- client.c ---- */
/* Fill *to (if given) from an internal error and return its status. */
sl_client_status sl_client__fail(sl_client_error *to, const sl_error *from);
sl_client_status sl_client__status_of(sl_code code);
sl_error sl_client__error_of(const sl_cmsg_error *m);
/* The text as a malloc'd string; b becomes empty. */
char *sl_client__take_text(sl_bytes *b);

/* ---- result.c ---- */
/* From an answer that is no error; its chunks come later, chunk_count of them. */
SL_CHECKED sl_code sl_client__result_new(const sl_cmsg_answer *answer,
                                         sl_client_result **ret, sl_error *err);
SL_CHECKED sl_code sl_client__result_add(sl_client_result *r, const sl_cmsg_chunk *chunk,
                                         sl_error *err);

/* ---- arrow.c: a stream of its own over chunks (shared) and schema (copied) ---- */
void sl_client__arrow_stream(const sl_schema *schema, sl_chunk *const *chunks,
                             uint32_t chunk_count, const sl_time_zone *zone,
                             struct ArrowArrayStream *ret);

#endif /* SL_CLIENT_API_CLIENT_PRIVATE_H */
