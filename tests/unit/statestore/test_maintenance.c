/* Promises of flush, snapshot, restore and verify: over RocksDB on a real disk, and over
 * the memory store on the virtual file system with every nth call failing. */

#include "tests/unit/statestore/state_fixture.h"

#include <unistd.h>

#include "objects/segment.h"
#include "statestore/maintenance.h"

#define STEPS_MAX 64

/* A query's worker: live state, what was committed, and the places it is in. */
typedef struct world {
    sl_fs_virtual *disk; /* NULL: the real one */
    char root[64], dir[80], scratch[80];
    char segments[96];
    sl_kv_factory kv;
    sl_state_home home;
    sl_segment_writer *writer;
    sl_state_partition *p;
    sl_state_db *db;
    sl_state_step steps[STEPS_MAX];
    sl_buffer *deltas[STEPS_MAX];
    uint32_t step_count;
    sl_snapshot_place snapshot;
    char manifest[40];
    uint32_t since; /* first step after the snapshot */
    sl_buffer *full;
    /* Faults: the nth file call fails; counts down. */
    uint64_t fail_at;
    uint64_t passes[5]; /* of failpoints */
} world;

static const char *const points[5] = { "state.delta", "state.flush.begin",
                                       "state.flush.end", "state.snapshot.file",
                                       "state.snapshot.manifest" };

static void pass(void *user, const char *name)
{
    world *w = user;
    for (int i = 0; i < 5; i++)
        w->passes[i] += strcmp(points[i], name) == 0;
}

static sl_code fault(void *user, const char *operation, const char *path, sl_error *err)
{
    world *w = user;
    if (w->fail_at == 0 || --w->fail_at > 0)
        return SL_OK;
    return sl_fail(err, SL_EIO, "planted fault: %s %s", operation, path);
}

static int64_t no_time(void *user)
{
    (void)user;
    return 0;
}

static sl_state_config world_config(void)
{
    return fixture_config(NULL);
}

static void world_open(world *w, bool real)
{
    memset(w, 0, sizeof *w);
    sl_fs *fs = sl_fs_posix();
    strcpy(w->root, "/tmp/sluice-state-XXXXXX");
    if (real) {
        assert_non_null(mkdtemp(w->root));
        w->kv = sl_kv_rocksdb();
    } else {
        strcpy(w->root, "/checkpoint");
        w->disk = sl_fs_virtual_new(no_time, NULL);
        fs = sl_fs_virtual_fs(w->disk);
        w->kv = sl_kv_memory(fs);
        assert_ok(sl_fs_make_dirs(fs, w->root, ERR));
    }
    snprintf(w->dir, sizeof w->dir, "%s/local", w->root);
    snprintf(w->scratch, sizeof w->scratch, "%s/scratch", w->root);
    snprintf(w->segments, sizeof w->segments, "%s/state/segments", w->root);
    sl_state_config c = world_config();
    w->home = (sl_state_home){ .fs = fs,
                               .kv = &w->kv,
                               .checkpoint_dir = w->root,
                               .query_id = "q1",
                               .query_hash = c.query_hash,
                               .partition = c.partition,
                               .group_first = c.group_first,
                               .group_end = c.group_end,
                               .failpoints = { pass, w } };
    sl_segment_options options = { .fs = fs,
                                   .dir = w->segments,
                                   .writer_id = "w1",
                                   .query_id = "q1",
                                   .preallocate_bytes = 4096 };
    assert_ok(sl_segment_writer_new(&options, &w->writer, ERR));
    w->p = fixture_new(NULL);
    assert_ok(sl_state_db_new(&w->home, w->dir, 0, &w->db, ERR));
    if (w->disk)
        sl_fs_virtual_set_faults(w->disk, (sl_fs_faults){ fault, w });
}

static void world_close(world *w)
{
    sl_state_partition_free(w->p);
    sl_state_db_free(w->db);
    sl_segment_writer_free(w->writer);
    for (uint32_t i = 0; i < w->step_count; i++)
        sl_buffer_unref(w->deltas[i]);
    sl_buffer_unref(w->full);
    if (w->disk)
        sl_fs_virtual_free(w->disk);
    else
        assert_ok(sl_fs_remove_tree(w->home.fs, w->root, ERR));
}

