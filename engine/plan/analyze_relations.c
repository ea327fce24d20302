/* Relations to plan nodes: tables, views, WITH queries, aliases, filters, limits. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "engine/plan/analyze_private.h"

/* ---- tables and views ---- */

static sl_code fail_not_found(sl_analyzer *a, const sl_relation *r, const char *name,
                              sl_place place, sl_error *err)
{
    const char *const *names = NULL;
    uint32_t count =
        a->catalog->names != NULL ? a->catalog->names(a->catalog->user, &names) : 0;
    const char *near = sl_text_nearest(name, names, count);
    for (const sl_cte_scope *c = place.ctes; c != NULL && near == NULL; c = c->outer)
        near = sl_text_nearest(name, &c->name, 1);
    const char *quoted = sl_plan__quoted(a->arena, r->parts, r->part_count);
    sl_code code =
        near != NULL
            ? sl_fail_as(err, SL_EANALYSIS, "TABLE_OR_VIEW_NOT_FOUND", "42P01",
                         "The table or view %s cannot be found. Did you mean `%.255s`?",
                         quoted, near)
            : sl_fail_as(err, SL_EANALYSIS, "TABLE_OR_VIEW_NOT_FOUND", "42P01",
                         "The table or view %s cannot be found. Verify the spelling; "
                         "SHOW TABLES lists what there is.",
                         quoted);
    return sl_plan__at(err, r->pos, code);
}

/* The name without "default." or "spark_catalog.default." */
static const char *table_name(sl_analyzer *a, const sl_relation *r)
{
    uint32_t from = 0;
    if (from + 1 < r->part_count && sl_text_equal_nocase(r->parts[from], "spark_catalog"))
        from++;
    if (from + 1 < r->part_count && sl_text_equal_nocase(r->parts[from], "default"))
        from++;
    const char *name = r->parts[from];
    for (uint32_t i = from + 1; i < r->part_count; i++)
        name = sl_arena_printf(a->arena, "%s.%s", name, r->parts[i]);
    return name;
}

static void qualify(sl_analyzer *a, sl_named *n, const char *name)
{
    uint32_t count = n->node->schema->field_count;
    const char **qualifiers = SL_ARENA_ARRAY(a->arena, const char *, count);
    for (uint32_t i = 0; i < count; i++)
        qualifiers[i] = name;
    n->qualifiers = qualifiers;
}

static sl_code expand_view(sl_analyzer *a, const sl_relation *r,
                           const sl_table_info *info, const char *name, sl_place place,
                           sl_named *ret, sl_error *err)
{
    for (const sl_view_scope *v = place.views; v != NULL; v = v->outer) {
        if (sl_text_equal_nocase(v->name, name))
            return sl_plan__at(
                err, r->pos,
                sl_fail_as(err, SL_EANALYSIS, "RECURSIVE_VIEW", "42K0H",
                           "Recursive view `%.255s` detected: it reads "
                           "itself through `%.255s`. Redefine one of them.",
                           name, place.views->name));
    }
    sl_view_scope view = { .name = name, .outer = place.views };
    sl_place inside = { .views = &view, .depth = place.depth + 1 };
    sl_code code = sl_plan__relation(a, info->view, inside, ret, err);
    if (code != SL_OK) {
        /* A position in the view's text would point into the wrong statement. */
        if (err != NULL) {
            err->line = r->pos.line;
            err->column = r->pos.column;
            sl_error_prefix(err, "in view `%.255s`", name);
        }
        return code;
    }
    if (r->stream && !ret->node->streaming)
        return sl_plan__at(
            err, r->pos,
            sl_fail(err, SL_EANALYSIS,
                    "`%.255s` is not a view of a stream: write FROM STREAM "
                    "inside the view, or read the view without STREAM",
                    name));
    return SL_OK;
}

sl_code sl_plan__count_scan(sl_analyzer *a, sl_sql_pos pos, sl_error *err)
{
    if (a->scan_count == SL_SOURCES_MAX)
        return sl_plan__at(
            err, pos,
            sl_fail(err, SL_ELIMIT,
                    "the query reads more than %d tables (WITH queries and "
                    "views count each time they are used)",
                    SL_SOURCES_MAX));
    a->scan_count++;
    return SL_OK;
}

