/* Unit tests of connectors/file: the planning and reading halves of the JSON source
 * (spark.md 4.1). */
#include "tests/unit/connectors/connector_fixture.h"

#include "connectors/file/file_private.h"
#include "connectors/file/file_slice_private.h"

static const sl_schema *schema_a(void)
{
    static sl_field field = { .name = "a", .nullable = true };
    static sl_schema schema = { 1, &field };
    field.type = sl_type_of(SL_TYPE_LONG);
    return &schema;
}

static sl_source *open_stream(world *w)
{
    sl_source *s = NULL;
    sl_source_env env = env_of(w);
    if (sl_json_source.open(&env, &w->options, schema_a(), true, &s, &w->err) != SL_OK)
        fail_msg("%s", w->err.text);
    return s;
}

static void close_source(sl_source *s)
{
    s->class->close(s);
}

static sl_source_batch plan(world *w, sl_source *s)
{
    sl_source_batch b;
    if (s->class->plan(s, false, w->arena, &b, &w->err) != SL_OK)
        fail_msg("%s", w->err.text);
    return b;
}

/* The files of a batch: "a.json b.json", base names in the order of their slices. */
static const char *files_of(world *w, const sl_source_batch *b)
{
    sl_bytes out = { 0 };
    for (uint32_t i = 0; i < b->slice_count; i++) {
        sl_file_slice slice;
        assert_int_equal(sl_file_slice__read(b->slices[i], w->arena, &slice, NULL),
                         SL_OK);
        sl_bytes_printf(&out, "%s%s", i == 0 ? "" : " ", strrchr(slice.path, '/') + 1);
    }
    const char *text = sl_arena_strdup(w->arena, sl_bytes_cstr(&out));
    sl_bytes_deinit(&out);
    return text;
}

static const char *next_files(world *w, sl_source *s)
{
    sl_source_batch b = plan(w, s);
    return files_of(w, &b);
}

static sl_code describe(world *w, const sl_schema *schema, bool streaming,
                        sl_source_caps *ret)
{
    sl_source_env env = env_of(w);
    return sl_json_source.describe(&env, &w->options, schema, streaming, w->arena, ret,
                                   &w->err);
}

/* ---- order and limits ---- */

static void plan__takes_files_by_time_ties_by_path(void **state)
{
    world *w = (world *)*state;
    put_file(w, "/in/z.json", "{}");
    pass_seconds(w, 1);
    put_file(w, "/in/b.json", "{}");
    put_file(w, "/in/a.json", "{}");
    options_of(w, "path", "/in", NULL);
    sl_source *s = open_stream(w);
    sl_source_batch b = plan(w, s);
    assert_string_equal(files_of(w, &b), "z.json a.json b.json");
    assert_string_equal(b.start_json, "null");
    assert_string_equal(b.end_json, "{\"logOffset\":0}");
    assert_int_equal(b.seen_count, 3);
    assert_int_equal(b.seen[1].mtime_us, (START_S + 1) * 1000000);
    assert_false(plan(w, s).has_data);
    close_source(s);
}

static void plan__hidden_names_are_not_files(void **state)
{
    world *w = (world *)*state;
    put_file(w, "/in/_done.json", "{}");
    put_file(w, "/in/.half.json", "{}");
    put_file(w, "/in/.sluice-staging/x.json", "{}");
    put_file(w, "/in/ok.json", "{}");
    options_of(w, "path", "/in", "recursiveFileLookup", "true", NULL);
    sl_source *s = open_stream(w);
    assert_string_equal(next_files(w, s), "ok.json");
    close_source(s);
}

static void plan__no_offset_before_the_first_file(void **state)
{
    world *w = (world *)*state;
    assert_int_equal(sl_fs_make_dirs(w->fs, "/in", NULL), SL_OK);
    options_of(w, "path", "/in", NULL);
    sl_source *s = open_stream(w);
    sl_source_batch b = plan(w, s);
    assert_false(b.has_data); /* FS4 */
    assert_string_equal(b.end_json, "null");
    close_source(s);
}

static void plan__an_empty_file_is_a_batch(void **state)
{
    world *w = (world *)*state;
    put_file(w, "/in/empty.json", "");
    options_of(w, "path", "/in", NULL);
    sl_source *s = open_stream(w);
    assert_true(plan(w, s).has_data); /* FS7 */
    close_source(s);
}

static void plan__respects_max_files_per_trigger(void **state)
{
    world *w = (world *)*state;
    for (int i = 0; i < 5; i++) {
        char path[32];
        snprintf(path, sizeof path, "/in/%d.json", i);
        put_file(w, path, "{}");
    }
    options_of(w, "path", "/in", "maxFilesPerTrigger", "2", NULL);
    sl_source *s = open_stream(w);
    assert_string_equal(next_files(w, s), "0.json 1.json");
    assert_string_equal(next_files(w, s), "2.json 3.json");
    assert_string_equal(next_files(w, s), "4.json");
    assert_string_equal(next_files(w, s), "");
    close_source(s);
}

