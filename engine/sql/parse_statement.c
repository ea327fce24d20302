/* Statements, one function each; the first words choose. */
#include <string.h>

#include "base/text.h"
#include "engine/sql/parser_private.h"

/* An option name is a word, a path of words (a.b) or a string. */
static sl_code parse_option_name(sl_parser *p, const char **ret, sl_error *err)
{
    if (p->token.kind == SL_TOK_STRING)
        return sl_parser__string(p, "an option name", ret, err);
    const char *const *parts;
    uint32_t count;
    SL_TRY(sl_parser__path(p, "an option name", &parts, &count, err));
    const char *name = parts[0];
    for (uint32_t i = 1; i < count; i++)
        name = sl_arena_printf(p->arena, "%s.%s", name, parts[i]);
    *ret = name;
    return SL_OK;
}

/* A value is a string, a number (its text, with a minus), a word (true, update). */
static sl_code parse_option_value(sl_parser *p, const char **ret, sl_error *err)
{
    bool minus;
    SL_TRY(sl_parser__accept_symbol(p, "-", &minus, err));
    switch (p->token.kind) {
    case SL_TOK_STRING:
    case SL_TOK_WORD:
        if (minus)
            return sl_parser__fail(p, err, "a number after '-'");
        break;
    case SL_TOK_INTEGER:
    case SL_TOK_DECIMAL:
        break;
    default:
        return sl_parser__fail(p, err,
                               "an option value: 'text', a number, true or false");
    }
    *ret = minus ? sl_arena_printf(p->arena, "-%s", p->token.text) : p->token.text;
    return sl_parser__advance(p, err);
}

sl_code sl_parser__options(sl_parser *p, sl_option_list *ret, sl_error *err)
{
    sl_plist list = { 0 };
    bool more = true, hit;
    SL_TRY(sl_parser__expect_symbol(p, "(", err));
    while (more) {
        sl_option_pair *pair = SL_ARENA_NEW(p->arena, sl_option_pair);
        pair->line = p->token.pos.line;
        pair->column = p->token.pos.column;
        SL_TRY(parse_option_name(p, &pair->name, err));
        SL_TRY(sl_parser__accept_symbol(p, "=", &hit, err));
        SL_TRY(parse_option_value(p, &pair->value, err));
        for (uint32_t i = 0; i < list.count; i++) {
            if (!sl_text_equal_nocase(((const sl_option_pair *)list.items[i])->name,
                                      pair->name))
                continue;
            sl_code code = sl_fail_as(err, SL_EPARSE, "DUPLICATE_KEY", "23505",
                                      "option `%s` is given twice", pair->name);
            if (err != NULL) {
                err->line = pair->line;
                err->column = pair->column;
            }
            return code;
        }
        sl_plist__add(&list, p->arena, pair);
        SL_TRY(sl_parser__accept_symbol(p, ",", &more, err));
    }
    SL_TRY(sl_parser__expect_symbol(p, ")", err));
    sl_option_pair *pairs = SL_ARENA_ARRAY(p->arena, sl_option_pair, list.count);
    for (uint32_t i = 0; i < list.count; i++)
        pairs[i] = *(const sl_option_pair *)list.items[i];
    *ret = (sl_option_list){ list.count, pairs };
    return SL_OK;
}

/* Names of tables and queries may be qualified: kept as one dotted text. */
static sl_code parse_object_name(sl_parser *p, const char *what, sl_statement *s,
                                 sl_error *err)
{
    const char *const *parts;
    uint32_t count;
    s->name_pos = p->token.pos;
    SL_TRY(sl_parser__path(p, what, &parts, &count, err));
    s->name = parts[0];
    for (uint32_t i = 1; i < count; i++)
        s->name = sl_arena_printf(p->arena, "%s.%s", s->name, parts[i]);
    return SL_OK;
}

