#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"

static void append_all_kinds(sl_bytes *b)
{
    sl_bytes_u8(b, 0xab);
    sl_bytes_u16(b, 0x1234);
    sl_bytes_u32(b, 0xdeadbeef);
    sl_bytes_u64(b, UINT64_MAX - 1);
    sl_bytes_i64(b, INT64_MIN);
    sl_bytes_f64(b, -0.5);
    sl_bytes_blob(b, sl_span_of("ab\0c", 4));
    sl_bytes_string(b, "text");
    sl_bytes_string(b, "");
    sl_bytes_string(b, NULL);
}

static void reader__gives_back_what_was_written(void **state)
{
    (void)state;
    sl_bytes b = { 0 };
    sl_arena *a = sl_arena_new();
    append_all_kinds(&b);
    sl_reader r = sl_reader_of(sl_bytes_span(&b));
    assert_int_equal(sl_read_u8(&r), 0xab);
    assert_int_equal(sl_read_u16(&r), 0x1234);
    assert_int_equal(sl_read_u32(&r), 0xdeadbeef);
    assert_true(sl_read_u64(&r) == UINT64_MAX - 1);
    assert_true(sl_read_i64(&r) == INT64_MIN);
    assert_true(sl_read_f64(&r) == -0.5);
    assert_true(sl_span_equal(sl_read_blob(&r), sl_span_of("ab\0c", 4)));
    assert_string_equal(sl_read_string(&r, a), "text");
    assert_string_equal(sl_read_string(&r, a), "");
    assert_null(sl_read_string(&r, a));
    assert_true(sl_reader_done(&r));
    sl_arena_free(a);
    sl_bytes_deinit(&b);
}

static void fields__are_little_endian(void **state)
{
    (void)state;
    sl_bytes b = { 0 };
    sl_bytes_u32(&b, 0x04030201);
    assert_memory_equal(b.data, "\1\2\3\4", 4);
    sl_bytes_deinit(&b);
}

/* Every cut of a record is noticed, and reads yield zeros past it. */
static void reader__fails_on_every_cut(void **state)
{
    (void)state;
    sl_bytes b = { 0 };
    append_all_kinds(&b);
    for (size_t cut = 0; cut < b.size_bytes; cut++) {
        sl_arena *a = sl_arena_new();
        sl_reader r = sl_reader_of(sl_span_of(b.data, cut));
        sl_read_u8(&r);
        sl_read_u16(&r);
        sl_read_u32(&r);
        sl_read_u64(&r);
        sl_read_i64(&r);
        sl_read_f64(&r);
        sl_read_blob(&r);
        sl_read_string(&r, a);
        sl_read_string(&r, a);
        sl_read_string(&r, a);
        assert_true(r.failed);
        assert_false(sl_reader_done(&r));
        assert_int_equal(sl_read_u32(&r), 0);
        assert_null(sl_read_string(&r, a));
        sl_arena_free(a);
    }
    sl_bytes_deinit(&b);
}

static void count__that_cannot_be_there_fails(void **state)
{
    (void)state;
    sl_bytes b = { 0 };
    sl_bytes_u32(&b, 3);
    sl_bytes_append(&b, "123456", 6);
    sl_reader r = sl_reader_of(sl_bytes_span(&b));
    assert_int_equal(sl_read_count(&r, 2), 3);
    r = sl_reader_of(sl_bytes_span(&b));
    assert_int_equal(sl_read_count(&r, 3), 0);
    assert_true(r.failed);
    sl_bytes_deinit(&b);
}

static void bytes__stay_terminated_while_growing(void **state)
{
    (void)state;
    sl_bytes b = { 0 };
    assert_string_equal(sl_bytes_cstr(&b), "");
    for (int i = 0; i < 5000; i++) {
        sl_bytes_char(&b, 'x');
        assert_int_equal(b.data[b.size_bytes], 0);
    }
    sl_bytes_clear(&b);
    assert_string_equal(sl_bytes_cstr(&b), "");
    for (int i = 0; i < 300; i++)
        sl_bytes_printf(&b, "%0*d", i, i);
    size_t expected = 1;
    for (int i = 1; i < 300; i++)
        expected += (size_t)i;
    assert_int_equal(b.size_bytes, expected);
    assert_int_equal(strlen(sl_bytes_cstr(&b)), expected);
    sl_bytes_text(&b, "end");
    assert_string_equal(sl_bytes_cstr(&b) + expected, "end");
    sl_bytes_deinit(&b);
    assert_null(b.data);
}

static void span__equality_is_of_bytes(void **state)
{
    (void)state;
    assert_true(sl_span_equal(sl_span_text(NULL), sl_span_of("x", 0)));
    assert_true(sl_span_equal(sl_span_text("ab"), sl_span_of("abc", 2)));
    assert_false(sl_span_equal(sl_span_text("ab"), sl_span_text("ac")));
    assert_false(sl_span_equal(sl_span_text("ab"), sl_span_text("abc")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reader__gives_back_what_was_written),
        cmocka_unit_test(fields__are_little_endian),
        cmocka_unit_test(reader__fails_on_every_cut),
        cmocka_unit_test(count__that_cannot_be_there_fails),
        cmocka_unit_test(bytes__stay_terminated_while_growing),
        cmocka_unit_test(span__equality_is_of_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
