/* launcher_private.h - a child's beginning: as a program of its own (launcher.c), or as a
 * copy of this process (launcher_fork.c).  Both leave it with the same descriptors,
 * signals and arguments. */

#ifndef SL_CLIENT_CLUSTER_LAUNCHER_PRIVATE_H
#define SL_CLIENT_CLUSTER_LAUNCHER_PRIVATE_H

#include "client/cluster/launcher.h"

/* Descriptors the child finds its pipes at. */
#define SL_LAUNCHER_ALIVE_FD 8
#define SL_LAUNCHER_READY_FD 9

typedef struct sl_launcher_plan {
    const sl_launch *launch;
    const char *argv[SL_LAUNCH_ARGUMENTS_MAX + 6]; /* NULL at the end */
    int argc;
    int alive_fd, ready_fd; /* the child's ends, at other numbers; alive -1: none */
    int fd_bound;           /* of a fork: all descriptors that are open are below it */
} sl_launcher_plan;

/* An entry is set, the caller says that its state does no harm, and no thread but this
 * one exists, whoever may have made it. */
bool sl_launcher__may_fork(sl_launcher_plan *plan);
/* 0, or an errno. */
int sl_launcher__fork(const sl_launcher_plan *plan, pid_t *ret);

#endif /* SL_CLIENT_CLUSTER_LAUNCHER_PRIVATE_H */
