/* state_check.h - can the state of a checkpoint's last commit be made again?
 *
 * What `sluice checkpoint verify` does beyond checking names and hashes: each state
 * partition is restored from its snapshot and deltas as a worker would, and its state id,
 * row count and running sum are compared with what the commits say.
 *
 * Thread: any. */

#ifndef SL_STATESTORE_STATE_CHECK_H
#define SL_STATESTORE_STATE_CHECK_H

#include "base/fs.h"
#include "objects/kv.h"

typedef struct sl_state_check {
    uint32_t partitions;
    uint64_t rows;
} sl_state_check;

/* SL_ECORRUPT or SL_EINCOMPATIBLE name what is wrong; SL_EBUSY: in use. scratch_dir:
 * where one partition at a time is made; removed at the end. pid: who holds the
 * checkpoint meanwhile. */
SL_CHECKED sl_code sl_state_check_run(sl_fs *fs, const sl_kv_factory *kv,
                                      const char *root, const char *scratch_dir,
                                      int64_t pid, sl_state_check *ret, sl_error *err);

#endif /* SL_STATESTORE_STATE_CHECK_H */
