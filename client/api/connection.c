/* The client's end of the protocol: a machine on the loop thread that turns calls into
 * requests and answers into results.
 *
 *   CONNECTING -- WELCOME --> REBUILDING -- session.c --> READY
 *        | ^                      |                         |
 *        | +---- our session is gone (queries are attached again) -----------+
 *        +-- too long: calls fail        nothing heard for too long: calls fail
 *
 * Calls that were not answered whole are sent again, under their numbers, when READY; of
 * a result that was coming the first chunks are dropped. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/text.h"
#include "client/api/client_private.h"

#define PING_US 1000000
#define CONNECT_US 5000000
#define SILENCE_US 30000000 /* an answer that long away, with nothing else heard */
#define CREDIT_EVERY 4u
#define DRIVERS_MAX 4u /* that may die while they run one statement */

void sl_client__send(sl_client *c, const sl_cmsg *m)
{
    sl_bytes frame = { 0 };
    sl_error err;
    sl_cmsg_encode(m, &frame);
    if (sl_channel_send_bytes(c->channel, c->driver_address, &frame, &err) != SL_OK)
        log_warn("CLIENT-SEND", "%s to the driver is dropped: %s",
                 sl_cmsg_kind_name(m->kind), err.text);
}

/* ---- calls ---- */

static sl_call *find_call(const sl_client *c, uint64_t id)
{
    for (sl_call *call = c->calls; call != NULL; call = call->next)
        if (call->id == id)
            return call;
    return NULL;
}

static void finish_call(sl_call *call)
{
    sl_client *c = call->client;
    sl_call **at = &c->calls;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    if (call->error.code == SL_OK && call->role == SL_ROLE_CONTEXT)
        sl_client__remember(c, call->request->text);
    if (call->error.code != SL_OK) {
        sl_client_result_free(call->result);
        call->result = NULL;
    }
    pthread_mutex_lock(&c->lock);
    call->is_done = true; /* the caller may take it from its stack now */
    pthread_cond_broadcast(&c->wake);
    pthread_mutex_unlock(&c->lock);
}

static void send_call(sl_call *call)
{
    sl_cmsg m = { .kind = SL_CMSG_REQUEST, .u.request = *call->request };
    m.u.request.id = call->id;
    call->is_sent = true;
    call->sends++;
    sl_client__send(call->client, &m);
}

/* A statement whose session is not what it was says so instead of running. */
static void send_or_fail(sl_call *call)
{
    sl_client *c = call->client;
    if (call->request->kind != SL_REQUEST_EXECUTE || c->not_rebuilt.code == SL_OK) {
        send_call(call);
        return;
    }
    call->error = c->not_rebuilt;
    c->not_rebuilt = (sl_error){ 0 };
    finish_call(call);
}

void sl_client__ready(sl_client *c)
{
    c->is_ready = true;
    for (sl_call *call = c->calls, *next; call != NULL; call = next) {
        next = call->next;
        if (!call->is_sent)
            send_or_fail(call);
    }
}

static void set_cut_off(sl_client *c, bool is_cut_off)
{
    pthread_mutex_lock(&c->lock);
    c->is_cut_off = is_cut_off;
    pthread_mutex_unlock(&c->lock);
}

bool sl_client_is_connected(sl_client *c)
{
    pthread_mutex_lock(&c->lock);
    bool is_connected = !c->is_cut_off;
    pthread_mutex_unlock(&c->lock);
    return is_connected;
}

/* Nobody is there to cancel it, but its caller need not wait. A driver that is there all
 * the same hears of it when it can. */
static void cancel_here(sl_client *c)
{
    static const sl_cmsg_answer done = { .kind = SL_ANSWER_NONE };
    for (sl_call *call = c->calls, *next; call != NULL; call = next) {
        next = call->next;
        if (call->request->kind == SL_REQUEST_EXECUTE)
            (void)sl_fail(&call->error, SL_ECANCELLED,
                          "the statement was cancelled; the driver at %s is away",
                          c->driver_address);
        else if (call->request->kind == SL_REQUEST_CANCEL)
            (void)!sl_client__result_new(&done, &call->result, &call->error);
        else
            continue;
        finish_call(call);
    }
}

