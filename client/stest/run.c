#include "client/stest/run_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "client/stest/clock_private.h"
#include "client/stest/facts_private.h"
#include "engine/sql/parse.h"

struct run {
    const stest_script *script;
    const stest_config *config;
    stest_world *world;
    sl_arena *arena; /* of edits */
    bool want_edits, is_over;
    stest_result *result;
    const stest_item *statement; /* the last; its answer was not looked at */
    stest_answer answer;
    bool has_answer;
};

/* ---- telling ---- */

static void tell_args(struct run *r, uint32_t line, const char *fmt, va_list args)
{
    char text[2048];
    vsnprintf(text, sizeof text, fmt, args);
    r->result->passed = false;
    sl_bytes_printf(&r->result->diagnosis, "%s:%u: %s\n", r->script->path, line, text);
}

static void tell(struct run *r, uint32_t line, const char *fmt, ...) SL_PRINTF(3, 4);

static void tell(struct run *r, uint32_t line, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    tell_args(r, line, fmt, args);
    va_end(args);
    r->result->beyond_edits = true;
}

/* What an edit mends. */
static void tell_difference(struct run *r, uint32_t line, const char *fmt, ...)
    SL_PRINTF(3, 4);

static void tell_difference(struct run *r, uint32_t line, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    tell_args(r, line, fmt, args);
    va_end(args);
}

/* Nothing after it can mean anything. */
static void end_case(struct run *r, const stest_item *item, const sl_error *err)
{
    tell(r, item->line, "%s", err->text);
    r->is_over = true;
}

static void edit(struct run *r, uint32_t line, uint32_t line_end, const sl_bytes *text)
{
    stest_result *to = r->result;
    if (to->edit_count == to->edit_capacity) {
        to->edit_capacity = to->edit_capacity == 0 ? 16 : to->edit_capacity * 2;
        to->edits =
            (stest_edit *)sl_realloc(to->edits, to->edit_capacity * sizeof *to->edits);
    }
    to->edits[to->edit_count++] =
        (stest_edit){ line, line_end, sl_arena_strdup(r->arena, sl_bytes_cstr(text)) };
}

/* An error of a statement: where in the file, and what a person reads, caret included. */
static void tell_statement_error(struct run *r, const stest_item *item, const sl_error *e)
{
    sl_bytes text = { 0 };
    uint32_t line = item->line + (e->line > 0 ? e->line - 1 : 0);
    sl_sql_error_text(e, item->text, strlen(item->text), &text);
    r->result->passed = false;
    r->result->beyond_edits = true;
    sl_bytes_printf(&r->result->diagnosis, "%s:%u: the statement fails: %s\n",
                    r->script->path, line, sl_bytes_cstr(&text));
    sl_bytes_deinit(&text);
}

/* ---- statements and their answers ---- */

static void run_sql(struct run *r, const stest_item *item)
{
    sl_error err = { 0 };
    if (stest_world_execute(r->world, item->text, &r->answer, &err) != SL_OK) {
        end_case(r, item, &err);
        return;
    }
    r->statement = item;
    r->has_answer = true;
}

/* An error nobody expected ends the case: what follows builds on the statement. */
static void pass_answer(struct run *r)
{
    if (r->has_answer && r->answer.kind == SL_ANSWER_ERROR) {
        tell_statement_error(r, r->statement, &r->answer.error);
        r->is_over = true;
    }
    r->has_answer = false;
}

static void edit_error(struct run *r, const stest_item *item, const char *head,
                       const sl_error *e, bool with_position)
{
    sl_bytes text = { 0 };
    sl_bytes_printf(&text, "%s %s", head, e->condition);
    if (with_position && e->line > 0)
        sl_bytes_printf(&text, " at %u:%u", e->line, e->column);
    if (*item->text != '\0') {
        bool holds = strstr(e->text, item->text) != NULL;
        sl_bytes_printf(&text, ": %.*s", (int)strcspn(holds ? item->text : e->text, "\n"),
                        holds ? item->text : e->text);
    }
    sl_bytes_char(&text, '\n');
    edit(r, item->line, item->line_end, &text);
    sl_bytes_deinit(&text);
}

