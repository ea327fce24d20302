/* segment.h - append segments: many state deltas, one sync.
 *
 * One worker incarnation appends the deltas of a batch to one preallocated file and syncs
 * once; the commit then names each delta by (segment, offset, length, hash).  Bytes that
 * no commit names do not exist; nothing is ever overwritten.
 *
 * After a failed write or sync the file is given up: nothing past its last good sync is
 * referenced again, and the next append starts a new segment (rel:3.2 rule F).  Segments
 * roll when they pass bytes_max.
 *
 * Durability: a reference is valid once sl_segment_sync() returned SL_OK.
 * Thread:     one thread per writer; reading: any.
 * Errors:     SL_ECORRUPT, SL_ENOTFOUND with the file named; SL_ENOSPACE, SL_EIO.
 * Failpoints: segment.create, segment.append, segment.sync, segment.synced.
 * Source:     docs/formats/segment.md. */

#ifndef SL_OBJECTS_SEGMENT_H
#define SL_OBJECTS_SEGMENT_H

#include "base/fs.h"
#include "base/hash.h"
#include "objects/failpoint.h"

#define SL_SEGMENT_NAME_MAX 96
#define SL_SEGMENT_HEADER_BYTES 128
#define SL_SEGMENT_RECORD_BYTES 48
#define SL_SEGMENT_FORMAT 1

typedef struct sl_segment_writer sl_segment_writer;

/* Where bytes are. name is a file name inside the segment directory. */
typedef struct sl_segment_ref {
    char name[SL_SEGMENT_NAME_MAX];
    uint64_t offset; /* of the payload */
    uint64_t length_bytes;
    sl_hash128 hash; /* of the payload */
} sl_segment_ref;

typedef struct sl_segment_options {
    sl_fs *fs;
    const char *dir; /* made with the first append; copied */
    const char
        *writer_id; /* the worker incarnation, unique: [A-Za-z0-9_-]{1,48}; copied */
    const char *query_id;       /* copied; in the header */
    uint64_t preallocate_bytes; /* 0 = 4 MiB */
    uint64_t bytes_max;         /* roll after this; 0 = 64 MiB */
    sl_failpoints failpoints;
} sl_segment_options;

/* Touches no file: the first append creates the segment. */
SL_CHECKED sl_code sl_segment_writer_new(const sl_segment_options *options,
                                         sl_segment_writer **ret, sl_error *err);
void sl_segment_writer_free(sl_segment_writer *w); /* NULL is fine; does not sync */

SL_CHECKED sl_code sl_segment_append(sl_segment_writer *w, int64_t batch, sl_span payload,
                                     sl_segment_ref *ret, sl_error *err);
/* All references given out since the last sync become valid; on failure none of them
 * ever is, and the caller appends anew. Nothing to sync: SL_OK. */
SL_CHECKED sl_code sl_segment_sync(sl_segment_writer *w, sl_error *err);
/* The attempt that appended is given up: forget a failed append. What it appended stays
 * in the file, named by nobody. */
void sl_segment_abandon(sl_segment_writer *w);
/* Name of the segment being written, NULL if none: never delete it. Borrowed. */
const char *sl_segment_writer_current(const sl_segment_writer *w);

/* Read and verify length and hash. Replaces the contents of ret. */
SL_CHECKED sl_code sl_segment_read(sl_fs *fs, const char *dir, const sl_segment_ref *ref,
                                   sl_bytes *ret, sl_error *err);

/* Walk the records of one file up to the first that is not whole (the tail after a
 * crash). fn gets each record's place and batch; payloads are not read. */
typedef void (*sl_segment_record_fn)(void *user, int64_t batch,
                                     const sl_segment_ref *ref);
SL_CHECKED sl_code sl_segment_scan(sl_fs *fs, const char *dir, const char *name,
                                   sl_segment_record_fn fn, void *user, sl_error *err);

#endif /* SL_OBJECTS_SEGMENT_H */
