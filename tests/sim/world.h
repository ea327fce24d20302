/* world.h - a disk, a network and a node on them, with faults, in virtual time.
 *
 * The node is the real driver and worker, running the schedule's queries at once, each in
 * a session of its own.  It is ended between two events or in the middle of a job; what
 * it had written and shown stays in the world. */

#ifndef SL_TESTS_SIM_WORLD_H
#define SL_TESTS_SIM_WORLD_H

#include "base/host.h"
#include "statestore/maintenance.h"
#include "tests/sim/query.h"

#define SIM_QUERIES_MAX 3u

typedef struct sim_query {
    sim_kind kind;
    sl_bytes sql;
    sl_bytes shown; /* console: by all lives; memory: by the last */
    bool done;      /* its script ended, in this life */
    bool unsynced;  /* a sync of its journal failed: a hole may be found there */
    bool refused;   /* and was */
    sl_error error; /* why it ended; code SL_OK: well */
} sim_query;

typedef struct sim_world {
    uint64_t random;
    bool staged;    /* output of any size is staged, none rides in the commit */
    int64_t now_ns; /* of the file system: grows with each look */
    sl_fs_virtual *fs;
    sim_input input;
    sim_query queries[SIM_QUERIES_MAX];
    uint32_t query_count;
    sl_state_snapshot_rule snapshot_rule; /* state is small here: due early */
    bool bad_link;
    uint32_t fault_one_in; /* file operations that fail; 0 none */
    uint32_t death_one_in; /* file operations and failpoints at which the node dies */
    bool is_dead;          /* nothing it does reaches the world */
    uint64_t trace;        /* hash of all events and their times */
} sim_world;

uint64_t sim_random(void *world);
uint32_t sim_below(sim_world *w, uint32_t n);

/* Input and queries drawn from the seed. */
void sim_world_init(sim_world *w, uint64_t seed);
void sim_world_deinit(sim_world *w);
bool sim_world_all_done(const sim_world *w);

/* Effects: of what runs now, which is_dead, death_one_in and fault_one_in are about. */
void sim_world_perhaps_die(sim_world *w);
void sim_world_failpoint(void *world, const char *name);
sl_code sim_world_print(void *world, const char *text, size_t length, sl_error *err);
void sim_world_event(void *world, const char *what, int64_t mono_us); /* to the trace */

/* A life of the node of at most `events` events. True if all its scripts ended. */
bool sim_world_live(sim_world *w, uint32_t events);

#endif /* SL_TESTS_SIM_WORLD_H */
