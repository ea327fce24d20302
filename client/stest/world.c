#include "client/stest/world_private.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/text.h"
#include "client/stest/engine_private.h"
#include "engine/sql/parse.h"
#include "formats/json_read.h"

/* ---- batches ---- */

stest_query *stest_world_query(stest_world *w, const char *name)
{
    for (uint32_t i = 0; i < w->query_count; i++)
        if (sl_text_equal_nocase(w->queries[i]->name, name))
            return w->queries[i];
    return NULL;
}

bool stest_world__take_rows(stest_world *w, const stest_query *q, int64_t batch,
                            stest_rows *ret)
{
    const char *table = sl_arena_printf(w->arena, "%s@%lld", q->name, (long long)batch);
    int64_t rows = sl_memory_table_rows(w->memory, table);
    sl_chunk **chunks = NULL;
    uint32_t count = 0;
    if (rows < 0 || sl_memory_table_rows_get(w->memory, table, 0, rows, &chunks, &count,
                                             NULL) != SL_OK)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        stest_rows_add_chunk(ret, chunks[i], w->engine->zone(w), w->arena);
        sl_chunk_unref(chunks[i]);
    }
    sl_free(chunks);
    sl_memory_table_drop(w->memory, table);
    return true;
}

/* A batch that ran, died and ran again wrote the same rows twice, or it is a bug. */
void stest_world__check_attempt(stest_world *w, stest_query *q, const stest_batch *b)
{
    if (!q->has_attempt || q->attempt.id != b->id)
        return;
    q->has_attempt = false;
    if (stest_rows_equal(&q->attempt.rows, &b->rows))
        return;
    sl_bytes_printf(
        &w->trouble,
        "query %s, batch %lld: other rows when it ran again after the crash\n", q->name,
        (long long)b->id);
    stest_rows_diff(&q->attempt.rows, &b->rows, "  ", &w->trouble);
}

void stest_world__add_batch(stest_query *q, const stest_batch *b)
{
    if (q->batch_count == q->batch_capacity) {
        q->batch_capacity = q->batch_capacity == 0 ? 16 : q->batch_capacity * 2;
        q->batches =
            (stest_batch *)sl_realloc(q->batches, q->batch_capacity * sizeof *q->batches);
    }
    q->batches[q->batch_count++] = *b;
}

bool stest_world__adopt_attempt(stest_query *q, int64_t last_commit)
{
    if (!q->has_attempt || q->attempt.id > last_commit)
        return false;
    q->has_attempt = false;
    stest_world__add_batch(q, &q->attempt);
    return true;
}

void stest_world__take_attempts(stest_world *w)
{
    for (uint32_t i = 0; i < w->query_count; i++) {
        stest_query *q = w->queries[i];
        int64_t next = q->batch_count > 0 ? q->batches[q->batch_count - 1].id + 1 : 0;
        stest_batch b = { .id = next, .progress = "{}" };
        if (!stest_world__take_rows(w, q, next, &b.rows))
            continue;
        stest_world__check_attempt(w, q, &b);
        q->attempt = b;
        q->has_attempt = true;
    }
}

/* ---- life ---- */

sl_code stest_world_new(const stest_config *config, stest_world **ret, sl_error *err)
{
    if (config->cluster != NULL)
        return stest_world__live_new(config, ret, err);
    *ret = stest_world__box_new(config);
    return SL_OK;
}

void stest_world__deinit(stest_world *w)
{
    for (uint32_t i = 0; i < w->query_count; i++)
        sl_free(w->queries[i]->batches);
    sl_free(w->queries);
    sl_free(w->kept);
    sl_bytes_deinit(&w->trouble);
    sl_arena_free(w->arena);
}

void stest_world_free(stest_world *w)
{
    if (w != NULL)
        w->engine->free(w);
}

sl_arena *stest_world_arena(stest_world *w)
{
    return w->arena;
}

/* ---- statements ---- */

static bool is_of_session(sl_statement_kind kind)
{
    return kind == SL_ST_CREATE_TABLE || kind == SL_ST_CREATE_VIEW ||
           kind == SL_ST_DROP_TABLE || kind == SL_ST_DROP_VIEW || kind == SL_ST_SET ||
           kind == SL_ST_RESET;
}

