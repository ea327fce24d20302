#include "client/cluster/fleet.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "client/cluster/fleet_private.h"
#include "client/cluster/launcher.h"

#define READY_MS 20000
#define BOUNDARY_MS 30000 /* for a batch that runs when the driver is told to end */
#define ABANDON_MS 5000   /* after it was told again */
#define LEAVE_MS 5000     /* for a worker */
#define PATH_BYTES 4400

/* ---- open ---- */

static sl_code take_lock(sl_fleet *f, sl_error *err)
{
    char path[PATH_BYTES], holder[40];
    snprintf(path, sizeof path, "%s/logs", f->config->directory);
    SL_TRY(sl_fs_make_dirs(sl_fs_posix(), path, err));
    snprintf(path, sizeof path, "%s/cluster.lock", f->config->directory);
    snprintf(holder, sizeof holder, "pid %ld", (long)getpid());
    sl_code code = sl_fs_lock(sl_fs_posix(), path, holder, &f->lock, err);
    if (code == SL_EBUSY)
        return sl_fail_as(
            err, SL_EBUSY, "CLUSTER_BUSY", NULL,
            "another `sluice cluster` is changing cluster '%s': wait for it "
            "to end (%s names its pid)",
            f->config->name, path);
    return code;
}

sl_code sl_fleet_open(const sl_cluster_config *config, bool for_change, sl_fleet **ret,
                      sl_error *err)
{
    sl_fleet *f = (sl_fleet *)sl_calloc(1, sizeof *f);
    f->config = config;
    sl_code code = for_change ? take_lock(f, err) : SL_OK;
    if (code == SL_OK)
        code = sl_fleet__record_read(f, err);
    if (code == SL_OK)
        *ret = f;
    else
        sl_fleet_close(f);
    return code;
}

void sl_fleet_close(sl_fleet *f)
{
    if (f == NULL)
        return;
    if (f->lock != NULL)
        sl_file_close(f->lock);
    sl_free(f);
}

/* ---- look ---- */

uint32_t sl_fleet_count(const sl_fleet *f)
{
    return f->count;
}

const sl_fleet_process *sl_fleet_at(const sl_fleet *f, uint32_t i)
{
    return &f->processes[i];
}

const char *sl_fleet_master(const sl_fleet *f)
{
    return f->master;
}

bool sl_fleet_driver_is_alive(const sl_fleet *f)
{
    return f->count > 0 && sl_process_is_alive(&f->processes[0].id);
}

sl_code sl_fleet_check_runs(const sl_fleet *f, sl_error *err)
{
    if (sl_fleet_driver_is_alive(f))
        return SL_OK;
    if (f->count == 0)
        return sl_fail_as(err, SL_ELOST, "CANNOT_CONNECT", "08001",
                          "cluster '%s' is not running (nothing is recorded in %s): "
                          "`sluice cluster start --config %s` starts it",
                          f->config->name, f->config->directory, f->config->path);
    return sl_fail_as(err, SL_ELOST, "CANNOT_CONNECT", "08001",
                      "the driver of cluster '%s' (pid %ld) has ended, its log is "
                      "%s/logs/driver.log: `sluice cluster start --config %s` starts it "
                      "again, and its queries go on",
                      f->config->name, (long)f->processes[0].id.pid, f->config->directory,
                      f->config->path);
}

/* ---- end ---- */

/* Told to end, even if it was stopped; by force when it does not. True: by force. */
static bool end_process(const sl_process_id *id, int timeout_ms)
{
    if (sl_process_wait(id, timeout_ms))
        return false;
    (void)sl_process_signal(id, SIGKILL);
    (void)sl_process_wait(id, LEAVE_MS);
    return true;
}

static void tell_to_end(const sl_process_id *id)
{
    (void)sl_process_signal(id, SIGTERM);
    (void)sl_process_signal(id, SIGCONT);
}

static uint32_t end_driver(const sl_fleet_process *p)
{
    tell_to_end(&p->id);
    if (!sl_process_wait(&p->id, BOUNDARY_MS))
        tell_to_end(&p->id);
    return end_process(&p->id, ABANDON_MS);
}

