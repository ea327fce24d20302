#include "client/stest/rows_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "client/stest/script_private.h"

#define DIFF_CELLS_MAX 4000000u /* of the table below; larger sets are listed plainly */

/* ---- cells ---- */

/* From behind the opening quote; *at moves behind the closing one. */
static sl_code take_quoted(const char **at, sl_arena *arena, const char **ret,
                           sl_error *err)
{
    char *text = (char *)sl_arena_alloc(arena, strlen(*at) + 1);
    size_t n = 0;
    const char *c = *at;
    for (; *c != '"'; c++) {
        if (*c == '\0' || (*c == '\\' && c[1] == '\0'))
            return sl_fail(err, SL_EPARSE, "a quote is not closed");
        if (*c == '\\') {
            c++;
            text[n++] = *c == 'n' ? '\n' : *c == 'r' ? '\r' : *c == 't' ? '\t' : *c;
        } else {
            text[n++] = *c;
        }
    }
    text[n] = '\0';
    *at = c + 1;
    *ret = text;
    return SL_OK;
}

/* JSON of a struct: '|' inside its strings is no border. */
static size_t json_length(const char *at)
{
    bool in_string = false;
    const char *c = at;
    for (; *c != '\0' && (in_string || *c != '|'); c++) {
        if (in_string && *c == '\\' && c[1] != '\0')
            c++;
        else if (*c == '"')
            in_string = !in_string;
    }
    return (size_t)(c - at);
}

static sl_code take_cell(const char **at, sl_arena *arena, stest_cell *ret, sl_error *err)
{
    const char *from = *at + strspn(*at, " \t");
    stest_cell cell = { 0 };
    if (*from == '"') {
        from++;
        SL_TRY(take_quoted(&from, arena, &cell.text, err));
        cell.is_quoted = true;
        from += strspn(from, " \t");
        if (*from != '\0' && *from != '|')
            return sl_fail(err, SL_EPARSE, "'|' expected after a closing quote, not '%s'",
                           from);
    } else {
        size_t n = *from == '{' ? json_length(from) : strcspn(from, "|");
        const char *end = from + n;
        while (n > 0 && (from[n - 1] == ' ' || from[n - 1] == '\t'))
            n--;
        cell.text = sl_arena_strndup(arena, from, n);
        cell.is_null = strcmp(cell.text, "NULL") == 0;
        from = end;
    }
    *at = from;
    *ret = cell;
    return SL_OK;
}

sl_code stest_cells_parse(const char *line, sl_arena *arena, stest_cell **ret_cells,
                          uint32_t *ret_count, sl_error *err)
{
    stest_cell *cells = SL_ARENA_ARRAY(arena, stest_cell, strlen(line) + 1);
    uint32_t n = 0;
    for (const char *at = line;; at++) {
        SL_TRY(take_cell(&at, arena, &cells[n++], err));
        if (*at == '\0')
            break;
    }
    *ret_cells = cells;
    *ret_count = n;
    return SL_OK;
}

static bool needs_quotes(const char *text, bool is_first)
{
    size_t n = strlen(text);
    int64_t batch;
    if (n == 0 || strcmp(text, "NULL") == 0 || text[0] == '"' || text[0] == ' ' ||
        text[0] == '\t' || text[n - 1] == ' ' || text[n - 1] == '\t' ||
        text[strcspn(text, "|\n\r")] != '\0')
        return true;
    return is_first && (stest_is_directive(text) || stest_is_batch_line(text, &batch) ||
                        strncmp(text, "--", 2) == 0);
}

static void write_cell(const stest_cell *cell, bool is_first, sl_bytes *out)
{
    if (cell->is_null || !needs_quotes(cell->text, is_first)) {
        sl_bytes_text(out, cell->is_null ? "NULL" : cell->text);
        return;
    }
    sl_bytes_char(out, '"');
    for (const char *c = cell->text; *c != '\0'; c++) {
        const char *escape = *c == '\n'   ? "\\n"
                             : *c == '\r' ? "\\r"
                             : *c == '\t' ? "\\t"
                             : *c == '"'  ? "\\\""
                             : *c == '\\' ? "\\\\"
                                          : NULL;
        if (escape != NULL)
            sl_bytes_text(out, escape);
        else
            sl_bytes_char(out, *c);
    }
    sl_bytes_char(out, '"');
}

const char *stest_row_text(const stest_cell *cells, uint32_t count, sl_arena *arena)
{
    sl_bytes out = { 0 };
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            sl_bytes_text(&out, " | ");
        write_cell(&cells[i], i == 0, &out);
    }
    const char *text = sl_arena_strdup(arena, sl_bytes_cstr(&out));
    sl_bytes_deinit(&out);
    return text;
}

/* ---- sets of rows ---- */

