/* Which types meet, and what is said when they do not. Spark's ANSI coercion:
 * AnsiTypeCoercion and Cast.canAnsiCast. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "engine/expr/function_private.h"

bool sl_type__is_time(const sl_type *t)
{
    return t->id == SL_TYPE_TIMESTAMP || t->id == SL_TYPE_TIMESTAMP_NTZ;
}

bool sl_type__is_interval(const sl_type *t)
{
    return t->id == SL_TYPE_INTERVAL_DAY_TIME || t->id == SL_TYPE_INTERVAL_YEAR_MONTH;
}

bool sl_type__is_ordered(const sl_type *t)
{
    if (t->id == SL_TYPE_MAP || t->id == SL_TYPE_ARRAY)
        return false;
    for (uint32_t i = 0; t->id == SL_TYPE_STRUCT && i < t->field_count; i++) {
        if (!sl_type__is_ordered(t->fields[i].type))
            return false;
    }
    return true;
}

static bool is_datetime(const sl_type *t)
{
    return t->id == SL_TYPE_DATE || sl_type__is_time(t);
}

/* ---- common type ---- */

static const sl_type *common_number(const sl_type *a, const sl_type *b)
{
    if (a->id == SL_TYPE_DECIMAL || b->id == SL_TYPE_DECIMAL)
        return NULL;
    const sl_type *wider = a->id > b->id ? a : b; /* ids are in order of width */
    return wider->id == SL_TYPE_FLOAT && a->id != b->id ? sl_type_of(SL_TYPE_DOUBLE)
                                                        : wider;
}

static const sl_type *common_with_string(const sl_type *t)
{
    if (sl_type_is_integral(t))
        return sl_type_of(SL_TYPE_LONG);
    if (t->id == SL_TYPE_FLOAT || t->id == SL_TYPE_DOUBLE)
        return sl_type_of(SL_TYPE_DOUBLE);
    if (is_datetime(t) || t->id == SL_TYPE_BOOLEAN || t->id == SL_TYPE_BINARY)
        return t;
    return NULL;
}

static const sl_type *common_struct(const sl_type *a, const sl_type *b, sl_arena *arena)
{
    if (a->field_count != b->field_count)
        return NULL;
    sl_field *fields = SL_ARENA_ARRAY(arena, sl_field, a->field_count + 1);
    for (uint32_t i = 0; i < a->field_count; i++) {
        if (!sl_text_equal_nocase(a->fields[i].name, b->fields[i].name))
            return NULL;
        fields[i] = a->fields[i];
        fields[i].type = sl_type_common(a->fields[i].type, b->fields[i].type, arena);
        fields[i].nullable = a->fields[i].nullable || b->fields[i].nullable;
        if (fields[i].type == NULL)
            return NULL;
    }
    return sl_type_struct(arena, fields, a->field_count);
}

const sl_type *sl_type_common(const sl_type *a, const sl_type *b, sl_arena *arena)
{
    if (sl_type_equal(a, b) || b->id == SL_TYPE_VOID)
        return a;
    if (a->id == SL_TYPE_VOID)
        return b;
    if (sl_type_is_numeric(a) && sl_type_is_numeric(b))
        return common_number(a, b);
    if (a->id == SL_TYPE_STRING)
        return common_with_string(b);
    if (b->id == SL_TYPE_STRING)
        return common_with_string(a);
    if (is_datetime(a) && is_datetime(b)) /* date < timestamp_ntz < timestamp */
        return sl_type_of(a->id == SL_TYPE_TIMESTAMP || b->id == SL_TYPE_TIMESTAMP
                              ? SL_TYPE_TIMESTAMP
                              : SL_TYPE_TIMESTAMP_NTZ);
    if (a->id == SL_TYPE_STRUCT && b->id == SL_TYPE_STRUCT)
        return common_struct(a, b, arena);
    return NULL;
}

/* ---- casts ---- */

static bool is_atomic(const sl_type *t)
{
    return t->id != SL_TYPE_VOID && t->id != SL_TYPE_DECIMAL && t->id < SL_TYPE_STRUCT;
}

