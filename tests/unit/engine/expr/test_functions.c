/* Every function, with values written as text. Each case runs as constants, and with
 * every choice of its literals as columns over 130 rows with a selection, so that all
 * shapes of a kernel give the same; and it must survive the codec. */
#include "tests/unit/engine/expr/expr_text.h"

#include "base/alloc.h"

#define ROWS 130

typedef struct value_case {
    const char *text, *want; /* "!CLASS" for an error; "=..." constants only */
} value_case;

static sl_eval_context context(void)
{
    return (sl_eval_context){ .batch_time_us = INT64_C(1520000000123456),
                              .zone = sl_time_zone_utc(),
                              .seed = 7 };
}

/* All rows the same; one unselected row holds what may fail: nulls. */
static sl_chunk *chunk_of(const text_reader *r)
{
    sl_chunk *c = sl_chunk_new(r->literal_count, ROWS);
    for (uint32_t k = 0; k < r->literal_count; k++) {
        sl_column_builder b;
        assert_int_equal(
            sl_column_builder_init(&b, r->literals[k].type, ROWS, NULL, NULL), SL_OK);
        for (uint32_t i = 0; i < ROWS; i++) {
            sl_value v = r->literals[k];
            v.is_null = v.is_null || i % 13 == 5;
            append_value(&b, &v);
        }
        sl_column_builder_finish(&b, &c->columns[k]);
    }
    return c;
}

static void check_codec(sl_arena *arena, const sl_expr *e, const char *text)
{
    sl_bytes a = { 0 }, b = { 0 };
    sl_error err = { 0 };
    const sl_expr *back = NULL;
    sl_expr_write(e, &a);
    sl_reader r = sl_reader_of(sl_bytes_span(&a));
    if (sl_expr_read(&r, arena, &back, &err) != SL_OK)
        fail_msg("%s: %s", text, err.text);
    assert_true(sl_reader_done(&r));
    assert_true(sl_expr_equal(e, back));
    sl_expr_write(back, &b);
    assert_true(sl_span_equal(sl_bytes_span(&a), sl_bytes_span(&b)));
    sl_bytes_deinit(&a);
    sl_bytes_deinit(&b);
}

static void expect(const value_case *t, const sl_expr *e, const text_reader *r,
                   const sl_time_zone *zone)
{
    sl_program *p;
    sl_program_run *run;
    sl_error err = { 0 };
    uint16_t rows[ROWS];
    uint32_t selected = 0;
    for (uint16_t i = 0; i < ROWS; i++) {
        if (i % 13 != 5 && i % 3 != 1)
            rows[selected++] = i;
    }
    sl_eval_context x = context();
    x.zone = zone;
    sl_chunk *all = chunk_of(r), *in;
    assert_int_equal(sl_chunk_select(all, rows, selected, &in, NULL), SL_OK);
    assert_int_equal(sl_program_compile(&e, 1, &p, NULL), SL_OK);
    assert_int_equal(sl_program_run_new(p, NULL, &run, NULL), SL_OK);
    for (uint32_t round = 0; round < 2; round++) {
        sl_column c = { 0 };
        sl_code code = sl_program_eval(run, &x, in, &c, &err);
        if (t->want[0] == '!') {
            if (code == SL_OK)
                fail_msg("%s gave %s", t->text, row_text(&c, 0, zone));
            assert_string_equal(err.condition, t->want + 1);
        } else {
            if (code != SL_OK)
                fail_msg("%s: %s", t->text, err.text);
            assert_int_equal(c.length, ROWS);
            for (uint32_t i = 0; i < selected; i++) {
                const char *got = row_text(&c, rows[i], zone);
                if (strcmp(got, t->want + (t->want[0] == '=')) != 0)
                    fail_msg("%s with columns %x, row %u: got %s, want %s", t->text,
                             r->as_columns, rows[i], got, t->want);
            }
        }
        sl_column_release(&c);
    }
    sl_program_run_free(run);
    sl_program_free(p);
    sl_chunk_unref(in);
    sl_chunk_unref(all);
}

static void check_case(const value_case *t, const sl_time_zone *zone)
{
    sl_arena *arena = sl_arena_new();
    uint32_t variants = 1;
    for (uint32_t mask = 0; mask < variants; mask++) {
        text_reader r = { .arena = arena, .p = t->text, .as_columns = mask };
        const sl_expr *e = NULL;
        sl_error err = { 0 };
        sl_code code = read_text(&r, &e, &err);
        if (mask == 0) {
            if (code != SL_OK && t->want[0] == '!') {
                assert_string_equal(err.condition, t->want + 1);
                break;
            }
            if (code != SL_OK)
                fail_msg("%s: %s", t->text, err.text);
            variants =
                t->want[0] == '=' ? 1 : 1u << (r.literal_count < 5 ? r.literal_count : 5);
            expect(t, sl_expr_fold(arena, e), &r, zone);
        }
        if (code != SL_OK)
            continue; /* an argument that must be constant */
        check_codec(arena, e, t->text);
        expect(t, e, &r, zone);
    }
    sl_arena_free(arena);
}

