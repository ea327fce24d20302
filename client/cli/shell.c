/* Four threads meet here: this one asks for statements and runs them, the client's loop
 * thread tells how queries ended, its console thread brings what they print, and one
 * waits for signals.  What they say goes through the terminal (terminal.h). */
#include "client/cli/shell.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/text.h"
#include "client/cli/cli.h"
#include "client/cli/failures.h"
#include "client/cli/shell_names.h"
#include "client/cli/terminal.h"
#include "client/cluster/master.h"
#include "engine/sql/parse.h"

#define GIVE_UP_NS 50000000
#define PROMPT "sluice> "
#define PROMPT_MORE "   ...> "
#define ROWS_SHOWN 100
#define CELL_SHOWN 60

static const char help[] =
    "Statements end with ';' and may take several lines.\n"
    "\n"
    "  \\h, help       this page\n"
    "  \\q, exit       leave; so does Ctrl-D\n"
    "  \\rows N        show at most N rows of an answer (100)\n"
    "  \\width N       cut cells at N characters (60); 0 shows them whole\n"
    "\n"
    "  Tab            completes words of SQL, functions, tables, columns, queries and\n"
    "                 settings, or lists them\n"
    "  Up, Ctrl-R     statements of before, also of earlier shells\n"
    "  Ctrl-C         throws the line away; while a statement runs, gives it up. A\n"
    "                 streaming query that it waited for goes on\n"
    "\n"
    "CREATE STREAMING QUERY runs beside; with TRIGGER ONCE or AVAILABLE NOW it is "
    "waited\n"
    "for. SHOW STREAMING QUERIES lists what runs, STOP STREAMING QUERY name ends one.\n";

struct shell {
    const sl_client_config *config;
    sl_client *client;
    sl_terminal *terminal;
    sl_shell_names *names;
    sl_failures failures;
    uint32_t rows_shown, cell_shown;
    sl_bytes text; /* of the statements being typed */
    atomic_bool over;
    atomic_bool is_running; /* a statement: Ctrl-C gives it up */
    atomic_uint interrupts; /* while the end takes its time */
    atomic_bool is_leaving, has_left;
};

/* ---- output ---- */

static void say(struct shell *s, const char *text)
{
    (void)sl_terminal_print(s->terminal, text, strlen(text));
}

static int on_print(void *user, const char *text, size_t length)
{
    return sl_terminal_print(((struct shell *)user)->terminal, text, length) ? 0 : EPIPE;
}

static void report(void *user, const sl_client_error *e)
{
    struct shell *s = (struct shell *)user;
    char *text = sl_client_error_text(e, "", 0);
    say(s, text);
    sl_client_text_free(text);
}

static void on_query_event(void *user, sl_client_event event, const sl_client_query *q,
                           const char *progress)
{
    (void)progress;
    sl_failures_on_event(&((struct shell *)user)->failures, event, q);
}

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void show_result(struct shell *s, const sl_client_result *r, int64_t took_us)
{
    sl_bytes out = { 0 };
    sl_client_result_kind kind = sl_client_result_kind_of(r);
    const char *note = sl_client_result_note(r);
    if (kind != SL_CLIENT_NONE) {
        char *text = sl_client_result_show(r, s->rows_shown, s->cell_shown);
        sl_bytes_text(&out, text);
        sl_client_text_free(text);
        if (out.size_bytes > 0 && out.data[out.size_bytes - 1] != '\n')
            sl_bytes_text(&out, "\n");
    }
    if (note != NULL)
        sl_bytes_printf(&out, "note: %s\n", note);
    uint64_t rows = sl_client_result_rows(r);
    if (kind == SL_CLIENT_ROWS)
        sl_bytes_printf(&out, "%llu row%s, ", (unsigned long long)rows,
                        rows == 1 ? "" : "s");
    else if (kind == SL_CLIENT_NONE)
        sl_bytes_text(&out, "done, ");
    sl_bytes_printf(&out, "%.3f s\n\n", (double)took_us / 1e6);
    (void)sl_terminal_print(s->terminal, (const char *)out.data, out.size_bytes);
    sl_bytes_deinit(&out);
}

