/* sluice.h - the C API of sluice: run SQL, batch and streaming, from a program.
 *
 *   sl_client *c;
 *   sl_client_error e;
 *   if (sl_client_open(&(sl_client_config){ .master = "local[2]" }, &c, &e) !=
 * SL_CLIENT_OK)
 *       ... e.message ...
 *   struct ArrowArrayStream rows;
 *   sl_client_execute(c, "SELECT 1 AS one", &rows, &e);
 *   ... rows.get_next(&rows, &array) ...
 *   sl_client_close(c);
 *
 * A client is a session (tables, views, settings) on a cluster.  "local[N]" is a cluster
 * of one driver and one worker with N executors inside this process, on threads of its
 * own.  Streaming queries started through a client run until they end, are stopped, or
 * the client is closed.
 *
 * Owns:    what a function returns through `ret_...` is the caller's: free it with the
 *          function named beside it. Texts are UTF-8 with a final NUL.
 * Thread:  any thread may call with any client; one statement runs at a time in a client.
 *          Listeners and print callbacks are called on threads of the client: those may
 *          ask for status, progress and stop, but not execute, await or close.
 * Errors:  a failing function returns a status other than SL_CLIENT_OK, fills *err (which
 *          may be NULL) and leaves its outputs untouched.
 * Fork:    open clients do not survive fork() in the child. */

#ifndef SLUICE_SLUICE_H
#define SLUICE_SLUICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef SL_API
#if defined(__GNUC__)
#define SL_API __attribute__((visibility("default")))
#else
#define SL_API
#endif
#endif

/* ---- the Arrow C data and stream interfaces, as Arrow's specification gives them ----
 */

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};
#endif /* ARROW_C_DATA_INTERFACE */

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};
#endif /* ARROW_C_STREAM_INTERFACE */

/* ---- errors ---- */

/* What went wrong, by what a caller can do about it. The numbers are the exit codes of
 * the command `sluice`. */
typedef enum sl_client_status {
    SL_CLIENT_OK = 0,
    SL_CLIENT_FAILED = 1,     /* the statement or the query failed */
    SL_CLIENT_USAGE = 2,      /* master, setting or argument not known */
    SL_CLIENT_CONNECT = 3,    /* no cluster there */
    SL_CLIENT_CHECKPOINT = 4, /* a checkpoint is damaged, or of another query */
    SL_CLIENT_DATA_LOST = 5,  /* planned input changed or vanished */
    SL_CLIENT_FENCED = 75,    /* a newer driver runs this query */
    SL_CLIENT_CANCELLED = 130 /* stopped on request */
} sl_client_status;

typedef struct sl_client_error {
    sl_client_status status;
    uint32_t line, column; /* in the SQL text, from 1, columns in bytes; 0: no place */
    char sqlstate[6];
    char error_class[80]; /* Spark's error class where the case is Spark's */
    char message[1024];
} sl_client_error;

/* "[CLASS] message SQLSTATE: 42601 (line 3, pos 7)", and if it has a place the line of
 * the text given with a caret below. Free with sl_client_text_free(). */
SL_API char *sl_client_error_text(const sl_client_error *e, const char *sql,
                                  size_t length);
SL_API void sl_client_text_free(char *text); /* NULL is fine */

/* "0.1.0" */
SL_API const char *sl_client_version(void);

/* ---- a client ---- */

typedef struct sl_client sl_client;

typedef struct sl_client_setting {
    const char *name; /* "sluice.state.partitions", or its spark.* alias */
    const char *value;
} sl_client_setting;

typedef struct sl_client_config {
    /* "local", "local[4]", "local[*]" (NULL), "local-cluster[2,1]": processes of its own,
     * "sluice://host:port": a driver that runs */
    const char *master;
    const sl_client_setting *settings; /* over those of SLUICE_... in the environment */
    uint32_t setting_count;
    /* Text of console sinks; may block. Other than 0: nobody reads any more, and the
     * query that printed ends. NULL: standard output, where a closed pipe is the same. */
    int (*print)(void *user, const char *text, size_t length);
    void *print_user;
    /* CREATE STREAMING QUERY returns as soon as the query runs, whatever its trigger, as
     * sl_client_start does: for a client that leaves. Wants a driver that outlives it. */
    bool is_detached;
} sl_client_config;