static sl_code parse_query_text(sl_parser *p, sl_statement *s, sl_error *err)
{
    size_t begin = p->token.begin;
    SL_TRY(sl_parser__query(p, &s->query, err));
    s->query_text =
        sl_arena_strndup(p->arena, p->lexer.text + begin, p->last_end - begin);
    return SL_OK;
}

static sl_code parse_if_not_exists(sl_parser *p, sl_statement *s, sl_error *err)
{
    SL_TRY(sl_parser__accept_word(p, "IF", &s->if_not_exists, err));
    if (s->if_not_exists) {
        SL_TRY(sl_parser__expect_word(p, "NOT", err));
        SL_TRY(sl_parser__expect_word(p, "EXISTS", err));
    }
    return SL_OK;
}

static sl_code parse_create_table(sl_parser *p, sl_statement *s, sl_error *err)
{
    bool hit;
    s->kind = SL_ST_CREATE_TABLE;
    SL_TRY(parse_if_not_exists(p, s, err));
    SL_TRY(parse_object_name(p, "a table name", s, err));
    if (sl_parser__is_symbol(p, "(")) {
        sl_schema *schema = SL_ARENA_NEW(p->arena, sl_schema);
        SL_TRY(sl_parser__advance(p, err));
        SL_TRY(sl_parser__fields(p, false, &schema->fields, &schema->field_count, err));
        SL_TRY(sl_parser__expect_symbol(p, ")", err));
        s->schema = schema;
    }
    SL_TRY(sl_parser__expect_word(p, "USING", err));
    s->connector_pos = p->token.pos;
    SL_TRY(sl_parser__name(p, "a data source such as json", &s->connector, err));
    SL_TRY(sl_parser__accept_word(p, "OPTIONS", &hit, err));
    if (hit)
        SL_TRY(sl_parser__options(p, &s->options, err));
    SL_TRY(sl_parser__accept_word(p, "LOCATION", &hit, err));
    if (hit) {
        sl_option_pair *pairs =
            SL_ARENA_ARRAY(p->arena, sl_option_pair, s->options.count + 1);
        if (s->options.count != 0)
            memcpy(pairs, s->options.pairs, s->options.count * sizeof *pairs);
        sl_option_pair *path = &pairs[s->options.count];
        path->name = "path";
        path->line = p->token.pos.line;
        path->column = p->token.pos.column;
        SL_TRY(sl_parser__string(p, "a path in quotes", &path->value, err));
        s->options = (sl_option_list){ s->options.count + 1, pairs };
    }
    if (sl_parser__is_word(p, "AS"))
        return sl_parser__fail(p, err,
                               "the end (CREATE TABLE ... AS SELECT is not supported)");
    return SL_OK;
}

static sl_code parse_create_view(sl_parser *p, sl_statement *s, sl_error *err)
{
    s->kind = SL_ST_CREATE_VIEW;
    SL_TRY(parse_if_not_exists(p, s, err));
    SL_TRY(parse_object_name(p, "a view name", s, err));
    SL_TRY(sl_parser__expect_word(p, "AS", err));
    return parse_query_text(p, s, err);
}

static sl_code parse_mode(sl_parser *p, sl_statement *s, sl_error *err)
{
    static const char *const modes[] = { "append", "update", "complete" };
    SL_TRY(sl_parser__expect_word(p, "MODE", err));
    const char *given = p->token.text;
    for (int i = 0; i < 3; i++) {
        if (p->token.kind != SL_TOK_END && sl_text_equal_nocase(given, modes[i])) {
            s->mode = (sl_output_mode)i;
            s->mode_given = true;
            return sl_parser__advance(p, err);
        }
    }
    sl_code code =
        sl_fail_as(err, SL_EANALYSIS, "STREAMING_OUTPUT_MODE.INVALID", "42KDE",
                   "Invalid streaming output mode: %.60s. Use append, update or "
                   "complete.",
                   given);
    if (err != NULL) {
        err->line = p->token.pos.line;
        err->column = p->token.pos.column;
    }
    return code;
}

