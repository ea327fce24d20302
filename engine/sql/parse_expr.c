/* Expressions, by climbing Spark's precedence:
 *   OR < AND < NOT < IS, IN, BETWEEN, LIKE, comparisons < || + - < * / % DIV < unary <
 * primary Chains of AND and OR become balanced trees, so that a thousand terms nest ten
 * deep. */
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "engine/columnar/value_text.h"
#include "engine/sql/parser_private.h"

static sl_code parse_not(sl_parser *p, const sl_uexpr **ret, sl_error *err);
static sl_code parse_sum(sl_parser *p, const sl_uexpr **ret, sl_error *err);

static const sl_uexpr *call1(sl_parser *p, const char *name, sl_sql_pos pos,
                             const sl_uexpr *a)
{
    return sl_uexpr__call(p, name, pos, &a, 1);
}

static const sl_uexpr *call2(sl_parser *p, const char *name, const sl_uexpr *a,
                             const sl_uexpr *b)
{
    const sl_uexpr *args[] = { a, b };
    return sl_uexpr__call(p, name, a->pos, args, 2);
}

static const sl_uexpr *balance(sl_parser *p, const char *name, void **terms,
                               uint32_t count)
{
    if (count == 1)
        return (const sl_uexpr *)terms[0];
    uint32_t half = (count + 1) / 2;
    return call2(p, name, balance(p, name, terms, half),
                 balance(p, name, terms + half, count - half));
}

static sl_code parse_chain(sl_parser *p, const char *word, const char *name,
                           sl_code (*term)(sl_parser *, const sl_uexpr **, sl_error *),
                           const sl_uexpr **ret, sl_error *err)
{
    sl_plist terms = { 0 };
    bool more = true;
    while (more) {
        const sl_uexpr *e;
        SL_TRY(term(p, &e, err));
        sl_plist__add(&terms, p->arena, e);
        SL_TRY(sl_parser__accept_word(p, word, &more, err));
    }
    *ret = balance(p, name, terms.items, terms.count);
    return SL_OK;
}

static sl_code parse_and(sl_parser *p, const sl_uexpr **ret, sl_error *err)
{
    return parse_chain(p, "AND", "and", parse_not, ret, err);
}

sl_code sl_parser__expr(sl_parser *p, const sl_uexpr **ret, sl_error *err)
{
    SL_TRY(sl_parser__enter(p, err));
    SL_TRY(parse_chain(p, "OR", "or", parse_and, ret, err));
    p->depth--;
    return SL_OK;
}

sl_code sl_parser__expr_list(sl_parser *p, const sl_uexpr *const **ret,
                             uint32_t *ret_count, sl_error *err)
{
    sl_plist list = { 0 };
    bool more = true;
    while (more) {
        const sl_uexpr *e;
        SL_TRY(sl_parser__expr(p, &e, err));
        sl_plist__add(&list, p->arena, e);
        SL_TRY(sl_parser__accept_symbol(p, ",", &more, err));
    }
    *ret = (const sl_uexpr *const *)list.items;
    *ret_count = list.count;
    return SL_OK;
}

/* x [NOT] IN (a, b), after IN */
static sl_code parse_in(sl_parser *p, const sl_uexpr *left, const sl_uexpr **ret,
                        sl_error *err)
{
    SL_TRY(sl_parser__expect_symbol(p, "(", err));
    if (sl_parser__is_word(p, "SELECT") || sl_parser__is_word(p, "WITH"))
        return sl_parser__fail(
            p, err, "a list of values (subqueries in IN are not supported yet)");
    const sl_uexpr *const *list;
    uint32_t count;
    SL_TRY(sl_parser__expr_list(p, &list, &count, err));
    SL_TRY(sl_parser__expect_symbol(p, ")", err));
    const sl_uexpr **args = SL_ARENA_ARRAY(p->arena, const sl_uexpr *, count + 1);
    args[0] = left;
    memcpy(args + 1, list, count * sizeof *list);
    *ret = sl_uexpr__call(p, "in", left->pos, args, count + 1);
    return SL_OK;
}

