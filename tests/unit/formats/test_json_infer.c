/* Unit tests of formats/json_infer.c (spark:FJ4). */
#include "tests/unit/formats/json_fixture.h"

#include "formats/json_infer.h"

static sl_json_options defaults(void)
{
    sl_json_options o;
    sl_option_list none = { 0 };
    OK(sl_json_read_options(&none, &o, NULL));
    return o;
}

static sl_code infer(const sl_json_options *o, const char *const *texts, uint32_t count,
                     sl_bytes *out, sl_error *err)
{
    sl_json_inference *i = sl_json_inference_new(o);
    sl_arena *arena = sl_arena_new();
    sl_schema *schema = NULL;
    sl_code code = SL_OK;
    for (uint32_t k = 0; k < count && code == SL_OK; k++) {
        memory_file file = memory_file_of(texts[k], strlen(texts[k]));
        code = sl_json_inference_file(i, &file.file, "test.json", err);
    }
    if (code == SL_OK)
        code = sl_json_inference_schema(i, arena, &schema, err);
    if (code == SL_OK)
        sl_schema_simple(schema, out);
    sl_arena_free(arena);
    sl_json_inference_free(i);
    return code;
}

static void assert_schema(const sl_json_options *o, const char *text,
                          const char *expected)
{
    sl_bytes out = { 0 };
    sl_error err = { .text = "" };
    if (infer(o, &text, 1, &out, &err) != SL_OK)
        fail_msg("%s", err.text);
    assert_string_equal(sl_bytes_cstr(&out), expected);
    sl_bytes_deinit(&out);
}

static void file__takes_types_as_spark_does_and_sorts_fields(void **state)
{
    (void)state;
    sl_json_options o = defaults();
    assert_schema(&o,
                  "{\"z\":1,\"b\":true,\"s\":\"x\",\"d\":1.5,\"n\":null,\"B\":2e3,"
                  "\"o\":{\"y\":1,\"x\":{\"k\":null}},\"e\":{},\"a\":[1]}\n",
                  "struct<B:double,a:string,b:boolean,d:double,n:string,"
                  "o:struct<x:struct<k:string>,y:bigint>,s:string,z:bigint>");
    assert_schema(&o, "", "struct<>");
    assert_schema(&o, "\n \r\n{}\n", "struct<>");
}

static void file__merges_what_rows_say(void **state)
{
    (void)state;
    sl_json_options o = defaults();
    assert_schema(&o,
                  "{\"a\":1,\"b\":1,\"c\":1,\"d\":null,\"e\":{\"x\":1},\"f\":{\"x\":1}}\n"
                  "{\"a\":1.5,\"b\":\"x\",\"c\":true,\"d\":5,\"e\":{\"y\":2,\"x\":1.5},"
                  "\"f\":3,\"g\":1}\n{\"a\":2,\"e\":null}\n",
                  "struct<a:double,b:string,c:string,d:bigint,"
                  "e:struct<x:double,y:bigint>,f:string,g:bigint>");
    sl_bytes out = { 0 };
    const char *const files[] = { "{\"a\":1}\n", "{\"b\":2,\"a\":0.5}\n" };
    OK(infer(&o, files, 2, &out, NULL));
    assert_string_equal(sl_bytes_cstr(&out), "struct<a:double,b:bigint>");
    sl_bytes_deinit(&out);
}

static void file__knows_which_integers_are_long(void **state)
{
    (void)state;
    sl_json_options o = defaults();
    assert_schema(
        &o,
        "{\"a\":9223372036854775807,\"b\":9223372036854775808,"
        "\"c\":-9223372036854775808,\"d\":-9223372036854775809,"
        "\"e\":99999999999999999999,\"f\":-0,\"g\":1e400}\n",
        "struct<a:bigint,b:double,c:bigint,d:double,e:double,f:bigint,g:double>");
}

static void file__looks_into_arrays_of_objects_and_ignores_what_follows(void **state)
{
    (void)state;
    sl_json_options o = defaults();
    assert_schema(&o, "\xef\xbb\xbf[{\"a\":1},{\"b\":2}]\r\n{\"c\":3} rest\r{\"d\":4}",
                  "struct<a:bigint,b:bigint,c:bigint,d:bigint>");
}

static void file__follows_the_mode_on_malformed_lines(void **state)
{
    (void)state;
    sl_json_options o = defaults();
    static const char TEXT[] = "{\"a\":1}\n{\"a\":\n[1]\n7\n{\"z\":\"\xff\"}\n";
    assert_schema(&o, TEXT, "struct<_corrupt_record:string,a:bigint>");
    snprintf(o.corrupt_column, sizeof o.corrupt_column, "bad");
    assert_schema(&o, TEXT, "struct<a:bigint,bad:string>");
    assert_schema(&o, "{\"bad\":1}\noops\n", "struct<bad:bigint>"); /* a field has it */
    o.mode = SL_JSON_DROPMALFORMED;
    assert_schema(&o, TEXT, "struct<a:bigint>");
    o.mode = SL_JSON_FAILFAST;
    sl_bytes out = { 0 };
    sl_error err = { 0 };
    const char *text = TEXT;
    assert_int_equal(infer(&o, &text, 1, &out, &err), SL_EDATA);
    assert_string_equal(err.condition, "MALFORMED_RECORD_IN_SCHEMA_INFERENCE");
    assert_non_null(strstr(err.text, "byte 8 of test.json"));
    sl_bytes_deinit(&out);
}

