/* CASE and its relatives, structs and their fields. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "engine/expr/function_private.h"

static bool is_function(const sl_call_site *s, sl_function_id id)
{
    return s->function == sl_function__get(id);
}

/* Of one call: kernels choose among 255 values. Even, for CASE. */
#define ARGUMENTS_MAX 200

static sl_code rewrite(sl_call_site *s, sl_function_id id, const sl_expr *const *args,
                       uint32_t arg_count, const char *pretty, sl_error *err)
{
    const sl_expr *e;
    SL_TRY(sl_expr__call_id(s->arena, id, args, arg_count, s->pos, &e, err));
    s->rewritten = sl_expr__rename(s->arena, e, pretty);
    return SL_OK;
}

sl_code sl_resolve__ifnull(sl_call_site *s, sl_error *err)
{
    return rewrite(s, SL_F_COALESCE, s->args, 2, sl_pretty__call(s, s->name), err);
}

sl_code sl_resolve__nullif(sl_call_site *s, sl_error *err)
{
    const sl_expr *equal;
    SL_TRY(sl_expr__call_id(s->arena, SL_F_EQ, s->args, 2, s->pos, &equal, err));
    const sl_expr *args[3] = { equal,
                               sl_expr__null(s->arena, sl_type_of(SL_TYPE_VOID), s->pos),
                               s->args[0] };
    return rewrite(s, SL_F_CASE, args, 3, sl_pretty__call(s, "nullif"), err);
}

sl_code sl_resolve__if(sl_call_site *s, sl_error *err)
{
    const char *pretty = sl_arena_printf(s->arena, "(%s)", sl_pretty__call(s, "IF"));
    return rewrite(s, SL_F_CASE, s->args, 3, pretty, err);
}

static const char *case_pretty(const sl_call_site *s)
{
    sl_bytes b = { 0 };
    uint32_t i = 0;
    sl_bytes_text(&b, "CASE");
    for (; i + 1 < s->arg_count; i += 2)
        sl_bytes_printf(&b, " WHEN %s THEN %s", s->args[i]->pretty,
                        s->args[i + 1]->pretty);
    if (i < s->arg_count)
        sl_bytes_printf(&b, " ELSE %s", s->args[i]->pretty);
    sl_bytes_text(&b, " END");
    const char *pretty = sl_arena_strdup(s->arena, sl_bytes_cstr(&b));
    sl_bytes_deinit(&b);
    return pretty;
}

static bool is_value(const sl_call_site *s, uint32_t i)
{
    return i % 2 == 1 || i == s->arg_count - 1;
}

/* The branches that are too many go into the ELSE. */
static sl_code nest_case(sl_call_site *s, sl_error *err)
{
    const sl_expr **args = SL_ARENA_ARRAY(s->arena, const sl_expr *, ARGUMENTS_MAX + 1);
    memcpy(args, s->args, ARGUMENTS_MAX * sizeof *args);
    SL_TRY(sl_expr__call_id(s->arena, SL_F_CASE, s->args + ARGUMENTS_MAX,
                            s->arg_count - ARGUMENTS_MAX, s->pos, &args[ARGUMENTS_MAX],
                            err));
    return rewrite(s, SL_F_CASE, args, ARGUMENTS_MAX + 1, s->pretty, err);
}

sl_code sl_resolve__case(sl_call_site *s, sl_error *err)
{
    s->pretty = case_pretty(s);
    const sl_type *common = NULL;
    s->nullable = s->arg_count % 2 == 0; /* without ELSE */
    for (uint32_t i = 0; i < s->arg_count; i++) {
        if (!is_value(s, i)) {
            SL_TRY(sl_coerce__argument(s, i, sl_type_of(SL_TYPE_BOOLEAN), err));
            continue;
        }
        const sl_type *type = s->args[i]->type;
        const sl_type *wider =
            common == NULL ? type : sl_type_common(common, type, s->arena);
        if (wider == NULL)
            return sl_coerce__mismatch(
                s, "DATA_DIFF_TYPES", err,
                "Input to `casewhen` should all be the same type, but it's (\"%s\" and "
                "\"%s\").",
                sl_type__name(s->arena, common), sl_type__name(s->arena, type));
        common = wider;
        s->nullable = s->nullable || s->args[i]->nullable;
    }
    for (uint32_t i = 0; i < s->arg_count; i++) {
        if (is_value(s, i))
            SL_TRY(sl_expr_cast(s->arena, s->args[i], common, true, &s->args[i], err));
    }
    s->type = common;
    return s->arg_count > ARGUMENTS_MAX + 1 ? nest_case(s, err) : SL_OK;
}

/* ---- structs ---- */

/* Spark's name for an unnamed struct member. */
static const char *member_name(sl_arena *arena, const sl_expr *e, uint32_t i)
{
    if (e->kind == SL_EXPR_COLUMN)
        return e->pretty;
    if (sl_expr__is_call(e, SL_F_FIELD))
        return e->args[1]->literal.text;
    return sl_arena_printf(arena, "col%u", i + 1);
}

