/* Values into columns.  One function decides what a token means for a type, whichever
 * way the line was read, so both ways agree by construction. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "formats/json_private.h"

/* ---- the wanted fields ---- */

static bool can_hold(const sl_type *t)
{
    switch (t->id) {
    case SL_TYPE_DECIMAL:
    case SL_TYPE_INTERVAL_DAY_TIME:
    case SL_TYPE_INTERVAL_YEAR_MONTH:
    case SL_TYPE_ARRAY:
    case SL_TYPE_MAP:
        return false;
    default:
        return true;
    }
}

sl_code sl_json__field_init(sl_json__field *f, const char *name, const sl_type *type,
                            sl_error *err)
{
    if (!can_hold(type)) {
        sl_bytes text = { 0 };
        sl_type_sql(type, &text);
        sl_code code = sl_fail(err, SL_EUNSUPPORTED,
                               "JSON column '%s' of type %s is not supported; read it as "
                               "STRING",
                               name, sl_bytes_cstr(&text));
        sl_bytes_deinit(&text);
        return code;
    }
    sl_json__field fresh = { .name = name, .name_length = strlen(name), .type = type };
    if (type->id == SL_TYPE_STRUCT) { /* slots of none are not NULL either */
        fresh.child_count = type->field_count;
        fresh.children = sl_calloc((size_t)type->field_count + 1, sizeof *fresh.children);
        fresh.slots = sl_calloc((size_t)type->field_count + 1, sizeof *fresh.slots);
        for (uint32_t i = 0; i < type->field_count; i++) {
            sl_code code = sl_json__field_init(&fresh.children[i], type->fields[i].name,
                                               type->fields[i].type, err);
            if (code != SL_OK) {
                sl_json__field_deinit(&fresh);
                return code;
            }
        }
    }
    *f = fresh;
    return SL_OK;
}

void sl_json__field_deinit(sl_json__field *f)
{
    for (uint32_t i = 0; i < f->child_count; i++)
        sl_json__field_deinit(&f->children[i]);
    sl_free(f->children);
    sl_free(f->slots);
    *f = (sl_json__field){ 0 };
}

int32_t sl_json__field_find(sl_json__field *f, const sl_json__token *key,
                            sl_bytes *scratch)
{
    sl_span text = sl_json__token_text(key, scratch);
    uint32_t i = f->hint < f->child_count ? f->hint : 0; /* keys come in the same order */
    for (uint32_t n = 0; n < f->child_count; n++) {
        const sl_json__field *child = &f->children[i];
        if (child->name_length == text.size_bytes && child->name != NULL &&
            memcmp(child->name, text.data, text.size_bytes) == 0) {
            f->hint = i + 1;
            return (int32_t)i;
        }
        i = i + 1 < f->child_count ? i + 1 : 0;
    }
    return -1;
}

/* ---- numbers ---- */

