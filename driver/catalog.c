/* Tables and views of a session.  A table is its connector, options and schema (given or
 * asked for each time it is used); a view is its text, parsed again into the arena of
 * whoever uses it. */
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "connectors/memory_table.h"
#include "connectors/source_plan.h"
#include "driver/driver_private.h"
#include "engine/sql/parse.h"

struct table {
    sl_arena *arena;
    sl_table_info info;
};

struct sl_tables {
    sl_host *host;
    struct sl_memory_tables *memory;
    struct table *items;
    uint32_t count, capacity;
};

sl_tables *sl_tables_new(sl_host *host, struct sl_memory_tables *memory)
{
    sl_tables *t = (sl_tables *)sl_calloc(1, sizeof *t);
    t->host = host;
    t->memory = memory;
    return t;
}

void sl_tables_free(sl_tables *t)
{
    if (t == NULL)
        return;
    for (uint32_t i = 0; i < t->count; i++)
        sl_arena_free(t->items[i].arena);
    sl_free(t->items);
    sl_free(t);
}

static struct table *find(const sl_tables *t, const char *name)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (sl_text_equal_nocase(t->items[i].info.name, name))
            return &t->items[i];
    return NULL;
}

uint32_t sl_tables_count(const sl_tables *t)
{
    return t->count;
}

const char *sl_tables_name(const sl_tables *t, uint32_t i)
{
    return t->items[i].info.name;
}

bool sl_tables_is_view(const sl_tables *t, uint32_t i)
{
    return t->items[i].info.view_text != NULL;
}

const sl_table_info *sl_tables_find(const sl_tables *t, const char *name)
{
    const struct table *found = find(t, name);
    return found != NULL && found->info.view_text == NULL ? &found->info : NULL;
}

static sl_option_list copy_options(const sl_option_list *from, sl_arena *arena)
{
    sl_option_pair *pairs = SL_ARENA_ARRAY(arena, sl_option_pair, from->count + 1);
    for (uint32_t i = 0; i < from->count; i++) {
        pairs[i] = from->pairs[i];
        pairs[i].name = sl_arena_strdup(arena, from->pairs[i].name);
        pairs[i].value = sl_arena_strdup(arena, from->pairs[i].value);
    }
    return (sl_option_list){ from->count, pairs };
}

static struct table *add(sl_tables *t)
{
    if (t->count == t->capacity) {
        t->capacity = t->capacity == 0 ? 16 : t->capacity * 2;
        t->items = (struct table *)sl_realloc(t->items, t->capacity * sizeof *t->items);
    }
    struct table *item = &t->items[t->count++];
    *item = (struct table){ .arena = sl_arena_new() };
    return item;
}

static sl_code fail_at(sl_error *err, sl_sql_pos pos, sl_code code)
{
    if (err != NULL && err->line == 0) {
        err->line = pos.line;
        err->column = pos.column;
    }
    return code;
}

sl_code sl_tables_create(sl_tables *t, const sl_statement *s, sl_error *err)
{
    struct table *old = find(t, s->name);
    if (old != NULL && s->if_not_exists)
        return SL_OK;
    if (old != NULL && !s->or_replace)
        return fail_at(
            err, s->name_pos,
            sl_fail_as(err, SL_EEXISTS, "TABLE_OR_VIEW_ALREADY_EXISTS", "42P07",
                       "Cannot create table or view `%s` because it already "
                       "exists; drop it first, or use OR REPLACE or IF NOT EXISTS",
                       s->name));
    if (s->kind == SL_ST_CREATE_TABLE) {
        const sl_source_class *class;
        sl_code code = sl_source_class_find(s->connector, &class, err);
        if (code != SL_OK)
            return fail_at(err, s->connector_pos, code);
    }
    if (old != NULL) {
        sl_arena_free(old->arena);
        *old = t->items[--t->count];
    }
    struct table *item = add(t);
    sl_arena *a = item->arena;
    item->info.name = sl_arena_strdup(a, s->name);
    if (s->kind == SL_ST_CREATE_VIEW) {
        item->info.view_text = sl_arena_strdup(a, s->query_text);
        return SL_OK;
    }
    item->info.connector = sl_arena_strdup(a, s->connector);
    item->info.options = copy_options(&s->options, a);
    item->info.schema = s->schema != NULL ? sl_schema_copy(s->schema, a) : NULL;
    return SL_OK;
}

/* Of tables and views; a memory table is what the memory sink made, under its query's
 * name. */
static uint32_t names_of(const sl_tables *t, bool tables, bool views, sl_arena *arena,
                         const char *const **ret_names)
{
    const char *const *memory = NULL;
    uint32_t n = 0, memory_count = 0;
    if (tables && t->memory != NULL)
        memory_count = sl_memory_tables_names(t->memory, arena, &memory);
    const char **names =
        SL_ARENA_ARRAY(arena, const char *, t->count + (size_t)memory_count + 1);
    for (uint32_t i = 0; i < t->count; i++)
        if (t->items[i].info.view_text != NULL ? views : tables)
            names[n++] = t->items[i].info.name;
    for (uint32_t i = 0; i < memory_count; i++)
        names[n++] = memory[i];
    *ret_names = names;
    return n;
}

