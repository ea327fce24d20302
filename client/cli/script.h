/* script.h - runs the statements of a text one after another and shows what they answer.
 * What `run` and `sql` share; stands on the C API alone.
 *
 * Standard output gets results and console text, standard error notes and errors.  The
 * first Ctrl-C (or SIGTERM) ends streaming queries at their batch boundary and cancels a
 * SELECT, the second abandons the batch, the third ends the process at once: a checkpoint
 * survives all three.  When nobody reads standard output any more the rest is not run. */

#ifndef SL_CLIENT_CLI_SCRIPT_H
#define SL_CLIENT_CLI_SCRIPT_H

#include "sluice/sluice.h"

typedef struct sl_script_config {
    const char *command; /* for usage messages */
    const char *text;
    size_t length;
    sl_client_config client;
    bool json;              /* one JSON line a statement */
    bool keep_going;        /* after a failed statement */
    uint32_t show_rows;     /* of a SELECT; UINT32_MAX all */
    uint32_t show_truncate; /* characters a cell; 0 all */
} sl_script_config;

/* Ends when all statements have answered and, unless the client is detached, no streaming
 * query runs. Returns the exit code. */
int sl_script_run(const sl_script_config *config);

#endif /* SL_CLIENT_CLI_SCRIPT_H */
