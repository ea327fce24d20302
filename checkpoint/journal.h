/* journal.h - the journal of a query: the order of its batches, and the one commit point.
 *
 *   offsets/N   what batch N means           commits/N   that it happened
 *   epochs/E    a driver's claim             seen/<source>/<path>   a planned input file
 *
 * Every value is framed (magic, version, length, checksum over key and value and query
 * id), each commit names the hash of its parent and of its offsets.  The records live in
 * a sl_kv with its log on; beside it journal-head remembers the last synced commit.
 *
 * Recovery in two steps (design.md section 5).  The store is opened with absolute
 * consistency.  If that finds damage, an ordinary power cut (a torn, unacknowledged tail)
 * is told from loss by opening read-only with the tail tolerated and asking the
 * witnesses: journal-head, sink manifests, segments, and those of the caller.  If
 * anything names a batch past the last commit found, or offsets M stand without commit
 * M-1, the journal is refused with SL_ECORRUPT naming file and batch; a damaged log is
 * left as it was found.  The witnesses are asked as well when the store opened clean: a
 * log cut at a record's end looks clean.
 *
 * Owns:       the store.     Borrows: fs, factory.
 * Thread:     one at a time (a driver's journal lane); all calls may block.
 * Durability: sync: durable on return, with every write before it.  After a failed write
 *             the outcome is unknown and every later write fails with SL_EIO: close, open
 *             again, and look (rel:3.2 rule U).
 * Errors:     SL_ECORRUPT, SL_EINCOMPATIBLE, SL_EEXISTS (that record stands; nothing is
 *             overwritten), SL_EINTERNAL (out of order), SL_EFENCED (a newer epoch is in
 *             the journal), SL_ENOTFOUND, SL_EBUSY, SL_EIO, SL_ENOSPACE.
 * Failpoints: journal.offsets, journal.offsets.after, journal.commit.before,
 *             journal.commit.after, journal.head, journal.epoch, journal.retain.
 * Invariants: J1  commits are 0..N without a gap, but for the oldest, removed by
 * retention; each holds its parent's hash. J2  offsets reach at most one batch past the
 * last commit. J3  a synced record is there after any crash, or open refuses. J4  no
 * record is ever changed; put of the same batch again is SL_EEXISTS. Source:     ours;
 * docs/formats/journal.md. */

#ifndef SL_CHECKPOINT_JOURNAL_H
#define SL_CHECKPOINT_JOURNAL_H

#include "base/arena.h"
#include "base/fs.h"
#include "checkpoint/records.h"
#include "objects/failpoint.h"
#include "objects/kv.h"

typedef struct sl_journal sl_journal;

/* Something outside the journal that knows of a batch. */
typedef struct sl_journal_witness {
    const char *what; /* for the message: "/out/staged-7-1.json" or "worker w2" */
    int64_t batch;
    bool is_committed; /* batch itself must be committed; else batch - 1 must */
} sl_journal_witness;

typedef struct sl_journal_options {
    const char *root; /* the checkpoint location; copied */
    sl_fs *fs;
    const sl_kv_factory *kv;
    const char *query_id; /* from query.json; records of another query are SL_ECORRUPT */
    bool read_only;       /* for inspect and verify */
    const sl_journal_witness *witnesses;
    uint32_t witness_count;
    sl_failpoints failpoints;
} sl_journal_options;

typedef struct sl_journal_recovery {
    int64_t last_commit;     /* -1: none */
    int64_t first_commit;    /* the oldest kept; -1: none */
    int64_t pending_offsets; /* last_commit + 1 if its offsets stand; -1: none */
    uint64_t epoch_max;      /* 0: none */
    bool is_tail_dropped;    /* an unacknowledged tail fell off */
    bool is_new;             /* the journal was created by this call */
} sl_journal_recovery;

void sl_journal_register_metrics(void); /* once per process (base/metrics.h) */
SL_CHECKED sl_code sl_journal_open(const sl_journal_options *options, sl_journal **ret,
                                   sl_journal_recovery *ret_recovery, sl_error *err);
void sl_journal_close(sl_journal *j); /* NULL is fine */

/* Take the next epoch, durably, before any name with it exists. claimant is for people:
 * "pid 1234 on host h". */
