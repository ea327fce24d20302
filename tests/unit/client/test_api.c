/* Unit tests of the C API, include/sluice/sluice.h, over a real local cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sluice/sluice.h"

typedef struct fixture {
    sl_client *c;
    sl_client_error e;
    char printed[1 << 16];
    size_t printed_bytes;
    int refuse_print;
    pthread_mutex_t lock;
    int events[4];
    char last_progress[4096];
} fixture;

static int print_to(void *user, const char *text, size_t length)
{
    fixture *f = (fixture *)user;
    pthread_mutex_lock(&f->lock);
    int refuse = f->refuse_print;
    if (!refuse && f->printed_bytes + length < sizeof f->printed) {
        memcpy(f->printed + f->printed_bytes, text, length);
        f->printed_bytes += length;
    }
    pthread_mutex_unlock(&f->lock);
    return refuse;
}

static sl_client *open_client(fixture *f)
{
    static const sl_client_setting settings[] = { { "sluice.state.partitions", "2" } };
    sl_client *c = NULL;
    sl_client_config config = { .master = "local[2]",
                                .settings = settings,
                                .setting_count = 1,
                                .print = print_to,
                                .print_user = f };
    if (sl_client_open(&config, &c, &f->e) != SL_CLIENT_OK)
        fail_msg("%s", f->e.message);
    return c;
}

static int set_up(void **state)
{
    fixture *f = (fixture *)calloc(1, sizeof *f);
    pthread_mutex_init(&f->lock, NULL);
    f->c = open_client(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = (fixture *)*state;
    sl_client_close(f->c);
    pthread_mutex_destroy(&f->lock);
    free(f);
    return 0;
}

static void run(fixture *f, sl_client *c, const char *sql)
{
    if (sl_client_execute(c, sql, NULL, &f->e) != SL_CLIENT_OK)
        fail_msg("%s: %s", sql, f->e.message);
}

/* One row of one BIGINT column. */
static int64_t ask(fixture *f, sl_client *c, const char *sql)
{
    struct ArrowArrayStream rows;
    struct ArrowArray a;
    if (sl_client_execute(c, sql, &rows, &f->e) != SL_CLIENT_OK)
        fail_msg("%s: %s", sql, f->e.message);
    assert_int_equal(rows.get_next(&rows, &a), 0);
    assert_non_null(a.release);
    assert_int_equal(a.length, 1);
    int64_t value = ((const int64_t *)a.children[0]->buffers[1])[0];
    a.release(&a);
    rows.release(&rows);
    return value;
}

/* An endless stream into a memory table of the query's name. */
static void start_endless(fixture *f, const char *name)
{
    char sql[400];
    run(f, f->c,
        "CREATE TABLE IF NOT EXISTS r USING `rate-micro-batch` OPTIONS (rowsPerBatch 3)");
    snprintf(sql, sizeof sql,
             "CREATE STREAMING QUERY %s TRIGGER PROCESSING TIME '20 milliseconds' INTO "
             "memory AS SELECT value FROM STREAM r",
             name);
    if (sl_client_start(f->c, sql, NULL, &f->e) != SL_CLIENT_OK)
        fail_msg("%s", f->e.message);
}

/* ---- open ---- */

static void open__refuses_what_it_does_not_know(void **state)
{
    static const sl_client_setting unknown = { "sluice.state.partition", "2" };
    static const sl_client_setting bad = { "sluice.state.partitions", "many" };
    (void)state;
    sl_client *c = NULL;
    sl_client_error e;
    sl_client_config config = { .master = "loacl[2]" };
    assert_int_equal(sl_client_open(&config, &c, &e), SL_CLIENT_USAGE);
    assert_non_null(strstr(e.message, "loacl[2]"));
    config =
        (sl_client_config){ .master = "local", .settings = &unknown, .setting_count = 1 };
    assert_int_equal(sl_client_open(&config, &c, &e), SL_CLIENT_USAGE);
    assert_non_null(strstr(e.message, "sluice.state.partitions")); /* the nearest */
    config.settings = &bad;
    assert_int_equal(sl_client_open(&config, &c, &e), SL_CLIENT_USAGE);
    assert_non_null(strstr(e.message, "many"));
    assert_int_equal(sl_client_open(&config, &c, NULL), SL_CLIENT_USAGE);
    assert_null(c);
    sl_client_close(NULL);
}

