/* Resolvers that need nothing but the signature, and names that stand for others. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "engine/expr/function_private.h"

/* ---- signatures ---- */

typedef struct arity {
    uint32_t least, most; /* most UINT32_MAX = any number */
} arity;

static arity arity_of(const char *signature)
{
    arity a = { 0, 0 };
    bool optional = false;
    for (const char *p = strchr(signature, ':') + 1; *p != '\0'; p++) {
        if (*p == '?') {
            optional = true;
        } else if (*p == '*') {
            a.most = UINT32_MAX;
        } else {
            a.most++;
            a.least += optional ? 0 : 1;
        }
    }
    return a;
}

sl_code sl_resolve__arity(const sl_call_site *s, sl_error *err)
{
    arity a = arity_of(s->function->signature);
    if (s->arg_count >= a.least && s->arg_count <= a.most)
        return SL_OK;
    char expected[64];
    if (a.most == UINT32_MAX)
        snprintf(expected, sizeof expected, "> %u", a.least - 1);
    else if (a.least == a.most)
        snprintf(expected, sizeof expected, "%u", a.least);
    else
        snprintf(expected, sizeof expected, "[%u, %u]", a.least, a.most);
    return sl_fail_as(
        err, SL_EANALYSIS, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605",
        "The `%s` requires %s parameters but the actual number is %u. It is "
        "written: %s",
        s->name, expected, s->arg_count, s->function->usage);
}

static const sl_type *type_of_letter(char letter)
{
    switch (letter) {
    case 'b':
        return sl_type_of(SL_TYPE_BOOLEAN);
    case 'i':
        return sl_type_of(SL_TYPE_INT);
    case 'l':
        return sl_type_of(SL_TYPE_LONG);
    case 'd':
        return sl_type_of(SL_TYPE_DOUBLE);
    case 's':
        return sl_type_of(SL_TYPE_STRING);
    case 'a':
        return sl_type_of(SL_TYPE_DATE);
    case 't':
        return sl_type_of(SL_TYPE_TIMESTAMP);
    case 'v':
        return sl_type_of(SL_TYPE_INTERVAL_DAY_TIME);
    default:
        return NULL; /* y, c, n, 1 */
    }
}

sl_code sl_resolve__generic(sl_call_site *s, sl_error *err)
{
    const char *signature = s->function->signature;
    const char *p = strchr(signature, ':') + 1;
    char letter = 'y';
    for (uint32_t i = 0; i < s->arg_count; i++) {
        while (*p == '?')
            p++;
        if (*p != '\0' && *p != '*')
            letter = *p++; /* past the last letter it repeats */
        const sl_type *type = type_of_letter(letter);
        if (type == NULL || (letter == 't' && sl_type__is_time(s->args[i]->type)))
            continue;
        SL_TRY(sl_coerce__argument(s, i, type, err));
    }
    if (s->type == NULL)
        s->type = type_of_letter(signature[0]);
    SL_ASSERT(s->type != NULL);
    if (s->pretty == NULL && s->function->kernel != NULL) {
        static const sl_function_id capitals[] = { SL_F_SQRT, SL_F_EXP, SL_F_LOG10 };
        for (size_t i = 0; i < sizeof capitals / sizeof *capitals; i++) {
            if (s->function != sl_function__get(capitals[i]))
                continue;
            char name[16];
            size_t n = strlen(s->name);
            for (size_t k = 0; k <= n && n < sizeof name; k++)
                name[k] = (char)toupper((unsigned char)s->name[k]);
            s->pretty = sl_pretty__call(s, name);
        }
    }
    return SL_OK;
}

/* Made by constructors only: a call by name is as unknown as any other word. */
sl_code sl_resolve__internal(sl_call_site *s, sl_error *err)
{
    return sl_fail_as(err, SL_EANALYSIS, "UNRESOLVED_ROUTINE", "42883",
                      "Cannot resolve routine `%s`.", s->name);
}

