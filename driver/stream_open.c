/* Opening a query's checkpoint: create or recover.  All of it on the stream's lane.
 *
 *   lock -> query.json -> journal (two-step recovery) -> epoch -> sources (seen files,
 * offsets)
 *        -> state places and watermark of the last commit -> sink -> publish what is not
 * yet
 *        -> offsets that stand without a commit: that batch is run first, as it was
 * planned */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/log.h"
#include "checkpoint/lock.h"
#include "driver/stream_private.h"

static void fingerprint_text(const sl_stream *s, char ret[33])
{
    sl_hash128_hex(s->plan->fingerprint, ret);
}

static sl_code create_query_file(sl_stream *s, const char *fingerprint, sl_query_file *q,
                                 sl_error *err)
{
    static const char *const fixed[] = { "sluice.streaming.multipleWatermarkPolicy",
                                         "sluice.session.timeZone" };
    sl_setting settings[sizeof fixed / sizeof *fixed];
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        settings[i] = (sl_setting){ fixed[i], sl_options_text(s->options, fixed[i]) };
    sl_query_id_make(sl_host_rand64(s->driver->host), sl_host_rand64(s->driver->host),
                     s->query_id);
    *q = (sl_query_file){ .query_id = s->query_id,
                          .name = s->name,
                          .sql = s->sql,
                          .plan_fingerprint = fingerprint,
                          .key_group_count = SL_KEY_GROUPS,
                          .partition_count = sl_driver__partitions(s->driver, s->options),
                          .created_wall_us = sl_host_wall_us(s->driver->host),
                          .settings = settings,
                          .setting_count = sizeof fixed / sizeof *fixed };
    sl_failpoints failpoints = { sl_stream__failpoint, s };
    SL_TRY(sl_query_file_create(s->driver->host->fs, s->checkpoint, q, failpoints, err));
    s->partition_count = q->partition_count;
    return SL_OK;
}

/* Settings fixed by the checkpoint win over the session's. */
static sl_code adopt_settings(sl_stream *s, const sl_query_file *q, sl_error *err)
{
    for (uint32_t i = 0; i < q->setting_count; i++)
        SL_TRY(
            sl_options_set(s->options, q->settings[i].name, q->settings[i].value, err));
    return sl_time_zone_find(sl_options_text(s->options, "sluice.session.timeZone"),
                             &s->zone, err);
}

static sl_code open_query_file(sl_stream *s, sl_arena *arena, sl_error *err)
{
    char fingerprint[33];
    sl_query_file q;
    sl_error why;
    fingerprint_text(s, fingerprint);
    sl_code code =
        sl_query_file_read(s->driver->host->fs, s->checkpoint, arena, &q, &why);
    if (code == SL_ENOTFOUND && s->is_resumed)
        return sl_fail(err, SL_EINCOMPATIBLE,
                       "%s, the checkpoint of query %s, which the driver before this one "
                       "ran, has gone: bring it back and start the driver again, or "
                       "STOP the query, which forgets it",
                       s->checkpoint, s->name);
    if (code == SL_ENOTFOUND) {
        SL_TRY(create_query_file(s, fingerprint, &q, err));
    } else if (code != SL_OK) {
        *err = why;
        return code;
    } else {
        SL_TRY(sl_query_file_check_plan(&q, s->checkpoint, fingerprint, err));
        if (q.key_group_count != SL_KEY_GROUPS)
            return sl_fail(err, SL_EINCOMPATIBLE, "%s has %u key groups, this version %d",
                           s->checkpoint, q.key_group_count, SL_KEY_GROUPS);
        if (s->is_resumed && strcmp(s->query_id, q.query_id) != 0)
            return sl_fail(err, SL_EINCOMPATIBLE,
                           "%s is the checkpoint of query %s, and not of %s (%s), which "
                           "the driver before this one ran",
                           s->checkpoint, q.query_id, s->query_id, s->name);
        if (strcmp(s->query_id, q.query_id) != 0) /* read elsewhere once it is known */
            snprintf(s->query_id, sizeof s->query_id, "%s", q.query_id);
        s->partition_count = q.partition_count;
        SL_TRY(adopt_settings(s, &q, err));
    }
    s->query_hash = sl_hash64(s->query_id, strlen(s->query_id));
    return SL_OK;
}

