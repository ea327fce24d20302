/* table_info.h - what the planner knows of a table, as plain data: the catalog (driver)
 * fills it in. Thread: any (immutable). */

#ifndef SL_ENGINE_PLAN_TABLE_INFO_H
#define SL_ENGINE_PLAN_TABLE_INFO_H

#include "base/option_list.h"
#include "engine/columnar/type.h"
#include "engine/plan/unresolved.h"

typedef struct sl_table_info {
    const char *name;
    const char *connector;
    sl_option_list options;
    const sl_schema *schema; /* NULL: unknown although asked (then the lookup failed) */
    bool can_batch, can_stream; /* rate streams only; a view answers through `view` */
    bool schema_given;          /* not inferred: streams over files need it */
    const sl_relation *view;    /* a view's query, NULL for tables */
    const char *view_text;
} sl_table_info;

typedef struct sl_sink_info {
    const char *connector;
    bool append, update, complete; /* output modes it takes */
    bool to_driver; /* rows go to the driver (console, memory), else workers write */
} sl_sink_info;

typedef struct sl_catalog {
    /* NULL if there is no such table. streaming: it will be read as a stream. May block
     * (inference). */
    sl_code (*table)(void *user, const char *name, bool streaming,
                     const sl_table_info **ret, sl_error *err);
    uint32_t (*names)(void *user, const char *const **ret_names); /* for "did you mean" */
    void *user;
} sl_catalog;

#endif /* SL_ENGINE_PLAN_TABLE_INFO_H */