static bool allowed(const sl_type *from, const sl_type *to, bool implicit)
{
    if (from->id == SL_TYPE_VOID)
        return is_atomic(to) || to->id == SL_TYPE_STRUCT;
    if (from->id == SL_TYPE_STRUCT && to->id == SL_TYPE_STRUCT) {
        for (uint32_t i = 0; i < from->field_count && i < to->field_count; i++) {
            if (!sl_type_equal(from->fields[i].type, to->fields[i].type) &&
                !allowed(from->fields[i].type, to->fields[i].type, implicit))
                return false;
        }
        return from->field_count == to->field_count;
    }
    if (from->id == SL_TYPE_STRUCT)
        return to->id == SL_TYPE_STRING && !implicit;
    if (!is_atomic(from) || !is_atomic(to))
        return false;
    if (sl_type_equal(from, to) || to->id == SL_TYPE_STRING)
        return true;
    if (from->id == SL_TYPE_STRING)
        return !sl_type__is_interval(to) || !implicit;
    if (sl_type_is_numeric(from) && sl_type_is_numeric(to))
        return true;
    if (is_datetime(from) && is_datetime(to))
        return true;
    if (implicit)
        return false;
    bool from_bool = from->id == SL_TYPE_BOOLEAN, to_bool = to->id == SL_TYPE_BOOLEAN;
    bool from_ts = from->id == SL_TYPE_TIMESTAMP, to_ts = to->id == SL_TYPE_TIMESTAMP;
    return (from_bool && sl_type_is_numeric(to)) ||
           (sl_type_is_numeric(from) && to_bool) || (from_ts && sl_type_is_numeric(to)) ||
           (sl_type_is_numeric(from) && to_ts);
}

bool sl_cast__is_allowed(const sl_type *from, const sl_type *to)
{
    return allowed(from, to, false);
}

bool sl_cast__is_implicit(const sl_type *from, const sl_type *to)
{
    return allowed(from, to, true);
}

bool sl_cast__can_fail(const sl_type *from, const sl_type *to)
{
    if (from->id == SL_TYPE_VOID || to->id == SL_TYPE_STRING ||
        to->id == SL_TYPE_BOOLEAN || to->id == SL_TYPE_BINARY ||
        from->id == SL_TYPE_BOOLEAN)
        return from->id == SL_TYPE_STRING && to->id == SL_TYPE_BOOLEAN;
    if (sl_type_is_numeric(from) && sl_type_is_numeric(to))
        return to->id < from->id && sl_type_is_integral(to);
    if (is_datetime(from) && is_datetime(to))
        return false;
    return true;
}

static sl_code mismatch(sl_error *err, const char *kind, const char *pretty,
                        const char *text)
{
    char condition[80];
    snprintf(condition, sizeof condition, "DATATYPE_MISMATCH.%s", kind);
    return sl_fail_as(err, SL_EANALYSIS, condition, "42K09",
                      "Cannot resolve \"%.300s\" due to data type mismatch: %s", pretty,
                      text);
}

static sl_code make_cast(sl_arena *arena, sl_function_id id, const sl_expr *e,
                         const sl_type *type, sl_sql_pos pos, const char *pretty,
                         const sl_expr **ret, sl_error *err)
{
    sl_call_site s = { .arena = arena,
                       .function = sl_function__get(id),
                       .name = "cast",
                       .args = &e,
                       .arg_count = 1,
                       .pos = pos,
                       .type = type,
                       .nullable = e->nullable || id == SL_F_TRY_CAST,
                       .pretty = pretty };
    return sl_expr__make_call(&s, ret, err);
}

static sl_code cast_or_refuse(sl_arena *arena, sl_function_id id, const sl_expr *e,
                              const sl_type *type, bool implicit, sl_sql_pos pos,
                              const sl_expr **ret, sl_error *err)
{
    if (sl_type_equal(e->type, type) && implicit) {
        *ret = e;
        return SL_OK;
    }
    const char *name = sl_type__name(arena, type);
    const char *pretty = implicit ? e->pretty
                                  : sl_arena_printf(arena, "%s(%s AS %s)",
                                                    id == SL_F_CAST ? "CAST" : "TRY_CAST",
                                                    e->pretty, name);
    if (sl_type_equal(e->type, type)) {
        *ret = sl_expr__rename(arena, e, pretty);
        return SL_OK;
    }
    if (implicit ? sl_cast__is_implicit(e->type, type)
                 : sl_cast__is_allowed(e->type, type)) {
        if (e->kind == SL_EXPR_LITERAL && e->type->id == SL_TYPE_VOID &&
            type->id != SL_TYPE_STRUCT) {
            sl_value null = { .type = type, .is_null = true };
            *ret = sl_expr_literal(arena, &null, pretty, e->pos);
            return SL_OK;
        }
        return make_cast(arena, id, e, type, pos, pretty, ret, err);
    }
    const char *text = sl_arena_printf(arena, "cannot cast \"%s\" to \"%s\".",
                                       sl_type__name(arena, e->type), name);
    return sl_error__at(err, mismatch(err, "CAST_WITHOUT_SUGGESTION", pretty, text), pos);
}

