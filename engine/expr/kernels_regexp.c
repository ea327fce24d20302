/* Regular expressions, by PCRE2: RLIKE, regexp_extract, regexp_replace.  A constant
 * pattern is compiled once a chunk, others for each row; what would run for ever ends at
 * MATCH_LIMIT with an error. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "engine/expr/kernels_text_private.h"

#define MATCH_LIMIT 10000000u

/* A pattern ready to be used. */
typedef struct regexp {
    const sl_kernel_call *call;
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *context;
} regexp;

static void close_pattern(regexp *r)
{
    pcre2_match_data_free(r->match);
    pcre2_code_free(r->code);
    r->match = NULL;
    r->code = NULL;
}

static void close_regexp(regexp *r)
{
    close_pattern(r);
    pcre2_match_context_free(r->context);
}

static sl_code bad_pattern(const regexp *r, const sl_string_view *pattern, int error,
                           size_t at, sl_error *err)
{
    PCRE2_UCHAR text[160] = "";
    pcre2_get_error_message(error, text, sizeof text);
    return sl_call__fail(r->call, "INVALID_PARAMETER_VALUE.PATTERN", "22023", err,
                         "The value of parameter(s) `regexp` in `%s` is invalid: '%.*s' "
                         "(%s, at character %zu).",
                         r->call->expr->function->name,
                         pattern->length > 200 ? 200 : (int)pattern->length,
                         sl_string_data(pattern), (const char *)text, at);
}

static sl_code open_pattern(regexp *r, const sl_string_view *pattern, sl_error *err)
{
    int error;
    size_t at;
    close_pattern(r);
    if (r->context == NULL) {
        r->context = pcre2_match_context_create(NULL);
        if (r->context == NULL)
            return sl_fail(err, SL_ENOMEM, "no memory for a regular expression");
        pcre2_set_match_limit(r->context, MATCH_LIMIT);
    }
    r->code = pcre2_compile((PCRE2_SPTR)sl_string_data(pattern), pattern->length,
                            PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C,
                            &error, &at, NULL);
    if (r->code == NULL)
        return bad_pattern(r, pattern, error, at, err);
    (void)pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE); /* slower without: no harm */
    r->match = pcre2_match_data_create_from_pattern(r->code, NULL);
    if (r->match == NULL)
        return sl_fail(err, SL_ENOMEM, "no memory for a regular expression");
    return SL_OK;
}

/* *ret_groups: 0 = no match, else groups that are set, with the whole match. */
static sl_code find(const regexp *r, const sl_string_view *v, size_t from,
                    uint32_t options, uint32_t *ret_groups, sl_error *err)
{
    int n = pcre2_match(r->code, (PCRE2_SPTR)sl_string_data(v), v->length, from, options,
                        r->match, r->context);
    if (n >= 0 || n == PCRE2_ERROR_NOMATCH) {
        *ret_groups = n > 0 ? (uint32_t)n : 0;
        return SL_OK;
    }
    PCRE2_UCHAR text[160] = "";
    pcre2_get_error_message(n, text, sizeof text);
    return sl_call__fail(r->call, "INVALID_PARAMETER_VALUE.PATTERN", "22023", err,
                         "`%s` gave up on a text of %u bytes: %s. Write a pattern that "
                         "backtracks less.",
                         r->call->expr->function->name, v->length, (const char *)text);
}

/* The pattern of the row, in argument 1. */
static sl_code prepare(regexp *r, uint32_t row, sl_error *err)
{
    if (r->code != NULL && r->call->args[1]->is_constant)
        return SL_OK;
    return open_pattern(r, sl_text__at(r->call->args[1], row), err);
}

sl_code sl_kernel__rlike(sl_kernel_call *c, sl_error *err)
{
    regexp r = { .call = c };
    sl_code code = SL_OK;
    void *out;
    SL_TRY(sl_register__values(c->out, c->rows, &out, err));
    sl_rows rows = sl_call__rows(c);
    uint32_t i, groups = 0;
    while (code == SL_OK && sl_rows__next(&rows, &i)) {
        code = prepare(&r, i, err);
        if (code == SL_OK)
            code = find(&r, sl_text__at(c->args[0], i), 0, 0, &groups, err);
        if (code == SL_OK && groups != 0)
            sl_bitmap_set(out, i);
    }
    close_regexp(&r);
    return code;
}

/* ---- regexp_extract(text, pattern, group) ---- */

static sl_code put_text(sl_kernel_call *c, const char *text, size_t length,
                        sl_string_view *out, sl_error *err)
{
    char *bytes;
    SL_TRY(sl_text__room(c, length, out, &bytes, err));
    if (length != 0)
        memcpy(bytes, text, length);
    sl_text__finish(out, bytes, length);
    return SL_OK;
}

