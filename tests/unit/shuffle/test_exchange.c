/* Unit tests of shuffle/exchange.c. Name: function__sentence_that_must_hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "shuffle/exchange.h"

/* A chunk of one LONG column holding `value` in each row. */
static sl_chunk *make_chunk(int64_t value, uint32_t rows)
{
    void *values;
    uint64_t *validity;
    sl_chunk *c = sl_chunk_new(1, rows);
    sl_error err;
    assert_int_equal(sl_column_alloc(sl_type_of(SL_TYPE_LONG), rows, false, NULL,
                                     &c->columns[0], &values, &validity, &err),
                     SL_OK);
    for (uint32_t i = 0; i < rows; i++)
        ((int64_t *)values)[i] = value;
    return c;
}

static int64_t value_of(const sl_chunk *c)
{
    return sl_column_i64(&c->columns[0])[0];
}

static sl_exchange *make_exchange(sl_exchange_config config)
{
    sl_exchange *x;
    sl_error err;
    assert_int_equal(sl_exchange_new(&config, &x, &err), SL_OK);
    return x;
}

static sl_exchange_answer push(sl_exchange *x, uint32_t producer, uint32_t target,
                               int64_t value)
{
    sl_exchange_answer answer;
    sl_error err;
    sl_chunk *c = make_chunk(value, 4);
    assert_int_equal(sl_exchange_push(x, producer, target, c, &answer, &err), SL_OK);
    sl_chunk_unref(c);
    return answer;
}

static void end(sl_exchange *x, uint32_t producer, uint64_t blocks)
{
    sl_error err;
    assert_int_equal(sl_exchange_end(x, producer, blocks * 4, blocks, &err), SL_OK);
}

/* The value pulled, or -1 BLOCKED, -2 END. */
static int64_t pull(sl_exchange *x, uint32_t target)
{
    sl_exchange_answer answer;
    sl_chunk *c = NULL;
    sl_error err;
    assert_int_equal(sl_exchange_pull(x, target, &answer, &c, &err), SL_OK);
    if (answer == SL_EXCHANGE_BLOCKED)
        return -1;
    if (answer == SL_EXCHANGE_END)
        return -2;
    int64_t value = value_of(c);
    sl_chunk_unref(c);
    return value;
}

static const sl_producer_name three[] = { { 0, 0 }, { 0, 1 }, { 2, 0 } };

struct wakes {
    uint32_t targets[8], producers[8];
};

static void count_target(void *user, uint32_t number)
{
    ((struct wakes *)user)->targets[number]++;
}

static void count_producer(void *user, uint32_t number)
{
    ((struct wakes *)user)->producers[number]++;
}

static void pull__gives_blocks_in_producer_order_when_ordered(void **state)
{
    (void)state;
    struct wakes w = { 0 };
    sl_exchange *x = make_exchange((sl_exchange_config){
        .target_count = 1,
        .producers = three,
        .producer_count = 3,
        .ordered = true,
        .wake_target = count_target,
        .wake_producer = count_producer,
        .user = &w,
    });
    assert_int_equal(push(x, 2, 0, 30), SL_EXCHANGE_TAKEN);
    assert_int_equal(push(x, 1, 0, 20), SL_EXCHANGE_TAKEN);
    assert_int_equal(pull(x, 0), -1); /* 0 comes first and has sent nothing */
    assert_int_equal(w.targets[0], 0);
    push(x, 1, 0, 21);
    assert_int_equal(w.targets[0], 0); /* EX3: still nothing to take */
    push(x, 0, 0, 10);
    assert_int_equal(w.targets[0], 1); /* EX2 */
    assert_int_equal(pull(x, 0), 10);
    assert_int_equal(pull(x, 0), -1);
    end(x, 0, 1);
    assert_int_equal(w.targets[0], 2);
    assert_int_equal(pull(x, 0), 20);
    assert_int_equal(pull(x, 0), 21);
    end(x, 2, 1);
    assert_int_equal(pull(x, 0), -1);
    end(x, 1, 2);
    assert_int_equal(w.targets[0], 3);
    assert_int_equal(pull(x, 0), 30);
    assert_int_equal(pull(x, 0), -2);
    assert_int_equal(pull(x, 0), -2);
    sl_exchange_free(x);
}