/* Commit the open batch; odd deltas go to the segment. */
static void world_commit(world *w)
{
    sl_state_prepared made = prepare(w->p);
    sl_state_step *s = &w->steps[w->step_count];
    *s = (sl_state_step){ .version = made.version };
    w->deltas[w->step_count++] = made.delta;
    if (made.delta) {
        sl_span bytes = sl_span_of(made.delta->data, made.delta->size_bytes);
        s->delta = (sl_delta_place){ .kind = SL_DELTA_INLINE, .bytes = bytes };
        if (made.version.batch % 2 == 1) {
            s->delta.kind = SL_DELTA_SEGMENT;
            assert_ok(sl_segment_append(w->writer, made.version.batch, bytes,
                                        &s->delta.segment, ERR));
            assert_ok(sl_segment_sync(w->writer, ERR));
        }
    }
    assert_ok(sl_state_commit(w->p, made.version, ERR));
}

/* A batch that changes, removes and adds some. */
static void world_batch(world *w, uint64_t seed)
{
    int64_t batch = sl_state_version_of(w->p).batch + 1;
    begin(w->p, batch);
    for (uint64_t i = 0; i < 30; i++) {
        uint64_t number = fixture_random(&seed) % 50;
        char text[24];
        snprintf(text, sizeof text, "text %" PRIu64, fixture_random(&seed) % 1000);
        put_one(w->p, (int64_t)(number % 7), number, i, i % 3 == 0 ? text : NULL);
    }
    for (int i = 0; i < 5; i++) {
        uint64_t number = fixture_random(&seed) % 50;
        if (find_one(w->p, (int64_t)(number % 7), number) != SL_ENTRY_NONE)
            remove_one(w->p, (int64_t)(number % 7), number);
    }
    key_list *k = malloc(sizeof *k);
    uint8_t *slot;
    keys_clear(k);
    keys_add(k, 1, fixture_random(&seed) % 9);
    sl_state_table *t = sl_state_table_of(w->p, 2);
    assert_ok(sl_state_upsert_many(t, &k->batch, NULL, &slot, NULL, ERR));
    (*(uint64_t *)(void *)slot)++;
    free(k);
    world_commit(w);
}

static sl_state_recipe world_recipe(world *w)
{
    sl_state_recipe r = { .version = sl_state_version_of(w->p),
                          .snapshot = w->snapshot,
                          .steps = w->steps + w->since,
                          .step_count = w->step_count - w->since };
    if (w->full)
        r.full =
            (sl_delta_place){ .kind = SL_DELTA_INLINE,
                              .bytes = sl_span_of(w->full->data, w->full->size_bytes) };
    return r;
}

static sl_code world_snapshot_try(world *w, const char *name)
{
    sl_state_recipe r = world_recipe(w);
    SL_TRY(sl_state_flush(w->db, &r, ERR));
    uint64_t bytes = 0;
    sl_snapshot_place place = { 0 };
    SL_TRY(sl_state_db_snapshot(w->db, name, &place, &bytes, ERR));
    assert_true(bytes > 0);
    snprintf(w->manifest, sizeof w->manifest, "%s", name);
    w->snapshot = place;
    w->snapshot.manifest = w->manifest;
    w->since = w->step_count;
    return SL_OK;
}

static sl_state_partition *restored(world *w, sl_state_db *db)
{
    sl_state_config c = world_config();
    sl_state_recipe r = world_recipe(w);
    sl_state_partition *q = NULL;
    assert_ok(sl_state_restore(&c, &w->home, db, w->scratch, &r, &q, ERR));
    return q;
}

static void assert_same(world *w, sl_state_partition *q)
{
    assert_int_equal(sl_state_version_of(q).id, sl_state_version_of(w->p).id);
    assert_int_equal(sl_state_version_of(q).batch, sl_state_version_of(w->p).batch);
    assert_int_equal(content_of(q), content_of(w->p));
    sl_state_figures a, b;
    sl_state_figures_get(w->p, &a);
    sl_state_figures_get(q, &b);
    assert_int_equal(a.row_count, b.row_count);
    assert_int_equal(a.row_bytes, b.row_bytes);
    assert_int_equal(a.row_sum, b.row_sum);
    assert_int_equal(sl_state_first_end(sl_state_table_of(q, 1)),
                     sl_state_first_end(sl_state_table_of(w->p, 1)));
}

