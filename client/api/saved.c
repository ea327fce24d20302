/* What a checkpoint that is not in use says of its query. */
#include "checkpoint/inspect.h"
#include "client/api/client_private.h"

sl_client_status sl_client_saved_progress(const char *checkpoint, uint32_t batches_max,
                                          char **ret_lines, sl_client_error *err)
{
    sl_kv_factory kv = sl_kv_rocksdb();
    sl_arena *arena = sl_arena_new();
    const char *const *reports = NULL;
    uint32_t count = 0;
    sl_error e;
    sl_code code = sl_checkpoint_progress(sl_fs_posix(), &kv, checkpoint, batches_max,
                                          arena, &reports, &count, &e);
    sl_bytes out = { 0 };
    for (uint32_t i = 0; code == SL_OK && i < count; i++) {
        sl_bytes_text(&out, reports[i]);
        sl_bytes_char(&out, '\n');
    }
    sl_arena_free(arena);
    if (code != SL_OK)
        return sl_client__fail(err, &e);
    *ret_lines = sl_client__take_text(&out);
    return SL_CLIENT_OK;
}

sl_client_status sl_client_saved_status(const char *checkpoint, bool json,
                                        char **ret_text, sl_client_error *err)
{
    sl_kv_factory kv = sl_kv_rocksdb();
    sl_inspect_options options = { .batches_max = 1, .is_json = json };
    sl_bytes out = { 0 };
    sl_error e;
    if (sl_checkpoint_inspect(sl_fs_posix(), &kv, checkpoint, options, &out, &e) !=
        SL_OK) {
        sl_bytes_deinit(&out);
        return sl_client__fail(err, &e);
    }
    *ret_text = sl_client__take_text(&out);
    return SL_CLIENT_OK;
}