static void clients__of_one_process_do_not_see_each_other(void **state)
{
    fixture *f = (fixture *)*state;
    sl_client *other = open_client(f);
    run(f, f->c, "CREATE TEMP VIEW v AS SELECT 1 AS one");
    run(f, other, "CREATE TEMP VIEW v AS SELECT 2 AS one");
    assert_int_equal(ask(f, f->c, "SELECT count(*) FROM v WHERE one = 1"), 1);
    assert_int_equal(ask(f, other, "SELECT count(*) FROM v WHERE one = 1"), 0);
    start_endless(f, "q");
    assert_int_equal(sl_client_active_count(f->c), 1);
    assert_int_equal(sl_client_active_count(other), 0);
    assert_int_equal(sl_client_stop(other, "q", false, &f->e), SL_CLIENT_FAILED);
    assert_string_equal(f->e.error_class, "STREAMING_QUERY_NOT_FOUND");
    sl_client_close(other);
    assert_int_equal(ask(f, f->c, "SELECT count(*) FROM v"), 1);
}

/* ---- errors ---- */

static void execute__an_error_has_class_state_place_and_caret(void **state)
{
    static const char sql[] = "SELECT 1;\nSELECT nope FROM (VALUES (1)) t(a)";
    fixture *f = (fixture *)*state;
    struct ArrowArrayStream rows = { .private_data = f };
    assert_int_equal(sl_client_execute(f->c, sql, &rows, &f->e), SL_CLIENT_FAILED);
    assert_ptr_equal(rows.private_data, f); /* outputs are untouched */
    assert_string_equal(f->e.error_class, "UNRESOLVED_COLUMN.WITH_SUGGESTION");
    assert_string_equal(f->e.sqlstate, "42703");
    assert_int_equal(f->e.line, 2);
    assert_int_equal(f->e.column, 8);
    char *text = sl_client_error_text(&f->e, sql, sizeof sql - 1);
    assert_non_null(strstr(text, "SELECT nope FROM"));
    assert_non_null(strstr(text, "\n         ^")); /* the text is set in by two */
    sl_client_text_free(text);
    text = sl_client_error_json(&f->e);
    assert_non_null(strstr(text, "\"line\": 2, \"column\": 8"));
    sl_client_text_free(text);
    assert_int_equal(sl_client_execute(f->c, sql, NULL, NULL), SL_CLIENT_FAILED);
    assert_int_equal(ask(f, f->c, "SELECT 7L"), 7); /* and the client goes on */
}

static void next__goes_statement_by_statement_also_after_a_failure(void **state)
{
    static const char sql[] = "SELECT 1; SELECT nope; -- and\nDESCRIBE TREE v; EXPLAIN "
                              "SELECT 1;";
    fixture *f = (fixture *)*state;
    sl_client_place place = SL_CLIENT_PLACE_START;
    sl_client_result *r = NULL;
    run(f, f->c, "CREATE TEMP VIEW v AS SELECT 1 AS one");
    assert_int_equal(sl_client_next(f->c, sql, sizeof sql - 1, &place, &r, &f->e), 0);
    assert_int_equal(sl_client_result_kind_of(r), SL_CLIENT_ROWS);
    assert_int_equal(sl_client_result_rows(r), 1);
    sl_client_result_free(r);
    assert_int_equal(sl_client_next(f->c, sql, sizeof sql - 1, &place, &r, &f->e),
                     SL_CLIENT_FAILED);
    assert_int_equal(sl_client_next(f->c, sql, sizeof sql - 1, &place, &r, &f->e), 0);
    assert_int_equal(sl_client_result_kind_of(r), SL_CLIENT_TEXT);
    assert_non_null(strstr(sl_client_result_text(r), " |-- one: integer"));
    sl_client_result_free(r);
    assert_int_equal(sl_client_next(f->c, sql, sizeof sql - 1, &place, &r, &f->e), 0);
    assert_int_equal(sl_client_result_kind_of(r), SL_CLIENT_TEXT);
    sl_client_result_free(r);
    assert_int_equal(sl_client_next(f->c, sql, sizeof sql - 1, &place, &r, &f->e), 0);
    assert_null(r); /* the end */
    sl_client_result_free(NULL);
}

