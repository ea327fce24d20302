/* Unit tests of the sinks console, memory and noop, and of memory tables as a source. */
#include "tests/unit/connectors/connector_fixture.h"

#include "connectors/memory_table.h"

static const sl_schema *schema_n(void)
{
    static sl_field field = { .name = "n", .nullable = true };
    static sl_schema schema = { 1, &field };
    field.type = sl_type_of(SL_TYPE_INT);
    return &schema;
}

static sl_chunk *chunk_of(int32_t from, int32_t to)
{
    sl_chunk_builder b;
    assert_int_equal(
        sl_chunk_builder_init(&b, schema_n(), (uint32_t)(to - from), NULL, NULL), SL_OK);
    for (int32_t i = from; i < to; i++)
        assert_int_equal(sl_column_builder_i32(&b.columns[0], i, NULL), SL_OK);
    return sl_chunk_builder_finish(&b, (uint32_t)(to - from));
}

/* What was printed, and how printing shall go. */
typedef struct paper {
    sl_bytes text;
    sl_code code;
} paper;

static sl_code print_on(void *user, const char *text, size_t length, sl_error *err)
{
    paper *p = (paper *)user;
    if (p->code != SL_OK)
        return sl_fail(err, p->code, "nobody reads");
    sl_bytes_append(&p->text, text, length);
    return SL_OK;
}

static sl_sink *open_sink(world *w, const sl_sink_class *class, paper *p, int32_t mode)
{
    sl_sink *s = NULL;
    sl_sink_env env = { .fs = w->fs,
                        .zone = sl_time_zone_utc(),
                        .query_name = "q",
                        .schema = schema_n(),
                        .print = print_on,
                        .user = p,
                        .memory = w->memory,
                        .mode = mode };
    if (class->open(&env, &w->options, &s, &w->err) != SL_OK)
        fail_msg("%s", w->err.text);
    return s;
}

static sl_code write_rows(world *w, sl_sink *s, int64_t batch, int32_t from, int32_t to)
{
    sl_chunk *chunk = chunk_of(from, to);
    sl_code code = s->class->write(s, batch, &chunk, to > from ? 1 : 0, &w->err);
    sl_chunk_unref(chunk);
    return code;
}

static int with_memory(void **state)
{
    (void)world_set_up(state);
    ((world *)*state)->memory = sl_memory_tables_new();
    return 0;
}

static int without_memory(void **state)
{
    sl_memory_tables_free(((world *)*state)->memory);
    return world_tear_down(state);
}

/* ---- console ---- */

static void console__prints_sparks_block(void **state)
{
    world *w = (world *)*state;
    paper p = { .code = SL_OK };
    options_of(w, NULL);
    sl_sink *s = open_sink(w, &sl_console_sink, &p, 0);
    assert_int_equal(write_rows(w, s, 3, 1, 3), SL_OK);
    assert_string_equal(sl_bytes_cstr(&p.text),
                        "-------------------------------------------\n"
                        "Batch: 3\n"
                        "-------------------------------------------\n"
                        "+---+\n|  n|\n+---+\n|  1|\n|  2|\n+---+\n\n");
    s->class->close(s);
    sl_bytes_deinit(&p.text);
}

static void console__an_empty_batch_prints_its_header(void **state)
{
    world *w = (world *)*state;
    paper p = { .code = SL_OK };
    options_of(w, "truncate", "false", NULL);
    sl_sink *s = open_sink(w, &sl_console_sink, &p, 0);
    assert_int_equal(write_rows(w, s, 0, 0, 0), SL_OK);
    assert_non_null(strstr(sl_bytes_cstr(&p.text), "+---+\n|n  |\n+---+\n+---+\n\n"));
    s->class->close(s);
    sl_bytes_deinit(&p.text);
}