static sl_code open_journal(sl_stream *s, sl_journal_recovery *recovery, sl_error *err)
{
    char claimant[64];
    sl_journal_options options = { .root = s->checkpoint,
                                   .fs = s->driver->host->fs,
                                   .kv = s->driver->config.kv,
                                   .query_id = s->query_id,
                                   .failpoints = { sl_stream__failpoint, s } };
    SL_TRY(sl_journal_open(&options, &s->journal, recovery, err));
    snprintf(claimant, sizeof claimant, "pid %ld", (long)getpid());
    return sl_journal_claim_epoch(s->journal, claimant, sl_host_wall_us(s->driver->host),
                                  &s->epoch, err);
}

/* ---- sources ---- */

struct seen_walk {
    sl_source *source;
    sl_code code;
    sl_error *err;
};

static bool give_seen(void *user, const sl_journal_seen *entry)
{
    struct seen_walk *w = (struct seen_walk *)user;
    w->code = w->source->class->restore_seen(w->source, entry->path, entry->mtime_us,
                                             entry->value, w->err);
    return w->code == SL_OK;
}

static sl_code open_source(sl_stream *s, uint32_t i, sl_error *err)
{
    const sl_source_plan *p = &s->plan->sources[i];
    const sl_source_class *class;
    sl_source_env env = sl_stream__source_env(s);
    sl_source_caps caps;
    char id[16];
    SL_TRY(sl_source_class_find(p->connector, &class, err));
    SL_TRY(
        class->describe(&env, &p->options, p->schema, true, s->batch_arena, &caps, err));
    s->source_is_replayable[i] = caps.replayable;
    if (s->trigger == SL_TRIGGER_AVAILABLE_NOW && !caps.available_now) {
        log_warn("TRIGGER-FALLBACK",
                 "query %s: source %s does not support AVAILABLE NOW: falling back to a "
                 "single batch",
                 s->name, p->connector); /* spark:T14 */
        s->trigger = SL_TRIGGER_ONCE;
    }
    SL_TRY(class->open(&env, &p->options, p->schema, true, &s->sources[i], err));
    snprintf(id, sizeof id, "%u", i);
    struct seen_walk walk = { s->sources[i], SL_OK, err };
    if (class->restore_seen != NULL)
        SL_TRY(sl_journal_each_seen(s->journal, id, give_seen, &walk, err));
    return walk.code;
}

static sl_code restore_offsets(sl_stream *s, const sl_offsets_record *r, sl_error *err)
{
    if (r->source_count != s->plan->source_count)
        return sl_fail(err, SL_EINCOMPATIBLE,
                       "%s has offsets of %u sources, the query has %u", s->checkpoint,
                       r->source_count, s->plan->source_count);
    for (uint32_t i = 0; i < r->source_count; i++)
        SL_TRY(
            s->sources[i]->class->restore_offset(s->sources[i], r->sources[i].end, err));
    return SL_OK;
}

/* ---- the last commit ---- */

static void copy_states(sl_stream *s, const sl_commit_record *c)
{
    sl_arena_reset(s->state_arena);
    s->states = NULL;
    if (s->plan->state_op_count == 0)
        return;
    s->states = SL_ARENA_ARRAY(s->state_arena, sl_state_record, s->partition_count);
    for (uint32_t i = 0; i < s->partition_count; i++)
        s->states[i].partition = i;
    for (uint32_t i = 0; c != NULL && i < c->state_count; i++) {
        const sl_state_record *from = &c->states[i];
        if (from->partition >= s->partition_count)
            continue;
        sl_state_record *to = &s->states[from->partition];
        *to = *from;
        to->delta = (sl_delta_place){ 0 };
        to->full = (sl_delta_place){ 0 };
        if (from->snapshot.manifest != NULL)
            to->snapshot.manifest =
                sl_arena_strdup(s->state_arena, from->snapshot.manifest);
        if (from->older_snapshot.manifest != NULL)
            to->older_snapshot.manifest =
                sl_arena_strdup(s->state_arena, from->older_snapshot.manifest);
    }
}

