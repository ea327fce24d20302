/* The reader: windows of whole lines are indexed, each line is tried against the layouts
 * seen lately, and parsed in general if none fits.
 *
 *   feed (blocks) -> window (32 KiB, indexed) -> line -> scan by layout --+-> columns
 *                                                   \--> general parser --/
 */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "formats/json_private.h"

/* Learning costs an allocation or two; lines that never repeat must not pay it each. */
#define LEARN_COST 16u
#define LEARN_CREDIT_MAX 1024u

struct sl_json_reader {
    sl_json_read_request q;
    sl_type root_type; /* STRUCT of root_fields */
    sl_field *root_fields;
    uint32_t *columns;
    sl_json__field root;
    int32_t corrupt; /* wanted column that takes malformed lines, or -1 */
    sl_json__feed feed;
    sl_json__store store;
    sl_json__index_kernel *index_kernel;
    sl_json__index index;
    sl_json__column *out;
    uint32_t rows; /* of the chunk being built */

    /* Window: lines [at, window_end) of the block are left. */
    const char *at, *window_begin, *window_end;
    uint32_t mark;
    bool indexed;    /* false: one long line, or lines that need the parser */
    bool utf8_known; /* the window is valid UTF-8 */

    /* An array of objects: a row each, from here on. */
    sl_json__cursor array;
    const char *array_line, *array_line_end;
    bool in_array;

    sl_json__trace *trace;
    sl_json__layout layouts[SL_JSON__LAYOUTS_MAX]; /* used most lately first */
    uint32_t layout_count, learn_credit;
    sl_json_read_stats stats;
};

/* ---- open and close ---- */

static sl_code init_root(sl_json_reader *r, sl_error *err)
{
    const sl_json_read_request *q = &r->q;
    r->root_fields = sl_calloc((size_t)q->column_count + 1, sizeof *r->root_fields);
    r->corrupt = -1;
    for (uint32_t i = 0; i < q->column_count; i++) {
        r->root_fields[i] = q->schema->fields[q->columns[i]];
        if (strcmp(r->root_fields[i].name, q->options.corrupt_column) == 0)
            r->corrupt = (int32_t)i;
    }
    r->root_type = (sl_type){ .id = SL_TYPE_STRUCT,
                              .field_count = q->column_count,
                              .fields = r->root_fields };
    SL_TRY(sl_json__field_init(&r->root, "", &r->root_type, err));
    if (r->corrupt < 0)
        return SL_OK;
    sl_json__field *corrupt = &r->root.children[r->corrupt];
    if (corrupt->type->id != SL_TYPE_STRING)
        return sl_fail_as(err, SL_EINVAL, "INVALID_CORRUPT_RECORD_TYPE", "42804",
                          "The column '%s' for corrupt records must have the nullable "
                          "STRING type, but got a type named %s.",
                          corrupt->name, sl_type_tree_name(corrupt->type));
    corrupt->name = NULL;
    return SL_OK;
}

sl_code sl_json_reader_open(const sl_json_read_request *request, sl_json_reader **ret,
                            sl_error *err)
{
    SL_ASSERT(request->chunk_rows > 0 && request->chunk_rows <= SL_CHUNK_ROWS_MAX);
    sl_json_reader *r = sl_calloc(1, sizeof *r);
    r->q = *request;
    r->columns = sl_alloc(((size_t)request->column_count + 1) * sizeof *r->columns);
    if (request->column_count != 0)
        memcpy(r->columns, request->columns,
               request->column_count * sizeof *request->columns);
    r->q.columns = r->columns;
    r->out = sl_calloc((size_t)request->column_count + 1, sizeof *r->out);
    r->trace = sl_alloc(sizeof *r->trace);
    r->index.positions =
        sl_alloc((SL_JSON__WINDOW_BYTES + 128) * sizeof *r->index.positions);
    r->index_kernel = sl_json__index_pick();
    r->learn_credit = LEARN_CREDIT_MAX;
    r->store.options = &r->q.options;
    r->store.zone = request->options.zone != NULL ? request->options.zone : request->zone;
    sl_json__feed_init(&r->feed, &r->q);
    sl_code code = init_root(r, err);
    if (code != SL_OK) {
        sl_json_reader_close(r);
        return code;
    }
    *ret = r;
    return SL_OK;
}

