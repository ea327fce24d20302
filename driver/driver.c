#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/text.h"
#include "driver/driver_private.h"
#include "proto/client_messages.h"
#include "transport/metrics.h"

static const sl_option_def option_defs[] = {
#define O(name, type, default_text, unit, alias, min, max, meaning)                      \
    { name, SL_OPTION_##type, default_text, unit, alias, min, max, meaning },
#include "driver/options.def"
#undef O
};

void sl_driver_register_options(void)
{
    sl_options_register(option_defs, sizeof option_defs / sizeof *option_defs);
}

sl_code sl_driver__send(sl_driver *d, const char *to, const sl_message *m, sl_error *err)
{
    sl_bytes frame = { 0 };
    sl_message_encode(m, &frame);
    return sl_channel_send_bytes(d->channel, to, &frame, err);
}

/* ---- workers ---- */

static void on_joined(void *user, sl_dworker *w)
{
    sl_driver *d = (sl_driver *)user;
    (void)w;
    for (sl_dispatch *x = d->dispatches; x != NULL; x = sl_dispatch_next(x))
        sl_dispatch_on_worker(x);
}

static void on_lost(void *user, const sl_dworker *w, const char *why)
{
    sl_driver *d = (sl_driver *)user;
    sl_channel_drop_peer(d->channel, w->address);
    for (sl_dispatch *x = d->dispatches, *next; x != NULL; x = next) {
        next = sl_dispatch_next(x);
        sl_dispatch_on_worker_lost(x, w, why);
    }
}

static void answer(sl_driver *d, const char *to, const sl_message *m)
{
    sl_error err;
    if (sl_driver__send(d, to, m, &err) != SL_OK)
        log_warn("DRIVER-SEND", "%s to %s is dropped: %s", sl_message_kind_name(m->kind),
                 to, err.text);
}

static void reject(sl_driver *d, const char *to, const char *why, bool register_again)
{
    sl_message m = { .kind = SL_MSG_REJECTED };
    m.u.rejected = (sl_msg_rejected){ why, register_again };
    log_info("WORKER-REJECTED", "%s: %s", to, why);
    answer(d, to, &m);
}

static void on_register(sl_driver *d, const char *from, uint64_t incarnation,
                        const sl_msg_register *m)
{
    sl_worker_refusal refusal;
    sl_dworker *w =
        sl_worker_registry_register(d->workers, from, incarnation, m, &refusal);
    if (w == NULL) {
        reject(d, from, refusal.why, refusal.may_return);
        return;
    }
    sl_message registered = { .kind = SL_MSG_REGISTERED };
    registered.u.registered = (sl_msg_registered){ w->number, w->name };
    answer(d, from, &registered);
}

static uint64_t query_of(const sl_message *m)
{
    switch (m->kind) {
    case SL_MSG_RESULT:
        return m->u.result.at.query;
    case SL_MSG_DONE:
        return m->u.done.at.query;
    case SL_MSG_FAILED:
        return m->u.failed.at.query;
    case SL_MSG_SNAPSHOT:
        return m->u.snapshot.query;
    default:
        return 0;
    }
}

/* *ret_kept: the arena is taken. */
static void on_worker_message(sl_driver *d, const char *from, uint64_t incarnation,
                              const sl_message *m, sl_arena *arena, bool *ret_kept)
{
    const sl_dworker *w = sl_worker_registry_find(d->workers, from);
    bool was_suspect = w != NULL && w->state == SL_WORKER_SUSPECT;
    if (!sl_worker_registry_heard(d->workers, from, incarnation)) {
        reject(d, from, "it is not registered, or was given up as dead", true);
        return;
    }
    if (was_suspect)
        on_joined(d, NULL);
    if (m->kind == SL_MSG_LEAVE) {
        sl_worker_registry_lose(d->workers, from, "it left");
        return;
    }
    if (m->kind == SL_MSG_HEARTBEAT) {
        sl_worker_registry_heartbeat(d->workers, from, &m->u.heartbeat);
        return;
    }
    uint64_t number = query_of(m);
    sl_dispatch *x = d->dispatches;
    while (x != NULL && sl_dispatch_number(x) != number)
        x = sl_dispatch_next(x);
    if (x != NULL)
        sl_dispatch_on_message(x, w, m, arena, ret_kept);
}

static void on_message(void *user, const char *from, uint64_t incarnation, sl_blob *blob)
{
    sl_driver *d = (sl_driver *)user;
    sl_span frame = sl_blob_span(blob);
    if (sl_cmsg_is(frame)) {
        sl_clients_on_frame(d->clients, from, incarnation, frame);
        return;
    }
    sl_arena *arena = sl_arena_new();
    sl_message m;
    sl_error err;
    bool kept = false;
    if (sl_message_decode(frame, arena, &m, &err) != SL_OK) {
        sl_transport_count(SL_TRANSPORT_UNDECODED, 1);
        log_warn("DRIVER-BAD-MESSAGE", "from %s: %s", from, err.text);
    } else if (m.kind == SL_MSG_REGISTER) {
        on_register(d, from, incarnation, &m.u.reg);
    } else {
        on_worker_message(d, from, incarnation, &m, arena, &kept);
    }
    if (!kept)
        sl_arena_free(arena);
}

static void on_peer(void *user, const char *from, uint64_t incarnation)
{
    sl_driver *d = (sl_driver *)user;
    const sl_dworker *w = sl_worker_registry_find(d->workers, from);
    sl_clients_on_peer(d->clients, from, incarnation);
    if (w != NULL && w->incarnation != incarnation)
        sl_worker_registry_lose(d->workers, from,
                                "another process answers at its address");
}

/* A hint that comes at once where silence would take seconds. */
static void on_link(void *user, const char *peer, uint64_t incarnation, bool up)
{
    sl_driver *d = (sl_driver *)user;
    if (up) {
        (void)sl_worker_registry_heard(d->workers, peer, incarnation);
        return;
    }
    sl_worker_registry_disconnected(d->workers, peer);
    sl_clients_on_disconnect(d->clients, peer);
}

sl_dworker *sl_driver__workers(const sl_driver *d)
{
    return sl_worker_registry_first(d->workers);
}

const char *sl_driver_address(const sl_driver *d)
{
    return sl_channel_address(d->channel);
}

uint32_t sl_driver__slots(const sl_driver *d)
{
    return sl_worker_registry_slots(d->workers);
}

uint32_t sl_driver__partitions(const sl_driver *d, const sl_options *options)
{
    if (!sl_options_is_auto(options, "sluice.state.partitions"))
        return (uint32_t)sl_options_int(options, "sluice.state.partitions");
    uint32_t n = 2 * sl_driver__slots(d);
    return n < 8 ? 8 : n;
}

/* ---- lanes of streams ---- */

sl_lane sl_driver__lane_take(sl_driver *d)
{
    if (d->free_lane_count > 0)
        return d->free_lanes[--d->free_lane_count];
    char name[32];
    snprintf(name, sizeof name, "stream-%u", d->lanes_made++);
    return sl_host_lane(d->host, name);
}

void sl_driver__lane_give(sl_driver *d, sl_lane lane)
{
    if (d->free_lane_count < sizeof d->free_lanes / sizeof *d->free_lanes)
        d->free_lanes[d->free_lane_count++] = lane;
}

/* ---- life ---- */

static sl_worker_timing timing_of(const sl_options *options)
{
    sl_options *defaults = options == NULL ? sl_options_new() : NULL;
    const sl_options *o = options != NULL ? options : defaults;
    sl_worker_timing t = {
        .suspect_us = sl_options_int(o, "sluice.worker.suspectAfter"),
        .dead_us = sl_options_int(o, "sluice.worker.deadAfter"),
        .reconnect_us = sl_options_int(o, "sluice.worker.reconnectWithin"),
    };
    sl_options_free(defaults);
    return t;
}

sl_code sl_driver_new(sl_host *host, sl_network *network, const sl_driver_config *config,
                      sl_driver **ret, sl_error *err)
{
    sl_driver *d = (sl_driver *)sl_calloc(1, sizeof *d);
    d->host = host;
    d->config = *config;
    d->address = sl_strdup(config->address);
    d->temp_dir = sl_strdup(config->temp_dir);
    d->started_us = sl_host_mono_us(host);
    d->clients = sl_clients_new(d, config->options);
    d->incarnation = sl_host_rand64(host) | 1;
    /* Run numbers differ between the lives of a driver: workers outlive it. */
    d->next_run = (d->incarnation << 24) + 1;
    d->planner = sl_host_lane(host, "planner");
    d->workers = sl_worker_registry_new(host, timing_of(config->options),
                                        (sl_worker_callbacks){ on_joined, on_lost, d });
    sl_channel_callbacks callbacks = {
        .on_message = on_message, .on_peer = on_peer, .on_link = on_link, .user = d
    };
    sl_code code = SL_OK;
    if (config->directory != NULL)
        code = sl_query_registry_open(host->fs, config->kv, config->directory,
                                      &d->registry, err);
    if (code == SL_OK)
        code = sl_channel_new(host, network, d->address, d->incarnation, callbacks,
                              &d->channel, err);
    if (code != SL_OK) {
        sl_driver_free(d);
        return code;
    }
    *ret = d;
    return SL_OK;
}

void sl_driver_free(sl_driver *d)
{
    if (d == NULL)
        return;
    d->is_going_down = true;
    sl_clients_stop(d->clients); /* no lane waits for a client any more */
    sl_host_close_owner(d->host, d);
    sl_clients_free(d->clients);
    while (d->sessions != NULL)
        sl_session_free(d->sessions);
    while (d->streams != NULL) {
        sl_stream *s = d->streams;
        d->streams = sl_stream_next(s);
        sl_stream_free(s);
    }
    while (d->dispatches != NULL)
        sl_dispatch_free(d->dispatches);
    sl_channel_free(d->channel);
    sl_worker_registry_free(d->workers);
    sl_query_registry_close(d->registry);
    if (d->has_temporary &&
        d->config.directory == NULL) /* else queries will be resumed */
        (void)!sl_fs_remove_tree(d->host->fs, d->temp_dir, NULL);
    sl_free(d->address);
    sl_free(d->temp_dir);
    sl_free(d);
}

/* ---- queries as callers see them ---- */

static sl_stream *stream_at(const sl_driver *d, uint32_t i)
{
    sl_stream *s = d->streams;
    while (i-- > 0 && s != NULL)
        s = sl_stream_next(s);
    SL_ASSERT(s != NULL);
    return s;
}

uint32_t sl_driver_query_count(const sl_driver *d)
{
    uint32_t n = 0;
    for (const sl_stream *s = d->streams; s != NULL; s = sl_stream_next(s))
        n++;
    return n;
}

void sl_driver_query_info(const sl_driver *d, uint32_t i, sl_query_info *ret)
{
    sl_stream_info(stream_at(d, i), ret);
}

/* The newest one wins: a name may be used again once its query is over. */
int32_t sl_driver_query_find(const sl_driver *d, const char *name_or_id)
{
    int32_t found = -1;
    int32_t i = 0;
    for (const sl_stream *s = d->streams; s != NULL; s = sl_stream_next(s), i++) {
        sl_query_info info;
        sl_stream_info(s, &info);
        if (strcmp(info.name, name_or_id) == 0 || strcmp(info.id, name_or_id) == 0 ||
            strcmp(info.run_id, name_or_id) == 0)
            found = i;
    }
    return found;
}

uint32_t sl_driver_queries_active(const sl_driver *d)
{
    uint32_t n = 0;
    for (const sl_stream *s = d->streams; s != NULL; s = sl_stream_next(s))
        n += !sl_stream_is_over(s);
    return n;
}

uint32_t sl_driver_query_progress(const sl_driver *d, uint32_t i, const char *const **ret)
{
    return sl_stream_progress(stream_at(d, i), ret);
}

void sl_driver_query_stop(sl_driver *d, uint32_t i, bool abandon)
{
    sl_stream_stop(stream_at(d, i), abandon);
}

void sl_driver_query_process_all(sl_driver *d, uint32_t i, void (*fn)(void *user),
                                 void *user)
{
    sl_stream_process_all(stream_at(d, i), fn, user);
}

void sl_driver_query_forget_process_all(sl_driver *d, const char *run_id, void *user)
{
    int32_t i = sl_driver_query_find(d, run_id);
    if (i >= 0)
        sl_stream_forget_process_all(stream_at(d, (uint32_t)i), user);
}

void sl_driver_stop(sl_driver *d, bool abandon)
{
    for (sl_stream *s = d->streams; s != NULL; s = sl_stream_next(s))
        sl_stream_stop(s, abandon);
}

void sl_driver_shut_down(sl_driver *d, bool abandon)
{
    d->is_going_down = true;
    sl_driver_stop(d, abandon);
}

sl_code sl_query_not_found(const char *name, const char *const *names, uint32_t count,
                           sl_error *err)
{
    const char *near = sl_text_nearest(name, names, count);
    return sl_fail_as(err, SL_ENOTFOUND, "STREAMING_QUERY_NOT_FOUND", "42704",
                      "There is no streaming query `%.200s`%s%.200s%s", name,
                      near != NULL ? "; did you mean `" : "", near != NULL ? near : "",
                      near != NULL ? "`?" : "; SHOW STREAMING QUERIES lists them");
}

sl_code sl_driver_no_such_query(const sl_driver *d, const char *name, sl_error *err)
{
    uint32_t n = sl_driver_query_count(d);
    const char **names = (const char **)sl_calloc(n + (size_t)1, sizeof *names);
    for (uint32_t i = 0; i < n; i++) {
        sl_query_info info;
        sl_driver_query_info(d, i, &info);
        names[i] = info.name;
    }
    sl_code code = sl_query_not_found(name, names, n, err);
    sl_free(names);
    return code;
}

void sl_driver_query_attach(sl_driver *d, uint32_t i, uint64_t owner)
{
    sl_stream_attach(stream_at(d, i), owner);
}

void sl_driver_set_listener(sl_driver *d, sl_query_listener listener, void *user)
{
    d->listener = listener;
    d->listener_user = user;
}

void sl_driver__event(sl_driver *d, sl_query_event_kind kind, const sl_stream *s)
{
    sl_query_info info;
    sl_stream_info(s, &info);
    sl_clients_on_query_event(d->clients, kind, &info);
    if (d->listener != NULL)
        d->listener(d->listener_user, kind, &info);
}
