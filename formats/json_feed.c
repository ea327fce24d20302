/* A block holds whole lines and the start of one more, which moves to the front of the
 * next block.  A block nobody points into is used again, so that a scan over short
 * strings stays in the cache.
 *
 *   range:  begin-1 is read too: if it is a line end, a line starts at begin
 *   |....................\n|.........\n........\n.......|
 *                        begin        lines that start before end belong to us */
#include <inttypes.h>
#include <string.h>

#include "base/limits.h"
#include "formats/json_private.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"
#define BLOCK_BYTES ((size_t)512 << 10)
#define PAST_END_BYTES ((size_t)64 << 10) /* read past the range for its last line */

void sl_json__feed_init(sl_json__feed *f, const sl_json_read_request *q)
{
    *f = (sl_json__feed){
        .file = q->file,
        .name = q->name,
        .budget = q->budget,
        .end = q->end,
        .read_at = q->begin > 0 ? q->begin - 1 : 0,
        .skipping = q->begin > 0,
        .block_bytes = q->block_bytes != 0 ? q->block_bytes : BLOCK_BYTES,
        .row_bytes_max = q->row_bytes_max != 0 ? q->row_bytes_max : SL_ROW_BYTES_MAX,
        .done = q->end <= q->begin,
    };
    f->block_at = f->read_at;
}

void sl_json__feed_deinit(sl_json__feed *f)
{
    sl_buffer_unref(f->block);
    f->block = NULL;
}

/* A block of at least `bytes` with the bytes [from, used) of the old one at its front. */
static sl_code move_block(sl_json__feed *f, size_t from, size_t bytes, sl_error *err)
{
    size_t kept = f->used - from;
    bool fits = f->block != NULL && f->block->capacity_bytes >= bytes &&
                (f->block->capacity_bytes <= 2 * f->block_bytes ||
                 f->block->capacity_bytes <= 2 * bytes);
    if (fits && sl_refs_is_only(&f->block->refs)) {
        memmove(f->block->data, f->block->data + from, kept);
    } else {
        sl_buffer *fresh;
        SL_TRY(sl_buffer_new(bytes, f->budget, &fresh, err));
        if (kept != 0)
            memcpy(fresh->data, f->block->data + from, kept);
        sl_buffer_unref(f->block);
        f->block = fresh;
    }
    f->block_at += (int64_t)from;
    f->searched = f->searched > from ? f->searched - from : 0;
    f->used = kept;
    f->lines_begin = 0;
    f->lines_end = 0;
    return SL_OK;
}

/* Read more behind what is there; one byte stays free for a last line end. */
static sl_code fill(sl_json__feed *f, sl_error *err)
{
    size_t room = f->block->capacity_bytes - 1 - f->used;
    if (f->end < INT64_MAX) {
        int64_t until = f->read_at < f->end ? f->end - f->read_at : 0;
        uint64_t past = f->used > PAST_END_BYTES ? f->used : PAST_END_BYTES;
        uint64_t want = (uint64_t)until + past; /* a long last line: twice as much each */
        room = room < want ? room : (size_t)want;
    }
    size_t got = 0;
    sl_code code =
        sl_file_read(f->file, f->read_at, f->block->data + f->used, room, &got, err);
    if (code != SL_OK) {
        sl_error_prefix(err, "%s at byte %" PRId64, f->name, f->read_at);
        return code;
    }
    f->eof = got < room;
    f->used += got;
    f->read_at += (int64_t)got;
    if (f->used >= 3 && f->block_at == 0 && f->lines_begin == 0 && !f->skipping &&
        memcmp(f->block->data, BYTE_ORDER_MARK, 3) == 0) {
        f->lines_begin = 3;
        f->end =
            f->end < 4 ? 4 : f->end; /* who has byte 0 has the line behind the mark */
    }
    return SL_OK;
}

static const char *last_line_end(const char *begin, const char *end)
{
    const char *newline = memrchr(begin, '\n', (size_t)(end - begin));
    return newline != NULL ? newline : memrchr(begin, '\r', (size_t)(end - begin));
}

