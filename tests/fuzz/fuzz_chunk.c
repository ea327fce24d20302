/* Chunks from the wire: a schema, then rows of it. What reads is printed, picked from and
 * written again; that reads back to the same bytes. */
#include "base/alloc.h"
#include "engine/columnar/chunk.h"
#include "engine/columnar/value_text.h"
#include "tests/fuzz/fuzz.h"

static void use(const sl_chunk *c, const sl_schema *schema)
{
    sl_bytes first = { 0 }, second = { 0 }, text = { 0 };
    sl_chunk *again = NULL;
    for (uint32_t i = 0; i < c->column_count; i++)
        for (uint32_t row = 0; row < c->row_count; row++) {
            sl_value_text(&c->columns[i], row, sl_time_zone_utc(), &text);
            sl_value_json(&c->columns[i], row, sl_time_zone_utc(), row & 1, &text);
        }
    sl_chunk_write(c, &first);
    FUZZ_CHECK(sl_chunk_read(sl_bytes_span(&first), schema, NULL, &again, NULL) == SL_OK);
    sl_chunk_write(again, &second);
    FUZZ_CHECK(fuzz_same_bytes(&first, &second));
    sl_chunk_unref(again);
    sl_bytes_deinit(&first);
    sl_bytes_deinit(&second);
    sl_bytes_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sl_arena *arena = sl_arena_new();
    sl_reader r = sl_reader_of(sl_span_of(data, size));
    sl_schema *schema = NULL;
    sl_chunk *chunk = NULL;
    sl_error err = { 0 };
    sl_code code = sl_schema_read(&r, arena, &schema, &err);
    fuzz_check_error(code, &err);
    if (code == SL_OK) {
        sl_budget budget;
        sl_budget_init(&budget, NULL, "fuzz", 64 << 20);
        code = sl_chunk_read(sl_span_of(data + r.at, size - r.at), schema, &budget,
                             &chunk, &err);
        fuzz_check_error(code, &err);
        if (code == SL_OK)
            use(chunk, schema);
        sl_chunk_unref(chunk);
        FUZZ_CHECK(sl_budget_used(&budget) == 0);
    }
    sl_arena_free(arena);
    return 0;
}
