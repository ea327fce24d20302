/* A table is made of cells first, so that each column is as wide as what it holds. */
#include "client/cli/top_page.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include "base/alloc.h"
#include "engine/columnar/value_text.h"

enum { COLUMNS_MAX = 12, CELL_BYTES = 96, NAME_WIDTH_MAX = 40 };

static const char bold[] = "\033[1m", red[] = "\033[31m", green[] = "\033[32m",
                  yellow[] = "\033[33m", plain[] = "\033[0m";

typedef struct column {
    const char *title;
    bool is_text; /* left, else right */
} column;

struct table {
    const column *columns;
    uint32_t column_count, row_count;
    char (*cells)[CELL_BYTES]; /* row by row */
};

/* ---- lines ---- */

struct page {
    const sl_top_view *view;
    sl_bytes *out;
    uint32_t lines;
};

/* Bytes of the text that fill at most `width` columns; *ret_width: how many they fill. */
static size_t fit(const char *text, uint32_t width, uint32_t *ret_width)
{
    size_t at = 0, length = strlen(text);
    uint32_t used = 0;
    while (at < length) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
                                              (utf8proc_ssize_t)(length - at), &c);
        int w = n > 0 ? utf8proc_charwidth(c) : 1;
        if (used + (uint32_t)w > width)
            break;
        used += (uint32_t)w;
        at += n > 0 ? (size_t)n : 1;
    }
    *ret_width = used;
    return at;
}

static uint32_t width_of(const char *text)
{
    uint32_t width;
    (void)fit(text, UINT32_MAX - 2, &width);
    return width;
}

/* Is there room for a line, and for the one that says what is left out? */
static bool has_room(const struct page *p)
{
    return p->view->rows == 0 || p->lines + 1 < p->view->rows;
}

/* A line, cut at the terminal's width; colour NULL: none. */
static void put_line(struct page *p, const char *text, const char *colour)
{
    uint32_t width = p->view->columns > 0 ? p->view->columns : UINT32_MAX - 2;
    bool coloured = colour != NULL && p->view->has_colour;
    if (coloured)
        sl_bytes_text(p->out, colour);
    sl_bytes_append(p->out, text, fit(text, width, &width));
    if (coloured)
        sl_bytes_text(p->out, plain);
    sl_bytes_text(p->out, "\n");
    p->lines++;
}

/* ---- tables ---- */

static char *cell(const struct table *t, uint32_t row, uint32_t number)
{
    return t->cells[row * t->column_count + number];
}

static struct table table_new(const column *columns, uint32_t column_count, size_t rows)
{
    return (struct table){ columns, column_count, (uint32_t)rows,
                           (char(*)[CELL_BYTES])sl_calloc(rows * column_count + 1,
                                                          CELL_BYTES) };
}

static void pad(sl_bytes *line, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        sl_bytes_char(line, ' ');
}

static void put_cell(sl_bytes *line, const char *text, uint32_t width, bool is_text)
{
    uint32_t used;
    size_t bytes = fit(text, width, &used);
    if (!is_text)
        pad(line, width - used);
    sl_bytes_append(line, text, bytes);
    if (is_text)
        pad(line, width - used);
}

static const char *colour_of(const char *state)
{
    static const struct {
        const char *state, *colour;
    } colours[] = { { "RUNNING", green }, { "COMMITTING", green }, { "ACTIVE", green },
                    { "FAILED", red },    { "GONE", red },         { "RETRYING", yellow },
                    { "SUSPECT", yellow } };
    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++)
        if (strcmp(state, colours[i].state) == 0)
            return colours[i].colour;
    return NULL;
}

/* Column 1 is a state and gives the line its colour. */
static void put_table(struct page *p, const struct table *t)
{
    uint32_t widths[COLUMNS_MAX];
    sl_bytes line = { 0 };
    for (uint32_t c = 0; c < t->column_count; c++) {
        widths[c] = width_of(t->columns[c].title);
        for (uint32_t r = 0; r < t->row_count; r++) {
            uint32_t width = width_of(cell(t, r, c));
            widths[c] = width > widths[c] ? width : widths[c];
        }
        widths[c] = widths[c] < NAME_WIDTH_MAX ? widths[c] : NAME_WIDTH_MAX;
    }
    for (uint32_t r = 0; r <= t->row_count; r++) {
        sl_bytes_clear(&line);
        for (uint32_t c = 0; c < t->column_count; c++) {
            pad(&line, c > 0 ? 2 : 0);
            put_cell(&line, r == 0 ? t->columns[c].title : cell(t, r - 1, c), widths[c],
                     t->columns[c].is_text);
        }
        if (!has_room(p)) {
            char text[64];
            snprintf(text, sizeof text, "... and %u more",
                     t->row_count - (r > 0 ? r - 1 : 0));
            put_line(p, text, NULL);
            break;
        }
        sl_bytes_char(&line, '\0');
        put_line(p, (const char *)line.data,
                 r == 0 ? bold : colour_of(cell(t, r - 1, 1)));
    }
    sl_bytes_deinit(&line);
}

