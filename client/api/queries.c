/* Streaming queries of a client: list, status, progress, stop, await, listener. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/text.h"
#include "client/api/client_private.h"

static const char *state_text(sl_query_state state)
{
    static const char *const texts[] = { "STARTING",   "WAITING",  "PLANNING", "RUNNING",
                                         "COMMITTING", "RETRYING", "STOPPED",  "FAILED" };
    return texts[state];
}

/* Borrows the strings of info. */
static sl_client_query query_of(const sl_query_info *info)
{
    sl_client_query q = {
        .name = info->name,
        .id = info->id,
        .run_id = info->run_id,
        .state = state_text(info->state),
        .message = info->message,
        .is_active = info->state != SL_QUERY_STOPPED && info->state != SL_QUERY_FAILED,
        .is_data_available = info->is_data_available,
        .is_trigger_active = info->is_trigger_active,
        .last_batch = info->last_batch,
        .checkpoint = info->checkpoint,
        .sql = info->sql,
    };
    if (info->error != NULL)
        (void)sl_client__fail(&q.error, info->error);
    return q;
}

/* ---- listener ---- */

void sl_client__on_query_event(void *user, sl_query_event_kind kind,
                               const sl_query_info *info)
{
    static const sl_client_event events[] = {
        [SL_EVENT_STARTED] = SL_CLIENT_QUERY_STARTED,
        [SL_EVENT_PROGRESS] = SL_CLIENT_QUERY_PROGRESS,
        [SL_EVENT_IDLE] = SL_CLIENT_QUERY_IDLE,
        [SL_EVENT_TERMINATED] = SL_CLIENT_QUERY_TERMINATED,
    };
    sl_client *c = (sl_client *)user;
    if (c->listener != NULL) {
        sl_client_query q = query_of(info);
        c->listener(c->listener_user, events[kind], &q,
                    kind == SL_EVENT_PROGRESS ? info->last_progress : NULL);
    }
    if (kind != SL_EVENT_TERMINATED)
        return;
    pthread_mutex_lock(&c->lock);
    c->events_seen++;
    pthread_cond_broadcast(&c->wake);
    pthread_mutex_unlock(&c->lock);
}

struct listener_change {
    sl_client_listener listener;
    void *user;
};

static void change_listener(sl_client *c, void *argument)
{
    const struct listener_change *change = (const struct listener_change *)argument;
    c->listener = change->listener;
    c->listener_user = change->user;
}

void sl_client_set_listener(sl_client *c, sl_client_listener listener, void *user)
{
    sl_client__call(c, change_listener, &(struct listener_change){ listener, user });
}

/* ---- one query by its name ---- */

/* What a call about one query carries to the loop thread and back. */
struct about {
    const char *name; /* NULL: all */
    bool abandon;
    uint32_t max;
    sl_code code;
    sl_error error;
    bool is_over;
    sl_bytes text;
};

static bool find_query(sl_client *c, struct about *a, sl_query_info *ret,
                       uint32_t *ret_index)
{
    sl_driver *d = sl_local_driver(c->cluster);
    int32_t i = sl_driver_query_find(d, a->name);
    if (i >= 0) {
        sl_driver_query_info(d, (uint32_t)i, ret);
        *ret_index = (uint32_t)i;
        return true;
    }
    a->code = sl_fail_as(&a->error, SL_ENOTFOUND, "STREAMING_QUERY_NOT_FOUND", "42704",
                         "There is no streaming query `%.200s`; sl_client_queries() and "
                         "SHOW STREAMING QUERIES list them",
                         a->name);
    return false;
}

static sl_client_status finish(struct about *a, char **ret_text, sl_client_error *err)
{
    if (a->code != SL_OK) {
        sl_bytes_deinit(&a->text);
        return sl_client__fail(err, &a->error);
    }
    if (ret_text != NULL)
        *ret_text = sl_client__take_text(&a->text);
    return SL_CLIENT_OK;
}

static void read_status(sl_client *c, void *argument)
{
    struct about *a = (struct about *)argument;
    sl_query_info info;
    uint32_t i;
    sl_json j;
    if (!find_query(c, a, &info, &i))
        return;
    sl_json_begin(&j, &a->text);
    sl_json_open(&j, NULL, '{');
    sl_json_key_string(&j, "message", info.message);
    sl_json_key_bool(&j, "isDataAvailable", info.is_data_available);
    sl_json_key_bool(&j, "isTriggerActive", info.is_trigger_active);
    sl_json_close(&j, '}');
}

sl_client_status sl_client_query_status(sl_client *c, const char *name, char **ret_json,
                                        sl_client_error *err)
{
    struct about a = { .name = name };
    sl_client__call(c, read_status, &a);
    return finish(&a, ret_json, err);
}

static void read_progress(sl_client *c, void *argument)
{
    struct about *a = (struct about *)argument;
    sl_query_info info;
    uint32_t i;
    const char *const *reports;
    if (!find_query(c, a, &info, &i))
        return;
    uint32_t count = sl_driver_query_progress(sl_local_driver(c->cluster), i, &reports);
    uint32_t first = count > a->max ? count - a->max : 0;
    sl_bytes_char(&a->text, '[');
    for (uint32_t k = first; k < count; k++)
        sl_bytes_printf(&a->text, "%s%s", k > first ? "," : "", reports[k]);
    sl_bytes_char(&a->text, ']');
}

