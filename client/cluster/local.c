#include "client/cluster/local.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/text.h"
#include "client/cluster/metrics_file.h"
#include "connectors/memory_table.h"
#include "worker/worker.h"

#define HEARTBEAT_US 500000

struct sl_local_cluster {
    sl_host *host;
    sl_local_network *network;
    sl_kv_factory kv;
    sl_memory_tables *memory;
    sl_driver *driver;
    sl_worker *worker;
    sl_metrics_file *metrics;
    char directory[256];
};

static void register_all(void)
{
    sl_driver_register_options();
}

void sl_local_register_options(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_all);
}

static void refresh_metrics(void *user)
{
    const sl_local_cluster *c = (const sl_local_cluster *)user;
    sl_driver_refresh_metrics(c->driver);
    sl_worker_refresh_metrics(c->worker);
}

/* The client of a local cluster lives as long as it does: a query whose console it does
 * not show any more has nobody to write for. */
static sl_code print_nowhere(void *user, const char *text, size_t length, sl_error *err)
{
    (void)user;
    (void)text;
    (void)length;
    return sl_fail(err, SL_ECANCELLED, "nobody reads the console any more");
}

static sl_code start(sl_local_cluster *c, const sl_local_config *config, sl_error *err)
{
    char temp[320], work[320];
    const char *base = getenv("TMPDIR");
    snprintf(c->directory, sizeof c->directory, "%s/sluice-%ld-%08llx",
             base != NULL && *base != '\0' ? base : "/tmp", (long)getpid(),
             (unsigned long long)(sl_host_rand64(c->host) & 0xffffffff));
    snprintf(temp, sizeof temp, "%s/checkpoints", c->directory);
    snprintf(work, sizeof work, "%s/state", c->directory);
    sl_driver_config driver = { .address = SL_LOCAL_DRIVER_ADDRESS,
                                .kv = &c->kv,
                                .temp_dir = temp,
                                .memory = c->memory,
                                .print = print_nowhere };
    sl_worker_config worker = { .address = "w1",
                                .driver_address = SL_LOCAL_DRIVER_ADDRESS,
                                .slots = config->slots,
                                .memory_bytes = INT64_MAX,
                                .kv = &c->kv,
                                .work_dir = work,
                                .heartbeat_us = HEARTBEAT_US,
                                .memory = c->memory };
    sl_network *network = sl_local_network_of(c->network);
    SL_TRY(sl_driver_new(c->host, network, &driver, &c->driver, err));
    return sl_worker_new(c->host, network, &worker, &c->worker, err);
}

sl_code sl_local_cluster_new(const sl_local_config *config, sl_local_cluster **ret,
                             sl_error *err)
{
    sl_local_cluster *c = (sl_local_cluster *)sl_calloc(1, sizeof *c);
    sl_driver_register_metrics();
    sl_worker_register_metrics();
    c->kv = sl_kv_rocksdb();
    c->memory = sl_memory_tables_new();
    c->network = sl_local_network_new();
    sl_code code = sl_host_real_new(&c->host, err);
    if (code == SL_OK)
        code = start(c, config, err);
    if (code == SL_OK)
        c->metrics =
            sl_metrics_file_new(c->host, config->options, NULL, refresh_metrics, c);
    if (code != SL_OK) {
        sl_local_cluster_free(c);
        return code;
    }
    *ret = c;
    return SL_OK;
}

void sl_local_cluster_free(sl_local_cluster *c)
{
    if (c == NULL)
        return;
    sl_metrics_file_free(c->metrics);
    sl_driver_free(c->driver);
    sl_worker_free(c->worker);
    sl_local_network_free(c->network);
    if (c->host != NULL && c->directory[0] != '\0')
        (void)!sl_fs_remove_tree(c->host->fs, c->directory, NULL);
    sl_host_free(c->host);
    sl_memory_tables_free(c->memory);
    sl_free(c);
}

sl_host *sl_local_host(sl_local_cluster *c)
{
    return c->host;
}

sl_network *sl_local_network_in(sl_local_cluster *c)
{
    return sl_local_network_of(c->network);
}

sl_driver *sl_local_driver(sl_local_cluster *c)
{
    return c->driver;
}

int64_t sl_local_memory_peak(const sl_local_cluster *c)
{
    return sl_worker_memory_peak(c->worker);
}
