/* Unit tests of connectors/file/file_sink.c: staging, publishing, cleaning up. */
#include "tests/unit/connectors/connector_fixture.h"

#define QUERY UINT64_C(0x1122334455667788)
#define OTHER UINT64_C(0x1122334455667799) /* differs in the low bits only */
#define STAGING "/out/.sluice-staging"

static const sl_schema *schema_s(void)
{
    static sl_field field = { .name = "s", .nullable = true };
    static sl_schema schema = { 1, &field };
    field.type = sl_type_of(SL_TYPE_STRING);
    return &schema;
}

/* rows rows of {"s":"<letter repeated width times>"}. */
static sl_chunk *chunk_of(uint32_t rows, char letter, uint32_t width)
{
    sl_chunk_builder b;
    char *text = (char *)sl_calloc(width + 1, 1);
    memset(text, letter, width);
    assert_int_equal(sl_chunk_builder_init(&b, schema_s(), rows, NULL, NULL), SL_OK);
    for (uint32_t i = 0; i < rows; i++)
        assert_int_equal(sl_column_builder_string(&b.columns[0], text, width, NULL),
                         SL_OK);
    sl_free(text);
    return sl_chunk_builder_finish(&b, rows);
}

static sl_write_request request_of(world *w, uint64_t query, uint32_t attempt,
                                   uint32_t task)
{
    return (sl_write_request){ .fs = w->fs,
                               .connector = "json",
                               .options = w->options,
                               .schema = schema_s(),
                               .query_hash = query,
                               .batch = 7,
                               .epoch = 3,
                               .attempt = attempt,
                               .stage = 1,
                               .task = task,
                               .allow_inline = true,
                               .zone = sl_time_zone_utc() };
}

static sl_code write_file(world *w, const sl_write_request *q, sl_chunk *chunk,
                          sl_staged_file *ret)
{
    sl_sink_writer *writer;
    bool has_file = false;
    SL_TRY(sl_sink_writer_open(q, &writer, &w->err));
    sl_code code = sl_sink_writer_write(writer, chunk, &w->err);
    if (code == SL_OK)
        code = sl_sink_writer_finish(writer, &has_file, ret, &w->err);
    sl_sink_writer_close(writer);
    if (code == SL_OK)
        assert_true(has_file);
    return code;
}

/* One large file of 100,000 bytes and more, staged. */
static sl_staged_file stage(world *w, uint64_t query, uint32_t attempt, uint32_t task,
                            char letter)
{
    sl_write_request q = request_of(w, query, attempt, task);
    sl_staged_file f = { 0 };
    sl_chunk *chunk = chunk_of(100, letter, 1000);
    if (write_file(w, &q, chunk, &f) != SL_OK)
        fail_msg("%s", w->err.text);
    sl_chunk_unref(chunk);
    return f;
}

static sl_staged_file small(world *w, char letter)
{
    sl_write_request q = request_of(w, QUERY, 1, 0);
    sl_staged_file f = { 0 };
    sl_chunk *chunk = chunk_of(2, letter, 3);
    assert_int_equal(write_file(w, &q, chunk, &f), SL_OK);
    sl_chunk_unref(chunk);
    return f;
}

static sl_sink *open_sink(world *w, uint64_t query)
{
    sl_sink *s = NULL;
    sl_sink_env env = { .fs = w->fs, .query_hash = query, .schema = schema_s() };
    if (sl_json_sink.open(&env, &w->options, &s, &w->err) != SL_OK)
        fail_msg("%s", w->err.text);
    return s;
}

static sl_code publish(world *w, sl_sink *s, const sl_staged_file *files, uint32_t count)
{
    return s->class->publish(s, 7, files, count, false, NULL, NULL, &w->err);
}

static size_t count_in(world *w, const char *dir)
{
    sl_dir_entry *entries;
    size_t count;
    if (sl_fs_list(w->fs, dir, &entries, &count, NULL) != SL_OK)
        return 0;
    sl_fs_entries_free(entries, count);
    return count;
}

