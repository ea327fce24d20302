/* Promises of proto/client_messages.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/client_messages.h"
#include "proto/frame.h"
#include "proto/messages.h"

static void sample(sl_cmsg_kind kind, sl_cmsg *m)
{
    static const sl_cmsg_setting settings[] = { { "a", "1" }, { "b", "" } };
    static const char *const attach[] = { "id-1" };
    static const sl_cmsg_error error = { 3, 2, 9, "CLASS", "42000", "what" };
    static const sl_cmsg_query query = { .name = "q",
                                         .id = "id-1",
                                         .run_id = "r",
                                         .state = 4,
                                         .message = "m",
                                         .last_batch = -1,
                                         .checkpoint = "/c",
                                         .sql = "CREATE",
                                         .error = { 3, 2, 9, "CLASS", "42000", "what" } };
    *m = (sl_cmsg){ .kind = kind };
    switch (kind) {
    case SL_CMSG_HELLO:
        m->u.hello = (sl_cmsg_hello){ 7, 1, "me", "/home", 2, settings, 1, attach };
        break;
    case SL_CMSG_WELCOME:
        m->u.welcome = (sl_cmsg_welcome){ 5, "0.1.0", error };
        break;
    case SL_CMSG_REQUEST:
        m->u.request =
            (sl_cmsg_request){ 1, SL_REQUEST_EXECUTE, "SELECT 1", "q", -3, true, 4, 5 };
        break;
    case SL_CMSG_ANSWER:
        m->u.answer = (sl_cmsg_answer){ .id = 1,
                                        .kind = 2,
                                        .text = "t",
                                        .note = "n",
                                        .schema = sl_span_text("s"),
                                        .chunk_count = 3,
                                        .zone = "UTC",
                                        .query_count = 1,
                                        .queries = &query };
        break;
    case SL_CMSG_CHUNK:
        m->u.chunk = (sl_cmsg_chunk){ 1, 2, sl_span_text("rows") };
        break;
    case SL_CMSG_CREDIT:
        m->u.credit = (sl_cmsg_credit){ 1, 2 };
        break;
    case SL_CMSG_EVENT:
        m->u.event = (sl_cmsg_event){ 1, query, "{}", true };
        break;
    case SL_CMSG_PRINT:
        m->u.print = (sl_cmsg_print){ 9, sl_span_of("a\0b", 3) };
        break;
    case SL_CMSG_PRINTED:
        m->u.printed = (sl_cmsg_printed){ 9, true };
        break;
    case SL_CMSG_HEAR:
        m->u.hear = (sl_cmsg_hear){ true };
        break;
    default:
        break;
    }
}

/* Encoded again, what was decoded gives the same bytes: every field came through. */
static void decode__gives_back_every_field_of_every_kind(void **state)
{
    (void)state;
    for (int kind = SL_CMSG_FIRST; kind < SL_CMSG_END; kind++) {
        sl_cmsg m, back;
        sl_bytes frame = { 0 }, again = { 0 };
        sl_arena *arena = sl_arena_new();
        sample((sl_cmsg_kind)kind, &m);
        sl_cmsg_encode(&m, &frame);
        assert_true(sl_cmsg_is(sl_bytes_span(&frame)));
        assert_int_equal(sl_cmsg_decode(sl_bytes_span(&frame), arena, &back, NULL),
                         SL_OK);
        assert_int_equal(back.kind, kind);
        sl_cmsg_encode(&back, &again);
        assert_true(sl_span_equal(sl_bytes_span(&frame), sl_bytes_span(&again)));
        if (kind == SL_CMSG_ANSWER)
            assert_string_equal(back.u.answer.queries[0].error.condition, "CLASS");
        if (kind == SL_CMSG_PRINT)
            assert_int_equal(back.u.print.text.size_bytes, 3);
        sl_arena_free(arena);
        sl_bytes_deinit(&frame);
        sl_bytes_deinit(&again);
    }
}

static void decode__refuses_every_cut_and_every_flipped_byte(void **state)
{
    (void)state;
    for (int kind = SL_CMSG_FIRST; kind < SL_CMSG_END; kind++) {
        sl_cmsg m, back;
        sl_bytes frame = { 0 };
        sample((sl_cmsg_kind)kind, &m);
        sl_cmsg_encode(&m, &frame);
        for (size_t n = 0; n < frame.size_bytes; n++) {
            sl_arena *arena = sl_arena_new();
            assert_int_not_equal(
                sl_cmsg_decode(sl_span_of(frame.data, n), arena, &back, NULL), SL_OK);
            frame.data[n] ^= 0x10;
            assert_int_not_equal(
                sl_cmsg_decode(sl_bytes_span(&frame), arena, &back, NULL), SL_OK);
            frame.data[n] ^= 0x10;
            sl_arena_free(arena);
        }
        sl_bytes_deinit(&frame);
    }
}

static void is__tells_a_clients_frame_from_a_workers(void **state)
{
    sl_bytes frame = { 0 };
    sl_message m = { .kind = SL_MSG_REGISTER };
    sl_cmsg none;
    (void)state;
    sl_message_encode(&m, &frame);
    assert_false(sl_cmsg_is(sl_bytes_span(&frame)));
    assert_int_not_equal(sl_cmsg_decode(sl_bytes_span(&frame), NULL, &none, NULL), SL_OK);
    assert_false(sl_cmsg_is(sl_span_of("SLF1", 4)));
    sl_bytes_deinit(&frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode__gives_back_every_field_of_every_kind),
        cmocka_unit_test(decode__refuses_every_cut_and_every_flipped_byte),
        cmocka_unit_test(is__tells_a_clients_frame_from_a_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
