/* VALUES, and SELECT without FROM: rows that are part of the plan.
 *
 * The rows become a chunk (docs/formats/chunk.md), in hex the option `rows` of the
 * connector "values".  A constant that needs the session's time zone, TIMESTAMP '..', is
 * kept as the text it is cast from, and cast by a projection above when the query runs.
 */
#include "engine/columnar/chunk.h"
#include "engine/plan/analyze_private.h"

static const char *hex_of(sl_arena *arena, const sl_bytes *bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *text = sl_arena_alloc(arena, 2 * bytes->size_bytes + 1);
    for (size_t i = 0; i < bytes->size_bytes; i++) {
        text[2 * i] = digits[bytes->data[i] >> 4];
        text[2 * i + 1] = digits[bytes->data[i] & 15];
    }
    text[2 * bytes->size_bytes] = '\0';
    return text;
}

static const sl_logical *local_rows(sl_arena *arena, const sl_schema *schema,
                                    sl_chunk *chunk, sl_sql_pos pos)
{
    sl_logical *n = sl_logical__new(arena, SL_LOGICAL_SCAN, pos, NULL);
    uint32_t count = schema->field_count;
    uint32_t *columns = SL_ARENA_ARRAY(arena, uint32_t, count);
    sl_option_pair *rows = SL_ARENA_NEW(arena, sl_option_pair);
    sl_bytes bytes = { 0 };
    sl_chunk_write(chunk, &bytes);
    *rows = (sl_option_pair){ .name = "rows", .value = hex_of(arena, &bytes) };
    sl_bytes_deinit(&bytes);
    for (uint32_t i = 0; i < count; i++)
        columns[i] = i;
    n->schema = schema;
    n->window_us = SL_ARENA_ARRAY(arena, int64_t, count);
    n->u.scan.table = "VALUES";
    n->u.scan.connector = "values";
    n->u.scan.options = (sl_option_list){ .count = 1, .pairs = rows };
    n->u.scan.table_schema = schema;
    n->u.scan.column_count = count;
    n->u.scan.columns = columns;
    return n;
}

const sl_logical *sl_plan__no_rows(sl_arena *arena, const sl_logical *like)
{
    /* Marks of the columns stay; nothing is in them. */
    sl_chunk_builder b;
    if (sl_chunk_builder_init(&b, like->schema, 0, NULL, NULL) != SL_OK)
        return NULL;
    sl_chunk *chunk = sl_chunk_builder_finish(&b, 0);
    const sl_logical *rows = local_rows(arena, like->schema, chunk, like->pos);
    sl_chunk_unref(chunk);
    sl_logical *n = sl_arena_memdup(arena, rows, sizeof *rows);
    n->window_us = like->window_us;
    return n;
}

static sl_code append_literal(sl_column_builder *b, const sl_value *v, sl_error *err)
{
    if (v->is_null)
        return sl_column_builder_null(b, err);
    switch (v->type->id) {
    case SL_TYPE_BOOLEAN:
        return sl_column_builder_bool(b, v->i64 != 0, err);
    case SL_TYPE_BYTE:
    case SL_TYPE_SHORT:
    case SL_TYPE_INT:
    case SL_TYPE_DATE:
    case SL_TYPE_INTERVAL_YEAR_MONTH:
        return sl_column_builder_i32(b, (int32_t)v->i64, err);
    case SL_TYPE_FLOAT:
    case SL_TYPE_DOUBLE:
        return sl_column_builder_f64(b, v->f64, err);
    case SL_TYPE_STRING:
    case SL_TYPE_BINARY:
        return sl_column_builder_string(b, v->text, v->length, err);
    default:
        return sl_column_builder_i64(b, v->i64, err);
    }
}

/* ---- one column ---- */

static sl_code common_type(sl_analyzer *a, const sl_expr *const *cells, uint32_t rows,
                           uint32_t width, uint32_t c, const sl_type **ret, sl_error *err)
{
    const sl_type *type = cells[c]->type;
    for (uint32_t r = 1; r < rows; r++) {
        const sl_expr *e = cells[r * width + c];
        const sl_type *both = sl_type_common(type, e->type, a->arena);
        if (both == NULL)
            return sl_plan__at(
                err, e->pos,
                sl_fail_as(err, SL_EANALYSIS,
                           "INVALID_INLINE_TABLE.INCOMPATIBLE_TYPES_IN"
                           "_INLINE_TABLE",
                           "42000",
                           "Found incompatible types in the column `col%u` for inline "
                           "table: \"%s\" and \"%s\".",
                           c + 1, sl_plan__type_sql(a->arena, type),
                           sl_plan__type_sql(a->arena, e->type)));
        type = both;
    }
    *ret = type;
    return SL_OK;
}