static void pull__gives_blocks_as_they_come_when_streaming(void **state)
{
    (void)state;
    sl_exchange *x = make_exchange((sl_exchange_config){
        .target_count = 2, .producers = three, .producer_count = 3 });
    push(x, 2, 0, 30);
    push(x, 0, 0, 10);
    push(x, 0, 1, 11);
    assert_int_equal(pull(x, 0), 30);
    assert_int_equal(pull(x, 0), 10);
    assert_int_equal(pull(x, 0), -1);
    end(x, 0, 2);
    end(x, 1, 0);
    assert_int_equal(pull(x, 0), -1);
    end(x, 2, 1);
    assert_int_equal(pull(x, 0), -2);
    assert_int_equal(pull(x, 1), 11); /* EX1 */
    assert_int_equal(pull(x, 1), -2);
    sl_exchange_free(x);
}

static void pull__is_at_the_end_at_once_without_producers(void **state)
{
    (void)state;
    sl_exchange *x =
        make_exchange((sl_exchange_config){ .target_count = 1, .ordered = true });
    assert_int_equal(pull(x, 0), -2);
    sl_exchange_free(x);
}

static void push__over_the_credit_is_blocked_and_woken(void **state)
{
    (void)state;
    struct wakes w = { 0 };
    sl_exchange *x = make_exchange((sl_exchange_config){
        .target_count = 2,
        .producers = three,
        .producer_count = 3,
        .credit_bytes = 1,
        .wake_target = count_target,
        .wake_producer = count_producer,
        .user = &w,
    });
    assert_int_equal(push(x, 0, 0, 1), SL_EXCHANGE_TAKEN); /* one is always admitted */
    assert_int_equal(push(x, 1, 0, 2), SL_EXCHANGE_BLOCKED);
    assert_int_equal(push(x, 1, 0, 2), SL_EXCHANGE_BLOCKED); /* asking twice is fine */
    assert_int_equal(push(x, 1, 1, 3), SL_EXCHANGE_TAKEN);   /* credit is per target */
    assert_int_equal(pull(x, 0), 1);
    assert_int_equal(w.producers[1], 1);
    assert_int_equal(push(x, 1, 0, 2), SL_EXCHANGE_TAKEN);
    sl_exchange_stats s;
    sl_exchange_stats_get(x, &s);
    assert_int_equal(s.blocks, 3);
    assert_int_equal(s.rows, 12);
    assert_int_equal(s.blocked_pushes, 2);
    assert_true(s.queued_bytes > 0);
    sl_exchange_free(x);
}

static void push__of_the_block_needed_next_is_always_admitted_when_ordered(void **state)
{
    (void)state;
    struct wakes w = { 0 };
    sl_exchange *x = make_exchange((sl_exchange_config){
        .target_count = 1,
        .producers = three,
        .producer_count = 3,
        .ordered = true,
        .credit_bytes = 1,
        .wake_target = count_target,
        .wake_producer = count_producer,
        .user = &w,
    });
    assert_int_equal(push(x, 2, 0, 30), SL_EXCHANGE_TAKEN);
    assert_int_equal(push(x, 1, 0, 20), SL_EXCHANGE_BLOCKED);
    assert_int_equal(push(x, 0, 0, 10), SL_EXCHANGE_TAKEN); /* although it is full */
    assert_int_equal(push(x, 0, 0, 11), SL_EXCHANGE_BLOCKED);
    assert_int_equal(pull(x, 0), 10);
    assert_int_equal(w.producers[0], 1);
    assert_int_equal(push(x, 0, 0, 11), SL_EXCHANGE_TAKEN);
    assert_int_equal(pull(x, 0), 11);
    end(x, 0, 2);
    assert_int_equal(w.producers[1], 1); /* its turn, with no pull in between */
    assert_int_equal(push(x, 1, 0, 20), SL_EXCHANGE_TAKEN);
    end(x, 1, 1);
    end(x, 2, 1);
    assert_int_equal(pull(x, 0), 20);
    assert_int_equal(pull(x, 0), 30);
    assert_int_equal(pull(x, 0), -2);
    sl_exchange_free(x);
}

