/* simulate - whole-cluster fault schedules in virtual time, from a seed.
 *
 * One node (driver and worker, the real code) runs an append-mode window count from JSON
 * files into the JSON sink, on the virtual file system, the virtual host, the model of
 * RocksDB and a link that loses, repeats, delays and reorders.  It is crashed between two
 * events up to six times, by kill or by power loss; file operations fail at random.  Then
 * the world heals and the query runs to its end.
 *
 * A journal whose sync failed before the power went may have a hole: then it may be
 * refused, naming the file, and the schedule ends there; it may never be silently short.
 *
 * Oracles: the published rows are byte for byte those of a run without faults, which are
 * checked against a count made here; the checkpoint verifies; the same seed gives the
 * same trace.
 *
 * usage: simulate FIRST LAST          prints the seed of each failure and how to repeat
 * it */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "checkpoint/verify.h"
#include "connectors/memory_table.h"
#include "driver/driver.h"
#include "engine/sql/parse.h"
#include "worker/worker.h"

#define WINDOW_S 60
#define KEYS 5u
#define WINDOWS 64u
#define CRASHES_MAX 6u
#define EVENTS_MAX 200000u

static const char sql[] =
    "CREATE TABLE t (id STRING, ts TIMESTAMP) USING json OPTIONS (path '/in', "
    "maxFilesPerTrigger 1);\n"
    "CREATE STREAMING QUERY q OUTPUT MODE append TRIGGER AVAILABLE NOW CHECKPOINT "
    "LOCATION '/cp'\n"
    "  INTO json OPTIONS (path '/out')\n"
    "AS SELECT window(ts, '1 minute') AS w, id, count(*) AS n, max(id) AS m\n"
    "   FROM STREAM t WATERMARK ts DELAY OF INTERVAL 1 MINUTE GROUP BY window(ts, '1 "
    "minute'), id;\n";

struct world {
    uint64_t random;
    int64_t now_ns; /* of the file system: grows with each look */
    sl_fs_virtual *fs;
    bool faults, journal_sync_failed, refused;
    uint32_t fault_one_in; /* file operations; 0 = none */
    uint64_t trace;
    uint32_t counts[WINDOWS][KEYS];
    int64_t newest_s;
};

struct node {
    struct world *world;
    sl_host *host;
    sl_local_network *network;
    sl_kv_factory kv;
    sl_memory_tables *memory;
    sl_driver *driver;
    sl_worker *worker;
    sl_session *session;
    sl_sql_cursor cursor;
    bool done, failed;
    sl_error error;
};