static sl_code parse_between(sl_parser *p, const sl_uexpr *left, const sl_uexpr **ret,
                             sl_error *err)
{
    const sl_uexpr *low, *high;
    SL_TRY(parse_sum(p, &low, err));
    SL_TRY(sl_parser__expect_word(p, "AND", err));
    SL_TRY(parse_sum(p, &high, err));
    const sl_uexpr *args[] = { left, low, high };
    *ret = sl_uexpr__call(p, "between", left->pos, args, 3);
    return SL_OK;
}

static sl_code parse_like(sl_parser *p, const sl_uexpr *left, const char *name,
                          const sl_uexpr **ret, sl_error *err)
{
    const sl_uexpr *args[3] = { left, NULL, NULL };
    uint32_t count = 2;
    bool escape;
    SL_TRY(parse_sum(p, &args[1], err));
    SL_TRY(sl_parser__accept_word(p, "ESCAPE", &escape, err));
    if (escape) {
        SL_TRY(parse_sum(p, &args[2], err));
        count = 3;
    }
    *ret = sl_uexpr__call(p, name, left->pos, args, count);
    return SL_OK;
}

/* IS [NOT] NULL | TRUE | FALSE | DISTINCT FROM x, after IS */
static sl_code parse_is(sl_parser *p, const sl_uexpr *left, const sl_uexpr **ret,
                        sl_error *err)
{
    bool negated, hit;
    SL_TRY(sl_parser__accept_word(p, "NOT", &negated, err));
    SL_TRY(sl_parser__accept_word(p, "NULL", &hit, err));
    if (hit) {
        *ret = call1(p, negated ? "isnotnull" : "isnull", left->pos, left);
        return SL_OK;
    }
    SL_TRY(sl_parser__accept_word(p, "DISTINCT", &hit, err));
    if (hit) {
        const sl_uexpr *right;
        SL_TRY(sl_parser__expect_word(p, "FROM", err));
        SL_TRY(parse_sum(p, &right, err));
        *ret = call2(p, "<=>", left, right);
        if (!negated)
            *ret = call1(p, "not", left->pos, *ret);
        return SL_OK;
    }
    bool is_true = sl_parser__is_word(p, "TRUE");
    if (!is_true && !sl_parser__is_word(p, "FALSE"))
        return sl_parser__fail(p, err, "NULL, NOT NULL, TRUE, FALSE or DISTINCT FROM");
    sl_uexpr *literal = sl_uexpr__new(p, SL_U_LITERAL, p->token.pos);
    literal->literal.type = sl_type_of(SL_TYPE_BOOLEAN);
    literal->literal.i64 = is_true;
    SL_TRY(sl_parser__advance(p, err));
    *ret = call2(p, "<=>", left, literal);
    if (negated)
        *ret = call1(p, "not", left->pos, *ret);
    return SL_OK;
}

/* One predicate suffix; *ret_found says whether there was one. */
static sl_code parse_suffix(sl_parser *p, const sl_uexpr **e, bool *ret_found,
                            sl_error *err)
{
    static const char *const symbols[][2] = {
        { "=", "=" },   { "==", "=" },  { "<=>", "<=>" }, { "<>", "<>" }, { "!=", "<>" },
        { "<=", "<=" }, { ">=", ">=" }, { "<", "<" },     { ">", ">" }
    };
    *ret_found = true;
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        if (!sl_parser__is_symbol(p, symbols[i][0]))
            continue;
        const sl_uexpr *right;
        SL_TRY(sl_parser__advance(p, err));
        SL_TRY(parse_sum(p, &right, err));
        *e = call2(p, symbols[i][1], *e, right);
        return SL_OK;
    }
    bool hit, negated = false;
    sl_sql_pos pos = (*e)->pos;
    SL_TRY(sl_parser__accept_word(p, "IS", &hit, err));
    if (hit)
        return parse_is(p, *e, e, err);
    if (sl_parser__is_word(p, "NOT") &&
        (sl_parser__ahead_is_word(p, "IN") || sl_parser__ahead_is_word(p, "BETWEEN") ||
         sl_parser__ahead_is_word(p, "LIKE") || sl_parser__ahead_is_word(p, "RLIKE") ||
         sl_parser__ahead_is_word(p, "REGEXP"))) {
        SL_TRY(sl_parser__advance(p, err));
        negated = true;
    }
    if (sl_parser__is_word(p, "IN")) {
        SL_TRY(sl_parser__advance(p, err));
        SL_TRY(parse_in(p, *e, e, err));
    } else if (sl_parser__is_word(p, "BETWEEN")) {
        SL_TRY(sl_parser__advance(p, err));
        SL_TRY(parse_between(p, *e, e, err));
    } else if (sl_parser__is_word(p, "LIKE") || sl_parser__is_word(p, "RLIKE") ||
               sl_parser__is_word(p, "REGEXP")) {
        const char *name = sl_parser__is_word(p, "LIKE") ? "like" : "rlike";
        SL_TRY(sl_parser__advance(p, err));
        SL_TRY(parse_like(p, *e, name, e, err));
    } else {
        *ret_found = false;
        return SL_OK;
    }
    if (negated)
        *e = call1(p, "not", pos, *e);
    return SL_OK;
}

