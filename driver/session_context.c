/* Two arrays side by side: texts, as others read them, and what is known of each.  The
 * outdated ones, a few, are looked at again after each change: what held one may be gone.
 */
#include "driver/session_context.h"

#include <string.h>

#include "base/alloc.h"
#include "base/options.h"
#include "base/text.h"

typedef enum { SETTING, CREATE, DROP } statement_class;

struct sl_context_statement {
    statement_class class;
    char *name;
    char *query;      /* of a view; else NULL */
    bool is_outdated; /* a later one of the same name stands */
};

static bool is_named(const sl_session_context *c, uint32_t i, const char *name)
{
    return c->statements[i].class != SETTING &&
           sl_text_equal_nocase(c->statements[i].name, name);
}

/* The newest statement about the name before end; -1 none. */
static int64_t find_before(const sl_session_context *c, uint32_t end, const char *name)
{
    for (uint32_t i = end; i-- > 0;)
        if (is_named(c, i, name))
            return i;
    return -1;
}

/* Does a view speak of the name? A quoted quote is written twice: take it for a yes. */
static bool speaks_of(const sl_context_statement *s, const char *name)
{
    return s->query != NULL &&
           (strchr(name, '`') != NULL || strcasestr(s->query, name) != NULL);
}

void sl_session_context_remove(sl_session_context *c, uint32_t i)
{
    if (c->statements[i].class != SETTING && !c->statements[i].is_outdated) {
        int64_t last = find_before(c, i, c->statements[i].name);
        if (last >= 0)
            c->statements[last].is_outdated = false;
    }
    sl_free(c->texts[i]);
    sl_free(c->statements[i].name);
    sl_free(c->statements[i].query);
    c->count--;
    memmove(&c->texts[i], &c->texts[i + 1], (c->count - i) * sizeof *c->texts);
    memmove(&c->statements[i], &c->statements[i + 1],
            (c->count - i) * sizeof *c->statements);
}

void sl_session_context_deinit(sl_session_context *c)
{
    while (c->count > 0)
        sl_session_context_remove(c, c->count - 1);
    sl_free(c->texts);
    sl_free(c->statements);
    *c = (sl_session_context){ 0 };
}

static void append(sl_session_context *c, statement_class class, const char *name,
                   const char *query, const char *text)
{
    if (c->count == c->capacity) {
        c->capacity = c->capacity == 0 ? 16 : 2 * c->capacity;
        c->texts = (char **)sl_realloc(c->texts, c->capacity * sizeof *c->texts);
        c->statements = (sl_context_statement *)sl_realloc(
            c->statements, c->capacity * sizeof *c->statements);
    }
    c->statements[c->count] = (sl_context_statement){
        .class = class,
        .name = sl_strdup(name),
        .query = query != NULL ? sl_strdup(query) : NULL,
    };
    c->texts[c->count++] = sl_strdup(text);
}

/* ---- settings ---- */

/* NULL: all */
static void forget_settings(sl_session_context *c, const char *name)
{
    for (uint32_t i = c->count; i-- > 0;)
        if (c->statements[i].class == SETTING &&
            (name == NULL || sl_text_equal_nocase(c->statements[i].name, name)))
            sl_session_context_remove(c, i);
}

/* spark.sql.session.timeZone is sluice.session.timeZone. */
static const char *setting_name(const char *name)
{
    const sl_option_def *def = sl_options_find_def(name);
    return def != NULL ? def->name : name;
}

static void set(sl_session_context *c, const sl_statement *s, const char *text)
{
    if (s->name == NULL || s->value == NULL) /* shows them */
        return;
    forget_settings(c, setting_name(s->name));
    append(c, SETTING, setting_name(s->name), NULL, text);
}

/* ---- tables and views ---- */

static uint32_t next_of_name(const sl_session_context *c, uint32_t i)
{
    uint32_t next = i + 1;
    while (!is_named(c, next, c->statements[i].name))
        next++;
    return next;
}

static bool is_needed(const sl_session_context *c, uint32_t i, uint32_t next)
{
    for (uint32_t k = i + 1; k <= next; k++)
        if (speaks_of(&c->statements[k], c->statements[i].name))
            return true;
    return false;
}

/* One outdated CREATE, that nothing needs, goes; with it the DROP that ends it, unless an
 * older CREATE of the name, which a view needs, would live again. */
static bool let_one_go(sl_session_context *c)
{
    for (uint32_t i = c->count; i-- > 0;) {
        if (!c->statements[i].is_outdated || c->statements[i].class != CREATE)
            continue;
        uint32_t next = next_of_name(c, i);
        if (is_needed(c, i, next))
            continue;
        int64_t older = find_before(c, i, c->statements[i].name);
        bool lives_again = older >= 0 && c->statements[older].class == CREATE;
        if (c->statements[next].class == DROP && !lives_again)
            sl_session_context_remove(c, next);
        sl_session_context_remove(c, i);
        return true;
    }
    return false;
}

static uint32_t outdated_count(const sl_session_context *c)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->count; i++)
        n += c->statements[i].is_outdated || c->statements[i].class == DROP;
    return n;
}

/* The newest of each name takes the place of its first: before the views over it. */
static void keep_what_lives(sl_session_context *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        while (c->statements[i].is_outdated) {
            uint32_t next = next_of_name(c, i);
            char *text = c->texts[i];
            sl_context_statement statement = c->statements[i];
            c->texts[i] = c->texts[next];
            c->statements[i] = c->statements[next];
            c->texts[next] = text;
            c->statements[next] = statement;
            sl_session_context_remove(c, next);
        }
    for (uint32_t i = c->count; i-- > 0;)
        if (c->statements[i].class == DROP)
            sl_session_context_remove(c, i);
}

static void change(sl_session_context *c, const sl_statement *s, const char *text)
{
    bool is_drop = s->kind == SL_ST_DROP_TABLE || s->kind == SL_ST_DROP_VIEW;
    int64_t last = find_before(c, c->count, s->name);
    bool is_there = last >= 0 && c->statements[last].class == CREATE;
    /* What is dropped and was not made here is a table of the memory sink: it died with
     * the driver. */
    if (is_drop ? !is_there : is_there && s->if_not_exists)
        return;
    if (last >= 0)
        c->statements[last].is_outdated = true;
    append(c, is_drop ? DROP : CREATE, s->name,
           s->kind == SL_ST_CREATE_VIEW ? s->query_text : NULL, text);
    while (let_one_go(c))
        continue;
    if (outdated_count(c) > SL_CONTEXT_OUTDATED_MAX)
        keep_what_lives(c);
}

void sl_session_context_add(sl_session_context *c, const sl_statement *s,
                            const char *text)
{
    switch (s->kind) {
    case SL_ST_CREATE_TABLE:
    case SL_ST_CREATE_VIEW:
    case SL_ST_DROP_TABLE:
    case SL_ST_DROP_VIEW:
        change(c, s, text);
        break;
    case SL_ST_SET:
        set(c, s, text);
        break;
    case SL_ST_RESET:
        forget_settings(c, s->name != NULL ? setting_name(s->name) : NULL);
        break;
    default:
        break;
    }
}