/* False: told. */
static bool check_error(struct run *r, const stest_item *item, const sl_error *e)
{
    bool same = strcmp(item->condition, e->condition) == 0;
    bool there =
        item->at_line == 0 || (item->at_line == e->line && item->at_column == e->column);
    bool says = strstr(e->text, item->text) != NULL;
    if (same && there && says)
        return true;
    if (!same)
        tell_difference(r, item->line, "expected the class %s, it is %s: %s",
                        item->condition, e->condition, e->text);
    else if (!there)
        tell_difference(r, item->line, "expected %s at %u:%u, it is at %u:%u: %s",
                        item->condition, item->at_line, item->at_column, e->line,
                        e->column, e->text);
    else
        tell_difference(r, item->line, "expected a message with '%s', it is: %s",
                        item->text, e->text);
    return false;
}

static void run_error(struct run *r, const stest_item *item)
{
    if (!r->has_answer) {
        tell(r, item->line, "`error` stands behind a statement");
        return;
    }
    r->has_answer = false;
    if (r->answer.kind != SL_ANSWER_ERROR)
        tell(r, item->line, "expected %s, but the statement went well", item->condition);
    else if (!check_error(r, item, &r->answer.error) && r->want_edits)
        edit_error(r, item, "error", &r->answer.error, item->at_line > 0);
}

/* ---- rows ---- */

/* A set of rows with `batch N` lines between them. */
struct listing {
    stest_rows rows;
    bool has_batches;
};

static void sort_between_batches(struct listing *l)
{
    uint32_t from = 0;
    int64_t batch;
    for (uint32_t i = 0; i <= l->rows.count; i++)
        if (i == l->rows.count || stest_is_batch_line(l->rows.rows[i], &batch)) {
            stest_rows part = { l->rows.rows + from, i - from, 0 };
            stest_rows_sort(&part);
            from = i + 1;
        }
}

static bool parse_body(struct run *r, const stest_item *item, struct listing *ret)
{
    sl_arena *arena = stest_world_arena(r->world);
    for (uint32_t i = 0; i < item->body_count; i++) {
        stest_cell *cells;
        uint32_t count;
        int64_t batch;
        sl_error err = { 0 };
        const char *row = item->body[i];
        if (stest_is_batch_line(row, &batch)) {
            ret->has_batches = true;
            row = sl_arena_printf(arena, "batch %lld", (long long)batch);
        } else if (stest_cells_parse(row, arena, &cells, &count, &err) == SL_OK) {
            row = stest_row_text(cells, count, arena);
        } else {
            tell(r, item->body_line + i, "%s", err.text);
            return false;
        }
        stest_rows_add(&ret->rows, row, arena);
    }
    return true;
}

/* Rows aligned, `batch N` lines as they are. */
static void write_listing(const struct listing *l, sl_bytes *out)
{
    uint32_t from = 0;
    int64_t batch;
    for (uint32_t i = 0; i <= l->rows.count; i++)
        if (i == l->rows.count || stest_is_batch_line(l->rows.rows[i], &batch)) {
            stest_rows part = { l->rows.rows + from, i - from, 0 };
            stest_rows_write(&part, out);
            if (i < l->rows.count)
                sl_bytes_printf(out, "%s\n", l->rows.rows[i]);
            from = i + 1;
        }
}

static void edit_expectation(struct run *r, const stest_item *item,
                             const struct listing *actual, bool no_batch)
{
    sl_bytes text = { 0 };
    bool none = actual->rows.count == 0;
    sl_bytes_text(&text, "expect");
    if (item->name != NULL)
        sl_bytes_printf(&text, " %s", item->name);
    sl_bytes_text(&text, no_batch ? " no batch" : none ? " nothing" : "");
    sl_bytes_text(&text, item->any_order && !none ? " in any order" : "");
    sl_bytes_char(&text, '\n');
    write_listing(actual, &text);
    edit(r, item->line, item->line_end, &text);
    sl_bytes_deinit(&text);
}

static void compare(struct run *r, const stest_item *item, const char *what,
                    struct listing *expected, struct listing *actual)
{
    bool missing = item->shape == STEST_ROWS && item->body_count == 0;
    struct listing in_order = *actual;
    sl_arena *arena = stest_world_arena(r->world);
    if (item->any_order) {
        actual->rows.rows = (const char **)sl_arena_memdup(
            arena, actual->rows.count > 0 ? (const void *)actual->rows.rows : "",
            actual->rows.count * sizeof *actual->rows.rows);
        sort_between_batches(expected);
        sort_between_batches(actual);
    }
    if (!missing && stest_rows_equal(&expected->rows, &actual->rows))
        return;
    if (missing)
        tell_difference(
            r, item->line,
            "an expectation without rows: write them (--update does), or `nothing`");
    else
        tell_difference(r, item->line, "%s: other rows than expected (- expected, + is)",
                        what);
    stest_rows_diff(&expected->rows, &actual->rows, "  ", &r->result->diagnosis);
    if (r->want_edits)
        edit_expectation(r, item, &in_order, false);
}