static void start__wants_a_streaming_query(void **state)
{
    fixture *f = (fixture *)*state;
    assert_int_equal(sl_client_start(f->c, "SELECT 1", NULL, &f->e), SL_CLIENT_FAILED);
    assert_non_null(strstr(f->e.message, "wants a CREATE STREAMING QUERY"));
    assert_int_equal(sl_client_start(f->c, "SELEC", NULL, &f->e), SL_CLIENT_FAILED);
    assert_int_equal(sl_client_start(f->c, "", NULL, &f->e), SL_CLIENT_FAILED);
}

/* ---- Arrow ---- */

static const char every_type[] =
    "SELECT true AS b, cast(1 AS TINYINT) AS y, cast(-2 AS SMALLINT) AS s, 3 AS i, "
    "5000000000L AS l, cast(1.5 AS FLOAT) AS f, 2.5D AS d, 'a text longer than an inline "
    "one' AS t, cast('abc' AS BINARY) AS n, DATE'1970-01-03' AS dt, TIMESTAMP'1970-01-01 "
    "00:00:01.5' AS ts, cast('1970-01-01 00:00:02' AS TIMESTAMP_NTZ) AS ntz, null AS v, "
    "named_struct('a', 1, 'b', 'x') AS st, INTERVAL '1' DAY AS idt, INTERVAL '2' MONTH "
    "AS "
    "iym UNION ALL SELECT null, null, null, null, null, null, null, null, null, null, "
    "null, null, null, null, null, null";

static void arrow__has_a_format_for_every_type(void **state)
{
    static const char *const formats[] = { "b", "c",  "s",   "i",   "l",       "f",
                                           "g", "u",  "z",   "tdD", "tsu:UTC", "tsu:",
                                           "n", "+s", "tDu", "tiM" };
    fixture *f = (fixture *)*state;
    struct ArrowArrayStream rows;
    struct ArrowSchema s;
    assert_int_equal(sl_client_execute(f->c, every_type, &rows, &f->e), SL_CLIENT_OK);
    assert_int_equal(rows.get_schema(&rows, &s), 0);
    assert_string_equal(s.format, "+s");
    assert_int_equal(s.n_children, 16);
    for (int i = 0; i < 16; i++) {
        assert_string_equal(s.children[i]->format, formats[i]);
        assert_true(s.children[i]->flags & ARROW_FLAG_NULLABLE);
    }
    assert_string_equal(s.children[13]->name, "st");
    assert_string_equal(s.children[13]->children[1]->name, "b");
    assert_string_equal(s.children[13]->children[1]->format, "u");
    s.release(&s);
    assert_null(s.release);
    rows.release(&rows);
}

/* Is row i of the array valid, by Arrow's rules? */
static bool is_valid(const struct ArrowArray *a, int64_t i)
{
    const uint8_t *bits = (const uint8_t *)a->buffers[0];
    if (a->n_buffers == 0)
        return false; /* the null type */
    return bits == NULL || (bits[i / 8] >> (i % 8) & 1) != 0;
}

