/* The manifest log of a sink, on a virtual disk. First byte: how many records the input
 * is cut into, each in a frame with a right sum; 0: the bytes are the file. */
#include "base/alloc.h"
#include "checkpoint/frame_private.h"
#include "checkpoint/manifest.h"
#include "tests/fuzz/fuzz.h"

#define QUERY "8d3f2c1a-0000-4000-8000-000000000001"

static int64_t no_time(void *user)
{
    (void)user;
    return 0;
}

static bool take_record(void *user, const sl_manifest_record *r)
{
    int64_t *last = user;
    FUZZ_CHECK(r->batch > *last && r->previous_batch == *last); /* no hole, no repeat */
    *last = r->batch;
    for (uint32_t i = 0; i < r->file_count; i++)
        FUZZ_CHECK(strlen(r->files[i].target_name) < 1u << 30);
    return true;
}

static void open_log(sl_fs *fs)
{
    sl_manifest_options o = { .fs = fs, .root = "/c", .sink_id = "s", .query_id = QUERY };
    sl_manifest *m = NULL;
    sl_error err = { 0 };
    sl_code code = sl_manifest_open(&o, &m, &err);
    fuzz_check_error(code, &err);
    if (code != SL_OK)
        return;
    int64_t last = -1;
    code = sl_manifest_each(m, take_record, &last, &err);
    fuzz_check_error(code, &err);
    FUZZ_CHECK(code != SL_OK || last == sl_manifest_last_batch(m));
    sl_manifest_record next = { .batch = sl_manifest_last_batch(m) + 1 };
    if (next.batch > last) { /* the log goes on behind whatever is there */
        code = sl_manifest_append(m, &next, &err);
        fuzz_check_error(code, &err);
        FUZZ_CHECK(code != SL_OK || sl_manifest_last_batch(m) == next.batch);
    }
    sl_manifest_close(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    sl_bytes log = { 0 };
    uint8_t pieces = data[0] % 5;
    data++;
    size--;
    if (pieces == 0)
        sl_bytes_append(&log, data, size);
    for (uint8_t i = 0; i < pieces; i++) {
        size_t n = i + 1 < pieces ? size / pieces : size - size / pieces * (pieces - 1u);
        sl_frame__encode(SL_FRAME__MANIFEST, 1, QUERY, "s",
                         sl_span_of(data + size / pieces * i, n), &log);
    }
    sl_fs_virtual *v = sl_fs_virtual_new(no_time, NULL);
    sl_fs *fs = sl_fs_virtual_fs(v);
    FUZZ_CHECK(sl_fs_make_dirs(fs, "/c/sinks/s", NULL) == SL_OK);
    FUZZ_CHECK(sl_fs_write_new(fs, "/c/sinks/s/00000000000000000000-0000.log",
                               sl_bytes_span(&log), NULL) == SL_OK);
    open_log(fs);
    sl_fs_virtual_free(v);
    sl_bytes_deinit(&log);
    return 0;
}