/* The processes from `first` on; the record forgets them. */
static uint32_t end_workers(sl_fleet *f, uint32_t first)
{
    uint32_t killed = 0;
    for (uint32_t i = first; i < f->count; i++)
        tell_to_end(&f->processes[i].id);
    for (uint32_t i = first; i < f->count; i++) {
        char dir[PATH_BYTES];
        killed += end_process(&f->processes[i].id, LEAVE_MS);
        snprintf(dir, sizeof dir, "%s/workers/%s", f->config->directory,
                 f->processes[i].name);
        (void)!sl_fs_remove_tree(sl_fs_posix(), dir, NULL);
    }
    f->count = first < f->count ? first : f->count;
    return killed;
}

static void forget_dead_workers(sl_fleet *f)
{
    uint32_t kept = f->count > 0 ? 1 : 0;
    for (uint32_t i = 1; i < f->count; i++)
        if (sl_process_is_alive(&f->processes[i].id))
            f->processes[kept++] = f->processes[i];
    f->count = kept;
}

sl_code sl_fleet_stop(sl_fleet *f, uint32_t *ret_killed, sl_error *err)
{
    char dir[PATH_BYTES];
    forget_dead_workers(f);
    if (f->count <= 1 && !sl_fleet_driver_is_alive(f)) {
        sl_code code = sl_fleet_check_runs(f, err);
        SL_KEEP_FIRST(code, sl_fleet__record_remove(f, NULL));
        return code;
    }
    uint32_t killed = end_driver(&f->processes[0]); /* F3 */
    killed += end_workers(f, 1);
    snprintf(dir, sizeof dir, "%s/workers", f->config->directory);
    (void)!sl_fs_remove_tree(sl_fs_posix(), dir, NULL);
    f->count = 0;
    f->master[0] = '\0';
    *ret_killed = killed;
    return sl_fleet__record_remove(f, err);
}

/* ---- start ---- */

/* The arguments of a process: its own, then the settings. */
struct command {
    const char *arguments[SL_LAUNCH_ARGUMENTS_MAX + 1];
    uint32_t count;
    sl_arena *arena;
};
static_assert(SL_CLUSTER_SETTINGS_MAX + 11 <= SL_LAUNCH_ARGUMENTS_MAX,
              "all settings and a worker's own arguments fit a command line");

static void add(struct command *c, const char *argument)
{
    SL_ASSERT(c->count < SL_LAUNCH_ARGUMENTS_MAX);
    c->arguments[c->count++] = argument;
}

static void add_settings(struct command *c, const sl_cluster_config *config)
{
    for (uint32_t i = 0; i < config->setting_count; i++)
        add(c, sl_arena_printf(c->arena, "--conf=%s=%s", config->settings[i].name,
                               config->settings[i].value));
}

static void log_path(const sl_fleet *f, const sl_fleet_process *p, char ret[PATH_BYTES])
{
    snprintf(ret, PATH_BYTES, "%s/logs/%s.log", f->config->directory, p->name);
}

/* Start it, and write down that it runs before anything else can go wrong. */
static sl_code launch(sl_fleet *f, sl_fleet_process *p, const struct command *c,
                      sl_child *ret, sl_error *err)
{
    char log[PATH_BYTES];
    log_path(f, p, log);
    const sl_launch l = { .arguments = c->arguments,
                          .log_path = log,
                          .is_detached = true };
    SL_TRY(sl_child_start(&l, ret, err));
    p->id = sl_process_identify(ret->pid);
    return sl_fleet__record_write(f, err);
}

static sl_code wait_ready(const sl_fleet *f, sl_fleet_process *p, sl_child *child,
                          sl_error *err)
{
    char log[PATH_BYTES];
    log_path(f, p, log);
    sl_code code = sl_child_wait_ready(child, log, READY_MS, err);
    if (code != SL_OK)
        return sl_error_prefix(err, "%s", p->name);
    snprintf(p->address, sizeof p->address, "%s", child->address);
    return SL_OK;
}

static void set_master(sl_fleet *f)
{
    const char *address = f->processes[0].address;
    if (strncmp(address, "tcp://", 6) == 0)
        snprintf(f->master, sizeof f->master, "sluice://%s", address + 6);
    else
        snprintf(f->master, sizeof f->master, "%s", address);
}

