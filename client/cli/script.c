/* Three threads meet here: the main thread runs statements and waits for queries, the
 * client's loop thread tells how queries ended, and one thread waits for signals.  `lock`
 * guards what they share. */
#include "client/cli/script.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "client/cli/cli.h"
#include "client/cli/failures.h"

struct script {
    const sl_script_config *config;
    sl_client *client;
    pthread_mutex_t lock;
    int exit_code; /* lock: of the first failure */
    sl_failures failures;
    int signals;          /* lock: seen */
    int signal_number;    /* lock: the first */
    bool was_interrupted; /* lock: a statement was cut off */
    bool over;            /* lock: the signal thread shall end */
    bool output_failed;   /* lock: a full disk, not a reader that left */
    bool pipe_closed;     /* main thread */
    pthread_t stopper;    /* waits for the driver to stop our queries */
    bool has_stopper;     /* signal thread, then main thread */
};

/* ---- output ---- */

static bool write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, text, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        text += n;
        length -= (size_t)n;
    }
    return true;
}

/* To standard output.  A reader that left has seen enough; any other failure is one of
 * ours: rows are lost. */
static bool put(struct script *s, const char *text, size_t length)
{
    if (write_all(STDOUT_FILENO, text, length))
        return true;
    int why = errno;
    pthread_mutex_lock(&s->lock);
    bool is_news = why != EPIPE && !s->output_failed;
    s->output_failed = s->output_failed || is_news;
    if (is_news && s->exit_code == 0)
        s->exit_code = SL_CLIENT_FAILED;
    pthread_mutex_unlock(&s->lock);
    if (is_news)
        fprintf(stderr, "sluice: cannot write standard output: %s\n", strerror(why));
    return false;
}

/* Of queries, on a thread of the client. */
static int print_console(void *user, const char *text, size_t length)
{
    return put((struct script *)user, text, length) ? 0 : 1;
}

/* Takes the text. */
static void print_text(struct script *s, char *text, const char *ending)
{
    if (!put(s, text, strlen(text)) || !put(s, ending, strlen(ending)))
        s->pipe_closed = true;
    sl_client_text_free(text);
}

static uint32_t rows_to_show(const struct script *s, const sl_client_result *r)
{
    uint64_t rows = sl_client_result_rows(r);
    return s->config->show_rows != UINT32_MAX ? s->config->show_rows
           : rows < UINT32_MAX - 1            ? (uint32_t)rows
                                              : UINT32_MAX - 1;
}

/* A blank line behind every answer, as Spark's println of its tables, trees and plans. */
static const char *blank_line_after(const char *text)
{
    size_t n = strlen(text);
    if (n >= 2 && text[n - 1] == '\n' && text[n - 2] == '\n')
        return "";
    return n >= 1 && text[n - 1] == '\n' ? "\n" : "\n\n";
}

static void show_result(struct script *s, const sl_client_result *r)
{
    const char *note = sl_client_result_note(r);
    if (s->config->json) {
        print_text(s, sl_client_result_json(r), "\n");
        return;
    }
    if (note != NULL)
        fprintf(stderr, "note: %s\n", note);
    if (sl_client_result_kind_of(r) == SL_CLIENT_NONE)
        return;
    char *text = sl_client_result_show(r, rows_to_show(s, r), s->config->show_truncate);
    print_text(s, text,
               sl_client_result_kind_of(r) == SL_CLIENT_ROWS ? "\n"
                                                             : blank_line_after(text));
}

/* ---- errors ---- */

static void report_error(struct script *s, const sl_client_error *e)
{
    char *text = s->config->json
                     ? sl_client_error_json(e)
                     : sl_client_error_text(e, s->config->text, s->config->length);
    pthread_mutex_lock(&s->lock);
    if (s->exit_code == 0)
        s->exit_code = (int)e->status;
    pthread_mutex_unlock(&s->lock);
    if (s->config->json) {
        if (!put(s, text, strlen(text)) || !put(s, "\n", 1))
            s->pipe_closed = true;
    } else {
        (void)!write_all(STDERR_FILENO, text, strlen(text));
    }
    sl_client_text_free(text);
}

static void report_failure(void *user, const sl_client_error *e)
{
    report_error((struct script *)user, e);
}

static void on_query_event(void *user, sl_client_event event, const sl_client_query *q,
                           const char *progress)
{
    (void)progress;
    sl_failures_on_event(&((struct script *)user)->failures, event, q);
}

/* ---- statements ---- */

static bool is_interrupted(struct script *s)
{
    pthread_mutex_lock(&s->lock);
    bool interrupted = s->signals > 0;
    pthread_mutex_unlock(&s->lock);
    return interrupted;
}