static void console__more_than_num_rows_ends_without_an_empty_line(void **state)
{
    world *w = (world *)*state;
    paper p = { .code = SL_OK };
    sl_sink_caps caps;
    options_of(w, "numRows", "2", NULL);
    assert_int_equal(sl_console_sink.describe(&w->options, &caps, NULL), SL_OK);
    assert_int_equal(caps.rows_max, 3); /* one more tells that there are more */
    sl_sink *s = open_sink(w, &sl_console_sink, &p, 0);
    assert_int_equal(write_rows(w, s, 0, 0, 3), SL_OK);
    const char *end = sl_bytes_cstr(&p.text) + p.text.size_bytes;
    assert_string_equal(end - 29, &"+---+\nonly showing top 2 rows\n"[1]); /* spark:O3 */
    s->class->close(s);
    sl_bytes_deinit(&p.text);
}

static void console__a_reader_that_has_gone_is_told(void **state)
{
    world *w = (world *)*state;
    paper p = { .code = SL_ECANCELLED };
    options_of(w, NULL);
    sl_sink *s = open_sink(w, &sl_console_sink, &p, 0);
    assert_int_equal(write_rows(w, s, 0, 0, 1), SL_ECANCELLED);
    p.code = SL_OK; /* and the batch can be printed again */
    assert_int_equal(write_rows(w, s, 0, 0, 1), SL_OK);
    assert_non_null(strstr(sl_bytes_cstr(&p.text), "Batch: 0"));
    s->class->close(s);
    sl_bytes_deinit(&p.text);
}

static void console__options_are_parsed_strictly(void **state)
{
    world *w = (world *)*state;
    sl_sink_caps caps;
    options_of(w, "truncate", "20", NULL);
    assert_int_equal(sl_console_sink.describe(&w->options, &caps, &w->err), SL_EOPTION);
    assert_says(w, "must be true or false");
    options_of(w, "numRow", "20", NULL);
    assert_int_equal(sl_console_sink.describe(&w->options, &caps, &w->err), SL_EOPTION);
    assert_says(w, "did you mean 'numRows'?");
    options_of(w, "numRows", "-1", NULL);
    assert_int_equal(sl_console_sink.describe(&w->options, &caps, &w->err), SL_EOPTION);
}

/* ---- memory ---- */

static void memory__append_adds_and_skips_batches_written_before(void **state)
{
    world *w = (world *)*state;
    options_of(w, NULL);
    sl_sink *s = open_sink(w, &sl_memory_sink, NULL, 0);
    assert_int_equal(write_rows(w, s, 0, 0, 3), SL_OK);
    assert_int_equal(write_rows(w, s, 0, 0, 3), SL_OK); /* again after a crash */
    assert_int_equal(write_rows(w, s, 1, 3, 5), SL_OK);
    assert_int_equal(sl_memory_table_rows(w->memory, "q"), 5);
    s->class->close(s);
    assert_int_equal(sl_memory_table_rows(w->memory, "Q"), 5); /* stays, any case */
}

static void memory__complete_replaces(void **state)
{
    world *w = (world *)*state;
    options_of(w, NULL);
    sl_sink *s = open_sink(w, &sl_memory_sink, NULL, 2);
    assert_int_equal(write_rows(w, s, 0, 0, 3), SL_OK);
    assert_int_equal(write_rows(w, s, 1, 0, 4), SL_OK);
    assert_int_equal(sl_memory_table_rows(w->memory, "q"), 4);
    assert_int_equal(write_rows(w, s, 2, 0, 0), SL_OK);
    assert_int_equal(sl_memory_table_rows(w->memory, "q"), 0);
    s->class->close(s);
}

static void memory__needs_a_query_name(void **state)
{
    world *w = (world *)*state;
    sl_sink *s = NULL;
    sl_sink_env env = { .schema = schema_n(), .memory = w->memory };
    options_of(w, NULL);
    assert_int_equal(sl_memory_sink.open(&env, &w->options, &s, &w->err), SL_EANALYSIS);
    assert_string_equal(w->err.text, "queryName must be specified for memory sink");
}

static sl_source *open_table(world *w)
{
    sl_source *s;
    sl_source_env env = env_of(w);
    options_of(w, "table", "q", NULL);
    assert_int_equal(
        sl_memory_source.open(&env, &w->options, schema_n(), true, &s, &w->err), SL_OK);
    return s;
}