static sl_code fail_no_drop(const sl_tables *t, const sl_statement *s, sl_error *err)
{
    bool is_view = s->kind == SL_ST_DROP_VIEW;
    const char *const *names;
    sl_arena *arena = sl_arena_new();
    uint32_t n = names_of(t, !is_view, is_view, arena, &names);
    const char *near = sl_text_nearest(s->name, names, n);
    sl_code code =
        near != NULL
            ? sl_fail_as(err, SL_ENOTFOUND, "TABLE_OR_VIEW_NOT_FOUND", "42P01",
                         "The table or view `%s` cannot be found. Did you mean `%.255s`?",
                         s->name, near)
            : sl_fail_as(err, SL_ENOTFOUND, "TABLE_OR_VIEW_NOT_FOUND", "42P01",
                         "The table or view `%s` cannot be found. Verify the spelling; "
                         "SHOW %s lists what there is, and DROP %s IF EXISTS does "
                         "without it.",
                         s->name, is_view ? "VIEWS" : "TABLES",
                         is_view ? "VIEW" : "TABLE");
    sl_arena_free(arena);
    return fail_at(err, s->name_pos, code);
}

sl_code sl_tables_drop(sl_tables *t, const sl_statement *s, sl_error *err)
{
    struct table *found = find(t, s->name);
    bool is_view = s->kind == SL_ST_DROP_VIEW;
    if (found != NULL && is_view != (found->info.view_text != NULL))
        return fail_at(err, s->name_pos,
                       sl_fail_as(err, SL_EANALYSIS, "EXPECT_TABLE_NOT_VIEW", "42809",
                                  "`%s` is a %s: use DROP %s", s->name,
                                  is_view ? "table" : "view",
                                  is_view ? "TABLE" : "VIEW"));
    if (found != NULL) {
        sl_arena_free(found->arena);
        *found = t->items[--t->count];
        return SL_OK;
    }
    if (!is_view && t->memory != NULL && sl_memory_table_rows(t->memory, s->name) >= 0) {
        sl_memory_table_drop(t->memory, s->name);
        return SL_OK;
    }
    if (s->if_exists)
        return SL_OK;
    return fail_no_drop(t, s, err);
}

/* ---- what the analyzer asks ---- */

struct lookup {
    sl_tables *tables;
    const sl_options *options;
    const sl_time_zone *zone;
    sl_arena *arena;
};

static int64_t wall_of(void *user)
{
    return sl_host_wall_us((sl_host *)user);
}

static sl_code describe(struct lookup *l, const sl_table_info *t, bool streaming,
                        sl_table_info *ret, sl_error *err)
{
    const sl_source_class *class;
    sl_source_caps caps;
    sl_source_env env = { .fs = l->tables->host->fs,
                          .wall_us = wall_of,
                          .user = l->tables->host,
                          .zone = l->zone,
                          .slice_bytes =
                              sl_options_int(l->options, "sluice.source.sliceBytes"),
                          .memory = l->tables->memory };
    SL_TRY(sl_source_class_find(t->connector, &class, err));
    SL_TRY(
        class->describe(&env, &t->options, t->schema, streaming, l->arena, &caps, err));
    *ret = *t;
    ret->schema = caps.schema != NULL ? caps.schema : t->schema;
    ret->schema_given = caps.schema_given;
    ret->can_batch = caps.can_batch;
    ret->can_stream = caps.can_stream;
    return SL_OK;
}

static sl_code parse_view(struct lookup *l, sl_table_info *info, sl_error *err)
{
    sl_sql_cursor cursor = { .line = 1, .column = 1 };
    const sl_statement *s;
    SL_TRY(sl_sql_parse_next(info->view_text, strlen(info->view_text), &cursor, l->arena,
                             &s, err));
    if (s == NULL || s->kind != SL_ST_QUERY)
        return sl_fail(err, SL_EINTERNAL, "view %s is not a query", info->name);
    info->view = s->query;
    return SL_OK;
}

static sl_code catalog_table(void *user, const char *name, bool streaming,
                             const sl_table_info **ret, sl_error *err)
{
    struct lookup *l = (struct lookup *)user;
    const struct table *found = find(l->tables, name);
    sl_table_info *info = SL_ARENA_NEW(l->arena, sl_table_info);
    *ret = NULL;
    if (found != NULL && found->info.view_text != NULL) {
        *info = found->info;
        SL_TRY(parse_view(l, info, err));
    } else if (found != NULL) {
        SL_TRY(describe(l, &found->info, streaming, info, err));
    } else if (l->tables->memory != NULL &&
               sl_memory_table_rows(l->tables->memory, name) >= 0) {
        sl_option_pair *pair = SL_ARENA_NEW(l->arena, sl_option_pair);
        *pair =
            (sl_option_pair){ .name = "table", .value = sl_arena_strdup(l->arena, name) };
        sl_table_info memory = { .name = pair->value,
                                 .connector = "memory",
                                 .options = { 1, pair } };
        SL_TRY(describe(l, &memory, streaming, info, err));
    } else {
        return SL_OK; /* *ret NULL: there is none */
    }
    *ret = info;
    return SL_OK;
}

static uint32_t catalog_names(void *user, const char *const **ret_names)
{
    struct lookup *l = (struct lookup *)user;
    return names_of(l->tables, true, true, l->arena, ret_names);
}

void sl_tables_catalog(sl_tables *t, const sl_options *options, const sl_time_zone *zone,
                       sl_arena *arena, sl_catalog *ret)
{
    struct lookup *l = SL_ARENA_NEW(arena, struct lookup);
    *l = (struct lookup){ t, options, zone, arena };
    *ret = (sl_catalog){ catalog_table, catalog_names, l };
}
