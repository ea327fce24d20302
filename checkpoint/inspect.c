#include "checkpoint/inspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "checkpoint/journal.h"
#include "checkpoint/reader_private.h"

#define BATCHES_SHOWN 20

/* ---- records as JSON ---- */

static void hash_key(sl_json *j, const char *key, sl_hash128 h)
{
    char hex[33];
    sl_hash128_hex(h, hex);
    sl_json_key_string(j, key, hex);
}

/* A state id does not fit every JSON reader's numbers. */
static void id_key(sl_json *j, const char *key, uint64_t id)
{
    char text[24];
    snprintf(text, sizeof text, "%016" PRIx64, id);
    sl_json_key_string(j, key, text);
}

void sl_offsets_json(const sl_offsets_record *r, sl_bytes *out)
{
    sl_json j;
    sl_json_begin(&j, out);
    sl_json_open(&j, NULL, '{');
    sl_json_key_int(&j, "batch", r->batch);
    sl_json_key_int(&j, "epoch", (int64_t)r->epoch);
    sl_json_key_int(&j, "batchTimeUs", r->batch_time_us);
    sl_json_key_int(&j, "watermarkUs", r->watermark_us);
    sl_json_key_int(&j, "previousWatermarkUs", r->previous_watermark_us);
    sl_json_key_bool(&j, "isNoData", r->is_no_data);
    sl_json_key_int(&j, "statePartitions", r->partition_count);
    hash_key(&j, "parentHash", r->parent_hash);
    sl_json_open(&j, "settings", '{');
    for (uint32_t i = 0; i < r->setting_count; i++)
        sl_json_key_string(&j, r->settings[i].name, r->settings[i].value);
    sl_json_close(&j, '}');
    sl_json_open(&j, "sources", '[');
    for (uint32_t i = 0; i < r->source_count; i++) {
        const sl_source_offsets *s = &r->sources[i];
        sl_json_open(&j, NULL, '{');
        sl_json_key_string(&j, "source", s->source);
        sl_json_key_string(&j, "start", s->start_json);
        sl_json_key_string(&j, "end", s->end_json);
        sl_json_key_int(&j, "slices", s->slice_count);
        sl_json_close(&j, '}');
    }
    sl_json_close(&j, ']');
    sl_json_close(&j, '}');
}

static void delta_json(sl_json *j, const char *key, const sl_delta_place *d)
{
    if (d->kind == SL_DELTA_NONE)
        return;
    sl_json_open(j, key, '{');
    if (d->kind == SL_DELTA_INLINE) {
        sl_json_key_string(j, "in", "commit");
        sl_json_key_int(j, "bytes", (int64_t)d->bytes.size_bytes);
    } else {
        sl_json_key_string(j, "in", d->segment.name);
        sl_json_key_int(j, "offset", (int64_t)d->segment.offset);
        sl_json_key_int(j, "bytes", (int64_t)d->segment.length_bytes);
        hash_key(j, "hash", d->segment.hash);
    }
    sl_json_close(j, '}');
}

static void snapshot_json(sl_json *j, const char *key, const sl_snapshot_place *s)
{
    if (s->kind == SL_SNAPSHOT_NONE)
        return;
    sl_json_open(j, key, '{');
    sl_json_key_int(j, "batch", s->batch);
    id_key(j, "stateId", s->state_id);
    sl_json_key_string(j, "in", s->kind == SL_SNAPSHOT_FULL ? "commit" : s->manifest);
    sl_json_close(j, '}');
}

static void states_json(sl_json *j, const sl_commit_record *r)
{
    sl_json_open(j, "states", '[');
    for (uint32_t i = 0; i < r->state_count; i++) {
        const sl_state_record *s = &r->states[i];
        sl_json_open(j, NULL, '{');
        sl_json_key_int(j, "partition", s->partition);
        sl_json_key_int(j, "operator", s->operator_id);
        id_key(j, "stateId", s->state_id);
        sl_json_key_int(j, "rows", (int64_t)s->row_count);
        delta_json(j, "delta", &s->delta);
        delta_json(j, "full", &s->full);
        snapshot_json(j, "snapshot", &s->snapshot);
        snapshot_json(j, "olderSnapshot", &s->older_snapshot);
        sl_json_close(j, '}');
    }
    sl_json_close(j, ']');
}