static void expect_file(world *w, const char *name, char letter, uint32_t rows)
{
    char path[400];
    sl_bytes content = { 0 };
    snprintf(path, sizeof path, "/out/%s", name);
    assert_int_equal(sl_fs_read_all(w->fs, path, 1 << 22, &content, NULL), SL_OK);
    uint32_t lines = 0;
    for (size_t i = 0; i < content.size_bytes; i++)
        lines += content.data[i] == '\n';
    assert_int_equal(lines, rows);
    assert_int_equal(content.data[6], letter); /* {"s":"x */
    sl_bytes_deinit(&content);
}

static bool keep_none(void *user, const char *staged)
{
    (void)user;
    (void)staged;
    return false;
}

static bool keep_one(void *user, const char *staged)
{
    return strcmp((const char *)user, staged) == 0;
}

/* What a power cut keeps of what was not synced. */
static uint64_t draw(void *user)
{
    world *w = (world *)user;
    return (w->calls = w->calls * UINT64_C(6364136223846793005) + 1) >> 16;
}

/* ---- staging ---- */

static void writer__small_output_makes_no_file(void **state)
{
    world *w = (world *)*state;
    options_of(w, "path", "/out", NULL);
    sl_staged_file f = small(w, 'a');
    assert_string_equal(f.staged, "");
    assert_string_equal(f.target, "part-00007-1-00000-1122334455667788.json");
    assert_int_equal(f.rows, 2);
    assert_string_equal(sl_bytes_cstr(&f.content), "{\"s\":\"aaa\"}\n{\"s\":\"aaa\"}\n");
    assert_false(sl_fs_exists(w->fs, "/out"));
    sl_bytes_deinit(&f.content);
}

static void writer__no_rows_make_no_file(void **state)
{
    world *w = (world *)*state;
    options_of(w, "path", "/out", NULL);
    sl_write_request q = request_of(w, QUERY, 1, 0);
    sl_sink_writer *writer;
    sl_staged_file f;
    bool has_file = true;
    assert_int_equal(sl_sink_writer_open(&q, &writer, &w->err), SL_OK);
    assert_int_equal(sl_sink_writer_finish(writer, &has_file, &f, &w->err), SL_OK);
    assert_false(has_file);
    sl_sink_writer_close(writer);
}

static void writer__large_output_is_staged_and_synced(void **state)
{
    world *w = (world *)*state;
    options_of(w, "path", "/out", NULL);
    sl_staged_file f = stage(w, QUERY, 2, 5, 'b');
    char path[400];
    sl_file_info info;
    assert_string_equal(f.staged, ".sluice-staging/1122334455667788-3-7-2-1-5.json");
    assert_string_equal(f.target, "part-00007-1-00005-1122334455667788.json");
    assert_null(f.content.data);
    snprintf(path, sizeof path, "/out/%s", f.staged);
    sl_fs_virtual_crash(w->v, draw, w);
    assert_int_equal(sl_fs_stat(w->fs, path, &info, NULL), SL_OK);
    assert_int_equal(info.size_bytes, f.size_bytes);
    sl_bytes content = { 0 };
    assert_int_equal(sl_fs_read_all(w->fs, path, 1 << 22, &content, NULL), SL_OK);
    sl_hash128 hash = sl_hash128_of(content.data, content.size_bytes);
    assert_true(hash.low == f.hash.low && hash.high == f.hash.high);
    sl_bytes_deinit(&content);
}

static void writer__inline_can_be_forbidden(void **state)
{
    world *w = (world *)*state;
    options_of(w, "path", "/out", NULL);
    sl_write_request q = request_of(w, QUERY, 1, 0);
    sl_staged_file f = { 0 };
    sl_chunk *chunk = chunk_of(1, 'x', 1);
    q.allow_inline = false;
    assert_int_equal(write_file(w, &q, chunk, &f), SL_OK);
    assert_string_not_equal(f.staged, "");
    sl_chunk_unref(chunk);
}

