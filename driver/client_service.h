/* client_service.h - clients of a driver: sessions over the wire.
 *
 * A client says HELLO and gets a session; its requests are answered one by one, rows flow
 * as far as its credit goes, and the console text of the queries it owns or attached to
 * is shown on its terminal: the stream's lane waits until the client has printed it, so a
 * slow terminal slows the query and nothing is lost.  A client that says BYE, is silent
 * or comes back as another process loses its session; its queries go on, and print at the
 * driver.  A HELLO to a driver that has not all queries of its registry yet waits until
 * it has: so what a client is told of queries is true from the first answer on.
 *
 * A client whose driver died asks the next one again, under the same request number: a
 * CREATE STREAMING QUERY that an earlier driver had taken is known by that, and answered
 * without starting a second query.
 *
 *   HELLO -> OPEN -- BYE | silent | another life --> gone
 *              |  ^
 *              v  | answer
 *            EXECUTING (one statement at a time)
 *
 * Thread:  loop thread, but for sl_clients_print (a stream's lane).
 * Limits:  SL_CLIENTS_MAX clients; SL_CLIENT_WINDOW chunks on the way to one. */

#ifndef SL_DRIVER_CLIENT_SERVICE_H
#define SL_DRIVER_CLIENT_SERVICE_H

#include "driver/driver.h"

#define SL_CLIENTS_MAX 256
#define SL_CLIENT_WINDOW 8            /* chunks not yet taken */
#define SL_CLIENT_SILENCE_US 10000000 /* after that it is gone; it pings every second */

typedef struct sl_clients sl_clients;

/* options: the driver's own settings, what sessions start from; NULL defaults. */
sl_clients *sl_clients_new(sl_driver *d, const sl_options *options);
/* Release every lane that waits for a client to print, now and from now on: before
 * anything waits for those lanes. */
void sl_clients_stop(sl_clients *c);
void sl_clients_free(sl_clients *c); /* NULL is fine */

/* A frame of a client (sl_cmsg_is). */
void sl_clients_on_frame(sl_clients *c, const char *from, uint64_t incarnation,
                         sl_span frame);
/* Something was heard from this address under this incarnation. */
void sl_clients_on_peer(sl_clients *c, const char *from, uint64_t incarnation);
void sl_clients_on_disconnect(sl_clients *c, const char *from);
void sl_clients_on_resumed(sl_clients *c); /* the driver has its queries */
/* Tell the clients that care. */
void sl_clients_on_query_event(sl_clients *c, sl_query_event_kind kind,
                               const sl_query_info *query);

/* Console text of a query whose owner is this session. Lane thread; waits. *ret_shown
 * false: no such client, print it here. SL_ECANCELLED: its reader has gone. */
SL_CHECKED sl_code sl_clients_print(sl_clients *c, uint64_t owner, const char *text,
                                    size_t length, bool *ret_shown, sl_error *err);

uint32_t sl_clients_count(const sl_clients *c);

#endif /* SL_DRIVER_CLIENT_SERVICE_H */
