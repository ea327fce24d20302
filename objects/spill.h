/* spill.h - a temporary file for blocks an operator cannot hold in memory.
 *
 * Nothing in it outlives the process: it is never synced, and removed when closed; the
 * worker empties its spill directory at start.  Each block is checked when read back.
 *
 * Owns:   the file.   Thread: owner thread.
 * Errors: SL_ENOSPACE, SL_EIO; SL_ECORRUPT if a block reads back differently. */

#ifndef SL_OBJECTS_SPILL_H
#define SL_OBJECTS_SPILL_H

#include "base/fs.h"

typedef struct sl_spill sl_spill;

typedef struct sl_spill_block {
    uint64_t offset;
    uint64_t length_bytes;
    uint64_t hash;
} sl_spill_block;

/* A new file <dir>/<name>.spill, created with the first append; it must not exist. */
SL_CHECKED sl_code sl_spill_open(sl_fs *fs, const char *dir, const char *name,
                                 sl_spill **ret, sl_error *err);
SL_CHECKED sl_code sl_spill_append(sl_spill *s, sl_span block, sl_spill_block *ret,
                                   sl_error *err);
/* Replaces the contents of ret. */
SL_CHECKED sl_code sl_spill_read(sl_spill *s, const sl_spill_block *block, sl_bytes *ret,
                                 sl_error *err);
uint64_t sl_spill_bytes(const sl_spill *s);
void sl_spill_close(sl_spill *s); /* removes the file; NULL is fine */

#endif /* SL_OBJECTS_SPILL_H */
