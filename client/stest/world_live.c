/* The engine on a cluster of processes, through the C API.
 *
 * When a batch is: the queries run with a polling delay of an hour, so they look at their
 * sources when they start and when asked to (sl_client_process_all), never in between. So
 * feeds that nothing stands between are one batch here too.
 *
 * Where paths are: the test's "/" is a directory of this case. Paths in its SQL (behind
 * `path` and LOCATION) are put there, and taken back out of what the engine says.
 *
 * Rows of batches are in the tables that driver and runner share; figures are asked for.
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/text.h"
#include "client/api/client_private.h"
#include "client/stest/engine_private.h"

#define PATIENCE_MS 60000 /* of one wait */
#define ROUNDS_MAX 1000u
#define REPORTS_MAX 100u

typedef struct live {
    stest_world world; /* first */
    sl_client *client;
    const sl_time_zone *zone;
    int64_t file_mtime_s; /* of the last file */
} live;

static live *live_of(stest_world *w)
{
    return (live *)(void *)w;
}

static stest_cluster *cluster_of(const live *l)
{
    return l->world.config.cluster;
}

/* ---- errors and texts ---- */

static const char *replace_all(sl_arena *arena, const char *text, const char *from,
                               const char *to)
{
    if (*from == '\0' || strstr(text, from) == NULL)
        return sl_arena_strdup(arena, text);
    sl_bytes out = { 0 };
    for (const char *at; (at = strstr(text, from)) != NULL; text = at + strlen(from))
        sl_bytes_printf(&out, "%.*s%s", (int)(at - text), text, to);
    sl_bytes_text(&out, text);
    const char *copy = sl_arena_strdup(arena, sl_bytes_cstr(&out));
    sl_bytes_deinit(&out);
    return copy;
}

/* What the engine says, as the test would say it. */
static const char *without_root(const stest_world *w, const char *text)
{
    return replace_all(w->arena, text, w->root, "");
}

