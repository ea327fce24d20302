/* Stage 2: walk a line along a layout.  The text before each value is compared as words,
 * the end of a string is the next position of the index; a string with a backslash or
 * control character has that as its next position, and is left to the token reader.
 * Everything loaded lies in the block or its 64 bytes of padding. */
#include <string.h>

#include "formats/json_private.h"

static inline uint64_t load64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

static inline bool same_text(const sl_json__segment *s, const char *p)
{
    uint64_t d = ((load64(p) ^ s->words[0]) & s->masks[0]) |
                 ((load64(p + 8) ^ s->words[1]) & s->masks[1]);
    if (s->length > 16) {
        d |= ((load64(p + 16) ^ s->words[2]) & s->masks[2]) |
             ((load64(p + 24) ^ s->words[3]) & s->masks[3]);
        if (d == 0 && s->length > 32) /* no NUL in a layout; the line's end stops it */
            return strncmp(p + 32, s->text + 32, s->length - 32) == 0;
    }
    return d == 0;
}

static void share_block(sl_json__column *c, sl_buffer *block)
{
    sl_column_builder_share(&c->b, block);
    c->shared = block;
}

static inline void put_view(const sl_json__scan *s, sl_json__column *c, uint32_t row,
                            const char *p, uint32_t length)
{
    sl_string_view *to = (sl_string_view *)(void *)c->values + row;
    if (length > SL_STRING_INLINE_MAX && c->shared != s->store->block)
        share_block(c, s->store->block);
    sl_string_view_put(to, p, length);
}

/* The number that the first `count` (1..8) bytes of t are, each a digit's value: moved to
 * the end of the word, then pairs, fours and eights are joined. */
static inline uint64_t join_digits(uint64_t t, uint32_t count)
{
    t <<= 64 - 8 * count;
    t = (t * 10 + (t >> 8)) & UINT64_C(0x00ff00ff00ff00ff);
    t = (t * 100 + (t >> 16)) & UINT64_C(0x0000ffff0000ffff);
    return (uint32_t)(t * 10000 + (t >> 32));
}

/* An integer of up to 18 digits; returns its end, NULL if it needs a closer look. */
static inline const char *scan_integer(const char *p, int64_t *ret)
{
    bool negative = *p == '-';
    p += negative;
    const char *digits = p;
    uint64_t t = load64(p) ^ UINT64_C(0x3030303030303030);
    uint64_t others =
        ((t + UINT64_C(0x7676767676767676)) | t) & UINT64_C(0x8080808080808080);
    uint64_t v = 0; /* nineteen digits fit, before they are refused */
    if (others != 0) { /* fewer than eight: no loop whose end is not foreseen */
        uint32_t count = (uint32_t)__builtin_ctzll(others) / 8;
        if (count == 0)
            return NULL;
        v = join_digits(t, count);
        p += count;
    } else {
        while ((unsigned char)(*p - '0') <= 9 && p - digits < 19)
            v = v * 10 + (uint64_t)(*p++ - '0');
    }
    if (p - digits > 18 || (*digits == '0' && p - digits > 1) || *p == '.' ||
        (*p | 0x20) == 'e')
        return NULL;
    *ret = negative ? -(int64_t)v : (int64_t)v;
    return p;
}

/* Any value by the token reader, into its column unless that is skipped. */
static sl_json__outcome scan_other(sl_json__scan *s, const sl_json__segment *seg,
                                   uint32_t row, const char **at, uint32_t *mark,
                                   sl_error *err)
{
    uint32_t m = *mark;
    while (!sl_json__is_line_end(s->data[s->positions[m]]))
        m++;
    sl_json__cursor cursor = { *at, s->data + s->positions[m], s->store->options };
    sl_json__token token;
    if (!sl_json__read_token(&cursor, 1, &token))
        return SL_JSON__DIFFERS;
    if (seg->action != SL_JSON__SKIP) {
        bool bad = false;
        sl_json__column *c = &s->columns[seg->column];
        if (c->b.children == NULL)
            c->b.length = row;
        s->dirty = true;
        if (sl_json__put(s->store, &s->root->children[seg->column], &token, &c->b, &bad,
                         err) != SL_OK)
            return SL_JSON__FAILED;
        if (bad)
            return SL_JSON__DIFFERS;
    }
    while (s->data + s->positions[*mark] < cursor.at)
        ++*mark;
    *at = cursor.at;
    return SL_JSON__SCANNED;
}

