/* A session and the one statement it executes at a time: start, answer, cancel. */
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "connectors/memory_table.h"
#include "driver/session_private.h"

sl_session *sl_session_new(sl_driver *d, const sl_options *options)
{
    sl_session *s = (sl_session *)sl_calloc(1, sizeof *s);
    s->driver = d;
    s->options = sl_options_copy(options);
    s->first_options = sl_options_copy(options);
    if (sl_time_zone_find(sl_options_text(options, "sluice.session.timeZone"), &s->zone,
                          NULL) != SL_OK)
        s->zone = sl_time_zone_utc(); /* a bad one is refused when it is used */
    s->tables = sl_tables_new(d->host, d->config.memory);
    s->next = d->sessions;
    d->sessions = s;
    return s;
}

static void execution_free(sl_execution *x)
{
    sl_dispatch_free(x->dispatch);
    sl_physical_free(x->plan);
    sl_free(x->note);
    sl_bytes_deinit(&x->trace);
    sl_arena_free(x->arena);
    sl_free(x);
}

void sl_session_free(sl_session *s)
{
    if (s == NULL)
        return;
    sl_session **at = &s->driver->sessions;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    if (s->current != NULL) {
        if (s->current->stream != NULL)
            sl_stream_forget_end(s->current->stream, s->current);
        execution_free(s->current);
    }
    sl_session_context_deinit(&s->context);
    sl_free(s->directory);
    sl_tables_free(s->tables);
    sl_options_free(s->options);
    sl_options_free(s->first_options);
    sl_free(s);
}

sl_options *sl_session_options(sl_session *s)
{
    return s->options;
}

const sl_time_zone *sl_session_zone(const sl_session *s)
{
    return s->zone;
}

/* ---- answers ---- */

void sl_session__answer(sl_execution *x, sl_answer *a)
{
    sl_session *s = x->session;
    a->note = x->note;
    /* For the queries started from now on: a restarted driver runs it again first. */
    if (a->kind != SL_ANSWER_ERROR)
        sl_session_context_add(&s->context, x->statement, x->statement->text);
    s->current = NULL; /* the callback may start the next statement */
    x->on_answer(x->user, a);
    execution_free(x);
}

void sl_session__answer_none(sl_execution *x)
{
    sl_session__answer(x, &(sl_answer){ .kind = SL_ANSWER_NONE });
}

void sl_session__answer_error(sl_execution *x)
{
    sl_session__answer(x, &(sl_answer){ .kind = SL_ANSWER_ERROR, .error = &x->error });
}

void sl_session__answer_text(sl_execution *x, const char *text)
{
    sl_session__answer(x, &(sl_answer){ .kind = SL_ANSWER_TEXT, .text = text });
}

static sl_code put_cell(sl_column_builder *b, sl_type_id type, const char *cell,
                        sl_error *err)
{
    bool is_true;
    int64_t number;
    if (cell == NULL)
        return sl_column_builder_null(b, err);
    switch (type) {
    case SL_TYPE_BOOLEAN:
        SL_TRY(sl_bool_parse(cell, &is_true, err));
        return sl_column_builder_bool(b, is_true, err);
    case SL_TYPE_LONG:
        SL_TRY(sl_int64_parse(cell, &number, err));
        return sl_column_builder_i64(b, number, err);
    default:
        return sl_column_builder_string(b, cell, (uint32_t)strlen(cell), err);
    }
}

