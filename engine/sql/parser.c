#include "engine/sql/parser_private.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"

sl_code sl_parser__start(sl_parser *p, sl_error *err)
{
    SL_TRY(sl_lexer__next(&p->lexer, &p->token, err));
    if (p->token.kind == SL_TOK_END || sl_parser__is_symbol(p, ";")) {
        p->ahead = p->token; /* never look into the next statement: it may be malformed */
        return SL_OK;
    }
    return sl_lexer__next(&p->lexer, &p->ahead, err);
}

sl_code sl_parser__advance(sl_parser *p, sl_error *err)
{
    p->last_end = p->token.end;
    p->last_end_pos =
        (sl_sql_pos){ p->token.pos.line,
                      p->token.pos.column + (uint32_t)(p->token.end - p->token.begin) };
    p->token = p->ahead;
    if (p->token.kind == SL_TOK_END || sl_parser__is_symbol(p, ";"))
        return SL_OK;
    return sl_lexer__next(&p->lexer, &p->ahead, err);
}

bool sl_parser__is_word(const sl_parser *p, const char *word)
{
    return p->token.kind == SL_TOK_WORD && sl_text_equal_nocase(p->token.text, word);
}

bool sl_parser__ahead_is_word(const sl_parser *p, const char *word)
{
    return p->ahead.kind == SL_TOK_WORD && sl_text_equal_nocase(p->ahead.text, word);
}

bool sl_parser__is_symbol(const sl_parser *p, const char *symbol)
{
    return p->token.kind == SL_TOK_SYMBOL && strcmp(p->token.text, symbol) == 0;
}

sl_code sl_parser__accept_word(sl_parser *p, const char *word, bool *ret, sl_error *err)
{
    bool hit = sl_parser__is_word(p, word);
    if (hit)
        SL_TRY(sl_parser__advance(p, err));
    *ret = hit;
    return SL_OK;
}

sl_code sl_parser__accept_symbol(sl_parser *p, const char *symbol, bool *ret,
                                 sl_error *err)
{
    bool hit = sl_parser__is_symbol(p, symbol);
    if (hit)
        SL_TRY(sl_parser__advance(p, err));
    *ret = hit;
    return SL_OK;
}

sl_code sl_parser__fail(const sl_parser *p, sl_error *err, const char *expected)
{
    const sl_token *t = &p->token;
    sl_code code;
    if (t->kind == SL_TOK_END)
        code = sl_fail(err, SL_EPARSE,
                       "Syntax error at or near end of input: expected %s", expected);
    else
        code = sl_fail(err, SL_EPARSE, "Syntax error at or near '%.100s': expected %s",
                       t->text, expected);
    if (err != NULL) {
        err->line = t->pos.line;
        err->column = t->pos.column;
    }
    return code;
}

sl_code sl_parser__expect_word(sl_parser *p, const char *word, sl_error *err)
{
    if (!sl_parser__is_word(p, word))
        return sl_parser__fail(p, err, word);
    return sl_parser__advance(p, err);
}

sl_code sl_parser__expect_symbol(sl_parser *p, const char *symbol, sl_error *err)
{
    if (!sl_parser__is_symbol(p, symbol)) {
        char expected[16] = "'";
        strncat(expected, symbol, 8);
        strcat(expected, "'");
        return sl_parser__fail(p, err, expected);
    }
    return sl_parser__advance(p, err);
}

sl_code sl_parser__name(sl_parser *p, const char *what, const char **ret, sl_error *err)
{
    if (p->token.kind != SL_TOK_WORD && p->token.kind != SL_TOK_QUOTED)
        return sl_parser__fail(p, err, what);
    if (p->token.length == 0)
        return sl_parser__fail(p, err, "a name that is not empty");
    if (p->token.length > SL_IDENTIFIER_BYTES_MAX)
        return sl_parser__fail(p, err, "a name of at most 255 bytes");
    *ret = p->token.text;
    return sl_parser__advance(p, err);
}

