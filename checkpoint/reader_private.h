/* reader_private.h - a checkpoint opened to read, while nobody uses it: locked for the
 * time, query file read, journal open read-only. */

#ifndef SL_CHECKPOINT_READER_PRIVATE_H
#define SL_CHECKPOINT_READER_PRIVATE_H

#include "checkpoint/journal.h"
#include "checkpoint/query_file.h"

typedef struct sl_checkpoint__reader {
    sl_arena *arena;
    sl_file *lock;
    sl_query_file query;
    sl_journal *journal;
    sl_journal_recovery recovery;
} sl_checkpoint__reader;

/* The location must exist: reading makes nothing but the lock file. */
SL_CHECKED sl_code sl_checkpoint__reader_lock(sl_fs *fs, const char *root, sl_file **ret,
                                              sl_error *err);
SL_CHECKED sl_code sl_checkpoint__reader_open(sl_fs *fs, const sl_kv_factory *kv,
                                              const char *root,
                                              sl_checkpoint__reader *ret, sl_error *err);
void sl_checkpoint__reader_close(sl_checkpoint__reader *c);

#endif /* SL_CHECKPOINT_READER_PRIVATE_H */
