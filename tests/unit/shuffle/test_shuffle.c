/* Exchanges of two and three processes, joined by channels over an in-process link that
 * is good or loses, repeats, delays and reorders; in virtual time, every schedule from a
 * seed. Producers and targets run again only when they are woken, so a lost wake-up is a
 * hang. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "shuffle/exchange_private.h"
#include "shuffle/metrics.h"
#include "shuffle/shuffle.h"

#define WORKERS_MAX 3u
#define PRODUCERS 6u
#define TARGETS 5u
#define STEPS_MAX 4000000u

struct world;

struct node {
    struct world *world;
    char address[16];
    uint64_t lives, incarnation;
    sl_channel *channel;
    sl_shuffle *shuffle;
    sl_exchange *exchange;
    uint32_t failures;
    sl_error failure;
    bool producer_runs[PRODUCERS], target_runs[TARGETS];
    bool gone;
    uint32_t credits_heard;
};

struct world {
    sl_fs_virtual *fs;
    sl_host *host;
    sl_local_network *network;
    sl_schema schema;
    sl_field field;
    struct node nodes[WORKERS_MAX];
    uint32_t workers;
    uint64_t seed, random;
    uint32_t loss_percent;
    /* the work */
    bool ordered;
    uint32_t chunks; /* of each producer */
    uint32_t rows;   /* of a chunk, at most */
    int64_t credit;
    uint32_t pull_one_in; /* a slow reader: one try in so many */
    uint32_t pushed[PRODUCERS];
    bool ended[PRODUCERS], at_end[TARGETS];
    uint64_t rows_of[PRODUCERS];
    int64_t *got[TARGETS];
    uint32_t got_count[TARGETS];
};