static void expect_result(struct run *r, const stest_item *item)
{
    struct listing expected = { 0 }, actual = { .rows = r->answer.rows };
    if (!r->has_answer) {
        tell(r, item->line, "`expect` without a query stands behind a statement");
        return;
    }
    if (r->answer.kind == SL_ANSWER_ERROR)
        return; /* told when the answer is passed */
    r->has_answer = false;
    if (parse_body(r, item, &expected))
        compare(r, item, "the result", &expected, &actual);
}

/* The query of an item, all it can do now done; NULL: told. */
static stest_query *query_of(struct run *r, const stest_item *item)
{
    stest_query *q = stest_world_query(r->world, item->name);
    const char *names[32];
    uint32_t n = 0;
    if (q != NULL)
        return q;
    for (; n < stest_world_query_count(r->world) && n < 32; n++)
        names[n] = stest_world_query_at(r->world, n)->name;
    const char *near = sl_text_nearest(item->name, names, n);
    tell(r, item->line, "there is no query %s%s%s%s", item->name,
         near != NULL ? "; did you mean " : "", near != NULL ? near : "",
         near != NULL ? "?" : "");
    r->is_over = true;
    return NULL;
}

static void tell_failure(struct run *r, const stest_item *item, stest_query *q)
{
    if (q->error.code == SL_OK || q->is_failure_told)
        return;
    q->is_failure_told = true;
    tell(r, item->line, "query %s failed: [%s] %s", q->name, q->error.condition,
         q->error.text);
}

static void collect(stest_query *q, bool with_batches, sl_arena *arena,
                    struct listing *ret)
{
    ret->has_batches = with_batches;
    for (; q->looked_at < q->batch_count; q->looked_at++) {
        const stest_batch *b = &q->batches[q->looked_at];
        if (with_batches)
            stest_rows_add(&ret->rows,
                           sl_arena_printf(arena, "batch %lld", (long long)b->id), arena);
        for (uint32_t i = 0; i < b->rows.count; i++)
            stest_rows_add(&ret->rows, b->rows.rows[i], arena);
    }
}

static void expect_query(struct run *r, const stest_item *item)
{
    struct listing expected = { 0 }, actual = { 0 };
    stest_query *q = query_of(r, item);
    char what[128];
    if (q == NULL || !parse_body(r, item, &expected))
        return;
    if (!sl_text_equal_nocase(q->sink, "test")) {
        tell(r, item->line,
             "query %s writes to %s: only what goes INTO test can be expected here",
             q->name, q->sink);
        return;
    }
    tell_failure(r, item, q);
    uint32_t batches = q->batch_count - q->looked_at;
    snprintf(what, sizeof what, "query %s, %u batch%s", q->name, batches,
             batches == 1 ? "" : "es");
    if (item->shape == STEST_NO_BATCH && batches > 0) {
        collect(q, true, stest_world_arena(r->world), &actual);
        tell_difference(r, item->line, "query %s: no batch was expected", q->name);
        stest_rows_diff(&expected.rows, &actual.rows, "  ", &r->result->diagnosis);
        if (r->want_edits)
            edit_expectation(r, item, &actual, false);
        return;
    }
    collect(q, expected.has_batches, stest_world_arena(r->world), &actual);
    if (batches == 0 && item->shape != STEST_ROWS)
        return;
    if (batches == 0 && r->want_edits && !expected.has_batches) {
        tell_difference(r, item->line, "query %s ran no batch", q->name);
        edit_expectation(r, item, &actual, true);
        return;
    }
    compare(r, item, what, &expected, &actual);
}

/* ---- progress ---- */

static const stest_batch *batch_of(struct run *r, const stest_item *item,
                                   const stest_query *q)
{
    for (uint32_t i = q->batch_count; i-- > 0;)
        if (item->batch < 0 || q->batches[i].id == item->batch)
            return &q->batches[i];
    tell(r, item->line,
         item->batch < 0 ? "query %s has run no batch" : "query %s has no such batch",
         q->name);
    return NULL;
}

