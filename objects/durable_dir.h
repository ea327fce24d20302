/* durable_dir.h - a directory whose name is sure to survive a power cut.
 *
 * sl_fs_make_dirs() syncs the parents it created in.  If the process dies between the
 * two, the next one finds the directory there and its name still not durable; what it
 * then syncs inside would go with the name.  So whoever stores something durable in a
 * directory calls this once per life, and the parents are synced whoever made it.
 *
 * Thread: any.   Errors: SL_EIO, SL_ENOSPACE. */

#ifndef SL_OBJECTS_DURABLE_DIR_H
#define SL_OBJECTS_DURABLE_DIR_H

#include <stdint.h>

#include "base/fs.h"

/* Make path with its parents, and sync `levels` parents above it. */
SL_CHECKED sl_code sl_durable_dir_make(sl_fs *fs, const char *path, uint32_t levels,
                                       sl_error *err);

#endif /* SL_OBJECTS_DURABLE_DIR_H */
