/* One mutex guards the queues of the loop and of all lanes: events come per batch and
 * per message, never per row.  Who runs out of work spins a few microseconds on an atomic
 * counter before it sleeps, once for each time it was woken: a busy pipeline saves the
 * wake-up, an idle process uses no CPU.  Who spun in vain a few times in a row sleeps at
 * once and only tries again now and then: work comes too seldom, or other processes want
 * the processor.
 *
 * The loop sleeps on a condition until something watches a descriptor (host_watch.c);
 * then it sleeps in epoll, and who queues something for a sleeping loop writes its
 * eventfd.
 *
 *     any thread --post/submit--> [loop queue] --> loop thread (run_until)
 *                                 [lane queue] --> lane thread --done--> [loop queue] */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/failpoint_private.h"
#include "base/host_queue_private.h"
#include "base/host_watch_private.h"

enum {
    LANES_MAX = 1024,
    LOOP_SPIN_US = 50,
    LANE_SPIN_US = 20,
    POLL_PAUSE_US = 4,    /* between looks at descriptors while the loop spins */
    SPIN_CREDIT = 4,      /* spins in vain before sleeping at once */
    SPIN_RETRY = 32,      /* sleeps before it spins again to see */
    EVENTS_PER_POLL = 32, /* of a loop that is never idle */
};

typedef struct real_host real_host;

/* Whether spinning has paid lately. */
typedef struct spinner {
    uint32_t credit, sleeps;
} spinner;

typedef struct real_lane {
    real_host *host;
    char *name;
    bool started; /* its thread exists */
    pthread_t thread;
    pthread_cond_t wake;
    sl_job *head, **tail;
    sl_job *running;      /* NULL: between jobs */
    void *running_owner;  /* kept apart: a job may be freed by its `done` */
    _Atomic uint64_t fed; /* jobs ever queued, to spin on */
    spinner spinner;
} real_lane;

struct real_host {
    sl_host base;
    pthread_mutex_t lock;
    /* the loop's events: a ring that grows */
    sl_event *ring;
    size_t ring_head, ring_count, ring_capacity;
    _Atomic uint64_t loop_fed; /* events and timers ever queued, to spin on */
    spinner loop_spinner;
    pthread_cond_t loop_wake;
    sl_event_heap timers;
    uint64_t timer_last;
    bool timer_was_last; /* turns between due timers and events */
    sl_watches *watches; /* NULL: nothing was ever watched */
    bool polling;        /* the loop sleeps in epoll */
    /* lanes: only ever added */
    real_lane *lanes[LANES_MAX];
    uint32_t lane_count;
    uint32_t jobs_out; /* queued or running */
    bool stopping;
    pthread_cond_t job_finished; /* for close_owner */
    uint32_t closers;
    _Atomic uint32_t wakers; /* threads that wake another after they let the lock go */
    bool spins;
    sl_failpoint *failpoint; /* NULL: none will ever be armed */
};

static real_host *real_of(sl_host *h)
{
    return (real_host *)(void *)h;
}

/* ---- clock, randomness, failpoints ---- */

static int64_t clock_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t real_mono_us(sl_host *h)
{
    (void)h;
    return clock_us(CLOCK_MONOTONIC);
}

static int64_t real_wall_us(sl_host *h)
{
    (void)h;
    return clock_us(CLOCK_REALTIME);
}

static uint64_t real_rand64(sl_host *h)
{
    (void)h;
    uint64_t v = 0;
    ssize_t n;
    do
        n = getrandom(&v, sizeof v, 0);
    while (n < 0 && errno == EINTR);
    SL_ASSERT(n == (ssize_t)sizeof v);
    return v;
}

static void real_failpoint(sl_host *h, const char *name)
{
    sl_failpoint_pass(real_of(h)->failpoint, name);
}

/* ---- waiting ---- */

