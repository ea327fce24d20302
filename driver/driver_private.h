/* driver_private.h - what the driver's files share. */

#ifndef SL_DRIVER_DRIVER_PRIVATE_H
#define SL_DRIVER_DRIVER_PRIVATE_H

#include "base/metrics.h"
#include "driver/client_service.h"
#include "driver/driver.h"
#include "driver/query_registry.h"
#include "driver/worker_registry.h"
#include "engine/plan/physical.h"
#include "engine/plan/table_info.h"
#include "proto/messages.h"
#include "transport/channel.h"

typedef struct sl_dispatch sl_dispatch;
typedef struct sl_stream sl_stream;

struct sl_driver {
    sl_host *host;
    sl_channel *channel;
    sl_driver_config config;
    char *address, *temp_dir;
    uint64_t incarnation, next_run;
    sl_worker_registry *workers;
    sl_clients *clients;
    sl_query_registry *registry; /* NULL: nothing is resumed */
    bool is_going_down;          /* what ends now stays in the registry */
    int64_t started_us;
    sl_dispatch *dispatches; /* that a worker may answer */
    sl_stream *streams;      /* in order of start; also ended ones */
    sl_session *sessions;
    sl_lane planner;
    uint32_t lanes_made;
    sl_lane free_lanes[64]; /* of ended streams, used again */
    uint32_t free_lane_count;
    sl_query_listener listener;
    void *listener_user;
    bool has_temporary; /* checkpoints beneath temp_dir */
    uint32_t resuming;  /* queries of the registry that are no streams yet */
};

/* ---- metrics.c ---- */
enum {
#define M(id, name, kind, unit, meaning) SL_DRIVER_##id,
#include "driver/metrics.def"
#undef M
};
extern sl_metric sl_driver__metrics[];
#define sl_driver__count(id, n) sl_metric_add(&sl_driver__metrics[SL_DRIVER_##id], (n))

/* ---- dispatch.c: one plan on the workers, one try of one batch at a time ---- */

/* Everything it points to is borrowed until on_result, or cancel. */
typedef struct sl_batch_spec {
    int64_t batch;
    uint64_t epoch;
    uint32_t attempt;
    int64_t batch_time_us;
    uint64_t seed;
    int64_t late_us,
        evict_us; /* of every state operator: watermarks pass through unchanged */
    uint32_t source_count;
    const sl_span *const *slices; /* per source */
    const uint32_t *slice_counts;
    uint32_t partition_count; /* of TASK */
    const sl_msg_partition *partitions;
    bool inline_output;
} sl_batch_spec;

typedef struct sl_batch_result {
    sl_code code; /* SL_OK: `done` is meaningful */
    /* With a code other than SL_OK: a worker was lost, partitions moved, or a worker does
     * not hold what it was thought to: nobody's failed try. Start again, with recipes. */
    bool is_not_counted;
    sl_error error;
    const sl_msg_done *done; /* borrowed until the dispatch's next start or free */
    sl_chunk *
        *chunks; /* result rows in order, without the hidden key; borrowed likewise */
    uint32_t chunk_count;
} sl_batch_result;

typedef void (*sl_dispatch_fn)(void *user, const sl_batch_result *result);

typedef struct sl_dispatch_config {
    const sl_physical_plan *plan;      /* borrowed */
    const char *query_id, *checkpoint; /* "" for SELECT */
    uint64_t query_hash;
    uint32_t partitions;
    const sl_options *options;
} sl_dispatch_config;

sl_dispatch *sl_dispatch_new(sl_driver *d, const sl_dispatch_config *config);
void sl_dispatch_free(sl_dispatch *x); /* UNDEPLOY; abandons what runs; NULL is fine */
/* on_result is called once, later; not at all after cancel or free. */
void sl_dispatch_start(sl_dispatch *x, const sl_batch_spec *spec,
                       sl_dispatch_fn on_result, void *user);
void sl_dispatch_cancel(sl_dispatch *x);
/* What DONE said is committed. The workers are told, and make it their base, when the
 * next try starts, or by tell: what comes with a TASK wakes nobody on its own. */
void sl_dispatch_committed(sl_dispatch *x);
void sl_dispatch_tell_committed(sl_dispatch *x); /* NULL is fine; twice is once */
/* From driver.c: a message of a worker about this dispatch. */
void sl_dispatch_on_message(sl_dispatch *x, const sl_dworker *w, const sl_message *m,
                            sl_arena *arena, bool *ret_kept);
