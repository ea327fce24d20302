#include "base/host_watch_private.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"

struct sl_watches {
    int epoll_fd, wake_fd;
    sl_watch **watches; /* each its own allocation: epoll holds the pointer */
    uint32_t count, capacity;
    bool coarse; /* the kernel lacks epoll_pwait2: waits are rounded up to 1 ms */
};

sl_watches *sl_watches__new(void)
{
    sl_watches *w = sl_calloc(1, sizeof *w);
    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL };
    SL_ASSERT(w->epoll_fd >= 0 && w->wake_fd >= 0);
    SL_ASSERT(epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->wake_fd, &e) == 0);
    return w;
}

void sl_watches__free(sl_watches *w)
{
    if (!w)
        return;
    for (uint32_t i = 0; i < w->count; i++)
        sl_free(w->watches[i]);
    close(w->wake_fd);
    close(w->epoll_fd);
    sl_free(w->watches);
    sl_free(w);
}

void sl_watches__add(sl_watches *w, sl_watch watch)
{
    if (w->count == w->capacity) {
        w->capacity = w->capacity ? w->capacity * 2 : 8;
        w->watches = sl_realloc(w->watches, w->capacity * sizeof w->watches[0]);
    }
    sl_watch *one = sl_alloc(sizeof *one);
    *one = watch;
    w->watches[w->count++] = one;
    struct epoll_event e = { .events = EPOLLIN | EPOLLET, .data.ptr = one };
    SL_ASSERT(epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, watch.fd, &e) == 0);
}

static void remove_at(sl_watches *w, uint32_t i)
{
    (void)epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, w->watches[i]->fd, NULL);
    sl_free(w->watches[i]);
    w->watches[i] = w->watches[--w->count];
}

bool sl_watches__remove(sl_watches *w, int fd, sl_watch *ret)
{
    for (uint32_t i = 0; i < w->count; i++)
        if (w->watches[i]->fd == fd) {
            *ret = *w->watches[i];
            remove_at(w, i);
            return true;
        }
    return false;
}

void sl_watches__remove_owner(sl_watches *w, const void *owner)
{
    for (uint32_t i = w->count; i-- > 0;)
        if (w->watches[i]->owner == owner)
            remove_at(w, i);
}

static int wait_in_epoll(sl_watches *w, struct epoll_event *events, int64_t wait_us)
{
    if (wait_us == 0)
        return epoll_wait(w->epoll_fd, events, SL_WATCH_READY_MAX, 0);
    if (!w->coarse) {
        struct timespec t = { .tv_sec = (time_t)(wait_us / 1000000),
                              .tv_nsec = (long)(wait_us % 1000000) * 1000 };
        int n = epoll_pwait2(w->epoll_fd, events, SL_WATCH_READY_MAX,
                             wait_us < 0 ? NULL : &t, NULL);
        if (n >= 0 || errno != ENOSYS)
            return n;
        w->coarse = true;
    }
    int64_t ms = wait_us < 0 ? -1 : (wait_us + 999) / 1000;
    return epoll_wait(w->epoll_fd, events, SL_WATCH_READY_MAX,
                      ms > INT32_MAX ? INT32_MAX : (int)ms);
}

uint32_t sl_watches__poll(sl_watches *w, int64_t wait_us, const sl_watch **ret)
{
    struct epoll_event events[SL_WATCH_READY_MAX];
    uint32_t count = 0;
    int n = wait_in_epoll(w, events, wait_us); /* EINTR: as if the time were over */
    for (int i = 0; i < n; i++) {
        uint64_t wakes;
        if (events[i].data.ptr)
            ret[count++] = events[i].data.ptr;
        else
            (void)!read(w->wake_fd, &wakes, sizeof wakes);
    }
    return count;
}

void sl_watches__wake(sl_watches *w)
{
    uint64_t one = 1;
    (void)!write(w->wake_fd, &one, sizeof one);
}
