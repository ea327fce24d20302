#include "client/cli/shell_names.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/options.h"

enum { TABLES_MAX = 100, LISTED_MAX = 200, LIST_WIDTH = 78 };

struct name {
    sl_name_kind kind;
    char *text;
};

struct sl_shell_names {
    sl_client *client; /* NULL: only what was added */
    bool is_stale;
    struct name *names;
    uint32_t count, capacity;
    uint32_t fixed_count; /* of these, what no statement changes */
};

/* ---- the names ---- */

void sl_shell_names_add(sl_shell_names *n, sl_name_kind kind, const char *text)
{
    for (uint32_t i = 0; i < n->count; i++)
        if (n->names[i].kind == kind && strcmp(n->names[i].text, text) == 0)
            return;
    if (n->count == n->capacity) {
        n->capacity = n->capacity == 0 ? 512 : n->capacity * 2;
        n->names = (struct name *)sl_realloc(n->names, n->capacity * sizeof *n->names);
    }
    n->names[n->count++] = (struct name){ kind, sl_strdup(text) };
}

static void drop_from(sl_shell_names *n, uint32_t first)
{
    while (n->count > first)
        sl_free(n->names[--n->count].text);
}

/* Column `column` of all rows of a statement's answer; a failed one has none. */
static void add_answer(sl_shell_names *n, sl_name_kind kind, const char *sql,
                       size_t column)
{
    sl_client_place place = SL_CLIENT_PLACE_START;
    sl_client_result *result = NULL;
    if (sl_client_next(n->client, sql, strlen(sql), &place, &result, NULL) !=
            SL_CLIENT_OK ||
        result == NULL)
        return;
    char *text = sl_client_result_json(result);
    json_t *root = json_loads(text, 0, NULL);
    const json_t *row;
    size_t i;
    json_array_foreach(json_object_get(root, "rows"), i, row)
    {
        const char *name = json_string_value(json_array_get(row, column));
        if (name != NULL && *name != '\0')
            sl_shell_names_add(n, kind, name);
    }
    json_decref(root);
    sl_client_text_free(text);
    sl_client_result_free(result);
}

static void add_columns(sl_shell_names *n)
{
    uint32_t tables = 0, known = n->count;
    for (uint32_t i = n->fixed_count; i < known && tables < TABLES_MAX; i++) {
        sl_bytes sql = { 0 };
        if (n->names[i].kind != SL_NAME_TABLE)
            continue;
        tables++;
        sl_bytes_text(&sql, "SHOW COLUMNS FROM `");
        for (const char *at = n->names[i].text; *at != '\0'; at++)
            sl_bytes_text(&sql, *at == '`' ? "``" : (const char[2]){ *at, '\0' });
        sl_bytes_text(&sql, "`");
        add_answer(n, SL_NAME_COLUMN, sl_bytes_cstr(&sql), 0);
        sl_bytes_deinit(&sql);
    }
}

static void add_queries(sl_shell_names *n)
{
    sl_client_query *queries;
    uint32_t count;
    if (sl_client_cluster_queries(n->client, &queries, &count, NULL) != SL_CLIENT_OK)
        return;
    for (uint32_t i = 0; i < count; i++)
        sl_shell_names_add(n, SL_NAME_QUERY, queries[i].name);
    sl_client_queries_free(queries);
}

static void refresh(sl_shell_names *n)
{
    if (!n->is_stale || n->client == NULL)
        return;
    n->is_stale = false;
    drop_from(n, n->fixed_count);
    add_answer(n, SL_NAME_FUNCTION, "SHOW FUNCTIONS", 0);
    add_answer(n, SL_NAME_TABLE, "SHOW TABLES", 1);
    add_columns(n);
    add_queries(n);
}

