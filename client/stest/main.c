/* Arguments, files, TAP, and writing files back for --update. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/log.h"
#include "client/cli/cli.h"
#include "client/cli/flags.h"
#include "client/cluster/local.h"
#include "client/cluster/master.h"
#include "client/stest/run_private.h"
#include "client/stest/stest.h"
#include "sluice/sluice.h"

#define PATHS_MAX 4096
#define WORKERS_MAX 64
#define FILE_BYTES_MAX (64u << 20)

static const char help[] =
    "usage: sluice test [--update] [--restart-every-batch] [--partitions N]\n"
    "                   [--chunk-rows N] [--executors N] [--workers N]\n"
    "                   [--master local-cluster[W,N]] FILE.stest | DIRECTORY...\n\n"
    "Run tests of streaming SQL in virtual time. Output is TAP.\n\n"
    "  --update               write what is into the expectations of the files\n"
    "  --restart-every-batch  kill and restart the engine after every batch: no\n"
    "                         expectation may notice\n"
    "  --partitions N         state partitions of every query\n"
    "  --chunk-rows N         rows in a chunk, at most\n"
    "  --executors N          executors of each worker (2)\n"
    "  --workers N            workers that share the work (1)\n"
    "  --master local-cluster[W,N]\n"
    "                         on real processes and the real clock: a driver and W\n"
    "                         workers of N slots. Cases that depend on processing time\n"
    "                         are skipped\n\n"
    "A file is SQL and directives:\n\n"
    "  input clicks (ts TIMESTAMP, user STRING)\n\n"
    "  CREATE STREAMING QUERY q OUTPUT MODE complete INTO test AS\n"
    "  SELECT user, count(*) AS n FROM STREAM clicks GROUP BY user;\n\n"
    "  feed clicks\n"
    "  2024-05-01 10:00:00 | ann\n"
    "  2024-05-01 10:00:07 | bob\n\n"
    "  expect q\n"
    "  ann | 1\n"
    "  bob | 1\n\n"
    "docs/stest.md has all of it.\n\n"
    "Exit codes: 0 all passed, 1 some did not, 2 wrong usage or an unreadable file.\n";

struct file {
    stest_script script;
    uint32_t cases;
};

struct session {
    sl_arena *arena;
    stest_config config;
    bool update;
    struct file *files;
    uint32_t count, capacity;
    uint32_t number, failed; /* of cases */
};

/* ---- files ---- */

static bool report_file(const char *path, const sl_error *err)
{
    if (err->line > 0)
        fprintf(stderr, "sluice: %s:%u: %s\n", path, err->line, err->text);
    else
        fprintf(stderr, "sluice: %s: %s\n", path, err->text);
    return false;
}

/* Items before the first `case`, and those of each, are cases; a file without is one. */
static uint32_t count_cases(const stest_script *s)
{
    uint32_t n = s->item_count > 0 && s->items[0].kind != STEST_CASE ? 1 : 0;
    for (uint32_t i = 0; i < s->item_count; i++)
        n += s->items[i].kind == STEST_CASE;
    return n;
}

static bool read_file(struct session *s, const char *path)
{
    sl_error err = { 0 };
    sl_bytes text = { 0 };
    stest_script script = { 0 };
    sl_code code = sl_fs_read_all(sl_fs_posix(), path, FILE_BYTES_MAX, &text, &err);
    if (code == SL_OK)
        code = stest_script_parse(sl_arena_strdup(s->arena, path), sl_bytes_cstr(&text),
                                  text.size_bytes, s->arena, &script, &err);
    sl_bytes_deinit(&text);
    if (code == SL_OK && script.item_count == 0)
        code = sl_fail(&err, SL_EPARSE, "there is no test in it");
    if (code != SL_OK)
        return report_file(path, &err);
    if (s->count == s->capacity) {
        s->capacity = s->capacity == 0 ? 16 : s->capacity * 2;
        s->files = (struct file *)sl_realloc(s->files, s->capacity * sizeof *s->files);
    }
    s->files[s->count++] = (struct file){ script, count_cases(&script) };
    return true;
}

static bool ends_with(const char *text, const char *ending)
{
    size_t n = strlen(text), m = strlen(ending);
    return n > m && strcmp(text + n - m, ending) == 0;
}

static bool read_path(struct session *s, const char *path);

