/* connectors_private.h - the halves that connectors.def names. */

#ifndef SL_CONNECTORS_CONNECTORS_PRIVATE_H
#define SL_CONNECTORS_CONNECTORS_PRIVATE_H

#include "connectors/sink_commit.h"
#include "connectors/source_plan.h"
#include "connectors/source_read.h"

extern const sl_source_class sl_json_source, sl_memory_source, sl_values_source,
    sl_rate_source, sl_rate_micro_batch_source;
extern const sl_source_reader_class sl_json_source_reader, sl_memory_source_reader,
    sl_rate_source_reader;
extern const sl_sink_class sl_json_sink, sl_memory_sink, sl_console_sink, sl_noop_sink,
    sl_test_sink;
extern const sl_sink_writer_class sl_json_sink_writer, sl_noop_sink_writer;

#endif /* SL_CONNECTORS_CONNECTORS_PRIVATE_H */
