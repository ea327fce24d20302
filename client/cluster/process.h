/* process.h - processes that outlive the command that started them, and how a later
 * command reaches exactly those: by pid AND start time of the same boot, so that a pid
 * that was given to another program is never signalled.
 *
 * Between the check and the signal the pid cannot change hands: both go through a pidfd.
 *
 * Thread: any. */

#ifndef SL_CLIENT_CLUSTER_PROCESS_H
#define SL_CLIENT_CLUSTER_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SL_BOOT_ID_BYTES 40

typedef struct sl_process_id {
    pid_t pid;                       /* 0: none */
    uint64_t start_ticks;            /* since boot, field 22 of /proc/PID/stat */
    char boot[SL_BOOT_ID_BYTES + 1]; /* /proc/sys/kernel/random/boot_id */
} sl_process_id;

/* Of a process that runs now, such as a child just started; pid 0 if it is gone. */
sl_process_id sl_process_identify(pid_t pid);
/* It runs still: not ended, not a zombie, and no other process has its pid. */
bool sl_process_is_alive(const sl_process_id *id);
/* False: it is not alive, and nothing was signalled. */
bool sl_process_signal(const sl_process_id *id, int number);
/* Wait until it has ended, at most timeout_ms; false: it is alive still. */
bool sl_process_wait(const sl_process_id *id, int timeout_ms);

#endif /* SL_CLIENT_CLUSTER_PROCESS_H */
