#include "driver/worker_registry.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"

#define LOOK_EVERY_US                                                                    \
    500000 /* at least; a look that comes LATE_US late: we were stopped */
#define LATE_US 100000
#define GIVEN_UP_MAX 256u /* incarnations remembered as given up */

struct sl_worker_registry {
    sl_host *host;
    sl_worker_timing timing;
    sl_worker_callbacks callbacks;
    sl_dworker *first;
    uint32_t last_number;
    uint64_t given_up[GIVEN_UP_MAX]; /* a ring */
    uint32_t given_up_count;
    sl_timer_ref timer;
    int64_t look_at_us;
};

static const bool may_move[3][3] = {
    /* to:                ACTIVE SUSPECT GONE */
    [SL_WORKER_ACTIVE] = { false, true, true },
    [SL_WORKER_SUSPECT] = { true, false, true },
    [SL_WORKER_GONE] = { false, false, false },
};

const char *sl_worker_state_name(sl_worker_state s)
{
    static const char *const names[] = { "ACTIVE", "SUSPECT", "GONE" };
    return names[s];
}

static void move(sl_dworker *w, sl_worker_state to, const char *why)
{
    SL_ASSERT(may_move[w->state][to]);
    if (to == SL_WORKER_GONE)
        log_warn("WORKER-LOST", "%s (%s): %s", w->name, w->address, why);
    else
        log_info("WORKER-STATE", "%s: %s -> %s, %s", w->name,
                 sl_worker_state_name(w->state), sl_worker_state_name(to), why);
    w->state = to;
}

static void worker_free(sl_dworker *w)
{
    sl_free(w->address);
    sl_free(w->name);
    sl_free(w->host_name);
    sl_free(w);
}

static bool was_given_up(const sl_worker_registry *r, uint64_t incarnation)
{
    uint32_t n = r->given_up_count < GIVEN_UP_MAX ? r->given_up_count : GIVEN_UP_MAX;
    for (uint32_t i = 0; i < n; i++)
        if (r->given_up[i] == incarnation)
            return true;
    return false;
}

static void lose(sl_worker_registry *r, sl_dworker *w, const char *why)
{
    sl_dworker **at = &r->first;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    r->given_up[r->given_up_count++ % GIVEN_UP_MAX] = w->incarnation;
    move(w, SL_WORKER_GONE, why);
    r->callbacks.on_lost(r->callbacks.user, w, why);
    worker_free(w);
}

/* ---- silence ---- */

static void judge(sl_worker_registry *r, sl_dworker *w, int64_t now)
{
    char why[96];
    int64_t silent = now - w->heard_us;
    if (silent > r->timing.dead_us) {
        snprintf(why, sizeof why, "silent for %" PRId64 " ms", silent / 1000);
        lose(r, w, why);
        return;
    }
    if (w->is_disconnected && now - w->suspect_since_us > r->timing.reconnect_us) {
        lose(r, w, "its connection dropped and did not come back");
        return;
    }
    if (w->state == SL_WORKER_ACTIVE && silent > r->timing.suspect_us) {
        snprintf(why, sizeof why, "silent for %" PRId64 " ms", silent / 1000);
        w->suspect_since_us = now;
        move(w, SL_WORKER_SUSPECT, why);
    }
}

/* When judge() may have something to say of this worker. */
static int64_t deadline_of(const sl_worker_registry *r, const sl_dworker *w)
{
    int64_t at = w->heard_us + (w->state == SL_WORKER_ACTIVE ? r->timing.suspect_us
                                                             : r->timing.dead_us);
    if (w->is_disconnected && w->suspect_since_us + r->timing.reconnect_us < at)
        at = w->suspect_since_us + r->timing.reconnect_us;
    return at + 1;
}

static void look(void *user);

/* The next look: at the first deadline, or after a part of the shortest time that counts,
 * so that the time this process was stopped is known well enough not to be taken for
 * silence. */
