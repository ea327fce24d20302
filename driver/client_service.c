/* Clients: coming and going, requests, rows by credit. client_print.c has the consoles,
 * client_answer.c how queries and errors are written down. */
#include "driver/client_service.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/version.h"
#include "driver/client_private.h"
#include "engine/sql/parse.h"
#include "transport/metrics.h"

#define LOOK_EVERY_US 1000000

void sl_rclient__send(sl_rclient *r, const sl_cmsg *m)
{
    sl_bytes frame = { 0 };
    sl_error err;
    sl_cmsg_encode(m, &frame);
    if (sl_channel_send_bytes(r->clients->driver->channel, r->address, &frame, &err) !=
        SL_OK)
        log_warn("CLIENT-SEND", "%s to %s is dropped: %s", sl_cmsg_kind_name(m->kind),
                 r->address, err.text);
}

static sl_rclient *find_client(const sl_clients *c, const char *address)
{
    for (sl_rclient *r = c->first; r != NULL; r = r->next)
        if (!r->is_gone && strcmp(r->address, address) == 0)
            return r;
    return NULL;
}

sl_rclient *sl_rclient__of_owner(const sl_clients *c, uint64_t owner)
{
    for (sl_rclient *r = c->first; r != NULL; r = r->next)
        if (!r->is_gone && r->number == owner)
            return r;
    return NULL;
}

/* ---- results ---- */

static void drop_rows(sl_rclient *r)
{
    for (uint32_t i = 0; i < r->chunk_count; i++)
        sl_chunk_unref(r->chunks[i]);
    sl_free(r->chunks);
    r->chunks = NULL;
    r->chunk_count = r->sent = r->taken = 0;
}

static void send_rows(sl_rclient *r)
{
    sl_bytes bytes = { 0 };
    while (r->sent < r->chunk_count && r->sent - r->taken < SL_CLIENT_WINDOW) {
        sl_cmsg m = { .kind = SL_CMSG_CHUNK };
        sl_bytes_clear(&bytes);
        sl_chunk_write_enveloped(r->chunks[r->sent], &bytes);
        m.u.chunk = (sl_cmsg_chunk){ r->rows_of, r->sent, sl_bytes_span(&bytes) };
        sl_rclient__send(r, &m);
        sl_chunk_unref(r->chunks[r->sent]);
        r->chunks[r->sent++] = NULL;
        sl_host_failpoint(r->clients->driver->host, "driver.rows.send");
    }
    sl_bytes_deinit(&bytes);
}

static void on_credit(sl_rclient *r, const sl_cmsg_credit *m)
{
    if (m->id != r->rows_of || m->taken > r->sent || m->taken < r->taken)
        return;
    r->taken = m->taken;
    send_rows(r);
}

static void keep_rows(sl_rclient *r, uint64_t id, const sl_answer *a)
{
    drop_rows(r);
    r->rows_of = id;
    r->chunks = (sl_chunk **)sl_calloc(a->chunk_count + (size_t)1, sizeof *r->chunks);
    r->chunk_count = a->chunk_count;
    for (uint32_t i = 0; i < a->chunk_count; i++)
        r->chunks[i] = sl_chunk_ref(a->chunks[i]);
}

/* ---- statements ---- */

static void free_later(void *user);

static void on_answer(void *user, const sl_answer *a)
{
    sl_rclient *r = (sl_rclient *)user;
    sl_cmsg m = { .kind = SL_CMSG_ANSWER };
    sl_bytes schema = { 0 };
    uint64_t id = r->executing;
    r->executing = 0;
    if (r->is_gone) {
        sl_host_post(r->clients->driver->host, r->clients, free_later, r);
        return;
    }
    sl_host_failpoint(r->clients->driver->host, "driver.statement.answer");
    m.u.answer = (sl_cmsg_answer){ .id = id,
                                   .kind = (uint32_t)a->kind,
                                   .error = sl_rclient__error(a->error),
                                   .text = a->text,
                                   .note = a->note,
                                   .zone = sl_options_text(sl_session_options(r->session),
                                                           "sluice.session.timeZone") };
    if (a->kind == SL_ANSWER_ROWS) {
        sl_schema_write(a->schema, &schema);
        m.u.answer.schema = sl_bytes_span(&schema);
        m.u.answer.chunk_count = a->chunk_count;
        keep_rows(r, id, a);
    }
    sl_rclient__send(r, &m);
    sl_bytes_deinit(&schema);
    send_rows(r);
}

