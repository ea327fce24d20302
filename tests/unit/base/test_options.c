#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/options.h"

static const sl_option_def defs[] = {
    { "sluice.state.partitions", SL_OPTION_INT, "auto", "count",
      "spark.sql.shuffle.partitions", 1, 4096, "partitions | of state" },
    { "sluice.batch.rows", SL_OPTION_INT, "8192", "rows", NULL, 1, 16384, "rows" },
    { "sluice.memory", SL_OPTION_SIZE, "1g", "bytes", NULL, 0, 0, "budget" },
    { "sluice.poll.interval", SL_OPTION_DURATION, "100 ms", "ms", NULL, 0, 0, "poll" },
    { "sluice.trace", SL_OPTION_BOOL, "false", NULL, NULL, 0, 0, "trace" },
    { "sluice.mode", SL_OPTION_ENUM, "PERMISSIVE", "PERMISSIVE|DROPMALFORMED|FAILFAST",
      NULL, 0, 0, "mode" },
    { "sluice.name", SL_OPTION_STRING, "", NULL, NULL, 0, 0, "name" },
};

static int set_up(void **state)
{
    sl_options_register(defs, sizeof defs / sizeof defs[0]);
    *state = sl_options_new();
    return 0;
}

static int tear_down(void **state)
{
    sl_options_free(*state);
    return 0;
}

static void new__has_the_defaults_as_typed_values(void **state)
{
    sl_options *o = *state;
    assert_int_equal(sl_options_int(o, "sluice.batch.rows"), 8192);
    assert_int_equal(sl_options_int(o, "sluice.memory"), 1 << 30);
    assert_int_equal(sl_options_int(o, "sluice.poll.interval"), 100000);
    assert_false(sl_options_bool(o, "sluice.trace"));
    assert_string_equal(sl_options_text(o, "sluice.mode"), "PERMISSIVE");
    assert_string_equal(sl_options_text(o, "sluice.name"), "");
    assert_true(sl_options_is_auto(o, "sluice.state.partitions"));
    assert_false(sl_options_is_set(o, "sluice.state.partitions"));
}

static void registry__is_ordered_by_name_and_registers_once(void **state)
{
    (void)state;
    assert_int_equal(sl_options_def_count(), 7);
    for (uint32_t i = 1; i < sl_options_def_count(); i++)
        assert_true(strcmp(sl_options_def(i - 1)->name, sl_options_def(i)->name) < 0);
    assert_ptr_equal(sl_options_find_def("spark.sql.shuffle.partitions"), &defs[0]);
    assert_null(sl_options_find_def("nothing"));
}

static void set__takes_names_aliases_and_auto(void **state)
{
    sl_options *o = *state;
    assert_int_equal(sl_options_set(o, "spark.sql.shuffle.partitions", "7", NULL), SL_OK);
    assert_int_equal(sl_options_int(o, "sluice.state.partitions"), 7);
    assert_string_equal(sl_options_text(o, "sluice.state.partitions"), "7");
    assert_true(sl_options_is_set(o, "sluice.state.partitions"));
    assert_false(sl_options_is_auto(o, "sluice.state.partitions"));
    assert_int_equal(sl_options_set(o, "sluice.state.partitions", "AUTO", NULL), SL_OK);
    assert_true(sl_options_is_auto(o, "sluice.state.partitions"));
    assert_int_equal(sl_options_set(o, "sluice.mode", "failfast", NULL), SL_OK);
    assert_string_equal(sl_options_text(o, "sluice.mode"), "FAILFAST");
    assert_int_equal(sl_options_set(o, "sluice.poll.interval", "2 s", NULL), SL_OK);
    assert_int_equal(sl_options_int(o, "sluice.poll.interval"), 2000000);
    assert_int_equal(sl_options_unset(o, "sluice.mode", NULL), SL_OK);
    assert_string_equal(sl_options_text(o, "sluice.mode"), "PERMISSIVE");
    assert_false(sl_options_is_set(o, "sluice.mode"));
}

static void set__with_a_bad_value_names_the_option_and_changes_nothing(void **state)
{
    sl_options *o = *state;
    static const char *const bad[][2] = {
        { "sluice.batch.rows", "0" },
        { "sluice.batch.rows", "16385" },
        { "sluice.batch.rows", "auto" },
        { "sluice.batch.rows", "many" },
        { "sluice.memory", "5 parsecs" },
        { "sluice.poll.interval", "2 months" },
        { "sluice.trace", "maybe" },
        { "sluice.mode", "FAIL" },
        { "sluice.mode", "" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        sl_error err = { 0 };
        assert_int_equal(sl_options_set(o, bad[i][0], bad[i][1], &err), SL_EOPTION);
        assert_non_null(strstr(err.text, bad[i][0]));
        assert_int_equal(sl_options_set(o, bad[i][0], bad[i][1], NULL), SL_EOPTION);
        assert_false(sl_options_is_set(o, bad[i][0]));
    }
}

static void set__of_an_unknown_name_gives_the_nearest(void **state)
{
    sl_options *o = *state;
    sl_error err = { 0 };
    assert_int_equal(sl_options_set(o, "sluice.state.partition", "7", &err), SL_EOPTION);
    assert_non_null(strstr(err.text, "'sluice.state.partitions'"));
    assert_string_equal(err.condition, "UNKNOWN_OPTION");
    assert_int_equal(sl_options_unset(o, "elephant", &err), SL_EOPTION);
    assert_null(strstr(err.text, "did you mean"));
}

static void copy__is_independent(void **state)
{
    sl_options *o = *state;
    assert_int_equal(sl_options_set(o, "sluice.name", "one", NULL), SL_OK);
    sl_options *copy = sl_options_copy(o);
    assert_int_equal(sl_options_set(o, "sluice.name", "two", NULL), SL_OK);
    assert_string_equal(sl_options_text(copy, "sluice.name"), "one");
    sl_options_free(copy);
    sl_options_free(NULL);
}

static void environment__sets_by_upper_case_name(void **state)
{
    sl_options *o = *state;
    setenv("SLUICE_STATE_PARTITIONS", "8", 1);
    assert_int_equal(sl_options_from_environment(o, NULL), SL_OK);
    assert_int_equal(sl_options_int(o, "sluice.state.partitions"), 8);
    setenv("SLUICE_STATE_PARTITIONS", "eight", 1);
    sl_error err = { 0 };
    assert_int_equal(sl_options_from_environment(o, &err), SL_EOPTION);
    assert_non_null(strstr(err.text, "SLUICE_STATE_PARTITIONS"));
    assert_int_equal(sl_options_from_environment(o, NULL), SL_EOPTION);
    unsetenv("SLUICE_STATE_PARTITIONS");
}

static void table__has_a_row_for_each_option(void **state)
{
    (void)state;
    sl_bytes out = { 0 };
    sl_options_table(&out);
    const char *text = sl_bytes_cstr(&out);
    assert_non_null(
        strstr(text, "| `sluice.batch.rows` | int | `8192` | rows | | rows |\n"));
    assert_non_null(strstr(text, "partitions \\| of state"));
    assert_non_null(strstr(text, "`spark.sql.shuffle.partitions`"));
    sl_bytes_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(new__has_the_defaults_as_typed_values, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(registry__is_ordered_by_name_and_registers_once,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(set__takes_names_aliases_and_auto, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            set__with_a_bad_value_names_the_option_and_changes_nothing, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(set__of_an_unknown_name_gives_the_nearest, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(copy__is_independent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(environment__sets_by_upper_case_name, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(table__has_a_row_for_each_option, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