static sl_code parse_not(sl_parser *p, const sl_uexpr **ret, sl_error *err)
{
    if (sl_parser__is_word(p, "NOT") || sl_parser__is_symbol(p, "!")) {
        sl_sql_pos pos = p->token.pos;
        const sl_uexpr *e;
        SL_TRY(sl_parser__advance(p, err));
        SL_TRY(sl_parser__enter(p, err));
        SL_TRY(parse_not(p, &e, err));
        p->depth--;
        *ret = call1(p, "not", pos, e);
        return SL_OK;
    }
    const sl_uexpr *e;
    bool found = true;
    SL_TRY(parse_sum(p, &e, err));
    for (uint32_t i = 0; found; i++) {
        if (i > SL_SQL_DEPTH_MAX)
            return sl_parser__fail(p, err, "fewer comparisons in a row");
        SL_TRY(parse_suffix(p, &e, &found, err));
    }
    *ret = e;
    return SL_OK;
}

/* ---- arithmetic ---- */

static const char *product_operator(const sl_parser *p)
{
    if (sl_parser__is_symbol(p, "*"))
        return "*";
    if (sl_parser__is_symbol(p, "/"))
        return "/";
    if (sl_parser__is_symbol(p, "%"))
        return "%";
    return sl_parser__is_word(p, "DIV") ? "div" : NULL;
}

static const char *sum_operator(const sl_parser *p)
{
    if (sl_parser__is_symbol(p, "+"))
        return "+";
    if (sl_parser__is_symbol(p, "-"))
        return "-";
    return sl_parser__is_symbol(p, "||") ? "||" : NULL;
}

static sl_code parse_unary(sl_parser *p, const sl_uexpr **ret, sl_error *err);

static sl_code parse_left(sl_parser *p, const char *(*operator_at)(const sl_parser *),
                          sl_code (*term)(sl_parser *, const sl_uexpr **, sl_error *),
                          const sl_uexpr **ret, sl_error *err)
{
    const sl_uexpr *e;
    const char *name;
    uint32_t entered = 0;
    SL_TRY(term(p, &e, err));
    while ((name = operator_at(p)) != NULL) {
        const sl_uexpr *right;
        SL_TRY(sl_parser__advance(p, err));
        SL_TRY(sl_parser__enter(p, err)); /* each operator nests the tree one deeper */
        entered++;
        SL_TRY(term(p, &right, err));
        e = call2(p, name, e, right);
    }
    p->depth -= entered;
    *ret = e;
    return SL_OK;
}

static sl_code parse_product(sl_parser *p, const sl_uexpr **ret, sl_error *err)
{
    return parse_left(p, product_operator, parse_unary, ret, err);
}

static sl_code parse_sum(sl_parser *p, const sl_uexpr **ret, sl_error *err)
{
    return parse_left(p, sum_operator, parse_product, ret, err);
}

/* ---- primaries ---- */

static sl_code parse_unary(sl_parser *p, const sl_uexpr **ret, sl_error *err);

