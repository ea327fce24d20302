/* cli.h - the commands of the binary `sluice`; each takes the arguments after its name
 * and returns the process's exit code: 0 ok, 1 a statement or query failed, 2 usage, 3
 * cannot connect, 4 incompatible or damaged checkpoint, 5 data loss refused, 75 fenced,
 * 130 interrupted (sl_client_status has the same numbers).
 *
 * run, sql and query use nothing of sluice but its C API, include/sluice/sluice.h. */

#ifndef SL_CLIENT_CLI_CLI_H
#define SL_CLIENT_CLI_CLI_H

#include "base/error.h"

int sl_cli_main(int argc, char **argv);

int sl_cli_run(int argc, char **argv);        /* run FILE.sql */
int sl_cli_sql(int argc, char **argv);        /* sql [-e | -f] */
int sl_cli_query(int argc, char **argv);      /* query list | status | ... */
int sl_cli_checkpoint(int argc, char **argv); /* checkpoint inspect | verify DIR */
int sl_cli_driver(int argc, char **argv);     /* the processes of a cluster */
int sl_cli_worker(int argc, char **argv);
int sl_cli_top(int argc, char **argv);     /* top --master ADDRESS */
int sl_cli_cluster(int argc, char **argv); /* start | status | scale | stop */
int sl_cli_options(int argc, char **argv);
int sl_cli_version(int argc, char **argv);

/* Print "sluice: <text>" and how to get help; returns 2. */
int sl_cli_usage_error(const char *command, const char *fmt, ...) SL_PRINTF(2, 3);

#endif /* SL_CLIENT_CLI_CLI_H */
