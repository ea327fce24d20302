#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "objects/segment.h"

#define DIR "/c/state/segments"

static int64_t wall_ns(void *user)
{
    (void)user;
    return 1000;
}

struct fixture {
    sl_fs_virtual *v;
    sl_fs *fs;
    sl_segment_writer *w;
    const char *failing; /* operation that fails, NULL = none */
};

static sl_code maybe_fail(void *user, const char *operation, const char *path,
                          sl_error *err)
{
    struct fixture *f = user;
    return f->failing && strcmp(f->failing, operation) == 0
               ? sl_fail(err, SL_EIO, "%s: told to fail", path)
               : SL_OK;
}

static void open_writer(struct fixture *f, uint64_t bytes_max)
{
    sl_segment_options o = { .fs = f->fs,
                             .dir = DIR,
                             .writer_id = "w1",
                             .query_id = "q",
                             .preallocate_bytes = 4096,
                             .bytes_max = bytes_max };
    assert_int_equal(sl_segment_writer_new(&o, &f->w, NULL), SL_OK);
}

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){ .v = sl_fs_virtual_new(wall_ns, NULL) };
    f.fs = sl_fs_virtual_fs(f.v);
    sl_fs_virtual_set_faults(f.v, (sl_fs_faults){ maybe_fail, &f });
    open_writer(&f, 0);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    sl_segment_writer_free(f->w);
    sl_fs_virtual_free(f->v);
    return 0;
}

static void assert_reads(struct fixture *f, const sl_segment_ref *ref, const char *text)
{
    sl_bytes b = { 0 };
    sl_error err = { .text = "" };
    if (sl_segment_read(f->fs, DIR, ref, &b, &err) != SL_OK)
        fail_msg("%s", err.text);
    assert_string_equal(sl_bytes_cstr(&b), text);
    sl_bytes_deinit(&b);
}

static uint64_t lose_all(void *user)
{
    (void)user;
    return 0;
}

static void sync__makes_every_reference_of_the_group_last(void **state)
{
    struct fixture *f = *state;
    sl_segment_ref a, b;
    assert_int_equal(sl_segment_append(f->w, 1, sl_span_text("one"), &a, NULL), SL_OK);
    assert_int_equal(sl_segment_append(f->w, 1, sl_span_text(""), &b, NULL), SL_OK);
    assert_int_equal(sl_segment_sync(f->w, NULL), SL_OK);
    assert_string_equal(a.name, b.name);
    sl_fs_virtual_crash(f->v, lose_all, NULL);
    assert_reads(f, &a, "one");
    assert_reads(f, &b, "");
}

static void read__refuses_other_bytes_and_lengths(void **state)
{
    struct fixture *f = *state;
    sl_segment_ref a, bad;
    sl_bytes b = { 0 };
    sl_error err;
    assert_int_equal(sl_segment_append(f->w, 1, sl_span_text("one"), &a, NULL), SL_OK);
    assert_int_equal(sl_segment_sync(f->w, NULL), SL_OK);
    bad = a;
    bad.hash.low ^= 1;
    assert_int_equal(sl_segment_read(f->fs, DIR, &bad, &b, &err), SL_ECORRUPT);
    assert_non_null(strstr(err.text, a.name));
    bad = a;
    bad.length_bytes = UINT64_MAX;
    assert_int_equal(sl_segment_read(f->fs, DIR, &bad, &b, &err), SL_ECORRUPT);
    bad = a;
    bad.name[0] = 'x';
    assert_int_equal(sl_segment_read(f->fs, DIR, &bad, &b, &err), SL_ENOTFOUND);
    sl_bytes_deinit(&b);
}

