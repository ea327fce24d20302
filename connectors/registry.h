/* registry.h - which connectors there are.  List: connectors/connectors.def. Thread: any.
 */

#ifndef SL_CONNECTORS_REGISTRY_H
#define SL_CONNECTORS_REGISTRY_H

#include "connectors/sink_commit.h"
#include "connectors/source_plan.h"
#include "connectors/source_read.h"

/* The halves of one connector; NULL where it has no such half. */
typedef struct sl_connector {
    const char *name;
    const sl_source_class *source;
    const sl_source_reader_class *reader;
    const sl_sink_class *sink;
    const sl_sink_writer_class *writer;
} sl_connector;

uint32_t sl_connector_count(void);
const sl_connector *sl_connector_get(uint32_t i);

#endif /* SL_CONNECTORS_REGISTRY_H */