static sl_code restore_commit(sl_stream *s, sl_arena *arena, sl_error *err)
{
    sl_commit_record c;
    sl_offsets_record o;
    copy_states(s, NULL);
    if (s->last_batch < 0)
        return SL_OK;
    SL_TRY(sl_journal_get_commit(s->journal, s->last_batch, arena, &c, err));
    SL_TRY(sl_journal_get_offsets(s->journal, s->last_batch, arena, &o, err));
    SL_TRY(restore_offsets(s, &o, err));
    SL_TRY(sl_watermark_restore(&s->watermark, c.next_watermark_us / 1000, err));
    for (uint32_t i = 0; i < c.watermark_count && i < s->plan->watermark_count; i++)
        if (c.watermarks[i].has_max)
            sl_watermark_observe(&s->watermark, i, c.watermarks[i].max_us / 1000);
    s->last_used_watermark_us = o.watermark_us;
    sl_stream__restore_counts(s, &c);
    copy_states(s, &c);
    if (s->sink_caps.keeps_state && s->plan->mode != SL_OUTPUT_COMPLETE && !s->reopening)
        return sl_fail_as(
            err, SL_EINCOMPATIBLE, "UNSUPPORTED_RECOVERY", "0A000",
            "This query does not support recovering from checkpoint location. "
            "Delete %s to start over.",
            s->checkpoint);
    return SL_OK;
}

static sl_code init_watermark(sl_stream *s, sl_error *err)
{
    const char *policy =
        sl_options_text(s->options, "sluice.streaming.multipleWatermarkPolicy");
    uint32_t source;
    sl_watermark_init(&s->watermark,
                      strcmp(policy, "max") == 0 ? SL_WATERMARK_MAX : SL_WATERMARK_MIN);
    for (uint32_t i = 0; i < s->plan->watermark_count; i++)
        SL_TRY(sl_watermark_add_source(
            &s->watermark, s->plan->watermarks[i].delay_us / 1000, &source, err));
    return SL_OK;
}

/* ---- sink ---- */

/* To the client that started the query or attached to it, else at the driver. */
static sl_code print(void *user, const char *text, size_t length, sl_error *err)
{
    sl_stream *s = (sl_stream *)user;
    sl_driver *d = s->driver;
    uint64_t owner = s->owner;
    bool shown = false;
    if (owner != 0)
        SL_TRY(sl_clients_print(d->clients, owner, text, length, &shown, err));
    return shown ? SL_OK : d->config.print(d->config.user, text, length, err);
}

static sl_code open_sink(sl_stream *s, sl_error *err)
{
    sl_sink_env env = { .fs = s->driver->host->fs,
                        .zone = s->zone,
                        .query_name = s->name,
                        .query_hash = s->query_hash,
                        .schema = s->plan->output,
                        .print = print,
                        .user = s,
                        .memory = s->driver->config.memory,
                        .mode = (int32_t)s->plan->mode };
    SL_TRY(s->sink_class->open(&env, &s->plan->sink_options, &s->sink, err));
    if (s->sink_caps.guarantee != SL_SINK_A)
        return SL_OK;
    sl_manifest_options options = { .fs = s->driver->host->fs,
                                    .root = s->checkpoint,
                                    .sink_id = "0",
                                    .query_id = s->query_id,
                                    .failpoints = { sl_stream__failpoint, s } };
    return sl_manifest_open(&options, &s->manifest, err);
}

/* Committed batches the manifest log lacks, in order. */
static sl_code publish_backlog(sl_stream *s, sl_error *err)
{
    if (s->manifest == NULL)
        return SL_OK;
    int64_t from = sl_manifest_last_batch(s->manifest) + 1;
    int64_t first = sl_journal_first_commit(s->journal);
    for (int64_t b = from < first ? first : from; b >= 0 && b <= s->last_batch; b++) {
        sl_arena *arena = sl_arena_new();
        sl_commit_record c;
        sl_code code = sl_journal_get_commit(s->journal, b, arena, &c, err);
        if (code == SL_OK)
            code = sl_stream__publish(s, &c, true, err);
        sl_arena_free(arena);
        SL_TRY(code);
    }
    return SL_OK;
}

/* ---- recipes: how to make the state of the last commit ---- */

static void delta_message(const sl_state_record *r, int64_t batch, sl_msg_delta *ret)
{
    *ret = (sl_msg_delta){ .batch = batch, .state_id = r->state_id };
    if (r->delta.kind == SL_DELTA_INLINE) {
        ret->inline_bytes = r->delta.bytes;
        return;
    }
    ret->segment = r->delta.segment.name;
    ret->offset = r->delta.segment.offset;
    ret->length_bytes = r->delta.segment.length_bytes;
    ret->hash = r->delta.segment.hash;
}