void sl_rclient__fail(sl_rclient *r, uint64_t id, const sl_error *err)
{
    sl_cmsg m = { .kind = SL_CMSG_ANSWER };
    m.u.answer = (sl_cmsg_answer){ .id = id,
                                   .kind = SL_ANSWER_ERROR,
                                   .error = sl_rclient__error(err) };
    sl_rclient__send(r, &m);
}

static void set_origin(sl_rclient *r, const sl_cmsg_request *q)
{
    char origin[48];
    snprintf(origin, sizeof origin, "%016llx/%llu", (unsigned long long)r->incarnation,
             (unsigned long long)q->id);
    sl_session_set_origin(r->session, origin);
}

static void execute(sl_rclient *r, const sl_cmsg_request *q)
{
    sl_sql_cursor cursor = { .line = q->line, .column = q->column };
    sl_arena *arena = sl_arena_new();
    const sl_statement *statement = NULL;
    sl_error err;
    sl_code code = SL_OK;
    if (r->executing != 0)
        code = sl_fail(&err, SL_EINVAL, "a session runs one statement at a time");
    if (code == SL_OK)
        code =
            sl_sql_parse_next(q->text, strlen(q->text), &cursor, arena, &statement, &err);
    if (code == SL_OK && statement == NULL)
        code = sl_fail(&err, SL_EINVAL, "there is no statement");
    if (code != SL_OK) {
        sl_arena_free(arena);
        sl_rclient__fail(r, q->id, &err);
        return;
    }
    sl_host_failpoint(r->clients->driver->host, "driver.statement");
    r->executing = q->id;
    sl_session_set_detached(r->session, q->flag);
    set_origin(r, q);
    sl_session_execute(r->session, arena, statement, on_answer, r);
}

/* ---- questions ---- */

static void answer_text(sl_rclient *r, uint64_t id, sl_bytes *text)
{
    sl_cmsg m = { .kind = SL_CMSG_ANSWER };
    m.u.answer =
        (sl_cmsg_answer){ .id = id, .kind = SL_ANSWER_TEXT, .text = sl_bytes_cstr(text) };
    sl_rclient__send(r, &m);
    sl_bytes_deinit(text);
}

static void answer_none(sl_rclient *r, uint64_t id)
{
    sl_cmsg m = { .kind = SL_CMSG_ANSWER };
    m.u.answer = (sl_cmsg_answer){ .id = id, .kind = SL_ANSWER_NONE };
    sl_rclient__send(r, &m);
}

/* False: answered that there is no such query. */
static bool find_query(sl_rclient *r, const sl_cmsg_request *q, uint32_t *ret)
{
    sl_error err;
    int32_t i = sl_driver_query_find(r->clients->driver, q->name);
    if (i >= 0) {
        *ret = (uint32_t)i;
        return true;
    }
    (void)sl_driver_no_such_query(r->clients->driver, q->name, &err);
    sl_rclient__fail(r, q->id, &err);
    return false;
}

static void stop_queries(sl_rclient *r, const sl_cmsg_request *q)
{
    sl_driver *d = r->clients->driver;
    uint32_t i;
    if (*q->name != '\0') {
        if (!find_query(r, q, &i))
            return;
        sl_driver_query_stop(d, i, q->flag);
    } else {
        for (i = 0; i < sl_driver_query_count(d); i++) {
            sl_query_info info;
            sl_driver_query_info(d, i, &info);
            if (info.owner == r->number)
                sl_driver_query_stop(d, i, q->flag);
        }
    }
    answer_none(r, q->id);
}

static void attach(sl_rclient *r, const sl_cmsg_request *q)
{
    uint32_t i;
    if (!find_query(r, q, &i))
        return;
    sl_driver_query_attach(r->clients->driver, i, r->number);
    answer_none(r, q->id);
}

static void list_queries(sl_rclient *r, const sl_cmsg_request *q)
{
    sl_driver *d = r->clients->driver;
    uint32_t n = sl_driver_query_count(d);
    sl_cmsg m = { .kind = SL_CMSG_ANSWER };
    sl_cmsg_query *queries = (sl_cmsg_query *)sl_calloc(n + (size_t)1, sizeof *queries);
    m.u.answer =
        (sl_cmsg_answer){ .id = q->id, .kind = SL_ANSWER_NONE, .queries = queries };
    for (uint32_t i = 0; i < n; i++) {
        sl_query_info info;
        sl_driver_query_info(d, i, &info);
        if (q->flag || info.owner == r->number)
            queries[m.u.answer.query_count++] = sl_rclient__query(&info);
    }
    sl_rclient__send(r, &m);
    sl_free(queries);
}

