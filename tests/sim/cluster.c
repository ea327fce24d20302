#include "tests/sim/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "connectors/memory_table.h"
#include "driver/driver.h"
#include "tests/sim/script.h"
#include "worker/worker.h"

#define DRIVER_HOSTS 2u
#define MACHINES_MAX (DRIVER_HOSTS + SIM_WORKERS_MAX)
#define DRIVER_ADDRESS "driver"
#define DIRECTORY "/driver"
#define LEASE_US 5000000 /* as the defaults are; shorter in most schedules */
#define RETURN_US 200000 /* of a worker that was fenced */
#define AWAY_US_MAX 3000000
#define TAKE_OVER_US 20000
#define ZOMBIE_SLEEP_US 60000
#define SLOW_JOB_US 300000
#define QUIET_US_MAX                                                                     \
    300000 /* between two troubles; a tenth and a hundredth of it in some */
#define RESTARTS_WHEN_WELL 2u

struct cluster;

struct machine {
    struct cluster *cluster;
    uint32_t index; /* below DRIVER_HOSTS: for a driver */
    char address[16];
    uint32_t lives;
    sl_host *host; /* NULL: down */
    sl_driver *driver;
    sl_memory_tables *memory;
    sim_scripts scripts;
    sl_worker *worker;
    bool is_fenced;
    bool is_zombie; /* a driver that was taken over */
    bool has_no_disk;
    bool is_going;          /* a driver that was told to */
    uint32_t taken_over_in; /* failpoints from now; 0 no */
    bool is_to_be_taken_over;
    bool is_slow;
    uint32_t death_one_in, fault_one_in;
    int64_t stopped_until_us;
    int64_t back_us; /* of one that is down */
};

struct cluster {
    sim_world *world;
    struct machine machines[MACHINES_MAX];
    uint32_t count;
    uint32_t driver; /* the machine that has the address */
    bool has_registry;
    sl_local_network *network;
    sl_kv_factory kv;
    uint32_t lease_us; /* silence after which a worker is given up */
    uint32_t quiet_us; /* at most, between two troubles */
    int64_t now_us;
    int64_t cut_off_until_us[MACHINES_MAX][MACHINES_MAX];
    int64_t next_trouble_us; /* INT64_MAX: no more */
    uint32_t troubles_left;
    uint32_t restarts_left; /* of the driver, for queries that failed in trouble */
    bool nobody_is_told;    /* of a port that closes */
};

static bool one_in(struct cluster *c, uint32_t n)
{
    return sim_below(c->world, n) == 0;
}

/* ---- the wire ---- */

static struct machine *machine_of(struct cluster *c, const char *address)
{
    if (strcmp(address, DRIVER_ADDRESS) == 0)
        return &c->machines[c->driver];
    for (uint32_t i = DRIVER_HOSTS; i < c->count; i++)
        if (strcmp(c->machines[i].address, address) == 0)
            return &c->machines[i];
    abort();
}

static bool is_cut_off(struct cluster *c, const char *from, const char *to)
{
    uint32_t i = machine_of(c, from)->index, k = machine_of(c, to)->index;
    return c->cut_off_until_us[i][k] > c->now_us;
}

static uint32_t link_copies(void *user, const char *from, const char *to,
                            int64_t *ret_delay_us)
{
    struct cluster *c = (struct cluster *)user;
    sim_world *w = c->world;
    sim_world_perhaps_die(w);
    if (w->is_dead || is_cut_off(c, from, to))
        return 0;
    uint32_t draw = sim_below(w, 100);
    uint32_t copies = !w->bad_link ? 1 : draw < 3 ? 0 : draw > 96 ? 2 : 1;
    for (uint32_t i = 0; i < copies; i++)
        ret_delay_us[i] = sim_below(w, w->bad_link ? 3000 : 300);
    return copies;
}

static bool link_hears_down(void *user, const char *from, const char *to)
{
    struct cluster *c = (struct cluster *)user;
    return !c->nobody_is_told && !is_cut_off(c, from, to);
}

/* ---- a machine ---- */