/* ---- statements ---- */

static void show_error(struct shell *s, const sl_client_error *e)
{
    if (e->status == SL_CLIENT_CANCELLED && sl_terminal_take_interrupt(s->terminal)) {
        say(s, "\ngiven up; a streaming query that was started goes on (SHOW STREAMING "
               "QUERIES)\n\n");
        return;
    }
    char *text = sl_client_error_text(e, sl_bytes_cstr(&s->text), s->text.size_bytes);
    say(s, text);
    say(s, "\n");
    sl_client_text_free(text);
}

/* True: go on with the next statement of the text. */
static bool run_statement(struct shell *s, sl_client_place *place)
{
    sl_client_result *result = NULL;
    sl_client_error e = { .status = SL_CLIENT_OK };
    int64_t begin = now_us();
    sl_failures_hold(&s->failures);
    atomic_store(&s->is_running,
                 true); /* before the look: a Ctrl-C sees it, or is seen */
    sl_client_status status = SL_CLIENT_CANCELLED;
    if (!sl_terminal_is_interrupted(s->terminal))
        status = sl_client_next(s->client, sl_bytes_cstr(&s->text), s->text.size_bytes,
                                place, &result, &e);
    else
        e.status = SL_CLIENT_CANCELLED;
    atomic_store(&s->is_running, false);
    int64_t took = now_us() - begin;
    if (status != SL_CLIENT_OK)
        show_error(s, &e);
    else if (result != NULL)
        show_result(s, result, took);
    sl_failures_release(&s->failures, status != SL_CLIENT_OK ? &e : NULL);
    bool more = status == SL_CLIENT_OK && result != NULL && !atomic_load(&s->over) &&
                !sl_terminal_is_interrupted(s->terminal);
    sl_client_result_free(result);
    return more;
}

static void run_text(struct shell *s)
{
    sl_client_place place = SL_CLIENT_PLACE_START;
    while (run_statement(s, &place))
        ;
    sl_shell_names_changed(s->names);
}

/* ---- commands of the shell itself ---- */

static bool is_command(const char *line, const char *name)
{
    size_t n = strlen(name);
    if (strncasecmp(line, name, n) != 0)
        return false;
    return line[n + strspn(line + n, " \t;")] == '\0';
}

static bool set_number(struct shell *s, const char *line, const char *name, uint32_t *at)
{
    size_t n = strlen(name);
    int64_t value;
    sl_error err;
    if (strncmp(line, name, n) != 0)
        return false;
    line += n + strspn(line + n, " ");
    if (sl_int64_parse(line, &value, &err) == SL_OK && value >= 0 && value < 1000000000)
        *at = (uint32_t)value;
    else
        report(s, &(sl_client_error){ .message = "\\rows and \\width want a number" });
    return true;
}

/* True: the line was one. */
static bool run_command(struct shell *s, const char *line)
{
    line += strspn(line, " \t");
    if (is_command(line, "\\q") || is_command(line, "exit") || is_command(line, "quit"))
        atomic_store(&s->over, true);
    else if (is_command(line, "\\h") || is_command(line, "help") ||
             is_command(line, "\\?"))
        say(s, help);
    else if (set_number(s, line, "\\rows", &s->rows_shown) ||
             set_number(s, line, "\\width", &s->cell_shown))
        return true;
    else if (*line == '\\')
        say(s, "The shell's own commands are \\h, \\q, \\rows N and \\width N.\n");
    else
        return false;
    return true;
}

/* ---- the loop ---- */

static void trim_end(sl_bytes *b)
{
    while (b->size_bytes > 0 && strchr(" \t\r\n", b->data[b->size_bytes - 1]) != NULL)
        b->data[--b->size_bytes] = '\0';
}

