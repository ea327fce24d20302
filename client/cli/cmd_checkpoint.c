/* `sluice checkpoint`, on checkpoints that are not in use. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint/inspect.h"
#include "checkpoint/verify.h"
#include "client/cli/cli.h"
#include "client/cli/flags.h"
#include "sluice/sluice.h"
#include "statestore/state_check.h"

#define BATCHES_MAX 1000000

static const char checkpoint_help[] =
    "usage: sluice checkpoint inspect DIR [--batches N] [--json]\n"
    "       sluice checkpoint verify DIR [--json]\n"
    "\n"
    "inspect prints the query and its newest batches (20): offsets, commits, where "
    "state\n"
    "lies. verify reads everything that retained commits name, checks it, and makes the\n"
    "state of the last commit from it; exit 4 if something is damaged.\n"
    "Both change nothing, and want a checkpoint that is not in use.\n";

struct arguments {
    const char *words[2]; /* verb, directory */
    const char *batches_text;
    bool json;
    uint32_t batches;
};

static bool parse(int argc, char **argv, struct arguments *a, int *ret_exit)
{
    static const char *const verbs[] = { "inspect", "verify" };
    const sl_cli_flag flags[] = {
        { .name = "--json", .on = &a->json },
        { .name = "--batches", .value = &a->batches_text },
    };
    const sl_cli_spec spec = { .command = "checkpoint",
                               .help = checkpoint_help,
                               .flags = flags,
                               .flag_count = 2,
                               .positional = a->words,
                               .positional_max = 2 };
    a->batches = 20;
    if (!sl_cli_parse(&spec, argc, argv, ret_exit) ||
        !sl_cli_verb("checkpoint", a->words[0], verbs, 2, ret_exit))
        return false;
    if (a->batches_text != NULL &&
        !sl_cli_number("checkpoint", "--batches", a->batches_text, BATCHES_MAX,
                       &a->batches, ret_exit))
        return false;
    if (a->words[1] == NULL) {
        *ret_exit = sl_cli_usage_error(
            "checkpoint", "checkpoint %s wants a checkpoint directory", a->words[0]);
        return false;
    }
    return true;
}

static int fail(const sl_error *err)
{
    fprintf(stderr, "[%s] %s SQLSTATE: %s\n", err->condition, err->text, err->sqlstate);
    return err->code == SL_ECORRUPT || err->code == SL_EINCOMPATIBLE
               ? SL_CLIENT_CHECKPOINT
               : SL_CLIENT_FAILED;
}

static int inspect(const struct arguments *a)
{
    sl_kv_factory kv = sl_kv_rocksdb();
    sl_bytes out = { 0 };
    sl_error err;
    sl_inspect_options options = { .batches_max = a->batches, .is_json = a->json };
    int exit_code = 0;
    if (sl_checkpoint_inspect(sl_fs_posix(), &kv, a->words[1], options, &out, &err) !=
        SL_OK)
        exit_code = fail(&err);
    else
        fputs(sl_bytes_cstr(&out), stdout);
    sl_bytes_deinit(&out);
    return exit_code;
}

/* The report with one more damage. */
static void add_damage(sl_verify_report *r, const char *where, const char *text,
                       sl_arena *arena)
{
    sl_finding *findings = SL_ARENA_ARRAY(arena, sl_finding, r->finding_count + 1);
    for (uint32_t i = 0; i < r->finding_count; i++)
        findings[i] = r->findings[i];
    findings[r->finding_count++] = (sl_finding){ true, where, text };
    r->findings = findings;
    r->damage_count++;
}

/* What commits name is whole: does it make the state they speak of? */
static sl_code verify_state(const struct arguments *a, sl_verify_report *r,
                            sl_arena *arena, sl_state_check *ret, sl_error *err)
{
    sl_error why;
    if (r->damage_count > 0)
        return SL_OK;
    sl_kv_factory kv = sl_kv_rocksdb();
    const char *temp = getenv("TMPDIR");
    char scratch[256];
    snprintf(scratch, sizeof scratch, "%s/sluice-verify-%ld",
             temp != NULL && *temp != '\0' ? temp : "/tmp", (long)getpid());
    sl_code code = sl_state_check_run(sl_fs_posix(), &kv, a->words[1], scratch,
                                      (int64_t)getpid(), ret, &why);
    if (code == SL_ECORRUPT || code == SL_EINCOMPATIBLE)
        add_damage(r, "state", sl_arena_strdup(arena, why.text), arena);
    else if (code != SL_OK)
        *err = why;
    return code == SL_ECORRUPT || code == SL_EINCOMPATIBLE ? SL_OK : code;
}

static void print_report(const struct arguments *a, const sl_verify_report *r,
                         const sl_state_check *state)
{
    sl_bytes out = { 0 };
    if (a->json) {
        sl_verify_json(r, &out);
        if (out.size_bytes == 0 || out.data[out.size_bytes - 1] != '\n')
            sl_bytes_char(&out, '\n');
    } else {
        sl_verify_text(r, &out);
        if (state->partitions > 0)
            sl_bytes_printf(&out,
                            "state of batch %lld: %u partitions, %llu rows, made again "
                            "from snapshots and deltas\n",
                            (long long)r->last_commit, state->partitions,
                            (unsigned long long)state->rows);
    }
    fputs(sl_bytes_cstr(&out), stdout);
    sl_bytes_deinit(&out);
}

static int verify(const struct arguments *a)
{
    sl_kv_factory kv = sl_kv_rocksdb();
    sl_arena *arena = sl_arena_new();
    sl_verify_report r = { 0 };
    sl_state_check state = { 0 };
    sl_error err;
    int exit_code = 0;
    sl_code code = sl_checkpoint_verify(sl_fs_posix(), &kv, a->words[1], arena, &r, &err);
    if (code == SL_OK)
        code = verify_state(a, &r, arena, &state, &err);
    if (code != SL_OK) {
        exit_code = fail(&err);
    } else {
        print_report(a, &r, &state);
        exit_code = r.damage_count > 0 ? SL_CLIENT_CHECKPOINT : 0;
    }
    sl_arena_free(arena);
    return exit_code;
}

int sl_cli_checkpoint(int argc, char **argv)
{
    struct arguments a = { 0 };
    int code = 0;
    if (!parse(argc, argv, &a, &code))
        return code;
    return strcmp(a.words[0], "inspect") == 0 ? inspect(&a) : verify(&a);
}
