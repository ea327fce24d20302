/* `sluice query`: streaming queries of a cluster, and those of checkpoints not in use. */
#include <jansson.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/cli.h"
#include "client/cli/flags.h"
#include "sluice/sluice.h"

#define BATCHES_MAX 1000000
#define LOOK_MS 200 /* how soon `attach` sees that nobody reads */
#define JSON_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(15))

static const char help[] =
    "usage: sluice query list --master ADDRESS [--json]\n"
    "       sluice query status NAME --master ADDRESS [--json]\n"
    "       sluice query progress NAME --master ADDRESS [--batches N]\n"
    "       sluice query stop NAME --master ADDRESS [--abandon]\n"
    "       sluice query attach NAME --master ADDRESS\n"
    "       sluice query status DIR [--json]\n"
    "       sluice query progress DIR [--batches N]\n"
    "\n"
    "With --master (sluice://HOST:PORT or ipc://PATH) queries of that driver, by name, "
    "id\n"
    "or run id:\n"
    "\n"
    "  list      all of every client, ended ones too\n"
    "  status    what it does now; --json as one object (docs/cluster.md)\n"
    "  progress  the reports of its newest batches (20), one JSON object a line\n"
    "  stop      at its batch boundary, and wait for that; --abandon drops the batch\n"
    "  attach    shows its console text from now on until it ends; Ctrl-C leaves it\n"
    "            running\n"
    "\n"
    "Without --master DIR is a checkpoint location that is not in use.\n";

struct arguments {
    const char *words[2]; /* verb, name or directory */
    const char *batches_text, *master;
    bool json, abandon;
    uint32_t batches;
};

static const char *const verbs[] = { "list", "status", "progress", "stop", "attach" };

static bool is(const struct arguments *a, const char *verb)
{
    return strcmp(a->words[0], verb) == 0;
}

static bool check(struct arguments *a, int *ret_exit)
{
    bool is_list = is(a, "list");
    if (a->batches_text != NULL && !sl_cli_number("query", "--batches", a->batches_text,
                                                  BATCHES_MAX, &a->batches, ret_exit))
        return false;
    if (a->master == NULL && !is(a, "status") && !is(a, "progress"))
        *ret_exit = sl_cli_usage_error(
            "query", "query %s wants --master sluice://HOST:PORT", a->words[0]);
    else if (is_list && a->words[1] != NULL)
        *ret_exit =
            sl_cli_usage_error("query", "'%s' is one argument too many", a->words[1]);
    else if (!is_list && a->words[1] == NULL)
        *ret_exit = sl_cli_usage_error("query", "query %s wants %s", a->words[0],
                                       a->master != NULL
                                           ? "the name of a query"
                                           : "a checkpoint directory, or a name and "
                                             "--master");
    else if (a->abandon && !is(a, "stop"))
        *ret_exit = sl_cli_usage_error("query", "--abandon is for stop alone");
    return *ret_exit == 0;
}

static bool parse(int argc, char **argv, struct arguments *a, int *ret_exit)
{
    const sl_cli_flag flags[] = {
        { .name = "--json", .on = &a->json },
        { .name = "--batches", .value = &a->batches_text },
        { .name = "--master", .value = &a->master },
        { .name = "--abandon", .on = &a->abandon },
    };
    const sl_cli_spec spec = { .command = "query",
                               .help = help,
                               .flags = flags,
                               .flag_count = 4,
                               .positional = a->words,
                               .positional_max = 2 };
    a->batches = 20;
    return sl_cli_parse(&spec, argc, argv, ret_exit) &&
           sl_cli_verb("query", a->words[0], verbs, 5, ret_exit) && check(a, ret_exit);
}

static int fail(const sl_client_error *e)
{
    char *text = sl_client_error_text(e, "", 0);
    fputs(text, stderr);
    sl_client_text_free(text);
    return (int)e->status;
}

/* ---- list, status ---- */

