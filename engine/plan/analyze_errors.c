/* Texts the rules share: quoted names, and the nearest names in Spark's order. */
#include <ctype.h>
#include <string.h>

#include "base/text.h"
#include "engine/plan/analyze_private.h"

enum { SUGGESTIONS_MAX = 5, NAME_COMPARED_MAX = 64 };

sl_code sl_plan__at(sl_error *err, sl_sql_pos pos, sl_code code)
{
    if (err != NULL && err->line == 0) {
        err->line = pos.line;
        err->column = pos.column;
    }
    return code;
}

bool sl_plan__same_name(const sl_analyzer *a, const char *x, const char *y)
{
    return a->case_sensitive ? strcmp(x, y) == 0 : sl_text_equal_nocase(x, y);
}

const char *sl_plan__quoted(sl_arena *arena, const char *const *parts, uint32_t count)
{
    const char *text = "";
    for (uint32_t i = 0; i < count; i++)
        text = sl_arena_printf(arena, "%s%s`%s`", text, i != 0 ? "." : "", parts[i]);
    return text;
}

const char *sl_plan__type_sql(sl_arena *arena, const sl_type *t)
{
    sl_bytes text = { 0 };
    sl_type_sql(t, &text);
    const char *copy = sl_arena_strdup(arena, sl_bytes_cstr(&text));
    sl_bytes_deinit(&text);
    return copy;
}

/* Levenshtein's distance of the first 64 bytes, case ignored. */
static uint32_t distance(const char *a, const char *b)
{
    uint32_t row[NAME_COMPARED_MAX + 1];
    uint32_t m = (uint32_t)strnlen(a, NAME_COMPARED_MAX);
    uint32_t n = (uint32_t)strnlen(b, NAME_COMPARED_MAX);
    for (uint32_t j = 0; j <= n; j++)
        row[j] = j;
    for (uint32_t i = 1; i <= m; i++) {
        uint32_t diagonal = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= n; j++) {
            bool same =
                tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
            uint32_t best = diagonal + (same ? 0 : 1);
            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
        }
    }
    return row[n];
}

const char *sl_plan__suggest(sl_arena *arena, const char *name, const char *const *names,
                             uint32_t count)
{
    uint32_t best[SUGGESTIONS_MAX], score[SUGGESTIONS_MAX], found = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t d = distance(name, names[i]), at = found;
        while (at > 0 && score[at - 1] > d)
            at--;
        if (at == SUGGESTIONS_MAX)
            continue;
        uint32_t last = found < SUGGESTIONS_MAX ? found : SUGGESTIONS_MAX - 1;
        for (uint32_t j = last; j > at; j--) {
            best[j] = best[j - 1];
            score[j] = score[j - 1];
        }
        best[at] = i;
        score[at] = d;
        found = last + 1;
    }
    const char *text = NULL;
    for (uint32_t i = 0; i < found; i++)
        text = sl_arena_printf(arena, "%s%s`%.100s`", text != NULL ? text : "",
                               text != NULL ? ", " : "", names[best[i]]);
    return text;
}

sl_code sl_plan__too_deep(sl_sql_pos pos, sl_error *err)
{
    return sl_plan__at(err, pos,
                       sl_fail(err, SL_ELIMIT,
                               "nested deeper than %d: split the expression or query "
                               "with a view or WITH",
                               SL_SQL_DEPTH_MAX));
}
