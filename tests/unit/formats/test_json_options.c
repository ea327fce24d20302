/* Unit tests of formats/json_options.c. */
#include "tests/unit/formats/json_fixture.h"

static sl_code read_one(const char *name, const char *value, sl_json_options *ret,
                        sl_error *err)
{
    sl_option_pair pair = { .name = name, .value = value };
    sl_option_list list = { 1, &pair };
    return sl_json_read_options(&list, ret, err);
}

static void read__has_sparks_defaults(void **state)
{
    (void)state;
    sl_json_options o;
    sl_option_list none = { 0 };
    OK(sl_json_read_options(&none, &o, NULL));
    assert_int_equal(o.mode, SL_JSON_PERMISSIVE);
    assert_string_equal(o.corrupt_column, "_corrupt_record");
    assert_null(o.zone);
    assert_true(o.allow_single_quotes && o.allow_non_numeric);
    assert_false(o.allow_comments || o.allow_unquoted_names || o.allow_leading_zeros ||
                 o.allow_any_escape || o.allow_control_chars || o.primitives_as_string ||
                 o.drop_field_if_all_null);
}

static void read__takes_what_is_given_in_any_case(void **state)
{
    (void)state;
    sl_json_options o;
    OK(read_one("MODE", "failFast", &o, NULL));
    assert_int_equal(o.mode, SL_JSON_FAILFAST);
    OK(read_one("mode", "dropmalformed", &o, NULL));
    assert_int_equal(o.mode, SL_JSON_DROPMALFORMED);
    OK(read_one("columnNameOfCorruptRecord", "bad", &o, NULL));
    assert_string_equal(o.corrupt_column, "bad");
    OK(read_one("timezone", "+02:00", &o, NULL));
    assert_int_equal(sl_time_zone_offset_us(o.zone, 0), INT64_C(7200000000));
    OK(read_one("allowComments", "TRUE", &o, NULL));
    assert_true(o.allow_comments);
    OK(read_one("allowSingleQuotes", "false", &o, NULL));
    assert_false(o.allow_single_quotes);
    OK(read_one("multiLine", "false", &o, NULL)); /* what is built may be said */
    OK(read_one("encoding", "utf-8", &o, NULL));
}

static void read__refuses_bad_values_and_names_good_ones(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *text;
    } bad[] = {
        { "mode", "LENIENT", "option mode is 'LENIENT'; expected PERMISSIVE" },
        { "allowComments", "maybe", "maybe" },
        { "timeZone", "Mars/Olympus", "Mars/Olympus" },
        { "columnNameOfCorruptRecord", "", "has 0 bytes" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sl_json_options o = { .mode = 77 };
        sl_error err = { 0 };
        assert_int_not_equal(read_one(bad[i].name, bad[i].value, &o, &err), SL_OK);
        if (strstr(err.text, bad[i].text) == NULL)
            fail_msg("%s", err.text);
        assert_int_equal(o.mode, 77); /* untouched */
    }
    char name[300];
    memset(name, 'x', sizeof name);
    name[256] = '\0';
    sl_json_options o;
    assert_int_equal(read_one("columnNameOfCorruptRecord", name, &o, NULL), SL_EOPTION);
    name[255] = '\0';
    OK(read_one("columnNameOfCorruptRecord", name, &o, NULL));
}

static void read__never_ignores_what_would_change_rows(void **state)
{
    (void)state;
    static const char *const unsupported[][2] = {
        { "multiLine", "true" },
        { "encoding", "UTF-16" },
        { "timestampFormat", "dd/MM" },
        { "dateFormat", "dd.MM.yyyy" },
        { "samplingRatio", "0.1" },
        { "inferTimestamp", "true" },
        { "prefersDecimal", "true" },
        { "compression", "gzip" },
        { "lineSep", ";" },
        { "locale", "fr-FR" },
    };
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++) {
        sl_json_options o;
        sl_error err = { 0 };
        assert_int_equal(read_one(unsupported[i][0], unsupported[i][1], &o, &err),
                         SL_EUNSUPPORTED);
        assert_non_null(strstr(err.text, unsupported[i][0]));
        assert_non_null(strstr(err.text, unsupported[i][1]));
        assert_non_null(strstr(err.text, ": ")); /* and what to do */
    }
}

static void check_write__refuses_other_ways_of_writing(void **state)
{
    (void)state;
    sl_option_pair pair = { .name = "ignoreNullFields", .value = "false" };
    sl_option_list list = { 1, &pair };
    sl_error err = { 0 };
    assert_int_equal(sl_json_check_write_options(&list, &err), SL_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "ignoreNullFields"));
    pair = (sl_option_pair){ .name = "compression", .value = "none" };
    OK(sl_json_check_write_options(&list, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read__has_sparks_defaults),
        cmocka_unit_test(read__takes_what_is_given_in_any_case),
        cmocka_unit_test(read__refuses_bad_values_and_names_good_ones),
        cmocka_unit_test(read__never_ignores_what_would_change_rows),
        cmocka_unit_test(check_write__refuses_other_ways_of_writing),
    };
    return cmocka_run_group_tests_name("formats/json options", tests, NULL, NULL);
}
