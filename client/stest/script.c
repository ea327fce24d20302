/* One pass over the lines: a line begins a directive by its first word, or SQL. */
#include "client/stest/script_private.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

struct parser {
    sl_arena *arena;
    const char *const *lines;
    uint32_t line_count, at; /* index of the line under way */
    stest_item *items;
    uint32_t count, capacity;
    sl_error *err;
};

/* ---- words ---- */

static const char *skip_space(const char *at)
{
    while (*at == ' ' || *at == '\t')
        at++;
    return at;
}

static size_t word_length(const char *at)
{
    return strcspn(at, " \t");
}

/* The next word, "" at the end; *at moves behind it. */
static const char *take_word(struct parser *p, const char **at)
{
    const char *from = skip_space(*at);
    size_t n = word_length(from);
    *at = skip_space(from + n);
    return sl_arena_strndup(p->arena, from, n);
}

/* True and *at behind it if the words follow. */
static bool take_words(const char **at, const char *words)
{
    const char *from = *at;
    while (*words != '\0') {
        size_t n = word_length(words);
        if (word_length(from) != n || strncmp(from, words, n) != 0)
            return false;
        from = skip_space(from + n);
        words = skip_space(words + n);
    }
    *at = from;
    return true;
}

static sl_code fail_here(const struct parser *p, const char *what, const char *seen)
{
    sl_code code =
        sl_fail(p->err, SL_EPARSE, "%s%s%.80s%s", what, seen != NULL ? ", not '" : "",
                seen != NULL ? seen : "", seen != NULL ? "'" : "");
    if (p->err != NULL)
        p->err->line = p->at + 1;
    return code;
}

static sl_code end_of_line(const struct parser *p, const char *at)
{
    return *at == '\0' ? SL_OK : fail_here(p, "expected the end of the line", at);
}

/* ---- bodies ---- */

/* Lines up to an empty one; rows also end before a comment and before a directive. */
static void take_body(struct parser *p, stest_item *item, bool rows)
{
    uint32_t from = p->at + 1, end = from;
    while (end < p->line_count && *p->lines[end] != '\0' &&
           !(rows &&
             (strncmp(p->lines[end], "--", 2) == 0 || stest_is_directive(p->lines[end]))))
        end++;
    item->body = p->lines + from;
    item->body_count = end - from;
    item->body_line = from + 1;
    p->at = end - 1;
}

/* ---- directives: `at` is behind the word ---- */

typedef sl_code (*directive_fn)(struct parser *p, stest_item *item, const char *at);

static sl_code named(struct parser *p, stest_item *item, const char **at,
                     const char *what)
{
    item->name = take_word(p, at);
    return *item->name != '\0' ? SL_OK : fail_here(p, what, NULL);
}

static sl_code parse_case(struct parser *p, stest_item *item, const char *at)
{
    item->text = at;
    return *at != '\0' ? SL_OK : fail_here(p, "a case needs a title", NULL);
}

static sl_code parse_skip(struct parser *p, stest_item *item, const char *at)
{
    const char *colon = strchr(at, ':');
    static const char *const flags[] = {
        "restart-every-batch", "partitions", "chunk-rows",
        "executors",           "workers",    "master"
    };
    bool known = false;
    if (colon == NULL || *skip_space(colon + 1) == '\0')
        return fail_here(p, "skip wants FLAG: REASON", at);
    item->name = sl_arena_strndup(p->arena, at, (size_t)(colon - at));
    item->text = skip_space(colon + 1);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        known = known || strcmp(flags[i], item->name) == 0;
    return known ? SL_OK
                 : fail_here(p,
                             "skip wants restart-every-batch, partitions, chunk-rows, "
                             "executors, workers or master",
                             item->name);
}

/* Columns may go over several lines, up to the closing parenthesis at the end of one. */
static sl_code parse_input(struct parser *p, stest_item *item, const char *at)
{
    SL_TRY(named(p, item, &at, "input wants NAME (COLUMN TYPE, ...)"));
    char *text = sl_arena_strdup(p->arena, at);
    while (*text == '\0' || text[strlen(text) - 1] != ')') {
        if (p->at + 1 >= p->line_count || *p->lines[p->at + 1] == '\0')
            return fail_here(p, "input wants NAME (COLUMN TYPE, ...)", text);
        text = sl_arena_printf(p->arena, "%s %s", text, p->lines[++p->at]);
    }
    item->text = text;
    return *text == '('
               ? SL_OK
               : fail_here(p, "input wants '(' and columns after the name", text);
}