static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* Without the lock: until the counter moves, or the time is over. */
static void spin_while(const _Atomic uint64_t *counter, uint64_t seen, int64_t limit_us)
{
    int64_t until_us = clock_us(CLOCK_MONOTONIC) + limit_us;
    while (atomic_load_explicit(counter, memory_order_relaxed) == seen &&
           clock_us(CLOCK_MONOTONIC) < until_us) {
#if defined(__x86_64__)
        for (int i = 0; i < 16; i++)
            __builtin_ia32_pause();
#endif
    }
}

static bool spin_pays(spinner *s)
{
    if (s->credit > 0)
        return true;
    if (++s->sleeps < SPIN_RETRY)
        return false;
    s->sleeps = 0;
    return true;
}

static void spin_ended(spinner *s, bool found)
{
    if (found)
        s->credit = SPIN_CREDIT;
    else if (s->credit > 0)
        s->credit--;
}

/* ---- the loop's queue; lock held ---- */

/* Lets the lock go, then wakes the loop: a thread that is woken while the lock is held
 * runs into it at once, and both are switched twice. The host is not freed meanwhile. */
static void unlock_and_wake_loop(real_host *r)
{
    bool was_polling = r->polling;
    r->polling = false; /* one write wakes it */
    atomic_fetch_add_explicit(&r->wakers, 1, memory_order_relaxed);
    pthread_mutex_unlock(&r->lock);
    if (was_polling)
        sl_watches__wake(r->watches);
    else
        pthread_cond_signal(&r->loop_wake);
    atomic_fetch_sub_explicit(&r->wakers, 1, memory_order_release);
}

static void push_event(real_host *r, const sl_event *e)
{
    if (r->ring_count == r->ring_capacity) {
        size_t capacity = r->ring_capacity ? r->ring_capacity * 2 : 64;
        sl_event *grown = sl_alloc(capacity * sizeof grown[0]);
        for (size_t i = 0; i < r->ring_count; i++)
            grown[i] = r->ring[(r->ring_head + i) % r->ring_capacity];
        sl_free(r->ring);
        r->ring = grown;
        r->ring_head = 0;
        r->ring_capacity = capacity;
    }
    r->ring[(r->ring_head + r->ring_count++) % r->ring_capacity] = *e;
    atomic_fetch_add_explicit(&r->loop_fed, 1, memory_order_relaxed);
}

/* The next thing to do now: a due timer and an event take turns, so that neither starves
 * the other. */
static bool take_event(real_host *r, sl_event *ret)
{
    bool timer_due =
        r->timers.count > 0 && r->timers.events[0].at_us <= clock_us(CLOCK_MONOTONIC);
    if (timer_due && !(r->timer_was_last && r->ring_count > 0)) {
        *ret = sl_event_heap__pop(&r->timers);
        r->timer_was_last = true;
        return true;
    }
    r->timer_was_last = false;
    if (r->ring_count == 0)
        return false;
    *ret = r->ring[r->ring_head];
    r->ring_head = (r->ring_head + 1) % r->ring_capacity;
    r->ring_count--;
    return true;
}

/* Lock held, but let go while it waits: descriptors that turned readable within wait_us
 * (-1: for ever) become events. */
static void poll_watches(real_host *r, int64_t wait_us)
{
    const sl_watch *ready[SL_WATCH_READY_MAX];
    r->polling = wait_us != 0;
    pthread_mutex_unlock(&r->lock);
    uint32_t count = sl_watches__poll(r->watches, wait_us, ready);
    pthread_mutex_lock(&r->lock);
    r->polling = false;
    /* Only this thread unwatches, so they are all alive. */
    for (uint32_t i = 0; i < count; i++) {
        sl_event e = { .kind = SL_EVENT_POST,
                       .owner = ready[i]->owner,
                       .fn = ready[i]->fn,
                       .user = ready[i]->user };
        push_event(r, &e);
    }
}

