/* `sluice options` and `sluice version`. */
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "base/text.h"
#include "client/cli/cli.h"
#include "client/cluster/local.h"

#ifndef SL_VERSION
#define SL_VERSION "0.1.0"
#endif

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
    sl_local_register_options();
    if (argc > 0 && strcmp(argv[0], "--json") == 0) {
        options_json();
        return 0;
    }
    if (argc > 0 && strcmp(argv[0], "--help") != 0)
        return sl_cli_usage_error("options", "unknown argument '%s'", argv[0]);
    if (argc > 0) {
        puts("usage: sluice options [--json]\n\nEvery setting: name, type, default, "
             "alias, meaning.");
        return 0;
    }
    sl_bytes out = { 0 };
    sl_options_table(&out);
    fputs(sl_bytes_cstr(&out), stdout);
    sl_bytes_deinit(&out);
    return 0;
}

int sl_cli_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("sluice %s (C17, %s)\n", SL_VERSION, __VERSION__);
    puts("sources: json, memory    sinks: console, json, memory, noop    masters: "
         "local[N]");
    return 0;
}
