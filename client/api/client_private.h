/* client_private.h - what the files of the C API share. */

#ifndef SL_CLIENT_API_CLIENT_PRIVATE_H
#define SL_CLIENT_API_CLIENT_PRIVATE_H

#include <pthread.h>

#include "client/cluster/local.h"
#include "sluice/sluice.h"

/*   caller's thread                      loop thread (of the cluster)
 *   sl_client__call(fn) --post-->        fn(): the only one to touch driver and session
 *   waits for `wake`    <--signal--      done
 *
 * Lock: `lock` guards what is marked; everything else belongs to the loop thread or never
 * changes. */
struct sl_client {
    sl_local_cluster *cluster;
    sl_session *session;
    pthread_t loop;
    bool stop_loop; /* loop thread */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    uint64_t events_seen;        /* lock: of queries; what an await watches */
    sl_client_listener listener; /* loop thread */
    void *listener_user;
    int (*print)(void *user, const char *text, size_t length);
    void *print_user;
};

struct sl_client_result {
    sl_client_result_kind kind;
    sl_arena *arena; /* the schema */
    const sl_schema *schema;
    sl_chunk **chunks;
    uint32_t chunk_count;
    const sl_time_zone *zone;
    char *text, *note;
};

/* Run fn(c, argument) on the loop thread and wait until it is done; at once if this is
 * the loop thread. */
void sl_client__call(sl_client *c, void (*fn)(sl_client *c, void *argument),
                     void *argument);
bool sl_client__on_loop(const sl_client *c);

/* Fill *to (if given) from an internal error and return its status. */
sl_client_status sl_client__fail(sl_client_error *to, const sl_error *from);
sl_client_status sl_client__status_of(sl_code code);

/* A copy of an answer that holds the chunks; answer->kind is not ERROR. */
sl_client_result *sl_client__result_new(const sl_answer *answer,
                                        const sl_time_zone *zone);

/* The text as a malloc'd string; b becomes empty. */
char *sl_client__take_text(sl_bytes *b);

/* queries.c: the driver's listener of a client. */
void sl_client__on_query_event(void *user, sl_query_event_kind kind,
                               const sl_query_info *query);

/* arrow.c: a stream of its own over chunks (shared) and schema (copied). */
void sl_client__arrow_stream(const sl_schema *schema, sl_chunk *const *chunks,
                             uint32_t chunk_count, const sl_time_zone *zone,
                             struct ArrowArrayStream *ret);

#endif /* SL_CLIENT_API_CLIENT_PRIVATE_H */
