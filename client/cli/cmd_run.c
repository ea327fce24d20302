/* `sluice run` and `sluice sql`: arguments, settings, the text to run. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/log.h"
#include "client/cli/cli.h"
#include "client/cli/flags.h"
#include "client/cli/script.h"
#include "client/cli/shell.h"

static const char run_help[] =
    "usage: sluice run FILE.sql [--master MASTER] [--conf NAME=VALUE]...\n"
    "                  [--detach] [--verbose]\n"
    "\n"
    "Runs the statements of a file in order. CREATE STREAMING QUERY with TRIGGER ONCE "
    "or\n"
    "AVAILABLE NOW is awaited; other streaming queries run beside the rest, and when "
    "the\n"
    "statements are done, until they end or Ctrl-C: the first ends them at a batch\n"
    "boundary, the second abandons the batch, the third kills. SELECT shows 20 rows.\n"
    "\n"
    "  FILE.sql           - is standard input\n"
    "  --master local[N]  N executors in this process; local[*], the default, takes one\n"
    "                     per processor. local-cluster[W,N]: a driver and W workers of "
    "N\n"
    "                     executors, processes that end with this one.\n"
    "                     sluice://HOST:PORT, ipc://PATH: a driver that runs\n"
    "                     (`sluice cluster start`)\n"
    "  --detach           leave when the statements are done; queries go on, none is\n"
    "                     awaited. Wants a driver that runs\n"
    "  --conf NAME=VALUE  a setting (`sluice options` lists them; spark.* names work)\n"
    "  --verbose          a log of what happens, on standard error\n"
    "\n"
    "Paths are relative to the directory sluice runs in.\n";

static const char sql_help[] =
    "usage: sluice sql [-e TEXT | -f FILE | < FILE] [--json] [--keep-going]\n"
    "                  [--master MASTER] [--conf NAME=VALUE]... [--verbose]\n"
    "\n"
    "Runs statements and prints their results whole. On a terminal and without -e and\n"
    "-f it is a shell that asks for them: \\h there tells more.\n"
    "Streaming queries they start are awaited as by `sluice run`.\n"
    "\n"
    "  -e TEXT            the statements\n"
    "  -f FILE            a file of statements; - is standard input\n"
    "  --json             one line a statement: {\"schema\": \"struct<...>\", \"rows\": "
    "[[...]]}\n"
    "                     or {\"error\": {\"class\", \"sqlState\", \"message\", "
    "\"line\", "
    "\"column\"}}\n"
    "  --keep-going       go on after a statement that failed\n"
    "  --master, --conf, --verbose   as for `sluice run`\n";

struct arguments {
    const char *file, *text, *master;
    bool json, keep_going, verbose, detach;
    sl_client_setting *settings; /* names are ours, values the argument's */
    uint32_t setting_count;
};

static bool take_setting(void *user, const char *pair, sl_error *err)
{
    struct arguments *a = (struct arguments *)user;
    const char *equals = strchr(pair, '=');
    if (equals == NULL) {
        (void)sl_fail(err, SL_EINVAL, "--conf wants NAME=VALUE, not '%s'", pair);
        return false;
    }
    a->settings = (sl_client_setting *)sl_realloc(
        a->settings, (a->setting_count + (size_t)1) * sizeof *a->settings);
    char *name = sl_strdup(pair);
    name[equals - pair] = '\0';
    a->settings[a->setting_count++] = (sl_client_setting){ name, equals + 1 };
    return true;
}

