#include "worker/worker.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "transport/metrics.h"
#include "worker/worker_private.h"

void sl_worker__send(sl_worker *w, const sl_message *m)
{
    sl_bytes frame = { 0 };
    sl_error err;
    sl_message_encode(m, &frame);
    if (sl_channel_send_bytes(w->channel, w->driver_address, &frame, &err) != SL_OK)
        log_warn("WORKER-SEND", "%s to the driver is dropped: %s",
                 sl_message_kind_name(m->kind), err.text);
}

static sl_wquery *find_query(sl_worker *w, uint64_t number)
{
    for (sl_wquery *q = w->queries; q != NULL; q = q->next)
        if (q->number == number)
            return q;
    return NULL;
}

/* ---- deployment ---- */

static void query_free(sl_wquery *q)
{
    for (uint32_t i = 0; i < q->partition_count; i++)
        sl_wpartition__deinit(&q->partitions[i]);
    sl_free(q->partitions);
    sl_segment_writer_free(q->segments);
    sl_physical_free(q->plan);
    sl_shuffle_forget_run(q->worker->shuffle, q->number);
    sl_arena_free(q->pending_arena);
    sl_arena_free(q->arena);
    sl_free(q);
}

void sl_worker__query_gone(sl_wquery *q)
{
    if (!q->closing || q->attempt != NULL || q->committing != NULL)
        return;
    for (uint32_t i = 0; i < q->partition_count; i++)
        if (q->partitions[i].maintenance != NULL)
            return;
    sl_wquery **at = &q->worker->queries;
    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
    query_free(q);
}

static const char *setting_of(const sl_msg_deploy *m, const char *name)
{
    for (uint32_t i = 0; i < m->setting_count; i++)
        if (strcmp(m->settings[i].name, name) == 0)
            return m->settings[i].value;
    return NULL;
}

static uint32_t number_setting(const sl_msg_deploy *m, const char *name, int64_t max)
{
    const char *text = setting_of(m, name);
    int64_t v = 0;
    if (text == NULL || sl_int64_parse(text, &v, NULL) != SL_OK || v < 0 || v > max)
        return 0;
    return (uint32_t)v;
}

static void failpoint(void *user, const char *name)
{
    sl_host_failpoint((sl_host *)user, name);
}

static sl_code open_segments(sl_wquery *q, sl_error *err)
{
    char dir[4096 + 32], id[40];
    snprintf(dir, sizeof dir, "%s/state/segments", q->checkpoint);
    snprintf(id, sizeof id, "%016llx", (unsigned long long)q->worker->incarnation);
    sl_segment_options options = {
        .fs = q->worker->host->fs,
        .dir = dir,
        .writer_id = id,
        .query_id = q->query_id,
        .failpoints = { failpoint, q->worker->host },
    };
    return sl_segment_writer_new(&options, &q->segments, err);
}

static sl_code fill_query(sl_wquery *q, const sl_msg_deploy *m, sl_error *err)
{
    const char *zone = setting_of(m, "timeZone");
    SL_TRY(sl_physical_read(m->fragment, &q->plan, err));
    SL_TRY(sl_time_zone_find(zone != NULL ? zone : "UTC", &q->zone, err));
    q->fragment_hash = m->fragment_hash;
    q->query_id = sl_arena_strdup(q->arena, m->query_id);
    q->checkpoint = sl_arena_strdup(q->arena, m->checkpoint);
    q->query_hash = m->query_hash;
    q->chunk_rows = number_setting(m, "chunkRows", SL_CHUNK_ROWS_MAX);
    q->partial_groups_max = number_setting(m, "partialGroups", INT32_MAX);
    q->partition_count = m->partitions;
    if (m->partitions == 0 || m->partitions > SL_STATE_PARTITIONS_MAX)
        return sl_fail(err, SL_EINVAL, "a query with %u partitions", m->partitions);
    q->partitions = (sl_wpartition *)sl_calloc(m->partitions, sizeof *q->partitions);
    for (uint32_t i = 0; i < m->partitions; i++)
        sl_wpartition__init(&q->partitions[i], i);
    const char *limit = setting_of(m, "memory");
    int64_t limit_bytes = INT64_MAX;
    if (limit != NULL &&
        (sl_int64_parse(limit, &limit_bytes, NULL) != SL_OK || limit_bytes <= 0))
        limit_bytes = INT64_MAX;
    sl_budget_init(&q->budget, &q->worker->budget, "query", limit_bytes);
    return *q->checkpoint != '\0' ? open_segments(q, err) : SL_OK;
}

