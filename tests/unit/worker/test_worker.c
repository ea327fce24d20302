/* Promises of a worker towards its driver: what it says and when, and what of stale,
 * repeated and foreign messages it does not do. */
#include "tests/unit/worker/scripted_driver.h"

#include "transport/metrics.h"

typedef struct fixture {
    world w;
    sl_source *source;
    sl_source_batch first; /* rows a, b, a */
} fixture;

static int set_up(void **state)
{
    static fixture f;
    world_new(&f.w);
    world_plan(&f.w, COUNT_BY_ID);
    f.source = world_source(&f.w);
    world_file(
        &f.w, "/in/1.json",
        "{\"id\":\"a\",\"n\":1}\n{\"id\":\"b\",\"n\":2}\n{\"id\":\"a\",\"n\":3}\n");
    f.first = world_slices(&f.w, f.source);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    f->source->class->close(f->source);
    world_free(&f->w);
    return 0;
}

static const sl_msg_done *await_done(world *w)
{
    const sl_message *m = world_await(w, SL_MSG_DONE);
    if (m == NULL) {
        w->read = 0;
        const sl_message *failed = world_await(w, SL_MSG_FAILED);
        fail_msg("no DONE: %s", failed != NULL ? failed->u.failed.text : "nothing");
    }
    return &m->u.done;
}

static const sl_msg_failed *await_failed(world *w)
{
    const sl_message *m = world_await(w, SL_MSG_FAILED);
    assert_non_null(m);
    return &m->u.failed;
}

static int64_t rows_of(const sl_msg_done *d)
{
    int64_t rows = 0;
    for (uint32_t i = 0; i < d->state_count; i++)
        rows += d->states[i].row_count;
    return rows;
}

static bool same_states(const sl_msg_done *a, const sl_msg_done *b)
{
    bool same = a->state_count == b->state_count;
    for (uint32_t i = 0; same && i < a->state_count; i++)
        same = a->states[i].state_id == b->states[i].state_id;
    return same;
}

static void worker__registers_and_says_that_it_lives(void **state)
{
    fixture *f = *state;
    const sl_message *m = world_await(&f->w, SL_MSG_REGISTER);
    assert_non_null(m);
    assert_int_equal(m->u.reg.slots, 2);
    assert_int_equal(m->u.reg.protocol_version, SL_PROTOCOL_VERSION);
    int64_t from = sl_host_mono_us(f->w.host);
    m = world_await(&f->w, SL_MSG_HEARTBEAT);
    assert_non_null(m);
    assert_in_range(sl_host_mono_us(f->w.host) - from, 0, 600000);
}

static void nothing(void *user, const char *from, uint64_t incarnation, sl_blob *frame)
{
    (void)user;
    (void)from;
    (void)incarnation;
    (void)frame;
}

/* Anybody on the host can connect: only the driver may fence a worker. */
static void worker__heeds_nobody_but_its_driver(void **state)
{
    fixture *f = *state;
    world *w = &f->w;
    int64_t refused = sl_transport_counted(SL_TRANSPORT_UNDECODED);
    sl_message m = { .kind = SL_MSG_REJECTED, .u.rejected = { "go away", false } };
    sl_bytes frame = { 0 };
    sl_channel *stranger;
    assert_non_null(world_await(w, SL_MSG_REGISTER));
    assert_int_equal(sl_channel_new(w->host, sl_local_network_of(w->network), "stranger",
                                    5, (sl_channel_callbacks){ .on_message = nothing },
                                    &stranger, NULL),
                     SL_OK);
    sl_message_encode(&m, &frame);
    assert_int_equal(sl_channel_send(stranger, "w1", sl_bytes_span(&frame), NULL), SL_OK);
    sl_bytes_deinit(&frame);
    sl_host_virtual_advance(w->host, 2000000);
    assert_true(sl_transport_counted(SL_TRANSPORT_UNDECODED) == refused + 1);
    w->read = w->answer_count;
    sl_message registered = { .kind = SL_MSG_REGISTERED, .u.registered = { 1, "w1" } };
    world_send(w, &registered);
    world_deploy(w); /* it still works for the driver */
    world_task(w, 0, 0, &f->first, NULL);
    assert_non_null(world_await(w, SL_MSG_DONE));
    sl_channel_free(stranger);
}

/* Two heartbeats are further apart than what is left until the driver may give its state
 * to another. */