static void check_all(const value_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_case(&cases[i], sl_time_zone_utc());
}
#define CHECK(cases) check_all(cases, sizeof cases / sizeof *cases)

static void arithmetic__follows_ansi(void **state)
{
    (void)state;
    static const value_case cases[] = {
        { "(+ 1 2)", "3" },
        { "(+ 1 2L)", "3" },
        { "(+ 1 2.5)", "3.5" },
        { "(+ null 2)", "NULL" },
        { "(+ '4' 2)", "6" },
        { "(+ 2147483647 1)", "!ARITHMETIC_OVERFLOW" },
        { "(+ 2147483647 1L)", "2147483648" },
        { "(+ 9223372036854775807 1)", "!ARITHMETIC_OVERFLOW" },
        { "(- -2147483648 1)", "!ARITHMETIC_OVERFLOW" },
        { "(+ 127b 1b)", "!BINARY_ARITHMETIC_OVERFLOW" },
        { "(+ 32767s 1s)", "!BINARY_ARITHMETIC_OVERFLOW" },
        { "(+ 100b 27b)", "127" },
        { "(* 100000 100000)", "!ARITHMETIC_OVERFLOW" },
        { "(* 3037000500L 3037000500L)", "!ARITHMETIC_OVERFLOW" },
        { "(* -9223372036854775808 -1L)", "!ARITHMETIC_OVERFLOW" },
        { "(* 3 -4)", "-12" },
        { "(* 1.5f 2.0f)", "3.0" },
        { "(/ 3 2)", "1.5" },
        { "(/ 3 0)", "!DIVIDE_BY_ZERO" },
        { "(/ 3.0 0.0)", "!DIVIDE_BY_ZERO" },
        { "(/ null 0)", "NULL" },
        { "(/ 3 null)", "NULL" },
        { "(div 7 2)", "3" },
        { "(div -7 2)", "-3" },
        { "(div 7 0)", "!DIVIDE_BY_ZERO" },
        { "(div -9223372036854775808 -1)", "!ARITHMETIC_OVERFLOW" },
        { "(% 7 3)", "1" },
        { "(% -7 3)", "-1" },
        { "(mod 7 0)", "!REMAINDER_BY_ZERO" },
        { "(% -9223372036854775808 -1L)", "0" },
        { "(% 7.5 2.0)", "1.5" },
        { "(% 7b 4b)", "3" },
        { "(unary- 5)", "-5" },
        { "(unary- -2147483648)", "!ARITHMETIC_OVERFLOW" },
        { "(unary- 2.5)", "-2.5" },
        { "(- 5)", "-5" },
        { "(unary+ 5)", "5" },
        { "(abs -5L)", "5" },
        { "(abs -2147483648)", "!ARITHMETIC_OVERFLOW" },
        { "(abs -1.5)", "1.5" },
        { "(negative 3)", "-3" },
        { "(+ i'1 day' i'2 hours')", "INTERVAL '1 02:00:00' DAY TO SECOND" },
        { "(* i'1 day' 2)", "INTERVAL '2 00:00:00' DAY TO SECOND" },
        { "(* 2 i'1 day')", "INTERVAL '2 00:00:00' DAY TO SECOND" },
    };
    CHECK(cases);
}

static void rounding__is_half_up_on_decimal_digits(void **state)
{
    (void)state;
    static const value_case cases[] = {
        { "(round 2.5)", "3.0" },
        { "(round -2.5)", "-3.0" },
        { "(round 2.675 2)", "2.68" },
        { "(round 1.005 2)", "1.01" },
        { "(round 0.49999999999999994)", "0.0" },
        { "(round 1234.5 -2)", "1200.0" },
        { "(round 99.9 -2)", "100.0" },
        { "(round 49.9 -2)", "0.0" },
        { "(round 49.9 -3)", "0.0" },
        { "(round 9.99 1)", "10.0" },
        { "(round 1e300 2)", "1.0E300" },
        { "(round 15 -1)", "20" },
        { "(round -15 -1)", "-20" },
        { "(round 25L -2)", "0" },
        { "(round 2147483647 -1)", "!ARITHMETIC_OVERFLOW" },
        { "(round nan 1)", "NaN" },
        { "(floor 1.5)", "1" },
        { "(floor -1.5)", "-2" },
        { "(ceil 1.5)", "2" },
        { "(ceil -0.5)", "0" },
        { "(ceiling 7)", "7" },
        { "(floor 1e19)", "!ARITHMETIC_OVERFLOW" },
        { "(floor '2.7')", "2" },
        { "(sqrt 9)", "3.0" },
        { "(pow 2 10)", "1024.0" },
        { "(power 2 3)", "8.0" },
        { "(exp 0)", "1.0" },
        { "(ln 1)", "0.0" },
        { "(ln 0)", "NULL" },
        { "(log10 100)", "2.0" },
        { "(sign -3.5)", "-1.0" },
        { "(isnan nan)", "true" },
        { "(isnan 1.0)", "false" },
        { "(isnan null)", "false" },
    };
    CHECK(cases);
}