static void say_status(sl_rclient *r, const sl_cmsg_request *q)
{
    sl_bytes text = { 0 };
    sl_query_info info;
    uint32_t i;
    if (!find_query(r, q, &i))
        return;
    sl_driver_query_info(r->clients->driver, i, &info);
    sl_rclient__status_json(&info, &text);
    answer_text(r, q->id, &text);
}

static void say_progress(sl_rclient *r, const sl_cmsg_request *q)
{
    sl_bytes text = { 0 };
    const char *const *reports;
    uint32_t i;
    if (!find_query(r, q, &i))
        return;
    uint32_t count = sl_driver_query_progress(r->clients->driver, i, &reports);
    uint32_t max = q->number < 0 || q->number > UINT32_MAX ? 0 : (uint32_t)q->number;
    uint32_t first = count > max ? count - max : 0;
    sl_bytes_char(&text, '[');
    for (uint32_t k = first; k < count; k++)
        sl_bytes_printf(&text, "%s%s", k > first ? "," : "", reports[k]);
    sl_bytes_char(&text, ']');
    answer_text(r, q->id, &text);
}

static void say_cluster(sl_rclient *r, const sl_cmsg_request *q)
{
    sl_bytes text = { 0 };
    sl_rclient__cluster_json(r->clients, &text);
    answer_text(r, q->id, &text);
}

static void on_request(sl_rclient *r, const sl_cmsg_request *q)
{
    sl_error err;
    uint32_t query;
    switch (q->kind) {
    case SL_REQUEST_EXECUTE:
        execute(r, q);
        return;
    case SL_REQUEST_CANCEL:
        sl_session_cancel(r->session);
        answer_none(r, q->id);
        return;
    case SL_REQUEST_STOP:
        stop_queries(r, q);
        return;
    case SL_REQUEST_QUERIES:
        list_queries(r, q);
        return;
    case SL_REQUEST_STATUS:
        say_status(r, q);
        return;
    case SL_REQUEST_PROGRESS:
        say_progress(r, q);
        return;
    case SL_REQUEST_CLUSTER:
        say_cluster(r, q);
        return;
    case SL_REQUEST_ATTACH:
        attach(r, q);
        return;
    case SL_REQUEST_PROCESS_ALL:
        if (find_query(r, q, &query))
            sl_rclient__drain(r, q, query);
        return;
    }
    (void)sl_fail(&err, SL_EUNSUPPORTED, "request kind %u is not known here",
                  (unsigned)q->kind);
    sl_rclient__fail(r, q->id, &err);
}

/* ---- coming ---- */

static sl_code check_hello(const sl_clients *c, const sl_cmsg_hello *m, sl_error *err)
{
    if (m->protocol_version != SL_CLIENT_PROTOCOL_VERSION)
        return sl_fail(
            err, SL_EINCOMPATIBLE,
            "this driver speaks client protocol %d, the client %u: run the same "
            "sluice on both",
            SL_CLIENT_PROTOCOL_VERSION, m->protocol_version);
    if (sl_clients_count(c) >= SL_CLIENTS_MAX)
        return sl_fail(err, SL_ELIMIT, "%d clients are connected already",
                       SL_CLIENTS_MAX);
    return SL_OK;
}

static sl_code make_session(sl_clients *c, const sl_cmsg_hello *m, sl_session **ret,
                            sl_error *err)
{
    sl_options *options = sl_options_copy(c->options);
    sl_code code = SL_OK;
    for (uint32_t i = 0; code == SL_OK && i < m->setting_count; i++)
        code = sl_options_set(options, m->settings[i].name, m->settings[i].value, err);
    if (code == SL_OK)
        *ret = sl_session_new(c->driver, options);
    sl_options_free(options);
    return code;
}

static void refuse(sl_clients *c, const char *to, const sl_error *err)
{
    sl_rclient r = { .clients = c, .address = (char *)(uintptr_t)to };
    sl_cmsg m = { .kind = SL_CMSG_WELCOME };
    m.u.welcome.error = sl_rclient__error(err);
    sl_rclient__send(&r, &m);
}

static void look(void *user);

static void attach_again(sl_rclient *r, const sl_cmsg_hello *m)
{
    for (uint32_t k = 0; k < m->attach_count; k++) {
        int32_t i = sl_driver_query_find(r->clients->driver, m->attach[k]);
        if (i >= 0)
            sl_driver_query_attach(r->clients->driver, (uint32_t)i, r->number);
    }
}

