/* A tree of what each field has been, merged value by value.  Only the shape is kept, so
 * memory is bounded by the number of different fields. */
#include "formats/json_infer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "formats/json_private.h"

typedef enum seen_kind {
    SEEN_NULL,
    SEEN_BOOLEAN,
    SEEN_LONG,
    SEEN_DOUBLE,
    SEEN_STRING,
    SEEN_STRUCT,
} seen_kind;

typedef struct node {
    char *name;
    seen_kind kind;
    uint32_t child_count, child_capacity, hint;
    struct node **children; /* in order of first sight */
} node;

struct sl_json_inference {
    sl_json_options options;
    sl_arena *arena; /* all nodes */
    node root;
    sl_bytes scratch;
    uint32_t fields;
    uint32_t depth;
    bool too_many, malformed;
};

sl_json_inference *sl_json_inference_new(const sl_json_options *options)
{
    sl_json_inference *i = sl_calloc(1, sizeof *i);
    i->options = *options;
    i->arena = sl_arena_new();
    i->root.kind = SEEN_STRUCT;
    return i;
}

void sl_json_inference_free(sl_json_inference *i)
{
    if (i == NULL)
        return;
    sl_arena_free(i->arena);
    sl_bytes_deinit(&i->scratch);
    sl_free(i);
}

static node *add_child(sl_json_inference *i, node *n, sl_span name)
{
    if (++i->fields > SL_COLUMNS_MAX) {
        i->too_many = true;
        return NULL;
    }
    if (n->child_count == n->child_capacity) {
        uint32_t capacity = n->child_capacity != 0 ? n->child_capacity * 2 : 8;
        node **children = SL_ARENA_ARRAY(i->arena, node *, capacity);
        if (n->child_count != 0)
            memcpy(children, n->children, n->child_count * sizeof(node *));
        n->children = children;
        n->child_capacity = capacity;
    }
    node *child = SL_ARENA_NEW(i->arena, node);
    child->name = sl_arena_strndup(i->arena, (const char *)name.data, name.size_bytes);
    n->children[n->child_count++] = child;
    return child;
}

static node *find_child(sl_json_inference *i, node *n, sl_span name)
{
    for (uint32_t k = 0; k < n->child_count; k++) {
        uint32_t at = (n->hint + k) % n->child_count;
        const char *have = n->children[at]->name;
        if (strlen(have) == name.size_bytes &&
            memcmp(have, name.data, name.size_bytes) == 0) {
            n->hint = at + 1;
            return n->children[at];
        }
    }
    return add_child(i, n, name);
}

static seen_kind merge_kinds(seen_kind a, seen_kind b)
{
    if (a == b || b == SEEN_NULL)
        return a;
    if (a == SEEN_NULL)
        return b;
    if ((a == SEEN_LONG && b == SEEN_DOUBLE) || (a == SEEN_DOUBLE && b == SEEN_LONG))
        return SEEN_DOUBLE;
    return SEEN_STRING;
}

/* Past 64 bits Spark says decimal, which is not here yet: double. */
static seen_kind integer_kind(const sl_json__token *t)
{
    const char *p = t->begin + (*t->begin == '-');
    const char *limit = *t->begin == '-' ? "9223372036854775808" : "9223372036854775807";
    while (p < t->end - 1 && *p == '0')
        p++;
    size_t digits = (size_t)(t->end - p);
    if (digits != 19)
        return digits < 19 ? SEEN_LONG : SEEN_DOUBLE;
    return memcmp(p, limit, 19) <= 0 ? SEEN_LONG : SEEN_DOUBLE;
}

static seen_kind kind_of(const sl_json_inference *i, const sl_json__token *t)
{
    if (i->options.primitives_as_string && t->kind != SL_JSON__OBJECT &&
        t->kind != SL_JSON__NULL)
        return SEEN_STRING;
    switch (t->kind) {
    case SL_JSON__NULL:
    case SL_JSON__ABSENT:
        return SEEN_NULL;
    case SL_JSON__TRUE:
    case SL_JSON__FALSE:
        return SEEN_BOOLEAN;
    case SL_JSON__INT:
        return integer_kind(t);
    case SL_JSON__FLOAT:
    case SL_JSON__NON_NUMERIC:
        return SEEN_DOUBLE;
    case SL_JSON__OBJECT:
        return SEEN_STRUCT;
    default:
        return SEEN_STRING;
    }
}

typedef struct look {
    sl_json_inference *inference;
    node *at;
} look;

static void look_at_member(const sl_json__token *key, const sl_json__token *value,
                           void *user)
{
    look *l = user;
    sl_json_inference *i = l->inference;
    sl_span name = sl_json__token_text(key, &i->scratch);
    if (name.size_bytes == 0 || memchr(name.data, '\0', name.size_bytes) != NULL)
        return; /* Spark drops nameless fields */
    node *n = find_child(i, l->at, name);
    if (n == NULL)
        return;
    seen_kind kind = kind_of(i, value);
    if (kind == SEEN_STRUCT && i->depth >= SL_TYPE_DEPTH_MAX)
        kind = SEEN_STRING;
    n->kind = merge_kinds(n->kind, kind);
    if (n->kind != SEEN_STRUCT || value->kind != SL_JSON__OBJECT)
        return;
    sl_json__cursor c = { value->begin, value->end, &i->options };
    look inner = { i, n };
    i->depth++;
    (void)sl_json__read_object(&c, 0, look_at_member, &inner); /* checked before */
    i->depth--;
}