static sl_code parse_trigger_interval(sl_parser *p, sl_statement *s, sl_error *err)
{
    sl_sql_pos pos = p->token.pos;
    const sl_uexpr *interval;
    int32_t months;
    if (sl_parser__is_word(p, "INTERVAL"))
        SL_TRY(sl_parser__advance(p, err));
    SL_TRY(sl_parser__interval(p, pos, &interval, err));
    sl_code code =
        sl_interval_parse(interval->literal.text, &months, &s->trigger_us, err);
    if (code == SL_OK && months != 0)
        code = sl_fail(err, SL_EINVAL,
                       "a trigger interval cannot have months or years: '%s'",
                       interval->literal.text);
    if (code == SL_OK && s->trigger_us < 0)
        code = sl_fail(err, SL_EINVAL,
                       "the interval of trigger should not be negative: '%s'",
                       interval->literal.text);
    if (code != SL_OK && err != NULL) {
        err->line = pos.line;
        err->column = pos.column;
    }
    return code;
}

static sl_code parse_trigger(sl_parser *p, sl_statement *s, sl_error *err)
{
    bool hit;
    SL_TRY(sl_parser__accept_word(p, "ONCE", &hit, err));
    if (hit) {
        s->trigger = SL_TRIGGER_ONCE;
        return SL_OK;
    }
    SL_TRY(sl_parser__accept_word(p, "AVAILABLE", &hit, err));
    if (hit) {
        s->trigger = SL_TRIGGER_AVAILABLE_NOW;
        return sl_parser__expect_word(p, "NOW", err);
    }
    SL_TRY(sl_parser__accept_word(p, "PROCESSING", &hit, err));
    if (hit) {
        s->trigger = SL_TRIGGER_PROCESSING_TIME;
        SL_TRY(sl_parser__expect_word(p, "TIME", err));
        return parse_trigger_interval(p, s, err);
    }
    SL_TRY(sl_parser__accept_word(p, "CONTINUOUS", &hit, err));
    if (hit) {
        s->trigger = SL_TRIGGER_CONTINUOUS;
        return parse_trigger_interval(p, s, err);
    }
    return sl_parser__fail(
        p, err, "PROCESSING TIME '..', AVAILABLE NOW, ONCE or CONTINUOUS '..'");
}

/* The clauses may come in any order; AS ends them. */
static sl_code parse_create_stream(sl_parser *p, sl_statement *s, sl_error *err)
{
    bool hit;
    s->kind = SL_ST_CREATE_STREAMING_QUERY;
    s->mode = SL_OUTPUT_APPEND;
    SL_TRY(sl_parser__expect_word(p, "QUERY", err));
    SL_TRY(parse_if_not_exists(p, s, err));
    SL_TRY(parse_object_name(p, "a name for the query", s, err));
    for (;;) {
        SL_TRY(sl_parser__accept_word(p, "OUTPUT", &hit, err));
        if (hit) {
            SL_TRY(parse_mode(p, s, err));
            continue;
        }
        SL_TRY(sl_parser__accept_word(p, "TRIGGER", &hit, err));
        if (hit) {
            SL_TRY(parse_trigger(p, s, err));
            continue;
        }
        SL_TRY(sl_parser__accept_word(p, "CHECKPOINT", &hit, err));
        if (hit) {
            SL_TRY(sl_parser__expect_word(p, "LOCATION", err));
            SL_TRY(sl_parser__string(p, "a directory in quotes", &s->checkpoint, err));
            continue;
        }
        SL_TRY(sl_parser__accept_word(p, "INTO", &hit, err));
        if (!hit)
            break;
        s->connector_pos = p->token.pos;
        SL_TRY(
            sl_parser__name(p, "a sink such as console, or a table", &s->connector, err));
        SL_TRY(sl_parser__accept_word(p, "OPTIONS", &hit, err));
        if (hit)
            SL_TRY(sl_parser__options(p, &s->options, err));
    }
    if (s->connector == NULL)
        return sl_parser__fail(
            p, err,
            "OUTPUT MODE, TRIGGER, CHECKPOINT LOCATION or INTO (INTO is required)");
    SL_TRY(sl_parser__expect_word(p, "AS", err));
    return parse_query_text(p, s, err);
}

