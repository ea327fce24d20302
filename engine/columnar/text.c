#include "engine/columnar/text_private.h"

void sl_text__escape(const char *text, size_t length, sl_bytes *out)
{
    static const char letters[] = "abtnvfr"; /* 0x07 BEL .. 0x0d CR, in order */
    size_t from = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < 0x07 || text[i] > 0x0d)
            continue;
        sl_bytes_append(out, text + from, i - from);
        sl_bytes_char(out, '\\');
        sl_bytes_char(out, letters[text[i] - 0x07]);
        from = i + 1;
    }
    sl_bytes_append(out, text + from, length - from);
}

static bool is_blank(char c)
{
    return (unsigned char)c <= 0x20 || c == 0x7f;
}

void sl_text__trim(const char **text, size_t *length)
{
    while (*length != 0 && is_blank((*text)[0])) {
        (*text)++;
        (*length)--;
    }
    while (*length != 0 && is_blank((*text)[*length - 1]))
        (*length)--;
}

uint32_t sl_text__utf8(const char *text, size_t length, uint32_t *ret_code)
{
    const uint8_t *p = (const uint8_t *)text;
    uint32_t need = p[0] < 0x80                   ? 1
                    : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
                    : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
                    : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                                  : 1;
    *ret_code = p[0];
    if (need == 1 || need > length)
        return 1;
    uint32_t code = p[0] & (0xffu >> (need + 1));
    for (uint32_t i = 1; i < need; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 1;
        code = code << 6 | (p[i] & 0x3fu);
    }
    *ret_code = code;
    return need;
}

uint32_t sl_text__utf16_units(uint32_t code)
{
    return code > 0xffff ? 2 : 1;
}

/* The ranges of Spark's Utils.fullWidthRegex. Past the BMP it sees two surrogates, which
 * are in none of them: 1 each. */
uint32_t sl_text__half_widths(uint32_t code)
{
    if (code < 0x1100)
        return 1;
    if (code > 0xffff)
        return 2;
    bool full = code <= 0x115f || (code >= 0x2e80 && code <= 0xa4cf) ||
                (code >= 0xac00 && code <= 0xd7a3) ||
                (code >= 0xf900 && code <= 0xfaff) ||
                (code >= 0xfe30 && code <= 0xfe6f) ||
                (code >= 0xff00 && code <= 0xff60) || (code >= 0xffe0 && code <= 0xffe6);
    return full ? 2 : 1;
}