static uint64_t next_random(struct world *w)
{
    uint64_t z = (w->random += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static int64_t no_time(void *user)
{
    (void)user;
    return 0;
}

static uint32_t faulty(void *user, const char *from, const char *to,
                       int64_t *ret_delay_us)
{
    struct world *w = (struct world *)user;
    (void)from;
    (void)to;
    uint32_t draw = (uint32_t)(next_random(w) % 100);
    uint32_t copies = draw < w->loss_percent ? 0 : draw > 90 ? 2 : 1;
    for (uint32_t i = 0; i < copies; i++)
        ret_delay_us[i] = (int64_t)(next_random(w) % 500);
    return w->loss_percent == 0 ? 1 : copies;
}

/* ---- nodes ---- */

static void on_message(void *user, const char *from, uint64_t incarnation, sl_blob *frame)
{
    struct node *n = (struct node *)user;
    sl_shuffle_head h;
    if (sl_shuffle__read_head(sl_blob_span(frame), &h, NULL) == SL_OK)
        n->credits_heard += h.kind == SL_SHUFFLE_CREDIT;
    assert_true(sl_shuffle_on_message(n->shuffle, from, incarnation, frame));
}

static void on_peer(void *user, const char *from, uint64_t incarnation)
{
    sl_shuffle_on_peer(((struct node *)user)->shuffle, from, incarnation);
}

static void on_room(void *user, const char *to)
{
    sl_shuffle_on_room(((struct node *)user)->shuffle, to);
}

static void on_failed(void *user, const sl_error *error)
{
    struct node *n = (struct node *)user;
    n->failures++;
    n->failure = *error;
}

static void wake_target(void *user, uint32_t target)
{
    ((struct node *)user)->target_runs[target] = true;
}

static void wake_producer(void *user, uint32_t producer)
{
    ((struct node *)user)->producer_runs[producer] = true;
}

static void node_open(struct world *w, uint32_t i, bool spills)
{
    struct node *n = &w->nodes[i];
    char dir[24];
    n->world = w;
    snprintf(n->address, sizeof n->address, "w%u", i);
    snprintf(dir, sizeof dir, "/spill-w%u", i);
    n->incarnation = 100 * ++n->lives + i;
    n->gone = false;
    sl_channel_callbacks callbacks = {
        .on_message = on_message, .on_peer = on_peer, .on_room = on_room, .user = n
    };
    assert_int_equal(sl_channel_new(w->host, sl_local_network_of(w->network), n->address,
                                    n->incarnation, callbacks, &n->channel, NULL),
                     SL_OK);
    sl_shuffle_config config = { .host = w->host,
                                 .channel = n->channel,
                                 .spill_dir = spills ? dir : NULL };
    n->shuffle = sl_shuffle_new(&config);
}

static struct world *world_new(uint32_t workers, uint64_t seed, uint32_t loss_percent,
                               bool spills)
{
    struct world *w = (struct world *)calloc(1, sizeof *w);
    w->fs = sl_fs_virtual_new(no_time, NULL);
    w->host = sl_host_virtual_new(seed, 0, sl_fs_virtual_fs(w->fs),
                                  (sl_host_virtual_hooks){ 0 });
    w->network = sl_local_network_new();
    w->workers = workers;
    w->seed = w->random = seed;
    w->loss_percent = loss_percent;
    sl_local_network_set_faults(w->network,
                                (sl_link_faults){ .copies = faulty, .user = w });
    w->field = (sl_field){ .name = "n", .type = sl_type_of(SL_TYPE_DOUBLE) };
    w->schema = (sl_schema){ .field_count = 1, .fields = &w->field };
    w->chunks = 20;
    w->rows = 50;
    w->credit = 1 << 20;
    w->pull_one_in = 1;
    for (uint32_t i = 0; i < workers; i++)
        node_open(w, i, spills);
    return w;
}

static void node_close(struct node *n)
{
    sl_exchange_free(n->exchange);
    sl_shuffle_free(n->shuffle);
    sl_channel_free(n->channel);
    n->exchange = NULL;
    n->shuffle = NULL;
    n->channel = NULL;
    n->gone = true;
}

static void world_free(struct world *w)
{
    for (uint32_t i = 0; i < w->workers; i++)
        if (!w->nodes[i].gone)
            node_close(&w->nodes[i]);
    for (uint32_t t = 0; t < TARGETS; t++)
        free(w->got[t]);
    sl_local_network_free(w->network);
    sl_host_free(w->host);
    sl_fs_virtual_free(w->fs);
    free(w);
}

/* Producer p runs at worker p mod workers, target t at t mod workers. */
static void exchange_open(struct world *w, uint32_t i, uint32_t attempt)
{
    struct node *n = &w->nodes[i];
    sl_exchange_peer peers[WORKERS_MAX];
    uint32_t number[WORKERS_MAX], count = 0;
    uint32_t target_peers[TARGETS], producer_peers[PRODUCERS];
    sl_producer_name names[PRODUCERS];
    sl_error err;
    for (uint32_t j = 0; j < w->workers; j++) {
        number[j] = j == i ? SL_EXCHANGE_HERE : count;
        if (j != i)
            peers[count++] =
                (sl_exchange_peer){ w->nodes[j].address, w->nodes[j].incarnation };
    }
    for (uint32_t t = 0; t < TARGETS; t++) {
        target_peers[t] = number[t % w->workers];
        n->target_runs[t] = true;
    }
    for (uint32_t p = 0; p < PRODUCERS; p++) {
        names[p] = (sl_producer_name){ 0, p };
        producer_peers[p] = number[p % w->workers];
        n->producer_runs[p] = true;
    }
    sl_exchange_config config = { .epoch = 1,
                                  .batch = 7,
                                  .attempt = attempt,
                                  .stage = 1,
                                  .target_count = TARGETS,
                                  .producers = names,
                                  .producer_count = PRODUCERS,
                                  .ordered = w->ordered,
                                  .credit_bytes = w->credit,
                                  .wake_target = wake_target,
                                  .wake_producer = wake_producer,
                                  .user = n,
                                  .shuffle = n->shuffle,
                                  .run = 42,
                                  .peers = peers,
                                  .peer_count = count,
                                  .target_peers = target_peers,
                                  .producer_peers = producer_peers,
                                  .schema = &w->schema,
                                  .failed = on_failed };
    if (sl_exchange_new(&config, &n->exchange, &err) != SL_OK)
        fail_msg("%s", err.text);
}

static void open_exchanges(struct world *w)
{
    for (uint32_t i = 0; i < w->workers; i++)
        exchange_open(w, i, 1);
}

/* ---- work ---- */

/* The bits of a number as a double: those are written plainly, 8 bytes a row. */
static sl_chunk *make_chunk(int64_t value, uint32_t rows)
{
    void *values;
    uint64_t *validity;
    sl_chunk *c = sl_chunk_new(1, rows);
    assert_int_equal(sl_column_alloc(sl_type_of(SL_TYPE_DOUBLE), rows, false, NULL,
                                     &c->columns[0], &values, &validity, NULL),
                     SL_OK);
    for (uint32_t i = 0; i < rows; i++)
        ((int64_t *)values)[i] = value;
    return c;
}

/* Chunk k of producer p goes to target (k + p) mod TARGETS. */
static uint32_t target_of(uint32_t p, uint32_t k)
{
    return (k + p) % TARGETS;
}

static uint32_t rows_in(const struct world *w, uint32_t p, uint32_t k)
{
    return 1 + (p * 7919u + k * 104729u) % w->rows;
}

static sl_code run_producer(struct world *w, uint32_t p, sl_error *err)
{
    struct node *n = &w->nodes[p % w->workers];
    sl_exchange_answer answer;
    uint32_t k = w->pushed[p];
    if (n->gone || w->ended[p] || !n->producer_runs[p])
        return SL_OK;
    if (k == w->chunks) {
        w->ended[p] = true;
        return sl_exchange_end(n->exchange, p, w->rows_of[p], k, err);
    }
    sl_chunk *c = make_chunk((int64_t)p * 100000 + k, rows_in(w, p, k));
    n->producer_runs[p] = false; /* a wake during the push counts */
    sl_code code = sl_exchange_push(n->exchange, p, target_of(p, k), c, &answer, err);
    if (w->pushed[p] % 3 == 0) /* and with the end */
        sl_exchange_send(n->exchange);
    if (code == SL_OK && answer == SL_EXCHANGE_TAKEN) {
        w->rows_of[p] += c->selected;
        w->pushed[p]++;
        n->producer_runs[p] = true;
    }
    sl_chunk_unref(c);
    return code;
}

static sl_code run_target(struct world *w, uint32_t t, sl_error *err)
{
    struct node *n = &w->nodes[t % w->workers];
    sl_exchange_answer answer;
    sl_chunk *c = NULL;
    if (n->gone || w->at_end[t] || !n->target_runs[t])
        return SL_OK;
    n->target_runs[t] = false;
    SL_TRY(sl_exchange_pull(n->exchange, t, &answer, &c, err));
    w->at_end[t] = answer == SL_EXCHANGE_END;
    n->target_runs[t] = n->target_runs[t] || answer == SL_EXCHANGE_CHUNK;
    if (answer != SL_EXCHANGE_CHUNK)
        return SL_OK;
    int64_t value = sl_column_i64(&c->columns[0])[0];
    for (uint32_t i = 0; i < c->selected; i++)
        assert_true(sl_column_i64(&c->columns[0])[i] == value);
    assert_int_equal(c->selected,
                     rows_in(w, (uint32_t)(value / 100000), (uint32_t)(value % 100000)));
    w->got[t] = (int64_t *)realloc(w->got[t], (w->got_count[t] + 1) * sizeof *w->got[t]);
    w->got[t][w->got_count[t]++] = value;
    sl_chunk_unref(c);
    return SL_OK;
}

static bool is_done(const struct world *w)
{
    for (uint32_t t = 0; t < TARGETS; t++)
        if (!w->at_end[t])
            return false;
    return true;
}

/* One random thing: a push, a pull, or an event. */
static sl_code run_step(struct world *w, sl_error *err)
{
    uint64_t draw = next_random(w);
    switch (draw % 3) {
    case 0:
        return run_producer(w, (uint32_t)(draw >> 8) % PRODUCERS, err);
    case 1:
        if ((draw >> 40) % w->pull_one_in != 0)
            return SL_OK;
        return run_target(w, (uint32_t)(draw >> 8) % TARGETS, err);
    default:
        (void)sl_host_virtual_step(w->host);
        return SL_OK;
    }
}

/* Who waits for what, when a schedule hangs. */
static void describe(const struct world *w)
{
    for (uint32_t p = 0; p < PRODUCERS; p++)
        print_message("producer %u: pushed %u of %u%s, %s\n", p, w->pushed[p], w->chunks,
                      w->ended[p] ? ", ended" : "",
                      w->nodes[p % w->workers].producer_runs[p] ? "runs" : "waits");
    for (uint32_t t = 0; t < TARGETS; t++)
        for (uint32_t i = 0; i < w->workers; i++) {
            const sl_xtarget *x = &w->nodes[i].exchange->targets[t];
            print_message("target %u at w%u%s: %u queued, cursor %u, %u wait; credit "
                          "%llu sent, %llu consumed, %llu window, wanted %d\n",
                          t, i, w->at_end[t] ? " (ended)" : "", x->count, x->cursor,
                          x->waiter_count, (unsigned long long)x->credit.sent_bytes,
                          (unsigned long long)x->credit.consumed_bytes,
                          (unsigned long long)x->credit.window_bytes,
                          (int)x->credit.wanted);
        }
}

static void run_to_end(struct world *w)
{
    sl_error err = { 0 };
    for (uint32_t i = 0; i < STEPS_MAX && !is_done(w); i++)
        if (run_step(w, &err) != SL_OK)
            fail_msg("seed %llu: %s", (unsigned long long)w->seed, err.text);
    if (!is_done(w))
        describe(w);
    if (!is_done(w))
        fail_msg("seed %llu: not at the end after %u steps", (unsigned long long)w->seed,
                 STEPS_MAX);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Each target has got each of its chunks once; in order where that was asked. */
static void check_rows(struct world *w)
{
    for (uint32_t t = 0; t < TARGETS; t++) {
        uint32_t n = 0;
        if (!w->ordered && w->got_count[t] > 0)
            qsort(w->got[t], w->got_count[t], sizeof *w->got[t], by_value);
        for (uint32_t p = 0; p < PRODUCERS; p++)
            for (uint32_t k = 0; k < w->chunks; k++)
                if (target_of(p, k) == t) {
                    assert_true(n < w->got_count[t]);
                    assert_true(w->got[t][n++] == (int64_t)p * 100000 + k);
                }
        assert_int_equal(n, w->got_count[t]);
    }
}

static sl_exchange_stats stats_of(const struct node *n)
{
    sl_exchange_stats s;
    sl_exchange_stats_get(n->exchange, &s);
    return s;
}

/* ---- tests ---- */

static void pull__gets_every_row_once_whatever_the_link_does(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world *w = world_new(2 + seed % 2, seed, seed % 3 == 0 ? 15 : 0, false);
        w->ordered = seed % 4 < 2;
        w->credit = seed % 5 == 0 ? 1 : 1 << 20;
        open_exchanges(w);
        run_to_end(w);
        check_rows(w);
        world_free(w);
    }
}

/* A target holds at most a window of each peer and a block more, whatever is pushed. */
static void pull__bounds_what_is_received_by_credit(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct world *w = world_new(2 + seed % 2, seed, 0, false);
        w->ordered = seed % 2 == 0;
        w->rows = 16000; /* blocks of up to 128,000 bytes */
        w->chunks = 30;
        w->credit = 200000;
        w->pull_one_in = 40;
        open_exchanges(w);
        run_to_end(w);
        check_rows(w);
        for (uint32_t i = 0; i < w->workers; i++) {
            sl_exchange_stats s = stats_of(&w->nodes[i]);
            int64_t senders = w->workers - 1,
                    targets = (TARGETS + w->workers - 1) / w->workers;
            int64_t window = w->nodes[i].exchange->window_bytes;
            int64_t block = 16000 * 8 + 64;
            /* ordered: one more block that was wanted */
            int64_t bound = targets * (senders * (window + block) + block);
            assert_true(s.received_queued_peak > 0);
            assert_true(s.received_queued_peak <= bound);
            assert_true(s.blocked_pushes > 0);
        }
        world_free(w);
    }
}

/* What of node `from` is queued at the targets of the others. */
static int64_t queued_of(const struct world *w, uint32_t from)
{
    int64_t bytes = 0;
    for (uint32_t i = 0; i < w->workers; i++) {
        const sl_exchange *x = w->nodes[i].exchange;
        for (uint32_t t = 0; t < TARGETS && i != from; t++)
            if (x->targets[t].senders != NULL)
                bytes += x->targets[t].senders[from < i ? from : from - 1].queued_bytes;
    }
    return bytes;
}

static bool has_sent_all(const struct world *w, uint32_t node)
{
    for (uint32_t p = node; p < PRODUCERS; p += w->workers)
        if (!w->ended[p])
            return false;
    return sl_exchange__owes_nothing(w->nodes[node].exchange);
}

/* A block is counted where it was sent until its target has consumed it, but for what is
 * left when all is sent; and where it came until then. */
static void in_flight__is_what_was_sent_and_not_consumed(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct world *w = world_new(3, seed, seed % 2 == 0 ? 10 : 0, false);
        sl_error err = { 0 };
        uint64_t seen = 0;
        w->ordered = seed % 3 == 0;
        w->rows = 4000;
        w->credit = 100000;
        w->pull_one_in = 20;
        open_exchanges(w);
        for (uint32_t i = 0; i < STEPS_MAX && !is_done(w); i++) {
            assert_int_equal(run_step(w, &err), SL_OK);
            for (uint32_t n = 0; n < w->workers; n++) {
                sl_shuffle_flight f;
                int64_t queued = atomic_load(&w->nodes[n].exchange->received_queued);
                sl_shuffle_in_flight(w->nodes[n].shuffle, &f);
                assert_true(f.received_bytes == queued);
                if (has_sent_all(w, n))
                    assert_true(f.sent_bytes == 0);
                else
                    assert_true(f.sent_bytes >= queued_of(w, n));
                seen += f.sent_bytes > 0 && queued > 0;
            }
        }
        assert_true(is_done(w));
        assert_true(seen > 100);
        for (uint32_t n = 0; n < w->workers; n++) {
            sl_shuffle_flight f;
            sl_shuffle_in_flight(w->nodes[n].shuffle, &f);
            assert_true(f.sent_bytes == 0 && f.received_bytes == 0);
        }
        world_free(w);
    }
}

