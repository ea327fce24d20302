/* Promises of driver/worker_registry.h, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/limits.h"
#include "driver/worker_registry.h"

#define MS 1000

typedef struct fixture {
    sl_fs_virtual *fs;
    sl_host *host;
    sl_worker_registry *registry;
    int joined, lost;
    char why[128];
} fixture;

static void on_joined(void *user, sl_dworker *w)
{
    (void)w;
    ((fixture *)user)->joined++;
}

static void on_lost(void *user, const sl_dworker *w, const char *why)
{
    fixture *f = (fixture *)user;
    (void)w;
    f->lost++;
    strncpy(f->why, why, sizeof f->why - 1);
}

static int set_up(void **state)
{
    static fixture f;
    memset(&f, 0, sizeof f);
    f.fs = sl_fs_virtual_new(NULL, NULL);
    f.host =
        sl_host_virtual_new(1, 0, sl_fs_virtual_fs(f.fs), (sl_host_virtual_hooks){ 0 });
    f.registry = sl_worker_registry_new(
        f.host, (sl_worker_timing){ 2000 * MS, 5000 * MS, 500 * MS },
        (sl_worker_callbacks){ on_joined, on_lost, &f });
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = (fixture *)*state;
    sl_worker_registry_free(f->registry);
    sl_host_free(f->host);
    sl_fs_virtual_free(f->fs);
    return 0;
}

static sl_dworker *join(fixture *f, const char *address, uint64_t incarnation)
{
    sl_worker_refusal refusal = { .why = "" };
    sl_msg_register m = { .protocol_version = SL_PROTOCOL_VERSION, .slots = 2 };
    return sl_worker_registry_register(f->registry, address, incarnation, &m, &refusal);
}

static void silence__makes_suspect_and_then_dead(void **state)
{
    fixture *f = (fixture *)*state;
    sl_dworker *w = join(f, "a", 1);
    sl_host_virtual_advance(f->host, 1900 * MS);
    assert_int_equal(w->state, SL_WORKER_ACTIVE);
    sl_host_virtual_advance(f->host, 300 * MS);
    assert_int_equal(w->state, SL_WORKER_SUSPECT);
    assert_int_equal(sl_worker_registry_slots(f->registry), 0);
    sl_host_virtual_advance(f->host, 3000 * MS);
    assert_int_equal(f->lost, 1);
    assert_null(sl_worker_registry_first(f->registry));
}

static void a_suspect__that_is_heard_again_is_active(void **state)
{
    fixture *f = (fixture *)*state;
    sl_dworker *w = join(f, "a", 1);
    sl_host_virtual_advance(f->host, 4000 * MS);
    assert_int_equal(w->state, SL_WORKER_SUSPECT);
    assert_true(sl_worker_registry_heard(f->registry, "a", 1));
    assert_int_equal(w->state, SL_WORKER_ACTIVE);
    sl_host_virtual_advance(f->host, 1500 * MS);
    assert_int_equal(f->lost, 0);
}

static void a_dropped_connection__kills_unless_it_is_back_in_time(void **state)
{
    fixture *f = (fixture *)*state;
    sl_dworker *w = join(f, "a", 1);
    sl_worker_registry_disconnected(f->registry, "a");
    assert_int_equal(w->state, SL_WORKER_SUSPECT);
    sl_host_virtual_advance(f->host, 300 * MS);
    assert_true(sl_worker_registry_heard(f->registry, "a", 1));
    sl_host_virtual_advance(f->host, 1000 * MS);
    assert_int_equal(f->lost, 0);
    sl_worker_registry_disconnected(f->registry, "a");
    sl_host_virtual_advance(f->host, 499 * MS);
    assert_int_equal(f->lost, 0);
    sl_host_virtual_advance(f->host, 2 * MS);
    assert_int_equal(f->lost, 1);
}

static void a_driver__that_was_stopped_takes_it_for_nobodys_silence(void **state)
{
    fixture *f = (fixture *)*state;
    const sl_dworker *w = join(f, "a", 1);
    sl_host_virtual_advance(f->host, 100 * MS);
    sl_host_virtual_sleep_to(f->host, 60000 * MS);
    sl_host_virtual_advance(f->host, 1000 * MS);
    assert_int_equal(w->state, SL_WORKER_ACTIVE);
    sl_host_virtual_advance(f->host, 5000 * MS);
    assert_int_equal(f->lost, 1);
}

/* An idle cluster uses no processor to speak of. */
static void look__is_rare_while_all_are_heard(void **state)
{
    fixture *f = (fixture *)*state;
    uint32_t looks = 0;
    join(f, "a", 1);
    join(f, "b", 2);
    while (sl_host_mono_us(f->host) < 60000 * MS) {
        assert_true(sl_worker_registry_heard(f->registry, "a", 1));
        assert_true(sl_worker_registry_heard(f->registry, "b", 2));
        assert_true(sl_host_virtual_step(f->host));
        looks++;
    }
    assert_true(looks <= 2 * 60 + 2);
}

/* WR1 */
static void a_dead_one__is_refused_for_ever_under_its_old_incarnation(void **state)
{
    fixture *f = (fixture *)*state;
    sl_worker_refusal refusal = { .why = "" };
    sl_msg_register m = { .protocol_version = SL_PROTOCOL_VERSION, .slots = 2 };
    (void)join(f, "a", 1);
    sl_host_virtual_advance(f->host, 6000 * MS);
    assert_false(sl_worker_registry_heard(f->registry, "a", 1));
    assert_null(sl_worker_registry_register(f->registry, "a", 1, &m, &refusal));
    assert_true(refusal.may_return);
    sl_dworker *again = sl_worker_registry_register(f->registry, "a", 2, &m, &refusal);
    assert_non_null(again);
    assert_int_equal(again->number, 2); /* numbers are not used again */
}