/* Sleep until something is queued or the next timer is due. */
static void wait_for_event(real_host *r)
{
    if (r->watches) {
        int64_t wait_us = -1;
        if (r->timers.count > 0) {
            wait_us = r->timers.events[0].at_us - clock_us(CLOCK_MONOTONIC);
            wait_us = wait_us < 0 ? 0 : wait_us;
        }
        poll_watches(r, wait_us);
        return;
    }
    if (r->timers.count == 0) {
        pthread_cond_wait(&r->loop_wake, &r->lock);
        return;
    }
    int64_t at_us = r->timers.events[0].at_us;
    struct timespec t = { .tv_sec = (time_t)(at_us / 1000000),
                          .tv_nsec = (long)(at_us % 1000000) * 1000 };
    pthread_cond_timedwait(&r->loop_wake, &r->lock, &t);
}

/* The lock is let go meanwhile. */
static void spin_for_event(real_host *r)
{
    uint64_t seen = atomic_load_explicit(&r->loop_fed, memory_order_relaxed);
    int64_t pause_us = r->watches ? POLL_PAUSE_US : LOOP_SPIN_US;
    int64_t until_us = clock_us(CLOCK_MONOTONIC) + LOOP_SPIN_US;
    do {
        pthread_mutex_unlock(&r->lock);
        spin_while(&r->loop_fed, seen, pause_us);
        pthread_mutex_lock(&r->lock);
        if (r->ring_count == 0 && r->watches)
            poll_watches(r, 0);
    } while (r->ring_count == 0 && clock_us(CLOCK_MONOTONIC) < until_us);
    spin_ended(&r->loop_spinner, r->ring_count > 0);
}

static bool real_run_until(sl_host *h, const bool *stop)
{
    real_host *r = real_of(h);
    bool may_spin = r->spins;
    uint32_t unpolled = 0;
    while (!*stop) {
        sl_event e;
        pthread_mutex_lock(&r->lock);
        if (r->watches && ++unpolled >= EVENTS_PER_POLL) {
            unpolled = 0;
            poll_watches(r, 0);
        }
        while (!take_event(r, &e)) {
            if (may_spin && r->jobs_out > 0 && spin_pays(&r->loop_spinner))
                spin_for_event(r);
            else
                wait_for_event(r);
            may_spin = false;
        }
        pthread_mutex_unlock(&r->lock);
        sl_event__call(&e);
        may_spin = r->spins;
    }
    return true;
}

static void real_post(sl_host *h, void *owner, void (*fn)(void *user), void *user)
{
    real_host *r = real_of(h);
    sl_event e = { .kind = SL_EVENT_POST, .owner = owner, .fn = fn, .user = user };
    pthread_mutex_lock(&r->lock);
    push_event(r, &e);
    unlock_and_wake_loop(r);
}

static sl_timer_ref real_timer(sl_host *h, void *owner, int64_t at_mono_us,
                               void (*fn)(void *user), void *user)
{
    real_host *r = real_of(h);
    sl_event e = { .kind = SL_EVENT_TIMER,
                   .at_us = at_mono_us < 0 ? 0 : at_mono_us,
                   .owner = owner,
                   .fn = fn,
                   .user = user };
    pthread_mutex_lock(&r->lock);
    e.id = ++r->timer_last;
    sl_event_heap__push(&r->timers, &e);
    atomic_fetch_add_explicit(&r->loop_fed, 1, memory_order_relaxed);
    unlock_and_wake_loop(r); /* it may be the earliest now */
    return (sl_timer_ref){ e.id };
}

static void real_timer_cancel(sl_host *h, sl_timer_ref t)
{
    real_host *r = real_of(h);
    pthread_mutex_lock(&r->lock);
    sl_event_heap__remove_timer(&r->timers, t.id);
    pthread_mutex_unlock(&r->lock);
}

/* ---- descriptors: loop thread ---- */

static void real_watch(sl_host *h, void *owner, int fd, void (*fn)(void *user),
                       void *user)
{
    real_host *r = real_of(h);
    pthread_mutex_lock(&r->lock);
    if (!r->watches)
        r->watches = sl_watches__new();
    pthread_mutex_unlock(&r->lock);
    sl_watches__add(r->watches, (sl_watch){ owner, fd, fn, user });
}