static void in_flight__of_an_attempt_that_was_given_up_is_nothing(void **state)
{
    (void)state;
    struct world *w = world_new(2, 5, 0, false);
    sl_error err = { 0 };
    sl_shuffle_flight f;
    w->rows = 4000;
    w->credit = 1 << 16;
    w->pull_one_in = 100000;
    open_exchanges(w);
    for (uint32_t i = 0; i < 20000; i++)
        assert_int_equal(run_step(w, &err), SL_OK);
    sl_shuffle_in_flight(w->nodes[0].shuffle, &f);
    assert_true(f.sent_bytes > 0 && f.received_bytes > 0);
    for (uint32_t i = 0; i < 2; i++) {
        sl_exchange_abort(w->nodes[i].exchange);
        sl_shuffle_in_flight(w->nodes[i].shuffle, &f);
        assert_true(f.sent_bytes == 0 && f.received_bytes == 0);
    }
    world_free(w);
}

static void push__spills_later_producers_of_an_ordered_target(void **state)
{
    (void)state;
    uint64_t spilled = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *w = world_new(2 + seed % 2, seed, seed % 2 == 0 ? 10 : 0, true);
        w->ordered = true;
        w->rows = 4000;
        w->credit = 1;
        w->pull_one_in = 20;
        open_exchanges(w);
        run_to_end(w);
        check_rows(w);
        for (uint32_t i = 0; i < w->workers; i++)
            spilled += stats_of(&w->nodes[i]).spilled_blocks;
        world_free(w);
    }
    assert_true(spilled > 100);
}