void stest_rows_add(stest_rows *r, const char *row, sl_arena *arena)
{
    if (r->count == r->capacity) {
        uint32_t capacity = r->capacity == 0 ? 16 : r->capacity * 2;
        const char **rows = SL_ARENA_ARRAY(arena, const char *, capacity);
        if (r->count > 0)
            memcpy(rows, r->rows, r->count * sizeof *rows);
        r->rows = rows;
        r->capacity = capacity;
    }
    r->rows[r->count++] = row;
}

void stest_rows_add_chunk(stest_rows *r, const sl_chunk *chunk, const sl_time_zone *zone,
                          sl_arena *arena)
{
    stest_cell *cells = SL_ARENA_ARRAY(arena, stest_cell, chunk->column_count + 1);
    for (uint32_t i = 0; i < chunk->selected; i++) {
        uint32_t row = sl_chunk_row(chunk, i);
        for (uint32_t c = 0; c < chunk->column_count; c++) {
            const sl_column *column = &chunk->columns[c];
            sl_bytes text = { 0 };
            sl_value_text(column, row, zone, &text);
            cells[c] = (stest_cell){ .text = sl_arena_strdup(arena, sl_bytes_cstr(&text)),
                                     .is_null = !sl_column_is_valid(column, row) };
            sl_bytes_deinit(&text);
        }
        stest_rows_add(r, stest_row_text(cells, chunk->column_count, arena), arena);
    }
}

void stest_rows_add_lines(stest_rows *r, const char *text, sl_arena *arena)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "\n"), used = n;
        while (used > 0 && text[used - 1] == ' ')
            used--;
        if (used > 0) {
            stest_cell cell = { .text = sl_arena_strndup(arena, text, used) };
            stest_rows_add(r, stest_row_text(&cell, 1, arena), arena);
        }
        text += n + (text[n] == '\n');
    }
}

