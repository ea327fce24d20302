#include "client/cli/flags.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "client/cli/cli.h"

#define FLAGS_MAX 16

/* The flag of an argument; *ret_value = what follows '=', or NULL. */
static const sl_cli_flag *find_flag(const sl_cli_spec *spec, const char *arg,
                                    const char **ret_value)
{
    size_t length = strcspn(arg, "=");
    *ret_value = NULL;
    for (uint32_t i = 0; i < spec->flag_count; i++) {
        const char *name = spec->flags[i].name;
        bool is_long = name[1] == '-';
        if (strcmp(arg, name) == 0)
            return &spec->flags[i];
        if (is_long && arg[length] == '=' && strlen(name) == length &&
            strncmp(arg, name, length) == 0) {
            *ret_value = arg + length + 1;
            return &spec->flags[i];
        }
    }
    return NULL;
}

static int unknown_flag(const sl_cli_spec *spec, const char *arg)
{
    const char *names[FLAGS_MAX + 1];
    uint32_t n = 0;
    while (n < spec->flag_count && n < FLAGS_MAX) {
        names[n] = spec->flags[n].name;
        n++;
    }
    names[n++] = "--help";
    const char *near = sl_text_nearest(arg, names, n);
    if (near != NULL)
        return sl_cli_usage_error(spec->command,
                                  "unknown argument '%s'; did you mean %s?", arg, near);
    return sl_cli_usage_error(spec->command, "unknown argument '%s'", arg);
}

/* 0, or the exit code after a mistake. */
static int take_flag(const sl_cli_spec *spec, const sl_cli_flag *f, const char *value)
{
    sl_error err;
    if (f->on != NULL && value != NULL)
        return sl_cli_usage_error(spec->command, "%s takes no value", f->name);
    if (f->on != NULL)
        *f->on = true;
    else if (value == NULL)
        return sl_cli_usage_error(spec->command, "%s wants a value", f->name);
    else if (f->value != NULL)
        *f->value = value;
    else if (!f->each(f->user, value, &err))
        return sl_cli_usage_error(spec->command, "%s", err.text);
    return 0;
}

bool sl_cli_parse(const sl_cli_spec *spec, int argc, char **argv, int *ret_exit)
{
    uint32_t given = 0;
    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i], *value;
        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            fputs(spec->help, stdout);
            *ret_exit = 0;
            return false;
        }
        const sl_cli_flag *f = find_flag(spec, arg, &value);
        if (f != NULL) {
            if (f->on == NULL && value == NULL && i + 1 < argc)
                value = argv[++i];
            *ret_exit = take_flag(spec, f, value);
        } else if (arg[0] == '-' && arg[1] != '\0') {
            *ret_exit = unknown_flag(spec, arg);
        } else if (given < spec->positional_max) {
            spec->positional[given++] = arg;
            continue;
        } else {
            *ret_exit =
                sl_cli_usage_error(spec->command, "'%s' is one argument too many", arg);
        }
        if (*ret_exit != 0)
            return false;
    }
    return true;
}

bool sl_cli_number(const char *command, const char *flag, const char *text, int64_t max,
                   uint32_t *ret, int *ret_exit)
{
    int64_t n;
    if (sl_int64_parse(text, &n, NULL) == SL_OK && n >= 1 && n <= max) {
        *ret = (uint32_t)n;
        return true;
    }
    *ret_exit = sl_cli_usage_error(command, "%s wants a number from 1 to %lld, not '%s'",
                                   flag, (long long)max, text);
    return false;
}

static int verb_missing(const char *command, const char *const *verbs, uint32_t count)
{
    char all[256] = "";
    for (uint32_t i = 0, n = 0; i < count && n < sizeof all; i++)
        n += (uint32_t)snprintf(all + n, sizeof all - n, "%s%s",
                                i == 0           ? ""
                                : i + 1 == count ? " or "
                                                 : ", ",
                                verbs[i]);
    return sl_cli_usage_error(command, "%s wants to be told what to do: %s", command,
                              all);
}

bool sl_cli_verb(const char *command, const char *word, const char *const *verbs,
                 uint32_t count, int *ret_exit)
{
    for (uint32_t i = 0; word != NULL && i < count; i++)
        if (strcmp(word, verbs[i]) == 0)
            return true;
    const char *near = word != NULL ? sl_text_nearest(word, verbs, count) : NULL;
    if (word == NULL)
        *ret_exit = verb_missing(command, verbs, count);
    else if (near != NULL)
        *ret_exit = sl_cli_usage_error(command, "unknown verb '%s'; did you mean '%s'?",
                                       word, near);
    else
        *ret_exit = sl_cli_usage_error(command, "unknown verb '%s'", word);
    return false;
}
