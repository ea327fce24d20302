#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/host.h"

static char story[4096]; /* what happened, in order */

static void say(void *user)
{
    strcat(story, user);
    strcat(story, " ");
}

typedef struct test_job {
    sl_job base;
    const char *run_text, *done_text;
} test_job;

static void run_job(sl_job *job)
{
    say((void *)(uintptr_t)((test_job *)(void *)job)->run_text);
}

static void done_job(sl_job *job)
{
    say((void *)(uintptr_t)((test_job *)(void *)job)->done_text);
}

static test_job job_of(const char *run_text, const char *done_text, void *owner)
{
    return (test_job){
        .base = { .name = run_text, .run = run_job, .done = done_job, .owner = owner },
        .run_text = run_text,
        .done_text = done_text
    };
}

static sl_host *new_host(sl_host_virtual_hooks hooks)
{
    story[0] = '\0';
    return sl_host_virtual_new(42, INT64_C(1000000000), NULL, hooks);
}

static const sl_host_virtual_hooks no_hooks = { 0 };
static const bool never = false;

static void events__come_by_time_then_by_order(void **state)
{
    (void)state;
    sl_host *h = new_host(no_hooks);
    sl_host_timer(h, NULL, 500, say, "t500");
    sl_host_timer(h, NULL, 100, say, "t100");
    sl_host_post(h, NULL, say, "p1");
    sl_host_timer(h, NULL, 100, say, "t100b");
    sl_host_post(h, NULL, say, "p2");
    assert_int_equal(sl_host_virtual_next_us(h), 0);
    assert_false(sl_host_run_until(h, &never)); /* nothing left */
    assert_string_equal(story, "p1 p2 t100 t100b t500 ");
    assert_int_equal(sl_host_mono_us(h), 500);
    assert_int_equal(sl_host_wall_us(h), 1000000500);
    assert_false(sl_host_virtual_step(h));
    assert_true(sl_host_virtual_next_us(h) == INT64_MAX);
    sl_host_free(h);
}

static void jobs__of_a_lane_keep_order_and_done_follows(void **state)
{
    (void)state;
    sl_host *h = new_host(no_hooks);
    sl_lane disk = sl_host_lane(h, "disk"), net = sl_host_lane(h, "net");
    assert_int_equal(sl_host_lane(h, "disk"), disk);
    test_job a = job_of("a", "a-done", NULL), b = job_of("b", "b-done", NULL);
    test_job c = job_of("c", "c-done", NULL);
    sl_host_submit(h, disk, &a.base);
    sl_host_submit(h, disk, &b.base);
    sl_host_submit(h, net, &c.base);
    sl_host_run_until(h, &never);
    assert_string_equal(story, "a c a-done c-done b b-done ");
    assert_int_equal(sl_host_mono_us(h), 2);
    sl_host_free(h);
}

static int64_t delay_by_name(void *user, const char *name)
{
    (void)user;
    return name[0] == 's' ? 1000 : 10;
}

static void trace(void *user, const char *what, int64_t mono_us)
{
    (void)user;
    char text[64];
    snprintf(text, sizeof text, "[%s %d]", what, (int)mono_us);
    say(text);
}

static void hooks__set_delays_and_see_every_event(void **state)
{
    (void)state;
    sl_host *h = new_host(
        (sl_host_virtual_hooks){ .job_delay_us = delay_by_name, .event = trace });
    test_job slow = job_of("slow", "1", NULL), fast = job_of("fast", "2", NULL);
    sl_lane lane = sl_host_lane(h, "disk");
    sl_host_submit(h, lane, &slow.base);
    sl_host_submit(h, lane, &fast.base);
    sl_host_timer(h, NULL, 20, say, "t");
    sl_host_run_until(h, &never);
    assert_string_equal(story, "[timer 20] t [run slow 1000] slow [done slow 1000] 1 "
                               "[run fast 1010] fast [done fast 1010] 2 ");
    sl_host_free(h);
}

static void advance__runs_what_is_due_and_stops_there(void **state)
{
    (void)state;
    sl_host *h = new_host(no_hooks);
    sl_host_timer(h, NULL, 100, say, "t100");
    sl_host_timer(h, NULL, 101, say, "t101");
    sl_host_virtual_advance(h, 100);
    assert_string_equal(story, "t100 ");
    assert_int_equal(sl_host_mono_us(h), 100);
    sl_host_virtual_advance(h, 5000);
    assert_string_equal(story, "t100 t101 ");
    assert_int_equal(sl_host_mono_us(h), 5100);
    sl_host_timer(h, NULL, 7, say, "past"); /* late timers are due now */
    sl_host_virtual_advance(h, 0);
    assert_string_equal(story, "t100 t101 past ");
    assert_int_equal(sl_host_mono_us(h), 5100);
    sl_host_free(h);
}