static void sinks_json(sl_json *j, const sl_commit_record *r)
{
    sl_json_open(j, "sinks", '[');
    for (uint32_t i = 0; i < r->sink_count; i++) {
        sl_json_open(j, NULL, '{');
        sl_json_key_string(j, "sink", r->sinks[i].sink);
        sl_json_open(j, "files", '[');
        for (uint32_t k = 0; k < r->sinks[i].file_count; k++) {
            const sl_sink_file *f = &r->sinks[i].files[k];
            sl_json_open(j, NULL, '{');
            sl_json_key_string(j, "name", f->target_name);
            sl_json_key_int(j, "bytes", (int64_t)f->size_bytes);
            sl_json_key_int(j, "rows", (int64_t)f->row_count);
            hash_key(j, "hash", f->hash);
            sl_json_close(j, '}');
        }
        sl_json_close(j, ']');
        sl_json_close(j, '}');
    }
    sl_json_close(j, ']');
}

void sl_commit_json(const sl_commit_record *r, sl_bytes *out)
{
    sl_json j;
    sl_json_begin(&j, out);
    sl_json_open(&j, NULL, '{');
    sl_json_key_int(&j, "batch", r->batch);
    sl_json_key_int(&j, "epoch", (int64_t)r->epoch);
    sl_json_key_int(&j, "attempt", r->attempt);
    sl_json_key_int(&j, "commitWallUs", r->commit_wall_us);
    hash_key(&j, "offsetsHash", r->offsets_hash);
    hash_key(&j, "parentHash", r->parent_hash);
    sl_json_key_int(&j, "nextWatermarkUs", r->next_watermark_us);
    sl_json_key_int(&j, "rowsIn", (int64_t)r->rows_in);
    sl_json_key_int(&j, "rowsOut", (int64_t)r->rows_out);
    sl_json_key_int(&j, "rowsLate", (int64_t)r->rows_late);
    sl_json_open(&j, "watermarks", '[');
    for (uint32_t i = 0; i < r->watermark_count; i++) {
        sl_json_open(&j, NULL, '{');
        sl_json_key_string(&j, "node", r->watermarks[i].node);
        if (r->watermarks[i].has_max)
            sl_json_key_int(&j, "maxUs", r->watermarks[i].max_us);
        sl_json_close(&j, '}');
    }
    sl_json_close(&j, ']');
    states_json(&j, r);
    sinks_json(&j, r);
    sl_json_open(&j, "counts", '{');
    for (uint32_t i = 0; i < r->count_count; i++)
        sl_json_key_int(&j, r->counts[i].name, r->counts[i].value);
    sl_json_close(&j, '}');
    sl_json_close(&j, '}');
}

/* ---- the whole checkpoint ---- */

static int64_t first_shown(const sl_checkpoint__reader *c, uint32_t batches_max)
{
    int64_t first = c->recovery.last_commit - batches_max + 1;
    return first > c->recovery.first_commit ? first : c->recovery.first_commit;
}

static void count_seen(void *user, const char *key, const char *kind, sl_span payload,
                       sl_code code, const char *message)
{
    (void)key;
    (void)payload;
    (void)code;
    (void)message;
    *(uint64_t *)user += strcmp(kind, "seen") == 0;
}

static sl_code seen_files(sl_checkpoint__reader *c, uint64_t *ret, sl_error *err)
{
    *ret = 0;
    return sl_journal_each_record(c->journal, count_seen, ret, err);
}

