/* query.json of a checkpoint, on a virtual disk: read, or refused with the file named. */
#include "base/alloc.h"
#include "checkpoint/query_file.h"
#include "tests/fuzz/fuzz.h"

static int64_t no_time(void *user)
{
    (void)user;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sl_fs_virtual *v = sl_fs_virtual_new(no_time, NULL);
    sl_fs *fs = sl_fs_virtual_fs(v);
    sl_arena *arena = sl_arena_new();
    sl_query_file q = { 0 };
    sl_error err = { 0 };
    FUZZ_CHECK(sl_fs_make_dirs(fs, "/c", NULL) == SL_OK);
    FUZZ_CHECK(sl_fs_write_new(fs, "/c/query.json", sl_span_of(data, size), NULL) ==
               SL_OK);
    sl_code code = sl_query_file_read(fs, "/c", arena, &q, &err);
    fuzz_check_error(code, &err);
    if (code == SL_OK) {
        FUZZ_CHECK(q.query_id != NULL && q.sql != NULL && q.plan_fingerprint != NULL);
        (void)sl_query_file_setting(&q, "sluice.state.partitions");
    } else {
        FUZZ_CHECK(strstr(err.text, "/c") != NULL); /* the file is named */
    }
    sl_arena_free(arena);
    sl_fs_virtual_free(v);
    return 0;
}