static sl_code parse_create(sl_parser *p, sl_statement *s, sl_error *err)
{
    bool hit;
    SL_TRY(sl_parser__advance(p, err));
    if (sl_parser__is_word(p, "OR")) {
        SL_TRY(sl_parser__advance(p, err));
        SL_TRY(sl_parser__expect_word(p, "REPLACE", err));
        s->or_replace = true;
    }
    SL_TRY(sl_parser__accept_word(p, "TEMP", &s->temporary, err));
    if (!s->temporary)
        SL_TRY(sl_parser__accept_word(p, "TEMPORARY", &s->temporary, err));
    SL_TRY(sl_parser__accept_word(p, "VIEW", &hit, err));
    if (hit)
        return parse_create_view(p, s, err);
    if (s->temporary)
        return sl_parser__fail(p, err, "VIEW");
    SL_TRY(sl_parser__accept_word(p, "TABLE", &hit, err));
    if (hit)
        return parse_create_table(p, s, err);
    SL_TRY(sl_parser__accept_word(p, "STREAMING", &hit, err));
    if (hit && !s->or_replace)
        return parse_create_stream(p, s, err);
    return sl_parser__fail(p, err, "TABLE, [TEMP] VIEW or STREAMING QUERY");
}

static sl_code parse_drop(sl_parser *p, sl_statement *s, sl_error *err)
{
    bool hit;
    SL_TRY(sl_parser__advance(p, err));
    SL_TRY(sl_parser__accept_word(p, "VIEW", &hit, err));
    s->kind = hit ? SL_ST_DROP_VIEW : SL_ST_DROP_TABLE;
    if (!hit) {
        if (!sl_parser__is_word(p, "TABLE"))
            return sl_parser__fail(p, err, "TABLE or VIEW");
        SL_TRY(sl_parser__advance(p, err));
    }
    SL_TRY(sl_parser__accept_word(p, "IF", &s->if_exists, err));
    if (s->if_exists)
        SL_TRY(sl_parser__expect_word(p, "EXISTS", err));
    return parse_object_name(p, "a name", s, err);
}

static sl_code parse_stream_verb(sl_parser *p, sl_statement *s, sl_statement_kind kind,
                                 sl_error *err)
{
    s->kind = kind;
    SL_TRY(sl_parser__expect_word(p, "STREAMING", err));
    SL_TRY(sl_parser__expect_word(p, "QUERY", err));
    return parse_object_name(p, "the name of a streaming query", s, err);
}

static sl_code parse_show(sl_parser *p, sl_statement *s, sl_error *err)
{
    bool hit;
    SL_TRY(sl_parser__advance(p, err));
    SL_TRY(sl_parser__accept_word(p, "STREAMING", &hit, err));
    if (hit) {
        s->kind = SL_ST_SHOW_STREAMING_QUERIES;
        return sl_parser__expect_word(p, "QUERIES", err);
    }
    SL_TRY(sl_parser__accept_word(p, "TABLES", &hit, err));
    if (hit) {
        s->kind = SL_ST_SHOW_TABLES;
        return SL_OK;
    }
    SL_TRY(sl_parser__accept_word(p, "VIEWS", &hit, err));
    if (hit) {
        s->kind = SL_ST_SHOW_VIEWS;
        return SL_OK;
    }
    SL_TRY(sl_parser__accept_word(p, "FUNCTIONS", &hit, err));
    if (hit) {
        s->kind = SL_ST_SHOW_FUNCTIONS;
        return SL_OK;
    }
    SL_TRY(sl_parser__accept_word(p, "COLUMNS", &hit, err));
    if (hit) {
        s->kind = SL_ST_SHOW_COLUMNS;
        if (!sl_parser__is_word(p, "IN") && !sl_parser__is_word(p, "FROM"))
            return sl_parser__fail(p, err, "FROM or IN");
        SL_TRY(sl_parser__advance(p, err));
        return parse_object_name(p, "a table name", s, err);
    }
    return sl_parser__fail(p, err,
                           "TABLES, VIEWS, COLUMNS, FUNCTIONS or STREAMING QUERIES");
}