/* The table's options, those of the query's WITH (...) instead of the same names. */
static sl_option_list merge_options(sl_analyzer *a, const sl_option_list *table,
                                    const sl_option_list *query)
{
    sl_option_pair *pairs =
        SL_ARENA_ARRAY(a->arena, sl_option_pair, table->count + query->count + 1);
    uint32_t count = 0;
    for (uint32_t i = 0; i < table->count; i++) {
        if (sl_option_list_get(query, table->pairs[i].name) == NULL)
            pairs[count++] = table->pairs[i];
    }
    for (uint32_t i = 0; i < query->count; i++)
        pairs[count++] = query->pairs[i];
    for (uint32_t i = 0; i < count; i++) {
        pairs[i].name = sl_arena_strdup(a->arena, pairs[i].name);
        pairs[i].value = sl_arena_strdup(a->arena, pairs[i].value);
    }
    return (sl_option_list){ .count = count, .pairs = pairs };
}

static sl_code check_table(const sl_relation *r, const sl_table_info *info,
                           const char *name, sl_error *err)
{
    if (r->stream ? !info->can_stream : !info->can_batch)
        return sl_plan__at(
            err, r->pos,
            sl_fail_as(err, SL_EANALYSIS, "UNSUPPORTED_FEATURE.TABLE_OPERATION", "0A000",
                       "Table `%.255s` does not support %s (connector %s): read it %s.",
                       name, r->stream ? "micro-batch scan" : "batch scan",
                       info->connector != NULL ? info->connector : "?",
                       r->stream ? "without STREAM" : "with FROM STREAM"));
    if (info->schema == NULL)
        return sl_plan__at(
            err, r->pos,
            r->stream
                ? sl_fail_as(err, SL_EANALYSIS, "_LEGACY_ERROR_TEMP_2048", "42000",
                             "Schema must be specified when creating a streaming source "
                             "DataFrame. Give the columns of `%.255s` in CREATE TABLE.",
                             name)
                : sl_fail_as(err, SL_EANALYSIS, "UNABLE_TO_INFER_SCHEMA", "42KD9",
                             "Unable to infer schema for `%.255s`. It must be specified "
                             "manually.",
                             name));
    if (info->schema->field_count > SL_COLUMNS_MAX)
        return sl_plan__at(err, r->pos,
                           sl_fail(err, SL_ELIMIT, "`%.255s` has more than %d columns",
                                   name, SL_COLUMNS_MAX));
    return SL_OK;
}

static sl_code read_table(sl_analyzer *a, const sl_relation *r, const sl_table_info *info,
                          const char *name, sl_named *ret, sl_error *err)
{
    SL_TRY(check_table(r, info, name, err));
    SL_TRY(sl_plan__count_scan(a, r->pos, err));
    sl_logical *n = sl_logical__new(a->arena, SL_LOGICAL_SCAN, r->pos, NULL);
    uint32_t count = info->schema->field_count;
    uint32_t *columns = SL_ARENA_ARRAY(a->arena, uint32_t, count);
    for (uint32_t i = 0; i < count; i++)
        columns[i] = i;
    n->streaming = r->stream;
    n->schema = sl_schema_copy(info->schema, a->arena);
    n->window_us = SL_ARENA_ARRAY(a->arena, int64_t, count);
    n->u.scan.table = sl_arena_strdup(a->arena, name);
    n->u.scan.connector = sl_arena_strdup(a->arena, info->connector);
    n->u.scan.options = merge_options(a, &info->options, &r->options);
    n->u.scan.table_schema = n->schema;
    n->u.scan.column_count = count;
    n->u.scan.columns = columns;
    ret->node = n;
    return SL_OK;
}