void sl_client__submit(void *user)
{
    sl_call *call = (sl_call *)user;
    sl_client *c = call->client;
    call->id = ++c->last_call;
    call->since_us = sl_host_mono_us(c->host);
    sl_call **at = &c->calls;
    while (*at != NULL)
        at = &(*at)->next;
    *at = call;
    bool is_cancel = call->request->kind == SL_REQUEST_CANCEL;
    if (c->refused.code != SL_OK) {
        call->error = c->refused;
        finish_call(call);
        return;
    }
    if (c->is_ready)
        send_or_fail(call); /* it may be over */
    if (is_cancel && (!c->is_ready || !sl_client_is_connected(c)))
        cancel_here(c);
}

sl_code sl_client__request(sl_client *c, const sl_cmsg_request *request,
                           sl_request_role role, sl_reply *ret, sl_error *err)
{
    sl_call call = { .request = request, .role = role, .client = c };
    sl_host_post(c->host, c, sl_client__submit, &call);
    pthread_mutex_lock(&c->lock);
    while (!call.is_done)
        pthread_cond_wait(&c->wake, &c->lock);
    pthread_mutex_unlock(&c->lock);
    if (call.error.code != SL_OK) {
        if (err != NULL)
            *err = call.error;
        return call.error.code;
    }
    *ret = (sl_reply){ call.result, call.queries };
    return SL_OK;
}

/* ---- answers ---- */

static bool is_complete(const sl_call *call)
{
    return call->result == NULL ||
           call->result->chunk_count == call->result->chunks_expected;
}

static void on_answer(sl_client *c, const sl_cmsg_answer *m)
{
    static const sl_cmsg_answer done = { .kind = SL_ANSWER_NONE };
    sl_call *call = find_call(c, m->id);
    if (sl_client__on_rebuilt(c, m) || call == NULL || !call->is_sent ||
        call->result != NULL) /* answered, and its rows are coming */
        return;
    bool is_gone = strcmp(m->error.condition, "STREAMING_QUERY_NOT_FOUND") == 0;
    if (is_gone && call->role == SL_ROLE_STOP && call->sends > 1)
        (void)!sl_client__result_new(&done, &call->result, &call->error);
    else if (m->error.code != 0)
        call->error = sl_client__error_of(&m->error);
    else if (call->request->kind == SL_REQUEST_QUERIES)
        call->queries = sl_client__query_list(m->queries, m->query_count);
    else
        (void)!sl_client__result_new(m, &call->result, &call->error);
    if (call->error.code != SL_OK || is_complete(call))
        finish_call(call);
}

static void on_chunk(sl_client *c, const sl_cmsg_chunk *m)
{
    sl_call *call = find_call(c, m->id);
    if (call == NULL || call->result == NULL || m->index != call->chunks_seen)
        return;
    if (sl_client__result_add(call->result, m, &call->error) != SL_OK) {
        finish_call(call);
        return;
    }
    call->chunks_seen++;
    if (call->chunks_seen % CREDIT_EVERY == 0) {
        sl_cmsg credit = { .kind = SL_CMSG_CREDIT };
        credit.u.credit = (sl_cmsg_credit){ m->id, call->chunks_seen };
        sl_client__send(c, &credit);
    }
    if (is_complete(call))
        finish_call(call);
}

/* ---- coming and going of the driver ---- */

static uint32_t list_settings(const sl_options *o, sl_cmsg_setting *rows)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < sl_options_def_count(); i++) {
        const char *name = sl_options_def(i)->name;
        if (sl_options_is_set(o, name))
            rows[n++] = (sl_cmsg_setting){ name, sl_options_text(o, name) };
    }
    return n;
}

