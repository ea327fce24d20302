/* metrics_file.h - the process's counters (base/metrics.h) in a file, at intervals.
 *
 * Prometheus' text format, for node_exporter's textfile collector and for people.  The
 * file is replaced as a whole, never half written.  A failure to write it is logged and
 * tried again; it never disturbs the work.
 *
 * Thread: loop thread. */

#ifndef SL_CLIENT_CLUSTER_METRICS_FILE_H
#define SL_CLIENT_CLUSTER_METRICS_FILE_H

#include "base/host.h"

typedef struct sl_metrics_file sl_metrics_file;

/* refresh(user) on the loop thread before each text is made: sets the gauges. */
sl_metrics_file *sl_metrics_file_new(sl_host *host, const char *path, int64_t interval_us,
                                     void (*refresh)(void *user), void *user);
/* Writes a last time; refresh is called. NULL is fine. */
void sl_metrics_file_free(sl_metrics_file *f);

#endif /* SL_CLIENT_CLUSTER_METRICS_FILE_H */