/* WR2 */
static void another_life__at_the_same_address_loses_the_first_once(void **state)
{
    fixture *f = (fixture *)*state;
    (void)join(f, "a", 1);
    assert_ptr_equal(join(f, "a", 1), sl_worker_registry_first(f->registry));
    assert_int_equal(f->joined, 1);
    (void)join(f, "a", 2);
    assert_int_equal(f->joined, 2);
    assert_int_equal(f->lost, 1);
}

static void register__refuses_another_protocol_and_no_slots(void **state)
{
    fixture *f = (fixture *)*state;
    sl_worker_refusal refusal = { .why = "" };
    sl_msg_register m = { .protocol_version = SL_PROTOCOL_VERSION + 1, .slots = 2 };
    assert_null(sl_worker_registry_register(f->registry, "a", 1, &m, &refusal));
    assert_non_null(strstr(refusal.why, "version"));
    m = (sl_msg_register){ .protocol_version = SL_PROTOCOL_VERSION };
    assert_null(sl_worker_registry_register(f->registry, "a", 1, &m, &refusal));
    assert_int_equal(f->joined, 0);
}

/* WR4 */
static void
register__refuses_a_worker_that_lets_go_later_than_it_is_given_up(void **state)
{
    fixture *f = (fixture *)*state;
    sl_worker_refusal refusal = { .may_return = true };
    sl_msg_register m = { .protocol_version = SL_PROTOCOL_VERSION,
                          .slots = 2,
                          .fence_us = 5000 * MS };
    assert_null(sl_worker_registry_register(f->registry, "a", 1, &m, &refusal));
    assert_non_null(strstr(refusal.why, "sluice.worker.fenceAfter (5000 ms)"));
    assert_non_null(strstr(refusal.why, "sluice.worker.deadAfter (5000 ms)"));
    assert_non_null(strstr(refusal.why, "--conf"));
    assert_false(refusal.may_return); /* it would be as late again */
    m.fence_us = INT64_MAX;
    assert_null(sl_worker_registry_register(f->registry, "a", 1, &m, &refusal));
    assert_int_equal(f->joined, 0);
    m.fence_us = 5000 * MS - 1;
    assert_non_null(sl_worker_registry_register(f->registry, "a", 1, &m, &refusal));
    m.fence_us = 0; /* of the driver's process */
    assert_non_null(sl_worker_registry_register(f->registry, "b", 2, &m, &refusal));
}

static sl_dworker *join_as(fixture *f, const char *address, const char *name)
{
    sl_worker_refusal refusal = { .why = "" };
    sl_msg_register m = { .protocol_version = SL_PROTOCOL_VERSION,
                          .slots = 2,
                          .name = name };
    return sl_worker_registry_register(f->registry, address, (uint64_t)*address, &m,
                                       &refusal);
}

static void a_worker__has_the_name_it_gives_and_else_its_number(void **state)
{
    fixture *f = (fixture *)*state;
    assert_string_equal(join_as(f, "a", "worker-7")->name, "worker-7");
    assert_string_equal(join_as(f, "b", "")->name, "w2");
    assert_string_equal(join_as(f, "c", NULL)->name, "w3");
    /* what would break a log or a terminal is no name */
    assert_string_equal(join_as(f, "d", "a\x1b[2J")->name, "w4");
    assert_string_equal(join_as(f, "e", "two words")->name, "w5");
    char long_name[SL_PROCESS_NAME_BYTES_MAX + 2];
    memset(long_name, 'x', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    assert_string_equal(join_as(f, "f", long_name)->name, "w6");
    assert_string_equal(join_as(f, "g", long_name + 1)->name, long_name + 1);
}

/* WR3 */
static void a_name__that_a_living_worker_has_gets_the_number_of_the_second(void **state)
{
    fixture *f = (fixture *)*state;
    (void)join_as(f, "a", "worker-1");
    sl_dworker *second = join_as(f, "b", "worker-1");
    assert_string_equal(second->name, "worker-1#2");
    (void)join_as(f, "c", "w4"); /* what the next without a name would be called */
    assert_string_equal(join_as(f, "d", "")->name, "w4#4");
    sl_worker_registry_lose(f->registry, "a", "it left");
    assert_string_equal(second->name, "worker-1#2"); /* names stay */
    assert_string_equal(join_as(f, "e", "worker-1")->name, "worker-1");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(silence__makes_suspect_and_then_dead),
        T(a_suspect__that_is_heard_again_is_active),
        T(a_dropped_connection__kills_unless_it_is_back_in_time),
        T(a_driver__that_was_stopped_takes_it_for_nobodys_silence),
        T(look__is_rare_while_all_are_heard),
        T(a_dead_one__is_refused_for_ever_under_its_old_incarnation),
        T(another_life__at_the_same_address_loses_the_first_once),
        T(register__refuses_a_worker_that_lets_go_later_than_it_is_given_up),
        T(a_worker__has_the_name_it_gives_and_else_its_number),
        T(a_name__that_a_living_worker_has_gets_the_number_of_the_second),
        T(register__refuses_another_protocol_and_no_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