static void writer__an_abandoned_attempt_leaves_no_file(void **state)
{
    world *w = (world *)*state;
    options_of(w, "path", "/out", NULL);
    sl_write_request q = request_of(w, QUERY, 1, 0);
    sl_sink_writer *writer;
    sl_chunk *chunk = chunk_of(3000, 'c', 1000); /* past what is buffered */
    assert_int_equal(sl_sink_writer_open(&q, &writer, &w->err), SL_OK);
    assert_int_equal(sl_sink_writer_write(writer, chunk, &w->err), SL_OK);
    assert_int_equal(count_in(w, STAGING), 1);
    sl_sink_writer_close(writer);
    assert_int_equal(count_in(w, STAGING), 0);
    sl_chunk_unref(chunk);
}

static void writer__names_of_attempts_never_collide(void **state)
{
    world *w = (world *)*state;
    options_of(w, "path", "/out", NULL);
    sl_chunk *chunk = chunk_of(100, 'x', 1000);
    size_t made = 0;
    for (uint32_t i = 0; i < 64; i++) { /* two values of each of the six parts */
        sl_write_request q =
            request_of(w, i & 1 ? QUERY : OTHER, 1 + (i >> 1 & 1), 11 * (i >> 2 & 1));
        sl_staged_file f = { 0 };
        q.stage = 1 + 10 * (i >> 3 & 1);
        q.batch = i >> 4 & 1 ? 1 : 11;
        q.epoch = i >> 5 & 1 ? 1 : 11;
        assert_int_equal(write_file(w, &q, chunk, &f), SL_OK);
        assert_int_equal(count_in(w, STAGING), ++made);
    }
    sl_chunk_unref(chunk);
}

static void writer__a_name_taken_is_an_error_and_stays(void **state)
{
    world *w = (world *)*state;
    options_of(w, "path", "/out", NULL);
    sl_staged_file f = stage(w, QUERY, 1, 0, 'a'), again = { 0 };
    sl_write_request q = request_of(w, QUERY, 1, 0);
    sl_chunk *chunk = chunk_of(100, 'z', 1000);
    assert_int_equal(write_file(w, &q, chunk, &again), SL_EEXISTS);
    assert_says(w, f.staged);
    assert_int_equal(count_in(w, STAGING), 1); /* not ours to remove */
    sl_chunk_unref(chunk);
}

/* ---- publishing ---- */

static void publish__shows_staged_and_inline_files(void **state)
{
    world *w = (world *)*state;
    options_of(w, "path", "/out", NULL);
    sl_staged_file files[] = { stage(w, QUERY, 1, 1, 'a'), stage(w, QUERY, 1, 2, 'b'),
                               small(w, 'c') };
    sl_sink *s = open_sink(w, QUERY);
    assert_int_equal(publish(w, s, files, 3), SL_OK);
    expect_file(w, files[0].target, 'a', 100);
    expect_file(w, files[1].target, 'b', 100);
    expect_file(w, files[2].target, 'c', 2);
    assert_int_equal(count_in(w, STAGING), 0);
    assert_int_equal(count_in(w, "/out"), 4); /* and the staging directory */
    sl_fs_virtual_crash(w->v, draw, w);       /* durable when it returns */
    expect_file(w, files[0].target, 'a', 100);
    expect_file(w, files[2].target, 'c', 2);
    s->class->close(s);
    sl_bytes_deinit(&files[2].content);
}

static void publish__is_the_same_the_second_time(void **state)
{
    world *w = (world *)*state;
    options_of(w, "path", "/out", NULL);
    sl_staged_file files[] = { stage(w, QUERY, 1, 1, 'a'), small(w, 'c') };
    sl_sink *s = open_sink(w, QUERY);
    for (int i = 0; i < 3; i++)
        assert_int_equal(publish(w, s, files, 2), SL_OK);
    assert_int_equal(count_in(w, "/out"), 3);
    s->class->close(s);
    sl_bytes_deinit(&files[1].content);
}

