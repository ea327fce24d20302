/* Statements: parsed on the caller's thread, run by the driver, answered on the loop
 * thread. */
#include <string.h>

#include "base/alloc.h"
#include "client/api/client_private.h"
#include "engine/sql/parse.h"

struct execution {
    sl_client *client;
    sl_arena *arena; /* the statement's; the driver takes it */
    const sl_statement *statement;
    bool detached;
    sl_client_result *result;
    sl_error error; /* code SL_OK: result is meaningful */
    bool done;      /* client's lock */
};

static void on_answer(void *user, const sl_answer *answer)
{
    struct execution *x = (struct execution *)user;
    sl_client *c = x->client;
    if (answer->kind == SL_ANSWER_ERROR)
        x->error = *answer->error;
    else
        x->result = sl_client__result_new(answer, sl_session_zone(c->session));
    pthread_mutex_lock(&c->lock);
    x->done = true;
    pthread_cond_broadcast(&c->wake);
    pthread_mutex_unlock(&c->lock);
}

static void submit(void *user)
{
    struct execution *x = (struct execution *)user;
    sl_session *session = x->client->session;
    sl_session_set_detached(session, x->detached);
    sl_session_execute(session, x->arena, x->statement, on_answer, x);
}

static sl_code run_statement(struct execution *x, sl_error *err)
{
    sl_client *c = x->client;
    if (sl_client__on_loop(c)) {
        sl_arena_free(x->arena);
        return sl_fail(err, SL_EINVAL,
                       "a listener cannot run statements: the thread that calls it would "
                       "wait for itself");
    }
    sl_host_post(sl_local_host(c->cluster), c, submit, x);
    pthread_mutex_lock(&c->lock);
    while (!x->done)
        pthread_cond_wait(&c->wake, &c->lock);
    pthread_mutex_unlock(&c->lock);
    if (x->error.code != SL_OK && err != NULL)
        *err = x->error;
    return x->error.code;
}

sl_client_status sl_client_next(sl_client *c, const char *sql, size_t length,
                                sl_client_place *place, sl_client_result **ret_result,
                                sl_client_error *err)
{
    sl_sql_cursor cursor = { place->offset, place->line, place->column };
    struct execution x = { .client = c, .arena = sl_arena_new() };
    sl_error e;
    sl_code code = sl_sql_parse_next(sql, length, &cursor, x.arena, &x.statement, &e);
    *place = (sl_client_place){ cursor.offset, cursor.line, cursor.column };
    if (code != SL_OK || x.statement == NULL) {
        sl_arena_free(x.arena);
        if (code != SL_OK)
            return sl_client__fail(err, &e);
        *ret_result = NULL;
        return SL_CLIENT_OK;
    }
    if (run_statement(&x, &e) != SL_OK)
        return sl_client__fail(err, &e);
    *ret_result = x.result;
    return SL_CLIENT_OK;
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

/* ---- start ---- */

struct id_of_name {
    const char *name;
    char *ret_id;
};

static void find_id(sl_client *c, void *argument)
{
    struct id_of_name *want = (struct id_of_name *)argument;
    sl_driver *d = sl_local_driver(c->cluster);
    int32_t i = sl_driver_query_find(d, want->name);
    sl_query_info info;
    if (i < 0)
        return;
    sl_driver_query_info(d, (uint32_t)i, &info);
    strncpy(want->ret_id, info.id, 36);
}

sl_client_status sl_client_start(sl_client *c, const char *sql, char ret_id[37],
                                 sl_client_error *err)
{
    sl_sql_cursor cursor = { .line = 1, .column = 1 };
    struct execution x = { .client = c, .arena = sl_arena_new(), .detached = true };
    sl_error e;
    sl_code code =
        sl_sql_parse_next(sql, strlen(sql), &cursor, x.arena, &x.statement, &e);
    if (code == SL_OK &&
        (x.statement == NULL || x.statement->kind != SL_ST_CREATE_STREAMING_QUERY))
        code = sl_fail(&e, SL_EINVAL,
                       "sl_client_start wants a CREATE STREAMING QUERY; run other "
                       "statements with sl_client_execute");
    if (code != SL_OK) {
        sl_arena_free(x.arena);
        return sl_client__fail(err, &e);
    }
    char *name = sl_strdup(x.statement->name);
    code = run_statement(&x, &e);
    sl_client_result_free(x.result);
    if (code == SL_OK && ret_id != NULL) {
        char id[37] = { 0 };
        sl_client__call(c, find_id, &(struct id_of_name){ name, id });
        memcpy(ret_id, id, sizeof id);
    }
    sl_free(name);
    return code == SL_OK ? SL_CLIENT_OK : sl_client__fail(err, &e);
}

/* ---- cancel ---- */

static void cancel(sl_client *c, void *argument)
{
    (void)argument;
    sl_session_cancel(c->session);
}

void sl_client_cancel(sl_client *c)
{
    sl_client__call(c, cancel, NULL);
}
