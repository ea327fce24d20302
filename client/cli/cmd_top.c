/* `sluice top`.  One thread asks the driver, as that may take its time; this one draws
 * what was last heard and listens to the keyboard, so that q always works. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "client/cli/cli.h"
#include "client/cli/flags.h"
#include "client/cli/top_page.h"
#include "client/cluster/master.h"
#include "sluice/sluice.h"

static const char top_help[] =
    "usage: sluice top [--master sluice://HOST:PORT] [--interval SECONDS] [--once]\n"
    "\n"
    "Shows the workers and queries of a cluster that runs, again each second, until q "
    "or\n"
    "Ctrl-C.\n"
    "\n"
    "  --master ADDRESS     its driver: sluice://127.0.0.1:7077, or ipc://PATH\n"
    "  --interval SECONDS   between two pages; 1\n"
    "  --once               one page as plain text, for scripts\n"
    "\n"
    "Workers: slots, tasks that run, partitions of state, memory used of the budget, "
    "how\n"
    "long ago they were heard. Queries: the last committed batch, and of its report the\n"
    "rows a second that came in and that were worked on, how long the batch took, how "
    "far\n"
    "the watermark was behind its begin, rows and bytes of state. NO_COLOR=1 in the\n"
    "environment leaves colours out.\n";

#define INTERVAL_MAX_S 3600

struct top {
    sl_client *client;
    const char *master;
    int64_t interval_ms;
    int changed[2]; /* a byte: something new was heard */
    pthread_t asker;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool over;         /* lock */
    bool is_asking;    /* lock */
    char *json;        /* lock: last heard, NULL none yet */
    int64_t heard_ms;  /* lock: when */
    char problem[256]; /* lock: why nothing was heard since; "" */
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- the thread that asks ---- */

static void wait_interval(struct top *t)
{
    int64_t at_ms = now_ms() + t->interval_ms;
    struct timespec at = { .tv_sec = (time_t)(at_ms / 1000),
                           .tv_nsec = (long)(at_ms % 1000) * 1000000 };
    while (!t->over && pthread_cond_timedwait(&t->wake, &t->lock, &at) != ETIMEDOUT)
        ;
}

static void *ask(void *user)
{
    struct top *t = (struct top *)user;
    pthread_mutex_lock(&t->lock);
    while (!t->over) {
        char *json = NULL;
        sl_client_error e = { .status = SL_CLIENT_OK };
        t->is_asking = true;
        pthread_mutex_unlock(&t->lock);
        sl_client_status status = sl_client_cluster_status(t->client, &json, &e);
        pthread_mutex_lock(&t->lock);
        t->is_asking = false;
        snprintf(t->problem, sizeof t->problem, "%.250s", e.message);
        if (status == SL_CLIENT_OK) {
            sl_client_text_free(t->json);
            t->json = json;
            t->heard_ms = now_ms();
            t->problem[0] = '\0';
        }
        (void)!write(t->changed[1], "", 1);
        wait_interval(t);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

/* ---- the page ---- */

static void write_all(const sl_bytes *b)
{
    for (size_t at = 0; at < b->size_bytes;) {
        ssize_t n = write(STDOUT_FILENO, b->data + at, b->size_bytes - at);
        if (n < 0 && errno != EINTR)
            return;
        at += n > 0 ? (size_t)n : 0;
    }
}

/* Lock held. What a stale page has to say of itself. */
static const char *note_of(const struct top *t, char ret[320])
{
    int64_t silent_ms = now_ms() - t->heard_ms;
    if (t->problem[0] == '\0' && silent_ms < t->interval_ms + 3000)
        return NULL;
    snprintf(ret, 320, "no answer for %lld s; what follows is of then. %s",
             (long long)(silent_ms / 1000), t->problem);
    return ret;
}

/* Over the page before: each line is cleared behind its end, and the rest below. */
static void draw(struct top *t)
{
    struct winsize size = { .ws_row = 24, .ws_col = 80 };
    const char *no_colour = getenv("NO_COLOR");
    sl_bytes page = { 0 }, screen = { 0 };
    char note[320];
    sl_error err;
    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    pthread_mutex_lock(&t->lock);
    sl_top_view view = { .columns = size.ws_col > 0 ? size.ws_col : 80,
                         .rows = size.ws_row > 0 ? size.ws_row - 1u : 23,
                         .has_colour = no_colour == NULL || *no_colour == '\0',
                         .address = t->master,
                         .note = note_of(t, note) };
    if (t->json != NULL && sl_top_page(t->json, &view, &page, &err) != SL_OK)
        sl_bytes_printf(&page, "%s\n", err.text);
    pthread_mutex_unlock(&t->lock);
    sl_bytes_text(&screen, "\033[H");
    for (size_t i = 0; i < page.size_bytes; i++) {
        if (page.data[i] == '\n')
            sl_bytes_text(&screen, "\033[K");
        sl_bytes_char(&screen, (char)page.data[i]);
    }
    sl_bytes_text(&screen, "\033[Jq leaves");
    write_all(&screen);
    sl_bytes_deinit(&page);
    sl_bytes_deinit(&screen);
}

/* ---- the terminal ---- */

static void send_text(const char *text)
{
    (void)!write(STDOUT_FILENO, text, strlen(text));
}

/* No echo, keys at once, Ctrl-C as a key; the alternate screen without a cursor. */
static bool enter_screen(struct termios *ret_before)
{
    if (tcgetattr(STDIN_FILENO, ret_before) != 0)
        return false;
    struct termios raw = *ret_before;
    raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO | ISIG);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) != 0)
        return false;
    send_text("\033[?1049h\033[?25l\033[2J");
    return true;
}