static json_t *query_json(const sl_client_query *q)
{
    json_t *o = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:I, s:s, s:s}", "name", q->name, "id",
        q->id, "runId", q->run_id, "state", q->state, "message", q->message, "isActive",
        (int)q->is_active, "isDataAvailable", (int)q->is_data_available,
        "isTriggerActive", (int)q->is_trigger_active, "lastBatch",
        (json_int_t)q->last_batch, "checkpoint", q->checkpoint, "sql", q->sql);
    if (q->error.status != SL_CLIENT_OK)
        json_object_set_new(o, "error",
                            json_pack("{s:s, s:s, s:s}", "class", q->error.error_class,
                                      "sqlState", q->error.sqlstate, "message",
                                      q->error.message));
    return o;
}

static void print_json(json_t *o)
{
    json_dumpf(o, stdout, JSON_FLAGS);
    putchar('\n');
    json_decref(o);
}

static void print_list(const sl_client_query *queries, uint32_t count)
{
    printf("%-24s %-11s %8s  %-36s  %s\n", "query", "state", "batch", "id", "message");
    for (uint32_t i = 0; i < count; i++)
        printf("%-24s %-11s %8lld  %-36s  %s\n", queries[i].name, queries[i].state,
               (long long)queries[i].last_batch, queries[i].id, queries[i].message);
}

static int list(sl_client *c, const struct arguments *a)
{
    sl_client_query *queries;
    sl_client_error e;
    uint32_t count;
    if (sl_client_cluster_queries(c, &queries, &count, &e) != SL_CLIENT_OK)
        return fail(&e);
    if (a->json) {
        json_t *all = json_array();
        for (uint32_t i = 0; i < count; i++)
            json_array_append_new(all, query_json(&queries[i]));
        print_json(all);
    } else {
        print_list(queries, count);
    }
    sl_client_queries_free(queries);
    return 0;
}

static void print_status(const sl_client_query *q)
{
    printf("query       %s\nid          %s\nrun id      %s\nstate       %s\n", q->name,
           q->id, q->run_id, q->state);
    printf("message     %s\nlast batch  %lld\ncheckpoint  %s\n", q->message,
           (long long)q->last_batch, q->checkpoint);
    if (q->error.status != SL_CLIENT_OK)
        printf("error       [%s] %s\n", q->error.error_class, q->error.message);
}

/* The newest of a name; NULL: there is none. */
static const sl_client_query *find(const sl_client_query *queries, uint32_t count,
                                   const char *name)
{
    const sl_client_query *found = NULL;
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(queries[i].name, name) == 0 || strcmp(queries[i].id, name) == 0 ||
            strcmp(queries[i].run_id, name) == 0)
            found = &queries[i];
    return found;
}

static int status(sl_client *c, const struct arguments *a)
{
    sl_client_query *queries;
    sl_client_error e;
    uint32_t count;
    char *text = NULL;
    int exit_code = 0;
    if (sl_client_cluster_queries(c, &queries, &count, &e) != SL_CLIENT_OK)
        return fail(&e);
    const sl_client_query *q = find(queries, count, a->words[1]);
    if (q != NULL && a->json)
        print_json(query_json(q));
    else if (q != NULL)
        print_status(q);
    else if (sl_client_query_status(c, a->words[1], &text, &e) != SL_CLIENT_OK)
        exit_code = fail(&e); /* the driver says that, and names the nearest */
    sl_client_text_free(text);
    sl_client_queries_free(queries);
    return exit_code;
}

/* ---- progress ---- */

static int progress(sl_client *c, const struct arguments *a)
{
    sl_client_error e;
    char *text;
    if (sl_client_query_progress(c, a->words[1], a->batches, &text, &e) != SL_CLIENT_OK)
        return fail(&e);
    json_t *reports = json_loads(text, 0, NULL);
    sl_client_text_free(text);
    for (size_t i = 0; i < json_array_size(reports); i++)
        print_json(json_incref(json_array_get(reports, i)));
    json_decref(reports);
    return 0;
}