static sl_code extract(regexp *r, sl_kernel_call *c, uint32_t row, sl_string_view *out,
                       sl_error *err)
{
    const sl_string_view *v = sl_text__at(c->args[0], row);
    int32_t group = sl_int__at(c->args[2], row);
    uint32_t groups, most = 0;
    SL_TRY(prepare(r, row, err));
    pcre2_pattern_info(r->code, PCRE2_INFO_CAPTURECOUNT, &most);
    if (group < 0 || (uint32_t)group > most)
        return sl_call__fail(c, "INVALID_PARAMETER_VALUE.REGEX_GROUP_INDEX", "22023", err,
                             "The value of parameter(s) `idx` in `regexp_extract` is "
                             "invalid: Expects group index between 0 and %u, but got %d.",
                             most, group);
    SL_TRY(find(r, v, 0, 0, &groups, err));
    const size_t *at = pcre2_get_ovector_pointer(r->match) + 2 * (size_t)group;
    if ((uint32_t)group >= groups || at[0] == PCRE2_UNSET)
        return put_text(c, "", 0, out, err);
    return put_text(c, sl_string_data(v) + at[0], at[1] - at[0], out, err);
}

sl_code sl_kernel__regexp_extract(sl_kernel_call *c, sl_error *err)
{
    regexp r = { .call = c };
    sl_code code = SL_OK;
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (code == SL_OK && sl_rows__next(&rows, &i))
        code = extract(&r, c, i, &((sl_string_view *)p)[i], err);
    close_regexp(&r);
    return code;
}

/* ---- regexp_replace(text, pattern, replacement) ---- */

/* $1 is a group, \x is x, as in Java. */
static sl_code put_replacement(const regexp *r, const sl_string_view *by,
                               const char *text, uint32_t groups, sl_bytes *out,
                               sl_error *err)
{
    const char *p = sl_string_data(by);
    const size_t *at = pcre2_get_ovector_pointer(r->match);
    uint32_t most = 0;
    pcre2_pattern_info(r->code, PCRE2_INFO_CAPTURECOUNT, &most);
    for (uint32_t i = 0; i < by->length; i++) {
        bool digit = i + 1 < by->length && p[i + 1] >= '0' && p[i + 1] <= '9';
        if (p[i] == '$' && digit) {
            uint32_t group = (uint32_t)(p[++i] - '0');
            if (group > most)
                return sl_call__fail(
                    r->call, "INVALID_PARAMETER_VALUE.REGEX_GROUP_INDEX", "22023", err,
                    "The value of parameter(s) `rep` in `regexp_replace` is invalid: "
                    "Expects group index between 0 and %u, but got %u.",
                    most, group);
            if (group < groups && at[2 * group] != PCRE2_UNSET)
                sl_bytes_append(out, text + at[2 * group],
                                at[2 * group + 1] - at[2 * group]);
        } else {
            if (p[i] == '\\' && i + 1 < by->length)
                i++;
            sl_bytes_char(out, p[i]);
        }
    }
    return SL_OK;
}

static sl_code replace(regexp *r, sl_kernel_call *c, uint32_t row, sl_bytes *out,
                       sl_error *err)
{
    const sl_string_view *v = sl_text__at(c->args[0], row);
    const char *text = sl_string_data(v);
    size_t from = 0, copied = 0;
    SL_TRY(prepare(r, row, err));
    sl_bytes_clear(out);
    while (from <= v->length) {
        uint32_t groups;
        SL_TRY(find(r, v, from, 0, &groups, err));
        if (groups == 0)
            break;
        const size_t *at = pcre2_get_ovector_pointer(r->match);
        sl_bytes_append(out, text + copied, at[0] - copied);
        copied = at[1];
        SL_TRY(put_replacement(r, sl_text__at(c->args[2], row), text, groups, out, err));
        from = at[1];
        if (at[0] == at[1]) /* an empty match: on to the next character */
            from += from < v->length
                        ? sl_utf8__width(text + from, v->length - (uint32_t)from)
                        : 1;
    }
    sl_bytes_append(out, text + copied, v->length - copied);
    return SL_OK;
}

sl_code sl_kernel__regexp_replace(sl_kernel_call *c, sl_error *err)
{
    regexp r = { .call = c };
    sl_code code = SL_OK;
    sl_bytes text = { 0 };
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (code == SL_OK && sl_rows__next(&rows, &i)) {
        code = replace(&r, c, i, &text, err);
        if (code == SL_OK)
            code = put_text(c, sl_bytes_cstr(&text), text.size_bytes,
                            &((sl_string_view *)p)[i], err);
    }
    sl_bytes_deinit(&text);
    close_regexp(&r);
    return code;
}