static void fence__comes_when_it_is_due_and_not_with_a_heartbeat(void **state)
{
    (void)state;
    for (int64_t phase_us = 0; phase_us < 500000; phase_us += 50000) {
        world w;
        world_new(&w);
        sl_worker_free(w.worker);
        w.fence_us = 600000;
        world_start_worker(&w, 2);
        sl_host_virtual_advance(w.host, 1000000); /* it is heard, and not the first one */
        sl_message registered = { .kind = SL_MSG_REGISTERED,
                                  .u.registered = { 1, "w1" } };
        world_send(&w, &registered);
        sl_host_virtual_advance(w.host, 5000000 + phase_us);
        assert_int_equal(w.fenced_us, 0);
        int64_t silent_us = sl_host_mono_us(w.host);
        sl_channel_free(w.channel);
        w.channel = NULL;
        sl_host_virtual_advance(w.host, 5000000);
        assert_in_range(w.fenced_us, silent_us + 1, silent_us + 600000);
        assert_true(w.may_return);
        world_free(&w);
    }
}

static void task__of_a_plan_that_is_not_here_asks_for_it(void **state)
{
    fixture *f = *state;
    world_task(&f->w, 0, 1, &f->first, NULL);
    const sl_msg_failed *m = await_failed(&f->w);
    assert_true(m->need_plan);
    assert_int_equal(m->code, SL_EAGAIN);
    world_deploy(&f->w);
    world_task(&f->w, 0, 2, &f->first, NULL);
    assert_int_equal(await_done(&f->w)->at.attempt, 2);
}

static void deploy__that_fails_is_told_with_its_cause_by_the_next_task(void **state)
{
    fixture *f = *state;
    f->w.fragment.data[f->w.fragment.size_bytes / 2] ^= 0x55;
    world_deploy(&f->w);
    world_task(&f->w, 0, 1, &f->first, NULL);
    const sl_msg_failed *m = await_failed(&f->w);
    assert_true(m->need_plan);
    assert_int_not_equal(m->code, SL_EAGAIN);
    assert_true(m->text[0] != '\0');
}

static void deploy__sent_twice_is_one_deployment(void **state)
{
    fixture *f = *state;
    world_deploy(&f->w);
    world_task(&f->w, 0, 1, &f->first, NULL);
    world_deploy(&f->w); /* while it runs */
    assert_int_equal(rows_of(await_done(&f->w)), 2);
}

static void task__answers_with_everything_the_commit_needs(void **state)
{
    fixture *f = *state;
    world_deploy(&f->w);
    world_task(&f->w, 0, 1, &f->first, NULL);
    const sl_msg_done *d = await_done(&f->w);
    assert_int_equal(d->at.query, QUERY);
    assert_int_equal(d->source_count, 1);
    assert_int_equal(d->sources[0].rows, 3);
    assert_int_equal(d->op_count, 1);
    assert_int_equal(d->ops[0].rows_total, 2);
    assert_int_equal(d->ops[0].rows_updated, 2);
    assert_int_equal(d->output_rows, 2);
    assert_int_equal(d->state_count, PARTITIONS);
    assert_int_equal(rows_of(d), 2);
    uint32_t results = 0;
    for (uint32_t i = 0; i < f->w.answer_count; i++)
        results += f->w.answers[i].kind == SL_MSG_RESULT;
    assert_int_equal(d->result_count, results);
    for (uint32_t i = 0; i < d->state_count; i++) {
        const sl_msg_state_done *s = &d->states[i];
        assert_int_equal(s->has_delta, s->row_count > 0);
        assert_true(!s->has_delta || s->delta.inline_bytes.size_bytes > 0);
    }
}

static void committed__makes_the_state_the_base_of_the_next_batch(void **state)
{
    fixture *f = *state;
    sl_msg_partition base[PARTITIONS];
    world_deploy(&f->w);
    world_task(&f->w, 0, 1, &f->first, NULL);
    const sl_msg_done *d = await_done(&f->w);
    world_committed(&f->w, d);
    world_base(d, base);
    world_file(&f->w, "/in/2.json", "{\"id\":\"c\",\"n\":1}\n");
    sl_source_batch second = world_slices(&f->w, f->source);
    world_task(&f->w, 1, 1, &second, base);
    d = await_done(&f->w);
    assert_int_equal(rows_of(d), 3);
    assert_int_equal(d->ops[0].rows_updated, 1);
}