/* The worker is done with the batch and frees it while blocks wait for credit. */
static void free__still_delivers_what_was_pushed(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *w = world_new(2, seed, seed % 2 == 0 ? 20 : 0, true);
        sl_error err = { 0 };
        w->ordered = true;
        w->rows = 4000;
        w->credit = 1;
        open_exchanges(w);
        for (uint32_t i = 0; i < STEPS_MAX && !is_done(w); i++) {
            struct node *n = &w->nodes[0];
            bool all = !n->gone;
            for (uint32_t p = 0; p < PRODUCERS; p += 2)
                all = all && w->ended[p];
            for (uint32_t t = 0; t < TARGETS; t += 2)
                all = all && w->at_end[t];
            if (all && n->exchange != NULL) {
                sl_exchange_free(n->exchange);
                n->exchange = NULL;
            }
            assert_int_equal(run_step(w, &err), SL_OK);
        }
        assert_true(is_done(w));
        check_rows(w);
        world_free(w);
    }
}

static void on_peer_lost__fails_the_attempt_with_lost(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *w = world_new(3, seed, 10, seed % 2 == 0);
        sl_error err = { 0 };
        w->ordered = seed % 4 < 2;
        w->chunks = 1000;
        w->credit = 1 << 14;
        open_exchanges(w);
        for (uint32_t i = 0; i < 3000 + seed * 100; i++)
            assert_int_equal(run_step(w, &err), SL_OK);
        sl_exchange_abort(w->nodes[2].exchange);
        node_close(&w->nodes[2]);
        for (uint32_t i = 0; i < 2; i++) {
            sl_shuffle_on_peer_lost(w->nodes[i].shuffle, "w2", 102);
            sl_exchange_answer answer;
            sl_chunk *c = NULL;
            assert_int_equal(sl_exchange_pull(w->nodes[i].exchange, i, &answer, &c, &err),
                             SL_ELOST);
            assert_non_null(strstr(err.text, "w2"));
            assert_int_equal(sl_code_kind(err.code), SL_KIND_RETRY);
            assert_int_equal(stats_of(&w->nodes[i]).queued_bytes, 0);
        }
        sl_host_virtual_advance(w->host, 1000);
        assert_int_equal(w->nodes[0].failures, 1);
        assert_int_equal(w->nodes[1].failures, 1);
        world_free(w);
    }
}

