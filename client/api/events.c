/* What the driver says unasked: events of queries, for the listener and whoever awaits,
 * and console text. Both are handled on lanes of the client, in order. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "client/api/client_private.h"

/* Work on a lane: kept in a list, since a client that closes gets no done(). */
struct sl_client_job {
    sl_job job;
    sl_client *client;
    sl_client_job *next;
    /* an event */
    sl_arena *arena;
    sl_client_event event;
    bool is_own;
    sl_client_query query;
    const char *progress;
    /* a print */
    uint64_t id;
    sl_bytes text;
    bool failed;
};

static sl_client_job *job_new(sl_client *c)
{
    sl_client_job *j = (sl_client_job *)sl_calloc(1, sizeof *j);
    j->client = c;
    j->next = c->jobs;
    c->jobs = j;
    return j;
}

static void job_free(sl_client_job *j)
{
    sl_client_job **at = &j->client->jobs;
    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    sl_arena_free(j->arena);
    sl_bytes_deinit(&j->text);
    sl_free(j);
}

void sl_client__drop_jobs(sl_client *c)
{
    while (c->jobs != NULL)
        job_free(c->jobs);
}

/* ---- listener ---- */

static void event_run(sl_job *job)
{
    sl_client_job *e = (sl_client_job *)job;
    sl_client *c = e->client;
    pthread_mutex_lock(&c->lock);
    sl_client_listener listener = c->listener;
    void *user = c->listener_user;
    c->in_listener = listener != NULL && e->is_own;
    c->listener_thread = pthread_self();
    pthread_mutex_unlock(&c->lock);
    if (listener != NULL && e->is_own)
        listener(user, e->event, &e->query, e->progress);
    pthread_mutex_lock(&c->lock);
    c->in_listener = false;
    if (e->event == SL_CLIENT_QUERY_TERMINATED)
        c->ends_seen++; /* after the listener heard of it: an await returns later */
    pthread_cond_broadcast(&c->wake);
    pthread_mutex_unlock(&c->lock);
}

static void event_done(sl_job *job)
{
    job_free((sl_client_job *)job);
}

/* Locks: c->lock held. */
static void note_own_query(sl_client *c, const sl_cmsg_event *m)
{
    uint32_t i = 0;
    while (i < c->own_query_count && strcmp(c->own_queries[i], m->query.id) != 0)
        i++;
    if (m->kind == SL_EVENT_TERMINATED && i < c->own_query_count) {
        sl_free(c->own_queries[i]);
        c->own_queries[i] = c->own_queries[--c->own_query_count];
    } else if (m->kind != SL_EVENT_TERMINATED && i == c->own_query_count) {
        c->own_queries = (char **)sl_realloc(
            c->own_queries, (c->own_query_count + (size_t)1) * sizeof(char *));
        c->own_queries[c->own_query_count++] = sl_strdup(m->query.id);
    }
}

void sl_client__on_event(sl_client *c, const sl_cmsg_event *m)
{
    static const sl_client_event events[] = {
        [SL_EVENT_STARTED] = SL_CLIENT_QUERY_STARTED,
        [SL_EVENT_PROGRESS] = SL_CLIENT_QUERY_PROGRESS,
        [SL_EVENT_IDLE] = SL_CLIENT_QUERY_IDLE,
        [SL_EVENT_TERMINATED] = SL_CLIENT_QUERY_TERMINATED,
    };
    if (m->kind >= sizeof events / sizeof *events)
        return;
    pthread_mutex_lock(&c->lock);
    if (m->is_own)
        note_own_query(c, m);
    bool wanted = c->listener != NULL || m->kind == SL_EVENT_TERMINATED;
    pthread_mutex_unlock(&c->lock);
    if (!wanted)
        return;
    sl_client_job *e = job_new(c);
    sl_query_list *list = sl_client__query_list(&m->query, 1);
    e->arena = list->arena;
    e->event = events[m->kind];
    e->is_own = m->is_own;
    e->query = list->items[0];
    e->progress = *m->progress != '\0' ? sl_arena_strdup(e->arena, m->progress) : NULL;
    sl_free(list);
    e->job = (sl_job){
        .name = "query-event", .run = event_run, .done = event_done, .owner = c
    };
    sl_host_submit(c->host, c->events_lane, &e->job);
}

bool sl_client__in_listener(sl_client *c)
{
    pthread_mutex_lock(&c->lock);
    bool here = c->in_listener && pthread_equal(c->listener_thread, pthread_self()) != 0;
    pthread_mutex_unlock(&c->lock);
    return here;
}

static void tell_driver(void *user)
{
    sl_client__tell_what_it_hears((sl_client *)user);
}

void sl_client_set_listener(sl_client *c, sl_client_listener listener, bool reports,
                            void *user)
{
    reports = reports && listener != NULL;
    pthread_mutex_lock(&c->lock);
    bool changes = c->hears_reports != reports;
    c->hears_reports = reports;
    c->listener = listener;
    c->listener_user = user;
    while (c->in_listener && pthread_equal(c->listener_thread, pthread_self()) == 0)
        pthread_cond_wait(&c->wake, &c->lock); /* the old one is done when we return */
    pthread_mutex_unlock(&c->lock);
    if (changes)
        sl_host_post(c->host, c, tell_driver, c);
}

/* ---- console ---- */

/* Other than 0: nobody reads any more. */
static int print_to_stdout(const char *text, size_t length)
{
    while (length > 0) {
        ssize_t n = write(STDOUT_FILENO, text, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        text += n;
        length -= (size_t)n;
    }
    return 0;
}

static void print_run(sl_job *job)
{
    sl_client_job *p = (sl_client_job *)job;
    sl_client *c = p->client;
    const char *text = sl_bytes_cstr(&p->text);
    p->failed = (c->print != NULL ? c->print(c->print_user, text, p->text.size_bytes)
                                  : print_to_stdout(text, p->text.size_bytes)) != 0;
}

static void print_done(sl_job *job)
{
    sl_client_job *p = (sl_client_job *)job;
    sl_cmsg m = { .kind = SL_CMSG_PRINTED };
    m.u.printed = (sl_cmsg_printed){ p->id, p->failed };
    sl_client__send(p->client, &m);
    job_free(p);
}

void sl_client__on_print(sl_client *c, const sl_cmsg_print *m)
{
    sl_client_job *p = job_new(c);
    p->id = m->id;
    sl_bytes_append(&p->text, m->text.data, m->text.size_bytes);
    p->job =
        (sl_job){ .name = "print", .run = print_run, .done = print_done, .owner = c };
    sl_host_submit(c->host, c->console_lane, &p->job);
}