static void arrow__values_and_nulls_of_every_type_arrive(void **state)
{
    fixture *f = (fixture *)*state;
    struct ArrowArrayStream rows;
    int64_t seen = 0;
    assert_int_equal(sl_client_execute(f->c, every_type, &rows, &f->e), SL_CLIENT_OK);
    for (;;) {
        struct ArrowArray a;
        assert_int_equal(rows.get_next(&rows, &a), 0);
        if (a.release == NULL)
            break;
        for (int64_t i = 0; i < a.length; i++, seen++) {
            struct ArrowArray **c = a.children;
            for (int k = 0; k < 16; k++) {
                assert_int_equal(c[k]->length, a.length);
                assert_int_equal(c[k]->offset, 0);
                assert_int_equal(is_valid(c[k], i), seen == 0 && k != 12);
            }
            if (seen != 0)
                continue;
            assert_int_equal(((const uint8_t *)c[0]->buffers[1])[i / 8] >> i & 1, 1);
            assert_int_equal(((const int8_t *)c[1]->buffers[1])[i], 1);
            assert_int_equal(((const int16_t *)c[2]->buffers[1])[i], -2);
            assert_int_equal(((const int32_t *)c[3]->buffers[1])[i], 3);
            assert_int_equal(((const int64_t *)c[4]->buffers[1])[i], 5000000000);
            assert_true(((const float *)c[5]->buffers[1])[i] == 1.5f);
            assert_true(((const double *)c[6]->buffers[1])[i] == 2.5);
            const int32_t *offsets = (const int32_t *)c[7]->buffers[1];
            assert_int_equal(offsets[i + 1] - offsets[i], 32);
            assert_memory_equal((const char *)c[7]->buffers[2] + offsets[i],
                                "a text longer than an inline one", 32);
            offsets = (const int32_t *)c[8]->buffers[1];
            assert_memory_equal((const char *)c[8]->buffers[2] + offsets[i], "abc", 3);
            assert_int_equal(((const int32_t *)c[9]->buffers[1])[i], 2);
            assert_int_equal(((const int64_t *)c[10]->buffers[1])[i], 1500000);
            assert_int_equal(((const int64_t *)c[11]->buffers[1])[i], 2000000);
            assert_int_equal(c[12]->null_count, c[12]->length);
            assert_int_equal(((const int32_t *)c[13]->children[0]->buffers[1])[i], 1);
            assert_int_equal(((const int64_t *)c[14]->buffers[1])[i], 86400000000);
            assert_int_equal(((const int32_t *)c[15]->buffers[1])[i], 2);
        }
        a.release(&a);
        assert_null(a.release);
    }
    assert_int_equal(seen, 2);
    rows.release(&rows);
}

static void arrow__a_child_may_outlive_parent_stream_and_client(void **state)
{
    fixture *f = (fixture *)*state;
    sl_client *c = open_client(f);
    struct ArrowArrayStream rows;
    struct ArrowArray a, child;
    assert_int_equal(sl_client_execute(c, "SELECT 42L AS l, 'x' AS t", &rows, &f->e),
                     SL_CLIENT_OK);
    sl_client_close(c);
    assert_int_equal(rows.get_next(&rows, &a), 0);
    child = *a.children[0]; /* moved out, as the interface allows */
    a.children[0]->release = NULL;
    a.release(&a);
    rows.release(&rows);
    assert_int_equal(((const int64_t *)child.buffers[1])[0], 42);
    child.release(&child);
}

static void arrow__filtered_rows_are_only_those_selected(void **state)
{
    fixture *f = (fixture *)*state;
    struct ArrowArrayStream rows;
    struct ArrowArray a;
    int64_t seen = 0;
    assert_int_equal(
        sl_client_execute(f->c,
                          "SELECT a FROM (VALUES (1), (2), (3), (4)) t(a) WHERE a > 2",
                          &rows, &f->e),
        SL_CLIENT_OK);
    for (; assert_int_equal(rows.get_next(&rows, &a), 0), a.release != NULL;
         a.release(&a))
        for (int64_t i = 0; i < a.length; i++, seen++)
            assert_int_equal(((const int32_t *)a.children[0]->buffers[1])[i], 3 + seen);
    assert_int_equal(seen, 2);
    assert_null(rows.get_last_error(&rows));
    rows.release(&rows);
}

static void arrow__statements_without_rows_are_an_empty_stream(void **state)
{
    fixture *f = (fixture *)*state;
    struct ArrowArrayStream rows;
    struct ArrowSchema s;
    struct ArrowArray a;
    assert_int_equal(
        sl_client_execute(f->c, "SET sluice.exec.chunkRows = 100", &rows, &f->e),
        SL_CLIENT_OK);
    rows.release(&rows);
    assert_int_equal(
        sl_client_execute(f->c, "CREATE TEMP VIEW e AS SELECT 1 AS one", &rows, &f->e),
        SL_CLIENT_OK);
    assert_int_equal(rows.get_schema(&rows, &s), 0);
    assert_int_equal(s.n_children, 0);
    assert_int_equal(rows.get_next(&rows, &a), 0);
    assert_null(a.release);
    s.release(&s);
    rows.release(&rows);
}

