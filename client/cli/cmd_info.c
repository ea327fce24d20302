/* `sluice options` and `sluice version`. */
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "base/text.h"
#include "client/cli/cli.h"
#include "client/cli/flags.h"
#include "client/cluster/local.h"
#include "connectors/registry.h"
#include "sluice/sluice.h"
#include "transport/link_zmq.h"

static const char options_help[] =
    "usage: sluice options [--json | --markdown]\n"
    "\n"
    "Every setting: name, type, default, alias and meaning. Give one with --conf "
    "NAME=VALUE,\n"
    "with SET in SQL, or in the environment: SLUICE_STATE_PARTITIONS=8 is\n"
    "sluice.state.partitions=8. --markdown is the page docs/options.md.\n";

static const char options_page[] =
    "# Settings\n"
    "\n"
    "Made by `sluice options --markdown`; a test fails when this page is stale.\n"
    "\n"
    "Give a setting with `--conf NAME=VALUE`, in SQL with `SET NAME = VALUE`, or in the "
    "environment:\n"
    "`SLUICE_STATE_PARTITIONS=8` is `sluice.state.partitions=8`. The names under "
    "\"also\" "
    "are Spark's and mean the\n"
    "same. Durations are written `500 ms` or `10 seconds`, sizes `64m` or `1g`. An "
    "unknown name is an error that\n"
    "tells the nearest known one. What a checkpoint fixes is kept when the query is run "
    "again.\n"
    "\n";

static const char version_help[] =
    "usage: sluice version\n"
    "\n"
    "The version of sluice, what it was built with, and what is in it.\n";

static void options_json(void)
{
    sl_bytes out = { 0 };
    sl_json j;
    sl_json_begin(&j, &out);
    sl_json_open(&j, NULL, '[');
    for (uint32_t i = 0; i < sl_options_def_count(); i++) {
        const sl_option_def *d = sl_options_def(i);
        sl_json_open(&j, NULL, '{');
        sl_json_key_string(&j, "name", d->name);
        sl_json_key_string(&j, "default", d->default_text);
        sl_json_key_string(&j, "unit", d->unit_or_values);
        sl_json_key_string(&j, "alias", d->alias);
        sl_json_key_string(&j, "meaning", d->meaning);
        sl_json_close(&j, '}');
    }
    sl_json_close(&j, ']');
    puts(sl_bytes_cstr(&out));
    sl_bytes_deinit(&out);
}

int sl_cli_options(int argc, char **argv)
{
    bool json = false, markdown = false;
    int code = 0;
    const sl_cli_flag flags[] = { { .name = "--json", .on = &json },
                                  { .name = "--markdown", .on = &markdown } };
    const sl_cli_spec spec = {
        .command = "options", .help = options_help, .flags = flags, .flag_count = 2
    };
    if (!sl_cli_parse(&spec, argc, argv, &code))
        return code;
    sl_local_register_options();
    if (json) {
        options_json();
        return 0;
    }
    sl_bytes out = { 0 };
    if (markdown)
        sl_bytes_text(&out, options_page);
    sl_options_table(&out);
    fputs(sl_bytes_cstr(&out), stdout);
    sl_bytes_deinit(&out);
    return 0;
}

/* Versions of what it was built against, from the build: cmake/rooms.cmake. */
#ifndef SL_BUILT_WITH
#define SL_BUILT_WITH ""
#endif

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

/* Those a user can name: `values` is how VALUES (...) is read. */
static void print_connectors(const char *title, bool sinks)
{
    const char *comma = "    ";
    printf("%s ", title);
    for (uint32_t i = 0; i < sl_connector_count(); i++) {
        const sl_connector *c = sl_connector_get(i);
        if ((sinks ? c->sink != NULL : c->source != NULL) &&
            strcmp(c->name, "values") != 0) {
            printf("%s%s", comma, c->name);
            comma = ", ";
        }
    }
    putchar('\n');
}

int sl_cli_version(int argc, char **argv)
{
    int code = 0;
    const sl_cli_spec spec = { .command = "version", .help = version_help };
    if (!sl_cli_parse(&spec, argc, argv, &code))
        return code;
    printf("sluice %s\n", sl_client_version());
    printf("compiler    %s\n", COMPILER);
    printf("zeromq      %s\n", sl_zmq_version());
    if (SL_BUILT_WITH[0] != '\0')
        printf("built with  %s\n", SL_BUILT_WITH);
    puts("masters     local, local[N], local[*], local-cluster[W,N], sluice://HOST:PORT, "
         "ipc://PATH");
    print_connectors("sources", false);
    print_connectors("sinks  ", true);
    return 0;
}