static void assert_restores(world *w, sl_state_db *db)
{
    sl_state_partition *q = restored(w, db);
    assert_same(w, q);
    /* The restored one goes on as the live one does. */
    begin(q, 1000);
    put_one(q, 3, 4711, 1, "next");
    sl_state_prepared made = prepare(q);
    begin(w->p, 1000);
    put_one(w->p, 3, 4711, 1, "next");
    sl_state_prepared live = prepare(w->p);
    sl_state_abort(w->p);
    assert_int_equal(made.version.id, live.version.id);
    sl_buffer_unref(made.delta);
    sl_buffer_unref(live.delta);
    sl_state_partition_free(q);
}

/* ---- restore ---- */

static void with_worlds(void (*fn)(world *w))
{
    for (int real = 0; real < 2; real++) {
        world *w = malloc(sizeof *w);
        world_open(w, real == 1);
        fn(w);
        world_close(w);
        free(w);
    }
}

static void deltas_alone(world *w)
{
    assert_restores(w, NULL); /* the empty state */
    for (uint64_t i = 0; i < 7; i++)
        world_batch(w, i);
    begin(w->p, 7); /* an empty batch: no delta */
    world_commit(w);
    world_batch(w, 8);
    assert_ok(sl_state_skip_to(w->p, 20, ERR));
    assert_restores(w, NULL);
    assert_true(w->passes[0] > 7);
}

static void restore__deltas_alone_make_the_same_state(void **state)
{
    (void)state;
    with_worlds(deltas_alone);
}

static void snapshot_and_deltas(world *w)
{
    for (uint64_t i = 0; i < 5; i++)
        world_batch(w, i);
    assert_ok(world_snapshot_try(w, "a.man"));
    assert_restores(w, NULL);
    for (uint64_t i = 5; i < 9; i++)
        world_batch(w, i);
    assert_restores(w, NULL);
    assert_ok(world_snapshot_try(w, "b.man"));
    assert_restores(w, NULL);
    world_batch(w, 10);
    assert_restores(w, NULL);
    for (int i = 0; i < 5; i++)
        assert_true(w->passes[i] > 0);
}

static void restore__a_snapshot_and_the_deltas_after_it_make_the_same_state(void **state)
{
    (void)state;
    with_worlds(snapshot_and_deltas);
}

static void local_reuse(world *w)
{
    for (uint64_t i = 0; i < 5; i++)
        world_batch(w, i);
    assert_ok(world_snapshot_try(w, "a.man"));
    for (uint64_t i = 5; i < 8; i++)
        world_batch(w, i);
    sl_state_recipe r = world_recipe(w);
    assert_ok(sl_state_flush(w->db, &r, ERR));
    world_batch(w, 9);
    char sst[96];
    snprintf(sst, sizeof sst, "%s/sst", w->root);
    assert_ok(sl_fs_remove_tree(w->home.fs, sst, ERR)); /* the local copy must do */
    sl_state_db_free(w->db);
    assert_ok(sl_state_db_new(&w->home, w->dir, 0, &w->db, ERR));
    assert_restores(w, w->db);
}

static void restore__reads_a_local_database_on_the_way(void **state)
{
    (void)state;
    with_worlds(local_reuse);
}

static void restore__drops_a_local_database_of_another_past(void **state)
{
    (void)state;
    world *w = malloc(sizeof *w);
    for (int real = 0; real < 2; real++) {
        world_open(w, real == 1);
        for (uint64_t i = 0; i < 5; i++)
            world_batch(w, i);
        assert_ok(world_snapshot_try(w, "a.man"));
        sl_state_partition *old = restored(w, NULL);
        world_batch(w, 5);
        sl_state_recipe lost = world_recipe(w);
        assert_ok(sl_state_flush(w->db, &lost, ERR));
        sl_buffer_unref(w->deltas[--w->step_count]); /* that commit never was */
        sl_state_partition_free(w->p);
        w->p = old;
        world_batch(w, 6);
        assert_restores(w, w->db);
        sl_state_recipe r = world_recipe(w);
        assert_ok(sl_state_flush(w->db, &r, ERR));
        sl_state_version v;
        assert_ok(sl_state_db_version(w->db, &v, ERR));
        assert_int_equal(v.id, sl_state_version_of(w->p).id);
        assert_ok(world_snapshot_try(w, "b.man"));
        assert_restores(w, NULL);
        world_close(w);
    }
    free(w);
}

