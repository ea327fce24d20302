/* Unit tests of engine/sql. Name: function__sentence_that_must_hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/limits.h"
#include "engine/sql/parse.h"

struct parsed {
    sl_arena *arena;
    const sl_statement *statement;
    sl_error err;
    sl_code code;
    sl_sql_cursor cursor;
};

static void parse(struct parsed *p, const char *text)
{
    *p = (struct parsed){ .arena = sl_arena_new(), .cursor = { .line = 1, .column = 1 } };
    p->code = sl_sql_parse_next(text, strlen(text), &p->cursor, p->arena, &p->statement,
                                &p->err);
}

static void done(struct parsed *p)
{
    sl_arena_free(p->arena);
}

static void parse_next__reads_the_streaming_query_of_the_tutorial(void **state)
{
    struct parsed p;
    (void)state;
    parse(&p, "CREATE STREAMING QUERY action_counts\n"
              "  OUTPUT MODE complete TRIGGER AVAILABLE NOW\n"
              "  CHECKPOINT LOCATION '/c' INTO console OPTIONS (truncate false)\n"
              "AS SELECT window(ts, '10 minutes') AS window, action, count(*) AS count\n"
              "   FROM STREAM mobile WATERMARK ts DELAY OF INTERVAL 10 MINUTES\n"
              "   GROUP BY window(ts, '10 minutes'), action;");
    assert_int_equal(p.code, SL_OK);
    const sl_statement *s = p.statement;
    assert_int_equal(s->kind, SL_ST_CREATE_STREAMING_QUERY);
    assert_string_equal(s->name, "action_counts");
    assert_int_equal(s->mode, SL_OUTPUT_COMPLETE);
    assert_int_equal(s->trigger, SL_TRIGGER_AVAILABLE_NOW);
    assert_string_equal(s->checkpoint, "/c");
    assert_string_equal(s->connector, "console");
    assert_string_equal(s->options.pairs[0].value, "false");
    assert_int_equal(s->query->kind, SL_REL_AGGREGATE);
    assert_int_equal(s->query->group_count, 2);
    const sl_relation *from = s->query->inputs[0];
    assert_int_equal(from->kind, SL_REL_WITH_WATERMARK);
    assert_string_equal(from->delay->literal.text, "10 MINUTES");
    assert_true(from->inputs[0]->stream);
    done(&p);
}

static void parse_next__says_where_and_what_was_expected(void **state)
{
    struct parsed p;
    sl_bytes text = { 0 };
    const char *sql = "SELECT a,\n  FROM t";
    (void)state;
    parse(&p, sql);
    assert_int_equal(p.code, SL_EPARSE);
    assert_string_equal(p.err.condition, "PARSE_SYNTAX_ERROR");
    assert_int_equal(p.err.line, 2);
    assert_int_equal(p.err.column, 3);
    sl_sql_error_text(&p.err, sql, strlen(sql), &text);
    assert_non_null(strstr(sl_bytes_cstr(&text), "    FROM t\n    ^\n"));
    sl_bytes_deinit(&text);
    done(&p);
}

static void parse_next__goes_on_behind_a_broken_statement(void **state)
{
    struct parsed p;
    const char *sql = "SELEC 1; ;SELECT 2";
    (void)state;
    parse(&p, sql);
    assert_int_equal(p.code, SL_EPARSE);
    assert_non_null(strstr(p.err.text, "did you mean SELECT?"));
    assert_int_equal(
        sl_sql_parse_next(sql, strlen(sql), &p.cursor, p.arena, &p.statement, &p.err),
        SL_OK);
    assert_int_equal(p.statement->kind, SL_ST_QUERY);
    assert_string_equal(p.statement->text, "SELECT 2");
    assert_int_equal(
        sl_sql_parse_next(sql, strlen(sql), &p.cursor, p.arena, &p.statement, &p.err),
        SL_OK);
    assert_null(p.statement);
    done(&p);
}

static void parse_next__refuses_a_thousand_parentheses_clearly(void **state)
{
    struct parsed p;
    char sql[2200];
    (void)state;
    strcpy(sql, "SELECT ");
    memset(sql + 7, '(', 1000);
    sql[1007] = '1';
    memset(sql + 1008, ')', 1000);
    sql[2008] = '\0';
    parse(&p, sql);
    assert_int_equal(p.code, SL_ELIMIT);
    assert_non_null(strstr(p.err.text, "nested deeper"));
    done(&p);
}

static uint32_t depth_of(const sl_uexpr *e)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < e->arg_count; i++) {
        uint32_t d = depth_of(e->args[i]);
        most = d > most ? d : most;
    }
    return most + 1;
}

static void parse_next__keeps_a_thousand_terms_shallow(void **state)
{
    struct parsed p;
    sl_bytes sql = { 0 };
    (void)state;
    sl_bytes_text(&sql, "SELECT 1 WHERE a = 0");
    for (int i = 1; i < 1000; i++)
        sl_bytes_printf(&sql, " OR a = %d", i);
    parse(&p, sl_bytes_cstr(&sql));
    assert_int_equal(p.code, SL_OK);
    assert_true(depth_of(p.statement->query->inputs[0]->condition) < 16);
    sl_bytes_deinit(&sql);
    done(&p);
}

static void parse_next__binds_operators_as_spark_does(void **state)
{
    struct parsed p;
    (void)state;
    parse(&p, "SELECT 1 + 2 * 3 = 7 AND NOT a IS NULL OR b NOT IN (1, 2)");
    assert_int_equal(p.code, SL_OK);
    const sl_uexpr *e = p.statement->query->exprs[0];
    assert_string_equal(e->parts[0], "or");
    assert_string_equal(e->args[0]->parts[0], "and");
    assert_string_equal(e->args[0]->args[0]->parts[0], "=");
    assert_string_equal(e->args[0]->args[0]->args[0]->parts[0], "+");
    assert_string_equal(e->args[0]->args[1]->parts[0], "not");
    assert_string_equal(e->args[1]->parts[0], "not");
    assert_string_equal(e->args[1]->args[0]->parts[0], "in");
    done(&p);
}

static void parse_next__survives_every_cut_of_a_statement(void **state)
{
    static const char sql[] =
        "WITH a AS (SELECT `x`, 'it''s', 1.5e3, -9223372036854775808 FROM t) "
        "/* c */ SELECT CASE WHEN x > 1 THEN 'a' ELSE \"b\" END z -- end\n"
        "FROM a ORDER BY z DESC NULLS LAST LIMIT 3";
    (void)state;
    for (size_t n = 0; n <= sizeof sql - 1; n++) {
        sl_arena *arena = sl_arena_new();
        sl_sql_cursor cursor = { .line = 1, .column = 1 };
        const sl_statement *s = NULL;
        char cut[sizeof sql];
        memcpy(cut, sql, n);
        sl_code code = sl_sql_parse_next(cut, n, &cursor, arena, &s, NULL);
        assert_true(code == SL_OK || code == SL_EPARSE || code == SL_EUNSUPPORTED);
        sl_arena_free(arena);
    }
}