/* Where workers that live look for it; else where the configuration wants it. */
static sl_code start_driver(sl_fleet *f, sl_error *err)
{
    sl_fleet_process *p = &f->processes[0];
    struct command c = { .arena = sl_arena_new() };
    const char *bind = f->count > 1 && p->address[0] != '\0'
                           ? sl_arena_strdup(c.arena, p->address)
                           : f->config->bind;
    sl_child child = { .pid = 0 };
    *p = (sl_fleet_process){ .name = "driver" };
    snprintf(p->address, sizeof p->address, "%s", bind); /* for the next try */
    f->count = f->count > 1 ? f->count : 1;
    add(&c, "driver");
    add(&c, "--bind");
    add(&c, bind);
    add(&c, "--dir");
    add(&c, sl_arena_printf(c.arena, "%s/driver", f->config->directory));
    add_settings(&c, f->config);
    sl_code code = launch(f, p, &c, &child, err);
    if (code == SL_OK)
        code = wait_ready(f, p, &child, err);
    if (code == SL_OK) {
        set_master(f);
        code = sl_fleet__record_write(f, err);
    }
    if (code != SL_OK)
        sl_child_stop(&child, LEAVE_MS); /* F2 */
    sl_arena_free(c.arena);
    return code;
}

static bool has_number(const sl_fleet *f, uint32_t number)
{
    for (uint32_t i = 1; i < f->count; i++)
        if (f->processes[i].number == number)
            return true;
    return false;
}

static sl_code launch_worker(sl_fleet *f, sl_child *ret, sl_error *err)
{
    uint32_t number = 1;
    while (has_number(f, number))
        number++;
    struct command c = { .arena = sl_arena_new() };
    sl_fleet_process *p = &f->processes[f->count++];
    *p = (sl_fleet_process){ .number = number };
    snprintf(p->name, sizeof p->name, "worker-%u", number);
    add(&c, "worker");
    add(&c, "--driver");
    add(&c, f->processes[0].address);
    add(&c, "--slots");
    add(&c, sl_arena_printf(c.arena, "%u", f->config->slots));
    add(&c, "--dir");
    add(&c, sl_arena_printf(c.arena, "%s/workers/%s", f->config->directory, p->name));
    add(&c, "--name");
    add(&c, p->name);
    if (f->config->memory != NULL) {
        add(&c, "--memory");
        add(&c, f->config->memory);
    }
    add_settings(&c, f->config);
    sl_code code = launch(f, p, &c, ret, err);
    sl_arena_free(c.arena);
    return code;
}

/* They come up beside one another; then each is waited for. */
static sl_code start_workers(sl_fleet *f, uint32_t workers, sl_error *err)
{
    uint32_t first = f->count, started = 0;
    sl_child *children = (sl_child *)sl_calloc(workers + (size_t)1, sizeof *children);
    sl_code code = SL_OK;
    while (code == SL_OK && f->count < workers + 1)
        code = launch_worker(f, &children[started++], err);
    for (uint32_t i = 0; code == SL_OK && i < started; i++)
        code = wait_ready(f, &f->processes[first + i], &children[i], err);
    if (code == SL_OK)
        code = sl_fleet__record_write(f, err);
    if (code != SL_OK) { /* F2 */
        for (uint32_t i = 0; i < started; i++)
            sl_child_stop(&children[i], LEAVE_MS);
        f->count = first;
        SL_KEEP_FIRST(code, sl_fleet__record_write(f, NULL));
    }
    sl_free(children);
    return code;
}

sl_code sl_fleet_start(sl_fleet *f, sl_error *err)
{
    if (sl_fleet_driver_is_alive(f))
        return sl_fail_as(err, SL_EEXISTS, "CLUSTER_RUNNING", NULL,
                          "cluster '%s' runs already at %s, its driver is pid %ld: "
                          "`sluice cluster scale N` changes its workers, `sluice cluster "
                          "stop` ends it",
                          f->config->name, f->master, (long)f->processes[0].id.pid);
    forget_dead_workers(f);
    bool is_new = f->count <= 1;
    sl_code code = start_driver(f, err);
    if (code == SL_OK) {
        code = start_workers(f, f->config->worker_count, err);
        if (code != SL_OK)
            (void)end_driver(&f->processes[0]);
    }
    if (code != SL_OK && is_new)
        (void)!sl_fleet__record_remove(f, NULL);
    return code;
}

sl_code sl_fleet_scale(sl_fleet *f, uint32_t workers, sl_error *err)
{
    SL_TRY(sl_fleet_check_runs(f, err));
    forget_dead_workers(f);
    if (workers + 1 >= f->count)
        return start_workers(f, workers, err);
    (void)end_workers(f, workers + 1);
    return sl_fleet__record_write(f, err);
}
