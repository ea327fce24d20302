/* error.h - how a function says that it failed.
 *
 * Every function that can fail returns sl_code and takes a last argument `sl_error *err`,
 * which may be NULL.  On failure outputs are untouched and err tells a person what,
 * where, the value seen and what to do, in one line.  err is untouched on success.
 *
 * Shape:   a plain value of fixed size, no heap; copy it freely.
 * Thread:  any. */

#ifndef SL_BASE_ERROR_H
#define SL_BASE_ERROR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

typedef enum sl_code {
    SL_OK = 0,
#define X(code, kind, condition, sqlstate, meaning) SL_##code,
#include "base/errors.def"
#undef X
    SL_CODE_COUNT
} sl_code;

typedef enum sl_error_kind { SL_KIND_USER, SL_KIND_RETRY, SL_KIND_FATAL } sl_error_kind;

typedef struct sl_error {
    sl_code code;
    uint32_t line;      /* in the SQL text, from 1; 0 = no position */
    uint32_t column;    /* in bytes from 1 */
    char sqlstate[6];   /* five letters */
    char condition[80]; /* Spark's error class where the case is Spark's */
    char text[1024];
} sl_error;

#define SL_CHECKED __attribute__((warn_unused_result))
#define SL_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

/* Fill *err (if given) and return code; condition and SQLSTATE are the code's defaults.
 */
sl_code sl_fail(sl_error *err, sl_code code, const char *fmt, ...) SL_PRINTF(3, 4);

/* The same with Spark's error class and SQLSTATE (NULL: the code's default). */
sl_code sl_fail_as(sl_error *err, sl_code code, const char *condition,
                   const char *sqlstate, const char *fmt, ...) SL_PRINTF(5, 6);

/* errno -> SL_ENOSPACE, SL_ENOTFOUND, SL_EEXISTS, SL_ENOMEM or SL_EIO; appends ":
 * <strerror>". */
sl_code sl_fail_errno(sl_error *err, int err_no, const char *fmt, ...) SL_PRINTF(3, 4);

/* Put more context in front of err->text: "<prefix>: <old text>". Returns err->code, or
 * SL_EINTERNAL without err: return the code you have where err may be NULL. */
sl_code sl_error_prefix(sl_error *err, const char *fmt, ...) SL_PRINTF(2, 3);

const char *sl_code_name(sl_code code); /* "EINVAL"; "OK" */
sl_error_kind sl_code_kind(sl_code code);

#define SL_TRY(x)                                                                        \
    do {                                                                                 \
        sl_code sl_try_code_ = (x);                                                      \
        if (sl_try_code_ != SL_OK)                                                       \
            return sl_try_code_;                                                         \
    } while (0)

/* Needs `sl_code code` and the label in scope. */
#define SL_TRY_GOTO(x, label)                                                            \
    do {                                                                                 \
        code = (x);                                                                      \
        if (code != SL_OK)                                                               \
            goto label;                                                                  \
    } while (0)

/* In clean-up: run x, but keep the first failure. */
#define SL_KEEP_FIRST(code, x)                                                           \
    do {                                                                                 \
        sl_code sl_keep_code_ = (x);                                                     \
        if ((code) == SL_OK)                                                             \
            (code) = sl_keep_code_;                                                      \
    } while (0)

#endif /* SL_BASE_ERROR_H */
