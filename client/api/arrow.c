/* Chunks as the Arrow C stream interface hands them to other libraries.
 *
 * Fixed-width values, bitmaps and structs lend their buffers: the array keeps a reference
 * on the chunk.  Strings are copied from views to offsets and bytes, as utf8 wants them.
 *
 *   stream --get_next--> array of struct rows --children--> one array a column
 *
 * Every array frees what it owns alone: a consumer may move a child out of its parent. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "client/api/client_private.h"

/* ---- schema ---- */

static char *format_of(const sl_type *t, const char *zone)
{
    static const char *const formats[SL_TYPE_COUNT] = {
        [SL_TYPE_VOID] = "n",
        [SL_TYPE_BOOLEAN] = "b",
        [SL_TYPE_BYTE] = "c",
        [SL_TYPE_SHORT] = "s",
        [SL_TYPE_INT] = "i",
        [SL_TYPE_LONG] = "l",
        [SL_TYPE_FLOAT] = "f",
        [SL_TYPE_DOUBLE] = "g",
        [SL_TYPE_STRING] = "u",
        [SL_TYPE_BINARY] = "z",
        [SL_TYPE_DATE] = "tdD",
        [SL_TYPE_TIMESTAMP_NTZ] = "tsu:",
        [SL_TYPE_STRUCT] = "+s",
        [SL_TYPE_INTERVAL_DAY_TIME] = "tDu",
        [SL_TYPE_INTERVAL_YEAR_MONTH] = "tiM",
    };
    if (t->id != SL_TYPE_TIMESTAMP)
        return formats[t->id] != NULL ? sl_strdup(formats[t->id]) : NULL;
    sl_bytes text = { 0 };
    sl_bytes_printf(&text, "tsu:%s", zone);
    return sl_client__take_text(&text);
}

static void release_schema(struct ArrowSchema *s)
{
    for (int64_t i = 0; i < s->n_children; i++) {
        if (s->children[i]->release != NULL)
            s->children[i]->release(s->children[i]);
        sl_free(s->children[i]);
    }
    sl_free(s->children);
    sl_free((void *)(uintptr_t)s->format);
    sl_free((void *)(uintptr_t)s->name);
    s->release = NULL;
}

static int export_schema(const sl_type *type, const char *name, bool nullable,
                         const char *zone, struct ArrowSchema *ret)
{
    *ret = (struct ArrowSchema){ .format = format_of(type, zone),
                                 .name = sl_strdup(name),
                                 .flags = nullable ? ARROW_FLAG_NULLABLE : 0,
                                 .release = release_schema };
    uint32_t n = type->id == SL_TYPE_STRUCT ? type->field_count : 0;
    if (n > 0)
        ret->children = (struct ArrowSchema **)sl_calloc(n, sizeof *ret->children);
    int reason = ret->format != NULL ? 0 : ENOSYS;
    for (uint32_t i = 0; reason == 0 && i < n; i++) {
        const sl_field *f = &type->fields[i];
        ret->children[i] = (struct ArrowSchema *)sl_calloc(1, sizeof **ret->children);
        ret->n_children++;
        reason = export_schema(f->type, f->name, f->nullable, zone, ret->children[i]);
    }
    if (reason != 0)
        release_schema(ret);
    return reason;
}

/* ---- arrays ---- */

/* What an exported array holds. */
struct held {
    sl_chunk *chunk; /* lends the buffers */
    void *offsets, *bytes;
    const void *buffers[3];
};

static void release_array(struct ArrowArray *a)
{
    struct held *h = (struct held *)a->private_data;
    for (int64_t i = 0; i < a->n_children; i++) {
        if (a->children[i]->release != NULL)
            a->children[i]->release(a->children[i]);
        sl_free(a->children[i]);
    }
    sl_free(a->children);
    sl_chunk_unref(h->chunk);
    sl_free(h->offsets);
    sl_free(h->bytes);
    sl_free(h);
    a->release = NULL;
}

static struct held *start_array(struct ArrowArray *a, sl_chunk *chunk, uint32_t length,
                                uint32_t children)
{
    struct held *h = (struct held *)sl_calloc(1, sizeof *h);
    h->chunk = sl_chunk_ref(chunk);
    *a = (struct ArrowArray){ .length = length,
                              .buffers = h->buffers,
                              .release = release_array,
                              .private_data = h };
    if (children > 0)
        a->children = (struct ArrowArray **)sl_calloc(children, sizeof *a->children);
    return h;
}

static struct ArrowArray *add_child(struct ArrowArray *a)
{
    struct ArrowArray *child = (struct ArrowArray *)sl_calloc(1, sizeof *child);
    a->children[a->n_children++] = child;
    return child;
}

static uint64_t bytes_of_strings(const sl_column *c)
{
    const sl_string_view *views = sl_column_strings(c);
    uint64_t total = 0;
    for (uint32_t i = 0; i < c->length; i++)
        total += sl_column_is_valid(c, i) ? views[i].length : 0;
    return total;
}

