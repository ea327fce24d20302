#include "client/cli/failures.h"

#include <stdio.h>
#include <string.h>

void sl_failures_init(sl_failures *f, void (*report)(void *, const sl_client_error *),
                      void *user)
{
    *f = (sl_failures){ .report = report, .user = user };
    pthread_mutex_init(&f->lock, NULL);
}

void sl_failures_deinit(sl_failures *f)
{
    pthread_mutex_destroy(&f->lock);
}

void sl_failures_hold(sl_failures *f)
{
    pthread_mutex_lock(&f->lock);
    f->is_held = true;
    pthread_mutex_unlock(&f->lock);
}

void sl_failures_release(sl_failures *f, const sl_client_error *told)
{
    sl_failure mine[SL_FAILURES_HELD_MAX];
    pthread_mutex_lock(&f->lock);
    uint32_t n = f->count;
    memcpy(mine, f->items, n * sizeof mine[0]);
    f->count = 0;
    f->is_held = false;
    pthread_mutex_unlock(&f->lock);
    for (uint32_t i = 0; i < n; i++)
        if (told == NULL || strstr(told->message, mine[i].run_id) == NULL)
            f->report(f->user, &mine[i].error);
}

/* Spark's words for the end of a query, with its cause. */
static sl_failure failure_of(const sl_client_query *q)
{
    sl_failure f = { .error = q->error };
    snprintf(f.run_id, sizeof f.run_id, "%s", q->run_id);
    snprintf(f.error.error_class, sizeof f.error.error_class, "STREAM_FAILED");
    snprintf(f.error.sqlstate, sizeof f.error.sqlstate, "XXKST");
    f.error.line = f.error.column = 0;
    snprintf(f.error.message, sizeof f.error.message,
             "Query %.80s [id = %.40s, runId = %.40s] terminated with exception: [%s] "
             "%.700s",
             q->name, q->id, q->run_id, q->error.error_class, q->error.message);
    return f;
}

void sl_failures_on_event(sl_failures *f, sl_client_event event, const sl_client_query *q)
{
    if (event != SL_CLIENT_QUERY_TERMINATED || q->error.status == SL_CLIENT_OK)
        return;
    if (q->id[0] == '\0')
        return; /* it did not begin: its CREATE is answered with the reason */
    sl_failure mine = failure_of(q);
    pthread_mutex_lock(&f->lock);
    bool later = f->is_held && f->count < SL_FAILURES_HELD_MAX;
    if (later)
        f->items[f->count++] = mine;
    pthread_mutex_unlock(&f->lock);
    if (!later)
        f->report(f->user, &mine.error);
}
