#include "client/cluster/daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/host.h"
#include "base/log.h"
#include "client/cluster/metrics_file.h"
#include "connectors/memory_table.h"
#include "driver/driver.h"
#include "transport/link_zmq.h"
#include "worker/worker.h"

#define LINGER_MS 500
#define RETURN_US 200000 /* pause before a fenced worker comes back */

/* What both kinds of process have. */
struct process {
    sl_host *host;
    sl_zmq_network *network;
    sl_kv_factory kv;
    sl_memory_tables *memory;
    sl_metrics_file *metrics;
    int signal_fd, alive_fd;
    uint32_t ends_wanted; /* signals seen, or the parent's end */
    bool stop;
    void (*end)(struct process *p); /* ends_wanted grew */
};

static void want_end(struct process *p)
{
    p->ends_wanted++;
    p->end(p);
}

static void on_signal(void *user)
{
    struct process *p = (struct process *)user;
    struct signalfd_siginfo info;
    while (read(p->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        log_info("SIGNAL", "%s", strsignal((int)info.ssi_signo));
        want_end(p);
    }
}

/* The parent wrote nothing and never will: readable means that it is gone. */
static void on_parent_gone(void *user)
{
    struct process *p = (struct process *)user;
    sl_host_unwatch(p->host, p->alive_fd);
    close(p->alive_fd);
    p->alive_fd = -1;
    log_info("PARENT-GONE", "the process that started this one has ended");
    want_end(p);
}

static sl_code watch_signals(struct process *p, sl_error *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread is made */
    p->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return p->signal_fd >= 0 ? SL_OK
                             : sl_fail_errno(err, errno, "cannot wait for signals");
}

/* name: as ps and top show it; a child of a launcher is "exe" otherwise. */
static sl_code process_init(struct process *p, const char *name, int alive_fd,
                            void (*end)(struct process *p), sl_error *err)
{
    pthread_setname_np(pthread_self(), name);
    *p = (struct process){ .signal_fd = -1, .alive_fd = alive_fd, .end = end };
    p->kv = sl_kv_rocksdb();
    SL_TRY(watch_signals(p, err));
    SL_TRY(sl_host_real_new(&p->host, err));
    SL_TRY(sl_zmq_network_new(LINGER_MS, &p->network, err));
    sl_host_watch(p->host, p, p->signal_fd, on_signal, p);
    if (alive_fd >= 0)
        sl_host_watch(p->host, p, alive_fd, on_parent_gone, p);
    return SL_OK;
}

static void process_deinit(struct process *p)
{
    if (p->host != NULL) {
        sl_host_close_owner(p->host, p);
        sl_zmq_network_free(p->network);
        sl_host_free(p->host);
    }
    sl_memory_tables_free(p->memory);
    if (p->signal_fd >= 0)
        close(p->signal_fd);
    if (p->alive_fd >= 0)
        close(p->alive_fd);
}

static void say_ready(int fd, const char *address)
{
    char line[256];
    int n = snprintf(line, sizeof line, "ready %s\n", address);
    if (fd < 0)
        return;
    if (write(fd, line, (size_t)n) != n)
        log_warn("READY", "nobody waits to hear that this process is ready");
    close(fd);
}

/* ---- driver ---- */

struct driver_process {
    struct process base; /* first */
    sl_driver *driver;
};

static void stop_if_idle(struct driver_process *p)
{
    if (p->base.ends_wanted > 0 && sl_driver_queries_active(p->driver) == 0)
        p->base.stop = true;
}

static void end_driver(struct process *base)
{
    struct driver_process *p = (struct driver_process *)(void *)base;
    sl_driver_shut_down(p->driver, base->ends_wanted > 1);
    stop_if_idle(p);
}

static void look_again(void *user)
{
    stop_if_idle((struct driver_process *)user);
}

static void on_query_event(void *user, sl_query_event_kind kind, const sl_query_info *q)
{
    struct driver_process *p = (struct driver_process *)user;
    if (kind == SL_EVENT_TERMINATED && q->error != NULL)
        log_error("QUERY-FAILED", "%s: [%s] %s", q->name, q->error->condition,
                  q->error->text);
    if (kind == SL_EVENT_TERMINATED)
        sl_host_post(p->base.host, p, look_again, p);
}

/* Console text of queries whose client is gone. */
static sl_code print_here(void *user, const char *text, size_t length, sl_error *err)
{
    (void)user;
    (void)err;
    if (fwrite(text, 1, length, stdout) != length || fflush(stdout) != 0)
        log_warn("CONSOLE", "%zu bytes of console text could not be written", length);
    return SL_OK; /* nobody's terminal: the query goes on */
}

static sl_code make_tables(struct process *p, const char *shared_file, sl_error *err)
{
    if (shared_file != NULL)
        return sl_memory_tables_new_shared(shared_file, &p->memory, err);
    p->memory = sl_memory_tables_new();
    return SL_OK;
}

static void refresh_driver(void *user)
{
    sl_driver_refresh_metrics(((struct driver_process *)user)->driver);
}

static sl_code run_driver(struct driver_process *p, const sl_driver_daemon *config,
                          sl_error *err)
{
    char temp[4096];
    snprintf(temp, sizeof temp, "%s/checkpoints", config->directory);
    sl_driver_config d = { .options = config->options,
                           .address = config->bind,
                           .kv = &p->base.kv,
                           .temp_dir = temp,
                           .memory = p->base.memory,
                           .directory =
                               config->has_no_registry ? NULL : config->directory,
                           .print = print_here };
    SL_TRY(sl_driver_new(p->base.host, sl_zmq_network_of(p->base.network), &d, &p->driver,
                         err));
    sl_driver_set_listener(p->driver, on_query_event, p);
    p->base.metrics = sl_metrics_file_new(p->base.host, config->options, config->name,
                                          refresh_driver, p);
    sl_driver_resume(p->driver);
    log_info("DRIVER-READY", "at %s, directory %s", sl_driver_address(p->driver),
             config->directory);
    say_ready(config->ready_fd, sl_driver_address(p->driver));
    (void)!sl_host_run_until(p->base.host, &p->base.stop);
    sl_metrics_file_free(p->base.metrics);
    return SL_OK;
}

sl_code sl_driver_daemon_run(const sl_driver_daemon *config, sl_error *err)
{
    sl_driver_register_metrics();
    struct driver_process p = { .driver = NULL };
    sl_code code =
        process_init(&p.base, "sluice-driver", config->alive_fd, end_driver, err);
    if (code == SL_OK)
        code = make_tables(&p.base, config->test_tables, err);
    if (code == SL_OK)
        code = run_driver(&p, config, err);
    if (p.base.host != NULL)
        sl_host_close_owner(p.base.host, &p);
    sl_driver_free(p.driver);
    process_deinit(&p.base);
    return code;
}

/* ---- worker ---- */

struct worker_process {
    struct process base; /* first */
    const sl_worker_daemon *config;
    sl_worker *worker;
    sl_code code;
    sl_error error;
    int ready_fd;
    uint32_t lives;
};

static void end_worker(struct process *base)
{
    struct worker_process *p = (struct worker_process *)(void *)base;
    if (p->worker != NULL)
        sl_worker_leave(p->worker);
    base->stop = true;
}

static void on_registered(void *user, const char *name)
{
    struct worker_process *p = (struct worker_process *)user;
    log_info("WORKER-REGISTERED", "as %s at %s", name, p->config->driver);
    say_ready(p->ready_fd, sl_worker_address(p->worker));
    p->ready_fd = -1;
}

static void on_fenced(void *user, const char *why, bool may_return);

/* The driver's kind of address: sockets of a host that has none of the network's. */
static void bind_address(const struct worker_process *p, char ret[200])
{
    if (p->config->bind != NULL)
        snprintf(ret, 200, "%s", p->config->bind);
    else if (strncmp(p->config->driver, "ipc://", 6) == 0)
        snprintf(ret, 200, "ipc://%.160s/w-%ld-%u", p->config->directory, (long)getpid(),
                 p->lives);
    else
        snprintf(ret, 200, "tcp://127.0.0.1:0");
}

static sl_code start_worker(struct worker_process *p, sl_error *err)
{
    char bind[200], work_dir[4096], host_name[256] = "localhost";
    p->lives++;
    bind_address(p, bind);
    snprintf(work_dir, sizeof work_dir, "%s/worker-%ld-%u", p->config->directory,
             (long)getpid(), p->lives);
    (void)!gethostname(host_name, sizeof host_name - 1);
    SL_TRY(sl_fs_make_scratch_dirs(p->base.host->fs, p->config->directory, err));
    const sl_options *o = p->config->options;
    sl_worker_config w = { .address = bind,
                           .driver_address = p->config->driver,
                           .slots = p->config->slots,
                           .memory_bytes = p->config->memory_bytes,
                           .kv = &p->base.kv,
                           .work_dir = work_dir,
                           .heartbeat_us = sl_options_int(o, "sluice.worker.heartbeat"),
                           .fence_us = sl_options_int(o, "sluice.worker.fenceAfter"),
                           .host_name = host_name,
                           .name = p->config->name,
                           .memory = p->base.memory,
                           .on_registered = on_registered,
                           .on_fenced = on_fenced,
                           .user = p };
    return sl_worker_new(p->base.host, sl_zmq_network_of(p->base.network), &w, &p->worker,
                         err);
}

static void come_back(void *user)
{
    struct worker_process *p = (struct worker_process *)user;
    sl_worker_free(p->worker);
    p->worker = NULL;
    p->code = start_worker(p, &p->error);
    if (p->code != SL_OK)
        p->base.stop = true;
}

static void on_fenced(void *user, const char *why, bool may_return)
{
    struct worker_process *p = (struct worker_process *)user;
    sl_host *h = p->base.host;
    if (may_return) {
        (void)sl_host_timer(h, p, sl_host_mono_us(h) + RETURN_US, come_back, p);
        return;
    }
    p->code = sl_fail(&p->error, SL_EFENCED, "the driver at %s refuses this worker: %s",
                      p->config->driver, why);
    p->base.stop = true;
}

/* Between two lives there is no worker, and nothing is charged. */
static void refresh_worker(void *user)
{
    const struct worker_process *p = (const struct worker_process *)user;
    if (p->worker != NULL)
        sl_worker_refresh_metrics(p->worker);
}

sl_code sl_worker_daemon_run(const sl_worker_daemon *config, sl_error *err)
{
    sl_worker_register_metrics();
    struct worker_process p = { .config = config, .ready_fd = config->ready_fd };
    sl_code code =
        process_init(&p.base, "sluice-worker", config->alive_fd, end_worker, err);
    if (code == SL_OK)
        code = start_worker(&p, err);
    if (code == SL_OK) {
        log_info("WORKER-STARTED", "at %s, asks the driver at %s to take it",
                 sl_worker_address(p.worker), config->driver);
        const char *name = config->name != NULL ? config->name : "worker";
        p.base.metrics =
            sl_metrics_file_new(p.base.host, config->options, name, refresh_worker, &p);
        (void)!sl_host_run_until(p.base.host, &p.base.stop);
        sl_metrics_file_free(p.base.metrics);
        code = p.code;
        if (code != SL_OK && err != NULL)
            *err = p.error;
    }
    if (p.base.host != NULL)
        sl_host_close_owner(p.base.host, &p);
    sl_worker_free(p.worker);
    process_deinit(&p.base);
    return code;
}
