/* Messages between processes: bytes as a frame, and as the payload of a frame of the kind
 * the first byte says. What decodes is encoded again and must decode to the same bytes.
 */
#include "proto/frame.h"
#include "proto/messages.h"
#include "tests/fuzz/fuzz.h"

static void decode(sl_span frame)
{
    sl_arena *arena = sl_arena_new();
    sl_message m, again;
    sl_error err = { 0 };
    sl_code code = sl_message_decode(frame, arena, &m, &err);
    fuzz_check_error(code, &err);
    if (code == SL_OK) {
        sl_bytes first = { 0 }, second = { 0 };
        FUZZ_CHECK(sl_message_kind_name(m.kind) != NULL);
        sl_message_encode(&m, &first);
        FUZZ_CHECK(sl_message_decode(sl_bytes_span(&first), arena, &again, NULL) ==
                   SL_OK);
        sl_message_encode(&again, &second);
        FUZZ_CHECK(fuzz_same_bytes(&first, &second));
        sl_bytes_deinit(&first);
        sl_bytes_deinit(&second);
    }
    sl_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    decode(sl_span_of(data, size));
    if (size == 0)
        return 0;
    sl_bytes sealed = { 0 };
    sl_frame_append(&sealed, SL_PROTOCOL_VERSION, data[0],
                    sl_span_of(data + 1, size - 1));
    decode(sl_bytes_span(&sealed));
    sl_bytes_deinit(&sealed);
    return 0;
}