static void look_later(sl_worker_registry *r)
{
    int64_t now = sl_host_mono_us(r->host), every = r->timing.suspect_us / 4;
    every = every > LOOK_EVERY_US ? LOOK_EVERY_US : every < 1000 ? 1000 : every;
    int64_t at = now + every;
    for (const sl_dworker *w = r->first; w != NULL; w = w->next)
        if (deadline_of(r, w) < at)
            at = deadline_of(r, w);
    at = at < now ? now : at;
    if (r->timer.id != 0 && r->look_at_us <= at)
        return;
    if (r->timer.id != 0)
        sl_host_timer_cancel(r->host, r->timer);
    r->look_at_us = at;
    r->timer = sl_host_timer(r->host, r, at, look, r);
}

static void look(void *user)
{
    sl_worker_registry *r = (sl_worker_registry *)user;
    int64_t now = sl_host_mono_us(r->host);
    int64_t stopped_us = now - r->look_at_us;
    r->timer = (sl_timer_ref){ 0 };
    for (sl_dworker *w = r->first, *next; w != NULL; w = next) {
        next = w->next;
        if (stopped_us > LATE_US) { /* we were not running: nobody's silence */
            w->heard_us += stopped_us;
            w->suspect_since_us += stopped_us;
        }
        judge(r, w, now);
    }
    if (r->first != NULL)
        look_later(r);
}

/* ---- events ---- */

sl_dworker *sl_worker_registry_find(const sl_worker_registry *r, const char *address)
{
    for (sl_dworker *w = r->first; w != NULL; w = w->next)
        if (strcmp(w->address, address) == 0)
            return w;
    return NULL;
}

static bool is_name_taken(const sl_worker_registry *r, const char *name)
{
    for (const sl_dworker *w = r->first; w != NULL; w = w->next)
        if (strcmp(w->name, name) == 0)
            return true;
    return false;
}

/* WR3: '#' is in no name that is given, and no number is used twice. */
static char *name_for(const sl_worker_registry *r, uint32_t number, const char *given)
{
    char name[SL_PROCESS_NAME_BYTES_MAX + 16];
    if (given != NULL && sl_text_is_name(given, SL_PROCESS_NAME_BYTES_MAX))
        snprintf(name, sizeof name, "%s", given);
    else
        snprintf(name, sizeof name, "w%u", number);
    size_t length = strlen(name);
    if (is_name_taken(r, name))
        snprintf(name + length, sizeof name - length, "#%u", number);
    return sl_strdup(name);
}

static sl_dworker *add(sl_worker_registry *r, const char *address, uint64_t incarnation,
                       const sl_msg_register *m)
{
    sl_dworker *w = (sl_dworker *)sl_calloc(1, sizeof *w);
    sl_dworker **at = &r->first;
    w->number = ++r->last_number;
    w->name = name_for(r, w->number, m->name);
    w->address = sl_strdup(address);
    w->host_name = sl_strdup(m->host != NULL ? m->host : "");
    w->pid = m->pid;
    w->incarnation = incarnation;
    w->slots = m->slots;
    w->memory_bytes = m->memory_bytes;
    w->state = SL_WORKER_ACTIVE;
    w->heard_us = sl_host_mono_us(r->host);
    while (*at != NULL)
        at = &(*at)->next;
    *at = w;
    look_later(r);
    log_info("WORKER-JOINED", "%s at %s: %u slots, pid %" PRId64, w->name, w->address,
             w->slots, w->pid);
    return w;
}

/* WR4.  fence_us 0 is a worker of this process, which cannot be cut off. */
static bool lets_go_too_late(const sl_worker_registry *r, const sl_msg_register *m,
                             sl_worker_refusal *ret)
{
    if (m->fence_us < r->timing.dead_us)
        return false;
    snprintf(ret->why, sizeof ret->why,
             "its sluice.worker.fenceAfter (%" PRId64
             " ms) must be less than the driver's sluice.worker.deadAfter (%" PRId64
             " ms), so that it lets go before its state is given to another: set both, "
             "with --conf of driver and worker",
             m->fence_us / 1000, r->timing.dead_us / 1000);
    return true;
}

