/* lexer_private.h - SQL text to tokens, one at a time. */

#ifndef SL_ENGINE_SQL_LEXER_PRIVATE_H
#define SL_ENGINE_SQL_LEXER_PRIVATE_H

#include "engine/plan/unresolved.h"

typedef enum sl_token_kind {
    SL_TOK_END,
    SL_TOK_WORD,   /* identifier or keyword: text is as written */
    SL_TOK_QUOTED, /* `identifier`, unescaped */
    SL_TOK_STRING, /* 'text' or "text", unescaped */
    SL_TOK_INTEGER,
    SL_TOK_DECIMAL, /* digits with a point, an exponent or a D suffix */
    SL_TOK_SYMBOL,  /* ( ) , ; . * + - / % = <> <=> < <= > >= || ! [ ] : & | ^ ~ */
} sl_token_kind;

typedef struct sl_token {
    sl_token_kind kind;
    const char *text; /* NUL-terminated, in the arena */
    uint32_t length;
    bool is_long;      /* INTEGER with L */
    size_t begin, end; /* bytes in the source */
    sl_sql_pos pos;
} sl_token;

typedef struct sl_lexer {
    const char *text;
    size_t length, at;
    uint32_t line, column;
    sl_arena *arena;
} sl_lexer;

/* SL_EPARSE for an unclosed quote or comment, or a byte that starts no token. */
SL_CHECKED sl_code sl_lexer__next(sl_lexer *l, sl_token *ret, sl_error *err);
/* Move behind the ';' that ends this statement, whatever stands before it. */
void sl_lexer__skip_statement(sl_lexer *l);

#endif /* SL_ENGINE_SQL_LEXER_PRIVATE_H */
