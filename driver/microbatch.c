/* One batch, N, of one query.  The order is the promise (design.md section 4):
 *
 *   1     trigger                     sl_stream__begin_batch
 *   2     latest offsets, slices      plan_run
 *   3     offsets/N in the journal    plan_run       synced, unless nothing shows before
 *                                                    the commit
 *   4-7   TASK .. DONE                dispatch.c, the workers
 *   8     class D sinks write         commit_run
 *   9     commits/N, synced           commit_run     the one commit point
 *   10    class A output published    commit_run     before commits/N+1; publish_run
 * tries again 11    COMMITTED to the workers    with the next TASK, or sl_stream__wait 12
 * progress, clean-up          publish_batch, after_publish
 *
 * A failure between 4 and 9 abandons the attempt; the batch runs again from version N-1
 * on the same offsets, with the next attempt number. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "driver/stream_private.h"

static void run_attempt(sl_stream *s);

static sl_host *host_of(const sl_stream *s)
{
    return s->driver->host;
}

/* ---- 2, 3: planning ---- */

static bool is_replayable(const sl_stream *s)
{
    for (uint32_t i = 0; i < s->plan->source_count; i++)
        if (!s->source_is_replayable[i])
            return false;
    return true;
}

/* Nothing of N shows before commits/N: then the commit's sync makes its offsets durable
 * too. */
static bool offsets_ride_with_commit(const sl_stream *s)
{
    return (s->sink_caps.guarantee == SL_SINK_A ||
            s->sink_caps.guarantee == SL_SINK_NONE) &&
           is_replayable(s);
}

/* A limit's counter knows no time: it waits for rows alone (spark:N6). */
static bool some_state_follows_watermark(const sl_physical_plan *p)
{
    for (uint32_t i = 0; i < p->stage_count; i++)
        for (uint32_t k = 0; k < p->stages[i].op_count; k++)
            if (p->stages[i].ops[k].kind == SL_OP_STATE_AGG)
                return true;
    return false;
}

static bool no_data_batch_is_due(const sl_stream *s)
{
    return s->watermark_moved && some_state_follows_watermark(s->plan) &&
           s->plan->mode != SL_OUTPUT_COMPLETE && s->trigger != SL_TRIGGER_ONCE &&
           sl_options_bool(s->options, "sluice.streaming.noDataBatches");
}

static sl_code plan_batch(sl_stream *s, sl_error *err)
{
    bool has_data = false;
    int64_t from = sl_host_mono_us(host_of(s));
    sl_arena_reset(s->batch_arena);
    s->nothing_to_do = false;
    s->planned =
        SL_ARENA_ARRAY(s->batch_arena, sl_source_batch, s->plan->source_count + 1);
    for (uint32_t i = 0; i < s->plan->source_count; i++) {
        sl_source *source = s->sources[i];
        if (s->trigger == SL_TRIGGER_AVAILABLE_NOW && !s->frozen &&
            source->class->freeze != NULL)
            SL_TRY(source->class->freeze(source, err));
        SL_TRY(source->class->plan(source, s->trigger == SL_TRIGGER_ONCE, s->batch_arena,
                                   &s->planned[i], err));
        has_data = has_data || s->planned[i].has_data;
    }
    s->frozen = true;
    int64_t now = sl_host_mono_us(host_of(s));
    s->times.latest_offset_us = now - from;
    s->planned_has_data = has_data;
    if (!has_data && !no_data_batch_is_due(s)) {
        s->nothing_to_do = true;
        return SL_OK;
    }
    size_t seen_count;
    sl_stream__fill_offsets(s, has_data);
    const sl_journal_seen *seen = sl_stream__collect_seen(s, &seen_count);
    from = sl_host_mono_us(host_of(s));
    s->times.get_batch_us = from - now;
    sl_code code = sl_journal_put_offsets(s->journal, &s->offsets, seen, seen_count,
                                          !offsets_ride_with_commit(s), err);
    s->times.wal_commit_us = sl_host_mono_us(host_of(s)) - from;
    return code;
}

static void plan_run(sl_job *job)
{
    sl_stream *s = sl_stream__of(job);
    s->job_code = plan_batch(s, &s->job_error);
}