static void plan__max_bytes_takes_at_least_one_file(void **state)
{
    world *w = (world *)*state;
    put_file(w, "/in/a.json", "0123456789");
    put_file(w, "/in/b.json", "0123");
    put_file(w, "/in/c.json", "01234");
    put_file(w, "/in/d.json", "0");
    options_of(w, "path", "/in", "maxBytesPerTrigger", "9", NULL);
    sl_source *s = open_stream(w);
    assert_string_equal(next_files(w, s), "a.json"); /* larger than the cap */
    assert_string_equal(next_files(w, s), "b.json c.json");
    assert_string_equal(next_files(w, s), "d.json");
    close_source(s);
}

static void plan__once_ignores_limits(void **state)
{
    world *w = (world *)*state;
    sl_source_batch b;
    put_file(w, "/in/a.json", "{}");
    put_file(w, "/in/b.json", "{}");
    options_of(w, "path", "/in", "maxFilesPerTrigger", "1", NULL);
    sl_source *s = open_stream(w);
    assert_int_equal(s->class->plan(s, true, w->arena, &b, &w->err), SL_OK);
    assert_string_equal(files_of(w, &b), "a.json b.json");
    close_source(s);
}

static void plan__latest_first_looks_at_each_batch(void **state)
{
    world *w = (world *)*state;
    for (int i = 0; i < 3; i++) {
        char path[32];
        snprintf(path, sizeof path, "/in/%d.json", i);
        put_file(w, path, "{}");
        pass_seconds(w, 1);
    }
    options_of(w, "path", "/in", "maxFilesPerTrigger", "1", "latestFirst", "true", NULL);
    sl_source *s = open_stream(w);
    assert_string_equal(next_files(w, s), "2.json");
    put_file(w, "/in/new.json", "{}"); /* goes before what waits */
    assert_string_equal(next_files(w, s), "new.json");
    assert_string_equal(next_files(w, s), "1.json");
    assert_string_equal(next_files(w, s), "0.json");
    close_source(s);
}

static void plan__files_are_cut_into_slices_by_bytes(void **state)
{
    world *w = (world *)*state;
    sl_source_env env = env_of(w);
    sl_source *s;
    put_file(w, "/in/a.json", "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n");
    options_of(w, "path", "/in", NULL);
    env.slice_bytes = 10;
    assert_int_equal(sl_json_source.open(&env, &w->options, schema_a(), true, &s, NULL),
                     SL_OK);
    sl_source_batch b = plan(w, s);
    sl_bytes rows = { 0 };
    assert_int_equal(b.slice_count, 3);
    assert_int_equal(b.seen_count, 1);
    for (uint32_t i = 0; i < b.slice_count; i++)
        read_slice(w, "json", schema_a(), b.slices[i], 1, &rows);
    assert_string_equal(sl_bytes_cstr(&rows), "1\n2\n3\n");
    sl_bytes_deinit(&rows);
    close_source(s);
}

static void plan__cached_listings_are_bounded(void **state)
{
    world *w = (world *)*state;
    for (int i = 0; i < 6; i++) {
        char path[32];
        snprintf(path, sizeof path, "/in/%d.json", i);
        put_file(w, path, "{}");
    }
    pass_seconds(w, 10); /* the directory has settled: only a dropped cache lists again */
    options_of(w, "path", "/in", "maxFilesPerTrigger", "1", "maxCachedFiles", "2", NULL);
    sl_source *s = open_stream(w);
    for (int i = 0; i < 6; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d.json", i);
        assert_string_equal(next_files(w, s), name);
    }
    assert_string_equal(next_files(w, s), "");
    close_source(s);
}

static void plan__a_cache_too_small_for_a_batch_is_listed_again(void **state)
{
    world *w = (world *)*state;
    for (int i = 0; i < 6; i++) {
        char path[32];
        snprintf(path, sizeof path, "/in/%d.json", i);
        put_file(w, path, "{}");
    }
    options_of(w, "path", "/in", "maxFilesPerTrigger", "5", "discardCachedInputRatio",
               "0.5", NULL);
    sl_source *s = open_stream(w);
    assert_string_equal(next_files(w, s), "0.json 1.json 2.json 3.json 4.json");
    put_file(w, "/in/6.json", "{}");
    assert_string_equal(next_files(w, s), "5.json 6.json");
    close_source(s);
}

