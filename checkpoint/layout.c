#include "checkpoint/layout.h"

#include <stdio.h>

static sl_code put(sl_checkpoint_path *ret, sl_error *err, const char *fmt, ...)
    SL_PRINTF(3, 4);

static sl_code put(sl_checkpoint_path *ret, sl_error *err, const char *fmt, ...)
{
    sl_checkpoint_path path;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(path.text, sizeof path.text, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof path.text)
        return sl_fail(err, SL_ELIMIT, "path '%.80s...' is longer than %d bytes",
                       path.text, SL_CHECKPOINT_PATH_MAX - 1);
    *ret = path;
    return SL_OK;
}

sl_code sl_layout_query_file(const char *root, sl_checkpoint_path *ret, sl_error *err)
{
    return put(ret, err, "%s/query.json", root);
}

sl_code sl_layout_lock(const char *root, sl_checkpoint_path *ret, sl_error *err)
{
    return put(ret, err, "%s/LOCK", root);
}

sl_code sl_layout_journal(const char *root, sl_checkpoint_path *ret, sl_error *err)
{
    return put(ret, err, "%s/journal", root);
}

sl_code sl_layout_journal_head(const char *root, sl_checkpoint_path *ret, sl_error *err)
{
    return put(ret, err, "%s/journal-head", root);
}

sl_code sl_layout_segments(const char *root, sl_checkpoint_path *ret, sl_error *err)
{
    return put(ret, err, "%s/state/segments", root);
}

sl_code sl_layout_segment(const char *root, const char *name, sl_checkpoint_path *ret,
                          sl_error *err)
{
    return put(ret, err, "%s/state/segments/%s", root, name);
}

sl_code sl_layout_state(const char *root, sl_checkpoint_path *ret, sl_error *err)
{
    return put(ret, err, "%s/state", root);
}

sl_code sl_layout_partition(const char *root, uint32_t partition, sl_checkpoint_path *ret,
                            sl_error *err)
{
    return put(ret, err, "%s/state/%u", root, partition);
}

sl_code sl_layout_snapshot(const char *root, uint32_t partition, const char *name,
                           sl_checkpoint_path *ret, sl_error *err)
{
    return put(ret, err, "%s/state/%u/%s", root, partition, name);
}

sl_code sl_layout_sst_dir(const char *root, sl_checkpoint_path *ret, sl_error *err)
{
    return put(ret, err, "%s/sst", root);
}

sl_code sl_layout_sst(const char *root, const char *name, sl_checkpoint_path *ret,
                      sl_error *err)
{
    return put(ret, err, "%s/sst/%s", root, name);
}

sl_code sl_layout_sinks(const char *root, sl_checkpoint_path *ret, sl_error *err)
{
    return put(ret, err, "%s/sinks", root);
}

sl_code sl_layout_sink(const char *root, const char *sink_id, sl_checkpoint_path *ret,
                       sl_error *err)
{
    return put(ret, err, "%s/sinks/%s", root, sink_id);
}
