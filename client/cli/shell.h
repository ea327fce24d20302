/* shell.h - `sluice sql` on a terminal: statements typed in, answers below.
 *
 * Ctrl-C never leaves it: at the prompt it throws the line away, while a statement runs
 * it gives the statement up; a streaming query that was waited for goes on. Streaming
 * queries run beside, and what they print comes above the prompt.  At the end queries of
 * a cluster that runs elsewhere go on, and those of a cluster that is ours end at their
 * batch boundary; both are said. */

#ifndef SL_CLIENT_CLI_SHELL_H
#define SL_CLIENT_CLI_SHELL_H

#include "sluice/sluice.h"

/* Returns the exit code. `print` of the config is the shell's. */
int sl_shell_run(const sl_client_config *config);

#endif /* SL_CLIENT_CLI_SHELL_H */
