/* Column names (spark:O15), result types, refusals and intervals. */
#include "tests/unit/engine/expr/expr_text.h"

#include "engine/expr/aggregate.h"

static sl_arena *arena;
static const sl_schema *schema;

static int set_up(void **state)
{
    (void)state;
    arena = sl_arena_new();
    static sl_field fields[] = { { .name = "a", .nullable = true },
                                 { .name = "s", .nullable = true },
                                 { .name = "ts", .nullable = false },
                                 { .name = "w", .nullable = false },
                                 { .name = "b", .nullable = false } };
    fields[0].type = sl_type_of(SL_TYPE_INT);
    fields[1].type = sl_type_of(SL_TYPE_STRING);
    fields[2].type = sl_type_of(SL_TYPE_TIMESTAMP);
    fields[3].type = sl_type_window(fields[2].type);
    fields[4].type = sl_type_of(SL_TYPE_BOOLEAN);
    static sl_schema five = { 5, fields };
    schema = &five;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sl_arena_free(arena);
    return 0;
}

static const sl_expr *make(const char *text)
{
    const sl_expr *e = NULL;
    sl_error err = { 0 };
    if (expr_of(arena, text, schema, &e, &err) != SL_OK)
        fail_msg("%s: %s", text, err.text);
    return e;
}

static void call__names_its_column_as_spark_does(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "(+ $a 1)", "(a + 1)" },
        { "(- $a)", "(- a)" },
        { "(/ $a 2)", "(a / 2)" },
        { "(mod $a 2)", "mod(a, 2)" },
        { "(div $a 2)", "(a div 2)" },
        { "(= $s 'x')", "(s = x)" },
        { "(= $s 1)", "(s = 1)" },
        { "(<> $a 1)", "(NOT (a = 1))" },
        { "(and (>= $a 1) $b)", "((a >= 1) AND b)" },
        { "(between $a 1 2)", "between(a, 1, 2)" },
        { "(in $a 1 2)", "(a IN (1, 2))" },
        { "(not $b)", "(NOT b)" },
        { "(isnull $a)", "(a IS NULL)" },
        { "(isnotnull $a)", "(a IS NOT NULL)" },
        { "(upper $s)", "upper(s)" },
        { "(|| $s 'x')", "concat(s, x)" },
        { "(concat $s 1)", "concat(s, 1)" },
        { "(substring $s 2)", "substring(s, 2, 2147483647)" },
        { "(substr $s 1 2)", "substr(s, 1, 2)" },
        { "(char_length $s)", "char_length(s)" },
        { "(cast $a string)", "CAST(a AS STRING)" },
        { "(cast $a long)", "CAST(a AS BIGINT)" },
        { "(cast $a int)", "CAST(a AS INT)" },
        { "(case (> $a 1) 'x' 'y')", "CASE WHEN (a > 1) THEN x ELSE y END" },
        { "(case (> $a 1) 'x')", "CASE WHEN (a > 1) THEN x END" },
        { "(if $b 1 2)", "(IF(b, 1, 2))" },
        { "(nvl $a 1)", "nvl(a, 1)" },
        { "(nullif $a 1)", "nullif(a, 1)" },
        { "(coalesce $a 1L)", "coalesce(a, 1)" },
        { "(round 2.5)", "round(2.5, 0)" },
        { "(floor 2.5)", "FLOOR(2.5)" },
        { "(ceil $a)", "CEIL(a)" },
        { "(sqrt $a)", "SQRT(a)" },
        { "(pow $a 2)", "pow(a, 2)" },
        { "(power $a 2)", "POWER(a, 2)" },
        { "(like $s 'a%')", "s LIKE a%" },
        { "(. $w start)", "w.start" },
        { "(window_time $w)", "window_time(w)" },
        { "(current_timestamp)", "current_timestamp()" },
        { "(to_date $s)", "to_date(s)" },
        { "(+ $ts i'10 minutes')", "ts + INTERVAL '10' MINUTE" },
        { "(- $ts $ts)", "(ts - ts)" },
        { "(unix_timestamp $ts)", "unix_timestamp(ts, yyyy-MM-dd HH:mm:ss)" },
        { "(struct $a $s)", "struct(a, s)" },
        { "(= $ts d'2020-01-01')", "(ts = DATE '2020-01-01')" },
        { "(= $ts t'2020-01-01 00:00:00')", "(ts = TIMESTAMP '2020-01-01 00:00:00')" },
        { "(= $a null)", "(a = NULL)" },
        { "(= $b true)", "(b = true)" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(make(cases[i][0])->pretty, cases[i][1]);
}

