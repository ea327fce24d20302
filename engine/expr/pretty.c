/* Column names and EXPLAIN text of expressions, as Spark's usePrettyExpression prints
 * them (spark:O15). */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "engine/columnar/value_text.h"
#include "engine/expr/function_private.h"

const char *sl_pretty__infix(const sl_call_site *s, const char *op)
{
    return sl_arena_printf(s->arena, "(%s %s %s)", s->args[0]->pretty, op,
                           s->args[1]->pretty);
}

const char *sl_pretty__call(const sl_call_site *s, const char *name)
{
    sl_bytes b = { 0 };
    sl_bytes_text(&b, name);
    sl_bytes_char(&b, '(');
    for (uint32_t i = 0; i < s->arg_count; i++) {
        if (i != 0)
            sl_bytes_text(&b, ", ");
        sl_bytes_text(&b, s->args[i]->pretty);
    }
    sl_bytes_char(&b, ')');
    const char *text = sl_arena_strdup(s->arena, sl_bytes_cstr(&b));
    sl_bytes_deinit(&b);
    return text;
}

/* A scalar value as a one-row column prints it; the zone of names is UTC. */
void sl_value__text(const sl_value *v, sl_bytes *out)
{
    int8_t i8 = (int8_t)v->i64;
    int16_t i16 = (int16_t)v->i64;
    int32_t i32 = (int32_t)v->i64;
    float f32 = (float)v->f64;
    uint64_t bit = v->i64 != 0;
    sl_string_view text = { 0 };
    const void *values = &v->i64;
    switch (v->type->id) {
    case SL_TYPE_BOOLEAN:
        values = &bit;
        break;
    case SL_TYPE_BYTE:
        values = &i8;
        break;
    case SL_TYPE_SHORT:
        values = &i16;
        break;
    case SL_TYPE_INT:
    case SL_TYPE_DATE:
    case SL_TYPE_INTERVAL_YEAR_MONTH:
        values = &i32;
        break;
    case SL_TYPE_FLOAT:
        values = &f32;
        break;
    case SL_TYPE_DOUBLE:
        values = &v->f64;
        break;
    case SL_TYPE_STRING:
    case SL_TYPE_BINARY:
        text = sl_string_view_make(v->text, v->length);
        values = &text;
        break;
    default:
        break;
    }
    uint64_t valid = !v->is_null;
    sl_column c = { .type = v->type, .length = 1, .validity = &valid, .values = values };
    if (v->type->id == SL_TYPE_STRING)
        sl_bytes_append(out, v->is_null ? "NULL" : v->text, v->is_null ? 4 : v->length);
    else
        sl_value_text(&c, 0, sl_time_zone_utc(), out);
}

const char *sl_pretty__literal(sl_arena *arena, const sl_value *v)
{
    if (v->is_null)
        return "NULL";
    sl_bytes b = { 0 };
    const char *quote = v->type->id == SL_TYPE_DATE            ? "DATE '"
                        : v->type->id == SL_TYPE_TIMESTAMP     ? "TIMESTAMP '"
                        : v->type->id == SL_TYPE_TIMESTAMP_NTZ ? "TIMESTAMP_NTZ '"
                                                               : NULL;
    if (sl_type__is_interval(v->type)) {
        sl_interval__text(v->type, v->i64, &b);
    } else {
        sl_bytes_text(&b, quote != NULL ? quote : "");
        sl_value__text(v, &b);
        sl_bytes_text(&b, quote != NULL ? "'" : "");
    }
    const char *text = sl_arena_strndup(arena, sl_bytes_cstr(&b), b.size_bytes);
    sl_bytes_deinit(&b);
    return text;
}

/* ---- EXPLAIN ---- */

static void print_literal(const sl_value *v, sl_bytes *out)
{
    if (v->is_null) {
        sl_bytes_text(out, "null");
        return;
    }
    bool quoted = v->type->id == SL_TYPE_STRING || v->type->id == SL_TYPE_DATE ||
                  sl_type__is_time(v->type);
    sl_bytes_text(out, quoted ? "'" : "");
    if (sl_type__is_interval(v->type))
        sl_interval__text(v->type, v->i64, out);
    else
        sl_value__text(v, out);
    sl_bytes_text(out, quoted ? "'" : "");
}

