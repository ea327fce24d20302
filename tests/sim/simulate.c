/* simulate - fault schedules of a whole node in virtual time, from a seed.
 *
 * A schedule draws an input and up to three queries (query.h) that run on it at once, on
 * one node (driver and worker, the real code) over the virtual file system, the virtual
 * host, the model of RocksDB and a link that loses, repeats, delays and reorders.  The
 * node is ended up to six times, between two events or within a job, by kill or by power
 * loss; file operations fail at random.  Then the world heals and the queries run to
 * their end.
 *
 * With --workers N the node is a cluster of a driver and N workers (cluster.h): up to 25
 * troubles come upon single machines while the others go on, a second driver among them.
 *
 * A journal whose sync failed before the power went may have a hole: then its query may
 * be refused, naming the file; it may never be silently short.
 *
 * Oracles: each query's result is the one counted from the rows, without the engine;
 * console blocks that come again are the same; each checkpoint verifies, and its state is
 * made again from what commits name; nothing stays staged; the same seed gives the same
 * trace.
 *
 * usage: simulate [--workers N] [--trace] [--verbose] FIRST [LAST]
 *        prints the seed of each failure and how to repeat it; --trace: of every seed its
 *        trace; --verbose: the log
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "checkpoint/verify.h"
#include "driver/driver.h"
#include "statestore/state_check.h"
#include "tests/sim/cluster.h"
#include "tests/sim/world.h"

#define CRASHES_MAX 6u
#define LIFE_EVENTS_MAX                                                                  \
    120u                 /* of a query: a run without faults takes about twice that      \
                          */
#define TROUBLES_MAX 25u /* of a cluster */
#define EVENTS_MAX 400000u
#define FAILURES_MAX 5u

static void die_some_way(sim_world *w)
{
    if (sim_below(w, 2) == 0)
        sl_fs_virtual_kill(w->fs);
    else
        sl_fs_virtual_crash(w->fs, sim_random, w);
}

static void live_with_faults(sim_world *w)
{
    uint32_t crashes = 1 + sim_below(w, CRASHES_MAX);
    w->bad_link = true;
    for (uint32_t i = 0; i < crashes; i++) {
        w->fault_one_in = sim_below(w, 2) == 0 ? 0 : 40 + sim_below(w, 400);
        w->death_one_in = sim_below(w, 2) == 0 ? 0 : 20 + sim_below(w, 400);
        (void)sim_world_live(w, 1 + sim_below(w, LIFE_EVENTS_MAX * w->query_count));
        die_some_way(w);
    }
    w->bad_link = false;
}

/* After healing: all queries end well, or are refused for a hole that a failed sync made.
 */
static bool ends_well(sim_world *w, bool ended)
{
    bool ok = true;
    for (uint32_t i = 0; i < w->query_count; i++) {
        sim_query *q = &w->queries[i];
        char journal[32];
        snprintf(journal, sizeof journal, "/cp%u/journal", i);
        if (ended && q->error.code == SL_OK)
            continue;
        q->refused = q->error.code == SL_ECORRUPT && q->unsynced &&
                     strstr(q->error.text, journal) != NULL;
        if (q->refused)
            continue;
        printf("query %u (%s), healed: %s\n", i, sim_kind_name(q->kind),
               q->done ? q->error.text : "did not end");
        ok = false;
    }
    return ok;
}

/* What attempts that lost have staged is gone. */
static bool nothing_stays_staged(sim_world *w, uint32_t index)
{
    sl_dir_entry *entries;
    size_t count = 0;
    char dir[40];
    snprintf(dir, sizeof dir, "/out%u/.sluice-staging", index);
    if (sl_fs_list(sl_fs_virtual_fs(w->fs), dir, &entries, &count, NULL) != SL_OK)
        return true;
    for (size_t i = 0; i < count; i++)
        printf("staged and left: %s/%s\n", dir, entries[i].name);
    sl_fs_entries_free(entries, count);
    return count == 0;
}

static bool is_right(sim_world *w, uint32_t index, bool had_faults)
{
    sim_query *q = &w->queries[index];
    sl_bytes want = { 0 }, got = { 0 };
    sim_query_expected(q->kind, &w->input, &want);
    bool ok = sim_query_result(q->kind, index, sl_fs_virtual_fs(w->fs), &q->shown, &got);
    /* The table is of the last life: empty if an earlier one had come to the end. */
    bool is_gone = q->kind == SIM_MEMORY && had_faults && got.size_bytes == 0;
    if (ok && !is_gone && strcmp(sl_bytes_cstr(&want), sl_bytes_cstr(&got)) != 0) {
        printf("query %u (%s): the result differs; wanted:\n%.4000sgot:\n%.4000s", index,
               sim_kind_name(q->kind), sl_bytes_cstr(&want), sl_bytes_cstr(&got));
        ok = false;
    }
    sl_bytes_deinit(&want);
    sl_bytes_deinit(&got);
    return ok;
}

