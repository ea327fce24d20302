/* The reading half of the JSON file source: one byte range of one file, which must be the
 * file that was planned, before the first byte and after the last. */
#include "base/alloc.h"
#include "connectors/connectors_private.h"
#include "connectors/file/file_slice_private.h"
#include "formats/json_read.h"

typedef struct file_reader {
    sl_source_reader reader;
    sl_arena *arena;
    sl_file_slice slice;
    sl_file *file;
    sl_json_reader *json;
} file_reader;

static void reader_close(sl_source_reader *reader)
{
    file_reader *r = (file_reader *)reader;
    sl_json_reader_close(r->json);
    sl_file_close(r->file);
    sl_arena_free(r->arena);
    sl_free(r);
}

static sl_code check_now(const file_reader *r, sl_error *err)
{
    sl_file_info info;
    SL_TRY(sl_file_info_get(r->file, &info, err));
    return sl_file_slice__check(&r->slice, &info, err);
}

static sl_code open_all(file_reader *r, const sl_read_request *q, sl_error *err)
{
    SL_TRY(sl_file_slice__read(q->slice, r->arena, &r->slice, err));
    sl_code code = sl_fs_open(q->fs, r->slice.path, SL_OPEN_READ, &r->file, err);
    if (code == SL_ENOTFOUND)
        return sl_fail(
            err, SL_ESOURCE,
            "file %s was planned and is gone: put it back, or start with a new "
            "checkpoint",
            r->slice.path);
    SL_TRY(code);
    SL_TRY(check_now(r, err));
    sl_json_read_request json = {
        .file = r->file,
        .name = r->slice.path,
        .begin = r->slice.begin,
        .end = r->slice.end,
        .schema = q->schema,
        .columns = q->columns,
        .column_count = q->column_count,
        .chunk_rows = q->chunk_rows,
        .zone = q->zone,
        .budget = q->budget,
    };
    SL_TRY(sl_json_read_options(&q->options, &json.options, err));
    return sl_json_reader_open(&json, &r->json, err);
}

static sl_code reader_open(const sl_read_request *q, sl_source_reader **ret,
                           sl_error *err)
{
    file_reader *r = (file_reader *)sl_calloc(1, sizeof *r);
    r->reader.class = &sl_json_source_reader;
    r->arena = sl_arena_new();
    sl_code code = open_all(r, q, err);
    if (code != SL_OK) {
        reader_close(&r->reader);
        return code;
    }
    *ret = &r->reader;
    return SL_OK;
}

static sl_code reader_next(sl_source_reader *reader, sl_chunk **ret_chunk, sl_error *err)
{
    file_reader *r = (file_reader *)reader;
    sl_chunk *chunk = NULL;
    SL_TRY(sl_json_reader_next(r->json, &chunk, err));
    if (chunk == NULL)
        SL_TRY(check_now(r, err));
    *ret_chunk = chunk;
    return SL_OK;
}

static void reader_stats(const sl_source_reader *reader, sl_read_stats *ret)
{
    sl_json_read_stats s;
    sl_json_reader_stats(((const file_reader *)reader)->json, &s);
    *ret = (sl_read_stats){ s.rows, s.bytes, s.malformed_rows };
}

const sl_source_reader_class sl_json_source_reader = { "json", reader_open, reader_next,
                                                       reader_stats, reader_close };
