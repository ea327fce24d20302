/* Strings in, strings out. Parts of long strings are views into the same bytes; only
 * what is put together anew is written to the register's heap. */
#include <stdlib.h>

#include <utf8proc.h>

#include "base/limits.h"
#include "engine/expr/kernels_text_private.h"

static bool is_function(const sl_kernel_call *c, sl_function_id id)
{
    return c->expr->function == sl_function__get(id);
}

sl_code sl_text__room(sl_kernel_call *c, uint64_t length, sl_string_view *out, char **ret,
                      sl_error *err)
{
    if (length <= SL_STRING_INLINE_MAX) {
        *out = (sl_string_view){ .length = (uint32_t)length };
        *ret = out->u.inlined;
        return SL_OK;
    }
    if (length > SL_STRING_BYTES_MAX)
        return sl_error__at(
            err,
            sl_fail(err, SL_ELIMIT, "`%.100s` makes a string of %llu bytes: at most %u",
                    c->expr->pretty, (unsigned long long)length, SL_STRING_BYTES_MAX),
            c->expr->pos);
    return sl_register__bytes(c->out, (uint32_t)length, ret, err);
}

bool sl_utf8__is_ascii(const char *p, uint32_t length)
{
    uint8_t any = 0;
    for (uint32_t i = 0; i < length; i++)
        any |= (uint8_t)p[i];
    return any < 0x80;
}

uint32_t sl_utf8__offset(const char *p, uint32_t length, uint32_t n)
{
    uint32_t at = 0;
    while (n-- > 0 && at < length)
        at += sl_utf8__width(p + at, length - at);
    return at;
}

/* ---- upper, lower ---- */

SL_HOT static void change_ascii(const char *restrict from, uint32_t length, bool up,
                                char *restrict to)
{
    char first = up ? 'a' : 'A';
    for (uint32_t i = 0; i < length; i++)
        to[i] = (char)(from[i] ^ (((uint8_t)(from[i] - first) < 26) << 5));
}

/* Eight ASCII bytes at once: 0x80 marks those from a to z (or A to Z), which flip 0x20.
 */
static inline uint64_t change_word(uint64_t x, bool up)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t first = up ? 'a' : 'A', last = up ? 'z' : 'Z';
    uint64_t above = x + ones * (0x80 - first), past = x + ones * (0x7f - last);
    return x ^ ((above & ~past & (ones << 7)) >> 2);
}

static void change_short(const uint64_t words[2], bool up, sl_string_view *out)
{
    const uint64_t length = UINT64_C(0xffffffff);
    uint64_t changed[2] = { (words[0] & length) | change_word(words[0] & ~length, up),
                            change_word(words[1], up) };
    memcpy(out, changed, sizeof changed);
}

/* Characters beyond ASCII change one by one; German sharp s becomes SS as in Java. */
static sl_code change_unicode(sl_kernel_call *c, const char *p, uint32_t length, bool up,
                              sl_string_view *out, sl_error *err)
{
    char *buffer = malloc((size_t)length * 3 + 8);
    uint32_t used = 0, at = 0;
    if (buffer == NULL)
        return sl_fail(err, SL_ENOMEM, "no memory for a string of %u bytes", length);
    while (at < length) {
        utf8proc_int32_t code;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)p + at,
                                              (utf8proc_ssize_t)(length - at), &code);
        if (n <= 0) { /* not UTF-8: kept as it is */
            buffer[used++] = p[at++];
            continue;
        }
        at += (uint32_t)n;
        if (up && code == 0xdf) {
            buffer[used++] = 'S';
            buffer[used++] = 'S';
            continue;
        }
        code = up ? utf8proc_toupper(code) : utf8proc_tolower(code);
        used += (uint32_t)utf8proc_encode_char(code, (utf8proc_uint8_t *)buffer + used);
    }
    char *bytes;
    sl_code result = sl_text__room(c, used, out, &bytes, err);
    if (result == SL_OK) {
        memcpy(bytes, buffer, used);
        sl_text__finish(out, bytes, used);
    }
    free(buffer);
    return result;
}

sl_code sl_kernel__upper(sl_kernel_call *c, sl_error *err)
{
    bool up = is_function(c, SL_F_UPPER);
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    sl_string_view *out = p;
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (sl_rows__next(&rows, &i)) {
        const sl_string_view *v = sl_text__at(c->args[0], i);
        uint64_t words[2];
        if (sl_text__is_short_ascii(v, words)) {
            change_short(words, up, &out[i]);
            continue;
        }
        const char *text = sl_string_data(v);
        if (!sl_utf8__is_ascii(text, v->length)) {
            SL_TRY(change_unicode(c, text, v->length, up, &out[i], err));
            continue;
        }
        char *bytes;
        SL_TRY(sl_text__room(c, v->length, &out[i], &bytes, err));
        change_ascii(text, v->length, up, bytes);
        sl_text__finish(&out[i], bytes, v->length);
    }
    return SL_OK;
}

/* ---- length ---- */

