/* lock.h - the LOCK of a checkpoint: one running query per location, for liveness.
 *
 * The file is never unlinked; the lock goes with the process.  Safety of state does not
 * rest on it (commits form one chain), but the clear refusal does, and that a driver
 * which lost it without knowing changes nothing that shows.  Thread: any. */

#ifndef SL_CHECKPOINT_LOCK_H
#define SL_CHECKPOINT_LOCK_H

#include <stdint.h>

#include "base/fs.h"

/* Makes root. SL_EBUSY names the process that holds it: "checkpoint /c is in use by
 * process 1234 (driver on host h)". note says who we are: "driver on host h".
 * *ret: sl_file_close() frees the lock. */
SL_CHECKED sl_code sl_checkpoint_lock(sl_fs *fs, const char *root, int64_t pid,
                                      const char *note, sl_file **ret, sl_error *err);
/* SL_EFENCED, naming who took it, if the lock was lost without our knowing (a file system
 * whose locks expire while we were stopped; a LOCK that was replaced) and another process
 * holds it. pid and note as they were given to sl_checkpoint_lock(); the note must tell
 * two holders of one process apart. */
SL_CHECKED sl_code sl_checkpoint_lock_check(sl_fs *fs, const char *root, int64_t pid,
                                            const char *note, sl_error *err);

#endif /* SL_CHECKPOINT_LOCK_H */