static int64_t job_delay(void *user, const char *name)
{
    const struct machine *m = (const struct machine *)user;
    sim_world *w = m->cluster->world;
    (void)name;
    return 1 + sim_below(w, m->is_slow ? SLOW_JOB_US : 2000);
}

static void on_failpoint(void *user, const char *name)
{
    struct machine *m = (struct machine *)user;
    sim_world_failpoint(m->cluster->world, name);
    if (m->taken_over_in > 0 && --m->taken_over_in == 0)
        m->is_to_be_taken_over = true;
}

static void on_event(void *user, const char *what, int64_t mono_us)
{
    const struct machine *m = (const struct machine *)user;
    sim_world *w = m->cluster->world;
    sim_world_event(w, what, mono_us);
    w->trace = sl_hash_mix(w->trace, m->index);
}

static void on_fenced(void *user, const char *why, bool may_return)
{
    (void)why;
    SL_ASSERT(may_return);
    ((struct machine *)user)->is_fenced = true;
}

static void set_time(sl_options *o, const char *name, uint32_t us)
{
    char text[32];
    snprintf(text, sizeof text, "%u us", us);
    if (sl_options_set(o, name, text, NULL) != SL_OK)
        abort();
}

static sl_options *timing_options(const struct cluster *c)
{
    sl_options *o = sl_options_new();
    set_time(o, "sluice.worker.suspectAfter", c->lease_us * 2 / 5);
    set_time(o, "sluice.worker.deadAfter", c->lease_us);
    set_time(o, "sluice.worker.reconnectWithin", c->lease_us / 10);
    return o;
}

/* What a zombie prints shows on a terminal that nobody looks at any more. */
static sl_code on_print(void *user, const char *text, size_t length, sl_error *err)
{
    const struct machine *m = (const struct machine *)user;
    return m->is_zombie ? SL_OK : sim_world_print(m->cluster->world, text, length, err);
}

static sl_code new_driver(struct machine *m, const char *address, sl_driver **ret,
                          sl_error *err)
{
    struct cluster *c = m->cluster;
    sl_options *options = timing_options(c);
    sl_driver_config config = { .options = options,
                                .address = address,
                                .kv = &c->kv,
                                .temp_dir = "/tmp",
                                .memory = m->memory,
                                .directory = c->has_registry ? DIRECTORY : NULL,
                                .print = on_print,
                                .user = m };
    sl_code code =
        sl_driver_new(m->host, sl_local_network_of(c->network), &config, ret, err);
    sl_options_free(options);
    return code;
}

/* SL_EBUSY: a zombie has the directory again. */
static sl_code start_driver(struct machine *m, sl_error *err)
{
    m->memory = sl_memory_tables_new();
    SL_TRY(new_driver(m, DRIVER_ADDRESS, &m->driver, err));
    sl_driver_resume(m->driver);
    sim_scripts_start(&m->scripts, m->cluster->world, m->host, m->driver);
    return SL_OK;
}

static sl_code start_worker(struct machine *m, sl_error *err)
{
    struct cluster *c = m->cluster;
    char work_dir[48];
    snprintf(work_dir, sizeof work_dir, "/work/%s-%u", m->address, m->lives);
    sl_worker_config config = { .address = m->address,
                                .driver_address = DRIVER_ADDRESS,
                                .slots = 1 + sim_below(c->world, 3),
                                .memory_bytes = INT64_MAX,
                                .kv = &c->kv,
                                .work_dir = work_dir,
                                .heartbeat_us = c->lease_us / 10,
                                .fence_us = c->lease_us * 4 / 5,
                                .on_fenced = on_fenced,
                                .user = m,
                                .snapshot_rule = &c->world->snapshot_rule };
    return sl_worker_new(m->host, sl_local_network_of(c->network), &config, &m->worker,
                         err);
}

static void end(struct machine *m, bool is_dead, int64_t back_us);

