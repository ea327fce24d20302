/* Unit tests of client/cluster/launcher.c: children, and how they say that they are
 * ready. A shell stands in for a process of a cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cluster/launcher.h"

/* Descriptors 8 and 9 are where a child finds its pipes. */
static sl_code start(const char *script, sl_child *ret, sl_error *err)
{
    const char *arguments[] = { "-c", script, NULL };
    sl_launch l = { .program = "/bin/sh", .arguments = arguments };
    return sl_child_start(&l, ret, err);
}

/* Whatever descriptors are free in the parent, also those numbers. */
static void child__has_its_pipes_whatever_numbers_they_had_here(void **state)
{
    (void)state;
    for (int taken = 0; taken < 12; taken++) {
        int fds[12];
        sl_child child = { .alive_fd = -1, .ready_fd = -1 };
        sl_error err = { 0 };
        for (int i = 0; i < taken; i++)
            fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (start("echo ready here >&9; read line <&8", &child, &err) != SL_OK ||
            sl_child_wait_ready(&child, NULL, 20000, &err) != SL_OK)
            fail_msg("with %d taken: %s", taken, err.text);
        assert_string_equal(child.address, "here");
        sl_child_stop(&child, 10000);
        assert_int_equal(child.pid, 0);
        for (int i = 0; i < taken; i++)
            close(fds[i]);
    }
}

static void wait_ready__tells_of_a_child_that_ended_or_says_something_else(void **state)
{
    (void)state;
    sl_child child;
    sl_error err = { 0 };
    assert_int_equal(start("exit 3", &child, &err), SL_OK);
    assert_int_equal(sl_child_wait_ready(&child, NULL, 20000, &err), SL_EIO);
    assert_non_null(strstr(err.text, "ended before it was ready"));
    sl_child_stop(&child, 10000);
    assert_int_equal(start("echo hello >&9; read line <&8", &child, &err), SL_OK);
    assert_int_equal(sl_child_wait_ready(&child, NULL, 20000, &err), SL_EIO);
    assert_non_null(strstr(err.text, "something else"));
    sl_child_stop(&child, 10000);
}

/* One wish to end, not two: a second would abandon the batch. */
static void stop__is_one_signal(void **state)
{
    (void)state;
    char path[] = "/tmp/sluice-launcher-XXXXXX", script[300], seen[64] = "";
    int fd = mkstemp(path);
    sl_child child;
    sl_error err = { 0 };
    assert_true(fd >= 0);
    snprintf(script, sizeof script,
             "trap 'echo term >>%s' TERM; echo ready x >&9\n"
             "while [ ! -s %s ]; do sleep 0.01; done\n"
             "(read line <&8; echo gone >>%s) & sleep 0.2; kill $!",
             path, path, path);
    assert_int_equal(start(script, &child, &err), SL_OK);
    if (sl_child_wait_ready(&child, NULL, 20000, &err) != SL_OK)
        fail_msg("%s", err.text);
    sl_child_stop(&child, 10000);
    assert_true(pread(fd, seen, sizeof seen - 1, 0) > 0);
    assert_string_equal(seen, "term\n");
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(child__has_its_pipes_whatever_numbers_they_had_here),
        cmocka_unit_test(wait_ready__tells_of_a_child_that_ended_or_says_something_else),
        cmocka_unit_test(stop__is_one_signal),
    };
    return cmocka_run_group_tests_name("client/launcher", tests, NULL, NULL);
}