static void publish__a_foreign_file_is_named_and_not_touched(void **state)
{
    world *w = (world *)*state;
    options_of(w, "path", "/out", NULL);
    sl_staged_file files[] = { stage(w, QUERY, 1, 1, 'a'), small(w, 'c') };
    sl_sink *s = open_sink(w, QUERY);
    for (int i = 0; i < 2; i++) {
        char path[400], content[64];
        snprintf(path, sizeof path, "/out/%s", files[i].target);
        /* of the inline output's own size */
        snprintf(content, sizeof content, "%.*s", (int)files[1].size_bytes,
                 "{\"s\":\"foreign, of a size to fool\"}\n\n\n\n\n\n\n\n\n\n\n");
        put_file(w, path, content);
        assert_int_equal(publish(w, s, &files[i], 1), SL_EEXISTS);
        assert_says(w, path);
        assert_says(w, "move it away and start the query again");
        sl_bytes now = { 0 };
        assert_int_equal(sl_fs_read_all(w->fs, path, 1 << 20, &now, NULL), SL_OK);
        assert_string_equal(sl_bytes_cstr(&now), content);
        sl_bytes_deinit(&now);
        assert_int_equal(sl_fs_remove(w->fs, path, NULL), SL_OK);
        assert_int_equal(publish(w, s, &files[i], 1), SL_OK);
    }
    s->class->close(s);
    sl_bytes_deinit(&files[1].content);
}

static void publish__a_target_of_equal_size_must_have_the_same_bytes(void **state)
{
    world *w = (world *)*state;
    options_of(w, "path", "/out", NULL);
    sl_staged_file mine = stage(w, QUERY, 1, 1, 'a'), other = stage(w, QUERY, 2, 1, 'b');
    sl_sink *s = open_sink(w, QUERY);
    assert_int_equal(mine.size_bytes, other.size_bytes);
    assert_int_equal(publish(w, s, &other, 1), SL_OK);
    char path[400];
    snprintf(path, sizeof path, "/out/%s", mine.staged);
    assert_int_equal(sl_fs_remove(w->fs, path, NULL), SL_OK);
    assert_int_equal(publish(w, s, &mine, 1), SL_EEXISTS);
    s->class->close(s);
}

static void publish__a_file_under_both_names_is_published(void **state)
{
    world *w = (world *)*state;
    options_of(w, "path", "/out", NULL);
    sl_staged_file f = stage(w, QUERY, 1, 1, 'a');
    sl_sink *s = open_sink(w, QUERY);
    char from[400], to[400];
    snprintf(from, sizeof from, "/out/%s", f.staged);
    snprintf(to, sizeof to, "/out/%s", f.target);
    assert_int_equal(sl_fs_link(w->fs, from, to, NULL), SL_OK); /* as a power cut may */
    assert_int_equal(publish(w, s, &f, 1), SL_OK);
    expect_file(w, f.target, 'a', 100);
    assert_int_equal(count_in(w, STAGING), 0);
    s->class->close(s);
}

static void publish__output_gone_from_both_places_is_told(void **state)
{
    world *w = (world *)*state;
    options_of(w, "path", "/out", NULL);
    sl_staged_file f = stage(w, QUERY, 1, 1, 'a');
    sl_sink *s = open_sink(w, QUERY);
    char path[400];
    snprintf(path, sizeof path, "/out/%s", f.staged);
    assert_int_equal(sl_fs_remove(w->fs, path, NULL), SL_OK);
    assert_int_equal(publish(w, s, &f, 1), SL_ECORRUPT);
    assert_says(w, f.target);
    assert_says(w, f.staged);
    s->class->close(s);
}

static void publish__two_queries_share_a_directory(void **state)
{
    world *w = (world *)*state;
    options_of(w, "path", "/out", NULL);
    sl_staged_file mine = stage(w, QUERY, 1, 1, 'a'), other = stage(w, OTHER, 1, 1, 'b');
    sl_sink *a = open_sink(w, QUERY), *b = open_sink(w, OTHER);
    assert_int_equal(publish(w, a, &mine, 1), SL_OK);
    assert_int_equal(publish(w, b, &other, 1), SL_OK);
    expect_file(w, mine.target, 'a', 100);
    expect_file(w, other.target, 'b', 100);
    a->class->close(a);
    b->class->close(b);
}

/* ---- clean-up ---- */

