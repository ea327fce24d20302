#include "engine/expr/expr.h"

#include <string.h>

#include "base/assert.h"
#include "base/bitmap.h"
#include "base/text.h"
#include "engine/expr/function_private.h"

sl_code sl_error__at(sl_error *err, sl_code code, sl_sql_pos pos)
{
    if (err != NULL && code != SL_OK && err->line == 0) {
        err->line = pos.line;
        err->column = pos.column;
    }
    return code;
}

/* ---- leaves ---- */

const sl_expr *sl_expr_literal(sl_arena *arena, const sl_value *v, const char *pretty,
                               sl_sql_pos pos)
{
    sl_expr *e = SL_ARENA_NEW(arena, sl_expr);
    *e = (sl_expr){ .kind = SL_EXPR_LITERAL,
                    .type = v->type,
                    .nullable = v->is_null || v->type->id == SL_TYPE_VOID,
                    .pos = pos,
                    .literal = *v,
                    .depth = 1,
                    .size = 1 };
    e->literal.is_null = e->nullable;
    if (!e->nullable && v->text != NULL)
        e->literal.text = sl_arena_strndup(arena, v->text, v->length);
    e->pretty = pretty != NULL ? sl_arena_strdup(arena, pretty)
                               : sl_pretty__literal(arena, &e->literal);
    return e;
}

const sl_expr *sl_expr_column(sl_arena *arena, uint32_t column, const sl_field *field,
                              sl_sql_pos pos)
{
    sl_expr *e = SL_ARENA_NEW(arena, sl_expr);
    *e = (sl_expr){ .kind = SL_EXPR_COLUMN,
                    .type = field->type,
                    .nullable = field->nullable,
                    .pos = pos,
                    .pretty = sl_arena_strdup(arena, field->name ? field->name : ""),
                    .column = column,
                    .depth = 1,
                    .size = 1 };
    return e;
}

const sl_expr *sl_expr__null(sl_arena *arena, const sl_type *type, sl_sql_pos pos)
{
    sl_value v = { .type = type, .is_null = true };
    return sl_expr_literal(arena, &v, NULL, pos);
}

const sl_expr *sl_expr__long(sl_arena *arena, int64_t n, sl_sql_pos pos)
{
    sl_value v = { .type = sl_type_of(SL_TYPE_LONG), .i64 = n };
    return sl_expr_literal(arena, &v, NULL, pos);
}

/* ---- calls ---- */

/* The call itself may raise an error. */
static bool call_fails(const sl_expr *e)
{
    if (sl_expr__is_call(e, SL_F_CAST) && !sl_cast__can_fail(e->args[0]->type, e->type))
        return false;
    return (e->function->flags & SL_FN_FAILS) != 0;
}

/* What is known of the whole tree, kept so that nobody has to walk it. */
static void measure(sl_expr *e)
{
    uint32_t depth = 0, size = 1;
    e->can_fail = call_fails(e);
    e->is_random = (e->function->flags & SL_FN_RANDOM) != 0;
    for (uint32_t i = 0; i < e->arg_count; i++) {
        const sl_expr *a = e->args[i];
        depth = a->depth > depth ? a->depth : depth;
        size = a->size > UINT32_MAX - size ? UINT32_MAX : size + a->size;
        e->can_fail = e->can_fail || a->can_fail;
        e->is_random = e->is_random || a->is_random;
    }
    e->depth = depth + 1;
    e->size = size;
}