static void on_hello(sl_clients *c, const char *from, uint64_t incarnation,
                     const sl_cmsg_hello *m)
{
    sl_error err;
    sl_session *session = NULL;
    if (find_client(c, from) != NULL)
        return; /* it has its session; sl_clients_on_peer() ended another life's */
    sl_code code = check_hello(c, m, &err);
    if (code == SL_OK)
        code = make_session(c, m, &session, &err);
    if (code != SL_OK) {
        refuse(c, from, &err);
        return;
    }
    sl_rclient *r = (sl_rclient *)sl_calloc(1, sizeof *r);
    r->clients = c;
    r->number = ++c->last_number;
    r->address = sl_strdup(from);
    r->user = sl_strdup(m->user);
    r->incarnation = incarnation;
    r->session = session;
    r->heard_us = sl_host_mono_us(c->driver->host);
    r->next = c->first;
    c->first = r;
    sl_session_set_owner(session, r->number, m->directory);
    attach_again(r, m);
    sl_cmsg welcome = { .kind = SL_CMSG_WELCOME };
    welcome.u.welcome =
        (sl_cmsg_welcome){ .session = r->number, .server_version = SL_PRODUCT_VERSION };
    sl_rclient__send(r, &welcome);
    if (c->timer.id == 0)
        c->timer =
            sl_host_timer(c->driver->host, c, r->heard_us + LOOK_EVERY_US, look, c);
}

/* ---- going ---- */

static void free_client(sl_rclient *r)
{
    sl_rclient **at = &r->clients->first;
    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    drop_rows(r);
    sl_session_free(r->session);
    sl_free(r->address);
    sl_free(r->user);
    sl_free(r);
}

static void free_later(void *user)
{
    free_client((sl_rclient *)user);
}

/* Its statement is given up, its queries go on. */
static void go(sl_rclient *r, const char *why)
{
    if (r->is_gone)
        return;
    log_info("CLIENT-GONE", "%s (session %llu): %s", r->address,
             (unsigned long long)r->number, why);
    r->is_gone = true;
    sl_rclient__prints_unshown(r->clients, r->number);
    if (r->executing != 0)
        sl_session_cancel(r->session); /* on_answer frees */
    else
        free_client(r);
}

static void look(void *user)
{
    sl_clients *c = (sl_clients *)user;
    int64_t now = sl_host_mono_us(c->driver->host);
    for (sl_rclient *r = c->first, *next; r != NULL; r = next) {
        next = r->next;
        if (!r->is_gone && now - r->heard_us > SL_CLIENT_SILENCE_US)
            go(r, "silent");
    }
    c->timer = (sl_timer_ref){ 0 };
    if (c->first != NULL)
        c->timer = sl_host_timer(c->driver->host, c, now + LOOK_EVERY_US, look, c);
}

void sl_clients_on_peer(sl_clients *c, const char *from, uint64_t incarnation)
{
    sl_rclient *r = find_client(c, from);
    if (r != NULL && r->incarnation != incarnation)
        go(r, "another process answers at its address");
}

void sl_clients_on_disconnect(sl_clients *c, const char *from)
{
    sl_rclient *r = find_client(c, from);
    if (r != NULL) /* a moment to come back, then it is as if silent */
        r->heard_us =
            sl_host_mono_us(c->driver->host) - SL_CLIENT_SILENCE_US + 2 * LOOK_EVERY_US;
}

/* ---- frames ---- */

bool sl_clients__between_lives(const sl_clients *c)
{
    return c->driver->is_going_down && c->driver->registry != NULL;
}

static void free_hello(sl_waiting_hello *w)
{
    sl_bytes_deinit(&w->frame);
    sl_free(w->from);
    sl_free(w);
}

/* One for each address: of two processes there the later counts. */
static void keep_hello(sl_clients *c, const char *from, uint64_t incarnation,
                       sl_span frame)
{
    sl_waiting_hello **at = &c->waiting;
    while (*at != NULL && strcmp((*at)->from, from) != 0)
        at = &(*at)->next;
    if (*at == NULL) {
        if (c->waiting_count == SL_CLIENTS_MAX)
            return; /* it gives up, or says it again */
        *at = (sl_waiting_hello *)sl_calloc(1, sizeof **at);
        (*at)->from = sl_strdup(from);
        c->waiting_count++;
    }
    (*at)->incarnation = incarnation;
    sl_bytes_clear(&(*at)->frame);
    sl_bytes_append(&(*at)->frame, frame.data, frame.size_bytes);
}

