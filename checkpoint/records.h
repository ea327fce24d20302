/* records.h - what the journal says about a batch: its plan (offsets) and its commit.
 *
 * offsets/N fixes what batch N means before it runs: exactly these rows, cut this way,
 * under these watermarks and settings, whoever runs it.  commits/N is the one commit
 * point.  Both are plain structs with versioned binary codecs; the journal frames them.
 *
 * Shape:   decoded records live in the arena given; spans and texts borrow from it.
 *          Encoding the same record gives the same bytes: their hash is the record's
 * name. Units:   *_us microseconds; wall since 1970-01-01 UTC.  Batches count from 0.
 * Errors:  SL_ECORRUPT (does not decode), SL_EINCOMPATIBLE (newer format), SL_ELIMIT
 * (would pass SL_RECORD_BYTES_MAX). Thread:  any.   Source: ours,
 * docs/formats/journal.md. */

#ifndef SL_CHECKPOINT_RECORDS_H
#define SL_CHECKPOINT_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "objects/segment.h"

#define SL_RECORD_BYTES_MAX (256u << 20)
#define SL_OFFSETS_FORMAT 1
#define SL_COMMIT_FORMAT 1

/* A watermark nobody has advanced yet is 0, as in Spark. */

typedef struct sl_setting {
    const char *name;
    const char *value;
} sl_setting;

/* Key groups [first, end). */
typedef struct sl_group_range {
    uint32_t first, end;
} sl_group_range;

typedef struct sl_source_offsets {
    const char *source;                /* stable id of the source in the plan: "0" */
    sl_span start, end;                /* the connector's own encoding, opaque */
    const char *start_json, *end_json; /* the same for people; NULL = none */
    const sl_span *slices;             /* opaque, in order; their index is their number */
    uint32_t slice_count;
} sl_source_offsets;

typedef struct sl_offsets_record {
    int64_t batch;
    uint64_t epoch; /* of the driver that planned it */
    int64_t batch_time_us;
    int64_t watermark_us;          /* in force: evicts */
    int64_t previous_watermark_us; /* of the batch before: drops late rows */
    uint64_t seed;
    bool is_no_data;                  /* runs for the watermark only */
    const sl_group_range *partitions; /* of the state, index = partition */
    uint32_t partition_count;
    const sl_setting *settings; /* those that affect results */
    uint32_t setting_count;
    const sl_source_offsets *sources;
    uint32_t source_count;
    sl_hash128 parent_hash; /* of commits/N-1; set by the journal; zero for batch 0 */
} sl_offsets_record;

typedef enum sl_delta_kind {
    SL_DELTA_NONE,    /* the batch changed nothing here */
    SL_DELTA_INLINE,  /* the bytes are in the commit */
    SL_DELTA_SEGMENT, /* in a segment file */
} sl_delta_kind;

typedef struct sl_delta_place {
    sl_delta_kind kind;
    sl_span bytes;          /* INLINE */
    sl_segment_ref segment; /* SEGMENT */
} sl_delta_place;

typedef enum sl_snapshot_kind {
    SL_SNAPSHOT_NONE,
    SL_SNAPSHOT_MANIFEST, /* a file state/<p>/<name> listing content-named tables */
    SL_SNAPSHOT_FULL,     /* the whole state as one delta, placed in commit `batch` */
} sl_snapshot_kind;

/* The state after `batch`. Restore starts from it and applies the deltas of the batches
 * after it. */
typedef struct sl_snapshot_place {
    sl_snapshot_kind kind;
    int64_t batch;
    uint64_t state_id;
    const char *manifest; /* MANIFEST: file name */
    sl_hash128 hash;      /* MANIFEST: of the file's bytes */
    uint64_t size_bytes;  /* MANIFEST: of the file */
} sl_snapshot_place;

typedef struct sl_state_record {
    uint32_t operator_id; /* 0 where one delta holds all operators of the partition */
    uint32_t partition;
    uint64_t state_id;
    uint64_t row_count;
    sl_delta_place delta;
    sl_delta_place full;              /* a full delta made with this commit, or NONE */
    sl_snapshot_place snapshot;       /* the newest verified one */
    sl_snapshot_place older_snapshot; /* the one before it */
} sl_state_record;

typedef struct sl_sink_file {
    const char *staged_name; /* where the task put it; NULL if inline */
    const char *target_name; /* where it is published */
    uint64_t size_bytes;
    uint64_t row_count;
    sl_hash128 hash;
    sl_span content; /* inline, if is_inline */
    bool is_inline;
} sl_sink_file;

typedef struct sl_sink_record {
    const char *sink; /* stable id in the plan */
    const sl_sink_file *files;
    uint32_t file_count;
    sl_span extra; /* the connector's own: markers of class B and C */
} sl_sink_record;

typedef struct sl_watermark_record {
    const char *node; /* id of the watermark node in the plan */
    int64_t max_us;   /* newest event time ever seen there */
    bool has_max;     /* false: it has seen no row */
} sl_watermark_record;

typedef struct sl_count_record {
    const char *name; /* "source.0.rows" */
    int64_t value;
} sl_count_record;

typedef struct sl_commit_record {
    int64_t batch;
    uint64_t epoch;
    uint32_t attempt;
    int64_t commit_wall_us;
    sl_hash128 offsets_hash; /* of offsets/N; set by the journal */
    sl_hash128 parent_hash;  /* of commits/N-1; set by the journal; zero for batch 0 */
    int64_t next_watermark_us;
    uint64_t rows_in, rows_out, rows_late;
    const sl_watermark_record *watermarks;
    uint32_t watermark_count;
    const sl_state_record *states; /* of every partition, changed or not */
    uint32_t state_count;
    const sl_sink_record *sinks;
    uint32_t sink_count;
    const sl_count_record *counts;
    uint32_t count_count;
    const char *progress_json; /* the batch's progress report, NULL = none */
} sl_commit_record;

/* Append to out. */
SL_CHECKED sl_code sl_offsets_encode(const sl_offsets_record *r, sl_bytes *out,
                                     sl_error *err);
SL_CHECKED sl_code sl_commit_encode(const sl_commit_record *r, sl_bytes *out,
                                    sl_error *err);
SL_CHECKED sl_code sl_offsets_decode(sl_span bytes, sl_arena *arena,
                                     sl_offsets_record *ret, sl_error *err);
SL_CHECKED sl_code sl_commit_decode(sl_span bytes, sl_arena *arena, sl_commit_record *ret,
                                    sl_error *err);

#endif /* SL_CHECKPOINT_RECORDS_H */