/* Takes milliseconds: nothing is read, listed or connected before it is needed. */
SL_API sl_client_status sl_client_open(const sl_client_config *config,
                                       sl_client **ret_client, sl_client_error *err);
/* Abandons what runs (sl_client_stop and sl_client_await first to end at batch
 * boundaries); the next run on the same checkpoint goes on there. NULL is fine. */
SL_API void sl_client_close(sl_client *c);

/* ---- statements ---- */

typedef enum sl_client_result_kind {
    SL_CLIENT_NONE, /* done, nothing to show */
    SL_CLIENT_ROWS,
    SL_CLIENT_TEXT /* EXPLAIN, DESCRIBE TREE */
} sl_client_result_kind;

typedef struct sl_client_result sl_client_result;

/* Where to go on in a text of several statements. */
typedef struct sl_client_place {
    size_t offset;
    uint32_t line, column;
} sl_client_place;

#define SL_CLIENT_PLACE_START                                                            \
    {                                                                                    \
        0, 1, 1                                                                          \
    }

/* Run the statement at *place and move behind it, also when it fails, so that a caller
 * may go on. *ret_result = NULL at the end of the text. CREATE STREAMING QUERY with
 * TRIGGER ONCE or AVAILABLE NOW, and AWAIT, return when the query has ended. */
SL_API sl_client_status sl_client_next(sl_client *c, const char *sql, size_t length,
                                       sl_client_place *place,
                                       sl_client_result **ret_result,
                                       sl_client_error *err);

/* Run all statements of a text; the rows of the last one. A text as its only row and
 * column; nothing as a stream without columns and rows. ret_rows may be NULL, else
 * release it; it outlives the client. */
SL_API sl_client_status sl_client_execute(sl_client *c, const char *sql,
                                          struct ArrowArrayStream *ret_rows,
                                          sl_client_error *err);

/* Give up the statement that runs now, from another thread: it fails with
 * SL_CLIENT_CANCELLED. A streaming query it waits for goes on. */
SL_API void sl_client_cancel(sl_client *c);

SL_API void sl_client_result_free(sl_client_result *r); /* NULL is fine */
SL_API sl_client_result_kind sl_client_result_kind_of(const sl_client_result *r);
SL_API uint64_t sl_client_result_rows(const sl_client_result *r);
SL_API const char *sl_client_result_text(const sl_client_result *r); /* TEXT; borrowed */
/* For people, such as where a temporary checkpoint is; NULL: none. Borrowed. */
SL_API const char *sl_client_result_note(const sl_client_result *r);
/* The rows; the stream outlives result and client. Strings are utf8, timestamps us with
 * the session's time zone, structs are structs. */
SL_API void sl_client_result_stream(const sl_client_result *r,
                                    struct ArrowArrayStream *ret_rows);
/* The first rows as Spark's show() prints them; truncate 0: cells whole. Free with
 * sl_client_text_free(). */
SL_API char *sl_client_result_show(const sl_client_result *r, uint32_t num_rows,
                                   uint32_t truncate);
/* {"schema": "struct<...>", "rows": [[...], ...]}, on one line. Free likewise. */
SL_API char *sl_client_result_json(const sl_client_result *r);
/* {"error": {"class": ..., "sqlState": ..., "message": ..., "line": ..., "column": ...}}
 */
SL_API char *sl_client_error_json(const sl_client_error *e);

/* ---- streaming queries ---- */

typedef struct sl_client_query {
    const char *name, *id, *run_id;
    const char *state;   /* STARTING WAITING PLANNING RUNNING COMMITTING RETRYING STOPPED
                            FAILED */
    const char *message; /* what it does now, in Spark's words */
    bool is_active, is_data_available, is_trigger_active;
    int64_t last_batch; /* committed; -1: none */
    const char *checkpoint;
    const char *sql;
    sl_client_error error; /* of a FAILED query; else status OK */
} sl_client_query;

/* Start a CREATE STREAMING QUERY and return as soon as it runs, whatever its trigger.
 * ret_id (may be NULL) gets its id, 36 characters. */
SL_API sl_client_status sl_client_start(sl_client *c, const char *sql, char ret_id[37],
                                        sl_client_error *err);

