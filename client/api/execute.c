/* Statements: found in the text on the caller's thread, run by the driver.
 *
 * CREATE STREAMING QUERY with ONCE or AVAILABLE NOW, and AWAIT, are waited for here, not
 * in the driver: so the wait goes on when the driver is restarted. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "client/api/client_private.h"
#include "engine/sql/parse.h"

/* One statement of a text. */
struct statement {
    sl_arena *arena;
    const sl_statement *parsed; /* NULL: end of the text */
    const char *text;           /* its own, in the arena */
    uint32_t line, column;      /* where `text` starts */
};

static sl_code take_statement(const char *sql, size_t length, sl_client_place *place,
                              struct statement *ret, sl_error *err)
{
    sl_sql_cursor cursor = { place->offset, place->line, place->column };
    *ret = (struct statement){ .arena = sl_arena_new(),
                               .line = place->line,
                               .column = place->column };
    size_t from = place->offset;
    sl_code code = sl_sql_parse_next(sql, length, &cursor, ret->arena, &ret->parsed, err);
    *place = (sl_client_place){ cursor.offset, cursor.line, cursor.column };
    if (code == SL_OK)
        ret->text = sl_arena_strndup(ret->arena, sql + from, cursor.offset - from);
    return code;
}

static bool is_waited_for(const sl_statement *s, bool detached)
{
    return s->kind == SL_ST_AWAIT_STREAMING_QUERY ||
           (s->kind == SL_ST_CREATE_STREAMING_QUERY && !detached &&
            (s->trigger == SL_TRIGGER_ONCE || s->trigger == SL_TRIGGER_AVAILABLE_NOW));
}

/* The newest query of this name: its id, so that the wait is for no later one. */
static sl_code find_query(sl_client *c, const char *name, char ret_id[37],
                          char ret_run_id[37], sl_error *err)
{
    sl_client_query *queries;
    uint32_t count;
    sl_client_error e;
    bool found = false;
    if (sl_client_cluster_queries(c, &queries, &count, &e) != SL_CLIENT_OK)
        return sl_fail_as(err, SL_ELOST, e.error_class, e.sqlstate, "%s", e.message);
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(queries[i].name, name) != 0 && strcmp(queries[i].id, name) != 0)
            continue;
        found = true;
        snprintf(ret_id, 37, "%s", queries[i].id);
        snprintf(ret_run_id, 37, "%s", queries[i].run_id);
    }
    sl_code code = found ? SL_OK : sl_client__no_such_query(name, queries, count, err);
    sl_client_queries_free(queries);
    return code;
}

/* Spark's words for the end of a query, with its cause. */
static sl_client_status failed_stream(const char *id, const char *run_id,
                                      const sl_client_error *cause, sl_client_error *err)
{
    if (err == NULL)
        return cause->status;
    *err = (sl_client_error){ .status = cause->status };
    snprintf(err->error_class, sizeof err->error_class, "STREAM_FAILED");
    snprintf(err->sqlstate, sizeof err->sqlstate, "XXKST");
    snprintf(err->message, sizeof err->message,
             "Query [id = %.36s, runId = %.36s] terminated with exception: [%s] %.800s",
             id, run_id, cause->error_class, cause->message);
    return cause->status;
}

static sl_client_status wait_for(sl_client *c, const struct statement *s,
                                 sl_client_error *err)
{
    char id[37] = "", run_id[37] = "";
    sl_client_error cause = { .status = SL_CLIENT_OK };
    bool ended = false;
    sl_error e;
    if (find_query(c, s->parsed->name, id, run_id, &e) != SL_OK) {
        e.line = s->parsed->name_pos.line;
        e.column = s->parsed->name_pos.column;
        return sl_client__fail(err, &e);
    }
    if (sl_client__await(c, id, -1, true, &ended, &cause, &e) != SL_OK)
        return sl_client__fail(err, &e);
    return cause.status == SL_CLIENT_OK ? SL_CLIENT_OK
                                        : failed_stream(id, run_id, &cause, err);
}

static sl_request_role role_of(const sl_statement *s)
{
    switch (s->kind) {
    case SL_ST_CREATE_TABLE:
    case SL_ST_CREATE_VIEW:
    case SL_ST_DROP_TABLE:
    case SL_ST_DROP_VIEW:
    case SL_ST_SET:
    case SL_ST_RESET:
        return SL_ROLE_CONTEXT;
    case SL_ST_STOP_STREAMING_QUERY:
        return SL_ROLE_STOP;
    default:
        return SL_ROLE_ANY;
    }
}

