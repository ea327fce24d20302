/* `sluice run` and `sluice sql`: arguments, settings, the text to run. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "client/cli/cli.h"
#include "client/cli/script.h"
#include "client/cluster/local.h"

static const char run_help[] = "usage: sluice run FILE.sql [--master local[N]] [--conf "
                               "NAME=VALUE]... [--verbose]\n\n"
                               "Runs the statements of a file in order. CREATE STREAMING "
                               "QUERY with TRIGGER ONCE or\n"
                               "AVAILABLE NOW is awaited; other streaming queries run "
                               "until Ctrl-C (which ends them at a\n"
                               "batch boundary; a second Ctrl-C abandons the batch). "
                               "FILE may be - for standard input.\n";

static const char sql_help[] =
    "usage: sluice sql (-e TEXT | -f FILE | < FILE) [--json] [--keep-going]\n"
    "                  [--master local[N]] [--conf NAME=VALUE]... [--verbose]\n\n"
    "Runs statements and prints their results whole. --json prints one line a "
    "statement:\n"
    "{\"schema\": ..., \"rows\": [[...]]} or {\"error\": {...}}. --keep-going goes on "
    "after errors.\n";

struct arguments {
    const char *file, *text;
    bool json, keep_going;
    const char *master;
    sl_options *options;
};

static int set_conf(struct arguments *a, const char *command, const char *pair)
{
    const char *equals = strchr(pair, '=');
    sl_error err;
    if (equals == NULL)
        return sl_cli_usage_error(command, "--conf wants NAME=VALUE, not '%s'", pair);
    char name[256];
    snprintf(name, sizeof name, "%.*s", (int)(equals - pair), pair);
    if (sl_options_set(a->options, name, equals + 1, &err) != SL_OK)
        return sl_cli_usage_error(command, "%s", err.text);
    return 0;
}

/* 0: go on; else exit with it - 1. */
static int parse(int argc, char **argv, const char *command, struct arguments *a)
{
    static const char *const flags[] = { "--master",     "--conf", "--json",
                                         "--keep-going", "--help", "--verbose",
                                         "-e",           "-f" };
    bool is_sql = strcmp(command, "sql") == 0;
    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i];
        bool wants_value = strcmp(arg, "--master") == 0 || strcmp(arg, "--conf") == 0 ||
                           (is_sql && (strcmp(arg, "-e") == 0 || strcmp(arg, "-f") == 0));
        if (wants_value && i + 1 == argc)
            return 1 + sl_cli_usage_error(command, "%s wants a value", arg);
        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            fputs(is_sql ? sql_help : run_help, stdout);
            return 1;
        }
        if (strcmp(arg, "--verbose") == 0) {
            sl_log_set_level(SL_LOG_DEBUG);
        } else if (strcmp(arg, "--master") == 0) {
            a->master = argv[++i];
        } else if (strcmp(arg, "--conf") == 0) {
            int code = set_conf(a, command, argv[++i]);
            if (code != 0)
                return 1 + code;
        } else if (is_sql && strcmp(arg, "-e") == 0) {
            a->text = argv[++i];
        } else if (is_sql && strcmp(arg, "-f") == 0) {
            a->file = argv[++i];
        } else if (is_sql && strcmp(arg, "--json") == 0) {
            a->json = true;
        } else if (is_sql && strcmp(arg, "--keep-going") == 0) {
            a->keep_going = true;
        } else if (!is_sql && (arg[0] != '-' || arg[1] == '\0') && a->file == NULL) {
            a->file = arg;
        } else {
            const char *near = sl_text_nearest(arg, flags, sizeof flags / sizeof *flags);
            if (near != NULL)
                return 1 + sl_cli_usage_error(command,
                                              "unknown argument '%s'; did you mean %s?",
                                              arg, near);
            return 1 + sl_cli_usage_error(command, "unknown argument '%s'", arg);
        }
    }
    return 0;
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

static int run(int argc, char **argv, const char *command)
{
    struct arguments a = { .master = "local[*]" };
    bool is_sql = strcmp(command, "sql") == 0;
    sl_bytes text = { 0 };
    sl_error err;
    uint32_t slots = 1;
    sl_local_register_options();
    a.options = sl_options_new();
    int code = 0;
    if (sl_options_from_environment(a.options, &err) != SL_OK)
        code = 1 + sl_cli_usage_error(command, "%s", err.text);
    if (code == 0)
        code = parse(argc, argv, command, &a);
    if (code == 0 && sl_local_master_parse(a.master, &slots, &err) != SL_OK)
        code = 1 + sl_cli_usage_error(command, "%s", err.text);
    if (code == 0 && !is_sql && a.file == NULL)
        code = 1 + sl_cli_usage_error(command, "run wants a file of statements");
    if (code != 0) {
        sl_options_free(a.options);
        return code - 1;
    }
    if (a.text != NULL)
        sl_bytes_text(&text, a.text);
    else if (read_text(a.file != NULL ? a.file : "-", &text, &err) != SL_OK)
        code = 2 + sl_cli_usage_error(command, "%s", err.text) - 2;
    if (code == 0) {
        sl_script_config config = {
            .command = command,
            .text = sl_bytes_cstr(&text),
            .length = text.size_bytes,
            .slots = slots,
            .options = a.options,
            .json = a.json,
            .keep_going = a.keep_going,
            .show_rows = is_sql ? 1000000 : 20,
            .show_truncate = is_sql ? 0 : 20,
        };
        code = sl_script_run(&config);
    }
    sl_bytes_deinit(&text);
    sl_options_free(a.options);
    return code;
}

int sl_cli_run(int argc, char **argv)
{
    return run(argc, argv, "run");
}

int sl_cli_sql(int argc, char **argv)
{
    return run(argc, argv, "sql");
}
