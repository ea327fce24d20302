/* What a name means: a column of the input (t.a, a, a.field), the window column, or an
 * alias of the SELECT list. Case is ignored unless the session says otherwise. */
#include <string.h>

#include "base/text.h"
#include "engine/plan/analyze_private.h"

/* A match: which column, and how many parts of the name it took. */
typedef struct match {
    uint32_t column, parts, count;
} match;

void sl_plan__push(sl_arena *arena, sl_expr_list *list, const sl_expr *e)
{
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity != 0 ? 2 * list->capacity : 16;
        const sl_expr **items = SL_ARENA_ARRAY(arena, const sl_expr *, capacity);
        if (list->count != 0)
            memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = e;
}

const sl_field *sl_plan__scope_field(const sl_scope *s, uint32_t column)
{
    uint32_t n = s->input->node->schema->field_count;
    if (column < n)
        return &s->input->node->schema->fields[column];
    return column == n ? &s->window_field : &s->agg_fields[column - n - 1];
}

/* The columns called parts[from]; qualified: and parts[0] before the dot. */
static match find_input(const sl_scope *s, const char *const *parts, bool qualified)
{
    const sl_schema *schema = s->input->node->schema;
    match m = { .parts = qualified ? 2 : 1 };
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const char *qualifier = s->input->qualifiers[i];
        if (qualified &&
            (qualifier == NULL || !sl_plan__same_name(s->a, qualifier, parts[0])))
            continue;
        if (!sl_plan__same_name(s->a, schema->fields[i].name, parts[qualified ? 1 : 0]))
            continue;
        if (m.count == 0)
            m.column = i;
        m.count++;
    }
    return m;
}

static match find_column(const sl_scope *s, const sl_uexpr *u)
{
    match m = { 0 };
    if (u->part_count >= 2)
        m = find_input(s, u->parts, true);
    if (m.count == 0)
        m = find_input(s, u->parts, false);
    if (m.count == 0 && s->window != NULL &&
        sl_plan__same_name(s->a, "window", u->parts[0]))
        m = (match){ .column = s->input->node->schema->field_count,
                     .parts = 1,
                     .count = 1 };
    return m;
}

bool sl_plan__name_is_known(const sl_scope *s, const sl_uexpr *u)
{
    return find_column(s, u).count != 0;
}

static sl_code fail_ambiguous(const sl_scope *s, const sl_uexpr *u, sl_error *err)
{
    sl_arena *arena = s->a->arena;
    const sl_schema *schema = s->input->node->schema;
    const char *list = "", *name = u->parts[u->part_count - 1];
    uint32_t shown = 0;
    for (uint32_t i = 0; i < schema->field_count && shown < 5; i++) {
        if (!sl_plan__same_name(s->a, schema->fields[i].name, name))
            continue;
        const char *parts[2] = { s->input->qualifiers[i], schema->fields[i].name };
        bool bare = parts[0] == NULL;
        list = sl_arena_printf(arena, "%s%s%s", list, shown++ != 0 ? ", " : "",
                               sl_plan__quoted(arena, parts + bare, bare ? 1 : 2));
    }
    return sl_plan__at(err, u->pos,
                       sl_fail_as(err, SL_EANALYSIS, "AMBIGUOUS_REFERENCE", "42704",
                                  "Reference %s is ambiguous, could be: [%s].",
                                  sl_plan__quoted(arena, u->parts, u->part_count), list));
}

static sl_code fail_unresolved(const sl_scope *s, const sl_uexpr *u, sl_error *err)
{
    sl_arena *arena = s->a->arena;
    const sl_schema *schema = s->input->node->schema;
    const char **names =
        SL_ARENA_ARRAY(arena, const char *, schema->field_count + s->output_count + 1);
    uint32_t count = 0;
    for (uint32_t i = 0; i < schema->field_count; i++)
        names[count++] = schema->fields[i].name;
    for (uint32_t i = 0; i < s->output_count; i++) {
        bool seen = false;
        for (uint32_t j = 0; j < count && !seen; j++)
            seen = strcmp(names[j], s->outputs[i].name) == 0;
        if (!seen && s->outputs[i].has_alias)
            names[count++] = s->outputs[i].name;
    }
    const char *name = sl_plan__quoted(arena, u->parts, u->part_count);
    const char *near = sl_plan__suggest(arena, u->parts[u->part_count - 1], names, count);
    sl_code code =
        near != NULL
            ? sl_fail_as(err, SL_EANALYSIS, "UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703",
                         "A column, variable, or function parameter with name %s cannot "
                         "be resolved. Did you mean one of the following? [%s].",
                         name, near)
            : sl_fail_as(err, SL_EANALYSIS, "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION",
                         "42703",
                         "A column, variable, or function parameter with name %s cannot "
                         "be resolved.",
                         name);
    return sl_plan__at(err, u->pos, code);
}

/* *ret = the aliased expression, or NULL if no alias has this name. */
static sl_code find_output(const sl_scope *s, const sl_uexpr *u, const sl_expr **ret,
                           sl_error *err)
{
    const sl_expr *found = NULL;
    for (uint32_t i = 0; i < s->output_count; i++) {
        const sl_output *o = &s->outputs[i];
        if (o->expr == NULL || !sl_plan__same_name(s->a, o->name, u->parts[0]))
            continue;
        if (found != NULL && !sl_expr_equal(found, o->expr))
            return sl_plan__at(
                err, u->pos,
                sl_fail_as(err, SL_EANALYSIS, "AMBIGUOUS_REFERENCE", "42704",
                           "Reference `%s` is ambiguous: the SELECT list has it twice.",
                           u->parts[0]));
        if (found == NULL)
            found = o->expr;
    }
    *ret = found;
    return SL_OK;
}

