/* Streaming queries of a client: list, status, progress, stop, await. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "client/api/client_private.h"

#define LOOK_AGAIN_US 1000000

/* ---- as the protocol has them ---- */

sl_client_query sl_client__query_of(const sl_cmsg_query *m)
{
    bool known = m->state <= SL_QUERY_FAILED;
    sl_client_query q = {
        .name = m->name,
        .id = m->id,
        .run_id = m->run_id,
        .state = known ? sl_query_state_name((sl_query_state)m->state) : "UNKNOWN",
        .message = m->message,
        .is_active = m->state != SL_QUERY_STOPPED && m->state != SL_QUERY_FAILED,
        .is_data_available = m->is_data_available,
        .is_trigger_active = m->is_trigger_active,
        .last_batch = m->last_batch,
        .checkpoint = m->checkpoint,
        .sql = m->sql,
    };
    if (m->error.code != 0) {
        sl_error e = sl_client__error_of(&m->error);
        (void)sl_client__fail(&q.error, &e);
    }
    return q;
}

sl_query_list *sl_client__query_list(const sl_cmsg_query *queries, uint32_t count)
{
    sl_query_list *l = (sl_query_list *)sl_calloc(1, sizeof *l + (count + (size_t)1) *
                                                                     sizeof l->items[0]);
    l->arena = sl_arena_new();
    l->count = count;
    for (uint32_t i = 0; i < count; i++) {
        sl_client_query *q = &l->items[i];
        *q = sl_client__query_of(&queries[i]);
        q->name = sl_arena_strdup(l->arena, q->name);
        q->id = sl_arena_strdup(l->arena, q->id);
        q->run_id = sl_arena_strdup(l->arena, q->run_id);
        q->message = sl_arena_strdup(l->arena, q->message);
        q->checkpoint = sl_arena_strdup(l->arena, q->checkpoint);
        q->sql = sl_arena_strdup(l->arena, q->sql);
    }
    return l;
}

static void free_list(sl_query_list *l)
{
    if (l == NULL)
        return;
    sl_arena_free(l->arena);
    sl_free(l);
}

static sl_code list(sl_client *c, bool all, sl_query_list **ret, sl_error *err)
{
    sl_cmsg_request q = { .kind = SL_REQUEST_QUERIES, .flag = all };
    sl_reply reply;
    SL_TRY(sl_client__request(c, &q, SL_ROLE_ANY, &reply, err));
    *ret = reply.queries;
    return SL_OK;
}

static sl_client_status give_list(sl_client *c, bool all, sl_client_query **ret_queries,
                                  uint32_t *ret_count, sl_client_error *err)
{
    sl_query_list *l;
    sl_error e;
    if (list(c, all, &l, &e) != SL_OK)
        return sl_client__fail(err, &e);
    *ret_queries = l->items;
    *ret_count = l->count;
    return SL_CLIENT_OK;
}

sl_client_status sl_client_queries(sl_client *c, sl_client_query **ret_queries,
                                   uint32_t *ret_count, sl_client_error *err)
{
    return give_list(c, false, ret_queries, ret_count, err);
}

sl_client_status sl_client_cluster_queries(sl_client *c, sl_client_query **ret_queries,
                                           uint32_t *ret_count, sl_client_error *err)
{
    return give_list(c, true, ret_queries, ret_count, err);
}

void sl_client_queries_free(sl_client_query *queries)
{
    if (queries != NULL)
        free_list(
            (sl_query_list *)(void *)((char *)queries - offsetof(sl_query_list, items)));
}

uint32_t sl_client_active_count(sl_client *c)
{
    sl_query_list *l;
    uint32_t n = 0;
    if (list(c, false, &l, NULL) != SL_OK)
        return 0;
    for (uint32_t i = 0; i < l->count; i++)
        n += l->items[i].is_active;
    free_list(l);
    return n;
}

/* ---- questions answered with a text ---- */

