/* fs_private.h - what the two file systems and the shared helpers agree on. */

#ifndef SL_BASE_FS_PRIVATE_H
#define SL_BASE_FS_PRIVATE_H

#include "base/fs.h"

/* First member of every implementation's file. */
struct sl_file {
    const sl_fs_class *class;
};

#endif /* SL_BASE_FS_PRIVATE_H */
