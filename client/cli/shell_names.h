/* shell_names.h - what the shell's Tab key knows: the words of SQL, functions, tables and
 * their columns, streaming queries, settings.
 *
 * Names of the session are asked for when Tab is first pressed after a statement, so that
 * nothing is asked while statements are typed in.
 *
 * Thread: the shell's. */

#ifndef SL_CLIENT_CLI_SHELL_NAMES_H
#define SL_CLIENT_CLI_SHELL_NAMES_H

#include "sluice/sluice.h"

typedef enum sl_name_kind {
    SL_NAME_KEYWORD = 1,
    SL_NAME_FUNCTION = 2,
    SL_NAME_TABLE = 4,
    SL_NAME_COLUMN = 8,
    SL_NAME_QUERY = 16,
    SL_NAME_SETTING = 32
} sl_name_kind;

typedef struct sl_shell_names sl_shell_names;

sl_shell_names *sl_shell_names_new(sl_client *c); /* borrows the client */
void sl_shell_names_free(sl_shell_names *n);      /* NULL is fine */

/* A statement ran: what the session holds may be other than before. */
void sl_shell_names_changed(sl_shell_names *n);
void sl_shell_names_add(sl_shell_names *n, sl_name_kind kind, const char *name);

/* sl_terminal_complete: `user` is the sl_shell_names. A keyword is written in the case of
 * what was typed, a name as it is. Where the words before tell what must come (SET, FROM,
 * STOP STREAMING QUERY), only such names are looked at. */
void sl_shell_names_complete(void *user, const char *line, size_t length,
                             char **ret_insert, char **ret_list);

#endif /* SL_CLIENT_CLI_SHELL_NAMES_H */
