/* Unit tests of client/cluster/launcher.c and launcher_fork.c: children, and how they say
 * that they are ready. A shell stands in for a process of a cluster, or this program, by
 * exec as by fork: act() is its entry both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/cluster/launcher.h"

/* Descriptors 8 and 9 are where a child finds its pipes. */
static sl_code start(const char *script, sl_child *ret, sl_error *err)
{
    const char *arguments[] = { "-c", script, NULL };
    sl_launch l = { .program = "/bin/sh", .arguments = arguments };
    return sl_child_start(&l, ret, err);
}

static const char *begun_by = "exec"; /* what a copy of this process has is "fork" */

static const char *own_name;

static void say(const char *text)
{
    (void)!write(9, text, strlen(text));
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* What a child may find: act WHAT [FD...] --ready-fd 9 --alive-fd 8. */
static int act(int argc, char **argv)
{
    char line[200] = "", byte;
    const char *what = argc > 1 ? argv[1] : "";
    int n = snprintf(line, sizeof line, "ready %s", begun_by);
    if (strcmp(what, "signals") == 0) {
        struct sigaction pipe_now, usr1_now;
        sigset_t mask;
        sigprocmask(SIG_SETMASK, NULL, &mask);
        sigaction(SIGPIPE, NULL, &pipe_now);
        sigaction(SIGUSR1, NULL, &usr1_now);
        snprintf(line + n, sizeof line - (size_t)n, " term %d pipe %d usr1 %d group %d",
                 sigismember(&mask, SIGTERM), pipe_now.sa_handler != SIG_DFL,
                 usr1_now.sa_handler != SIG_DFL, getpgrp() == getpid());
    } else if (strcmp(what, "descriptors") == 0) {
        snprintf(line + n, sizeof line - (size_t)n, " stays %d closes %d",
                 is_open(atoi(argv[2])), is_open(atoi(argv[3])));
    } else if (strcmp(what, "arguments") == 0) {
        snprintf(line + n, sizeof line - (size_t)n, " %s %s %s", argv[0], argv[2],
                 argv[3]);
    } else if (strcmp(what, "print") == 0) {
        printf("the child's\n");
        return 0;
    }
    say(line);
    say("\n");
    while (read(8, &byte, 1) > 0)
        ;
    if (strcmp(what, "mourn") == 0)
        (void)!write(atoi(argv[2]), "gone", 4);
    return 0;
}

static bool can_fork(void) /* a sanitizer's thread is one too many */
{
    char line[128];
    int threads = 0;
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && threads == 0 && fgets(line, sizeof line, status) != NULL)
        (void)!sscanf(line, "Threads: %d", &threads);
    if (status != NULL)
        fclose(status);
    return threads == 1;
}

static void start_act(const char *what, const char *first, const char *second,
                      sl_child *ret)
{
    const char *arguments[] = { what, first, second, NULL };
    sl_launch l = { .arguments = arguments, .may_fork = true };
    sl_error err = { 0 };
    if (sl_child_start(&l, ret, &err) != SL_OK ||
        sl_child_wait_ready(ret, NULL, 20000, &err) != SL_OK)
        fail_msg("%s: %s", what, err.text);
}

#define SKIP_IF_NO_FORK()                                                                \
    do {                                                                                 \
        (void)state;                                                                     \
        if (!can_fork())                                                                 \
            skip();                                                                      \
    } while (0)

static void *wait_at(void *lock)
{
    pthread_mutex_lock((pthread_mutex_t *)lock);
    pthread_mutex_unlock((pthread_mutex_t *)lock);
    return NULL;
}

/* Another thread may hold any lock, and a copy would wait for it for ever. */
static void start__is_by_fork_with_one_thread_and_else_by_exec(void **state)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread;
    sl_child child;
    SKIP_IF_NO_FORK();
    start_act("act", NULL, NULL, &child);
    assert_string_equal(child.address, "fork");
    sl_child_stop(&child, 10000);
    pthread_mutex_lock(&lock);
    assert_int_equal(pthread_create(&thread, NULL, wait_at, &lock), 0);
    start_act("act", NULL, NULL, &child);
    assert_string_equal(child.address, "exec");
    sl_child_stop(&child, 10000);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
}

static void start__is_by_exec_of_what_was_not_allowed_to_fork(void **state)
{
    const char *arguments[] = { "act", NULL };
    sl_launch l = { .arguments = arguments };
    sl_child child;
    sl_error err = { 0 };
    (void)state;
    assert_int_equal(sl_child_start(&l, &child, &err), SL_OK);
    assert_int_equal(sl_child_wait_ready(&child, NULL, 20000, &err), SL_OK);
    assert_string_equal(child.address, "exec");
    sl_child_stop(&child, 10000);
}