/* The string whose opening quote is at p and *mark: its length, or UINT32_MAX. */
static inline uint32_t plain_string(const sl_json__scan *s, const char *p, uint32_t mark)
{
    const char *end = s->data + s->positions[mark + 1];
    return *end == '"' ? (uint32_t)(end - p - 1) : UINT32_MAX;
}

/* The common case of each action. False: look closer. */
static inline bool scan_value(const sl_json__scan *s, const sl_json__segment *seg,
                              uint32_t row, const char **at, uint32_t *mark)
{
    const char *p = *at;
    if (*p == '"') {
        uint32_t length = plain_string(s, p, *mark);
        if (length == UINT32_MAX)
            return false;
        if (seg->action == SL_JSON__PUT_STRING) {
            put_view(s, &s->columns[seg->column], row, p + 1, length);
        } else if (seg->action == SL_JSON__PUT_TIMESTAMP) {
            sl_json__column *c = &s->columns[seg->column];
            if (!sl_timestamp_parse_next(p + 1, length, s->store->zone, &c->minute,
                                         (int64_t *)(void *)c->values + row))
                return false;
        } else if (seg->action != SL_JSON__SKIP) {
            return false;
        }
        *at = p + length + 2;
        *mark += 2;
        return true;
    }
    int64_t v;
    if (seg->action > SL_JSON__PUT_INT || seg->action == SL_JSON__PUT_STRING ||
        (p = scan_integer(p, &v)) == NULL)
        return false;
    if (seg->action == SL_JSON__PUT_LONG) {
        ((int64_t *)(void *)s->columns[seg->column].values)[row] = v;
    } else if (seg->action == SL_JSON__PUT_INT) {
        if (v != (int32_t)v)
            return false;
        ((int32_t *)(void *)s->columns[seg->column].values)[row] = (int32_t)v;
    }
    *at = p;
    return true;
}

static bool put_missing(sl_json__scan *s, const sl_json__layout *l, uint32_t row,
                        sl_error *err)
{
    s->dirty = true;
    for (uint32_t i = 0; i < l->missing_count; i++) {
        sl_column_builder *b = &s->columns[l->missing[i]].b;
        if (b->children == NULL)
            b->length = row;
        if (sl_column_builder_null(b, err) != SL_OK)
            return false;
    }
    return true;
}

sl_json__outcome sl_json__scan_line(sl_json__scan *s, const sl_json__layout *l,
                                    uint32_t row, const char **at, uint32_t *mark,
                                    sl_error *err)
{
    const char *p = *at;
    uint32_t m = *mark;
    const sl_json__segment *seg = l->segments;
    for (; seg->action != SL_JSON__TAIL; seg++) {
        if (!same_text(seg, p))
            return SL_JSON__DIFFERS;
        p += seg->length;
        m += seg->marks;
        if (!scan_value(s, seg, row, &p, &m)) {
            sl_json__outcome outcome = scan_other(s, seg, row, &p, &m, err);
            if (outcome != SL_JSON__SCANNED)
                return outcome;
        }
    }
    if (!same_text(seg, p) || !sl_json__is_line_end(p[seg->length]))
        return SL_JSON__DIFFERS;
    if (l->missing_count != 0 && !put_missing(s, l, row, err))
        return SL_JSON__FAILED;
    *at = p + seg->length + 1;
    *mark = m + seg->marks + 1;
    return SL_JSON__SCANNED;
}
