/* State partitions of a query on this worker: opening (from memory, empty, or by a
 * recipe), and what happens to them between batches: the list of places their deltas went
 * to, flush and snapshot. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"
#include "worker/worker_private.h"

#define OPERATORS_MAX 64u

void sl_wpartition__init(sl_wpartition *p, uint32_t number)
{
    *p = (sl_wpartition){ .number = number,
                          .executor = -1,
                          .version = SL_STATE_VERSION_EMPTY };
    p->recipe_known = true; /* the empty state needs nothing */
}

static void forget_steps(sl_wpartition *p, uint32_t count)
{
    if (count == 0)
        return;
    for (uint32_t i = 0; i < count; i++)
        sl_bytes_deinit(&p->steps[i].bytes);
    memmove(p->steps, p->steps + count, (p->step_count - count) * sizeof *p->steps);
    p->step_count -= count;
}

static void maintenance_free(struct sl_maintenance *m);

void sl_wpartition__deinit(sl_wpartition *p)
{
    if (p->steps != NULL)
        forget_steps(p, p->step_count);
    sl_free(p->steps);
    maintenance_free(p->maintenance); /* its done() was dropped with the worker */
    sl_bytes_deinit(&p->full);
    sl_state_partition_free(p->state);
    sl_state_db_free(p->db);
}

void sl_wpartition__drop(sl_wpartition *p)
{
    if (p->maintenance != NULL || p->executor < 0)
        return;
    uint32_t number = p->number;
    sl_wpartition__deinit(p);
    sl_wpartition__init(p, number);
    p->recipe_known = false; /* if it comes back, it comes with a recipe */
}

/* ---- the list of steps ---- */

static void add_step(sl_wpartition *p, const sl_msg_delta *d)
{
    if (p->step_count == p->step_capacity) {
        p->step_capacity = p->step_capacity == 0 ? 16 : p->step_capacity * 2;
        p->steps = (sl_wstep *)sl_realloc(p->steps, p->step_capacity * sizeof *p->steps);
    }
    sl_wstep *s = &p->steps[p->step_count++];
    *s = (sl_wstep){ .step.version = { d->batch, d->state_id } };
    uint64_t bytes = d->inline_bytes.size_bytes;
    if (bytes != 0) {
        sl_bytes_append(&s->bytes, d->inline_bytes.data, d->inline_bytes.size_bytes);
        s->step.delta.kind = SL_DELTA_INLINE;
    } else {
        s->step.delta.kind = SL_DELTA_SEGMENT;
        snprintf(s->step.delta.segment.name, sizeof s->step.delta.segment.name, "%s",
                 d->segment);
        s->step.delta.segment.offset = d->offset;
        s->step.delta.segment.length_bytes = bytes = d->length_bytes;
        s->step.delta.segment.hash = d->hash;
    }
    p->facts.delta_bytes_since += bytes;
    p->facts.batches_since++;
}

static void set_snapshot(sl_wpartition *p, const sl_snapshot_place *place)
{
    p->snapshot = *place;
    snprintf(p->snapshot_name, sizeof p->snapshot_name, "%s",
             place->manifest != NULL ? place->manifest : "");
    p->snapshot.manifest = p->snapshot_name;
}

static void count_since(sl_wpartition *p)
{
    p->facts.delta_bytes_since = 0;
    p->facts.batches_since = p->step_count;
    for (uint32_t i = 0; i < p->step_count; i++)
        p->facts.delta_bytes_since += p->steps[i].step.delta.kind == SL_DELTA_INLINE
                                          ? p->steps[i].bytes.size_bytes
                                          : p->steps[i].step.delta.segment.length_bytes;
}

void sl_wpartition__learn(sl_wquery *q, const sl_msg_partition *m)
{
    if (m->partition >= q->partition_count)
        return; /* the attempt refuses it */
    sl_wpartition *p = &q->partitions[m->partition];
    if (p->maintenance != NULL)
        return; /* its steps are being read; the state itself is restored all the same */
    forget_steps(p, p->step_count);
    sl_bytes_clear(&p->full);
    sl_snapshot_place place = { .kind = (sl_snapshot_kind)m->snapshot_kind,
                                .batch = m->snapshot_batch,
                                .state_id = m->snapshot_id,
                                .manifest = m->snapshot,
                                .hash = m->snapshot_hash,
                                .size_bytes = m->snapshot_bytes };
    set_snapshot(p, &place);
    if (place.kind == SL_SNAPSHOT_FULL)
        sl_bytes_append(&p->full, m->full_delta.data, m->full_delta.size_bytes);
    for (uint32_t i = 0; i < m->delta_count; i++)
        add_step(p, &m->deltas[i]);
    count_since(p);
    p->version = (sl_state_version){ m->base_batch, m->base_state_id };
    p->recipe_known = true;
}

