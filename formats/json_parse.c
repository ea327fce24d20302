/* A recursive descent over one line; depth is bounded, every byte is looked at once.  It
 * accepts what Jackson accepts under Spark's options, which is more than JSON: single
 * quotes and NaN by default, comments, bare names and odd escapes on request. */
#include <string.h>

#include "formats/json_private.h"

static bool skip_comment(sl_json__cursor *c)
{
    if (c->end - c->at < 2 || c->at[0] != '/')
        return false;
    if (c->at[1] == '/') { /* a line is all there is */
        c->at = c->end;
        return true;
    }
    if (c->at[1] != '*')
        return false;
    for (const char *p = c->at + 2; c->end - p >= 2; p++)
        if (p[0] == '*' && p[1] == '/') {
            c->at = p + 2;
            return true;
        }
    return false;
}

void sl_json__skip_space(sl_json__cursor *c)
{
    for (;;) {
        while (c->at < c->end &&
               (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
            c->at++;
        if (!c->options->allow_comments || !skip_comment(c))
            return;
    }
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_name_byte(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '$' || (unsigned char)c >= 0x80;
}

/* Length of the escape at p (a backslash), 0 if it is none. */
static size_t escape_length(const char *p, const char *end, const sl_json_options *o)
{
    if (end - p < 2)
        return 0;
    if (p[1] == 'u') {
        if (end - p < 6)
            return 0;
        for (int i = 2; i < 6; i++)
            if (!is_hex(p[i]))
                return 0;
        return 6;
    }
    if (strchr("\"\\/bfnrt", p[1]) != NULL && p[1] != '\0')
        return 2;
    bool known = o->allow_any_escape || (p[1] == '\'' && o->allow_single_quotes);
    return known ? 2 : 0;
}

static bool read_string(sl_json__cursor *c, sl_json__token *ret)
{
    const char *p = c->at;
    char quote = *p++;
    bool escaped = false;
    while (p < c->end && *p != quote) {
        if (*p == '\\') {
            size_t length = escape_length(p, c->end, c->options);
            if (length == 0)
                return false;
            escaped = true;
            p += length;
        } else if ((unsigned char)*p < 0x20 && !c->options->allow_control_chars) {
            return false;
        } else {
            p++;
        }
    }
    if (p >= c->end)
        return false;
    *ret = (sl_json__token){
        .kind = SL_JSON__STRING, .escaped = escaped, .begin = c->at, .end = p + 1
    };
    c->at = p + 1;
    return true;
}

static bool read_word(sl_json__cursor *c, const char *word, sl_json__kind kind,
                      sl_json__token *ret)
{
    size_t n = strlen(word);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0)
        return false;
    if (c->at + n < c->end && is_name_byte(c->at[n]))
        return false;
    *ret = (sl_json__token){ .kind = kind, .begin = c->at, .end = c->at + n };
    c->at += n;
    return true;
}

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && is_digit(*p))
        p++;
    return p;
}

static bool read_non_numeric(sl_json__cursor *c, sl_json__token *ret)
{
    static const char *const WORDS[] = { "NaN",  "Infinity", "-Infinity", "+Infinity",
                                         "-INF", "+INF",     "INF" };
    if (!c->options->allow_non_numeric)
        return false;
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (read_word(c, WORDS[i], SL_JSON__NON_NUMERIC, ret))
            return true;
    return false;
}

static bool read_number(sl_json__cursor *c, sl_json__token *ret)
{
    const char *p = c->at, *end = c->end;
    if (p < end && *p == '-')
        p++;
    const char *digits = p;
    p = skip_digits(p, end);
    if (p == digits)
        return read_non_numeric(c, ret);
    if (*digits == '0' && p - digits > 1 && !c->options->allow_leading_zeros)
        return false;

    sl_json__kind kind = SL_JSON__INT;
    if (p < end && *p == '.') {
        const char *fraction = p + 1;
        p = skip_digits(fraction, end);
        if (p == fraction)
            return false;
        kind = SL_JSON__FLOAT;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        const char *exponent = p;
        p = skip_digits(p, end);
        if (p == exponent)
            return false;
        kind = SL_JSON__FLOAT;
    }
    *ret = (sl_json__token){ .kind = kind, .begin = c->at, .end = p };
    c->at = p;
    return true;
}

static bool read_array(sl_json__cursor *c, uint32_t depth)
{
    c->at++;
    sl_json__skip_space(c);
    if (c->at < c->end && *c->at == ']') {
        c->at++;
        return true;
    }
    for (;;) {
        sl_json__token value;
        sl_json__skip_space(c);
        if (!sl_json__read_token(c, depth, &value))
            return false;
        sl_json__skip_space(c);
        if (c->at >= c->end)
            return false;
        char next = *c->at++;
        if (next == ']')
            return true;
        if (next != ',')
            return false;
    }
}

static bool read_name(sl_json__cursor *c, sl_json__token *ret)
{
    if (c->at >= c->end)
        return false;
    if (*c->at == '"' || (*c->at == '\'' && c->options->allow_single_quotes))
        return read_string(c, ret);
    if (!c->options->allow_unquoted_names || is_digit(*c->at))
        return false;
    const char *p = c->at;
    while (p < c->end && is_name_byte(*p))
        p++;
    *ret = (sl_json__token){
        .kind = SL_JSON__STRING, .bare = true, .begin = c->at, .end = p
    };
    bool any = p > c->at;
    c->at = p;
    return any;
}