static sl_code show_json(sl_checkpoint__reader *c, uint32_t batches_max, sl_bytes *out,
                         sl_error *err)
{
    uint64_t seen;
    sl_json j;
    SL_TRY(seen_files(c, &seen, err));
    sl_json_begin(&j, out);
    sl_json_open(&j, NULL, '{');
    sl_json_key_string(&j, "queryId", c->query.query_id);
    sl_json_key_string(&j, "name", c->query.name);
    sl_json_key_string(&j, "sql", c->query.sql);
    sl_json_key_string(&j, "planFingerprint", c->query.plan_fingerprint);
    sl_json_key_int(&j, "keyGroups", c->query.key_group_count);
    sl_json_key_int(&j, "statePartitions", c->query.partition_count);
    sl_json_key_int(&j, "firstCommit", c->recovery.first_commit);
    sl_json_key_int(&j, "lastCommit", c->recovery.last_commit);
    sl_json_key_int(&j, "pendingOffsets", c->recovery.pending_offsets);
    sl_json_key_int(&j, "epoch", (int64_t)c->recovery.epoch_max);
    sl_json_key_int(&j, "seenFiles", (int64_t)seen);
    sl_json_open(&j, "batches", '[');
    sl_arena *arena = sl_arena_new();
    sl_bytes text = { 0 };
    sl_code code = SL_OK;
    for (int64_t n = first_shown(c, batches_max); n >= 0 && n <= c->recovery.last_commit;
         n++) {
        sl_offsets_record offsets;
        sl_commit_record commit;
        sl_arena_reset(arena);
        SL_TRY_GOTO(sl_journal_get_offsets(c->journal, n, arena, &offsets, err), out);
        SL_TRY_GOTO(sl_journal_get_commit(c->journal, n, arena, &commit, err), out);
        sl_json_open(&j, NULL, '{');
        sl_bytes_clear(&text);
        sl_offsets_json(&offsets, &text);
        sl_json_key_raw(&j, "offsets", sl_bytes_cstr(&text));
        sl_bytes_clear(&text);
        sl_commit_json(&commit, &text);
        sl_json_key_raw(&j, "commit", sl_bytes_cstr(&text));
        sl_json_close(&j, '}');
    }
    sl_json_close(&j, ']');
    sl_json_close(&j, '}');
    sl_bytes_char(out, '\n');
out:
    sl_bytes_deinit(&text);
    sl_arena_free(arena);
    return code;
}

static void place_text(const sl_commit_record *c, sl_bytes *out)
{
    uint64_t inline_count = 0, segment_count = 0, bytes = 0, rows = 0;
    for (uint32_t i = 0; i < c->state_count; i++) {
        const sl_delta_place *d = &c->states[i].delta;
        rows += c->states[i].row_count;
        inline_count += d->kind == SL_DELTA_INLINE;
        segment_count += d->kind == SL_DELTA_SEGMENT;
        bytes += d->kind == SL_DELTA_INLINE    ? d->bytes.size_bytes
                 : d->kind == SL_DELTA_SEGMENT ? d->segment.length_bytes
                                               : 0;
    }
    sl_bytes_printf(out,
                    "state: %" PRIu64 " rows, deltas %" PRIu64
                    " in the commit and %" PRIu64 " in segments, %" PRIu64 " bytes",
                    rows, inline_count, segment_count, bytes);
}

static sl_code show_batch(sl_checkpoint__reader *c, int64_t n, sl_arena *arena,
                          sl_bytes *out, sl_error *err)
{
    sl_offsets_record offsets;
    sl_commit_record commit;
    SL_TRY(sl_journal_get_offsets(c->journal, n, arena, &offsets, err));
    SL_TRY(sl_journal_get_commit(c->journal, n, arena, &commit, err));
    char time[32];
    sl_iso8601_ms(commit.commit_wall_us / 1000, time);
    sl_bytes_printf(
        out, "batch %" PRId64 "  committed %s  epoch %" PRIu64 "  attempt %u%s\n", n,
        time, commit.epoch, commit.attempt, offsets.is_no_data ? "  (no data)" : "");
    for (uint32_t i = 0; i < offsets.source_count; i++) {
        const sl_source_offsets *s = &offsets.sources[i];
        sl_bytes_printf(out, "  source %s: %s -> %s, %u slices\n", s->source,
                        s->start_json ? s->start_json : "null",
                        s->end_json ? s->end_json : "null", s->slice_count);
    }
    sl_iso8601_ms(commit.next_watermark_us / 1000, time);
    sl_bytes_printf(out,
                    "  rows: %" PRIu64 " in, %" PRIu64 " out, %" PRIu64
                    " late; next watermark %s\n  ",
                    commit.rows_in, commit.rows_out, commit.rows_late, time);
    place_text(&commit, out);
    sl_bytes_char(out, '\n');
    for (uint32_t i = 0; i < commit.sink_count; i++)
        sl_bytes_printf(out, "  sink %s: %u files\n", commit.sinks[i].sink,
                        commit.sinks[i].file_count);
    return SL_OK;
}

