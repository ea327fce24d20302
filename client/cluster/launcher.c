#include "client/cluster/launcher.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/cluster/launcher_private.h"

extern char **environ;

#define LOG_TAIL_BYTES 600

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- start ---- */

static void close_pair(int pair[2])
{
    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0)
            close(pair[i]);
}

/* Out of the way of the numbers the child finds them at: the first one put there would
 * overwrite the second. False: too many are open. */
static bool move_up(int pair[2])
{
    for (int i = 0; i < 2; i++) {
        int fd = pair[i];
        if (fd < 0 || fd > SL_LAUNCHER_READY_FD)
            continue;
        pair[i] = fcntl(fd, F_DUPFD_CLOEXEC, SL_LAUNCHER_READY_FD + 1);
        int reason = errno;
        close(fd);
        errno = reason;
        if (pair[i] < 0)
            return false;
    }
    return true;
}

static sl_code make_pipes(bool is_detached, int alive[2], int ready[2], sl_error *err)
{
    alive[0] = alive[1] = ready[0] = ready[1] = -1;
    if (pipe2(ready, O_CLOEXEC) != 0 || (!is_detached && pipe2(alive, O_CLOEXEC) != 0) ||
        !move_up(ready) || !move_up(alive)) {
        int reason = errno;
        close_pair(ready);
        close_pair(alive);
        return sl_fail_errno(err, reason, "cannot make a pipe to a child process");
    }
    return SL_OK;
}

static int redirect(posix_spawn_file_actions_t *actions, const sl_launcher_plan *p)
{
    const char *log_path = p->launch->log_path;
    int reason =
        posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (reason == 0 && log_path != NULL)
        reason = posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, log_path,
                                                  O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (reason == 0 && log_path != NULL)
        reason = posix_spawn_file_actions_adddup2(actions, STDOUT_FILENO, STDERR_FILENO);
    if (reason == 0 && p->alive_fd >= 0)
        reason =
            posix_spawn_file_actions_adddup2(actions, p->alive_fd, SL_LAUNCHER_ALIVE_FD);
    if (reason == 0)
        reason =
            posix_spawn_file_actions_adddup2(actions, p->ready_fd, SL_LAUNCHER_READY_FD);
    return reason;
}

/* A child starts with no signal blocked or ignored, whatever this thread has. */
static int set_attributes(posix_spawnattr_t *attributes, bool is_detached)
{
    sigset_t none, all;
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    sigemptyset(&none);
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    if (is_detached)
        flags |= POSIX_SPAWN_SETSID;
    else
        flags |=
            POSIX_SPAWN_SETPGROUP; /* a terminal's Ctrl-C is the client's to handle */
    return posix_spawnattr_setflags(attributes, flags);
}

static int spawn(const sl_launcher_plan *p, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    const char *program = p->launch->program;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    int reason = redirect(&actions, p);
    if (reason == 0)
        reason = set_attributes(&attributes, p->launch->is_detached);
    if (reason == 0)
        reason = posix_spawn(ret, program != NULL ? program : "/proc/self/exe", &actions,
                             &attributes, (char *const *)(uintptr_t)p->argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return reason;
}

static void set_arguments(sl_launcher_plan *p)
{
    static_assert(SL_LAUNCHER_ALIVE_FD == 8 && SL_LAUNCHER_READY_FD == 9,
                  "as the arguments say");
    const char *const *own = p->launch->arguments;
    p->argv[p->argc++] = "sluice";
    for (size_t i = 0; own[i] != NULL && i < SL_LAUNCH_ARGUMENTS_MAX; i++)
        p->argv[p->argc++] = own[i];
    p->argv[p->argc++] = "--ready-fd";
    p->argv[p->argc++] = "9";
    if (p->launch->is_detached)
        return;
    p->argv[p->argc++] = "--alive-fd";
    p->argv[p->argc++] = "8";
}

sl_code sl_child_start(const sl_launch *launch, sl_child *ret, sl_error *err)
{
    int alive[2], ready[2];
    pid_t pid = 0;
    SL_TRY(make_pipes(launch->is_detached, alive, ready, err));
    sl_launcher_plan plan = { .launch = launch,
                              .alive_fd = alive[0],
                              .ready_fd = ready[1] };
    set_arguments(&plan);
    int reason = sl_launcher__may_fork(&plan) ? sl_launcher__fork(&plan, &pid)
                                              : spawn(&plan, &pid);
    close(ready[1]);
    if (alive[0] >= 0)
        close(alive[0]);
    if (reason != 0) {
        close(ready[0]);
        if (alive[1] >= 0)
            close(alive[1]);
        return sl_fail_errno(err, reason, "cannot start `sluice %s`",
                             launch->arguments[0]);
    }
    *ret = (sl_child){ .pid = pid, .alive_fd = alive[1], .ready_fd = ready[0] };
    return SL_OK;
}

/* ---- ready ---- */

static sl_code fail_with_log(sl_code code, const char *what, const char *log_path,
                             sl_error *err)
{
    char tail[LOG_TAIL_BYTES + 1] = "";
    FILE *log = log_path != NULL ? fopen(log_path, "re") : NULL;
    if (log != NULL) {
        if (fseek(log, -LOG_TAIL_BYTES, SEEK_END) != 0)
            rewind(log);
        tail[fread(tail, 1, LOG_TAIL_BYTES, log)] = '\0';
        fclose(log);
    }
    return sl_fail(err, code, "%s%s%s%s%s", what, log_path != NULL ? "; its log is " : "",
                   log_path != NULL ? log_path : "",
                   *tail != '\0' ? " and ends with: " : "", tail);
}

/* One line, or false: it was closed, or the time is over. */
static bool read_line(int fd, char *line, size_t size, int64_t end_ms, bool *ret_closed)
{
    size_t n = 0;
    *ret_closed = false;
    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int64_t left = end_ms - now_ms();
        if (left <= 0 || n + 1 >= size)
            return false;
        int polled = poll(&p, 1, (int)left);
        if (polled < 0 && errno == EINTR)
            continue;
        if (polled <= 0)
            return false;
        ssize_t got = read(fd, line + n, 1);
        if (got < 0 && errno == EINTR)
            continue;
        *ret_closed = got <= 0;
        if (got <= 0)
            return false;
        if (line[n] == '\n') {
            line[n] = '\0';
            return true;
        }
        n++;
    }
}