sl_code sl_kernel__length(sl_kernel_call *c, sl_error *err)
{
    bool characters =
        is_function(c, SL_F_LENGTH) && c->args[0]->type->id == SL_TYPE_STRING;
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    int32_t *out = p;
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (sl_rows__next(&rows, &i)) {
        const sl_string_view *v = sl_text__at(c->args[0], i);
        uint64_t words[2];
        bool bytes = !characters || sl_text__is_short_ascii(v, words);
        out[i] =
            (int32_t)(!bytes ? sl_utf8__count(sl_string_data(v), v->length) : v->length);
    }
    return SL_OK;
}

/* ---- parts of strings ---- */

/* Characters [start, end) of the text, start and end from 0; start may be negative. */
static sl_string_view part_of(const sl_string_view *v, int64_t start, int64_t end)
{
    const char *p = sl_string_data(v);
    if (start < 0)
        start = 0;
    if (end <= start || start >= v->length)
        return sl_string_view_make(p, 0);
    uint32_t from = sl_utf8__offset(p, v->length, (uint32_t)start);
    uint32_t to = v->length;
    if (end - start < v->length - from)
        to = from + sl_utf8__offset(p + from, v->length - from, (uint32_t)(end - start));
    return sl_string_view_make(p + from, to - from);
}

/* Java's substringSQL: a position of 0 is 1; a negative one counts from the end and may
 * start before the text. */
static sl_string_view substring_sql(const sl_string_view *v, int32_t position,
                                    int32_t length)
{
    int64_t start = position > 0 ? (int64_t)position - 1 : 0;
    if (position < 0)
        start = (int64_t)sl_utf8__count(sl_string_data(v), v->length) + position;
    return part_of(v, start, length == INT32_MAX ? INT64_MAX : start + length);
}

sl_code sl_kernel__substring(sl_kernel_call *c, sl_error *err)
{
    bool left = is_function(c, SL_F_LEFT), right = is_function(c, SL_F_RIGHT);
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    sl_string_view *out = p;
    sl_register__hold(c->out, c->args[0]);
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (sl_rows__next(&rows, &i)) {
        const sl_string_view *v = sl_text__at(c->args[0], i);
        int32_t n = sl_int__at(c->args[1], i);
        if (left)
            out[i] = part_of(v, 0, n);
        else if (right)
            out[i] =
                n <= 0
                    ? part_of(v, 0, 0)
                    : part_of(v,
                              (int64_t)sl_utf8__count(sl_string_data(v), v->length) - n,
                              INT64_MAX);
        else
            out[i] = substring_sql(v, n, sl_int__at(c->args[2], i));
    }
    return SL_OK;
}

/* The character of `width` bytes at p is one of the set. */
static bool in_set(const char *p, uint32_t width, const sl_string_view *set)
{
    const char *s = sl_string_data(set);
    for (uint32_t at = 0; at < set->length;) {
        uint32_t w = sl_utf8__width(s + at, set->length - at);
        if (w == width && memcmp(s + at, p, w) == 0)
            return true;
        at += w;
    }
    return false;
}

static sl_string_view trimmed(const sl_string_view *v, const sl_string_view *set,
                              bool start, bool end)
{
    const char *p = sl_string_data(v);
    uint32_t from = 0, to = v->length;
    while (start && from < to) {
        uint32_t width = sl_utf8__width(p + from, to - from);
        if (!in_set(p + from, width, set))
            break;
        from += width;
    }
    while (end && from < to) {
        uint32_t width = 1;
        while (width < 4 && width < to - from && ((uint8_t)p[to - width] & 0xc0) == 0x80)
            width++;
        if (!in_set(p + to - width, width, set))
            break;
        to -= width;
    }
    return sl_string_view_make(p + from, to - from);
}

sl_code sl_kernel__trim(sl_kernel_call *c, sl_error *err)
{
    const sl_string_view space = sl_string_view_make(" ", 1);
    bool start = !is_function(c, SL_F_RTRIM), end = !is_function(c, SL_F_LTRIM);
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    sl_string_view *out = p;
    const sl_vector *text = c->args[c->arg_count - 1]; /* the characters come first */
    sl_register__hold(c->out, text);
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (sl_rows__next(&rows, &i))
        out[i] =
            trimmed(sl_text__at(text, i),
                    c->arg_count == 2 ? sl_text__at(c->args[0], i) : &space, start, end);
    return SL_OK;
}

/* ---- put together ---- */

sl_code sl_kernel__concat(sl_kernel_call *c, sl_error *err)
{
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    sl_string_view *out = p;
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (sl_rows__next(&rows, &i)) {
        uint64_t length = 0;
        for (uint32_t k = 0; k < c->arg_count; k++)
            length += sl_text__at(c->args[k], i)->length;
        char *bytes, *at;
        SL_TRY(sl_text__room(c, length, &out[i], &bytes, err));
        at = bytes;
        for (uint32_t k = 0; k < c->arg_count; k++) {
            const sl_string_view *v = sl_text__at(c->args[k], i);
            memcpy(at, sl_string_data(v), v->length);
            at += v->length;
        }
        sl_text__finish(&out[i], bytes, length);
    }
    return SL_OK;
}