static void keep(stest_world *w, const char *sql, stest_query *q)
{
    for (uint32_t i = 0; q != NULL && i < w->kept_count; i++)
        if (w->kept[i].query == q)
            return; /* started again: its statement stands where it was */
    if (w->kept_count == w->kept_capacity) {
        w->kept_capacity = w->kept_capacity == 0 ? 16 : w->kept_capacity * 2;
        w->kept = (stest_kept *)sl_realloc(w->kept, w->kept_capacity * sizeof *w->kept);
    }
    w->kept[w->kept_count++] = (stest_kept){ sl_arena_strdup(w->arena, sql), q };
}

/* The query of a statement, known before its first event; NULL: it has run before and the
 * statement is the same. */
static stest_query *note_query(stest_world *w, const sl_statement *s, const char *sql)
{
    stest_query *q = stest_world_query(w, s->name);
    if (q == NULL) {
        if (w->query_count == w->query_capacity) {
            w->query_capacity = w->query_capacity == 0 ? 8 : w->query_capacity * 2;
            w->queries = (stest_query **)sl_realloc(w->queries, w->query_capacity *
                                                                    sizeof *w->queries);
        }
        q = SL_ARENA_NEW(w->arena, stest_query);
        q->name = sl_arena_strdup(w->arena, s->name);
        q->is_over = true;
        w->queries[w->query_count++] = q;
    }
    if (!q->is_over)
        return q; /* it runs: the statement will be refused */
    q->sql = sl_arena_strdup(w->arena, sql);
    q->sink = sl_arena_strdup(w->arena, s->connector);
    q->is_once = s->trigger == SL_TRIGGER_ONCE;
    return q;
}

static void forget_query(stest_world *w, const stest_query *q)
{
    if (w->query_count > 0 && w->queries[w->query_count - 1] == q &&
        q->batch_count == 0 && q->is_over && q->error.code == SL_OK)
        w->query_count--;
}

/* `ret` is filled by the answer. */
static sl_code execute(stest_world *w, const char *sql, stest_answer *ret,
                       stest_query **ret_query, sl_statement_kind *ret_kind,
                       sl_error *err)
{
    sl_sql_cursor cursor = { .line = 1, .column = 1 };
    sl_arena *arena = sl_arena_new();
    const sl_statement *s = NULL;
    *ret = (stest_answer){ 0 };
    *ret_query = NULL;
    if (sl_sql_parse_next(sql, strlen(sql), &cursor, arena, &s, &ret->error) != SL_OK) {
        ret->kind = SL_ANSWER_ERROR;
        sl_arena_free(arena);
        return SL_OK;
    }
    if (s == NULL) {
        sl_arena_free(arena);
        return sl_fail(err, SL_EPARSE, "there is no statement before the ';'");
    }
    *ret_kind = s->kind;
    if (s->kind == SL_ST_CREATE_STREAMING_QUERY)
        *ret_query = note_query(w, s, sql);
    if (*ret_query != NULL && (*ret_query)->is_over) {
        (*ret_query)->is_over = false;
        (*ret_query)->error = (sl_error){ 0 };
        (*ret_query)->is_failure_told = false;
        SL_TRY(w->engine->run(w, s, arena, sql, ret, err));
        if (ret->kind == SL_ANSWER_ERROR)
            (*ret_query)->is_over = true;
        return SL_OK;
    }
    return w->engine->run(w, s, arena, sql, ret, err);
}

sl_code stest_world_execute(stest_world *w, const char *sql, stest_answer *ret,
                            sl_error *err)
{
    stest_query *q;
    sl_statement_kind kind = SL_ST_QUERY;
    SL_TRY(execute(w, sql, ret, &q, &kind, err));
    if (ret->kind == SL_ANSWER_ERROR && q != NULL) {
        q->error = (sl_error){ 0 }; /* the answer tells */
        forget_query(w, q);
    }
    if (ret->kind != SL_ANSWER_ERROR && (q != NULL || is_of_session(kind)))
        keep(w, sql, q);
    return SL_OK;
}