sl_code sl_expr__make_call(const sl_call_site *s, const sl_expr **ret, sl_error *err)
{
    sl_expr *e = SL_ARENA_NEW(s->arena, sl_expr);
    *e = (sl_expr){ .kind = SL_EXPR_CALL,
                    .type = s->type,
                    .nullable = s->nullable || s->type->id == SL_TYPE_VOID,
                    .pos = s->pos,
                    .pretty = s->pretty,
                    .function = s->function,
                    .arg_count = s->arg_count };
    if (s->arg_count != 0)
        e->args = sl_arena_memdup(s->arena, s->args, s->arg_count * sizeof *s->args);
    measure(e);
    if (e->depth > SL_EXPR_DEPTH_MAX)
        return sl_error__at(err,
                            sl_fail(err, SL_ELIMIT,
                                    "expression nested deeper than %d: split it with a "
                                    "subquery",
                                    SL_EXPR_DEPTH_MAX),
                            s->pos);
    if (e->pretty == NULL)
        e->pretty = sl_pretty__call(s, s->name);
    *ret = e;
    return SL_OK;
}

static sl_code call_function(sl_arena *arena, const sl_function *function,
                             const char *name, const sl_expr *const *args,
                             uint32_t arg_count, sl_sql_pos pos, const sl_expr **ret,
                             sl_error *err)
{
    sl_call_site s = { .arena = arena,
                       .function = function,
                       .name = name,
                       .arg_count = arg_count,
                       .pos = pos };
    if (arg_count != 0)
        s.args = sl_arena_memdup(arena, args, arg_count * sizeof *args);
    for (uint32_t i = 0; i < arg_count; i++)
        s.nullable = s.nullable || args[i]->nullable;
    if ((function->flags & SL_FN_NULLABLE) != 0)
        s.nullable = true;
    if ((function->flags & SL_FN_NOT_NULL) != 0)
        s.nullable = false;
    SL_TRY(sl_error__at(err, sl_resolve__arity(&s, err), pos));
    SL_TRY(sl_error__at(err, function->resolve(&s, err), pos));
    if (s.rewritten != NULL) {
        *ret = s.rewritten;
        return SL_OK;
    }
    return sl_expr__make_call(&s, ret, err);
}

sl_code sl_expr__call_id(sl_arena *arena, sl_function_id id, const sl_expr *const *args,
                         uint32_t arg_count, sl_sql_pos pos, const sl_expr **ret,
                         sl_error *err)
{
    const sl_function *f = sl_function__get(id);
    return call_function(arena, f, f->name, args, arg_count, pos, ret, err);
}

static sl_code unknown_function(const char *name, sl_sql_pos pos, sl_error *err)
{
    const char *names[256];
    uint32_t count = 0;
    for (uint32_t i = 0; i < sl_function_count() && count < 256; i++)
        names[count++] = sl_function_name(i);
    const char *nearest = sl_text_nearest(name, names, count);
    sl_code code =
        nearest != NULL
            ? sl_fail_as(err, SL_EANALYSIS, "UNRESOLVED_ROUTINE", "42883",
                         "Cannot resolve routine `%.100s`. Did you mean `%s`?", name,
                         nearest)
            : sl_fail_as(err, SL_EANALYSIS, "UNRESOLVED_ROUTINE", "42883",
                         "Cannot resolve routine `%.100s`. SHOW FUNCTIONS lists all.",
                         name);
    return sl_error__at(err, code, pos);
}

sl_code sl_expr_call(sl_arena *arena, const char *name, const sl_expr *const *args,
                     uint32_t arg_count, sl_sql_pos pos, const sl_expr **ret,
                     sl_error *err)
{
    const sl_function *f = sl_function__find(name);
    if (f == NULL)
        return unknown_function(name, pos, err);
    return call_function(arena, f, f->name, args, arg_count, pos, ret, err);
}

const sl_expr *sl_expr__rename(sl_arena *arena, const sl_expr *e, const char *pretty)
{
    sl_expr *copy = sl_arena_memdup(arena, e, sizeof *e);
    copy->pretty = pretty;
    return copy;
}

const sl_expr *sl_expr__with_args(sl_arena *arena, const sl_expr *e,
                                  const sl_expr *const *args)
{
    sl_expr *copy = sl_arena_memdup(arena, e, sizeof *e);
    copy->args = sl_arena_memdup(arena, args, e->arg_count * sizeof *args);
    measure(copy);
    return copy;
}

