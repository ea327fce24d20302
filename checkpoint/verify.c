#include "checkpoint/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "checkpoint/journal_private.h"
#include "checkpoint/layout.h"
#include "checkpoint/manifest.h"
#include "checkpoint/name_set_private.h"
#include "checkpoint/reader_private.h"
#include "checkpoint/record_parts_private.h"
#include "checkpoint/snapshot_file.h"
#include "objects/content_store.h"

#define FINDINGS_MAX 1000 /* past this only the count grows */

struct verify {
    sl_fs *fs;
    const char *root;
    sl_arena *arena; /* of the report */
    sl_verify_report *report;
    sl_finding *findings; /* sl_realloc'd until the end */
    uint32_t capacity;
    sl_checkpoint__reader reader;
    sl_name_set snapshots, tables; /* already verified */
};

static void add(struct verify *v, bool is_damage, const char *where, const char *text)
{
    sl_verify_report *r = v->report;
    r->damage_count += is_damage;
    if (r->finding_count >= FINDINGS_MAX)
        return;
    if (r->finding_count == v->capacity) {
        v->capacity = v->capacity ? 2 * v->capacity : 16;
        v->findings = sl_realloc(v->findings, v->capacity * sizeof v->findings[0]);
    }
    v->findings[r->finding_count++] =
        (sl_finding){ is_damage, sl_arena_strdup(v->arena, where),
                      sl_arena_strdup(v->arena, text) };
}

/* ---- journal ---- */

static void check_record(void *user, const char *key, const char *kind, sl_span payload,
                         sl_code code, const char *message)
{
    struct verify *v = user;
    sl_arena *arena = sl_arena_new();
    sl_error why = { .text = "" };
    if (code != SL_OK) {
        add(v, true, key, message);
    } else if (strcmp(kind, "offsets") == 0) {
        sl_offsets_record r;
        code = sl_offsets_decode(payload, arena, &r, &why);
    } else if (strcmp(kind, "commits") == 0) {
        sl_commit_record r;
        code = sl_commit_decode(payload, arena, &r, &why);
    } else if (strcmp(kind, "epochs") == 0) {
        sl_epoch_record r;
        code = sl_epoch_decode(payload, arena, &r, &why);
    }
    if (code != SL_OK && why.text[0] != '\0')
        add(v, true, key, why.text);
    sl_arena_free(arena);
}

/* ---- what commits name ---- */

static void check_delta(struct verify *v, const char *where, const sl_delta_place *d)
{
    if (d->kind == SL_DELTA_NONE)
        return;
    v->report->deltas_checked++;
    if (d->kind == SL_DELTA_INLINE) {
        v->report->bytes_checked += d->bytes.size_bytes;
        return;
    }
    sl_checkpoint_path dir;
    sl_bytes bytes = { 0 };
    sl_error why;
    sl_code code = sl_layout_segments(v->root, &dir, &why);
    if (code == SL_OK)
        code = sl_segment_read(v->fs, dir.text, &d->segment, &bytes, &why);
    if (code != SL_OK)
        add(v, true, where, why.text);
    v->report->bytes_checked += bytes.size_bytes;
    sl_bytes_deinit(&bytes);
}

static void check_tables(struct verify *v, const char *where, const sl_snapshot_file *f)
{
    sl_checkpoint_path dir;
    sl_error why;
    if (sl_layout_sst_dir(v->root, &dir, &why) != SL_OK) {
        add(v, true, where, why.text);
        return;
    }
    sl_content_store store = { .fs = v->fs, .dir = dir.text };
    for (uint32_t i = 0; i < f->table_count; i++) {
        const char *name = f->tables[i].content_name;
        if (!sl_name_set__add(&v->tables, name))
            continue;
        v->report->tables_checked++;
        sl_hash128 hash;
        uint64_t size = 0;
        if (sl_content_name_parse(name, &hash, &size, &why) != SL_OK ||
            sl_content_verify(&store, name, &why) != SL_OK)
            add(v, true, where, why.text);
        v->report->bytes_checked += size;
    }
}

static void check_snapshot(struct verify *v, const char *where, uint32_t partition,
                           const sl_snapshot_place *place, sl_arena *arena)
{
    if (place->kind != SL_SNAPSHOT_MANIFEST)
        return;
    const char *name = sl_arena_printf(arena, "%u/%s", partition, place->manifest);
    if (!sl_name_set__add(&v->snapshots, name))
        return;
    v->report->snapshots_checked++;
    sl_snapshot_file file;
    sl_error why;
    if (sl_snapshot_file_read(v->fs, v->root, partition, place, arena, &file, &why) !=
        SL_OK)
        add(v, true, where, why.text);
    else
        check_tables(v, where, &file);
}