void sl_json_reader_close(sl_json_reader *r)
{
    if (r == NULL)
        return;
    for (uint32_t i = 0; i < r->q.column_count; i++)
        if (r->out[i].b.type != NULL)
            sl_column_builder_deinit(&r->out[i].b);
    for (uint32_t i = 0; i < r->layout_count; i++)
        sl_json__layout_deinit(&r->layouts[i]);
    sl_json__feed_deinit(&r->feed);
    sl_json__field_deinit(&r->root);
    sl_bytes_deinit(&r->store.key);
    sl_bytes_deinit(&r->store.text);
    sl_free(r->index.positions);
    sl_free(r->trace);
    sl_free(r->out);
    sl_free(r->columns);
    sl_free(r->root_fields);
    sl_free(r);
}

void sl_json_reader_stats(const sl_json_reader *r, sl_json_read_stats *ret)
{
    *ret = r->stats;
}

/* ---- rows ---- */

static void undo_row(sl_json_reader *r)
{
    for (uint32_t i = 0; i < r->q.column_count; i++)
        sl_json__undo(&r->out[i].b, r->rows);
}

static sl_code put_token(sl_json_reader *r, uint32_t column, const sl_json__token *t,
                         bool *ret_bad, sl_error *err)
{
    sl_column_builder *b = &r->out[column].b;
    if (b->children == NULL)
        b->length = r->rows; /* scanned rows do not count themselves */
    return sl_json__put(&r->store, &r->root.children[column], t, b, ret_bad, err);
}

static sl_code put_corrupt(sl_json_reader *r, const char *line, const char *line_end,
                           sl_error *err)
{
    sl_column_builder *b = &r->out[r->corrupt].b;
    size_t length = (size_t)(line_end - line);
    b->length = r->rows;
    if (length > r->feed.row_bytes_max)
        length = sl_json__kept_length(&r->feed, line);
    return sl_column_builder_string(b, line, (uint32_t)length, err);
}

static sl_code refuse_line(const sl_json_reader *r, const char *line,
                           const char *line_end, sl_error *err)
{
    int64_t at = r->feed.block_at + (line - (const char *)r->feed.block->data);
    int shown = line_end - line > 200 ? 200 : (int)(line_end - line);
    return sl_fail_as(err, SL_EDATA, "MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION",
                      "22023",
                      "Malformed records are detected in record parsing: '%.*s' at byte "
                      "%" PRId64 " of %s. Parse Mode: FAILFAST. To process malformed "
                      "records as null result, try setting the option 'mode' as "
                      "'PERMISSIVE'.",
                      shown, line, at, r->q.name);
}

/* A row from tokens (NULL: the line could not be read). */
static sl_code put_row(sl_json_reader *r, const sl_json__token *tokens, const char *line,
                       const char *line_end, bool *ret_bad, sl_error *err)
{
    static const sl_json__token ABSENT = { .kind = SL_JSON__ABSENT };
    bool bad = tokens == NULL;
    for (uint32_t i = 0; i < r->q.column_count; i++)
        if ((int32_t)i != r->corrupt)
            SL_TRY(put_token(r, i, tokens != NULL ? &tokens[i] : &ABSENT, &bad, err));
    *ret_bad = bad;
    if (bad) {
        r->stats.malformed_rows++;
        if (r->q.options.mode == SL_JSON_FAILFAST)
            return refuse_line(r, line, line_end, err);
        if (r->q.options.mode == SL_JSON_DROPMALFORMED) {
            undo_row(r);
            return SL_OK;
        }
    }
    if (r->corrupt >= 0)
        SL_TRY(bad ? put_corrupt(r, line, line_end, err)
                   : put_token(r, (uint32_t)r->corrupt, &ABSENT, &bad, err));
    r->rows++;
    return SL_OK;
}

