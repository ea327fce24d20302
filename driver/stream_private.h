/* stream_private.h - one streaming query, and what its files share.
 *
 *   STARTING --> WAITING <--> PLANNING --> RUNNING --> COMMITTING --> WAITING
 *       |           |            |          |  ^           |
 *       |           |            |          v  |           |
 *       |           |            |        RETRYING <-------+
 *       +-----------+------------+----------+--------------+--> STOPPED | FAILED
 *
 * stream.c has the table of moves, triggers and the end; stream_open.c recovery;
 * microbatch.c the batch, batch_records.c what it writes down; clean_up.c what is let go
 * of; progress.c the reports.  At most one job runs at a time, on the stream's own lane:
 * what a job reads or writes the loop thread leaves alone until its done(). */

#ifndef SL_DRIVER_STREAM_PRIVATE_H
#define SL_DRIVER_STREAM_PRIVATE_H

#include "checkpoint/journal.h"
#include "checkpoint/manifest.h"
#include "checkpoint/query_file.h"
#include "checkpoint/reachability.h"
#include "connectors/sink_commit.h"
#include "connectors/source_plan.h"
#include "driver/driver_private.h"
#include "driver/watermark.h"
#include "driver/rates.h"

#define SL_STREAM_END_LISTENERS_MAX 16

/* How long the steps of a trigger took, for progress: microseconds; -1 if the step did
 * not happen (or has not yet). */
typedef struct sl_batch_times {
    int64_t trigger_us;            /* wall, start */
    int64_t start_us, add_from_us; /* mono */
    int64_t latest_offset_us;      /* sources asked, input cut into slices */
    int64_t get_batch_us;          /* the offsets record made of it */
    int64_t wal_commit_us;         /* offsets in the journal */
    int64_t query_planning_us;     /* the TASK made */
    int64_t
        add_batch_us;   /* first TASK to last DONE with all tries, and the sink's write */
    int64_t sink_us;    /* of it: class D sink writes */
    int64_t commit_us;  /* commits/N */
    int64_t publish_us; /* class A output */
} sl_batch_times;

#define SL_BATCH_TIMES_NONE                                                              \
    {                                                                                    \
        .latest_offset_us = -1, .get_batch_us = -1, .wal_commit_us = -1,                 \
        .query_planning_us = -1, .add_batch_us = -1, .sink_us = -1, .commit_us = -1,     \
        .publish_us = -1                                                                 \
    }

struct sl_stream {
    sl_driver *driver;
    sl_stream *next;
    char *name, *sql, *checkpoint, *sink_name;
    char query_id[SL_QUERY_ID_CHARS + 1], run_id[SL_QUERY_ID_CHARS + 1];
    uint64_t query_hash;
    sl_physical_plan *plan; /* owned */
    sl_trigger_kind trigger;
    int64_t trigger_us;
    sl_options *options;
    const sl_time_zone *zone;
    bool is_temporary;
    _Atomic uint64_t owner; /* session whose client shows its console; read on the lane */
    sl_bytes record;        /* of the registry, without the query id; empty: none */
    sl_query_state state;
    char message[256];
    bool data_available;
    bool stop_wanted, abandon_wanted, started;
    bool is_resumed;    /* a driver before this one ran it: its id is known */
    bool is_registered; /* opened here; before, a failure leaves the record alone */
    bool is_forgotten;  /* its record is removed: no driver resumes it */
    char *origin;       /* the request it was made by; "" not known */
    sl_error error;     /* FAILED */
    sl_stream_started_fn on_started;
    void *started_user;
    struct {
        void (*fn)(void *user);
        void *user;
    } ends[SL_STREAM_END_LISTENERS_MAX];
    uint32_t end_count;
    /* who waits until the sources hold nothing new, oldest first */
    struct sl_drain {
        void (*fn)(void *user);
        void *user;
        uint64_t look; /* the first look at the sources that counts */
    } * drains;
    uint32_t drain_count;
    uint64_t looks; /* triggers fired */

    sl_lane lane;
    sl_job job;
    bool job_running;
    sl_code job_code;
    sl_error job_error;
    void (*after)(sl_stream *s); /* when the job is done and nothing is to stop */
    sl_timer_ref timer;

    /* opened on the lane */
    sl_file *lock;
    char lock_note[48]; /* who we are, in LOCK: of this opening alone */
    sl_journal *journal;
    sl_manifest *manifest;
    const sl_sink_class *sink_class;
    sl_sink_caps sink_caps;
    sl_sink *sink;
    sl_source **sources; /* plan->source_count */
    bool *source_is_replayable;
    bool reopening; /* not the first open */
    uint64_t epoch;
    uint32_t partition_count;
    sl_group_range *ranges;

    /* what the last commit says */
    int64_t last_batch;
    sl_watermark watermark;
    int64_t last_used_watermark_us; /* of the last executed batch */
    bool watermark_moved;           /* a no-data batch is due (spark:A8) */
    sl_arena *state_arena;
    sl_state_record *states; /* partition_count, or NULL without state */
    sl_msg_snapshot
        *snapshots; /* by partition: made since, not committed; manifest NULL = none */

