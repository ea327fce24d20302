#include "checkpoint/lock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "checkpoint/layout.h"

static void holder_text(int64_t pid, const char *note, char ret[200])
{
    snprintf(ret, 200, "process %" PRId64 " (%.150s)", pid, note);
}

sl_code sl_checkpoint_lock(sl_fs *fs, const char *root, int64_t pid, const char *note,
                           sl_file **ret, sl_error *err)
{
    sl_checkpoint_path path;
    SL_TRY(sl_layout_lock(root, &path, err));
    SL_TRY(sl_fs_make_dirs(fs, root, err));
    char holder[200];
    holder_text(pid, note, holder);
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

sl_code sl_checkpoint_lock_check(sl_fs *fs, const char *root, int64_t pid,
                                 const char *note, sl_error *err)
{
    sl_checkpoint_path path;
    char holder[200];
    sl_bytes found = { 0 };
    SL_TRY(sl_layout_lock(root, &path, err));
    holder_text(pid, note, holder);
    sl_code code = sl_fs_read_all(fs, path.text, 4096, &found, err);
    if (code == SL_OK && strcmp(sl_bytes_cstr(&found), holder) != 0)
        code = sl_fail(err, SL_EFENCED,
                       "checkpoint %s was taken over by %.200s; this driver lets go of "
                       "it",
                       root, sl_bytes_cstr(&found));
    sl_bytes_deinit(&found);
    return code;
}
