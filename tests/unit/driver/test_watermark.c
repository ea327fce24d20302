/* Unit tests of driver/watermark.c. Name: function__sentence_that_must_hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* own block: it needs the four above first, so must not be sorted in */

#include "driver/watermark.h"

#define SEC INT64_C(1000) /* one second in milliseconds */

struct fixture {
    sl_watermark w;
    uint32_t clicks, views; /* clicks may be 10 s late, views 2 s */
};

static int set_up(void **state)
{
    static struct fixture f;
    sl_watermark_init(&f.w, SL_WATERMARK_MIN);
    *state = &f;
    return sl_watermark_add_source(&f.w, 10 * SEC, &f.clicks, NULL) != SL_OK ||
           sl_watermark_add_source(&f.w, 2 * SEC, &f.views, NULL) != SL_OK;
}

static void add_source__refuses_and_leaves_its_output_alone(void **state)
{
    sl_watermark *w = &((struct fixture *)*state)->w;
    sl_error err;
    uint32_t source = 99;
    assert_int_equal(sl_watermark_add_source(w, -1, &source, &err), SL_EINVAL);
    assert_string_equal(err.text, "watermark delay -1 ms < 0");
    w->source_count = SL_WATERMARK_SOURCES_MAX;
    assert_int_equal(sl_watermark_add_source(w, 0, &source, NULL), SL_ELIMIT);
    assert_int_equal(source, 99);
}

static void advance__waits_until_every_source_has_shown_a_row(void **state)
{
    struct fixture *f = *state;
    sl_watermark_observe(&f->w, f->clicks, 100 * SEC);
    assert_true(sl_watermark_advance(&f->w) == 0); /* WM3 */
    sl_watermark_observe(&f->w, f->views, 50 * SEC);
    assert_true(sl_watermark_now(&f->w) == 0); /* WM2 */
    sl_watermark_observe(&f->w, f->views, 40 * SEC);
    assert_true(sl_watermark_advance(&f->w) == 48 * SEC); /* 50, not the older 40 */
}

static void advance__follows_the_fastest_source_under_max(void **state)
{
    struct fixture *f = *state;
    f->w.policy = SL_WATERMARK_MAX;
    sl_watermark_observe(&f->w, f->clicks, 100 * SEC);
    assert_true(sl_watermark_advance(&f->w) == 90 * SEC);
    sl_watermark_observe(&f->w, f->views, 95 * SEC);
    assert_true(sl_watermark_advance(&f->w) == 93 * SEC);
}

static void advance__never_goes_back_after_recovery(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(sl_watermark_restore(&f->w, 60 * SEC, NULL), SL_OK);
    sl_watermark_observe(&f->w, f->clicks, 55 * SEC);
    sl_watermark_observe(&f->w, f->views, INT64_MIN + 1); /* no underflow */
    assert_true(sl_watermark_advance(&f->w) == 60 * SEC); /* WM1 */
    assert_int_equal(sl_watermark_restore(&f->w, 0, NULL), SL_ECORRUPT);
}

static void restore__keeps_what_each_source_had_seen(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(sl_watermark_restore(&f->w, 60 * SEC, NULL), SL_OK);
    sl_watermark_observe(&f->w, f->clicks, 70 * SEC); /* what the commit says was seen */
    sl_watermark_observe(&f->w, f->views, 72 * SEC);
    sl_watermark_observe(&f->w, f->clicks, 90 * SEC); /* views are silent since */
    assert_true(sl_watermark_advance(&f->w) == 70 * SEC);
}

static void advance__never_promises_before_the_epoch(void **state)
{
    struct fixture *f = *state;
    sl_watermark_observe(&f->w, f->clicks, 3 * SEC); /* less than its delay */
    sl_watermark_observe(&f->w, f->views, 100 * SEC);
    assert_true(sl_watermark_advance(&f->w) == 0); /* spark:M5 */
}

/* spark:M-v2, without the restart: ours restores what each side had seen. */
static void advance__follows_the_vector_of_two_streams(void **state)
{
    sl_watermark w;
    uint32_t first, second;
    (void)state;
    sl_watermark_init(&w, SL_WATERMARK_MIN);
    assert_int_equal(sl_watermark_add_source(&w, 10 * SEC, &first, NULL), SL_OK);
    assert_int_equal(sl_watermark_add_source(&w, 5 * SEC, &second, NULL), SL_OK);
    const struct {
        int64_t first_s, second_s, now_ms; /* -1: no row */
    } steps[] = {
        { 11, -1, 0 },        { -1, 6, 1000 },      { -1, 8, 1000 },
        { 21, -1, 3000 },     { -1, 39, 11000 },    { 31, -1, 21000 },
        { 41, -1, 31000 },    { 51, -1, 34000 },    { 100, 100, 90000 },
        { 120, 110, 105000 }, { 130, 125, 120000 }, { 100, 100, 120000 },
        { 140, 100, 120000 }, { 100, 135, 130000 }, { 200, 190, 185000 },
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (steps[i].first_s >= 0)
            sl_watermark_observe(&w, first, steps[i].first_s * SEC);
        if (steps[i].second_s >= 0)
            sl_watermark_observe(&w, second, steps[i].second_s * SEC);
        assert_int_equal(sl_watermark_advance(&w), steps[i].now_ms);
    }
}

#define T(name) cmocka_unit_test_setup(name, set_up)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(add_source__refuses_and_leaves_its_output_alone),
        T(advance__waits_until_every_source_has_shown_a_row),
        T(advance__follows_the_fastest_source_under_max),
        T(advance__never_goes_back_after_recovery),
        T(restore__keeps_what_each_source_had_seen),
        T(advance__never_promises_before_the_epoch),
        T(advance__follows_the_vector_of_two_streams),
    };
    return cmocka_run_group_tests_name("driver/watermark", tests, NULL, NULL);
}