static sl_code parse_cast(sl_parser *p, const char *name, sl_sql_pos pos,
                          const sl_uexpr **ret, sl_error *err)
{
    const sl_uexpr *arg;
    const sl_type *type;
    SL_TRY(sl_parser__expect_symbol(p, "(", err));
    SL_TRY(sl_parser__expr(p, &arg, err));
    SL_TRY(sl_parser__expect_word(p, "AS", err));
    SL_TRY(sl_parser__type(p, &type, err));
    SL_TRY(sl_parser__expect_symbol(p, ")", err));
    sl_uexpr *e = sl_uexpr__new(p, SL_U_CAST, pos);
    const char **parts = SL_ARENA_ARRAY(p->arena, const char *, 1);
    parts[0] = name; /* cast | try_cast */
    e->parts = parts;
    e->part_count = 1;
    e->type = type;
    e->arg_count = 1;
    e->args = (const sl_uexpr *const *)sl_arena_memdup(p->arena, &arg, sizeof arg);
    *ret = e;
    return SL_OK;
}

/* After CASE: with a value, each WHEN compares with it. ELSE left out is NULL. */
static sl_code parse_case(sl_parser *p, sl_sql_pos pos, const sl_uexpr **ret,
                          sl_error *err)
{
    const sl_uexpr *value = NULL, *e;
    sl_plist args = { 0 };
    bool hit;
    if (!sl_parser__is_word(p, "WHEN"))
        SL_TRY(sl_parser__expr(p, &value, err));
    if (!sl_parser__is_word(p, "WHEN"))
        return sl_parser__fail(p, err, "WHEN");
    for (;;) {
        SL_TRY(sl_parser__accept_word(p, "WHEN", &hit, err));
        if (!hit)
            break;
        SL_TRY(sl_parser__expr(p, &e, err));
        sl_plist__add(&args, p->arena, value != NULL ? call2(p, "=", value, e) : e);
        SL_TRY(sl_parser__expect_word(p, "THEN", err));
        SL_TRY(sl_parser__expr(p, &e, err));
        sl_plist__add(&args, p->arena, e);
    }
    SL_TRY(sl_parser__accept_word(p, "ELSE", &hit, err));
    if (hit) {
        SL_TRY(sl_parser__expr(p, &e, err));
        sl_plist__add(&args, p->arena, e);
    }
    SL_TRY(sl_parser__expect_word(p, "END", err));
    *ret =
        sl_uexpr__call(p, "case", pos, (const sl_uexpr *const *)args.items, args.count);
    return SL_OK;
}

/* OVER's window specification is kept as text: window functions are refused. */
static sl_code parse_over(sl_parser *p, const char **ret, sl_error *err)
{
    uint32_t depth = 0;
    size_t begin = p->token.begin;
    if (!sl_parser__is_symbol(p, "("))
        return sl_parser__fail(p, err, "'(' after OVER");
    do {
        if (p->token.kind == SL_TOK_END)
            return sl_parser__fail(p, err, "')'");
        depth += sl_parser__is_symbol(p, "(") ? 1 : 0;
        depth -= sl_parser__is_symbol(p, ")") ? 1 : 0;
        SL_TRY(sl_parser__advance(p, err));
    } while (depth > 0);
    *ret = sl_arena_strndup(p->arena, p->lexer.text + begin, p->last_end - begin);
    return SL_OK;
}

/* Arguments of a call; those of struct() may be named: struct(a AS x). */
static sl_code parse_arguments(sl_parser *p, sl_uexpr *call, sl_error *err)
{
    bool may_name = sl_text_equal_nocase(call->parts[0], "struct");
    sl_plist list = { 0 };
    bool more = true;
    while (more) {
        const sl_uexpr *e;
        bool as = false;
        SL_TRY(sl_parser__expr(p, &e, err));
        if (may_name)
            SL_TRY(sl_parser__accept_word(p, "AS", &as, err));
        if (as)
            SL_TRY(sl_parser__alias(p, e, &e, err));
        sl_plist__add(&list, p->arena, e);
        SL_TRY(sl_parser__accept_symbol(p, ",", &more, err));
    }
    call->args = (const sl_uexpr *const *)list.items;
    call->arg_count = list.count;
    return SL_OK;
}

