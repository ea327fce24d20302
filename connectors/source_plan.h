/* source_plan.h - the driver's half of a source: what input there is, and how it is cut.
 *
 * A source turns "now" into an end offset, and the range between two offsets into slices:
 * opaque blobs a worker's reader (source_read.h) understands.  Offsets and slices are
 * journalled by the driver: the same offsets always mean the same rows, cut the same way,
 * whoever reads them.
 *
 * Thread: calls block (listing) and are made from one job at a time; not from the loop
 * thread. */

#ifndef SL_CONNECTORS_SOURCE_PLAN_H
#define SL_CONNECTORS_SOURCE_PLAN_H

#include "base/fs.h"
#include "base/option_list.h"
#include "engine/columnar/chunk.h"
#include "engine/columnar/value_text.h"

/* What a source may use of the world. */
typedef struct sl_source_env {
    sl_fs *fs;
    int64_t (*wall_us)(void *user);
    void *user;
    const sl_time_zone *zone;
    int64_t slice_bytes; /* files are cut at about so many bytes */
    struct sl_memory_tables
        *memory; /* connectors/memory/memory_table.h: tables of this process, or NULL */
} sl_source_env;

typedef struct sl_source_caps {
    bool can_batch, can_stream;
    bool replayable;         /* the same offsets give the same rows later */
    bool available_now;      /* else a single batch (spark:T14) */
    const sl_schema *schema; /* given, inferred or fixed; NULL if it could not be known */
    bool schema_given;
} sl_source_caps;

typedef struct sl_source_seen {
    const char *key;              /* a path */
    int64_t mtime_us, size_bytes; /* of the file */
    sl_span value;                /* connector's own */
} sl_source_seen;

typedef struct sl_source_batch {
    bool has_data;
    sl_span end_offset; /* connector's own bytes; also when !has_data (unchanged) */
    const char *start_json, *end_json,
        *latest_json; /* as spark 5.1 prints offsets; "null" */
    uint32_t slice_count;
    sl_span *slices;
    uint32_t seen_count; /* newly planned files, to be journalled with the offsets */
    sl_source_seen *seen;
} sl_source_batch;

typedef struct sl_source sl_source;

typedef struct sl_source_class {
    const char *name; /* "json" */
    bool stream_only; /* there is no batch scan, whatever the options */
    /* Fills names (room for SL_OPTION_NAMES_MAX) with every option there is. */
    uint32_t (*option_names)(const char **ret_names);
    /* Check options, find or infer the schema. user_schema may be NULL. Results in arena.
     */
    sl_code (*describe)(const sl_source_env *env, const sl_option_list *options,
                        const sl_schema *user_schema, bool streaming, sl_arena *arena,
                        sl_source_caps *ret, sl_error *err);
    sl_code (*open)(const sl_source_env *env, const sl_option_list *options,
                    const sl_schema *schema, bool streaming, sl_source **ret,
                    sl_error *err);
    /* Recovery: a journalled seen entry; then the last committed end offset (once, may be
     * absent). */
    sl_code (*restore_seen)(sl_source *s, const char *key, int64_t mtime_us,
                            sl_span value, sl_error *err);
    sl_code (*restore_offset)(sl_source *s, sl_span offset, sl_error *err);
    /* Trigger AVAILABLE NOW: nothing newer than now will be planned. */
    sl_code (*freeze)(sl_source *s, sl_error *err);
    /* The next batch after the last planned or restored offset. no_limit: ONCE ignores
     * rate limits. Results in arena. Planning moves the source on; a batch that is
     * planned but not journalled must be followed by restore_offset of the old one. */
    sl_code (*plan)(sl_source *s, bool no_limit, sl_arena *arena, sl_source_batch *ret,
                    sl_error *err);
    /* Seen entries whose mtime_us is less may be forgotten in the journal too, once the
     * last planned batch is committed; INT64_MIN: none. The journal walks all entries
     * when it moves: a source moves it seldom. NULL without seen entries. */
    int64_t (*seen_horizon)(const sl_source *s);
    /* Before a re-run: are the journalled slices still what they were? SL_ESOURCE naming
     * the file. */
    sl_code (*check)(sl_source *s, const sl_span *slices, uint32_t slice_count,
                     sl_error *err);
    /* The batch of these slices is committed and published: cleanSource. A failure loses
     * nothing and is only told. May be NULL. */
    sl_code (*committed)(sl_source *s, const sl_span *slices, uint32_t slice_count,
                         sl_error *err);
    void (*description)(const sl_source *s,
                        sl_bytes *out); /* "FileStreamSource[file:/abs/path]" */
    void (*close)(sl_source *s);
} sl_source_class;

struct sl_source {
    const sl_source_class *class;
};

/* DATA_SOURCE_NOT_FOUND with the nearest name if there is none. List:
 * connectors/connectors.def. */
SL_CHECKED sl_code sl_source_class_find(const char *connector,
                                        const sl_source_class **ret, sl_error *err);

#endif /* SL_CONNECTORS_SOURCE_PLAN_H */
