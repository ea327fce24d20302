#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

typedef struct code_facts {
    const char *name;
    sl_error_kind kind;
    const char *condition;
    const char *sqlstate;
} code_facts;

static const code_facts facts_of_code[SL_CODE_COUNT] = {
    [SL_OK] = { "OK", SL_KIND_USER, "", "00000" },
#define X(code, kind, condition, sqlstate, meaning)                                      \
    [SL_##code] = { #code, SL_KIND_##kind, condition, sqlstate },
#include "base/errors.def"
#undef X
};

static void copy_text(char *target, size_t target_bytes, const char *source)
{
    size_t length = strnlen(source, target_bytes - 1);
    memcpy(target, source, length);
    target[length] = '\0';
}

/* Append ": <more>" to a text of `length` characters, as far as it fits. */
static void append_text(char *text, size_t text_bytes, int length, const char *more)
{
    size_t at = (size_t)length;
    if (at + 2 >= text_bytes)
        return;
    memcpy(text + at, ": ", 2);
    copy_text(text + at + 2, text_bytes - at - 2, more);
}

/* The text is made before *err is touched: an argument may be err->text itself. */
static sl_code fail_with(sl_error *err, sl_code code, const char *condition,
                         const char *sqlstate, const char *suffix, const char *fmt,
                         va_list args)
{
    SL_ASSERT(code > SL_OK && code < SL_CODE_COUNT);
    if (!err)
        return code;

    char text[sizeof err->text];
    int length = vsnprintf(text, sizeof text, fmt, args);
    if (length < 0)
        text[length = 0] = '\0';
    if (suffix)
        append_text(text, sizeof text, length, suffix);

    *err = (sl_error){ .code = code };
    copy_text(err->sqlstate, sizeof err->sqlstate,
              sqlstate ? sqlstate : facts_of_code[code].sqlstate);
    copy_text(err->condition, sizeof err->condition,
              condition ? condition : facts_of_code[code].condition);
    copy_text(err->text, sizeof err->text, text);
    return code;
}

sl_code sl_fail(sl_error *err, sl_code code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fail_with(err, code, NULL, NULL, NULL, fmt, args);
    va_end(args);
    return code;
}

sl_code sl_fail_as(sl_error *err, sl_code code, const char *condition,
                   const char *sqlstate, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fail_with(err, code, condition, sqlstate, NULL, fmt, args);
    va_end(args);
    return code;
}

static sl_code code_of_errno(int err_no)
{
    switch (err_no) {
    case ENOSPC:
    case EDQUOT:
        return SL_ENOSPACE;
    case ENOENT:
    case ENOTDIR:
        return SL_ENOTFOUND;
    case EEXIST:
    case ENOTEMPTY:
        return SL_EEXISTS;
    case ENOMEM:
        return SL_ENOMEM;
    default:
        return SL_EIO;
    }
}

sl_code sl_fail_errno(sl_error *err, int err_no, const char *fmt, ...)
{
    char buffer[128];
    const char *reason = strerror_r(err_no, buffer, sizeof buffer);
    sl_code code = code_of_errno(err_no);
    va_list args;
    va_start(args, fmt);
    fail_with(err, code, NULL, NULL, reason, fmt, args);
    va_end(args);
    return code;
}

sl_code sl_error_prefix(sl_error *err, const char *fmt, ...)
{
    if (!err)
        return SL_EINTERNAL; /* nobody can know the code; still a failure */

    char text[sizeof err->text];
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (length < 0)
        return err->code;
    append_text(text, sizeof text, length, err->text);
    copy_text(err->text, sizeof err->text, text);
    return err->code;
}

const char *sl_code_name(sl_code code)
{
    return code >= SL_OK && code < SL_CODE_COUNT ? facts_of_code[code].name : "UNKNOWN";
}

sl_error_kind sl_code_kind(sl_code code)
{
    return code >= SL_OK && code < SL_CODE_COUNT ? facts_of_code[code].kind
                                                 : SL_KIND_FATAL;
}