static void call__has_sparks_result_type(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "(+ 1 1L)", "bigint" },
        { "(+ 1b 1s)", "smallint" },
        { "(/ 1 2)", "double" },
        { "(div 1 2)", "bigint" },
        { "(+ 1 1.5f)", "double" },
        { "(+ 1.5f 1.5f)", "float" },
        { "(+ '1' 1)", "bigint" },
        { "(+ '1' 1.0)", "double" },
        { "(- d'2020-01-01' 1)", "date" },
        { "(coalesce 1 2L)", "bigint" },
        { "(coalesce 'a' 1)", "bigint" },
        { "(case true 1 2.0)", "double" },
        { "(floor 1.5)", "bigint" },
        { "(round 1.5f)", "float" },
        { "(length 'a')", "int" },
        { "(greatest 1 2.0)", "double" },
        { "(struct $a $s)", "struct<a:int,s:string>" },
        { "(struct 1 (. $w end))", "struct<col1:int,end:timestamp>" },
        { "(- $ts $ts)", "interval day to second" },
        { "(+ $ts i'1 month')", "timestamp" },
        { "(date_trunc 'day' d'2020-01-01')", "timestamp" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sl_bytes b = { 0 };
        sl_type_simple(make(cases[i][0])->type, &b);
        assert_string_equal(sl_bytes_cstr(&b), cases[i][1]);
        sl_bytes_deinit(&b);
    }
    assert_true(make("(+ $a 1)")->nullable);
    assert_false(make("(unix_timestamp $ts)")->nullable);
    assert_false(make("(coalesce $a 1)")->nullable);
    assert_true(make("(case true 1)")->nullable);
    assert_false(make("(<=> $a 1)")->nullable);
    assert_false(make("(. $w start)") == NULL);
}

