/* memory_log_private.h - the changes of a set of memory tables in a file that several
 * processes of this host share: each appends its own and takes in those of all, in one
 * order, so that all have the same tables and a process that comes back finds them.
 *
 * Layout: records of u32 length and as many bytes.  A record that is not whole at the end
 * is of a process that died while it wrote; the next writer cuts it off.  Nothing is
 * synced: the file outlives processes, not the host.
 *
 * Thread: one at a time. */

#ifndef SL_CONNECTORS_MEMORY_MEMORY_LOG_PRIVATE_H
#define SL_CONNECTORS_MEMORY_MEMORY_LOG_PRIVATE_H

#include "base/bytes.h"
#include "base/error.h"

typedef struct sl_memory_log sl_memory_log;

/* Called for each record, in order. */
typedef sl_code (*sl_memory_log_fn)(void *user, sl_span record, sl_error *err);

/* Made if it is absent. */
SL_CHECKED sl_code sl_memory_log__open(const char *path, sl_memory_log_fn apply,
                                       void *user, sl_memory_log **ret, sl_error *err);
void sl_memory_log__close(sl_memory_log *l); /* NULL is fine */
/* Take in what others wrote. */
SL_CHECKED sl_code sl_memory_log__read(sl_memory_log *l, sl_error *err);
/* Write a record behind all others, and take in all up to it. */
SL_CHECKED sl_code sl_memory_log__append(sl_memory_log *l, sl_span record, sl_error *err);

#endif /* SL_CONNECTORS_MEMORY_MEMORY_LOG_PRIVATE_H */