static void full_delta(world *w)
{
    for (uint64_t i = 0; i < 3; i++)
        world_batch(w, i);
    uint64_t hash;
    assert_ok(sl_state_full_delta(w->p, &w->full, &hash, ERR));
    w->snapshot = (sl_snapshot_place){ .kind = SL_SNAPSHOT_FULL,
                                       .batch = sl_state_version_of(w->p).batch,
                                       .state_id = sl_state_version_of(w->p).id };
    w->since = w->step_count;
    assert_restores(w, NULL);
    world_batch(w, 4);
    assert_restores(w, NULL);
    assert_ok(world_snapshot_try(w, "a.man"));
    world_batch(w, 5);
    assert_restores(w, NULL);
}

static void restore__a_full_delta_stands_for_a_snapshot(void **state)
{
    (void)state;
    with_worlds(full_delta);
}

/* ---- damage ---- */

static sl_code restore_code(world *w, const sl_state_recipe *r)
{
    sl_state_config c = world_config();
    sl_state_partition *q = NULL;
    memset(&fixture_error, 0, sizeof fixture_error);
    sl_code code = sl_state_restore(&c, &w->home, NULL, w->scratch, r, &q, ERR);
    if (code != SL_OK)
        assert_null(q);
    sl_state_partition_free(q);
    return code;
}

static void restore__refuses_a_broken_chain_and_names_the_batch(void **state)
{
    (void)state;
    world *w = malloc(sizeof *w);
    world_open(w, false);
    for (uint64_t i = 0; i < 6; i++)
        world_batch(w, i);
    sl_state_recipe r = world_recipe(w);
    sl_state_step steps[STEPS_MAX];
    memcpy(steps, w->steps, sizeof steps);
    /* batch 2 is missing */
    memmove(steps + 2, steps + 3, 3 * sizeof *steps);
    r.steps = steps;
    r.step_count = 5;
    assert_int_equal(restore_code(w, &r), SL_ECORRUPT);
    assert_non_null(strstr(fixture_error.text, "batch 3"));
    assert_non_null(strstr(fixture_error.text, "segment"));
    /* the last is missing */
    r.steps = w->steps;
    assert_int_equal(restore_code(w, &r), SL_ECORRUPT);
    assert_non_null(strstr(fixture_error.text, "end at batch 4"));
    /* of another query */
    r = world_recipe(w);
    sl_state_config c = world_config();
    c.query_hash++;
    sl_state_home home = w->home;
    home.query_hash++;
    sl_state_partition *q;
    assert_int_equal(sl_state_restore(&c, &home, NULL, w->scratch, &r, &q, ERR),
                     SL_EINCOMPATIBLE);
    /* of another operator */
    c = world_config();
    c.operator_count = 1;
    assert_int_equal(sl_state_restore(&c, &w->home, NULL, w->scratch, &r, &q, ERR),
                     SL_EINCOMPATIBLE);
    assert_non_null(strstr(fixture_error.text, "operator 2"));
    world_close(w);
    free(w);
}

static void reseal(uint8_t *data, size_t size)
{
    uint64_t body =
        sl_hash64(data + SL_STATE_DELTA_HEADER_BYTES, size - SL_STATE_DELTA_HEADER_BYTES);
    memcpy(data + 104, &body, 8);
    uint64_t head = sl_hash64(data, 112);
    memcpy(data + 112, &head, 8);
}

