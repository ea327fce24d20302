/* log.h - structured log of a process: level, a stable event id, a message, values.
 * Rooms below driver/ and worker/ do not log above DEBUG: they return errors.
 * Text on a terminal, logfmt otherwise, to stderr; a line equal to the last one is
 * counted, not repeated.  Thread: any. */

#ifndef SL_BASE_LOG_H
#define SL_BASE_LOG_H

#include "base/error.h"

typedef enum sl_log_level {
    SL_LOG_DEBUG,
    SL_LOG_INFO,
    SL_LOG_WARN,
    SL_LOG_ERROR,
    SL_LOG_OFF
} sl_log_level;

void sl_log_set_level(sl_log_level level); /* default WARN */
void sl_log_write(sl_log_level level, const char *event_id, const char *fmt, ...)
    SL_PRINTF(3, 4);
/* Lines counted and not shown yet are shown; an exit() does that by itself. */
void sl_log_flush(void);
/* Standard error is another file from here on, and its log begins anew. */
void sl_log_restart(void);

#define log_debug(id, ...) sl_log_write(SL_LOG_DEBUG, id, __VA_ARGS__)
#define log_info(id, ...) sl_log_write(SL_LOG_INFO, id, __VA_ARGS__)
#define log_warn(id, ...) sl_log_write(SL_LOG_WARN, id, __VA_ARGS__)
#define log_error(id, ...) sl_log_write(SL_LOG_ERROR, id, __VA_ARGS__)

#endif /* SL_BASE_LOG_H */
