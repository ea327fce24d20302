/* sink_commit.h - the driver's half of a sink: what it accepts, publishing committed
 * files (class A), and writing rows (class D). Classes (design.md section 1): A files, B
 * Kafka, C databases, D console, memory, foreach; NONE noop. Thread: calls block and are
 * made from one job at a time. */

#ifndef SL_CONNECTORS_SINK_COMMIT_H
#define SL_CONNECTORS_SINK_COMMIT_H

#include "connectors/sink_write.h"

typedef enum sl_sink_guarantee {
    SL_SINK_NONE,
    SL_SINK_A,
    SL_SINK_B,
    SL_SINK_C,
    SL_SINK_D
} sl_sink_guarantee;

typedef struct sl_sink_caps {
    sl_sink_guarantee guarantee;
    bool append, update, complete;
    bool to_driver;   /* class D: rows come to write() */
    bool keeps_state; /* memory: needs the query's name; recovery rules of spark:F20 */
    bool needs_checkpoint; /* file sinks: a checkpoint location must be given */
    int64_t rows_max;      /* console: numRows + 1; -1 all */
} sl_sink_caps;

typedef struct sl_sink_env {
    sl_fs *fs;
    const sl_time_zone *zone;
    const char *query_name; /* NULL if none */
    uint64_t query_hash;    /* in the names of its files, as in sl_write_request */
    const sl_schema *schema;
    /* Console text goes here, in order; may block; SL_ECANCELLED when the reader is gone.
     */
    sl_code (*print)(void *user, const char *text, size_t length, sl_error *err);
    void *user;
    struct sl_memory_tables *memory;
    int32_t mode; /* sl_output_mode of the query: 0 append 1 update 2 complete */
} sl_sink_env;

typedef struct sl_sink sl_sink;

typedef struct sl_sink_class {
    const char *name;
    /* Fills names (room for SL_OPTION_NAMES_MAX) with every option there is. */
    uint32_t (*option_names)(const char **ret_names);
    sl_code (*describe)(const sl_option_list *options, sl_sink_caps *ret,
                        sl_error *err); /* checks options */
    sl_code (*open)(const sl_sink_env *env, const sl_option_list *options, sl_sink **ret,
                    sl_error *err);
    /* D: all rows of a batch, in order; called again with the same id after a crash. NULL
     * otherwise. */
    sl_code (*write)(sl_sink *s, int64_t batch, sl_chunk *const *chunks,
                     uint32_t chunk_count, sl_error *err);
    /* A: make the committed files visible: write inline content, rename staged ones
     * without replacing, sync directories. Idempotent: a target that stands with a staged
     * file gone is published; a foreign target is SL_EEXISTS naming it. `replay`: this
     * may have happened before. */
    sl_code (*publish)(sl_sink *s, int64_t batch, const sl_staged_file *files,
                       uint32_t file_count, bool replay,
                       void (*failpoint)(void *user, const char *name), void *user,
                       sl_error *err);
    /* A: remove staged files of this query that no commit names (attempts that lost);
     * those of others are left alone. keep() answers for a staged name. Called when no
     * attempt runs. */
    sl_code (*clean_up)(sl_sink *s, bool (*keep)(void *user, const char *staged),
                        void *user, sl_error *err);
    void (*description)(const sl_sink *s, sl_bytes *out); /* spark 5.1 sink.description */
    void (*close)(sl_sink *s);
} sl_sink_class;

struct sl_sink {
    const sl_sink_class *class;
};

SL_CHECKED sl_code sl_sink_class_find(const char *connector, const sl_sink_class **ret,
                                      sl_error *err);

#endif /* SL_CONNECTORS_SINK_COMMIT_H */
