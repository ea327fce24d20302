#include "tests/sim/script.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/columnar/show.h"

#define LOOK_AGAIN_US 1000

static void next_statement(void *user);

static void on_answer(void *user, const sl_answer *a)
{
    sim_script *s = (sim_script *)user;
    if (s->scripts->is_deaf)
        return;
    if (a->kind == SL_ANSWER_ERROR) {
        s->query->done = true;
        s->query->error = *a->error;
        return;
    }
    if (a->kind == SL_ANSWER_ROWS) {
        sl_bytes_clear(&s->query->shown);
        sl_show_table(a->schema, a->chunks, a->chunk_count, UINT32_MAX, 0,
                      sl_session_zone(s->session), &s->query->shown);
    }
    sl_host_post(s->scripts->host, s->scripts, next_statement, s);
}

static void next_statement(void *user)
{
    sim_script *s = (sim_script *)user;
    sim_query *q = s->query;
    sl_host *h = s->scripts->host;
    if (sl_driver_is_resuming(s->scripts->driver)) {
        (void)sl_host_timer(h, s->scripts, sl_host_mono_us(h) + LOOK_AGAIN_US,
                            next_statement, s);
        return;
    }
    sl_arena *arena = sl_arena_new();
    const sl_statement *statement = NULL;
    if (sl_sql_parse_next(sl_bytes_cstr(&q->sql), q->sql.size_bytes, &s->cursor, arena,
                          &statement, &q->error) != SL_OK ||
        statement == NULL) {
        q->done = true;
        sl_arena_free(arena);
        return;
    }
    char origin[32];
    snprintf(origin, sizeof origin, "sim/%u/%zu", s->index, s->cursor.offset);
    sl_session_set_origin(s->session, origin);
    sl_session_execute(s->session, arena, statement, on_answer, s);
}

void sim_scripts_start(sim_scripts *s, sim_world *w, sl_host *host, sl_driver *d)
{
    *s = (sim_scripts){ .host = host, .driver = d };
    sl_options *options = sl_options_new();
    if (sl_options_set(options, "sluice.state.partitions", "3", NULL) != SL_OK ||
        sl_options_set(options, "sluice.sink.inlineOutput", w->staged ? "false" : "true",
                       NULL) != SL_OK)
        abort();
    for (uint32_t i = 0; i < w->query_count; i++) {
        sim_script *one = &s->of[i];
        sim_query *q = &w->queries[i];
        *one = (sim_script){
            s, q, i, sl_session_new(d, options), { .line = 1, .column = 1 }
        };
        q->done = q->refused;
        if (!q->refused)
            q->error = (sl_error){ 0 };
        if (!sim_is_console(q->kind))
            sl_bytes_clear(&q->shown);
        if (!q->done)
            sl_host_post(host, s, next_statement, one);
    }
    sl_options_free(options);
}

void sim_scripts_stop(sim_scripts *s)
{
    s->is_deaf = true;
    sl_host_close_owner(s->host, s);
}
