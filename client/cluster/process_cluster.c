#include "client/cluster/process_cluster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/fs.h"
#include "client/cluster/config.h"
#include "client/cluster/launcher.h"

#define READY_MS 20000
#define STOP_MS 10000

struct sl_process_cluster {
    char directory[160], log_path[200], address[200];
    const sl_options *options; /* while it starts */
    uint32_t worker_count;
    sl_child children[]; /* the driver, then the workers */
};

/* The settings that are of processes and not of sessions, which the client brings along:
 * as --conf behind the arguments. */
static uint32_t add_settings(const sl_options *options, sl_arena *arena,
                             const char *arguments[SL_LAUNCH_ARGUMENTS_MAX], uint32_t n)
{
    for (uint32_t i = 0; i < sl_options_def_count(); i++) {
        const char *name = sl_options_def(i)->name;
        if ((strncmp(name, "sluice.worker.", 14) != 0 &&
             strncmp(name, "sluice.metrics.", 15) != 0) ||
            !sl_options_is_set(options, name))
            continue;
        SL_ASSERT(n < SL_LAUNCH_ARGUMENTS_MAX);
        arguments[n++] =
            sl_arena_printf(arena, "--conf=%s=%s", name, sl_options_text(options, name));
    }
    return n;
}

static sl_code start_driver(sl_process_cluster *c, sl_arena *arena, sl_error *err)
{
    const char *arguments[SL_LAUNCH_ARGUMENTS_MAX + 1] = {
        "driver",        "--bind", c->address,
        "--no-registry", "--dir",  sl_arena_printf(arena, "%s/driver", c->directory)
    };
    (void)add_settings(c->options, arena, arguments, 6);
    sl_launch l = { .arguments = arguments, .log_path = c->log_path, .may_fork = true };
    return sl_child_start(&l, &c->children[0], err);
}

static sl_code start_workers(sl_process_cluster *c, uint32_t slots, sl_arena *arena,
                             sl_error *err)
{
    const char *arguments[SL_LAUNCH_ARGUMENTS_MAX + 1] = {
        "worker",
        "--driver",
        c->address,
        "--slots",
        sl_arena_printf(arena, "%u", slots),
        "--dir",
        sl_arena_printf(arena, "%s/workers", c->directory)
    };
    uint32_t n = add_settings(c->options, arena, arguments, 7);
    sl_launch l = { .arguments = arguments, .log_path = c->log_path, .may_fork = true };
    SL_ASSERT(n < SL_LAUNCH_ARGUMENTS_MAX);
    for (uint32_t i = 0; i < c->worker_count; i++) {
        arguments[n] = sl_arena_printf(arena, "--name=worker-%u", i + 1);
        SL_TRY(sl_child_start(&l, &c->children[1 + i], err));
    }
    return SL_OK;
}

/* All at once: a worker dials until its driver is there. */
static sl_code start_all(sl_process_cluster *c, uint32_t slots, sl_error *err)
{
    sl_arena *arena = sl_arena_new();
    sl_code code = start_driver(c, arena, err);
    if (code == SL_OK)
        code = start_workers(c, slots, arena, err);
    sl_arena_free(arena);
    return code;
}

sl_code sl_process_cluster_new(uint32_t workers, uint32_t slots,
                               const sl_options *options, sl_process_cluster **ret,
                               sl_error *err)
{
    SL_TRY(sl_cluster_settings_check(options, err));
    const char *base = getenv("TMPDIR");
    sl_process_cluster *c = (sl_process_cluster *)sl_calloc(
        1, sizeof *c + (workers + (size_t)1) * sizeof c->children[0]);
    c->worker_count = workers;
    c->options = options;
    snprintf(c->directory, sizeof c->directory, "%.120s/sluice-cluster-XXXXXX",
             base != NULL && *base != '\0' ? base : "/tmp");
    if (mkdtemp(c->directory) == NULL) {
        int reason = errno;
        sl_code failed = sl_fail_errno(err, reason, "cannot make %s", c->directory);
        sl_free(c);
        return failed;
    }
    snprintf(c->log_path, sizeof c->log_path, "%s/log", c->directory);
    snprintf(c->address, sizeof c->address, "ipc://%s/driver.ipc", c->directory);
    sl_code code = start_all(c, slots, err);
    if (code != SL_OK) {
        sl_process_cluster_free(c);
        return code;
    }
    *ret = c;
    return SL_OK;
}

const char *sl_process_cluster_address(const sl_process_cluster *c)
{
    return c->address;
}

static sl_code wait_ready(sl_process_cluster *c, uint32_t i, sl_error *err)
{
    return sl_child_wait_ready(&c->children[i], c->log_path, READY_MS, err);
}

sl_code sl_process_cluster_wait_driver(sl_process_cluster *c, sl_error *err)
{
    return wait_ready(c, 0, err);
}

sl_code sl_process_cluster_wait_workers(sl_process_cluster *c, sl_error *err)
{
    for (uint32_t i = 1; i <= c->worker_count; i++)
        SL_TRY(wait_ready(c, i, err));
    return SL_OK;
}

void sl_process_cluster_end(sl_process_cluster *c)
{
    if (c != NULL)
        sl_children_ask(c->children, c->worker_count + 1);
}

void sl_process_cluster_free(sl_process_cluster *c)
{
    if (c == NULL)
        return;
    sl_child_stop(&c->children[0], STOP_MS); /* first: its queries need the workers */
    sl_children_stop(c->children + 1, c->worker_count, STOP_MS);
    (void)!sl_fs_remove_tree(sl_fs_posix(), c->directory, NULL);
    sl_free(c);
}