/* Drop the rest of a line that is not ours. True once a line starts at lines_begin. */
static bool skip_line(sl_json__feed *f)
{
    const char *data = (const char *)f->block->data;
    const char *stop = sl_json__line_end(data, data + f->used);
    if (stop == NULL) {
        f->block_at += (int64_t)f->used;
        f->used = 0;
        return false;
    }
    f->lines_begin = (size_t)(stop - data) + 1;
    f->skipping = false;
    return true;
}

/* The file ended: what is left is lines, the last one perhaps without its end. */
static void end_file(sl_json__feed *f)
{
    char *data = (char *)f->block->data;
    if (f->used > f->lines_begin && !sl_json__is_line_end(data[f->used - 1]))
        data[f->used++] = '\n';
    f->lines_end = f->used;
    f->done = true;
}

/* Find the whole lines of the block. False: more bytes are needed. */
static bool find_lines(sl_json__feed *f)
{
    const char *data = (const char *)f->block->data;
    int64_t end = f->end < INT64_MAX ? f->end - f->block_at : INT64_MAX;
    size_t from = f->searched > f->lines_begin ? f->searched : f->lines_begin;
    if (end <= (int64_t)f->lines_begin) { /* no line of ours starts here */
        f->lines_end = f->lines_begin;
        f->done = true;
        return true;
    }
    if (end <= (int64_t)f->used) { /* the line byte end - 1 is in is our last one */
        size_t last = (size_t)end - 1 > from ? (size_t)end - 1 : from;
        const char *stop = sl_json__line_end(data + last, data + f->used);
        if (stop != NULL) {
            f->lines_end = (size_t)(stop - data) + 1;
            f->done = true;
            return true;
        }
    }
    if (f->eof) {
        end_file(f);
        return true;
    }
    const char *stop = last_line_end(data + from, data + f->used);
    if (stop == NULL) {
        f->searched = f->used;
        return false;
    }
    f->lines_end = (size_t)(stop - data) + 1;
    return true;
}

size_t sl_json__kept_length(const sl_json__feed *f, const char *line)
{
    size_t length = f->row_bytes_max < SL_JSON__CORRUPT_BYTES_MAX
                        ? f->row_bytes_max
                        : SL_JSON__CORRUPT_BYTES_MAX;
    for (int i = 0; i < 3 && length > 1 && (line[length] & 0xc0) == 0x80; i++)
        length--; /* not in the middle of a character */
    return length;
}

/* A line without an end in sight past the limit: give its start, skip the rest. */
static void give_oversize(sl_json__feed *f)
{
    const char *line = (const char *)f->block->data + f->lines_begin;
    f->lines_end = f->lines_begin + sl_json__kept_length(f, line);
    f->oversize = true;
    f->skipping = true;
}

static bool is_oversize(const sl_json__feed *f)
{
    return f->used - f->lines_begin > f->row_bytes_max;
}

sl_code sl_json__feed_next(sl_json__feed *f, bool *ret_more, sl_error *err)
{
    *ret_more = false;
    if (f->done)
        return SL_OK;
    size_t from = f->oversize ? f->used : f->lines_end;
    f->oversize = false;
    size_t kept = f->used - from;
    size_t need = kept + 2 > f->block_bytes ? (kept + 2) * 2 : f->block_bytes;
    SL_TRY(move_block(f, from, need, err));
    for (;;) {
        SL_TRY(fill(f, err));
        if (f->skipping && !skip_line(f)) {
            if (f->eof || (f->end < INT64_MAX && f->block_at >= f->end)) {
                f->done = true;
                return SL_OK;
            }
            continue;
        }
        if (find_lines(f)) {
            *ret_more = f->lines_end > f->lines_begin;
            if (*ret_more || f->done)
                return SL_OK;
        } else if (is_oversize(f)) {
            give_oversize(f);
            *ret_more = true;
            return SL_OK;
        }
        if (f->block->capacity_bytes - 1 - f->used <= f->block->capacity_bytes / 4)
            SL_TRY(move_block(f, f->lines_begin, f->block->capacity_bytes * 2, err));
    }
}
