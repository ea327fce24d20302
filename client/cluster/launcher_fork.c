/* A child as a copy of this process.  What exec would have done away with is done away
 * with here: descriptors that close on exec, handlers and masks of signals, text that
 * waits in buffers of stdio, what the log remembers; functions registered with atexit()
 * are the parent's and do not run, the child leaves by _exit().  What exec would have
 * done anew and is shared until one of the two writes to it: the program's relocated
 * pages, options that are registered.  Nothing else is in a command before it starts a
 * cluster; randomness comes from the kernel, never from a seed.
 *
 * An exec costs about 12 ms of processor time, most of it dynamic linking; a copy 2. */
#include <dirent.h>
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

static bool has_one_thread(void)
{
    char line[128];
    int threads = 0;
    FILE *status = fopen("/proc/self/status", "re");
    if (status == NULL)
        return false;
    while (threads == 0 && fgets(line, sizeof line, status) != NULL)
        (void)!sscanf(line, "Threads: %d", &threads);
    fclose(status);
    return threads == 1;
}

bool sl_launcher__may_fork(const sl_launch *launch)
{
    return entry.main != NULL && launch->may_fork && !launch->is_detached &&
           launch->program == NULL && has_one_thread();
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

/* Those that exec would close. */
static bool close_on_exec(void)
{
    DIR *fds = opendir("/proc/self/fd");
    if (fds == NULL)
        return false;
    for (const struct dirent *e = readdir(fds); e != NULL; e = readdir(fds)) {
        int fd = atoi(e->d_name); /* "." and ".." are 0 */
        if (fd > STDERR_FILENO && fd != dirfd(fds) &&
            (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0)
            close(fd);
    }
    closedir(fds);
    return true;
}

/* null, log: opened in this order, so the lower numbers are taken before they are
 * overwritten. log -1: the parent's. */
static bool take_descriptors(const sl_launcher_plan *plan, int null, int log)
{
    if (dup2(null, STDIN_FILENO) < 0 ||
        (log >= 0 && (dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)) ||
        dup2(plan->alive_fd, SL_LAUNCHER_ALIVE_FD) < 0 ||
        dup2(plan->ready_fd, SL_LAUNCHER_READY_FD) < 0)
        return false;
    close(plan->alive_fd); /* one is free for a look at the others */
    return close_on_exec();
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