static void comparison__is_three_valued_and_total_for_doubles(void **state)
{
    (void)state;
    static const value_case cases[] = {
        { "(= 1 1)", "true" },
        { "(= 1 2L)", "false" },
        { "(== 1 1.0)", "true" },
        { "(= 1 null)", "NULL" },
        { "(<=> 1 null)", "false" },
        { "(<=> null null)", "true" },
        { "(<=> 'a' 'a')", "true" },
        { "(<> 1 2)", "true" },
        { "(!= 1 null)", "NULL" },
        { "(< 1 2)", "true" },
        { "(<= 2 2)", "true" },
        { "(> 1b 2b)", "false" },
        { "(>= 3s 2s)", "true" },
        { "(= nan nan)", "true" },
        { "(> nan 1e308)", "true" },
        { "(< nan nan)", "false" },
        { "(<= 1.0 nan)", "true" },
        { "(>= 1.0 nan)", "false" },
        { "(= 0.0 -0.0)", "true" },
        { "(< 1.5f 2.5f)", "true" },
        { "(= 'abc' 'abd')", "false" },
        { "(= 'a long string over twelve' 'a long string over twelve')", "true" },
        { "(= 'a long string over twelve' 'a long string over twelvf')", "false" },
        { "(< 'a long string over twelve' 'a long string over twelvf')", "true" },
        { "(< 'ab' 'abc')", "true" },
        { "(>= 'b' 'abc')", "true" },
        { "(= '' '')", "true" },
        { "(= '12' 12)", "true" },
        { "(= 'x' 12)", "!CAST_INVALID_INPUT" },
        { "(> t'2020-01-02 00:00:00' '2020-01-01')", "true" },
        { "(= d'2020-01-01' t'2020-01-01 00:00:00')", "true" },
        { "(< d'2020-01-01' d'2020-01-02')", "true" },
        { "(= true true)", "true" },
        { "(< false true)", "true" },
        { "(<= true false)", "false" },
        { "(between 2 1 3)", "true" },
        { "(between 2 3 1)", "false" },
        { "(in 2 1 2 3)", "true" },
        { "(in 5 1 2)", "false" },
        { "(in 5 1 null)", "NULL" },
        { "(in 1 1 null)", "true" },
        { "(in null 1 2)", "NULL" },
        { "(in 'b' 'a' 'b')", "true" },
        { "(in 'b' 'a' 'bb' 'a long string over twelve')", "false" },
        { "(greatest 1 3 2)", "3" },
        { "(greatest 1 null 2)", "2" },
        { "(greatest null null)", "NULL" },
        { "(least 'b' 'a' 'c')", "a" },
        { "(greatest 1.0 nan)", "NaN" },
        { "(= (struct 1 'a') (struct 1 'a'))", "true" },
        { "(= (struct 1 null) (struct 1 null))", "true" },
        { "(< (struct 1 'a') (struct 1 'b'))", "true" },
    };
    CHECK(cases);
}