static bool read_member(sl_json__cursor *c, uint32_t depth, sl_json__token *ret_key,
                        sl_json__token *ret_value)
{
    sl_json__skip_space(c);
    if (!read_name(c, ret_key))
        return false;
    sl_json__skip_space(c);
    if (c->at >= c->end || *c->at != ':')
        return false;
    c->at++;
    sl_json__skip_space(c);
    return sl_json__read_token(c, depth, ret_value);
}

bool sl_json__read_object(sl_json__cursor *c, uint32_t depth, sl_json__visit *visit,
                          void *user)
{
    c->at++;
    sl_json__skip_space(c);
    if (c->at < c->end && *c->at == '}') {
        c->at++;
        return true;
    }
    for (;;) {
        sl_json__token key, value;
        if (!read_member(c, depth, &key, &value))
            return false;
        if (visit != NULL)
            visit(&key, &value, user);
        sl_json__skip_space(c);
        if (c->at >= c->end)
            return false;
        char next = *c->at++;
        if (next == '}')
            return true;
        if (next != ',')
            return false;
    }
}

bool sl_json__read_token(sl_json__cursor *c, uint32_t depth, sl_json__token *ret)
{
    if (c->at >= c->end || depth > SL_JSON__DEPTH_MAX)
        return false;
    const char *begin = c->at;
    switch (*begin) {
    case '"':
        return read_string(c, ret);
    case '\'':
        return c->options->allow_single_quotes && read_string(c, ret);
    case 't':
        return read_word(c, "true", SL_JSON__TRUE, ret);
    case 'f':
        return read_word(c, "false", SL_JSON__FALSE, ret);
    case 'n':
        return read_word(c, "null", SL_JSON__NULL, ret);
    case '{':
        if (!sl_json__read_object(c, depth + 1, NULL, NULL))
            return false;
        *ret = (sl_json__token){ .kind = SL_JSON__OBJECT, .begin = begin, .end = c->at };
        return true;
    case '[':
        if (!read_array(c, depth + 1))
            return false;
        *ret = (sl_json__token){ .kind = SL_JSON__ARRAY, .begin = begin, .end = c->at };
        return true;
    default:
        return read_number(c, ret);
    }
}

/* ---- the text of a string ---- */

static uint32_t hex4(const char *p)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t d = (uint32_t)(unsigned char)p[i];
        v = v * 16 + (d <= '9' ? d - '0' : (d | 0x20) - 'a' + 10);
    }
    return v;
}

static void append_utf8(sl_bytes *out, uint32_t c)
{
    if (c < 0x80) {
        sl_bytes_u8(out, (uint8_t)c);
    } else if (c < 0x800) {
        sl_bytes_u8(out, (uint8_t)(0xc0 | c >> 6));
        sl_bytes_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        sl_bytes_u8(out, (uint8_t)(0xe0 | c >> 12));
        sl_bytes_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
        sl_bytes_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
    } else {
        sl_bytes_u8(out, (uint8_t)(0xf0 | c >> 18));
        sl_bytes_u8(out, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
        sl_bytes_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
        sl_bytes_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
    }
}

/* \uXXXX at p, with its low half if one follows; a half alone is '?', as Java writes it.
 * Returns the bytes consumed. */
static size_t append_unicode(sl_bytes *out, const char *p, const char *end)
{
    uint32_t c = hex4(p + 2);
    if (c < 0xd800 || c > 0xdfff) {
        append_utf8(out, c);
        return 6;
    }
    if (c < 0xdc00 && end - p >= 12 && p[6] == '\\' && p[7] == 'u') {
        uint32_t low = hex4(p + 8);
        if (low >= 0xdc00 && low <= 0xdfff) {
            append_utf8(out, 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00));
            return 12;
        }
    }
    sl_bytes_char(out, '?');
    return 6;
}

static size_t append_escape(sl_bytes *out, const char *p, const char *end)
{
    static const char FROM[] = "bfnrt", TO[] = "\b\f\n\r\t";
    if (p[1] == 'u')
        return append_unicode(out, p, end);
    const char *known = p[1] != '\0' ? strchr(FROM, p[1]) : NULL;
    sl_bytes_char(out, known != NULL ? TO[known - FROM] : p[1]);
    return 2;
}

sl_span sl_json__token_text(const sl_json__token *t, sl_bytes *scratch)
{
    size_t quote = t->bare ? 0 : 1;
    const char *p = t->begin + quote, *end = t->end - quote;
    if (!t->escaped)
        return sl_span_of(p, (size_t)(end - p));

    sl_bytes_clear(scratch);
    sl_bytes_reserve(scratch, (size_t)(end - p));
    while (p < end) {
        const char *backslash = memchr(p, '\\', (size_t)(end - p));
        const char *stop = backslash != NULL ? backslash : end;
        sl_bytes_append(scratch, p, (size_t)(stop - p));
        p = stop;
        if (p < end)
            p += append_escape(scratch, p, end);
    }
    return sl_bytes_span(scratch);
}