/* ---- cells ---- */

static void text_cell(char *to, const json_t *v)
{
    const char *text = json_string_value(v);
    snprintf(to, CELL_BYTES, "%s", text != NULL && *text != '\0' ? text : "-");
}

static void count_cell(char *to, const json_t *v)
{
    if (json_is_integer(v))
        snprintf(to, CELL_BYTES, "%lld", (long long)json_integer_value(v));
    else
        snprintf(to, CELL_BYTES, "-");
}

static void rate_cell(char *to, const json_t *v)
{
    double rate = json_number_value(v);
    if (!json_is_number(v))
        snprintf(to, CELL_BYTES, "-");
    else
        snprintf(to, CELL_BYTES, rate < 100 ? "%.1f" : "%.0f", rate);
}

static void bytes_text(char *to, int64_t bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++)
        value /= 1024;
    snprintf(to, CELL_BYTES, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

static void duration_text(char *to, int64_t ms)
{
    long long s = ms / 1000;
    if (ms < 10000)
        snprintf(to, CELL_BYTES, "%.1fs", (double)ms / 1000);
    else if (s < 60)
        snprintf(to, CELL_BYTES, "%llds", s);
    else if (s < 3600)
        snprintf(to, CELL_BYTES, "%lldm%02llds", s / 60, s % 60);
    else if (s < 86400)
        snprintf(to, CELL_BYTES, "%lldh%02lldm", s / 3600, s / 60 % 60);
    else
        snprintf(to, CELL_BYTES, "%lldd%02lldh", s / 86400, s / 3600 % 24);
}

/* ---- queries ---- */

static bool time_of(const json_t *v, int64_t *ret_us)
{
    const char *text = json_string_value(v);
    return text != NULL &&
           sl_timestamp_parse(text, strlen(text), sl_time_zone_utc(), ret_us);
}

/* From the watermark to the moment the batch began. */
static void lag_cell(char *to, const json_t *progress)
{
    int64_t watermark_us, begin_us;
    snprintf(to, CELL_BYTES, "-");
    if (time_of(json_object_get(json_object_get(progress, "eventTime"), "watermark"),
                &watermark_us) &&
        time_of(json_object_get(progress, "timestamp"), &begin_us) && watermark_us > 0) {
        int64_t lag_ms = (begin_us - watermark_us) / 1000;
        if (lag_ms >= 0)
            duration_text(to, lag_ms);
        else
            snprintf(to, CELL_BYTES, "ahead");
    }
}

static void state_cells(char *rows, char *bytes, const json_t *progress)
{
    const json_t *operators = json_object_get(progress, "stateOperators");
    const json_t *op;
    size_t i;
    long long row_sum = 0, byte_sum = 0;
    snprintf(rows, CELL_BYTES, "-");
    snprintf(bytes, CELL_BYTES, "-");
    if (json_array_size(operators) == 0)
        return;
    json_array_foreach(operators, i, op)
    {
        row_sum += json_integer_value(json_object_get(op, "numRowsTotal"));
        byte_sum += json_integer_value(json_object_get(op, "memoryUsedBytes"));
    }
    snprintf(rows, CELL_BYTES, "%lld", row_sum);
    bytes_text(bytes, byte_sum);
}

static void put_queries(struct page *p, const json_t *queries)
{
    static const column columns[] = { { "QUERY", true },          { "STATE", true },
                                      { "BATCH", false },         { "IN ROWS/S", false },
                                      { "DONE ROWS/S", false },   { "BATCH MS", false },
                                      { "WATERMARK LAG", false }, { "STATE ROWS", false },
                                      { "STATE SIZE", false } };
    struct table t = table_new(columns, 9, json_array_size(queries));
    for (uint32_t r = 0; r < t.row_count; r++) {
        const json_t *q = json_array_get(queries, r);
        const json_t *progress = json_object_get(q, "lastProgress");
        const json_t *batch = json_object_get(q, "lastBatch");
        text_cell(cell(&t, r, 0), json_object_get(q, "name"));
        text_cell(cell(&t, r, 1), json_object_get(q, "state"));
        count_cell(cell(&t, r, 2), json_integer_value(batch) >= 0 ? batch : NULL);
        rate_cell(cell(&t, r, 3), json_object_get(q, "inputRowsPerSecond"));
        rate_cell(cell(&t, r, 4), json_object_get(q, "processedRowsPerSecond"));
        count_cell(
            cell(&t, r, 5),
            json_object_get(json_object_get(progress, "durationMs"), "triggerExecution"));
        lag_cell(cell(&t, r, 6), progress);
        state_cells(cell(&t, r, 7), cell(&t, r, 8), progress);
    }
    put_table(p, &t);
    sl_free(t.cells);
}

/* ---- workers ---- */

static void memory_cell(char *to, const json_t *worker)
{
    char used[CELL_BYTES], budget[CELL_BYTES];
    int64_t limit = json_integer_value(json_object_get(worker, "memoryBytes"));
    bytes_text(used, json_integer_value(json_object_get(worker, "memoryUsedBytes")));
    bytes_text(budget, limit);
    snprintf(to, CELL_BYTES, limit > 0 ? "%.30s of %.30s" : "%.30s", used, budget);
}

static void put_workers(struct page *p, const json_t *workers)
{
    static const column columns[] = { { "WORKER", true },       { "STATE", true },
                                      { "SLOTS", false },       { "TASKS", false },
                                      { "PARTITIONS", false },  { "MEMORY", false },
                                      { "SHUFFLE OUT", false }, { "SHUFFLE IN", false },
                                      { "HEARD", false },       { "PID", false },
                                      { "HOST", true } };
    struct table t = table_new(columns, 11, json_array_size(workers));
    for (uint32_t r = 0; r < t.row_count; r++) {
        const json_t *w = json_array_get(workers, r);
        text_cell(cell(&t, r, 0), json_object_get(w, "name"));
        text_cell(cell(&t, r, 1), json_object_get(w, "state"));
        count_cell(cell(&t, r, 2), json_object_get(w, "slots"));
        count_cell(cell(&t, r, 3), json_object_get(w, "tasksRunning"));
        count_cell(cell(&t, r, 4), json_object_get(w, "partitions"));
        memory_cell(cell(&t, r, 5), w);
        bytes_text(cell(&t, r, 6),
                   json_integer_value(json_object_get(w, "shuffleSentBytes")));
        bytes_text(cell(&t, r, 7),
                   json_integer_value(json_object_get(w, "shuffleReceivedBytes")));
        duration_text(cell(&t, r, 8),
                      json_integer_value(json_object_get(w, "heardMsAgo")));
        count_cell(cell(&t, r, 9), json_object_get(w, "pid"));
        text_cell(cell(&t, r, 10), json_object_get(w, "host"));
    }
    put_table(p, &t);
    sl_free(t.cells);
}

/* ---- the page ---- */

static void put_head(struct page *p, const json_t *root)
{
    const json_t *driver = json_object_get(root, "driver");
    const char *version = json_string_value(json_object_get(driver, "version"));
    char up[CELL_BYTES], line[512];
    size_t workers = json_array_size(json_object_get(root, "workers"));
    size_t queries = json_array_size(json_object_get(root, "queries"));
    duration_text(up, json_integer_value(json_object_get(driver, "uptimeMs")));
    snprintf(line, sizeof line,
             "sluice %.32s at %.200s, up %s: %zu worker%s, %zu quer%s, %lld client(s)",
             version != NULL ? version : "", p->view->address, up, workers,
             workers == 1 ? "" : "s", queries, queries == 1 ? "y" : "ies",
             (long long)json_integer_value(json_object_get(driver, "clients")));
    put_line(p, line, NULL);
    if (p->view->note != NULL)
        put_line(p, p->view->note, red);
}

sl_code sl_top_page(const char *json, const sl_top_view *view, sl_bytes *out,
                    sl_error *err)
{
    json_error_t where;
    struct page p = { view, out, 0 };
    json_t *root = json_loads(json, 0, &where);
    if (!json_is_object(root)) {
        json_decref(root);
        return sl_fail(err, SL_ECORRUPT, "the driver's status is no JSON object: %s",
                       where.text);
    }
    put_head(&p, root);
    if (has_room(&p))
        put_line(&p, "", NULL);
    put_workers(&p, json_object_get(root, "workers"));
    if (has_room(&p)) {
        put_line(&p, "", NULL);
        put_queries(&p, json_object_get(root, "queries"));
    }
    json_decref(root);
    return SL_OK;
}
