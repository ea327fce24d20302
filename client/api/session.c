/* The client's memory of its session: a driver that died took tables, views and settings
 * with it, and the next one gets them from here.
 *
 *   WELCOME of another driver --> each statement again, in order, one at a time --> ready
 *
 * What a later statement undid is not in it (driver/session_context.h): it does not grow
 * with the life of a shell.
 *
 * A statement that is refused now (a view whose files have gone) is left out; the next
 * statement of the user fails and says which, then the session goes on without it. */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "client/api/client_private.h"
#include "engine/sql/parse.h"

void sl_client__remember(sl_client *c, const char *statement)
{
    sl_sql_cursor cursor = { .line = 1, .column = 1 };
    sl_arena *arena = sl_arena_new();
    const sl_statement *s = NULL;
    if (sl_sql_parse_next(statement, strlen(statement), &cursor, arena, &s, NULL) ==
            SL_OK &&
        s != NULL)
        sl_session_context_add(&c->context, s, statement);
    sl_arena_free(arena);
}

void sl_client__forget(sl_client *c)
{
    sl_session_context_deinit(&c->context);
}

static void run_next(sl_client *c)
{
    sl_cmsg m = { .kind = SL_CMSG_REQUEST };
    if (c->replayed == c->context.count) {
        c->replay_call = 0;
        sl_client__ready(c);
        return;
    }
    c->replay_call = ++c->last_call;
    m.u.request = (sl_cmsg_request){ .id = c->replay_call,
                                     .kind = SL_REQUEST_EXECUTE,
                                     .text = c->context.texts[c->replayed],
                                     .name = "",
                                     .flag = true,
                                     .line = 1,
                                     .column = 1 };
    sl_client__send(c, &m);
}

void sl_client__rebuild(sl_client *c)
{
    c->replayed = 0;
    run_next(c);
}

bool sl_client__on_rebuilt(sl_client *c, const sl_cmsg_answer *m)
{
    if (c->replay_call == 0 || m->id != c->replay_call)
        return false;
    if (m->error.code == 0) {
        c->replayed++;
    } else {
        log_warn("SESSION-NOT-REBUILT", "%s: %s", c->context.texts[c->replayed],
                 m->error.text);
        if (c->not_rebuilt.code == SL_OK)
            (void)sl_fail_as(&c->not_rebuilt, SL_ELOST, "SESSION_NOT_REBUILT", "08006",
                             "the driver was restarted, and this statement of the "
                             "session could not be run again: `%.200s`: [%s] %.400s; "
                             "what depends on it must be made anew",
                             c->context.texts[c->replayed], m->error.condition,
                             m->error.text);
        sl_session_context_remove(&c->context, c->replayed);
    }
    run_next(c);
    return true;
}