static void restore__hostile_deltas_are_refused_never_believed(void **state)
{
    (void)state;
    world *w = malloc(sizeof *w);
    world_open(w, false);
    world_batch(w, 0);
    world_batch(w, 1);
    world_batch(w, 2);
    sl_buffer *delta = w->deltas[2];
    size_t size = delta->size_bytes;
    uint64_t seed = 99, accepted = 0;
    for (int round = 0; round < 3000; round++) {
        uint8_t *copy = malloc(size);
        memcpy(copy, delta->data, size);
        size_t at = 12 + fixture_random(&seed) % (size - 12);
        copy[at] ^= (uint8_t)(1 + fixture_random(&seed) % 255);
        reseal(copy, size);
        w->steps[2].delta.bytes = sl_span_of(copy, size);
        sl_state_recipe r = world_recipe(w);
        sl_state_home home = w->home;
        sl_error e;
        bool unread = at >= 88 && at < 96; /* row_bytes after: for budgets only */
        unread |= at >= 104 && at < 120;
        accepted += restore_code(w, &r) == SL_OK && !unread;
        if (round % 10 == 0)
            (void)!sl_state_verify(&home, w->scratch, &r, NULL, NULL, &e);
        free(copy);
    }
    assert_int_equal(accepted, 0);
    w->steps[2].delta.bytes = sl_span_of(delta->data, size);
    assert_restores(w, NULL);
    world_close(w);
    free(w);
}

static void restore__the_running_sum_is_compared_unless_switched_off(void **state)
{
    (void)state;
    world *w = malloc(sizeof *w);
    world_open(w, false);
    world_batch(w, 0);
    w->deltas[0]->data[96] ^= 1;
    reseal(w->deltas[0]->data, w->deltas[0]->size_bytes);
    sl_state_recipe r = world_recipe(w);
    assert_int_equal(restore_code(w, &r), SL_ECORRUPT);
    assert_non_null(strstr(fixture_error.text, "sum"));
    sl_state_config c = world_config();
    c.skip_sum_check = true;
    sl_state_partition *q = NULL;
    assert_ok(sl_state_restore(&c, &w->home, NULL, w->scratch, &r, &q, ERR));
    sl_state_partition_free(q);
    world_close(w);
    free(w);
}

/* Flip one bit in the middle of the largest file of a directory. */
static void damage(world *w, const char *dir)
{
    sl_dir_entry *entries;
    size_t count, best = 0;
    assert_ok(sl_fs_list(w->home.fs, dir, &entries, &count, ERR));
    int64_t best_size = -1;
    for (size_t i = 0; i < count; i++)
        if (strstr(entries[i].name, ".sst") && entries[i].info.size_bytes > best_size) {
            best_size = entries[i].info.size_bytes;
            best = i;
        }
    assert_true(best_size > 0);
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, entries[best].name);
    sl_file *f;
    assert_ok(sl_fs_open(w->home.fs, path, SL_OPEN_WRITE, &f, ERR));
    uint8_t byte = 0x5a;
    assert_ok(sl_file_write_at(f, best_size / 3, &byte, 1, ERR));
    sl_file_close(f);
    sl_fs_entries_free(entries, count);
}

/* rel:L7, L8: a checkpoint of a damaged database succeeds; the scan finds it. */
static void snapshot__the_scan_finds_a_damaged_table_and_the_next_try_heals(void **state)
{
    (void)state;
    world *w = malloc(sizeof *w);
    world_open(w, true);
    for (uint64_t i = 0; i < 8; i++)
        world_batch(w, i);
    sl_state_recipe r = world_recipe(w);
    assert_ok(sl_state_flush(w->db, &r, ERR));
    sl_state_db_free(w->db);
    damage(w, w->dir);
    assert_ok(sl_state_db_new(&w->home, w->dir, 0, &w->db, ERR));
    sl_snapshot_place place = { 0 };
    uint64_t bytes = 0;
    sl_code code = sl_state_db_snapshot(w->db, "x.man", &place, &bytes, ERR);
    assert_true(code != SL_OK);
    assert_int_equal(place.kind, SL_SNAPSHOT_NONE);
    if (code != SL_ECORRUPT)
        assert_ok(sl_state_db_drop(w->db, ERR));
    assert_ok(world_snapshot_try(w, "y.man"));
    assert_restores(w, NULL);
    world_close(w);
    free(w);
}

