/* worker_registry.h - the workers of a driver: who they are and whether they live.
 *
 * Workers dial in and register; after that every heartbeat (and any other message) is a
 * sign of life.  Silence makes a worker suspect, then dead; a dropped connection makes it
 * suspect at once.  A suspect gets no new work but keeps what it has; a dead one is
 * forgotten, and its incarnation refused for ever: a process that was only stopped learns
 * so and registers anew, with nothing of its past.
 *
 *              register            silent > suspect, or disconnected
 *   (unknown) ----------> ACTIVE ------------------------------------> SUSPECT
 *                            ^         heard again                       |
 *                            +-------------------------------------------+
 *                                                                        | silent > dead,
 *                            GONE <--------------------------------------+ not back, or
 *                                                                          another life
 * A driver that was stopped itself (its timer fires late) gives everybody that time.
 *
 * Names:   a worker has the name it registers with (`--name`), if that is fit for a name;
 *          else "w" and its number.  If a living one has that name already, e.g. its own
 *          earlier life which was not given up yet, "#" and the number follow:
 *          "worker-1#3".  A name stays for as long as its worker lives.
 * Units:   *_us microseconds of the host's monotonic clock.
 * Owns:    the workers; a pointer is valid until on_lost was called for it.
 * Thread:  loop thread.
 * Invariants:
 *   WR1  a worker counted as gone is never active again under the same incarnation.
 *   WR2  on_lost is called once for each worker that was announced by on_joined.
 *   WR3  no two workers of the registry have one name.
 *   WR4  a worker that fences itself does so after less silence than makes it dead: it
 *        has let go before another gets its state. */

#ifndef SL_DRIVER_WORKER_REGISTRY_H
#define SL_DRIVER_WORKER_REGISTRY_H

#include "base/host.h"
#include "proto/messages.h"

typedef enum sl_worker_state {
    SL_WORKER_ACTIVE,
    SL_WORKER_SUSPECT,
    SL_WORKER_GONE, /* seen in on_lost only */
} sl_worker_state;

typedef struct sl_dworker {
    struct sl_dworker *next; /* in order of registration */
    char *address;           /* port */
    char *name;              /* "worker-1", "w3": unique, see above */
    char *host_name;
    int64_t pid;
    uint64_t incarnation;
    uint32_t number; /* from 1, never used again within the driver's life */
    uint32_t slots;
    sl_worker_state state;
    int64_t heard_us, suspect_since_us;
    bool is_disconnected;
    int64_t memory_bytes, memory_used_bytes; /* budget, now */
    uint64_t progress;
    uint32_t tasks_running;
    int64_t shuffle_sent_bytes, shuffle_received_bytes; /* not consumed yet */
} sl_dworker;

typedef struct sl_worker_timing {
    int64_t suspect_us, dead_us; /* of silence */
    int64_t reconnect_us;        /* a dropped connection may take to come back */
} sl_worker_timing;

typedef struct sl_worker_registry sl_worker_registry;

typedef struct sl_worker_callbacks {
    void (*on_joined)(void *user, sl_dworker *w);
    void (*on_lost)(void *user, const sl_dworker *w, const char *why); /* freed after */
    void *user;
} sl_worker_callbacks;

sl_worker_registry *sl_worker_registry_new(sl_host *host, sl_worker_timing timing,
                                           sl_worker_callbacks callbacks);
void sl_worker_registry_free(sl_worker_registry *r); /* calls nobody; NULL is fine */

typedef struct sl_worker_refusal {
    char why[256];
    bool may_return; /* as a new incarnation; false: it can never be taken as it is */
} sl_worker_refusal;

/* NULL: this incarnation was given up, its protocol is another one, or it would let go of
 * its work later than it is given up (*ret_refusal tells); else the worker, new or known.
 */
sl_dworker *sl_worker_registry_register(sl_worker_registry *r, const char *address,
                                        uint64_t incarnation, const sl_msg_register *m,
                                        sl_worker_refusal *ret_refusal);
/* A sign of life. false: not a worker we know; tell it. */
bool sl_worker_registry_heard(sl_worker_registry *r, const char *address,
                              uint64_t incarnation);
void sl_worker_registry_heartbeat(sl_worker_registry *r, const char *address,
                                  const sl_msg_heartbeat *m);
void sl_worker_registry_disconnected(sl_worker_registry *r, const char *address);
/* Gone on its own wish, or because its port answers as another process. */
void sl_worker_registry_lose(sl_worker_registry *r, const char *address, const char *why);

sl_dworker *sl_worker_registry_first(const sl_worker_registry *r);
sl_dworker *sl_worker_registry_find(const sl_worker_registry *r, const char *address);
uint32_t sl_worker_registry_slots(const sl_worker_registry *r); /* of all but suspects */
const char *sl_worker_state_name(sl_worker_state s);

#endif /* SL_DRIVER_WORKER_REGISTRY_H */