static sl_error error_of(const stest_world *w, const sl_client_error *e)
{
    sl_error err = { 0 };
    (void)sl_fail_as(&err, SL_EANALYSIS, e->error_class, e->sqlstate, "%s",
                     without_root(w, e->message));
    err.line = e->line;
    err.column = e->column;
    return err;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Is what stands before text[at] the name of something whose value is a path? */
static bool is_path_next(const char *text, size_t at)
{
    while (at > 0 && strchr(" \t\n=", text[at - 1]) != NULL)
        at--;
    size_t end = at;
    while (at > 0 && is_word(text[at - 1]))
        at--;
    size_t n = end - at;
    return (n == 8 && strncasecmp(text + at, "location", 8) == 0) ||
           (n >= 4 && strncasecmp(text + end - 4, "path", 4) == 0);
}

/* The statement with its absolute paths under the root. */
static const char *with_root(const stest_world *w, const char *sql)
{
    sl_bytes out = { 0 };
    char quote = '\0';
    for (size_t i = 0; sql[i] != '\0'; i++) {
        sl_bytes_char(&out, sql[i]);
        if (quote != '\0') {
            if (sql[i] == '\\' && sql[i + 1] != '\0')
                sl_bytes_char(&out, sql[++i]);
            else if (sql[i] == quote)
                quote = '\0';
        } else if (sql[i] == '\'' || sql[i] == '"' || sql[i] == '`') {
            quote = sql[i];
            if (quote != '`' && sql[i + 1] == '/' && is_path_next(sql, i))
                sl_bytes_text(&out, w->root);
        }
    }
    const char *copy = sl_arena_strdup(w->arena, sl_bytes_cstr(&out));
    sl_bytes_deinit(&out);
    return copy;
}

/* ---- the client ---- */

static sl_code connect(live *l, sl_error *err)
{
    const stest_config *c = &l->world.config;
    char partitions[16], rows[16], checkpoints[300];
    sl_client_error e;
    sl_client_setting settings[4] = {
        { "sluice.streaming.pollingDelay", "1 hour" },
        { "sluice.streaming.checkpointLocation", checkpoints },
    };
    uint32_t n = 2;
    snprintf(checkpoints, sizeof checkpoints, "%s/checkpoints", l->world.root);
    snprintf(partitions, sizeof partitions, "%u", c->partitions);
    snprintf(rows, sizeof rows, "%u", c->chunk_rows);
    if (c->partitions > 0)
        settings[n++] = (sl_client_setting){ "sluice.state.partitions", partitions };
    if (c->chunk_rows > 0)
        settings[n++] = (sl_client_setting){ "sluice.exec.chunkRows", rows };
    sl_client_config config = { .master = stest_cluster_address(c->cluster),
                                .settings = settings,
                                .setting_count = n,
                                .is_detached = true };
    if (sl_client_open(&config, &l->client, &e) == SL_CLIENT_OK)
        return SL_OK;
    return sl_fail(err, SL_ELOST, "%s", e.message);
}

/* ---- what queries did ---- */

/* The report of a batch: the last of that number, as one of an idle look may be before.
 */
static const char *report_of(stest_world *w, const json_t *reports, int64_t batch)
{
    const char *text = "{}";
    for (size_t i = 0; i < json_array_size(reports); i++) {
        const json_t *r = json_array_get(reports, i);
        if (json_integer_value(json_object_get(r, "batchId")) != batch)
            continue;
        char *dump = json_dumps(r, JSON_COMPACT | JSON_PRESERVE_ORDER);
        if (dump != NULL)
            text = without_root(w, dump);
        free(dump);
    }
    return text;
}

/* Batches up to the last commit that were not taken in. Locks: the cluster's held. */
static void take_batches(stest_world *w, stest_query *q, int64_t last_commit,
                         const json_t *reports)
{
    int64_t from = q->batch_count > 0 ? q->batches[q->batch_count - 1].id + 1 : 0;
    for (int64_t id = from; id <= last_commit; id++) {
        stest_batch b = { .id = id, .progress = report_of(w, reports, id) };
        if (stest_world__take_rows(w, q, id, &b.rows))
            stest_world__check_attempt(w, q, &b);
        if (!stest_world__adopt_attempt(q, id))
            stest_world__add_batch(q, &b);
    }
}

static void take_news(live *l, stest_query *q, int64_t last_commit)
{
    char *text = NULL;
    if (q->batch_count > 0 && q->batches[q->batch_count - 1].id >= last_commit)
        return;
    if (sl_client_query_progress(l->client, q->id, REPORTS_MAX, &text, NULL) !=
        SL_CLIENT_OK)
        return; /* no driver: the next look tells */
    json_t *reports = json_loads(text, 0, NULL);
    stest_cluster_lock(cluster_of(l));
    take_batches(&l->world, q, last_commit, reports);
    stest_cluster_unlock(cluster_of(l));
    json_decref(reports);
    sl_client_text_free(text);
}

/* The newest run of a query, as the driver lists it; NULL: it does not know it. */
static const sl_client_query *find_run(const sl_client_query *runs, uint32_t count,
                                       const stest_query *q)
{
    while (count-- > 0)
        if (strcmp(runs[count].id, q->id) == 0)
            return &runs[count];
    return NULL;
}

/* A query that a new driver was not asked to resume had ended before the old one died. */
static sl_code look(live *l, sl_error *err)
{
    stest_world *w = &l->world;
    sl_client_query *runs;
    uint32_t count;
    sl_client_error e;
    if (sl_client_cluster_queries(l->client, &runs, &count, &e) != SL_CLIENT_OK)
        return sl_fail(err, SL_ELOST, "%s", e.message);
    for (uint32_t i = 0; i < w->query_count; i++) {
        stest_query *q = w->queries[i];
        const sl_client_query *run = find_run(runs, count, q);
        if (q->id[0] == '\0')
            continue;
        if (run != NULL)
            take_news(l, q, run->last_batch);
        if (q->is_over || (run != NULL && run->is_active))
            continue;
        q->is_over = true;
        if (run != NULL && run->error.status != SL_CLIENT_OK)
            q->error = error_of(w, &run->error);
    }
    sl_client_queries_free(runs);
    return SL_OK;
}

static uint64_t batches_of_all(const stest_world *w)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < w->query_count; i++)
        n += w->queries[i]->batch_count;
    return n;
}