static void freeze__later_files_are_not_read(void **state)
{
    world *w = (world *)*state;
    put_file(w, "/in/a.json", "{}");
    put_file(w, "/in/b.json", "{}");
    options_of(w, "path", "/in", "maxFilesPerTrigger", "1", NULL);
    sl_source *s = open_stream(w);
    assert_int_equal(s->class->freeze(s, &w->err), SL_OK);
    put_file(w, "/in/c.json", "{}");
    assert_string_equal(next_files(w, s), "a.json");
    assert_string_equal(next_files(w, s), "b.json");
    assert_string_equal(next_files(w, s), "");
    close_source(s);
}

/* ---- which files ---- */

static void list__globs_any_part_of_the_path(void **state)
{
    static const struct {
        const char *path, *files;
    } cases[] = {
        { "/d/2024-*/x/*.json", "1.json 2.json" },
        { "/d/2024-0[12]/x", "1.json n.txt 2.json" },
        { "/d/*/x/{1,3}.json", "1.json 3.json" },
        { "/d/{2024-01,2025-01}/x/?.json", "1.json 3.json" },
        { "/d/2024-01/x/1.json", "1.json" },
        { "/d/nothing*", "" },
        { "/nowhere/*", "" },
    };
    world *w = (world *)*state;
    put_file(w, "/d/2024-01/x/1.json", "{}");
    put_file(w, "/d/2024-01/x/n.txt", "{}");
    put_file(w, "/d/2024-02/x/2.json", "{}");
    put_file(w, "/d/2025-01/x/3.json", "{}");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        options_of(w, "path", cases[i].path, NULL);
        sl_source *s = open_stream(w);
        assert_string_equal(next_files(w, s), cases[i].files);
        close_source(s);
    }
}

static void list__a_glob_of_a_thousand_braces_ends(void **state)
{
    char pattern[512] = "";
    (void)state;
    for (int i = 0; i < 60; i++)
        strcat(pattern, "{a,b}");
    assert_false(sl_file__glob_matches(pattern, "zzz"));
    assert_true(sl_file__glob_matches("{a,{b,c}d}x", "cdx"));
    assert_false(sl_file__glob_matches("{a,{b,c}d}x", "cx"));
    assert_true(sl_file__glob_matches("a\\{b", "a{b"));
}

static void list__path_glob_filter_is_about_names(void **state)
{
    world *w = (world *)*state;
    put_file(w, "/in/a.json", "{}");
    put_file(w, "/in/b.txt", "{}");
    put_file(w, "/in/deep/c.json", "{}");
    options_of(w, "path", "/in", "pathGlobFilter", "*.{json,js}", "recursiveFileLookup",
               "true", NULL);
    sl_source *s = open_stream(w);
    assert_string_equal(next_files(w, s), "a.json c.json");
    close_source(s);
}

static void list__directories_inside_need_recursive_file_lookup(void **state)
{
    world *w = (world *)*state;
    put_file(w, "/in/a.json", "{}");
    put_file(w, "/in/deep/er/c.json", "{}");
    options_of(w, "path", "/in", NULL);
    sl_source *s = open_stream(w);
    assert_string_equal(next_files(w, s), "a.json");
    close_source(s);
    options_of(w, "path", "/in", "recursiveFileLookup", "true", NULL);
    s = open_stream(w);
    assert_string_equal(next_files(w, s), "a.json c.json");
    close_source(s);
}

static void list__partition_directories_are_refused_not_left_out(void **state)
{
    world *w = (world *)*state;
    sl_source_batch b;
    put_file(w, "/in/day=1/a.json", "{}");
    options_of(w, "path", "/in", NULL);
    sl_source *s = open_stream(w);
    assert_int_equal(s->class->plan(s, false, w->arena, &b, &w->err), SL_EUNSUPPORTED);
    assert_says(w, "/in/day=1 looks like a partition directory");
    close_source(s);
}

static void list__modified_after_and_before_are_exclusive(void **state)
{
    world *w = (world *)*state;
    sl_source_env env = env_of(w);
    sl_source *s;
    for (int i = 0; i < 4; i++) { /* 12:26:40 .. 12:26:43 */
        char path[32];
        snprintf(path, sizeof path, "/in/%d.json", i);
        put_file(w, path, "{}");
        pass_seconds(w, 1);
    }
    options_of(w, "path", "/in", "modifiedAfter", "2020-09-13T12:26:40", "modifiedBefore",
               "2020-09-13T14:26:43", "timeZone", "UTC", NULL);
    assert_int_equal(sl_json_source.open(&env, &w->options, schema_a(), false, &s, NULL),
                     SL_OK);
    assert_string_equal(next_files(w, s), "1.json 2.json 3.json");
    close_source(s);
    options_of(w, "path", "/in", "modifiedBefore", "2020-09-13T14:26:42", "timeZone",
               "+02:00", NULL);
    assert_int_equal(sl_json_source.open(&env, &w->options, schema_a(), false, &s, NULL),
                     SL_OK);
    assert_string_equal(next_files(w, s), "0.json 1.json");
    close_source(s);
}

/* ---- the seen set ---- */

