/* Expressions from a fragment: what reads is printed, folded, compiled and run over a
 * chunk of every type. */
#include "base/alloc.h"
#include "engine/expr/program.h"
#include "engine/sql/parse.h"
#include "tests/fuzz/fuzz.h"

#define ROWS 5u

static const sl_schema *schema;
static sl_chunk *chunk;

static void append(sl_column_builder *b, uint32_t row)
{
    static const char *const TEXTS[] = { "", "a", "2020-01-01 10:00:00", "-12",
                                         "a text of more than twelve \xc3\xa9" };
    sl_code code = SL_OK;
    if (row == 3) {
        code = sl_column_builder_null(b, NULL);
    } else if (b->type->id == SL_TYPE_STRING || b->type->id == SL_TYPE_BINARY) {
        code =
            sl_column_builder_string(b, TEXTS[row], (uint32_t)strlen(TEXTS[row]), NULL);
    } else if (b->type->id == SL_TYPE_BOOLEAN) {
        code = sl_column_builder_bool(b, row & 1, NULL);
    } else if (b->type->id == SL_TYPE_FLOAT || b->type->id == SL_TYPE_DOUBLE) {
        code = sl_column_builder_f64(b, row == 1 ? 1e300 * 1e300 : 0.5 * row, NULL);
    } else if (b->type->id == SL_TYPE_STRUCT) {
        for (uint32_t i = 0; i < b->type->field_count; i++)
            append(&b->children[i], row);
        code = sl_column_builder_struct(b, NULL);
    } else if (sl_type_width(b->type) == 8) {
        code = sl_column_builder_i64(b, row == 4 ? INT64_MAX : (int64_t)row - 1, NULL);
    } else {
        code = sl_column_builder_i32(b, (int32_t)row - 1, NULL);
    }
    FUZZ_CHECK(code == SL_OK);
}

static void make_chunk(void)
{
    static const char DDL[] = "b BOOLEAN, i INT, l BIGINT, f FLOAT, d DOUBLE, s STRING, "
                              "x BINARY, day DATE, ts TIMESTAMP, ntz TIMESTAMP_NTZ, "
                              "p STRUCT<a: INT, q: STRING>, y TINYINT, h SMALLINT";
    static sl_arena
        *volatile arena; /* for the life of the process; seen by leak checks */
    if (chunk != NULL)
        return;
    arena = sl_arena_new();
    FUZZ_CHECK(sl_sql_parse_schema(DDL, strlen(DDL), arena, &schema, NULL) == SL_OK);
    sl_chunk_builder b;
    FUZZ_CHECK(sl_chunk_builder_init(&b, schema, ROWS, NULL, NULL) == SL_OK);
    for (uint32_t i = 0; i < schema->field_count; i++)
        for (uint32_t row = 0; row < ROWS; row++)
            append(&b.columns[i], row);
    chunk = sl_chunk_builder_finish(&b, ROWS);
}

/* As a worker's plan check does: columns must be the input's. */
static bool fits(const sl_expr *e)
{
    if (e->kind == SL_EXPR_COLUMN &&
        (e->column >= schema->field_count ||
         !sl_type_equal(e->type, schema->fields[e->column].type)))
        return false;
    for (uint32_t i = 0; i < e->arg_count; i++)
        if (!fits(e->args[i]))
            return false;
    return true;
}

static void run(const sl_expr *e)
{
    sl_program *p = NULL;
    sl_program_run *r = NULL;
    sl_error err = { 0 };
    sl_budget budget;
    sl_budget_init(&budget, NULL, "fuzz", 64 << 20);
    sl_code code = sl_program_compile(&e, 1, &p, &err);
    fuzz_check_error(code, &err);
    if (code == SL_OK)
        code = sl_program_run_new(p, &budget, &r, &err);
    if (code == SL_OK) {
        sl_eval_context context = { .batch_time_us = 1, .zone = sl_time_zone_utc() };
        sl_column out = { 0 };
        code = sl_program_eval(r, &context, chunk, &out, &err);
        fuzz_check_error(code, &err);
        if (code == SL_OK) {
            sl_bytes text = { 0 };
            FUZZ_CHECK(out.length == ROWS);
            for (uint32_t row = 0; row < ROWS; row++)
                sl_value_text(&out, row, sl_time_zone_utc(), &text);
            sl_bytes_deinit(&text);
            sl_column_release(&out);
        }
    }
    sl_program_run_free(r);
    sl_program_free(p);
    FUZZ_CHECK(sl_budget_used(&budget) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    make_chunk();
    sl_arena *arena = sl_arena_new();
    sl_reader r = sl_reader_of(sl_span_of(data, size));
    const sl_expr *e = NULL;
    sl_error err = { 0 };
    sl_code code = sl_expr_read(&r, arena, &e, &err);
    fuzz_check_error(code, &err);
    if (code == SL_OK) {
        sl_bytes first = { 0 }, second = { 0 }, text = { 0 };
        const sl_expr *again = NULL;
        sl_expr_write(e, &first);
        sl_reader back = sl_reader_of(sl_bytes_span(&first));
        FUZZ_CHECK(sl_expr_read(&back, arena, &again, NULL) == SL_OK);
        FUZZ_CHECK(sl_reader_done(&back));
        sl_expr_write(again, &second);
        FUZZ_CHECK(fuzz_same_bytes(&first, &second));
        if (fits(e)) {
            sl_expr_print(e, schema, &text);
            run(e);
            run(sl_expr_fold(arena, e));
        }
        sl_bytes_deinit(&first);
        sl_bytes_deinit(&second);
        sl_bytes_deinit(&text);
    }
    sl_arena_free(arena);
    return 0;
}
