/* Expressions in fragments:
 *   node: u8 kind | u32 line, u32 column | by kind:
 *   1 literal   type | u8 null | by type: i64, f64 or blob
 *   2 column    u32 index | u8 nullable | string name | type
 *   3 call      string name | u32 count | nodes
 *   4 cast      u8 try | type | node
 *   5 field     string name | node
 * A call is read by resolving it again: it must come out as it went in, with no cast
 * added and nothing rewritten. So whatever the bytes say, kernels see the types they
 * expect. Column names of calls are not carried: only the driver needs them. */
#include <string.h>

#include "base/limits.h"
#include "engine/expr/function_private.h"

enum { LITERAL = 1, COLUMN = 2, CALL = 3, CAST = 4, FIELD = 5 };

#define NODE_BYTES_MIN 10

static void write_value(const sl_value *v, sl_bytes *out)
{
    sl_type_write(v->type, out);
    sl_bytes_u8(out, v->is_null);
    if (v->is_null)
        return;
    if (v->type->id == SL_TYPE_STRING || v->type->id == SL_TYPE_BINARY)
        sl_bytes_blob(out, sl_span_of(v->text, v->length));
    else if (v->type->id == SL_TYPE_FLOAT || v->type->id == SL_TYPE_DOUBLE)
        sl_bytes_f64(out, v->f64);
    else
        sl_bytes_i64(out, v->i64);
}

static void write_head(const sl_expr *e, uint8_t kind, sl_bytes *out)
{
    sl_bytes_u8(out, kind);
    sl_bytes_u32(out, e->pos.line);
    sl_bytes_u32(out, e->pos.column);
}

void sl_expr_write(const sl_expr *e, sl_bytes *out)
{
    if (e->kind == SL_EXPR_LITERAL) {
        write_head(e, LITERAL, out);
        write_value(&e->literal, out);
    } else if (e->kind == SL_EXPR_COLUMN) {
        write_head(e, COLUMN, out);
        sl_bytes_u32(out, e->column);
        sl_bytes_u8(out, e->nullable);
        sl_bytes_string(out, e->pretty);
        sl_type_write(e->type, out);
    } else if (sl_expr__is_call(e, SL_F_CAST) || sl_expr__is_call(e, SL_F_TRY_CAST)) {
        write_head(e, CAST, out);
        sl_bytes_u8(out, sl_expr__is_call(e, SL_F_TRY_CAST));
        sl_type_write(e->type, out);
        sl_expr_write(e->args[0], out);
    } else if (sl_expr__is_call(e, SL_F_FIELD)) {
        write_head(e, FIELD, out);
        sl_bytes_string(out, e->args[1]->literal.text);
        sl_expr_write(e->args[0], out);
    } else {
        write_head(e, CALL, out);
        sl_bytes_string(out, e->function->name);
        sl_bytes_u32(out, e->arg_count);
        for (uint32_t i = 0; i < e->arg_count; i++)
            sl_expr_write(e->args[i], out);
    }
}

/* ---- reading ---- */

static sl_code damaged(const sl_reader *r, const char *what, sl_error *err)
{
    return sl_fail(err, SL_ECORRUPT, "expression: %s at byte %zu", what, r->at);
}

static sl_code read_literal(sl_reader *r, sl_arena *arena, sl_sql_pos pos,
                            const sl_expr **ret, sl_error *err)
{
    sl_value v = { 0 };
    SL_TRY(sl_type_read(r, arena, &v.type, err));
    v.is_null = sl_read_u8(r) != 0;
    if (v.type->id >= SL_TYPE_STRUCT || v.type->id == SL_TYPE_DECIMAL)
        return damaged(r, "a literal of a type that has none", err);
    if (!v.is_null && (v.type->id == SL_TYPE_STRING || v.type->id == SL_TYPE_BINARY)) {
        sl_span text = sl_read_blob(r);
        if (text.size_bytes > SL_STRING_BYTES_MAX)
            return damaged(r, "a string too long", err);
        v.text = r->failed ? "" : (const char *)text.data;
        v.length = r->failed ? 0 : (uint32_t)text.size_bytes;
    } else if (!v.is_null &&
               (v.type->id == SL_TYPE_FLOAT || v.type->id == SL_TYPE_DOUBLE)) {
        v.f64 = sl_read_f64(r);
    } else if (!v.is_null) {
        v.i64 = sl_read_i64(r);
    }
    if (r->failed)
        return damaged(r, "cut short", err);
    *ret = sl_expr_literal(arena, &v, NULL, pos);
    return SL_OK;
}

