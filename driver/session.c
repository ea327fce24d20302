/* One statement at a time: what blocks (inference, planning, listing) on the planner
 * lane, then the answer on the loop thread. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "connectors/memory_table.h"
#include "connectors/sink_commit.h"
#include "connectors/source_plan.h"
#include "driver/driver_private.h"
#include "engine/plan/analyze.h"

/* The statement under way. */
struct execution {
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
    bool cancelled, detached;
};

struct sl_session {
    sl_driver *driver;
    sl_session *next;
    sl_options *options;
    const sl_time_zone *zone;
    sl_tables *tables;
    struct execution *current;
    bool detached; /* of the next execution */
};

sl_session *sl_session_new(sl_driver *d, const sl_options *options)
{
    sl_session *s = (sl_session *)sl_calloc(1, sizeof *s);
    s->driver = d;
    s->options = sl_options_copy(options);
    if (sl_time_zone_find(sl_options_text(options, "sluice.session.timeZone"), &s->zone,
                          NULL) != SL_OK)
        s->zone = sl_time_zone_utc(); /* a bad one is refused when it is used */
    s->tables = sl_tables_new(d->host, d->config.memory);
    s->next = d->sessions;
    d->sessions = s;
    return s;
}

static void execution_free(struct execution *x)
{
    sl_dispatch_free(x->dispatch);
    sl_physical_free(x->plan);
    sl_free(x->note);
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
    sl_tables_free(s->tables);
    sl_options_free(s->options);
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

static void answer(struct execution *x, sl_answer *a)
{
    sl_session *s = x->session;
    a->note = x->note;
    s->current = NULL; /* the callback may start the next statement */
    x->on_answer(x->user, a);
    execution_free(x);
}

static void answer_none(struct execution *x)
{
    answer(x, &(sl_answer){ .kind = SL_ANSWER_NONE });
}

static void answer_error(struct execution *x)
{
    answer(x, &(sl_answer){ .kind = SL_ANSWER_ERROR, .error = &x->error });
}

static void answer_text(struct execution *x, const char *text)
{
    answer(x, &(sl_answer){ .kind = SL_ANSWER_TEXT, .text = text });
}

/* Rows of text columns; cells[row * columns + column], NULL = null. */
static void answer_rows(struct execution *x, const char *const *names, uint32_t columns,
                        const char *const *cells, uint32_t rows)
{
    sl_field *fields = SL_ARENA_ARRAY(x->arena, sl_field, columns);
    for (uint32_t c = 0; c < columns; c++)
        fields[c] = (sl_field){ .name = names[c],
                                .type = sl_type_of(SL_TYPE_STRING),
                                .nullable = true };
    sl_schema schema = { columns, fields };
    sl_chunk_builder b;
    sl_code code = sl_chunk_builder_init(&b, &schema, rows + 1, NULL, &x->error);
    for (uint32_t i = 0; code == SL_OK && i < rows * columns; i++) {
        const char *cell = cells[i];
        sl_column_builder *column = &b.columns[i % columns];
        code = cell == NULL ? sl_column_builder_null(column, &x->error)
                            : sl_column_builder_string(column, cell,
                                                       (uint32_t)strlen(cell), &x->error);
    }
    if (code != SL_OK) {
        answer_error(x);
        return;
    }
    sl_chunk *chunk = sl_chunk_builder_finish(&b, rows);
    answer(x, &(sl_answer){ .kind = SL_ANSWER_ROWS,
                            .schema = &schema,
                            .chunks = &chunk,
                            .chunk_count = 1 });
    sl_chunk_unref(chunk);
}

/* ---- planning: planner lane ---- */

static int64_t wall_of(void *user)
{
    return sl_host_wall_us((sl_host *)user);
}

/* Relations named by a DESCRIBE are read like any other. */
static const sl_relation *read_of(struct execution *x, const char *name)
{
    sl_relation *r = SL_ARENA_NEW(x->arena, sl_relation);
    const char **parts = SL_ARENA_ARRAY(x->arena, const char *, 1);
    parts[0] = name;
    r->kind = SL_REL_READ;
    r->parts = parts;
    r->part_count = 1;
    r->pos = x->statement->name_pos;
    return r;
}

static sl_code find_sink(struct execution *x, const sl_statement *s, sl_error *err)
{
    const sl_table_info *table = sl_tables_find(x->session->tables, s->connector);
    x->sink_connector = table != NULL ? table->connector : s->connector;
    x->sink_options =
        table != NULL && s->options.count == 0 ? table->options : s->options;
    sl_code code = sl_sink_class_find(x->sink_connector, &x->sink, err);
    if (code == SL_OK)
        code = x->sink->describe(&x->sink_options, &x->sink_caps, err);
    if (code != SL_OK && err->line == 0) {
        err->line = s->connector_pos.line;
        err->column = s->connector_pos.column;
    }
    return code;
}

static sl_code plan_statement(struct execution *x, const sl_statement *s, sl_error *err)
{
    sl_catalog catalog;
    sl_sink_info sink;
    sl_session *session = x->session;
    sl_tables_catalog(session->tables, session->options, session->zone, x->arena,
                      &catalog);
    sl_plan_request r = {
        .query = s->query != NULL ? s->query : read_of(x, s->name),
        .catalog = &catalog,
        .result_rows_max = -1,
        .case_sensitive =
            sl_options_bool(session->options, "sluice.session.caseSensitive"),
    };
    if (s->kind == SL_ST_CREATE_STREAMING_QUERY) {
        SL_TRY(find_sink(x, s, err));
        sink = (sl_sink_info){ .connector = x->sink_connector,
                               .append = x->sink_caps.append,
                               .update = x->sink_caps.update,
                               .complete = x->sink_caps.complete,
                               .to_driver = x->sink_caps.to_driver };
        r.streaming_query = true;
        r.mode = s->mode;
        r.sink = &sink;
        r.sink_connector = x->sink_connector;
        r.sink_options = x->sink_options;
        r.result_rows_max = x->sink_caps.rows_max;
        if (s->trigger == SL_TRIGGER_CONTINUOUS)
            r.streaming_query = true; /* batches back to back: the default trigger */
    }
    if (s->kind == SL_ST_DESCRIBE || s->kind == SL_ST_SHOW_COLUMNS)
        return sl_plan_schema(&r, x->arena, &x->schema, err);
    if (s->kind ==
        SL_ST_CREATE_VIEW) /* names and types must be right now, not when used */
        return sl_plan_schema(&r, x->arena, &x->schema, err);
    return sl_plan_query(&r, &x->plan, err);
}

/* SELECT: all slices of each source, now. */
static sl_code list_slices(struct execution *x, sl_error *err)
{
    sl_session *s = x->session;
    sl_source_env env = {
        .fs = s->driver->host->fs,
        .wall_us = wall_of,
        .user = s->driver->host,
        .zone = s->zone,
        .slice_bytes = sl_options_int(s->options, "sluice.source.sliceBytes"),
        .memory = s->driver->config.memory,
    };
    uint32_t n = x->plan->source_count;
    x->slices = SL_ARENA_ARRAY(x->arena, const sl_span *, n + 1);
    x->slice_counts = SL_ARENA_ARRAY(x->arena, uint32_t, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const sl_source_plan *p = &x->plan->sources[i];
        const sl_source_class *class;
        sl_source *source;
        sl_source_batch batch = { 0 };
        SL_TRY(sl_source_class_find(p->connector, &class, err));
        SL_TRY(class->open(&env, &p->options, p->schema, false, &source, err));
        sl_code code = class->plan(source, true, x->arena, &batch, err);
        class->close(source);
        SL_TRY(code);
        x->slices[i] = batch.slices;
        x->slice_counts[i] = batch.has_data ? batch.slice_count : 0;
    }
    return SL_OK;
}

static sl_code plan_work(struct execution *x, sl_error *err)
{
    const sl_statement *s = x->statement;
    if (s->kind == SL_ST_EXPLAIN)
        return plan_statement(x, s->inner, err);
    SL_TRY(plan_statement(x, s, err));
    if (s->kind == SL_ST_CREATE_VIEW)
        return sl_tables_create(x->session->tables, s, err);
    return s->kind == SL_ST_QUERY ? list_slices(x, err) : SL_OK;
}

static void plan_run(sl_job *job)
{
    struct execution *x = (struct execution *)job;
    x->code = plan_work(x, &x->error);
}

/* ---- SELECT ---- */

static void on_select_result(void *user, const sl_batch_result *r)
{
    struct execution *x = (struct execution *)user;
    if (r->code != SL_OK) {
        x->error = r->error;
        answer_error(x);
        return;
    }
    answer(x, &(sl_answer){ .kind = SL_ANSWER_ROWS,
                            .schema = x->plan->output,
                            .chunks = r->chunks,
                            .chunk_count = r->chunk_count });
}

static uint32_t partitions_of(const sl_session *s)
{
    if (!sl_options_is_auto(s->options, "sluice.state.partitions"))
        return (uint32_t)sl_options_int(s->options, "sluice.state.partitions");
    uint32_t n = 2 * sl_driver__slots(s->driver);
    return n < 8 ? 8 : n;
}

static void start_select(struct execution *x)
{
    sl_session *s = x->session;
    sl_host *h = s->driver->host;
    sl_dispatch_config config = {
        .plan = x->plan,
        .query_id = "",
        .checkpoint = "",
        .partitions = partitions_of(s),
        .options = s->options,
    };
    x->dispatch = sl_dispatch_new(s->driver, &config);
    sl_batch_spec spec = {
        .epoch = 1,
        .attempt = 1,
        .batch_time_us = sl_host_wall_us(h) / 1000 * 1000,
        .seed = sl_host_rand64(h),
        .source_count = x->plan->source_count,
        .slices = x->slices,
        .slice_counts = x->slice_counts,
    };
    sl_dispatch_start(x->dispatch, &spec, on_select_result, x);
}

/* ---- streaming queries ---- */

static void on_stream_end(void *user)
{
    struct execution *x = (struct execution *)user;
    sl_query_info info;
    sl_stream_info(x->stream, &info);
    x->stream = NULL;
    if (info.error == NULL) {
        answer_none(x);
        return;
    }
    const sl_error *cause = info.error;
    (void)sl_fail_as(&x->error, cause->code, "STREAM_FAILED", "XXKST",
                     "Query [id = %s, runId = %s] terminated with exception: [%s] %.800s",
                     info.id, info.run_id, cause->condition, cause->text);
    answer_error(x);
}

static bool is_awaited(const sl_statement *s)
{
    return s->trigger == SL_TRIGGER_ONCE || s->trigger == SL_TRIGGER_AVAILABLE_NOW;
}

static void on_stream_started(void *user, sl_stream *stream, const sl_error *err)
{
    struct execution *x = (struct execution *)user;
    if (x->session == NULL)
        return;
    if (err != NULL) {
        x->error = *err;
        answer_error(x);
    } else if (is_awaited(x->statement) && !x->detached) {
        x->stream = stream;
        sl_stream_on_end(stream, on_stream_end, x);
    } else {
        answer_none(x);
    }
}

/* The plan borrows names and literals from the statement's arena, which goes with the
 * answer; a running query needs one that stands by itself, as workers get it. */
static sl_code own_plan(struct execution *x, sl_error *err)
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

static void start_stream(struct execution *x)
{
    const sl_statement *s = x->statement;
    sl_session *session = x->session;
    const char *base =
        sl_options_text(session->options, "sluice.streaming.checkpointLocation");
    sl_stream_request r = {
        .name = s->name,
        .sql = s->text,
        .plan = x->plan,
        .checkpoint = s->checkpoint != NULL ? s->checkpoint : "",
        .sink = x->sink_connector,
        .trigger = s->trigger == SL_TRIGGER_CONTINUOUS ? SL_TRIGGER_DEFAULT : s->trigger,
        .trigger_us = s->trigger_us,
        .options = session->options,
        .zone = session->zone,
    };
    sl_stream *stream;
    if (own_plan(x, &x->error) != SL_OK) {
        answer_error(x);
        return;
    }
    r.plan = x->plan;
    if (s->checkpoint == NULL && *base == '\0') {
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
        answer_error(x);
        return;
    }
    x->plan = NULL; /* the stream's now */
}

/* ---- DESCRIBE, EXPLAIN ---- */

static void answer_schema(struct execution *x)
{
    static const char *const names[] = { "col_name", "data_type", "comment" };
    const sl_schema *schema = x->schema;
    if (x->statement->tree) {
        sl_bytes text = { 0 };
        sl_schema_tree(schema, &text);
        char *copy = sl_arena_strdup(x->arena, sl_bytes_cstr(&text));
        sl_bytes_deinit(&text);
        answer_text(x, copy);
        return;
    }
    bool columns_only = x->statement->kind == SL_ST_SHOW_COLUMNS;
    uint32_t width = columns_only ? 1 : 3;
    const char **cells =
        SL_ARENA_ARRAY(x->arena, const char *, schema->field_count *width + 1);
    for (uint32_t i = 0; i < schema->field_count; i++) {
        sl_bytes type = { 0 };
        sl_type_simple(schema->fields[i].type, &type);
        cells[i * width] = schema->fields[i].name;
        if (!columns_only)
            cells[i * width + 1] = sl_arena_strdup(x->arena, sl_bytes_cstr(&type));
        sl_bytes_deinit(&type);
    }
    answer_rows(x, names, width, cells, schema->field_count);
}

static void answer_explain(struct execution *x)
{
    sl_bytes text = { 0 };
    sl_explain(x->plan, x->statement->explain, partitions_of(x->session), &text);
    char *copy = sl_arena_strdup(x->arena, sl_bytes_cstr(&text));
    sl_bytes_deinit(&text);
    answer_text(x, copy);
}

static void plan_done(sl_job *job)
{
    struct execution *x = (struct execution *)job;
    if (x->cancelled && x->code == SL_OK)
        x->code = sl_fail(&x->error, SL_ECANCELLED, "the statement was cancelled");
    if (x->code != SL_OK) {
        answer_error(x);
        return;
    }
    switch (x->statement->kind) {
    case SL_ST_QUERY:
        start_select(x);
        break;
    case SL_ST_CREATE_STREAMING_QUERY:
        start_stream(x);
        break;
    case SL_ST_DESCRIBE:
    case SL_ST_SHOW_COLUMNS:
        answer_schema(x);
        break;
    case SL_ST_EXPLAIN:
        answer_explain(x);
        break;
    default:
        answer_none(x);
    }
}

/* ---- statements that need no plan ---- */

static void show_tables(struct execution *x)
{
    static const char *const names[] = { "namespace", "tableName", "isTemporary" };
    const sl_tables *t = x->session->tables;
    const char **cells =
        SL_ARENA_ARRAY(x->arena, const char *, sl_tables_count(t) * 3 + 1);
    for (uint32_t i = 0; i < sl_tables_count(t); i++) {
        cells[i * 3] = sl_tables_is_view(t, i) ? "" : "default";
        cells[i * 3 + 1] = sl_tables_name(t, i);
        cells[i * 3 + 2] = sl_tables_is_view(t, i) ? "true" : "false";
    }
    answer_rows(x, names, 3, cells, sl_tables_count(t));
}

static void show_functions(struct execution *x)
{
    static const char *const names[] = { "function" };
    uint32_t n = sl_function_count();
    const char **cells = SL_ARENA_ARRAY(x->arena, const char *, n + 1);
    for (uint32_t i = 0; i < n; i++)
        cells[i] = sl_function_name(i);
    answer_rows(x, names, 1, cells, n);
}

static const char *state_text(sl_query_state state)
{
    static const char *const texts[] = { "STARTING",   "WAITING",  "PLANNING", "RUNNING",
                                         "COMMITTING", "RETRYING", "STOPPED",  "FAILED" };
    return texts[state];
}

static void show_queries(struct execution *x)
{
    static const char *const names[] = { "name",  "id",        "runId",
                                         "state", "lastBatch", "message" };
    sl_driver *d = x->session->driver;
    uint32_t n = sl_driver_query_count(d);
    const char **cells = SL_ARENA_ARRAY(x->arena, const char *, n * 6 + 1);
    for (uint32_t i = 0; i < n; i++) {
        sl_query_info info;
        sl_driver_query_info(d, i, &info);
        cells[i * 6] = info.name;
        cells[i * 6 + 1] = info.id;
        cells[i * 6 + 2] = info.run_id;
        cells[i * 6 + 3] = state_text(info.state);
        cells[i * 6 + 4] =
            info.last_batch < 0
                ? NULL
                : sl_arena_printf(x->arena, "%lld", (long long)info.last_batch);
        cells[i * 6 + 5] = info.message;
    }
    answer_rows(x, names, 6, cells, n);
}

/* The query a statement names; -1 after answering that there is none. */
static int32_t query_named(struct execution *x)
{
    sl_driver *d = x->session->driver;
    int32_t i = sl_driver_query_find(d, x->statement->name);
    if (i >= 0)
        return i;
    uint32_t n = sl_driver_query_count(d);
    const char **names = SL_ARENA_ARRAY(x->arena, const char *, n + 1);
    for (uint32_t k = 0; k < n; k++) {
        sl_query_info info;
        sl_driver_query_info(d, k, &info);
        names[k] = info.name;
    }
    const char *near = sl_text_nearest(x->statement->name, names, n);
    (void)sl_fail_as(&x->error, SL_ENOTFOUND, "STREAMING_QUERY_NOT_FOUND", "42704",
                     "There is no streaming query `%s`%s%s%s", x->statement->name,
                     near != NULL ? "; did you mean `" : "", near != NULL ? near : "",
                     near != NULL ? "`?" : "; SHOW STREAMING QUERIES lists them");
    x->error.line = x->statement->name_pos.line;
    x->error.column = x->statement->name_pos.column;
    answer_error(x);
    return -1;
}

static void describe_query(struct execution *x)
{
    static const char *const names[] = { "property", "value" };
    int32_t i = query_named(x);
    if (i < 0)
        return;
    sl_query_info info;
    sl_driver_query_info(x->session->driver, (uint32_t)i, &info);
    const char *cells[] = {
        "name",       info.name,
        "id",         info.id,
        "runId",      info.run_id,
        "state",      state_text(info.state),
        "message",    info.message,
        "lastBatch",  sl_arena_printf(x->arena, "%lld", (long long)info.last_batch),
        "checkpoint", info.checkpoint,
        "sql",        info.sql,
        "progress",   info.last_progress,
        "error",      info.error != NULL ? info.error->text : NULL,
    };
    answer_rows(x, names, 2, cells, sizeof cells / sizeof *cells / 2);
}

static void await_query(struct execution *x)
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
        answer_none(x);
        return;
    }
    sl_stream_on_end(s, on_stream_end, x);
}