static const sl_cte_scope *find_cte(const sl_analyzer *a, const sl_relation *r,
                                    const sl_cte_scope *ctes)
{
    if (r->part_count != 1)
        return NULL;
    while (ctes != NULL && !sl_plan__same_name(a, ctes->name, r->parts[0]))
        ctes = ctes->outer;
    return ctes;
}

static sl_code resolve_read(sl_analyzer *a, const sl_relation *r, sl_place place,
                            sl_named *ret, sl_error *err)
{
    const char *last = r->parts[r->part_count - 1];
    const sl_cte_scope *cte = find_cte(a, r, place.ctes);
    if (cte != NULL) {
        sl_place inside = place;
        inside.ctes = cte->outer;
        inside.depth++;
        SL_TRY(sl_plan__relation(a, cte->query, inside, ret, err));
        qualify(a, ret, last);
        return SL_OK;
    }
    const sl_table_info *info = NULL;
    const char *name = table_name(a, r);
    SL_TRY(sl_plan__at(err, r->pos,
                       a->catalog->table(a->catalog->user, name, r->stream, &info, err)));
    if (info == NULL)
        return fail_not_found(a, r, name, place, err);
    if (info->view != NULL)
        SL_TRY(expand_view(a, r, info, name, place, ret, err));
    else
        SL_TRY(read_table(a, r, info, name, ret, err));
    qualify(a, ret, last);
    return SL_OK;
}

/* ---- WITH ---- */

static sl_code resolve_with(sl_analyzer *a, const sl_relation *r, sl_place place,
                            sl_named *ret, sl_error *err)
{
    sl_cte_scope *scopes = SL_ARENA_ARRAY(a->arena, sl_cte_scope, r->cte_count + 1);
    for (uint32_t i = 0; i < r->cte_count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (sl_plan__same_name(a, r->cte_names[i], r->cte_names[j]))
                return sl_plan__at(
                    err, r->pos,
                    sl_fail_as(err, SL_EPARSE, "PARSE_SYNTAX_ERROR", "42601",
                               "CTE definition can't have duplicate names: "
                               "`%.255s`.",
                               r->cte_names[i]));
        }
        scopes[i] = (sl_cte_scope){ .name = r->cte_names[i],
                                    .query = r->cte_queries[i],
                                    .outer = place.ctes };
        place.ctes = &scopes[i];
    }
    return sl_plan__relation(a, r->inputs[0], place, ret, err);
}

/* ---- (query) AS a(x, y) ---- */

static sl_code resolve_alias(sl_analyzer *a, const sl_relation *r, const sl_named *input,
                             sl_named *ret, sl_error *err)
{
    uint32_t count = input->node->schema->field_count;
    *ret = *input;
    if (r->column_alias_count != 0) {
        if (r->column_alias_count != count)
            return sl_plan__at(
                err, r->pos,
                sl_fail_as(err, SL_EANALYSIS, "ASSIGNMENT_ARITY_MISMATCH", "42802",
                           "Number of column aliases does not match number "
                           "of columns. Number of column aliases: %u; "
                           "number of columns: %u.",
                           r->column_alias_count, count));
        sl_logical *n =
            sl_logical__new(a->arena, SL_LOGICAL_PROJECT, r->pos, input->node);
        sl_schema *schema = sl_schema_copy(input->node->schema, a->arena);
        sl_field *fields = SL_ARENA_ARRAY(a->arena, sl_field, count);
        const sl_expr **exprs = SL_ARENA_ARRAY(a->arena, const sl_expr *, count);
        for (uint32_t i = 0; i < count; i++) {
            fields[i] = schema->fields[i];
            fields[i].name = sl_arena_strdup(a->arena, r->column_aliases[i]);
            exprs[i] = sl_logical__column(a->arena, input->node, i);
        }
        schema->fields = fields;
        n->schema = schema;
        n->u.project.exprs = exprs;
        n->u.project.count = count;
        ret->node = n;
    }
    if (r->part_count != 0)
        qualify(a, ret, r->parts[0]);
    return SL_OK;
}

/* ---- WHERE, LIMIT ---- */