static uint64_t next_random(void *user)
{
    struct world *w = (struct world *)user;
    uint64_t z = (w->random += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static uint32_t below(struct world *w, uint32_t n)
{
    return (uint32_t)(next_random(w) % n);
}

static int64_t wall_ns(void *user)
{
    return ((struct world *)user)->now_ns += 1000;
}

/* ---- faults ---- */

static sl_code before_operation(void *user, const char *operation, const char *path,
                                sl_error *err)
{
    struct world *w = (struct world *)user;
    if (w->fault_one_in == 0 || below(w, w->fault_one_in) != 0)
        return SL_OK;
    if (strcmp(operation, "sync") == 0 && strstr(path, "/journal") != NULL)
        w->journal_sync_failed = true;
    return sl_fail(err, SL_EIO, "injected failure of %s %s", operation, path);
}

static sl_code fail_all(void *user, const char *operation, const char *path,
                        sl_error *err)
{
    (void)user;
    return sl_fail(err, SL_EIO, "the node is dead: %s %s", operation, path);
}

static uint32_t bad_link(void *user, const char *from, const char *to,
                         int64_t *ret_delay_us)
{
    struct world *w = (struct world *)user;
    (void)from;
    (void)to;
    uint32_t draw = below(w, 100);
    uint32_t copies = !w->faults ? 1 : draw < 5 ? 0 : draw > 95 ? 2 : 1;
    for (uint32_t i = 0; i < copies; i++)
        ret_delay_us[i] = w->faults ? below(w, 3000) : 0;
    return copies;
}

static int64_t job_delay(void *user, const char *name)
{
    (void)name;
    return 1 + below((struct world *)user, 2000);
}

/* ---- input ---- */

static void make_input(struct world *w)
{
    sl_fs *fs = sl_fs_virtual_fs(w->fs);
    uint32_t files = 3 + below(w, 6);
    int64_t base_s = 0;
    if (sl_fs_make_dirs(fs, "/in", NULL) != SL_OK)
        abort();
    for (uint32_t f = 0; f < files; f++) {
        sl_bytes text = { 0 };
        char path[64];
        uint32_t rows = 2 + below(w, 12);
        for (uint32_t r = 0; r < rows; r++) {
            int64_t second =
                base_s + below(w, 50); /* disorder within the delay: nothing is late */
            uint32_t key = below(w, KEYS);
            w->counts[second / WINDOW_S][key]++;
            w->newest_s = second > w->newest_s ? second : w->newest_s;
            sl_bytes_printf(
                &text, "{\"id\":\"k%u\",\"ts\":\"2020-01-01T%02d:%02d:%02d\"}\n", key,
                (int)(second / 3600), (int)(second / 60 % 60), (int)(second % 60));
        }
        base_s += 20 + below(w, 200);
        snprintf(path, sizeof path, "/in/f%02u.json", f);
        if (sl_fs_write_new(fs, path, sl_bytes_span(&text), NULL) != SL_OK)
            abort();
        sl_bytes_deinit(&text);
    }
}

/* ---- one life of the node ---- */

static sl_code no_console(void *user, const char *text, size_t length, sl_error *err)
{
    (void)user;
    (void)text;
    (void)length;
    (void)err;
    return SL_OK;
}

static void next_statement(void *user);

static void on_answer(void *user, const sl_answer *a)
{
    struct node *n = (struct node *)user;
    if (a->kind == SL_ANSWER_ERROR) {
        n->failed = n->done = true;
        n->error = *a->error;
        return;
    }
    sl_host_post(n->host, n, next_statement, n);
}

static void next_statement(void *user)
{
    struct node *n = (struct node *)user;
    sl_arena *arena = sl_arena_new();
    const sl_statement *s = NULL;
    if (sl_sql_parse_next(sql, sizeof sql - 1, &n->cursor, arena, &s, &n->error) !=
            SL_OK ||
        s == NULL) {
        n->failed = n->error.code != SL_OK;
        n->done = true;
        sl_arena_free(arena);
        return;
    }
    sl_session_execute(n->session, arena, s, on_answer, n);
}

static void on_event(void *user, const char *what, int64_t mono_us)
{
    struct world *w = (struct world *)user;
    w->trace = sl_hash_mix(w->trace, sl_hash64(what, strlen(what)) ^ (uint64_t)mono_us);
}

static void node_start(struct node *n, struct world *w)
{
    sl_host_virtual_hooks hooks = { .job_delay_us = job_delay,
                                    .event = on_event,
                                    .user = w };
    sl_options *options = sl_options_new();
    sl_link_faults link = { bad_link, w };
    *n = (struct node){ .world = w, .cursor = { .line = 1, .column = 1 } };
    n->host = sl_host_virtual_new(next_random(w), INT64_C(1577836800000000),
                                  sl_fs_virtual_fs(w->fs), hooks);
    n->network = sl_local_network_new();
    sl_local_network_set_faults(n->network, link);
    n->kv = sl_kv_memory(sl_fs_virtual_fs(w->fs));
    n->memory = sl_memory_tables_new();
    sl_driver_config driver = { .address = "driver",
                                .kv = &n->kv,
                                .temp_dir = "/tmp",
                                .memory = n->memory,
                                .print = no_console };
    sl_worker_config worker = { .address = "w1",
                                .driver_address = "driver",
                                .slots = 1 + below(w, 3),
                                .memory_bytes = INT64_MAX,
                                .kv = &n->kv,
                                .work_dir = "/work",
                                .heartbeat_us = 500000,
                                .memory = n->memory };
    if (sl_options_set(options, "sluice.state.partitions", "3", NULL) != SL_OK ||
        sl_driver_new(n->host, sl_local_network_of(n->network), &driver, &n->driver,
                      NULL) != SL_OK ||
        sl_worker_new(n->host, sl_local_network_of(n->network), &worker, &n->worker,
                      NULL) != SL_OK)
        abort();
    n->session = sl_session_new(n->driver, options);
    sl_options_free(options);
    sl_host_post(n->host, n, next_statement, n);
}

/* Memory goes, the disk stays: nothing of the clean-up may reach a file. */
static void node_end(struct node *n)
{
    sl_fs_virtual_set_faults(n->world->fs, (sl_fs_faults){ fail_all, NULL });
    sl_host_close_owner(n->host, n);
    sl_driver_free(n->driver);
    sl_worker_free(n->worker);
    sl_local_network_free(n->network);
    sl_host_free(n->host);
    sl_memory_tables_free(n->memory);
    sl_fs_virtual_set_faults(n->world->fs, (sl_fs_faults){ before_operation, n->world });
}

/* Run up to `events` events. True if the script ended. */
static bool node_run(struct node *n, uint32_t events)
{
    for (uint32_t i = 0; i < events && !n->done; i++)
        if (!sl_host_virtual_step(n->host))
            break;
    return n->done;
}

/* ---- what came out ---- */

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All published lines, sorted. */
static void read_output(struct world *w, sl_bytes *ret)
{
    sl_fs *fs = sl_fs_virtual_fs(w->fs);
    sl_dir_entry *entries;
    size_t count = 0, lines = 0;
    sl_bytes all = { 0 };
    if (sl_fs_list(fs, "/out", &entries, &count, NULL) != SL_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        sl_bytes one = { 0 };
        char path[512];
        snprintf(path, sizeof path, "/out/%s", entries[i].name);
        if (strncmp(entries[i].name, "part-", 5) == 0 &&
            sl_fs_read_all(fs, path, 1 << 24, &one, NULL) == SL_OK)
            sl_bytes_append(&all, one.data, one.size_bytes);
        sl_bytes_deinit(&one);
    }
    sl_fs_entries_free(entries, count);
    for (size_t i = 0; i < all.size_bytes; i++)
        lines += all.data[i] == '\n';
    char **sorted = (char **)sl_calloc(lines + 1, sizeof *sorted);
    char *at = (char *)(uintptr_t)sl_bytes_cstr(&all);
    for (size_t i = 0; i < lines; i++) {
        sorted[i] = at;
        at = strchr(at, '\n');
        *at++ = '\0';
    }
    if (lines > 0)
        qsort(sorted, lines, sizeof *sorted, compare_lines);
    for (size_t i = 0; i < lines; i++)
        sl_bytes_printf(ret, "%s\n", sorted[i]);
    sl_free(sorted);
    sl_bytes_deinit(&all);
}

/* Windows that end at or before the last watermark, counted here. */
static uint32_t rows_due(const struct world *w)
{
    uint32_t rows = 0;
    int64_t watermark_s = w->newest_s - 60;
    for (uint32_t i = 0; i < WINDOWS; i++)
        for (uint32_t k = 0; k < KEYS && (int64_t)(i + 1) * WINDOW_S <= watermark_s; k++)
            rows += w->counts[i][k] > 0;
    return rows;
}

static bool counts_are_right(const struct world *w, const sl_bytes *output)
{
    uint32_t rows = 0;
    const char *line = sl_bytes_cstr(output);
    for (; *line != '\0'; line = strchr(line, '\n') + 1, rows++) {
        int hour, minute;
        uint32_t key, n;
        const char *id = strstr(line, "\"id\":\"k");
        const char *count = strstr(line, "\"n\":");
        if (sscanf(line, "{\"w\":{\"start\":\"2020-01-01T%d:%d", &hour, &minute) != 2 ||
            id == NULL || count == NULL || sscanf(id, "\"id\":\"k%u", &key) != 1 ||
            sscanf(count, "\"n\":%u", &n) != 1 || key >= KEYS ||
            (uint32_t)(hour * 60 + minute) >= WINDOWS ||
            w->counts[hour * 60 + minute][key] != n)
            return false;
    }
    return rows == rows_due(w);
}

/* ---- a schedule ---- */

static bool verify(struct world *w)
{
    sl_kv_factory kv = sl_kv_memory(sl_fs_virtual_fs(w->fs));
    sl_arena *arena = sl_arena_new();
    sl_verify_report report = { 0 };
    sl_error err;
    sl_code code =
        sl_checkpoint_verify(sl_fs_virtual_fs(w->fs), &kv, "/cp", arena, &report, &err);
    if (code != SL_OK)
        printf("verify: %s\n", err.text);
    for (uint32_t i = 0; code == SL_OK && i < report.finding_count; i++)
        if (report.findings[i].is_damage)
            printf("verify: %s: %s\n", report.findings[i].where, report.findings[i].text);
    sl_arena_free(arena);
    return code == SL_OK && report.damage_count == 0;
}

/* Run with faults, then heal and finish. False: it could not finish. */
static bool run_schedule(uint64_t seed, bool with_faults, sl_bytes *ret_output,
                         struct world *w)
{
    struct node n;
    *w = (struct world){ .random = seed, .now_ns = INT64_C(1577836800000000000) };
    w->fs = sl_fs_virtual_new(wall_ns, w);
    make_input(w);
    w->random = seed ^ 0x5EED;
    sl_fs_virtual_set_faults(w->fs, (sl_fs_faults){ before_operation, w });
    w->faults = with_faults;
    uint32_t crashes = with_faults ? 1 + below(w, CRASHES_MAX) : 0;
    for (uint32_t i = 0; i < crashes; i++) {
        w->fault_one_in = below(w, 2) == 0 ? 0 : 40 + below(w, 400);
        node_start(&n, w);
        (void)node_run(&n, 1 + below(w, 600));
        node_end(&n);
        w->fault_one_in = 0;
        if (below(w, 2) == 0)
            sl_fs_virtual_kill(w->fs);
        else
            sl_fs_virtual_crash(w->fs, next_random, w);
    }
    w->faults = false;
    node_start(&n, w);
    bool ok = node_run(&n, EVENTS_MAX) && !n.failed;
    w->refused = !ok && n.done && n.error.code == SL_ECORRUPT && w->journal_sync_failed &&
                 strstr(n.error.text, "/cp/journal") != NULL;
    if (!ok && !w->refused)
        printf("seed %llu: the healed run %s: %s\n", (unsigned long long)seed,
               n.done ? "failed" : "did not end", n.error.text);
    node_end(&n);
    sl_fs_virtual_kill(w->fs);
    if (ok)
        read_output(w, ret_output);
    return ok;
}

static bool run_seed(uint64_t seed, bool twice)
{
    struct world clean, faulty = { 0 };
    sl_bytes want = { 0 }, got = { 0 }, again = { 0 };
    bool ok = run_schedule(seed, false, &want, &clean);
    if (ok && !counts_are_right(&clean, &want)) {
        printf("seed %llu: a run without faults counts wrong:\n%s",
               (unsigned long long)seed, sl_bytes_cstr(&want));
        ok = false;
    }
    sl_fs_virtual_free(clean.fs);
    ok = ok && (run_schedule(seed, true, &got, &faulty) || faulty.refused);
    if (faulty.refused)
        printf("seed %llu: refused after a failed sync, as it may be\n",
               (unsigned long long)seed);
    if (ok && !faulty.refused && strcmp(sl_bytes_cstr(&want), sl_bytes_cstr(&got)) != 0) {
        printf("seed %llu: output differs; wanted:\n%sgot:\n%s", (unsigned long long)seed,
               sl_bytes_cstr(&want), sl_bytes_cstr(&got));
        ok = false;
    }
    ok = ok && (faulty.refused || verify(&faulty));
    if (ok && twice && !faulty.refused) {
        uint64_t trace = faulty.trace;
        sl_fs_virtual_free(faulty.fs);
        ok = run_schedule(seed, true, &again, &faulty) && faulty.trace == trace;
        if (!ok)
            printf("seed %llu: the trace is another the second time\n",
                   (unsigned long long)seed);
    }
    sl_fs_virtual_free(faulty.fs);
    sl_bytes_deinit(&want);
    sl_bytes_deinit(&got);
    sl_bytes_deinit(&again);
    return ok;
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t last = argc > 2 ? strtoull(argv[2], NULL, 10) : first;
    uint64_t failures = 0;
    sl_driver_register_options();
    for (uint64_t seed = first; seed <= last && failures < 5; seed++) {
        if (run_seed(seed, seed % 20 == 0))
            continue;
        failures++;
        printf("FAILED: repeat with: simulate %llu\n", (unsigned long long)seed);
    }
    printf("%llu schedules, %llu failures\n", (unsigned long long)(last - first + 1),
           (unsigned long long)failures);
    return failures == 0 ? 0 : 1;
}
