/* Journal records and snapshot manifests. First byte: which; the rest is its payload.
 * What decodes is encoded again, and that is the same bytes once more. */
#include "checkpoint/frame_private.h"
#include "checkpoint/journal.h"
#include "checkpoint/records.h"
#include "checkpoint/snapshot_file.h"
#include "tests/fuzz/fuzz.h"

static void check_offsets(sl_span bytes, sl_arena *arena)
{
    sl_offsets_record r, again;
    sl_error err = { 0 };
    sl_code code = sl_offsets_decode(bytes, arena, &r, &err);
    fuzz_check_error(code, &err);
    sl_bytes first = { 0 }, second = { 0 };
    if (code == SL_OK && sl_offsets_encode(&r, &first, NULL) == SL_OK) {
        FUZZ_CHECK(sl_offsets_decode(sl_bytes_span(&first), arena, &again, NULL) ==
                   SL_OK);
        FUZZ_CHECK(sl_offsets_encode(&again, &second, NULL) == SL_OK);
        FUZZ_CHECK(fuzz_same_bytes(&first, &second));
    }
    sl_bytes_deinit(&first);
    sl_bytes_deinit(&second);
}

static void check_commit(sl_span bytes, sl_arena *arena)
{
    sl_commit_record r, again;
    sl_error err = { 0 };
    sl_code code = sl_commit_decode(bytes, arena, &r, &err);
    fuzz_check_error(code, &err);
    sl_bytes first = { 0 }, second = { 0 };
    if (code == SL_OK && sl_commit_encode(&r, &first, NULL) == SL_OK) {
        FUZZ_CHECK(sl_commit_decode(sl_bytes_span(&first), arena, &again, NULL) == SL_OK);
        FUZZ_CHECK(sl_commit_encode(&again, &second, NULL) == SL_OK);
        FUZZ_CHECK(fuzz_same_bytes(&first, &second));
    }
    sl_bytes_deinit(&first);
    sl_bytes_deinit(&second);
}

static void check_snapshot(sl_span bytes, sl_arena *arena)
{
    sl_snapshot_file f, again;
    sl_error err = { 0 };
    sl_code code = sl_snapshot_file_decode(bytes, arena, &f, &err);
    fuzz_check_error(code, &err);
    sl_bytes first = { 0 };
    if (code == SL_OK && sl_snapshot_file_encode(&f, &first, NULL) == SL_OK)
        FUZZ_CHECK(sl_snapshot_file_decode(sl_bytes_span(&first), arena, &again, NULL) ==
                   SL_OK);
    sl_bytes_deinit(&first);
}

static void check_frame(sl_span bytes)
{
    for (int kind = SL_FRAME__OFFSETS; kind <= SL_FRAME__SNAPSHOT; kind++) {
        sl_span payload;
        size_t used = 0;
        sl_error err = { 0 };
        sl_code code = sl_frame__decode(bytes, (sl_frame__kind)kind, 1, "query", "key",
                                        "fuzz", &payload, &used, &err);
        fuzz_check_error(code, &err);
        FUZZ_CHECK(code != SL_OK || used <= bytes.size_bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    sl_arena *arena = sl_arena_new();
    sl_span rest = sl_span_of(data + 1, size - 1);
    sl_epoch_record epoch;
    sl_error err = { 0 };
    switch (data[0] % 5) {
    case 0:
        check_offsets(rest, arena);
        break;
    case 1:
        check_commit(rest, arena);
        break;
    case 2:
        fuzz_check_error(sl_epoch_decode(rest, arena, &epoch, &err), &err);
        break;
    case 3:
        check_snapshot(rest, arena);
        break;
    default:
        check_frame(rest);
    }
    sl_arena_free(arena);
    return 0;
}