static void show_settings(struct execution *x)
{
    static const char *const names[] = { "key", "value" };
    sl_options *o = x->session->options;
    const sl_statement *s = x->statement;
    uint32_t n = 0;
    const char **cells =
        SL_ARENA_ARRAY(x->arena, const char *, sl_options_def_count() * 2 + 2);
    for (uint32_t i = 0; i < sl_options_def_count(); i++) {
        const sl_option_def *def = sl_options_def(i);
        if (s->name != NULL && sl_options_find_def(s->name) != def)
            continue;
        if (s->name == NULL && !sl_options_is_set(o, def->name))
            continue;
        cells[n * 2] = s->name != NULL ? s->name : def->name;
        cells[n * 2 + 1] = sl_options_text(o, def->name);
        n++;
    }
    answer_rows(x, names, 2, cells, n);
}

static void set_setting(struct execution *x)
{
    sl_session *session = x->session;
    const sl_statement *s = x->statement;
    const sl_time_zone *zone = session->zone;
    sl_code code = SL_OK;
    const sl_option_def *def = s->name != NULL ? sl_options_find_def(s->name) : NULL;
    if (s->name != NULL && s->value == NULL && def != NULL) {
        show_settings(x);
        return;
    }
    if (s->name == NULL) {
        show_settings(x);
        return;
    }
    if (def != NULL && strcmp(def->name, "sluice.session.timeZone") == 0)
        code = sl_time_zone_find(s->value, &zone, &x->error);
    if (code == SL_OK)
        code = sl_options_set(session->options, s->name, s->value != NULL ? s->value : "",
                              &x->error);
    if (code != SL_OK) {
        x->error.line = s->name_pos.line;
        x->error.column = s->name_pos.column;
        answer_error(x);
        return;
    }
    session->zone = zone;
    show_settings(x);
}