static int export_strings(const sl_column *c, struct held *h)
{
    const sl_string_view *views = sl_column_strings(c);
    uint64_t total = bytes_of_strings(c);
    if (total > INT32_MAX)
        return EOVERFLOW;
    int32_t *offsets = (int32_t *)sl_try_alloc((c->length + (size_t)1) * sizeof *offsets);
    char *bytes = (char *)sl_try_alloc((size_t)total + 1);
    h->offsets = offsets; /* released with the array, also after a failure */
    h->bytes = bytes;
    if (offsets == NULL || bytes == NULL)
        return ENOMEM;
    uint32_t at = 0;
    for (uint32_t i = 0; i < c->length; i++) {
        offsets[i] = (int32_t)at;
        if (!sl_column_is_valid(c, i))
            continue;
        memcpy(bytes + at, sl_string_data(&views[i]), views[i].length);
        at += views[i].length;
    }
    offsets[c->length] = (int32_t)at;
    h->buffers[1] = offsets;
    h->buffers[2] = bytes;
    return 0;
}

static int export_column(const sl_column *c, sl_chunk *chunk, struct ArrowArray *ret)
{
    struct held *h = start_array(ret, chunk, c->length, c->child_count);
    int reason = 0;
    ret->null_count = c->validity == NULL ? 0 : -1; /* -1: not counted yet */
    h->buffers[0] = c->validity;
    switch (c->type->id) {
    case SL_TYPE_VOID:
        ret->null_count = c->length;
        break;
    case SL_TYPE_STRUCT:
        ret->n_buffers = 1;
        for (uint32_t i = 0; reason == 0 && i < c->child_count; i++)
            reason = export_column(&c->children[i], chunk, add_child(ret));
        break;
    case SL_TYPE_STRING:
    case SL_TYPE_BINARY:
        ret->n_buffers = 3;
        reason = export_strings(c, h);
        break;
    default: /* fixed width: ours is Arrow's layout */
        ret->n_buffers = 2;
        h->buffers[1] = c->values;
    }
    if (reason != 0)
        release_array(ret);
    return reason;
}

/* A child whose export failed has released itself. */
static int export_chunk(sl_chunk *chunk, struct ArrowArray *ret)
{
    int reason = 0;
    (void)start_array(ret, chunk, chunk->row_count, chunk->column_count);
    ret->n_buffers = 1; /* the struct's validity: none */
    for (uint32_t i = 0; reason == 0 && i < chunk->column_count; i++)
        reason = export_column(&chunk->columns[i], chunk, add_child(ret));
    if (reason != 0)
        release_array(ret);
    return reason;
}

/* ---- stream ---- */

struct stream {
    sl_arena *arena;
    const sl_schema *schema;
    sl_chunk **chunks;
    uint32_t chunk_count, at;
    char *zone;
    char error[160];
};

static int fail(struct stream *s, int reason, const char *what)
{
    snprintf(s->error, sizeof s->error, "%s: %s", what,
             reason == EOVERFLOW ? "more than 2 GiB of text in one chunk"
             : reason == ENOSYS  ? "a column's type has no Arrow form yet"
                                 : strerror(reason));
    return reason;
}

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    struct stream *s = (struct stream *)stream->private_data;
    struct ArrowSchema schema;
    sl_type rows = { .id = SL_TYPE_STRUCT,
                     .field_count = s->schema->field_count,
                     .fields = s->schema->fields };
    int reason = export_schema(&rows, "", false, s->zone, &schema);
    if (reason != 0)
        return fail(s, reason, "cannot export the schema");
    *out = schema;
    return 0;
}

static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    struct stream *s = (struct stream *)stream->private_data;
    struct ArrowArray array;
    sl_chunk *flat;
    sl_error err;
    while (s->at < s->chunk_count && s->chunks[s->at]->selected == 0)
        s->at++;
    if (s->at == s->chunk_count) {
        *out = (struct ArrowArray){ .release = NULL }; /* the end */
        return 0;
    }
    if (sl_chunk_flatten(s->chunks[s->at], NULL, &flat, &err) != SL_OK)
        return fail(s, ENOMEM, "cannot copy the selected rows");
    int reason = export_chunk(flat, &array);
    sl_chunk_unref(flat);
    if (reason != 0)
        return fail(s, reason, "cannot export rows");
    s->at++;
    *out = array;
    return 0;
}

static const char *get_last_error(struct ArrowArrayStream *stream)
{
    const struct stream *s = (const struct stream *)stream->private_data;
    return s->error[0] != '\0' ? s->error : NULL;
}

static void release_stream(struct ArrowArrayStream *stream)
{
    struct stream *s = (struct stream *)stream->private_data;
    for (uint32_t i = 0; i < s->chunk_count; i++)
        sl_chunk_unref(s->chunks[i]);
    sl_free(s->chunks);
    sl_arena_free(s->arena);
    sl_free(s->zone);
    sl_free(s);
    stream->release = NULL;
}

void sl_client__arrow_stream(const sl_schema *schema, sl_chunk *const *chunks,
                             uint32_t chunk_count, const sl_time_zone *zone,
                             struct ArrowArrayStream *ret)
{
    struct stream *s = (struct stream *)sl_calloc(1, sizeof *s);
    s->arena = sl_arena_new();
    s->schema = sl_schema_copy(schema, s->arena);
    s->chunks = (sl_chunk **)sl_calloc(chunk_count + (size_t)1, sizeof *s->chunks);
    s->chunk_count = chunk_count;
    for (uint32_t i = 0; i < chunk_count; i++)
        s->chunks[i] = sl_chunk_retype(chunks[i], s->schema);
    s->zone = sl_strdup(sl_time_zone_name(zone));
    *ret = (struct ArrowArrayStream){ .get_schema = get_schema,
                                      .get_next = get_next,
                                      .get_last_error = get_last_error,
                                      .release = release_stream,
                                      .private_data = s };
}
