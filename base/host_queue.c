#include <stdbool.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/host_queue_private.h"

static bool is_before(const sl_event *a, const sl_event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->id < b->id;
}

static void swap(sl_event *a, sl_event *b)
{
    sl_event kept = *a;
    *a = *b;
    *b = kept;
}

static void sift_up(sl_event_heap *h, size_t i)
{
    for (; i > 0 && is_before(&h->events[i], &h->events[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&h->events[i], &h->events[(i - 1) / 2]);
}

static void sift_down(sl_event_heap *h, size_t i)
{
    for (;;) {
        size_t least = i, left = 2 * i + 1, right = left + 1;
        if (left < h->count && is_before(&h->events[left], &h->events[least]))
            least = left;
        if (right < h->count && is_before(&h->events[right], &h->events[least]))
            least = right;
        if (least == i)
            return;
        swap(&h->events[i], &h->events[least]);
        i = least;
    }
}

void sl_event_heap__deinit(sl_event_heap *h)
{
    sl_free(h->events);
    *h = (sl_event_heap){ 0 };
}

void sl_event_heap__push(sl_event_heap *h, const sl_event *e)
{
    if (h->count == h->capacity) {
        h->capacity = h->capacity ? h->capacity * 2 : 32;
        h->events = sl_realloc(h->events, h->capacity * sizeof h->events[0]);
    }
    h->events[h->count] = *e;
    sift_up(h, h->count++);
}

sl_event sl_event_heap__pop(sl_event_heap *h)
{
    SL_ASSERT(h->count > 0);
    sl_event first = h->events[0];
    h->events[0] = h->events[--h->count];
    sift_down(h, 0);
    return first;
}

void sl_event_heap__remove_timer(sl_event_heap *h, uint64_t id)
{
    for (size_t i = 0; i < h->count; i++) {
        if (h->events[i].kind != SL_EVENT_TIMER || h->events[i].id != id)
            continue;
        h->events[i] = h->events[--h->count];
        if (i < h->count) {
            sift_up(h, i);
            sift_down(h, i);
        }
        return;
    }
}

void sl_event_heap__remove_owner(sl_event_heap *h, const void *owner)
{
    size_t kept = 0;
    for (size_t i = 0; i < h->count; i++)
        if (h->events[i].owner != owner)
            h->events[kept++] = h->events[i];
    h->count = kept;
    for (size_t i = kept / 2; i-- > 0;)
        sift_down(h, i);
}

void sl_event__call(const sl_event *e)
{
    switch (e->kind) {
    case SL_EVENT_POST:
    case SL_EVENT_TIMER:
        e->fn(e->user);
        break;
    case SL_EVENT_RUN:
        e->job->run(e->job);
        break;
    case SL_EVENT_DONE:
        if (e->job->done)
            e->job->done(e->job);
        break;
    }
}