static sl_client_status ask(sl_client *c, const sl_cmsg_request *q, char **ret_text,
                            sl_client_error *err)
{
    sl_reply reply;
    sl_error e;
    sl_request_role role = q->kind == SL_REQUEST_STOP ? SL_ROLE_STOP : SL_ROLE_ANY;
    if (sl_client__request(c, q, role, &reply, &e) != SL_OK)
        return sl_client__fail(err, &e);
    if (ret_text != NULL) {
        *ret_text = reply.result->text;
        reply.result->text = NULL;
    }
    sl_client_result_free(reply.result);
    return SL_CLIENT_OK;
}

sl_client_status sl_client_query_status(sl_client *c, const char *name, char **ret_json,
                                        sl_client_error *err)
{
    sl_cmsg_request q = { .kind = SL_REQUEST_STATUS, .name = name };
    return ask(c, &q, ret_json, err);
}

sl_client_status sl_client_query_progress(sl_client *c, const char *name, uint32_t max,
                                          char **ret_json, sl_client_error *err)
{
    sl_cmsg_request q = { .kind = SL_REQUEST_PROGRESS, .name = name, .number = max };
    return ask(c, &q, ret_json, err);
}

sl_client_status sl_client_cluster_status(sl_client *c, char **ret_json,
                                          sl_client_error *err)
{
    sl_cmsg_request q = { .kind = SL_REQUEST_CLUSTER };
    return ask(c, &q, ret_json, err);
}

sl_client_status sl_client_stop(sl_client *c, const char *name, bool abandon,
                                sl_client_error *err)
{
    sl_cmsg_request q = { .kind = SL_REQUEST_STOP,
                          .name = name != NULL ? name : "",
                          .flag = abandon };
    return ask(c, &q, NULL, err);
}

sl_client_status sl_client_attach(sl_client *c, const char *name, sl_client_error *err)
{
    sl_cmsg_request q = { .kind = SL_REQUEST_ATTACH, .name = name };
    return ask(c, &q, NULL, err);
}

sl_client_status sl_client_process_all(sl_client *c, const char *name, int64_t timeout_ms,
                                       bool *ret_done, sl_client_error *err)
{
    sl_cmsg_request q = { .kind = SL_REQUEST_PROCESS_ALL,
                          .name = name,
                          .number = timeout_ms };
    char *text = NULL;
    sl_client_status status = ask(c, &q, &text, err);
    if (status == SL_CLIENT_OK && ret_done != NULL)
        *ret_done = strcmp(text, "true") == 0;
    sl_free(text);
    return status;
}

sl_code sl_client__no_such_query(const char *name, const sl_client_query *queries,
                                 uint32_t count, sl_error *err)
{
    const char **names = (const char **)sl_calloc(count + (size_t)1, sizeof *names);
    for (uint32_t i = 0; i < count; i++)
        names[i] = queries[i].name;
    sl_code code = sl_query_not_found(name, names, count, err);
    sl_free(names);
    return code;
}

/* ---- await ---- */

struct look {
    const char *name; /* NULL: all of this client */
    char found[200];  /* its name */
    bool is_found, is_over;
    sl_client_error cause;
};

/* A driver that is welcome has all queries there are: this one is over. */
static sl_code fail_end_unknown(const char *name, sl_error *err)
{
    return sl_fail_as(err, SL_ELOST, "STREAMING_QUERY_END_UNKNOWN", "08007",
                      "The streaming query `%.200s` is over, but the driver died "
                      "before it could say how it ended; `sluice checkpoint inspect` "
                      "shows what it has committed",
                      name);
}

