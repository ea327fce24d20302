/* Queries: WITH, SELECT, VALUES, UNION, ORDER BY, LIMIT, and what may stand in FROM. */
#include <string.h>

#include "base/limits.h"
#include "engine/sql/parser_private.h"

static sl_relation *relation_new(sl_parser *p, sl_relation_kind kind, sl_sql_pos pos)
{
    sl_relation *r = SL_ARENA_NEW(p->arena, sl_relation);
    r->kind = kind;
    r->pos = pos;
    return r;
}

static sl_relation *relation_over(sl_parser *p, sl_relation_kind kind, sl_sql_pos pos,
                                  const sl_relation *input)
{
    sl_relation *r = relation_new(p, kind, pos);
    if (input != NULL) {
        const sl_relation **inputs = SL_ARENA_ARRAY(p->arena, const sl_relation *, 1);
        inputs[0] = input;
        r->inputs = inputs;
        r->input_count = 1;
    }
    return r;
}

static sl_code refuse_at(sl_sql_pos pos, sl_error *err, const char *text)
{
    sl_code code = sl_fail(err, SL_EUNSUPPORTED, "%s", text);
    if (err != NULL) {
        err->line = pos.line;
        err->column = pos.column;
    }
    return code;
}

/* [(c1, c2)] */
static sl_code parse_column_aliases(sl_parser *p, sl_relation *alias, sl_error *err)
{
    sl_plist names = { 0 };
    bool more;
    SL_TRY(sl_parser__accept_symbol(p, "(", &more, err));
    if (!more)
        return SL_OK;
    while (more) {
        const char *name;
        SL_TRY(sl_parser__name(p, "a column alias", &name, err));
        sl_plist__add(&names, p->arena, name);
        SL_TRY(sl_parser__accept_symbol(p, ",", &more, err));
    }
    alias->column_aliases = (const char *const *)names.items;
    alias->column_alias_count = names.count;
    return sl_parser__expect_symbol(p, ")", err);
}

/* [AS] name [(c1, c2)] */
static sl_code parse_alias(sl_parser *p, const sl_relation **r, sl_error *err)
{
    bool as;
    SL_TRY(sl_parser__accept_word(p, "AS", &as, err));
    bool named = p->token.kind == SL_TOK_QUOTED ||
                 (p->token.kind == SL_TOK_WORD && (as || !sl_parser__ends_item(p)));
    if (!named)
        return as ? sl_parser__fail(p, err, "an alias") : SL_OK;
    sl_relation *alias = relation_over(p, SL_REL_ALIAS, p->token.pos, *r);
    const char **parts = SL_ARENA_ARRAY(p->arena, const char *, 1);
    SL_TRY(sl_parser__name(p, "an alias", &parts[0], err));
    alias->parts = parts;
    alias->part_count = 1;
    *r = alias;
    return parse_column_aliases(p, alias, err);
}

/* WATERMARK col DELAY OF INTERVAL .. ; the alias follows it. */
static sl_code parse_watermark(sl_parser *p, const sl_relation **r, sl_error *err)
{
    sl_sql_pos pos = p->token.pos;
    bool hit;
    SL_TRY(sl_parser__accept_word(p, "WATERMARK", &hit, err));
    if (!hit)
        return SL_OK;
    sl_relation *w = relation_over(p, SL_REL_WITH_WATERMARK, pos, *r);
    SL_TRY(sl_parser__path(p, "the event-time column", &w->parts, &w->part_count, err));
    SL_TRY(sl_parser__expect_word(p, "DELAY", err));
    SL_TRY(sl_parser__expect_word(p, "OF", err));
    sl_sql_pos at = p->token.pos;
    if (sl_parser__is_word(p, "INTERVAL"))
        SL_TRY(sl_parser__advance(p, err));
    SL_TRY(sl_parser__interval(p, at, &w->delay, err));
    w->end = p->last_end_pos;
    *r = w;
    return SL_OK;
}