/* The fields named by the parts from `from` on. */
static sl_code take_fields(const sl_scope *s, const sl_uexpr *u, uint32_t from,
                           const sl_expr **e, sl_error *err)
{
    for (uint32_t i = from; i < u->part_count; i++)
        SL_TRY(sl_plan__at(err, u->pos,
                           sl_expr_field(s->a->arena, *e, u->parts[i], u->pos, e, err)));
    return SL_OK;
}

sl_code sl_plan__resolve_name(sl_scope *s, const sl_uexpr *u, const sl_expr **ret,
                              sl_error *err)
{
    const sl_expr *e = NULL;
    if (s->outputs_first && !s->inside_aggregate)
        SL_TRY(find_output(s, u, &e, err));
    if (e == NULL) {
        match m = find_column(s, u);
        if (m.count > 1)
            return fail_ambiguous(s, u, err);
        if (m.count == 1) {
            /* The column is called as the query writes it, as in Spark. */
            sl_field field = *sl_plan__scope_field(s, m.column);
            field.name = u->parts[m.parts - 1];
            e = sl_expr_column(s->a->arena, m.column, &field, u->pos);
            SL_TRY(take_fields(s, u, m.parts, &e, err));
            *ret = e;
            return SL_OK;
        }
    }
    if (e == NULL && !s->inside_aggregate)
        SL_TRY(find_output(s, u, &e, err));
    if (e == NULL)
        return fail_unresolved(s, u, err);
    SL_TRY(take_fields(s, u, 1, &e, err));
    *ret = e;
    return SL_OK;
}

static sl_code fail_star(const sl_scope *s, const sl_uexpr *star, sl_error *err)
{
    const sl_schema *schema = s->input->node->schema;
    const char *columns = "";
    for (uint32_t i = 0; i < schema->field_count && i < 10; i++)
        columns = sl_arena_printf(s->a->arena, "%s%s`%s`", columns, i != 0 ? ", " : "",
                                  schema->fields[i].name);
    return sl_plan__at(
        err, star->pos,
        sl_fail_as(err, SL_EANALYSIS, "CANNOT_RESOLVE_STAR_EXPAND", "42704",
                   "Cannot resolve %s.* given input columns %s. Please check that the "
                   "specified table or struct exists and is accessible in the input "
                   "columns.",
                   sl_plan__quoted(s->a->arena, star->parts, star->part_count), columns));
}

/* w.*: the fields of a struct column. */
static sl_code expand_struct(sl_scope *s, const sl_uexpr *star, sl_expr_list *list,
                             sl_error *err)
{
    match m = find_column(s, star);
    if (m.count != 1)
        return fail_star(s, star, err);
    sl_uexpr name = *star;
    name.kind = SL_U_NAME;
    const sl_expr *e;
    SL_TRY(sl_plan__resolve_name(s, &name, &e, err));
    if (e->type->id != SL_TYPE_STRUCT)
        return fail_star(s, star, err);
    for (uint32_t i = 0; i < e->type->field_count; i++) {
        const sl_expr *field;
        SL_TRY(sl_expr_field(s->a->arena, e, e->type->fields[i].name, star->pos, &field,
                             err));
        sl_expr *named = sl_arena_memdup(s->a->arena, field, sizeof *field);
        named->pretty = sl_arena_strdup(s->a->arena, e->type->fields[i].name);
        sl_plan__push(s->a->arena, list, named);
    }
    return SL_OK;
}

sl_code sl_plan__expand_star(sl_scope *s, const sl_uexpr *star, sl_expr_list *list,
                             sl_error *err)
{
    const sl_schema *schema = s->input->node->schema;
    uint32_t before = list->count;
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const char *qualifier = s->input->qualifiers[i];
        bool meant = star->part_count == 0 ||
                     (star->part_count == 1 && qualifier != NULL &&
                      sl_plan__same_name(s->a, qualifier, star->parts[0]));
        if (meant)
            sl_plan__push(s->a->arena, list,
                          sl_expr_column(s->a->arena, i, &schema->fields[i], star->pos));
    }
    if (list->count == before && star->part_count != 0)
        return expand_struct(s, star, list, err);
    if (list->count == before)
        return sl_plan__at(err, star->pos,
                           sl_fail_as(err, SL_EANALYSIS, "CANNOT_RESOLVE_STAR_EXPAND",
                                      "42704",
                                      "Cannot resolve *: there are no input columns"));
    return SL_OK;
}

void sl_plan__output_field(const sl_scope *s, const char *name, const sl_expr *e,
                           sl_field *ret, int64_t *ret_window_us)
{
    uint32_t n = s->input->node->schema->field_count;
    sl_field field = { 0 };
    *ret_window_us = 0;
    if (e->kind == SL_EXPR_COLUMN && e->column <= n) {
        field = *sl_plan__scope_field(s, e->column);
        *ret_window_us =
            e->column < n ? s->input->node->window_us[e->column] : s->window->size_us;
    }
    for (const sl_time_mark *t = s->time_marks; t != NULL; t = t->next) {
        if (t->expr == e || sl_expr_equal(t->expr, e)) {
            field = t->field;
            field.is_window = false;
        }
    }
    field.name = sl_arena_strdup(s->a->arena, name);
    field.type = e->type;
    field.nullable = e->nullable;
    *ret = field;
}
