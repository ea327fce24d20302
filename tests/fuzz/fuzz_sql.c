/* SQL text: parsed, analysed against a small catalog, planned, explained; the plan's
 * bytes read back as they were. */
#include "base/alloc.h"
#include "engine/plan/analyze.h"
#include "engine/sql/parse.h"
#include "tests/fuzz/fuzz.h"

static const char COLUMNS[] =
    "b BOOLEAN, i INT, l BIGINT, f FLOAT, d DOUBLE, s STRING, x BINARY, day DATE, "
    "ts TIMESTAMP, ntz TIMESTAMP_NTZ, p STRUCT<a: INT, q: STRUCT<t: TIMESTAMP, s: "
    "STRING>>";

static sl_table_info tables[4]; /* t, u: rows; v: a view of t; rate: streams only */

static sl_code find_table(void *user, const char *name, bool streaming,
                          const sl_table_info **ret, sl_error *err)
{
    (void)user;
    (void)streaming;
    (void)err;
    *ret = NULL;
    for (size_t i = 0; i < 4; i++)
        if (strcmp(tables[i].name, name) == 0)
            *ret = &tables[i];
    return SL_OK;
}

static uint32_t list_tables(void *user, const char *const **ret)
{
    static const char *const NAMES[] = { "t", "u", "v", "rate" };
    (void)user;
    *ret = NAMES;
    return 4;
}

static const sl_catalog CATALOG = { .table = find_table, .names = list_tables };

static void make_tables(void)
{
    static sl_arena *arena; /* for the life of the process */
    if (arena != NULL)
        return;
    arena = sl_arena_new();
    const sl_schema *schema = NULL;
    const sl_statement *view = NULL;
    static const char VIEW[] = "SELECT s, l, p.a AS a, ts FROM t WHERE l > 0";
    sl_sql_cursor cursor = { .line = 1, .column = 1 };
    FUZZ_CHECK(sl_sql_parse_schema(COLUMNS, strlen(COLUMNS), arena, &schema, NULL) ==
               SL_OK);
    FUZZ_CHECK(sl_sql_parse_next(VIEW, strlen(VIEW), &cursor, arena, &view, NULL) ==
               SL_OK);
    static const char *const NAMES[] = { "t", "u", "v", "rate" };
    for (size_t i = 0; i < 4; i++)
        tables[i] = (sl_table_info){ .name = NAMES[i],
                                     .connector = i == 3 ? "rate" : "json",
                                     .schema = schema,
                                     .can_batch = i != 3,
                                     .can_stream = true,
                                     .schema_given = true };
    tables[2].view = view->query;
    tables[2].view_text = VIEW;
}

static void check_plan(const sl_physical_plan *plan)
{
    sl_bytes first = { 0 }, second = { 0 }, text = { 0 };
    sl_error err = { 0 };
    sl_physical_plan *again = NULL;
    sl_physical_write(plan, &first);
    sl_code code = sl_physical_read(sl_bytes_span(&first), &again, &err);
    if (code != SL_OK)
        fprintf(stderr, "%s\n", err.text);
    FUZZ_CHECK(code == SL_OK); /* a worker takes what a driver sends */
    sl_physical_write(again, &second);
    FUZZ_CHECK(fuzz_same_bytes(&first, &second));
    for (int kind = SL_EXPLAIN_SIMPLE; kind <= SL_EXPLAIN_JSON; kind++)
        sl_explain(plan, (sl_explain_kind)kind, 2, &text);
    sl_physical_free(again);
    sl_bytes_deinit(&first);
    sl_bytes_deinit(&second);
    sl_bytes_deinit(&text);
}

static void plan(const sl_statement *s, const char *text, size_t size)
{
    const sl_sink_info sink = { .connector = "console",
                                .append = true,
                                .update = true,
                                .complete = true,
                                .to_driver = true };
    bool streaming = s->kind == SL_ST_CREATE_STREAMING_QUERY;
    sl_plan_request r = { .query = s->query,
                          .catalog = &CATALOG,
                          .streaming_query = streaming,
                          .mode = s->mode,
                          .sink = streaming ? &sink : NULL,
                          .sink_connector = streaming ? "console" : "",
                          .result_rows_max = -1 };
    sl_error err = { 0 };
    sl_bytes out = { 0 };
    sl_physical_plan *ret = NULL;
    sl_code code = sl_plan_query(&r, &ret, &err);
    fuzz_check_error(code, &err);
    if (code == SL_OK)
        check_plan(ret);
    else
        sl_sql_error_text(&err, text, size, &out);
    sl_physical_free(ret);
    sl_bytes_deinit(&out);
}

static void take_statements(const char *text, size_t size)
{
    sl_arena *arena = sl_arena_new();
    sl_sql_cursor cursor = { .line = 1, .column = 1 };
    for (int i = 0; i < 20; i++) {
        const sl_statement *s = NULL;
        sl_error err = { 0 };
        sl_bytes out = { 0 };
        size_t before = cursor.offset;
        sl_code code = sl_sql_parse_next(text, size, &cursor, arena, &s, &err);
        fuzz_check_error(code, &err);
        FUZZ_CHECK(cursor.offset <= size);
        if (code != SL_OK)
            sl_sql_error_text(&err, text, size, &out);
        sl_bytes_deinit(&out);
        if (code == SL_OK && s == NULL)
            break;
        FUZZ_CHECK(cursor.offset > before || cursor.offset == size); /* it goes on */
        if (code == SL_OK && s->kind == SL_ST_EXPLAIN && s->inner != NULL)
            s = s->inner;
        if (code == SL_OK && s->query != NULL)
            plan(s, text, size);
        if (code != SL_OK && cursor.offset == before)
            break;
    }
    sl_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    make_tables();
    sl_arena *arena = sl_arena_new();
    const sl_schema *schema = NULL;
    sl_error err = { 0 };
    char *text = sl_alloc(size + 1); /* as a caller gives it, without a NUL behind */
    if (size != 0)
        memcpy(text, data, size);
    (void)sl_sql_is_incomplete(text, size);
    fuzz_check_error(sl_sql_parse_schema(text, size, arena, &schema, &err), &err);
    take_statements(text, size);
    sl_free(text);
    sl_arena_free(arena);
    return 0;
}
