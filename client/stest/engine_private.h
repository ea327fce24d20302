/* engine_private.h - what a world stands on: the engine in a box (world_box.c) or a
 * cluster of processes (world_live.c).
 *
 * world.c keeps what both have: the statements that make a session again, the queries
 * with their batches, the tables fed by the test, the files.  An engine runs statements,
 * lets the queries work, and dies and comes back. */

#ifndef SL_CLIENT_STEST_ENGINE_PRIVATE_H
#define SL_CLIENT_STEST_ENGINE_PRIVATE_H

#include "base/fs.h"
#include "client/stest/world_private.h"
#include "connectors/memory_table.h"
#include "engine/plan/unresolved.h"

typedef struct stest_engine {
    /* One statement, parsed from sql; takes the arena. ret is empty at first. */
    sl_code (*run)(stest_world *w, const sl_statement *s, sl_arena *arena,
                   const char *sql, stest_answer *ret, sl_error *err);
    void (*on_input)(stest_world *w); /* NULL: nothing to do */
    sl_code (*settle)(stest_world *w, sl_error *err);
    sl_code (*advance)(stest_world *w, int64_t us, sl_error *err); /* NULL: it cannot */
    void (*batches_take)(stest_world *w, int64_t us);              /* NULL: it cannot */
    sl_code (*restart)(stest_world *w, sl_error *err);
    sl_code (*crash_at)(stest_world *w, const char *failpoint, uint32_t pass,
                        sl_error *err);
    bool (*is_armed)(const stest_world *w); /* and it was not passed yet */
    /* A file has appeared there. NULL: nothing to do */
    void (*on_file)(stest_world *w, const char *path);
    const sl_time_zone *(*zone)(const stest_world *w);
    void (*find_trouble)(stest_world *w); /* adds to it. NULL: there is none of its own */
    void (*free)(stest_world *w);         /* what is its own, then the world */
} stest_engine;

/* A statement that a new session needs again. */
typedef struct stest_kept {
    const char *sql;
    stest_query *query; /* NULL: of the session */
} stest_kept;

struct stest_world {
    const stest_engine *engine;
    stest_config config;
    sl_arena *arena;
    sl_fs *fs;
    const char *root; /* where the test's "/" is in fs; "" the same */
    sl_memory_tables *memory;
    stest_kept *kept;
    uint32_t kept_count, kept_capacity;
    stest_query **queries;
    uint32_t query_count, query_capacity;
    const char *armed; /* the last failpoint */
    sl_bytes trouble;
};

stest_world *stest_world__box_new(const stest_config *config);
SL_CHECKED sl_code stest_world__live_new(const stest_config *config, stest_world **ret,
                                         sl_error *err);
void stest_world__deinit(stest_world *w);

/* Take what the test sink wrote. False: nothing. */
bool stest_world__take_rows(stest_world *w, const stest_query *q, int64_t batch,
                            stest_rows *ret);
/* A batch that is committed; rows that an earlier attempt wrote must be the same. */
void stest_world__add_batch(stest_query *q, const stest_batch *b);
void stest_world__check_attempt(stest_world *w, stest_query *q, const stest_batch *b);
/* A batch that was written and committed by a process that died before it reported. */
bool stest_world__adopt_attempt(stest_query *q, int64_t last_commit);
/* The process died: what it wrote and did not live to commit. */
void stest_world__take_attempts(stest_world *w);
/* A new session: execute what the old one had, and start what ran. */
SL_CHECKED sl_code stest_world__execute_kept(stest_world *w, sl_error *err);

#endif /* SL_CLIENT_STEST_ENGINE_PRIVATE_H */