/* TABLESAMPLE (...) [REPEATABLE (...)]: how much is not read, samples are refused. */
static sl_code parse_sample(sl_parser *p, const sl_relation **r, sl_error *err)
{
    sl_sql_pos pos = p->token.pos;
    if (!sl_parser__is_word(p, "TABLESAMPLE"))
        return SL_OK;
    do {
        SL_TRY(sl_parser__advance(p, err));
        SL_TRY(sl_parser__expect_symbol(p, "(", err));
        while (!sl_parser__is_symbol(p, ")")) {
            if (p->token.kind == SL_TOK_END)
                return sl_parser__fail(p, err, "')'");
            SL_TRY(sl_parser__advance(p, err));
        }
        SL_TRY(sl_parser__advance(p, err));
    } while (sl_parser__is_word(p, "REPEATABLE"));
    *r = relation_over(p, SL_REL_SAMPLE, pos, *r);
    return SL_OK;
}

static sl_code parse_values(sl_parser *p, const sl_relation **ret, sl_error *err)
{
    sl_relation *r = relation_new(p, SL_REL_VALUES, p->token.pos);
    sl_plist cells = { 0 };
    uint32_t width = 0;
    bool more = true;
    SL_TRY(sl_parser__expect_word(p, "VALUES", err));
    while (more) {
        const sl_uexpr *const *row = NULL;
        const sl_uexpr *one;
        uint32_t count = 1;
        if (sl_parser__is_symbol(p, "(")) {
            SL_TRY(sl_parser__advance(p, err));
            SL_TRY(sl_parser__expr_list(p, &row, &count, err));
            SL_TRY(sl_parser__expect_symbol(p, ")", err));
        } else {
            SL_TRY(sl_parser__expr(p, &one, err));
            row = &one;
        }
        if (r->row_count != 0 && count != width) {
            sl_code code =
                sl_fail_as(err, SL_EANALYSIS, "INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH",
                           "42000", "row %u of VALUES has %u columns, the first has %u",
                           r->row_count + 1, count, width);
            if (err != NULL) {
                err->line = row[0]->pos.line;
                err->column = row[0]->pos.column;
            }
            return code;
        }
        width = count;
        for (uint32_t i = 0; i < count; i++)
            sl_plist__add(&cells, p->arena, row[i]);
        r->row_count++;
        SL_TRY(sl_parser__accept_symbol(p, ",", &more, err));
    }
    r->exprs = (const sl_uexpr *const *)cells.items;
    r->expr_count = cells.count;
    *ret = r;
    return SL_OK;
}

/* One thing to read from: [STREAM] t [WITH (..)], (query), VALUES; then WATERMARK and
 * alias. */
static sl_code parse_from_item(sl_parser *p, const sl_relation **ret, sl_error *err)
{
    sl_sql_pos pos = p->token.pos;
    const sl_relation *r;
    if (sl_parser__is_symbol(p, "(")) {
        SL_TRY(sl_parser__enter(p, err));
        SL_TRY(sl_parser__advance(p, err));
        SL_TRY(sl_parser__query(p, &r, err));
        SL_TRY(sl_parser__expect_symbol(p, ")", err));
        p->depth--;
    } else if (sl_parser__is_word(p, "VALUES")) {
        SL_TRY(parse_values(p, &r, err));
    } else {
        sl_relation *read = relation_new(p, SL_REL_READ, pos);
        bool paren = false;
        if (sl_parser__is_word(p, "STREAM") &&
            (p->ahead.kind == SL_TOK_WORD || p->ahead.kind == SL_TOK_QUOTED ||
             (p->ahead.kind == SL_TOK_SYMBOL && p->ahead.text[0] == '('))) {
            SL_TRY(sl_parser__advance(p, err));
            read->stream = true;
            SL_TRY(sl_parser__accept_symbol(p, "(", &paren, err));
            read->pos = p->token.pos;
        }
        SL_TRY(sl_parser__path(p, "a table name", &read->parts, &read->part_count, err));
        read->end = p->last_end_pos;
        if (paren)
            SL_TRY(sl_parser__expect_symbol(p, ")", err));
        if (sl_parser__is_symbol(p, "("))
            return refuse_at(pos, err,
                             "table-valued functions in FROM are not supported");
        if (sl_parser__is_word(p, "WITH") && p->ahead.kind == SL_TOK_SYMBOL) {
            SL_TRY(sl_parser__advance(p, err));
            SL_TRY(sl_parser__options(p, &read->options, err));
        }
        r = read;
    }
    SL_TRY(parse_sample(p, &r, err));
    SL_TRY(parse_watermark(p, &r, err));
    SL_TRY(parse_alias(p, &r, err));
    *ret = r;
    return SL_OK;
}