    /* the recipe sent with the next TASK */
    bool recipe_wanted;
    sl_arena *recipe_arena;
    sl_msg_partition *partitions;

    /* the batch */
    sl_arena *batch_arena;
    bool has_pending; /* offsets stand in the journal: run, do not plan */
    bool frozen, single_done;
    sl_offsets_record offsets;
    sl_source_batch *planned;             /* per source; NULL for a recovered one */
    bool nothing_to_do, planned_has_data; /* what planning found */
    uint32_t attempt;
    uint32_t tries;
    sl_dispatch *dispatch;
    sl_batch_result result; /* of the last attempt that ended well */
    sl_commit_record commit;
    const sl_staged_file *files;
    uint32_t file_count;
    sl_batch_times times;
    int64_t previous_trigger_us; /* wall, of the trigger before; 0 none */
    bool is_committed; /* by the commit job that ran, whatever became of its output */
    uint32_t publish_tries;

    /* clean-up */
    bool sink_clean_up_failed; /* and is due with the next batch */
    int64_t *forgotten_us;  /* per source: horizon the journal's seen files were cut at */
    sl_reachability *sweep; /* being collected over several batches; NULL: none */
    int64_t next_sweep_wall_us;

    /* reports */
    char **progress;
    uint32_t progress_count, progress_max;
    sl_rates rates;
    int64_t last_report_us; /* mono; INT64_MIN: none yet, so the first idle one is due */
    sl_msg_op_stats *op_stats; /* of the last commit, per state operator */
};

/* stream.c */
void sl_stream__move(sl_stream *s, sl_query_state to);
void sl_stream__say(sl_stream *s, const char *message);
/* Run fn on the lane, then after(s) on the loop, unless the stream is to end. */
void sl_stream__job(sl_stream *s, const char *name, void (*run)(sl_job *job),
                    void (*after)(sl_stream *s));
static inline sl_stream *sl_stream__of(sl_job *job)
{
    return (sl_stream *)(void *)((char *)job - offsetof(sl_stream, job));
}
void sl_stream__fail(sl_stream *s, const sl_error *err);
void sl_stream__finish(sl_stream *s); /* end now: close, then STOPPED */
void sl_stream__opened(sl_stream *s); /* for the first time: who waits for it hears */
void sl_stream__wait(sl_stream *s); /* a batch is over, or there was none: next trigger */
void sl_stream__failpoint(void *user, const char *name);
sl_source_env sl_stream__source_env(sl_stream *s);

/* stream_registry.c */
void sl_stream__keep_record(sl_stream *s, const sl_registry_record *record);
SL_CHECKED sl_code sl_stream__register(sl_stream *s, sl_error *err); /* lane */
void sl_stream__unregister(sl_stream *s);                            /* lane */

/* stream_open.c: lane jobs */
void sl_stream__open_run(sl_job *job);
void sl_stream__recipe_run(sl_job *job);
void sl_stream__close(sl_stream *s); /* blocking; everything opened on the lane */
/* SL_EFENCED if another driver has the checkpoint by now. */
SL_CHECKED sl_code sl_stream__check_ours(sl_stream *s, sl_error *err);

/* microbatch.c */
void sl_stream__begin_batch(sl_stream *s); /* trigger fired */
/* Open everything again, as after a crash, after a pause; or fail, if that is no use. */
void sl_stream__reopen(sl_stream *s, const sl_error *err);
SL_CHECKED sl_code sl_stream__publish(sl_stream *s, const sl_commit_record *commit,
                                      bool replay, sl_error *err);

/* batch_records.c; records live in batch_arena */
void sl_stream__fill_offsets(sl_stream *s, bool has_data); /* lane: from planned */
const sl_journal_seen *sl_stream__collect_seen(sl_stream *s, size_t *ret_count);
/* Loop thread: fold what DONE says into the watermark and the record. */
void sl_stream__fill_commit(sl_stream *s);
/* Loop thread: what the commit says is now the base of the next batch. */
void sl_stream__adopt_commit(sl_stream *s);

/* clean_up.c: on the lane. What fails is told and tried again; nothing is lost. */
void sl_stream__clean_up(sl_stream *s); /* a batch was published */
/* Let the sink remove what attempts staged that no commit names. */
void sl_stream__clean_sink(sl_stream *s);
void sl_stream__clean_up_end(sl_stream *s); /* the stream closes */

/* metrics.c */
void sl_stream__count_batch(const sl_stream *s); /* published */

/* progress.c */
/* The batch's report as it stands: before the commit it knows nothing of later steps. */
void sl_stream__progress_json(sl_stream *s, sl_bytes *out);
void sl_stream__report(sl_stream *s); /* the batch is published */
void sl_stream__report_idle(sl_stream *s);
/* What of a report a restart must know rides in the commit as counts. */
void sl_stream__fill_counts(sl_stream *s, sl_commit_record *c);
void sl_stream__restore_counts(sl_stream *s, const sl_commit_record *c);

#endif /* SL_DRIVER_STREAM_PRIVATE_H */