static void print_list(const sl_expr *e, uint32_t from, const sl_schema *input,
                       sl_bytes *out)
{
    sl_bytes_char(out, '(');
    for (uint32_t i = from; i < e->arg_count; i++) {
        sl_bytes_text(out, i != from ? ", " : "");
        sl_expr_print(e->args[i], input, out);
    }
    sl_bytes_char(out, ')');
}

static void print_case(const sl_expr *e, const sl_schema *input, sl_bytes *out)
{
    sl_bytes_text(out, "CASE");
    uint32_t i = 0;
    for (; i + 1 < e->arg_count; i += 2) {
        sl_bytes_text(out, " WHEN ");
        sl_expr_print(e->args[i], input, out);
        sl_bytes_text(out, " THEN ");
        sl_expr_print(e->args[i + 1], input, out);
    }
    if (i < e->arg_count) {
        sl_bytes_text(out, " ELSE ");
        sl_expr_print(e->args[i], input, out);
    }
    sl_bytes_text(out, " END");
}

static void print_cast(const sl_expr *e, const sl_schema *input, sl_bytes *out)
{
    sl_bytes_text(out, sl_expr__is_call(e, SL_F_CAST) ? "cast(" : "try_cast(");
    sl_expr_print(e->args[0], input, out);
    sl_bytes_text(out, " as ");
    sl_type_simple(e->type, out);
    sl_bytes_char(out, ')');
}

/* Names made of signs are operators. */
static bool is_infix(const sl_expr *e)
{
    const char *name = e->function->name;
    return e->arg_count == 2 &&
           (strspn(name, "+-*/%=<>|") == strlen(name) || sl_expr__is_call(e, SL_F_AND) ||
            sl_expr__is_call(e, SL_F_OR) || sl_expr__is_call(e, SL_F_INT_DIV));
}

static void print_call(const sl_expr *e, const sl_schema *input, sl_bytes *out)
{
    if (is_infix(e)) {
        sl_bytes_char(out, '(');
        sl_expr_print(e->args[0], input, out);
        sl_bytes_printf(out, " %s ",
                        sl_expr__is_call(e, SL_F_AND)  ? "AND"
                        : sl_expr__is_call(e, SL_F_OR) ? "OR"
                                                       : e->function->name);
        sl_expr_print(e->args[1], input, out);
        sl_bytes_char(out, ')');
    } else if (sl_expr__is_call(e, SL_F_FIELD)) {
        sl_expr_print(e->args[0], input, out);
        sl_bytes_printf(out, ".%s", e->args[1]->literal.text);
    } else if (sl_expr__is_call(e, SL_F_NOT) || sl_expr__is_call(e, SL_F_NEGATE)) {
        sl_bytes_text(out, sl_expr__is_call(e, SL_F_NOT) ? "NOT " : "-");
        sl_expr_print(e->args[0], input, out);
    } else if (sl_expr__is_call(e, SL_F_IN)) {
        sl_expr_print(e->args[0], input, out);
        sl_bytes_text(out, " IN ");
        print_list(e, 1, input, out);
    } else if (sl_expr__is_call(e, SL_F_CASE)) {
        print_case(e, input, out);
    } else if (sl_expr__is_call(e, SL_F_CAST) || sl_expr__is_call(e, SL_F_TRY_CAST)) {
        print_cast(e, input, out);
    } else {
        sl_bytes_text(out, e->function->name);
        print_list(e, 0, input, out);
    }
}

void sl_expr_print(const sl_expr *e, const sl_schema *input, sl_bytes *out)
{
    if (e->kind == SL_EXPR_LITERAL)
        print_literal(&e->literal, out);
    else if (e->kind == SL_EXPR_CALL)
        print_call(e, input, out);
    else if (input != NULL && e->column < input->field_count)
        sl_bytes_text(out, input->fields[e->column].name);
    else
        sl_bytes_printf(out, "#%u", e->column);
}