void sl_session__answer_rows(sl_execution *x, const sl_answer_column *columns,
                             uint32_t column_count, const char *const *cells,
                             uint32_t rows)
{
    sl_field *fields = SL_ARENA_ARRAY(x->arena, sl_field, column_count);
    for (uint32_t c = 0; c < column_count; c++)
        fields[c] = (sl_field){ .name = columns[c].name,
                                .type = sl_type_of(columns[c].type),
                                .nullable = true };
    sl_schema schema = { column_count, fields };
    sl_chunk_builder b;
    sl_code code = sl_chunk_builder_init(&b, &schema, rows + 1, NULL, &x->error);
    for (uint32_t i = 0; code == SL_OK && i < rows * column_count; i++)
        code = put_cell(&b.columns[i % column_count], columns[i % column_count].type,
                        cells[i], &x->error);
    if (code != SL_OK) {
        sl_session__answer_error(x);
        return;
    }
    sl_chunk *chunk = sl_chunk_builder_finish(&b, rows);
    sl_session__answer(x, &(sl_answer){ .kind = SL_ANSWER_ROWS,
                                        .schema = &schema,
                                        .chunks = &chunk,
                                        .chunk_count = 1 });
    sl_chunk_unref(chunk);
}

/* ---- statements ---- */

static void change_tables(sl_execution *x)
{
    sl_statement s = *x->statement;
    s.options = sl_session__paths(x->session, &s.options, x->arena);
    sl_code code = s.kind == SL_ST_CREATE_TABLE
                       ? sl_tables_create(x->session->tables, &s, &x->error)
                       : sl_tables_drop(x->session->tables, &s, &x->error);
    if (code != SL_OK)
        sl_session__answer_error(x);
    else
        sl_session__answer_none(x);
}

void sl_session_execute(sl_session *s, sl_arena *arena, const sl_statement *statement,
                        sl_answer_fn on_answer, void *user)
{
    sl_execution *x = (sl_execution *)sl_calloc(1, sizeof *x);
    x->session = s;
    x->arena = arena;
    x->statement = statement;
    x->on_answer = on_answer;
    x->user = user;
    x->detached = s->detached;
    if (s->current != NULL) {
        (void)sl_fail(&x->error, SL_EINVAL, "a session runs one statement at a time");
        on_answer(user, &(sl_answer){ .kind = SL_ANSWER_ERROR, .error = &x->error });
        execution_free(x);
        return;
    }
    s->current = x;
    switch (statement->kind) {
    case SL_ST_CREATE_STREAMING_QUERY:
        if (!sl_session__take_up(x))
            sl_session__submit_plan(x);
        break;
    case SL_ST_QUERY:
    case SL_ST_CREATE_VIEW:
    case SL_ST_DESCRIBE:
    case SL_ST_SHOW_COLUMNS:
    case SL_ST_EXPLAIN:
        sl_session__submit_plan(x);
        break;
    case SL_ST_CREATE_TABLE:
    case SL_ST_DROP_TABLE:
    case SL_ST_DROP_VIEW:
        change_tables(x);
        break;
    case SL_ST_SHOW_TABLES:
    case SL_ST_SHOW_VIEWS:
        sl_session__show_tables(x);
        break;
    case SL_ST_SHOW_FUNCTIONS:
        sl_session__show_functions(x);
        break;
    case SL_ST_SHOW_STREAMING_QUERIES:
        sl_session__show_queries(x);
        break;
    case SL_ST_DESCRIBE_STREAMING_QUERY:
        sl_session__describe_query(x);
        break;
    case SL_ST_STOP_STREAMING_QUERY:
    case SL_ST_AWAIT_STREAMING_QUERY:
        sl_session__await_query(x);
        break;
    case SL_ST_SET:
        sl_session__set_setting(x);
        break;
    case SL_ST_RESET:
        sl_session__reset_settings(x);
        break;
    }
}

void sl_session_set_detached(sl_session *s, bool detached)
{
    s->detached = detached;
}

void sl_session_cancel(sl_session *s)
{
    sl_execution *x = s->current;
    if (x == NULL)
        return;
    x->cancelled = true; /* seen when planning is done */
    if (x->stream != NULL) {
        sl_stream_forget_end(x->stream, x);
        x->stream = NULL;
    } else if (x->dispatch == NULL) {
        return;
    }
    sl_dispatch_cancel(x->dispatch);
    (void)sl_fail(&x->error, SL_ECANCELLED, "the statement was cancelled");
    sl_session__answer_error(x);
}
