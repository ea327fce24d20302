/* master.h - what --master says.
 *
 *   local                 one executor in this process
 *   local[N], local[*]    N, or one per processor
 *   local-cluster[W,N]    a driver and W workers of N slots, processes of this host that
 *                         live as long as the client
 *   sluice://HOST:PORT    a driver that runs already
 *   ipc://PATH            the same, by its socket on this host */

#ifndef SL_CLIENT_CLUSTER_MASTER_H
#define SL_CLIENT_CLUSTER_MASTER_H

#include "base/error.h"

typedef enum sl_master_kind {
    SL_MASTER_LOCAL,
    SL_MASTER_LOCAL_CLUSTER,
    SL_MASTER_REMOTE,
} sl_master_kind;

typedef struct sl_master {
    sl_master_kind kind;
    uint32_t workers;  /* LOCAL_CLUSTER */
    uint32_t slots;    /* LOCAL: executors; LOCAL_CLUSTER: of each worker */
    char address[200]; /* REMOTE, as the transport dials it: tcp://..., ipc://... */
} sl_master;

/* SL_EINVAL says what is known. */
SL_CHECKED sl_code sl_master_parse(const char *text, sl_master *ret, sl_error *err);
/* "host:port", "sluice://host:port", "tcp://..." or "ipc://..." as the transport has it;
 * SL_EINVAL otherwise. ret has room for 200 bytes. */
SL_CHECKED sl_code sl_master_address(const char *text, char *ret, sl_error *err);

#endif /* SL_CLIENT_CLUSTER_MASTER_H */
