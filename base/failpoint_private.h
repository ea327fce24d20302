/* failpoint_private.h - where a real process kills itself (base/host.h says how it is
 * told).
 *
 * Thread: any. */

#ifndef SL_BASE_FAILPOINT_PRIVATE_H
#define SL_BASE_FAILPOINT_PRIVATE_H

#include "base/error.h"

typedef struct sl_failpoint sl_failpoint;

/* NULL if the environment says nothing; SL_EINVAL for a text that is none. */
SL_CHECKED sl_code sl_failpoint_from_environment(sl_failpoint **ret, sl_error *err);
void sl_failpoint_free(sl_failpoint *f); /* NULL is fine */
/* May not return. NULL is fine. */
void sl_failpoint_pass(sl_failpoint *f, const char *name);

#endif /* SL_BASE_FAILPOINT_PRIVATE_H */