static bool read_directory(struct session *s, const char *path)
{
    sl_error err = { 0 };
    sl_dir_entry *entries;
    size_t count = 0;
    bool ok = true;
    if (sl_fs_list(sl_fs_posix(), path, &entries, &count, &err) != SL_OK)
        return report_file(path, &err);
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    for (size_t i = 0; i < count; i++)
        if (entries[i].info.is_directory || ends_with(entries[i].name, ".stest"))
            ok = read_path(s, sl_arena_printf(s->arena, "%.*s/%s", (int)n, path,
                                              entries[i].name)) &&
                 ok;
    sl_fs_entries_free(entries, count);
    return ok;
}

static bool read_path(struct session *s, const char *path)
{
    sl_file_info info;
    sl_error err = { 0 };
    if (sl_fs_stat(sl_fs_posix(), path, &info, &err) != SL_OK)
        return report_file(path, &err);
    return info.is_directory ? read_directory(s, path) : read_file(s, path);
}

/* Beside the file, then over it: an interrupted update leaves the old one. */
static bool write_back(const stest_script *script, const sl_bytes *text)
{
    sl_arena *arena = sl_arena_new();
    const char *beside = sl_arena_printf(arena, "%s.new", script->path);
    FILE *f = fopen(beside, "wb");
    bool ok = f != NULL && fwrite(text->data, 1, text->size_bytes, f) == text->size_bytes;
    ok = f != NULL && fclose(f) == 0 && ok;
    ok = ok && rename(beside, script->path) == 0;
    if (!ok)
        fprintf(stderr, "sluice: %s could not be written: %s\n", script->path,
                strerror(errno));
    sl_arena_free(arena);
    return ok;
}

/* ---- TAP ---- */

static void print_diagnosis(const sl_bytes *text)
{
    const char *at = sl_bytes_cstr(text);
    while (*at != '\0') {
        size_t n = strcspn(at, "\n");
        printf("# %.*s\n", (int)n, at);
        at += n + (at[n] == '\n');
    }
}

static void report_case(struct session *s, const stest_script *script,
                        const stest_item *first, const stest_result *r)
{
    bool has_title = first->kind == STEST_CASE;
    bool updated = s->update && r->edit_count > 0 && !r->beyond_edits;
    s->number++;
    s->failed += !r->passed && !updated;
    printf("%sok %u - %s%s%s%s%s\n", r->passed || updated ? "" : "not ", s->number,
           script->path, has_title ? ": " : "", has_title ? first->text : "",
           r->skipped != NULL ? " # SKIP " : "", r->skipped != NULL ? r->skipped : "");
    if (updated)
        printf("# %u expectation%s updated\n", r->edit_count,
               r->edit_count == 1 ? "" : "s");
    else
        print_diagnosis(&r->diagnosis);
    fflush(stdout);
}

static bool run_file(struct session *s, const struct file *file)
{
    const stest_script *script = &file->script;
    stest_edit *edits = NULL;
    uint32_t edit_count = 0;
    bool ok = true;
    for (uint32_t from = 0, to; from < script->item_count; from = to) {
        stest_result r;
        to = from + 1;
        while (to < script->item_count && script->items[to].kind != STEST_CASE)
            to++;
        stest_run(script, from, to, &s->config, s->update, s->arena, &r);
        report_case(s, script, &script->items[from], &r);
        if (r.edit_count > 0) {
            edits = (stest_edit *)sl_realloc(edits,
                                             (edit_count + r.edit_count) * sizeof *edits);
            memcpy(edits + edit_count, r.edits, r.edit_count * sizeof *edits);
            edit_count += r.edit_count;
        }
        stest_result_deinit(&r);
    }
    if (s->update && edit_count > 0) {
        sl_bytes text = { 0 };
        stest_apply_edits(script, edits, edit_count, &text);
        ok = write_back(script, &text);
        sl_bytes_deinit(&text);
    }
    sl_free(edits);
    return ok;
}

/* 0, or the exit code. */
static int start_cluster(struct session *s, const char *text)
{
    sl_master master;
    sl_error err;
    if (sl_master_parse(text, &master, &err) != SL_OK)
        return sl_cli_usage_error("test", "%s", err.text);
    if (master.kind != SL_MASTER_LOCAL_CLUSTER)
        return sl_cli_usage_error("test",
                                  "--master wants local-cluster[W,N], not '%s': the test "
                                  "starts and kills the processes",
                                  text);
    if (stest_cluster_new(master.workers, master.slots, &s->config.cluster, &err) ==
        SL_OK)
        return 0;
    fprintf(stderr, "sluice: %s\n", err.text);
    return SL_CLIENT_CONNECT;
}