static void verify__agrees_with_the_live_figures_and_finds_a_damaged_table(void **state)
{
    (void)state;
    world *w = malloc(sizeof *w);
    world_open(w, true);
    for (uint64_t i = 0; i < 6; i++)
        world_batch(w, i);
    assert_ok(world_snapshot_try(w, "a.man"));
    world_batch(w, 7);
    sl_state_recipe r = world_recipe(w);
    sl_state_figures live, found;
    sl_state_figures_get(w->p, &live);
    assert_ok(sl_state_verify(&w->home, w->scratch, &r, NULL, &found, ERR));
    assert_int_equal(live.row_count, found.row_count);
    assert_int_equal(live.row_bytes, found.row_bytes);
    assert_int_equal(live.row_sum, found.row_sum);
    char sst[96];
    snprintf(sst, sizeof sst, "%s/sst", w->root);
    damage(w, sst);
    assert_int_equal(sl_state_verify(&w->home, w->scratch, &r, NULL, &found, ERR),
                     SL_ECORRUPT);
    assert_non_null(strstr(fixture_error.text, "a.man"));
    assert_int_equal(restore_code(w, &r), SL_ECORRUPT);
    world_close(w);
    free(w);
}

/* ---- faults: the old or the new, never a mix ---- */

static void flush_and_snapshot__any_failing_file_call_leaves_old_or_new(void **state)
{
    (void)state;
    bool swept = false;
    for (uint64_t nth = 1; !swept; nth++) {
        world *w = malloc(sizeof *w);
        world_open(w, false);
        for (uint64_t i = 0; i < 4; i++)
            world_batch(w, i);
        assert_ok(world_snapshot_try(w, "a.man"));
        for (uint64_t i = 4; i < 8; i++)
            world_batch(w, i);
        w->fail_at = nth;
        sl_code code = world_snapshot_try(w, "b.man");
        swept = w->fail_at > 0;
        w->fail_at = 0;
        if (code != SL_OK)
            assert_int_equal(w->snapshot.batch, 3);
        assert_restores(w, NULL);
        if (code != SL_OK)
            assert_ok(world_snapshot_try(w, "c.man"));
        assert_restores(w, w->db);
        assert_restores(w, NULL);
        world_close(w);
        free(w);
    }
}

static uint64_t crash_random(void *user)
{
    return fixture_random(user);
}

/* Power fails at any file call of a flush and snapshot. */
static void flush_and_snapshot__any_power_cut_leaves_old_or_new(void **state)
{
    (void)state;
    bool swept = false;
    for (uint64_t nth = 1; !swept; nth++) {
        world *w = malloc(sizeof *w);
        world_open(w, false);
        for (uint64_t i = 0; i < 4; i++)
            world_batch(w, i);
        assert_ok(world_snapshot_try(w, "a.man"));
        for (uint64_t i = 4; i < 8; i++)
            world_batch(w, i);
        w->fail_at = nth;
        sl_code code = world_snapshot_try(w, "b.man");
        swept = w->fail_at > 0;
        w->fail_at = 0;
        uint64_t seed = nth;
        sl_fs_virtual_crash(w->disk, crash_random, &seed);
        sl_state_db_free(w->db);
        assert_ok(sl_state_db_new(&w->home, w->dir, 0, &w->db, ERR));
        (void)code;
        assert_restores(w, w->db);
        assert_ok(world_snapshot_try(w, "c.man"));
        assert_restores(w, NULL);
        world_close(w);
        free(w);
    }
}

static void
restore__any_failing_file_call_or_allocation_is_an_error_and_a_retry_works(void **state)
{
    (void)state;
    world *w = malloc(sizeof *w);
    world_open(w, false);
    for (uint64_t i = 0; i < 4; i++)
        world_batch(w, i);
    assert_ok(world_snapshot_try(w, "a.man"));
    world_batch(w, 5);
    world_batch(w, 6);
    sl_state_recipe r = world_recipe(w);
    uint64_t failed = 0;
    for (uint64_t nth = 1;; nth++) {
        w->fail_at = nth;
        sl_code code = restore_code(w, &r);
        bool swept = w->fail_at > 0;
        w->fail_at = 0;
        failed += code != SL_OK;
        assert_restores(w, NULL);
        if (swept)
            break;
    }
    assert_true(failed > 3);
    for (uint64_t nth = 1;; nth++) {
        sl_alloc_fail_after(nth);
        sl_code code = restore_code(w, &r);
        sl_alloc_fail_after(0);
        if (code == SL_OK)
            break;
        assert_int_equal(code, SL_ENOMEM);
    }
    assert_restores(w, NULL);
    world_close(w);
    free(w);
}

