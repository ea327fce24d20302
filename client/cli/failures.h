/* failures.h - streaming queries that failed, told once each: by the statement that
 * waited for the query if it names it, else by themselves, and never in the middle of a
 * statement's answer.
 *
 * Thread: on_event on the client's; the rest on the one that runs statements. `report`
 * is called on either. */

#ifndef SL_CLIENT_CLI_FAILURES_H
#define SL_CLIENT_CLI_FAILURES_H

#include <pthread.h>

#include "sluice/sluice.h"

#define SL_FAILURES_HELD_MAX 64 /* more are told at once */

typedef struct sl_failure {
    char run_id[40];
    sl_client_error error;
} sl_failure;

typedef struct sl_failures {
    void (*report)(void *user, const sl_client_error *e);
    void *user;
    pthread_mutex_t lock;
    bool is_held;                           /* lock: a statement runs */
    uint32_t count;                         /* lock */
    sl_failure items[SL_FAILURES_HELD_MAX]; /* lock */
} sl_failures;

void sl_failures_init(sl_failures *f, void (*report)(void *, const sl_client_error *),
                      void *user);
void sl_failures_deinit(sl_failures *f);

void sl_failures_hold(sl_failures *f);
/* The statement has answered, with the error `told` or (NULL) without: report what failed
 * meanwhile, but for the query it told of. */
void sl_failures_release(sl_failures *f, const sl_client_error *told);
/* To be called from the client's listener with every event. */
void sl_failures_on_event(sl_failures *f, sl_client_event event,
                          const sl_client_query *q);

#endif /* SL_CLIENT_CLI_FAILURES_H */
