/* Promises of driver/session_context.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/driver.h"
#include "driver/session_context.h"
#include "engine/sql/parse.h"

static void add(sl_session_context *c, const char *text)
{
    sl_sql_cursor cursor = { .line = 1, .column = 1 };
    sl_arena *arena = sl_arena_new();
    const sl_statement *s = NULL;
    sl_error err;
    if (sl_sql_parse_next(text, strlen(text), &cursor, arena, &s, &err) != SL_OK)
        fail_msg("%s: %s", text, err.text);
    sl_session_context_add(c, s, text);
    sl_arena_free(arena);
}

/* script and what is kept of it: statements, each ended by "; " */
static void assert_kept(const char *script, const char *kept)
{
    sl_session_context c = { 0 };
    char text[2048] = "", all[4096] = "";
    for (const char *at = script; *at != '\0';) {
        const char *end = strstr(at, "; ");
        snprintf(text, sizeof text, "%.*s", (int)(end - at), at);
        add(&c, text);
        at = end + 2;
    }
    for (uint32_t i = 0; i < c.count; i++) {
        strcat(all, c.texts[i]);
        strcat(all, "; ");
    }
    assert_string_equal(all, kept);
    sl_session_context_deinit(&c);
}

#define TABLE_T "CREATE TABLE t (a INT) USING json; "
#define VIEW_V "CREATE TEMP VIEW v AS SELECT a FROM t; "

static void settings__have_their_last_value_only(void **state)
{
    (void)state;
    assert_kept("SET sluice.state.partitions = 2; SET sluice.state.partitions = 4; ",
                "SET sluice.state.partitions = 4; ");
    assert_kept("SET sluice.state.partitions; SET; SHOW TABLES; ", "");
    /* one setting by two names */
    assert_kept("SET sluice.session.timeZone = UTC; "
                "SET spark.sql.session.timeZone = 'Europe/Rome'; ",
                "SET spark.sql.session.timeZone = 'Europe/Rome'; ");
    assert_kept("SET sluice.state.partitions = 2; SET sluice.session.timeZone = UTC; "
                "RESET sluice.state.partitions; ",
                "SET sluice.session.timeZone = UTC; ");
    assert_kept("SET sluice.state.partitions = 2; " TABLE_T "RESET; ", TABLE_T);
}

static void what_is_dropped__goes_with_its_drop(void **state)
{
    (void)state;
    assert_kept(TABLE_T VIEW_V "DROP VIEW v; ", TABLE_T);
    assert_kept(TABLE_T "DROP TABLE T; " TABLE_T, TABLE_T);
    assert_kept("DROP TABLE IF EXISTS t; " TABLE_T, TABLE_T);
    /* of the memory sink: gone with the driver, where a DROP would fail */
    assert_kept("DROP TABLE output_of_a_query; ", "");
    assert_kept(TABLE_T "CREATE TABLE IF NOT EXISTS t (b INT) USING csv; ", TABLE_T);
}

static void what_is_replaced__goes(void **state)
{
    (void)state;
    assert_kept("CREATE OR REPLACE TEMP VIEW a AS SELECT 1; "
                "CREATE OR REPLACE TEMP VIEW b AS SELECT 2; "
                "CREATE OR REPLACE TEMP VIEW a AS SELECT 3; "
                "CREATE OR REPLACE TEMP VIEW b AS SELECT 4; ",
                "CREATE OR REPLACE TEMP VIEW a AS SELECT 3; "
                "CREATE OR REPLACE TEMP VIEW b AS SELECT 4; ");
}

static void what_a_view_was_made_of__stays_as_long_as_the_view(void **state)
{
    (void)state;
    assert_kept(TABLE_T VIEW_V "DROP TABLE t; ", TABLE_T VIEW_V "DROP TABLE t; ");
    assert_kept(TABLE_T VIEW_V "DROP TABLE t; DROP VIEW v; ", "");
    assert_kept(TABLE_T VIEW_V "CREATE OR REPLACE TABLE t (b INT) USING json; ",
                TABLE_T VIEW_V "CREATE OR REPLACE TABLE t (b INT) USING json; ");
    /* the DROP stays: without it the first t would live again */
    assert_kept(TABLE_T VIEW_V
                "CREATE OR REPLACE TABLE t (b INT) USING json; DROP TABLE t; ",
                TABLE_T VIEW_V "DROP TABLE t; ");
    /* a view made of what it replaces */
    assert_kept(TABLE_T VIEW_V "CREATE OR REPLACE TEMP VIEW v AS SELECT a + 1 FROM v; ",
                TABLE_T VIEW_V "CREATE OR REPLACE TEMP VIEW v AS SELECT a + 1 FROM v; ");
}

static void remove__of_the_newest_makes_the_one_before_it_count(void **state)
{
    (void)state;
    sl_session_context c = { 0 };
    add(&c, "CREATE TABLE t (a INT) USING json");
    add(&c, "CREATE TEMP VIEW v AS SELECT a FROM t");
    add(&c, "CREATE OR REPLACE TABLE t (b INT) USING json");
    sl_session_context_remove(&c, 2);
    add(&c, "DROP VIEW v");
    assert_int_equal(c.count, 1);
    add(&c, "DROP TABLE t");
    assert_int_equal(c.count, 0);
    sl_session_context_deinit(&c);
}

/* ---- a long life ---- */

#define NAMES 5

