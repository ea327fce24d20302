#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"

/* What fn writes to stderr, which is a pipe meanwhile. */
static void capture(void (*fn)(void), char *ret, size_t size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int kept = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    fn();
    dup2(kept, STDERR_FILENO);
    close(kept);
    ssize_t n = read(ends[0], ret, size - 1);
    close(ends[0]);
    ret[n > 0 ? n : 0] = '\0';
}

static int count_of(const char *text, const char *what)
{
    int count = 0;
    for (; (text = strstr(text, what)); text += strlen(what))
        count++;
    return count;
}

static void log_below_the_level(void)
{
    sl_log_set_level(SL_LOG_WARN);
    log_info("T-QUIET", "not shown");
    sl_log_set_level(SL_LOG_OFF);
    log_error("T-QUIET", "not shown");
    sl_log_set_level(SL_LOG_WARN);
}

static void log__shows_nothing_below_its_level(void **state)
{
    (void)state;
    char text[4096];
    capture(log_below_the_level, text, sizeof text);
    assert_string_equal(text, "");
}

static void log_quotes(void)
{
    log_warn("T-QUOTE", "say \"%s\"\nnext", "hi");
}

static void log__off_a_terminal_is_logfmt_on_one_line(void **state)
{
    (void)state;
    char text[4096];
    capture(log_quotes, text, sizeof text);
    assert_memory_equal(text, "ts=", 3);
    assert_non_null(
        strstr(text, "Z level=warn id=T-QUOTE msg=\"say \\\"hi\\\"\\nnext\"\n"));
    assert_int_equal(count_of(text, "\n"), 1);
    assert_null(strchr(text, '\033'));
}

static void log_repeats(void)
{
    for (int i = 0; i < 5; i++)
        log_warn("T-SAME", "again");
    log_warn("T-OTHER", "something else");
}

static void log__counts_equal_lines(void **state)
{
    (void)state;
    char text[4096];
    capture(log_repeats, text, sizeof text);
    assert_int_equal(count_of(text, "msg=\"again\""), 1);
    assert_int_equal(count_of(text, "repeated 4 times"), 1);
    assert_int_equal(count_of(text, "something else"), 1);
}

static void log_restarts(void)
{
    log_warn("T-AGAIN", "the same line");
    log_warn("T-AGAIN", "the same line");
    sl_log_restart();
    log_warn("T-AGAIN", "the same line");
    log_warn("T-AGAIN", "the same line");
    sl_log_flush();
    sl_log_flush();
}

static void log__begins_anew_after_a_restart_and_shows_what_it_counted(void **state)
{
    (void)state;
    char text[4096];
    capture(log_restarts, text, sizeof text);
    assert_int_equal(count_of(text, "msg=\"the same line\""), 2);
    assert_int_equal(count_of(text, "repeated 1 times"), 1);
}

static void log_to_a_closed_pipe(void)
{
    close(STDERR_FILENO);
    log_warn("T-CLOSED", "nobody reads this");
}

static void log__survives_a_closed_stderr(void **state)
{
    (void)state;
    char text[64];
    capture(log_to_a_closed_pipe, text, sizeof text);
    assert_string_equal(text, "");
}

static sl_metric metrics[] = {
    { .name = "sluice_z", .unit = "", .meaning = "last", .kind = SL_METRIC_GAUGE },
    { .name = "sluice_rows_total",
      .unit = "rows",
      .meaning = "rows read",
      .kind = SL_METRIC_COUNTER },
};

static void metrics__are_prometheus_text_ordered_by_name(void **state)
{
    (void)state;
    sl_bytes out = { 0 };
    sl_metrics_register(metrics, 2);
    sl_metrics_register(metrics, 2);
    sl_metric_add(&metrics[1], 40);
    sl_metric_add(&metrics[1], 2);
    sl_metric_set(&metrics[0], -5);
    sl_metrics_text("", &out);
    assert_string_equal(sl_bytes_cstr(&out),
                        "# HELP sluice_rows_total rows read (rows)\n"
                        "# TYPE sluice_rows_total counter\nsluice_rows_total 42\n"
                        "# HELP sluice_z last\n# TYPE sluice_z gauge\nsluice_z -5\n");
    sl_bytes_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log__shows_nothing_below_its_level),
        cmocka_unit_test(log__off_a_terminal_is_logfmt_on_one_line),
        cmocka_unit_test(log__counts_equal_lines),
        cmocka_unit_test(log__begins_anew_after_a_restart_and_shows_what_it_counted),
        cmocka_unit_test(log__survives_a_closed_stderr),
        cmocka_unit_test(metrics__are_prometheus_text_ordered_by_name),
    };
    /* The log asks once whether stderr is a terminal: let it meet a pipe first. */
    char text[4096];
    capture(log_repeats, text, sizeof text);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
