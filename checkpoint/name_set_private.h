/* name_set_private.h - a set of names.
 *
 * Owns: copies of the names.   Thread: owner thread. */

#ifndef SL_CHECKPOINT_NAME_SET_PRIVATE_H
#define SL_CHECKPOINT_NAME_SET_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct sl_name_set {
    char **slots; /* open addressing, at most half full */
    uint32_t count, capacity;
} sl_name_set;

void sl_name_set__deinit(sl_name_set *s);
/* False if it was there. */
bool sl_name_set__add(sl_name_set *s, const char *name);
bool sl_name_set__has(const sl_name_set *s, const char *name);

#endif /* SL_CHECKPOINT_NAME_SET_PRIVATE_H */
