/* session_context.h - the statements that made a session what it is.
 *
 * Tables, views and settings of a session are made again from their statements: by a
 * client for the driver after the one that died (client/api/session.c), and by a driver
 * for the queries it resumes (session_resume.c).  A shell may live for months and define
 * the same view each minute, so what no longer matters is let go:
 *
 *   SET k            lets go of the SET k before it; RESET of those it undoes
 *   DROP t           of the CREATE t before it, and of itself
 *   CREATE .. t      of the CREATE t before it (OR REPLACE)
 *   CREATE .. IF NOT EXISTS t, DROP .. IF EXISTS t that change nothing, SET k alone
 *                    are not kept
 *
 * but a CREATE t stays, and the DROP t or the next CREATE t too, for as long as a view
 * between them (or the next CREATE t itself) speaks of t: it is checked when it is made
 * again, and needs the t of its time.  "Speaks of" is a search in its text: it may find
 * too much, never too little.  Settings are not tied to a place: each has its last value.
 *
 * Bound:  what lives (a statement for each table, view and setting), and at most
 *         SL_CONTEXT_OUTDATED_MAX statements that stay for views.  Past that only what
 *         lives is kept, each where the first of its name was.
 * Owns:   copies of all texts.  Thread: one at a time. */

#ifndef SL_DRIVER_SESSION_CONTEXT_H
#define SL_DRIVER_SESSION_CONTEXT_H

#include "engine/plan/unresolved.h"

#define SL_CONTEXT_OUTDATED_MAX 256u

typedef struct sl_context_statement sl_context_statement;

typedef struct sl_session_context {
    char **texts; /* in the order to run them */
    sl_context_statement *statements;
    uint32_t count, capacity;
} sl_session_context; /* {0}: empty */

void sl_session_context_deinit(sl_session_context *c);
/* A statement that succeeded; text: its own.  Other kinds than CREATE and DROP of tables
 * and views, SET and RESET are not of the context. */
void sl_session_context_add(sl_session_context *c, const sl_statement *s,
                            const char *text);
/* One that was refused when it was run again. */
void sl_session_context_remove(sl_session_context *c, uint32_t i);

#endif /* SL_DRIVER_SESSION_CONTEXT_H */