static void check_state(struct verify *v, int64_t batch, const sl_state_record *s,
                        sl_arena *arena)
{
    char where[96];
    snprintf(where, sizeof where, "commit %" PRId64 ", state of partition %u", batch,
             s->partition);
    check_delta(v, where, &s->delta);
    check_delta(v, where, &s->full);
    check_snapshot(v, where, s->partition, &s->snapshot, arena);
    check_snapshot(v, where, s->partition, &s->older_snapshot, arena);
}

/* The commits in order: one chain, each with its offsets. */
static void check_commits(struct verify *v)
{
    const sl_journal_recovery *r = &v->reader.recovery;
    sl_journal *j = v->reader.journal;
    sl_arena *arena = sl_arena_new();
    sl_bytes bytes = { 0 };
    sl_hash128 parent = { 0, 0 };
    for (int64_t n = r->first_commit; n >= 0 && n <= r->last_commit; n++) {
        char where[40];
        sl_commit_record commit;
        sl_offsets_record offsets;
        sl_error why;
        snprintf(where, sizeof where, "commit %" PRId64, n);
        sl_arena_reset(arena);
        v->report->commits_checked++;
        if (sl_journal_get_commit(j, n, arena, &commit, &why) != SL_OK ||
            sl_journal_get_offsets(j, n, arena, &offsets, &why) != SL_OK) {
            add(v, true, where, why.text);
            parent = (sl_hash128){ 0, 0 };
            continue;
        }
        bool is_known = parent.low != 0 || parent.high != 0;
        if (is_known && !sl_record__same_hash(parent, commit.parent_hash))
            add(v, true, where, "does not name the hash of the commit before it");
        if (is_known && !sl_record__same_hash(parent, offsets.parent_hash))
            add(v, true, where, "its offsets do not follow the commit before it");
        sl_bytes_clear(&bytes);
        if (sl_offsets_encode(&offsets, &bytes, &why) != SL_OK ||
            !sl_record__same_hash(commit.offsets_hash,
                                  sl_hash128_of(bytes.data, bytes.size_bytes)))
            add(v, true, where, "does not name the hash of its offsets");
        sl_bytes_clear(&bytes);
        if (sl_commit_encode(&commit, &bytes, &why) == SL_OK)
            parent = sl_hash128_of(bytes.data, bytes.size_bytes);
        for (uint32_t i = 0; i < commit.state_count; i++)
            check_state(v, n, &commit.states[i], arena);
    }
    sl_bytes_deinit(&bytes);
    sl_arena_free(arena);
}

/* The open takes a checkpoint without a head, as a power cut or a copy may leave it; then
 * only state and sinks tell whether the journal has lost commits at its end. */
static void check_head(struct verify *v)
{
    sl_journal__head head;
    bool is_found = false, exists = false;
    sl_error why;
    if (v->reader.recovery.last_commit < 0)
        return;
    if (sl_journal__head_read(v->reader.journal, &head, &is_found, &exists, &why) !=
        SL_OK)
        add(v, true, "journal-head", why.text);
    else if (!is_found)
        add(v, false, "journal-head",
            exists
                ? "no slot of it is whole, though the journal has commits: lost ones at "
                  "the journal's end would be noticed by state and sinks only; the "
                  "next commit writes it anew"
                : "is missing, though the journal has commits: lost ones at the "
                  "journal's end would be noticed by state and sinks only; the next "
                  "commit writes it anew");
}

/* ---- manifests ---- */

static bool ignore_record(void *user, const sl_manifest_record *record)
{
    (void)user;
    (void)record;
    return true;
}

static void check_manifests(struct verify *v)
{
    const char *const *ids = NULL;
    uint32_t count = 0;
    sl_error why;
    sl_arena *arena = sl_arena_new();
    if (sl_manifest_sinks(v->fs, v->root, arena, &ids, &count, &why) != SL_OK)
        add(v, true, "sinks", why.text);
    for (uint32_t i = 0; i < count; i++) {
        sl_manifest_options options = { .fs = v->fs,
                                        .root = v->root,
                                        .sink_id = ids[i],
                                        .query_id = v->reader.query.query_id };
        const char *where = sl_arena_printf(arena, "sinks/%s", ids[i]);
        sl_manifest *m = NULL;
        if (sl_manifest_open(&options, &m, &why) != SL_OK ||
            sl_manifest_each(m, ignore_record, NULL, &why) != SL_OK)
            add(v, true, where, why.text);
        else if (sl_manifest_last_batch(m) < v->reader.recovery.last_commit)
            add(v, false, where,
                sl_arena_printf(arena,
                                "published up to batch %" PRId64 " of %" PRId64
                                "; the rest, if it has files, is published at the next "
                                "start",
                                sl_manifest_last_batch(m),
                                v->reader.recovery.last_commit));
        sl_manifest_close(m);
    }
    sl_arena_free(arena);
}

