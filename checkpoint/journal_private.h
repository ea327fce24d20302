/* journal_private.h - what the files of the journal share.
 *
 *   journal.c          open, close, puts and gets
 *   journal_recover.c  the two steps of opening, and what the witnesses say
 *   journal_head.c     the file journal-head
 *   journal_retain.c   retention, seen files, walking every record */

#ifndef SL_CHECKPOINT_JOURNAL_PRIVATE_H
#define SL_CHECKPOINT_JOURNAL_PRIVATE_H

#include "checkpoint/journal.h"

#define SL_JOURNAL__KEY_MAX 48 /* of offsets, commits and epochs */
#define SL_JOURNAL__VERSION 1  /* of the frames */

/* What journal-head says: the last synced commit it saw. */
typedef struct sl_journal__head {
    uint64_t sequence;
    int64_t batch; /* -1: none yet */
    uint64_t epoch;
    sl_hash128 hash; /* of the commit record */
} sl_journal__head;

struct sl_journal {
    sl_fs *fs;
    const sl_kv_factory *kv_factory;
    char *root, *query_id, *path; /* path: of the store */
    sl_failpoints failpoints;
    bool is_read_only, is_broken;
    sl_kv *kv;
    int64_t last_commit, first_commit, pending_offsets;
    sl_hash128 last_hash;    /* of commits/last_commit */
    sl_hash128 pending_hash; /* of offsets/pending_offsets */
    uint64_t epoch_max, claimed_epoch;
    sl_file *head_file;
    uint64_t head_sequence;
};

/* "commits/00000000000000000007" */
void sl_journal__key(const char *kind, uint64_t number, char ret[SL_JOURNAL__KEY_MAX]);
/* The payload of a record, or *ret_found false. */
SL_CHECKED sl_code sl_journal__get(const sl_journal *j, const char *key, uint16_t kind,
                                   sl_bytes *value, sl_span *ret_payload, bool *ret_found,
                                   sl_error *err);
/* Hash and record of a batch's commit. */
SL_CHECKED sl_code sl_journal__read_commit(const sl_journal *j, int64_t batch,
                                           sl_arena *arena, sl_commit_record *ret,
                                           sl_hash128 *ret_hash, bool *ret_found,
                                           sl_error *err);
SL_CHECKED sl_code sl_journal__read_offsets(const sl_journal *j, int64_t batch,
                                            sl_arena *arena, sl_offsets_record *ret,
                                            sl_hash128 *ret_hash, bool *ret_found,
                                            sl_error *err);

/* Steps one and two: fills j->kv and all that recovery finds. */
SL_CHECKED sl_code sl_journal__recover(sl_journal *j, const sl_journal_options *options,
                                       sl_journal_recovery *ret, sl_error *err);

/* The newest valid slot. *ret_found false: no file, or no valid slot; *ret_exists: there
 * is a file. */
SL_CHECKED sl_code sl_journal__head_read(const sl_journal *j, sl_journal__head *ret,
                                         bool *ret_found, bool *ret_exists,
                                         sl_error *err);
/* After a synced write. Unsynced, and a failure is no error: an older head only proves
 * less. */
void sl_journal__head_write(sl_journal *j);

#endif /* SL_CHECKPOINT_JOURNAL_PRIVATE_H */