static bool is_refused(const sl_worker_registry *r, uint64_t incarnation,
                       const sl_msg_register *m, sl_worker_refusal *ret)
{
    const char *why = NULL;
    ret->may_return = false;
    if (m->protocol_version != SL_PROTOCOL_VERSION) {
        why = "it speaks another version of the protocol: run the same sluice on driver "
              "and workers";
    } else if (m->slots == 0) {
        why = "it has no slots";
    } else if (lets_go_too_late(r, m, ret)) {
        return true;
    } else if (was_given_up(r, incarnation)) {
        why = "it was given up as dead";
        ret->may_return = true;
    }
    if (why != NULL)
        snprintf(ret->why, sizeof ret->why, "%s", why);
    return why != NULL;
}

sl_dworker *sl_worker_registry_register(sl_worker_registry *r, const char *address,
                                        uint64_t incarnation, const sl_msg_register *m,
                                        sl_worker_refusal *ret_refusal)
{
    sl_dworker *w = sl_worker_registry_find(r, address);
    if (w != NULL && w->incarnation == incarnation)
        return w;
    if (is_refused(r, incarnation, m, ret_refusal))
        return NULL;
    if (w != NULL)
        lose(r, w, "another process answers at its address");
    w = add(r, address, incarnation, m);
    r->callbacks.on_joined(r->callbacks.user, w);
    return w;
}

bool sl_worker_registry_heard(sl_worker_registry *r, const char *address,
                              uint64_t incarnation)
{
    sl_dworker *w = sl_worker_registry_find(r, address);
    if (w == NULL || w->incarnation != incarnation)
        return false;
    w->heard_us = sl_host_mono_us(r->host);
    w->is_disconnected = false;
    if (w->state == SL_WORKER_SUSPECT)
        move(w, SL_WORKER_ACTIVE, "it was heard again");
    return true;
}

void sl_worker_registry_heartbeat(sl_worker_registry *r, const char *address,
                                  const sl_msg_heartbeat *m)
{
    sl_dworker *w = sl_worker_registry_find(r, address);
    if (w == NULL)
        return;
    w->memory_used_bytes = m->memory_used_bytes;
    w->progress = m->progress;
    w->tasks_running = m->tasks_running;
    w->shuffle_sent_bytes = m->shuffle_sent_bytes;
    w->shuffle_received_bytes = m->shuffle_received_bytes;
}

void sl_worker_registry_disconnected(sl_worker_registry *r, const char *address)
{
    sl_dworker *w = sl_worker_registry_find(r, address);
    if (w == NULL || w->is_disconnected)
        return;
    w->is_disconnected = true;
    w->suspect_since_us = sl_host_mono_us(r->host);
    if (w->state == SL_WORKER_ACTIVE)
        move(w, SL_WORKER_SUSPECT, "its connection dropped");
    look_later(r);
}

void sl_worker_registry_lose(sl_worker_registry *r, const char *address, const char *why)
{
    sl_dworker *w = sl_worker_registry_find(r, address);
    if (w != NULL)
        lose(r, w, why);
}

/* ---- life, reads ---- */

sl_worker_registry *sl_worker_registry_new(sl_host *host, sl_worker_timing timing,
                                           sl_worker_callbacks callbacks)
{
    sl_worker_registry *r = (sl_worker_registry *)sl_calloc(1, sizeof *r);
    r->host = host;
    r->timing = timing;
    r->callbacks = callbacks;
    return r;
}

void sl_worker_registry_free(sl_worker_registry *r)
{
    if (r == NULL)
        return;
    sl_host_close_owner(r->host, r);
    while (r->first != NULL) {
        sl_dworker *w = r->first;
        r->first = w->next;
        worker_free(w);
    }
    sl_free(r);
}

sl_dworker *sl_worker_registry_first(const sl_worker_registry *r)
{
    return r->first;
}

uint32_t sl_worker_registry_slots(const sl_worker_registry *r)
{
    uint32_t slots = 0;
    for (const sl_dworker *w = r->first; w != NULL; w = w->next)
        if (w->state == SL_WORKER_ACTIVE)
            slots += w->slots;
    return slots;
}
