/* The page of `sluice top`. */
#include "client/cli/top_page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char status[] =
    "{\"driver\":{\"version\":\"0.1.0\",\"uptimeMs\":192000,\"clients\":2},"
    "\"workers\":[{\"name\":\"w1\",\"state\":\"ACTIVE\",\"slots\":2,\"tasksRunning\":1,"
    "\"partitions\":5,\"memoryBytes\":1073741824,\"memoryUsedBytes\":1572864,"
    "\"shuffleSentBytes\":3072,\"shuffleReceivedBytes\":512,"
    "\"heardMsAgo\":300,\"pid\":7,\"host\":\"here\"},"
    "{\"name\":\"w2\",\"state\":\"SUSPECT\",\"slots\":2,\"tasksRunning\":0,"
    "\"partitions\":3,\"memoryBytes\":-1,\"memoryUsedBytes\":0,"
    "\"heardMsAgo\":72000,\"pid\":8,\"host\":\"here\"}],"
    "\"queries\":[{\"name\":\"z\xc3\xa4hlung\",\"state\":\"RUNNING\",\"lastBatch\":41,"
    "\"inputRowsPerSecond\":12.5,\"processedRowsPerSecond\":1234.5,"
    "\"lastProgress\":{\"timestamp\":\"2026-01-01T00:01:40.000Z\","
    "\"durationMs\":{\"triggerExecution\":17},"
    "\"eventTime\":{\"watermark\":\"2026-01-01T00:00:10.000Z\"},"
    "\"stateOperators\":[{\"numRowsTotal\":10,\"memoryUsedBytes\":1024},"
    "{\"numRowsTotal\":5,\"memoryUsedBytes\":1024}]}},"
    "{\"name\":\"new\",\"state\":\"STARTING\",\"lastBatch\":-1}]}";

static const char *page_of(const sl_top_view *view, sl_bytes *out)
{
    sl_error err;
    sl_bytes_clear(out);
    assert_int_equal(sl_top_page(status, view, out, &err), SL_OK);
    return sl_bytes_cstr(out);
}

static void page__shows_every_worker_and_query_with_its_figures(void **state)
{
    (void)state;
    sl_bytes out = { 0 };
    sl_top_view view = { .address = "sluice://h:1" };
    assert_string_equal(
        page_of(&view, &out),
        "sluice 0.1.0 at sluice://h:1, up 3m12s: 2 workers, 2 queries, 2 client(s)\n"
        "\n"
        "WORKER  STATE    SLOTS  TASKS  PARTITIONS              MEMORY  SHUFFLE OUT  "
        "SHUFFLE IN  HEARD  PID  HOST\n"
        "w1      ACTIVE       2      1           5  1.5 MiB of 1.0 GiB      3.0 KiB  "
        "     512 B   0.3s    7  here\n"
        "w2      SUSPECT      2      0           3                 0 B          0 B  "
        "       0 B  1m12s    8  here\n"
        "\n"
        "QUERY    STATE     BATCH  IN ROWS/S  DONE ROWS/S  BATCH MS  "
        "WATERMARK LAG  STATE ROWS  STATE SIZE\n"
        "z\xc3\xa4hlung  RUNNING      41       12.5         1234     "
        "   17          1m30s          15     2.0 KiB\n"
        "new      STARTING      -          -            -         -  "
        "            -           -           -\n");
    sl_bytes_deinit(&out);
}

static void page__cuts_lines_at_the_width_and_says_how_many_are_left_out(void **state)
{
    (void)state;
    sl_bytes out = { 0 };
    sl_top_view view = { .address = "a", .columns = 9, .rows = 10 };
    assert_non_null(strstr(page_of(&view, &out), "\nz\xc3\xa4hlung  \nnew"));
    view.rows = 8;
    assert_non_null(strstr(page_of(&view, &out), "\n... and 2"));
    for (view.rows = 3; view.rows < 12; view.rows++) {
        uint32_t lines = 0;
        for (const char *at = page_of(&view, &out); (at = strchr(at, '\n')) != NULL; at++)
            lines++;
        assert_true(lines <= view.rows);
    }
    sl_bytes_deinit(&out);
}

static void page__has_escapes_only_where_colour_is_wanted(void **state)
{
    (void)state;
    sl_bytes out = { 0 };
    sl_top_view view = { .address = "a" };
    assert_null(strchr(page_of(&view, &out), '\033'));
    view.has_colour = true;
    assert_non_null(strstr(page_of(&view, &out), "\033[33mw2"));
    sl_bytes_deinit(&out);
}

static void page__refuses_what_is_no_status(void **state)
{
    (void)state;
    sl_bytes out = { 0 };
    sl_error err;
    sl_top_view view = { .address = "a" };
    assert_int_equal(sl_top_page("[1", &view, &out, &err), SL_ECORRUPT);
    assert_int_equal(sl_top_page("[]", &view, &out, &err), SL_ECORRUPT);
    assert_int_equal(sl_top_page("{}", &view, &out, &err), SL_OK);
    sl_bytes_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(page__shows_every_worker_and_query_with_its_figures),
        cmocka_unit_test(page__cuts_lines_at_the_width_and_says_how_many_are_left_out),
        cmocka_unit_test(page__has_escapes_only_where_colour_is_wanted),
        cmocka_unit_test(page__refuses_what_is_no_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
