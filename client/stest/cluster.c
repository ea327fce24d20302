#include "client/stest/cluster_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "client/cluster/launcher.h"

#define READY_MS 20000
#define STOP_MS 10000
#define DRIVER 0 /* of the children */
#define DEATHS_TOLD_MAX 3u

struct stest_cluster {
    char directory[160], log_path[200], tables_path[200], failpoint_path[200];
    char address[200];
    uint32_t slots, child_count;
    sl_memory_tables *tables;
    pthread_t supervisor;
    bool has_supervisor;
    int wake_fd; /* eventfd: the children changed, or the end */

    pthread_mutex_t lock; /* guards the rest */
    bool is_stopping, is_armed, had_trouble;
    void (*on_death)(void *user);
    void *on_death_user;
    sl_bytes trouble;
    uint32_t deaths;     /* that no failpoint asked for, since it was taken */
    sl_child children[]; /* the driver, then the workers */
};

/* ---- processes; Locks: c->lock held, or no supervisor yet ---- */

static sl_code start_driver(stest_cluster *c, sl_error *err)
{
    char bind[200], dir[200];
    snprintf(bind, sizeof bind, "ipc://%s/driver.ipc", c->directory);
    snprintf(dir, sizeof dir, "%s/driver", c->directory);
    const char *arguments[] = { "driver", "--bind", bind, "--dir", dir, "--test-tables",
                                c->tables_path,
                                /* a worker that was killed does not come back */
                                "--conf", "sluice.worker.reconnectWithin=100 ms", NULL };
    sl_launch l = { .arguments = arguments, .log_path = c->log_path };
    SL_TRY(sl_child_start(&l, &c->children[DRIVER], err));
    SL_TRY(sl_child_wait_ready(&c->children[DRIVER], c->log_path, READY_MS, err));
    snprintf(c->address, sizeof c->address, "%s", c->children[DRIVER].address);
    return SL_OK;
}

static sl_code start_worker(stest_cluster *c, uint32_t i, sl_error *err)
{
    char slots[16], dir[200];
    snprintf(slots, sizeof slots, "%u", c->slots);
    snprintf(dir, sizeof dir, "%s/workers", c->directory);
    const char *arguments[] = { "worker", "--driver", c->address, "--slots",
                                slots,    "--dir",    dir,        NULL };
    sl_launch l = { .arguments = arguments, .log_path = c->log_path };
    return sl_child_start(&l, &c->children[i], err);
}

static void forget_child(sl_child *child)
{
    if (child->ready_fd >= 0)
        close(child->ready_fd);
    if (child->alive_fd >= 0)
        close(child->alive_fd);
    *child = (sl_child){ .alive_fd = -1, .ready_fd = -1 };
}

/* ---- the supervisor ---- */

static bool file_is_empty(const char *path)
{
    sl_file_info info;
    return sl_fs_stat(sl_fs_posix(), path, &info, NULL) != SL_OK || info.size_bytes == 0;
}

static void note_death(stest_cluster *c, uint32_t i, int status)
{
    const char *who = i == DRIVER ? "the driver" : "a worker";
    if (c->is_armed && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
        file_is_empty(c->failpoint_path)) {
        c->is_armed = false;
        return;
    }
    if (++c->deaths > DEATHS_TOLD_MAX)
        return;
    if (WIFSIGNALED(status))
        sl_bytes_printf(&c->trouble, "%s died of signal %d", who, WTERMSIG(status));
    else
        sl_bytes_printf(&c->trouble, "%s ended with exit code %d", who,
                        WEXITSTATUS(status));
    sl_bytes_printf(&c->trouble, "; the log of all processes is %s\n", c->log_path);
}

static void revive(stest_cluster *c, uint32_t i)
{
    sl_error err;
    forget_child(&c->children[i]);
    if (i == DRIVER && c->on_death != NULL)
        c->on_death(c->on_death_user);
    sl_code code = i == DRIVER ? start_driver(c, &err) : start_worker(c, i, &err);
    if (code != SL_OK)
        sl_bytes_printf(&c->trouble, "%s\n", err.text);
}

static void look_after(stest_cluster *c)
{
    for (uint32_t i = 0; i < c->child_count && !c->is_stopping; i++) {
        int status;
        if (c->children[i].pid == 0 ||
            waitpid(c->children[i].pid, &status, WNOHANG) != c->children[i].pid)
            continue;
        note_death(c, i, status);
        revive(c, i);
    }
}