static void result__shows_and_prints_json_as_the_command_line_does(void **state)
{
    static const char sql[] = "SELECT 1 AS one, null AS none";
    fixture *f = (fixture *)*state;
    sl_client_place place = SL_CLIENT_PLACE_START;
    sl_client_result *r = NULL;
    assert_int_equal(sl_client_next(f->c, sql, sizeof sql - 1, &place, &r, &f->e), 0);
    char *text = sl_client_result_show(r, 20, 20);
    assert_string_equal(text, "+---+----+\n|one|none|\n+---+----+\n|  1|NULL|\n"
                              "+---+----+\n");
    sl_client_text_free(text);
    text = sl_client_result_json(r);
    assert_string_equal(text, "{\"schema\": \"struct<one:int,none:void>\", \"rows\": "
                              "[[1, null]]}");
    sl_client_text_free(text);
    sl_client_result_free(r);
}

/* ---- streaming queries ---- */

static void await__returns_when_the_time_is_over_and_the_query_runs_on(void **state)
{
    fixture *f = (fixture *)*state;
    bool ended = true;
    start_endless(f, "q");
    assert_int_equal(sl_client_await(f->c, "q", 0, &ended, &f->e), SL_CLIENT_OK);
    assert_false(ended);
    assert_int_equal(sl_client_await(f->c, "q", 30, &ended, &f->e), SL_CLIENT_OK);
    assert_false(ended);
    assert_int_equal(sl_client_active_count(f->c), 1);
    assert_int_equal(sl_client_stop(f->c, "q", false, &f->e), SL_CLIENT_OK);
    assert_int_equal(sl_client_await(f->c, "q", -1, &ended, &f->e), SL_CLIENT_OK);
    assert_true(ended);
    assert_int_equal(sl_client_active_count(f->c), 0);
    assert_int_equal(sl_client_await(f->c, NULL, -1, &ended, &f->e), SL_CLIENT_OK);
    assert_int_equal(sl_client_await(f->c, "qq", 0, &ended, &f->e), SL_CLIENT_FAILED);
    assert_non_null(strstr(f->e.message, "did you mean `q`?"));
    assert_int_equal(sl_client_await(f->c, "nobody", 0, &ended, &f->e), SL_CLIENT_FAILED);
    assert_string_equal(f->e.error_class, "STREAMING_QUERY_NOT_FOUND");
}

static void await__of_a_query_that_failed_fails_with_its_cause(void **state)
{
    fixture *f = (fixture *)*state;
    sl_client_query *queries = NULL;
    uint32_t count = 0;
    bool ended = false;
    run(f, f->c, "CREATE TABLE r USING `rate-micro-batch` OPTIONS (rowsPerBatch 3)");
    assert_int_equal(
        sl_client_start(f->c,
                        "CREATE STREAMING QUERY bad INTO memory AS SELECT 1 / "
                        "(value - 1) AS x FROM STREAM r",
                        NULL, &f->e),
        SL_CLIENT_OK);
    assert_int_equal(sl_client_await(f->c, "bad", -1, &ended, &f->e), SL_CLIENT_FAILED);
    assert_string_equal(f->e.error_class, "DIVIDE_BY_ZERO");
    assert_int_equal(sl_client_queries(f->c, &queries, &count, &f->e), SL_CLIENT_OK);
    assert_int_equal(count, 1);
    assert_string_equal(queries[0].state, "FAILED");
    assert_false(queries[0].is_active);
    assert_string_equal(queries[0].error.error_class, "DIVIDE_BY_ZERO");
    sl_client_queries_free(queries);
    sl_client_queries_free(NULL);
}

/* A query that looks at files each hour, one file at a time. */
static void start_over_files(fixture *f, const char *dir, const char *select)
{
    char sql[600];
    snprintf(sql, sizeof sql,
             "CREATE TABLE files (n BIGINT) USING json OPTIONS (path '%s', "
             "maxFilesPerTrigger 1)",
             dir);
    run(f, f->c, "SET sluice.streaming.pollingDelay = 1 hour");
    run(f, f->c, sql);
    snprintf(sql, sizeof sql, "CREATE STREAMING QUERY q INTO memory AS %s", select);
    if (sl_client_start(f->c, sql, NULL, &f->e) != SL_CLIENT_OK)
        fail_msg("%s", f->e.message);
}

static void put_file(const char *dir, const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void remove_files(const char *dir)
{
    char path[200];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%d.json", dir, i);
        (void)remove(path);
    }
    rmdir(dir);
}