static void take_line(struct shell *s, const char *line, size_t length)
{
    if (s->text.size_bytes == 0 && run_command(s, line))
        return;
    sl_bytes_append(&s->text, line, length);
    sl_bytes_text(&s->text, "\n");
    if (s->text.size_bytes > SL_SQL_BYTES_MAX) {
        say(s, "That is more SQL than a statement may have; it is thrown away.\n");
        sl_bytes_clear(&s->text);
        return;
    }
    if (sl_sql_is_incomplete(sl_bytes_cstr(&s->text), s->text.size_bytes))
        return;
    trim_end(&s->text);
    if (s->text.size_bytes > 0) {
        sl_terminal_remember(s->terminal, sl_bytes_cstr(&s->text));
        run_text(s);
    }
    sl_bytes_clear(&s->text);
}

static void ask(struct shell *s)
{
    while (!atomic_load(&s->over)) {
        const char *line;
        size_t length;
        trim_end(&s->text);
        bool is_first = s->text.size_bytes == 0;
        if (!is_first)
            sl_bytes_text(&s->text, "\n");
        sl_terminal_answer answer = sl_terminal_read(
            s->terminal, is_first ? PROMPT : PROMPT_MORE, &line, &length);
        if (answer == SL_TERMINAL_END)
            return;
        if (answer == SL_TERMINAL_INTERRUPTED) {
            sl_bytes_clear(&s->text);
        } else {
            char *copy = sl_strdup(line);
            copy[length] = '\0';
            take_line(s, copy, length);
            sl_free(copy);
        }
    }
}

/* ---- signals ---- */

/* Again and again until it has ended: the first time may come before the driver, or the
 * client, knows of the statement. */
static void give_up(struct shell *s)
{
    if (atomic_load(&s->is_running) && sl_terminal_is_interrupted(s->terminal))
        sl_client_cancel(s->client);
}

static void on_interrupt(struct shell *s)
{
    if (!atomic_load(&s->is_leaving)) {
        give_up(s);
        return;
    }
    if (atomic_fetch_add(&s->interrupts, 1) > 0)
        _exit(SL_CLIENT_CANCELLED); /* as a kill, which loses nothing */
    (void)sl_client_stop(s->client, NULL, true, NULL);
}

static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGWINCH };

static void fill_set(sigset_t *set)
{
    sigemptyset(set);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaddset(set, signals[i]);
}

static void *wait_for_signals(void *user)
{
    struct shell *s = (struct shell *)user;
    const struct timespec again = { .tv_nsec = GIVE_UP_NS };
    sigset_t set;
    fill_set(&set);
    while (!atomic_load(&s->has_left)) {
        bool waits =
            atomic_load(&s->is_running) && sl_terminal_is_interrupted(s->terminal);
        int number = sigtimedwait(&set, NULL, waits ? &again : NULL);
        if (atomic_load(&s->has_left))
            break;
        if (number < 0)
            give_up(s);
        else if (number == SIGTERM || number == SIGHUP) {
            atomic_store(&s->over, true);
            (void)sl_terminal_signal(s->terminal, SIGTERM);
            sl_client_cancel(s->client);
        } else if (!sl_terminal_signal(s->terminal, number)) {
            if (number == SIGINT)
                on_interrupt(s);
            else if (number == SIGTSTP)
                (void)kill(getpid(), SIGSTOP);
        }
    }
    return NULL;
}

/* ---- leaving ---- */

static bool is_elsewhere(const char *master)
{
    sl_master parsed;
    return master != NULL && sl_master_parse(master, &parsed, NULL) == SL_OK &&
           parsed.kind == SL_MASTER_REMOTE;
}

/* Say what runs; 0: nothing does. */
static uint32_t say_what_runs(struct shell *s, const char *what)
{
    sl_client_query *queries;
    uint32_t count, active = 0;
    if (sl_client_queries(s->client, &queries, &count, NULL) != SL_CLIENT_OK)
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        char line[400];
        if (!queries[i].is_active)
            continue;
        active++;
        if (queries[i].last_batch >= 0)
            snprintf(line, sizeof line, "%s %.200s, batch %lld is committed\n", what,
                     queries[i].name, (long long)queries[i].last_batch);
        else
            snprintf(line, sizeof line, "%s %.200s, no batch is committed yet\n", what,
                     queries[i].name);
        say(s, line);
    }
    sl_client_queries_free(queries);
    return active;
}

