/* Looking for text in text: contains, instr, replace, LIKE. */
#include "base/alloc.h"
#include "engine/expr/kernels_text_private.h"

/* First place of part in text at or after `from`, or -1. */
static int64_t find_bytes(const char *text, uint32_t length, uint32_t from,
                          const sl_string_view *part)
{
    if (part->length == 0)
        return from;
    const char *at =
        memmem(text + from, length - from, sl_string_data(part), part->length);
    return at != NULL ? at - text : -1;
}

sl_code sl_kernel__find_string(sl_kernel_call *c, sl_error *err)
{
    const sl_function *f = c->expr->function;
    bool start = f == sl_function__get(SL_F_STARTSWITH);
    bool end = f == sl_function__get(SL_F_ENDSWITH);
    void *out;
    SL_TRY(sl_register__values(c->out, c->rows, &out, err));
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (sl_rows__next(&rows, &i)) {
        const sl_string_view *v = sl_text__at(c->args[0], i);
        const sl_string_view *part = sl_text__at(c->args[1], i);
        const char *text = sl_string_data(v);
        bool found;
        if (part->length > v->length)
            found = false;
        else if (start)
            found = memcmp(text, sl_string_data(part), part->length) == 0;
        else if (end)
            found = memcmp(text + v->length - part->length, sl_string_data(part),
                           part->length) == 0;
        else
            found = find_bytes(text, v->length, 0, part) >= 0;
        if (found)
            sl_bitmap_set(out, i);
    }
    return SL_OK;
}

sl_code sl_kernel__instr(sl_kernel_call *c, sl_error *err)
{
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    int32_t *out = p;
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (sl_rows__next(&rows, &i)) {
        const sl_string_view *v = sl_text__at(c->args[0], i);
        const char *text = sl_string_data(v);
        int64_t at = find_bytes(text, v->length, 0, sl_text__at(c->args[1], i));
        out[i] = at < 0 ? 0 : (int32_t)sl_utf8__count(text, (uint32_t)at) + 1;
    }
    return SL_OK;
}

/* One row of replace; an empty search text changes nothing. */
static sl_code replace_one(sl_kernel_call *c, const sl_string_view *v,
                           const sl_string_view *search, const sl_string_view *by,
                           sl_string_view *out, sl_error *err)
{
    const char *text = sl_string_data(v);
    uint64_t count = 0;
    for (int64_t at = 0; search->length != 0; at += search->length, count++) {
        at = find_bytes(text, v->length, (uint32_t)at, search);
        if (at < 0)
            break;
    }
    if (count == 0) {
        *out = *v;
        return SL_OK;
    }
    uint64_t length = v->length - count * search->length + count * by->length;
    char *bytes, *to;
    SL_TRY(sl_text__room(c, length, out, &bytes, err));
    to = bytes;
    uint32_t from = 0;
    while (count-- > 0) {
        uint32_t at = (uint32_t)find_bytes(text, v->length, from, search);
        memcpy(to, text + from, at - from);
        memcpy(to + (at - from), sl_string_data(by), by->length);
        to += at - from + by->length;
        from = at + search->length;
    }
    memcpy(to, text + from, v->length - from);
    sl_text__finish(out, bytes, length);
    return SL_OK;
}

sl_code sl_kernel__replace(sl_kernel_call *c, sl_error *err)
{
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    sl_string_view *out = p;
    sl_register__hold(c->out, c->args[0]);
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (sl_rows__next(&rows, &i))
        SL_TRY(replace_one(c, sl_text__at(c->args[0], i), sl_text__at(c->args[1], i),
                           sl_text__at(c->args[2], i), &out[i], err));
    return SL_OK;
}

/* ---- LIKE ---- */

enum { BYTE, ONE, MANY };

/* The pattern taken apart: a byte to match, any one character, or any number. */
typedef struct pattern {
    uint8_t *kinds;
    char *bytes;
    uint32_t count, capacity;
    bool plain_prefix; /* bytes, then one MANY at the end */
    bool plain;        /* bytes only */
} pattern;