static void on_peer__fails_what_rests_on_the_earlier_life(void **state)
{
    (void)state;
    struct world *w = world_new(2, 1, 0, false);
    open_exchanges(w);
    sl_shuffle_on_peer(w->nodes[0].shuffle, "w1", 101);
    sl_host_virtual_advance(w->host, 1000);
    assert_int_equal(w->nodes[0].failures, 0);
    sl_shuffle_on_peer(w->nodes[0].shuffle, "w1", 999);
    sl_host_virtual_advance(w->host, 1000);
    assert_int_equal(w->nodes[0].failures, 1);
    assert_int_equal(w->nodes[0].failure.code, SL_ELOST);
    world_free(w);
}

static void abort__frees_what_came_and_what_waits(void **state)
{
    (void)state;
    struct world *w = world_new(2, 5, 0, true);
    sl_error err = { 0 };
    w->ordered = true;
    w->chunks = 1000;
    w->rows = 4000;
    w->credit = 1 << 16;
    w->pull_one_in = 1000;
    open_exchanges(w);
    for (uint32_t i = 0; i < 20000; i++)
        assert_int_equal(run_step(w, &err), SL_OK);
    assert_true(atomic_load(&w->nodes[0].exchange->received_queued) > 0);
    for (uint32_t i = 0; i < 2; i++) {
        sl_exchange_abort(w->nodes[i].exchange);
        assert_true(atomic_load(&w->nodes[i].exchange->received_queued) == 0);
    }
    sl_chunk *c = make_chunk(1, 1);
    sl_exchange_answer answer;
    assert_int_equal(sl_exchange_push(w->nodes[0].exchange, 0, 1, c, &answer, &err),
                     SL_ECANCELLED);
    sl_chunk_unref(c);
    world_free(w); /* the sanitizer sees the rest */
}

/* Worker 1 still sends for attempt 1 when worker 0 is at attempt 2. */
static void on_message__drops_blocks_of_an_older_attempt(void **state)
{
    (void)state;
    struct world *w = world_new(2, 9, 0, false);
    sl_error err = { 0 };
    open_exchanges(w);
    for (uint32_t i = 0; i < 200; i++)
        assert_int_equal(run_step(w, &err), SL_OK);
    int64_t before = sl_shuffle_counted(SL_SHUFFLE_METRIC_STALE);
    sl_exchange_abort(w->nodes[0].exchange);
    sl_exchange_free(w->nodes[0].exchange);
    exchange_open(w, 0, 2);
    for (uint32_t p = 1; p < PRODUCERS; p += 2)
        for (uint32_t i = 0; i < 8; i++)
            assert_int_equal(run_producer(w, p, &err), SL_OK);
    sl_host_virtual_advance(w->host, 2000000);
    assert_true(sl_shuffle_counted(SL_SHUFFLE_METRIC_STALE) > before);
    assert_int_equal(stats_of(&w->nodes[0]).received_blocks, 0);
    world_free(w);
}

/* The driver tells one worker later than the other. */
static void open__is_remembered_until_the_exchange_is_made(void **state)
{
    (void)state;
    struct world *w = world_new(2, 3, 0, false);
    exchange_open(w, 0, 1);
    sl_host_virtual_advance(w->host, 1000000);
    exchange_open(w, 1, 1);
    run_to_end(w);
    check_rows(w);
    world_free(w);
}

static void begin_anew(struct world *w)
{
    memset(w->pushed, 0, sizeof w->pushed);
    memset(w->ended, 0, sizeof w->ended);
    memset(w->at_end, 0, sizeof w->at_end);
    memset(w->rows_of, 0, sizeof w->rows_of);
    memset(w->got_count, 0, sizeof w->got_count);
}

/* The driver names a new life that was not heard yet: what is sent first is addressed to
 * the life before. */
static void open__reaches_a_peer_that_came_back_unheard(void **state)
{
    (void)state;
    struct world *w = world_new(2, 3, 0, false);
    open_exchanges(w);
    run_to_end(w);
    sl_exchange_free(w->nodes[0].exchange);
    node_close(&w->nodes[1]);
    sl_host_virtual_advance(w->host, 1000000);
    node_open(w, 1, false);
    begin_anew(w);
    exchange_open(w, 0, 2);
    sl_host_virtual_advance(w->host, 1000000);
    exchange_open(w, 1, 2);
    run_to_end(w);
    check_rows(w);
    world_free(w);
}

static void end__of_no_rows_waits_for_a_peer_that_opens_late(void **state)
{
    (void)state;
    struct world *w = world_new(2, 3, 0, false);
    sl_error err;
    w->chunks = 0;
    exchange_open(w, 0, 1);
    for (uint32_t p = 0; p < PRODUCERS; p += 2)
        assert_int_equal(run_producer(w, p, &err), SL_OK);
    sl_host_virtual_advance(w->host, 1000000);
    exchange_open(w, 1, 1);
    run_to_end(w);
    check_rows(w);
    world_free(w);
}

/* Credits that node 1 has heard after its producers pushed chunks of 8,000 rows and node
 * 0 pulled what came, each at once. */
static uint32_t credits_heard(uint32_t chunks, int64_t credit, uint64_t *ret_bytes)
{
    struct world *w = world_new(2, 5, 0, false);
    sl_error err;
    w->chunks = chunks;
    w->rows = 8000;
    w->credit = credit;
    open_exchanges(w);
    for (uint32_t i = 0; i < chunks * PRODUCERS; i++) {
        for (uint32_t p = 1; p < PRODUCERS; p += 2)
            if (w->pushed[p] < chunks)
                assert_int_equal(run_producer(w, p, &err), SL_OK);
        sl_host_virtual_advance(w->host, 100000);
        for (uint32_t t = 0; t < TARGETS; t += 2)
            while (w->nodes[0].target_runs[t])
                assert_int_equal(run_target(w, t, &err), SL_OK);
    }
    uint32_t credits = w->nodes[1].credits_heard;
    *ret_bytes = atomic_load(&w->nodes[0].exchange->received_bytes);
    run_to_end(w);
    check_rows(w);
    world_free(w);
    return credits;
}