/* ---- the general way ---- */

static void clear_slots(sl_json_reader *r)
{
    for (uint32_t i = 0; i < r->root.child_count; i++)
        r->root.slots[i].kind = SL_JSON__ABSENT;
    r->root.hint = 0;
    r->trace->count = 0;
    r->trace->repeated = false;
}

static void take_member(const sl_json__token *key, const sl_json__token *value,
                        void *user)
{
    sl_json_reader *r = user;
    sl_json__trace *t = r->trace;
    int32_t column = sl_json__field_find(&r->root, key, &r->store.key);
    if (column >= 0) {
        t->repeated |= r->root.slots[column].kind != SL_JSON__ABSENT;
        r->root.slots[column] = *value;
    }
    if (t->count < SL_JSON__SEGMENTS_MAX) {
        t->values[t->count].begin = value->begin;
        t->values[t->count].end = value->end;
        t->values[t->count].column = column;
    }
    t->count += t->count <= SL_JSON__SEGMENTS_MAX;
}

static void learn(sl_json_reader *r, const char *line, const char *line_end)
{
    sl_json__layout l;
    if (r->learn_credit < LEARN_COST || !r->indexed || r->q.general_only ||
        !sl_json__layout_learn(r->trace, line, line_end, &r->root, &l))
        return;
    r->learn_credit -= LEARN_COST;
    if (r->layout_count == SL_JSON__LAYOUTS_MAX)
        sl_json__layout_deinit(&r->layouts[--r->layout_count]);
    memmove(&r->layouts[1], &r->layouts[0], r->layout_count * sizeof l);
    r->layouts[0] = l;
    r->layout_count++;
}

static sl_code parse_object(sl_json_reader *r, sl_json__cursor c, const char *line,
                            const char *line_end, sl_error *err)
{
    clear_slots(r);
    bool bad;
    if (!sl_json__read_object(&c, 1, take_member, r))
        return put_row(r, NULL, line, line_end, &bad, err);
    SL_TRY(put_row(r, r->root.slots, line, line_end, &bad, err));
    if (!bad)
        learn(r, line, line_end);
    return SL_OK;
}

/* True if the array at c is whole and holds objects only. */
static bool check_array(sl_json__cursor c)
{
    sl_json__cursor all = c;
    sl_json__token t;
    if (!sl_json__read_token(&all, 1, &t))
        return false;
    for (c.at++;; c.at++) {
        sl_json__skip_space(&c);
        if (*c.at == ']')
            return true;
        if (*c.at != '{' || !sl_json__read_token(&c, 2, &t))
            return false;
        sl_json__skip_space(&c);
        if (*c.at == ']')
            return true;
    }
}

/* Rows of the array until it ends or the chunk is full. */
static sl_code take_array(sl_json_reader *r, sl_error *err)
{
    while (r->in_array && r->rows < r->q.chunk_rows) {
        sl_json__skip_space(&r->array);
        char c = *r->array.at;
        if (c == ',') {
            r->array.at++;
        } else if (c == '{') {
            bool bad;
            clear_slots(r);
            if (!sl_json__read_object(&r->array, 2, take_member, r))
                return sl_fail(err, SL_EINTERNAL, "a checked array does not parse");
            SL_TRY(
                put_row(r, r->root.slots, r->array_line, r->array_line_end, &bad, err));
        } else {
            r->in_array = false;
        }
    }
    return SL_OK;
}