/* ---- opening: on the owner's lane ---- */

static uint32_t group_begin(uint32_t partition, uint32_t partitions)
{
    /* The least group g with g * partitions / SL_KEY_GROUPS >= partition (row_key.h). */
    return (uint32_t)(((uint64_t)partition * SL_KEY_GROUPS + partitions - 1) /
                      partitions);
}

void sl_wpartition__config(const sl_wquery *q, uint32_t number,
                           sl_state_operator *operators, sl_state_config *ret)
{
    const sl_physical_plan *plan = q->plan;
    for (uint32_t i = 0; i < plan->state_op_count; i++) {
        const sl_state_op_plan *s = &plan->state_ops[i];
        operators[i] = (sl_state_operator){
            .operator_id = s->id,
            .value_width = s->slot_width,
            .blob_offsets = s->blob_offsets,
            .blob_count = s->blob_count,
            .time_kind = s->has_time ? SL_STATE_TIME_AT : SL_STATE_TIME_NONE,
            .window_us = s->window_us,
        };
        snprintf(operators[i].name, sizeof operators[i].name, "%s", s->name);
    }
    *ret = (sl_state_config){ .query_hash = q->query_hash,
                              .partition = number,
                              .group_first = group_begin(number, q->partition_count),
                              .group_end = group_begin(number + 1, q->partition_count),
                              .operators = operators,
                              .operator_count = plan->state_op_count,
                              .budget = (sl_budget *)(uintptr_t)&q->budget };
    bool single = false;
    for (uint32_t i = 0; i < plan->state_op_count; i++)
        single = single || plan->state_ops[i].single_partition;
    if (single && number == 0) { /* keys of a global operator have any key group */
        ret->group_first = 0;
        ret->group_end = SL_KEY_GROUPS;
    }
}

static void pass_failpoint(void *user, const char *name)
{
    sl_host_failpoint((sl_host *)user, name);
}

static sl_state_home home_of(const sl_wquery *q, uint32_t number)
{
    sl_state_operator operators[OPERATORS_MAX];
    sl_state_config config;
    sl_wpartition__config(q, number, operators, &config);
    return (sl_state_home){
        .fs = q->worker->host->fs,
        .kv = q->worker->config.kv,
        .checkpoint_dir = q->checkpoint,
        .query_id = q->query_id,
        .query_hash = q->query_hash,
        .partition = number,
        .group_first = config.group_first,
        .group_end = config.group_end,
        .failpoints = { pass_failpoint, q->worker->host },
    };
}

static void step_from(const sl_msg_delta *d, sl_state_step *ret)
{
    *ret = (sl_state_step){ .version = { d->batch, d->state_id } };
    if (d->inline_bytes.size_bytes != 0) {
        ret->delta.kind = SL_DELTA_INLINE;
        ret->delta.bytes = d->inline_bytes;
        return;
    }
    ret->delta.kind = SL_DELTA_SEGMENT;
    snprintf(ret->delta.segment.name, sizeof ret->delta.segment.name, "%s", d->segment);
    ret->delta.segment.offset = d->offset;
    ret->delta.segment.length_bytes = d->length_bytes;
    ret->delta.segment.hash = d->hash;
}