static void leave(struct shell *s)
{
    if (!sl_client_is_connected(s->client)) {
        say(s, "the driver is away; its queries go on when it is back\n");
        return;
    }
    if (is_elsewhere(s->config->master)) {
        if (say_what_runs(s, "goes on at the cluster:") > 0)
            say(s, "(STOP STREAMING QUERY name ends one)\n");
        return;
    }
    atomic_store(&s->interrupts, 0);
    atomic_store(&s->is_leaving, true);
    if (say_what_runs(s, "ends at its batch boundary (Ctrl-C abandons the batch):") == 0)
        return;
    (void)sl_client_stop(s->client, NULL, false, NULL);
    (void)sl_client_await(s->client, NULL, -1, NULL, NULL);
}

/* ---- life ---- */

/* $XDG_STATE_HOME/sluice/history if that is set, else ~/.sluice_history. */
static bool history_path(sl_bytes *ret)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state != NULL && *state == '/') {
        sl_bytes_text(ret, state);
        (void)mkdir(sl_bytes_cstr(ret), S_IRWXU);
        sl_bytes_text(ret, "/sluice");
        (void)mkdir(sl_bytes_cstr(ret), S_IRWXU);
        sl_bytes_text(ret, "/history");
        return true;
    }
    if (home == NULL || *home == '\0')
        return false;
    sl_bytes_text(ret, home);
    sl_bytes_text(ret, "/.sluice_history");
    return true;
}

static void welcome(struct shell *s)
{
    char line[400];
    snprintf(line, sizeof line, "sluice %s on %.200s. \\h helps, \\q leaves.\n\n",
             sl_client_version(),
             s->config->master != NULL ? s->config->master : "local[*]");
    say(s, line);
}

static void converse(struct shell *s)
{
    pthread_t thread;
    sl_client_set_listener(s->client, on_query_event, false, s);
    bool has_thread = pthread_create(&thread, NULL, wait_for_signals, s) == 0;
    welcome(s);
    ask(s);
    leave(s);
    sl_client_set_listener(s->client, NULL, false, NULL);
    if (has_thread) {
        atomic_store(&s->has_left, true);
        pthread_kill(thread, SIGTERM);
        pthread_join(thread, NULL);
    }
}

static int open_client(struct shell *s)
{
    sl_client_config config = *s->config;
    sl_client_error e;
    config.print = on_print;
    config.print_user = s;
    sl_client_status status = sl_client_open(&config, &s->client, &e);
    if (status == SL_CLIENT_USAGE)
        return sl_cli_usage_error("sql", "%s", e.message);
    if (status != SL_CLIENT_OK) {
        char *text = sl_client_error_text(&e, "", 0);
        fputs(text, stderr);
        sl_client_text_free(text);
    }
    return (int)status;
}

int sl_shell_run(const sl_client_config *config)
{
    struct shell *s = (struct shell *)sl_calloc(1, sizeof *s);
    sl_bytes path = { 0 };
    sigset_t set;
    s->config = config;
    s->rows_shown = ROWS_SHOWN;
    s->cell_shown = CELL_SHOWN;
    sl_failures_init(&s->failures, report, s);
    fill_set(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any other thread is made */
    int code = open_client(s);
    if (code == 0) {
        s->names = sl_shell_names_new(s->client);
        s->terminal = sl_terminal_new(history_path(&path) ? sl_bytes_cstr(&path) : NULL,
                                      sl_shell_names_complete, s->names);
        if (s->terminal != NULL)
            converse(s);
        else
            code = sl_cli_usage_error("sql", "no shell: %s", strerror(errno));
        sl_client_close(s->client);
    }
    sl_terminal_free(s->terminal);
    sl_shell_names_free(s->names);
    sl_failures_deinit(&s->failures);
    sl_bytes_deinit(&path);
    sl_bytes_deinit(&s->text);
    sl_free(s);
    return code;
}