static int64_t back_off_us(const sl_stream *s)
{
    int64_t delay = sl_options_int(s->options, "sluice.streaming.retryDelay");
    for (uint32_t i = 1; i < s->tries && i < 8; i++)
        delay *= 2;
    return delay;
}

/* The failure that may pass did not. */
static void fail_after_tries(sl_stream *s, const sl_error *err)
{
    sl_error all = *err;
    snprintf(all.text, sizeof all.text,
             "%.*s (tried %u times; sluice.streaming.attempts allows more)",
             (int)(sizeof all.text - 80), err->text, s->tries);
    sl_stream__fail(s, &all);
}

static void reopen(void *user);

/* The journal's or sources' state is unknown after a failure: open everything again, as
 * after a crash.  Recovery decides what stands. */
static void after_reopen(sl_stream *s)
{
    sl_host *h = host_of(s);
    uint32_t max = (uint32_t)sl_options_int(s->options, "sluice.streaming.attempts");
    if (s->job_code == SL_OK) {
        sl_stream__move(s, SL_QUERY_STARTING);
        s->nothing_to_do = false;
        sl_stream__opened(s);
        sl_stream__wait(s);
    } else if (sl_code_kind(s->job_code) != SL_KIND_RETRY) {
        sl_stream__fail(s, &s->job_error);
    } else if (++s->tries >= max) {
        fail_after_tries(s, &s->job_error);
    } else {
        s->timer =
            sl_host_timer(h, s->driver, sl_host_mono_us(h) + back_off_us(s), reopen, s);
    }
}

static void reopen(void *user)
{
    sl_stream *s = (sl_stream *)user;
    s->timer = (sl_timer_ref){ 0 };
    sl_dispatch_cancel(s->dispatch);
    sl_stream__job(s, "open-query", sl_stream__open_run, after_reopen);
}

/* True: try again after a pause. False: the query has failed. Tries are counted from the
 * last commit on, whatever step of the batch failed. */
static bool may_retry(sl_stream *s, const sl_error *err)
{
    uint32_t max = (uint32_t)sl_options_int(s->options, "sluice.streaming.attempts");
    if (err->code == SL_ECANCELLED) {
        log_warn("CONSOLE-CLOSED",
                 "query %s ends at batch %lld, which is not committed: %s; the next run "
                 "on its checkpoint prints it",
                 s->name, (long long)s->offsets.batch, err->text);
        sl_stream__finish(s); /* nobody to write for */
        return false;
    }
    if (sl_code_kind(err->code) != SL_KIND_RETRY) {
        sl_stream__fail(s, err);
        return false;
    }
    if (++s->tries >= max) {
        fail_after_tries(s, err);
        return false;
    }
    sl_driver__count(TRIES_FAILED, 1);
    log_warn("BATCH-RETRY", "query %s batch %lld, try %u: %s", s->name,
             (long long)s->offsets.batch, s->tries, err->text);
    sl_stream__move(s, SL_QUERY_RETRYING);
    return true;
}

void sl_stream__reopen(sl_stream *s, const sl_error *err)
{
    sl_host *h = host_of(s);
    if (may_retry(s, err))
        s->timer =
            sl_host_timer(h, s->driver, sl_host_mono_us(h) + back_off_us(s), reopen, s);
}

static void after_plan(sl_stream *s)
{
    if (s->job_code != SL_OK) {
        sl_error err = s->job_error;
        sl_stream__reopen(s, &err);
        return;
    }
    s->data_available = s->planned_has_data;
    if (s->nothing_to_do) {
        s->tries = 0;
        sl_stream__report_idle(s);
        sl_stream__wait(s);
        return;
    }
    s->attempt = 0;
    run_attempt(s);
}

static void say_getting_offsets(sl_stream *s)
{
    sl_bytes text = { 0 };
    sl_bytes_text(&text, "Getting offsets from ");
    if (s->plan->source_count > 0)
        s->sources[0]->class->description(s->sources[0], &text);
    sl_stream__say(s, sl_bytes_cstr(&text));
    sl_bytes_deinit(&text);
}