static void seen__a_modified_file_is_not_read_again(void **state)
{
    world *w = (world *)*state;
    put_file(w, "/in/a.json", "{}");
    options_of(w, "path", "/in", NULL);
    sl_source *s = open_stream(w);
    assert_string_equal(next_files(w, s), "a.json");
    pass_seconds(w, 1);
    assert_int_equal(sl_fs_remove(w->fs, "/in/a.json", NULL), SL_OK);
    put_file(w, "/in/a.json", "{\"a\":1}");
    assert_string_equal(next_files(w, s), ""); /* FS2 */
    close_source(s);
}

static void seen__file_name_only_knows_files_by_their_names(void **state)
{
    world *w = (world *)*state;
    put_file(w, "/in/x/a.json", "{}");
    options_of(w, "path", "/in/*", "fileNameOnly", "true", NULL);
    sl_source *s = open_stream(w);
    sl_source_batch b = plan(w, s);
    assert_string_equal(b.seen[0].key, "/in/x/a.json"); /* whole, should it be unset */
    put_file(w, "/in/y/a.json", "{}");
    put_file(w, "/in/y/b.json", "{}");
    assert_string_equal(next_files(w, s), "b.json");
    close_source(s);
}

static void seen__the_horizon_moves_with_the_newest_file(void **state)
{
    world *w = (world *)*state;
    options_of(w, "path", "/in", "maxFileAge", "10s", NULL);
    put_file(w, "/in/a.json", "{}");
    int64_t late_ns = w->now_ns;
    sl_source *s = open_stream(w);
    assert_string_equal(next_files(w, s), "a.json");
    pass_seconds(w, 11);
    put_file(w, "/in/b.json", "{}");
    assert_string_equal(next_files(w, s), "b.json");
    assert_string_equal(next_files(w, s), ""); /* a is behind it: seen or not, too old */
    w->now_ns = late_ns;
    put_file(w, "/in/too-late.json", "{}");
    assert_string_equal(next_files(w, s), "");
    w->now_ns = late_ns + SECOND_NS;
    put_file(w, "/in/just-in-time.json", "{}");
    assert_string_equal(next_files(w, s), "just-in-time.json");
    close_source(s);
}

static void seen__stays_bounded_by_max_file_age(void **state)
{
    sl_file_seen seen;
    sl_file_options options = { .age_max_us = 100 };
    uint32_t most = 0, moves = 0;
    int64_t swept_us = INT64_MIN;
    (void)state;
    assert_int_equal(sl_file__seen_init(&seen, &options, NULL), SL_OK);
    for (int64_t i = 0; i < 20000; i++) { /* 100 files within the age at any time */
        char path[32];
        snprintf(path, sizeof path, "/in/%lld", (long long)i);
        assert_true(sl_file__seen_is_new(&seen, path, i));
        assert_int_equal(sl_file__seen_add(&seen, path, i, NULL), SL_OK);
        assert_false(sl_file__seen_is_new(&seen, path, i));
        sl_file__seen_purge(&seen);
        uint32_t count = sl_hash_table_count(seen.table);
        most = count > most ? count : most;
        moves += seen.swept_us != swept_us;
        swept_us = seen.swept_us;
        assert_true(swept_us <= seen.horizon_us);
    }
    assert_true(most < 300);
    /* The journal walks its entries as seldom as the set is swept. */
    assert_true(swept_us > 20000 - 300);
    assert_in_range(moves, 1, 20000 / 64);
    sl_file__seen_deinit(&seen);
}

static void seen__latest_first_with_a_limit_has_no_horizon(void **state)
{
    world *w = (world *)*state;
    put_file(w, "/in/old.json", "{}");
    pass_seconds(w, 1000);
    put_file(w, "/in/new.json", "{}");
    options_of(w, "path", "/in", "maxFileAge", "1s", "latestFirst", "true",
               "maxFilesPerTrigger", "1", NULL);
    sl_source *s = open_stream(w);
    assert_string_equal(next_files(w, s), "new.json");
    assert_string_equal(next_files(w, s), "old.json");
    close_source(s);
}

static void restore__no_file_is_read_twice_or_lost(void **state)
{
    world *w = (world *)*state;
    put_file(w, "/in/a.json", "{}");
    pass_seconds(w, 1);
    put_file(w, "/in/b.json", "{}");
    options_of(w, "path", "/in", "maxFilesPerTrigger", "1", NULL);
    sl_source *s = open_stream(w), *again = open_stream(w);
    sl_source_batch first = plan(w, s);
    assert_int_equal(again->class->restore_seen(again, first.seen[0].key,
                                                first.seen[0].mtime_us, (sl_span){ 0 },
                                                NULL),
                     SL_OK);
    assert_int_equal(again->class->restore_offset(again, first.end_offset, NULL), SL_OK);
    sl_source_batch b = plan(w, again);
    assert_string_equal(files_of(w, &b), "b.json");
    assert_string_equal(b.start_json, "{\"logOffset\":0}");
    assert_string_equal(b.end_json, "{\"logOffset\":1}");
    close_source(s);
    close_source(again);
}

