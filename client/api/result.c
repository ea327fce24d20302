/* Results of statements, and how they read: tables, JSON, errors with carets. */
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "client/api/client_private.h"
#include "engine/columnar/show.h"
#include "engine/sql/parse.h"

sl_code sl_client__result_new(const sl_cmsg_answer *answer, sl_client_result **ret,
                              sl_error *err)
{
    sl_client_result *r = (sl_client_result *)sl_calloc(1, sizeof *r);
    r->zone = sl_time_zone_utc();
    if (answer->note != NULL && *answer->note != '\0')
        r->note = sl_strdup(answer->note);
    if (answer->kind == SL_ANSWER_TEXT) {
        r->kind = SL_CLIENT_TEXT;
        r->text = sl_strdup(answer->text);
    } else if (answer->kind == SL_ANSWER_ROWS) {
        sl_reader in = sl_reader_of(answer->schema);
        sl_schema *schema;
        r->kind = SL_CLIENT_ROWS;
        r->arena = sl_arena_new();
        sl_code code = sl_schema_read(&in, r->arena, &schema, err);
        if (code == SL_OK)
            code = sl_time_zone_find(answer->zone, &r->zone, err);
        if (code != SL_OK) {
            sl_client_result_free(r);
            return code;
        }
        r->schema = schema;
        r->chunks_expected = answer->chunk_count; /* said only: room comes with them */
    }
    *ret = r;
    return SL_OK;
}

sl_code sl_client__result_add(sl_client_result *r, const sl_cmsg_chunk *chunk,
                              sl_error *err)
{
    uint32_t n = r->chunk_count;
    if (chunk->index != n || n == r->chunks_expected)
        return sl_fail(err, SL_ECORRUPT, "rows %u of %u came twice or uncalled for",
                       chunk->index, r->chunks_expected);
    if ((n & (n - 1)) == 0) /* full at each power of two */
        r->chunks = (sl_chunk **)sl_realloc(r->chunks, (n == 0 ? 1 : 2 * (size_t)n) *
                                                           sizeof *r->chunks);
    SL_TRY(sl_chunk_read(chunk->chunk, r->schema, NULL, &r->chunks[n], err));
    r->chunk_count++;
    return SL_OK;
}

void sl_client_result_free(sl_client_result *r)
{
    if (r == NULL)
        return;
    for (uint32_t i = 0; i < r->chunk_count; i++)
        sl_chunk_unref(r->chunks[i]);
    sl_free(r->chunks);
    sl_arena_free(r->arena);
    sl_free(r->text);
    sl_free(r->note);
    sl_free(r);
}

sl_client_result_kind sl_client_result_kind_of(const sl_client_result *r)
{
    return r->kind;
}

uint64_t sl_client_result_rows(const sl_client_result *r)
{
    uint64_t rows = 0;
    for (uint32_t i = 0; i < r->chunk_count; i++)
        rows += r->chunks[i]->selected;
    return rows;
}

const char *sl_client_result_text(const sl_client_result *r)
{
    return r->text;
}

const char *sl_client_result_note(const sl_client_result *r)
{
    return r->note;
}

/* ---- as text ---- */

char *sl_client_result_show(const sl_client_result *r, uint32_t num_rows,
                            uint32_t truncate)
{
    sl_bytes out = { 0 };
    if (r->kind == SL_CLIENT_ROWS)
        sl_show_table(r->schema, r->chunks, r->chunk_count, num_rows, truncate, r->zone,
                      &out);
    else if (r->kind == SL_CLIENT_TEXT)
        sl_bytes_text(&out, r->text);
    return sl_client__take_text(&out);
}

static void json_row(const sl_client_result *r, const sl_chunk *chunk, uint32_t row,
                     sl_bytes *out)
{
    sl_bytes_char(out, '[');
    for (uint32_t c = 0; c < r->schema->field_count; c++) {
        if (c > 0)
            sl_bytes_append(out, ", ", 2);
        sl_value_json(&chunk->columns[c], row, r->zone, false, out);
    }
    sl_bytes_char(out, ']');
}