static void memory_source__the_same_slices_give_the_same_rows_later(void **state)
{
    world *w = (world *)*state;
    sl_source_batch b, next;
    sl_bytes rows = { 0 };
    options_of(w, NULL);
    sl_sink *sink = open_sink(w, &sl_memory_sink, NULL, 0);
    assert_int_equal(write_rows(w, sink, 0, 0, 3), SL_OK);
    sl_source *s = open_table(w);
    assert_int_equal(s->class->plan(s, false, w->arena, &b, &w->err), SL_OK);
    assert_int_equal(write_rows(w, sink, 1, 3, 5), SL_OK);
    assert_int_equal(s->class->plan(s, false, w->arena, &next, &w->err), SL_OK);
    assert_string_equal(next.start_json, "3");
    assert_string_equal(next.end_json, "5");
    sl_memory_table_truncate(w->memory, "q"); /* slices carry their rows */
    for (uint32_t i = 0; i < b.slice_count; i++)
        read_slice(w, "memory", schema_n(), b.slices[i], 2, &rows);
    for (uint32_t i = 0; i < next.slice_count; i++)
        read_slice(w, "memory", schema_n(), next.slices[i], 2, &rows);
    assert_string_equal(sl_bytes_cstr(&rows), "0\n1\n2\n3\n4\n");
    sl_bytes_deinit(&rows);
    s->class->close(s);
    sink->class->close(sink);
}

static void memory_source__a_dropped_table_is_told(void **state)
{
    world *w = (world *)*state;
    sl_source_batch b;
    options_of(w, NULL);
    sl_sink *sink = open_sink(w, &sl_memory_sink, NULL, 0);
    sl_source *s = open_table(w);
    sl_memory_table_drop(w->memory, "q");
    assert_int_equal(s->class->plan(s, false, w->arena, &b, &w->err), SL_ESOURCE);
    assert_says(w, "memory table q was dropped");
    s->class->close(s);
    sink->class->close(sink);
}

/* ---- noop ---- */

static void noop__takes_rows_and_keeps_none(void **state)
{
    world *w = (world *)*state;
    sl_write_request q = { .fs = w->fs, .connector = "noop", .schema = schema_n() };
    sl_sink_writer *writer;
    sl_staged_file f;
    sl_sink_caps caps;
    bool has_file = true;
    sl_chunk *chunk = chunk_of(0, 100);
    options_of(w, NULL);
    assert_int_equal(sl_noop_sink.describe(&w->options, &caps, &w->err), SL_OK);
    assert_true(caps.append && caps.update && caps.complete && !caps.to_driver);
    assert_int_equal(sl_sink_writer_open(&q, &writer, &w->err), SL_OK);
    assert_int_equal(sl_sink_writer_write(writer, chunk, &w->err), SL_OK);
    assert_int_equal(sl_sink_writer_finish(writer, &has_file, &f, &w->err), SL_OK);
    assert_false(has_file);
    sl_sink_writer_close(writer);
    assert_int_equal(w->calls, 0); /* no file was touched */
    sl_chunk_unref(chunk);
    options_of(w, "path", "/x", NULL);
    assert_int_equal(sl_noop_sink.describe(&w->options, &caps, &w->err), SL_EOPTION);
    assert_says(w, "noop sink has no option 'path'");
}

#define M(name) cmocka_unit_test_setup_teardown(name, with_memory, without_memory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        W(console__prints_sparks_block),
        W(console__an_empty_batch_prints_its_header),
        W(console__more_than_num_rows_ends_without_an_empty_line),
        W(console__a_reader_that_has_gone_is_told),
        W(console__options_are_parsed_strictly),
        M(memory__append_adds_and_skips_batches_written_before),
        M(memory__complete_replaces),
        M(memory__needs_a_query_name),
        M(memory_source__the_same_slices_give_the_same_rows_later),
        M(memory_source__a_dropped_table_is_told),
        W(noop__takes_rows_and_keeps_none),
    };
    return cmocka_run_group_tests_name("connectors/sinks", tests, NULL, NULL);
}
