/* Clients: open, close, and how their callers reach the loop thread. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/version.h"
#include "client/api/client_private.h"
#include "client/cluster/master.h"

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
    sl_client_status status = strcmp(from->condition, "CANNOT_CONNECT") == 0
                                  ? SL_CLIENT_CONNECT
                                  : sl_client__status_of(from->code);
    if (to == NULL)
        return status;
    *to =
        (sl_client_error){ .status = status, .line = from->line, .column = from->column };
    snprintf(to->sqlstate, sizeof to->sqlstate, "%s", from->sqlstate);
    snprintf(to->error_class, sizeof to->error_class, "%s", from->condition);
    snprintf(to->message, sizeof to->message, "%s", from->text);
    return status;
}

sl_error sl_client__error_of(const sl_cmsg_error *m)
{
    sl_error e;
    sl_code code =
        m->code > 0 && m->code < SL_CODE_COUNT ? (sl_code)m->code : SL_EINTERNAL;
    (void)sl_fail_as(&e, code, m->condition, m->sqlstate, "%s", m->text);
    e.line = m->line;
    e.column = m->column;
    return e;
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
    (void)!sl_host_run_until(c->host, &c->stop_loop);
    return NULL;
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

#define LINGER_MS 200

static sl_code start_local(sl_client *c, uint32_t slots, sl_error *err)
{
    sl_local_config local = { .slots = slots, .options = c->options };
    SL_TRY(sl_local_cluster_new(&local, &c->cluster, err));
    c->host = sl_local_host(c->cluster);
    c->network = sl_local_network_in(c->cluster);
    c->driver_address = sl_strdup(SL_LOCAL_DRIVER_ADDRESS);
    return SL_OK;
}

static sl_code open_network(sl_client *c, sl_error *err)
{
    SL_TRY(sl_host_real_new(&c->host, err));
    SL_TRY(sl_zmq_network_new(LINGER_MS, &c->zmq, err));
    c->network = sl_zmq_network_of(c->zmq);
    return SL_OK;
}

/* The processes first: there is no thread and no socket yet (launcher.h). */
static sl_code start_processes(sl_client *c, const sl_master *master, sl_error *err)
{
    sl_zmq_warm_up();
    SL_TRY(sl_process_cluster_new(master->workers, master->slots, c->options,
                                  &c->processes, err));
    c->driver_address = sl_strdup(sl_process_cluster_address(c->processes));
    SL_TRY(open_network(c, err));
    return sl_process_cluster_wait_driver(c->processes, err);
}

static sl_code start_by_kind(sl_client *c, const sl_master *master, sl_error *err)
{
    if (master->kind == SL_MASTER_LOCAL)
        return start_local(c, master->slots, err);
    if (master->kind == SL_MASTER_LOCAL_CLUSTER)
        return start_processes(c, master, err);
    c->driver_address = sl_strdup(master->address);
    return open_network(c, err);
}

static sl_code start(sl_client *c, const sl_master *master, sl_error *err)
{
    char name[64];
    SL_TRY(start_by_kind(c, master, err));
    snprintf(name, sizeof name, "client-%016llx",
             (unsigned long long)sl_host_rand64(c->host)); /* nobody dials it */
    SL_TRY(sl_client__connect(c, name, err));
    int reason = start_loop(c);
    if (reason != 0)
        return sl_fail_errno(err, reason, "cannot start the client's thread");
    c->has_loop = true;
    if (c->processes != NULL)
        SL_TRY(sl_process_cluster_wait_workers(c->processes, err));
    return master->kind == SL_MASTER_LOCAL ? SL_OK : sl_client__greet(c, err);
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

static void stop_loop(void *user)
{
    ((sl_client *)user)->stop_loop = true;
}

static void free_all(sl_client *c)
{
    if (c->has_loop) {
        sl_host_post(c->host, c, stop_loop, c);
        pthread_join(c->loop, NULL);
    }
    bool is_idle = c->own_query_count == 0; /* the loop is over, nothing changes it */
    if (c->host != NULL)
        sl_client__disconnect(c);
    if (is_idle)
        sl_process_cluster_end(c->processes); /* while sockets close here */
    if (c->cluster == NULL) {
        sl_zmq_network_free(c->zmq);
        sl_host_free(c->host);
    }
    sl_local_cluster_free(c->cluster);
    sl_process_cluster_free(c->processes);
    sl_options_free(c->options);
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
    sl_master master;
    sl_local_register_options();
    sl_options *options = sl_options_new();
    sl_code code = apply_settings(config, options, &e);
    if (code == SL_OK)
        code = sl_master_parse(config->master != NULL ? config->master : "local[*]",
                               &master, &e);
    if (code == SL_OK && config->is_detached && master.kind != SL_MASTER_REMOTE)
        code = sl_fail(&e, SL_EINVAL,
                       "queries of a client that leaves need a driver that stays: master "
                       "sluice://HOST:PORT, not '%s'",
                       config->master != NULL ? config->master : "local[*]");
    if (code != SL_OK) {
        sl_options_free(options);
        return fail_usage(err, &e);
    }
    sl_client *c = (sl_client *)sl_calloc(1, sizeof *c);
    c->print = config->print;
    c->print_user = config->print_user;
    c->is_detached = config->is_detached;
    c->options = options;
    init_sync(c);
    code = start(c, &master, &e);
    if (code != SL_OK) {
        free_all(c);
        return sl_client__fail(err, &e);
    }
    *ret_client = c;
    return SL_CLIENT_OK;
}

void sl_client_close(sl_client *c)
{
    if (c == NULL)
        return;
    free_all(c);
}
