/* The life of a plan on the workers: one try of one batch at a time. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "driver/dispatch_private.h"

sl_dispatch *sl_dispatch_next(sl_dispatch *x)
{
    return x->next;
}

uint64_t sl_dispatch_number(const sl_dispatch *x)
{
    return x->number;
}

uint32_t sl_dispatch_held(const sl_dispatch *x, uint32_t worker_number)
{
    uint32_t n = 0;
    for (uint32_t p = 0; p < x->partitions; p++)
        n += x->holders[p] == worker_number;
    return n;
}

/* ---- making and freeing ---- */

static sl_schema *schema_with_key(const sl_physical_plan *plan, sl_arena *arena)
{
    uint32_t n = plan->output->field_count;
    sl_field *fields = SL_ARENA_ARRAY(arena, sl_field, n + 1);
    memcpy(fields, plan->output->fields, n * sizeof *fields);
    fields[n] = (sl_field){ .name = "key", .type = sl_type_of(SL_TYPE_BINARY) };
    sl_schema *s = SL_ARENA_NEW(arena, sl_schema);
    *s = (sl_schema){ n + (plan->hidden_key ? 1 : 0), fields };
    return s;
}

sl_dispatch *sl_dispatch_new(sl_driver *d, const sl_dispatch_config *config)
{
    sl_dispatch *x = (sl_dispatch *)sl_calloc(1, sizeof *x);
    size_t partitions = config->partitions + (size_t)1;
    x->driver = d;
    x->number = d->next_run++;
    x->plan = config->plan;
    x->query_id = sl_strdup(config->query_id);
    x->checkpoint = sl_strdup(config->checkpoint);
    x->query_hash = config->query_hash;
    x->partitions = config->partitions;
    x->options = sl_options_copy(config->options);
    sl_physical_write(config->plan, &x->fragment);
    x->fragment_hash = sl_hash128_of(x->fragment.data, x->fragment.size_bytes);
    x->partition_owners = (uint32_t *)sl_calloc(partitions, sizeof(uint32_t));
    x->holders = (uint32_t *)sl_calloc(partitions, sizeof(uint32_t));
    x->partition_deaths = (uint8_t *)sl_calloc(partitions, 1);
    x->result_arena = sl_arena_new();
    x->row_schema = schema_with_key(config->plan, config->plan->arena);
    x->next = d->dispatches;
    d->dispatches = x;
    return x;
}

static void drop_answers(sl_dispatch *x)
{
    for (uint32_t i = 0; i < x->share_count; i++) {
        sl_arena_free(x->shares[i].arena);
        x->shares[i].arena = NULL;
    }
    sl_dispatch__drop_results(x);
}

static void undeploy(sl_dispatch *x)
{
    sl_message m = { .kind = SL_MSG_UNDEPLOY, .u.undeploy = { x->number } };
    for (const sl_dworker *w = sl_driver__workers(x->driver); w != NULL; w = w->next)
        for (uint32_t i = 0; i < x->deployed_count; i++)
            if (x->deployed[i] == w->number)
                sl_dispatch__send(x, w, &m);
}

void sl_dispatch_free(sl_dispatch *x)
{
    if (x == NULL)
        return;
    sl_dispatch **at = &x->driver->dispatches;
    while (*at != x)
        at = &(*at)->next;
    *at = x->next;
    sl_host_timer_cancel(x->driver->host, x->soon);
    sl_dispatch_tell_committed(x);
    undeploy(x);
    drop_answers(x);
    sl_free(x->shares);
    sl_free(x->parts);
    sl_arena_free(x->result_arena);
    sl_bytes_deinit(&x->fragment);
    sl_options_free(x->options);
    sl_free(x->partition_owners);
    sl_free(x->holders);
    sl_free(x->partition_deaths);
    sl_free(x->slice_owners);
    sl_free(x->slice_deaths);
    sl_free(x->query_id);
    sl_free(x->checkpoint);
    sl_free(x);
}