/* Sleep until a child ends or the children change. */
static void wait_for_deaths(const stest_cluster *c, const pid_t *pids)
{
    struct pollfd *fds = (struct pollfd *)sl_calloc(c->child_count + 1, sizeof *fds);
    for (uint32_t i = 0; i < c->child_count; i++)
        fds[i] = (struct pollfd){ .fd = pids[i] > 0 ? pidfd_open(pids[i], 0) : -1,
                                  .events = POLLIN };
    fds[c->child_count] = (struct pollfd){ .fd = c->wake_fd, .events = POLLIN };
    (void)poll(fds, c->child_count + 1, 1000);
    for (uint32_t i = 0; i < c->child_count; i++)
        if (fds[i].fd >= 0)
            close(fds[i].fd);
    uint64_t wakes;
    (void)!read(c->wake_fd, &wakes, sizeof wakes);
    sl_free(fds);
}

static void *supervise(void *argument)
{
    stest_cluster *c = (stest_cluster *)argument;
    pid_t *pids = (pid_t *)sl_calloc(c->child_count, sizeof *pids);
    pthread_setname_np(pthread_self(), "stest-cluster");
    for (;;) {
        pthread_mutex_lock(&c->lock);
        bool stop = c->is_stopping;
        if (!stop)
            look_after(c);
        for (uint32_t i = 0; i < c->child_count; i++)
            pids[i] = c->children[i].pid;
        pthread_mutex_unlock(&c->lock);
        if (stop)
            break;
        wait_for_deaths(c, pids);
    }
    sl_free(pids);
    return NULL;
}

static void wake_supervisor(stest_cluster *c)
{
    uint64_t one = 1;
    (void)!write(c->wake_fd, &one, sizeof one);
}

static sl_code start_supervisor(stest_cluster *c, sl_error *err)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int reason = pthread_create(&c->supervisor, NULL, supervise, c);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (reason != 0)
        return sl_fail_errno(err, reason, "cannot start the cluster's supervisor");
    c->has_supervisor = true;
    return SL_OK;
}

/* ---- life ---- */

static sl_code make_directory(stest_cluster *c, sl_error *err)
{
    const char *base = getenv("TMPDIR");
    snprintf(c->directory, sizeof c->directory, "%.120s/sluice-test-XXXXXX",
             base != NULL && *base != '\0' ? base : "/tmp");
    if (mkdtemp(c->directory) == NULL) {
        int reason = errno;
        c->directory[0] = '\0';
        return sl_fail_errno(err, reason, "cannot make a directory in %s",
                             base != NULL && *base != '\0' ? base : "/tmp");
    }
    snprintf(c->log_path, sizeof c->log_path, "%s/log", c->directory);
    snprintf(c->tables_path, sizeof c->tables_path, "%s/tables", c->directory);
    snprintf(c->failpoint_path, sizeof c->failpoint_path, "%s/failpoint", c->directory);
    /* children, as all of this process's from now on, have it from the environment */
    setenv("SLUICE_FAILPOINT_FILE", c->failpoint_path, 1);
    return sl_memory_tables_new_shared(c->tables_path, &c->tables, err);
}

static sl_code start_all(stest_cluster *c, sl_error *err)
{
    SL_TRY(make_directory(c, err));
    SL_TRY(start_driver(c, err));
    for (uint32_t i = 1; i < c->child_count; i++)
        SL_TRY(start_worker(c, i, err));
    for (uint32_t i = 1; i < c->child_count; i++)
        SL_TRY(sl_child_wait_ready(&c->children[i], c->log_path, READY_MS, err));
    return start_supervisor(c, err);
}

sl_code stest_cluster_new(uint32_t workers, uint32_t slots, stest_cluster **ret,
                          sl_error *err)
{
    stest_cluster *c = (stest_cluster *)sl_calloc(1, sizeof *c + (workers + (size_t)1) *
                                                                     sizeof(sl_child));
    c->child_count = workers + 1;
    c->slots = slots;
    for (uint32_t i = 0; i < c->child_count; i++)
        c->children[i] = (sl_child){ .alive_fd = -1, .ready_fd = -1 };
    pthread_mutex_init(&c->lock, NULL);
    c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    sl_code code = start_all(c, err);
    if (code != SL_OK) {
        stest_cluster_free(c);
        return code;
    }
    *ret = c;
    return SL_OK;
}

