/* `sluice cluster`: the processes of a configuration file, and what its driver says. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "client/cli/cli.h"
#include "client/cli/cluster_show.h"
#include "client/cli/flags.h"
#include "client/cluster/fleet.h"
#include "client/cluster/local.h"
#include "sluice/sluice.h"

#define REGISTER_TRIES 200 /* of 50 ms: workers find a driver that was started again */

static const char help[] =
    "usage: sluice cluster start  --config FILE.yaml\n"
    "       sluice cluster status --config FILE.yaml | --master ADDRESS [--json]\n"
    "       sluice cluster scale N --config FILE.yaml\n"
    "       sluice cluster stop   --config FILE.yaml\n"
    "\n"
    "A cluster of this host: one driver and workers, processes that outlive the "
    "command.\n"
    "\n"
    "  start   until all are ready; if only the driver has died, starts it again where\n"
    "          the workers look for it, and its queries go on\n"
    "  status  driver, workers (slots, tasks, partitions, memory, shuffle, last heard "
    "of) and\n"
    "          queries\n"
    "  scale   starts workers or lets the youngest leave until N run; queries go on\n"
    "  stop    the driver first: queries end at their batch boundary and stay "
    "registered,\n"
    "          the next start resumes them; then the workers\n"
    "\n"
    "  --config FILE   cluster-configs/local.yaml is one with comments\n"
    "  --master ADDR   a driver started otherwise: sluice://HOST:PORT or ipc://PATH\n"
    "  --json          status as one JSON object (docs/cluster.md)\n"
    "\n"
    "Exit code 3: it is not running.\n";

struct arguments {
    const char *words[2]; /* verb, N */
    const char *config, *master;
    bool json;
    uint32_t workers;
};

static const char *const verbs[] = { "start", "status", "scale", "stop" };

static bool check(struct arguments *a, int *ret_exit)
{
    bool is_status = strcmp(a->words[0], "status") == 0;
    bool is_scale = strcmp(a->words[0], "scale") == 0;
    if (is_scale && a->words[1] == NULL)
        *ret_exit = sl_cli_usage_error("cluster", "scale wants a number of workers");
    else if (is_scale && !sl_cli_number("cluster", "scale", a->words[1],
                                        SL_CLUSTER_WORKERS_MAX, &a->workers, ret_exit))
        return false;
    else if (!is_scale && a->words[1] != NULL)
        *ret_exit =
            sl_cli_usage_error("cluster", "'%s' is one argument too many", a->words[1]);
    else if (a->master != NULL && (!is_status || a->config != NULL))
        *ret_exit =
            sl_cli_usage_error("cluster", "--master is for status alone, in place "
                                          "of --config");
    else if (a->config == NULL && a->master == NULL)
        *ret_exit =
            sl_cli_usage_error("cluster", "cluster %s wants --config FILE.yaml%s",
                               a->words[0], is_status ? " or --master ADDRESS" : "");
    return *ret_exit == 0;
}

static bool parse(int argc, char **argv, struct arguments *a, int *ret_exit)
{
    const sl_cli_flag flags[] = {
        { .name = "--config", .value = &a->config },
        { .name = "--master", .value = &a->master },
        { .name = "--json", .on = &a->json },
    };
    const sl_cli_spec spec = { .command = "cluster",
                               .help = help,
                               .flags = flags,
                               .flag_count = 3,
                               .positional = a->words,
                               .positional_max = 2 };
    return sl_cli_parse(&spec, argc, argv, ret_exit) &&
           sl_cli_verb("cluster", a->words[0], verbs, 4, ret_exit) && check(a, ret_exit);
}

static int fail(const sl_error *err)
{
    fprintf(stderr, "[%s] %s SQLSTATE: %s\n", err->condition, err->text, err->sqlstate);
    return strcmp(err->condition, "CANNOT_CONNECT") == 0 ? SL_CLIENT_CONNECT
                                                         : SL_CLIENT_FAILED;
}

static int fail_client(const sl_client_error *e)
{
    fprintf(stderr, "[%s] %s SQLSTATE: %s\n", e->error_class, e->message, e->sqlstate);
    return (int)e->status;
}

/* ---- status ---- */

/* What the driver says; free with json_decref. NULL: *e has the reason. */
static json_t *ask_driver(const char *master, sl_client_error *e)
{
    sl_client_config config = { .master = master };
    sl_client *client = NULL;
    char *text = NULL;
    json_t *status = NULL;
    sl_client_status code = sl_client_open(&config, &client, e);
    if (code == SL_CLIENT_OK)
        code = sl_client_cluster_status(client, &text, e);
    sl_client_close(client);
    if (code != SL_CLIENT_OK)
        return NULL;
    status = json_loads(text, 0, NULL);
    sl_client_text_free(text);
    if (status == NULL) {
        *e = (sl_client_error){ .status = SL_CLIENT_FAILED };
        snprintf(e->message, sizeof e->message,
                 "the driver at %s answers with something "
                 "else than JSON",
                 master);
    }
    return status;
}

static void add_processes(json_t *status, const sl_cluster_config *config,
                          const sl_fleet *f)
{
    json_t *processes = json_array();
    for (uint32_t i = 0; i < sl_fleet_count(f); i++) {
        const sl_fleet_process *p = sl_fleet_at(f, i);
        json_array_append_new(
            processes,
            json_pack("{s:s, s:I, s:b, s:s, s:o}", "name", p->name, "pid",
                      (json_int_t)p->id.pid, "isAlive", (int)sl_process_is_alive(&p->id),
                      "address", p->address, "log",
                      json_sprintf("%s/logs/%s.log", config->directory, p->name)));
    }
    json_object_set_new(status, "name", json_string(config->name));
    json_object_set_new(status, "directory", json_string(config->directory));
    json_object_set_new(status, "processes", processes);
}

