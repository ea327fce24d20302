/* shuffle_world.h - exchanges of two and three processes, joined by channels over an
 * in-process link that is good or loses, repeats, delays and reorders; in virtual time,
 * every schedule from a seed.  Producers and targets run again only when they are woken,
 * so a lost wake-up is a hang. */

#ifndef SL_TESTS_SHUFFLE_WORLD_H
#define SL_TESTS_SHUFFLE_WORLD_H

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
    uint32_t heard[SL_SHUFFLE_ASK + 1]; /* frames, by kind */
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

static inline uint64_t next_random(struct world *w)
{
    uint64_t z = (w->random += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static inline int64_t no_time(void *user)
{
    (void)user;
    return 0;
}

static inline uint32_t faulty(void *user, const char *from, const char *to,
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

static inline void on_message(void *user, const char *from, uint64_t incarnation,
                              sl_blob *frame)
{
    struct node *n = (struct node *)user;
    sl_shuffle_head h;
    if (sl_shuffle__read_head(sl_blob_span(frame), &h, NULL) == SL_OK)
        n->heard[h.kind]++;
    assert_true(sl_shuffle_on_message(n->shuffle, from, incarnation, frame));
}

static inline void on_peer(void *user, const char *from, uint64_t incarnation)
{
    sl_shuffle_on_peer(((struct node *)user)->shuffle, from, incarnation);
}

static inline void on_room(void *user, const char *to)
{
    sl_shuffle_on_room(((struct node *)user)->shuffle, to);
}

static inline void on_failed(void *user, const sl_error *error)
{
    struct node *n = (struct node *)user;
    n->failures++;
    n->failure = *error;
}

static inline void wake_target(void *user, uint32_t target)
{
    ((struct node *)user)->target_runs[target] = true;
}

static inline void wake_producer(void *user, uint32_t producer)
{
    ((struct node *)user)->producer_runs[producer] = true;
}

static inline void node_open(struct world *w, uint32_t i, bool spills)
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

static inline struct world *world_new(uint32_t workers, uint64_t seed,
                                      uint32_t loss_percent, bool spills)
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

/* All know each other, as after a batch. */
static inline void greet_all(struct world *w)
{
    for (uint32_t i = 0; i < w->workers; i++)
        for (uint32_t k = 0; k < w->workers; k++)
            if (k != i)
                assert_int_equal(
                    sl_channel_greet(w->nodes[i].channel, w->nodes[k].address, NULL),
                    SL_OK);
    sl_host_virtual_advance(w->host, 3000000);
}

static inline void node_close(struct node *n)
{
    sl_exchange_free(n->exchange);
    sl_shuffle_free(n->shuffle);
    sl_channel_free(n->channel);
    n->exchange = NULL;
    n->shuffle = NULL;
    n->channel = NULL;
    n->gone = true;
}

static inline void world_free(struct world *w)
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
static inline void exchange_open(struct world *w, uint32_t i, uint32_t attempt)
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

static inline void open_exchanges(struct world *w)
{
    for (uint32_t i = 0; i < w->workers; i++)
        exchange_open(w, i, 1);
}

/* ---- work ---- */

/* The bits of a number as a double: those are written plainly, 8 bytes a row. */
static inline sl_chunk *make_chunk(int64_t value, uint32_t rows)
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
static inline uint32_t target_of(uint32_t p, uint32_t k)
{
    return (k + p) % TARGETS;
}

static inline uint32_t rows_in(const struct world *w, uint32_t p, uint32_t k)
{
    return 1 + (p * 7919u + k * 104729u) % w->rows;
}

static inline sl_code run_producer(struct world *w, uint32_t p, sl_error *err)
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
    if (code == SL_OK && answer == SL_EXCHANGE_TAKEN) {
        w->rows_of[p] += c->selected;
        w->pushed[p]++;
        n->producer_runs[p] = true;
    }
    sl_chunk_unref(c);
    return code;
}

static inline sl_code run_target(struct world *w, uint32_t t, sl_error *err)
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

static inline bool is_done(const struct world *w)
{
    for (uint32_t t = 0; t < TARGETS; t++)
        if (!w->at_end[t])
            return false;
    return true;
}

/* One random thing: a push, a pull, or an event. */
static inline sl_code run_step(struct world *w, sl_error *err)
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
static inline void describe(const struct world *w)
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

static inline void run_to_end(struct world *w)
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

static inline int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Each target has got each of its chunks once; in order where that was asked. */
static inline void check_rows(struct world *w)
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

static inline sl_exchange_stats stats_of(const struct node *n)
{
    sl_exchange_stats s;
    sl_exchange_stats_get(n->exchange, &s);
    return s;
}

/* ---- frames by hand ---- */

static inline sl_blob *frame_of(sl_shuffle_head h, sl_span payload)
{
    sl_bytes b = { 0 };
    uint8_t head[SL_SHUFFLE_HEAD_BYTES];
    h.id = (sl_shuffle_id){ .run = 42, .epoch = 1, .batch = 7, .attempt = 1, .stage = 1 };
    sl_shuffle__write_head(&h, head);
    sl_bytes_append(&b, head, sizeof head);
    sl_bytes_append(&b, payload.data, payload.size_bytes);
    return sl_blob_take(&b);
}

static inline void give(struct world *w, sl_shuffle_head h, sl_span payload)
{
    sl_blob *b = frame_of(h, payload);
    assert_true(sl_shuffle_on_message(w->nodes[0].shuffle, "w1", 101, b));
    sl_blob_unref(b);
    sl_host_virtual_advance(w->host, 1000);
}

/* As they are sent, or with a checksum of their own. */
static inline sl_bytes chunk_bytes_of(bool has_checksum)
{
    sl_bytes b = { 0 };
    sl_chunk *c = make_chunk(100000, 3);
    (has_checksum ? sl_chunk_write : sl_chunk_write_enveloped)(c, &b);
    sl_chunk_unref(c);
    return b;
}

static inline sl_bytes chunk_bytes(void)
{
    return chunk_bytes_of(false);
}

/* Producer 1's, for target 0. */
static inline void give_block(struct world *w, uint64_t index, const sl_bytes *chunk)
{
    give(w,
         (sl_shuffle_head){ .kind = SL_SHUFFLE_BLOCK,
                            .producer = 1,
                            .index = index,
                            .rows = 3,
                            .bytes = chunk->size_bytes },
         sl_bytes_span(chunk));
}

#endif /* SL_TESTS_SHUFFLE_WORLD_H */