static void ignore(int number)
{
    (void)number;
}

static void fork__leaves_no_signal_blocked_ignored_or_caught(void **state)
{
    sigset_t term, old;
    sl_child child;
    SKIP_IF_NO_FORK();
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, &old);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, ignore);
    start_act("signals", NULL, NULL, &child);
    sigprocmask(SIG_SETMASK, &old, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGUSR1, SIG_DFL);
    assert_string_equal(child.address, "fork term 0 pipe 0 usr1 0 group 1");
    sl_child_stop(&child, 10000);
}

static void fork__closes_what_exec_would_close_and_nothing_else(void **state)
{
    char stays_text[16], closes_text[16];
    sl_child child;
    SKIP_IF_NO_FORK();
    int stays = open("/dev/null", O_RDONLY);
    int closes = fcntl(stays, F_DUPFD_CLOEXEC, 200); /* far above what else is open */
    assert_true(closes >= 200);
    snprintf(stays_text, sizeof stays_text, "%d", stays);
    snprintf(closes_text, sizeof closes_text, "%d", closes);
    start_act("descriptors", stays_text, closes_text, &child);
    assert_string_equal(child.address, "fork stays 1 closes 0");
    sl_child_stop(&child, 10000);
    close(stays);
    close(closes);
}

/* Also those that lie where the child writes its title. */
static void fork__gives_the_arguments_and_shows_them(void **state)
{
    char path[64], wanted[64], shown[64] = "";
    const char *tail = own_name + strlen(own_name) - 8;
    sl_child child;
    SKIP_IF_NO_FORK();
    start_act("arguments", tail, "second", &child);
    snprintf(wanted, sizeof wanted, "fork sluice %s second", tail);
    assert_string_equal(child.address, wanted);
    snprintf(path, sizeof path, "/proc/%ld/cmdline", (long)child.pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(read(fd, shown, sizeof shown - 1) > 0);
    close(fd);
    assert_string_equal(shown, "sluice");
    assert_string_equal(shown + 7, "arguments"); /* and on, if there is room */
    sl_child_stop(&child, 10000);
}

static void leave_a_mark(void)
{
    (void)!write(STDOUT_FILENO, "exit handler\n", 13);
}

/* In a process of its own, which prints into a pipe: text that waits in its buffer. */
static void print_and_fork(void)
{
    const char *arguments[] = { "print", NULL };
    sl_launch l = { .arguments = arguments, .may_fork = true };
    sl_child child;
    atexit(leave_a_mark);
    printf("the parent's\n");
    if (sl_child_start(&l, &child, NULL) != SL_OK)
        _exit(1);
    int status;
    waitpid(child.pid, &status, 0);
    _exit(status);
}

static void
fork__writes_what_waits_in_a_buffer_once_and_runs_no_exit_handler(void **state)
{
    int ends[2], status = -1;
    char text[100] = "";
    SKIP_IF_NO_FORK();
    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        print_and_fork();
    }
    close(ends[1]);
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    size_t n = 0;
    for (ssize_t got; (got = read(ends[0], text + n, sizeof text - 1 - n)) > 0;)
        n += (size_t)got;
    close(ends[0]);
    assert_string_equal(text, "the parent's\nthe child's\n");
}

static void fork_and_be_killed(const char *fd_text)
{
    sl_child child;
    start_act("mourn", fd_text, NULL, &child);
    kill(getpid(), SIGKILL);
}

static void fork__ties_the_child_to_its_parents_life(void **state)
{
    int ends[2];
    char fd_text[16], text[16] = "";
    SKIP_IF_NO_FORK();
    assert_int_equal(pipe(ends), 0);
    snprintf(fd_text, sizeof fd_text, "%d", ends[1]);
    pid_t pid = fork();
    if (pid == 0)
        fork_and_be_killed(fd_text);
    close(ends[1]);
    waitpid(pid, NULL, 0);
    assert_int_equal(read(ends[0], text, sizeof text - 1), 4); /* of the grandchild */
    assert_string_equal(text, "gone");
    assert_int_equal(read(ends[0], text, sizeof text), 0); /* which ended, too */
    close(ends[0]);
}

