#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Also the test that a thread sanitizer runs. */

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/host.h"

static sl_host *new_host(void)
{
    sl_host *h = NULL;
    assert_int_equal(sl_host_real_new(&h, NULL), SL_OK);
    assert_non_null(h->fs);
    return h;
}

static void set_true(void *user)
{
    *(bool *)user = true;
}

/* ---- jobs ---- */

enum { JOBS = 2000 };

typedef struct sequence {
    sl_host *host;
    pthread_t loop;
    int next_run[4]; /* by lane; touched by that lane's thread only */
    int done_count;
    bool stop;
} sequence;

typedef struct numbered_job {
    sl_job base;
    sequence *sequence;
    int lane, number;
    bool in_order;
    char thread_name[16];
} numbered_job;

static void run_numbered(sl_job *job)
{
    numbered_job *n = (numbered_job *)(void *)job;
    n->in_order = n->number == n->sequence->next_run[n->lane]++;
    pthread_getname_np(pthread_self(), n->thread_name, sizeof n->thread_name);
}

static void done_numbered(sl_job *job)
{
    numbered_job *n = (numbered_job *)(void *)job;
    assert_true(pthread_equal(pthread_self(), n->sequence->loop));
    assert_true(n->in_order);
    assert_memory_equal(n->thread_name, "lane-", 5);
    if (++n->sequence->done_count == JOBS)
        n->sequence->stop = true;
    free(n);
}

static void jobs__run_in_order_on_their_lane_and_finish_on_the_loop(void **state)
{
    (void)state;
    sequence s = { .host = new_host(), .loop = pthread_self() };
    for (int i = 0; i < JOBS; i++) {
        char name[16];
        snprintf(name, sizeof name, "lane-%d", i % 4);
        numbered_job *n = calloc(1, sizeof *n);
        *n = (numbered_job){
            .base = { .name = "count", .run = run_numbered, .done = done_numbered },
            .sequence = &s,
            .lane = i % 4,
            .number = i / 4
        };
        sl_host_submit(s.host, sl_host_lane(s.host, name), &n->base);
    }
    assert_true(sl_host_run_until(s.host, &s.stop));
    assert_int_equal(s.done_count, JOBS);
    sl_host_free(s.host);
}

/* ---- posts ---- */

typedef struct poster {
    sl_host *host;
    int *count; /* loop thread */
    bool *stop;
    pthread_t thread;
} poster;

static void count_post(void *user)
{
    poster *p = user;
    if (++*p->count == 4 * 5000)
        *p->stop = true;
}

static void *post_many(void *argument)
{
    poster *p = argument;
    for (int i = 0; i < 5000; i++)
        sl_host_post(p->host, NULL, count_post, p);
    return NULL;
}

static void post__from_many_threads_loses_nothing(void **state)
{
    (void)state;
    sl_host *h = new_host();
    bool stop = false;
    int count = 0;
    poster posters[4];
    for (int i = 0; i < 4; i++) {
        posters[i] = (poster){ .host = h, .count = &count, .stop = &stop };
        pthread_create(&posters[i].thread, NULL, post_many, &posters[i]);
    }
    sl_host_run_until(h, &stop);
    for (int i = 0; i < 4; i++)
        pthread_join(posters[i].thread, NULL);
    assert_int_equal(count, 4 * 5000);
    sl_host_free(h);
}

/* ---- timers ---- */

static char story[256];

static void say(void *user)
{
    strcat(story, user);
}

static void timers__fire_in_order_and_not_early(void **state)
{
    (void)state;
    sl_host *h = new_host();
    bool stop = false;
    story[0] = '\0';
    int64_t start_us = sl_host_mono_us(h);
    sl_host_timer(h, NULL, start_us + 30000, set_true, &stop);
    sl_host_timer(h, NULL, start_us + 20000, say, "c");
    sl_host_timer(h, NULL, start_us + 10000, say, "b");
    sl_timer_ref never = sl_host_timer(h, NULL, start_us + 15000, say, "never");
    sl_host_timer(h, NULL, 0, say, "a");
    sl_host_timer_cancel(h, never);
    sl_host_run_until(h, &stop);
    assert_true(sl_host_mono_us(h) - start_us >= 30000);
    assert_string_equal(story, "abc");
    sl_host_free(h);
}

typedef struct rearming {
    sl_host *host;
    int fired;
} rearming;

static void arm_again(void *user)
{
    rearming *r = user;
    r->fired++;
    sl_host_timer(r->host, NULL, 0, arm_again, r);
}

static void timers__always_due_do_not_starve_posts(void **state)
{
    (void)state;
    rearming r = { .host = new_host() };
    bool stop = false;
    sl_host_timer(r.host, NULL, 0, arm_again, &r);
    sl_host_post(r.host, NULL, set_true, &stop);
    sl_host_run_until(r.host, &stop);
    assert_true(r.fired < 10);
    sl_host_free(r.host);
}

/* ---- close_owner ---- */

typedef struct slow_job {
    sl_job base;
    _Atomic bool ran;
    bool done;
} slow_job;

static void run_slow(sl_job *job)
{
    usleep(20000);
    atomic_store(&((slow_job *)(void *)job)->ran, true);
}

static void done_slow(sl_job *job)
{
    ((slow_job *)(void *)job)->done = true;
}