static sl_code bad_pattern(const sl_kernel_call *c, const sl_string_view *text,
                           bool at_end, sl_error *err)
{
    return sl_call__fail(
        c, at_end ? "INVALID_FORMAT.ESC_AT_THE_END" : "INVALID_FORMAT.ESC_IN_THE_MIDDLE",
        "42601", err,
        at_end ? "The format is invalid: '%.*s'. The escape character is "
                 "not allowed to end with."
               : "The format is invalid: '%.*s'. The escape character is "
                 "not allowed to precede any character but _, %% and "
                 "itself.",
        text->length > 200 ? 200 : (int)text->length, sl_string_data(text));
}

static sl_code parse_pattern(const sl_kernel_call *c, const sl_string_view *text,
                             char escape, pattern *p, sl_error *err)
{
    const char *s = sl_string_data(text);
    if (text->length > p->capacity) {
        p->capacity = text->length;
        p->kinds = sl_realloc(p->kinds, p->capacity);
        p->bytes = sl_realloc(p->bytes, p->capacity);
    }
    p->count = 0;
    for (uint32_t i = 0; i < text->length; i++) {
        uint8_t kind = s[i] == '_' ? ONE : s[i] == '%' ? MANY : BYTE;
        if (s[i] == escape) {
            if (++i == text->length)
                return bad_pattern(c, text, true, err);
            if (s[i] != '_' && s[i] != '%' && s[i] != escape)
                return bad_pattern(c, text, false, err);
            kind = BYTE;
        }
        p->kinds[p->count] = kind;
        p->bytes[p->count++] = s[i];
    }
    uint32_t plain = 0;
    while (plain < p->count && p->kinds[plain] == BYTE)
        plain++;
    p->plain = plain == p->count;
    p->plain_prefix = plain + 1 == p->count && p->kinds[plain] == MANY;
    return SL_OK;
}

/* Two places to go back to: the last MANY and the text it was tried at. */
static bool matches_general(const pattern *p, const char *s, uint32_t length)
{
    uint32_t at = 0, k = 0, back_k = UINT32_MAX, back_at = 0;
    while (at < length) {
        if (k < p->count && p->kinds[k] == MANY) {
            back_k = ++k;
            back_at = at;
        } else if (k < p->count && p->kinds[k] == ONE) {
            at += sl_utf8__width(s + at, length - at);
            k++;
        } else if (k < p->count && p->bytes[k] == s[at]) {
            at++;
            k++;
        } else if (back_k != UINT32_MAX) {
            back_at += sl_utf8__width(s + back_at, length - back_at);
            at = back_at;
            k = back_k;
        } else {
            return false;
        }
    }
    while (k < p->count && p->kinds[k] == MANY)
        k++;
    return k == p->count;
}

static bool matches(const pattern *p, const sl_string_view *v)
{
    const char *s = sl_string_data(v);
    if (p->plain)
        return v->length == p->count && memcmp(s, p->bytes, p->count) == 0;
    if (p->plain_prefix)
        return v->length >= p->count - 1 && memcmp(s, p->bytes, p->count - 1) == 0;
    return matches_general(p, s, v->length);
}

sl_code sl_kernel__like(sl_kernel_call *c, sl_error *err)
{
    const sl_vector *text = c->args[1];
    char escape = c->expr->args[2]->literal.text[0];
    pattern p = { 0 };
    bool parsed = false;
    sl_code code = SL_OK;
    void *out;
    SL_TRY(sl_register__values(c->out, c->rows, &out, err));
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    p.kinds = sl_alloc(1);
    p.bytes = sl_alloc(1);
    while (sl_rows__next(&rows, &i)) {
        if (!parsed || !text->is_constant)
            SL_TRY_GOTO(parse_pattern(c, sl_text__at(text, i), escape, &p, err), out);
        parsed = true;
        if (matches(&p, sl_text__at(c->args[0], i)))
            sl_bitmap_set(out, i);
    }

out:
    sl_free(p.kinds);
    sl_free(p.bytes);
    return code;
}