/* Events queued for it go too. */
static void drop_watched(real_host *r, const sl_watch *w)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->ring_count; i++) {
        sl_event e = r->ring[(r->ring_head + i) % r->ring_capacity];
        if (e.fn != w->fn || e.user != w->user || e.owner != w->owner)
            r->ring[(r->ring_head + kept++) % r->ring_capacity] = e;
    }
    r->ring_count = kept;
}

static void real_unwatch(sl_host *h, int fd)
{
    real_host *r = real_of(h);
    sl_watch w;
    if (!r->watches || !sl_watches__remove(r->watches, fd, &w))
        return;
    pthread_mutex_lock(&r->lock);
    drop_watched(r, &w);
    pthread_mutex_unlock(&r->lock);
}

/* ---- lanes ---- */

/* Lock held. NULL: the host is being freed and all is done. */
static sl_job *wait_for_job(real_host *r, real_lane *lane)
{
    bool may_spin = r->spins;
    while (!lane->head) {
        if (r->stopping)
            return NULL;
        if (may_spin && spin_pays(&lane->spinner)) {
            uint64_t seen = atomic_load_explicit(&lane->fed, memory_order_relaxed);
            pthread_mutex_unlock(&r->lock);
            spin_while(&lane->fed, seen, LANE_SPIN_US);
            pthread_mutex_lock(&r->lock);
            spin_ended(&lane->spinner, lane->head != NULL);
            may_spin = false;
        } else {
            pthread_cond_wait(&lane->wake, &r->lock);
        }
    }
    sl_job *job = lane->head;
    lane->head = job->next;
    if (!lane->head)
        lane->tail = &lane->head;
    job->next = NULL;
    return job;
}

static void *lane_main(void *argument)
{
    real_lane *lane = argument;
    real_host *r = lane->host;
    char name[16];
    snprintf(name, sizeof name, "%s", lane->name);
    pthread_setname_np(pthread_self(), name);

    pthread_mutex_lock(&r->lock);
    for (sl_job *job; (job = wait_for_job(r, lane));) {
        lane->running = job;
        lane->running_owner = job->owner;
        pthread_mutex_unlock(&r->lock);
        job->run(job);
        pthread_mutex_lock(&r->lock);
        sl_event done = { .kind = SL_EVENT_DONE, .owner = job->owner, .job = job };
        push_event(r, &done);
        r->jobs_out--;
        lane->running = NULL;
        if (r->closers > 0)
            pthread_cond_broadcast(&r->job_finished);
        unlock_and_wake_loop(r);
        pthread_mutex_lock(&r->lock);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* Lanes take no signals: those belong to the thread that asked for them. */
static void start_thread(real_lane *lane)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int reason = pthread_create(&lane->thread, NULL, lane_main, lane);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (reason != 0) {
        fprintf(stderr, "sluice: cannot start a thread for %s: %s\n", lane->name,
                strerror(reason));
        abort();
    }
    lane->started = true;
}

static sl_lane real_lane_of(sl_host *h, const char *name)
{
    real_host *r = real_of(h);
    pthread_mutex_lock(&r->lock);
    uint32_t i = 0;
    while (i < r->lane_count && strcmp(r->lanes[i]->name, name) != 0)
        i++;
    if (i == r->lane_count) {
        SL_ASSERT(i < LANES_MAX);
        real_lane *lane = sl_calloc(1, sizeof *lane);
        lane->host = r;
        lane->name = sl_strdup(name);
        lane->tail = &lane->head;
        init_condition(&lane->wake);
        r->lanes[i] = lane;
        r->lane_count++;
    }
    pthread_mutex_unlock(&r->lock);
    return i;
}

static void real_submit(sl_host *h, sl_lane id, sl_job *job)
{
    real_host *r = real_of(h);
    pthread_mutex_lock(&r->lock);
    SL_ASSERT(id < r->lane_count);
    real_lane *lane = r->lanes[id];
    job->next = NULL;
    *lane->tail = job;
    lane->tail = &job->next;
    atomic_fetch_add_explicit(&lane->fed, 1, memory_order_relaxed);
    r->jobs_out++;
    if (!lane->started)
        start_thread(lane);
    atomic_fetch_add_explicit(&r->wakers, 1, memory_order_relaxed);
    pthread_mutex_unlock(&r->lock);
    pthread_cond_signal(&lane->wake); /* not under the lock, as above */
    atomic_fetch_sub_explicit(&r->wakers, 1, memory_order_release);
}

/* ---- the end of an owner ---- */

static bool owns_a_job(const real_host *r, const void *owner)
{
    for (uint32_t i = 0; i < r->lane_count; i++) {
        const real_lane *lane = r->lanes[i];
        if (lane->running && lane->running_owner == owner)
            return true;
        for (const sl_job *job = lane->head; job; job = job->next)
            if (job->owner == owner)
                return true;
    }
    return false;
}

static void drop_events(real_host *r, const void *owner)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->ring_count; i++) {
        sl_event e = r->ring[(r->ring_head + i) % r->ring_capacity];
        if (e.owner != owner)
            r->ring[(r->ring_head + kept++) % r->ring_capacity] = e;
    }
    r->ring_count = kept;
    sl_event_heap__remove_owner(&r->timers, owner);
}

