/* driver.h - the process half that decides: sessions, plans, micro-batches, recovery.
 *
 * A state machine on its host's loop thread.  Callers (client/) are on that thread too:
 * they call these functions from events they posted, and get answers by callback.  What
 * blocks runs on lanes.
 *
 *   session: tables, views, settings           sl_session_execute() one statement -> one
 * answer streaming query: started by a statement, lives in the driver until it ends or is
 * stopped
 *
 * Thread: loop thread only, but for sl_driver_print of the configuration, called on
 * lanes. */

#ifndef SL_DRIVER_DRIVER_H
#define SL_DRIVER_DRIVER_H

#include "base/host.h"
#include "base/options.h"
#include "engine/columnar/chunk.h"
#include "engine/columnar/value_text.h"
#include "engine/plan/unresolved.h"
#include "objects/kv.h"
#include "transport/link.h"

struct sl_memory_tables;

typedef struct sl_driver sl_driver;
typedef struct sl_session sl_session;

typedef struct sl_driver_config {
    const sl_options
        *options;            /* of the process; read at sl_driver_new(); NULL defaults */
    const char *address;     /* of its port: "driver" */
    const sl_kv_factory *kv; /* for journals */
    const char *temp_dir; /* temporary checkpoints live here; made when needed, removed at
                             free unless there is a directory */
    struct sl_memory_tables *memory;
    /* The registry of queries, and checkpoints of queries without a location, are here: a
     * driver that comes back resumes its queries. NULL: nothing outlives the process. */
    const char *directory;
    /* Console text, on a lane; may block; SL_ECANCELLED when nobody reads any more. */
    sl_code (*print)(void *user, const char *text, size_t length, sl_error *err);
    void *user;
} sl_driver_config;

/* Call once per process before sl_options_new(): the settings of driver and below. */
void sl_driver_register_options(void);

/* Once per process: the counters of the driver and the rooms below (base/metrics.h). */
void sl_driver_register_metrics(void);
/* Loop thread, before the text is made: what is a state and not a count. */
void sl_driver_refresh_metrics(const sl_driver *d);

SL_CHECKED sl_code sl_driver_new(sl_host *host, sl_network *network,
                                 const sl_driver_config *config, sl_driver **ret,
                                 sl_error *err);
const char *sl_driver_address(const sl_driver *d); /* as others dial it */
/* Abandons what runs. Use sl_driver_stop() first to end at batch boundaries. NULL is
 * fine. */
void sl_driver_free(sl_driver *d);

/* ---- sessions ---- */
sl_session *sl_session_new(sl_driver *d, const sl_options *options); /* copies options */
void sl_session_free(sl_session *s); /* its streaming queries go on */
sl_options *sl_session_options(sl_session *s);
const sl_time_zone *sl_session_zone(const sl_session *s);

typedef enum sl_answer_kind {
    SL_ANSWER_ERROR,
    SL_ANSWER_NONE, /* done, nothing to show */
    SL_ANSWER_ROWS,
    SL_ANSWER_TEXT, /* EXPLAIN, DESCRIBE TREE */
} sl_answer_kind;

/* Borrowed during the callback; chunks may be kept by reference. */
typedef struct sl_answer {
    sl_answer_kind kind;
    const sl_error *error;
    const sl_schema *schema;
    sl_chunk *const *chunks;
    uint32_t chunk_count;
    const char *text;
    const char *note; /* for people: "temporary checkpoint ..."; NULL */
} sl_answer;

typedef void (*sl_answer_fn)(void *user, const sl_answer *answer);

/* Run one parsed statement; `arena` (which holds it) is taken.  on_answer is called
 * exactly once, later or at once.  CREATE STREAMING QUERY with ONCE or AVAILABLE NOW, and
 * AWAIT, answer when the query has ended. */
void sl_session_execute(sl_session *s, sl_arena *arena, const sl_statement *statement,
                        sl_answer_fn on_answer, void *user);
/* On: CREATE STREAMING QUERY answers once the query runs, whatever its trigger. Counts
 * for statements executed from now on. */
void sl_session_set_detached(sl_session *s, bool detached);
/* Whose session it is, and where relative paths of its statements start (NULL or "": the
 * process's directory). Owner 0: nobody's. Counts for statements from now on. */