static sl_code restore(sl_wquery *q, const sl_msg_partition *m,
                       const sl_state_config *config, sl_state_partition **ret,
                       sl_error *err)
{
    sl_state_step *steps = (sl_state_step *)sl_calloc(m->delta_count + 1, sizeof *steps);
    for (uint32_t i = 0; i < m->delta_count; i++)
        step_from(&m->deltas[i], &steps[i]);
    sl_state_recipe recipe = {
        .version = { m->base_batch, m->base_state_id },
        .snapshot = { .kind = (sl_snapshot_kind)m->snapshot_kind,
                      .batch = m->snapshot_batch,
                      .state_id = m->snapshot_id,
                      .manifest = m->snapshot,
                      .hash = m->snapshot_hash,
                      .size_bytes = m->snapshot_bytes },
        .steps = steps,
        .step_count = m->delta_count,
    };
    if (recipe.snapshot.kind == SL_SNAPSHOT_FULL)
        recipe.full = (sl_delta_place){ .kind = SL_DELTA_INLINE, .bytes = m->full_delta };
    sl_state_home home = home_of(q, m->partition);
    char scratch[4096];
    snprintf(scratch, sizeof scratch, "%s/%016llx/restore-%u", q->worker->work_dir,
             (unsigned long long)q->number, m->partition);
    sl_code code = sl_state_restore(config, &home, NULL, scratch, &recipe, ret, err);
    sl_free(steps);
    return code;
}

sl_code sl_wpartition__open(sl_wquery *q, const sl_msg_partition *m, int64_t batch,
                            bool *ret_missing, sl_error *err)
{
    sl_wpartition *p = &q->partitions[m->partition];
    sl_state_version base = { m->base_batch, m->base_state_id };
    sl_state_operator operators[OPERATORS_MAX];
    sl_state_config config;
    if (q->plan->state_op_count > OPERATORS_MAX)
        return sl_fail(err, SL_ELIMIT, "more than %u stateful operators", OPERATORS_MAX);
    if (p->state != NULL) {
        sl_state_version held = sl_state_version_of(p->state);
        if (held.id == base.id && held.batch < base.batch)
            SL_TRY(sl_state_skip_to(p->state, base.batch,
                                    err)); /* batches that changed nothing */
        held = sl_state_version_of(p->state);
        if (held.id != base.id || held.batch != base.batch) {
            sl_state_partition_free(p->state);
            p->state = NULL;
        }
    }
    if (p->state == NULL) {
        sl_wpartition__config(q, m->partition, operators, &config);
        if (m->has_recipe) {
            SL_TRY(restore(q, m, &config, &p->state, err));
            sl_worker__count(RESTORES, 1);
        } else if (base.batch == -1) {
            SL_TRY(sl_state_partition_new(&config, &p->state, err));
        } else {
            *ret_missing = true;
            return sl_fail(err, SL_EAGAIN, "state partition %u of batch %lld is not here",
                           m->partition, (long long)base.batch);
        }
    }
    return sl_state_begin(p->state, batch, base, err);
}

/* ---- between batches: loop thread, and the maintenance lane ---- */

void sl_wpartition__committed(sl_wquery *q, const sl_msg_state_done *done,
                              uint64_t row_bytes)
{
    sl_wpartition *p = &q->partitions[done->partition];
    if (done->has_delta) {
        add_step(p, &done->delta);
        p->version = (sl_state_version){ done->delta.batch, done->state_id };
    }
    if (done->has_full && p->maintenance == NULL) {
        forget_steps(p, p->step_count);
        sl_bytes_clear(&p->full);
        sl_bytes_append(&p->full, done->full.data, done->full.size_bytes);
        sl_snapshot_place place = { .kind = SL_SNAPSHOT_FULL,
                                    .batch = p->version.batch,
                                    .state_id = done->state_id };
        set_snapshot(p, &place);
        p->facts = (sl_state_snapshot_facts){ 0 };
    }
    p->facts.row_bytes = row_bytes;
}

/* Flush what was committed into the local database and snapshot it. Everything it reads
 * is a copy of, or immutable while, it is a partition's `maintenance`. */
struct sl_maintenance {
    sl_job job;
    sl_wquery *query;
    sl_wpartition *partition;
    sl_state_step *steps;
    sl_state_recipe recipe;
    char name[96];
    sl_snapshot_place place;
    uint64_t total_bytes;
    sl_code code;
    sl_error error;
};

static void maintenance_free(struct sl_maintenance *m)
{
    if (m == NULL)
        return;
    sl_free(m->steps);
    sl_free(m);
}