static void pull__tells_credit_by_the_quarter_of_a_window(void **state)
{
    uint64_t bytes;
    (void)state;
    assert_int_equal(credits_heard(3, 16 << 20, &bytes), 0);
    assert_true(bytes > 10000);
    uint32_t credits = credits_heard(200, 1 << 20, &bytes);
    assert_true(credits > 0 && credits <= bytes / (1 << 18));
}

/* ---- frames that are not what they say ---- */

static sl_blob *frame_of(sl_shuffle_head h, sl_span payload)
{
    sl_bytes b = { 0 };
    uint8_t head[SL_SHUFFLE_HEAD_BYTES];
    h.id = (sl_shuffle_id){ .run = 42, .epoch = 1, .batch = 7, .attempt = 1, .stage = 1 };
    sl_shuffle__write_head(&h, head);
    sl_bytes_append(&b, head, sizeof head);
    sl_bytes_append(&b, payload.data, payload.size_bytes);
    return sl_blob_take(&b);
}

static void give(struct world *w, sl_shuffle_head h, sl_span payload)
{
    sl_blob *b = frame_of(h, payload);
    assert_true(sl_shuffle_on_message(w->nodes[0].shuffle, "w1", 101, b));
    sl_blob_unref(b);
    sl_host_virtual_advance(w->host, 1000);
}

static void expect_lost(struct world *w)
{
    assert_int_equal(w->nodes[0].failures, 1);
    assert_int_equal(w->nodes[0].failure.code, SL_ELOST);
    assert_non_null(strstr(w->nodes[0].failure.text, "w1"));
    world_free(w);
}

static struct world *two_open(void)
{
    struct world *w = world_new(2, 11, 0, false);
    open_exchanges(w);
    sl_host_virtual_advance(w->host, 1000);
    return w;
}

/* As they are sent, or with a checksum of their own. */
static sl_bytes chunk_bytes_of(bool has_checksum)
{
    sl_bytes b = { 0 };
    sl_chunk *c = make_chunk(100000, 3);
    (has_checksum ? sl_chunk_write : sl_chunk_write_enveloped)(c, &b);
    sl_chunk_unref(c);
    return b;
}

static sl_bytes chunk_bytes(void)
{
    return chunk_bytes_of(false);
}

static void end__with_other_counts_than_came_fails(void **state)
{
    (void)state;
    sl_bytes chunk = chunk_bytes();
    for (uint32_t wrong = 0; wrong < 3; wrong++) {
        struct world *w = two_open();
        sl_shuffle_head block = {
            .kind = SL_SHUFFLE_BLOCK, .producer = 1, .rows = 3, .bytes = chunk.size_bytes
        };
        give(w, block, sl_bytes_span(&chunk));
        assert_int_equal(w->nodes[0].failures, 0);
        give(w,
             (sl_shuffle_head){ .kind = SL_SHUFFLE_END,
                                .producer = 1,
                                .index = wrong == 0 ? 2 : 1,
                                .rows = wrong == 1 ? 4 : 3,
                                .bytes = chunk.size_bytes + (wrong == 2) },
             (sl_span){ 0 });
        expect_lost(w);
    }
    sl_bytes_deinit(&chunk);
}

static void block__that_skips_a_number_fails(void **state)
{
    (void)state;
    sl_bytes chunk = chunk_bytes();
    struct world *w = two_open();
    give(w,
         (sl_shuffle_head){ .kind = SL_SHUFFLE_BLOCK,
                            .producer = 1,
                            .index = 1,
                            .rows = 3,
                            .bytes = chunk.size_bytes },
         sl_bytes_span(&chunk));
    expect_lost(w);
    sl_bytes_deinit(&chunk);
}

static void block__of_a_damaged_chunk_fails_the_pull_with_lost(void **state)
{
    (void)state;
    sl_bytes chunk = chunk_bytes();
    struct world *w = two_open();
    sl_error err;
    sl_exchange_answer answer;
    sl_chunk *c = NULL;
    chunk.data[4] ^= 1; /* another version */
    give(w,
         (sl_shuffle_head){ .kind = SL_SHUFFLE_BLOCK,
                            .producer = 1,
                            .rows = 3,
                            .bytes = chunk.size_bytes },
         sl_bytes_span(&chunk));
    assert_int_equal(sl_exchange_pull(w->nodes[0].exchange, 0, &answer, &c, &err),
                     SL_ELOST);
    assert_non_null(strstr(err.text, "w1"));
    world_free(w);
    sl_bytes_deinit(&chunk);
}

/* A peer may not speak for another's producers or to targets that are not here. */
static void block__for_somebody_else_is_ignored(void **state)
{
    (void)state;
    sl_bytes chunk = chunk_bytes();
    struct world *w = two_open();
    sl_shuffle_head h = { .kind = SL_SHUFFLE_BLOCK,
                          .rows = 3,
                          .bytes = chunk.size_bytes };
    const uint32_t producers[] = { 0, 2, PRODUCERS, UINT32_MAX };
    for (uint32_t i = 0; i < 4; i++) {
        h.producer = producers[i];
        give(w, h, sl_bytes_span(&chunk));
        give(w, (sl_shuffle_head){ .kind = SL_SHUFFLE_END, .producer = producers[i] },
             (sl_span){ 0 });
        give(w,
             (sl_shuffle_head){ .kind = SL_SHUFFLE_WANT,
                                .producer = producers[i],
                                .target = TARGETS + i },
             (sl_span){ 0 });
    }
    h.producer = 1;
    h.target = 1; /* of w1 itself */
    give(w, h, sl_bytes_span(&chunk));
    h.target = TARGETS;
    give(w, h, sl_bytes_span(&chunk));
    assert_int_equal(stats_of(&w->nodes[0]).received_blocks, 0);
    assert_int_equal(w->nodes[0].failures, 0);
    world_free(w);
    sl_bytes_deinit(&chunk);
}