static sl_code parse_describe(sl_parser *p, sl_statement *s, sl_error *err)
{
    bool hit;
    SL_TRY(sl_parser__advance(p, err));
    if (sl_parser__is_word(p, "STREAMING") && sl_parser__ahead_is_word(p, "QUERY"))
        return parse_stream_verb(p, s, SL_ST_DESCRIBE_STREAMING_QUERY, err);
    s->kind = SL_ST_DESCRIBE;
    if (sl_parser__is_word(p, "TREE") &&
        (p->ahead.kind == SL_TOK_WORD || p->ahead.kind == SL_TOK_QUOTED)) {
        SL_TRY(sl_parser__advance(p, err));
        s->tree = true;
    }
    if (sl_parser__is_word(p, "QUERY") && p->ahead.kind == SL_TOK_WORD) {
        SL_TRY(sl_parser__advance(p, err));
        return parse_query_text(p, s, err);
    }
    if (sl_parser__is_word(p, "SELECT") || sl_parser__is_word(p, "WITH") ||
        sl_parser__is_word(p, "VALUES"))
        return parse_query_text(p, s, err);
    if (sl_parser__is_word(p, "TABLE") && p->ahead.kind != SL_TOK_SYMBOL &&
        p->ahead.kind != SL_TOK_END)
        SL_TRY(sl_parser__accept_word(p, "TABLE", &hit, err));
    return parse_object_name(p, "a table name", s, err);
}

/* SET | SET k | SET k = v: the value is the raw text up to the end of the statement. */
static sl_code parse_set(sl_parser *p, sl_statement *s, sl_error *err)
{
    s->kind = SL_ST_SET;
    SL_TRY(sl_parser__advance(p, err));
    if (p->token.kind == SL_TOK_END || sl_parser__is_symbol(p, ";"))
        return SL_OK;
    s->name_pos = p->token.pos;
    SL_TRY(parse_option_name(p, &s->name, err));
    bool hit;
    SL_TRY(sl_parser__accept_symbol(p, "=", &hit, err));
    if (!hit)
        return SL_OK;
    if (p->token.kind == SL_TOK_STRING) {
        return sl_parser__string(p, "a value", &s->value, err);
    }
    size_t begin = p->token.begin, end = begin;
    while (p->token.kind != SL_TOK_END && !sl_parser__is_symbol(p, ";")) {
        end = p->token.end;
        SL_TRY(sl_parser__advance(p, err));
    }
    s->value = sl_arena_strndup(p->arena, p->lexer.text + begin, end - begin);
    return SL_OK;
}

static sl_code parse_explain(sl_parser *p, sl_statement *s, sl_error *err)
{
    static const struct {
        const char *word;
        sl_explain_kind kind;
    } kinds[] = { { "FORMATTED", SL_EXPLAIN_FORMATTED },
                  { "STATE", SL_EXPLAIN_STATE },
                  { "JSON", SL_EXPLAIN_JSON },
                  { "EXTENDED", SL_EXPLAIN_EXTENDED } };
    sl_statement *inner;
    s->kind = SL_ST_EXPLAIN;
    SL_TRY(sl_parser__advance(p, err));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!sl_parser__is_word(p, kinds[i].word))
            continue;
        s->explain = kinds[i].kind;
        SL_TRY(sl_parser__advance(p, err));
        break;
    }
    if (sl_parser__is_word(p, "EXPLAIN"))
        return sl_parser__fail(p, err, "a query to explain");
    SL_TRY(sl_parser__statement(p, &inner, err));
    if (inner->kind != SL_ST_QUERY && inner->kind != SL_ST_CREATE_STREAMING_QUERY) {
        sl_code code =
            sl_fail(err, SL_EPARSE, "EXPLAIN takes a SELECT or a CREATE STREAMING QUERY");
        if (err != NULL) {
            err->line = inner->pos.line;
            err->column = inner->pos.column;
        }
        return code;
    }
    s->inner = inner;
    return SL_OK;
}