static void restore__a_longer_max_file_age_brings_nothing_back(void **state)
{
    world *w = (world *)*state;
    put_file(w, "/in/a.json", "{}");
    options_of(w, "path", "/in", "maxFileAge", "10s", NULL);
    sl_source *s = open_stream(w);
    (void)plan(w, s);
    pass_seconds(w, 100);
    put_file(w, "/in/b.json", "{}");
    sl_source_batch b = plan(w, s);
    options_of(w, "path", "/in", "maxFileAge", "7d", NULL);
    sl_source *again = open_stream(w); /* a's entry was forgotten with the horizon */
    assert_int_equal(again->class->restore_seen(again, b.seen[0].key, b.seen[0].mtime_us,
                                                (sl_span){ 0 }, NULL),
                     SL_OK);
    assert_int_equal(again->class->restore_offset(again, b.end_offset, NULL), SL_OK);
    assert_string_equal(next_files(w, again), "");
    close_source(s);
    close_source(again);
}

static void restore_offset__refuses_bytes_cut_anywhere(void **state)
{
    world *w = (world *)*state;
    put_file(w, "/in/a.json", "{}");
    options_of(w, "path", "/in", NULL);
    sl_source *s = open_stream(w);
    sl_source_batch b = plan(w, s);
    for (size_t n = 0; n < b.end_offset.size_bytes; n++)
        assert_int_equal(
            s->class->restore_offset(s, sl_span_of(b.end_offset.data, n), &w->err),
            SL_ECORRUPT);
    for (size_t n = 0; n < b.slices[0].size_bytes; n++) {
        sl_span part = sl_span_of(b.slices[0].data, n);
        assert_int_equal(s->class->check(s, &part, 1, &w->err), SL_ECORRUPT);
    }
    close_source(s);
}

/* ---- planned files that change ---- */

static void check__a_planned_file_that_changed_or_vanished_is_named(void **state)
{
    world *w = (world *)*state;
    put_file(w, "/in/a.json", "{\"a\":1}");
    options_of(w, "path", "/in", NULL);
    sl_source *s = open_stream(w);
    sl_source_batch b = plan(w, s);
    assert_int_equal(s->class->check(s, b.slices, 1, &w->err), SL_OK);
    assert_int_equal(sl_fs_remove(w->fs, "/in/a.json", NULL), SL_OK);
    assert_int_equal(s->class->check(s, b.slices, 1, &w->err), SL_ESOURCE);
    assert_says(w, "/in/a.json was planned and is gone");
    put_file(w, "/in/a.json", "{\"a\":1}"); /* the same bytes, another file */
    assert_int_equal(s->class->check(s, b.slices, 1, &w->err), SL_ESOURCE);
    assert_says(w, "/in/a.json changed after it was planned");
    close_source(s);
}

static sl_code read_code(world *w, sl_span slice)
{
    uint32_t column = 0;
    sl_source_reader *r = NULL;
    sl_chunk *chunk = NULL;
    sl_read_request q = { .fs = w->fs,
                          .connector = "json",
                          .options = w->options,
                          .schema = schema_a(),
                          .columns = &column,
                          .column_count = 1,
                          .slice = slice,
                          .chunk_rows = 100,
                          .zone = sl_time_zone_utc() };
    sl_code code = sl_source_reader_open(&q, &r, &w->err);
    while (code == SL_OK) {
        code = sl_source_reader_next(r, &chunk, &w->err);
        if (code != SL_OK || chunk == NULL)
            break;
        sl_chunk_unref(chunk);
    }
    sl_source_reader_close(r);
    return code;
}

static void read__notices_a_file_that_grows_while_it_is_read(void **state)
{
    world *w = (world *)*state;
    sl_file *f;
    put_file(w, "/in/a.json", "{\"a\":1}\n");
    options_of(w, "path", "/in", NULL);
    sl_source *s = open_stream(w);
    sl_source_batch b = plan(w, s);
    assert_int_equal(read_code(w, b.slices[0]), SL_OK);
    pass_seconds(w, 1);
    assert_int_equal(sl_fs_open(w->fs, "/in/a.json", SL_OPEN_APPEND, &f, NULL), SL_OK);
    assert_int_equal(sl_file_append(f, "{\"a\":2}\n", 8, NULL), SL_OK);
    sl_file_close(f);
    assert_int_equal(read_code(w, b.slices[0]), SL_ESOURCE);
    assert_says(w, "/in/a.json changed after it was planned");
    assert_int_equal(sl_fs_remove(w->fs, "/in/a.json", NULL), SL_OK);
    assert_int_equal(read_code(w, b.slices[0]), SL_ESOURCE);
    assert_says(w, "is gone");
    close_source(s);
}