static sl_code parse_feed(struct parser *p, stest_item *item, const char *at)
{
    SL_TRY(named(p, item, &at, "feed wants the NAME of an input"));
    SL_TRY(end_of_line(p, at));
    take_body(p, item, true);
    return item->body_count > 0 ? SL_OK
                                : fail_here(p, "feed wants rows on the next lines", NULL);
}

static sl_code parse_file(struct parser *p, stest_item *item, const char *at)
{
    SL_TRY(named(p, item, &at, "file wants a PATH"));
    SL_TRY(end_of_line(p, at));
    if (*item->name != '/')
        return fail_here(p, "file wants an absolute path", item->name);
    take_body(p, item, false);
    return SL_OK;
}

static sl_code parse_named(struct parser *p, stest_item *item, const char *at)
{
    SL_TRY(named(p, item, &at, "a name is missing"));
    return end_of_line(p, at);
}

static sl_code parse_bare(struct parser *p, stest_item *item, const char *at)
{
    (void)item;
    return end_of_line(p, at);
}

static sl_code parse_expect(struct parser *p, stest_item *item, const char *at)
{
    bool has_shape = false;
    for (int i = 0; i < 2 && *at != '\0'; i++) {
        if (take_words(&at, "nothing")) {
            item->shape = STEST_NOTHING;
            has_shape = true;
        } else if (take_words(&at, "no batch")) {
            item->shape = STEST_NO_BATCH;
            has_shape = true;
        } else if (take_words(&at, "in any order")) {
            item->any_order = true;
        } else if (i == 0) {
            item->name = take_word(p, &at);
        }
    }
    if (*at != '\0')
        return fail_here(p, "expect wants [QUERY] [nothing | no batch | in any order]",
                         at);
    if (item->shape == STEST_NO_BATCH && item->name == NULL)
        return fail_here(p, "`no batch` wants a query: expect QUERY no batch", NULL);
    take_body(p, item, true);
    if (has_shape && item->body_count > 0)
        return fail_here(p, "rows follow an expectation of none", item->body[0]);
    return SL_OK;
}

/* CLASS [at LINE:COLUMN][: TEXT] */
static sl_code parse_error_words(struct parser *p, stest_item *item, const char *at)
{
    size_t n = strcspn(at, " \t:");
    item->condition = sl_arena_strndup(p->arena, at, n);
    item->text = "";
    if (n == 0)
        return fail_here(p, "an error class is missing: CLASS [at LINE:COLUMN][: TEXT]",
                         NULL);
    at = skip_space(at + n);
    if (take_words(&at, "at")) {
        char *end;
        item->at_line = (uint32_t)strtoul(at, &end, 10);
        if (end == at || *end != ':')
            return fail_here(p, "`at` wants LINE:COLUMN", at);
        at = end + 1;
        item->at_column = (uint32_t)strtoul(at, &end, 10);
        if (end == at)
            return fail_here(p, "`at` wants LINE:COLUMN", at);
        at = skip_space(end);
    }
    if (*at == ':')
        item->text = skip_space(at + 1);
    else
        return end_of_line(p, at);
    return SL_OK;
}

static sl_code parse_fails(struct parser *p, stest_item *item, const char *at)
{
    SL_TRY(named(p, item, &at, "fails wants QUERY CLASS[: TEXT]"));
    return parse_error_words(p, item, at);
}

static sl_code parse_progress(struct parser *p, stest_item *item, const char *at)
{
    stest_fact *facts = SL_ARENA_ARRAY(p->arena, stest_fact, strlen(at) / 2 + 1);
    SL_TRY(named(p, item, &at, "progress wants QUERY NAME=VALUE..."));
    item->batch = -1;
    if (take_words(&at, "batch")) {
        const char *number = take_word(p, &at);
        if (sl_int64_parse(number, &item->batch, NULL) != SL_OK || item->batch < 0)
            return fail_here(p, "`batch` wants a number", number);
    }
    while (*at != '\0') {
        const char *word = take_word(p, &at);
        const char *equals = strchr(word, '=');
        if (equals == NULL || equals == word)
            return fail_here(p, "progress wants NAME=VALUE", word);
        facts[item->fact_count++] =
            (stest_fact){ sl_arena_strndup(p->arena, word, (size_t)(equals - word)),
                          equals + 1 };
    }
    item->facts = facts;
    return item->fact_count > 0
               ? SL_OK
               : fail_here(p, "progress wants NAME=VALUE after the query", NULL);
}