static bool parse(int argc, char **argv, bool is_sql, struct arguments *a, int *ret_exit)
{
    const sl_cli_flag flags[] = {
        { .name = "--detach", .on = &a->detach }, /* of run */
        { .name = "--master", .value = &a->master },
        { .name = "--conf", .each = take_setting, .user = a },
        { .name = "--verbose", .on = &a->verbose },
        { .name = "-e", .value = &a->text }, /* from here on of sql */
        { .name = "-f", .value = &a->file },
        { .name = "--json", .on = &a->json },
        { .name = "--keep-going", .on = &a->keep_going },
    };
    const sl_cli_spec spec = {
        .command = is_sql ? "sql" : "run",
        .help = is_sql ? sql_help : run_help,
        .flags = is_sql ? flags + 1 : flags,
        .flag_count = is_sql ? 7 : 4,
        .positional = &a->file,
        .positional_max = is_sql ? 0 : 1,
    };
    if (!sl_cli_parse(&spec, argc, argv, ret_exit))
        return false;
    if (!is_sql && a->file == NULL) {
        *ret_exit = sl_cli_usage_error("run", "run wants a file of statements");
        return false;
    }
    if (a->text != NULL && a->file != NULL) {
        *ret_exit = sl_cli_usage_error("sql", "-e and -f do not go together");
        return false;
    }
    return true;
}

static sl_code read_stream(FILE *in, const char *name, sl_bytes *ret, sl_error *err)
{
    char buffer[65536];
    size_t n;
    while ((n = fread(buffer, 1, sizeof buffer, in)) > 0) {
        sl_bytes_append(ret, buffer, n);
        if (ret->size_bytes > SL_SQL_BYTES_MAX)
            return sl_fail(err, SL_ELIMIT, "%s has more than %d bytes of SQL", name,
                           SL_SQL_BYTES_MAX);
    }
    return ferror(in) ? sl_fail_errno(err, errno, "cannot read %s", name) : SL_OK;
}

static sl_code read_text(const char *file, sl_bytes *ret, sl_error *err)
{
    if (strcmp(file, "-") == 0)
        return read_stream(stdin, "standard input", ret, err);
    FILE *in = fopen(file, "rb");
    if (in == NULL)
        return sl_fail_errno(err, errno, "cannot open %s", file);
    sl_code code = read_stream(in, file, ret, err);
    fclose(in);
    return code;
}

/* A person is there, and did not say what to run. */
static bool wants_shell(const struct arguments *a, bool is_sql)
{
    const char *term = getenv("TERM");
    return is_sql && a->text == NULL && a->file == NULL && !a->json && !a->keep_going &&
           isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 && term != NULL &&
           strcmp(term, "dumb") != 0;
}

static int run_arguments(const struct arguments *a, bool is_sql)
{
    const char *command = is_sql ? "sql" : "run";
    sl_bytes text = { 0 };
    sl_error err;
    int code;
    if (a->verbose)
        sl_log_set_level(SL_LOG_DEBUG);
    if (wants_shell(a, is_sql))
        return sl_shell_run(&(sl_client_config){ .master = a->master,
                                                 .settings = a->settings,
                                                 .setting_count = a->setting_count });
    if (a->text != NULL)
        sl_bytes_text(&text, a->text);
    if (a->text == NULL &&
        read_text(a->file != NULL ? a->file : "-", &text, &err) != SL_OK) {
        code = sl_cli_usage_error(command, "%s", err.text);
    } else {
        sl_script_config config = {
            .command = command,
            .text = sl_bytes_cstr(&text),
            .length = text.size_bytes,
            .client = { .master = a->master,
                        .settings = a->settings,
                        .setting_count = a->setting_count,
                        .is_detached = a->detach },
            .json = a->json,
            .keep_going = a->keep_going,
            .show_rows = is_sql ? UINT32_MAX : 20,
            .show_truncate = is_sql ? 0 : 20,
        };
        code = sl_script_run(&config);
    }
    sl_bytes_deinit(&text);
    return code;
}

static int run(int argc, char **argv, bool is_sql)
{
    struct arguments a = { 0 };
    int code = 0;
    if (parse(argc, argv, is_sql, &a, &code))
        code = run_arguments(&a, is_sql);
    for (uint32_t i = 0; i < a.setting_count; i++)
        sl_free((void *)(uintptr_t)a.settings[i].name);
    sl_free(a.settings);
    return code;
}

int sl_cli_run(int argc, char **argv)
{
    return run(argc, argv, false);
}

int sl_cli_sql(int argc, char **argv)
{
    return run(argc, argv, true);
}