/* ---- stop, attach ---- */

static int stop(sl_client *c, const struct arguments *a)
{
    sl_client_error e;
    bool ended;
    if (sl_client_stop(c, a->words[1], a->abandon, &e) != SL_CLIENT_OK ||
        sl_client_await(c, a->words[1], -1, &ended, &e) != SL_CLIENT_OK)
        return fail(&e);
    printf("query %s has ended\n", a->words[1]);
    return 0;
}

static atomic_bool is_closed; /* standard output; set on the console's thread */

/* 0 in any case: that this reader is gone must not end the query. */
static int print(void *user, const char *text, size_t length)
{
    (void)user;
    while (length > 0 && !is_closed) {
        ssize_t n = write(STDOUT_FILENO, text, length);
        if (n <= 0)
            is_closed = true;
        else
            text += n, length -= (size_t)n;
    }
    return 0;
}

/* SIGINT and SIGTERM.  Blocked before the client makes its threads, which inherit it. */
static void attach_signals(int how)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(how, &set, NULL);
}

/* The first signal lets go of the query with a goodbye: a reader that just died would be
 * waited for, and the query's console with it.  From then on a second one kills. */
static int leave_on_signal(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    int number = sigtimedwait(&set, NULL, &(struct timespec){ 0 });
    if (number > 0)
        attach_signals(SIG_UNBLOCK);
    return number;
}

static int attach(sl_client *c, const struct arguments *a)
{
    sl_client_error e;
    bool ended = false;
    int number = 0;
    if (sl_client_attach(c, a->words[1], &e) != SL_CLIENT_OK)
        return fail(&e);
    while (!ended && !is_closed && (number = leave_on_signal()) <= 0)
        if (sl_client_await(c, a->words[1], LOOK_MS, &ended, &e) != SL_CLIENT_OK)
            return fail(&e);
    return number == SIGINT ? SL_CLIENT_CANCELLED : 0;
}

/* ---- which ---- */

static int of_cluster(const struct arguments *a)
{
    static const struct {
        const char *verb;
        int (*run)(sl_client *c, const struct arguments *a);
    } table[] = { { "list", list },
                  { "status", status },
                  { "progress", progress },
                  { "stop", stop },
                  { "attach", attach } };
    sl_client_config config = { .master = a->master, .print = print };
    sl_client *c = NULL;
    sl_client_error e;
    int exit_code = 0;
    if (strncmp(a->master, "local", 5) == 0)
        return sl_cli_usage_error(
            "query",
            "--master %s has no queries but its own client's: name a "
            "driver that runs, sluice://HOST:PORT",
            a->master);
    if (is(a, "attach"))
        attach_signals(SIG_BLOCK);
    if (sl_client_open(&config, &c, &e) != SL_CLIENT_OK)
        return e.status == SL_CLIENT_USAGE ? sl_cli_usage_error("query", "%s", e.message)
                                           : fail(&e);
    for (uint32_t i = 0; i < 5; i++)
        if (is(a, table[i].verb))
            exit_code = table[i].run(c, a);
    sl_client_close(c);
    return exit_code;
}

static int of_checkpoint(const struct arguments *a)
{
    sl_client_error e;
    char *text = NULL;
    sl_client_status got =
        is(a, "progress") ? sl_client_saved_progress(a->words[1], a->batches, &text, &e)
                          : sl_client_saved_status(a->words[1], a->json, &text, &e);
    if (got != SL_CLIENT_OK)
        return fail(&e);
    fputs(text, stdout);
    sl_client_text_free(text);
    return 0;
}

int sl_cli_query(int argc, char **argv)
{
    struct arguments a = { .json = false };
    int exit_code = 0;
    if (!parse(argc, argv, &a, &exit_code))
        return exit_code;
    return a.master != NULL ? of_cluster(&a) : of_checkpoint(&a);
}
