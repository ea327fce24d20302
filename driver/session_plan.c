/* What a statement needs of the planner lane: sources described, schemas inferred, names
 * resolved, slices listed.  The answer, or the start of the query, follows on the loop
 * thread. */
#include "base/alloc.h"
#include "connectors/source_plan.h"
#include "driver/session_private.h"
#include "engine/plan/analyze.h"

/* ---- planning: planner lane ---- */

static int64_t wall_of(void *user)
{
    return sl_host_wall_us((sl_host *)user);
}

static bool is_stream_only(sl_execution *x, const char *name)
{
    const sl_table_info *table = sl_tables_find(x->session->tables, name);
    const sl_source_class *class;
    return table != NULL &&
           sl_source_class_find(table->connector, &class, NULL) == SL_OK &&
           class->stream_only;
}

/* Relations named by a DESCRIBE are read like any other. */
static const sl_relation *read_of(sl_execution *x, const char *name)
{
    sl_relation *r = SL_ARENA_NEW(x->arena, sl_relation);
    const char **parts = SL_ARENA_ARRAY(x->arena, const char *, 1);
    parts[0] = name;
    r->kind = SL_REL_READ;
    r->parts = parts;
    r->part_count = 1;
    r->stream = is_stream_only(x, name);
    r->pos = x->statement->name_pos;
    return r;
}

static sl_code find_sink(sl_execution *x, const sl_statement *s, sl_error *err)
{
    const sl_table_info *table = sl_tables_find(x->session->tables, s->connector);
    x->sink_connector = table != NULL ? table->connector : s->connector;
    x->sink_options =
        table != NULL && s->options.count == 0 ? table->options : s->options;
    x->sink_options = sl_session__paths(x->session, &x->sink_options, x->arena);
    sl_code code = sl_sink_class_find(x->sink_connector, &x->sink, err);
    if (code == SL_OK)
        code = x->sink->describe(&x->sink_options, &x->sink_caps, err);
    if (code != SL_OK && err->line == 0) {
        err->line = s->connector_pos.line;
        err->column = s->connector_pos.column;
    }
    return code;
}

static sl_code plan_statement(sl_execution *x, const sl_statement *s, sl_error *err)
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
        .view = s->kind == SL_ST_CREATE_VIEW ? s->name : NULL,
        .trace = x->statement->explain == SL_EXPLAIN_EXTENDED ? &x->trace : NULL,
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
static sl_code list_slices(sl_execution *x, sl_error *err)
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

static sl_code plan_work(sl_execution *x, sl_error *err)
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
    sl_execution *x = (sl_execution *)job;
    x->code = plan_work(x, &x->error);
}

/* ---- DESCRIBE, EXPLAIN ---- */

static void answer_schema(sl_execution *x)
{
    static const sl_answer_column columns[] = { { "col_name", SL_TYPE_STRING },
                                                { "data_type", SL_TYPE_STRING },
                                                { "comment", SL_TYPE_STRING } };
    const sl_schema *schema = x->schema;
    if (x->statement->tree) {
        sl_bytes text = { 0 };
        sl_schema_tree(schema, &text);
        char *copy = sl_arena_strdup(x->arena, sl_bytes_cstr(&text));
        sl_bytes_deinit(&text);
        sl_session__answer_text(x, copy);
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
    sl_session__answer_rows(x, columns, width, cells, schema->field_count);
}

static void answer_explain(sl_execution *x)
{
    sl_bytes text = { 0 };
    sl_bytes_text(&text, sl_bytes_cstr(&x->trace));
    sl_explain(x->plan, x->statement->explain,
               sl_driver__partitions(x->session->driver, x->session->options), &text);
    char *copy = sl_arena_strdup(x->arena, sl_bytes_cstr(&text));
    sl_bytes_deinit(&text);
    sl_session__answer_text(x, copy);
}

static void plan_done(sl_job *job)
{
    sl_execution *x = (sl_execution *)job;
    if (x->cancelled && x->code == SL_OK)
        x->code = sl_fail(&x->error, SL_ECANCELLED, "the statement was cancelled");
    if (x->code != SL_OK) {
        sl_session__answer_error(x);
        return;
    }
    switch (x->statement->kind) {
    case SL_ST_QUERY:
        sl_session__start_select(x);
        break;
    case SL_ST_CREATE_STREAMING_QUERY:
        sl_session__start_stream(x);
        break;
    case SL_ST_DESCRIBE:
    case SL_ST_SHOW_COLUMNS:
        answer_schema(x);
        break;
    case SL_ST_EXPLAIN:
        answer_explain(x);
        break;
    default:
        sl_session__answer_none(x);
    }
}

void sl_session__submit_plan(sl_execution *x)
{
    sl_driver *d = x->session->driver;
    x->job = (sl_job){
        .name = "plan-statement", .run = plan_run, .done = plan_done, .owner = d
    };
    sl_host_submit(d->host, d->planner, &x->job);
}