/* The newest of a name counts; an id names one.  SL_ENOTFOUND if it was never seen. */
static sl_code look(sl_client *c, struct look *look, sl_error *err)
{
    sl_query_list *l;
    SL_TRY(list(c, look->name != NULL, &l, err));
    bool was_there = look->is_found;
    sl_code code = SL_OK;
    look->is_found = look->is_over = look->name == NULL;
    for (uint32_t i = 0; i < l->count; i++) {
        const sl_client_query *q = &l->items[i];
        if (look->name == NULL) {
            look->is_over = look->is_over && !q->is_active;
        } else if (strcmp(q->name, look->name) == 0 || strcmp(q->id, look->name) == 0 ||
                   strcmp(q->run_id, look->name) == 0) {
            look->is_found = true;
            look->is_over = !q->is_active;
            snprintf(look->found, sizeof look->found, "%s", q->name);
            look->cause = q->error;
        }
    }
    if (!look->is_found && was_there)
        code = fail_end_unknown(look->found, err);
    else if (!look->is_found)
        code = sl_client__no_such_query(look->name, l->items, l->count, err);
    free_list(l);
    return code;
}

static struct timespec time_of(int64_t mono_us)
{
    return (struct timespec){ .tv_sec = (time_t)(mono_us / 1000000),
                              .tv_nsec = (long)(mono_us % 1000000) * 1000 };
}

/* Wait for the next end of a query after `seen` ends, at most until then. */
static void wait_for_end(sl_client *c, uint64_t seen, int64_t until_us)
{
    struct timespec until = time_of(until_us);
    int reason = 0;
    pthread_mutex_lock(&c->lock);
    uint32_t lives = c->driver_lives;
    uint64_t cancels = c->cancels;
    while (c->ends_seen == seen && c->driver_lives == lives && c->cancels == cancels &&
           reason == 0)
        reason = pthread_cond_timedwait(&c->wake, &c->lock, &until);
    pthread_mutex_unlock(&c->lock);
}

sl_code sl_client__await(sl_client *c, const char *name, int64_t timeout_ms,
                         bool is_statement, bool *ret_ended, sl_client_error *ret_cause,
                         sl_error *err)
{
    uint64_t cancels = 0;
    struct look seen = { .name = name };
    int64_t end_us =
        timeout_ms < 0 ? INT64_MAX : sl_host_mono_us(c->host) + timeout_ms * 1000;
    for (bool is_first = true;;) {
        pthread_mutex_lock(&c->lock);
        uint64_t ends = c->ends_seen; /* before the look: no end slips between */
        cancels = is_first ? c->cancels : cancels;
        bool cancelled = is_statement && c->cancels != cancels;
        pthread_mutex_unlock(&c->lock);
        is_first = false;
        if (cancelled)
            return sl_fail(err, SL_ECANCELLED, "the statement was cancelled");
        SL_TRY(look(c, &seen, err));
        int64_t now = sl_host_mono_us(c->host);
        if (seen.is_over || now >= end_us)
            break;
        /* Ends are told; a look now and then is for what is told to nobody. */
        int64_t next_us = now + LOOK_AGAIN_US;
        wait_for_end(c, ends, next_us < end_us ? next_us : end_us);
    }
    *ret_ended = seen.is_over;
    *ret_cause = seen.cause;
    return SL_OK;
}

sl_client_status sl_client_await(sl_client *c, const char *name, int64_t timeout_ms,
                                 bool *ret_ended, sl_client_error *err)
{
    sl_client_error cause = { .status = SL_CLIENT_OK };
    bool ended = false;
    sl_error e;
    if (sl_client__in_listener(c)) {
        (void)sl_fail(&e, SL_EINVAL,
                      "a listener cannot await a query: the thread that calls it would "
                      "wait for itself");
        return sl_client__fail(err, &e);
    }
    if (sl_client__await(c, name, timeout_ms, false, &ended, &cause, &e) != SL_OK)
        return sl_client__fail(err, &e);
    if (cause.status != SL_CLIENT_OK) {
        if (err != NULL)
            *err = cause;
        return cause.status;
    }
    if (ret_ended != NULL)
        *ret_ended = ended;
    return SL_CLIENT_OK;
}