static void push__of_an_empty_chunk_is_taken_and_forgotten(void **state)
{
    (void)state;
    sl_exchange *x = make_exchange((sl_exchange_config){
        .target_count = 1, .producers = three, .producer_count = 1 });
    sl_exchange_answer answer;
    sl_chunk *c = make_chunk(1, 0);
    assert_int_equal(sl_exchange_push(x, 0, 0, c, &answer, NULL), SL_OK);
    assert_int_equal(answer, SL_EXCHANGE_TAKEN);
    sl_chunk_unref(c);
    end(x, 0, 0);
    assert_int_equal(pull(x, 0), -2);
    sl_exchange_free(x);
}

static void end__refuses_counts_that_do_not_match(void **state)
{
    (void)state;
    sl_exchange *x = make_exchange((sl_exchange_config){
        .target_count = 1, .producers = three, .producer_count = 1, .stage = 3 });
    sl_error err;
    push(x, 0, 0, 1);
    assert_int_equal(sl_exchange_end(x, 0, 4, 2, &err), SL_EINTERNAL);
    assert_string_equal(err.text,
                        "task 0 of stage 0 ended with 4 rows in 2 blocks, 4 rows "
                        "in 1 blocks came");
    assert_int_equal(sl_exchange_end(x, 0, 3, 1, &err), SL_EINTERNAL);
    end(x, 0, 1);
    assert_int_equal(sl_exchange_end(x, 0, 4, 1, &err), SL_EINTERNAL);
    sl_exchange_answer answer;
    sl_chunk *c = make_chunk(1, 1);
    assert_int_equal(sl_exchange_push(x, 0, 0, c, &answer, &err), SL_EINTERNAL);
    sl_chunk_unref(c);
    sl_exchange_free(x);
}

static void producer_of__finds_names_and_refuses_others(void **state)
{
    (void)state;
    sl_exchange *x = make_exchange((sl_exchange_config){
        .target_count = 1, .producers = three, .producer_count = 3, .stage = 4 });
    uint32_t number = 99;
    sl_error err;
    assert_int_equal(sl_exchange_producer_of(x, 2, 0, &number, &err), SL_OK);
    assert_int_equal(number, 2);
    assert_int_equal(sl_exchange_producer_of(x, 1, 0, &number, &err), SL_EINTERNAL);
    assert_string_equal(err.text,
                        "task 0 of stage 1 is no producer of the exchange into stage 4");
    assert_int_equal(number, 2);
    sl_exchange_free(x);
}

static void new__refuses_producers_out_of_order(void **state)
{
    (void)state;
    const sl_producer_name bad[] = { { 0, 1 }, { 0, 1 } };
    sl_exchange_config c = { .target_count = 1, .producers = bad, .producer_count = 2 };
    sl_exchange *x = NULL;
    sl_error err;
    assert_int_equal(sl_exchange_new(&c, &x, &err), SL_EINTERNAL);
    c.producer_count = 1;
    c.target_count = 0;
    assert_int_equal(sl_exchange_new(&c, &x, &err), SL_EINTERNAL);
    assert_null(x);
}

static void abort__drops_blocks_wakes_all_and_refuses_the_rest(void **state)
{
    (void)state;
    struct wakes w = { 0 };
    sl_exchange *x = make_exchange((sl_exchange_config){
        .batch = 7,
        .attempt = 2,
        .target_count = 2,
        .producers = three,
        .producer_count = 3,
        .credit_bytes = 1,
        .wake_target = count_target,
        .wake_producer = count_producer,
        .user = &w,
    });
    push(x, 0, 0, 1);
    assert_int_equal(push(x, 1, 0, 2), SL_EXCHANGE_BLOCKED);
    assert_int_equal(pull(x, 1), -1);
    sl_exchange_abort(x);
    assert_int_equal(w.producers[1], 1);
    assert_int_equal(w.targets[1], 1);
    sl_exchange_answer answer;
    sl_chunk *c = make_chunk(1, 1), *got = NULL;
    sl_error err;
    assert_int_equal(sl_exchange_push(x, 0, 0, c, &answer, &err), SL_ECANCELLED);
    assert_string_equal(err.text, "attempt 2 of batch 7 was abandoned");
    assert_int_equal(sl_exchange_pull(x, 0, &answer, &got, &err), SL_ECANCELLED);
    assert_int_equal(sl_exchange_end(x, 0, 0, 0, &err), SL_ECANCELLED);
    sl_chunk_unref(c);
    sl_exchange_free(x);
}