/* Objects count once the whole line has been checked. */
static bool look_at_line(sl_json_inference *i, const char *line, const char *end)
{
    sl_json__cursor c = { line, end, &i->options };
    sl_json__token t;
    sl_json__skip_space(&c);
    if (c.at == end)
        return true;
    if (!sl_json__utf8_valid(line, (size_t)(end - line)) ||
        !sl_json__read_token(&c, 0, &t))
        return false;
    look l = { i, &i->root };
    if (t.kind == SL_JSON__OBJECT) {
        c.at = t.begin;
        return sl_json__read_object(&c, 0, look_at_member, &l);
    }
    if (t.kind != SL_JSON__ARRAY)
        return false;
    for (c.at = t.begin + 1;; c.at++) { /* an array of objects: each is a row */
        sl_json__skip_space(&c);
        if (*c.at != '{')
            return *c.at == ']';
        if (!sl_json__read_object(&c, 1, look_at_member, &l))
            return false;
        sl_json__skip_space(&c);
        if (*c.at == ']')
            return true;
    }
}

static sl_code look_at_lines(sl_json_inference *i, const sl_json__feed *f,
                             const char *name, sl_error *err)
{
    const char *data = (const char *)f->block->data;
    const char *at = data + f->lines_begin, *end = data + f->lines_end;
    while (at < end) {
        const char *stop = sl_json__line_end(at, end);
        const char *line_end = stop != NULL ? stop : end;
        if (f->oversize || !look_at_line(i, at, line_end)) {
            if (i->options.mode == SL_JSON_FAILFAST)
                return sl_fail_as(err, SL_EDATA, "MALFORMED_RECORD_IN_SCHEMA_INFERENCE",
                                  "22023",
                                  "Malformed records are detected in schema inference: "
                                  "byte %" PRId64 " of %s. Parse Mode: FAILFAST.",
                                  f->block_at + (at - data), name);
            i->malformed = true;
        }
        if (i->too_many)
            return sl_fail(err, SL_ELIMIT, "%s has more than %d different JSON fields",
                           name, SL_COLUMNS_MAX);
        at = line_end + (stop != NULL);
    }
    return SL_OK;
}

sl_code sl_json_inference_file(sl_json_inference *i, sl_file *file, const char *name,
                               sl_error *err)
{
    sl_json_read_request q = { .file = file, .name = name, .end = INT64_MAX };
    sl_json__feed f;
    sl_json__feed_init(&f, &q);
    sl_code code = SL_OK;
    for (bool more = true; more && code == SL_OK;) {
        code = sl_json__feed_next(&f, &more, err);
        if (code == SL_OK && more)
            code = look_at_lines(i, &f, name, err);
    }
    sl_json__feed_deinit(&f);
    return code;
}

/* ---- the schema ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const sl_field *)a)->name, ((const sl_field *)b)->name);
}

static uint32_t make_fields(const sl_json_inference *i, const node *n, uint32_t extra,
                            sl_arena *arena, sl_field **ret);

/* NULL: the field is left out. */
static const sl_type *type_of(const sl_json_inference *i, const node *n, sl_arena *arena)
{
    switch (n->kind) {
    case SEEN_BOOLEAN:
        return sl_type_of(SL_TYPE_BOOLEAN);
    case SEEN_LONG:
        return sl_type_of(SL_TYPE_LONG);
    case SEEN_DOUBLE:
        return sl_type_of(SL_TYPE_DOUBLE);
    case SEEN_NULL:
        return i->options.drop_field_if_all_null ? NULL : sl_type_of(SL_TYPE_STRING);
    case SEEN_STRUCT: {
        sl_field *fields;
        uint32_t count = make_fields(i, n, 0, arena, &fields);
        return count != 0 ? sl_type_struct(arena, fields, count) : NULL;
    }
    default:
        return sl_type_of(SL_TYPE_STRING);
    }
}

/* Room for `extra` more fields is left behind the sorted ones. */
static uint32_t make_fields(const sl_json_inference *i, const node *n, uint32_t extra,
                            sl_arena *arena, sl_field **ret)
{
    sl_field *fields =
        SL_ARENA_ARRAY(arena, sl_field, (size_t)n->child_count + extra + 1);
    uint32_t count = 0;
    for (uint32_t k = 0; k < n->child_count; k++) {
        const sl_type *type = type_of(i, n->children[k], arena);
        if (type != NULL)
            fields[count++] =
                (sl_field){ .name = sl_arena_strdup(arena, n->children[k]->name),
                            .type = type,
                            .nullable = true };
    }
    qsort(fields, count, sizeof *fields, by_name);
    *ret = fields;
    return count;
}

sl_code sl_json_inference_schema(const sl_json_inference *i, sl_arena *arena,
                                 sl_schema **ret, sl_error *err)
{
    if (i->too_many)
        return sl_fail(err, SL_ELIMIT, "more than %d different JSON fields",
                       SL_COLUMNS_MAX);
    sl_field *fields;
    uint32_t count = make_fields(i, &i->root, 1, arena, &fields);
    if (i->malformed && i->options.mode == SL_JSON_PERMISSIVE) {
        bool named = false;
        for (uint32_t k = 0; k < count; k++)
            named |= strcmp(fields[k].name, i->options.corrupt_column) == 0;
        if (!named) {
            fields[count++] =
                (sl_field){ .name = sl_arena_strdup(arena, i->options.corrupt_column),
                            .type = sl_type_of(SL_TYPE_STRING),
                            .nullable = true };
            qsort(fields, count, sizeof *fields, by_name);
        }
    }
    sl_schema *s = SL_ARENA_NEW(arena, sl_schema);
    *s = (sl_schema){ .field_count = count, .fields = fields };
    *ret = s;
    return SL_OK;
}
