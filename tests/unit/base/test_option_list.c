#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/option_list.h"

static const sl_option_pair pairs[] = {
    { "maxFilesPerTrigger", "5", 3, 9 },
    { "multiLine", "TRUE", 4, 9 },
    { "path", "/in", 5, 9 },
};
static const sl_option_list list = { .count = 3, .pairs = pairs };

static void get__ignores_case(void **state)
{
    (void)state;
    assert_string_equal(sl_option_list_get(&list, "MAXFILESPERTRIGGER"), "5");
    assert_null(sl_option_list_get(&list, "absent"));
}

static void typed__values_fall_back_and_name_their_position(void **state)
{
    (void)state;
    int64_t n = 0;
    bool b = false;
    sl_error err = { 0 };
    assert_int_equal(sl_option_list_int(&list, "maxfilespertrigger", 1, 1, 9, &n, &err),
                     SL_OK);
    assert_int_equal(n, 5);
    assert_int_equal(sl_option_list_int(&list, "absent", 42, 1, 9, &n, &err), SL_OK);
    assert_int_equal(n, 42);
    assert_int_equal(sl_option_list_int(&list, "maxfilespertrigger", 1, 6, 9, &n, &err),
                     SL_EOPTION);
    assert_int_equal(err.line, 3);
    assert_int_equal(err.column, 9);
    assert_int_equal(n, 42);
    assert_int_equal(sl_option_list_int(&list, "path", 1, 1, 9, &n, NULL), SL_EOPTION);
    assert_int_equal(sl_option_list_bool(&list, "multiline", false, &b, &err), SL_OK);
    assert_true(b);
    assert_int_equal(sl_option_list_bool(&list, "path", false, &b, &err), SL_EOPTION);
    assert_int_equal(err.line, 5);
    assert_int_equal(sl_option_list_bool(&list, "absent", false, &b, &err), SL_OK);
    assert_false(b);
}

static void check__names_the_nearest_known_option(void **state)
{
    (void)state;
    const char *const all[] = { "path", "multiline", "maxfilespertrigger" };
    const char *const some[] = { "path", "multiline", "maxFilesPerTriger" };
    sl_error err = { 0 };
    assert_int_equal(sl_option_list_check(&list, "the json source", all, 3, &err), SL_OK);
    assert_int_equal(sl_option_list_check(&list, "the json source", some, 3, &err),
                     SL_EOPTION);
    assert_non_null(strstr(err.text, "the json source"));
    assert_non_null(strstr(err.text, "did you mean 'maxFilesPerTriger'"));
    assert_int_equal(err.line, 3);
    assert_int_equal(sl_option_list_check(&list, "x", NULL, 0, NULL), SL_EOPTION);
}

static void read__gives_back_what_was_written_and_refuses_every_cut(void **state)
{
    (void)state;
    sl_bytes b = { 0 };
    sl_arena *a = sl_arena_new();
    sl_option_list back = { 0 };
    sl_option_list_write(&list, &b);
    sl_reader r = sl_reader_of(sl_bytes_span(&b));
    assert_int_equal(sl_option_list_read(&r, a, &back, NULL), SL_OK);
    assert_true(sl_reader_done(&r));
    assert_int_equal(back.count, 3);
    assert_string_equal(back.pairs[2].name, "path");
    assert_string_equal(back.pairs[2].value, "/in");
    for (size_t cut = 0; cut < b.size_bytes; cut++) {
        sl_error err = { 0 };
        r = sl_reader_of(sl_span_of(b.data, cut));
        assert_int_equal(sl_option_list_read(&r, a, &back, &err), SL_ECORRUPT);
    }
    sl_arena_free(a);
    sl_bytes_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get__ignores_case),
        cmocka_unit_test(typed__values_fall_back_and_name_their_position),
        cmocka_unit_test(check__names_the_nearest_known_option),
        cmocka_unit_test(read__gives_back_what_was_written_and_refuses_every_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