void sl_dispatch_on_worker_lost(sl_dispatch *x, const sl_dworker *w, const char *why);
void sl_dispatch_on_worker(sl_dispatch *x); /* one joined, or is heard again */
sl_dispatch *sl_dispatch_next(sl_dispatch *x);
/* State partitions that this worker holds for the plan. */
uint32_t sl_dispatch_held(const sl_dispatch *x, uint32_t worker_number);
uint64_t sl_dispatch_number(const sl_dispatch *x);
/* A snapshot a worker made: kept until asked for. */
typedef void (*sl_snapshot_fn)(void *user, const sl_msg_snapshot *s);
void sl_dispatch_set_snapshot_fn(sl_dispatch *x, sl_snapshot_fn fn, void *user);

/* ---- driver.c ---- */
SL_CHECKED sl_code sl_driver__send(sl_driver *d, const char *to, const sl_message *m,
                                   sl_error *err);
sl_lane sl_driver__lane_take(sl_driver *d);
void sl_driver__lane_give(sl_driver *d, sl_lane lane);
uint32_t sl_driver__slots(const sl_driver *d);
sl_dworker *sl_driver__workers(const sl_driver *d); /* the first */
/* State partitions of a query that starts now: the setting, or by the slots there are. */
uint32_t sl_driver__partitions(const sl_driver *d, const sl_options *options);
void sl_driver__event(sl_driver *d, sl_query_event_kind kind, const sl_stream *s);

/* ---- catalog.c: tables and views of a session; used on the planner lane ---- */
typedef struct sl_tables sl_tables;
sl_tables *sl_tables_new(sl_host *host, struct sl_memory_tables *memory);
void sl_tables_free(sl_tables *t);
/* Copies the statement's parts. SL_EEXISTS with TABLE_OR_VIEW_ALREADY_EXISTS. */
SL_CHECKED sl_code sl_tables_create(sl_tables *t, const sl_statement *s, sl_error *err);
SL_CHECKED sl_code sl_tables_drop(sl_tables *t, const sl_statement *s, sl_error *err);
void sl_tables_catalog(sl_tables *t, const sl_options *options, const sl_time_zone *zone,
                       sl_arena *arena, sl_catalog *ret);
uint32_t sl_tables_count(const sl_tables *t);
const char *sl_tables_name(const sl_tables *t, uint32_t i);
bool sl_tables_is_view(const sl_tables *t, uint32_t i);
/* What a streaming query's INTO names: a table's connector and options, or NULL. */
const sl_table_info *sl_tables_find(const sl_tables *t, const char *name);

/* ---- stream.c and friends: a streaming query ---- */
typedef struct sl_stream_request {
    const char *name, *sql;       /* copied */
    const sl_physical_plan *plan; /* taken */
    const char *checkpoint;       /* "" temporary */
    const char *sink;
    sl_trigger_kind trigger;
    int64_t trigger_us;
    const sl_options *options; /* copied */
    const sl_time_zone *zone;
    uint64_t owner;
    const sl_registry_record *record; /* copied; NULL: it is not resumed */
    bool is_temporary;                /* the checkpoint given goes when it is stopped */
    bool is_resumed;                  /* the record is of an earlier driver */
} sl_stream_request;

typedef void (*sl_stream_started_fn)(void *user, sl_stream *s, const sl_error *err);

/* Opens the checkpoint on the stream's lane, recovers, then runs. on_started: opened, or
 * failed. SL_EEXISTS if a query of that name is active. */
SL_CHECKED sl_code sl_stream_start(sl_driver *d, sl_stream_request *request,
                                   sl_stream_started_fn on_started, void *user,
                                   sl_stream **ret, sl_error *err);
void sl_stream_free(sl_stream *s);
void sl_stream_stop(sl_stream *s, bool abandon);
bool sl_stream_is_over(const sl_stream *s);
void sl_stream_info(const sl_stream *s, sl_query_info *ret);
/* The query that this request made, in this driver's life or an earlier one; NULL. */
sl_stream *sl_stream_of_origin(const sl_driver *d, const char *origin);
void sl_stream_attach(sl_stream *s, uint64_t owner);
uint32_t sl_stream_progress(const sl_stream *s, const char *const **ret);
sl_stream *sl_stream_next(const sl_stream *s);
/* fn(user) once, when the query is over (at once if it is). */
void sl_stream_on_end(sl_stream *s, void (*fn)(void *user), void *user);
void sl_stream_forget_end(sl_stream *s, void *user);
/* fn(user) once, when all that the sources hold now is committed, or the query is over.
 * The query looks at its sources at once; a processing-time trigger keeps its ticks. */
void sl_stream_process_all(sl_stream *s, void (*fn)(void *user), void *user);
void sl_stream_forget_process_all(sl_stream *s, void *user);

#endif /* SL_DRIVER_DRIVER_PRIVATE_H */