static void abort__puts_everything_back(void **state)
{
    fixture *f = *state;
    world_deploy(&f->w);
    world_task(&f->w, 0, 1, &f->first, NULL);
    const sl_msg_done *first = await_done(&f->w);
    sl_message m = { .kind = SL_MSG_ABORT, .u.abort = { first->at } };
    world_send(&f->w, &m);
    world_task(&f->w, 0, 2, &f->first, NULL);
    const sl_msg_done *again = await_done(&f->w);
    assert_int_equal(again->at.attempt, 2);
    assert_true(same_states(first, again)); /* the same input, the same state */
    assert_int_equal(again->ops[0].rows_updated, 2);
}

static void abort__of_a_running_task_is_answered_by_nothing(void **state)
{
    fixture *f = *state;
    f->w.slow_job = "run-tasks";
    f->w.slow_us = 1000000;
    world_deploy(&f->w);
    world_task(&f->w, 0, 1, &f->first, NULL);
    sl_host_virtual_advance(f->w.host, 100000);
    sl_message m = { .kind = SL_MSG_ABORT, .u.abort = { { QUERY, 1, 0, 1 } } };
    world_send(&f->w, &m);
    sl_host_virtual_advance(f->w.host, 5000000);
    for (uint32_t i = 0; i < f->w.answer_count; i++)
        assert_true(f->w.answers[i].kind != SL_MSG_DONE &&
                    f->w.answers[i].kind != SL_MSG_FAILED);
    f->w.slow_job = NULL;
    world_task(&f->w, 0, 2, &f->first, NULL);
    assert_int_equal(rows_of(await_done(&f->w)), 2);
}

static void task__that_is_newer_replaces_the_one_that_runs(void **state)
{
    fixture *f = *state;
    f->w.slow_job = "run-tasks";
    f->w.slow_us = 1000000;
    world_deploy(&f->w);
    world_task(&f->w, 0, 1, &f->first, NULL);
    sl_host_virtual_advance(f->w.host, 100000);
    world_task(&f->w, 0, 3, &f->first, NULL);
    world_task(&f->w, 0, 2, &f->first, NULL); /* stale before it begins */
    const sl_msg_done *d = await_done(&f->w);
    assert_int_equal(d->at.attempt, 3);
    assert_int_equal(rows_of(d), 2);
    sl_host_virtual_advance(f->w.host, 5000000);
    assert_null(world_await(&f->w, SL_MSG_DONE)); /* one answer */
}

static void committed__of_another_attempt_commits_nothing(void **state)
{
    fixture *f = *state;
    sl_msg_partition base[PARTITIONS];
    world_deploy(&f->w);
    world_task(&f->w, 0, 1, &f->first, NULL);
    sl_msg_done d = *await_done(&f->w);
    world_base(&d, base);
    d.at.attempt = 2;
    world_committed(&f->w, &d);
    sl_source_batch none = { 0 };
    world_task(&f->w, 1, 1, &none, base);
    assert_true(await_failed(&f->w)->state_missing);
}

static void
committed__with_a_foreign_id_drops_the_state_and_a_recipe_restores_it(void **state)
{
    fixture *f = *state;
    sl_msg_partition base[PARTITIONS];
    sl_source_batch none = { 0 };
    world_deploy(&f->w);
    world_task(&f->w, 0, 1, &f->first, NULL);
    const sl_msg_done *d = await_done(&f->w);
    sl_msg_state_done states[PARTITIONS];
    memcpy(states, d->states, sizeof states);
    sl_msg_done foreign = *d;
    foreign.states = states;
    for (uint32_t i = 0; i < PARTITIONS; i++)
        if (states[i].has_delta)
            states[i].state_id ^= 1;
    world_committed(&f->w, &foreign);
    world_base(d, base);
    world_task(&f->w, 1, 1, &none, base);
    const sl_msg_failed *failed = await_failed(&f->w);
    assert_true(failed->state_missing);
    assert_int_equal(failed->code, SL_EAGAIN);
    for (uint32_t i = 0; i < d->state_count; i++) {
        sl_msg_partition *p = &base[d->states[i].partition];
        p->has_recipe = true;
        p->delta_count = d->states[i].has_delta;
        p->deltas = &d->states[i].delta;
    }
    world_task(&f->w, 1, 2, &none, base);
    const sl_msg_done *restored = await_done(&f->w);
    assert_int_equal(rows_of(restored), 2);
    assert_true(same_states(d, restored)); /* an empty batch keeps the id */
}