/* struct(a, b) becomes named_struct('a', a, 'b', b), so that no name hangs on a tree. */
static sl_code name_members(sl_call_site *s, sl_error *err)
{
    const sl_expr **args = SL_ARENA_ARRAY(s->arena, const sl_expr *, 2 * s->arg_count);
    for (uint32_t i = 0; i < s->arg_count; i++) {
        sl_value name = { .type = sl_type_of(SL_TYPE_STRING),
                          .text = member_name(s->arena, s->args[i], i) };
        name.length = (uint32_t)strlen(name.text);
        args[2 * i] = sl_expr_literal(s->arena, &name, NULL, s->pos);
        args[2 * i + 1] = s->args[i];
    }
    return rewrite(s, SL_F_NAMED_STRUCT, args, 2 * s->arg_count,
                   sl_pretty__call(s, "struct"), err);
}

sl_code sl_resolve__struct(sl_call_site *s, sl_error *err)
{
    if (is_function(s, SL_F_STRUCT))
        return name_members(s, err);
    if (s->arg_count % 2 != 0)
        return sl_fail_as(err, SL_EANALYSIS, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605",
                          "The `named_struct` requires 2n (n > 0) parameters but the "
                          "actual number is %u.",
                          s->arg_count);
    uint32_t count = s->arg_count / 2;
    if (count > SL_COLUMNS_MAX)
        return sl_fail(err, SL_ELIMIT, "a struct of %u fields: at most %d", count,
                       SL_COLUMNS_MAX);
    sl_field *fields = SL_ARENA_ARRAY(s->arena, sl_field, count);
    for (uint32_t i = 0; i < count; i++) {
        const sl_expr *name = s->args[2 * i], *value = s->args[2 * i + 1];
        if (name->kind != SL_EXPR_LITERAL || name->type->id != SL_TYPE_STRING ||
            name->literal.is_null)
            return sl_coerce__mismatch(
                s, "CREATE_NAMED_STRUCT_WITHOUT_FOLDABLE_STRING", err,
                "Only foldable `STRING` expressions are allowed to "
                "appear at odd position, but they are [\"%.200s\"].",
                name->pretty);
        fields[i] = (sl_field){ .name = name->literal.text,
                                .type = value->type,
                                .nullable = value->nullable };
    }
    s->type = sl_type_struct(s->arena, fields, count);
    s->nullable = false;
    return SL_OK;
}

static sl_code no_such_field(const sl_type *type, const char *name, sl_error *err)
{
    const char *names[SL_COLUMNS_MAX];
    char list[400] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < type->field_count; i++) {
        names[i] = type->fields[i].name;
        if (used + strlen(names[i]) + 5 < sizeof list) {
            used += (size_t)snprintf(list + used, sizeof list - used, "%s`%s`",
                                     i != 0 ? ", " : "", names[i]);
        }
    }
    const char *nearest = sl_text_nearest(name, names, type->field_count);
    return sl_fail_as(err, SL_EANALYSIS, "FIELD_NOT_FOUND", "42704",
                      "No such struct field `%.100s` in %s.%s%s%s", name, list,
                      nearest != NULL ? " Did you mean `" : "",
                      nearest != NULL ? nearest : "", nearest != NULL ? "`?" : "");
}

sl_code sl_expr_field(sl_arena *arena, const sl_expr *e, const char *name, sl_sql_pos pos,
                      const sl_expr **ret, sl_error *err)
{
    if (e->type->id != SL_TYPE_STRUCT) {
        sl_code code =
            sl_fail_as(err, SL_EANALYSIS, "INVALID_EXTRACT_BASE_FIELD_TYPE", "42000",
                       "Can't extract a value from \"%.200s\". Need a complex type "
                       "[STRUCT, ARRAY, MAP] but got \"%s\".",
                       e->pretty, sl_type__name(arena, e->type));
        return sl_error__at(err, code, pos);
    }
    const sl_schema fields = { e->type->field_count, e->type->fields };
    int32_t at = sl_schema_find(&fields, name);
    if (at == -2) {
        sl_code code =
            sl_fail_as(err, SL_EANALYSIS, "AMBIGUOUS_REFERENCE_TO_FIELDS", "42000",
                       "Ambiguous reference to the field `%.100s`.", name);
        return sl_error__at(err, code, pos);
    }
    if (at < 0)
        return sl_error__at(err, no_such_field(e->type, name, err), pos);
    const sl_field *field = &e->type->fields[at];
    sl_value v = { .type = sl_type_of(SL_TYPE_STRING),
                   .text = field->name,
                   .length = (uint32_t)strlen(field->name) };
    const sl_expr *args[2] = { e, sl_expr_literal(arena, &v, NULL, pos) };
    sl_call_site s = { .arena = arena,
                       .function = sl_function__get(SL_F_FIELD),
                       .name = "field",
                       .args = args,
                       .arg_count = 2,
                       .pos = pos,
                       .type = field->type,
                       .nullable = e->nullable || field->nullable };
    s.pretty = sl_arena_printf(arena, "%s.%s", e->pretty, field->name);
    return sl_expr__make_call(&s, ret, err);
}
