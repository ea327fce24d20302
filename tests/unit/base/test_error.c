#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/error.h"

static void fail__fills_code_defaults_and_text(void **state)
{
    (void)state;
    sl_error err = { .line = 7 };
    assert_int_equal(sl_fail(&err, SL_EBUDGET, "%d of %s", 3, "four"), SL_EBUDGET);
    assert_int_equal(err.code, SL_EBUDGET);
    assert_string_equal(err.text, "3 of four");
    assert_string_equal(err.sqlstate, "53200");
    assert_string_equal(err.condition, "MEMORY_BUDGET_EXCEEDED");
    assert_int_equal(err.line, 0);
}

static void fail__works_without_a_struct(void **state)
{
    (void)state;
    assert_int_equal(sl_fail(NULL, SL_EIO, "x"), SL_EIO);
    assert_int_equal(sl_fail_errno(NULL, ENOSPC, "x"), SL_ENOSPACE);
    assert_int_equal(sl_error_prefix(NULL, "x"), SL_EINTERNAL);
}

static void fail__may_quote_the_old_text_of_the_same_struct(void **state)
{
    (void)state;
    sl_error err = { 0 };
    (void)sl_fail(&err, SL_EIO, "inner");
    (void)sl_fail(&err, SL_ECORRUPT, "outer: %s", err.text);
    assert_string_equal(err.text, "outer: inner");
}

static void fail__cuts_a_long_text(void **state)
{
    (void)state;
    char big[3000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    sl_error err;
    (void)sl_fail_errno(&err, EIO, "%s", big);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    (void)sl_error_prefix(&err, "%s", big);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    (void)sl_error_prefix(&err, "p");
    assert_memory_equal(err.text, "p: xxx", 6);
}

static void fail_as__takes_class_and_state_of_spark(void **state)
{
    (void)state;
    sl_error err;
    (void)sl_fail_as(&err, SL_EANALYSIS, "UNRESOLVED_COLUMN", NULL, "no column %s", "a");
    assert_string_equal(err.condition, "UNRESOLVED_COLUMN");
    assert_string_equal(err.sqlstate, "42000");
    (void)sl_fail_as(&err, SL_EANALYSIS, NULL, "42703", "no");
    assert_string_equal(err.condition, "ANALYSIS_ERROR");
    assert_string_equal(err.sqlstate, "42703");
}

static void fail_errno__maps_what_callers_tell_apart(void **state)
{
    (void)state;
    sl_error err;
    assert_int_equal(sl_fail_errno(&err, ENOENT, "cannot open %s", "a"), SL_ENOTFOUND);
    assert_string_equal(err.text, "cannot open a: No such file or directory");
    assert_int_equal(sl_fail_errno(&err, EEXIST, "x"), SL_EEXISTS);
    assert_int_equal(sl_fail_errno(&err, EDQUOT, "x"), SL_ENOSPACE);
    assert_int_equal(sl_fail_errno(&err, ENOMEM, "x"), SL_ENOMEM);
    assert_int_equal(sl_fail_errno(&err, EPERM, "x"), SL_EIO);
}

static void prefix__goes_in_front_and_keeps_the_code(void **state)
{
    (void)state;
    sl_error err;
    (void)sl_fail(&err, SL_EDATA, "bad row");
    assert_int_equal(sl_error_prefix(&err, "%s line %d", "f.json", 3), SL_EDATA);
    assert_string_equal(err.text, "f.json line 3: bad row");
}

static void code__has_name_and_kind(void **state)
{
    (void)state;
    assert_string_equal(sl_code_name(SL_OK), "OK");
    assert_string_equal(sl_code_name(SL_EFENCED), "EFENCED");
    assert_string_equal(sl_code_name((sl_code)9999), "UNKNOWN");
    assert_int_equal(sl_code_kind(SL_EPARSE), SL_KIND_USER);
    assert_int_equal(sl_code_kind(SL_ELOST), SL_KIND_RETRY);
    assert_int_equal(sl_code_kind(SL_ECORRUPT), SL_KIND_FATAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail__fills_code_defaults_and_text),
        cmocka_unit_test(fail__works_without_a_struct),
        cmocka_unit_test(fail__may_quote_the_old_text_of_the_same_struct),
        cmocka_unit_test(fail__cuts_a_long_text),
        cmocka_unit_test(fail_as__takes_class_and_state_of_spark),
        cmocka_unit_test(fail_errno__maps_what_callers_tell_apart),
        cmocka_unit_test(prefix__goes_in_front_and_keeps_the_code),
        cmocka_unit_test(code__has_name_and_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
