/* What of a session outlives it: its owner's directory in paths, the statements its
 * queries depend on, and how a restarted driver starts those queries again.
 *
 *   sl_driver_resume() --> for each record: a session of its own
 *        context statements one after another --> CREATE STREAMING QUERY, detached
 *        --> the session is freed; the query runs, nobody's until a client attaches */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/text.h"
#include "driver/session_private.h"
#include "engine/sql/parse.h"

/* ---- owner, directory ---- */

void sl_session_set_owner(sl_session *s, uint64_t owner, const char *directory)
{
    s->owner = owner;
    sl_free(s->directory);
    s->directory = sl_strdup(directory != NULL ? directory : "");
}

void sl_session_set_origin(sl_session *s, const char *origin)
{
    snprintf(s->origin, sizeof s->origin, "%s", origin);
}

const char *sl_session__path(const sl_session *s, const char *path, sl_arena *arena)
{
    bool is_absolute = *path == '/' || strstr(path, "://") != NULL;
    if (is_absolute || s->directory == NULL || *s->directory == '\0' || *path == '\0')
        return path;
    return sl_arena_printf(arena, "%s/%s", s->directory, path);
}

sl_option_list sl_session__paths(const sl_session *s, const sl_option_list *options,
                                 sl_arena *arena)
{
    static const char *const names[] = { "path", "sourceArchiveDir", "badRecordsPath" };
    sl_option_pair *pairs =
        SL_ARENA_ARRAY(arena, sl_option_pair, options->count + (size_t)1);
    for (uint32_t i = 0; i < options->count; i++) {
        pairs[i] = options->pairs[i];
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            if (sl_text_equal_nocase(pairs[i].name, names[k]))
                pairs[i].value = sl_session__path(s, pairs[i].value, arena);
    }
    return (sl_option_list){ options->count, pairs };
}

const char *sl_session__checkpoint(sl_execution *x, const char *base)
{
    const sl_session *s = x->session;
    const char *name = x->statement->name;
    if (s->resuming != NULL)
        return s->resuming->checkpoint;
    if (x->statement->checkpoint != NULL)
        return sl_session__path(s, x->statement->checkpoint, x->arena);
    if (*base != '\0')
        return sl_arena_printf(x->arena, "%s/%s", sl_session__path(s, base, x->arena),
                               name);
    return "";
}

/* ---- records ---- */

static uint32_t list_settings(const sl_options *o, sl_arena *arena,
                              const sl_registry_setting **ret)
{
    uint32_t all = sl_options_def_count(), n = 0;
    sl_registry_setting *rows =
        SL_ARENA_ARRAY(arena, sl_registry_setting, all + (size_t)1);
    for (uint32_t i = 0; i < all; i++) {
        const char *name = sl_options_def(i)->name;
        if (sl_options_is_set(o, name))
            rows[n++] = (sl_registry_setting){ name, sl_options_text(o, name) };
    }
    *ret = rows;
    return n;
}

void sl_session__record(sl_execution *x, sl_registry_record *ret)
{
    const sl_session *s = x->session;
    *ret = (sl_registry_record){ .query_id = "",
                                 .name = x->statement->name,
                                 .directory = s->directory != NULL ? s->directory : "",
                                 .checkpoint = "",
                                 .context = (const char *const *)s->context.texts,
                                 .context_count = s->context.count,
                                 .statement = x->statement->text,
                                 .origin = s->origin };
    if (s->resuming != NULL)
        ret->query_id = s->resuming->query_id;
    ret->setting_count = list_settings(s->options, x->arena, &ret->settings);
}

/* ---- resuming ---- */

struct sl_resumption {
    sl_driver *driver;
    sl_arena *arena; /* of the record */
    const sl_registry_record *record;
    sl_session *session;
    uint32_t next;   /* context statement, then the query itself */
    bool is_counted; /* clients wait for it */
};

static void count_down(struct sl_resumption *r)
{
    if (!r->is_counted)
        return;
    r->is_counted = false;
    if (--r->driver->resuming == 0)
        sl_clients_on_resumed(r->driver->clients);
}

void sl_session__has_stream(sl_session *s)
{
    if (s->resumption != NULL)
        count_down(s->resumption);
}