/* ---- cleanSource ---- */

static void clean_source__delete_removes_files_of_a_committed_batch(void **state)
{
    world *w = (world *)*state;
    put_file(w, "/in/a.json", "{}");
    put_file(w, "/in/b.json", "{}");
    options_of(w, "path", "/in", "cleanSource", "DELETE", "maxFilesPerTrigger", "1",
               NULL);
    sl_source *s = open_stream(w);
    sl_source_batch b = plan(w, s);
    assert_true(sl_fs_exists(w->fs, "/in/a.json"));
    assert_int_equal(s->class->committed(s, b.slices, b.slice_count, &w->err), SL_OK);
    assert_false(sl_fs_exists(w->fs, "/in/a.json"));
    assert_true(sl_fs_exists(w->fs, "/in/b.json"));
    assert_int_equal(s->class->committed(s, b.slices, b.slice_count, &w->err), SL_OK);
    close_source(s);
}

static void clean_source__archive_keeps_the_whole_path(void **state)
{
    world *w = (world *)*state;
    put_file(w, "/in/deep/a.json", "{}");
    options_of(w, "path", "/in/deep", "cleanSource", "archive", "sourceArchiveDir",
               "/done", NULL);
    sl_source *s = open_stream(w);
    sl_source_batch b = plan(w, s);
    assert_int_equal(s->class->committed(s, b.slices, b.slice_count, &w->err), SL_OK);
    assert_false(sl_fs_exists(w->fs, "/in/deep/a.json"));
    assert_true(sl_fs_exists(w->fs, "/done/in/deep/a.json"));
    close_source(s);
}

static void clean_source__a_file_that_changed_is_left_alone(void **state)
{
    world *w = (world *)*state;
    put_file(w, "/in/a.json", "{}");
    put_file(w, "/in/b.json", "{}");
    options_of(w, "path", "/in", "cleanSource", "delete", NULL);
    sl_source *s = open_stream(w);
    sl_source_batch b = plan(w, s);
    assert_int_equal(sl_fs_remove(w->fs, "/in/a.json", NULL), SL_OK);
    put_file(w, "/in/a.json", "{\"a\":7}");
    assert_int_equal(s->class->committed(s, b.slices, b.slice_count, &w->err),
                     SL_ESOURCE);
    assert_true(sl_fs_exists(w->fs, "/in/a.json"));
    assert_false(sl_fs_exists(w->fs, "/in/b.json")); /* the others are cleaned */
    close_source(s);
}

/* ---- describe ---- */

static void describe__a_stream_without_schema_is_refused(void **state)
{
    world *w = (world *)*state;
    sl_source_caps caps;
    put_file(w, "/in/a.json", "{\"a\":1}");
    options_of(w, "path", "/in", NULL);
    assert_int_equal(describe(w, NULL, true, &caps), SL_EANALYSIS);
    assert_string_equal(w->err.condition, "_LEGACY_ERROR_TEMP_2048");
    assert_says(w, "Schema must be specified when creating a streaming source");
}

static void describe__a_batch_infers_its_schema(void **state)
{
    world *w = (world *)*state;
    sl_source_caps caps;
    sl_bytes text = { 0 };
    put_file(w, "/in/a.json", "{\"b\":1}\n{\"a\":\"x\"}\n");
    put_file(w, "/in/b.json", "{\"b\":1.5}\n");
    options_of(w, "path", "/in", NULL);
    assert_int_equal(describe(w, NULL, false, &caps), SL_OK);
    sl_schema_simple(caps.schema, &text);
    assert_string_equal(sl_bytes_cstr(&text), "struct<a:string,b:double>"); /* FJ4 */
    sl_bytes_deinit(&text);
}

static void describe__an_empty_directory_has_no_schema(void **state)
{
    world *w = (world *)*state;
    sl_source_caps caps;
    assert_int_equal(sl_fs_make_dirs(w->fs, "/in", NULL), SL_OK);
    options_of(w, "path", "/in", NULL);
    assert_int_equal(describe(w, NULL, false, &caps), SL_EANALYSIS);
    assert_string_equal(w->err.condition, "UNABLE_TO_INFER_SCHEMA");
}

static void describe__a_missing_path_is_named(void **state)
{
    world *w = (world *)*state;
    sl_source_caps caps;
    options_of(w, "path", "/nowhere", NULL);
    assert_int_equal(describe(w, schema_a(), true, &caps), SL_EANALYSIS);
    assert_string_equal(w->err.condition, "PATH_NOT_FOUND");
    assert_says(w, "Path does not exist: file:/nowhere.");
    options_of(w, "path", "/nowhere/*.json", NULL);
    assert_int_equal(describe(w, schema_a(), true, &caps), SL_OK); /* may come yet */
    assert_int_equal(describe(w, schema_a(), false, &caps), SL_EANALYSIS);
}

