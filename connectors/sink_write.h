/* sink_write.h - the worker's half of a sink: rows of one task of one attempt, staged so
 * that nothing shows before the batch is committed.  One of the five doors of
 * engine/exec. Durability: when finish returns, a staged file is synced (file and its
 * name); small output
 *   (<= SL_INLINE_DELTA_BYTES) is returned inline instead and no file is made.
 * Thread: one thread at a time per writer; calls may block. */

#ifndef SL_CONNECTORS_SINK_WRITE_H
#define SL_CONNECTORS_SINK_WRITE_H

#include "base/fs.h"
#include "base/hash.h"
#include "base/option_list.h"
#include "engine/columnar/chunk.h"
#include "engine/columnar/value_text.h"

typedef struct sl_write_request {
    sl_fs *fs;
    const char *connector;
    sl_option_list options;
    const sl_schema *schema;
    uint64_t query_hash;
    int64_t batch;
    uint64_t epoch;
    uint32_t attempt, stage, task; /* task: slice or partition number */
    bool allow_inline;
    const sl_time_zone *zone;
    sl_budget *budget;
    void (*failpoint)(
        void *user,
        const char *name); /* "sink.stage.write", "sink.stage.sync"; may be NULL */
    void *user;
} sl_write_request;

/* What a commit record keeps of one staged file. */
typedef struct sl_staged_file {
    char staged[256]; /* path relative to the sink's path; "" if inline */
    char target[256]; /* final name relative to the sink's path: the same for every
                         attempt of a batch */
    int64_t size_bytes, rows;
    sl_hash128 hash;
    sl_bytes content; /* inline output */
} sl_staged_file;

typedef struct sl_sink_writer sl_sink_writer;

typedef struct sl_sink_writer_class {
    const char *name;
    sl_code (*open)(const sl_write_request *request, sl_sink_writer **ret, sl_error *err);
    sl_code (*write)(sl_sink_writer *w, const sl_chunk *chunk,
                     sl_error *err); /* selected rows */
    /* At most one file a task; *ret_has_file false if there were no rows. */
    sl_code (*finish)(sl_sink_writer *w, bool *ret_has_file, sl_staged_file *ret,
                      sl_error *err);
    void (*close)(sl_sink_writer *w); /* also without finish: removes what it staged */
} sl_sink_writer_class;

struct sl_sink_writer {
    const sl_sink_writer_class *class;
};

SL_CHECKED sl_code sl_sink_writer_open(const sl_write_request *request,
                                       sl_sink_writer **ret, sl_error *err);
SL_CHECKED sl_code sl_sink_writer_write(sl_sink_writer *w, const sl_chunk *chunk,
                                        sl_error *err);
SL_CHECKED sl_code sl_sink_writer_finish(sl_sink_writer *w, bool *ret_has_file,
                                         sl_staged_file *ret, sl_error *err);
void sl_sink_writer_close(sl_sink_writer *w); /* NULL is fine */

#endif /* SL_CONNECTORS_SINK_WRITE_H */