static sl_code open_db(sl_wquery *q, sl_wpartition *p, sl_error *err)
{
    char dir[4096];
    sl_state_home home = home_of(q, p->number);
    if (p->db != NULL)
        return SL_OK;
    snprintf(dir, sizeof dir, "%s/%016llx", q->worker->work_dir,
             (unsigned long long)q->number);
    SL_TRY(sl_fs_make_dirs(q->worker->host->fs, dir, err));
    snprintf(dir, sizeof dir, "%s/%016llx/%u", q->worker->work_dir,
             (unsigned long long)q->number, p->number);
    return sl_state_db_new(&home, dir, 0, &p->db, err);
}

static void maintenance_run(sl_job *job)
{
    struct sl_maintenance *m = (struct sl_maintenance *)job;
    m->code = open_db(m->query, m->partition, &m->error);
    if (m->code == SL_OK)
        m->code = sl_state_flush(m->partition->db, &m->recipe, &m->error);
    if (m->code == SL_OK)
        m->code = sl_state_db_snapshot(m->partition->db, m->name, &m->place,
                                       &m->total_bytes, &m->error);
}

static void send_snapshot(const struct sl_maintenance *m)
{
    sl_message out = { .kind = SL_MSG_SNAPSHOT };
    out.u.snapshot = (sl_msg_snapshot){ .query = m->query->number,
                                        .partition = m->partition->number,
                                        .batch = m->place.batch,
                                        .state_id = m->place.state_id,
                                        .manifest = m->name,
                                        .hash = m->place.hash,
                                        .size_bytes = m->place.size_bytes,
                                        .total_bytes = m->total_bytes };
    sl_worker__send(m->query->worker, &out);
}

static void maintenance_done(sl_job *job)
{
    struct sl_maintenance *m = (struct sl_maintenance *)job;
    sl_wpartition *p = m->partition;
    sl_wquery *q = m->query;
    p->maintenance = NULL;
    if (m->code == SL_OK) {
        uint32_t covered = 0;
        while (covered < p->step_count &&
               p->steps[covered].step.version.batch <= m->recipe.version.batch)
            covered++;
        forget_steps(p, covered);
        set_snapshot(p, &m->place);
        count_since(p);
        send_snapshot(m);
        sl_worker__count(SNAPSHOTS, 1);
    } else {
        sl_worker__count(SNAPSHOTS_FAILED, 1);
        /* Nothing durable is lost: the deltas stand. The next batch tries again. */
        log_warn("STATE-SNAPSHOT", "partition %u at batch %lld: %s", p->number,
                 (long long)m->recipe.version.batch, m->error.text);
        sl_state_db_free(p->db);
        p->db = NULL;
    }
    maintenance_free(m);
    sl_worker__query_gone(q);
}

void sl_wpartition__maintain(sl_wquery *q, sl_wpartition *p)
{
    if (p->maintenance != NULL || !p->recipe_known || q->closing ||
        sl_state_snapshot_due(q->worker->config.snapshot_rule, &p->facts) !=
            SL_SNAPSHOT_MANIFEST)
        return;
    sl_worker *w = q->worker;
    struct sl_maintenance *m = (struct sl_maintenance *)sl_calloc(1, sizeof *m);
    m->query = q;
    m->partition = p;
    m->steps = (sl_state_step *)sl_calloc(p->step_count + 1, sizeof *m->steps);
    for (uint32_t i = 0; i < p->step_count; i++) {
        m->steps[i] = p->steps[i].step;
        m->steps[i].delta.bytes = sl_bytes_span(&p->steps[i].bytes);
    }
    m->recipe = (sl_state_recipe){ .version = p->version,
                                   .snapshot = p->snapshot,
                                   .steps = m->steps,
                                   .step_count = p->step_count };
    if (p->snapshot.kind == SL_SNAPSHOT_FULL)
        m->recipe.full =
            (sl_delta_place){ .kind = SL_DELTA_INLINE, .bytes = sl_bytes_span(&p->full) };
    snprintf(m->name, sizeof m->name, "%lld-%016llx.man", (long long)p->version.batch,
             (unsigned long long)sl_host_rand64(w->host));
    m->job = (sl_job){
        .name = "snapshot", .run = maintenance_run, .done = maintenance_done, .owner = w
    };
    p->maintenance = m;
    sl_host_submit(w->host, w->maintenance, &m->job);
}