static void say_hello(sl_client *c)
{
    sl_cmsg m = { .kind = SL_CMSG_HELLO };
    const char *user = getenv("USER");
    sl_cmsg_setting *settings = (sl_cmsg_setting *)sl_calloc(
        sl_options_def_count() + (size_t)1, sizeof *settings);
    m.u.hello = (sl_cmsg_hello){ .incarnation = c->incarnation,
                                 .protocol_version = SL_CLIENT_PROTOCOL_VERSION,
                                 .user = user != NULL ? user : "",
                                 .directory = c->directory,
                                 .setting_count = list_settings(c->options, settings),
                                 .settings = settings,
                                 .attach_count = c->own_query_count,
                                 .attach = (const char *const *)c->own_queries };
    sl_client__send(c, &m);
    sl_free(settings);
}

static void fail_calls(sl_client *c, const sl_error *err)
{
    while (c->calls != NULL) {
        c->calls->error = *err;
        finish_call(c->calls);
    }
}

/* What was asked of the driver that died is to be asked again. */
static void take_back(sl_call *call)
{
    sl_client_result_free(call->result);
    call->result = NULL;
    call->chunks_seen = 0;
    call->is_sent = false;
    call->since_us = sl_host_mono_us(call->client->host);
    if (call->sends < DRIVERS_MAX)
        return;
    (void)sl_fail_as(&call->error, SL_ELOST, "DRIVER_LOST", "08006",
                     "%u drivers died one after another before they had answered this; "
                     "their logs may say why",
                     call->sends);
    finish_call(call);
}

/* Our session is gone, with its driver or because we were silent (a shell that was
 * stopped for a while): HELLO asks for another. */
static void start_again(sl_client *c)
{
    c->is_welcome = c->is_ready = false;
    c->replay_call = 0;
    pthread_mutex_lock(&c->lock);
    c->driver_lives++;
    pthread_cond_broadcast(&c->wake);
    pthread_mutex_unlock(&c->lock);
    for (sl_call *call = c->calls, *next; call != NULL; call = next) {
        next = call->next;
        if (call->is_sent)
            take_back(call);
    }
    say_hello(c);
}

void sl_client__tell_what_it_hears(sl_client *c)
{
    sl_cmsg m = { .kind = SL_CMSG_HEAR };
    pthread_mutex_lock(&c->lock);
    m.u.hear.reports = c->hears_reports;
    pthread_mutex_unlock(&c->lock);
    if (c->is_welcome) /* else with WELCOME */
        sl_client__send(c, &m);
}

static void on_welcome(sl_client *c, const sl_cmsg_welcome *m)
{
    if (m->error.code == SL_ELOST) {
        if (c->is_welcome) /* else it answers what we said before HELLO */
            start_again(c);
        return;
    }
    if (m->error.code != 0) {
        c->refused = sl_client__error_of(&m->error);
        fail_calls(c, &c->refused);
        return;
    }
    c->is_welcome = true;
    sl_client__tell_what_it_hears(c);
    sl_client__rebuild(c);
}

static void on_peer(void *user, const char *from, uint64_t incarnation)
{
    sl_client *c = (sl_client *)user;
    (void)from;
    uint64_t before = c->driver_incarnation;
    c->driver_incarnation = incarnation;
    set_cut_off(c, false);
    if (before != 0 && before != incarnation)
        start_again(c);
}

static void on_link(void *user, const char *peer, uint64_t incarnation, bool up)
{
    sl_client *c = (sl_client *)user;
    (void)incarnation;
    set_cut_off(c, !up);
    if (!up && (c->calls != NULL || c->own_query_count > 0))
        log_warn("DRIVER-AWAY", "the connection to %s dropped; waiting for it", peer);
}