static void json_rows(const sl_client_result *r, sl_bytes *out)
{
    bool first = true;
    for (uint32_t k = 0; k < r->chunk_count; k++)
        for (uint32_t i = 0; i < r->chunks[k]->selected; i++) {
            if (!first)
                sl_bytes_append(out, ", ", 2);
            first = false;
            json_row(r, r->chunks[k], sl_chunk_row(r->chunks[k], i), out);
        }
}

char *sl_client_result_json(const sl_client_result *r)
{
    static const sl_schema none;
    sl_bytes out = { 0 }, schema = { 0 };
    if (r->kind == SL_CLIENT_TEXT)
        sl_bytes_text(&schema, "struct<plan:string>");
    else
        sl_schema_simple(r->kind == SL_CLIENT_ROWS ? r->schema : &none, &schema);
    sl_bytes_text(&out, "{\"schema\": ");
    sl_json_string(&out, sl_bytes_cstr(&schema), schema.size_bytes);
    sl_bytes_text(&out, ", \"rows\": [");
    if (r->kind == SL_CLIENT_TEXT) {
        sl_bytes_char(&out, '[');
        sl_json_string(&out, r->text, strlen(r->text));
        sl_bytes_char(&out, ']');
    } else {
        json_rows(r, &out);
    }
    sl_bytes_text(&out, "]}");
    sl_bytes_deinit(&schema);
    return sl_client__take_text(&out);
}

char *sl_client_error_json(const sl_client_error *e)
{
    sl_bytes out = { 0 };
    sl_bytes_text(&out, "{\"error\": {\"class\": ");
    sl_json_string(&out, e->error_class, strlen(e->error_class));
    sl_bytes_text(&out, ", \"sqlState\": ");
    sl_json_string(&out, e->sqlstate, strlen(e->sqlstate));
    sl_bytes_text(&out, ", \"message\": ");
    sl_json_string(&out, e->message, strlen(e->message));
    if (e->line != 0)
        sl_bytes_printf(&out, ", \"line\": %u, \"column\": %u}}", e->line, e->column);
    else
        sl_bytes_text(&out, ", \"line\": null, \"column\": null}}");
    return sl_client__take_text(&out);
}

char *sl_client_error_text(const sl_client_error *e, const char *sql, size_t length)
{
    sl_error error = { .code = SL_EINTERNAL, .line = e->line, .column = e->column };
    sl_bytes out = { 0 };
    memcpy(error.sqlstate, e->sqlstate, sizeof error.sqlstate);
    memcpy(error.condition, e->error_class, sizeof error.condition);
    memcpy(error.text, e->message, sizeof error.text);
    sl_sql_error_text(&error, sql, length, &out);
    return sl_client__take_text(&out);
}

/* ---- as Arrow ---- */

/* A text as one row of one column. */
static sl_code text_chunk(const char *text, const sl_schema *schema, sl_chunk **ret)
{
    sl_chunk_builder b;
    SL_TRY(sl_chunk_builder_init(&b, schema, 1, NULL, NULL));
    sl_code code =
        sl_column_builder_string(&b.columns[0], text, (uint32_t)strlen(text), NULL);
    if (code != SL_OK) {
        sl_chunk_builder_deinit(&b);
        return code;
    }
    *ret = sl_chunk_builder_finish(&b, 1);
    return SL_OK;
}

void sl_client_result_stream(const sl_client_result *r, struct ArrowArrayStream *ret_rows)
{
    static const sl_schema none;
    sl_field field = { .name = "plan",
                       .type = sl_type_of(SL_TYPE_STRING),
                       .nullable = true };
    sl_schema schema = { 1, &field };
    sl_chunk *chunk;
    if (r != NULL && r->kind == SL_CLIENT_ROWS) {
        sl_client__arrow_stream(r->schema, r->chunks, r->chunk_count, r->zone, ret_rows);
    } else if (r != NULL && r->kind == SL_CLIENT_TEXT &&
               text_chunk(r->text, &schema, &chunk) == SL_OK) {
        sl_client__arrow_stream(&schema, &chunk, 1, r->zone, ret_rows);
        sl_chunk_unref(chunk);
    } else {
        sl_client__arrow_stream(&none, NULL, 0, sl_time_zone_utc(), ret_rows);
    }
}