/* A catalog: bodies[i] is the view or table called by the i-th name, or absent. A view
 * can be made only of what is there. */
typedef struct model {
    char bodies[NAMES][64];
} model;

static bool run(model *m, const char *text)
{
    char name = text[strcspn(text, "#") + 1];
    uint32_t i = (uint32_t)(name - 'a');
    const char *body = strstr(text, " AS ");
    if (strncmp(text, "DROP", 4) == 0) {
        bool is_there = m->bodies[i][0] != '\0';
        m->bodies[i][0] = '\0';
        return is_there;
    }
    for (const char *at = body; (at = strchr(at, '#')) != NULL; at++)
        if (m->bodies[at[1] - 'a'][0] == '\0')
            return false;
    if (m->bodies[i][0] != '\0' && strstr(text, "REPLACE") == NULL)
        return false;
    snprintf(m->bodies[i], sizeof m->bodies[i], "%s", body);
    return true;
}

static void one_step(sl_session_context *c, model *m, unsigned *seed, bool is_acyclic)
{
    int name = rand_r(seed) % NAMES, serial = rand_r(seed) % 1000;
    int of = is_acyclic ? (name == 0 ? -1 : rand_r(seed) % name) : rand_r(seed) % NAMES;
    char text[128];
    switch (rand_r(seed) % 4) {
    case 0:
        snprintf(text, sizeof text, "DROP VIEW `#%c`", 'a' + name);
        break;
    case 1:
        of = -1; /* fall through */
    default:
        snprintf(text, sizeof text, "CREATE %sTEMP VIEW `#%c` AS SELECT %d",
                 rand_r(seed) % 2 ? "OR REPLACE " : "", 'a' + name, serial);
        if (of >= 0)
            sprintf(text + strlen(text), " FROM `#%c`", 'a' + of);
    }
    if (run(m, text))
        add(c, text);
}

/* Run again, what is kept makes the same catalog, and nothing of it fails. */
static void assert_same_again(const sl_session_context *c, const model *m, unsigned seed)
{
    model again;
    memset(&again, 0, sizeof again);
    for (uint32_t i = 0; i < c->count; i++)
        if (!run(&again, c->texts[i]))
            fail_msg("seed %u: %s fails", seed, c->texts[i]);
    for (uint32_t i = 0; i < NAMES; i++)
        if (strcmp(again.bodies[i], m->bodies[i]) != 0)
            fail_msg("seed %u: %c is '%s', not '%s'", seed, 'a' + (int)i, again.bodies[i],
                     m->bodies[i]);
}

static void what_is_kept__makes_the_same_session_again(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 300; seed++) {
        sl_session_context c = { 0 };
        model m;
        unsigned rng = seed;
        memset(&m, 0, sizeof m);
        for (int step = 0; step < 60; step++) {
            one_step(&c, &m, &rng, false);
            assert_same_again(&c, &m, seed);
        }
        sl_session_context_deinit(&c);
    }
}

static void what_is_kept__does_not_grow_with_the_life_of_a_session(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 4; seed++) {
        sl_session_context c = { 0 };
        model m;
        unsigned rng = seed;
        uint32_t most = 0;
        memset(&m, 0, sizeof m);
        for (int step = 0; step < 5000; step++) {
            one_step(&c, &m, &rng, seed % 2 == 0);
            most = c.count > most ? c.count : most;
        }
        if (most > SL_CONTEXT_OUTDATED_MAX + NAMES)
            fail_msg("seed %u: %u statements", seed, most);
        sl_session_context_deinit(&c);
    }
}

static void past_the_bound__what_lives_is_kept_in_the_order_of_first_names(void **state)
{
    (void)state;
    sl_session_context c = { 0 };
    char text[128];
    uint32_t most = 0;
    add(&c, "CREATE TABLE t (a INT) USING json");
    for (uint32_t i = 0; i < 1000; i++) { /* each speaks of the other, if by a column */
        snprintf(text, sizeof text,
                 "CREATE OR REPLACE TEMP VIEW one AS SELECT %u AS two FROM t", i);
        add(&c, text);
        snprintf(text, sizeof text,
                 "CREATE OR REPLACE TEMP VIEW two AS SELECT %u AS one FROM one", i);
        add(&c, text);
        most = c.count > most ? c.count : most;
    }
    assert_in_range(most, SL_CONTEXT_OUTDATED_MAX, SL_CONTEXT_OUTDATED_MAX + 3);
    assert_string_equal(c.texts[0], "CREATE TABLE t (a INT) USING json");
    assert_non_null(strstr(c.texts[1], "VIEW one"));
    assert_non_null(strstr(c.texts[2], "VIEW two"));
    assert_string_equal(c.texts[c.count - 1], text);
    sl_session_context_deinit(&c);
}

int main(void)
{
    sl_driver_register_options();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings__have_their_last_value_only),
        cmocka_unit_test(what_is_dropped__goes_with_its_drop),
        cmocka_unit_test(what_is_replaced__goes),
        cmocka_unit_test(what_a_view_was_made_of__stays_as_long_as_the_view),
        cmocka_unit_test(remove__of_the_newest_makes_the_one_before_it_count),
        cmocka_unit_test(what_is_kept__makes_the_same_session_again),
        cmocka_unit_test(what_is_kept__does_not_grow_with_the_life_of_a_session),
        cmocka_unit_test(past_the_bound__what_lives_is_kept_in_the_order_of_first_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