void sl_stream__begin_batch(sl_stream *s)
{
    sl_host *h = host_of(s);
    s->previous_trigger_us = s->times.trigger_us;
    s->times = (sl_batch_times)SL_BATCH_TIMES_NONE;
    s->times.trigger_us = sl_host_wall_us(h);
    s->times.start_us = sl_host_mono_us(h);
    sl_stream__move(s, SL_QUERY_PLANNING);
    if (s->has_pending) {
        s->has_pending = false;
        s->attempt = 0;
        run_attempt(s);
        return;
    }
    say_getting_offsets(s);
    sl_stream__job(s, "plan-batch", plan_run, after_plan);
}

/* ---- 4-7: an attempt ---- */

static void submit_commit(sl_stream *s);

static void after_recipe(sl_stream *s)
{
    if (s->job_code != SL_OK) {
        sl_error err = s->job_error;
        sl_stream__reopen(s, &err);
        return;
    }
    run_attempt(s);
}

static void again(void *user)
{
    sl_stream *s = (sl_stream *)user;
    s->timer = (sl_timer_ref){ 0 };
    sl_stream__job(s, "build-recipe", sl_stream__recipe_run, after_recipe);
}

static void on_result(void *user, const sl_batch_result *r)
{
    sl_stream *s = (sl_stream *)user;
    sl_host *h = host_of(s);
    if (r->code != SL_OK && r->is_not_counted) {
        /* Bring the state to where it is placed now, and try again. */
        sl_stream__move(s, SL_QUERY_RETRYING);
        again(s);
        return;
    }
    if (r->code != SL_OK) {
        if (!may_retry(s, &r->error))
            return;
        s->timer =
            sl_host_timer(h, s->driver, sl_host_mono_us(h) + back_off_us(s), again, s);
        return;
    }
    s->result = *r;
    s->recipe_wanted = false; /* the worker holds the state now */
    s->times.add_batch_us = sl_host_mono_us(h) - s->times.add_from_us;
    sl_stream__move(s, SL_QUERY_COMMITTING);
    submit_commit(s);
}

static void keep_snapshot(void *user, const sl_msg_snapshot *m)
{
    sl_stream *s = (sl_stream *)user;
    if (s->states == NULL || m->partition >= s->partition_count)
        return;
    if (s->snapshots == NULL)
        s->snapshots =
            (sl_msg_snapshot *)sl_calloc(s->partition_count, sizeof *s->snapshots);
    sl_msg_snapshot *slot = &s->snapshots[m->partition];
    sl_free((void *)(uintptr_t)slot->manifest);
    *slot = *m;
    slot->manifest = sl_strdup(m->manifest);
}

static void make_dispatch(sl_stream *s)
{
    sl_dispatch_config config = {
        .plan = s->plan,
        .query_id = s->query_id,
        .checkpoint = s->checkpoint,
        .query_hash = s->query_hash,
        .partitions = s->partition_count,
        .options = s->options,
    };
    s->dispatch = sl_dispatch_new(s->driver, &config);
    sl_dispatch_set_snapshot_fn(s->dispatch, keep_snapshot, s);
}

static const sl_msg_partition *task_partitions(sl_stream *s)
{
    if (s->states == NULL)
        return NULL;
    if (s->recipe_wanted && s->partitions != NULL)
        return s->partitions;
    sl_msg_partition *p =
        SL_ARENA_ARRAY(s->batch_arena, sl_msg_partition, s->partition_count);
    for (uint32_t i = 0; i < s->partition_count; i++)
        p[i] = (sl_msg_partition){ .partition = i,
                                   .base_batch = s->last_batch,
                                   .base_state_id = s->states[i].state_id };
    return p;
}