/* What a cell is before its last cast. */
static const sl_expr *uncast(const sl_expr *e)
{
    return e->kind == SL_EXPR_CALL && e->arg_count == 1 ? e->args[0] : e;
}

/* Make the column's cells literals: of `type`, or (*ret_source) of what they are cast
 * from. */
static sl_code literal_cells(sl_analyzer *a, const sl_expr **cells, uint32_t rows,
                             uint32_t width, uint32_t c, const sl_type *type,
                             const sl_type **ret_source, sl_error *err)
{
    bool all = true, all_text = true;
    const sl_type *string = sl_type_of(SL_TYPE_STRING);
    for (uint32_t r = 0; r < rows; r++) {
        const sl_expr **e = &cells[r * width + c];
        SL_TRY(
            sl_plan__at(err, (*e)->pos, sl_expr_cast(a->arena, *e, type, true, e, err)));
        *e = sl_expr_fold(a->arena, *e);
        const sl_expr *from = uncast(*e);
        bool literal = (*e)->kind == SL_EXPR_LITERAL;
        all = all && literal;
        all_text = all_text && ((literal && (*e)->literal.is_null) ||
                                (!literal && from->kind == SL_EXPR_LITERAL &&
                                 from->type->id == SL_TYPE_STRING));
    }
    *ret_source = type;
    if (all && type->id != SL_TYPE_STRUCT)
        return SL_OK;
    for (uint32_t r = 0; r < rows; r++) {
        const sl_expr **e = &cells[r * width + c];
        if (!all_text || type->id == SL_TYPE_STRUCT)
            return sl_plan__at(
                err, (*e)->pos,
                sl_fail_as(
                    err, SL_EANALYSIS,
                    "INVALID_INLINE_TABLE.CANNOT_EVALUATE_EXPRESSION_IN_INLINE_TABLE",
                    "42000",
                    "Cannot evaluate the expression \"%.200s\" in inline table "
                    "definition: with several rows it must be a constant.",
                    (*e)->pretty));
        sl_value null = { .type = string, .is_null = true };
        *e = (*e)->kind == SL_EXPR_LITERAL
                 ? sl_expr_literal(a->arena, &null, NULL, (*e)->pos)
                 : uncast(*e);
    }
    *ret_source = string;
    return SL_OK;
}

/* ---- the table ---- */

static sl_code resolve_cells(sl_analyzer *a, const sl_relation *r,
                             const sl_logical *nothing, const sl_expr **cells,
                             sl_error *err)
{
    sl_named input = { .node = nothing };
    sl_scope scope = { .a = a, .input = &input, .clause = "VALUES" };
    for (uint32_t i = 0; i < r->expr_count; i++)
        SL_TRY(sl_plan__resolve(&scope, r->exprs[i], 0, &cells[i], err));
    return SL_OK;
}

static sl_code build_rows(const sl_schema *schema, const sl_expr *const *cells,
                          uint32_t rows, sl_chunk **ret, sl_error *err)
{
    sl_chunk_builder b;
    sl_code code = SL_OK;
    uint32_t width = schema->field_count;
    SL_TRY(sl_chunk_builder_init(&b, schema, rows, NULL, err));
    for (uint32_t i = 0; i < rows * width; i++)
        SL_TRY_GOTO(append_literal(&b.columns[i % width], &cells[i]->literal, err), out);
    *ret = sl_chunk_builder_finish(&b, rows);
out:
    sl_chunk_builder_deinit(&b);
    return code;
}

static void name_fields(sl_arena *arena, sl_field *fields, uint32_t width)
{
    for (uint32_t c = 0; c < width; c++)
        fields[c].name = sl_arena_printf(arena, "col%u", c + 1);
}