static void
failed_sync__gives_up_the_file_and_the_next_append_starts_another(void **state)
{
    struct fixture *f = *state;
    sl_segment_ref a, b;
    assert_int_equal(sl_segment_append(f->w, 1, sl_span_text("one"), &a, NULL), SL_OK);
    f->failing = "sync";
    assert_int_equal(sl_segment_sync(f->w, NULL), SL_EIO);
    f->failing = NULL;
    assert_int_equal(sl_segment_append(f->w, 1, sl_span_text("two"), &b, NULL), SL_OK);
    assert_int_equal(sl_segment_sync(f->w, NULL), SL_OK);
    assert_string_not_equal(a.name, b.name);
    sl_fs_virtual_crash(f->v, lose_all, NULL);
    assert_reads(f, &b, "two");
}

static void failed_append__fails_the_group_it_was_part_of(void **state)
{
    struct fixture *f = *state;
    sl_segment_ref a, b;
    assert_int_equal(sl_segment_append(f->w, 1, sl_span_text("one"), &a, NULL), SL_OK);
    f->failing = "write_at";
    assert_int_equal(sl_segment_append(f->w, 1, sl_span_text("two"), &b, NULL), SL_EIO);
    f->failing = NULL;
    assert_int_equal(sl_segment_sync(f->w, NULL), SL_EIO); /* "one" never lasted */
    assert_int_equal(sl_segment_append(f->w, 1, sl_span_text("one"), &a, NULL), SL_OK);
    assert_int_equal(sl_segment_sync(f->w, NULL), SL_OK);
    assert_reads(f, &a, "one");
}

static void segments__roll_after_their_size(void **state)
{
    struct fixture *f = *state;
    sl_segment_writer_free(f->w);
    open_writer(f, 200);
    sl_segment_ref a, b;
    char text[100];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(sl_segment_append(f->w, 1, sl_span_text(text), &a, NULL), SL_OK);
    assert_int_equal(sl_segment_sync(f->w, NULL), SL_OK);
    assert_null(sl_segment_writer_current(f->w));
    assert_int_equal(sl_segment_append(f->w, 2, sl_span_text(text), &b, NULL), SL_OK);
    assert_string_not_equal(a.name, b.name);
    assert_string_equal(sl_segment_writer_current(f->w), b.name);
}

struct seen {
    int count;
    int64_t newest;
};

static void take(void *user, int64_t batch, const sl_segment_ref *ref)
{
    struct seen *s = user;
    s->count++;
    s->newest = batch;
    assert_true(ref->length_bytes == 3);
}

static void scan__names_each_record_and_stops_at_the_preallocated_tail(void **state)
{
    struct fixture *f = *state;
    sl_segment_ref a;
    struct seen s = { 0 };
    for (int64_t n = 4; n < 7; n++)
        assert_int_equal(sl_segment_append(f->w, n, sl_span_text("abc"), &a, NULL),
                         SL_OK);
    assert_int_equal(sl_segment_sync(f->w, NULL), SL_OK);
    assert_int_equal(sl_segment_scan(f->fs, DIR, a.name, take, &s, NULL), SL_OK);
    assert_int_equal(s.count, 3);
    assert_true(s.newest == 6);
}

static void new__refuses_a_writer_id_that_is_no_file_name(void **state)
{
    struct fixture *f = *state;
    sl_segment_options o = {
        .fs = f->fs, .dir = DIR, .writer_id = "../x", .query_id = "q"
    };
    sl_segment_writer *w = NULL;
    assert_int_equal(sl_segment_writer_new(&o, &w, NULL), SL_EINVAL);
    assert_null(w);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(sync__makes_every_reference_of_the_group_last),
        T(read__refuses_other_bytes_and_lengths),
        T(failed_sync__gives_up_the_file_and_the_next_append_starts_another),
        T(failed_append__fails_the_group_it_was_part_of),
        T(segments__roll_after_their_size),
        T(scan__names_each_record_and_stops_at_the_preallocated_tail),
        T(new__refuses_a_writer_id_that_is_no_file_name),
    };
    return cmocka_run_group_tests_name("objects/segment", tests, NULL, NULL);
}
