#include "engine/sql/parse.h"

#include <string.h>
#include <utf8proc.h>

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

/* Of a line longer than this, only what is around the caret is shown. */
#define SHOWN_BYTES 160u

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* The line with a caret below byte `caret`; what is no text on a screen is '?'. */
static void append_line(const char *line, size_t width, size_t caret, sl_bytes *out)
{
    size_t begin = 0, end = width;
    if (width > SHOWN_BYTES) {
        begin = caret > SHOWN_BYTES / 2 ? caret - SHOWN_BYTES / 2 : 0;
        end = begin + SHOWN_BYTES < width ? begin + SHOWN_BYTES : width;
        while (begin > 0 && begin < caret && is_continuation(line[begin]))
            begin++;
        while (end < width && is_continuation(line[end]))
            end++;
    }
    sl_bytes pad = { 0 };
    sl_bytes_text(out, begin > 0 ? "\n  ..." : "\n  ");
    sl_bytes_text(&pad, begin > 0 ? "   " : "");
    for (size_t i = begin; i < end;) {
        utf8proc_int32_t cp;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)line + i,
                                              (utf8proc_ssize_t)(end - i), &cp);
        bool is_text = n > 0 && (cp >= 0x20 || cp == '\t') && cp != 0x7F;
        sl_bytes_append(out, is_text ? line + i : "?", is_text ? (size_t)n : 1);
        if (i < caret)
            sl_bytes_char(&pad, is_text && cp == '\t' ? '\t' : ' ');
        i += n > 0 ? (size_t)n : 1;
    }
    sl_bytes_text(out, end < width ? "...\n  " : "\n  ");
    sl_bytes_append(out, pad.data, pad.size_bytes);
    sl_bytes_text(out, "^\n");
    sl_bytes_deinit(&pad);
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
    if (caret <= width) /* else the position is of another text */
        append_line(text + begin, width, caret, out);
}
