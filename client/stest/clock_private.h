/* clock_private.h - does a case depend on processing time?  If so it runs in a box only:
 * a cluster's clock cannot be moved.
 *
 * Thread: any. */

#ifndef SL_CLIENT_STEST_CLOCK_PRIVATE_H
#define SL_CLIENT_STEST_CLOCK_PRIVATE_H

#include "client/stest/script_private.h"

/* Items [from, to): why, in the arena; NULL: event time is all it moves. */
const char *stest_clock_reason(const stest_script *script, uint32_t from, uint32_t to,
                               sl_arena *arena);

#endif /* SL_CLIENT_STEST_CLOCK_PRIVATE_H */