static void file__obeys_its_options(void **state)
{
    (void)state;
    sl_json_options o = defaults();
    static const char TEXT[] =
        "{\"a\":1,\"n\":null,\"o\":{\"x\":true,\"m\":null},\"l\":[]}\n";
    o.primitives_as_string = true;
    assert_schema(&o, TEXT,
                  "struct<a:string,l:string,n:string,o:struct<m:string,x:string>>");
    o = defaults();
    o.drop_field_if_all_null = true;
    assert_schema(&o, TEXT, "struct<a:bigint,l:string,o:struct<x:boolean>>");
    o.allow_single_quotes = false;
    assert_schema(&o, "{'a':1}\n", "struct<_corrupt_record:string>");
    o.allow_unquoted_names = true;
    assert_schema(&o, "{a:1}\n", "struct<a:bigint>");
}

static void file__leaves_nameless_fields_out_and_bounds_nesting(void **state)
{
    (void)state;
    sl_json_options o = defaults();
    assert_schema(&o, "{\"\":1,\"\\u0000\":2,\"a\":3}\n", "struct<a:bigint>");
    sl_bytes text = { 0 }, out = { 0 };
    for (int i = 0; i < 900; i++)
        sl_bytes_append(&text, "{\"k\":", 5);
    sl_bytes_append(&text, "1", 1);
    for (int i = 0; i < 900; i++)
        sl_bytes_char(&text, '}');
    const char *deep = sl_bytes_cstr(&text);
    OK(infer(&o, &deep, 1, &out, NULL)); /* deeper than types go: text */
    assert_non_null(strstr(sl_bytes_cstr(&out), "k:string"));
    sl_bytes_deinit(&text);
    sl_bytes_deinit(&out);
}

static void file__refuses_more_fields_than_a_table_may_have(void **state)
{
    (void)state;
    sl_json_options o = defaults();
    sl_bytes text = { 0 }, out = { 0 };
    sl_error err = { 0 };
    for (int i = 0; i <= SL_COLUMNS_MAX; i++)
        sl_bytes_printf(&text, "{\"k%d\":1}\n", i);
    const char *many = sl_bytes_cstr(&text);
    assert_int_equal(infer(&o, &many, 1, &out, &err), SL_ELIMIT);
    assert_non_null(strstr(err.text, "test.json has more than 4096"));
    sl_bytes_deinit(&text);
    sl_bytes_deinit(&out);
}

static void file__fails_cleanly_on_faults(void **state)
{
    (void)state;
    sl_json_options o = defaults();
    static const char TEXT[] = "{\"a\":1,\"b\":{\"c\":\"x\"}}\n{\"d\":2}\n";
    for (uint64_t nth = 1;; nth++) { /* every allocation */
        sl_bytes out = { 0 };
        sl_error err = { 0 };
        const char *text = TEXT;
        sl_alloc_fail_after(nth);
        sl_code code = infer(&o, &text, 1, &out, &err);
        sl_alloc_fail_after(0);
        sl_bytes_deinit(&out);
        if (code == SL_OK) {
            assert_true(nth > 1);
            break;
        }
        assert_int_equal(code, SL_ENOMEM);
    }
    sl_json_inference *i = sl_json_inference_new(&o);
    memory_file file = memory_file_of(TEXT, strlen(TEXT));
    sl_error err = { 0 };
    file.fail_at_read = 1;
    assert_int_equal(sl_json_inference_file(i, &file.file, "test.json", &err), SL_EIO);
    assert_non_null(strstr(err.text, "test.json at byte 0"));
    sl_json_inference_free(i);
    sl_json_inference_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file__takes_types_as_spark_does_and_sorts_fields),
        cmocka_unit_test(file__merges_what_rows_say),
        cmocka_unit_test(file__knows_which_integers_are_long),
        cmocka_unit_test(file__looks_into_arrays_of_objects_and_ignores_what_follows),
        cmocka_unit_test(file__follows_the_mode_on_malformed_lines),
        cmocka_unit_test(file__obeys_its_options),
        cmocka_unit_test(file__leaves_nameless_fields_out_and_bounds_nesting),
        cmocka_unit_test(file__refuses_more_fields_than_a_table_may_have),
        cmocka_unit_test(file__fails_cleanly_on_faults),
    };
    return cmocka_run_group_tests_name("formats/json infer", tests, NULL, NULL);
}
