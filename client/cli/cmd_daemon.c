/* `sluice driver` and `sluice worker`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "client/cli/cli.h"
#include "client/cli/flags.h"
#include "client/cluster/daemon.h"
#include "client/cluster/local.h"
#include "client/cluster/master.h"
#include "client/cluster/metrics_file.h"
#include "sluice/sluice.h"

static const char driver_help[] =
    "usage: sluice driver [--bind HOST:PORT] [--dir DIR] [--conf NAME=VALUE]...\n"
    "\n"
    "Runs a driver: clients and workers connect to it, queries are planned and "
    "committed\n"
    "by it. SIGTERM ends at batch boundaries; a driver started again on the same\n"
    "directory resumes its queries.\n"
    "\n"
    "  --bind HOST:PORT   where it listens; 127.0.0.1:7077. Loopback only for now; PORT "
    "0\n"
    "                     takes a free one; ipc://PATH a socket file of this host\n"
    "  --dir DIR          its registry of queries, and checkpoints of queries that name\n"
    "                     none; ./sluice-driver\n"
    "  --no-registry      its queries end with it, as those of local-cluster[W,N] do\n"
    "  --name NAME        what its metrics are called by (sluice.metrics.file); driver\n"
    "  --conf NAME=VALUE  settings that sessions start from, and of the process itself\n"
    "  --quiet            log warnings and errors only\n";

static const char worker_help[] =
    "usage: sluice worker --driver HOST:PORT [--slots N] [--memory SIZE] [--dir DIR]\n"
    "                     [--bind HOST:PORT] [--conf NAME=VALUE]...\n"
    "\n"
    "Runs a worker: it registers with the driver, reads, shuffles and keeps state.\n"
    "\n"
    "  --driver HOST:PORT where the driver listens (also sluice://... and ipc://...)\n"
    "  --slots N          executors; one per processor\n"
    "  --memory SIZE      budget, such as 1GiB; without it none but the queries' own\n"
    "  --dir DIR          local state databases; ./sluice-worker. Nothing in it is "
    "needed\n"
    "                     after the process has ended\n"
    "  --bind HOST:PORT   where other workers reach it; a free port of loopback\n"
    "  --name NAME        what status, logs and metrics (sluice.metrics.file) call it: "
    "one\n"
    "                     of its own for each worker; without it the driver names it w1, "
    "w2...\n"
    "  --conf NAME=VALUE  a setting of the process\n"
    "  --quiet            log warnings and errors only\n";

struct arguments {
    const char *bind, *dir, *name, *driver, *slots, *memory, *alive_fd, *ready_fd;
    const char *test_tables; /* of a driver; `sluice test` alone gives it */
    bool quiet, no_registry;
    sl_options *options;
};

static bool take_setting(void *user, const char *pair, sl_error *err)
{
    struct arguments *a = (struct arguments *)user;
    char name[128];
    const char *equals = strchr(pair, '=');
    if (equals == NULL || (size_t)(equals - pair) >= sizeof name) {
        (void)sl_fail(err, SL_EINVAL, "--conf wants NAME=VALUE, not '%.80s'", pair);
        return false;
    }
    snprintf(name, sizeof name, "%.*s", (int)(equals - pair), pair);
    return sl_options_set(a->options, name, equals + 1, err) == SL_OK;
}

static bool parse(int argc, char **argv, bool is_driver, struct arguments *a,
                  int *ret_exit)
{
    const sl_cli_flag own =
        is_driver ? (sl_cli_flag){ .name = "--test-tables", .value = &a->test_tables }
                  : (sl_cli_flag){ .name = "--driver", .value = &a->driver };
    const sl_cli_flag flags[] = {
        { .name = "--bind", .value = &a->bind },
        { .name = "--dir", .value = &a->dir },
        { .name = "--name", .value = &a->name },
        { .name = "--conf", .each = take_setting, .user = a },
        { .name = "--quiet", .on = &a->quiet },
        { .name = "--alive-fd", .value = &a->alive_fd },
        { .name = "--ready-fd", .value = &a->ready_fd },
        own,
        is_driver ? (sl_cli_flag){ .name = "--no-registry", .on = &a->no_registry }
                  : (sl_cli_flag){ .name = "--slots", .value = &a->slots },
        { .name = "--memory", .value = &a->memory },
    };
    const sl_cli_spec spec = { .command = is_driver ? "driver" : "worker",
                               .help = is_driver ? driver_help : worker_help,
                               .flags = flags,
                               .flag_count = is_driver ? 9 : 10 };
    sl_error err;
    sl_local_register_options();
    a->options = sl_options_new();
    if (sl_options_from_environment(a->options, &err) != SL_OK) {
        *ret_exit = sl_cli_usage_error(spec.command, "%s", err.text);
        return false;
    }
    return sl_cli_parse(&spec, argc, argv, ret_exit);
}

