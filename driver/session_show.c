/* Statements about the session itself: its tables, functions and settings. */
#include <string.h>

#include "base/alloc.h"
#include "driver/session_private.h"
#include "engine/expr/expr.h"

void sl_session__show_tables(sl_execution *x)
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
    sl_session__answer_rows(x, names, 3, cells, sl_tables_count(t));
}

void sl_session__show_functions(sl_execution *x)
{
    static const char *const names[] = { "function" };
    uint32_t n = sl_function_count();
    const char **cells = SL_ARENA_ARRAY(x->arena, const char *, n + 1);
    for (uint32_t i = 0; i < n; i++)
        cells[i] = sl_function_name(i);
    sl_session__answer_rows(x, names, 1, cells, n);
}

static void show_settings(sl_execution *x)
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
    sl_session__answer_rows(x, names, 2, cells, n);
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

void sl_session__reset_settings(sl_execution *x)
{
    sl_session *session = x->session;
    const sl_statement *s = x->statement;
    for (uint32_t i = 0; s->name == NULL && i < sl_options_def_count(); i++)
        (void)!sl_options_unset(session->options, sl_options_def(i)->name, NULL);
    if (s->name != NULL &&
        sl_options_unset(session->options, s->name, &x->error) != SL_OK) {
        sl_session__answer_error(x);
        return;
    }
    (void)!sl_time_zone_find(sl_options_text(session->options, "sluice.session.timeZone"),
                             &session->zone, NULL);
    sl_session__answer_none(x);
}
