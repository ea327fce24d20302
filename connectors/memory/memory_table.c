#include "connectors/memory_table.h"

#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/text.h"

typedef struct memory_table {
    struct memory_table *next;
    char *name;
    const sl_schema *schema; /* in the arena of all */
    sl_chunk **chunks;       /* without selection */
    uint32_t count, capacity;
    int64_t rows, last_batch;
} memory_table;

struct sl_memory_tables {
    pthread_mutex_t lock;
    sl_arena *schemas; /* also of dropped tables: their rows may still be in use */
    memory_table *tables;
};

sl_memory_tables *sl_memory_tables_new(void)
{
    sl_memory_tables *t = (sl_memory_tables *)sl_calloc(1, sizeof *t);
    pthread_mutex_init(&t->lock, NULL);
    t->schemas = sl_arena_new();
    return t;
}

static void clear(memory_table *t)
{
    for (uint32_t i = 0; i < t->count; i++)
        sl_chunk_unref(t->chunks[i]);
    t->count = 0;
    t->rows = 0;
}

static void table_free(memory_table *t)
{
    clear(t);
    sl_free(t->chunks);
    sl_free(t->name);
    sl_free(t);
}

void sl_memory_tables_free(sl_memory_tables *t)
{
    if (t == NULL)
        return;
    while (t->tables != NULL) {
        memory_table *m = t->tables;
        t->tables = m->next;
        table_free(m);
    }
    pthread_mutex_destroy(&t->lock);
    sl_arena_free(t->schemas);
    sl_free(t);
}

static memory_table *find(sl_memory_tables *t, const char *name)
{
    for (memory_table *m = t->tables; m != NULL; m = m->next)
        if (sl_text_equal_nocase(m->name, name))
            return m;
    return NULL;
}

sl_code sl_memory_table_create(sl_memory_tables *t, const char *name,
                               const sl_schema *schema, sl_error *err)
{
    (void)err;
    memory_table *m = (memory_table *)sl_calloc(1, sizeof *m);
    m->name = sl_strdup(name);
    m->last_batch = -1;
    sl_memory_table_drop(t, name);
    pthread_mutex_lock(&t->lock);
    m->schema = sl_schema_copy(schema, t->schemas);
    m->next = t->tables;
    t->tables = m;
    pthread_mutex_unlock(&t->lock);
    return SL_OK;
}

void sl_memory_table_drop(sl_memory_tables *t, const char *name)
{
    pthread_mutex_lock(&t->lock);
    memory_table *m = find(t, name);
    if (m != NULL) {
        memory_table **at = &t->tables;
        while (*at != m)
            at = &(*at)->next;
        *at = m->next;
        table_free(m);
    }
    pthread_mutex_unlock(&t->lock);
}

const sl_schema *sl_memory_table_schema(sl_memory_tables *t, const char *name,
                                        sl_arena *arena)
{
    pthread_mutex_lock(&t->lock);
    memory_table *m = find(t, name);
    const sl_schema *s = m != NULL ? sl_schema_copy(m->schema, arena) : NULL;
    pthread_mutex_unlock(&t->lock);
    return s;
}

static sl_code fail_missing(const char *name, sl_error *err)
{
    return sl_fail(err, SL_ENOTFOUND, "there is no memory table %s", name);
}

static void append(memory_table *m, const sl_chunk *flat)
{
    if (m->count == m->capacity) {
        m->capacity = m->capacity == 0 ? 16 : m->capacity * 2;
        m->chunks = (sl_chunk **)sl_realloc(m->chunks, m->capacity * sizeof *m->chunks);
    }
    m->chunks[m->count++] = sl_chunk_retype(flat, m->schema);
    m->rows += flat->row_count;
}

sl_code sl_memory_table_append(sl_memory_tables *t, const char *name, sl_chunk *chunk,
                               sl_error *err)
{
    sl_chunk *flat;
    SL_TRY(sl_chunk_flatten(chunk, NULL, &flat, err));
    pthread_mutex_lock(&t->lock);
    memory_table *m = find(t, name);
    if (m != NULL)
        append(m, flat);
    pthread_mutex_unlock(&t->lock);
    sl_chunk_unref(flat);
    return m != NULL ? SL_OK : fail_missing(name, err);
}

void sl_memory_table_truncate(sl_memory_tables *t, const char *name)
{
    pthread_mutex_lock(&t->lock);
    memory_table *m = find(t, name);
    if (m != NULL)
        clear(m);
    pthread_mutex_unlock(&t->lock);
}

int64_t sl_memory_table_rows(sl_memory_tables *t, const char *name)
{
    pthread_mutex_lock(&t->lock);
    memory_table *m = find(t, name);
    int64_t rows = m != NULL ? m->rows : -1;
    pthread_mutex_unlock(&t->lock);
    return rows;
}

/* Rows [from, to) of one chunk as a chunk of its own. */
static sl_code part_of(sl_chunk *c, int64_t from, int64_t to, sl_chunk **ret,
                       sl_error *err)
{
    if (from == 0 && to == c->row_count) {
        *ret = sl_chunk_ref(c);
        return SL_OK;
    }
    uint16_t rows[SL_CHUNK_ROWS_MAX];
    uint32_t n = 0;
    for (int64_t r = from; r < to; r++)
        rows[n++] = (uint16_t)r;
    return sl_chunk_select(c, rows, n, ret, err);
}

sl_code sl_memory_table_rows_get(sl_memory_tables *t, const char *name, int64_t from,
                                 int64_t to, sl_chunk ***ret_chunks, uint32_t *ret_count,
                                 sl_error *err)
{
    pthread_mutex_lock(&t->lock);
    memory_table *m = find(t, name);
    sl_code code = m == NULL ? fail_missing(name, err) : SL_OK;
    sl_chunk **chunks =
        (sl_chunk **)sl_calloc((m != NULL ? m->count : 0) + 1, sizeof *chunks);
    uint32_t count = 0;
    int64_t at = 0;
    for (uint32_t i = 0; code == SL_OK && i < m->count; i++) {
        int64_t n = m->chunks[i]->row_count;
        int64_t first = from > at ? from - at : 0, end = to - at < n ? to - at : n;
        at += n;
        if (first < end)
            code = part_of(m->chunks[i], first, end, &chunks[count], err);
        count += code == SL_OK && first < end ? 1 : 0;
    }
    pthread_mutex_unlock(&t->lock);
    if (code != SL_OK) {
        while (count > 0)
            sl_chunk_unref(chunks[--count]);
        sl_free(chunks);
        return code;
    }
    *ret_chunks = chunks;
    *ret_count = count;
    return SL_OK;
}

int64_t sl_memory_table_last_batch(sl_memory_tables *t, const char *name)
{
    pthread_mutex_lock(&t->lock);
    memory_table *m = find(t, name);
    int64_t batch = m != NULL ? m->last_batch : -1;
    pthread_mutex_unlock(&t->lock);
    return batch;
}

void sl_memory_table_set_last_batch(sl_memory_tables *t, const char *name, int64_t batch)
{
    pthread_mutex_lock(&t->lock);
    memory_table *m = find(t, name);
    if (m != NULL)
        m->last_batch = batch;
    pthread_mutex_unlock(&t->lock);
}