static int fd_of(const char *text)
{
    int64_t fd;
    return text != NULL && sl_int64_parse(text, &fd, NULL) == SL_OK && fd > 2 &&
                   fd < 65536
               ? (int)fd
               : -1;
}

static int finish(sl_code code, const sl_error *err)
{
    if (code == SL_OK)
        return SL_CLIENT_OK;
    fprintf(stderr, "[%s] %s SQLSTATE: %s\n", err->condition, err->text, err->sqlstate);
    return code == SL_EFENCED    ? SL_CLIENT_FENCED
           : code == SL_ECORRUPT ? SL_CLIENT_CHECKPOINT
           : code == SL_EINVAL   ? SL_CLIENT_USAGE
                                 : SL_CLIENT_FAILED;
}

int sl_cli_driver(int argc, char **argv)
{
    struct arguments a = { .bind = "127.0.0.1:7077",
                           .dir = "sluice-driver",
                           .name = "driver" };
    char address[200];
    sl_error err;
    int exit_code = 0;
    if (!parse(argc, argv, true, &a, &exit_code))
        return exit_code;
    sl_log_set_level(a.quiet ? SL_LOG_WARN : SL_LOG_INFO);
    sl_code code = sl_master_address(a.bind, address, &err);
    if (code == SL_OK)
        code = sl_process_name_check(a.name, &err);
    if (code == SL_OK) {
        sl_driver_daemon d = { .bind = address,
                               .name = a.name,
                               .directory = a.dir,
                               .options = a.options,
                               .test_tables = a.test_tables,
                               .has_no_registry = a.no_registry,
                               .alive_fd = fd_of(a.alive_fd),
                               .ready_fd = fd_of(a.ready_fd) };
        code = sl_driver_daemon_run(&d, &err);
    }
    sl_options_free(a.options);
    return finish(code, &err);
}

static sl_code worker_config(const struct arguments *a, char driver[200], char bind[200],
                             sl_worker_daemon *ret, sl_error *err)
{
    int64_t slots = sysconf(_SC_NPROCESSORS_ONLN);
    int64_t memory = INT64_MAX;
    SL_TRY(sl_master_address(a->driver, driver, err));
    if (a->name != NULL)
        SL_TRY(sl_process_name_check(a->name, err));
    if (a->bind != NULL)
        SL_TRY(sl_master_address(a->bind, bind, err));
    if (a->slots != NULL)
        SL_TRY(sl_int64_parse(a->slots, &slots, err));
    if (slots < 1 || slots > SL_EXECUTORS_MAX)
        return sl_fail(err, SL_EINVAL, "--slots wants 1 to %d, not '%s'",
                       SL_EXECUTORS_MAX, a->slots);
    if (a->memory != NULL)
        SL_TRY(sl_size_parse(a->memory, &memory, err));
    if (memory < 16 << 20)
        return sl_fail(err, SL_EINVAL, "--memory '%s' is too little: 16m at least",
                       a->memory);
    *ret = (sl_worker_daemon){ .driver = driver,
                               .bind = a->bind != NULL ? bind : NULL,
                               .name = a->name,
                               .directory = a->dir,
                               .slots = (uint32_t)slots,
                               .memory_bytes = memory,
                               .options = a->options,
                               .alive_fd = fd_of(a->alive_fd),
                               .ready_fd = fd_of(a->ready_fd) };
    return SL_OK;
}

int sl_cli_worker(int argc, char **argv)
{
    struct arguments a = { .dir = "sluice-worker" };
    sl_worker_daemon config;
    char driver[200], bind[200];
    sl_error err;
    int exit_code = 0;
    if (!parse(argc, argv, false, &a, &exit_code))
        return exit_code;
    if (a.driver == NULL)
        return sl_cli_usage_error("worker", "worker wants --driver HOST:PORT");
    sl_log_set_level(a.quiet ? SL_LOG_WARN : SL_LOG_INFO);
    sl_code code = worker_config(&a, driver, bind, &config, &err);
    if (code == SL_OK)
        code = sl_worker_daemon_run(&config, &err);
    sl_options_free(a.options);
    return finish(code, &err);
}
