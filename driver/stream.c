/* Life of a streaming query: start, triggers, stop, end.  The table of moves stands here.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "driver/stream_private.h"

#define IDLE_DELAY_MAX_US 100000

static const char *const state_names[] = { "STARTING", "WAITING",    "PLANNING",
                                           "RUNNING",  "COMMITTING", "RETRYING",
                                           "STOPPED",  "FAILED" };

#define BIT(x) (1u << SL_QUERY_##x)
static const unsigned moves[] = {
    [SL_QUERY_STARTING] = BIT(WAITING) | BIT(RETRYING) | BIT(STOPPED) | BIT(FAILED),
    [SL_QUERY_WAITING] = BIT(PLANNING) | BIT(RUNNING) | BIT(STOPPED) | BIT(FAILED),
    [SL_QUERY_PLANNING] =
        BIT(WAITING) | BIT(RUNNING) | BIT(RETRYING) | BIT(STOPPED) | BIT(FAILED),
    [SL_QUERY_RUNNING] = BIT(COMMITTING) | BIT(RETRYING) | BIT(STOPPED) | BIT(FAILED),
    [SL_QUERY_COMMITTING] = BIT(WAITING) | BIT(RETRYING) | BIT(STOPPED) | BIT(FAILED),
    [SL_QUERY_RETRYING] =
        BIT(RUNNING) | BIT(COMMITTING) | BIT(STARTING) | BIT(STOPPED) | BIT(FAILED),
    [SL_QUERY_STOPPED] = 0,
    [SL_QUERY_FAILED] = 0,
};

/* What must hold in each state, besides the move being allowed. */
static void check_invariants(const sl_stream *s)
{
    bool over = s->state == SL_QUERY_STOPPED || s->state == SL_QUERY_FAILED;
    SL_ASSERT(!over || (s->journal == NULL && s->lock == NULL && !s->job_running));
    SL_ASSERT(s->state != SL_QUERY_RUNNING || s->dispatch != NULL);
    SL_ASSERT(s->state != SL_QUERY_WAITING || !s->job_running);
}

const char *sl_query_state_name(sl_query_state state)
{
    return state_names[state];
}

void sl_stream__move(sl_stream *s, sl_query_state to)
{
    SL_ASSERT((moves[s->state] & (1u << to)) != 0);
    log_debug("QUERY-MOVE", "%s: %s -> %s", s->name, state_names[s->state],
              state_names[to]);
    s->state = to;
    check_invariants(s);
}

void sl_stream__say(sl_stream *s, const char *message)
{
    snprintf(s->message, sizeof s->message, "%s", message);
}

void sl_stream__failpoint(void *user, const char *name)
{
    sl_host_failpoint(((sl_stream *)user)->driver->host, name);
}

static int64_t wall_of(void *user)
{
    return sl_host_wall_us((sl_host *)user);
}

sl_source_env sl_stream__source_env(sl_stream *s)
{
    return (sl_source_env){ .fs = s->driver->host->fs,
                            .wall_us = wall_of,
                            .user = s->driver->host,
                            .zone = s->zone,
                            .slice_bytes =
                                sl_options_int(s->options, "sluice.source.sliceBytes"),
                            .memory = s->driver->config.memory };
}

/* ---- jobs ---- */

static void end_now(sl_stream *s);

static void job_done(sl_job *job)
{
    sl_stream *s = sl_stream__of(job);
    s->job_running = false;
    if (s->abandon_wanted || s->error.code != SL_OK)
        end_now(s);
    else
        s->after(s);
}

void sl_stream__job(sl_stream *s, const char *name, void (*run)(sl_job *job),
                    void (*after)(sl_stream *s))
{
    SL_ASSERT(!s->job_running);
    s->job_running = true;
    s->job_code = SL_OK;
    s->after = after;
    s->job = (sl_job){ .name = name, .run = run, .done = job_done, .owner = s->driver };
    sl_host_submit(s->driver->host, s->lane, &s->job);
}

/* ---- the end ---- */