/* True: go on with the next statement. */
static bool run_statement(struct script *s, sl_client_place *place)
{
    const sl_script_config *config = s->config;
    sl_client_result *result = NULL;
    sl_client_error e = { .status = SL_CLIENT_OK };
    if (is_interrupted(s) || s->pipe_closed)
        return false;
    sl_failures_hold(&s->failures);
    sl_client_status status =
        sl_client_next(s->client, config->text, config->length, place, &result, &e);
    sl_failures_release(&s->failures, status != SL_CLIENT_OK ? &e : NULL);
    if (status == SL_CLIENT_CANCELLED && is_interrupted(s)) {
        pthread_mutex_lock(&s->lock);
        s->was_interrupted = true;
        pthread_mutex_unlock(&s->lock);
        return false;
    }
    if (status != SL_CLIENT_OK) {
        report_error(s, &e);
        return config->keep_going;
    }
    if (result == NULL)
        return false;
    show_result(s, result);
    sl_client_result_free(result);
    return true;
}

/* The queries that go on without us. */
static void name_left(struct script *s)
{
    sl_client_query *queries;
    uint32_t count;
    if (sl_client_queries(s->client, &queries, &count, NULL) != SL_CLIENT_OK)
        return;
    for (uint32_t i = 0; i < count; i++)
        if (queries[i].is_active)
            fprintf(stderr,
                    "note: query %s goes on: `sluice query attach %s --master %s`\n",
                    queries[i].name, queries[i].name, s->config->client.master);
    sl_client_queries_free(queries);
}

static void run_statements(struct script *s)
{
    sl_client_place place = SL_CLIENT_PLACE_START;
    while (run_statement(s, &place))
        ;
    pthread_mutex_lock(&s->lock);
    bool failed = s->exit_code != 0 && !s->config->keep_going;
    pthread_mutex_unlock(&s->lock);
    if (failed || s->pipe_closed)
        (void)sl_client_stop(s->client, NULL, false, NULL);
    else if (s->config->client.is_detached && !is_interrupted(s)) {
        name_left(s);
        return;
    }
    (void)sl_client_await(s->client, NULL, -1, NULL, NULL);
}

/* ---- signals ---- */

static void *stop_when_back(void *user)
{
    (void)sl_client_stop(((struct script *)user)->client, NULL, false, NULL);
    return NULL;
}

/* A wish to end is not lost with the driver. Another thread waits for the next one, so
 * that a second signal is heard. */
static void on_signal_without_driver(struct script *s, int count)
{
    if (count > 1)
        _exit(130); /* the queries are the driver's */
    fputs("note: the driver is away; its queries are stopped when it is back, Ctrl-C "
          "again leaves them to it\n",
          stderr);
    sl_client_cancel(s->client); /* what waits for the driver */
    s->has_stopper = pthread_create(&s->stopper, NULL, stop_when_back, s) == 0;
}

static void on_signal(struct script *s, int count)
{
    if (count > 2)
        _exit(130); /* a blocked pipe holds up a batch: as a kill, which loses nothing */
    if (!sl_client_is_connected(s->client)) {
        on_signal_without_driver(s, count);
        return;
    }
    (void)sl_client_stop(s->client, NULL, count > 1, NULL);
    if (count > 1 || sl_client_active_count(s->client) == 0)
        sl_client_cancel(s->client); /* a SELECT */
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
        pthread_mutex_lock(&s->lock);
        bool over = s->over;
        if (!over && s->signal_number == 0)
            s->signal_number = number;
        int count = over ? 0 : ++s->signals;
        pthread_mutex_unlock(&s->lock);
        if (over)
            break;
        on_signal(s, count);
    }
    return NULL;
}

/* Before any other thread is made, so that all inherit it. */
static void block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void end_signal_thread(struct script *s, pthread_t thread)
{
    pthread_mutex_lock(&s->lock);
    s->over = true;
    pthread_mutex_unlock(&s->lock);
    pthread_kill(thread, SIGTERM);
    pthread_join(thread, NULL);
}

static int exit_code_of(const struct script *s)
{
    if (s->signal_number == SIGINT || s->was_interrupted)
        return SL_CLIENT_CANCELLED;
    return s->exit_code;
}

int sl_script_run(const sl_script_config *config)
{
    struct script *s = (struct script *)sl_calloc(1, sizeof *s);
    sl_client_error e;
    pthread_t thread;
    s->config = config;
    pthread_mutex_init(&s->lock, NULL);
    sl_failures_init(&s->failures, report_failure, s);
    block_signals();
    sl_client_config client = config->client;
    client.print = print_console;
    client.print_user = s;
    sl_client_status status = sl_client_open(&client, &s->client, &e);
    if (status == SL_CLIENT_USAGE) {
        s->exit_code = sl_cli_usage_error(config->command, "%s", e.message);
    } else if (status != SL_CLIENT_OK) {
        report_error(s, &e);
    } else {
        sl_client_set_listener(s->client, on_query_event, false, s);
        bool has_thread = pthread_create(&thread, NULL, wait_for_signals, s) == 0;
        run_statements(s);
        if (has_thread)
            end_signal_thread(s, thread);
        if (s->has_stopper)
            pthread_join(s->stopper, NULL);
        sl_client_close(s->client);
    }
    int code = exit_code_of(s);
    sl_failures_deinit(&s->failures);
    pthread_mutex_destroy(&s->lock);
    sl_free(s);
    return code;
}