/* ---- a try ---- */

/* on_result may start or free this dispatch. */
static void finish(sl_dispatch *x, sl_batch_result *r)
{
    x->running = x->waits = false;
    if (r->code == SL_OK) {
        r->done = &x->done;
        r->chunks = x->chunks;
        r->chunk_count = x->chunk_count;
        memset(x->partition_deaths, 0, x->partitions);
        if (x->slice_total > 0)
            memset(x->slice_deaths, 0, x->slice_total);
    }
    x->on_result(x->user, r);
}

static void abort_others(sl_dispatch *x, const sl_share *but)
{
    sl_message m = { .kind = SL_MSG_ABORT, .u.abort = { x->at } };
    for (uint32_t i = 0; !x->waits && i < x->share_count; i++)
        if (&x->shares[i] != but && x->shares[i].worker != NULL)
            sl_dispatch__send(x, x->shares[i].worker, &m);
}

static void say_soon(void *user)
{
    sl_dispatch *x = (sl_dispatch *)user;
    sl_batch_result r = x->soon_result;
    x->soon = (sl_timer_ref){ 0 };
    finish(x, &r);
}

/* The try ends with soon_result. */
static void end_soon(sl_dispatch *x)
{
    sl_host *h = x->driver->host;
    x->waits = true; /* nothing is out */
    x->soon = sl_host_timer(h, x->driver, sl_host_mono_us(h), say_soon, x);
}

static void try_to_send(sl_dispatch *x)
{
    uint32_t moved;
    sl_batch_result *r = &x->soon_result;
    *r = (sl_batch_result){ .code = SL_OK };
    x->waits = !sl_dispatch__place(x, &moved);
    if (x->waits)
        return; /* again when a worker joins, is back, or is lost */
    if (moved > 0) {
        r->is_not_counted = true;
        r->code =
            sl_fail(&r->error, SL_EAGAIN, "state partitions moved to other workers");
        end_soon(x);
        return;
    }
    r->code = sl_dispatch__send_tasks(x, &r->error);
    if (r->code != SL_OK) {
        abort_others(x, NULL);
        end_soon(x);
    }
}

void sl_dispatch_start(sl_dispatch *x, const sl_batch_spec *spec,
                       sl_dispatch_fn on_result, void *user)
{
    SL_ASSERT(!x->running);
    sl_dispatch_tell_committed(
        x); /* TASK follows at once: a worker wakes once for both */
    drop_answers(x);
    x->spec = *spec;
    x->at = (sl_msg_attempt){ x->number, spec->epoch, spec->batch, spec->attempt };
    x->running = true;
    x->on_result = on_result;
    x->user = user;
    try_to_send(x);
}

void sl_dispatch_cancel(sl_dispatch *x)
{
    sl_dispatch_tell_committed(x);
    if (x == NULL || !x->running)
        return;
    sl_host_timer_cancel(x->driver->host, x->soon);
    x->soon = (sl_timer_ref){ 0 };
    abort_others(x, NULL);
    x->running = x->waits = false;
}

static void send_committed(sl_dispatch *x, const sl_share *s)
{
    sl_message m = { .kind = SL_MSG_COMMITTED };
    sl_msg_state_id *states =
        (sl_msg_state_id *)sl_calloc(s->done.state_count + (size_t)1, sizeof *states);
    for (uint32_t k = 0; k < s->done.state_count; k++)
        states[k] =
            (sl_msg_state_id){ s->done.states[k].partition, s->done.states[k].state_id };
    m.u.committed = (sl_msg_committed){ x->at, s->done.state_count, states };
    sl_dispatch__send(x, s->worker, &m);
    sl_free(states);
}

void sl_dispatch_tell_committed(sl_dispatch *x)
{
    if (x == NULL || !x->owes_committed)
        return;
    x->owes_committed = false;
    for (uint32_t i = 0; i < x->share_count; i++)
        if (x->shares[i].worker != NULL)
            send_committed(x, &x->shares[i]);
}