static bool begins_query(const sl_parser *p)
{
    return sl_parser__is_word(p, "SELECT") || sl_parser__is_word(p, "WITH") ||
           sl_parser__is_word(p, "VALUES") || sl_parser__is_symbol(p, "(") ||
           (sl_parser__is_word(p, "TABLE"));
}

static sl_code parse_by_word(sl_parser *p, sl_statement *s, sl_error *err)
{
    static const char *const verbs[] = { "SELECT",   "CREATE", "WITH",   "VALUES", "SHOW",
                                         "DESCRIBE", "DESC",   "SET",    "RESET",  "DROP",
                                         "STOP",     "AWAIT",  "EXPLAIN" };
    if (begins_query(p)) {
        s->kind = SL_ST_QUERY;
        return parse_query_text(p, s, err);
    }
    if (sl_parser__is_word(p, "CREATE"))
        return parse_create(p, s, err);
    if (sl_parser__is_word(p, "DROP"))
        return parse_drop(p, s, err);
    if (sl_parser__is_word(p, "SHOW"))
        return parse_show(p, s, err);
    if (sl_parser__is_word(p, "DESCRIBE") || sl_parser__is_word(p, "DESC"))
        return parse_describe(p, s, err);
    if (sl_parser__is_word(p, "SET"))
        return parse_set(p, s, err);
    if (sl_parser__is_word(p, "EXPLAIN"))
        return parse_explain(p, s, err);
    if (sl_parser__is_word(p, "RESET")) {
        s->kind = SL_ST_RESET;
        SL_TRY(sl_parser__advance(p, err));
        s->name_pos = p->token.pos;
        return p->token.kind == SL_TOK_WORD ? parse_option_name(p, &s->name, err) : SL_OK;
    }
    if (sl_parser__is_word(p, "STOP") || sl_parser__is_word(p, "AWAIT")) {
        sl_statement_kind kind = sl_parser__is_word(p, "STOP")
                                     ? SL_ST_STOP_STREAMING_QUERY
                                     : SL_ST_AWAIT_STREAMING_QUERY;
        SL_TRY(sl_parser__advance(p, err));
        return parse_stream_verb(p, s, kind, err);
    }
    if (p->token.kind == SL_TOK_WORD) {
        const char *near =
            sl_text_nearest(p->token.text, verbs, sizeof verbs / sizeof *verbs);
        if (near != NULL)
            return sl_parser__fail(
                p, err, sl_arena_printf(p->arena, "a statement; did you mean %s?", near));
    }
    return sl_parser__fail(
        p, err, "a statement: SELECT, CREATE, SHOW, DESCRIBE, SET, EXPLAIN, ...");
}

sl_code sl_parser__statement(sl_parser *p, sl_statement **ret, sl_error *err)
{
    sl_statement *s = SL_ARENA_NEW(p->arena, sl_statement);
    size_t begin = p->token.begin;
    s->pos = p->token.pos;
    SL_TRY(sl_parser__enter(p, err));
    SL_TRY(parse_by_word(p, s, err));
    p->depth--;
    if (p->token.kind != SL_TOK_END && !sl_parser__is_symbol(p, ";"))
        return sl_parser__fail(p, err, "end of statement (';')");
    s->text = sl_arena_strndup(p->arena, p->lexer.text + begin, p->last_end - begin);
    *ret = s;
    return SL_OK;
}