/* , | [INNER] JOIN | CROSS JOIN | LEFT [OUTER] | [LEFT] SEMI | [LEFT] ANTI | RIGHT
 * [OUTER] | FULL [OUTER] JOIN */
static sl_code parse_join_type(sl_parser *p, bool *ret_found, sl_join_type *ret,
                               sl_error *err)
{
    static const struct {
        const char *word;
        sl_join_type type;
    } types[] = { { "INNER", SL_JOIN_INNER },     { "CROSS", SL_JOIN_CROSS },
                  { "LEFT", SL_JOIN_LEFT_OUTER }, { "RIGHT", SL_JOIN_RIGHT_OUTER },
                  { "FULL", SL_JOIN_FULL_OUTER }, { "SEMI", SL_JOIN_LEFT_SEMI },
                  { "ANTI", SL_JOIN_LEFT_ANTI } };
    bool hit;
    *ret_found = true;
    SL_TRY(sl_parser__accept_symbol(p, ",", &hit, err));
    if (hit) {
        *ret = SL_JOIN_CROSS;
        return SL_OK;
    }
    *ret_found = sl_parser__is_word(p, "JOIN");
    *ret = SL_JOIN_INNER;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        SL_TRY(sl_parser__accept_word(p, types[i].word, &hit, err));
        if (!hit)
            continue;
        *ret_found = true;
        *ret = types[i].type;
        SL_TRY(sl_parser__accept_word(p, "OUTER", &hit, err));
    }
    return *ret_found ? sl_parser__expect_word(p, "JOIN", err) : SL_OK;
}

static sl_code parse_join_condition(sl_parser *p, sl_relation *join, sl_error *err)
{
    bool hit;
    SL_TRY(sl_parser__accept_word(p, "ON", &hit, err));
    if (hit)
        return sl_parser__expr(p, &join->condition, err);
    SL_TRY(sl_parser__accept_word(p, "USING", &hit, err));
    if (!hit)
        return SL_OK;
    SL_TRY(sl_parser__expect_symbol(p, "(", err));
    SL_TRY(sl_parser__expr_list(p, &join->exprs, &join->expr_count, err));
    return sl_parser__expect_symbol(p, ")", err);
}

static sl_code parse_from(sl_parser *p, const sl_relation **ret, sl_error *err)
{
    uint32_t entered = 0;
    SL_TRY(parse_from_item(p, ret, err));
    for (;;) {
        sl_sql_pos pos = p->token.pos;
        sl_join_type type;
        bool found;
        SL_TRY(parse_join_type(p, &found, &type, err));
        if (!found)
            break;
        sl_relation *join = relation_new(p, SL_REL_JOIN, pos);
        const sl_relation **inputs = SL_ARENA_ARRAY(p->arena, const sl_relation *, 2);
        SL_TRY(sl_parser__enter(p, err)); /* each join nests the tree one deeper */
        entered++;
        inputs[0] = *ret;
        SL_TRY(parse_from_item(p, &inputs[1], err));
        SL_TRY(parse_join_condition(p, join, err));
        join->join = type;
        join->inputs = inputs;
        join->input_count = 2;
        *ret = join;
    }
    p->depth -= entered;
    if (sl_parser__is_word(p, "NATURAL") || sl_parser__is_word(p, "LATERAL"))
        return refuse_at(p->token.pos, err,
                         "NATURAL JOIN and LATERAL are not supported yet");
    return SL_OK;
}

sl_code sl_parser__alias(sl_parser *p, const sl_uexpr *e, const sl_uexpr **ret,
                         sl_error *err)
{
    sl_uexpr *alias = sl_uexpr__new(p, SL_U_ALIAS, e->pos);
    const char **parts = SL_ARENA_ARRAY(p->arena, const char *, 1);
    SL_TRY(sl_parser__name(p, "an alias", &parts[0], err));
    alias->parts = parts;
    alias->part_count = 1;
    alias->arg_count = 1;
    alias->args = (const sl_uexpr *const *)sl_arena_memdup(p->arena, &e, sizeof e);
    *ret = alias;
    return SL_OK;
}