static void process_all__looks_at_once_and_returns_when_nothing_is_left(void **state)
{
    fixture *f = (fixture *)*state;
    char dir[] = "/tmp/sluice-test-XXXXXX";
    bool done = false;
    assert_non_null(mkdtemp(dir));
    start_over_files(f, dir, "SELECT n FROM STREAM files");
    assert_int_equal(sl_client_process_all(f->c, "q", 60000, &done, &f->e), SL_CLIENT_OK);
    assert_true(done);
    put_file(dir, "0.json", "{\"n\": 1}\n");
    put_file(dir, "1.json", "{\"n\": 2}\n{\"n\": 3}\n");
    put_file(dir, "2.json", "{\"n\": 4}\n");
    assert_int_equal(sl_client_process_all(f->c, "q", 60000, &done, &f->e), SL_CLIENT_OK);
    assert_true(done);
    assert_int_equal(ask(f, f->c, "SELECT count(*) AS n FROM q"), 4);
    assert_int_equal(sl_client_stop(f->c, "q", false, &f->e), SL_CLIENT_OK);
    assert_int_equal(sl_client_await(f->c, "q", -1, NULL, &f->e), SL_CLIENT_OK);
    done = false; /* of a query that has ended */
    assert_int_equal(sl_client_process_all(f->c, "q", 60000, &done, &f->e), SL_CLIENT_OK);
    assert_true(done);
    assert_int_equal(sl_client_process_all(f->c, "nobody", 0, &done, &f->e),
                     SL_CLIENT_FAILED);
    assert_string_equal(f->e.error_class, "STREAMING_QUERY_NOT_FOUND");
    remove_files(dir);
}

static void process_all__gives_up_when_the_time_is_over(void **state)
{
    fixture *f = (fixture *)*state;
    bool done = true;
    start_endless(f, "q"); /* its source never runs dry */
    assert_int_equal(sl_client_process_all(f->c, "q", 30, &done, &f->e), SL_CLIENT_OK);
    assert_false(done);
}

static void process_all__of_a_query_that_fails_fails_with_its_cause(void **state)
{
    fixture *f = (fixture *)*state;
    char dir[] = "/tmp/sluice-test-XXXXXX";
    bool done = false;
    assert_non_null(mkdtemp(dir));
    start_over_files(f, dir, "SELECT 1 / n AS x FROM STREAM files");
    put_file(dir, "0.json", "{\"n\": 0}\n");
    assert_int_equal(sl_client_process_all(f->c, "q", 60000, &done, &f->e),
                     SL_CLIENT_FAILED);
    assert_string_equal(f->e.error_class, "DIVIDE_BY_ZERO");
    assert_false(done);
    remove_files(dir);
}

static void start__gives_the_id_and_the_rows_come(void **state)
{
    fixture *f = (fixture *)*state;
    char id[37] = "";
    bool ended = false;
    run(f, f->c, "CREATE TABLE r USING `rate-micro-batch` OPTIONS (rowsPerBatch 3)");
    assert_int_equal(
        sl_client_start(f->c,
                        "CREATE STREAMING QUERY q TRIGGER AVAILABLE NOW INTO "
                        "memory AS SELECT value FROM STREAM r",
                        id, &f->e),
        SL_CLIENT_OK);
    assert_int_equal(strlen(id), 36);
    assert_int_equal(sl_client_await(f->c, id, -1, &ended, &f->e), SL_CLIENT_OK);
    assert_true(ended);
    assert_int_equal(ask(f, f->c, "SELECT count(*) FROM q"), 3);
    assert_int_equal(ask(f, f->c, "SELECT sum(value) FROM Q"), 3);
    char *json = NULL;
    assert_int_equal(sl_client_query_progress(f->c, "q", 1, &json, &f->e), SL_CLIENT_OK);
    assert_non_null(strstr(json, id));
    assert_non_null(strstr(json, "\"batchId\""));
    assert_non_null(strstr(json, "\"RatePerMicroBatchStream[rowsPerBatch=3"));
    sl_client_text_free(json);
    assert_int_equal(sl_client_query_status(f->c, "q", &json, &f->e), SL_CLIENT_OK);
    assert_non_null(strstr(json, "\"message\":\"Stopped\""));
    sl_client_text_free(json);
}

static void start__a_name_in_use_is_refused(void **state)
{
    fixture *f = (fixture *)*state;
    start_endless(f, "q");
    assert_int_equal(sl_client_start(f->c,
                                     "CREATE STREAMING QUERY q INTO noop AS SELECT value "
                                     "FROM STREAM r",
                                     NULL, &f->e),
                     SL_CLIENT_FAILED);
    assert_string_equal(f->e.error_class, "QUERY_ALREADY_ACTIVE");
}