/* Null only if the separator is. */
sl_code sl_kernel__concat_ws(sl_kernel_call *c, sl_error *err)
{
    void *p;
    uint64_t *validity;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    SL_TRY(sl_register__validity(c->out, c->rows, &validity, err));
    for (size_t w = 0; w < sl_bitmap_words(c->rows); w++)
        validity[w] = sl_vector__valid_word(c->args[0], w);
    sl_string_view *out = p;
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (sl_rows__next(&rows, &i)) {
        const sl_string_view *separator = sl_text__at(c->args[0], i);
        uint64_t length = 0, parts = 0;
        for (uint32_t k = 1; k < c->arg_count; k++) {
            if (sl_vector__valid(c->args[k], i)) {
                length += sl_text__at(c->args[k], i)->length;
                length += parts++ != 0 ? separator->length : 0;
            }
        }
        char *bytes, *at;
        SL_TRY(sl_text__room(c, length, &out[i], &bytes, err));
        at = bytes;
        for (uint32_t k = 1, written = 0; k < c->arg_count; k++) {
            if (!sl_vector__valid(c->args[k], i))
                continue;
            const sl_string_view *v = sl_text__at(c->args[k], i);
            if (written++ != 0) {
                memcpy(at, sl_string_data(separator), separator->length);
                at += separator->length;
            }
            memcpy(at, sl_string_data(v), v->length);
            at += v->length;
        }
        sl_text__finish(&out[i], bytes, length);
    }
    return SL_OK;
}

static void fill_repeated(char *to, uint64_t bytes, const char *unit, uint32_t unit_bytes)
{
    for (uint64_t at = 0; at < bytes; at += unit_bytes)
        memcpy(to + at, unit, bytes - at < unit_bytes ? bytes - at : unit_bytes);
}

sl_code sl_kernel__repeat(sl_kernel_call *c, sl_error *err)
{
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    sl_string_view *out = p;
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (sl_rows__next(&rows, &i)) {
        const sl_string_view *v = sl_text__at(c->args[0], i);
        int32_t times = sl_int__at(c->args[1], i);
        uint64_t length = times > 0 ? (uint64_t)v->length * (uint32_t)times : 0;
        char *bytes;
        SL_TRY(sl_text__room(c, length, &out[i], &bytes, err));
        if (length != 0)
            fill_repeated(bytes, length, sl_string_data(v), v->length);
        sl_text__finish(&out[i], bytes, length);
    }
    return SL_OK;
}

/* Bytes of n characters of `pad`, repeated as often as needed; 0 if there are none. */
static uint64_t pad_bytes(const sl_string_view *pad, uint32_t characters)
{
    const char *p = sl_string_data(pad);
    uint32_t each = sl_utf8__count(p, pad->length);
    if (each == 0)
        return 0;
    return (uint64_t)(characters / each) * pad->length +
           sl_utf8__offset(p, pad->length, characters % each);
}

sl_code sl_kernel__pad(sl_kernel_call *c, sl_error *err)
{
    bool left = is_function(c, SL_F_LPAD);
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    sl_string_view *out = p;
    sl_register__hold(c->out, c->args[0]);
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (sl_rows__next(&rows, &i)) {
        const sl_string_view *v = sl_text__at(c->args[0], i);
        const sl_string_view *pad = sl_text__at(c->args[2], i);
        int32_t want = sl_int__at(c->args[1], i);
        uint32_t have = sl_utf8__count(sl_string_data(v), v->length);
        if (want <= (int64_t)have || pad->length == 0) {
            out[i] = part_of(v, 0, want);
            continue;
        }
        uint64_t extra = pad_bytes(pad, (uint32_t)want - have);
        char *bytes;
        SL_TRY(sl_text__room(c, v->length + extra, &out[i], &bytes, err));
        memcpy(bytes + (left ? extra : 0), sl_string_data(v), v->length);
        fill_repeated(bytes + (left ? 0 : v->length), extra, sl_string_data(pad),
                      pad->length);
        sl_text__finish(&out[i], bytes, v->length + extra);
    }
    return SL_OK;
}

sl_code sl_kernel__reverse(sl_kernel_call *c, sl_error *err)
{
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    sl_string_view *out = p;
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (sl_rows__next(&rows, &i)) {
        const sl_string_view *v = sl_text__at(c->args[0], i);
        const char *text = sl_string_data(v);
        char *bytes;
        SL_TRY(sl_text__room(c, v->length, &out[i], &bytes, err));
        for (uint32_t at = 0; at < v->length;) {
            uint32_t width = sl_utf8__width(text + at, v->length - at);
            memcpy(bytes + v->length - at - width, text + at, width);
            at += width;
        }
        sl_text__finish(&out[i], bytes, v->length);
    }
    return SL_OK;
}
