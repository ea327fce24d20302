#include "client/cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "client/stest/stest.h"
#include "sluice/sluice.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    { "run", sl_cli_run,
      "run FILE.sql               run the statements of a file, queries until they end" },
    { "sql", sl_cli_sql,
      "sql [-e TEXT | -f FILE]    run statements and print their results, or ask for "
      "them" },
    { "query", sl_cli_query,
      "query list|status|...      queries of a cluster; what a checkpoint says of its "
      "query" },
    { "checkpoint", sl_cli_checkpoint,
      "checkpoint inspect|verify  what a checkpoint holds, and whether it is whole" },
    { "test", sl_stest_main,
      "test FILE.stest...         tests of streaming SQL with a virtual clock" },
    { "driver", sl_cli_driver,
      "driver                     the deciding process of a cluster" },
    { "worker", sl_cli_worker,
      "worker --driver ADDRESS    a working process of a cluster" },
    { "cluster", sl_cli_cluster,
      "cluster start|stop|...     a driver and workers of this host, kept running" },
    { "top", sl_cli_top,
      "top [--master ADDRESS]     workers and queries of a cluster, again each second" },
    { "options", sl_cli_options,
      "options                    every setting with its default and meaning" },
    { "version", sl_cli_version,
      "version                    versions of sluice and its libraries, what is in it" },
};

#define COUNT (sizeof commands / sizeof *commands)

static void print_help(FILE *out)
{
    fputs("sluice: structured streaming without the JVM\n\nusage: sluice COMMAND "
          "[ARGUMENTS]\n\n",
          out);
    for (size_t i = 0; i < COUNT; i++)
        fprintf(out, "  %s\n", commands[i].help);
    fputs(
        "\n`sluice COMMAND --help` tells more.\n\n"
        "Exit codes: 0 ok, 1 a statement or query failed, 2 wrong usage, 3 cannot "
        "connect,\n4 incompatible or damaged checkpoint, 5 data loss refused, 75 fenced "
        "by a newer driver,\n130 interrupted.\n",
        out);
}

int sl_cli_usage_error(const char *command, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("sluice: ", stderr);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\nTry `sluice %s%s--help`.\n", command, *command != '\0' ? " " : "");
    return 2;
}

/* What a command said is on its way now, or it has failed. */
static int finish_output(int exit_code)
{
    if (fflush(stdout) == 0 || errno == EPIPE || exit_code != 0)
        return exit_code;
    fprintf(stderr, "sluice: cannot write standard output: %s\n", strerror(errno));
    return SL_CLIENT_FAILED;
}

int sl_cli_main(int argc, char **argv)
{
    /* A closed pipe is an error of the write, not the end of us. */
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0)
        return sl_cli_version(0, NULL);
    const char *names[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        names[i] = commands[i].name;
        if (strcmp(argv[1], commands[i].name) == 0)
            return finish_output(commands[i].run(argc - 2, argv + 2));
    }
    const char *near = sl_text_nearest(argv[1], names, COUNT);
    return near != NULL
               ? sl_cli_usage_error("", "unknown command '%s'; did you mean '%s'?",
                                    argv[1], near)
               : sl_cli_usage_error("", "unknown command '%s'", argv[1]);
}