static void timer_cancel__takes_one_timer_away(void **state)
{
    (void)state;
    sl_host *h = new_host(no_hooks);
    sl_timer_ref refs[20];
    for (int i = 0; i < 20; i++)
        refs[i] = sl_host_timer(h, NULL, 1000 - i, say, i % 2 ? "odd" : "even");
    for (int i = 0; i < 20; i += 2)
        sl_host_timer_cancel(h, refs[i]);
    sl_host_timer_cancel(h, refs[0]);
    sl_host_timer_cancel(h, (sl_timer_ref){ 0 });
    sl_host_run_until(h, &never);
    assert_null(strstr(story, "even"));
    assert_int_equal(strlen(story), 10 * strlen("odd "));
    sl_host_free(h);
}

static void close_owner__drops_all_of_that_owner_only(void **state)
{
    (void)state;
    int one, two;
    sl_host *h = new_host(no_hooks);
    sl_lane lane = sl_host_lane(h, "disk");
    test_job a = job_of("a", "a-done", &one), b = job_of("b", "b-done", &two);
    test_job ran = job_of("ran", "ran-done", &one);
    sl_host_submit(h, lane, &ran.base);
    sl_host_virtual_step(h); /* it ran; its `done` is queued */
    sl_host_submit(h, lane, &a.base);
    sl_host_submit(h, lane, &b.base);
    sl_host_post(h, &one, say, "p-one");
    sl_host_timer(h, &one, 10, say, "t-one");
    sl_host_timer(h, &two, 10, say, "t-two");
    sl_host_close_owner(h, &one);
    sl_host_run_until(h, &never);
    assert_string_equal(story, "ran b b-done t-two ");
    sl_host_free(h);
}

static void set_true(void *user)
{
    *(bool *)user = true;
}

static void run_until__stops_after_the_event_that_asked(void **state)
{
    (void)state;
    sl_host *h = new_host(no_hooks);
    bool stop = false;
    sl_host_post(h, NULL, set_true, &stop);
    sl_host_post(h, NULL, say, "later");
    assert_true(sl_host_run_until(h, &stop));
    assert_string_equal(story, "");
    assert_true(sl_host_run_until(h, &stop)); /* still true: nothing runs */
    assert_string_equal(story, "");
    sl_host_free(h);
}

static void note_time(void *user)
{
    char text[32];
    snprintf(text, sizeof text, "%lld ", (long long)sl_host_mono_us((sl_host *)user));
    strcat(story, text);
}

static void sleep_to__what_was_due_runs_late_and_in_order(void **state)
{
    (void)state;
    sl_host *h = new_host(no_hooks);
    sl_host_timer(h, NULL, 300, note_time, h);
    sl_host_timer(h, NULL, 100, say, "t100");
    sl_host_timer(h, NULL, 900, note_time, h);
    sl_host_virtual_sleep_to(h, 500);
    assert_string_equal(story, "");
    sl_host_virtual_sleep_to(h, 400); /* past */
    while (sl_host_virtual_step(h))
        ;
    assert_string_equal(story, "t100 500 900 ");
    sl_host_free(h);
}

static void rand64__is_the_same_for_the_same_seed(void **state)
{
    (void)state;
    sl_host *a = sl_host_virtual_new(7, 0, NULL, no_hooks);
    sl_host *b = sl_host_virtual_new(7, 0, NULL, no_hooks);
    sl_host *c = sl_host_virtual_new(8, 0, NULL, no_hooks);
    int equal_to_other_seed = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t v = sl_host_rand64(a);
        assert_true(v == sl_host_rand64(b));
        equal_to_other_seed += v == sl_host_rand64(c);
    }
    assert_int_equal(equal_to_other_seed, 0);
    sl_host_free(a);
    sl_host_free(b);
    sl_host_free(c);
    sl_host_free(NULL);
}

static void note_failpoint(void *user, const char *name)
{
    (void)user;
    say((void *)(uintptr_t)name);
}

static void failpoint__goes_to_the_hook(void **state)
{
    (void)state;
    sl_host *h = new_host((sl_host_virtual_hooks){ .failpoint = note_failpoint });
    sl_host_failpoint(h, "drv.commit");
    assert_string_equal(story, "drv.commit ");
    sl_host_free(h);
    h = new_host(no_hooks);
    sl_host_failpoint(h, "drv.commit");
    assert_string_equal(story, "");
    sl_host_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events__come_by_time_then_by_order),
        cmocka_unit_test(jobs__of_a_lane_keep_order_and_done_follows),
        cmocka_unit_test(hooks__set_delays_and_see_every_event),
        cmocka_unit_test(advance__runs_what_is_due_and_stops_there),
        cmocka_unit_test(timer_cancel__takes_one_timer_away),
        cmocka_unit_test(close_owner__drops_all_of_that_owner_only),
        cmocka_unit_test(run_until__stops_after_the_event_that_asked),
        cmocka_unit_test(sleep_to__what_was_due_runs_late_and_in_order),
        cmocka_unit_test(rand64__is_the_same_for_the_same_seed),
        cmocka_unit_test(failpoint__goes_to_the_hook),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