/* Whatever descriptors are free in the parent, also those numbers. */
static void child__has_its_pipes_whatever_numbers_they_had_here(void **state)
{
    (void)state;
    for (int taken = 0; taken < 24; taken++) {
        int fds[12];
        sl_child child = { .alive_fd = -1, .ready_fd = -1 };
        sl_error err = { 0 };
        for (int i = 0; i < taken / 2; i++)
            fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (taken % 2 == 0) {
            start_act("act", NULL, NULL, &child);
        } else {
            if (start("echo ready here >&9; read line <&8", &child, &err) != SL_OK ||
                sl_child_wait_ready(&child, NULL, 20000, &err) != SL_OK)
                fail_msg("with %d taken: %s", taken / 2, err.text);
            assert_string_equal(child.address, "here");
        }
        sl_child_stop(&child, 10000);
        assert_int_equal(child.pid, 0);
        for (int i = 0; i < taken / 2; i++)
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

/* Also where no descriptor is left to wait with. */
static void stop__sees_the_end_without_a_free_descriptor(void **state)
{
    (void)state;
    int filler[256];
    uint32_t fillers = 0;
    struct rlimit old, few;
    sl_child child;
    sl_error err = { 0 };
    assert_int_equal(start("echo ready x >&9; read line <&8", &child, &err), SL_OK);
    assert_int_equal(sl_child_wait_ready(&child, NULL, 20000, &err), SL_OK);
    pid_t pid = child.pid;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    few = (struct rlimit){ .rlim_cur = 64, .rlim_max = old.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (fillers < 256 && (filler[fillers] = open("/dev/null", O_CLOEXEC)) >= 0)
        fillers++;
    sl_child_stop(&child, 10000);
    setrlimit(RLIMIT_NOFILE, &old);
    while (fillers > 0)
        close(filler[--fillers]);
    assert_int_equal(child.pid, 0);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), -1); /* it was seen to end */
}

static void stop__kills_who_does_not_end(void **state)
{
    (void)state;
    sl_child child;
    sl_error err = { 0 };
    assert_int_equal(start("trap '' TERM; echo ready x >&9\n"
                           "while :; do sleep 0.01; done",
                           &child, &err),
                     SL_OK);
    assert_int_equal(sl_child_wait_ready(&child, NULL, 20000, &err), SL_OK);
    pid_t pid = child.pid;
    sl_child_stop(&child, 50);
    assert_int_equal(child.pid, 0);
    assert_int_equal(kill(pid, 0), -1);
}

/* Each of them once, whoever asks again: two wishes would abandon a batch. */
static void stop__asks_once_those_that_were_asked_before(void **state)
{
    (void)state;
    sl_child children[2];
    sl_error err = { 0 };
    for (int i = 0; i < 2; i++) {
        assert_int_equal(start("trap 'n=$((n + 1))' TERM; echo ready x >&9\n"
                               "while [ -z \"$n\" ]; do sleep 0.01; done\n"
                               "sleep 0.1; [ $n -eq 1 ]",
                               &children[i], &err),
                         SL_OK);
        assert_int_equal(sl_child_wait_ready(&children[i], NULL, 20000, &err), SL_OK);
    }
    sl_children_ask(children, 2);
    sl_children_ask(children, 2);
    siginfo_t info;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(waitid(P_PID, (id_t)children[i].pid, &info, WEXITED | WNOWAIT),
                         0);
        assert_int_equal(info.si_status, 0);
    }
    sl_children_stop(children, 2, 10000);
    assert_int_equal(children[0].pid, 0);
    assert_int_equal(children[1].pid, 0);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return act(argc, argv);
    begun_by = "fork";
    own_name = argv[0];
    sl_launcher_set_entry(act, argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(child__has_its_pipes_whatever_numbers_they_had_here),
        cmocka_unit_test(start__is_by_fork_with_one_thread_and_else_by_exec),
        cmocka_unit_test(start__is_by_exec_of_what_was_not_allowed_to_fork),
        cmocka_unit_test(fork__leaves_no_signal_blocked_ignored_or_caught),
        cmocka_unit_test(fork__closes_what_exec_would_close_and_nothing_else),
        cmocka_unit_test(fork__gives_the_arguments_and_shows_them),
        cmocka_unit_test(
            fork__writes_what_waits_in_a_buffer_once_and_runs_no_exit_handler),
        cmocka_unit_test(fork__ties_the_child_to_its_parents_life),
        cmocka_unit_test(wait_ready__tells_of_a_child_that_ended_or_says_something_else),
        cmocka_unit_test(stop__is_one_signal),
        cmocka_unit_test(stop__asks_once_those_that_were_asked_before),
        cmocka_unit_test(stop__kills_who_does_not_end),
        cmocka_unit_test(stop__sees_the_end_without_a_free_descriptor),
    };
    return cmocka_run_group_tests_name("client/launcher", tests, NULL, NULL);
}