static void run_progress(struct run *r, const stest_item *item)
{
    stest_query *q = query_of(r, item);
    sl_arena *arena = stest_world_arena(r->world);
    sl_bytes text = { 0 };
    bool differs = false;
    const stest_batch *b = q != NULL ? batch_of(r, item, q) : NULL;
    if (b == NULL)
        return;
    tell_failure(r, item, q);
    sl_bytes_printf(&text, "progress %s", item->name);
    if (item->batch >= 0)
        sl_bytes_printf(&text, " batch %lld", (long long)item->batch);
    for (uint32_t i = 0; i < item->fact_count; i++) {
        const stest_fact *f = &item->facts[i];
        const char *actual = stest_fact_of(b->progress, f->key, f->value, arena);
        sl_bytes_printf(&text, " %s=%s", f->key, actual != NULL ? actual : f->value);
        if (actual == NULL)
            tell(r, item->line, "the report of batch %lld has no %s: %s",
                 (long long)b->id, f->key, b->progress);
        else if (strcmp(actual, f->value) != 0)
            tell_difference(r, item->line, "query %s, batch %lld: %s is %s, not %s",
                            q->name, (long long)b->id, f->key, actual, f->value);
        differs = differs || (actual != NULL && strcmp(actual, f->value) != 0);
    }
    sl_bytes_char(&text, '\n');
    if (differs && r->want_edits)
        edit(r, item->line, item->line_end, &text);
    sl_bytes_deinit(&text);
}

/* ---- the rest ---- */

static void run_fails(struct run *r, const stest_item *item)
{
    stest_query *q = query_of(r, item);
    if (q == NULL)
        return;
    if (q->error.code == SL_OK) {
        tell(r, item->line, "query %s was expected to fail with %s, but it %s", q->name,
             item->condition, q->is_over ? "ended well" : "runs");
        return;
    }
    q->is_failure_told = true;
    if (!check_error(r, item, &q->error) && r->want_edits) {
        const char *head = sl_arena_printf(r->arena, "fails %s", item->name);
        edit_error(r, item, head, &q->error, false);
    }
}

static void run_ended(struct run *r, const stest_item *item)
{
    stest_query *q = query_of(r, item);
    if (q == NULL)
        return;
    tell_failure(r, item, q);
    if (!q->is_over)
        tell(r, item->line, "query %s was expected to have ended, but it runs", q->name);
}

static void run_start(struct run *r, const stest_item *item)
{
    stest_query *q = query_of(r, item);
    sl_error err = { 0 };
    if (q != NULL && stest_world_start(r->world, q, &err) != SL_OK)
        end_case(r, item, &err);
}

static void run_feed(struct run *r, const stest_item *item)
{
    sl_error err = { 0 };
    if (stest_world_feed(r->world, item->name, item->body, item->body_count, &err) ==
        SL_OK)
        return;
    tell(r, err.line > 0 ? item->body_line + err.line - 1 : item->line, "%s", err.text);
    r->is_over = true;
}

static void run_world(struct run *r, const stest_item *item)
{
    stest_world *w = r->world;
    sl_error err = { 0 };
    sl_code code = SL_OK;
    switch (item->kind) {
    case STEST_INPUT:
        code = stest_world_input(w, item->name, item->text, &err);
        break;
    case STEST_FILE:
        code = stest_world_file(w, item->name, item->body, item->body_count, &err);
        break;
    case STEST_REMOVE:
        code = stest_world_remove(w, item->name, &err);
        break;
    case STEST_ADVANCE:
        code = stest_world_advance(w, item->us, &err);
        break;
    case STEST_TAKE:
        stest_world_batches_take(w, item->us);
        break;
    case STEST_RESTART:
        code = stest_world_restart(w, &err);
        break;
    case STEST_CRASH:
        code = stest_world_crash_at(w, item->name, item->pass, &err);
        break;
    default: /* RUN: all it can do was done */
        break;
    }
    if (code != SL_OK)
        end_case(r, item, &err);
}

/* What gives the engine input, or says what will happen to it, waits until something
 * looks: two feeds may be one batch. */
static bool settles(stest_kind kind)
{
    return kind != STEST_FEED && kind != STEST_FILE && kind != STEST_REMOVE &&
           kind != STEST_ERROR && kind != STEST_INPUT && kind != STEST_CASE &&
           kind != STEST_SKIP && kind != STEST_CRASH && kind != STEST_TAKE;
}

