#include "client/stest/clock_private.h"

#include <string.h>
#include <strings.h>

static const char *const functions[] = {
    "current_timestamp", "current_date",   "curdate", "now",
    "localtimestamp",    "unix_timestamp",
};

/* Figures of a progress report that a real clock makes. */
static const char *const figures[] = {
    "timestamp",         "inputRowsPerSecond", "processedRowsPerSecond",
    "batchDuration",     "triggerExecution",   "durationMs",
    "durationUs",        "addBatch",           "queryPlanning",
    "walCommit",         "commitOffsets",      "allUpdatesTimeMs",
    "allRemovalsTimeMs", "commitTimeMs",
};

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_';
}

/* NOW is a word of triggers too. */
static const char *function_at(const char *word, size_t n)
{
    if (n == 3 && word[n] != '(')
        return NULL;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (strlen(functions[i]) == n && strncasecmp(functions[i], word, n) == 0)
            return functions[i];
    return NULL;
}

/* A function of the clock among the words that are not quoted. */
static const char *clock_function(const char *sql)
{
    char quote = '\0';
    for (const char *at = sql; *at != '\0'; at++) {
        if (quote != '\0') {
            if (*at == '\\' && at[1] != '\0')
                at++;
            else if (*at == quote)
                quote = '\0';
        } else if (*at == '\'' || *at == '"' || *at == '`') {
            quote = *at;
        } else if (is_word(*at)) {
            const char *word = at;
            while (is_word(at[1]))
                at++;
            const char *found = function_at(word, (size_t)(at - word) + 1);
            if (found != NULL)
                return found;
        }
    }
    return NULL;
}

static const char *clock_figure(const stest_item *item)
{
    for (uint32_t i = 0; i < item->fact_count; i++) {
        const char *dot = strrchr(item->facts[i].key, '.');
        const char *name = dot != NULL ? dot + 1 : item->facts[i].key;
        for (size_t k = 0; k < sizeof figures / sizeof *figures; k++)
            if (strcmp(figures[k], name) == 0)
                return figures[k];
    }
    return NULL;
}

const char *stest_clock_reason(const stest_script *script, uint32_t from, uint32_t to,
                               sl_arena *arena)
{
    for (uint32_t i = from; i < to; i++) {
        const stest_item *item = &script->items[i];
        const char *what = NULL;
        if (item->kind == STEST_ADVANCE || item->kind == STEST_TAKE)
            return "moves processing time";
        if (item->kind == STEST_SQL)
            what = clock_function(item->text);
        else if (item->kind == STEST_PROGRESS)
            what = clock_figure(item);
        if (what != NULL)
            return sl_arena_printf(arena, "depends on processing time: %s", what);
    }
    return NULL;
}