sl_shell_names *sl_shell_names_new(sl_client *c)
{
    static const char *const keywords[] = {
#define K(word) #word,
#include "client/cli/keywords.def"
#undef K
    };
    sl_shell_names *n = (sl_shell_names *)sl_calloc(1, sizeof *n);
    n->client = c;
    n->is_stale = true;
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        sl_shell_names_add(n, SL_NAME_KEYWORD, keywords[i]);
    for (uint32_t i = 0; i < sl_options_def_count(); i++)
        sl_shell_names_add(n, SL_NAME_SETTING, sl_options_def(i)->name);
    n->fixed_count = n->count;
    return n;
}

void sl_shell_names_free(sl_shell_names *n)
{
    if (n == NULL)
        return;
    drop_from(n, 0);
    sl_free(n->names);
    sl_free(n);
}

void sl_shell_names_changed(sl_shell_names *n)
{
    n->is_stale = true;
}

/* ---- what is looked for ---- */

static bool is_name_byte(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* The word that ends at `end`, and what stands before it. */
static size_t word_start(const char *line, size_t end, bool with_dots)
{
    while (end > 0 &&
           (is_name_byte(line[end - 1]) || (with_dots && line[end - 1] == '.')))
        end--;
    return end;
}

static bool is_word(const char *line, size_t start, size_t end, const char *word)
{
    return end - start == strlen(word) &&
           strncasecmp(line + start, word, end - start) == 0;
}

/* The kinds that may stand behind the word before. */
static unsigned kinds_after(const char *line, size_t length)
{
    static const struct {
        const char *word;
        unsigned kinds;
    } after[] = {
        { "FROM", SL_NAME_TABLE | SL_NAME_KEYWORD },
        { "JOIN", SL_NAME_TABLE | SL_NAME_KEYWORD },
        { "STREAM", SL_NAME_TABLE },
        { "TABLE", SL_NAME_TABLE | SL_NAME_KEYWORD },
        { "VIEW", SL_NAME_TABLE | SL_NAME_KEYWORD },
        { "DESCRIBE", SL_NAME_TABLE | SL_NAME_KEYWORD },
        { "QUERY", SL_NAME_QUERY },
        { "SET", SL_NAME_SETTING },
        { "RESET", SL_NAME_SETTING },
        { "SHOW", SL_NAME_KEYWORD },
        { "CREATE", SL_NAME_KEYWORD },
        { "DROP", SL_NAME_KEYWORD },
    };
    size_t end = length;
    while (end > 0 && isspace((unsigned char)line[end - 1]))
        end--;
    size_t start = word_start(line, end, false);
    if (end == length && end > 0 && start == end) /* right behind a symbol */
        return SL_NAME_KEYWORD | SL_NAME_FUNCTION | SL_NAME_TABLE | SL_NAME_COLUMN;
    for (size_t i = 0; i < sizeof after / sizeof *after; i++)
        if (is_word(line, start, end, after[i].word))
            return after[i].kinds;
    return SL_NAME_KEYWORD |
           (end > 0 ? SL_NAME_FUNCTION | SL_NAME_TABLE | SL_NAME_COLUMN : 0);
}

/* Is the end of the line inside '...' or "..."? No name is there. */
static bool is_in_string(const char *line, size_t length)
{
    char quote = '\0';
    for (size_t i = 0; i < length; i++) {
        if (quote != '\0' && line[i] == '\\')
            i++;
        else if (quote == line[i])
            quote = '\0';
        else if (quote == '\0' && (line[i] == '\'' || line[i] == '"'))
            quote = line[i];
    }
    return quote != '\0';
}

/* ---- the answer ---- */

static int by_text(const void *a, const void *b)
{
    const char *left = *(const char *const *)a, *right = *(const char *const *)b;
    int order = strcasecmp(left, right);
    return order != 0 ? order : strcmp(left, right);
}

static bool is_plain(const char *text)
{
    for (const char *at = text; *at != '\0'; at++)
        if (!is_name_byte(*at) && *at != '.')
            return false;
    return *text != '\0';
}

static bool wants_lower(const char *prefix, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (islower((unsigned char)prefix[i]))
            return true;
    return false;
}

/* Texts that start with the prefix, sorted, each once; the texts are copies. */
static uint32_t find(const sl_shell_names *n, unsigned kinds, const char *prefix,
                     size_t length, char **ret)
{
    uint32_t count = 0, kept = 0;
    bool lower = wants_lower(prefix, length);
    for (uint32_t i = 0; i < n->count; i++) {
        const struct name *name = &n->names[i];
        if ((name->kind & kinds) == 0 || strncasecmp(name->text, prefix, length) != 0 ||
            !is_plain(name->text))
            continue;
        char *text = ret[count++] = sl_strdup(name->text);
        if (name->kind == SL_NAME_KEYWORD && lower)
            for (; *text != '\0'; text++)
                *text = (char)tolower((unsigned char)*text);
    }
    qsort(ret, count, sizeof *ret, by_text);
    for (uint32_t i = 0; i < count; i++) {
        if (kept > 0 && strcasecmp(ret[kept - 1], ret[i]) == 0)
            sl_free(ret[i]);
        else
            ret[kept++] = ret[i];
    }
    return kept;
}

static size_t common_length(char *const *found, uint32_t count)
{
    size_t length = strlen(found[0]);
    for (uint32_t i = 1; i < count; i++) {
        size_t same = 0;
        while (same < length && tolower((unsigned char)found[i][same]) ==
                                    tolower((unsigned char)found[0][same]))
            same++;
        length = same;
    }
    return length;
}

static void list(char *const *found, uint32_t count, sl_bytes *out)
{
    size_t widest = 0;
    uint32_t shown = count < LISTED_MAX ? count : LISTED_MAX;
    for (uint32_t i = 0; i < shown; i++)
        widest = strlen(found[i]) > widest ? strlen(found[i]) : widest;
    uint32_t columns = (uint32_t)(LIST_WIDTH / (widest + 2));
    columns = columns > 0 ? columns : 1;
    for (uint32_t i = 0; i < shown; i++)
        sl_bytes_printf(out, "%-*s%s",
                        (i + 1) % columns == 0 || i + 1 == shown ? 0 : (int)widest + 2,
                        found[i], (i + 1) % columns == 0 || i + 1 == shown ? "\n" : "");
    if (shown < count)
        sl_bytes_printf(out, "... and %u more\n", count - shown);
}

static void answer(char *const *found, uint32_t count, size_t typed, char **ret_insert,
                   char **ret_list)
{
    size_t common = common_length(found, count);
    sl_bytes out = { 0 };
    if (count > 1 && common <= typed) {
        list(found, count, &out);
        *ret_list = sl_strdup(sl_bytes_cstr(&out));
    } else {
        sl_bytes_append(&out, found[0] + typed, common - typed);
        sl_bytes_text(&out, count == 1 ? " " : "");
        *ret_insert = sl_strdup(sl_bytes_cstr(&out));
    }
    sl_bytes_deinit(&out);
}

void sl_shell_names_complete(void *user, const char *line, size_t length,
                             char **ret_insert, char **ret_list)
{
    sl_shell_names *n = (sl_shell_names *)user;
    *ret_insert = *ret_list = NULL;
    if (is_in_string(line, length))
        return;
    size_t start = word_start(line, length, true);
    unsigned kinds = kinds_after(line, start);
    if (memchr(line + start, '.', length - start) != NULL && kinds != SL_NAME_SETTING) {
        start = word_start(line, length, false); /* t.col */
        kinds = SL_NAME_COLUMN;
    }
    refresh(n);
    char **found = (char **)sl_calloc(n->count + (size_t)1, sizeof *found);
    uint32_t count = find(n, kinds, line + start, length - start, found);
    if (count > 0)
        answer(found, count, length - start, ret_insert, ret_list);
    for (uint32_t i = 0; i < count; i++)
        sl_free(found[i]);
    sl_free(found);
}
