/* query.h - the streaming queries that schedules run, and the result each must have.
 *
 * A result is text: the sorted lines of the published files (class A), the blocks of the
 * console in order (class D: a crashed batch may show again, the same rows, and is then
 * taken once), or the table in memory at the end.  The expected one is counted here, from
 * the rows, without any code of the engine. */

#ifndef SL_TESTS_SIM_QUERY_H
#define SL_TESTS_SIM_QUERY_H

#include "tests/sim/input.h"

typedef enum sim_kind {
    SIM_WINDOWS,  /* append, window counts, files */
    SIM_SLIDING,  /* append, sliding windows, files */
    SIM_UNION,    /* append, window counts of two sources, files */
    SIM_FILTER,   /* append, stateless, files */
    SIM_UPDATE,   /* update, window counts, console */
    SIM_COMPLETE, /* complete, counts, console */
    SIM_MEMORY,   /* complete, counts, memory */
    SIM_KINDS
} sim_kind;

const char *sim_kind_name(sim_kind kind);
bool sim_is_console(sim_kind kind);
/* The script of the query that is number `index` of its schedule: checkpoint /cp<index>,
 * files in /out<index>. */
void sim_query_sql(sim_kind kind, uint32_t index, const sim_input *in, sl_bytes *out);
/* What the rows say the result is, as sorted lines. */
void sim_query_expected(sim_kind kind, const sim_input *in, sl_bytes *out);
/* A result as the same sorted lines. shown: all the console ever printed, or the table of
 * a memory sink. False: it shows what it may not, and says so on standard output. */
bool sim_query_result(sim_kind kind, uint32_t index, sl_fs *fs, const sl_bytes *shown,
                      sl_bytes *out);

#endif /* SL_TESTS_SIM_QUERY_H */
