/* delta.c - see delta.h and docs/formats/delta.md. */

#include "statestore/delta.h"

#include <inttypes.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"

static void put_u32(uint8_t *at, uint32_t v)
{
    memcpy(at, &v, sizeof v);
}

static void put_u64(uint8_t *at, uint64_t v)
{
    memcpy(at, &v, sizeof v);
}

void sl_state_delta_seal(const sl_state_delta_header *h, uint8_t *bytes)
{
    memcpy(bytes, SL_STATE_DELTA_MAGIC, 8);
    put_u32(bytes + 8, SL_STATE_DELTA_FORMAT);
    put_u32(bytes + 12, (uint32_t)h->kind);
    put_u64(bytes + 16, h->query_hash);
    put_u32(bytes + 24, h->partition);
    put_u32(bytes + 28, h->section_count);
    put_u32(bytes + 32, h->group_first);
    put_u32(bytes + 36, h->group_end);
    put_u64(bytes + 40, (uint64_t)h->batch);
    put_u64(bytes + 48, h->parent_id);
    put_u64(bytes + 56, h->state_id);
    put_u64(bytes + 64, h->row_count);
    put_u64(bytes + 72, h->body_bytes);
    put_u64(bytes + 80, h->rows_after);
    put_u64(bytes + 88, h->row_bytes_after);
    put_u64(bytes + 96, h->row_sum_after);
    put_u64(bytes + 104,
            sl_hash64(bytes + SL_STATE_DELTA_HEADER_BYTES, (size_t)h->body_bytes));
    put_u64(bytes + 112, sl_hash64(bytes, 112));
}

static sl_code header_read(sl_reader *r, sl_state_delta_header *h, sl_error *err)
{
    uint32_t kind = sl_read_u32(r);
    h->kind = (sl_state_delta_kind)kind;
    h->query_hash = sl_read_u64(r);
    h->partition = sl_read_u32(r);
    h->section_count = sl_read_u32(r);
    h->group_first = sl_read_u32(r);
    h->group_end = sl_read_u32(r);
    h->batch = sl_read_i64(r);
    h->parent_id = sl_read_u64(r);
    h->state_id = sl_read_u64(r);
    h->row_count = sl_read_u64(r);
    h->body_bytes = sl_read_u64(r);
    h->rows_after = sl_read_u64(r);
    h->row_bytes_after = sl_read_u64(r);
    h->row_sum_after = sl_read_u64(r);
    if (kind != SL_STATE_DELTA && kind != SL_STATE_FULL)
        return sl_fail(err, SL_ECORRUPT, "a state delta of unknown kind %u", kind);
    return SL_OK;
}

sl_code sl_state_delta_open(sl_span bytes, sl_state_delta_header *ret, sl_error *err)
{
    if (bytes.size_bytes < SL_STATE_DELTA_HEADER_BYTES)
        return sl_fail(err, SL_ECORRUPT,
                       "a state delta of %zu bytes, its header needs %d",
                       bytes.size_bytes, SL_STATE_DELTA_HEADER_BYTES);
    if (memcmp(bytes.data, SL_STATE_DELTA_MAGIC, 8) != 0)
        return sl_fail(err, SL_ECORRUPT, "not a state delta: it does not begin with %s",
                       SL_STATE_DELTA_MAGIC);
    sl_reader r = sl_reader_of(sl_span_of(bytes.data + 8, bytes.size_bytes - 8));
    uint32_t format = sl_read_u32(&r);
    sl_reader tail = sl_reader_of(sl_span_of(bytes.data + 104, 16));
    uint64_t body_hash = sl_read_u64(&tail), header_hash = sl_read_u64(&tail);
    if (header_hash != sl_hash64(bytes.data, 112))
        return sl_fail(err, SL_ECORRUPT,
                       "the header of a state delta does not match its "
                       "checksum");
    if (format != SL_STATE_DELTA_FORMAT)
        return sl_fail(err, SL_EINCOMPATIBLE,
                       "a state delta of format %u, this program reads %d", format,
                       SL_STATE_DELTA_FORMAT);
    sl_state_delta_header h = { 0 };
    SL_TRY(header_read(&r, &h, err));
    size_t body_bytes = bytes.size_bytes - SL_STATE_DELTA_HEADER_BYTES;
    if (h.body_bytes != body_bytes)
        return sl_fail(err, SL_ECORRUPT,
                       "the state delta of batch %" PRId64 " has %zu bytes of rows, its "
                       "header says %" PRIu64,
                       h.batch, body_bytes, h.body_bytes);
    if (body_hash != sl_hash64(bytes.data + SL_STATE_DELTA_HEADER_BYTES, body_bytes))
        return sl_fail(err, SL_ECORRUPT,
                       "the rows of the state delta of batch %" PRId64
                       " do not match their checksum",
                       h.batch);
    *ret = h;
    return SL_OK;
}

/* ---- rows ---- */

void sl_state_rows_clear(sl_state_rows *rows, uint32_t operator_id)
{
    rows->operator_id = operator_id;
    rows->value_width = 0;
    rows->count = 0;
    rows->removed = false;
    rows->offsets[0] = 0;
    sl_bytes_clear(&rows->key_bytes);
}

