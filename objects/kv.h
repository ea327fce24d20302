/* kv.h - an ordered key-value store in a directory: RocksDB, or a model of it over sl_fs.
 *
 * Two roles.  JOURNAL: few small records, write-ahead log on, a synced write is durable
 * when the call returns and makes all earlier writes durable.  STATE: many rows, no log;
 * what was written is durable after sl_kv_flush() only, and after a crash the store holds
 * a prefix of the writes not shorter than the last flush.
 *
 * The memory back end (kv_memory.c) keeps an ordered map and, in the journal role, a log
 * of ordered, checksummed records: after a crash any prefix not shorter than the last
 * sync survives, and damage is answered as RocksDB's recovery modes answer it.  So a
 * simulation of a cluster meets what the real thing does.
 *
 * Why ABSOLUTE first: with RocksDB's default mode one flipped bit silently drops the rest
 * of the log (rel:L6).  An ordinary power cut leaves a torn last record, which ABSOLUTE
 * refuses as well; checkpoint/journal.h decides between the two.
 *
 * Thread: one at a time per store; reads (get, iterate) from several threads are fine
 *         while no write runs.  Batches, spans given out and iterators: one thread.
 * Errors: SL_ECORRUPT (bytes damaged, the file named where known), SL_ENOTFOUND (no store
 *         there, and create not set), SL_EBUSY (open elsewhere), SL_ENOSPACE, SL_EIO.
 *         After a failed write or flush the outcome is unknown: every later write fails
 *         with SL_EIO until the store is closed and opened again (rel:L10). */

#ifndef SL_OBJECTS_KV_H
#define SL_OBJECTS_KV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/fs.h"

typedef struct sl_kv sl_kv;
typedef struct sl_kv_factory sl_kv_factory;

typedef enum sl_kv_role { SL_KV_JOURNAL, SL_KV_STATE } sl_kv_role;

typedef enum sl_kv_recovery {
    SL_KV_ABSOLUTE,      /* any damage of the log is SL_ECORRUPT, a torn tail too */
    SL_KV_TOLERATE_TAIL, /* a torn last record is dropped */
} sl_kv_recovery;

typedef struct sl_kv_options {
    sl_kv_role role;
    sl_kv_recovery recovery;
    bool create;                 /* make it if it is not there */
    bool read_only;              /* change nothing on disk, not even to recover */
    uint64_t write_buffer_bytes; /* 0 = 4 MiB (journal) or 16 MiB (state) */
    uint64_t cache_bytes;        /* block cache; 0 = 1 MiB (journal) or 8 MiB (state) */
    uint32_t open_files_max;     /* 0 = 64 */
} sl_kv_options;

typedef struct sl_kv_op {
    sl_span key;
    sl_span value;  /* ignored if remove */
    bool is_remove; /* removing an absent key is fine */
} sl_kv_op;

/* Called per row in key order; spans are borrowed for the call. Return false to end the
 * walk early (not an error). */
typedef bool (*sl_kv_row_fn)(void *user, sl_span key, sl_span value);

typedef struct sl_kv_class {
    sl_code (*get)(sl_kv *kv, sl_span key, sl_bytes *ret, bool *ret_found, sl_error *err);
    sl_code (*write)(sl_kv *kv, const sl_kv_op *ops, size_t count, bool sync,
                     sl_error *err);
    sl_code (*range)(sl_kv *kv, sl_span from, sl_span end, bool is_reverse,
                     sl_kv_row_fn fn, void *user, sl_error *err);
    sl_code (*flush)(sl_kv *kv, sl_error *err);
    sl_code (*checkpoint)(sl_kv *kv, const char *dir, sl_error *err);
    sl_code (*compact)(sl_kv *kv, sl_error *err);
    void (*close)(sl_kv *kv);
} sl_kv_class;

struct sl_kv {
    const sl_kv_class *class;
};

/* What opens stores: handed down to driver and worker, so that they run on either back
 * end. Borrowed by every store it opened. */
struct sl_kv_factory {
    const char *name; /* "rocksdb", "memory" */
    sl_code (*open)(const sl_kv_factory *f, const char *path,
                    const sl_kv_options *options, sl_kv **ret, sl_error *err);
    /* Whether a store was ever made there (its current table or manifest is present). */
    sl_code (*exists)(const sl_kv_factory *f, const char *path, bool *ret, sl_error *err);
    /* Remove all files of a store that is not open; absent is fine. */
    sl_code (*destroy)(const sl_kv_factory *f, const char *path, sl_error *err);
    sl_fs *fs;
};

sl_kv_factory sl_kv_rocksdb(void);
sl_kv_factory sl_kv_memory(sl_fs *fs);

SL_CHECKED sl_code sl_kv_open(const sl_kv_factory *f, const char *path,
                              const sl_kv_options *options, sl_kv **ret, sl_error *err);
SL_CHECKED sl_code sl_kv_exists(const sl_kv_factory *f, const char *path, bool *ret,
                                sl_error *err);
SL_CHECKED sl_code sl_kv_destroy(const sl_kv_factory *f, const char *path, sl_error *err);
/* NULL is fine. STATE: what was not flushed may be kept or lost. */
void sl_kv_close(sl_kv *kv);

/* Replaces the contents of ret. *ret_found false: ret is empty. */
SL_CHECKED sl_code sl_kv_get(sl_kv *kv, sl_span key, sl_bytes *ret, bool *ret_found,
                             sl_error *err);
/* All ops or none, in order. sync (JOURNAL only): durable when it returns. */
SL_CHECKED sl_code sl_kv_write(sl_kv *kv, const sl_kv_op *ops, size_t count, bool sync,
                               sl_error *err);
/* Rows with from <= key < end in key order, or in reverse; an empty end means no bound.
 * A read error after some rows is returned: the rows before it are not the whole
 * (rel:L7). */
SL_CHECKED sl_code sl_kv_range(sl_kv *kv, sl_span from, sl_span end, bool is_reverse,
                               sl_kv_row_fn fn, void *user, sl_error *err);
SL_CHECKED sl_code sl_kv_prefix(sl_kv *kv, sl_span prefix, sl_kv_row_fn fn, void *user,
                                sl_error *err);
/* What was written so far is durable and out of the write buffer. */
SL_CHECKED sl_code sl_kv_flush(sl_kv *kv, sl_error *err);
/* Hard links of the flushed store in dir, which must not exist. Succeeds over damaged
 * files (rel:L8): scan the copy before older ones are dropped. */
SL_CHECKED sl_code sl_kv_checkpoint(sl_kv *kv, const char *dir, sl_error *err);
/* Merge all tables, dropping removed rows. */
SL_CHECKED sl_code sl_kv_compact(sl_kv *kv, sl_error *err);

#endif /* SL_OBJECTS_KV_H */