static sl_code resolve_filter(sl_analyzer *a, const sl_relation *r, const sl_named *input,
                              sl_named *ret, sl_error *err)
{
    sl_scope s = { .a = a, .input = input, .clause = "WHERE" };
    const sl_expr *predicate;
    SL_TRY(sl_plan__condition(&s, r->condition, &predicate, err));
    ret->node = sl_logical__filter(a->arena, input->node, predicate);
    ret->qualifiers = input->qualifiers;
    return SL_OK;
}

static sl_code resolve_limit(sl_analyzer *a, const sl_relation *r, const sl_named *input,
                             sl_named *ret, sl_error *err)
{
    sl_logical *n = sl_logical__new(a->arena, SL_LOGICAL_LIMIT, r->pos, input->node);
    n->u.limit.limit = -1;
    if (r->limit != NULL)
        SL_TRY(sl_plan__limit_value(a, r->limit, "limit", &n->u.limit.limit, err));
    if (r->offset != NULL)
        SL_TRY(sl_plan__limit_value(a, r->offset, "offset", &n->u.limit.offset, err));
    ret->node = n;
    ret->qualifiers = input->qualifiers;
    return SL_OK;
}

static bool is_select(const sl_relation *r)
{
    return r->kind == SL_REL_PROJECT || r->kind == SL_REL_AGGREGATE;
}

static sl_code resolve_union(sl_analyzer *a, const sl_relation *r, sl_place place,
                             sl_named *ret, sl_error *err)
{
    sl_named *inputs = SL_ARENA_ARRAY(a->arena, sl_named, r->input_count);
    for (uint32_t i = 0; i < r->input_count; i++)
        SL_TRY(sl_plan__relation(a, r->inputs[i], place, &inputs[i], err));
    SL_TRY(sl_plan__union(a, r, inputs, ret, err));
    if (r->union_all)
        return SL_OK;
    sl_named all = *ret;
    return sl_plan__distinct(a, &all, r->pos, ret, err);
}

/* Nodes over one input. */
static sl_code resolve_unary(sl_analyzer *a, const sl_relation *r, sl_place place,
                             sl_named *ret, sl_error *err)
{
    sl_named input;
    if (r->kind == SL_REL_SORT && is_select(r->inputs[0]))
        return sl_plan__select(a, r->inputs[0], r, place, ret, err);
    SL_TRY(sl_plan__relation(a, r->inputs[0], place, &input, err));
    switch (r->kind) {
    case SL_REL_FILTER:
        return resolve_filter(a, r, &input, ret, err);
    case SL_REL_SORT:
        return sl_plan__sort(a, r, &input, ret, err);
    case SL_REL_LIMIT:
        return resolve_limit(a, r, &input, ret, err);
    case SL_REL_DEDUPLICATE:
        return sl_plan__distinct(a, &input, r->pos, ret, err);
    case SL_REL_ALIAS:
        return resolve_alias(a, r, &input, ret, err);
    default:
        return sl_plan__watermark(a, r, &input, ret, err);
    }
}

sl_code sl_plan__relation(sl_analyzer *a, const sl_relation *r, sl_place place,
                          sl_named *ret, sl_error *err)
{
    if (place.depth >= SL_SQL_DEPTH_MAX)
        return sl_plan__too_deep(r->pos, err);
    place.depth++;
    switch (r->kind) {
    case SL_REL_READ:
        return resolve_read(a, r, place, ret, err);
    case SL_REL_VALUES:
        return sl_plan__values(a, r, ret, err);
    case SL_REL_PROJECT:
    case SL_REL_AGGREGATE:
        return sl_plan__select(a, r, NULL, place, ret, err);
    case SL_REL_WITH:
        return resolve_with(a, r, place, ret, err);
    case SL_REL_UNION:
        return resolve_union(a, r, place, ret, err);
    case SL_REL_JOIN:
    case SL_REL_EXCEPT:
    case SL_REL_INTERSECT:
    case SL_REL_SAMPLE:
        return sl_plan__refuse_relation(a, r, place, err);
    default:
        return resolve_unary(a, r, place, ret, err);
    }
}