static void close_run(sl_job *job)
{
    sl_stream *s = sl_stream__of(job);
    sl_stream__close(s);
    if (s->driver->is_going_down)
        return; /* the next driver resumes it */
    if (s->is_temporary && s->error.code == SL_OK)
        (void)!sl_fs_remove_tree(s->driver->host->fs, s->checkpoint, NULL);
    sl_stream__unregister(s);
}

static void end_drain(sl_stream *s);

static void close_done(sl_job *job)
{
    sl_stream *s = sl_stream__of(job);
    s->job_running = false;
    sl_driver__lane_give(s->driver, s->lane);
    if (s->error.code != SL_OK) {
        char text[sizeof s->message];
        snprintf(text, sizeof text, "Terminated with exception: %.200s", s->error.text);
        sl_stream__say(s, text);
        sl_stream__move(s, SL_QUERY_FAILED);
        sl_driver__count(QUERIES_FAILED, 1);
    } else {
        sl_stream__say(s, "Stopped");
        sl_stream__move(s, SL_QUERY_STOPPED);
    }
    s->data_available = false;
    sl_driver__event(s->driver, SL_EVENT_TERMINATED, s);
    if (!s->started) {
        s->started = true;
        if (s->on_started != NULL)
            s->on_started(s->started_user, s, s->error.code != SL_OK ? &s->error : NULL);
    }
    while (s->end_count > 0) {
        s->end_count--;
        s->ends[s->end_count].fn(s->ends[s->end_count].user);
    }
    while (s->drain_count > 0)
        end_drain(s);
}

/* No job runs: let go of the workers and close what the lane opened. */
static void end_now(sl_stream *s)
{
    SL_ASSERT(!s->job_running);
    sl_host_timer_cancel(s->driver->host, s->timer);
    sl_dispatch_free(s->dispatch);
    s->dispatch = NULL;
    s->job_running = true;
    s->job = (sl_job){
        .name = "close-query", .run = close_run, .done = close_done, .owner = s->driver
    };
    sl_host_submit(s->driver->host, s->lane, &s->job);
}

void sl_stream__fail(sl_stream *s, const sl_error *err)
{
    if (s->error.code == SL_OK)
        s->error = *err; /* the first cause */
    if (!s->job_running)
        end_now(s);
}

void sl_stream__finish(sl_stream *s)
{
    s->abandon_wanted = true;
    if (!s->job_running)
        end_now(s);
}

bool sl_stream_is_over(const sl_stream *s)
{
    return s->state == SL_QUERY_STOPPED || s->state == SL_QUERY_FAILED;
}

static void forget_run(sl_job *job)
{
    sl_stream__unregister(sl_stream__of(job));
}

static void forget_done(sl_job *job)
{
    sl_stream__of(job)->job_running = false;
}

/* One that could not be resumed would be tried by every driver to come. */
static void forget(sl_stream *s)
{
    if (!s->is_resumed || s->is_registered || s->is_forgotten || s->job_running)
        return;
    s->stop_wanted = s->job_running = true;
    s->job = (sl_job){
        .name = "forget-query", .run = forget_run, .done = forget_done, .owner = s->driver
    };
    sl_host_submit(s->driver->host, s->driver->planner, &s->job);
}

void sl_stream_stop(sl_stream *s, bool abandon)
{
    if (sl_stream_is_over(s))
        forget(s);
    if (sl_stream_is_over(s) || s->abandon_wanted)
        return;
    s->stop_wanted = true;
    if (abandon)
        sl_dispatch_cancel(s->dispatch);
    if (abandon || (s->state == SL_QUERY_WAITING && !s->job_running))
        sl_stream__finish(s);
}

void sl_stream_on_end(sl_stream *s, void (*fn)(void *user), void *user)
{
    if (sl_stream_is_over(s)) {
        fn(user);
        return;
    }
    SL_ASSERT(s->end_count < SL_STREAM_END_LISTENERS_MAX);
    s->ends[s->end_count].fn = fn;
    s->ends[s->end_count++].user = user;
}

void sl_stream_forget_end(sl_stream *s, void *user)
{
    for (uint32_t i = 0; i < s->end_count; i++)
        if (s->ends[i].user == user)
            s->ends[i--] = s->ends[--s->end_count];
}