static sl_code parse_line(sl_json_reader *r, const char *line, const char *line_end,
                          sl_error *err)
{
    bool bad;
    sl_json__cursor c = { line, line_end, &r->q.options };
    sl_json__skip_space(&c);
    if (c.at == line_end)
        return SL_OK;
    bool is_array = *c.at == '[';
    if (r->q.column_count == 0 && r->q.options.mode == SL_JSON_PERMISSIVE && !is_array) {
        r->rows++; /* nothing of the line is asked for */
        return SL_OK;
    }
    bool fits = (size_t)(line_end - line) <= r->feed.row_bytes_max && !r->feed.oversize;
    if (!fits ||
        (!r->utf8_known && !sl_json__utf8_valid(line, (size_t)(line_end - line))))
        return put_row(r, NULL, line, line_end, &bad, err);
    if (*c.at == '{')
        return parse_object(r, c, line, line_end, err);
    if (!is_array || !check_array(c))
        return put_row(r, NULL, line, line_end, &bad, err);
    r->array = c;
    r->array.at++;
    r->array_line = line;
    r->array_line_end = line_end;
    r->in_array = true;
    return take_array(r, err);
}

/* ---- windows ---- */

/* The next lines of the block: many short ones, or a long one. */
static void open_window(sl_json_reader *r)
{
    const char *block_end = (const char *)r->feed.block->data + r->feed.lines_end;
    size_t left = (size_t)(block_end - r->at);
    const char *end = block_end;
    bool several = true;
    if (left > SL_JSON__WINDOW_BYTES) {
        const char *last = r->at + SL_JSON__WINDOW_BYTES;
        const char *stop = memrchr(r->at, '\n', SL_JSON__WINDOW_BYTES);
        if (stop == NULL)
            stop = memrchr(r->at, '\r', SL_JSON__WINDOW_BYTES);
        several = stop != NULL;
        if (!several)
            stop = sl_json__line_end(last, block_end);
        end = stop != NULL ? stop + 1 : block_end;
    }
    r->window_begin = r->at;
    r->window_end = end;
    r->mark = 0;
    r->indexed = several && !r->feed.oversize;
    r->utf8_known = false;
    if (!r->indexed)
        return;
    size_t bytes = (size_t)(end - r->at);
    r->index_kernel((const uint8_t *)r->at, bytes, &r->index);
    r->utf8_known = r->index.ascii || sl_json__utf8_valid(r->at, bytes);
}

static const char *lines_end(const sl_json_reader *r)
{
    return r->feed.block != NULL ? (const char *)r->feed.block->data + r->feed.lines_end
                                 : NULL;
}

static sl_code next_window(sl_json_reader *r, bool *ret_more, sl_error *err)
{
    if (r->at == lines_end(r)) {
        SL_TRY(sl_json__feed_next(&r->feed, ret_more, err));
        if (!*ret_more) { /* the block may have moved; asked again, this is the end too */
            r->at = r->window_end = lines_end(r);
            return SL_OK;
        }
        r->store.block = r->feed.block;
        r->at = (const char *)r->feed.block->data + r->feed.lines_begin;
        r->stats.bytes += (int64_t)(r->feed.lines_end - r->feed.lines_begin);
    }
    open_window(r);
    *ret_more = true;
    return SL_OK;
}

/* A window without an index: one long line, or the start of one that is too long. */
static sl_code take_long_line(sl_json_reader *r, sl_error *err)
{
    const char *line = r->at, *end = r->window_end;
    if (end > line && sl_json__is_line_end(end[-1]))
        end--;
    r->at = r->window_end;
    return parse_line(r, line, end, err);
}

/* Try the layouts at r->at. */
static sl_json__outcome scan_line(sl_json_reader *r, sl_json__scan *s, sl_error *err)
{
    for (uint32_t i = 0; i < r->layout_count; i++) {
        s->dirty = false;
        sl_json__outcome outcome =
            sl_json__scan_line(s, &r->layouts[i], r->rows, &r->at, &r->mark, err);
        if (outcome == SL_JSON__DIFFERS) {
            if (s->dirty)
                undo_row(r);
            continue;
        }
        if (i != 0) {
            sl_json__layout hit = r->layouts[i];
            memmove(&r->layouts[1], &r->layouts[0], i * sizeof hit);
            r->layouts[0] = hit;
        }
        return outcome;
    }
    return SL_JSON__DIFFERS;
}