static void start(struct machine *m)
{
    struct cluster *c = m->cluster;
    sim_world *w = c->world;
    sl_host_virtual_hooks hooks = {
        .job_delay_us = job_delay, .failpoint = on_failpoint, .event = on_event, .user = m
    };
    sl_fs_virtual_set_machine(w->fs, m->index);
    m->lives++;
    m->is_fenced = m->is_slow = m->is_zombie = m->has_no_disk = m->is_going = false;
    m->death_one_in = m->fault_one_in = m->taken_over_in = 0;
    m->is_to_be_taken_over = false;
    m->stopped_until_us = 0;
    m->host = sl_host_virtual_new(sim_random(w), SIM_EPOCH_S * 1000000,
                                  sl_fs_virtual_fs(w->fs), hooks);
    sl_host_virtual_sleep_to(m->host, c->now_us);
    sl_error err;
    sl_code code =
        m->index < DRIVER_HOSTS ? start_driver(m, &err) : start_worker(m, &err);
    if (code == SL_EBUSY) {
        end(m, false, c->now_us + RETURN_US);
    } else if (code != SL_OK) {
        printf("%s does not start: %s\n", m->address, err.text);
        fflush(stdout);
        abort();
    }
}

/* Its memory goes. A dead one's clean-up reaches neither the disk nor anybody. */
static void end(struct machine *m, bool is_dead, int64_t back_us)
{
    sim_world *w = m->cluster->world;
    w->is_dead = is_dead;
    sl_fs_virtual_set_machine(w->fs, m->index);
    if (m->driver != NULL)
        sim_scripts_stop(&m->scripts);
    sl_driver_free(m->driver);
    sl_worker_free(m->worker);
    sl_host_free(m->host);
    sl_memory_tables_free(m->memory);
    m->driver = NULL;
    m->worker = NULL;
    m->memory = NULL;
    m->host = NULL;
    bool is_replaced = m->index < DRIVER_HOSTS && m->index != m->cluster->driver;
    m->back_us = is_replaced ? INT64_MAX : back_us;
    w->is_dead = false;
}

static int64_t after(struct cluster *c, uint32_t most_us)
{
    return c->now_us + 1 + sim_below(c->world, most_us);
}

static void kill_machine(struct machine *m)
{
    if (m->host != NULL)
        end(m, true, after(m->cluster, AWAY_US_MAX));
}

/* The address and the directory go to the other machine; see cluster.h. */
static void take_over(struct cluster *c)
{
    struct machine *old = &c->machines[c->driver],
                   *next = &c->machines[DRIVER_HOSTS - 1 - c->driver];
    if (old->driver == NULL || next->host != NULL)
        return;
    old->is_zombie = true;
    old->is_to_be_taken_over = false;
    old->has_no_disk = one_in(c, 3);
    next->back_us = after(c, one_in(c, 4) ? c->lease_us : TAKE_OVER_US);
    if (!one_in(c, 4)) /* it wakes when the other is in the middle of things */
        old->stopped_until_us = next->back_us + sim_below(c->world, ZOMBIE_SLEEP_US);
    sim_scripts_stop(&old->scripts); /* the client goes with the address */
    sl_fs_virtual_lose_files(c->world->fs, old->index);
    sl_local_network_move_address(c->network, DRIVER_ADDRESS);
    c->driver = next->index;
}

static void run_event(struct machine *m)
{
    struct cluster *c = m->cluster;
    sim_world *w = c->world;
    sl_fs_virtual_set_machine(w->fs, m->index);
    w->death_one_in = m->death_one_in;
    w->fault_one_in = m->has_no_disk ? 1 : m->fault_one_in;
    (void)sl_host_virtual_step(m->host);
    w->death_one_in = w->fault_one_in = 0;
    if (w->is_dead)
        kill_machine(m);
    else if (m->is_fenced)
        end(m, false, c->now_us + RETURN_US);
    else if (m->is_to_be_taken_over)
        take_over(c);
    else if (m->is_going && sl_driver_queries_active(m->driver) == 0)
        end(m, false, after(c, AWAY_US_MAX));
}

/* ---- troubles ---- */

static struct machine *some_worker(struct cluster *c)
{
    return &c->machines[DRIVER_HOSTS + sim_below(c->world, c->count - DRIVER_HOSTS)];
}