void sl_dispatch_committed(sl_dispatch *x)
{
    x->owes_committed = true;
    for (uint32_t p = 0; p < x->partitions; p++)
        x->holders[p] = 0;
    for (uint32_t i = 0; i < x->share_count; i++)
        for (uint32_t p = 0; x->shares[i].worker != NULL && p < x->partitions; p++)
            if (x->partition_owners[p] == x->shares[i].number)
                x->holders[p] = x->shares[i].number;
}

/* ---- answers ---- */

static sl_share *share_of(sl_dispatch *x, const sl_dworker *w)
{
    for (uint32_t i = 0; i < x->share_count; i++)
        if (x->shares[i].worker == w)
            return &x->shares[i];
    return NULL;
}

static bool is_current(const sl_dispatch *x, const sl_msg_attempt *at)
{
    return x->running && !x->waits && at->batch == x->at.batch &&
           at->epoch == x->at.epoch && at->attempt == x->at.attempt;
}

static bool all_done(const sl_dispatch *x)
{
    for (uint32_t i = 0; i < x->share_count; i++)
        if (!x->shares[i].is_done)
            return false;
    return true;
}

/* True: the arena is kept. */
static bool on_done(sl_dispatch *x, const sl_dworker *w, const sl_msg_done *m,
                    sl_arena *arena)
{
    sl_share *s = share_of(x, w);
    if (s == NULL || s->is_done || !is_current(x, &m->at))
        return false;
    s->is_done = true;
    s->arena = arena;
    s->done = *m;
    if (all_done(x)) {
        sl_batch_result r = { .code = SL_OK };
        r.code = sl_dispatch__put_together(x, &r.error);
        if (r.code != SL_OK)
            abort_others(x, NULL);
        finish(x, &r);
    }
    return true;
}

static void on_rows(sl_dispatch *x, const sl_dworker *w, const sl_msg_result *m)
{
    sl_batch_result r = { .code = SL_OK };
    sl_share *s = share_of(x, w);
    if (s == NULL || !is_current(x, &m->at))
        return;
    r.code = sl_dispatch__keep_result(x, s, m, &r.error);
    if (r.code == SL_OK)
        return;
    abort_others(x, NULL);
    finish(x, &r);
}

static void forget_deployed(sl_dispatch *x, uint32_t number)
{
    for (uint32_t i = 0; i < x->deployed_count; i++)
        if (x->deployed[i] == number)
            x->deployed[i--] = x->deployed[--x->deployed_count];
}

static void on_failed(sl_dispatch *x, const sl_dworker *w, const sl_msg_failed *m)
{
    sl_batch_result r = { .code = SL_OK };
    sl_share *s = share_of(x, w);
    if (s == NULL || !is_current(x, &m->at))
        return;
    r.code = m->code > 0 && m->code < SL_CODE_COUNT ? (sl_code)m->code : SL_EINTERNAL;
    (void)sl_fail_as(&r.error, r.code, m->condition, m->sqlstate, "%s", m->text);
    r.error.line = m->line;
    r.error.column = m->column;
    if (m->need_plan)
        forget_deployed(x, w->number); /* the next try deploys it */
    for (uint32_t p = 0; m->state_missing && p < x->partitions; p++) {
        if (x->holders[p] != w->number)
            continue;
        x->holders[p] = 0;
        r.is_not_counted = true; /* we were mistaken about who holds what */
    }
    abort_others(x, s);
    finish(x, &r);
}