static void logic__is_three_valued_and_lazy(void **state)
{
    (void)state;
    static const value_case cases[] = {
        { "(and true true)", "true" },
        { "(and true false)", "false" },
        { "(and null false)", "false" },
        { "(and false null)", "false" },
        { "(and null true)", "NULL" },
        { "(or null true)", "true" },
        { "(or true null)", "true" },
        { "(or null false)", "NULL" },
        { "(or false false)", "false" },
        { "(not null)", "NULL" },
        { "(not true)", "false" },
        { "(and false (= (/ 1 0) 1))", "false" },
        { "(and true (= (/ 1 0) 1))", "!DIVIDE_BY_ZERO" },
        { "(and null (= (/ 1 0) 1))", "!DIVIDE_BY_ZERO" },
        { "(or true (= (/ 1 0) 1))", "true" },
        { "(or false (= (/ 1 0) 1))", "!DIVIDE_BY_ZERO" },
        { "(isnull null)", "true" },
        { "(isnull 1)", "false" },
        { "(isnotnull 'a')", "true" },
        { "(coalesce null 2 3)", "2" },
        { "(coalesce null null)", "NULL" },
        { "(coalesce 1 (/ 1 0))", "1.0" },
        { "(coalesce null (/ 1 0))", "!DIVIDE_BY_ZERO" },
        { "(coalesce null 'a long string over twelve')", "a long string over twelve" },
        { "(ifnull null 5)", "5" },
        { "(nvl 'a' 'b')", "a" },
        { "(nullif 1 1)", "NULL" },
        { "(nullif 1 2)", "1" },
        { "(if true 1 2)", "1" },
        { "(if null 1 2)", "2" },
        { "(if false (div 1 0) 2)", "2" },
        { "(case false 1 true 2 3)", "2" },
        { "(case null 1 false 2 3)", "3" },
        { "(case false 1)", "NULL" },
        { "(case true 'a long string over twelve' 'b')", "a long string over twelve" },
        { "(case (= 1 2) (div 1 0) (= 1 1) 7 (div 2 0))", "7" },
        { "(case (= 1 2) (div 1 0) (= 1 3) 7 (div 2 0))", "!DIVIDE_BY_ZERO" },
        { "(case true (struct 1 'x') (struct 2 'y'))", "{1, x}" },
        { "(if true true false)", "true" },
        { "(. (if true (struct 1 'x') null) col2)", "x" },
        { "(. (if false (struct 1 'x') null) col2)", "NULL" },
        { "(. (named_struct 'a' 1 'b' 2L) b)", "2" },
    };
    CHECK(cases);
}

static void casts__follow_ansi(void **state)
{
    (void)state;
    static const value_case cases[] = {
        { "(cast '12' int)", "12" },
        { "(cast ' 12 ' int)", "12" },
        { "(cast 'x' int)", "!CAST_INVALID_INPUT" },
        { "(try_cast 'x' int)", "NULL" },
        { "(try_cast '300' byte)", "NULL" },
        { "(cast '300' byte)", "!CAST_INVALID_INPUT" },
        { "(cast 300 byte)", "!CAST_OVERFLOW" },
        { "(try_cast 300 byte)", "NULL" },
        { "(cast 127 byte)", "127" },
        { "(cast -129L short)", "-129" },
        { "(cast 3000000000L int)", "!CAST_OVERFLOW" },
        { "(cast 1.9 int)", "1" },
        { "(cast -1.9 int)", "-1" },
        { "(cast 2147483647.9 int)", "2147483647" },
        { "(cast 2147483648.0 int)", "!CAST_OVERFLOW" },
        { "(cast -2147483648.9 int)", "-2147483648" },
        { "(cast nan int)", "!CAST_OVERFLOW" },
        { "(cast 1e19 long)", "!CAST_OVERFLOW" },
        { "(cast 127.9 byte)", "127" },
        { "(cast 128.0 byte)", "!CAST_OVERFLOW" },
        { "(cast 1 double)", "1.0" },
        { "(cast 1.5 float)", "1.5" },
        { "(cast 1 boolean)", "true" },
        { "(cast 0.0 boolean)", "false" },
        { "(cast true int)", "1" },
        { "(cast false double)", "0.0" },
        { "(cast 'yes' boolean)", "true" },
        { "(cast 'maybe' boolean)", "!CAST_INVALID_INPUT" },
        { "(cast '1.5e3' double)", "1500.0" },
        { "(cast 'abc' double)", "!CAST_INVALID_INPUT" },
        { "(cast 12 string)", "12" },
        { "(cast -9223372036854775808 string)", "-9223372036854775808" },
        { "(cast 1.0 string)", "1.0" },
        { "(cast true string)", "true" },
        { "(cast d'2020-01-02' string)", "2020-01-02" },
        { "(cast t'2020-01-02 03:04:05.5' string)", "2020-01-02 03:04:05.5" },
        { "(cast '2020-01-02' date)", "2020-01-02" },
        { "(cast 'x' date)", "!CAST_INVALID_INPUT" },
        { "(cast '2020-01-02 03:04:05' timestamp)", "2020-01-02 03:04:05" },
        { "(cast t'2020-01-02 03:04:05' date)", "2020-01-02" },
        { "(cast t'1969-12-31 23:00:00' date)", "1969-12-31" },
        { "(cast d'2020-01-02' timestamp)", "2020-01-02 00:00:00" },
        { "(cast t'1970-01-01 00:00:01.5' long)", "1" },
        { "(cast t'1969-12-31 23:59:59.5' long)", "-1" },
        { "(cast t'1970-01-01 00:00:01.5' double)", "1.5" },
        { "(cast 60 timestamp)", "1970-01-01 00:01:00" },
        { "(cast 1.5 timestamp)", "1970-01-01 00:00:01.5" },
        { "(cast nan timestamp)", "!CAST_INVALID_INPUT" },
        { "(cast null int)", "NULL" },
        { "(cast 'ab' binary)", "[61 62]" },
        { "(cast (cast 'ab' binary) string)", "ab" },
        { "(cast '1 day' dt)", "INTERVAL '1 00:00:00' DAY TO SECOND" },
        { "(cast true date)", "!DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION" },
        { "(to_date '2020-05-06')", "2020-05-06" },
        { "(to_timestamp '2020-05-06 01:02:03')", "2020-05-06 01:02:03" },
        { "(cast (struct 1 'x') string)", "{1, x}" },
    };
    CHECK(cases);
}

