#include "engine/sql/lexer_private.h"

#include <string.h>
#include <utf8proc.h>

static bool is_word_start(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(unsigned char c)
{
    return is_word_start(c) || is_digit(c) || c == '$';
}

static unsigned char byte_at(const sl_lexer *l, size_t ahead)
{
    return l->at + ahead < l->length ? (unsigned char)l->text[l->at + ahead] : 0;
}

static void advance(sl_lexer *l, size_t n)
{
    for (size_t i = 0; i < n && l->at < l->length; i++, l->at++) {
        if (l->text[l->at] == '\n') {
            l->line++;
            l->column = 1;
        } else {
            l->column++;
        }
    }
}

static sl_code fail_at(sl_sql_pos pos, sl_error *err, const char *what)
{
    sl_code code = sl_fail(err, SL_EPARSE, "%s", what);
    if (err != NULL) {
        err->line = pos.line;
        err->column = pos.column;
    }
    return code;
}

/* Bracketed comments nest, as in Spark. */
static sl_code skip_block_comment(sl_lexer *l, sl_error *err)
{
    sl_sql_pos pos = { l->line, l->column };
    uint32_t depth = 0;
    do {
        if (l->at >= l->length)
            return fail_at(pos, err, "this comment is not closed by */");
        if (byte_at(l, 0) == '/' && byte_at(l, 1) == '*') {
            depth++;
            advance(l, 2);
        } else if (byte_at(l, 0) == '*' && byte_at(l, 1) == '/') {
            depth--;
            advance(l, 2);
        } else {
            advance(l, 1);
        }
    } while (depth > 0);
    return SL_OK;
}

static sl_code skip_blanks(sl_lexer *l, sl_error *err)
{
    for (;;) {
        unsigned char c = byte_at(l, 0);
        if (l->at >= l->length)
            return SL_OK;
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v') {
            advance(l, 1);
        } else if (c == '-' && byte_at(l, 1) == '-') {
            while (l->at < l->length && byte_at(l, 0) != '\n')
                advance(l, 1);
        } else if (c == '/' && byte_at(l, 1) == '*') {
            SL_TRY(skip_block_comment(l, err));
        } else {
            return SL_OK;
        }
    }
}

static void append_code_point(sl_bytes *out, uint32_t cp)
{
    if (cp < 0x80) {
        sl_bytes_u8(out, (uint8_t)cp);
    } else if (cp < 0x800) {
        sl_bytes_u8(out, (uint8_t)(0xC0 | (cp >> 6)));
        sl_bytes_u8(out, (uint8_t)(0x80 | (cp & 0x3F)));
    } else if (cp < 0x10000) {
        sl_bytes_u8(out, (uint8_t)(0xE0 | (cp >> 12)));
        sl_bytes_u8(out, (uint8_t)(0x80 | ((cp >> 6) & 0x3F)));
        sl_bytes_u8(out, (uint8_t)(0x80 | (cp & 0x3F)));
    } else {
        sl_bytes_u8(out, (uint8_t)(0xF0 | (cp >> 18)));
        sl_bytes_u8(out, (uint8_t)(0x80 | ((cp >> 12) & 0x3F)));
        sl_bytes_u8(out, (uint8_t)(0x80 | ((cp >> 6) & 0x3F)));
        sl_bytes_u8(out, (uint8_t)(0x80 | (cp & 0x3F)));
    }
}