static void leave_screen(const struct termios *before)
{
    send_text("\033[?25h\033[?1049l");
    (void)tcsetattr(STDIN_FILENO, TCSANOW, before);
}

/* True: the key asks to leave, or the keyboard is gone. */
static bool is_leaving_key(void)
{
    char key;
    ssize_t n = read(STDIN_FILENO, &key, 1);
    return n == 0 || (n < 0 && errno != EINTR) ||
           (n == 1 && (key == 'q' || key == 'Q' || key == '\003' || key == '\004'));
}

static void drain(int fd)
{
    char bytes[512];
    while (read(fd, bytes, sizeof bytes) > 0)
        ;
}

/* True: SIGTERM, SIGINT or SIGHUP; a new size of the window only draws again. */
static bool is_leaving_signal(int fd)
{
    struct signalfd_siginfo info;
    bool leaves = false;
    while (read(fd, &info, sizeof info) == (ssize_t)sizeof info)
        leaves = leaves || info.ssi_signo != SIGWINCH;
    return leaves;
}

static void watch(struct top *t, int signal_fd)
{
    for (bool over = false; !over;) {
        struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
                                { .fd = signal_fd, .events = POLLIN },
                                { .fd = t->changed[0], .events = POLLIN } };
        draw(t);
        if (poll(fds, 3, (int)t->interval_ms) < 0 && errno != EINTR)
            break;
        if (fds[2].revents != 0)
            drain(t->changed[0]);
        over = (fds[1].revents != 0 && is_leaving_signal(signal_fd)) ||
               (fds[0].revents != 0 && is_leaving_key());
    }
}

/* ---- life ---- */

static int block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGWINCH);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void stop_asking(struct top *t)
{
    pthread_mutex_lock(&t->lock);
    t->over = true;
    bool is_asking = t->is_asking;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->lock);
    if (is_asking && now_ms() - t->heard_ms > t->interval_ms + 1000)
        _exit(0); /* a driver that does not answer: nothing of ours is worth the wait */
    pthread_join(t->asker, NULL);
}

static int run_screen(struct top *t, int signal_fd)
{
    struct termios before;
    pthread_condattr_t attributes;
    if (pipe2(t->changed, O_CLOEXEC | O_NONBLOCK) != 0 || !enter_screen(&before))
        return sl_cli_usage_error("top",
                                  "no page on this terminal: %s; --once works "
                                  "anywhere",
                                  strerror(errno));
    pthread_mutex_init(&t->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&t->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    t->heard_ms = now_ms();
    bool has_asker = pthread_create(&t->asker, NULL, ask, t) == 0;
    if (has_asker)
        watch(t, signal_fd);
    leave_screen(&before);
    if (has_asker)
        stop_asking(t);
    sl_client_text_free(t->json);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    return has_asker ? 0 : 1;
}

static int fail(const sl_client_error *e)
{
    char *text = sl_client_error_text(e, "", 0);
    fputs(text, stderr);
    sl_client_text_free(text);
    return (int)e->status;
}

static int run_once(const struct top *t)
{
    char *json;
    sl_client_error e;
    sl_error err;
    sl_bytes page = { 0 };
    sl_top_view view = { .address = t->master };
    if (sl_client_cluster_status(t->client, &json, &e) != SL_CLIENT_OK)
        return fail(&e);
    sl_code code = sl_top_page(json, &view, &page, &err);
    if (code == SL_OK)
        write_all(&page);
    else
        fprintf(stderr, "%s\n", err.text);
    sl_client_text_free(json);
    sl_bytes_deinit(&page);
    return code == SL_OK ? 0 : 1;
}

int sl_cli_top(int argc, char **argv)
{
    const char *interval = "1";
    struct top t = { .master = "sluice://127.0.0.1:7077" };
    bool once = false;
    int code = 0;
    uint32_t seconds;
    sl_master master;
    sl_error err;
    sl_client_error e;
    const sl_cli_flag flags[] = { { .name = "--master", .value = &t.master },
                                  { .name = "--interval", .value = &interval },
                                  { .name = "--once", .on = &once } };
    const sl_cli_spec spec = {
        .command = "top", .help = top_help, .flags = flags, .flag_count = 3
    };
    if (!sl_cli_parse(&spec, argc, argv, &code) ||
        !sl_cli_number("top", "--interval", interval, INTERVAL_MAX_S, &seconds, &code))
        return code;
    if (sl_master_parse(t.master, &master, &err) != SL_OK)
        return sl_cli_usage_error("top", "%s", err.text);
    if (master.kind != SL_MASTER_REMOTE)
        return sl_cli_usage_error("top",
                                  "'%s' would be a cluster of its own: top wants one "
                                  "that runs, such as sluice://127.0.0.1:7077",
                                  t.master);
    if (!once && (isatty(STDIN_FILENO) != 1 || isatty(STDOUT_FILENO) != 1))
        return sl_cli_usage_error("top", "no terminal here; --once prints one page");
    t.interval_ms = (int64_t)seconds * 1000;
    int signal_fd = once ? -1 : block_signals(); /* before any thread is made */
    if (sl_client_open(&(sl_client_config){ .master = t.master }, &t.client, &e) !=
        SL_CLIENT_OK)
        return fail(&e);
    code = once ? run_once(&t) : run_screen(&t, signal_fd);
    sl_client_close(t.client);
    return code;
}
