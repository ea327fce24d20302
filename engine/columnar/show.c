/* All cells, header first, are cut and escaped into one byte string; then widths are
 * known and the table is laid out. */
#include "engine/columnar/show.h"

#include <string.h>

#include "base/alloc.h"
#include "engine/columnar/text_private.h"

#define WIDTH_MIN 3 /* spark:O8 */

typedef struct cell {
    size_t offset, size_bytes;
    uint32_t width; /* half-width units */
} cell;

typedef struct table {
    uint32_t columns, truncate;
    size_t cell_count, cell_room; /* row after row; the header is the first */
    cell *cells;
    sl_bytes text, scratch;
} table;

/* spark:O7: counted in UTF-16 units, never through a character. */
static size_t cut(const char *text, size_t length, uint32_t units)
{
    size_t at = 0;
    while (at < length) {
        uint32_t code, size = sl_text__utf8(text + at, length - at, &code);
        uint32_t need = sl_text__utf16_units(code);
        if (need > units)
            break;
        units -= need;
        at += size;
    }
    return at;
}

static uint32_t width_of(const char *text, size_t length)
{
    uint32_t width = 0;
    for (size_t at = 0; at < length;) {
        uint32_t code;
        at += sl_text__utf8(text + at, length - at, &code);
        width += sl_text__half_widths(code);
    }
    return width;
}

/* Escape, cut and keep one cell (spark:O7, O11). Spark escapes before it cuts. */
static void add_cell(table *t, const char *text, size_t length)
{
    if (t->cell_count == t->cell_room) {
        t->cell_room = t->cell_room * 2 + 64;
        t->cells = sl_realloc(t->cells, t->cell_room * sizeof *t->cells);
    }
    cell *c = &t->cells[t->cell_count++];
    c->offset = t->text.size_bytes;
    sl_text__escape(text, length, &t->text);
    size_t size = t->text.size_bytes - c->offset;
    if (t->truncate != 0 && size != 0) {
        const char *whole = (const char *)t->text.data + c->offset;
        if (cut(whole, size, t->truncate) < size) {
            bool dots = t->truncate >= 4;
            t->text.size_bytes =
                c->offset + cut(whole, size, t->truncate - (dots ? 3 : 0));
            if (dots)
                sl_bytes_text(&t->text, "...");
        }
    }
    c->size_bytes = t->text.size_bytes - c->offset;
    c->width = width_of((const char *)t->text.data + c->offset, c->size_bytes);
}

static void add_row(table *t, const sl_chunk *chunk, uint32_t row,
                    const sl_time_zone *zone)
{
    for (uint32_t i = 0; i < t->columns; i++) {
        sl_bytes_clear(&t->scratch);
        sl_value_text(&chunk->columns[i], row, zone, &t->scratch);
        add_cell(t, sl_bytes_cstr(&t->scratch), t->scratch.size_bytes);
    }
}

static void put_many(sl_bytes *out, char c, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        sl_bytes_char(out, c);
}

static void put_separator(const uint32_t *widths, uint32_t columns, sl_bytes *out)
{
    sl_bytes_char(out, '+');
    for (uint32_t i = 0; i < columns; i++) {
        put_many(out, '-', widths[i]);
        sl_bytes_char(out, '+');
    }
    if (columns == 0)
        sl_bytes_char(out, '+'); /* Spark joins no columns between two corners */
    sl_bytes_char(out, '\n');
}

static void put_row(const table *t, const cell *cells, const uint32_t *widths,
                    sl_bytes *out)
{
    sl_bytes_char(out, '|');
    for (uint32_t i = 0; i < t->columns; i++) {
        uint32_t padding = widths[i] - cells[i].width;
        if (t->truncate != 0) /* spark:O9 */
            put_many(out, ' ', padding);
        sl_bytes_append(out, t->text.data + cells[i].offset, cells[i].size_bytes);
        if (t->truncate == 0)
            put_many(out, ' ', padding);
        sl_bytes_char(out, '|');
    }
    if (t->columns == 0)
        sl_bytes_char(out, '|');
    sl_bytes_char(out, '\n');
}

static void put_table(const table *t, uint32_t rows, sl_bytes *out)
{
    uint32_t *widths = sl_alloc((t->columns + (size_t)1) * sizeof *widths);
    for (uint32_t i = 0; i < t->columns; i++)
        widths[i] = WIDTH_MIN;
    for (size_t i = 0; i < t->cell_count; i++) {
        uint32_t *width = &widths[i % t->columns];
        *width = t->cells[i].width > *width ? t->cells[i].width : *width;
    }
    put_separator(widths, t->columns, out);
    put_row(t, t->cells, widths, out);
    put_separator(widths, t->columns, out);
    for (uint32_t r = 0; r < rows; r++)
        put_row(t, t->cells + ((size_t)r + 1) * t->columns, widths, out);
    put_separator(widths, t->columns, out);
    sl_free(widths);
}

void sl_show_table(const sl_schema *schema, sl_chunk *const *chunks, uint32_t chunk_count,
                   uint32_t num_rows, uint32_t truncate, const sl_time_zone *zone,
                   sl_bytes *out)
{
    table t = { .columns = schema->field_count, .truncate = truncate };
    sl_bytes_reserve(&t.text, 64); /* cells are pointed at even if all are empty */
    for (uint32_t i = 0; i < t.columns; i++)
        add_cell(&t, schema->fields[i].name, strlen(schema->fields[i].name));
    uint32_t rows = 0;
    bool more = false;
    for (uint32_t c = 0; c < chunk_count && !more; c++) {
        SL_ASSERT(chunks[c]->column_count == t.columns);
        for (uint32_t i = 0; i < chunks[c]->selected && !more; i++) {
            more = rows == num_rows;
            if (!more) {
                add_row(&t, chunks[c], sl_chunk_row(chunks[c], i), zone);
                rows++;
            }
        }
    }
    put_table(&t, rows, out);
    if (more) /* spark:O3 */
        sl_bytes_printf(out, "only showing top %u %s\n", num_rows,
                        num_rows == 1 ? "row" : "rows");
    sl_free(t.cells);
    sl_bytes_deinit(&t.text);
    sl_bytes_deinit(&t.scratch);
}