static sl_code take_lines(sl_json_reader *r, sl_error *err)
{
    sl_json__scan s = { .data = r->window_begin,
                        .data_end = r->window_end,
                        .positions = r->index.positions,
                        .store = &r->store,
                        .root = &r->root,
                        .columns = r->out,
                        .column_count = r->q.column_count };
    /* A scanned line lies in a window: under the limit, unless that is tiny. */
    bool scan = r->utf8_known && !r->q.general_only &&
                r->feed.row_bytes_max >= SL_JSON__WINDOW_BYTES &&
                (r->q.column_count != 0 || r->q.options.mode != SL_JSON_PERMISSIVE);
    int64_t scanned = 0;
    while (r->at < r->window_end && r->rows < r->q.chunk_rows && !r->in_array) {
        sl_json__outcome outcome =
            scan && r->layout_count != 0 ? scan_line(r, &s, err) : SL_JSON__DIFFERS;
        if (outcome == SL_JSON__FAILED)
            return err->code;
        if (outcome == SL_JSON__SCANNED) {
            r->rows++;
            scanned++;
            continue;
        }
        const char *line = r->at;
        while (!sl_json__is_line_end(r->window_begin[r->index.positions[r->mark]]))
            r->mark++;
        const char *line_end = r->window_begin + r->index.positions[r->mark++];
        r->at = line_end + 1;
        SL_TRY(parse_line(r, line, line_end, err));
    }
    r->stats.scanned_rows += scanned;
    uint64_t credit = r->learn_credit + (uint64_t)scanned;
    r->learn_credit = credit < LEARN_CREDIT_MAX ? (uint32_t)credit : LEARN_CREDIT_MAX;
    return SL_OK;
}

/* ---- chunks ---- */

static sl_code begin_chunk(sl_json_reader *r, sl_error *err)
{
    r->rows = 0;
    for (uint32_t i = 0; i < r->q.column_count; i++) {
        sl_json__column *c = &r->out[i];
        SL_TRY(sl_column_builder_init(&c->b, r->root_fields[i].type, r->q.chunk_rows,
                                      r->q.budget, err));
        c->values = c->b.values != NULL ? c->b.values->data : NULL;
        c->shared = NULL;
    }
    return SL_OK;
}

static sl_chunk *finish_chunk(sl_json_reader *r)
{
    sl_chunk *chunk = sl_chunk_new(r->q.column_count, r->rows);
    for (uint32_t i = 0; i < r->q.column_count; i++) {
        sl_column_builder *b = &r->out[i].b;
        if (b->children == NULL)
            b->length = r->rows;
        sl_column_builder_finish(b, &chunk->columns[i]);
    }
    r->stats.rows += r->rows;
    return chunk;
}

static void drop_chunk(sl_json_reader *r)
{
    for (uint32_t i = 0; i < r->q.column_count; i++)
        sl_column_builder_deinit(&r->out[i].b);
}

static sl_code fill_chunk(sl_json_reader *r, sl_error *err)
{
    while (r->rows < r->q.chunk_rows) {
        if (r->in_array) {
            SL_TRY(take_array(r, err));
        } else if (r->at != r->window_end) {
            SL_TRY(r->indexed ? take_lines(r, err) : take_long_line(r, err));
        } else {
            bool more = false;
            SL_TRY(next_window(r, &more, err));
            if (!more)
                return SL_OK;
        }
    }
    return SL_OK;
}

sl_code sl_json_reader_next(sl_json_reader *r, sl_chunk **ret, sl_error *err)
{
    sl_error local; /* scanning reports through it even if the caller does not care */
    err = err != NULL ? err : &local;
    SL_TRY(begin_chunk(r, err));
    SL_TRY(fill_chunk(r, err));
    if (r->rows == 0) {
        drop_chunk(r);
        *ret = NULL;
        return SL_OK;
    }
    *ret = finish_chunk(r);
    return SL_OK;
}