static const sl_state_record *record_of(const sl_commit_record *c, uint32_t partition)
{
    for (uint32_t i = 0; i < c->state_count; i++)
        if (c->states[i].partition == partition)
            return &c->states[i];
    return NULL;
}

static sl_code recipe_of(sl_stream *s, uint32_t p, const sl_commit_record *commits,
                         int64_t first, sl_error *err)
{
    const sl_state_record *now = &s->states[p];
    sl_msg_partition *m = &s->partitions[p];
    sl_arena *a = s->recipe_arena;
    int64_t from = now->snapshot.kind == SL_SNAPSHOT_NONE ? 0 : now->snapshot.batch + 1;
    *m = (sl_msg_partition){ .partition = p,
                             .base_batch = s->last_batch,
                             .base_state_id = now->state_id,
                             .has_recipe = s->last_batch >= 0,
                             .snapshot_kind = now->snapshot.kind,
                             .snapshot_batch = now->snapshot.batch,
                             .snapshot_id = now->snapshot.state_id,
                             .snapshot = now->snapshot.manifest,
                             .snapshot_hash = now->snapshot.hash,
                             .snapshot_bytes = now->snapshot.size_bytes };
    if (now->snapshot.kind == SL_SNAPSHOT_FULL) {
        const sl_state_record *r = record_of(&commits[now->snapshot.batch - first], p);
        if (r == NULL || r->full.kind != SL_DELTA_INLINE)
            return sl_fail(err, SL_ECORRUPT,
                           "%s: commit %lld lacks the full state of partition %u",
                           s->checkpoint, (long long)now->snapshot.batch, p);
        m->full_delta = r->full.bytes;
    }
    sl_msg_delta *deltas =
        SL_ARENA_ARRAY(a, sl_msg_delta, (size_t)(s->last_batch - from + 1 + 1));
    for (int64_t b = from; b <= s->last_batch; b++) {
        const sl_state_record *r = record_of(&commits[b - first], p);
        if (r != NULL && r->delta.kind != SL_DELTA_NONE)
            delta_message(r, b, &deltas[m->delta_count++]);
    }
    m->deltas = deltas;
    return SL_OK;
}

static sl_code build_recipes(sl_stream *s, sl_error *err)
{
    sl_arena_reset(s->recipe_arena);
    s->partitions = NULL;
    if (s->states == NULL)
        return SL_OK;
    s->partitions = SL_ARENA_ARRAY(s->recipe_arena, sl_msg_partition, s->partition_count);
    int64_t first = s->last_batch + 1;
    for (uint32_t p = 0; p < s->partition_count; p++) {
        const sl_snapshot_place *place = &s->states[p].snapshot;
        int64_t need = place->kind == SL_SNAPSHOT_NONE   ? 0
                       : place->kind == SL_SNAPSHOT_FULL ? place->batch
                                                         : place->batch + 1;
        first = need < first ? need : first;
    }
    size_t count = (size_t)(s->last_batch - first + 1);
    sl_commit_record *commits =
        SL_ARENA_ARRAY(s->recipe_arena, sl_commit_record, count + 1);
    for (size_t i = 0; i < count; i++)
        SL_TRY(sl_journal_get_commit(s->journal, first + (int64_t)i, s->recipe_arena,
                                     &commits[i], err));
    for (uint32_t p = 0; p < s->partition_count; p++)
        SL_TRY(recipe_of(s, p, commits, first, err));
    s->recipe_wanted = true;
    return SL_OK;
}

void sl_stream__recipe_run(sl_job *job)
{
    sl_stream *s = sl_stream__of(job);
    s->job_code = build_recipes(s, &s->job_error);
}

/* ---- open and close ---- */

static void make_ranges(sl_stream *s)
{
    s->ranges = (sl_group_range *)sl_calloc(s->partition_count, sizeof *s->ranges);
    for (uint32_t p = 0; p < s->partition_count; p++) {
        uint64_t n = s->partition_count;
        s->ranges[p].first = (uint32_t)((p * (uint64_t)SL_KEY_GROUPS + n - 1) / n);
        s->ranges[p].end = (uint32_t)(((p + 1) * (uint64_t)SL_KEY_GROUPS + n - 1) / n);
    }
}

