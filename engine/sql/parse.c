#include "engine/sql/parse.h"

#include <string.h>

#include "base/limits.h"
#include "engine/sql/parser_private.h"

static sl_parser parser_over(const char *text, size_t length, const sl_sql_cursor *c,
                             sl_arena *arena)
{
    return (sl_parser){
        .lexer = { .text = text,
                   .length = length,
                   .at = c->offset,
                   .line = c->line,
                   .column = c->column,
                   .arena = arena },
        .arena = arena,
    };
}

static void move_cursor(sl_sql_cursor *c, const sl_lexer *l)
{
    *c = (sl_sql_cursor){ l->at, l->line, l->column };
}

/* Empty statements (a stray ';') are skipped. */
static sl_code parse_one(sl_parser *p, const sl_statement **ret, sl_error *err)
{
    sl_statement *s;
    for (;;) {
        SL_TRY(sl_parser__start(p, err));
        if (!sl_parser__is_symbol(p, ";"))
            break;
    }
    if (p->token.kind == SL_TOK_END) {
        *ret = NULL;
        return SL_OK;
    }
    SL_TRY(sl_parser__statement(p, &s, err));
    *ret = s;
    return SL_OK;
}

sl_code sl_sql_parse_next(const char *text, size_t length, sl_sql_cursor *cursor,
                          sl_arena *arena, const sl_statement **ret, sl_error *err)
{
    if (length > SL_SQL_BYTES_MAX)
        return sl_fail(err, SL_ELIMIT, "the SQL text has %zu bytes; at most %d are read",
                       length, SL_SQL_BYTES_MAX);
    sl_parser p = parser_over(text, length, cursor, arena);
    const sl_statement *s = NULL;
    sl_code code = parse_one(&p, &s, err);
    if (code == SL_OK) {
        move_cursor(cursor,
                    &p.lexer); /* behind the ';': the parser never looks past it */
        *ret = s;
        return SL_OK;
    }
    /* Behind the ';' that ends the broken statement: found again from where it began. */
    sl_parser skip = parser_over(text, length, cursor, arena);
    sl_token t = { .kind = SL_TOK_SYMBOL, .text = ";" };
    while (t.kind == SL_TOK_SYMBOL && t.text[0] == ';') {
        move_cursor(cursor, &skip.lexer);
        if (sl_lexer__next(&skip.lexer, &t, NULL) != SL_OK)
            break;
    }
    skip.lexer.at = cursor->offset;
    skip.lexer.line = cursor->line;
    skip.lexer.column = cursor->column;
    sl_lexer__skip_statement(&skip.lexer);
    move_cursor(cursor, &skip.lexer);
    return code;
}

bool sl_sql_is_incomplete(const char *text, size_t length)
{
    sl_arena *arena = sl_arena_new();
    sl_lexer l = {
        .text = text, .length = length, .line = 1, .column = 1, .arena = arena
    };
    bool open = false; /* inside a statement */
    sl_token t;
    for (;;) {
        if (sl_lexer__next(&l, &t, NULL) != SL_OK) {
            open = true; /* an unclosed quote or comment */
            break;
        }
        if (t.kind == SL_TOK_END)
            break;
        open = !(t.kind == SL_TOK_SYMBOL && t.text[0] == ';');
    }
    sl_arena_free(arena);
    return open;
}

sl_code sl_sql_parse_schema(const char *text, size_t length, sl_arena *arena,
                            const sl_schema **ret, sl_error *err)
{
    sl_sql_cursor start = { .line = 1, .column = 1 };
    sl_parser p = parser_over(text, length, &start, arena);
    sl_schema *schema = SL_ARENA_NEW(arena, sl_schema);
    SL_TRY(sl_parser__start(&p, err));
    SL_TRY(sl_parser__fields(&p, true, &schema->fields, &schema->field_count, err));
    if (p.token.kind != SL_TOK_END)
        return sl_parser__fail(&p, err, "',' or the end of the schema");
    *ret = schema;
    return SL_OK;
}

void sl_sql_error_text(const sl_error *e, const char *text, size_t length, sl_bytes *out)
{
    sl_bytes_printf(out, "[%s] %s SQLSTATE: %s", e->condition, e->text, e->sqlstate);
    if (e->line == 0) {
        sl_bytes_char(out, '\n');
        return;
    }
    sl_bytes_printf(out, " (line %u, column %u)\n", e->line, e->column);
    size_t begin = 0;
    for (uint32_t line = 1; line < e->line && begin < length; begin++)
        if (text[begin] == '\n')
            line++;
    const char *newline = memchr(text + begin, '\n', length - begin);
    size_t width = newline != NULL ? (size_t)(newline - (text + begin)) : length - begin;
    size_t caret = e->column > 0 ? e->column - 1 : 0;
    if (caret > width || width > 400)
        return; /* the position is of another text, or the line is not for people */
    sl_bytes_text(out, "\n  ");
    sl_bytes_append(out, text + begin, width);
    sl_bytes_text(out, "\n  ");
    for (size_t i = 0; i < caret; i++)
        if (((unsigned char)text[begin + i] & 0xC0) != 0x80) /* one column a character */
            sl_bytes_char(out, text[begin + i] == '\t' ? '\t' : ' ');
    sl_bytes_text(out, "^\n");
}
