/* world_private.h - the engine as a test sees it: fed, looked at, stopped, killed and
 * started again.
 *
 * In a box (world_box.c): one driver and its workers, the real code, in this process on
 * the virtual host, file system and key-value store.  Time stands still but for what the
 * engine waits for.  Or on a cluster of processes (world_live.c, cluster_private.h),
 * where time is what it is and nothing may depend on it.
 *
 * Disk and tables fed by the test outlive the processes.  What a session had (tables,
 * views, settings) and, in a box, the queries that ran are made again by executing their
 * statements anew; a real driver resumes them by itself.
 *
 * stest_world_settle() lets the engine do all it can do now.
 *
 * Thread: main.  Owns: all it hands out, until stest_world_free(). */

#ifndef SL_CLIENT_STEST_WORLD_PRIVATE_H
#define SL_CLIENT_STEST_WORLD_PRIVATE_H

#include "client/stest/cluster_private.h"
#include "client/stest/rows_private.h"
#include "driver/driver.h"

typedef struct stest_config {
    uint32_t partitions, chunk_rows, executors, workers; /* 0: the default */
    bool restart_every_batch;
    stest_cluster *cluster; /* run on it; NULL: in a box */
} stest_config;

typedef struct stest_batch {
    int64_t id;
    stest_rows rows;
    const char *progress; /* JSON */
} stest_batch;

typedef struct stest_query {
    const char *name, *sql, *sink;
    char id[40]; /* on a cluster; "" not known yet */
    bool is_once;
    bool is_over; /* ended or failed */
    bool is_failure_told;
    sl_error error;       /* code SL_OK: none */
    stest_batch *batches; /* all of them */
    uint32_t batch_count, batch_capacity;
    uint32_t looked_at;  /* batches [0, looked_at) were */
    stest_batch attempt; /* written by a process that died before it committed */
    bool has_attempt;
} stest_query;

typedef struct stest_answer {
    sl_answer_kind kind;
    sl_error error;
    stest_rows rows; /* of ROWS, or the lines of TEXT */
} stest_answer;

typedef struct stest_world stest_world;

SL_CHECKED sl_code stest_world_new(const stest_config *config, stest_world **ret,
                                   sl_error *err);
void stest_world_free(stest_world *w); /* NULL is fine */
sl_arena *stest_world_arena(stest_world *w);

/* An error of the statement is an answer; the code is for a world that does not answer.
 */
SL_CHECKED sl_code stest_world_execute(stest_world *w, const char *sql, stest_answer *ret,
                                       sl_error *err);
/* A table that the test feeds: columns as "(a INT, ...)". */
SL_CHECKED sl_code stest_world_input(stest_world *w, const char *name,
                                     const char *columns, sl_error *err);
/* err->line: of the row, from 1, where it is a row's fault. */
SL_CHECKED sl_code stest_world_feed(stest_world *w, const char *name,
                                    const char *const *lines, uint32_t count,
                                    sl_error *err);
SL_CHECKED sl_code stest_world_file(stest_world *w, const char *path,
                                    const char *const *lines, uint32_t count,
                                    sl_error *err);
SL_CHECKED sl_code stest_world_remove(stest_world *w, const char *path, sl_error *err);

SL_CHECKED sl_code stest_world_settle(stest_world *w, sl_error *err);
SL_CHECKED sl_code stest_world_advance(stest_world *w, int64_t us, sl_error *err);
void stest_world_batches_take(stest_world *w, int64_t us);
/* Stop as after Ctrl-C, then start again. */
SL_CHECKED sl_code stest_world_restart(stest_world *w, sl_error *err);
/* The process dies when it passes the failpoint for the pass-th time from now on, and is
 * started again. */
SL_CHECKED sl_code stest_world_crash_at(stest_world *w, const char *failpoint,
                                        uint32_t pass, sl_error *err);
/* NULL, or the failpoint that was armed and not passed yet. */
const char *stest_world_armed(const stest_world *w);
/* Run a query that is over again, by its statement. */
SL_CHECKED sl_code stest_world_start(stest_world *w, stest_query *q, sl_error *err);

stest_query *stest_world_query(stest_world *w, const char *name); /* NULL if none */
uint32_t stest_world_query_count(const stest_world *w);
stest_query *stest_world_query_at(stest_world *w, uint32_t i);
/* What went wrong by itself (a batch that wrote other rows when run again); "" if
 * nothing. */
const char *stest_world_trouble(stest_world *w);

#endif /* SL_CLIENT_STEST_WORLD_PRIVATE_H */