static const struct {
    sl_function_id alias, function;
} aliases[] = {
    { SL_F_MOD_NAME, SL_F_MOD },
    { SL_F_NEGATIVE, SL_F_NEGATE },
    { SL_F_CEILING, SL_F_CEIL },
    { SL_F_POWER, SL_F_POW },
    { SL_F_EQ2, SL_F_EQ },
    { SL_F_UCASE, SL_F_UPPER },
    { SL_F_LCASE, SL_F_LOWER },
    { SL_F_CHAR_LENGTH, SL_F_LENGTH },
    { SL_F_SUBSTR, SL_F_SUBSTRING },
    { SL_F_CHARACTER_LENGTH, SL_F_LENGTH },
    { SL_F_REGEXP_LIKE, SL_F_RLIKE },
    { SL_F_REGEXP, SL_F_RLIKE },
    { SL_F_DATEADD, SL_F_DATE_ADD },
    { SL_F_DATE_DIFF, SL_F_DATEDIFF },
};

sl_code sl_resolve__alias(sl_call_site *s, sl_error *err)
{
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
        if (s->function != sl_function__get(aliases[i].alias))
            continue;
        s->function = sl_function__get(aliases[i].function);
        if (s->function == sl_function__get(SL_F_POW))
            s->pretty = sl_pretty__call(s, "POWER");
        SL_TRY(s->function->resolve(s, err));
        if (s->function == sl_function__get(SL_F_RLIKE))
            return SL_OK; /* named by its resolver */
        if (isalpha((unsigned char)s->name[0]) && strcmp(s->name, "power") != 0) {
            s->pretty = sl_pretty__call(s, s->name);
            if (s->rewritten != NULL)
                s->rewritten = sl_expr__rename(s->arena, s->rewritten, s->pretty);
        }
        return SL_OK;
    }
    return sl_fail(err, SL_EINTERNAL, "alias %s has no function", s->name);
}

#define ARGUMENTS_MAX 200 /* of one call: kernels choose among 255 values */

/* f(a, ..., z) of too many is f(a, ..., f(..., z)). */
static sl_code nest(sl_call_site *s, sl_error *err)
{
    sl_function_id id = s->function == sl_function__get(SL_F_GREATEST) ? SL_F_GREATEST
                        : s->function == sl_function__get(SL_F_LEAST)  ? SL_F_LEAST
                                                                       : SL_F_COALESCE;
    const sl_expr **args = SL_ARENA_ARRAY(s->arena, const sl_expr *, ARGUMENTS_MAX + 1);
    const sl_expr *e;
    memcpy(args, s->args, ARGUMENTS_MAX * sizeof *args);
    SL_TRY(sl_expr__call_id(s->arena, id, s->args + ARGUMENTS_MAX,
                            s->arg_count - ARGUMENTS_MAX, s->pos, &args[ARGUMENTS_MAX],
                            err));
    SL_TRY(sl_expr__call_id(s->arena, id, args, ARGUMENTS_MAX + 1, s->pos, &e, err));
    s->rewritten = sl_expr__rename(s->arena, e, sl_pretty__call(s, s->name));
    return SL_OK;
}

/* All arguments and the result are of one type; null only if all are. */
sl_code sl_resolve__common(sl_call_site *s, sl_error *err)
{
    SL_TRY(sl_coerce__common(s, 0, 1, false, &s->type, err));
    bool is_extreme = s->function == sl_function__get(SL_F_GREATEST) ||
                      s->function == sl_function__get(SL_F_LEAST);
    if (is_extreme && (!sl_type__is_ordered(s->type) || s->type->id == SL_TYPE_STRUCT))
        return sl_coerce__mismatch(s, "INVALID_ORDERING_TYPE", err,
                                   "The `%s` does not support ordering on type \"%s\".",
                                   s->name, sl_type__name(s->arena, s->type));
    s->nullable = true;
    for (uint32_t i = 0; i < s->arg_count; i++)
        s->nullable = s->nullable && s->args[i]->nullable;
    return s->arg_count > ARGUMENTS_MAX + 1 ? nest(s, err) : SL_OK;
}
