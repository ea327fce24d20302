/* Plan fragments: what reads is explained and written, and reads back to the same bytes.
 */
#include "engine/plan/analyze.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sl_physical_plan *plan = NULL, *again = NULL;
    sl_error err = { 0 };
    sl_code code = sl_physical_read(sl_span_of(data, size), &plan, &err);
    fuzz_check_error(code, &err);
    if (code == SL_OK) {
        sl_bytes first = { 0 }, second = { 0 }, text = { 0 };
        sl_physical_write(plan, &first);
        FUZZ_CHECK(sl_physical_read(sl_bytes_span(&first), &again, NULL) == SL_OK);
        sl_physical_write(again, &second);
        FUZZ_CHECK(fuzz_same_bytes(&first, &second));
        for (int kind = SL_EXPLAIN_SIMPLE; kind <= SL_EXPLAIN_JSON; kind++)
            sl_explain(plan, (sl_explain_kind)kind, 2, &text);
        sl_bytes_deinit(&first);
        sl_bytes_deinit(&second);
        sl_bytes_deinit(&text);
    }
    sl_physical_free(plan);
    sl_physical_free(again);
    return 0;
}