/* expr [AS] name */
static sl_code parse_select_item(sl_parser *p, const sl_uexpr **ret, sl_error *err)
{
    const sl_uexpr *e = NULL;
    bool as;
    SL_TRY(sl_parser__expr(p, &e, err));
    SL_TRY(sl_parser__accept_word(p, "AS", &as, err));
    bool named = p->token.kind == SL_TOK_QUOTED ||
                 (p->token.kind == SL_TOK_WORD && (as || !sl_parser__ends_item(p)));
    if (named) {
        SL_TRY(sl_parser__alias(p, e, &e, err));
    } else if (as) {
        return sl_parser__fail(p, err, "an alias");
    }
    *ret = e;
    return SL_OK;
}

static sl_code parse_select_list(sl_parser *p, const sl_uexpr *const **ret,
                                 uint32_t *ret_count, sl_error *err)
{
    sl_plist list = { 0 };
    bool more = true;
    while (more) {
        const sl_uexpr *e = NULL;
        SL_TRY(parse_select_item(p, &e, err));
        sl_plist__add(&list, p->arena, e);
        if (list.count > SL_COLUMNS_MAX)
            return sl_parser__fail(p, err, "at most 4096 columns");
        SL_TRY(sl_parser__accept_symbol(p, ",", &more, err));
    }
    *ret = (const sl_uexpr *const *)list.items;
    *ret_count = list.count;
    return SL_OK;
}

static bool is_aggregate_call(const sl_uexpr *e)
{
    return e->kind == SL_U_CALL && (sl_aggregate_exists(e->parts[0]) || e->star) &&
           e->over == NULL;
}

static bool has_aggregate(const sl_uexpr *e)
{
    if (is_aggregate_call(e))
        return true;
    for (uint32_t i = 0; i < e->arg_count; i++)
        if (has_aggregate(e->args[i]))
            return true;
    return false;
}

static sl_code parse_group_by(sl_parser *p, sl_relation *r, sl_error *err)
{
    static const char *const refused[] = { "GROUPING", "ROLLUP", "CUBE" };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (sl_parser__is_word(p, refused[i]) &&
            (p->ahead.kind == SL_TOK_SYMBOL || i == 0))
            return refuse_at(p->token.pos, err,
                             "GROUPING SETS, ROLLUP and CUBE are not supported yet");
    bool ends = p->ahead.kind != SL_TOK_SYMBOL || strchr(");", p->ahead.text[0]) != NULL;
    if (sl_parser__is_word(p, "ALL") && ends)
        return sl_parser__accept_word(p, "ALL", &r->group_all, err);
    return sl_parser__expr_list(p, &r->groups, &r->group_count, err);
}

static sl_code parse_select(sl_parser *p, const sl_relation **ret, sl_error *err)
{
    sl_sql_pos pos = p->token.pos;
    const sl_relation *input = NULL;
    const sl_uexpr *const *list = NULL;
    uint32_t count = 0;
    bool distinct, hit;
    SL_TRY(sl_parser__expect_word(p, "SELECT", err));
    SL_TRY(sl_parser__accept_word(p, "DISTINCT", &distinct, err));
    if (!distinct && sl_parser__is_word(p, "ALL"))
        SL_TRY(sl_parser__advance(p, err));
    SL_TRY(parse_select_list(p, &list, &count, err));
    SL_TRY(sl_parser__accept_word(p, "FROM", &hit, err));
    if (hit) {
        SL_TRY(parse_from(p, &input, err));
    } else {
        sl_relation *one = relation_new(p, SL_REL_VALUES, pos);
        one->row_count = 1;
        input = one;
    }
    SL_TRY(sl_parser__accept_word(p, "WHERE", &hit, err));
    if (hit) {
        sl_relation *filter = relation_over(p, SL_REL_FILTER, p->token.pos, input);
        SL_TRY(sl_parser__expr(p, &filter->condition, err));
        input = filter;
    }
    sl_relation *r = relation_over(p, SL_REL_PROJECT, pos, input);
    r->exprs = list;
    r->expr_count = count;
    for (uint32_t i = 0; i < count; i++)
        if (has_aggregate(list[i]))
            r->kind = SL_REL_AGGREGATE;
    if (sl_parser__is_word(p, "GROUP")) {
        SL_TRY(sl_parser__advance(p, err));
        SL_TRY(sl_parser__expect_word(p, "BY", err));
        SL_TRY(parse_group_by(p, r, err));
        r->kind = SL_REL_AGGREGATE;
    }
    SL_TRY(sl_parser__accept_word(p, "HAVING", &hit, err));
    if (hit) {
        SL_TRY(sl_parser__expr(p, &r->condition, err));
        r->kind = SL_REL_AGGREGATE;
    }
    *ret = distinct ? relation_over(p, SL_REL_DEDUPLICATE, pos, r) : r;
    return SL_OK;
}