static sl_code start_query(stest_world *w, stest_query *q, sl_error *err)
{
    stest_answer answer;
    stest_query *same;
    sl_statement_kind kind;
    q->is_over = true; /* of the life before */
    SL_TRY(execute(w, q->sql, &answer, &same, &kind, err));
    if (answer.kind == SL_ANSWER_ERROR) {
        q->is_over = true;
        q->error = answer.error;
    }
    return SL_OK;
}

sl_code stest_world_start(stest_world *w, stest_query *q, sl_error *err)
{
    if (!q->is_over)
        return sl_fail(err, SL_EINVAL, "query %s runs already", q->name);
    return start_query(w, q, err);
}

sl_code stest_world__execute_kept(stest_world *w, sl_error *err)
{
    for (uint32_t i = 0; i < w->kept_count; i++) {
        const stest_kept *k = &w->kept[i];
        stest_answer answer;
        stest_query *q;
        sl_statement_kind kind;
        if (k->query != NULL) {
            if (!k->query->is_over)
                SL_TRY(start_query(w, k->query, err));
            continue;
        }
        SL_TRY(execute(w, k->sql, &answer, &q, &kind, err));
        if (answer.kind == SL_ANSWER_ERROR)
            return sl_fail(err, answer.error.code, "after a restart: %s: %.60s...",
                           answer.error.text, k->sql);
    }
    return SL_OK;
}

/* ---- what the engine does ---- */

sl_code stest_world_settle(stest_world *w, sl_error *err)
{
    return w->engine->settle(w, err);
}

sl_code stest_world_advance(stest_world *w, int64_t us, sl_error *err)
{
    SL_ASSERT(w->engine->advance != NULL); /* the case was skipped */
    return w->engine->advance(w, us, err);
}

void stest_world_batches_take(stest_world *w, int64_t us)
{
    SL_ASSERT(w->engine->batches_take != NULL);
    w->engine->batches_take(w, us);
}

sl_code stest_world_restart(stest_world *w, sl_error *err)
{
    return w->engine->restart(w, err);
}

sl_code stest_world_crash_at(stest_world *w, const char *failpoint, uint32_t pass,
                             sl_error *err)
{
    static const char *const names[] = {
        "driver.task.send",  "driver.sink.write",       "driver.commit",
        "driver.publish",    "driver.committed.before", "sink.publish.rename",
        "worker.state.open", "worker.task.start",       "worker.done.before",
        "worker.done.after", "sink.publish.syncdir",
    };
    bool known = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        known = known || strcmp(names[i], failpoint) == 0;
    if (!known) {
        const char *near =
            sl_text_nearest(failpoint, names, sizeof names / sizeof *names);
        return sl_fail(err, SL_EINVAL, "unknown failpoint '%s'%s%s%s", failpoint,
                       near != NULL ? "; did you mean '" : "; one is driver.commit",
                       near != NULL ? near : "", near != NULL ? "'?" : "");
    }
    w->armed = sl_arena_strdup(w->arena, failpoint);
    return w->engine->crash_at(w, failpoint, pass, err);
}

const char *stest_world_armed(const stest_world *w)
{
    return w->engine->is_armed(w) ? w->armed : NULL;
}

/* ---- input ---- */

static void note_input(stest_world *w)
{
    if (w->engine->on_input != NULL)
        w->engine->on_input(w);
}

/* A path of the test's in the file system. */
static char *real_path(stest_world *w, const char *path)
{
    return sl_arena_printf(w->arena, "%s%s", w->root, path);
}

sl_code stest_world_input(stest_world *w, const char *name, const char *columns,
                          sl_error *err)
{
    const char *sql =
        sl_arena_printf(w->arena, "CREATE TABLE %s %s USING memory OPTIONS (table '%s')",
                        name, columns, name);
    sl_sql_cursor cursor = { .line = 1, .column = 1 };
    const sl_statement *s = NULL;
    stest_answer answer;
    SL_TRY(sl_sql_parse_next(sql, strlen(sql), &cursor, w->arena, &s, err));
    if (s == NULL || s->schema == NULL)
        return sl_fail(err, SL_EPARSE, "an input needs columns");
    SL_TRY(sl_memory_table_create(w->memory, name, s->schema, err));
    SL_TRY(stest_world_execute(w, sql, &answer, err));
    if (answer.kind == SL_ANSWER_ERROR)
        *err = answer.error;
    return answer.kind == SL_ANSWER_ERROR ? answer.error.code : SL_OK;
}