SL_CHECKED sl_code sl_journal_claim_epoch(sl_journal *j, const char *claimant,
                                          int64_t wall_us, uint64_t *ret_epoch,
                                          sl_error *err);

/* A planned input file; entered in the same atomic write as the offsets that plan it. */
typedef struct sl_journal_seen {
    const char *source; /* id without '/' */
    const char *path;
    int64_t batch;    /* that planned it */
    int64_t mtime_us; /* of the file: the maxFileAge horizon goes by it */
    int64_t size_bytes;
    sl_span value; /* the connector's own */
} sl_journal_seen;

/* record->batch must be last_commit + 1. */
SL_CHECKED sl_code sl_journal_put_offsets(sl_journal *j, const sl_offsets_record *record,
                                          const sl_journal_seen *seen, size_t seen_count,
                                          bool sync, sl_error *err);
/* The commit point when sync is true. Its offsets must stand, and its epoch be the
 * claimed one if this journal claimed. */
SL_CHECKED sl_code sl_journal_put_commit(sl_journal *j, const sl_commit_record *record,
                                         bool sync, sl_error *err);
/* Offsets, seen entries and commit of one batch in one atomic write. */
SL_CHECKED sl_code sl_journal_put_batch(sl_journal *j, const sl_offsets_record *offsets,
                                        const sl_journal_seen *seen, size_t seen_count,
                                        const sl_commit_record *commit, bool sync,
                                        sl_error *err);

/* SL_ENOTFOUND if not there (or retired). The record lives in arena. */
SL_CHECKED sl_code sl_journal_get_offsets(sl_journal *j, int64_t batch, sl_arena *arena,
                                          sl_offsets_record *ret, sl_error *err);
SL_CHECKED sl_code sl_journal_get_commit(sl_journal *j, int64_t batch, sl_arena *arena,
                                         sl_commit_record *ret, sl_error *err);

int64_t sl_journal_last_commit(const sl_journal *j);
int64_t sl_journal_first_commit(const sl_journal *j);
int64_t sl_journal_pending_offsets(const sl_journal *j);
uint64_t sl_journal_epoch_max(const sl_journal *j);
/* Hash of the last commit's record; zero if none. */
sl_hash128 sl_journal_head_hash(const sl_journal *j);

/* Each seen file of a source in order of path; entries are borrowed for the call; return
 * false to end early. */
typedef bool (*sl_seen_fn)(void *user, const sl_journal_seen *entry);
SL_CHECKED sl_code sl_journal_each_seen(sl_journal *j, const char *source, sl_seen_fn fn,
                                        void *user, sl_error *err);
/* Forget seen files older than the horizon (mtime_us < before_us). The only way a seen
 * entry ever goes. */
SL_CHECKED sl_code sl_journal_forget_seen(sl_journal *j, const char *source,
                                          int64_t before_us, uint64_t *ret_removed,
                                          sl_error *err);

/* Remove commits and offsets beyond the retention: kept are the last commits_min, those
 * younger than age_min_us, and those whose deltas or full deltas the last commit's older
 * snapshots still need. Needs a claimed epoch that is the newest. */
typedef struct sl_retention {
    uint32_t commits_min; /* 0 = 100 */
    int64_t age_min_us;   /* 0 = 10 minutes */
} sl_retention;
SL_CHECKED sl_code sl_journal_retain(sl_journal *j, sl_retention retention,
                                     int64_t wall_us, uint64_t *ret_removed,
                                     sl_error *err);

/* Every record, for inspect and verify: framing is checked, a bad one is reported with
 * code and goes on. kind: "offsets", "commits", "epochs", "seen"; bytes is the payload.
 */
typedef void (*sl_journal_record_fn)(void *user, const char *key, const char *kind,
                                     sl_span payload, sl_code code, const char *message);
SL_CHECKED sl_code sl_journal_each_record(sl_journal *j, sl_journal_record_fn fn,
                                          void *user, sl_error *err);

/* An epoch claim, as epochs/E holds it. */
typedef struct sl_epoch_record {
    uint64_t epoch;
    int64_t wall_us;
    const char *claimant;
} sl_epoch_record;
SL_CHECKED sl_code sl_epoch_decode(sl_span bytes, sl_arena *arena, sl_epoch_record *ret,
                                   sl_error *err);

#endif /* SL_CHECKPOINT_JOURNAL_H */