/* name( ... ), at the opening parenthesis */
static sl_code parse_call(sl_parser *p, const char *name, sl_sql_pos pos,
                          const sl_uexpr **ret, sl_error *err)
{
    sl_uexpr *e = sl_uexpr__new(p, SL_U_CALL, pos);
    const char **parts = SL_ARENA_ARRAY(p->arena, const char *, 1);
    bool hit;
    parts[0] = name;
    e->parts = parts;
    e->part_count = 1;
    SL_TRY(sl_parser__expect_symbol(p, "(", err));
    SL_TRY(sl_parser__accept_word(p, "DISTINCT", &e->distinct, err));
    SL_TRY(sl_parser__accept_symbol(p, "*", &e->star, err));
    if (!e->star && !sl_parser__is_symbol(p, ")")) {
        if (sl_parser__is_word(p, "ALL") && p->ahead.kind != SL_TOK_SYMBOL)
            SL_TRY(sl_parser__advance(p, err));
        SL_TRY(parse_arguments(p, e, err));
    }
    SL_TRY(sl_parser__expect_symbol(p, ")", err));
    if (sl_parser__is_word(p, "FILTER") && p->ahead.kind == SL_TOK_SYMBOL) {
        SL_TRY(sl_parser__advance(p, err));
        SL_TRY(sl_parser__expect_symbol(p, "(", err));
        SL_TRY(sl_parser__expect_word(p, "WHERE", err));
        SL_TRY(sl_parser__expr(p, &e->filter, err));
        SL_TRY(sl_parser__expect_symbol(p, ")", err));
    }
    SL_TRY(sl_parser__accept_word(p, "OVER", &hit, err));
    if (hit)
        SL_TRY(parse_over(p, &e->over, err));
    e->end = p->last_end_pos;
    *ret = e;
    return SL_OK;
}

static const sl_uexpr *typed_literal(sl_parser *p, sl_type_id id, const char *text,
                                     uint32_t length, sl_sql_pos pos)
{
    sl_uexpr *e = sl_uexpr__new(p, SL_U_LITERAL, pos);
    e->literal.type = sl_type_of(id);
    e->literal.text = text;
    e->literal.length = length;
    e->literal.is_null = id == SL_TYPE_VOID;
    return e;
}

static sl_code fail_typed_literal(const sl_parser *p, const sl_type *type, sl_error *err)
{
    sl_code code =
        sl_fail_as(err, SL_EPARSE, "INVALID_TYPED_LITERAL", "42604",
                   "The value of the typed literal \"%s\" is invalid: '%.100s'.",
                   type->id == SL_TYPE_DATE            ? "DATE"
                   : type->id == SL_TYPE_TIMESTAMP_NTZ ? "TIMESTAMP_NTZ"
                                                       : "TIMESTAMP",
                   p->token.text);
    if (err != NULL) {
        err->line = p->token.pos.line;
        err->column = p->token.pos.column;
    }
    return code;
}

/* DATE '..' is a constant. TIMESTAMP '..' is one in the session's time zone, which is not
 * known here: a cast called `literal`, of text that is a timestamp in some zone. */
static sl_code parse_typed_string(sl_parser *p, const sl_uexpr **ret, sl_error *err)
{
    sl_sql_pos pos = p->token.pos;
    const sl_type *type;
    int32_t days;
    int64_t us;
    SL_TRY(sl_parser__type(p, &type, err));
    bool valid =
        type->id == SL_TYPE_DATE
            ? sl_date_parse(p->token.text, p->token.length, &days)
            : sl_timestamp_parse(p->token.text, p->token.length, sl_time_zone_utc(), &us);
    if (!valid)
        return fail_typed_literal(p, type, err);
    if (type->id == SL_TYPE_DATE) {
        sl_uexpr *date = sl_uexpr__new(p, SL_U_LITERAL, pos);
        date->literal = (sl_value){ .type = type, .i64 = days };
        *ret = date;
        return sl_parser__advance(p, err);
    }
    sl_uexpr *e = sl_uexpr__new(p, SL_U_CAST, pos);
    const sl_uexpr *arg =
        typed_literal(p, SL_TYPE_STRING, p->token.text, p->token.length, p->token.pos);
    SL_TRY(sl_parser__advance(p, err));
    static const char *const parts[] = { "literal" };
    e->parts = parts;
    e->part_count = 1;
    e->type = type;
    e->arg_count = 1;
    e->args = (const sl_uexpr *const *)sl_arena_memdup(p->arena, &arg, sizeof arg);
    *ret = e;
    return SL_OK;
}

