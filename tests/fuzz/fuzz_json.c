/* JSON lines: scanned and parsed in general the rows are the same, whole and in ranges;
 * inference takes the same text. First byte: options; second: blocks and chunks. */
#include "base/alloc.h"
#include "base/fs_private.h"
#include "engine/columnar/value_text.h"
#include "engine/sql/parse.h"
#include "formats/json_infer.h"
#include "formats/json_read.h"
#include "tests/fuzz/fuzz.h"

typedef struct memory_file {
    sl_file file; /* first */
    const uint8_t *data;
    size_t size;
} memory_file;

static sl_code memory_read(sl_file *file, int64_t offset, void *data, size_t size,
                           size_t *ret_read, sl_error *err)
{
    const memory_file *m = (const memory_file *)file;
    (void)err;
    size_t left = (size_t)offset < m->size ? m->size - (size_t)offset : 0;
    *ret_read = size < left ? size : left;
    if (*ret_read != 0)
        memcpy(data, m->data + offset, *ret_read);
    return SL_OK;
}

static const sl_fs_class MEMORY = { .read = memory_read };

static const sl_schema *table_schema(void)
{
    static const char DDL[] =
        "a BIGINT, b STRING, c DOUBLE, t TIMESTAMP, i INT, z BOOLEAN, "
        "p STRUCT<x: INT, y: STRING>, d DATE, _corrupt_record STRING";
    static sl_arena *arena; /* for the life of the process */
    static const sl_schema *schema;
    if (arena == NULL) {
        arena = sl_arena_new();
        FUZZ_CHECK(sl_sql_parse_schema(DDL, strlen(DDL), arena, &schema, NULL) == SL_OK);
    }
    return schema;
}

static void print_chunk(const sl_chunk *chunk, sl_bytes *out)
{
    for (uint32_t row = 0; row < chunk->row_count; row++) {
        for (uint32_t i = 0; i < chunk->column_count; i++)
            sl_value_json(&chunk->columns[i], row, sl_time_zone_utc(), false, out);
        sl_bytes_char(out, '\n');
    }
}

static void read_rows(const sl_json_read_request *q, sl_json_read_stats *stats,
                      sl_bytes *out)
{
    sl_json_reader *r = NULL;
    sl_error err = { 0 };
    sl_code code = sl_json_reader_open(q, &r, &err);
    FUZZ_CHECK(code == SL_OK);
    for (;;) {
        sl_chunk *chunk = NULL;
        code = sl_json_reader_next(r, &chunk, &err);
        fuzz_check_error(code, &err);
        FUZZ_CHECK(code == SL_OK ||
                   (code == SL_EDATA && q->options.mode == SL_JSON_FAILFAST));
        if (code != SL_OK || chunk == NULL)
            break;
        print_chunk(chunk, out);
        sl_chunk_unref(chunk);
    }
    sl_json_reader_stats(r, stats);
    sl_json_reader_close(r);
}

static void infer(const sl_json_options *options, sl_file *file)
{
    sl_arena *arena = sl_arena_new();
    sl_json_inference *i = sl_json_inference_new(options);
    sl_error err = { 0 };
    sl_schema *schema = NULL;
    sl_code code = sl_json_inference_file(i, file, "input", &err);
    if (code == SL_OK)
        code = sl_json_inference_schema(i, arena, &schema, &err);
    fuzz_check_error(code, &err);
    sl_json_inference_free(i);
    sl_arena_free(arena);
}

static sl_json_options options_of(uint8_t bits)
{
    sl_json_options o;
    sl_option_list none = { 0 };
    FUZZ_CHECK(sl_json_read_options(&none, &o, NULL) == SL_OK);
    o.mode = (sl_json_mode)(bits % 3);
    o.allow_comments = bits & 4;
    o.allow_unquoted_names = bits & 8;
    o.allow_single_quotes = !(bits & 16);
    o.allow_control_chars = bits & 32;
    o.allow_any_escape = bits & 64;
    o.allow_leading_zeros = bits & 128;
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t ALL[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8 };
    static const size_t BLOCKS[] = { 4096, 1, 70, 500 };
    if (size < 3)
        return 0;
    memory_file file = { { &MEMORY }, data + 3, size - 3 };
    sl_json_read_request q = { .file = &file.file,
                               .name = "input",
                               .end = INT64_MAX,
                               .schema = table_schema(),
                               .columns = ALL,
                               .column_count = data[1] & 1 ? 9 : 4,
                               .chunk_rows = data[1] & 2 ? 3 : 64,
                               .options = options_of(data[0]),
                               .zone = sl_time_zone_utc(),
                               .block_bytes = BLOCKS[data[1] >> 2 & 3] };
    sl_bytes scanned = { 0 }, parsed = { 0 }, parts = { 0 };
    sl_json_read_stats a, b, c;
    read_rows(&q, &a, &scanned);
    q.general_only = true;
    q.block_bytes = 5000;
    read_rows(&q, &b, &parsed);
    if (q.options.mode !=
        SL_JSON_FAILFAST) { /* else rows before the failure may differ */
        FUZZ_CHECK(a.rows == b.rows && a.malformed_rows == b.malformed_rows);
        FUZZ_CHECK(fuzz_same_bytes(&scanned, &parsed));
        q.general_only = false;
        q.end = (int64_t)((size - 3) * data[2] / 255);
        read_rows(&q, &c, &parts);
        q.begin = q.end;
        q.end = INT64_MAX;
        read_rows(&q, &c, &parts);
        FUZZ_CHECK(fuzz_same_bytes(&scanned, &parts));
    }
    if (data[1] & 16) /* it reads large blocks, which is slow here */
        infer(&q.options, &file.file);
    sl_bytes_deinit(&scanned);
    sl_bytes_deinit(&parsed);
    sl_bytes_deinit(&parts);
    return 0;
}
