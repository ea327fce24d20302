/* Fields that are absent (a driver of another version) show as 0 or nothing. */
#include "client/cli/cluster_show.h"

#include <stdint.h>
#include <string.h>

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text != NULL ? text : "";
}

static int64_t number_of(const json_t *o, const char *key)
{
    return (int64_t)json_number_value(json_object_get(o, key));
}

static void bytes_text(int64_t bytes, char ret[24])
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double v = (double)bytes;
    uint32_t unit = 0;
    while (v >= 1024 && unit < 4) {
        v /= 1024;
        unit++;
    }
    snprintf(ret, 24, "%.*f %s", unit > 0 && v < 100, v, units[unit]);
}

static void duration_text(int64_t ms, char ret[24])
{
    if (ms < 10000)
        snprintf(ret, 24, "%lld ms", (long long)ms);
    else if (ms < 120000)
        snprintf(ret, 24, "%lld s", (long long)(ms / 1000));
    else if (ms < 7200000)
        snprintf(ret, 24, "%lld min", (long long)(ms / 60000));
    else
        snprintf(ret, 24, "%lld h", (long long)(ms / 3600000));
}

static void show_driver(const json_t *status, FILE *out)
{
    const json_t *driver = json_object_get(status, "driver");
    char up[24];
    duration_text(number_of(driver, "uptimeMs"), up);
    if (*text_of(status, "name") != '\0')
        fprintf(out, "cluster %s in %s\n", text_of(status, "name"),
                text_of(status, "directory"));
    fprintf(out, "driver at %s, sluice %s, up %s, %lld client(s)\n",
            text_of(status, "master"), text_of(driver, "version"), up,
            (long long)number_of(driver, "clients"));
}

static void show_workers(const json_t *status, FILE *out)
{
    const json_t *workers = json_object_get(status, "workers");
    if (json_array_size(workers) == 0) {
        fprintf(out, "\nno workers: queries wait until one registers\n");
        return;
    }
    fprintf(out, "\n%-14s %8s %-8s %6s %6s %11s %23s %12s %12s %10s\n", "worker", "pid",
            "state", "slots", "tasks", "partitions", "memory", "shuffle out",
            "shuffle in", "heard");
    for (size_t i = 0; i < json_array_size(workers); i++) {
        const json_t *w = json_array_get(workers, i);
        char used[24], limit[24], heard[24], memory[64], sent[24], received[24];
        bytes_text(number_of(w, "memoryUsedBytes"), used);
        bytes_text(number_of(w, "memoryBytes"), limit);
        bytes_text(number_of(w, "shuffleSentBytes"), sent);
        bytes_text(number_of(w, "shuffleReceivedBytes"), received);
        duration_text(number_of(w, "heardMsAgo"), heard);
        snprintf(memory, sizeof memory, "%s%s%s", used,
                 number_of(w, "memoryBytes") > 0 ? " of " : "",
                 number_of(w, "memoryBytes") > 0 ? limit : "");
        fprintf(out, "%-14s %8lld %-8s %6lld %6lld %11lld %23s %12s %12s %10s\n",
                text_of(w, "name"), (long long)number_of(w, "pid"), text_of(w, "state"),
                (long long)number_of(w, "slots"), (long long)number_of(w, "tasksRunning"),
                (long long)number_of(w, "partitions"), memory, sent, received, heard);
    }
}

static void show_lost(const json_t *status, FILE *out)
{
    const json_t *processes = json_object_get(status, "processes");
    for (size_t i = 0; i < json_array_size(processes); i++) {
        const json_t *p = json_array_get(processes, i);
        if (!json_is_true(json_object_get(p, "isAlive")))
            fprintf(out, "%s (pid %lld) has ended, its log is %s\n", text_of(p, "name"),
                    (long long)number_of(p, "pid"), text_of(p, "log"));
    }
}

static void show_queries(const json_t *status, FILE *out)
{
    const json_t *queries = json_object_get(status, "queries");
    if (json_array_size(queries) == 0) {
        fprintf(out, "\nno queries\n");
        return;
    }
    fprintf(out, "\n%-24s %-11s %8s %12s  %s\n", "query", "state", "batch", "rows/s",
            "message");
    for (size_t i = 0; i < json_array_size(queries); i++) {
        const json_t *q = json_array_get(queries, i);
        fprintf(out, "%-24s %-11s %8lld %12.0f  %s\n", text_of(q, "name"),
                text_of(q, "state"), (long long)number_of(q, "lastBatch"),
                json_number_value(json_object_get(q, "inputRowsPerSecond")),
                text_of(q, "message"));
    }
}

void sl_cluster_show(const json_t *status, FILE *out)
{
    show_driver(status, out);
    show_workers(status, out);
    show_lost(status, out);
    show_queries(status, out);
}