static void recipe__that_does_not_give_the_state_is_refused(void **state)
{
    fixture *f = *state;
    sl_msg_partition base[PARTITIONS];
    sl_source_batch none = { 0 };
    world_deploy(&f->w);
    world_task(&f->w, 0, 1, &f->first, NULL);
    const sl_msg_done *d = await_done(&f->w);
    sl_message m = { .kind = SL_MSG_ABORT, .u.abort = { d->at } };
    world_send(&f->w, &m);
    world_base(d, base);
    for (uint32_t p = 0; p < PARTITIONS; p++)
        base[p].has_recipe = true; /* without the deltas */
    world_task(&f->w, 1, 1, &none, base);
    const sl_msg_failed *failed = await_failed(&f->w);
    assert_false(failed->state_missing);
    assert_int_equal(failed->code, SL_ECORRUPT);
}

static void task__that_fails_says_the_first_cause_and_leaves_the_state_alone(void **state)
{
    fixture *f = *state;
    world_deploy(&f->w);
    f->w.fault_path = "/in/1.json";
    f->w.fault_code = SL_EIO;
    f->w.fault_times = 1;
    world_task(&f->w, 0, 1, &f->first, NULL);
    const sl_msg_failed *failed = await_failed(&f->w);
    assert_int_equal(failed->code, SL_EIO);
    assert_non_null(strstr(failed->text, "injected"));
    world_task(&f->w, 0, 2, &f->first, NULL);
    assert_int_equal(rows_of(await_done(&f->w)), 2);
}

static void undeploy__of_a_running_query_ends_it_quietly(void **state)
{
    fixture *f = *state;
    f->w.slow_job = "run-tasks";
    f->w.slow_us = 1000000;
    world_deploy(&f->w);
    world_task(&f->w, 0, 1, &f->first, NULL);
    sl_host_virtual_advance(f->w.host, 100000);
    sl_message m = { .kind = SL_MSG_UNDEPLOY, .u.undeploy = { QUERY } };
    world_send(&f->w, &m);
    sl_host_virtual_advance(f->w.host, 5000000);
    f->w.slow_job = NULL;
    world_task(&f->w, 0, 2, &f->first, NULL);
    assert_true(await_failed(&f->w)->need_plan);
}

static void worker__of_any_number_of_slots_makes_the_same_state(void **state)
{
    fixture *f = *state;
    world_deploy(&f->w);
    world_task(&f->w, 0, 1, &f->first, NULL);
    const sl_msg_done *two = await_done(&f->w);
    for (uint32_t slots = 1; slots <= 5; slots += 2) {
        sl_worker_free(f->w.worker);
        world_start_worker(&f->w, slots);
        assert_non_null(world_await(&f->w, SL_MSG_REGISTER));
        world_deploy(&f->w);
        world_task(&f->w, 0, 1, &f->first, NULL);
        assert_true(same_states(two, await_done(&f->w)));
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(worker__registers_and_says_that_it_lives),
        T(worker__heeds_nobody_but_its_driver),
        cmocka_unit_test(fence__comes_when_it_is_due_and_not_with_a_heartbeat),
        T(task__of_a_plan_that_is_not_here_asks_for_it),
        T(deploy__that_fails_is_told_with_its_cause_by_the_next_task),
        T(deploy__sent_twice_is_one_deployment),
        T(task__answers_with_everything_the_commit_needs),
        T(committed__makes_the_state_the_base_of_the_next_batch),
        T(abort__puts_everything_back),
        T(abort__of_a_running_task_is_answered_by_nothing),
        T(task__that_is_newer_replaces_the_one_that_runs),
        T(committed__of_another_attempt_commits_nothing),
        T(committed__with_a_foreign_id_drops_the_state_and_a_recipe_restores_it),
        T(recipe__that_does_not_give_the_state_is_refused),
        T(task__that_fails_says_the_first_cause_and_leaves_the_state_alone),
        T(undeploy__of_a_running_query_ends_it_quietly),
        T(worker__of_any_number_of_slots_makes_the_same_state),
    };
    sl_driver_register_options();
    return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
