/* terminal.h - a line editor on the terminal that other threads may print beside: the
 * shell's prompt, its history and its Tab key.  Stands on libedit.
 *
 *   console thread                      thread of the shell
 *     sl_terminal_print() --queue,wake-->  between two keys: erases the line being
 *       waits until shown   <------------  edited, prints, draws the line again
 *
 * libedit knows one thread, so all of it is called on the thread that reads lines; others
 * leave their text in a queue and wake it.  While no line is read (a statement runs) they
 * write for themselves.
 *
 * Signals: the thread that waits for them hands Ctrl-C, window changes and Ctrl-Z on with
 *          sl_terminal_signal(). All of SIGINT, SIGTSTP and SIGWINCH must be blocked.
 *          No Ctrl-C is lost: one that comes while no line is read is kept until the
 *          shell takes it (sl_terminal_take_interrupt), or ends the next read.
 * Thread:  new, read, remember, list and free: the shell's; the rest: any.
 */

#ifndef SL_CLIENT_CLI_TERMINAL_H
#define SL_CLIENT_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sl_terminal sl_terminal;

#define SL_TERMINAL_HISTORY_MAX 1000            /* statements kept */
#define SL_TERMINAL_HISTORY_BYTES_MAX (4 << 20) /* a longer file is not read */

/* Tab: `line` up to the cursor. What to put there (*ret_insert, sl_free it; NULL:
 * nothing), and the candidates to list if it is not decided yet (*ret_list, one a line;
 * NULL: none). */
typedef void (*sl_terminal_complete)(void *user, const char *line, size_t length,
                                     char **ret_insert, char **ret_list);

typedef enum sl_terminal_answer {
    SL_TERMINAL_LINE,
    SL_TERMINAL_INTERRUPTED, /* Ctrl-C: the line is thrown away */
    SL_TERMINAL_END          /* Ctrl-D on an empty line, or no terminal any more */
} sl_terminal_answer;

/* history: path of the file, readable to its owner only; NULL: none is kept. NULL, with
 * errno: out of file descriptors. */
sl_terminal *sl_terminal_new(const char *history, sl_terminal_complete complete,
                             void *user);
void sl_terminal_free(sl_terminal *t); /* writes what waits; NULL is fine */

/* The next line without its newline; borrowed until the next call. */
sl_terminal_answer sl_terminal_read(sl_terminal *t, const char *prompt,
                                    const char **ret_line, size_t *ret_length);
/* Into the history, in memory and on disk. A failed write is told once, on stderr. */
void sl_terminal_remember(sl_terminal *t, const char *statement);

/* Show text whole; may block. False: nobody reads any more. */
bool sl_terminal_print(sl_terminal *t, const char *text, size_t length);

/* SIGINT, SIGTSTP or SIGWINCH came, or SIGTERM: read answers END from now on. True: a
 * line is being read and the signal is dealt with there. */
bool sl_terminal_signal(sl_terminal *t, int number);
/* Was there a Ctrl-C that nobody has dealt with yet? _take deals with it. */
bool sl_terminal_is_interrupted(sl_terminal *t);
bool sl_terminal_take_interrupt(sl_terminal *t);

#endif /* SL_CLIENT_CLI_TERMINAL_H */