/* ---- walks ---- */

bool sl_expr_is_and(const sl_expr *e)
{
    return sl_expr__is_call(e, SL_F_AND);
}

bool sl_expr_is_deterministic(const sl_expr *e)
{
    return !e->is_random;
}

bool sl_expr_is_constant(const sl_expr *e)
{
    if (e->kind == SL_EXPR_COLUMN)
        return false;
    if (e->kind == SL_EXPR_CALL &&
        (e->function->flags & (SL_FN_RANDOM | SL_FN_CLOCK)) != 0)
        return false;
    for (uint32_t i = 0; i < e->arg_count; i++) {
        if (!sl_expr_is_constant(e->args[i]))
            return false;
    }
    return true;
}

/* The tree with columns replaced: by map, or by expressions. */
static const sl_expr *replace_columns(sl_arena *arena, const sl_expr *e,
                                      const uint32_t *map, const sl_expr *const *by)
{
    if (e->kind == SL_EXPR_LITERAL)
        return e;
    if (e->kind == SL_EXPR_COLUMN) {
        if (by != NULL) /* called as before: messages are about the query's names */
            return strcmp(by[e->column]->pretty, e->pretty) == 0
                       ? by[e->column]
                       : sl_expr__rename(arena, by[e->column], e->pretty);
        sl_expr *copy = sl_arena_memdup(arena, e, sizeof *e);
        copy->column = map[e->column];
        return copy;
    }
    if (e->arg_count == 0)
        return e;
    const sl_expr **args = SL_ARENA_ARRAY(arena, const sl_expr *, e->arg_count);
    bool changed = false;
    for (uint32_t i = 0; i < e->arg_count; i++) {
        args[i] = replace_columns(arena, e->args[i], map, by);
        changed = changed || args[i] != e->args[i];
    }
    return changed ? sl_expr__with_args(arena, e, args) : e;
}

const sl_expr *sl_expr_remap(sl_arena *arena, const sl_expr *e, const uint32_t *map)
{
    return replace_columns(arena, e, map, NULL);
}

const sl_expr *sl_expr_substitute(sl_arena *arena, const sl_expr *e,
                                  const sl_expr *const *columns)
{
    return replace_columns(arena, e, NULL, columns);
}

void sl_expr_mark_columns(const sl_expr *e, uint64_t *used)
{
    if (e->kind == SL_EXPR_COLUMN)
        sl_bitmap_set(used, e->column);
    for (uint32_t i = 0; i < e->arg_count; i++)
        sl_expr_mark_columns(e->args[i], used);
}

static bool value_equal(const sl_value *a, const sl_value *b)
{
    if (a->is_null || b->is_null)
        return a->is_null && b->is_null;
    switch (a->type->id) {
    case SL_TYPE_STRING:
    case SL_TYPE_BINARY:
        return a->length == b->length &&
               (a->length == 0 || memcmp(a->text, b->text, a->length) == 0);
    case SL_TYPE_FLOAT:
    case SL_TYPE_DOUBLE: /* by bits: 0.0 and -0.0 are two literals, NaN is itself */
        return memcmp(&a->f64, &b->f64, sizeof a->f64) == 0;
    default:
        return a->i64 == b->i64;
    }
}

bool sl_expr_equal(const sl_expr *a, const sl_expr *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind || a->size != b->size || !sl_type_equal(a->type, b->type))
        return false;
    if (a->kind == SL_EXPR_LITERAL)
        return value_equal(&a->literal, &b->literal);
    if (a->kind == SL_EXPR_COLUMN)
        return a->column == b->column;
    if (a->function != b->function || a->arg_count != b->arg_count)
        return false;
    for (uint32_t i = 0; i < a->arg_count; i++) {
        if (!sl_expr_equal(a->args[i], b->args[i]))
            return false;
    }
    return true;
}