static bool token_int64(const sl_json__token *t, int64_t *ret)
{
    const char *p = t->begin;
    bool negative = *p == '-';
    uint64_t v = 0, limit = negative ? UINT64_C(1) << 63 : INT64_MAX;
    for (p += negative; p < t->end; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (v > (limit - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *ret = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

static double strtod_of(const char *text, size_t length)
{
    char small[64];
    char *copy = length < sizeof small ? small : sl_alloc(length + 1);
    memcpy(copy, text, length);
    copy[length] = '\0';
    double v = strtod(copy, NULL);
    if (copy != small)
        sl_free(copy);
    return v;
}

/* Up to 19 digits and a small power of ten: both are exact as doubles, so one multiply or
 * divide rounds right (Clinger, How to read floating point numbers accurately, 1990). The
 * rest is strtod's. */
bool sl_json__number_double(const char *text, size_t length, double *ret)
{
    static const double POWERS[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    const char *p = text, *end = text + length;
    bool negative = p < end && *p == '-';
    p += negative;
    uint64_t mantissa = 0;
    uint32_t digits = 0, fraction = 0;
    bool point = false;
    for (; p < end; p++) {
        if (*p == '.' && !point) {
            point = true;
            continue;
        }
        if (*p < '0' || *p > '9' || ++digits > 19)
            break;
        mantissa = mantissa * 10 + (uint64_t)(*p - '0');
        fraction += point;
    }
    if (p == end && digits != 0 && mantissa <= UINT64_C(1) << 53 && fraction <= 22) {
        double v = (double)mantissa / POWERS[fraction];
        *ret = negative ? -v : v;
        return true;
    }
    *ret = strtod_of(text, length);
    return true;
}

static bool word_double(const char *text, size_t length, double *ret)
{
    static const struct {
        const char *word;
        double value;
    } WORDS[] = {
        { "NaN", NAN },       { "Infinity", INFINITY }, { "+Infinity", INFINITY },
        { "INF", INFINITY },  { "+INF", INFINITY },     { "-Infinity", -INFINITY },
        { "-INF", -INFINITY }
    };
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (strlen(WORDS[i].word) == length && memcmp(WORDS[i].word, text, length) == 0) {
            *ret = WORDS[i].value;
            return true;
        }
    return false;
}

/* ---- a token for a type ---- */

static sl_code put_bad(sl_column_builder *b, bool *ret_bad, sl_error *err)
{
    *ret_bad = true;
    return sl_column_builder_null(b, err);
}

static sl_code put_integer(const sl_json__token *t, sl_column_builder *b, bool *ret_bad,
                           sl_error *err)
{
    int64_t v;
    if (t->kind != SL_JSON__INT || !token_int64(t, &v))
        return put_bad(b, ret_bad, err);
    uint32_t bits = sl_type_width(b->type) * 8;
    if (bits == 64)
        return sl_column_builder_i64(b, v, err);
    int64_t max = (INT64_C(1) << (bits - 1)) - 1;
    if (v > max || v < -max - 1)
        return put_bad(b, ret_bad, err);
    return sl_column_builder_i32(b, (int32_t)v, err);
}

static sl_code put_double(sl_json__store *s, const sl_json__token *t,
                          sl_column_builder *b, bool *ret_bad, sl_error *err)
{
    double v;
    bool good = false;
    if (t->kind == SL_JSON__INT || t->kind == SL_JSON__FLOAT) {
        good = sl_json__number_double(t->begin, (size_t)(t->end - t->begin), &v);
    } else if (t->kind == SL_JSON__NON_NUMERIC) {
        good = word_double(t->begin, (size_t)(t->end - t->begin), &v);
    } else if (t->kind == SL_JSON__STRING) {
        sl_span text = sl_json__token_text(t, &s->text);
        good = word_double((const char *)text.data, text.size_bytes, &v);
    }
    return good ? sl_column_builder_f64(b, v, err) : put_bad(b, ret_bad, err);
}

/* Seconds as an integer, else Spark's lenient text (spark:FJ3). */
static sl_code put_timestamp(sl_json__store *s, const sl_json__token *t,
                             sl_column_builder *b, bool *ret_bad, sl_error *err)
{
    int64_t v;
    bool good = false;
    if (t->kind == SL_JSON__STRING) {
        bool zoned = b->type->id == SL_TYPE_TIMESTAMP;
        sl_span text = sl_json__token_text(t, &s->text);
        good = sl_timestamp_parse((const char *)text.data, text.size_bytes,
                                  zoned ? s->zone : sl_time_zone_utc(), &v);
    } else if (t->kind == SL_JSON__INT && b->type->id == SL_TYPE_TIMESTAMP) {
        good = token_int64(t, &v) && !__builtin_mul_overflow(v, INT64_C(1000000), &v);
    }
    return good ? sl_column_builder_i64(b, v, err) : put_bad(b, ret_bad, err);
}

static sl_code put_date(sl_json__store *s, const sl_json__token *t, sl_column_builder *b,
                        bool *ret_bad, sl_error *err)
{
    int32_t days;
    if (t->kind != SL_JSON__STRING)
        return put_bad(b, ret_bad, err);
    sl_span text = sl_json__token_text(t, &s->text);
    if (!sl_date_parse((const char *)text.data, text.size_bytes, &days))
        return put_bad(b, ret_bad, err);
    return sl_column_builder_i32(b, days, err);
}

static sl_code put_string(sl_json__store *s, const sl_json__token *t,
                          sl_column_builder *b, bool *ret_bad, sl_error *err)
{
    sl_span text = t->kind == SL_JSON__STRING
                       ? sl_json__token_text(t, &s->text)
                       : sl_span_of(t->begin, (size_t)(t->end - t->begin));
    if (text.size_bytes > SL_STRING_BYTES_MAX)
        return put_bad(b, ret_bad, err);
    const char *data = (const char *)text.data;
    uint32_t length = (uint32_t)text.size_bytes;
    if (s->block == NULL || t->escaped || length <= SL_STRING_INLINE_MAX)
        return sl_column_builder_string(b, data, length, err);
    sl_column_builder_share(b, s->block);
    return sl_column_builder_string_view(b, sl_string_view_make(data, length), err);
}

static int base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* In place: the text shrinks. False if it is not base64. */
static bool decode_base64(uint8_t *data, size_t length, size_t *ret_length)
{
    while (length > 0 && data[length - 1] == '=')
        length--;
    if (length % 4 == 1)
        return false;
    size_t out = 0;
    uint32_t bits = 0, have = 0;
    for (size_t i = 0; i < length; i++) {
        int digit = base64_digit(data[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        have += 6;
        if (have >= 8) {
            have -= 8;
            data[out++] = (uint8_t)(bits >> have);
        }
    }
    *ret_length = out;
    return true;
}

static sl_code put_binary(sl_json__store *s, const sl_json__token *t,
                          sl_column_builder *b, bool *ret_bad, sl_error *err)
{
    if (t->kind != SL_JSON__STRING)
        return put_bad(b, ret_bad, err);
    sl_span text = sl_json__token_text(t, &s->text);
    if (!t->escaped) {
        sl_bytes_clear(&s->text);
        sl_bytes_append(&s->text, text.data, text.size_bytes);
    }
    size_t length = 0;
    if (s->text.size_bytes != 0 &&
        !decode_base64(s->text.data, s->text.size_bytes, &length))
        return put_bad(b, ret_bad, err);
    if (length > SL_STRING_BYTES_MAX)
        return put_bad(b, ret_bad, err);
    return sl_column_builder_string(b, sl_bytes_cstr(&s->text), (uint32_t)length, err);
}

typedef struct collect {
    sl_json__field *field;
    sl_bytes *scratch;
} collect;

static void collect_member(const sl_json__token *key, const sl_json__token *value,
                           void *user)
{
    collect *c = user;
    int32_t child = sl_json__field_find(c->field, key, c->scratch);
    if (child >= 0)
        c->field->slots[child] = *value; /* of equal names the last counts */
}

/* The token was checked when it was read, so reading its members cannot fail. */
static sl_code put_struct(sl_json__store *s, sl_json__field *f, const sl_json__token *t,
                          sl_column_builder *b, bool *ret_bad, sl_error *err)
{
    if (t->kind != SL_JSON__OBJECT)
        return put_bad(b, ret_bad, err);
    for (uint32_t i = 0; i < f->child_count; i++)
        f->slots[i].kind = SL_JSON__ABSENT;
    f->hint = 0;
    sl_json__cursor cursor = { .at = t->begin, .end = t->end, .options = s->options };
    collect members = { f, &s->key };
    bool whole = sl_json__read_object(&cursor, 0, collect_member, &members);
    SL_DASSERT(whole);
    if (!whole)
        return put_bad(b, ret_bad, err);
    for (uint32_t i = 0; i < f->child_count; i++)
        SL_TRY(sl_json__put(s, &f->children[i], &f->slots[i], &b->children[i], ret_bad,
                            err));
    return sl_column_builder_struct(b, err);
}

sl_code sl_json__put(sl_json__store *s, sl_json__field *f, const sl_json__token *t,
                     sl_column_builder *b, bool *ret_bad, sl_error *err)
{
    if (t->kind == SL_JSON__ABSENT || t->kind == SL_JSON__NULL)
        return sl_column_builder_null(b, err);
    switch (b->type->id) {
    case SL_TYPE_BOOLEAN:
        if (t->kind != SL_JSON__TRUE && t->kind != SL_JSON__FALSE)
            return put_bad(b, ret_bad, err);
        return sl_column_builder_bool(b, t->kind == SL_JSON__TRUE, err);
    case SL_TYPE_BYTE:
    case SL_TYPE_SHORT:
    case SL_TYPE_INT:
    case SL_TYPE_LONG:
        return put_integer(t, b, ret_bad, err);
    case SL_TYPE_FLOAT:
    case SL_TYPE_DOUBLE:
        return put_double(s, t, b, ret_bad, err);
    case SL_TYPE_TIMESTAMP:
    case SL_TYPE_TIMESTAMP_NTZ:
        return put_timestamp(s, t, b, ret_bad, err);
    case SL_TYPE_DATE:
        return put_date(s, t, b, ret_bad, err);
    case SL_TYPE_STRING:
        return put_string(s, t, b, ret_bad, err);
    case SL_TYPE_BINARY:
        return put_binary(s, t, b, ret_bad, err);
    case SL_TYPE_STRUCT:
        return put_struct(s, f, t, b, ret_bad, err);
    default: /* VOID; others were refused at open */
        return put_bad(b, ret_bad, err);
    }
}

void sl_json__undo(sl_column_builder *b, uint32_t row)
{
    uint64_t *validity =
        b->validity != NULL ? (uint64_t *)(void *)b->validity->data : NULL;
    if (validity != NULL && row < b->capacity && !sl_bitmap_get(validity, row)) {
        sl_bitmap_set(validity, row);
        b->null_count--;
    }
    if (b->type->id == SL_TYPE_VOID && b->length > row)
        b->null_count--;
    if (b->length > row)
        b->length = row;
    if (b->children != NULL)
        for (uint32_t i = 0; i < b->type->field_count; i++)
            sl_json__undo(&b->children[i], row);
}