/* SELECT .. | VALUES .. | (query) | TABLE t */
static sl_code parse_term(sl_parser *p, const sl_relation **ret, sl_error *err)
{
    if (sl_parser__is_symbol(p, "(")) {
        SL_TRY(sl_parser__enter(p, err));
        SL_TRY(sl_parser__advance(p, err));
        SL_TRY(sl_parser__query(p, ret, err));
        p->depth--;
        return sl_parser__expect_symbol(p, ")", err);
    }
    if (sl_parser__is_word(p, "VALUES"))
        return parse_values(p, ret, err);
    if (sl_parser__is_word(p, "TABLE")) {
        sl_relation *read = relation_new(p, SL_REL_READ, p->ahead.pos);
        SL_TRY(sl_parser__advance(p, err));
        SL_TRY(sl_parser__path(p, "a table name", &read->parts, &read->part_count, err));
        read->end = p->last_end_pos;
        *ret = read;
        return SL_OK;
    }
    if (!sl_parser__is_word(p, "SELECT"))
        return sl_parser__fail(p, err, "SELECT, VALUES, WITH or (");
    return parse_select(p, ret, err);
}

static bool at_set_operation(const sl_parser *p)
{
    return sl_parser__is_word(p, "UNION") || sl_parser__is_word(p, "EXCEPT") ||
           sl_parser__is_word(p, "INTERSECT") || sl_parser__is_word(p, "MINUS");
}

static sl_code parse_unions(sl_parser *p, const sl_relation **ret, sl_error *err)
{
    const sl_relation *left;
    SL_TRY(parse_term(p, &left, err));
    uint32_t entered = 0;
    while (at_set_operation(p)) {
        sl_relation *u = relation_new(p, SL_REL_UNION, p->token.pos);
        if (!sl_parser__is_word(p, "UNION"))
            u->kind =
                sl_parser__is_word(p, "INTERSECT") ? SL_REL_INTERSECT : SL_REL_EXCEPT;
        const sl_relation **inputs = SL_ARENA_ARRAY(p->arena, const sl_relation *, 2);
        SL_TRY(sl_parser__enter(p, err));
        entered++;
        SL_TRY(sl_parser__advance(p, err));
        SL_TRY(sl_parser__accept_word(p, "ALL", &u->union_all, err));
        if (!u->union_all && sl_parser__is_word(p, "DISTINCT"))
            SL_TRY(sl_parser__advance(p, err));
        inputs[0] = left;
        SL_TRY(parse_term(p, &inputs[1], err));
        u->inputs = inputs;
        u->input_count = 2;
        left = u;
    }
    p->depth -= entered;
    *ret = left;
    return SL_OK;
}

