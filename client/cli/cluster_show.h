/* cluster_show.h - what a cluster's status says, for people.
 *
 * Thread: main. */

#ifndef SL_CLIENT_CLI_CLUSTER_SHOW_H
#define SL_CLIENT_CLI_CLUSTER_SHOW_H

#include <jansson.h>
#include <stdio.h>

/* The object of `sluice cluster status --json` (docs/cluster.md) as tables. */
void sl_cluster_show(const json_t *status, FILE *out);

#endif /* SL_CLIENT_CLI_CLUSTER_SHOW_H */