static void call__refuses_with_sparks_class_and_position(void **state)
{
    (void)state;
    static const char *const cases[][4] = {
        { "(+ $a $b)", "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES", "42K09",
          "Cannot resolve \"(a + b)\" due to data type mismatch: the left and right "
          "operands of the binary operator have incompatible types (\"INT\" and "
          "\"BOOLEAN\")." },
        { "(+ $b $b)", "DATATYPE_MISMATCH.BINARY_OP_WRONG_TYPE", "42K09", NULL },
        { "(+ $s $s)", "DATATYPE_MISMATCH.BINARY_OP_WRONG_TYPE", "42K09", NULL },
        { "(hour $b)", "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09",
          "Cannot resolve \"hour(b)\" due to data type mismatch: The first parameter "
          "requires the \"TIMESTAMP\" type, however \"b\" has the type \"BOOLEAN\"." },
        { "(and $a $b)", "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES", "42K09", NULL },
        { "(upper $w)", "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09", NULL },
        { "(upper)", "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605",
          "The `upper` requires 1 parameters but the actual number is 0. It is written: "
          "upper(s): in capitals" },
        { "(substring $s)", "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605", NULL },
        { "(uper $s)", "UNRESOLVED_ROUTINE", "42883",
          "Cannot resolve routine `uper`. Did you mean `upper`?" },
        { "(. $w stat)", "FIELD_NOT_FOUND", "42704",
          "No such struct field `stat` in `start`, `end`. Did you mean `start`?" },
        { "(. $a x)", "INVALID_EXTRACT_BASE_FIELD_TYPE", "42000", NULL },
        { "(case $a 1 2)", "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09", NULL },
        { "(case $b 1 true)", "DATATYPE_MISMATCH.DATA_DIFF_TYPES", "42K09", NULL },
        { "(coalesce $a $b)", "DATATYPE_MISMATCH.DATA_DIFF_TYPES", "42K09", NULL },
        { "(= $a $ts)", "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES", "42K09", NULL },
        { "(cast $b date)", "DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION", "42K09",
          "Cannot resolve \"CAST(b AS DATE)\" due to data type mismatch: cannot cast "
          "\"BOOLEAN\" to \"DATE\"." },
        { "(window_time $w $a)", "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605", NULL },
        { "(window_time $a)", "_LEGACY_ERROR_TEMP_3101", "42000", NULL },
        { "(round 1.5 $a)", "DATATYPE_MISMATCH.NON_FOLDABLE_INPUT", "42K09", NULL },
        { "(named_struct $s 1)",
          "DATATYPE_MISMATCH.CREATE_NAMED_STRUCT_WITHOUT_FOLDABLE_STRING", "42K09",
          NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sl_error err = { 0 };
        const sl_expr *e = NULL;
        assert_int_not_equal(expr_of(arena, cases[i][0], schema, &e, &err), SL_OK);
        assert_null(e);
        assert_string_equal(err.condition, cases[i][1]);
        assert_string_equal(err.sqlstate, cases[i][2]);
        if (cases[i][3] != NULL)
            assert_string_equal(err.text, cases[i][3]);
        if (strncmp(cases[i][0], "(cast", 5) != 0)
            assert_int_equal(err.column, 7);
    }
}

static void call__bounds_the_depth_of_a_tree(void **state)
{
    (void)state;
    const sl_expr *e = make("$a"), *one = make("1");
    sl_code code = SL_OK;
    sl_sql_pos pos = { 0, 0 };
    uint32_t depth = 1;
    for (; depth < 5000 && code == SL_OK; depth++) {
        const sl_expr *args[2] = { one, e };
        code = sl_expr_call(arena, "=", args, 2, pos, &e, NULL);
        if (code == SL_OK)
            code = sl_expr_cast(arena, e, sl_type_of(SL_TYPE_INT), false, &e, NULL);
    }
    assert_int_equal(code, SL_ELIMIT);
    assert_true(e->depth <= SL_EXPR_DEPTH_MAX);
}

static void type_common__is_ansi(void **state)
{
    (void)state;
    static const sl_type_id cases[][3] = {
        { SL_TYPE_INT, SL_TYPE_LONG, SL_TYPE_LONG },
        { SL_TYPE_INT, SL_TYPE_FLOAT, SL_TYPE_DOUBLE },
        { SL_TYPE_FLOAT, SL_TYPE_FLOAT, SL_TYPE_FLOAT },
        { SL_TYPE_VOID, SL_TYPE_DATE, SL_TYPE_DATE },
        { SL_TYPE_STRING, SL_TYPE_INT, SL_TYPE_LONG },
        { SL_TYPE_STRING, SL_TYPE_FLOAT, SL_TYPE_DOUBLE },
        { SL_TYPE_STRING, SL_TYPE_TIMESTAMP, SL_TYPE_TIMESTAMP },
        { SL_TYPE_STRING, SL_TYPE_BOOLEAN, SL_TYPE_BOOLEAN },
        { SL_TYPE_DATE, SL_TYPE_TIMESTAMP, SL_TYPE_TIMESTAMP },
        { SL_TYPE_DATE, SL_TYPE_TIMESTAMP_NTZ, SL_TYPE_TIMESTAMP_NTZ },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const sl_type *a = sl_type_of(cases[i][0]), *b = sl_type_of(cases[i][1]);
        assert_int_equal(sl_type_common(a, b, arena)->id, cases[i][2]);
        assert_int_equal(sl_type_common(b, a, arena)->id, cases[i][2]);
    }
    assert_null(
        sl_type_common(sl_type_of(SL_TYPE_INT), sl_type_of(SL_TYPE_BOOLEAN), arena));
    assert_null(sl_type_common(sl_type_of(SL_TYPE_INT), sl_type_of(SL_TYPE_DATE), arena));
}

static void fold__keeps_what_fails_and_what_the_zone_decides(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool literal;
    } cases[] = { { "(+ 1 2)", true },
                  { "(div 1 0)", false },
                  { "(and false (= (div 1 0) 1))", true },
                  { "(case false (div 1 0) 5)", true },
                  { "(upper 'x')", true },
                  { "(now)", false },
                  { "(rand)", false },
                  { "(cast '2020-01-01' timestamp)", false },
                  { "(cast '2020-01-01' date)", true },
                  { "(+ $a (+ 1 2))", false } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const sl_expr *e = make(cases[i].text), *folded = sl_expr_fold(arena, e);
        assert_int_equal(folded->kind == SL_EXPR_LITERAL, cases[i].literal);
        assert_string_equal(folded->pretty, e->pretty);
        assert_true(sl_type_equal(folded->type, e->type));
    }
    const sl_expr *sum = sl_expr_fold(arena, make("(+ $a (+ 1 2))"));
    assert_int_equal(sum->args[1]->literal.i64, 3);
}

