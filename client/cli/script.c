/* Everything happens on the main thread, the loop thread of the cluster, but for console
 * text (a lane) and signals (a thread that waits for them: the first ends queries at a
 * batch boundary, the second abandons the batch). */
#include "client/cli/script.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "client/cli/cli.h"
#include "client/cluster/local.h"
#include "engine/columnar/show.h"
#include "engine/sql/parse.h"

struct script {
    const sl_script_config *config;
    sl_local_cluster *cluster;
    sl_session *session;
    sl_sql_cursor cursor;
    bool stop; /* leave the loop */
    bool statements_done;
    int exit_code;
    int signals;       /* seen */
    int signal_number; /* the first */
    bool pipe_closed;
};

static void next_statement(void *user);

/* ---- output ---- */

static sl_code write_all(int fd, const char *text, size_t length, sl_error *err)
{
    while (length > 0) {
        ssize_t n = write(fd, text, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EPIPE)
            return sl_fail(err, SL_ECANCELLED, "nobody reads the console any more");
        if (n < 0)
            return sl_fail_errno(err, errno, "cannot write to the console");
        text += n;
        length -= (size_t)n;
    }
    return SL_OK;
}

static sl_code print_console(void *user, const char *text, size_t length, sl_error *err)
{
    (void)user;
    return write_all(STDOUT_FILENO, text, length, err);
}

static void out(struct script *s, const sl_bytes *text)
{
    sl_error err;
    if (write_all(STDOUT_FILENO, sl_bytes_cstr(text), text->size_bytes, &err) != SL_OK)
        s->pipe_closed = true;
}

static void show_rows(struct script *s, const sl_answer *a)
{
    sl_bytes text = { 0 };
    sl_show_table(a->schema, a->chunks, a->chunk_count, s->config->show_rows,
                  s->config->show_truncate, sl_session_zone(s->session), &text);
    sl_bytes_char(&text, '\n');
    out(s, &text);
    sl_bytes_deinit(&text);
}

static void json_rows(struct script *s, const sl_answer *a)
{
    sl_bytes text = { 0 }, schema = { 0 };
    bool first = true;
    sl_schema_simple(a->schema, &schema);
    sl_bytes_text(&text, "{\"schema\": ");
    sl_json_string(&text, sl_bytes_cstr(&schema), schema.size_bytes);
    sl_bytes_text(&text, ", \"rows\": [");
    for (uint32_t k = 0; k < a->chunk_count; k++) {
        const sl_chunk *c = a->chunks[k];
        for (uint32_t i = 0; i < c->selected; i++) {
            sl_bytes_text(&text, first ? "[" : ", [");
            first = false;
            for (uint32_t col = 0; col < a->schema->field_count; col++) {
                if (col > 0)
                    sl_bytes_text(&text, ", ");
                sl_value_json(&c->columns[col], sl_chunk_row(c, i),
                              sl_session_zone(s->session), false, &text);
            }
            sl_bytes_char(&text, ']');
        }
    }
    sl_bytes_text(&text, "]}\n");
    out(s, &text);
    sl_bytes_deinit(&schema);
    sl_bytes_deinit(&text);
}

static void json_text(struct script *s, const char *value)
{
    sl_bytes text = { 0 };
    sl_bytes_text(&text, "{\"schema\": \"struct<plan:string>\", \"rows\": [[");
    sl_json_string(&text, value, strlen(value));
    sl_bytes_text(&text, "]]}\n");
    out(s, &text);
    sl_bytes_deinit(&text);
}

static void json_error(struct script *s, const sl_error *e)
{
    sl_bytes text = { 0 };
    sl_bytes_text(&text, "{\"error\": {\"class\": ");
    sl_json_string(&text, e->condition, strlen(e->condition));
    sl_bytes_text(&text, ", \"sqlState\": ");
    sl_json_string(&text, e->sqlstate, strlen(e->sqlstate));
    sl_bytes_text(&text, ", \"message\": ");
    sl_json_string(&text, e->text, strlen(e->text));
    if (e->line != 0)
        sl_bytes_printf(&text, ", \"line\": %u, \"column\": %u}}\n", e->line, e->column);
    else
        sl_bytes_text(&text, ", \"line\": null, \"column\": null}}\n");
    out(s, &text);
    sl_bytes_deinit(&text);
}

static void report_error(struct script *s, const sl_error *e)
{
    if (s->exit_code == 0)
        s->exit_code = sl_cli_exit_code(e);
    if (s->config->json) {
        json_error(s, e);
        return;
    }
    sl_bytes text = { 0 };
    sl_sql_error_text(e, s->config->text, s->config->length, &text);
    (void)!write_all(STDERR_FILENO, sl_bytes_cstr(&text), text.size_bytes, NULL);
    sl_bytes_deinit(&text);
}

/* ---- one statement after another ---- */