/* The driver or a worker. */
static struct machine *some_machine(struct cluster *c)
{
    if (one_in(c, c->count - DRIVER_HOSTS + 1))
        return &c->machines[c->driver];
    return some_worker(c);
}

static void leave(struct machine *m)
{
    if (m->worker == NULL)
        return;
    sl_worker_leave(m->worker);
    end(m, false, after(m->cluster, AWAY_US_MAX));
}

static void cut_off(struct cluster *c)
{
    uint32_t i = some_machine(c)->index, k = some_machine(c)->index;
    int64_t until_us = after(c, one_in(c, 2) ? 2 * c->lease_us : 300000);
    c->cut_off_until_us[i][k] = until_us;
    if (!one_in(c, 3))
        c->cut_off_until_us[k][i] = until_us;
}

static void lose_power(struct machine *m)
{
    sim_world *w = m->cluster->world;
    m->cluster->nobody_is_told = true;
    kill_machine(m);
    m->cluster->nobody_is_told = false;
    sl_fs_virtual_crash_machine(w->fs, m->index, sim_random, w);
}

static void lose_all_power(struct cluster *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        kill_machine(&c->machines[i]);
    sl_fs_virtual_crash(c->world->fs, sim_random, c->world);
}

static void tell_to_go(struct machine *m)
{
    if (m->driver == NULL || m->is_going)
        return;
    m->is_going = true;
    sim_scripts_stop(&m->scripts);
    sl_fs_virtual_set_machine(m->cluster->world->fs, m->index);
    sl_driver_shut_down(m->driver, one_in(m->cluster, 3));
}

/* At once, or within one of its next steps. */
static void want_take_over(struct cluster *c)
{
    struct machine *m = &c->machines[c->driver];
    if (one_in(c, 4))
        take_over(c);
    else
        m->taken_over_in = 1 + sim_below(c->world, 40);
}

/* Whoever starts it is told that the directory is in use. */
static void start_second_driver(struct cluster *c)
{
    struct machine *m = &c->machines[c->driver];
    sl_driver *second = NULL;
    if (m->driver == NULL || !c->has_registry)
        return;
    sl_fs_virtual_set_machine(c->world->fs, m->index);
    SL_ASSERT(new_driver(m, "second", &second, NULL) == SL_EBUSY);
}

static void make_trouble(struct cluster *c)
{
    struct machine *m = some_machine(c);
    switch (sim_below(c->world, 16)) {
    case 0:
    case 1:
        kill_machine(some_worker(c));
        break;
    case 2:
        kill_machine(m);
        break;
    case 3:
    case 4:
        m->death_one_in = 1 + sim_below(c->world, 100);
        break;
    case 5:
        m->fault_one_in = 5 + sim_below(c->world, 200);
        break;
    case 6:
        m->stopped_until_us = after(c, 2 * c->lease_us);
        break;
    case 7:
    case 8:
        cut_off(c);
        break;
    case 9:
        m->is_slow = true;
        break;
    case 10:
        leave(some_worker(c));
        break;
    case 11:
        tell_to_go(&c->machines[c->driver]);
        break;
    case 12:
    case 13:
        want_take_over(c);
        break;
    case 14:
        start_second_driver(c);
        break;
    default:
        if (one_in(c, 4))
            lose_all_power(c);
        else
            lose_power(m);
    }
}

/* A query that failed in trouble runs again when the driver does. */
static bool restart_if_failed(struct cluster *c)
{
    const sim_world *w = c->world;
    bool failed = false;
    for (uint32_t i = 0; i < w->query_count; i++)
        failed = failed || (w->queries[i].done && w->queries[i].error.code != SL_OK);
    if (!failed || c->restarts_left == 0)
        return false;
    if (c->next_trouble_us == INT64_MAX)
        c->restarts_left--;
    if (c->machines[c->driver].host != NULL)
        end(&c->machines[c->driver], true, c->now_us + 1);
    return true;
}