sl_code sl_child_wait_ready(sl_child *c, const char *log_path, int timeout_ms,
                            sl_error *err)
{
    char line[256];
    bool closed;
    bool told = read_line(c->ready_fd, line, sizeof line, now_ms() + timeout_ms, &closed);
    close(c->ready_fd);
    c->ready_fd = -1;
    if (!told)
        return fail_with_log(closed ? SL_EIO : SL_ETIMEOUT,
                             closed ? "a process of the cluster ended before it was ready"
                                    : "a process of the cluster is not ready in time",
                             log_path, err);
    if (strncmp(line, "ready ", 6) != 0)
        return fail_with_log(SL_EIO,
                             "a process of the cluster says something else than "
                             "that it is ready",
                             log_path, err);
    snprintf(c->address, sizeof c->address, "%.199s", line + 6);
    return SL_OK;
}

/* ---- stop ---- */

/* The child is ours and not waited for yet, so its pid is no other's. */
static void poll_for_exit(int pidfd, int timeout_ms)
{
    int64_t end = now_ms() + timeout_ms;
    struct pollfd p = { .fd = pidfd, .events = POLLIN };
    int64_t left = timeout_ms;
    while (left >= 0 && poll(&p, 1, (int)left) < 0 && errno == EINTR)
        left = end - now_ms();
}

/* Without a pidfd: too many descriptors are open, or the kernel is old. */
static void look_for_exit(pid_t pid, int timeout_ms)
{
    int64_t end = now_ms() + timeout_ms;
    long pause_ns = 500000;
    siginfo_t info = { .si_pid = 0 };
    while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == 0 && now_ms() < end) {
        nanosleep(&(struct timespec){ .tv_nsec = pause_ns }, NULL);
        pause_ns = pause_ns < 5000000 ? pause_ns * 2 : pause_ns;
    }
}

static bool wait_for_exit(pid_t pid, int timeout_ms)
{
    int pidfd = pidfd_open(pid, 0);
    if (pidfd >= 0) {
        poll_for_exit(pidfd, timeout_ms);
        close(pidfd);
    } else {
        look_for_exit(pid, timeout_ms);
    }
    pid_t gone = waitpid(pid, NULL, WNOHANG);
    return gone == pid || (gone < 0 && errno == ECHILD);
}

static void see_it_end(sl_child *c, int timeout_ms)
{
    if (c->pid == 0)
        return;
    if (!wait_for_exit(c->pid, timeout_ms)) {
        kill(c->pid, SIGKILL);
        (void)wait_for_exit(c->pid, timeout_ms);
    }
    if (c->alive_fd >= 0)
        close(c->alive_fd);
    *c = (sl_child){ .alive_fd = -1, .ready_fd = -1 };
}

void sl_children_ask(sl_child *children, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        sl_child *c = &children[i];
        if (c->pid == 0 || c->is_asked)
            continue;
        if (c->ready_fd >= 0)
            close(c->ready_fd);
        c->ready_fd = -1;
        c->is_asked = true;
        kill(c->pid, SIGTERM); /* the end of the pipe would be another wish to end */
    }
}

void sl_children_stop(sl_child *children, uint32_t count, int timeout_ms)
{
    sl_children_ask(children, count);
    for (uint32_t i = 0; i < count; i++)
        see_it_end(&children[i], timeout_ms);
}

void sl_child_stop(sl_child *c, int timeout_ms)
{
    if (c != NULL)
        sl_children_stop(c, 1, timeout_ms);
}