static bool verifies(sim_world *w, uint32_t index)
{
    sl_fs *fs = sl_fs_virtual_fs(w->fs);
    sl_kv_factory kv = sl_kv_memory(fs);
    sl_arena *arena = sl_arena_new();
    sl_verify_report report = { 0 };
    sl_state_check state;
    sl_error err;
    char root[16];
    snprintf(root, sizeof root, "/cp%u", index);
    sl_code code = sl_checkpoint_verify(fs, &kv, root, arena, &report, &err);
    if (code == SL_OK)
        code = sl_state_check_run(fs, &kv, root, "/verify", 1, &state, &err);
    if (code != SL_OK)
        printf("verify: %s\n", err.text);
    for (uint32_t i = 0; i < report.finding_count; i++)
        if (report.findings[i].is_damage)
            printf("verify: %s: %s\n", report.findings[i].where, report.findings[i].text);
    sl_arena_free(arena);
    return code == SL_OK && report.damage_count == 0;
}

static bool run_schedule(uint64_t seed, uint32_t workers, bool with_faults,
                         uint64_t *ret_trace)
{
    sim_world w;
    sim_world_init(&w, seed);
    w.random = seed ^ 0x5EED;
    bool ended;
    if (workers > 0) {
        uint32_t troubles = with_faults ? 1 + sim_below(&w, TROUBLES_MAX) : 0;
        ended = sim_cluster_live(&w, workers, troubles, EVENTS_MAX);
        /* A node goes on with what a cluster left, and cleans up what trouble prevented.
         */
        ended = with_faults && ended ? sim_world_live(&w, EVENTS_MAX) : ended;
    } else {
        if (with_faults)
            live_with_faults(&w);
        ended = sim_world_live(&w, EVENTS_MAX);
    }
    sl_fs_virtual_kill(w.fs);
    bool ok = ends_well(&w, ended);
    for (uint32_t i = 0; ok && i < w.query_count; i++) {
        if (w.queries[i].refused)
            printf("seed %llu: query %u refused after a failed sync, as it may be\n",
                   (unsigned long long)seed, i);
        else
            ok = is_right(&w, i, with_faults) && verifies(&w, i) &&
                 nothing_stays_staged(&w, i);
    }
    *ret_trace = w.trace;
    sim_world_deinit(&w);
    return ok;
}

static bool run_seed(uint64_t seed, uint32_t workers, bool print_trace)
{
    uint64_t trace = 0, again = 0;
    if (!run_schedule(seed, workers, false, &trace)) {
        printf("seed %llu: that was without faults\n", (unsigned long long)seed);
        return false;
    }
    if (!run_schedule(seed, workers, true, &trace))
        return false;
    if (print_trace)
        printf("%llu %016llx\n", (unsigned long long)seed, (unsigned long long)trace);
    if (seed % 20 != 0)
        return true;
    if (!run_schedule(seed, workers, true, &again))
        return false;
    if (trace != again)
        printf("seed %llu: the trace is another the second time\n",
               (unsigned long long)seed);
    return trace == again;
}

static int usage(void)
{
    printf("usage: simulate [--workers N] [--trace] [--verbose] FIRST [LAST]; "
           "N is 0 to %u\n",
           SIM_WORKERS_MAX);
    return 2;
}

int main(int argc, char **argv)
{
    bool print_trace = false;
    uint32_t workers = 0;
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "--trace") == 0)
            print_trace = true;
        else if (strcmp(argv[at], "--verbose") == 0)
            sl_log_set_level(SL_LOG_DEBUG);
        else if (strcmp(argv[at], "--workers") == 0 && at + 1 < argc)
            workers = (uint32_t)strtoul(argv[++at], NULL, 10);
        else
            return usage();
    }
    if (workers > SIM_WORKERS_MAX)
        return usage();
    uint64_t first = argc > at ? strtoull(argv[at], NULL, 10) : 1;
    uint64_t last = argc > at + 1 ? strtoull(argv[at + 1], NULL, 10) : first;
    uint64_t failures = 0;
    sl_driver_register_options();
    for (uint64_t seed = first; seed <= last && failures < FAILURES_MAX; seed++) {
        if (run_seed(seed, workers, print_trace))
            continue;
        failures++;
        printf("FAILED: repeat with: simulate --workers %u %llu\n", workers,
               (unsigned long long)seed);
    }
    printf("%llu schedules, %llu failures\n", (unsigned long long)(last - first + 1),
           (unsigned long long)failures);
    return failures == 0 ? 0 : 1;
}