static void run_attempt(sl_stream *s)
{
    int64_t from = sl_host_mono_us(host_of(s));
    uint32_t n = s->plan->source_count;
    const sl_span **slices = SL_ARENA_ARRAY(s->batch_arena, const sl_span *, n + 1);
    uint32_t *counts = SL_ARENA_ARRAY(s->batch_arena, uint32_t, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        slices[i] = s->offsets.sources[i].slices;
        counts[i] = s->offsets.sources[i].slice_count;
    }
    if (s->dispatch == NULL)
        make_dispatch(s);
    sl_batch_spec spec = {
        .batch = s->offsets.batch,
        .epoch = s->epoch,
        .attempt = ++s->attempt,
        .batch_time_us = s->offsets.batch_time_us,
        .seed = s->offsets.seed,
        .late_us = s->offsets.previous_watermark_us,
        .evict_us = s->offsets.watermark_us,
        .source_count = n,
        .slices = slices,
        .slice_counts = counts,
        .partition_count = s->states != NULL ? s->partition_count : 0,
        .partitions = task_partitions(s),
        .inline_output = sl_options_bool(s->options, "sluice.sink.inlineOutput"),
    };
    sl_stream__say(s, s->offsets.is_no_data ? "No new data but cleaning up state"
                                            : "Processing new data");
    sl_host_failpoint(host_of(s), "driver.task.send");
    sl_stream__move(s, SL_QUERY_RUNNING);
    sl_dispatch_start(s->dispatch, &spec, on_result, s);
    if (s->times.query_planning_us < 0) { /* the first try: the others are addBatch */
        s->times.add_from_us = sl_host_mono_us(host_of(s));
        s->times.query_planning_us = s->times.add_from_us - from;
    }
}

/* ---- 8, 9: commit ---- */

static sl_code write_sink(sl_stream *s, sl_error *err)
{
    int64_t from = sl_host_mono_us(host_of(s));
    sl_stream__failpoint(s, "driver.sink.write");
    SL_TRY(s->sink_class->write(s->sink, s->offsets.batch, s->result.chunks,
                                s->result.chunk_count, err));
    s->times.sink_us = sl_host_mono_us(host_of(s)) - from;
    s->times.add_batch_us += s->times.sink_us;
    return SL_OK;
}

static sl_code commit_batch(sl_stream *s, sl_error *err)
{
    SL_TRY(sl_stream__check_ours(s, err));
    if (s->sink_caps.to_driver && s->sink_class->write != NULL)
        SL_TRY(write_sink(s, err));
    sl_bytes progress = { 0 };
    sl_stream__progress_json(s, &progress);
    s->commit.progress_json = sl_bytes_cstr(&progress);
    sl_stream__failpoint(s, "driver.commit");
    int64_t from = sl_host_mono_us(host_of(s));
    sl_code code = sl_journal_put_commit(s->journal, &s->commit, true, err);
    s->times.commit_us = sl_host_mono_us(host_of(s)) - from;
    s->commit.progress_json = NULL;
    sl_bytes_deinit(&progress);
    return code;
}

/* ---- 10: publish ---- */

static sl_code publish_files(sl_stream *s, const sl_commit_record *c,
                             const sl_sink_record *sink, bool replay, sl_error *err)
{
    sl_staged_file *files =
        (sl_staged_file *)sl_calloc(sink->file_count + 1, sizeof *files);
    for (uint32_t i = 0; i < sink->file_count; i++) {
        const sl_sink_file *f = &sink->files[i];
        snprintf(files[i].staged, sizeof files[i].staged, "%s",
                 f->staged_name != NULL ? f->staged_name : "");
        snprintf(files[i].target, sizeof files[i].target, "%s", f->target_name);
        files[i].size_bytes = (int64_t)f->size_bytes;
        files[i].rows = (int64_t)f->row_count;
        files[i].hash = f->hash;
        if (f->is_inline)
            sl_bytes_append(&files[i].content, f->content.data, f->content.size_bytes);
    }
    sl_code code = s->sink_class->publish(s->sink, c->batch, files, sink->file_count,
                                          replay, sl_stream__failpoint, s, err);
    for (uint32_t i = 0; i < sink->file_count; i++)
        sl_bytes_deinit(&files[i].content);
    sl_free(files);
    return code;
}