static void on_message(void *user, const char *from, uint64_t incarnation, sl_blob *frame)
{
    sl_client *c = (sl_client *)user;
    sl_arena *arena = sl_arena_new();
    sl_cmsg m;
    sl_error err;
    (void)from;
    (void)incarnation;
    if (sl_cmsg_decode(sl_blob_span(frame), arena, &m, &err) != SL_OK)
        log_warn("CLIENT-BAD-MESSAGE", "from the driver: %s", err.text);
    else if (m.kind == SL_CMSG_WELCOME)
        on_welcome(c, &m.u.welcome);
    else if (m.kind == SL_CMSG_ANSWER)
        on_answer(c, &m.u.answer);
    else if (m.kind == SL_CMSG_CHUNK)
        on_chunk(c, &m.u.chunk);
    else if (m.kind == SL_CMSG_EVENT)
        sl_client__on_event(c, &m.u.event);
    else if (m.kind == SL_CMSG_PRINT)
        sl_client__on_print(c, &m.u.print);
    sl_arena_free(arena);
}

/* ---- time ---- */

static void judge_silence(sl_client *c, int64_t now)
{
    int64_t heard = sl_channel_heard_us(c->channel, c->driver_address);
    sl_error err;
    if (c->calls == NULL)
        return;
    int64_t waited = now - c->calls->since_us;
    int64_t silent = heard == 0 ? waited : now - heard;
    int64_t limit = c->is_welcome || heard != 0 ? SILENCE_US : CONNECT_US;
    if (waited < limit || silent < limit)
        return;
    (void)sl_fail_as(&err, SL_ELOST, "CANNOT_CONNECT", "08001",
                     "no driver answers at %s: is it running? `sluice cluster status` "
                     "tells, `sluice driver` starts one",
                     c->driver_address);
    fail_calls(c, &err);
}

static void on_timer(void *user)
{
    sl_client *c = (sl_client *)user;
    int64_t now = sl_host_mono_us(c->host);
    sl_cmsg ping = { .kind = SL_CMSG_PING };
    if (c->is_welcome)
        sl_client__send(c, &ping);
    judge_silence(c, now);
    c->timer = sl_host_timer(c->host, c, now + PING_US, on_timer, c);
}

/* ---- life ---- */

sl_code sl_client__connect(sl_client *c, const char *address, sl_error *err)
{
    sl_channel_callbacks callbacks = {
        .on_message = on_message, .on_peer = on_peer, .on_link = on_link, .user = c
    };
    char directory[4096];
    c->directory =
        sl_strdup(getcwd(directory, sizeof directory) != NULL ? directory : "");
    c->incarnation = sl_host_rand64(c->host) | 1;
    c->events_lane = sl_host_lane(c->host, "client-events");
    c->console_lane = sl_host_lane(c->host, "client-console");
    SL_TRY(sl_channel_new(c->host, c->network, address, c->incarnation, callbacks,
                          &c->channel, err));
    say_hello(c);
    c->timer = sl_host_timer(c->host, c, sl_host_mono_us(c->host) + PING_US, on_timer, c);
    return SL_OK;
}

sl_code sl_client__greet(sl_client *c, sl_error *err)
{
    sl_cmsg_request q = { .kind = SL_REQUEST_QUERIES }; /* answered once we are welcome */
    sl_reply reply;
    SL_TRY(sl_client__request(c, &q, SL_ROLE_ANY, &reply, err));
    sl_client_queries_free(reply.queries->items);
    return SL_OK;
}

void sl_client__disconnect(sl_client *c)
{
    if (c->channel != NULL && c->is_welcome && c->cluster == NULL) {
        sl_cmsg bye = { .kind = SL_CMSG_BYE };
        sl_client__send(c, &bye);
    }
    sl_host_close_owner(c->host, c);
    sl_client__drop_jobs(c);
    sl_channel_free(c->channel);
    for (uint32_t i = 0; i < c->own_query_count; i++)
        sl_free(c->own_queries[i]);
    sl_free(c->own_queries);
    sl_client__forget(c);
    sl_free(c->driver_address);
    sl_free(c->directory);
}