/* Offsets that stand without a commit: their files must still be what they were. */
static sl_code adopt_pending(sl_stream *s, const sl_journal_recovery *recovery,
                             sl_error *err)
{
    s->has_pending = recovery->pending_offsets >= 0;
    if (!s->has_pending)
        return SL_OK;
    SL_TRY(sl_journal_get_offsets(s->journal, recovery->pending_offsets, s->batch_arena,
                                  &s->offsets, err));
    for (uint32_t i = 0; i < s->offsets.source_count && i < s->plan->source_count; i++) {
        const sl_source_offsets *o = &s->offsets.sources[i];
        if (s->sources[i]->class->check != NULL)
            SL_TRY(s->sources[i]->class->check(s->sources[i], o->slices, o->slice_count,
                                               err));
    }
    s->planned = NULL;
    return restore_offsets(s, &s->offsets, err);
}

static sl_code open_all(sl_stream *s, sl_arena *arena, sl_error *err)
{
    sl_journal_recovery recovery;
    SL_TRY(sl_fs_make_dirs(s->driver->host->fs, s->checkpoint, err));
    SL_TRY(sl_fs_sync_parent(s->driver->host->fs, s->checkpoint, err));
    snprintf(s->lock_note, sizeof s->lock_note, "sluice driver %016llx",
             (unsigned long long)sl_host_rand64(s->driver->host));
    SL_TRY(sl_checkpoint_lock(s->driver->host->fs, s->checkpoint, (int64_t)getpid(),
                              s->lock_note, &s->lock, err));
    SL_TRY(open_query_file(s, arena, err));
    make_ranges(s);
    SL_TRY(init_watermark(s, err));
    SL_TRY(open_journal(s, &recovery, err));
    s->last_batch = recovery.last_commit;
    s->sources = (sl_source **)sl_calloc(s->plan->source_count + 1, sizeof *s->sources);
    s->source_is_replayable = (bool *)sl_calloc(s->plan->source_count + 1, sizeof(bool));
    s->forgotten_us =
        (int64_t *)sl_calloc(s->plan->source_count + 1, sizeof *s->forgotten_us);
    for (uint32_t i = 0; i < s->plan->source_count; i++)
        s->forgotten_us[i] = INT64_MIN;
    for (uint32_t i = 0; i < s->plan->source_count; i++)
        SL_TRY(open_source(s, i, err));
    SL_TRY(restore_commit(s, arena, err));
    SL_TRY(open_sink(s, err));
    SL_TRY(publish_backlog(s, err));
    sl_stream__clean_sink(s);
    SL_TRY(build_recipes(s, err));
    SL_TRY(adopt_pending(s, &recovery, err));
    s->watermark_moved =
        sl_watermark_now(&s->watermark) * 1000 > s->last_used_watermark_us;
    return sl_stream__register(s, err);
}

void sl_stream__open_run(sl_job *job)
{
    sl_stream *s = sl_stream__of(job);
    sl_arena *arena = sl_arena_new();
    sl_stream__close(s); /* a second open begins from nothing */
    sl_arena_reset(s->batch_arena);
    s->job_code = open_all(s, arena, &s->job_error);
    sl_arena_free(arena);
}

sl_code sl_stream__check_ours(sl_stream *s, sl_error *err)
{
    return sl_checkpoint_lock_check(s->driver->host->fs, s->checkpoint, (int64_t)getpid(),
                                    s->lock_note, err);
}

void sl_stream__close(sl_stream *s)
{
    for (uint32_t i = 0; s->sources != NULL && i < s->plan->source_count; i++)
        if (s->sources[i] != NULL)
            s->sources[i]->class->close(s->sources[i]);
    sl_free(s->sources);
    sl_free(s->source_is_replayable);
    sl_free(s->forgotten_us);
    sl_stream__clean_up_end(s);
    sl_free(s->ranges);
    if (s->sink != NULL)
        s->sink_class->close(s->sink);
    sl_manifest_close(s->manifest);
    sl_journal_close(s->journal);
    sl_file_close(s->lock);
    s->frozen = false; /* sources opened again know of no freeze */
    s->sources = NULL;
    s->source_is_replayable = NULL;
    s->forgotten_us = NULL;
    s->ranges = NULL;
    s->sink = NULL;
    s->manifest = NULL;
    s->journal = NULL;
    s->lock = NULL;
}
