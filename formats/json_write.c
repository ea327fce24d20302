/* Keys are rendered once, with quotes and colon; common types are printed here, the rest
 * by sl_value_json(). */
#include "formats/json_write.h"

#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

typedef struct rendered_key {
    uint8_t *text; /* `"name":`, inside the keys buffer */
    size_t length;
} rendered_key;

struct sl_json_writer {
    const sl_schema *schema;
    const sl_time_zone *zone;
    sl_bytes text;
    rendered_key *keys;
};

static sl_code check_type(const char *name, const sl_type *t, sl_error *err)
{
    switch (t->id) {
    case SL_TYPE_DECIMAL:
    case SL_TYPE_ARRAY:
    case SL_TYPE_MAP:
    case SL_TYPE_INTERVAL_DAY_TIME:
    case SL_TYPE_INTERVAL_YEAR_MONTH:
    case SL_TYPE_VOID:
        return sl_fail_as(err, SL_EUNSUPPORTED, "UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE",
                          "0A000",
                          "The JSON datasource doesn't support the column `%s` of the "
                          "type \"%s\".",
                          name, sl_type_tree_name(t));
    case SL_TYPE_STRUCT:
        for (uint32_t i = 0; i < t->field_count; i++)
            SL_TRY(check_type(name, t->fields[i].type, err));
        return SL_OK;
    default:
        return SL_OK;
    }
}

sl_code sl_json_writer_new(const sl_schema *schema, const sl_time_zone *zone,
                           sl_json_writer **ret, sl_error *err)
{
    for (uint32_t i = 0; i < schema->field_count; i++)
        SL_TRY(check_type(schema->fields[i].name, schema->fields[i].type, err));

    sl_json_writer *w = sl_calloc(1, sizeof *w);
    w->schema = schema;
    w->zone = zone;
    w->keys = sl_calloc((size_t)schema->field_count + 1, sizeof *w->keys);
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const char *name = schema->fields[i].name;
        size_t before = w->text.size_bytes;
        sl_json_string(&w->text, name, strlen(name));
        sl_bytes_char(&w->text, ':');
        w->keys[i].length = w->text.size_bytes - before;
    }
    size_t at = 0;
    for (uint32_t i = 0; i < schema->field_count; i++) {
        w->keys[i].text = w->text.data + at;
        at += w->keys[i].length;
    }
    *ret = w;
    return SL_OK;
}

void sl_json_writer_free(sl_json_writer *w)
{
    if (w == NULL)
        return;
    sl_bytes_deinit(&w->text);
    sl_free(w->keys);
    sl_free(w);
}

static void append_int64(sl_bytes *out, int64_t v)
{
    char digits[20];
    size_t n = sizeof digits;
    uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        digits[--n] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (v < 0)
        digits[--n] = '-';
    sl_bytes_append(out, digits + n, sizeof digits - n);
}

static void append_value(const sl_json_writer *w, const sl_column *c, uint32_t row,
                         sl_bytes *out)
{
    switch (c->type->id) {
    case SL_TYPE_STRING: {
        const sl_string_view *v = &sl_column_strings(c)[row];
        sl_json_string(out, sl_string_data(v), v->length);
        return;
    }
    case SL_TYPE_INT:
        append_int64(out, sl_column_i32(c)[row]);
        return;
    case SL_TYPE_LONG:
        append_int64(out, sl_column_i64(c)[row]);
        return;
    default:
        sl_value_json(c, row, w->zone, true, out);
    }
}

static void append_row(const sl_json_writer *w, const sl_chunk *chunk, uint32_t row,
                       sl_bytes *out)
{
    bool first = true;
    sl_bytes_char(out, '{');
    for (uint32_t i = 0; i < chunk->column_count; i++) {
        const sl_column *c = &chunk->columns[i];
        if (!sl_column_is_valid(c, row))
            continue;
        if (!first)
            sl_bytes_char(out, ',');
        first = false;
        sl_bytes_append(out, w->keys[i].text, w->keys[i].length);
        append_value(w, c, row, out);
    }
    sl_bytes_append(out, "}\n", 2);
}

void sl_json_writer_rows(const sl_json_writer *w, const sl_chunk *chunk, uint32_t from,
                         uint32_t count, sl_bytes *out)
{
    SL_ASSERT(chunk->column_count == w->schema->field_count);
    SL_ASSERT(from <= chunk->selected && count <= chunk->selected - from);
    for (uint32_t i = from; i < from + count; i++)
        append_row(w, chunk, sl_chunk_row(chunk, i), out);
}