static int hex_value(unsigned char c)
{
    if (is_digit(c))
        return c - '0';
    c = (unsigned char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* uXXXX at `ahead`: true and its value. */
static bool read_unicode(const sl_lexer *l, size_t ahead, uint32_t *ret)
{
    uint32_t cp = 0;
    if (byte_at(l, ahead) != 'u')
        return false;
    for (size_t i = 1; i <= 4; i++) {
        int digit = hex_value(byte_at(l, ahead + i));
        if (digit < 0)
            return false;
        cp = cp * 16 + (uint32_t)digit;
    }
    *ret = cp;
    return true;
}

/* At uXXXX: that character, or of two halves of a pair the one they make; a half alone is
 * '?', as Java writes it. */
static void append_unicode(sl_lexer *l, uint32_t cp, sl_bytes *out)
{
    uint32_t low = 0;
    advance(l, 5);
    if (cp < 0xD800 || cp > 0xDFFF) {
        append_code_point(out, cp);
    } else if (cp < 0xDC00 && byte_at(l, 0) == '\\' && read_unicode(l, 1, &low) &&
               low >= 0xDC00 && low <= 0xDFFF) {
        append_code_point(out, 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00));
        advance(l, 6);
    } else {
        sl_bytes_char(out, '?');
    }
}

/* After a backslash inside a string. \% and \_ keep the backslash: LIKE wants it. */
static void append_escape(sl_lexer *l, sl_bytes *out)
{
    unsigned char c = byte_at(l, 0);
    uint32_t cp = 0;
    if (read_unicode(l, 0, &cp)) {
        append_unicode(l, cp, out);
        return;
    }
    static const char from[] = "0bnrtZ";
    static const char to[] = "\0\b\n\r\t\x1a";
    const char *hit = c != 0 ? strchr(from, c) : NULL;
    if (hit != NULL)
        sl_bytes_u8(out, (uint8_t)to[hit - from]);
    else if (c == '%' || c == '_')
        sl_bytes_u8(out, '\\'), sl_bytes_u8(out, c);
    else
        sl_bytes_u8(out, c);
    advance(l, 1);
}

/* Doubling the quote inside stands for the quote; `` in backquotes. */
static sl_code lex_quoted(sl_lexer *l, unsigned char quote, bool raw, sl_token *t,
                          sl_error *err)
{
    sl_bytes out = { 0 };
    advance(l, 1);
    for (;;) {
        if (l->at >= l->length) {
            sl_bytes_deinit(&out);
            return fail_at(t->pos, err,
                           quote == '`' ? "this quoted name is not closed by `"
                                        : "this string is not closed by its quote");
        }
        unsigned char c = byte_at(l, 0);
        if (c == quote && byte_at(l, 1) == quote && !raw) {
            sl_bytes_u8(&out, quote);
            advance(l, 2);
        } else if (c == quote) {
            advance(l, 1);
            break;
        } else if (c == '\\' && quote != '`' && !raw && l->at + 1 < l->length) {
            advance(l, 1);
            append_escape(l, &out);
        } else {
            sl_bytes_u8(&out, c);
            advance(l, 1);
        }
    }
    t->length = (uint32_t)out.size_bytes;
    t->text = sl_arena_strndup(l->arena, sl_bytes_cstr(&out), out.size_bytes);
    sl_bytes_deinit(&out);
    return SL_OK;
}

static sl_code lex_number(sl_lexer *l, sl_token *t, sl_error *err)
{
    size_t n = 0;
    t->kind = SL_TOK_INTEGER;
    while (is_digit(byte_at(l, n)))
        n++;
    if (byte_at(l, n) == '.' && !is_word_start(byte_at(l, n + 1))) {
        t->kind = SL_TOK_DECIMAL;
        n++;
        while (is_digit(byte_at(l, n)))
            n++;
    }
    unsigned char e = byte_at(l, n);
    if (e == 'e' || e == 'E') {
        size_t sign = byte_at(l, n + 1) == '+' || byte_at(l, n + 1) == '-' ? 1 : 0;
        if (is_digit(byte_at(l, n + 1 + sign))) {
            t->kind = SL_TOK_DECIMAL;
            n += 1 + sign;
            while (is_digit(byte_at(l, n)))
                n++;
        }
    }
    t->text = sl_arena_strndup(l->arena, l->text + l->at, n);
    t->length = (uint32_t)n;
    unsigned char suffix = (unsigned char)(byte_at(l, n) | 0x20);
    bool ends = !is_word(byte_at(l, n + 1));
    if (suffix == 'l' && ends && t->kind == SL_TOK_INTEGER) {
        t->is_long = true;
        n++;
    } else if (suffix == 'd' && ends) {
        t->kind = SL_TOK_DECIMAL;
        n++;
    }
    if (is_word(byte_at(l, n)))
        return fail_at(t->pos, err, "a number is followed directly by letters");
    advance(l, n);
    return SL_OK;
}

static size_t symbol_length(const sl_lexer *l)
{
    static const char *const symbols[] = {
        "<=>", "<>", "<=", ">=", "!=", "||", "==", "->"
    };
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        size_t n = strlen(symbols[i]);
        if (l->length - l->at >= n && memcmp(l->text + l->at, symbols[i], n) == 0)
            return n;
    }
    return memchr("(),;.*+-/%=<>![]:&|^~", byte_at(l, 0), 21) != NULL ? 1 : 0;
}