static void on_event(void *user, sl_client_event event, const sl_client_query *query,
                     const char *progress)
{
    fixture *f = (fixture *)user;
    sl_client_error e;
    struct ArrowArrayStream rows;
    pthread_mutex_lock(&f->lock);
    f->events[event]++;
    if (progress != NULL)
        snprintf(f->last_progress, sizeof f->last_progress, "%s", progress);
    pthread_mutex_unlock(&f->lock);
    if (event != SL_CLIENT_QUERY_PROGRESS)
        return;
    /* A listener may ask, and stop; it may not wait for itself. */
    char *json = NULL;
    assert_int_equal(sl_client_query_status(f->c, query->id, &json, &e), SL_CLIENT_OK);
    sl_client_text_free(json);
    assert_int_equal(sl_client_execute(f->c, "SELECT 1", &rows, &e), SL_CLIENT_FAILED);
    assert_non_null(strstr(e.message, "a listener cannot run statements"));
    assert_int_equal(sl_client_await(f->c, NULL, -1, NULL, &e), SL_CLIENT_FAILED);
    assert_non_null(strstr(e.message, "a listener cannot await"));
    assert_int_equal(sl_client_stop(f->c, query->name, false, &e), SL_CLIENT_OK);
}

static void listener__hears_start_progress_and_end(void **state)
{
    fixture *f = (fixture *)*state;
    sl_client_set_listener(f->c, on_event, true, f);
    start_endless(f, "q");
    assert_int_equal(sl_client_await(f->c, "q", -1, NULL, &f->e), SL_CLIENT_OK);
    sl_client_set_listener(f->c, NULL, false, NULL);
    assert_int_equal(f->events[SL_CLIENT_QUERY_STARTED], 1);
    assert_true(f->events[SL_CLIENT_QUERY_PROGRESS] >= 1);
    assert_int_equal(f->events[SL_CLIENT_QUERY_TERMINATED], 1);
    assert_non_null(strstr(f->last_progress, "\"numInputRows\":3"));
    start_endless(f, "r2"); /* nobody is told any more */
    assert_int_equal(f->events[SL_CLIENT_QUERY_STARTED], 1);
}

static void listener__without_reports_hears_start_and_end_alone(void **state)
{
    fixture *f = (fixture *)*state;
    sl_client_set_listener(f->c, on_event, false, f);
    run(f, f->c, "CREATE TABLE r USING `rate-micro-batch` OPTIONS (rowsPerBatch 3)");
    assert_int_equal(sl_client_start(f->c,
                                     "CREATE STREAMING QUERY q TRIGGER AVAILABLE NOW "
                                     "INTO noop AS SELECT value FROM STREAM r",
                                     NULL, &f->e),
                     SL_CLIENT_OK);
    assert_int_equal(sl_client_await(f->c, "q", -1, NULL, &f->e), SL_CLIENT_OK);
    sl_client_set_listener(f->c, NULL, false, NULL);
    assert_int_equal(f->events[SL_CLIENT_QUERY_STARTED], 1);
    assert_int_equal(f->events[SL_CLIENT_QUERY_PROGRESS], 0);
    assert_int_equal(f->events[SL_CLIENT_QUERY_IDLE], 0);
    assert_int_equal(f->events[SL_CLIENT_QUERY_TERMINATED], 1);
}

static void print__that_refuses_ends_the_query_without_an_error(void **state)
{
    fixture *f = (fixture *)*state;
    bool ended = false;
    f->refuse_print = 1;
    run(f, f->c, "CREATE TABLE r USING `rate-micro-batch` OPTIONS (rowsPerBatch 1)");
    assert_int_equal(sl_client_start(f->c,
                                     "CREATE STREAMING QUERY q INTO console AS SELECT "
                                     "value FROM STREAM r",
                                     NULL, &f->e),
                     SL_CLIENT_OK);
    assert_int_equal(sl_client_await(f->c, "q", -1, &ended, &f->e), SL_CLIENT_OK);
    assert_true(ended);
    assert_int_equal(f->printed_bytes, 0);
}