sl_code sl_stream__publish(sl_stream *s, const sl_commit_record *c, bool replay,
                           sl_error *err)
{
    if (s->manifest == NULL || c->sink_count == 0 || c->sinks[0].file_count == 0 ||
        sl_manifest_last_batch(s->manifest) >= c->batch)
        return SL_OK;
    sl_stream__failpoint(s, "driver.publish");
    SL_TRY(publish_files(s, c, &c->sinks[0], replay, err));
    sl_manifest_record record = { .batch = c->batch,
                                  .epoch = s->epoch,
                                  .published_wall_us = sl_host_wall_us(host_of(s)),
                                  .files = c->sinks[0].files,
                                  .file_count = c->sinks[0].file_count };
    return sl_manifest_append(s->manifest, &record, err);
}

/* cleanSource: files of a committed batch. */
static void tell_sources(sl_stream *s)
{
    for (uint32_t i = 0; i < s->plan->source_count; i++) {
        const sl_source_offsets *o = &s->offsets.sources[i];
        const sl_source_class *class = s->sources[i]->class;
        sl_error err;
        if (class->committed != NULL &&
            class->committed(s->sources[i], o->slices, o->slice_count, &err) != SL_OK)
            log_warn("CLEAN-SOURCE",
                     "query %s batch %lld: %s (the file stays, and is not "
                     "read again)",
                     s->name, (long long)s->offsets.batch, err.text);
    }
}

static sl_code publish_batch(sl_stream *s, sl_error *err)
{
    int64_t from = sl_host_mono_us(host_of(s));
    SL_TRY(sl_stream__check_ours(s, err));
    SL_TRY(sl_stream__publish(s, &s->commit, s->publish_tries > 0, err));
    if (s->manifest != NULL)
        s->times.publish_us = sl_host_mono_us(host_of(s)) - from;
    tell_sources(s);
    sl_stream__clean_up(s);
    return SL_OK;
}

static void publish_run(sl_job *job)
{
    sl_stream *s = sl_stream__of(job);
    s->job_code = publish_batch(s, &s->job_error);
}

static void after_publish(sl_stream *s);

static void publish_again(void *user)
{
    sl_stream *s = (sl_stream *)user;
    s->timer = (sl_timer_ref){ 0 };
    sl_stream__job(s, "publish-batch", publish_run, after_publish);
}

static void after_publish(sl_stream *s)
{
    sl_host *h = host_of(s);
    if (s->job_code == SL_OK) {
        s->single_done = true;
        s->nothing_to_do = false;
        sl_stream__count_batch(s);
        sl_stream__report(s);
        sl_stream__wait(s);
        return;
    }
    if (sl_code_kind(s->job_code) != SL_KIND_RETRY) {
        sl_stream__fail(s, &s->job_error);
        return;
    }
    /* The batch is committed; only its files wait. A manifest that failed is opened
     * afresh. */
    sl_error err = s->job_error;
    sl_driver__count(PUBLISH_FAILED, 1);
    log_warn("PUBLISH-RETRY", "query %s batch %lld: %s", s->name,
             (long long)s->commit.batch, err.text);
    s->publish_tries++;
    s->tries = s->publish_tries;
    if (s->publish_tries > 3) {
        sl_stream__reopen(s, &err);
        return;
    }
    s->timer = sl_host_timer(h, s->driver, sl_host_mono_us(h) + back_off_us(s),
                             publish_again, s);
}

/* One job for both: what is committed is published at once. */
static void commit_run(sl_job *job)
{
    sl_stream *s = sl_stream__of(job);
    s->job_code = commit_batch(s, &s->job_error);
    s->is_committed = s->job_code == SL_OK;
    if (!s->is_committed)
        return;
    sl_stream__failpoint(s, "driver.committed.before");
    s->job_code = publish_batch(s, &s->job_error);
}

static void after_commit(sl_stream *s)
{
    if (!s->is_committed) {
        sl_error err = s->job_error;
        sl_stream__reopen(s, &err);
        return;
    }
    sl_stream__adopt_commit(s);
    sl_dispatch_committed(s->dispatch);
    s->tries = 0;
    after_publish(s);
}

static void submit_commit(sl_stream *s)
{
    s->publish_tries = 0;
    sl_stream__fill_commit(s);
    sl_stream__job(s, "commit-batch", commit_run, after_commit);
}