/* a | a.b.c | t.* | name(...) */
static sl_code parse_name(sl_parser *p, const sl_uexpr **ret, sl_error *err)
{
    sl_sql_pos pos = p->token.pos;
    const char *name;
    bool quoted = p->token.kind == SL_TOK_QUOTED;
    SL_TRY(sl_parser__name(p, "a column name", &name, err));
    if (sl_parser__is_symbol(p, "(") && !quoted)
        return parse_call(p, name, pos, ret, err);
    sl_plist parts = { 0 };
    sl_uexpr *e = sl_uexpr__new(p, SL_U_NAME, pos);
    bool more;
    sl_plist__add(&parts, p->arena, name);
    SL_TRY(sl_parser__accept_symbol(p, ".", &more, err));
    while (more) {
        SL_TRY(sl_parser__accept_symbol(p, "*", &more, err));
        if (more) {
            e->kind = SL_U_STAR;
            break;
        }
        SL_TRY(sl_parser__name(p, "a field name", &name, err));
        sl_plist__add(&parts, p->arena, name);
        if (parts.count > SL_TYPE_DEPTH_MAX)
            return sl_parser__fail(p, err, "a shorter path");
        SL_TRY(sl_parser__accept_symbol(p, ".", &more, err));
    }
    e->parts = (const char *const *)parts.items;
    e->part_count = parts.count;
    e->end = p->last_end_pos;
    *ret = e;
    return SL_OK;
}

/* (expr).field.field */
static sl_code parse_fields_of(sl_parser *p, const sl_uexpr **e, sl_error *err)
{
    bool more;
    SL_TRY(sl_parser__accept_symbol(p, ".", &more, err));
    for (uint32_t i = 0; more; i++) {
        const char *name;
        sl_sql_pos pos = p->token.pos;
        if (i > SL_TYPE_DEPTH_MAX)
            return sl_parser__fail(p, err, "a shorter path");
        SL_TRY(sl_parser__name(p, "a field name", &name, err));
        const sl_uexpr *args[] = { *e, typed_literal(p, SL_TYPE_STRING, name,
                                                     (uint32_t)strlen(name), pos) };
        *e = sl_uexpr__call(p, "get_field", (*e)->pos, args, 2);
        SL_TRY(sl_parser__accept_symbol(p, ".", &more, err));
    }
    return SL_OK;
}

static sl_code parse_word_primary(sl_parser *p, const sl_uexpr **ret, sl_error *err)
{
    sl_sql_pos pos = p->token.pos;
    bool call = p->ahead.kind == SL_TOK_SYMBOL && p->ahead.text[0] == '(';
    if (sl_parser__is_word(p, "NULL")) {
        *ret = typed_literal(p, SL_TYPE_VOID, NULL, 0, pos);
        return sl_parser__advance(p, err);
    }
    if (sl_parser__is_word(p, "TRUE") || sl_parser__is_word(p, "FALSE")) {
        sl_uexpr *e = sl_uexpr__new(p, SL_U_LITERAL, pos);
        e->literal.type = sl_type_of(SL_TYPE_BOOLEAN);
        e->literal.i64 = sl_parser__is_word(p, "TRUE");
        *ret = e;
        return sl_parser__advance(p, err);
    }
    if (sl_parser__is_word(p, "CASE") && !call) {
        SL_TRY(sl_parser__advance(p, err));
        return parse_case(p, pos, ret, err);
    }
    if ((sl_parser__is_word(p, "CAST") || sl_parser__is_word(p, "TRY_CAST")) && call) {
        const char *name = sl_parser__is_word(p, "CAST") ? "cast" : "try_cast";
        SL_TRY(sl_parser__advance(p, err));
        return parse_cast(p, name, pos, ret, err);
    }
    if (sl_parser__is_word(p, "INTERVAL") &&
        (p->ahead.kind == SL_TOK_STRING || p->ahead.kind == SL_TOK_INTEGER ||
         p->ahead.kind == SL_TOK_DECIMAL ||
         (p->ahead.kind == SL_TOK_SYMBOL && p->ahead.text[0] == '-'))) {
        SL_TRY(sl_parser__advance(p, err));
        return sl_parser__interval(p, pos, ret, err);
    }
    if (p->ahead.kind == SL_TOK_STRING &&
        (sl_parser__is_word(p, "DATE") || sl_parser__is_word(p, "TIMESTAMP") ||
         sl_parser__is_word(p, "TIMESTAMP_NTZ") ||
         sl_parser__is_word(p, "TIMESTAMP_LTZ")))
        return parse_typed_string(p, ret, err);
    if ((sl_parser__is_word(p, "CURRENT_TIMESTAMP") ||
         sl_parser__is_word(p, "CURRENT_DATE") ||
         sl_parser__is_word(p, "LOCALTIMESTAMP")) &&
        !call) {
        const char *name = p->token.text;
        SL_TRY(sl_parser__advance(p, err));
        *ret = sl_uexpr__call(p, name, pos, NULL, 0);
        return SL_OK;
    }
    if (sl_parser__is_word(p, "SELECT") || (!call && sl_parser__ends_item(p)))
        return sl_parser__fail(p, err, "an expression");
    return parse_name(p, ret, err);
}