/* Queued jobs run first: what was handed over, such as a journal write, is done.  After
 * this nothing here points at the owner or its jobs. */
static void real_close_owner(sl_host *h, void *owner)
{
    real_host *r = real_of(h);
    pthread_mutex_lock(&r->lock);
    r->closers++;
    while (owns_a_job(r, owner))
        pthread_cond_wait(&r->job_finished, &r->lock);
    r->closers--;
    if (r->watches)
        sl_watches__remove_owner(r->watches, owner);
    drop_events(r, owner);
    pthread_mutex_unlock(&r->lock);
}

/* ---- life ---- */

static void real_free(sl_host *h)
{
    real_host *r = real_of(h);
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    for (uint32_t i = 0; i < r->lane_count; i++)
        pthread_cond_signal(&r->lanes[i]->wake);
    pthread_mutex_unlock(&r->lock);

    for (uint32_t i = 0; i < r->lane_count; i++) {
        real_lane *lane = r->lanes[i];
        if (lane->started)
            pthread_join(lane->thread, NULL);
    }
    while (atomic_load_explicit(&r->wakers, memory_order_acquire) > 0)
        sched_yield();                             /* who has just queued something */
    for (uint32_t i = 0; i < r->lane_count; i++) { /* a last job may submit to another */
        pthread_cond_destroy(&r->lanes[i]->wake);
        sl_free(r->lanes[i]->name);
        sl_free(r->lanes[i]);
    }
    pthread_cond_destroy(&r->job_finished);
    pthread_cond_destroy(&r->loop_wake);
    pthread_mutex_destroy(&r->lock);
    sl_event_heap__deinit(&r->timers);
    sl_watches__free(r->watches);
    sl_free(r->ring);
    sl_failpoint_free(r->failpoint);
    sl_free(r);
}

static const sl_host_class real_class = {
    .mono_us = real_mono_us,
    .wall_us = real_wall_us,
    .rand64 = real_rand64,
    .lane = real_lane_of,
    .submit = real_submit,
    .post = real_post,
    .timer = real_timer,
    .timer_cancel = real_timer_cancel,
    .watch = real_watch,
    .unwatch = real_unwatch,
    .close_owner = real_close_owner,
    .run_until = real_run_until,
    .failpoint = real_failpoint,
    .free = real_free,
};

sl_code sl_host_real_new(sl_host **ret, sl_error *err)
{
    real_host *r = sl_calloc(1, sizeof *r);
    sl_code code = sl_failpoint_from_environment(&r->failpoint, err);
    if (code != SL_OK) {
        sl_free(r);
        return code;
    }
    r->base.class = &real_class;
    r->base.fs = sl_fs_posix();
    r->spins = sysconf(_SC_NPROCESSORS_ONLN) > 1;
    pthread_mutex_init(&r->lock, NULL);
    init_condition(&r->loop_wake);
    init_condition(&r->job_finished);
    *ret = &r->base;
    return SL_OK;
}
