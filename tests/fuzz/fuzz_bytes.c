/* Small foreign bytes. First byte: which: a file slice, an option list, a type, row keys,
 * a segment; or a text: a time, number, interval, zone. */
#include "base/alloc.h"
#include "base/option_list.h"
#include "connectors/file/file_slice_private.h"
#include "engine/columnar/row_key.h"
#include "engine/columnar/value_text.h"
#include "engine/expr/expr.h"
#include "objects/segment.h"
#include "tests/fuzz/fuzz.h"

static void read_slice(sl_span bytes, sl_arena *arena)
{
    sl_file_slice s;
    sl_error err = { 0 };
    sl_code code = sl_file_slice__read(bytes, arena, &s, &err);
    fuzz_check_error(code, &err);
    if (code != SL_OK)
        return;
    sl_bytes out = { 0 };
    FUZZ_CHECK(s.path != NULL && s.begin >= 0 && s.end >= s.begin);
    sl_file_slice__write(&s, &out);
    FUZZ_CHECK(out.size_bytes == bytes.size_bytes);
    sl_bytes_deinit(&out);
}

static void read_options(sl_span bytes, sl_arena *arena)
{
    sl_option_list list;
    sl_error err = { 0 };
    sl_reader r = sl_reader_of(bytes);
    sl_code code = sl_option_list_read(&r, arena, &list, &err);
    fuzz_check_error(code, &err);
    for (uint32_t i = 0; code == SL_OK && i < list.count; i++)
        FUZZ_CHECK(sl_option_list_get(&list, list.pairs[i].name) != NULL);
}

static void read_type(sl_span bytes, sl_arena *arena)
{
    const sl_type *t = NULL;
    sl_error err = { 0 };
    sl_reader r = sl_reader_of(bytes);
    sl_code code = sl_type_read(&r, arena, &t, &err);
    fuzz_check_error(code, &err);
    if (code != SL_OK)
        return;
    sl_bytes text = { 0 };
    sl_type_sql(t, &text);
    sl_type_simple(t, &text);
    FUZZ_CHECK(sl_type_equal(t, sl_type_copy(t, arena)));
    sl_bytes_deinit(&text);
}

static void decode_keys(sl_span bytes)
{
    const sl_type *types[] = {
        sl_type_of(SL_TYPE_LONG),   sl_type_of(SL_TYPE_STRING),
        sl_type_of(SL_TYPE_DOUBLE), sl_type_of(SL_TYPE_BOOLEAN),
        sl_type_of(SL_TYPE_DATE),   sl_type_window(sl_type_of(SL_TYPE_TIMESTAMP))
    };
    int64_t window_us[] = { 0, 0, 0, 0, 0, 1000000 };
    for (uint32_t first = 0; first < 6; first++) {
        sl_column_builder builders[6];
        uint32_t count = 6 - first;
        sl_error err = { 0 };
        for (uint32_t i = 0; i < count; i++)
            FUZZ_CHECK(sl_column_builder_init(&builders[i], types[first + i], 4, NULL,
                                              NULL) == SL_OK);
        fuzz_check_error(sl_row_keys_decode(&bytes, 1, types + first, window_us + first,
                                            count, builders, &err),
                         &err);
        for (uint32_t i = 0; i < count; i++)
            sl_column_builder_deinit(&builders[i]);
    }
}

static int64_t no_time(void *user)
{
    (void)user;
    return 0;
}

static void see_record(void *user, int64_t batch, const sl_segment_ref *ref)
{
    sl_bytes payload = { 0 };
    (void)batch;
    (void)!sl_segment_read(user, "/d", ref, &payload, NULL);
    sl_bytes_deinit(&payload);
}

static void scan_segment(sl_span bytes)
{
    sl_fs_virtual *v = sl_fs_virtual_new(no_time, NULL);
    sl_fs *fs = sl_fs_virtual_fs(v);
    sl_error err = { 0 };
    FUZZ_CHECK(sl_fs_make_dirs(fs, "/d", NULL) == SL_OK);
    FUZZ_CHECK(sl_fs_write_new(fs, "/d/s", bytes, NULL) == SL_OK);
    fuzz_check_error(sl_segment_scan(fs, "/d", "s", see_record, fs, &err), &err);
    sl_fs_virtual_free(v);
}

static void read_texts(const char *text, size_t size)
{
    int64_t us = 0;
    int32_t days = 0, months = 0;
    double d;
    bool b;
    char out[SL_TIME_TEXT_BYTES];
    if (sl_timestamp_parse(text, size, sl_time_zone_utc(), &us)) {
        int64_t again = 0;
        uint32_t n = sl_timestamp_text(us, sl_time_zone_utc(), out);
        FUZZ_CHECK(sl_timestamp_parse(out, n, sl_time_zone_utc(), &again) && again == us);
    }
    if (sl_date_parse(text, size, &days)) {
        int32_t again = 0;
        uint32_t n = sl_date_text(days, out);
        FUZZ_CHECK(sl_date_parse(out, n, &again) && again == days);
    }
    (void)sl_int64_from_text(text, size, &us);
    (void)sl_double_from_text(text, size, &d);
    (void)sl_boolean_from_text(text, size, &b);
    char *copy = sl_alloc(size + 1);
    if (size != 0)
        memcpy(copy, text, size);
    copy[size] = '\0';
    sl_error err = { 0 };
    fuzz_check_error(sl_interval_parse(copy, &months, &us, &err), &err);
    const sl_time_zone *zone;
    err = (sl_error){ 0 }; /* a look for the nearest of 600 names is slow */
    if (size % 16 == 4)
        fuzz_check_error(sl_time_zone_find(copy, &zone, &err), &err);
    sl_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    sl_arena *arena = sl_arena_new();
    sl_span rest = sl_span_of(data + 1, size - 1);
    switch (data[0] % 6) {
    case 0:
        read_slice(rest, arena);
        break;
    case 1:
        read_options(rest, arena);
        break;
    case 2:
        read_type(rest, arena);
        break;
    case 3:
        decode_keys(rest);
        break;
    case 4:
        scan_segment(rest);
        break;
    default:
        read_texts((const char *)rest.data, rest.size_bytes);
    }
    sl_arena_free(arena);
    return 0;
}