static void on_deploy(sl_worker *w, const sl_msg_deploy *m)
{
    if (find_query(w, m->query) != NULL)
        return; /* resent */
    sl_wquery *q = (sl_wquery *)sl_calloc(1, sizeof *q);
    sl_error err;
    q->worker = w;
    q->number = m->query;
    q->arena = sl_arena_new();
    if (fill_query(q, m, &err) != SL_OK) {
        w->refused = m->query;
        w->deploy_error = err;
        log_error("WORKER-DEPLOY", "query %llu cannot be deployed: %s",
                  (unsigned long long)m->query, err.text);
        query_free(q); /* its TASKs are answered with this */
        return;
    }
    q->next = w->queries;
    w->queries = q;
}

static void on_undeploy(sl_worker *w, const sl_msg_undeploy *m)
{
    sl_wquery *q = find_query(w, m->query);
    if (q == NULL)
        return;
    q->closing = true;
    sl_arena_free(q->pending_arena);
    q->pending_arena = NULL;
    sl_wattempt__abort(q);
    q = find_query(w, m->query); /* gone already if nothing had to be waited for */
    if (q != NULL)
        sl_worker__query_gone(q);
}

/* ---- messages ---- */

static void answer_not_deployed(sl_worker *w, const sl_msg_task *task)
{
    sl_error err;
    if (w->refused == task->at.query)
        err = w->deploy_error;
    else
        (void)sl_fail(&err, SL_EAGAIN, "the worker holds no plan of this query");
    sl_message m = { .kind = SL_MSG_FAILED };
    m.u.failed = (sl_msg_failed){ .at = task->at,
                                  .need_plan = true,
                                  .code = err.code,
                                  .condition = err.condition,
                                  .sqlstate = err.sqlstate,
                                  .text = err.text };
    sl_worker__send(w, &m);
}

static bool is_newer(const sl_msg_attempt *a, const sl_msg_attempt *b)
{
    if (a->epoch != b->epoch)
        return a->epoch > b->epoch;
    if (a->batch != b->batch)
        return a->batch > b->batch;
    return a->attempt > b->attempt;
}

/* Takes the arena. */
static void on_task(sl_worker *w, sl_arena *arena, const sl_msg_task *task)
{
    sl_wquery *q = find_query(w, task->at.query);
    if (q == NULL || q->closing) {
        if (q == NULL)
            answer_not_deployed(w, task);
        sl_arena_free(arena);
        return;
    }
    if (q->attempt == NULL) {
        sl_wattempt__start(q, arena, task);
        return;
    }
    if (q->pending_arena != NULL && !is_newer(&task->at, &q->pending.at)) {
        sl_arena_free(arena);
        return;
    }
    sl_arena_free(q->pending_arena);
    q->pending_arena = arena;
    q->pending = *task;
    sl_wattempt__abort(q); /* a new try of the batch means that the old one is void */
}

/* Let go of everything: what another worker has by now must not be touched from here. */
static void fence(sl_worker *w, const char *why, bool may_return)
{
    if (w->fenced)
        return;
    w->fenced = true;
    log_warn("WORKER-FENCED", "%s: %s", w->address, why);
    for (sl_wquery *q = w->queries, *next; q != NULL; q = next) {
        next = q->next;
        on_undeploy(w, &(sl_msg_undeploy){ q->number });
    }
    if (w->config.on_fenced != NULL)
        w->config.on_fenced(w->config.user, why, may_return);
}