/* ---- until nothing is new (Spark's processAllAvailable) ---- */

/* The first of them is told and forgotten. */
static void end_drain(sl_stream *s)
{
    struct sl_drain d = s->drains[0];
    s->drain_count--;
    memmove(s->drains, s->drains + 1, s->drain_count * sizeof *s->drains);
    d.fn(d.user);
}

/* A look found nothing: those who asked before it began have what they waited for. */
static void end_drains_of_look(sl_stream *s)
{
    while (s->drain_count > 0 && s->drains[0].look <= s->looks)
        end_drain(s);
}

void sl_stream_forget_process_all(sl_stream *s, void *user)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->drain_count; i++)
        if (s->drains[i].user != user)
            s->drains[kept++] = s->drains[i];
    s->drain_count = kept;
}

/* ---- triggers ---- */

static void on_trigger(void *user)
{
    sl_stream *s = (sl_stream *)user;
    s->timer = (sl_timer_ref){ 0 };
    s->looks++;
    sl_stream__begin_batch(s);
}

/* Boundaries are multiples of the interval since the epoch, not since the start
 * (spark:T6). */
static int64_t until_boundary_us(const sl_stream *s)
{
    int64_t now = sl_host_wall_us(s->driver->host);
    int64_t from = s->times.trigger_us;
    if (s->trigger_us <= 0)
        return 0;
    int64_t next = (from / s->trigger_us) * s->trigger_us + s->trigger_us;
    if (now - from > s->trigger_us)
        log_warn("TRIGGER-BEHIND",
                 "Current batch is falling behind. The trigger interval is %lld "
                 "milliseconds, but spent %lld milliseconds",
                 (long long)(s->trigger_us / 1000), (long long)((now - from) / 1000));
    return next > now ? next - now
                      : 0; /* passed: one batch at once, missed ticks are gone (T7) */
}

static bool is_single(const sl_stream *s)
{
    return s->trigger == SL_TRIGGER_ONCE;
}

void sl_stream__wait(sl_stream *s)
{
    if (s->state != SL_QUERY_WAITING)
        sl_stream__move(s, SL_QUERY_WAITING);
    bool idle = s->nothing_to_do;
    bool ended = s->stop_wanted || (is_single(s) && (s->single_done || idle)) ||
                 (s->trigger == SL_TRIGGER_AVAILABLE_NOW && idle);
    if (ended) {
        sl_stream__finish(s);
        return;
    }
    if (idle)
        end_drains_of_look(s);
    int64_t delay_us = 0;
    if (idle && s->drain_count == 0)
        delay_us = sl_options_int(s->options, "sluice.streaming.pollingDelay");
    if (s->trigger == SL_TRIGGER_PROCESSING_TIME && s->times.trigger_us != 0) {
        int64_t boundary_us = until_boundary_us(s);
        delay_us = boundary_us > delay_us ? boundary_us : delay_us;
    }
    if (idle || delay_us > 0)
        sl_dispatch_tell_committed(s->dispatch);
    sl_stream__say(s, idle ? "Waiting for data to arrive" : "Waiting for next trigger");
    sl_host *h = s->driver->host;
    s->timer = sl_host_timer(h, s->driver, sl_host_mono_us(h) + delay_us, on_trigger, s);
}

static bool has_ticks(const sl_stream *s)
{
    return s->trigger == SL_TRIGGER_PROCESSING_TIME && s->trigger_us > 0;
}

void sl_stream_process_all(sl_stream *s, void (*fn)(void *user), void *user)
{
    sl_host *h = s->driver->host;
    if (sl_stream_is_over(s)) {
        fn(user);
        return;
    }
    s->drains = (struct sl_drain *)sl_realloc(s->drains,
                                              (s->drain_count + 1) * sizeof *s->drains);
    s->drains[s->drain_count++] = (struct sl_drain){ fn, user, s->looks + 1 };
    if (s->timer.id == 0 || s->state != SL_QUERY_WAITING || has_ticks(s))
        return;
    sl_host_timer_cancel(h, s->timer); /* of the polling delay */
    s->timer = sl_host_timer(h, s->driver, sl_host_mono_us(h), on_trigger, s);
}