static int compare_rows(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void stest_rows_sort(stest_rows *r)
{
    if (r->count > 1)
        qsort(r->rows, r->count, sizeof *r->rows, compare_rows);
}

bool stest_rows_equal(const stest_rows *a, const stest_rows *b)
{
    bool equal = a->count == b->count;
    for (uint32_t i = 0; equal && i < a->count; i++)
        equal = strcmp(a->rows[i], b->rows[i]) == 0;
    return equal;
}

static void diff_line(const char *prefix, char mark, const char *row, sl_bytes *out)
{
    sl_bytes_printf(out, "%s%c %s\n", prefix, mark, row);
}

/* Longest common subsequence, by the table: length[i][j] of the rows from i and j on. */
void stest_rows_diff(const stest_rows *expected, const stest_rows *actual,
                     const char *prefix, sl_bytes *out)
{
    size_t n = expected->count, m = actual->count, width = m + 1;
    bool plain = (n + 1) * width > DIFF_CELLS_MAX;
    uint32_t *length = (uint32_t *)sl_calloc(plain ? 1 : (n + 1) * width, sizeof *length);
    for (size_t i = n; !plain && i-- > 0;)
        for (size_t j = m; j-- > 0;) {
            uint32_t down = length[(i + 1) * width + j],
                     right = length[i * width + j + 1];
            length[i * width + j] = strcmp(expected->rows[i], actual->rows[j]) == 0
                                        ? length[(i + 1) * width + j + 1] + 1
                                    : down > right ? down
                                                   : right;
        }
    size_t i = 0, j = 0;
    while (i < n || j < m) {
        bool both = i < n && j < m && !plain;
        if (both && strcmp(expected->rows[i], actual->rows[j]) == 0) {
            diff_line(prefix, ' ', expected->rows[i++], out);
            j++;
        } else if (i < n && (plain || j == m ||
                             length[(i + 1) * width + j] >= length[i * width + j + 1])) {
            diff_line(prefix, '-', expected->rows[i++], out);
        } else {
            diff_line(prefix, '+', actual->rows[j++], out);
        }
    }
    sl_free(length);
}

/* Bytes of UTF-8 that begin a character: near enough to columns of a terminal. */
static size_t width_of(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

void stest_rows_write(const stest_rows *r, sl_bytes *out)
{
    sl_arena *arena = sl_arena_new();
    size_t widths[256] = { 0 };
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < r->count; i++) {
            stest_cell *cells;
            uint32_t n = 0;
            /* canonical: it parses */
            (void)!stest_cells_parse(r->rows[i], arena, &cells, &n, NULL);
            for (uint32_t c = 0; c < n; c++) {
                sl_bytes text = { 0 };
                write_cell(&cells[c], c == 0, &text);
                size_t width = width_of(sl_bytes_cstr(&text));
                if (pass == 0 && c < 256 && width > widths[c])
                    widths[c] = width;
                if (pass == 1) {
                    sl_bytes_text(out, c > 0 ? " | " : "");
                    sl_bytes_text(out, sl_bytes_cstr(&text));
                    for (size_t k = width; c + 1 < n && c < 256 && k < widths[c]; k++)
                        sl_bytes_char(out, ' ');
                }
                sl_bytes_deinit(&text);
            }
            if (pass == 1)
                sl_bytes_char(out, '\n');
        }
    sl_arena_free(arena);
}

/* ---- feeding ---- */

static sl_code fail_cell(const stest_cell *cell, const sl_field *field, const char *want,
                         sl_error *err)
{
    sl_bytes type = { 0 };
    sl_type_simple(field->type, &type);
    sl_code code = sl_fail(err, SL_EPARSE, "column %s is %s: '%.60s' is no %s",
                           field->name, sl_bytes_cstr(&type), cell->text, want);
    sl_bytes_deinit(&type);
    return code;
}

/* Seconds since 1970, or a timestamp in the zone. */
static bool read_time(const stest_cell *cell, const sl_time_zone *zone, int64_t *ret_us)
{
    char *end;
    double seconds = strtod(cell->text, &end);
    if (end != cell->text && *end == '\0' && isfinite(seconds) && fabs(seconds) < 1e12 &&
        !cell->is_quoted) {
        *ret_us = (int64_t)llround(seconds * 1e6);
        return true;
    }
    return sl_timestamp_parse(cell->text, strlen(cell->text), zone, ret_us);
}

static sl_code json_time(const stest_cell *cell, const sl_field *field,
                         const sl_time_zone *zone, sl_bytes *out, sl_error *err)
{
    char text[SL_TIME_TEXT_BYTES];
    int64_t us;
    bool has_zone = field->type->id == SL_TYPE_TIMESTAMP;
    if (!read_time(cell, has_zone ? zone : sl_time_zone_utc(), &us))
        return fail_cell(cell, field, "timestamp, and no number of seconds since 1970",
                         err);
    uint32_t n = sl_timestamp_text(us, sl_time_zone_utc(), text);
    char *space = (char *)memchr(text, ' ', n);
    if (space != NULL)
        *space = 'T';
    sl_bytes_printf(out, "\"%s%s\"", text, has_zone ? "Z" : "");
    return SL_OK;
}

static sl_code json_cell(const stest_cell *cell, const sl_field *field,
                         const sl_time_zone *zone, sl_bytes *out, sl_error *err)
{
    size_t n = strlen(cell->text);
    double number;
    int32_t days;
    bool truth;
    if (cell->is_null) {
        sl_bytes_text(out, "null");
        return SL_OK;
    }
    switch (field->type->id) {
    case SL_TYPE_TIMESTAMP:
    case SL_TYPE_TIMESTAMP_NTZ:
        return json_time(cell, field, zone, out, err);
    case SL_TYPE_DATE:
        if (!sl_date_parse(cell->text, n, &days))
            return fail_cell(cell, field, "date", err);
        break;
    case SL_TYPE_BOOLEAN:
        if (!sl_boolean_from_text(cell->text, n, &truth))
            return fail_cell(cell, field, "boolean", err);
        sl_bytes_text(out, truth ? "true" : "false");
        return SL_OK;
    case SL_TYPE_STRUCT:
        if (cell->text[0] != '{')
            return fail_cell(cell, field, "JSON object", err);
        sl_bytes_text(out, cell->text);
        return SL_OK;
    case SL_TYPE_STRING:
        break;
    default:
        if (n == 0 || !sl_double_from_text(cell->text, n, &number))
            return fail_cell(cell, field, "number", err);
        if (isfinite(number)) {
            sl_bytes_text(out, cell->text);
            return SL_OK;
        }
    }
    sl_json_string(out, cell->text, n);
    return SL_OK;
}

sl_code stest_row_json(const char *line, const sl_schema *schema,
                       const sl_time_zone *zone, sl_arena *arena, sl_bytes *out,
                       sl_error *err)
{
    stest_cell *cells;
    uint32_t n;
    SL_TRY(stest_cells_parse(line, arena, &cells, &n, err));
    if (n != schema->field_count)
        return sl_fail(err, SL_EPARSE, "%u cells, but the input has %u columns", n,
                       schema->field_count);
    sl_bytes_char(out, '{');
    for (uint32_t i = 0; i < n; i++) {
        if (cells[i].text[0] == '\0' && !cells[i].is_quoted)
            return sl_fail(err, SL_EPARSE,
                           "the cell of column %s is empty: write NULL or \"\"",
                           schema->fields[i].name);
        if (i > 0)
            sl_bytes_char(out, ',');
        sl_json_string(out, schema->fields[i].name, strlen(schema->fields[i].name));
        sl_bytes_char(out, ':');
        SL_TRY(json_cell(&cells[i], &schema->fields[i], zone, out, err));
    }
    sl_bytes_text(out, "}\n");
    return SL_OK;
}
