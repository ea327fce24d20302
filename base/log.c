/* One write(2) a line, so that lines of several processes on one terminal do not mix.
 * A line that cannot be written is lost: logging never ends or blocks the work. */

#include "base/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"

enum { MESSAGE_BYTES_MAX = 2048, ID_BYTES_MAX = 64 };

static const char *const level_names[] = { "debug", "info", "warn", "error" };
static const char *const level_titles[] = { "DEBUG", "INFO ", "WARN ", "ERROR" };
static const char *const level_colours[] = { "\033[2m", "\033[32m", "\033[33m",
                                             "\033[31m" };

static _Atomic int level_least = SL_LOG_WARN;

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    bool at_exit; /* what is counted is flushed */
    bool asked;   /* the fields below are known */
    bool terminal, colours;
    sl_log_level level;
    char id[ID_BYTES_MAX];
    char message[MESSAGE_BYTES_MAX];
    uint64_t repeats; /* of the line above, not shown yet */
} log_state;

void sl_log_set_level(sl_log_level level)
{
    atomic_store_explicit(&level_least, (int)level, memory_order_relaxed);
}

void sl_log_restart(void)
{
    pthread_mutex_lock(&log_lock);
    log_state.asked = false;
    log_state.repeats = 0;
    log_state.id[0] = '\0';
    pthread_mutex_unlock(&log_lock);
}

static void append_time(sl_bytes *line, bool terminal)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    if (!gmtime_r(&now.tv_sec, &utc))
        return;
    char text[32];
    strftime(text, sizeof text, terminal ? "%Y-%m-%d %H:%M:%S" : "ts=%Y-%m-%dT%H:%M:%S",
             &utc);
    sl_bytes_printf(line, "%s.%03ld%s ", text, now.tv_nsec / 1000000,
                    terminal ? "" : "Z");
}

static void append_quoted(sl_bytes *line, const char *text)
{
    sl_bytes_char(line, '"');
    for (; *text; text++) {
        if (*text == '\n')
            sl_bytes_text(line, "\\n");
        else if (*text == '"' || *text == '\\')
            sl_bytes_printf(line, "\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            sl_bytes_char(line, ' ');
        else
            sl_bytes_char(line, *text);
    }
    sl_bytes_char(line, '"');
}

static void write_line(sl_log_level level, const char *id, const char *message)
{
    sl_bytes line = { 0 };
    append_time(&line, log_state.terminal);
    if (log_state.terminal) {
        const char *on = log_state.colours ? level_colours[level] : "";
        const char *off = log_state.colours ? "\033[0m" : "";
        sl_bytes_printf(&line, "%s%s%s %s: %s", on, level_titles[level], off, id,
                        message);
    } else {
        sl_bytes_printf(&line, "level=%s id=%s msg=", level_names[level], id);
        append_quoted(&line, message);
    }
    sl_bytes_char(&line, '\n');
    ssize_t written = write(STDERR_FILENO, line.data, line.size_bytes);
    (void)written;
    sl_bytes_deinit(&line);
}

static void flush_repeats(void)
{
    if (log_state.repeats == 0)
        return;
    char message[64];
    snprintf(message, sizeof message, "last line repeated %llu times",
             (unsigned long long)log_state.repeats);
    log_state.repeats = 0;
    write_line(log_state.level, log_state.id, message);
}

void sl_log_flush(void)
{
    if (pthread_mutex_trylock(&log_lock) != 0)
        return;
    flush_repeats();
    pthread_mutex_unlock(&log_lock);
}

static void ask_terminal(void)
{
    const char *no_colour = getenv("NO_COLOR");
    log_state.asked = true;
    log_state.terminal = isatty(STDERR_FILENO) == 1;
    log_state.colours = log_state.terminal && !(no_colour && no_colour[0]);
    if (!log_state.at_exit)
        atexit(sl_log_flush);
    log_state.at_exit = true;
}

void sl_log_write(sl_log_level level, const char *event_id, const char *fmt, ...)
{
    int least = atomic_load_explicit(&level_least, memory_order_relaxed);
    if ((int)level < least || level >= SL_LOG_OFF)
        return;

    char message[MESSAGE_BYTES_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);

    pthread_mutex_lock(&log_lock);
    if (!log_state.asked)
        ask_terminal();
    if (level == log_state.level && strcmp(event_id, log_state.id) == 0 &&
        strcmp(message, log_state.message) == 0) {
        log_state.repeats++;
    } else {
        flush_repeats();
        write_line(level, event_id, message);
        log_state.level = level;
        snprintf(log_state.id, sizeof log_state.id, "%s", event_id);
        memcpy(log_state.message, message, strlen(message) + 1);
    }
    pthread_mutex_unlock(&log_lock);
}