void sl_clients_on_resumed(sl_clients *c)
{
    while (c->waiting != NULL) {
        sl_waiting_hello *w = c->waiting;
        c->waiting = w->next;
        c->waiting_count--;
        sl_clients_on_frame(c, w->from, w->incarnation, sl_bytes_span(&w->frame));
        free_hello(w);
    }
}

static bool is_printed(sl_span frame) /* a batch that ends waits for it */
{
    return frame.size_bytes > 5 && frame.data[5] == SL_CMSG_PRINTED;
}

void sl_clients_on_frame(sl_clients *c, const char *from, uint64_t incarnation,
                         sl_span frame)
{
    sl_arena *arena = sl_arena_new();
    sl_cmsg m;
    sl_error err;
    sl_rclient *r = find_client(c, from);
    if (r != NULL)
        r->heard_us = sl_host_mono_us(c->driver->host);
    if (sl_clients__between_lives(c) && r != NULL && !is_printed(frame)) {
        sl_arena_free(arena);
        return; /* the next driver answers */
    }
    if (sl_cmsg_decode(frame, arena, &m, &err) != SL_OK) {
        sl_transport_count(SL_TRANSPORT_UNDECODED, 1);
        log_warn("CLIENT-BAD-MESSAGE", "from %s: %s", from, err.text);
    } else if (m.kind == SL_CMSG_HELLO && c->driver->resuming > 0) {
        keep_hello(c, from, incarnation, frame);
    } else if (m.kind == SL_CMSG_HELLO) {
        on_hello(c, from, incarnation, &m.u.hello);
    } else if (r == NULL) {
        (void)sl_fail(&err, SL_ELOST, "the session is gone; connect again");
        refuse(c, from, &err);
    } else if (m.kind == SL_CMSG_REQUEST) {
        on_request(r, &m.u.request);
    } else if (m.kind == SL_CMSG_CREDIT) {
        on_credit(r, &m.u.credit);
    } else if (m.kind == SL_CMSG_HEAR) {
        r->hears_reports = m.u.hear.reports;
    } else if (m.kind == SL_CMSG_PRINTED) {
        sl_rclient__on_printed(r, &m.u.printed);
    } else if (m.kind == SL_CMSG_BYE) {
        go(r, "it said goodbye");
    } else if (m.kind != SL_CMSG_PING) {
        sl_transport_count(SL_TRANSPORT_UNDECODED, 1);
        log_warn("CLIENT-BAD-MESSAGE", "%s from %s is not for a driver",
                 sl_cmsg_kind_name(m.kind), from);
    }
    sl_arena_free(arena);
}

void sl_clients_on_query_event(sl_clients *c, sl_query_event_kind kind,
                               const sl_query_info *query)
{
    sl_cmsg m = { .kind = SL_CMSG_EVENT };
    m.u.event =
        (sl_cmsg_event){ .kind = (uint32_t)kind,
                         .query = sl_rclient__query(query),
                         .progress =
                             kind == SL_EVENT_PROGRESS ? query->last_progress : NULL };
    if (sl_clients__between_lives(c))
        return;
    bool is_report = kind == SL_EVENT_PROGRESS || kind == SL_EVENT_IDLE;
    for (sl_rclient *r = c->first; r != NULL; r = r->next) {
        m.u.event.is_own = r->number == query->owner;
        if (!r->is_gone && (!is_report || (m.u.event.is_own && r->hears_reports)))
            sl_rclient__send(r, &m);
    }
}

/* ---- life ---- */

sl_clients *sl_clients_new(sl_driver *d, const sl_options *options)
{
    sl_clients *c = (sl_clients *)sl_calloc(1, sizeof *c);
    c->driver = d;
    c->options = options != NULL ? sl_options_copy(options) : sl_options_new();
    sl_rclient__prints_init(c);
    return c;
}

void sl_clients_free(sl_clients *c)
{
    if (c == NULL)
        return;
    sl_host_close_owner(c->driver->host, c);
    while (c->waiting != NULL) {
        sl_waiting_hello *w = c->waiting;
        c->waiting = w->next;
        free_hello(w);
    }
    sl_rclient__drains_deinit(c);
    while (c->first != NULL)
        free_client(c->first);
    sl_rclient__prints_deinit(c);
    sl_options_free(c->options);
    sl_free(c);
}

uint32_t sl_clients_count(const sl_clients *c)
{
    uint32_t n = 0;
    for (const sl_rclient *r = c->first; r != NULL; r = r->next)
        n += !r->is_gone;
    return n;
}
