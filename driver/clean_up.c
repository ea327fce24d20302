/* Clean-up of one query's checkpoint and staged output, on the stream's lane between two
 * batches.  What it costs a batch is bounded: what the commits name is collected a slice
 * of them a batch, because thousands of them are retained when batches take milliseconds.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "base/log.h"
#include "checkpoint/reachability.h"
#include "driver/stream_private.h"

#define COMMITS_PER_BATCH 128 /* about 1 ms of reading the journal */
#define SWEEPS_PER_GRACE                                                                 \
    16 /* what a sweep left for its age, a later one finds soon enough */

static sl_host *host_of(const sl_stream *s)
{
    return s->driver->host;
}

static int64_t published_batch(const sl_stream *s)
{
    return s->manifest != NULL ? sl_manifest_last_batch(s->manifest) : s->last_batch;
}

static void tell(const sl_stream *s, sl_code code, const sl_error *err)
{
    if (code != SL_OK)
        log_warn("CLEAN-UP", "query %s: %s (nothing was lost; it is tried again)",
                 s->name, err->text);
}

/* ---- the journal ---- */

static sl_code retire_commits(sl_stream *s, sl_error *err)
{
    sl_retention keep = {
        .commits_min =
            (uint32_t)sl_options_int(s->options, "sluice.streaming.batchesRetained"),
        .age_min_us = sl_options_int(s->options, "sluice.streaming.retentionAge"),
    };
    uint64_t removed;
    return sl_journal_retain(s->journal, keep, sl_host_wall_us(host_of(s)), &removed,
                             err);
}

/* Seen files behind the horizon of their source: it will not ask for them again. The
 * journal is walked when the horizon has moved since the last time. */
static sl_code forget_seen(sl_stream *s, sl_error *err)
{
    for (uint32_t i = 0; i < s->plan->source_count; i++) {
        const sl_source *source = s->sources[i];
        char id[16];
        uint64_t removed;
        if (source->class->seen_horizon == NULL)
            continue;
        int64_t horizon_us = source->class->seen_horizon(source);
        if (horizon_us <= s->forgotten_us[i])
            continue;
        snprintf(id, sizeof id, "%u", i);
        SL_TRY(sl_journal_forget_seen(s->journal, id, horizon_us, &removed, err));
        s->forgotten_us[i] = horizon_us;
    }
    return SL_OK;
}

/* ---- staged output ---- */

/* What commits name is collected when the sink first asks: mostly there is nothing
 * staged, and the journal is not read. A failed read keeps everything. */
struct sink_sweep {
    sl_stream *stream;
    sl_reachability *reachable;
    sl_code code;
    sl_error *err;
};

static bool is_staged_for_commit(void *user, const char *staged)
{
    struct sink_sweep *w = (struct sink_sweep *)user;
    sl_stream *s = w->stream;
    if (w->reachable == NULL && w->code == SL_OK)
        w->code = sl_reachability_new(s->journal, host_of(s)->fs, s->checkpoint,
                                      published_batch(s), &w->reachable, w->err);
    return w->code != SL_OK ||
           sl_reachability_has(w->reachable, SL_OBJECT_STAGED, staged);
}

/* reachable: of all commits, NULL = collect it when needed. */
static sl_code clean_sink(sl_stream *s, sl_reachability *reachable, sl_error *err)
{
    struct sink_sweep w = { .stream = s, .reachable = reachable, .err = err };
    if (s->sink_class->clean_up == NULL || s->manifest == NULL)
        return SL_OK;
    sl_code code = s->sink_class->clean_up(s->sink, is_staged_for_commit, &w, err);
    SL_KEEP_FIRST(code, w.code);
    if (reachable == NULL)
        sl_reachability_free(w.reachable);
    return code;
}

void sl_stream__clean_sink(sl_stream *s)
{
    sl_error err;
    sl_code code = clean_sink(s, NULL, &err);
    s->sink_clean_up_failed = code != SL_OK;
    tell(s, code, &err);
}

/* ---- files no commit names ---- */

static bool is_sweep_due(const sl_stream *s)
{
    bool has_files =
        s->states != NULL || (s->sink_class->clean_up != NULL && s->manifest != NULL);
    return has_files && sl_host_wall_us(host_of(s)) >= s->next_sweep_wall_us;
}

static sl_code sweep_all(sl_stream *s, sl_error *err)
{
    int64_t grace_us = sl_options_int(s->options, "sluice.streaming.cleanUpGrace");
    int64_t now = sl_host_wall_us(host_of(s));
    sl_failpoints failpoints = { sl_stream__failpoint, s };
    sl_sweep sweep = { .is_done = true };
    SL_TRY(clean_sink(s, s->sweep, err));
    if (s->states != NULL)
        SL_TRY(
            sl_reachability_sweep(s->sweep, now - grace_us, 0, failpoints, &sweep, err));
    if (sweep.is_done)
        s->next_sweep_wall_us = now + grace_us / SWEEPS_PER_GRACE;
    return SL_OK;
}

/* A query that ends by itself may not live to see the next slice. */
static uint32_t commits_per_batch(const sl_stream *s)
{
    bool ends = s->trigger == SL_TRIGGER_ONCE || s->trigger == SL_TRIGGER_AVAILABLE_NOW;
    return ends ? UINT32_MAX : COMMITS_PER_BATCH;
}

static sl_code go_on_sweeping(sl_stream *s, sl_error *err)
{
    bool done = false;
    SL_TRY(sl_reachability_collect(s->sweep, s->journal, published_batch(s),
                                   commits_per_batch(s), &done, err));
    if (!done)
        return SL_OK;
    SL_TRY(sweep_all(s, err));
    sl_stream__clean_up_end(s);
    return SL_OK;
}

void sl_stream__clean_up_end(sl_stream *s)
{
    sl_reachability_free(s->sweep);
    s->sweep = NULL;
}

/* ---- after each batch ---- */

/* By the number of the batch, not of batches since the start: a query that is started for
 * a few batches at a time is cleaned up too. */
static bool is_due(const sl_stream *s)
{
    int64_t every = sl_options_int(s->options, "sluice.streaming.cleanUpInterval");
    return (s->commit.batch + 1) % every == 0;
}

static sl_code clean_up(sl_stream *s, sl_error *err)
{
    if (is_due(s)) {
        SL_TRY(retire_commits(s, err));
        SL_TRY(forget_seen(s, err));
        if (s->sweep == NULL && is_sweep_due(s))
            s->sweep = sl_reachability_begin(host_of(s)->fs, s->checkpoint);
    }
    return s->sweep != NULL ? go_on_sweeping(s, err) : SL_OK;
}

void sl_stream__clean_up(sl_stream *s)
{
    sl_error err;
    sl_code code = clean_up(s, &err);
    tell(s, code, &err);
    if (code != SL_OK)
        sl_stream__clean_up_end(s); /* from the start, when it is due again */
    /* Output of attempts that failed is in the way of nothing, but it is somebody's disk.
     */
    if (s->attempt > 1 || s->sink_clean_up_failed)
        sl_stream__clean_sink(s);
}