sl_client_status sl_client_query_progress(sl_client *c, const char *name, uint32_t max,
                                          char **ret_json, sl_client_error *err)
{
    struct about a = { .name = name, .max = max };
    sl_client__call(c, read_progress, &a);
    return finish(&a, ret_json, err);
}

/* ---- stop ---- */

static void stop_queries(sl_client *c, void *argument)
{
    struct about *a = (struct about *)argument;
    sl_driver *d = sl_local_driver(c->cluster);
    sl_query_info info;
    uint32_t i;
    if (a->name == NULL)
        sl_driver_stop(d, a->abandon);
    else if (find_query(c, a, &info, &i))
        sl_driver_query_stop(d, i, a->abandon);
}

sl_client_status sl_client_stop(sl_client *c, const char *name, bool abandon,
                                sl_client_error *err)
{
    struct about a = { .name = name, .abandon = abandon };
    sl_client__call(c, stop_queries, &a);
    return finish(&a, NULL, err);
}

static void count_active(sl_client *c, void *argument)
{
    *(uint32_t *)argument = sl_driver_queries_active(sl_local_driver(c->cluster));
}

uint32_t sl_client_active_count(sl_client *c)
{
    uint32_t count = 0;
    sl_client__call(c, count_active, &count);
    return count;
}

/* ---- await ---- */

static void look_whether_over(sl_client *c, void *argument)
{
    struct about *a = (struct about *)argument;
    sl_query_info info;
    uint32_t i;
    if (a->name == NULL) {
        a->is_over = sl_driver_queries_active(sl_local_driver(c->cluster)) == 0;
        return;
    }
    if (!find_query(c, a, &info, &i))
        return;
    a->is_over = info.state == SL_QUERY_STOPPED || info.state == SL_QUERY_FAILED;
    if (a->is_over && info.error != NULL) {
        a->error = *info.error;
        a->code = info.error->code;
    }
}

static struct timespec deadline_of(int64_t timeout_ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += (time_t)(timeout_ms / 1000);
    t.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

/* Wait for the next end of a query after `seen` ends. False: the time is over. */
static bool wait_for_end(sl_client *c, uint64_t seen, const struct timespec *deadline)
{
    int reason = 0;
    pthread_mutex_lock(&c->lock);
    while (c->events_seen == seen && reason != ETIMEDOUT)
        reason = deadline != NULL ? pthread_cond_timedwait(&c->wake, &c->lock, deadline)
                                  : pthread_cond_wait(&c->wake, &c->lock);
    bool news = c->events_seen != seen;
    pthread_mutex_unlock(&c->lock);
    return news;
}

sl_client_status sl_client_await(sl_client *c, const char *name, int64_t timeout_ms,
                                 bool *ret_ended, sl_client_error *err)
{
    struct about a = { .name = name };
    struct timespec deadline = { 0 };
    if (sl_client__on_loop(c)) {
        (void)sl_fail(&a.error, SL_EINVAL,
                      "a listener cannot await a query: the thread that calls it would "
                      "wait for itself");
        return sl_client__fail(err, &a.error);
    }
    if (timeout_ms >= 0)
        deadline = deadline_of(timeout_ms);
    for (;;) {
        pthread_mutex_lock(&c->lock);
        uint64_t seen = c->events_seen; /* before the look: no end slips between */
        pthread_mutex_unlock(&c->lock);
        sl_client__call(c, look_whether_over, &a);
        if (a.is_over || a.code != SL_OK ||
            !wait_for_end(c, seen, timeout_ms >= 0 ? &deadline : NULL))
            break;
    }
    if (ret_ended != NULL && a.code == SL_OK)
        *ret_ended = a.is_over;
    return finish(&a, NULL, err);
}

/* ---- list ---- */

/* What sl_client_queries() gives out: the items, with their strings in the arena. */
struct list {
    sl_arena *arena;
    uint32_t count;
    sl_client_query items[];
};

static const char *keep(sl_arena *arena, const char *text)
{
    return text != NULL ? sl_arena_strdup(arena, text) : NULL;
}

static void list_queries(sl_client *c, void *argument)
{
    sl_driver *d = sl_local_driver(c->cluster);
    uint32_t n = sl_driver_query_count(d);
    struct list *l =
        (struct list *)sl_calloc(1, sizeof *l + (n + (size_t)1) * sizeof l->items[0]);
    l->arena = sl_arena_new();
    l->count = n;
    for (uint32_t i = 0; i < n; i++) {
        sl_query_info info;
        sl_driver_query_info(d, i, &info);
        sl_client_query *q = &l->items[i];
        *q = query_of(&info);
        q->name = keep(l->arena, q->name);
        q->id = keep(l->arena, q->id);
        q->run_id = keep(l->arena, q->run_id);
        q->message = keep(l->arena, q->message);
        q->checkpoint = keep(l->arena, q->checkpoint);
        q->sql = keep(l->arena, q->sql);
    }
    *(struct list **)argument = l;
}

sl_client_status sl_client_queries(sl_client *c, sl_client_query **ret_queries,
                                   uint32_t *ret_count, sl_client_error *err)
{
    struct list *l = NULL;
    (void)err; /* nothing fails in one process; across a connection it will */
    sl_client__call(c, list_queries, &l);
    *ret_queries = l->items;
    *ret_count = l->count;
    return SL_CLIENT_OK;
}

void sl_client_queries_free(sl_client_query *queries)
{
    if (queries == NULL)
        return;
    struct list *l =
        (struct list *)(void *)((char *)queries - offsetof(struct list, items));
    sl_arena_free(l->arena);
    sl_free(l);
}