static void parse_schema__reads_ddl_with_structs(void **state)
{
    static const char ddl[] = "id STRING NOT NULL, s STRUCT<a: INT, b: TIMESTAMP>";
    sl_arena *arena = sl_arena_new();
    const sl_schema *schema;
    sl_error err;
    (void)state;
    assert_int_equal(sl_sql_parse_schema(ddl, strlen(ddl), arena, &schema, &err), SL_OK);
    assert_int_equal(schema->field_count, 2);
    assert_false(schema->fields[0].nullable);
    assert_int_equal(schema->fields[1].type->field_count, 2);
    assert_int_equal(sl_sql_parse_schema("a INTT", 6, arena, &schema, &err), SL_EPARSE);
    assert_non_null(strstr(err.text, "did you mean INT?"));
    sl_arena_free(arena);
}

static void is_incomplete__knows_open_quotes_and_missing_semicolons(void **state)
{
    (void)state;
    assert_true(sl_sql_is_incomplete("SELECT 1", 8));
    assert_true(sl_sql_is_incomplete("SELECT 'a;", 10));
    assert_false(sl_sql_is_incomplete("SELECT 1;", 9));
    assert_false(sl_sql_is_incomplete("-- nothing\n", 11));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_next__reads_the_streaming_query_of_the_tutorial),
        cmocka_unit_test(parse_next__says_where_and_what_was_expected),
        cmocka_unit_test(parse_next__goes_on_behind_a_broken_statement),
        cmocka_unit_test(parse_next__refuses_a_thousand_parentheses_clearly),
        cmocka_unit_test(parse_next__keeps_a_thousand_terms_shallow),
        cmocka_unit_test(parse_next__binds_operators_as_spark_does),
        cmocka_unit_test(parse_next__survives_every_cut_of_a_statement),
        cmocka_unit_test(parse_schema__reads_ddl_with_structs),
        cmocka_unit_test(is_incomplete__knows_open_quotes_and_missing_semicolons),
    };
    return cmocka_run_group_tests_name("engine/sql/parse", tests, NULL, NULL);
}