sl_code sl_parser__path(sl_parser *p, const char *what, const char *const **ret_parts,
                        uint32_t *ret_count, sl_error *err)
{
    sl_plist parts = { 0 };
    bool more = true;
    while (more) {
        const char *name = NULL;
        SL_TRY(sl_parser__name(p, what, &name, err));
        sl_plist__add(&parts, p->arena, name);
        SL_TRY(sl_parser__accept_symbol(p, ".", &more, err));
        if (parts.count > SL_TYPE_DEPTH_MAX)
            return sl_parser__fail(p, err, "a shorter name");
    }
    *ret_parts = (const char *const *)parts.items;
    *ret_count = parts.count;
    return SL_OK;
}

sl_code sl_parser__string(sl_parser *p, const char *what, const char **ret, sl_error *err)
{
    if (p->token.kind != SL_TOK_STRING)
        return sl_parser__fail(p, err, what);
    *ret = p->token.text;
    return sl_parser__advance(p, err);
}

sl_code sl_parser__enter(sl_parser *p, sl_error *err)
{
    if (++p->depth <= SL_SQL_DEPTH_MAX)
        return SL_OK;
    sl_code code = sl_fail(err, SL_ELIMIT,
                           "SQL is nested deeper than %d levels; split it with a view or "
                           "a WITH query",
                           SL_SQL_DEPTH_MAX);
    if (err != NULL) {
        err->line = p->token.pos.line;
        err->column = p->token.pos.column;
    }
    return code;
}

/* Words that begin what may follow an item without AS: they are never taken as its alias.
 */
bool sl_parser__ends_item(const sl_parser *p)
{
    static const char *const words[] = {
        "FROM",   "WHERE", "GROUP",   "HAVING",     "ORDER",   "LIMIT",
        "OFFSET", "UNION", "EXCEPT",  "INTERSECT",  "ON",      "USING",
        "JOIN",   "INNER", "LEFT",    "RIGHT",      "FULL",    "CROSS",
        "SEMI",   "ANTI",  "NATURAL", "WATERMARK",  "WITH",    "INTO",
        "AS",     "AND",   "OR",      "THEN",       "WHEN",    "ELSE",
        "END",    "SORT",  "CLUSTER", "DISTRIBUTE", "LATERAL", "TABLESAMPLE",
        "MINUS",
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (sl_parser__is_word(p, words[i]))
            return true;
    return false;
}

void sl_plist__add(sl_plist *l, sl_arena *arena, const void *item)
{
    if (l->count == l->capacity) {
        uint32_t capacity = l->capacity == 0 ? 8 : l->capacity * 2;
        void **items = SL_ARENA_ARRAY(arena, void *, capacity);
        if (l->count != 0)
            memcpy(items, l->items, l->count * sizeof *items);
        l->items = items;
        l->capacity = capacity;
    }
    l->items[l->count++] = (void *)(uintptr_t)item;
}

sl_uexpr *sl_uexpr__new(sl_parser *p, sl_uexpr_kind kind, sl_sql_pos pos)
{
    sl_uexpr *e = SL_ARENA_NEW(p->arena, sl_uexpr);
    e->kind = kind;
    e->pos = pos;
    e->end = p->last_end_pos;
    return e;
}

const sl_uexpr *sl_uexpr__call(sl_parser *p, const char *name, sl_sql_pos pos,
                               const sl_uexpr *const *args, uint32_t count)
{
    sl_uexpr *e = sl_uexpr__new(p, SL_U_CALL, pos);
    const char **parts = SL_ARENA_ARRAY(p->arena, const char *, 1);
    parts[0] = name;
    e->parts = parts;
    e->part_count = 1;
    e->arg_count = count;
    e->args =
        (const sl_uexpr *const *)sl_arena_memdup(p->arena, args, count * sizeof *args);
    return e;
}