/* One row: its expressions over a row of no columns; anything may stand there. */
static const sl_logical *one_row(sl_analyzer *a, const sl_relation *r,
                                 const sl_logical *nothing, const sl_expr *const *cells,
                                 uint32_t width)
{
    sl_field *fields = SL_ARENA_ARRAY(a->arena, sl_field, width);
    for (uint32_t c = 0; c < width; c++)
        fields[c] = (sl_field){ .type = cells[c]->type, .nullable = cells[c]->nullable };
    name_fields(a->arena, fields, width);
    return sl_logical__project(a->arena, nothing, cells, fields, NULL, width, r->pos);
}

static sl_code many_rows(sl_analyzer *a, const sl_relation *r, const sl_expr **cells,
                         uint32_t width, const sl_logical **ret, sl_error *err)
{
    sl_arena *arena = a->arena;
    sl_field *fields = SL_ARENA_ARRAY(arena, sl_field, width);
    const sl_type **types = SL_ARENA_ARRAY(arena, const sl_type *, width);
    bool cast = false;
    for (uint32_t c = 0; c < width; c++) {
        SL_TRY(common_type(a, cells, r->row_count, width, c, &types[c], err));
        SL_TRY(literal_cells(a, cells, r->row_count, width, c, types[c], &fields[c].type,
                             err));
        for (uint32_t i = 0; i < r->row_count; i++)
            fields[c].nullable =
                fields[c].nullable || cells[i * width + c]->literal.is_null;
        cast = cast || !sl_type_equal(types[c], fields[c].type);
    }
    name_fields(arena, fields, width);
    sl_schema *schema = SL_ARENA_NEW(arena, sl_schema);
    *schema = (sl_schema){ .field_count = width, .fields = fields };
    sl_chunk *chunk;
    SL_TRY(build_rows(schema, cells, r->row_count, &chunk, err));
    const sl_logical *rows = local_rows(arena, schema, chunk, r->pos);
    sl_chunk_unref(chunk);
    if (!cast) {
        *ret = rows;
        return SL_OK;
    }
    const sl_expr **exprs = SL_ARENA_ARRAY(arena, const sl_expr *, width);
    sl_field *outputs = sl_arena_memdup(arena, fields, width * sizeof *fields);
    for (uint32_t c = 0; c < width; c++) {
        exprs[c] = sl_logical__column(arena, rows, c);
        SL_TRY(sl_expr_cast(arena, exprs[c], types[c], true, &exprs[c], err));
        outputs[c].type = types[c];
        outputs[c].nullable = exprs[c]->nullable;
    }
    *ret = sl_logical__project(arena, rows, exprs, outputs, NULL, width, r->pos);
    return SL_OK;
}

sl_code sl_plan__values(sl_analyzer *a, const sl_relation *r, sl_named *ret,
                        sl_error *err)
{
    static const sl_schema no_columns;
    SL_TRY(sl_plan__count_scan(a, r->pos, err));
    if (r->row_count > SL_CHUNK_ROWS_MAX)
        return sl_plan__at(err, r->pos,
                           sl_fail(err, SL_ELIMIT,
                                   "VALUES with %u rows: at most %d; put the rows into a "
                                   "file",
                                   r->row_count, SL_CHUNK_ROWS_MAX));
    uint32_t width = r->row_count != 0 ? r->expr_count / r->row_count : 0;
    if (width > SL_COLUMNS_MAX)
        return sl_plan__at(
            err, r->pos,
            sl_fail(err, SL_ELIMIT, "VALUES with more than %d columns", SL_COLUMNS_MAX));
    sl_chunk *chunk = sl_chunk_new(0, r->row_count);
    const sl_logical *node = local_rows(a->arena, &no_columns, chunk, r->pos);
    sl_chunk_unref(chunk);
    if (width != 0) {
        const sl_expr **cells = SL_ARENA_ARRAY(a->arena, const sl_expr *, r->expr_count);
        SL_TRY(resolve_cells(a, r, node, cells, err));
        if (r->row_count == 1)
            node = one_row(a, r, node, cells, width);
        else
            SL_TRY(many_rows(a, r, cells, width, &node, err));
    }
    ret->node = node;
    ret->qualifiers = SL_ARENA_ARRAY(a->arena, const char *, width);
    return SL_OK;
}