/* Names and strings are UTF-8, and a name is one to everybody: without a NUL. */
static sl_code check_text(const sl_lexer *l, const sl_token *t, sl_error *err)
{
    sl_sql_pos pos = t->pos;
    if (t->kind != SL_TOK_WORD && t->kind != SL_TOK_QUOTED && t->kind != SL_TOK_STRING)
        return SL_OK;
    for (size_t at = t->begin; at < l->at;) {
        const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)l->text + at;
        utf8proc_int32_t cp = *p;
        utf8proc_ssize_t n =
            *p < 0x80 ? 1 : utf8proc_iterate(p, (utf8proc_ssize_t)(l->at - at), &cp);
        if (n <= 0)
            return fail_at(pos, err, "this byte is not UTF-8; save the text as UTF-8");
        if (cp == 0 && t->kind == SL_TOK_QUOTED)
            return fail_at(pos, err, "a quoted name cannot hold a NUL byte");
        pos.column += (uint32_t)n;
        if (cp == '\n')
            pos = (sl_sql_pos){ pos.line + 1, 1 };
        at += (size_t)n;
    }
    return SL_OK;
}

sl_code sl_lexer__next(sl_lexer *l, sl_token *ret, sl_error *err)
{
    SL_TRY(skip_blanks(l, err));
    sl_token t = { .kind = SL_TOK_END, .text = "", .begin = l->at };
    t.pos = (sl_sql_pos){ l->line, l->column };
    unsigned char c = byte_at(l, 0);
    if (l->at >= l->length) {
        t.end = l->at;
    } else if ((c == 'r' || c == 'R') &&
               (byte_at(l, 1) == '\'' || byte_at(l, 1) == '"')) {
        t.kind = SL_TOK_STRING; /* r'..': backslashes stand for themselves */
        advance(l, 1);
        SL_TRY(lex_quoted(l, byte_at(l, 0), true, &t, err));
    } else if (is_word_start(c)) {
        size_t n = 1;
        while (l->at + n < l->length && is_word(byte_at(l, n)))
            n++;
        t.kind = SL_TOK_WORD;
        t.text = sl_arena_strndup(l->arena, l->text + l->at, n);
        t.length = (uint32_t)n;
        advance(l, n);
    } else if (is_digit(c) || (c == '.' && is_digit(byte_at(l, 1)))) {
        SL_TRY(lex_number(l, &t, err));
    } else if (c == '\'' || c == '"' || c == '`') {
        t.kind = c == '`' ? SL_TOK_QUOTED : SL_TOK_STRING;
        SL_TRY(lex_quoted(l, c, false, &t, err));
    } else {
        size_t n = symbol_length(l);
        if (n == 0)
            return fail_at(t.pos, err, "this character starts no SQL token");
        t.kind = SL_TOK_SYMBOL;
        t.text = sl_arena_strndup(l->arena, l->text + l->at, n);
        t.length = (uint32_t)n;
        advance(l, n);
    }
    t.end = l->at;
    SL_TRY(check_text(l, &t, err));
    *ret = t;
    return SL_OK;
}

void sl_lexer__skip_statement(sl_lexer *l)
{
    sl_token t;
    while (l->at < l->length) {
        if (sl_lexer__next(l, &t, NULL) != SL_OK) {
            advance(l, 1);
            continue;
        }
        if (t.kind == SL_TOK_END || (t.kind == SL_TOK_SYMBOL && t.text[0] == ';'))
            return;
    }
}
