/* json_fixture.h - JSON text in memory, read through the public reader and printed a row
 * a line: values as JSON, joined by '|'. */

#ifndef SL_TESTS_JSON_FIXTURE_H
#define SL_TESTS_JSON_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs_private.h"
#include "base/limits.h"
#include "engine/columnar/value_text.h"
#include "engine/sql/parse.h"
#include "formats/json_read.h"

#define OK(x) assert_int_equal((x), SL_OK)

/* ---- a file in memory ---- */

typedef struct memory_file {
    sl_file file; /* first */
    const char *text;
    size_t length;
    int64_t fail_at_read; /* the nth read (1 = first) fails; 0: none */
    int64_t reads;
} memory_file;

static inline sl_code memory_read(sl_file *file, int64_t offset, void *data, size_t size,
                                  size_t *ret_read, sl_error *err)
{
    memory_file *m = (memory_file *)file;
    if (++m->reads == m->fail_at_read)
        return sl_fail(err, SL_EIO, "the disk is gone");
    size_t left = (size_t)offset < m->length ? m->length - (size_t)offset : 0;
    *ret_read = size < left ? size : left;
    if (*ret_read != 0)
        memcpy(data, m->text + offset, *ret_read);
    return SL_OK;
}

static inline memory_file memory_file_of(const char *text, size_t length)
{
    static const sl_fs_class class = { .read = memory_read };
    return (memory_file){ .file = { &class }, .text = text, .length = length };
}

/* ---- a read ---- */

typedef struct json_case {
    const char *schema; /* DDL; all columns are wanted unless column_count is set */
    const uint32_t *columns;
    uint32_t column_count;
    int64_t begin, end; /* end 0: to the end of the file */
    uint32_t chunk_rows;
    size_t block_bytes, row_bytes_max;
    bool general_only;
    sl_json_options options;
    const char *zone; /* of the session, NULL: UTC */
    sl_budget *budget;
    int64_t fail_at_read;
    sl_json_read_stats stats; /* of the last read */
    int64_t reads;            /* of the file, by the last read */
} json_case;

static inline json_case json_case_of(const char *schema)
{
    json_case c = { .schema = schema };
    sl_option_list none = { 0 };
    OK(sl_json_read_options(&none, &c.options, NULL));
    return c;
}

static inline void print_chunk(const sl_chunk *chunk, sl_bytes *out)
{
    for (uint32_t row = 0; row < chunk->row_count; row++) {
        for (uint32_t i = 0; i < chunk->column_count; i++) {
            const sl_column *c = &chunk->columns[i];
            assert_int_equal(c->length, chunk->row_count);
            if (c->type->id == SL_TYPE_STRING && !sl_column_is_valid(c, row))
                assert_int_equal(sl_column_strings(c)[row].length, 0);
            if (i != 0)
                sl_bytes_char(out, '|');
            sl_value_json(c, row, sl_time_zone_utc(), false, out);
        }
        sl_bytes_char(out, '\n');
    }
}

/* Append what the case makes of the text. Chunks stay alive until the end, as strings
 * may point into blocks the reader would like to use again. */
static inline sl_code read_json(json_case *c, const char *text, size_t length,
                                sl_bytes *out, sl_error *err)
{
    sl_arena *arena = sl_arena_new();
    const sl_schema *schema = NULL;
    OK(sl_sql_parse_schema(c->schema, strlen(c->schema), arena, &schema, NULL));
    uint32_t *all = SL_ARENA_ARRAY(arena, uint32_t, (size_t)schema->field_count + 1);
    for (uint32_t i = 0; i < schema->field_count; i++)
        all[i] = i;
    const sl_time_zone *zone = sl_time_zone_utc();
    if (c->zone != NULL)
        OK(sl_time_zone_find(c->zone, &zone, NULL));
    memory_file file = memory_file_of(text, length);
    file.fail_at_read = c->fail_at_read;
    sl_json_read_request q = {
        .file = &file.file,
        .name = "test.json",
        .begin = c->begin,
        .end = c->end != 0 ? c->end : INT64_MAX,
        .schema = schema,
        .columns = c->columns != NULL ? c->columns : all,
        .column_count = c->columns != NULL ? c->column_count : schema->field_count,
        .chunk_rows = c->chunk_rows != 0 ? c->chunk_rows : 1000,
        .options = c->options,
        .zone = zone,
        .budget = c->budget,
        .row_bytes_max = c->row_bytes_max,
        .block_bytes = c->block_bytes,
        .general_only = c->general_only,
    };
    sl_chunk **chunks = NULL;
    size_t count = 0;
    sl_json_reader *r = NULL;
    sl_code code = sl_json_reader_open(&q, &r, err);
    while (code == SL_OK) {
        sl_chunk *chunk = NULL;
        code = sl_json_reader_next(r, &chunk, err);
        if (code != SL_OK || chunk == NULL)
            break;
        assert_true(chunk->row_count > 0 && chunk->row_count <= q.chunk_rows);
        chunks = sl_realloc(chunks, (count + 1) * sizeof *chunks);
        chunks[count++] = chunk;
    }
    if (r != NULL)
        sl_json_reader_stats(r, &c->stats);
    sl_json_reader_close(r);
    c->reads = file.reads;
    for (size_t i = 0; i < count; i++) {
        print_chunk(chunks[i], out);
        sl_chunk_unref(chunks[i]);
    }
    sl_free(chunks);
    sl_arena_free(arena);
    return code;
}

static inline void assert_rows_of(json_case *c, const char *text, size_t length,
                                  const char *expected)
{
    sl_error err = { .text = "" };
    for (int general = 0; general < 2; general++) {
        sl_bytes out = { 0 };
        c->general_only = general != 0;
        if (read_json(c, text, length, &out, &err) != SL_OK)
            fail_msg("%s", err.text);
        assert_string_equal(sl_bytes_cstr(&out), expected);
        sl_bytes_deinit(&out);
    }
    c->general_only = false;
}

static inline void assert_rows(json_case *c, const char *text, const char *expected)
{
    assert_rows_of(c, text, strlen(text), expected);
}

/* ---- randomness ---- */

static inline uint64_t random64(uint64_t *seed) /* splitmix64 */
{
    uint64_t z = (*seed += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

#endif /* SL_TESTS_JSON_FIXTURE_H */