static void reset_settings(struct execution *x)
{
    sl_session *session = x->session;
    const sl_statement *s = x->statement;
    for (uint32_t i = 0; s->name == NULL && i < sl_options_def_count(); i++)
        (void)!sl_options_unset(session->options, sl_options_def(i)->name, NULL);
    if (s->name != NULL &&
        sl_options_unset(session->options, s->name, &x->error) != SL_OK) {
        answer_error(x);
        return;
    }
    (void)!sl_time_zone_find(sl_options_text(session->options, "sluice.session.timeZone"),
                             &session->zone, NULL);
    answer_none(x);
}

static void change_tables(struct execution *x)
{
    const sl_statement *s = x->statement;
    sl_code code = s->kind == SL_ST_CREATE_TABLE
                       ? sl_tables_create(x->session->tables, s, &x->error)
                       : sl_tables_drop(x->session->tables, s, &x->error);
    if (code != SL_OK)
        answer_error(x);
    else
        answer_none(x);
}

static void submit_plan(struct execution *x)
{
    sl_driver *d = x->session->driver;
    x->job = (sl_job){
        .name = "plan-statement", .run = plan_run, .done = plan_done, .owner = d
    };
    sl_host_submit(d->host, d->planner, &x->job);
}

void sl_session_execute(sl_session *s, sl_arena *arena, const sl_statement *statement,
                        sl_answer_fn on_answer, void *user)
{
    struct execution *x = (struct execution *)sl_calloc(1, sizeof *x);
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
    case SL_ST_QUERY:
    case SL_ST_CREATE_STREAMING_QUERY:
    case SL_ST_CREATE_VIEW:
    case SL_ST_DESCRIBE:
    case SL_ST_SHOW_COLUMNS:
    case SL_ST_EXPLAIN:
        submit_plan(x);
        break;
    case SL_ST_CREATE_TABLE:
    case SL_ST_DROP_TABLE:
    case SL_ST_DROP_VIEW:
        change_tables(x);
        break;
    case SL_ST_SHOW_TABLES:
        show_tables(x);
        break;
    case SL_ST_SHOW_FUNCTIONS:
        show_functions(x);
        break;
    case SL_ST_SHOW_STREAMING_QUERIES:
        show_queries(x);
        break;
    case SL_ST_DESCRIBE_STREAMING_QUERY:
        describe_query(x);
        break;
    case SL_ST_STOP_STREAMING_QUERY:
    case SL_ST_AWAIT_STREAMING_QUERY:
        await_query(x);
        break;
    case SL_ST_SET:
        set_setting(x);
        break;
    case SL_ST_RESET:
        reset_settings(x);
        break;
    }
}

void sl_session_set_detached(sl_session *s, bool detached)
{
    s->detached = detached;
}

void sl_session_cancel(sl_session *s)
{
    struct execution *x = s->current;
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
    answer_error(x);
}