void sl_dispatch_on_message(sl_dispatch *x, const sl_dworker *w, const sl_message *m,
                            sl_arena *arena, bool *ret_kept)
{
    switch (m->kind) {
    case SL_MSG_RESULT:
        on_rows(x, w, &m->u.result);
        break;
    case SL_MSG_DONE:
        *ret_kept = on_done(x, w, &m->u.done, arena);
        break;
    case SL_MSG_FAILED:
        on_failed(x, w, &m->u.failed);
        break;
    case SL_MSG_SNAPSHOT:
        if (x->on_snapshot != NULL)
            x->on_snapshot(x->snapshot_user, &m->u.snapshot);
        break;
    default:
        break;
    }
}

void sl_dispatch_set_snapshot_fn(sl_dispatch *x, sl_snapshot_fn fn, void *user)
{
    x->on_snapshot = fn;
    x->snapshot_user = user;
}

/* ---- workers come and go ---- */

/* The most often that any of the work of a lost worker was on one that died. */
static uint32_t count_deaths(sl_dispatch *x, uint32_t number)
{
    uint32_t most = 0;
    for (uint32_t p = 0; p < x->partitions; p++) {
        if (x->partition_owners[p] != number || x->partition_deaths[p] == UINT8_MAX)
            continue;
        x->partition_deaths[p]++;
        most = x->partition_deaths[p] > most ? x->partition_deaths[p] : most;
    }
    for (uint32_t i = 0; i < x->slice_total; i++) {
        if (x->slice_owners[i] != number || x->slice_deaths[i] == UINT8_MAX)
            continue;
        x->slice_deaths[i]++;
        most = x->slice_deaths[i] > most ? x->slice_deaths[i] : most;
    }
    return most;
}

/* "state partitions 3, 7; slices 0" */
static void name_suspects(const sl_dispatch *x, uint32_t deaths, sl_bytes *out)
{
    uint32_t named = 0;
    for (uint32_t p = 0; p < x->partitions; p++)
        if (x->partition_deaths[p] >= deaths && named++ < 16)
            sl_bytes_printf(out, "%s%u", named == 1 ? "state partitions " : ", ", p);
    named = 0;
    for (uint32_t i = 0; i < x->slice_total; i++)
        if (x->slice_deaths[i] >= deaths && named++ < 16)
            sl_bytes_printf(out, "%s%u", named == 1 ? "; slices " : ", ", i);
}

static void fail_by_loss(sl_dispatch *x, const sl_dworker *w, const char *why)
{
    sl_batch_result r = { .code = SL_OK };
    uint32_t max = (uint32_t)sl_options_int(x->options, "sluice.streaming.workerDeaths");
    uint32_t deaths = count_deaths(x, w->number);
    r.is_not_counted = deaths < max;
    if (deaths < max) {
        r.code = sl_fail(&r.error, SL_ELOST, "worker %s was lost: %s", w->name, why);
    } else {
        sl_bytes suspects = { 0 };
        name_suspects(x, deaths, &suspects);
        r.code = sl_fail(
            &r.error, SL_ECRASHLOOP,
            "%u workers in a row died while they ran batch %lld: %s. The last "
            "was %s: %s. Look at its log, and at the input of these slices; "
            "sluice.streaming.workerDeaths allows more tries",
            deaths, (long long)x->at.batch, sl_bytes_cstr(&suspects), w->name, why);
        sl_bytes_deinit(&suspects);
    }
    finish(x, &r);
}

void sl_dispatch_on_worker_lost(sl_dispatch *x, const sl_dworker *w, const char *why)
{
    for (uint32_t p = 0; p < x->partitions; p++)
        if (x->holders[p] == w->number)
            x->holders[p] = 0;
    forget_deployed(x, w->number);
    sl_share *s = share_of(x, w);
    if (s != NULL)
        s->worker = NULL;
    if (x->running && !x->waits && s != NULL) {
        abort_others(x, NULL);
        fail_by_loss(x, w, why);
    } else {
        sl_dispatch_on_worker(x);
    }
}

void sl_dispatch_on_worker(sl_dispatch *x)
{
    if (x->running && x->waits && x->soon.id == 0)
        try_to_send(x);
}