static void walks__see_every_column(void **state)
{
    (void)state;
    const sl_expr *e = make("(coalesce $a (length $s))");
    uint64_t used = 0;
    sl_expr_mark_columns(e, &used);
    assert_int_equal(used, 3);
    assert_false(sl_expr_is_constant(e));
    assert_true(sl_expr_is_deterministic(e));
    assert_false(sl_expr_is_deterministic(make("(+ (rand) 1)")));
    const uint32_t map[] = { 4, 9, 0, 0, 0 };
    used = 0;
    const sl_expr *moved = sl_expr_remap(arena, e, map);
    sl_expr_mark_columns(moved, &used);
    assert_int_equal(used, 1 << 4 | 1 << 9);
    assert_false(sl_expr_equal(e, moved));
    const sl_expr *by[] = { make("(+ $a 1)"), make("(upper $s)") };
    const sl_expr *put = sl_expr_substitute(arena, e, by);
    assert_true(sl_expr_equal(put, make("(coalesce (+ $a 1) (length (upper $s)))")));
    sl_bytes b = { 0 };
    sl_expr_print(put, schema, &b);
    assert_string_equal(sl_bytes_cstr(&b), "coalesce((a + 1), length(upper(s)))");
    sl_bytes_deinit(&b);
}

static void interval_parse__reads_all_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int32_t months;
        int64_t us;
    } good[] = {
        { "10 minutes", 0, 600000000 },
        { "1 day 2 hours", 0, INT64_C(93600000000) },
        { "interval 1 week", 0, INT64_C(604800000000) },
        { "-5 seconds", 0, -5000000 },
        { "1.5 seconds", 0, 1500000 },
        { "1 month -40 days", 1, INT64_C(-3456000000000) },
        { "2 years 3 months", 27, 0 },
        { "INTERVAL '1' DAY", 0, INT64_C(86400000000) },
        { "INTERVAL '-10' SECOND", 0, -10000000 },
        { "INTERVAL -'1' DAY", 0, INT64_C(-86400000000) },
        { "INTERVAL '1 02:03:04.5' DAY TO SECOND", 0, INT64_C(93784500000) },
        { "INTERVAL '-1 02:03' DAY TO MINUTE", 0, INT64_C(-93780000000) },
        { "INTERVAL '1:30' MINUTE TO SECOND", 0, 90000000 },
        { "INTERVAL '1-2' YEAR TO MONTH", 14, 0 },
        { "INTERVAL '10 minutes'", 0, 600000000 },
        { "100 ms", 0, 100000 },
        { "7 us", 0, 7 },
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int32_t months = -1;
        int64_t us = -1;
        if (sl_interval_parse(good[i].text, &months, &us, NULL) != SL_OK)
            fail_msg("%s", good[i].text);
        assert_int_equal(months, good[i].months);
        assert_true(us == good[i].us);
    }
    static const char *const bad[] = {
        "",
        "10",
        "ten minutes",
        "10 parsecs",
        "1.5 days",
        "10 m x",
        "'1' DAY'",
        "INTERVAL '1",
        "INTERVAL 'x' DAY",
        "INTERVAL '1' DAY TO FORTNIGHT",
        "9223372036854775807 hours",
        "INTERVAL '1-13' YEAR TO MONTH",
        "INTERVAL '1 2' DAY",
        "99999999999 years",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int32_t months = -1;
        int64_t us = -1;
        if (sl_interval_parse(bad[i], &months, &us, NULL) != SL_EINVAL)
            fail_msg("'%s' was taken for %d months %lld us", bad[i], months,
                     (long long)us);
        assert_int_equal(months, -1);
    }
}