/* 'a' 'b' is 'ab'. */
static sl_code parse_string(sl_parser *p, const sl_uexpr **ret, sl_error *err)
{
    sl_sql_pos pos = p->token.pos;
    const char *text = p->token.text;
    uint32_t length = p->token.length;
    SL_TRY(sl_parser__advance(p, err));
    while (p->token.kind == SL_TOK_STRING) {
        char *both = SL_ARENA_ARRAY(p->arena, char, length + p->token.length + 1);
        memcpy(both, text, length);
        memcpy(both + length, p->token.text, p->token.length);
        text = both;
        length += p->token.length;
        SL_TRY(sl_parser__advance(p, err));
    }
    *ret = typed_literal(p, SL_TYPE_STRING, text, length, pos);
    return SL_OK;
}

static sl_code parse_primary(sl_parser *p, const sl_uexpr **ret, sl_error *err)
{
    sl_sql_pos pos = p->token.pos;
    switch (p->token.kind) {
    case SL_TOK_INTEGER:
    case SL_TOK_DECIMAL:
        return sl_parser__number(p, false, pos, ret, err);
    case SL_TOK_STRING:
        return parse_string(p, ret, err);
    case SL_TOK_QUOTED:
        return parse_name(p, ret, err);
    case SL_TOK_WORD:
        SL_TRY(parse_word_primary(p, ret, err));
        return parse_fields_of(p, ret, err);
    case SL_TOK_SYMBOL:
        if (sl_parser__is_symbol(p, "(")) {
            SL_TRY(sl_parser__advance(p, err));
            if (sl_parser__is_word(p, "SELECT") || sl_parser__is_word(p, "WITH"))
                return sl_parser__fail(
                    p, err, "an expression (scalar subqueries are not supported yet)");
            SL_TRY(sl_parser__expr(p, ret, err));
            SL_TRY(sl_parser__expect_symbol(p, ")", err));
            return parse_fields_of(p, ret, err);
        }
        if (sl_parser__is_symbol(p, "*")) {
            *ret = sl_uexpr__new(p, SL_U_STAR, pos);
            return sl_parser__advance(p, err);
        }
        break;
    case SL_TOK_END:
        break;
    }
    return sl_parser__fail(p, err, "an expression");
}

static sl_code parse_unary(sl_parser *p, const sl_uexpr **ret, sl_error *err)
{
    sl_sql_pos pos = p->token.pos;
    bool minus = sl_parser__is_symbol(p, "-");
    if (!minus && !sl_parser__is_symbol(p, "+"))
        return parse_primary(p, ret, err);
    SL_TRY(sl_parser__advance(p, err));
    if (p->token.kind == SL_TOK_INTEGER || p->token.kind == SL_TOK_DECIMAL)
        return sl_parser__number(p, minus, pos, ret, err);
    SL_TRY(sl_parser__enter(p, err));
    const sl_uexpr *e;
    SL_TRY(parse_unary(p, &e, err));
    p->depth--;
    *ret = minus ? call1(p, "unary-", pos, e) : e;
    return SL_OK;
}