/* Cut, flipped and grown frames are dropped and counted, or fail the attempt. */
static void on_message__survives_any_bytes(void **state)
{
    (void)state;
    sl_bytes chunk = chunk_bytes();
    uint64_t seed = 20260102;
    for (uint32_t round = 0; round < 3000; round++) {
        struct world *w = two_open();
        w->random = seed + round;
        int64_t before = sl_shuffle_counted(SL_SHUFFLE_METRIC_MALFORMED);
        sl_blob *good = frame_of((sl_shuffle_head){ .kind = SL_SHUFFLE_BLOCK,
                                                    .producer = 1,
                                                    .rows = 3,
                                                    .bytes = chunk.size_bytes },
                                 sl_bytes_span(&chunk));
        sl_bytes b = { 0 };
        size_t keep = good->size_bytes;
        if (next_random(w) % 3 == 0)
            keep = 5 + next_random(w) % (good->size_bytes - 5);
        sl_bytes_append(&b, good->data, keep);
        if (next_random(w) % 3 == 0)
            sl_bytes_u64(&b, next_random(w));
        for (uint64_t flips = 1 + next_random(w) % 3; flips > 0; flips--)
            b.data[4 + next_random(w) % (b.size_bytes - 4)] ^=
                (uint8_t)(1u << next_random(w) % 8);
        bool head_is_whole = b.size_bytes == good->size_bytes &&
                             memcmp(b.data, good->data, SL_SHUFFLE_HEAD_BYTES) == 0;
        sl_blob *bad = sl_blob_take(&b);
        assert_true(sl_shuffle_on_message(w->nodes[0].shuffle, "w1", 101, bad));
        sl_blob_unref(bad);
        sl_blob_unref(good);
        if (head_is_whole) {
            sl_error err;
            sl_exchange_answer answer;
            sl_chunk *c = NULL;
            sl_code code = sl_exchange_pull(w->nodes[0].exchange, 0, &answer, &c, &err);
            assert_true(code == SL_ELOST || code == SL_OK);
            sl_chunk_unref(c);
        } else if (sl_shuffle_counted(SL_SHUFFLE_METRIC_MALFORMED) != before + 1) {
            fail_msg("seed %llu: a bad frame was taken",
                     (unsigned long long)(seed + round));
        }
        world_free(w);
    }
    sl_bytes_deinit(&chunk);
}

/* Blocks are at most a MiB: a larger chunk goes in pieces. */
/* Two blocks of producer 1 for target 0, 3 rows each, and its end. */
static sl_bytes frames_of_a_pack(bool has_checksum)
{
    sl_bytes all = { 0 }, chunk = chunk_bytes_of(has_checksum);
    for (uint64_t i = 0; i < 3; i++) {
        sl_shuffle_head block = { .kind = SL_SHUFFLE_BLOCK,
                                  .producer = 1,
                                  .index = i,
                                  .rows = 3,
                                  .bytes = chunk.size_bytes };
        sl_shuffle_head end = { .kind = SL_SHUFFLE_END,
                                .producer = 1,
                                .index = 2,
                                .rows = 6,
                                .bytes = 2 * chunk.size_bytes };
        sl_blob *f = i < 2 ? frame_of(block, sl_bytes_span(&chunk))
                           : frame_of(end, (sl_span){ 0 });
        sl_bytes_append(&all, f->data, f->size_bytes);
        sl_blob_unref(f);
    }
    sl_bytes_deinit(&chunk);
    return all;
}

/* Node 0 is given a pack that says `count` frames; returns how many frames were bad. */
static int64_t give_pack(struct world *w, uint64_t count, sl_span frames)
{
    int64_t before = sl_shuffle_counted(SL_SHUFFLE_METRIC_MALFORMED);
    give(w,
         (sl_shuffle_head){
             .kind = SL_SHUFFLE_PACK, .index = count, .bytes = frames.size_bytes },
         frames);
    return sl_shuffle_counted(SL_SHUFFLE_METRIC_MALFORMED) - before;
}

static void pack__is_its_frames_one_after_the_other(void **state)
{
    (void)state;
    sl_bytes frames = frames_of_a_pack(false);
    struct world *w = two_open();
    assert_int_equal(give_pack(w, 3, sl_bytes_span(&frames)), 0);
    assert_int_equal(stats_of(&w->nodes[0]).received_blocks, 2);
    assert_true(atomic_load(&w->nodes[0].exchange->producers[1].ended));
    assert_int_equal(w->nodes[0].failures, 0);
    world_free(w);
    sl_bytes_deinit(&frames);
}

static void pack__that_is_not_whole_is_counted(void **state)
{
    (void)state;
    sl_bytes frames = frames_of_a_pack(false);
    struct world *w = two_open();
    assert_int_equal(give_pack(w, 2, sl_bytes_span(&frames)), 1); /* another number */
    world_free(w);
    w = two_open();
    assert_int_equal(give_pack(w, 3, sl_span_of(frames.data, frames.size_bytes - 1)), 1);
    world_free(w);
    w = two_open();
    assert_int_equal(give_pack(w, 1, (sl_span){ 0 }), 1);
    sl_blob *inner =
        frame_of((sl_shuffle_head){ .kind = SL_SHUFFLE_PACK }, (sl_span){ 0 });
    assert_int_equal(give_pack(w, 1, sl_blob_span(inner)), 1); /* a pack within a pack */
    sl_blob_unref(inner);
    world_free(w);
    sl_bytes_deinit(&frames);
}

