/* State deltas: bytes as they are, and with the magic and sums that belong to them. Rows
 * are walked to the end. */
#include "base/alloc.h"
#include "base/hash.h"
#include "statestore/delta.h"
#include "tests/fuzz/fuzz.h"

static void walk(sl_span bytes)
{
    static sl_state_rows rows; /* large; kept between inputs like a reader's own */
    sl_state_delta_reader r;
    sl_error err = { 0 };
    sl_code code = sl_state_delta_reader_init(&r, bytes, &err);
    fuzz_check_error(code, &err);
    uint64_t seen = 0;
    for (bool more = true; code == SL_OK && more;) {
        code = sl_state_delta_read(&r, &rows, &more, &err);
        fuzz_check_error(code, &err);
        if (code != SL_OK || !more)
            break;
        FUZZ_CHECK(rows.count > 0 && rows.count <= SL_STATE_ROWS_MAX);
        uint64_t sum = 0; /* touch every byte */
        for (uint32_t i = 0; i < rows.count; i++)
            sum += rows.hashes[i] +
                   sl_hash64(rows.values[i].data, rows.values[i].size_bytes);
        seen += rows.count + (sum == 0 && rows.count == 0);
    }
    FUZZ_CHECK(code != SL_OK || seen == r.header.row_count);
    sl_state_rows_deinit(&rows);
    memset(&rows, 0, sizeof rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    walk(sl_span_of(data, size));
    if (size < SL_STATE_DELTA_HEADER_BYTES)
        return 0;
    uint8_t *copy = sl_alloc(size);
    memcpy(copy, data, size);
    sl_reader r = sl_reader_of(sl_span_of(data + 12, 92));
    sl_state_delta_header h = { .kind = (sl_state_delta_kind)sl_read_u32(&r) };
    h.query_hash = sl_read_u64(&r);
    h.partition = sl_read_u32(&r);
    h.section_count = sl_read_u32(&r);
    h.group_first = sl_read_u32(&r);
    h.group_end = sl_read_u32(&r);
    h.batch = sl_read_i64(&r);
    h.parent_id = sl_read_u64(&r);
    h.state_id = sl_read_u64(&r);
    h.row_count = sl_read_u64(&r);
    (void)sl_read_u64(&r);
    h.body_bytes = size - SL_STATE_DELTA_HEADER_BYTES;
    h.rows_after = sl_read_u64(&r);
    h.row_bytes_after = sl_read_u64(&r);
    h.row_sum_after = sl_read_u64(&r);
    sl_state_delta_seal(&h, copy);
    walk(sl_span_of(copy, size));
    sl_free(copy);
    return 0;
}
