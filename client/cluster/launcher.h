/* launcher.h - starts the processes of a cluster on this host: this same program as
 * `sluice driver` and `sluice worker`.
 *
 * A child is tied to its parent by a pipe: when the parent dies, however it dies, the
 * child ends by itself; or it is left alone in a session of its own.
 *
 * It begins by exec of the program; where the program set an entry, the caller allows it
 * and there is one thread, by fork alone and a call of that entry, which spares loading
 * and linking the program again. The child cannot tell: it has the same arguments,
 * descriptors and signals.
 *
 * Thread:  any, one call at a time for a child.
 * Errors:  SL_ETIMEOUT not ready in time, SL_EIO could not be started; the text has the
 *          end of its log. */

#ifndef SL_CLIENT_CLUSTER_LAUNCHER_H
#define SL_CLIENT_CLUSTER_LAUNCHER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/error.h"

#define SL_LAUNCH_ARGUMENTS_MAX 64

typedef struct sl_child {
    pid_t pid;         /* 0: none */
    int alive_fd;      /* ours; closing it tells the child to end; -1: it is on its own */
    int ready_fd;      /* ours, until it was ready; -1 */
    bool is_asked;     /* to end */
    char address[200]; /* once ready */
} sl_child;

typedef struct sl_launch {
    const char *program;          /* NULL: this process's own */
    const char *const *arguments; /* after the program's name, NULL at the end */
    const char *log_path;         /* standard output and error are appended; NULL: ours */
    bool is_detached;             /* outlives us; begins by exec */
    bool may_fork; /* the caller has no state that a copy of it would share: no socket, no
                      database; threads are looked for */
} sl_launch;

/* Of a program whose main() is sluice's own: what a copy of it calls with its arguments,
 * and those this process was started with, which a copy writes its own over. */
void sl_launcher_set_entry(int (*main)(int argc, char **argv), int argc, char **argv);

SL_CHECKED sl_code sl_child_start(const sl_launch *launch, sl_child *ret, sl_error *err);
/* Wait until it says it is ready; if it ends before, the error has the end of its log. */
SL_CHECKED sl_code sl_child_wait_ready(sl_child *c, const char *log_path, int timeout_ms,
                                       sl_error *err);
/* Ask to end, once, those that were not asked yet; pid 0 is fine. */
void sl_children_ask(sl_child *children, uint32_t count);
/* Ask them, wait at most timeout_ms for each, then kill. */
void sl_children_stop(sl_child *children, uint32_t count, int timeout_ms);
void sl_child_stop(sl_child *c, int timeout_ms); /* NULL is fine */

#endif /* SL_CLIENT_CLUSTER_LAUNCHER_H */
