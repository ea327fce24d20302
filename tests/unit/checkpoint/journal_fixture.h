/* journal_fixture.h - a journal of small made-up batches, for several tests. */

#ifndef SL_TESTS_JOURNAL_FIXTURE_H
#define SL_TESTS_JOURNAL_FIXTURE_H

#include <stdio.h>
#include <string.h>

#include "checkpoint/journal.h"

#define FIXTURE_QUERY "8d3f2c1a-0000-4000-8000-000000000001"

static inline sl_code fixture_open(sl_fs *fs, const sl_kv_factory *kv, const char *root,
                                   sl_journal **ret, sl_journal_recovery *recovery,
                                   sl_error *err)
{
    sl_journal_options options = {
        .root = root, .fs = fs, .kv = kv, .query_id = FIXTURE_QUERY
    };
    return sl_journal_open(&options, ret, recovery, err);
}

/* Offsets of a batch with one source, and the one file it sees. */
static inline sl_code fixture_offsets(sl_journal *j, int64_t batch, uint64_t epoch,
                                      bool sync, sl_error *err)
{
    char start[64], end[64], path[64];
    snprintf(start, sizeof start, "{\"files\":%lld}", (long long)batch);
    snprintf(end, sizeof end, "{\"files\":%lld}", (long long)batch + 1);
    snprintf(path, sizeof path, "/in/file-%lld.json", (long long)batch);
    sl_span slices[] = { sl_span_text(path), sl_span_text("slice two") };
    sl_source_offsets source = { .source = "0",
                                 .start = sl_span_text(start),
                                 .end = sl_span_text(end),
                                 .start_json = start,
                                 .end_json = end,
                                 .slices = slices,
                                 .slice_count = 2 };
    sl_group_range ranges[] = { { 0, 2048 }, { 2048, 4096 } };
    sl_setting settings[] = { { "sluice.session.timezone", "UTC" } };
    sl_offsets_record r = { .batch = batch,
                            .epoch = epoch,
                            .batch_time_us = 1000000 * batch,
                            .watermark_us = 100 * batch,
                            .previous_watermark_us = batch > 0 ? 100 * (batch - 1) : 0,
                            .seed = 42,
                            .partitions = ranges,
                            .partition_count = 2,
                            .settings = settings,
                            .setting_count = 1,
                            .sources = &source,
                            .source_count = 1 };
    sl_journal_seen seen = { "0", path, batch, 1000 * batch, 10, { NULL, 0 } };
    return sl_journal_put_offsets(j, &r, &seen, 1, sync, err);
}

static inline sl_code fixture_commit(sl_journal *j, int64_t batch, uint64_t epoch,
                                     sl_error *err)
{
    char delta[48];
    snprintf(delta, sizeof delta, "delta of batch %lld", (long long)batch);
    sl_watermark_record watermark = { "3", 100 * batch, true };
    sl_state_record states[] = {
        { .partition = 0,
          .state_id = (uint64_t)batch + 1000,
          .row_count = 5,
          .delta = { .kind = SL_DELTA_INLINE, .bytes = sl_span_text(delta) } },
        { .partition = 1, .state_id = (uint64_t)batch + 2000, .row_count = 6 },
    };
    sl_sink_file file = { .staged_name = "staged-1",
                          .target_name = "part-0.json",
                          .size_bytes = 12,
                          .row_count = 1 };
    sl_sink_record sink = { .sink = "sink0", .files = &file, .file_count = 1 };
    sl_commit_record r = { .batch = batch,
                           .epoch = epoch,
                           .attempt = 1,
                           .commit_wall_us = 1000000 * batch,
                           .next_watermark_us = 100 * (batch + 1),
                           .rows_in = 10,
                           .rows_out = 2,
                           .watermarks = &watermark,
                           .watermark_count = 1,
                           .states = states,
                           .state_count = 2,
                           .sinks = &sink,
                           .sink_count = 1,
                           .progress_json = "{\"batchId\":0}" };
    return sl_journal_put_commit(j, &r, true, err);
}

static inline sl_code fixture_batch(sl_journal *j, int64_t batch, uint64_t epoch,
                                    sl_error *err)
{
    sl_code code = fixture_offsets(j, batch, epoch, false, err);
    return code == SL_OK ? fixture_commit(j, batch, epoch, err) : code;
}

static inline bool fixture_count_seen(void *user, const sl_journal_seen *entry)
{
    (void)entry;
    ++*(uint64_t *)user;
    return true;
}

/* Every batch up to last reads back; SL_OK, or the error of the first read that failed.
 * -1: the journal is silently short. */
static inline int fixture_read_all(sl_journal *j, int64_t last, sl_error *err)
{
    sl_arena *arena = sl_arena_new();
    int result = SL_OK;
    for (int64_t n = 0; n <= last && result == SL_OK; n++) {
        sl_offsets_record offsets;
        sl_commit_record commit;
        sl_code code = sl_journal_get_offsets(j, n, arena, &offsets, err);
        if (code == SL_OK)
            code = sl_journal_get_commit(j, n, arena, &commit, err);
        result = code == SL_ENOTFOUND ? -1 : (int)code;
        if (code == SL_OK && (offsets.watermark_us != 100 * n ||
                              commit.states[0].state_id != 1000 + (uint64_t)n))
            result = -1;
    }
    sl_arena_free(arena);
    if (result != SL_OK)
        return result;
    uint64_t seen = 0;
    sl_code code = sl_journal_each_seen(j, "0", fixture_count_seen, &seen, err);
    if (code != SL_OK)
        return (int)code;
    return seen >= (uint64_t)(last + 1) ? SL_OK : -1;
}

#endif /* SL_TESTS_JOURNAL_FIXTURE_H */