static void end_resumption(void *user)
{
    struct sl_resumption *r = (struct sl_resumption *)user;
    sl_session_free(r->session);
    sl_arena_free(r->arena);
    sl_free(r);
}

static void give_up(struct sl_resumption *r, const sl_error *err)
{
    log_error("QUERY-NOT-RESUMED",
              "query %s (%s) stays in the registry, but cannot be resumed: [%s] %s",
              r->record->name, r->record->query_id, err->condition, err->text);
    count_down(r);
    sl_host_post(r->driver->host, r->driver, end_resumption, r);
}

static void next_statement(void *user);

static void on_answer(void *user, const sl_answer *a)
{
    struct sl_resumption *r = (struct sl_resumption *)user;
    if (a->kind == SL_ANSWER_ERROR) {
        give_up(r, a->error);
        return;
    }
    if (r->next <= r->record->context_count) {
        sl_host_post(r->driver->host, r->driver, next_statement, r);
        return;
    }
    log_info("QUERY-RESUMED", "%s from %s", r->record->name, r->record->checkpoint);
    sl_host_post(r->driver->host, r->driver, end_resumption, r);
}

static void next_statement(void *user)
{
    struct sl_resumption *r = (struct sl_resumption *)user;
    const sl_registry_record *m = r->record;
    bool is_query = r->next == m->context_count;
    const char *text = is_query ? m->statement : m->context[r->next];
    sl_sql_cursor cursor = { .line = 1, .column = 1 };
    sl_arena *arena = sl_arena_new();
    const sl_statement *statement = NULL;
    sl_error err;
    sl_code code =
        sl_sql_parse_next(text, strlen(text), &cursor, arena, &statement, &err);
    if (code == SL_OK && statement == NULL)
        code = sl_fail(&err, SL_ECORRUPT, "its record has an empty statement");
    if (code != SL_OK) {
        sl_arena_free(arena);
        give_up(r, &err);
        return;
    }
    r->next++;
    r->session->resuming = is_query ? m : NULL;
    sl_session_set_origin(r->session, is_query ? m->origin : "");
    sl_session_set_detached(r->session, true);
    sl_session_execute(r->session, arena, statement, on_answer, r);
}

bool sl_driver_is_resuming(const sl_driver *d)
{
    return d->resuming > 0;
}

static void resume_one(sl_driver *d, const sl_registry_record *from)
{
    struct sl_resumption *r = (struct sl_resumption *)sl_calloc(1, sizeof *r);
    sl_options *options = sl_options_new();
    sl_bytes bytes = { 0 };
    sl_registry_record *record;
    sl_error err;
    r->driver = d;
    r->arena = sl_arena_new();
    record = SL_ARENA_NEW(r->arena, sl_registry_record);
    r->record = record;
    sl_registry_record_write(from, &bytes); /* a copy of its own */
    sl_span copy = sl_span_of(sl_arena_memdup(r->arena, bytes.data, bytes.size_bytes),
                              bytes.size_bytes);
    sl_bytes_deinit(&bytes);
    sl_code code = sl_registry_record_read(copy, r->arena, record, &err);
    for (uint32_t i = 0; code == SL_OK && i < record->setting_count; i++)
        code = sl_options_set(options, record->settings[i].name,
                              record->settings[i].value, &err);
    r->session = sl_session_new(d, options);
    r->session->resumption = r;
    r->is_counted = true;
    sl_options_free(options);
    if (code != SL_OK) {
        give_up(r, &err);
        return;
    }
    sl_session_set_owner(r->session, 0, record->directory);
    next_statement(r);
}

void sl_driver_resume(sl_driver *d)
{
    const sl_registry_record *rows;
    uint32_t count = 0;
    sl_error err;
    if (d->registry == NULL)
        return;
    sl_arena *arena = sl_arena_new();
    if (sl_query_registry_list(d->registry, arena, &rows, &count, &err) != SL_OK)
        log_error("REGISTRY-READ", "no query is resumed: %s", err.text);
    d->resuming = count; /* before the first: none may end the wait alone */
    for (uint32_t i = 0; i < count; i++)
        resume_one(d, &rows[i]);
    sl_arena_free(arena);
}
