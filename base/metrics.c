#include "base/metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static sl_metric **registry; /* ordered by name; lives as long as the process */
static uint32_t registry_count;

static int by_name(const void *a, const void *b)
{
    return strcmp((*(sl_metric *const *)a)->name, (*(sl_metric *const *)b)->name);
}

static int is_registered(const sl_metric *m)
{
    for (uint32_t i = 0; i < registry_count; i++)
        if (registry[i] == m)
            return 1;
    return 0;
}

void sl_metrics_register(sl_metric *metrics, uint32_t count)
{
    pthread_mutex_lock(&registry_lock);
    registry = sl_realloc(registry, (registry_count + count) * sizeof registry[0]);
    for (uint32_t i = 0; i < count; i++)
        if (!is_registered(&metrics[i]))
            registry[registry_count++] = &metrics[i];
    qsort(registry, registry_count, sizeof registry[0], by_name);
    pthread_mutex_unlock(&registry_lock);
}

void sl_metrics_text(const char *labels, sl_bytes *out)
{
    pthread_mutex_lock(&registry_lock);
    for (uint32_t i = 0; i < registry_count; i++) {
        sl_metric *m = registry[i];
        const char *kind = m->kind == SL_METRIC_COUNTER ? "counter" : "gauge";
        sl_bytes_printf(out, "# HELP %s %s", m->name, m->meaning);
        if (m->unit && m->unit[0])
            sl_bytes_printf(out, " (%s)", m->unit);
        sl_bytes_printf(out, "\n# TYPE %s %s\n%s", m->name, kind, m->name);
        if (*labels != '\0')
            sl_bytes_printf(out, "{%s}", labels);
        sl_bytes_printf(out, " %" PRId64 "\n",
                        atomic_load_explicit(&m->value, memory_order_relaxed));
    }
    pthread_mutex_unlock(&registry_lock);
}
