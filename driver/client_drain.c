/* PROCESS_ALL: a client waits until a query has taken all that its sources hold (Spark's
 * processAllAvailable), for as long as it likes to. */
#include <string.h>

#include "base/alloc.h"
#include "driver/client_private.h"

struct sl_drain_wait {
    sl_drain_wait *next;
    sl_clients *clients;
    uint64_t session, id; /* of the client and its request: either may be gone by then */
    char run_id[40];
    sl_timer_ref timer;
};

static void free_wait(sl_drain_wait *w)
{
    sl_drain_wait **at = &w->clients->drain_waits;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    sl_host_timer_cancel(w->clients->driver->host, w->timer);
    sl_free(w);
}

/* The cause, if it failed. */
static const sl_error *failure_of(const sl_drain_wait *w)
{
    const sl_driver *d = w->clients->driver;
    int32_t i = sl_driver_query_find(d, w->run_id);
    sl_query_info info = { .error = NULL };
    if (i >= 0)
        sl_driver_query_info(d, (uint32_t)i, &info);
    return info.error;
}

static void answer(sl_drain_wait *w, bool is_done)
{
    sl_clients *c = w->clients;
    sl_rclient *r = sl_rclient__of_owner(c, w->session);
    const sl_error *failure = is_done ? failure_of(w) : NULL;
    sl_cmsg m = { .kind = SL_CMSG_ANSWER };
    m.u.answer = (sl_cmsg_answer){ .id = w->id,
                                   .kind = SL_ANSWER_TEXT,
                                   .text = is_done ? "true" : "false" };
    if (r != NULL && !sl_clients__between_lives(c)) {
        if (failure != NULL)
            sl_rclient__fail(r, w->id, failure);
        else
            sl_rclient__send(r, &m);
    }
    free_wait(w);
}

static void on_drained(void *user)
{
    answer((sl_drain_wait *)user, true);
}

static void on_late(void *user)
{
    sl_drain_wait *w = (sl_drain_wait *)user;
    w->timer = (sl_timer_ref){ 0 };
    sl_driver_query_forget_process_all(w->clients->driver, w->run_id, w);
    answer(w, false);
}

void sl_rclient__drain(sl_rclient *r, const sl_cmsg_request *q, uint32_t query)
{
    sl_clients *c = r->clients;
    sl_host *h = c->driver->host;
    sl_query_info info;
    sl_drain_wait *w = (sl_drain_wait *)sl_calloc(1, sizeof *w);
    sl_driver_query_info(c->driver, query, &info);
    w->clients = c;
    w->session = r->number;
    w->id = q->id;
    memcpy(w->run_id, info.run_id, strnlen(info.run_id, sizeof w->run_id - 1));
    w->next = c->drain_waits;
    c->drain_waits = w;
    if (q->number >= 0 && q->number < INT64_MAX / 1000000)
        w->timer = sl_host_timer(h, c, sl_host_mono_us(h) + q->number * 1000, on_late, w);
    sl_driver_query_process_all(c->driver, query, on_drained, w);
}

void sl_rclient__drains_deinit(sl_clients *c)
{
    while (c->drain_waits != NULL) {
        sl_driver_query_forget_process_all(c->driver, c->drain_waits->run_id,
                                           c->drain_waits);
        free_wait(c->drain_waits);
    }
}