/* The attempt fails, or as many rows come as were said: what they are is for the packet's
 * checksum to see.  Rows with a checksum of their own are what they were.  The seed is
 * printed. */
static void pack__survives_any_bytes(void **state)
{
    (void)state;
    for (uint64_t seed = 20260103; seed < 20260103 + 2000; seed++) {
        bool has_checksum = seed % 2 == 0;
        sl_bytes frames = frames_of_a_pack(has_checksum);
        struct world *w = two_open();
        w->random = seed;
        for (uint64_t flips = 1 + next_random(w) % 3; flips > 0; flips--)
            frames.data[next_random(w) % frames.size_bytes] ^=
                (uint8_t)(1u << next_random(w) % 8);
        int64_t bad = give_pack(w, 3, sl_bytes_span(&frames));
        for (bool more = true; more;) {
            sl_error err;
            sl_exchange_answer answer;
            sl_chunk *c = NULL;
            sl_code code = sl_exchange_pull(w->nodes[0].exchange, 0, &answer, &c, &err);
            assert_true(code == SL_OK || code == SL_ELOST);
            more = code == SL_OK && answer == SL_EXCHANGE_CHUNK;
            if (more && (c->selected != 3 ||
                         (has_checksum && sl_column_i64(&c->columns[0])[2] != 100000)))
                fail_msg("seed %llu: other rows", (unsigned long long)seed);
            if (has_checksum && code == SL_OK && answer == SL_EXCHANGE_BLOCKED &&
                bad == 0 && w->nodes[0].failures == 0)
                fail_msg("seed %llu: nothing was found", (unsigned long long)seed);
            bad += code == SL_ELOST;
            sl_chunk_unref(c);
        }
        world_free(w);
        sl_bytes_deinit(&frames);
    }
}

static void push__cuts_a_large_chunk_into_blocks(void **state)
{
    (void)state;
    struct world *w = world_new(2, 1, 0, false);
    sl_type const *text = sl_type_of(SL_TYPE_STRING);
    w->field.type = text;
    w->credit = 64 << 20;
    open_exchanges(w);
    sl_host_virtual_advance(w->host, 1000);
    sl_chunk_builder builder;
    sl_error err;
    assert_int_equal(sl_chunk_builder_init(&builder, &w->schema, 1000, NULL, &err),
                     SL_OK);
    char row[5000];
    memset(row, 'x', sizeof row);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(
            sl_column_builder_string(&builder.columns[0], row, sizeof row, &err), SL_OK);
    sl_chunk *c = sl_chunk_builder_finish(&builder, 1000);
    sl_chunk_builder_deinit(&builder);
    sl_exchange_answer answer;
    assert_int_equal(sl_exchange_push(w->nodes[1].exchange, 1, 0, c, &answer, &err),
                     SL_OK);
    assert_int_equal(answer, SL_EXCHANGE_TAKEN);
    assert_int_equal(sl_exchange_end(w->nodes[1].exchange, 1, 1000, 1, &err), SL_OK);
    sl_chunk_unref(c);
    sl_host_virtual_advance(w->host, 1000000);
    sl_exchange_stats s = stats_of(&w->nodes[0]);
    assert_true(s.received_blocks >= 5);
    assert_true(s.received_bytes / s.received_blocks <= SL_SHUFFLE_BLOCK_BYTES_MAX);
    uint32_t rows = 0;
    for (;;) {
        assert_int_equal(sl_exchange_pull(w->nodes[0].exchange, 0, &answer, &c, &err),
                         SL_OK);
        if (answer != SL_EXCHANGE_CHUNK)
            break;
        rows += c->selected;
        sl_chunk_unref(c);
    }
    assert_int_equal(rows, 1000);
    assert_int_equal(w->nodes[0].failures, 0);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pull__gets_every_row_once_whatever_the_link_does),
        cmocka_unit_test(pull__bounds_what_is_received_by_credit),
        cmocka_unit_test(pull__tells_credit_by_the_quarter_of_a_window),
        cmocka_unit_test(in_flight__is_what_was_sent_and_not_consumed),
        cmocka_unit_test(in_flight__of_an_attempt_that_was_given_up_is_nothing),
        cmocka_unit_test(push__spills_later_producers_of_an_ordered_target),
        cmocka_unit_test(free__still_delivers_what_was_pushed),
        cmocka_unit_test(on_peer_lost__fails_the_attempt_with_lost),
        cmocka_unit_test(on_peer__fails_what_rests_on_the_earlier_life),
        cmocka_unit_test(abort__frees_what_came_and_what_waits),
        cmocka_unit_test(on_message__drops_blocks_of_an_older_attempt),
        cmocka_unit_test(open__is_remembered_until_the_exchange_is_made),
        cmocka_unit_test(open__reaches_a_peer_that_came_back_unheard),
        cmocka_unit_test(end__of_no_rows_waits_for_a_peer_that_opens_late),
        cmocka_unit_test(end__with_other_counts_than_came_fails),
        cmocka_unit_test(block__that_skips_a_number_fails),
        cmocka_unit_test(block__of_a_damaged_chunk_fails_the_pull_with_lost),
        cmocka_unit_test(block__for_somebody_else_is_ignored),
        cmocka_unit_test(on_message__survives_any_bytes),
        cmocka_unit_test(pack__is_its_frames_one_after_the_other),
        cmocka_unit_test(pack__that_is_not_whole_is_counted),
        cmocka_unit_test(pack__survives_any_bytes),
        cmocka_unit_test(push__cuts_a_large_chunk_into_blocks),
    };
    return cmocka_run_group_tests_name("shuffle/shuffle", tests, NULL, NULL);
}
