/* facts_private.h - figures of a progress report by name.
 *
 * A name is a path ("stateOperators.0.numRowsTotal") or its last part: looked for at the
 * top, then in eventTime, the first state operator, the sink, the first source,
 * durationMs. */

#ifndef SL_CLIENT_STEST_FACTS_PRIVATE_H
#define SL_CLIENT_STEST_FACTS_PRIVATE_H

#include "base/arena.h"

/* As text; NULL if there is none. A point in time is given in seconds since 1970 if
 * `like` is a number. */
const char *stest_fact_of(const char *progress_json, const char *key, const char *like,
                          sl_arena *arena);

#endif /* SL_CLIENT_STEST_FACTS_PRIVATE_H */
