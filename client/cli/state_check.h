/* state_check.h - can the state of a checkpoint's last commit be made again?
 *
 * What `sluice checkpoint verify` does beyond checking names and hashes: each state
 * partition is restored from its snapshot and deltas as a worker would, and its state id,
 * row count and running sum are compared with what the commits say.
 *
 * Thread: main. */

#ifndef SL_CLIENT_CLI_STATE_CHECK_H
#define SL_CLIENT_CLI_STATE_CHECK_H

#include "base/error.h"

typedef struct sl_state_check {
    uint32_t partitions;
    uint64_t rows;
} sl_state_check;

/* SL_ECORRUPT or SL_EINCOMPATIBLE name what is wrong; SL_EBUSY: in use. Needs disk room
 * for one partition at a time under TMPDIR. */
SL_CHECKED sl_code sl_cli_check_state(const char *root, sl_state_check *ret,
                                      sl_error *err);

#endif /* SL_CLIENT_CLI_STATE_CHECK_H */
