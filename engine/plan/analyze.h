/* analyze.h - from an unresolved query to a physical plan, in one call.
 *
 * Steps, each in its own file: analyze_* rules (names, types, aggregates, windows,
 * watermarks, output mode: spark 1.13's refusals with their messages) -> optimize_* rules
 * (constants, pruning, filters towards sources) -> physical planning (stages, state
 * operators, fingerprint).
 *
 * Errors: SL_EANALYSIS, SL_EUNSUPPORTED with Spark's class, SQLSTATE, line and column,
 * nearest names. Thread: any; may block in the catalog's callbacks. */

#ifndef SL_ENGINE_PLAN_ANALYZE_H
#define SL_ENGINE_PLAN_ANALYZE_H

#include "engine/plan/physical.h"
#include "engine/plan/table_info.h"

typedef struct sl_plan_request {
    const sl_relation *query;
    const sl_catalog *catalog;
    bool streaming_query; /* CREATE STREAMING QUERY (else SELECT) */
    sl_output_mode mode;
    const sl_sink_info *sink;   /* NULL: SELECT */
    const char *sink_connector; /* as given */
    sl_option_list sink_options;
    int64_t result_rows_max; /* rows the driver will show: pushed as a limit per
                                partition; -1 all */
    bool case_sensitive;
    const char *view; /* not NULL: the query is this view's: it must not read itself */
    sl_bytes *trace; /* not NULL: the plans on the way are written here (EXPLAIN EXTENDED)
                      */
} sl_plan_request;

SL_CHECKED sl_code sl_plan_query(const sl_plan_request *request, sl_physical_plan **ret,
                                 sl_error *err);
/* Only names and types: the output schema, for DESCRIBE and views. In arena. */
SL_CHECKED sl_code sl_plan_schema(const sl_plan_request *request, sl_arena *arena,
                                  const sl_schema **ret, sl_error *err);

/* EXPLAIN's text. */
void sl_explain(const sl_physical_plan *p, sl_explain_kind kind,
                uint32_t state_partitions, sl_bytes *out);

#endif /* SL_ENGINE_PLAN_ANALYZE_H */
