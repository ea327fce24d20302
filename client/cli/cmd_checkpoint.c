/* `sluice checkpoint` and `sluice query` on checkpoints that are not in use. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "checkpoint/inspect.h"
#include "checkpoint/verify.h"
#include "client/cli/cli.h"

static const char checkpoint_help[] =
    "usage: sluice checkpoint inspect DIR [--batches N] [--json]\n"
    "       sluice checkpoint verify DIR [--json]\n\n"
    "inspect prints the query and its newest batches: offsets, commits, where state "
    "lies.\n"
    "verify reads everything that retained commits name and checks it; exit 4 if it is "
    "damaged.\n";

static const char query_help[] =
    "usage: sluice query progress DIR [--batches N]   the progress reports of the newest "
    "batches, as JSON\n"
    "       sluice query status DIR [--json]          the query and its last batch\n\n"
    "DIR is a checkpoint location that is not in use.\n";

struct arguments {
    const char *verb, *dir;
    bool json;
    uint32_t batches;
};

static int parse(int argc, char **argv, const char *command, const char *help,
                 const char *const *verbs, uint32_t verb_count, struct arguments *a)
{
    for (int i = 0; i < argc; i++) {
        int64_t n;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(help, stdout);
            return 1;
        }
        if (strcmp(argv[i], "--json") == 0) {
            a->json = true;
        } else if (strcmp(argv[i], "--batches") == 0 && i + 1 < argc) {
            if (sl_int64_parse(argv[++i], &n, NULL) != SL_OK || n < 1 || n > 1000000)
                return 1 + sl_cli_usage_error(command,
                                              "--batches wants a number from 1, not '%s'",
                                              argv[i]);
            a->batches = (uint32_t)n;
        } else if (argv[i][0] == '-') {
            return 1 + sl_cli_usage_error(command, "unknown argument '%s'", argv[i]);
        } else if (a->verb == NULL) {
            a->verb = argv[i];
        } else if (a->dir == NULL) {
            a->dir = argv[i];
        } else {
            return 1 + sl_cli_usage_error(
                           command, "one directory at a time, not '%s' as well", argv[i]);
        }
    }
    if (a->verb == NULL)
        return 1 + sl_cli_usage_error(command, "%s wants a verb", command);
    for (uint32_t i = 0; i < verb_count; i++)
        if (strcmp(a->verb, verbs[i]) == 0)
            return a->dir != NULL
                       ? 0
                       : 1 + sl_cli_usage_error(command,
                                                "%s %s wants a checkpoint directory",
                                                command, a->verb);
    const char *near = sl_text_nearest(a->verb, verbs, verb_count);
    return 1 + sl_cli_usage_error(command, "unknown verb '%s'; did you mean '%s'?",
                                  a->verb, near != NULL ? near : verbs[0]);
}

static int report(sl_code code, const sl_error *err, sl_bytes *out)
{
    if (code != SL_OK) {
        sl_cli_print_error(err);
        sl_bytes_deinit(out);
        return sl_cli_exit_code(err);
    }
    fwrite(sl_bytes_cstr(out), 1, out->size_bytes, stdout);
    sl_bytes_deinit(out);
    return 0;
}

static int inspect(const struct arguments *a)
{
    sl_kv_factory kv = sl_kv_rocksdb();
    sl_bytes out = { 0 };
    sl_error err;
    sl_inspect_options options = { .batches_max = a->batches, .is_json = a->json };
    sl_code code = sl_checkpoint_inspect(sl_fs_posix(), &kv, a->dir, options, &out, &err);
    return report(code, &err, &out);
}

static int verify(const struct arguments *a)
{
    sl_kv_factory kv = sl_kv_rocksdb();
    sl_arena *arena = sl_arena_new();
    sl_bytes out = { 0 };
    sl_error err;
    sl_verify_report r = { 0 };
    sl_code code = sl_checkpoint_verify(sl_fs_posix(), &kv, a->dir, arena, &r, &err);
    if (code == SL_OK && a->json)
        sl_verify_json(&r, &out);
    else if (code == SL_OK)
        sl_verify_text(&r, &out);
    int exit_code = report(code, &err, &out);
    sl_arena_free(arena);
    return exit_code == 0 && r.damage_count > 0 ? 4 : exit_code;
}

int sl_cli_checkpoint(int argc, char **argv)
{
    static const char *const verbs[] = { "inspect", "verify" };
    struct arguments a = { 0 };
    int code = parse(argc, argv, "checkpoint", checkpoint_help, verbs, 2, &a);
    if (code != 0)
        return code - 1;
    return strcmp(a.verb, "inspect") == 0 ? inspect(&a) : verify(&a);
}

static int progress(const struct arguments *a)
{
    sl_kv_factory kv = sl_kv_rocksdb();
    sl_arena *arena = sl_arena_new();
    sl_bytes out = { 0 };
    sl_error err;
    const char *const *reports = NULL;
    uint32_t count = 0;
    sl_code code = sl_checkpoint_progress(sl_fs_posix(), &kv, a->dir,
                                          a->batches != 0 ? a->batches : 20, arena,
                                          &reports, &count, &err);
    for (uint32_t i = 0; code == SL_OK && i < count; i++)
        sl_bytes_printf(&out, "%s\n", reports[i]);
    int exit_code = report(code, &err, &out);
    sl_arena_free(arena);
    return exit_code;
}

int sl_cli_query(int argc, char **argv)
{
    static const char *const verbs[] = { "progress", "status" };
    struct arguments a = { 0 };
    int code = parse(argc, argv, "query", query_help, verbs, 2, &a);
    if (code != 0)
        return code - 1;
    if (strcmp(a.verb, "progress") == 0)
        return progress(&a);
    a.batches = 1;
    return inspect(&a);
}