/* A directory of no tests is a mistake, not a success. */
static bool read_tests_of(struct session *s, const char *path)
{
    uint32_t before = s->count;
    if (!read_path(s, path))
        return false;
    if (s->count == before)
        fprintf(stderr, "sluice: %s: there is no .stest file in it\n", path);
    return s->count > before;
}

static int run_all(struct session *s, const char *const *paths, const char *master)
{
    bool ok = true;
    uint32_t cases = 0;
    for (uint32_t i = 0; paths[i] != NULL; i++)
        ok = read_tests_of(s, paths[i]) && ok;
    if (!ok)
        return 2;
    int failed = master != NULL ? start_cluster(s, master) : 0;
    if (failed != 0)
        return failed;
    for (uint32_t i = 0; i < s->count; i++)
        cases += s->files[i].cases;
    printf("TAP version 14\n1..%u\n", cases);
    for (uint32_t i = 0; i < s->count; i++)
        ok = run_file(s, &s->files[i]) && ok;
    if (s->failed > 0)
        printf("# %u of %u failed\n", s->failed, cases);
    return !ok ? 2 : s->failed > 0 ? 1 : 0;
}

/* ---- arguments ---- */

int sl_stest_main(int argc, char **argv)
{
    const char *paths[PATHS_MAX + 1] = { NULL };
    const char *partitions = NULL, *chunk_rows = NULL, *executors = NULL, *workers = NULL,
               *master = NULL;
    struct session s = { 0 };
    bool verbose = false;
    int exit_code = 0;
    const sl_cli_flag flags[] = {
        { .name = "--update", .on = &s.update },
        { .name = "--restart-every-batch", .on = &s.config.restart_every_batch },
        { .name = "--partitions", .value = &partitions },
        { .name = "--chunk-rows", .value = &chunk_rows },
        { .name = "--executors", .value = &executors },
        { .name = "--workers", .value = &workers },
        { .name = "--master", .value = &master },
        { .name = "--verbose", .on = &verbose },
    };
    const sl_cli_spec spec = { .command = "test",
                               .help = help,
                               .flags = flags,
                               .flag_count = sizeof flags / sizeof *flags,
                               .positional = paths,
                               .positional_max = PATHS_MAX };
    if (!sl_cli_parse(&spec, argc, argv, &exit_code))
        return exit_code;
    if ((partitions != NULL && !sl_cli_number("test", "--partitions", partitions, 4096,
                                              &s.config.partitions, &exit_code)) ||
        (chunk_rows != NULL && !sl_cli_number("test", "--chunk-rows", chunk_rows, 16384,
                                              &s.config.chunk_rows, &exit_code)) ||
        (executors != NULL &&
         !sl_cli_number("test", "--executors", executors, SL_EXECUTORS_MAX,
                        &s.config.executors, &exit_code)) ||
        (workers != NULL && !sl_cli_number("test", "--workers", workers, WORKERS_MAX,
                                           &s.config.workers, &exit_code)))
        return exit_code;
    if (paths[0] == NULL)
        return sl_cli_usage_error("test", "which file? sluice test FILE.stest...");
    if (master != NULL &&
        (s.config.restart_every_batch || s.config.executors > 0 || s.config.workers > 0))
        return sl_cli_usage_error("test",
                                  "--master says how many workers and executors there "
                                  "are, and goes without --restart-every-batch");
    if (s.update && (s.config.restart_every_batch || s.config.partitions > 0 ||
                     s.config.chunk_rows > 0 || s.config.executors > 0 ||
                     s.config.workers > 0 || master != NULL))
        return sl_cli_usage_error("test",
                                  "--update goes without the flags of a replay: they "
                                  "must not change what a file expects");
    sl_local_register_options();
    sl_log_set_level(verbose ? SL_LOG_DEBUG : SL_LOG_ERROR);
    s.arena = sl_arena_new();
    exit_code = run_all(&s, paths, master);
    stest_cluster_free(s.config.cluster);
    sl_free(s.files);
    sl_arena_free(s.arena);
    return exit_code;
}