static void strings__count_characters(void **state)
{
    (void)state;
    static const value_case cases[] = {
        { "(upper 'aBc')", "ABC" },
        { "(upper 'a string of more than twelve')", "A STRING OF MORE THAN TWELVE" },
        { "(upper 'p\xc5\x99\xc3\xad\xc5\xa1')", "P\xc5\x98\xc3\x8d\xc5\xa0" },
        { "(upper 'stra\xc3\x9f"
          "e')",
          "STRASSE" },
        { "(lower 'AB\xc4\x8c')", "ab\xc4\x8d" },
        { "(ucase null)", "NULL" },
        { "(upper 12)", "12" },
        { "(length 'p\xc5\x99\xc3\xad')", "3" },
        { "(octet_length 'p\xc5\x99\xc3\xad')", "5" },
        { "(char_length '')", "0" },
        { "(length (cast 'abc' binary))", "3" },
        { "(concat 'a' 'b' 'c')", "abc" },
        { "(concat 'a' null)", "NULL" },
        { "(concat 'n = ' 1)", "n = 1" },
        { "(|| 'twelve bytes' 'and some more')", "twelve bytesand some more" },
        { "(concat_ws '-' 'a' null 'b')", "a-b" },
        { "(concat_ws null 'a')", "NULL" },
        { "(concat_ws ', ' 'a long enough' 'b')", "a long enough, b" },
        { "(substring 'Spark SQL' 5)", "k SQL" },
        { "(substring 'Spark SQL' -3)", "SQL" },
        { "(substring 'Spark SQL' 5 1)", "k" },
        { "(substring 'Spark SQL' 0 3)", "Spa" },
        { "(substring 'abc' -5 3)", "a" },
        { "(substring 'abc' 5 1)", "" },
        { "(substring 'abc' 2 -1)", "" },
        { "(substr 'p\xc5\x99\xc3\xad\xc5\xa1' 2 2)", "\xc5\x99\xc3\xad" },
        { "(substring 'one two three four' 5 20)", "two three four" },
        { "(left 'abc' 2)", "ab" },
        { "(right 'abc' 2)", "bc" },
        { "(right 'abc' 9)", "abc" },
        { "(left 'abc' -1)", "" },
        { "(trim '  a b  ')", "a b" },
        { "(trim '    ')", "" },
        { "(ltrim '  a ')", "a " },
        { "(rtrim '  a ')", "  a" },
        { "(trim 'x' 'xxhixx')", "hi" },
        { "(trim '\xc5\x99' '\xc5\x99hi\xc5\x99')", "hi" },
        { "(lpad 'hi' 5 'xy')", "xyxhi" },
        { "(rpad 'hi' 5)", "hi   " },
        { "(lpad 'hello' 2 'x')", "he" },
        { "(rpad 'a' 20 '0123456789')", "a0123456789012345678" },
        { "(lpad 'a' 3 '')", "a" },
        { "(repeat 'ab' 3)", "ababab" },
        { "(repeat 'ab' -1)", "" },
        { "(repeat 'abc' 5)", "abcabcabcabcabc" },
        { "(reverse 'p\xc5\x99')", "\xc5\x99p" },
        { "(replace 'abcabc' 'bc' 'X')", "aXaX" },
        { "(replace 'abc' '')", "abc" },
        { "(replace 'abc' 'b')", "ac" },
        { "(replace 'aaa' 'a' 'long replacement ')",
          "long replacement long replacement long replacement " },
        { "(startswith 'abc' 'ab')", "true" },
        { "(endswith 'abc' 'bc')", "true" },
        { "(endswith 'abc' 'xabc')", "false" },
        { "(contains 'abc' 'b')", "true" },
        { "(contains 'abc' '')", "true" },
        { "(instr 'p\xc5\x99"
          "abc' 'abc')",
          "3" },
        { "(instr 'abc' 'x')", "0" },
        { "(like 'abc' 'abc')", "true" },
        { "(like 'abc' 'a%')", "true" },
        { "(like 'abc' '%c')", "true" },
        { "(like 'abc' '%b%')", "true" },
        { "(like 'abc' 'a_c')", "true" },
        { "(like 'abc' 'a_')", "false" },
        { "(like 'a\xc5\x99"
          "c' 'a_c')",
          "true" },
        { "(like '' '%')", "true" },
        { "(like '' '_')", "false" },
        { "(like 'a%c' 'a\\%c')", "true" },
        { "(like 'abc' 'a\\%c')", "false" },
        { "(like 'a_c' 'a/_c' '/')", "true" },
        { "(like 'abc' 'a\\b')", "!INVALID_FORMAT.ESC_IN_THE_MIDDLE" },
        { "(like 'abc' 'ab\\')", "!INVALID_FORMAT.ESC_AT_THE_END" },
        { "(like 'aaabaaab' '%aab')", "true" },
        { "(like 'mississippi' 'm%iss%pi')", "true" },
        { "(like null 'a')", "NULL" },
        { "(like 'abc' 'a' 'xx')", "!INVALID_ESCAPE_CHAR" },
    };
    CHECK(cases);
}

