/* A query's record in the driver's registry: written when its checkpoint is open, so that
 * its id is known, and removed when it has ended for good. */
#include "base/log.h"
#include "driver/stream_private.h"

void sl_stream__keep_record(sl_stream *s, const sl_registry_record *record)
{
    sl_registry_record r = *record;
    r.query_id = ""; /* not known yet */
    r.checkpoint = s->checkpoint;
    r.is_temporary = s->is_temporary;
    sl_registry_record_write(&r, &s->record);
}

sl_code sl_stream__register(sl_stream *s, sl_error *err)
{
    sl_registry_record r;
    if (s->driver->registry == NULL || s->record.size_bytes == 0)
        return SL_OK;
    sl_arena *arena = sl_arena_new();
    sl_code code = sl_registry_record_read(sl_bytes_span(&s->record), arena, &r, err);
    r.query_id = s->query_id;
    if (code == SL_OK)
        code = sl_query_registry_put(s->driver->registry, &r, err);
    s->is_registered = code == SL_OK;
    sl_host_failpoint(s->driver->host, "driver.registry.put");
    sl_arena_free(arena);
    return code;
}

void sl_stream__unregister(sl_stream *s)
{
    sl_error err;
    if (s->driver->registry == NULL || s->record.size_bytes == 0 ||
        s->query_id[0] == '\0')
        return;
    if (s->is_resumed && !s->is_registered && !s->stop_wanted)
        return; /* it could not be opened: the next driver may have more luck */
    if (s->error.code == SL_EFENCED)
        return; /* another driver runs it */
    s->is_forgotten =
        sl_query_registry_remove(s->driver->registry, s->query_id, &err) == SL_OK;
    sl_host_failpoint(s->driver->host, "driver.registry.removed");
    if (!s->is_forgotten)
        log_warn("REGISTRY-REMOVE",
                 "query %s has ended, but its record stays and the next driver will "
                 "resume it: %s",
                 s->name, err.text);
}