/* ---- all of it ---- */

static sl_code check_all(struct verify *v, const sl_kv_factory *kv, sl_error *err)
{
    sl_error why;
    sl_code code = sl_checkpoint__reader_open(v->fs, kv, v->root, &v->reader, &why);
    if (code == SL_ECORRUPT || code == SL_EINCOMPATIBLE) {
        add(v, true, v->root, why.text);
        return SL_OK;
    }
    if (code != SL_OK) {
        if (err)
            *err = why;
        return code;
    }
    v->report->last_commit = v->reader.recovery.last_commit;
    if (v->reader.recovery.is_tail_dropped)
        add(v, false, "journal",
            "an unacknowledged end is torn; the next start drops it");
    if (sl_journal_each_record(v->reader.journal, check_record, v, &why) != SL_OK)
        add(v, true, "journal", why.text);
    check_head(v);
    check_commits(v);
    check_manifests(v);
    sl_name_set__deinit(&v->snapshots);
    sl_name_set__deinit(&v->tables);
    sl_checkpoint__reader_close(&v->reader);
    return SL_OK;
}

sl_code sl_checkpoint_verify(sl_fs *fs, const sl_kv_factory *kv, const char *root,
                             sl_arena *arena, sl_verify_report *ret, sl_error *err)
{
    sl_verify_report report = { .last_commit = -1 };
    struct verify v = { .fs = fs, .root = root, .arena = arena, .report = &report };
    sl_code code = check_all(&v, kv, err);
    if (code == SL_OK) {
        size_t size = report.finding_count * sizeof v.findings[0];
        report.findings = size > 0 ? sl_arena_memdup(arena, v.findings, size) : NULL;
        *ret = report;
    }
    sl_free(v.findings);
    return code;
}

void sl_verify_text(const sl_verify_report *r, sl_bytes *out)
{
    for (uint32_t i = 0; i < r->finding_count; i++)
        sl_bytes_printf(out, "%s  %s: %s\n",
                        r->findings[i].is_damage ? "DAMAGE" : "note  ",
                        r->findings[i].where, r->findings[i].text);
    sl_bytes_printf(out,
                    "%s: last commit %" PRId64 "; checked %" PRIu64 " commits, %" PRIu64
                    " deltas, %" PRIu64 " snapshots, %" PRIu64 " tables, %" PRIu64
                    " bytes; %u damaged\n",
                    r->damage_count == 0 ? "OK" : "DAMAGED", r->last_commit,
                    r->commits_checked, r->deltas_checked, r->snapshots_checked,
                    r->tables_checked, r->bytes_checked, r->damage_count);
}

void sl_verify_json(const sl_verify_report *r, sl_bytes *out)
{
    sl_json j;
    sl_json_begin(&j, out);
    sl_json_open(&j, NULL, '{');
    sl_json_key_bool(&j, "ok", r->damage_count == 0);
    sl_json_key_int(&j, "lastCommit", r->last_commit);
    sl_json_key_int(&j, "commits", (int64_t)r->commits_checked);
    sl_json_key_int(&j, "deltas", (int64_t)r->deltas_checked);
    sl_json_key_int(&j, "snapshots", (int64_t)r->snapshots_checked);
    sl_json_key_int(&j, "tables", (int64_t)r->tables_checked);
    sl_json_key_int(&j, "bytes", (int64_t)r->bytes_checked);
    sl_json_open(&j, "findings", '[');
    for (uint32_t i = 0; i < r->finding_count; i++) {
        sl_json_open(&j, NULL, '{');
        sl_json_key_bool(&j, "damage", r->findings[i].is_damage);
        sl_json_key_string(&j, "where", r->findings[i].where);
        sl_json_key_string(&j, "text", r->findings[i].text);
        sl_json_close(&j, '}');
    }
    sl_json_close(&j, ']');
    sl_json_close(&j, '}');
    sl_bytes_char(out, '\n');
}