static void times__are_civil_and_proleptic(void **state)
{
    (void)state;
    static const value_case cases[] = {
        { "(year d'2018-03-02')", "2018" },
        { "(year t'2018-03-02 10:02:33')", "2018" },
        { "(month '2018-03-02')", "3" },
        { "(day d'2018-03-02')", "2" },
        { "(dayofmonth d'1969-12-31')", "31" },
        { "(quarter d'2018-11-02')", "4" },
        { "(dayofweek d'2018-03-02')", "6" },
        { "(dayofweek d'2018-03-04')", "1" },
        { "(weekday d'2018-03-02')", "4" },
        { "(weekday d'1969-12-31')", "2" },
        { "(dayofyear d'2020-12-31')", "366" },
        { "(weekofyear d'2021-01-03')", "53" },
        { "(weekofyear d'2020-12-31')", "53" },
        { "(weekofyear d'2018-12-31')", "1" },
        { "(last_day d'2020-02-10')", "2020-02-29" },
        { "(last_day d'2020-12-10')", "2020-12-31" },
        { "(hour t'2018-03-02 10:02:33')", "10" },
        { "(minute t'2018-03-02 10:02:33')", "2" },
        { "(second t'2018-03-02 10:02:33.9')", "33" },
        { "(second t'1969-12-31 23:59:58.5')", "58" },
        { "(hour n'1969-12-31 23:59:58')", "23" },
        { "(date_trunc 'MONTH' t'2018-03-22 10:02:33')", "2018-03-01 00:00:00" },
        { "(date_trunc 'week' t'2018-03-02 10:02:33')", "2018-02-26 00:00:00" },
        { "(date_trunc 'quarter' t'2018-06-02 10:02:33')", "2018-04-01 00:00:00" },
        { "(date_trunc 'hour' t'1969-12-31 10:02:33')", "1969-12-31 10:00:00" },
        { "(date_trunc 'minute' t'2018-03-02 10:02:33')", "2018-03-02 10:02:00" },
        { "(date_trunc 'day' t'2018-03-02 10:02:33')", "2018-03-02 00:00:00" },
        { "(date_trunc 'year' t'1960-03-02 10:02:33')", "1960-01-01 00:00:00" },
        { "(date_trunc 'fortnight' t'2018-03-02 10:02:33')", "NULL" },
        { "(trunc d'2018-03-22' 'mm')", "2018-03-01" },
        { "(trunc d'2018-03-22' 'week')", "2018-03-19" },
        { "(trunc d'2018-03-22' 'day')", "NULL" },
        { "(date_add d'2018-02-28' 1)", "2018-03-01" },
        { "(date_sub d'2018-03-01' 1)", "2018-02-28" },
        { "(date_add d'2018-03-01' 2147483647)", "!ARITHMETIC_OVERFLOW" },
        { "(datediff d'2018-03-02' d'2018-02-28')", "2" },
        { "(add_months d'2020-01-31' 1)", "2020-02-29" },
        { "(add_months d'2020-03-31' -13)", "2019-02-28" },
        { "(+ d'2020-01-31' 1)", "2020-02-01" },
        { "(- d'2020-01-31' 31)", "2019-12-31" },
        { "(- d'2020-01-31' d'2020-01-30')", "INTERVAL '1 00:00:00' DAY TO SECOND" },
        { "(+ d'2020-01-31' i'1 day')", "=2020-02-01" },
        { "(+ d'2020-01-31' i'1 month')", "2020-02-29" },
        { "(- d'2020-01-31' i'1 year')", "2019-01-31" },
        { "(+ t'2020-01-31 10:00:00' i'90 minutes')", "2020-01-31 11:30:00" },
        { "(+ i'90 minutes' t'2020-01-31 10:00:00')", "2020-01-31 11:30:00" },
        { "(- t'2020-01-31 10:00:00' i'1 day')", "2020-01-30 10:00:00" },
        { "(+ t'2020-01-31 10:00:00' i'1 month')", "2020-02-29 10:00:00" },
        { "(- t'2020-01-31 10:00:00' t'2020-01-31 09:00:00')",
          "INTERVAL '0 01:00:00' DAY TO SECOND" },
        { "(unix_timestamp t'1970-01-01 00:01:00.9')", "60" },
        { "(unix_seconds t'1969-12-31 23:59:59.5')", "-1" },
        { "(unix_millis t'1970-01-01 00:00:00.0015')", "1" },
        { "(unix_micros t'1970-01-01 00:00:00.0015')", "1500" },
        { "(timestamp_seconds 60)", "1970-01-01 00:01:00" },
        { "(timestamp_seconds 1.5)", "1970-01-01 00:00:01.5" },
        { "(timestamp_millis 1500)", "1970-01-01 00:00:01.5" },
        { "(timestamp_micros 5)", "1970-01-01 00:00:00.000005" },
        { "(timestamp_seconds 9223372036854775807)", "!ARITHMETIC_OVERFLOW" },
        { "(date_format t'2018-03-02 13:02:03.456' 'yyyy-MM-dd HH:mm:ss.SSS')",
          "2018-03-02 13:02:03.456" },
        { "(date_format t'2018-03-02 13:02:03' 'EEE, d MMM yy h:mm a')",
          "Fri, 2 Mar 18 1:02 PM" },
        { "(date_format d'2018-03-02' 'EEEE ''of'' MMMM D Q')", "Friday of March 61 1" },
        { "(date_format t'2018-03-02 13:02:03' 'yyyy b')",
          "!INVALID_DATETIME_PATTERN.ILLEGAL_CHARACTER" },
        { "(current_timestamp)", "2018-03-02 14:13:20.123456" },
        { "(now)", "2018-03-02 14:13:20.123456" },
        { "(current_date)", "2018-03-02" },
        { "(- (now) i'20 seconds')", "2018-03-02 14:13:00.123456" },
        { "(unix_timestamp)", "1520000000" },
    };
    CHECK(cases);
}