void stest_cluster_free(stest_cluster *c)
{
    if (c == NULL)
        return;
    pthread_mutex_lock(&c->lock);
    c->is_stopping = true;
    pthread_mutex_unlock(&c->lock);
    wake_supervisor(c);
    if (c->has_supervisor)
        pthread_join(c->supervisor, NULL);
    for (uint32_t i = 0; i < c->child_count; i++)
        sl_child_stop(&c->children[i], STOP_MS);
    unsetenv("SLUICE_FAILPOINT_FILE");
    sl_memory_tables_free(c->tables);
    if (!c->had_trouble && c->trouble.size_bytes == 0 && c->directory[0] != '\0')
        (void)!sl_fs_remove_tree(sl_fs_posix(), c->directory, NULL);
    if (c->wake_fd >= 0)
        close(c->wake_fd);
    sl_bytes_deinit(&c->trouble);
    pthread_mutex_destroy(&c->lock);
    sl_free(c);
}

/* ---- as worlds see it ---- */

const char *stest_cluster_address(const stest_cluster *c)
{
    return c->address;
}

const char *stest_cluster_directory(const stest_cluster *c)
{
    return c->directory;
}

sl_memory_tables *stest_cluster_tables(stest_cluster *c)
{
    return c->tables;
}

sl_code stest_cluster_restart_driver(stest_cluster *c, sl_error *err)
{
    pthread_mutex_lock(&c->lock);
    sl_child_stop(&c->children[DRIVER], STOP_MS);
    sl_code code = start_driver(c, err);
    pthread_mutex_unlock(&c->lock);
    wake_supervisor(c);
    return code;
}

/* Replaced as a whole: a process that passes it now sees the old text or the new. */
static sl_code write_failpoint(stest_cluster *c, const char *text, sl_error *err)
{
    char beside[220];
    snprintf(beside, sizeof beside, "%s.new", c->failpoint_path);
    FILE *f = fopen(beside, "we");
    bool ok = f != NULL && fputs(text, f) >= 0;
    ok = f != NULL && fclose(f) == 0 && ok;
    if (!ok || rename(beside, c->failpoint_path) != 0)
        return sl_fail_errno(err, errno, "cannot write %s", c->failpoint_path);
    return SL_OK;
}

/* A process that dies after it has answered holds nobody up: the batch may be done before
 * the supervisor has seen the death, which it could not tell from one nobody asked for
 * once another failpoint is armed.  Takes the lock. */
static void lock_when_death_is_noted(stest_cluster *c)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    pthread_mutex_lock(&c->lock);
    for (int i = 0; i < STOP_MS && c->is_armed && file_is_empty(c->failpoint_path); i++) {
        pthread_mutex_unlock(&c->lock);
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&c->lock);
    }
}

sl_code stest_cluster_arm(stest_cluster *c, const char *failpoint, uint32_t pass,
                          sl_error *err)
{
    char text[256];
    snprintf(text, sizeof text, "%.200s:%u", failpoint, pass);
    lock_when_death_is_noted(c);
    c->is_armed = true;
    sl_code code = write_failpoint(c, text, err);
    pthread_mutex_unlock(&c->lock);
    return code;
}

bool stest_cluster_is_armed(stest_cluster *c)
{
    return !file_is_empty(c->failpoint_path);
}

void stest_cluster_disarm(stest_cluster *c)
{
    lock_when_death_is_noted(c);
    if (!file_is_empty(c->failpoint_path)) {
        c->is_armed = false;
        (void)!write_failpoint(c, "", NULL);
    }
    pthread_mutex_unlock(&c->lock);
}

void stest_cluster_on_death(stest_cluster *c, void (*fn)(void *user), void *user)
{
    pthread_mutex_lock(&c->lock);
    c->on_death = fn;
    c->on_death_user = user;
    pthread_mutex_unlock(&c->lock);
}

void stest_cluster_lock(stest_cluster *c)
{
    pthread_mutex_lock(&c->lock);
}

void stest_cluster_unlock(stest_cluster *c)
{
    pthread_mutex_unlock(&c->lock);
}

void stest_cluster_take_trouble(stest_cluster *c, sl_bytes *out)
{
    pthread_mutex_lock(&c->lock);
    c->had_trouble = c->had_trouble || c->trouble.size_bytes > 0;
    sl_bytes_text(out, sl_bytes_cstr(&c->trouble));
    sl_bytes_clear(&c->trouble);
    c->deaths = 0;
    pthread_mutex_unlock(&c->lock);
}