static void heal(struct cluster *c)
{
    memset(c->cut_off_until_us, 0, sizeof c->cut_off_until_us);
    c->world->bad_link = false;
    for (uint32_t i = 0; i < c->count; i++) {
        struct machine *m = &c->machines[i];
        m->is_slow = false;
        m->death_one_in = m->fault_one_in = m->taken_over_in = 0;
        m->stopped_until_us = 0;
        if (m->is_zombie)
            kill_machine(m); /* in the end somebody looks */
        m->back_us = i < DRIVER_HOSTS && i != c->driver ? INT64_MAX : c->now_us;
    }
    c->next_trouble_us = INT64_MAX;
}

/* ---- time ---- */

/* INT64_MAX: never. */
static int64_t next_us(const struct machine *m)
{
    if (m->host == NULL)
        return m->back_us;
    int64_t at = sl_host_virtual_next_us(m->host);
    return at > m->stopped_until_us ? at : m->stopped_until_us;
}

static void be_at(struct cluster *c, int64_t at_us)
{
    if (at_us > c->now_us)
        c->now_us = at_us;
    for (uint32_t i = 0; i < c->count; i++)
        if (c->machines[i].host != NULL)
            sl_host_virtual_sleep_to(c->machines[i].host, c->now_us);
}

static void step(struct cluster *c)
{
    struct machine *first = &c->machines[0];
    for (uint32_t i = 1; i < c->count; i++)
        if (next_us(&c->machines[i]) < next_us(first))
            first = &c->machines[i];
    if (c->next_trouble_us <= next_us(first)) {
        be_at(c, c->next_trouble_us);
        if (c->troubles_left-- == 0) {
            heal(c);
            return;
        }
        make_trouble(c);
        c->next_trouble_us = after(c, c->quiet_us);
        return;
    }
    be_at(c, next_us(first));
    if (first->host == NULL)
        start(first);
    else
        run_event(first);
}

static bool is_over(struct cluster *c)
{
    return c->machines[c->driver].host != NULL && sim_world_all_done(c->world) &&
           !restart_if_failed(c);
}

bool sim_cluster_live(sim_world *w, uint32_t workers, uint32_t troubles, uint32_t events)
{
    struct cluster c = { .world = w,
                         .count = workers + DRIVER_HOSTS,
                         .network = sl_local_network_new(),
                         .kv = sl_kv_memory(sl_fs_virtual_fs(w->fs)),
                         .troubles_left = troubles,
                         .restarts_left = RESTARTS_WHEN_WELL };
    c.lease_us = one_in(&c, 4) ? LEASE_US : LEASE_US / 10;
    c.has_registry = !one_in(&c, 4);
    c.quiet_us = one_in(&c, 3)   ? QUIET_US_MAX
                 : one_in(&c, 2) ? QUIET_US_MAX / 10
                                 : QUIET_US_MAX / 100;
    SL_ASSERT(workers > 0 && workers <= SIM_WORKERS_MAX);
    sl_local_network_set_faults(c.network,
                                (sl_link_faults){ link_copies, link_hears_down, &c });
    w->bad_link = troubles > 0;
    c.next_trouble_us = troubles > 0 ? after(&c, c.quiet_us) : INT64_MAX;
    for (uint32_t i = 0; i < c.count; i++) {
        struct machine *m = &c.machines[i];
        m->cluster = &c;
        m->index = i;
        if (i >= DRIVER_HOSTS)
            snprintf(m->address, sizeof m->address, "w%u", i - DRIVER_HOSTS + 1);
        m->back_us = i == c.driver || troubles == 0 ? 0 : after(&c, AWAY_US_MAX);
        if (i < DRIVER_HOSTS && i != c.driver)
            m->back_us = INT64_MAX;
    }
    for (uint32_t i = 0; i < events && !is_over(&c); i++)
        step(&c);
    bool done = sim_world_all_done(w);
    for (uint32_t i = 0; i < c.count; i++)
        if (c.machines[i].host != NULL)
            end(&c.machines[i], false, INT64_MAX);
    sl_local_network_free(c.network);
    return done;
}