static sl_code parse_order_by(sl_parser *p, const sl_relation **r, sl_error *err)
{
    sl_plist keys = { 0 };
    bool more = true, hit;
    sl_relation *sort = relation_over(p, SL_REL_SORT, p->token.pos, *r);
    SL_TRY(sl_parser__advance(p, err));
    SL_TRY(sl_parser__expect_word(p, "BY", err));
    while (more) {
        sl_usort *key = SL_ARENA_NEW(p->arena, sl_usort);
        SL_TRY(sl_parser__expr(p, &key->expr, err));
        SL_TRY(sl_parser__accept_word(p, "DESC", &key->descending, err));
        if (!key->descending)
            SL_TRY(sl_parser__accept_word(p, "ASC", &hit, err));
        SL_TRY(sl_parser__accept_word(p, "NULLS", &key->nulls_first_given, err));
        if (key->nulls_first_given) {
            SL_TRY(sl_parser__accept_word(p, "FIRST", &key->nulls_first, err));
            if (!key->nulls_first)
                SL_TRY(sl_parser__expect_word(p, "LAST", err));
        }
        sl_plist__add(&keys, p->arena, key);
        SL_TRY(sl_parser__accept_symbol(p, ",", &more, err));
    }
    sl_usort *sorts = SL_ARENA_ARRAY(p->arena, sl_usort, keys.count);
    for (uint32_t i = 0; i < keys.count; i++)
        sorts[i] = *(const sl_usort *)keys.items[i];
    sort->sorts = sorts;
    sort->sort_count = keys.count;
    *r = sort;
    return SL_OK;
}

static sl_code parse_limit(sl_parser *p, const sl_relation **r, sl_error *err)
{
    sl_relation *limit = relation_over(p, SL_REL_LIMIT, p->token.pos, *r);
    bool hit;
    SL_TRY(sl_parser__accept_word(p, "LIMIT", &hit, err));
    if (hit) {
        bool all;
        SL_TRY(sl_parser__accept_word(p, "ALL", &all, err));
        if (!all)
            SL_TRY(sl_parser__expr(p, &limit->limit, err));
    }
    SL_TRY(sl_parser__accept_word(p, "OFFSET", &hit, err));
    if (hit)
        SL_TRY(sl_parser__expr(p, &limit->offset, err));
    if (limit->limit != NULL || limit->offset != NULL)
        *r = limit;
    return SL_OK;
}

static sl_code parse_ctes(sl_parser *p, sl_relation *with, sl_error *err)
{
    sl_plist names = { 0 }, queries = { 0 };
    bool more = true;
    SL_TRY(sl_parser__advance(p, err));
    if (sl_parser__is_word(p, "RECURSIVE"))
        return refuse_at(p->token.pos, err, "WITH RECURSIVE is not supported");
    while (more) {
        const char *name;
        const sl_relation *query;
        bool as;
        sl_relation *alias = relation_new(p, SL_REL_ALIAS, p->token.pos);
        SL_TRY(sl_parser__name(p, "the name of a WITH query", &name, err));
        SL_TRY(parse_column_aliases(p, alias, err));
        SL_TRY(sl_parser__accept_word(p, "AS", &as, err));
        SL_TRY(sl_parser__expect_symbol(p, "(", err));
        SL_TRY(sl_parser__query(p, &query, err));
        SL_TRY(sl_parser__expect_symbol(p, ")", err));
        if (alias->column_alias_count != 0) {
            alias->inputs = (const sl_relation *const *)sl_arena_memdup(p->arena, &query,
                                                                        sizeof query);
            alias->input_count = 1;
            query = alias;
        }
        sl_plist__add(&names, p->arena, name);
        sl_plist__add(&queries, p->arena, query);
        SL_TRY(sl_parser__accept_symbol(p, ",", &more, err));
    }
    with->cte_names = (const char *const *)names.items;
    with->cte_queries = (const sl_relation *const *)queries.items;
    with->cte_count = names.count;
    return SL_OK;
}

sl_code sl_parser__query(sl_parser *p, const sl_relation **ret, sl_error *err)
{
    sl_relation *with = NULL;
    const sl_relation *r = NULL;
    SL_TRY(sl_parser__enter(p, err));
    if (sl_parser__is_word(p, "WITH")) {
        with = relation_new(p, SL_REL_WITH, p->token.pos);
        SL_TRY(parse_ctes(p, with, err));
    }
    SL_TRY(parse_unions(p, &r, err));
    if (sl_parser__is_word(p, "ORDER"))
        SL_TRY(parse_order_by(p, &r, err));
    SL_TRY(parse_limit(p, &r, err));
    if (with != NULL) {
        const sl_relation **inputs = SL_ARENA_ARRAY(p->arena, const sl_relation *, 1);
        inputs[0] = r;
        with->inputs = inputs;
        with->input_count = 1;
        r = with;
    }
    p->depth--;
    *ret = r;
    return SL_OK;
}
