/* One heap of events is the whole machine.  A job is run when its virtual time has
 * passed, its `done` is an event of its own queued right then; a lane remembers until
 * when it is busy, which keeps its jobs in order. */

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/host_queue_private.h"

typedef struct vlane {
    char *name;
    int64_t busy_until_us;
} vlane;

typedef struct virtual_host {
    sl_host base;
    sl_host_virtual_hooks hooks;
    uint64_t random_state;
    int64_t now_us;
    int64_t wall_start_us;
    uint64_t id_last;
    sl_event_heap queue;
    vlane *lanes;
    uint32_t lane_count;
} virtual_host;

static virtual_host *virtual_of(sl_host *h)
{
    return (virtual_host *)(void *)h;
}

static int64_t virtual_mono_us(sl_host *h)
{
    return virtual_of(h)->now_us;
}

static int64_t virtual_wall_us(sl_host *h)
{
    return virtual_of(h)->wall_start_us + virtual_of(h)->now_us;
}

/* splitmix64 (Steele, Lea, Flood, OOPSLA 2014). */
static uint64_t virtual_rand64(sl_host *h)
{
    uint64_t z = (virtual_of(h)->random_state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static sl_lane virtual_lane(sl_host *h, const char *name)
{
    virtual_host *v = virtual_of(h);
    for (uint32_t i = 0; i < v->lane_count; i++)
        if (strcmp(v->lanes[i].name, name) == 0)
            return i;
    v->lanes = sl_realloc(v->lanes, (v->lane_count + 1) * sizeof v->lanes[0]);
    v->lanes[v->lane_count] = (vlane){ .name = sl_strdup(name) };
    return v->lane_count++;
}

static uint64_t push(virtual_host *v, sl_event e)
{
    e.id = ++v->id_last;
    if (e.at_us < v->now_us)
        e.at_us = v->now_us;
    sl_event_heap__push(&v->queue, &e);
    return e.id;
}

static void virtual_submit(sl_host *h, sl_lane lane, sl_job *job)
{
    virtual_host *v = virtual_of(h);
    SL_ASSERT(lane < v->lane_count);
    int64_t delay_us =
        v->hooks.job_delay_us ? v->hooks.job_delay_us(v->hooks.user, job->name) : 1;
    SL_ASSERT(delay_us >= 0);
    int64_t start_us = v->lanes[lane].busy_until_us;
    if (start_us < v->now_us)
        start_us = v->now_us;
    v->lanes[lane].busy_until_us = start_us + delay_us;
    push(v, (sl_event){ .kind = SL_EVENT_RUN,
                        .at_us = start_us + delay_us,
                        .owner = job->owner,
                        .job = job });
}

static void virtual_post(sl_host *h, void *owner, void (*fn)(void *user), void *user)
{
    virtual_host *v = virtual_of(h);
    push(v, (sl_event){ .kind = SL_EVENT_POST,
                        .at_us = v->now_us,
                        .owner = owner,
                        .fn = fn,
                        .user = user });
}

static sl_timer_ref virtual_timer(sl_host *h, void *owner, int64_t at_mono_us,
                                  void (*fn)(void *user), void *user)
{
    uint64_t id = push(virtual_of(h), (sl_event){ .kind = SL_EVENT_TIMER,
                                                  .at_us = at_mono_us,
                                                  .owner = owner,
                                                  .fn = fn,
                                                  .user = user });
    return (sl_timer_ref){ id };
}

static void virtual_timer_cancel(sl_host *h, sl_timer_ref t)
{
    sl_event_heap__remove_timer(&virtual_of(h)->queue, t.id);
}

static void no_watch(sl_host *h, void *owner, int fd, void (*fn)(void *user), void *user)
{
    (void)h, (void)owner, (void)fd, (void)fn, (void)user;
    SL_ASSERT(h == NULL); /* a virtual host watches no descriptors */
}

static void no_unwatch(sl_host *h, int fd)
{
    (void)h, (void)fd;
}

/* Jobs that did not run yet go too: the owner's machine is gone. */
static void virtual_close_owner(sl_host *h, void *owner)
{
    sl_event_heap__remove_owner(&virtual_of(h)->queue, owner);
}

static void trace(const virtual_host *v, const sl_event *e)
{
    static const char *const words[] = { [SL_EVENT_POST] = "post",
                                         [SL_EVENT_TIMER] = "timer",
                                         [SL_EVENT_RUN] = "run",
                                         [SL_EVENT_DONE] = "done" };
    if (!v->hooks.event)
        return;
    char what[80];
    const char *name = e->job && e->job->name ? e->job->name : "";
    snprintf(what, sizeof what, "%s%s%s", words[e->kind], name[0] ? " " : "", name);
    v->hooks.event(v->hooks.user, what, v->now_us);
}

bool sl_host_virtual_step(sl_host *h)
{
    virtual_host *v = virtual_of(h);
    if (v->queue.count == 0)
        return false;
    sl_event e = sl_event_heap__pop(&v->queue);
    if (e.at_us > v->now_us) /* else it is late: the host slept */
        v->now_us = e.at_us;
    trace(v, &e);
    if (e.kind == SL_EVENT_RUN) {
        sl_event done = {
            .kind = SL_EVENT_DONE, .at_us = v->now_us, .owner = e.owner, .job = e.job
        };
        sl_event__call(&e);
        push(v, done);
    } else {
        sl_event__call(&e);
    }
    return true;
}

static bool virtual_run_until(sl_host *h, const bool *stop)
{
    while (!*stop)
        if (!sl_host_virtual_step(h))
            return false;
    return true;
}

int64_t sl_host_virtual_next_us(sl_host *h)
{
    virtual_host *v = virtual_of(h);
    return v->queue.count ? v->queue.events[0].at_us : INT64_MAX;
}

void sl_host_virtual_advance(sl_host *h, int64_t us)
{
    virtual_host *v = virtual_of(h);
    SL_ASSERT(us >= 0);
    int64_t target_us = v->now_us + us;
    while (sl_host_virtual_next_us(h) <= target_us)
        sl_host_virtual_step(h);
    if (v->now_us < target_us) /* an event may have advanced further itself */
        v->now_us = target_us;
}

void sl_host_virtual_sleep_to(sl_host *h, int64_t mono_us)
{
    virtual_host *v = virtual_of(h);
    if (v->now_us < mono_us)
        v->now_us = mono_us;
}

static void virtual_failpoint(sl_host *h, const char *name)
{
    virtual_host *v = virtual_of(h);
    if (v->hooks.failpoint)
        v->hooks.failpoint(v->hooks.user, name);
}

static void virtual_free(sl_host *h)
{
    virtual_host *v = virtual_of(h);
    for (uint32_t i = 0; i < v->lane_count; i++)
        sl_free(v->lanes[i].name);
    sl_free(v->lanes);
    sl_event_heap__deinit(&v->queue);
    sl_free(v);
}

static const sl_host_class virtual_class = {
    .mono_us = virtual_mono_us,
    .wall_us = virtual_wall_us,
    .rand64 = virtual_rand64,
    .lane = virtual_lane,
    .submit = virtual_submit,
    .post = virtual_post,
    .timer = virtual_timer,
    .timer_cancel = virtual_timer_cancel,
    .watch = no_watch,
    .unwatch = no_unwatch,
    .close_owner = virtual_close_owner,
    .run_until = virtual_run_until,
    .failpoint = virtual_failpoint,
    .free = virtual_free,
};

sl_host *sl_host_virtual_new(uint64_t seed, int64_t wall_start_us, sl_fs *fs,
                             sl_host_virtual_hooks hooks)
{
    virtual_host *v = sl_calloc(1, sizeof *v);
    v->base.class = &virtual_class;
    v->base.fs = fs;
    v->hooks = hooks;
    v->random_state = seed;
    v->wall_start_us = wall_start_us;
    return &v->base;
}
