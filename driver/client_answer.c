/* Errors, queries and the cluster as clients see them. */
#include "base/text.h"
#include "base/version.h"
#include "driver/client_private.h"

sl_cmsg_error sl_rclient__error(const sl_error *err)
{
    if (err == NULL)
        return (sl_cmsg_error){ 0 };
    return (sl_cmsg_error){ (uint32_t)err->code, err->line,     err->column,
                            err->condition,      err->sqlstate, err->text };
}

sl_cmsg_query sl_rclient__query(const sl_query_info *info)
{
    return (sl_cmsg_query){ .name = info->name,
                            .id = info->id,
                            .run_id = info->run_id,
                            .state = (uint32_t)info->state,
                            .message = info->message,
                            .is_data_available = info->is_data_available,
                            .is_trigger_active = info->is_trigger_active,
                            .last_batch = info->last_batch,
                            .checkpoint = info->checkpoint,
                            .sql = info->sql,
                            .error = sl_rclient__error(info->error) };
}

void sl_rclient__status_json(const sl_query_info *info, sl_bytes *out)
{
    sl_json j;
    sl_json_begin(&j, out);
    sl_json_open(&j, NULL, '{');
    sl_json_key_string(&j, "message", info->message);
    sl_json_key_bool(&j, "isDataAvailable", info->is_data_available);
    sl_json_key_bool(&j, "isTriggerActive", info->is_trigger_active);
    sl_json_close(&j, '}');
}

/* ---- the cluster ---- */

static void worker_json(const sl_driver *d, const sl_dworker *w, int64_t now, sl_json *j)
{
    uint32_t partitions = 0;
    for (sl_dispatch *x = d->dispatches; x != NULL; x = sl_dispatch_next(x))
        partitions += sl_dispatch_held(x, w->number);
    sl_json_open(j, NULL, '{');
    sl_json_key_string(j, "name", w->name);
    sl_json_key_string(j, "address", w->address);
    sl_json_key_string(j, "host", w->host_name);
    sl_json_key_int(j, "pid", w->pid);
    sl_json_key_string(j, "state", sl_worker_state_name(w->state));
    sl_json_key_int(j, "slots", w->slots);
    sl_json_key_int(j, "tasksRunning", w->tasks_running);
    sl_json_key_int(j, "partitions", partitions);
    sl_json_key_int(j, "memoryBytes",
                    w->memory_bytes == INT64_MAX ? -1 : w->memory_bytes);
    sl_json_key_int(j, "memoryUsedBytes", w->memory_used_bytes);
    sl_json_key_int(j, "shuffleSentBytes", w->shuffle_sent_bytes);
    sl_json_key_int(j, "shuffleReceivedBytes", w->shuffle_received_bytes);
    sl_json_key_int(j, "heardMsAgo", (now - w->heard_us) / 1000);
    sl_json_close(j, '}');
}

static void query_json(const sl_query_info *q, sl_json *j)
{
    sl_json_open(j, NULL, '{');
    sl_json_key_string(j, "name", q->name);
    sl_json_key_string(j, "id", q->id);
    sl_json_key_string(j, "runId", q->run_id);
    sl_json_key_string(j, "state", sl_query_state_name(q->state));
    sl_json_key_string(j, "message", q->message);
    sl_json_key_int(j, "lastBatch", q->last_batch);
    sl_json_key_string(j, "checkpoint", q->checkpoint);
    sl_json_key_double(j, "inputRowsPerSecond", q->input_rows_per_s);
    sl_json_key_double(j, "processedRowsPerSecond", q->processed_rows_per_s);
    if (q->last_progress != NULL)
        sl_json_key_raw(j, "lastProgress", q->last_progress);
    sl_json_close(j, '}');
}

void sl_rclient__cluster_json(const sl_clients *c, sl_bytes *out)
{
    sl_driver *d = c->driver;
    int64_t now = sl_host_mono_us(d->host);
    sl_json j;
    sl_json_begin(&j, out);
    sl_json_open(&j, NULL, '{');
    sl_json_open(&j, "driver", '{');
    sl_json_key_string(&j, "version", SL_PRODUCT_VERSION);
    sl_json_key_string(&j, "address", sl_driver_address(d));
    sl_json_key_int(&j, "uptimeMs", (now - d->started_us) / 1000);
    sl_json_key_int(&j, "clients", sl_clients_count(c));
    sl_json_close(&j, '}');
    sl_json_open(&j, "workers", '[');
    for (const sl_dworker *w = sl_driver__workers(d); w != NULL; w = w->next)
        worker_json(d, w, now, &j);
    sl_json_close(&j, ']');
    sl_json_open(&j, "queries", '[');
    for (uint32_t i = 0; i < sl_driver_query_count(d); i++) {
        sl_query_info info;
        sl_driver_query_info(d, i, &info);
        query_json(&info, &j);
    }
    sl_json_close(&j, ']');
    sl_json_close(&j, '}');
}