static void clean_up__removes_what_no_commit_names(void **state)
{
    world *w = (world *)*state;
    options_of(w, "path", "/out", NULL);
    sl_staged_file lost = stage(w, QUERY, 1, 1, 'a'), kept = stage(w, QUERY, 2, 1, 'b'),
                   other = stage(w, OTHER, 1, 1, 'c');
    sl_sink *s = open_sink(w, QUERY);
    assert_int_equal(count_in(w, STAGING), 3);
    assert_int_equal(s->class->clean_up(s, keep_one, kept.staged, &w->err), SL_OK);
    assert_int_equal(count_in(w, STAGING), 2);
    char path[400];
    snprintf(path, sizeof path, "/out/%s", lost.staged);
    assert_false(sl_fs_exists(w->fs, path));
    assert_int_equal(publish(w, s, &kept, 1), SL_OK);
    assert_int_equal(s->class->clean_up(s, keep_none, NULL, &w->err), SL_OK);
    snprintf(path, sizeof path, "/out/%s", other.staged); /* another query's */
    assert_true(sl_fs_exists(w->fs, path));
    s->class->close(s);
}

static void clean_up__a_directory_never_used_is_clean(void **state)
{
    world *w = (world *)*state;
    options_of(w, "path", "/out", NULL);
    sl_sink *s = open_sink(w, QUERY);
    assert_int_equal(s->class->clean_up(s, keep_none, NULL, &w->err), SL_OK);
    s->class->close(s);
}

/* ---- options ---- */

static void describe__appends_only_and_needs_a_checkpoint(void **state)
{
    world *w = (world *)*state;
    sl_sink_caps caps;
    options_of(w, "path", "/out", NULL);
    assert_int_equal(sl_json_sink.describe(&w->options, &caps, &w->err), SL_OK);
    assert_true(caps.append && !caps.update && !caps.complete && caps.needs_checkpoint);
    assert_int_equal(caps.guarantee, SL_SINK_A);
    options_of(w, NULL);
    assert_int_equal(sl_json_sink.describe(&w->options, &caps, &w->err), SL_EOPTION);
    assert_says(w, "needs the option path");
    options_of(w, "path", "/out", "timezone", "UTC", "compresion", "gzip", NULL);
    assert_int_equal(sl_json_sink.describe(&w->options, &caps, &w->err), SL_EOPTION);
    assert_says(w, "did you mean 'compression'?");
}

static void open__a_directory_that_cannot_be_is_named(void **state)
{
    world *w = (world *)*state;
    sl_sink *s = NULL;
    sl_sink_env env = { .fs = w->fs, .query_hash = QUERY, .schema = schema_s() };
    put_file(w, "/plain", "a file");
    options_of(w, "path", "/plain/out", NULL);
    assert_int_equal(sl_json_sink.open(&env, &w->options, &s, &w->err), SL_EEXISTS);
    assert_says(w, "the output directory /plain/out cannot be used: /plain");
    w->fail_at = w->calls + 1; /* a directory nobody may write to */
    options_of(w, "path", "/out", NULL);
    assert_int_equal(sl_json_sink.open(&env, &w->options, &s, &w->err), SL_EIO);
    assert_says(w, "the output directory /out cannot be used: injected failure");
    assert_null(s);
}

/* ---- faults ---- */

/* The nth file call of staging and publishing two files fails with `code`: the failure is
 * told, a second try of the same batch with the next attempt shows both files once. */