static void on_message(void *user, const char *from, uint64_t incarnation, sl_blob *frame)
{
    sl_worker *w = (sl_worker *)user;
    sl_arena *arena = sl_arena_new();
    sl_message m;
    sl_error err;
    sl_wquery *q;
    if (w->fenced || sl_shuffle_on_message(w->shuffle, from, incarnation, frame)) {
        sl_arena_free(arena);
        return;
    }
    if (sl_message_decode(sl_blob_span(frame), arena, &m, &err) != SL_OK) {
        sl_transport_count(SL_TRANSPORT_UNDECODED, 1);
        log_warn("WORKER-BAD-MESSAGE", "from %s: %s", from, err.text);
        sl_arena_free(arena);
        return;
    }
    if (strcmp(from, w->driver_address) !=
        0) { /* who else may end a query or fence us? */
        sl_transport_count(SL_TRANSPORT_UNDECODED, 1);
        log_warn("WORKER-BAD-MESSAGE", "%s from %s, which is not the driver",
                 sl_message_kind_name(m.kind), from);
        sl_arena_free(arena);
        return;
    }
    switch (m.kind) {
    case SL_MSG_REGISTERED:
        w->registered = true;
        if (w->config.on_registered != NULL)
            w->config.on_registered(w->config.user, m.u.registered.name);
        break;
    case SL_MSG_REJECTED:
        fence(w, m.u.rejected.why, m.u.rejected.register_again);
        break;
    case SL_MSG_DEPLOY:
        on_deploy(w, &m.u.deploy);
        break;
    case SL_MSG_UNDEPLOY:
        on_undeploy(w, &m.u.undeploy);
        break;
    case SL_MSG_TASK:
        on_task(w, arena, &m.u.task);
        return;
    case SL_MSG_COMMITTED:
        q = find_query(w, m.u.committed.at.query);
        if (q != NULL)
            sl_wattempt__commit(q, &m.u.committed);
        break;
    case SL_MSG_RESULT_CREDIT:
        q = find_query(w, m.u.result_credit.at.query);
        if (q != NULL)
            sl_wattempt__credit(q, &m.u.result_credit);
        break;
    case SL_MSG_ABORT:
        q = find_query(w, m.u.abort.at.query);
        if (q != NULL)
            sl_wattempt__abort(q);
        break;
    default:
        sl_transport_count(SL_TRANSPORT_UNDECODED, 1);
        log_warn("WORKER-BAD-MESSAGE", "%s from %s is not for a worker",
                 sl_message_kind_name(m.kind), from);
    }
    sl_arena_free(arena);
}

static void send_register(sl_worker *w)
{
    sl_message m = { .kind = SL_MSG_REGISTER };
    m.u.reg = (sl_msg_register){ .incarnation = w->incarnation,
                                 .protocol_version = SL_PROTOCOL_VERSION,
                                 .slots = w->config.slots,
                                 .memory_bytes = w->config.memory_bytes,
                                 .host = w->host_name,
                                 .pid = (int64_t)getpid(),
                                 .name = w->name,
                                 .fence_us = w->config.fence_us };
    sl_worker__send(w, &m);
}

static void on_room(void *user, const char *to)
{
    sl_worker *w = (sl_worker *)user;
    sl_shuffle_on_room(w->shuffle, to);
}

/* A driver that came back as another process knows nothing of us and our queries. */
static void on_peer(void *user, const char *from, uint64_t incarnation)
{
    sl_worker *w = (sl_worker *)user;
    if (strcmp(from, w->driver_address) != 0) {
        sl_shuffle_on_peer(w->shuffle, from, incarnation);
        return;
    }
    if (!w->registered || w->fenced)
        return;
    w->registered = false;
    for (sl_wquery *q = w->queries, *next; q != NULL; q = next) {
        next = q->next;
        on_undeploy(w, &(sl_msg_undeploy){ q->number });
    }
    send_register(w);
}

/* When to let go if nothing changes: a driver that gave us up may still be heard, but it
 * takes nothing, what we send stays unacknowledged. */
static int64_t fence_at_us(const sl_worker *w)
{
    int64_t heard = sl_channel_heard_us(w->channel, w->driver_address);
    int64_t taken = sl_channel_taken_us(w->channel, w->driver_address);
    if (!w->registered || w->config.fence_us <= 0)
        return INT64_MAX;
    return (heard < taken ? heard : taken) + w->config.fence_us;
}

static void on_heartbeat(void *user)
{
    sl_worker *w = (sl_worker *)user;
    sl_message m = { .kind = SL_MSG_HEARTBEAT };
    sl_shuffle_flight flight;
    int64_t now = sl_host_mono_us(w->host);
    if (now >= fence_at_us(w))
        fence(w, "the driver has taken nothing from here for too long", true);
    if (w->fenced)
        return;
    m.u.heartbeat.incarnation = w->incarnation;
    m.u.heartbeat.progress = atomic_load_explicit(&w->progress, memory_order_relaxed);
    m.u.heartbeat.memory_used_bytes = sl_budget_used(&w->budget);
    sl_shuffle_in_flight(w->shuffle, &flight);
    m.u.heartbeat.shuffle_sent_bytes = flight.sent_bytes;
    m.u.heartbeat.shuffle_received_bytes = flight.received_bytes;
    for (const sl_wquery *q = w->queries; q != NULL; q = q->next)
        m.u.heartbeat.tasks_running += q->attempt != NULL;
    sl_worker__send(w, &m);
    /* Not a heartbeat late: the driver gives our state to another soon after. */
    int64_t next = now + w->config.heartbeat_us, fence_at = fence_at_us(w);
    w->timer =
        sl_host_timer(w->host, w, fence_at < next ? fence_at : next, on_heartbeat, w);
}