static void close_owner__waits_for_its_jobs_and_drops_its_events(void **state)
{
    (void)state;
    sl_host *h = new_host();
    int one, two;
    bool stop = false;
    story[0] = '\0';
    slow_job jobs[2] = { 0 };
    for (int i = 0; i < 2; i++) {
        jobs[i].base =
            (sl_job){ .name = "slow", .run = run_slow, .done = done_slow, .owner = &one };
        sl_host_submit(h, sl_host_lane(h, "disk"), &jobs[i].base);
    }
    sl_host_post(h, &one, say, "one ");
    sl_host_post(h, &two, say, "two ");
    sl_host_timer(h, &one, 0, say, "timer ");
    sl_host_close_owner(h, &one);
    assert_true(atomic_load(&jobs[0].ran) && atomic_load(&jobs[1].ran));
    sl_host_timer(h, NULL, sl_host_mono_us(h) + 5000, set_true, &stop);
    sl_host_run_until(h, &stop);
    assert_string_equal(story, "two ");
    assert_false(jobs[0].done || jobs[1].done);
    sl_host_free(h);
}

static void free__runs_the_jobs_that_are_queued(void **state)
{
    (void)state;
    sl_host *h = new_host();
    slow_job jobs[3] = { 0 };
    for (int i = 0; i < 3; i++) {
        jobs[i].base = (sl_job){ .name = "slow", .run = run_slow, .done = done_slow };
        sl_host_submit(h, sl_host_lane(h, "disk"), &jobs[i].base);
    }
    sl_host_free(h);
    for (int i = 0; i < 3; i++)
        assert_true(atomic_load(&jobs[i].ran));
}

/* ---- the rest ---- */

static int64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void idle__uses_no_cpu(void **state)
{
    (void)state;
    sl_host *h = new_host();
    bool stop = false;
    slow_job job = { .base = { .name = "slow", .run = run_slow, .done = done_slow } };
    sl_host_submit(h, sl_host_lane(h, "disk"), &job.base);
    sl_host_timer(h, NULL, sl_host_mono_us(h) + 300000, set_true, &stop);
    int64_t before_us = cpu_us();
    sl_host_run_until(h, &stop);
    assert_true(cpu_us() - before_us < 20000);
    sl_host_free(h);
}

static void clocks__go_forward_and_random_differs(void **state)
{
    (void)state;
    sl_host *h = new_host();
    int64_t a = sl_host_mono_us(h);
    assert_true(sl_host_mono_us(h) >= a);
    assert_true(sl_host_wall_us(h) > INT64_C(1500000000000000));
    assert_true(sl_host_rand64(h) != sl_host_rand64(h));
    sl_host_free(h);
}

/* How a child ends that passes "x" once and "here" `passes` times. */
static int end_of_child(const char *failpoint, int passes)
{
    pid_t child = fork();
    if (child == 0) {
        sl_host *h = NULL;
        setenv("SLUICE_FAILPOINT", failpoint, 1);
        if (sl_host_real_new(&h, NULL) != SL_OK)
            _exit(3);
        sl_host_failpoint(h, "x");
        for (int i = 0; i < passes; i++)
            sl_host_failpoint(h, "here");
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void failpoint__kills_at_the_nth_pass(void **state)
{
    (void)state;
    assert_int_equal(end_of_child("here", 1), -SIGKILL);
    assert_int_equal(end_of_child("here:3", 2), 0);
    assert_int_equal(end_of_child("here:3", 3), -SIGKILL);
    assert_int_equal(end_of_child("elsewhere", 3), 0);
    assert_int_equal(end_of_child("", 3), 0);
    assert_int_equal(end_of_child("here:0", 3), 3);
    assert_int_equal(end_of_child("here:x", 3), 3);
    assert_int_equal(end_of_child("here:", 3), 3);
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* The file is the same for all processes and may change while they run. */
static void failpoint_file__counts_the_passes_of_all_processes(void **state)
{
    (void)state;
    char path[] = "/tmp/sluice-failpoint-XXXXXX", left[32] = "x";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    setenv("SLUICE_FAILPOINT_FILE", path, 1);
    assert_int_equal(end_of_child("", 3), 0); /* nothing armed */
    write_text(path, "here:3");
    assert_int_equal(end_of_child("", 2), 0);
    assert_int_equal(end_of_child("", 2),
                     -SIGKILL); /* its first pass, the third of all */
    assert_int_equal(pread(fd, left, sizeof left, 0), 0);
    assert_int_equal(end_of_child("", 2), 0); /* once only */
    write_text(path, "elsewhere:1");
    assert_int_equal(end_of_child("", 2), 0);
    write_text(path, "not a failpoint:");
    assert_int_equal(end_of_child("", 2), 0);
    unsetenv("SLUICE_FAILPOINT_FILE");
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs__run_in_order_on_their_lane_and_finish_on_the_loop),
        cmocka_unit_test(post__from_many_threads_loses_nothing),
        cmocka_unit_test(timers__fire_in_order_and_not_early),
        cmocka_unit_test(timers__always_due_do_not_starve_posts),
        cmocka_unit_test(close_owner__waits_for_its_jobs_and_drops_its_events),
        cmocka_unit_test(free__runs_the_jobs_that_are_queued),
        cmocka_unit_test(idle__uses_no_cpu),
        cmocka_unit_test(clocks__go_forward_and_random_differs),
        cmocka_unit_test(failpoint__kills_at_the_nth_pass),
        cmocka_unit_test(failpoint_file__counts_the_passes_of_all_processes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