static sl_client_status run_statement(sl_client *c, const struct statement *s,
                                      bool detached, sl_client_result **ret_result,
                                      sl_client_error *err)
{
    sl_error e;
    sl_reply reply = { NULL, NULL };
    bool waits = is_waited_for(s->parsed, detached);
    sl_cmsg_request q = { .kind = SL_REQUEST_EXECUTE,
                          .text = s->text,
                          .flag = detached || waits,
                          .line = s->line,
                          .column = s->column };
    if (sl_client__in_listener(c)) {
        (void)sl_fail(&e, SL_EINVAL,
                      "a listener cannot run statements: the thread that calls it would "
                      "wait for itself");
        return sl_client__fail(err, &e);
    }
    bool only_waits = s->parsed->kind == SL_ST_AWAIT_STREAMING_QUERY;
    const sl_cmsg_answer nothing = { .kind = SL_ANSWER_NONE };
    sl_code code = only_waits ? sl_client__result_new(&nothing, &reply.result, &e)
                              : sl_client__request(c, &q, role_of(s->parsed), &reply, &e);
    if (code != SL_OK)
        return sl_client__fail(err, &e);
    sl_client_status status = waits ? wait_for(c, s, err) : SL_CLIENT_OK;
    if (status != SL_CLIENT_OK || ret_result == NULL)
        sl_client_result_free(reply.result);
    else
        *ret_result = reply.result;
    return status;
}

sl_client_status sl_client_next(sl_client *c, const char *sql, size_t length,
                                sl_client_place *place, sl_client_result **ret_result,
                                sl_client_error *err)
{
    struct statement s;
    sl_error e;
    sl_client_status status = SL_CLIENT_OK;
    if (take_statement(sql, length, place, &s, &e) != SL_OK)
        status = sl_client__fail(err, &e);
    else if (s.parsed == NULL)
        *ret_result = NULL;
    else
        status = run_statement(c, &s, c->is_detached, ret_result, err);
    sl_arena_free(s.arena);
    return status;
}

sl_client_status sl_client_execute(sl_client *c, const char *sql,
                                   struct ArrowArrayStream *ret_rows,
                                   sl_client_error *err)
{
    sl_client_place place = SL_CLIENT_PLACE_START;
    sl_client_result *last = NULL, *result = NULL;
    size_t length = strlen(sql);
    for (;;) {
        sl_client_status status = sl_client_next(c, sql, length, &place, &result, err);
        if (status != SL_CLIENT_OK) {
            sl_client_result_free(last);
            return status;
        }
        if (result == NULL)
            break;
        sl_client_result_free(last);
        last = result;
    }
    if (ret_rows != NULL)
        sl_client_result_stream(last, ret_rows);
    sl_client_result_free(last);
    return SL_CLIENT_OK;
}

sl_client_status sl_client_start(sl_client *c, const char *sql, char ret_id[37],
                                 sl_client_error *err)
{
    sl_client_place place = SL_CLIENT_PLACE_START;
    struct statement s;
    sl_error e;
    char id[37] = "", run_id[37];
    sl_client_status status = SL_CLIENT_OK;
    sl_code code = take_statement(sql, strlen(sql), &place, &s, &e);
    if (code == SL_OK &&
        (s.parsed == NULL || s.parsed->kind != SL_ST_CREATE_STREAMING_QUERY))
        code = sl_fail(&e, SL_EINVAL,
                       "sl_client_start wants a CREATE STREAMING QUERY; run other "
                       "statements with sl_client_execute");
    if (code == SL_OK)
        status = run_statement(c, &s, true, NULL, err);
    if (code == SL_OK && status == SL_CLIENT_OK)
        code = find_query(c, s.parsed->name, id, run_id, &e);
    sl_arena_free(s.arena);
    if (code != SL_OK)
        return sl_client__fail(err, &e);
    if (status == SL_CLIENT_OK && ret_id != NULL)
        memcpy(ret_id, id, sizeof id);
    return status;
}

void sl_client_cancel(sl_client *c)
{
    sl_cmsg_request q = { .kind = SL_REQUEST_CANCEL };
    sl_reply reply;
    pthread_mutex_lock(&c->lock);
    c->cancels++;
    pthread_cond_broadcast(&c->wake);
    pthread_mutex_unlock(&c->lock);
    if (sl_client__request(c, &q, SL_ROLE_ANY, &reply, NULL) == SL_OK)
        sl_client_result_free(reply.result);
}