static void sweep(world *w, sl_code fail_code, sl_code told)
{
    uint64_t n = 1;
    w->fail_code = fail_code;
    for (bool over = false; !over; n++) {
        sl_staged_file files[2] = { { .rows = 0 } };
        sl_chunk *chunk = chunk_of(100, 'a', 1000);
        sl_code code = SL_OK;
        w->calls = 0;
        w->fail_at = n;
        for (uint32_t i = 0; i < 2 && code == SL_OK; i++) {
            sl_write_request q = request_of(w, QUERY, 1, i);
            q.batch = (int64_t)n;
            code = write_file(w, &q, chunk, &files[i]);
        }
        sl_sink *s = NULL;
        sl_sink_env env = { .fs = w->fs, .query_hash = QUERY, .schema = schema_s() };
        bool committed = code == SL_OK;
        if (committed)
            code = sl_json_sink.open(&env, &w->options, &s, &w->err);
        if (code == SL_OK)
            code = publish(w, s, files, 2);
        over = w->calls < n;
        w->fail_at = 0;
        if (code != SL_OK) {
            assert_int_equal(code, told);
            assert_says(w, "injected failure");
        }
        if (s == NULL)
            s = open_sink(w, QUERY);
        for (uint32_t i = 0; i < 2 && !committed; i++) {
            sl_write_request q = request_of(w, QUERY, 2, i);
            q.batch = (int64_t)n;
            assert_int_equal(write_file(w, &q, chunk, &files[i]), SL_OK);
        }
        assert_int_equal(publish(w, s, files, 2), SL_OK);
        assert_int_equal(s->class->clean_up(s, keep_none, NULL, NULL), SL_OK);
        assert_int_equal(count_in(w, STAGING), 0);
        assert_int_equal(count_in(w, "/out"), 2 * n + 1);
        s->class->close(s);
        sl_chunk_unref(chunk);
    }
    assert_true(n > 15);
}

static void
faults__a_failing_disk_is_told_and_the_next_try_shows_each_file_once(void **state)
{
    world *w = (world *)*state;
    options_of(w, "path", "/out", NULL);
    sweep(w, SL_EIO, SL_EIO);
}

static void
faults__a_full_disk_is_told_and_the_next_try_shows_each_file_once(void **state)
{
    world *w = (world *)*state;
    options_of(w, "path", "/out", NULL);
    sweep(w, SL_ENOSPACE, SL_ENOSPACE);
}

static void faults__clean_up_that_fails_removes_nothing_it_should_keep(void **state)
{
    world *w = (world *)*state;
    options_of(w, "path", "/out", NULL);
    sl_staged_file kept = stage(w, QUERY, 1, 1, 'a');
    (void)stage(w, QUERY, 1, 2, 'b');
    sl_sink *s = open_sink(w, QUERY);
    for (uint64_t n = 1;; n++) {
        w->calls = 0;
        w->fail_at = n;
        sl_code code = s->class->clean_up(s, keep_one, kept.staged, &w->err);
        w->fail_at = 0;
        if (code == SL_OK)
            break;
        assert_int_equal(code, SL_EIO);
        assert_int_equal(count_in(w, STAGING), 2);
    }
    assert_int_equal(count_in(w, STAGING), 1);
    assert_int_equal(publish(w, s, &kept, 1), SL_OK);
    s->class->close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        W(writer__small_output_makes_no_file),
        W(writer__no_rows_make_no_file),
        W(writer__large_output_is_staged_and_synced),
        W(writer__inline_can_be_forbidden),
        W(writer__an_abandoned_attempt_leaves_no_file),
        W(writer__names_of_attempts_never_collide),
        W(writer__a_name_taken_is_an_error_and_stays),
        W(publish__shows_staged_and_inline_files),
        W(publish__is_the_same_the_second_time),
        W(publish__a_foreign_file_is_named_and_not_touched),
        W(publish__a_target_of_equal_size_must_have_the_same_bytes),
        W(publish__a_file_under_both_names_is_published),
        W(publish__output_gone_from_both_places_is_told),
        W(publish__two_queries_share_a_directory),
        W(clean_up__removes_what_no_commit_names),
        W(clean_up__a_directory_never_used_is_clean),
        W(describe__appends_only_and_needs_a_checkpoint),
        W(open__a_directory_that_cannot_be_is_named),
        W(faults__a_failing_disk_is_told_and_the_next_try_shows_each_file_once),
        W(faults__a_full_disk_is_told_and_the_next_try_shows_each_file_once),
        W(faults__clean_up_that_fails_removes_nothing_it_should_keep),
    };
    (void)read_slice;
    (void)env_of;
    return cmocka_run_group_tests_name("connectors/file sink", tests, NULL, NULL);
}
