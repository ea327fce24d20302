/* script.h - runs the statements of a text one after another on a local cluster and shows
 * what they answer.  What `run` and `sql` share. */

#ifndef SL_CLIENT_CLI_SCRIPT_H
#define SL_CLIENT_CLI_SCRIPT_H

#include "base/options.h"

typedef struct sl_script_config {
    const char *command; /* for usage messages */
    const char *text;
    size_t length;
    uint32_t slots;
    const sl_options *options;
    bool json;              /* one JSON line a statement */
    bool keep_going;        /* after a failed statement */
    uint32_t show_rows;     /* of a SELECT */
    uint32_t show_truncate; /* characters a cell; 0 all */
} sl_script_config;

/* Ends when all statements have answered and no streaming query runs. Returns the exit
 * code. */
int sl_script_run(const sl_script_config *config);

#endif /* SL_CLIENT_CLI_SCRIPT_H */