/* ---- many tasks on few threads: nothing is lost, nothing deadlocks ---- */

enum { PRODUCERS = 12, TARGETS = 5, THREADS = 3, TASKS = PRODUCERS + TARGETS };

/* A little executor: tasks are run by whoever finds them runnable; a blocked one waits
 * for its wake.  Producers start in order, as the contract asks. */
struct crowd {
    pthread_mutex_t lock;
    sl_exchange *x;
    bool ordered;
    uint64_t seed;
    uint32_t blocks[PRODUCERS]; /* each sends */
    struct {
        bool runnable, running, woken, done;
        uint64_t random;
        uint32_t sent;
        bool holding; /* the next block is decided, the push was refused */
        uint32_t target;
        int64_t last; /* targets: last value seen */
        uint64_t sum;
        uint32_t count;
    } tasks[TASKS];
    uint32_t left;
};

static uint64_t next_random(uint64_t *s)
{
    *s += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = *s;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static void wake_task(struct crowd *c, uint32_t task)
{
    pthread_mutex_lock(&c->lock);
    if (c->tasks[task].running)
        c->tasks[task].woken = true;
    else
        c->tasks[task].runnable = true;
    pthread_mutex_unlock(&c->lock);
}

static void wake_crowd_target(void *user, uint32_t number)
{
    wake_task(user, PRODUCERS + number);
}

static void wake_crowd_producer(void *user, uint32_t number)
{
    wake_task(user, number);
}

static bool run_producer(struct crowd *c, uint32_t p) /* true: blocked */
{
    for (uint32_t burst = 0; burst < 3; burst++) {
        if (c->tasks[p].sent == c->blocks[p]) {
            if (sl_exchange_end(c->x, p, c->blocks[p] * 2, c->blocks[p], NULL) != SL_OK)
                abort();
            c->tasks[p].done = true;
            return false;
        }
        if (!c->tasks[p].holding) {
            c->tasks[p].holding = true;
            c->tasks[p].target = (uint32_t)(next_random(&c->tasks[p].random) % TARGETS);
        }
        sl_exchange_answer answer;
        sl_chunk *chunk = make_chunk((int64_t)p * 1000000 + c->tasks[p].sent, 2);
        if (sl_exchange_push(c->x, p, c->tasks[p].target, chunk, &answer, NULL) != SL_OK)
            abort();
        sl_chunk_unref(chunk);
        if (answer == SL_EXCHANGE_BLOCKED)
            return true;
        c->tasks[p].holding = false;
        c->tasks[p].sent++;
    }
    return false;
}

static bool run_target(struct crowd *c, uint32_t task)
{
    for (uint32_t burst = 0; burst < 2; burst++) {
        int64_t value = pull(c->x, task - PRODUCERS);
        if (value == -1)
            return true;
        if (value == -2) {
            c->tasks[task].done = true;
            return false;
        }
        if (c->ordered && value <= c->tasks[task].last)
            abort();
        c->tasks[task].last = value;
        c->tasks[task].sum =
            c->tasks[task].sum * UINT64_C(31) + (c->ordered ? (uint64_t)value : 0);
        c->tasks[task].count++;
    }
    return false;
}

static uint32_t pick(struct crowd *c, uint64_t *random) /* lock held; TASKS: none */
{
    uint32_t from = (uint32_t)(next_random(random) % TASKS);
    for (uint32_t i = 0; i < TASKS; i++) {
        uint32_t t = (from + i) % TASKS;
        if (c->tasks[t].runnable && !c->tasks[t].running && !c->tasks[t].done)
            return t;
    }
    return TASKS;
}

static void *run_crowd(void *user)
{
    struct crowd *c = user;
    pthread_mutex_lock(&c->lock);
    uint64_t random = next_random(&c->seed);
    uint32_t idle = 0;
    while (c->left != 0) {
        uint32_t t = pick(c, &random);
        if (t == TASKS) {
            pthread_mutex_unlock(&c->lock);
            if (++idle > 20000) /* about 10 s of nothing to do: a deadlock */
                abort();
            nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
            pthread_mutex_lock(&c->lock);
            continue;
        }
        idle = 0;
        c->tasks[t].running = true;
        pthread_mutex_unlock(&c->lock);
        bool blocked = t < PRODUCERS ? run_producer(c, t) : run_target(c, t);
        pthread_mutex_lock(&c->lock);
        c->tasks[t].running = false;
        c->tasks[t].runnable = !blocked || c->tasks[t].woken;
        c->tasks[t].woken = false;
        c->left -= c->tasks[t].done;
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* Fingerprint of what the targets saw, in order. */
static uint64_t run_schedule(uint64_t seed, uint64_t data_seed, bool ordered)
{
    struct crowd *c = calloc(1, sizeof *c);
    sl_producer_name names[PRODUCERS];
    pthread_mutex_init(&c->lock, NULL);
    c->seed = seed;
    c->ordered = ordered;
    c->left = TASKS;
    uint64_t total = 0, random = data_seed;
    for (uint32_t t = 0; t < TASKS; t++) {
        c->tasks[t].runnable = true;
        c->tasks[t].last = -1;
        c->tasks[t].random = next_random(&random);
    }
    for (uint32_t p = 0; p < PRODUCERS; p++) {
        names[p] = (sl_producer_name){ p / 4, p % 4 };
        c->blocks[p] = (uint32_t)(next_random(&random) % 60);
        total += c->blocks[p];
    }
    c->x = make_exchange((sl_exchange_config){
        .target_count = TARGETS,
        .producers = names,
        .producer_count = PRODUCERS,
        .ordered = ordered,
        .credit_bytes = (int64_t)(next_random(&random) % 1000),
        .wake_target = wake_crowd_target,
        .wake_producer = wake_crowd_producer,
        .user = c,
    });
    pthread_t threads[THREADS];
    for (uint32_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_crowd, c), 0);
    for (uint32_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);

    uint64_t got = 0, fingerprint = 0;
    for (uint32_t t = PRODUCERS; t < TASKS; t++) {
        got += c->tasks[t].count;
        fingerprint = fingerprint * UINT64_C(1000003) + c->tasks[t].sum;
    }
    assert_int_equal(got, total);
    sl_exchange_free(c->x);
    pthread_mutex_destroy(&c->lock);
    free(c);
    return fingerprint;
}

static uint64_t first_seed(void)
{
    const char *given = getenv("SLUICE_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("SLUICE_TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

static void exchange__loses_nothing_and_never_deadlocks(void **state)
{
    (void)state;
    uint64_t seed = first_seed();
    for (uint32_t i = 0; i < 20; i++)
        run_schedule(seed + i, seed * 7 + i, i % 2 == 0);
}

static void exchange__gives_the_same_order_under_any_schedule(void **state)
{
    (void)state;
    uint64_t seed = first_seed();
    uint64_t expected = run_schedule(seed, 42, true);
    for (uint32_t i = 1; i < 10; i++)
        assert_true(run_schedule(seed + i, 42, true) == expected); /* EX3 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pull__gives_blocks_in_producer_order_when_ordered),
        cmocka_unit_test(pull__gives_blocks_as_they_come_when_streaming),
        cmocka_unit_test(pull__is_at_the_end_at_once_without_producers),
        cmocka_unit_test(push__over_the_credit_is_blocked_and_woken),
        cmocka_unit_test(push__of_the_block_needed_next_is_always_admitted_when_ordered),
        cmocka_unit_test(push__of_an_empty_chunk_is_taken_and_forgotten),
        cmocka_unit_test(end__refuses_counts_that_do_not_match),
        cmocka_unit_test(producer_of__finds_names_and_refuses_others),
        cmocka_unit_test(new__refuses_producers_out_of_order),
        cmocka_unit_test(abort__drops_blocks_wakes_all_and_refuses_the_rest),
        cmocka_unit_test(exchange__loses_nothing_and_never_deadlocks),
        cmocka_unit_test(exchange__gives_the_same_order_under_any_schedule),
    };
    return cmocka_run_group_tests_name("shuffle/exchange", tests, NULL, NULL);
}
