/* Clients: open, close, and how their callers reach the loop thread. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/version.h"
#include "client/api/client_private.h"


const char *sl_client_version(void)
{
    return SL_PRODUCT_VERSION;
}

/* ---- errors ---- */

sl_client_status sl_client__status_of(sl_code code)
{
    switch (code) {
    case SL_OK:
        return SL_CLIENT_OK;
    case SL_ESOURCE:
        return SL_CLIENT_DATA_LOST;
    case SL_EINCOMPATIBLE:
    case SL_ECORRUPT:
        return SL_CLIENT_CHECKPOINT;
    case SL_EFENCED:
        return SL_CLIENT_FENCED;
    case SL_ECANCELLED:
        return SL_CLIENT_CANCELLED;
    default:
        return SL_CLIENT_FAILED;
    }
}

sl_client_status sl_client__fail(sl_client_error *to, const sl_error *from)
{
    sl_client_status status = sl_client__status_of(from->code);
    if (to == NULL)
        return status;
    *to =
        (sl_client_error){ .status = status, .line = from->line, .column = from->column };
    snprintf(to->sqlstate, sizeof to->sqlstate, "%s", from->sqlstate);
    snprintf(to->error_class, sizeof to->error_class, "%s", from->condition);
    snprintf(to->message, sizeof to->message, "%s", from->text);
    return status;
}

static sl_client_status fail_usage(sl_client_error *to, const sl_error *from)
{
    (void)sl_client__fail(to, from);
    if (to != NULL)
        to->status = SL_CLIENT_USAGE;
    return SL_CLIENT_USAGE;
}

/* ---- texts ---- */

char *sl_client__take_text(sl_bytes *b)
{
    if (b->data == NULL)
        sl_bytes_reserve(b, 1);
    char *text = (char *)b->data;
    text[b->size_bytes] = '\0';
    *b = (sl_bytes){ 0 };
    return text;
}

void sl_client_text_free(char *text)
{
    sl_free(text);
}

/* ---- the loop thread ---- */

static void *loop_main(void *argument)
{
    sl_client *c = (sl_client *)argument;
    pthread_setname_np(pthread_self(), "sluice-loop");
    (void)!sl_host_run_until(sl_local_host(c->cluster), &c->stop_loop);
    return NULL;
}

bool sl_client__on_loop(const sl_client *c)
{
    return pthread_equal(pthread_self(), c->loop) != 0;
}

struct call {
    sl_client *client;
    void (*fn)(sl_client *c, void *argument);
    void *argument;
    bool done; /* lock */
};

static void run_call(void *user)
{
    struct call *call = (struct call *)user;
    sl_client *c = call->client;
    call->fn(c, call->argument);
    pthread_mutex_lock(&c->lock);
    call->done = true;
    pthread_cond_broadcast(&c->wake);
    pthread_mutex_unlock(&c->lock);
}

void sl_client__call(sl_client *c, void (*fn)(sl_client *c, void *argument),
                     void *argument)
{
    if (sl_client__on_loop(c)) {
        fn(c, argument);
        return;
    }
    struct call call = { .client = c, .fn = fn, .argument = argument };
    sl_host_post(sl_local_host(c->cluster), c, run_call, &call);
    pthread_mutex_lock(&c->lock);
    while (!call.done)
        pthread_cond_wait(&c->wake, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

/* ---- console text ---- */

static int print_to_stdout(const char *text, size_t length)
{
    while (length > 0) {
        ssize_t n = write(STDOUT_FILENO, text, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        text += n;
        length -= (size_t)n;
    }
    return 0;
}

static sl_code print_console(void *user, const char *text, size_t length, sl_error *err)
{
    sl_client *c = (sl_client *)user;
    if (c->print != NULL)
        return c->print(c->print_user, text, length) == 0
                   ? SL_OK
                   : sl_fail(err, SL_ECANCELLED, "nobody reads the console any more");
    int reason = print_to_stdout(text, length);
    if (reason == EPIPE)
        return sl_fail(err, SL_ECANCELLED, "nobody reads the console any more");
    return reason == 0 ? SL_OK
                       : sl_fail_errno(err, reason, "cannot write to the console");
}

/* ---- open and close ---- */

static sl_code apply_settings(const sl_client_config *config, sl_options *options,
                              sl_error *err)
{
    SL_TRY(sl_options_from_environment(options, err));
    for (uint32_t i = 0; i < config->setting_count; i++)
        SL_TRY(sl_options_set(options, config->settings[i].name,
                              config->settings[i].value, err));
    return SL_OK;
}

/* Signals go to the program's own threads. */
static int start_loop(sl_client *c)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int reason = pthread_create(&c->loop, NULL, loop_main, c);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return reason;
}

static sl_code start_cluster(sl_client *c, uint32_t slots, const sl_options *options,
                             sl_error *err)
{
    sl_local_config local = { .slots = slots, .print = print_console, .user = c };
    SL_TRY(sl_local_cluster_new(&local, &c->cluster, err));
    sl_driver *driver = sl_local_driver(c->cluster);
    c->session = sl_session_new(driver, options);
    sl_driver_set_listener(driver, sl_client__on_query_event, c);
    int reason = start_loop(c);
    if (reason != 0) {
        sl_local_cluster_free(c->cluster);
        return sl_fail_errno(err, reason, "cannot start the client's thread");
    }
    return SL_OK;
}

static void init_sync(sl_client *c)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC); /* awaits have time limits */
    pthread_cond_init(&c->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&c->lock, NULL);
}

static void free_sync(sl_client *c)
{
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
    sl_free(c);
}

sl_client_status sl_client_open(const sl_client_config *config, sl_client **ret_client,
                                sl_client_error *err)
{
    static const sl_client_config defaults;
    if (config == NULL)
        config = &defaults;
    sl_error e;
    uint32_t slots = 0;
    sl_local_register_options();
    sl_options *options = sl_options_new();
    sl_code code = apply_settings(config, options, &e);
    if (code == SL_OK)
        code = sl_local_master_parse(config->master != NULL ? config->master : "local[*]",
                                     &slots, &e);
    if (code != SL_OK) {
        sl_options_free(options);
        return fail_usage(err, &e);
    }
    sl_client *c = (sl_client *)sl_calloc(1, sizeof *c);
    c->print = config->print;
    c->print_user = config->print_user;
    init_sync(c);
    code = start_cluster(c, slots, options, &e);
    sl_options_free(options);
    if (code != SL_OK) {
        free_sync(c);
        return sl_client__fail(err, &e);
    }
    *ret_client = c;
    return SL_CLIENT_OK;
}

static void stop_loop(void *user)
{
    ((sl_client *)user)->stop_loop = true;
}

void sl_client_close(sl_client *c)
{
    if (c == NULL)
        return;
    sl_host_post(sl_local_host(c->cluster), c, stop_loop, c);
    pthread_join(c->loop, NULL);
    sl_driver_set_listener(sl_local_driver(c->cluster), NULL, NULL);
    sl_host_close_owner(sl_local_host(c->cluster), c);
    sl_local_cluster_free(c->cluster);
    free_sync(c);
}
