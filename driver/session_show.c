/* Statements about the session itself: its tables, functions and settings. */
#include <string.h>

#include "base/alloc.h"
#include "driver/session_private.h"
#include "engine/expr/expr.h"

void sl_session__show_tables(sl_execution *x)
{
    bool only_views = x->statement->kind == SL_ST_SHOW_VIEWS;
    const sl_answer_column columns[] = {
        { "namespace", SL_TYPE_STRING },
        { only_views ? "viewName" : "tableName", SL_TYPE_STRING },
        { "isTemporary", SL_TYPE_BOOLEAN },
    };
    const sl_tables *t = x->session->tables;
    uint32_t rows = 0;
    const char **cells =
        SL_ARENA_ARRAY(x->arena, const char *, sl_tables_count(t) * 3 + 1);
    for (uint32_t i = 0; i < sl_tables_count(t); i++) {
        bool is_view = sl_tables_is_view(t, i);
        if (only_views && !is_view)
            continue;
        cells[rows * 3] = is_view ? "" : "default";
        cells[rows * 3 + 1] = sl_tables_name(t, i);
        cells[rows * 3 + 2] = is_view ? "true" : "false";
        rows++;
    }
    sl_session__answer_rows(x, columns, 3, cells, rows);
}

void sl_session__show_functions(sl_execution *x)
{
    static const sl_answer_column columns[] = { { "function", SL_TYPE_STRING } };
    uint32_t n = sl_function_count();
    const char **cells = SL_ARENA_ARRAY(x->arena, const char *, n + 1);
    for (uint32_t i = 0; i < n; i++)
        cells[i] = sl_function_name(i);
    sl_session__answer_rows(x, columns, 1, cells, n);
}

static void show_settings(sl_execution *x)
{
    static const sl_answer_column columns[] = { { "key", SL_TYPE_STRING },
                                                { "value", SL_TYPE_STRING } };
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
    sl_session__answer_rows(x, columns, 2, cells, n);
}

void sl_session__set_setting(sl_execution *x)
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
        sl_session__answer_error(x);
        return;
    }
    session->zone = zone;
    show_settings(x);
}

/* The value the session began with, or none. */
static sl_code reset_setting(sl_session *session, const char *name, sl_error *err)
{
    const sl_option_def *def = sl_options_find_def(name);
    if (def != NULL && sl_options_is_set(session->first_options, def->name))
        return sl_options_set(session->options, name,
                              sl_options_text(session->first_options, def->name), err);
    return sl_options_unset(session->options, name, err);
}

void sl_session__reset_settings(sl_execution *x)
{
    sl_session *session = x->session;
    const sl_statement *s = x->statement;
    sl_code code = SL_OK;
    for (uint32_t i = 0; s->name == NULL && i < sl_options_def_count() && code == SL_OK;
         i++)
        code = reset_setting(session, sl_options_def(i)->name, &x->error);
    if (s->name != NULL)
        code = reset_setting(session, s->name, &x->error);
    if (code != SL_OK) {
        x->error.line = s->name_pos.line;
        x->error.column = s->name_pos.column;
        sl_session__answer_error(x);
        return;
    }
    (void)!sl_time_zone_find(sl_options_text(session->options, "sluice.session.timeZone"),
                             &session->zone, NULL);
    sl_session__answer_none(x);
}