/* ---- start ---- */

void sl_stream__opened(sl_stream *s)
{
    s->reopening = true;
    if (s->started)
        return;
    s->started = true;
    sl_driver__event(s->driver, SL_EVENT_STARTED, s);
    if (s->on_started != NULL)
        s->on_started(s->started_user, s, NULL);
}

/* Nobody looks on when a query is resumed: what may pass is waited for. */
static void after_open(sl_stream *s)
{
    if (s->job_code != SL_OK) {
        sl_error err = s->job_error;
        if (s->is_resumed)
            sl_stream__reopen(s, &err);
        else
            sl_stream__fail(s, &err);
        return;
    }
    s->nothing_to_do = false;
    sl_stream__opened(s);
    sl_stream__wait(s);
}

static bool name_is_active(const sl_driver *d, const char *name)
{
    for (const sl_stream *s = d->streams; s != NULL; s = s->next)
        if (!sl_stream_is_over(s) && strcmp(s->name, name) == 0)
            return true;
    return false;
}

static char *checkpoint_of(sl_driver *d, sl_stream *s, const sl_stream_request *r)
{
    const char *base = sl_options_text(r->options, "sluice.streaming.checkpointLocation");
    sl_bytes path = { 0 };
    if (*r->checkpoint != '\0') {
        sl_bytes_text(&path, r->checkpoint);
    } else if (*base != '\0') {
        sl_bytes_printf(&path, "%s/%s", base, r->name);
    } else {
        s->is_temporary = true;
        /* A resumed query has one that an earlier driver made: the name is random. */
        d->has_temporary = true;
        sl_bytes_printf(&path, "%s/checkpoint-%016llx", d->temp_dir,
                        (unsigned long long)sl_host_rand64(d->host));
    }
    char *text = sl_strdup(sl_bytes_cstr(&path));
    sl_bytes_deinit(&path);
    return text;
}

sl_code sl_stream_start(sl_driver *d, sl_stream_request *r,
                        sl_stream_started_fn on_started, void *user, sl_stream **ret,
                        sl_error *err)
{
    const char *base = sl_options_text(r->options, "sluice.streaming.checkpointLocation");
    const sl_sink_class *sink;
    sl_sink_caps caps;
    if (name_is_active(d, r->name))
        return sl_fail_as(err, SL_EEXISTS, "QUERY_ALREADY_ACTIVE", "42710",
                          "Cannot start query with name %s as a query with that name is "
                          "already active; stop it first or choose another name",
                          r->name);
    SL_TRY(sl_sink_class_find(r->sink, &sink, err));
    SL_TRY(sink->describe(&r->plan->sink_options, &caps, err));
    if (caps.needs_checkpoint && *r->checkpoint == '\0' && *base == '\0')
        return sl_fail_as(err, SL_EANALYSIS, "CHECKPOINT_LOCATION_REQUIRED", "42000",
                          "checkpointLocation must be specified: add CHECKPOINT LOCATION "
                          "'<directory>' to the query, or SET "
                          "sluice.streaming.checkpointLocation");
    sl_stream *s = (sl_stream *)sl_calloc(1, sizeof *s);
    s->driver = d;
    s->name = sl_strdup(r->name);
    s->sql = sl_strdup(r->sql);
    s->sink_name = sl_strdup(r->sink);
    s->owner = r->owner;
    s->is_temporary = r->is_temporary;
    s->checkpoint = checkpoint_of(d, s, r);
    s->origin = sl_strdup(r->record != NULL ? r->record->origin : "");
    s->is_resumed = r->is_resumed;
    if (s->is_resumed)
        snprintf(s->query_id, sizeof s->query_id, "%s", r->record->query_id);
    if (r->record != NULL)
        sl_stream__keep_record(s, r->record);
    s->plan = (sl_physical_plan *)(uintptr_t)r->plan;
    s->trigger = r->trigger;
    s->trigger_us = r->trigger_us;
    s->options = sl_options_copy(r->options);
    s->zone = r->zone;
    s->sink_class = sink;
    s->sink_caps = caps;
    s->on_started = on_started;
    s->started_user = user;
    s->last_batch = -1;
    s->last_report_us = INT64_MIN;
    s->op_stats =
        (sl_msg_op_stats *)sl_calloc(s->plan->state_op_count + 1, sizeof *s->op_stats);
    s->batch_arena = sl_arena_new();
    s->state_arena = sl_arena_new();
    s->recipe_arena = sl_arena_new();
    s->progress_max =
        (uint32_t)sl_options_int(r->options, "sluice.streaming.progressKept");
    s->progress = (char **)sl_calloc(s->progress_max, sizeof *s->progress);
    s->lane = sl_driver__lane_take(d);
    sl_query_id_make(sl_host_rand64(d->host), sl_host_rand64(d->host), s->run_id);
    sl_stream__say(s, "Initializing sources");
    sl_stream **at = &d->streams;
    while (*at != NULL)
        at = &(*at)->next;
    *at = s;
    *ret = s;
    sl_stream__job(s, "open-query", sl_stream__open_run, after_open);
    return SL_OK;
}