sl_code sl_expr_cast(sl_arena *arena, const sl_expr *e, const sl_type *type,
                     bool implicit, const sl_expr **ret, sl_error *err)
{
    return cast_or_refuse(arena, SL_F_CAST, e, type, implicit, e->pos, ret, err);
}

sl_code sl_expr_try_cast(sl_arena *arena, const sl_expr *e, const sl_type *type,
                         sl_sql_pos pos, const sl_expr **ret, sl_error *err)
{
    return cast_or_refuse(arena, SL_F_TRY_CAST, e, type, false, pos, ret, err);
}

/* ---- arguments of a call ---- */

const char *sl_type__name(sl_arena *arena, const sl_type *t)
{
    sl_bytes b = { 0 };
    sl_type_sql(t, &b);
    const char *name = sl_arena_strdup(arena, sl_bytes_cstr(&b));
    sl_bytes_deinit(&b);
    return name;
}

sl_code sl_coerce__mismatch(const sl_call_site *s, const char *kind, sl_error *err,
                            const char *fmt, ...)
{
    char text[700];
    va_list list;
    va_start(list, fmt);
    vsnprintf(text, sizeof text, fmt, list);
    va_end(list);
    const char *pretty = s->pretty != NULL ? s->pretty : sl_pretty__call(s, s->name);
    return sl_error__at(err, mismatch(err, kind, pretty, text), s->pos);
}

sl_code sl_coerce__unexpected(const sl_call_site *s, uint32_t i, const char *required,
                              sl_error *err)
{
    static const char *const ordinals[] = { "first", "second", "third", "fourth",
                                            "fifth" };
    char ordinal[16];
    if (i < 5)
        snprintf(ordinal, sizeof ordinal, "%s", ordinals[i]);
    else
        snprintf(ordinal, sizeof ordinal, "%uth", i + 1);
    return sl_coerce__mismatch(s, "UNEXPECTED_INPUT_TYPE", err,
                               "The %s parameter requires the \"%s\" type, however "
                               "\"%.200s\" has the type \"%s\".",
                               ordinal, required, s->args[i]->pretty,
                               sl_type__name(s->arena, s->args[i]->type));
}

sl_code sl_coerce__argument(sl_call_site *s, uint32_t i, const sl_type *type,
                            sl_error *err)
{
    if (!sl_type_equal(s->args[i]->type, type) &&
        !sl_cast__is_implicit(s->args[i]->type, type))
        return sl_coerce__unexpected(s, i, sl_type__name(s->arena, type), err);
    return sl_expr_cast(s->arena, s->args[i], type, true, &s->args[i], err);
}

sl_code sl_coerce__common(sl_call_site *s, uint32_t first, uint32_t step,
                          bool is_operator, const sl_type **ret, sl_error *err)
{
    const sl_type *common = s->args[first]->type;
    for (uint32_t i = first + step; i < s->arg_count; i += step) {
        const sl_type *wider = sl_type_common(common, s->args[i]->type, s->arena);
        if (wider == NULL && is_operator)
            return sl_coerce__mismatch(
                s, "BINARY_OP_DIFF_TYPES", err,
                "the left and right operands of the binary operator have incompatible "
                "types (\"%s\" and \"%s\").",
                sl_type__name(s->arena, common),
                sl_type__name(s->arena, s->args[i]->type));
        if (wider == NULL)
            return sl_coerce__mismatch(
                s, "DATA_DIFF_TYPES", err,
                "Input to `%s` should all be the same type, but it's (\"%s\" and "
                "\"%s\").",
                s->name, sl_type__name(s->arena, common),
                sl_type__name(s->arena, s->args[i]->type));
        common = wider;
    }
    for (uint32_t i = first; i < s->arg_count; i += step)
        SL_TRY(sl_expr_cast(s->arena, s->args[i], common, true, &s->args[i], err));
    *ret = common;
    return SL_OK;
}