/* Wait until a query (by name, id or run id) has ended, or timeout_ms have passed (< 0:
 * for ever). *ret_ended (may be NULL) tells which. If it failed, so does the call, with
 * the cause. name NULL: until no query is active. */
SL_API sl_client_status sl_client_await(sl_client *c, const char *name,
                                        int64_t timeout_ms, bool *ret_ended,
                                        sl_client_error *err);

/* Wait until a query has taken and committed all that its sources hold now (Spark's
 * processAllAvailable), has ended, or timeout_ms have passed (< 0: for ever); *ret_done
 * (may be NULL) is false in the last case. It looks at its sources at once; with a
 * processing-time trigger at its next tick. If it failed, so does the call, with the
 * cause. For tests: a source that never runs dry may keep the call waiting. */
SL_API sl_client_status sl_client_process_all(sl_client *c, const char *name,
                                              int64_t timeout_ms, bool *ret_done,
                                              sl_client_error *err);

/* Ask a query to end (name NULL: all) and return at once. abandon: drop the batch that
 * runs, as Spark's stop() does; else end at its boundary. */
SL_API sl_client_status sl_client_stop(sl_client *c, const char *name, bool abandon,
                                       sl_client_error *err);

/* All queries of the client in order of their start, ended ones too. */
SL_API sl_client_status sl_client_queries(sl_client *c, sl_client_query **ret_queries,
                                          uint32_t *ret_count, sl_client_error *err);
/* The same of every client of the cluster. */
SL_API sl_client_status sl_client_cluster_queries(sl_client *c,
                                                  sl_client_query **ret_queries,
                                                  uint32_t *ret_count,
                                                  sl_client_error *err);
SL_API void sl_client_queries_free(sl_client_query *queries);
/* False: the connection to the driver dropped, and it is waited for: what is asked now is
 * answered when it, or the next driver there, is back. */
SL_API bool sl_client_is_connected(sl_client *client);
SL_API uint32_t sl_client_active_count(sl_client *c);

/* Spark's StreamingQueryStatus as JSON. Free with sl_client_text_free(). */
SL_API sl_client_status sl_client_query_status(sl_client *c, const char *name,
                                               char **ret_json, sl_client_error *err);
/* The newest reports, oldest first, at most `max`: a JSON array of Spark's
 * StreamingQueryProgress. Free likewise. */
SL_API sl_client_status sl_client_query_progress(sl_client *c, const char *name,
                                                 uint32_t max, char **ret_json,
                                                 sl_client_error *err);

/* Show the console text of a query that another client started, from now on. */
SL_API sl_client_status sl_client_attach(sl_client *c, const char *name,
                                         sl_client_error *err);

/* Driver, workers and queries as JSON (docs/cluster.md). Free likewise. */
SL_API sl_client_status sl_client_cluster_status(sl_client *c, char **ret_json,
                                                 sl_client_error *err);

typedef enum sl_client_event {
    SL_CLIENT_QUERY_STARTED,
    SL_CLIENT_QUERY_PROGRESS,
    SL_CLIENT_QUERY_IDLE,
    SL_CLIENT_QUERY_TERMINATED
} sl_client_event;

/* progress: JSON of the newest report, for PROGRESS; else NULL. Borrowed, as is query. */
typedef void (*sl_client_listener)(void *user, sl_client_event event,
                                   const sl_client_query *query, const char *progress);
/* One listener; NULL removes it, and when this returns it is not called any more.
 * reports: PROGRESS and IDLE too; the driver sends one for each batch. */
SL_API void sl_client_set_listener(sl_client *c, sl_client_listener listener,
                                   bool reports, void *user);

/* ---- checkpoints that are not in use; no client needed ---- */

/* The reports of the newest batches, oldest first, one JSON object a line. */
SL_API sl_client_status sl_client_saved_progress(const char *checkpoint,
                                                 uint32_t batches_max, char **ret_lines,
                                                 sl_client_error *err);
/* The query and its last batch, for people or as JSON. */
SL_API sl_client_status sl_client_saved_status(const char *checkpoint, bool json,
                                               char **ret_text, sl_client_error *err);

#ifdef __cplusplus
}
#endif

#endif /* SLUICE_SLUICE_H */