static uint32_t running(const stest_world *w)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->query_count; i++)
        n += !w->queries[i]->is_over && w->queries[i]->id[0] != '\0';
    return n;
}

/* on_death works on the world while this thread waits for the cluster, and at no other
 * time, since then no query works: what either did before, the other sees. */
static void meet(const live *l)
{
    stest_cluster_lock(cluster_of(l));
    stest_cluster_unlock(cluster_of(l));
}

/* Each query takes what there is for it; a driver that dies meanwhile is asked again when
 * it is back. */
static sl_code drain(live *l, sl_error *err)
{
    const stest_world *w = &l->world;
    for (uint32_t i = 0; i < w->query_count; i++) {
        const stest_query *q = w->queries[i];
        bool done = false;
        if (q->is_over || q->id[0] == '\0')
            continue;
        meet(l);
        sl_client_status status =
            sl_client_process_all(l->client, q->id, PATIENCE_MS, &done, NULL);
        meet(l);
        if (status == SL_CLIENT_OK && !done)
            return sl_fail(err, SL_ETIMEOUT,
                           "query %s has not come to rest in %d s: does a batch fail and "
                           "run again for ever?",
                           q->name, PATIENCE_MS / 1000);
    }
    return look(l, err); /* tells how it failed, too */
}

/* Until a round brings nothing: what one query wrote another may read. */
static sl_code settle(stest_world *w, sl_error *err)
{
    live *l = live_of(w);
    for (uint32_t round = 0; round < ROUNDS_MAX; round++) {
        uint64_t before = batches_of_all(w);
        uint32_t ran = running(w);
        if (ran > 0)
            SL_TRY(drain(l, err));
        if (ran <= 1 || batches_of_all(w) == before)
            return SL_OK;
    }
    return sl_fail(err, SL_ETIMEOUT,
                   "no end after %u rounds: do queries feed each other?", ROUNDS_MAX);
}

/* ---- statements ---- */

static void take_answer(live *l, sl_client_result *r, stest_answer *ret)
{
    sl_arena *arena = l->world.arena;
    ret->kind = SL_ANSWER_NONE;
    if (r != NULL && r->kind == SL_CLIENT_ROWS) {
        ret->kind = SL_ANSWER_ROWS;
        l->zone = r->zone;
        for (uint32_t i = 0; i < r->chunk_count; i++)
            stest_rows_add_chunk(&ret->rows, r->chunks[i], r->zone, arena);
    } else if (r != NULL && r->kind == SL_CLIENT_TEXT) {
        ret->kind = SL_ANSWER_TEXT;
        stest_rows_add_lines(&ret->rows, r->text, arena);
    }
    for (uint32_t i = 0; i < ret->rows.count; i++)
        ret->rows.rows[i] = without_root(&l->world, ret->rows.rows[i]);
    sl_client_result_free(r);
}

/* The run that the statement started; the newest of its name. */
static sl_code note_run(live *l, stest_query *q, sl_error *err)
{
    sl_client_query *runs;
    uint32_t count;
    sl_client_error e;
    if (sl_client_cluster_queries(l->client, &runs, &count, &e) != SL_CLIENT_OK)
        return sl_fail(err, SL_ELOST, "%s", e.message);
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(runs[i].name, q->name) == 0)
            snprintf(q->id, sizeof q->id, "%s", runs[i].id);
    sl_client_queries_free(runs);
    return SL_OK;
}

/* A query that was started looks at its sources at once; when this returns it has, and
 * what is fed from now on is for the next time it is asked. */
