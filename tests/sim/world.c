#include "tests/sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "connectors/memory_table.h"
#include "driver/driver.h"
#include "tests/sim/script.h"
#include "worker/worker.h"

struct node {
    sim_world *world;
    sl_host *host;
    sl_local_network *network;
    sl_kv_factory kv;
    sl_memory_tables *memory;
    sl_driver *driver;
    sl_worker *worker;
    sim_scripts scripts;
};

uint64_t sim_random(void *world)
{
    sim_world *w = (sim_world *)world;
    uint64_t z = (w->random += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint32_t sim_below(sim_world *w, uint32_t n)
{
    return (uint32_t)(sim_random(w) % n);
}

static int64_t wall_ns(void *user)
{
    return ((sim_world *)user)->now_ns += 1000;
}

/* ---- faults ---- */

void sim_world_perhaps_die(sim_world *w)
{
    if (w->death_one_in != 0 && sim_below(w, w->death_one_in) == 0)
        w->is_dead = true;
}

static sl_code before_operation(void *user, const char *operation, const char *path,
                                sl_error *err)
{
    sim_world *w = (sim_world *)user;
    char journal[32];
    sim_world_perhaps_die(w);
    if (w->is_dead)
        return sl_fail(err, SL_EIO, "the node is dead: %s %s", operation, path);
    if (w->fault_one_in == 0 || sim_below(w, w->fault_one_in) != 0)
        return SL_OK;
    for (uint32_t i = 0; i < w->query_count; i++) {
        snprintf(journal, sizeof journal, "/cp%u/journal", i);
        if (strcmp(operation, "sync") == 0 && strstr(path, journal) != NULL)
            w->queries[i].unsynced = true;
    }
    return sl_fail(err, SL_EIO, "injected failure of %s %s", operation, path);
}

static uint32_t link_copies(void *user, const char *from, const char *to,
                            int64_t *ret_delay_us)
{
    sim_world *w = (sim_world *)user;
    (void)from;
    (void)to;
    uint32_t draw = sim_below(w, 100);
    uint32_t copies = !w->bad_link ? 1 : draw < 5 ? 0 : draw > 95 ? 2 : 1;
    for (uint32_t i = 0; i < copies; i++)
        ret_delay_us[i] = w->bad_link ? sim_below(w, 3000) : 0;
    return copies;
}

static int64_t job_delay(void *user, const char *name)
{
    (void)name;
    return 1 + sim_below((sim_world *)user, 2000);
}

void sim_world_failpoint(void *user, const char *name)
{
    (void)name;
    sim_world_perhaps_die((sim_world *)user);
}

void sim_world_event(void *user, const char *what, int64_t mono_us)
{
    sim_world *w = (sim_world *)user;
    w->trace = sl_hash_mix(w->trace, sl_hash64(what, strlen(what)) ^ (uint64_t)mono_us);
}

/* ---- a life of the node ---- */

sl_code sim_world_print(void *user, const char *text, size_t length, sl_error *err)
{
    sim_world *w = (sim_world *)user;
    if (w->is_dead)
        return sl_fail(err, SL_EIO, "the node is dead");
    for (uint32_t i = 0; i < w->query_count; i++)
        if (sim_is_console(w->queries[i].kind)) /* one of them, at most */
            sl_bytes_append(&w->queries[i].shown, text, length);
    return SL_OK;
}

static void start(struct node *n, sim_world *w)
{
    sl_host_virtual_hooks hooks = { .job_delay_us = job_delay,
                                    .failpoint = sim_world_failpoint,
                                    .event = sim_world_event,
                                    .user = w };
    *n = (struct node){ .world = w };
    w->is_dead = false;
    n->host = sl_host_virtual_new(sim_random(w), SIM_EPOCH_S * 1000000,
                                  sl_fs_virtual_fs(w->fs), hooks);
    n->network = sl_local_network_new();
    sl_local_network_set_faults(n->network,
                                (sl_link_faults){ .copies = link_copies, .user = w });
    n->kv = sl_kv_memory(sl_fs_virtual_fs(w->fs));
    n->memory = sl_memory_tables_new();
    sl_driver_config driver = { .address = "driver",
                                .kv = &n->kv,
                                .temp_dir = "/tmp",
                                .memory = n->memory,
                                .print = sim_world_print,
                                .user = w };
    sl_worker_config worker = { .address = "w1",
                                .driver_address = "driver",
                                .slots = 1 + sim_below(w, 3),
                                .memory_bytes = INT64_MAX,
                                .kv = &n->kv,
                                .work_dir = "/work",
                                .heartbeat_us = 500000,
                                .memory = n->memory,
                                .snapshot_rule = &w->snapshot_rule };
    sl_network *network = sl_local_network_of(n->network);
    if (sl_driver_new(n->host, network, &driver, &n->driver, NULL) != SL_OK ||
        sl_worker_new(n->host, network, &worker, &n->worker, NULL) != SL_OK)
        abort();
    sim_scripts_start(&n->scripts, w, n->host, n->driver);
}

/* Memory goes, the disk stays: nothing of the clean-up may reach a file. */
static void end(struct node *n)
{
    n->world->is_dead = true;
    sim_scripts_stop(&n->scripts);
    sl_driver_free(n->driver);
    sl_worker_free(n->worker);
    sl_local_network_free(n->network);
    sl_host_free(n->host);
    sl_memory_tables_free(n->memory);
    n->world->is_dead = false;
}

bool sim_world_all_done(const sim_world *w)
{
    for (uint32_t i = 0; i < w->query_count; i++)
        if (!w->queries[i].done)
            return false;
    return true;
}

bool sim_world_live(sim_world *w, uint32_t events)
{
    struct node n;
    uint32_t death = w->death_one_in, fault = w->fault_one_in;
    w->death_one_in = w->fault_one_in = 0; /* making a node is no part of its life */
    start(&n, w);
    w->death_one_in = death;
    w->fault_one_in = fault;
    for (uint32_t i = 0; i < events && !w->is_dead && !sim_world_all_done(w); i++)
        if (!sl_host_virtual_step(n.host))
            break;
    bool done = sim_world_all_done(w) && !w->is_dead;
    w->death_one_in = w->fault_one_in = 0;
    end(&n);
    return done;
}

/* ---- a world ---- */

static void draw_queries(sim_world *w)
{
    static const uint32_t how_many[] = { 1, 1, 1, 2, 3 };
    bool has_console = false;
    uint32_t count = how_many[sim_below(w, 5)];
    while (w->query_count < count) {
        sim_kind kind = (sim_kind)sim_below(w, SIM_KINDS);
        if (sim_is_console(kind) && has_console)
            continue; /* whose block it is could not be told */
        has_console = has_console || sim_is_console(kind);
        sim_query *q = &w->queries[w->query_count];
        *q = (sim_query){ .kind = kind };
        sim_query_sql(kind, w->query_count, &w->input, &q->sql);
        w->query_count++;
    }
}

void sim_world_init(sim_world *w, uint64_t seed)
{
    *w = (sim_world){ .random = seed,
                      .staged = seed % 2 == 0,
                      .now_ns = SIM_EPOCH_S * 1000000000 };
    w->fs = sl_fs_virtual_new(wall_ns, w);
    sim_input_make(&w->input, sl_fs_virtual_fs(w->fs), sim_random, w);
    draw_queries(w);
    w->snapshot_rule = sl_state_snapshot_usual;
    if (sim_below(w, 3) > 0) {
        w->snapshot_rule.batches_max = 1 + sim_below(w, 4);
        w->snapshot_rule.full_bytes_max *= sim_below(w, 2);
    }
    sl_fs_virtual_set_faults(w->fs, (sl_fs_faults){ before_operation, w });
}

void sim_world_deinit(sim_world *w)
{
    for (uint32_t i = 0; i < w->query_count; i++) {
        sl_bytes_deinit(&w->queries[i].sql);
        sl_bytes_deinit(&w->queries[i].shown);
    }
    sim_input_deinit(&w->input);
    sl_fs_virtual_free(w->fs);
}