bool sl_state_rows_add(sl_state_rows *rows, sl_span key, sl_span value, bool removed)
{
    if (rows->count == SL_STATE_ROWS_MAX ||
        (rows->count > 0 && rows->removed != removed) ||
        rows->key_bytes.size_bytes + key.size_bytes > UINT32_MAX)
        return false;
    rows->removed = removed;
    sl_bytes_append(&rows->key_bytes, key.data, key.size_bytes);
    rows->values[rows->count++] = value;
    rows->offsets[rows->count] = (uint32_t)rows->key_bytes.size_bytes;
    return true;
}

void sl_state_rows_seal(sl_state_rows *rows)
{
    const uint8_t *keys = /* all of them may be empty */
        rows->key_bytes.data != NULL ? rows->key_bytes.data : (const uint8_t *)"";
    for (uint32_t i = 0; i < rows->count; i++)
        rows->hashes[i] =
            sl_hash64(keys + rows->offsets[i], rows->offsets[i + 1] - rows->offsets[i]);
    rows->keys = (sl_key_batch){ .data = keys,
                                 .offsets = rows->offsets,
                                 .hashes = rows->hashes,
                                 .count = rows->count };
}

void sl_state_rows_deinit(sl_state_rows *rows)
{
    sl_bytes_deinit(&rows->key_bytes);
}

/* ---- reading ---- */

sl_code sl_state_delta_reader_init(sl_state_delta_reader *r, sl_span bytes, sl_error *err)
{
    sl_state_delta_header header;
    SL_TRY(sl_state_delta_open(bytes, &header, err));
    *r = (sl_state_delta_reader){
        .header = header,
        .body = sl_reader_of(sl_span_of(bytes.data + SL_STATE_DELTA_HEADER_BYTES,
                                        bytes.size_bytes - SL_STATE_DELTA_HEADER_BYTES)),
        .sections_left = header.section_count,
    };
    return SL_OK;
}

static sl_code bad_rows(const sl_state_delta_reader *r, const char *what, sl_error *err)
{
    return sl_fail(err, SL_ECORRUPT, "the state delta of batch %" PRId64 ": %s",
                   r->header.batch, what);
}

static sl_code next_section(sl_state_delta_reader *r, sl_error *err)
{
    if (r->body.at != r->section_end)
        return bad_rows(r, "an operator's rows do not fill its section", err);
    r->operator_id = sl_read_u32(&r->body);
    r->value_width = sl_read_u32(&r->body);
    r->rows_left = sl_read_u64(&r->body);
    uint64_t section_bytes = sl_read_u64(&r->body);
    size_t left = r->body.size_bytes - r->body.at;
    if (r->body.failed || section_bytes > left ||
        r->rows_left > section_bytes / SL_STATE_ROW_HEAD_BYTES)
        return bad_rows(r, "an operator's section does not fit", err);
    r->section_end = r->body.at + (size_t)section_bytes;
    r->sections_left--;
    return SL_OK;
}

static sl_code next_row(sl_state_delta_reader *r, sl_span *ret_key, sl_span *ret_value,
                        bool *ret_removed, sl_error *err)
{
    uint32_t key_size = sl_read_u32(&r->body), value_size = sl_read_u32(&r->body);
    bool removed = (key_size & SL_STATE_ROW_REMOVED) != 0;
    key_size &= ~SL_STATE_ROW_REMOVED;
    if (key_size > SL_KEY_BYTES_MAX || (removed && value_size != 0))
        return bad_rows(r, "a row's sizes are wrong", err);
    /* The spans point into the delta even when empty: a key stands right before its
     * value. */
    *ret_key = sl_span_of(r->body.data + r->body.at, key_size);
    (void)sl_read_bytes(&r->body, key_size);
    *ret_value = sl_span_of(r->body.data + r->body.at, value_size);
    (void)sl_read_bytes(&r->body, value_size);
    *ret_removed = removed;
    if (r->body.failed || r->body.at > r->section_end)
        return bad_rows(r, "a row does not fit its section", err);
    return SL_OK;
}

static sl_code check_end(const sl_state_delta_reader *r, sl_error *err)
{
    if (!sl_reader_done(&r->body) || r->body.at != r->section_end)
        return bad_rows(r, "bytes are left behind its rows", err);
    if (r->rows_seen != r->header.row_count)
        return bad_rows(r, "it does not hold as many rows as its header says", err);
    return SL_OK;
}

sl_code sl_state_delta_read(sl_state_delta_reader *r, sl_state_rows *rows, bool *ret_more,
                            sl_error *err)
{
    while (r->rows_left == 0) {
        if (r->sections_left == 0) {
            *ret_more = false;
            return check_end(r, err);
        }
        SL_TRY(next_section(r, err));
    }
    sl_state_rows_clear(rows, r->operator_id);
    rows->value_width = r->value_width;
    while (r->rows_left > 0) {
        size_t before = r->body.at;
        sl_span key, value;
        bool removed = false;
        SL_TRY(next_row(r, &key, &value, &removed, err));
        if (!sl_state_rows_add(rows, key, value, removed)) {
            r->body.at = before;
            break;
        }
        r->rows_left--;
        r->rows_seen++;
    }
    sl_state_rows_seal(rows);
    *ret_more = true;
    return SL_OK;
}
