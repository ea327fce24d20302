/* libedit reads its keys through our function, which waits for the keyboard and for the
 * other threads at once; so the line is only ever disturbed between two keys. */
#include "client/cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "base/alloc.h"
#include "base/bytes.h"

struct sl_terminal {
    EditLine *edit;
    History *history;
    char *history_path;
    bool history_failed;
    const char *prompt;
    sl_terminal_complete complete;
    void *user;
    int keys_fd;       /* the keyboard, not blocking; or standard input, if need be */
    mbstate_t partial; /* bytes of a character that is not whole yet */
    int wake[2];       /* a byte: look at what is below */
    bool was_interrupted;

    pthread_mutex_t lock;
    pthread_cond_t shown;
    bool is_reading;                    /* lock */
    bool interrupt, stop, resize, over; /* lock: for the reader */
    sl_bytes waiting;                   /* lock: text to show */
    bool is_broken;                     /* lock: nobody reads */
};

/* ---- output ---- */

static bool write_all(const char *text, size_t length)
{
    while (length > 0) {
        ssize_t n = write(STDOUT_FILENO, text, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        text += n;
        length -= (size_t)n;
    }
    return true;
}

static uint32_t columns(void)
{
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col
                                                                           : 80;
}

/* Rows of the screen between the prompt's and the cursor's. */
static uint32_t rows_above_cursor(const sl_terminal *t)
{
    const LineInfoW *line = el_wline(t->edit);
    uint32_t width = columns(), row = 0, column = (uint32_t)strlen(t->prompt);
    for (const wchar_t *at = line->buffer; at < line->cursor; at++) {
        int w = wcwidth(*at);
        column += w > 0 ? (uint32_t)w : 0;
        if (*at == L'\n' || column >= width) {
            row++;
            column = 0;
        }
    }
    return row;
}

/* Take the line being edited off the screen. */
static void erase_line(const sl_terminal *t)
{
    char up[32] = "";
    uint32_t rows = rows_above_cursor(t);
    if (rows > 0)
        snprintf(up, sizeof up, "\033[%uA", rows);
    (void)write_all(up, strlen(up));
    (void)write_all("\r\033[J", 4);
}

/* Lock held. The text ends in a newline, so that the prompt starts a line. */
static void show_waiting(sl_terminal *t)
{
    if (t->waiting.size_bytes > 0 && t->waiting.data[t->waiting.size_bytes - 1] != '\n')
        sl_bytes_text(&t->waiting, "\n");
    if (!write_all((const char *)t->waiting.data, t->waiting.size_bytes))
        t->is_broken = true;
    t->waiting.size_bytes = 0;
    pthread_cond_broadcast(&t->shown);
}

static void wake(const sl_terminal *t)
{
    (void)!write(t->wake[1], "", 1); /* full: it will wake anyway */
}

bool sl_terminal_print(sl_terminal *t, const char *text, size_t length)
{
    pthread_mutex_lock(&t->lock);
    if (t->is_reading) {
        sl_bytes_append(&t->waiting, text, length);
        wake(t);
        while (t->waiting.size_bytes > 0 && !t->is_broken)
            pthread_cond_wait(&t->shown, &t->lock);
    } else if (!write_all(text, length)) {
        t->is_broken = true;
    }
    bool ok = !t->is_broken;
    pthread_mutex_unlock(&t->lock);
    return ok;
}

bool sl_terminal_signal(sl_terminal *t, int number)
{
    pthread_mutex_lock(&t->lock);
    t->interrupt = t->interrupt || number == SIGINT;
    t->stop = t->stop || (number == SIGTSTP && t->is_reading);
    t->resize = t->resize || number == SIGWINCH;
    t->over = t->over || number == SIGTERM;
    bool is_reading = t->is_reading;
    pthread_mutex_unlock(&t->lock);
    wake(t);
    return is_reading;
}

bool sl_terminal_is_interrupted(sl_terminal *t)
{
    pthread_mutex_lock(&t->lock);
    bool is_interrupted = t->interrupt;
    pthread_mutex_unlock(&t->lock);
    return is_interrupted;
}

bool sl_terminal_take_interrupt(sl_terminal *t)
{
    pthread_mutex_lock(&t->lock);
    bool was_interrupted = t->interrupt;
    t->interrupt = false;
    pthread_mutex_unlock(&t->lock);
    return was_interrupted;
}

/* ---- keys ---- */

/* To the shell that started us, and back. */
static void stop_self(const sl_terminal *t)
{
    el_set(t->edit, EL_PREP_TERM, 0);
    (void)kill(getpid(), SIGSTOP);
    el_set(t->edit, EL_PREP_TERM, 1);
}

/* What other threads left. False: no line will come of this. */
static bool attend(sl_terminal *t)
{
    char bytes[64];
    while (read(t->wake[0], bytes, sizeof bytes) > 0)
        ;
    pthread_mutex_lock(&t->lock);
    bool go_on = !t->interrupt && !t->over;
    bool stop = t->stop, redraw = t->stop || t->resize || t->waiting.size_bytes > 0;
    t->was_interrupted = t->interrupt;
    if (t->resize)
        el_resize(t->edit);
    if (redraw && go_on)
        erase_line(t);
    if (t->waiting.size_bytes > 0 && go_on)
        show_waiting(t);
    t->interrupt = t->stop = t->resize = false;
    pthread_mutex_unlock(&t->lock);
    if (stop)
        stop_self(t);
    if (redraw && go_on)
        el_set(t->edit, EL_REFRESH);
    return go_on;
}

/* What poll saw may be gone: Ctrl-C throws away what was typed before it. So a read that
 * blocks could do so for ever, out of the reach of other threads. The terminal is opened
 * anew, since O_NONBLOCK of standard input would be that of every process that has it. */
static int open_keys(void)
{
    char name[128];
    int fd = -1;
    if (ttyname_r(STDIN_FILENO, name, sizeof name) == 0)
        fd = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return fd >= 0 ? fd : STDIN_FILENO;
}

/* A character of UTF-8 from the keyboard; 1, 0 at its end, -1 on failure, with EAGAIN
 * when there is none yet. */
static int read_character(sl_terminal *t, wchar_t *ret)
{
    for (;;) {
        char byte;
        ssize_t n = read(t->keys_fd, &byte, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? 0 : -1;
        size_t used = mbrtowc(ret, &byte, 1, &t->partial);
        if (used == (size_t)-1) {
            t->partial = (mbstate_t){ 0 };
            *ret = L'?';
            return 1;
        }
        if (used != (size_t)-2)
            return 1;
    }
}

static int next_key(EditLine *edit, wchar_t *ret)
{
    void *user = NULL;
    el_get(edit, EL_CLIENTDATA, &user);
    sl_terminal *t = (sl_terminal *)user;
    for (;;) {
        struct pollfd fds[] = { { .fd = t->wake[0], .events = POLLIN },
                                { .fd = t->keys_fd, .events = POLLIN } };
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return -1;
        if (fds[0].revents != 0 && !attend(t)) {
            errno = EINTR;
            return -1;
        }
        if (fds[1].revents == 0)
            continue;
        int got = read_character(t, ret);
        if (got >= 0 || errno != EAGAIN)
            return got;
    }
}

static char *prompt_of(EditLine *edit)
{
    void *user = NULL;
    el_get(edit, EL_CLIENTDATA, &user);
    return (char *)(uintptr_t)((sl_terminal *)user)->prompt;
}

static unsigned char on_tab(EditLine *edit, wint_t key)
{
    void *user = NULL;
    char *insert = NULL, *list = NULL;
    (void)key;
    el_get(edit, EL_CLIENTDATA, &user);
    sl_terminal *t = (sl_terminal *)user;
    const LineInfo *line = el_line(edit);
    t->complete(t->user, line->buffer, (size_t)(line->cursor - line->buffer), &insert,
                &list);
    unsigned char answer = CC_REFRESH;
    if (insert != NULL && *insert != '\0' && el_insertstr(edit, insert) != 0)
        answer = CC_ERROR;
    if (list != NULL) {
        (void)write_all("\n", 1);
        (void)write_all(list, strlen(list));
        answer = CC_REDISPLAY;
    } else if (insert == NULL) {
        answer = CC_REFRESH_BEEP;
    }
    sl_free(insert);
    sl_free(list);
    return answer;
}

sl_terminal_answer sl_terminal_read(sl_terminal *t, const char *prompt,
                                    const char **ret_line, size_t *ret_length)
{
    int n = 0;
    t->prompt = prompt;
    t->partial = (mbstate_t){ 0 };
    pthread_mutex_lock(&t->lock);
    bool over = t->over || t->is_broken;
    t->was_interrupted = t->interrupt; /* on the way here: of no use to a statement */
    t->is_reading = !over && !t->interrupt;
    t->interrupt = t->stop = false;
    pthread_mutex_unlock(&t->lock);
    if (over)
        return SL_TERMINAL_END;
    if (t->was_interrupted) {
        (void)write_all("^C\n", 3);
        return SL_TERMINAL_INTERRUPTED;
    }
    el_set(t->edit, EL_PREP_TERM,
           1); /* before the prompt shows: no key is echoed twice */
    const char *line = el_gets(t->edit, &n);
    pthread_mutex_lock(&t->lock);
    t->is_reading = false;
    if (line == NULL || n <= 0)
        (void)write_all(t->was_interrupted ? "^C\n" : "\n", t->was_interrupted ? 3 : 1);
    show_waiting(t);
    pthread_mutex_unlock(&t->lock);
    if (line == NULL || n <= 0)
        return t->was_interrupted ? SL_TERMINAL_INTERRUPTED : SL_TERMINAL_END;
    *ret_line = line;
    *ret_length = (size_t)n - (line[n - 1] == '\n');
    return SL_TERMINAL_LINE;
}

/* ---- history ---- */

static void load_history(sl_terminal *t)
{
    HistEvent event;
    struct stat file;
    if (t->history_path == NULL || stat(t->history_path, &file) != 0)
        return;
    if (file.st_size > SL_TERMINAL_HISTORY_BYTES_MAX ||
        history(t->history, &event, H_LOAD, t->history_path) < 0)
        fprintf(stderr,
                "note: %s is no history of this shell, or over %d bytes; it will be "
                "replaced\n",
                t->history_path, SL_TERMINAL_HISTORY_BYTES_MAX);
}

/* A new file that takes the old one's place: whole at any time, and never readable to
 * others. */
static void save_history(sl_terminal *t)
{
    HistEvent event;
    sl_bytes path = { 0 };
    if (t->history_path == NULL || t->history_failed)
        return;
    sl_bytes_text(&path, t->history_path);
    sl_bytes_text(&path, ".new");
    const char *new_path = sl_bytes_cstr(&path);
    (void)unlink(new_path);
    int fd = open(new_path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd >= 0)
        close(fd);
    if (fd < 0 || history(t->history, &event, H_SAVE, new_path) < 0 ||
        rename(new_path, t->history_path) != 0) {
        fprintf(stderr, "note: cannot write the history to %s: %s\n", t->history_path,
                strerror(errno));
        t->history_failed = true;
    }
    sl_bytes_deinit(&path);
}

void sl_terminal_remember(sl_terminal *t, const char *statement)
{
    HistEvent event;
    if (history(t->history, &event, H_ENTER, statement) >= 0)
        save_history(t);
}

/* ---- life ---- */

sl_terminal *sl_terminal_new(const char *history_path, sl_terminal_complete complete,
                             void *user)
{
    HistEvent event;
    int wake_pipe[2];
    if (pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        return NULL;
    sl_terminal *t = (sl_terminal *)sl_calloc(1, sizeof *t);
    memcpy(t->wake, wake_pipe, sizeof wake_pipe);
    t->keys_fd = open_keys();
    setlocale(LC_CTYPE, "");
    if (MB_CUR_MAX == 1)
        setlocale(LC_CTYPE, "C.UTF-8"); /* SQL is UTF-8 whatever the locale */
    t->complete = complete;
    t->user = user;
    t->prompt = "";
    t->history_path = history_path != NULL ? sl_strdup(history_path) : NULL;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->shown, NULL);
    t->edit = el_init("sluice", stdin, stdout, stderr);
    el_set(t->edit, EL_CLIENTDATA, t);
    el_set(t->edit, EL_PROMPT, prompt_of);
    el_set(t->edit, EL_EDITOR, "emacs");
    el_set(t->edit, EL_SIGNAL, 0);
    el_set(t->edit, EL_GETCFN, next_key);
    t->history = history_init();
    history(t->history, &event, H_SETSIZE, SL_TERMINAL_HISTORY_MAX);
    history(t->history, &event, H_SETUNIQUE, 1);
    load_history(t);
    el_set(t->edit, EL_HIST, history, t->history);
    /* wide: of the others libedit makes copies that it never frees */
    el_wset(t->edit, EL_ADDFN, L"complete", L"complete a name", on_tab);
    el_set(t->edit, EL_BIND, "^I", "complete", NULL);
    el_set(t->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(t->edit, NULL); /* ~/.editrc */
    return t;
}

void sl_terminal_free(sl_terminal *t)
{
    if (t == NULL)
        return;
    history_end(t->history);
    el_end(t->edit);
    if (t->keys_fd != STDIN_FILENO)
        close(t->keys_fd);
    close(t->wake[0]);
    close(t->wake[1]);
    sl_bytes_deinit(&t->waiting);
    sl_free(t->history_path);
    pthread_cond_destroy(&t->shown);
    pthread_mutex_destroy(&t->lock);
    sl_free(t);
}
