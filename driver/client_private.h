/* client_private.h - what the files about clients share. */

#ifndef SL_DRIVER_CLIENT_PRIVATE_H
#define SL_DRIVER_CLIENT_PRIVATE_H

#include <pthread.h>

#include "driver/client_service.h"
#include "driver/driver_private.h"
#include "proto/client_messages.h"

typedef struct sl_print sl_print;
typedef struct sl_drain_wait sl_drain_wait;

/* A client that is connected. */
typedef struct sl_rclient {
    struct sl_rclient *next;
    sl_clients *clients;
    uint64_t number; /* of its session: the owner of its queries */
    char *address, *user;
    uint64_t incarnation;
    sl_session *session;
    int64_t heard_us;
    bool hears_reports;
    bool is_gone; /* freed when its statement has answered */

    uint64_t executing; /* request id; 0 none */

    uint64_t rows_of; /* the request whose rows are on their way */
    sl_chunk **chunks;
    uint32_t chunk_count, sent, taken;
} sl_rclient;

/* A HELLO that waits until the driver has its queries. */
typedef struct sl_waiting_hello {
    struct sl_waiting_hello *next;
    char *from;
    uint64_t incarnation;
    sl_bytes frame;
} sl_waiting_hello;

struct sl_clients {
    sl_driver *driver;
    sl_waiting_hello *waiting;
    uint32_t waiting_count;
    sl_options *options;
    sl_rclient *first;
    uint64_t last_number;
    sl_timer_ref timer;
    sl_drain_wait *drain_waits;

    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t printed;
    sl_print *prints; /* lanes that wait */
    uint64_t last_print;
    bool is_stopping;
};

void sl_rclient__send(sl_rclient *r, const sl_cmsg *m);
sl_rclient *sl_rclient__of_owner(const sl_clients *c, uint64_t owner);

/* client_print.c */
void sl_rclient__prints_init(sl_clients *c);
void sl_rclient__prints_deinit(sl_clients *c);
void sl_rclient__on_printed(sl_rclient *r, const sl_cmsg_printed *m);
/* The client has gone: who waits for it prints at the driver. */
void sl_rclient__prints_unshown(sl_clients *c, uint64_t owner);

/* client_drain.c: PROCESS_ALL, answered when the query has taken all there is */
void sl_rclient__drain(sl_rclient *r, const sl_cmsg_request *q, uint32_t query);
void sl_rclient__drains_deinit(sl_clients *c);

/* client_service.c */
void sl_rclient__fail(sl_rclient *r, uint64_t id, const sl_error *err);
/* Going down, and the queries will be resumed: their end now is not their end, so nobody
 * is told of it, and questions wait for the next driver. */
bool sl_clients__between_lives(const sl_clients *c);

/* client_answer.c; all borrow */
sl_cmsg_error sl_rclient__error(const sl_error *err); /* NULL: none */
sl_cmsg_query sl_rclient__query(const sl_query_info *info);
void sl_rclient__status_json(const sl_query_info *info, sl_bytes *out);
void sl_rclient__cluster_json(const sl_clients *c, sl_bytes *out);

#endif /* SL_DRIVER_CLIENT_PRIVATE_H */
