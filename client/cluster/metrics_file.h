/* metrics_file.h - the process's counters (base/metrics.h) in a file, at intervals.
 *
 * Prometheus' text format, for node_exporter's textfile collector and for people.  The
 * file is replaced as a whole, never half written, and its temporary name does not end
 * as the file's does, so a collector of "*.prom" never sees it.  A failure to write it is
 * logged and tried again; it never disturbs the work.
 *
 * A process of a cluster has a name.  It stands in the file's name, before the ending
 * (sluice.prom of worker-1 is sluice.worker-1.prom), so that all processes of a host may
 * have one setting; and as label `process` at each sample, so that a collector that reads
 * all the files sees no sample twice.  Its file goes when it ends: what is left would be
 * collected for ever.  The one process of local[N] has no name, and its file stays.
 *
 * Thread: loop thread. */

#ifndef SL_CLIENT_CLUSTER_METRICS_FILE_H
#define SL_CLIENT_CLUSTER_METRICS_FILE_H

#include "base/host.h"
#include "base/options.h"

typedef struct sl_metrics_file sl_metrics_file;

/* Of letters, digits, '_', '.' and '-', so that it fits file names and labels. SL_EINVAL.
 */
SL_CHECKED sl_code sl_process_name_check(const char *name, sl_error *err);

/* As sluice.metrics.file and .interval say; NULL if there is to be none. process: its
 * name, or NULL. refresh(user) on the loop thread before each text is made: sets the
 * gauges. */
sl_metrics_file *sl_metrics_file_new(sl_host *host, const sl_options *options,
                                     const char *process, void (*refresh)(void *user),
                                     void *user);
/* Without a process's name: writes a last time; refresh is called. NULL is fine. */
void sl_metrics_file_free(sl_metrics_file *f);

#endif /* SL_CLIENT_CLUSTER_METRICS_FILE_H */