static void describe__bad_options_are_refused(void **state)
{
    static const struct {
        const char *name, *value, *says;
    } bad[] = {
        { "maxFilesPerTriger", "1", "did you mean 'maxFilesPerTrigger'?" },
        { "maxFilesPerTrigger", "0", "must be a whole number from 1" },
        { "maxFilesPerTrigger", "-5", "must be a whole number from 1" },
        { "maxBytesPerTrigger", "x", "must be a whole number from 1" },
        { "latestFirst", "perhaps", "must be true or false" },
        { "maxFileAge", "old", "must be a time such as '7d'" },
        { "maxCachedFiles", "-1", "must be a whole number from 0" },
        { "discardCachedInputRatio", "1.5", "a number from 0 to 1" },
        { "cleanSource", "burn", "must be one of archive, delete, off" },
        { "cleanSource", "archive", "must be used with 'sourceArchiveDir'" },
        { "modifiedAfter", "2020-01-01T00:00:00",
          "option 'modifiedAfter' is not allowed in file stream sources" },
        { "modifiedBefore", "2020-01-01T00:00:00",
          "option 'modifiedBefore' is not allowed in file stream sources" },
        { "ignoreMissingFiles", "true", "would be lost without a word" },
        { "ignoreCorruptFiles", "true", "would be lost without a word" },
        { "mode", "LOOSE", "LOOSE" },
    };
    world *w = (world *)*state;
    sl_source_caps caps;
    assert_int_equal(sl_fs_make_dirs(w->fs, "/in", NULL), SL_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        options_of(w, "path", "/in", bad[i].name, bad[i].value, NULL);
        assert_int_not_equal(describe(w, schema_a(), true, &caps), SL_OK);
        assert_says(w, bad[i].says);
    }
    options_of(w, NULL);
    assert_int_equal(describe(w, schema_a(), true, &caps), SL_EOPTION);
    assert_string_equal(w->err.condition, "MISSING_OPTION");
    options_of(w, "path", "/in", "maxFilesPerTrigger", "1", "maxBytesPerTrigger", "1",
               NULL);
    assert_int_equal(describe(w, schema_a(), true, &caps), SL_EOPTION);
    assert_says(w, "cannot both be given");
    options_of(w, "path", "/in", "modifiedAfter", "yesterday", NULL);
    assert_int_equal(describe(w, schema_a(), false, &caps), SL_EOPTION);
    assert_says(w, "but the provided timestamp: yesterday");
}

static void describe__an_archive_that_would_be_read_is_refused(void **state)
{
    static const char *const paths[][2] = {
        { "/in", "/in/done" },
        { "/in/deep", "/in" },
        { "/in", "/in" },
        { "/in/*/x", "/in/done" },
    };
    world *w = (world *)*state;
    sl_source_caps caps;
    put_file(w, "/in/deep/a.json", "{}");
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        options_of(w, "path", paths[i][0], "cleanSource", "archive", "sourceArchiveDir",
                   paths[i][1], NULL);
        assert_int_equal(describe(w, schema_a(), true, &caps), SL_EOPTION);
        assert_says(w, "overlap");
    }
    options_of(w, "path", "/in", "cleanSource", "archive", "sourceArchiveDir",
               "/input-archive", NULL);
    assert_int_equal(describe(w, schema_a(), true, &caps), SL_OK);
}

/* ---- faults ---- */

/* Open, list, plan, check, read, clean; the nth file call fails: the failure is told, and
 * without it the same files come. */
static sl_code whole_life(world *w, sl_source **ret, const char **ret_files)
{
    sl_source_env env = env_of(w);
    sl_source_caps caps;
    sl_source_batch b;
    *ret = NULL;
    SL_TRY(sl_json_source.describe(&env, &w->options, NULL, false, w->arena, &caps,
                                   &w->err));
    SL_TRY(sl_json_source.open(&env, &w->options, caps.schema, true, ret, &w->err));
    sl_source *s = *ret;
    SL_TRY(s->class->freeze(s, &w->err));
    SL_TRY(s->class->plan(s, false, w->arena, &b, &w->err));
    *ret_files = files_of(w, &b);
    SL_TRY(s->class->check(s, b.slices, b.slice_count, &w->err));
    for (uint32_t i = 0; i < b.slice_count; i++)
        SL_TRY(read_code(w, b.slices[i]));
    return SL_OK;
}

