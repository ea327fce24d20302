/* Statements that run queries and statements about them: SELECT on a dispatch of its own,
 * CREATE STREAMING QUERY and what waits for, stops, shows or describes one. */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/text.h"
#include "driver/session_private.h"

/* ---- SELECT ---- */

#define SELECT_TRIES_MAX 4u

static void run_select(void *user);

static void on_select_result(void *user, const sl_batch_result *r)
{
    sl_execution *x = (sl_execution *)user;
    sl_driver *d = x->session->driver;
    if (r->is_not_counted ||
        (r->code != SL_OK && sl_code_kind(r->code) == SL_KIND_RETRY &&
         x->attempt < SELECT_TRIES_MAX)) {
        log_warn("SELECT-RETRY", "%s", r->error.text);
        sl_host_post(d->host, d, run_select, x);
        return;
    }
    if (r->code != SL_OK) {
        x->error = r->error;
        sl_session__answer_error(x);
        return;
    }
    sl_session__answer(x, &(sl_answer){ .kind = SL_ANSWER_ROWS,
                                        .schema = x->plan->output,
                                        .chunks = r->chunks,
                                        .chunk_count = r->chunk_count });
}

void sl_session__start_select(sl_execution *x)
{
    sl_session *s = x->session;
    sl_host *h = s->driver->host;
    sl_dispatch_config config = {
        .plan = x->plan,
        .query_id = "",
        .checkpoint = "",
        .partitions = sl_driver__partitions(s->driver, s->options),
        .options = s->options,
    };
    x->dispatch = sl_dispatch_new(s->driver, &config);
    x->seed = sl_host_rand64(h);
    x->batch_time_us = sl_host_wall_us(h) / 1000 * 1000;
    run_select(x);
}

static void run_select(void *user)
{
    sl_execution *x = (sl_execution *)user;
    sl_batch_spec spec = {
        .epoch = 1,
        .attempt = ++x->attempt,
        .batch_time_us = x->batch_time_us,
        .seed = x->seed,
        .source_count = x->plan->source_count,
        .slices = x->slices,
        .slice_counts = x->slice_counts,
    };
    sl_driver__count(SELECTS, 1);
    sl_dispatch_start(x->dispatch, &spec, on_select_result, x);
}

/* ---- streaming queries ---- */

static void on_stream_end(void *user)
{
    sl_execution *x = (sl_execution *)user;
    sl_query_info info;
    sl_stream_info(x->stream, &info);
    x->stream = NULL;
    if (info.error == NULL) {
        sl_session__answer_none(x);
        return;
    }
    const sl_error *cause = info.error;
    (void)sl_fail_as(&x->error, cause->code, "STREAM_FAILED", "XXKST",
                     "Query [id = %s, runId = %s] terminated with exception: [%s] %.800s",
                     info.id, info.run_id, cause->condition, cause->text);
    sl_session__answer_error(x);
}

static bool is_awaited(const sl_statement *s)
{
    return s->trigger == SL_TRIGGER_ONCE || s->trigger == SL_TRIGGER_AVAILABLE_NOW;
}

static void on_stream_started(void *user, sl_stream *stream, const sl_error *err)
{
    sl_execution *x = (sl_execution *)user;
    if (x->session == NULL)
        return;
    if (err != NULL) {
        x->error = *err;
        sl_session__answer_error(x);
    } else if (is_awaited(x->statement) && !x->detached) {
        x->stream = stream;
        sl_stream_on_end(stream, on_stream_end, x);
    } else {
        sl_session__answer_none(x);
    }
}

bool sl_session__take_up(sl_execution *x)
{
    sl_session *s = x->session;
    sl_stream *stream = sl_stream_of_origin(s->driver, s->origin);
    if (stream == NULL)
        return false;
    log_info("QUERY-ASKED-AGAIN", "%s is here already", x->statement->name);
    sl_stream_attach(stream, s->owner);
    on_stream_started(x, stream, NULL);
    return true;
}

/* The plan borrows names and literals from the statement's arena, which goes with the
 * answer; a running query needs one that stands by itself, as workers get it. */
static sl_code own_plan(sl_execution *x, sl_error *err)
{
    sl_bytes fragment = { 0 };
    sl_physical_plan *own;
    sl_physical_write(x->plan, &fragment);
    sl_code code = sl_physical_read(sl_bytes_span(&fragment), &own, err);
    sl_bytes_deinit(&fragment);
    if (code != SL_OK)
        return code;
    sl_physical_free(x->plan);
    x->plan = own;
    return SL_OK;
}