static sl_code parse_duration(struct parser *p, stest_item *item, const char *at)
{
    if (sl_duration_parse(at, 1000000, &item->us, NULL) != SL_OK || item->us < 0)
        return fail_here(p, "a duration is missing, such as `10 seconds` or `500 ms`",
                         at);
    return SL_OK;
}

static sl_code parse_batches(struct parser *p, stest_item *item, const char *at)
{
    if (!take_words(&at, "take"))
        return fail_here(p, "expected: batches take DURATION", at);
    return parse_duration(p, item, at);
}

static sl_code parse_crash(struct parser *p, stest_item *item, const char *at)
{
    if (!take_words(&at, "at"))
        return fail_here(p, "expected: crash at FAILPOINT[:PASS]", at);
    SL_TRY(parse_named(p, item, at));
    char *colon = strchr(item->name, ':');
    item->pass = colon != NULL ? (uint32_t)strtoul(colon + 1, NULL, 10) : 1;
    if (colon != NULL)
        *colon = '\0';
    return item->pass > 0
               ? SL_OK
               : fail_here(p, "a pass counts from 1: crash at FAILPOINT:2", NULL);
}

static const struct directive {
    const char *word;
    stest_kind kind;
    directive_fn parse;
} directives[] = {
    { "case", STEST_CASE, parse_case },
    { "skip", STEST_SKIP, parse_skip },
    { "input", STEST_INPUT, parse_input },
    { "feed", STEST_FEED, parse_feed },
    { "file", STEST_FILE, parse_file },
    { "remove", STEST_REMOVE, parse_named },
    { "expect", STEST_EXPECT, parse_expect },
    { "error", STEST_ERROR, parse_error_words },
    { "fails", STEST_FAILS, parse_fails },
    { "progress", STEST_PROGRESS, parse_progress },
    { "run", STEST_RUN, parse_bare },
    { "advance", STEST_ADVANCE, parse_duration },
    { "batches", STEST_TAKE, parse_batches },
    { "restart", STEST_RESTART, parse_bare },
    { "crash", STEST_CRASH, parse_crash },
    { "start", STEST_START, parse_named },
    { "ended", STEST_ENDED, parse_named },
};
enum { DIRECTIVES = sizeof directives / sizeof *directives };

static const struct directive *find_directive(const char *line)
{
    size_t n = word_length(line);
    for (size_t i = 0; i < DIRECTIVES; i++)
        if (strlen(directives[i].word) == n && strncmp(directives[i].word, line, n) == 0)
            return &directives[i];
    return NULL;
}

bool stest_is_directive(const char *line)
{
    return find_directive(line) != NULL;
}

bool stest_is_batch_line(const char *line, int64_t *ret_batch)
{
    const char *at = line;
    return take_words(&at, "batch") && sl_int64_parse(at, ret_batch, NULL) == SL_OK &&
           *ret_batch >= 0;
}

/* ---- SQL ---- */

/* Where a scan of SQL stands between lines: inside a quote, or a block comment. */
struct scan {
    char quote; /* ' " or `; 0 */
    bool in_comment;
};

/* Offset of the ';' that ends the statement in this line, or -1. */
static long find_semicolon(struct scan *s, const char *line)
{
    for (const char *c = line; *c != '\0'; c++) {
        if (s->in_comment) {
            if (c[0] == '*' && c[1] == '/') {
                s->in_comment = false;
                c++;
            }
        } else if (s->quote != 0) {
            if (*c == '\\' && s->quote != '`' && c[1] != '\0')
                c++;
            else if (*c == s->quote)
                s->quote = 0;
        } else if (c[0] == '-' && c[1] == '-') {
            return -1;
        } else if (c[0] == '/' && c[1] == '*') {
            s->in_comment = true;
            c++;
        } else if (*c == '\'' || *c == '"' || *c == '`') {
            s->quote = *c;
        } else if (*c == ';') {
            return c - line;
        }
    }
    return -1;
}

/* Probably a misspelt directive: SQL does not begin with a word in small letters that is
 * near one. */
