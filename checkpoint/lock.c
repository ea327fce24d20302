#include "checkpoint/lock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "checkpoint/layout.h"

sl_code sl_checkpoint_lock(sl_fs *fs, const char *root, int64_t pid, const char *note,
                           sl_file **ret, sl_error *err)
{
    sl_checkpoint_path path;
    SL_TRY(sl_layout_lock(root, &path, err));
    SL_TRY(sl_fs_make_dirs(fs, root, err));
    char holder[200];
    snprintf(holder, sizeof holder, "process %" PRId64 " (%.150s)", pid, note);
    sl_error why;
    sl_code code = sl_fs_lock(fs, path.text, holder, ret, &why);
    if (code == SL_OK)
        return SL_OK;
    if (code == SL_EBUSY) {
        const char *by = strstr(why.text, "process ");
        return sl_fail(err, SL_EBUSY,
                       "checkpoint %s is in use by %s; stop that query first, or use "
                       "another checkpoint location",
                       root, by ? by : "another process");
    }
    if (err)
        *err = why;
    return code;
}
