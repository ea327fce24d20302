/* host_watch_private.h - the descriptors a real host's loop waits for, in one epoll set
 * with an eventfd that ends the wait.
 *
 * Thread: loop thread; sl_watches__wake any. */

#ifndef SL_BASE_HOST_WATCH_PRIVATE_H
#define SL_BASE_HOST_WATCH_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#define SL_WATCH_READY_MAX 64u

typedef struct sl_watch {
    void *owner;
    int fd;
    void (*fn)(void *user);
    void *user;
} sl_watch;

typedef struct sl_watches sl_watches;

sl_watches *sl_watches__new(void);
void sl_watches__free(sl_watches *w); /* NULL is fine */
void sl_watches__add(sl_watches *w, sl_watch watch);
/* False: fd is not watched. */
bool sl_watches__remove(sl_watches *w, int fd, sl_watch *ret);
void sl_watches__remove_owner(sl_watches *w, const void *owner);
/* Wait until a descriptor turned readable, the wake, or the time is over (-1: for ever);
 * ret has room for SL_WATCH_READY_MAX, what it points at lives until removed. */
uint32_t sl_watches__poll(sl_watches *w, int64_t wait_us, const sl_watch **ret);
void sl_watches__wake(sl_watches *w);

#endif /* SL_BASE_HOST_WATCH_PRIVATE_H */