/* spark:W2-W4, W13 */
static void window_start__aligns_to_the_epoch_and_start(void **state)
{
    (void)state;
    static const value_case cases[] = {
        { "(window_start t'2018-03-02 12:07:00' '10 minutes' '10 minutes' 0)",
          "2018-03-02 12:00:00" },
        { "(window_start t'2018-03-02 12:07:00' '10 minutes' '5 minutes' 0)",
          "2018-03-02 12:05:00" },
        { "(window_start t'2018-03-02 12:05:00' i'10 minutes' i'5 minutes' 0L)",
          "2018-03-02 12:05:00" },
        { "(window_start t'1969-12-31 23:59:59' '10 minutes' '10 minutes' 0)",
          "1969-12-31 23:50:00" },
        { "(window_start t'1969-12-31 23:50:00' '10 minutes' '10 minutes' 0)",
          "1969-12-31 23:50:00" },
        { "(window_start t'2018-03-02 12:00:01' '1 minute' '1 minute' '5 seconds')",
          "2018-03-02 11:59:05" },
        { "(window_start t'2018-03-02 12:00:05' '1 minute' '1 minute' '5 seconds')",
          "2018-03-02 12:00:05" },
        { "(window_start t'2018-03-02 12:00:58' '1 minute' '1 minute' '-5 seconds')",
          "2018-03-02 12:00:55" },
        { "(window_start t'0001-01-01 00:00:01' '1 day' '1 day' 0)",
          "0001-01-01 00:00:00" },
        { "(window_start t'9999-12-31 23:59:59' '1 day' '1 day' 0)",
          "9999-12-31 00:00:00" },
        { "(window_start n'2018-03-02 12:07:00' '1 day' '1 day' 0)",
          "2018-03-02 00:00:00" },
        { "(window_start '2018-03-02 12:07:00' '1 day' '1 day' 0)",
          "2018-03-02 00:00:00" },
        { "(window_start null '1 day' '1 day' 0)", "NULL" },
        { "(window_start t'2018-03-02 12:07:00' '1 day' 0 0)", "!INVALID_ARGUMENT" },
        { "(window_time (named_struct 'start' t'2018-03-02 12:00:00' 'end' "
          "t'2018-03-02 12:10:00'))",
          "2018-03-02 12:09:59.999999" },
    };
    CHECK(cases);
}