void sl_session_set_owner(sl_session *s, uint64_t owner, const char *directory);
/* Which request of which client the next statement is: kept with the query it starts, so
 * that the next driver knows the request when it is made again, and starts no second one.
 * "" not known. */
void sl_session_set_origin(sl_session *s, const char *origin);
/* Abandon the statement being executed (a SELECT that runs, an await). */
void sl_session_cancel(sl_session *s);

/* ---- streaming queries ---- */
typedef enum sl_query_state {
    SL_QUERY_STARTING,
    SL_QUERY_WAITING,    /* for a trigger or for data */
    SL_QUERY_PLANNING,   /* step 2-3 of a batch */
    SL_QUERY_RUNNING,    /* tasks are out: steps 4-8 */
    SL_QUERY_COMMITTING, /* steps 8-10 */
    SL_QUERY_RETRYING,   /* back-off before the next attempt */
    SL_QUERY_STOPPED,
    SL_QUERY_FAILED,
} sl_query_state;

typedef struct sl_query_info {
    const char *name, *id, *run_id;
    sl_query_state state;
    const char *message; /* status message as spark 5.2 */
    bool is_data_available, is_trigger_active;
    int64_t last_batch; /* committed; -1 none */
    const char *checkpoint;
    const char *last_progress;                     /* JSON (spark 5.1), NULL none */
    double input_rows_per_s, processed_rows_per_s; /* lately: driver/rates.h */
    const sl_error *error;                         /* FAILED */
    const char *sql;
    uint64_t owner; /* session that sees its console; 0 nobody */
} sl_query_info;

const char *sl_query_state_name(sl_query_state state); /* "RUNNING" */

uint32_t sl_driver_query_count(const sl_driver *d);
void sl_driver_query_info(const sl_driver *d, uint32_t i, sl_query_info *ret);
/* Index by name or id; -1. */
int32_t sl_driver_query_find(const sl_driver *d, const char *name_or_id);
/* SL_ENOTFOUND, naming the nearest: of these names, and of this driver's queries. */
sl_code sl_query_not_found(const char *name, const char *const *names, uint32_t count,
                           sl_error *err);
sl_code sl_driver_no_such_query(const sl_driver *d, const char *name, sl_error *err);
/* Its console goes to the client of this session from now on. */
void sl_driver_query_attach(sl_driver *d, uint32_t i, uint64_t owner);
uint32_t sl_driver_queries_active(const sl_driver *d);
/* Recent progress reports (JSON), oldest first; borrowed until the next event. */
uint32_t sl_driver_query_progress(const sl_driver *d, uint32_t i,
                                  const char *const **ret);
/* fn(user) once, when all that its sources hold now is committed, or it is over. */
void sl_driver_query_process_all(sl_driver *d, uint32_t i, void (*fn)(void *user),
                                 void *user);
/* fn is not called any more. The query by its run id, which is of one life. */
void sl_driver_query_forget_process_all(sl_driver *d, const char *run_id, void *user);
/* abandon: drop the running batch (Spark's stop); else end at the batch boundary. */
void sl_driver_query_stop(sl_driver *d, uint32_t i, bool abandon);
/* All queries. */
void sl_driver_stop(sl_driver *d, bool abandon);
/* The same, and what stops stays in the registry: the next driver resumes it. */
void sl_driver_shut_down(sl_driver *d, bool abandon);
/* Start the queries of the registry again; call once, after sl_driver_new(). Those that
 * cannot be are logged and stay in the registry. Clients are welcome once each is in the
 * list of queries. */
void sl_driver_resume(sl_driver *d);
bool sl_driver_is_resuming(const sl_driver *d); /* not all are in the list yet */

typedef enum sl_query_event_kind {
    SL_EVENT_STARTED,
    SL_EVENT_PROGRESS,
    SL_EVENT_IDLE,
    SL_EVENT_TERMINATED
} sl_query_event_kind;
typedef void (*sl_query_listener)(void *user, sl_query_event_kind kind,
                                  const sl_query_info *query);
/* One listener; NULL removes it. Called on the loop thread. */
void sl_driver_set_listener(sl_driver *d, sl_query_listener listener, void *user);

#endif /* SL_DRIVER_DRIVER_H */