static void print__gets_console_blocks_whole(void **state)
{
    fixture *f = (fixture *)*state;
    run(f, f->c,
        "CREATE TABLE r USING `rate-micro-batch` OPTIONS (rowsPerBatch 1);"
        "CREATE STREAMING QUERY q TRIGGER AVAILABLE NOW INTO console AS SELECT value "
        "FROM STREAM r");
    assert_non_null(strstr(f->printed, "Batch: 0\n"));
    assert_non_null(strstr(f->printed, "|    0|\n"));
}

/* ---- cancel ---- */

static void *cancel_until_done(void *user)
{
    fixture *f = (fixture *)user;
    for (;;) { /* the statement may not run yet */
        pthread_mutex_lock(&f->lock);
        bool done = f->refuse_print != 0;
        pthread_mutex_unlock(&f->lock);
        if (done)
            return NULL;
        sl_client_cancel(f->c);
        usleep(1000);
    }
}

static void cancel__ends_a_wait_and_leaves_the_query_running(void **state)
{
    fixture *f = (fixture *)*state;
    pthread_t thread;
    start_endless(f, "q");
    assert_int_equal(pthread_create(&thread, NULL, cancel_until_done, f), 0);
    assert_int_equal(sl_client_execute(f->c, "AWAIT STREAMING QUERY q", NULL, &f->e),
                     SL_CLIENT_CANCELLED);
    pthread_mutex_lock(&f->lock);
    f->refuse_print = 1;
    pthread_mutex_unlock(&f->lock);
    pthread_join(thread, NULL);
    assert_int_equal(sl_client_active_count(f->c), 1);
    assert_int_equal(ask(f, f->c, "SELECT 7L"), 7);
    sl_client_cancel(f->c); /* nothing runs: nothing happens */
    assert_int_equal(ask(f, f->c, "SELECT 8L"), 8);
}

static void close__abandons_what_runs(void **state)
{
    fixture *f = (fixture *)*state;
    start_endless(f, "a");
    start_endless(f, "b"); /* tear_down closes with both running */
    assert_int_equal(sl_client_active_count(f->c), 2);
}

/* ---- saved checkpoints ---- */

static void saved__a_directory_without_a_checkpoint_is_told(void **state)
{
    (void)state;
    char *text = NULL;
    sl_client_error e;
    assert_int_not_equal(sl_client_saved_status("/nowhere", false, &text, &e),
                         SL_CLIENT_OK);
    assert_non_null(strstr(e.message, "/nowhere"));
    assert_int_not_equal(sl_client_saved_progress("/nowhere", 5, &text, &e),
                         SL_CLIENT_OK);
    assert_null(text);
    assert_string_equal(sl_client_version(), "0.1.0");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open__refuses_what_it_does_not_know),
        T(clients__of_one_process_do_not_see_each_other),
        T(execute__an_error_has_class_state_place_and_caret),
        T(next__goes_statement_by_statement_also_after_a_failure),
        T(start__wants_a_streaming_query),
        T(arrow__has_a_format_for_every_type),
        T(arrow__values_and_nulls_of_every_type_arrive),
        T(arrow__a_child_may_outlive_parent_stream_and_client),
        T(arrow__filtered_rows_are_only_those_selected),
        T(arrow__statements_without_rows_are_an_empty_stream),
        T(result__shows_and_prints_json_as_the_command_line_does),
        T(await__returns_when_the_time_is_over_and_the_query_runs_on),
        T(await__of_a_query_that_failed_fails_with_its_cause),
        T(process_all__looks_at_once_and_returns_when_nothing_is_left),
        T(process_all__gives_up_when_the_time_is_over),
        T(process_all__of_a_query_that_fails_fails_with_its_cause),
        T(start__gives_the_id_and_the_rows_come),
        T(start__a_name_in_use_is_refused),
        T(listener__hears_start_progress_and_end),
        T(listener__without_reports_hears_start_and_end_alone),
        T(print__that_refuses_ends_the_query_without_an_error),
        T(print__gets_console_blocks_whole),
        T(cancel__ends_a_wait_and_leaves_the_query_running),
        T(close__abandons_what_runs),
        cmocka_unit_test(saved__a_directory_without_a_checkpoint_is_told),
    };
    return cmocka_run_group_tests_name("client/api", tests, NULL, NULL);
}