/* Against the definition, over many times. */
static void window_start__is_the_floor_for_all_times(void **state)
{
    (void)state;
    sl_arena *arena = sl_arena_new();
    const int64_t slides[] = {
        1, 7, 1000000, 600000000, INT64_C(86400000000), INT64_C(604800000000)
    };
    uint64_t random = 12345;
    for (size_t k = 0; k < 6; k++) {
        sl_field f = { .name = "ts", .type = sl_type_of(SL_TYPE_TIMESTAMP) };
        sl_schema schema = { 1, &f };
        char text[128];
        int64_t start = k % 2 != 0 ? slides[k] / 3 : 0;
        snprintf(text, sizeof text, "(window_start $ts %lldL %lldL %lldL)",
                 (long long)slides[k], (long long)slides[k], (long long)start);
        const sl_expr *e;
        assert_int_equal(expr_of(arena, text, &schema, &e, NULL), SL_OK);
        sl_chunk *in = sl_chunk_new(1, 4096);
        void *values;
        assert_int_equal(sl_column_alloc(f.type, 4096, false, NULL, &in->columns[0],
                                         &values, NULL, NULL),
                         SL_OK);
        for (uint32_t i = 0; i < 4096; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            ((int64_t *)values)[i] = (int64_t)random >> (i % 40);
        }
        sl_program *p;
        sl_program_run *run;
        sl_column c;
        sl_eval_context x = context();
        assert_int_equal(sl_program_compile(&e, 1, &p, NULL), SL_OK);
        assert_int_equal(sl_program_run_new(p, NULL, &run, NULL), SL_OK);
        assert_int_equal(sl_program_eval(run, &x, in, &c, NULL), SL_OK);
        for (uint32_t i = 0; i < 4096; i++) {
            int64_t ts = ((int64_t *)values)[i];
            int64_t r = (int64_t)((uint64_t)ts - (uint64_t)start) % slides[k];
            r += r < 0 ? slides[k] : 0;
            assert_true(sl_column_i64(&c)[i] == (int64_t)((uint64_t)ts - (uint64_t)r));
        }
        sl_column_release(&c);
        sl_program_run_free(run);
        sl_program_free(p);
        sl_chunk_unref(in);
    }
    sl_arena_free(arena);
}

static void zone__moves_local_parts_only(void **state)
{
    (void)state;
    const sl_time_zone *prague;
    if (sl_time_zone_find("Europe/Prague", &prague, NULL) != SL_OK)
        skip(); /* no zone database here */
    static const value_case cases[] = {
        { "(hour t'2018-03-02 10:02:33')", "11" },
        { "(date_trunc 'day' t'2018-07-02 23:30:00')", "2018-07-03 00:00:00" },
        { "(cast t'2018-07-02 23:30:00' date)", "2018-07-03" },
        { "(cast '2018-03-02 11:00:00' timestamp)", "2018-03-02 11:00:00" },
        { "(unix_timestamp '2018-03-02 11:00:00')", "1519984800" },
        { "(cast t'2018-03-02 10:00:00' ntz)", "2018-03-02 11:00:00" },
        { "(year t'2018-12-31 23:30:00')", "2019" },
        /* a day across the change to summer time is 23 hours */
        { "(+ t'2018-03-24 11:00:00' i'1 day')", "2018-03-25 12:00:00" },
        { "(+ t'2018-03-24 11:00:00' i'24 hours 1 second')", "2018-03-25 12:00:01" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(&cases[i], prague);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic__follows_ansi),
        cmocka_unit_test(rounding__is_half_up_on_decimal_digits),
        cmocka_unit_test(comparison__is_three_valued_and_total_for_doubles),
        cmocka_unit_test(logic__is_three_valued_and_lazy),
        cmocka_unit_test(casts__follow_ansi),
        cmocka_unit_test(strings__count_characters),
        cmocka_unit_test(times__are_civil_and_proleptic),
        cmocka_unit_test(window_start__aligns_to_the_epoch_and_start),
        cmocka_unit_test(window_start__is_the_floor_for_all_times),
        cmocka_unit_test(zone__moves_local_parts_only),
    };
    return cmocka_run_group_tests_name("engine/expr/functions", tests, NULL, NULL);
}