static void run_item(struct run *r, const stest_item *item)
{
    bool looks =
        item->kind == STEST_ERROR || (item->kind == STEST_EXPECT && item->name == NULL);
    sl_error err = { 0 };
    if (!looks)
        pass_answer(r);
    if (r->is_over)
        return;
    if (settles(item->kind) && !looks && stest_world_settle(r->world, &err) != SL_OK) {
        end_case(r, item, &err);
        return;
    }
    switch (item->kind) {
    case STEST_CASE:
    case STEST_SKIP:
        break;
    case STEST_SQL:
        run_sql(r, item);
        break;
    case STEST_FEED:
        run_feed(r, item);
        break;
    case STEST_EXPECT:
        if (item->name == NULL)
            expect_result(r, item);
        else
            expect_query(r, item);
        break;
    case STEST_ERROR:
        run_error(r, item);
        break;
    case STEST_FAILS:
        run_fails(r, item);
        break;
    case STEST_PROGRESS:
        run_progress(r, item);
        break;
    case STEST_ENDED:
        run_ended(r, item);
        break;
    case STEST_START:
        run_start(r, item);
        break;
    default:
        run_world(r, item);
    }
}

/* At the end nothing may be left that nobody looked at. */
static void check_rest(struct run *r, const stest_item *last)
{
    sl_error err = { 0 };
    pass_answer(r);
    if (r->is_over)
        return;
    if (stest_world_settle(r->world, &err) != SL_OK) {
        end_case(r, last, &err);
        return;
    }
    for (uint32_t i = 0; i < stest_world_query_count(r->world); i++) {
        stest_query *q = stest_world_query_at(r->world, i);
        struct listing rest = { 0 }, none = { 0 };
        tell_failure(r, last, q);
        collect(q, false, stest_world_arena(r->world), &rest);
        if (rest.rows.count == 0)
            continue;
        tell(r, last->line, "query %s wrote rows that nobody expected:", q->name);
        stest_rows_diff(&none.rows, &rest.rows, "  ", &r->result->diagnosis);
    }
    if (stest_world_armed(r->world) != NULL)
        tell(r, last->line, "the failpoint %s was never passed",
             stest_world_armed(r->world));
}

static const char *skip_reason(struct run *r, uint32_t from, uint32_t to)
{
    const stest_config *c = r->config;
    for (uint32_t i = from; i < to; i++) {
        const stest_item *item = &r->script->items[i];
        if (item->kind != STEST_SKIP)
            continue;
        bool on = strcmp(item->name, "partitions") == 0   ? c->partitions > 0
                  : strcmp(item->name, "chunk-rows") == 0 ? c->chunk_rows > 0
                  : strcmp(item->name, "executors") == 0  ? c->executors > 0
                  : strcmp(item->name, "workers") == 0    ? c->workers > 0
                  : strcmp(item->name, "master") == 0     ? c->cluster != NULL
                                                          : c->restart_every_batch;
        if (on)
            return item->text;
    }
    return c->cluster != NULL ? stest_clock_reason(r->script, from, to, r->arena) : NULL;
}

void stest_run(const stest_script *script, uint32_t from, uint32_t to,
               const stest_config *config, bool want_edits, sl_arena *arena,
               stest_result *ret)
{
    struct run r = { .script = script,
                     .config = config,
                     .arena = arena,
                     .want_edits = want_edits,
                     .result = ret };
    *ret = (stest_result){ .passed = true };
    ret->skipped = skip_reason(&r, from, to);
    if (ret->skipped != NULL)
        return;
    sl_error err = { 0 };
    if (stest_world_new(config, &r.world, &err) != SL_OK) {
        tell(&r, script->items[from].line, "%s", err.text);
        return;
    }
    for (uint32_t i = from; i < to && !r.is_over; i++)
        run_item(&r, &script->items[i]);
    if (to > from && !r.is_over)
        check_rest(&r, &script->items[to - 1]);
    const char *trouble = stest_world_trouble(r.world);
    if (*trouble != '\0')
        tell(&r, to > from ? script->items[from].line : 1, "%s", trouble);
    stest_world_free(r.world);
}

void stest_result_deinit(stest_result *r)
{
    sl_bytes_deinit(&r->diagnosis);
    sl_free(r->edits);
    r->edits = NULL;
}

void stest_apply_edits(const stest_script *script, const stest_edit *edits,
                       uint32_t count, sl_bytes *out)
{
    uint32_t next = 0;
    for (uint32_t line = 1; line <= script->line_count; line++) {
        if (next < count && edits[next].line == line) {
            sl_bytes_text(out, edits[next].text);
            line = edits[next++].line_end - 1;
            continue;
        }
        sl_bytes_printf(out, "%s\n", script->lines[line - 1]);
    }
}