static sl_code read_column(sl_reader *r, sl_arena *arena, sl_sql_pos pos,
                           const sl_expr **ret, sl_error *err)
{
    sl_field f = { 0 };
    uint32_t column = sl_read_u32(r);
    f.nullable = sl_read_u8(r) != 0;
    f.name = sl_read_string(r, arena);
    if (r->failed || f.name == NULL || column >= SL_COLUMNS_MAX)
        return damaged(r, "a bad column", err);
    SL_TRY(sl_type_read(r, arena, &f.type, err));
    *ret = sl_expr_column(arena, column, &f, pos);
    return SL_OK;
}

static sl_code read_node(sl_reader *r, uint32_t depth, sl_arena *arena,
                         const sl_expr **ret, sl_error *err);

static sl_code read_call(sl_reader *r, uint32_t depth, sl_arena *arena, sl_sql_pos pos,
                         const sl_expr **ret, sl_error *err)
{
    const char *name = sl_read_string(r, arena);
    uint32_t count = sl_read_count(r, NODE_BYTES_MIN);
    const sl_function *f = name != NULL ? sl_function__find(name) : NULL;
    if (r->failed || f == NULL)
        return damaged(r, "an unknown function", err);
    const sl_expr **args = SL_ARENA_ARRAY(arena, const sl_expr *, (size_t)count + 1);
    for (uint32_t i = 0; i < count; i++)
        SL_TRY(read_node(r, depth + 1, arena, &args[i], err));
    const sl_expr *e;
    SL_TRY(sl_expr_call(arena, name, args, count, pos, &e, err));
    bool same = e->kind == SL_EXPR_CALL && e->function == f && e->arg_count == count;
    for (uint32_t i = 0; same && i < count; i++)
        same = e->args[i] == args[i] || sl_expr_equal(e->args[i], args[i]);
    if (!same)
        return damaged(r, "a call whose arguments are not of its types", err);
    *ret = e;
    return SL_OK;
}

static sl_code read_cast(sl_reader *r, uint32_t depth, sl_arena *arena, sl_sql_pos pos,
                         const sl_expr **ret, sl_error *err)
{
    bool is_try = sl_read_u8(r) != 0;
    const sl_type *type;
    const sl_expr *e;
    SL_TRY(sl_type_read(r, arena, &type, err));
    SL_TRY(read_node(r, depth + 1, arena, &e, err));
    if (is_try)
        return sl_expr_try_cast(arena, e, type, pos, ret, err);
    SL_TRY(sl_expr_cast(arena, e, type, false, ret, err));
    sl_expr *placed = sl_arena_memdup(arena, *ret, sizeof **ret);
    placed->pos = pos;
    *ret = placed;
    return SL_OK;
}

static sl_code read_node(sl_reader *r, uint32_t depth, sl_arena *arena,
                         const sl_expr **ret, sl_error *err)
{
    if (depth > SL_EXPR_DEPTH_MAX)
        return damaged(r, "nested too deep", err);
    uint8_t kind = sl_read_u8(r);
    sl_sql_pos pos;
    pos.line = sl_read_u32(r);
    pos.column = sl_read_u32(r);
    if (r->failed)
        return damaged(r, "cut short", err);
    switch (kind) {
    case LITERAL:
        return read_literal(r, arena, pos, ret, err);
    case COLUMN:
        return read_column(r, arena, pos, ret, err);
    case CALL:
        return read_call(r, depth, arena, pos, ret, err);
    case CAST:
        return read_cast(r, depth, arena, pos, ret, err);
    case FIELD: {
        const char *name = sl_read_string(r, arena);
        const sl_expr *e;
        if (r->failed || name == NULL)
            return damaged(r, "a field without a name", err);
        SL_TRY(read_node(r, depth + 1, arena, &e, err));
        return sl_expr_field(arena, e, name, pos, ret, err);
    }
    default:
        return damaged(r, "an unknown kind of node", err);
    }
}

sl_code sl_expr_read(sl_reader *r, sl_arena *arena, const sl_expr **ret, sl_error *err)
{
    const sl_expr *e;
    sl_code code = read_node(r, 1, arena, &e, err);
    if (code != SL_OK && code != SL_ECORRUPT) /* a type error is damage here */
        return sl_fail(err, SL_ECORRUPT, "expression: bad types at byte %zu", r->at);
    SL_TRY(code);
    *ret = e;
    return SL_OK;
}