/* docs/functions.md is made from the usage texts; SLUICE_REFRESH=1 writes it anew. */
static void functions_page__is_fresh(void **state)
{
    (void)state;
    sl_bytes b = { 0 };
    sl_bytes_text(&b, "# Functions\n\nMade from the usage texts in "
                      "`engine/expr/functions.def` and the aggregates; a test keeps it "
                      "fresh\n(`SLUICE_REFRESH=1` writes it).\n");
    for (uint32_t aggregate = 0; aggregate < 2; aggregate++) {
        sl_bytes_text(&b, aggregate ? "\n## Aggregates\n\n" : "\n## Scalar\n\n");
        sl_bytes_text(&b, "| name | |\n|---|---|\n");
        for (uint32_t i = 0; i < sl_function_count(); i++) {
            const char *name = sl_function_name(i);
            bool is_scalar = sl_function_exists(name);
            if (aggregate ? is_scalar || !sl_aggregate_exists(name) : !is_scalar)
                continue;
            sl_bytes_text(&b, "| `");
            for (const char *p = name; *p != '\0'; p++)
                sl_bytes_text(&b, *p == '|' ? "\\|" : (char[2]){ *p, '\0' });
            sl_bytes_text(&b, "` | ");
            for (const char *p = sl_function_usage(i); *p != '\0'; p++)
                sl_bytes_text(&b, *p == '|' ? "\\|" : (char[2]){ *p, '\0' });
            sl_bytes_text(&b, " |\n");
        }
    }
    const char *refresh = getenv("SLUICE_REFRESH");
    if (refresh != NULL && *refresh == '1') {
        FILE *out = fopen("docs/functions.md", "w");
        assert_non_null(out);
        assert_int_equal(fwrite(b.data, 1, b.size_bytes, out), b.size_bytes);
        fclose(out);
    }
    FILE *in = fopen("docs/functions.md", "r");
    assert_non_null(in);
    char *text = calloc(1, b.size_bytes + 2);
    size_t n = fread(text, 1, b.size_bytes + 1, in);
    fclose(in);
    assert_int_equal(n, b.size_bytes);
    assert_memory_equal(text, b.data, n);
    free(text);
    sl_bytes_deinit(&b);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(call__names_its_column_as_spark_does),
        T(call__has_sparks_result_type),
        T(call__refuses_with_sparks_class_and_position),
        T(call__bounds_the_depth_of_a_tree),
        T(type_common__is_ansi),
        T(fold__keeps_what_fails_and_what_the_zone_decides),
        T(walks__see_every_column),
        T(interval_parse__reads_all_forms),
        T(functions_page__is_fresh),
    };
    return cmocka_run_group_tests_name("engine/expr/names", tests, NULL, NULL);
}
