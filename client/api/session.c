/* The client's memory of its session: a driver that died took tables, views and settings
 * with it, and the next one gets them from here.
 *
 *   WELCOME of another driver --> each statement again, in order, one at a time --> ready
 *
 * A statement that is refused now (a view whose files have gone) is left out; the next
 * statement of the user fails and says which, then the session goes on without it. */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "client/api/client_private.h"

void sl_client__remember(sl_client *c, const char *statement)
{
    c->context =
        (char **)sl_realloc(c->context, (c->context_count + (size_t)1) * sizeof(char *));
    c->context[c->context_count++] = sl_strdup(statement);
}

static void forget_one(sl_client *c, uint32_t i)
{
    sl_free(c->context[i]);
    c->context_count--;
    memmove(&c->context[i], &c->context[i + 1],
            (c->context_count - i) * sizeof *c->context);
}

void sl_client__forget(sl_client *c)
{
    while (c->context_count > 0)
        forget_one(c, c->context_count - 1);
    sl_free(c->context);
}

static void run_next(sl_client *c)
{
    sl_cmsg m = { .kind = SL_CMSG_REQUEST };
    if (c->replayed == c->context_count) {
        c->replay_call = 0;
        sl_client__ready(c);
        return;
    }
    c->replay_call = ++c->last_call;
    m.u.request = (sl_cmsg_request){ .id = c->replay_call,
                                     .kind = SL_REQUEST_EXECUTE,
                                     .text = c->context[c->replayed],
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
        log_warn("SESSION-NOT-REBUILT", "%s: %s", c->context[c->replayed], m->error.text);
        if (c->not_rebuilt.code == SL_OK)
            (void)sl_fail_as(&c->not_rebuilt, SL_ELOST, "SESSION_NOT_REBUILT", "08006",
                             "the driver was restarted, and this statement of the "
                             "session could not be run again: `%.200s`: [%s] %.400s; "
                             "what depends on it must be made anew",
                             c->context[c->replayed], m->error.condition, m->error.text);
        forget_one(c, c->replayed);
    }
    run_next(c);
    return true;
}