static sl_code show_text(sl_checkpoint__reader *c, const char *root, uint32_t batches_max,
                         sl_bytes *out, sl_error *err)
{
    const sl_journal_recovery *r = &c->recovery;
    uint64_t seen;
    SL_TRY(seen_files(c, &seen, err));
    sl_bytes_printf(out, "checkpoint  %s\nquery       %s%s%s\n", root, c->query.query_id,
                    c->query.name ? "  " : "", c->query.name ? c->query.name : "");
    sl_bytes_printf(out, "sql         %s\nplan        %s\n", c->query.sql,
                    c->query.plan_fingerprint);
    sl_bytes_printf(out, "state       %u partitions, %u key groups\n",
                    c->query.partition_count, c->query.key_group_count);
    sl_bytes_printf(out, "commits     %" PRId64 " to %" PRId64 ", epoch %" PRIu64 "\n",
                    r->first_commit, r->last_commit, r->epoch_max);
    if (seen > 0)
        sl_bytes_printf(out, "seen        %" PRIu64 " input files\n", seen);
    if (r->pending_offsets >= 0)
        sl_bytes_printf(out, "pending     batch %" PRId64 " is planned, not committed\n",
                        r->pending_offsets);
    if (r->is_tail_dropped)
        sl_bytes_text(out, "note        an unacknowledged end of the journal is torn\n");
    sl_arena *arena = sl_arena_new();
    sl_code code = SL_OK;
    for (int64_t n = first_shown(c, batches_max);
         n >= 0 && n <= r->last_commit && code == SL_OK; n++) {
        sl_arena_reset(arena);
        sl_bytes_char(out, '\n');
        code = show_batch(c, n, arena, out, err);
    }
    sl_arena_free(arena);
    return code;
}

sl_code sl_checkpoint_inspect(sl_fs *fs, const sl_kv_factory *kv, const char *root,
                              sl_inspect_options options, sl_bytes *out, sl_error *err)
{
    uint32_t batches_max = options.batches_max ? options.batches_max : BATCHES_SHOWN;
    sl_checkpoint__reader c;
    SL_TRY(sl_checkpoint__reader_open(fs, kv, root, &c, err));
    sl_bytes text = { 0 };
    sl_code code = options.is_json ? show_json(&c, batches_max, &text, err)
                                   : show_text(&c, root, batches_max, &text, err);
    if (code == SL_OK)
        sl_bytes_append(out, text.data, text.size_bytes);
    sl_bytes_deinit(&text);
    sl_checkpoint__reader_close(&c);
    return code;
}

sl_code sl_checkpoint_progress(sl_fs *fs, const sl_kv_factory *kv, const char *root,
                               uint32_t batches_max, sl_arena *arena,
                               const char *const **ret_progress, uint32_t *ret_count,
                               sl_error *err)
{
    batches_max = batches_max ? batches_max : BATCHES_SHOWN;
    sl_checkpoint__reader c;
    SL_TRY(sl_checkpoint__reader_open(fs, kv, root, &c, err));
    int64_t first = first_shown(&c, batches_max), last = c.recovery.last_commit;
    size_t room = first >= 0 && last >= first ? (size_t)(last - first + 1) : 0;
    const char **texts = SL_ARENA_ARRAY(arena, const char *, room);
    uint32_t count = 0;
    sl_code code = SL_OK;
    for (int64_t n = first; n >= 0 && n <= last && code == SL_OK; n++) {
        sl_commit_record commit;
        code = sl_journal_get_commit(c.journal, n, arena, &commit, err);
        if (code == SL_OK && commit.progress_json)
            texts[count++] = commit.progress_json;
    }
    sl_checkpoint__reader_close(&c);
    if (code != SL_OK)
        return code;
    *ret_progress = texts;
    *ret_count = count;
    return SL_OK;
}