static int show_status(json_t *status, const char *master, bool json)
{
    json_object_set_new(status, "master", json_string(master));
    if (json) {
        json_dumpf(status, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15));
        putchar('\n');
    } else {
        sl_cluster_show(status, stdout);
    }
    json_decref(status);
    return 0;
}

static int status_of_master(const struct arguments *a)
{
    sl_client_error e;
    json_t *status = ask_driver(a->master, &e);
    return status != NULL ? show_status(status, a->master, a->json) : fail_client(&e);
}

static int status_of(const struct arguments *a, const sl_cluster_config *config,
                     sl_fleet *f)
{
    sl_client_error e;
    sl_error err;
    if (sl_fleet_check_runs(f, &err) != SL_OK)
        return fail(&err);
    json_t *status = ask_driver(sl_fleet_master(f), &e);
    if (status == NULL) {
        if (e.status == SL_CLIENT_CONNECT)
            fprintf(stderr,
                    "note: the driver lives, pid %ld, but does not answer; its log "
                    "is %s/logs/driver.log\n",
                    (long)sl_fleet_at(f, 0)->id.pid, config->directory);
        return fail_client(&e);
    }
    add_processes(status, config, f);
    return show_status(status, sl_fleet_master(f), a->json);
}

/* ---- changes ---- */

static bool is_registered(const json_t *status, long pid)
{
    const json_t *workers = json_object_get(status, "workers");
    for (size_t i = 0; i < json_array_size(workers); i++) {
        const json_t *w = json_array_get(workers, i);
        const char *state = json_string_value(json_object_get(w, "state"));
        if (json_integer_value(json_object_get(w, "pid")) == pid && state != NULL &&
            strcmp(state, "ACTIVE") == 0)
            return true;
    }
    return false;
}

/* A worker that outlived its driver comes back by itself; true: all are there. */
static bool wait_registered(const sl_fleet *f)
{
    sl_client_error e;
    for (uint32_t tries = 0; tries < REGISTER_TRIES; tries++) {
        json_t *status = ask_driver(sl_fleet_master(f), &e);
        uint32_t missing = 0;
        for (uint32_t i = 1; i < sl_fleet_count(f); i++)
            missing += !is_registered(status, (long)sl_fleet_at(f, i)->id.pid);
        json_decref(status);
        if (missing == 0)
            return true;
        nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
    }
    return false;
}

static int say_running(const sl_cluster_config *config, const sl_fleet *f)
{
    if (!wait_registered(f))
        fprintf(stderr, "note: not every worker has registered yet; `sluice cluster "
                        "status` tells\n");
    printf("cluster %s: driver pid %ld, %u workers", config->name,
           (long)sl_fleet_at(f, 0)->id.pid, sl_fleet_count(f) - 1);
    for (uint32_t i = 1; i < sl_fleet_count(f); i++)
        printf("%s %ld", i == 1 ? " pid" : ",", (long)sl_fleet_at(f, i)->id.pid);
    printf("; logs in %s/logs\nuse --master %s\n", config->directory, sl_fleet_master(f));
    return 0;
}

static int stop(const sl_cluster_config *config, sl_fleet *f)
{
    sl_error err;
    uint32_t killed = 0;
    if (sl_fleet_stop(f, &killed, &err) != SL_OK)
        return fail(&err);
    if (killed > 0)
        fprintf(stderr, "note: %u processes did not end in time and were killed\n",
                killed);
    printf("cluster %s is stopped; its queries are kept in %s/driver\n", config->name,
           config->directory);
    return 0;
}

static int change(const struct arguments *a, const sl_cluster_config *config, sl_fleet *f)
{
    sl_error err;
    if (strcmp(a->words[0], "stop") == 0)
        return stop(config, f);
    sl_code code = strcmp(a->words[0], "start") == 0
                       ? sl_fleet_start(f, &err)
                       : sl_fleet_scale(f, a->workers, &err);
    return code == SL_OK ? say_running(config, f) : fail(&err);
}

static int run(const struct arguments *a)
{
    bool is_status = strcmp(a->words[0], "status") == 0;
    sl_cluster_config config;
    sl_fleet *f = NULL;
    sl_error err;
    int exit_code;
    sl_local_register_options();
    if (sl_cluster_config_read(a->config, &config, &err) != SL_OK) {
        fprintf(stderr, "[%s] %s SQLSTATE: %s\n", err.condition, err.text, err.sqlstate);
        return SL_CLIENT_USAGE;
    }
    if (sl_fleet_open(&config, !is_status, &f, &err) != SL_OK)
        exit_code = fail(&err);
    else
        exit_code = is_status ? status_of(a, &config, f) : change(a, &config, f);
    sl_fleet_close(f);
    sl_cluster_config_deinit(&config);
    return exit_code;
}

int sl_cli_cluster(int argc, char **argv)
{
    struct arguments a = { .config = NULL };
    int exit_code = 0;
    if (!parse(argc, argv, &a, &exit_code))
        return exit_code;
    return a.master != NULL ? status_of_master(&a) : run(&a);
}
