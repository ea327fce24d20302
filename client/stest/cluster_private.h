/* cluster_private.h - the processes of `sluice test --master local-cluster[W,N]`: a
 * driver and W workers of N slots, kept alive for all cases of a run.
 *
 * A process that a failpoint killed is started again at once, as an operator's supervisor
 * would; one that dies of anything else is trouble.  Tables that a test feeds, and what
 * the test sink writes, are in a file that driver and runner share, so they outlive a
 * driver.
 *
 * Thread: the runner's; _lock and _unlock guard what on_death touches. */

#ifndef SL_CLIENT_STEST_CLUSTER_PRIVATE_H
#define SL_CLIENT_STEST_CLUSTER_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "connectors/memory_table.h"

typedef struct stest_cluster stest_cluster;

/* Ready when all workers are registered. */
SL_CHECKED sl_code stest_cluster_new(uint32_t workers, uint32_t slots,
                                     stest_cluster **ret, sl_error *err);
void stest_cluster_free(stest_cluster *c); /* NULL is fine */

const char *stest_cluster_address(const stest_cluster *c);   /* of the driver */
const char *stest_cluster_directory(const stest_cluster *c); /* of this run */
sl_memory_tables *stest_cluster_tables(stest_cluster *c);

/* End the driver as SIGTERM does, and start it again. */
SL_CHECKED sl_code stest_cluster_restart_driver(stest_cluster *c, sl_error *err);

/* The process that passes the failpoint for the pass-th time from now on dies. */
SL_CHECKED sl_code stest_cluster_arm(stest_cluster *c, const char *failpoint,
                                     uint32_t pass, sl_error *err);
bool stest_cluster_is_armed(stest_cluster *c); /* and it was not passed yet */
void stest_cluster_disarm(stest_cluster *c);

/* Called between the death of a driver and the start of the next, on another thread and
 * under the lock. NULL: nobody. */
void stest_cluster_on_death(stest_cluster *c, void (*fn)(void *user), void *user);
void stest_cluster_lock(stest_cluster *c);
void stest_cluster_unlock(stest_cluster *c);
/* Append deaths that no failpoint asked for, and processes that did not start, since the
 * last call. */
void stest_cluster_take_trouble(stest_cluster *c, sl_bytes *out);

#endif /* SL_CLIENT_STEST_CLUSTER_PRIVATE_H */