/* ---- the cost rule ---- */

static void snapshot_due__follows_the_cost_rule(void **state)
{
    (void)state;
    const uint64_t mib = 1 << 20;
    const struct {
        sl_state_snapshot_facts facts;
        sl_snapshot_kind due;
    } cases[] = {
        { { 0, 0, 0 }, SL_SNAPSHOT_NONE },
        { { 8 * mib, 999, mib }, SL_SNAPSHOT_NONE },
        { { 8 * mib + 1, 1, mib }, SL_SNAPSHOT_MANIFEST },
        { { 8 * mib + 1, 1, 1000 }, SL_SNAPSHOT_FULL },
        { { 40 * mib, 1, 10 * mib }, SL_SNAPSHOT_NONE },
        { { 40 * mib + 1, 1, 10 * mib }, SL_SNAPSHOT_MANIFEST },
        { { 10, 1000, 10 * mib }, SL_SNAPSHOT_MANIFEST },
        { { 10, 1000, 60000 }, SL_SNAPSHOT_FULL },
        { { 10, 1000, 65536 }, SL_SNAPSHOT_MANIFEST },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(sl_state_snapshot_due(&sl_state_snapshot_usual, &cases[i].facts),
                         cases[i].due);
}

static void random_walk__restores_equal_the_live_state_at_every_turn(void **state)
{
    (void)state;
    for (uint64_t walk = 1; walk <= 6; walk++) {
        uint64_t seed = walk * 104729;
        print_message("seed %" PRIu64 "\n", seed);
        world *w = malloc(sizeof *w);
        world_open(w, walk % 3 == 0);
        for (int turn = 0; turn < 30; turn++) {
            world_batch(w, fixture_random(&seed));
            char name[24];
            snprintf(name, sizeof name, "%d.man", turn);
            uint64_t what = fixture_random(&seed) % 6;
            sl_state_recipe r = world_recipe(w);
            if (what == 0)
                assert_ok(world_snapshot_try(w, name));
            else if (what == 1)
                assert_ok(sl_state_flush(w->db, &r, ERR));
            else if (what == 2)
                assert_restores(w, w->db);
            else if (what == 3)
                assert_restores(w, NULL);
            else if (what == 4)
                assert_ok(sl_state_db_drop(w->db, ERR));
        }
        assert_restores(w, NULL);
        world_close(w);
        free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restore__deltas_alone_make_the_same_state),
        cmocka_unit_test(restore__a_snapshot_and_the_deltas_after_it_make_the_same_state),
        cmocka_unit_test(restore__reads_a_local_database_on_the_way),
        cmocka_unit_test(restore__drops_a_local_database_of_another_past),
        cmocka_unit_test(restore__a_full_delta_stands_for_a_snapshot),
        cmocka_unit_test(restore__refuses_a_broken_chain_and_names_the_batch),
        cmocka_unit_test(restore__hostile_deltas_are_refused_never_believed),
        cmocka_unit_test(restore__the_running_sum_is_compared_unless_switched_off),
        cmocka_unit_test(snapshot__the_scan_finds_a_damaged_table_and_the_next_try_heals),
        cmocka_unit_test(verify__agrees_with_the_live_figures_and_finds_a_damaged_table),
        cmocka_unit_test(flush_and_snapshot__any_failing_file_call_leaves_old_or_new),
        cmocka_unit_test(flush_and_snapshot__any_power_cut_leaves_old_or_new),
        cmocka_unit_test(
            restore__any_failing_file_call_or_allocation_is_an_error_and_a_retry_works),
        cmocka_unit_test(snapshot_due__follows_the_cost_rule),
        cmocka_unit_test(random_walk__restores_equal_the_live_state_at_every_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