static void faults__each_file_call_that_fails_is_told_and_loses_nothing(void **state)
{
    world *w = (world *)*state;
    put_file(w, "/in/a.json", "{\"a\":1}\n");
    put_file(w, "/in/deep/b.json", "{\"a\":2}\n");
    options_of(w, "path", "/in*", "recursiveFileLookup", "true", NULL);
    uint64_t n = 1;
    for (bool over = false; !over; n++) {
        sl_source *s = NULL;
        const char *files = NULL;
        w->calls = 0;
        w->fail_at = n;
        memset(&w->err, 0, sizeof w->err);
        sl_code code = whole_life(w, &s, &files);
        over = w->calls < n;
        w->fail_at = 0;
        if (over)
            assert_int_equal(code, SL_OK);
        /* A directory's time that cannot be read only costs a listing. */
        if (code != SL_OK) {
            assert_int_equal(code, SL_EIO);
            assert_says(w, "injected failure");
        } else {
            assert_string_equal(files, "a.json b.json");
        }
        if (s != NULL)
            close_source(s);
    }
    assert_true(n > 10);
}

static void faults__a_listing_that_failed_is_no_empty_directory(void **state)
{
    world *w = (world *)*state;
    sl_source_batch b;
    put_file(w, "/in/a.json", "{}");
    options_of(w, "path", "/in", NULL);
    for (uint64_t n = 1; n <= 3; n++) {
        sl_source *s = open_stream(w);
        w->calls = 0;
        w->fail_at = n;
        sl_code code = s->class->plan(s, false, w->arena, &b, &w->err);
        w->fail_at = 0;
        if (code != SL_OK) {
            assert_int_equal(code, SL_EIO);
            assert_string_equal(next_files(w, s), "a.json");
        } else {
            assert_string_equal(files_of(w, &b), "a.json");
        }
        close_source(s);
    }
}

static void faults__clean_source_that_fails_leaves_the_file(void **state)
{
    world *w = (world *)*state;
    put_file(w, "/in/a.json", "{}");
    options_of(w, "path", "/in", "cleanSource", "archive", "sourceArchiveDir", "/done",
               NULL);
    sl_source *s = open_stream(w);
    sl_source_batch b = plan(w, s);
    uint64_t n = 1;
    for (;; n++) {
        w->calls = 0;
        w->fail_at = n;
        sl_code code = s->class->committed(s, b.slices, b.slice_count, &w->err);
        w->fail_at = 0;
        if (code == SL_OK)
            break;
        assert_int_equal(code, SL_EIO);
        assert_true(sl_fs_exists(w->fs, "/in/a.json"));
    }
    assert_true(n > 2);
    assert_true(sl_fs_exists(w->fs, "/done/in/a.json"));
    close_source(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        W(plan__takes_files_by_time_ties_by_path),
        W(plan__hidden_names_are_not_files),
        W(plan__no_offset_before_the_first_file),
        W(plan__an_empty_file_is_a_batch),
        W(plan__respects_max_files_per_trigger),
        W(plan__max_bytes_takes_at_least_one_file),
        W(plan__once_ignores_limits),
        W(plan__latest_first_looks_at_each_batch),
        W(plan__files_are_cut_into_slices_by_bytes),
        W(plan__cached_listings_are_bounded),
        W(plan__a_cache_too_small_for_a_batch_is_listed_again),
        W(freeze__later_files_are_not_read),
        W(list__globs_any_part_of_the_path),
        W(list__a_glob_of_a_thousand_braces_ends),
        W(list__path_glob_filter_is_about_names),
        W(list__directories_inside_need_recursive_file_lookup),
        W(list__partition_directories_are_refused_not_left_out),
        W(list__modified_after_and_before_are_exclusive),
        W(seen__a_modified_file_is_not_read_again),
        W(seen__file_name_only_knows_files_by_their_names),
        W(seen__the_horizon_moves_with_the_newest_file),
        W(seen__stays_bounded_by_max_file_age),
        W(seen__latest_first_with_a_limit_has_no_horizon),
        W(restore__no_file_is_read_twice_or_lost),
        W(restore__a_longer_max_file_age_brings_nothing_back),
        W(restore_offset__refuses_bytes_cut_anywhere),
        W(check__a_planned_file_that_changed_or_vanished_is_named),
        W(read__notices_a_file_that_grows_while_it_is_read),
        W(clean_source__delete_removes_files_of_a_committed_batch),
        W(clean_source__archive_keeps_the_whole_path),
        W(clean_source__a_file_that_changed_is_left_alone),
        W(describe__a_stream_without_schema_is_refused),
        W(describe__a_batch_infers_its_schema),
        W(describe__an_empty_directory_has_no_schema),
        W(describe__a_missing_path_is_named),
        W(describe__bad_options_are_refused),
        W(describe__an_archive_that_would_be_read_is_refused),
        W(faults__each_file_call_that_fails_is_told_and_loses_nothing),
        W(faults__a_listing_that_failed_is_no_empty_directory),
        W(faults__clean_source_that_fails_leaves_the_file),
    };
    return cmocka_run_group_tests_name("connectors/file source", tests, NULL, NULL);
}
