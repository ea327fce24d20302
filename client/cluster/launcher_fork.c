/* A child as a copy of this process.  What exec would have done away with is done away
 * with here: descriptors that close on exec, handlers and masks of signals, text that
 * waits in buffers of stdio, what the log remembers; functions registered with atexit()
 * are the parent's and do not run, the child leaves by _exit().  What exec would have
 * done anew and is shared until one of the two writes to it: the program's relocated
 * pages, options that are registered.  Nothing else is in a command before it starts a
 * cluster; randomness comes from the kernel, never from a seed.
 *
 * An exec costs about 8 ms of processor time, most of it dynamic linking; a copy 1. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "client/cluster/launcher_private.h"

static struct {
    int (*main)(int argc, char **argv);
    char *title; /* the arguments this process was started with: what ps shows */
    size_t title_bytes;
} entry;

void sl_launcher_set_entry(int (*main)(int argc, char **argv), int argc, char **argv)
{
    entry.main = main;
    entry.title = argc > 0 ? argv[0] : NULL;
    entry.title_bytes = 0;
    for (int i = 0; i < argc && argv[i] == entry.title + entry.title_bytes; i++)
        entry.title_bytes += strlen(argv[i]) + 1;
}

/* Of the kernel, since anybody may have made a thread. fd_bound: descriptors are below
 * it. False: it does not say. */
static bool ask_kernel(int *ret_threads, int *ret_fd_bound)
{
    char line[128];
    *ret_threads = *ret_fd_bound = 0;
    FILE *status = fopen("/proc/self/status", "re");
    if (status == NULL)
        return false;
    while (fgets(line, sizeof line, status) != NULL) {
        (void)!sscanf(line, "Threads: %d", ret_threads);
        (void)!sscanf(line, "FDSize: %d", ret_fd_bound);
    }
    fclose(status);
    return *ret_threads > 0 && *ret_fd_bound > 0;
}

bool sl_launcher__may_fork(sl_launcher_plan *plan)
{
    const sl_launch *l = plan->launch;
    int threads;
    return entry.main != NULL && l->may_fork && !l->is_detached && l->program == NULL &&
           ask_kernel(&threads, &plan->fd_bound) && threads == 1;
}

/* ---- in the child ---- */

/* None blocked or ignored, whatever the parent has. The handlers of faults are a
 * sanitizer's, if there are any. */
static void reset_signals(void)
{
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        if (number != SIGSEGV && number != SIGBUS && number != SIGFPE && number != SIGILL)
            (void)signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Those that exec would close. Not by a look at /proc/self/fd, which is a millisecond's
 * work for who waits for the end of this process. */
static void close_on_exec(int fd_bound)
{
    for (int fd = STDERR_FILENO + 1; fd < fd_bound; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (flags >= 0 && (flags & FD_CLOEXEC) != 0)
            close(fd);
    }
}

static bool move(int fd, int to)
{
    if (fd == to)
        return true;
    bool moved = dup2(fd, to) >= 0;
    if (fd > STDERR_FILENO)
        close(fd);
    return moved;
}

/* null, log: opened in this order, so the lower numbers are taken before they are
 * overwritten. log -1: the parent's. */
static bool take_descriptors(const sl_launcher_plan *plan, int null, int log)
{
    bool taken = move(null, STDIN_FILENO) &&
                 (log < 0 || (move(log, STDOUT_FILENO) &&
                              dup2(STDOUT_FILENO, STDERR_FILENO) >= 0)) &&
                 move(plan->alive_fd, SL_LAUNCHER_ALIVE_FD) &&
                 move(plan->ready_fd, SL_LAUNCHER_READY_FD);
    close_on_exec(plan->fd_bound);
    return taken;
}

/* As much as there is room for. */
static void set_title(char *const *argv)
{
    size_t at = 0;
    for (size_t i = 0; argv[i] != NULL && at < entry.title_bytes; i++)
        at +=
            (size_t)snprintf(entry.title + at, entry.title_bytes - at, "%s", argv[i]) + 1;
    if (at < entry.title_bytes)
        memset(entry.title + at, '\0', entry.title_bytes - at);
}

static _Noreturn void be_child(const sl_launcher_plan *plan, int null, int log)
{
    char *argv[sizeof plan->argv / sizeof plan->argv[0]];
    (void)setpgid(0, 0); /* a terminal's Ctrl-C is the client's to handle */
    reset_signals();
    if (!take_descriptors(plan, null, log))
        _exit(127);
    for (int i = 0; i < plan->argc; i++)
        argv[i] = sl_strdup(plan->argv[i]); /* some may lie where the title goes */
    argv[plan->argc] = NULL;
    set_title(argv);
    sl_log_restart();
    int code = entry.main(plan->argc, argv);
    sl_log_flush();
    (void)fflush(stdout);
    (void)fflush(stderr);
    _exit(code);
}

/* ---- in the parent ---- */

int sl_launcher__fork(const sl_launcher_plan *plan, pid_t *ret)
{
    const char *path = plan->launch->log_path;
    int log = -1, reason = 0;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null >= 0 && path != NULL)
        log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (null < 0 || (path != NULL && log < 0)) {
        reason = errno;
    } else {
        (void)fflush(stdout); /* or it is written twice */
        (void)fflush(stderr);
        *ret = fork();
        if (*ret == 0)
            be_child(plan, null, log);
        reason = *ret < 0 ? errno : 0;
    }
    if (null >= 0)
        close(null);
    if (log >= 0)
        close(log);
    return reason;
}
