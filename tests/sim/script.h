/* script.h - the schedule's queries as statements that sessions of a driver execute, and
 * what comes back of them.
 *
 * A script is what a client is that survives its drivers: it begins again with each, its
 * requests keep their numbers, and so a query that the driver resumed from its registry
 * is taken up and not created.  It begins when the driver has its queries.
 *
 * Thread: the only one.  Owns: nothing in the world; sessions are the driver's. */

#ifndef SL_TESTS_SIM_SCRIPT_H
#define SL_TESTS_SIM_SCRIPT_H

#include "driver/driver.h"
#include "engine/sql/parse.h"
#include "tests/sim/world.h"

typedef struct sim_script {
    struct sim_scripts *scripts;
    sim_query *query;
    uint32_t index; /* of the query */
    sl_session *session;
    sl_sql_cursor cursor;
} sim_script;

typedef struct sim_scripts {
    sl_host *host;
    sl_driver *driver;
    bool is_deaf; /* what comes now is no answer: the driver goes down */
    sim_script of[SIM_QUERIES_MAX];
} sim_scripts;

/* From their beginnings, each in a session of its own. */
void sim_scripts_start(sim_scripts *s, sim_world *w, sl_host *host, sl_driver *d);
/* Nothing of them runs afterwards; before the driver is freed. */
void sim_scripts_stop(sim_scripts *s);

#endif /* SL_TESTS_SIM_SCRIPT_H */
