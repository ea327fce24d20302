/* flags.h - arguments of a command, one table for all: --name value, --name=value,
 * switches, -h and --help, positional arguments; unknown names answered with the nearest
 * known one.
 *
 * Thread: main. */

#ifndef SL_CLIENT_CLI_FLAGS_H
#define SL_CLIENT_CLI_FLAGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct sl_cli_flag {
    const char *name; /* "--master", "-e" */
    /* One of these is set. */
    bool *on;           /* a switch */
    const char **value; /* the last one given */
    bool (*each)(void *user, const char *value,
                 sl_error *err); /* every one given; false: err tells why */
    void *user;
} sl_cli_flag;

typedef struct sl_cli_spec {
    const char *command; /* "run" */
    const char *help;    /* printed on --help */
    const sl_cli_flag *flags;
    uint32_t flag_count;
    const char **positional; /* filled in order; the rest stays NULL */
    uint32_t positional_max;
} sl_cli_spec;

/* True: go on. False: end with *ret_exit (0 after --help, 2 after a mistake, which was
 * told on standard error). */
bool sl_cli_parse(const sl_cli_spec *spec, int argc, char **argv, int *ret_exit);

/* A whole number from 1 to max, or a usage error as above. */
bool sl_cli_number(const char *command, const char *flag, const char *text, int64_t max,
                   uint32_t *ret, int *ret_exit);

/* Is `word` one of the verbs? Else a usage error naming the nearest; NULL: none given. */
bool sl_cli_verb(const char *command, const char *word, const char *const *verbs,
                 uint32_t count, int *ret_exit);

#endif /* SL_CLIENT_CLI_FLAGS_H */
