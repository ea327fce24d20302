/* host_queue_private.h - events ordered by time, then by order of queueing: the timers
 * of the real host, everything of the virtual one.
 *
 * Thread: as its host says. */

#ifndef SL_BASE_HOST_QUEUE_PRIVATE_H
#define SL_BASE_HOST_QUEUE_PRIVATE_H

#include "base/host.h"

typedef enum sl_event_kind {
    SL_EVENT_POST,
    SL_EVENT_TIMER,
    SL_EVENT_RUN,  /* of a job: virtual host only */
    SL_EVENT_DONE, /* of a job */
} sl_event_kind;

typedef struct sl_event {
    sl_event_kind kind;
    int64_t at_us;
    uint64_t id; /* unique, grows: order among equals, and the timer's name */
    void *owner;
    void (*fn)(void *user);
    void *user;
    sl_job *job;
} sl_event;

/* A binary heap; zero-initialise. */
typedef struct sl_event_heap {
    sl_event *events; /* [0] is the earliest */
    size_t count, capacity;
} sl_event_heap;

void sl_event_heap__deinit(sl_event_heap *h);
void sl_event_heap__push(sl_event_heap *h, const sl_event *e);
sl_event sl_event_heap__pop(sl_event_heap *h);                   /* not empty */
void sl_event_heap__remove_timer(sl_event_heap *h, uint64_t id); /* absent is fine */
void sl_event_heap__remove_owner(sl_event_heap *h, const void *owner);

/* Call what the event carries; a job's `run` or `done` as the kind says. */
void sl_event__call(const sl_event *e);

#endif /* SL_BASE_HOST_QUEUE_PRIVATE_H */
