/* Console text on its way from a stream's lane to a client's terminal.
 *
 *   lane: sl_clients_print()   post --> loop: PRINT to the client
 *         waits                         loop: PRINTED, or the client is gone
 *         goes on            <-- signal
 *
 * A print is in the list while its lane waits, so that the end of a client or of the
 * driver finds it wherever it is. */
#include <string.h>

#include "base/alloc.h"
#include "driver/client_private.h"

#define PIECE_BYTES (1u << 20)

struct sl_print {
    sl_print *next;
    sl_clients *clients;
    uint64_t id, owner;
    sl_span text; /* the lane's, which waits */
    bool is_over, is_shown, is_closed;
};

void sl_rclient__prints_init(sl_clients *c)
{
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->printed, NULL);
}

void sl_rclient__prints_deinit(sl_clients *c)
{
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->printed);
}

/* The lock is held. */
static sl_print *find_print(const sl_clients *c, uint64_t id)
{
    for (sl_print *p = c->prints; p != NULL; p = p->next)
        if (p->id == id)
            return p;
    return NULL;
}

static void finish_print(sl_clients *c, uint64_t id, bool is_shown, bool is_closed)
{
    pthread_mutex_lock(&c->lock);
    sl_print *p = find_print(c, id);
    if (p != NULL && !p->is_over) {
        p->is_over = true;
        p->is_shown = is_shown;
        p->is_closed = is_closed;
        pthread_cond_broadcast(&c->printed);
    }
    pthread_mutex_unlock(&c->lock);
}

/* What the loop thread gets: the print itself may be over and gone by then. */
struct handover {
    sl_clients *clients;
    uint64_t id, owner;
};

static void hand_over(void *user)
{
    struct handover *h = (struct handover *)user;
    sl_clients *c = h->clients;
    sl_rclient *r = sl_rclient__of_owner(c, h->owner);
    sl_cmsg m = { .kind = SL_CMSG_PRINT, .u.print.id = h->id };
    pthread_mutex_lock(&c->lock);
    sl_print *p = find_print(c, h->id);
    if (p != NULL && r != NULL) {
        m.u.print.text = p->text; /* stays while the lane waits, and it waits for us */
        sl_rclient__send(r, &m);
    }
    pthread_mutex_unlock(&c->lock);
    if (r == NULL)
        finish_print(c, h->id, false, false);
    sl_free(h);
}

void sl_rclient__on_printed(sl_rclient *r, const sl_cmsg_printed *m)
{
    finish_print(r->clients, m->id, true, m->failed);
}

void sl_rclient__prints_unshown(sl_clients *c, uint64_t owner)
{
    pthread_mutex_lock(&c->lock);
    for (sl_print *p = c->prints; p != NULL; p = p->next)
        if (p->owner == owner)
            p->is_over = true;
    pthread_cond_broadcast(&c->printed);
    pthread_mutex_unlock(&c->lock);
}

void sl_clients_stop(sl_clients *c)
{
    pthread_mutex_lock(&c->lock);
    c->is_stopping = true;
    for (sl_print *p = c->prints; p != NULL; p = p->next)
        p->is_over = p->is_closed = true;
    pthread_cond_broadcast(&c->printed);
    pthread_mutex_unlock(&c->lock);
}

/* Lane thread. */
static void print_piece(sl_clients *c, sl_print *p)
{
    struct handover *h = (struct handover *)sl_calloc(1, sizeof *h);
    pthread_mutex_lock(&c->lock);
    p->id = ++c->last_print;
    p->next = c->prints;
    c->prints = p;
    p->is_over = p->is_closed = c->is_stopping;
    bool wanted = !p->is_over;
    pthread_mutex_unlock(&c->lock);
    *h = (struct handover){ c, p->id, p->owner };
    if (wanted)
        sl_host_post(c->driver->host, c, hand_over, h);
    else
        sl_free(h);
    pthread_mutex_lock(&c->lock);
    while (!p->is_over)
        pthread_cond_wait(&c->printed, &c->lock);
    sl_print **at = &c->prints;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    pthread_mutex_unlock(&c->lock);
}

sl_code sl_clients_print(sl_clients *c, uint64_t owner, const char *text, size_t length,
                         bool *ret_shown, sl_error *err)
{
    *ret_shown = false;
    for (size_t at = 0; at < length; at += PIECE_BYTES) {
        size_t n = length - at < PIECE_BYTES ? length - at : PIECE_BYTES;
        sl_print p = { .clients = c, .owner = owner, .text = sl_span_of(text + at, n) };
        print_piece(c, &p);
        if (p.is_closed)
            return sl_fail(err, SL_ECANCELLED, "nobody reads the console any more");
        if (!p.is_shown)
            return SL_OK; /* pieces that were shown come again at the driver */
    }
    *ret_shown = true;
    return SL_OK;
}
