/* Processes are reached by pid and start time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/cluster/process.h"

static pid_t start_sleeper(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        for (;;)
            pause();
    }
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void signal__reaches_the_process_identified(void **state)
{
    int status;
    (void)state;
    pid_t pid = start_sleeper();
    sl_process_id id = sl_process_identify(pid);
    assert_int_equal(id.pid, pid);
    assert_true(sl_process_is_alive(&id));
    assert_false(sl_process_wait(&id, 0));
    assert_true(sl_process_signal(&id, SIGTERM));
    assert_true(sl_process_wait(&id, 10000));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static void signal__spares_another_process_with_the_same_pid(void **state)
{
    (void)state;
    pid_t pid = start_sleeper();
    sl_process_id id = sl_process_identify(pid), earlier = id, other_boot = id;
    earlier.start_ticks--;
    other_boot.boot[0] = other_boot.boot[0] == 'x' ? 'y' : 'x';
    assert_false(sl_process_is_alive(&earlier));
    assert_false(sl_process_signal(&earlier, SIGKILL));
    assert_false(sl_process_signal(&other_boot, SIGKILL));
    assert_true(sl_process_wait(&earlier, 0)); /* that one has ended */
    assert_true(sl_process_is_alive(&id));
    end(pid);
}

static void is_alive__is_false_for_a_zombie_and_for_nobody(void **state)
{
    const sl_process_id none = { .pid = 0 };
    siginfo_t info;
    (void)state;
    pid_t pid = start_sleeper();
    sl_process_id id = sl_process_identify(pid);
    kill(pid, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_false(sl_process_is_alive(&id));
    assert_int_equal(sl_process_identify(pid).pid, 0);
    end(pid);
    assert_false(sl_process_is_alive(&none));
    assert_false(sl_process_signal(&none, SIGKILL));
    assert_true(sl_process_wait(&none, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signal__reaches_the_process_identified),
        cmocka_unit_test(signal__spares_another_process_with_the_same_pid),
        cmocka_unit_test(is_alive__is_false_for_a_zombie_and_for_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