/* The driver is freed: no job runs any more. */
void sl_stream_free(sl_stream *s)
{
    sl_dispatch_free(s->dispatch);
    sl_stream__close(s);
    if (s->is_temporary && s->is_forgotten) /* of one that failed it was kept till now */
        (void)!sl_fs_remove_tree(s->driver->host->fs, s->checkpoint, NULL);
    sl_physical_free(s->plan);
    sl_options_free(s->options);
    sl_arena_free(s->batch_arena);
    sl_arena_free(s->state_arena);
    sl_arena_free(s->recipe_arena);
    for (uint32_t i = 0; i < s->progress_count; i++)
        sl_free(s->progress[i]);
    for (uint32_t i = 0; s->snapshots != NULL && i < s->partition_count; i++)
        sl_free((void *)(uintptr_t)s->snapshots[i].manifest);
    sl_free(s->snapshots);
    sl_free(s->progress);
    sl_free(s->drains);
    sl_free(s->op_stats);
    sl_free(s->name);
    sl_free(s->sql);
    sl_free(s->sink_name);
    sl_free(s->checkpoint);
    sl_free(s->origin);
    sl_bytes_deinit(&s->record);
    sl_free(s);
}

sl_stream *sl_stream_next(const sl_stream *s)
{
    return s->next;
}

void sl_stream_info(const sl_stream *s, sl_query_info *ret)
{
    *ret = (sl_query_info){
        .name = s->name,
        .id = s->started || s->is_resumed ? s->query_id : "", /* the lane finds it */
        .run_id = s->run_id,
        .state = s->state,
        .message = s->message,
        .is_data_available = s->data_available,
        .is_trigger_active =
            s->state == SL_QUERY_PLANNING || s->state == SL_QUERY_RUNNING ||
            s->state == SL_QUERY_COMMITTING || s->state == SL_QUERY_RETRYING,
        .last_batch = s->last_batch,
        .checkpoint = s->checkpoint,
        .last_progress =
            s->progress_count > 0 ? s->progress[s->progress_count - 1] : NULL,
        .error = s->state == SL_QUERY_FAILED ? &s->error : NULL,
        .sql = s->sql,
        .owner = s->owner,
    };
    sl_rates_get(&s->rates, sl_host_mono_us(s->driver->host), &ret->input_rows_per_s,
                 &ret->processed_rows_per_s);
}

sl_stream *sl_stream_of_origin(const sl_driver *d, const char *origin)
{
    sl_stream *s = *origin != '\0' ? d->streams : NULL;
    while (s != NULL && strcmp(s->origin, origin) != 0)
        s = s->next;
    return s;
}

void sl_stream_attach(sl_stream *s, uint64_t owner)
{
    s->owner = owner;
}

uint32_t sl_stream_progress(const sl_stream *s, const char *const **ret)
{
    *ret = (const char *const *)s->progress;
    return s->progress_count;
}