static void leave_if_idle(struct script *s)
{
    if (s->statements_done && sl_driver_queries_active(sl_local_driver(s->cluster)) == 0)
        s->stop = true;
}

static void finish_statements(struct script *s)
{
    s->statements_done = true;
    leave_if_idle(s);
}

static void go_on(struct script *s)
{
    sl_host_post(sl_local_host(s->cluster), s, next_statement, s);
}

static void on_answer(void *user, const sl_answer *a)
{
    struct script *s = (struct script *)user;
    if (a->note != NULL && !s->config->json)
        fprintf(stderr, "note: %s\n", a->note);
    switch (a->kind) {
    case SL_ANSWER_ERROR:
        if (s->signals > 0 && a->error->code == SL_ECANCELLED)
            break;
        report_error(s, a->error);
        if (!s->config->keep_going) {
            sl_driver_stop(sl_local_driver(s->cluster), false);
            finish_statements(s);
            return;
        }
        break;
    case SL_ANSWER_NONE:
        if (s->config->json) {
            sl_bytes text = { 0 };
            sl_bytes_text(&text, "{\"schema\": \"struct<>\", \"rows\": []}\n");
            out(s, &text);
            sl_bytes_deinit(&text);
        }
        break;
    case SL_ANSWER_ROWS:
        if (s->config->json)
            json_rows(s, a);
        else
            show_rows(s, a);
        break;
    case SL_ANSWER_TEXT:
        if (s->config->json) {
            json_text(s, a->text);
        } else {
            sl_bytes text = { 0 };
            sl_bytes_text(&text, a->text);
            sl_bytes_char(&text, '\n');
            out(s, &text);
            sl_bytes_deinit(&text);
        }
        break;
    }
    go_on(s);
}

static void next_statement(void *user)
{
    struct script *s = (struct script *)user;
    sl_arena *arena = sl_arena_new();
    const sl_statement *statement = NULL;
    sl_error err;
    if (s->signals > 0 || s->pipe_closed) {
        sl_arena_free(arena);
        finish_statements(s);
        return;
    }
    if (sl_sql_parse_next(s->config->text, s->config->length, &s->cursor, arena,
                          &statement, &err) != SL_OK) {
        sl_arena_free(arena);
        on_answer(s, &(sl_answer){ .kind = SL_ANSWER_ERROR, .error = &err });
        return;
    }
    if (statement == NULL) {
        sl_arena_free(arena);
        finish_statements(s);
        return;
    }
    sl_session_execute(s->session, arena, statement, on_answer, s);
}

static void leave_later(void *user)
{
    leave_if_idle((struct script *)user);
}

/* A query that runs beside the statements and fails is an error of the script. */
static void on_query_event(void *user, sl_query_event_kind kind, const sl_query_info *q)
{
    struct script *s = (struct script *)user;
    if (kind != SL_EVENT_TERMINATED)
        return;
    if (q->error != NULL && s->statements_done)
        report_error(s, q->error);
    sl_host_post(sl_local_host(s->cluster), s, leave_later, s);
}

/* ---- signals ---- */

static void on_signal(void *user)
{
    struct script *s = (struct script *)user;
    sl_driver *d = sl_local_driver(s->cluster);
    s->signals++;
    sl_driver_stop(d, s->signals > 1);
    if (sl_driver_queries_active(d) == 0 || s->signals > 1)
        sl_session_cancel(s->session); /* a SELECT */
    leave_if_idle(s);
}

static void *wait_for_signals(void *user)
{
    struct script *s = (struct script *)user;
    sigset_t set;
    int number;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    while (sigwait(&set, &number) == 0) {
        if (s->signal_number == 0)
            s->signal_number = number;
        sl_host_post(sl_local_host(s->cluster), s, on_signal, s);
    }
    return NULL;
}

int sl_script_run(const sl_script_config *config)
{
    struct script s = { .config = config, .cursor = { .line = 1, .column = 1 } };
    sl_error err;
    sigset_t set;
    pthread_t thread;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread is made */
    sl_local_config local = { .slots = config->slots,
                              .print = print_console,
                              .user = NULL };
    if (sl_local_cluster_new(&local, &s.cluster, &err) != SL_OK) {
        sl_cli_print_error(&err);
        return sl_cli_exit_code(&err);
    }
    s.session = sl_session_new(sl_local_driver(s.cluster), config->options);
    sl_driver_set_listener(sl_local_driver(s.cluster), on_query_event, &s);
    bool has_thread = pthread_create(&thread, NULL, wait_for_signals, &s) == 0;
    go_on(&s);
    (void)!sl_host_run_until(sl_local_host(s.cluster), &s.stop);
    if (has_thread) {
        pthread_cancel(thread);
        pthread_join(thread, NULL);
    }
    sl_host_close_owner(sl_local_host(s.cluster), &s);
    sl_local_cluster_free(s.cluster);
    return s.signal_number == SIGINT ? 130 : s.exit_code;
}