static sl_code run(stest_world *w, const sl_statement *s, sl_arena *arena,
                   const char *sql, stest_answer *ret, sl_error *err)
{
    live *l = live_of(w);
    const char *text = with_root(w, sql);
    sl_client_place place = SL_CLIENT_PLACE_START;
    sl_client_result *result = NULL;
    sl_client_error e;
    stest_query *q =
        s->kind == SL_ST_CREATE_STREAMING_QUERY ? stest_world_query(w, s->name) : NULL;
    sl_arena_free(arena);
    meet(l);
    sl_client_status status =
        sl_client_next(l->client, text, strlen(text), &place, &result, &e);
    meet(l);
    if (status != SL_CLIENT_OK) {
        ret->kind = SL_ANSWER_ERROR;
        ret->error = error_of(w, &e);
        return SL_OK;
    }
    take_answer(l, result, ret);
    if (q == NULL)
        return SL_OK;
    SL_TRY(note_run(l, q, err));
    return settle(w, err);
}

/* ---- processes ---- */

static sl_code restart(stest_world *w, sl_error *err)
{
    SL_TRY(stest_cluster_restart_driver(w->config.cluster, err));
    return settle(w, err); /* resumed queries look at their sources */
}

static sl_code crash_at(stest_world *w, const char *failpoint, uint32_t pass,
                        sl_error *err)
{
    return stest_cluster_arm(w->config.cluster, failpoint, pass, err);
}

static bool is_armed(const stest_world *w)
{
    return stest_cluster_is_armed(w->config.cluster);
}

static void on_death(void *user)
{
    stest_world__take_attempts((stest_world *)user);
}

/* Later files are newer, as by the box's clock: a second apart, for any file system. */
static void on_file(stest_world *w, const char *path)
{
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
                                 { .tv_sec = (time_t)++live_of(w)->file_mtime_s } };
    (void)utimensat(AT_FDCWD, path, times, 0);
}

static const sl_time_zone *zone(const stest_world *w)
{
    return ((const live *)(const void *)w)->zone;
}

/* ---- life of the world ---- */

/* Nothing of this case may reach the next. */
static void stop_queries(live *l)
{
    const stest_world *w = &l->world;
    for (uint32_t i = 0; i < w->query_count && l->client != NULL; i++) {
        const stest_query *q = w->queries[i];
        if (q->is_over || q->id[0] == '\0')
            continue;
        (void)sl_client_stop(l->client, q->id, true, NULL);
        (void)sl_client_await(l->client, q->id, PATIENCE_MS, NULL, NULL);
    }
}

static void free_live(stest_world *w)
{
    live *l = live_of(w);
    stest_cluster_disarm(cluster_of(l));
    stop_queries(l);
    sl_client_close(l->client);
    stest_cluster_on_death(cluster_of(l), NULL, NULL);
    sl_memory_tables_clear(w->memory);
    (void)!sl_fs_remove_tree(w->fs, w->root, NULL);
    stest_world__deinit(w);
    sl_free(l);
}

static void find_trouble(stest_world *w)
{
    stest_cluster_take_trouble(w->config.cluster, &w->trouble);
}

static const stest_engine engine = {
    .run = run,
    .settle = settle,
    .restart = restart,
    .crash_at = crash_at,
    .is_armed = is_armed,
    .on_file = on_file,
    .zone = zone,
    .find_trouble = find_trouble,
    .free = free_live,
};

sl_code stest_world__live_new(const stest_config *config, stest_world **ret,
                              sl_error *err)
{
    live *l = (live *)sl_calloc(1, sizeof *l);
    stest_world *w = &l->world;
    *w = (stest_world){ .engine = &engine,
                        .config = *config,
                        .arena = sl_arena_new(),
                        .fs = sl_fs_posix(),
                        .memory = stest_cluster_tables(config->cluster) };
    w->root =
        sl_arena_printf(w->arena, "%s/case", stest_cluster_directory(config->cluster));
    l->zone = sl_time_zone_utc();
    l->file_mtime_s = (int64_t)time(NULL) - 86400;
    stest_cluster_on_death(config->cluster, on_death, w);
    sl_code code = sl_fs_make_dirs(w->fs, w->root, err);
    if (code == SL_OK)
        code = connect(l, err);
    if (code != SL_OK) {
        free_live(w);
        return code;
    }
    *ret = w;
    return SL_OK;
}