void sl_session__start_stream(sl_execution *x)
{
    const sl_statement *s = x->statement;
    sl_session *session = x->session;
    const char *base =
        sl_options_text(session->options, "sluice.streaming.checkpointLocation");
    sl_registry_record record;
    sl_stream_request r = {
        .name = s->name,
        .sql = s->text,
        .plan = x->plan,
        .checkpoint = sl_session__checkpoint(x, base),
        .owner = session->owner,
        .sink = x->sink_connector,
        .trigger = s->trigger == SL_TRIGGER_CONTINUOUS ? SL_TRIGGER_DEFAULT : s->trigger,
        .trigger_us = s->trigger_us,
        .options = session->options,
        .zone = session->zone,
    };
    sl_stream *stream;
    if (own_plan(x, &x->error) != SL_OK) {
        sl_session__answer_error(x);
        return;
    }
    r.plan = x->plan;
    if (session->driver->registry != NULL) {
        sl_session__record(x, &record);
        r.record = &record;
        r.is_resumed = session->resuming != NULL;
        r.is_temporary = r.is_resumed && session->resuming->is_temporary;
    }
    if (session->resuming == NULL && s->checkpoint == NULL && *base == '\0') {
        sl_bytes note = { 0 };
        sl_bytes_printf(
            &note,
            "query %s has no CHECKPOINT LOCATION: a temporary one is used and "
            "removed when it stops",
            s->name);
        x->note = sl_strdup(sl_bytes_cstr(&note));
        sl_bytes_deinit(&note);
    }
    if (sl_stream_start(session->driver, &r, on_stream_started, x, &stream, &x->error) !=
        SL_OK) {
        sl_session__answer_error(x);
        return;
    }
    x->plan = NULL; /* the stream's now */
    sl_session__has_stream(session);
}

/* ---- statements about queries ---- */

void sl_session__show_queries(sl_execution *x)
{
    static const sl_answer_column columns[] = {
        { "name", SL_TYPE_STRING },    { "id", SL_TYPE_STRING },
        { "runId", SL_TYPE_STRING },   { "state", SL_TYPE_STRING },
        { "lastBatch", SL_TYPE_LONG }, { "message", SL_TYPE_STRING },
    };
    sl_driver *d = x->session->driver;
    uint32_t n = sl_driver_query_count(d);
    const char **cells = SL_ARENA_ARRAY(x->arena, const char *, n * 6 + 1);
    for (uint32_t i = 0; i < n; i++) {
        sl_query_info info;
        sl_driver_query_info(d, i, &info);
        cells[i * 6] = info.name;
        cells[i * 6 + 1] = info.id;
        cells[i * 6 + 2] = info.run_id;
        cells[i * 6 + 3] = sl_query_state_name(info.state);
        cells[i * 6 + 4] =
            info.last_batch < 0
                ? NULL
                : sl_arena_printf(x->arena, "%lld", (long long)info.last_batch);
        cells[i * 6 + 5] = info.message;
    }
    sl_session__answer_rows(x, columns, 6, cells, n);
}

/* The query a statement names; -1 after answering that there is none. */
static int32_t query_named(sl_execution *x)
{
    sl_driver *d = x->session->driver;
    int32_t i = sl_driver_query_find(d, x->statement->name);
    if (i >= 0)
        return i;
    (void)sl_driver_no_such_query(d, x->statement->name, &x->error);
    x->error.line = x->statement->name_pos.line;
    x->error.column = x->statement->name_pos.column;
    sl_session__answer_error(x);
    return -1;
}

void sl_session__describe_query(sl_execution *x)
{
    static const sl_answer_column columns[] = { { "property", SL_TYPE_STRING },
                                                { "value", SL_TYPE_STRING } };
    int32_t i = query_named(x);
    if (i < 0)
        return;
    sl_query_info info;
    sl_driver_query_info(x->session->driver, (uint32_t)i, &info);
    const char *cells[] = {
        "name",       info.name,
        "id",         info.id,
        "runId",      info.run_id,
        "state",      sl_query_state_name(info.state),
        "message",    info.message,
        "lastBatch",  sl_arena_printf(x->arena, "%lld", (long long)info.last_batch),
        "checkpoint", info.checkpoint,
        "sql",        info.sql,
        "progress",   info.last_progress,
        "error",      info.error != NULL ? info.error->text : NULL,
    };
    sl_session__answer_rows(x, columns, 2, cells, sizeof cells / sizeof *cells / 2);
}

void sl_session__await_query(sl_execution *x)
{
    int32_t i = query_named(x);
    if (i < 0)
        return;
    sl_stream *s = x->session->driver->streams;
    while (i-- > 0)
        s = sl_stream_next(s);
    if (x->statement->kind == SL_ST_STOP_STREAMING_QUERY)
        sl_stream_stop(s, true);
    x->stream = s;
    if (x->statement->kind == SL_ST_STOP_STREAMING_QUERY && sl_stream_is_over(s)) {
        sl_session__answer_none(x);
        return;
    }
    sl_stream_on_end(s, on_stream_end, x);
}