static void make_lanes(sl_worker *w)
{
    w->executors = (sl_lane *)sl_calloc(w->config.slots, sizeof *w->executors);
    for (uint32_t i = 0; i < w->config.slots; i++) {
        char name[32];
        snprintf(name, sizeof name, "executor-%u", i);
        w->executors[i] = sl_host_lane(w->host, name);
    }
    w->state_store = sl_host_lane(w->host, "state-store");
    w->maintenance = sl_host_lane(w->host, "maintenance");
}

sl_code sl_worker_new(sl_host *host, sl_network *network, const sl_worker_config *config,
                      sl_worker **ret, sl_error *err)
{
    if (config->slots == 0 || config->slots > SL_EXECUTORS_MAX)
        return sl_fail(err, SL_EINVAL, "a worker needs 1 to %d slots, not %u",
                       SL_EXECUTORS_MAX, config->slots);
    sl_worker *w = (sl_worker *)sl_calloc(1, sizeof *w);
    w->host = host;
    w->config = *config;
    if (w->config.snapshot_rule == NULL)
        w->config.snapshot_rule = &sl_state_snapshot_usual;
    w->address = sl_strdup(config->address);
    w->driver_address = sl_strdup(config->driver_address);
    w->host_name = sl_strdup(config->host_name != NULL ? config->host_name : "localhost");
    w->name = sl_strdup(config->name != NULL ? config->name : "");
    w->work_dir = sl_strdup(config->work_dir);
    w->incarnation = sl_host_rand64(host) | 1;
    sl_budget_init(&w->budget, NULL, "worker", config->memory_bytes);
    sl_channel_callbacks callbacks = {
        .on_message = on_message, .on_peer = on_peer, .on_room = on_room, .user = w
    };
    sl_code code = sl_channel_new(host, network, w->address, w->incarnation, callbacks,
                                  &w->channel, err);
    if (code != SL_OK) {
        sl_worker_free(w);
        return code;
    }
    char spill_dir[4096];
    snprintf(spill_dir, sizeof spill_dir, "%s/spill", w->work_dir);
    w->shuffle = sl_shuffle_new(&(sl_shuffle_config){
        .host = host, .channel = w->channel, .spill_dir = spill_dir });
    make_lanes(w);
    send_register(w);
    w->timer = sl_host_timer(host, w, sl_host_mono_us(host) + config->heartbeat_us,
                             on_heartbeat, w);
    *ret = w;
    return SL_OK;
}

const char *sl_worker_address(const sl_worker *w)
{
    return sl_channel_address(w->channel);
}

void sl_worker_leave(sl_worker *w)
{
    sl_message m = { .kind = SL_MSG_LEAVE };
    if (w->registered && !w->fenced)
        sl_worker__send(w, &m);
}

void sl_worker_free(sl_worker *w)
{
    if (w == NULL)
        return;
    for (sl_wquery *q = w->queries; q != NULL; q = q->next)
        q->closing = true;
    sl_host_close_owner(w->host, w);
    while (w->queries != NULL) {
        sl_wquery *q = w->queries;
        w->queries = q->next;
        sl_wattempt__abandon(q);
        query_free(q);
    }
    sl_shuffle_free(w->shuffle);
    sl_channel_free(w->channel);
    if (w->work_dir != NULL && *w->work_dir != '\0')
        (void)!sl_fs_remove_tree(w->host->fs, w->work_dir, NULL);
    sl_free(w->executors);
    sl_free(w->address);
    sl_free(w->driver_address);
    sl_free(w->host_name);
    sl_free(w->name);
    sl_free(w->work_dir);
    sl_free(w);
}

int64_t sl_worker_memory_used(const sl_worker *w)
{
    return sl_budget_used(&w->budget);
}

int64_t sl_worker_memory_peak(const sl_worker *w)
{
    return atomic_load(&w->budget.peak_bytes);
}
