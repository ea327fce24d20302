/* host.h - the seam: everything a driver or worker asks of the world that is not a file
 * or a message.  Clock, randomness, timers, slow work on other threads, failpoints,
 * logging.
 *
 * Driver and worker are state machines.  The host delivers events to a machine one at a
 * time, on one thread (the loop thread): messages, timers, finished jobs, signals.  A
 * machine never blocks; what would block is a job: `run` is called on a lane's thread,
 * then `done` on the loop thread.  Jobs of one lane run one after another in order of
 * submission.
 *
 * Two hosts: host_real.c (threads, monotonic clock) and host_virtual.c (one thread,
 * virtual time, jobs run inline at a later virtual moment, deterministic from a seed).
 *
 * Units:  *_us microseconds; mono is for durations, wall is since 1970-01-01 UTC.
 * Thread: loop thread, unless said. */

#ifndef SL_BASE_HOST_H
#define SL_BASE_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/fs.h"

typedef struct sl_host sl_host;
typedef struct sl_job sl_job;

/* Embed in a larger struct; memory stays the submitter's. */
struct sl_job {
    const char *name; /* for traces: "journal-write" */
    void (*run)(
        sl_job *job); /* lane thread: may block, touches only what the job carries */
    void (*done)(sl_job *job); /* loop thread: an event; may free the job */
    void *owner;  /* jobs whose owner was closed are dropped, see sl_host_close_owner */
    sl_job *next; /* host's */
};

/* Lanes: named queues, each with a thread of its own in the real host. */
typedef uint32_t sl_lane;

typedef struct sl_timer_ref {
    uint64_t id; /* 0 = none */
} sl_timer_ref;

typedef struct sl_host_class {
    int64_t (*mono_us)(sl_host *h); /* any thread */
    int64_t (*wall_us)(sl_host *h); /* any thread */
    uint64_t (*rand64)(sl_host *h); /* any thread */
    sl_lane (*lane)(sl_host *h, const char *name);
    void (*submit)(sl_host *h, sl_lane lane, sl_job *job); /* any thread */
    /* Run fn(user) on the loop thread, after what is queued. Any thread. */
    void (*post)(sl_host *h, void *owner, void (*fn)(void *user), void *user);
    sl_timer_ref (*timer)(sl_host *h, void *owner, int64_t at_mono_us,
                          void (*fn)(void *user), void *user);
    void (*timer_cancel)(sl_host *h, sl_timer_ref t);
    /* Call fn(user) on the loop thread each time fd turns readable (an edge: read until
     * it would block), also if it is readable now. The real host only: the virtual one
     * has no descriptors. */
    void (*watch)(sl_host *h, void *owner, int fd, void (*fn)(void *user), void *user);
    void (*unwatch)(sl_host *h, int fd); /* before fd is closed; no call comes after it */
    /* Drop all queued posts, timers, watches and undelivered `done`s of this owner (its
     * jobs still run). The real host waits until its submitted jobs, running or queued,
     * have run; the virtual one drops those that have not: the node they ran on is gone.
     * Not from a job of the same owner. */
    void (*close_owner)(sl_host *h, void *owner);
    /* Run events until *stop is true (checked after each event). The real host waits for
     * events, for ever if need be; the virtual one jumps to the next and returns false if
     * nothing is left that could ever happen. */
    bool (*run_until)(sl_host *h, const bool *stop);
    /* A named point where a test may kill the process or node; cheap when none is armed.
     * Any thread. */
    void (*failpoint)(sl_host *h, const char *name);
    void (*free)(sl_host *h);
} sl_host_class;

struct sl_host {
    const sl_host_class *class;
    sl_fs *fs; /* borrowed */
};

static inline int64_t sl_host_mono_us(sl_host *h)
{
    return h->class->mono_us(h);
}
static inline int64_t sl_host_wall_us(sl_host *h)
{
    return h->class->wall_us(h);
}
static inline uint64_t sl_host_rand64(sl_host *h)
{
    return h->class->rand64(h);
}
static inline sl_lane sl_host_lane(sl_host *h, const char *name)
{
    return h->class->lane(h, name);
}
static inline void sl_host_submit(sl_host *h, sl_lane lane, sl_job *job)
{
    h->class->submit(h, lane, job);
}
static inline void sl_host_post(sl_host *h, void *owner, void (*fn)(void *), void *user)
{
    h->class->post(h, owner, fn, user);
}
static inline sl_timer_ref sl_host_timer(sl_host *h, void *owner, int64_t at_mono_us,
                                         void (*fn)(void *), void *user)
{
    return h->class->timer(h, owner, at_mono_us, fn, user);
}
static inline void sl_host_timer_cancel(sl_host *h, sl_timer_ref t)
{
    h->class->timer_cancel(h, t);
}
static inline void sl_host_watch(sl_host *h, void *owner, int fd, void (*fn)(void *),
                                 void *user)
{
    h->class->watch(h, owner, fd, fn, user);
}
static inline void sl_host_unwatch(sl_host *h, int fd)
{
    h->class->unwatch(h, fd);
}
static inline void sl_host_close_owner(sl_host *h, void *owner)
{
    h->class->close_owner(h, owner);
}
static inline bool sl_host_run_until(sl_host *h, const bool *stop)
{
    return h->class->run_until(h, stop);
}
static inline void sl_host_failpoint(sl_host *h, const char *name)
{
    h->class->failpoint(h, name);
}
static inline void sl_host_free(sl_host *h)
{
    if (h)
        h->class->free(h);
}

/* Real threads and clocks over the real file system. Failpoints: environment
 * SLUICE_FAILPOINT=name[:nth] makes the nth pass (default 1st) kill -9 this process;
 * SLUICE_FAILPOINT_FILE=path names a file that may hold such a text at any time, for all
 * processes that have it: whichever makes the nth pass dies, and the file is empty. */
SL_CHECKED sl_code sl_host_real_new(sl_host **ret, sl_error *err);

/* ---- virtual host ---- */
typedef struct sl_host_virtual_hooks {
    /* Virtual microseconds a job takes; NULL = 1. */
    int64_t (*job_delay_us)(void *user, const char *job_name);
    void (*failpoint)(void *user,
                      const char *name); /* may record that the node must die */
    void (*event)(void *user, const char *what, int64_t mono_us); /* trace; NULL fine */
    void *user;
} sl_host_virtual_hooks;

/* fs is borrowed. wall starts at wall_start_us and moves with virtual time. */
sl_host *sl_host_virtual_new(uint64_t seed, int64_t wall_start_us, sl_fs *fs,
                             sl_host_virtual_hooks hooks);
/* Run exactly one event (the earliest). False if nothing is queued. */
bool sl_host_virtual_step(sl_host *h);
/* Let virtual time pass without waiting for an event: run all events due by now + us,
 * then be there. */
void sl_host_virtual_advance(sl_host *h, int64_t us);
/* Let time pass without running anything, as for a process that was stopped: what was due
 * meanwhile runs late, in order. A time in the past does nothing. */
void sl_host_virtual_sleep_to(sl_host *h, int64_t mono_us);
/* Time of the earliest queued event, INT64_MAX if none. */
int64_t sl_host_virtual_next_us(sl_host *h);

#endif /* SL_BASE_HOST_H */