static sl_code read_feed(stest_world *w, const char *name, const sl_schema *schema,
                         sl_file *file, sl_error *err)
{
    uint32_t *columns = SL_ARENA_ARRAY(w->arena, uint32_t, schema->field_count + 1);
    for (uint32_t i = 0; i < schema->field_count; i++)
        columns[i] = i;
    sl_json_read_request q = { .file = file,
                               .name = "feed",
                               .end = INT64_MAX,
                               .schema = schema,
                               .columns = columns,
                               .column_count = schema->field_count,
                               .chunk_rows = 8192,
                               .options = { .mode = SL_JSON_FAILFAST,
                                            .corrupt_column = "_corrupt_record" },
                               .zone = w->engine->zone(w) };
    sl_json_reader *reader;
    SL_TRY(sl_json_reader_open(&q, &reader, err));
    sl_chunk *chunk = NULL;
    sl_code code = SL_OK;
    while (code == SL_OK && (code = sl_json_reader_next(reader, &chunk, err)) == SL_OK &&
           chunk != NULL) {
        code = sl_memory_table_append(w->memory, name, chunk, err);
        sl_chunk_unref(chunk);
    }
    sl_json_reader_close(reader);
    return code;
}

/* The rows become JSON lines, which the JSON reader makes columns of. */
sl_code stest_world_feed(stest_world *w, const char *name, const char *const *lines,
                         uint32_t count, sl_error *err)
{
    const sl_schema *schema = sl_memory_table_schema(w->memory, name, w->arena);
    sl_bytes json = { 0 };
    sl_code code = SL_OK;
    sl_file *file;
    if (schema == NULL)
        return sl_fail(err, SL_ENOTFOUND,
                       "there is no input %s: `input %s (...)` makes it", name, name);
    for (uint32_t i = 0; code == SL_OK && i < count; i++) {
        code = stest_row_json(lines[i], schema, w->engine->zone(w), w->arena, &json, err);
        if (code != SL_OK)
            err->line = i + 1;
    }
    const char *path = real_path(w, "/.stest/feed");
    if (code == SL_OK)
        code = sl_fs_make_dirs(w->fs, real_path(w, "/.stest"), err);
    if (code == SL_OK)
        code = sl_fs_write_new(w->fs, path, sl_bytes_span(&json), err);
    sl_bytes_deinit(&json);
    SL_TRY(code);
    SL_TRY(sl_fs_open(w->fs, path, SL_OPEN_READ, &file, err));
    code = read_feed(w, name, schema, file, err);
    sl_file_close(file);
    SL_KEEP_FIRST(code, sl_fs_remove(w->fs, path, code == SL_OK ? err : NULL));
    note_input(w);
    return code;
}

sl_code stest_world_file(stest_world *w, const char *path, const char *const *lines,
                         uint32_t count, sl_error *err)
{
    sl_bytes text = { 0 };
    for (uint32_t i = 0; i < count; i++)
        sl_bytes_printf(&text, "%s\n", lines[i]);
    const char *real = real_path(w, path);
    char *directory = real_path(w, path);
    *strrchr(directory, '/') = '\0';
    sl_code code = *directory != '\0' ? sl_fs_make_dirs(w->fs, directory, err) : SL_OK;
    if (code == SL_OK)
        code = sl_fs_write_new(w->fs, real, sl_bytes_span(&text), err);
    if (code == SL_OK && w->engine->on_file != NULL)
        w->engine->on_file(w, real);
    sl_bytes_deinit(&text);
    note_input(w);
    return code;
}

sl_code stest_world_remove(stest_world *w, const char *path, sl_error *err)
{
    note_input(w);
    return sl_fs_remove(w->fs, real_path(w, path), err);
}

/* ---- looking ---- */

uint32_t stest_world_query_count(const stest_world *w)
{
    return w->query_count;
}

stest_query *stest_world_query_at(stest_world *w, uint32_t i)
{
    SL_ASSERT(i < w->query_count);
    return w->queries[i];
}

const char *stest_world_trouble(stest_world *w)
{
    if (w->engine->find_trouble != NULL)
        w->engine->find_trouble(w);
    return sl_bytes_cstr(&w->trouble);
}
