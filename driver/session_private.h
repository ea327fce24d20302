/* session_private.h - a session, the statement it executes, and what its files share.
 *
 * session.c has the life of both and the answers; session_plan.c what a statement needs
 * of the planner lane; session_query.c the statements that run queries or speak of them;
 * session_show.c tables, functions and settings.
 *
 * Every statement ends in exactly one of the answer functions, which frees the execution:
 * touch nothing of it afterwards.
 *
 * Thread: loop thread; while a planning job runs, the job alone writes its parts. */

#ifndef SL_DRIVER_SESSION_PRIVATE_H
#define SL_DRIVER_SESSION_PRIVATE_H

#include "connectors/sink_commit.h"
#include "driver/driver_private.h"
#include "driver/session_context.h"

/* The statement under way. */
typedef struct sl_execution {
    sl_job job;
    sl_session *session;
    sl_arena *arena;
    const sl_statement *statement;
    sl_answer_fn on_answer;
    void *user;
    sl_code code;
    sl_error error;
    sl_physical_plan *plan;
    const sl_schema *schema; /* DESCRIBE */
    const sl_sink_class *sink;
    sl_sink_caps sink_caps;
    const char *sink_connector;
    sl_option_list sink_options;
    const sl_span **slices; /* SELECT: per source */
    uint32_t *slice_counts;
    sl_dispatch *dispatch;
    sl_stream *stream; /* waited for */
    char *note;
    sl_bytes trace; /* EXPLAIN EXTENDED */
    uint64_t seed;  /* SELECT: the same rows in every try */
    int64_t batch_time_us;
    uint32_t attempt;
    bool cancelled, detached;
} sl_execution;

struct sl_session {
    sl_driver *driver;
    sl_session *next;
    sl_options *options;
    sl_options *first_options; /* as the session began: what RESET goes back to */
    const sl_time_zone *zone;
    sl_tables *tables;
    sl_execution *current;
    bool detached; /* of the next execution */
    uint64_t owner;
    char *directory; /* of relative paths; "" the process's */
    sl_session_context context;
    char origin[48]; /* of the next execution: which request of which client */
    struct sl_resumption *resumption;   /* whose session this is, or NULL */
    const sl_registry_record *resuming; /* the query being started again, or NULL */
};

/* session.c: the answer; frees x */
void sl_session__answer(sl_execution *x, sl_answer *a);
void sl_session__answer_none(sl_execution *x);
void sl_session__answer_error(sl_execution *x); /* x->error */
void sl_session__answer_text(sl_execution *x, const char *text);
typedef struct sl_answer_column {
    const char *name;
    sl_type_id type; /* STRING, BOOLEAN or LONG */
} sl_answer_column;
/* cells[row * column_count + column]: text; of a BOOLEAN "true" or "false", of a LONG its
 * digits; NULL = null. */
void sl_session__answer_rows(sl_execution *x, const sl_answer_column *columns,
                             uint32_t column_count, const char *const *cells,
                             uint32_t rows);

/* session_plan.c: plan on the planner lane, then go on with the statement */
void sl_session__submit_plan(sl_execution *x);

/* session_query.c */
void sl_session__start_select(sl_execution *x); /* x->plan, x->slices */
void sl_session__start_stream(sl_execution *x); /* x->plan */
/* True: the query that this request creates was started before, in an earlier life of the
 * driver which did not live to say so; x has it. */
bool sl_session__take_up(sl_execution *x);
void sl_session__show_queries(sl_execution *x);
void sl_session__describe_query(sl_execution *x);
void sl_session__await_query(sl_execution *x); /* also STOP */

/* session_resume.c: what a restarted driver needs of a session, and paths in it */
const char *sl_session__path(const sl_session *s, const char *path, sl_arena *arena);
sl_option_list sl_session__paths(const sl_session *s, const sl_option_list *options,
                                 sl_arena *arena);
/* The checkpoint of the query being created; "" a temporary one. `base`: where those
 * without a location are. */
const char *sl_session__checkpoint(sl_execution *x, const char *base);
void sl_session__record(sl_execution *x, sl_registry_record *ret); /* in x->arena */
void sl_session__has_stream(sl_session *s); /* the query being resumed is in the list */

/* session_show.c */
void sl_session__show_tables(sl_execution *x);
void sl_session__show_functions(sl_execution *x);
void sl_session__set_setting(sl_execution *x);
void sl_session__reset_settings(sl_execution *x);

#endif /* SL_DRIVER_SESSION_PRIVATE_H */
