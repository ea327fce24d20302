/* failpoint.h - how the durable rooms name the moments around their durable writes.
 *
 * A process hands in sl_host_failpoint behind this; tests record or die there.  Zeroed
 * means none.  Thread: the thread of the call that passes the point. */

#ifndef SL_OBJECTS_FAILPOINT_H
#define SL_OBJECTS_FAILPOINT_H

typedef struct sl_failpoints {
    void (*pass)(void *user, const char *name);
    void *user;
} sl_failpoints;

static inline void sl_failpoint_pass(sl_failpoints f, const char *name)
{
    if (f.pass)
        f.pass(f.user, name);
}

#endif /* SL_OBJECTS_FAILPOINT_H */