static const char *nearest_directive(struct parser *p, const char *line)
{
    static const char *const sql[] = { "select", "with",    "create",  "values",
                                       "table",  "drop",    "show",    "describe",
                                       "desc",   "set",     "explain", "reset",
                                       "stop",   "refresh", "await",   "from" };
    const char *words[DIRECTIVES];
    const char *first = sl_arena_strndup(p->arena, line, word_length(line));
    for (size_t i = 0; i < sizeof sql / sizeof *sql; i++)
        if (sl_text_equal_nocase(first, sql[i]))
            return NULL;
    for (size_t i = 0; i < DIRECTIVES; i++)
        words[i] = directives[i].word;
    return islower((unsigned char)*first) ? sl_text_nearest(first, words, DIRECTIVES)
                                          : NULL;
}

static sl_code parse_sql(struct parser *p, stest_item *item)
{
    struct scan scan = { 0 };
    sl_bytes text = { 0 };
    const char *near = nearest_directive(p, p->lines[p->at]);
    if (near != NULL)
        return fail_here(
            p, sl_arena_printf(p->arena, "unknown directive; did you mean `%s`?", near),
            NULL);
    uint32_t from = p->at;
    long end = -1;
    for (; p->at < p->line_count; p->at++) {
        const char *line = p->lines[p->at];
        end = find_semicolon(&scan, line);
        sl_bytes_append(&text, line, end >= 0 ? (size_t)end : strlen(line));
        sl_bytes_char(&text, '\n');
        if (end >= 0)
            break;
    }
    item->text = sl_arena_strdup(p->arena, sl_bytes_cstr(&text));
    sl_bytes_deinit(&text);
    if (end < 0) {
        p->at = from;
        return fail_here(p, "the statement that begins here has no ';'", NULL);
    }
    const char *rest = skip_space(p->lines[p->at] + end + 1);
    return *rest == '\0' || strncmp(rest, "--", 2) == 0
               ? SL_OK
               : fail_here(p, "expected the end of the line after ';'", rest);
}

/* ---- files ---- */

static sl_code parse_item(struct parser *p)
{
    const char *line = p->lines[p->at];
    const struct directive *d = find_directive(line);
    stest_item item = { .kind = d != NULL ? d->kind : STEST_SQL, .line = p->at + 1 };
    SL_TRY(d != NULL ? d->parse(p, &item, skip_space(line + word_length(line)))
                     : parse_sql(p, &item));
    item.line_end = p->at + 2;
    p->at++;
    if (p->count == p->capacity) {
        p->capacity = p->capacity == 0 ? 32 : p->capacity * 2;
        p->items = (stest_item *)sl_realloc(p->items, p->capacity * sizeof *p->items);
    }
    p->items[p->count++] = item;
    return SL_OK;
}

/* Lines without what ends them, spaces at the right included. */
static const char *const *cut_lines(const char *text, size_t length, sl_arena *arena,
                                    uint32_t *ret_count)
{
    uint32_t n = 0;
    for (size_t i = 0; i < length; i++)
        n += text[i] == '\n';
    const char **lines = SL_ARENA_ARRAY(arena, const char *, n + 1);
    const char *at = text, *end = text + length;
    *ret_count = 0;
    while (at < end) {
        const char *stop = (const char *)memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((stop != NULL ? stop : end) - at);
        while (size > 0 && isspace((unsigned char)at[size - 1]))
            size--;
        lines[(*ret_count)++] = sl_arena_strndup(arena, at, size);
        at = stop != NULL ? stop + 1 : end;
    }
    return lines;
}

sl_code stest_script_parse(const char *path, const char *text, size_t length,
                           sl_arena *arena, stest_script *ret, sl_error *err)
{
    struct parser p = { .arena = arena, .err = err };
    sl_code code = SL_OK;
    if (memchr(text, '\0', length) != NULL)
        return sl_fail(err, SL_EPARSE, "a byte 0 in the file: it is no text");
    p.lines = cut_lines(text, length, arena, &p.line_count);
    while (code == SL_OK && p.at < p.line_count) {
        const char *line = p.lines[p.at];
        if (*line == '\0' || strncmp(line, "--", 2) == 0)
            p.at++;
        else
            code = parse_item(&p);
    }
    if (code == SL_OK)
        *ret = (stest_script){
            .path = path,
            .lines = p.lines,
            .line_count = p.line_count,
            .items = (const stest_item *)sl_arena_memdup(
                arena, p.items != NULL ? (const void *)p.items : (const void *)"",
                p.count * sizeof *p.items),
            .item_count = p.count,
        };
    sl_free(p.items);
    return code;
}
