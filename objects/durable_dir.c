#include "objects/durable_dir.h"

#include <string.h>

#include "base/alloc.h"

/* Cut a path to its parent. False at the top. */
static bool cut_to_parent(char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    while (n > 1 && path[n - 1] == '/')
        n--;
    bool is_top = n == 0 || strcmp(path, "/") == 0;
    path[n] = '\0';
    return !is_top;
}

sl_code sl_durable_dir_make(sl_fs *fs, const char *path, uint32_t levels, sl_error *err)
{
    SL_TRY(sl_fs_make_dirs(fs, path, err));
    char *parent = sl_strdup(path);
    sl_code code = SL_OK;
    for (uint32_t i = 0; i < levels && code == SL_OK; i++) {
        bool is_relative_top = !cut_to_parent(parent);
        if (is_relative_top && parent[0] == '/')
            break;
        code = sl_fs_sync_dir(fs, is_relative_top ? "." : parent, err);
        if (is_relative_top)
            break;
    }
    sl_free(parent);
    return code;
}
